/* lua_condition.c - conditions of breakpoints in Lua; see lua.h.
 *
 * A variable is looked up when Lua does not know the name; what it leads to is a path: the text of
 * the Go expression that yields it ("h", "h.queue", "h.queue[0]").  Each path is compiled once. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/vec.h"
#include "dbg/lua.h"

enum { MEMORY = 8 << 20, STEPS = 1000000, PATHS_MAX = 64, PATH_MAX_BYTES = 1024 };
#define VALUE_TYPE "gospect.value"

struct path {
    char *text;     /* owned */
    struct expr *x; /* NULL: there is nothing of that name */
};

struct dbg_lua_condition {
    struct dbg_lua *lua;
    struct expr_place at;
    const struct expr_ctx *ctx; /* of the hit */
    VEC(struct path) paths;
    struct arena arena; /* of one hit */
    char trouble[512];
    int function; /* in Lua's registry */
};

static struct dbg_lua_condition *condition_of(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "gospect.condition");
    struct dbg_lua_condition *c = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return c;
}

/* Takes the error over; its text stays for Lua. */
static bool failed(struct dbg_lua_condition *c, struct err *e)
{
    if (e)
        snprintf(c->trouble, sizeof(c->trouble), "%s", err_message(e));
    err_free(e);
    return e != NULL;
}

static struct err *compiled(struct dbg_lua_condition *c, const char *text, struct expr **ret)
{
    for (size_t i = 0; i < c->paths.n; i++)
        if (strcmp(c->paths.v[i].text, text) == 0) {
            *ret = c->paths.v[i].x;
            return *ret ? NULL : err_new(ERR_NOT_FOUND, "there is nothing called %s here", text);
        }
    struct err *e = expr_compile(c->ctx->st, &c->at, text, ret);
    if (e && err_code(e) != ERR_NOT_FOUND)
        return e;
    if (e)
        *ret = NULL;
    if (c->paths.n >= PATHS_MAX) { /* of changing indexes: the oldest goes */
        free(c->paths.v[0].text);
        expr_free(c->paths.v[0].x);
        memmove(&c->paths.v[0], &c->paths.v[1], --c->paths.n * sizeof(c->paths.v[0]));
    }
    struct path p = {mem_strdup(text), *ret};
    vec_push(&c->paths, p);
    return e;
}

static bool evaluate(struct dbg_lua_condition *c, const char *text, struct dbg_value *ret)
{
    struct expr *x;
    struct expr_ctx ctx = *c->ctx;
    ctx.arena = &c->arena;
    struct err *e = compiled(c, text, &x);
    if (!e)
        e = expr_eval(x, &ctx, ret);
    if (!e && ret->why)
        e = err_new(ERR_FAULT, "%s: %s", text, ret->why);
    return !failed(c, e);
}

static int push_path(lua_State *L, const char *text)
{
    struct dbg_lua_condition *c = condition_of(L);
    struct dbg_value v;
    if (!evaluate(c, text, &v))
        return luaL_error(L, "%s", c->trouble);
    if (dbg_lua_push(L, c->ctx->st, &v))
        return 1;
    char *path = lua_newuserdatauv(L, strlen(text) + 1, 0);
    memcpy(path, text, strlen(text) + 1);
    luaL_setmetatable(L, VALUE_TYPE);
    return 1;
}

/* ---- what Lua calls ---- */

static int value_index(lua_State *L)
{
    const char *path = luaL_checkudata(L, 1, VALUE_TYPE);
    struct dbg_lua_condition *c = condition_of(L);
    struct dbg_value v;
    char text[PATH_MAX_BYTES];
    int n;
    if (!evaluate(c, path, &v))
        return luaL_error(L, "%s", c->trouble);
    bool map = dbg_value_kind(c->ctx->st, &v) == DBG_KIND_MAP;
    if (lua_isinteger(L, 2))
        n = snprintf(text, sizeof(text), "%s[%lld]", path, (long long)lua_tointeger(L, 2));
    else
        n = snprintf(text, sizeof(text), map ? "%s[\"%s\"]" : "%s.%s", path,
                     luaL_checkstring(L, 2));
    if (n < 0 || (size_t)n >= sizeof(text))
        return luaL_error(L, "the expression is too long");
    return push_path(L, text);
}

static int value_length(lua_State *L)
{
    char text[PATH_MAX_BYTES];
    int n =
        snprintf(text, sizeof(text), "len(%s)", (const char *)luaL_checkudata(L, 1, VALUE_TYPE));
    if (n < 0 || (size_t)n >= sizeof(text))
        return luaL_error(L, "the expression is too long");
    return push_path(L, text);
}

static int value_text(lua_State *L)
{
    const char *path = luaL_checkudata(L, 1, VALUE_TYPE);
    struct dbg_lua_condition *c = condition_of(L);
    struct dbg_value v;
    if (!evaluate(c, path, &v))
        return luaL_error(L, "%s", c->trouble);
    struct buf b = {0};
    dbg_value_text(c->ctx->st, &v, &value_limits_typed, &b);
    const char *text = arena_strdup(&c->arena, buf_text(&b));
    buf_free(&b);
    lua_pushstring(L, text);
    return 1;
}

static int go_expression(lua_State *L)
{
    return push_path(L, luaL_checkstring(L, 1));
}

/* A name that Lua does not know: a variable of the frame. */
static int global_index(lua_State *L)
{
    return push_path(L, luaL_checkstring(L, 2));
}

static int prepare(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", value_index},
                                       {"__len", value_length},
                                       {"__tostring", value_text},
                                       {NULL, NULL}};
    lua_setfield(L, LUA_REGISTRYINDEX, "gospect.condition"); /* the argument */
    luaL_newmetatable(L, VALUE_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
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
    for (size_t i = 0; i < c->paths.n; i++) {
        free(c->paths.v[i].text);
        expr_free(c->paths.v[i].x);
    }
    vec_free(&c->paths);
    arena_free(&c->arena);
    free(c);
}

struct err *dbg_lua_true(struct dbg_lua_condition *c, const struct expr_ctx *ctx, bool *ret)
{
    lua_State *L = dbg_lua_state(c->lua);
    c->ctx = ctx;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->function);
    struct err *e = dbg_lua_call(c->lua, 0, 1);
    if (!e) {
        *ret = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    c->ctx = NULL;
    arena_free(&c->arena);
    arena_init(&c->arena);
    return e;
}
