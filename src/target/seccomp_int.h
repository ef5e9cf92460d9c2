/* seccomp_int.h - whether the seccomp filters of a thread let system calls of ours pass.
 *
 * Filters are classic BPF programs over struct seccomp_data.  They are read from the kernel and run
 * here, so that a call is known to pass before a thread is brought to make it. */
#ifndef GOSPECT_TARGET_SECCOMP_INT_H
#define GOSPECT_TARGET_SECCOMP_INT_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/types.h>

#include "target/tracer_int.h"

/* A call that somebody would be brought to make. */
struct seccomp_call {
    const char *name;
    struct seccomp_data data;
};

/* The verdict of one filter: SECCOMP_RET_*, with its data.  A program that the kernel would not
 * have taken counts as one that kills.  Thread: any. */
uint32_t seccomp_run(const struct sock_filter *code, size_t n, const struct seccomp_data *data);

/* Whether all filters of a thread that stands still allow all of the calls.  Errors: UNSUPPORTED,
 * with the call that is forbidden, or why the filters cannot be read; GONE. */
struct err *seccomp_check(const struct tracer_token *tok, pid_t tid,
                          const struct seccomp_call *calls, size_t n) MUST_USE;

#endif
