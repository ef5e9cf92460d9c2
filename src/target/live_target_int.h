/* live_target_int.h - a running process as a target; shared by live_target.c and freeze.c. */
#ifndef GOSPECT_TARGET_LIVE_TARGET_INT_H
#define GOSPECT_TARGET_LIVE_TARGET_INT_H

#include "target/inject_int.h"

struct live_target {
    struct target t;
    struct memory memory;
    uint64_t start_ticks;
    struct live *m; /* NULL until something is stopped for the first time */
    struct inject in;
    struct target *frozen; /* held at the moment; NULL: none */
};

/* The machine, made when it is wanted first. */
struct err *live_target_machine(struct live_target *l, struct live **ret) MUST_USE;

#endif
