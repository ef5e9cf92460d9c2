/* step.c - steps: by goroutine, with sites where it may end.
 *
 * A step never runs instruction by instruction.  Sites are put where the goroutine may be next (the
 * other lines of its function, the return address, what the line calls, deferred calls), and all
 * run; whoever else passes them goes on.  The goroutine is told by its number and its frame by its
 * distance from the high end of the stack: so it may be moved to other threads, its stack to other
 * memory, and the function may call itself.
 *
 * Some sites are not an end: where a line's call goes is only known when it is made (an interface,
 * a closure), and which deferred call a panic runs, too.  There everybody stands for a moment, the
 * session looks (step_go.c), adds the site that is the end, and lets all run on.
 *
 * A step that something else came before is kept, with its sites, and goes on with the next
 * DBG_CONTINUE. */
#include <stdlib.h>
#include <string.h>

#include "dbg/dbg_int.h"

enum { SITES_MAX = 6000, FRAMES_MAX = 4096 };

/* ---- sites ---- */

enum debug_verdict step_met(void *arg, const struct debug_hit *hit)
{
    struct step_site *s = arg;
    struct dbg *d = s->st->d;
    struct rt_here here;
    struct rt_frame frame;
    if (!rt_here(d->rt, debug_view(d->debug), hit->regs, &here))
        return DEBUG_GO_ON;
    if (s->st->goroutine ? here.goroutine != s->st->goroutine : here.g != s->st->g)
        return DEBUG_GO_ON;
    if (s->check != DEPTH_ANY) {
        if (!rt_frame_of_regs(d->hit_stand, hit->regs, &frame) || !frame.cfa)
            return DEBUG_GO_ON;
        taddr depth = here.stack_hi - frame.cfa;
        if (s->check == DEPTH_IS ? depth != s->depth : depth > s->depth)
            return DEBUG_GO_ON;
    }
    dbg_hit(d, &(struct hit){.tid = hit->tid, .step = s});
    return DEBUG_STOP;
}

struct err *step_add(struct step *st, enum step_role role, taddr addr, enum step_check check,
                     taddr depth)
{
    for (size_t i = 0; i < st->sites.n; i++) {
        const struct step_site *s = st->sites.v[i];
        if (s->addr == addr && s->role == role && s->check == check && s->depth == depth)
            return NULL;
    }
    if (st->sites.n == SITES_MAX)
        return err_new(ERR_LIMIT, "the function is too large for a step: more than %d places",
                       SITES_MAX);
    struct step_site *s = mem_alloc(sizeof(*s));
    *s = (struct step_site){.st = st, .role = role, .check = check, .depth = depth, .addr = addr};
    struct err *e = debug_site_add(st->d->debug, addr, step_met, s, &s->site);
    if (e) {
        free(s);
        return e;
    }
    vec_push(&st->sites, s);
    return NULL;
}

void step_clear(struct step *st)
{
    for (size_t i = 0; i < st->sites.n; i++)
        if (st->d->debug && st->sites.v[i]->site)
            err_free(debug_site_remove(st->d->debug, st->sites.v[i]->site)); /* it may be gone */
    dbg_forget_hits(st->d, NULL, st);
    for (size_t i = 0; i < st->sites.n; i++)
        free(st->sites.v[i]);
    vec_free(&st->sites);
}

void step_release(struct dbg *d)
{
    struct step *st = d->step;
    if (!st)
        return;
    for (size_t i = 0; i < st->held.n; i++)
        err_free(debug_hold(d->debug, st->held.v[i], false)); /* the thread may have ended */
    vec_free(&st->held);
}

void step_end(struct dbg *d)
{
    if (!d->step)
        return;
    step_release(d);
    step_clear(d->step);
    free(d->step);
    d->step = NULL;
}

void step_forget(struct dbg *d)
{
    for (size_t i = 0; d->step && i < d->step->sites.n; i++)
        d->step->sites.v[i]->site = NULL;
    if (d->step)
        vec_free(&d->step->held);
    step_end(d);
}

/* ---- beginning ---- */

struct start {
    struct dbg *d;
    const struct dbg_run_spec *how;
    struct arena a;
    struct rt_goroutine g;
    struct rt_frames frames;
    taddr hi;
    bool on_g0; /* the thread of the last stop works for the scheduler, not for a goroutine */
};

/* On g0, in a handler: the thread's own frames, told by its g. */
static bool look_at_g0(struct start *s, struct step *st)
{
    struct dbg *d = s->d;
    struct arch_regs regs;
    struct rt_here here;
    if (s->how->goroutine || d->goroutine || !d->stop.tid || d->stop.kind != DBG_EV_STOPPED)
        return false; /* else that goroutine is meant, whoever stopped */
    struct err *e = debug_regs(d->debug, d->stop.tid, &regs);
    bool ok = !e && rt_here(d->rt, dbg_view(d), &regs, &here) && !here.goroutine;
    err_free(e);
    if (!ok)
        return false;
    e = rt_thread_frames(d->stand, d->stop.tid, FRAMES_MAX, &s->a, &s->frames);
    if (e) {
        err_free(e);
        return false;
    }
    st->g = here.g;
    s->hi = here.stack_hi;
    return true;
}

static struct err *look(struct start *s, struct step *st)
{
    if (look_at_g0(s, st)) {
        s->on_g0 = true;
        return NULL;
    }
    TRY(dbg_goroutine_or(s->d, s->how->goroutine, &s->g));
    TRY(rt_goroutine_frames(s->d->stand, s->g.g, FRAMES_MAX, &s->a, &s->frames));
    if (!s->frames.n)
        return err_new(ERR_UNSUPPORTED, "goroutine %llu has no frames to step in",
                       (unsigned long long)s->g.id);
    st->goroutine = (int64_t)s->g.id;
    st->g = s->g.g;
    s->hi = s->g.stack_hi;
    return NULL;
}

/* Whether the user stopped in the runtime on purpose and wants to see it. */
static bool wants_runtime(const struct start *s)
{
    const struct dbg_event *stop = &s->d->stop;
    bool here = s->on_g0 || stop->goroutine == (int64_t)s->g.id;
    return here && code_is_private(s->frames.v[0].func) &&
           (stop->why == DBG_WHY_STEP || stop->why == DBG_WHY_BREAKPOINT);
}

static struct err *plan_until(struct start *s, struct step *st, const struct step_view *v)
{
    struct places p;
    const struct rt_frame *f = &s->frames.v[v->first];
    struct place_from from = {.file = f->file,
                              .line = f->line > 0 ? (unsigned)f->line : 0,
                              .func = f->func,
                              .source_map = s->d->o.source_map};
    if (!s->how->place)
        return err_new(ERR_USAGE, "until where?");
    TRY(place_find(s->d->code, s->how->place, &from, &s->a, &p));
    for (size_t i = 0; i < p.n; i++)
        TRY(step_add(st, STEP_AT_LINE, p.v[i].pc, DEPTH_ANY, 0));
    return step_plan(st, v);
}

/* Over a call: to the instruction behind it. */
static struct err *plan_next_insn(struct start *s, struct step *st, bool *ret_instruction)
{
    const struct rt_frame *f = &s->frames.v[0];
    struct code_func cf;
    struct arch_insn in;
    *ret_instruction = true;
    if (!f->exact || !code_func_at(s->d->code, f->pc, &cf) ||
        !code_insn(s->d->code, &cf, f->pc, &in) || !in.is_call || !f->cfa)
        return NULL;
    *ret_instruction = false;
    st->depth = s->hi - f->cfa;
    st->sp_depth = s->hi - f->sp;
    return step_add(st, STEP_AT_LINE, f->pc + in.len, DEPTH_IS, st->depth);
}

/* Those that run goroutines; the runtime's own threads and idle ones must go on, or nobody preempts
 * whom this one waits for. */
static struct err *hold_others(struct start *s, struct step *st)
{
    const struct rt_goroutine *gs;
    size_t n;
    pid_t own = s->on_g0 ? s->d->stop.tid : s->g.tid;
    if (!own)
        return err_new(ERR_USAGE, "goroutine %llu does not run now: it cannot step alone",
                       (unsigned long long)s->g.id);
    TRY(rt_goroutines(s->d->stand, &gs, &n));
    for (size_t i = 0; i < n; i++) {
        if (!gs[i].running || !gs[i].tid || gs[i].tid == own || dbg_holds_thread(s->d, gs[i].tid))
            continue;
        TRY(debug_hold(s->d->debug, gs[i].tid, true));
        vec_push(&st->held, gs[i].tid);
    }
    return NULL;
}

static struct err *plan(struct start *s, struct step *st, bool *ret_instruction)
{
    *ret_instruction = false;
    if (st->how == DBG_STEP_INSN) {
        *ret_instruction = true;
        return NULL;
    }
    TRY(look(s, st));
    if (st->how == DBG_NEXT_INSN)
        return plan_next_insn(s, st, ret_instruction);
    st->in_runtime = wants_runtime(s);
    struct step_view v = {
        .frames = &s->frames, .hi = s->hi, .tid = s->on_g0 ? s->d->stop.tid : s->g.tid, .a = &s->a};
    v.first = s->how->frame && st->how == DBG_STEP_OUT ? s->how->frame
              : st->in_runtime                         ? 0
                                                       : step_first(&s->frames);
    if (v.first >= s->frames.n)
        return err_new(ERR_NOT_FOUND, "there is no frame %zu", v.first);
    if (s->how->alone)
        TRY(hold_others(s, st));
    return st->how == DBG_UNTIL ? plan_until(s, st, &v) : step_plan(st, &v);
}

struct err *step_begin(struct dbg *d, const struct dbg_run_spec *how, bool *ret_instruction)
{
    struct start s = {.d = d, .how = how};
    struct step *st = mem_alloc(sizeof(*st));
    st->d = d;
    st->how = how->how;
    st->target = how->target;
    arena_init(&s.a);
    d->step = st;
    struct err *e = plan(&s, st, ret_instruction);
    if (e || *ret_instruction)
        step_end(d);
    arena_free(&s.a);
    return e;
}
