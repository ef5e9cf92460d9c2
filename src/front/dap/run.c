/* run.c - requests that let the program run, or stop it. */
#include <stdio.h>
#include <string.h>

#include "front/dap/dap_int.h"

enum { BY_INSTRUCTION = 2 }; /* of granularity */

static struct err *go(struct dap_client *c, const struct dbg_run_spec *how)
{
    struct dap_body b;
    struct dap_server *s = c->server;
    TRY(dap_run(s, how));
    struct json *j = dap_body_begin(&b); /* who did not ask does not know yet */
    json_ki64(j, "threadId", how->goroutine ? how->goroutine : 1);
    json_kbool(j, "allThreadsContinued", true);
    dap_event_others(c, "continued", &b);
    return NULL;
}

/* A thread without a goroutine can only go on, not step. */
static struct err *step(struct dap_client *c, enum dbg_run how, int64_t thread, bool alone,
                        taddr target)
{
    struct dbg_run_spec spec = {.how = how, .goroutine = thread, .alone = alone, .target = target};
    if (thread <= 0)
        return err_hint(err_new(ERR_UNSUPPORTED, "thread %lld runs no goroutine: it can not step",
                                (long long)-thread),
                        "Choose a goroutine, or continue");
    return go(c, &spec);
}

struct err *dap_do_continue(struct dap_client *c, const struct dap_continue *a, struct json *j)
{
    struct dbg_run_spec spec = {.how = DBG_CONTINUE,
                                .goroutine = a->threadId > 0 ? a->threadId : 0,
                                .alone = a->singleThread};
    TRY(go(c, &spec));
    json_kbool(j, "allThreadsContinued", !a->singleThread);
    return NULL;
}

struct err *dap_do_next(struct dap_client *c, const struct dap_next *a, struct json *j)
{
    enum dbg_run how = a->granularity == BY_INSTRUCTION ? DBG_NEXT_INSN : DBG_NEXT;
    return step(c, how, a->threadId, a->singleThread, 0);
}

struct err *dap_do_stepIn(struct dap_client *c, const struct dap_stepIn *a, struct json *j)
{
    enum dbg_run how = a->granularity == BY_INSTRUCTION ? DBG_STEP_INSN : DBG_STEP;
    taddr target = 0;
    if ((size_t)a->targetId > c->hand.jumps.n)
        return err_new(ERR_NOT_FOUND, "there is no target %lld", (long long)a->targetId);
    if (a->targetId)
        target = c->hand.jumps.v[a->targetId - 1].pc;
    return step(c, how, a->threadId, a->singleThread, target);
}

struct err *dap_do_stepOut(struct dap_client *c, const struct dap_stepOut *a, struct json *j)
{
    return step(c, DBG_STEP_OUT, a->threadId, a->singleThread, 0);
}

struct err *dap_do_pause(struct dap_client *c, const struct dap_pause *a, struct json *j)
{
    struct dbg *d = c->server->session.d;
    if (dbg_state(d) == DBG_RUNS)
        dbg_interrupt(d); /* the event follows */
    return NULL;
}

struct err *dap_do_goto(struct dap_client *c, const struct dap_goto *a, struct json *j)
{
    struct dap_server *s = c->server;
    struct dap_body b;
    if (a->targetId < 1 || (size_t)a->targetId > c->hand.jumps.n)
        return err_new(ERR_NOT_FOUND, "there is no target %lld", (long long)a->targetId);
    TRY(dbg_goto(s->session.d, a->threadId, c->hand.jumps.v[a->targetId - 1].pc, false));
    dap_moved(s);
    s->session.stop++;
    struct json *ev = dap_body_begin(&b);
    json_kstr(ev, "reason", "goto");
    json_ki64(ev, "threadId", a->threadId);
    json_kbool(ev, "allThreadsStopped", true);
    dap_event(s, "stopped", &b);
    return NULL;
}

/* ---- one that stands while the others run: in the repl ---- */

/* No operand follows a name in Go: neither is an expression. */
bool dap_is_hold(const char *text, int64_t *ret_goroutine, bool *ret_on)
{
    long long id;
    int end = -1;
    *ret_on = true;
    if (sscanf(text, " hold%*[ \t]%lld %n", &id, &end) != 1 || end < 0) {
        *ret_on = false;
        if (sscanf(text, " hold%*[ \t]-off%*[ \t]%lld %n", &id, &end) != 1 || end < 0)
            return false;
    }
    *ret_goroutine = id;
    return !text[end] && id > 0;
}

struct err *dap_hold(struct dap_client *c, int64_t goroutine, bool on, struct json *j)
{
    struct buf said = {0};
    c->changes = true;
    TRY(dbg_hold(c->server->session.d, goroutine, on));
    buf_printf(&said,
               on ? "goroutine %lld stands while the others run"
                  : "goroutine %lld runs with the others",
               (long long)goroutine);
    json_kstr(j, "result", buf_text(&said));
    json_ki64(j, "variablesReference", 0);
    buf_free(&said);
    return NULL;
}

/* ---- exceptionInfo ---- */

struct err *dap_do_exceptionInfo(struct dap_client *c, const struct dap_exceptionInfo *a,
                                 struct json *j)
{
    const struct dbg_event *ev = dbg_stop(c->server->session.d);
    const char *id = !ev                         ? NULL
                     : ev->why == DBG_WHY_PANIC  ? "panic"
                     : ev->why == DBG_WHY_FATAL  ? "fatal error"
                     : ev->why == DBG_WHY_SIGNAL ? "signal"
                                                 : NULL;
    if (!id || dap_thread_of(ev) != a->threadId)
        return err_new(ERR_NOT_FOUND, "nothing went wrong in %lld", (long long)a->threadId);
    json_kstr(j, "exceptionId", id);
    json_kstr(j, "description", ev->text ? ev->text : "");
    json_kstr(j, "breakMode", ev->why == DBG_WHY_PANIC ? "unhandled" : "always");
    json_key(j, "details");
    json_begin(j, '{');
    json_kstr(j, "message", ev->text ? ev->text : "");
    json_kstr(j, "typeName", id);
    struct buf trace = {0};
    size_t stack;
    struct err *e = dap_stack_of(c, a->threadId, 50, &stack);
    for (size_t i = 0; !e && i < c->hand.stacks.v[stack].frames.n && i < 50; i++) {
        const struct rt_frame *f = &c->hand.stacks.v[stack].frames.v[i];
        buf_printf(&trace, "%s\n\t%s:%d\n", f->func, f->file, f->line);
    }
    err_free(e);
    json_kstr(j, "stackTrace", buf_text(&trace));
    buf_free(&trace);
    json_end(j, '}');
    return NULL;
}
