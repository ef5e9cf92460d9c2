/* look.c - expressions, assignments and snapshots of a session whose program stands. */
#include <string.h>

#include "dbg/dbg_int.h"

struct seen {
    struct rt_goroutine g;
    struct rt_frames frames;
    const struct rt_frame *frame;
};

/* The frame that is meant, in the arena. */
static struct err *see(struct dbg *d, int64_t goroutine, unsigned frame, struct arena *a,
                       struct seen *ret)
{
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &ret->g));
    TRY(rt_goroutine_frames(d->stand, ret->g.g, frame + 1, a, &ret->frames));
    if (frame >= ret->frames.n)
        return err_new(ERR_NOT_FOUND, "goroutine %llu has no frame %u",
                       (unsigned long long)ret->g.id, frame);
    ret->frame = &ret->frames.v[frame];
    return NULL;
}

static struct expr_ctx context_of(struct dbg *d, const struct seen *s, struct arena *a)
{
    return (struct expr_ctx){
        .st = d->stand, .frame = s->frame, .g = s->g.g, .tid = s->g.tid, .arena = a};
}

struct err *dbg_eval_still(struct dbg *d, int64_t goroutine, unsigned frame, const char *text,
                           struct arena *a, struct dbg_value *ret)
{
    struct seen s;
    TRY(see(d, goroutine, frame, a, &s));
    struct expr_ctx ctx = context_of(d, &s, a);
    return expr_once(&ctx, text, ret);
}

static struct err *wants_call(void *arg, const struct expr_call *call, struct arena *a,
                              struct dbg_value *ret)
{
    (void)call;
    (void)a;
    (void)ret;
    *(bool *)arg = true;
    return err_new(ERR_UNSUPPORTED, "a call");
}

struct err *dbg_eval_call(struct dbg *d, const struct dbg_call_spec *how, struct arena *a,
                          struct dbg_value *ret)
{
    struct seen s;
    bool calls = false;
    TRY(see(d, how->goroutine, how->frame, a, &s));
    struct expr_ctx ctx = context_of(d, &s, a);
    ctx.call = wants_call;
    ctx.call_arg = &calls;
    struct err *e = expr_once(&ctx, how->text, ret);
    if (!calls)
        return e;
    err_free(e);
    struct dbg_call_spec spec = *how;
    spec.goroutine = (int64_t)s.g.id;
    return call_and_wait(d, &spec, a, ret);
}

struct err *dbg_eval(struct dbg *d, int64_t goroutine, unsigned frame, const char *text,
                     struct arena *a, struct dbg_value *ret)
{
    struct dbg_call_spec how = {.goroutine = goroutine, .frame = frame, .text = text};
    return dbg_eval_call(d, &how, a, ret);
}

/* ---- setting ---- */

struct setter {
    struct dbg *d;
    pid_t tid;
    bool registers; /* those of the thread are the frame's */
    struct home home;
};

static struct err *write_memory(void *arg, taddr addr, const void *src, size_t n)
{
    struct setter *s = arg;
    return debug_write(s->d->debug, addr, src, n);
}

struct err *look_set_reg(const struct arch *arch, struct arch_regs *regs, unsigned reg,
                         const void *src, size_t n)
{
    uint64_t v = 0;
    if (n > sizeof(v) || !arch->dwarf_reg(regs, reg, &v))
        return err_new(ERR_UNSUPPORTED, "it is in a register that cannot be set");
    memcpy(&v, src, n);
    return arch->set_dwarf_reg(regs, reg, v)
               ? NULL
               : err_new(ERR_UNSUPPORTED, "it is in a register that cannot be set");
}

static struct err *write_register(void *arg, unsigned reg, const void *src, size_t n)
{
    struct setter *s = arg;
    struct arch_regs regs;
    if (!s->registers)
        return err_new(ERR_UNSUPPORTED, "it is in a register that a caller has saved, or nowhere");
    TRY(debug_regs(s->d->debug, s->tid, &regs));
    TRY(home_set(&s->home, &regs, reg, src, n));
    TRY(look_set_reg(code_arch(s->d->code), &regs, reg, src, n));
    return debug_set_regs(s->d->debug, s->tid, &regs);
}

/* Without running anything of the program.  *by_call: only a call can do it. */
static struct err *assign_still(struct dbg *d, const struct seen *s, const char *to,
                                const char *text, bool calls, struct arena *a, bool *by_call)
{
    struct dbg_value dst, src;
    struct expr_ctx ctx = context_of(d, s, a);
    struct setter set = {
        .d = d, .tid = s->g.tid, .registers = s->g.running && s->frame->exact && s->frame->regs};
    struct dbg_writer w = {
        .memory = write_memory, .reg = write_register, .arg = &set, .wants_making = by_call};
    TRY(expr_once(&ctx, to, &dst));
    home_find(d, s->frame, to, &dst, a, &set.home);
    if (calls) {
        ctx.call = wants_call;
        ctx.call_arg = by_call;
    }
    TRY(expr_once(&ctx, text, &src));
    return dbg_value_set(d->stand, &dst, &src, &w);
}

struct err *dbg_assign(struct dbg *d, int64_t goroutine, unsigned frame, const char *to,
                       const char *text, bool calls)
{
    struct arena a;
    struct seen s;
    struct dbg_value v;
    bool by_call = false;
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core cannot be changed");
    arena_init(&a);
    struct err *e = see(d, goroutine, frame, &a, &s);
    if (!e) {
        e = assign_still(d, &s, to, text, calls, &a, &by_call);
        rt_stand_moved(d->stand, dbg_view(d));
    }
    if (by_call) {
        err_free(e);
        e = call_and_wait(d,
                          &(struct dbg_call_spec){
                              .goroutine = (int64_t)s.g.id, .frame = frame, .text = text, .to = to},
                          &a, &v);
    }
    arena_free(&a);
    return e;
}

struct err *dbg_write(struct dbg *d, taddr addr, const void *bytes, size_t n)
{
    TRY(dbg_must_stand(d));
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core cannot be changed");
    TRY(debug_write(d->debug, addr, bytes, n));
    rt_stand_moved(d->stand, dbg_view(d));
    return NULL;
}

struct err *dbg_snapshot(struct dbg *d, const struct rt_capture_options *o, struct snap **ret)
{
    TRY(dbg_must_stand(d));
    return rt_capture(d->rt, o, ret);
}

static void urgent(struct dbg *d, bool on)
{
    if (d->debug)
        debug_urgent(d->debug, on);
}

void dbg_snapshot_prepare(struct dbg *d, const struct rt_capture_options *o)
{
    rt_capture_prepare(d->rt, o);
    if (d->debug)
        debug_copy_prepare(d->debug);
    urgent(d, true);
}

static struct err *read_copy(struct dbg *d, struct target *copy, struct rt_capture_options *o,
                             struct err *(*go)(void *arg), void *arg, struct snap **ret)
{
    struct target_pause pause;
    *ret = NULL;
    o->frozen = copy;
    struct err *e = go(arg);
    urgent(d, false); /* all that is left is reading, and takes all processors */
    if (!e)
        e = rt_capture(d->rt, o, ret);
    struct err *end = target_thaw(copy, &pause);
    if (e)
        err_free(end);
    return e ? e : end;
}

struct err *dbg_snapshot_go(struct dbg *d, const struct rt_capture_options *o,
                            struct err *(*go)(void *arg), void *arg, struct snap **ret)
{
    struct rt_capture_options how = *o;
    struct target_freeze_options fo = {.vectors = o->heap};
    struct target *copy;
    TRY(dbg_must_stand(d));
    struct err *none = d->debug ? debug_copy(d->debug, &fo, &copy)
                                : err_new(ERR_UNSUPPORTED, "nothing of it runs");
    if (!none)
        return read_copy(d, copy, &how, go, arg, ret);
    urgent(d, false);
    how.why_held = err_message(none);
    struct err *e = rt_capture(d->rt, &how, ret);
    err_free(none);
    if (!e)
        e = go(arg);
    return e;
}
