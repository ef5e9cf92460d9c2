/* expr_index.c - x[i] and x[i:j]; see expr_int.h.
 *
 * A map is searched entry by entry: the hash functions are the program's own code. */
#include <string.h>

#include "dbg/expr_int.h"

/* An array that a pointer points to is indexed like the array. */
static struct err *operand(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    TRY(ev_node(ev, n->x, ret));
    const struct dwarf_type *t = ev_type(ev, ret);
    if (t && t->kind == DWARF_KIND_POINTER && t->elem != DWARF_NO_ID) {
        const struct dwarf_type *to = value_type_stripped(ev->vs, t->elem);
        struct dbg_value v = *ret;
        if (to && to->kind == DWARF_KIND_ARRAY)
            return ev_deref(ev, n->x, &v, ret);
    }
    return NULL;
}

static struct err *out_of_range(struct ev *ev, const struct node *n, int64_t i, uint64_t len)
{
    return ev_fail(ev, n, "index %lld is out of range: there are %llu", (long long)i,
                   (unsigned long long)len);
}

/* ---- maps ---- */

struct lookup {
    struct ev *ev;
    const struct node *n;
    const struct dbg_value *key;
    const char *type;
    struct dbg_value found;
    bool is_found;
    struct err *e;
};

static bool compare_entry(void *arg, const struct value *key, const struct value *elem)
{
    struct lookup *l = arg;
    struct dbg_value k = {.form = DBG_VALUE, .v = *key, .type = l->type};
    bool equal = false;
    l->e = ev_equal(l->ev, l->n, &k, l->key, &equal);
    if (l->e || !equal)
        return !l->e;
    l->is_found = true;
    l->found = (struct dbg_value){.form = DBG_VALUE, .v = *elem};
    if (elem->bytes)
        l->found.v.bytes = memcpy(arena_alloc(l->ev->a, elem->n + 1), elem->bytes, elem->n);
    return false;
}

static struct err *index_map(struct ev *ev, struct node *n, const struct dbg_value *x,
                             const struct dwarf_type *t, struct dbg_value *ret)
{
    struct dbg_value key, typed;
    TRY(ev_node(ev, n->args[0], &key));
    TRY(ev_assign(ev, n->args[0], &key, t->key, &typed));
    struct lookup l = {.ev = ev, .n = n, .key = &typed, .type = value_type_name(ev->vs, t->key)};
    if (!value_map_each(ev->vs, &x->v, compare_entry, &l, NULL) && !l.e)
        return ev_fail(ev, n, "the map cannot be read");
    if (l.e)
        return l.e;
    if (!l.is_found)
        return expr_point(err_new(ERR_NOT_FOUND,
                                  "the map has no such key (Go would take the zero value of %s)",
                                  value_type_name(ev->vs, t->elem)),
                          ev->x->text, n->args[0]->at);
    *ret = l.found;
    ret->type = value_type_name(ev->vs, t->elem);
    return NULL;
}

/* ---- one element ---- */

static struct err *index_string(struct ev *ev, struct node *n, const struct dbg_value *x, int64_t i,
                                struct dbg_value *ret)
{
    uint64_t head[2] = {0, x->form == DBG_UNTYPED ? x->untyped->n : 0};
    uint64_t byte = value_basic_type(ev->vs, "uint8");
    if (x->form == DBG_VALUE)
        TRY(ev_get(ev, n, x, 0, head, 16));
    if (i < 0 || (uint64_t)i >= head[1])
        return out_of_range(ev, n, i, head[1]);
    if (x->form == DBG_UNTYPED)
        *ret = ev_make(ev, byte, x->untyped->text + i, 1);
    else
        *ret = (struct dbg_value){
            .form = DBG_VALUE, .v = {.type = byte, .addr = head[0] + (uint64_t)i}, .type = "uint8"};
    return NULL;
}

static struct err *index_elements(struct ev *ev, struct node *n, const struct dbg_value *x,
                                  const struct dwarf_type *t, int64_t i, struct dbg_value *ret)
{
    int64_t size = value_type_size(ev->vs, t->elem);
    uint64_t head[2] = {0};
    if (size < 0)
        return ev_fail(ev, n, "the size of an element is not known");
    if (t->kind == DWARF_KIND_SLICE)
        TRY(ev_get(ev, n, x, 0, head, 16));
    else if (t->kind == DWARF_KIND_ARRAY)
        head[1] = t->count > 0 ? (uint64_t)t->count : 0;
    else
        TRY(ev_get(ev, n, x, 0, head, 8)); /* C's pointers */
    if (t->kind != DWARF_KIND_POINTER && (i < 0 || (uint64_t)i >= head[1]))
        return out_of_range(ev, n, i, head[1]);
    *ret = (struct dbg_value){.form = DBG_VALUE, .type = value_type_name(ev->vs, t->elem)};
    if (t->kind == DWARF_KIND_ARRAY)
        ret->v = value_sub(ev->vs, &x->v, (size_t)(i * size), t->elem);
    else
        ret->v = (struct value){.type = t->elem, .addr = head[0] + (uint64_t)(i * size)};
    return NULL;
}

struct err *ev_index(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x, index;
    int64_t i;
    bool is_label;
    if (n->nargs != 1 || !n->args[0])
        return ev_fail(ev, n, "one index is expected");
    TRY(ev_label(ev, n, &is_label, ret));
    if (is_label)
        return NULL;
    TRY(operand(ev, n, &x));
    const struct dwarf_type *t = ev_type(ev, &x);
    bool text = (t && t->kind == DWARF_KIND_STRING) ||
                (x.form == DBG_UNTYPED && x.untyped->kind == CONST_STRING);
    if (t && t->kind == DWARF_KIND_MAP)
        return index_map(ev, n, &x, t, ret);
    bool c_pointer = t && t->kind == DWARF_KIND_POINTER && t->elem != DWARF_NO_ID &&
                     t->unit->language != DW_LANG_Go;
    if (!text && !c_pointer && !(t && (t->kind == DWARF_KIND_SLICE || t->kind == DWARF_KIND_ARRAY)))
        return ev_fail(ev, n, "%s has no elements", ev_type_name(ev, &x));
    TRY(ev_node(ev, n->args[0], &index));
    TRY(ev_integer(ev, n->args[0], &index, &i));
    return text ? index_string(ev, n, &x, i, ret) : index_elements(ev, n, &x, t, i, ret);
}

/* ---- slices ---- */

static struct err *bound(struct ev *ev, struct node *n, unsigned which, int64_t missing,
                         int64_t *ret)
{
    struct dbg_value v;
    *ret = missing;
    if (!n->args[which])
        return NULL;
    TRY(ev_node(ev, n->args[which], &v));
    return ev_integer(ev, n->args[which], &v, ret);
}

static struct err *slice_text(struct ev *ev, struct node *n, const struct dbg_value *x,
                              struct dbg_value *ret)
{
    uint64_t head[2] = {0, x->form == DBG_UNTYPED ? x->untyped->n : 0};
    int64_t lo, hi;
    if (x->form == DBG_VALUE)
        TRY(ev_get(ev, n, x, 0, head, 16));
    TRY(bound(ev, n, 0, 0, &lo));
    TRY(bound(ev, n, 1, (int64_t)head[1], &hi));
    if (n->args[2])
        return ev_fail(ev, n, "a string has no capacity");
    if (lo < 0 || hi < lo || (uint64_t)hi > head[1])
        return out_of_range(ev, n, lo < 0 || lo > hi ? lo : hi, head[1]);
    if (x->form == DBG_UNTYPED) {
        *ret =
            ev_const(dbg_const_string(ev->a, x->untyped->text + lo, (size_t)(hi - lo)), x->v.type);
        return NULL;
    }
    head[0] += (uint64_t)lo;
    head[1] = (uint64_t)(hi - lo);
    *ret = ev_make(ev, x->v.type, head, 16);
    return NULL;
}

struct err *ev_slice(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    uint64_t head[3] = {0}, type;
    int64_t lo, hi, cap;
    TRY(operand(ev, n, &x));
    const struct dwarf_type *t = ev_type(ev, &x);
    if ((t && t->kind == DWARF_KIND_STRING) ||
        (x.form == DBG_UNTYPED && x.untyped->kind == CONST_STRING))
        return slice_text(ev, n, &x, ret);
    if (!t || (t->kind != DWARF_KIND_SLICE && t->kind != DWARF_KIND_ARRAY))
        return ev_fail(ev, n, "%s cannot be sliced", ev_type_name(ev, &x));
    int64_t size = value_type_size(ev->vs, t->elem);
    type = x.v.type;
    if (t->kind == DWARF_KIND_SLICE) {
        TRY(ev_get(ev, n, &x, 0, head, 24));
    } else {
        if (!x.v.addr)
            return ev_fail(ev, n, "the array is not in memory");
        head[0] = x.v.addr;
        head[1] = head[2] = t->count > 0 ? (uint64_t)t->count : 0;
        type = value_slice_of(ev->vs, t->elem);
    }
    TRY(bound(ev, n, 0, 0, &lo));
    TRY(bound(ev, n, 1, (int64_t)head[1], &hi));
    TRY(bound(ev, n, 2, (int64_t)head[2], &cap));
    if (size < 0 || lo < 0 || hi < lo || cap < hi || (uint64_t)cap > head[2])
        return out_of_range(ev, n, lo < 0 || lo > hi ? lo : hi, head[2]);
    head[0] += (uint64_t)(lo * size);
    head[1] = (uint64_t)(hi - lo);
    head[2] = (uint64_t)(cap - lo);
    *ret = ev_make(ev, type, head, 24);
    return NULL;
}
