/* leak_fault.c - what went wrong with each leaked goroutine: the sub-types of GoBench ("GoBench: A
 * Benchmark Suite of Real-World Go Concurrency Bugs", CGO 2021), as the programs in
 * runtime/testdata/testgoroutineleakprofile/goker have them (1.26, 1.27).
 *
 * For a lock the chain of those who would have to release it is followed to its end: a circle, a
 * lock that was left, or a goroutine that waits for something else, whose fault it is.  One that
 * waits for a channel has the same fault as those who wait for it. */
#include <stdlib.h>
#include <string.h>

#include "wait/stuck.h"
#include "wait/wait_int.h"

const char *wait_fault_name(enum wait_fault f)
{
    static const char *const names[] = {
        "channel",        "channel of a context", "condition variable", "WaitGroup", "lock",
        "missing unlock", "double lock",          "lock upgrade",       "AB-BA",     "RWR",
        "coroutine",      "channel and lock"};
    return f < ARRAY_LEN(names) ? names[f] : "";
}

static bool is_channel(uint8_t kind)
{
    return kind == WAIT_RECV || kind == WAIT_SEND || kind == WAIT_SELECT || kind == WAIT_NIL;
}

/* Whether the channel is one of a context: it was made by package context, whose field it is. */
static bool is_of_context(const struct wait_graph *w, const struct wait_info *i)
{
    const struct snap *s = w->s;
    for (uint32_t k = i->first; k < i->first + i->n; k++) {
        uint32_t object = s->wait.object[k];
        if (object != SNAP_NONE && strncmp(w->names[object], "context.", 8) == 0)
            return true;
    }
    return false;
}

/* Who ends the chain of those that would have to release what g waits for. */
static uint32_t end_of(const struct wait_stuck *stuck, uint32_t g, uint32_t limit)
{
    while (stuck->by[g] != SNAP_NONE && stuck->by[g] != g && limit--)
        g = stuck->by[g];
    return g;
}

static enum wait_fault of_circle(uint8_t circle)
{
    static const uint8_t faults[] = {[WAIT_CYCLE_SELF] = WAIT_FAULT_DOUBLE,
                                     [WAIT_CYCLE_UPGRADE] = WAIT_FAULT_UPGRADE,
                                     [WAIT_CYCLE_AB_BA] = WAIT_FAULT_AB_BA,
                                     [WAIT_CYCLE_RWR] = WAIT_FAULT_RWR,
                                     [WAIT_CYCLE_MIXED] = WAIT_FAULT_MIXED};
    return (enum wait_fault)faults[circle - 1];
}

static enum wait_fault fault_of(const struct wait_graph *w, const struct wait_stuck *stuck,
                                uint32_t g)
{
    const struct wait_info *i = &w->info[g];
    if (is_channel(i->kind))
        return is_of_context(w, i) ? WAIT_FAULT_CONTEXT : WAIT_FAULT_CHANNEL;
    if (i->kind == WAIT_COND)
        return WAIT_FAULT_COND;
    if (i->kind == WAIT_COROUTINE && !stuck->circle[g])
        return WAIT_FAULT_CORO;
    if (stuck->circle[g])
        return of_circle(stuck->circle[g]);
    uint32_t end = end_of(stuck, g, (uint32_t)w->s->goroutine.n);
    if (end != g && is_channel(w->info[end].kind))
        return WAIT_FAULT_MIXED;
    if (i->kind == WAIT_GROUP || w->info[end].kind == WAIT_GROUP)
        return WAIT_FAULT_GROUP;
    if (w->info[end].kind == WAIT_COND)
        return WAIT_FAULT_COND;
    return stuck->lock[end] == WAIT_STUCK_LEFT ? WAIT_FAULT_UNLOCK : WAIT_FAULT_LOCK;
}

void leak_faults(const struct wait_graph *w, const struct wait_stuck *stuck, struct wait_leaks *l)
{
    uint32_t n = (uint32_t)w->s->goroutine.n;
    bool *holds = mem_alloc(n + 1); /* others wait for what it holds */
    for (size_t k = 0; k < l->n; k++) {
        uint32_t g = l->v[k].goroutine, end = end_of(stuck, g, n);
        l->v[k].fault = (uint8_t)fault_of(w, stuck, g);
        holds[end] |= end != g;
    }
    for (size_t k = 0; k < l->n; k++)
        if (holds[l->v[k].goroutine] && is_channel(w->info[l->v[k].goroutine].kind))
            l->v[k].fault = WAIT_FAULT_MIXED;
    free(holds);
}
