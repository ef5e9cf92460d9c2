/* diff_grown.c - what grew in place: an object (or global) that is in both snapshots and whose
 * backing store was replaced by one of another size.
 *
 * Slices and channel buffers: a pointer of a kept object, or a global's, that leads to a NEW array
 * now and at the same word led to an array of the same type, FREED since, of another size. Maps:
 * all that a kept map header consists of (Go 1.24+: directory, tables, groups; before: buckets,
 * overflow) is added up in both snapshots.
 * What is told here is taken out of NEW and FREED, each object once. */
#include <stdlib.h>
#include <string.h>

#include "heap/diff_int.h"

struct grown {
    struct heap_differ *f;
    VEC(struct heap_modified) v;
    uint64_t *seen_a, *seen_b; /* parts of maps, by slot */
    VEC(uint32_t) todo;
    VEC(uint32_t) changed; /* parts that are NEW (FREED) */
};

static bool is_store(uint8_t form)
{
    return form == SNAP_FORM_ARRAY || form == SNAP_FORM_CHAN_BUF;
}

/* b is new, a is gone, both are stores of one type and of different sizes. */
static bool replaced(const struct heap_differ *f, uint32_t a, uint32_t b)
{
    return bit_at(f->d->fresh_bits, b) && bit_at(f->d->freed_bits, a) &&
           is_store(heap_form(f->b, b)) &&
           f->key_a[f->a->s->slot.shape[a]] == f->key_b[f->b->s->slot.shape[b]] &&
           heap_size(f->a, a) != heap_size(f->b, b);
}

static void add_store(struct grown *w, struct heap_modified m)
{
    heap_clear_bit(w->f->d->fresh_bits, m.slot_b);
    heap_clear_bit(w->f->d->freed_bits, m.slot_a);
    m.bytes_a = heap_size(w->f->a, m.slot_a);
    m.bytes_b = heap_size(w->f->b, m.slot_b);
    vec_push(&w->v, m);
}

/* Where the word of an object points to in A; SNAP_NONE: nowhere. */
static uint32_t target_at(const struct heap_graph *g, uint32_t slot, uint64_t word)
{
    struct snap_edges it;
    snap_edges_init(&it, g->s, slot);
    while (snap_edges_next(&it) && it.word <= word)
        if (it.word == word)
            return it.target;
    return SNAP_NONE;
}

static void look_at_object(struct grown *w, uint32_t slot)
{
    const struct heap_differ *f = w->f;
    struct snap_edges it;
    snap_edges_init(&it, f->b->s, slot);
    while (snap_edges_next(&it)) {
        if (!bit_at(f->d->fresh_bits, it.target) || !is_store(heap_form(f->b, it.target)))
            continue;
        uint32_t holder = heap_diff_slot_a(f, slot);
        uint32_t before = target_at(f->a, holder, it.word);
        if (before != SNAP_NONE && replaced(f, before, it.target))
            add_store(w, (struct heap_modified){.holder_a = holder,
                                                .holder_b = slot,
                                                .root_b = SNAP_NONE,
                                                .word = it.word,
                                                .slot_a = before,
                                                .slot_b = it.target});
    }
}

/* ---- globals ---- */

static int by_number(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return a[0] < b[0] ? -1 : a[0] > b[0];
}

/* Roots in global variables: address, slot, row; by address. */
static struct err *global_roots(const struct snap *s, uint64_t (**ret)[3], size_t *n)
{
    *n = 0;
    TRY(heap_array(s->root.n, sizeof(**ret), "the roots of the heap", ret));
    for (uint32_t r = 0; r < s->root.n; r++)
        if (s->root.kind[r] == SNAP_ROOT_GLOBAL) {
            (*ret)[*n][0] = s->root.addr[r];
            (*ret)[*n][1] = s->root.slot[r];
            (*ret)[(*n)++][2] = r;
        }
    if (*n)
        qsort(*ret, *n, sizeof(**ret), by_number);
    return NULL;
}

static struct err *look_at_globals(struct grown *w)
{
    uint64_t(*a)[3] = NULL, (*b)[3] = NULL;
    size_t na = 0, nb = 0, i = 0;
    struct err *e = global_roots(w->f->a->s, &a, &na);
    if (!e)
        e = global_roots(w->f->b->s, &b, &nb);
    for (size_t k = 0; !e && k < nb; k++) {
        while (i < na && a[i][0] < b[k][0])
            i++;
        if (i < na && a[i][0] == b[k][0] && replaced(w->f, (uint32_t)a[i][1], (uint32_t)b[k][1]))
            add_store(w, (struct heap_modified){.holder_a = SNAP_NONE,
                                                .holder_b = SNAP_NONE,
                                                .root_b = (uint32_t)b[k][2],
                                                .slot_a = (uint32_t)a[i][1],
                                                .slot_b = (uint32_t)b[k][1]});
    }
    free(a);
    free(b);
    return e;
}

/* ---- maps ---- */

/* Adds up the parts of a map, each object once in a snapshot; the changed ones go to w->changed.
 * Returns bytes; *changed: those of the changed ones. */
static uint64_t sum_parts(struct grown *w, const struct heap_graph *g, uint32_t header,
                          uint64_t *seen, const uint64_t *change, uint64_t *changed)
{
    uint64_t bytes = heap_size(g, header);
    struct snap_edges it;
    *changed = 0;
    w->changed.n = w->todo.n = 0;
    vec_push(&w->todo, header);
    while (w->todo.n) {
        snap_edges_init(&it, g->s, w->todo.v[--w->todo.n]);
        while (snap_edges_next(&it)) {
            if (!heap_is_map_part(g, it.target) || bit_at(seen, it.target))
                continue;
            bit_set(seen, it.target);
            bytes += heap_size(g, it.target);
            vec_push(&w->todo, it.target);
            if (bit_at(change, it.target)) {
                *changed += heap_size(g, it.target);
                vec_push(&w->changed, it.target);
            }
        }
    }
    return bytes;
}

static void clear_changed(struct grown *w, uint64_t *bits)
{
    for (size_t i = 0; i < w->changed.n; i++)
        heap_clear_bit(bits, w->changed.v[i]);
}

static void look_at_map(struct grown *w, uint32_t slot)
{
    struct heap_differ *f = w->f;
    struct heap_diff *d = f->d;
    uint64_t fresh, freed;
    uint32_t before = heap_diff_slot_a(f, slot);
    uint64_t bytes_a = sum_parts(w, f->a, before, w->seen_a, d->freed_bits, &freed);
    size_t gone = w->changed.n;
    uint32_t *gone_slots = NULL;
    if (gone) {
        gone_slots = mem_alloc(gone * sizeof(*gone_slots));
        memcpy(gone_slots, w->changed.v, gone * sizeof(*gone_slots));
    }
    sum_parts(w, f->b, slot, w->seen_b, d->fresh_bits, &fresh);
    if (fresh != freed) {
        clear_changed(w, d->fresh_bits);
        for (size_t i = 0; i < gone; i++)
            heap_clear_bit(d->freed_bits, gone_slots[i]);
        struct heap_modified m = {.holder_a = before,
                                  .holder_b = slot,
                                  .root_b = SNAP_NONE,
                                  .slot_a = before,
                                  .slot_b = slot,
                                  .bytes_a = bytes_a,
                                  .bytes_b = bytes_a + fresh - freed,
                                  .map = true};
        vec_push(&w->v, m);
    }
    free(gone_slots);
}

/* ---- all ---- */

static int by_growth(const void *pa, const void *pb)
{
    const struct heap_modified *a = pa, *b = pb;
    int64_t x = (int64_t)(a->bytes_b - a->bytes_a), y = (int64_t)(b->bytes_b - b->bytes_a);
    if (x != y)
        return x > y ? -1 : 1;
    return a->slot_b < b->slot_b ? -1 : a->slot_b > b->slot_b;
}

static struct err *look_at_all(struct grown *w)
{
    const struct heap_graph *b = w->f->b;
    static const char what[] = "a diff of the heap";
    TRY(heap_array(w->f->a->s->slots64.n + 1, 8, what, &w->seen_a));
    TRY(heap_array(b->s->slots64.n + 1, 8, what, &w->seen_b));
    TRY(look_at_globals(w));
    for (uint32_t slot = 0; slot < b->nscan; slot++) {
        if (!bit_at(w->f->d->kept_bits, slot))
            continue;
        if (heap_form(b, slot) == SNAP_FORM_MAP)
            look_at_map(w, slot);
        else
            look_at_object(w, slot);
    }
    return NULL;
}

struct err *heap_diff_grown(struct heap_differ *f)
{
    struct grown w = {.f = f};
    struct err *e = look_at_all(&w);
    if (w.v.n)
        qsort(w.v.v, w.v.n, sizeof(*w.v.v), by_growth);
    f->d->modified = w.v.v;
    f->d->nmodified = w.v.n;
    for (size_t i = 0; i < w.v.n; i++)
        f->d->modified_bytes += (int64_t)(w.v.v[i].bytes_b - w.v.v[i].bytes_a);
    free(w.seen_a);
    free(w.seen_b);
    vec_free(&w.todo);
    vec_free(&w.changed);
    return e;
}
