/* expr_complete.c - names that may stand at the end of an unfinished expression; see expr.h. */
#include <string.h>

#include "dbg/expr_int.h"

struct completion {
    const struct expr_ctx *ctx;
    const char *prefix; /* of the name that is being typed */
    size_t n;
    VEC(const char *) v;
};

static void offer(struct completion *c, const char *name)
{
    if (strncmp(name, c->prefix, strlen(c->prefix)) != 0 || c->v.n >= c->n || !*name)
        return;
    for (size_t i = 0; i < c->v.n; i++)
        if (strcmp(c->v.v[i], name) == 0)
            return;
    vec_push(&c->v, arena_strdup(c->ctx->arena, name));
}

/* Names in scope: variables of the frame, and of its package. */
static void offer_scope(struct completion *c)
{
    static const char *const words[] = {"len", "cap", "nil", "true", "false", "runtime.curg"};
    struct rt_var *vars;
    size_t n;
    const char *const *names;
    struct err *e;
    if (c->ctx->frame) {
        e = rt_vars(c->ctx->st, c->ctx->frame, c->ctx->arena, &vars, &n);
        for (size_t i = 0; !e && i < n; i++)
            offer(c, vars[i].name);
        err_free(e);
    }
    const char *func = c->ctx->frame ? c->ctx->frame->func : "main.";
    const char *slash = strrchr(func, '/'), *dot = strchr(slash ? slash : func, '.');
    size_t package = dot ? (size_t)(dot - func) + 1 : 0;
    e = rt_names(c->ctx->st, RT_NAMES_VARS, NULL, c->ctx->arena, &names, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (package && strncmp(names[i], func, package) == 0)
            offer(c, names[i] + package);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        offer(c, words[i]);
    err_free(e);
}

/* Fields of what stands before the last dot. */
static void offer_fields(struct completion *c, const char *of)
{
    struct dbg_value v, *children;
    size_t n;
    struct err *e = expr_once(c->ctx, of, &v);
    for (unsigned i = 0; !e && i < 3; i++) {
        enum dbg_kind kind = dbg_value_kind(c->ctx->st, &v);
        e = dbg_value_children(c->ctx->st, &v, 0, 1000, false, c->ctx->arena, &children, &n);
        if (e || !n)
            break;
        for (size_t k = 0; kind == DBG_KIND_STRUCT && k < n; k++)
            offer(c, children[k].name);
        if (kind != DBG_KIND_POINTER && kind != DBG_KIND_INTERFACE)
            break;
        v = children[0];
    }
    err_free(e);
}

static void offer_package(struct completion *c, const char *package)
{
    static const enum rt_names kinds[] = {RT_NAMES_VARS, RT_NAMES_TYPES};
    const char *const *names;
    size_t n, len = strlen(package);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct err *e = rt_names(c->ctx->st, kinds[k], NULL, c->ctx->arena, &names, &n);
        for (size_t i = 0; !e && i < n; i++) {
            const char *slash = strrchr(names[i], '/'), *last = slash ? slash + 1 : names[i];
            if (strncmp(last, package, len) == 0 && last[len] == '.')
                offer(c, last + len + 1);
        }
        err_free(e);
    }
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (uint8_t)c >= 0x80;
}

/* Where the operand begins that ends at `end`: names, dots, and brackets with what is in them. */
static size_t operand_start(const char *text, size_t end)
{
    int depth = 0;
    size_t at = end;
    while (at) {
        char c = text[at - 1];
        if (c == ')' || c == ']')
            depth++;
        else if ((c == '(' || c == '[') && depth)
            depth--;
        else if (!depth && !is_name(c) && c != '.')
            break;
        at--;
    }
    return at;
}

struct err *expr_complete(const struct expr_ctx *ctx, const char *text, size_t max,
                          const char *const **ret, size_t *ret_n)
{
    size_t end = strlen(text), name = end;
    struct completion c = {.ctx = ctx, .n = max};
    while (name && is_name(text[name - 1]))
        name--;
    c.prefix = text + name;
    if (name && text[name - 1] == '.') {
        size_t start = operand_start(text, name - 1);
        char *of = arena_strndup(ctx->arena, text + start, name - 1 - start);
        offer_fields(&c, of);
        if (!c.v.n)
            offer_package(&c, of);
    } else {
        offer_scope(&c);
    }
    const char **v = arena_array(ctx->arena, const char *, c.v.n + 1);
    if (c.v.n)
        memcpy(v, c.v.v, c.v.n * sizeof(*v));
    *ret = v;
    *ret_n = c.v.n;
    vec_free(&c.v);
    return NULL;
}
