/* show.c - the calls of a line, machine code, and going elsewhere: what is shown of code while the
 * program stands. */
#include <string.h>

#include "dbg/dbg_int.h"

static const char *name_of(struct dbg *d, taddr addr, struct arena *a)
{
    struct code_func f;
    if (!addr || !code_func_at(d->code, addr, &f))
        return "";
    return addr == f.f.entry
               ? f.f.name
               : arena_printf(a, "%s+%llu", f.f.name, (unsigned long long)(addr - f.f.entry));
}

/* ---- where a step could go into ---- */

static bool is_target(struct dbg *d, const struct code_call *call)
{
    struct code_func f;
    if (call->jump)
        return false;
    return !call->target || (code_func_at(d->code, call->target, &f) && !code_is_private(f.f.name));
}

struct err *dbg_step_targets(struct dbg *d, int64_t goroutine, unsigned frame, struct arena *a,
                             struct dbg_target **ret, size_t *ret_n)
{
    struct rt_goroutine g;
    struct rt_frames frames;
    struct code_func f;
    VEC(struct dbg_target) v = {0};
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &g));
    TRY(rt_goroutine_frames(d->stand, g.g, frame + 1, a, &frames));
    if (frame >= frames.n || !code_func_at(d->code, frames.v[frame].pc, &f))
        return err_new(ERR_NOT_FOUND, "there is no frame %u of Go code", frame);
    const struct rt_frame *fr = &frames.v[frame];
    const struct code_line *lines, *at = code_line_at(d->code, &f, fr->pc - !fr->exact);
    size_t n = code_lines(d->code, &f, &lines);
    for (size_t i = 0; at && i < n; i++) {
        struct code_call *calls;
        if (lines[i].line != at->line || strcmp(lines[i].file, at->file) != 0 ||
            lines[i].depth != at->depth || !code_same_copy(&lines[i], at, at->depth))
            continue;
        size_t k =
            code_calls(d->code, &f, lines[i].pc, i + 1 < n ? lines[i + 1].pc : f.f.end, a, &calls);
        for (size_t c = 0; c < k; c++) {
            struct dbg_target t = {.pc = calls[c].pc,
                                   .name = name_of(d, calls[c].target, a),
                                   .line = (unsigned)at->line};
            if (is_target(d, &calls[c]))
                vec_push(&v, t);
        }
    }
    *ret = arena_array(a, struct dbg_target, v.n);
    *ret_n = v.n;
    if (v.n)
        memcpy(*ret, v.v, v.n * sizeof(*v.v));
    vec_free(&v);
    return NULL;
}

/* ---- machine code ---- */

enum { CODE_MAX = 1 << 20, INSN_MAX = 16, TEXT_MAX = 128 };

/* Instructions that jump or call into functions are easier read with the name. */
static void describe_insn(struct dbg *d, struct dbg_insn *in, size_t left, struct arena *a)
{
    const struct arch *arch = code_arch(d->code);
    struct arch_insn decoded;
    char text[TEXT_MAX];
    in->n = 1;
    in->text = "(bad)";
    in->target_name = in->function = in->file = "";
    size_t n = left < INSN_MAX ? left : INSN_MAX;
    if (arch->decode(in->bytes, n, in->pc, &decoded) &&
        arch->text(in->bytes, n, in->pc, text, sizeof(text))) {
        in->n = decoded.len;
        in->text = arena_strdup(a, text);
        in->call = decoded.is_call;
        in->target = decoded.target;
        in->target_name = name_of(d, decoded.target, a);
    }
}

static void locate_insn(struct dbg *d, struct dbg_insn *in)
{
    struct code_func f;
    struct pcln_frame frames[CODE_DEPTH];
    if (!code_func_at(d->code, in->pc, &f))
        return;
    size_t n = pcln_frames(&f.m->pcln, &f.f, in->pc, frames, CODE_DEPTH);
    in->function = n ? frames[0].func : f.f.name;
    in->file = n ? frames[0].file : "";
    in->line = n && frames[0].line > 0 ? (unsigned)frames[0].line : 0;
}

struct err *dbg_disassemble(struct dbg *d, taddr from, taddr to, struct arena *a,
                            struct dbg_insn **ret, size_t *ret_n)
{
    VEC(struct dbg_insn) v = {0};
    TRY(dbg_must_stand(d));
    if (to <= from || to - from > CODE_MAX)
        return err_new(ERR_USAGE, "a range of code has 1 to %d bytes", CODE_MAX);
    size_t n = (size_t)(to - from) + INSN_MAX;
    uint8_t *bytes = arena_alloc(a, n);
    struct err *e = target_read(dbg_view(d), from, bytes, n);
    if (e) { /* the last instruction may end where the mapping does */
        err_free(e);
        n -= INSN_MAX;
        TRY(target_read(dbg_view(d), from, bytes, n));
    }
    for (taddr at = from; at < to;) {
        struct dbg_insn in = {.pc = at, .bytes = bytes + (at - from)};
        describe_insn(d, &in, n - (size_t)(at - from), a);
        locate_insn(d, &in);
        vec_push(&v, in);
        at += in.n;
    }
    *ret = arena_array(a, struct dbg_insn, v.n);
    *ret_n = v.n;
    memcpy(*ret, v.v, v.n * sizeof(*v.v));
    vec_free(&v);
    return NULL;
}

/* ---- going elsewhere ---- */

/* Only within a function, between places where its frame is alike; registers stay as they are. */
static struct err *stack_differs(const struct code_func *f, taddr pc)
{
    struct err *e = err_new(ERR_UNSUPPORTED, "the stack of %s is another one at %#llx", f->f.name,
                            (unsigned long long)pc);
    return err_hint(e, "Where a function begins it has not made its stack yet: step once");
}

static struct err *check_goto(struct dbg *d, const struct rt_goroutine *g, taddr pc, bool force,
                              struct arch_regs *ret)
{
    struct code_func from, to;
    if (!d->debug || !g->running || !g->tid)
        return err_new(ERR_UNSUPPORTED, "goroutine %llu does not run on a thread now",
                       (unsigned long long)g->id);
    TRY(debug_regs(d->debug, g->tid, ret));
    if (!code_func_at(d->code, ret->pc, &from) || !code_func_at(d->code, pc, &to) ||
        from.f.entry != to.f.entry)
        return err_new(ERR_UNSUPPORTED, "%#llx is not in the function that runs",
                       (unsigned long long)pc);
    int32_t size = pcln_frame_size(&from.m->pcln, &from.f, ret->pc);
    if (size < 0 || size != pcln_frame_size(&to.m->pcln, &to.f, pc))
        return stack_differs(&to, pc);
    if (force || !code_is_optimized(&to))
        return NULL;
    struct err *e = err_new(
        ERR_UNSUPPORTED, "%s is optimised: what registers are to hold elsewhere in it is not known",
        to.f.name);
    return err_hint(e,
                    "Build it with -gcflags='all=-N -l'; in the terminal, jump -force goes there");
}

struct err *dbg_may_goto(struct dbg *d, int64_t goroutine, taddr pc, bool force)
{
    struct rt_goroutine g;
    struct arch_regs regs;
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &g));
    return check_goto(d, &g, pc, force, &regs);
}

struct err *dbg_goto(struct dbg *d, int64_t goroutine, taddr pc, bool force)
{
    struct rt_goroutine g;
    struct arch_regs regs;
    TRY(dbg_must_stand(d));
    TRY(dbg_goroutine_or(d, goroutine, &g));
    TRY(check_goto(d, &g, pc, force, &regs));
    step_end(d);
    code_arch(d->code)->debug->set_pc(&regs, pc);
    TRY(debug_set_regs(d->debug, g.tid, &regs));
    rt_stand_moved(d->stand, dbg_view(d));
    d->stop.pc = pc;
    return NULL;
}
