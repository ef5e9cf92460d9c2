/* states_find.c - findings over looks: the same one again, new ones, those that are gone. */
#include <stdlib.h>

#include "wait/states_int.h"

enum { OVERTAKEN_LEAST = 2 };

/* The finding with that key, which is a new one the first time; NULL: there are too many. */
static struct wait_finding *find(struct wait_states *st, enum wait_finding_kind kind, uint64_t key)
{
    for (size_t i = 0; i < st->found.n; i++) {
        struct wait_finding *f = &st->found.v[i];
        if (f->kind == kind && f->key == key && f->last + 1 >= st->look) {
            f->n += f->last != st->look;
            f->last = st->look;
            return f;
        }
    }
    if (st->found.n == WAIT_FINDINGS_MAX) {
        st->full = true;
        return NULL;
    }
    vec_push(&st->found,
             ((struct wait_finding){
                 .kind = (uint8_t)kind, .key = key, .first = st->look, .last = st->look, .n = 1}));
    return vec_last(&st->found);
}

static void add_g(struct wait_finding *f, uint64_t id, taddr lock)
{
    if (f->ng == WAIT_FINDING_GS)
        return;
    if (!f->g) {
        f->g = mem_alloc(WAIT_FINDING_GS * sizeof(*f->g));
        f->lock = mem_alloc(WAIT_FINDING_GS * sizeof(*f->lock));
    }
    f->lock[f->ng] = lock;
    f->g[f->ng++] = id;
}

static void take_cycles(struct wait_states *st, const struct wait_graph *w,
                        const struct wait_stuck *stuck)
{
    const struct snap *s = w->s;
    for (size_t i = 0; i < stuck->ncycles; i++) {
        const struct wait_cycle *c = &stuck->cycles[i];
        uint64_t key = c->nedges;
        for (uint32_t k = c->edge; k < c->edge + c->nedges; k++) /* wherever the circle begins */
            key += hash_u64(hash_u64(s->goroutine.id[stuck->edges[k].from]) ^
                            s->object.addr[stuck->edges[k].object]);
        struct wait_finding *f = find(st, WAIT_FOUND_CYCLE, key);
        if (!f)
            return;
        f->at = (uint32_t)i;
        f->ng = 0;
        for (uint32_t k = c->edge; k < c->edge + c->nedges; k++)
            add_g(f, s->goroutine.id[stuck->edges[k].from], s->object.addr[stuck->edges[k].object]);
    }
}

static void take_left(struct wait_states *st, const struct wait_graph *w,
                      const struct wait_stuck *stuck)
{
    const struct snap *s = w->s;
    for (size_t i = 0; i < stuck->nleft; i++) {
        uint32_t object = stuck->left[i];
        struct wait_finding *f = find(st, WAIT_FOUND_LEFT, s->object.addr[object]);
        if (!f)
            return;
        f->at = object;
        f->ng = 0;
        for (uint32_t g = 0; g < s->goroutine.n; g++)
            if (w->info[g].object == object)
                add_g(f, s->goroutine.id[g], s->object.addr[object]);
    }
}

static bool is_writer(const struct snap *s, const struct wait_info *i)
{
    return i->kind == WAIT_WLOCK && i->n && s->wait.role[i->first] == SNAP_ROLE_WRITER;
}

/* All who starve for a lock are one finding, told by the one that waits longest. */
static void add_starved(struct wait_finding *f, const struct wait_life *l, taddr lock,
                        uint32_t look)
{
    bool first = f->told != look;
    f->told = look;
    f->ng = first ? 0 : f->ng;
    add_g(f, l->id, lock);
    if (!first && l->same <= f->looks)
        return;
    f->at = l->row;
    f->looks = l->same;
    f->overtaken = l->overtaken;
}

static void take_starved(struct wait_states *st, const struct wait_graph *w,
                         const struct wait_stuck *stuck)
{
    const struct snap *s = w->s;
    for (size_t k = 0; k < st->v.n; k++) {
        const struct wait_life *l = &st->v.v[k];
        const struct wait_info *i = &w->info[l->row];
        bool lock = i->kind == WAIT_MUTEX || i->kind == WAIT_WLOCK || i->kind == WAIT_RLOCK ||
                    i->kind == WAIT_ONCE;
        if (l->state != WAIT_STATE_STARVING || !lock || i->object == SNAP_NONE ||
            stuck->why[l->row] != WAIT_STUCK_NOT)
            continue;
        bool writer = is_writer(s, i) && s->object.waiters[i->object] > 1;
        if (!writer && l->overtaken < OVERTAKEN_LEAST)
            continue;
        struct wait_finding *f =
            find(st, writer ? WAIT_FOUND_WRITER : WAIT_FOUND_STARVED, s->object.addr[i->object]);
        if (!f)
            return;
        add_starved(f, l, s->object.addr[i->object], st->look);
    }
}

static void take_rings(struct wait_states *st, const struct wait_graph *w)
{
    uint32_t *ring, n = states_rings(st, w, &ring);
    for (uint32_t r = 1; r <= n; r++) {
        uint64_t key = 0;
        for (size_t i = 0; i < st->traces.n; i++)
            key += ring[i] == r ? hash_u64(st->traces.v[i].id) : 0;
        struct wait_finding *f = key ? find(st, WAIT_FOUND_LIVELOCK, key) : NULL;
        if (!f)
            continue;
        f->livelock = WAIT_LIVELOCK_CHANNELS;
        f->ng = 0;
        f->looks = UINT32_MAX;
        for (size_t i = 0; i < st->traces.n; i++) {
            if (ring[i] != r)
                continue;
            add_g(f, st->traces.v[i].id, 0);
            f->looks = st->traces.v[i].looks < f->looks ? st->traces.v[i].looks : f->looks;
        }
    }
    free(ring);
}

/* All that spin in one function are one finding. */
static void take_spinning(struct wait_states *st)
{
    for (size_t i = 0; i < st->traces.n; i++) {
        const struct wait_trace *t = &st->traces.v[i];
        if (!t->spins || t->code)
            continue;
        struct wait_finding *f =
            find(st, WAIT_FOUND_LIVELOCK, hash_u64(UINT64_MAX - t->steps[0].func));
        if (!f)
            return;
        bool first = f->told != st->look;
        f->livelock = WAIT_LIVELOCK_SPIN;
        f->told = st->look;
        f->ng = first ? 0 : f->ng;
        f->looks = first || t->looks < f->looks ? t->looks : f->looks;
        add_g(f, t->id, 0);
    }
}

static void take_circles(struct wait_states *st)
{
    struct wait_order_circle c;
    for (size_t at = 0; states_circle(st, &at, &c);) {
        uint64_t key = c.n;
        for (size_t i = 0; i < c.n; i++)
            key += hash_u64(hash_u64(c.v[i]->g) ^ c.v[i]->held);
        struct wait_finding *f = find(st, WAIT_FOUND_LIVELOCK, key);
        if (!f)
            return;
        f->ng = 0;
        f->looks = UINT32_MAX;
        for (size_t i = 0; i < c.n; i++) {
            add_g(f, c.v[i]->g, c.v[i]->held);
            f->looks = c.v[i]->looks < f->looks ? c.v[i]->looks : f->looks;
        }
    }
}

void states_find(struct wait_states *st, const struct wait_graph *w, const struct wait_stuck *stuck)
{
    take_cycles(st, w, stuck);
    take_left(st, w, stuck);
    take_starved(st, w, stuck);
    take_circles(st);
    take_rings(st, w);
    take_spinning(st);
    for (size_t i = 0; i < st->found.n; i++)
        st->found.v[i].on = st->found.v[i].last == st->look;
}
