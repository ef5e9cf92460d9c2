/* debug_guard.c - when we are killed, the process lives.
 *
 * Breakpoints are bytes in the code of the process.  When its tracer is killed (kill -9, out of
 * memory, a crash) the kernel lets go of all threads at once, and the next one that meets such a
 * byte gets a SIGTRAP that ends it.  Two things close that gap, for a process that we attached to
 * (one that we launched is killed with us):
 *
 *   guardian  a small process of ours that waits for our death, and then writes the program's own
 *             bytes back.  It holds /proc/PID/mem open, which is this one program for ever, not
 *             whoever has the number then; and shares a table of breakpoints with us.
 *   handler   a few instructions in the process that handle SIGTRAP (arch/x86_64_trap.c).  While we
 *             trace they are never reached.  When nobody does, a thread that has met a breakpoint
 * is put back before it, and meets it again and again, for the microseconds until the guardian has
 * come.
 *
 * What else the handler must understand, because we can be killed between any two instructions:
 *   - a thread that was put back onto its breakpoint already, or into a slot, still has the
 *     SIGTRAP to be delivered: by where it is, that signal means nothing.
 *   - one that was sent elsewhere (an emulated jump, a register that the user has set): the signal
 *     is marked before with where it will be (trap_mark).
 *   - a step or a watchpoint: the kernel says so in si_code; nobody else makes those.
 *   - everything else is the program's own, and goes to the handler that was there before.
 *
 * The table of the handler forgets nothing while we are attached: a thread may trap just when a
 * breakpoint goes.  When the guardian is killed, the tracer is told (it is its child) and starts
 * another one.  When both are killed together, threads wait at their breakpoints until somebody
 * attaches again: debug_area.c finds the table and repairs.
 *
 * A signal that was taken from a thread and not given back yet (debug_run.c debug_hold_back()) is
 * in the table, too; the guardian sends it.  It is there before the kernel forgets it, and until
 * the kernel has it again: killed in between, it comes twice rather than never.
 *
 * Debug registers survive their tracer, too, and the handler ignores what they say; the guardian
 * clears them, which only a tracer can, or whoever attaches before it. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "target/debug_int.h"
#include "target/proc_int.h"

#define NAME "gospect-guard"
enum { NAP_NS = 1000 * 1000, NAPS = 2000, FILES_MAX = 65536 };

/* ---- the guardian: from here on only what may be called after fork() ---- */

struct guarded {
    pid_t pid;
    int mem_fd, us;
    const struct arch *arch;
    struct guard_table *table;
};

static void restore(const struct guarded *g)
{
    uint32_t n = atomic_load(&g->table->n);
    for (uint32_t i = 0; i < n && i < DEBUG_SITES_MAX; i++) {
        uint8_t byte, original = atomic_load(&g->table->v[i].original);
        off_t at = (off_t)g->table->v[i].addr;
        if (atomic_load(&g->table->v[i].active) && pread(g->mem_fd, &byte, 1, at) == 1 &&
            byte == g->arch->breakpoint[0])
            (void)!pwrite(g->mem_fd, &original, 1, at);
    }
}

static struct err *clear_watches(void *arg, pid_t tid)
{
    const struct guarded *g = arg;
    int status;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
        return NULL;
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    if (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
        int signo = status >> 16 ? 0 : WSTOPSIG(status);
        ptrace(PTRACE_POKEUSER, tid, g->arch->debug->watch_control_at, 0);
        ptrace(PTRACE_DETACH, tid, NULL, (long)signo);
    }
    return NULL;
}

/* Signals that count are sent with all that was said of them; of others the kernel takes no word
 * from another process, and says that we have sent them. */
void guard_send(pid_t pid, pid_t tid, siginfo_t *info)
{
    int signo = info->si_signo;
    if (info->si_code >= 0 || info->si_code == SI_TKILL ||
        syscall(SYS_rt_tgsigqueueinfo, pid, tid, signo, info) < 0)
        syscall(SYS_tgkill, pid, tid, signo);
}

static void send_held(const struct guarded *g)
{
    for (size_t i = 0; i < GUARD_SIGNALS_MAX; i++) {
        pid_t tid = atomic_load(&g->table->held[i].tid);
        if (tid)
            guard_send(g->pid, tid, &g->table->held[i].info);
    }
}

/* Kernels before 5.9 do it one by one. */
static void close_span(int lo, int hi)
{
    if (lo > hi || syscall(SYS_close_range, lo, hi, 0) == 0)
        return;
    for (int fd = lo; fd <= hi && fd < FILES_MAX; fd++)
        close(fd);
}

static void guard(const struct guarded *g) __attribute__((noreturn));
static void guard(const struct guarded *g)
{
    sigset_t all;
    char dir[PROC_PATH];
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    (void)!chdir("/");
    prctl(PR_SET_NAME, NAME);
    /* Nothing of ours stays open: a pipe that somebody waits on must end with us. */
    int lo = g->mem_fd < g->us ? g->mem_fd : g->us, hi = g->mem_fd + g->us - lo;
    close_span(0, lo - 1);
    close_span(lo + 1, hi - 1);
    close_span(hi + 1, INT_MAX);
    struct pollfd p = {.fd = g->us, .events = POLLIN};
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
    restore(g);
    send_held(g);
    if (atomic_load(&g->table->watches)) {
        proc_path(dir, "/proc/%d/task", g->pid);
        err_free(proc_each_number(dir, clear_watches, (void *)(uintptr_t)g));
    }
    _exit(0);
}

/* ---- us ---- */

struct err *guard_start(const struct tracer_token *tok, struct debug *d)
{
    (void)tok;
    if (!d->table) {
        void *p = mmap(NULL, sizeof(*d->table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0);
        if (p == MAP_FAILED)
            return err_sys(errno, "cannot share memory with the guardian");
        d->table = p;
    }
    struct guarded g = {d->pid, d->mem_fd, (int)syscall(SYS_pidfd_open, getpid(), 0), d->arch,
                        d->table};
    if (g.us < 0)
        return err_sys(errno, "cannot watch over ourselves");
    pid_t pid = fork();
    int errnum = errno;
    if (pid == 0)
        guard(&g);
    close(g.us);
    if (pid < 0)
        return err_sys(errnum, "cannot start the guardian of process %d", d->pid);
    d->guard = pid;
    debug_area_guardian(d);
    return NULL;
}

void guard_hold(struct debug *d, pid_t tid, const siginfo_t *info)
{
    for (size_t i = 0; d->table && i < GUARD_SIGNALS_MAX; i++) {
        if (atomic_load(&d->table->held[i].tid))
            continue;
        d->table->held[i].info = *info;
        atomic_store(&d->table->held[i].tid, tid);
        d->held = max_u64(d->held, i + 1);
        return;
    }
}

void guard_unhold(struct debug *d, pid_t tid)
{
    for (size_t i = 0; d->table && i < d->held; i++)
        if (atomic_load(&d->table->held[i].tid) == tid)
            atomic_store(&d->table->held[i].tid, 0);
}

bool guard_is(pid_t pid)
{
    struct proc_stat st;
    struct err *e = pid > 0 ? proc_stat(pid, 0, &st) : NULL;
    bool is = pid > 0 && !e && strcmp(st.comm, NAME) == 0 && st.state != 'Z' && st.state != 'X';
    err_free(e);
    return is;
}

void guard_await(pid_t guardian)
{
    struct timespec nap = {.tv_nsec = NAP_NS};
    for (int i = 0; i < NAPS && guard_is(guardian); i++)
        nanosleep(&nap, NULL);
}

void guard_died(const struct tracer_token *tok, struct debug *d)
{
    d->guard = 0;
    struct err *e = guard_start(tok, d);
    if (e)
        log_warn("process %d is not guarded any more: %s", d->pid, err_message(e));
    err_free(e);
}

void guard_end(const struct tracer_token *tok, struct debug *d)
{
    (void)tok;
    if (d->guard) {
        kill(d->guard, SIGKILL);
        while (waitpid(d->guard, NULL, __WALL) < 0 && errno == EINTR)
            ;
        d->guard = 0;
    }
    if (d->table)
        munmap(d->table, sizeof(*d->table));
    d->table = NULL;
    d->held = 0;
}
