/* debug.c - a process held in the hand for hours: its threads, what happens to them, stopping and
 * running all of them; see debug.h for what it is for.
 *
 * Why not live.c?  That machine is a passage: in, all stopped, out, within milliseconds.  It must
 * not touch children, asks each thread by its number, and ends with an exec().  Here threads are
 * traced from birth, children are born into our hands, events are taken from whoever has one, an
 * exec() is an event like others, and each thread may stand for a reason of its own.  What both do
 * (registers, decoding what waitpid() says, the thread that traces) is shared.
 *
 *      STANDS --debug_resume--> RUNS --something to tell--> STANDS
 *      any --exit--> GONE
 *
 * While the process RUNS the tracer thread sleeps in waitpid(-1): with __WNOTHREAD that means what
 * this very thread traces or has forked (the process, children of it that are on their way to an
 * exec(), the guardian), and nobody else's children.  One stop is taken, judged (look_at), and the
 * thread runs on (go), unless somebody wants to be told: then everybody is stopped (debug_stop_all)
 * and the event waits for debug_wait().
 *
 * Here are its beginning and end, and what its owner calls.  Threads and their registers are in
 * debug_thread.c, what a thread stopped for in debug_stop.c, letting run and stopping in
 * debug_run.c, single instructions in debug_step.c.
 *
 * Rules, and why:
 * - Everybody who stops while all are being stopped keeps what it stopped for (thread.untold) and
 *   is judged before anybody runs again.  Only a breakpoint is undone at once (undo_trap): its
 *   thread is put back onto it and will meet it again, so hits are counted once, and a breakpoint
 *   that is removed meanwhile was never met.
 * - The kernel looks at our request to stop before it looks at a trap that is pending.  Such a
 *   thread stands behind its breakpoint, its step or what it wrote to without having told: it is
 *   made to tell first (trap_pending).  While we attach it may be a trap of somebody who was
 *   killed.
 * - Registers are fetched when somebody wants them and translated: a thread in a slot (see
 *   debug_sites.c) is shown where it would be without us.  They are written when it runs on.
 * - A signal that came while a thread was on its way past a breakpoint is held back until the
 *   instruction is done (finishing): delivered before, its handler would return to the breakpoint
 *   and the hit would count twice.
 * - A stop is looked at (WNOWAIT), and taken only when its thread is to stand.  Taking it makes the
 *   kernel forget the signal: killed afterwards, we would leave a thread behind its breakpoint
 *   without the trap that puts it back.  So registers are right before a stop is taken, and a
 *   thread that runs on at once is made to run on with its stop never taken.  The stop of a thread
 *   that has a signal to be delivered is never taken at all (kept): killed, we leave it to the
 *   kernel, which delivers the signal as if we had never seen it.
 * - Threads that sit in the kernel and cannot stop (vfork) count as standing: they will stop before
 *   they run another instruction.  A leader that has ended before its threads is one of them. */
#include "target/debug.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "target/debug_int.h"
#include "target/live_int.h"
#include "target/proc_int.h"

enum { SEIZE_ROUNDS = 1000, GUARD_NAP_NS = 1000 * 1000, GUARD_NAPS = 1000 };
#define END_LIMIT_NS (5 * NSEC_PER_SEC)

struct err *debug_gone(const struct debug *d)
{
    return err_new(ERR_GONE, "process %d has ended", d->pid);
}

/* ---- beginning ---- */

long debug_options(const struct debug *d)
{
    return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
           PTRACE_O_TRACEVFORK | (d->launched ? PTRACE_O_EXITKILL : 0);
}

struct seizing {
    struct debug *d;
    unsigned added;
};

/* A guardian that clears what its debugger has left traces for a moment; who has been killed does
 * until the kernel is done with him. */
static bool lets_go_soon(pid_t tracer)
{
    struct proc_stat st;
    if (guard_is(tracer))
        return true;
    struct err *e = proc_stat(tracer, 0, &st);
    bool ended = e || st.state == 'Z' || st.state == 'X';
    err_free(e);
    return ended;
}

static int seize_one(const struct debug *d, pid_t tid)
{
    struct timespec nap_a_while = {.tv_nsec = GUARD_NAP_NS};
    for (int tries = 0;; tries++) {
        struct proc_status status;
        if (ptrace(PTRACE_SEIZE, tid, NULL, debug_options(d)) == 0)
            return 0;
        int errnum = errno;
        struct err *e = proc_status(tid, &status);
        bool guarded = !e && (status.tracer == 0 || lets_go_soon(status.tracer));
        err_free(e);
        if (errnum != EPERM || !guarded || tries == (status.tracer ? GUARD_NAPS : 3))
            return errnum;
        nanosleep(&nap_a_while, NULL);
    }
}

static struct err *seize(void *arg, pid_t tid)
{
    struct seizing *s = arg;
    struct debug *d = s->d;
    if (debug_thread(d, tid))
        return NULL;
    int errnum = seize_one(d, tid);
    if (errnum) {
        struct proc_stat st;
        if (errnum == ESRCH)
            return NULL;
        bool ours = proc_is_traced_by_us(tid); /* born into our hands */
        struct err *e = ours ? NULL : proc_stat(d->pid, tid, &st);
        bool ended_already = e || (!ours && (st.state == 'Z' || st.state == 'X'));
        err_free(e);
        if (!ours)
            return ended_already ? NULL : denied(d->pid, errnum, "attach to");
    }
    struct thread *t = debug_add_thread(d, tid);
    t->newborn = false;
    s->added++;
    return NULL;
}

static struct err *attach_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct seizing s = {.d = arg};
    struct debug *d = arg;
    char dir[64];
    snprintf(dir, sizeof(dir), "/proc/%d/task", d->pid);
    unsigned rounds = 0;
    do {
        s.added = 0;
        TRY(proc_each_number(dir, seize, &s));
    } while (s.added && ++rounds < SEIZE_ROUNDS);
    if (!d->threads.n)
        return debug_gone(d);
    d->state = DEBUG_RUNS;
    d->attaching = true;
    debug_find_left(d);
    TRY(debug_stop_all(tok, d));
    for (size_t i = 0; i < d->threads.n; i++)
        d->threads.v[i].have_regs = false; /* slots are not told before the area is known */
    debug_watch_clear(d);
    TRY(debug_prepare_area(tok, d, true));
    d->left.n = 0;
    d->attaching = false;
    debug_attend(tok, d);
    return NULL;
}

void debug_attend(const struct tracer_token *tok, struct debug *d)
{
    tracer_attend(tok, debug_attend_to, d);
}

struct err *debug_begin(const struct tracer_token *tok, struct debug *d)
{
    struct thread *t = debug_add_thread(d, d->pid);
    t->newborn = false;
    t->stands = true;
    t->ev = (struct wait_event){.tid = d->pid, .kind = WAIT_EXEC};
    TRY(debug_reopen(d));
    debug_settle(tok, d, t);
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    TRY(debug_prepare_area(tok, d, false));
    debug_attend(tok, d);
    return NULL;
}

void debug_free(struct debug *d)
{
    if (!d)
        return;
    tracer_stop(d->tracer);
    debug_copy_free(d);
    if (d->view)
        target_close(d->view);
    for (size_t i = 0; i < d->old_views.n; i++)
        target_close(d->old_views.v[i]);
    vec_free(&d->old_views);
    if (d->mem_fd >= 0)
        close(d->mem_fd);
    if (d->wake >= 0)
        close(d->wake);
    debug_forget_places(d);
    vec_free(&d->places);
    vec_free(&d->numbers);
    for (size_t i = 0; i < d->orphans.n; i++)
        free(d->orphans.v[i]);
    vec_free(&d->orphans);
    vec_free(&d->left);
    vec_free(&d->call_traps);
    vec_free(&d->calls);
    debug_forget_threads(d);
    vec_free(&d->threads);
    free(d->warning);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct err *debug_reopen(struct debug *d)
{
    char path[64];
    struct target *fresh;
    if (d->mem_fd >= 0)
        close(d->mem_fd);
    snprintf(path, sizeof(path), "/proc/%d/mem", d->pid);
    d->mem_fd = open(path, O_RDWR | O_CLOEXEC);
    if (d->mem_fd < 0)
        return errno == ENOENT ? err_new(ERR_NOT_FOUND, "there is no process %d", d->pid)
                               : denied(d->pid, errno, "attach to");
    TRY(debug_view_new(d, &fresh));
    pthread_mutex_lock(&d->lock);
    if (d->view)
        vec_push(&d->old_views, d->view);
    d->view = fresh;
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

struct err *debug_new(pid_t pid, struct debug **ret)
{
    static const int told[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,   SIGTRAP,
                               SIGABRT, SIGTERM, SIGSYS,  SIGSTKFLT};
    struct debug *d = mem_alloc(sizeof(*d));
    *d = (struct debug){.pid = pid, .arch = arch_host(), .mem_fd = -1, .state = DEBUG_STANDS};
    d->a = d->arch->debug;
    pthread_mutex_init(&d->lock, NULL);
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        d->tell[told[i]] = true;
    d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct err *e = d->wake < 0 ? err_sys(errno, "cannot wait for events") : NULL;
    if (!e && !d->a)
        e = err_new(ERR_UNSUPPORTED, "processes are not debugged on %s", d->arch->name);
    if (!e)
        e = tracer_start(&d->tracer);
    if (e)
        debug_free(d);
    else
        *ret = d;
    return e;
}

struct err *debug_attach(pid_t pid, struct debug **ret)
{
    struct debug *d;
    TRY(proc_ours());
    TRY(debug_new(pid, &d));
    struct err *e = debug_reopen(d);
    if (!e)
        e = tracer_call(d->tracer, attach_on_tracer, d);
    if (e)
        debug_free(d);
    else
        *ret = d;
    return e;
}

/* ---- the end ---- */

static void kill_on_tracer(const struct tracer_token *tok, struct debug *d)
{
    struct wait_event ev;
    int64_t start = clock_mono_ns();
    kill(d->pid, SIGKILL);
    for (unsigned round = 0; d->state != DEBUG_GONE; round++) {
        if (debug_look(d, WNOHANG, &ev))
            debug_take(tok, d, ev);
        else if (ev.kind == WAIT_LOST || clock_mono_ns() - start > END_LIMIT_NS)
            return;
        else
            debug_nap(round);
    }
}

static void let_go(const struct tracer_token *tok, struct debug *d)
{
    if (d->state == DEBUG_RUNS)
        err_free(debug_stop_all(tok, d));
    if (d->state == DEBUG_GONE)
        return;
    debug_watch_clear(d);
    debug_take_out(d);
    debug_unprepare(tok, d);
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        if (!t->stands) /* in the kernel: let go when our thread ends */
            continue;
        struct err *e = debug_get_regs(tok, d, t);
        if (!e && t->untold)
            debug_look_at(tok, d, t);
        err_free(e);
        debug_put_regs(tok, d, t);
        debug_give_back(d, t);
        debug_requeue(d, t); /* what it could not be given in the stop it stands in */
        ptrace(PTRACE_DETACH, t->tid, NULL, (long)t->signal);
        guard_unhold(d, t->tid);
    }
    debug_forget_threads(d);
}

struct closing {
    struct debug *d;
    enum debug_end how;
};

static struct err *close_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct closing *c = arg;
    if (c->d->state != DEBUG_GONE && c->how == DEBUG_KILL)
        kill_on_tracer(tok, c->d);
    if (c->d->state != DEBUG_GONE && c->how == DEBUG_LET_GO)
        let_go(tok, c->d);
    c->d->state = DEBUG_GONE;
    guard_end(tok, c->d);
    return NULL;
}

void debug_close(struct debug *d, enum debug_end how)
{
    if (!d)
        return;
    struct closing c = {d, how};
    urgency_set(&d->owner, false);
    debug_copy_end(d, false);
    err_free(tracer_call(d->tracer, close_on_tracer, &c));
    debug_copy_end(d, true);
    debug_free(d);
}

/* ---- running, waiting ---- */

static struct err *resume_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct debug *d = arg;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    if (d->state == DEBUG_STANDS && !d->have_event)
        debug_run_all(tok, d);
    if (d->state == DEBUG_RUNS) /* while memory may run short, nobody keeps us */
        tracer_urgent(tok, debug_copy_watched(d));
    return NULL;
}

struct err *debug_resume(struct debug *d)
{
    return tracer_call(d->tracer, resume_on_tracer, d);
}

static struct err *halt_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct debug *d = arg;
    if (d->have_event || d->state == DEBUG_GONE)
        return NULL;
    debug_note(d, (struct debug_event){.kind = DEBUG_HALTED});
    debug_tell_all(tok, d);
    return NULL;
}

static struct err *fetch_on_tracer(const struct tracer_token *tok, void *arg)
{
    (void)tok;
    (void)arg;
    return NULL;
}

void debug_halt(struct debug *d)
{
    uint64_t one = 1;
    atomic_store(&d->halt, true);
    (void)!write(d->wake, &one, sizeof(one));
}

int debug_fd(const struct debug *d)
{
    return d->wake;
}

/* The eventfd says that the tracer has something; by calling it we see all that it wrote. */
struct err *debug_wait(struct debug *d, int64_t timeout_ns, struct debug_event *ret)
{
    int64_t until = timeout_ns < 0 ? INT64_MAX : clock_mono_ns() + timeout_ns;
    for (;;) {
        uint64_t count;
        bool rang = read(d->wake, &count, sizeof(count)) == (ssize_t)sizeof(count);
        if (rang && atomic_exchange(&d->halt, false))
            TRY(tracer_call(d->tracer, halt_on_tracer, d));
        else if (rang)
            TRY(tracer_call(d->tracer, fetch_on_tracer, d));
        if (rang && d->have_event) {
            *ret = d->event;
            d->end_told = ret->kind == DEBUG_EXITED;
            d->have_event = false;
            atomic_store(&d->halt, false); /* everybody stands: that is what was wanted */
            (void)!read(d->wake, &count, sizeof(count));
            return NULL;
        }
        if (atomic_load(&d->ended) && (rang || d->end_told))
            return debug_gone(d);
        int64_t left = until - clock_mono_ns();
        if (left <= 0) {
            *ret = (struct debug_event){.kind = DEBUG_NOTHING};
            return NULL;
        }
        struct pollfd p = {.fd = d->wake, .events = POLLIN};
        struct timespec t = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};
        ppoll(&p, 1, timeout_ns < 0 ? NULL : &t, NULL);
    }
}
