/* inject_int.h - a running process makes a copy of itself for us; see the essay in inject.c. */
#ifndef GOSPECT_TARGET_INJECT_INT_H
#define GOSPECT_TARGET_INJECT_INT_H

#include "target/live_int.h"

/* Who is the parent of the copy, and so who collects it when it has been killed. */
enum copy_parent {
    COPY_UNDECIDED,
    COPY_OF_INIT,   /* a go-between that has ended: init, or a subreaper, adopts the copy */
    COPY_OF_TARGET, /* the process itself; a thread of ours stays in it and collects */
};

enum { INJECT_DEAD_MAX = 4 }; /* of one freeze: there are a copy and a go-between */

struct inject {
    const struct arch_inject *a;
    struct target *t;
    int mem_fd; /* /proc/PID/mem for writing; -1: not open */
    struct arch_gadgets gadgets;
    taddr pad; /* where the launchpad lies */
    struct arch_launchpad launchpad;
    pid_t helper; /* the helper thread; 0: none */
    bool parked;  /* it stands at the entry of its call */
    struct arch_regs helper_regs;
    enum copy_parent parent;
    /* children of the process that ended in our hands, and that may wait for being collected */
    pid_t dead[INJECT_DEAD_MAX];
    unsigned ndead;
    int64_t borrowed_ns; /* how long one thread stood still for the helper to be made */
};

/* Finds what is needed in the program.  Thread: any.  Errors: UNSUPPORTED, with the reason. */
struct err *inject_prepare(struct inject *in, struct target *t) MUST_USE;
void inject_free(struct inject *in);

/* Makes the helper thread, in a RUNNING machine or one that is lent. */
struct err *inject_helper(const struct tracer_token *tok, struct live *m,
                          struct inject *in) MUST_USE;
/* Copies the process, in a STOPPED machine: *copy is a child that stands still. */
struct err *inject_fork(const struct tracer_token *tok, struct live *m, struct inject *in,
                        pid_t *copy) MUST_USE;
/* After the machine has let go: the copy can no longer outlive us, the helper goes its way. */
struct err *inject_settle(const struct tracer_token *tok, struct live *m, struct inject *in,
                          pid_t copy) MUST_USE;
/* Sends the helper home; fine when there is none. */
void inject_dismiss(const struct tracer_token *tok, struct live *m, struct inject *in);
/* Kills a traced child of ours and takes its end. */
void inject_kill(const struct tracer_token *tok, struct live *m, pid_t pid);
/* Has the process collect a child that has ended, by a call made in place of one of its own. */
struct err *inject_reap(const struct tracer_token *tok, struct live *m, struct inject *in,
                        pid_t child) MUST_USE;

/* For tests: called with the name of every step, so that a test can die there. */
extern void (*inject_step_hook)(const char *step);
/* For tests: decides who gets the copy. */
extern enum copy_parent inject_parent_hook;

#endif
