/* stack.c - frames of a goroutine, the scopes of a frame, where a step could go. */
#include <string.h>

#include "base/text.h"
#include "dbg/place.h"
#include "front/dap/dap_int.h"
#include "snap/names.h"

enum { LEVELS_DEFAULT = 50, LEVELS_MAX = 100000 };

/* ---- stackTrace ---- */

void dap_frame_json(struct dap_client *c, const struct dap_frame_view *v, struct json *j)
{
    struct buf name = {0}, pc = {0};
    snap_short_func(&name, v->func);
    if (v->note)
        buf_printf(&name, " %s", v->note);
    buf_printf(&pc, "0x%llx", (unsigned long long)v->pc);
    json_begin(j, '{');
    json_ki64(j, "id", v->id);
    json_kstr(j, "name", buf_text(&name));
    if (*v->file)
        dap_source_json(c, "source", v->file, j);
    json_ki64(j, "line", *v->file ? dap_line_out(c, v->line) : 0);
    json_ki64(j, "column", 0);
    json_kstr(j, "instructionPointerReference", buf_text(&pc));
    json_kstr(j, "presentationHint", v->subtle ? "subtle" : "normal");
    json_end(j, '}');
    buf_free(&name);
    buf_free(&pc);
}

static void frame_out(struct dap_client *c, const struct rt_frame *f, int64_t id, struct json *j)
{
    struct rt_stand *st = dbg_stand(c->server->session.d);
    struct dap_frame_view v = {.id = id,
                               .func = *f->func ? rt_frame_name(st, f) : "(unknown)",
                               .file = f->file,
                               .line = f->line,
                               .pc = f->pc,
                               .subtle = f->runtime || f->wrapper || !f->entry};
    dap_frame_json(c, &v, j);
}

struct err *dap_do_stackTrace(struct dap_client *c, const struct dap_stackTrace *a, struct json *j)
{
    size_t stack, levels = a->levels ? (size_t)a->levels : LEVELS_MAX,
                  start = (size_t)a->startFrame;
    if (dap_state_of(c) == DAP_FILE)
        return dap_file_stack(c, a, j);
    if (levels > LEVELS_MAX)
        levels = LEVELS_MAX;
    /* One more tells whether there are more. */
    TRY(dap_stack_of(c, a->threadId, start + levels + 1, &stack));
    json_key(j, "stackFrames");
    json_begin(j, '[');
    size_t n = c->hand.stacks.v[stack].frames.n, end = n < start + levels ? n : start + levels;
    for (size_t i = start; i < end; i++) {
        int64_t id;
        TRY(dap_frame_add(c, stack, (unsigned)i, &id));
        frame_out(c, &c->hand.stacks.v[stack].frames.v[i], id, j);
    }
    const char *partial = c->hand.stacks.v[stack].frames.partial;
    if (partial && end == n && start < n) {
        json_begin(j, '{');
        json_ki64(j, "id", 0);
        json_kstr(j, "name", partial);
        json_ki64(j, "line", 0);
        json_ki64(j, "column", 0);
        json_kstr(j, "presentationHint", "label");
        json_end(j, '}');
    }
    json_end(j, ']');
    /* Of a stack that goes on, some more than are known: the protocol's way to say so. */
    json_ku64(j, "totalFrames", n > start + levels ? n + LEVELS_DEFAULT : n);
    return NULL;
}

/* ---- scopes ---- */

static struct err *scope(struct dap_client *c, size_t frame, enum dap_scope kind, const char *name,
                         const char *hint, bool expensive, struct json *j)
{
    struct dap_handle h = {.scope = kind, .frame = frame};
    int64_t ref;
    TRY(dap_handle_add(c, &h, &ref));
    json_begin(j, '{');
    json_kstr(j, "name", name);
    if (hint)
        json_kstr(j, "presentationHint", hint);
    json_ki64(j, "variablesReference", ref);
    json_kbool(j, "expensive", expensive);
    json_end(j, '}');
    return NULL;
}

/* The results of a call are shown with the frame it returned to. */
static bool has_results(struct dap_client *c, size_t frame)
{
    const struct dbg_event *ev = dbg_stop(c->server->session.d);
    const struct dap_frame *f = &c->hand.frames.v[frame];
    return ev && ev->nresults && f->index == 0 &&
           c->hand.stacks.v[f->stack].thread == dap_thread_of(ev);
}

struct err *dap_do_scopes(struct dap_client *c, const struct dap_scopes *a, struct json *j)
{
    const struct dap_session *s = &c->server->session;
    size_t frame;
    TRY(dap_frame_find(c, a->frameId, &frame));
    const struct rt_frame *f = s->d ? dap_frame_at(c, frame) : NULL;
    json_key(j, "scopes");
    json_begin(j, '[');
    TRY(scope(c, frame, DAP_SCOPE_LOCALS, "Locals", "locals", false, j));
    if (s->d && has_results(c, frame))
        TRY(scope(c, frame, DAP_SCOPE_RESULTS, "Returned", "returnValue", false, j));
    if (s->d && s->globals && f) {
        struct buf name = {0};
        buf_str(&name, "Globals (");
        buf_add(&name, f->func, snap_package_len(f->func));
        buf_str(&name, ")");
        struct err *e = scope(c, frame, DAP_SCOPE_GLOBALS, buf_text(&name), NULL, true, j);
        buf_free(&name);
        TRY(e);
    }
    if (s->d && s->registers)
        TRY(scope(c, frame, DAP_SCOPE_REGISTERS, "Registers", "registers", true, j));
    json_end(j, ']');
    return NULL;
}

/* ---- where a step could go ---- */

struct err *dap_do_stepInTargets(struct dap_client *c, const struct dap_stepInTargets *a,
                                 struct json *j)
{
    struct dbg_target *targets;
    size_t frame, n;
    struct arena mem;
    TRY(dap_frame_find(c, a->frameId, &frame));
    const struct dap_frame *f = &c->hand.frames.v[frame];
    arena_init(&mem);
    struct err *e = dbg_step_targets(c->server->session.d, c->hand.stacks.v[f->stack].thread,
                                     f->index, &mem, &targets, &n);
    if (!e) {
        json_key(j, "targets");
        json_begin(j, '[');
        for (size_t i = 0; i < n; i++) {
            struct dap_jump at = {.pc = targets[i].pc};
            struct buf label = {0};
            snap_short_func(&label, targets[i].name);
            vec_push(&c->hand.jumps, at);
            json_begin(j, '{');
            json_ku64(j, "id", c->hand.jumps.n);
            json_kstr(j, "label", label.n ? buf_text(&label) : "(known when it is called)");
            if (targets[i].line)
                json_ki64(j, "line", dap_line_out(c, targets[i].line));
            json_end(j, '}');
            buf_free(&label);
        }
        json_end(j, ']');
    }
    arena_free(&mem);
    return e;
}

/* Places of a line in the function that the goroutine is in. */
static bool may_go(struct dap_client *c, size_t frame, taddr pc)
{
    int64_t thread = c->hand.stacks.v[c->hand.frames.v[frame].stack].thread;
    struct err *e = dbg_may_goto(c->server->session.d, thread, pc, false);
    bool may = !e;
    err_free(e);
    return may;
}

struct err *dap_do_gotoTargets(struct dap_client *c, const struct dap_gotoTargets *a,
                               struct json *j)
{
    struct dbg *d = c->server->session.d;
    struct places places;
    struct arena mem;
    struct buf spec = {0};
    size_t frame;
    TRY(dap_frame_or_top(c, 0, &frame));
    const struct rt_frame *f = dap_frame_at(c, frame);
    struct place_from from = {.source_map = c->server->session.source_map};
    arena_init(&mem);
    buf_printf(&spec, "%s:%lld", dap_path_in(c, a->source, &mem),
               (long long)dap_line_in(c, a->line));
    struct err *e = place_find(dbg_code(d), buf_text(&spec), &from, &mem, &places);
    if (e) { /* nowhere to go is no failure */
        err_free(e);
        places.n = 0;
    }
    json_key(j, "targets");
    json_begin(j, '[');
    for (size_t i = 0; i < places.n; i++) {
        struct dap_jump at = {.pc = places.v[i].pc};
        struct buf label = {0};
        if (!f || places.v[i].entry != f->entry || !may_go(c, frame, places.v[i].pc))
            continue;
        vec_push(&c->hand.jumps, at);
        snap_short_func(&label, places.v[i].func);
        json_begin(j, '{');
        json_ku64(j, "id", c->hand.jumps.n);
        json_kstr(j, "label", buf_text(&label));
        json_ki64(j, "line", dap_line_out(c, places.v[i].line));
        json_end(j, '}');
        buf_free(&label);
    }
    json_end(j, ']');
    arena_free(&mem);
    buf_free(&spec);
    return NULL;
}
