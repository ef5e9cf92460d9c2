/* dwarf_expr.c - the stack machine of DWARF expressions; see dwarf_expr.h.
 *
 * All of DWARF 5 and what gcc puts before it under names of its own.  Values on the stack carry a
 * base type once DW_OP_convert and its kin give them one; without one they are addresses.
 * Expressions of a file are not trusted: stack, steps, nested calls and pieces have limits. */
#include "image/dwarf_expr.h"

#include <string.h>

#include "image/dwarf_int.h"

enum { STACK_MAX = 128, STEPS_MAX = 100000, CALLS_MAX = 8, VALUE_BYTES = 8 };

enum encoding { ENC_GENERIC, ENC_SIGNED, ENC_UNSIGNED, ENC_FLOAT };

struct value {
    uint64_t u; /* the low `size` bytes; floats as their bits */
    uint8_t size;
    uint8_t enc;
};

struct machine {
    const struct dwarf_unit *unit;
    const struct dwarf_env *env;
    struct value stack[STACK_MAX];
    unsigned n, calls;
    unsigned *steps;            /* shared with the evaluation of the frame base */
    struct dwarf_piece pending; /* a place that is no address, waiting for its DW_OP_piece */
    struct dwarf_location *loc; /* NULL: a number is wanted, places make no sense */
};

static struct err *run(struct machine *m, const struct dwarf_expr *expr);
static struct err *eval(const struct dwarf_expr *expr, const struct dwarf_env *env, unsigned *steps,
                        struct dwarf_location *ret);

static struct err *bad(const struct machine *m, const char *what)
{
    return err_new(ERR_BAD_DATA, "%s: a location expression %s", image_name(m->unit->dw->img),
                   what);
}

static struct err *cut_short(const struct machine *m)
{
    return bad(m, "is cut short");
}

static struct err *push_value(struct machine *m, struct value v)
{
    if (m->n >= STACK_MAX)
        return bad(m, "overflows its stack");
    m->stack[m->n++] = v;
    return NULL;
}

static struct value generic(uint64_t u)
{
    return (struct value){.u = u, .size = VALUE_BYTES, .enc = ENC_GENERIC};
}

static struct err *push(struct machine *m, uint64_t u)
{
    return push_value(m, generic(m->unit->addr_size == 4 ? (uint32_t)u : u));
}

static struct err *pop_value(struct machine *m, struct value *ret)
{
    *ret = generic(0);
    if (m->n == 0)
        return bad(m, "uses more of its stack than is there");
    *ret = m->stack[--m->n];
    return NULL;
}

static struct err *pop(struct machine *m, uint64_t *ret)
{
    struct value v;
    struct err *e = pop_value(m, &v);
    *ret = v.u;
    return e;
}

/* ---- typed values ---- */

static uint64_t mask_of(uint8_t size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

static int64_t as_signed(struct value v)
{
    unsigned shift = 64u - 8u * v.size;
    return (int64_t)(v.u << shift) >> shift;
}

static double as_double(struct value v)
{
    if (v.enc != ENC_FLOAT)
        return v.enc == ENC_SIGNED ? (double)as_signed(v) : (double)v.u;
    float f;
    double d;
    if (v.size == 4) {
        memcpy(&f, &v.u, sizeof(f));
        return (double)f;
    }
    memcpy(&d, &v.u, sizeof(d));
    return d;
}

static struct value from_double(double d, struct value type)
{
    float f = (float)d;
    type.u = 0;
    if (type.size == 4)
        memcpy(&type.u, &f, sizeof(f));
    else
        memcpy(&type.u, &d, sizeof(d));
    return type;
}

static struct value from_int(uint64_t u, struct value type)
{
    type.u = u & mask_of(type.size);
    return type;
}

/* A float as an integer, held to the range that conversion is defined for. */
static uint64_t double_to_int(double d, bool is_signed)
{
    if (d != d)
        return 0;
    if (is_signed || d < 0)
        return d <= -0x1p63  ? (uint64_t)INT64_MIN
               : d >= 0x1p63 ? (uint64_t)INT64_MAX
                             : (uint64_t)(int64_t)d;
    return d >= 0x1p64 ? UINT64_MAX : (uint64_t)d;
}

static struct value convert(struct value v, struct value type)
{
    if (type.enc == ENC_FLOAT)
        return from_double(as_double(v), type);
    if (v.enc == ENC_FLOAT)
        return from_int(double_to_int(as_double(v), type.enc == ENC_SIGNED), type);
    return from_int(v.enc == ENC_SIGNED ? (uint64_t)as_signed(v) : v.u, type);
}

/* The base type at an offset in the unit; 0 is the generic type. */
static struct err *base_type(struct machine *m, uint64_t off, struct value *ret)
{
    struct dwarf_die die;
    struct dwarf_attr a;
    uint64_t size = 0, encoding = 0;
    *ret = generic(0);
    if (off == 0)
        return NULL;
    TRY(dwarf_die_at(m->unit->dw, m->unit->id + off, &die));
    if (dwarf_attr_find(&die, DW_AT_byte_size, &a))
        dwarf_attr_uint(&a, &size);
    if (dwarf_attr_find(&die, DW_AT_encoding, &a))
        dwarf_attr_uint(&a, &encoding);
    if (die.tag != DW_TAG_base_type || size == 0)
        return bad(m, "names a type that is none");
    if (size > VALUE_BYTES || (encoding == DW_ATE_float && size != 4 && size != 8))
        return err_new(ERR_UNSUPPORTED, "%s: a location expression computes with %llu-byte values",
                       image_name(m->unit->dw->img), (unsigned long long)size);
    ret->size = (uint8_t)size;
    ret->enc = encoding == DW_ATE_float                                      ? ENC_FLOAT
               : encoding == DW_ATE_signed || encoding == DW_ATE_signed_char ? ENC_SIGNED
                                                                             : ENC_UNSIGNED;
    return NULL;
}

/* ---- arithmetic ---- */

static struct err *unary(struct machine *m, uint8_t op)
{
    struct value v;
    TRY(pop_value(m, &v));
    if (v.enc == ENC_FLOAT) {
        double d = as_double(v);
        if (op == DW_OP_not)
            return bad(m, "inverts the bits of a float");
        return push_value(m, from_double(op == DW_OP_abs && d >= 0 ? d : -d, v));
    }
    if (op == DW_OP_not)
        return push_value(m, from_int(~v.u, v));
    if (op == DW_OP_abs && as_signed(v) >= 0)
        return push_value(m, v);
    return push_value(m, from_int(-v.u, v));
}

static struct err *float_binary(struct machine *m, uint8_t op, struct value a, struct value b)
{
    double x = as_double(a), y = as_double(b);
    switch (op) {
    case DW_OP_plus:
        return push_value(m, from_double(x + y, a));
    case DW_OP_minus:
        return push_value(m, from_double(x - y, a));
    case DW_OP_mul:
        return push_value(m, from_double(x * y, a));
    case DW_OP_div:
        return push_value(m, from_double(x / y, a));
    case DW_OP_eq:
        return push(m, x == y);
    case DW_OP_ne:
        return push(m, x != y);
    case DW_OP_lt:
        return push(m, x < y);
    case DW_OP_le:
        return push(m, x <= y);
    case DW_OP_gt:
        return push(m, x > y);
    case DW_OP_ge:
        return push(m, x >= y);
    default:
        return bad(m, "computes bits of floats");
    }
}

static struct err *divide(struct machine *m, uint8_t op, struct value a, struct value b)
{
    int64_t y = as_signed(b);
    if (b.u == 0)
        return bad(m, "divides by zero");
    /* division is signed, but for unsigned types; the remainder of addresses is unsigned */
    if (op == DW_OP_mod)
        return push_value(
            m,
            from_int(a.enc == ENC_SIGNED ? y == -1 ? 0 : (uint64_t)(as_signed(a) % y) : a.u % b.u,
                     a));
    if (a.enc == ENC_UNSIGNED)
        return push_value(m, from_int(a.u / b.u, a));
    return push_value(m, from_int(y == -1 ? -a.u : (uint64_t)(as_signed(a) / y), a));
}

static struct err *compare(struct machine *m, uint8_t op, struct value a, struct value b)
{
    bool less, equal = a.u == b.u;
    if (a.enc == ENC_UNSIGNED)
        less = a.u < b.u;
    else
        less = as_signed(a) < as_signed(b); /* addresses, too: so the standard has it */
    switch (op) {
    case DW_OP_eq:
        return push(m, equal);
    case DW_OP_ne:
        return push(m, !equal);
    case DW_OP_lt:
        return push(m, less);
    case DW_OP_le:
        return push(m, less || equal);
    case DW_OP_gt:
        return push(m, !less && !equal);
    default:
        return push(m, !less);
    }
}

static struct err *binary(struct machine *m, uint8_t op)
{
    struct value a, b;
    TRY(pop_value(m, &b));
    TRY(pop_value(m, &a));
    if (a.enc == ENC_FLOAT)
        return float_binary(m, op, a, b);
    switch (op) {
    case DW_OP_and:
        return push_value(m, from_int(a.u & b.u, a));
    case DW_OP_or:
        return push_value(m, from_int(a.u | b.u, a));
    case DW_OP_xor:
        return push_value(m, from_int(a.u ^ b.u, a));
    case DW_OP_plus:
        return push_value(m, from_int(a.u + b.u, a));
    case DW_OP_minus:
        return push_value(m, from_int(a.u - b.u, a));
    case DW_OP_mul:
        return push_value(m, from_int(a.u * b.u, a));
    case DW_OP_shl:
        return push_value(m, from_int(b.u < 64 ? a.u << b.u : 0, a));
    case DW_OP_shr:
        return push_value(m, from_int(b.u < 64 ? a.u >> b.u : 0, a));
    case DW_OP_shra:
        return push_value(m, from_int((uint64_t)(as_signed(a) >> (b.u < 63 ? b.u : 63)), a));
    case DW_OP_div:
    case DW_OP_mod:
        return divide(m, op, a, b);
    default:
        return compare(m, op, a, b);
    }
}

/* ---- the stack ---- */

static struct err *stack_op(struct machine *m, uint8_t op, struct cursor *c)
{
    struct value t;
    unsigned depth = op == DW_OP_pick ? cursor_u8(c) : op == DW_OP_over ? 1 : 0;
    switch (op) {
    case DW_OP_drop:
        return pop_value(m, &t);
    case DW_OP_swap:
    case DW_OP_rot: {
        unsigned need = op == DW_OP_swap ? 2 : 3;
        if (m->n < need)
            return bad(m, "uses more of its stack than is there");
        t = m->stack[m->n - 1]; /* the top goes below the others */
        memmove(&m->stack[m->n - need + 1], &m->stack[m->n - need], (need - 1) * sizeof(t));
        m->stack[m->n - need] = t;
        return NULL;
    }
    default: /* dup, over, pick */
        if (depth >= m->n)
            return bad(m, "uses more of its stack than is there");
        return push_value(m, m->stack[m->n - 1 - depth]);
    }
}

/* ---- what only the environment knows ---- */

static struct err *ask_reg(struct machine *m, uint64_t reg, uint64_t *ret)
{
    *ret = 0;
    if (!m->env->reg || reg > UINT32_MAX)
        return err_new(ERR_NOT_FOUND, "register %llu is not known", (unsigned long long)reg);
    return m->env->reg(m->env->arg, (unsigned)reg, ret, sizeof(*ret));
}

static struct err *ask_memory(struct machine *m, taddr addr, size_t n, uint64_t *ret)
{
    *ret = 0;
    if (n > sizeof(*ret))
        return bad(m, "reads more than eight bytes at once");
    if (!m->env->read)
        return err_new(ERR_NOT_FOUND, "memory is not known");
    return m->env->read(m->env->arg, addr, ret, n);
}

static struct err *push_reg_plus(struct machine *m, uint64_t reg, int64_t off)
{
    uint64_t v;
    TRY(ask_reg(m, reg, &v));
    return push(m, v + (uint64_t)off);
}

static struct err *push_frame_base(struct machine *m, int64_t off)
{
    const struct dwarf_expr *base = m->env->frame_base;
    struct dwarf_location loc;
    struct dwarf_env env = *m->env;
    uint64_t v;
    taddr at;
    if (!base || !base->n)
        return err_new(ERR_NOT_FOUND, "the frame base is not known here");
    env.frame_base = NULL; /* it is not defined by itself */
    TRY(eval(base, &env, m->steps, &loc));
    if (loc.n == 1 && loc.v[0].kind == DWARF_AT_REG) { /* the base is what the register holds */
        TRY(ask_reg(m, loc.v[0].u, &v));
        return push(m, v + (uint64_t)off);
    }
    if (loc.n == 1 && loc.v[0].kind == DWARF_AT_VALUE)
        return push(m, loc.v[0].u + (uint64_t)off);
    if (!dwarf_location_address(&loc, &at))
        return bad(m, "has a frame base that is no address");
    return push(m, at + (uint64_t)off);
}

static struct err *push_cfa(struct machine *m)
{
    taddr cfa;
    if (!m->env->cfa)
        return err_new(ERR_NOT_FOUND, "the frame's address is not known");
    TRY(m->env->cfa(m->env->arg, &cfa));
    return push(m, cfa);
}

static struct err *push_tls(struct machine *m)
{
    uint64_t off;
    taddr at;
    TRY(pop(m, &off));
    if (!m->env->tls)
        return err_new(ERR_NOT_FOUND, "thread-local storage is not known");
    TRY(m->env->tls(m->env->arg, off, &at));
    return push(m, at);
}

static struct err *push_addrx(struct machine *m, uint64_t index, bool moved)
{
    taddr addr;
    if (!dwarf_addrx(m->unit, index, &addr))
        return bad(m, "uses an address that .debug_addr does not have");
    return push(m, moved ? addr + m->env->slide : addr);
}

static struct err *push_entry_value(struct machine *m, struct cursor *c)
{
    uint64_t n = cursor_uleb(c), v;
    const uint8_t *p = cursor_bytes(c, n);
    if (!p)
        return cut_short(m);
    if (!m->env->entry)
        return err_new(ERR_NOT_FOUND, "the value at function entry is not known");
    const struct dwarf_expr expr = {.unit = m->unit, .p = p, .n = n};
    TRY(m->env->entry(m->env->arg, &expr, &v));
    return push(m, v);
}

/* DW_OP_call*: goes on with the location of another DIE. */
static struct err *call_die(struct machine *m, uint64_t id)
{
    struct dwarf_die die;
    struct dwarf_attr a;
    if (m->calls >= CALLS_MAX)
        return bad(m, "calls without end");
    TRY(dwarf_die_at(m->unit->dw, id, &die));
    if (!dwarf_attr_find(&die, DW_AT_location, &a) || a.cls != DWARF_BLOCK)
        return NULL; /* so the standard wants it */
    const struct dwarf_unit *unit = m->unit;
    const struct dwarf_expr expr = {.unit = die.unit, .p = a.p, .n = a.n};
    m->calls++;
    m->unit = die.unit;
    struct err *e = run(m, &expr);
    m->unit = unit;
    m->calls--;
    return e;
}

/* ---- typed operations ---- */

static struct err *typed_op(struct machine *m, uint8_t op, struct cursor *c)
{
    struct value type, v;
    uint64_t reg = 0, n = 0;
    const uint8_t *p = NULL;
    if (op == DW_OP_regval_type || op == DW_OP_GNU_regval_type)
        reg = cursor_uleb(c);
    if (op == DW_OP_deref_type || op == DW_OP_GNU_deref_type)
        n = cursor_u8(c);
    TRY(base_type(m, cursor_uleb(c), &type));
    switch (op) {
    case DW_OP_const_type:
    case DW_OP_GNU_const_type:
        n = cursor_u8(c);
        p = cursor_bytes(c, n);
        if (!p)
            return cut_short(m);
        return push_value(m, from_int(load_le(p, min_u64(n, 8)), type));
    case DW_OP_regval_type:
    case DW_OP_GNU_regval_type:
        TRY(ask_reg(m, reg, &v.u));
        return push_value(m, from_int(v.u, type));
    case DW_OP_deref_type:
    case DW_OP_GNU_deref_type:
        TRY(pop_value(m, &v));
        TRY(ask_memory(m, v.u, n, &v.u));
        return push_value(m, from_int(v.u, type));
    case DW_OP_convert:
    case DW_OP_GNU_convert:
        TRY(pop_value(m, &v));
        return push_value(m, convert(v, type));
    default: /* reinterpret */
        TRY(pop_value(m, &v));
        return push_value(m, from_int(v.u, type));
    }
}

/* ---- places ---- */

static struct err *set_pending(struct machine *m, struct dwarf_piece p)
{
    if (!m->loc)
        return bad(m, "names a place where a number is wanted");
    if (m->pending.kind != DWARF_AT_NOWHERE)
        return bad(m, "names two places for one value");
    m->pending = p;
    return NULL;
}

static struct err *add_piece(struct machine *m, uint64_t bits, uint64_t bit_off)
{
    struct dwarf_piece p = m->pending;
    if (!m->loc)
        return bad(m, "names a place where a number is wanted");
    if (m->loc->n >= DWARF_PIECES_MAX)
        return err_new(ERR_LIMIT, "%s: a value in too many pieces", image_name(m->unit->dw->img));
    if (p.kind == DWARF_AT_NOWHERE && m->n) {
        p.kind = DWARF_AT_MEMORY;
        TRY(pop(m, &p.u));
    }
    p.bits = bits;
    p.bit_off = bit_off;
    m->loc->v[m->loc->n++] = p;
    m->pending = (struct dwarf_piece){.kind = DWARF_AT_NOWHERE};
    return NULL;
}

static struct err *place_op(struct machine *m, uint8_t op, struct cursor *c)
{
    struct dwarf_piece p = {.kind = DWARF_AT_NOWHERE};
    uint64_t n;
    switch (op) {
    case DW_OP_regx:
        p = (struct dwarf_piece){.kind = DWARF_AT_REG, .u = cursor_uleb(c)};
        return set_pending(m, p);
    case DW_OP_stack_value:
        p.kind = DWARF_AT_VALUE;
        TRY(pop(m, &p.u));
        return set_pending(m, p);
    case DW_OP_implicit_value:
        p.kind = DWARF_AT_BYTES;
        p.n = cursor_uleb(c);
        p.p = cursor_bytes(c, p.n);
        return set_pending(m, p);
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
        p.kind = DWARF_AT_POINTER;
        p.u = m->unit->version <= 2 ? (m->unit->addr_size == 8 ? cursor_u64(c) : cursor_u32(c))
              : m->unit->offset_size == 8 ? cursor_u64(c)
                                          : cursor_u32(c);
        p.off = cursor_sleb(c);
        return set_pending(m, p);
    case DW_OP_piece:
        n = cursor_uleb(c);
        return n <= UINT64_MAX / 8 ? add_piece(m, n * 8, 0) : bad(m, "has an endless piece");
    default: /* DW_OP_bit_piece */
        n = cursor_uleb(c);
        return add_piece(m, n, cursor_uleb(c));
    }
}

/* ---- control and constants ---- */

static struct err *jump(struct machine *m, uint8_t op, struct cursor *c)
{
    int16_t off = (int16_t)cursor_u16(c);
    uint64_t v = 1;
    if (op == DW_OP_bra)
        TRY(pop(m, &v));
    if (!v || c->bad)
        return NULL;
    if (off < -(ptrdiff_t)cursor_pos(c) || off > (ptrdiff_t)cursor_left(c))
        return bad(m, "jumps out of itself");
    c->p += off;
    return NULL;
}

static struct err *constant(struct machine *m, uint8_t op, struct cursor *c)
{
    switch (op) {
    case DW_OP_const1u:
        return push(m, cursor_u8(c));
    case DW_OP_const1s:
        return push(m, (uint64_t)(int8_t)cursor_u8(c));
    case DW_OP_const2u:
        return push(m, cursor_u16(c));
    case DW_OP_const2s:
        return push(m, (uint64_t)(int16_t)cursor_u16(c));
    case DW_OP_const4u:
        return push(m, cursor_u32(c));
    case DW_OP_const4s:
        return push(m, (uint64_t)(int32_t)cursor_u32(c));
    case DW_OP_const8u:
    case DW_OP_const8s:
        return push(m, cursor_u64(c));
    case DW_OP_constu:
        return push(m, cursor_uleb(c));
    default: /* DW_OP_consts */
        return push(m, (uint64_t)cursor_sleb(c));
    }
}

static struct err *deref(struct machine *m, size_t n)
{
    uint64_t v;
    TRY(pop(m, &v));
    TRY(ask_memory(m, v, n, &v));
    return push(m, v);
}

static struct err *plus_uconst(struct machine *m, uint64_t n)
{
    struct value v;
    TRY(pop_value(m, &v));
    return push_value(m, from_int(v.u + n, v));
}

/* ---- dispatch ---- */

static struct err *ranged_op(struct machine *m, uint8_t op, struct cursor *c, bool *done)
{
    *done = true;
    if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
        return push(m, (uint64_t)(op - DW_OP_lit0));
    if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
        return push_reg_plus(m, (uint64_t)(op - DW_OP_breg0), cursor_sleb(c));
    if (op >= DW_OP_reg0 && op <= DW_OP_reg31)
        return set_pending(
            m, (struct dwarf_piece){.kind = DWARF_AT_REG, .u = (uint64_t)(op - DW_OP_reg0)});
    if (op >= DW_OP_const1u && op <= DW_OP_consts)
        return constant(m, op, c);
    if (op >= DW_OP_dup && op <= DW_OP_rot)
        return stack_op(m, op, c);
    if (op == DW_OP_abs || op == DW_OP_neg || op == DW_OP_not)
        return unary(m, op);
    if ((op >= DW_OP_and && op <= DW_OP_xor && op != DW_OP_plus_uconst) ||
        (op >= DW_OP_eq && op <= DW_OP_ne))
        return binary(m, op);
    *done = false;
    return NULL;
}

static struct err *address_op(struct machine *m, uint8_t op, struct cursor *c)
{
    uint64_t v;
    switch (op) {
    case DW_OP_addr:
        v = m->unit->addr_size == 8 ? cursor_u64(c) : cursor_u32(c);
        return push(m, v + m->env->slide);
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return push_addrx(m, cursor_uleb(c), true);
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return push_addrx(m, cursor_uleb(c), false);
    case DW_OP_fbreg:
        return push_frame_base(m, cursor_sleb(c));
    case DW_OP_bregx:
        v = cursor_uleb(c);
        return push_reg_plus(m, v, cursor_sleb(c));
    case DW_OP_call_frame_cfa:
        return push_cfa(m);
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
        return push_tls(m);
    case DW_OP_push_object_address:
        return m->env->has_object ? push(m, m->env->object)
                                  : err_new(ERR_NOT_FOUND, "there is no object to start from");
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        return push_entry_value(m, c);
    case DW_OP_deref:
        return deref(m, m->unit->addr_size);
    default: /* DW_OP_deref_size */
        return deref(m, cursor_u8(c));
    }
}

static struct err *call_op(struct machine *m, uint8_t op, struct cursor *c)
{
    if (op == DW_OP_call2)
        return call_die(m, m->unit->id + cursor_u16(c));
    if (op == DW_OP_call4)
        return call_die(m, m->unit->id + cursor_u32(c));
    return call_die(m, m->unit->dw->base |
                           (m->unit->offset_size == 8 ? cursor_u64(c) : cursor_u32(c)));
}

static struct err *one_op(struct machine *m, uint8_t op, struct cursor *c)
{
    bool done;
    struct err *e = ranged_op(m, op, c, &done);
    if (e || done)
        return e;
    switch (op) {
    case DW_OP_nop:
    case DW_OP_GNU_uninit:
        return NULL;
    case DW_OP_plus_uconst:
        return plus_uconst(m, cursor_uleb(c));
    case DW_OP_skip:
    case DW_OP_bra:
        return jump(m, op, c);
    case DW_OP_call2:
    case DW_OP_call4:
    case DW_OP_call_ref:
        return call_op(m, op, c);
    case DW_OP_regx:
    case DW_OP_stack_value:
    case DW_OP_implicit_value:
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
    case DW_OP_piece:
    case DW_OP_bit_piece:
        return place_op(m, op, c);
    case DW_OP_const_type:
    case DW_OP_regval_type:
    case DW_OP_deref_type:
    case DW_OP_convert:
    case DW_OP_reinterpret:
    case DW_OP_GNU_const_type:
    case DW_OP_GNU_regval_type:
    case DW_OP_GNU_deref_type:
    case DW_OP_GNU_convert:
    case DW_OP_GNU_reinterpret:
        return typed_op(m, op, c);
    case DW_OP_addr:
    case DW_OP_addrx:
    case DW_OP_constx:
    case DW_OP_GNU_addr_index:
    case DW_OP_GNU_const_index:
    case DW_OP_fbreg:
    case DW_OP_bregx:
    case DW_OP_call_frame_cfa:
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
    case DW_OP_push_object_address:
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
    case DW_OP_deref:
    case DW_OP_deref_size:
        return address_op(m, op, c);
    default: /* xderef needs address spaces, parameter_ref and variable_value another frame */
        return err_new(ERR_UNSUPPORTED, "%s: operation %#x of a location expression is not known",
                       image_name(m->unit->dw->img), op);
    }
}

static struct err *run(struct machine *m, const struct dwarf_expr *expr)
{
    struct cursor c = cursor_on(expr->p, expr->n, "a location expression");
    while (cursor_left(&c)) {
        if ((*m->steps)++ > STEPS_MAX)
            return bad(m, "does not end");
        struct err *e = one_op(m, cursor_u8(&c), &c);
        if (c.bad) {
            err_free(e);
            return cut_short(m);
        }
        if (e)
            return e;
    }
    return NULL;
}

static struct err *eval(const struct dwarf_expr *expr, const struct dwarf_env *env, unsigned *steps,
                        struct dwarf_location *ret)
{
    struct machine m = {.unit = expr->unit, .env = env, .steps = steps, .loc = ret};
    ret->n = 0;
    if (expr->n == 0)
        return NULL;
    TRY(run(&m, expr));
    if (ret->n == 0)
        return add_piece(&m, 0, 0); /* one place for all of the value */
    return m.pending.kind == DWARF_AT_NOWHERE ? NULL : bad(&m, "ends with a place without a size");
}

struct err *dwarf_eval(const struct dwarf_expr *expr, const struct dwarf_env *env,
                       struct dwarf_location *ret)
{
    unsigned steps = 0;
    return eval(expr, env, &steps, ret);
}

struct err *dwarf_eval_number(const struct dwarf_expr *expr, const struct dwarf_env *env,
                              bool has_initial, uint64_t initial, uint64_t *ret)
{
    unsigned steps = 0;
    struct machine m = {.unit = expr->unit, .env = env, .steps = &steps};
    if (has_initial)
        TRY(push(&m, initial));
    TRY(run(&m, expr));
    return pop(&m, ret);
}

/* ---- the bytes of a value ---- */

/* Bytes [at, at + n) of what holds a piece. */
static struct err *piece_bytes(const struct dwarf_piece *p, const struct dwarf_env *env, size_t at,
                               uint8_t *dst, size_t n)
{
    uint8_t reg[64] = {0};
    switch (p->kind) {
    case DWARF_AT_MEMORY:
        if (!env->read)
            return err_new(ERR_NOT_FOUND, "memory is not known");
        return env->read(env->arg, p->u + at, dst, n);
    case DWARF_AT_REG:
        if (!env->reg || p->u > UINT32_MAX || at + n > sizeof(reg))
            return err_new(ERR_NOT_FOUND, "register %llu is not known", (unsigned long long)p->u);
        TRY(env->reg(env->arg, (unsigned)p->u, reg, at + n <= 8 ? 8 : at + n));
        memcpy(dst, reg + at, n);
        return NULL;
    case DWARF_AT_VALUE:
        for (size_t i = 0; i < n; i++) /* a number is as wide as it needs to be */
            dst[i] = at + i < 8 ? (uint8_t)(p->u >> 8 * (at + i)) : 0;
        return NULL;
    case DWARF_AT_BYTES:
        if (at > p->n || n > p->n - at)
            return err_new(ERR_BAD_DATA, "a constant is shorter than its type");
        memcpy(dst, p->p + at, n);
        return NULL;
    default:
        return err_new(ERR_NOT_FOUND, "the value was optimised away");
    }
}

struct gather {
    const struct dwarf_env *env;
    uint8_t *dst, *known;
    uint64_t bits; /* written so far */
    bool missing;
};

static void mark_known(struct gather *g, uint64_t byte, uint64_t n)
{
    for (uint64_t i = byte; g->known && i < byte + n; i++)
        g->known[i / 8] |= (uint8_t)(1u << i % 8);
}

static struct err *gather_bits(struct gather *g, const struct dwarf_piece *p, uint64_t bits)
{
    for (uint64_t i = 0; i < bits; i++) {
        uint64_t from = p->bit_off + i, to = g->bits + i;
        uint8_t byte = 0;
        TRY(piece_bytes(p, g->env, from / 8, &byte, 1));
        if (byte >> from % 8 & 1)
            g->dst[to / 8] |= (uint8_t)(1u << to % 8);
        else
            g->dst[to / 8] &= (uint8_t) ~(1u << to % 8);
        mark_known(g, to / 8, 1);
    }
    return NULL;
}

static struct err *gather_piece(struct gather *g, const struct dwarf_piece *p, uint64_t bits)
{
    struct err *e;
    if (p->bit_off % 8 || bits % 8 || g->bits % 8) {
        e = gather_bits(g, p, bits);
    } else {
        e = piece_bytes(p, g->env, p->bit_off / 8, g->dst + g->bits / 8, bits / 8);
        if (!e)
            mark_known(g, g->bits / 8, bits / 8);
    }
    g->bits += bits;
    if (e && err_code(e) == ERR_NOT_FOUND) {
        g->missing = true;
        err_free(e);
        return NULL;
    }
    return e;
}

struct err *dwarf_location_read(const struct dwarf_location *loc, const struct dwarf_env *env,
                                void *dst, size_t n, uint8_t *known)
{
    struct gather g = {.env = env, .dst = dst, .known = known};
    memset(dst, 0, n);
    if (known)
        memset(known, 0, (n + 7) / 8);
    for (size_t i = 0; i < loc->n; i++) {
        uint64_t left = (uint64_t)n * 8 - g.bits;
        const struct dwarf_piece *p = &loc->v[i];
        TRY(gather_piece(&g, p, p->bits ? min_u64(p->bits, left) : left));
    }
    if (g.missing || g.bits < (uint64_t)n * 8)
        return err_new(ERR_NOT_FOUND, "the value was optimised away%s", loc->n ? ", in part" : "");
    return NULL;
}

bool dwarf_location_address(const struct dwarf_location *loc, taddr *ret)
{
    if (loc->n != 1 || loc->v[0].kind != DWARF_AT_MEMORY || loc->v[0].bit_off)
        return false;
    *ret = loc->v[0].u;
    return true;
}

bool dwarf_expr_address(const struct dwarf_expr *expr, taddr *ret)
{
    if (expr->n < 2)
        return false;
    const uint8_t *p = expr->p + 1, *end = expr->p + expr->n;
    uint64_t index;
    if (expr->p[0] == DW_OP_addr && expr->n == 1u + expr->unit->addr_size) {
        *ret = load_le(p, expr->unit->addr_size);
        return true;
    }
    return (expr->p[0] == DW_OP_addrx || expr->p[0] == DW_OP_GNU_addr_index) &&
           take_uleb(&p, end, &index) && p == end && dwarf_addrx(expr->unit, index, ret);
}
