/* diff_hang.c - where new objects hang: the nearest dominator of each that was there before.
 *
 * Vertices are numbered so that a dominator comes before what it dominates: one pass over the new
 * ones tells.  All that is kept is by new object or by holder, never by vertex: a heap of millions
 * of objects has few new ones. */
#include <stdlib.h>

#include "heap/diff_int.h"

struct hung {
    uint32_t vertex;
    struct heap_amount fresh;
};

struct hang {
    const struct heap_diff *d;
    const struct heap_graph *g;
    uint64_t *fresh; /* by vertex: a bit */
    uint32_t *rank;  /* by vertex / 64: new ones before */
    uint32_t *up;    /* by new vertex, in order: the nearest dominator that was there before */
    struct map row;  /* of such a dominator: in rows */
    VEC(struct hung) rows;
};

static void find_fresh(struct hang *w)
{
    const struct heap_graph *g = w->g;
    for (uint32_t row = 0; row * (uint64_t)64 < g->nscan; row++)
        for (uint64_t left = w->d->fresh_bits[row]; left; left &= left - 1) {
            uint32_t slot = row * 64 + (uint32_t)__builtin_ctzll(left);
            if (slot < g->nscan)
                heap_set_bit(w->fresh, g->vertex[slot] - 1);
        }
}

static uint32_t number_of(const struct hang *w, uint32_t v)
{
    uint64_t before = w->fresh[v / 64] & ((UINT64_C(1) << v % 64) - 1);
    return w->rank[v / 64] + (uint32_t)__builtin_popcountll(before);
}

static uint32_t above(const struct hang *w, uint32_t v)
{
    return heap_bit(w->fresh, v) ? w->up[number_of(w, v)] : v;
}

static void count(struct hang *w, uint32_t v, uint64_t bytes)
{
    bool added;
    uint32_t row = map_get_or_put(&w->row, v, (uint32_t)w->rows.n, &added);
    if (added)
        vec_push(&w->rows, (struct hung){.vertex = v});
    w->rows.v[row].fresh.count++;
    w->rows.v[row].fresh.bytes += bytes;
}

static void hang_vertices(struct hang *w)
{
    const struct heap_graph *g = w->g;
    uint32_t n = 0;
    for (uint32_t word = 0; word <= g->nvert / 64; word++)
        for (uint64_t left = w->fresh[word]; left; left &= left - 1) {
            uint32_t v = word * 64 + (uint32_t)__builtin_ctzll(left);
            w->up[n] = above(w, g->idom[v]);
            count(w, w->up[n++], heap_size(g, g->index[v]));
        }
}

static void hang_leaves(struct hang *w)
{
    const struct heap_graph *g = w->g;
    for (size_t row = g->nscan / 64; row < g->s->slots64.n; row++)
        for (uint64_t left = w->d->fresh_bits[row]; left; left &= left - 1) {
            uint32_t slot = (uint32_t)(row * 64) + (uint32_t)__builtin_ctzll(left);
            if (slot >= g->nscan)
                count(w, above(w, g->owner[slot - g->nscan] - 1), heap_size(g, slot));
        }
}

static struct err *hang_all(struct hang *w)
{
    static const char what[] = "a diff of the heap";
    uint32_t words = w->g->nvert / 64 + 1, n = 0;
    TRY(heap_array(words, sizeof(*w->fresh), what, &w->fresh));
    TRY(heap_array(words, sizeof(*w->rank), what, &w->rank));
    find_fresh(w);
    for (uint32_t i = 0; i < words; i++) {
        w->rank[i] = n;
        n += (uint32_t)__builtin_popcountll(w->fresh[i]);
    }
    TRY(heap_array(n, sizeof(*w->up), what, &w->up));
    hang_vertices(w);
    hang_leaves(w);
    return NULL;
}

static struct err *take_largest(const struct hang *w, struct heap_diff *d, size_t limit)
{
    struct heap_largest l = {.limit = limit};
    TRY(heap_array(limit, sizeof(*l.v), "a diff of the heap", &l.v));
    for (size_t i = 0; i < w->rows.n; i++)
        heap_offer(&l, w->rows.v[i].vertex, w->rows.v[i].fresh.bytes);
    heap_sort_largest(&l);
    struct err *e = heap_array(l.n, sizeof(*d->holders), "a diff of the heap", &d->holders);
    for (size_t i = 0; !e && i < l.n; i++) {
        uint32_t node = heap_node_of_vertex(w->g, l.v[i].node);
        const struct hung *h = &w->rows.v[map_get(&w->row, l.v[i].node)];
        d->holders[d->nholders++] =
            (struct heap_diff_holder){node, heap_kept_by(w->g, node), h->fresh};
    }
    free(l.v);
    return e;
}

struct err *heap_diff_holders(struct heap_diff *d, size_t limit)
{
    struct hang w = {.d = d, .g = d->b};
    struct err *e = hang_all(&w);
    if (!e)
        e = take_largest(&w, d, limit);
    free(w.fresh);
    free(w.rank);
    free(w.up);
    map_free(&w.row);
    vec_free(&w.rows);
    return e;
}
