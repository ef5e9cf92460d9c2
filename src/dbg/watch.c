/* watch.c - watchpoints: a variable, by the processor's debug registers.
 *
 * Go: runtime/stack.go copystack (1.18-1.27).  An expression is looked at once, when the watchpoint
 * is made: what is watched are the bytes where its value lies.  A variable on a goroutine's stack
 * needs two things more: when its function returns the watchpoint is gone, and is told to be so;
 * and when the stack is moved it moves along.  For that the beginning of copystack is watched for
 * this goroutine: behind its return the variable lies at the same distance from the new high end.
 * A panic that an outer function recovers skips the return of its own function: so the returns of
 * the outer ones are watched, too, the places where they go on after that (before anything else
 * uses the memory), and the end of the goroutine (Goexit, runtime/proc.go goexit1).
 *
 * Writing what was there already is no change, and is not told. */
#include <string.h>

#include "dbg/dbg_int.h"

enum { WATCH_MAX = 32, SLOTS_MAX = 4, FRAMES_MAX = 4096, TEXT_MAX = 4096, RETURNS_MAX = 64 };

struct watch {
    struct dbg *d;
    struct bp_site *s;
    struct value value; /* its type and address */
    enum debug_access access;
    unsigned n;
    uint8_t now[WATCH_MAX], before[WATCH_MAX]; /* tracer thread while it runs */
    unsigned slots[SLOTS_MAX];
    unsigned nslots;

    /* of a variable on a stack; depth 0: it is not */
    taddr g, hi, depth, entry;  /* of its frame, and function */
    taddr returns[RETURNS_MAX]; /* of its function, and of those outside of it as far as fit */
    unsigned nreturns;
    int64_t goroutine;
    struct debug_site *at_return[RETURNS_MAX], *at_end, *at_copy, *behind_copy;
    pid_t copier; /* the thread that moves the stack */
};

/* ---- handlers ---- */

static enum debug_verdict watch_met(void *arg, const struct debug_hit *hit)
{
    struct watch *w = arg;
    uint8_t now[WATCH_MAX];
    struct err *e = target_read(debug_view(w->d->debug), w->value.addr, now, w->n);
    bool changed = !e && memcmp(now, w->now, w->n) != 0;
    err_free(e);
    if (!changed && w->access == DEBUG_WRITES)
        return DEBUG_GO_ON;
    memcpy(w->before, w->now, w->n);
    if (changed)
        memcpy(w->now, now, w->n);
    return bp_met(w->s, hit);
}

static enum debug_verdict told(struct watch *w, const struct debug_hit *hit, enum watch_event ev)
{
    dbg_hit(w->d, &(struct hit){.tid = hit->tid, .watch = w->s, .watch_event = ev});
    return DEBUG_STOP;
}

static enum debug_verdict return_met(void *arg, const struct debug_hit *hit)
{
    struct watch *w = arg;
    struct rt_here here;
    if (!rt_here(w->d->rt, debug_view(w->d->debug), hit->regs, &here) ||
        here.goroutine != w->goroutine || here.stack_hi - hit->regs->sp > w->depth)
        return DEBUG_GO_ON;
    return told(w, hit, WATCH_GONE);
}

static enum debug_verdict end_met(void *arg, const struct debug_hit *hit)
{
    struct watch *w = arg;
    struct rt_here here;
    bool ours = rt_here(w->d->rt, debug_view(w->d->debug), hit->regs, &here) &&
                here.goroutine == w->goroutine;
    return ours ? told(w, hit, WATCH_GONE) : DEBUG_GO_ON;
}

static enum debug_verdict copy_met(void *arg, const struct debug_hit *hit)
{
    struct watch *w = arg;
    const struct arch *arch = code_arch(w->d->code);
    uint64_t g;
    if (!arch->dwarf_reg(hit->regs, arch->go_args[0], &g) || g != w->g)
        return DEBUG_GO_ON;
    return told(w, hit, WATCH_MOVES);
}

static enum debug_verdict behind_met(void *arg, const struct debug_hit *hit)
{
    struct watch *w = arg;
    return hit->tid == w->copier ? told(w, hit, WATCH_MOVED) : DEBUG_GO_ON;
}

/* ---- slots ---- */

static void free_slots(struct watch *w)
{
    for (unsigned i = 0; i < w->nslots; i++)
        err_free(debug_watch_remove(w->d->debug, w->slots[i])); /* the process may be gone */
    w->nslots = 0;
}

/* As few aligned pieces as the bytes need. */
static struct err *take_slots(struct watch *w)
{
    taddr at = w->value.addr, end = at + w->n;
    while (at < end) {
        unsigned n = 8;
        while (at % n || at + n > end)
            n /= 2;
        if (w->nslots == SLOTS_MAX)
            return err_new(ERR_LIMIT,
                           "%u bytes at %#llx do not fit into the %d registers that the "
                           "processor has for this",
                           w->n, (unsigned long long)w->value.addr, SLOTS_MAX);
        TRY(debug_watch_add(w->d->debug, at, n, w->access, watch_met, w, &w->slots[w->nslots]));
        w->nslots++;
        at += n;
    }
    return NULL;
}

/* ---- what is watched ---- */

static void note_return(struct watch *w, taddr pc)
{
    for (unsigned i = 0; i < w->nreturns; i++)
        if (w->returns[i] == pc)
            return; /* a function that calls itself */
    if (w->nreturns < RETURNS_MAX)
        w->returns[w->nreturns++] = pc;
}

/* Where an outer function goes on. */
static void note_outer(struct watch *w, const struct rt_frames *fs, size_t i, struct arena *a)
{
    struct code_func f;
    taddr *pcs;
    note_return(w, fs->v[i].pc);
    if (!code_func_at(w->d->code, fs->v[i].pc - 1, &f))
        return;
    size_t n = code_recovered(w->d->code, &f, a, &pcs);
    for (size_t k = 0; k < n; k++)
        note_return(w, pcs[k]);
}

/* Arguments, and the places where those that came in registers are kept, lie above the frame. */
static bool is_of_frame(const struct watch *w, const struct rt_frame *f)
{
    struct code_func cf;
    taddr args = 0;
    if (f->inlined || !f->cfa)
        return false;
    if (code_func_at(w->d->code, f->pc - !f->exact, &cf) && cf.f.args > 0)
        args = (taddr)cf.f.args;
    return w->value.addr < f->cfa + args;
}

/* Whether it is on a stack: whose, and which frame's. */
static struct err *find_frame(struct watch *w)
{
    struct dbg *d = w->d;
    struct rt_goroutine g;
    struct rt_frames fs;
    struct arena a;
    struct err *e = dbg_goroutine_or(d, 0, &g);
    if (e || w->value.addr < g.stack_lo || w->value.addr >= g.stack_hi) {
        err_free(e); /* nobody is selected: a package variable */
        return NULL;
    }
    arena_init(&a);
    e = rt_goroutine_frames(d->stand, g.g, FRAMES_MAX, &a, &fs);
    for (size_t i = 0; !e && i + 1 < fs.n && w->nreturns < RETURNS_MAX; i++) {
        const struct rt_frame *f = &fs.v[i];
        if (!is_of_frame(w, f) || fs.v[i + 1].exact)
            continue;
        if (!w->depth) {
            w->g = g.g;
            w->goroutine = (int64_t)g.id;
            w->hi = g.stack_hi;
            w->depth = g.stack_hi - f->cfa;
            w->entry = f->entry;
        }
        note_outer(w, &fs, i + 1, &a);
    }
    arena_free(&a);
    return e;
}

struct err *watch_make(struct dbg *d, struct bp_plan *p, struct bp_site *s)
{
    struct dbg_value v;
    TRY(dbg_must_stand(d));
    TRY(dbg_eval_still(d, 0, d->frame, p->spec.place, &p->arena, &v));
    struct values *values = rt_stand_values(d->stand, NULL);
    int64_t size = values ? value_type_size(values, v.v.type) : -1;
    if (!v.v.addr || v.why)
        return err_new(ERR_UNSUPPORTED, "%s is not in memory%s%s", p->spec.place, v.why ? ": " : "",
                       v.why ? v.why : "");
    if (size <= 0 || size > WATCH_MAX)
        return err_hint(err_new(ERR_LIMIT, "%s has %lld bytes: 1 to %d can be watched",
                                p->spec.place, (long long)size, WATCH_MAX),
                        "watch a part of it");
    struct watch *w = arena_new(&p->arena, struct watch);
    *w = (struct watch){.d = d, .s = s, .value = {.type = v.v.type, .addr = v.v.addr}};
    w->n = (unsigned)size;
    w->access = p->spec.access ? p->spec.access : DEBUG_WRITES;
    s->watch = w;
    TRY(target_read(dbg_view(d), w->value.addr, w->now, w->n));
    return find_frame(w);
}

static struct err *watch_function(struct watch *w, const char *name, debug_handler *fn,
                                  struct debug_site **ret)
{
    struct code_func f;
    size_t at = 0;
    if (!code_func_named(w->d->code, name, &at, &f))
        return err_new(ERR_NOT_FOUND, "the runtime has no %s: stacks cannot be followed", name);
    return debug_site_add(w->d->debug, f.f.entry, fn, w, ret);
}

static struct err *follow_stack(struct watch *w)
{
    if (!w->depth)
        return NULL;
    for (unsigned i = 0; i < w->nreturns; i++)
        TRY(debug_site_add(w->d->debug, w->returns[i], return_met, w, &w->at_return[i]));
    TRY(watch_function(w, "runtime.goexit1", end_met, &w->at_end));
    return watch_function(w, "runtime.copystack", copy_met, &w->at_copy);
}

struct err *watch_plant(struct bp_site *s)
{
    TRY(take_slots(s->watch));
    return follow_stack(s->watch);
}

struct err *watch_plant_again(struct bp_site *s)
{
    struct watch *w = s->watch;
    struct rt_goroutine g;
    if (watch_is_stale(s))
        return err_new(ERR_NOT_FOUND, "%s is out of scope", s->plan->spec.place);
    if (w->depth) {
        TRY(rt_goroutine_at(w->d->stand, w->g, &g));
        w->value.addr += g.stack_hi - w->hi;
        w->hi = g.stack_hi;
    }
    TRY(target_read(dbg_view(w->d), w->value.addr, w->now, w->n));
    return watch_plant(s);
}

void watch_hand_over(struct bp_site *from, struct bp_site *to)
{
    to->watch = from->watch;
    to->watch->s = to;
    from->watch = NULL;
}

static void uproot_site(struct watch *w, struct debug_site **s)
{
    if (*s)
        err_free(debug_site_remove(w->d->debug, *s)); /* the process may be gone */
    *s = NULL;
}

void watch_uproot(struct bp_site *s)
{
    struct watch *w = s->watch;
    if (!w->d->debug)
        return;
    free_slots(w);
    for (unsigned i = 0; i < w->nreturns; i++)
        uproot_site(w, &w->at_return[i]);
    uproot_site(w, &w->at_end);
    uproot_site(w, &w->at_copy);
    uproot_site(w, &w->behind_copy);
}

/* The sites went with the program. */
void watch_forget(struct bp_site *s)
{
    struct watch *w = s->watch;
    w->nslots = 0;
    w->at_end = w->at_copy = w->behind_copy = NULL;
    memset(w->at_return, 0, sizeof(w->at_return));
}

/* ---- the session's part ---- */

/* The stack is about to be moved by thread tid, which stands at the beginning of copystack. */
static struct err *moves(struct watch *w, pid_t tid)
{
    struct arch_regs regs;
    taddr back;
    TRY(debug_regs(w->d->debug, tid, &regs));
    TRY(target_read_u64(dbg_view(w->d), regs.sp, &back));
    if (w->behind_copy)
        TRY(debug_site_remove(w->d->debug, w->behind_copy));
    w->behind_copy = NULL;
    w->copier = tid;
    return debug_site_add(w->d->debug, back, behind_met, w, &w->behind_copy);
}

static struct err *moved(struct watch *w)
{
    struct rt_goroutine g;
    TRY(debug_site_remove(w->d->debug, w->behind_copy));
    w->behind_copy = NULL;
    TRY(rt_goroutine_at(w->d->stand, w->g, &g));
    free_slots(w);
    w->value.addr += g.stack_hi - w->hi;
    w->hi = g.stack_hi;
    TRY(target_read(dbg_view(w->d), w->value.addr, w->now, w->n));
    return take_slots(w);
}

struct err *watch_go(struct bp_site *s, enum watch_event ev, pid_t tid)
{
    return ev == WATCH_MOVES ? moves(s->watch, tid) : ev == WATCH_MOVED ? moved(s->watch) : NULL;
}

bool watch_is_stale(struct bp_site *s)
{
    struct watch *w = s->watch;
    struct rt_goroutine g;
    struct rt_frames fs = {0};
    struct arena a;
    bool alive = false;
    if (!w->depth)
        return false;
    arena_init(&a);
    struct err *e = rt_goroutine_at(w->d->stand, w->g, &g);
    if (!e)
        e = rt_goroutine_frames(w->d->stand, w->g, FRAMES_MAX, &a, &fs);
    for (size_t i = 0; !e && i < fs.n; i++)
        alive = alive || (g.stack_hi - fs.v[i].cfa == w->depth && fs.v[i].entry == w->entry);
    bool told = !e && fs.n && !fs.partial;
    err_free(e);
    arena_free(&a);
    return told && !alive;
}

const char *watch_text(struct bp_site *s, struct arena *a)
{
    struct watch *w = s->watch;
    struct values *values = rt_stand_values(w->d->stand, NULL);
    struct value before = {.type = w->value.type, .bytes = w->before, .n = w->n};
    struct value now = {.type = w->value.type, .bytes = w->now, .n = w->n};
    struct buf b;
    if (!values)
        return "";
    buf_init(&b, TEXT_MAX);
    value_print(values, &before, &value_limits_typed, &b);
    buf_str(&b, " -> ");
    value_print(values, &now, &value_limits_typed, &b);
    const char *text = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return text;
}
