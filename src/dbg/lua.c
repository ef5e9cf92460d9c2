/* lua.c - a closed room for Lua; see lua.h. */
#include "dbg/lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum { HOOK_EVERY = 1000, STRING_MAX = 1 << 16 };

struct dbg_lua {
    lua_State *L;
    struct dbg_lua_limits limits;
    size_t used;
    uint64_t left;  /* steps of the call */
    unsigned depth; /* calls from outside in one another */
};

static void *allocate(void *arg, void *p, size_t old, size_t n)
{
    struct dbg_lua *l = arg;
    size_t had = p ? old : 0;
    if (!n) {
        free(p);
        l->used -= had;
        return NULL;
    }
    if (n > had && n - had > l->limits.memory - l->used)
        return NULL;
    void *ret = realloc(p, n);
    if (ret)
        l->used = l->used - had + n;
    return ret;
}

static struct dbg_lua *room_of(lua_State *L)
{
    void *arg;
    lua_getallocf(L, &arg);
    return arg;
}

/* When the steps are used up every further one is an error, so that no pcall() goes on. */
static void on_count(lua_State *L, lua_Debug *ar)
{
    struct dbg_lua *l = room_of(L);
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
    return 0;
}

/* What Lua says becomes an error of ours; it is taken off the stack. */
static struct err *told(struct dbg_lua *l, int status)
{
    const char *text = lua_type(l->L, -1) == LUA_TSTRING ? lua_tostring(l->L, -1) : "an error";
    struct err *e = err_new(status == LUA_ERRMEM ? ERR_LIMIT : ERR_USAGE, "%s", text);
    lua_pop(l->L, 1);
    return e;
}

struct err *dbg_lua_open(const struct dbg_lua_limits *limits, struct dbg_lua **ret)
{
    struct dbg_lua *l = mem_alloc(sizeof(*l));
    l->limits = *limits;
    l->L = lua_newstate(allocate, l);
    if (!l->L) {
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
    free(l);
}

struct lua_State *dbg_lua_state(struct dbg_lua *l)
{
    return l->L;
}

struct err *dbg_lua_load(struct dbg_lua *l, const char *text, size_t n, const char *name)
{
    int status = luaL_loadbufferx(l->L, text, n, name, "t");
    return status == LUA_OK ? NULL : told(l, status);
}

void dbg_lua_rearm(struct dbg_lua *l)
{
    l->left = l->limits.steps;
    lua_sethook(l->L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
}

struct err *dbg_lua_call(struct dbg_lua *l, int nargs, int nresults)
{
    if (!l->depth++)
        dbg_lua_rearm(l);
    int status = lua_pcall(l->L, nargs, nresults, 0);
    l->depth--;
    return status == LUA_OK ? NULL : told(l, status);
}

/* ---- values ---- */

static bool push_string(lua_State *L, struct rt_stand *st, const struct dbg_value *v)
{
    static _Thread_local char text[STRING_MAX]; /* Lua's errors jump: nothing may be owned here */
    uint64_t n = 0;
    taddr at = dbg_value_memory(st, v, &n);
    n = min_u64(n, sizeof(text));
    struct err *e = n ? target_read(rt_stand_target(st), at, text, n) : NULL;
    bool ok = !e;
    err_free(e);
    if (ok)
        lua_pushlstring(L, text, n);
    return ok;
}

static void push_float(lua_State *L, const uint8_t bytes[8], size_t size)
{
    float f;
    double d;
    memcpy(&f, bytes, sizeof(f));
    memcpy(&d, bytes, sizeof(d));
    lua_pushnumber(L, size == 4 ? (double)f : d);
}

static void push_int(lua_State *L, uint64_t word, size_t size, bool is_signed)
{
    if (is_signed && size < 8 && word >> (8 * size - 1) & 1)
        word |= ~UINT64_C(0) << 8 * size;
    if (!is_signed && word > INT64_MAX)
        lua_pushnumber(L, (double)word);
    else
        lua_pushinteger(L, (lua_Integer)word);
}

static bool push_word(lua_State *L, struct rt_stand *st, const struct dbg_value *v, enum dbg_kind k)
{
    struct values *vs = rt_stand_values(st, NULL);
    const struct dwarf_type *t = vs ? value_type_stripped(vs, v->v.type) : NULL;
    int64_t size = vs ? value_type_size(vs, v->v.type) : -1;
    uint8_t bytes[8] = {0};
    uint64_t word;
    if (!t || size < 1 || size > 8 || !value_get(vs, &v->v, 0, bytes, (size_t)size))
        return false;
    memcpy(&word, bytes, sizeof(word));
    if (k == DBG_KIND_FLOAT)
        push_float(L, bytes, (size_t)size);
    else if (k == DBG_KIND_BOOL)
        lua_pushboolean(L, (int)(word & 1));
    else if (k == DBG_KIND_INT || k == DBG_KIND_ENUM)
        push_int(L, word, (size_t)size, t->is_signed);
    else if (!word)
        lua_pushnil(L);
    else
        return false;
    return true;
}

/* A constant without a type: by its text. */
static bool push_constant(lua_State *L, struct rt_stand *st, const struct dbg_value *v,
                          enum dbg_kind k)
{
    static _Thread_local char text[STRING_MAX];
    struct buf b;
    buf_init(&b, sizeof(text) - 1);
    dbg_value_text(st, v, &value_limits_typed, &b);
    size_t n = b.n;
    memcpy(text, buf_text(&b), n + 1);
    buf_free(&b);
    if (k == DBG_KIND_BOOL)
        lua_pushboolean(L, strcmp(text, "true") == 0);
    else if (k == DBG_KIND_STRING && n >= 2)
        lua_pushlstring(L, text + 1, n - 2);
    else if (!lua_stringtonumber(L, text))
        return false;
    return true;
}

bool dbg_lua_push(struct lua_State *L, struct rt_stand *st, const struct dbg_value *v)
{
    struct value inside;
    const char *name;
    struct values *vs = rt_stand_values(st, NULL);
    if (v->why)
        return false;
    enum dbg_kind k = dbg_value_kind(st, v);
    if (v->form == DBG_NIL) {
        lua_pushnil(L);
        return true;
    }
    if (v->form == DBG_UNTYPED)
        return push_constant(L, st, v, k);
    if (v->form != DBG_VALUE || !vs)
        return false;
    switch (k) {
    case DBG_KIND_BOOL:
    case DBG_KIND_INT:
    case DBG_KIND_ENUM:
    case DBG_KIND_FLOAT:
    case DBG_KIND_POINTER:
    case DBG_KIND_FUNC:
    case DBG_KIND_CHAN:
        return push_word(L, st, v, k);
    case DBG_KIND_STRING:
        return push_string(L, st, v);
    case DBG_KIND_INTERFACE:
        if (value_dynamic(vs, &v->v, &inside, &name))
            return false;
        lua_pushnil(L);
        return true;
    default:
        return false;
    }
}
