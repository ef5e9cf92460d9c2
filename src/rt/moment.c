/* moment.c - when a core was taken.
 *
 * Ages of waits need the reading of the runtime's clock (runtime.nanotime, CLOCK_MONOTONIC) at the
 * instant of the core.  A core that gospect wrote says it in a note (docs/formats/core.md).  The
 * kernel and gdb write none, and the date of the file is another clock, and changes when it is
 * copied.  But memory holds readings that were made before: it is at least as late as the latest of
 * them.  With that, every age is a lower bound, and never too large; taken_bound says so.
 *
 * Go: runtime/proc.go sched.lastpoll (the network poller; every 10 ms while anything runs),
 * runtime/mgc.go work.tSweepTerm ... tEnd, mstats.last_gc_nanotime, g.waitsince (1.18-1.27). */
#include "rt/capture_int.h"

/* The latest reading of the clock among the counters and the waits; 0: none. */
static int64_t latest(const struct snap *s)
{
    static const char *const readings[] = {
        "sched.last_poll_ns", "gc.last_ns",        "gc.mark_start_ns", "gc.t_sweep_term_ns",
        "gc.t_mark_ns",       "gc.t_mark_term_ns", "gc.t_end_ns",
    };
    int64_t last = 0, v;
    for (size_t i = 0; i < ARRAY_LEN(readings); i++)
        if (snap_counter(s, readings[i], &v) && v > last)
            last = v;
    for (size_t i = 0; i < s->goroutine.n; i++)
        if (s->goroutine.wait_since[i] > last)
            last = s->goroutine.wait_since[i];
    return last;
}

void capture_core_moment(struct rt *rt, struct snap *s)
{
    struct target_moment moment;
    struct arena a;
    arena_init(&a);
    if (target_moment(rt->t, &a, &moment)) {
        snap_set_meta_i64(s, SNAP_META_taken_wall_ns, moment.wall_ns);
        snap_set_meta_i64(s, SNAP_META_taken_mono_ns, moment.mono_ns);
        if (moment.pause_ns >= 0)
            snap_set_meta_i64(s, SNAP_META_pause_ns, moment.pause_ns);
        if (*moment.host)
            snap_set_meta(s, SNAP_META_host, moment.host);
    } else if (latest(s)) {
        snap_set_meta_i64(s, SNAP_META_taken_mono_ns, latest(s));
        snap_set_meta(s, SNAP_META_taken_bound, "1");
    }
    arena_free(&a);
}
