/* ahead_print.c - prints of goroutines: goroutine.print, by which looks at different times tell
 * whether a goroutine that runs gets anywhere.
 *
 * Two looks give a goroutine the same print when nothing is different in what it can work with:
 *   - the program counters of its frames and what is in them.  The runtime's frames and those of
 *     package sync are left out (clocks, queue records; how far an operation on a channel has come
 *     is no progress), what was interrupted is not (asyncPreempt keeps registers there);
 *   - its registers, when it was running code of the program;
 *   - the variables that the code ahead of these frames names, calls included;
 *   - the heap objects all these lead to, DEPTH steps far.
 * A pointer into the goroutine's own stack counts as its distance from the end, because stacks
 * move. Of channels the queues are left out: who waits is told elsewhere.
 *
 * So a print that differs may mean nothing (a clock, a counter, what a neighbour did); one that
 * comes back again and again means that nothing happened that was looked at.  SNAP_GF_PRINT_PART
 * says that there was more memory to look at (large objects, many), SNAP_GF_PRINT_CODE that the
 * code ahead may do what nobody sees: calls through pointers, system calls, C, more code than is
 * read.  With that, 0 is the print of a stack that was not known as a whole: between two stacks,
 * mostly, which says nothing of the next look.
 *
 * Bounds: bytes and objects of one print, bytes of all.  Goroutines that got none have 0. */
#include <stdlib.h>

#include "rt/ahead_int.h"

enum {
    DEPTH = 3,          /* pointers followed from a frame, a register or a variable */
    OBJECTS_MAX = 128,  /* of a print */
    OBJECT_BYTES = 512, /* of an object */
    FRAME_BYTES = 4096,
    NAMES_MAX = 128, /* variables named by the code ahead of a place */
    NAME_BYTES = 64, /* of a variable whose address is taken: how large it is is not known */
    CODE_INSNS = 8000,
    CODE_DEPTH = 5,
    ALL_BYTES = 64 << 20,
    ALL_BYTES_STOPPED = 1 << 20, /* while the process waits for us */
    CROWD_PRINTS = 64,           /* of goroutines that are alike, when nobody named any */
};

struct name { /* a variable that code refers to */
    taddr at;
    uint32_t n;
};

struct place_names { /* of the code ahead of a place */
    uint32_t first, n;
    bool code; /* there may be more: code that was not read */
};

struct todo {
    taddr at;
    uint32_t n, depth;
};

struct printer {
    struct capture *c;
    struct ahead a;
    struct rt_heap heap;
    VEC(struct name) names;
    VEC(struct place_names) places;
    struct map by_place; /* pc << 1 | exact -> places */
    struct map hidden;   /* runtime.g, m and p */
    uint64_t left;       /* bytes */
    uint64_t without;    /* goroutines: there was too much to read */
    uint64_t of_crowds;  /* ... one of many that are alike */
    /* of one print */
    const struct rt_g *g;
    uint64_t hash;
    VEC(struct todo) todo;
    struct map seen;
    uint32_t objects;
    bool part, code;
};

/* ---- variables that code names ---- */

struct survey {
    struct printer *p;
    struct map seen, fns;
    struct map named;
    VEC(taddr) todo;
    unsigned insns, depth;
    bool code; /* not all was read */
};

static void survey_code(struct survey *s, taddr pc);

static void take_operand(struct survey *s, const struct arch_operand *o, bool address)
{
    struct printer *p = s->p;
    bool added;
    taddr at = (taddr)o->value;
    if (o->place != ARCH_MEMORY || o->reg >= 0 || o->index >= 0 || rt_is_go_code(p->c->rt, at) ||
        at == G(p->c->rt, write_barrier))
        return;
    if (map_get_or_put(&s->named, at, 0, &added), !added)
        return;
    if (s->named.n > NAMES_MAX)
        s->code = true;
    else
        vec_push(&p->names, ((struct name){at, address || !o->size ? NAME_BYTES : o->size}));
}

/* Of the runtime: what runs code that is not seen here. */
static bool is_opaque(const struct ahead_fn *f)
{
    static const char *const names[] = {"runtime.deferreturn", "runtime.cgocall",
                                        "runtime.asmcgocall", "runtime.reflectcall"};
    static const char *const calls[] = {"syscall.", "internal/runtime/syscall.",
                                        "runtime/internal/syscall."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(f->name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (strncmp(f->name, calls[i], strlen(calls[i])) == 0)
            return true;
    return false;
}

static void survey_call(struct survey *s, const struct arch_operand *to)
{
    struct ahead_code *k = &s->p->a.code;
    bool added;
    uint32_t i = to->place == ARCH_IMMEDIATE ? ahead_fn_at(k, (taddr)to->value) : SNAP_NONE;
    if (i == SNAP_NONE || is_opaque(&k->fns.v[i])) {
        s->code = true;
        return;
    }
    const struct ahead_fn *f = &k->fns.v[i];
    taddr entry = f->entry;
    if (f->runtime || (map_get_or_put(&s->fns, entry, 0, &added), !added))
        return;
    if (s->depth >= CODE_DEPTH) {
        s->code = true;
        return;
    }
    s->depth++;
    survey_code(s, entry);
    s->depth--;
}

/* One instruction; false: the code does not go on behind it. */
static bool survey_one(struct survey *s, taddr lo, taddr hi, const struct arch_op *op)
{
    take_operand(s, &op->dst, false);
    if (op->verb == ARCH_V_CALL || op->verb == ARCH_V_JUMP || op->verb == ARCH_V_JUMP_IF) {
        taddr to = (taddr)op->src.value;
        bool inside =
            op->verb != ARCH_V_CALL && op->src.place == ARCH_IMMEDIATE && to >= lo && to < hi;
        if (inside)
            vec_push(&s->todo, to);
        else
            survey_call(s, &op->src);
        return op->verb != ARCH_V_JUMP;
    }
    take_operand(s, &op->src, op->verb == ARCH_V_ADDRESS);
    take_operand(s, &op->other, false);
    return op->verb != ARCH_V_RETURN && op->verb != ARCH_V_TRAP;
}

static void survey_code(struct survey *s, taddr pc)
{
    struct ahead_code *k = &s->p->a.code;
    uint32_t fn = ahead_fn_at(k, pc);
    size_t bottom = s->todo.n;
    if (fn == SNAP_NONE)
        return;
    taddr lo = k->fns.v[fn].entry, hi = k->fns.v[fn].end;
    vec_push(&s->todo, pc);
    while (s->todo.n > bottom) {
        taddr at = s->todo.v[--s->todo.n];
        for (bool on = true, added; on;) {
            if (at >= hi || (map_get_or_put(&s->seen, at, 0, &added), !added))
                break;
            uint32_t i = ahead_insn_at(k, at);
            if (i == SNAP_NONE || ++s->insns > CODE_INSNS) {
                s->code = true;
                break;
            }
            struct arch_op op = k->insns.v[i].op;
            at += op.len;
            on = survey_one(s, lo, hi, &op);
        }
    }
}

static struct place_names names_at(struct printer *p, taddr pc, bool exact)
{
    bool added;
    uint32_t i = map_get_or_put(&p->by_place, pc << 1 | exact, (uint32_t)p->places.n, &added);
    if (added) {
        struct survey s = {.p = p};
        struct place_names ret = {.first = (uint32_t)p->names.n};
        survey_code(&s, pc);
        ret.n = (uint32_t)p->names.n - ret.first;
        ret.code = s.code;
        vec_push(&p->places, ret);
        map_free(&s.seen);
        map_free(&s.fns);
        map_free(&s.named);
        vec_free(&s.todo);
    }
    return p->places.v[i];
}

/* ---- memory ---- */

static void mix(struct printer *p, uint64_t v)
{
    p->hash = hash_u64(p->hash * 0x9e3779b97f4a7c15ull + v);
}

static uint64_t field(struct printer *p, taddr base, enum rt_field f, size_t n)
{
    uint64_t v = 0;
    ahead_peek(&p->a.mem, base + (taddr)p->c->rt->layout.off[f], n, &v);
    return v;
}

/* Whether an object is a channel, by what makechan() leaves in it and nothing changes.
 * Go: runtime/chan.go (1.18-1.27). */
static bool is_chan(struct printer *p, const struct rt_object *o)
{
    const struct rt_layout *l = &p->c->rt->layout;
    uint64_t head = (uint64_t)l->size[RT_STRUCT_hchan];
    if (!rt_has(l, RT_hchan_recvq) || o->size < head)
        return false;
    taddr type = field(p, o->base, RT_hchan_elemtype, 8), buf = field(p, o->base, RT_hchan_buf, 8);
    uint64_t cap = field(p, o->base, RT_hchan_dataqsiz, 8);
    bool typed = false;
    for (size_t i = 0; i < p->c->rt->nmodules; i++)
        typed |= type >= p->c->rt->modules[i].types && type < p->c->rt->modules[i].etypes;
    bool empty = cap == 0 || field(p, o->base, RT_hchan_elemsize, 2) == 0;
    return typed &&
           (buf == o->base + head ||
            (empty ? buf == o->base + (taddr)L(p->c->rt, hchan_buf) : buf > UINT16_MAX)) &&
           field(p, o->base, RT_hchan_qcount, 8) <= cap &&
           field(p, o->base, RT_hchan_sendx, 8) <= cap &&
           field(p, o->base, RT_hchan_recvx, 8) <= cap;
}

/* An object on the heap that was not looked at yet; of a channel, not its queues and its lock. */
static void add_object(struct printer *p, taddr addr, uint32_t depth)
{
    struct rt_object o;
    bool added;
    if (depth > DEPTH || !rt_find_object(&p->heap, addr, &o) ||
        map_get(&p->hidden, o.base) != MAP_NONE)
        return;
    if (map_get_or_put(&p->seen, o.base, 0, &added), !added)
        return;
    if (p->objects == OBJECTS_MAX || o.size > OBJECT_BYTES)
        p->part = true;
    if (p->objects == OBJECTS_MAX)
        return;
    p->objects++;
    const struct rt_layout *l = &p->c->rt->layout;
    bool chan = is_chan(p, &o);
    uint64_t n = min_u64(chan ? (uint64_t)l->off[RT_hchan_recvq] : o.size, OBJECT_BYTES);
    vec_push(&p->todo, ((struct todo){o.base, (uint32_t)n, depth}));
    uint64_t head = (uint64_t)l->size[RT_STRUCT_hchan];
    if (chan && o.size > head)
        vec_push(&p->todo, ((struct todo){o.base + head,
                                          (uint32_t)min_u64(o.size - head, OBJECT_BYTES), depth}));
}

static void take_word(struct printer *p, uint64_t v, uint32_t depth)
{
    bool own = v >= p->g->stack_lo && v < p->g->stack_hi;
    mix(p, own ? p->g->stack_hi - v : v);
    if (!own && v > UINT16_MAX)
        add_object(p, v, depth);
}

static void take_memory(struct printer *p, taddr at, uint64_t n, uint32_t depth)
{
    uint64_t word;
    if (n > p->left) {
        p->part = true;
        n = p->left;
    }
    p->left -= n;
    for (uint64_t k = 0; k < n; k += 8) {
        if (ahead_peek(&p->a.mem, at + k, min_u64(8, n - k), &word))
            take_word(p, word, depth);
        else
            mix(p, 1);
    }
}

/* ---- a goroutine ---- */

static bool is_left_out(const struct ahead_fn *f)
{
    return (f->runtime && !f->injected) || strcmp(f->name, "time.Sleep") == 0 ||
           strncmp(f->name, "sync.", 5) == 0 || strncmp(f->name, "internal/sync.", 14) == 0;
}

static void take_frame(struct printer *p, const struct ahead_frame *f)
{
    const struct ahead_fn *fn = &p->a.code.fns.v[f->fn];
    if (is_left_out(fn))
        return;
    mix(p, f->pc);
    p->part |= f->size > FRAME_BYTES;
    take_memory(p, f->sp, min_u64((uint64_t)f->size, FRAME_BYTES), 1);
    if (fn->injected)
        return;
    struct place_names names = names_at(p, f->pc, f->exact);
    p->code |= names.code;
    for (uint32_t i = names.first; i < names.first + names.n; i++)
        take_memory(p, p->names.v[i].at, p->names.v[i].n, 1);
}

static void take_registers(struct printer *p, const struct goroutine *g)
{
    uint64_t regs[ARCH_REGS] = {0};
    uint32_t known = ahead_registers(&p->a, g, regs);
    for (unsigned i = 0; i < ARCH_REGS; i++)
        if (known >> i & 1)
            take_word(p, regs[i], 1);
}

static uint32_t print_of(struct printer *p, const struct goroutine *g)
{
    struct ahead_goroutine ag = {0};
    p->g = &g->g;
    p->hash = 1;
    p->objects = 0;
    p->part = p->code = false;
    if (!ahead_is_walkable(g))
        return 0;
    ahead_walk(&p->a, g, &ag, AHEAD_FRAMES);
    bool whole = !(ag.flags & SNAP_AH_STACK);
    p->code |= !whole;
    for (size_t i = 0; i < ag.frames.n && whole; i++)
        take_frame(p, &ag.frames.v[i]);
    if (ag.frames.n && whole && g->ran && g->ran->regs &&
        !is_left_out(&p->a.code.fns.v[ag.frames.v[0].fn]))
        take_registers(p, g);
    for (size_t i = 0; i < p->todo.n; i++) {
        struct todo t = p->todo.v[i];
        take_memory(p, t.at, t.n, t.depth + 1);
    }
    bool any = whole && ag.frames.n > 0;
    vec_free(&ag.frames);
    vec_free(&p->todo);
    map_free(&p->seen);
    return any ? (uint32_t)p->hash | 1 : 0;
}

/* ---- those that are asked for ---- */

/* What the runtime keeps of goroutines and threads changes all the time. */
static void hide(struct printer *p, taddr addr)
{
    struct rt_object o; /* large ones begin with a word that tells their type */
    map_put(&p->hidden, rt_find_object(&p->heap, addr, &o) ? o.base : addr, 0);
}

static void open_printer(struct printer *p, struct capture *c)
{
    *p = (struct printer){.c = c};
    p->left = target_kind(c->t) == TARGET_STOP ? ALL_BYTES_STOPPED : ALL_BYTES;
    ahead_init(&p->a, c);
    rt_heap_open(&p->heap, c->rt, c->t);
    for (size_t i = 0; i < c->ngs; i++) /* no goroutine's is so large that it has such a word */
        map_put(&p->hidden, c->gs[i].g.addr, 0);
    for (size_t i = 0; i < c->nms; i++) {
        hide(p, c->ms[i].addr);
        hide(p, c->ms[i].g0);
        hide(p, c->ms[i].gsignal);
    }
    for (size_t i = 0; i < c->nps; i++)
        hide(p, c->ps[i].addr);
}

static void close_printer(struct printer *p)
{
    ahead_close(&p->a);
    rt_heap_close(&p->heap);
    vec_free(&p->names);
    vec_free(&p->places);
    map_free(&p->by_place);
    map_free(&p->hidden);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_one(struct printer *p, const struct goroutine *g)
{
    struct snap *s = p->c->s;
    if (!p->left) {
        p->without++;
        return;
    }
    s->goroutine.print[g->row] = print_of(p, g);
    s->goroutine.flags[g->row] |= p->part ? SNAP_GF_PRINT_PART : 0;
    s->goroutine.flags[g->row] |= p->code ? SNAP_GF_PRINT_CODE : 0;
}

static void print_named(struct printer *p)
{
    const struct rt_capture_options *o = p->c->o;
    for (size_t i = 0; i < p->c->ngs; i++) {
        const struct goroutine *g = &p->c->gs[i];
        if (g->row != SNAP_NONE &&
            bsearch(&g->g.goid, o->prints, o->nprints, sizeof(*o->prints), by_number))
            print_one(p, g);
    }
}

/* Of those that wait for a channel, a lock and the like, the first of each crowd: who is created by
 * one line and waits at one place. */
static bool is_one_of_few(struct printer *p, const struct goroutine *g, struct map *crowds)
{
    uint32_t first;
    bool added;
    if (!snap_waits_of(p->c->s, g->row, &first))
        return false;
    uint64_t key = hash_u64(hash_u64(hash_u64(g->g.gopc) ^ captured_context(g).pc) ^ g->depth);
    uint32_t n = map_get_or_put(crowds, key, 0, &added);
    if (n == CROWD_PRINTS) {
        p->of_crowds++;
        return false;
    }
    map_put(crowds, key, n + 1);
    return true;
}

/* One look does not tell who runs in between looks: first those that run, could, or sleep. */
static void print_likely(struct printer *p)
{
    const struct snap *s = p->c->s;
    struct map crowds = {0};
    for (int parked = 0; parked < 2; parked++) {
        for (size_t i = 0; i < p->c->ngs; i++) {
            const struct goroutine *g = &p->c->gs[i];
            if (g->row == SNAP_NONE || s->goroutine.flags[g->row] & SNAP_GF_SYSTEM ||
                ahead_is_parked(s, g->row) != (parked == 1))
                continue;
            if (!parked || is_one_of_few(p, g, &crowds))
                print_one(p, g);
        }
    }
    map_free(&crowds);
    if (p->of_crowds)
        snap_set_counter(p->c->s, "prints.left_out", (int64_t)p->of_crowds);
}

void capture_prints(struct capture *c)
{
    const struct rt_capture_options *o = c->o;
    struct printer p;
    if ((!o->nprints && !o->prints_likely) || c->live || !target_arch(c->t)->op)
        return;
    open_printer(&p, c);
    if (o->prints_likely)
        print_likely(&p);
    else
        print_named(&p);
    if (p.without)
        snap_note_missing(c->s, p.without, "prints of goroutines", "there was too much to read");
    close_printer(&p);
}
