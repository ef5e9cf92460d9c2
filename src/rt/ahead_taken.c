/* ahead_taken.c - where a lock was taken that a goroutine holds.
 *
 * Go: sync/mutex.go, rwmutex.go, internal/sync/mutex.go (1.18-1.27).
 *
 * Go does not record that either.  But who will release a lock by the code ahead of a frame has
 * nearly always taken it in code of the same function that lies behind.  So the calls that take
 * locks are looked for there: of package sync (its inlined fast paths have a slow path beside them,
 * which is a call with the same lock), through an interface, and of the program's own functions
 * that take one and release none.  Which lock it was, the words of the frame tell that led to it
 * (code_follow.c), if they still do.
 *
 * One that was for the very lock is sure; of several the last.  A word of the frame that leads
 * elsewhere says nothing: the slow path may be the only one that writes it.  So otherwise a call is
 * told when it is the only one in the function that can have been, and as such. */
#include <stdlib.h>

#include "rt/closers_int.h"
#include "rt/heap_code_int.h"

enum { CLAIMS_MAX = 4096, TAKES_MAX = 64, CODE_MAX = 1 << 18, CALLEE_MAX = 1 << 14 };

struct take {
    taddr behind;            /* return address of the call */
    struct code_value value; /* what it was given */
    int8_t off;              /* how far behind the beginning of the lock that is */
    bool reads, any;         /* any: through an interface, for whatever it is */
};

struct taking { /* a function */
    bool releases;
    VEC(struct take) v;
};

struct takings {
    struct ahead *a;
    struct map by_entry, by_frame; /* entry -> index */
    VEC(struct taking) fns;
};

/* ---- calls that take locks ---- */

struct reading {
    struct takings *t;
    const struct rt_module *m;
    enum code_view view;
    taddr behind;
    struct taking found;
};

static uint32_t taking_of(struct takings *t, uint32_t fn, enum code_view view, size_t most);

static void push(struct reading *r, struct take k)
{
    k.behind = r->behind;
    if (r->found.v.n < TAKES_MAX)
        vec_push(&r->found.v, k);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static void call_of_sync(struct reading *r, const char *name, const struct code_value *arg)
{
    static const struct {
        const char *suffix;
        int8_t off;
        bool reads;
    } takes[] = {{"(*Mutex).Lock", 0, false},          {"(*Mutex).lockSlow", 0, false},
                 {"(*Mutex).TryLock", 0, false},       {"(*RWMutex).Lock", 0, false},
                 {"(*RWMutex).TryLock", 0, false},     {"(*RWMutex).RLock", 0, true},
                 {"(*RWMutex).TryRLock", 0, true},     {"runtime_SemacquireRWMutexR", 12, true},
                 {"runtime_SemacquireMutex", 12, true}}; /* the slow path of RLock until 1.19 */
    static const char *const releases[] = {"(*Mutex).Unlock", "(*Mutex).unlockSlow",
                                           "(*RWMutex).Unlock", "(*RWMutex).RUnlock",
                                           "(*RWMutex).rUnlockSlow"};
    for (size_t i = 0; i < ARRAY_LEN(takes); i++)
        if (ends_with(name, takes[i].suffix))
            push(r, (struct take){.value = *arg, .off = takes[i].off, .reads = takes[i].reads});
    for (size_t i = 0; i < ARRAY_LEN(releases); i++)
        r->found.releases |= ends_with(name, releases[i]);
}

/* A function of the program that takes locks for who calls it. */
static void call_of_other(struct reading *r, uint32_t fn, const struct code_value args[CODE_ARGS])
{
    uint32_t i = taking_of(r->t, fn, CODE_BY_ENTRY, CALLEE_MAX);
    const struct taking *callee = i == SNAP_NONE ? NULL : &r->t->fns.v[i];
    for (size_t k = 0; callee && !callee->releases && k < callee->v.n; k++) {
        struct take x = callee->v.v[k];
        x.value = closings_in_caller(x.value, args);
        if (!x.any)
            push(r, x);
    }
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    struct reading *r = arg;
    struct ahead_code *code = &r->t->a->code;
    uint32_t fn = target ? ahead_fn_at(code, target) : SNAP_NONE;
    if (!target)
        push(r, (struct take){.value = args[0], .any = true});
    else if (fn != SNAP_NONE && code->fns.v[fn].entry == target) {
        if (ahead_in_sync(&code->fns.v[fn]))
            call_of_sync(r, code->fns.v[fn].name, &args[0]);
        else if (r->view == CODE_BY_FRAME && !code->fns.v[fn].runtime)
            call_of_other(r, fn, args);
    }
    return heap_code_makes(r->m, target, args);
}

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    (void)arg, (void)base, (void)off, (void)v;
}

static void read_function(struct reading *r, taddr entry, size_t n)
{
    struct ahead *a = r->t->a;
    struct pcln_func f;
    uint8_t *code = mem_alloc(n);
    struct err *e = target_read(a->c->t, entry, code, n);
    const struct code_events ev = {.store = on_store,
                                   .call = on_call,
                                   .arg = r,
                                   .view = r->view,
                                   .inner = true,
                                   .behind = &r->behind};
    if (!e && rt_func_at(a->c->rt, entry, &f, &r->m))
        code_follow(target_arch(a->c->t), code, n, entry, &ev);
    err_free(e);
    free(code);
}

/* Index of fns; SNAP_NONE: more than `most` bytes of code. */
static uint32_t taking_of(struct takings *t, uint32_t fn, enum code_view view, size_t most)
{
    const struct ahead_fn f = t->a->code.fns.v[fn];
    struct map *known = view == CODE_BY_FRAME ? &t->by_frame : &t->by_entry;
    uint32_t i = map_get(known, f.entry);
    if (i != MAP_NONE)
        return i;
    if (f.end - f.entry > most)
        return SNAP_NONE;
    struct reading r = {.t = t, .view = view};
    read_function(&r, f.entry, f.end - f.entry);
    i = (uint32_t)t->fns.n;
    vec_push(&t->fns, r.found);
    map_put(known, f.entry, i);
    return i;
}

/* ---- a lock ---- */

enum fit { FIT_NOT, FIT_MAYBE, FIT_SURE };

static enum fit fit_of(struct takings *t, const struct ahead_claim *c, const struct ahead_frame *f,
                       const struct take *k)
{
    struct closing_place at = {.fn = f->fn, .pc = f->pc, .exact = f->exact, .slot = -1};
    bool fixed = k->value.kind == CODE_ADDRESS;
    taddr lock = k->value.at;
    bool told = fixed || closings_value(&t->a->mem, &k->value, f->sp, &lock);
    if (!k->any && k->reads != (c->act == SNAP_ACT_RUNLOCK))
        return FIT_NOT;
    enum fit fit = told && lock - (taddr)k->off == c->addr ? FIT_SURE
                   : k->any || fixed                       ? FIT_NOT
                                                           : FIT_MAYBE;
    if (fit != FIT_NOT && closing_passed(&t->a->code, &at, k->behind) == CLOSING_NOT)
        return FIT_NOT;
    return fit;
}

/* sure: only calls that were for this very lock count. */
static bool search_frame(struct takings *t, struct ahead_claim *c, const struct ahead_frame *f,
                         bool sure)
{
    uint32_t i = taking_of(t, f->fn, CODE_BY_FRAME, CODE_MAX);
    size_t sures = 0, maybes = 0;
    taddr last = 0, maybe = 0;
    for (size_t k = 0; i != SNAP_NONE && k < t->fns.v[i].v.n; k++) {
        const struct take take = t->fns.v[i].v.v[k];
        enum fit fit = fit_of(t, c, f, &take);
        bool before = take.behind <= f->pc, last_before = last && last <= f->pc;
        if (fit == FIT_SURE && (!sures++ || before >= last_before))
            last = take.behind;
        if (fit == FIT_MAYBE && maybe != take.behind) {
            maybe = take.behind;
            maybes++;
        }
    }
    if (!sures && (sure || maybes != 1))
        return false;
    c->taken = sures ? last : maybe;
    c->taken_frame = f->number;
    c->taken_sure = sures > 0;
    return true;
}

static void search(struct takings *t, struct ahead_claim *c)
{
    const struct goroutine *g = &t->a->c->gs[c->gi];
    struct ahead_goroutine ag = {.gi = c->gi};
    if (ahead_is_walkable(g))
        ahead_walk(t->a, g, &ag, AHEAD_FRAMES);
    bool found = false;
    for (int sure = 1; sure >= 0 && !found; sure--)
        found = c->frame < ag.frames.n && search_frame(t, c, &ag.frames.v[c->frame], sure);
    for (size_t i = 0; (!found || !c->taken_sure) && i < ag.frames.n; i++)
        found |= i != c->frame && search_frame(t, c, &ag.frames.v[i], true);
    vec_free(&ag.frames);
}

static bool is_asked(const struct ahead_wanted *w, const struct ahead_claim *c)
{
    bool holds =
        c->act == SNAP_ACT_UNLOCK || c->act == SNAP_ACT_RUNLOCK || c->act == SNAP_ACT_LOCK_AGAIN;
    return holds &&
           (map_get(&w->mutexes, c->addr) != MAP_NONE || map_get(&w->rws, c->addr) != MAP_NONE);
}

void ahead_find_taken(struct ahead *a, const struct ahead_wanted *w, struct ahead_claims *all)
{
    struct takings t = {.a = a};
    uint64_t asked = 0;
    for (size_t i = 0; i < all->v.n; i++)
        if (is_asked(w, &all->v.v[i]) && ++asked <= CLAIMS_MAX)
            search(&t, &all->v.v[i]);
    if (asked > CLAIMS_MAX)
        snap_note_missing(a->c->s, asked - CLAIMS_MAX, "where locks were taken",
                          "there are too many");
    for (size_t i = 0; i < t.fns.n; i++)
        vec_free(&t.fns.v[i].v);
    vec_free(&t.fns);
    map_free(&t.by_entry);
    map_free(&t.by_frame);
}
