/* heap_list.c - gospect heap: the summary, then types (or packages, globals, ...) by what they
 * retain, or the largest retainers. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "heap/sparse.h"
#include "report/heap_int.h"
#include "report/table.h"

enum {
    TOP_BELOW = 5, /* retainers and size classes shown below the types */
    CHAIN = 3,     /* dominators told of the others */
};

struct list {
    const struct report_heap *r;
    const struct report_heap_list *what;
    const struct heap_graph *g;
    struct heap_totals totals;
    struct flow f;
};

/* ---- summary ---- */

/* "1.10 GB live in 15.5 M objects, 8.8 kB garbage, 96 % of span space in use" */
static void headline(struct list *l)
{
    const struct heap_totals *t = &l->totals;
    struct buf left = {0}, right = {0};
    buf_str(&left, look(l->f.style, LOOK_BOLD));
    text_bytes(&left, t->live_bytes);
    buf_str(&left, " live in ");
    count_of(&left, t->live_objects, "object", "objects");
    buf_str(&left, look(l->f.style, LOOK_PLAIN));
    buf_str(&left, ", ");
    text_bytes(&left, t->bytes - t->live_bytes);
    buf_str(&left, " garbage, ");
    percent_of(&left, t->bytes, t->slot_bytes);
    buf_str(&left, " of span space in use");
    name_target(&right, heap_snap(l->g));
    two_sides(&l->f.b, l->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

static void add_bytes(struct buf *b, const struct snap *s, const char *counter, const char *what)
{
    int64_t v;
    if (!snap_counter(s, counter, &v) || v <= 0)
        return;
    buf_str(b, b->n ? ", " : "");
    buf_str(b, what);
    buf_char(b, ' ');
    text_bytes(b, (uint64_t)v);
}

/* What the runtime has from the system beside objects. */
static void off_heap(struct list *l)
{
    static const char *const parts[][2] = {{"memstats.stack_inuse_bytes", "stacks"},
                                           {"memstats.mspan_sys_bytes", "spans"},
                                           {"memstats.mcache_sys_bytes", "caches"},
                                           {"memstats.buck_hash_sys_bytes", "profiles"},
                                           {"memstats.gc_sys_bytes", "garbage collector"},
                                           {"memstats.other_sys_bytes", "other"}};
    struct buf b = {0};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        add_bytes(&b, heap_snap(l->g), parts[i][0], parts[i][1]);
    if (b.n) {
        buf_str(&l->f.b, "beside objects: ");
        text_wrap(&l->f.b, buf_text(&b), l->f.style->width ? l->f.style->width : SIZE_MAX, 16, 2);
        buf_char(&l->f.b, '\n');
    }
    buf_free(&b);
}

static void untyped(struct list *l)
{
    const struct heap_totals *t = &l->totals;
    struct buf b = {0};
    if (t->untyped_objects) {
        count_of(&b, t->untyped_objects, "object", "objects");
        buf_str(&b, " (");
        text_bytes(&b, t->untyped_bytes);
        buf_str(&b, ", ");
        percent_of(&b, t->untyped_bytes, t->live_bytes);
        buf_str(&b, " of what lives) of unknown type");
    }
    if (t->guessed_objects) {
        buf_str(&b, b.n ? "; " : "");
        text_bytes(&b, t->guessed_bytes);
        buf_str(&b, " of inferred types (marked ?)");
    }
    if (b.n) {
        text_wrap(&l->f.b, buf_text(&b), l->f.style->width ? l->f.style->width : SIZE_MAX, 0, 2);
        buf_char(&l->f.b, '\n');
    }
    buf_free(&b);
}

/* ---- tables ---- */

static void bytes_cell(struct table *t, uint64_t n)
{
    text_bytes(table_cell(t), n);
    table_cell_end(t);
}

static void count_cell(struct table *t, uint64_t n)
{
    text_count(table_cell(t), n);
    table_cell_end(t);
}

/* Whether objects are told apart by whether they have survived a collection. */
static bool has_ages(enum heap_by by)
{
    return by == HEAP_BY_TYPE || by == HEAP_BY_PACKAGE;
}

/* "goroutine 17, orders.handle": what it was begun with, its outermost function that is neither a
 * wrapper nor the runtime's frame around it. */
static void begun_with(const struct snap *s, uint32_t goroutine, struct buf *b)
{
    uint32_t outer = SNAP_NONE;
    for (uint32_t n = s->goroutine.stack[goroutine]; n != SNAP_NONE; n = s->stack.parent[n]) {
        uint32_t pc = s->stack.pc[n];
        for (uint32_t f = s->pc.frame[pc], end = f + s->pc.frames[pc]; f < end; f++)
            if (outer == SNAP_NONE || s->frame.func_id[f] == SNAP_FN_NORMAL ||
                s->frame.func_id[f] == SNAP_FN_OTHER)
                outer = f;
    }
    if (outer == SNAP_NONE)
        return;
    buf_str(b, ", ");
    snap_short_func(b, snap_str(s, s->frame.func[outer]));
}

static void group_row(struct list *l, struct table *t, const struct heap_rows *rows, size_t i)
{
    const struct heap_row *row = &rows->v[i];
    bool mostly_guessed = 2 * row->guessed_bytes > row->bytes;
    bytes_cell(t, row->retained);
    bytes_cell(t, row->bytes);
    count_cell(t, row->count);
    percent_of(table_cell(t), row->retained, l->totals.live_bytes);
    table_cell_end(t);
    if (has_ages(rows->by)) {
        if (row->count)
            percent_of(table_cell(t), row->old_count, row->count);
        table_cell_end(t);
    }
    struct buf *name = table_cell(t);
    heap_row_text(l->g, rows, i, name);
    if (rows->by == HEAP_BY_GOROUTINE && heap_is_holder(l->g, row->key))
        begun_with(heap_snap(l->g), heap_holder(l->g, row->key).row, name);
    buf_str(name, mostly_guessed ? " ?" : "");
    table_cell_end(t);
}

static void class_row(struct table *t, const struct list *l, const struct heap_rows *rows, size_t i)
{
    const struct heap_row *row = &rows->v[i];
    uint64_t used = row->bytes + row->garbage_bytes;
    bytes_cell(t, row->span_bytes);
    bytes_cell(t, row->bytes);
    bytes_cell(t, row->garbage_bytes);
    bytes_cell(t, row->span_bytes > used ? row->span_bytes - used : 0);
    percent_of(table_cell(t), used, row->span_bytes);
    table_cell_end(t);
    count_cell(t, row->spans);
    count_cell(t, row->count);
    heap_row_text(l->g, rows, i, table_cell(t));
    table_cell_end(t);
}

static void begin_groups(struct table *t, enum heap_by by)
{
    static const char *const names[] = {[HEAP_BY_TYPE] = "type",
                                        [HEAP_BY_PACKAGE] = "package",
                                        [HEAP_BY_GLOBAL] = "variable",
                                        [HEAP_BY_GOROUTINE] = "goroutine",
                                        [HEAP_BY_HOLDER] = "holder"};
    if (by == HEAP_BY_SIZE_CLASS) {
        static const char *const columns[] = {"spans",  "live", "garbage", "free",
                                              "in use", "n",    "objects", "size"};
        table_init(t, ARRAY_LEN(columns));
        for (size_t i = 0; i < ARRAY_LEN(columns); i++)
            table_column(t, i, columns[i], i + 1 < ARRAY_LEN(columns) ? TABLE_RIGHT : 0);
    } else {
        bool ages = has_ages(by);
        table_init(t, ages ? 6 : 5);
        table_column(t, 0, "retained", TABLE_RIGHT | TABLE_BOLD);
        table_column(t, 1, "shallow", TABLE_RIGHT);
        table_column(t, 2, "count", TABLE_RIGHT);
        table_column(t, 3, "of live", TABLE_RIGHT | TABLE_DIM);
        if (ages)
            table_column(t, 4, "old", TABLE_RIGHT | TABLE_DIM);
        table_column(t, ages ? 5 : 4, names[by], TABLE_SHRINK | TABLE_CUT_MIDDLE);
    }
    t->indent = 2;
}

static void say_left_out(struct list *l, size_t shown, size_t all, const char *what)
{
    if (shown == all)
        return;
    buf_str(&l->f.b, "  ");
    text_count(&l->f.b, all - shown);
    buf_printf(&l->f.b, " more %s: --limit 0 shows all\n", what);
}

static struct err *groups(struct list *l)
{
    struct heap_rows rows;
    struct table t;
    TRY(heap_group(l->g, l->what->by, &rows));
    size_t n = l->r->limit && l->r->limit < rows.n ? l->r->limit : rows.n;
    begin_groups(&t, l->what->by);
    for (size_t i = 0; i < n; i++) {
        if (l->what->by == HEAP_BY_SIZE_CLASS)
            class_row(&t, l, &rows, i);
        else
            group_row(l, &t, &rows, i);
    }
    table_write(&t, l->f.style, &l->f.b);
    table_free(&t);
    say_left_out(l, n, rows.n, "rows");
    heap_rows_free(&rows);
    flow(&l->f);
    return NULL;
}

/* Who keeps nearly empty spans from being given back. */
static struct err *sparse(struct list *l)
{
    struct heap_sparse h;
    struct table t;
    TRY(heap_sparse(heap_snap(l->g), &h));
    size_t n = l->r->limit && l->r->limit < h.n ? l->r->limit : h.n;
    if (h.spans) {
        text_count(&l->f.b, h.spans);
        buf_str(&l->f.b, " spans are less than a quarter full: ");
        text_bytes(&l->f.b, h.free);
        buf_str(&l->f.b, " of ");
        text_bytes(&l->f.b, h.bytes);
        buf_str(&l->f.b, " free; who lives there\n");
        table_init(&t, 3);
        table_column(&t, 0, "keeps free", TABLE_RIGHT | TABLE_BOLD);
        table_column(&t, 1, "objects", TABLE_RIGHT);
        table_column(&t, 2, "type", TABLE_SHRINK | TABLE_CUT_MIDDLE);
        t.indent = 2;
        for (size_t i = 0; i < n; i++) {
            bytes_cell(&t, h.v[i].free);
            count_cell(&t, h.v[i].objects);
            table_text(&t, h.v[i].name ? snap_str(heap_snap(l->g), h.v[i].name) : "(not known)");
        }
        table_write(&t, l->f.style, &l->f.b);
        table_free(&t);
        say_left_out(l, n, h.n, "rows");
    }
    heap_sparse_free(&h);
    flow(&l->f);
    return NULL;
}

static void dominators_text(const struct heap_graph *g, uint32_t node, struct buf *b)
{
    uint32_t chain[CHAIN];
    bool more;
    size_t n = heap_dominator_chain(g, node, CHAIN, chain, &more);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? " ← " : "");
        heap_node_text(g, chain[i], b);
    }
    buf_str(b, more ? " ← …" : n ? "" : "several variables or goroutines");
}

/* The shortest way to a node, where the pointers are there; else who dominates it. */
static struct err *held_by(struct list *l, uint32_t node, struct buf *b)
{
    struct heap_path path;
    struct arena mem;
    arena_init(&mem);
    struct err *e = heap_near_path(l->g, node, &mem, &path);
    if (!e && path.n) {
        heap_path_text(l->g, &path, b);
        if (heap_kept_by(l->g, node) == HEAP_ALL)
            buf_str(b, ", and others");
    } else if (!e) {
        dominators_text(l->g, node, b);
    }
    arena_free(&mem);
    return e;
}

static struct err *retainer_row(struct list *l, struct table *t, const struct heap_top *top,
                                bool way)
{
    bytes_cell(t, top->retained);
    percent_of(table_cell(t), top->retained, l->totals.live_bytes);
    table_cell_end(t);
    struct buf *b = table_cell(t), held = {0};
    heap_node_text(l->g, top->node, b);
    buf_printf(b, " at 0x%" PRItaddr, (unsigned long long)heap_address(l->g, top->node));
    table_cell_end(t);
    struct err *e = NULL;
    if (way)
        e = held_by(l, top->node, &held);
    else
        dominators_text(l->g, top->node, &held);
    table_text(t, buf_text(&held));
    buf_free(&held);
    return e;
}

static struct err *retainers(struct list *l, size_t limit, bool outermost)
{
    struct heap_top_options o = {.limit = limit, .holders = false, .outermost = outermost};
    struct heap_top *top = calloc(limit, sizeof(*top));
    size_t n = limit;
    struct table t;
    struct err *e = top ? heap_top(l->g, &o, top, &n) : err_new(ERR_NOMEM, "no memory for a list");
    if (!e && n) {
        table_init(&t, 4);
        table_column(&t, 0, "retained", TABLE_RIGHT | TABLE_BOLD);
        table_column(&t, 1, "of live", TABLE_RIGHT | TABLE_DIM);
        table_column(&t, 2, "object", TABLE_SHRINK | TABLE_CUT_MIDDLE);
        table_column(&t, 3, "held by", TABLE_SHRINK | TABLE_CUT_MIDDLE);
        t.indent = 2;
        for (size_t i = 0; !e && i < n; i++)
            e = retainer_row(l, &t, &top[i], i < HEAP_WAYS_MAX);
        table_write(&t, l->f.style, &l->f.b);
        table_free(&t);
    }
    free(top);
    flow(&l->f);
    return e;
}

/* Where spans have room that nobody has. */
static struct err *space(struct list *l)
{
    struct heap_rows rows;
    struct table t;
    TRY(heap_space(heap_snap(l->g), &rows));
    size_t n = min_u64(rows.n, TOP_BELOW);
    static const char *const columns[] = {"spans", "free", "in use", "n", "objects", "size"};
    table_init(&t, ARRAY_LEN(columns));
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        table_column(&t, i, columns[i], i + 1 < ARRAY_LEN(columns) ? TABLE_RIGHT : 0);
    t.indent = 2;
    for (size_t i = 0; i < n; i++) {
        const struct heap_row *row = &rows.v[i];
        bytes_cell(&t, row->span_bytes);
        bytes_cell(&t, row->span_bytes > row->bytes ? row->span_bytes - row->bytes : 0);
        percent_of(table_cell(&t), row->bytes, row->span_bytes);
        table_cell_end(&t);
        count_cell(&t, row->spans);
        count_cell(&t, row->count);
        heap_row_text(l->g, &rows, i, table_cell(&t));
        table_cell_end(&t);
    }
    buf_str(&l->f.b, "spans by size class\n");
    table_write(&t, l->f.style, &l->f.b);
    table_free(&t);
    if (n < rows.n)
        buf_printf(&l->f.b, "  %zu more: --by size-class\n", rows.n - n);
    heap_rows_free(&rows);
    return NULL;
}

static void next_commands(struct list *l)
{
    struct buf b = {0};
    buf_printf(&b, "gospect heap %s --suspects", l->r->target);
    heap_next_text(&l->f, buf_text(&b));
    buf_free(&b);
}

static struct err *body(struct list *l)
{
    enum { MOST_OBJECTS = 1 << 20 };
    headline(l);
    if (l->what->objects) {
        uint64_t live = l->totals.live_objects, most = min_u64(live, MOST_OBJECTS);
        uint64_t n = l->r->limit ? min_u64(l->r->limit, live) : most;
        TRY(retainers(l, n, false));
        if (n < live) {
            buf_str(&l->f.b, "  ");
            text_count(&l->f.b, live - n);
            buf_str(&l->f.b, n < most ? " more objects: --limit N shows more\n"
                                      : " more objects: gospect sql shows all\n");
        }
        return NULL;
    }
    TRY(groups(l));
    if (l->what->by == HEAP_BY_SIZE_CLASS)
        return sparse(l);
    if (l->what->by != HEAP_BY_TYPE)
        return NULL;
    untyped(l);
    buf_str(&l->f.b, "largest retainers\n");
    TRY(retainers(l, TOP_BELOW, true));
    TRY(space(l));
    off_heap(l);
    return NULL;
}

struct err *report_heap_text(const struct report_heap *r, const struct report_heap_list *what,
                             const struct report_style *style, struct report_sink out)
{
    struct list l = {.r = r, .what = what, .g = r->graph, .f = {.style = style, .sink = out}};
    heap_totals(r->graph, &l.totals);
    struct err *e = body(&l);
    if (!e) {
        next_commands(&l);
        heap_cost_text(r, &l.f);
    }
    struct err *written = flow_end(&l.f);
    if (!e)
        return written;
    err_free(written);
    return e;
}
