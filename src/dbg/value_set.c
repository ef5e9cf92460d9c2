/* value_set.c - setting variables, fields, elements, registers; see value.h.
 *
 * Bytes are put together here and written by the caller's functions: in one piece into memory, or
 * piece by piece where parts of a value are in registers.  By itself this makes nothing in the
 * program: an interface gets the type and data words of a value that is in memory there already.
 * What else there is must be made by a call (call_make.c). */
#include <string.h>

#include "dbg/expr_int.h"

bool dbg_value_assignable(struct rt_stand *st, const struct dbg_value *v)
{
    const struct dwarf_type *t = dbg_type(st, v);
    if (v->form != DBG_VALUE || v->why || !t)
        return false;
    if (v->bits.size)
        return v->bits.at != 0;
    for (size_t i = 0; !v->v.addr && i < v->npieces; i++)
        if (v->pieces[i].reg < 0 && !v->pieces[i].addr)
            return false;
    return v->v.addr || v->npieces;
}

static struct err *usage(const char *fmt, ...) PRINTF_LIKE(1, 2);
static struct err *usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct err *e = err_newv(ERR_USAGE, fmt, ap);
    va_end(ap);
    return e;
}

/* Whoever asks may have it made. */
static struct err *to_be_made(bool *wants_making, struct err *e)
{
    if (wants_making)
        *wants_making = true;
    return e;
}

/* The words of an interface that holds src. */
static struct err *box(struct values *vs, uint64_t iface, const struct dbg_value *src,
                       bool *wants_making, uint8_t words[16])
{
    taddr type = value_type_address(vs, src->v.type), data = src->v.addr;
    if (!value_type_is_empty_interface(vs, iface))
        return to_be_made(
            wants_making,
            usage("a %s cannot be put into this interface: its table of methods would have to be "
                  "made",
                  src->type));
    if (!type)
        return usage("the program does not describe the type %s to its runtime", src->type);
    if (value_type_is_direct(vs, src->v.type)) {
        if (!value_get(vs, &src->v, 0, &data, 8))
            return usage("the value cannot be read");
    } else if (!data) {
        return to_be_made(
            wants_making,
            usage("the value is not in the program's memory: it would have to be allocated"));
    }
    memcpy(words, &type, 8);
    memcpy(words + 8, &data, 8);
    return NULL;
}

struct err *dbg_value_assigned(struct rt_stand *st, const struct dbg_value *v, uint64_t type,
                               struct arena *a, struct dbg_value *ret)
{
    struct value_expr x;
    return ev_assign(value_expr(&x, st, v, a), &x.value, v, type, ret);
}

static struct err *same_bytes(struct values *vs, const struct dbg_value *src, uint8_t *dst,
                              size_t n)
{
    return value_get(vs, &src->v, 0, dst, n) ? NULL
                                             : err_new(ERR_FAULT, "the value cannot be read");
}

/* The bytes that dst will hold. */
static struct err *bytes_of(struct rt_stand *st, struct values *vs, const struct dbg_value *dst,
                            const struct dbg_value *src, bool *wants_making, struct arena *a,
                            uint8_t *ret, size_t n)
{
    struct dbg_value v;
    const struct dwarf_type *to = dbg_type(st, dst);
    if (to->kind == DWARF_KIND_FUNC && src->form == DBG_FUNC && !src->receiver)
        return to_be_made(wants_making,
                          usage("a function is no value yet: it would have to be made"));
    TRY(dbg_value_assigned(st, src, dst->v.type, a, &v));
    if (v.form == DBG_UNTYPED && v.untyped->n)
        return to_be_made(
            wants_making,
            usage("the text is not in the program's memory: it would have to be allocated"));
    if (v.form == DBG_UNTYPED) { /* the empty string */
        memset(ret, 0, n);
        return NULL;
    }
    const struct dwarf_type *from = value_type_stripped(vs, v.v.type);
    if (to->kind == DWARF_KIND_INTERFACE && from && from->kind != DWARF_KIND_INTERFACE)
        return n == 16 ? box(vs, dst->v.type, &v, wants_making, ret)
                       : usage("an interface of %zu bytes", n);
    if (to->kind == DWARF_KIND_INTERFACE && !value_type_same(vs, v.v.type, dst->v.type) &&
        value_type_is_empty_interface(vs, v.v.type) !=
            value_type_is_empty_interface(vs, dst->v.type))
        return to_be_made(wants_making,
                          usage("%s cannot become %s without running code", v.type, dst->type));
    return same_bytes(vs, &v, ret, n);
}

static struct err *write_piece(const struct rt_piece *p, const uint8_t *bytes,
                               const struct dbg_writer *w)
{
    if (p->reg < 0)
        return p->addr ? w->memory(w->arg, p->addr, bytes + p->off, p->n)
                       : usage("a part of the value is nowhere: the compiler did not keep it");
    if (!w->reg)
        return usage("it is in a register, and those cannot be set here");
    return w->reg(w->arg, (unsigned)p->reg, bytes + p->off, p->n);
}

/* The other bits of its bytes stay what they are. */
static struct err *set_bits(struct values *vs, const struct dbg_value *dst, const uint8_t *bytes,
                            size_t n, const struct dbg_writer *w)
{
    const struct dwarf_type *t = value_type_stripped(vs, dst->v.type);
    const struct dbg_bits *f = &dst->bits;
    struct value there = {.addr = f->at};
    uint8_t old[BIT_FIELD_BYTES + 1];
    size_t k = value_bits_bytes(f->off, f->size);
    uint64_t word = 0;
    memcpy(&word, bytes, min_u64(n, sizeof(word)));
    unsigned up = 64u - 8u * (unsigned)n, spare = 64u - f->size;
    bool is_signed = t && t->is_signed;
    int64_t wide = (int64_t)(word << up) >> up;
    bool fits = is_signed ? (int64_t)((uint64_t)wide << spare) >> spare == wide
                          : word << spare >> spare == word;
    if (!fits)
        return usage("the value does not fit into a bit field of %u bit%s", f->size,
                     f->size == 1 ? "" : "s");
    if (k > sizeof(old) || !value_get(vs, &there, 0, old, k))
        return err_new(ERR_FAULT, "the bit field cannot be read");
    value_bits_set(old, f->off, f->size, word);
    return w->memory(w->arg, f->at, old, k);
}

struct err *dbg_value_set(struct rt_stand *st, const struct dbg_value *dst,
                          const struct dbg_value *src, const struct dbg_writer *w)
{
    enum { SET_MAX = 1 << 20 };
    struct values *vs = rt_stand_values(st, NULL);
    int64_t size = vs ? value_type_size(vs, dst->v.type) : -1;
    struct arena a;
    if (!dbg_value_assignable(st, dst))
        return usage("this cannot be set: %s", dst->why ? dst->why : "it is no variable");
    if (size < 0 || size > SET_MAX)
        return usage("a value of %lld bytes cannot be set", (long long)size);
    arena_init(&a);
    uint8_t *bytes = arena_alloc(&a, (size_t)size + 1);
    struct err *e = w->make ? w->make(w->arg, dst->v.type, src, bytes, (size_t)size)
                            : bytes_of(st, vs, dst, src, w->wants_making, &a, bytes, (size_t)size);
    if (!e && dst->bits.size)
        e = size <= BIT_FIELD_BYTES ? set_bits(vs, dst, bytes, (size_t)size, w)
                                    : usage("a bit field of %lld bytes", (long long)size);
    else if (!e && dst->v.addr)
        e = w->memory(w->arg, dst->v.addr, bytes, (size_t)size);
    for (size_t i = 0; !e && !dst->v.addr && !dst->bits.size && i < dst->npieces; i++)
        if (dst->pieces[i].off + dst->pieces[i].n <= (uint64_t)size)
            e = write_piece(&dst->pieces[i], bytes, w);
    arena_free(&a);
    if (!e)
        values_forget(vs);
    return e;
}
