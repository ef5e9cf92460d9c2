/* debug_run.c - letting threads run, past their breakpoints and with their signals, and stopping
 * all of them; the thread that traces sleeps here.  The rules are in debug.c. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
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
};

/* ---- running on ---- */

/* A signal that must wait until the instruction at a breakpoint is done. */
void debug_hold_back(struct debug *d, struct thread *t)
{
    siginfo_t info = {.si_signo = t->signal};
    if (!t->signal)
        return;
    ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info);
    if (!d->launched) { /* from now on the guardian's, no longer the kernel's */
        guard_hold(d, t->tid, &info);
        debug_take_stop(d, t);
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
void debug_requeue(struct debug *d, struct thread *t)
{
    if (t->have_saved)
        guard_send(d->pid, t->tid, &t->saved);
    t->have_saved = false;
    for (size_t i = 0; i < t->more.n; i++)
        guard_send(d->pid, t->tid, &t->more.v[i]);
    t->more.n = 0;
}

/* The first as it was; the others come behind it.  True: when it runs on, it has all of them. */
bool debug_give_back(struct debug *d, struct thread *t)
{
    if (!t->have_saved || !t->at_signal || t->signal || t->finishing)
        return false;
    debug_consume(d, t); /* the trap it stands in is not to come in place of the signal */
    ptrace(PTRACE_SETSIGINFO, t->tid, NULL, &t->saved);
    t->signal = t->saved.si_signo;
    t->have_saved = false;
    debug_requeue(d, t);
    return true;
}

/* Lets one thread that stands run on.  False: it must pass a breakpoint in place. */
static bool go(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    struct place *p = to_pass(d, t);
    if (t->group_stop) {
        ptrace(PTRACE_LISTEN, t->tid, NULL, NULL);
        debug_ran(d, t);
        return true;
    }
    if (p) {
        enum pass how = debug_pass(d, t, p);
        if (how == PASS_IN_PLACE) {
            t->in_place = true;
            return false;
        }
        if (how == PASSING && !p->how.lasts && (t->signal || t->have_saved)) {
            debug_hold_back(d, t);
            t->finishing = true;
        }
    }
    if (t->finishing)
        debug_hold_back(d, t);
    debug_put_regs(tok, d, t);
    bool given = debug_give_back(d, t);
    long how = t->finishing ? PTRACE_SINGLESTEP : d->nsyscalls ? PTRACE_SYSCALL : PTRACE_CONT;
    if (t->rejoins) /* the others of a group stop, before it runs an instruction */
        ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL);
    t->rejoins = false;
    ptrace((enum __ptrace_request)how, t->tid, NULL, (long)t->signal);
    if (given)
        guard_unhold(d, t->tid);
    debug_ran(d, t);
    t->stepped = t->finishing;
    return true;
}

static void quiet(const struct tracer_token *tok, struct debug *d, struct thread *t);

bool debug_await(const struct tracer_token *tok, struct debug *d, pid_t tid, int64_t limit_ns,
                 bool may_halt)
{
    int64_t start = clock_mono_ns();
    for (unsigned round = 0;; round++) {
        struct wait_event ev;
        if (debug_look(d, WNOHANG, &ev)) {
            struct thread *t = debug_take(tok, d, ev);
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
        debug_nap(round);
    }
}

/* False: it sits in the kernel, past its instruction, or cannot be waited for.  One that has only
 * got no processor yet is still before it. */
static bool await_step(const struct tracer_token *tok, struct debug *d, pid_t tid)
{
    int64_t start = clock_mono_ns();
    while (!debug_await(tok, d, tid, IN_PLACE_LIMIT_NS, false)) {
        struct proc_stat st;
        bool ours = d->state != DEBUG_GONE && !d->became_another && debug_thread(d, tid);
        struct err *e = ours ? proc_stat(tid, tid, &st) : NULL;
        bool runs = ours && !e && st.state == 'R';
        err_free(e);
        if (!runs || clock_mono_ns() - start > DEBUG_STOP_LIMIT_NS)
            return false;
    }
    return true;
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
        debug_hold_back(d, t);
        debug_put_regs(tok, d, t);
        ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL);
        debug_stepped(d, t);
        stands = await_step(tok, d, tid);
        t = debug_thread(d, tid);
        again = stands && t->ev.kind != WAIT_SIGNAL;
        if (stands && t->at_signal && !t->at_trap && !debug_is_fault(tid, t->ev.signal)) {
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
    debug_ran(d, t);
    if (debug_await(tok, d, tid, DEBUG_STOP_LIMIT_NS, false)) {
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
        if (t->stands && t->untold && !t->held && debug_look_at(tok, d, t))
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
        i = debug_row(d, tid);
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

void debug_nap(unsigned round)
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

/* Stopped at our request, or with its whole process by a signal, with a trap still to be told: of
 * the breakpoint just before, of the step that our request has cut short (in a system call that
 * waits), of a watchpoint; while we attach, of a step or a watchpoint of somebody who was killed.
 * Let go like that, the thread would die of it. */
bool debug_trap_pending(struct debug *d, struct thread *t)
{
    struct __ptrace_peeksiginfo_args args = {.nr = 1};
    siginfo_t info;
    bool behind = t->have_regs && is_known(d, t->regs.pc - d->arch->breakpoint_pc_skip);
    bool stepped = t->stepped || d->attaching, watched = d->watch_control || d->attaching;
    if (!behind && !stepped && !watched)
        return false;
    for (; ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &info) == 1; args.off++)
        if (info.si_signo == SIGTRAP &&
            ((behind && info.si_code == SI_KERNEL) || (stepped && debug_is_step(&info)) ||
             (watched && info.si_code == TRAP_HWBKPT)))
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
    debug_put_back(d, t, addr);
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
    enum trap kind = any && !e && t->at_trap ? debug_trap_kind(d, t) : TRAP_NONE;
    err_free(e);
    bool asked = t->ev.kind == WAIT_STOPPED || t->group_stop;
    if (asked && debug_trap_pending(d, t)) {
        bool group = t->group_stop;
        ptrace(PTRACE_CONT, t->tid, NULL, NULL);
        debug_ran(d, t);
        t->rejoins = group;
    } else if (kind == TRAP_OWN || kind == TRAP_CALL) {
        undo_known(tok, d, t);
    } else if (kind == TRAP_OURS) {
        debug_undo_trap(d, t);
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
        if (debug_look(d, WNOHANG, &ev)) {
            struct thread *t = debug_take(tok, d, ev);
            if (t)
                quiet(tok, d, t);
            last = clock_mono_ns();
            round = 0;
            continue;
        }
        if (ev.kind == WAIT_LOST)
            debug_ended(d, 0);
        int64_t now = clock_mono_ns();
        if (now - last > PATIENCE_NS) {
            judge_stragglers(d, now - start > DEBUG_STOP_LIMIT_NS);
            interrupt_all(d);
            last = now;
        }
        debug_nap(round);
    }
    d->stopping = false;
    d->stopped_ns = clock_mono_ns();
    set_state(d, DEBUG_STANDS, start);
    return d->state == DEBUG_GONE ? debug_gone(d) : NULL;
}

/* Something is to be told: everybody stops. */
void debug_tell_all(const struct tracer_token *tok, struct debug *d)
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
    struct thread *t = debug_take(tok, d, ev);
    if (t && !d->have_event && !debug_look_at(tok, d, t)) {
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
        debug_tell_all(tok, d);
}

/* Just after a hit there is often another one: being asleep then, and woken, costs more than the
 * rest of it.  Whoever wants the processor gets it. */
static bool look_for_next(struct debug *d, struct wait_event *ret)
{
    if (d->cost.hits == d->hits_before)
        return false;
    d->hits_before = d->cost.hits;
    for (int64_t start = clock_mono_ns(); clock_mono_ns() - start < NEXT_HIT_NS;) {
        if (debug_look(d, WNOHANG, ret))
            return true;
        sched_yield();
    }
    return false;
}

int64_t debug_attend_to(const struct tracer_token *tok, void *arg)
{
    struct debug *d = arg;
    struct wait_event ev;
    if (d->state == DEBUG_GONE)
        return -1;
    if (d->state == DEBUG_STANDS) {
        while (d->state == DEBUG_STANDS && debug_look(d, WNOHANG, &ev)) {
            struct thread *t = debug_take(tok, d, ev);
            if (t)
                quiet(tok, d, t);
        }
        if (d->have_event)
            announce(d);
        return d->state == DEBUG_GONE ? -1 : STANDING_NAP_NS;
    }
    bool watched = debug_copy_watched(d) || d->kept;
    if (look_for_next(d, &ev) || debug_look(d, watched ? WNOHANG : 0, &ev))
        one_event(tok, d, ev);
    else if (ev.kind == WAIT_LOST) {
        debug_ended(d, 0);
        announce(d);
    } else if (watched) {
        debug_nap(SPINS + WATCH_NAPS);
    }
    return 0;
}
