/* check.c - whether layouts and globals agree with what is in memory.
 *
 * Go: runtime/proc.go, runtime/runtime2.go (1.18-1.27).  Each check is an identity that the runtime
 * keeps at all times (m.g0.m == m), so it holds on a running process, too; a wrong offset or
 * address breaks it with near certainty. */
#include <stdlib.h>

#include "rt/rt_int.h"

enum { MS_TO_CHECK = 8 };

static struct err *wrong(const char *what)
{
    return err_new(ERR_BAD_DATA, "the runtime's structures are not where they should be (%s)",
                   what);
}

static struct err *check_goroutines(struct rt *rt)
{
    uint64_t list[3];
    taddr first;
    if (!G(rt, allgs))
        return err_new(ERR_NOT_FOUND, "the list of goroutines (runtime.allgs) was not found");
    TRY(target_read(rt->t, G(rt, allgs), list, sizeof(list)));
    if (!list[1] || list[1] > list[2] || list[1] > RT_LIST_MAX)
        return wrong("allgs");
    TRY(target_read_u64(rt->t, list[0], &first));
    uint8_t *g = mem_alloc((size_t)rt->layout.size[RT_STRUCT_g]);
    struct err *e = target_read(rt->t, first, g, (size_t)rt->layout.size[RT_STRUCT_g]);
    if (!e) {
        uint64_t status = rt_get(&rt->layout, g, RT_g_atomicstatus);
        taddr lo = rt_get(&rt->layout, g, RT_g_stack_lo),
              hi = rt_get(&rt->layout, g, RT_g_stack_hi);
        if ((status & 0xff) > 31 || lo > hi || rt_get(&rt->layout, g, RT_g_goid) > 1u << 30)
            e = wrong("g");
    }
    free(g);
    return e;
}

/* Every M's g0 points back to it.  One that is being made (allocm) is in the list before it has a
 * g0, and before that one points back. */
static struct err *check_threads(struct rt *rt)
{
    taddr m, g0, back;
    bool seen = false;
    if (!G(rt, allm))
        return NULL;
    TRY(target_read_u64(rt->t, G(rt, allm), &m));
    for (int i = 0; m && i < MS_TO_CHECK; i++) {
        TRY(target_read_u64(rt->t, m + (taddr)L(rt, m_g0), &g0));
        back = 0;
        if (g0)
            TRY(target_read_u64(rt->t, g0 + (taddr)L(rt, g_m), &back));
        if (back && back != m)
            return wrong("m.g0.m");
        seen |= back != 0;
        TRY(target_read_u64(rt->t, m + (taddr)L(rt, m_alllink), &m));
    }
    return seen ? NULL : wrong("m.g0.m");
}

static struct err *check_procs(struct rt *rt)
{
    uint64_t list[3], p;
    uint32_t procs, id;
    if (!G(rt, allp) || !G(rt, gomaxprocs))
        return NULL;
    TRY(target_read(rt->t, G(rt, allp), list, sizeof(list)));
    TRY(target_read(rt->t, G(rt, gomaxprocs), &procs, 4));
    if (!list[1] || list[1] > list[2] || list[1] > RT_LIST_MAX || procs != list[1])
        return wrong("allp");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = i ? list[1] - 1 : 0;
        TRY(target_read_u64(rt->t, list[0] + 8 * at, &p));
        TRY(target_read(rt->t, p + (taddr)L(rt, p_id), &id, 4));
        if (id != at)
            return wrong("p.id");
    }
    return NULL;
}

/* The heap in use is counted twice: by the statistics of sizes, and in one sum. */
static struct err *check_memstats(struct rt *rt)
{
    bool old = rt_has(&rt->layout, RT_mstats_heap_inuse);
    taddr sum_at = old ? G(rt, memstats) + (taddr)L(rt, mstats_heap_inuse)
                       : G(rt, gccontroller) + (taddr)L(rt, gccontroller_heap_in_use);
    taddr at = G(rt, memstats) + (taddr)L(rt, mstats_heap_stats);
    uint64_t in_heap = 0, part, sum;
    if (!G(rt, memstats) || (!old && !G(rt, gccontroller)))
        return NULL;
    for (uint32_t i = 0; i < 3; i++) {
        at += i ? rt->layout.width[RT_mstats_heap_stats] / 3 : 0;
        TRY(target_read_u64(rt->t, at + (taddr)L(rt, heapstats_in_heap), &part));
        in_heap += part;
    }
    TRY(target_read_u64(rt->t, sum_at, &sum));
    uint64_t diff = sum > in_heap ? sum - in_heap : in_heap - sum;
    return diff > (16 << 20) && diff > sum / 4 ? wrong("memstats") : NULL;
}

struct err *rt_check_layout(struct rt *rt)
{
    struct err *e = check_goroutines(rt);
    if (!e)
        e = check_threads(rt);
    if (!e)
        e = check_procs(rt);
    return e ? e : check_memstats(rt);
}
