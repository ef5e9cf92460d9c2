/* edges.c - the pointers between objects: forwards as the snapshot has them, backwards by looking
 * through all of them, or by an index that is built when it is asked for. */
#include <string.h>

#include "base/pool.h"
#include "heap/heap_int.h"

static struct err *no_edges(void)
{
    return err_new(ERR_UNSUPPORTED, "the pointers between objects were not kept");
}

/* ---- who points to an object ---- */

enum { SLOTS_AT_ONCE = 1 << 16 };

struct refer {
    const struct heap_graph *g;
    uint32_t slot;
    size_t limit;
    struct refer_part {
        VEC(uint32_t) v;
        uint64_t total;
    } * parts; /* by block of slots */
};

static bool points_to(const struct heap_graph *g, uint32_t from, uint32_t to)
{
    struct snap_edges it;
    snap_edges_init(&it, g->s, from);
    while (snap_edges_next(&it))
        if (it.target == to)
            return true;
    return false;
}

static struct err *refer_block(void *arg, size_t i, unsigned worker)
{
    struct refer *r = arg;
    struct refer_part *part = &r->parts[i];
    uint32_t end = (uint32_t)min_u64((i + 1) * SLOTS_AT_ONCE, r->g->nscan);
    for (uint32_t from = (uint32_t)(i * SLOTS_AT_ONCE); from < end; from++) {
        if (!points_to(r->g, from, r->slot))
            continue;
        part->total++;
        if (part->v.n < r->limit)
            vec_push(&part->v, from);
    }
    return NULL;
}

struct err *heap_referrers(const struct heap_graph *g, uint32_t slot, size_t limit, uint32_t *v,
                           size_t *n, uint64_t *total)
{
    size_t blocks = ((size_t)g->nscan + SLOTS_AT_ONCE - 1) / SLOTS_AT_ONCE;
    struct refer r = {.g = g, .slot = slot, .limit = limit};
    *n = 0;
    *total = 0;
    if (!g->has_edges)
        return no_edges();
    r.parts = mem_alloc((blocks + 1) * sizeof(*r.parts));
    struct err *e = pool_run(blocks, refer_block, &r);
    for (size_t i = 0; i < blocks; i++) {
        size_t take = min_u64(r.parts[i].v.n, limit - *n);
        if (take)
            memcpy(v + *n, r.parts[i].v.v, take * sizeof(*v));
        *n += take;
        *total += r.parts[i].total;
        vec_free(&r.parts[i].v);
    }
    free(r.parts);
    return e;
}

void heap_roots_of(const struct heap_graph *g, uint32_t slot, size_t limit, uint32_t *v, size_t *n,
                   uint64_t *total)
{
    *n = 0;
    *total = 0;
    for (uint32_t r = 0; r < g->s->root.n; r++) {
        if (g->s->root.slot[r] != slot)
            continue;
        if (*n < limit)
            v[(*n)++] = r;
        ++*total;
    }
}

/* ---- the index of reverse edges ---- */

/* Calls for each live object's pointers to other scan slots; equal neighbours count once. */
static struct err *each_edge(struct heap_graph *g, struct progress *p,
                             void (*f)(struct heap_graph *g, uint32_t from, uint32_t to))
{
    struct snap_edges it;
    for (uint32_t from = 0; from < g->nscan; from++) {
        uint32_t before = from;
        if (from % (1 << 20) == 0)
            TRY(progress_step(p, "turning pointers round", from, g->nscan));
        if (!heap_reached(g, from))
            continue;
        snap_edges_init(&it, g->s, from);
        while (snap_edges_next(&it))
            if (it.target < g->nscan && it.target != from && it.target != before) {
                f(g, from, it.target);
                before = it.target;
            }
    }
    return NULL;
}

static void count(struct heap_graph *g, uint32_t from, uint32_t to)
{
    g->reverse_first[to]++;
}

static void place(struct heap_graph *g, uint32_t from, uint32_t to)
{
    g->reverse_from[--g->reverse_first[to]] = from;
}

struct err *heap_reverse(struct heap_graph *g, struct progress *p)
{
    static const char what[] = "who points to whom";
    if (!g->has_edges)
        return no_edges();
    if (g->reverse_from)
        return NULL;
    if (!g->reverse_first)
        TRY(heap_array((size_t)g->nscan + 1, sizeof(uint32_t), what, &g->reverse_first));
    memset(g->reverse_first, 0, ((size_t)g->nscan + 1) * sizeof(uint32_t));
    TRY(each_edge(g, p, count));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < g->nscan; i++) {
        sum += g->reverse_first[i];
        if (sum >= UINT32_MAX)
            return err_new(ERR_LIMIT, "the heap has more pointers than we can turn round");
        g->reverse_first[i] = (uint32_t)sum;
    }
    g->reverse_first[g->nscan] = (uint32_t)sum;
    TRY(heap_array(sum, sizeof(uint32_t), what, &g->reverse_from));
    struct err *e = each_edge(g, p, place);
    if (e) {
        free(g->reverse_from);
        g->reverse_from = NULL;
    }
    return e;
}
