/* make.h - heaps made by hand, for the tests of heap/ and of whatever reads it.
 *
 *     struct make_heap h;
 *     make_heap_init(&h);
 *     uint32_t user = make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "orders.User", 25, 64, 16));
 *     uint32_t a = make_object(&h, 64, true, user), b = make_object(&h, 32, false, 0);
 *     make_edge(&h, a, 1, b);                               word 1 of a points to b
 *     make_root_global(&h, make_global(&h, "orders.users"), a);
 *     struct snap *s = make_heap_done(&h);                  checked; h.objects.v[a].slot is its
 * slot
 *     ...
 *     snap_free(s);
 *     make_heap_free(&h);
 *
 * Objects are laid out in spans as the runtime does it; make_span() and make_object_in() place them
 * by hand.  Amounts are as large as the tests want (bench/heap_graph.c makes 15 million). */
#ifndef GOSPECT_TESTS_HEAP_MAKE_H
#define GOSPECT_TESTS_HEAP_MAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "snap/snap.h"

enum { MAKE_PAGE = 8192, MAKE_BASE_SHIFT = 32 };
#define MAKE_BASE (UINT64_C(0xc0) << MAKE_BASE_SHIFT)

/* reflect.Kind */
enum {
    MAKE_INT = 2,
    MAKE_UINT8 = 8,
    MAKE_UINT64 = 11,
    MAKE_ARRAY = 17,
    MAKE_CHAN = 18,
    MAKE_FUNC = 19,
    MAKE_INTERFACE = 20,
    MAKE_MAP = 21,
    MAKE_POINTER = 22,
    MAKE_SLICE = 23,
    MAKE_STRING = 24,
    MAKE_STRUCT = 25,
};

struct make_span {
    taddr addr;
    uint64_t size;
    uint32_t elems, used, first, sweepgen; /* first: its first slot, after make_heap_done() */
    bool pointers;
};

struct make_object {
    uint32_t span, index;
    uint32_t shape;
    uint32_t slot;       /* after make_heap_done() */
    bool survived, free; /* free: the slot is not allocated */
};

struct make_edge {
    uint32_t from, to, word, type;
    bool interior;
};

struct make_heap {
    struct snap *s;
    VEC(struct make_span) spans;
    VEC(struct make_object) objects;
    VEC(struct make_edge) edges;
    struct map open; /* size << 1 | pointers: a span with room */
    taddr next;
};

static inline void make_heap_init(struct make_heap *h)
{
    memset(h, 0, sizeof(*h));
    h->s = snap_new();
    h->next = MAKE_BASE;
    snap_set_meta(h->s, SNAP_META_go_version, "go1.26");
    snap_set_meta(h->s, SNAP_META_main_path, "orders");
    snap_set_meta_i64(h->s, SNAP_META_pid, 4242);
    snap_set_meta_i64(h->s, SNAP_META_started_wall_ns, 1000);
    snap_add_shape(h->s); /* row 0: not known */
}

static inline void make_heap_free(struct make_heap *h)
{
    vec_free(&h->spans);
    vec_free(&h->objects);
    vec_free(&h->edges);
    map_free(&h->open);
}

/* ---- types ---- */

static inline uint32_t make_type(struct make_heap *h, const char *name, int kind, uint64_t size,
                                 uint64_t ptr_bytes)
{
    struct snap *s = h->s;
    uint32_t t = snap_add_type(s);
    const char *dot = strrchr(name, '.');
    s->type.addr[t] = 0x500000 + t * UINT64_C(64);
    s->type.name[t] = intern_add(&s->strings, name);
    s->type.kind[t] = (uint8_t)kind;
    s->type.size[t] = size;
    s->type.ptr_bytes[t] = ptr_bytes;
    if (kind == MAKE_STRUCT && dot)
        s->type.package[t] = intern_addn(&s->strings, name, (size_t)(dot - name));
    return t;
}

/* Type of pointer, slice, channel or array (count) elements. */
static inline uint32_t make_type_of(struct make_heap *h, const char *name, int kind, uint64_t size,
                                    uint32_t elem, uint64_t count)
{
    uint32_t t = make_type(h, name, kind, size, kind == MAKE_ARRAY ? size : 8);
    h->s->type.elem[t] = elem;
    h->s->type.count[t] = count;
    return t;
}

/* Appends a field to the struct type made last. */
static inline void make_field(struct make_heap *h, const char *name, uint64_t offset, uint32_t type)
{
    struct snap *s = h->s;
    uint32_t t = (uint32_t)s->type.n - 1, f = snap_add_field(s);
    if (!s->type.fields[t])
        s->type.field[t] = f;
    s->type.fields[t]++;
    s->field.name[f] = intern_add(&s->strings, name);
    s->field.offset[f] = offset;
    s->field.type[f] = type;
}

static inline uint32_t make_shape_named(struct make_heap *h, enum snap_form form, uint32_t type,
                                        const char *name)
{
    struct snap *s = h->s;
    uint32_t shape = snap_add_shape(s);
    s->shape.form[shape] = (uint8_t)form;
    s->shape.evidence[shape] = SNAP_EV_FLOW;
    s->shape.type[shape] = type;
    s->shape.name[shape] = intern_add(&s->strings, name);
    return shape;
}

/* Named as the shapes of a capture are: []T for backing arrays, and so on. */
static inline uint32_t make_shape(struct make_heap *h, enum snap_form form, uint32_t type)
{
    static const char *const around[SNAP_FORM_COUNT] = {
        [SNAP_FORM_ARRAY] = "[]%s",
        [SNAP_FORM_MAP_DIR] = "%s (directory)",
        [SNAP_FORM_MAP_TABLE] = "%s (table)",
        [SNAP_FORM_MAP_GROUPS] = "%s (groups)",
        [SNAP_FORM_MAP_EXTRA] = "%s (overflow)",
        [SNAP_FORM_CHAN_BUF] = "chan %s (buffer)",
    };
    struct buf b = {0};
    buf_printf(&b, around[form] ? around[form] : "%s",
               type == SNAP_NONE ? "string" : snap_str(h->s, h->s->type.name[type]));
    uint32_t shape = make_shape_named(h, form, type, buf_text(&b));
    buf_free(&b);
    return shape;
}

/* ---- objects ---- */

static inline uint32_t make_span(struct make_heap *h, taddr addr, uint64_t size, uint32_t elems,
                                 bool pointers)
{
    struct make_span sp = {.addr = addr, .size = size, .elems = elems, .pointers = pointers};
    vec_push(&h->spans, sp);
    return (uint32_t)h->spans.n - 1;
}

static inline uint32_t make_object_in(struct make_heap *h, uint32_t span, uint32_t index,
                                      uint32_t shape)
{
    struct make_object o = {.span = span, .index = index, .shape = shape};
    vec_push(&h->objects, o);
    return (uint32_t)h->objects.n - 1;
}

/* pointers: it may have some. */
static inline uint32_t make_object(struct make_heap *h, uint64_t size, bool pointers,
                                   uint32_t shape)
{
    uint64_t key = size << 1 | pointers;
    uint32_t span = map_get(&h->open, key);
    if (span == MAP_NONE || h->spans.v[span].used == h->spans.v[span].elems) {
        uint64_t pages = (size + MAKE_PAGE - 1) / MAKE_PAGE;
        uint32_t elems = size > MAKE_PAGE / 2 ? 1 : (uint32_t)(MAKE_PAGE / size);
        span =
            make_span(h, h->next, size > MAKE_PAGE / 2 ? pages * MAKE_PAGE : size, elems, pointers);
        h->next += pages * MAKE_PAGE;
        map_put(&h->open, key, span);
    }
    return make_object_in(h, span, h->spans.v[span].used++, shape);
}

static inline void make_edge_of(struct make_heap *h, struct make_edge e)
{
    vec_push(&h->edges, e);
}

static inline void make_edge(struct make_heap *h, uint32_t from, uint32_t word, uint32_t to)
{
    make_edge_of(h, (struct make_edge){.from = from, .to = to, .word = word, .type = SNAP_NONE});
}

/* ---- roots: in the order of kinds (make_heap_done() sorts them) ---- */

static inline uint32_t make_global(struct make_heap *h, const char *name)
{
    struct snap *s = h->s;
    uint32_t g = snap_add_global(s);
    s->global.name[g] = intern_add(&s->strings, name);
    s->global.addr[g] = 0x600000 + g * UINT64_C(256);
    s->global.size[g] = 256;
    return g;
}

static inline uint32_t make_heap_goroutine(struct make_heap *h, uint64_t id)
{
    uint32_t g = snap_add_goroutine(h->s);
    h->s->goroutine.id[g] = id;
    h->s->goroutine.status[g] = SNAP_G_WAITING;
    return g;
}

/* The number of the object stands in root.slot until make_heap_done(). */
static inline uint32_t make_root(struct make_heap *h, enum snap_rootkind kind, uint32_t object)
{
    struct snap *s = h->s;
    uint32_t r = snap_add_root(s);
    s->root.kind[r] = (uint8_t)kind;
    s->root.slot[r] = object;
    s->root.addr[r] = 0x700000 + r * UINT64_C(8);
    return r;
}

static inline uint32_t make_root_global(struct make_heap *h, uint32_t global, uint32_t object)
{
    uint32_t r = make_root(h, SNAP_ROOT_GLOBAL, object);
    h->s->root.global[r] = global;
    h->s->root.addr[r] = h->s->global.addr[global];
    return r;
}

static inline uint32_t make_root_stack(struct make_heap *h, uint32_t goroutine, const char *var,
                                       uint32_t object)
{
    struct snap *s = h->s;
    uint32_t r = make_root(h, SNAP_ROOT_STACK, object), v = snap_add_stackvar(s);
    s->stackvar.name[v] = intern_add(&s->strings, var);
    s->root.goroutine[r] = goroutine;
    s->root.var[r] = v;
    return r;
}

/* ---- putting it together ---- */

static inline int make_by_kind(const void *pa, const void *pb, void *arg)
{
    const struct make_heap *h = arg;
    const struct make_span *a = &h->spans.v[*(const uint32_t *)pa],
                           *b = &h->spans.v[*(const uint32_t *)pb];
    if (a->pointers != b->pointers)
        return a->pointers ? -1 : 1;
    return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static inline uint32_t make_spans(struct make_heap *h)
{
    struct snap *s = h->s;
    uint32_t *order = malloc((h->spans.n + 1) * sizeof(*order)), slot = 0, scan = 0;
    for (uint32_t i = 0; i < h->spans.n; i++)
        order[i] = i;
    qsort_r(order, h->spans.n, sizeof(*order), make_by_kind, h);
    for (size_t i = 0; i < h->spans.n; i++) {
        struct make_span *sp = &h->spans.v[order[i]];
        uint32_t row = snap_add_span(s);
        bool large = sp->elems == 1;
        s->span.addr[row] = sp->addr;
        s->span.elem_size[row] = sp->size;
        s->span.slot[row] = sp->first = slot;
        s->span.elems[row] = sp->elems;
        s->span.pages[row] = (uint32_t)((sp->size * sp->elems + MAKE_PAGE - 1) / MAKE_PAGE);
        s->span.sweepgen[row] = sp->sweepgen;
        s->span.class[row] =
            (uint8_t)((large ? 0 : 1 + sp->size % 100) << 1 | (sp->pointers ? 0 : 1));
        s->span.flags[row] =
            (uint8_t)((sp->pointers ? 0 : SNAP_SPF_NO_POINTERS) | (large ? SNAP_SPF_LARGE : 0));
        slot += sp->elems;
        if (sp->pointers)
            scan = slot;
    }
    free(order);
    snap_set_counter(s, "heap.scan_slots", scan);
    for (uint32_t i = 0; i < slot; i++)
        snap_add_slot(s);
    for (uint32_t i = 0; i < (slot + 63) / 64; i++)
        snap_add_slots64(s);
    for (uint32_t i = 0; i < scan; i++)
        snap_add_scanslot(s);
    return scan;
}

static inline void make_objects(struct make_heap *h)
{
    struct snap *s = h->s;
    for (size_t i = 0; i < h->objects.n; i++) {
        struct make_object *o = &h->objects.v[i];
        o->slot = h->spans.v[o->span].first + o->index;
        s->slot.shape[o->slot] = (uint16_t)o->shape;
        s->slots64.allocated[o->slot / 64] |= (uint64_t)!o->free << o->slot % 64;
        s->slots64.survived[o->slot / 64] |= (uint64_t)o->survived << o->slot % 64;
    }
    for (uint32_t r = 0; r < s->span.n; r++)
        for (uint32_t k = 0; k < s->span.elems[r]; k++) {
            uint32_t slot = s->span.slot[r] + k;
            s->span.allocated[r] += s->slots64.allocated[slot / 64] >> slot % 64 & 1;
        }
}

static inline int make_by_word(const void *pa, const void *pb)
{
    const struct make_edge *a = pa, *b = pb;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return a->word < b->word ? -1 : a->word > b->word;
}

/* One object's edges (docs/formats/snapshot.md, Edges). */
static inline void make_encode(const struct make_heap *h, const struct make_edge *e, size_t n,
                               uint32_t scan, struct buf *b)
{
    uint32_t last = h->objects.v[e->from].slot;
    int64_t word = -1;
    buf_uleb(b, n);
    for (size_t i = 0; i < n; i++, e++) {
        uint32_t to = h->objects.v[e->to].slot;
        uint64_t step = (uint64_t)(e->word - word);
        int64_t delta = (int64_t)to - last;
        buf_char(b, (char)((step < 31 ? step : 31) | (e->type != SNAP_NONE ? 32 : 0) |
                           (e->interior ? 64 : 0) | (to >= scan ? 128 : 0)));
        if (step >= 31)
            buf_uleb(b, step);
        if (e->type != SNAP_NONE)
            buf_uleb(b, e->type);
        buf_uleb(b, ((uint64_t)delta << 1) ^ (uint64_t)(delta >> 63));
        last = to;
        word = e->word;
    }
}

static inline void make_edges(struct make_heap *h, uint32_t scan)
{
    struct snap *s = h->s;
    struct buf b = {0};
    if (h->edges.n)
        qsort(h->edges.v, h->edges.n, sizeof(*h->edges.v), make_by_word);
    for (size_t i = 0, n; i < h->edges.n; i += n) {
        const struct make_edge *e = &h->edges.v[i];
        for (n = 1; i + n < h->edges.n && e[n].from == e->from; n++)
            ;
        s->scanslot.edges[h->objects.v[e->from].slot] = (uint32_t)b.n + 1;
        make_encode(h, e, n, scan, &b);
    }
    for (size_t i = 0; i < b.n; i++) {
        uint32_t row = snap_add_edge(s); /* moves the column */
        s->edge.byte[row] = (uint8_t)b.p[i];
    }
    buf_free(&b);
}

static inline int make_by_root(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;
    return a[0] < b[0] ? -1 : a[0] > b[0];
}

/* Roots in the order of kinds, those of stacks in that of goroutines. */
static inline void make_roots(struct make_heap *h)
{
    struct snap_root *t = &h->s->root, old = *t;
    size_t n = t->n;
    uint64_t *key = malloc((n + 1) * sizeof(*key));
    for (size_t i = 0; i < n; i++)
        key[i] = (uint64_t)t->kind[i] << 61 |
                 (uint64_t)(t->goroutine[i] == SNAP_NONE ? 0 : t->goroutine[i]) << 32 | i;
    qsort(key, n, sizeof(*key), make_by_root);
    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < n; i++) {
        uint32_t k = (uint32_t)key[i], r = snap_add_root(h->s);
        t->kind[r] = old.kind[k];
        t->flags[r] = old.flags[k];
        t->slot[r] = h->objects.v[old.slot[k]].slot;
        t->addr[r] = old.addr[k];
        t->global[r] = old.global[k];
        t->goroutine[r] = old.goroutine[k];
        t->var[r] = old.var[k];
        t->frame[r] = old.frame[k];
    }
    free(key);
    free(old.kind), free(old.flags), free(old.slot), free(old.addr);
    free(old.global), free(old.goroutine), free(old.var), free(old.frame);
}

/* The snapshot, the caller's; the roots' rows are numbered anew. */
static inline struct snap *make_heap_done(struct make_heap *h)
{
    uint32_t scan = make_spans(h);
    make_objects(h);
    make_edges(h, scan);
    make_roots(h);
    struct err *e = snap_check(h->s);
    if (e) {
        fprintf(stderr, "make_heap: %s\n", err_message(e));
        abort();
    }
    return h->s;
}

/* The slot of an object. */
static inline uint32_t make_slot(const struct make_heap *h, uint32_t object)
{
    return h->objects.v[object].slot;
}

#endif
