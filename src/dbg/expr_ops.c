/* expr_ops.c - operators on values; see expr_int.h.
 *
 * Go: the specification, "Operators" and "Comparison operators" (1.18-1.27): numbers wrap around as
 * their type does; a constant takes the type of the other side.  What results has bytes of ours. */
#include <math.h>
#include <string.h>

#include "dbg/expr_int.h"

/* A number of the program. */
struct num {
    enum { NUM_INT, NUM_UINT, NUM_FLOAT, NUM_COMPLEX } kind;
    size_t size;
    int64_t i;
    uint64_t u;
    double re, im;
};

static bool is_shift(const char *op)
{
    return strcmp(op, "<<") == 0 || strcmp(op, ">>") == 0;
}

static bool is_comparison(const char *op)
{
    return *op == '<' || *op == '>' ? !is_shift(op) : op[1] == '=';
}

static struct err *mismatch(struct ev *ev, const struct node *n, const char *op,
                            const struct dbg_value *x, const struct dbg_value *y)
{
    return ev_fail(ev, n, "the operator %s: mismatched types %s and %s", op, ev_type_name(ev, x),
                   ev_type_name(ev, y));
}

static bool ordered(const char *op, bool less, bool equal)
{
    return op[1] == '=' && (*op == '=' || *op == '!') ? equal == (*op == '=')
           : *op == '<'                               ? less || (op[1] && equal)
                                                      : (!less && !equal) || (op[1] && equal);
}

/* ---- numbers ---- */

static double float_at(const uint8_t *p, size_t size)
{
    float f;
    double d;
    memcpy(&f, p, 4);
    memcpy(&d, p, size == 8 ? 8 : 4);
    return size == 8 ? d : (double)f;
}

static bool num_kind(const struct dwarf_type *t, struct num *ret)
{
    switch (t ? t->kind : DWARF_KIND_OTHER) {
    case DWARF_KIND_INT:
    case DWARF_KIND_UINT:
    case DWARF_KIND_CHAR:
    case DWARF_KIND_ENUM:
        ret->kind = t->is_signed ? NUM_INT : NUM_UINT;
        return true;
    case DWARF_KIND_FLOAT:
        ret->kind = NUM_FLOAT;
        return true;
    case DWARF_KIND_COMPLEX:
        ret->kind = NUM_COMPLEX;
        return true;
    default:
        return false;
    }
}

static struct err *load(struct ev *ev, const struct node *n, const struct dbg_value *v,
                        struct num *ret)
{
    uint8_t bytes[16] = {0};
    int64_t size = value_type_size(ev->vs, v->v.type);
    if (size < 1 || size > 16)
        return ev_fail(ev, n, "a number of %lld bytes", (long long)size);
    ret->size = (size_t)size;
    TRY(ev_get(ev, n, v, 0, bytes, ret->size));
    if (ret->kind == NUM_INT || ret->kind == NUM_UINT) {
        unsigned up = 64 - 8 * (unsigned)min_u64(ret->size, 8);
        memcpy(&ret->u, bytes, 8);
        ret->i = (int64_t)(ret->u << up) >> up;
    } else if (ret->kind == NUM_FLOAT) {
        ret->re = float_at(bytes, ret->size);
    } else {
        ret->re = float_at(bytes, ret->size / 2);
        ret->im = float_at(bytes + ret->size / 2, ret->size / 2);
    }
    return NULL;
}

static void put_float(uint8_t *p, size_t size, double v)
{
    float f = (float)v;
    memcpy(p, size == 8 ? (void *)&v : (void *)&f, size == 8 ? 8 : 4);
}

static struct dbg_value store(struct ev *ev, uint64_t type, const struct num *v)
{
    uint8_t bytes[16] = {0};
    uint64_t u = v->kind == NUM_INT ? (uint64_t)v->i : v->u;
    if (v->kind == NUM_FLOAT) {
        put_float(bytes, v->size, v->re);
    } else if (v->kind == NUM_COMPLEX) {
        put_float(bytes, v->size / 2, v->re);
        put_float(bytes + v->size / 2, v->size / 2, v->im);
    } else {
        memcpy(bytes, &u, 8);
    }
    return ev_make(ev, type, bytes, v->size);
}

static struct err *int_op(struct ev *ev, const struct node *n, const char *op, struct num *x,
                          const struct num *y)
{
    bool sign = x->kind == NUM_INT;
    uint64_t a = sign ? (uint64_t)x->i : x->u, b = sign ? (uint64_t)y->i : y->u, r;
    if ((*op == '/' || *op == '%') && !b)
        return ev_fail(ev, n, "division by zero");
    switch (*op) {
    case '+':
        r = a + b;
        break;
    case '-':
        r = a - b;
        break;
    case '*':
        r = a * b;
        break;
    case '/':
        r = !sign ? a / b : b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
        break;
    case '%':
        r = !sign ? a % b : b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
        break;
    case '&':
        r = op[1] == '^' ? a & ~b : a & b;
        break;
    case '|':
        r = a | b;
        break;
    default:
        r = a ^ b;
    }
    x->i = (int64_t)r;
    x->u = r;
    return strcmp(op, "&&") == 0 || strcmp(op, "||") == 0
               ? ev_fail(ev, n, "the operator %s takes bools", op)
               : NULL;
}

static struct err *float_op(struct ev *ev, const struct node *n, const char *op, struct num *x,
                            const struct num *y)
{
    double a = x->re, b = x->im, c = y->re, d = y->im;
    if (*op == '+' || *op == '-') {
        x->re = *op == '+' ? a + c : a - c;
        x->im = *op == '+' ? b + d : b - d;
    } else if (*op == '*') {
        x->re = x->kind == NUM_FLOAT ? a * c : a * c - b * d;
        x->im = x->kind == NUM_FLOAT ? 0 : a * d + b * c;
    } else if (*op == '/' && x->kind == NUM_FLOAT) {
        x->re = a / c;
    } else if (*op == '/') {
        x->re = (a * c + b * d) / (c * c + d * d);
        x->im = (b * c - a * d) / (c * c + d * d);
    } else {
        return ev_fail(ev, n, "the operator %s takes integers", op);
    }
    return NULL;
}

static struct err *num_op(struct ev *ev, const struct node *n, const char *op,
                          const struct dbg_value *xv, struct num *x, const struct num *y,
                          struct dbg_value *ret)
{
    if (is_comparison(op)) {
        bool less = x->kind == NUM_INT    ? x->i < y->i
                    : x->kind == NUM_UINT ? x->u < y->u
                                          : x->re < y->re;
        bool equal = x->kind == NUM_INT    ? x->i == y->i
                     : x->kind == NUM_UINT ? x->u == y->u
                                           : x->re == y->re && x->im == y->im;
        if (x->kind == NUM_COMPLEX && (*op == '<' || *op == '>'))
            return ev_fail(ev, n, "complex numbers have no order");
        bool nan = x->kind == NUM_FLOAT && (isnan(x->re) || isnan(y->re));
        *ret = ev_bool(ev, nan ? *op == '!' : ordered(op, less, equal));
        return NULL;
    }
    TRY(x->kind == NUM_INT || x->kind == NUM_UINT ? int_op(ev, n, op, x, y)
                                                  : float_op(ev, n, op, x, y));
    *ret = store(ev, xv->v.type, x);
    return NULL;
}

static struct err *shift(struct ev *ev, const struct node *n, const char *op,
                         const struct dbg_value *x, const struct dbg_value *y,
                         struct dbg_value *ret)
{
    struct num v = {0};
    int64_t count;
    TRY(ev_integer(ev, n, y, &count));
    if (count < 0)
        return ev_fail(ev, n, "the count of a shift is negative");
    if (!num_kind(ev_type(ev, x), &v) || v.kind > NUM_UINT)
        return ev_fail(ev, n, "only integers are shifted, not %s", ev_type_name(ev, x));
    TRY(load(ev, n, x, &v));
    bool all = (uint64_t)count >= 8 * v.size;
    if (*op == '<') {
        v.u = all ? 0 : v.u << count;
        v.i = (int64_t)v.u;
    } else {
        v.i = v.i >> (all ? 63 : count);
        v.u = all ? 0 : v.u >> count;
    }
    *ret = store(ev, x->v.type, &v);
    return NULL;
}

/* ---- equality of anything ---- */

static struct err *equal_parts(struct ev *ev, const struct node *n, const struct dbg_value *x,
                               const struct dbg_value *y, size_t off, uint64_t type, bool *ret)
{
    struct dbg_value a = {.form = DBG_VALUE, .v = value_sub(ev->vs, &x->v, off, type)};
    struct dbg_value b = {.form = DBG_VALUE, .v = value_sub(ev->vs, &y->v, off, type)};
    a.type = b.type = value_type_name(ev->vs, type);
    return ev_equal(ev, n, &a, &b, ret);
}

static struct err *equal_composite(struct ev *ev, const struct node *n, const struct dwarf_type *t,
                                   const struct dbg_value *x, const struct dbg_value *y, bool *ret)
{
    int64_t size = t->kind == DWARF_KIND_ARRAY ? value_type_size(ev->vs, t->elem) : 0;
    *ret = true;
    for (size_t i = 0; t->kind == DWARF_KIND_STRUCT && i < t->nmembers && *ret; i++)
        if (strcmp(t->members[i].name, "_") != 0)
            TRY(equal_parts(ev, n, x, y, t->members[i].off, t->members[i].type, ret));
    for (int64_t i = 0; t->kind == DWARF_KIND_ARRAY && i < t->count && size >= 0 && *ret; i++)
        TRY(equal_parts(ev, n, x, y, (size_t)(i * size), t->elem, ret));
    return NULL;
}

/* What an interface holds, or the value itself when it is in none. */
static bool held_by(struct ev *ev, const struct dbg_value *v, struct dbg_value *ret)
{
    const struct dwarf_type *t = ev_type(ev, v);
    const char *name = "";
    *ret = *v;
    if (!t || t->kind != DWARF_KIND_INTERFACE)
        return true;
    *ret = (struct dbg_value){.form = DBG_VALUE};
    bool has = value_dynamic(ev->vs, &v->v, &ret->v, &name);
    ret->type = name;
    return has;
}

static struct err *equal_interfaces(struct ev *ev, const struct node *n, const struct dbg_value *x,
                                    const struct dbg_value *y, bool *ret)
{
    struct dbg_value a, b;
    bool has_a = held_by(ev, x, &a), has_b = held_by(ev, y, &b);
    *ret = has_a == has_b;
    if (!has_a || !has_b)
        return NULL;
    *ret = strcmp(a.type, b.type) == 0;
    if (!*ret)
        return NULL;
    if (a.v.type == DWARF_NO_ID || b.v.type == DWARF_NO_ID)
        return ev_fail(ev, n, "values of type %s cannot be compared: it is not described", a.type);
    return ev_equal(ev, n, &a, &b, ret);
}

static struct err *equal_strings(struct ev *ev, const struct node *n, const struct dbg_value *x,
                                 const struct dbg_value *y, int *ret)
{
    const char *a, *b;
    size_t an, bn;
    TRY(ev_string(ev, n, x, &a, &an));
    TRY(ev_string(ev, n, y, &b, &bn));
    int c = memcmp(a, b, min_u64(an, bn));
    *ret = c ? c : an < bn ? -1 : an > bn;
    return NULL;
}

struct err *ev_equal(struct ev *ev, const struct node *n, const struct dbg_value *x,
                     const struct dbg_value *y, bool *ret)
{
    const struct dwarf_type *t = ev_type(ev, x);
    struct num a = {0}, b = {0};
    uint64_t p, q;
    int order;
    const struct dwarf_type *u = ev_type(ev, y);
    if (!t || !u)
        return ev_fail(ev, n, "this cannot be compared");
    if (t->kind == DWARF_KIND_INTERFACE || u->kind == DWARF_KIND_INTERFACE)
        return equal_interfaces(ev, n, x, y, ret);
    switch (t->kind) {
    case DWARF_KIND_STRUCT:
    case DWARF_KIND_ARRAY:
        if (++ev->depth > 100)
            return ev_fail(ev, n, "the values are too deep to be compared");
        TRY(equal_composite(ev, n, t, x, y, ret));
        ev->depth--;
        return NULL;
    case DWARF_KIND_STRING:
        TRY(equal_strings(ev, n, x, y, &order));
        *ret = order == 0;
        return NULL;
    case DWARF_KIND_POINTER:
    case DWARF_KIND_CHAN:
        TRY(ev_get(ev, n, x, 0, &p, 8));
        TRY(ev_get(ev, n, y, 0, &q, 8));
        *ret = p == q;
        return NULL;
    case DWARF_KIND_BOOL:
        p = q = 0;
        TRY(ev_get(ev, n, x, 0, &p, 1));
        TRY(ev_get(ev, n, y, 0, &q, 1));
        *ret = p == q;
        return NULL;
    default:
        if (!num_kind(t, &a) || !num_kind(t, &b))
            return ev_fail(ev, n, "values of type %s can only be compared with nil",
                           ev_type_name(ev, x));
        TRY(load(ev, n, x, &a));
        TRY(load(ev, n, y, &b));
        *ret = a.kind <= NUM_UINT
                   ? a.u << (64 - 8 * min_u64(a.size, 8)) == b.u << (64 - 8 * min_u64(b.size, 8))
                   : a.re == b.re && a.im == b.im;
        return NULL;
    }
}

/* ---- with nil ---- */

static struct err *compare_nil(struct ev *ev, const struct node *n, const char *op,
                               const struct dbg_value *v, struct dbg_value *ret)
{
    const struct dwarf_type *t = ev_type(ev, v);
    uint64_t word;
    if (strcmp(op, "==") != 0 && strcmp(op, "!=") != 0)
        return ev_fail(ev, n, "the operator %s is not there for nil", op);
    switch (t ? t->kind : DWARF_KIND_OTHER) {
    case DWARF_KIND_POINTER:
    case DWARF_KIND_SLICE:
    case DWARF_KIND_MAP:
    case DWARF_KIND_CHAN:
    case DWARF_KIND_FUNC:
    case DWARF_KIND_INTERFACE:
        TRY(ev_get(ev, n, v, 0, &word, 8));
        *ret = ev_bool(ev, (word == 0) == (*op == '='));
        return NULL;
    default:
        return ev_fail(ev, n, "a %s is never nil", ev_type_name(ev, v));
    }
}

/* ---- binary ---- */

static struct err *typed_op(struct ev *ev, const struct node *n, const char *op,
                            const struct dbg_value *x, const struct dbg_value *y,
                            struct dbg_value *ret)
{
    const struct dwarf_type *t = ev_type(ev, x), *u = ev_type(ev, y);
    struct num a = {0}, b = {0};
    bool equal, same = t && u && t->kind == u->kind;
    int order;
    if (same && t->kind == DWARF_KIND_STRING && (is_comparison(op) || strcmp(op, "+") == 0)) {
        if (*op == '+') {
            const char *p, *q;
            size_t pn, qn;
            TRY(ev_string(ev, n, x, &p, &pn));
            TRY(ev_string(ev, n, y, &q, &qn));
            char *both = arena_alloc(ev->a, pn + qn + 1);
            memcpy(both, p, pn);
            memcpy(both + pn, q, qn);
            *ret = ev_const(dbg_const_string(ev->a, both, pn + qn), x->v.type);
            ret->type = value_type_name(ev->vs, x->v.type);
            return NULL;
        }
        TRY(equal_strings(ev, n, x, y, &order));
        *ret = ev_bool(ev, ordered(op, order < 0, order == 0));
        return NULL;
    }
    if (same && num_kind(t, &a) && num_kind(t, &b)) {
        TRY(load(ev, n, x, &a));
        TRY(load(ev, n, y, &b));
        if (a.kind == NUM_UINT && a.size < 8) {
            a.u &= (1ull << 8 * a.size) - 1;
            b.u &= (1ull << 8 * a.size) - 1;
        }
        return num_op(ev, n, op, x, &a, &b, ret);
    }
    if (strcmp(op, "==") != 0 && strcmp(op, "!=") != 0)
        return ev_fail(ev, n, "the operator %s is not there for %s", op, ev_type_name(ev, x));
    TRY(ev_equal(ev, n, x, y, &equal));
    *ret = ev_bool(ev, equal == (*op == '='));
    return NULL;
}

/* Gives two operands one type. */
static struct err *same_type(struct ev *ev, const struct node *n, const char *op,
                             struct dbg_value *x, struct dbg_value *y)
{
    const struct dwarf_type *t = ev_type(ev, x), *u = ev_type(ev, y);
    bool x_free = x->form == DBG_UNTYPED && x->v.type == DWARF_NO_ID;
    bool y_free = y->form == DBG_UNTYPED && y->v.type == DWARF_NO_ID;
    struct dbg_value v;
    if (x_free || (u && u->kind == DWARF_KIND_INTERFACE && t && t->kind != DWARF_KIND_INTERFACE)) {
        TRY(ev_assign(ev, n, x, y->v.type, &v));
        *x = v;
    } else if (y_free ||
               (t && t->kind == DWARF_KIND_INTERFACE && u && u->kind != DWARF_KIND_INTERFACE)) {
        TRY(ev_assign(ev, n, y, x->v.type, &v));
        *y = v;
    } else if (!t || !u ||
               (!value_type_same(ev->vs, x->v.type, y->v.type) &&
                !(t->kind == DWARF_KIND_INTERFACE && u->kind == DWARF_KIND_INTERFACE))) {
        return mismatch(ev, n, op, x, y);
    }
    return NULL;
}

struct err *ev_apply(struct ev *ev, const struct node *n, const char *op,
                     const struct dbg_value *xv, const struct dbg_value *yv, struct dbg_value *ret)
{
    struct dbg_value x = *xv, y = *yv;
    const struct dbg_const *c;
    bool x_free = x.form == DBG_UNTYPED && x.v.type == DWARF_NO_ID;
    bool y_free = y.form == DBG_UNTYPED && y.v.type == DWARF_NO_ID;
    if (x_free && y_free) {
        struct err *e = dbg_const_binary(ev->a, op, x.untyped, y.untyped, &c);
        if (e)
            return expr_point(e, ev->x->text, n->at);
        *ret = ev_const(c, DWARF_NO_ID);
        return NULL;
    }
    if (x.form == DBG_NIL && y.form == DBG_NIL)
        return ev_fail(ev, n, "the operator %s is not there for nil and nil", op);
    if (x.form == DBG_NIL || y.form == DBG_NIL)
        return compare_nil(ev, n, op, x.form == DBG_NIL ? &y : &x, ret);
    if (is_shift(op)) {
        if (x_free) {
            TRY(ev_assign(ev, n, &x, value_basic_type(ev->vs, "int"), &x));
        }
        return shift(ev, n, op, &x, &y, ret);
    }
    TRY(same_type(ev, n, op, &x, &y));
    return typed_op(ev, n, op, &x, &y, ret);
}

static struct err *truth(struct ev *ev, struct node *n, const char *op, bool *ret)
{
    struct dbg_value v;
    uint8_t yes;
    TRY(ev_node(ev, n, &v));
    const struct dwarf_type *t = ev_type(ev, &v);
    if (v.form == DBG_UNTYPED && v.untyped->kind == CONST_BOOL) {
        *ret = v.untyped->yes;
        return NULL;
    }
    if (!t || t->kind != DWARF_KIND_BOOL)
        return ev_fail(ev, n, "the operator %s takes bools, not %s", op, ev_type_name(ev, &v));
    TRY(ev_get(ev, n, &v, 0, &yes, 1));
    *ret = yes != 0;
    return NULL;
}

struct err *ev_binary(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x, y;
    bool is_and = strcmp(n->op, "&&") == 0;
    if (is_and || strcmp(n->op, "||") == 0) { /* the right side only when it counts */
        bool yes;
        TRY(truth(ev, n->x, n->op, &yes));
        if (yes == is_and)
            TRY(truth(ev, n->y, n->op, &yes));
        *ret = ev_bool(ev, yes);
        return NULL;
    }
    TRY(ev_node(ev, n->x, &x));
    TRY(ev_node(ev, n->y, &y));
    return ev_apply(ev, n, n->op, &x, &y, ret);
}

/* ---- unary ---- */

static struct err *address_of(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    TRY(ev_node(ev, n->x, &x));
    if (x.form != DBG_VALUE || !x.v.addr)
        return ev_fail(ev, n, "this has no address: it is not in memory");
    uint64_t type = value_pointer_to(ev->vs, x.v.type);
    if (type == DWARF_NO_ID)
        return ev_fail(ev, n, "a pointer to %s has no name", ev_type_name(ev, &x));
    *ret = ev_make(ev, type, &x.v.addr, 8);
    return NULL;
}

struct err *ev_unary(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    const struct dbg_const *c;
    struct num v = {0};
    bool yes;
    if (*n->op == '&')
        return address_of(ev, n, ret);
    if (*n->op == '!') {
        TRY(truth(ev, n->x, "!", &yes));
        *ret = ev_bool(ev, !yes);
        return NULL;
    }
    TRY(ev_node(ev, n->x, &x));
    if (x.form == DBG_UNTYPED && x.v.type == DWARF_NO_ID) {
        struct err *e = dbg_const_unary(ev->a, n->op, x.untyped, &c);
        *ret = ev_const(e ? x.untyped : c, DWARF_NO_ID);
        return expr_point(e, ev->x->text, n->at);
    }
    if (!num_kind(ev_type(ev, &x), &v) || (*n->op == '^' && v.kind > NUM_UINT))
        return ev_fail(ev, n, "the operator %s is not there for %s", n->op, ev_type_name(ev, &x));
    TRY(load(ev, n->x, &x, &v));
    if (*n->op == '-') {
        v.i = (int64_t) - (uint64_t)v.i;
        v.u = -v.u;
        v.re = -v.re;
        v.im = -v.im;
    } else if (*n->op == '^') {
        v.i = ~v.i;
        v.u = ~v.u;
    }
    *ret = store(ev, x.v.type, &v);
    return NULL;
}
