/* value_ref.c - values that refer to others: pointers, slices, channels, functions, interfaces.
 *
 * Go: internal/abi/iface.go, runtime/runtime2.go eface, iface, funcval; runtime/chan.go hchan
 * (1.18-1.27).  An interface holds a pointer to its value, unless the value is itself one pointer
 * (cmd/compile/internal/types IsDirectIface): then that. */
#include "rt/value_int.h"

typedef unsigned long long ull;

static bool is_go(const struct dwarf_type *t)
{
    return t->unit->language == DW_LANG_Go;
}

static bool is_c_char(const struct dwarf_type *t)
{
    return t && t->kind == DWARF_KIND_CHAR && t->size == 1;
}

static void print_cstring(struct printer *p, taddr addr)
{
    uint64_t n = min_u64(p->l->text, 4096 - (addr & 4095));
    struct view x = value_at(p, addr, n);
    const char *end = x.p ? memchr(x.p, 0, x.n) : NULL;
    if (!x.p) {
        value_unreadable(p);
        return;
    }
    value_quoted(p, (const char *)x.p, end ? (size_t)(end - (const char *)x.p) : x.n, 0);
    buf_str(p->b, end ? "" : "…");
}

void value_pointer(struct printer *p, const struct dwarf_type *t, struct view x)
{
    const struct dwarf_type *to = value_strip(p, t->elem);
    uint64_t addr;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!addr) {
        buf_str(p->b, is_go(t) ? "nil" : "NULL");
        return;
    }
    if (to && to->kind == DWARF_KIND_FUNC && !is_go(to)) {
        value_func(p, to, x);
        return;
    }
    buf_printf(p->b, "0x%llx", (ull)addr);
    if (!to || to->kind == DWARF_KIND_VOID || p->pointers >= p->l->pointers)
        return;
    buf_str(p->b, " → ");
    p->pointers++;
    int64_t size = dwarf_type_size(p->v->dw, to);
    if (is_c_char(to) && !is_go(t))
        print_cstring(p, addr);
    else
        value_any(p, t->elem, value_at(p, addr, size > 0 ? (size_t)size : 0));
    p->pointers--;
}

void value_slice(struct printer *p, const struct dwarf_type *t, struct view x)
{
    uint64_t ptr = 0, len, cap;
    if (!value_word(p, x, 8, &len))
        return;
    p->shown++;
    bool has_ptr = value_peek(p, x, 0, &ptr, 8);
    if (has_ptr && !ptr && !len) {
        buf_str(p->b, "nil");
        return;
    }
    buf_printf(p->b, "len: %llu, cap: ", (ull)len);
    if (value_peek(p, x, 16, &cap, 8))
        buf_printf(p->b, "%llu, ", (ull)cap);
    else
        buf_str(p->b, "?, ");
    if (!value_enter(p, '[', ']'))
        return;
    if (has_ptr)
        value_elements(p, t->elem, (struct view){.addr = ptr}, len);
    else
        buf_str(p->b, "(optimized out)");
    buf_char(p->b, ']');
    p->depth--;
}

void value_chan(struct printer *p, struct view x)
{
    const struct rt_layout *l = &p->v->rt->layout;
    uint8_t copy[256];
    uint64_t addr;
    size_t size = l->size[RT_STRUCT_hchan] > 0 ? (size_t)l->size[RT_STRUCT_hchan] : 0;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!addr) {
        buf_str(p->b, "nil");
        return;
    }
    buf_printf(p->b, "0x%llx", (ull)addr);
    struct view chan = {.addr = addr};
    if (!size || size > sizeof(copy) || !value_peek(p, chan, 0, copy, size))
        return;
    buf_printf(p->b, " len: %llu, cap: %llu%s", (ull)rt_get(l, copy, RT_hchan_qcount),
               (ull)rt_get(l, copy, RT_hchan_dataqsiz),
               rt_get(l, copy, RT_hchan_closed) ? ", closed" : "");
}

void value_code(struct printer *p, taddr pc)
{
    struct pcln_func f;
    struct image_symbol sym;
    if (rt_func_at(p->v->rt, pc, &f, NULL)) {
        buf_str(p->b, f.name);
        return;
    }
    struct err *e = image_symbol_at(p->v->rt->img, pc - p->v->rt->slide, &sym);
    if (e)
        buf_printf(p->b, "0x%llx", (ull)pc);
    else
        buf_str(p->b, sym.name);
    err_free(e);
}

/* Go's func values point to a closure, whose first word is the code; C's point to code. */
void value_func(struct printer *p, const struct dwarf_type *t, struct view x)
{
    uint64_t addr, pc;
    if (!value_word(p, x, 0, &addr))
        return;
    p->shown++;
    if (!addr)
        buf_str(p->b, is_go(t) ? "nil" : "NULL");
    else if (!is_go(t))
        value_code(p, addr);
    else if (value_word(p, (struct view){.addr = addr}, 0, &pc))
        value_code(p, pc);
}

/* ---- interfaces ---- */

/* Whether the values of a type are one pointer and nothing else. */
bool value_is_direct(struct printer *p, const struct dwarf_type *t)
{
    for (unsigned i = 0; t && i < 64; i++) {
        switch (t->kind) {
        case DWARF_KIND_POINTER:
        case DWARF_KIND_MAP:
        case DWARF_KIND_CHAN:
        case DWARF_KIND_FUNC:
            return true;
        case DWARF_KIND_STRUCT:
            if (t->nmembers != 1)
                return false;
            t = value_strip(p, t->members[0].type);
            break;
        case DWARF_KIND_ARRAY:
            if (t->count != 1)
                return false;
            t = value_strip(p, t->elem);
            break;
        default:
            return false;
        }
    }
    return false;
}

const struct dwarf_type *value_dynamic_type(struct printer *p, taddr rtype)
{
    const struct dwarf_type *t = NULL;
    return rt_dwarf_type_at(p->v->rt, rtype, &t) ? t : NULL;
}

static void print_dynamic(struct printer *p, taddr rtype, struct view data)
{
    const struct dwarf_type *t = value_dynamic_type(p, rtype);
    const char *name =
        t ? value_type_name(p->v, t->id) : rt_type_name(p->v->rt, p->v->t, &p->v->arena, rtype);
    const struct dwarf_type *rep = t ? value_strip(p, t->id) : NULL;
    uint64_t word;
    if (*name)
        buf_printf(p->b, "(%s) ", name);
    else
        buf_printf(p->b, "(type at 0x%llx) ", (ull)rtype);
    p->shown++;
    if (rep && value_is_direct(p, rep)) {
        value_any(p, t->id, data);
    } else if (value_word(p, data, 0, &word)) {
        int64_t size = rep ? dwarf_type_size(p->v->dw, rep) : -1;
        if (size < 0)
            buf_printf(p->b, "at 0x%llx", (ull)word);
        else
            value_any(p, t->id, value_at(p, word, (size_t)size));
    }
}

/* Whether the first word of an interface is its type (interface{}), not a table of methods. */
bool value_is_empty_interface(struct printer *p, const struct dwarf_type *t)
{
    const struct dwarf_type *rep = value_strip(p, t->repr);
    return rep && dwarf_member_named(rep, "_type") != NULL;
}

void value_interface(struct printer *p, const struct dwarf_type *t, struct view x)
{
    const struct rt_layout *l = &p->v->rt->layout;
    uint64_t type;
    if (!value_word(p, x, 0, &type))
        return;
    if (!type) {
        p->shown++;
        buf_str(p->b, "nil");
        return;
    }
    if (!value_is_empty_interface(p, t)) {
        struct view itab = {.addr = type};
        if (!rt_has(l, RT_itab_type) || !value_word(p, itab, (size_t)L(p->v->rt, itab_type), &type))
            return;
    }
    if (p->depth >= p->l->depth) {
        p->shown++;
        buf_str(p->b, "…");
        return;
    }
    p->depth++;
    print_dynamic(p, type, value_part(x, 8, 8));
    p->depth--;
}
