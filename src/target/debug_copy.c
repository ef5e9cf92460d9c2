/* debug_copy.c - a copy of a process that is debugged, of the moment at which it stands.
 *
 * The copy is made as for everybody else (inject.c, freeze.c): a thread lends itself for a clone(),
 * a helper forks, the copy never runs.  What is different is who holds the threads.  freeze.c has
 * its machine (live.c) seize, stop and let go; here all of that is done, and the machine is lent
 * our threads for as long as the copy takes (lend, take_back).  So there is one way to copy, and
 * two ways to stand still.
 *
 * Who lends itself: as there, a thread that sleeps in a call whose result nobody looks at (futex,
 * usleep), but one that slept when it was stopped, not one that is found asleep while others run:
 * nobody runs an instruction of the program between the moment and the copy.  Never the thread that
 * met a breakpoint, nor one at the entry of a system call or behind a call of its own that is still
 * to be told: those are not touched, and go on from the very stop they stand in.  When system calls
 * are caught, a sleeper stands at the exit of its call, which says that it is to be made again:
 * that stop may be used up, unless this very call is to be told.  When nobody is asleep, when a
 * filter forbids the calls, or when there is no room, there is no copy, and the error says why.
 *
 * What a lender comes back with is a stop like any other: the one we asked for, from which the
 * kernel restarts its call, or a signal that came meanwhile, which is judged when all run again.
 *
 * In the copy no breakpoint is left: its memory is the program's own (debug_clean_copy());
 * registers are those the threads would have without us (debug_get_regs() puts who is in a slot
 * back).
 *
 * We are the tracer of the copy.  Its end may be taken by whoever waits for anybody (debug.c), so
 * that is noted (live.copy): a number that is nobody's any more must not be killed.
 *
 * If we are killed, what inject.c says holds: it depends on nothing but that the lender sleeps in
 * such a call.  tests/e2e/test_snapshot_at.py kills us at every step. */
#include <stdlib.h>

#include "base/clock.h"
#include "target/debug_int.h"
#include "target/live_target_int.h"

/* ---- our threads as rows of the other machine ---- */

static bool is_caught(const struct debug *d, int64_t nr)
{
    for (size_t i = 0; i < d->nsyscalls; i++)
        if (d->syscalls[i] == nr)
            return true;
    return false;
}

/* Whether it stands for nothing that is still to be told or done. */
static bool is_free(const struct debug *d, const struct thread *t)
{
    bool stopped = t->ev.kind == WAIT_STOPPED ||
                   (t->ev.kind == WAIT_SYSCALL && !is_caught(d, t->regs.syscall));
    return stopped && !t->group_stop && !t->regs_changed && !t->finishing && !t->in_place &&
           !t->signal;
}

static struct err *lend_thread(const struct tracer_token *tok, struct debug *d, struct thread *t,
                               struct live *m)
{
    struct err *e = t->stands ? debug_get_regs(tok, d, t) : NULL;
    if (e && err_code(e) != ERR_GONE)
        return e;
    struct live_row *row = live_add_row(m, t->tid);
    live_set_row(m, row, t->stands ? ROW_STOPPED : ROW_IN_KERNEL);
    row->have_regs = t->stands && !e;
    row->regs = t->regs;
    row->group_stop = t->group_stop;
    row->busy = t->child || !is_free(d, t);
    row->child = t->child;
    err_free(e);
    return NULL;
}

static struct err *lend(const struct tracer_token *tok, void *arg, struct live *m)
{
    struct debug *d = arg;
    struct err *e = NULL;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    if (d->state != DEBUG_STANDS)
        return err_new(ERR_USAGE, "process %d runs", d->pid);
    m->options = debug_options(d);
    m->first_stop_ns = d->stood_since;
    m->all_stopped_ns = d->stopped_ns;
    for (size_t i = 0; !e && i < d->threads.n; i++)
        e = lend_thread(tok, d, &d->threads.v[i], m);
    if (e)
        live_forget_rows(m);
    else
        live_set_state(m, LIVE_STOPPED);
    return e;
}

/* A lender has another stop than before. */
static void take_lender_back(struct thread *t, const struct live_row *row)
{
    t->stands = row->state == ROW_STOPPED;
    t->ev = row->ev;
    t->untold = t->at_signal = t->stands && row->ev.kind == WAIT_SIGNAL;
    t->at_trap = t->at_signal && row->ev.signal == SIGTRAP;
    t->group_stop = row->group_stop;
    t->unread = t->have_regs = t->met = t->fault = false;
}

static void take_back(const struct tracer_token *tok, void *arg, struct live *m)
{
    struct debug *d = arg;
    (void)tok;
    for (size_t i = d->threads.n; i-- > 0;) {
        struct thread *t = &d->threads.v[i];
        const struct live_row *row = live_find(m, t->tid);
        if (!row || row->buried)
            debug_drop_thread(d, t->tid);
        else if (row->called)
            take_lender_back(t, row);
    }
    m->last_resume_ns = clock_mono_ns();
    live_forget_rows(m);
}

static struct err *clean(void *arg, pid_t copy)
{
    return debug_clean_copy(arg, copy)
               ? NULL
               : err_new(ERR_UNSUPPORTED, "breakpoints could not be taken out of the copy");
}

/* ---- the process as it is for everybody else ---- */

static struct err *open_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct debug *d = arg;
    (void)tok;
    if (!d->lent)
        d->lent = live_new_lent(d->pid, d->arch, d->tracer);
    return NULL;
}

static struct live_target *process_of(struct debug *d)
{
    return d->process ? live_target_of(d->process) : NULL;
}

static struct err *reopen_process(struct debug *d)
{
    struct target *fresh, *old = d->process;
    TRY(target_open_pid(d->pid, &fresh));
    d->process = fresh;
    process_of(d)->m = d->lent;
    if (old) { /* what it has not collected it can still */
        struct live_target *l = live_target_of(old);
        for (size_t i = 0; i < l->left.n; i++)
            vec_push(&process_of(d)->left, l->left.v[i]);
        target_close(old);
    }
    return NULL;
}

/* Another one after an exec(). */
static struct err *open_process(struct debug *d, struct live_target **ret)
{
    struct live_target *l = process_of(d);
    struct err *gone = l ? memory_alive(&l->memory) : NULL;
    struct err *none = d->lent ? NULL : tracer_call(d->tracer, open_on_tracer, d);
    if (none)
        return none;
    struct err *e = !l || (gone && !l->frozen) ? reopen_process(d) : NULL;
    err_free(gone);
    *ret = process_of(d);
    return e;
}

struct err *debug_copy(struct debug *d, const struct target_freeze_options *o, struct target **ret)
{
    struct live_target *l;
    struct live_holder h = {.arg = d, .lend = lend, .take_back = take_back, .clean = clean};
    TRY(open_process(d, &l));
    return live_target_copy(l, &h, o, ret);
}

void debug_copy_prepare(struct debug *d)
{
    struct live_target *l;
    struct err *e = open_process(d, &l);
    if (!e)
        live_target_prepare(l);
    err_free(e);
}

/* ---- for debug.c ---- */

bool debug_copy_ended(struct debug *d, pid_t pid)
{
    if (!d->lent || !pid || d->lent->copy != pid)
        return false;
    d->lent->copy = 0;
    return true;
}

pid_t debug_copy_pid(const struct debug *d)
{
    return d->lent ? d->lent->copy : 0;
}

bool debug_copy_watched(const struct debug *d)
{
    return d->lent && d->lent->copy && d->lent->watch_copy;
}

void debug_copy_end(struct debug *d, bool let_go)
{
    struct live_target *l = process_of(d);
    if (l && l->frozen)
        err_free(target_thaw(l->frozen, &(struct target_pause){0}));
    if (l && let_go)
        live_target_reap(l);
}

void debug_copy_free(struct debug *d)
{
    if (d->process)
        target_close(d->process);
    if (d->lent)
        live_free(d->lent);
}
