/* live.c - liveness alone (mark_only): which slots the roots lead to, as one bit each.
 *
 * Nothing is numbered, so the order does not matter, and what is written fits into the caches: the
 * only memory that must be waited for are the pointers of the objects.  They are asked for well
 * before they are needed: an object goes from the stack into a ring, half way round the ring its
 * place in the table edge is known, at the end of it its pointers are there. */
#include "base/pool.h"
#include "heap/heap_int.h"

enum { RING = 32, HALF = RING / 2, CHECK_EVERY = 1 << 18 };

struct spread {
    struct heap_graph *g;
    const struct heap_options *o;
    uint32_t *stack; /* of scan slots; each is put there once */
    size_t n;
};

static inline void reach(struct spread *w, uint32_t slot)
{
    uint64_t *word = &w->g->reached[slot / 64], bit = UINT64_C(1) << slot % 64;
    if (*word & bit)
        return;
    *word |= bit;
    if (slot < w->g->nscan)
        w->stack[w->n++] = slot;
}

static inline void scan(struct spread *w, uint32_t slot)
{
    struct snap_edges it;
    snap_edges_init(&it, w->g->s, slot);
    while (snap_edges_next(&it))
        reach(w, it.target);
}

/* The stack, emptied through the ring. */
static struct err *spread_all(struct spread *w, struct progress *p)
{
    const uint32_t *edges = w->g->s->scanslot.edges;
    const uint8_t *bytes = w->g->s->edge.byte;
    uint32_t ring[RING];
    uint64_t in = 0, out = 0; /* how many went in and came out */
    while (w->n || out < in) {
        if (w->n) {
            ring[in % RING] = w->stack[--w->n];
            __builtin_prefetch(&edges[ring[in % RING]]);
            in++;
        }
        uint32_t at = in - out > HALF ? edges[ring[(in - HALF - 1) % RING]] : 0;
        if (at)
            __builtin_prefetch(&bytes[at - 1]);
        if (in - out == RING || !w->n)
            scan(w, ring[out++ % RING]);
        if (out % CHECK_EVERY == 0)
            TRY(progress_step(p, "marking objects", out, w->g->nscan));
    }
    return NULL;
}

static struct err *part(void *arg, size_t i, unsigned worker)
{
    struct spread *w = arg;
    return i == 0 ? spread_all(w, w->o->progress) : w->o->meanwhile(w->o->meanwhile_arg);
}

struct err *heap_mark_live(struct heap_graph *g, const struct heap_options *o)
{
    struct spread w = {.g = g, .o = o};
    TRY(heap_array(g->nslots / 64 + 1, sizeof(*g->reached), "the objects of the heap",
                   &g->reached));
    TRY(heap_array(g->nscan, sizeof(*w.stack), "the objects of the heap", &w.stack));
    for (size_t i = 0; i < g->s->root.n; i++)
        reach(&w, g->s->root.slot[i]);
    struct err *e = pool_run(o->meanwhile ? 2 : 1, part, &w);
    free(w.stack);
    return e;
}
