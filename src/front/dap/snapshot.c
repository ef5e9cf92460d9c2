/* snapshot.c - all goroutines at once: the request goroutinesSnapshot, the list of threads, and the
 * mode in which a session is a snapshot and there is no process.
 *
 * At a stop one picture is taken and kept until the program runs again, so that pages of it agree.
 * A program that runs is stopped for as long as that takes; the answer says for how long.  Pages
 * behind the first are then of the picture that the first one made. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/dap/dap_int.h"
#include "snap/filter.h"
#include "snap/names.h"

enum {
    NAME_DEPTH = 40
}; /* frames within which the function is looked for that names a goroutine */

/* ---- taking it ---- */

struct taking {
    struct dap_server *server;
    struct progress progress; /* first of what the callback gets */
    unsigned depth;
    struct snap *snap;
};

static bool cancelled(struct progress *p)
{
    struct taking *t = (struct taking *)((char *)p - offsetof(struct taking, progress));
    return dap_cancelled(t->server);
}

static struct err *take(void *arg)
{
    struct taking *t = arg;
    struct rt_capture_options o = {
        .max_depth = t->depth, .goroutines_only = true, .progress = &t->progress};
    return dbg_snapshot(t->server->session.d, &o, &t->snap);
}

struct err *dap_snap(struct dap_client *c, unsigned depth, bool again, struct snap **ret)
{
    struct dap_session *s = &c->server->session;
    bool running = s->d && dbg_state(s->d) == DBG_RUNS;
    bool usable = s->snap && (s->snap_depth == 0 || (depth && depth <= s->snap_depth));
    *ret = s->snap;
    if (s->kind == DAP_SNAPSHOT || (usable && (!running || !again)))
        return NULL;
    struct taking t = {.server = c->server, .depth = depth, .progress.cancelled = cancelled};
    int64_t pause = 0;
    TRY(dap_while_standing(c->server, take, &t, &pause));
    snap_free(s->snap);
    s->snap = *ret = t.snap;
    s->snap_depth = depth;
    s->snap_pause_ns = pause;
    return NULL;
}

/* ---- words ---- */

struct namer {
    const struct snap *s;
    struct snap_codes codes;
    struct snap_tops tops;
};

static void namer_init(struct namer *n, const struct snap *s)
{
    n->s = s;
    snap_codes_init(&n->codes, s);
    snap_tops_init(&n->tops, s, &n->codes);
}

static void namer_free(struct namer *n)
{
    snap_tops_free(&n->tops);
    snap_codes_free(&n->codes);
}

/* The function of the program itself that the goroutine is in; else what comes nearest. */
static uint32_t frame_of(const struct namer *n, uint32_t g)
{
    uint32_t node = n->s->goroutine.stack[g];
    if (node == SNAP_NONE)
        return SNAP_NONE;
    return n->tops.user[node] != SNAP_NONE     ? n->tops.user[node]
           : n->tops.bottom[node] != SNAP_NONE ? n->tops.bottom[node]
                                               : n->tops.top[node];
}

/* "[12 chan receive 3 min] main.worker request=7" */
static void name_text(const struct namer *n, uint32_t g, struct buf *b)
{
    const struct snap *s = n->s;
    uint32_t reason = s->goroutine.wait_reason[g], frame = frame_of(n, g), first;
    int64_t wait = snap_wait_ns(s, g);
    buf_printf(b, "[%llu ", (unsigned long long)s->goroutine.id[g]);
    buf_str(b, reason ? snap_str(s, reason)
                      : snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    if (wait >= NSEC_PER_SEC) {
        buf_char(b, ' ');
        text_ns(b, wait);
    }
    buf_str(b, "]");
    if (frame != SNAP_NONE) {
        buf_char(b, ' ');
        snap_short_func(b, snap_str(s, s->frame.func[frame]));
    } else if (s->goroutine.start[g] != SNAP_NONE && s->pc.frames[s->goroutine.start[g]]) {
        buf_char(b, ' ');
        snap_short_func(b, snap_str(s, s->frame.func[s->pc.frame[s->goroutine.start[g]]]));
    }
    uint32_t labels = snap_labels_of(s, s->goroutine.labels[g], &first);
    for (uint32_t i = first; i < first + labels; i++)
        buf_printf(b, " %s=%s", snap_str(s, s->label.key[i]), snap_str(s, s->label.value[i]));
}

static struct err *choose(const struct snap *s, const char *filter, bool system,
                          struct snap_rows *ret)
{
    struct snap_filter *f = NULL;
    if (*filter)
        TRY(snap_filter_compile(filter, &f));
    struct snap_selection sel = {(const struct snap_filter *const *)&f, *filter ? 1 : 0, system};
    struct err *e = snap_select(s, &sel, ret);
    snap_filter_free(f);
    return e;
}

/* ---- threads ---- */

static void thread_json(const struct namer *n, uint32_t g, struct json *j)
{
    struct buf name = {0};
    json_begin(j, '{');
    json_ku64(j, "id", n->s->goroutine.id[g]);
    name_text(n, g, &name);
    json_kstr(j, "name", buf_text(&name));
    buf_free(&name);
    json_end(j, '}');
}

/* The thread that stopped, when it runs no goroutine. */
static void bare_thread_json(const struct dap_session *s, struct json *j)
{
    const struct dbg_event *ev = s->d ? dbg_stop(s->d) : NULL;
    struct buf name = {0};
    if (!ev || dbg_state(s->d) != DBG_STANDS || ev->goroutine || !ev->tid)
        return;
    json_begin(j, '{');
    json_ki64(j, "id", dap_thread_of(ev));
    buf_printf(&name, "[thread %d without a goroutine]", ev->tid);
    json_kstr(j, "name", buf_text(&name));
    buf_free(&name);
    json_end(j, '}');
}

struct err *dap_do_threads(struct dap_client *c, const struct dap_threads *a, struct json *j)
{
    struct dap_session *se = &c->server->session;
    struct snap *s;
    struct snap_rows rows;
    struct namer n;
    if (dap_state_of(c) == DAP_OVER) {
        json_key(j, "threads");
        json_begin(j, '[');
        json_end(j, ']');
        return NULL;
    }
    TRY(dap_snap(c, NAME_DEPTH, a->offset == 0, &s));
    TRY(choose(s, a->filter, !se->hide_system, &rows));
    namer_init(&n, s);
    json_key(j, "threads");
    json_begin(j, '[');
    if (!a->offset && !*a->filter)
        bare_thread_json(se, j);
    for (uint64_t i = (uint64_t)a->offset; i < rows.n; i++)
        if (!a->count || i - (uint64_t)a->offset < (uint64_t)a->count)
            thread_json(&n, rows.v[i], j);
    json_end(j, ']');
    json_ku64(j, "total", rows.n); /* ours: for those who ask for pages */
    namer_free(&n);
    snap_rows_free(&rows);
    return NULL;
}

int64_t dap_first_goroutine(struct dap_client *c)
{
    const struct snap *s = c->server->session.snap;
    return s && s->goroutine.n ? (int64_t)s->goroutine.id[0] : 0;
}

/* ---- goroutinesSnapshot ---- */

struct writer {
    const struct snap *s;
    struct namer names;
    struct json *j;
    unsigned depth;
    char **stacks; /* by stack node: the JSON of its frames, made when it is first met */
    size_t *sizes;
};

static struct err *to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void frame_json(const struct snap *s, uint32_t pc, uint32_t frame, struct json *j)
{
    json_begin(j, '{');
    json_kstr(j, "function", frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[frame]));
    json_kstr(j, "file", frame == SNAP_NONE ? "" : snap_str(s, s->frame.file[frame]));
    json_ku64(j, "line", frame == SNAP_NONE ? 0 : s->frame.line[frame]);
    json_kaddr(j, "pc", s->pc.addr[pc]);
    json_end(j, '}');
}

static void render_stack(struct writer *w, uint32_t node)
{
    struct snap_stack_iter it;
    struct buf text = {0};
    struct json j;
    unsigned n = 0;
    json_init(&j, to_buf, &text);
    json_begin(&j, '[');
    snap_stack_iter_init(&it, w->s, node);
    while (n < w->depth && snap_stack_next(&it)) {
        frame_json(w->s, it.pc, it.frame, &j);
        n++;
    }
    json_end(&j, ']');
    err_free(json_finish(&j));
    w->sizes[node] = text.n;
    w->stacks[node] = buf_take(&text);
}

static void stack_json(struct writer *w, uint32_t node)
{
    json_key(w->j, "stack");
    if (node == SNAP_NONE) {
        json_begin(w->j, '[');
        json_end(w->j, ']');
        return;
    }
    if (!w->stacks[node])
        render_stack(w, node);
    json_raw(w->j, w->stacks[node], w->sizes[node]);
}

static void goroutine_json(struct writer *w, uint32_t g, bool stacks)
{
    const struct snap *s = w->s;
    struct json *j = w->j;
    struct buf name = {0};
    uint32_t first, labels = snap_labels_of(s, s->goroutine.labels[g], &first);
    int64_t wait = snap_wait_ns(s, g);
    json_begin(j, '{');
    json_ku64(j, "id", s->goroutine.id[g]);
    json_kstr(j, "status", snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    if (s->goroutine.wait_reason[g])
        json_kstr(j, "waitReason", snap_str(s, s->goroutine.wait_reason[g]));
    if (wait >= 0)
        json_ki64(j, "wait_ns", wait);
    name_text(&w->names, g, &name);
    json_kstr(j, "name", buf_text(&name));
    buf_free(&name);
    if (labels) {
        json_key(j, "labels");
        json_begin(j, '{');
        for (uint32_t i = first; i < first + labels; i++)
            json_kstr(j, snap_str(s, s->label.key[i]), snap_str(s, s->label.value[i]));
        json_end(j, '}');
    }
    if (stacks)
        stack_json(w, s->goroutine.stack[g]);
    json_end(j, '}');
}

static struct err *write_goroutines(struct writer *w, const struct dap_goroutinesSnapshot *a,
                                    const struct snap_rows *rows)
{
    uint64_t first = (uint64_t)a->offset, n = 0;
    w->stacks = mem_try_alloc((w->s->stack.n + 1) * sizeof(*w->stacks));
    w->sizes = mem_try_alloc((w->s->stack.n + 1) * sizeof(*w->sizes));
    if (!w->stacks || !w->sizes)
        return err_new(ERR_NOMEM, "no memory for the stacks of %zu goroutines", rows->n);
    namer_init(&w->names, w->s);
    json_key(w->j, "goroutines");
    json_begin(w->j, '[');
    for (uint64_t i = first; i < rows->n && (!a->count || n < (uint64_t)a->count); i++, n++)
        goroutine_json(w, rows->v[i], a->includeStacks);
    json_end(w->j, ']');
    namer_free(&w->names);
    return NULL;
}

struct err *dap_do_goroutinesSnapshot(struct dap_client *c, const struct dap_goroutinesSnapshot *a,
                                      struct json *j)
{
    struct dap_session *se = &c->server->session;
    struct snap_rows rows;
    struct snap *s;
    bool moving = se->d && dbg_state(se->d) == DBG_RUNS;
    TRY(dap_snap(c, a->includeStacks ? (unsigned)a->maxDepth : NAME_DEPTH, a->offset == 0, &s));
    TRY(choose(s, a->filter, !se->hide_system, &rows));
    struct writer w = {.s = s, .j = j, .depth = (unsigned)a->maxDepth};
    struct err *e = write_goroutines(&w, a, &rows);
    for (size_t i = 0; w.stacks && i < s->stack.n; i++)
        free(w.stacks[i]);
    free(w.stacks);
    free(w.sizes);
    if (!e) {
        json_ku64(j, "total", rows.n);
        json_ku64(j, "offset", (uint64_t)a->offset);
        json_ki64(j, "pause_ns", moving ? se->snap_pause_ns : 0);
        json_ki64(j, "taken_ns", snap_meta_i64(s, SNAP_META_taken_wall_ns, 0));
    }
    snap_rows_free(&rows);
    return e;
}

/* ---- a snapshot as the session: stacks and what was captured of variables ---- */

static bool row_of(const struct snap *s, int64_t id, uint32_t *ret)
{
    for (size_t g = 0; g < s->goroutine.n; g++)
        if (s->goroutine.id[g] == (uint64_t)id) {
            *ret = (uint32_t)g;
            return true;
        }
    return false;
}

struct err *dap_file_stack(struct dap_client *c, const struct dap_stackTrace *a, struct json *j)
{
    const struct snap *s = c->server->session.snap;
    struct snap_stack_iter it;
    struct dap_stack st = {.thread = a->threadId};
    int64_t at = 0, id;
    if (!row_of(s, a->threadId, &st.row))
        return err_new(ERR_NOT_FOUND, "there is no goroutine %lld", (long long)a->threadId);
    size_t stack = c->hand.stacks.n;
    vec_push(&c->hand.stacks, st);
    json_key(j, "stackFrames");
    json_begin(j, '[');
    snap_stack_iter_init(&it, s, s->goroutine.stack[st.row]);
    for (; snap_stack_next(&it); at++) {
        if (at < a->startFrame || (a->levels && at >= a->startFrame + a->levels))
            continue;
        TRY(dap_frame_add(c, stack, it.index, &id));
        const char *func =
            it.frame == SNAP_NONE ? "(unknown)" : snap_str(s, s->frame.func[it.frame]);
        struct dap_frame_view v = {
            .id = id,
            .func = func,
            .file = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.file[it.frame]),
            .line = it.frame == SNAP_NONE ? 0 : s->frame.line[it.frame],
            .pc = s->pc.addr[it.pc],
            .subtle = snap_is_runtime_func(func)};
        dap_frame_json(c, &v, j);
    }
    json_end(j, ']');
    json_ki64(j, "totalFrames", at);
    return NULL;
}

/* Of a frame that is in hand: its goroutine's row and its number. */
static void file_place(struct dap_client *c, size_t frame, uint32_t *row, unsigned *index)
{
    const struct dap_frame *f = &c->hand.frames.v[frame];
    *row = c->hand.stacks.v[f->stack].row;
    *index = f->index;
}

struct err *dap_file_variables(struct dap_client *c, size_t frame, struct json *j)
{
    const struct snap *s = c->server->session.snap;
    uint32_t row, first, n;
    unsigned index;
    file_place(c, frame, &row, &index);
    n = snap_locals_of(s, row, &first);
    json_key(j, "variables");
    json_begin(j, '[');
    for (uint32_t i = first; i < first + n; i++) {
        if (s->local.frame[i] != index)
            continue;
        json_begin(j, '{');
        json_kstr(j, "name", snap_str(s, s->local.name[i]));
        json_kstr(j, "type", snap_str(s, s->local.type[i]));
        json_kstr(j, "value", snap_str(s, s->local.value[i]));
        json_ki64(j, "variablesReference", 0);
        json_end(j, '}');
    }
    json_end(j, ']');
    return NULL;
}
