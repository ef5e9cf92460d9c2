/* frames_vars.c - variables of a frame of a target that stands; see frames.h.
 *
 * Go: DWARF as cmd/compile and cmd/link write it (1.18-1.27).  What is in scope comes from
 * locals_scope.c, where it is from locals_place.c, as for captures. */
#include <string.h>

#include "image/dwarf_line.h"
#include "rt/frames_int.h"

struct place {
    struct rt_stand *st;
    const struct rt_frame *f;
    struct walk_frame w;
    struct local_frame local;
    const struct local_scope *scope;
};

static void open_place(struct rt_stand *st, const struct rt_frame *f, const struct local_scope *s,
                       struct place *p)
{
    *p = (struct place){.st = st, .f = f, .scope = s};
    p->w = (struct walk_frame){.pc = f->pc, .sp = f->sp, .frame = f->size, .exact = f->exact};
    p->local = (struct local_frame){.rt = st->rt,
                                    .values = st->values,
                                    .scopes = st->scopes,
                                    .f = &p->w,
                                    .regs = f->regs,
                                    .extended = f->extended,
                                    .extended_n = f->extended_n,
                                    .saved = f->saved,
                                    .stack_lo = f->stack_lo,
                                    .s = s};
}

/* ---- one variable ---- */

static void keep_pieces(const struct local_found *found, struct arena *a, struct rt_var *ret)
{
    const struct dwarf_location *loc = &found->loc;
    uint64_t off = 0;
    struct rt_piece *v = arena_array(a, struct rt_piece, loc->n + 1);
    for (size_t i = 0; i < loc->n; i++) {
        const struct dwarf_piece *p = &loc->v[i];
        uint64_t n = p->bits ? p->bits / 8 : found->value.n;
        v[i] = (struct rt_piece){.off = (uint32_t)off, .n = (uint32_t)n, .reg = -1};
        if (p->kind == DWARF_AT_REG)
            v[i].reg = (int)p->u;
        else if (p->kind == DWARF_AT_MEMORY)
            v[i].addr = p->u;
        off += n;
    }
    ret->pieces = v;
    ret->npieces = loc->n;
}

static void keep_value(struct local_found *found, struct arena *a, struct rt_var *ret)
{
    ret->value = found->value;
    ret->optimized_out = found->why && found->gone;
    ret->why = found->why == found->text ? arena_strdup(a, found->text) : found->why;
    if (found->why || !found->value.bytes)
        return;
    size_t n = found->value.n;
    uint8_t *bytes = arena_alloc(a, n + 1), *known = arena_alloc(a, n / 8 + 1);
    memcpy(bytes, found->bytes, n);
    memcpy(known, found->known, (n + 7) / 8);
    ret->value.bytes = bytes;
    ret->value.known = known;
    keep_pieces(found, a, ret);
}

static const char *why_of(uint8_t fate)
{
    return fate == LOCAL_NOT_SET  ? "not set yet"
           : fate == LOCAL_SHARED ? "others use its place, too"
                                  : NULL;
}

/* The type of a variable that escaped, of which DWARF tells the pointer. */
static uint64_t pointed_to(struct place *p, uint64_t type)
{
    const struct dwarf_type *t;
    struct err *e = type == DWARF_NO_ID ? err_new(ERR_NOT_FOUND, "no type")
                                        : dwarf_type_strip(values_dwarf(p->st->values), type, &t);
    uint64_t to = e ? type : t->elem;
    err_free(e);
    return to;
}

static void take_var(struct place *p, size_t i, struct arena *a, struct rt_var *ret)
{
    const struct dwarf_var *v = &p->scope->scope.vars[i];
    struct dwarf_var real = *v;
    struct local_found found;
    bool escaped = *v->name == '&';
    const char *fate = why_of(p->scope->fate[i]);
    real.type = local_real_type(&p->local, v);
    local_locate(&p->local, &real, &found);
    if (fate) {
        found.why = fate;
        found.gone = false;
    } else if (!found.why && escaped) {
        local_follow_escaped(&p->local, &found);
    }
    if (escaped && found.why)
        found.value.type = pointed_to(p, v->type);
    found.value.type = local_unshaped(&p->local, v, found.value.type);
    *ret = (struct rt_var){
        .name = v->name + escaped,
        .type = value_type_name(p->st->values, found.value.type),
        .kind = (uint8_t)(v->result                ? RT_VAR_RESULT
                          : v->param               ? RT_VAR_ARG
                          : v->closure_offset >= 0 ? RT_VAR_CAPTURED
                                                   : RT_VAR_LOCAL),
        .escaped = escaped,
        .block = v->block,
        .line = v->decl_line,
        .file = "",
    };
    keep_value(&found, a, ret);
}

/* ---- a frame ---- */

static int call_of(const struct local_scope *s, uint16_t inline_no)
{
    for (size_t i = 0; i < s->scope.ncalls; i++)
        if (s->frame_of[i] == inline_no)
            return (int)i;
    return -1;
}

const char *rt_frame_name(struct rt_stand *st, const struct rt_frame *f)
{
    if (!strstr(f->func, "[...]") || !stand_values(st))
        return f->func;
    const struct local_scope *s = local_scope_at(st->scopes, f->pc, f->exact);
    int call = call_of(s, f->inline_no);
    const char *name = call >= 0 ? s->scope.calls[call].func.name : "";
    return *name ? name : f->func;
}

static bool is_in(const struct local_scope *s, size_t i, int call)
{
    return s->scope.vars[i].call == call && s->fate[i] != LOCAL_HIDDEN;
}

static void mark_shadowed(struct rt_var *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && !v[i].shadowed; k++)
            v[i].shadowed = strcmp(v[i].name, v[k].name) == 0;
}

struct err *rt_vars(struct rt_stand *st, const struct rt_frame *f, struct arena *a,
                    struct rt_var **ret, size_t *ret_n)
{
    struct place p;
    *ret_n = 0;
    if (!stand_values(st))
        return err_new(ERR_NOT_FOUND, "%s", st->no_values);
    const struct local_scope *s = local_scope_at(st->scopes, f->pc, f->exact);
    int call = call_of(s, f->inline_no);
    *ret = arena_array(a, struct rt_var, s->scope.nvars + 1);
    if (s->why)
        return err_new(ERR_UNSUPPORTED, "%s", s->why);
    open_place(st, f, s, &p);
    for (size_t i = 0; i < s->scope.nvars; i++)
        if (is_in(s, i, call))
            take_var(&p, i, a, &(*ret)[(*ret_n)++]);
    mark_shadowed(*ret, *ret_n);
    return NULL;
}

/* One that is captured by reference ("&x") is behind a pointer. */
static bool take_captured(struct rt_stand *st, const struct dwarf_var *v, taddr closure,
                          struct rt_var *ret)
{
    bool escaped = *v->name == '&';
    struct value at = {.type = v->type, .addr = closure + (taddr)v->closure_offset};
    if (v->closure_offset < 0 || v->type == DWARF_NO_ID)
        return false;
    if (escaped) {
        const struct dwarf_type *t = value_type_stripped(st->values, v->type);
        taddr to = 0;
        if (!t || t->kind != DWARF_KIND_POINTER || !value_get(st->values, &at, 0, &to, 8))
            return false;
        at = (struct value){.type = t->elem, .addr = to};
    }
    *ret = (struct rt_var){.name = v->name + escaped,
                           .type = value_type_name(st->values, at.type),
                           .kind = RT_VAR_CAPTURED,
                           .escaped = escaped,
                           .line = v->decl_line,
                           .file = "",
                           .value = at};
    return true;
}

struct err *rt_closure_vars(struct rt_stand *st, taddr pc, taddr closure, struct arena *a,
                            struct rt_var **ret, size_t *ret_n)
{
    *ret_n = 0;
    *ret = NULL;
    if (!stand_values(st) || !closure)
        return NULL;
    const struct rt_module *m = rt_module_of_pc(st->rt, pc);
    struct dwarf *dw;
    taddr slide;
    struct dwarf_func f;
    struct dwarf_die die, d;
    struct dwarf_walk w;
    VEC(struct rt_var) vars = {0};
    TRY(rt_module_dwarf(st->rt, m ? m : st->rt->modules, &dw, &slide));
    TRY(dwarf_func_at(dw, pc - slide, &f));
    TRY(dwarf_die_at(dw, f.die, &die));
    dwarf_walk_die(&w, &die);
    while (dwarf_walk_next(&w, &d)) {
        struct dwarf_var v;
        struct rt_var var;
        struct err *e =
            d.tag == DW_TAG_variable ? dwarf_var_of(dw, d.id, &v) : err_new(ERR_NOT_FOUND, "no");
        if (!e && take_captured(st, &v, closure, &var))
            vec_push(&vars, var);
        err_free(e);
        if (d.tag == DW_TAG_inlined_subroutine)
            dwarf_walk_skip(&w);
    }
    *ret_n = vars.n;
    *ret = arena_array(a, struct rt_var, vars.n + 1);
    if (vars.n)
        memcpy(*ret, vars.v, vars.n * sizeof(**ret));
    vec_free(&vars);
    return w.err;
}

/* ---- one name ---- */

struct rt_slot {
    const struct local_scope *scope;
    size_t var;
    struct arena arena;
    struct rt_var value;
};

struct err *rt_slot_find(struct rt_stand *st, taddr pc, bool exact, uint16_t inline_no,
                         const char *name, struct rt_slot **ret)
{
    size_t found = SIZE_MAX;
    *ret = NULL;
    if (!stand_values(st))
        return err_new(ERR_NOT_FOUND, "%s", st->no_values);
    const struct local_scope *s = local_scope_at(st->scopes, pc, exact);
    int call = call_of(s, inline_no);
    for (size_t i = 0; i < s->scope.nvars; i++) {
        const char *of = s->scope.vars[i].name;
        if (is_in(s, i, call) && strcmp(of + (*of == '&'), name) == 0)
            found = i;
    }
    if (found == SIZE_MAX)
        return err_new(ERR_NOT_FOUND, "there is no variable %s here", name);
    struct rt_slot *slot = mem_alloc(sizeof(*slot));
    slot->scope = s;
    slot->var = found;
    arena_init(&slot->arena);
    *ret = slot;
    return NULL;
}

void rt_slot_free(struct rt_slot *s)
{
    if (s)
        arena_free(&s->arena);
    free(s);
}

void rt_slot_value(struct rt_stand *st, struct rt_slot *s, const struct rt_frame *f,
                   const struct rt_var **ret)
{
    struct place p;
    arena_free(&s->arena);
    arena_init(&s->arena);
    open_place(st, f, s->scope, &p);
    take_var(&p, s->var, &s->arena, &s->value);
    *ret = &s->value;
}

struct err *rt_frame_reg(struct rt_stand *st, const struct rt_frame *f, unsigned reg, void *dst,
                         size_t n)
{
    struct place p;
    if (reg == target_arch(st->t)->sp && f->sp && n >= 8) { /* the frame's, whoever was called */
        memset(dst, 0, n);
        memcpy(dst, &f->sp, 8);
        return NULL;
    }
    if (!stand_values(st)) /* where asyncPreempt saved it is read through them */
        return err_new(ERR_NOT_FOUND, "%s", st->no_values);
    open_place(st, f, NULL, &p);
    return local_reg(&p.local, reg, dst, min_u64(n, 16));
}
