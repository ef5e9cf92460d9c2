/* goroutines_json.c - goroutines for programs; docs/formats/goroutines.md, with its schema.
 *
 * Written as a stream: 100,000 goroutines with 2.5 million frames are 300 MB, none of which is
 * kept. What is not known is null, never left out. */
#include "report/goroutines.h"
#include "report/report_int.h"

enum { IDS_MAX = 10 };

struct writer {
    const struct report_goroutines *r;
    const struct snap *s;
    struct json j;
    struct frames frames;
    struct buf stack;
};

static struct err *add_to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

/* ,{"func":...}: stacks are put together of these. */
static void render_frame(struct frames *f, struct buf *b, uint32_t pc, uint32_t frame)
{
    const struct snap *s = f->s;
    struct json j;
    bool known = frame != SNAP_NONE;
    buf_char(b, ',');
    json_init(&j, add_to_buf, b);
    json_begin(&j, '{');
    json_kstr(&j, "func", known ? snap_str(s, s->frame.func[frame]) : NULL);
    json_kstr(&j, "file", known ? snap_str(s, s->frame.file[frame]) : NULL);
    json_ku64(&j, "line", known ? s->frame.line[frame] : 0);
    json_kaddr(&j, "pc", s->pc.addr[pc]);
    json_kbool(&j, "inlined", known && (s->frame.flags[frame] & SNAP_FF_INLINED));
    json_end(&j, '}');
    struct err *e = json_finish(&j); /* a buf never fails */
    err_free(e);
}

static void stack_json(struct writer *w, uint32_t node)
{
    struct json *j = &w->j;
    buf_clear(&w->stack);
    uint64_t left_out = frames_of_stack(&w->frames, &w->stack, node, w->r->depth);
    json_key(j, "stack");
    json_begin(j, '[');
    if (w->stack.n)
        json_raw(j, w->stack.p + 1, w->stack.n - 1);
    json_end(j, ']');
    json_ku64(j, "frames_left_out", left_out);
}

static void place_json(struct writer *w, uint32_t pc)
{
    const struct snap *s = w->s;
    uint32_t f = s->pc.frames[pc] ? s->pc.frame[pc] : SNAP_NONE;
    json_kstr(&w->j, "func", f == SNAP_NONE ? NULL : snap_str(s, s->frame.func[f]));
    json_kstr(&w->j, "file", f == SNAP_NONE ? NULL : snap_str(s, s->frame.file[f]));
    json_ku64(&w->j, "line", f == SNAP_NONE ? 0 : s->frame.line[f]);
    json_kaddr(&w->j, "pc", s->pc.addr[pc]);
}

static void creator_json(struct writer *w, uint32_t g)
{
    const struct snap *s = w->s;
    struct json *j = &w->j;
    json_key(j, "created_by");
    if (s->goroutine.creator[g] == SNAP_NONE) {
        json_null(j);
        return;
    }
    json_begin(j, '{');
    place_json(w, s->goroutine.creator[g]);
    json_key(j, "goroutine");
    if (s->goroutine.parent_id[g])
        json_u64(j, s->goroutine.parent_id[g]);
    else
        json_null(j);
    json_end(j, '}');
}

static void labels_json(struct writer *w, uint32_t g)
{
    const struct snap *s = w->s;
    uint32_t first, n = snap_labels_of(s, s->goroutine.labels[g], &first);
    json_key(&w->j, "labels");
    json_begin(&w->j, '{');
    for (uint32_t i = first; i < first + n; i++)
        json_kstr(&w->j, snap_str(s, s->label.key[i]), snap_str(s, s->label.value[i]));
    json_end(&w->j, '}');
}

static void flags_json(struct writer *w, uint32_t g)
{
    static const struct {
        unsigned flag;
        const char *name;
    } flags[] = {{SNAP_GF_SYSTEM, "system"},
                 {SNAP_GF_LOCKED, "locked"},
                 {SNAP_GF_SCAN, "scan"},
                 {SNAP_GF_CGO, "cgo"},
                 {SNAP_GF_ASYNC, "async_preempted"},
                 {SNAP_GF_NOT_VALIDATED, "not_validated"},
                 {SNAP_GF_STACK_PARTIAL, "stack_partial"},
                 {SNAP_GF_PARKING, "parking"},
                 {SNAP_GF_PANICKING, "panicking"},
                 {SNAP_GF_DURABLE, "durably_blocked"}};
    json_key(&w->j, "flags");
    json_begin(&w->j, '[');
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (w->s->goroutine.flags[g] & flags[i].flag)
            json_str(&w->j, flags[i].name);
    json_end(&w->j, ']');
}

static void waits_json(struct writer *w, uint32_t g)
{
    const struct snap *s = w->s;
    uint32_t first, n = s->wait.n ? snap_waits_of(s, g, &first) : 0;
    json_key(&w->j, "waits_for");
    json_begin(&w->j, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (s->wait.flags[first + i] & SNAP_WF_NIL_CASE)
            continue;
        json_begin(&w->j, '{');
        json_kstr(&w->j, "kind", snap_waitkind_name((enum snap_waitkind)s->wait.kind[first + i]));
        json_kaddr(&w->j, "addr", s->wait.addr[first + i]);
        json_end(&w->j, '}');
    }
    json_end(&w->j, ']');
}

static void local_json(struct writer *w, uint32_t i, uint64_t frame)
{
    const struct snap *s = w->s;
    struct json *j = &w->j;
    uint8_t flags = s->local.flags[i];
    json_begin(j, '{');
    json_ku64(j, "frame", frame);
    json_kstr(j, "name", snap_str(s, s->local.name[i]));
    json_kstr(j, "type", snap_str(s, s->local.type[i]));
    json_kstr(j, flags & SNAP_LF_UNREADABLE ? "unreadable" : "value",
              snap_str(s, s->local.value[i]));
    json_kstr(j, "kind",
              flags & SNAP_LF_ARG      ? "argument"
              : flags & SNAP_LF_RESULT ? "result"
                                       : "variable");
    json_kbool(j, "escaped", flags & SNAP_LF_ESCAPED);
    json_end(j, '}');
}

/* Those of the frames that "stack" shows, which is what `frame` counts. */
static void locals_json(struct writer *w, uint32_t g)
{
    struct snap_stack_iter it;
    uint32_t first, n = snap_locals_of(w->s, g, &first);
    json_key(&w->j, "locals");
    json_begin(&w->j, '[');
    snap_stack_iter_init(&it, w->s, n ? w->s->goroutine.stack[g] : SNAP_NONE);
    for (uint64_t at = 0; (!w->r->depth || at < w->r->depth) && snap_stack_next(&it); at++)
        for (uint32_t i = first; i < first + n; i++)
            if (w->s->local.frame[i] == it.index)
                local_json(w, i, at);
    json_end(&w->j, ']');
}

static void wait_json(struct json *j, const char *key, int64_t ns)
{
    json_key(j, key);
    if (ns >= 0)
        json_i64(j, ns);
    else
        json_null(j);
}

static void goroutine_json(struct writer *w, uint32_t g, int64_t now)
{
    const struct snap *s = w->s;
    struct json *j = &w->j;
    int64_t since = s->goroutine.wait_since[g];
    uint32_t thread = s->goroutine.thread[g], reason = s->goroutine.wait_reason[g];
    json_begin(j, '{');
    json_ku64(j, "id", s->goroutine.id[g]);
    json_kstr(j, "status", snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    json_kstr(j, "wait_reason", reason ? snap_str(s, reason) : NULL);
    wait_json(j, "wait_ns", since > 0 && now >= since ? now - since : -1);
    labels_json(w, g);
    creator_json(w, g);
    json_key(j, "thread");
    if (thread != SNAP_NONE)
        json_u64(j, s->thread.tid[thread]);
    else
        json_null(j);
    flags_json(w, g);
    waits_json(w, g);
    stack_json(w, s->goroutine.stack[g]);
    if (w->r->locals)
        locals_json(w, g);
    json_end(j, '}');
}

/* ---- groups ---- */

static void tallies_json(struct writer *w, const char *key, const struct snap_tallies *t)
{
    json_key(&w->j, key);
    json_begin(&w->j, '{');
    for (size_t i = 0; i < t->n; i++)
        json_ku64(&w->j, snap_str(w->s, (uint32_t)t->v[i].key), t->v[i].count);
    json_end(&w->j, '}');
}

static void states_json(struct writer *w, const struct snap_group *g)
{
    json_key(&w->j, "states");
    json_begin(&w->j, '{');
    for (unsigned st = 0; st < SNAP_G_COUNT; st++)
        if (g->by_state[st])
            json_ku64(&w->j, snap_gstatus_name((enum snap_gstatus)st), g->by_state[st]);
    json_end(&w->j, '}');
}

static void group_creators_json(struct writer *w, const struct snap_group *g)
{
    struct json *j = &w->j;
    json_key(j, "creators");
    json_begin(j, '[');
    for (size_t i = 0; i < g->creators.n; i++) {
        if (g->creators.v[i].key == SNAP_NONE)
            continue;
        json_begin(j, '{');
        json_ku64(j, "count", g->creators.v[i].count);
        place_json(w, (uint32_t)g->creators.v[i].key);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void group_objects_json(struct writer *w, const struct snap_group *g)
{
    struct json *j = &w->j;
    size_t n = g->objects.n < IDS_MAX ? g->objects.n : IDS_MAX;
    json_ku64(j, "objects", g->objects.n);
    json_key(j, "top_objects");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        json_begin(j, '{');
        json_kaddr(j, "addr", g->objects.v[i].key);
        json_ku64(j, "count", g->objects.v[i].count);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void group_json(struct writer *w, const struct snap_group *g)
{
    struct json *j = &w->j;
    json_begin(j, '{');
    json_kstr(j, "name", g->name);
    json_ku64(j, "count", g->count);
    states_json(w, g);
    tallies_json(w, "wait_reasons", &g->reasons);
    wait_json(j, "wait_max_ns", g->wait_max);
    wait_json(j, "wait_median_ns", g->wait_median);
    json_ku64(j, "wait_known", g->wait_known);
    json_ku64(j, "stacks", g->stacks);
    json_ku64(j, "locked", g->locked);
    json_ku64(j, "depth", g->depth);
    group_creators_json(w, g);
    group_objects_json(w, g);
    json_key(j, "ids");
    json_begin(j, '[');
    for (uint32_t i = 0; i < g->count && i < IDS_MAX; i++)
        json_u64(j, w->s->goroutine.id[g->rows[i]]);
    json_end(j, ']');
    json_kaddr(j, "key", g->hash);
    if (w->r->groups->by == SNAP_BY_STACK)
        stack_json(w, w->s->goroutine.stack[g->example]);
    json_end(j, '}');
}

/* At most r->limit of n; what is left out is counted. */
static size_t limited(const struct report_goroutines *r, size_t n)
{
    return r->limit && r->limit < n ? (size_t)r->limit : n;
}

static void groups_json(struct writer *w)
{
    const struct snap_groups *groups = w->r->groups;
    size_t shown = limited(w->r, groups->n);
    json_kstr(&w->j, "grouped_by", snap_group_by_name(groups->by));
    json_key(&w->j, "groups");
    json_begin(&w->j, '[');
    for (size_t i = 0; i < shown && !w->j.err; i++)
        group_json(w, &groups->v[i]);
    json_end(&w->j, ']');
    json_ku64(&w->j, "groups_left_out", groups->n - shown);
}

static void list_json(struct writer *w)
{
    const struct snap_rows *rows = w->r->rows;
    size_t shown = limited(w->r, rows->n);
    int64_t now = snap_meta_i64(w->s, SNAP_META_taken_mono_ns, 0);
    json_key(&w->j, "goroutines");
    json_begin(&w->j, '[');
    for (size_t i = 0; i < shown && !w->j.err; i++)
        goroutine_json(w, rows->v[i], now);
    json_end(&w->j, ']');
    json_ku64(&w->j, "goroutines_left_out", rows->n - shown);
}

struct err *report_goroutines_json(const struct report_goroutines *r, struct report_sink out)
{
    struct writer w = {.r = r, .s = r->snap};
    struct report_style plain = {0};
    frames_init(&w.frames, r->snap, &plain, render_frame);
    document_begin(&w.j, r->snap, out);
    json_ku64(&w.j, "count", r->rows->n);
    json_ku64(&w.j, "count_all", r->snap->goroutine.n);
    json_ku64(&w.j, "system_left_out", r->rows->system);
    if (r->groups)
        groups_json(&w);
    if (r->goroutines)
        list_json(&w);
    frames_free(&w.frames);
    buf_free(&w.stack);
    return document_end(&w.j, r->snap);
}
