/* locals_generic.c - real types of variables of generic code.
 *
 * Go: cmd/compile/internal/noder (stencil.go, reader.go varDictIndex, 1.18-1.27),
 * cmd/internal/dwarf putparamtypes, cmd/compile/internal/dwarfgen.  Code is shared by all type
 * arguments of one shape; which they are says a dictionary that every call gets (".dict").  Layouts
 * of dictionaries differ, but DWARF has the index: the type of a variable is a typedef ".paramN" of
 * its shape, with the index of the entry that is the real type.
 *
 * Variables that escaped ("&x"), and those that a closure captured, have the bare shape.  They have
 * the real type of a .paramN of the function (or of the one the closure is in: it has the same
 * dictionary) with the same shape, when all such say the same: []T and []U of one shape may not be
 * told apart. */
#include <string.h>

#include "image/dwarf_index.h"
#include "rt/locals_int.h"

#define SHAPE "go.shape."
enum { ENCLOSING_MAX = 16 };

/* The dictionary that a call got; 0: it was not kept. */
static taddr dictionary(struct local_frame *f, uint16_t call)
{
    for (size_t i = 0; i < f->s->scope.nvars; i++) {
        const struct dwarf_var *d = &f->s->scope.vars[i];
        struct local_found found;
        taddr dict = 0;
        if (d->call != call || strcmp(d->name, ".dict") != 0)
            continue;
        local_locate(f, d, &found);
        if (found.why)
            return 0;
        if (!found.value.addr)
            memcpy(&dict, found.bytes, found.value.n == 8 && found.known[0] == 0xff ? 8 : 0);
        else
            err_free(values_read(f->values, found.value.addr, &dict, 8));
        return dict;
    }
    return 0;
}

uint64_t local_real_type(struct local_frame *f, const struct dwarf_var *v)
{
    const struct dwarf_type *t = value_type(f->values, v->type);
    uint64_t type = v->type;
    taddr dict = t && t->has_dict_index ? dictionary(f, v->call) : 0;
    if (dict)
        value_type_of_dict(f->values, dict, t->dict_index, &type);
    return type;
}

/* ---- bare shapes ---- */

struct shapes {
    struct values *vs;
    taddr dict;
    uint64_t shape;
    uint64_t real; /* DWARF_NO_ID: nothing yet */
    bool differ;   /* several say different things */
};

static void take_param(struct shapes *s, const struct dwarf_die *d)
{
    const struct dwarf_type *t = value_type(s->vs, d->id);
    uint64_t real;
    if (!t || !t->has_dict_index || t->elem == DWARF_NO_ID ||
        !value_type_same(s->vs, t->elem, s->shape) ||
        !value_type_of_dict(s->vs, s->dict, t->dict_index, &real))
        return;
    s->differ |= s->real != DWARF_NO_ID && !value_type_same(s->vs, s->real, real);
    s->real = real;
}

/* The .paramN of a function. */
static void take_params(struct shapes *s, uint64_t func)
{
    struct dwarf_die die, d;
    struct dwarf_walk w;
    struct err *e = dwarf_die_at(values_dwarf(s->vs), func, &die);
    if (!e) {
        dwarf_walk_die(&w, &die);
        while (dwarf_walk_next(&w, &d))
            if (d.tag == DW_TAG_typedef)
                take_param(s, &d);
        e = w.err;
    }
    err_free(e);
}

/* Functions that a closure is in have its name without the last parts: "main.f[...].func1.2". */
static void take_enclosing(struct shapes *s, struct dwarf *dw, const char *name)
{
    struct arena a;
    arena_init(&a);
    char *of = arena_strdup(&a, name), *args = strrchr(of, ']');
    for (unsigned i = 0; args && i < ENCLOSING_MAX && s->real == DWARF_NO_ID; i++) {
        struct dwarf_names it;
        uint64_t id;
        char *dot = strrchr(args, '.');
        if (!dot)
            break;
        *dot = 0;
        struct err *e = dwarf_names_of(&it, dw, DWARF_NAME_FUNC, of);
        while (!e && s->real == DWARF_NO_ID && dwarf_name_next(&it, &id))
            take_params(s, id);
        err_free(e);
    }
    arena_free(&a);
}

uint64_t local_unshaped(struct local_frame *f, const struct dwarf_var *v, uint64_t type)
{
    const struct dwarf_type *t = value_type(f->values, type);
    if (!t || t->has_dict_index || v->call >= f->s->scope.ncalls || !strstr(t->name, SHAPE))
        return type;
    const struct dwarf_func *func = &f->s->scope.calls[v->call].func;
    struct shapes s = {
        .vs = f->values, .dict = dictionary(f, v->call), .shape = type, .real = DWARF_NO_ID};
    if (!s.dict)
        return type;
    take_params(&s, func->die);
    if (s.real == DWARF_NO_ID && func->origin != func->die) /* inlined */
        take_params(&s, func->origin);
    if (s.real == DWARF_NO_ID)
        take_enclosing(&s, func->unit->dw, func->name);
    return s.real == DWARF_NO_ID || s.differ ? type : s.real;
}
