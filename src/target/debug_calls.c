/* debug_calls.c - functions that goroutines were made to call, and who ends such a call when we do
 * not.
 *
 * The session injects a call by the protocol of Go's runtime (dbg/call.c): runtime.debugCallV2 and
 * its kin (asm_amd64.s, 1.18-1.27) say by a breakpoint of their own and a register where they are,
 * and wait to be answered.  With nobody there to answer, the first of these breakpoints would end
 * the program.  So whatever is needed to end the call lies in the process before it begins, and
 * the handler of SIGTRAP that is in it anyway (debug_guard.c, arch/x86_64_trap.c) answers:
 *
 *   - It needs no ptrace, no guardian, and no thread in particular: what it changes are the
 *     registers in the frame of its own signal, which sigreturn puts back.
 *   - It must not know much: a frame that is ready and not filled is passed by, so that the
 *     function is never called; what was returned, or panicked with, is left alone.  Only the last
 *     word wants an answer, "put registers back", and of these the runtime itself puts back all
 *     that may hold pointers, from where it has saved them (adjusted, when the stack was moved).
 *     What is left are the flags, and floating point and vector registers.  They belong to
 *     the goroutine that was made to call, on whatever thread it is by then, and a goroutine can
 *     be in one call only: that is the key of the table.
 *   - The table is the one part of the area that the process may write: the handler takes out
 *     what is done, so that whoever attaches next knows whether a call goes on.
 *
 * The moments between are covered by what a thread is when we are killed:
 *   - before its registers were set it has not begun to call.  What was written below its stack
 *     pointer is nothing to Go.
 *   - a thread that has met one of these breakpoints is put back onto it before the kernel forgets
 *     the signal (debug_stop.c, TRAP_CALL): without us it meets it once more.
 *     While we live the session sets pc behind it, together with all other registers it answers
 *     with, which the kernel does at once.
 *   - vectors are put back before the rest: between the two the thread still is on the breakpoint.
 *
 * So debug_close() may also leave a call that does not end: the handler stays, and ends it.  A
 * process that we have launched gets the handler then.  While somebody else is attached,
 * breakpoints of a call that is not his own are given to the handler. */
#include <errno.h>
#include <stddef.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/debug_int.h"

_Static_assert(DEBUG_CALLS_DATA % 64 == 0, "vectors are aligned");

static taddr row_at(const struct debug *d, size_t i)
{
    return d->area + DEBUG_AREA + i * sizeof(struct arch_trap_call);
}

static bool rows(struct debug *d, struct arch_trap_call *ret)
{
    size_t size = DEBUG_CALLS_MAX * sizeof(*ret);
    return d->area && pread(d->mem_fd, ret, size, (off_t)row_at(d, 0)) == (ssize_t)size;
}

static void remember(struct debug *d, taddr g)
{
    for (size_t i = 0; i < d->calls.n; i++)
        if (d->calls.v[i] == g)
            return;
    vec_push(&d->calls, g);
}

void debug_calls_forget(struct debug *d)
{
    d->calls.n = d->call_traps.n = 0;
}

bool debug_calls_go_on(struct debug *d)
{
    struct arch_trap_call v[DEBUG_CALLS_MAX];
    bool any = false;
    bool ok = rows(d, v);
    for (size_t i = 0; ok && i < DEBUG_CALLS_MAX; i++)
        any = any || v[i].g;
    return any;
}

/* ---- traps ---- */

bool debug_is_call_trap(const struct debug *d, taddr addr)
{
    for (size_t i = 0; i < d->call_traps.n; i++)
        if (d->call_traps.v[i] == addr)
            return true;
    return false;
}

void debug_find_call_traps(struct debug *d, taddr area, const struct arch_trap_head *head)
{
    taddr v[ARCH_TRAP_CALLS_MAX];
    size_t n = min_u64(head->ncall_traps, ARCH_TRAP_CALLS_MAX);
    if (!n || pread(d->mem_fd, v, n * sizeof(*v), (off_t)(area + ARCH_TRAP_CALLS_AT)) !=
                  (ssize_t)(n * sizeof(*v)))
        return;
    d->call_traps.n = 0;
    for (size_t i = 0; i < n; i++)
        vec_push(&d->call_traps, v[i]);
}

static void give(struct thread *t)
{
    t->signal = SIGTRAP;
    t->fault = true; /* of the instruction: it is not held back */
}

bool debug_call_is_left(struct debug *d, struct thread *t)
{
    if (!d->handler || d->calls.n)
        return false;
    give(t);
    return true;
}

/* ---- a call begins and ends ---- */

struct beginning {
    struct debug *d;
    pid_t tid;
    taddr g;
    const taddr *traps;
    size_t n;
    bool given;
};

static struct err *caller(struct beginning *b, struct thread **ret)
{
    if (b->d->state == DEBUG_GONE)
        return debug_gone(b->d);
    *ret = debug_thread(b->d, b->tid);
    return *ret && (*ret)->stands ? NULL : err_new(ERR_USAGE, "thread %d does not stand", b->tid);
}

static struct err *unwritten(void)
{
    return err_sys(errno, "cannot note in its memory how a call ends");
}

/* Where to: the row of the goroutine, or a free one that has room for n bytes. */
static struct err *choose_row(struct debug *d, taddr g, size_t n, size_t *ret)
{
    struct arch_trap_call v[DEBUG_CALLS_MAX];
    size_t most = min_u64(DEBUG_CALLS_MAX, (DEBUG_CALLS_END - DEBUG_CALLS_DATA) / n);
    bool found = false;
    if (!rows(d, v))
        return unwritten();
    for (size_t i = 0; i < most; i++) {
        if (v[i].g != g && (v[i].g || found))
            continue;
        *ret = i;
        found = true;
        if (v[i].g == g)
            break;
    }
    return found ? NULL : err_new(ERR_LIMIT, "%zu calls go on in the process", most);
}

static struct err *write_traps(struct beginning *b)
{
    struct debug *d = b->d;
    const uint64_t words[] = {b->n, row_at(d, 0), DEBUG_CALLS_MAX};
    d->call_traps.n = 0;
    for (size_t i = 0; i < b->n; i++)
        vec_push(&d->call_traps, b->traps[i]);
    if (!d->area)
        return NULL;
    return debug_poke(d, d->area + ARCH_TRAP_CALLS_AT, b->traps, b->n * sizeof(*b->traps)) &&
                   debug_poke(d, d->area + offsetof(struct arch_trap_head, ncall_traps), words,
                              sizeof(words))
               ? NULL
               : unwritten();
}

static struct err *write_row(struct beginning *b, struct thread *t)
{
    struct debug *d = b->d;
    uint8_t bytes[DEBUG_EXTENDED_MAX];
    struct iovec io = {bytes, sizeof(bytes)};
    size_t row = 0;
    if (ptrace(PTRACE_GETREGSET, t->tid, (long)d->arch->extended_note, &io) < 0)
        return err_sys(errno, "cannot read the vector registers of thread %d", t->tid);
    size_t room = (io.iov_len + 63) & ~(size_t)63;
    TRY(choose_row(d, b->g, room, &row));
    struct arch_trap_call c = {.g = b->g,
                               .flags = d->a->flags(&t->regs),
                               .extended = d->area + DEBUG_CALLS_DATA + row * room,
                               .extended_n = io.iov_len};
    return debug_poke(d, c.extended, bytes, io.iov_len) &&
                   debug_poke(d, row_at(d, row), &c, sizeof(c))
               ? NULL
               : unwritten();
}

static struct err *begin_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct beginning *b = arg;
    struct thread *t;
    TRY(caller(b, &t));
    TRY(debug_prepare(tok, b->d));
    TRY(caller(b, &t));
    TRY(debug_get_regs(tok, b->d, t));
    TRY(write_traps(b));
    if (b->d->area)
        TRY(write_row(b, t));
    remember(b->d, b->g);
    return NULL;
}

struct err *debug_call_begin(struct debug *d, pid_t tid, taddr g, const taddr *traps, size_t n)
{
    struct beginning b = {.d = d, .tid = tid, .g = g, .traps = traps, .n = n};
    if (n > ARCH_TRAP_CALLS_MAX)
        return err_new(ERR_LIMIT, "%zu breakpoints of the runtime in a call", n);
    return tracer_call(d->tracer, begin_on_tracer, &b);
}

static struct err *end_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct beginning *b = arg;
    struct debug *d = b->d;
    struct arch_trap_call v[DEBUG_CALLS_MAX];
    uint64_t none = 0;
    (void)tok;
    for (size_t i = 0; i < d->calls.n; i++)
        if (d->calls.v[i] == b->g)
            d->calls.v[i] = d->calls.v[--d->calls.n];
    bool ok = d->state != DEBUG_GONE && rows(d, v);
    for (size_t i = 0; ok && i < DEBUG_CALLS_MAX; i++)
        if (v[i].g == b->g)
            debug_poke(d, row_at(d, i), &none, sizeof(none));
    return NULL;
}

void debug_call_end(struct debug *d, taddr g)
{
    struct beginning b = {.d = d, .g = g};
    err_free(tracer_call(d->tracer, end_on_tracer, &b));
}

struct leftover {
    struct debug *d;
    taddr *ret;
    size_t n, max;
};

static struct err *left_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct leftover *l = arg;
    struct arch_trap_call v[DEBUG_CALLS_MAX];
    bool ok = l->d->state == DEBUG_STANDS && rows(l->d, v) && !debug_area_in_use(tok, l->d);
    for (size_t i = 0; ok && i < DEBUG_CALLS_MAX && l->n < l->max; i++)
        if (v[i].g)
            l->ret[l->n++] = v[i].g;
    return NULL;
}

size_t debug_calls_left(struct debug *d, taddr *ret, size_t max)
{
    struct leftover l = {.d = d, .ret = ret, .max = max};
    err_free(tracer_call(d->tracer, left_on_tracer, &l));
    return l.n;
}

static struct err *give_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct beginning *b = arg;
    struct thread *t;
    TRY(caller(b, &t));
    TRY(debug_get_regs(tok, b->d, t));
    if (debug_is_call_trap(b->d, t->regs.pc)) {
        debug_move(b->d, t, t->regs.pc + b->d->arch->breakpoint_pc_skip);
        b->given = b->d->handler && t->at_trap;
    }
    if (b->given)
        give(t);
    return NULL;
}

struct err *debug_call_pass(struct debug *d, pid_t tid, bool *ret)
{
    struct beginning b = {.d = d, .tid = tid};
    struct err *e = tracer_call(d->tracer, give_on_tracer, &b);
    *ret = b.given;
    return e;
}
