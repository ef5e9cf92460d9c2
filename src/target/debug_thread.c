/* debug_thread.c - the threads of a debugged process: rows ordered by number, and their registers,
 * which are shown as if the process had nothing of ours. */
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "target/debug_int.h"
#include "target/live_int.h"

/* ---- rows ---- */

size_t debug_row(const struct debug *d, pid_t tid)
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
    size_t i = debug_row(d, tid);
    return i < d->threads.n && d->threads.v[i].tid == tid ? &d->threads.v[i] : NULL;
}

struct thread *debug_add_thread(struct debug *d, pid_t tid)
{
    size_t at = debug_row(d, tid);
    struct thread t = {.tid = tid, .newborn = true};
    vec_push(&d->threads, t);
    memmove(&d->threads.v[at + 1], &d->threads.v[at], (d->threads.n - 1 - at) * sizeof(t));
    d->threads.v[at] = t;
    return &d->threads.v[at];
}

void debug_unkeep(struct debug *d, struct thread *t)
{
    d->kept -= t->kept;
    t->kept = false;
}

void debug_forget_thread(struct debug *d, struct thread *t)
{
    debug_unkeep(d, t);
    if (t->have_saved)
        guard_unhold(d, t->tid);
    size_t at = (size_t)(t - d->threads.v);
    vec_free(&t->more);
    memmove(t, t + 1, (d->threads.n - 1 - at) * sizeof(*t));
    d->threads.n--;
}

void debug_forget_threads(struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++)
        vec_free(&d->threads.v[i].more);
    d->threads.n = d->kept = 0;
}

void debug_drop_thread(struct debug *d, pid_t tid)
{
    struct thread *t = debug_thread(d, tid);
    if (t)
        debug_forget_thread(d, t);
}

void debug_ran(struct debug *d, struct thread *t)
{
    debug_unkeep(d, t);
    t->stands = t->in_kernel = t->untold = t->unread = t->at_signal = t->at_trap = t->have_regs =
        t->met = t->group_stop = t->in_place = t->fault = t->stepped = false;
    t->signal = 0;
}

/* ... for one instruction. */
void debug_stepped(struct debug *d, struct thread *t)
{
    debug_ran(d, t);
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
    if (!t->at_trap || !t->unread || t->kept || d->launched ||
        debug_unslot(d, t->regs.pc, &p, &pc) || debug_place(d, t->regs.pc))
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
