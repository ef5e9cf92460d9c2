/* debug_launch.c - starting a program under the debugger.
 *
 * The child waits on a pipe until it is traced (seized, so that it can be interrupted like any
 * other process), then becomes the program; the kernel stops it before its first instruction.  What
 * went wrong comes back through another pipe that an exec() closes.  It is a child of the tracer
 * thread, and is killed when that ends (PTRACE_O_EXITKILL). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/debug_int.h"

extern char **environ;

enum { START_LIMIT_S = 10 };

enum stage { AT_DIR, AT_TTY, AT_FILES, AT_EXEC };
static const char *const stages[] = {
    [AT_DIR] = "its directory",
    [AT_TTY] = "its terminal",
    [AT_FILES] = "its files",
    [AT_EXEC] = "it cannot be run",
};
struct failure {
    int stage, errnum;
};

struct launch {
    const struct debug_launch *o;
    struct debug *d;
    sigset_t mask;
    int go[2], result[2];
};

/* ---- the child: only what may be called after fork() ---- */

static void fail(const struct launch *l, enum stage stage) __attribute__((noreturn));
static void fail(const struct launch *l, enum stage stage)
{
    struct failure f = {(int)stage, errno};
    (void)!write(l->result[1], &f, sizeof(f));
    _exit(127);
}

static void open_terminal(const struct launch *l)
{
    if (!l->o->tty)
        return;
    setsid();
    int fd = open(l->o->tty, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
        fail(l, AT_TTY);
    for (int i = 0; i < 3; i++)
        if (l->o->fd[i] < 0 && dup2(fd, i) < 0)
            fail(l, AT_TTY);
    if (fd > 2)
        close(fd);
}

/* Copies first: one of ours may be where another must go. */
static void give_files(const struct launch *l)
{
    int copy[3] = {-1, -1, -1};
    for (int i = 0; i < 3; i++)
        if (l->o->fd[i] >= 0 && (copy[i] = fcntl(l->o->fd[i], F_DUPFD_CLOEXEC, 3)) < 0)
            fail(l, AT_FILES);
    for (int i = 0; i < 3; i++)
        if (copy[i] >= 0 && dup2(copy[i], i) < 0)
            fail(l, AT_FILES);
    syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
}

static void child(const struct launch *l) __attribute__((noreturn));
static void child(const struct launch *l)
{
    static const int usual[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGTSTP};
    const struct debug_launch *o = l->o;
    char byte;
    while (read(l->go[0], &byte, 1) < 0 && errno == EINTR)
        ;
    if (o->own_group)
        setpgid(0, 0);
    open_terminal(l);
    if (o->dir && chdir(o->dir) < 0)
        fail(l, AT_DIR);
    give_files(l);
    if (o->same_addresses)
        personality(ADDR_NO_RANDOMIZE);
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        signal(usual[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &l->mask, NULL);
    execve(o->exe, (char *const *)o->argv, o->env ? (char *const *)o->env : environ);
    fail(l, AT_EXEC);
}

/* ---- us ---- */

static struct err *why(struct launch *l)
{
    struct failure f;
    if (read(l->result[0], &f, sizeof(f)) != (ssize_t)sizeof(f))
        return err_new(ERR_GONE, "%s was killed before it began", l->o->exe);
    if (f.stage == AT_EXEC && (f.errnum == ENOENT || f.errnum == ENOTDIR) &&
        access(l->o->exe, F_OK) < 0)
        return err_new(ERR_NOT_FOUND, "there is no program %s", l->o->exe);
    const char *what = f.stage == AT_DIR ? l->o->dir : f.stage == AT_TTY ? l->o->tty : NULL;
    if (what)
        return err_sys(f.errnum, "cannot start %s: %s %s", l->o->exe, stages[f.stage], what);
    struct err *e = err_sys(f.errnum, "cannot start %s: %s", l->o->exe, stages[f.stage]);
    return f.errnum == ENOEXEC ? err_hint(e, "It is no program of this machine (another system or "
                                             "processor), or none at all")
                               : e;
}

/* To its first instruction. */
static struct err *arrive(const struct tracer_token *tok, struct launch *l)
{
    struct debug *d = l->d;
    int status;
    for (;;) {
        pid_t got = waitpid(d->pid, &status, __WALL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != d->pid || !WIFSTOPPED(status)) {
            d->state = DEBUG_GONE;
            return why(l);
        }
        struct wait_event ev = wait_decode(got, status);
        if (ev.kind == WAIT_EXEC)
            return debug_begin(tok, d);
        ptrace(PTRACE_CONT, got, NULL, (long)(ev.kind == WAIT_SIGNAL ? ev.signal : 0));
    }
}

static struct err *launch_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct launch *l = arg;
    struct debug *d = l->d;
    pid_t pid = fork();
    if (pid == 0)
        child(l);
    if (pid < 0)
        return err_sys(errno, "cannot start a process");
    d->pid = pid;
    d->launched = true;
    close(l->result[1]);
    l->result[1] = -1;
    struct err *e = ptrace(PTRACE_SEIZE, pid, NULL, debug_options(d)) < 0
                        ? err_sys(errno, "cannot trace a process of our own")
                        : NULL;
    if (e) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, __WALL);
        d->state = DEBUG_GONE;
        return e;
    }
    (void)!write(l->go[1], "", 1);
    return arrive(tok, l);
}

struct err *debug_launch(const struct debug_launch *o, struct debug **ret)
{
    struct launch l = {.o = o, .go = {-1, -1}, .result = {-1, -1}};
    struct err *e = NULL;
    pthread_sigmask(SIG_SETMASK, NULL, &l.mask);
    if (pipe2(l.go, O_CLOEXEC) < 0 || pipe2(l.result, O_CLOEXEC) < 0)
        e = err_sys(errno, "cannot start a process");
    if (!e)
        e = debug_new(0, &l.d);
    if (!e) {
        e = tracer_call(l.d->tracer, launch_on_tracer, &l);
        if (e)
            debug_close(l.d, DEBUG_KILL);
        else
            *ret = l.d;
    }
    for (int i = 0; i < 2; i++) {
        if (l.go[i] >= 0)
            close(l.go[i]);
        if (l.result[i] >= 0)
            close(l.result[i]);
    }
    return e;
}
