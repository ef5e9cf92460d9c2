/* debug_lua.c - scripts in Lua for the terminal debugger: the table `gospect`; see
 * docs/how/debug.md.
 *
 * What a function owns while Lua may raise an error (which jumps) belongs to the script: its arena
 * and its buffer are emptied by the next call. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "dbg/printers.h"
#include "front/cli/debug_int.h"

enum { MEMORY = 64 << 20, SCRIPT_MAX = 1 << 20, FRAMES_LOOKED_AT = 64 };
#define STEPS UINT64_C(100000000)

struct lua_script {
    struct shell *shell;
    struct dbg_lua *lua;
    struct dbg_printers *printers;
    struct arena arena;
    struct buf said; /* by a command */
    char trouble[1024];
    int on_stop;  /* a function in Lua's registry; LUA_NOREF: none */
    bool in_hook; /* on_stop runs */
};

static struct lua_script *script_of(lua_State *L)
{
    struct lua_script *x = lua_touserdata(L, lua_upvalueindex(1));
    if (dbg_lua_is_inner(x->lua))
        luaL_error(L, "a printer may look at its value, and nothing else");
    return x;
}

static void fresh(struct lua_script *x)
{
    arena_free(&x->arena);
    arena_init(&x->arena);
}

static int fail(lua_State *L, struct lua_script *x, struct err *e)
{
    snprintf(x->trouble, sizeof(x->trouble), "%s", err_message(e));
    err_free(e);
    return luaL_error(L, "%s", x->trouble);
}

/* ---- what Lua calls ---- */

static struct rt_stand *shell_stand(struct shell *s)
{
    return s->d && shell_state(s) == DBG_STANDS ? dbg_stand(s->d) : NULL;
}

static int do_command(lua_State *L)
{
    struct lua_script *x = script_of(L);
    struct shell *s = x->shell;
    const char *text = luaL_checkstring(L, 1);
    struct buf *outer = s->capture;
    buf_clear(&x->said);
    s->capture = &x->said;
    s->was_interrupted = false;
    dbg_lua_yield(x->lua); /* the program may run, and meet log points that have values printed */
    struct err *e = shell_command(s, text);
    s->capture = outer;
    shell_flush(s);
    dbg_lua_resume(x->lua);
    dbg_lua_look_at(x->lua, shell_stand(s));
    dbg_lua_rearm(x->lua);
    if (!e && s->was_interrupted)
        e = err_new(ERR_CANCELLED, "interrupted");
    if (e)
        return fail(L, x, e);
    lua_pushlstring(L, buf_text(&x->said), x->said.n);
    return 1;
}

static int do_eval(lua_State *L)
{
    struct lua_script *x = script_of(L);
    struct shell *s = x->shell;
    const char *text = luaL_checkstring(L, 1);
    struct value_limits limits = show_limits(s);
    struct dbg_value v = {0};
    fresh(x);
    lua_newtable(L);
    bool stands = shell_state(s) == DBG_STANDS;
    dbg_lua_yield(x->lua); /* as for a command: it may call functions of the program */
    struct err *e =
        stands ? shell_eval(s, text, &x->arena, &v) : err_new(ERR_GONE, "the process has ended");
    dbg_lua_resume(x->lua);
    dbg_lua_look_at(x->lua, shell_stand(s));
    if (e) {
        const char *why = arena_strdup(&x->arena, err_message(e));
        err_free(e);
        lua_pushstring(L, why);
        lua_setfield(L, -2, "error");
        return 1;
    }
    if (v.why) {
        lua_pushstring(L, v.why);
        lua_setfield(L, -2, "error");
        return 1;
    }
    buf_clear(&x->said);
    dbg_value_text(dbg_stand(s->d), &v, &limits, &x->said);
    lua_pushlstring(L, buf_text(&x->said), x->said.n);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, v.type ? v.type : "");
    lua_setfield(L, -2, "type");
    if (v.form == DBG_VALUE || v.form == DBG_UNTYPED || v.form == DBG_NIL) {
        dbg_lua_push(L, &v);
        lua_setfield(L, -2, "value");
    }
    return 1;
}

static int do_on_stop(lua_State *L)
{
    struct lua_script *x = script_of(L);
    if (!lua_isnoneornil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, x->on_stop);
    x->on_stop = LUA_NOREF;
    lua_settop(L, 1);
    if (!lua_isnil(L, 1))
        x->on_stop = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text ? text : "");
    lua_setfield(L, -2, key);
}

static void set_int(lua_State *L, const char *key, int64_t v)
{
    lua_pushinteger(L, v);
    lua_setfield(L, -2, key);
}

static void set_frame(lua_State *L, const struct rt_frame *f)
{
    if (!f)
        return;
    set_text(L, "func", f->func);
    set_text(L, "file", f->file);
    set_int(L, "line", f->line);
}

static const struct rt_frame *own_frame(const struct rt_frames *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].runtime && !f->v[i].wrapper && *f->v[i].func)
            return &f->v[i];
    return f->n ? &f->v[0] : NULL;
}

static int do_goroutines(lua_State *L)
{
    struct lua_script *x = script_of(L);
    struct shell *s = x->shell;
    const struct rt_goroutine *v;
    size_t n = 0;
    fresh(x);
    struct err *e = shell_state(s) == DBG_STANDS ? rt_goroutines(dbg_stand(s->d), &v, &n)
                                                 : err_new(ERR_GONE, "the process has ended");
    if (e)
        return fail(L, x, e);
    lua_createtable(L, (int)min_u64(n, 1 << 20), 0);
    for (size_t i = 0; i < n; i++) {
        struct rt_frames frames = {0};
        fresh(x);
        err_free(shell_frames(s, &v[i], FRAMES_LOOKED_AT, &x->arena, &frames));
        lua_newtable(L);
        set_int(L, "id", (int64_t)v[i].id);
        set_text(L, "state", snap_gstatus_name((uint32_t)v[i].status));
        set_text(L, "reason", v[i].wait_reason);
        lua_pushboolean(L, v[i].system);
        lua_setfield(L, -2, "system");
        set_frame(L, own_frame(&frames));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int do_print(lua_State *L)
{
    struct lua_script *x = script_of(L);
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, '\n');
    luaL_pushresult(&b);
    shell_printf(x->shell, "%s", lua_tostring(L, -1));
    shell_flush(x->shell);
    return 0;
}

static int prepare(lua_State *L)
{
    static const luaL_Reg functions[] = {{"command", do_command},
                                         {"eval", do_eval},
                                         {"on_stop", do_on_stop},
                                         {"goroutines", do_goroutines},
                                         {NULL, NULL}};
    lua_newtable(L);
    lua_pushvalue(L, 1); /* the script: what the functions share */
    luaL_setfuncs(L, functions, 1);
    lua_setglobal(L, "gospect");
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, do_print, 1);
    lua_setglobal(L, "print");
    return 0;
}

/* ---- from the shell ---- */

static bool cancelled(void *arg)
{
    struct shell *s = arg;
    return s->c->progress.base.cancelled(&s->c->progress.base);
}

static struct err *open_script(struct shell *s)
{
    struct dbg_lua_limits limits = {
        .memory = MEMORY, .steps = STEPS, .cancelled = cancelled, .arg = s};
    struct lua_script *x = mem_alloc(sizeof(*x));
    x->shell = s;
    x->on_stop = LUA_NOREF;
    arena_init(&x->arena);
    struct err *e = dbg_lua_open(&limits, &x->lua);
    if (!e) {
        lua_pushcfunction(dbg_lua_state(x->lua), prepare);
        lua_pushlightuserdata(dbg_lua_state(x->lua), x);
        e = dbg_lua_call(x->lua, 1, 0);
    }
    if (!e)
        e = dbg_printers_new(x->lua, &x->printers);
    s->lua = x;
    if (e)
        lua_script_free(s);
    else
        dbg_use_printers(s->d, x->printers);
    return e;
}

struct err *lua_script_run(struct shell *s, const char *path)
{
    struct buf text = {0};
    struct err *e = file_read(path, SCRIPT_MAX, &text);
    if (!e && !s->lua)
        e = open_script(s);
    if (!e) {
        char *name = arena_printf(&s->arena, "@%s", path);
        (void)run_interrupted();
        e = dbg_lua_load(s->lua->lua, buf_text(&text), text.n, name);
    }
    buf_free(&text);
    if (e)
        return e;
    dbg_lua_look_at(s->lua->lua, shell_stand(s));
    return dbg_lua_call(s->lua->lua, 0, 0);
}

void lua_script_printers(struct shell *s)
{
    const char *path = dbg_printers_file(&s->arena);
    struct err *e = path ? lua_script_run(s, path) : NULL;
    if (e)
        cli_note(s->c, "printers: %s", err_message(e));
    err_free(e);
}

struct err *verb_printers(struct shell *s, char *rest)
{
    struct dbg_printer_info *v;
    struct arena a;
    struct buf b = {0};
    if (*rest)
        return shell_usage("printers");
    arena_init(&a);
    size_t n = s->lua ? dbg_printers_list(s->lua->printers, &a, &v) : 0;
    while (n-- > 0) {
        text_clean(&b, v[n].name);
        buf_str(&b, "  ");
        text_clean(&b, v[n].where);
        if (*v[n].trouble) {
            buf_str(&b, "  ");
            text_clean(&b, v[n].trouble);
        }
        buf_char(&b, '\n');
    }
    if (!b.n)
        buf_str(&b, "There are no printers.\n");
    shell_say(s, &b);
    buf_free(&b);
    arena_free(&a);
    return NULL;
}

struct stop {
    const struct dbg_event *ev;
    const char *why;
    struct rt_frame frame;
    bool has_frame;
};

/* Builds the argument; in Lua, because of its errors. */
static int push_stop(lua_State *L)
{
    const struct stop *stop = lua_touserdata(L, 1);
    lua_newtable(L);
    set_text(L, "why", stop->why);
    set_int(L, "goroutine", stop->ev->goroutine);
    set_text(L, "text", stop->ev->text);
    if (stop->has_frame)
        set_frame(L, &stop->frame);
    lua_newtable(L);
    lua_Integer n = 0;
    for (size_t i = 0; i < stop->ev->nbps; i++) {
        if (dbg_bp_always(stop->ev->bps[i]))
            continue; /* why says it */
        lua_pushinteger(L, stop->ev->bps[i]);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "breakpoints");
    return 1;
}

static const char *why_word(enum dbg_why why)
{
    static const char *const words[] = {[DBG_WHY_ATTACHED] = "attached",
                                        [DBG_WHY_ENTRY] = "entry",
                                        [DBG_WHY_BREAKPOINT] = "breakpoint",
                                        [DBG_WHY_STEP] = "step",
                                        [DBG_WHY_WATCH] = "watch",
                                        [DBG_WHY_WATCH_GONE] = "watch gone",
                                        [DBG_WHY_INTERRUPT] = "interrupt",
                                        [DBG_WHY_PANIC] = "panic",
                                        [DBG_WHY_FATAL] = "fatal error",
                                        [DBG_WHY_SIGNAL] = "signal",
                                        [DBG_WHY_TRAP] = "trap",
                                        [DBG_WHY_CALL_DONE] = "call"};
    return why < ARRAY_LEN(words) && words[why] ? words[why] : "?";
}

static struct err *call_hook(struct lua_script *x, struct stop *stop)
{
    lua_State *L = dbg_lua_state(x->lua);
    lua_rawgeti(L, LUA_REGISTRYINDEX, x->on_stop);
    lua_pushcfunction(L, push_stop);
    lua_pushlightuserdata(L, stop);
    struct err *e = dbg_lua_call(x->lua, 1, 1);
    if (e) {
        lua_pop(L, 1);
        return e;
    }
    return dbg_lua_call(x->lua, 1, 0);
}

void lua_script_stopped(struct shell *s, const struct dbg_event *ev)
{
    struct lua_script *x = s->lua;
    struct stop stop = {.ev = ev, .why = why_word(ev->why)};
    struct arena a;
    struct where w;
    if (!x || x->on_stop == LUA_NOREF || x->in_hook)
        return;
    arena_init(&a);
    struct err *e = shell_where(s, &a, 1, &w);
    if (!e && w.frame) {
        stop.frame = *w.frame;
        stop.has_frame = true;
    }
    err_free(e);
    s->in_hook = x->in_hook = true;
    e = call_hook(x, &stop);
    s->in_hook = x->in_hook = false;
    if (e)
        shell_error(s, err_wrap(e, "on_stop"));
    arena_free(&a);
}

void lua_script_free(struct shell *s)
{
    struct lua_script *x = s->lua;
    if (!x)
        return;
    if (s->d)
        dbg_use_printers(s->d, NULL);
    dbg_printers_free(x->printers);
    dbg_lua_close(x->lua);
    arena_free(&x->arena);
    buf_free(&x->said);
    free(x);
    s->lua = NULL;
}
