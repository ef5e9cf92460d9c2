/* holders.c - who holds what others wait for, or could release it.
 *
 * Go does not record who holds a lock.  What the program will do next tells: rt/ walks the code
 * ahead of every goroutine while it captures, and its finds are edges from objects to goroutines.
 */
#include <stdlib.h>

#include "base/map.h"
#include "wait/graph_int.h"

struct holders {
    struct wait_holder *v;
    size_t n, cap;
};

static int by_object(const void *a, const void *b)
{
    const struct wait_holder *x = a, *y = b;
    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    if (x->evidence != y->evidence)
        return x->evidence > y->evidence ? -1 : 1;
    return x->goroutine < y->goroutine ? -1 : x->goroutine > y->goroutine;
}

/* A lock that was handed to a waiter who did not run yet is that waiter's. */
static void handed_over(const struct wait_graph *w, struct holders *h)
{
    const struct snap *s = w->s;
    for (uint32_t i = 0; i < s->wait.n; i++)
        if (s->wait.kind[i] == SNAP_W_SEMA && s->wait.flags[i] & SNAP_WF_GRANTED &&
            s->wait.ticket[i] && s->wait.object[i] != SNAP_NONE)
            vec_push(h, ((struct wait_holder){.object = s->wait.object[i],
                                              .goroutine = s->wait.goroutine[i],
                                              .act = SNAP_ACT_UNLOCK,
                                              .evidence = WAIT_EV_PROVED,
                                              .how = SNAP_HOW_COUNT,
                                              .pc = SNAP_NONE,
                                              .taken = SNAP_NONE}));
}

/* ---- told by the code ahead: table owner ---- */

void wait_index_objects(const struct snap *s, struct map *ret)
{
    for (uint32_t i = 0; i < s->object.n; i++)
        map_put(ret, s->object.addr[i], i);
}

uint32_t wait_object_at(const struct snap *s, const struct map *at, taddr addr)
{
    static const unsigned before[] = {0, 4, 8};
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        uint32_t row = map_get(at, addr - before[i]);
        if (row != MAP_NONE && (!before[i] || s->object.kind[row] == SNAP_OBJ_ONCE))
            return row;
    }
    return SNAP_NONE;
}

static void from_code(const struct wait_graph *w, struct holders *h)
{
    static const uint8_t evidence[] = {[SNAP_PROOF_PROVED] = WAIT_EV_PROVED,
                                       [SNAP_PROOF_STRONG] = WAIT_EV_STRONG,
                                       [SNAP_PROOF_WEAK] = WAIT_EV_WEAK};
    const struct snap *s = w->s;
    struct map at = {0};
    if (s->owner.n)
        wait_index_objects(s, &at);
    for (uint32_t i = 0; i < s->owner.n; i++) {
        uint32_t object = wait_object_at(s, &at, s->owner.addr[i]);
        if (object == SNAP_NONE || s->owner.act[i] == SNAP_ACT_TAKE)
            continue;
        if (s->owner.act[i] == SNAP_ACT_RUNLOCK && s->object.kind[object] != SNAP_OBJ_RWMUTEX)
            continue; /* an RWMutex would lie over what is known to be something else */
        vec_push(h, ((struct wait_holder){.object = object,
                                          .goroutine = s->owner.goroutine[i],
                                          .act = s->owner.act[i],
                                          .evidence = evidence[s->owner.evidence[i]],
                                          .how = s->owner.how[i],
                                          .frame = s->owner.frame[i],
                                          .pc = s->owner.pc[i],
                                          .taken = s->owner.taken[i],
                                          .taken_frame = s->owner.taken_frame[i],
                                          .taken_sure = s->owner.taken_sure[i]}));
    }
    map_free(&at);
}

void wait_find_holders(struct wait_graph *w)
{
    struct holders h = {0};
    handed_over(w, &h);
    from_code(w, &h);
    if (h.n)
        qsort(h.v, h.n, sizeof(*h.v), by_object);
    w->holders = h.v;
    w->nholders = h.n;
}

size_t wait_holders_of(const struct wait_graph *w, uint32_t object, size_t *first)
{
    size_t lo = 0, hi = w->nholders, n = 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->holders[mid].object < object)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = lo;
    while (lo + n < w->nholders && w->holders[lo + n].object == object)
        n++;
    return n;
}
