/* dominators.c - exact dominators by the semi-NCA algorithm (Georgiadis, Tarjan), and retained
 * sizes.
 *
 * Input: the depth-first tree in idom[] and the edges beside it in `cross`.  Semidominators are
 * computed from the last vertex to the first with path compression, then the dominator of v is the
 * nearest common ancestor of its parent and its semidominator.  That last step is a walk upwards;
 * on long chains (a linked list whose elements are also reached otherwise) walks would take
 * quadratic time, so when they have become long, jump pointers (skew-binary, as in Myers'
 * random-access lists) shorten them to the logarithm.
 *
 * Then vertices are renumbered in the order of a walk of the dominator tree, so that dominance is a
 * comparison of numbers.  The arrays are used again and again: the peak is 16 bytes for a vertex
 * beside what stays (vertex, index, owner). */
#include <string.h>

#include "base/pool.h"
#include "heap/heap_int.h"

/* Walks may take this many steps for each vertex on average before jumps are built. */
enum { WALK_BUDGET = 16, CHECK_EVERY = 1 << 20 };
enum { RANGE = 1 << 17, AHEAD = 24 }; /* of a job; entries whose memory is asked for beforehand */
enum { AT_ONCE = 64 };                /* pairs of a list that are taken together */

struct dom {
    uint32_t n;
    uint32_t *par; /* the graph's idom[]: parent, in the end dominator */
    uint32_t *anc, *label, *semi;
    uint32_t *first, *from; /* cross edges by target */
    VEC(uint32_t) path;
};

/* The next pairs; the places of their targets are asked for, all at once. */
static size_t next_pairs(const struct dom *d, struct heap_log_reader *r, struct heap_pair *v)
{
    size_t n = heap_log_read(r, v, AT_ONCE);
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(&d->first[v[i].a], 1);
    return n;
}

static void count_targets(struct dom *d, const struct heap_log_chunk *c)
{
    struct heap_pair v[AT_ONCE];
    struct heap_log_reader r = {.c = c};
    for (size_t n; (n = next_pairs(d, &r, v)) > 0;)
        for (size_t i = 0; i < n; i++)
            d->first[v[i].a]++;
}

static void place_sources(struct dom *d, const struct heap_log_chunk *c)
{
    struct heap_pair v[AT_ONCE];
    struct heap_log_reader r = {.c = c};
    for (size_t n; (n = next_pairs(d, &r, v)) > 0;)
        for (size_t i = 0; i < n; i++)
            d->from[--d->first[v[i].a]] = v[i].b;
}

/* Cross edges by target, counted and put into their places; the list is given back as it is read.
 */
static struct err *sort_cross(struct dom *d, struct heap_log *cross)
{
    size_t count = cross->n;
    if (count >= UINT32_MAX)
        return err_new(ERR_LIMIT, "the heap has %zu pointers; that is more than we can look at",
                       count);
    TRY(heap_array((size_t)d->n + 1, sizeof(*d->first), "the pointers of the heap", &d->first));
    for (const struct heap_log_chunk *c = cross->top; c; c = c->prev)
        count_targets(d, c);
    for (uint32_t v = 1; v <= d->n; v++)
        d->first[v] += d->first[v - 1]; /* the end of each; filled from behind */
    TRY(heap_array(count, sizeof(*d->from), "the pointers of the heap", &d->from));
    for (; cross->top; heap_log_drop_top(cross))
        place_sources(d, cross->top);
    return NULL;
}

/* The label with the least semidominator on the way from v up to the vertices before `last`. */
static uint32_t eval(struct dom *d, uint32_t v, uint32_t last)
{
    uint32_t *anc = d->anc, *label = d->label, *semi = d->semi;
    if (anc[v] < last)
        return label[v];
    d->path.n = 0;
    do {
        vec_push(&d->path, v);
        v = anc[v];
    } while (anc[v] >= last);
    uint32_t best = label[v];
    while (d->path.n) {
        uint32_t y = d->path.v[--d->path.n];
        anc[y] = anc[v];
        if (semi[best] < semi[label[y]])
            label[y] = best;
        else
            best = label[y];
        v = y;
    }
    return best;
}

static inline void prefetch_sources(const struct dom *d, uint32_t v)
{
    for (uint32_t k = d->first[v]; k < d->first[v + 1]; k++)
        if (d->from[k] >= v) {
            __builtin_prefetch(&d->anc[d->from[k]], 1);
            __builtin_prefetch(&d->label[d->from[k]], 1);
        }
}

static struct err *semidominators(struct dom *d, struct progress *p)
{
    for (uint32_t v = 0; v < d->n; v++) {
        d->label[v] = v;
        d->semi[v] = d->anc[v] = d->par[v];
    }
    for (uint32_t v = d->n - 1; v > 0; v--) {
        uint32_t least = d->par[v];
        if (v > AHEAD)
            prefetch_sources(d, v - AHEAD);
        for (uint32_t k = d->first[v]; k < d->first[v + 1]; k++) {
            uint32_t u = d->from[k], s = u < v ? u : d->semi[eval(d, u, v + 1)];
            if (s < least)
                least = s;
        }
        d->semi[v] = least;
        if (v % CHECK_EVERY == 0)
            TRY(progress_step(p, "finding dominators", d->n - v, d->n));
    }
    return NULL;
}

static void add_jump(uint32_t *jump, uint32_t *depth, uint32_t v, uint32_t up)
{
    uint32_t j = jump[up];
    depth[v] = depth[up] + 1;
    jump[v] = depth[up] - depth[j] == depth[j] - depth[jump[j]] ? jump[j] : up;
}

/* From vertex v on, with jumps; anc and label are free by now. */
static void ancestors_by_jumps(struct dom *d, uint32_t v)
{
    uint32_t *jump = d->label, *depth = d->anc, *idom = d->par;
    jump[0] = depth[0] = 0;
    for (uint32_t u = 1; u < v; u++)
        add_jump(jump, depth, u, idom[u]);
    for (; v < d->n; v++) {
        uint32_t up = idom[v], s = d->semi[v];
        while (up > s)
            up = jump[up] >= s ? jump[up] : idom[up];
        idom[v] = up;
        add_jump(jump, depth, v, up);
    }
}

static void ancestors(struct dom *d)
{
    uint32_t *idom = d->par;
    uint64_t steps = 0, budget = (uint64_t)d->n * WALK_BUDGET;
    for (uint32_t v = 1; v < d->n; v++) {
        uint32_t up = idom[v], s = d->semi[v];
        for (; up > s; steps++)
            up = idom[up];
        idom[v] = up;
        if (steps > budget) {
            ancestors_by_jumps(d, v + 1);
            return;
        }
    }
}

/* ---- renumbering ---- */

struct renumbering {
    struct heap_graph *g;
    const uint32_t *pos, *size;
    uint32_t *idom, *new_idom, *new_index;
    uint32_t n;
};

static struct err *renumber_idoms(void *arg, size_t i, unsigned worker)
{
    const struct renumbering *r = arg;
    uint32_t end = (uint32_t)min_u64((i + 1) * RANGE, r->n);
    for (uint32_t v = (uint32_t)max_u64(i * RANGE, 1); v < end; v++)
        r->new_idom[r->pos[v]] = r->pos[r->idom[v]];
    return NULL;
}

static struct err *renumber_ends(void *arg, size_t i, unsigned worker)
{
    const struct renumbering *r = arg;
    uint32_t end = (uint32_t)min_u64((i + 1) * RANGE, r->n);
    for (uint32_t v = (uint32_t)(i * RANGE); v < end; v++)
        r->idom[r->pos[v]] = r->pos[v] + r->size[v];
    return NULL;
}

static struct err *renumber_indexes(void *arg, size_t i, unsigned worker)
{
    const struct renumbering *r = arg;
    uint32_t *vertex = r->g->vertex, all = r->g->nscan + r->g->nholders;
    uint32_t end = (uint32_t)min_u64((i + 1) * RANGE, all);
    for (uint32_t k = (uint32_t)(i * RANGE); k < end; k++) {
        uint32_t soon = k + AHEAD < end ? vertex[k + AHEAD] : 0;
        if (soon)
            __builtin_prefetch(&r->pos[soon - 1]);
        if (!vertex[k])
            continue;
        uint32_t v = r->pos[vertex[k] - 1];
        vertex[k] = v + 1;
        r->new_index[v] = k;
    }
    return NULL;
}

static size_t ranges(uint64_t n)
{
    return (size_t)((n + RANGE - 1) / RANGE);
}

/* Numbers vertices in the order of the dominator tree; d's arrays change hands. */
static struct err *renumber(struct heap_graph *g, struct dom *d)
{
    uint32_t *size = d->label, *next = d->semi, *pos = d->anc, *idom = d->par, n = d->n;
    struct renumbering r = {.g = g, .pos = pos, .size = size, .idom = idom, .n = n};
    for (uint32_t v = 0; v < n; v++)
        size[v] = 1;
    for (uint32_t v = n - 1; v > 0; v--)
        size[idom[v]] += size[v];
    pos[0] = 0;
    next[0] = 1;
    for (uint32_t v = 1; v < n; v++) {
        uint32_t up = idom[v];
        pos[v] = next[up];
        next[up] += size[v];
        next[v] = pos[v] + 1;
    }
    next[0] = 0;
    r.new_idom = next;
    TRY(pool_run(ranges(n), renumber_idoms, &r));
    TRY(pool_run(ranges(n), renumber_ends, &r)); /* where the old idoms were */
    size[0] = SNAP_NONE;
    r.new_index = size;
    TRY(pool_run(ranges((uint64_t)g->nscan + g->nholders), renumber_indexes, &r));
    free(pos);
    g->index = size;
    g->idom = next;
    g->end = idom;
    d->label = d->semi = d->anc = NULL;
    return NULL;
}

static struct err *compute(struct heap_graph *g, struct dom *d, struct heap_log *cross,
                           struct progress *p)
{
    static const char what[] = "the dominators of the heap";
    TRY(sort_cross(d, cross));
    TRY(heap_array(d->n, sizeof(*d->anc), what, &d->anc));
    TRY(heap_array(d->n, sizeof(*d->label), what, &d->label));
    TRY(heap_array(d->n, sizeof(*d->semi), what, &d->semi));
    TRY(semidominators(d, p));
    vec_free(&d->path);
    free(d->first);
    free(d->from);
    d->first = d->from = NULL;
    ancestors(d);
    return renumber(g, d);
}

/* Gives back what lies behind n entries; keeps the old place when it cannot. */
static void shrink(uint32_t **v, size_t n)
{
    uint32_t *less = realloc(*v, (n ? n : 1) * sizeof(**v));
    if (less)
        *v = less;
}

struct err *heap_dominators(struct heap_graph *g, struct heap_log *cross, struct progress *p)
{
    shrink(&g->idom, g->nvert);
    struct dom d = {.n = g->nvert, .par = g->idom};
    g->idom[0] = 0;
    struct err *e = compute(g, &d, cross, p);
    vec_free(&d.path);
    free(d.first);
    free(d.from);
    free(d.anc);
    free(d.label);
    free(d.semi);
    return e;
}

/* ---- leaves ---- */

/* Nearest common dominators.  Plain walks in both directions at once while they are short; jumps
 * when they have become long. */
struct common {
    const struct heap_graph *g;
    uint32_t *jump, *depth;
    uint64_t steps;
};

static struct err *build_jumps(struct common *c)
{
    const struct heap_graph *g = c->g;
    static const char what[] = "the dominators of the heap";
    TRY(heap_array(g->nvert, sizeof(*c->jump), what, &c->jump));
    TRY(heap_array(g->nvert, sizeof(*c->depth), what, &c->depth));
    for (uint32_t v = 1; v < g->nvert; v++)
        add_jump(c->jump, c->depth, v, g->idom[v]);
    return NULL;
}

static struct err *common_dominator(struct common *c, uint32_t a, uint32_t b, uint32_t *ret)
{
    const struct heap_graph *g = c->g;
    while (!heap_inside(g, a, b) && !heap_inside(g, b, a)) {
        if (c->jump) {
            a = heap_inside(g, c->jump[a], b) ? g->idom[a] : c->jump[a];
            continue;
        }
        a = g->idom[a];
        if (!heap_inside(g, a, b))
            b = g->idom[b];
        if (++c->steps > (uint64_t)g->nvert * WALK_BUDGET)
            TRY(build_jumps(c));
    }
    *ret = heap_inside(g, a, b) ? a : b;
    return NULL;
}

/* owner[]: from the index of an owner to its vertex. */
static struct err *own_range(void *arg, size_t i, unsigned worker)
{
    struct heap_graph *g = arg;
    uint32_t end = (uint32_t)min_u64((i + 1) * RANGE, g->nleaves), *owner = g->owner;
    for (uint32_t k = (uint32_t)(i * RANGE); k < end; k++) {
        uint32_t soon = k + AHEAD < end ? owner[k + AHEAD] : 0;
        if (soon)
            __builtin_prefetch(&g->vertex[soon - 1]);
        if (owner[k])
            owner[k] = g->vertex[owner[k] - 1];
    }
    return NULL;
}

/* Another owner of a leaf: what dominates both. */
static struct err *own_also(struct common *c, struct heap_pair also)
{
    uint32_t *o = &c->g->owner[also.a], other = c->g->vertex[also.b], v = 0;
    if (!other)
        return NULL;
    if (!*o) {
        *o = other;
        return NULL;
    }
    TRY(common_dominator(c, *o - 1, other - 1, &v));
    *o = v + 1;
    return NULL;
}

static struct err *own_shared(struct common *c, const struct heap_log_chunk *chunk)
{
    struct heap_pair v[AT_ONCE];
    struct heap_log_reader r = {.c = chunk};
    for (size_t n; (n = heap_log_read(&r, v, AT_ONCE)) > 0;)
        for (size_t i = 0; i < n; i++)
            TRY(own_also(c, v[i]));
    return NULL;
}

struct err *heap_own_leaves(struct heap_graph *g, struct heap_log *shared)
{
    struct common c = {.g = g};
    struct err *e = NULL;
    TRY(pool_run(ranges(g->nleaves), own_range, g));
    for (; shared->top && !e; heap_log_drop_top(shared))
        e = own_shared(&c, shared->top);
    free(c.jump);
    free(c.depth);
    return e;
}

/* ---- retained sizes ---- */

/* Of all objects in a span.  Leaves of one owner lie in many spans. */
static void add_sizes(struct heap_graph *g, uint32_t r)
{
    const struct snap *s = g->s;
    uint64_t size = s->span.elem_size[r];
    uint32_t slot = s->span.slot[r], n = s->span.elems[r];
    const uint32_t *v = slot < g->nscan ? g->vertex + slot : g->owner + (slot - g->nscan);
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n && v[i + AHEAD])
            __builtin_prefetch(&g->retained[v[i + AHEAD] - 1], 1);
        if (v[i] && bit_at(s->slots64.allocated, slot + i))
            __atomic_fetch_add(&g->retained[v[i] - 1], size, __ATOMIC_RELAXED);
    }
}

enum { SPANS_AT_ONCE = 512 };

static struct err *add_sizes_of(void *arg, size_t i, unsigned worker)
{
    struct heap_graph *g = arg;
    uint32_t end = (uint32_t)min_u64((i + 1) * SPANS_AT_ONCE, g->s->span.n);
    for (uint32_t r = (uint32_t)(i * SPANS_AT_ONCE); r < end; r++)
        add_sizes(g, r);
    return NULL;
}

struct err *heap_retain(struct heap_graph *g)
{
    TRY(heap_array(g->nvert, sizeof(*g->retained), "the retained sizes", &g->retained));
    TRY(pool_run((g->s->span.n + SPANS_AT_ONCE - 1) / SPANS_AT_ONCE, add_sizes_of, g));
    for (uint32_t v = g->nvert - 1; v > 0; v--)
        g->retained[g->idom[v]] += g->retained[v];
    return NULL;
}
