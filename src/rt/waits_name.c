/* waits_name.c - names of what goroutines wait for: package-level variables, and fields of them.
 *
 * An object in the data of the program is a variable, or a field of one: the symbol says which, and
 * DWARF the way to the field.  One on the heap often hangs on a variable, as events = make(chan E)
 * or svc = &Service{...} do: the data are searched for words that point to its beginning.  What
 * hangs deeper needs the graph of the heap (wait/object.c).
 *
 * Names of symbols are looked up after the target was let go; what is read of it here are the words
 * of its data. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "image/dwarf_index.h"
#include "image/dwarf_type.h"
#include "rt/waits_int.h"

enum { BLOCK = 256 << 10, DEPTH_MAX = 16, LITERAL_MAX = 4096, LITERALS_MAX = 256 };
#define DATA_MAX (UINT64_C(1) << 32)

/* The variable that an address of the program's data, or of a plugin's, is in; its address is that
 * in the process.  False: none with a name that the program knows it by (what a composite literal
 * is kept in has none). */
static bool variable_at(const struct rt *rt, taddr addr, struct image_symbol *ret)
{
    const struct rt_module *m = rt_module_of_data(rt, addr);
    struct image *img;
    taddr slide;
    struct err *e = rt_module_image(rt, m ? m : rt->modules, &img, &slide);
    if (!e)
        e = image_symbol_at(img, addr - slide, ret);
    bool ok = !e && !ret->is_code && !ret->is_tls && addr - slide - ret->addr < ret->size;
    err_free(e);
    ret->addr += ok ? slide : 0;
    return ok;
}

static bool is_unnamed(const struct image_symbol *v)
{
    return strstr(v->name, "..stmp_") || strstr(v->name, ".stmp_");
}

/* Where what an object lies in begins: what a variable that leads to it points to.  0: not known.
 */
static taddr beginning(struct waits *w, taddr addr)
{
    uint32_t row = map_get(&w->objs, addr);
    return row != MAP_NONE && row ? w->c->s->heapobj.addr[row - 1] : 0;
}

/* What a composite literal is kept in has no symbol that says where it begins; the variable that
 * points to it does. */
static bool is_literal(const struct rt *rt, taddr addr)
{
    struct image_symbol v;
    return rt_module_of_data(rt, addr) && (!variable_at(rt, addr, &v) || is_unnamed(&v));
}

static void want(struct waits *w, taddr addr)
{
    taddr at = beginning(w, addr);
    bool added, literal = !at && w->unknown.n < LITERALS_MAX && is_literal(w->c->rt, addr);
    if (!at && !literal)
        return;
    uint32_t k = (uint32_t)w->starts.n;
    map_put(&w->begins, addr, k);
    vec_push(&w->starts, ((struct wait_start){.at = at, .of = literal ? addr : 0}));
    if (literal)
        vec_push(&w->unknown, k);
    else
        map_get_or_put(&w->start_at, at, k, &added);
    taddr low = literal ? addr - LITERAL_MAX : at, high = literal ? addr : at;
    w->lowest = k ? min_u64(w->lowest, low) : low;
    w->highest = max_u64(w->highest, high);
}

/* The pointer that leads closest before what lies in a literal. */
static void take_literals(struct waits *w, taddr word, taddr v)
{
    for (size_t i = 0; i < w->unknown.n; i++) {
        struct wait_start *s = &w->starts.v[w->unknown.v[i]];
        if (v > s->of || s->of - v > LITERAL_MAX || v <= s->at)
            continue;
        s->at = v;
        s->word = word;
    }
}

static void take_words(struct waits *w, taddr at, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        taddr v = words[i], word = at + 8 * i;
        struct image_symbol sym;
        if (v < w->lowest || v > w->highest)
            continue;
        uint32_t k = map_get(&w->start_at, v);
        bool heap = k != MAP_NONE && !w->starts.v[k].word;
        bool literal = w->unknown.n && v % 8 == 0 && rt_module_of_data(w->c->rt, v);
        if ((!heap && !literal) || !variable_at(w->c->rt, word, &sym) || is_unnamed(&sym))
            continue;
        if (heap)
            w->starts.v[k].word = word;
        if (literal)
            take_literals(w, word, v);
    }
}

static void find_words_in(struct waits *w, const struct rt_module *m, uint64_t *block)
{
    if (m->data_hi <= m->data_lo || m->data_hi - m->data_lo > DATA_MAX)
        return;
    for (taddr at = m->data_lo & ~(taddr)7; at < m->data_hi; at += BLOCK) {
        size_t n = min_u64(BLOCK, m->data_hi - at) & ~(size_t)7;
        struct err *e = target_read(w->c->t, at, block, n);
        if (!e)
            take_words(w, at, block, n / 8);
        err_free(e);
    }
}

void waits_find_words(struct waits *w)
{
    const struct rt *rt = w->c->rt;
    if (!w->c->o->names)
        return;
    for (size_t i = 0; i < w->chans.n; i++)
        want(w, w->chans.v[i].addr);
    for (size_t i = 0; i < w->syncs.n; i++)
        want(w, w->syncs.v[i].addr);
    if (!w->starts.n)
        return;
    uint64_t *block = mem_alloc(BLOCK);
    for (size_t i = 0; i < rt->nmodules; i++)
        find_words_in(w, &rt->modules[i], block);
    free(block);
}

/* ---- after the target was let go ---- */

struct namer {
    struct waits *w;
    struct dwarf *dw; /* NULL: none */
};

static bool is_sync(const char *type)
{
    return strncmp(type, "sync.", 5) == 0 || strncmp(type, "internal/sync.", 14) == 0;
}

/* Appends the way from a type to what lies at an offset of it: ".shards[3].mu"; the type there. */
static uint64_t field_path(struct namer *n, struct buf *b, uint64_t id, uint64_t off)
{
    const struct dwarf_type *t;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        struct err *e = dwarf_type_strip(n->dw, id, &t);
        if (e) {
            err_free(e);
            return DWARF_NO_ID;
        }
        int64_t size = t->kind == DWARF_KIND_ARRAY ? t->size / (t->count > 0 ? t->count : 1) : 0;
        if (size > 0) {
            buf_printf(b, "[%" PRIu64 "]", off / (uint64_t)size);
            off %= (uint64_t)size;
            id = t->elem;
            continue;
        }
        const struct dwarf_member *best = NULL;
        for (size_t i = 0; t->kind == DWARF_KIND_STRUCT && !is_sync(t->name) && i < t->nmembers;
             i++)
            if (t->members[i].off <= off)
                best = &t->members[i];
        if (!best)
            return id;
        buf_printf(b, ".%s", best->name);
        off -= best->off;
        id = best->type;
    }
    return DWARF_NO_ID;
}

/* In the module whose data it is in. */
static uint64_t type_of_variable(struct namer *n, taddr addr, const char *name)
{
    const struct rt *rt = n->w->c->rt;
    const struct rt_module *m = rt_module_of_data(rt, addr);
    struct dwarf_var v;
    struct dwarf *dw;
    taddr slide;
    struct err *e = rt_module_dwarf(rt, m ? m : rt->modules, &dw, &slide);
    if (!e)
        e = dwarf_var_named(dw, name, &v);
    bool ok = !e;
    err_free(e);
    return ok ? v.type : DWARF_NO_ID;
}

/* Appends what the pointer of this type leads to, at an offset of that. */
static bool follow(struct namer *n, struct buf *b, uint64_t type, uint64_t off)
{
    const struct dwarf_type *t;
    struct err *e = dwarf_type_strip(n->dw, type, &t);
    bool pointer = !e && t->kind == DWARF_KIND_POINTER && t->elem != DWARF_NO_ID;
    bool chan = !e && t->kind == DWARF_KIND_CHAN;
    err_free(e);
    int64_t size = -1;
    if (pointer) {
        e = dwarf_type_strip(n->dw, t->elem, &t);
        size = e ? -1 : t->size;
        err_free(e);
    }
    if (size > 0 && off < (uint64_t)size)
        field_path(n, b, t->id, off);
    return (size > 0 && off < (uint64_t)size) || (chan && !off);
}

/* The name of the word or lock at an address of the data, and of what it points to. */
static bool name_variable(struct namer *n, struct buf *b, taddr addr, bool pointer, uint64_t off)
{
    const struct rt *rt = n->w->c->rt;
    struct image_symbol v;
    if (!variable_at(rt, addr, &v) || is_unnamed(&v))
        return false;
    uint64_t in = addr - v.addr, type = DWARF_NO_ID;
    buf_str(b, v.name);
    if (n->dw && (type = type_of_variable(n, addr, v.name)) != DWARF_NO_ID)
        type = field_path(n, b, type, in);
    else if (in)
        buf_printf(b, "+0x%" PRIx64, in);
    if (!pointer)
        return true;
    if (type != DWARF_NO_ID && follow(n, b, type, off))
        return true;
    if (off)
        return false; /* what lies behind may be another value of one tiny block */
    buf_str(b, " → +0x0");
    return true;
}

static void name_object(struct namer *n, uint32_t row, taddr any)
{
    struct waits *w = n->w;
    struct snap *s = w->c->s;
    struct buf b = {0};
    taddr addr = s->object.addr[row];
    uint32_t k = map_get(&w->begins, any);
    bool named = name_variable(n, &b, addr, false, 0);
    if (!named && k != MAP_NONE) {
        const struct wait_start *start = &w->starts.v[k];
        if (!start->of)
            start = &w->starts.v[map_get(&w->start_at, start->at)];
        named = start->word && addr >= start->at &&
                name_variable(n, &b, start->word, true, addr - start->at);
    }
    if (named) {
        s->object.name[row] = intern_add(&s->strings, buf_text(&b));
        s->object.named[row] = SNAP_NAMED_GLOBAL;
    }
    buf_free(&b);
}

void waits_name(struct waits *w)
{
    struct snap *s = w->c->s;
    struct namer n = {.w = w};
    if (!w->c->o->names || !s->object.n)
        return;
    taddr slide;
    n.dw = rt_dwarf_at(w->c->rt, 0, &slide);
    for (uint32_t i = 0; i < s->wait.n; i++) {
        uint32_t row = s->wait.object[i];
        if (row != SNAP_NONE && !s->object.named[row] && s->object.kind[row] != SNAP_OBJ_POLL)
            name_object(&n, row, s->wait.addr[i]);
    }
}

/* The index of symbols takes its time: not while the target stands still. */
void waits_name_prepare(const struct rt *rt, const struct rt_capture_options *o)
{
    struct image_symbol v;
    for (size_t i = 0; o->names && i < rt->nmodules; i++)
        variable_at(rt, rt->modules[i].data_lo, &v);
}
