/* step_plan.c - where a step may end.
 *
 * Go: cmd/compile marks where statements begin; runtime/panic.go deferreturn, gopanic, Goexit,
 * runOpenDeferFrame, deferCallSave (1.18-1.27) run deferred calls, all by calling a closure.
 *
 * A function may be inlined: a frame of the user is then a part of the machine's frame, told by
 * which copies of which calls are inlined at a pc (struct code_line). */
#include <string.h>

#include "dbg/dbg_int.h"

enum { BODIES_MAX = 64, MISSING_MAX = 4, NESTED_MAX = 8 };

/* The frame of the user a step is about, and the function of the machine it is in. */
struct here {
    struct step *st;
    const struct step_view *v;
    const struct rt_frame *frame; /* the user's */
    size_t physical;              /* number of the machine's frame */
    struct code_func f;
    const struct code_line *at; /* what is executing */
    unsigned depth;             /* inlined calls around the user's frame */
    const char *file, *func;
    int32_t line;
    bool any_line;
};

size_t step_first(const struct rt_frames *frames)
{
    for (size_t i = 0; i < frames->n; i++)
        if (!code_is_private(frames->v[i].func) && !frames->v[i].wrapper && frames->v[i].cfa)
            return i;
    return 0;
}

static size_t physical_of(const struct rt_frames *frames, size_t i)
{
    while (i + 1 < frames->n && frames->v[i].inlined)
        i++;
    return i;
}

static struct err *find_here(struct here *h)
{
    const struct rt_frame *fr = h->frame = &h->v->frames->v[h->v->first];
    struct code *c = h->st->d->code;
    h->physical = physical_of(h->v->frames, h->v->first);
    if (!fr->cfa || !code_func_at(c, fr->pc - !fr->exact, &h->f))
        return err_hint(err_new(ERR_UNSUPPORTED, "%s is not Go code that can be stepped in",
                                *fr->func ? fr->func : "this"),
                        "step out, or step by instruction");
    h->at = code_line_at(c, &h->f, fr->pc - !fr->exact);
    h->depth = h->at && h->at->depth > fr->inline_no ? h->at->depth - fr->inline_no : 0;
    bool innermost = h->at && h->depth == h->at->depth;
    h->file = innermost ? h->at->file : fr->file;
    h->line = innermost ? h->at->line : fr->line;
    h->func = fr->func;
    h->st->depth = h->v->hi - fr->cfa;
    h->st->sp_depth = h->v->hi - fr->sp;
    return NULL;
}

/* ---- lines ---- */

/* The innermost function at a line. */
static const char *func_at(const struct code_func *f, const struct code_line *l)
{
    struct pcln_frame call;
    taddr parent;
    if (!l->depth)
        return f->f.name;
    if (l->depth <= ARRAY_LEN(l->inl))
        return pcln_inlined(&f->m->pcln, &f->f, l->inl[l->depth - 1], &call, &parent) ? call.func
                                                                                      : "";
    struct pcln_frame frames[CODE_DEPTH];
    return pcln_frames(&f->m->pcln, &f->f, l->pc, frames, CODE_DEPTH) ? frames[0].func : "";
}

static bool is_other_line(const struct here *h, const struct code_line *l)
{
    return h->any_line || l->line != h->line || strcmp(l->file, h->file) != 0;
}

/* Whether a step in h may end at a line of the same function of the machine. */
static bool may_end(const struct here *h, const struct code_line *l)
{
    bool out = h->st->how == DBG_STEP_OUT || h->st->how == DBG_UNTIL;
    if (!h->at)
        return !l->depth && !out;
    if (l->depth < h->depth)
        return code_same_copy(l, h->at, l->depth) && /* the call was inlined, and is over */
               (h->st->in_runtime || !code_is_private(func_at(&h->f, l)));
    if (out)
        return false;
    if (l->depth == h->depth && code_same_copy(l, h->at, h->depth))
        return is_other_line(h, l);
    const char *func = func_at(&h->f, l);
    if (step_is_family(func, h->func) && (step_is_range_body(func) || step_is_range_body(h->func)))
        return is_other_line(h, l);
    return h->st->how == DBG_STEP && !h->st->target && l->depth > h->depth &&
           code_same_copy(l, h->at, h->depth) && (h->st->in_runtime || !code_is_private(func));
}

static struct err *add_lines(struct here *h)
{
    struct code *c = h->st->d->code;
    const struct code_line *v;
    size_t n = code_lines(c, &h->f, &v);
    taddr body = code_body(c, &h->f);
    for (size_t i = 0; i < n; i++) {
        if (v[i].stmt && v[i].line > 0 && v[i].pc >= body && may_end(h, &v[i]))
            TRY(step_add(h->st, STEP_AT_LINE, v[i].pc, DEPTH_IS, h->st->depth));
    }
    return NULL;
}

/* ---- loop bodies that are functions ---- */

static struct err *add_body_lines(struct here *h, const struct code_func *body)
{
    struct code *c = h->st->d->code;
    const struct code_line *v;
    size_t n = code_lines(c, body, &v);
    taddr first = code_body(c, body);
    const struct code_line *head = code_line_at(c, body, first); /* the loop's, in each round */
    if (head && head->line > 0 && is_other_line(h, head))
        TRY(step_add(h->st, STEP_AT_RANGE, first, DEPTH_ANY, 0));
    for (size_t i = 0; i < n; i++) {
        if (v[i].stmt && v[i].line > 0 && v[i].pc >= first && !v[i].depth &&
            is_other_line(h, &v[i]))
            TRY(step_add(h->st, STEP_AT_RANGE, v[i].pc, DEPTH_ANY, 0));
    }
    return NULL;
}

/* Bodies are numbered through their function (up to 1.26), or, of loops in loops, within the body
 * around them: f-range1-range2. */
static struct err *add_bodies(struct here *h, const char *around, unsigned depth)
{
    unsigned missing = 0;
    for (unsigned i = 1; depth < NESTED_MAX && i <= BODIES_MAX && missing < MISSING_MAX; i++) {
        char *name = arena_printf(h->v->a, "%s-range%u", around, i);
        struct code_func body;
        size_t at = 0;
        bool any = false;
        while (code_func_named(h->st->d->code, name, &at, &body)) {
            any = true;
            TRY(add_body_lines(h, &body));
        }
        missing = any ? 0 : missing + 1;
        if (any)
            TRY(add_bodies(h, name, depth + 1));
    }
    return NULL;
}

/* The function whose loop a body is of: number of its frame; SIZE_MAX: it is not on the stack. */
static size_t frame_of_family(const struct here *h, const char *family)
{
    for (size_t i = h->physical + 1; i < h->v->frames->n; i++)
        if (strcmp(h->v->frames->v[i].func, family) == 0 && h->v->frames->v[i].cfa)
            return physical_of(h->v->frames, i);
    return SIZE_MAX;
}

/* All lines of the function that a body belongs to, which becomes what the step is about. */
static struct err *add_outer(struct here *h, const char *family)
{
    size_t i = frame_of_family(h, family);
    if (i == SIZE_MAX)
        return NULL;
    struct step_view v = *h->v;
    v.first = i;
    struct here outer = {.st = h->st, .v = &v, .any_line = true};
    TRY(find_here(&outer));
    h->physical = i;
    return add_lines(&outer);
}

/* ---- returning ---- */

static bool is_shown(const struct rt_frames *frames, size_t i)
{
    for (;; i++) {
        if (!code_is_private(frames->v[i].func) && !frames->v[i].wrapper)
            return true;
        if (!frames->v[i].inlined || i + 1 == frames->n)
            return false;
    }
}

/* The frame that is shown when the function returns; SIZE_MAX: none. */
static size_t caller_of(const struct here *h)
{
    const struct rt_frames *fs = h->v->frames;
    for (size_t i = h->physical + 1; i < fs->n; i = physical_of(fs, i) + 1)
        if (fs->v[i].cfa && (h->st->in_runtime || is_shown(fs, i)))
            return i;
    size_t next = h->physical + 1;
    return next < fs->n && fs->v[next].cfa && !fs->v[next].top ? next : SIZE_MAX;
}

static struct err *add_return(struct here *h)
{
    const struct rt_frames *fs = h->v->frames;
    size_t i = caller_of(h);
    if (i == SIZE_MAX)
        return NULL;
    h->st->returns = i == h->physical + 1;
    h->st->f = h->f;
    return step_add(h->st, STEP_AT_RETURN, fs->v[i].pc, DEPTH_AT_MOST, h->v->hi - fs->v[i].cfa);
}

/* ---- deferred calls ---- */

static struct err *add_deferred_of(struct step *st, const char *name, struct arena *a)
{
    struct code *c = st->d->code;
    struct code_func f;
    struct code_call *calls;
    size_t at = 0;
    bool depth = strcmp(name, "runtime.deferreturn") == 0;
    if (!code_func_named(c, name, &at, &f))
        return NULL;
    size_t n = code_calls(c, &f, f.f.entry, f.f.end, a, &calls);
    for (size_t i = 0; i < n; i++)
        if (!calls[i].target && !calls[i].jump)
            TRY(step_add(st, STEP_AT_DEFERRED, calls[i].pc, depth ? DEPTH_AT_MOST : DEPTH_ANY,
                         depth ? st->sp_depth : 0));
    return NULL;
}

/* Where the runtime calls deferred functions.  When the function just returns they are calls as any
 * other (the compiler may make them itself, without the runtime): only STEP goes into them. */
static struct err *add_deferred(struct here *h)
{
    static const char *const names[] = {"runtime.deferreturn", "runtime.gopanic", "runtime.Goexit",
                                        "runtime.runOpenDeferFrame", "runtime.deferCallSave"};
    for (size_t i = h->st->how == DBG_STEP ? 0 : 1; i < ARRAY_LEN(names); i++)
        TRY(add_deferred_of(h->st, names[i], h->v->a));
    return NULL;
}

/* A panic goes on above: a frame whose deferred call recovers continues with its deferreturn. */
static struct err *add_recovered(struct here *h)
{
    const struct rt_frames *fs = h->v->frames;
    struct code *c = h->st->d->code;
    struct code_func f;
    size_t i = h->physical;
    while (i < fs->n && strcmp(fs->v[i].func, "runtime.gopanic") != 0)
        i++;
    for (i++; i < fs->n; i++) {
        taddr *pcs;
        if (fs->v[i].inlined || !fs->v[i].cfa || !code_func_at(c, fs->v[i].pc - 1, &f))
            continue;
        size_t n = code_recovered(c, &f, h->v->a, &pcs);
        for (size_t k = 0; k < n; k++)
            TRY(step_add(h->st, STEP_AT_RECOVERED, pcs[k], DEPTH_IS, h->v->hi - fs->v[i].cfa));
    }
    return NULL;
}

static struct err *add_end(struct here *h)
{
    struct code_func f;
    size_t at = 0;
    if (!h->st->goroutine || !code_func_named(h->st->d->code, "runtime.goexit1", &at, &f))
        return NULL;
    return step_add(h->st, STEP_AT_END, f.f.entry, DEPTH_ANY, 0);
}

/* ---- calls of the line ---- */

static bool is_worth(const struct step *st, taddr target)
{
    struct code_func f;
    if (!target)
        return true; /* known when it is made */
    return code_func_at(st->d->code, target, &f) &&
           (st->in_runtime || !code_is_private(f.f.name) || code_is_wrapper(st->d->code, &f));
}

/* The call that is made next: whoever stands at a site does not meet it. */
static struct err *add_call_now(struct here *h, taddr pc)
{
    struct dbg *d = h->st->d;
    struct arch_regs regs;
    if (!h->frame->exact || h->frame->pc != pc || !h->v->tid)
        return NULL;
    TRY(debug_regs(d->debug, h->v->tid, &regs));
    return regs.pc == pc ? step_into(h->st, step_target(d, &regs)) : NULL;
}

/* Calls between this mark and the next. */
static struct err *add_calls_of(struct here *h, taddr lo, taddr hi)
{
    struct code_call *calls;
    size_t n = code_calls(h->st->d->code, &h->f, lo, hi, h->v->a, &calls);
    for (size_t i = 0; i < n; i++) {
        if (h->st->target && calls[i].pc != h->st->target)
            continue;
        if (!is_worth(h->st, calls[i].target))
            continue;
        TRY(step_add(h->st, STEP_AT_CALL, calls[i].pc, DEPTH_IS, h->st->depth));
        TRY(add_call_now(h, calls[i].pc));
    }
    return NULL;
}

/* Calls that the line may make, also those that follow in what is inlined into it. */
static struct err *add_calls(struct here *h)
{
    const struct code_line *v;
    size_t n = code_lines(h->st->d->code, &h->f, &v);
    taddr body = code_body(h->st->d->code, &h->f);
    for (size_t i = 0; h->at && i < n; i++) {
        bool own = v[i].depth == h->depth && code_same_copy(&v[i], h->at, h->depth) &&
                   !is_other_line(h, &v[i]);
        bool within = v[i].depth > h->depth && code_same_copy(&v[i], h->at, h->depth);
        taddr hi = i + 1 < n ? v[i + 1].pc : h->f.f.end;
        if ((own || within) && hi > body)
            TRY(add_calls_of(h, v[i].pc > body ? v[i].pc : body, hi));
    }
    return NULL;
}

/* ---- all of it ---- */

/* Who leaves the body of a loop leaves the function that the loop is in; the iterator is none of
 * his callers. */
static struct err *leave_body(struct here *h, struct step_view *outer)
{
    size_t i =
        step_is_range_body(h->func) ? frame_of_family(h, step_family(h->v->a, h->func)) : SIZE_MAX;
    if (i == SIZE_MAX)
        return NULL;
    *outer = *h->v;
    outer->first = i;
    *h = (struct here){.st = h->st, .v = outer};
    return find_here(h);
}

struct err *step_plan(struct step *st, const struct step_view *v)
{
    struct here h = {.st = st, .v = v};
    struct step_view outer;
    TRY(find_here(&h));
    bool steps = st->how == DBG_NEXT || st->how == DBG_STEP;
    if (!steps)
        TRY(leave_body(&h, &outer));
    const char *family = step_family(v->a, h.func);
    TRY(add_lines(&h));
    if (st->how == DBG_STEP)
        TRY(add_calls(&h));
    if (steps && step_is_range_body(h.func))
        TRY(add_outer(&h, family));
    if (steps)
        TRY(add_bodies(&h, family, 0));
    TRY(add_return(&h));
    TRY(add_deferred(&h));
    TRY(add_recovered(&h));
    return add_end(&h);
}
