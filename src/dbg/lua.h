/* lua.h - Lua for users of the debugger: conditions of breakpoints, printers of values
 * (dbg/printers.h), and the ground for scripts.
 *
 * A state has no way out but what its owner puts into it: the base functions, string, table, math
 * and utf8, without load, dofile, require, io, os, package, debug.  It has a limit of memory, and
 * one of steps for each call from outside, so that a loop without end ends; an error of that kind
 * cannot be caught inside.
 *
 * Values of the program are, in Lua: numbers, strings, bools and nil pointers as they are, what an
 * interface holds instead of the interface, everything else as a value with fields (h.queue),
 * elements (h.queue[0], m["k"]; from 0 on as in Go), a length (#h.queue), a text (tostring(h)) and
 * parts (pairs(h)).  Such a value is of the stop it was made at, and an error later.
 *
 * A condition is "return (TEXT)", or TEXT as statements that return.  Variables of the frame are
 * variables of Lua.  go("EXPR") is a Go expression.
 *
 * Owner: dbg_lua_close(), dbg_lua_condition_free().  Thread: a state is locked while it is called;
 * whoever lets others in meanwhile says so (dbg_lua_yield()). */
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
struct dbg_lua *dbg_lua_of(struct lua_State *L);
/* Leaves the chunk as a function on the stack.  USAGE: what is wrong, and in which line. */
struct err *dbg_lua_load(struct dbg_lua *l, const char *text, size_t n, const char *name) MUST_USE;
/* Calls what lies below nargs arguments; its results, or nothing after an error, are left.  The
 * steps are counted anew, unless a call from outside is under way. */
struct err *dbg_lua_call(struct dbg_lua *l, int nargs, int nresults) MUST_USE;
/* The steps of the call that is under way are counted anew. */
void dbg_lua_rearm(struct dbg_lua *l);
/* A function of C that Lua called may take long: others may call meanwhile, on other threads of
 * Lua. */
void dbg_lua_yield(struct dbg_lua *l);
void dbg_lua_resume(struct dbg_lua *l);

/* A call within others, or beside them, that has limits of its own: dbg_lua_call() with the state
 * L, from whatever thread. */
struct dbg_lua_inner {
    struct lua_State *L;
    uint64_t steps;
    size_t memory;
};
/* LIMIT: it ran for too long, or took too much. */
struct err *dbg_lua_call_inner(struct dbg_lua *l, const struct dbg_lua_inner *how, int nargs,
                               int nresults) MUST_USE;
/* While one goes on: what a script may do, it may not. */
bool dbg_lua_is_inner(const struct dbg_lua *l);
void dbg_lua_lock(struct dbg_lua *l); /* as often as wanted by one thread */
void dbg_lua_unlock(struct dbg_lua *l);

/* ---- values (lua_value.c) ---- */

/* The values are those of st from now on (NULL: there are none); returns which it was. */
struct rt_stand *dbg_lua_look_at(struct dbg_lua *l, struct rt_stand *st);
/* Puts the functions about values into the table on top of the stack: type, raw, deref, addr,
 * bytes.  In Lua: may raise an error, as all that follow. */
void dbg_lua_value_functions(struct lua_State *L);
/* Pushes a value. */
void dbg_lua_push(struct lua_State *L, const struct dbg_value *v);
/* Only a number, string, bool or nil.  False: it is none of these; nothing was pushed. */
bool dbg_lua_push_scalar(struct lua_State *L, struct rt_stand *st, const struct dbg_value *v);
/* What stands at an index of the stack as a value: one of the program, a number, string or bool.
 * Its bytes are the arena's.  False: something else, or it is of another stop. */
bool dbg_lua_to_value(struct lua_State *L, int at, struct arena *a, struct dbg_value *ret);
/* Memory for what a function of C does: emptied by and by. */
struct arena *dbg_lua_arena(struct lua_State *L);
/* Raises the error, which is freed. */
int dbg_lua_raise(struct lua_State *L, struct err *e);

struct dbg_lua_condition;
/* USAGE: it is no Lua. */
struct err *dbg_lua_condition(const struct expr_place *at, const char *text,
                              struct dbg_lua_condition **ret) MUST_USE;
void dbg_lua_condition_free(struct dbg_lua_condition *c); /* NULL is fine */
/* Everything but false and nil is true.  ctx->arena: not used. */
struct err *dbg_lua_true(struct dbg_lua_condition *c, const struct expr_ctx *ctx,
                         bool *ret) MUST_USE;

#endif
