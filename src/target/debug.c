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
 * Rules, and why:
 * - Everybody who stops while all are being stopped keeps what it stopped for (thread.untold) and
 *   is judged before anybody runs again.  Only a breakpoint is undone at once (undo_trap): its
 *   thread is put back onto it and will meet it again, so hits are counted once, and a breakpoint
 *   that is removed meanwhile was never met.
 * - The kernel looks at our request to stop before it looks at a trap that is pending.  Such a
 *   thread stands behind its breakpoint without having told: it is made to tell first
 *   (trap_pending).
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

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "target/debug_int.h"
#include "target/live_int.h"
#include "target/proc_int.h"

enum {
    SPINS = 32,
    NAP_NS = 20 * 1000,
    NAP_MAX_NS = 200 * 1000,
    WATCH_NAPS = 9,            /* so long a nap while somebody looks after a copy */
    PATIENCE_NS = 1000 * 1000, /* without an event, before we ask why somebody does not stop */
    NEXT_HIT_NS = 20 * 1000,
    IN_PLACE_LIMIT_NS = 50 * 1000 * 1000,
    STANDING_NAP_NS = 50 * 1000 * 1000, /* between looks for deaths while nobody runs */
    SEIZE_ROUNDS = 1000,
    GUARD_NAP_NS = 1000 * 1000,
    GUARD_NAPS = 1000,
    KCMP_SAME_MEMORY = 1, /* KCMP_VM */
};
#define STOP_LIMIT_NS (5 * NSEC_PER_SEC)
#define END_LIMIT_NS (5 * NSEC_PER_SEC)

struct err *debug_gone(const struct debug *d)
{
    return err_new(ERR_GONE, "process %d has ended", d->pid);
}

/* ---- rows ---- */

static size_t row_place(const struct debug *d, pid_t tid)
{
    size_t lo = 0, hi = d->threads.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->threads.v[mid].tid < tid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct thread *debug_thread(struct debug *d, pid_t tid)
{
    size_t i = row_place(d, tid);
    return i < d->threads.n && d->threads.v[i].tid == tid ? &d->threads.v[i] : NULL;
}

static struct thread *add_thread(struct debug *d, pid_t tid)
{
    size_t at = row_place(d, tid);
    struct thread t = {.tid = tid, .newborn = true};
    vec_push(&d->threads, t);
    memmove(&d->threads.v[at + 1], &d->threads.v[at], (d->threads.n - 1 - at) * sizeof(t));
    d->threads.v[at] = t;
    return &d->threads.v[at];
}

static void unkeep(struct debug *d, struct thread *t)
{
    d->kept -= t->kept;
    t->kept = false;
}

static void drop_thread(struct debug *d, struct thread *t)
{
    unkeep(d, t);
    if (t->have_saved)
        guard_unhold(d, t->tid);
    size_t at = (size_t)(t - d->threads.v);
    vec_free(&t->more);
    memmove(t, t + 1, (d->threads.n - 1 - at) * sizeof(*t));
    d->threads.n--;
}

static void forget_threads(struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        vec_free(&d->threads.v[i].more);
    d->threads.n = d->kept = 0;
}

void debug_drop_thread(struct debug *d, pid_t tid)
{
    struct thread *t = debug_thread(d, tid);
    if (t)
        drop_thread(d, t);
}

static void ran(struct debug *d, struct thread *t)
{
    unkeep(d, t);
    t->stands = t->in_kernel = t->untold = t->unread = t->at_signal = t->at_trap = t->have_regs =
        t->met = t->group_stop = t->in_place = t->fault = t->stepped = false;
    t->signal = 0;
}

/* ... for one instruction. */
static void stepped(struct debug *d, struct thread *t)
{
    ran(d, t);
    t->stepped = true;
}

/* ---- registers ---- */

/* Whatever a thread in a SIGTRAP that is not consumed is given as its next instruction: when we are
 * killed before it runs, the signal is delivered there, and the handler must know that it means
 * nothing.  Before a breakpoint and in a slot it knows by the address. */
static void mark(const struct debug *d, const struct thread *t)
{
    struct place *p;
    taddr pc;
    if (!t->at_trap || !t->unread || t->kept || d->launched || debug_unslot(d, t->regs.pc, &p, &pc) ||
        debug_place(d, t->regs.pc))
        return;
    siginfo_t info = {.si_signo = SIGTRAP, .si_errno = (int)d->a->trap_mark, .si_code = SI_KERNEL};
    info.si_addr = (void *)(uintptr_t)t->regs.pc;
    /* An emulated instruction of one byte ends where the trap has left pc: sp tells them apart. */
    uint64_t sp = t->regs.sp;
    d->arch->dwarf_reg(&t->regs, d->arch->sp, &sp);
    memcpy((char *)&info + d->a->trap_mark_sp_at, &sp, sizeof(sp));
    ptrace(PTRACE_SETSIGINFO, t->tid, NULL, &info);
}

void debug_put_regs(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    if (!t->regs_changed)
        return;
    mark(d, t);
    err_free(live_set_regs(tok, t->tid, &t->regs)); /* fails when it was killed */
    t->regs_changed = false;
}

void debug_move(const struct debug *d, struct thread *t, taddr pc)
{
    int64_t syscall = t->regs.syscall;
    d->a->set_pc(&t->regs, pc);
    t->regs.syscall = syscall;
    t->regs_changed = true;
}

struct err *debug_get_regs(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    struct place *p;
    taddr pc;
    if (t->have_regs)
        return NULL;
    TRY(live_get_regs(tok, t->tid, d->arch, &t->regs));
    t->have_regs = true;
    t->regs_changed = false;
    if (!debug_unslot(d, t->regs.pc, &p, &pc))
        return NULL;
    bool before = pc == p->addr;
    if (p->how.lasts && !before) { /* it may go on there: the kernel restarts system calls */
        t->regs.pc = pc;
        return NULL;
    }
    debug_move(d, t, pc);
    t->met = before;
    t->met_pc = pc;
    return NULL;
}

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
static bool look(struct debug *d, int flags, struct wait_event *ret)
{
    return d->kept ? look_past_kept(d, ret) : look_for(P_ALL, 0, flags, ret);
}

static void take_stop(struct debug *d, struct thread *t)
{
    if (t->unread)
        waitpid(t->tid, NULL, __WALL | __WNOTHREAD | WNOHANG);
    t->unread = false;
    unkeep(d, t);
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
    take_stop(d, t);
}

static void note(struct debug *d, struct debug_event ev)
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

static void ended(struct debug *d, int status)
{
    clean_children(d);
    forget_threads(d);
    d->state = DEBUG_GONE;
    atomic_store(&d->ended, true);
    note(d, (struct debug_event){.kind = DEBUG_EXITED, .status = status});
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
    drop_thread(d, t);
    return false;
}

/* Unless it has been here already: a child that has run another program, and was let go, before its
 * parent's stop was taken would be waited for in vain. */
static void expect_newborn(struct debug *d, pid_t parent)
{
    unsigned long msg = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent, NULL, &msg) == 0 && msg &&
        !debug_thread(d, (pid_t)msg) && proc_is_traced_by_us((pid_t)msg))
        add_thread(d, (pid_t)msg);
}

static void became_another(const struct tracer_token *tok, struct debug *d, pid_t tid)
{
    clean_children(d);
    forget_threads(d);
    d->became_another = true;
    struct thread *t = add_thread(d, tid);
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
        note(d, (struct debug_event){.kind = DEBUG_EXEC, .tid = tid});
}

static bool anybody(const struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        if (!d->threads.v[i].child)
            return true;
    return false;
}

/* Applies what waitpid() said.  The row that stands now, or NULL. */
static struct thread *take(const struct tracer_token *tok, struct debug *d, struct wait_event ev)
{
    struct thread *t = debug_thread(d, ev.tid);
    if (ev.kind == WAIT_EXITED) {
        if (ev.tid == d->pid)
            ended(d, ev.status);
        else if (ev.tid == d->guard)
            guard_died(tok, d);
        else if (debug_copy_ended(d, ev.tid))
            return NULL;
        else if (t)
            drop_thread(d, t);
        if (d->state != DEBUG_GONE && !anybody(d))
            ended(d, 0); /* the leader had ended before we came */
        return NULL;
    }
    if (ev.kind == WAIT_EXEC && ev.tid == d->pid) {
        became_another(tok, d, ev.tid);
        return NULL;
    }
    if (!t)
        t = add_thread(d, ev.tid);
    if (ev.kind == WAIT_EXEC) { /* a child: it has nothing of ours any more */
        ptrace(PTRACE_DETACH, t->tid, NULL, NULL);
        drop_thread(d, t);
        return NULL;
    }
    unkeep(d, t);
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

/* CALL: of the runtime's own, in a function that was called; see debug_calls.c. */
enum trap { TRAP_NONE, TRAP_OURS, TRAP_OWN, TRAP_CALL, TRAP_STEP, TRAP_WATCH, TRAP_SENT };

/* BRKPT: behind a system call; SIGTRAP: at the beginning of a signal's handler, also in a step of
 * somebody who was killed in it. */
static bool is_step(const siginfo_t *info)
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
static enum trap trap_kind(struct debug *d, struct thread *t)
{
    siginfo_t info = {0};
    if (is_within(d, t))
        return TRAP_OURS;
    if (ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) < 0)
        return TRAP_NONE;
    if (is_step(&info))
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

static void put_back(struct debug *d, struct thread *t, taddr addr)
{
    d->a->set_pc(&t->regs, addr);
    t->regs_changed = true;
    t->met = false;
}

/* Puts a thread that has just hit a breakpoint of ours back onto it. */
static struct place *undo_trap(struct debug *d, struct thread *t)
{
    struct place *p = debug_place(d, t->regs.pc - d->arch->breakpoint_pc_skip);
    put_back(d, t, p->addr);
    return p;
}

static bool tell_site(struct debug *d, struct thread *t)
{
    struct place *p = undo_trap(d, t);
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
    note(d, (struct debug_event){.kind = DEBUG_SITE, .tid = t->tid, .pc = p->addr});
    return true;
}

/* One that nobody here waits for is for the handler in the process. */
static bool tell_call(struct debug *d, struct thread *t)
{
    taddr behind = t->regs.pc;
    if (debug_call_is_left(d, t))
        return false;
    put_back(d, t, behind - d->arch->breakpoint_pc_skip);
    note(d, (struct debug_event){.kind = DEBUG_TRAPPED, .tid = t->tid, .pc = behind});
    return true;
}

static bool tell_watch(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    unsigned slot;
    if (!debug_watch_hit(tok, d, t, &slot))
        return false;
    note(d,
         (struct debug_event){.kind = DEBUG_WATCH, .tid = t->tid, .pc = t->regs.pc, .watch = slot});
    return true;
}

static bool tell_signal(struct debug *d, struct thread *t, int signo)
{
    t->signal = d->keep[signo] ? 0 : signo;
    if (t->child || !d->tell[signo])
        return false;
    note(d, (struct debug_event){
                .kind = DEBUG_SIGNAL, .tid = t->tid, .pc = t->regs.pc, .signo = signo});
    return true;
}

/* A fault of the very instruction, not something that came from outside. */
static bool is_fault(pid_t tid, int signo)
{
    siginfo_t info = {0};
    return (signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
            signo == SIGSYS) &&
           ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 && info.si_code > 0;
}

/* False also when the thread has been killed: its end will be told. */
static bool look_at_signal(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    int signo = t->ev.signal;
    struct err *e = debug_get_regs(tok, d, t);
    if (e || signo >= DEBUG_SIGNALS) {
        err_free(e);
        t->signal = signo;
        return false;
    }
    if (signo != SIGTRAP) {
        t->fault = is_fault(t->tid, signo);
        if (t->fault)
            t->met = t->finishing = false;
        return tell_signal(d, t, signo);
    }
    enum trap kind = trap_kind(d, t);
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
        note(d, (struct debug_event){.kind = DEBUG_TRAPPED, .tid = t->tid, .pc = t->regs.pc});
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
static bool look_at(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    t->untold = false;
    if (t->ev.kind == WAIT_SIGNAL)
        return look_at_signal(tok, d, t);
    if (t->ev.kind == WAIT_SYSCALL && !t->child)
        return debug_tell_syscall(d, t, &d->event) && (note(d, d->event), true);
    return false;
}

/* ---- running on ---- */

/* A signal that must wait until the instruction at a breakpoint is done. */
static void hold_back(struct debug *d, struct thread *t)
{
    siginfo_t info = {.si_signo = t->signal};
    if (!t->signal)
        return;
    ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info);
    if (!d->launched) { /* from now on the guardian's, no longer the kernel's */
        guard_hold(d, t->tid, &info);
        take_stop(d, t);
    }
    if (t->have_saved)
        vec_push(&t->more, info);
    else
        t->saved = info;
    t->have_saved = true;
    t->signal = 0;
}

static struct place *to_pass(struct debug *d, struct thread *t)
{
    if (!t->met || !t->have_regs || t->regs.pc != t->met_pc)
        return NULL;
    struct place *p = debug_place(d, t->met_pc);
    return p && p->active ? p : NULL;
}

/* All that was held back becomes pending again, in its order. */
static void requeue(struct debug *d, struct thread *t)
{
    if (t->have_saved)
        guard_send(d->pid, t->tid, &t->saved);
    t->have_saved = false;
    for (size_t i = 0; i < t->more.n; i++)
        guard_send(d->pid, t->tid, &t->more.v[i]);
    t->more.n = 0;
}

/* The first as it was; the others come behind it.  True: when it runs on, it has all of them. */
static bool give_back(struct debug *d, struct thread *t)
{
    if (!t->have_saved || !t->at_signal || t->signal || t->finishing)
        return false;
    debug_consume(d, t); /* the trap it stands in is not to come in place of the signal */
    ptrace(PTRACE_SETSIGINFO, t->tid, NULL, &t->saved);
    t->signal = t->saved.si_signo;
    t->have_saved = false;
    requeue(d, t);
    return true;
}

/* Lets one thread that stands run on.  False: it must pass a breakpoint in place. */
static bool go(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    struct place *p = to_pass(d, t);
    if (t->group_stop) {
        ptrace(PTRACE_LISTEN, t->tid, NULL, NULL);
        ran(d, t);
        return true;
    }
    if (p) {
        enum pass how = debug_pass(d, t, p);
        if (how == PASS_IN_PLACE) {
            t->in_place = true;
            return false;
        }
        if (how == PASSING && !p->how.lasts && (t->signal || t->have_saved)) {
            hold_back(d, t);
            t->finishing = true;
        }
    }
    if (t->finishing)
        hold_back(d, t);
    debug_put_regs(tok, d, t);
    bool given = give_back(d, t);
    long how = t->finishing ? PTRACE_SINGLESTEP : d->nsyscalls ? PTRACE_SYSCALL : PTRACE_CONT;
    ptrace((enum __ptrace_request)how, t->tid, NULL, (long)t->signal);
    if (given)
        guard_unhold(d, t->tid);
    ran(d, t);
    t->stepped = t->finishing;
    return true;
}

static void quiet(const struct tracer_token *tok, struct debug *d, struct thread *t);
static void nap(unsigned round);

bool debug_await(const struct tracer_token *tok, struct debug *d, pid_t tid, int64_t limit_ns,
                 bool may_halt)
{
    int64_t start = clock_mono_ns();
    for (unsigned round = 0;; round++) {
        struct wait_event ev;
        if (look(d, WNOHANG, &ev)) {
            struct thread *t = take(tok, d, ev);
            if (d->state == DEBUG_GONE || d->became_another || !debug_thread(d, tid))
                return false;
            if (t && t->tid == tid) {
                debug_consume(d, t);
                return true;
            }
            if (t)
                quiet(tok, d, t);
            continue;
        }
        if (ev.kind == WAIT_LOST || (limit_ns && clock_mono_ns() - start > limit_ns))
            return false;
        if (may_halt && atomic_load(&d->halt)) {
            may_halt = false;
            ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        }
        nap(round);
    }
}

/* One instruction where it lies, while everybody else stands.  A system call may wait for others:
 * then its thread sits in the kernel, past the breakpoint, which is put back. */
static void step_in_place(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    struct place *p = to_pass(d, t);
    pid_t tid = t->tid;
    bool stands, again;
    debug_poke(d, p->addr, p->original, d->arch->breakpoint_n);
    do {
        hold_back(d, t);
        debug_put_regs(tok, d, t);
        ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL);
        stepped(d, t);
        stands = debug_await(tok, d, tid, IN_PLACE_LIMIT_NS, false);
        t = debug_thread(d, tid);
        again = stands && t->ev.kind != WAIT_SIGNAL;
        if (stands && t->at_signal && !t->at_trap && !is_fault(tid, t->ev.signal)) {
            t->signal = t->ev.signal;
            again = true;
        }
    } while (again);
    if (d->state != DEBUG_GONE && !d->became_another)
        debug_poke(d, p->addr, d->arch->breakpoint, d->arch->breakpoint_n);
}

void debug_settle(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    pid_t tid = t->tid;
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    ptrace(PTRACE_CONT, tid, NULL, NULL);
    ran(d, t);
    if (debug_await(tok, d, tid, STOP_LIMIT_NS, false)) {
        t = debug_thread(d, tid);
        t->untold = t->ev.kind != WAIT_STOPPED;
    }
}

/* since: of what it does now. */
static void set_state(struct debug *d, enum debug_state state, int64_t since)
{
    if (d->state == DEBUG_GONE)
        return;
    if (state == DEBUG_STANDS && d->state == DEBUG_RUNS)
        d->stood_since = since;
    if (state == DEBUG_RUNS && d->state == DEBUG_STANDS && d->stood_since) {
        d->cost.last_ns = since - d->stood_since;
        d->cost.stood_ns += d->cost.last_ns;
    }
    d->state = state;
}

static void announce(struct debug *d)
{
    uint64_t one = 1;
    if (d->have_event)
        (void)!write(d->wake, &one, sizeof(one));
}

/* Everybody stands: what they stopped for comes first. */
static bool look_at_all(const struct tracer_token *tok, struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        if (t->stands && t->untold && !t->held && look_at(tok, d, t))
            return true;
    }
    return false;
}

/* Those that can only pass their breakpoint where it lies. */
static void pass_in_place(const struct tracer_token *tok, struct debug *d)
{
    if (!d->area && !d->no_area && d->places.n) { /* perhaps somebody lends himself now */
        err_free(debug_prepare_area(tok, d, false));
        if (d->area)
            debug_displace_all(d);
    }
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        struct place *p = t->stands && !t->held ? to_pass(d, t) : NULL;
        pid_t tid = t->tid;
        if (!p || (p->how.how != ARCH_PASS_IN_PLACE && !t->in_place))
            continue;
        step_in_place(tok, d, t);
        if (d->have_event || d->state == DEBUG_GONE)
            return;
        i = row_place(d, tid);
        if (i == d->threads.n)
            return;
    }
}

void debug_run_all(const struct tracer_token *tok, struct debug *d)
{
    pass_in_place(tok, d);
    if (d->have_event || d->state == DEBUG_GONE || look_at_all(tok, d)) {
        announce(d);
        return;
    }
    set_state(d, DEBUG_RUNS, clock_mono_ns());
    d->became_another = false;
    bool again = false;
    for (size_t i = 0; i < d->threads.n && !again; i++) {
        struct thread *t = &d->threads.v[i];
        t->in_kernel = false;
        if (t->stands && !t->held)
            again = !go(tok, d, t);
    }
    if (again) { /* emulating has failed: in place, then */
        err_free(debug_stop_all(tok, d));
        debug_run_all(tok, d);
    }
}

/* ---- stopping ---- */

static void nap(unsigned round)
{
    if (round < SPINS) {
        sched_yield();
        return;
    }
    struct timespec t = {.tv_nsec =
                             (long)min_u64((round + 1 - SPINS) * (uint64_t)NAP_NS, NAP_MAX_NS)};
    nanosleep(&t, NULL);
}

/* Of a breakpoint that we have, or know of: of somebody who was killed, or of a call. */
static bool is_known(const struct debug *d, taddr addr)
{
    for (size_t i = 0; i < d->left.n; i++)
        if (d->left.v[i] == addr)
            return true;
    return debug_place(d, addr) || debug_is_call_trap(d, addr);
}

/* Stopped at our request, with a trap still to be told: of the breakpoint just before, or of the
 * step that our request has cut short (in a system call that waits).  Let go like that, the thread
 * would die of it. */
static bool trap_pending(struct debug *d, struct thread *t)
{
    struct __ptrace_peeksiginfo_args args = {.nr = 1};
    siginfo_t info;
    bool behind = t->have_regs && is_known(d, t->regs.pc - d->arch->breakpoint_pc_skip);
    if (!behind && !t->stepped)
        return false;
    for (; ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &info) == 1; args.off++)
        if (info.si_signo == SIGTRAP &&
            ((behind && info.si_code == SI_KERNEL) || (t->stepped && is_step(&info))))
            return true;
    return false;
}

/* Puts a thread back before a breakpoint of somebody else, while ours are not known yet, or of a
 * call. */
static void undo_known(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    siginfo_t info;
    taddr addr = t->regs.pc - d->arch->breakpoint_pc_skip;
    if (!t->at_trap || !is_known(d, addr) || ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) < 0 ||
        info.si_code != SI_KERNEL)
        return;
    put_back(d, t, addr);
    debug_put_regs(tok, d, t);
    t->untold = false;
}

/* A thread that has come to a stop while all are being stopped. */
static void quiet(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    if (t->ev.kind == WAIT_CLONE || t->ev.kind == WAIT_OTHER)
        t->untold = false;
    bool any = d->places.n || d->left.n || d->call_traps.n;
    struct err *e = any ? debug_get_regs(tok, d, t) : NULL;
    enum trap kind = any && !e && t->at_trap ? trap_kind(d, t) : TRAP_NONE;
    err_free(e);
    if (t->ev.kind == WAIT_STOPPED && trap_pending(d, t)) {
        ptrace(PTRACE_CONT, t->tid, NULL, NULL);
        ran(d, t);
    } else if (kind == TRAP_OWN || kind == TRAP_CALL) {
        undo_known(tok, d, t);
    } else if (kind == TRAP_OURS) {
        undo_trap(d, t);
        debug_put_regs(tok, d, t);
        t->untold = false;
    }
    debug_consume(d, t);
}

static bool all_stand(const struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        if (!d->threads.v[i].stands && !d->threads.v[i].in_kernel)
            return false;
    return true;
}

static void judge_stragglers(struct debug *d, bool whatever)
{
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        struct proc_stat st;
        if (t->stands || t->in_kernel)
            continue;
        struct err *e = proc_stat(t->tid, t->tid, &st);
        t->in_kernel = whatever || (!e && (st.state == 'D' || st.state == 'Z' || st.state == 'X'));
        err_free(e);
    }
}

static void interrupt_all(struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        if (!d->threads.v[i].stands && !d->threads.v[i].in_kernel)
            ptrace(PTRACE_INTERRUPT, d->threads.v[i].tid, NULL, NULL);
}

struct err *debug_stop_all(const struct tracer_token *tok, struct debug *d)
{
    int64_t start = clock_mono_ns(), last = start;
    d->stopping = true;
    d->cost.stops++;
    interrupt_all(d);
    for (unsigned round = 0; d->state != DEBUG_GONE && !all_stand(d); round++) {
        struct wait_event ev;
        if (look(d, WNOHANG, &ev)) {
            struct thread *t = take(tok, d, ev);
            if (t)
                quiet(tok, d, t);
            last = clock_mono_ns();
            round = 0;
            continue;
        }
        if (ev.kind == WAIT_LOST)
            ended(d, 0);
        int64_t now = clock_mono_ns();
        if (now - last > PATIENCE_NS) {
            judge_stragglers(d, now - start > STOP_LIMIT_NS);
            interrupt_all(d);
            last = now;
        }
        nap(round);
    }
    d->stopping = false;
    d->stopped_ns = clock_mono_ns();
    set_state(d, DEBUG_STANDS, start);
    return d->state == DEBUG_GONE ? debug_gone(d) : NULL;
}

/* Something is to be told: everybody stops. */
static void tell(const struct tracer_token *tok, struct debug *d)
{
    struct debug_event ev = d->event;
    err_free(debug_stop_all(tok, d));
    if (d->event.kind == ev.kind)
        d->event = ev;
    tracer_urgent(tok, d->urgent);
    announce(d);
}

static void one_event(const struct tracer_token *tok, struct debug *d, struct wait_event ev)
{
    struct thread *t = take(tok, d, ev);
    if (t && !d->have_event && !look_at(tok, d, t)) {
        if (go(tok, d, t))
            return;
        debug_put_regs(tok, d, t);
        debug_consume(d, t);
        err_free(debug_stop_all(tok, d));
        debug_run_all(tok, d);
        return;
    }
    if (t) {
        debug_put_regs(tok, d, t);
        debug_consume(d, t);
    }
    if (d->have_event)
        tell(tok, d);
}

/* Just after a hit there is often another one: being asleep then, and woken, costs more than the
 * rest of it.  Whoever wants the processor gets it. */
static bool look_for_next(struct debug *d, struct wait_event *ret)
{
    if (d->cost.hits == d->hits_before)
        return false;
    d->hits_before = d->cost.hits;
    for (int64_t start = clock_mono_ns(); clock_mono_ns() - start < NEXT_HIT_NS;) {
        if (look(d, WNOHANG, ret))
            return true;
        sched_yield();
    }
    return false;
}

static int64_t attend(const struct tracer_token *tok, void *arg)
{
    struct debug *d = arg;
    struct wait_event ev;
    if (d->state == DEBUG_GONE)
        return -1;
    if (d->state == DEBUG_STANDS) {
        while (d->state == DEBUG_STANDS && look(d, WNOHANG, &ev)) {
            struct thread *t = take(tok, d, ev);
            if (t)
                quiet(tok, d, t);
        }
        if (d->have_event)
            announce(d);
        return d->state == DEBUG_GONE ? -1 : STANDING_NAP_NS;
    }
    bool watched = debug_copy_watched(d) || d->kept;
    if (look_for_next(d, &ev) || look(d, watched ? WNOHANG : 0, &ev))
        one_event(tok, d, ev);
    else if (ev.kind == WAIT_LOST) {
        ended(d, 0);
        announce(d);
    } else if (watched) {
        nap(SPINS + WATCH_NAPS);
    }
    return 0;
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

/* A guardian that clears what its debugger has left traces for a moment. */
static int seize_one(const struct debug *d, pid_t tid)
{
    struct timespec nap_a_while = {.tv_nsec = GUARD_NAP_NS};
    for (int tries = 0;; tries++) {
        struct proc_status status;
        if (ptrace(PTRACE_SEIZE, tid, NULL, debug_options(d)) == 0)
            return 0;
        int errnum = errno;
        struct err *e = proc_status(tid, &status);
        bool guarded = !e && (status.tracer == 0 || guard_is(status.tracer));
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
    struct thread *t = add_thread(d, tid);
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
    debug_find_left(d);
    TRY(debug_stop_all(tok, d));
    for (size_t i = 0; i < d->threads.n; i++)
        d->threads.v[i].have_regs = false; /* slots are not told before the area is known */
    TRY(debug_prepare_area(tok, d, true));
    d->left.n = 0;
    debug_attend(tok, d);
    return NULL;
}

void debug_attend(const struct tracer_token *tok, struct debug *d)
{
    tracer_attend(tok, attend, d);
}

struct err *debug_begin(const struct tracer_token *tok, struct debug *d)
{
    struct thread *t = add_thread(d, d->pid);
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
    forget_threads(d);
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
        if (look(d, WNOHANG, &ev))
            take(tok, d, ev);
        else if (ev.kind == WAIT_LOST || clock_mono_ns() - start > END_LIMIT_NS)
            return;
        else
            nap(round);
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
            look_at(tok, d, t);
        err_free(e);
        debug_put_regs(tok, d, t);
        give_back(d, t);
        requeue(d, t); /* what it could not be given in the stop it stands in */
        ptrace(PTRACE_DETACH, t->tid, NULL, (long)t->signal);
        guard_unhold(d, t->tid);
    }
    forget_threads(d);
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
    note(d, (struct debug_event){.kind = DEBUG_HALTED});
    tell(tok, d);
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

/* ---- one step ---- */

struct stepping {
    struct debug *d;
    pid_t tid;
    struct debug_event *ret;
};

/* Sets a thread on its way; false: it has arrived already. */
static bool begin_step(const struct tracer_token *tok, struct debug *d, struct thread *t,
                       struct place **in_place)
{
    struct place *p = debug_place(d, t->regs.pc), here;
    *in_place = NULL;
    if (!p || !p->active)
        return !debug_emulates(d, t, &here) || debug_pass(d, t, &here) != PASSED;
    if (p->active) {
        switch (debug_pass(d, t, p)) {
        case PASSED:
            return false;
        case PASSING:
            break;
        case PASS_IN_PLACE:
            debug_poke(d, p->addr, p->original, d->arch->breakpoint_n);
            *in_place = p;
        }
    }
    return true;
}

static void step_on(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    if (!t->fault) /* one that is delivered leads the step into its handler */
        hold_back(d, t);
    debug_put_regs(tok, d, t);
    ptrace(PTRACE_SINGLESTEP, t->tid, NULL, (long)t->signal);
    stepped(d, t);
}

static void take_trap(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    pid_t tid = t->tid;
    if (!trap_pending(d, t))
        return;
    ptrace(PTRACE_CONT, tid, NULL, NULL);
    ran(d, t);
    if (debug_await(tok, d, tid, STOP_LIMIT_NS, false))
        debug_thread(d, tid)->untold = false;
}

/* Whether the stop of a stepping thread ends the step; d->event says how. */
static bool step_ends(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    t->untold = false;
    if (t->ev.kind == WAIT_STOPPED && atomic_exchange(&d->halt, false)) {
        take_trap(tok, d, t);
        note(d, (struct debug_event){.kind = DEBUG_HALTED});
        return true;
    }
    struct err *e = t->ev.kind == WAIT_SIGNAL ? debug_get_regs(tok, d, t) : NULL;
    if (e || t->ev.kind != WAIT_SIGNAL) {
        err_free(e);
        return false;
    }
    bool step = t->ev.signal == SIGTRAP && trap_kind(d, t) == TRAP_STEP;
    if (look_at_signal(tok, d, t))
        return true;
    if (step)
        note(d, (struct debug_event){.kind = DEBUG_STEPPED, .tid = t->tid, .pc = t->regs.pc});
    return step;
}

static struct err *step_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct stepping *s = arg;
    struct debug *d = s->d;
    struct place *in_place = NULL;
    struct thread *t = debug_thread(d, s->tid);
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    if (d->state != DEBUG_STANDS || d->have_event || !t || !t->stands)
        return err_new(ERR_USAGE, "thread %d does not stand", s->tid);
    TRY(debug_prepare(tok, d));
    t = debug_thread(d, s->tid);
    if (!t)
        return debug_gone(d);
    TRY(debug_get_regs(tok, d, t));
    if (t->untold && look_at(tok, d, t)) {
        *s->ret = d->event;
        d->have_event = false;
        return NULL;
    }
    bool there = true, done = false;
    while (!done && there) {
        err_free(debug_get_regs(tok, d, t)); /* killed: an event will tell */
        /* again when a signal came first: then it is where it was */
        if (!in_place && !t->fault && !begin_step(tok, d, t, &in_place)) {
            note(d, (struct debug_event){.kind = DEBUG_STEPPED, .tid = s->tid, .pc = t->regs.pc});
            break;
        }
        step_on(tok, d, t);
        there = debug_await(tok, d, s->tid, 0, true);
        t = there ? debug_thread(d, s->tid) : NULL;
        done = there && step_ends(tok, d, t);
        t = debug_thread(d, s->tid);
    }
    if (in_place && d->state != DEBUG_GONE && d->places.n)
        debug_poke(d, in_place->addr, d->arch->breakpoint, d->arch->breakpoint_n);
    if (t)
        t->met = false;
    if (!d->have_event) {
        if (d->state == DEBUG_GONE)
            return debug_gone(d);
        return err_new(ERR_GONE, "thread %d has ended", s->tid);
    }
    *s->ret = d->event;
    d->have_event = false;
    return NULL;
}

struct err *debug_step(struct debug *d, pid_t tid, struct debug_event *ret)
{
    struct stepping s = {d, tid, ret};
    return tracer_call(d->tracer, step_on_tracer, &s);
}
