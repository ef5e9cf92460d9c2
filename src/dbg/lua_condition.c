/* lua_condition.c - conditions of breakpoints in Lua; see lua.h.
 *
 * A variable is looked up when Lua does not know the name.  Each name, and each expression of go(),
 * is compiled once. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "dbg/lua.h"

enum { MEMORY = 8 << 20, STEPS = 1000000, EXPRS_MAX = 64 };

struct compiled {
    char *text;     /* owned */
    struct expr *x; /* NULL: there is nothing of that name */
};

struct dbg_lua_condition {
    struct dbg_lua *lua;
    struct expr_place at;
    const struct expr_ctx *ctx; /* of the hit */
    VEC(struct compiled) exprs;
    struct arena arena; /* of one hit */
    int function;       /* in Lua's registry */
};

static struct dbg_lua_condition *condition_of(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "gospect.condition");
    struct dbg_lua_condition *c = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return c;
}

static struct err *compile(struct dbg_lua_condition *c, const char *text, struct expr **ret)
{
    for (size_t i = 0; i < c->exprs.n; i++)
        if (strcmp(c->exprs.v[i].text, text) == 0) {
            *ret = c->exprs.v[i].x;
            return *ret ? NULL : err_new(ERR_NOT_FOUND, "there is nothing called %s here", text);
        }
    struct err *e = expr_compile(c->ctx->st, &c->at, text, ret);
    if (e && err_code(e) != ERR_NOT_FOUND)
        return e;
    if (e)
        *ret = NULL;
    if (c->exprs.n >= EXPRS_MAX) { /* of go() with changing texts: the oldest goes */
        free(c->exprs.v[0].text);
        expr_free(c->exprs.v[0].x);
        memmove(&c->exprs.v[0], &c->exprs.v[1], --c->exprs.n * sizeof(c->exprs.v[0]));
    }
    struct compiled p = {mem_strdup(text), *ret};
    vec_push(&c->exprs, p);
    return e;
}

static int push_expression(lua_State *L, const char *text)
{
    struct dbg_lua_condition *c = condition_of(L);
    struct expr_ctx ctx = *c->ctx;
    struct dbg_value v;
    struct expr *x;
    ctx.arena = &c->arena;
    struct err *e = compile(c, text, &x);
    if (!e)
        e = expr_eval(x, &ctx, &v);
    if (!e && v.why)
        e = err_new(ERR_FAULT, "%s: %s", text, v.why);
    if (e)
        return dbg_lua_raise(L, e);
    dbg_lua_push(L, &v);
    return 1;
}

/* ---- what Lua calls ---- */

static int go_expression(lua_State *L)
{
    return push_expression(L, luaL_checkstring(L, 1));
}

/* A name that Lua does not know: a variable of the frame. */
static int global_index(lua_State *L)
{
    return push_expression(L, luaL_checkstring(L, 2));
}

static int prepare(lua_State *L)
{
    lua_setfield(L, LUA_REGISTRYINDEX, "gospect.condition"); /* the argument */
    lua_newtable(L);
    dbg_lua_value_functions(L);
    lua_setglobal(L, "gospect");
    lua_register(L, "go", go_expression);
    lua_pushglobaltable(L);
    lua_newtable(L);
    lua_pushcfunction(L, global_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 0;
}

/* ---- from outside ---- */

static struct err *load(struct dbg_lua_condition *c, const char *text)
{
    char *expression = arena_printf(&c->arena, "return (%s)", text);
    struct err *e = dbg_lua_load(c->lua, expression, strlen(expression), "=condition");
    if (!e)
        return NULL;
    struct err *as_statements = dbg_lua_load(c->lua, text, strlen(text), "=condition");
    if (!as_statements)
        err_free(e);
    else
        err_free(as_statements);
    return as_statements ? e : NULL;
}

struct err *dbg_lua_condition(const struct expr_place *at, const char *text,
                              struct dbg_lua_condition **ret)
{
    struct dbg_lua_condition *c = mem_alloc(sizeof(*c));
    struct dbg_lua_limits limits = {.memory = MEMORY, .steps = STEPS};
    c->at = *at;
    arena_init(&c->arena);
    struct err *e = dbg_lua_open(&limits, &c->lua);
    if (!e) {
        lua_pushcfunction(dbg_lua_state(c->lua), prepare);
        lua_pushlightuserdata(dbg_lua_state(c->lua), c);
        e = dbg_lua_call(c->lua, 1, 0);
    }
    if (!e)
        e = load(c, text);
    if (e) {
        dbg_lua_condition_free(c);
        return e;
    }
    c->function = luaL_ref(dbg_lua_state(c->lua), LUA_REGISTRYINDEX);
    *ret = c;
    return NULL;
}

void dbg_lua_condition_free(struct dbg_lua_condition *c)
{
    if (!c)
        return;
    dbg_lua_close(c->lua);
    for (size_t i = 0; i < c->exprs.n; i++) {
        free(c->exprs.v[i].text);
        expr_free(c->exprs.v[i].x);
    }
    vec_free(&c->exprs);
    arena_free(&c->arena);
    free(c);
}

struct err *dbg_lua_true(struct dbg_lua_condition *c, const struct expr_ctx *ctx, bool *ret)
{
    lua_State *L = dbg_lua_state(c->lua);
    c->ctx = ctx;
    dbg_lua_look_at(c->lua, ctx->st);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->function);
    struct err *e = dbg_lua_call(c->lua, 0, 1);
    if (!e) {
        *ret = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    c->ctx = NULL;
    dbg_lua_look_at(c->lua, NULL);
    arena_free(&c->arena);
    arena_init(&c->arena);
    return e;
}
