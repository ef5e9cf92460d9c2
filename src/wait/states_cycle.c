/* states_cycle.c - goroutines that run and come back to the same states: livelock over channels,
 * and those that spin (states.h).
 *
 * Who is worth a print is chosen from what a look says anyway; the capture of the next look makes
 * the prints (goroutine.print).  A goroutine is *cycling* when it ran between all looks, and so
 * many looks in a row gave only prints that had been there before. */
#include <stdlib.h>

#include "wait/states_int.h"

enum {
    STIRRED_LEAST = 2,  /* looks in a row it ran in, before it is worth a print */
    AGAIN_LEAST = 6,    /* looks in a row that bring nothing new */
    AGAIN_PART = 12,    /* when not all could be looked at */
    CHANGES_OF = 32,    /* looks; so many of them may differ at one place: one in ... */
    CHANGES_FIRST = 32, /* ... before it is said to spin: registers that nobody uses change, too */
    CHANGES_LATER = 8,
    NEWS_MAX = 4, /* new prints in that many looks that do not end what was on */
};

/* In these a goroutine may be that goes round in a livelock.  In all others it is about something
 * outside of it: files, timers, C code, the collector. */
static uint8_t step_of(const struct wait_info *i)
{
    static const uint8_t steps[WAIT_COUNT] = {
        [WAIT_NOT] = WAIT_STEP_RUN,    [WAIT_RECV] = WAIT_STEP_TAKE,  [WAIT_SEND] = WAIT_STEP_GIVE,
        [WAIT_MUTEX] = WAIT_STEP_LOCK, [WAIT_WLOCK] = WAIT_STEP_LOCK, [WAIT_RLOCK] = WAIT_STEP_LOCK,
        [WAIT_SLEEP] = WAIT_STEP_SLEEP};
    if (i->kind == WAIT_SELECT)
        return WAIT_STEP_TAKE | WAIT_STEP_GIVE;
    if (i->kind != WAIT_SLEEP && (i->trap == WAIT_TRAP_TIMER || i->trap == WAIT_TRAP_DEADLINE ||
                                  i->trap == WAIT_TRAP_OUTSIDE))
        return 0;
    return steps[i->kind];
}

bool states_stirs(const struct wait_life *l, const struct wait_info *i)
{
    return l->still <= STATES_STILL_MAX && step_of(i) &&
           (i->kind != WAIT_SELECT || (i->trap != WAIT_TRAP_TIMER && i->trap != WAIT_TRAP_OUTSIDE));
}

/* ---- what was seen of one ---- */

/* As many as there are do not fit: it does new things, or too many to tell. */
static void begin_anew(struct wait_trace *t)
{
    *t = (struct wait_trace){.id = t->id};
}

/* Whether this place was last seen with another print: something else was different. */
static bool is_changed(const struct wait_trace *t, uint32_t print, uint64_t place)
{
    uint32_t last = WAIT_PRINTS;
    for (uint32_t k = 0; k < t->nprints; k++)
        if (t->places[k] == place && (last == WAIT_PRINTS || t->at[k] > t->at[last]))
            last = k;
    return last != WAIT_PRINTS && last != print;
}

static void take_print(struct wait_trace *t, uint64_t print, uint64_t place)
{
    uint32_t i = 0;
    while (i < t->nprints && t->prints[i] != print)
        i++;
    t->again = i < t->nprints ? t->again + 1 : 0;
    t->news = t->news << 1 | (i == t->nprints);
    if (i == WAIT_PRINTS) {
        begin_anew(t);
        i = 0;
    }
    t->changes = t->changes << 1 | is_changed(t, i, place);
    t->places[i] = place;
    t->prints[i] = print;
    t->at[i] = ++t->looks;
    t->nprints = i < t->nprints ? t->nprints : i + 1;
}

static void take_step(struct wait_states *st, const struct wait_graph *w, struct wait_trace *t,
                      const struct wait_info *i)
{
    uint32_t func = 0, k = 0;
    if (i->place != SNAP_NONE)
        func = intern_add(&st->funcs, snap_str(w->s, w->s->frame.func[i->place]));
    while (k < t->nsteps && (t->steps[k].kind != i->kind || t->steps[k].func != func))
        k++;
    if (k == ARRAY_LEN(t->steps))
        return; /* more than are told; prints and channels are what counts */
    if (k == t->nsteps)
        t->steps[t->nsteps++] = (struct wait_step){.kind = i->kind, .func = func};
    t->steps[k].looks++;
}

static void take_chan(struct wait_trace *t, taddr chan, uint8_t way)
{
    uint32_t k = 0;
    while (k < t->nchans && t->chans[k] != chan)
        k++;
    if (k == WAIT_TRACE_CHANS) {
        t->many_chans = true;
        return;
    }
    t->nchans += k == t->nchans;
    t->chans[k] = chan;
    t->ways[k] |= way;
}

/* The channels it waits for now, and those its code ahead is about to use. */
static void take_chans(const struct snap *s, struct wait_trace *t, const struct wait_info *i,
                       const struct map *owners)
{
    for (uint32_t r = i->first; r < i->first + i->n; r++) {
        uint8_t kind = s->wait.kind[r];
        if (kind == SNAP_W_CHAN_SEND || kind == SNAP_W_SELECT_SEND)
            take_chan(t, s->wait.addr[r], WAIT_STEP_GIVE);
        else if (kind == SNAP_W_CHAN_RECV || kind == SNAP_W_SELECT_RECV)
            take_chan(t, s->wait.addr[r], WAIT_STEP_TAKE);
    }
    uint32_t g = s->goroutine.n ? t->row : 0;
    for (uint32_t r = map_get(owners, g); r < s->owner.n && s->owner.goroutine[r] == g; r++) {
        if (s->owner.act[r] == SNAP_ACT_SEND)
            take_chan(t, s->owner.addr[r], WAIT_STEP_GIVE);
        else if (s->owner.act[r] == SNAP_ACT_RECV)
            take_chan(t, s->owner.addr[r], WAIT_STEP_TAKE);
    }
}

/* What is on goes on until new prints come one after the other: some states are rare. */
static void judge(struct wait_trace *t)
{
    uint32_t news = 0, changes = (uint32_t)__builtin_popcount(t->changes);
    for (uint32_t i = 0; i < AGAIN_PART; i++)
        news += t->news >> i & 1;
    t->cycles = t->again >= (t->part ? AGAIN_PART : AGAIN_LEAST) || (t->cycles && news <= NEWS_MAX);
    uint32_t one_in = t->spins ? CHANGES_LATER : CHANGES_FIRST;
    t->spins =
        t->cycles && t->seen == WAIT_STEP_RUN && changes * one_in <= min_u64(t->looks, CHANGES_OF);
}

static void trace(struct wait_states *st, const struct wait_graph *w, const struct wait_life *l,
                  const struct map *owners, struct wait_trace *t)
{
    const struct snap *s = w->s;
    const struct wait_info *i = &w->info[l->row];
    uint64_t print = s->goroutine.print[l->row];
    t->id = l->id;
    t->row = l->row;
    bool blind = !print && s->goroutine.flags[l->row] & SNAP_GF_PRINT_CODE;
    t->blind = blind ? t->blind + 1 : 0;
    if (!print || l->held_up)
        return;
    t->part |= (s->goroutine.flags[l->row] & SNAP_GF_PRINT_PART) != 0;
    take_print(t, print, l->place);
    t->code |= (s->goroutine.flags[l->row] & SNAP_GF_PRINT_CODE) != 0;
    t->seen |= step_of(i);
    judge(t);
    take_step(st, w, t, i);
    take_chans(s, t, i, owners);
}

/* ---- who is looked at ---- */

static int by_id(const void *a, const void *b)
{
    const struct wait_trace *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t add_new(struct wait_states *st, const struct map *known)
{
    size_t over = 0;
    for (size_t i = 0; i < st->v.n; i++) {
        const struct wait_life *l = &st->v.v[i];
        if (l->stirs < STIRRED_LEAST || map_get(known, l->id) != MAP_NONE)
            continue;
        if (st->traces.n >= WAIT_TRACES_MAX)
            over++;
        else
            vec_push(&st->traces, ((struct wait_trace){.id = l->id, .row = l->row}));
    }
    return over;
}

static bool is_unjudged(const struct wait_trace *t)
{
    return (t->cycles && t->code) || t->blind >= AGAIN_LEAST;
}

/* Goes on with those that still stir, and takes new ones, up to WAIT_TRACES_MAX. */
void states_trace(struct wait_states *st, const struct wait_graph *w)
{
    const struct snap *s = w->s;
    struct map life = {0}, owners = {0}, known = {0};
    size_t kept = 0;
    for (size_t i = 0; i < st->v.n && st->traces.n; i++)
        map_put(&life, st->v.v[i].id, (uint32_t)i);
    for (uint32_t r = 0; r < s->owner.n && st->traces.n; r++)
        if (!r || s->owner.goroutine[r] != s->owner.goroutine[r - 1])
            map_put(&owners, s->owner.goroutine[r], r);
    for (size_t i = 0; i < st->traces.n; i++) {
        struct wait_trace t = st->traces.v[i];
        uint32_t at = map_get(&life, t.id);
        if (at == MAP_NONE || !st->v.v[at].stirs)
            continue;
        trace(st, w, &st->v.v[at], &owners, &t);
        map_put(&known, t.id, 0);
        st->traces.v[kept++] = t;
    }
    st->traces.n = kept;
    st->traces_over = add_new(st, &known);
    st->unjudged = 0;
    for (size_t i = 0; i < kept; i++)
        st->unjudged += is_unjudged(&st->traces.v[i]);
    if (st->traces.n)
        qsort(st->traces.v, st->traces.n, sizeof(*st->traces.v), by_id);
    map_free(&life);
    map_free(&owners);
    map_free(&known);
}

size_t wait_states_prints(const struct wait_states *st, uint64_t **ret)
{
    *ret = mem_alloc((st->traces.n + 1) * sizeof(**ret));
    for (size_t i = 0; i < st->traces.n; i++)
        (*ret)[i] = st->traces.v[i].id;
    return st->traces.n;
}

const struct wait_trace *wait_states_trace(const struct wait_states *st, uint64_t id)
{
    struct wait_trace key = {.id = id};
    return st->traces.n ? bsearch(&key, st->traces.v, st->traces.n, sizeof(*st->traces.v), by_id)
                        : NULL;
}

/* ---- what it comes to ---- */

struct uses { /* of a channel */
    taddr chan;
    uint32_t trace;
    uint8_t way;
};

static int by_chan(const void *a, const void *b)
{
    const struct uses *x = a, *y = b;
    return x->chan < y->chan ? -1 : x->chan > y->chan;
}

/* Whether a goroutine that is not in the ring waits for the channel: then it is no closed one. */
static bool has_stranger(const struct wait_states *st, const struct wait_graph *w, taddr chan,
                         const bool *in)
{
    const struct snap *s = w->s;
    for (size_t r = 0; r < s->wait.n; r++) {
        if (s->wait.addr[r] != chan)
            continue;
        const struct wait_trace *t = wait_states_trace(st, s->goroutine.id[s->wait.goroutine[r]]);
        if (!t || !in[t - st->traces.v])
            return true;
    }
    return false;
}

/* One round: drops those that do not give to and take from others that are still in.  Of a channel
 * with strangers everybody is dropped.  False: nothing changed. */
static bool drop(const struct wait_states *st, const struct wait_graph *w, const struct uses *v,
                 size_t n, bool *in)
{
    uint8_t *has = mem_alloc(st->traces.n + 1);
    bool changed = false;
    for (size_t i = 0, end; i < n; i = end) {
        uint32_t gives = 0, takes = 0;
        for (end = i; end < n && v[end].chan == v[i].chan; end++) {
            gives += in[v[end].trace] && v[end].way & WAIT_STEP_GIVE;
            takes += in[v[end].trace] && v[end].way & WAIT_STEP_TAKE;
        }
        bool open = (gives || takes) && has_stranger(st, w, v[i].chan, in);
        for (size_t k = i; k < end; k++) {
            uint8_t way = v[k].way, *h = &has[v[k].trace];
            uint32_t own_give = (way & WAIT_STEP_GIVE) != 0, own_take = (way & WAIT_STEP_TAKE) != 0;
            if (open)
                *h |= WAIT_STEP_LOCK;
            *h |= own_give && takes > own_take ? WAIT_STEP_GIVE : 0;
            *h |= own_take && gives > own_give ? WAIT_STEP_TAKE : 0;
        }
    }
    for (size_t i = 0; i < st->traces.n; i++) {
        if (in[i] && has[i] != (WAIT_STEP_GIVE | WAIT_STEP_TAKE)) {
            in[i] = false;
            changed = true;
        }
    }
    free(has);
    return changed;
}

uint32_t states_rings(const struct wait_states *st, const struct wait_graph *w, uint32_t **ret)
{
    size_t n = st->traces.n;
    VEC(struct uses) uses = {0};
    bool *in = mem_alloc(n + 1);
    uint32_t *ring = mem_alloc((n + 1) * sizeof(*ring)), rings = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct wait_trace *t = &st->traces.v[i];
        in[i] = t->cycles && !t->code && !t->many_chans && t->nchans;
        for (uint32_t k = 0; k < t->nchans; k++)
            vec_push(&uses, ((struct uses){t->chans[k], i, t->ways[k]}));
    }
    if (uses.n)
        qsort(uses.v, uses.n, sizeof(*uses.v), by_chan);
    while (drop(st, w, uses.v, uses.n, in))
        ;
    for (bool more = true; more;) { /* the smallest number spreads over channels in common */
        more = false;
        for (size_t i = 0, end; i < uses.n; i = end) {
            uint32_t low = 0;
            for (end = i; end < uses.n && uses.v[end].chan == uses.v[i].chan; end++)
                if (in[uses.v[end].trace]) {
                    uint32_t mine = ring[uses.v[end].trace];
                    low = mine && (!low || mine < low) ? mine : low;
                }
            for (size_t k = i; k < end; k++) {
                uint32_t *mine = &ring[uses.v[k].trace];
                if (!in[uses.v[k].trace] || (low && *mine == low))
                    continue;
                low = low ? low : ++rings;
                *mine = low;
                more = true;
            }
        }
    }
    vec_free(&uses);
    free(in);
    *ret = ring;
    return rings;
}
