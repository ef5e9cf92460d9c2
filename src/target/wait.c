/* wait.c - decoding a wait status; see wait_int.h.
 *
 * Threads are seized (PTRACE_SEIZE) and PTRACE_O_TRACESYSGOOD is set, so every stop says what it
 * is: bits 16.. hold the event, bits 8..15 the signal. */
#include "target/wait_int.h"

#include <linux/ptrace.h>
#include <signal.h>
#include <sys/wait.h>

enum { SYSCALL_BIT = 0x80 };

static enum wait_kind event_kind(int event, int signal)
{
    switch (event) {
    case 0:
        return signal == (SIGTRAP | SYSCALL_BIT) ? WAIT_SYSCALL : WAIT_SIGNAL;
    case PTRACE_EVENT_STOP:
        return signal == SIGTRAP ? WAIT_STOPPED : WAIT_GROUP_STOP;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        return WAIT_CLONE;
    case PTRACE_EVENT_EXEC:
        return WAIT_EXEC;
    default:
        return WAIT_OTHER;
    }
}

struct wait_event wait_decode(pid_t tid, int status)
{
    struct wait_event e = {.tid = tid, .status = status};
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        e.kind = WAIT_EXITED;
        e.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    } else if (WIFSTOPPED(status)) {
        int event = status >> 16;
        e.signal = WSTOPSIG(status);
        e.kind = event_kind(event, e.signal);
        if (e.kind == WAIT_SYSCALL)
            e.signal = 0;
    } else {
        e.kind = WAIT_OTHER;
    }
    return e;
}
