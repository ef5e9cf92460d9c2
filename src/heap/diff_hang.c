/* diff_hang.c - where memory grew: for each new object the nearest dominator that was there before,
 * and what grew in place.
 *
 * A part of a map stands for the map, and what a list or tree of one type goes on with for its
 * first object.  So from each vertex the way leads up, step by step, to a vertex that stays itself;
 * only vertices on the ways of new objects are looked at, each once: a heap of millions of objects
 * has few new ones. */
#include <stdlib.h>

#include "heap/diff_int.h"

/* What hangs at a vertex. */
struct hung {
    uint32_t vertex, alike; /* alike: goroutines of one stack that are added up there */
    struct heap_amount fresh;
    int64_t grown;
};

struct hang {
    const struct heap_diff *d;
    const struct heap_graph *g;
    struct heap_keys keys;
    uint32_t *up; /* by vertex: 1 + where it hangs; 0: not known yet */
    VEC(uint32_t) way;
    struct map row; /* of a vertex: in rows */
    VEC(struct hung) rows;
};

/* ---- where a vertex hangs ---- */

static bool is_fresh(const struct hang *w, uint32_t v)
{
    uint32_t slot = w->g->index[v];
    return v && slot < w->g->nscan && bit_at(w->d->fresh_bits, slot);
}

/* Of a list or a tree, what is not its first object: below one of its own type. */
static bool continues(const struct hang *w, uint32_t v)
{
    const struct heap_graph *g = w->g;
    uint32_t above = g->idom[v];
    if (!v || !above || g->index[v] >= g->nscan || g->index[above] >= g->nscan)
        return false;
    uint32_t key = w->keys.of[g->s->slot.shape[g->index[v]]];
    return key && key == w->keys.of[g->s->slot.shape[g->index[above]]];
}

static uint32_t hangs_at(struct hang *w, uint32_t v)
{
    w->way.n = 0;
    while (!w->up[v]) {
        uint32_t above = is_fresh(w, v) || continues(w, v) ? w->g->idom[v] : heap_map_of(w->g, v);
        if (above == v)
            w->up[v] = 1 + v;
        else
            vec_push(&w->way, v);
        v = above;
    }
    for (size_t i = 0; i < w->way.n; i++)
        w->up[w->way.v[i]] = w->up[v];
    return w->up[v] - 1;
}

/* ---- what hangs there ---- */

static struct hung *row_of(struct hang *w, uint32_t v)
{
    bool added;
    uint32_t row = map_get_or_put(&w->row, v, (uint32_t)w->rows.n, &added);
    if (added)
        vec_push(&w->rows, (struct hung){.vertex = v});
    return &w->rows.v[row];
}

static void hang_fresh(struct hang *w)
{
    const struct heap_graph *g = w->g;
    for (uint32_t row = 0; row < g->s->slots64.n; row++)
        for (uint64_t left = w->d->fresh_bits[row]; left; left &= left - 1) {
            uint32_t slot = row * 64 + (uint32_t)__builtin_ctzll(left);
            struct hung *h = row_of(w, hangs_at(w, heap_keeper(g, slot) - 1));
            h->fresh.count++;
            h->fresh.bytes += heap_size(g, slot);
        }
}

/* What grew in place: a map for itself, a backing array for itself or, without pointers, for what
 * holds it. */
static void hang_grown(struct hang *w)
{
    for (size_t i = 0; i < w->d->nmodified; i++) {
        const struct heap_modified *m = &w->d->modified[i];
        uint32_t at = heap_keeper(w->g, m->slot_b);
        if (at)
            row_of(w, hangs_at(w, at - 1))->grown += (int64_t)(m->bytes_b - m->bytes_a);
    }
}

static uint64_t growth(const struct hung *h)
{
    int64_t sum = (int64_t)h->fresh.bytes + h->grown;
    return sum > 0 ? (uint64_t)sum : 0;
}

static bool is_worth(const struct hung *h)
{
    return h->fresh.count || growth(h);
}

/* Goroutines that stand in one place are one row: that of the first of them. */
static void join_goroutines(struct hang *w)
{
    const struct heap_graph *g = w->g;
    struct map first = {0};
    for (uint32_t i = 0; i < g->nholders; i++) {
        const struct heap_holder *h = &g->holders[i];
        uint32_t v = g->vertex[g->nscan + i];
        uint32_t row = v ? map_get(&w->row, v - 1) : MAP_NONE;
        bool added;
        if (h->kind != SNAP_ROOT_STACK || h->row == SNAP_NONE || row == MAP_NONE ||
            !is_worth(&w->rows.v[row]))
            continue;
        uint32_t stack = g->s->goroutine.stack[h->row];
        struct hung *from = &w->rows.v[row],
                    *to = &w->rows.v[map_get_or_put(&first, (uint64_t)stack + 1, row, &added)];
        to->alike++;
        if (to == from)
            continue;
        to->fresh.count += from->fresh.count;
        to->fresh.bytes += from->fresh.bytes;
        to->grown += from->grown;
        from->fresh = (struct heap_amount){0};
        from->grown = 0;
    }
    map_free(&first);
}

static struct err *take_largest(const struct hang *w, struct heap_diff *d, size_t limit)
{
    struct heap_largest l = {.limit = limit};
    TRY(heap_array(limit, sizeof(*l.v), "a diff of the heap", &l.v));
    for (size_t i = 0; i < w->rows.n; i++)
        if (is_worth(&w->rows.v[i]))
            heap_offer(&l, w->rows.v[i].vertex, growth(&w->rows.v[i]));
    heap_sort_largest(&l);
    struct err *e = heap_array(l.n, sizeof(*d->holders), "a diff of the heap", &d->holders);
    for (size_t i = 0; !e && i < l.n; i++) {
        uint32_t node = heap_node_of_vertex(w->g, l.v[i].node);
        const struct hung *h = &w->rows.v[map_get(&w->row, l.v[i].node)];
        d->holders[d->nholders++] = (struct heap_diff_holder){.node = node,
                                                              .kept_by = heap_kept_by(w->g, node),
                                                              .fresh = h->fresh,
                                                              .grown = h->grown,
                                                              .alike = h->alike > 1 ? h->alike : 0};
    }
    free(l.v);
    return e;
}

struct err *heap_diff_holders(struct heap_diff *d, size_t limit)
{
    struct hang w = {.d = d, .g = d->b};
    struct err *e = heap_type_keys(w.g->s, &w.keys);
    if (!e)
        e = heap_array(w.g->nvert, sizeof(*w.up), "a diff of the heap", &w.up);
    if (!e) {
        hang_fresh(&w);
        hang_grown(&w);
        join_goroutines(&w);
        e = take_largest(&w, d, limit);
    }
    heap_keys_free(&w.keys);
    free(w.up);
    vec_free(&w.way);
    map_free(&w.row);
    vec_free(&w.rows);
    return e;
}
