/* waits_coro.c - coroutines: who waits for whom.
 *
 * Go: runtime/coro.go coro, newcoro, corostart, coroswitch; iter.Pull (1.23-1.27).
 *
 * A coro has one goroutine that waits in it, coro.gp: its own, until somebody calls next or stop,
 * or the one that called, until it yields or ends.  Who waits does not keep the address of the
 * coro, but the coroutine does: in g.coroarg until it has started, and then in the frame of
 * corostart at the outer end of its stack, whose deferred call needs it.  What is found there is
 * believed when it is a coro: its function is one, and coro.gp a goroutine that waits like that. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum { OUTER = 160, WORDS = OUTER / 8, LOWEST = 4096 };

/* The coro at an address, if one is there that a goroutine waits in: that goroutine. */
static uint32_t waits_in(struct waits *w, taddr addr)
{
    struct capture *c = w->c;
    const struct rt_layout *l = &c->rt->layout;
    uint64_t gp, f, entry;
    struct pcln_func fn;
    const struct rt_module *m;
    if (addr < LOWEST || addr % 8 || !peek_u64(&w->peek, addr + (taddr)l->off[RT_coro_gp], &gp) ||
        !peek_u64(&w->peek, addr + (taddr)l->off[RT_coro_f], &f))
        return SNAP_NONE;
    uint32_t gi = gp ? capture_g_index(c, gp) : SNAP_NONE;
    if (gi == SNAP_NONE || !waits_for(w, gi, WAIT_FOR_CORO) || f < LOWEST || f % 8 ||
        !peek_u64(&w->peek, f, &entry))
        return SNAP_NONE;
    return rt_func_at(c->rt, entry, &fn, &m) && fn.entry == entry ? gi : SNAP_NONE;
}

static void found(struct waits *w, uint32_t gi, uint32_t waiter, taddr addr, taddr link)
{
    struct wait_record r = {
        .gi = waiter, .sudog = link, .elem = addr, .kind = SNAP_W_CORO, .queued = true};
    waits_add(w, &r);
    if (waiter != gi)
        vec_push(&w->coros, ((struct wait_coro){.gi = gi, .addr = addr}));
}

/* link: g itself, of a coroutine that has not started: its own pointer to the coro is no way to it
 * for anybody else. */
static void read_one(struct waits *w, uint32_t gi)
{
    const struct rt_g *g = &w->c->gs[gi].g;
    uint64_t words[WORDS];
    uint32_t waiter = g->more->coroarg ? waits_in(w, g->more->coroarg) : SNAP_NONE;
    if (waiter == gi) {
        found(w, gi, gi, g->more->coroarg, g->addr);
        return;
    }
    if (g->stack_hi < OUTER || !peek(&w->peek, g->stack_hi - OUTER, words, sizeof(words)))
        return;
    for (size_t i = WORDS; i--;) {
        waiter = waits_in(w, words[i]);
        if (waiter != SNAP_NONE) {
            found(w, gi, waiter, words[i], 0);
            return;
        }
    }
}

void waits_read_coros(struct waits *w)
{
    struct capture *c = w->c;
    struct pcln_func start;
    if (!rt_has(&c->rt->layout, RT_coro_gp) || !rt_has(&c->rt->layout, RT_coro_f) ||
        !pcln_find_name(&c->rt->modules->pcln, "runtime.corostart", &start))
        return;
    for (uint32_t gi = 0; gi < c->ngs; gi++)
        if (c->gs[gi].row != SNAP_NONE && c->gs[gi].g.startpc == start.entry)
            read_one(w, gi);
}
