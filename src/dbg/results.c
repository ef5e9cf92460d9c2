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

/* The compiler may describe a result more than once. */
static bool is_known(const struct rt_var *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].kind == RT_VAR_RESULT && strcmp(v[i].name, name) == 0)
            return true;
    return false;
}

/* By DWARF as it is: results without a name are no variables that people see.  Of what escaped it
 * has the pointer. */
struct err *abi_signature(struct dbg *d, const struct code_func *f, struct arena *a,
                          struct rt_var **ret, size_t *ret_n)
{
    struct dwarf_scope scope;
    struct values *values = rt_stand_values(d->stand, NULL);
    *ret_n = 0;
    struct dwarf *dw = code_dwarf(f->m);
    if (!dw || !values)
        return err_new(ERR_NOT_FOUND, "%s: there is no DWARF", f->f.name);
    if (f->f.flag & PCLN_FLAG_ASM)
        return err_new(ERR_UNSUPPORTED, "%s is assembly: what it takes is not described",
                       f->f.name);
    TRY(dwarf_scope_at(dw, code_body(d->code, f) - f->m->slide, a, &scope));
    *ret = arena_array(a, struct rt_var, scope.nvars + 1);
    for (size_t i = 0; i < scope.nvars; i++) {
        const struct dwarf_var *v = &scope.vars[i];
        bool escaped = *v->name == '&';
        const struct dwarf_type *t = escaped ? value_type_stripped(values, v->type) : NULL;
        uint64_t type = t && t->kind == DWARF_KIND_POINTER ? t->elem : v->type;
        if (!v->param || v->call + 1u != scope.ncalls || type == DWARF_NO_ID ||
            (v->result && is_known(*ret, *ret_n, v->name + escaped)))
            continue;
        (*ret)[(*ret_n)++] = (struct rt_var){.name = v->name + escaped,
                                             .type = value_type_name(values, type),
                                             .kind = v->result ? RT_VAR_RESULT : RT_VAR_ARG,
                                             .file = "",
                                             .value.type = type};
    }
    return NULL;
}

static struct err *read_all(struct reader *r, const struct code_func *f, struct dbg_event *ev)
{
    struct rt_var *vars;
    size_t n = 0, results = 0;
    bool on_stack;
    taddr off;
    TRY(abi_signature(r->d, f, r->arena, &vars, &n));
    struct abi a = {.arch = code_arch(r->d->code), .values = rt_stand_values(r->d->stand, NULL)};
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_ARG)
            abi_assign(&a, vars[i].value.type, &on_stack, &off);
    abi_results(&a);
    struct dbg_value *v = arena_array(r->arena, struct dbg_value, n + 1);
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_RESULT)
            read_result(r, &a, &vars[i], &v[results++]);
    ev->results = v;
    ev->nresults = results;
    return NULL;
}

void dbg_read_results(struct dbg *d, pid_t tid, const struct code_func *f, struct dbg_event *ev)
{
    struct reader r = {.d = d, .tid = tid, .arena = &d->stop_arena};
    struct err *e = debug_regs(d->debug, tid, &r.regs);
    if (!e)
        e = debug_extended(d->debug, tid, r.arena, &r.extended, &r.extended_n);
    if (!e)
        e = read_all(&r, f, ev);
    err_free(e); /* a stop without results is still a stop */
}
