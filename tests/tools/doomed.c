/* doomed.c - ends the program that it is linked to just before its n-th call into the kernel that
 * touches a debugged process: what kill -9 does, at a moment that can be chosen and found again.
 *
 * The linker leads these calls here (--wrap).  Others may be killed at the same moment. */
#include "doomed.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic long left = -1; /* below 0: not doomed */
static pid_t with;

void doomed_at(long n, pid_t also)
{
    with = also;
    atomic_store(&left, n);
}

long doomed_left(void)
{
    return atomic_load(&left);
}

static void count(void)
{
    if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) > 0)
        return;
    if (with)
        kill(with, SIGKILL);
    kill(getpid(), SIGKILL);
    _exit(1);
}

long __real_ptrace(int request, ...);
long __wrap_ptrace(int request, ...);
long __wrap_ptrace(int request, ...)
{
    va_list ap;
    va_start(ap, request);
    pid_t pid = va_arg(ap, pid_t);
    void *addr = va_arg(ap, void *), *data = va_arg(ap, void *);
    va_end(ap);
    count();
    return __real_ptrace(request, pid, addr, data);
}

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    count();
    return __real_pwrite64(fd, p, n, at);
}

pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    count();
    return __real_waitpid(pid, status, options);
}
