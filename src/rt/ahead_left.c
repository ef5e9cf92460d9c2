/* ahead_left.c - locks that nobody was seen to release: who else could, told by counting.
 *
 * That a goroutine's code could not be followed to its end does not make it a suspect: by counting
 * (ahead_count.c) most of them have no lock at all.  Others may have been handed the release:
 *   - as a closure, or as a value of a type with a method that releases: those are told, and who
 *     looks at the heap sees whether one leads to the lock (wait/left.c);
 *   - as a function without captured variables, of a package-level lock: such a function refers to
 *     the lock in code, so all code is searched for that;
 *   - as a pointer to the very lock (a sync.Locker): a goroutine whose stack has one stays a
 *     suspect.
 *
 * Only done when there is such a lock, and of evidence that may wait: code is read for the first
 * time here. */
#include "rt/ahead_int.h"
#include "rt/heap_code_int.h"

enum {
    ROUNDS = 6,      /* of counting, until recursive functions come out as they were taken for */
    LOCKS_MOST = 64, /* more are left as they are */
    MUTEX_SIZE = 8,
    RWMUTEX_SIZE = 24,
    STACK_MOST = 1 << 18,
};

struct left {
    struct ahead *a;
    struct ahead_found *all;
    struct ahead_counting k;
    struct map addrs; /* of unowned locks: their size */
    struct map known; /* by goroutine: see count_known() */
};

/* ---- which locks ---- */

static bool is_static(const struct rt *rt, taddr addr)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (addr >= rt->modules[i].data_lo && addr < rt->modules[i].data_hi)
            return true;
    return false;
}

static void find_unowned(struct left *l, const struct ahead_wanted *w)
{
    struct capture *c = l->a->c;
    struct map claimed = {0};
    for (size_t i = 0; i < l->all->claims.v.n; i++)
        if (l->all->claims.v.v[i].act != SNAP_ACT_TAKE)
            map_put(&claimed, l->all->claims.v.v[i].addr, 0);
    for (size_t i = 0; i < w->locks.n; i++) {
        taddr addr = w->locks.v[i];
        enum { READERS = 16 };
        uint64_t offset;
        bool held = ahead_is_held(l->a, addr, false) || (map_get(&w->rws, addr) != MAP_NONE &&
                                                         ahead_is_held(l->a, addr + READERS, true));
        bool lock = map_get(&w->mutexes, addr) != MAP_NONE || map_get(&w->rws, addr) != MAP_NONE;
        if (!lock || !held || map_get(&claimed, addr) != MAP_NONE ||
            map_get(&l->addrs, addr) != MAP_NONE)
            continue;
        struct ahead_unowned u = {.addr = addr, .slot = SNAP_NONE};
        u.flags = is_static(c->rt, addr) ? SNAP_UN_STATIC : 0;
        if (c->heap_objects)
            u.slot = heap_slot_at(c->heap_objects, addr, &offset);
        vec_push(&l->all->unowned, u);
        map_put(&l->addrs, addr, map_get(&w->rws, addr) == MAP_NONE ? MUTEX_SIZE : RWMUTEX_SIZE);
    }
    map_free(&claimed);
}

/* ---- functions that refer to a package-level lock ---- */

/* Made by the compiler for a defer statement: nobody else gets its address. */
static bool is_wrapper(const char *name)
{
    return strstr(name, "deferwrap") || strstr(name, "gowrap") || strstr(name, "dwrap");
}

static bool releases_at(struct left *l, const struct rt_module *m, const uint8_t *text, taddr addr)
{
    const struct arch *arch = target_arch(l->a->c->rt->t);
    struct ahead_code *code = &l->a->code;
    size_t at = 0, n = m->maxpc - m->minpc;
    taddr end = addr + map_get(&l->addrs, addr);
    taddr to;
    while (arch->next_ref(text, n, m->minpc, addr, end, &at, &to)) {
        uint32_t fn = ahead_fn_at(code, m->minpc + at - 1);
        if (fn == SNAP_NONE || is_wrapper(code->fns.v[fn].name))
            continue;
        if (ahead_count_code(&l->k, code->fns.v[fn].entry).least < 0)
            return true;
    }
    return false;
}

static void search_code(struct left *l)
{
    struct rt *rt = l->a->c->rt;
    for (size_t i = 0; i < rt->nmodules; i++) {
        uint8_t *owned;
        const uint8_t *text = heap_code_text(rt, &rt->modules[i], &owned);
        for (size_t k = 0; k < l->all->unowned.n; k++) {
            struct ahead_unowned *u = &l->all->unowned.v[k];
            if (u->flags & SNAP_UN_STATIC &&
                (!text || releases_at(l, &rt->modules[i], text, u->addr)))
                u->flags |= SNAP_UN_CODE;
        }
        free(owned);
    }
}

/* ---- closures and timers ---- */

static void list_releasers(struct left *l)
{
    const struct heap *h = l->a->c->heap_objects;
    for (size_t i = 0; h && i < h->closures.n; i++)
        if (ahead_count_code(&l->k, h->closures.v[i].pc).least < 0)
            vec_push(&l->all->releasers, h->closures.v[i].slot);
}

/* Go: runtime/iface.go itab: methods stand behind the two types and a hash. */
static bool itab_releases(struct left *l, taddr itab)
{
    enum { FUN = 24, METHODS_MOST = 256 };
    uint64_t code;
    for (unsigned i = 0; i < METHODS_MOST; i++) {
        uint32_t fn;
        if (!ahead_peek(&l->a->mem, itab + FUN + 8 * i, 8, &code) ||
            !rt_is_go_code(l->a->c->rt, code) ||
            (fn = ahead_fn_at(&l->a->code, code)) == SNAP_NONE ||
            l->a->code.fns.v[fn].entry != code)
            return false;
        if (ahead_count_code(&l->k, code).least < 0)
            return true;
    }
    return false;
}

static void list_types(struct left *l)
{
    struct rt_types *ty = l->a->c->heap_objects ? l->a->c->heap_objects->types : NULL;
    struct map seen = {0};
    for (size_t i = 0; ty && i < ty->itabs.n; i++) {
        bool added;
        uint32_t type = types_of_interface(ty, ty->itabs.v[i]);
        if (type == SNAP_NONE || map_get(&seen, type) != MAP_NONE ||
            !itab_releases(l, ty->itabs.v[i]))
            continue;
        map_get_or_put(&seen, type, 0, &added);
        vec_push(&l->all->releaser_types, type);
    }
    map_free(&seen);
}

/* Go: time/sleep.go goFunc(arg any, seq uintptr): arg is a func(). */
static bool timer_releases(struct left *l, uint32_t timer)
{
    const struct snap *s = l->a->c->s;
    uint32_t row = s->timer.func[timer];
    uint64_t code;
    if (row == SNAP_NONE)
        return true;
    uint32_t fn = ahead_fn_at(&l->a->code, s->pc.addr[row]);
    if (fn == SNAP_NONE)
        return true;
    if (strcmp(l->a->code.fns.v[fn].name, "time.goFunc") != 0)
        return ahead_count_code(&l->k, l->a->code.fns.v[fn].entry).least < 0;
    return !ahead_peek(&l->a->mem, s->timer.arg[timer], 8, &code) ||
           ahead_count_code(&l->k, code).least < 0;
}

/* ---- goroutines ---- */

/* Whether a word is the address of one of the locks, but of the one that the goroutine itself waits
 * for: it takes that. */
static bool is_pointer(const struct left *l, uint64_t v, taddr waits_on)
{
    uint32_t size = map_get(&l->addrs, v);
    return size != MAP_NONE && !(waits_on > v && waits_on < v + size);
}

/* Whether a stack has a pointer to one of the locks. */
static bool has_pointer(struct left *l, const struct goroutine *g, taddr waits_on)
{
    const uint8_t *p;
    taddr at = captured_context(g).sp & ~(taddr)7, hi = g->g.stack_hi;
    if (at >= hi || hi - at > STACK_MOST)
        return true;
    while (at < hi) {
        size_t n = ahead_bytes(&l->a->mem, at, hi - at, &p) & ~(size_t)7;
        if (!n)
            return true;
        for (size_t i = 0; i < n; i += 8) {
            uint64_t v;
            memcpy(&v, p + i, 8);
            if (is_pointer(l, v, waits_on))
                return true;
        }
        at += n;
    }
    return false;
}

/* How many locks each doubtful goroutine is known to have, which its frames will release. */
static void count_known(struct left *l)
{
    for (size_t i = 0; i < l->all->claims.v.n; i++) {
        const struct ahead_claim *c = &l->all->claims.v.v[i];
        uint32_t n = map_get(&l->known, c->gi);
        if ((c->act == SNAP_ACT_UNLOCK || c->act == SNAP_ACT_RUNLOCK) && c->how != SNAP_HOW_DEFER &&
            c->evidence != SNAP_PROOF_WEAK)
            map_put(&l->known, c->gi, n == MAP_NONE ? 1 : n + 1);
    }
}

static void count_goroutines(struct left *l)
{
    const uint16_t unknown = SNAP_AH_STACK | SNAP_AH_SKIPPED | SNAP_AH_IN_LOCK;
    for (size_t i = 0; i < l->all->doubts.n; i++) {
        struct ahead_goroutine *d = &l->all->doubts.v[i];
        const struct goroutine *g = &l->a->c->gs[d->gi];
        uint32_t known = map_get(&l->known, d->gi);
        d->flags &= (uint16_t)~SNAP_AH_HAS_NONE;
        if (!(d->flags & unknown) && !has_pointer(l, g, d->waits_on) &&
            ahead_count_goroutine(&l->k, g, d->defers_open, known == MAP_NONE ? 0 : known))
            d->flags |= SNAP_AH_HAS_NONE;
    }
}

static void one_round(struct left *l)
{
    l->k.round++;
    l->k.changed = false;
    l->k.insns = 0;
    l->k.counts.n = 0;
    map_free(&l->k.place);
    l->all->releasers.n = l->all->releaser_types.n = 0;
    l->all->timers = false;
    count_goroutines(l);
    search_code(l);
    list_releasers(l);
    list_types(l);
    for (uint32_t i = 0; i < l->a->c->s->timer.n; i++)
        l->all->timers |= timer_releases(l, i);
}

void ahead_find_left(struct ahead *a, const struct ahead_wanted *w, struct ahead_found *all)
{
    struct left l = {.a = a, .all = all, .k = {.a = a, .changed = true}};
    if (target_kind(a->c->t) == TARGET_STOP)
        return; /* it would wait for us */
    a->mem.lo = a->mem.hi = 0;
    find_unowned(&l, w);
    count_known(&l);
    bool some = all->unowned.n && all->unowned.n <= LOCKS_MOST;
    for (unsigned i = 0; some && i < ROUNDS && l.k.changed && !l.k.failed; i++)
        one_round(&l);
    if (!some || l.k.changed || l.k.failed) /* as if nobody had counted */
        all->unowned.n = all->releasers.n = all->releaser_types.n = 0;
    vec_free(&l.k.counts);
    map_free(&l.k.place);
    map_free(&l.addrs);
    map_free(&l.known);
}
