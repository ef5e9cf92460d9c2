/* heap_globals.c - package-level variables: the table global, and what is known of a word in data.
 *
 * Go: cmd/link/internal/ld/data.go, dwarf.go (1.18-1.27).  Names and sizes come from the symbol
 * table, types from DWARF; a binary that has only one of them gives what it has, one with neither
 * the variables of the runtime that were found by its code (globals.c).  A plugin's file has the
 * variables of all its packages; those that a module before it has, too, are not used (see
 * module_file.c): what lies there has no name.
 *
 * The compiler makes unnamed variables for composite literals ("main..stmp_4"): they have a symbol,
 * but no type.  What points to them has one, so a typed pointer that leads into the program's own
 * data makes a region there known (heap_global_follow); it gets a row of its own, under the name by
 * which a program would reach it: what `var store = &Store{...}` points to is store. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "image/dwarf_expr.h"
#include "image/dwarf_index.h"
#include "rt/heap_roots_int.h"

enum { GLOBALS_MAX = 1 << 24, REGIONS_MAX = 1 << 22 };

struct variable {
    taddr addr;
    uint64_t size, type; /* type: DWARF_NO_ID: none */
    const char *name;
    uint32_t row; /* of the table global */
};

struct heap_globals {
    struct heap *h;
    struct dwarf *dw; /* one that takes ids of all modules; NULL: none */
    struct source {   /* whose names are being read */
        const struct rt_module *m;
        struct dwarf *dw; /* NULL: none */
        taddr slide;
    } from;
    VEC(struct variable) v;
    VEC(struct variable) regions; /* that only pointers lead to; ordered by address */
};

static bool is_data(const struct rt *rt, taddr addr)
{
    return rt_module_of_data(rt, addr) != NULL;
}

static struct err *add(struct heap_globals *gl, taddr addr, uint64_t size, uint64_t type,
                       const char *name)
{
    struct variable v = {addr, size, type, name, SNAP_NONE};
    if (!is_data(gl->h->c->rt, addr))
        return NULL;
    if (gl->v.n >= GLOBALS_MAX)
        return err_new(ERR_LIMIT, "too many package-level variables");
    vec_push(&gl->v, v);
    return NULL;
}

/* Whether a module before the one that is being read has a variable of this name: it counts then.
 */
static bool is_of_another(const struct heap_globals *gl, const char *name)
{
    const struct rt *rt = gl->h->c->rt;
    for (const struct rt_module *m = rt->modules; m < gl->from.m; m++) {
        struct image *img;
        struct dwarf *dw;
        struct dwarf_var var;
        taddr slide, addr;
        struct err *e = rt_module_image(rt, m, &img, &slide);
        if (!e && (e = image_symbol(img, name, &addr, NULL))) {
            err_free(e);
            if (!(e = rt_module_dwarf(rt, m, &dw, &slide)))
                e = dwarf_var_named(dw, name, &var);
        }
        err_free(e);
        if (!e)
            return true;
    }
    return false;
}

static struct err *add_symbol(void *arg, const struct image_symbol *s)
{
    struct heap_globals *gl = arg;
    if (s->is_code || s->is_tls || s->is_absolute || !s->size || is_of_another(gl, s->name))
        return NULL;
    return add(gl, s->addr + gl->from.slide, s->size, DWARF_NO_ID, s->name);
}

static struct err *add_var(void *arg, const char *name, uint64_t id)
{
    struct heap_globals *gl = arg;
    struct dwarf_var var;
    taddr addr;
    struct err *e = dwarf_var_of(gl->dw, id, &var);
    err_free(e); /* one that cannot be read is one that is not known */
    if (e || !dwarf_expr_address(&var.loc, &addr) || var.type == DWARF_NO_ID ||
        is_of_another(gl, name))
        return NULL;
    return add(gl, addr + gl->from.slide, heap_die_size(gl->dw, var.type), var.type, name);
}

static struct err *add_known(struct heap_globals *gl)
{
    const struct rt *rt = gl->h->c->rt;
    struct err *e = NULL;
    for (size_t i = 0; !e && i < RT_GLOBAL_COUNT; i++) {
        uint64_t size = 0;
        const char *name = rt_global_symbol((enum rt_global)i, &rt->layout, &size);
        if (rt->globals[i])
            e = add(gl, rt->globals[i], size, DWARF_NO_ID, name);
    }
    return e;
}

/* By address; of several at one place the one with a type last, which then wins. */
static int by_addr(const void *a, const void *b)
{
    const struct variable *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    if ((x->type == DWARF_NO_ID) != (y->type == DWARF_NO_ID))
        return x->type == DWARF_NO_ID ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static void merge(struct heap_globals *gl)
{
    size_t n = 0;
    if (gl->v.n)
        qsort(gl->v.v, gl->v.n, sizeof(*gl->v.v), by_addr);
    for (size_t i = 0; i < gl->v.n; i++) {
        struct variable v = gl->v.v[i];
        if (n && gl->v.v[n - 1].addr == v.addr) {
            v.size = v.size ? v.size : gl->v.v[n - 1].size;
            n--;
        }
        gl->v.v[n++] = v;
    }
    gl->v.n = n;
}

static void add_row(struct heap_globals *gl, struct variable *v)
{
    struct snap *s = gl->h->c->s;
    v->row = snap_add_global(s);
    s->global.name[v->row] = intern_add(&s->strings, v->name);
    s->global.addr[v->row] = v->addr;
    s->global.size[v->row] = v->size;
    s->global.type[v->row] = heap_type_of(gl->h, gl->dw, v->type);
}

static struct err *if_there(struct err *e)
{
    if (!e || err_code(e) != ERR_NOT_FOUND)
        return e;
    err_free(e);
    return NULL;
}

static struct err *read_module(struct heap_globals *gl, const struct rt_module *m)
{
    const struct rt *rt = gl->h->c->rt;
    struct image *img;
    gl->from = (struct source){.m = m};
    struct err *e = rt_module_image(rt, m, &img, &gl->from.slide);
    if (e) {
        snap_note_missing(gl->h->c->s, 1, "names of package-level variables of a plugin",
                          err_message(e));
        return if_there(e);
    }
    TRY(if_there(image_each_symbol(img, add_symbol, gl)));
    TRY(if_there(rt_module_dwarf(rt, m, &gl->from.dw, &gl->from.slide)));
    if (!gl->from.dw)
        return NULL;
    gl->dw = gl->dw ? gl->dw : gl->from.dw;
    return dwarf_each_name(gl->from.dw, DWARF_NAME_VAR, add_var, gl);
}

static struct err *read_names(struct heap_globals *gl)
{
    const struct rt *rt = gl->h->c->rt;
    struct err *e = NULL;
    for (size_t i = 0; !e && i < rt->nmodules; i++)
        e = read_module(gl, &rt->modules[i]);
    if (!e && !gl->v.n) {
        snap_note_missing(gl->h->c->s, 1, "names of package-level variables",
                          "the program has neither symbols nor DWARF");
        e = add_known(gl);
    }
    return e;
}

struct err *heap_globals_open(struct heap *h, struct heap_globals **ret)
{
    struct heap_globals *gl = mem_alloc(sizeof(*gl));
    gl->h = h;
    struct err *e = read_names(gl);
    if (!e) {
        merge(gl);
        for (size_t i = 0; i < gl->v.n; i++)
            add_row(gl, &gl->v.v[i]);
    }
    if (e) {
        heap_globals_free(gl);
        return e;
    }
    *ret = gl;
    return NULL;
}

void heap_globals_free(struct heap_globals *gl)
{
    if (!gl)
        return;
    vec_free(&gl->v);
    vec_free(&gl->regions);
    free(gl);
}

/* The last that begins at or before addr, if addr is in it. */
static const struct variable *find(const struct variable *v, size_t n, taddr addr)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && addr - v[lo - 1].addr < v[lo - 1].size ? &v[lo - 1] : NULL;
}

/* The variable or region with a type that addr is in; else a variable without one; NULL: none. */
static const struct variable *variable_at(const struct heap_globals *gl, taddr addr)
{
    const struct variable *v = find(gl->v.v, gl->v.n, addr), *region;
    if (v && v->type != DWARF_NO_ID)
        return v;
    region = find(gl->regions.v, gl->regions.n, addr);
    return region ? region : v;
}

uint32_t heap_global_at(const struct heap_globals *gl, taddr addr)
{
    const struct variable *v = variable_at(gl, addr);
    return v ? v->row : SNAP_NONE;
}

bool heap_global_word(struct heap_globals *gl, taddr addr, struct heap_word *ret)
{
    const struct variable *v = variable_at(gl, addr);
    if (!gl->dw || !v || v->type == DWARF_NO_ID)
        return false;
    uint64_t size = heap_die_size(gl->dw, v->type);
    return size && heap_word_at(gl->dw, v->type, (addr - v->addr) % size, NULL, ret);
}

/* Bytes behind a pointer: of a slice, what its length says; else one value. */
static uint64_t extent(struct heap_globals *gl, taddr addr, const struct heap_word *w)
{
    uint64_t n = 1;
    if (w->slice)
        err_free(target_read_u64(gl->h->c->t, addr + 8, &n));
    return n > RT_LIST_MAX ? 0 : n * heap_die_size(gl->dw, w->elem);
}

/* The name of what the word at addr points to: that of the variable, and the way in it to the word.
 */
static const char *name_behind(struct heap_globals *gl, taddr addr)
{
    const struct variable *v = variable_at(gl, addr);
    struct heap_word w;
    struct buf b = {0};
    uint64_t size = heap_die_size(gl->dw, v->type);
    buf_str(&b, v->name);
    if (size && addr - v->addr >= size)
        buf_printf(&b, "[%llu]", (unsigned long long)((addr - v->addr) / size));
    heap_word_at(gl->dw, v->type, size ? (addr - v->addr) % size : 0, &b, &w);
    const char *name = arena_strdup(&gl->h->c->arena, buf_text(&b));
    buf_free(&b);
    return name;
}

void heap_global_follow(struct heap_globals *gl, taddr addr, taddr v)
{
    struct heap_word w;
    if (!gl->dw || gl->regions.n >= REGIONS_MAX || !is_data(gl->h->c->rt, v) ||
        !heap_global_word(gl, addr, &w))
        return;
    if (!w.pointer && !w.slice)
        return;
    const struct variable *known = find(gl->v.v, gl->v.n, v);
    if ((known && known->type != DWARF_NO_ID) || find(gl->regions.v, gl->regions.n, v))
        return;
    struct variable region = {v, extent(gl, addr, &w), w.elem, NULL, SNAP_NONE};
    if (!region.size)
        return;
    region.name = name_behind(gl, addr);
    add_row(gl, &region);
    size_t at = gl->regions.n;
    vec_push(&gl->regions, region);
    for (; at && gl->regions.v[at - 1].addr > v; at--)
        gl->regions.v[at] = gl->regions.v[at - 1];
    gl->regions.v[at] = region;
}

struct dwarf *heap_globals_dwarf(const struct heap_globals *gl)
{
    return gl->dw;
}

size_t heap_globals_regions(const struct heap_globals *gl)
{
    return gl->regions.n;
}
