/* ahead_judge.c - what all that lies ahead of a goroutine says about an object.
 *
 * Frames are asked from the innermost outwards; the first that does something to a lock decides:
 *     it releases it first     the goroutine holds it, or is about to
 *     it takes it first        it does not (a waiter of a Cond, a worker between two jobs)
 * One that waits for the lock itself will take it and release it: it holds the lock already only if
 * two releases are ahead, and then it waits for itself.
 *
 * What the lock itself says is the last word: one that is not locked has no holder. */
#include "rt/ahead_int.h"

enum { READERS = 16, MUTEX_SEMA = 4, READER_SEMA = 12, READERS_MAX = 1 << 30, LOCKED = 1 };

#define BIT(act) (1u << (act))
#define TAKES (BIT(AHEAD_LOCK) | BIT(AHEAD_TRY))

static const struct ahead_tally *find(const struct ahead *a, const struct ahead_result *r,
                                      uint8_t family, taddr addr)
{
    for (size_t i = r->first; i < r->first + r->n; i++)
        if (a->tallies.v[i].addr == addr && a->tallies.v[i].family == family)
            return &a->tallies.v[i];
    return NULL;
}

static void grade_defer(const struct ahead_tally *d, bool mixed, struct ahead_claim *c)
{
    c->pc = d->pc;
    c->how = d->sober ? SNAP_HOW_DEFER : SNAP_HOW_AGAINST;
    c->evidence = !d->sober          ? SNAP_PROOF_WEAK
                  : d->all && !mixed ? SNAP_PROOF_PROVED
                                     : SNAP_PROOF_STRONG;
}

static void grade_body(const struct ahead_result *r, const struct ahead_tally *b,
                       struct ahead_claim *c)
{
    bool always = r->ended && b->all == r->ended && !r->cut;
    c->pc = b->pc;
    c->how = always                  ? SNAP_HOW_ALL_PATHS
             : r->sober && !b->sober ? SNAP_HOW_AGAINST
                                     : SNAP_HOW_SOME_PATH;
    c->evidence = always && b->here            ? SNAP_PROOF_PROVED
                  : c->how == SNAP_HOW_AGAINST ? SNAP_PROOF_WEAK
                                               : SNAP_PROOF_STRONG;
}

/* How many releases must be ahead of a goroutine that holds the lock whose word for events is addr.
 */
static unsigned needed(const struct ahead_goroutine *g, taddr addr)
{
    if (g->in_lock == AHEAD_IN_NONE || g->in_lock == AHEAD_IN_GROUP)
        return 1;
    if (!g->waits_on) /* about to take something */
        return 2;
    if (g->in_lock == AHEAD_IN_MUTEX || g->in_lock == AHEAD_IN_WRITERS_MUTEX)
        return g->waits_on == addr + MUTEX_SEMA ? 2 : 1;
    if (g->in_lock == AHEAD_IN_READER)
        return g->waits_on == addr - READERS + READER_SEMA ? 2 : 1;
    return 1; /* a writer that waits for readers keeps others out already */
}

/* True: c says what it will do to the lock. */
static bool judge_lock(const struct ahead *a, const struct ahead_goroutine *g, taddr addr,
                       struct ahead_claim *c)
{
    unsigned need = needed(g, addr), have = 0;
    for (size_t i = 0; i < g->frames.n; i++) {
        const struct ahead_frame *f = &g->frames.v[i];
        const struct ahead_tally *b = find(a, &f->body, AHEAD_LOCK, addr);
        const struct ahead_tally *d = find(a, &f->defers, AHEAD_LOCK, addr);
        if (!b && !d)
            continue;
        bool pending = d && d->first & BIT(AHEAD_UNLOCK), mixed = b && b->first & TAKES;
        if (!(b ? b->first & BIT(AHEAD_UNLOCK) : pending))
            return false;
        have += 1 + (b && (b->twice || (pending && d->apart)));
        if (have < need)
            continue;
        c->frame = f->number;
        c->act = need > 1 && g->waits_on ? SNAP_ACT_LOCK_AGAIN : SNAP_ACT_UNLOCK;
        if (pending)
            grade_defer(d, mixed, c);
        else
            grade_body(&f->body, b, c);
        if (mixed && !pending) {
            c->how = SNAP_HOW_MIXED;
            c->evidence = SNAP_PROOF_WEAK;
        }
        return true;
    }
    return false;
}

bool ahead_is_held(struct ahead *a, taddr addr, bool reader)
{
    uint64_t v;
    if (!ahead_peek(&a->mem, addr, 4, &v))
        return false;
    if (!reader)
        return v & LOCKED;
    int32_t n = (int32_t)v;
    return (n < 0 ? n + READERS_MAX : n) > 0;
}

static void add(struct ahead_claims *ret, const struct ahead_goroutine *g, taddr addr,
                struct ahead_claim c)
{
    c.gi = g->gi;
    c.addr = addr;
    vec_push(&ret->v, c);
}

static void take_lock(struct ahead *a, const struct ahead_goroutine *g,
                      const struct ahead_wanted *w, taddr addr, struct ahead_claims *ret)
{
    struct ahead_claim c = {0};
    bool plain =
        w->all || map_get(&w->mutexes, addr) != MAP_NONE || map_get(&w->rws, addr) != MAP_NONE;
    bool reader = w->all || map_get(&w->rws, addr - READERS) != MAP_NONE;
    plain = plain && ahead_is_held(a, addr, false);
    reader = reader && ahead_is_held(a, addr, true);
    if ((!plain && !reader) || !judge_lock(a, g, addr, &c))
        return;
    if (plain)
        add(ret, g, addr, c);
    c.act = SNAP_ACT_RUNLOCK; /* reading twice is no deadlock in itself */
    if (reader)
        add(ret, g, addr - READERS, c);
}

/* That it will take a lock first, by its innermost frame that does anything to it. */
static void tell_take(const struct ahead *a, const struct ahead_goroutine *g, taddr addr,
                      struct ahead_claims *ret)
{
    for (size_t i = 0; i < g->frames.n; i++) {
        const struct ahead_tally *b = find(a, &g->frames.v[i].body, AHEAD_LOCK, addr);
        if (!b)
            continue;
        bool only = b->first & TAKES && !(b->first & BIT(AHEAD_UNLOCK));
        if (only)
            add(ret, g, addr,
                (struct ahead_claim){.act = SNAP_ACT_TAKE,
                                     .evidence = SNAP_PROOF_STRONG,
                                     .how = SNAP_HOW_SOME_PATH,
                                     .frame = g->frames.v[i].number});
        return;
    }
}

/* In what order locks are taken is worth to know of those that hold one. */
static void tell_takes(const struct ahead *a, const struct ahead_goroutine *g, size_t claims,
                       struct ahead_claims *ret)
{
    struct map seen = {0};
    bool holds = false;
    for (size_t i = claims; i < ret->v.n; i++)
        holds |= ret->v.v[i].act == SNAP_ACT_UNLOCK;
    for (size_t i = 0; holds && i < a->tallies.n; i++) {
        bool added;
        if (a->tallies.v[i].family != AHEAD_LOCK)
            continue;
        if (map_get_or_put(&seen, a->tallies.v[i].addr, 0, &added), added)
            tell_take(a, g, a->tallies.v[i].addr, ret);
    }
    map_free(&seen);
}

/* Done, and what is done to channels, Conds and coroutines. */
static void take_other(struct ahead *a, const struct ahead_goroutine *g, uint8_t family, taddr addr,
                       enum snap_act act, struct ahead_claims *ret)
{
    for (uint32_t i = 0; i < g->nwaits; i++)
        if (g->waits[i] == addr)
            return; /* it is one of those that wait */
    for (size_t i = 0; i < g->frames.n; i++) {
        const struct ahead_frame *f = &g->frames.v[i];
        const struct ahead_tally *b = find(a, &f->body, family, addr);
        const struct ahead_tally *d = find(a, &f->defers, family, addr);
        struct ahead_claim c = {.frame = f->number, .act = (uint8_t)act};
        if (d && d->pc)
            grade_defer(d, false, &c);
        else if (b && b->pc)
            grade_body(&f->body, b, &c);
        if (c.pc)
            add(ret, g, addr, c);
        if (b || d)
            return;
    }
}

static bool has(const struct map *m, taddr addr)
{
    return map_get(m, addr) != MAP_NONE;
}

bool ahead_is_wanted(const struct ahead_wanted *w, enum ahead_act act, taddr addr)
{
    if (w->all)
        return true;
    switch (act) {
    case AHEAD_LOCK:
    case AHEAD_TRY:
    case AHEAD_UNLOCK:
        return has(&w->mutexes, addr) || has(&w->rws, addr) || has(&w->rws, addr - READERS);
    case AHEAD_SEND:
    case AHEAD_RECV: {
        uint32_t helps = map_get(&w->chans, addr);
        return helps != MAP_NONE && helps & (act == AHEAD_SEND ? AHEAD_WANT_SEND : AHEAD_WANT_RECV);
    }
    case AHEAD_CLOSE:
        return has(&w->chans, addr);
    case AHEAD_ADD:
    case AHEAD_DONE:
        return has(&w->groups, addr);
    case AHEAD_SIGNAL:
    case AHEAD_BROADCAST:
        return w->conds;
    case AHEAD_RESUME:
        return w->coros;
    default:
        return false;
    }
}

void ahead_judge(struct ahead *a, const struct ahead_goroutine *g, const struct ahead_wanted *w,
                 struct ahead_claims *ret)
{
    static const uint8_t acts[AHEAD_ACTS] = {
        [AHEAD_SEND] = SNAP_ACT_SEND,     [AHEAD_RECV] = SNAP_ACT_RECV,
        [AHEAD_CLOSE] = SNAP_ACT_CLOSE,   [AHEAD_ADD] = SNAP_ACT_DONE,
        [AHEAD_SIGNAL] = SNAP_ACT_SIGNAL, [AHEAD_BROADCAST] = SNAP_ACT_BROADCAST,
        [AHEAD_RESUME] = SNAP_ACT_RESUME,
    };
    struct map seen = {0};
    size_t claims = ret->v.n;
    for (size_t i = 0; i < a->tallies.n; i++) {
        const struct ahead_tally t = a->tallies.v[i];
        bool added;
        if (map_get_or_put(&seen, hash_u64(t.addr) + t.family, 0, &added), !added)
            continue;
        if (t.family == AHEAD_LOCK)
            take_lock(a, g, w, t.addr, ret);
        else if (acts[t.family] && ahead_is_wanted(w, t.family, t.addr))
            take_other(a, g, t.family, t.addr, acts[t.family], ret);
    }
    map_free(&seen);
    if (w->all)
        tell_takes(a, g, claims, ret);
}

/* ---- one against the other ---- */

static bool is_exclusive(const struct ahead_claim *c)
{
    return c->act == SNAP_ACT_UNLOCK || c->act == SNAP_ACT_LOCK_AGAIN;
}

void ahead_compare(struct ahead_claims *all)
{
    struct map best = {0}; /* address -> 16 * how many are proved + how many are strong, in steps */
    enum { MANY = 15 };
    for (size_t i = 0; i < all->v.n; i++) {
        const struct ahead_claim *c = &all->v.v[i];
        uint32_t n = map_get(&best, c->addr), proved, strong;
        if (!is_exclusive(c) || c->evidence == SNAP_PROOF_WEAK)
            continue;
        n = n == MAP_NONE ? 0 : n;
        proved = (n >> 4) + (c->evidence == SNAP_PROOF_PROVED);
        strong = (n & 15) + (c->evidence == SNAP_PROOF_STRONG);
        map_put(&best, c->addr, (uint32_t)(min_u64(proved, MANY) << 4 | min_u64(strong, MANY)));
    }
    for (size_t i = 0; i < all->v.n; i++) {
        struct ahead_claim *c = &all->v.v[i];
        uint32_t n = map_get(&best, c->addr);
        if (!is_exclusive(c) || c->evidence == SNAP_PROOF_WEAK || n == MAP_NONE)
            continue;
        uint32_t proved = n >> 4, strong = n & 15;
        bool rival = c->evidence == SNAP_PROOF_PROVED ? proved > 1 : proved || strong > 1;
        if (rival) {
            c->evidence = SNAP_PROOF_WEAK;
            c->how = SNAP_HOW_RIVAL;
        }
    }
    map_free(&best);
}
