/* copies.c - locks and WaitGroups that were copied: the table copied.
 *
 * Go: a Mutex, RWMutex or WaitGroup must not be copied once it is used (package sync); go vet finds
 * it in the source.  In a process it shows as a lock that somebody waits for and nobody releases,
 * because what is released, or was locked, is another copy.  So only then it is looked for:
 *
 *     functions that take such a thing by value (a parameter or a receiver, or a struct with one in
 *     it) are told by DWARF
 *     of goroutines in such a function, where the copy is: a variable, by DWARF; a WaitGroup that
 *     they will call Done of, by the code ahead of them
 *
 * Copies by assignment, or made by a range loop, are not told: a local variable with a lock in it
 * is fine by itself.  Programs without DWARF tell nothing of this. */
#include <stdlib.h>

#include "image/dwarf_const.h"
#include "image/dwarf_expr.h"
#include "image/dwarf_index.h"
#include "rt/ahead_int.h"

enum {
    PLACES_MAX = 4096,      /* pcs that DWARF is asked for */
    PLACES_STOPPED = 256,   /* while the process waits for us */
    GOROUTINES_MAX = 20000, /* whose frames are looked at */
    ROWS_MAX = 256,
    LOOKED_MAX = 64, /* goroutines whose code ahead is followed once more */
    TYPE_DEPTH = 12,
    LOCKS_MAX = 8, /* in one value */
};

struct lock_in {  /* a lock in a type */
    uint8_t kind; /* enum snap_objkind; SNAP_OBJ_UNKNOWN: there is none */
    uint64_t off;
};

struct by_value {
    const char *name, *type; /* DWARF's */
    struct dwarf_var var;
    bool escaped;
    struct lock_in lock;
};

struct place { /* a pc in a function that takes a lock by value */
    struct dwarf_scope scope;
    taddr slide; /* of the module it is in */
    const char *func;
    taddr entry;
    size_t first, n; /* of vars */
};

struct copied {
    uint32_t gi; /* SNAP_NONE: nobody */
    uint8_t kind;
    taddr addr, entry;
    int64_t state;
    const char *var, *type, *func;
};

struct copies {
    struct capture *c;
    struct ahead a;
    struct dwarf *dw;
    struct arena arena;
    struct map by_pc; /* -> index of places + 1; 0: nothing is taken by value there */
    VEC(struct place) places;
    VEC(struct by_value) vars;
    VEC(struct copied) v;
    uint64_t left_out; /* pcs */
};

/* ---- types ---- */

static uint8_t kind_of_type(const char *name)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {{"sync.Mutex", SNAP_OBJ_MUTEX},
                 {"sync.RWMutex", SNAP_OBJ_RWMUTEX},
                 {"sync.WaitGroup", SNAP_OBJ_WAITGROUP}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return SNAP_OBJ_UNKNOWN;
}

static const struct dwarf_type *type_at(struct dwarf *dw, uint64_t id, bool strip)
{
    const struct dwarf_type *t = NULL;
    struct err *e = id == DWARF_NO_ID ? NULL
                    : strip           ? dwarf_type_strip(dw, id, &t)
                                      : dwarf_type(dw, id, &t);
    if (e)
        t = NULL;
    err_free(e);
    return t;
}

/* The locks in a value of the type, up to LOCKS_MAX; how many there are now. */
static size_t locks_in(struct dwarf *dw, uint64_t id, uint64_t off, unsigned depth,
                       struct lock_in *ret, size_t n)
{
    const struct dwarf_type *named = type_at(dw, id, false), *t = type_at(dw, id, true);
    uint8_t kind = named ? kind_of_type(named->name) : (uint8_t)SNAP_OBJ_UNKNOWN;
    if (n == LOCKS_MAX || !t || depth >= TYPE_DEPTH)
        return n;
    if (kind) {
        ret[n] = (struct lock_in){.kind = kind, .off = off};
        return n + 1;
    }
    if (t->kind == DWARF_KIND_ARRAY && t->count > 0)
        return locks_in(dw, t->elem, off, depth + 1, ret, n); /* the first stands for all */
    for (size_t i = 0; t->kind == DWARF_KIND_STRUCT && i < t->nmembers; i++)
        n = locks_in(dw, t->members[i].type, off + t->members[i].off, depth + 1, ret, n);
    return n;
}

/* ---- what a frame has ---- */

/* Parameters by value, and what they were moved to: the variable of the same name. */
static bool is_taken(const struct dwarf_scope *s, const struct dwarf_var *v)
{
    const char *name = v->name + (*v->name == '&');
    for (size_t i = 0; i < s->nvars; i++) {
        const struct dwarf_var *p = &s->vars[i];
        if (p->call == v->call && p->param && !p->result && p->closure_offset <= 0 &&
            strcmp(p->name + (*p->name == '&'), name) == 0)
            return true;
    }
    return false;
}

static void take_var(struct copies *x, const struct dwarf_scope *s, const struct dwarf_var *v)
{
    struct by_value b = {.name = v->name, .var = *v, .escaped = *v->name == '&'};
    uint64_t type = v->type;
    if (b.escaped) {
        const struct dwarf_type *p = type_at(x->dw, type, true);
        type = p && p->kind == DWARF_KIND_POINTER ? p->elem : DWARF_NO_ID;
        b.name++;
    }
    struct lock_in locks[LOCKS_MAX];
    size_t n = type == DWARF_NO_ID ? 0 : locks_in(x->dw, type, 0, 0, locks, 0);
    if (!n || !is_taken(s, v))
        return;
    b.type = type_at(x->dw, type, false)->name;
    for (size_t i = 0; i < n; i++) {
        b.lock = locks[i];
        vec_push(&x->vars, b);
    }
}

static uint32_t look_up(struct copies *x, const struct ahead_frame *f)
{
    const struct ahead_fn *fn = &x->a.code.fns.v[f->fn];
    struct place p = {.func = fn->name, .entry = fn->entry, .first = x->vars.n};
    taddr pc = f->exact ? f->pc : f->pc - 1;
    size_t max = target_kind(x->c->t) == TARGET_STOP ? PLACES_STOPPED : PLACES_MAX;
    if (fn->runtime || strncmp(fn->name, "sync.", 5) == 0 || strncmp(fn->name, "internal/", 9) == 0)
        return 0;
    if (x->by_pc.n >= max) {
        x->left_out++;
        return 0;
    }
    struct err *e = rt_scope_at(x->c->rt, pc, &x->arena, &p.scope, &p.slide);
    bool ok = !e;
    err_free(e);
    for (size_t i = 0; ok && i < p.scope.nvars; i++)
        take_var(x, &p.scope, &p.scope.vars[i]);
    p.n = x->vars.n - p.first;
    if (!p.n)
        return 0;
    vec_push(&x->places, p);
    return (uint32_t)x->places.n;
}

/* ---- where it is ---- */

struct env {
    struct copies *x;
    const struct ahead_frame *f;
};

static struct err *env_read(void *arg, taddr addr, void *dst, size_t n)
{
    struct env *v = arg;
    return target_read(v->x->c->t, addr, dst, n);
}

static struct err *env_cfa(void *arg, taddr *ret)
{
    struct env *v = arg;
    *ret = v->f->sp + (taddr)v->f->size + 8;
    return NULL;
}

/* The address of the variable; 0: in registers, or nowhere. */
static taddr address_of(struct copies *x, const struct ahead_frame *f, const struct place *p,
                        const struct by_value *b)
{
    struct env v = {x, f};
    struct dwarf_env env = {.slide = p->slide,
                            .read = env_read,
                            .cfa = env_cfa,
                            .arg = &v,
                            .frame_base = &p->scope.frame_base};
    struct dwarf_location loc;
    taddr addr = 0;
    uint64_t word;
    if (!b->var.loc.n)
        return 0;
    struct err *e = dwarf_eval(&b->var.loc, &env, &loc);
    bool ok = !e && dwarf_location_address(&loc, &addr);
    err_free(e);
    if (!ok)
        return 0;
    if (b->escaped)
        return ahead_peek(&x->a.mem, addr, 8, &word) ? word : 0;
    return addr;
}

static bool state_of(struct copies *x, uint8_t kind, taddr lock, int64_t *ret)
{
    const struct rt_layout *l = &x->c->rt->layout;
    uint64_t v = 0;
    bool ok;
    if (kind == SNAP_OBJ_WAITGROUP) {
        ok = rt_has(l, RT_waitgroup_state) &&
             ahead_peek(&x->a.mem, lock + (taddr)l->off[RT_waitgroup_state], 8, &v);
        *ret = (int32_t)(v >> 32);
        return ok;
    }
    taddr at = lock + (kind == SNAP_OBJ_RWMUTEX ? (taddr)l->off[RT_rwmutex_w] : 0);
    ok = rt_has(l, RT_mutex_state) && rt_has(l, RT_rwmutex_w) &&
         ahead_peek(&x->a.mem, at + (taddr)l->off[RT_mutex_state], 4, &v);
    *ret = (int32_t)v;
    return ok;
}

static void add(struct copies *x, uint32_t gi, const struct place *p, const struct by_value *b,
                taddr addr)
{
    struct copied r = {.gi = gi,
                       .kind = b->lock.kind,
                       .entry = p->entry,
                       .var = b->name,
                       .type = b->type,
                       .func = p->func};
    if (addr && state_of(x, r.kind, addr, &r.state))
        r.addr = addr;
    for (size_t i = 0; i < x->v.n; i++) /* of a parameter and its variable, that which is known */
        if (x->v.v[i].gi == gi && x->v.v[i].entry == r.entry && x->v.v[i].addr == r.addr &&
            x->v.v[i].kind == r.kind)
            return;
    if (x->v.n < ROWS_MAX)
        vec_push(&x->v, r);
    else
        x->left_out++;
}

/* A WaitGroup whose variable is nowhere, when it will be called Done of. */
static bool by_code(struct copies *x, uint32_t gi, const struct place *p, const struct by_value *b)
{
    struct ahead_claims claims = {0};
    bool found = false;
    ahead_look_at(x->c, gi, &claims);
    for (size_t i = 0; i < claims.v.n; i++) {
        const taddr *orphans;
        size_t n = ahead_orphans(x->c, &orphans);
        taddr addr = claims.v.v[i].addr;
        int64_t count;
        bool waited = false;
        for (size_t k = 0; k < n; k++)
            waited |= orphans[k] == addr;
        if (claims.v.v[i].act != SNAP_ACT_DONE || waited ||
            !state_of(x, SNAP_OBJ_WAITGROUP, addr, &count) || count <= 0)
            continue;
        add(x, gi, p, b, addr);
        found = true;
    }
    vec_free(&claims.v);
    return found;
}

static void look_at_frame(struct copies *x, uint32_t gi, const struct ahead_frame *f)
{
    bool added, known = false;
    uint32_t number = map_get_or_put(&x->by_pc, f->pc << 1 | f->exact, 0, &added);
    if (added) {
        number = look_up(x, f);
        map_put(&x->by_pc, f->pc << 1 | f->exact, number);
    }
    if (!number)
        return;
    const struct place p = x->places.v[number - 1];
    for (size_t i = p.first; i < p.first + p.n; i++) {
        const struct by_value b = x->vars.v[i];
        taddr at = address_of(x, f, &p, &b);
        if (at)
            add(x, gi, &p, &b, at + b.lock.off);
        known |= at != 0;
    }
    for (size_t i = p.first; !known && i < p.first + p.n && x->v.n < LOOKED_MAX; i++) {
        const struct by_value b = x->vars.v[i];
        known = b.lock.kind == SNAP_OBJ_WAITGROUP && by_code(x, gi, &p, &b);
    }
    for (size_t i = p.first; !known && i < p.first + p.n; i++) {
        const struct by_value b = x->vars.v[i];
        add(x, gi, &p, &b, 0);
    }
}

static void look_at_goroutine(struct copies *x, uint32_t gi)
{
    struct ahead_goroutine g = {.gi = gi};
    if (ahead_is_walkable(&x->c->gs[gi]))
        ahead_walk(&x->a, &x->c->gs[gi], &g, AHEAD_FRAMES);
    for (size_t i = 0; i < g.frames.n; i++)
        look_at_frame(x, gi, &g.frames.v[i]);
    vec_free(&g.frames);
}

void capture_copies(struct capture *c)
{
    const taddr *orphans;
    if (!c->o->copies || c->live || !ahead_orphans(c, &orphans))
        return;
    struct copies *x = mem_alloc(sizeof(*x));
    c->copies = x;
    x->c = c;
    arena_init(&x->arena);
    ahead_init(&x->a, c);
    struct err *e = image_dwarf(c->rt->img, &x->dw);
    if (e)
        x->dw = NULL;
    err_free(e);
    for (size_t i = 0, n = 0; x->dw && i < c->ngs && n < GOROUTINES_MAX; i++) {
        uint32_t row = c->gs[i].row;
        if (row == SNAP_NONE || c->s->goroutine.flags[row] & SNAP_GF_SYSTEM)
            continue;
        look_at_goroutine(x, (uint32_t)i);
        n++;
    }
}

/* ---- functions that nobody executes ---- */

/* Packages of the program's own module, or of others by their path: the standard library, which is
 * checked by go vet, has no dot in it. */
static bool is_own(const struct copies *x, const char *name)
{
    const struct snap *s = x->c->s;
    const char *slash = strchr(name, '/'), *dot = strchr(name, '.');
    if (strncmp(name, "main.", 5) == 0 || (slash && dot && dot < slash))
        return true;
    for (uint32_t i = 0; i < s->module.n; i++) {
        const char *path = snap_str(s, s->module.path[i]);
        size_t n = strlen(path);
        if (s->module.main[i] && n && strncmp(name, path, n) == 0 &&
            (name[n] == '/' || name[n] == '.'))
            return true;
    }
    return false;
}

static uint64_t type_of_param(const struct dwarf *dw, const struct dwarf_die *die)
{
    struct dwarf_attr a;
    struct dwarf_die origin;
    uint64_t id;
    if (dwarf_attr_find(die, DW_AT_type, &a))
        return dwarf_attr_ref(die->unit, &a, &id) ? id : DWARF_NO_ID;
    if (!dwarf_attr_find(die, DW_AT_abstract_origin, &a) || !dwarf_attr_ref(die->unit, &a, &id))
        return DWARF_NO_ID;
    struct err *e = dwarf_die_at(dw, id, &origin);
    bool ok =
        !e && dwarf_attr_find(&origin, DW_AT_type, &a) && dwarf_attr_ref(origin.unit, &a, &id);
    err_free(e);
    return ok ? id : DWARF_NO_ID;
}

/* Somebody executes it, or it is listed already. */
static bool is_listed(const struct copies *x, const char *func, uint8_t kind)
{
    for (size_t i = 0; i < x->v.n; i++)
        if (strcmp(x->v.v[i].func, func) == 0 &&
            (x->v.v[i].gi != SNAP_NONE || x->v.v[i].kind == kind))
            return true;
    return false;
}

static void take_param(struct copies *x, const char *func, uint64_t func_die,
                       const struct dwarf_die *die)
{
    struct dwarf_func f;
    struct dwarf_attr a;
    uint64_t result = 0, type = type_of_param(x->dw, die);
    const char *name = dwarf_die_name(die);
    if (dwarf_attr_find(die, DW_AT_variable_parameter, &a) && dwarf_attr_uint(&a, &result) &&
        result)
        return;
    if (*name == '&') {
        const struct dwarf_type *p = type_at(x->dw, type, true);
        type = p && p->kind == DWARF_KIND_POINTER ? p->elem : DWARF_NO_ID;
        name++;
    }
    struct lock_in locks[LOCKS_MAX];
    size_t n = type == DWARF_NO_ID ? 0 : locks_in(x->dw, type, 0, 0, locks, 0);
    if (!n || x->v.n >= ROWS_MAX)
        return;
    struct err *e = dwarf_func_of(x->dw, func_die, &f);
    taddr entry = e || !f.lo ? 0 : f.lo + x->c->rt->slide;
    err_free(e);
    for (size_t i = 0; i < n; i++)
        if (!is_listed(x, func, locks[i].kind))
            vec_push(&x->v, ((struct copied){.gi = SNAP_NONE,
                                             .kind = locks[i].kind,
                                             .entry = entry,
                                             .var = name,
                                             .type = type_at(x->dw, type, false)->name,
                                             .func = func}));
}

static struct err *each_function(void *arg, const char *name, uint64_t id)
{
    struct copies *x = arg;
    struct dwarf_die die, child;
    struct dwarf_walk w;
    if (!is_own(x, name))
        return NULL;
    TRY(dwarf_die_at(x->dw, id, &die));
    dwarf_walk_die(&w, &die);
    while (dwarf_walk_next(&w, &child)) {
        if (w.depth == 1 && child.tag == DW_TAG_formal_parameter)
            take_param(x, name, id, &child);
        if (w.depth >= 1)
            dwarf_walk_skip(&w);
    }
    return w.err;
}

void copies_rows(struct capture *c)
{
    struct snap *s = c->s;
    struct copies *x = c->copies;
    if (!x || !x->dw)
        return;
    struct err *e = dwarf_each_name(x->dw, DWARF_NAME_FUNC, each_function, x);
    if (e)
        snap_note_missing(s, 1, "functions that copy locks", err_message(e));
    err_free(e);
    for (size_t i = 0; i < x->v.n; i++) {
        const struct copied *k = &x->v.v[i];
        uint32_t row = snap_add_copied(s);
        s->copied.goroutine[row] = k->gi == SNAP_NONE ? SNAP_NONE : c->gs[k->gi].row;
        s->copied.kind[row] = k->kind;
        s->copied.addr[row] = k->addr;
        s->copied.state[row] = k->state;
        s->copied.var[row] = intern_add(&s->strings, k->var);
        s->copied.type[row] = intern_add(&s->strings, k->type);
        s->copied.func[row] = intern_add(&s->strings, k->func);
        s->copied.pc[row] = symbols_pc(c->symbols, k->entry, true);
    }
    if (x->left_out)
        snap_note_missing(s, x->left_out, "places that may copy locks", "there are too many");
}

void copies_free(struct capture *c)
{
    struct copies *x = c->copies;
    if (!x)
        return;
    ahead_close(&x->a);
    arena_free(&x->arena);
    map_free(&x->by_pc);
    vec_free(&x->places);
    vec_free(&x->vars);
    vec_free(&x->v);
    free(x);
    c->copies = NULL;
}
