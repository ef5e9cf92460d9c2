/* lua.c - a closed room for Lua; see lua.h. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbg/lua_int.h"

enum { HOOK_EVERY = 1000, ARENA_KEPT = 64 << 10 };

static void *allocate(void *arg, void *p, size_t old, size_t n)
{
    struct dbg_lua *l = arg;
    size_t had = p ? old : 0;
    if (!n) {
        free(p);
        l->used -= had;
        return NULL;
    }
    if (n > had && (l->used > l->limits.memory || n - had > l->limits.memory - l->used))
        return NULL;
    void *ret = realloc(p, n);
    if (ret)
        l->used = l->used - had + n;
    return ret;
}

struct dbg_lua *dbg_lua_of(lua_State *L)
{
    void *arg;
    lua_getallocf(L, &arg);
    return arg;
}

/* When the steps are used up every further one is an error, so that no pcall() goes on. */
static void on_count(lua_State *L, lua_Debug *ar)
{
    struct dbg_lua *l = dbg_lua_of(L);
    if (l->limits.cancelled && l->limits.cancelled(l->limits.arg)) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
        luaL_error(L, "interrupted");
    }
    l->left = l->left > HOOK_EVERY ? l->left - HOOK_EVERY : 0;
    if (l->left)
        return;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    luaL_error(L, "it has run for too long");
}

static void take_steps(struct dbg_lua *l, uint64_t n)
{
    l->left = l->left > n ? l->left - n : 0;
}

void lua_spend(lua_State *L, uint64_t steps)
{
    struct dbg_lua *l = dbg_lua_of(L);
    take_steps(l, steps);
    if (l->left)
        return;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    luaL_error(L, "it has run for too long");
}

/* Finalizers would run at any time, the end included, where nothing counts their steps. */
static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (lua_istable(L, 2) && lua_getfield(L, 2, "__gc") != LUA_TNIL)
        return luaL_error(L, "there are no finalizers (__gc) here");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int open_room(lua_State *L)
{
    static const luaL_Reg rooms[] = {{LUA_GNAME, luaopen_base},
                                     {LUA_STRLIBNAME, luaopen_string},
                                     {LUA_TABLIBNAME, luaopen_table},
                                     {LUA_MATHLIBNAME, luaopen_math},
                                     {LUA_UTF8LIBNAME, luaopen_utf8}};
    static const char *const closed[] = {"dofile",  "loadfile",       "load",
                                         "require", "collectgarbage", "print"};
    for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
        luaL_requiref(L, rooms[i].name, rooms[i].func, 1);
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        lua_pushnil(L);
        lua_setglobal(L, closed[i]);
    }
    lua_getglobal(L, LUA_STRLIBNAME);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pushcfunction(L, set_metatable);
    lua_setglobal(L, "setmetatable");
    lua_values_open(L);
    return 0;
}

/* What Lua says becomes an error of ours; it is taken off the stack. */
static struct err *told(const struct dbg_lua *l, lua_State *L, int status)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error";
    bool limit = status == LUA_ERRMEM || (status == LUA_ERRRUN && !l->left);
    struct err *e = err_new(limit ? ERR_LIMIT : ERR_USAGE, "%s", text);
    lua_pop(L, 1);
    return e;
}

static void init_lock(struct dbg_lua *l)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&l->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

struct err *dbg_lua_open(const struct dbg_lua_limits *limits, struct dbg_lua **ret)
{
    struct dbg_lua *l = mem_alloc(sizeof(*l));
    l->limits = *limits;
    init_lock(l);
    arena_init(&l->arena);
    l->L = lua_newstate(allocate, l);
    if (!l->L) {
        pthread_mutex_destroy(&l->lock);
        free(l);
        return err_new(ERR_NOMEM, "no memory for Lua");
    }
    lua_pushcfunction(l->L, open_room);
    struct err *e = dbg_lua_call(l, 0, 0);
    if (e) {
        dbg_lua_close(l);
        return e;
    }
    *ret = l;
    return NULL;
}

void dbg_lua_close(struct dbg_lua *l)
{
    if (!l)
        return;
    lua_close(l->L);
    arena_free(&l->arena);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

struct lua_State *dbg_lua_state(struct dbg_lua *l)
{
    return l->L;
}

struct err *dbg_lua_load(struct dbg_lua *l, const char *text, size_t n, const char *name)
{
    dbg_lua_lock(l);
    int status = luaL_loadbufferx(l->L, text, n, name, "t");
    struct err *e = status == LUA_OK ? NULL : told(l, l->L, status);
    dbg_lua_unlock(l);
    return e;
}

void dbg_lua_rearm(struct dbg_lua *l)
{
    l->left = l->limits.steps;
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
}

struct err *dbg_lua_call(struct dbg_lua *l, int nargs, int nresults)
{
    dbg_lua_lock(l);
    if (!l->depth++)
        dbg_lua_rearm(l);
    int status = lua_pcall(l->L, nargs, nresults, 0);
    l->depth--;
    struct err *e = status == LUA_OK ? NULL : told(l, l->L, status);
    dbg_lua_unlock(l);
    return e;
}

/* The outer call, if there is one on this thread of Lua, goes on counting where it was; what its
 * counter had not told yet is lost, so a round of it is taken for granted. */
struct err *dbg_lua_call_inner(struct dbg_lua *l, const struct dbg_lua_inner *how, int nargs,
                               int nresults)
{
    dbg_lua_lock(l);
    uint64_t outer = l->left, mine = l->inner ? min_u64(how->steps, outer) : how->steps;
    size_t memory = l->limits.memory;
    bool goes_on = l->inner || (l->depth && how->L == l->L);
    l->limits.memory = min_u64(memory, l->used + how->memory);
    l->left = mine;
    lua_sethook(how->L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
    l->inner++;
    int status = lua_pcall(how->L, nargs, nresults, 0);
    l->inner--;
    struct err *e = status == LUA_OK ? NULL : told(l, how->L, status);
    uint64_t used = mine - l->left;
    l->limits.memory = memory;
    l->left = outer;
    if (goes_on) {
        take_steps(l, HOOK_EVERY + (l->inner ? used : 0));
        lua_sethook(how->L, on_count, LUA_MASKCOUNT, l->left ? HOOK_EVERY : 1);
    }
    dbg_lua_unlock(l);
    return e;
}

bool dbg_lua_is_inner(const struct dbg_lua *l)
{
    return l->inner != 0;
}

void dbg_lua_lock(struct dbg_lua *l)
{
    pthread_mutex_lock(&l->lock);
}

void dbg_lua_unlock(struct dbg_lua *l)
{
    pthread_mutex_unlock(&l->lock);
}

void dbg_lua_yield(struct dbg_lua *l)
{
    dbg_lua_unlock(l);
}

void dbg_lua_resume(struct dbg_lua *l)
{
    dbg_lua_lock(l);
}

struct arena *dbg_lua_arena(lua_State *L)
{
    struct dbg_lua *l = dbg_lua_of(L);
    if (l->arena.total > ARENA_KEPT) {
        arena_free(&l->arena);
        arena_init(&l->arena);
    }
    return &l->arena;
}

int dbg_lua_raise(lua_State *L, struct err *e)
{
    struct dbg_lua *l = dbg_lua_of(L);
    snprintf(l->trouble, sizeof(l->trouble), "%s", err_message(e));
    err_free(e);
    return luaL_error(L, "%s", l->trouble);
}
