/* expr_eval.c - evaluating nodes: names, fields, pointers, assertions, calls; see expr_int.h. */
#include <string.h>

#include "dbg/expr_int.h"

/* ---- what the other files use, too ---- */

struct err *ev_fail(struct ev *ev, const struct node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct err *e = err_newv(ERR_USAGE, fmt, ap);
    va_end(ap);
    return ev->no_text ? e : expr_point(e, ev->x->text, n->at);
}

const char *ev_type_name(struct ev *ev, const struct dbg_value *v)
{
    return v->type && *v->type ? v->type : "a value without a type";
}

const struct dwarf_type *ev_type(struct ev *ev, const struct dbg_value *v)
{
    bool typed = v->form == DBG_VALUE || v->form == DBG_UNTYPED;
    return typed && ev->vs ? value_type_stripped(ev->vs, v->v.type) : NULL;
}

struct dbg_value ev_make(struct ev *ev, uint64_t type, const void *bytes, size_t n)
{
    struct dbg_value v = {.form = DBG_VALUE, .v = {.type = type, .n = n}};
    v.v.bytes = memcpy(arena_alloc(ev->a, n + 1), bytes, n);
    v.type = value_type_name(ev->vs, type);
    return v;
}

struct dbg_value ev_const(const struct dbg_const *c, uint64_t type)
{
    return (struct dbg_value){
        .form = DBG_UNTYPED, .untyped = c, .type = dbg_const_type(c), .v.type = type};
}

struct dbg_value ev_bool(struct ev *ev, bool v)
{
    return ev_const(dbg_const_bool(ev->a, v), DWARF_NO_ID);
}

struct dbg_value ev_int(struct ev *ev, int64_t v)
{
    return ev_make(ev, value_basic_type(ev->vs, "int"), &v, 8);
}

struct err *ev_get(struct ev *ev, const struct node *n, const struct dbg_value *v, size_t off,
                   void *dst, size_t size)
{
    if (v->form == DBG_VALUE && value_get(ev->vs, &v->v, off, dst, size))
        return NULL;
    int len = (int)(n->end - n->at);
    const char *text = ev->x->text + n->at;
    if (v->form != DBG_VALUE)
        return ev_fail(ev, n, "%.*s is not a value of the program", len, text);
    if (v->v.addr)
        return expr_point(err_new(ERR_FAULT, "%.*s: the memory at %#llx cannot be read", len, text,
                                  (unsigned long long)v->v.addr + off),
                          ev->x->text, n->at);
    return expr_point(err_new(ERR_NOT_FOUND, "%.*s: optimized out at this point", len, text),
                      ev->x->text, n->at);
}

struct err *ev_string(struct ev *ev, const struct node *n, const struct dbg_value *v,
                      const char **ret, size_t *ret_n)
{
    enum { STRING_MAX = 16 << 20 };
    uint64_t head[2];
    if (v->form == DBG_UNTYPED) {
        *ret = v->untyped->text;
        *ret_n = v->untyped->n;
        return NULL;
    }
    TRY(ev_get(ev, n, v, 0, head, 16));
    if (head[1] > STRING_MAX)
        return ev_fail(ev, n, "a string of %llu bytes is too long", (unsigned long long)head[1]);
    char *p = arena_alloc(ev->a, head[1] + 1);
    struct dbg_value text = {.form = DBG_VALUE, .v = {.type = DWARF_NO_ID, .addr = head[0]}};
    if (head[1])
        TRY(ev_get(ev, n, &text, 0, p, head[1]));
    *ret = p;
    *ret_n = head[1];
    return NULL;
}

struct err *ev_integer(struct ev *ev, const struct node *n, const struct dbg_value *v, int64_t *ret)
{
    const struct dwarf_type *t = ev_type(ev, v);
    if (v->form == DBG_UNTYPED && dbg_const_is_number(v->untyped)) {
        if (!ratio_is_int(&v->untyped->re) || v->untyped->im.num.n ||
            !big_i64(&v->untyped->re.num, ret))
            return ev_fail(ev, n, "expected an integer");
        return NULL;
    }
    int64_t size = t ? value_type_size(ev->vs, v->v.type) : 0;
    bool is_int = t && (t->kind == DWARF_KIND_INT || t->kind == DWARF_KIND_UINT ||
                        t->kind == DWARF_KIND_CHAR || t->kind == DWARF_KIND_ENUM);
    if (!is_int || size < 1 || size > 8)
        return ev_fail(ev, n, "expected an integer, found %s", ev_type_name(ev, v));
    uint64_t raw = 0;
    TRY(ev_get(ev, n, v, 0, &raw, (size_t)size));
    unsigned up = 64 - 8 * (unsigned)size;
    *ret = t->is_signed ? (int64_t)(raw << up) >> up : (int64_t)raw;
    return NULL;
}

struct err *ev_deref(struct ev *ev, const struct node *n, const struct dbg_value *ptr,
                     struct dbg_value *ret)
{
    const struct dwarf_type *t = ev_type(ev, ptr);
    uint64_t addr;
    if (!t || t->kind != DWARF_KIND_POINTER)
        return ev_fail(ev, n, "%s is not a pointer", ev_type_name(ev, ptr));
    if (t->elem == DWARF_NO_ID || !value_type_stripped(ev->vs, t->elem))
        return ev_fail(ev, n, "%s does not say what it points to", ev_type_name(ev, ptr));
    TRY(ev_get(ev, n, ptr, 0, &addr, 8));
    if (!addr)
        return ev_fail(ev, n, "%.*s is a nil pointer", (int)(n->end - n->at), ev->x->text + n->at);
    *ret = (struct dbg_value){.form = DBG_VALUE,
                              .v = {.type = t->elem, .addr = addr},
                              .type = value_type_name(ev->vs, t->elem)};
    return NULL;
}

/* ---- fields ---- */

struct search {
    struct values *vs;
    const char *name;
    struct step path[8];
    unsigned found; /* at this depth */
};

/* Looks for a field exactly `depth` embedded structs deep. */
static void search(struct search *s, uint64_t type, unsigned at, unsigned depth, struct step *steps)
{
    const struct dwarf_type *t = value_type_stripped(s->vs, type);
    bool deref = t && t->kind == DWARF_KIND_POINTER && at;
    if (deref)
        t = value_type_stripped(s->vs, t->elem);
    if (!t || (t->kind != DWARF_KIND_STRUCT && t->kind != DWARF_KIND_UNION))
        return;
    if (at)
        steps[at - 1].deref = deref;
    for (size_t i = 0; i < t->nmembers; i++) {
        const struct dwarf_member *m = &t->members[i];
        if (m->computed)
            continue;
        const char *dot = strrchr(m->name, '.'); /* an embedded one of another package */
        bool same =
            strcmp(m->name, s->name) == 0 || (m->embedded && dot && strcmp(dot + 1, s->name) == 0);
        steps[at] = (struct step){.off = m->off, .type = m->type, .bits = m->bit_size ? m : NULL};
        if (at == depth && same) {
            if (!s->found++)
                memcpy(s->path, steps, (at + 1) * sizeof(*steps));
        } else if (at < depth && m->embedded) {
            search(s, m->type, at + 1, depth, steps);
        }
    }
}

static struct err *find_field(struct ev *ev, struct node *n, uint64_t type, const char *name,
                              bool *found)
{
    struct search s = {.vs = ev->vs, .name = name};
    struct step steps[ARRAY_LEN(s.path)];
    *found = true;
    if (n->nsteps && n->field_type == type)
        return NULL;
    for (unsigned depth = 0; depth < ARRAY_LEN(s.path); depth++) {
        search(&s, type, 0, depth, steps);
        if (s.found > 1)
            return ev_fail(ev, n, "%s is ambiguous: several embedded fields have it", name);
        if (s.found) {
            memcpy(n->steps, s.path, sizeof(n->steps));
            n->nsteps = (uint8_t)(depth + 1);
            n->field_type = type;
            return NULL;
        }
    }
    *found = false;
    return NULL;
}

/* Registers that hold a part. */
static void part_pieces(struct ev *ev, const struct dbg_value *of, size_t off,
                        struct dbg_value *ret)
{
    int64_t size = value_type_size(ev->vs, ret->v.type);
    if (!of->npieces || size < 0)
        return;
    struct rt_piece *v = arena_array(ev->a, struct rt_piece, of->npieces);
    for (size_t i = 0; i < of->npieces; i++) {
        if (of->pieces[i].off < off || of->pieces[i].off + of->pieces[i].n > off + (uint64_t)size)
            continue;
        v[ret->npieces] = of->pieces[i];
        v[ret->npieces++].off -= (uint32_t)off;
    }
    ret->pieces = v;
}

static struct err *walk_steps(struct ev *ev, struct node *n, const struct dbg_value *of,
                              struct dbg_value *ret)
{
    struct dbg_value at = *of;
    for (unsigned i = 0; i < n->nsteps; i++) {
        const struct step *s = &n->steps[i];
        struct dbg_value part = {.form = DBG_VALUE,
                                 .v = value_sub(ev->vs, &at.v, s->off, s->type),
                                 .type = value_type_name(ev->vs, s->type)};
        if (s->bits)
            dbg_bit_field(ev->vs, &at.v, s->bits, ev->a, &part);
        else
            part_pieces(ev, &at, s->off, &part);
        if (part.why)
            return ev_fail(ev, n, "%s is %s", n->name ? n->name : "it", part.why);
        at = part;
        if (s->deref && i + 1 < n->nsteps)
            TRY(ev_deref(ev, n, &part, &at));
    }
    *ret = at;
    return NULL;
}

/* What a selector looks into: past one pointer, and what an interface holds. */
static struct err *base_of(struct ev *ev, struct node *n, const struct dbg_value *of,
                           struct dbg_value *ret)
{
    *ret = *of;
    for (unsigned i = 0; i < 3; i++) {
        const struct dwarf_type *t = ev_type(ev, ret);
        struct dbg_value v = *ret;
        if (t && t->kind == DWARF_KIND_POINTER) {
            TRY(ev_deref(ev, n, &v, ret));
        } else if (t && t->kind == DWARF_KIND_INTERFACE && i == 0) {
            struct value held;
            const char *name;
            if (!value_dynamic(ev->vs, &v.v, &held, &name) || held.type == DWARF_NO_ID)
                return ev_fail(ev, n, "the interface is nil");
            *ret = (struct dbg_value){.form = DBG_VALUE, .v = held, .type = name};
        } else {
            break;
        }
    }
    return NULL;
}

/* A method by its function: pkg.T.M, or pkg.(*T).M, which is only a wrapper when both are there. */
static bool method_of(struct ev *ev, const char *type, const char *name, taddr *ret)
{
    const char *slash = strrchr(type, '/'), *dot = strchr(slash ? slash : type, '.');
    if (!dot)
        return false;
    int package = (int)(dot - type);
    *ret = rt_function_entry(ev->st, arena_printf(ev->a, "%s.%s", type, name));
    if (!*ret)
        *ret = rt_function_entry(
            ev->st, arena_printf(ev->a, "%.*s.(*%s).%s", package, type, dot + 1, name));
    return *ret != 0;
}

/* Whether there is code for it, which all types of the same shape share: pkg.T[...].M, or
 * pkg.(*T[...]).M. */
static bool is_generic_method(struct ev *ev, const char *type, const char *name)
{
    const char *args = strchr(type, '['), *const * names;
    char *base = arena_strndup(ev->a, type, args ? (size_t)(args - type) : 0);
    const char *slash = strrchr(base, '/'), *dot = strrchr(slash ? slash : base, '.');
    size_t n = 0;
    bool found = false;
    if (!dot)
        return false;
    const struct {
        const char *begin, *end;
    } forms[] = {{arena_printf(ev->a, "%s[", base), arena_printf(ev->a, "].%s", name)},
                 {arena_printf(ev->a, "%.*s.(*%s[", (int)(dot - base), base, dot + 1),
                  arena_printf(ev->a, "]).%s", name)}};
    err_free(rt_names(ev->st, RT_NAMES_FUNCS, NULL, ev->a, &names, &n)); /* then: none */
    for (size_t i = 0; i < n && !found; i++)
        for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
            size_t begin = strlen(forms[k].begin), end = strlen(forms[k].end),
                   len = strlen(names[i]);
            found = found || (len > begin + end && strncmp(names[i], forms[k].begin, begin) == 0 &&
                              strcmp(names[i] + len - end, forms[k].end) == 0);
        }
    return found;
}

struct err *ev_field(struct ev *ev, struct node *n, const struct dbg_value *of, const char *name,
                     struct dbg_value *ret)
{
    struct dbg_value base;
    bool found;
    taddr pc;
    if (of->form != DBG_VALUE)
        return ev_fail(ev, n, "%s has no field %s", ev_type_name(ev, of), name);
    TRY(base_of(ev, n, of, &base));
    TRY(find_field(ev, n, base.v.type, name, &found));
    if (found)
        return walk_steps(ev, n, &base, ret);
    if (method_of(ev, base.type, name, &pc)) {
        struct dbg_value *receiver = arena_new(ev->a, struct dbg_value);
        *receiver = *of;
        *ret = (struct dbg_value){.form = DBG_FUNC,
                                  .func_pc = pc,
                                  .receiver = receiver,
                                  .type = "func",
                                  .v.type = DWARF_NO_ID};
        return NULL;
    }
    if (is_generic_method(ev, base.type ? base.type : "", name))
        return ev_fail(ev, n,
                       "the method %s of %s is generic code that takes a dictionary of types: it "
                       "cannot be called from here",
                       name, ev_type_name(ev, &base));
    return ev_fail(ev, n, "%s has no field or method %s", ev_type_name(ev, &base), name);
}

/* ---- nodes ---- */

static struct err *ev_slot(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    const struct rt_var *v;
    if (!ev->ctx->frame)
        return ev_fail(ev, n, "%s is a variable, and there is no frame", n->name);
    rt_slot_value(ev->st, n->slot, ev->ctx->frame, &v);
    if (v->why)
        return expr_point(err_new(ERR_NOT_FOUND, "%s: %s", n->name, v->why), ev->x->text, n->at);
    dbg_value_of_var(v, ret);
    if (v->value.bytes) { /* until the next time only */
        size_t k = v->value.n;
        ret->v.bytes = memcpy(arena_alloc(ev->a, k + 1), v->value.bytes, k);
        ret->v.known = memcpy(arena_alloc(ev->a, k / 8 + 1), v->value.known, (k + 7) / 8);
        ret->pieces = memcpy(arena_array(ev->a, struct rt_piece, v->npieces + 1), v->pieces,
                             v->npieces * sizeof(*v->pieces));
    }
    return NULL;
}

static struct err *ev_meaning(struct ev *ev, struct node *n, bool *is, struct dbg_value *ret)
{
    *is = true;
    switch ((enum meaning)n->meaning) {
    case MEANS_SLOT:
        return ev_slot(ev, n, ret);
    case MEANS_VALUE:
        *ret = n->value;
        if (ret->why)
            return expr_point(err_new(ERR_NOT_FOUND, "%s: %s", n->name, ret->why), ev->x->text,
                              n->at);
        return NULL;
    case MEANS_TYPE:
        *ret = (struct dbg_value){
            .form = DBG_TYPE, .v.type = n->type_id, .type = value_type_name(ev->vs, n->type_id)};
        return NULL;
    case MEANS_REG:
        return ev_register(ev, n, ret);
    case MEANS_RUNTIME:
        return ev_runtime(ev, n, ret);
    case MEANS_BUILTIN:
        return ev_fail(ev, n, "%s must be called", n->name);
    default:
        *is = false;
        return NULL;
    }
}

/* x.(T) and x.(data) */
static struct err *ev_assert(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    struct value held;
    const char *name;
    TRY(ev_node(ev, n->x, &x));
    const struct dwarf_type *t = ev_type(ev, &x), *to = NULL;
    if (!t || t->kind != DWARF_KIND_INTERFACE)
        return ev_fail(ev, n, "%s is not an interface", ev_type_name(ev, &x));
    const char *want = n->type ? value_type_name(ev->vs, n->type->type_id) : "";
    if (!value_dynamic(ev->vs, &x.v, &held, &name))
        return ev_fail(ev, n, "interface conversion: the interface is nil%s%s",
                       n->type ? ", not " : "", want);
    if (n->type)
        to = value_type_stripped(ev->vs, n->type->type_id);
    if (to && to->kind == DWARF_KIND_INTERFACE) {
        if (!value_type_is_empty_interface(ev->vs, n->type->type_id) &&
            !value_type_same(ev->vs, n->type->type_id, x.v.type))
            return ev_fail(ev, n, "whether %s implements %s cannot be told without running code",
                           name, want);
        held.type = DWARF_NO_ID;
    }
    if (n->type && held.type != DWARF_NO_ID &&
        !value_type_same(ev->vs, held.type, n->type->type_id))
        return ev_fail(ev, n, "interface conversion: %s is %s, not %s", ev_type_name(ev, &x), name,
                       want);
    if (held.type == DWARF_NO_ID && !(to && to->kind == DWARF_KIND_INTERFACE))
        return ev_fail(ev, n, "what the interface holds, a %s, is not described", name);
    *ret = held.type == DWARF_NO_ID
               ? x
               : (struct dbg_value){.form = DBG_VALUE, .v = held, .type = name};
    return NULL;
}

static struct err *ev_select(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    TRY(ev_node(ev, n->x, &x));
    return ev_field(ev, n, &x, n->name, ret);
}

static struct err *ev_call(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct expr_call c = {.nargs = n->nargs, .spread = n->spread};
    if (n->x->meaning == MEANS_BUILTIN)
        return ev_builtin(ev, n, ret);
    if (n->x->meaning == MEANS_TYPE) {
        struct dbg_value v;
        if (n->nargs != 1)
            return ev_fail(ev, n, "a conversion takes one value");
        TRY(ev_node(ev, n->args[0], &v));
        return ev_convert(ev, n, &v, n->x->type_id, ret);
    }
    TRY(ev_node(ev, n->x, &c.fn));
    const struct dwarf_type *t = ev_type(ev, &c.fn);
    if (c.fn.form != DBG_FUNC && !(t && t->kind == DWARF_KIND_FUNC))
        return ev_fail(ev, n, "%s is not a function", ev_type_name(ev, &c.fn));
    if (!ev->ctx->call)
        return ev_fail(ev, n, "functions of the program cannot be called here");
    c.text = arena_strndup(ev->a, ev->x->text + n->at, n->end - n->at);
    c.args = arena_array(ev->a, struct dbg_value, n->nargs + 1);
    for (size_t i = 0; i < n->nargs; i++)
        TRY(ev_node(ev, n->args[i], &c.args[i]));
    return expr_point(ev->ctx->call(ev->ctx->call_arg, &c, ev->a, ret), ev->x->text, n->at);
}

static struct err *ev_star(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    struct dbg_value x;
    TRY(ev_node(ev, n->x, &x));
    return ev_deref(ev, n->x, &x, ret);
}

struct err *ev_node(struct ev *ev, struct node *n, struct dbg_value *ret)
{
    static struct err *(*const by_kind[])(struct ev *, struct node *, struct dbg_value *) = {
        [NODE_SELECT] = ev_select, [NODE_INDEX] = ev_index, [NODE_SLICE] = ev_slice,
        [NODE_ASSERT] = ev_assert, [NODE_CALL] = ev_call,   [NODE_UNARY] = ev_unary,
        [NODE_BINARY] = ev_binary, [NODE_STAR] = ev_star,
    };
    bool is;
    TRY(ev_meaning(ev, n, &is, ret));
    if (is)
        return NULL;
    if (n->kind == NODE_CONST) {
        *ret = n->value;
        return NULL;
    }
    if (n->kind >= ARRAY_LEN(by_kind) || !by_kind[n->kind])
        return ev_fail(ev, n, "expected a value");
    return by_kind[n->kind](ev, n, ret);
}
