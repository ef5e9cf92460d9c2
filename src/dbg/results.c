/* results.c - what a function has returned, right behind the call.
 *
 * DWARF of the function gives names, types and order; where they are when it has returned follows
 * from the types alone (abi.c), so that it is known in optimised code, too. */
#include <string.h>

#include "dbg/abi_int.h"
#include "dbg/dbg_int.h"

/* ---- reading them ---- */

struct reader {
    struct dbg *d;
    pid_t tid;
    struct arch_regs regs;
    uint8_t *extended;
    size_t extended_n;
    struct arena *arena;
};

static void read_result(struct reader *r, struct abi *a, const struct rt_var *var,
                        struct dbg_value *ret)
{
    bool on_stack;
    taddr off = 0;
    int64_t size = value_type_size(a->values, var->value.type);
    dbg_value_of_var(var, ret);
    ret->why = NULL;
    ret->optimized_out = false;
    ret->npieces = 0;
    ret->v = (struct value){.type = var->value.type};
    abi_assign(a, var->value.type, &on_stack, &off);
    if (on_stack) {
        ret->v.addr = r->regs.sp + off;
        return;
    }
    uint8_t *bytes = arena_alloc(r->arena, size > 0 ? (size_t)size : 1);
    for (unsigned i = 0; i < a->n; i++)
        if (!abi_read(a, &a->v[i], &r->regs, r->extended, r->extended_n, bytes))
            ret->why = "its register is not known";
    ret->v.bytes = bytes;
    ret->v.n = size > 0 ? (size_t)size : 0;
}

/* Arguments and results of a function, as they are declared. */
static struct err *signature(struct dbg *d, const struct code_func *f, struct arena *a,
                             struct rt_var **ret, size_t *ret_n)
{
    taddr body = code_body(d->code, f);
    struct rt_frame frame = {.pc = body, .entry = f->f.entry, .exact = true, .size = -1};
    struct rt_frame calls[CODE_DEPTH];
    size_t n = rt_where(d->stand, body, true, calls, CODE_DEPTH);
    frame.inline_no = (uint16_t)(n ? n - 1 : 0);
    frame.func = f->f.name;
    frame.file = frame.module = "";
    return rt_vars(d->stand, &frame, a, ret, ret_n);
}

/* The compiler may describe a result more than once. */
static bool is_known(const struct dbg_value *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return true;
    return false;
}

static struct err *read_all(struct reader *r, const struct code_func *f, struct dbg_event *ev)
{
    struct rt_var *vars;
    size_t n = 0, results = 0;
    bool on_stack;
    taddr off;
    TRY(signature(r->d, f, r->arena, &vars, &n));
    struct abi a = {.arch = code_arch(r->d->code), .values = rt_stand_values(r->d->stand, NULL)};
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_ARG)
            abi_assign(&a, vars[i].value.type, &on_stack, &off);
    abi_results(&a);
    struct dbg_value *v = arena_array(r->arena, struct dbg_value, n + 1);
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_RESULT && !is_known(v, results, vars[i].name))
            read_result(r, &a, &vars[i], &v[results++]);
    ev->results = v;
    ev->nresults = results;
    return NULL;
}

void dbg_read_results(struct dbg *d, pid_t tid, const struct code_func *f, struct dbg_event *ev)
{
    struct reader r = {.d = d, .tid = tid, .arena = &d->stop_arena};
    if ((f->f.flag & PCLN_FLAG_ASM) || !rt_stand_values(d->stand, NULL))
        return; /* assembly has another convention */
    struct err *e = debug_regs(d->debug, tid, &r.regs);
    if (!e)
        e = debug_extended(d->debug, tid, r.arena, &r.extended, &r.extended_n);
    if (!e)
        e = read_all(&r, f, ev);
    err_free(e); /* a stop without results is still a stop */
}
