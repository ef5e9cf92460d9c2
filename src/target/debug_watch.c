/* debug_watch.c - watchpoints in the processor's debug registers, and system calls that are told.
 *
 * Debug registers belong to a thread and are not inherited: each newborn gets them before its first
 * instruction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>

#include "target/debug_int.h"

static void poke_user(pid_t tid, size_t at, uint64_t v)
{
    ptrace(PTRACE_POKEUSER, tid, at, v);
}

/* Off, the addresses, on: an address is checked against the kind that is set up. */
static bool set_registers(struct debug *d, pid_t tid)
{
    const struct arch_debug *a = d->a;
    poke_user(tid, a->watch_control_at, 0);
    for (unsigned i = 0; i < a->watches; i++)
        if (d->watch[i].used)
            poke_user(tid, a->watch_address_at(i), d->watch[i].addr);
    return ptrace(PTRACE_POKEUSER, tid, a->watch_control_at, d->watch_control) == 0 ||
           errno == ESRCH;
}

void debug_watch_birth(struct debug *d, struct thread *t)
{
    if (d->watch_control)
        set_registers(d, t->tid);
}

static bool set_all(struct debug *d)
{
    bool ok = true;
    for (size_t i = 0; i < d->threads.n; i++)
        if (d->threads.v[i].stands && !d->threads.v[i].child)
            ok &= set_registers(d, d->threads.v[i].tid);
    if (d->table)
        atomic_store(&d->table->watches, d->watch_control != 0);
    return ok;
}

/* While we attach there may be some of a debugger that was killed, whose guardian we have come
 * before. */
void debug_watch_clear(struct debug *d)
{
    bool any = d->watch_control != 0 || d->attaching;
    memset(d->watch, 0, sizeof(d->watch));
    d->watch_control = 0;
    if (any)
        set_all(d);
}

/* All of those that were met are asked. */
bool debug_watch_hit(const struct tracer_token *tok, struct debug *d, struct thread *t,
                     unsigned *ret)
{
    (void)tok;
    if (!d->watch_control || t->child)
        return false;
    errno = 0;
    uint64_t status = (uint64_t)ptrace(PTRACE_PEEKUSER, t->tid, d->a->watch_status_at, NULL);
    if (errno)
        return false;
    poke_user(t->tid, d->a->watch_status_at, 0);
    struct debug_hit hit = {.d = d, .tid = t->tid, .addr = t->regs.pc, .regs = &t->regs};
    bool stop = false;
    for (unsigned i = 0; i < d->a->watches; i++) {
        if (!(status >> i & 1) || !d->watch[i].used)
            continue;
        if (d->watch[i].fn(d->watch[i].arg, &hit) == DEBUG_STOP) {
            *ret = i;
            stop = true;
        } else {
            d->cost.hits++;
        }
    }
    return stop;
}

/* ---- setting ---- */

struct change {
    struct debug *d;
    struct debug_watch w;
    unsigned slot;
};

static struct err *add_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct change *c = arg;
    struct debug *d = c->d;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    while (c->slot < d->a->watches && d->watch[c->slot].used)
        c->slot++;
    if (c->slot == d->a->watches)
        return err_new(ERR_LIMIT, "all %u watchpoints of the processor are taken", d->a->watches);
    TRY(debug_prepare(tok, d));
    bool runs = d->state == DEBUG_RUNS;
    if (runs)
        TRY(debug_stop_all(tok, d));
    uint64_t before = d->watch_control;
    d->watch[c->slot] = c->w;
    d->watch_control = d->a->watch_control(before, c->slot, c->w.n, c->w.access);
    bool ok = set_all(d);
    if (!ok) {
        d->watch[c->slot].used = false;
        d->watch_control = before;
        set_all(d);
    }
    if (runs)
        debug_run_all(tok, d);
    return ok ? NULL
              : err_hint(err_new(ERR_UNSUPPORTED, "the processor's debug registers cannot be set"),
                         "virtual machines do not always have them, and perf may have taken them");
}

struct err *debug_watch_add(struct debug *d, taddr addr, unsigned n, enum debug_access access,
                            debug_handler *fn, void *arg, unsigned *ret_slot)
{
    struct change c = {
        .d = d, .w = {.used = true, .addr = addr, .n = n, .access = access, .fn = fn, .arg = arg}};
    if ((n != 1 && n != 2 && n != 4 && n != 8) || addr % n)
        return err_new(ERR_USAGE, "1, 2, 4 or 8 bytes can be watched, at a multiple of that");
    TRY(tracer_call(d->tracer, add_on_tracer, &c));
    *ret_slot = c.slot;
    return NULL;
}

static struct err *remove_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct change *c = arg;
    struct debug *d = c->d;
    if (d->state == DEBUG_GONE || c->slot >= d->a->watches || !d->watch[c->slot].used)
        return NULL;
    bool runs = d->state == DEBUG_RUNS;
    if (runs)
        TRY(debug_stop_all(tok, d));
    d->watch[c->slot].used = false;
    d->watch_control = d->a->watch_control(d->watch_control, c->slot, 1, 0);
    set_all(d);
    if (runs)
        debug_run_all(tok, d);
    return NULL;
}

struct err *debug_watch_remove(struct debug *d, unsigned slot)
{
    struct change c = {.d = d, .slot = slot};
    return tracer_call(d->tracer, remove_on_tracer, &c);
}

/* ---- system calls ---- */

bool debug_tell_syscall(struct debug *d, struct thread *t, struct debug_event *ret)
{
    struct ptrace_syscall_info info;
    if (!d->nsyscalls || ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) <= 0)
        return false;
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (entry)
        t->syscall = (int64_t)info.entry.nr;
    if (entry ? !d->syscall_entry : !d->syscall_exit)
        return false;
    for (size_t i = 0; i < d->nsyscalls; i++) {
        if (d->syscalls[i] != t->syscall)
            continue;
        *ret = (struct debug_event){.kind = DEBUG_SYSCALL,
                                    .tid = t->tid,
                                    .pc = info.instruction_pointer,
                                    .nr = t->syscall,
                                    .entry = entry};
        return true;
    }
    return false;
}

struct catching {
    struct debug *d;
    const int64_t *nr;
    size_t n;
    bool entry, exit;
};

static struct err *catch_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct catching *c = arg;
    struct debug *d = c->d;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    bool runs = d->state == DEBUG_RUNS;
    if (runs)
        TRY(debug_stop_all(tok, d));
    if (c->n)
        memcpy(d->syscalls, c->nr, c->n * sizeof(*c->nr));
    d->nsyscalls = c->n;
    d->syscall_entry = c->entry;
    d->syscall_exit = c->exit;
    if (runs)
        debug_run_all(tok, d);
    return NULL;
}

struct err *debug_catch_syscalls(struct debug *d, const int64_t *nr, size_t n, bool entry,
                                 bool exit)
{
    struct catching c = {d, nr, n, entry, exit};
    if (n > DEBUG_SYSCALLS_MAX)
        return err_new(ERR_LIMIT, "at most %d system calls can be caught at a time",
                       DEBUG_SYSCALLS_MAX);
    return tracer_call(d->tracer, catch_on_tracer, &c);
}
