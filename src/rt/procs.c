/* procs.c - Ps and run queues.
 *
 * Go: runtime/runtime2.go p, schedt, runtime/proc.go runqput, globrunqput (1.18-1.27).  A local
 * queue is a ring of 256; runnext stands before it; the global queue is a list through g.schedlink.
 */
#include <stdlib.h>

#include "rt/capture_int.h"

enum { PS_MAX = 1 << 16 };

static void add_queued(struct capture *c, uint32_t proc, taddr g)
{
    uint32_t gi = capture_g_index(c, g);
    if (gi == SNAP_NONE || c->gs[gi].row == SNAP_NONE)
        return;
    uint32_t row = snap_add_runq(c->s);
    c->s->runq.proc[row] = proc;
    c->s->runq.goroutine[row] = c->gs[gi].row;
}

static uint32_t ring_size(const struct rt *rt)
{
    return rt->layout.width[RT_p_runq] / 8;
}

static enum snap_pstatus pstatus(uint64_t raw)
{
    return raw <= SNAP_P_DEAD ? (enum snap_pstatus)raw : SNAP_P_UNKNOWN;
}

/* The cells that need nothing but the P itself. */
static void fill_p(struct capture *c, uint32_t row, const uint8_t *p)
{
    const struct rt_layout *l = &c->rt->layout;
    struct snap *s = c->s;
    uint32_t head = (uint32_t)rt_get(l, p, RT_p_runqhead);
    uint32_t tail = (uint32_t)rt_get(l, p, RT_p_runqtail);
    uint32_t queued = min_u64(tail - head, ring_size(c->rt));
    s->proc.id[row] = (int32_t)rt_get(l, p, RT_p_id);
    s->proc.status[row] = (uint8_t)pstatus(rt_get(l, p, RT_p_status));
    s->proc.runq[row] = queued + (rt_get(l, p, RT_p_runnext) != 0);
    s->proc.timers[row] = c->ps[row].ntimers;
    s->proc.gfree[row] = (uint32_t)rt_get(l, p, RT_p_gfree_n);
    s->proc.schedtick[row] = rt_get(l, p, RT_p_schedtick);
    s->proc.syscalltick[row] = rt_get(l, p, RT_p_syscalltick);
    uint32_t m = c->ps[row].m ? map_get(&c->m_by_addr, c->ps[row].m) : MAP_NONE;
    if (m != MAP_NONE) {
        s->proc.thread[row] = c->ms[m].thread;
        if (c->ms[m].thread != SNAP_NONE)
            s->thread.proc[c->ms[m].thread] = row;
    }
}

static void keep_queue(struct capture *c, struct prec *r, const uint8_t *p)
{
    const struct rt_layout *l = &c->rt->layout;
    uint32_t head = (uint32_t)rt_get(l, p, RT_p_runqhead), size = ring_size(c->rt);
    uint32_t n = min_u64((uint32_t)rt_get(l, p, RT_p_runqtail) - head, size);
    r->queue = arena_array(&c->arena, taddr, n + 1);
    r->queued = n;
    for (uint32_t i = 0; i < n; i++)
        r->queue[i] = rt_get_word(l, p, RT_p_runq, (head + i) % size);
}

/* While GOMAXPROCS grows, the list has its new length before its new elements. */
struct err *rt_list_ps(struct rt *rt, struct target *t, taddr **ret, size_t *ret_n)
{
    uint64_t list[3];
    *ret = NULL;
    *ret_n = 0;
    if (!G(rt, allp))
        return NULL;
    TRY(target_read(t, G(rt, allp), list, sizeof(list)));
    TRY(rt_read_array(t, "the list of Ps", list[0], list[1], 8, PS_MAX, (void **)ret));
    for (size_t i = 0; i < list[1]; i++)
        if ((*ret)[i])
            (*ret)[(*ret_n)++] = (*ret)[i];
    return NULL;
}

struct err *capture_procs(struct capture *c)
{
    const struct rt_layout *l = &c->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_p];
    taddr *addrs;
    if (l->size[RT_STRUCT_p] <= 0)
        return NULL;
    TRY(rt_list_ps(c->rt, c->t, &addrs, &c->nps));
    c->ps = mem_alloc(c->nps * sizeof(*c->ps) + 1);
    uint8_t *p = mem_alloc(size);
    struct err *e = NULL;
    for (size_t i = 0; !e && i < c->nps; i++) {
        uint32_t row = snap_add_proc(c->s);
        if ((e = target_read(c->t, addrs[i], p, size)))
            break;
        c->ps[i] = (struct prec){.addr = addrs[i],
                                 .m = rt_get(l, p, RT_p_m),
                                 .runnext = rt_get(l, p, RT_p_runnext),
                                 .timers = rt_get_word(l, p, RT_p_timers_heap, 0),
                                 .ntimers = (uint32_t)rt_get_word(l, p, RT_p_timers_heap, 1)};
        fill_p(c, row, p);
        keep_queue(c, &c->ps[i], p);
        uint32_t next = capture_g_index(c, c->ps[i].runnext);
        c->s->proc.runnext[row] = next == SNAP_NONE ? 0 : c->gs[next].g.goid;
    }
    free(p);
    free(addrs);
    return e;
}

void capture_runqs(struct capture *c)
{
    for (uint32_t i = 0; i < c->nps; i++) {
        add_queued(c, i, c->ps[i].runnext);
        for (uint32_t k = 0; k < c->ps[i].queued; k++)
            add_queued(c, i, c->ps[i].queue[k]);
    }
    for (size_t i = 0; i < c->nglobal; i++)
        add_queued(c, SNAP_NONE, c->global[i]);
}

/* The global queue: as long as sched says, through the structures that were read. */
struct err *capture_global_queue(struct capture *c)
{
    taddr at = 0;
    if (!G(c->rt, sched) || !rt_has(&c->rt->layout, RT_schedt_runq_head))
        return NULL;
    TRY(target_read_u64(c->t, G(c->rt, sched) + (taddr)L(c->rt, schedt_runq_head), &at));
    VEC(taddr) queue = {0};
    while (at && queue.n < c->ngs) {
        uint32_t gi = capture_g_index(c, at);
        if (gi == SNAP_NONE)
            break;
        vec_push(&queue, at);
        at = c->gs[gi].g.more->schedlink;
    }
    c->global = queue.v;
    c->nglobal = queue.n;
    return NULL;
}
