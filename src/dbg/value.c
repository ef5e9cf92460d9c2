/* value.c - what a debugger needs to know of a value; see value.h.  Children are in
 * value_children.c, setting is in value_set.c. */
#include "dbg/value_int.h"

void dbg_value_of_var(const struct rt_var *v, struct dbg_value *ret)
{
    *ret = (struct dbg_value){.form = DBG_VALUE,
                              .name = v->name,
                              .type = v->type,
                              .path = v->shadowed ? "" : v->name,
                              .v = v->value,
                              .why = v->why,
                              .optimized_out = v->optimized_out,
                              .var_kind = v->kind,
                              .is_var = true,
                              .shadowed = v->shadowed,
                              .pieces = v->pieces,
                              .npieces = v->npieces};
}

const struct dwarf_type *dbg_type(struct rt_stand *st, const struct dbg_value *v)
{
    struct values *vs = rt_stand_values(st, NULL);
    return vs ? value_type_stripped(vs, v->v.type) : NULL;
}

void dbg_bit_field(struct values *vs, const struct value *of, const struct dwarf_member *m,
                   struct arena *a, struct dbg_value *ret)
{
    uint8_t *bytes = arena_alloc(a, BIT_FIELD_BYTES);
    size_t n;
    ret->v = (struct value){.type = m->type};
    ret->bits = (struct dbg_bits){
        .at = of->addr ? of->addr + m->off : 0, .off = m->bit_off, .size = m->bit_size};
    if (value_bit_field(vs, of, m, bytes, &n)) {
        ret->v.bytes = bytes;
        ret->v.n = n;
    } else {
        ret->why = "a bit field that cannot be read";
    }
}

enum dbg_kind dbg_value_kind(struct rt_stand *st, const struct dbg_value *v)
{
    static const uint8_t kinds[] = {[DWARF_KIND_BOOL] = DBG_KIND_BOOL,
                                    [DWARF_KIND_INT] = DBG_KIND_INT,
                                    [DWARF_KIND_UINT] = DBG_KIND_INT,
                                    [DWARF_KIND_CHAR] = DBG_KIND_INT,
                                    [DWARF_KIND_FLOAT] = DBG_KIND_FLOAT,
                                    [DWARF_KIND_COMPLEX] = DBG_KIND_COMPLEX,
                                    [DWARF_KIND_POINTER] = DBG_KIND_POINTER,
                                    [DWARF_KIND_STRUCT] = DBG_KIND_STRUCT,
                                    [DWARF_KIND_UNION] = DBG_KIND_UNION,
                                    [DWARF_KIND_ARRAY] = DBG_KIND_ARRAY,
                                    [DWARF_KIND_FUNC] = DBG_KIND_FUNC,
                                    [DWARF_KIND_ENUM] = DBG_KIND_ENUM,
                                    [DWARF_KIND_STRING] = DBG_KIND_STRING,
                                    [DWARF_KIND_SLICE] = DBG_KIND_SLICE,
                                    [DWARF_KIND_MAP] = DBG_KIND_MAP,
                                    [DWARF_KIND_CHAN] = DBG_KIND_CHAN,
                                    [DWARF_KIND_INTERFACE] = DBG_KIND_INTERFACE};
    if (v->form == DBG_TYPE)
        return DBG_KIND_TYPE;
    if (v->form == DBG_FUNC)
        return DBG_KIND_FUNC;
    if (v->form == DBG_UNTYPED)
        return dbg_const_kind(v->untyped);
    const struct dwarf_type *t = v->form == DBG_VALUE ? dbg_type(st, v) : NULL;
    return t && t->kind < ARRAY_LEN(kinds) ? (enum dbg_kind)kinds[t->kind] : DBG_KIND_NONE;
}

void dbg_value_text(struct rt_stand *st, const struct dbg_value *v,
                    const struct value_limits *limits, struct buf *b)
{
    struct values *vs = rt_stand_values(st, NULL);
    struct value_limits l = *limits;
    l.plain |= v->plain;
    if (v->why) {
        buf_printf(b, "(%s)", v->optimized_out ? "optimized out" : v->why);
        return;
    }
    switch (v->form) {
    case DBG_NIL:
        buf_str(b, "nil");
        break;
    case DBG_TYPE:
    case DBG_PACKAGE:
        buf_str(b, v->type);
        break;
    case DBG_FUNC:
        buf_str(b, vs ? value_code_name(vs, v->func_pc) : "");
        break;
    case DBG_UNTYPED:
        dbg_const_text(v->untyped, b);
        break;
    case DBG_VALUE:
        if (vs)
            value_print(vs, &v->v, &l, b);
    }
}
