/* heap_why.c - why memory is kept: leak suspects, paths from the roots, one object. */
#include <inttypes.h>

#include "base/text.h"
#include "report/heap_int.h"
#include "report/heap_values.h"

static void headline(struct flow *f, const struct report_heap *r, const char *left)
{
    struct buf right = {0};
    name_target(&right, heap_snap(r->graph));
    two_sides(&f->b, f->style, left, buf_text(&right));
    buf_free(&right);
}

static struct err *done(struct flow *f, const struct report_heap *r)
{
    heap_cost_text(r, f);
    return flow_end(f);
}

/* ---- suspects ---- */

static const char *shape_words(const struct snap *s, uint32_t shape)
{
    return shape == SNAP_NONE ? "goroutines and variables"
           : shape            ? snap_str(s, s->shape.name[shape])
                              : "objects of unknown type";
}

/* "finalizers and cleanups", "registers of threads" */
static bool is_plural(const struct heap_graph *g, uint32_t node)
{
    if (!heap_is_holder(g, node))
        return false;
    struct heap_holder h = heap_holder(g, node);
    return h.row == SNAP_NONE && h.kind != SNAP_ROOT_GLOBAL && h.kind != SNAP_ROOT_OTHER;
}

static void suspect_title(const struct report_heap *r, const struct heap_suspect *v, struct buf *b)
{
    const struct snap *s = heap_snap(r->graph);
    if (v->kind == HEAP_GROUP) {
        count_of(b, v->count, "object", "objects");
        buf_str(b, " of type ");
        text_clean(b, shape_words(s, v->shape));
        buf_str(b, " keep ");
    } else {
        heap_node_text(r->graph, v->node, b);
        if (heap_is_object(r->graph, v->node))
            buf_printf(b, " at 0x%" PRItaddr, (unsigned long long)heap_address(r->graph, v->node));
        buf_str(b, is_plural(r->graph, v->node) ? " keep " : " keeps ");
    }
    text_bytes(b, v->mass);
    buf_printf(b, " (%.0f %% of what lives)", 100 * v->share);
}

static void suspect_content(const struct report_heap *r, const struct heap_suspect *v,
                            struct buf *b)
{
    const struct snap *s = heap_snap(r->graph);
    buf_str(b, v->ncontent ? "in " : "");
    for (size_t i = 0; i < v->ncontent; i++) {
        buf_str(b, i ? ", " : "");
        text_count(b, v->content[i].count);
        buf_str(b, " × ");
        text_clean(b, shape_words(s, v->content[i].shape));
        buf_str(b, " (");
        text_bytes(b, v->content[i].bytes);
        buf_str(b, ")");
    }
    if (v->store) {
        buf_str(b, v->ncontent ? "; " : "");
        text_bytes(b, v->store);
        buf_str(b, " are the map itself");
    }
}

/* "kept by orders.store → .orders", or, where nothing keeps it alone, the shortest way to it. */
static void suspect_way(const struct heap_graph *g, const struct heap_suspect *v, struct buf *b)
{
    buf_str(b, "kept by ");
    if (v->kept_by == HEAP_ALL)
        buf_str(b, "several variables or goroutines");
    else
        heap_node_text(g, v->kept_by, b);
    if (!v->path.n)
        return;
    buf_str(b, v->kind == HEAP_GROUP ? "; the way to the largest: " : "; the shortest way to it: ");
    heap_path_text(g, &v->path, b);
}

static void suspect_text(struct flow *f, const struct report_heap *r, const struct heap_suspect *v,
                         size_t number)
{
    const struct heap_graph *g = r->graph;
    struct buf b = {0};
    buf_printf(&b, "%s%zu%s  ", look(f->style, LOOK_YELLOW), number, look(f->style, LOOK_PLAIN));
    suspect_title(r, v, &b);
    flow_wrapped(f, &b, 1);
    buf_clear(&b);
    suspect_content(r, v, &b);
    if (b.n)
        flow_wrapped(f, &b, 4);
    buf_clear(&b);
    if (v->kind == HEAP_GROUP && v->node != HEAP_ALL) {
        buf_str(&b, "they come together at ");
        heap_node_text(g, v->node, &b);
        flow_wrapped(f, &b, 4);
        buf_clear(&b);
    }
    suspect_way(g, v, &b);
    flow_wrapped(f, &b, 4);
    buf_free(&b);
}

struct err *report_heap_suspects_text(const struct report_heap *r, const struct heap_suspects *v,
                                      const struct report_style *style, struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    struct heap_totals t;
    struct buf b = {0};
    heap_totals(r->graph, &t);
    if (v->n) {
        count_of(&b, v->n, "suspect", "suspects");
        buf_str(&b, " among ");
    } else {
        buf_str(&b, "nothing stands out among ");
    }
    text_bytes(&b, t.live_bytes);
    buf_str(&b, " that live");
    headline(&f, r, buf_text(&b));
    for (size_t i = 0; i < v->n; i++)
        suspect_text(&f, r, &v->v[i], i + 1);
    buf_clear(&b);
    buf_str(&b, "how sure: that they keep this memory is exact; whether it should be kept only the "
                "program's purpose tells: compare two snapshots (gospect mem diff)");
    if (v->n)
        flow_wrapped(&f, &b, 0);
    buf_clear(&b);
    if (v->n && heap_is_object(r->graph, v->v[0].node)) {
        buf_printf(&b, "gospect heap %s --object 0x%" PRItaddr, r->target,
                   (unsigned long long)heap_address(r->graph, v->v[0].node));
        heap_next_text(&f, buf_text(&b));
    }
    buf_free(&b);
    return done(&f, r);
}

/* ---- paths ---- */

static void path_text(struct flow *f, const struct report_heap *r, const struct heap_path *p,
                      size_t number)
{
    const struct heap_graph *g = r->graph;
    uint32_t last = p->steps[p->n - 1].slot;
    struct buf b = {0};
    buf_printf(&b, "%zu  ", number);
    heap_path_text(g, p, &b);
    flow_wrapped(f, &b, 1);
    buf_clear(&b);
    count_of(&b, p->n, "object", "objects");
    buf_str(&b, " long; ends at ");
    heap_node_text(g, last, &b);
    buf_printf(&b, " at 0x%" PRItaddr ", which retains ",
               (unsigned long long)heap_address(g, last));
    text_bytes(&b, heap_retained(g, last));
    flow_wrapped(f, &b, 4);
    buf_free(&b);
}

struct err *report_heap_paths_text(const struct report_heap *r, const char *what,
                                   const struct heap_paths *v, const struct report_style *style,
                                   struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    struct buf b = {0};
    count_of(&b, v->n, "way", "ways");
    buf_str(&b, " from the roots to ");
    text_clean(&b, what);
    buf_str(&b, v->all ? ", all there are that differ in where they begin or end"
                       : ", the shortest that differ in where they begin or end");
    buf_str(&b, v->to_type ? " and do not lead through another one" : "");
    buf_str(&b, v->others ? ", beside its own stack and the list of all goroutines" : "");
    headline(&f, r, buf_text(&b));
    buf_free(&b);
    for (size_t i = 0; i < v->n; i++)
        path_text(&f, r, &v->v[i], i + 1);
    return done(&f, r);
}

/* ---- one object ---- */

static void object_head(struct flow *f, const struct report_heap *r, uint32_t slot)
{
    const struct heap_graph *g = r->graph;
    struct buf b = {0};
    buf_str(&b, look(f->style, LOOK_BOLD));
    heap_node_text(g, slot, &b);
    buf_str(&b, look(f->style, LOOK_PLAIN));
    buf_printf(&b, " at 0x%" PRItaddr ", ", (unsigned long long)heap_address(g, slot));
    text_bytes(&b, heap_size(g, slot));
    headline(f, r, buf_text(&b));
    buf_clear(&b);
    if (!heap_allocated(g, slot)) {
        buf_str(&b, "nothing is allocated there");
    } else if (!heap_live(g, slot)) {
        buf_str(&b,
                "garbage: no path leads to it from a root; the next garbage collection frees it");
    } else {
        buf_str(&b, "retains ");
        text_bytes(&b, heap_retained(g, slot));
        buf_str(&b, "; kept alive by ");
        if (heap_kept_by(g, slot) == HEAP_ALL)
            buf_str(&b, "several variables or goroutines");
        else
            heap_node_text(g, heap_kept_by(g, slot), &b);
    }
    buf_str(&b, heap_survived(g, slot) ? "; it has survived a garbage collection" : "");
    flow_wrapped(f, &b, 2);
    buf_free(&b);
}

static void pointer_text(struct flow *f, const struct heap_graph *g, uint32_t slot,
                         const struct snap_edges *it)
{
    struct buf b = {0};
    size_t before;
    heap_word_text(g, slot, it->word, &b);
    before = b.n;
    if (!before)
        buf_printf(&b, "word %" PRIu64, it->word);
    buf_str(&b, it->flags & SNAP_EDGE_INTERIOR ? " → into " : " → ");
    heap_node_text(g, it->target, &b);
    buf_printf(&b, " at 0x%" PRItaddr ", retains ",
               (unsigned long long)heap_address(g, it->target));
    text_bytes(&b, heap_retained(g, it->target));
    flow_wrapped(f, &b, 4);
    buf_free(&b);
}

struct contents {
    struct flow *f;
    bool begun;
};

static void value_text(void *arg, const struct heap_value *v)
{
    struct contents *c = arg;
    struct buf b = {0};
    if (!c->begun)
        buf_str(&c->f->b, "  holds\n");
    c->begun = true;
    if (*v->field)
        buf_printf(&b, "%s ", v->field);
    look_text(&b, c->f->style, LOOK_DIM, v->type);
    buf_printf(&b, " = %s", v->value);
    flow_wrapped(c->f, &b, 4);
    buf_free(&b);
}

/* What is in it, where its memory is there. */
static void contents(struct flow *f, const struct report_heap *r, uint32_t slot)
{
    struct contents c = {.f = f};
    uint64_t left_out;
    heap_each_value(r->graph, slot, r->limit, value_text, &c, &left_out);
    if (left_out)
        buf_printf(&f->b, "    %" PRIu64 " more: --limit 0 shows all\n", left_out);
}

static void pointers(struct flow *f, const struct report_heap *r, uint32_t slot)
{
    struct snap_edges it;
    uint64_t n = 0;
    snap_edges_init(&it, heap_snap(r->graph), slot);
    while (snap_edges_next(&it)) {
        if (!n++)
            buf_str(&f->b, "  points to\n");
        if (!r->limit || n <= r->limit)
            pointer_text(f, r->graph, slot, &it);
    }
    if (r->limit && n > r->limit)
        buf_printf(&f->b, "    %" PRIu64 " more: --limit 0 shows all\n", n - r->limit);
    flow(f);
}

/* "orders.User at 0xc000123450, .friends[2]" */
static void referrer_text(struct flow *f, const struct heap_graph *g, uint32_t from, uint32_t slot)
{
    struct buf b = {0}, field = {0};
    heap_node_text(g, from, &b);
    buf_printf(&b, " at 0x%" PRItaddr, (unsigned long long)heap_address(g, from));
    heap_pointer_text(g, from, slot, &field);
    buf_printf(&b, "%s%s", field.n ? ", " : "", buf_text(&field));
    buf_str(&b, heap_live(g, from) ? "" : " (garbage)");
    flow_wrapped(f, &b, 4);
    buf_free(&b);
    buf_free(&field);
}

static void root_text(struct flow *f, const struct heap_graph *g, uint32_t root)
{
    struct buf b = {0};
    buf_str(&b, "root: ");
    heap_root_text(g, root, &b);
    flow_wrapped(f, &b, 4);
    buf_free(&b);
}

static struct err *referrers(struct flow *f, const struct report_heap *r, uint32_t slot)
{
    enum { MOST = 20 };
    uint32_t v[MOST];
    size_t n;
    uint64_t total;
    TRY(heap_referrers(r->graph, slot, MOST, v, &n, &total));
    if (n)
        buf_str(&f->b, "  is pointed to by\n");
    for (size_t i = 0; i < n; i++)
        referrer_text(f, r->graph, v[i], slot);
    bool begun = n > 0;
    if (total > n)
        buf_printf(&f->b, "    %" PRIu64 " more objects\n", total - n);
    heap_roots_of(r->graph, slot, MOST, v, &n, &total);
    if (n && !begun)
        buf_str(&f->b, "  is pointed to by\n");
    for (size_t i = 0; i < n; i++)
        root_text(f, r->graph, v[i]);
    if (total > n)
        buf_printf(&f->b, "    %" PRIu64 " more roots\n", total - n);
    return NULL;
}

struct err *report_heap_object_text(const struct report_heap *r, uint32_t slot,
                                    const struct report_style *style, struct report_sink out)
{
    struct flow f = {.style = style, .sink = out};
    struct buf b = {0};
    object_head(&f, r, slot);
    contents(&f, r, slot);
    pointers(&f, r, slot);
    struct err *e = referrers(&f, r, slot);
    if (!e && heap_live(r->graph, slot)) {
        buf_printf(&b, "gospect heap %s --paths 0x%" PRItaddr, r->target,
                   (unsigned long long)heap_address(r->graph, slot));
        heap_next_text(&f, buf_text(&b));
    }
    buf_free(&b);
    struct err *written = done(&f, r);
    if (!e)
        return written;
    err_free(written);
    return e;
}
