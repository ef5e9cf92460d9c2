/* by.c - the heap in groups; see heap/by.h.
 *
 * Retained bytes of a group: vertices are numbered in the order of the dominator tree, so one pass
 * with "until which vertex does the outermost object of this group reach" for each group finds
 * those that no other of the group dominates.  Leaves join in where vertices and leaves may be of
 * one group (packages, seldom types): such leaves are chained to their owners first. */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "heap/by.h"
#include "heap/heap_int.h"
#include "snap/code.h"

const char *heap_by_name(enum heap_by by)
{
    static const char *const names[] = {"type",      "package", "global",
                                        "goroutine", "holder",  "size-class"};
    return by < HEAP_BY_COUNT ? names[by] : "";
}

/* ---- keys ---- */

static int compare_shapes(const void *pa, const void *pb, void *arg)
{
    const struct snap_shape *t = &((const struct snap *)arg)->shape;
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    if (t->form[a] != t->form[b])
        return t->form[a] < t->form[b] ? -1 : 1;
    if (t->type[a] != t->type[b] && t->form[a] != SNAP_FORM_CLOSURE)
        return t->type[a] < t->type[b] ? -1 : 1;
    if (t->pc[a] != t->pc[b])
        return t->pc[a] < t->pc[b] ? -1 : 1;
    if (t->name[a] != t->name[b])
        return t->name[a] < t->name[b] ? -1 : 1;
    return 0;
}

struct err *heap_type_keys(const struct snap *s, struct heap_keys *ret)
{
    size_t n = s->shape.n ? s->shape.n : 1;
    uint32_t *order;
    *ret = (struct heap_keys){.n = 1}; /* key 0: not known */
    TRY(heap_array(n, sizeof(*order), "the types of the heap", &order));
    struct err *e = heap_array(n, sizeof(*ret->of), "the types of the heap", &ret->of);
    if (!e)
        e = heap_array(n + 1, sizeof(*ret->shape), "the types of the heap", &ret->shape);
    if (e) {
        free(order);
        return e;
    }
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    if (n > 2) /* row 0 keeps its place */
        qsort_r(order + 1, n - 1, sizeof(*order), compare_shapes, (void *)(uintptr_t)s);
    for (size_t i = 1; i < n; i++) {
        if (i == 1 || compare_shapes(&order[i - 1], &order[i], (void *)(uintptr_t)s) != 0)
            ret->shape[ret->n++] = order[i];
        ret->of[order[i]] = (uint16_t)(ret->n - 1);
    }
    free(order);
    return NULL;
}

void heap_keys_free(struct heap_keys *k)
{
    free(k->of);
    free(k->shape);
    *k = (struct heap_keys){0};
}

/* ---- retained by key ---- */

enum { AHEAD = 24 }; /* vertices whose memory is asked for beforehand */

struct grouping {
    const struct heap_graph *g;
    const uint16_t *key_of;
    uint64_t *retained;
    void (*top)(void *arg, uint32_t key, uint32_t slot, uint32_t vertex, uint64_t bytes);
    void *arg;
    uint32_t *until;        /* by key: the end of its outermost object at hand */
    uint8_t *mixed;         /* by key: 1 vertices, 2 leaves, 3 both */
    uint32_t *count;        /* by key: live leaves */
    uint32_t *head;         /* by vertex: 1 + the first of its leaves of mixed keys */
    struct chained *chains; /* those leaves */
    uint32_t nchains;
};

struct chained {
    uint32_t leaf, next; /* 1 + the next of the same owner; 0: it is the last */
};

/* Of live objects. */
static void see_kinds(struct grouping *k)
{
    const struct heap_graph *g = k->g;
    const uint16_t *shape = g->s->slot.shape;
    for (uint32_t slot = 0; slot < g->nscan; slot++)
        if (g->vertex[slot])
            k->mixed[k->key_of[shape[slot]]] |= 1;
    for (uint32_t i = 0; i < g->nleaves; i++)
        if (g->owner[i]) {
            uint32_t key = k->key_of[shape[g->nscan + i]];
            k->mixed[key] |= 2;
            k->count[key]++;
        }
}

static uint32_t count_mixed(const struct grouping *k, uint32_t nkeys)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < nkeys; i++)
        n += k->mixed[i] == 3 ? k->count[i] : 0;
    return n;
}

static inline void take_leaf(struct grouping *k, uint32_t slot, uint64_t size)
{
    uint32_t key = k->key_of[k->g->s->slot.shape[slot]];
    k->retained[key] += size;
    if (k->top)
        k->top(k->arg, key, slot, k->g->owner[slot - k->g->nscan] - 1, size);
}

/* Leaves of keys that no vertex has count each; the others are chained to their owners. */
static void sort_leaves(struct grouping *k)
{
    const struct heap_graph *g = k->g;
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i, leaf = slot - g->nscan, o = g->owner[leaf];
            if (!o || !bit_at(s->slots64.allocated, slot))
                continue;
            if (k->mixed[k->key_of[s->slot.shape[slot]]] != 3) {
                take_leaf(k, slot, s->span.elem_size[r]);
                continue;
            }
            k->chains[k->nchains++] = (struct chained){leaf, k->head[o - 1]};
            k->head[o - 1] = k->nchains;
        }
}

static void walk(struct grouping *k)
{
    const struct heap_graph *g = k->g;
    for (uint32_t v = 0; v < g->nvert; v++) {
        uint32_t slot = g->index[v], soon = v + AHEAD < g->nvert ? g->index[v + AHEAD] : 0;
        if (soon < g->nscan)
            __builtin_prefetch(&g->s->slot.shape[soon]);
        if (v && slot < g->nscan && bit_at(g->s->slots64.allocated, slot)) {
            uint32_t key = k->key_of[g->s->slot.shape[slot]];
            if (v >= k->until[key]) {
                k->until[key] = g->end[v];
                k->retained[key] += g->retained[v];
                if (k->top)
                    k->top(k->arg, key, slot, v, g->retained[v]);
            }
        }
        for (uint32_t i = k->head ? k->head[v] : 0; i; i = k->chains[i - 1].next) {
            uint32_t at = g->nscan + k->chains[i - 1].leaf;
            if (v >= k->until[k->key_of[g->s->slot.shape[at]]])
                take_leaf(k, at, heap_size(g, at));
        }
    }
}

static struct err *group_all(struct grouping *k, uint32_t nkeys)
{
    static const char what[] = "the groups of the heap";
    const struct heap_graph *g = k->g;
    TRY(heap_array(nkeys, sizeof(*k->until), what, &k->until));
    TRY(heap_array(nkeys, sizeof(*k->mixed), what, &k->mixed));
    TRY(heap_array(nkeys, sizeof(*k->count), what, &k->count));
    see_kinds(k);
    uint32_t mixed = count_mixed(k, nkeys);
    if (mixed) {
        k->head = calloc(g->nvert, sizeof(*k->head)); /* used here and there: no large pages */
        if (!k->head)
            return heap_no_memory(g->nvert * sizeof(*k->head), what);
        TRY(heap_array(mixed, sizeof(*k->chains), what, &k->chains));
    }
    sort_leaves(k);
    walk(k);
    return NULL;
}

struct err *heap_retained_by(
    const struct heap_graph *g, const uint16_t *key_of, uint32_t nkeys, uint64_t *retained,
    void (*top)(void *arg, uint32_t key, uint32_t slot, uint32_t vertex, uint64_t bytes), void *arg)
{
    struct grouping k = {.g = g, .key_of = key_of, .retained = retained, .top = top, .arg = arg};
    struct err *e = group_all(&k, nkeys);
    free(k.until);
    free(k.mixed);
    free(k.count);
    free(k.head);
    free(k.chains);
    return e;
}

/* ---- by type and by package ---- */

static void add_object(struct heap_row *row, bool live, bool guessed, uint64_t size)
{
    row->count += live;
    row->bytes += live ? size : 0;
    row->garbage_count += !live;
    row->garbage_bytes += live ? 0 : size;
    row->guessed_count += live && guessed;
    row->guessed_bytes += live && guessed ? size : 0;
}

struct counting {
    const struct heap_graph *g;
    const uint16_t *key_of;
    uint32_t n;            /* keys */
    struct heap_row *rows; /* by worker and key */
};

enum { SPANS_AT_ONCE = 1024 };

static struct err *count_job(void *arg, size_t i, unsigned worker)
{
    const struct counting *c = arg;
    const struct heap_graph *g = c->g;
    const struct snap *s = g->s;
    const uint16_t *key_of = c->key_of;
    struct heap_row *v = c->rows + (size_t)worker * c->n;
    uint32_t end_span = (uint32_t)min_u64((i + 1) * SPANS_AT_ONCE, s->span.n);
    for (uint32_t r = (uint32_t)(i * SPANS_AT_ONCE); r < end_span; r++)
        for (uint32_t slot = s->span.slot[r], end = slot + s->span.elems[r]; slot < end; slot++) {
            if (!bit_at(s->slots64.allocated, slot))
                continue;
            uint16_t shape = s->slot.shape[slot];
            bool guessed = shape < s->shape.n && s->shape.evidence[shape] == SNAP_EV_GUESS;
            bool live = heap_slot_live(g, slot);
            add_object(&v[key_of[shape]], live, guessed, s->span.elem_size[r]);
            v[key_of[shape]].old_count += live && bit_at(s->slots64.survived, slot);
        }
    return NULL;
}

static void add_counts(struct heap_row *to, const struct heap_row *from)
{
    to->count += from->count;
    to->bytes += from->bytes;
    to->old_count += from->old_count;
    to->garbage_count += from->garbage_count;
    to->garbage_bytes += from->garbage_bytes;
    to->guessed_count += from->guessed_count;
    to->guessed_bytes += from->guessed_bytes;
}

static struct err *count_by_key(const struct heap_graph *g, const uint16_t *key_of, uint32_t n,
                                struct heap_row *v)
{
    struct counting c = {.g = g, .key_of = key_of, .n = n};
    TRY(heap_array((size_t)n * pool_width(), sizeof(*c.rows), "the groups of the heap", &c.rows));
    struct err *e = pool_run((g->s->span.n + SPANS_AT_ONCE - 1) / SPANS_AT_ONCE, count_job, &c);
    for (size_t i = 0; i < (size_t)n * pool_width(); i++)
        add_counts(&v[i % n], &c.rows[i]);
    free(c.rows);
    return e;
}

static struct err *add_retained(const struct heap_graph *g, const uint16_t *key_of, uint32_t n,
                                struct heap_row *v)
{
    uint64_t *retained;
    if (g->mark_only)
        return NULL;
    TRY(heap_array(n, sizeof(*retained), "the groups of the heap", &retained));
    struct err *e = heap_retained_by(g, key_of, n, retained, NULL, NULL);
    for (uint32_t k = 0; k < n; k++)
        v[k].retained = retained[k];
    free(retained);
    return e;
}

static struct err *by_keys(const struct heap_graph *g, const uint16_t *key_of, uint32_t n,
                           struct heap_rows *ret)
{
    TRY(heap_array(n, sizeof(*ret->v), "the groups of the heap", &ret->v));
    ret->n = n;
    TRY(count_by_key(g, key_of, n, ret->v));
    return add_retained(g, key_of, n, ret->v);
}

static struct err *by_type(const struct heap_graph *g, struct heap_rows *ret)
{
    const struct snap *s = g->s;
    struct heap_keys keys;
    struct err *e = heap_type_keys(s, &keys);
    if (!e)
        e = by_keys(g, keys.of, keys.n, ret);
    for (uint32_t k = 0; !e && k < keys.n; k++) {
        ret->v[k].key = keys.shape[k];
        ret->v[k].name = k ? s->shape.name[keys.shape[k]] : 0;
    }
    heap_keys_free(&keys);
    return e;
}

static uint32_t package_of_code(const struct snap *s, uint32_t pc)
{
    uint32_t id;
    if (!s->pc.frames[pc])
        return 0;
    const char *func = snap_str(s, s->frame.func[s->pc.frame[pc]]);
    char text[512];
    size_t n = snap_package_len(func);
    if (n >= sizeof(text))
        return 0;
    memcpy(text, func, n);
    text[n] = '\0';
    return intern_find(&s->strings, text, &id) ? id : 0;
}

uint32_t heap_shape_package(const struct heap_graph *g, uint32_t shape)
{
    const struct snap *s = g->s;
    if (!shape || shape >= s->shape.n)
        return 0;
    if (s->shape.form[shape] == SNAP_FORM_CLOSURE && s->shape.pc[shape] != SNAP_NONE)
        return package_of_code(s, s->shape.pc[shape]);
    uint32_t type = s->shape.type[shape];
    for (int depth = 0; type != SNAP_NONE && depth < 40; depth++) { /* []*T, map[K]T: T's */
        if (s->type.package[type])
            return s->type.package[type];
        type = s->type.elem[type];
    }
    return 0;
}

static struct err *by_package(const struct heap_graph *g, struct heap_rows *ret)
{
    const struct snap *s = g->s;
    size_t nshapes = s->shape.n ? s->shape.n : 1;
    uint16_t *key_of;
    struct map seen = {0};
    VEC(uint32_t) packages = {0};
    TRY(heap_array(nshapes, sizeof(*key_of), "the packages of the heap", &key_of));
    for (uint32_t i = 0; i < nshapes; i++) {
        bool added;
        uint32_t package = heap_shape_package(g, i);
        key_of[i] = (uint16_t)map_get_or_put(&seen, package, (uint32_t)packages.n, &added);
        if (added)
            vec_push(&packages, package);
    }
    struct err *e = by_keys(g, key_of, (uint32_t)packages.n, ret);
    for (size_t k = 0; !e && k < ret->n; k++)
        ret->v[k].key = ret->v[k].name = packages.v[k];
    vec_free(&packages);
    map_free(&seen);
    free(key_of);
    return e;
}

/* ---- by holder ---- */

/* For each vertex the objects it dominates, itself included when it is one. */
static struct err *count_dominated(const struct heap_graph *g, uint32_t **ret)
{
    uint32_t *n;
    TRY(heap_array(g->nvert, sizeof(*n), "the groups of the heap", &n));
    for (uint32_t i = 0; i < g->nleaves; i++)
        if (g->owner[i] && bit_at(g->s->slots64.allocated, (uint64_t)g->nscan + i))
            n[g->owner[i] - 1]++;
    for (uint32_t v = g->nvert - 1; v > 0; v--) {
        n[v] += g->index[v] < g->nscan && bit_at(g->s->slots64.allocated, g->index[v]);
        n[g->idom[v]] += n[v];
    }
    *ret = n;
    return NULL;
}

static void add_immediate(const struct heap_graph *g, uint32_t v, struct heap_row *row)
{
    for (uint32_t c = v + 1; c < g->end[v]; c = g->end[c]) {
        uint32_t slot = g->index[c];
        if (slot < g->nscan && bit_at(g->s->slots64.allocated, slot))
            add_object(row, true, false, heap_size(g, slot));
    }
}

/* Leaves that holders, or nothing (row n), dominate immediately. */
static void add_immediate_leaves(const struct heap_graph *g, const uint32_t *row_of,
                                 struct heap_row *v)
{
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i, o = g->owner[slot - g->nscan];
            if (!o || !bit_at(s->slots64.allocated, slot))
                continue;
            uint32_t index = o == 1 ? g->nscan + g->nholders : g->index[o - 1];
            if (index >= g->nscan && row_of[index - g->nscan] != SNAP_NONE)
                add_object(&v[row_of[index - g->nscan]], true, false, s->span.elem_size[r]);
        }
}

static bool wanted(enum heap_by by, const struct heap_holder *h)
{
    return by == HEAP_BY_HOLDER ||
           (h->row != SNAP_NONE &&
            h->kind == (by == HEAP_BY_GLOBAL ? SNAP_ROOT_GLOBAL : SNAP_ROOT_STACK));
}

static void fill_shared(const struct heap_graph *g, const uint32_t *dominated, struct heap_row *row)
{
    *row = (struct heap_row){
        .key = HEAP_ALL, .retained = g->retained[0], .retained_count = dominated[0]};
    add_immediate(g, 0, row);
    for (uint32_t v = 1; v < g->nvert; v = g->end[v])
        if (g->index[v] >= g->nscan) {
            row->retained -= g->retained[v];
            row->retained_count -= dominated[v];
        }
}

static void fill_holders(const struct heap_graph *g, enum heap_by by, const uint32_t *dominated,
                         uint32_t *row_of, struct heap_rows *ret)
{
    for (uint32_t h = 0; h < g->nholders; h++) {
        row_of[h] = SNAP_NONE;
        if (!wanted(by, &g->holders[h]))
            continue;
        uint32_t v = g->vertex[g->nscan + h] - 1;
        struct heap_row *row = &ret->v[row_of[h] = (uint32_t)ret->n++];
        row->key = g->nslots + h;
        if (g->holders[h].kind == SNAP_ROOT_GLOBAL && g->holders[h].row != SNAP_NONE)
            row->name = g->s->global.name[g->holders[h].row];
        row->retained = g->retained[v];
        row->retained_count = dominated[v];
        add_immediate(g, v, row);
    }
    row_of[g->nholders] = SNAP_NONE;
    if (by == HEAP_BY_HOLDER) {
        row_of[g->nholders] = (uint32_t)ret->n++;
        fill_shared(g, dominated, &ret->v[ret->n - 1]);
    }
    add_immediate_leaves(g, row_of, ret->v);
}

static struct err *by_holder(const struct heap_graph *g, enum heap_by by, struct heap_rows *ret)
{
    uint32_t *dominated = NULL, *row_of = NULL;
    if (g->mark_only)
        return err_new(ERR_UNSUPPORTED, "what holders keep alive was not computed");
    TRY(heap_array(g->nholders + 1, sizeof(*ret->v), "the holders of the heap", &ret->v));
    struct err *e = count_dominated(g, &dominated);
    if (!e)
        e = heap_array(g->nholders + 1, sizeof(*row_of), "the holders of the heap", &row_of);
    if (!e)
        fill_holders(g, by, dominated, row_of, ret);
    free(dominated);
    free(row_of);
    return e;
}

/* ---- by size class ---- */

/* A span, without what is in it. */
static void begin_class(const struct snap *s, uint32_t r, struct heap_row *row)
{
    row->key = s->span.class[r];
    row->elem_size = s->span.class[r] / 2 ? s->span.elem_size[r] : 0;
    row->spans++;
    row->slots += s->span.elems[r];
    row->span_bytes += (uint64_t)s->span.pages[r] * 8192;
}

static void add_span(const struct heap_graph *g, uint32_t r, struct heap_row *row)
{
    const struct snap *s = g->s;
    begin_class(s, r, row);
    for (uint32_t slot = s->span.slot[r], end = slot + s->span.elems[r]; slot < end; slot++)
        if (bit_at(s->slots64.allocated, slot))
            add_object(row, heap_slot_live(g, slot), false, s->span.elem_size[r]);
}

/* Objects of one class that no other of it dominates; classes of leaves have no vertices. */
static struct err *retained_by_class(const struct heap_graph *g, struct heap_row *v)
{
    uint32_t until[256] = {0};
    for (uint32_t x = 1; x < g->nvert; x++) {
        uint32_t slot = g->index[x];
        if (slot >= g->nscan)
            continue;
        uint8_t c = g->s->span.class[heap_span(g, slot)];
        if (x >= until[c]) {
            until[c] = g->end[x];
            v[c].retained += g->retained[x];
        }
    }
    for (uint32_t c = 0; c < 256; c++)
        if (c & 1)
            v[c].retained = v[c].bytes;
    return NULL;
}

static struct err *by_class(const struct heap_graph *g, struct heap_rows *ret)
{
    TRY(heap_array(256, sizeof(*ret->v), "the size classes of the heap", &ret->v));
    for (uint32_t r = 0; r < g->s->span.n; r++)
        add_span(g, r, &ret->v[g->s->span.class[r]]);
    struct err *e = g->mark_only ? NULL : retained_by_class(g, ret->v);
    for (uint32_t c = 0; c < 256; c++)
        if (ret->v[c].spans)
            ret->v[ret->n++] = ret->v[c];
    return e;
}

/* ---- all ---- */

/* Names before keys: what number a type has depends on which of the threads that read the heap was
 * faster. */
static int by_weight(const void *pa, const void *pb, void *snap)
{
    const struct heap_row *a = pa, *b = pb;
    if (a->retained != b->retained)
        return a->retained > b->retained ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->garbage_bytes != b->garbage_bytes)
        return a->garbage_bytes > b->garbage_bytes ? -1 : 1;
    if (a->name != b->name)
        return strcmp(snap_str(snap, a->name), snap_str(snap, b->name));
    return a->key < b->key ? -1 : a->key > b->key;
}

/* Size classes: what is told of them first are their spans. */
static int by_spans(const void *pa, const void *pb, void *snap)
{
    const struct heap_row *a = pa, *b = pb;
    if (a->span_bytes != b->span_bytes)
        return a->span_bytes > b->span_bytes ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

static bool empty(enum heap_by by, const struct heap_row *r)
{
    return !r->count && !r->garbage_count && !r->retained && by != HEAP_BY_SIZE_CLASS;
}

struct err *heap_group(const struct heap_graph *g, enum heap_by by, struct heap_rows *ret)
{
    *ret = (struct heap_rows){.by = by};
    struct err *e = by == HEAP_BY_TYPE         ? by_type(g, ret)
                    : by == HEAP_BY_PACKAGE    ? by_package(g, ret)
                    : by == HEAP_BY_SIZE_CLASS ? by_class(g, ret)
                                               : by_holder(g, by, ret);
    if (e) {
        heap_rows_free(ret);
        return e;
    }
    size_t n = 0;
    for (size_t i = 0; i < ret->n; i++)
        if (!empty(by, &ret->v[i]))
            ret->v[n++] = ret->v[i];
    ret->n = n;
    qsort_r(ret->v, n, sizeof(*ret->v), by == HEAP_BY_SIZE_CLASS ? by_spans : by_weight,
            (void *)(uintptr_t)g->s);
    return NULL;
}

struct err *heap_space(const struct snap *s, struct heap_rows *ret)
{
    *ret = (struct heap_rows){.by = HEAP_BY_SIZE_CLASS};
    TRY(heap_array(256, sizeof(*ret->v), "the size classes of the heap", &ret->v));
    for (uint32_t r = 0; r < s->span.n; r++) {
        struct heap_row *row = &ret->v[s->span.class[r]];
        begin_class(s, r, row);
        row->count += s->span.allocated[r];
        row->bytes += s->span.allocated[r] * s->span.elem_size[r];
    }
    for (uint32_t c = 0; c < 256; c++)
        if (ret->v[c].spans)
            ret->v[ret->n++] = ret->v[c];
    qsort_r(ret->v, ret->n, sizeof(*ret->v), by_spans, (void *)(uintptr_t)s);
    return NULL;
}

void heap_rows_free(struct heap_rows *r)
{
    free(r->v);
    *r = (struct heap_rows){0};
}
