/* expr.c - expressions from outside: compile, evaluate, conditions; see expr.h. */
#include <string.h>

#include "dbg/expr_int.h"

struct err *expr_compile(struct rt_stand *st, const struct expr_place *at, const char *text,
                         struct expr **ret)
{
    struct expr *x = mem_alloc(sizeof(*x));
    *ret = NULL;
    x->st = st;
    x->text = mem_strdup(text);
    arena_init(&x->arena);
    struct err *e = expr_parse(&x->arena, x->text, &x->root);
    if (!e)
        e = expr_resolve(x, st, at);
    if (e) {
        expr_free(x);
        return e;
    }
    *ret = x;
    return NULL;
}

void expr_free(struct expr *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->slots.n; i++)
        rt_slot_free(x->slots.v[i]);
    vec_free(&x->slots);
    arena_free(&x->arena);
    free(x->text);
    free(x);
}

bool expr_asks_who(const struct expr *x)
{
    return x->asks_who;
}

/* An expression that yields the value again; in brackets unless it is one operand. */
static const char *path_of(const struct expr *x, struct arena *a)
{
    bool whole = x->root->kind != NODE_UNARY && x->root->kind != NODE_BINARY;
    const char *text = x->text + expr_call_prefix(x->text);
    return arena_printf(a, whole ? "%s" : "(%s)", text);
}

static struct err *evaluate(struct expr *x, const struct expr_ctx *ctx, struct arena *a,
                            struct dbg_value *ret)
{
    struct ev ev = {.x = x, .ctx = ctx, .st = ctx->st, .a = a};
    ev.vs = rt_stand_values(ctx->st, NULL);
    *ret = (struct dbg_value){.type = "", .path = "", .name = "", .v.type = DWARF_NO_ID};
    return ev_node(&ev, x->root, ret);
}

/* What is the expression's own, copied: a result outlives it. */
static void keep(struct dbg_value *v, struct arena *a)
{
    if (v->untyped) {
        struct dbg_const *c = arena_new(a, struct dbg_const);
        *c = *v->untyped;
        if (c->n)
            c->text = memcpy(arena_alloc(a, c->n + 1), c->text, c->n);
        v->untyped = c;
    }
    if (v->v.bytes && v->v.n)
        v->v.bytes = memcpy(arena_alloc(a, v->v.n + 1), v->v.bytes, v->v.n);
}

struct err *expr_eval(struct expr *x, const struct expr_ctx *ctx, struct dbg_value *ret)
{
    TRY(evaluate(x, ctx, ctx->arena, ret));
    keep(ret, ctx->arena);
    ret->name = x->text;
    ret->path = path_of(x, ctx->arena);
    if (ret->form == DBG_UNTYPED && ret->v.type == DWARF_NO_ID)
        ret->type = dbg_const_default(ret->untyped);
    if (!ret->type)
        ret->type = "";
    return NULL;
}

struct err *expr_true(struct expr *x, const struct expr_ctx *ctx, bool *ret)
{
    struct arena a;
    struct dbg_value v;
    *ret = false;
    arena_init(&a);
    struct err *e = evaluate(x, ctx, &a, &v);
    struct values *vs = rt_stand_values(ctx->st, NULL);
    if (!e && v.form == DBG_UNTYPED && v.untyped->kind == CONST_BOOL) {
        *ret = v.untyped->yes;
    } else if (!e) {
        const struct dwarf_type *t =
            v.form == DBG_VALUE && vs ? value_type_stripped(vs, v.v.type) : NULL;
        uint8_t yes = 0;
        if (!t || t->kind != DWARF_KIND_BOOL)
            e = err_new(ERR_USAGE, "%s is not a condition: it is not a bool", x->text);
        else if (!value_get(vs, &v.v, 0, &yes, 1))
            e = err_new(ERR_FAULT, "%s cannot be read", x->text);
        *ret = yes != 0;
    }
    arena_free(&a);
    return e;
}

/* A literal is the expression's, which goes before its value does. */
static void keep_const(const struct expr_ctx *ctx, struct dbg_value *v)
{
    if (!v->untyped)
        return;
    struct dbg_const *c = arena_new(ctx->arena, struct dbg_const);
    *c = *v->untyped;
    if (c->kind == CONST_STRING)
        c->text = arena_strndup(ctx->arena, c->text, c->n);
    v->untyped = c;
}

struct err *expr_once(const struct expr_ctx *ctx, const char *text, struct dbg_value *ret)
{
    struct expr *x;
    struct expr_place at = {0};
    if (ctx->frame)
        at = expr_place_of(ctx->frame);
    TRY(expr_compile(ctx->st, &at, text, &x));
    struct err *e = expr_eval(x, ctx, ret);
    if (!e) {
        ret->name = arena_strdup(ctx->arena, text);
        keep_const(ctx, ret);
    }
    expr_free(x);
    return e;
}
