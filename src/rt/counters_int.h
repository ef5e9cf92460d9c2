/* counters_int.h - the runtime's counters, read once and used by snapshots and the pulse. */
#ifndef GOSPECT_RT_COUNTERS_INT_H
#define GOSPECT_RT_COUNTERS_INT_H

#include "rt/rt_int.h"

/* Copies of the global structures; NULL: not found or not readable. */
struct rt_globals_copy {
    uint8_t *sched, *memstats, *gccontroller, *work, *debug; /* in the arena */
    uint64_t allgs_n;
    uint32_t gomaxprocs, ncpu, gcphase;
    int64_t memprofilerate, init_time;
};
struct err *rt_copy_globals(struct rt *rt, struct target *t, struct arena *a,
                            struct rt_globals_copy *ret) MUST_USE;

/* What the Ps have in common. */
struct rt_ps_sum {
    uint32_t n, runq, runq_max, gfree;
    uint64_t goroutines_created;
};
struct err *rt_sum_ps(struct rt *rt, struct target *t, struct rt_ps_sum *ret) MUST_USE;

/* runtime.MemStats, as runtime.ReadMemStats computes it. */
struct rt_memstats {
    uint64_t alloc, total_alloc, sys, mallocs, frees;
    uint64_t heap_sys, heap_idle, heap_inuse, heap_released;
    uint64_t stack_inuse, stack_sys, mspan_inuse, mspan_sys, mcache_inuse, mcache_sys;
    uint64_t buckhash_sys, gc_sys, other_sys, next_gc;
    struct {
        uint64_t mallocs, frees;
    } by_size[RT_VALUES_MAX];
};
/* `caches`: with what the Ps have allocated since their caches were last emptied.  Without it a few
 * reads less, and objects of the last moments are missing.  NOT_FOUND: the variables are. */
struct err *rt_read_memstats(struct rt *rt, struct target *t, const struct rt_globals_copy *g,
                             bool caches, struct rt_memstats *ret) MUST_USE;

#endif
