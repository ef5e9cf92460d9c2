/* counters_mem.c - runtime.MemStats from outside.
 *
 * Go: runtime/mstats.go readmemstats_m (updatememstats in 1.18), consistentHeapStats; mcache.go
 * refill, releaseAll; mgcpacer.go heapGoalInternal, memoryLimitHeapGoal (1.18-1.27).
 *
 * ReadMemStats first empties the caches of all Ps, which books what was allocated from them.  We
 * cannot do that, so the same is computed: a cached span counts what it allocated since it was
 * cached (1.20-1.27: allocCount - allocCountBeforeCache); before, it was counted as full when it
 * was cached, and what is free in it must be taken off again. */
#include <stdlib.h>

#include "rt/counters_int.h"

struct reader {
    struct rt *rt;
    struct target *t;
    const struct rt_globals_copy *g;
    struct rt_memstats *m;
    uint64_t tiny;
    uint64_t in_work_bufs, in_ptr_scalar_bits;
};

static uint64_t word(const struct reader *r, const uint8_t *copy, enum rt_field f)
{
    return copy ? rt_get(&r->rt->layout, copy, f) : 0;
}

/* Adds up the three generations of memstats.heapStats. */
static void sum_heap_stats(struct reader *r)
{
    const struct rt_layout *l = &r->rt->layout;
    size_t step = l->width[RT_mstats_heap_stats] / 3;
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *d = r->g->memstats + l->off[RT_mstats_heap_stats] + i * step;
        r->m->large_alloc += word(r, d, RT_heapstats_large_alloc);
        r->m->large_free += word(r, d, RT_heapstats_large_free);
        r->m->large_mallocs += word(r, d, RT_heapstats_large_alloc_count);
        r->m->large_frees += word(r, d, RT_heapstats_large_free_count);
        r->tiny += word(r, d, RT_heapstats_tiny_alloc_count);
        r->m->stack_inuse += word(r, d, RT_heapstats_in_stacks);
        r->in_work_bufs += word(r, d, RT_heapstats_in_work_bufs);
        r->in_ptr_scalar_bits += word(r, d, RT_heapstats_in_ptr_scalar_bits);
        for (size_t k = 0; k < l->size_classes.n; k++) {
            r->m->by_size[k].mallocs += rt_get_word(l, d, RT_heapstats_small_alloc_count, k);
            r->m->by_size[k].frees += rt_get_word(l, d, RT_heapstats_small_free_count, k);
        }
    }
}

/* ---- the caches of the Ps ---- */

/* Objects a cached span has that are not booked yet; may be negative. */
static int64_t unbooked(const struct rt_layout *l, const uint8_t *span)
{
    int64_t allocated = (int64_t)rt_get(l, span, RT_mspan_alloc_count);
    if (rt_has(l, RT_mspan_alloc_count_before_cache))
        return allocated - (int64_t)rt_get(l, span, RT_mspan_alloc_count_before_cache);
    return allocated - (int64_t)rt_get(l, span, RT_mspan_nelems);
}

static void book_span(struct reader *r, size_t spanclass, const uint8_t *span)
{
    const struct rt_layout *l = &r->rt->layout;
    if (spanclass / 2 < l->size_classes.n && rt_get(l, span, RT_mspan_nelems))
        r->m->by_size[spanclass / 2].mallocs += (uint64_t)unbooked(l, span);
}

static struct err *book_cache(struct reader *r, taddr mcache)
{
    const struct rt_layout *l = &r->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_mcache], n = l->width[RT_mcache_alloc] / 8;
    size_t span_size = (size_t)l->size[RT_STRUCT_mspan];
    uint8_t *c = mem_alloc(size), *spans = mem_alloc(n * span_size);
    struct rt_batch b = {0};
    struct err *e = target_read(r->t, mcache, c, size);
    if (!e) {
        r->tiny += rt_get(l, c, RT_mcache_tiny_allocs);
        for (size_t i = 0; i < n; i++)
            rt_batch_add(&b, rt_get_word(l, c, RT_mcache_alloc, i), spans + i * span_size,
                         span_size);
        e = rt_batch_read(&b, r->t);
    }
    for (size_t i = 0; !e && i < n; i++)
        if (b.iov.v[i].ok)
            book_span(r, i, spans + i * span_size);
    rt_batch_free(&b);
    free(spans);
    free(c);
    return e;
}

static struct err *book_caches(struct reader *r)
{
    taddr *ps;
    size_t n;
    if (r->rt->layout.size[RT_STRUCT_mcache] <= 0)
        return NULL;
    TRY(rt_list_ps(r->rt, r->t, &ps, &n));
    struct err *e = NULL;
    for (size_t i = 0; !e && i < n; i++) {
        taddr mcache = 0;
        e = target_read_u64(r->t, ps[i] + (taddr)L(r->rt, p_mcache), &mcache);
        if (!e && mcache)
            e = book_cache(r, mcache);
    }
    free(ps);
    return e;
}

/* ---- the goal of the GC ---- */

#define GC(f) word(r, r->g->gccontroller, RT_gccontroller_##f)

/* Go: memoryLimitHeapGoal. */
static uint64_t limit_goal(const struct reader *r)
{
    enum { MIN_HEADROOM = 1 << 20 };
    uint64_t limit = GC(memory_limit), mapped = GC(mapped_ready), marked = GC(heap_marked);
    uint64_t other = mapped - GC(heap_free) - (GC(total_alloc) - GC(total_free));
    uint64_t overage = mapped > limit ? mapped - limit : 0;
    if (other + overage >= limit)
        return marked;
    uint64_t goal = limit - (other + overage), headroom = MIN_HEADROOM;
    int64_t percent = r->rt->layout.constant[RT_IS_memlimit_headroom_percent];
    if (percent > 0)
        headroom = max_u64(goal / 100 * (uint64_t)percent, headroom);
    goal = goal < headroom || goal - headroom < headroom ? headroom : goal - headroom;
    return max_u64(goal, marked);
}

/* Go: heapGoalInternal; before 1.19 the goal is a variable.  *ret_least: the trigger is no lower.
 */
static uint64_t heap_goal(struct reader *r, uint64_t *ret_least)
{
    enum { MIN_RUNWAY = 64 << 10 };
    *ret_least = 0;
    if (!rt_has(&r->rt->layout, RT_gccontroller_gc_percent_heap_goal))
        return GC(heap_goal);
    uint64_t goal = GC(gc_percent_heap_goal), limited = limit_goal(r);
    r->m->limit_decides = limited < goal;
    if (limited < goal)
        return limited;
    *ret_least = GC(sweep_dist_min_trigger);
    goal = max_u64(goal, *ret_least);
    uint64_t triggered = GC(triggered);
    if (triggered != UINT64_MAX && goal < triggered + MIN_RUNWAY)
        goal = triggered + MIN_RUNWAY;
    return goal;
}

/* Go: gcControllerState.trigger; before 1.19 it is a variable. */
static uint64_t heap_trigger(struct reader *r, uint64_t goal, uint64_t least)
{
    enum { PARTS = 64, LEAST = 45, MOST = 61, DEFAULT_HEAP_MINIMUM = 4 << 20 };
    if (rt_has(&r->rt->layout, RT_gccontroller_trigger))
        return GC(trigger);
    if (goal == UINT64_MAX)
        return goal;
    uint64_t marked = GC(heap_marked), runway = GC(runway);
    if (marked >= goal)
        return goal;
    least = max_u64(max_u64(least, marked), (goal - marked) / PARTS * LEAST + marked);
    uint64_t most = (goal - marked) / PARTS * MOST + marked;
    if (goal > DEFAULT_HEAP_MINIMUM)
        most = max_u64(most, goal - DEFAULT_HEAP_MINIMUM);
    most = max_u64(most, least);
    return min_u64(max_u64(runway > goal ? least : goal - runway, least), most);
}

/* ---- sums ---- */

static void sum_objects(struct reader *r)
{
    struct rt_memstats *m = r->m;
    uint64_t freed = m->large_free;
    m->total_alloc = m->large_alloc;
    m->mallocs = m->large_mallocs + r->tiny;
    m->frees = m->large_frees + r->tiny;
    const struct rt_values *sizes = &r->rt->layout.size_classes;
    for (size_t i = 0; i < sizes->n; i++) {
        m->total_alloc += m->by_size[i].mallocs * sizes->v[i];
        freed += m->by_size[i].frees * sizes->v[i];
        m->mallocs += m->by_size[i].mallocs;
        m->frees += m->by_size[i].frees;
    }
    m->alloc = m->total_alloc - freed;
}

#define MS(f) word(r, r->g->memstats, RT_mstats_##f)

static void sum_system(struct reader *r)
{
    struct rt_memstats *m = r->m;
    if (rt_has(&r->rt->layout, RT_mstats_heap_inuse)) {
        m->heap_sys = MS(heap_sys);
        m->heap_inuse = MS(heap_inuse);
        m->heap_released = MS(heap_released);
        m->heap_idle = m->heap_sys - m->heap_inuse;
    } else {
        m->heap_inuse = GC(heap_in_use);
        m->heap_released = GC(heap_released);
        m->heap_idle = GC(heap_free) + m->heap_released;
        m->heap_sys = m->heap_inuse + m->heap_idle;
    }
    m->stack_sys = m->stack_inuse + MS(stacks_sys);
    m->mspan_sys = MS(mspan_sys);
    m->mcache_sys = MS(mcache_sys);
    m->buckhash_sys = MS(buckhash_sys);
    m->gc_sys = MS(gc_misc_sys) + r->in_work_bufs + r->in_ptr_scalar_bits;
    m->other_sys = MS(other_sys);
    m->sys = m->heap_sys + m->stack_sys + m->mspan_sys + m->mcache_sys + m->buckhash_sys +
             m->gc_sys + m->other_sys;
    uint64_t least;
    m->next_gc = heap_goal(r, &least);
    m->trigger = heap_trigger(r, m->next_gc, least);
}

static struct err *read_mheap(struct reader *r)
{
    const struct rt_layout *l = &r->rt->layout;
    struct rt_batch b = {0};
    if (!G(r->rt, mheap) || !rt_has(l, RT_mheap_spanalloc_inuse))
        return NULL;
    rt_batch_add(&b, G(r->rt, mheap) + (taddr)L(r->rt, mheap_spanalloc_inuse), &r->m->mspan_inuse,
                 8);
    rt_batch_add(&b, G(r->rt, mheap) + (taddr)L(r->rt, mheap_cachealloc_inuse), &r->m->mcache_inuse,
                 8);
    struct err *e = rt_batch_read(&b, r->t);
    rt_batch_free(&b);
    return e;
}

struct err *rt_read_memstats(struct rt *rt, struct target *t, const struct rt_globals_copy *g,
                             bool caches, struct rt_memstats *ret)
{
    struct reader r = {.rt = rt, .t = t, .g = g, .m = ret};
    memset(ret, 0, sizeof(*ret));
    if (!g->memstats || !g->gccontroller)
        return err_new(ERR_NOT_FOUND, "the runtime's memory statistics were not found");
    sum_heap_stats(&r);
    if (caches)
        TRY(book_caches(&r));
    sum_objects(&r);
    TRY(read_mheap(&r));
    sum_system(&r);
    return NULL;
}
