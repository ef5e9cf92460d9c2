/* counters_int.h - the runtime's counters, read once and used by snapshots and the pulse. */
#ifndef GOSPECT_RT_COUNTERS_INT_H
#define GOSPECT_RT_COUNTERS_INT_H

#include "rt/rt_int.h"

/* Copies of the global structures; NULL: not found or not readable. */
struct rt_globals_copy {
    uint8_t *sched, *memstats, *gccontroller, *work, *debug, *limiter; /* in the arena */
    uint64_t allgs_n;
    uint32_t gomaxprocs, ncpu, gcphase;
    uint8_t write_barrier; /* writeBarrier.enabled */
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
    uint64_t trigger; /* heap size at which the next cycle begins; next_gc is where it should end */
    bool limit_decides; /* next_gc comes from GOMEMLIMIT, not from GOGC */
    uint64_t large_alloc, large_free, large_mallocs, large_frees; /* objects with a span each */
    struct {
        uint64_t mallocs, frees;
    } by_size[RT_VALUES_MAX];
};
/* `caches`: with what the Ps have allocated since their caches were last emptied.  Without it a few
 * reads less, and objects of the last moments are missing.  NOT_FOUND: the variables are. */
struct err *rt_read_memstats(struct rt *rt, struct target *t, const struct rt_globals_copy *g,
                             bool caches, struct rt_memstats *ret) MUST_USE;

/* counters_gc.c: settings, pacing, phases, pauses. */
void counters_gc(const struct rt *rt, struct snap *s, const struct rt_globals_copy *g);
/* counters_spans.c: how full the spans are, by size of objects.  What cannot be read is noted. */
void counters_spans(struct rt *rt, struct target *t, struct snap *s);
/* The same from the table span, which has been filled. */
void counters_spans_of_heap(struct snap *s);

/* A counter for each field that the release has. */
struct counter_row {
    const char *name;
    enum rt_field field;
};
void counters_set(struct snap *s, const struct rt_layout *l, const uint8_t *copy,
                  const struct counter_row *rows, size_t n);

#endif
