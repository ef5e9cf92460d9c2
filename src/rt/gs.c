/* gs.c - the goroutines' structures (runtime.g), read in bulk.
 *
 * Go: runtime/proc.go allgs, runtime/runtime2.go g, _G* (1.18-1.27). */
#include <stdlib.h>

#include "rt/capture_int.h"

enum { AT_ONCE = 32 << 10 };

enum snap_gstatus rt_gstatus(const struct rt_layout *l, uint32_t status)
{
    static const struct {
        enum rt_constant is;
        enum snap_gstatus st;
    } known[] = {
        {RT_IS_g_idle, SNAP_G_IDLE},           {RT_IS_g_runnable, SNAP_G_RUNNABLE},
        {RT_IS_g_running, SNAP_G_RUNNING},     {RT_IS_g_syscall, SNAP_G_SYSCALL},
        {RT_IS_g_waiting, SNAP_G_WAITING},     {RT_IS_g_copystack, SNAP_G_COPYSTACK},
        {RT_IS_g_preempted, SNAP_G_PREEMPTED}, {RT_IS_g_leaked, SNAP_G_LEAKED},
        {RT_IS_g_dead, SNAP_G_DEAD},           {RT_IS_g_deadextra, SNAP_G_DEAD},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (l->constant[known[i].is] == (int64_t)status)
            return known[i].st;
    return SNAP_G_UNKNOWN;
}

static const struct rt_g_more nothing_more;

/* Where a goroutine is in no queue its schedlink is left over from one. */
static void parse_more(const struct rt_layout *l, const uint8_t *p, uint32_t status,
                       struct rt_g_more *m)
{
    bool queued = rt_gstatus(l, status) == SNAP_G_RUNNABLE;
    *m = (struct rt_g_more){
        .m = rt_get(l, p, RT_g_m),
        .syscallpc = rt_get(l, p, RT_g_syscallpc),
        .syscallsp = rt_get(l, p, RT_g_syscallsp),
        .lockedm = rt_get(l, p, RT_g_lockedm),
        .labels = rt_get(l, p, RT_g_labels),
        .schedlink = queued ? rt_get(l, p, RT_g_schedlink) : 0,
        .bubble = rt_get(l, p, RT_g_bubble),
        .panic = rt_get(l, p, RT_g_panic),
        .timer = rt_get(l, p, RT_g_timer),
        .coroarg = rt_get(l, p, RT_g_coroarg),
        .defer = rt_get(l, p, RT_g_defer),
        .sched_ctxt = rt_get(l, p, RT_g_sched_ctxt),
        .xregs = rt_get(l, p, RT_g_xregs),
        .sleep_when = rt_get_i(l, p, RT_g_sleep_when),
        .assist_bytes = rt_get_i(l, p, RT_g_gc_assist_bytes),
    };
}

void rt_parse_g(const struct rt_layout *l, taddr addr, const uint8_t *p, struct rt_g *g,
                struct rt_g_more *more)
{
    uint32_t status = (uint32_t)rt_get(l, p, RT_g_atomicstatus);
    uint32_t scan = l->constant[RT_IS_g_scan] > 0 ? (uint32_t)l->constant[RT_IS_g_scan] : 0x1000;
    parse_more(l, p, status & ~scan, more);
    memset(g, 0, sizeof(*g));
    g->more = memcmp(more, &nothing_more, sizeof(*more)) == 0 ? &nothing_more : more;
    g->addr = addr;
    g->stack_lo = rt_get(l, p, RT_g_stack_lo);
    g->stack_hi = rt_get(l, p, RT_g_stack_hi);
    g->sched_pc = rt_get(l, p, RT_g_sched_pc);
    g->sched_sp = rt_get(l, p, RT_g_sched_sp);
    g->waiting = rt_get(l, p, RT_g_waiting);
    g->gopc = rt_get(l, p, RT_g_gopc);
    g->startpc = rt_get(l, p, RT_g_startpc);
    g->goid = rt_get(l, p, RT_g_goid);
    g->parent_goid = rt_get(l, p, RT_g_parent_goid);
    g->wait_since = rt_get_i(l, p, RT_g_waitsince);
    g->status = status & ~scan;
    g->scan = (status & scan) != 0;
    g->wait_reason = (uint8_t)rt_get(l, p, RT_g_waitreason);
    g->ran = (uint8_t)rt_get(l, p, RT_g_tracking_seq);
    g->async = rt_get(l, p, RT_g_async_safe_point) != 0;
    g->parking = rt_get(l, p, RT_g_parking_on_chan) != 0;
    g->running_cleanups = rt_get(l, p, RT_g_running_cleanups) != 0;
}

void rt_parse_g_into(const struct rt_layout *l, taddr addr, const uint8_t *p, struct rt_g *g,
                     struct arena *a)
{
    struct rt_g_more more, *kept = (struct rt_g_more *)g->more;
    rt_parse_g(l, addr, p, g, &more);
    if (g->more == &nothing_more)
        return;
    if (!kept || kept == &nothing_more)
        kept = arena_new(a, struct rt_g_more);
    *kept = more;
    g->more = kept;
}

/* The header of allgs is three words; a running target may change it while it is read. */
static struct err *read_list(const struct rt *rt, struct target *t, uint64_t list[3])
{
    uint64_t again[3];
    for (int i = 0; i < 100; i++) {
        TRY(target_read(t, G(rt, allgs), list, 24));
        TRY(target_read(t, G(rt, allgs), again, 24));
        if (memcmp(list, again, 24) == 0 && list[1] <= list[2])
            return NULL;
    }
    return err_new(ERR_BAD_DATA, "the list of goroutines changes each time it is read");
}

struct err *rt_read_allgs(const struct rt *rt, struct target *t, taddr **ret, size_t *ret_n)
{
    uint64_t list[3];
    TRY(read_list(rt, t, list));
    *ret_n = list[1];
    return rt_read_array(t, "the list of goroutines", list[0], list[1], 8, RT_LIST_MAX,
                         (void **)ret);
}

struct err *capture_list(struct capture *c)
{
    taddr *addrs = NULL;
    TRY(rt_read_allgs(c->rt, c->t, &addrs, &c->ngs));
    c->gs = mem_try_alloc(c->ngs * sizeof(*c->gs) + 1);
    if (!c->gs) {
        free(addrs);
        return err_new(ERR_NOMEM, "no memory for %zu goroutines", c->ngs);
    }
    for (size_t i = 0; i < c->ngs; i++) {
        c->gs[i].g.addr = addrs[i];
        c->gs[i].g.more = &nothing_more;
        c->gs[i].row = c->gs[i].node = SNAP_NONE;
        map_put(&c->g_by_addr, addrs[i] >> 3, (uint32_t)i);
    }
    free(addrs);
    return NULL;
}

uint32_t capture_g_index(const struct capture *c, taddr g)
{
    return g ? map_get(&c->g_by_addr, g >> 3) : SNAP_NONE;
}

struct err *rt_read_gs(const struct rt *rt, struct target *t, size_t n, rt_g_at *at, void *arg,
                       struct arena *more)
{
    size_t size = (size_t)rt->layout.size[RT_STRUCT_g], most = min_u64(AT_ONCE, n);
    taddr *addr = mem_alloc(most * sizeof(*addr) + 1);
    bool *ok = mem_alloc(most + 1);
    uint8_t *copies = mem_try_alloc(most * size + 1);
    struct err *e = copies ? NULL : err_new(ERR_NOMEM, "no memory for %zu goroutines", most);
    for (size_t first = 0; !e && first < n; first += most) {
        size_t k = min_u64(most, n - first);
        for (size_t i = 0; i < k; i++)
            addr[i] = at(arg, first + i)->addr;
        e = rt_read_pieces(t, addr, k, size, copies, ok);
        for (size_t i = 0; !e && i < k; i++) {
            struct rt_g *g = at(arg, first + i);
            if (ok[i])
                rt_parse_g_into(&rt->layout, addr[i], copies + i * size, g, more);
            else
                *g = (struct rt_g){.addr = addr[i], .more = &nothing_more, .status = UINT32_MAX};
        }
    }
    free(copies);
    free(ok);
    free(addr);
    return e;
}

static struct rt_g *g_of_capture(void *arg, size_t i)
{
    return &((struct capture *)arg)->gs[i].g;
}

struct err *capture_gs(struct capture *c)
{
    return rt_read_gs(c->rt, c->t, c->ngs, g_of_capture, c, &c->workers[0].more);
}
