/* make_types.h - type descriptors written by hand into the memory of a fake process, with the
 * layout of any release; for tests and the fuzzer of types.c. */
#ifndef GOSPECT_TESTS_MAKE_TYPES_H
#define GOSPECT_TESTS_MAKE_TYPES_H

#include <string.h>

#include "rt/types_int.h"

enum { WORLD_TYPES = 0x500000, WORLD_HEAP = 0xc000000000, WORLD_SIZE = 1 << 16, WORLD_PLACES = 2 };

/* A process with a section of types and some heap. */
struct world {
    struct rt rt;
    struct rt_module module;
    struct target *t;
    struct target_mapping maps[WORLD_PLACES];
    const uint8_t *bytes[WORLD_PLACES];
    uint8_t types[WORLD_SIZE], heap[2 * WORLD_SIZE];
    taddr next[WORLD_PLACES]; /* free from here on */
};

static inline void world_open(struct world *w, const char *release)
{
    const struct rt_layout *l;
    size_t n;
    bool guessed;
    memset(w, 0, sizeof(*w));
    err_free(rt_layout_tables(release, &l, 1, &n, &guessed));
    w->rt.layout = *l;
    w->rt.modules = &w->module;
    w->rt.nmodules = 1;
    w->module.types = WORLD_TYPES;
    w->module.etypes = WORLD_TYPES + WORLD_SIZE;
    w->maps[0] = (struct target_mapping){
        .start = WORLD_TYPES, .end = WORLD_TYPES + WORLD_SIZE, .readable = true, .path = ""};
    w->maps[1] = (struct target_mapping){
        .start = WORLD_HEAP, .end = WORLD_HEAP + 2 * WORLD_SIZE, .readable = true, .path = ""};
    w->bytes[0] = w->types;
    w->bytes[1] = w->heap;
    w->next[0] = WORLD_TYPES + 64;
    w->next[1] = WORLD_HEAP + 64;
    struct target_fake fake = {.maps = w->maps, .bytes = w->bytes, .nmaps = WORLD_PLACES};
    w->t = target_open_fake(&fake);
    w->rt.t = w->t;
}

static inline void world_close(struct world *w)
{
    target_close(w->t);
}

static inline uint8_t *world_at(struct world *w, taddr addr)
{
    return addr >= WORLD_HEAP ? w->heap + (addr - WORLD_HEAP) : w->types + (addr - WORLD_TYPES);
}

static inline taddr world_room(struct world *w, int place, size_t n)
{
    taddr addr = w->next[place];
    w->next[place] += (n + 15) / 8 * 8;
    return addr;
}

static inline taddr world_bytes(struct world *w, const void *bytes, size_t n)
{
    taddr addr = world_room(w, 0, n);
    memcpy(world_at(w, addr), bytes, n);
    return addr;
}

static inline taddr world_name(struct world *w, const char *text)
{
    taddr addr = world_room(w, 0, strlen(text) + 2);
    world_at(w, addr)[1] = (uint8_t)strlen(text);
    memcpy(world_at(w, addr) + 2, text, strlen(text));
    return addr;
}

/* Writes a field of the structure at addr. */
static inline void world_put(struct world *w, taddr addr, enum rt_field f, uint64_t value)
{
    if (w->rt.layout.off[f] >= 0)
        memcpy(world_at(w, addr) + w->rt.layout.off[f], &value, min_u64(8, w->rt.layout.width[f]));
}

static inline void world_put_slice(struct world *w, taddr addr, enum rt_field f, taddr first,
                                   uint64_t n)
{
    uint64_t slice[3] = {first, n, n};
    memcpy(world_at(w, addr) + w->rt.layout.off[f], slice, sizeof(slice));
}

/* A type without what follows; mask: its first bits. */
static inline taddr world_type(struct world *w, int place, uint8_t kind, const char *name,
                               uint64_t size, uint64_t ptr_bytes, uint64_t mask)
{
    const struct rt_layout *l = &w->rt.layout;
    taddr addr = world_room(w, place, 192);
    bool pointer = kind == GO_KIND_POINTER || kind == GO_KIND_MAP || kind == GO_KIND_CHAN ||
                   kind == GO_KIND_FUNC || kind == GO_KIND_UNSAFE_POINTER;
    int64_t tflag = l->constant[RT_IS_tflag_direct], flag = l->constant[RT_IS_kind_direct];
    world_put(w, addr, RT_type_size, size);
    world_put(w, addr, RT_type_ptrdata, ptr_bytes);
    world_put(w, addr, RT_type_align, size % 8 ? 1 : 8);
    world_put(w, addr, RT_type_kind, kind | (tflag <= 0 && pointer ? (uint64_t)flag : 0));
    world_put(w, addr, RT_type_tflag, tflag > 0 && pointer ? (uint64_t)tflag : 0);
    world_put(w, addr, RT_type_str, world_name(w, name) - WORLD_TYPES);
    if (ptr_bytes)
        world_put(w, addr, RT_type_gcdata, world_bytes(w, &mask, sizeof(mask)));
    return addr;
}

static inline void world_flag(struct world *w, taddr type, enum rt_field f, int64_t flag)
{
    uint8_t *at = world_at(w, type) + w->rt.layout.off[f];
    *at = (uint8_t)(*at | flag);
}

struct world_field {
    const char *name;
    taddr type;
    uint64_t offset;
};

static inline void world_fields(struct world *w, taddr type, const struct world_field *f, size_t n)
{
    size_t size = (size_t)w->rt.layout.size[RT_STRUCT_structfield];
    taddr first = world_room(w, 0, n * size);
    for (size_t i = 0; i < n; i++) {
        world_put(w, first + i * size, RT_structfield_name, world_name(w, f[i].name));
        world_put(w, first + i * size, RT_structfield_type, f[i].type);
        world_put(w, first + i * size, RT_structfield_offset, f[i].offset);
        world_put(w, first + i * size, RT_structfield_offset_anon, f[i].offset << 1 | 1);
    }
    world_put_slice(w, type, RT_structtype_fields, first, n);
}

#endif
