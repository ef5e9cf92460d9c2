/* results.c - what a function has returned, right behind the call.
 *
 * Go: src/cmd/compile/abi-internal.md (1.18-1.27): results are assigned to registers, or, when one
 * does not fit as a whole, to the stack behind the arguments that are there.  DWARF of the function
 * gives names, types and order; where they are when it has returned follows from the types alone,
 * so that it is known in optimised code, too. */
#include <string.h>

#include "dbg/abi_int.h"

enum { DEPTH_MAX = 32, SIZE_LIMIT = 1 << 20, PTR = 8 };

static bool take_int(struct assignment *a, uint32_t off, uint32_t n)
{
    if (a->ints >= ARRAY_LEN(a->arch->go_args) || a->n == ABI_PARTS_MAX)
        return false;
    a->v[a->n++] = (struct part){.off = off, .n = n, .reg = a->arch->go_args[a->ints++]};
    return true;
}

static bool take_vector(struct assignment *a, uint32_t off, uint32_t n)
{
    if (a->vectors >= a->arch->ngo_vectors || a->n == ABI_PARTS_MAX)
        return false;
    a->v[a->n++] = (struct part){
        .off = off, .n = n, .reg = a->arch->go_vectors + a->vectors++, .vector = true};
    return true;
}

static bool take_words(struct assignment *a, uint32_t off, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        if (!take_int(a, off + i * PTR, PTR))
            return false;
    return true;
}

static bool take_type(struct assignment *a, uint64_t type, uint32_t off, unsigned depth);

static bool take_struct(struct assignment *a, const struct dwarf_type *t, uint32_t off,
                        unsigned depth)
{
    for (size_t i = 0; i < t->nmembers; i++)
        if (!take_type(a, t->members[i].type, off + (uint32_t)t->members[i].off, depth + 1))
            return false;
    return true;
}

static bool take_type(struct assignment *a, uint64_t type, uint32_t off, unsigned depth)
{
    const struct dwarf_type *t = value_type_stripped(a->values, type);
    int64_t size = value_type_size(a->values, type);
    if (!t || depth > DEPTH_MAX || size < 0 || size > SIZE_LIMIT)
        return false;
    switch (t->kind) {
    case DWARF_KIND_FLOAT:
        return take_vector(a, off, (uint32_t)size);
    case DWARF_KIND_COMPLEX:
        return take_vector(a, off, (uint32_t)size / 2) &&
               take_vector(a, off + (uint32_t)size / 2, (uint32_t)size / 2);
    case DWARF_KIND_STRING:
    case DWARF_KIND_INTERFACE:
        return take_words(a, off, 2);
    case DWARF_KIND_SLICE:
        return take_words(a, off, 3);
    case DWARF_KIND_STRUCT:
        return take_struct(a, t, off, depth);
    case DWARF_KIND_ARRAY:
        return t->count == 0 || (t->count == 1 && take_type(a, t->elem, off, depth + 1));
    default:
        return size <= PTR && take_int(a, off, (uint32_t)size);
    }
}

static taddr align_of(struct values *values, uint64_t type, unsigned depth)
{
    const struct dwarf_type *t = value_type_stripped(values, type);
    taddr most = 1;
    if (!t || depth > DEPTH_MAX)
        return PTR;
    if (t->kind == DWARF_KIND_ARRAY)
        return align_of(values, t->elem, depth + 1);
    if (t->kind == DWARF_KIND_STRUCT) {
        for (size_t i = 0; i < t->nmembers; i++)
            most = max_u64(most, align_of(values, t->members[i].type, depth + 1));
        return most;
    }
    int64_t size = value_type_size(values, type);
    if (t->kind == DWARF_KIND_COMPLEX)
        size /= 2;
    return size > 0 && size < PTR ? (taddr)size : PTR;
}

void abi_assign(struct assignment *a, uint64_t type, bool *ret_stack, taddr *ret_off)
{
    struct assignment before = *a;
    a->n = 0;
    *ret_off = 0;
    *ret_stack = !take_type(a, type, 0, 0);
    if (!*ret_stack)
        return;
    *a = before;
    a->n = 0;
    taddr align = align_of(a->values, type, 0);
    int64_t size = value_type_size(a->values, type);
    a->stack = (a->stack + align - 1) & ~(align - 1);
    *ret_off = a->stack;
    a->stack += size > 0 ? (taddr)size : 0;
}

void abi_results_follow(struct assignment *a)
{
    a->ints = a->vectors = 0;
    a->stack = (a->stack + PTR - 1) & ~(taddr)(PTR - 1);
}

/* ---- reading them ---- */

static bool read_part(struct abi_reader *r, const struct part *p, uint8_t *dst)
{
    const struct arch *arch = code_arch(r->d->code);
    uint8_t vector[16];
    uint64_t v;
    if (p->vector) {
        if (!arch->dwarf_vector(r->extended, r->extended_n, p->reg, vector) || p->n > 16)
            return false;
        memcpy(dst, vector, p->n);
        return true;
    }
    if (!arch->dwarf_reg(&r->regs, p->reg, &v))
        return false;
    memcpy(dst, &v, p->n);
    return true;
}

void abi_read(struct abi_reader *r, struct assignment *a, const struct rt_var *var,
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
        if (!read_part(r, &a->v[i], bytes + a->v[i].off))
            ret->why = "its register is not known";
    ret->v.bytes = bytes;
    ret->v.n = size > 0 ? (size_t)size : 0;
}

/* By DWARF as it is: results without a name are no variables that people see. */
struct err *abi_signature(struct dbg *d, const struct code_func *f, struct arena *a,
                          struct rt_var **ret, size_t *ret_n)
{
    struct dwarf_scope scope;
    struct values *values = rt_stand_values(d->stand, NULL);
    *ret_n = 0;
    if (!f->m->dwarf || !values)
        return err_new(ERR_NOT_FOUND, "%s: there is no DWARF", f->f.name);
    TRY(dwarf_scope_at(f->m->dwarf, code_body(d->code, f) - f->m->slide, a, &scope));
    *ret = arena_array(a, struct rt_var, scope.nvars + 1);
    for (size_t i = 0; i < scope.nvars; i++) {
        const struct dwarf_var *v = &scope.vars[i];
        if (!v->param || v->call + 1u != scope.ncalls || v->type == DWARF_NO_ID)
            continue;
        (*ret)[(*ret_n)++] = (struct rt_var){.name = v->name,
                                             .type = value_type_name(values, v->type),
                                             .kind = v->result ? RT_VAR_RESULT : RT_VAR_ARG,
                                             .file = "",
                                             .value.type = v->type};
    }
    return NULL;
}

static struct err *read_all(struct abi_reader *r, const struct code_func *f, struct dbg_event *ev)
{
    struct rt_var *vars;
    size_t n = 0, results = 0;
    bool on_stack;
    taddr off;
    TRY(abi_signature(r->d, f, r->arena, &vars, &n));
    struct assignment a = {.arch = code_arch(r->d->code),
                           .values = rt_stand_values(r->d->stand, NULL)};
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_ARG)
            abi_assign(&a, vars[i].value.type, &on_stack, &off);
    abi_results_follow(&a);
    struct dbg_value *v = arena_array(r->arena, struct dbg_value, n + 1);
    for (size_t i = 0; i < n; i++)
        if (vars[i].kind == RT_VAR_RESULT)
            abi_read(r, &a, &vars[i], &v[results++]);
    ev->results = v;
    ev->nresults = results;
    return NULL;
}

void dbg_read_results(struct dbg *d, pid_t tid, const struct code_func *f, struct dbg_event *ev)
{
    struct abi_reader r = {.d = d, .tid = tid, .arena = &d->stop_arena};
    if ((f->f.flag & PCLN_FLAG_ASM) || !rt_stand_values(d->stand, NULL))
        return; /* assembly has another convention */
    struct err *e = debug_regs(d->debug, tid, &r.regs);
    if (!e)
        e = debug_extended(d->debug, tid, r.arena, &r.extended, &r.extended_n);
    if (!e)
        e = read_all(&r, f, ev);
    err_free(e); /* a stop without results is still a stop */
}
