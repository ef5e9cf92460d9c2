/* expr_builtin.c - len, cap, real, imag, complex, min, max; see expr_int.h. */
#include <string.h>

#include "dbg/expr_int.h"

static const struct {
    const char *name;
    unsigned least, most;
} builtins[] = {
    [BUILTIN_LEN] = {"len", 1, 1},
    [BUILTIN_CAP] = {"cap", 1, 1},
    [BUILTIN_REAL] = {"real", 1, 1},
    [BUILTIN_IMAG] = {"imag", 1, 1},
    [BUILTIN_COMPLEX] = {"complex", 2, 2},
    [BUILTIN_MIN] = {"min", 1, EXPR_ARGS_MAX},
    [BUILTIN_MAX] = {"max", 1, EXPR_ARGS_MAX},
};

int expr_builtin_named(const char *name)
{
    for (int i = 0; i < BUILTIN_COUNT; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return i;
    return -1;
}

static struct err *length(struct ev *ev, struct node *n, const struct dbg_value *given, bool cap,
                          struct dbg_value *ret)
{
    struct dbg_value v = *given;
    struct value_chan chan;
    uint64_t words[3] = {0}, len;
    const struct dwarf_type *t = ev_type(ev, &v);
    if (t && t->kind == DWARF_KIND_POINTER && t->elem != DWARF_NO_ID) { /* to an array */
        struct dbg_value p = v;
        TRY(ev_deref(ev, n, &p, &v));
        t = ev_type(ev, &v);
    }
    if (v.form == DBG_UNTYPED && v.untyped->kind == CONST_STRING && !cap) {
        *ret = ev_int(ev, (int64_t)v.untyped->n);
        return NULL;
    }
    switch (t ? t->kind : DWARF_KIND_OTHER) {
    case DWARF_KIND_STRING:
        if (cap)
            break;
        TRY(ev_get(ev, n, &v, 8, &words[1], 8));
        *ret = ev_int(ev, (int64_t)words[1]);
        return NULL;
    case DWARF_KIND_SLICE:
        TRY(ev_get(ev, n, &v, cap ? 16 : 8, &words[1], 8));
        *ret = ev_int(ev, (int64_t)words[1]);
        return NULL;
    case DWARF_KIND_ARRAY:
        *ret = ev_int(ev, t->count);
        return NULL;
    case DWARF_KIND_MAP:
        if (cap)
            break;
        if (!value_map_each(ev->vs, &v.v, NULL, NULL, &len))
            return ev_fail(ev, n, "the map cannot be read");
        *ret = ev_int(ev, (int64_t)len);
        return NULL;
    case DWARF_KIND_CHAN:
        if (!value_chan_of(ev->vs, &v.v, &chan))
            return ev_fail(ev, n, "the channel cannot be read");
        *ret = ev_int(ev, (int64_t)(cap ? chan.cap : chan.len));
        return NULL;
    default:
        break;
    }
    return ev_fail(ev, n, "%s has no %s", ev_type_name(ev, given), cap ? "cap" : "len");
}

static struct err *part_of_complex(struct ev *ev, struct node *n, const struct dbg_value *v,
                                   bool imag, struct dbg_value *ret)
{
    const struct dwarf_type *t = ev_type(ev, v);
    uint8_t bytes[16];
    if (v->form == DBG_UNTYPED && dbg_const_is_number(v->untyped)) {
        struct dbg_const *c = arena_new(ev->a, struct dbg_const);
        *c = *v->untyped;
        c->kind = CONST_FLOAT;
        c->re = imag ? v->untyped->im : v->untyped->re;
        c->im = ratio_of(&(struct big){0});
        *ret = ev_const(c, DWARF_NO_ID);
        return NULL;
    }
    int64_t size = t && t->kind == DWARF_KIND_COMPLEX ? value_type_size(ev->vs, v->v.type) : 0;
    if (size != 8 && size != 16)
        return ev_fail(ev, n, "%s is not complex", ev_type_name(ev, v));
    TRY(ev_get(ev, n, v, 0, bytes, (size_t)size));
    size_t half = (size_t)size / 2;
    *ret = ev_make(ev, value_basic_type(ev->vs, size == 16 ? "float64" : "float32"),
                   bytes + (imag ? half : 0), half);
    return NULL;
}

static struct err *make_complex(struct ev *ev, struct node *n, const struct dbg_value v[2],
                                struct dbg_value *ret)
{
    struct dbg_value part[2];
    uint8_t bytes[16];
    uint64_t type = value_basic_type(ev->vs, "float64");
    bool constants = true;
    for (int i = 0; i < 2; i++) {
        const struct dwarf_type *t = ev_type(ev, &v[i]);
        constants &= v[i].form == DBG_UNTYPED && dbg_const_is_number(v[i].untyped);
        if (t && t->kind == DWARF_KIND_FLOAT)
            type = v[i].v.type;
    }
    if (constants) {
        struct dbg_const *c = arena_new(ev->a, struct dbg_const);
        *c = *v[0].untyped;
        c->kind = CONST_COMPLEX;
        c->im = v[1].untyped->re;
        *ret = ev_const(c, DWARF_NO_ID);
        return NULL;
    }
    size_t half = (size_t)value_type_size(ev->vs, type);
    for (size_t i = 0; i < 2; i++) {
        TRY(ev_assign(ev, n, &v[i], type, &part[i]));
        if (half > 8)
            return ev_fail(ev, n, "a number of %zu bytes", half);
        TRY(ev_get(ev, n, &part[i], 0, bytes + i * half, half));
    }
    *ret = ev_make(ev, value_basic_type(ev->vs, half == 8 ? "complex128" : "complex64"), bytes,
                   2 * half);
    return NULL;
}

static struct err *extreme(struct ev *ev, struct node *n, const struct dbg_value *v, size_t count,
                           const char *op, struct dbg_value *ret)
{
    struct dbg_value yes;
    *ret = v[0];
    for (size_t i = 1; i < count; i++) {
        struct dbg_value other = v[i];
        TRY(ev_apply(ev, n, op, &other, ret, &yes));
        bool other_free = other.form == DBG_UNTYPED && other.v.type == DWARF_NO_ID;
        bool best_free = ret->form == DBG_UNTYPED && ret->v.type == DWARF_NO_ID;
        struct dbg_value best = *ret;
        if (other_free && !best_free)
            TRY(ev_assign(ev, n, &v[i], best.v.type, &other));
        if (best_free && !other_free)
            TRY(ev_assign(ev, n, &best, other.v.type, ret));
        if (yes.untyped->yes)
            *ret = other;
    }
    return NULL;
}

struct err *ev_builtin(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    enum expr_builtin b = n->x->builtin;
    struct dbg_value *v = arena_array(ev->a, struct dbg_value, n->nargs + 1);
    if (n->nargs < builtins[b].least || n->nargs > builtins[b].most)
        return ev_fail(ev, n, "%s takes %u value%s", builtins[b].name, builtins[b].least,
                       builtins[b].least == 1 ? "" : "s");
    for (size_t i = 0; i < n->nargs; i++)
        TRY(ev_node(ev, n->args[i], &v[i]));
    switch (b) {
    case BUILTIN_LEN:
    case BUILTIN_CAP:
        return length(ev, n, v, b == BUILTIN_CAP, ret);
    case BUILTIN_REAL:
    case BUILTIN_IMAG:
        return part_of_complex(ev, n, v, b == BUILTIN_IMAG, ret);
    case BUILTIN_COMPLEX:
        return make_complex(ev, n, v, ret);
    default:
        return extreme(ev, n, v, n->nargs, b == BUILTIN_MIN ? "<" : ">", ret);
    }
}
