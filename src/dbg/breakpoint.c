/* breakpoint.c - breakpoints as people mean them: a spec, and the sites it became.
 *
 * A spec becomes a plan (addresses, compiled condition and message), a plan is planted (sites in
 * the program).  A change makes a new plan: it is planted, becomes the breakpoint's, and the old
 * one is taken out.  In between both have sites, but only those of the breakpoint's own plan count:
 * nothing is met twice or missed while the program runs.  What was met by the old plan and is not
 * told yet is judged by the new one when its turn comes: who makes a condition narrower does not
 * want to hear of the others any more, and who looks at one goroutine does not lose another one. */
#include <stdlib.h>
#include <string.h>

#include "dbg/dbg_int.h"

enum { SITES_MAX = 4096, BREAKPOINTS_MAX = 10000 };

struct bp *bp_by_id(struct dbg *d, unsigned id)
{
    for (size_t i = 0; i < d->bps.n; i++)
        if (d->bps.v[i]->id == id)
            return d->bps.v[i];
    return NULL;
}

/* ---- plans ---- */

/* Others always exist, and have no place. */
static bool is_users(enum dbg_bp_kind kind)
{
    return kind == DBG_BP_PLACE || kind == DBG_BP_WATCH || kind == DBG_BP_GC;
}

static const char *copied(struct arena *a, const char *s)
{
    return s && *s ? arena_strdup(a, s) : "";
}

static const char *const always_names[] = {
    [DBG_BP_PANIC] = "panic",
    [DBG_BP_FATAL] = "fatal",
    [DBG_BP_RECOVERED] = "recovered",
};

static struct bp_plan *plan_new(const struct dbg_bp_spec *s)
{
    struct bp_plan *p = mem_alloc(sizeof(*p));
    arena_init(&p->arena);
    p->spec = *s;
    p->spec.place = copied(&p->arena, s->place);
    p->spec.name = is_users(s->kind) ? copied(&p->arena, s->name) : always_names[s->kind];
    p->spec.condition = copied(&p->arena, s->condition);
    p->spec.hits = copied(&p->arena, s->hits);
    p->spec.log = copied(&p->arena, s->log);
    p->note = "";
    return p;
}

static void site_uproot(struct dbg *d, struct bp_site *s)
{
    if (s->watch)
        watch_uproot(s);
    if (s->site && d->debug)
        err_free(debug_site_remove(d->debug, s->site)); /* the process may be gone */
    s->site = NULL;
}

static void plan_uproot(struct dbg *d, struct bp_plan *p)
{
    for (size_t i = 0; i < p->sites.n; i++)
        site_uproot(d, p->sites.v[i]);
    p->in = false;
}

static void plan_clear(struct bp_plan *p)
{
    for (size_t i = 0; i < p->sites.n; i++) {
        bp_release(p->sites.v[i]);
        free(p->sites.v[i]);
    }
    vec_free(&p->sites);
}

static void plan_free(struct dbg *d, struct bp_plan *p)
{
    if (!p)
        return;
    plan_uproot(d, p);
    plan_clear(p);
    arena_free(&p->arena);
    free(p);
}

static void add_site(struct bp *bp, struct bp_plan *p, const struct place *at)
{
    struct bp_site *s = mem_alloc(sizeof(*s));
    *s = (struct bp_site){.bp = bp, .plan = p, .at = *at};
    vec_push(&p->sites, s);
}

/* Functions of the runtime that a breakpoint without a place stands for. */
static void find_runtime(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    static const struct {
        enum dbg_bp_kind kind;
        const char *name;
    } functions[] = {
        {DBG_BP_PANIC, "runtime.fatalpanic"},
        {DBG_BP_FATAL, "runtime.throw"},
        {DBG_BP_FATAL, "runtime.fatal"},
        {DBG_BP_RECOVERED, "runtime.gopanic"},
    };
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        struct code_func f;
        size_t at = 0;
        if (functions[i].kind != p->spec.kind ||
            !code_func_named(d->code, functions[i].name, &at, &f))
            continue;
        struct place place = {
            .pc = code_body(d->code, &f), .entry = f.f.entry, .func = f.f.name, .file = ""};
        add_site(bp, p, &place);
    }
}

static struct err *find_sites(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    struct places found;
    struct place_from from = {.source_map = d->o.source_map};
    struct err *e = p->spec.kind == DBG_BP_GC
                        ? moment_find(d->code, p->spec.place, &p->arena, &found)
                        : place_find(d->code, p->spec.place, &from, &p->arena, &found);
    if (e && err_code(e) == ERR_NOT_FOUND && p->spec.pending) {
        p->waits = true;
        p->note = arena_strdup(&p->arena, err_message(e));
        err_free(e);
        return NULL;
    }
    if (e)
        return e;
    if (found.n > SITES_MAX)
        return err_new(ERR_LIMIT, "%s has %zu addresses; more than %d are not taken", p->spec.place,
                       found.n, SITES_MAX);
    p->waits = false;
    p->note = found.note;
    for (size_t i = 0; i < found.n; i++)
        add_site(bp, p, &found.v[i]);
    return NULL;
}

static struct err *find_watched(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    struct place nowhere = {.func = "", .file = ""};
    add_site(bp, p, &nowhere);
    return watch_make(d, p, p->sites.v[0]);
}

/* Everything but the sites in the program. */
static struct err *plan_make(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    TRY(bp_parse_rule(p->spec.hits, &p->rule));
    if (p->spec.kind == DBG_BP_PLACE || p->spec.kind == DBG_BP_GC)
        TRY(find_sites(d, bp, p));
    else if (p->spec.kind == DBG_BP_WATCH)
        TRY(find_watched(d, bp, p));
    else
        find_runtime(d, bp, p);
    for (size_t i = 0; i < p->sites.n; i++)
        TRY(bp_compile(d, p, p->sites.v[i]));
    return NULL;
}

static struct err *plan_plant(struct dbg *d, struct bp_plan *p)
{
    if (p->spec.off || !d->debug)
        return NULL;
    for (size_t i = 0; i < p->sites.n; i++) {
        struct bp_site *s = p->sites.v[i];
        if (s->watch)
            TRY(watch_plant(s));
        else
            TRY(debug_site_add(d->debug, s->at.pc, bp_met, s, &s->site));
    }
    p->in = true;
    return NULL;
}

/* ---- breakpoints ---- */

static struct bp *bp_new(struct dbg *d, unsigned id)
{
    struct bp *bp = mem_alloc(sizeof(*bp));
    bp->d = d;
    bp->id = id;
    pthread_mutex_init(&bp->lock, NULL);
    return bp;
}

static void bp_free(struct bp *bp)
{
    plan_free(bp->d, bp->plan);
    map_free(&bp->slot_of);
    vec_free(&bp->counts);
    free(bp->trouble);
    pthread_mutex_destroy(&bp->lock);
    free(bp);
}

static void keep_ordered(struct dbg *d, struct bp *bp)
{
    size_t at = d->bps.n;
    vec_push(&d->bps, bp);
    for (; at && d->bps.v[at - 1]->id > bp->id; at--)
        d->bps.v[at] = d->bps.v[at - 1];
    d->bps.v[at] = bp;
}

static struct err *add(struct dbg *d, unsigned id, const struct dbg_bp_spec *s)
{
    struct bp *bp = bp_new(d, id);
    struct bp_plan *p = plan_new(s);
    struct err *e = plan_make(d, bp, p);
    atomic_store(&bp->plan, p);
    if (!e)
        e = plan_plant(d, p);
    if (e) {
        plan_uproot(d, p);
        dbg_forget_hits(d, bp, NULL);
        bp_free(bp);
        return e;
    }
    keep_ordered(d, bp);
    return NULL;
}

struct err *bp_init(struct dbg *d)
{
    d->next_id = 1;
    TRY(add(d, DBG_BP_ID_PANIC, &(struct dbg_bp_spec){.kind = DBG_BP_PANIC}));
    TRY(add(d, DBG_BP_ID_FATAL, &(struct dbg_bp_spec){.kind = DBG_BP_FATAL}));
    return add(d, DBG_BP_ID_RECOVERED,
               &(struct dbg_bp_spec){.kind = DBG_BP_RECOVERED, .off = true});
}

void bp_free_all(struct dbg *d)
{
    for (size_t i = 0; i < d->bps.n; i++)
        bp_free(d->bps.v[i]);
    vec_free(&d->bps);
}

static struct err *check_spec(const struct dbg *d, const struct dbg_bp_spec *s)
{
    if (d->state == DBG_OVER)
        return err_new(ERR_GONE, "the program has ended");
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core does not run: nothing can be met in it");
    if (is_users(s->kind) && (!s->place || !*s->place))
        return err_new(ERR_USAGE, "no place is given");
    return NULL;
}

struct err *dbg_bp_add(struct dbg *d, const struct dbg_bp_spec *s, unsigned *ret_id)
{
    TRY(check_spec(d, s));
    if (!is_users(s->kind))
        return err_new(ERR_USAGE, "breakpoints for panics always exist: change them");
    if (d->bps.n >= BREAKPOINTS_MAX)
        return err_new(ERR_LIMIT, "more than %d breakpoints", BREAKPOINTS_MAX);
    TRY(add(d, d->next_id, s));
    *ret_id = d->next_id++;
    return NULL;
}

static struct err *no_such(unsigned id)
{
    return err_new(ERR_NOT_FOUND, "there is no breakpoint %u", id);
}

/* What it is from now on. */
static void become(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    struct bp_plan *old = bp->plan;
    atomic_store(&bp->plan, p);
    plan_uproot(d, old);
    dbg_keep_hits(d, old, p);
    plan_free(d, old);
    pthread_mutex_lock(&bp->lock);
    free(bp->trouble); /* of what it was */
    bp->trouble = NULL;
    pthread_mutex_unlock(&bp->lock);
}

static bool same_watch(const struct bp_plan *p, const struct dbg_bp_spec *s)
{
    unsigned access = s->access ? s->access : DEBUG_WRITES;
    return p->spec.kind == DBG_BP_WATCH && p->sites.n == 1 && p->sites.v[0]->watch &&
           strcmp(p->spec.place, s->place) == 0 &&
           access == (p->spec.access ? p->spec.access : DEBUG_WRITES);
}

/* Its expression meant something in the frame in which it was set: it stays the same variable,
 * whatever frame is looked at now. */
static struct err *change_watch(struct dbg *d, struct bp *bp, const struct dbg_bp_spec *s)
{
    struct bp_plan *old = bp->plan;
    struct bp_site *from = old->sites.v[0];
    TRY(dbg_must_stand(d));
    struct bp_plan *p = plan_new(s);
    add_site(bp, p, &from->at);
    struct err *e = bp_parse_rule(p->spec.hits, &p->rule);
    if (!e)
        e = bp_compile(d, p, p->sites.v[0]);
    if (!e && !old->in && !s->off) {
        e = watch_plant_again(from);
        if (e)
            watch_uproot(from);
    }
    if (e) {
        plan_free(d, p);
        return e;
    }
    if (s->off)
        watch_uproot(from);
    p->in = !s->off;
    watch_hand_over(from, p->sites.v[0]);
    arena_join(&p->arena, &old->arena);
    become(d, bp, p);
    return NULL;
}

struct err *dbg_bp_change(struct dbg *d, unsigned id, const struct dbg_bp_spec *s)
{
    struct bp *bp = bp_by_id(d, id);
    TRY(check_spec(d, s));
    if (!bp)
        return no_such(id);
    if (bp->plan->spec.kind != s->kind)
        return err_new(ERR_USAGE, "a breakpoint does not change its kind");
    if (same_watch(bp->plan, s))
        return change_watch(d, bp, s);
    struct bp_plan *p = plan_new(s);
    struct err *e = plan_make(d, bp, p);
    if (!e)
        e = plan_plant(d, p);
    if (e) {
        plan_free(d, p);
        return e;
    }
    become(d, bp, p);
    return NULL;
}

struct err *dbg_bp_remove(struct dbg *d, unsigned id)
{
    for (size_t i = 0; i < d->bps.n; i++) {
        struct bp *bp = d->bps.v[i];
        if (bp->id != id)
            continue;
        if (dbg_bp_always(id))
            return err_hint(
                err_new(ERR_USAGE, "the breakpoint %s always exists", bp->plan->spec.name),
                "it can be switched off");
        plan_uproot(d, bp->plan);
        dbg_forget_hits(d, bp, NULL);
        memmove(d->bps.v + i, d->bps.v + i + 1, (d->bps.n - i - 1) * sizeof(*d->bps.v));
        d->bps.n--;
        bp_free(bp);
        return NULL;
    }
    return no_such(id);
}

void dbg_bp_mute(struct dbg *d, unsigned id, bool on)
{
    struct bp *bp = bp_by_id(d, id);
    if (!bp)
        return;
    atomic_store(&bp->muted, on);
    if (on)
        dbg_forget_hits(d, bp, NULL);
}

/* ---- another program ---- */

void bp_uproot(struct dbg *d)
{
    for (size_t i = 0; i < d->bps.n; i++) {
        struct bp_plan *p = d->bps.v[i]->plan;
        for (size_t k = 0; k < p->sites.n; k++) {
            p->sites.v[k]->site = NULL;
            if (p->sites.v[k]->watch)
                watch_forget(p->sites.v[k]);
        }
        p->in = false;
        plan_clear(p);
    }
}

void bp_replant(struct dbg *d)
{
    for (size_t i = 0; i < d->bps.n; i++) {
        struct bp *bp = d->bps.v[i];
        struct bp_plan *p = plan_new(&bp->plan->spec), *old = bp->plan;
        bool pending = p->spec.pending;
        p->spec.pending = true; /* what is not in this program waits */
        struct err *e = plan_make(d, bp, p);
        if (!e)
            e = plan_plant(d, p);
        if (e) {
            plan_uproot(d, p);
            plan_clear(p);
            p->waits = true;
            p->note = arena_strdup(&p->arena, err_message(e));
            err_free(e);
        }
        p->spec.pending = pending;
        atomic_store(&bp->plan, p);
        plan_free(d, old);
        pthread_mutex_lock(&bp->lock);
        bp->met = bp->hits = 0;
        map_free(&bp->slot_of);
        vec_free(&bp->counts);
        pthread_mutex_unlock(&bp->lock);
        vec_push(&d->changed, bp->id);
    }
}

/* ---- more code ---- */

static bool has_site(const struct bp_plan *p, taddr pc)
{
    for (size_t i = 0; i < p->sites.n; i++)
        if (p->sites.v[i]->at.pc == pc)
            return true;
    return false;
}

/* One more address of a plan that is in already. */
static struct err *extend(struct dbg *d, struct bp *bp, struct bp_plan *p, const struct place *at)
{
    add_site(bp, p, at);
    struct bp_site *s = vec_last(&p->sites)[0];
    struct err *e = bp_compile(d, p, s);
    if (!e && p->in)
        e = debug_site_add(d->debug, s->at.pc, bp_met, s, &s->site);
    if (e) {
        p->sites.n--;
        bp_release(s);
        free(s);
    }
    return e;
}

/* Why it still waits, or is not everywhere, is its note. */
static bool find_more(struct dbg *d, struct bp *bp, struct bp_plan *p)
{
    struct places found;
    struct place_from from = {.source_map = d->o.source_map};
    size_t before = p->sites.n;
    struct err *e = place_find(d->code, p->spec.place, &from, &p->arena, &found);
    if (!e && found.n > SITES_MAX)
        e = err_new(ERR_LIMIT, "%zu addresses are too many", found.n);
    for (size_t i = 0; !e && i < found.n; i++)
        if (!has_site(p, found.v[i].pc))
            e = extend(d, bp, p, &found.v[i]);
    bool more = p->sites.n > before;
    if (more) {
        p->waits = false;
        p->note = e ? arena_strdup(&p->arena, err_message(e)) : found.note;
    } else if (e && p->waits) {
        p->note = arena_strdup(&p->arena, err_message(e));
    }
    err_free(e); /* what was there stays as it is */
    return more;
}

void bp_find_more(struct dbg *d)
{
    for (size_t i = 0; i < d->bps.n; i++) {
        struct bp *bp = d->bps.v[i];
        struct bp_plan *p = bp->plan;
        if (p->spec.kind == DBG_BP_PLACE && find_more(d, bp, p))
            vec_push(&d->changed, bp->id);
    }
}

/* ---- telling ---- */

static void describe(struct bp *bp, struct arena *a, struct dbg_bp *ret)
{
    struct bp_plan *p = bp->plan;
    taddr *addrs = arena_array(a, taddr, p->sites.n);
    *ret = (struct dbg_bp){.id = bp->id,
                           .spec = p->spec,
                           .waits = p->waits,
                           .note = arena_strdup(a, p->note),
                           .addrs = addrs,
                           .naddrs = p->sites.n,
                           .file = "",
                           .function = ""};
    ret->spec.place = arena_strdup(a, p->spec.place);
    ret->spec.name = arena_strdup(a, p->spec.name);
    ret->spec.condition = arena_strdup(a, p->spec.condition);
    ret->spec.hits = arena_strdup(a, p->spec.hits);
    ret->spec.log = arena_strdup(a, p->spec.log);
    for (size_t i = 0; i < p->sites.n; i++)
        addrs[i] = p->sites.v[i]->at.pc;
    if (p->sites.n) {
        ret->file = p->sites.v[0]->at.file;
        ret->line = p->sites.v[0]->at.line;
        ret->function = p->sites.v[0]->at.func;
    }
    pthread_mutex_lock(&bp->lock);
    ret->met = bp->met;
    ret->hits = bp->hits;
    ret->trouble = arena_strdup(a, bp->trouble ? bp->trouble : "");
    pthread_mutex_unlock(&bp->lock);
}

size_t dbg_bp_list(struct dbg *d, struct arena *a, struct dbg_bp **ret)
{
    *ret = arena_array(a, struct dbg_bp, d->bps.n);
    for (size_t i = 0; i < d->bps.n; i++)
        describe(d->bps.v[i], a, &(*ret)[i]);
    return d->bps.n;
}

uint64_t dbg_bp_goroutine_hits(struct dbg *d, unsigned id, int64_t goroutine)
{
    struct bp *bp = bp_by_id(d, id);
    if (!bp)
        return 0;
    pthread_mutex_lock(&bp->lock);
    uint32_t slot = map_get(&bp->slot_of, (uint64_t)goroutine);
    uint64_t n = slot != MAP_NONE ? bp->counts.v[slot] : 0;
    pthread_mutex_unlock(&bp->lock);
    return n;
}
