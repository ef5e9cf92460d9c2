/* closers_code.c - which code closes channels, and how each function gets at the channel.
 *
 * Go: runtime/chan.go closechan (1.18-1.27): close(c) is a call of it with the channel as the only
 * argument, in stripped programs as well; nothing of it is inlined.
 *
 * Functions that call closechan come first, then those that call these, and so on: what a function
 * closes by its arguments, its caller closes by what it passes.  Calls through pointers end this.
 */
#include "rt/closers_int.h"

#include <stdlib.h>

#include "rt/heap_code_int.h"

enum {
    ROUNDS = 4,       /* calls from a frame to closechan */
    FNS_MAX = 4096,   /* functions that are read */
    CLOSINGS_MAX = 64 /* of a function */
};

struct search {
    struct rt *rt;
    struct closings *ret;
    const struct rt_module *m;
    const uint8_t *text;
    taddr closechan;
    struct map targets; /* entries of functions that close something, found in the round before */
    struct map next;
    taddr lo, hi; /* they lie in [lo, hi] */
    /* Of the function that is read. */
    enum code_view view;
    taddr behind;
    VEC(struct closing) found;
};

/* ---- one function ---- */

static struct code_value replay(struct code_value base, const struct code_value *way)
{
    for (unsigned i = 0; i < way->depth; i++)
        base = code_load(base, way->off[i]);
    base.add += way->add;
    return base;
}

struct code_value closings_in_caller(struct code_value v, const struct code_value args[CODE_ARGS])
{
    if (v.kind != CODE_ENTRY)
        return v;
    if (v.at >= CODE_ARGS)
        return (struct code_value){.kind = CODE_UNKNOWN}; /* a closure: nobody passed it */
    return replay(args[v.at], &v);
}

bool closings_value(struct ahead_mem *m, const struct code_value *v, taddr sp, taddr *ret)
{
    if (v->kind != CODE_FRAME && v->kind != CODE_LOADED)
        return false;
    taddr at = v->kind == CODE_FRAME ? sp + v->at : v->at;
    bool ok = ahead_peek(m, at, 8, ret);
    for (unsigned i = 0; ok && i < v->depth; i++)
        ok = *ret && ahead_peek(m, *ret + (taddr)(int64_t)v->off[i], 8, ret);
    if (ok)
        *ret += (taddr)(int64_t)v->add;
    return ok;
}

/* The same calls come in the same order in both views. */
static void take(struct search *x, taddr site, struct code_value v)
{
    struct closing c = {.behind = x->behind, .site = site};
    if (x->view == CODE_BY_ENTRY) {
        c.by_entry = v;
        if (x->found.n < CLOSINGS_MAX)
            vec_push(&x->found, c);
        return;
    }
    for (size_t i = 0; i < x->found.n; i++) {
        struct closing *k = &x->found.v[i];
        if (k->behind == x->behind && k->site == site && k->by_frame.kind == CODE_UNKNOWN) {
            k->by_frame = v;
            return;
        }
    }
}

static bool is_told(const struct code_value *v)
{
    return v->kind == CODE_ENTRY || v->kind == CODE_LOADED;
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    struct search *x = arg;
    uint32_t i = target ? map_get(&x->ret->by_entry, target) : MAP_NONE;
    if (target == x->closechan) {
        take(x, x->behind, args[0]);
    } else if (i != MAP_NONE) {
        const struct closing_fn *f = &x->ret->fns.v[i];
        for (size_t k = 0; k < f->v.n; k++)
            if (is_told(&f->v.v[k].by_entry))
                take(x, f->v.v[k].site, closings_in_caller(f->v.v[k].by_entry, args));
    }
    return heap_code_makes(x->m, target, args);
}

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    (void)arg, (void)base, (void)off, (void)v;
}

static void read_function(struct search *x, const struct pcln_func *f)
{
    const uint8_t *code = x->text + (f->entry - x->m->minpc);
    bool added;
    x->found.n = 0;
    for (x->view = CODE_BY_ENTRY; x->view <= CODE_BY_FRAME; x->view++) {
        const struct code_events ev = {
            .store = on_store, .call = on_call, .arg = x, .view = x->view, .behind = &x->behind};
        code_follow(target_arch(x->rt->t), code, f->end - f->entry, f->entry, &ev);
    }
    if (!x->found.n)
        return;
    uint32_t i = map_get_or_put(&x->ret->by_entry, f->entry, (uint32_t)x->ret->fns.n, &added);
    if (added)
        vec_push(&x->ret->fns, ((struct closing_fn){.entry = f->entry, .end = f->end}));
    struct closing_fn *fn = &x->ret->fns.v[i];
    fn->v.n = 0;
    for (size_t k = 0; k < x->found.n; k++)
        vec_push(&fn->v, x->found.v[k]);
    map_put(&x->next, f->entry, 0);
}

/* ---- their callers ---- */

/* Functions that may call one of the targets, each once. */
static void read_callers(struct search *x)
{
    const struct arch *arch = target_arch(x->rt->t);
    size_t n = x->m->maxpc - x->m->minpc, at = 0;
    struct map seen = {0};
    taddr addr;
    while (arch->next_ref(x->text, n, x->m->minpc, x->lo, x->hi + 1, &at, &addr)) {
        struct pcln_func f;
        bool added;
        if (map_get(&x->targets, addr) == MAP_NONE ||
            !pcln_find(&x->m->pcln, x->m->minpc + at - 1, &f) || f.entry < x->m->minpc ||
            f.end > x->m->maxpc || f.entry >= f.end || strncmp(f.name, "runtime.", 8) == 0)
            continue;
        map_get_or_put(&seen, f.entry, 0, &added);
        if (!added)
            continue;
        if (x->ret->fns.n >= FNS_MAX) {
            x->ret->cut = true;
            break;
        }
        read_function(x, &f);
    }
    map_free(&seen);
}

/* What was found becomes what is looked for; false: nothing was. */
static bool next_round(struct search *x)
{
    map_free(&x->targets);
    x->targets = x->next;
    x->next = (struct map){0};
    x->lo = UINT64_MAX;
    x->hi = 0;
    for (size_t i = 0; i < x->ret->fns.n; i++) {
        taddr entry = x->ret->fns.v[i].entry;
        if (map_get(&x->targets, entry) == MAP_NONE)
            continue;
        x->lo = min_u64(x->lo, entry);
        x->hi = max_u64(x->hi, entry);
    }
    return x->hi;
}

static void search_module(struct search *x)
{
    map_put(&x->targets, x->closechan, 0);
    x->lo = x->hi = x->closechan;
    for (int i = 0; i < ROUNDS; i++) {
        read_callers(x);
        if (!next_round(x))
            break;
    }
    map_free(&x->targets);
    map_free(&x->next);
    vec_free(&x->found);
}

void closings_find(struct rt *rt, struct closings *ret)
{
    struct pcln_func f;
    *ret = (struct closings){0};
    if (!pcln_find_name(&rt->modules->pcln, "runtime.closechan", &f))
        return;
    uint8_t *owned;
    struct search x = {.rt = rt, .ret = ret, .m = rt->modules, .closechan = f.entry};
    if ((x.text = heap_code_text(rt, x.m, &owned)))
        search_module(&x);
    free(owned);
}

void closings_free(struct closings *c)
{
    for (size_t i = 0; i < c->fns.n; i++)
        vec_free(&c->fns.v[i].v);
    vec_free(&c->fns);
    map_free(&c->by_entry);
}

/* ---- what is passed to a call ---- */

struct passed {
    const struct rt_module *m;
    taddr want, behind;
    bool found;
    struct code_value *args;
};

static struct code_value on_passed(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    struct passed *p = arg;
    if (p->behind == p->want) {
        memcpy(p->args, args, CODE_ARGS * sizeof(*args));
        p->found = true;
    }
    return heap_code_makes(p->m, target, args);
}

bool closings_args(struct rt *rt, taddr behind, struct code_value args[CODE_ARGS])
{
    struct pcln_func f;
    const struct rt_module *m;
    uint8_t *owned = NULL;
    if (!rt_func_at(rt, behind - 1, &f, &m) || f.entry < m->minpc || f.end > m->maxpc)
        return false;
    struct passed p = {.m = m, .want = behind, .args = args};
    const struct code_events ev = {.store = on_store,
                                   .call = on_passed,
                                   .arg = &p,
                                   .view = CODE_BY_FRAME,
                                   .behind = &p.behind};
    const uint8_t *text = m == rt->modules ? heap_code_text(rt, m, &owned) : NULL;
    if (text)
        code_follow(target_arch(rt->t), text + (f.entry - m->minpc), f.end - f.entry, f.entry, &ev);
    free(owned);
    return p.found;
}
