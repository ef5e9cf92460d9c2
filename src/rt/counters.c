/* counters.c - the runtime's counters: the scheduler's (what GODEBUG=schedtrace shows) and those of
 * runtime.MemStats; counters_gc.c has the collector's.  docs/formats/counters.md says what the
 * names mean.
 *
 * Go: runtime/proc.go schedtrace, gcount, mcount; runtime/mstats.go (1.18-1.27). */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rt/capture_int.h"
#include "rt/counters_int.h"

enum { MS_MAX = 1 << 16 };

struct piece { /* a global structure to copy */
    enum rt_global global;
    enum rt_struct strct;
    uint8_t **ret;
};

struct err *rt_copy_globals(struct rt *rt, struct target *t, struct arena *a,
                            struct rt_globals_copy *g)
{
    memset(g, 0, sizeof(*g));
    const struct piece pieces[] = {
        {RT_GLOBAL_sched, RT_STRUCT_schedt, &g->sched},
        {RT_GLOBAL_memstats, RT_STRUCT_mstats, &g->memstats},
        {RT_GLOBAL_gccontroller, RT_STRUCT_gccontroller, &g->gccontroller},
        {RT_GLOBAL_work, RT_STRUCT_work, &g->work},
        {RT_GLOBAL_debug, RT_STRUCT_debug, &g->debug},
        {RT_GLOBAL_gclimiter, RT_STRUCT_gclimiter, &g->limiter},
    };
    uint8_t *copies[ARRAY_LEN(pieces)] = {0};
    struct rt_batch b = {0};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        int32_t size = rt->layout.size[pieces[i].strct];
        taddr at = rt->globals[pieces[i].global];
        if (size <= 0 || !at)
            continue;
        copies[i] = arena_alloc(a, (size_t)size);
        rt_batch_add(&b, at, copies[i], (size_t)size);
    }
    if (G(rt, gomaxprocs))
        rt_batch_add(&b, G(rt, gomaxprocs), &g->gomaxprocs, 4);
    if (G(rt, ncpu))
        rt_batch_add(&b, G(rt, ncpu), &g->ncpu, 4);
    if (G(rt, gcphase))
        rt_batch_add(&b, G(rt, gcphase), &g->gcphase, 4);
    if (G(rt, write_barrier))
        rt_batch_add(&b, G(rt, write_barrier), &g->write_barrier, 1);
    if (G(rt, memprofilerate))
        rt_batch_add(&b, G(rt, memprofilerate), &g->memprofilerate, 8);
    if (G(rt, init_time))
        rt_batch_add(&b, G(rt, init_time), &g->init_time, 8);
    rt_batch_add(&b, G(rt, allgs) + 8, &g->allgs_n, 8);
    struct err *e = rt_batch_read(&b, t);
    size_t k = 0;
    for (size_t i = 0; !e && i < ARRAY_LEN(pieces); i++)
        if (copies[i] && b.iov.v[k++].ok)
            *pieces[i].ret = copies[i];
    rt_batch_free(&b);
    return e;
}

struct p_now {
    uint32_t head, tail, gfree;
    uint64_t next, created;
};

static void add_p_reads(struct rt *rt, struct rt_batch *b, taddr p, struct p_now *ret)
{
    rt_batch_add(b, p + (taddr)L(rt, p_runqhead), &ret->head, 4);
    rt_batch_add(b, p + (taddr)L(rt, p_runqtail), &ret->tail, 4);
    rt_batch_add(b, p + (taddr)L(rt, p_gfree_n), &ret->gfree, 4);
    rt_batch_add(b, p + (taddr)L(rt, p_runnext), &ret->next, 8);
    if (rt_has(&rt->layout, RT_p_goroutines_created))
        rt_batch_add(b, p + (taddr)L(rt, p_goroutines_created), &ret->created, 8);
}

struct err *rt_sum_ps(struct rt *rt, struct target *t, struct rt_ps_sum *ret)
{
    taddr *ps;
    size_t n;
    memset(ret, 0, sizeof(*ret));
    TRY(rt_list_ps(rt, t, &ps, &n));
    struct p_now *now = mem_alloc((n + 1) * sizeof(*now));
    struct rt_batch b = {0};
    for (size_t i = 0; i < n; i++)
        add_p_reads(rt, &b, ps[i], &now[i]);
    struct err *e = rt_batch_read(&b, t);
    ret->n = (uint32_t)n;
    for (size_t i = 0; !e && i < n; i++) {
        uint32_t q = min_u64(now[i].tail - now[i].head, rt->layout.width[RT_p_runq] / 8);
        q += now[i].next != 0;
        ret->runq += q;
        ret->runq_max = max_u64(ret->runq_max, q);
        ret->gfree += now[i].gfree;
        ret->goroutines_created += now[i].created;
    }
    rt_batch_free(&b);
    free(now);
    free(ps);
    return e;
}

/* ---- rows ---- */

void counters_set(struct snap *s, const struct rt_layout *l, const uint8_t *copy,
                  const struct counter_row *rows, size_t n)
{
    for (size_t i = 0; copy && i < n; i++)
        if (rt_has(l, rows[i].field))
            snap_set_counter(s, rows[i].name, rt_get_i(l, copy, rows[i].field));
}

static const struct counter_row sched_rows[] = {
    {"sched.idle_procs", RT_schedt_npidle},
    {"sched.spinning_threads", RT_schedt_nmspinning},
    {"sched.need_spinning", RT_schedt_needspinning},
    {"sched.idle_threads", RT_schedt_nmidle},
    {"sched.idle_locked_threads", RT_schedt_nmidlelocked},
    {"sched.system_threads", RT_schedt_nmsys},
    {"sched.max_threads", RT_schedt_maxmcount},
    {"sched.system_goroutines", RT_schedt_ngsys},
    {"sched.syscalls_without_proc", RT_schedt_ngsyscall_nop},
    {"sched.runqueue", RT_schedt_runqsize},
    {"sched.gc_waiting", RT_schedt_gcwaiting},
    {"sched.stop_wait", RT_schedt_stopwait},
    {"sched.sysmon_wait", RT_schedt_sysmonwait},
    {"sched.last_poll_ns", RT_schedt_lastpoll},
    {"sched.goid_generator", RT_schedt_goidgen},
    {"sched.idle_time_ns", RT_schedt_idle_time},
    {"sched.mutex_wait_ns", RT_schedt_total_mutex_wait_time},
    {"sched.custom_gomaxprocs", RT_schedt_custom_gomaxprocs},
};

/* Go: gcount: all, less those that are dead and kept for reuse. */
static uint32_t goroutines_alive(const struct rt_layout *l, const struct rt_globals_copy *g,
                                 const struct rt_ps_sum *ps)
{
    int64_t n = (int64_t)g->allgs_n - ps->gfree - rt_get_i(l, g->sched, RT_schedt_gfree_n) -
                rt_get_i(l, g->sched, RT_schedt_gfree_nostack_n);
    return n < 1 ? 1 : (uint32_t)n;
}

static void set_sched(struct rt *rt, struct snap *s, const struct rt_globals_copy *g,
                      const struct rt_ps_sum *ps)
{
    const struct rt_layout *l = &rt->layout;
    if (G(rt, gomaxprocs))
        snap_set_counter(s, "sched.gomaxprocs", g->gomaxprocs);
    if (G(rt, ncpu))
        snap_set_counter(s, "sched.ncpu", g->ncpu);
    snap_set_counter(s, "sched.runqueue_local", ps->runq);
    snap_set_counter(s, "sched.runqueue_local_max", ps->runq_max);
    if (!g->sched) {
        snap_note_missing(s, ARRAY_LEN(sched_rows), "counters of the scheduler",
                          "the variable runtime.sched was not found");
        return;
    }
    counters_set(s, l, g->sched, sched_rows, ARRAY_LEN(sched_rows));
    snap_set_counter(s, "sched.threads",
                     rt_get_i(l, g->sched, RT_schedt_mnext) -
                         rt_get_i(l, g->sched, RT_schedt_nmfreed));
    uint32_t alive = goroutines_alive(l, g, ps);
    int64_t user = (int64_t)alive - rt_get_i(l, g->sched, RT_schedt_ngsys);
    snap_set_counter(s, "sched.goroutines", user < 1 ? 1 : user);
    snap_set_counter(s, "sched.goroutines_all", alive);
    snap_set_counter(s, "sched.goroutines_dead", (int64_t)g->allgs_n - alive);
    if (rt_has(l, RT_schedt_goroutines_created))
        snap_set_counter(s, "sched.goroutines_created",
                         rt_get_i(l, g->sched, RT_schedt_goroutines_created) +
                             (int64_t)ps->goroutines_created);
}

static void set_by_size(const struct rt *rt, struct snap *s, const struct rt_memstats *m)
{
    const struct rt_values *sizes = &rt->layout.size_classes;
    char name[64];
    for (size_t i = 0; i < sizes->n; i++) {
        if (!m->by_size[i].mallocs)
            continue;
        snprintf(name, sizeof(name), "memstats.by_size_%u.mallocs", sizes->v[i]);
        snap_set_counter(s, name, (int64_t)m->by_size[i].mallocs);
        snprintf(name, sizeof(name), "memstats.by_size_%u.frees", sizes->v[i]);
        snap_set_counter(s, name, (int64_t)m->by_size[i].frees);
    }
}

static void set_memstats(const struct rt *rt, struct snap *s, const struct rt_memstats *m)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"memstats.alloc_bytes", m->alloc},
        {"memstats.total_alloc_bytes", m->total_alloc},
        {"memstats.sys_bytes", m->sys},
        {"memstats.mallocs", m->mallocs},
        {"memstats.frees", m->frees},
        {"memstats.heap_alloc_bytes", m->alloc},
        {"memstats.heap_sys_bytes", m->heap_sys},
        {"memstats.heap_idle_bytes", m->heap_idle},
        {"memstats.heap_inuse_bytes", m->heap_inuse},
        {"memstats.heap_released_bytes", m->heap_released},
        {"memstats.heap_objects", m->mallocs - m->frees},
        {"memstats.stack_inuse_bytes", m->stack_inuse},
        {"memstats.stack_sys_bytes", m->stack_sys},
        {"memstats.mspan_inuse_bytes", m->mspan_inuse},
        {"memstats.mspan_sys_bytes", m->mspan_sys},
        {"memstats.mcache_inuse_bytes", m->mcache_inuse},
        {"memstats.mcache_sys_bytes", m->mcache_sys},
        {"memstats.buckhash_sys_bytes", m->buckhash_sys},
        {"memstats.gc_sys_bytes", m->gc_sys},
        {"memstats.other_sys_bytes", m->other_sys},
        {"memstats.next_gc_bytes", m->next_gc},
        {"gc.heap_goal_bytes", m->next_gc},
        {"gc.trigger_bytes", m->trigger},
        {"gc.limit_decides", m->limit_decides},
        {"memstats.large_mallocs", m->large_mallocs},
        {"memstats.large_frees", m->large_frees},
        {"memstats.large_alloc_bytes", m->large_alloc},
        {"memstats.large_free_bytes", m->large_free},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        snap_set_counter(s, rows[i].name, (int64_t)rows[i].value);
    set_by_size(rt, s, m);
}

static struct err *set_cgo(struct rt *rt, struct target *t, struct snap *s)
{
    uint64_t calls = 0, here = 0;
    taddr m = 0;
    if (!G(rt, allm) || !rt_has(&rt->layout, RT_m_ncgocall))
        return NULL;
    TRY(target_read_u64(t, G(rt, allm), &m));
    for (int i = 0; m && i < MS_MAX; i++) {
        TRY(target_read_u64(t, m + (taddr)L(rt, m_ncgocall), &here));
        calls += here;
        TRY(target_read_u64(t, m + (taddr)L(rt, m_alllink), &m));
    }
    snap_set_counter(s, "cgo.calls", (int64_t)calls);
    return NULL;
}

struct err *capture_counters(struct rt *rt, struct target *t, struct snap *s)
{
    struct arena a;
    struct rt_globals_copy g;
    struct rt_ps_sum ps;
    struct rt_memstats m;
    arena_init(&a);
    struct err *e = rt_copy_globals(rt, t, &a, &g);
    if (!e)
        e = rt_sum_ps(rt, t, &ps);
    if (!e) {
        set_sched(rt, s, &g, &ps);
        counters_gc(rt, s, &g);
        e = rt_read_memstats(rt, t, &g, true, &m);
        if (!e) {
            set_memstats(rt, s, &m);
        } else if (err_code(e) == ERR_NOT_FOUND) {
            snap_note_missing(s, 1, "memory statistics", err_message(e));
            err_free(e);
            e = NULL;
        }
    }
    if (!e)
        e = set_cgo(rt, t, s);
    arena_free(&a);
    return e;
}

/* ---- the pulse ---- */

static struct err *count_statuses(struct rt *rt, struct rt_pulse *ret)
{
    uint64_t list[3], *gs;
    TRY(target_read(rt->t, G(rt, allgs), list, sizeof(list)));
    TRY(rt_read_array(rt->t, "the list of goroutines", list[0], list[1], 8, RT_LIST_MAX,
                      (void **)&gs));
    uint32_t *status = mem_try_alloc(list[1] * sizeof(*status) + 1);
    struct rt_batch b = {0};
    for (uint64_t i = 0; status && i < list[1]; i++)
        rt_batch_add(&b, gs[i] + (taddr)L(rt, g_atomicstatus), &status[i], 4);
    struct err *e =
        status ? rt_batch_read(&b, rt->t)
               : err_new(ERR_NOMEM, "no memory for %llu goroutines", (unsigned long long)list[1]);
    int64_t scan = rt->layout.constant[RT_IS_g_scan];
    for (uint64_t i = 0; !e && i < list[1]; i++)
        if (b.iov.v[i].ok)
            ret->by_status[rt_gstatus(&rt->layout,
                                      status[i] & ~(uint32_t)(scan > 0 ? scan : 0x1000))]++;
    rt_batch_free(&b);
    free(status);
    free(gs);
    return e;
}

static void pulse_sched(const struct rt_layout *l, const struct rt_globals_copy *g,
                        const struct rt_ps_sum *ps, struct rt_pulse *p)
{
    p->gomaxprocs = g->gomaxprocs;
    p->runq_local = ps->runq;
    p->runq_local_max = ps->runq_max;
    if (!g->sched)
        return;
    p->goroutines_all = goroutines_alive(l, g, ps);
    int64_t user = (int64_t)p->goroutines_all - rt_get_i(l, g->sched, RT_schedt_ngsys);
    p->goroutines = user < 1 ? 1 : (uint32_t)user;
    p->threads = (uint32_t)(rt_get_i(l, g->sched, RT_schedt_mnext) -
                            rt_get_i(l, g->sched, RT_schedt_nmfreed));
    p->idle_threads = (uint32_t)rt_get(l, g->sched, RT_schedt_nmidle);
    p->spinning_threads = (uint32_t)rt_get(l, g->sched, RT_schedt_nmspinning);
    p->idle_procs = (uint32_t)rt_get(l, g->sched, RT_schedt_npidle);
    p->runq_global = (uint32_t)rt_get(l, g->sched, RT_schedt_runqsize);
}

static void pulse_memory(const struct rt_layout *l, const struct rt_globals_copy *g,
                         const struct rt_memstats *m, struct rt_pulse *p)
{
    size_t ring = l->width[RT_mstats_pause_ns] / 8;
    p->heap_live_bytes = rt_get(l, g->gccontroller, RT_gccontroller_heap_live);
    p->heap_goal_bytes = m->next_gc;
    p->heap_trigger_bytes = m->trigger;
    p->heap_alloc_bytes = m->alloc;
    p->heap_inuse_bytes = m->heap_inuse;
    p->total_alloc_bytes = m->total_alloc;
    p->sys_bytes = m->sys;
    p->gc_cycles = (uint32_t)rt_get(l, g->memstats, RT_mstats_numgc);
    if (ring && p->gc_cycles)
        p->last_pause_ns =
            (int64_t)rt_get_word(l, g->memstats, RT_mstats_pause_ns, (p->gc_cycles - 1) % ring);
    if (g->work && rt_has(l, RT_work_cpu_total)) {
        p->cpu_gc_ns = rt_get_i(l, g->work, RT_work_cpu_gc_total);
        p->cpu_ns = rt_get_i(l, g->work, RT_work_cpu_total);
    }
}

struct err *rt_pulse(struct rt *rt, const struct rt_pulse_options *o, struct rt_pulse *ret)
{
    struct arena a;
    struct rt_globals_copy g;
    struct rt_ps_sum ps;
    struct rt_memstats m;
    *ret = (struct rt_pulse){.last_pause_ns = -1, .cpu_gc_ns = -1, .cpu_ns = -1};
    arena_init(&a);
    ret->mono_ns = clock_mono_ns();
    ret->wall_ns = clock_wall_ns();
    struct err *e = rt_copy_globals(rt, rt->t, &a, &g);
    if (!e)
        e = rt_sum_ps(rt, rt->t, &ps);
    if (!e) {
        pulse_sched(&rt->layout, &g, &ps, ret);
        ret->gc_running = g.gcphase != 0;
        e = rt_read_memstats(rt, rt->t, &g, false, &m);
    }
    if (!e) {
        pulse_memory(&rt->layout, &g, &m, ret);
    } else if (err_code(e) == ERR_NOT_FOUND) {
        err_free(e);
        e = NULL;
    }
    if (!e && o && o->statuses)
        e = count_statuses(rt, ret);
    arena_free(&a);
    return e;
}
