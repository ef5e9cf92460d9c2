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
