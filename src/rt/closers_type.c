/* closers_type.c - whether a piece of code can close channels of a type, by DWARF.
 *
 * Go: abi-internal.md: arguments take registers one after the other: integers, pointers and
 * channels one, strings and interfaces two, slices three, structs those of their fields.  So the
 * number of a register tells the parameter (receiver first), its type what lies at an offset.  What
 * a closure captured DWARF tells since 1.23 (DW_AT_go_closure_offset). */
#include "rt/closers_int.h"

#include <string.h>

#include "base/buf.h"
#include "image/dwarf_type.h"

enum { DEPTH_MAX = 16 };

static const struct dwarf_type *stripped(struct dwarf *dw, uint64_t id)
{
    const struct dwarf_type *t = NULL;
    struct err *e = id == DWARF_NO_ID ? NULL : dwarf_type_strip(dw, id, &t);
    if (e)
        t = NULL;
    err_free(e);
    return t;
}

/* Registers for integers that a parameter takes; below 0: not told. */
static int registers_of(struct dwarf *dw, uint64_t id, unsigned depth)
{
    const struct dwarf_type *t = depth < DEPTH_MAX ? stripped(dw, id) : NULL;
    int n = 0;
    if (!t)
        return -1;
    switch (t->kind) {
    case DWARF_KIND_FLOAT:
    case DWARF_KIND_COMPLEX:
        return 0;
    case DWARF_KIND_STRING:
    case DWARF_KIND_INTERFACE:
        return 2;
    case DWARF_KIND_SLICE:
        return 3;
    case DWARF_KIND_STRUCT:
        for (size_t i = 0; i < t->nmembers; i++) {
            int k = registers_of(dw, t->members[i].type, depth + 1);
            if (k < 0 || (n += k) > CODE_ARGS)
                return -1;
        }
        return n;
    case DWARF_KIND_ARRAY:
        return -1;
    default:
        return t->size > 8 ? -1 : 1;
    }
}

/* The type of what lies at an offset of a value: a pointer or a channel; DWARF_NO_ID: neither. */
static uint64_t member_at(struct dwarf *dw, uint64_t id, uint64_t off)
{
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        const struct dwarf_type *t = stripped(dw, id);
        if (!t)
            return DWARF_NO_ID;
        if (t->kind != DWARF_KIND_STRUCT && t->kind != DWARF_KIND_ARRAY)
            return off ? DWARF_NO_ID : id;
        if (t->kind == DWARF_KIND_ARRAY) {
            int64_t size = t->count > 0 ? t->size / t->count : 0;
            if (size <= 0)
                return DWARF_NO_ID;
            off %= (uint64_t)size;
            id = t->elem;
            continue;
        }
        const struct dwarf_member *best = NULL;
        for (size_t i = 0; i < t->nmembers; i++)
            if (t->members[i].off <= off)
                best = &t->members[i];
        if (!best)
            return DWARF_NO_ID;
        off -= best->off;
        id = best->type;
    }
    return DWARF_NO_ID;
}

/* The type of what a way of pointers leads to, from a value of this type. */
static uint64_t type_behind(struct dwarf *dw, uint64_t id, const int32_t *off, unsigned n)
{
    for (unsigned i = 0; i < n && id != DWARF_NO_ID; i++) {
        const struct dwarf_type *t = stripped(dw, id);
        if (!t || t->kind != DWARF_KIND_POINTER || off[i] < 0)
            return DWARF_NO_ID;
        id = member_at(dw, t->elem, (uint64_t)off[i]);
    }
    return id;
}

/* Names without the paths of packages, which the runtime's names do not have: *http.Request. */
static void put_short(struct buf *b, const char *name)
{
    size_t token = 0;
    for (; *name; name++) {
        if (*name == '/') {
            buf_cut(b, token);
            continue;
        }
        buf_char(b, *name);
        if (strchr("*[](){},; ", *name))
            token = b->n;
    }
}

static bool same_type(const char *a, const char *b)
{
    struct buf x = {0}, y = {0};
    put_short(&x, a);
    put_short(&y, b);
    bool same = strcmp(buf_text(&x), buf_text(&y)) == 0;
    buf_free(&x);
    buf_free(&y);
    return same;
}

static enum closing_fits compare(struct dwarf *dw, uint64_t id, const char *elem)
{
    const struct dwarf_type *t = stripped(dw, id), *of = NULL;
    if (!t || t->kind != DWARF_KIND_CHAN || t->elem == DWARF_NO_ID)
        return CLOSING_UNKNOWN;
    struct err *e = dwarf_type(dw, t->elem, &of);
    const char *name = e ? "" : of->name;
    err_free(e);
    if (!*name || strstr(name, "go.shape."))
        return CLOSING_UNKNOWN;
    return same_type(name, elem) ? CLOSING_FITS : CLOSING_OTHER;
}

/* The parameter that begins with register `want`. */
static uint64_t type_of_argument(struct dwarf *dw, const struct dwarf_scope *s, unsigned want)
{
    unsigned at = 0;
    for (size_t i = 0; i < s->nvars; i++) {
        const struct dwarf_var *v = &s->vars[i];
        if (!v->param || v->result || s->calls[v->call].inlined)
            continue;
        int n = registers_of(dw, v->type, 0);
        if (at == want)
            return n == 1 ? v->type : DWARF_NO_ID;
        if (n < 0)
            break;
        at += (unsigned)n;
    }
    return DWARF_NO_ID;
}

static enum closing_fits fits(struct dwarf *dw, const struct dwarf_scope *s,
                              const struct code_value *v, const char *elem)
{
    uint64_t type = DWARF_NO_ID;
    unsigned from = 0;
    if (v->at < CODE_CONTEXT) {
        type = type_of_argument(dw, s, (unsigned)v->at);
    } else if (v->depth) {
        from = 1;
        for (size_t i = 0; i < s->nvars; i++)
            if (s->vars[i].closure_offset > 0 && s->vars[i].closure_offset == v->off[0])
                type = s->vars[i].type;
    }
    type = type_behind(dw, type, v->off + from, v->depth - from);
    return type == DWARF_NO_ID ? CLOSING_UNKNOWN : compare(dw, type, elem);
}

enum closing_fits closing_fits(struct rt *rt, taddr entry, const struct code_value *v,
                               const char *elem)
{
    struct dwarf_scope s = {0};
    struct arena a;
    enum closing_fits ret = CLOSING_UNKNOWN;
    if (v->kind != CODE_ENTRY || !*elem)
        return CLOSING_UNKNOWN;
    taddr slide;
    arena_init(&a);
    struct err *e = rt_scope_at(rt, entry, &a, &s, &slide);
    if (!e && s.ncalls)
        ret = fits(s.calls[0].func.unit->dw, &s, v, elem);
    err_free(e);
    arena_free(&a);
    return ret;
}
