/* states_order.c - goroutines that hold one lock and are about to take another, over several looks,
 * and circles of them: livelock (states.h). */
#include <stdlib.h>

#include "wait/states_int.h"

enum { EDGES_MAX = 1 << 16, FORGET_AFTER = 16, STEPS_MAX = 10000, QUIET_LOOKS = 3 };

static uint64_t key_of(uint64_t g, taddr held, taddr taken)
{
    return hash_u64(hash_u64(hash_u64(g) ^ held) ^ taken);
}

/* Those edges of a goroutine that what it does now speaks against. */
static bool is_refuted(const struct wait_order *e, const struct wait_life *l,
                       const struct wait_graph *w, const struct map *held)
{
    const struct snap *s = w->s;
    uint32_t object = w->info[l->row].object;
    bool waits = object != SNAP_NONE && s->object.addr[object] == e->taken;
    bool both = map_get(held, key_of(e->g, e->held, 0)) != MAP_NONE &&
                map_get(held, key_of(e->g, e->taken, 0)) != MAP_NONE;
    return waits || both || l->still > STATES_STILL_MAX || l->nplaces > WAIT_PLACES;
}

/* Locks that goroutines hold, and what they are about to take, by goroutine. */
static void forget(struct wait_states *st, const struct wait_graph *w, const struct map *held)
{
    struct map by_id = {0};
    size_t kept = 0;
    for (size_t i = 0; i < st->v.n && st->order.n; i++)
        map_put(&by_id, st->v.v[i].id, (uint32_t)i);
    for (size_t i = 0; i < st->order.n; i++) {
        const struct wait_order *e = &st->order.v[i];
        uint32_t at = map_get(&by_id, e->g);
        if (at == MAP_NONE || e->last + FORGET_AFTER < st->look ||
            is_refuted(e, &st->v.v[at], w, held))
            continue;
        st->order.v[kept++] = *e;
    }
    st->order.n = kept;
    map_free(&by_id);
}

static bool is_held_row(const struct snap *s, size_t i)
{
    return s->owner.act[i] == SNAP_ACT_UNLOCK && s->owner.evidence[i] != SNAP_PROOF_WEAK;
}

/* The pairs among the rows [first, end) of one goroutine. */
static void add_pairs(struct wait_states *st, const struct snap *s, size_t first, size_t end,
                      const struct map *held, struct map *at)
{
    uint64_t id = s->goroutine.id[s->owner.goroutine[first]];
    for (size_t h = first; h < end; h++) {
        if (!is_held_row(s, h))
            continue;
        for (size_t t = first; t < end; t++) {
            bool added;
            taddr taken = s->owner.addr[t];
            if (s->owner.act[t] != SNAP_ACT_TAKE || taken == s->owner.addr[h] ||
                map_get(held, key_of(id, taken, 0)) != MAP_NONE)
                continue;
            if (st->order.n >= EDGES_MAX &&
                map_get(at, key_of(id, s->owner.addr[h], taken)) == MAP_NONE) {
                st->order_over++;
                continue;
            }
            uint32_t row = map_get_or_put(at, key_of(id, s->owner.addr[h], taken),
                                          (uint32_t)st->order.n, &added);
            if (added)
                vec_push(
                    &st->order,
                    ((struct wait_order){
                        .g = id, .held = s->owner.addr[h], .taken = taken, .first = st->look}));
            st->order.v[row].last = st->look;
            st->order.v[row].looks++;
        }
    }
}

/* Those that hold the same are in a chain: by_held has the first. */
static void chain(struct wait_states *st)
{
    map_free(&st->by_held);
    st->by_held = (struct map){0};
    for (size_t i = st->order.n; i-- > 0;) {
        struct wait_order *e = &st->order.v[i];
        e->next = map_get(&st->by_held, e->held);
        map_put(&st->by_held, e->held, (uint32_t)i);
    }
}

void states_order(struct wait_states *st, const struct wait_graph *w)
{
    const struct snap *s = w->s;
    struct map held = {0}, at = {0};
    st->order_over = 0;
    for (size_t i = 0; i < s->owner.n; i++)
        if (is_held_row(s, i))
            map_put(&held, key_of(s->goroutine.id[s->owner.goroutine[i]], s->owner.addr[i], 0), 0);
    forget(st, w, &held);
    for (size_t i = 0; i < st->order.n; i++) {
        const struct wait_order *e = &st->order.v[i];
        map_put(&at, key_of(e->g, e->held, e->taken), (uint32_t)i);
    }
    for (size_t i = 0, end; i < s->owner.n; i = end) {
        uint32_t g = s->owner.goroutine[i];
        for (end = i + 1; end < s->owner.n && s->owner.goroutine[end] == g; end++)
            ;
        const struct wait_life *l = wait_states_of(st, g);
        bool ran = l && l->moved && !l->held_up;
        if (w->info[g].object == SNAP_NONE && ran) /* who is blocked is no livelock */
            add_pairs(st, s, i, end, &held, &at);
    }
    map_free(&held);
    map_free(&at);
    chain(st);
}

/* ---- circles ---- */

static bool counts(const struct wait_states *st, const struct wait_order *e)
{
    return e->looks > WAIT_STARVING_AFTER && e->last + FORGET_AFTER / 2 >= st->look;
}

static bool is_in(const struct wait_order_circle *c, uint64_t g)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i]->g == g)
            return true;
    return false;
}

/* Goes on from the last edge of c, back to the first. */
static bool close_circle(const struct wait_states *st, struct wait_order_circle *c, unsigned *steps)
{
    const struct wait_order *last = c->v[c->n - 1];
    if (c->n > 1 && last->taken == c->v[0]->held)
        return true;
    if (c->n == ARRAY_LEN(c->v))
        return false;
    for (uint32_t i = map_get(&st->by_held, last->taken); i != MAP_NONE; i = st->order.v[i].next) {
        const struct wait_order *e = &st->order.v[i];
        if (++*steps > STEPS_MAX)
            return false;
        if (!counts(st, e) || is_in(c, e->g))
            continue;
        c->v[c->n++] = e;
        if (close_circle(st, c, steps))
            return true;
        c->n--;
    }
    return false;
}

/* In the last looks nobody of them came to a function that was new to it. */
static bool is_quiet(const struct wait_states *st, const struct wait_order_circle *c)
{
    for (size_t i = 0; i < st->v.n; i++)
        if (is_in(c, st->v.v[i].id) && st->v.v[i].new_place + QUIET_LOOKS > st->look)
            return false;
    return true;
}

bool states_circle(const struct wait_states *st, size_t *at, struct wait_order_circle *ret)
{
    for (; *at < st->order.n; ++*at) {
        unsigned steps = 0;
        *ret = (struct wait_order_circle){.v = {&st->order.v[*at]}, .n = 1};
        if (!counts(st, ret->v[0]) || !close_circle(st, ret, &steps) || !is_quiet(st, ret))
            continue;
        bool smallest = true; /* each circle is told from one of its members only */
        for (size_t i = 1; i < ret->n; i++)
            smallest &= ret->v[0]->g < ret->v[i]->g;
        if (smallest) {
            ++*at;
            return true;
        }
    }
    return false;
}
