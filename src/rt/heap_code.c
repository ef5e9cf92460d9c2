/* heap_code.c - what closures captured, told by the code that makes them.
 *
 * Go: cmd/compile/internal/typecheck/func.go ClosureType, MethodValueType (1.18-1.27): a closure is
 * allocated as a struct of its code and what it captured (a copy, or a pointer to a variable that
 * is shared), and the type of that struct is passed to the runtime (newobject, mallocgc and its
 * variants) right before the code is stored in the first word.  So whoever stores the address of a
 * function in the first word of a new object tells what closures of that function consist of, in
 * stripped programs, too.  Since 1.21 fields are X0, X1, ...; DWARF has the names: since 1.23 with
 * the offset in the closure (DW_AT_go_closure_offset), before, without,
 * and only the only variable of a type can be told.
 *
 * Only code that takes the address of such a function is read: its address is looked for in all
 * code first.  When two places allocate different types for one function, nothing is told.  An
 * object gets the type only if its size and pointers agree (heap_flow.c). */
#include <stdlib.h>
#include <string.h>

#include "image/dwarf_func.h"
#include "rt/heap_code_int.h"
#include "rt/types_int.h"

enum { TEXT_MAX = 1 << 30 };

struct code_search {
    struct heap *h;
    struct rt *rt;
    const struct rt_module *m;
    const uint8_t *text; /* of [m->minpc, m->maxpc) */
    VEC(struct pcln_func) makers;
};

/* ---- closures by code ---- */

static int by_pc(const void *a, const void *b)
{
    const struct heap_code *x = a, *y = b;
    return x->pc < y->pc ? -1 : x->pc > y->pc;
}

static void list_codes(struct heap *h)
{
    struct map seen = {0};
    for (size_t i = 0; i < h->closures.n; i++) {
        struct heap_code c = {h->closures.v[i].pc, SNAP_NONE, SNAP_NONE, false};
        bool added;
        map_get_or_put(&seen, c.pc, 0, &added);
        if (added)
            vec_push(&h->codes, c);
    }
    map_free(&seen);
    if (h->codes.n)
        qsort(h->codes.v, h->codes.n, sizeof(*h->codes.v), by_pc);
}

const struct heap_code *heap_code_at(const struct heap *h, taddr pc)
{
    struct heap_code key = {.pc = pc};
    return h->codes.n ? bsearch(&key, h->codes.v, h->codes.n, sizeof(key), by_pc) : NULL;
}

/* ---- their makers ---- */

/* Functions that may take the address of a closure's code, each once. */
static void find_makers(struct code_search *x)
{
    const struct arch *arch = target_arch(x->rt->t);
    const struct heap *h = x->h;
    size_t n = x->m->maxpc - x->m->minpc, at = 0;
    taddr lo = h->codes.v[0].pc, hi = vec_last(&h->codes)->pc, addr;
    while (arch->next_ref(x->text, n, x->m->minpc, lo, hi + 1, &at, &addr)) {
        struct pcln_func f;
        if (!heap_code_at(h, addr) || !pcln_find(&x->m->pcln, x->m->minpc + at - 1, &f))
            continue;
        if (!x->makers.n || vec_last(&x->makers)->entry != f.entry)
            vec_push(&x->makers, f);
    }
}

/* A struct whose first word is no pointer: room for code. */
static bool is_closure_type(struct rt_types *ty, uint32_t type)
{
    const struct rt_typeinfo *t = type == SNAP_NONE ? NULL : types_get(ty, type);
    return t && t->kind == GO_KIND_STRUCT && t->size > 8 && !(t->mask && t->mask[0] & 1);
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    const struct code_search *x = arg;
    return heap_code_makes(x->m, target, args);
}

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    const struct code_search *x = arg;
    if (base.kind != CODE_NEW || base.form != SNAP_FORM_VALUE || off || v.kind != CODE_ADDRESS)
        return;
    struct heap_code *c = (struct heap_code *)heap_code_at(x->h, v.at);
    uint32_t type = c ? types_at(x->h->types, base.at) : SNAP_NONE;
    if (!is_closure_type(x->h->types, type))
        return;
    c->contrary |= c->made != SNAP_NONE && c->made != type;
    c->made = type;
}

static void read_module(struct code_search *x)
{
    const struct code_events events = {.store = on_store, .call = on_call, .arg = x};
    find_makers(x);
    for (size_t i = 0; i < x->makers.n; i++) {
        const struct pcln_func *f = &x->makers.v[i];
        if (f->entry >= x->m->minpc && f->end <= x->m->maxpc && f->entry < f->end)
            code_follow(target_arch(x->rt->t), x->text + (f->entry - x->m->minpc),
                        f->end - f->entry, f->entry, &events);
    }
}

const uint8_t *heap_code_text(struct rt *rt, const struct rt_module *m, uint8_t **ret_owned)
{
    size_t n = m->maxpc - m->minpc;
    const uint8_t *text = NULL;
    *ret_owned = NULL;
    if (n > TEXT_MAX)
        return NULL;
    if (m == rt->modules)
        text = image_at(rt->img, m->minpc - rt->slide, n);
    if (text || !(*ret_owned = mem_try_alloc(n)))
        return text;
    struct err *e = target_read(rt->t, m->minpc, *ret_owned, n);
    if (e) {
        free(*ret_owned);
        *ret_owned = NULL;
    }
    err_free(e);
    return *ret_owned;
}

struct err *heap_read_code(struct heap *h)
{
    struct rt *rt = h->c->rt;
    list_codes(h);
    for (size_t i = 0; h->codes.n && i < rt->nmodules; i++) {
        const struct rt_module *m = &rt->modules[i];
        uint8_t *owned;
        struct code_search x = {.h = h, .rt = rt, .m = m, .text = heap_code_text(rt, m, &owned)};
        if (x.text)
            read_module(&x);
        else
            snap_note_missing(h->c->s, 1, "what closures captured", "their code is not readable");
        vec_free(&x.makers);
        free(owned);
    }
    return heap_read_code_roots(h);
}

/* ---- names ---- */

struct captured {
    struct heap *h;
    struct dwarf *dw; /* NULL: none */
    struct arena arena;
};

/* X0, X1, ...: the compiler's own. */
static bool is_number(const char *name)
{
    return name[0] == 'X' && name[1] && name[1 + strspn(name + 1, "0123456789")] == '\0';
}

static bool is_shape_type(struct rt_types *ty, uint32_t type)
{
    return type != SNAP_NONE && strstr(types_name(ty, type), "go.shape.");
}

/* A variable that is shared is "&x"; what the compiler made (.autotmp_2, .dict) has no name. */
static const char *plain_name(const char *name)
{
    return *name == '.' ? "" : name + (*name == '&');
}

/* DWARF may have types that are not in the program. */
static bool is_type(struct rt_types *ty, uint32_t a, uint32_t b)
{
    if (a == b || a == SNAP_NONE || b == SNAP_NONE)
        return a == b;
    types_name(ty, a);
    types_name(ty, b);
    return types_entry(ty, a)->name == types_entry(ty, b)->name;
}

/* 1.21, 1.22: captured variables are declared above the function.  The only one of a type is
 * what the only field of that type is. */
static const char *name_by_type(struct captured *x, const struct dwarf_scope *s,
                                const struct type_entry *made, uint32_t type)
{
    struct rt_types *ty = x->h->types;
    const char *found = "";
    unsigned fields = 0, vars = 0;
    for (uint32_t i = 1; i < made->fields; i++)
        fields += ty->fields.v[made->field + i].type == type;
    for (size_t i = 0; i < s->nvars; i++) {
        const struct dwarf_var *v = &s->vars[i];
        const struct dwarf_func *f = &s->calls[v->call].func;
        if (v->param || s->calls[v->call].inlined || v->decl_line > f->decl_line ||
            !is_type(ty, types_of_dwarf(ty, x->dw, v->type), type))
            continue;
        found = plain_name(v->name);
        vars++;
    }
    return fields == 1 && vars == 1 ? found : "";
}

/* The name of field i of what a closure was allocated as; NULL: its own; "" when nobody knows. */
static const char *name_of(struct captured *x, const struct dwarf_scope *s,
                           const struct type_entry *made, uint32_t i, const char *function)
{
    struct rt_types *ty = x->h->types;
    const struct type_field *f = &ty->fields.v[made->field + i];
    const char *own = intern_get(&ty->names, f->name);
    size_t n = strlen(function);
    bool offsets = false;
    if (strcmp(own, "R") == 0 && n > 3 && strcmp(function + n - 3, "-fm") == 0)
        return "receiver";
    for (size_t k = 0; k < s->nvars; k++) {
        offsets |= s->vars[k].closure_offset > 0;
        if (s->vars[k].closure_offset > 0 && (uint64_t)s->vars[k].closure_offset == f->offset)
            return plain_name(s->vars[k].name);
    }
    if (!is_number(own))
        return *own == '.' ? "" : NULL;
    return offsets || !x->dw ? "" : name_by_type(x, s, made, f->type);
}

static void scope_of(struct captured *x, taddr pc, struct dwarf_scope *ret)
{
    *ret = (struct dwarf_scope){0};
    taddr slide;
    err_free(rt_scope_at(x->h->c->rt, pc, &x->arena, ret, &slide));
}

static uint32_t captured_type(struct captured *x, const struct heap_code *c)
{
    struct rt_types *ty = x->h->types;
    const struct type_entry *made = types_entry(ty, c->made);
    struct dwarf_scope scope;
    struct pcln_func func;
    VEC(struct type_field) fields = {0};
    if (!made->fields || ty->fields.v[made->field].offset ||
        !rt_func_at(ty->rt, c->pc, &func, NULL))
        return SNAP_NONE;
    scope_of(x, c->pc, &scope);
    for (uint32_t i = 1; i < made->fields; i++) {
        struct type_field f = ty->fields.v[made->field + i];
        const char *told = name_of(x, &scope, made, i, func.name);
        f.name = told ? intern_add(&ty->names, told) : f.name;
        if (is_shape_type(ty, f.type))
            f.type = SNAP_NONE; /* of a generic function: the type's memory, not the type */
        vec_push(&fields, f);
    }
    types_link(ty); /* what DWARF named */
    struct buf name = {0};
    uint32_t first = (uint32_t)ty->fields.n;
    for (size_t i = 0; i < fields.n; i++)
        vec_push(&ty->fields, fields.v[i]);
    buf_printf(&name, "%s (captured)", func.name);
    uint32_t type = types_make_struct(ty, buf_text(&name), c->made, first, (uint32_t)fields.n);
    buf_free(&name);
    vec_free(&fields);
    return type;
}

void heap_name_captured(struct heap *h)
{
    struct captured x = {.h = h};
    arena_init(&x.arena);
    taddr slide;
    x.dw = rt_dwarf_at(h->c->rt, 0, &slide);
    for (size_t i = 0; i < h->codes.n; i++) {
        struct heap_code *c = &h->codes.v[i];
        if (c->made != SNAP_NONE && !c->contrary)
            c->captured = captured_type(&x, c);
    }
    arena_free(&x.arena);
}
