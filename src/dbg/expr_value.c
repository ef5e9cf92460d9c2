/* expr_value.c - what expressions do, with values instead of text: x.f, x[i], *x, len(x); see
 * value.h.  In what errors say the value goes by its type. */
#include <string.h>

#include "dbg/expr_int.h"

struct ev *value_expr(struct value_expr *x, struct rt_stand *st, const struct dbg_value *v,
                      struct arena *a)
{
    *x = (struct value_expr){0};
    x->x.text = (char *)(uintptr_t)(v->type ? v->type : ""); /* only read */
    x->ev =
        (struct ev){.x = &x->x, .st = st, .vs = rt_stand_values(st, NULL), .a = a, .no_text = true};
    x->value = (struct node){.kind = NODE_CONST, .value = *v};
    x->value.end = (uint32_t)strlen(x->x.text);
    return &x->ev;
}

static struct err *done(struct err *e, struct dbg_value *ret)
{
    if (!e && !ret->name)
        ret->name = "";
    if (!e && !ret->path)
        ret->path = "";
    if (!e && !ret->type)
        ret->type = "";
    return e;
}

struct err *dbg_value_field(struct rt_stand *st, const struct dbg_value *v, const char *name,
                            struct arena *a, struct dbg_value *ret)
{
    struct value_expr x;
    return done(ev_field(value_expr(&x, st, v, a), &x.value, v, name, ret), ret);
}

struct err *dbg_value_index(struct rt_stand *st, const struct dbg_value *v,
                            const struct dbg_value *key, struct arena *a, struct dbg_value *ret)
{
    struct value_expr x;
    struct node index = {.kind = NODE_CONST, .value = *key};
    struct node *args[] = {&index}, n = {.kind = NODE_INDEX, .args = args, .nargs = 1};
    struct ev *ev = value_expr(&x, st, v, a);
    n.x = &x.value;
    n.end = x.value.end;
    return done(ev_index(ev, &n, ret), ret);
}

struct err *dbg_value_deref(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                            struct dbg_value *ret)
{
    struct value_expr x;
    return done(ev_deref(value_expr(&x, st, v, a), &x.value, v, ret), ret);
}

struct err *dbg_value_len(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                          uint64_t *ret)
{
    struct value_expr x;
    struct dbg_value n;
    int64_t len;
    struct ev *ev = value_expr(&x, st, v, a);
    struct node *args[] = {&x.value}, fn = {.kind = NODE_NAME, .builtin = BUILTIN_LEN},
                call = {.kind = NODE_CALL, .x = &fn, .args = args, .nargs = 1};
    call.end = x.value.end;
    TRY(ev_builtin(ev, &call, &n));
    TRY(ev_integer(ev, &call, &n, &len));
    *ret = len > 0 ? (uint64_t)len : 0;
    return NULL;
}
