/* lua.h - Lua for users of the debugger: conditions of breakpoints, and the ground for scripts.
 *
 * A state has no way out but what its owner puts into it: the base functions, string, table, math
 * and utf8, without load, dofile, require, io, os, package, debug.  It has a limit of memory, and
 * one of steps for each call from outside, so that a loop without end ends; an error of that kind
 * cannot be caught inside.
 *
 * A condition is "return (TEXT)", or TEXT as statements that return.  Variables of the frame are
 * variables of Lua: numbers, strings, bools and nil pointers as they are, everything else as a
 * value with fields (h.queue), elements (h.queue[0], m["k"]; from 0 on as in Go) and a length
 * (#h.queue). go("EXPR") is a Go expression.
 *
 * Owner: dbg_lua_close(), dbg_lua_condition_free().  Thread: one at a time. */
#ifndef GOSPECT_DBG_LUA_H
#define GOSPECT_DBG_LUA_H

#include "dbg/expr.h"

struct lua_State;
struct dbg_lua;

struct dbg_lua_limits {
    size_t memory;                /* bytes */
    uint64_t steps;               /* instructions of Lua's machine in one call */
    bool (*cancelled)(void *arg); /* asked now and then; NULL: never */
    void *arg;
};
struct err *dbg_lua_open(const struct dbg_lua_limits *limits, struct dbg_lua **ret) MUST_USE;
void dbg_lua_close(struct dbg_lua *l); /* NULL is fine */
struct lua_State *dbg_lua_state(struct dbg_lua *l);
/* Leaves the chunk as a function on the stack.  USAGE: what is wrong, and in which line. */
struct err *dbg_lua_load(struct dbg_lua *l, const char *text, size_t n, const char *name) MUST_USE;
/* Calls what lies below nargs arguments; its results, or nothing after an error, are left.  The
 * steps are counted anew, unless a call from outside is under way. */
struct err *dbg_lua_call(struct dbg_lua *l, int nargs, int nresults) MUST_USE;
/* The steps of the call that is under way are counted anew. */
void dbg_lua_rearm(struct dbg_lua *l);
/* Pushes a number, string, bool or nil.  False: it is none of these; nothing was pushed. */
bool dbg_lua_push(struct lua_State *L, struct rt_stand *st, const struct dbg_value *v);

struct dbg_lua_condition;
/* USAGE: it is no Lua. */
struct err *dbg_lua_condition(const struct expr_place *at, const char *text,
                              struct dbg_lua_condition **ret) MUST_USE;
void dbg_lua_condition_free(struct dbg_lua_condition *c); /* NULL is fine */
/* Everything but false and nil is true.  ctx->arena: not used. */
struct err *dbg_lua_true(struct dbg_lua_condition *c, const struct expr_ctx *ctx,
                         bool *ret) MUST_USE;

#endif
