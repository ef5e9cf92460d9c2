/* wait_int.h - what waitpid() says of a traced thread, decoded once. */
#ifndef GOSPECT_TARGET_WAIT_INT_H
#define GOSPECT_TARGET_WAIT_INT_H

#include <sys/types.h>

#include "base/types.h"

enum wait_kind {
    WAIT_NOTHING,    /* no event (yet) */
    WAIT_EXITED,     /* the thread, or the process, has ended; signal: what killed it, or 0 */
    WAIT_SIGNAL,     /* a signal is about to be delivered: resume with it */
    WAIT_STOPPED,    /* we asked for it (PTRACE_INTERRUPT), or it has just been born */
    WAIT_GROUP_STOP, /* a stopping signal stopped the process: SIGSTOP, Ctrl-Z */
    WAIT_SYSCALL,    /* entry or exit of a system call */
    WAIT_CLONE,      /* it has made a thread or process */
    WAIT_EXEC,       /* it has become another program */
    WAIT_OTHER,
    WAIT_LOST, /* there is no such traced thread (any more) */
};

struct wait_event {
    pid_t tid;
    enum wait_kind kind;
    int signal;
    int status; /* as the kernel said it */
};

struct wait_event wait_decode(pid_t tid, int status);

#endif
