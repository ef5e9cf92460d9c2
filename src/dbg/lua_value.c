/* lua_value.c - values of the program in Lua; see lua.h.
 *
 * A value that Lua cannot have itself is userdata: the type and the place, and bytes where it has
 * no place.  It remembers the stop it is of.  Nothing here keeps anything of the C heap while Lua
 * may raise an error, which jumps. */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbg/lua_int.h"
#include "dbg/value_int.h"

#define VALUE_TYPE "gospect.value"
enum {
    STRING_MAX = 1 << 16,
    BYTES_MAX = 1 << 16, /* of a value that has no place */
    PAGE = 256,          /* parts taken at once */
    COST = 10,           /* steps of looking at a part */
};

struct lua_value {
    const struct rt_stand *st;
    uint64_t moves;
    struct dbg_value v; /* bytes: those behind it */
    uint8_t bytes[];
};

struct rt_stand *dbg_lua_look_at(struct dbg_lua *l, struct rt_stand *st)
{
    struct rt_stand *was = l->st;
    l->st = st;
    return was;
}

/* ---- into Lua ---- */

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

bool dbg_lua_push_scalar(lua_State *L, struct rt_stand *st, const struct dbg_value *v)
{
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
    default:
        return false;
    }
}

/* What an interface holds.  False: it is nil. */
static bool unwrap(struct values *vs, const struct dbg_value *v, struct dbg_value *ret)
{
    struct value held;
    const char *name;
    uint64_t word = 1;
    *ret = *v;
    if (value_dynamic(vs, &v->v, &held, &name)) {
        if (held.type != DWARF_NO_ID)
            *ret = (struct dbg_value){.form = DBG_VALUE, .v = held, .type = name};
        return true;
    }
    return !value_get(vs, &v->v, 0, &word, sizeof(word)) || word;
}

static void push_userdata(lua_State *L, struct rt_stand *st, const struct dbg_value *v)
{
    size_t n = v->v.addr || !v->v.bytes ? 0 : v->v.n, bits = v->v.known ? n / 8 + 1 : 0;
    if (n > BYTES_MAX)
        luaL_error(L, "a value of %d bytes that is not in memory is too large", (int)n);
    struct lua_value *u = lua_newuserdatauv(L, sizeof(*u) + n + bits, 0);
    *u = (struct lua_value){.st = st, .moves = rt_stand_moves(st)};
    u->v = (struct dbg_value){.form = DBG_VALUE, .v = {.type = v->v.type, .addr = v->v.addr}};
    u->v.name = u->v.path = "";
    u->v.type = value_type_name(rt_stand_values(st, NULL), v->v.type);
    if (n) {
        u->v.v.bytes = memcpy(u->bytes, v->v.bytes, n);
        u->v.v.n = n;
    }
    if (n && bits)
        u->v.v.known = memcpy(u->bytes + n, v->v.known, (n + 7) / 8);
    luaL_setmetatable(L, VALUE_TYPE);
}

void dbg_lua_push(lua_State *L, const struct dbg_value *v)
{
    struct rt_stand *st = dbg_lua_of(L)->st;
    struct values *vs = st ? rt_stand_values(st, NULL) : NULL;
    struct dbg_value held;
    if (!vs)
        luaL_error(L, "there are no values here");
    if (v->why)
        luaL_error(L, "%s", v->why);
    if (v->form == DBG_FUNC)
        luaL_error(L, "functions of the program cannot be called here");
    if (dbg_value_kind(st, v) == DBG_KIND_INTERFACE) {
        if (!unwrap(vs, v, &held)) {
            lua_pushnil(L);
            return;
        }
        v = &held;
    }
    if (dbg_lua_push_scalar(L, st, v))
        return;
    if (v->form != DBG_VALUE)
        luaL_error(L, "%s is no value", v->type && *v->type ? v->type : "this");
    push_userdata(L, st, v);
}

/* ---- out of Lua ---- */

static struct lua_value *known_value(lua_State *L, int at)
{
    struct rt_stand *st = dbg_lua_of(L)->st;
    struct lua_value *u = luaL_testudata(L, at, VALUE_TYPE);
    return u && st && u->st == st && u->moves == rt_stand_moves(st) ? u : NULL;
}

static struct lua_value *check(lua_State *L, int at)
{
    luaL_checkudata(L, at, VALUE_TYPE);
    struct lua_value *u = known_value(L, at);
    lua_spend(L, COST);
    if (!u)
        luaL_error(L, "the value is of another stop of the program");
    return u;
}

/* NULL: it is not finite. */
static const struct dbg_const *constant(lua_State *L, int at, struct arena *a)
{
    const struct dbg_const *c = NULL, *minus = NULL;
    char text[64];
    bool negative;
    if (lua_isinteger(L, at)) {
        lua_Integer i = lua_tointeger(L, at);
        negative = i < 0;
        snprintf(text, sizeof(text), "%llu",
                 negative ? 0 - (unsigned long long)i : (unsigned long long)i);
    } else {
        lua_Number d = lua_tonumber(L, at);
        negative = d < 0;
        snprintf(text, sizeof(text), "%.14g", fabs(d));
    }
    struct err *e = dbg_const_parse(a, text, strlen(text), &c);
    if (!e && negative)
        e = dbg_const_unary(a, "-", c, &minus);
    bool ok = !e;
    err_free(e);
    return ok ? minus ? minus : c : NULL;
}

bool dbg_lua_to_value(lua_State *L, int at, struct arena *a, struct dbg_value *ret)
{
    const struct dbg_const *c = NULL;
    const struct lua_value *u = known_value(L, at);
    size_t n;
    if (u) {
        *ret = u->v;
        if (u->v.v.bytes)
            ret->v.bytes = memcpy(arena_alloc(a, u->v.v.n + 1), u->v.v.bytes, u->v.v.n);
        if (u->v.v.known)
            ret->v.known =
                memcpy(arena_alloc(a, u->v.v.n / 8 + 1), u->v.v.known, (u->v.v.n + 7) / 8);
        return true;
    }
    if (lua_type(L, at) == LUA_TBOOLEAN) {
        c = dbg_const_bool(a, lua_toboolean(L, at));
    } else if (lua_type(L, at) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, at, &n);
        c = dbg_const_string(a, arena_strndup(a, text, n), n);
    } else if (lua_type(L, at) == LUA_TNUMBER) {
        c = constant(L, at, a);
    }
    if (!c)
        return false;
    *ret = (struct dbg_value){.form = DBG_UNTYPED, .untyped = c, .v.type = DWARF_NO_ID};
    ret->name = ret->path = ret->type = "";
    return true;
}

/* ---- what Lua calls ---- */

static int value_index(lua_State *L)
{
    struct lua_value *u = check(L, 1);
    struct rt_stand *st = dbg_lua_of(L)->st;
    struct arena *a = dbg_lua_arena(L);
    struct dbg_value key, part;
    bool field = lua_type(L, 2) == LUA_TSTRING && dbg_value_kind(st, &u->v) != DBG_KIND_MAP;
    if (!field && !dbg_lua_to_value(L, 2, a, &key))
        return luaL_error(L, "a %s is no index", luaL_typename(L, 2));
    struct err *e = field ? dbg_value_field(st, &u->v, lua_tostring(L, 2), a, &part)
                          : dbg_value_index(st, &u->v, &key, a, &part);
    if (e)
        return dbg_lua_raise(L, e);
    dbg_lua_push(L, &part);
    return 1;
}

static int value_length(lua_State *L)
{
    uint64_t n;
    struct lua_value *u = check(L, 1);
    struct err *e = dbg_value_len(dbg_lua_of(L)->st, &u->v, dbg_lua_arena(L), &n);
    if (e)
        return dbg_lua_raise(L, e);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

static int text_of(lua_State *L, bool plain)
{
    struct lua_value *u = check(L, 1);
    struct value_limits limits = value_limits_typed;
    struct buf b = {0};
    limits.plain = plain;
    dbg_value_text(dbg_lua_of(L)->st, &u->v, &limits, &b);
    size_t n = b.n;
    const char *text = arena_strndup(dbg_lua_arena(L), buf_text(&b), n);
    buf_free(&b);
    lua_pushlstring(L, text, n);
    return 1;
}

static int value_text(lua_State *L)
{
    return text_of(L, false);
}

static int value_raw(lua_State *L)
{
    return text_of(L, true);
}

/* A value's parts, page by page: value, number of the next part.  The parts of a page are upvalues'
 * tables: keys, elements. */
static struct err *page_of(lua_State *L, const struct lua_value *u, uint64_t from, struct arena *a,
                           struct dbg_value **ret, size_t *ret_n, bool *ret_map)
{
    struct rt_stand *st = dbg_lua_of(L)->st;
    *ret_map = dbg_value_kind(st, &u->v) == DBG_KIND_MAP;
    lua_spend(L, COST + (*ret_map ? from : 0)); /* a map is walked from its beginning */
    return dbg_value_children(st, &u->v, from, 2 * PAGE, *ret_map, a, ret, ret_n);
}

static void push_key(lua_State *L, const struct dbg_value *part, uint64_t i)
{
    if (part->name && *part->name && *part->name != '[')
        lua_pushstring(L, part->name);
    else
        lua_pushinteger(L, (lua_Integer)i);
}

/* next(value, _): upvalues: the page (a list of keys and parts in turn), its place, the next part.
 */
static int next_part(lua_State *L)
{
    struct lua_value *u = check(L, 1);
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
    uint64_t from = (uint64_t)lua_tointeger(L, lua_upvalueindex(3));
    if (at > (lua_Integer)lua_rawlen(L, lua_upvalueindex(1))) {
        struct dbg_value *parts;
        size_t n;
        bool map;
        struct err *e = page_of(L, u, from, dbg_lua_arena(L), &parts, &n, &map);
        if (e)
            return dbg_lua_raise(L, e);
        lua_createtable(L, 2 * PAGE, 0);
        for (size_t i = 0; i < n; i++) {
            if (map)
                dbg_lua_push(L, &parts[i]);
            else
                push_key(L, &parts[i], from + i);
            lua_rawseti(L, -2, (lua_Integer)(map ? i : 2 * i) + 1);
            if (!map) {
                dbg_lua_push(L, &parts[i]);
                lua_rawseti(L, -2, (lua_Integer)(2 * i) + 2);
            }
        }
        lua_replace(L, lua_upvalueindex(1));
        lua_pushinteger(L, (lua_Integer)(from + n));
        lua_replace(L, lua_upvalueindex(3));
        at = 1;
        if (!n)
            return 0;
    }
    lua_pushinteger(L, at + 2);
    lua_replace(L, lua_upvalueindex(2));
    lua_rawgeti(L, lua_upvalueindex(1), at);
    lua_rawgeti(L, lua_upvalueindex(1), at + 1);
    return 2;
}

static int value_pairs(lua_State *L)
{
    check(L, 1);
    lua_newtable(L);
    lua_pushinteger(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_part, 3);
    lua_pushvalue(L, 1);
    return 2;
}

/* ---- functions of the table gospect ---- */

static int type_name(lua_State *L)
{
    if (luaL_testudata(L, 1, VALUE_TYPE))
        lua_pushstring(L, check(L, 1)->v.type);
    else
        lua_pushstring(L, luaL_typename(L, 1));
    return 1;
}

static int deref(lua_State *L)
{
    struct dbg_value to;
    struct lua_value *u = check(L, 1);
    struct err *e = dbg_value_deref(dbg_lua_of(L)->st, &u->v, dbg_lua_arena(L), &to);
    if (e)
        return dbg_lua_raise(L, e);
    dbg_lua_push(L, &to);
    return 1;
}

/* Where a pointer, slice, map, channel or function points to; else where the value is. */
static int address(lua_State *L)
{
    struct lua_value *u = check(L, 1);
    struct rt_stand *st = dbg_lua_of(L)->st;
    enum dbg_kind k = dbg_value_kind(st, &u->v);
    uint64_t at = u->v.v.addr;
    bool refers = k == DBG_KIND_POINTER || k == DBG_KIND_SLICE || k == DBG_KIND_MAP ||
                  k == DBG_KIND_CHAN || k == DBG_KIND_FUNC;
    if (refers && !value_get(rt_stand_values(st, NULL), &u->v.v, 0, &at, sizeof(at)))
        at = 0;
    if (at)
        lua_pushinteger(L, (lua_Integer)at);
    else
        lua_pushnil(L);
    return 1;
}

/* Of a slice's or array's elements, as a string. */
static int bytes_of(lua_State *L)
{
    struct lua_value *u = check(L, 1);
    struct rt_stand *st = dbg_lua_of(L)->st;
    uint64_t n = 0;
    taddr at = dbg_value_memory(st, &u->v, &n);
    if (n > STRING_MAX)
        return luaL_error(L, "%d bytes at most, not %f", STRING_MAX, (lua_Number)n);
    char *text = arena_alloc(dbg_lua_arena(L), n + 1);
    struct value there = {.type = DWARF_NO_ID, .addr = at};
    if (n && !value_get(rt_stand_values(st, NULL), at ? &there : &u->v.v, 0, text, n))
        return luaL_error(L, "the bytes cannot be read");
    lua_pushlstring(L, text, n);
    return 1;
}

void dbg_lua_value_functions(lua_State *L)
{
    static const luaL_Reg functions[] = {{"type", type_name}, {"raw", value_raw},  {"deref", deref},
                                         {"addr", address},   {"bytes", bytes_of}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

void lua_values_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", value_index},
                                       {"__len", value_length},
                                       {"__tostring", value_text},
                                       {"__pairs", value_pairs},
                                       {NULL, NULL}};
    luaL_newmetatable(L, VALUE_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushboolean(L, 0); /* getmetatable() does not lead to the methods */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
