/* printers.c - printers of values in Lua; see printers.h.
 *
 * Calls are made by a function of C that Lua calls (run_printer), so that errors of Lua, for want
 * of memory, too, end there; what it makes is in buffers and arenas of its caller. */
#include "dbg/printers.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "base/regex.h"
#include "base/text.h"
#include "base/vec.h"
#include "dbg/dbg_int.h"

enum {
    STEPS = 500000,
    MEMORY = 8 << 20,
    ROOM = 64 << 20,
    LOADING_STEPS = 100000000,
    PRINTERS_MAX = 1024,
    NAME_MAX_BYTES = 1024,
    FILE_MAX_BYTES = 1 << 20,
    TEXT_MAX_BYTES = 4096,
    TROUBLE_MAX = 200,
    PARTS_MAX = 1000,
    NESTED_MAX = 8, /* a printer that has a value shown that has a printer ... */
    STRIKES = 3,
    HOOKS = 2,
    NO_PRINTER = UINT32_MAX - 1,
};

struct printer {
    char *name; /* owned */
    struct regex *re;
    int fn; /* in Lua's registry */
    char where[256];
    unsigned strikes;
    char trouble[TROUBLE_MAX]; /* why it is off */
};

struct hook {
    struct value_printers printers; /* what rt/value.h calls */
    struct dbg_printers *p;
    struct rt_stand *st;
    lua_State *L;
    struct map by_type; /* id of a type -> index of its printer, or NO_PRINTER */
    uint64_t version;
};

struct active { /* a value whose printer runs */
    taddr addr;
    uint64_t type;
};

struct dbg_printers {
    struct dbg_lua *lua;
    bool owns;
    VEC(struct printer) v;
    atomic_size_t n;  /* of v: most sessions have none, which costs nothing */
    uint64_t version; /* how often v has changed */
    struct hook hooks[HOOKS];
    struct active active[NESTED_MAX];
    unsigned nactive;
};

/* ---- registering ---- */

static void forget(struct dbg_printers *p, size_t i)
{
    free(p->v.v[i].name);
    regex_free(p->v.v[i].re);
    memmove(&p->v.v[i], &p->v.v[i + 1], (--p->v.n - i) * sizeof(p->v.v[i]));
    p->version++;
    atomic_store(&p->n, p->v.n);
}

static int register_printer(lua_State *L)
{
    struct dbg_printers *p = lua_touserdata(L, lua_upvalueindex(1));
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    struct printer row = {0};
    lua_Debug ar;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    if (dbg_lua_is_inner(p->lua))
        return luaL_error(L, "a printer cannot register printers");
    if (!len || len > NAME_MAX_BYTES || strlen(name) != len)
        return luaL_error(L, "the name of a type has 1 to %d bytes", NAME_MAX_BYTES);
    for (size_t i = 0; i < p->v.n; i++)
        if (strcmp(p->v.v[i].name, name) == 0) {
            luaL_unref(L, LUA_REGISTRYINDEX, p->v.v[i].fn);
            forget(p, i);
            break;
        }
    if (lua_isnil(L, 2))
        return 0;
    if (p->v.n >= PRINTERS_MAX)
        return luaL_error(L, "more than %d printers", PRINTERS_MAX);
    if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar))
        snprintf(row.where, sizeof(row.where), "%s:%d", ar.short_src, ar.currentline);
    row.fn = luaL_ref(L, LUA_REGISTRYINDEX);
    if (len > 2 && name[0] == '/' && name[len - 1] == '/') {
        char pattern[NAME_MAX_BYTES];
        snprintf(pattern, sizeof(pattern), "%.*s", (int)len - 2, name + 1);
        struct err *e = regex_compile(pattern, &row.re, NULL);
        if (e) {
            luaL_unref(L, LUA_REGISTRYINDEX, row.fn);
            return dbg_lua_raise(L, e);
        }
    }
    row.name = mem_strdup(name); /* nothing raises an error from here on */
    vec_push(&p->v, row);
    p->version++;
    atomic_store(&p->n, p->v.n);
    return 0;
}

/* ---- finding ---- */

/* Where the last part of a path begins: behind a '*' or '[]' that belongs to the whole. */
static bool same_tail(const char *name, size_t n, const char *type, size_t len)
{
    size_t stars = strspn(type, "*[]"), slash = 0;
    for (size_t i = 0; i < len; i++)
        if (type[i] == '/')
            slash = i + 1;
    if (!slash)
        return n == len && memcmp(name, type, n) == 0;
    return n == stars + len - slash && memcmp(name, type, stars) == 0 &&
           memcmp(name + stars, type + slash, len - slash) == 0;
}

static bool fits(const struct printer *r, const char *type)
{
    if (r->re)
        return regex_match(r->re, type);
    size_t n = strlen(r->name), len = strlen(type), stars = strspn(type, "*[]");
    size_t base = stars + strcspn(type + stars, "[{("); /* without type arguments */
    if (n == len && memcmp(r->name, type, n) == 0)
        return true;
    if (memchr(r->name, '/', n))
        return n == base && memcmp(r->name, type, n) == 0;
    return same_tail(r->name, n, type, base) || same_tail(r->name, n, type, len);
}

static struct printer *printer_of(struct hook *h, uint64_t id, const char *type)
{
    struct dbg_printers *p = h->p;
    bool added;
    if (h->version != p->version) {
        map_free(&h->by_type);
        h->by_type = (struct map){0};
        h->version = p->version;
    }
    uint32_t at = map_get_or_put(&h->by_type, id, NO_PRINTER, &added);
    for (size_t i = p->v.n; added && at == NO_PRINTER && i-- > 0;)
        if (fits(&p->v.v[i], type))
            at = (uint32_t)i;
    if (added)
        map_put(&h->by_type, id, at);
    return at == NO_PRINTER ? NULL : &p->v.v[at];
}

/* ---- calling ---- */

struct job {
    struct hook *h;
    const struct printer *printer;
    const struct value *x;
    const char *type;
    const struct value_asked *q; /* NULL: children are wanted, not text */
    struct buf *text, *parts;    /* parts NULL: not wanted */
    struct arena *a;             /* of children */
    struct arena scratch;        /* of parts */
    VEC(struct dbg_value) children;
    enum value_printed how;
};

/* The name and value of item i of the list on top of the stack; leaves the item's two parts. */
static const char *item(lua_State *L, lua_Integer i)
{
    if (lua_rawgeti(L, 2, i) != LUA_TTABLE)
        luaL_error(L, "child %d is not {name, value}", (int)i);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    if (!lua_isstring(L, -2))
        luaL_error(L, "child %d has no name", (int)i);
    return lua_tostring(L, -2);
}

static void put_parts(lua_State *L, struct job *j)
{
    struct value_limits l = *j->q->limits;
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2),
                most = (lua_Integer)min_u64(l.elements, PARTS_MAX);
    l.depth = l.depth > j->q->depth ? l.depth - j->q->depth - 1 : 0;
    l.plain = false;
    for (lua_Integer i = 1; i <= n && i <= most && !j->parts->full; i++) {
        struct dbg_value v;
        const char *name = item(L, i);
        buf_str(j->parts, i > 1 ? ", " : "");
        text_clean(j->parts, name);
        buf_str(j->parts, ": ");
        if (dbg_lua_to_value(L, -1, &j->scratch, &v))
            dbg_value_text(j->h->st, &v, &l, j->parts);
        else
            buf_str(j->parts, lua_isnil(L, -1) ? "nil" : "?");
        lua_settop(L, 2);
    }
    if (n > most)
        buf_printf(j->parts, ", ...+%lld more", (long long)(n - most));
}

static void take_children(lua_State *L, struct job *j)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
    for (lua_Integer i = 1; i <= n && i <= PARTS_MAX; i++) {
        struct dbg_value v = {.form = DBG_NIL};
        const char *name = item(L, i);
        if (!dbg_lua_to_value(L, -1, j->a, &v) && !lua_isnil(L, -1))
            luaL_error(L, "child %d is a %s, no value", (int)i, luaL_typename(L, -1));
        v.name = arena_strdup(j->a, name);
        v.path = "";
        if (!v.type)
            v.type = "";
        vec_push(&j->children, v);
        lua_settop(L, 2);
    }
    if (n > PARTS_MAX) {
        struct dbg_value v = {.form = DBG_NIL, .name = "…", .path = "", .type = ""};
        v.why = arena_printf(j->a, "%lld more than a printer may name", (long long)(n - PARTS_MAX));
        vec_push(&j->children, v);
    }
}

/* Only pointers: nil means nil. */
static bool is_nil(lua_State *L)
{
    return lua_isnil(L, -1);
}

static int run_printer(lua_State *L)
{
    struct job *j = lua_touserdata(L, 1);
    struct dbg_value v = {.form = DBG_VALUE, .v = *j->x, .type = j->type, .name = "", .path = ""};
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->printer->fn);
    dbg_lua_push(L, &v);
    if (is_nil(L))
        return 0;
    lua_pushstring(L, j->type);
    lua_call(L, 2, 2);
    if (lua_isnil(L, 1))
        return 0;
    if (!lua_isstring(L, 1))
        return luaL_error(L, "it returned a %s, not a text", luaL_typename(L, 1));
    if (!lua_isnil(L, 2) && !lua_istable(L, 2))
        return luaL_error(L, "its second result is a %s, not a list", luaL_typename(L, 2));
    j->how = VALUE_PRINTED;
    if (j->text) {
        size_t n;
        const char *text = lua_tolstring(L, 1, &n);
        buf_add(j->text, text, min_u64(n, TEXT_MAX_BYTES));
        buf_str(j->text, n > TEXT_MAX_BYTES ? "…" : "");
    }
    if (lua_istable(L, 2) && j->parts)
        put_parts(L, j);
    if (lua_istable(L, 2) && j->a)
        take_children(L, j);
    return 0;
}

static bool is_active(const struct dbg_printers *p, const struct value *x)
{
    for (unsigned i = 0; i < p->nactive; i++)
        if (p->active[i].addr == x->addr && p->active[i].type == x->type)
            return true;
    return p->nactive >= NESTED_MAX;
}

/* One line, and of a length for the end of another. */
static void keep_trouble(struct err *e, char text[TROUBLE_MAX])
{
    snprintf(text, TROUBLE_MAX, "%s", err_message(e));
    text[strcspn(text, "\r\n")] = 0;
}

/* Calls the printer of a value, if it has one; trouble gets why it failed.  Locked. */
static enum value_printed ask(struct hook *h, struct job *j, char trouble[TROUBLE_MAX])
{
    struct dbg_printers *p = h->p;
    struct dbg_lua_inner how = {.L = h->L, .steps = STEPS, .memory = MEMORY};
    struct printer *r = printer_of(h, j->x->type, j->type);
    if (!r || is_active(p, j->x) || !lua_checkstack(h->L, 4))
        return VALUE_AS_USUAL;
    if (*r->trouble) {
        snprintf(trouble, TROUBLE_MAX, "%s", r->trouble);
        return VALUE_FAILED;
    }
    j->h = h;
    j->printer = r;
    struct rt_stand *was = dbg_lua_look_at(p->lua, h->st);
    p->active[p->nactive++] = (struct active){.addr = j->x->addr, .type = j->x->type};
    lua_pushcfunction(h->L, run_printer);
    lua_pushlightuserdata(h->L, j);
    struct err *e = dbg_lua_call_inner(p->lua, &how, 1, 0);
    p->nactive--;
    dbg_lua_look_at(p->lua, was);
    if (!e)
        return j->how;
    keep_trouble(e, trouble);
    if (err_code(e) == ERR_LIMIT && !p->nactive && ++r->strikes >= STRIKES)
        snprintf(r->trouble, sizeof(r->trouble), "off after %d failures: %.140s", STRIKES, trouble);
    err_free(e);
    return VALUE_FAILED;
}

static enum value_printed put(void *arg, struct values *v, const struct value_asked *q)
{
    struct hook *h = arg;
    char trouble[TROUBLE_MAX];
    struct buf text, parts;
    if (!atomic_load(&h->p->n))
        return VALUE_AS_USUAL;
    const char *type = value_type_name(v, q->x->type);
    if (!*type)
        return VALUE_AS_USUAL;
    buf_init(&text, TEXT_MAX_BYTES + 8);
    buf_init(&parts, TEXT_MAX_BYTES);
    struct job j = {
        .x = q->x, .type = type, .q = q, .text = &text, .parts = q->parts ? &parts : NULL};
    arena_init(&j.scratch);
    dbg_lua_lock(h->p->lua);
    enum value_printed how = ask(h, &j, trouble);
    dbg_lua_unlock(h->p->lua);
    arena_free(&j.scratch);
    if (how == VALUE_PRINTED)
        text_clean(q->text, buf_text(&text));
    else if (how == VALUE_FAILED)
        text_clean(q->text, trouble);
    if (how == VALUE_PRINTED && q->parts) {
        buf_add(q->parts, parts.p, parts.n);
        buf_str(q->parts, parts.full ? "…" : "");
    }
    buf_free(&text);
    buf_free(&parts);
    return how;
}

bool dbg_printed_children(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                          struct dbg_value **ret, size_t *ret_n)
{
    struct values *vs = rt_stand_values(st, NULL);
    const struct value_printers *vp = vs ? values_printers(vs) : NULL;
    char trouble[TROUBLE_MAX];
    if (!vp || vp->put != put || v->form != DBG_VALUE || v->why || v->plain)
        return false;
    struct hook *h = vp->arg;
    const char *type = value_type_name(vs, v->v.type);
    if (!atomic_load(&h->p->n) || !*type)
        return false;
    struct job j = {.x = &v->v, .type = type, .a = a};
    dbg_lua_lock(h->p->lua);
    bool ok = ask(h, &j, trouble) == VALUE_PRINTED && j.children.n;
    dbg_lua_unlock(h->p->lua);
    if (ok) {
        *ret = arena_array(a, struct dbg_value, j.children.n);
        memcpy(*ret, j.children.v, j.children.n * sizeof(**ret));
        *ret_n = j.children.n;
    }
    vec_free(&j.children);
    return ok;
}

/* ---- opening ---- */

static int prepare(lua_State *L)
{
    struct dbg_printers *p = lua_touserdata(L, 1);
    if (lua_getglobal(L, "gospect") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setglobal(L, "gospect");
    }
    dbg_lua_value_functions(L);
    lua_pushlightuserdata(L, p);
    lua_pushcclosure(L, register_printer, 1);
    lua_setfield(L, -2, "printer");
    p->hooks[0].L = L;
    p->hooks[1].L = lua_newthread(L); /* the tracer's thread may call while the other one waits */
    lua_setfield(L, LUA_REGISTRYINDEX, "gospect.tracer");
    return 0;
}

struct err *dbg_printers_new(struct dbg_lua *l, struct dbg_printers **ret)
{
    struct dbg_printers *p = mem_alloc(sizeof(*p));
    p->lua = l;
    for (size_t i = 0; i < HOOKS; i++) {
        p->hooks[i].p = p;
        p->hooks[i].printers = (struct value_printers){.put = put, .arg = &p->hooks[i]};
    }
    lua_pushcfunction(dbg_lua_state(l), prepare);
    lua_pushlightuserdata(dbg_lua_state(l), p);
    struct err *e = dbg_lua_call(l, 1, 0);
    if (e) {
        free(p);
        return e;
    }
    p->hooks[0].L = dbg_lua_state(l);
    *ret = p;
    return NULL;
}

struct err *dbg_printers_open(struct dbg_printers **ret)
{
    struct dbg_lua_limits limits = {.memory = ROOM, .steps = LOADING_STEPS};
    struct dbg_lua *l;
    TRY(dbg_lua_open(&limits, &l));
    struct err *e = dbg_printers_new(l, ret);
    if (e)
        dbg_lua_close(l);
    else
        (*ret)->owns = true;
    return e;
}

void dbg_printers_free(struct dbg_printers *p)
{
    if (!p)
        return;
    if (p->owns)
        dbg_lua_close(p->lua);
    for (size_t i = 0; i < p->v.n; i++) {
        free(p->v.v[i].name);
        regex_free(p->v.v[i].re);
    }
    for (size_t i = 0; i < HOOKS; i++)
        map_free(&p->hooks[i].by_type);
    vec_free(&p->v);
    free(p);
}

struct err *dbg_printers_run(struct dbg_printers *p, const char *path)
{
    struct buf text = {0};
    struct err *e = file_read(path, FILE_MAX_BYTES, &text);
    if (!e) {
        char *name = mem_alloc(strlen(path) + 2);
        sprintf(name, "@%s", path);
        e = dbg_lua_load(p->lua, buf_text(&text), text.n, name);
        free(name);
    }
    buf_free(&text);
    return e ? e : dbg_lua_call(p->lua, 0, 0);
}

const char *dbg_printers_file(struct arena *a)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME"), *path = NULL;
    if (config && *config == '/')
        path = arena_printf(a, "%s/gospect/printers.lua", config);
    else if (home && *home == '/')
        path = arena_printf(a, "%s/.config/gospect/printers.lua", home);
    return path && access(path, F_OK) == 0 ? path : NULL;
}

/* ---- in use ---- */

void dbg_printers_attach(struct dbg_printers *p, unsigned hook, struct rt_stand *st)
{
    struct hook *h = p ? &p->hooks[hook] : NULL;
    if (!st)
        return;
    if (h) { /* types of another program have other ids */
        dbg_lua_lock(p->lua);
        map_free(&h->by_type);
        h->by_type = (struct map){0};
        h->st = st;
        dbg_lua_unlock(p->lua);
    }
    rt_stand_set_printers(st, h ? &h->printers : NULL);
}

void dbg_use_printers(struct dbg *d, struct dbg_printers *p)
{
    d->printers = p;
    dbg_printers_attach(p, 0, d->stand);
    dbg_printers_attach(p, 1, d->hit_stand);
}

size_t dbg_printers_list(struct dbg_printers *p, struct arena *a, struct dbg_printer_info **ret)
{
    dbg_lua_lock(p->lua);
    size_t n = p->v.n;
    *ret = arena_array(a, struct dbg_printer_info, n + 1);
    for (size_t i = 0; i < n; i++) {
        (*ret)[i].name = arena_strdup(a, p->v.v[i].name);
        (*ret)[i].where = arena_strdup(a, p->v.v[i].where);
        (*ret)[i].trouble = arena_strdup(a, p->v.v[i].trouble);
    }
    dbg_lua_unlock(p->lua);
    return n;
}
