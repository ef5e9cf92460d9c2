/* heap.c - words that all reports on the heap use; see heap_int.h. */
#include <inttypes.h>

#include "base/text.h"
#include "report/heap_int.h"

void percent_of(struct buf *b, uint64_t part, uint64_t whole)
{
    double share = whole ? 100 * (double)part / (double)whole : 0;
    buf_printf(b, share < 9.95 && share > 0 ? "%.1f %%" : "%.0f %%", share);
}

static void string_or(struct buf *b, const struct snap *s, uint32_t name, const char *otherwise)
{
    text_clean(b, name ? snap_str(s, name) : otherwise);
}

void heap_row_text(const struct heap_graph *g, const struct heap_rows *rows, size_t i,
                   struct buf *b)
{
    const struct snap *s = heap_snap(g);
    const struct heap_row *row = &rows->v[i];
    switch (rows->by) {
    case HEAP_BY_TYPE:
        string_or(b, s, row->name, "(not known)");
        break;
    case HEAP_BY_GLOBAL:
        string_or(b, s, row->name, "(other data)");
        break;
    case HEAP_BY_PACKAGE:
        string_or(b, s, row->name, "(no package)");
        break;
    case HEAP_BY_SIZE_CLASS:
        if (row->key >> 1)
            buf_printf(b, "%" PRIu64 " B", row->elem_size);
        else
            buf_str(b, "large");
        buf_str(b, row->key & 1 ? ", without pointers" : "");
        break;
    default:
        heap_node_text(g, row->key, b);
        break;
    }
}

void heap_cost_text(const struct report_heap *r, struct flow *f)
{
    const struct snap *s = heap_snap(r->graph);
    struct buf line = {0};
    missing_text(&f->b, s, f->style);
    cost_line(&line, s, r->wall_ns);
    text_wrap(&f->b, buf_text(&line), f->style->width ? f->style->width : SIZE_MAX, 0, 0);
    buf_char(&f->b, '\n');
    buf_free(&line);
}

void heap_next_text(struct flow *f, const char *command)
{
    buf_str(&f->b, "→ ");
    text_clean(&f->b, command);
    buf_char(&f->b, '\n');
}

/* ---- JSON ---- */

const char *root_kind_name(enum snap_rootkind kind)
{
    static const char *const names[] = {
        [SNAP_ROOT_GLOBAL] = "global",     [SNAP_ROOT_STACK] = "stack",
        [SNAP_ROOT_REGISTER] = "register", [SNAP_ROOT_SPECIAL] = "special",
        [SNAP_ROOT_QUEUE] = "queue",       [SNAP_ROOT_OTHER] = "other",
    };
    return kind < SNAP_ROOT_COUNT ? names[kind] : "other";
}

void heap_node_keys(struct json *j, const struct heap_graph *g, uint32_t node)
{
    const struct snap *s = heap_snap(g);
    struct buf name = {0};
    heap_node_text(g, node, &name);
    if (heap_is_object(g, node)) {
        json_kstr(j, "kind", "object");
        json_kaddr(j, "addr", heap_address(g, node));
        json_ku64(j, "bytes", heap_size(g, node));
    } else if (heap_is_holder(g, node)) {
        struct heap_holder h = heap_holder(g, node);
        bool goroutine = h.kind == SNAP_ROOT_STACK && h.row != SNAP_NONE;
        json_kstr(j, "kind", goroutine ? "goroutine" : root_kind_name(h.kind));
        if (goroutine)
            json_ku64(j, "goroutine", s->goroutine.id[h.row]);
    } else {
        json_kstr(j, "kind", "all");
    }
    json_kstr(j, "name", buf_text(&name));
    json_ku64(j, "retained", heap_retained(g, node));
    buf_free(&name);
}

void heap_node_json(struct json *j, const struct heap_graph *g, uint32_t node)
{
    json_begin(j, '{');
    heap_node_keys(j, g, node);
    json_end(j, '}');
}

void heap_pointer_text(const struct heap_graph *g, uint32_t from, uint32_t to, struct buf *b)
{
    struct snap_edges it;
    snap_edges_init(&it, heap_snap(g), from);
    while (snap_edges_next(&it))
        if (it.target == to) {
            heap_word_text(g, from, it.word, b);
            return;
        }
}

void heap_path_json(struct json *j, const struct heap_graph *g, const struct heap_path *p)
{
    struct buf text = {0};
    heap_path_text(g, p, &text);
    json_begin(j, '{');
    json_kstr(j, "text", buf_text(&text));
    json_key(j, "root");
    heap_node_json(j, g, p->holder);
    json_key(j, "steps");
    json_begin(j, '[');
    for (size_t i = 0; i < p->n; i++) {
        const struct heap_step *step = &p->steps[i];
        json_begin(j, '{');
        json_kaddr(j, "addr", heap_address(g, step->slot));
        json_kstr(j, "type", heap_shape_name(g, step->slot));
        json_ku64(j, "bytes", heap_size(g, step->slot));
        json_ku64(j, "retained", heap_retained(g, step->slot));
        buf_clear(&text);
        if (i + 1 < p->n)
            heap_word_text(g, step->slot, step->word, &text);
        json_kstr(j, "field", i + 1 < p->n ? buf_text(&text) : NULL);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_end(j, '}');
    buf_free(&text);
}
