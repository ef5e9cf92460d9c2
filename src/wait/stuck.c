/* stuck.c - deadlocks as the greatest set of goroutines that only its own members could free; see
 * stuck.h.
 *
 * Everybody who waits for a lock or a WaitGroup is taken to be stuck; then those are taken out for
 * whom somebody may still do what they wait for, and with each of them whoever waits for him is
 * looked at again, until nothing changes.  Each one left has an edge to one who is left, or ends a
 * chain (it leaked, or its lock was left); following the edges finds the circles. */
#include "wait/stuck.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "wait/graph_int.h"

const char *wait_cycle_class_name(enum wait_cycle_class c)
{
    static const char *const names[] = {"double-lock", "lock-upgrade", "AB-BA", "RWR", "mixed"};
    return c < ARRAY_LEN(names) ? names[c] : "";
}

struct search {
    const struct wait_graph *w;
    const struct snap *s;
    struct wait_stuck *out;
    bool *leaked;                   /* by goroutine */
    uint32_t *wait_first, *waiters; /* goroutines by the object they wait for */
    uint32_t *hold_first, *holds;   /* holders (index) by goroutine */
    bool *unfollowed;               /* by goroutine: its code ahead may do more than was seen */
    bool *may_have;                 /* of them: it may have a lock, counted or not */
    size_t doubts;                  /* of those unfollowed, those that may run */
    size_t doubts_counted;          /* the same of may_have */
    bool nobody;                    /* all else was followed: whom nobody frees is stuck */
    bool nobody_counted;            /* the same of what counting tells */
    VEC(uint32_t) todo;
};

/* ---- who could free whom ---- */

static bool waits_alone(const struct search *q, uint32_t g)
{
    const struct wait_info *i = &q->w->info[g];
    if (i->trap != WAIT_TRAP_NONE || i->object == SNAP_NONE)
        return false;
    return i->kind == WAIT_MUTEX || i->kind == WAIT_WLOCK || i->kind == WAIT_RLOCK ||
           i->kind == WAIT_ONCE || i->kind == WAIT_GROUP || i->kind == WAIT_COROUTINE;
}

/* Whether an act ends the wait of a goroutine.  The writer whom an RWMutex lets wait for readers
 * has shut out everybody else already: it needs these readers, and will unlock what it will have.
 */
static bool ends(const struct search *q, uint32_t g, uint8_t act)
{
    const struct wait_info *i = &q->w->info[g];
    uint8_t kind = i->kind;
    if (kind == WAIT_COROUTINE)
        return act == SNAP_ACT_RESUME;
    switch (act) {
    case SNAP_ACT_UNLOCK:
    case SNAP_ACT_LOCK_AGAIN:
        return kind != WAIT_GROUP &&
               !(kind == WAIT_WLOCK && q->s->wait.role[i->first] == SNAP_ROLE_WRITER);
    case SNAP_ACT_RUNLOCK:
        return kind == WAIT_WLOCK;
    case SNAP_ACT_DONE:
        return kind == WAIT_GROUP;
    default:
        return false;
    }
}

/* Waits that need all of those who could end them, not just one: readers, and calls of Done. */
static bool needs_all(uint8_t act)
{
    return act == SNAP_ACT_RUNLOCK || act == SNAP_ACT_DONE;
}

static bool is_stuck(const struct search *q, uint32_t g)
{
    return q->out->why[g] != WAIT_STUCK_NOT;
}

/* A writer that waits for the same RWMutex: readers that come later wait for it. */
static uint32_t waiting_writer(const struct search *q, uint32_t g)
{
    const struct wait_info *i = &q->w->info[g];
    if (i->kind != WAIT_RLOCK)
        return SNAP_NONE;
    for (uint32_t k = q->wait_first[i->object]; k < q->wait_first[i->object + 1]; k++) {
        uint32_t other = q->waiters[k];
        if (q->w->info[other].kind == WAIT_WLOCK && is_stuck(q, other))
            return other;
    }
    return SNAP_NONE;
}

/* Whether the state of the object says that somebody has it, or has yet to call Done. */
static bool is_taken(const struct search *q, uint32_t g)
{
    const struct snap *s = q->s;
    const struct wait_info *i = &q->w->info[g];
    uint32_t lock = s->object.lock[i->object];
    if (lock == SNAP_NONE)
        return false;
    if (i->kind == WAIT_GROUP)
        return s->lock.count[lock] > 0;
    return s->lock.flags[lock] & (SNAP_LOCK_HELD | SNAP_LOCK_WRITER) || s->lock.leaving[lock] > 0;
}

/* Whether nobody is left who might release an object without having been seen to. */
static bool nobody_does(const struct search *q, uint32_t object)
{
    return (q->nobody && !q->doubts) ||
           (q->out->counted[object] && q->nobody_counted && !q->doubts_counted);
}

/* Why g cannot go on as things stand; sets the edge to whom it waits for. */
static enum wait_stuck_why judge(const struct search *q, uint32_t g, struct wait_edge *ret)
{
    const struct wait_info *i = &q->w->info[g];
    size_t first, n = wait_holders_of(q->w, i->object, &first), known = 0, freers = 0;
    *ret = (struct wait_edge){.from = g, .to = SNAP_NONE, .object = i->object, .holder = SNAP_NONE};
    for (size_t k = first; k < first + n; k++) {
        const struct wait_holder *h = &q->w->holders[k];
        if (!ends(q, g, h->act))
            continue;
        bool sure = h->evidence >= WAIT_EV_STRONG;
        known++;
        if (sure && is_stuck(q, h->goroutine)) {
            ret->to = h->goroutine;
            ret->holder = (uint32_t)k;
            if (h->goroutine == g)
                return WAIT_STUCK_ITSELF;
            if (needs_all(h->act))
                return WAIT_STUCK_HELD;
        } else {
            freers++;
        }
    }
    if (known)
        return freers || ret->to == SNAP_NONE ? WAIT_STUCK_NOT : WAIT_STUCK_HELD;
    ret->to = waiting_writer(q, g);
    if (ret->to != SNAP_NONE)
        return WAIT_STUCK_HELD;
    return nobody_does(q, i->object) && is_taken(q, g) ? WAIT_STUCK_LEFT : WAIT_STUCK_NOT;
}

/* ---- the set ---- */

/* Rows of root by goroutine and the like: key[i] < nkeys, SNAP_NONE is left out. */
static void sort_by(size_t nkeys, size_t n, const uint32_t *key, uint32_t **first, uint32_t **rows)
{
    *first = mem_alloc((nkeys + 2) * sizeof(**first));
    *rows = mem_alloc((n + 1) * sizeof(**rows));
    for (size_t i = 0; i < n; i++)
        if (key[i] != SNAP_NONE)
            (*first)[key[i] + 2]++;
    for (size_t i = 2; i < nkeys + 2; i++)
        (*first)[i] += (*first)[i - 1];
    for (size_t i = 0; i < n; i++)
        if (key[i] != SNAP_NONE)
            (*rows)[(*first)[key[i] + 1]++] = (uint32_t)i;
}

static void index_waits(struct search *q)
{
    const struct wait_graph *w = q->w;
    size_t n = q->s->goroutine.n;
    uint32_t *key = mem_alloc((n + w->nholders + 1) * sizeof(*key));
    for (size_t g = 0; g < n; g++)
        key[g] = w->info[g].object;
    sort_by(q->s->object.n, n, key, &q->wait_first, &q->waiters);
    for (size_t k = 0; k < w->nholders; k++)
        key[k] = w->holders[k].goroutine;
    sort_by(n, w->nholders, key, &q->hold_first, &q->holds);
    free(key);
}

/* Those whom a change of g concerns: who waits for what it holds, or behind it for one lock. */
static void look_again(struct search *q, uint32_t g)
{
    const struct wait_graph *w = q->w;
    uint32_t own = w->info[g].object;
    for (uint32_t k = q->hold_first[g]; k < q->hold_first[g + 1]; k++) {
        uint32_t object = w->holders[q->holds[k]].object;
        for (uint32_t i = q->wait_first[object]; i < q->wait_first[object + 1]; i++)
            if (is_stuck(q, q->waiters[i]) && !q->leaked[q->waiters[i]])
                vec_push(&q->todo, q->waiters[i]);
    }
    if (w->info[g].kind != WAIT_WLOCK || own == SNAP_NONE)
        return;
    for (uint32_t i = q->wait_first[own]; i < q->wait_first[own + 1]; i++)
        if (w->info[q->waiters[i]].kind == WAIT_RLOCK && is_stuck(q, q->waiters[i]) &&
            !q->leaked[q->waiters[i]])
            vec_push(&q->todo, q->waiters[i]);
}

/* One whose code is not known whole may run: it may free whom nobody else does. */
static void doubt(struct search *q, uint32_t g)
{
    bool first = q->unfollowed[g] && !q->doubts++;
    first |= q->may_have[g] && !q->doubts_counted++;
    for (uint32_t i = 0; first && i < q->s->goroutine.n; i++)
        if (is_stuck(q, i) && !q->leaked[i])
            vec_push(&q->todo, i);
}

static void shrink(struct search *q)
{
    struct wait_edge edge;
    size_t n = q->s->goroutine.n;
    for (uint32_t g = 0; g < n; g++) {
        if (q->leaked[g]) {
            q->out->why[g] = WAIT_STUCK_LEAKED;
        } else if (waits_alone(q, g)) {
            q->out->why[g] = WAIT_STUCK_HELD;
            vec_push(&q->todo, g);
        } else {
            q->doubts += q->unfollowed[g];
            q->doubts_counted += q->may_have[g];
        }
    }
    while (q->todo.n) {
        uint32_t g = q->todo.v[--q->todo.n];
        if (!is_stuck(q, g) || judge(q, g, &edge) != WAIT_STUCK_NOT)
            continue;
        q->out->why[g] = WAIT_STUCK_NOT;
        look_again(q, g);
        doubt(q, g);
    }
}

/* ---- circles ---- */

static enum wait_cycle_class class_of(const struct search *q, const struct wait_edge *e, size_t n)
{
    const struct wait_graph *w = q->w;
    bool locks = true, reader = false;
    uint32_t lock = q->s->object.lock[e->object];
    for (size_t i = 0; i < n; i++) {
        uint8_t kind = w->info[e[i].from].kind;
        locks &= kind != WAIT_GROUP && kind != WAIT_COROUTINE;
        reader |= w->info[e[i].from].kind == WAIT_RLOCK;
    }
    if (n == 1)
        return w->info[e->from].kind == WAIT_WLOCK && lock != SNAP_NONE &&
                       q->s->lock.leaving[lock] > 0
                   ? WAIT_CYCLE_UPGRADE
                   : WAIT_CYCLE_SELF;
    return !locks ? WAIT_CYCLE_MIXED : reader && n == 2 ? WAIT_CYCLE_RWR : WAIT_CYCLE_AB_BA;
}

static void add_cycle(struct search *q, const struct wait_edge *next, uint32_t g)
{
    struct wait_stuck *out = q->out;
    struct wait_cycle *c = &out->cycles[out->ncycles++];
    *c = (struct wait_cycle){
        .edge = (uint32_t)out->nedges, .evidence = WAIT_EV_PROVED, .found = (uint32_t)out->ncycles};
    uint32_t at = g;
    do {
        const struct wait_edge *e = &next[at];
        if (e->holder != SNAP_NONE && q->w->holders[e->holder].evidence < c->evidence)
            c->evidence = q->w->holders[e->holder].evidence;
        out->edges[out->nedges++] = *e;
        c->nedges++;
        at = e->to;
    } while (at != g);
    c->class = (uint8_t)class_of(q, out->edges + c->edge, c->nedges);
}

static int most_behind(const void *a, const void *b)
{
    const struct wait_cycle *x = a, *y = b;
    if (x->behind != y->behind)
        return x->behind > y->behind ? -1 : 1;
    return x->edge < y->edge ? -1 : x->edge > y->edge;
}

/* Each goroutine has at most one edge here, so a walk ends where another one was, or at itself. */
static void find_cycles(struct search *q, const struct wait_edge *next)
{
    struct wait_stuck *out = q->out;
    uint32_t n = (uint32_t)q->s->goroutine.n, mark = 0;
    uint32_t *walk = mem_alloc((n + 1) * sizeof(*walk));   /* number of the walk that came by */
    uint32_t *cycle = mem_alloc((n + 1) * sizeof(*cycle)); /* 1 + where it leads to */
    for (uint32_t g = 0; g < n; g++) {
        uint32_t at = g, found;
        mark++;
        while (at != SNAP_NONE && is_stuck(q, at) && !walk[at]) {
            walk[at] = mark;
            at = next[at].to;
        }
        if (at != SNAP_NONE && is_stuck(q, at) && walk[at] == mark)
            add_cycle(q, next, at);
        if (at == SNAP_NONE || !is_stuck(q, at))
            continue; /* a chain that ends at somebody who leaked, or at a lock that was left */
        found = walk[at] == mark ? (uint32_t)out->ncycles : cycle[at];
        for (at = g; found && !cycle[at]; at = next[at].to)
            cycle[at] = found;
    }
    for (uint32_t g = 0; g < n; g++)
        if (cycle[g]) {
            out->cycles[cycle[g] - 1].behind++;
            out->circle[g] = 1 + out->cycles[cycle[g] - 1].class;
        }
    for (size_t i = 0; i < out->ncycles; i++)
        out->cycles[i].behind -= out->cycles[i].nedges;
    qsort(out->cycles, out->ncycles, sizeof(*out->cycles), most_behind);
    for (size_t i = 0; i < out->ncycles; i++)
        walk[out->cycles[i].found] = (uint32_t)i + 1;
    walk[0] = 0;
    for (uint32_t g = 0; g < n; g++)
        cycle[g] = walk[cycle[g]];
    out->behind = cycle;
    free(walk);
}

static int most_waiters(const void *a, const void *b, void *snap)
{
    const struct snap *s = snap;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (s->object.waiters[x] != s->object.waiters[y])
        return s->object.waiters[x] > s->object.waiters[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Whether somebody is known to end the wait of g, however weakly, or to be the writer before it. */
static bool is_known(const struct search *q, uint32_t g)
{
    const struct wait_info *i = &q->w->info[g];
    size_t first, n = wait_holders_of(q->w, i->object, &first);
    for (size_t k = first; k < first + n; k++)
        if (ends(q, g, q->w->holders[k].act))
            return true;
    for (uint32_t k = q->wait_first[i->object]; k < q->wait_first[i->object + 1]; k++)
        if (i->kind == WAIT_RLOCK && q->w->info[q->waiters[k]].kind == WAIT_WLOCK)
            return true;
    return false;
}

static void suspect(struct search *q)
{
    struct wait_stuck *out = q->out;
    bool *seen = mem_alloc(q->s->object.n + 1), *maybe = q->may_have;
    out->suspects = mem_alloc((q->s->object.n + 1) * sizeof(*out->suspects));
    out->maybe = mem_alloc((q->s->ahead.n + 1) * sizeof(*out->maybe));
    for (uint32_t g = 0; out->looked && g < q->s->goroutine.n; g++) {
        uint32_t object = q->w->info[g].object;
        if (is_stuck(q, g) || !waits_alone(q, g) || seen[object] || !is_taken(q, g) ||
            is_known(q, g))
            continue;
        seen[object] = true;
        if (!out->counted[object])
            maybe = q->unfollowed;
        out->suspects[out->nsuspects++] = object;
    }
    for (uint32_t g = 0; g < q->s->goroutine.n; g++)
        if (maybe[g] && !is_stuck(q, g))
            out->maybe[out->nmaybe++] = g;
    qsort_r(out->suspects, out->nsuspects, sizeof(*out->suspects), most_waiters, (void *)q->s);
    free(seen);
}

static void tell(struct search *q)
{
    struct wait_stuck *out = q->out;
    size_t n = q->s->goroutine.n;
    struct wait_edge *next = mem_alloc((n + 1) * sizeof(*next));
    bool *left = mem_alloc(q->s->object.n + 1);
    out->edges = mem_alloc((n + 1) * sizeof(*out->edges));
    out->cycles = mem_alloc((n + 1) * sizeof(*out->cycles));
    out->left = mem_alloc((q->s->object.n + 1) * sizeof(*out->left));
    for (uint32_t g = 0; g < n; g++) {
        next[g].to = out->by[g] = SNAP_NONE;
        if (!is_stuck(q, g))
            continue;
        out->n++;
        if (q->leaked[g] && q->w->info[g].object == SNAP_NONE)
            continue;
        enum wait_stuck_why why = waits_alone(q, g) ? judge(q, g, &next[g]) : WAIT_STUCK_NOT;
        out->lock[g] = (uint8_t)why;
        out->by[g] = next[g].to;
        if (!q->leaked[g])
            out->why[g] = (uint8_t)why;
        if (why == WAIT_STUCK_LEFT && !left[q->w->info[g].object]) {
            left[q->w->info[g].object] = true;
            out->left[out->nleft++] = q->w->info[g].object;
        }
    }
    qsort_r(out->left, out->nleft, sizeof(*out->left), most_waiters, (void *)q->s);
    find_cycles(q, next);
    suspect(q);
    free(left);
    free(next);
}

/* ---- the whole ---- */

/* Timers may call anything when they fire. */
static bool timers_call(const struct snap *s)
{
    for (size_t i = 0; i < s->timer.n; i++) {
        uint32_t pc = s->timer.func[i];
        if (pc == SNAP_NONE || !s->pc.frames[pc])
            return true;
        if (strcmp(snap_str(s, s->frame.func[s->pc.frame[pc]]), "time.goFunc") == 0)
            return true;
    }
    return false;
}

struct err *wait_find_stuck(const struct wait_graph *w, const struct wait_leaks *leaks,
                            struct wait_stuck *ret)
{
    const struct snap *s = w->s;
    int64_t looked, timers;
    struct search q = {.w = w,
                       .s = s,
                       .out = ret,
                       .leaked = mem_alloc(s->goroutine.n + 1),
                       .unfollowed = mem_alloc(s->goroutine.n + 1),
                       .may_have = mem_alloc(s->goroutine.n + 1)};
    *ret = (struct wait_stuck){.why = mem_alloc(s->goroutine.n + 1),
                               .lock = mem_alloc(s->goroutine.n + 1),
                               .by = mem_alloc((s->goroutine.n + 1) * sizeof(*ret->by)),
                               .circle = mem_alloc(s->goroutine.n + 1),
                               .counted = mem_alloc(s->object.n + 1),
                               .unfollowed = (uint32_t)s->ahead.n};
    for (size_t i = 0; leaks && i < leaks->n; i++)
        q.leaked[leaks->v[i].goroutine] =
            leaks->v[i].class == WAIT_LEAK_PROVED || leaks->v[i].class == WAIT_LEAK_BEYOND;
    for (size_t i = 0; i < s->ahead.n; i++) {
        q.unfollowed[s->ahead.goroutine[i]] = true;
        q.may_have[s->ahead.goroutine[i]] = !(s->ahead.flags[i] & SNAP_AH_HAS_NONE);
    }
    ret->looked = snap_counter(s, "ahead.looked", &looked);
    ret->timers = timers_call(s);
    q.nobody = ret->looked && !ret->timers;
    q.nobody_counted = snap_counter(s, "ahead.timers", &timers) && !timers;
    wait_find_counted(s, ret->counted);
    index_waits(&q);
    shrink(&q);
    tell(&q);
    free(q.leaked);
    free(q.unfollowed);
    free(q.may_have);
    free(q.wait_first);
    free(q.waiters);
    free(q.hold_first);
    free(q.holds);
    vec_free(&q.todo);
    return NULL;
}

void wait_stuck_free(struct wait_stuck *s)
{
    free(s->why);
    free(s->lock);
    free(s->by);
    free(s->circle);
    free(s->behind);
    free(s->counted);
    free(s->edges);
    free(s->cycles);
    free(s->left);
    free(s->suspects);
    free(s->maybe);
    *s = (struct wait_stuck){0};
}
