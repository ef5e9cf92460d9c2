/* diff_sums.c - a diff in sums: by type, by holder, by age. */
#include <stdlib.h>
#include <string.h>

#include "heap/diff_int.h"

static void add(struct heap_amount *a, uint64_t bytes)
{
    a->count++;
    a->bytes += bytes;
}

/* ---- by type, and by age ---- */

struct sums {
    struct heap_differ *f;
    struct heap_diff_type *types; /* by key */
};

static struct heap_diff_type *type_of(struct sums *w, bool in_a, uint32_t slot)
{
    const struct heap_differ *f = w->f;
    uint16_t shape = (in_a ? f->a : f->b)->s->slot.shape[slot];
    struct heap_diff_type *t = &w->types[(in_a ? f->key_a : f->key_b)[shape]];
    uint32_t *row = in_a ? &t->shape_a : &t->shape_b;
    if (*row == SNAP_NONE)
        *row = shape;
    return t;
}

static void sum_b(struct sums *w)
{
    const struct heap_graph *g = w->f->b;
    const struct snap *s = g->s;
    struct heap_diff *d = w->f->d;
    for (uint32_t r = 0; r < s->span.n; r++) {
        uint64_t size = s->span.elem_size[r];
        uint32_t ra = w->f->span_a[r];
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            bool survived = heap_bit(s->slots64.survived, slot);
            if (heap_bit(d->kept_bits, slot)) {
                add(&type_of(w, false, slot)->kept, size);
                add(&d->kept, size);
                bool old = heap_bit(w->f->a->s->slots64.survived, w->f->a->s->span.slot[ra] + i);
                add(&d->ages[old ? 3 : 2].amount, size);
            } else if (heap_bit(w->f->live_b, slot)) {
                add(&d->ages[survived].amount, size);
            }
            if (heap_bit(d->fresh_bits, slot)) {
                add(&type_of(w, false, slot)->fresh, size);
                add(&d->fresh, size);
            }
        }
    }
}

static void sum_a(struct sums *w)
{
    const struct snap *s = w->f->a->s;
    struct heap_diff *d = w->f->d;
    for (uint32_t r = 0; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            if (!heap_bit(d->freed_bits, slot))
                continue;
            add(&type_of(w, true, slot)->freed, s->span.elem_size[r]);
            add(&d->freed, s->span.elem_size[r]);
        }
}

static void sum_modified(struct sums *w)
{
    const struct heap_diff *d = w->f->d;
    for (size_t i = 0; i < d->nmodified; i++) {
        const struct heap_modified *m = &d->modified[i];
        struct heap_diff_type *t = type_of(w, false, m->slot_b);
        t->modified++;
        t->delta_bytes += (int64_t)(m->bytes_b - m->bytes_a);
    }
}

static int by_delta(const void *pa, const void *pb)
{
    const struct heap_diff_type *a = pa, *b = pb;
    uint64_t x = (uint64_t)(a->delta_bytes < 0 ? -a->delta_bytes : a->delta_bytes);
    uint64_t y = (uint64_t)(b->delta_bytes < 0 ? -b->delta_bytes : b->delta_bytes);
    if (x != y)
        return x > y ? -1 : 1;
    if (a->kept.bytes != b->kept.bytes)
        return a->kept.bytes > b->kept.bytes ? -1 : 1;
    return a->shape_b < b->shape_b ? -1 : a->shape_b > b->shape_b;
}

static struct err *sum_types(struct heap_differ *f)
{
    struct heap_diff *d = f->d;
    struct sums w = {.f = f};
    size_t n = 0;
    TRY(heap_array(f->nkeys, sizeof(*w.types), "a diff of the heap", &w.types));
    d->types = w.types;
    for (uint32_t k = 0; k < f->nkeys; k++)
        w.types[k].shape_a = w.types[k].shape_b = SNAP_NONE;
    sum_b(&w);
    sum_a(&w);
    sum_modified(&w);
    for (uint32_t k = 0; k < f->nkeys; k++) {
        struct heap_diff_type *t = &w.types[k];
        if (t->shape_a == SNAP_NONE && t->shape_b == SNAP_NONE)
            continue;
        t->delta_bytes += (int64_t)(t->fresh.bytes - t->freed.bytes);
        w.types[n++] = *t;
    }
    d->ntypes = n;
    if (n)
        qsort(w.types, n, sizeof(*w.types), by_delta);
    return NULL;
}

/* What the rows of ages mean; the sums are in sum_b(). */
static void set_ages(struct heap_diff *d)
{
    bool known = d->gcs >= 0;
    uint32_t n = known ? (uint32_t)min_u64((uint64_t)d->gcs, UINT32_MAX - 1) : 0;
    d->ages[0].min = d->ages[0].max = 0;
    d->ages[1].min = 1;
    d->ages[1].max = known && n ? n : UINT32_MAX;
    d->ages[2].min = n;
    d->ages[2].max = known ? n : UINT32_MAX;
    d->ages[3].min = n + 1;
    d->ages[3].max = UINT32_MAX;
}

/* ---- by holder ---- */

struct attach {
    const struct heap_differ *f;
    uint32_t *up;    /* by vertex of B: the nearest dominator that was there before */
    uint32_t *count; /* by vertex: new objects */
    uint64_t *bytes;
    int64_t *grown;  /* by vertex: in place */
    uint32_t *alike; /* by number of holder: goroutines added up there */
};

static bool is_fresh_vertex(const struct heap_differ *f, uint32_t v)
{
    uint32_t slot = f->b->index[v];
    return v && slot < f->b->nscan && heap_bit(f->d->fresh_bits, slot);
}

/* Of a list or a tree, what is not its first object: below one of its own type. */
static bool continues(const struct heap_differ *f, uint32_t v)
{
    const struct heap_graph *g = f->b;
    uint32_t above = g->idom[v];
    if (!v || !above || g->index[v] >= g->nscan || g->index[above] >= g->nscan)
        return false;
    uint32_t key = f->key_b[g->s->slot.shape[g->index[v]]];
    return key && key == f->key_b[g->s->slot.shape[g->index[above]]];
}

static void attach_all(struct attach *w)
{
    const struct heap_graph *g = w->f->b;
    const struct snap *s = g->s;
    for (uint32_t v = 0; v < g->nvert; v++) {
        bool fresh = is_fresh_vertex(w->f, v);
        uint32_t above = fresh || continues(w->f, v) ? g->idom[v] : heap_map_of(g, v);
        w->up[v] = above == v ? v : w->up[above];
        if (fresh) {
            w->count[w->up[v]]++;
            w->bytes[w->up[v]] += heap_size(g, g->index[v]);
        }
    }
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            if (!heap_bit(w->f->d->fresh_bits, slot))
                continue;
            uint32_t v = w->up[g->owner[slot - g->nscan] - 1];
            w->count[v]++;
            w->bytes[v] += s->span.elem_size[r];
        }
}

/* What grew in place: a map for itself, a backing array for itself or, without pointers, for what
 * holds it. */
static void attach_grown(struct attach *w)
{
    const struct heap_graph *g = w->f->b;
    const struct heap_diff *d = w->f->d;
    for (size_t i = 0; i < d->nmodified; i++) {
        const struct heap_modified *m = &d->modified[i];
        uint32_t at = m->slot_b < g->nscan ? g->vertex[m->slot_b] : g->owner[m->slot_b - g->nscan];
        if (at)
            w->grown[w->up[at - 1]] += (int64_t)(m->bytes_b - m->bytes_a);
    }
}

static uint64_t growth(const struct attach *w, uint32_t v)
{
    int64_t sum = (int64_t)w->bytes[v] + w->grown[v];
    return sum > 0 ? (uint64_t)sum : 0;
}

/* Goroutines that stand in one place are one row: that of the first of them. */
static struct err *join_goroutines(struct attach *w)
{
    const struct heap_graph *g = w->f->b;
    struct map first = {0};
    TRY(heap_array(g->nholders, sizeof(*w->alike), "a diff of the heap", &w->alike));
    for (uint32_t i = 0; i < g->nholders; i++) {
        const struct heap_holder *h = &g->holders[i];
        uint32_t v = g->vertex[g->nscan + i] - 1;
        bool added;
        if (h->kind != SNAP_ROOT_STACK || h->row == SNAP_NONE || v == SNAP_NONE ||
            (!w->count[v] && !growth(w, v)))
            continue;
        uint32_t stack = g->s->goroutine.stack[h->row];
        uint32_t at = map_get_or_put(&first, (uint64_t)stack + 1, i, &added);
        uint32_t to = g->vertex[g->nscan + at] - 1;
        w->alike[at]++;
        if (to == v)
            continue;
        w->count[to] += w->count[v];
        w->bytes[to] += w->bytes[v];
        w->grown[to] += w->grown[v];
        w->count[v] = 0;
        w->bytes[v] = 0;
        w->grown[v] = 0;
    }
    map_free(&first);
    return NULL;
}

static uint32_t alike(const struct attach *w, uint32_t node)
{
    uint32_t n = heap_is_holder(w->f->b, node) ? w->alike[node - w->f->b->nslots] : 0;
    return n > 1 ? n : 0;
}

static struct err *take_holders(struct attach *w, struct heap_diff *d, size_t limit)
{
    const struct heap_graph *g = w->f->b;
    struct heap_largest l = {.limit = limit};
    TRY(heap_array(limit, sizeof(*l.v), "a diff of the heap", &l.v));
    for (uint32_t v = 0; v < g->nvert; v++)
        if (w->count[v] || growth(w, v))
            heap_offer(&l, v, growth(w, v));
    heap_sort_largest(&l);
    struct err *e = heap_array(l.n, sizeof(*d->holders), "a diff of the heap", &d->holders);
    for (size_t i = 0; !e && i < l.n; i++) {
        uint32_t v = l.v[i].node, node = heap_node_of_vertex(g, v);
        d->holders[d->nholders++] = (struct heap_diff_holder){.node = node,
                                                              .kept_by = heap_kept_by(g, node),
                                                              .fresh = {w->count[v], w->bytes[v]},
                                                              .grown = w->grown[v],
                                                              .alike = alike(w, node)};
    }
    free(l.v);
    return e;
}

static struct err *sum_holders(struct heap_differ *f)
{
    static const char what[] = "a diff of the heap";
    struct attach w = {.f = f};
    size_t limit = f->d->nholders;
    f->d->nholders = 0;
    if (f->b->mark_only)
        return NULL;
    struct err *e = heap_array(f->b->nvert, sizeof(*w.up), what, &w.up);
    if (!e)
        e = heap_array(f->b->nvert, sizeof(*w.count), what, &w.count);
    if (!e)
        e = heap_array(f->b->nvert, sizeof(*w.bytes), what, &w.bytes);
    if (!e)
        e = heap_array(f->b->nvert, sizeof(*w.grown), what, &w.grown);
    if (!e) {
        attach_all(&w);
        attach_grown(&w);
        e = join_goroutines(&w);
    }
    if (!e)
        e = take_holders(&w, f->d, limit);
    free(w.up);
    free(w.count);
    free(w.bytes);
    free(w.grown);
    free(w.alike);
    return e;
}

struct err *heap_diff_sums(struct heap_differ *f)
{
    set_ages(f->d);
    TRY(sum_types(f));
    return sum_holders(f);
}
