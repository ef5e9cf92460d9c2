/* closers.c - who closed a channel: the table closer.
 *
 * Go does not record it, and it matters when somebody closes or sends afterwards: the panic names
 * neither the channel nor the one that closed it.  What memory can tell, for the channels of panics
 * in flight:
 *
 *     a goroutine with a frame behind a call that closes a channel, and the frame still has that
 *     channel: it closed it, because a channel is closed once
 *     code that closes the variable which holds it, or a channel of its type: one of those, in a
 *     goroutine that has ended or in a function that has returned
 *
 * Who will close it once more is in the table owner (a call ahead, or a pending deferred one).
 *
 * The code of the program is read only when there is such a channel. */
#include <stdlib.h>

#include "rt/closers_int.h"

enum { CALLS_MAX = 1024, CHANS_MAX = 256, FOUND_MAX = 4096, SITES_MAX = 64 };

struct closer {
    uint32_t gi; /* SNAP_NONE: only the code is known */
    taddr chan, site;
    uint16_t frame;
    uint8_t evidence, how;
    /* Of code: what it closes, and of which type the channel's elements are. */
    taddr entry;
    const char *elem;
    struct code_value value;
};

struct call { /* what is passed to it, by the frame that makes it */
    bool told;
    struct code_value args[CODE_ARGS];
};

struct closers {
    struct capture *c;
    struct ahead a; /* for its memory and its instructions */
    struct closings code;
    VEC(taddr) chans;
    VEC(const char *) elems; /* names of their elements' types; in the arena of the capture */
    struct map chan_at;      /* address -> index */
    struct map call_at;      /* return address -> index of calls */
    VEC(struct call) calls;
    VEC(struct closer) v;
    uint64_t cut; /* not told: there are too many */
};

/* ---- which channels ---- */

static void ask(struct closers *x, taddr chan)
{
    const struct rt_layout *l = &x->c->rt->layout;
    uint64_t elemtype = 0;
    bool added;
    if (!chan || x->chans.n >= CHANS_MAX)
        return;
    map_get_or_put(&x->chan_at, chan, (uint32_t)x->chans.n, &added);
    if (!added)
        return;
    if (rt_has(l, RT_hchan_elemtype))
        ahead_peek(&x->a.mem, chan + (taddr)l->off[RT_hchan_elemtype], 8, &elemtype);
    vec_push(&x->chans, chan);
    const char *elem = elemtype ? rt_type_name(x->c->rt, x->c->t, &x->c->arena, elemtype) : "";
    vec_push(&x->elems, elem);
}

static void find_chans(struct closers *x)
{
    const struct snap *s = x->c->s;
    for (uint32_t i = 0; i < s->panic.n; i++)
        if (capture_panics_of_closed(s, i))
            ask(x, s->panic.object[i]);
}

/* ---- goroutines ---- */

/* Each call is looked at once; NULL: not told. */
static const struct code_value *passed_to(struct closers *x, taddr behind)
{
    bool added;
    uint32_t i = map_get_or_put(&x->call_at, behind, (uint32_t)x->calls.n, &added);
    if (added) {
        struct call c = {0};
        c.told = x->calls.n < CALLS_MAX && closings_args(x->c->rt, behind, c.args);
        vec_push(&x->calls, c);
    }
    return x->calls.v[i].told ? x->calls.v[i].args : NULL;
}

/* The channel that the call closed, and how it is known; *slot: the word of the frame that tells,
 * or -1.  False: not one of those that are asked for. */
static bool channel_of(struct closers *x, const struct closing *k, const struct ahead_frame *f,
                       const struct ahead_frame *caller, taddr *ret, int64_t *slot)
{
    struct code_value v = k->by_frame;
    taddr sp = f->sp;
    *slot = v.kind == CODE_FRAME ? (int64_t)v.at : -1;
    if (v.kind == CODE_ENTRY) {
        const struct code_value *args = caller && !caller->exact ? passed_to(x, caller->pc) : NULL;
        if (!args)
            return false;
        v = closings_in_caller(v, args);
        sp = caller->sp;
    }
    return closings_value(&x->a.mem, &v, sp, ret) && map_get(&x->chan_at, *ret) != MAP_NONE;
}

/* Where a call's callee may keep its first argument: the lowest word of the caller's frame.  What
 * is called later may use it, too. */
static bool left_behind(struct closers *x, const struct closing *k, const struct ahead_frame *f,
                        taddr *ret)
{
    return k->site == k->behind && k->by_frame.kind != CODE_LOADED &&
           ahead_peek(&x->a.mem, f->sp, 8, ret) && map_get(&x->chan_at, *ret) != MAP_NONE;
}

static void judge(struct closers *x, uint32_t gi, const struct ahead_frame *f,
                  const struct ahead_frame *caller, const struct closing *k)
{
    struct closing_place at = {.fn = f->fn, .pc = f->pc, .exact = f->exact};
    struct closer r = {.gi = gi, .site = k->site, .frame = f->number};
    bool told = channel_of(x, k, f, caller, &r.chan, &at.slot);
    if (!told && !left_behind(x, k, f, &r.chan))
        return;
    at.slot = told ? at.slot : -1;
    enum closing_passed p = closing_passed(&x->a.code, &at, k->behind);
    if (p == CLOSING_NOT)
        return;
    r.how = !told                 ? SNAP_CLOSED_LEFT
            : p == CLOSING_ALWAYS ? SNAP_CLOSED_BEHIND
                                  : SNAP_CLOSED_PASSED;
    r.evidence = r.how == SNAP_CLOSED_BEHIND ? SNAP_PROOF_STRONG : SNAP_PROOF_WEAK;
    if (x->v.n < FOUND_MAX)
        vec_push(&x->v, r);
    else
        x->cut++;
}

static void look_at_frame(struct closers *x, uint32_t gi, const struct ahead_frame *f,
                          const struct ahead_frame *caller)
{
    uint32_t i = map_get(&x->code.by_entry, x->a.code.fns.v[f->fn].entry);
    if (i == MAP_NONE)
        return;
    for (size_t k = 0; k < x->code.fns.v[i].v.n; k++)
        judge(x, gi, f, caller, &x->code.fns.v[i].v.v[k]);
}

static void look_at_goroutine(struct closers *x, uint32_t gi)
{
    struct ahead_goroutine g = {.gi = gi};
    if (ahead_is_walkable(&x->c->gs[gi]))
        ahead_walk(&x->a, &x->c->gs[gi], &g, AHEAD_FRAMES);
    for (size_t i = 0; i < g.frames.n; i++) {
        const struct ahead_frame *f = &g.frames.v[i];
        look_at_frame(x, gi, f, i + 1 < g.frames.n ? f + 1 : NULL);
    }
    vec_free(&g.frames);
}

/* Of what one goroutine says about a channel the best counts; a channel is closed once, so when
 * several goroutines seem to have closed it, nobody knows which. */
static int by_worth(const void *a, const void *b)
{
    const struct closer *x = a, *y = b;
    if (x->chan != y->chan)
        return x->chan < y->chan ? -1 : 1;
    if (x->gi != y->gi)
        return x->gi < y->gi ? -1 : 1;
    if (x->evidence != y->evidence)
        return (int)x->evidence - (int)y->evidence;
    if (x->how != y->how)
        return (int)x->how - (int)y->how;
    return (int)x->frame - (int)y->frame;
}

static void compare(struct closers *x)
{
    size_t n = 0;
    if (x->v.n)
        qsort(x->v.v, x->v.n, sizeof(*x->v.v), by_worth);
    for (size_t i = 0; i < x->v.n; i++)
        if (!n || x->v.v[n - 1].gi != x->v.v[i].gi || x->v.v[n - 1].chan != x->v.v[i].chan)
            x->v.v[n++] = x->v.v[i];
    x->v.n = n;
    for (size_t i = 0; i < n;) {
        size_t end = i, strong = 0;
        for (; end < n && x->v.v[end].chan == x->v.v[i].chan; end++)
            strong += x->v.v[end].evidence == SNAP_PROOF_STRONG;
        for (; i < end; i++)
            if (strong > 1 && x->v.v[i].evidence == SNAP_PROOF_STRONG) {
                x->v.v[i].evidence = SNAP_PROOF_WEAK;
                x->v.v[i].how = SNAP_CLOSED_RIVAL;
            }
    }
}

/* ---- the code ---- */

static void judge_site(struct closers *x, size_t first, uint32_t chan, const struct closing_fn *f,
                       const struct closing *k)
{
    struct closer r = {.gi = SNAP_NONE,
                       .chan = x->chans.v[chan],
                       .site = k->site,
                       .how = SNAP_CLOSED_CODE,
                       .evidence = SNAP_PROOF_WEAK,
                       .entry = f->entry,
                       .elem = x->elems.v[chan],
                       .value = k->by_entry};
    taddr value;
    if (k->by_entry.kind == CODE_LOADED) {
        if (!closings_value(&x->a.mem, &k->by_entry, 0, &value) || value != r.chan)
            return; /* it closes what another variable holds */
        r.how = SNAP_CLOSED_VARIABLE;
        r.evidence = SNAP_PROOF_STRONG;
    }
    if (x->v.n - first < SITES_MAX)
        vec_push(&x->v, r);
    else
        x->cut++;
}

/* Of a channel: calls of closechan in the program, those that close what others pass with them. */
static void find_sites(struct closers *x, uint32_t chan)
{
    size_t first = x->v.n;
    for (size_t i = 0; i < x->code.fns.n; i++) {
        const struct closing_fn *f = &x->code.fns.v[i];
        for (size_t k = 0; k < f->v.n; k++)
            if (f->v.v[k].site == f->v.v[k].behind)
                judge_site(x, first, chan, f, &f->v.v[k]);
    }
}

/* ---- all of it ---- */

void capture_closers(struct capture *c)
{
    bool any = false;
    for (uint32_t i = 0; i < c->s->panic.n; i++)
        any |= c->s->panic.object[i] && capture_panics_of_closed(c->s, i);
    if (!any)
        return;
    struct closers *x = mem_alloc(sizeof(*x));
    x->c = c;
    ahead_init(&x->a, c);
    c->closers = x;
    find_chans(x);
    if (c->live || !target_arch(c->t)->op) {
        snap_note_missing(c->s, x->chans.n, "who closed channels",
                          c->live ? "nothing stood still" : "not on this processor yet");
        x->chans.n = 0;
        return;
    }
    closings_find(c->rt, &x->code);
    for (size_t i = 0; i < c->ngs; i++)
        if (c->gs[i].row != SNAP_NONE)
            look_at_goroutine(x, (uint32_t)i);
    compare(x);
    for (uint32_t i = 0; i < x->chans.n; i++)
        find_sites(x, i);
}

void closers_rows(struct capture *c)
{
    struct snap *s = c->s;
    const struct closers *x = c->closers;
    if (!x)
        return;
    for (size_t i = 0; i < x->v.n; i++) {
        const struct closer *k = &x->v.v[i];
        uint8_t how = k->how;
        if (how == SNAP_CLOSED_CODE) {
            enum closing_fits fits = closing_fits(c->rt, k->entry, &k->value, k->elem);
            if (fits == CLOSING_OTHER)
                continue;
            how = fits == CLOSING_FITS ? SNAP_CLOSED_TYPE : how;
        }
        uint32_t row = snap_add_closer(s);
        s->closer.goroutine[row] = k->gi == SNAP_NONE ? SNAP_NONE : c->gs[k->gi].row;
        s->closer.addr[row] = k->chan;
        s->closer.evidence[row] = k->evidence;
        s->closer.how[row] = how;
        s->closer.pc[row] = symbols_pc(c->symbols, k->site, false);
        s->closer.frame[row] = k->frame;
    }
    if (x->cut || x->code.cut)
        snap_note_missing(s, x->cut + x->code.cut, "code that closes channels",
                          "there is too much of it");
}

void closers_free(struct capture *c)
{
    struct closers *x = c->closers;
    if (!x)
        return;
    closings_free(&x->code);
    ahead_close(&x->a);
    vec_free(&x->chans);
    vec_free(&x->elems);
    map_free(&x->chan_at);
    map_free(&x->call_at);
    vec_free(&x->calls);
    vec_free(&x->v);
    free(x);
    c->closers = NULL;
}
