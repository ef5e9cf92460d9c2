/* counters_gc.c - the counters of the garbage collector: settings, pacing, phases of the last
 * cycle, processor time by kind of work, pauses.  docs/formats/counters.md says what the names
 * mean.
 *
 * Go: runtime/mgc.go work, gcphase, writeBarrier; runtime/mgcpacer.go gcController;
 * runtime/mgclimit.go gcCPULimiter; runtime/runtime1.go debug; runtime/mstats.go pause_ns
 * (1.18-1.27). */
#include <math.h>
#include <stdio.h>

#include "rt/counters_int.h"

static const struct counter_row gc_rows[] = {
    {"gc.percent", RT_gccontroller_gc_percent},
    {"gc.memory_limit_bytes", RT_gccontroller_memory_limit},
    {"gc.heap_minimum_bytes", RT_gccontroller_heap_minimum},
    {"gc.heap_live_bytes", RT_gccontroller_heap_live},
    {"gc.heap_marked_bytes", RT_gccontroller_heap_marked},
    {"gc.heap_scan_bytes", RT_gccontroller_heap_scan},
    {"gc.last_heap_scan_bytes", RT_gccontroller_last_heap_scan},
    {"gc.last_stack_scan_bytes", RT_gccontroller_last_stack_scan},
    {"gc.globals_scan_bytes", RT_gccontroller_globals_scan},
    {"gc.last_heap_goal_bytes", RT_gccontroller_last_heap_goal},
    {"gc.mapped_ready_bytes", RT_gccontroller_mapped_ready},
    {"gc.assist_time_ns", RT_gccontroller_assist_time},
    {"gc.dedicated_mark_time_ns", RT_gccontroller_dedicated_mark_time},
    {"gc.fractional_mark_time_ns", RT_gccontroller_fractional_mark_time},
    {"gc.idle_mark_time_ns", RT_gccontroller_idle_mark_time},
    {"gc.mark_start_ns", RT_gccontroller_mark_start_time},
    {"gc.runway_bytes", RT_gccontroller_runway},
    {"gc.background_credit", RT_gccontroller_bg_scan_credit},
};

/* Settings of GODEBUG that change what the collector does, or that it says what it does. */
static const struct counter_row debug_rows[] = {
    {"godebug.clobberfree", RT_debug_clobberfree},
    {"godebug.disablethp", RT_debug_disablethp},
    {"godebug.efence", RT_debug_efence},
    {"godebug.gccheckmark", RT_debug_gccheckmark},
    {"godebug.gcpacertrace", RT_debug_gcpacertrace},
    {"godebug.gcshrinkstackoff", RT_debug_gcshrinkstackoff},
    {"godebug.gcstoptheworld", RT_debug_gcstoptheworld},
    {"godebug.gctrace", RT_debug_gctrace},
    {"godebug.harddecommit", RT_debug_harddecommit},
    {"godebug.madvdontneed", RT_debug_madvdontneed},
    {"godebug.sbrk", RT_debug_sbrk},
    {"godebug.scavtrace", RT_debug_scavtrace},
    {"godebug.asyncpreemptoff", RT_debug_asyncpreemptoff},
};

static const struct counter_row limiter_rows[] = {
    {"gc.limiter_on", RT_gclimiter_enabled},
    {"gc.limiter_last_cycle", RT_gclimiter_last_enabled_cycle},
};

static const struct counter_row work_rows[] = {
    {"gc.cycles_started", RT_work_cycles},
    {"gc.mode", RT_work_mode},
    {"gc.user_forced", RT_work_user_forced},
    {"gc.t_sweep_term_ns", RT_work_t_sweep_term},
    {"gc.t_mark_ns", RT_work_t_mark},
    {"gc.t_mark_term_ns", RT_work_t_mark_term},
    {"gc.t_end_ns", RT_work_t_end},
    {"gc.heap_at_start_bytes", RT_work_heap0},
    {"gc.heap_at_mark_term_bytes", RT_work_heap1},
    {"gc.heap_marked_last_bytes", RT_work_heap2},
    {"cpu.gc_assist_ns", RT_work_cpu_gc_assist},
    {"cpu.gc_dedicated_ns", RT_work_cpu_gc_dedicated},
    {"cpu.gc_idle_ns", RT_work_cpu_gc_idle},
    {"cpu.gc_pause_ns", RT_work_cpu_gc_pause},
    {"cpu.gc_total_ns", RT_work_cpu_gc_total},
    {"cpu.scavenge_assist_ns", RT_work_cpu_scavenge_assist},
    {"cpu.scavenge_background_ns", RT_work_cpu_scavenge_bg},
    {"cpu.scavenge_total_ns", RT_work_cpu_scavenge_total},
    {"cpu.idle_ns", RT_work_cpu_idle},
    {"cpu.user_ns", RT_work_cpu_user},
    {"cpu.total_ns", RT_work_cpu_total},
};

static const struct counter_row mstats_rows[] = {
    {"memstats.last_gc_unix_ns", RT_mstats_last_gc_unix},
    {"gc.last_ns", RT_mstats_last_gc_nanotime},
    {"memstats.pause_total_ns", RT_mstats_pause_total_ns},
    {"memstats.num_gc", RT_mstats_numgc},
    {"memstats.num_forced_gc", RT_mstats_numforcedgc},
};

/* The newest pause first, as runtime/debug.ReadGCStats orders them. */
static void set_pauses(const struct rt_layout *l, struct snap *s, const uint8_t *memstats)
{
    uint64_t done = rt_get(l, memstats, RT_mstats_numgc);
    size_t ring = l->width[RT_mstats_pause_ns] / 8, n = ring ? min_u64(done, ring) : 0;
    char name[64];
    for (size_t i = 0; i < n; i++) {
        size_t at = (done - 1 - i) % ring;
        snprintf(name, sizeof(name), "gc.pause_%zu_ns", i);
        snap_set_counter(s, name, (int64_t)rt_get_word(l, memstats, RT_mstats_pause_ns, at));
        snprintf(name, sizeof(name), "gc.pause_%zu_end_unix_ns", i);
        snap_set_counter(s, name, (int64_t)rt_get_word(l, memstats, RT_mstats_pause_end, at));
    }
}

void counters_gc(const struct rt *rt, struct snap *s, const struct rt_globals_copy *g)
{
    const struct rt_layout *l = &rt->layout;
    if (G(rt, gcphase))
        snap_set_counter(s, "gc.phase", g->gcphase);
    counters_set(s, l, g->gccontroller, gc_rows, ARRAY_LEN(gc_rows));
    counters_set(s, l, g->work, work_rows, ARRAY_LEN(work_rows));
    counters_set(s, l, g->memstats, mstats_rows, ARRAY_LEN(mstats_rows));
    counters_set(s, l, g->debug, debug_rows, ARRAY_LEN(debug_rows));
    counters_set(s, l, g->limiter, limiter_rows, ARRAY_LEN(limiter_rows));
    if (G(rt, write_barrier) && g->write_barrier <= 1)
        snap_set_counter(s, "gc.write_barrier", g->write_barrier);
    if (g->memstats) {
        uint64_t bits = rt_get(l, g->memstats, RT_mstats_gc_cpu_fraction);
        double fraction;
        memcpy(&fraction, &bits, sizeof(fraction));
        if (isfinite(fraction))
            snap_set_counter(s, "memstats.gc_cpu_fraction_ppb", (int64_t)(fraction * 1e9));
        set_pauses(l, s, g->memstats);
    }
    if (G(rt, memprofilerate))
        snap_set_counter(s, "prof.mem_rate_bytes", g->memprofilerate);
}
