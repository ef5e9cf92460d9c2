/* debug_stop.c - what a thread stopped for: looking for stops, taking them, and judging whether
 * somebody is to be told.  The rules are in debug.c. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/debug_int.h"
#include "target/live_int.h"
#include "target/proc_int.h"

enum { KCMP_SAME_MEMORY = 1 }; /* KCMP_VM */

/* ---- what stopped ---- */

/* As waitpid() would have said it. */
static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return info->si_status << 8;
    case CLD_KILLED:
        return info->si_status;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status << 8 | 0x7f;
    }
}

static bool look_for(idtype_t which, pid_t pid, int flags, struct wait_event *ret)
{
    siginfo_t info = {0};
    int all = WEXITED | WSTOPPED | __WALL | __WNOTHREAD;
    int failed = waitid(which, (id_t)pid, &info, all | WNOWAIT | flags) < 0 ? errno : 0;
    if (failed || !info.si_pid) {
        *ret = (struct wait_event){.kind = failed == ECHILD ? WAIT_LOST : WAIT_NOTHING};
        return false;
    }
    *ret = wait_decode(info.si_pid, status_of(&info));
    if (ret->kind == WAIT_EXITED)
        waitpid(info.si_pid, NULL, __WALL | __WNOTHREAD | WNOHANG);
    return true;
}

/* The kernel would say the stops that are kept again and again: everybody is asked by his number,
 * in turn.  A thread that is kept may say something else: that it has been killed. */
static bool look_past_kept(struct debug *d, struct wait_event *ret)
{
    const pid_t others[] = {d->guard, debug_copy_pid(d)};
    bool any = false;
    for (size_t i = 0; i < d->threads.n; i++) {
        size_t at = (d->looked_at + i) % d->threads.n;
        const struct thread *t = &d->threads.v[at];
        bool is = look_for(P_PID, t->tid, WNOHANG, ret);
        any = any || ret->kind != WAIT_LOST;
        if (!is || (t->kept && ret->kind != WAIT_EXITED && ret->status == t->ev.status))
            continue;
        d->looked_at = at + 1;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (others[i] && look_for(P_PID, others[i], WNOHANG, ret))
            return true;
    *ret = (struct wait_event){.kind = any ? WAIT_NOTHING : WAIT_LOST};
    return false;
}

/* Looks at what there is.  An end is taken; a stop is not, see debug_consume(). */
bool debug_look(struct debug *d, int flags, struct wait_event *ret)
{
    return d->kept ? look_past_kept(d, ret) : look_for(P_ALL, 0, flags, ret);
}

void debug_take_stop(struct debug *d, struct thread *t)
{
    if (t->unread)
        waitpid(t->tid, NULL, __WALL | __WNOTHREAD | WNOHANG);
    t->unread = false;
    debug_unkeep(d, t);
}

/* A SIGTRAP that somebody has sent by hand. */
static bool was_sent(pid_t tid)
{
    siginfo_t info;
    return ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 && info.si_code <= 0;
}

/* Takes the stop, so that it is not said again: of a thread that is to stand, whose registers are
 * as they must be if we are killed.  Not when a signal is to be delivered from it: if we are
 * killed, the kernel delivers it as long as it was not taken. */
void debug_consume(struct debug *d, struct thread *t)
{
    bool signal = t->at_signal && (t->untold || t->signal) && (!t->at_trap || was_sent(t->tid));
    if (t->unread && signal && !d->launched) {
        d->kept += !t->kept;
        t->kept = true;
        return;
    }
    debug_take_stop(d, t);
}

void debug_note(struct debug *d, struct debug_event ev)
{
    ev.at_mono_ns = clock_mono_ns();
    d->event = ev;
    d->have_event = true;
}

/* Children that still share the memory of before: it is theirs alone now. */
static void clean_children(struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        if (d->threads.v[i].child)
            (void)debug_clean_copy(d, d->threads.v[i].tid);
}

void debug_ended(struct debug *d, int status)
{
    clean_children(d);
    debug_forget_threads(d);
    d->state = DEBUG_GONE;
    atomic_store(&d->ended, true);
    debug_note(d, (struct debug_event){.kind = DEBUG_EXITED, .status = status});
}

static bool is_thread(const struct debug *d, pid_t tid)
{
    char path[PROC_PATH];
    return access(proc_path(path, "/proc/%d/task/%d", d->pid, tid), F_OK) == 0;
}

/* Where the kernel does not tell, it is taken for one that does: it is looked after then. */
static bool shares_memory(const struct debug *d, pid_t child)
{
    return syscall(SYS_kcmp, d->pid, child, KCMP_SAME_MEMORY, 0, 0) <= 0;
}

/* Somebody new stands before its first instruction: a thread; a child that shares the memory, which
 * stays until its exec(); or one with a copy of it, which gets the program's own bytes back. False:
 * it was let go. */
static bool receive(struct debug *d, struct thread *t)
{
    t->newborn = false;
    if (is_thread(d, t->tid)) {
        debug_watch_birth(d, t);
        return true;
    }
    t->child = true;
    if (shares_memory(d, t->tid))
        return true;
    (void)debug_clean_copy(d, t->tid);
    ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
    debug_forget_thread(d, t);
    return false;
}

/* Unless it has been here already: a child that has run another program, and was let go, before its
 * parent's stop was taken would be waited for in vain. */
static void expect_newborn(struct debug *d, pid_t parent)
{
    unsigned long msg = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent, NULL, &msg) == 0 && msg &&
        !debug_thread(d, (pid_t)msg) && proc_is_traced_by_us((pid_t)msg))
        debug_add_thread(d, (pid_t)msg);
}

static void became_another(const struct tracer_token *tok, struct debug *d, pid_t tid)
{
    clean_children(d);
    debug_forget_threads(d);
    d->became_another = true;
    struct thread *t = debug_add_thread(d, tid);
    t->newborn = false;
    t->stands = t->unread = true;
    t->ev = (struct wait_event){.tid = tid, .kind = WAIT_EXEC};
    debug_consume(d, t);
    debug_forget_places(d);
    debug_calls_forget(d);
    debug_watch_clear(d);
    guard_end(tok, d);
    free(d->warning);
    d->warning = NULL;
    d->area = 0;
    d->no_area = d->handler = d->lenders_tried = false;
    d->call_at = 0;
    err_free(debug_reopen(d));
    d->became_another = false;
    debug_settle(tok, d, t);
    d->became_another = true;
    if (d->state != DEBUG_GONE)
        debug_note(d, (struct debug_event){.kind = DEBUG_EXEC, .tid = tid});
}

static bool anybody(const struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        if (!d->threads.v[i].child)
            return true;
    return false;
}

/* Applies what waitpid() said.  The row that stands now, or NULL. */
struct thread *debug_take(const struct tracer_token *tok, struct debug *d, struct wait_event ev)
{
    struct thread *t = debug_thread(d, ev.tid);
    if (ev.kind == WAIT_EXITED) {
        if (ev.tid == d->pid)
            debug_ended(d, ev.status);
        else if (ev.tid == d->guard)
            guard_died(tok, d);
        else if (debug_copy_ended(d, ev.tid))
            return NULL;
        else if (t)
            debug_forget_thread(d, t);
        if (d->state != DEBUG_GONE && !anybody(d))
            debug_ended(d, 0); /* the leader had ended before we came */
        return NULL;
    }
    if (ev.kind == WAIT_EXEC && ev.tid == d->pid) {
        became_another(tok, d, ev.tid);
        return NULL;
    }
    if (!t)
        t = debug_add_thread(d, ev.tid);
    if (ev.kind == WAIT_EXEC) { /* a child: it has nothing of ours any more */
        ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
        debug_forget_thread(d, t);
        return NULL;
    }
    debug_unkeep(d, t);
    t->stands = t->untold = t->unread = true;
    t->in_kernel = t->have_regs = t->regs_changed = t->met = false;
    t->ev = ev;
    t->at_signal = ev.kind == WAIT_SIGNAL;
    t->at_trap = t->at_signal && ev.signal == SIGTRAP;
    t->group_stop = ev.kind == WAIT_GROUP_STOP;
    t->signal = 0;
    if (t->newborn && !receive(d, t))
        return NULL;
    if (ev.kind == WAIT_CLONE) {
        pid_t tid = t->tid;
        expect_newborn(d, tid);
        t = debug_thread(d, tid);
    }
    return t;
}

/* ---- judging a stop ---- */

/* BRKPT: behind a system call; SIGTRAP: at the beginning of a signal's handler, also in a step of
 * somebody who was killed in it. */
bool debug_is_step(const siginfo_t *info)
{
    return info->si_code == TRAP_TRACE || info->si_code == TRAP_BRKPT || info->si_code == SIGTRAP;
}

/* Just behind a breakpoint of ours, in the middle of the instruction that it covers: nothing but
 * the breakpoint leads there, so that the kernel need not be asked. */
static bool is_within(struct debug *d, struct thread *t)
{
    struct place *p = debug_place(d, t->regs.pc - d->arch->breakpoint_pc_skip);
    return p && p->active && !p->own && p->how.len > d->arch->breakpoint_n;
}

/* TRAP_NONE: it has been killed while it stood, by kill -9 or another thread's exit. */
enum trap debug_trap_kind(struct debug *d, struct thread *t)
{
    siginfo_t info = {0};
    if (is_within(d, t))
        return TRAP_OURS;
    if (ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) < 0)
        return TRAP_NONE;
    if (debug_is_step(&info))
        return TRAP_STEP;
    if (info.si_code == TRAP_HWBKPT)
        return TRAP_WATCH;
    if (info.si_code != SI_KERNEL)
        return TRAP_SENT;
    taddr addr = t->regs.pc - d->arch->breakpoint_pc_skip;
    struct place *p = debug_place(d, addr);
    if (p && (p->active || !p->own))
        return TRAP_OURS;
    return debug_is_call_trap(d, addr) ? TRAP_CALL : TRAP_OWN;
}

void debug_put_back(struct debug *d, struct thread *t, taddr addr)
{
    d->a->set_pc(&t->regs, addr);
    t->regs_changed = true;
    t->met = false;
}

/* Puts a thread that has just hit a breakpoint of ours back onto it. */
struct place *debug_undo_trap(struct debug *d, struct thread *t)
{
    struct place *p = debug_place(d, t->regs.pc - d->arch->breakpoint_pc_skip);
    debug_put_back(d, t, p->addr);
    return p;
}

static bool tell_site(struct debug *d, struct thread *t)
{
    struct place *p = debug_undo_trap(d, t);
    if (!p->active)
        return false; /* removed meanwhile: it goes on as if nothing had been */
    t->met = true;
    t->met_pc = p->addr;
    if (t->child)
        return false;
    if (debug_ask(d, t, p) == DEBUG_GO_ON) {
        d->cost.hits++;
        return false;
    }
    debug_note(d, (struct debug_event){.kind = DEBUG_SITE, .tid = t->tid, .pc = p->addr});
    return true;
}

/* One that nobody here waits for is for the handler in the process. */
static bool tell_call(struct debug *d, struct thread *t)
{
    taddr behind = t->regs.pc;
    if (debug_call_is_left(d, t))
        return false;
    debug_put_back(d, t, behind - d->arch->breakpoint_pc_skip);
    debug_note(d, (struct debug_event){.kind = DEBUG_TRAPPED, .tid = t->tid, .pc = behind});
    return true;
}

static bool tell_watch(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    unsigned slot;
    if (!debug_watch_hit(tok, d, t, &slot))
        return false;
    debug_note(d, (struct debug_event){
                      .kind = DEBUG_WATCH, .tid = t->tid, .pc = t->regs.pc, .watch = slot});
    return true;
}

static bool tell_signal(struct debug *d, struct thread *t, int signo)
{
    t->signal = d->keep[signo] ? 0 : signo;
    if (t->child || !d->tell[signo])
        return false;
    debug_note(d, (struct debug_event){
                      .kind = DEBUG_SIGNAL, .tid = t->tid, .pc = t->regs.pc, .signo = signo});
    return true;
}

/* A fault of the very instruction, not something that came from outside. */
bool debug_is_fault(pid_t tid, int signo)
{
    siginfo_t info = {0};
    return (signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
            signo == SIGSYS) &&
           ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 && info.si_code > 0;
}

/* False also when the thread has been killed: its end will be told. */
bool debug_look_at_signal(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    int signo = t->ev.signal;
    struct err *e = debug_get_regs(tok, d, t);
    if (e || signo >= DEBUG_SIGNALS) {
        err_free(e);
        t->signal = signo;
        return false;
    }
    if (signo != SIGTRAP) {
        t->fault = debug_is_fault(t->tid, signo);
        if (t->fault)
            t->met = t->finishing = false;
        return tell_signal(d, t, signo);
    }
    enum trap kind = debug_trap_kind(d, t);
    switch (kind) {
    case TRAP_NONE:
        return false;
    case TRAP_OURS:
        return tell_site(d, t);
    case TRAP_OWN:
    case TRAP_CALL:
        if (t->child) {
            t->signal = signo;
            return false;
        }
        if (kind == TRAP_CALL)
            return tell_call(d, t);
        debug_note(d, (struct debug_event){.kind = DEBUG_TRAPPED, .tid = t->tid, .pc = t->regs.pc});
        return true;
    case TRAP_STEP:
        t->met = t->met && !t->finishing;
        t->finishing = false;
        return tell_watch(tok, d, t);
    case TRAP_WATCH:
        return tell_watch(tok, d, t);
    case TRAP_SENT:
        break;
    }
    return tell_signal(d, t, signo);
}

/* Of a thread that stands and was not looked at: whether somebody is to be told (d->event). */
bool debug_look_at(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    t->untold = false;
    if (t->ev.kind == WAIT_SIGNAL)
        return debug_look_at_signal(tok, d, t);
    if (t->ev.kind == WAIT_SYSCALL && !t->child)
        return debug_tell_syscall(d, t, &d->event) && (debug_note(d, d->event), true);
    return false;
}
