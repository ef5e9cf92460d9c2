/* suspects.c - where memory accumulates; see heap/suspects.h.
 *
 * Accumulation points come from a walk down the dominator tree: only children that retain at least
 * the threshold are entered, so the walk sees the children of few nodes, and at most 1/threshold
 * points come out.  Groups come from the outermost objects of each type (heap_retained_by()), whose
 * vertices ascend with the walk of the tree: the mass below a node is then a difference of two
 * running sums, and the common dominator is found by walking up from the median. */
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"
#include "heap/suspects.h"

enum { LEAST = 64 * 1000, DEFAULT_GROUPS = 10, CONTENTS = 3, COMMON_PERCENT = 80 };
#define DEFAULT_THRESHOLD 0.1
#define LEAST_THRESHOLD 0.001

struct vertices {
    uint32_t *v;
    size_t n, cap;
};

struct hunt {
    struct heap_graph *g;
    struct heap_keys keys;
    struct progress *progress;
    uint64_t live, threshold;
    VEC(struct heap_suspect) found;
    struct heap_amount_of {
        uint64_t count, bytes;
    } * by_key;                     /* of the node at hand; the last one: holders */
    uint8_t *in_points, *in_groups; /* by vertex: below an accumulation point, in a group */
    uint8_t *in_node;               /* by vertex: the node at hand, and parts of it */
    struct vertices todo;
};

/* ---- sets of vertices ---- */

static bool covered(const uint8_t *bits, uint32_t vertex)
{
    return bits[vertex / 8] >> vertex % 8 & 1;
}

static void cover(uint8_t *bits, uint32_t from, uint32_t end)
{
    for (uint32_t v = from; v < end; v++)
        bits[v / 8] |= (uint8_t)(1 << v % 8);
}

/* ---- what a node holds ---- */

static void add_child(struct hunt *h, uint32_t key, uint64_t bytes)
{
    h->by_key[key].count++;
    h->by_key[key].bytes += bytes;
}

static uint32_t key_of(const struct hunt *h, uint32_t slot)
{
    return h->keys.of[h->g->s->slot.shape[slot]];
}

/* The number of the type of a vertex; 0: not known, or no object. */
static uint32_t known_type(const struct hunt *h, uint32_t v)
{
    const struct heap_graph *g = h->g;
    return v && g->index[v] < g->nscan ? key_of(h, g->index[v]) : 0;
}

/* Lists and trees: what is below an object and of its type is looked at as one with it. */
static bool continues(const struct hunt *h, uint32_t v, uint32_t c)
{
    uint32_t type = known_type(h, v);
    return type && type == known_type(h, c);
}

static void take_child(struct hunt *h, struct heap_suspect *f, uint32_t v, uint32_t c)
{
    const struct heap_graph *g = h->g;
    bool object = g->index[c] < g->nscan, part = object && heap_is_map_part(g, g->index[c]);
    if (part || continues(h, v, c)) {
        cover(h->in_node, c, c + 1);
        vec_push(&h->todo, c);
        if (part) {
            f->store += heap_size(g, g->index[c]);
            return;
        }
        add_child(h, key_of(h, g->index[c]), heap_size(g, g->index[c]));
        f->count++;
        return;
    }
    f->count++;
    if (g->retained[c] < h->threshold)
        add_child(h, object ? key_of(h, g->index[c]) : h->keys.n, g->retained[c]);
}

static void take_leaves(struct hunt *h, struct heap_suspect *f)
{
    const struct heap_graph *g = h->g;
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i, owner = g->owner[slot - g->nscan];
            if (!owner || !covered(h->in_node, owner - 1) || !bit_at(s->slots64.allocated, slot))
                continue;
            if (heap_is_map_part(g, slot)) {
                f->store += s->span.elem_size[r];
                continue;
            }
            add_child(h, key_of(h, slot), s->span.elem_size[r]);
            f->count++;
        }
}

/* Adds up what v dominates immediately and is smaller than the threshold; the parts of a map are
 * the map itself. */
static void sum_children(struct hunt *h, struct heap_suspect *f, uint32_t v)
{
    const struct heap_graph *g = h->g;
    memset(h->by_key, 0, (h->keys.n + 1) * sizeof(*h->by_key));
    memset(h->in_node, 0, g->nvert / 8 + 1);
    h->todo.n = 0;
    cover(h->in_node, v, v + 1);
    vec_push(&h->todo, v);
    while (h->todo.n) {
        uint32_t x = h->todo.v[--h->todo.n];
        for (uint32_t c = x + 1; c < g->end[x]; c = g->end[c])
            take_child(h, f, v, c);
    }
    take_leaves(h, f);
}

static void take_contents(struct hunt *h, struct heap_suspect *f)
{
    for (f->ncontent = 0; f->ncontent < CONTENTS; f->ncontent++) {
        uint32_t best = 0;
        for (uint32_t k = 1; k <= h->keys.n; k++)
            if (h->by_key[k].bytes > h->by_key[best].bytes)
                best = k;
        if (!h->by_key[best].bytes)
            return;
        f->content[f->ncontent] =
            (struct heap_content){best == h->keys.n ? SNAP_NONE : h->keys.shape[best],
                                  h->by_key[best].count, h->by_key[best].bytes};
        h->by_key[best].bytes = 0;
    }
}

/* ---- accumulation points ---- */

/* A part of a map stands for the map. */
static uint32_t whole_of(const struct heap_graph *g, uint32_t node)
{
    bool leaf = node >= g->nscan && node < g->nslots;
    if (node == HEAP_ALL || (leaf && !heap_is_map_part(g, node)))
        return node;
    uint32_t v = (leaf ? g->owner[node - g->nscan] : g->vertex[heap_index_of(g, node)]) - 1;
    uint32_t map = heap_map_of(g, v);
    bool of_map = g->index[map] < g->nscan && heap_form(g, g->index[map]) == SNAP_FORM_MAP;
    return leaf && !of_map ? node : heap_node_of_vertex(g, map);
}

static bool add_to_known(struct hunt *h, uint32_t node, uint64_t mass)
{
    for (size_t i = 0; i < h->found.n; i++) {
        struct heap_suspect *f = &h->found.v[i];
        if (f->node != node)
            continue;
        f->mass += mass;
        f->share = (double)f->mass / (double)h->live;
        return true;
    }
    return false;
}

static void add_point(struct hunt *h, uint32_t node, uint64_t mass)
{
    const struct heap_graph *g = h->g;
    node = whole_of(g, node);
    if (add_to_known(h, node, mass))
        return;
    struct heap_suspect f = {.kind = HEAP_ACCUMULATES,
                             .node = node,
                             .kept_by = heap_kept_by(g, node),
                             .shape = heap_is_object(g, node) ? heap_shape(g, node) : SNAP_NONE,
                             .retained = heap_retained(g, node),
                             .mass = mass,
                             .share = (double)mass / (double)h->live};
    if (heap_is_holder(g, node) || node < g->nscan) {
        sum_children(h, &f, g->vertex[heap_index_of(g, node)] - 1);
        take_contents(h, &f);
    }
    vec_push(&h->found, f);
}

/* Leaves as large as the threshold are points of their own; sums them up by owner. */
struct big_leaf {
    uint32_t slot, owner;
    uint64_t size;
};
struct big_leaves {
    struct big_leaf *v;
    size_t n, cap;
};

static void find_big_leaves(const struct hunt *h, struct big_leaves *big)
{
    const struct heap_graph *g = h->g;
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t i = 0; s->span.elem_size[r] >= h->threshold && i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            if (!heap_slot_live(g, slot))
                continue;
            struct big_leaf b = {slot, g->owner[slot - g->nscan] - 1, s->span.elem_size[r]};
            vec_push(big, b);
        }
}

/* What v, and what continues it, retains without the large children of other types, which are left
 * in todo. */
static uint64_t own_mass(struct hunt *h, uint32_t v, const struct big_leaves *big,
                         struct vertices *todo)
{
    const struct heap_graph *g = h->g;
    uint64_t mass = g->retained[v];
    h->todo.n = 0;
    vec_push(&h->todo, v);
    while (h->todo.n) {
        uint32_t x = h->todo.v[--h->todo.n];
        for (uint32_t c = x + 1; c < g->end[x]; c = g->end[c]) {
            if (g->retained[c] < h->threshold)
                continue;
            if (continues(h, v, c)) {
                vec_push(&h->todo, c);
                continue;
            }
            mass -= g->retained[c];
            vec_push(todo, c);
        }
        for (size_t i = 0; i < big->n; i++)
            mass -= big->v[i].owner == x ? big->v[i].size : 0;
    }
    return mass;
}

static void find_points(struct hunt *h)
{
    const struct heap_graph *g = h->g;
    struct big_leaves big = {0};
    struct vertices todo = {0};
    find_big_leaves(h, &big);
    vec_push(&todo, 0);
    while (todo.n) {
        uint32_t v = todo.v[--todo.n];
        uint64_t mass = own_mass(h, v, &big, &todo);
        if (v && mass >= h->threshold)
            add_point(h, heap_node_of_vertex(g, v), mass);
    }
    for (size_t i = 0; i < big.n; i++)
        add_point(h, big.v[i].slot, big.v[i].size);
    vec_free(&big);
    vec_free(&todo);
}

/* ---- groups ---- */

/* The outermost objects of the type at hand. */
struct member {
    uint32_t vertex, slot;  /* of a leaf: its owner */
    uint64_t bytes, before; /* before: the sum of those above */
};
struct members {
    VEC(struct member) v;
    uint32_t key;
    const struct hunt *h;
    uint64_t largest;
    uint64_t bytes; /* those outside of the accumulation points */
};

/* What lies below accumulation points is theirs. */
static void cover_points(struct hunt *h)
{
    for (size_t i = 0; i < h->found.n; i++) {
        uint32_t node = h->found.v[i].node;
        if (node >= h->g->nscan && node < h->g->nslots)
            continue;
        uint32_t v = h->g->vertex[heap_index_of(h->g, node)] - 1;
        cover(h->in_points, v, h->g->end[v]);
    }
}

static void take_member(void *arg, uint32_t key, uint32_t slot, uint32_t vertex, uint64_t bytes)
{
    struct members *m = arg;
    if (key != m->key || covered(m->h->in_points, vertex))
        return;
    struct member x = {vertex, slot, bytes, 0};
    vec_push(&m->v, x);
    m->largest = max_u64(m->largest, bytes);
    m->bytes += bytes;
}

static int by_vertex(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    if (a->vertex != b->vertex)
        return a->vertex < b->vertex ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* Bytes of the members at vertices before v. */
static uint64_t mass_before(const struct members *m, uint32_t v)
{
    size_t lo = 0, hi = m->v.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->v.v[mid].vertex < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->v.n ? m->v.v[lo].before : m->bytes;
}

/* The deepest vertex above COMMON_PERCENT of the mass; with half of it, it is above the median. */
static uint32_t common_vertex(const struct heap_graph *g, struct members *m)
{
    uint64_t sum = 0;
    uint32_t median = 0;
    qsort(m->v.v, m->v.n, sizeof(*m->v.v), by_vertex);
    for (size_t i = 0; i < m->v.n; i++) {
        m->v.v[i].before = sum;
        sum += m->v.v[i].bytes;
        if (m->v.v[i].before <= m->bytes / 2)
            median = m->v.v[i].vertex;
    }
    for (uint32_t v = median; v; v = g->idom[v])
        if ((mass_before(m, g->end[v]) - mass_before(m, v)) / COMMON_PERCENT >= m->bytes / 100)
            return v;
    return 0;
}

static void add_group(struct hunt *h, struct members *m)
{
    const struct heap_graph *g = h->g;
    size_t largest = 0;
    uint32_t node = whole_of(g, heap_node_of_vertex(g, common_vertex(g, m)));
    for (size_t i = 0; i < m->v.n; i++)
        if (m->v.v[i].bytes > m->v.v[largest].bytes)
            largest = i;
    struct heap_suspect f = {.kind = HEAP_GROUP,
                             .node = node,
                             .kept_by = heap_kept_by(g, node),
                             .shape = h->keys.shape[m->key],
                             .count = m->v.n,
                             .mass = m->bytes,
                             .retained = m->bytes,
                             .share = (double)m->bytes / (double)h->live,
                             .ncontent = 1};
    f.content[0] = (struct heap_content){f.shape, f.count, f.mass};
    f.path.root = m->v.v[largest].slot; /* until find_ways() */
    vec_push(&h->found, f);
}

/* A type whose objects lie mostly in those of a group that was found already tells nothing new. */
static bool mostly_inside(const struct hunt *h, const struct members *m)
{
    uint64_t inside = 0;
    for (size_t i = 0; i < m->v.n; i++)
        inside += covered(h->in_groups, m->v.v[i].vertex) ? m->v.v[i].bytes : 0;
    return inside > m->bytes / 2;
}

static struct err *try_group(struct hunt *h, uint32_t key, uint64_t *scratch)
{
    const struct heap_graph *g = h->g;
    struct members m = {.key = key, .h = h};
    memset(scratch, 0, h->keys.n * sizeof(*scratch));
    struct err *e = heap_retained_by(g, h->keys.of, h->keys.n, scratch, take_member, &m);
    if (!e && !mostly_inside(h, &m)) {
        add_group(h, &m);
        for (size_t i = 0; i < m.v.n; i++)
            if (m.v.v[i].slot < g->nscan)
                cover(h->in_groups, m.v.v[i].vertex, g->end[m.v.v[i].vertex]);
    }
    vec_free(&m.v);
    return e;
}

/* For each type: what its objects retain outside of the accumulation points, and the largest. */
struct candidates {
    const struct hunt *h;
    uint64_t *outside, *largest;
};

static void weigh(void *arg, uint32_t key, uint32_t slot, uint32_t vertex, uint64_t bytes)
{
    struct candidates *c = arg;
    if (covered(c->h->in_points, vertex))
        return;
    c->outside[key] += bytes;
    c->largest[key] = max_u64(c->largest[key], bytes);
}

/* The type that weighs most and was not tried yet; 0: none.  What is not known makes no group. */
static uint32_t next_type(const struct hunt *h, struct candidates *c)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < h->keys.n; k++)
        if (c->outside[k] >= h->threshold && c->largest[k] < h->threshold &&
            (!best || c->outside[k] > c->outside[best]))
            best = k;
    if (best)
        c->outside[best] = 0;
    return best;
}

static struct err *try_groups(struct hunt *h, size_t limit, struct candidates *c, uint64_t *scratch)
{
    size_t points = h->found.n, tries = 0;
    TRY(heap_retained_by(h->g, h->keys.of, h->keys.n, scratch, weigh, c));
    for (uint32_t key;
         h->found.n < points + limit && tries < 4 * limit && (key = next_type(h, c));) {
        TRY(progress_step(h->progress, "looking for suspects", tries++, 4 * limit));
        TRY(try_group(h, key, scratch));
    }
    return NULL;
}

static struct err *find_groups(struct hunt *h, size_t limit)
{
    static const char what[] = "the groups of the heap";
    uint64_t *scratch;
    struct candidates c = {.h = h};
    TRY(heap_array(h->g->nvert / 8 + 1, 1, what, &h->in_points));
    TRY(heap_array(h->g->nvert / 8 + 1, 1, what, &h->in_groups));
    TRY(heap_array(3 * (size_t)h->keys.n, sizeof(*scratch), what, &scratch));
    c.outside = scratch + h->keys.n;
    c.largest = c.outside + h->keys.n;
    cover_points(h);
    struct err *e = try_groups(h, limit, &c, scratch);
    free(scratch);
    return e;
}

/* ---- putting it together ---- */

static int by_mass(const void *pa, const void *pb)
{
    const struct heap_suspect *a = pa, *b = pb;
    if (a->mass != b->mass)
        return a->mass > b->mass ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static struct err *find_way(struct hunt *h, struct heap_suspect *f, struct arena *mem)
{
    uint32_t slot = f->kind == HEAP_GROUP ? f->path.root : f->node;
    return heap_shortest_path(h->g, slot, mem, h->progress, &f->path);
}

static struct err *hunt_all(struct hunt *h, size_t limit, struct heap_suspects *ret)
{
    TRY(heap_type_keys(h->g->s, &h->keys));
    TRY(heap_array(h->keys.n + 1, sizeof(*h->by_key), "the suspects", &h->by_key));
    TRY(heap_array(h->g->nvert / 8 + 1, 1, "the suspects", &h->in_node));
    find_points(h);
    TRY(find_groups(h, limit));
    if (h->found.n)
        qsort(h->found.v, h->found.n, sizeof(*h->found.v), by_mass);
    for (size_t i = 0; i < h->found.n; i++)
        TRY(find_way(h, &h->found.v[i], &ret->mem));
    ret->n = h->found.n;
    ret->v = arena_array(&ret->mem, struct heap_suspect, h->found.n);
    if (h->found.n)
        memcpy(ret->v, h->found.v, h->found.n * sizeof(*h->found.v));
    return NULL;
}

struct err *heap_find_suspects(struct heap_graph *g, const struct heap_suspect_options *o,
                               struct heap_suspects *ret)
{
    struct heap_suspect_options none = {0};
    o = o ? o : &none;
    memset(ret, 0, sizeof(*ret));
    arena_init(&ret->mem);
    if (g->mark_only)
        return err_new(ERR_UNSUPPORTED, "retained sizes were not computed");
    double threshold = o->threshold > 0 ? o->threshold : DEFAULT_THRESHOLD;
    /* the work grows with the points, and nobody reads more than a thousand */
    threshold = threshold < LEAST_THRESHOLD ? LEAST_THRESHOLD : threshold;
    struct hunt h = {.g = g, .progress = o->progress, .live = g->retained[0]};
    h.threshold = max_u64((uint64_t)(threshold * (double)h.live), o->least ? o->least : LEAST);
    struct err *e = hunt_all(&h, o->limit ? o->limit : DEFAULT_GROUPS, ret);
    heap_keys_free(&h.keys);
    vec_free(&h.found);
    free(h.by_key);
    free(h.in_points);
    free(h.in_groups);
    free(h.in_node);
    vec_free(&h.todo);
    if (e)
        heap_suspects_free(ret);
    return e;
}

void heap_suspects_free(struct heap_suspects *s)
{
    arena_free(&s->mem);
    memset(s, 0, sizeof(*s));
}
