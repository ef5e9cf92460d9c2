/* expr_convert.c - conversions T(x), and what an assignment makes of a value; see expr_int.h.
 *
 * Go: the specification, "Conversions", "Assignability", "Representability" (1.18-1.27).  On top, a
 * number becomes a pointer: (*T)(0xc000010000). */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "dbg/expr_int.h"

static bool is_int(const struct dwarf_type *t)
{
    return t->kind == DWARF_KIND_INT || t->kind == DWARF_KIND_UINT || t->kind == DWARF_KIND_CHAR ||
           t->kind == DWARF_KIND_ENUM;
}

static bool is_number(const struct dwarf_type *t)
{
    return is_int(t) || t->kind == DWARF_KIND_FLOAT || t->kind == DWARF_KIND_COMPLEX;
}

static struct err *does_not_fit(struct ev *ev, const struct node *n, const struct dbg_const *c,
                                uint64_t type)
{
    struct buf b = {0};
    dbg_const_text(c, &b);
    struct err *e = ev_fail(ev, n, "the constant %.60s does not fit into %s", buf_text(&b),
                            value_type_name(ev->vs, type));
    buf_free(&b);
    return e;
}

/* ---- constants ---- */

static struct err *int_of_const(struct ev *ev, const struct node *n, const struct dbg_const *c,
                                const struct dwarf_type *t, uint64_t type, struct dbg_value *ret)
{
    size_t size = (size_t)value_type_size(ev->vs, type);
    const struct big *v = &c->re.num;
    uint64_t u;
    int64_t i;
    bool ok = ratio_is_int(&c->re) && !c->im.num.n && size >= 1 && size <= 8;
    if (ok && t->is_signed) {
        ok = big_i64(v, &i) && i >> (8 * size - 1) == (i < 0 ? -1 : 0);
        u = (uint64_t)i;
    } else if (ok) {
        ok = big_u64(v, &u) && (size == 8 || u >> (8 * size) == 0);
    }
    if (!ok)
        return does_not_fit(ev, n, c, type);
    *ret = ev_make(ev, type, &u, size);
    return NULL;
}

static void put_double(uint8_t *p, size_t size, double d)
{
    float f = (float)d;
    memcpy(p, size == 8 ? (void *)&d : (void *)&f, size == 8 ? 8 : 4);
}

static struct err *float_of_const(struct ev *ev, const struct node *n, const struct dbg_const *c,
                                  const struct dwarf_type *t, uint64_t type, struct dbg_value *ret)
{
    uint8_t bytes[16] = {0};
    size_t size = (size_t)value_type_size(ev->vs, type);
    size_t part = t->kind == DWARF_KIND_COMPLEX ? size / 2 : size;
    double re = ratio_double(&c->re), im = ratio_double(&c->im);
    bool fits = !isinf(re) && !isnan(re) && (part == 8 || !isinf((float)re));
    if (!fits || (t->kind == DWARF_KIND_FLOAT && c->im.num.n) || (part != 4 && part != 8))
        return does_not_fit(ev, n, c, type);
    put_double(bytes, part, re);
    if (t->kind == DWARF_KIND_COMPLEX)
        put_double(bytes + part, part, im);
    *ret = ev_make(ev, type, bytes, size);
    return NULL;
}

/* The type an untyped constant has by itself. */
static uint64_t default_type(struct ev *ev, const struct dbg_const *c)
{
    return value_basic_type(ev->vs, dbg_const_default(c));
}

static struct err *typed_const(struct ev *ev, const struct node *n, const struct dbg_value *v,
                               uint64_t type, struct dbg_value *ret)
{
    const struct dbg_const *c = v->untyped;
    const struct dwarf_type *t = ev->vs ? value_type_stripped(ev->vs, type) : NULL;
    uint8_t yes = c->yes;
    if (!t)
        return ev_fail(ev, n, "the type is not known");
    if (t->kind == DWARF_KIND_INTERFACE)
        return typed_const(ev, n, v, default_type(ev, c), ret);
    if (dbg_const_is_number(c) && is_int(t))
        return int_of_const(ev, n, c, t, type, ret);
    if (dbg_const_is_number(c) && is_number(t))
        return float_of_const(ev, n, c, t, type, ret);
    if (c->kind == CONST_BOOL && t->kind == DWARF_KIND_BOOL) {
        *ret = ev_make(ev, type, &yes, 1);
        return NULL;
    }
    if (c->kind == CONST_STRING && t->kind == DWARF_KIND_STRING) {
        *ret = ev_const(c, type);
        ret->type = value_type_name(ev->vs, type);
        return NULL;
    }
    return ev_fail(ev, n, "an %s is no %s", dbg_const_type(c), value_type_name(ev->vs, type));
}

struct err *ev_assign(struct ev *ev, const struct node *n, const struct dbg_value *v, uint64_t type,
                      struct dbg_value *ret)
{
    static const uint8_t zero[24];
    const struct dwarf_type *t = ev->vs ? value_type_stripped(ev->vs, type) : NULL;
    if (!t)
        return ev_fail(ev, n, "the type of the variable is not known");
    if (v->form == DBG_UNTYPED && v->v.type == DWARF_NO_ID)
        return typed_const(ev, n, v, type, ret);
    if (v->form == DBG_NIL) {
        bool may = t->kind == DWARF_KIND_POINTER || t->kind == DWARF_KIND_SLICE ||
                   t->kind == DWARF_KIND_MAP || t->kind == DWARF_KIND_CHAN ||
                   t->kind == DWARF_KIND_FUNC || t->kind == DWARF_KIND_INTERFACE;
        int64_t size = value_type_size(ev->vs, type);
        if (!may || size < 1 || size > (int64_t)sizeof(zero))
            return ev_fail(ev, n, "a %s is never nil", value_type_name(ev->vs, type));
        *ret = ev_make(ev, type, zero, (size_t)size);
        return NULL;
    }
    *ret = *v;
    if (v->form != DBG_VALUE && v->form != DBG_UNTYPED)
        return ev_fail(ev, n, "%s is not a value", ev_type_name(ev, v));
    if (value_type_same(ev->vs, v->v.type, type))
        return NULL;
    if (t->kind != DWARF_KIND_INTERFACE)
        return ev_fail(ev, n, "%s is no %s", ev_type_name(ev, v), value_type_name(ev->vs, type));
    return NULL; /* the value itself; who sets an interface makes its words */
}

/* ---- typed values ---- */

struct wide {
    bool is_float;
    double re, im;
    uint64_t u;
    bool is_signed;
};

static struct err *load_wide(struct ev *ev, const struct node *n, const struct dbg_value *v,
                             const struct dwarf_type *t, struct wide *ret)
{
    uint8_t b[16] = {0};
    size_t size = (size_t)value_type_size(ev->vs, v->v.type), part = size;
    *ret = (struct wide){0};
    if (is_int(t)) {
        ret->is_signed = t->is_signed;
        return ev_integer(ev, n, v, (int64_t *)&ret->u);
    }
    if (size > sizeof(b))
        return ev_fail(ev, n, "a number of %zu bytes", size);
    TRY(ev_get(ev, n, v, 0, b, size));
    part = t->kind == DWARF_KIND_COMPLEX ? size / 2 : size;
    for (int i = 0; i < 2 && (size_t)i * part < size; i++) {
        float f;
        double d;
        memcpy(&f, b + (size_t)i * part, 4);
        memcpy(&d, b + (size_t)i * part, part == 8 ? 8 : 4);
        *(i ? &ret->im : &ret->re) = part == 8 ? d : (double)f;
    }
    ret->is_float = true;
    return NULL;
}

static struct err *convert_number(struct ev *ev, const struct node *n, const struct dbg_value *v,
                                  const struct dwarf_type *from, const struct dwarf_type *to,
                                  uint64_t type, struct dbg_value *ret)
{
    struct wide w;
    uint8_t bytes[16] = {0};
    size_t size = (size_t)value_type_size(ev->vs, type);
    bool complex = to->kind == DWARF_KIND_COMPLEX;
    if (complex != (from->kind == DWARF_KIND_COMPLEX))
        return ev_fail(ev, n, "%s cannot become %s", ev_type_name(ev, v),
                       value_type_name(ev->vs, type));
    TRY(load_wide(ev, n, v, from, &w));
    if (size > sizeof(bytes))
        return ev_fail(ev, n, "a number of %zu bytes", size);
    if (is_int(to)) {
        uint64_t u = w.u;
        if (w.is_float && w.re >= 9223372036854775808.0 && w.re < 18446744073709551616.0)
            u = (uint64_t)w.re;
        else if (w.is_float)
            u = fabs(w.re) < 9223372036854775808.0 ? (uint64_t)(int64_t)w.re : UINT64_C(1) << 63;
        memcpy(bytes, &u, 8);
    } else {
        double re = w.is_float ? w.re : w.is_signed ? (double)(int64_t)w.u : (double)w.u;
        put_double(bytes, complex ? size / 2 : size, re);
        if (complex)
            put_double(bytes + size / 2, size / 2, w.im);
    }
    *ret = ev_make(ev, type, bytes, size);
    return NULL;
}

static void put_utf8(struct buf *b, int64_t cp)
{
    if (cp < 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        cp = 0xfffd;
    if (cp < 0x80) {
        buf_char(b, (char)cp);
        return;
    }
    int more = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
    buf_char(b, (char)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | cp >> 6 * more));
    while (more-- > 0)
        buf_char(b, (char)(0x80 | (cp >> 6 * more & 63)));
}

/* string(x) of integers, []byte and []rune. */
static struct err *convert_to_string(struct ev *ev, const struct node *n, const struct dbg_value *v,
                                     const struct dwarf_type *from, uint64_t type,
                                     struct dbg_value *ret)
{
    enum { RUNES_MAX = 1 << 20 };
    struct buf b = {0};
    int64_t cp, size = from->kind == DWARF_KIND_SLICE ? value_type_size(ev->vs, from->elem) : 0;
    uint64_t head[2];
    struct err *e = NULL;
    if (is_int(from)) {
        TRY(ev_integer(ev, n, v, &cp));
        put_utf8(&b, cp);
    } else if (from->kind == DWARF_KIND_SLICE && size == 1) { /* the same memory */
        TRY(ev_get(ev, n, v, 0, head, 16));
        *ret = ev_make(ev, type, head, 16);
        return NULL;
    } else if (from->kind == DWARF_KIND_SLICE && size == 4) {
        TRY(ev_get(ev, n, v, 0, head, 16));
        struct dbg_value text = {.form = DBG_VALUE, .v = {.type = DWARF_NO_ID, .addr = head[0]}};
        if (head[1] > RUNES_MAX)
            return ev_fail(ev, n, "too long");
        int32_t *runes = arena_array(ev->a, int32_t, head[1] + 1);
        if (head[1])
            e = ev_get(ev, n, &text, 0, runes, 4 * head[1]);
        for (uint64_t i = 0; !e && i < head[1]; i++)
            put_utf8(&b, runes[i]);
    } else {
        e = ev_fail(ev, n, "%s cannot become a string", ev_type_name(ev, v));
    }
    if (!e) {
        *ret = ev_const(dbg_const_string(ev->a, b.n ? b.p : "", b.n), type);
        ret->type = value_type_name(ev->vs, type);
    }
    buf_free(&b);
    return e;
}

/* []byte(s): the text's own memory, as long as its length. */
static struct err *convert_to_bytes(struct ev *ev, const struct node *n, const struct dbg_value *v,
                                    uint64_t type, struct dbg_value *ret)
{
    uint64_t head[3];
    if (v->form != DBG_VALUE)
        return ev_fail(ev, n,
                       "the text is not in the program's memory: a slice of it would have to "
                       "be allocated");
    TRY(ev_get(ev, n, v, 0, head, 16));
    head[2] = head[1];
    *ret = ev_make(ev, type, head, 24);
    return NULL;
}

static struct err *convert_pointer(struct ev *ev, const struct node *n, const struct dbg_value *v,
                                   const struct dwarf_type *from, uint64_t type,
                                   struct dbg_value *ret)
{
    int64_t addr;
    uint64_t word;
    if (v->form == DBG_UNTYPED || (from && is_int(from))) {
        TRY(ev_integer(ev, n, v, &addr));
        word = (uint64_t)addr;
    } else {
        TRY(ev_get(ev, n, v, 0, &word, 8));
    }
    *ret = ev_make(ev, type, &word, 8);
    return NULL;
}

/* Whether two types are the same but for their names. */
static bool same_shape(struct ev *ev, uint64_t a, uint64_t b)
{
    const struct dwarf_type *x = value_type_stripped(ev->vs, a),
                            *y = value_type_stripped(ev->vs, b);
    if (!x || !y || x->kind != y->kind ||
        value_type_size(ev->vs, a) != value_type_size(ev->vs, b) || x->nmembers != y->nmembers)
        return false;
    for (size_t i = 0; i < x->nmembers; i++)
        if (strcmp(x->members[i].name, y->members[i].name) != 0 ||
            !value_type_same(ev->vs, x->members[i].type, y->members[i].type))
            return false;
    bool elem = x->kind == DWARF_KIND_SLICE || x->kind == DWARF_KIND_ARRAY ||
                x->kind == DWARF_KIND_MAP || x->kind == DWARF_KIND_CHAN;
    return !elem || (value_type_same(ev->vs, x->elem, y->elem) &&
                     (x->kind != DWARF_KIND_MAP || value_type_same(ev->vs, x->key, y->key)));
}

struct err *ev_convert(struct ev *ev, const struct node *n, const struct dbg_value *v,
                       uint64_t type, struct dbg_value *ret)
{
    const struct dwarf_type *from = ev_type(ev, v), *to = value_type_stripped(ev->vs, type);
    bool free_const = v->form == DBG_UNTYPED && v->v.type == DWARF_NO_ID;
    if (!to)
        return ev_fail(ev, n, "the type is not known");
    bool pointer = to->kind == DWARF_KIND_POINTER || to->kind == DWARF_KIND_FUNC ||
                   to->kind == DWARF_KIND_CHAN || to->kind == DWARF_KIND_MAP;
    if (v->form == DBG_NIL)
        return ev_assign(ev, n, v, type, ret);
    if (pointer && ((free_const && dbg_const_is_number(v->untyped)) ||
                    (from && (is_int(from) || from->kind == DWARF_KIND_POINTER))))
        return convert_pointer(ev, n, v, from, type, ret);
    if (free_const && to->kind == DWARF_KIND_STRING && v->untyped->kind != CONST_STRING) {
        struct dbg_value number;
        TRY(typed_const(ev, n, v, value_basic_type(ev->vs, "int"), &number));
        return convert_to_string(ev, n, &number, ev_type(ev, &number), type, ret);
    }
    bool bytes = to->kind == DWARF_KIND_SLICE && value_type_size(ev->vs, to->elem) == 1;
    if (bytes && (free_const || (from && from->kind == DWARF_KIND_STRING)))
        return convert_to_bytes(ev, n, v, type, ret);
    if (free_const)
        return typed_const(ev, n, v, type, ret);
    if (!from)
        return ev_fail(ev, n, "%s cannot be converted", ev_type_name(ev, v));
    if (is_number(from) && is_number(to))
        return convert_number(ev, n, v, from, to, type, ret);
    if (from->kind == DWARF_KIND_POINTER && is_int(to))
        return convert_pointer(ev, n, v, from, type, ret);
    if (to->kind == DWARF_KIND_STRING && from->kind != DWARF_KIND_STRING)
        return convert_to_string(ev, n, v, from, type, ret);
    if (to->kind == DWARF_KIND_INTERFACE || !same_shape(ev, v->v.type, type))
        return ev_fail(ev, n, "%s cannot become %s", ev_type_name(ev, v),
                       value_type_name(ev->vs, type));
    *ret = *v;
    ret->v.type = type;
    ret->type = value_type_name(ev->vs, type);
    return NULL;
}
