/* leak_suspects.c - goroutines that look like a leak though nothing proves it: a crowd that waits
 * at one place, each for a channel (or lock) of its own, and has for long.
 *
 * Each for its own: workers of a pool wait for one channel together, and are healthy however long
 * they wait.  What leaks, leaks one by one, each with what was made for it alone. */
#include <stdlib.h>

#include "wait/stuck.h"
#include "wait/wait_int.h"

static const uint32_t CROWD = 100;                    /* goroutines at least */
static const int64_t LONG_NS = INT64_C(600000000000); /* 10 min: the median waits that long */
enum { OWN_PERCENT = 90 };                            /* of them wait for something of their own */

struct crowd {
    uint32_t count, old, own;
};

struct crowds {
    struct map by_key;
    VEC(struct crowd) v;
    uint32_t *of; /* goroutine row -> 1 + crowd; 0: none */
};

static bool may_be(const struct wait_graph *w, uint32_t g)
{
    const struct wait_info *i = &w->info[g];
    bool waits = i->kind == WAIT_RECV || i->kind == WAIT_SEND || i->kind == WAIT_MUTEX ||
                 i->kind == WAIT_GROUP || i->kind == WAIT_COND;
    return waits && i->trap == WAIT_TRAP_NONE && i->object != SNAP_NONE &&
           !(w->s->goroutine.flags[g] & SNAP_GF_SYSTEM);
}

static uint64_t key_of(const struct wait_graph *w, uint32_t g)
{
    const struct wait_info *i = &w->info[g];
    return hash_u64(hash_u64((uint64_t)i->place << 8 | i->kind) ^ w->s->goroutine.creator[g]) | 1;
}

static void find_crowds(const struct wait_graph *w, const bool *told, struct crowds *c)
{
    for (uint32_t g = 0; g < w->s->goroutine.n; g++) {
        bool added;
        if (told[g] || !may_be(w, g))
            continue;
        uint32_t at = map_get_or_put(&c->by_key, key_of(w, g), (uint32_t)c->v.n, &added);
        if (added)
            vec_push(&c->v, ((struct crowd){0}));
        c->of[g] = at + 1;
        c->v.v[at].count++;
        c->v.v[at].old += snap_wait_ns(w->s, g) >= LONG_NS;
        c->v.v[at].own += w->s->object.waiters[w->info[g].object] == 1;
    }
}

static bool is_suspect(const struct crowd *c)
{
    return c->count >= CROWD && 2 * c->old >= c->count &&
           100 * (uint64_t)c->own >= (uint64_t)OWN_PERCENT * c->count;
}

void leak_suspects(const struct wait_graph *w, struct wait_leaks *l)
{
    const struct snap *s = w->s;
    struct crowds c = {.of = mem_alloc((s->goroutine.n + 1) * sizeof(*c.of))};
    bool *told = mem_alloc(s->goroutine.n + 1);
    for (size_t i = 0; i < l->n; i++)
        told[l->v[i].goroutine] = true;
    find_crowds(w, told, &c);
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        if (!c.of[g] || !is_suspect(&c.v.v[c.of[g] - 1]))
            continue;
        struct wait_leak *new = &l->v[l->n++];
        *new = (struct wait_leak){.goroutine = g,
                                  .class = WAIT_LEAK_SUSPECTED,
                                  .why = WAIT_WHY_CROWD,
                                  .holder = SNAP_NONE};
        new->nwaits = snap_waits_of(s, g, &new->wait);
        l->by_class[WAIT_LEAK_SUSPECTED]++;
    }
    free(told);
    free(c.of);
    vec_free(&c.v);
    map_free(&c.by_key);
}
