/* stackmap.c - which words of a frame hold pointers, by its pc: locals, arguments, and variables
 * whose address is taken.
 *
 * Go: runtime/stkframe.go getStackMap, argMapInternal (runtime/stack.go before 1.20),
 * runtime/mgcmark.go scanframeworker, runtime/traceback.go unwinder.resolveInternal (gentraceback
 * before 1.21); 1.18-1.27 do the same in these respects.
 *
 * A return address stands for the call before it: the map is that of pc - 1, but at a function's
 * entry it is the first one.  A frame that faulted goes on at its deferreturn, if anywhere.
 *
 *     end of the frame (fp)   arguments, counted upwards from here
 *     fp - 8                  return address
 *     fp - 16                 saved frame pointer, when the function has a frame at all
 *     varp = fp - 16 or - 8   end of the locals; their map and objects count from here
 *     sp = fp - 8 - frame
 *
 * Everything follows from the pc, so it is looked up once, and a frame costs a hash lookup and its
 * pointers.  What the runtime would throw for ("missing stackmap") is marked, and looked through
 * without a map. */
#include <stdlib.h>
#include <string.h>

#include "rt/heap_roots_int.h"

enum {
    FRAME_MAX = 1 << 30,
    MASK_MAX = 1 << 27, /* bytes of a mask */
};

struct stackmaps {
    const struct rt *rt;
    struct target *t;
    struct rt_types *types;
    struct arena arena; /* masks that are not the image's */
    struct map by_pc;   /* pc << 1 | after_fault -> index of maps */
    struct map by_off;  /* map << 32 | off -> place, of places that no map told */
    VEC(struct stackmap) maps;
    VEC(struct stackmap_place) places;
    VEC(struct stackmap_object) objects;
};

struct stackmaps *stackmaps_new(const struct heap *h)
{
    struct stackmaps *sm = mem_alloc(sizeof(*sm));
    sm->rt = h->c->rt;
    sm->t = h->c->t;
    sm->types = h->types;
    arena_init(&sm->arena);
    return sm;
}

void stackmaps_free(struct stackmaps *sm)
{
    if (!sm)
        return;
    map_free(&sm->by_pc);
    map_free(&sm->by_off);
    vec_free(&sm->maps);
    vec_free(&sm->places);
    vec_free(&sm->objects);
    arena_free(&sm->arena);
    free(sm);
}

const struct stackmap *stackmaps_get(const struct stackmaps *sm, uint32_t map)
{
    return &sm->maps.v[map];
}

const struct stackmap_object *stackmaps_object(const struct stackmaps *sm, uint32_t object)
{
    return &sm->objects.v[object];
}

const struct stackmap_place *stackmaps_place(const struct stackmaps *sm, uint32_t place)
{
    return &sm->places.v[place];
}

uint32_t stackmaps_place_at(struct stackmaps *sm, uint32_t map, int32_t off)
{
    const struct stackmap *m = &sm->maps.v[map];
    bool added;
    for (uint32_t i = 0; i < m->nplaces; i++)
        if (sm->places.v[m->place + i].off == off)
            return m->place + i;
    uint32_t place = map_get_or_put(&sm->by_off, (uint64_t)map << 32 | (uint32_t)off,
                                    (uint32_t)sm->places.n, &added);
    if (added) {
        struct stackmap_place p = {map, off};
        vec_push(&sm->places, p);
    }
    return place;
}

/* Go: internal/abi/abi.go RegArgs: 9 integers, 15 floats, 9 pointers and 9 bits on amd64
 * (internal/abi/abi_amd64.go); runtime/stkframe.go methodValueCallFrameObjs. */
const struct stackmap_object *stackmap_regargs(void)
{
    enum { INTS = 9, FLOATS = 15, PTRS = 9, SIZE = (INTS + FLOATS + PTRS) * 8 + 8 };
    static const uint8_t mask[] = {0, 0, 0, 0xff, 0x01}; /* words 24 to 32 */
    static const struct stackmap_object object = {
        .off = -16 - SIZE, .size = SIZE, .words = INTS + FLOATS + PTRS, .mask = mask};
    return &object;
}

/* ---- learning a pc ---- */

struct learning {
    struct stackmaps *sm;
    struct stackmap *map;
    const struct rt_module *m;
    struct pcln_func f;
    taddr at; /* whose map it is; 0: the frame never goes on */
};

/* name: "x*" stands for all that begin with x. */
static bool is_named(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

static uint16_t flags_of(const struct pcln_func *f)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } special[] = {
        {"runtime.sigpanic", STACKMAP_SIGPANIC},
        {"runtime.asyncPreempt", STACKMAP_INJECTED},
        {"runtime.debugCallV*", STACKMAP_INJECTED},
        {"runtime.gcWriteBarrier*", STACKMAP_BARRIER},
        {"gcWriteBarrier", STACKMAP_BARRIER},
        {"runtime.typedmemmove", STACKMAP_BARRIER},
        {"runtime.typedmemclr", STACKMAP_BARRIER},
        {"runtime.wbZero", STACKMAP_BARRIER},
        {"runtime.wbMove", STACKMAP_BARRIER},
        {"reflect.makeFuncStub", STACKMAP_REFLECT},
        {"reflect.methodValueCall", STACKMAP_REFLECT},
    };
    uint16_t flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (is_named(special[i].name, f->name))
            flags |= special[i].flag;
    flags |= f->flag & PCLN_FLAG_TOP ? STACKMAP_END : 0;
    flags |= f->flag & PCLN_FLAG_ASM ? STACKMAP_ASM : 0;
    if (f->flag & PCLN_FLAG_SPWRITE && strcmp(f->name, "runtime.cgocallback") != 0)
        flags |= STACKMAP_SWITCH;
    return flags;
}

static void add_places(struct learning *le, const struct pcln_bits *bits, int32_t first)
{
    struct stackmaps *sm = le->sm;
    uint32_t map = (uint32_t)(le->map - sm->maps.v);
    for (uint32_t i = 0; i < bits->n; i++) {
        if (!(bits->bits[i / 8] >> i % 8 & 1))
            continue;
        struct stackmap_place p = {map, first + 8 * (int32_t)i};
        vec_push(&sm->places, p);
        le->map->nplaces++;
    }
}

/* n bytes at an offset from the module's read-only data; NULL: they are not there. */
static const uint8_t *rodata_at(struct learning *le, uint32_t off, size_t n)
{
    const struct rt *rt = le->sm->rt;
    taddr addr = le->m->rodata + off;
    const uint8_t *p = le->m == rt->modules ? image_at(rt->img, addr - rt->slide, n) : NULL;
    if (p || n > MASK_MAX)
        return p;
    uint8_t *copy = arena_alloc(&le->sm->arena, n);
    struct err *e = target_read(le->sm->t, addr, copy, n);
    err_free(e);
    return e ? NULL : copy;
}

static void add_objects(struct learning *le, int32_t varp)
{
    size_t n = pcln_stack_objects(&le->m->pcln, &le->f);
    struct pcln_stack_object o;
    for (size_t i = 0; i < n; i++) {
        if (!pcln_stack_object(&le->m->pcln, &le->f, i, &o))
            continue;
        int64_t off = o.off < 0 ? (int64_t)varp + o.off : o.off;
        if (off < -8 - (int64_t)le->map->frame || off > FRAME_MAX)
            continue; /* not made yet */
        struct stackmap_object object = {(int32_t)off, o.size, o.ptr_bytes / 8, NULL};
        object.mask = o.program
                          ? types_program_mask(le->sm->types, le->m->rodata + o.mask, object.words)
                          : rodata_at(le, o.mask, (object.words + 7) / 8);
        if (!object.mask)
            le->map->flags |= STACKMAP_NO_MAP;
        else
            vec_push(&le->sm->objects, object);
    }
    le->map->nobjects = (uint32_t)le->sm->objects.n - le->map->object;
}

static void add_maps(struct learning *le)
{
    const struct pcln *p = &le->m->pcln;
    struct stackmap *map = le->map;
    struct pcln_bits bits;
    int32_t varp = map->frame > 0 ? -16 : -8, index = -1;
    if (le->at != le->f.entry)
        index = pcln_pcdata(p, &le->f, PCLN_PCDATA_STACK_MAP, le->at - 1);
    if (index < 0)
        index = 0; /* in the prologue */
    if (map->frame > 8) {
        if (!pcln_pointer_map(p, &le->f, PCLN_FUNCDATA_LOCALS_MAPS, index, &bits))
            map->flags |= STACKMAP_NO_MAP;
        else if (bits.n <= (uint32_t)map->frame / 8)
            add_places(le, &bits, varp - 8 * (int32_t)bits.n);
    }
    if (le->f.args > 0) {
        map->args = min_u64((uint64_t)le->f.args, FRAME_MAX);
        if (!pcln_pointer_map(p, &le->f, PCLN_FUNCDATA_ARGS_MAPS, index, &bits))
            map->flags |= STACKMAP_NO_MAP;
        else if (bits.n <= (uint32_t)le->f.args / 8)
            add_places(le, &bits, 0);
    }
    if (!(map->flags & STACKMAP_REFLECT))
        add_objects(le, varp);
}

static void learn(struct stackmaps *sm, uint32_t number, taddr pc, bool after_fault)
{
    struct learning le = {.sm = sm, .map = &sm->maps.v[number], .at = pc};
    *le.map = (struct stackmap){.pc = pc,
                                .frame = -1,
                                .flags = STACKMAP_END | STACKMAP_UNKNOWN,
                                .place = (uint32_t)sm->places.n,
                                .object = (uint32_t)sm->objects.n};
    if (!rt_func_at(sm->rt, pc, &le.f, &le.m) || !le.f.pcsp)
        return;
    int32_t frame = pcln_frame_size(&le.m->pcln, &le.f, pc);
    if (frame < 0 || frame > FRAME_MAX)
        return;
    le.map->frame = frame;
    le.map->flags = flags_of(&le.f);
    if (after_fault)
        le.at = le.f.deferreturn ? le.f.entry + le.f.deferreturn + 1 : 0;
    if (le.at && !(le.map->flags & STACKMAP_INJECTED))
        add_maps(&le);
    else if (le.f.args > 0)
        le.map->args = min_u64((uint64_t)le.f.args, FRAME_MAX);
}

uint32_t stackmaps_at(struct stackmaps *sm, taddr pc, bool after_fault)
{
    bool added;
    uint32_t number =
        map_get_or_put(&sm->by_pc, pc << 1 | after_fault, (uint32_t)sm->maps.n, &added);
    if (added) {
        struct stackmap none = {0};
        vec_push(&sm->maps, none);
        learn(sm, number, pc, after_fault);
    }
    return number;
}
