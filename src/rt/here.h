/* here.h - who runs with these registers: for handlers of breakpoints, where a microsecond counts.
 *
 * One or two reads of memory; nothing is kept.  Thread: any, t being readable. */
#ifndef GOSPECT_RT_HERE_H
#define GOSPECT_RT_HERE_H

#include "rt/rt.h"

struct rt_here {
    taddr g;           /* its runtime.g: also g0 or gsignal */
    int64_t goroutine; /* its number; 0: g0, gsignal */
    taddr stack_hi;    /* stacks move, distances from here stay */
};
/* False: a thread without a g, or on a stack that is not its g's (C code). */
bool rt_here(const struct rt *rt, struct target *t, const struct arch_regs *regs,
             struct rt_here *ret);

/* A Go string of the process, at most max bytes of it; "" when it cannot be read. */
const char *rt_here_text(struct target *t, struct arena *a, taddr data, uint64_t n, size_t max);

/* What a goroutine panics with: its innermost panic.  False: it does not panic. */
struct rt_panic {
    taddr addr;
    taddr type, data;             /* the interface value */
    const char *type_name, *text; /* text: of a string, and of the runtime's errors; else "" */
    bool goexit, recovered;
    taddr cfa; /* of the frame whose deferred calls run; 0: the release does not say it here */
};
bool rt_here_panic(struct rt *rt, struct target *t, taddr g, struct arena *a, struct rt_panic *ret);
/* A runtime._panic. */
bool rt_panic_at(struct rt *rt, struct target *t, taddr addr, struct arena *a,
                 struct rt_panic *ret);
/* The interface value in two registers or words. */
void rt_panic_value(struct rt *rt, struct target *t, taddr type, taddr data, struct arena *a,
                    struct rt_panic *ret);

/* The goroutine's innermost deferred call that is not done yet, or is running: sp of the frame that
 * made it, and its function; 0: none, or not known. */
taddr rt_here_defer_sp(const struct rt *rt, struct target *t, taddr g);

#endif
