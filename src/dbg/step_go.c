/* step_go.c - what happens when the goroutine of a step meets one of its sites. */
#include <string.h>

#include "dbg/dbg_int.h"

enum { FRAMES_MAX = 4096 };

/* ---- where a call goes ---- */

static bool operand(struct dbg *d, const struct arch_operand *o, const struct arch_regs *regs,
                    uint64_t *ret)
{
    const struct arch *arch = code_arch(d->code);
    uint64_t base = 0, index = 0;
    if (o->place == ARCH_IMMEDIATE) {
        *ret = (uint64_t)o->value;
        return true;
    }
    if (o->place == ARCH_REG)
        return arch->dwarf_reg(regs, (unsigned)o->reg, ret);
    if (o->place != ARCH_MEMORY ||
        (o->reg >= 0 && !arch->dwarf_reg(regs, (unsigned)o->reg, &base)) ||
        (o->index >= 0 && !arch->dwarf_reg(regs, (unsigned)o->index, &index)))
        return false;
    taddr addr = base + index * o->scale + (uint64_t)o->value;
    struct err *e = target_read_u64(dbg_view(d), addr, ret);
    bool ok = !e;
    err_free(e);
    return ok;
}

taddr step_target(struct dbg *d, const struct arch_regs *regs)
{
    const struct arch *arch = code_arch(d->code);
    struct code_func f;
    struct arch_insn in;
    struct arch_op op;
    uint64_t to;
    if (!code_func_at(d->code, regs->pc, &f) || !code_insn(d->code, &f, regs->pc, &in))
        return 0;
    if (in.target)
        return in.target;
    size_t n = (size_t)min_u64(f.f.end - regs->pc, 16);
    const uint8_t *p = code_bytes(f.m, regs->pc, n);
    if (!p || !arch->op(p, n, regs->pc, &op) || (op.verb != ARCH_V_CALL && op.verb != ARCH_V_JUMP))
        return 0;
    return operand(d, &op.src, regs, &to) ? to : 0;
}

/* Through a wrapper: all it calls, and jumps out of it. */
static struct err *through(struct step *st, const struct code_func *f)
{
    struct arena a;
    struct code_call *calls;
    arena_init(&a);
    size_t n = code_calls(st->d->code, f, f->f.entry, f->f.end, &a, &calls);
    struct err *e = NULL;
    for (size_t i = 0; !e && i < n; i++) {
        struct code_func callee;
        if (calls[i].target && code_func_at(st->d->code, calls[i].target, &callee) &&
            code_is_private(callee.f.name) && !code_is_wrapper(st->d->code, &callee))
            continue;
        e = step_add(st, STEP_AT_CALL, calls[i].pc, DEPTH_ANY, 0);
    }
    arena_free(&a);
    return e;
}

struct err *step_into(struct step *st, taddr target)
{
    struct code_func f;
    if (!target || !code_func_at(st->d->code, target, &f))
        return NULL; /* C, or nothing: it is stepped over */
    if (code_is_wrapper(st->d->code, &f))
        return through(st, &f);
    if (code_is_private(f.f.name) && !st->in_runtime)
        return NULL;
    return step_add(st, STEP_AT_BODY, code_body(st->d->code, &f), DEPTH_ANY, 0);
}

/* ---- sites that are not an end by themselves ---- */

struct at {
    struct dbg *d;
    struct step *st;
    pid_t tid;
    struct arch_regs regs;
    struct rt_here here;
    struct arena a;
    struct rt_frames frames;
};

static struct err *frames_of(struct at *at)
{
    return at->here.goroutine
               ? rt_goroutine_frames(at->d->stand, at->here.g, FRAMES_MAX, &at->a, &at->frames)
               : rt_thread_frames(at->d->stand, at->tid, FRAMES_MAX, &at->a, &at->frames);
}

/* Whether the deferred call that the runtime is about to make belongs to the frame of the step, or
 * to one further out; those of functions it has called are run over. */
static bool is_ours(struct at *at)
{
    struct rt_panic p;
    struct code_func f;
    if (code_func_at(at->d->code, at->regs.pc, &f) && strcmp(f.f.name, "runtime.deferreturn") == 0)
        return true; /* its site looks at the depth */
    if (rt_here_panic(at->d->rt, dbg_view(at->d), at->here.g, &at->a, &p) && p.cfa)
        return at->here.stack_hi - p.cfa <= at->st->depth;
    taddr sp = rt_here_defer_sp(at->d->rt, dbg_view(at->d), at->here.g);
    return !sp || at->here.stack_hi - sp <= at->st->sp_depth;
}

/* A loop body: of our function, or of another activation of it? */
static struct err *is_our_body(struct at *at, bool *ret)
{
    TRY(frames_of(at));
    *ret = false;
    if (!at->frames.n)
        return NULL;
    const char *family = step_family(&at->a, at->frames.v[0].func);
    for (size_t i = 0; i < at->frames.n; i++) {
        const struct rt_frame *f = &at->frames.v[i];
        if (strcmp(f->func, family) == 0) {
            *ret = at->here.stack_hi - f->cfa == at->st->depth;
            return NULL;
        }
    }
    return NULL;
}

/* After a recovered panic the frame only returns: the step goes on to its caller, or to the next
 * deferred call. */
static struct err *from_here(struct at *at)
{
    enum dbg_run how = at->st->how;
    TRY(frames_of(at));
    if (!at->frames.n)
        return NULL;
    struct step_view v = {.frames = &at->frames,
                          .first = step_first(&at->frames),
                          .hi = at->here.stack_hi,
                          .tid = at->tid,
                          .a = &at->a};
    step_clear(at->st);
    at->st->how = DBG_STEP_OUT;
    struct err *e = step_plan(at->st, &v);
    at->st->how = how;
    return e;
}

static struct err *go(struct at *at, enum step_role role, bool *ret_done, struct dbg_event *ev)
{
    switch (role) {
    case STEP_AT_CALL:
        return step_into(at->st, step_target(at->d, &at->regs));
    case STEP_AT_DEFERRED:
        return is_ours(at) ? step_into(at->st, step_target(at->d, &at->regs)) : NULL;
    case STEP_AT_RECOVERED:
        return from_here(at);
    case STEP_AT_RANGE:
        return is_our_body(at, ret_done);
    case STEP_AT_RETURN:
        *ret_done = true;
        if (at->st->returns)
            dbg_read_results(at->d, at->tid, &at->st->f, ev);
        return NULL;
    case STEP_AT_END:
        ev->text = arena_printf(&at->d->stop_arena, "goroutine %lld has ended",
                                (long long)at->here.goroutine);
        *ret_done = true;
        return NULL;
    default:
        *ret_done = true;
        return NULL;
    }
}

struct err *step_go(struct dbg *d, struct step_site *s, pid_t tid, bool *ret_done,
                    struct dbg_event *ev)
{
    struct at at = {.d = d, .st = s->st, .tid = tid};
    arena_init(&at.a);
    struct err *e = debug_regs(d->debug, tid, &at.regs);
    if (!e && rt_here(d->rt, dbg_view(d), &at.regs, &at.here))
        e = go(&at, s->role, ret_done, ev);
    arena_free(&at.a);
    return e;
}
