/* live_target_int.h - a running process as a target; shared by live_target.c and freeze.c. */
#ifndef GOSPECT_TARGET_LIVE_TARGET_INT_H
#define GOSPECT_TARGET_LIVE_TARGET_INT_H

#include "target/inject_int.h"
#include "target/room_int.h"

struct live_target {
    struct target t;
    struct memory memory;
    uint64_t start_ticks;
    struct live *m; /* NULL until something is stopped for the first time */
    struct inject in;
    struct target *frozen; /* held at the moment; NULL: none */
    struct copy_room room; /* found beforehand, for the next freeze */
    bool have_room;
    VEC(pid_t) left; /* copies that are dead and not collected, while somebody holds it */
};

/* Somebody who holds all threads of the process by a tracer of his own (debug_copy.c): l->m is a
 * machine that he lends.  On the tracer thread. */
struct live_holder {
    void *arg;
    struct err *(*lend)(const struct tracer_token *tok, void *arg, struct live *m);
    void (*take_back)(const struct tracer_token *tok, void *arg, struct live *m);
    /* What is in memory only because of him is taken out of the copy. */
    struct err *(*clean)(void *arg, pid_t copy);
};

/* freeze.c.  A copy (TARGET_FORK) of a process that somebody holds, and goes on to hold;
 * target_thaw() ends it.  UNSUPPORTED: why there can be none; the process is as it was then. */
struct err *live_target_copy(struct live_target *l, const struct live_holder *h,
                             const struct target_freeze_options *o, struct target **ret) MUST_USE;
/* What takes long of that, for whoever will do it; what cannot be done is told then. */
void live_target_prepare(struct live_target *l);
/* Nobody holds the process any more: it collects what it could not before. */
void live_target_reap(struct live_target *l);

/* The machine, made when it is wanted first. */
struct err *live_target_machine(struct live_target *l, struct live **ret) MUST_USE;

#endif
