/* ahead.c - who will release what: leads the look ahead of all goroutines; tables owner and ahead.
 *
 * Order: what is waited for decides which kinds of code matter (a lock, a channel ...).  Of each
 * goroutine the frames are walked; code behind a frame in which no such thing can happen is not
 * followed.  Everything is read from what stands still: a forked copy costs the process nothing.
 *
 * Bounds: steps of all goroutines together, so that the same snapshot gives the same answer on any
 * machine.  Goroutines with equal stacks are a crowd: of each crowd a few are followed first.  When
 * there was too much code for all of them and nothing came of it, of the others only the pending
 * deferred calls are looked at; all are listed in the table ahead.
 */
#include "base/pool.h"
#include "rt/ahead_int.h"
#include "rt/waits_int.h"

enum {
    CHUNK = 64,
    IN_LOCK_FRAMES = 9,
    SAMPLES = 8, /* of a crowd */
    STEPS_LEAST = 500,
    STEPS_MOST = 120000,
};
#define STEPS_TOTAL UINT64_C(100000000)
#define STEPS_STOPPED UINT64_C(2000000) /* while the process waits for us */
#define SCRATCH (AHEAD_NEW | UINT64_C(0xffffffff0000))

struct ahead_job {
    struct capture *c;
    struct ahead_wanted wanted;
    struct ahead_wanted every; /* RT_OWNERS_ACTIVE: of those that do not wait; shares its maps */
    struct ahead *workers;
    bool *made;
    struct ahead_found *found; /* of each worker */
    uint64_t steps;            /* for each goroutine */
    uint32_t *order;           /* goroutines of this round */
    size_t n;
    uint64_t *crowd;     /* of each goroutine: a hash of its stack */
    bool *in_vain;       /* of each: there was too much code, and nothing came of it */
    struct map hopeless; /* crowds whose samples were all in vain */
};

void ahead_init(struct ahead *a, struct capture *c)
{
    a->c = c;
    ahead_mem_init(&a->mem, c);
    ahead_code_init(&a->code, c->rt, c->t, &a->mem);
    a->seen = mem_alloc(AHEAD_SEEN * sizeof(*a->seen));
}

void ahead_close(struct ahead *a)
{
    ahead_mem_free(&a->mem);
    ahead_code_free(&a->code);
    vec_free(&a->forks);
    vec_free(&a->tallies);
    free(a->seen);
}

/* ---- frames ---- */

static bool is_named(const struct ahead_fn *f, const char *suffix)
{
    size_t n = strlen(f->name), k = strlen(suffix);
    return n >= k && strcmp(f->name + n - k, suffix) == 0;
}

bool ahead_in_sync(const struct ahead_fn *f)
{
    return strncmp(f->name, "sync.", 5) == 0 || strncmp(f->name, "internal/sync.", 14) == 0;
}

/* What a frame of package sync says about where the goroutine is. */
static uint8_t lock_of(const struct ahead_fn *f, uint8_t before)
{
    static const struct {
        const char *suffix;
        uint8_t in;
    } names[] = {
        {"(*Mutex).lockSlow", AHEAD_IN_MUTEX},
        {"(*Mutex).Lock", AHEAD_IN_MUTEX},
        {"(*RWMutex).Lock", AHEAD_IN_WRITER},
        {"(*RWMutex).RLock", AHEAD_IN_READER},
        {"(*WaitGroup).Wait", AHEAD_IN_GROUP},
        {"runtime_SemacquireWaitGroup", AHEAD_IN_GROUP},
        {"runtime_SemacquireRWMutexR", AHEAD_IN_READER},
        {"runtime_SemacquireRWMutex", AHEAD_IN_WRITER},
        {"runtime_SemacquireMutex", AHEAD_IN_READER}, /* unless the next frame says better */
        {"runtime_Semacquire", AHEAD_IN_GROUP},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!is_named(f, names[i].suffix))
            continue;
        if (before != AHEAD_IN_MUTEX)
            return names[i].in;
        return names[i].in == AHEAD_IN_WRITER ? AHEAD_IN_WRITERS_MUTEX : before;
    }
    return before;
}

void ahead_walk(struct ahead *a, const struct goroutine *g, struct ahead_goroutine *ret, size_t max)
{
    taddr pc = captured_context(g).pc, sp = captured_context(g).sp;
    bool exact = g->ran && g->ran->exact, panics = false;
    uint64_t word;
    ret->in_lock = AHEAD_IN_NONE;
    for (uint16_t n = 0; n < max; n++) {
        struct ahead_place p = *ahead_place_at(&a->code, pc, exact);
        if (p.fn == SNAP_NONE || p.frame < 0) {
            ret->flags |= SNAP_AH_STACK;
            return;
        }
        const struct ahead_fn *fn = &a->code.fns.v[p.fn];
        if (fn->top)
            return;
        if (fn->switches && (n || exact)) {
            ret->flags |= SNAP_AH_STACK;
            return;
        }
        if (n < IN_LOCK_FRAMES && ahead_in_sync(fn))
            ret->in_lock = lock_of(fn, ret->in_lock);
        panics |= fn->runtime && (strcmp(fn->name, "runtime.gopanic") == 0 ||
                                  strcmp(fn->name, "runtime.Goexit") == 0);
        struct ahead_frame f = {.pc = pc,
                                .sp = sp,
                                .size = p.frame,
                                .number = n,
                                .fn = p.fn,
                                .exact = exact,
                                .dead = panics};
        vec_push(&ret->frames, f);
        if (!ahead_peek(&a->mem, sp + (taddr)p.frame, 8, &word) || !word) {
            ret->flags |= SNAP_AH_STACK;
            return;
        }
        exact = fn->injected || strcmp(fn->name, "runtime.sigpanic") == 0;
        pc = word;
        sp += (taddr)p.frame + 8;
    }
    if (max == AHEAD_FRAMES)
        ret->flags |= SNAP_AH_STACK;
}

/* ---- a frame ---- */

static bool is_lock_side(const struct ahead_fn *f)
{
    return ahead_in_sync(f) && (is_named(f, "(*Mutex).lockSlow") || is_named(f, "(*Mutex).Lock") ||
                                is_named(f, "(*Mutex).unlockSlow") || strstr(f->name, "runtime_"));
}

/* Whether the code of a frame is to be followed. */
static bool is_followed(struct ahead *a, const struct ahead_frame *f)
{
    const struct ahead_fn *fn = &a->code.fns.v[f->fn];
    if (f->dead || (fn->runtime && !fn->injected) || is_lock_side(fn))
        return false;
    if (strncmp(fn->name, "internal/poll.runtime_", 22) == 0)
        return false;
    struct ahead_place *p = ahead_place_at(&a->code, f->pc, f->exact);
    if (fn->injected)
        return true; /* what it interrupted counts */
    if (!p->kinds_known) {
        uint16_t kinds = ahead_kinds_from(&a->code, f->pc, f->fn);
        p = ahead_place_at(&a->code, f->pc, f->exact);
        p->kinds = kinds;
        p->kinds_known = true;
    }
    return p->kinds & (a->wanted->kinds | AHEAD_K_UNKNOWN | AHEAD_K_DEFER | AHEAD_K_GO);
}

uint32_t ahead_registers(const struct ahead *a, const struct goroutine *g, uint64_t regs[ARCH_REGS])
{
    struct arch_regs r = {.raw_n = g->ran ? g->ran->nregs * 8 : 0};
    uint32_t known = 0;
    if (!r.raw_n || r.raw_n > sizeof(r.raw))
        return 0;
    memcpy(r.raw, g->ran->regs, r.raw_n);
    for (unsigned i = 0; i < ARCH_REGS; i++)
        if (!a->code.arch->dwarf_is_vector(i) && a->code.arch->dwarf_reg(&r, i, &regs[i]))
            known |= UINT32_C(1) << i;
    return known;
}

static void follow_body(struct ahead *a, const struct goroutine *g, struct ahead_goroutine *ag,
                        size_t i)
{
    struct ahead_frame *f = &ag->frames.v[i];
    uint64_t regs[ARCH_REGS] = {0};
    struct ahead_start s = {
        .pc = f->pc, .sp = f->sp, .end = f->sp + (taddr)f->size, .g = g->g.addr};
    f->body = (struct ahead_result){.first = a->tallies.n};
    if (!is_followed(a, f))
        return;
    if (i == 0 && f->exact && g->ran && g->ran->regs) {
        s.regs_known = ahead_registers(a, g, regs);
        s.regs = regs;
    } else if (f->exact && i && a->code.fns.v[ag->frames.v[i - 1].fn].injected) {
        return; /* the frame before went on into it */
    }
    if (a->code.fns.v[f->fn].injected && i + 1 < ag->frames.n) {
        const struct ahead_frame *outer = &ag->frames.v[i + 1];
        s.interrupted = outer->pc;
        s.end = outer->sp + (taddr)outer->size;
    }
    f->body = ahead_follow(a, &s);
}

/* What a pending deferred call does, as one of several: a tally says whether it does it for sure
 * (all) and whether it does as memory is (sober). */
static void follow_defer(struct ahead *a, const struct goroutine *g, taddr closure,
                         struct ahead_result *sum)
{
    uint64_t code;
    if (!ahead_peek(&a->mem, closure, 8, &code))
        return;
    uint32_t fn = ahead_fn_at(&a->code, code);
    uint32_t worth = AHEAD_K_UNKNOWN | AHEAD_K_DEFER | AHEAD_K_GO | AHEAD_K_RECOVER;
    if (fn != SNAP_NONE && !(ahead_kinds_of(&a->code, fn) & (a->wanted->kinds | worth)))
        return;
    struct ahead_start s = {
        .pc = code, .sp = SCRATCH, .end = SCRATCH, .g = g->g.addr, .context = closure};
    struct ahead_result r = ahead_follow(a, &s);
    for (size_t i = r.first; i < r.first + r.n; i++) {
        struct ahead_tally *t = &a->tallies.v[i];
        t->all = r.ended && t->all == r.ended && !r.cut;
        t->sober = t->sober || !r.sober;
    }
    sum->n += r.n;
    sum->ended += r.ended;
    sum->cut += r.cut;
    sum->recovers |= r.recovers;
    sum->unknown_call |= r.unknown_call;
    sum->unknown_unlock |= r.unknown_unlock;
}

/* Until 1.21 a record stays in the list while a panic runs its function. */
static void drop_running(struct ahead *a, const struct ahead_goroutine *ag, struct ahead_pending *p)
{
    uint64_t code;
    if (!rt_has(&a->c->rt->layout, RT_defer_open_defer))
        return;
    for (size_t i = 1; i < ag->frames.n; i++) {
        if (!ag->frames.v[i].dead || ag->frames.v[i - 1].dead)
            continue;
        taddr entry = a->code.fns.v[ag->frames.v[i - 1].fn].entry;
        for (size_t k = 0; k < p->n; k++)
            if (ahead_peek(&a->mem, p->v[k].fn, 8, &code) && code == entry) {
                p->v[k].sp = 0;
                return;
            }
    }
}

size_t ahead_open_of(struct ahead *a, const struct ahead_frame *f, taddr ret[8])
{
    const struct ahead_fn *fn = &a->code.fns.v[f->fn];
    bool set_up = f->size > 0 && (!f->exact || f->pc - fn->entry >= RT_PROLOGUE);
    return set_up ? ahead_open_defers(a, f->exact ? f->pc : f->pc - 1, f->sp + (taddr)f->size - 8,
                                      ret, 8)
                  : 0;
}

static void follow_defers(struct ahead *a, const struct goroutine *g, struct ahead_frame *f,
                          const struct ahead_pending *p)
{
    taddr open[8];
    f->defers = (struct ahead_result){.first = a->tallies.n};
    size_t n = ahead_open_of(a, f, open);
    for (size_t i = 0; i < n; i++)
        follow_defer(a, g, open[i], &f->defers);
    size_t open_end = a->tallies.n;
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].sp == f->sp)
            follow_defer(a, g, p->v[i].fn, &f->defers);
    for (size_t i = open_end; i < a->tallies.n; i++)
        a->tallies.v[i].apart = true;
}

/* A panic passes through frames until one of which a deferred call recovers: that one returns, and
 * its callers go on. */
static void end_panic(struct ahead_goroutine *ag, size_t i)
{
    if (!ag->frames.v[i].dead || !ag->frames.v[i].defers.recovers)
        return;
    for (size_t k = i + 1; k < ag->frames.n; k++)
        ag->frames.v[k].dead = false;
}

static void take_flags(struct ahead_goroutine *ag)
{
    for (size_t i = 0; i < ag->frames.n; i++) {
        const struct ahead_frame *f = &ag->frames.v[i];
        if (f->body.unknown_unlock || f->defers.unknown_unlock)
            ag->flags |= SNAP_AH_UNKNOWN_UNLOCK;
        if (f->body.unknown_call || f->defers.unknown_call)
            ag->flags |= SNAP_AH_UNKNOWN_CALL;
        if (f->body.cut || f->defers.cut)
            ag->flags |= SNAP_AH_CUT;
        ag->defers_open |= f->defers.unknown_unlock || f->defers.unknown_call || f->defers.cut;
    }
    if (ag->in_lock && ag->in_lock != AHEAD_IN_GROUP && !ag->waits_on)
        ag->flags |= SNAP_AH_IN_LOCK;
}

/* ---- a goroutine ---- */

bool ahead_is_walkable(const struct goroutine *g)
{
    taddr sp = captured_context(g).sp;
    return sp && sp >= g->g.stack_lo && sp < g->g.stack_hi && !(sp & 7);
}

bool ahead_is_parked(const struct snap *s, uint32_t g)
{
    return s->goroutine.status[g] == SNAP_G_WAITING &&
           strcmp(snap_str(s, s->goroutine.wait_reason[g]), "sleep") != 0;
}

/* Which objects count of what a goroutine does. */
static const struct ahead_wanted *wanted_of(const struct ahead_job *j, const struct goroutine *g)
{
    bool active = !ahead_is_parked(j->c->s, g->row);
    return j->c->o->owners == RT_OWNERS_ACTIVE && active ? &j->every : &j->wanted;
}

static void look(struct ahead *a, const struct ahead_job *j, uint32_t gi, struct ahead_found *ret)
{
    const struct goroutine *g = &j->c->gs[gi];
    struct ahead_goroutine ag = {.gi = gi};
    uint32_t first;
    ag.nwaits = snap_waits_of(j->c->s, g->row, &first);
    ag.waits = &j->c->s->wait.addr[first];
    ag.waits_on = ag.nwaits == 1 ? ag.waits[0] : 0;
    struct ahead_pending p = {.n = 0};
    a->tallies.n = 0;
    a->wanted = wanted_of(j, g);
    bool hopeless = map_get(&j->hopeless, j->crowd[gi]) != MAP_NONE;
    uint64_t steps = hopeless ? min_u64(j->steps, STEPS_LEAST) : j->steps;
    a->left = steps;
    a->mem.lo = g->g.stack_lo;
    a->mem.hi = g->g.stack_hi;
    if (!ahead_is_walkable(g)) {
        ag.flags = SNAP_AH_SKIPPED;
    } else {
        ahead_walk(a, g, &ag, AHEAD_FRAMES);
        p.n = ahead_defer_list(a, &g->g, p.v, AHEAD_PENDING);
        drop_running(a, &ag, &p);
    }
    for (size_t i = 0; i < ag.frames.n; i++) {
        follow_defers(a, g, &ag.frames.v[i], &p);
        end_panic(&ag, i);
    }
    for (size_t i = 0; !hopeless && i < ag.frames.n; i++)
        follow_body(a, g, &ag, i);
    take_flags(&ag);
    ag.flags |= hopeless ? SNAP_AH_CUT : 0;
    ret->steps += steps - a->left;
    size_t before = ret->claims.v.n;
    if (a->tallies.n)
        ahead_judge(a, &ag, a->wanted, &ret->claims);
    j->in_vain[gi] = (ag.flags & SNAP_AH_CUT) && ret->claims.v.n == before;
    vec_free(&ag.frames);
    if (ag.flags)
        vec_push(&ret->doubts, ag);
}

void ahead_look_at(struct capture *c, uint32_t gi, struct ahead_claims *ret)
{
    struct ahead a = {0};
    struct ahead_found found = {0};
    struct ahead_job j = {.c = c,
                          .wanted = {.all = true, .kinds = UINT16_MAX},
                          .every = {.all = true, .kinds = UINT16_MAX},
                          .steps = STEPS_MOST,
                          .crowd = mem_alloc(c->ngs * sizeof(*j.crowd) + 1),
                          .in_vain = mem_alloc(c->ngs + 1)};
    ahead_init(&a, c);
    a.wanted = &j.wanted;
    look(&a, &j, gi, &found);
    *ret = found.claims;
    vec_free(&found.doubts);
    ahead_close(&a);
    free(j.crowd);
    free(j.in_vain);
}

static struct ahead *worker_of(struct ahead_job *j, unsigned worker)
{
    struct ahead *a = &j->workers[worker];
    if (!j->made[worker]) {
        ahead_init(a, j->c);
        a->wanted = &j->wanted;
        j->made[worker] = true;
    }
    return a;
}

static struct err *chunk(void *arg, size_t n, unsigned worker)
{
    struct ahead_job *j = arg;
    struct ahead *a = worker_of(j, worker);
    size_t end = min_u64((n + 1) * CHUNK, j->n);
    for (size_t i = n * CHUNK; i < end; i++)
        look(a, j, j->order[i], &j->found[worker]);
    return worker ? NULL : progress_step(j->c->o->progress, "owners", end, j->n);
}

/* Which crowds goroutines belong to. */
static struct err *crowd_chunk(void *arg, size_t n, unsigned worker)
{
    struct ahead_job *j = arg;
    struct ahead *a = worker_of(j, worker);
    size_t end = min_u64((n + 1) * CHUNK, j->n);
    for (size_t i = n * CHUNK; i < end; i++) {
        const struct goroutine *g = &j->c->gs[j->order[i]];
        struct ahead_goroutine ag = {.gi = j->order[i]};
        uint64_t hash = 1;
        if (ahead_is_walkable(g))
            ahead_walk(a, g, &ag, AHEAD_FRAMES);
        for (size_t k = 0; k < ag.frames.n; k++)
            hash = hash_u64(hash ^ ag.frames.v[k].pc);
        j->crowd[ag.gi] = hash;
        vec_free(&ag.frames);
    }
    return NULL;
}

static struct err *run(struct ahead_job *j, uint64_t total,
                       struct err *(*fn)(void *arg, size_t i, unsigned worker))
{
    bool stopped = target_kind(j->c->t) == TARGET_STOP;
    j->steps = max_u64(stopped ? 1 : STEPS_LEAST, min_u64(STEPS_MOST, total / (j->n + 1)));
    return pool_run((j->n + CHUNK - 1) / CHUNK, fn, j);
}

/* Puts the first of each crowd to the front of the order; how many these are. */
static size_t choose_samples(struct ahead_job *j)
{
    struct map seen = {0};
    uint32_t *rest = mem_alloc(j->n * sizeof(*rest) + 1);
    size_t samples = 0, others = 0;
    for (size_t i = 0; i < j->n; i++) {
        uint64_t crowd = j->crowd[j->order[i]];
        uint32_t n = map_get(&seen, crowd);
        n = n == MAP_NONE ? 0 : n;
        map_put(&seen, crowd, n + 1);
        if (n < SAMPLES)
            j->order[samples++] = j->order[i];
        else
            rest[others++] = j->order[i];
    }
    memcpy(j->order + samples, rest, others * sizeof(*rest));
    free(rest);
    map_free(&seen);
    return samples;
}

static void find_hopeless(struct ahead_job *j, size_t samples)
{
    struct map in_vain = {0};
    for (size_t i = 0; i < samples; i++) {
        uint64_t crowd = j->crowd[j->order[i]];
        uint32_t n = map_get(&in_vain, crowd);
        n = (n == MAP_NONE ? 0 : n) + j->in_vain[j->order[i]];
        map_put(&in_vain, crowd, n);
        if (n == SAMPLES)
            map_put(&j->hopeless, crowd, 0);
    }
    map_free(&in_vain);
}

static struct err *rounds(struct ahead_job *j, unsigned workers)
{
    struct capture *c = j->c;
    uint64_t total = target_kind(c->t) == TARGET_STOP ? STEPS_STOPPED : STEPS_TOTAL, used = 0;
    j->order = mem_alloc(c->ngs * sizeof(*j->order) + 1);
    j->crowd = mem_alloc(c->ngs * sizeof(*j->crowd) + 1);
    j->in_vain = mem_alloc(c->ngs + 1);
    for (size_t i = 0; i < c->ngs; i++) {
        uint32_t row = c->gs[i].row;
        if (row != SNAP_NONE && !(c->s->goroutine.flags[row] & SNAP_GF_SYSTEM))
            j->order[j->n++] = (uint32_t)i;
    }
    struct err *e = run(j, total, crowd_chunk);
    size_t all = j->n, samples = j->n = choose_samples(j);
    if (!e)
        e = run(j, total, chunk);
    find_hopeless(j, samples);
    for (unsigned i = 0; i < workers; i++)
        used += j->found[i].steps;
    uint32_t *order = j->order;
    j->order += samples;
    j->n = all - samples;
    if (!e && j->n)
        e = run(j, total - min_u64(total, used), chunk);
    free(order);
    free(j->crowd);
    free(j->in_vain);
    map_free(&j->hopeless);
    return e;
}

/* ---- what is waited for ---- */

static void want(struct map *m, taddr addr)
{
    map_put(m, addr, 0);
}

static void want_sema(struct ahead_job *j, struct ahead *a, uint32_t gi, taddr addr)
{
    struct ahead_goroutine g = {.gi = gi};
    struct ahead_wanted *w = &j->wanted;
    enum { MUTEX = 4, WRITER = 8, READER = 12, GROUP = 8 };
    struct map *in = &w->mutexes;
    ahead_walk(a, &j->c->gs[gi], &g, IN_LOCK_FRAMES);
    vec_free(&g.frames);
    if (g.in_lock == AHEAD_IN_GROUP) {
        addr -= GROUP;
        in = &w->groups;
    } else if (g.in_lock == AHEAD_IN_WRITER || g.in_lock == AHEAD_IN_READER) {
        addr -= g.in_lock == AHEAD_IN_WRITER ? WRITER : READER;
        in = &w->rws;
    } else {
        addr -= MUTEX;
        in = g.in_lock == AHEAD_IN_WRITERS_MUTEX ? &w->rws : in;
    }
    want(in, addr);
    vec_push(&w->locks, addr);
    w->kinds |= g.in_lock == AHEAD_IN_GROUP ? AHEAD_K_GROUP : AHEAD_K_LOCK;
}

/* A channel: senders wait for who receives, receivers for who sends. */
static void want_chan(struct ahead_wanted *w, taddr addr, bool sends)
{
    uint32_t was = map_get(&w->chans, addr);
    uint32_t now = (was == MAP_NONE ? 0 : was) | (sends ? AHEAD_WANT_RECV : AHEAD_WANT_SEND);
    if (was != now)
        map_put(&w->chans, addr, now);
    w->kinds |= AHEAD_K_CLOSE | (sends ? AHEAD_K_RECV : AHEAD_K_SEND);
}

/* Channels that panics are about: who will close them once more. */
static void want_closed(struct ahead_wanted *w, const struct snap *s)
{
    bool added;
    for (uint32_t i = 0; i < s->panic.n; i++) {
        if (!s->panic.object[i] || !capture_panics_of_closed(s, i))
            continue;
        map_get_or_put(&w->chans, s->panic.object[i], 0, &added);
        w->kinds |= AHEAD_K_CLOSE;
    }
}

static void want_reason(struct ahead_wanted *w, const char *reason)
{
    if (strncmp(reason, "sync.Cond", 9) == 0) {
        w->conds = true;
        w->kinds |= AHEAD_K_COND;
    } else if (strcmp(reason, "coroutine") == 0) {
        w->coros = true;
        w->kinds |= AHEAD_K_CORO;
    }
}

static void find_wanted(struct ahead_job *j)
{
    struct snap *s = j->c->s;
    struct ahead a = {0};
    struct map by_row = {0}, seen = {0};
    ahead_init(&a, j->c);
    for (size_t i = 0; i < j->c->ngs; i++) {
        uint32_t row = j->c->gs[i].row;
        if (row == SNAP_NONE)
            continue;
        map_put(&by_row, row, (uint32_t)i);
        want_reason(&j->wanted, snap_str(s, s->goroutine.wait_reason[row]));
    }
    for (size_t i = 0; i < s->wait.n; i++) {
        uint32_t gi = map_get(&by_row, s->wait.goroutine[i]);
        bool added;
        uint8_t kind = s->wait.kind[i];
        if (kind == SNAP_W_SEMA) {
            if (map_get_or_put(&seen, s->wait.addr[i], 0, &added), added)
                want_sema(j, &a, gi, s->wait.addr[i]);
        } else if (kind == SNAP_W_CHAN_SEND || kind == SNAP_W_SELECT_SEND) {
            want_chan(&j->wanted, s->wait.addr[i], true);
        } else if (kind == SNAP_W_CHAN_RECV || kind == SNAP_W_SELECT_RECV) {
            want_chan(&j->wanted, s->wait.addr[i], false);
        }
    }
    ahead_close(&a);
    map_free(&by_row);
    map_free(&seen);
    want_closed(&j->wanted, s);
    j->wanted.all = j->c->o->owners == RT_OWNERS_ALL;
    if (j->wanted.all)
        j->wanted.kinds = UINT16_MAX;
    j->every = j->wanted;
    j->every.all = true;
    j->every.kinds = UINT16_MAX;
}

/* ---- all of them ---- */

static int by_claim(const void *a, const void *b)
{
    const struct ahead_claim *x = a, *y = b;
    if (x->gi != y->gi)
        return x->gi < y->gi ? -1 : 1;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return (int)x->act - (int)y->act;
}

static int by_goroutine(const void *a, const void *b)
{
    const struct ahead_goroutine *x = a, *y = b;
    return x->gi < y->gi ? -1 : x->gi > y->gi;
}

static void find_orphans(const struct ahead_wanted *w, struct ahead_found *all)
{
    struct map told = {0};
    for (size_t i = 0; i < all->claims.v.n; i++)
        map_put(&told, all->claims.v.v[i].addr, 0);
    for (size_t i = 0; i < w->locks.n; i++) {
        bool added;
        map_get_or_put(&told, w->locks.v[i], 0, &added);
        if (added)
            vec_push(&all->orphans, w->locks.v[i]);
    }
    map_free(&told);
}

size_t ahead_orphans(const struct capture *c, const taddr **ret)
{
    *ret = c->ahead ? c->ahead->orphans.v : NULL;
    return c->ahead ? c->ahead->orphans.n : 0;
}

/* A coroutine switches back to who waits for it when it yields, or at the latest when it ends: what
 * has started it has deferred that (corostart). */
static void add_coroutines(const struct capture *c, struct ahead_claims *all)
{
    struct map told = {0};
    for (size_t i = 0; i < all->v.n; i++)
        if (all->v.v[i].act == SNAP_ACT_RESUME)
            map_put(&told, hash_u64(all->v.v[i].addr) ^ all->v.v[i].gi, (uint32_t)i);
    for (size_t i = 0; c->waits && i < c->waits->coros.n; i++) {
        const struct wait_coro *k = &c->waits->coros.v[i];
        uint32_t at = map_get(&told, hash_u64(k->addr) ^ k->gi);
        if (at == MAP_NONE) {
            at = (uint32_t)all->v.n;
            vec_push(&all->v,
                     ((struct ahead_claim){.gi = k->gi, .addr = k->addr, .act = SNAP_ACT_RESUME}));
        }
        all->v.v[at].evidence = SNAP_PROOF_PROVED;
        all->v.v[at].how = SNAP_HOW_DEFER;
    }
    map_free(&told);
}

static void gather(struct ahead_job *j, unsigned n)
{
    struct ahead_found *all = mem_alloc(sizeof(*all));
    for (unsigned i = 0; i < n; i++) {
        struct ahead_found *f = &j->found[i];
        for (size_t k = 0; k < f->claims.v.n; k++)
            vec_push(&all->claims.v, f->claims.v.v[k]);
        for (size_t k = 0; k < f->doubts.n; k++)
            vec_push(&all->doubts, f->doubts.v[k]);
        vec_free(&f->claims.v);
        vec_free(&f->doubts);
    }
    add_coroutines(j->c, &all->claims);
    if (all->claims.v.n)
        qsort(all->claims.v.v, all->claims.v.n, sizeof(*all->claims.v.v), by_claim);
    if (all->doubts.n)
        qsort(all->doubts.v, all->doubts.n, sizeof(*all->doubts.v), by_goroutine);
    ahead_compare(&all->claims);
    find_orphans(&j->wanted, all);
    j->c->ahead = all;
}

struct err *capture_ahead(struct capture *c)
{
    if (c->o->owners == RT_OWNERS_NONE)
        return NULL;
    if (c->live || !target_arch(c->t)->op) {
        snap_note_missing(c->s, 1, "who holds locks",
                          c->live ? "nothing stood still" : "not on this processor yet");
        return NULL;
    }
    unsigned n = pool_width();
    struct ahead_job j = {.c = c};
    find_wanted(&j);
    if (!c->ngs || (!j.wanted.kinds && c->o->owners != RT_OWNERS_ACTIVE)) {
        gather(&j, 0);
        n = 0;
    }
    j.workers = mem_alloc((n + 1) * sizeof(*j.workers));
    j.made = mem_alloc((n + 1) * sizeof(*j.made));
    j.found = mem_alloc((n + 1) * sizeof(*j.found));
    struct err *e = n ? rounds(&j, n) : NULL;
    if (n)
        gather(&j, n);
    if (n && !e && j.made[0]) {
        ahead_find_left(&j.workers[0], &j.wanted, c->ahead);
        ahead_find_taken(&j.workers[0], &j.wanted, &c->ahead->claims);
    }
    for (unsigned i = 0; i < n; i++)
        if (j.made[i])
            ahead_close(&j.workers[i]);
    free(j.workers);
    free(j.made);
    free(j.found);
    map_free(&j.wanted.mutexes);
    map_free(&j.wanted.rws);
    map_free(&j.wanted.groups);
    map_free(&j.wanted.chans);
    vec_free(&j.wanted.locks);
    return e;
}

void ahead_rows(struct capture *c)
{
    struct snap *s = c->s;
    if (!c->ahead)
        return;
    snap_set_counter(s, "ahead.looked", 1);
    for (size_t i = 0; i < c->ahead->claims.v.n; i++) {
        const struct ahead_claim *k = &c->ahead->claims.v.v[i];
        uint32_t row = snap_add_owner(s);
        s->owner.goroutine[row] = c->gs[k->gi].row;
        s->owner.addr[row] = k->addr;
        s->owner.act[row] = k->act;
        s->owner.evidence[row] = k->evidence;
        s->owner.how[row] = k->how;
        s->owner.pc[row] = k->pc ? symbols_pc(c->symbols, k->pc, true) : SNAP_NONE;
        s->owner.frame[row] = k->frame;
        s->owner.taken[row] = k->taken ? symbols_pc(c->symbols, k->taken, false) : SNAP_NONE;
        s->owner.taken_frame[row] = k->taken_frame;
        s->owner.taken_sure[row] = k->taken_sure;
    }
    for (size_t i = 0; i < c->ahead->doubts.n; i++) {
        uint32_t row = snap_add_ahead(s);
        s->ahead.goroutine[row] = c->gs[c->ahead->doubts.v[i].gi].row;
        s->ahead.flags[row] = c->ahead->doubts.v[i].flags;
    }
    for (size_t i = 0; i < c->ahead->unowned.n; i++) {
        uint32_t row = snap_add_unowned(s);
        s->unowned.addr[row] = c->ahead->unowned.v[i].addr;
        s->unowned.slot[row] = c->ahead->unowned.v[i].slot;
        s->unowned.flags[row] = c->ahead->unowned.v[i].flags;
    }
    for (size_t i = 0; i < c->ahead->releasers.n; i++) {
        uint32_t row = snap_add_releaser(s);
        s->releaser.slot[row] = c->ahead->releasers.v[i];
        s->releaser.type[row] = SNAP_NONE;
    }
    for (size_t i = 0; i < c->ahead->releaser_types.n; i++) {
        uint32_t row = snap_add_releaser(s);
        s->releaser.slot[row] = SNAP_NONE;
        s->releaser.type[row] = c->ahead->releaser_types.v[i];
    }
    snap_set_counter(s, "ahead.timers", c->ahead->timers);
}

void ahead_free(struct capture *c)
{
    if (!c->ahead)
        return;
    vec_free(&c->ahead->claims.v);
    vec_free(&c->ahead->doubts);
    vec_free(&c->ahead->orphans);
    vec_free(&c->ahead->unowned);
    vec_free(&c->ahead->releasers);
    vec_free(&c->ahead->releaser_types);
    free(c->ahead);
    c->ahead = NULL;
}
