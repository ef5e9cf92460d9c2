/* live.c - the one hard machine: holding the threads of a running process, and letting them go as
 * if nothing had been.
 *
 *      DETACHED --seize--> SEIZING --all--> RUNNING --stop--> STOPPING --all--> STOPPED
 *          ^                                   ^                                   |
 *          |                                   +------------- resume --------------+
 *          |                                                                       |
 *          |                                            STEPPING_OVER <--one runs--+
 *          |                                                  +------stands again-->
 *          +--- DETACHING <--- detach, from any state
 *
 *      any state --exec, exit--> GONE
 *
 * A machine that is LENT (debug_copy.c) begins as STOPPED and ends so: somebody else has stopped
 * all threads, and will let them go.  One of them at a time may run a call (STEPPING_OVER).
 *
 * Each thread of the process has a row (struct live_row).  Rows follow the same order on a small
 * scale: RUNNING -> INTERRUPTED -> STOPPED, or IN_KERNEL for one that sits in the kernel and cannot
 * stop: it will before it runs another instruction of its program, so the process stands still all
 * the same.  CALLING rows run a system call for us (inject.c).
 *
 * Rules, and why:
 *
 * - Threads are seized (PTRACE_SEIZE), not attached: seizing stops nobody and sends no SIGSTOP that
 *   the process or its parent could see.  Stops are asked for with PTRACE_INTERRUPT.  When such a
 *   thread runs on, the kernel restarts the system call it was in, with the time that was left.
 * - A thread that stops because a signal is about to be delivered is stopped well enough.  The
 *   signal goes with it when it is resumed, siginfo untouched, in the same place.
 * - A thread in a group stop (SIGSTOP, Ctrl-Z) is let go by PTRACE_DETACH, after which the kernel
 *   puts it back into the group stop.
 * - All are interrupted before any is waited for: the pause is that of the slowest, not the sum.
 * - No PTRACE_O_TRACECLONE or TRACEFORK on the threads of the process: children would be attached
 *   that we know nothing of, and stay stopped when something goes wrong.  Threads born meanwhile
 *   are found by listing /proc/PID/task again until nothing is new.  Its link count says how many
 *   there are, so that the last listing can mostly be saved.
 * - Events are taken with waitpid() of one thread, never of "any child": other parts of the program
 *   have children, too.
 * - A tracer that dies lets go of everything: the kernel resumes stopped threads with their
 *   signals.  Hence a stop alone is safe at every instant.
 * - A thread that dies while traced stays as a zombie until we wait for it, and an exec() of the
 *   process waits for that.  It holds a lock meanwhile that PTRACE_SEIZE wants, and some readers of
 *   /proc in older kernels; and no event comes from the leader before it is over.  So whoever waits
 *   for anything buries the dead meanwhile (live_bury): the tracer itself, or, where it is blocked,
 *   the thread that waits for it. */
#include "target/live_int.h"

#include <errno.h>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "target/proc_int.h"

enum {
    SPINS = 64,                /* looks before the first nap */
    SPIN_NS = 500 * 1000,      /* of our own tasks, which run beside us */
    NAP_NS = 30 * 1000,        /* between looks: growing by this much ... */
    NAP_MAX_NS = 200 * 1000,   /* ... up to that */
    PATIENCE_NS = 1000 * 1000, /* without an event, before we ask why a thread does not stop */
    BURY_NS = 5 * 1000 * 1000, /* between two looks for the dead */
    SEIZE_TRIES = 3,
    TASK_LINKS = 2, /* links of /proc/PID/task besides its threads */
};
#define STOP_LIMIT_NS (5 * NSEC_PER_SEC)

/* ---- invariants ---- */

static const char *broken_rule(const struct live *m)
{
    unsigned count[ARRAY_LEN(m->count)] = {0};
    for (size_t i = 0; i < m->rows.n; i++) {
        const struct live_row *r = &m->rows.v[i];
        count[r->state]++;
        if (i && m->rows.v[i - 1].tid >= r->tid)
            return "rows are not in order";
        if (r->signal && r->state != ROW_STOPPED)
            return "a thread that is not stopped holds a signal";
    }
    if (memcmp(count, m->count, sizeof(count)) != 0)
        return "rows are counted wrongly";
    if ((m->state == LIVE_DETACHED || m->state == LIVE_GONE) && m->rows.n)
        return "rows without a process";
    if (m->state == LIVE_STOPPED && count[ROW_STOPPED] + count[ROW_IN_KERNEL] != m->rows.n)
        return "a thread of a stopped process is not stopped";
    if (m->state == LIVE_STEPPING_OVER && count[ROW_CALLING] > 1)
        return "two threads step";
    if (m->state == LIVE_RUNNING && count[ROW_IN_KERNEL])
        return "a thread of a running process is waited for";
    return NULL;
}

/* After every event.  A broken rule means that we no longer know what we do to somebody's process:
 * the only safe thing is to end, upon which the kernel lets everything go. */
static void check(const struct live *m)
{
    const char *rule = broken_rule(m);
    if (!rule)
        return;
    log_warn("tracing process %d: %s (state %d)", m->pid, rule, m->state);
    abort();
}

void live_set_state(struct live *m, enum live_state state)
{
    m->state = state;
    check(m);
}

/* ---- rows ---- */

static size_t row_place(const struct live *m, pid_t tid)
{
    size_t lo = 0, hi = m->rows.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->rows.v[mid].tid < tid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct live_row *live_find(struct live *m, pid_t tid)
{
    size_t i = row_place(m, tid);
    return i < m->rows.n && m->rows.v[i].tid == tid ? &m->rows.v[i] : NULL;
}

struct live_row *live_add_row(struct live *m, pid_t tid)
{
    size_t at = row_place(m, tid);
    struct live_row row = {.tid = tid, .state = ROW_RUNNING};
    vec_push(&m->rows, row);
    memmove(&m->rows.v[at + 1], &m->rows.v[at], (m->rows.n - 1 - at) * sizeof(row));
    m->rows.v[at] = row;
    m->count[ROW_RUNNING]++;
    return &m->rows.v[at];
}

static void drop_row(struct live *m, struct live_row *row)
{
    size_t at = (size_t)(row - m->rows.v);
    m->count[row->state]--;
    memmove(row, row + 1, (m->rows.n - 1 - at) * sizeof(*row));
    m->rows.n--;
}

void live_set_row(struct live *m, struct live_row *row, enum row_state state)
{
    m->count[row->state]--;
    m->count[state]++;
    row->state = state;
    if (state != ROW_STOPPED) {
        row->signal = 0;
        row->group_stop = false;
        row->have_regs = false;
    }
}

/* ---- the process is gone ---- */

void live_gone(struct live *m, const char *as)
{
    if (!m->gone_as)
        m->gone_as = as;
}

struct err *live_gone_error(const struct live *m)
{
    return err_new(ERR_GONE, "process %d %s", m->pid, m->gone_as ? m->gone_as : "has ended");
}

/* ---- events ---- */

static struct wait_event look(pid_t tid)
{
    int status = 0;
    pid_t got = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    if (got == tid)
        return wait_decode(tid, status);
    return (struct wait_event){.tid = tid, .kind = got == 0 ? WAIT_NOTHING : WAIT_LOST};
}

/* Between two looks.  The threads we wait for need a processor: an urgent tracer that looked more
 * often would keep them from it (measured with four busy loops on two processors: naps of 5 us gave
 * a median pause of 15 ms, of 100 us one of 0.55 ms; not being urgent 4.4 ms). */
static void nap(const struct tracer_token *tok, unsigned round)
{
    if (round < SPINS && !tracer_is_urgent(tok)) {
        sched_yield();
        return;
    }
    struct timespec t = {.tv_nsec = (long)min_u64((round + 1) * (uint64_t)NAP_NS, NAP_MAX_NS)};
    nanosleep(&t, NULL);
}

/* A tracer is told of stops even when it asks for ends alone: so it looks first, and takes then. */
static bool has_ended(pid_t tid)
{
    siginfo_t info = {0};
    int ends = WEXITED | WNOHANG | __WALL;
    if (waitid(P_PID, (id_t)tid, &info, ends | WNOWAIT) < 0 || info.si_pid != tid ||
        (info.si_code != CLD_EXITED && info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED))
        return false;
    return waitid(P_PID, (id_t)tid, &info, ends) == 0 && info.si_pid == tid;
}

/* Of a machine that is lent, the end of a leader is for the one who lends: nobody waits for it
 * before that. */
static struct err *bury(void *arg, pid_t tid)
{
    struct live *m = arg;
    struct live_row *row = live_find(m, tid);
    bool ours = !m->lent || (row && tid != m->pid);
    if (ours && has_ended(tid) && row)
        row->buried = true;
    return NULL;
}

/* Not by our rows: a thread may have been born into our hands that we were not told of yet. */
void live_bury(void *arg)
{
    struct live *m = arg;
    char dir[64];
    snprintf(dir, sizeof(dir), "/proc/%d/task", m->pid);
    err_free(proc_each_number(dir, bury, m));
}

/* Does not sleep in waitpid(): nobody wakes it when the leader has been replaced by a thread that
 * is not ours. */
struct wait_event live_wait(const struct tracer_token *tok, struct live *m, pid_t tid,
                            int64_t limit_ns)
{
    int64_t start = clock_mono_ns(), buried = start;
    for (unsigned round = 0;; round++) {
        struct wait_event ev = look(tid);
        int64_t now = clock_mono_ns();
        if (ev.kind != WAIT_NOTHING || now - start > limit_ns)
            return ev;
        if (now - buried > BURY_NS) {
            live_bury(m);
            buried = now;
        }
        nap(tok, round);
    }
}

/* Sleeps in waitpid(): being woken is faster than looking again and again, and leaves the
 * processors to those we wait for.  The end of a thread wakes us; that of a leader need not, see
 * above. */
struct wait_event live_await(const struct tracer_token *tok, struct live *m, pid_t tid,
                             bool beside_us)
{
    int status = 0;
    pid_t got = 0;
    int64_t start = clock_mono_ns();
    /* Going to sleep and being woken takes longer than most of what we wait for beside us. Yielding
     * only helps tasks that are as urgent as we are. */
    while (beside_us && !got && clock_mono_ns() - start < SPIN_NS) {
        got = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
        if (!got)
            sched_yield();
    }
    tracer_blocks(tok, live_bury, m);
    while (!got || (got < 0 && errno == EINTR))
        got = waitpid(tid, &status, __WALL | __WNOTHREAD);
    tracer_blocks(tok, NULL, NULL);
    return got == tid ? wait_decode(tid, status)
                      : (struct wait_event){.tid = tid, .kind = WAIT_LOST};
}

/* Applies an event to its row.  The row may be gone afterwards. */
void live_take_event(const struct tracer_token *tok, struct live *m, struct live_row *row,
                     struct wait_event ev)
{
    row->ev = ev;
    switch (ev.kind) {
    case WAIT_NOTHING:
        return;
    case WAIT_EXITED:
    case WAIT_LOST:
        /* The leader's end is told when the whole process has ended.  A leader that is lost has
         * been replaced by the thread that called exec(). */
        if (row->tid == m->pid)
            live_gone(m, ev.kind == WAIT_EXITED || row->buried ? "has ended"
                                                               : "became another program");
        drop_row(m, row);
        break;
    case WAIT_SIGNAL:
        live_set_row(m, row, ROW_STOPPED);
        row->signal = ev.signal;
        break;
    case WAIT_GROUP_STOP:
        live_set_row(m, row, ROW_STOPPED);
        row->group_stop = true;
        break;
    case WAIT_EXEC:
        live_gone(m, "became another program");
        live_set_row(m, row, ROW_STOPPED);
        break;
    case WAIT_STOPPED:
    case WAIT_SYSCALL:
    case WAIT_CLONE:
    case WAIT_OTHER:
        live_set_row(m, row, ROW_STOPPED);
        break;
    }
    check(m);
}

/* ---- seizing ---- */

static bool is_ours(const struct live *m, pid_t tid)
{
    return tid == m->ours[0] || tid == m->ours[1];
}

/* Why a thread could not be seized: NULL when it was about to end anyway. */
static struct err *seize_error(struct live *m, pid_t tid, int errnum)
{
    struct proc_stat st;
    if (errnum == ESRCH)
        return NULL;
    struct err *e = proc_stat(m->pid, tid, &st);
    bool ended = e || st.state == 'Z' || st.state == 'X';
    err_free(e);
    if (!ended)
        return denied(m->pid, errnum, "attach to");
    if (tid != m->pid)
        return NULL;
    e = proc_stat(m->pid, 0, &st); /* the leader may have ended alone, its process lives on */
    if (e || st.threads <= 1)
        live_gone(m, "has ended");
    err_free(e);
    return NULL;
}

/* A thread that is ending, or a leader while an exec() takes its place, is refused for a moment,
 * and may look healthy by the time we ask why. */
static struct err *seize_one(const struct tracer_token *tok, struct live *m, pid_t tid,
                             bool *seized)
{
    struct err *e = NULL;
    for (unsigned tries = 0; tries < SEIZE_TRIES; tries++) {
        err_free(e);
        tracer_blocks(tok, live_bury, m);
        int errnum = ptrace(PTRACE_SEIZE, tid, NULL, m->options) < 0 ? errno : 0;
        tracer_blocks(tok, NULL, NULL);
        /* Ours already: a thread that we trace has become the leader by an exec(); an event will
         * tell. */
        *seized = !errnum || (errnum == EPERM && proc_is_traced_by_us(tid));
        e = !*seized ? seize_error(m, tid, errnum) : NULL;
        if (!e)
            break;
    }
    return e;
}

static struct err *seize_new(const struct tracer_token *tok, struct live *m, unsigned *added)
{
    struct dirent *entry;
    *added = 0;
    rewinddir(m->tasks);
    while ((entry = readdir(m->tasks))) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0 || is_ours(m, tid) || live_find(m, tid))
            continue;
        bool seized;
        TRY(seize_one(tok, m, tid, &seized));
        if (!seized)
            continue;
        live_add_row(m, tid);
        ++*added;
    }
    return NULL;
}

/* Whether the kernel counts as many threads as we have; then nobody is new. */
static bool all_known(struct live *m)
{
    struct stat st;
    unsigned ours = (m->ours[0] != 0) + (m->ours[1] != 0);
    return fstat(dirfd(m->tasks), &st) == 0 && st.st_nlink == m->rows.n + ours + TASK_LINKS;
}

void live_pass_events(const struct tracer_token *tok, struct live *m)
{
    for (size_t i = m->rows.n; i-- > 0;) {
        pid_t tid = m->rows.v[i].tid;
        if (m->rows.v[i].state != ROW_RUNNING)
            continue;
        live_take_event(tok, m, &m->rows.v[i], look(tid));
        struct live_row *row = live_find(m, tid);
        if (row && row->state == ROW_STOPPED && !m->gone_as)
            live_continue_row(tok, m, row);
    }
}

/* Threads that have sat in the kernel since the last time are ours already. */
static void take_back(struct live *m)
{
    for (size_t i = 0; i < m->rows.n; i++)
        live_set_row(m, &m->rows.v[i], ROW_RUNNING);
}

struct err *live_seize(const struct tracer_token *tok, struct live *m)
{
    unsigned added;
    live_detach(tok, m); /* who is left of the last time */
    if (m->state == LIVE_GONE)
        return live_gone_error(m);
    take_back(m);
    live_set_state(m, LIVE_SEIZING);
    do {
        struct err *e = seize_new(tok, m, &added);
        live_pass_events(tok, m);
        if (e || m->gone_as) {
            live_detach(tok, m);
            return e ? e : live_gone_error(m);
        }
    } while (added && !all_known(m));
    if (!m->rows.n) {
        live_gone(m, "has ended");
        live_detach(tok, m);
        return live_gone_error(m);
    }
    live_set_state(m, LIVE_RUNNING);
    return NULL;
}

/* ---- stopping ---- */

static void interrupt(struct live *m, struct live_row *row)
{
    if (!m->first_stop_ns)
        m->first_stop_ns = clock_mono_ns();
    ptrace(PTRACE_INTERRUPT, row->tid, NULL, NULL); /* fails when it ends: an event will tell */
    live_set_row(m, row, ROW_INTERRUPTED);
}

static void interrupt_running(struct live *m)
{
    for (size_t i = 0; i < m->rows.n; i++)
        if (m->rows.v[i].state == ROW_RUNNING)
            interrupt(m, &m->rows.v[i]);
}

/* Takes what events there are; true when there was one. */
static bool collect(const struct tracer_token *tok, struct live *m)
{
    bool any = false;
    for (size_t i = m->rows.n; i-- > 0;) {
        struct live_row *row = &m->rows.v[i];
        if (row->state != ROW_INTERRUPTED && row->state != ROW_IN_KERNEL)
            continue;
        struct wait_event ev = look(row->tid);
        any |= ev.kind != WAIT_NOTHING;
        live_take_event(tok, m, row, ev);
    }
    return any;
}

/* Threads that do not stop: those that sit in the kernel where nothing interrupts them (a vfork
 * whose child has not come to its exec, a hanging disk) run no code of the program, and will stop
 * before they do. */
static void judge_stragglers(struct live *m)
{
    live_bury(m);
    for (size_t i = m->rows.n; i-- > 0;) {
        struct live_row *row = &m->rows.v[i];
        struct proc_stat st;
        if (row->state != ROW_INTERRUPTED)
            continue;
        struct err *e = proc_stat(m->pid, row->tid, &st);
        if (!e && st.state == 'D')
            live_set_row(m, row, ROW_IN_KERNEL);
        else if (!e && (st.state == 'Z' || st.state == 'X') && row->tid == m->pid)
            drop_row(m, row); /* a leader that ended alone is told when all have ended */
        err_free(e);
    }
}

static struct err *too_slow(struct live *m)
{
    for (size_t i = 0; i < m->rows.n; i++)
        if (m->rows.v[i].state == ROW_INTERRUPTED)
            return err_hint(err_new(ERR_LIMIT,
                                    "process %d does not stop: thread %d has not come to a halt "
                                    "in %d seconds",
                                    m->pid, m->rows.v[i].tid, (int)(STOP_LIMIT_NS / NSEC_PER_SEC)),
                            "is the machine overloaded, or the process frozen by its cgroup?");
    return NULL;
}

/* Waits until no row is INTERRUPTED. */
static struct err *await_stops(const struct tracer_token *tok, struct live *m)
{
    int64_t start = clock_mono_ns(), last = start;
    for (unsigned round = 0; m->count[ROW_INTERRUPTED] && !m->gone_as; round++) {
        if (collect(tok, m)) {
            last = clock_mono_ns();
            round = 0;
            continue;
        }
        int64_t now = clock_mono_ns();
        if (now - last > PATIENCE_NS) {
            judge_stragglers(m);
            last = now;
        }
        if (now - start > STOP_LIMIT_NS)
            return too_slow(m);
        nap(tok, round);
    }
    return NULL;
}

struct err *live_stop(const struct tracer_token *tok, struct live *m)
{
    struct err *e = NULL;
    unsigned added = 0;
    live_set_state(m, LIVE_STOPPING);
    m->first_stop_ns = 0;
    do {
        interrupt_running(m);
        e = await_stops(tok, m);
        if (!e && !m->gone_as && !all_known(m))
            e = seize_new(tok, m, &added);
        else
            added = 0;
    } while (!e && !m->gone_as && added);
    m->all_stopped_ns = clock_mono_ns();
    if (!e && !m->gone_as && !m->rows.n)
        live_gone(m, "has ended");
    if (e || m->gone_as) {
        live_detach(tok, m);
        return e ? e : live_gone_error(m);
    }
    live_set_state(m, LIVE_STOPPED);
    return NULL;
}

/* ---- registers ---- */

struct err *live_get_regs(const struct tracer_token *tok, pid_t tid, const struct arch *arch,
                          struct arch_regs *ret)
{
    struct iovec io = {ret->raw, sizeof(ret->raw)};
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
        return errno == ESRCH ? err_new(ERR_GONE, "thread %d has ended", tid)
                              : err_sys(errno, "cannot read the registers of thread %d", tid);
    ret->raw_n = io.iov_len;
    if (!arch->from_raw(ret))
        return err_new(ERR_UNSUPPORTED, "the registers of thread %d are not those of %s", tid,
                       arch->name);
    return NULL;
}

struct err *live_set_regs(const struct tracer_token *tok, pid_t tid, const struct arch_regs *regs)
{
    struct iovec io = {(void *)regs->raw, regs->raw_n};
    if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) < 0)
        return errno == ESRCH ? err_new(ERR_GONE, "thread %d has ended", tid)
                              : err_sys(errno, "cannot set the registers of thread %d", tid);
    return NULL;
}

struct err *live_take_regs(const struct tracer_token *tok, struct live *m)
{
    for (size_t i = 0; i < m->rows.n; i++) {
        struct live_row *row = &m->rows.v[i];
        if (row->state != ROW_STOPPED)
            continue;
        struct err *e = live_get_regs(tok, row->tid, m->arch, &row->regs);
        row->have_regs = !e;
        if (e && err_code(e) != ERR_GONE) /* killed where it stood: it has none any more */
            return e;
        err_free(e);
    }
    return NULL;
}

/* ---- letting go ---- */

/* PTRACE_LISTEN: the thread stays in its group stop, and tells when that ends. */
void live_continue_row(const struct tracer_token *tok, struct live *m, struct live_row *row)
{
    if (row->group_stop)
        ptrace(PTRACE_LISTEN, row->tid, NULL, NULL);
    else
        ptrace(PTRACE_CONT, row->tid, NULL, (long)row->signal);
    live_set_row(m, row, ROW_RUNNING);
    check(m);
}

struct wait_event live_interrupt_row(const struct tracer_token *tok, struct live *m,
                                     struct live_row *row, int64_t limit_ns)
{
    pid_t tid = row->tid;
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    live_set_row(m, row, ROW_INTERRUPTED);
    struct wait_event ev = live_wait(tok, m, tid, limit_ns);
    live_take_event(tok, m, row, ev);
    return ev;
}

/* Lets go of one row that is stopped; false when it must stop first. */
static bool detach_row(struct live *m, struct live_row *row)
{
    if (row->state != ROW_STOPPED)
        return false;
    if (ptrace(PTRACE_DETACH, row->tid, NULL, (long)row->signal) < 0)
        return false; /* killed meanwhile: its end is to be waited for */
    drop_row(m, row);
    return true;
}

static void detach_stopped(struct live *m)
{
    for (size_t i = m->rows.n; i-- > 0;) {
        struct live_row *row = &m->rows.v[i];
        if (row->state == ROW_STOPPED && !detach_row(m, row))
            live_set_row(m, row, ROW_INTERRUPTED);
    }
}

/* Threads that sit in the kernel are let go when they come out of it. */
bool live_look_after(const struct tracer_token *tok, void *arg)
{
    struct live *m = arg;
    if (m->state != LIVE_DETACHING)
        return false;
    collect(tok, m);
    detach_stopped(m);
    if (m->rows.n)
        return true;
    live_set_state(m, m->gone_as ? LIVE_GONE : LIVE_DETACHED);
    return false;
}

void live_detach(const struct tracer_token *tok, struct live *m)
{
    if (m->state == LIVE_DETACHED || m->state == LIVE_GONE)
        return;
    live_set_state(m, LIVE_DETACHING);
    detach_stopped(m);
    m->last_resume_ns = clock_mono_ns();
    interrupt_running(m);
    int64_t start = clock_mono_ns();
    for (unsigned round = 0; m->rows.n > m->count[ROW_IN_KERNEL]; round++) {
        collect(tok, m);
        detach_stopped(m);
        if (clock_mono_ns() - start > PATIENCE_NS)
            judge_stragglers(m);
        if (clock_mono_ns() - start > STOP_LIMIT_NS)
            break;
        nap(tok, round);
    }
    if (m->rows.n)
        tracer_look_after(tok, live_look_after, m);
    else
        live_set_state(m, m->gone_as ? LIVE_GONE : LIVE_DETACHED);
}

/* ---- one thread ---- */

struct err *live_stop_one(const struct tracer_token *tok, struct live *m, pid_t tid,
                          struct live_row *row)
{
    *row = (struct live_row){.tid = tid};
    if (live_find(m, tid)) /* has sat in the kernel since the last time */
        return err_new(ERR_LIMIT, "thread %d does not stop", tid);
    bool seized;
    TRY(seize_one(tok, m, tid, &seized));
    if (!seized)
        return err_new(ERR_GONE, "thread %d has ended", tid);
    m->first_stop_ns = clock_mono_ns();
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    struct wait_event ev = live_wait(tok, m, tid, STOP_LIMIT_NS);
    m->all_stopped_ns = clock_mono_ns();
    if (ev.kind == WAIT_EXITED || ev.kind == WAIT_LOST)
        return err_new(ERR_GONE, "thread %d has ended", tid);
    if (ev.kind == WAIT_NOTHING) {
        live_add_row(m, tid);
        live_set_row(m, live_find(m, tid), ROW_IN_KERNEL);
        live_set_state(m, LIVE_DETACHING);
        tracer_look_after(tok, live_look_after, m);
        return err_new(ERR_LIMIT, "thread %d does not stop", tid);
    }
    row->state = ROW_STOPPED;
    row->signal = ev.kind == WAIT_SIGNAL ? ev.signal : 0;
    if (ev.kind == WAIT_EXEC) {
        live_release_one(tok, m, row);
        return err_new(ERR_GONE, "process %d became another program", m->pid);
    }
    struct err *e = live_get_regs(tok, tid, m->arch, &row->regs);
    row->have_regs = !e;
    if (e)
        live_release_one(tok, m, row);
    return e;
}

void live_release_one(const struct tracer_token *tok, struct live *m, struct live_row *row)
{
    if (ptrace(PTRACE_DETACH, row->tid, NULL, (long)row->signal) < 0)
        live_wait(tok, m, row->tid, STOP_LIMIT_NS); /* killed: take its end */
    m->last_resume_ns = clock_mono_ns();
}

/* ---- life ---- */

struct err *live_new(pid_t pid, const struct arch *arch, struct live **ret)
{
    char dir[64];
    struct live *m = mem_alloc(sizeof(*m));
    *m = (struct live){
        .pid = pid, .arch = arch, .options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC};
    snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
    m->tasks = opendir(dir);
    struct err *e = NULL;
    if (!m->tasks)
        e = errno == ENOENT || errno == ESRCH ? err_new(ERR_GONE, "process %d has ended", pid)
                                              : err_sys(errno, "cannot list %s", dir);
    if (!e)
        e = tracer_start(&m->tracer);
    if (e)
        live_free(m);
    else
        *ret = m;
    return e;
}

struct live *live_new_lent(pid_t pid, const struct arch *arch, struct tracer *tracer)
{
    struct live *m = mem_alloc(sizeof(*m));
    *m = (struct live){.pid = pid, .arch = arch, .tracer = tracer, .lent = true};
    return m;
}

void live_forget_rows(struct live *m)
{
    m->rows.n = 0;
    memset(m->count, 0, sizeof(m->count));
    m->gone_as = NULL;
    live_set_state(m, LIVE_DETACHED);
}

static struct err *let_go(const struct tracer_token *tok, void *arg)
{
    live_detach(tok, arg);
    return NULL;
}

void live_free(struct live *m)
{
    if (!m)
        return;
    if (m->tracer && !m->lent) {
        err_free(tracer_call(m->tracer, let_go, m));
        tracer_stop(m->tracer);
    }
    if (m->tasks)
        closedir(m->tasks);
    vec_free(&m->rows);
    free(m);
}
