/* lua_int.h - what lua.c (the state and its limits) and lua_value.c (values in it) share. */
#ifndef GOSPECT_DBG_LUA_INT_H
#define GOSPECT_DBG_LUA_INT_H

#include <pthread.h>

#include "dbg/lua.h"

struct lua_State;

struct dbg_lua {
    struct lua_State *L;
    struct dbg_lua_limits limits;
    size_t used;
    uint64_t left;        /* steps of the call */
    unsigned depth;       /* calls from outside in one another */
    unsigned inner;       /* dbg_lua_call_inner() in one another */
    pthread_mutex_t lock; /* recursive */
    struct rt_stand *st;  /* of the values; NULL: there are none */
    struct arena arena;   /* of one function of C */
    char trouble[1024];   /* an error's text, while it is raised */
};

/* What a function of C costs; raises an error when the steps are used up. */
void lua_spend(struct lua_State *L, uint64_t steps);
/* Makes what values need: their metatable. */
void lua_values_open(struct lua_State *L);

#endif
