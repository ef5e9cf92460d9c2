/* types_shape.c - what objects are: a numbered list of shapes, and their words.
 *
 * A shape is a form (a value, the buffer of a channel ...), a type and how that is known.  Objects
 * keep its number only.  Shapes of types are looked up many million times: a table of single 64-bit
 * words, as that of interface words (types.c), answers without a lock. */
#include "rt/types_int.h"

#include <stdlib.h>

enum { CACHE_BITS = 14, SHAPE_BITS = 16, KEY_CLOSURE = 1 };

static uint64_t key_of(enum snap_form form, uint32_t type, taddr pc, enum snap_evidence evidence)
{
    /* what a closure captured is one type for each code, or not known */
    uint64_t what =
        form == SNAP_FORM_CLOSURE ? 2 * pc + (type != SNAP_NONE) + 1 : (uint64_t)type + 1;
    return what << 8 | (uint64_t)form << 4 | (uint64_t)evidence;
}

struct err *types_shapes_open(struct rt_types *ty)
{
    pthread_mutex_init(&ty->shape_lock, NULL);
    ty->shape = mem_try_alloc(TYPES_SHAPES_MAX * sizeof(*ty->shape));
    ty->shape_cache = mem_try_alloc(sizeof(*ty->shape_cache) << CACHE_BITS);
    if (!ty->shape || !ty->shape_cache)
        return err_new(ERR_NOMEM, "no memory for the shapes of objects");
    ty->shape[0] = (struct type_shape){.type = SNAP_NONE, .pc = SNAP_NONE};
    ty->nshapes = 1;
    return NULL;
}

void types_shapes_free(struct rt_types *ty)
{
    free(ty->shape);
    free((void *)ty->shape_cache);
    map_free(&ty->shape_at);
    pthread_mutex_destroy(&ty->shape_lock);
}

static uint16_t add_shape(struct rt_types *ty, uint64_t key, struct type_shape sh)
{
    pthread_mutex_lock(&ty->shape_lock);
    uint32_t n = map_get(&ty->shape_at, key);
    if (n == MAP_NONE && ty->nshapes < TYPES_SHAPES_MAX) {
        n = ty->nshapes;
        ty->shape[n] = sh;
        map_put(&ty->shape_at, key, n);
        atomic_store_explicit(&ty->nshapes, n + 1, memory_order_release);
    } else if (n == MAP_NONE) {
        types_gap(ty, TYPES_GAP_SHAPES);
        n = 0;
    }
    pthread_mutex_unlock(&ty->shape_lock);
    return (uint16_t)n;
}

uint16_t types_shape(struct rt_types *ty, enum snap_form form, uint32_t type, taddr pc,
                     enum snap_evidence evidence)
{
    uint64_t key = key_of(form, type, pc, evidence);
    struct type_shape sh = {
        .form = (uint8_t)form, .evidence = (uint8_t)evidence, .type = type, .pc = pc};
    _Atomic uint64_t *slot = &ty->shape_cache[hash_u64(key) & ((1 << CACHE_BITS) - 1)];
    if (key >> (64 - SHAPE_BITS))
        return add_shape(ty, key, sh);
    uint64_t seen = atomic_load_explicit(slot, memory_order_acquire);
    if (seen >> SHAPE_BITS == key)
        return (uint16_t)seen;
    uint16_t n = add_shape(ty, key, sh);
    atomic_store_explicit(slot, key << SHAPE_BITS | n, memory_order_release);
    return n;
}

/* ---- words ---- */

/* A type as people write it: byte, not uint8. */
static const char *said(struct rt_types *ty, uint32_t type)
{
    const char *name = type == SNAP_NONE ? "?" : types_name(ty, type);
    return strcmp(name, "uint8") == 0 ? "byte" : name;
}

static void put_closure(struct rt_types *ty, const struct type_shape *sh, struct buf *b)
{
    struct pcln_func f;
    if (sh->pc != SNAP_NONE && rt_func_at(ty->rt, sh->pc, &f, NULL))
        buf_printf(b, "%s (closure)", f.name);
    else
        buf_str(b, "func (closure)");
}

void types_shape_name(struct rt_types *ty, const struct type_shape *sh, struct buf *b)
{
    static const char *const parts[SNAP_FORM_COUNT] = {
        [SNAP_FORM_VALUE] = "",
        [SNAP_FORM_MAP] = "",
        [SNAP_FORM_MAP_DIR] = " (directory)",
        [SNAP_FORM_MAP_TABLE] = " (table)",
        [SNAP_FORM_MAP_GROUPS] = " (groups)",
        [SNAP_FORM_MAP_EXTRA] = " (overflow)",
        [SNAP_FORM_CHAN] = "",
    };
    switch (sh->form) {
    case SNAP_FORM_UNKNOWN:
        return;
    case SNAP_FORM_ARRAY:
        return buf_printf(b, "[]%s", said(ty, sh->type));
    case SNAP_FORM_CHAN_BUF:
        return buf_printf(b, "chan %s (buffer)", said(ty, sh->type));
    case SNAP_FORM_STRING:
        return buf_str(b, "string");
    case SNAP_FORM_TINY:
        return buf_str(b, "tiny block");
    case SNAP_FORM_CLOSURE:
        return put_closure(ty, sh, b);
    default:
        buf_str(b, said(ty, sh->type));
        buf_str(b, sh->form == SNAP_FORM_MAP_GROUPS && !TYPES_HAS(ty, maptype_group)
                       ? " (buckets)"
                       : parts[sh->form]);
    }
}
