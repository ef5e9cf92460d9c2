/* sql_tables.c - the tables of SQL, each a few functions over the columns of a snapshot.
 *
 * To add one: a CREATE TABLE, a function for its cells, and a row of sql_tables; a table whose rows
 * are not simply numbered needs a begin() and a next() of its own (frames, edges).  Addresses are
 * integers (printf('%x', addr) shows them as people write them). */
#include <stdlib.h>
#include <string.h>

#include "heap/sql_int.h"

/* ---- cells ---- */

static void put_text(sqlite3_context *out, const char *text)
{
    if (text && *text)
        sqlite3_result_text(out, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_null(out);
}

static void put_str(sqlite3_context *out, const struct snap *s, uint32_t id)
{
    put_text(out, snap_str(s, id));
}

static void put_int(sqlite3_context *out, uint64_t v)
{
    sqlite3_result_int64(out, (sqlite3_int64)v);
}

static void put_known(sqlite3_context *out, bool known, uint64_t v)
{
    if (known)
        put_int(out, v);
    else
        sqlite3_result_null(out);
}

static void put_buf(sqlite3_context *out, struct buf *b)
{
    put_text(out, buf_text(b));
    buf_free(b);
}

static void put_node(sqlite3_context *out, const struct heap_graph *g, uint32_t node)
{
    struct buf b = {0};
    if (node == SNAP_NONE) {
        sqlite3_result_null(out);
        return;
    }
    heap_node_text(g, node, &b);
    put_buf(out, &b);
}

/* ---- rows that are numbered ---- */

static struct err *begin_rows(struct sql_cursor *c, uint64_t n)
{
    c->end = n;
    c->done = !n;
    return NULL;
}

static void next_row(struct sql_cursor *c)
{
    c->done = ++c->row >= c->end;
}

/* One row, or none. */
static struct err *begin_at(struct sql_cursor *c, uint64_t row, bool exists)
{
    c->row = row;
    c->end = row + 1;
    c->done = !exists;
    return NULL;
}

/* ---- goroutines ---- */

static struct err *begin_goroutines(struct sql_cursor *c, int key, int64_t value)
{
    const struct snap *s = c->q->s;
    if (!key)
        return begin_rows(c, s->goroutine.n);
    for (uint32_t i = 0; i < s->goroutine.n; i++)
        if (s->goroutine.id[i] == (uint64_t)value)
            return begin_at(c, i, true);
    return begin_at(c, 0, false);
}

static uint32_t place_frame(const struct snap *s, uint32_t pc)
{
    return pc != SNAP_NONE && s->pc.frames[pc] ? s->pc.frame[pc] : SNAP_NONE;
}

static void put_labels(sqlite3_context *out, const struct snap *s, uint32_t set)
{
    uint32_t first, n = snap_labels_of(s, set, &first);
    struct buf b = {0};
    for (uint32_t i = first; i < first + n; i++)
        buf_printf(&b, "%s%s=%s", i > first ? " " : "", snap_str(s, s->label.key[i]),
                   snap_str(s, s->label.value[i]));
    put_buf(out, &b);
}

static void put_retained_of_goroutine(const struct sql_cursor *c, sqlite3_context *out)
{
    const struct heap_graph *g = c->q->g;
    uint32_t node = g ? heap_holder_node(g, SNAP_ROOT_STACK, (uint32_t)c->row) : SNAP_NONE;
    put_known(out, node != SNAP_NONE && heap_has_retained(g),
              node != SNAP_NONE ? heap_retained(g, node) : 0);
}

static void cell_goroutines(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t g = (uint32_t)c->row, creator = place_frame(s, s->goroutine.creator[g]);
    uint32_t start = place_frame(s, s->goroutine.start[g]), thread = s->goroutine.thread[g];
    int64_t wait = snap_wait_ns(s, g);
    switch (column) {
    case 0:
        return put_int(out, s->goroutine.id[g]);
    case 1:
        return put_text(out, snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    case 2:
        return put_str(out, s, s->goroutine.wait_reason[g]);
    case 3:
        return put_known(out, wait >= 0, (uint64_t)wait);
    case 4:
        return put_known(out, s->goroutine.parent_id[g] != 0, s->goroutine.parent_id[g]);
    case 5:
        return put_text(out, creator == SNAP_NONE ? NULL : snap_str(s, s->frame.func[creator]));
    case 6:
        return put_text(out, creator == SNAP_NONE ? NULL : snap_str(s, s->frame.file[creator]));
    case 7:
        return put_known(out, creator != SNAP_NONE,
                         creator == SNAP_NONE ? 0 : s->frame.line[creator]);
    case 8:
        return put_text(out, start == SNAP_NONE ? NULL : snap_str(s, s->frame.func[start]));
    case 9:
        return put_int(out, s->goroutine.depth[g]);
    case 10:
        return put_known(out, thread != SNAP_NONE, thread == SNAP_NONE ? 0 : s->thread.tid[thread]);
    case 11:
        return put_labels(out, s, s->goroutine.labels[g]);
    case 12:
        return put_int(out, (s->goroutine.flags[g] & SNAP_GF_SYSTEM) != 0);
    case 13:
        return put_int(out, s->goroutine.stack_hi[g] - s->goroutine.stack_lo[g]);
    case 14:
        return put_int(out, s->goroutine.addr[g]);
    default:
        return put_retained_of_goroutine(c, out);
    }
}

/* ---- frames ---- */

/* Steps to the first frame at or after the stack node c->node of goroutine c->row. */
static void settle_frame(struct sql_cursor *c)
{
    const struct snap *s = c->q->s;
    while (c->row < c->end) {
        while (c->node != SNAP_NONE && !s->pc.frames[s->stack.pc[c->node]])
            c->node = s->stack.parent[c->node];
        if (c->node != SNAP_NONE) {
            c->frame = s->pc.frame[s->stack.pc[c->node]] + c->inlined;
            return;
        }
        if (++c->row < c->end)
            c->node = s->goroutine.stack[c->row];
        c->sub = c->inlined = 0;
    }
    c->done = true;
}

static struct err *begin_frames(struct sql_cursor *c, int key, int64_t value)
{
    TRY(begin_goroutines(c, key, value));
    if (!c->done) {
        c->node = c->q->s->goroutine.stack[c->row];
        settle_frame(c);
    }
    return NULL;
}

static void next_frame(struct sql_cursor *c)
{
    const struct snap *s = c->q->s;
    c->sub++;
    if (++c->inlined >= s->pc.frames[s->stack.pc[c->node]]) {
        c->inlined = 0;
        c->node = s->stack.parent[c->node];
    }
    settle_frame(c);
}

static void cell_frames(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    switch (column) {
    case 0:
        return put_int(out, s->goroutine.id[c->row]);
    case 1:
        return put_int(out, c->sub);
    case 2:
        return put_str(out, s, s->frame.func[c->frame]);
    case 3:
        return put_str(out, s, s->frame.file[c->frame]);
    case 4:
        return put_int(out, s->frame.line[c->frame]);
    case 5:
        return put_int(out, s->pc.addr[s->stack.pc[c->node]]);
    case 6:
        return put_int(out, (s->frame.flags[c->frame] & SNAP_FF_INLINED) != 0);
    default:
        return put_int(out, s->frame.func_id[c->frame] == SNAP_FN_WRAPPER);
    }
}

/* ---- threads, procs, runq, timers, waits: the scheduler ---- */

static struct err *begin_threads(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->thread.n);
}

static void put_goroutine(sqlite3_context *out, const struct snap *s, uint32_t g)
{
    put_known(out, g != SNAP_NONE, g == SNAP_NONE ? 0 : s->goroutine.id[g]);
}

static void put_proc(sqlite3_context *out, const struct snap *s, uint32_t p)
{
    put_known(out, p != SNAP_NONE, p == SNAP_NONE ? 0 : (uint64_t)s->proc.id[p]);
}

static void cell_threads(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t t = (uint32_t)c->row;
    switch (column) {
    case 0:
        return put_int(out, s->thread.tid[t]);
    case 1:
        return put_known(out, s->thread.id[t] >= 0, (uint64_t)s->thread.id[t]);
    case 2:
        return put_str(out, s, s->thread.name[t]);
    case 3:
        return put_str(out, s, s->thread.kstate[t]);
    case 4:
        return put_str(out, s, s->thread.syscall_name[t]);
    case 5:
        return put_goroutine(out, s, s->thread.goroutine[t]);
    case 6:
        return put_proc(out, s, s->thread.proc[t]);
    case 7:
        return put_text(out, snap_where_name((enum snap_where)s->thread.where[t]));
    case 8:
        return put_known(out, s->thread.lockedg[t] != 0, s->thread.lockedg[t]);
    case 9:
        return put_int(out, (s->thread.flags[t] & SNAP_TF_SPINNING) != 0);
    default:
        return put_int(out, (s->thread.flags[t] & SNAP_TF_IDLE) != 0);
    }
}

static struct err *begin_procs(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->proc.n);
}

static void cell_procs(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t p = (uint32_t)c->row, t = s->proc.thread[p];
    switch (column) {
    case 0:
        return put_int(out, (uint64_t)s->proc.id[p]);
    case 1:
        return put_text(out, snap_pstatus_name((enum snap_pstatus)s->proc.status[p]));
    case 2:
        return put_known(out, t != SNAP_NONE, t == SNAP_NONE ? 0 : s->thread.tid[t]);
    case 3:
        return put_int(out, s->proc.runq[p]);
    case 4:
        return put_known(out, s->proc.runnext[p] != 0, s->proc.runnext[p]);
    case 5:
        return put_int(out, s->proc.timers[p]);
    case 6:
        return put_int(out, s->proc.gfree[p]);
    case 7:
        return put_int(out, s->proc.schedtick[p]);
    default:
        return put_int(out, s->proc.syscalltick[p]);
    }
}

static struct err *begin_runq(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->runq.n);
}

static void cell_runq(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    if (column == 0)
        return put_proc(out, s, s->runq.proc[c->row]);
    put_goroutine(out, s, s->runq.goroutine[c->row]);
}

static struct err *begin_timers(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->timer.n);
}

static void cell_timers(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t t = (uint32_t)c->row, f = place_frame(s, s->timer.func[t]);
    int64_t now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
    switch (column) {
    case 0:
        return put_proc(out, s, s->timer.proc[t]);
    case 1:
        return put_int(out, s->timer.addr[t]);
    case 2:
        return put_known(out, now > 0 && s->timer.proc[t] != SNAP_NONE,
                         (uint64_t)(s->timer.when[t] - now));
    case 3:
        return put_int(out, (uint64_t)s->timer.period[t]);
    case 4:
        return put_text(out, f == SNAP_NONE ? NULL : snap_str(s, s->frame.func[f]));
    default:
        return put_int(out, s->timer.arg[t]);
    }
}

static struct err *begin_waits(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->wait.n);
}

static void cell_waits(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    switch (column) {
    case 0:
        return put_goroutine(out, s, s->wait.goroutine[c->row]);
    case 1:
        return put_text(out, snap_waitkind_name((enum snap_waitkind)s->wait.kind[c->row]));
    case 2:
        return put_int(out, s->wait.addr[c->row]);
    default:
        return put_known(out, s->wait.elem[c->row] != 0, s->wait.elem[c->row]);
    }
}

/* ---- objects ---- */

static struct err *begin_objects(struct sql_cursor *c, int key, int64_t value)
{
    const struct heap_graph *g = c->q->g;
    uint32_t slot = SNAP_NONE;
    if (!g)
        return begin_rows(c, 0);
    if (key == 1 && value >= 0 && value < heap_slots(g))
        slot = (uint32_t)value;
    if (key == 2) {
        slot = heap_find(g, (taddr)value, NULL);
        if (slot != SNAP_NONE && heap_address(g, slot) != (taddr)value)
            slot = SNAP_NONE;
    }
    if (key)
        return begin_at(c, slot, slot != SNAP_NONE && heap_allocated(g, slot));
    begin_rows(c, heap_slots(g));
    while (!c->done && !heap_allocated(g, (uint32_t)c->row))
        next_row(c);
    return NULL;
}

static void next_object(struct sql_cursor *c)
{
    do
        next_row(c);
    while (!c->done && !heap_allocated(c->q->g, (uint32_t)c->row));
}

static void cell_objects(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct heap_graph *g = c->q->g;
    uint32_t slot = (uint32_t)c->row;
    bool live = heap_live(g, slot), retained = live && heap_has_retained(g);
    switch (column) {
    case 0:
        return put_int(out, slot);
    case 1:
        return put_int(out, heap_address(g, slot));
    case 2:
        return put_text(out, heap_shape_name(g, slot));
    case 3:
        return put_int(out, heap_size(g, slot));
    case 4:
        return put_int(out, live);
    case 5:
        return put_known(out, retained, retained ? heap_retained(g, slot) : 0);
    case 6:
        return put_node(out, g, retained ? heap_dominator(g, slot) : SNAP_NONE);
    case 7:
        return put_node(out, g, retained ? heap_kept_by(g, slot) : SNAP_NONE);
    case 8:
        return put_int(out, heap_survived(g, slot));
    default:
        return put_int(out, heap_span(g, slot));
    }
}

/* ---- edges ---- */

/* Steps to an object that has an edge left (and, with a wanted target, one that leads there). */
static void settle_edge(struct sql_cursor *c)
{
    for (;;) {
        while (snap_edges_next(&c->edges)) {
            c->sub++;
            if (c->want == SNAP_NONE || c->edges.target == c->want)
                return;
        }
        if (c->list ? c->at >= c->nlist : ++c->row >= c->end)
            break;
        if (c->list)
            c->row = c->list[c->at++];
        c->sub = 0;
        snap_edges_init(&c->edges, c->q->s, (uint32_t)c->row);
    }
    c->done = true;
}

/* The objects that point to one: found with all cores, and then walked. */
static struct err *begin_referrers(struct sql_cursor *c, uint32_t target)
{
    const struct heap_graph *g = c->q->g;
    uint64_t total = 0;
    size_t room = 64;
    do {
        room = total > room ? (size_t)total : room;
        free(c->list);
        if (!(c->list = mem_try_alloc(room * sizeof(*c->list))))
            return err_new(ERR_NOMEM, "no memory for a list of objects");
        TRY(heap_referrers(g, target, room, c->list, &c->nlist, &total));
    } while (total > room);
    c->want = target;
    settle_edge(c);
    return NULL;
}

static struct err *begin_edges(struct sql_cursor *c, int key, int64_t value)
{
    const struct heap_graph *g = c->q->g;
    bool exists = g && value >= 0 && value < heap_slots(g);
    if (!g || (key && !exists))
        return begin_rows(c, 0);
    if (key == 2)
        return begin_referrers(c, (uint32_t)value);
    c->row = key ? (uint64_t)value : 0;
    c->end = key ? c->row + 1 : c->q->s->scanslot.n;
    if (c->row >= c->end)
        return begin_rows(c, 0);
    snap_edges_init(&c->edges, c->q->s, (uint32_t)c->row);
    settle_edge(c);
    return NULL;
}

static void cell_edges(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    struct buf b = {0};
    switch (column) {
    case 0:
        return put_int(out, c->row);
    case 1:
        return put_int(out, c->edges.target);
    case 2:
        return put_int(out, c->edges.word);
    case 3:
        heap_word_text(c->q->g, (uint32_t)c->row, c->edges.word, &b);
        return put_buf(out, &b);
    default:
        return put_int(out, (c->edges.flags & SNAP_EDGE_INTERIOR) != 0);
    }
}

/* ---- types, spans, globals, roots, buckets ---- */

static struct err *begin_types(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->type.n);
}

static void cell_types(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t t = (uint32_t)c->row, elem = s->type.elem[t], key = s->type.key[t];
    switch (column) {
    case 0:
        return put_int(out, t);
    case 1:
        return put_str(out, s, s->type.name[t]);
    case 2:
        return put_str(out, s, s->type.package[t]);
    case 3:
        return put_int(out, s->type.kind[t]);
    case 4:
        return put_int(out, s->type.size[t]);
    case 5:
        return put_int(out, s->type.ptr_bytes[t]);
    case 6:
        return put_known(out, elem != SNAP_NONE, elem);
    case 7:
        return put_known(out, key != SNAP_NONE, key);
    case 8:
        return put_int(out, s->type.fields[t]);
    default:
        return put_known(out, s->type.addr[t] != 0, s->type.addr[t]);
    }
}

static struct err *begin_spans(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->span.n);
}

static void cell_spans(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    uint32_t i = (uint32_t)c->row;
    switch (column) {
    case 0:
        return put_int(out, i);
    case 1:
        return put_int(out, s->span.addr[i]);
    case 2:
        return put_int(out, (uint64_t)s->span.pages[i] * 8192);
    case 3:
        return put_int(out, s->span.elem_size[i]);
    case 4:
        return put_int(out, s->span.elems[i]);
    case 5:
        return put_int(out, s->span.allocated[i]);
    case 6:
        return put_int(out, s->span.slot[i]);
    case 7:
        return put_int(out, s->span.class[i] >> 1);
    default:
        return put_int(out, s->span.class[i] & 1);
    }
}

static struct err *begin_globals(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->s->global.n);
}

static void cell_globals(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct snap *s = c->q->s;
    const struct heap_graph *g = c->q->g;
    uint32_t i = (uint32_t)c->row, type = s->global.type[i];
    uint32_t node = g ? heap_holder_node(g, SNAP_ROOT_GLOBAL, i) : SNAP_NONE;
    bool retained = node != SNAP_NONE && heap_has_retained(g);
    switch (column) {
    case 0:
        return put_str(out, s, s->global.name[i]);
    case 1:
        return put_int(out, s->global.addr[i]);
    case 2:
        return put_known(out, s->global.size[i] != 0, s->global.size[i]);
    case 3:
        return put_text(out, type == SNAP_NONE ? NULL : snap_str(s, s->type.name[type]));
    default:
        return put_known(out, retained, retained ? heap_retained(g, node) : 0);
    }
}

static struct err *begin_roots(struct sql_cursor *c, int key, int64_t value)
{
    return begin_rows(c, c->q->g ? c->q->s->root.n : 0);
}

static void cell_roots(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    static const char *const kinds[] = {"global", "stack", "register", "special", "queue", "other"};
    const struct snap *s = c->q->s;
    uint32_t i = (uint32_t)c->row, g = s->root.goroutine[i];
    struct buf b = {0};
    switch (column) {
    case 0:
        return put_text(out, kinds[s->root.kind[i]]);
    case 1:
        return put_int(out, s->root.slot[i]);
    case 2:
        return put_known(out, s->root.addr[i] != 0, s->root.addr[i]);
    case 3:
        return put_known(out, g != SNAP_NONE, g == SNAP_NONE ? 0 : s->goroutine.id[g]);
    case 4:
        heap_root_text(c->q->g, i, &b);
        return put_buf(out, &b);
    default:
        return put_int(out, (s->root.flags[i] & SNAP_RF_CONSERVATIVE) != 0);
    }
}

/* ---- dominators: objects and holders, as a tree ---- */

static uint32_t node_at(const struct sql_cursor *c)
{
    return (uint32_t)c->row;
}

static void skip_dead(struct sql_cursor *c)
{
    while (!c->done && !heap_live(c->q->g, node_at(c)))
        next_row(c);
}

static struct err *begin_dominators(struct sql_cursor *c, int key, int64_t value)
{
    const struct heap_graph *g = c->q->g;
    if (!g || !heap_has_retained(g))
        return begin_rows(c, 0);
    uint64_t n = (uint64_t)heap_slots(g) + heap_holders(g);
    if (key)
        return begin_at(c, (uint64_t)value,
                        value >= 0 && (uint64_t)value < n && heap_live(g, (uint32_t)value));
    begin_rows(c, n);
    skip_dead(c);
    return NULL;
}

static void next_dominator(struct sql_cursor *c)
{
    next_row(c);
    skip_dead(c);
}

static void cell_dominators(const struct sql_cursor *c, int column, sqlite3_context *out)
{
    const struct heap_graph *g = c->q->g;
    uint32_t node = node_at(c), above = heap_dominator(g, node);
    switch (column) {
    case 0:
        return put_int(out, node);
    case 1:
        return put_known(out, above != SNAP_NONE && above != HEAP_ALL, above);
    case 2:
        return put_int(out, heap_retained(g, node));
    case 3:
        return put_int(out, heap_is_object(g, node));
    default:
        return put_node(out, g, node);
    }
}

const struct sql_table sql_tables[] = {
    {"goroutines", "what every goroutine does",
     "CREATE TABLE goroutines(id INTEGER, status TEXT, wait_reason TEXT, wait_ns INTEGER, "
     "parent INTEGER, creator_func TEXT, creator_file TEXT, creator_line INTEGER, start_func TEXT, "
     "depth INTEGER, tid INTEGER, labels TEXT, system INTEGER, stack_bytes INTEGER, addr INTEGER, "
     "retained INTEGER)",
     .keys = {0, -1}, .begin = begin_goroutines, .next = next_row, .cell = cell_goroutines},
    {"frames", "every frame of every stack, 0 innermost",
     "CREATE TABLE frames(goroutine INTEGER, depth INTEGER, func TEXT, file TEXT, line INTEGER, "
     "pc INTEGER, inlined INTEGER, wrapper INTEGER)",
     .keys = {0, -1}, .begin = begin_frames, .next = next_frame, .cell = cell_frames},
    {"threads", "every thread: its M, what it runs, where it is",
     "CREATE TABLE threads(tid INTEGER, m INTEGER, name TEXT, state TEXT, syscall TEXT, "
     "goroutine INTEGER, proc INTEGER, at TEXT, locked_goroutine INTEGER, spinning INTEGER, "
     "idle INTEGER)",
     .keys = {-1, -1}, .begin = begin_threads, .next = next_row, .cell = cell_threads},
    {"procs", "every P, with its run queue",
     "CREATE TABLE procs(id INTEGER, status TEXT, tid INTEGER, runq INTEGER, runnext INTEGER, "
     "timers INTEGER, free_goroutines INTEGER, schedtick INTEGER, syscalltick INTEGER)",
     .keys = {-1, -1}, .begin = begin_procs, .next = next_row, .cell = cell_procs},
    {"runq", "what is in the run queues, in their order; proc NULL: the global one",
     "CREATE TABLE runq(proc INTEGER, goroutine INTEGER)", .keys = {-1, -1}, .begin = begin_runq,
     .next = next_row, .cell = cell_runq},
    {"timers", "timers that will fire",
     "CREATE TABLE timers(proc INTEGER, addr INTEGER, in_ns INTEGER, period_ns INTEGER, func TEXT, "
     "arg INTEGER)",
     .keys = {-1, -1}, .begin = begin_timers, .next = next_row, .cell = cell_timers},
    {"waits", "what goroutines wait for: channels and semaphores, each case of a select",
     "CREATE TABLE waits(goroutine INTEGER, kind TEXT, addr INTEGER, elem INTEGER)",
     .keys = {-1, -1}, .begin = begin_waits, .next = next_row, .cell = cell_waits},
    {"objects", "every object of the heap",
     "CREATE TABLE objects(slot INTEGER, addr INTEGER, type TEXT, size INTEGER, live INTEGER, "
     "retained INTEGER, dominator TEXT, kept_by TEXT, survived INTEGER, span INTEGER)",
     .heap = true, .keys = {0, 1}, .begin = begin_objects, .next = next_object,
     .cell = cell_objects},
    {"edges", "every pointer between objects, by slots: src = N and dst = N are looked up",
     "CREATE TABLE edges(src INTEGER, dst INTEGER, word INTEGER, field TEXT, interior INTEGER)",
     .heap = true, .edges = true, .keys = {0, 1}, .begin = begin_edges, .next = settle_edge,
     .cell = cell_edges},
    {"types", "the Go types of objects and what they consist of",
     "CREATE TABLE types(id INTEGER, name TEXT, package TEXT, kind INTEGER, size INTEGER, "
     "ptr_bytes INTEGER, elem INTEGER, key INTEGER, fields INTEGER, addr INTEGER)",
     .heap = true, .keys = {-1, -1}, .begin = begin_types, .next = next_row, .cell = cell_types},
    {"spans", "the runs of pages that objects of one size lie in",
     "CREATE TABLE spans(id INTEGER, addr INTEGER, bytes INTEGER, elem_size INTEGER, elems "
     "INTEGER, "
     "allocated INTEGER, first_slot INTEGER, size_class INTEGER, no_pointers INTEGER)",
     .heap = true, .keys = {-1, -1}, .begin = begin_spans, .next = next_row, .cell = cell_spans},
    {"globals", "package-level variables, with what they alone keep alive",
     "CREATE TABLE globals(name TEXT, addr INTEGER, size INTEGER, type TEXT, retained INTEGER)",
     .heap = true, .keys = {-1, -1}, .begin = begin_globals, .next = next_row,
     .cell = cell_globals},
    {"roots", "every pointer to the heap from outside it",
     "CREATE TABLE roots(kind TEXT, slot INTEGER, addr INTEGER, goroutine INTEGER, place TEXT, "
     "conservative INTEGER)",
     .heap = true, .keys = {-1, -1}, .begin = begin_roots, .next = next_row, .cell = cell_roots},
    {"dominators", "the dominator tree: objects (node = slot), variables and goroutines",
     "CREATE TABLE dominators(node INTEGER, dominator INTEGER, retained INTEGER, object INTEGER, "
     "name TEXT)",
     .heap = true, .keys = {0, -1}, .begin = begin_dominators, .next = next_dominator,
     .cell = cell_dominators},
};
const size_t sql_ntables = ARRAY_LEN(sql_tables);
