/* states.c - the state machine of goroutines over snapshots; see states.h.
 *
 * Numbers of strings, frames and stacks differ from one snapshot to the next, so what is compared
 * are addresses, texts and hashes of them. */
#include "wait/states.h"

#include <stdlib.h>
#include <string.h>

#include "wait/states_int.h"

const char *wait_state_name(enum wait_state s)
{
    static const char *const names[] = {"idle", "holding", "waiting", "starving"};
    return s < ARRAY_LEN(names) ? names[s] : "";
}

const char *wait_finding_name(enum wait_finding_kind k)
{
    static const char *const names[] = {"deadlock", "left-lock", "starvation", "writer-starvation",
                                        "livelock"};
    return k < ARRAY_LEN(names) ? names[k] : "";
}

const char *wait_livelock_name(enum wait_livelock l)
{
    static const char *const names[] = {"locks", "channels", "spin"};
    return l < ARRAY_LEN(names) ? names[l] : "";
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return hash_u64(a * 0x9e3779b97f4a7c15ull + b);
}

/* ---- one look ---- */

struct look {
    struct wait_states *st;
    const struct wait_graph *w;
    const struct snap *s;
    uint64_t *stack;  /* hash of the program counters from each stack node outwards; owned */
    bool *holds;      /* by row of goroutine; owned */
    uint64_t *cpu_ms; /* by row of goroutine: of the thread it runs on; owned */
    struct map held;  /* hash of lock and goroutine, of this look */
    struct map by_id; /* goid -> index into st->before */
};

/* Parents come first in the table. */
static void hash_stacks(struct look *k)
{
    const struct snap *s = k->s;
    k->stack = mem_alloc((s->stack.n + 1) * sizeof(*k->stack));
    for (size_t i = 0; i < s->stack.n; i++) {
        uint32_t parent = s->stack.parent[i];
        k->stack[i] = mix(parent == SNAP_NONE ? 1 : k->stack[parent], s->pc.addr[s->stack.pc[i]]);
    }
}

static bool is_hold(uint8_t act)
{
    return act == SNAP_ACT_UNLOCK || act == SNAP_ACT_RUNLOCK || act == SNAP_ACT_LOCK_AGAIN;
}

/* Who holds what: by the graph what others wait for, and by the snapshot any other lock, which is a
 * Mutex or held for writing then: what RUnlock there would mean is known of objects only. */
static void find_holders(struct look *k)
{
    const struct snap *s = k->s;
    k->holds = mem_alloc(s->goroutine.n + 1);
    for (size_t i = 0; i < k->w->nholders; i++) {
        const struct wait_holder *h = &k->w->holders[i];
        if (!is_hold(h->act) || h->evidence < WAIT_EV_STRONG)
            continue;
        k->holds[h->goroutine] = true;
        map_put(&k->held, mix(s->object.addr[h->object], s->goroutine.id[h->goroutine]), 0);
    }
    for (size_t i = 0; i < s->owner.n; i++)
        if (s->owner.act[i] == SNAP_ACT_UNLOCK && s->owner.evidence[i] != SNAP_PROOF_WEAK)
            k->holds[s->owner.goroutine[i]] = true;
}

static void find_times(struct look *k)
{
    const struct snap *s = k->s;
    k->cpu_ms = mem_alloc((s->goroutine.n + 1) * sizeof(*k->cpu_ms));
    for (size_t i = 0; i < s->thread.n; i++)
        if (s->thread.goroutine[i] != SNAP_NONE)
            k->cpu_ms[s->thread.goroutine[i]] = s->thread.cpu_ms[i];
}

/* Blocked until another goroutine does something. */
static bool is_waiting(const struct wait_info *i)
{
    static const bool by_others[WAIT_COUNT] = {
        [WAIT_RECV] = true,  [WAIT_SEND] = true,  [WAIT_SELECT] = true, [WAIT_NIL] = true,
        [WAIT_MUTEX] = true, [WAIT_WLOCK] = true, [WAIT_RLOCK] = true,  [WAIT_GROUP] = true,
        [WAIT_COND] = true,  [WAIT_ONCE] = true,  [WAIT_SEMA] = true,   [WAIT_COROUTINE] = true,
    };
    return by_others[i->kind] && i->trap != WAIT_TRAP_TIMER && i->trap != WAIT_TRAP_DEADLINE &&
           i->trap != WAIT_TRAP_OUTSIDE;
}

static uint64_t what(const struct look *k, const struct wait_info *i)
{
    uint64_t h = i->kind + 1;
    for (uint32_t r = i->first; r < i->first + i->n; r++)
        h = mix(h, k->s->wait.addr[r]);
    return h | 1;
}

/* Whether somebody holds the object who did not in the look before. */
static bool is_overtaken(const struct look *k, const struct wait_info *i)
{
    size_t first, n = i->object == SNAP_NONE ? 0 : wait_holders_of(k->w, i->object, &first);
    for (size_t x = 0; x < n; x++) {
        const struct wait_holder *h = &k->w->holders[first + x];
        uint64_t key = mix(k->s->object.addr[i->object], k->s->goroutine.id[h->goroutine]);
        if (is_hold(h->act) && map_get(&k->held, key) != MAP_NONE &&
            map_get(&k->st->held_before, key) == MAP_NONE)
            return true;
    }
    return false;
}

static void note_place(const struct look *k, struct wait_life *l, uint32_t frame)
{
    const struct snap *s = k->s;
    if (frame == SNAP_NONE || l->nplaces > WAIT_PLACES)
        return;
    const char *func = snap_str(s, s->frame.func[frame]);
    uint64_t place = hash_bytes(func, strlen(func));
    for (uint32_t i = 0; i < l->nplaces; i++)
        if (l->places[i] == place)
            return;
    if (l->nplaces < WAIT_PLACES)
        l->places[l->nplaces] = place;
    l->nplaces++;
    l->new_place = k->st->look;
}

static struct wait_life live(const struct look *k, uint32_t g, const struct wait_life *before)
{
    const struct snap *s = k->s;
    const struct wait_info *i = &k->w->info[g];
    bool waits = is_waiting(i);
    uint32_t node = s->goroutine.stack[g];
    struct wait_life l =
        before ? *before : (struct wait_life){.id = s->goroutine.id[g], .first = k->st->look};
    l.row = g;
    l.kind = i->kind;
    l.ran = s->goroutine.ran[g];
    l.moved = !before || before->ran != l.ran || s->goroutine.status[g] == SNAP_G_RUNNING;
    l.cpu_ms = s->goroutine.status[g] == SNAP_G_RUNNING ? k->cpu_ms[g] : 0;
    l.held_up = before && before->ran == l.ran && l.moved && l.cpu_ms <= before->cpu_ms;
    l.what = waits ? what(k, i) : 0;
    l.place = node == SNAP_NONE ? 0 : k->stack[node];
    bool same = before && waits && !l.moved && l.what == before->what && l.place == before->place;
    l.same = !waits ? 0 : same ? before->same + 1 : 1;
    l.overtaken = !same ? 0 : before->overtaken + is_overtaken(k, i);
    l.state =
        (uint8_t)(waits ? l.same > WAIT_STARVING_AFTER ? WAIT_STATE_STARVING : WAIT_STATE_WAITING
                  : k->holds[g] ? WAIT_STATE_HOLDING
                                : WAIT_STATE_IDLE);
    l.still = l.moved ? 0 : before->still + 1;
    l.stirs = before && states_stirs(&l, i) ? before->stirs + 1 : 0;
    note_place(k, &l, i->place);
    return l;
}

static void find_lives(struct look *k)
{
    struct wait_states *st = k->st;
    const struct snap *s = k->s;
    for (size_t i = 0; i < st->nbefore; i++)
        map_put(&k->by_id, st->before[i].id, (uint32_t)i);
    st->v.n = 0;
    memset(st->by_state, 0, sizeof(st->by_state));
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        uint32_t at;
        if (s->goroutine.flags[g] & SNAP_GF_SYSTEM)
            continue;
        at = map_get(&k->by_id, s->goroutine.id[g]);
        vec_push(&st->v, live(k, g, at == MAP_NONE ? NULL : &st->before[at]));
        st->by_state[vec_last(&st->v)->state]++;
    }
}

struct err *wait_states_feed(struct wait_states *st, const struct wait_graph *w,
                             const struct wait_stuck *stuck)
{
    struct look k = {.st = st, .w = w, .s = w->s};
    st->before = st->v.v;
    st->nbefore = st->v.n;
    st->v.v = mem_try_alloc((w->s->goroutine.n + 1) * sizeof(*st->v.v));
    st->v.n = 0;
    st->v.cap = st->v.v ? w->s->goroutine.n + 1 : 0;
    if (!st->v.v) {
        free(st->before);
        st->before = NULL;
        return err_new(ERR_NOMEM, "no memory for the states of %zu goroutines", w->s->goroutine.n);
    }
    if (!st->look++)
        intern_init(&st->funcs);
    hash_stacks(&k);
    find_holders(&k);
    find_times(&k);
    find_lives(&k);
    map_free(&st->held_before);
    st->held_before = k.held;
    free(k.stack);
    free(k.holds);
    free(k.cpu_ms);
    map_free(&k.by_id);
    free(st->before);
    st->before = NULL;
    states_order(st, w);
    states_trace(st, w);
    states_find(st, w, stuck);
    return NULL;
}

const struct wait_life *wait_states_of(const struct wait_states *st, uint32_t row)
{
    size_t lo = 0, hi = st->v.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (st->v.v[mid].row < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < st->v.n && st->v.v[lo].row == row ? &st->v.v[lo] : NULL;
}

void wait_states_free(struct wait_states *st)
{
    for (size_t i = 0; i < st->found.n; i++) {
        free(st->found.v[i].g);
        free(st->found.v[i].lock);
    }
    vec_free(&st->found);
    vec_free(&st->v);
    vec_free(&st->order);
    vec_free(&st->traces);
    intern_free(&st->funcs);
    map_free(&st->held_before);
    map_free(&st->by_held);
    *st = (struct wait_states){0};
}
