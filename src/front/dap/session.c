/* session.c - one session from its beginning to its end, and what is told of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/dap/dap_int.h"

enum { HALT_SECONDS = 10 };

void dap_session_init(struct dap_session *s)
{
    uint64_t stop = s->stop;
    *s = (struct dap_session){.stop = stop};
    s->output[0] = (struct dap_output){.fd = -1, .category = "stdout"};
    s->output[1] = (struct dap_output){.fd = -1, .category = "stderr"};
    s->build.out = (struct dap_output){.fd = -1, .category = "stderr"};
    s->keep_fd[0] = s->keep_fd[1] = s->stdin_fd = -1;
    s->terminal.fd = s->terminal.listen_fd = -1;
    arena_init(&s->mem);
}

/* ---- initialize ---- */

static void exception_filters(struct json *j)
{
    static const struct {
        const char *id, *label, *description;
        bool on;
    } filters[] = {
        {"panic", "Panics that nobody recovers", "Stops where panic was called", true},
        {"fatal", "Fatal errors of the runtime", "All goroutines asleep, concurrent map writes ...",
         true},
        {"recovered", "All panics", "Stops at panics that will be recovered, too", false},
    };
    json_key(j, "exceptionBreakpointFilters");
    json_begin(j, '[');
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        json_begin(j, '{');
        json_kstr(j, "filter", filters[i].id);
        json_kstr(j, "label", filters[i].label);
        json_kstr(j, "description", filters[i].description);
        json_kbool(j, "default", filters[i].on);
        json_kbool(j, "supportsCondition", true);
        json_kstr(j, "conditionDescription", "A Go expression, e.g. runtime.curg.goid == 7");
        json_end(j, '}');
    }
    json_end(j, ']');
}

struct err *dap_do_initialize(struct dap_client *c, const struct dap_initialize *a, struct json *j)
{
    struct buf name = {0};
    c->can = *a;
    c->can.adapterID = c->can.clientID = c->can.clientName = ""; /* texts of the request go */
    buf_printf(&name, "%.100s",
               *a->clientName ? a->clientName
               : *a->clientID ? a->clientID
                              : c->name);
    free(c->name);
    c->name = buf_take(&name);
    c->initialized = true;
#define CAN(name) json_kbool(j, #name, true);
#include "front/dap/capabilities.def"
#undef CAN
    exception_filters(j);
    json_key(j, "completionTriggerCharacters");
    json_begin(j, '[');
    json_str(j, ".");
    json_end(j, ']');
    return NULL;
}

/* ---- it begins ---- */

static void tell_process(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    struct dap_body b;
    struct json *j = dap_body_begin(&b);
    json_kstr(j, "name", s->program ? s->program : "");
    if (s->pid)
        json_ki64(j, "systemProcessId", s->pid);
    json_kbool(j, "isLocalProcess", true);
    json_kstr(j, "startMethod", s->kind == DAP_ATTACHED ? "attach" : "launch");
    json_ku64(j, "pointerSize", 8);
    dap_event_to(c, "process", &b);
}

static void join(struct dap_client *c)
{
    struct dap_body b;
    c->in_session = true;
    tell_process(c);
    dap_body_begin(&b);
    dap_event_to(c, "initialized", &b);
}

/* What the user should know from the start. */
static void tell_notes(struct dap_server *s)
{
    struct arena a;
    const char *const *notes;
    arena_init(&a);
    size_t n = dbg_notes(s->session.d, &a, &notes);
    for (size_t i = 0; i < n; i++)
        dap_note(s, "gospect: %s", notes[i]);
    arena_free(&a);
}

/* What does not work is told, and the session goes on without it. */
static void tell_printer_error(struct dap_server *s, struct err *e)
{
    if (e)
        dap_note(s, "gospect: printers: %s", err_message(e));
    err_free(e);
}

static void load_printers(struct dap_server *s)
{
    struct dap_session *se = &s->session;
    const char *own = dbg_printers_file(&se->mem);
    if (!own && !(se->printer_files && se->printer_files[0]))
        return;
    struct err *e = dbg_printers_open(&se->printers);
    if (e) {
        tell_printer_error(s, e);
        return;
    }
    if (own)
        tell_printer_error(s, dbg_printers_run(se->printers, own));
    for (const char *const *f = se->printer_files; f && *f; f++)
        tell_printer_error(s, dbg_printers_run(se->printers, *f));
    dbg_use_printers(se->d, se->printers);
}

struct err *dap_session_started(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    s->preparing = false;
    s->stop++;
    c->owner = true;
    if (s->d)
        s->pid = s->kind == DAP_CORE ? 0 : dbg_pid(s->d);
    join(c);
    if (s->d) {
        tell_notes(c->server);
        load_printers(c->server);
    }
    dap_answer(c);
    return NULL;
}

struct err *dap_session_new(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    if (s->kind != DAP_NOTHING || s->preparing) {
        struct err *e = err_new(ERR_USAGE, "this server has a session already");
        return err_hint(e, "Join it: attach with \"session\": \"join\"");
    }
    dap_log_free(s);
    dap_session_init(s);
    s->preparing = true;
    c->owner = true;
    return NULL;
}

static struct err *attach_pid(struct dap_client *c, pid_t pid)
{
    struct dap_session *s = &c->server->session;
    struct dbg_options o = {
        .source_map = s->source_map, .give_up = dap_call_goes_on, .give_up_arg = c->server};
    TRY(dbg_attach(pid, &o, &s->d));
    s->kind = DAP_ATTACHED;
    return dap_session_started(c);
}

static void wait_begins(struct dap_client *c, const char *name)
{
    struct dap_server *server = c->server;
    struct dap_session *s = &server->session;
    struct buf title = {0};
    s->wait_for.name = mem_strdup(name);
    s->wait_for.client = c;
    snprintf(s->wait_for.progress_id, sizeof(s->wait_for.progress_id), "wait-%lld",
             (long long)++server->next_progress);
    buf_printf(&title, "Waiting for %.100s", name);
    dap_progress(c, "progressStart", s->wait_for.progress_id, buf_text(&title), NULL);
    buf_free(&title);
    dap_defer(c);
}

static void wait_ends(struct dap_session *s)
{
    if (s->wait_for.name && !s->wait_for.client->gone)
        dap_progress(s->wait_for.client, "progressEnd", s->wait_for.progress_id, NULL, NULL);
    free(s->wait_for.name);
    s->wait_for.name = NULL;
}

static struct err *attach_new(struct dap_client *c, const struct dap_attach *a)
{
    struct dap_server *server = c->server;
    struct dap_session *s = &server->session;
    pid_t pid = (pid_t)a->processId;
    s->stop_on_entry = a->stopOnEntry;
    s->hide_system = a->hideSystemGoroutines;
    s->globals = a->showGlobalVariables;
    s->registers = a->showRegisters;
    s->source_map = dap_source_map(a->substitutePath, a->nsubstitutePath, &s->mem);
    s->printer_files = dap_strings(a->printers, a->nprinters, &s->mem);
    s->program = arena_strdup(&s->mem, a->name);
    if (!pid && !*a->name)
        return err_new(ERR_USAGE, "attach needs processId, or name");
    if (!pid) {
        struct err *e = server->o->find(server->o->find_arg, a->name, &pid);
        if (e && a->waitFor && err_code(e) == ERR_NOT_FOUND) {
            err_free(e);
            wait_begins(c, a->name);
            return NULL;
        }
        TRY(e);
    }
    return attach_pid(c, pid);
}

void dap_wait_for_poll(struct dap_server *s)
{
    struct dap_session *se = &s->session;
    int64_t now = clock_mono_ns();
    pid_t pid;
    if (!se->wait_for.name || now < se->wait_for.next_ns)
        return;
    struct dap_client *c = se->wait_for.client;
    struct err *e = s->o->find(s->o->find_arg, se->wait_for.name, &pid);
    /* A search takes a while; a fifth of the time is spent on it. */
    se->wait_for.next_ns = clock_mono_ns() + 5 * (clock_mono_ns() - now);
    if (e && err_code(e) == ERR_NOT_FOUND) {
        err_free(e);
        return;
    }
    wait_ends(se);
    if (!e)
        e = attach_pid(c, pid);
    if (e) {
        dap_session_end(s, false);
        dap_refuse(c, e);
    }
}

struct err *dap_do_attach(struct dap_client *c, const struct dap_attach *a, struct json *j)
{
    struct dap_session *s = &c->server->session;
    if (a->session == 1) {
        if (s->kind == DAP_NOTHING || s->preparing)
            return err_new(ERR_NOT_FOUND, "there is no session to join");
        join(c);
        dap_log(c->server, c, "joined", "%s", "");
        return NULL;
    }
    TRY(dap_session_new(c));
    struct err *e = attach_new(c, a);
    if (e)
        dap_session_end(c->server, false);
    return e;
}

/* ---- stops ---- */

static const char *reason_of(struct dap_server *s, const struct dbg_event *ev)
{
    static const char *const reasons[] = {
        [DBG_WHY_ATTACHED] = "entry",        [DBG_WHY_ENTRY] = "entry",
        [DBG_WHY_BREAKPOINT] = "breakpoint", [DBG_WHY_STEP] = "step",
        [DBG_WHY_WATCH] = "data breakpoint", [DBG_WHY_WATCH_GONE] = "data breakpoint",
        [DBG_WHY_INTERRUPT] = "pause",       [DBG_WHY_PANIC] = "exception",
        [DBG_WHY_FATAL] = "exception",       [DBG_WHY_SIGNAL] = "exception",
        [DBG_WHY_TRAP] = "breakpoint",       [DBG_WHY_CALL_DONE] = "step",
    };
    const char *special =
        ev->why == DBG_WHY_BREAKPOINT && ev->nbps ? dap_breakpoint_reason(s, ev->bps[0]) : NULL;
    return special ? special : ev->why < ARRAY_LEN(reasons) ? reasons[ev->why] : "pause";
}

static void describe(const struct dbg_event *ev, struct json *j)
{
    static const char *const words[] = {
        [DBG_WHY_ATTACHED] = "Attached",
        [DBG_WHY_ENTRY] = "Before main",
        [DBG_WHY_WATCH_GONE] = "Its variable is out of scope",
        [DBG_WHY_PANIC] = "Panic",
        [DBG_WHY_FATAL] = "Fatal error",
        [DBG_WHY_SIGNAL] = "Signal",
        [DBG_WHY_TRAP] = "runtime.Breakpoint()",
    };
    if (ev->why < ARRAY_LEN(words) && words[ev->why])
        json_kstr(j, "description", words[ev->why]);
    if (ev->text && *ev->text)
        json_kstr(j, "text", ev->text);
}

int64_t dap_thread_of(const struct dbg_event *ev)
{
    return ev->goroutine ? ev->goroutine : -(int64_t)ev->tid;
}

static void stopped_body(struct dap_server *s, const struct dbg_event *ev, struct dap_body *b)
{
    struct json *j = dap_body_begin(b);
    json_kstr(j, "reason", reason_of(s, ev));
    describe(ev, j);
    if (dap_thread_of(ev))
        json_ki64(j, "threadId", dap_thread_of(ev));
    json_kbool(j, "allThreadsStopped", true);
    if (ev->nbps) {
        json_key(j, "hitBreakpointIds");
        json_begin(j, '[');
        for (size_t i = 0; i < ev->nbps; i++)
            if (!dbg_bp_always(ev->bps[i]))
                json_u64(j, ev->bps[i]);
        json_end(j, ']');
    }
}

static void log_output(struct dap_server *s, const struct dbg_event *ev)
{
    struct dap_body b;
    struct buf text = {0};
    struct json *j = dap_body_begin(&b);
    buf_printf(&text, "%s\n", ev->text ? ev->text : "");
    json_kstr(j, "category", "console");
    json_key(j, "output");
    json_strn(j, buf_text(&text), text.n);
    buf_free(&text);
    if (ev->nbps)
        dap_breakpoint_place(s, ev->bps[0], j);
    dap_event(s, "output", &b);
}

/* What is in the pipes still. */
static void drain_output(struct dap_server *s)
{
    for (size_t i = 0; i < 2; i++) {
        struct dap_output *o = &s->session.output[i];
        for (int rounds = 0; o->fd >= 0 && rounds < 1000; rounds++) {
            struct dap_output before = *o;
            if (!dap_output_ready(o) || !dap_output_read(s, o, NULL) || before.fd != o->fd)
                break;
        }
    }
}

static void terminated(struct dap_server *s)
{
    struct dap_body b;
    if (s->session.over_said)
        return;
    s->session.over_said = true;
    dap_body_begin(&b);
    dap_event(s, "terminated", &b);
}

static void exited(struct dap_server *s, const struct dbg_event *ev)
{
    struct dap_body b;
    drain_output(s);
    if (ev->exit_signal)
        dap_note(s, "Process %d was ended by signal %d (%s).", s->session.pid, ev->exit_signal,
                 strsignal(ev->exit_signal));
    else
        dap_note(s, "Process %d has exited with status %d.", s->session.pid, ev->exit_code);
    struct json *j = dap_body_begin(&b);
    json_ki64(j, "exitCode", ev->exit_signal ? 128 + ev->exit_signal : ev->exit_code);
    dap_event(s, "exited", &b);
    terminated(s);
    dap_log(s, NULL, "exited", "%d", ev->exit_signal ? 128 + ev->exit_signal : ev->exit_code);
}

void dap_moved(struct dap_server *s)
{
    for (size_t i = 0; i < s->clients.n; i++)
        dap_hand_drop(&s->clients.v[i]->hand);
    if (s->session.kind != DAP_SNAPSHOT) {
        snap_free(s->session.snap);
        s->session.snap = NULL;
    }
}

static void another_program(struct dap_server *s)
{
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    dap_moved(s);
    for (size_t i = 0; i < s->clients.n; i++)
        if (s->clients.v[i]->in_session)
            tell_process(s->clients.v[i]);
    dap_note(s, "The process became another program (exec); breakpoints are looked up anew.");
    struct err *e = dbg_run(s->session.d, &go);
    if (e)
        dap_note(s, "gospect: %s", err_message(e));
    err_free(e);
}

/* Who asked for the end does not want to hear of breakpoints on the way; a pause is another wish.
 */
static bool goes_on_to_its_end(struct dap_server *s, const struct dbg_event *ev)
{
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    if (!s->session.asked_to_end || ev->why == DBG_WHY_INTERRUPT)
        return false;
    struct err *e = dap_run(s, &go);
    bool goes = !e;
    if (e) /* then it stands, as with any stop */
        dap_note(s, "gospect: it does not go on: %s", err_message(e));
    err_free(e);
    return goes;
}

void dap_event_of(struct dap_server *s, const struct dbg_event *ev)
{
    struct dap_body b;
    switch (ev->kind) {
    case DBG_EV_NOTHING:
        break;
    case DBG_EV_STOPPED:
        drain_output(s);
        dap_moved(s); /* a function that was called, and stopped: it did not go through dap_run() */
        s->session.stop++;
        if (goes_on_to_its_end(s, ev))
            break;
        stopped_body(s, ev, &b);
        dap_event(s, "stopped", &b);
        dap_log(s, NULL, "stopped", "%s", reason_of(s, ev));
        break;
    case DBG_EV_LOG:
        log_output(s, ev);
        break;
    case DBG_EV_BP:
        if (ev->nbps)
            dap_breakpoint_changed(s, ev->bps[0]);
        break;
    case DBG_EV_MODULE:
        if (ev->module)
            dap_module_loaded(s, ev->module);
        else
            dap_note(s, "A plugin was loaded, and its code is not known: %s", ev->text);
        break;
    case DBG_EV_EXEC:
        another_program(s);
        break;
    case DBG_EV_EXITED:
        dap_moved(s);
        exited(s, ev);
        break;
    }
}

void dap_session_poll(struct dap_server *s)
{
    struct dap_session *se = &s->session;
    /* Not without end: log points may come faster than clients read.  One that stands may be killed
     * from outside. */
    for (int i = 0; i < 100 && se->d && dbg_state(se->d) != DBG_OVER; i++) {
        struct dbg_event ev = {0};
        struct err *e = dbg_wait(se->d, 0, &ev);
        if (e) {
            dap_note(s, "gospect: the session is over: %s", err_message(e));
            err_free(e);
            dap_session_end(s, se->kind == DAP_LAUNCHED);
            return;
        }
        if (ev.kind == DBG_EV_NOTHING)
            return;
        dap_event_of(s, &ev);
    }
}

struct err *dap_run(struct dap_server *s, const struct dbg_run_spec *how)
{
    TRY(dbg_run(s->session.d, how));
    dap_moved(s);
    return NULL;
}

/* Waits for a halt that was asked for; what comes instead is told, and ends the wait, too. */
static struct err *await_halt(struct dap_server *s, bool *ret_ours)
{
    int64_t until = clock_mono_ns() + HALT_SECONDS * NSEC_PER_SEC;
    *ret_ours = false;
    while (dbg_state(s->session.d) == DBG_RUNS) {
        struct dbg_event ev = {0};
        int64_t left = until - clock_mono_ns();
        if (left <= 0)
            return err_new(ERR_LIMIT, "the program did not stop within %d s", HALT_SECONDS);
        TRY(dbg_wait(s->session.d, left, &ev));
        if (ev.kind == DBG_EV_STOPPED && ev.why == DBG_WHY_INTERRUPT)
            *ret_ours = true;
        else
            dap_event_of(s, &ev);
    }
    if (dbg_state(s->session.d) == DBG_OVER)
        return err_new(ERR_GONE, "the program has ended");
    return NULL;
}

struct err *dap_while_standing(struct dap_server *s, struct err *(*fn)(void *arg), void *arg,
                               int64_t *ret_pause_ns)
{
    struct dbg_run_spec go = {.how = DBG_CONTINUE}; /* a step that was under way goes on */
    bool ours;
    *ret_pause_ns = 0;
    if (!s->session.d || dbg_state(s->session.d) != DBG_RUNS)
        return fn(arg);
    int64_t began = clock_mono_ns();
    if (s->call.waits) {
        struct err *e = dbg_glance(s->session.d, fn, arg);
        *ret_pause_ns = clock_mono_ns() - began;
        return e;
    }
    dbg_interrupt(s->session.d);
    TRY(await_halt(s, &ours));
    s->session.stop++;
    struct err *e = fn(arg);
    if (!ours)
        return e; /* it has stopped for a reason of its own, and stands */
    struct err *again = dbg_run(s->session.d, &go);
    *ret_pause_ns = clock_mono_ns() - began;
    if (!e)
        return again;
    err_free(again);
    return e;
}

/* ---- configurationDone ---- */

/* A session that stands when a client comes: it is told why. */
static void tell_stop(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    struct dap_body b;
    struct dbg_event none = {.why = DBG_WHY_ENTRY, .goroutine = dap_first_goroutine(c)};
    const struct dbg_event *ev = s->d ? dbg_stop(s->d) : NULL;
    stopped_body(c->server, ev && ev->kind == DBG_EV_STOPPED ? ev : &none, &b);
    dap_event_to(c, "stopped", &b);
}

struct err *dap_do_configurationDone(struct dap_client *c, const struct dap_configurationDone *a,
                                     struct json *j)
{
    struct dap_session *s = &c->server->session;
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    c->configured = true;
    if (!s->configured && s->d && s->kind != DAP_CORE) {
        s->configured = true;
        if (s->kind == DAP_LAUNCHED || !s->stop_on_entry)
            return dap_run(c->server, &go);
    }
    s->configured = true;
    if (!s->d || dbg_state(s->d) == DBG_STANDS || c->server->call.waits)
        tell_stop(c);
    return NULL;
}

/* ---- the end ---- */

static void forget_clients(struct dap_server *s)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        dap_hand_drop(&c->hand);
        dap_breakpoints_forget(c);
        c->in_session = c->configured = c->owner = c->follows = false;
        if (c->deferred.is && !c->gone)
            dap_refuse(c, err_new(ERR_CANCELLED, "the session has ended"));
        c->deferred.is = false;
    }
}

void dap_session_end(struct dap_server *s, bool kill)
{
    struct dap_session *se = &s->session;
    if (se->kind == DAP_NOTHING && !se->preparing)
        return;
    bool lived = se->d && se->kind != DAP_CORE && dbg_state(se->d) != DBG_OVER;
    dbg_close(se->d, kill ? DEBUG_KILL : DEBUG_LET_GO);
    se->d = NULL;
    dbg_printers_free(se->printers);
    se->printers = NULL;
    drain_output(s);
    if (lived && !se->over_said)
        dap_note(s, kill ? "The program was ended." : "The process runs on without us.");
    if (!se->preparing)
        terminated(s);
    dap_log(s, NULL, "ended", "%s",
            !lived ? ""
            : kill ? "the program was killed"
                   : "the process was let go");
    dap_build_end(s);
    dap_terminal_end(s);
    for (size_t i = 0; i < 2; i++) {
        if (se->output[i].fd >= 0)
            close(se->output[i].fd);
        if (se->keep_fd[i] >= 0)
            close(se->keep_fd[i]);
    }
    if (se->stdin_fd >= 0)
        close(se->stdin_fd);
    if (se->built && !*se->launch.output)
        unlink(se->built);
    free(se->built);
    wait_ends(se);
    snap_free(se->snap);
    forget_clients(s);
    arena_free(&se->mem);
    dap_log_free(se);
    dap_session_init(se);
}

static size_t others_in_session(const struct dap_client *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->server->clients.n; i++)
        n += c->server->clients.v[i] != c && c->server->clients.v[i]->in_session;
    return n;
}

struct err *dap_do_disconnect(struct dap_client *c, const struct dap_disconnect *a, struct json *j)
{
    struct dap_server *s = c->server;
    bool kill =
        a->terminateDebuggee >= 0 ? a->terminateDebuggee == 1 : s->session.kind == DAP_LAUNCHED;
    c->leaving = s->listen_fd < 0; /* the only one there can be */
    if (!c->in_session && !(c->owner && s->session.preparing))
        return NULL;
    if (c->in_session && others_in_session(c) && a->terminateDebuggee != 1)
        dap_client_leave(c);
    else
        dap_session_end(s, kill);
    return NULL;
}

/* The program may tidy up: it gets SIGTERM, and is killed when it is asked for once more. */
struct err *dap_do_terminate(struct dap_client *c, const struct dap_terminate *a, struct json *j)
{
    struct dap_session *s = &c->server->session;
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    if (!s->d || s->kind == DAP_CORE || s->asked_to_end || dbg_state(s->d) == DBG_OVER) {
        dap_session_end(c->server, true);
        return NULL;
    }
    s->asked_to_end = s->configured = true;
    TRY(dbg_signal(s->d, SIGTERM, false, true));
    if (kill(s->pid, SIGTERM))
        return err_sys(errno, "SIGTERM to process %d", s->pid);
    return dbg_state(s->d) == DBG_STANDS ? dap_run(c->server, &go) : NULL;
}

struct err *dap_restart_now(struct dap_server *s)
{
    struct dap_session *se = &s->session;
    struct dbg_run_spec go = {.how = DBG_CONTINUE};
    dap_moved(s);
    TRY(dbg_restart(se->d, se->argv));
    se->pid = dbg_pid(se->d);
    se->stop++;
    se->over_said = se->asked_to_end = false;
    for (size_t i = 0; i < s->clients.n; i++)
        if (s->clients.v[i]->in_session)
            tell_process(s->clients.v[i]);
    return dap_run(s, &go);
}

struct err *dap_do_restart(struct dap_client *c, const struct dap_restart *a, struct json *j)
{
    struct dap_session *s = &c->server->session;
    if (s->kind != DAP_LAUNCHED)
        return err_new(ERR_USAGE, "only a program that was launched can be restarted");
    if (a->arguments)
        dap_argv(s, a->arguments->args, a->arguments->nargs);
    s->configured = true;
    if (s->built) { /* the sources may have changed */
        dap_defer(c);
        return dap_build_start(c, true);
    }
    return dap_restart_now(c->server);
}

struct err *dap_do_cancel(struct dap_client *c, const struct dap_cancel *a, struct json *j)
{
    struct dap_session *s = &c->server->session;
    /* What is in the queue was marked when this was read (server.c). */
    bool ours = s->build.client && s->build.client == c && c->deferred.is;
    if (ours &&
        (a->requestId == c->deferred.seq || strcmp(a->progressId, s->build.progress_id) == 0))
        s->build.cancelled = true;
    if (s->build.cancelled && s->build.pid)
        kill(-s->build.pid, SIGKILL); /* its compilers, too: they hold the pipe open */
    if (s->wait_for.name && s->wait_for.client == c &&
        (a->requestId == c->deferred.seq || strcmp(a->progressId, s->wait_for.progress_id) == 0))
        dap_session_end(c->server, false);
    return NULL;
}
