/* value_children.c - the parts of a value: fields, elements, entries, what it refers to; see
 * value.h.
 *
 * Named children come first: fields, the target of a pointer, what an interface holds, the capacity
 * a slice does not show.  Entries of maps have no order: they are numbered as they lie. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "dbg/printers.h"
#include "dbg/value_int.h"

struct children {
    struct rt_stand *st;
    struct values *vs;
    const struct dbg_value *of;
    const struct dwarf_type *t;
    uint64_t start, count;
    bool pairs;
    struct arena *a;
    VEC(struct dbg_value) v;
};

/* ---- how many ---- */

static uint64_t word(struct children *c, size_t off)
{
    uint64_t v = 0;
    return value_get(c->vs, &c->of->v, off, &v, 8) ? v : 0;
}

static bool is_named(const char *name)
{
    return *name && strcmp(name, "_") != 0;
}

static uint64_t named_fields(const struct dwarf_type *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->nmembers; i++)
        n += is_named(t->members[i].name) || !*t->members[i].name;
    return n;
}

static uint64_t count_captured(struct children *c);

static struct dbg_count count_of(struct children *c)
{
    struct dbg_count n = {0};
    const struct dwarf_type *to;
    struct value held;
    struct value_chan chan;
    const char *name;
    uint64_t len = 0;
    switch (c->t->kind) {
    case DWARF_KIND_STRUCT:
    case DWARF_KIND_UNION:
        n.named = named_fields(c->t);
        break;
    case DWARF_KIND_ARRAY:
        n.indexed = c->t->count > 0 ? (uint64_t)c->t->count : 0;
        break;
    case DWARF_KIND_SLICE:
        n.indexed = word(c, 8);
        break;
    case DWARF_KIND_MAP:
        value_map_each(c->vs, &c->of->v, NULL, NULL, &len);
        n.indexed = c->pairs ? 2 * len : len;
        break;
    case DWARF_KIND_POINTER:
        to = value_type_stripped(c->vs, c->t->elem);
        n.named = to && to->kind != DWARF_KIND_VOID && word(c, 0) != 0;
        break;
    case DWARF_KIND_INTERFACE:
        n.named = value_dynamic(c->vs, &c->of->v, &held, &name) && held.type != DWARF_NO_ID;
        break;
    case DWARF_KIND_FUNC:
        n.named = count_captured(c);
        break;
    case DWARF_KIND_CHAN:
        n.indexed = value_chan_of(c->vs, &c->of->v, &chan) ? chan.len : 0;
        break;
    default:
        break;
    }
    return n;
}

/* ---- one child ---- */

/* The path of a child; "" when the parent has none. */
static const char *path_of(struct children *c, const char *fmt, const char *detail)
{
    const char *of = c->of->path;
    bool star = *of == '*' || *of == '&';
    if (!of || !*of)
        return "";
    return arena_printf(c->a, fmt, star ? "(" : "", of, star ? ")" : "", detail);
}

static void push(struct children *c, const char *name, const char *path, struct value v)
{
    struct dbg_value child = {.form = DBG_VALUE, .name = name, .path = path, .v = v};
    child.type = value_type_name(c->vs, v.type);
    vec_push(&c->v, child);
}

/* What the parent knows of registers holds for its parts, too. */
static void push_part(struct children *c, const char *name, const char *path, size_t off,
                      uint64_t type)
{
    int64_t size = value_type_size(c->vs, type);
    push(c, name, path, value_sub(c->vs, &c->of->v, off, type));
    if (!c->of->npieces || size < 0)
        return;
    struct dbg_value *child = vec_last(&c->v);
    struct rt_piece *pieces = arena_array(c->a, struct rt_piece, c->of->npieces);
    for (size_t i = 0; i < c->of->npieces; i++) {
        const struct rt_piece *p = &c->of->pieces[i];
        if (p->off >= off && p->off + p->n <= off + (uint64_t)size) {
            pieces[child->npieces] = *p;
            pieces[child->npieces++].off -= (uint32_t)off;
        }
    }
    child->pieces = pieces;
}

static bool wanted(struct children *c, uint64_t i)
{
    return i >= c->start && i - c->start < c->count;
}

static void take_fields(struct children *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->t->nmembers; i++) {
        const struct dwarf_member *m = &c->t->members[i];
        if (strcmp(m->name, "_") == 0 || !wanted(c, n++))
            continue;
        const char *path = is_named(m->name) ? path_of(c, "%s%s%s.%s", m->name) : "";
        if (m->computed) {
            push(c, m->name, path, (struct value){.type = m->type});
            vec_last(&c->v)->why = "where it is depends on the object";
        } else if (m->bit_size) {
            push(c, m->name, path, (struct value){.type = m->type});
            dbg_bit_field(c->vs, &c->of->v, m, c->a, vec_last(&c->v));
        } else {
            push_part(c, m->name, path, m->off, m->type);
        }
    }
}

static const char *index_name(struct children *c, uint64_t i)
{
    return arena_printf(c->a, "[%" PRIu64 "]", i);
}

static void take_array(struct children *c)
{
    int64_t size = value_type_size(c->vs, c->t->elem);
    uint64_t n = c->t->count > 0 ? (uint64_t)c->t->count : 0;
    for (uint64_t i = c->start; size >= 0 && i < n && i - c->start < c->count; i++) {
        const char *name = index_name(c, i);
        push_part(c, name, path_of(c, "%s%s%s%s", name), i * (uint64_t)size, c->t->elem);
    }
}

static void take_slice(struct children *c)
{
    int64_t size = value_type_size(c->vs, c->t->elem);
    uint64_t n = word(c, 8), at = word(c, 0);
    for (uint64_t i = c->start; size >= 0 && i < n && i - c->start < c->count; i++) {
        const char *name = index_name(c, i);
        push(c, name, path_of(c, "%s%s%s%s", name),
             (struct value){.type = c->t->elem, .addr = at + i * (uint64_t)size});
    }
}

static void take_chan(struct children *c)
{
    struct value_chan chan;
    int64_t size = value_type_size(c->vs, c->t->elem);
    if (size < 0 || !value_chan_of(c->vs, &c->of->v, &chan) || !chan.cap)
        return;
    for (uint64_t i = c->start; i < chan.len && i - c->start < c->count; i++)
        push(c, index_name(c, i), "",
             (struct value){.type = c->t->elem,
                            .addr = chan.buf + (chan.first + i) % chan.cap * (uint64_t)size});
}

struct map_take {
    struct children *c;
    uint64_t i;
};

/* A value that the map's walk lends, to keep. */
static struct value kept(struct children *c, const struct value *v)
{
    struct value copy = *v;
    if (v->bytes)
        copy.bytes = memcpy(arena_alloc(c->a, v->n + 1), v->bytes, v->n);
    return copy;
}

static const char *key_name(struct children *c, const struct value *key)
{
    struct buf b = {0};
    struct value_limits l = value_limits_typed;
    l.depth = 2;
    l.width = 100;
    value_print_inner(c->vs, key, &l, &b);
    const char *name = arena_printf(c->a, "[%s]", buf_text(&b));
    buf_free(&b);
    return name;
}

/* Keys whose text is an expression lead to their values. */
static bool is_plain_key(struct children *c, const struct value *key)
{
    const struct dwarf_type *t = value_type_stripped(c->vs, key->type);
    uint64_t len = 0;
    if (t && t->kind == DWARF_KIND_STRING)
        return value_get(c->vs, key, 8, &len, 8) && len <= value_limits_typed.text;
    return t &&
           (t->kind == DWARF_KIND_INT || t->kind == DWARF_KIND_UINT ||
            t->kind == DWARF_KIND_BOOL) &&
           !strchr(value_type_name(c->vs, key->type), '.');
}

static bool take_entry(void *arg, const struct value *key, const struct value *elem)
{
    struct map_take *m = arg;
    struct children *c = m->c;
    uint64_t i = m->i++, first = c->pairs ? 2 * i : i;
    if (first >= c->start + c->count)
        return false;
    if (first + c->pairs < c->start)
        return true;
    const char *name = key_name(c, key);
    const char *path = is_plain_key(c, key) ? path_of(c, "%s%s%s%s", name) : "";
    if (c->pairs && wanted(c, first))
        push(c, arena_printf(c->a, "[key %" PRIu64 "]", i), "", kept(c, key));
    if (wanted(c, first + c->pairs))
        push(c, c->pairs ? arena_printf(c->a, "[val %" PRIu64 "]", i) : name, path, kept(c, elem));
    return true;
}

static void take_map(struct children *c)
{
    struct map_take m = {.c = c};
    value_map_each(c->vs, &c->of->v, take_entry, &m, NULL);
}

static void take_pointer(struct children *c)
{
    uint64_t addr = word(c, 0);
    const char *of = c->of->path;
    if (addr && wanted(c, 0))
        push(c, "", *of ? arena_printf(c->a, "*%s", of) : "",
             (struct value){.type = c->t->elem, .addr = addr});
}

static void take_interface(struct children *c)
{
    struct value held;
    const char *name;
    if (!wanted(c, 0) || !value_dynamic(c->vs, &c->of->v, &held, &name) || held.type == DWARF_NO_ID)
        return;
    const char *q = strchr(name, '/') ? "\"" : "";
    const char *as = arena_printf(c->a, "(%s%s%s)", q, name, q);
    push(c, "data", path_of(c, "%s%s%s.%s", as), held);
}

/* What a closure captured. */
static void take_func(struct children *c)
{
    taddr pc, closure;
    struct rt_var *vars;
    size_t n;
    if (!value_func_of(c->vs, &c->of->v, &pc, &closure))
        return;
    struct err *e = rt_closure_vars(c->st, pc, closure, c->a, &vars, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (wanted(c, i))
            push(c, vars[i].name, "", vars[i].value);
    err_free(e);
}

static uint64_t count_captured(struct children *c)
{
    taddr pc, closure;
    struct rt_var *vars;
    size_t n = 0;
    struct arena a;
    arena_init(&a);
    if (value_func_of(c->vs, &c->of->v, &pc, &closure))
        err_free(rt_closure_vars(c->st, pc, closure, &a, &vars, &n));
    arena_free(&a);
    return n;
}

/* ---- all ---- */

static bool open_children(struct rt_stand *st, const struct dbg_value *v, struct children *c)
{
    *c = (struct children){.st = st, .of = v, .vs = rt_stand_values(st, NULL)};
    if (v->form != DBG_VALUE || v->why || !c->vs)
        return false;
    c->t = dbg_type(st, v);
    return c->t != NULL;
}

/* What the user's printer names, and behind it the value as it is. */
static bool printed(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                    struct dbg_value **ret, size_t *ret_n)
{
    struct dbg_value *named;
    size_t n;
    if (!dbg_printed_children(st, v, a, &named, &n))
        return false;
    *ret = arena_array(a, struct dbg_value, n + 1);
    memcpy(*ret, named, n * sizeof(*named));
    (*ret)[n] = *v;
    (*ret)[n].name = "[raw]";
    (*ret)[n].path = "";
    (*ret)[n].plain = true;
    (*ret)[n].is_var = false;
    *ret_n = n + 1;
    return true;
}

void dbg_value_count(struct rt_stand *st, const struct dbg_value *v, struct dbg_count *ret)
{
    struct children c;
    struct arena a;
    struct dbg_value *named;
    size_t n;
    *ret = (struct dbg_count){0};
    arena_init(&a);
    bool is = printed(st, v, &a, &named, &n);
    arena_free(&a);
    if (is)
        ret->named = n;
    else if (open_children(st, v, &c))
        *ret = count_of(&c);
}

struct err *dbg_value_children(struct rt_stand *st, const struct dbg_value *v, uint64_t start,
                               uint64_t count, bool pairs, struct arena *a, struct dbg_value **ret,
                               size_t *ret_n)
{
    static void (*const take[])(struct children *) = {
        [DWARF_KIND_STRUCT] = take_fields, [DWARF_KIND_UNION] = take_fields,
        [DWARF_KIND_ARRAY] = take_array,   [DWARF_KIND_SLICE] = take_slice,
        [DWARF_KIND_MAP] = take_map,       [DWARF_KIND_POINTER] = take_pointer,
        [DWARF_KIND_CHAN] = take_chan,     [DWARF_KIND_INTERFACE] = take_interface,
        [DWARF_KIND_FUNC] = take_func,
    };
    struct children c;
    *ret_n = 0;
    *ret = NULL;
    if (printed(st, v, a, ret, ret_n)) {
        uint64_t from = min_u64(start, *ret_n);
        *ret += from;
        *ret_n = min_u64(count, *ret_n - from);
        return NULL;
    }
    if (!open_children(st, v, &c))
        return NULL;
    c.start = start;
    c.count = min_u64(count, 1 << 20);
    c.pairs = pairs;
    c.a = a;
    if (c.t->kind < ARRAY_LEN(take) && take[c.t->kind])
        take[c.t->kind](&c);
    *ret = arena_array(a, struct dbg_value, c.v.n + 1);
    if (c.v.n)
        memcpy(*ret, c.v.v, c.v.n * sizeof(**ret));
    *ret_n = c.v.n;
    vec_free(&c.v);
    return NULL;
}

taddr dbg_value_memory(struct rt_stand *st, const struct dbg_value *v, uint64_t *ret_n)
{
    struct children c;
    *ret_n = 0;
    if (!open_children(st, v, &c))
        return 0;
    int64_t size = value_type_size(c.vs, v->v.type), elem;
    switch (c.t->kind) {
    case DWARF_KIND_STRING:
        *ret_n = word(&c, 8);
        return word(&c, 0);
    case DWARF_KIND_SLICE:
        elem = value_type_size(c.vs, c.t->elem);
        *ret_n = word(&c, 8) * (elem > 0 ? (uint64_t)elem : 0);
        return word(&c, 0);
    case DWARF_KIND_POINTER:
        elem = value_type_size(c.vs, c.t->elem);
        *ret_n = elem > 0 ? (uint64_t)elem : 0;
        return word(&c, 0);
    default:
        *ret_n = size > 0 ? (uint64_t)size : 0;
        return v->v.addr;
    }
}
