/* heap_json.c - the heap for programs; docs/formats/heap.schema.json. */
#include <stdlib.h>

#include "heap/sparse.h"
#include "report/heap_int.h"
#include "report/heap_values.h"

static void totals_json(struct json *j, const struct heap_graph *g)
{
    struct heap_totals t;
    heap_totals(g, &t);
    json_ku64(j, "objects", t.objects);
    json_ku64(j, "bytes", t.bytes);
    json_ku64(j, "live_objects", t.live_objects);
    json_ku64(j, "live_bytes", t.live_bytes);
    json_ku64(j, "slot_bytes", t.slot_bytes);
    json_key(j, "untyped");
    json_begin(j, '{');
    json_ku64(j, "count", t.untyped_objects);
    json_ku64(j, "bytes", t.untyped_bytes);
    json_ku64(j, "guessed_count", t.guessed_objects);
    json_ku64(j, "guessed_bytes", t.guessed_bytes);
    json_end(j, '}');
}

static void row_json(struct json *j, const struct heap_graph *g, const struct heap_rows *rows,
                     size_t i)
{
    static const char *const keys[] = {
        [HEAP_BY_TYPE] = "type",     [HEAP_BY_PACKAGE] = "package",
        [HEAP_BY_GLOBAL] = "global", [HEAP_BY_GOROUTINE] = "goroutine",
        [HEAP_BY_HOLDER] = "holder", [HEAP_BY_SIZE_CLASS] = "size_class"};
    const struct heap_row *row = &rows->v[i];
    const struct snap *s = heap_snap(g);
    struct buf name = {0};
    heap_row_text(g, rows, i, &name);
    json_begin(j, '{');
    if ((rows->by == HEAP_BY_TYPE || rows->by == HEAP_BY_PACKAGE) && !row->name)
        json_kstr(j, keys[rows->by], NULL);
    else if (rows->by == HEAP_BY_GOROUTINE && heap_is_holder(g, row->key))
        json_ku64(j, keys[rows->by], s->goroutine.id[heap_holder(g, row->key).row]);
    else
        json_kstr(j, keys[rows->by], buf_text(&name));
    json_ku64(j, "count", row->count);
    json_ku64(j, "bytes", row->bytes);
    json_ku64(j, "retained", row->retained);
    json_ku64(j, "garbage_count", row->garbage_count);
    json_ku64(j, "garbage_bytes", row->garbage_bytes);
    if (rows->by == HEAP_BY_TYPE || rows->by == HEAP_BY_PACKAGE)
        json_ku64(j, "old_count", row->old_count);
    if (rows->by == HEAP_BY_TYPE)
        json_ku64(j, "guessed_count", row->guessed_count);
    if (rows->by == HEAP_BY_SIZE_CLASS) {
        json_ku64(j, "elem_bytes", row->elem_size);
        json_ku64(j, "spans", row->spans);
        json_ku64(j, "slots", row->slots);
        json_ku64(j, "span_bytes", row->span_bytes);
    }
    json_end(j, '}');
    buf_free(&name);
}

static struct err *rows_json(struct json *j, const struct report_heap *r, enum heap_by by)
{
    static const char *const lists[] = {
        [HEAP_BY_TYPE] = "types",     [HEAP_BY_PACKAGE] = "packages",
        [HEAP_BY_GLOBAL] = "globals", [HEAP_BY_GOROUTINE] = "goroutines",
        [HEAP_BY_HOLDER] = "holders", [HEAP_BY_SIZE_CLASS] = "size_classes"};
    struct heap_rows rows;
    TRY(heap_group(r->graph, by, &rows));
    size_t n = r->limit && r->limit < rows.n ? r->limit : rows.n;
    json_key(j, lists[by]);
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++)
        row_json(j, r->graph, &rows, i);
    json_end(j, ']');
    json_ku64(j, "left_out", rows.n - n);
    heap_rows_free(&rows);
    return NULL;
}

/* Who lives in nearly empty spans. */
static struct err *sparse_json(struct json *j, const struct report_heap *r)
{
    struct heap_sparse h;
    TRY(heap_sparse(heap_snap(r->graph), &h));
    json_key(j, "sparse");
    json_begin(j, '{');
    json_ku64(j, "spans", h.spans);
    json_ku64(j, "span_bytes", h.bytes);
    json_ku64(j, "free_bytes", h.free);
    json_key(j, "types");
    json_begin(j, '[');
    for (size_t i = 0; i < h.n; i++) {
        json_begin(j, '{');
        json_kstr(j, "type", h.v[i].name ? snap_str(heap_snap(r->graph), h.v[i].name) : NULL);
        json_ku64(j, "objects", h.v[i].objects);
        json_ku64(j, "bytes", h.v[i].bytes);
        json_ku64(j, "free_bytes", h.v[i].free);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_end(j, '}');
    heap_sparse_free(&h);
    return NULL;
}

/* A node, and the shortest way to it where the pointers are there. */
static struct err *retainer_json(struct json *j, const struct report_heap *r, uint32_t node,
                                 bool way)
{
    struct heap_path path = {0};
    struct arena mem;
    arena_init(&mem);
    struct err *e = way ? heap_near_path(r->graph, node, &mem, &path) : NULL;
    json_begin(j, '{');
    heap_node_keys(j, r->graph, node);
    json_key(j, "path");
    if (path.n)
        heap_path_json(j, r->graph, &path);
    else
        json_null(j);
    json_end(j, '}');
    arena_free(&mem);
    return e;
}

static struct err *retainers_json(struct json *j, const struct report_heap *r)
{
    enum { DEFAULT = 1000 };
    size_t limit = r->limit ? r->limit : DEFAULT, n = limit;
    struct heap_top *top = calloc(limit, sizeof(*top));
    struct heap_top_options o = {.limit = limit};
    struct heap_totals totals;
    struct err *e =
        top ? heap_top(r->graph, &o, top, &n) : err_new(ERR_NOMEM, "no memory for a list");
    json_key(j, "retainers");
    json_begin(j, '[');
    for (size_t i = 0; !e && i < n; i++)
        e = retainer_json(j, r, top[i].node, i < HEAP_WAYS_MAX);
    json_end(j, ']');
    heap_totals(r->graph, &totals);
    json_ku64(j, "left_out", totals.live_objects - n);
    free(top);
    return e;
}

static void begin(struct json *j, const struct report_heap *r, struct report_sink out)
{
    document_begin(j, heap_snap(r->graph), out);
    totals_json(j, r->graph);
}

static struct err *end(struct json *j, const struct report_heap *r, struct err *e)
{
    struct err *written = document_end(j, heap_snap(r->graph));
    if (!e)
        return written;
    err_free(written);
    return e;
}

struct err *report_heap_json(const struct report_heap *r, const struct report_heap_list *list,
                             struct report_sink out)
{
    struct json j;
    begin(&j, r, out);
    struct err *e = list->objects ? retainers_json(&j, r) : rows_json(&j, r, list->by);
    if (!e && !list->objects && list->by == HEAP_BY_SIZE_CLASS)
        e = sparse_json(&j, r);
    return end(&j, r, e);
}

/* ---- suspects ---- */

static void suspect_json(struct json *j, const struct heap_graph *g, const struct heap_suspect *v)
{
    const struct snap *s = heap_snap(g);
    json_begin(j, '{');
    json_kstr(j, "kind", v->kind == HEAP_GROUP ? "group" : "accumulates");
    json_key(j, "node");
    heap_node_json(j, g, v->node);
    json_key(j, "kept_by");
    heap_node_json(j, g, v->kept_by);
    json_kstr(j, "type",
              v->shape != SNAP_NONE && v->shape ? snap_str(s, s->shape.name[v->shape]) : NULL);
    json_ku64(j, "count", v->count);
    json_ku64(j, "bytes", v->mass);
    json_ku64(j, "retained", v->retained);
    json_ku64(j, "map_bytes", v->store);
    json_kf64(j, "share", v->share);
    json_key(j, "holds");
    json_begin(j, '[');
    for (size_t i = 0; i < v->ncontent; i++) {
        uint32_t shape = v->content[i].shape;
        json_begin(j, '{');
        json_kstr(j, "type",
                  shape != SNAP_NONE && shape ? snap_str(s, s->shape.name[shape]) : NULL);
        json_ku64(j, "count", v->content[i].count);
        json_ku64(j, "bytes", v->content[i].bytes);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_key(j, "path");
    if (v->path.n)
        heap_path_json(j, g, &v->path);
    else
        json_null(j);
    json_end(j, '}');
}

struct err *report_heap_suspects_json(const struct report_heap *r, const struct heap_suspects *v,
                                      struct report_sink out)
{
    struct json j;
    begin(&j, r, out);
    json_key(&j, "suspects");
    json_begin(&j, '[');
    for (size_t i = 0; i < v->n; i++)
        suspect_json(&j, r->graph, &v->v[i]);
    json_end(&j, ']');
    return end(&j, r, NULL);
}

/* ---- paths ---- */

struct err *report_heap_paths_json(const struct report_heap *r, const char *what,
                                   const struct heap_paths *v, struct report_sink out)
{
    struct json j;
    begin(&j, r, out);
    json_kstr(&j, "what", what);
    json_key(&j, "paths");
    json_begin(&j, '[');
    for (size_t i = 0; i < v->n; i++)
        heap_path_json(&j, r->graph, &v->v[i]);
    json_end(&j, ']');
    json_kbool(&j, "all", v->all);
    return end(&j, r, NULL);
}

/* ---- one object ---- */

static void pointers_json(struct json *j, const struct heap_graph *g, uint32_t slot, size_t limit)
{
    struct snap_edges it;
    struct buf field = {0};
    size_t n = 0;
    json_key(j, "pointers");
    json_begin(j, '[');
    for (snap_edges_init(&it, heap_snap(g), slot); snap_edges_next(&it) && (!limit || n < limit);
         n++) {
        buf_clear(&field);
        heap_word_text(g, slot, it.word, &field);
        json_begin(j, '{');
        json_kstr(j, "field", buf_text(&field));
        json_ku64(j, "word", it.word);
        json_kaddr(j, "addr", heap_address(g, it.target));
        json_kstr(j, "type", heap_shape_name(g, it.target));
        json_ku64(j, "retained", heap_retained(g, it.target));
        json_end(j, '}');
    }
    json_end(j, ']');
    buf_free(&field);
}

static void value_json(void *arg, const struct heap_value *v)
{
    struct json *j = arg;
    json_begin(j, '{');
    json_kstr(j, "field", v->field);
    json_kstr(j, "type", v->type);
    json_kstr(j, "value", v->value);
    json_end(j, '}');
}

static void values_json(struct json *j, const struct heap_graph *g, uint32_t slot, size_t limit)
{
    uint64_t left_out;
    json_key(j, "values");
    json_begin(j, '[');
    heap_each_value(g, slot, limit, value_json, j, &left_out);
    json_end(j, ']');
    json_ku64(j, "values_left_out", left_out);
}

static struct err *referrers_json(struct json *j, const struct heap_graph *g, uint32_t slot)
{
    enum { MOST = 100 };
    uint32_t v[MOST];
    size_t n = 0;
    uint64_t total = 0;
    struct buf text = {0};
    struct err *e = heap_referrers(g, slot, MOST, v, &n, &total);
    json_key(j, "referrers");
    json_begin(j, '[');
    for (size_t i = 0; !e && i < n; i++) {
        buf_clear(&text);
        heap_pointer_text(g, v[i], slot, &text);
        json_begin(j, '{');
        heap_node_keys(j, g, v[i]);
        json_kstr(j, "field", buf_text(&text));
        json_end(j, '}');
    }
    json_end(j, ']');
    json_ku64(j, "referrers_total", total);
    heap_roots_of(g, slot, MOST, v, &n, &total);
    json_key(j, "roots");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        buf_clear(&text);
        heap_root_text(g, v[i], &text);
        json_str(j, buf_text(&text));
    }
    json_end(j, ']');
    json_ku64(j, "roots_total", total);
    buf_free(&text);
    return e;
}

struct err *report_heap_object_json(const struct report_heap *r, uint32_t slot,
                                    struct report_sink out)
{
    struct json j;
    const struct heap_graph *g = r->graph;
    begin(&j, r, out);
    json_key(&j, "object");
    heap_node_json(&j, g, slot);
    json_kstr(&j, "type", heap_shape_name(g, slot));
    json_kbool(&j, "live", heap_live(g, slot));
    json_kbool(&j, "survived", heap_survived(g, slot));
    json_key(&j, "kept_by");
    if (heap_live(g, slot))
        heap_node_json(&j, g, heap_kept_by(g, slot));
    else
        json_null(&j);
    values_json(&j, g, slot, r->limit);
    pointers_json(&j, g, slot, r->limit);
    struct err *e = referrers_json(&j, g, slot);
    return end(&j, r, e);
}
