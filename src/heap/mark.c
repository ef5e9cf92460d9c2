/* mark.c - what the roots lead to: one depth-first search, which is the mark and the base of
 * dominators.
 *
 * Vertices get numbers when they are reached (0 is the process, its children are the holders).  The
 * edges of the search's tree make idom[] (as "parent"); all others between vertices go to `cross`.
 * Leaves are visited by a second thread meanwhile, in the order of addresses, without asking
 * whether their owners live: heap_own_leaves() does.
 *
 * The search keeps a stack of (target, from); a target is numbered when it is taken from the stack,
 * not when it is put there, so that the tree is one of a depth-first search indeed.  The next
 * entries of the stack are prefetched: the search is bound by the latency of memory. */
#include "base/pool.h"
#include "heap/heap_int.h"

enum { CHECK_EVERY = 1 << 18, SMALL = 1 << 14 }; /* fewer slots are not worth a thread */

struct mark {
    struct heap_graph *g;
    struct heap_log *cross, *shared;
    const struct heap_options *o;
    struct heap_pairs stack;
    uint64_t total;
};

static struct err *note(struct heap_pairs *l, uint32_t a, uint32_t b)
{
    if (heap_pairs_full(l))
        TRY(heap_pairs_grow(l));
    l->top->v[l->top->n++] = (struct heap_pair){a, b};
    return NULL;
}

/* An edge from vertex v to index w.  Whether w is numbered is asked when it is taken from the
 * stack: by then that memory is there, most of the time. */
static inline struct err *found(struct mark *m, uint32_t w, uint32_t v)
{
    const struct heap_graph *g = m->g;
    __builtin_prefetch(&g->vertex[w]);
    if (w < g->nscan)
        __builtin_prefetch(&g->s->scanslot.edges[w]);
    return note(&m->stack, w, v);
}

static struct err *scan_object(struct mark *m, uint32_t slot, uint32_t v)
{
    struct snap_edges it;
    uint32_t before = slot;
    snap_edges_init(&it, m->g->s, slot);
    while (snap_edges_next(&it)) {
        if (it.flags & SNAP_EDGE_LEAF || it.target == before || it.target == slot)
            continue;
        before = it.target;
        TRY(found(m, it.target, v));
    }
    return NULL;
}

static struct err *scan_holder(struct mark *m, uint32_t holder, uint32_t v)
{
    const struct heap_graph *g = m->g;
    for (uint32_t i = g->root_first[holder]; i < g->root_first[holder + 1]; i++) {
        uint32_t slot = g->s->root.slot[g->root_rows[i]];
        if (slot < g->nscan)
            TRY(found(m, slot, v));
    }
    return NULL;
}

static inline void prefetch(const struct mark *m)
{
    const struct heap_graph *g = m->g;
    const struct heap_chunk *c = m->stack.top;
    if (c->n < 8)
        return;
    uint32_t soon = c->v[c->n - 2].a, later = c->v[c->n - 7].a;
    __builtin_prefetch(&g->vertex[later]);
    if (later < g->nscan)
        __builtin_prefetch(&g->s->scanslot.edges[later]);
    uint32_t at = soon < g->nscan && !g->vertex[soon] ? g->s->scanslot.edges[soon] : 0;
    if (at)
        __builtin_prefetch(g->s->edge.byte + at - 1);
}

static struct err *take(struct mark *m, struct heap_pair t)
{
    struct heap_graph *g = m->g;
    if (g->vertex[t.a])
        return heap_log_add(m->cross, g->vertex[t.a] - 1, t.b);
    uint32_t v = g->nvert++;
    g->vertex[t.a] = v + 1;
    g->idom[v] = t.b;
    if (v % CHECK_EVERY == 0)
        TRY(progress_step(m->o->progress, "marking objects", v, m->total));
    return t.a < g->nscan ? scan_object(m, t.a, v) : scan_holder(m, t.a - g->nscan, v);
}

static struct err *search(struct mark *m)
{
    struct heap_graph *g = m->g;
    g->nvert = 1;
    for (uint32_t h = g->nholders; h-- > 0;)
        TRY(note(&m->stack, g->nscan + h, 0));
    while (m->stack.top) {
        if (!m->stack.top->n) {
            heap_pairs_drop_top(&m->stack);
            continue;
        }
        struct heap_pair t = m->stack.top->v[--m->stack.top->n];
        prefetch(m);
        TRY(take(m, t));
    }
    return NULL;
}

static inline struct err *own(struct mark *m, uint32_t slot, uint32_t index)
{
    uint32_t *o = &m->g->owner[slot - m->g->nscan];
    if (!*o)
        *o = index + 1;
    else if (*o != index + 1)
        return heap_log_add(m->shared, slot - m->g->nscan, index);
    return NULL;
}

static struct err *own_leaves_of(struct mark *m, uint32_t slot)
{
    struct snap_edges it;
    snap_edges_init(&it, m->g->s, slot);
    while (snap_edges_next(&it))
        if (it.flags & SNAP_EDGE_LEAF)
            TRY(own(m, it.target, slot));
    return NULL;
}

static struct err *leaves(struct mark *m)
{
    const struct heap_graph *g = m->g;
    for (uint32_t h = 0; h < g->nholders; h++)
        for (uint32_t i = g->root_first[h]; i < g->root_first[h + 1]; i++) {
            uint32_t slot = g->s->root.slot[g->root_rows[i]];
            if (slot >= g->nscan)
                TRY(own(m, slot, g->nscan + h));
        }
    for (uint32_t slot = 0; slot < g->nscan; slot++)
        TRY(own_leaves_of(m, slot));
    return NULL;
}

enum { PARTS = 3 };

/* The search takes longest, and cannot be divided: all else is done beside it. */
static struct err *part(void *arg, size_t i, unsigned worker)
{
    const struct mark *m = arg;
    switch (i) {
    case 0:
        return search(arg);
    case 1:
        return m->o->meanwhile ? m->o->meanwhile(m->o->meanwhile_arg) : NULL;
    default:
        return leaves(arg);
    }
}

struct err *heap_mark(struct heap_graph *g, struct heap_log *cross, struct heap_log *shared,
                      const struct heap_options *o)
{
    size_t n = (size_t)g->nscan + g->nholders;
    struct mark m = {.g = g, .cross = cross, .shared = shared, .o = o, .total = g->nscan};
    TRY(heap_array(n, sizeof(*g->vertex), "the objects of the heap", &g->vertex));
    TRY(heap_array(n + 1, sizeof(*g->idom), "the objects of the heap", &g->idom));
    TRY(heap_array(g->nleaves, sizeof(*g->owner), "the objects of the heap", &g->owner));
    struct err *e = NULL;
    if (g->nslots >= SMALL)
        e = pool_run(PARTS, part, &m);
    else
        for (size_t i = 0; !e && i < PARTS; i++)
            e = part(&m, i, 0);
    heap_pairs_free(&m.stack);
    return e;
}
