/* The heap's graph on whatever tables the check lets through: objects, pointers, types and roots as
 * the input says, then some bytes of the tables overwritten; everything heap/ computes is asked
 * for, twice over for the diff.  A sanitizer's finding, or one of the sums below, is a defect. */
#include <stdlib.h>
#include <string.h>

#include "heap/by.h"
#include "heap/make.h"
#include "heap/sites.h"
#include "heap/sparse.h"
#include "heap/survival.h"
#include "heap/suspects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p, *end;
};

static uint8_t take(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static uint32_t below(struct input *in, size_t n)
{
    return n ? take(in) % (uint32_t)n : 0;
}

/* A row, or none. */
static uint32_t maybe(struct input *in, size_t n)
{
    uint8_t v = take(in);
    return !n || v >= 200 ? SNAP_NONE : v % (uint32_t)n;
}

static void must(struct err *e)
{
    if (e)
        abort();
}

/* Returns whether it worked; what may fail may fail. */
static bool may(struct err *e)
{
    err_free(e);
    return !e;
}

static void types(struct make_heap *h, struct input *in)
{
    struct snap *s = h->s;
    static const char *const names[] = {"key", "elem", "slots", "keys", "elems", "overflow", "a.B"};
    size_t n = below(in, 8), nfields = below(in, 8);
    for (size_t i = 0; i < n; i++) { /* one after the other: arguments have no order */
        int kind = 2 + (int)below(in, 25);
        uint8_t size = take(in);
        make_type(h, "main.T", kind, size, take(in));
    }
    for (size_t i = 0; i < nfields; i++) {
        uint32_t f = snap_add_field(s);
        s->field.name[f] = intern_add(&s->strings, names[below(in, 7)]);
        s->field.offset[f] = take(in);
        s->field.type[f] = maybe(in, n);
    }
    for (size_t i = 0; i < n; i++) {
        s->type.elem[i] = maybe(in, n);
        s->type.key[i] = maybe(in, n);
        s->type.internal[i] = maybe(in, n);
        s->type.count[i] = take(in);
        s->type.field[i] = below(in, nfields);
        s->type.fields[i] = below(in, nfields - s->type.field[i] + 1);
    }
    for (size_t i = below(in, 12); i; i--) {
        enum snap_form form = (enum snap_form)below(in, SNAP_FORM_COUNT);
        make_shape(h, form, maybe(in, n));
    }
}

static void roots(struct make_heap *h, struct input *in, uint32_t n)
{
    struct snap *s = h->s;
    for (uint32_t i = below(in, 4); i; i--)
        make_global(h, "main.g");
    for (uint32_t i = below(in, 4); i; i--) {
        uint32_t g = make_heap_goroutine(h, i);
        s->goroutine.addr[g] = MAKE_BASE + take(in) * UINT64_C(64);
    }
    for (uint32_t i = 0; i < s->global.n; i++)
        s->global.type[i] = maybe(in, s->type.n);
    for (uint32_t i = below(in, 9); i && n; i--) {
        enum snap_rootkind kind = (enum snap_rootkind)below(in, SNAP_ROOT_COUNT);
        uint32_t r = make_root(h, kind, below(in, n));
        s->root.global[r] = maybe(in, s->global.n);
        s->root.goroutine[r] = maybe(in, s->goroutine.n);
        s->root.addr[r] = 0x600000 + take(in);
    }
}

static void profile(struct snap *s, struct input *in)
{
    for (uint32_t i = below(in, 4); i; i--) {
        uint32_t b = snap_add_bucket(s);
        s->bucket.size[b] = take(in);
        s->bucket.allocs[b] = take(in);
        s->bucket.alloc_bytes[b] = take(in);
        s->bucket.frees[b] = take(in);
    }
    for (uint32_t i = below(in, 4); i && s->slot.n; i--) {
        uint32_t r = snap_add_special(s);
        s->special.kind[r] = SNAP_SPECIAL_PROFILE;
        s->special.slot[r] = below(in, s->slot.n);
        s->special.bucket[r] = maybe(in, s->bucket.n);
    }
    snap_set_counter(s, "memstats.num_gc", take(in) % 4);
}

/* Overwrites some bytes of the edges and of what points to them. */
static void spoil(struct snap *s, struct input *in)
{
    for (uint32_t i = take(in) % 8; i; i--) {
        uint32_t at = (uint32_t)take(in) << 8;
        at |= take(in);
        uint8_t v = take(in);
        if (v % 4 && s->edge.n)
            s->edge.byte[at % s->edge.n] = take(in);
        else if (s->scanslot.n)
            s->scanslot.edges[at % s->scanslot.n] = v;
    }
}

static struct snap *make(struct input *in)
{
    struct make_heap h;
    make_heap_init(&h);
    types(&h, in);
    uint32_t n = take(in) % 40;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t what = take(in);
        uint32_t o = make_object(&h, 8 + what % 16 * 8, what & 16, below(in, h.s->shape.n));
        h.objects.v[o].survived = what & 32;
        h.objects.v[o].free = what >= 224;
    }
    for (uint32_t i = n ? take(in) % 80 : 0; i; i--) {
        uint32_t from = below(in, n), to = below(in, n);
        const struct make_span *sp = &h.spans.v[h.objects.v[from].span];
        struct make_edge e = {.from = from, .to = to, .type = maybe(in, h.s->type.n)};
        e.word = below(in, sp->size / 8);
        e.interior = take(in) & 1;
        bool taken = !sp->pointers;
        for (size_t k = 0; k < h.edges.n; k++)
            taken |= h.edges.v[k].from == from && h.edges.v[k].word == e.word;
        if (!taken)
            make_edge_of(&h, e);
    }
    roots(&h, in, n);
    struct snap *s = make_heap_done(&h);
    make_heap_free(&h);
    profile(s, in);
    spoil(s, in);
    return s;
}

static void groups(const struct heap_graph *g)
{
    struct heap_totals t;
    struct heap_rows rows;
    heap_totals(g, &t);
    if (heap_retained(g, HEAP_ALL) != t.live_bytes || t.live_bytes > t.bytes)
        abort();
    for (int by = 0; by < HEAP_BY_COUNT; by++) {
        must(heap_group(g, (enum heap_by)by, &rows));
        for (size_t i = 0; i < rows.n; i++)
            if (rows.v[i].retained > t.live_bytes)
                abort();
        heap_rows_free(&rows);
    }
    struct heap_sparse sparse;
    if (may(heap_sparse(heap_snap(g), &sparse)))
        heap_sparse_free(&sparse);
    struct heap_top top[8];
    size_t n;
    must(heap_top(g, &(struct heap_top_options){.limit = 8, .holders = true}, top, &n));
    must(heap_top(g, &(struct heap_top_options){.limit = 8, .outermost = true}, top, &n));
}

static void one_way(struct heap_graph *g, enum heap_path_target to, uint32_t what)
{
    struct heap_paths paths;
    struct buf b = {0};
    if (!may(heap_find_paths(g, &(struct heap_path_options){.to = to, .what = what}, &paths)))
        return;
    for (size_t i = 0; i < paths.n; i++)
        heap_path_text(g, &paths.v[i], &b);
    heap_paths_free(&paths);
    buf_free(&b);
}

static void ways(struct heap_graph *g)
{
    const struct snap *s = heap_snap(g);
    struct heap_suspects suspects;
    struct buf b = {0};
    uint32_t v[4];
    size_t n;
    uint64_t total;
    for (uint32_t slot = 0; slot < heap_slots(g); slot += 3) {
        if (!heap_allocated(g, slot))
            continue;
        one_way(g, HEAP_TO_SLOT, slot);
        heap_dominator_chain(g, slot, 4, v, &n, &total);
        must(heap_referrers(g, slot, 4, v, &n, &total));
        heap_node_text(g, slot, &b);
    }
    for (uint32_t i = 0; i < s->shape.n; i++)
        one_way(g, HEAP_TO_TYPE, i);
    for (uint32_t i = 0; i < s->goroutine.n; i++)
        one_way(g, HEAP_TO_GOROUTINE, i);
    must(heap_find_suspects(g, NULL, &suspects));
    heap_suspects_free(&suspects);
    buf_free(&b);
}

static void survive(const struct heap_diff *d, uint64_t live)
{
    struct heap_survival s;
    uint64_t objects = 0, kept = 0;
    must(heap_survival(d, NULL, &s));
    for (size_t i = 0; i < s.n; i++) {
        objects += s.v[i].objects;
        kept += s.v[i].kept;
        if (s.v[i].kept > s.v[i].objects || s.v[i].kept_fresh > s.v[i].fresh)
            abort();
    }
    if (objects != live || kept != d->kept.count)
        abort();
    heap_survival_free(&s);
}

static void compare(const struct heap_graph *a, const struct heap_graph *b)
{
    struct heap_diff *d;
    struct heap_totals x, y;
    struct heap_site_rows rows;
    struct heap_semantic tree;
    must(heap_diff(a, b, NULL, &d));
    heap_totals(a, &x);
    heap_totals(b, &y);
    if ((int64_t)(d->fresh.bytes - d->freed.bytes) + d->modified_bytes !=
        (int64_t)(y.live_bytes - x.live_bytes))
        abort();
    if (may(heap_cross_check(d, NULL, &rows)))
        heap_site_rows_free(&rows);
    survive(d, x.live_objects);
    heap_diff_free(d);
    if (may(heap_semantic_diff(heap_snap(a), heap_snap(b), NULL, &tree)))
        heap_semantic_free(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct snap *s[2];
    struct heap_graph *g[2] = {NULL, NULL};
    struct heap_options o = {.keep_edges = true, .memory = UINT64_C(1) << 30};
    for (int i = 0; i < 2; i++)
        s[i] = make(&in);
    for (int i = 0; i < 2; i++)
        if (may(snap_check(s[i])) && may(heap_open(s[i], &o, &g[i]))) {
            groups(g[i]);
            ways(g[i]);
        }
    if (g[0] && g[1])
        compare(g[0], g[1]);
    for (int i = 0; i < 2; i++) {
        heap_close(g[i]);
        snap_free(s[i]);
    }
    return 0;
}
