/* debug_step.c - one instruction of one thread, while all others stand. */
#include <signal.h>
#include <sys/ptrace.h>

#include "base/clock.h"
#include "target/debug_int.h"

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
        debug_hold_back(d, t);
    debug_put_regs(tok, d, t);
    ptrace(PTRACE_SINGLESTEP, t->tid, NULL, (long)t->signal);
    debug_stepped(d, t);
}

static void take_trap(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    pid_t tid = t->tid;
    if (!debug_trap_pending(d, t))
        return;
    ptrace(PTRACE_CONT, tid, NULL, NULL);
    debug_ran(d, t);
    if (!debug_await(tok, d, tid, DEBUG_STOP_LIMIT_NS, false))
        return;
    t = debug_thread(d, tid);
    t->untold = t->at_trap && debug_trap_kind(d, t) == TRAP_WATCH;
}

/* Whether the stop of a stepping thread ends the step; d->event says how. */
static bool step_ends(const struct tracer_token *tok, struct debug *d, struct thread *t)
{
    t->untold = false;
    if (t->ev.kind == WAIT_STOPPED && atomic_exchange(&d->halt, false)) {
        take_trap(tok, d, t);
        debug_note(d, (struct debug_event){.kind = DEBUG_HALTED});
        return true;
    }
    struct err *e = t->ev.kind == WAIT_SIGNAL ? debug_get_regs(tok, d, t) : NULL;
    if (e || t->ev.kind != WAIT_SIGNAL) {
        err_free(e);
        return false;
    }
    bool step = t->ev.signal == SIGTRAP && debug_trap_kind(d, t) == TRAP_STEP;
    if (debug_look_at_signal(tok, d, t))
        return true;
    if (step)
        debug_note(d, (struct debug_event){.kind = DEBUG_STEPPED, .tid = t->tid, .pc = t->regs.pc});
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
    if (t->untold && debug_look_at(tok, d, t)) {
        *s->ret = d->event;
        d->have_event = false;
        return NULL;
    }
    bool there = true, done = false;
    while (!done && there) {
        err_free(debug_get_regs(tok, d, t)); /* killed: an event will tell */
        /* again when a signal came first: then it is where it was */
        if (!in_place && !t->fault && !begin_step(tok, d, t, &in_place)) {
            debug_note(
                d, (struct debug_event){.kind = DEBUG_STEPPED, .tid = s->tid, .pc = t->regs.pc});
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
