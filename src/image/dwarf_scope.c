/* dwarf_scope.c - what is executing at a pc and which variables it can see; see dwarf_func.h.
 *
 * One walk over the subprogram, which leaves out every lexical block and inlined call that does not
 * contain the pc.  Go (cmd/internal/dwarf/dwarf.go, 1.18-1.27): variables of inlined calls, and
 * parameters of functions that were inlined elsewhere, have their names and types in an abstract
 * function that may be in another unit; a variable that was optimised away has an empty location.
 */
#include <string.h>

#include "image/dwarf_func.h"
#include "image/dwarf_int.h"
#include "image/dwarf_line.h"

enum { DEPTH_MAX = 128, VARS_MAX = 1 << 16, CALLS_MAX = 1024, ORIGINS_MAX = 16 };
#define LIST_BUDGET ((uint64_t)4 << 20)

struct context { /* of the children of the DIE at some depth */
    uint16_t call, block;
};

struct scope_walk {
    struct dwarf *dw;
    taddr pc;
    uint64_t budget;              /* list entries we may still read */
    VEC(struct dwarf_call) calls; /* outermost first */
    VEC(struct dwarf_var) vars;
    struct context at[DEPTH_MAX];
};

/* Takes what one DIE of a chain of origins says about a variable; the first has the last word. */
static void take_var_attr(struct dwarf_var *v, const struct dwarf_die *die,
                          const struct dwarf_attr *a, struct dwarf_attr *location, uint64_t *origin)
{
    uint64_t n;
    switch (a->name) {
    case DW_AT_name:
        if (!*v->name)
            v->name = dwarf_attr_text(die->unit, a);
        break;
    case DW_AT_type:
        if (v->type == DWARF_NO_ID)
            dwarf_attr_ref(die->unit, a, &v->type);
        break;
    case DW_AT_location:
        if (location->cls == DWARF_NONE)
            *location = *a;
        break;
    case DW_AT_const_value:
        if (!v->has_value)
            v->value = *a;
        v->has_value = true;
        break;
    case DW_AT_decl_file:
        if (!v->decl_file && dwarf_attr_uint(a, &n))
            v->decl_file = (uint32_t)n;
        break;
    case DW_AT_decl_line:
        if (!v->decl_line && dwarf_attr_uint(a, &n))
            v->decl_line = (uint32_t)n;
        break;
    case DW_AT_variable_parameter:
        v->result |= a->cls == DWARF_FLAG && a->u;
        break;
    case DW_AT_artificial:
        v->artificial = true;
        break;
    case DW_AT_external:
        v->external |= a->cls == DWARF_FLAG && a->u;
        break;
    case DW_AT_go_closure_offset:
        if (dwarf_attr_uint(a, &n) && n <= INT64_MAX)
            v->closure_offset = (int64_t)n;
        break;
    case DW_AT_abstract_origin:
    case DW_AT_specification:
        dwarf_attr_ref(die->unit, a, origin);
        break;
    }
}

/* Follows the origins of a variable.  The location is that of the DIE itself. */
static struct err *read_var(const struct dwarf *dw, const struct dwarf_die *first,
                            struct dwarf_var *v, struct dwarf_attr *location)
{
    struct dwarf_die die = *first;
    *v = (struct dwarf_var){.die = die.id,
                            .name = "",
                            .type = DWARF_NO_ID,
                            .unit = die.unit,
                            .param = die.tag == DW_TAG_formal_parameter,
                            .closure_offset = -1};
    *location = (struct dwarf_attr){.cls = DWARF_NONE};
    for (unsigned i = 0; i < ORIGINS_MAX; i++) {
        uint64_t origin = DWARF_NO_ID;
        struct dwarf_attrs it;
        struct dwarf_attr a;
        dwarf_attrs_init(&it, &die);
        while (dwarf_attrs_next(&it, &a))
            take_var_attr(v, &die, &a, location, &origin);
        if (it.err || origin == DWARF_NO_ID)
            return it.err;
        TRY(dwarf_die_at(dw, origin, &die));
    }
    return NULL;
}

static struct err *contains_pc(struct scope_walk *s, const struct dwarf_die *die, bool *ret)
{
    struct dwarf_list it;
    struct dwarf_range r;
    *ret = false;
    dwarf_ranges_of(&it, die);
    while (!*ret && dwarf_range_next(&it, &r)) {
        if (s->budget-- == 0)
            return err_new(ERR_LIMIT, "%s: range lists without end", image_name(s->dw->img));
        *ret = s->pc >= r.lo && s->pc < r.hi;
    }
    return it.err;
}

static struct err *take_call(struct scope_walk *s, const struct dwarf_die *die)
{
    struct dwarf_call c = {.inlined = die->tag == DW_TAG_inlined_subroutine};
    struct dwarf_attrs it;
    struct dwarf_attr a;
    uint64_t n;
    if (s->calls.n >= CALLS_MAX)
        return err_new(ERR_LIMIT, "%s: inlined calls without end", image_name(s->dw->img));
    TRY(dwarf_func_of(s->dw, die->id, &c.func));
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        if (!dwarf_attr_uint(&a, &n))
            continue;
        if (a.name == DW_AT_call_file)
            c.call_file = (uint32_t)n;
        else if (a.name == DW_AT_call_line)
            c.call_line = (uint32_t)n;
        else if (a.name == DW_AT_call_column)
            c.call_column = (uint32_t)n;
    }
    if (!it.err)
        vec_push(&s->calls, c);
    return it.err;
}

static struct err *take_var(struct scope_walk *s, const struct dwarf_die *die, struct context at)
{
    struct dwarf_var v;
    struct dwarf_attr location;
    if (s->vars.n >= VARS_MAX)
        return err_new(ERR_LIMIT, "%s: too many variables in one function", image_name(s->dw->img));
    TRY(read_var(s->dw, die, &v, &location));
    v.call = at.call;
    v.block = at.block;
    v.fixed = location.cls == DWARF_BLOCK;
    if (location.cls != DWARF_NONE)
        TRY(dwarf_location_budgeted(die->unit, &location, s->pc, &s->budget, &v.loc));
    vec_push(&s->vars, v);
    return NULL;
}

/* A DIE at a depth below DEPTH_MAX; *inside: its children belong to the scope. */
static struct err *take_die(struct scope_walk *s, const struct dwarf_die *die, unsigned depth,
                            bool *inside)
{
    struct context at = depth ? s->at[depth - 1] : (struct context){0};
    *inside = false;
    switch (die->tag) {
    case DW_TAG_subprogram: /* the one we began with; a nested one is code of its own */
        *inside = depth == 0;
        if (!*inside)
            return NULL;
        break;
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
        TRY(contains_pc(s, die, inside));
        if (!*inside)
            return NULL;
        break;
    case DW_TAG_formal_parameter:
    case DW_TAG_variable:
        return take_var(s, die, at);
    default:
        return NULL;
    }
    if (die->tag == DW_TAG_lexical_block) {
        at.block++;
    } else {
        TRY(take_call(s, die));
        at = (struct context){.call = (uint16_t)(s->calls.n - 1)};
    }
    s->at[depth] = at;
    return NULL;
}

static struct err *walk_scope(struct scope_walk *s, const struct dwarf_die *func)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    dwarf_walk_die(&w, func);
    while (dwarf_walk_next(&w, &die)) {
        bool inside = false;
        if (w.depth < DEPTH_MAX)
            TRY(take_die(s, &die, w.depth, &inside));
        if (!inside)
            dwarf_walk_skip(&w);
    }
    return w.err;
}

/* By its line, a variable is set only after the line that executes in its call.  Parameters are set
 * on their own line. */
static void mark_undeclared(struct scope_walk *s)
{
    struct dwarf_row row;
    const struct dwarf_unit *u;
    struct err *e = dwarf_row_at(s->dw, s->pc, &u, &row);
    uint32_t innermost = e ? 0 : row.line;
    err_free(e);
    for (size_t i = 0; i < s->vars.n; i++) {
        struct dwarf_var *v = &s->vars.v[i];
        bool last = v->call + 1u == s->calls.n; /* the innermost: we are outermost first here */
        uint32_t line = last ? innermost : s->calls.v[v->call + 1].call_line;
        v->undeclared = line && v->decl_line && line < v->decl_line + !v->param;
    }
}

static void keep(struct scope_walk *s, struct arena *a, struct dwarf_scope *ret)
{
    size_t n = s->calls.n;
    ret->ncalls = n;
    ret->calls = arena_array(a, struct dwarf_call, n);
    for (size_t i = 0; i < n; i++)
        ret->calls[i] = s->calls.v[n - 1 - i];
    ret->nvars = s->vars.n;
    ret->vars = arena_array(a, struct dwarf_var, s->vars.n);
    for (size_t i = 0; i < s->vars.n; i++) {
        ret->vars[i] = s->vars.v[i];
        ret->vars[i].call = (uint16_t)(n - 1 - s->vars.v[i].call);
    }
}

struct err *dwarf_scope_at(struct dwarf *dw, taddr pc, struct arena *a, struct dwarf_scope *ret)
{
    struct scope_walk s = {.dw = dw, .pc = pc, .budget = LIST_BUDGET};
    struct dwarf_func func;
    struct dwarf_die die;
    *ret = (struct dwarf_scope){0};
    TRY(dwarf_func_at(dw, pc, &func));
    TRY(dwarf_die_at(dw, func.die, &die));
    struct err *e = walk_scope(&s, &die);
    if (!e && func.has_frame_base)
        e = dwarf_location_budgeted(die.unit, &func.frame_base, pc, &s.budget, &ret->frame_base);
    if (!e) {
        s.calls.v[0].func = func; /* with the range that contains pc */
        mark_undeclared(&s);
        keep(&s, a, ret);
    }
    vec_free(&s.calls);
    vec_free(&s.vars);
    return e;
}

struct err *dwarf_var_of(const struct dwarf *dw, uint64_t id, struct dwarf_var *ret)
{
    struct dwarf_die die;
    struct dwarf_attr location;
    TRY(dwarf_die_at(dw, id, &die));
    TRY(read_var(dw, &die, ret, &location));
    if (location.cls == DWARF_BLOCK)
        ret->loc = (struct dwarf_expr){.unit = die.unit, .p = location.p, .n = location.n};
    return NULL;
}
