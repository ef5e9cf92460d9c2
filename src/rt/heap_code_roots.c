/* heap_code_roots.c - what variables point to, told by the code that uses them, for programs
 * without DWARF.
 *
 * Go: the compiler passes types to the runtime (1.18-1.27): newobject(type), makeslice(type, ...),
 * makechan(type, ...), makemap(type, ...), growslice (until 1.19 type, old array ...; since 1.20
 * old array, ..., type), mapaccess*, mapassign*, mapdelete* (type, map, ...).  So
 *
 *     store.users[name] = u        mapassign_faststr(map[string]*User, what is at +8 of store, ...)
 *
 * says what the variable store leads to.  What was loaded is looked up in memory as it is now.
 *
 * A word can hold values of several types in an interface (the word before it is then a type or an
 * itab: such words are left alone) and in a variable of function type (closures are told by
 * themselves).  An object gets a type only if its size and pointers agree. */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "rt/heap_code_int.h"
#include "rt/heap_roots_int.h"

enum { ROOTS_MAX = 1 << 20, GROW_ARGS = 5, FUNCS_A_JOB = 64 };

/* ---- what the runtime's functions make and take ---- */

static const struct maker {
    const char *name; /* a prefix when it ends with '*' */
    uint8_t type;     /* argument with the type */
    uint8_t form;
    int8_t of; /* argument that is of that form already; -1: none */
    bool makes;
} makers[] = {
    {"runtime.newobject", 0, SNAP_FORM_VALUE, -1, true},
    {"runtime.mallocgc*", 1, SNAP_FORM_VALUE, -1, true},
    {"runtime.makeslice*", 0, SNAP_FORM_ARRAY, -1, true},
    {"runtime.makechan*", 0, SNAP_FORM_CHAN, -1, true},
    {"runtime.makemap*", 0, SNAP_FORM_MAP, -1, true},
    {"runtime.growslice*", 0, SNAP_FORM_ARRAY, 1, true},
    {"runtime.growslice*", GROW_ARGS - 1, SNAP_FORM_ARRAY, 0, true},
    {"runtime.mapaccess*", 0, SNAP_FORM_MAP, 1, false},
    {"runtime.mapassign*", 0, SNAP_FORM_MAP, 1, false},
    {"runtime.mapdelete*", 0, SNAP_FORM_MAP, 1, false},
};

static bool is_named(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

/* The row of a call; NULL: of another function, or its type is not plain to see. */
static const struct maker *maker_at(const struct rt_module *m, taddr target,
                                    const struct code_value args[CODE_ARGS])
{
    struct pcln_func f;
    if (!target || !pcln_find(&m->pcln, target, &f) || strncmp(f.name, "runtime.", 8) != 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        const struct code_value *type = &args[makers[i].type];
        if (type->kind == CODE_ADDRESS && type->at >= m->types && type->at < m->etypes &&
            is_named(makers[i].name, f.name))
            return &makers[i];
    }
    return NULL;
}

struct code_value heap_code_makes(const struct rt_module *m, taddr target,
                                  const struct code_value args[CODE_ARGS])
{
    const struct maker *k = maker_at(m, target, args);
    struct pcln_func f;
    if (!k && target && pcln_find(&m->pcln, target, &f) &&
        is_named("runtime.gcWriteBarrier*", f.name))
        return (struct code_value){.kind = CODE_KEPT};
    if (!k || !k->makes)
        return (struct code_value){.kind = CODE_UNKNOWN};
    return (struct code_value){.kind = CODE_NEW, .form = k->form, .at = args[k->type].at};
}

/* ---- what code says of memory ---- */

struct root_search {
    struct heap *h;
    const struct rt_module *m;
    const uint8_t *text;
    VEC(taddr) runtime;         /* functions of makers[], by address */
    VEC(struct pcln_func) uses; /* functions that are worth reading */
    pthread_mutex_t lock;       /* of what follows, and of heap.code_roots */
    struct map seen;            /* slots and types */
};

/* The word at addr; 0: unreadable, or the second word of an interface. */
static taddr word_at(const struct root_search *x, taddr addr)
{
    taddr words[2];
    struct err *e = addr & 7 ? err_new(ERR_NOT_FOUND, "not a word")
                             : target_read(x->h->c->t, addr - 8, words, sizeof(words));
    bool ok = !e;
    err_free(e);
    return ok && types_of_interface(x->h->types, words[0]) == SNAP_NONE ? words[1] : 0;
}

static bool is_form(const struct rt_typeinfo *t, uint8_t form)
{
    if (form == SNAP_FORM_MAP)
        return t->kind == GO_KIND_MAP;
    return form != SNAP_FORM_CHAN || t->kind == GO_KIND_CHAN;
}

/* A closure: struct { F uintptr; ... }.  Variables of function type may hold others. */
static bool may_be_closure(const struct rt_typeinfo *t, const struct type_entry *e, int64_t named)
{
    return t->kind == GO_KIND_STRUCT && !(e->tflag & named) && t->size > 8 &&
           !(t->mask && t->mask[0] & 1);
}

/* What is loaded is of this form and type, now as well. */
static void note(struct root_search *x, struct code_value v, uint8_t form, taddr type_at)
{
    struct heap *h = x->h;
    uint64_t offset;
    bool added;
    taddr addr = v.at, p = 0;
    if (v.kind != CODE_LOADED)
        return;
    for (unsigned i = 0; i < v.depth; i++) {
        if (!(p = word_at(x, addr)))
            return;
        addr = p + (taddr)v.off[i];
    }
    uint32_t slot = (p = word_at(x, addr)) ? heap_slot_at(h, p, &offset) : SNAP_NONE;
    if (slot == SNAP_NONE || offset)
        return;
    uint32_t type = types_at(h->types, type_at);
    if (type == SNAP_NONE || !is_form(types_get(h->types, type), form) ||
        may_be_closure(types_get(h->types, type), types_entry(h->types, type),
                       h->types->l->constant[RT_IS_tflag_named]))
        return;
    struct heap_code_root r = {slot, type, form};
    pthread_mutex_lock(&x->lock);
    map_get_or_put(&x->seen, (uint64_t)slot << 32 | type, 0, &added);
    if (added && h->code_roots.n < ROOTS_MAX)
        vec_push(&h->code_roots, r);
    pthread_mutex_unlock(&x->lock);
}

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    if (v.kind == CODE_NEW)
        note(arg, code_load(base, off), v.form, v.at);
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    struct root_search *x = arg;
    const struct maker *k = maker_at(x->m, target, args);
    if (k && k->of >= 0)
        note(x, args[k->of], k->form, args[k->type].at);
    return heap_code_makes(x->m, target, args);
}

/* ---- which code is read ---- */

static int by_address(const void *a, const void *b)
{
    taddr x = *(const taddr *)a, y = *(const taddr *)b;
    return x < y ? -1 : x > y;
}

static void find_runtime(struct root_search *x)
{
    struct pcln_func f;
    for (uint32_t i = 0; pcln_func_at(&x->m->pcln, i, &f); i++)
        for (size_t k = 0; k < ARRAY_LEN(makers); k++)
            if (strncmp(f.name, "runtime.", 8) == 0 && is_named(makers[k].name, f.name)) {
                vec_push(&x->runtime, f.entry);
                break;
            }
    if (x->runtime.n)
        qsort(x->runtime.v, x->runtime.n, sizeof(taddr), by_address);
}

/* Whether a function calls one of them. */
static bool calls_runtime(const struct root_search *x, const struct pcln_func *f)
{
    const struct arch *arch = target_arch(x->h->c->t);
    size_t at = 0;
    taddr addr, lo = x->runtime.v[0], hi = *vec_last(&x->runtime);
    while (arch->next_ref(x->text + (f->entry - x->m->minpc), f->end - f->entry, f->entry, lo,
                          hi + 1, &at, &addr))
        if (bsearch(&addr, x->runtime.v, x->runtime.n, sizeof(taddr), by_address))
            return true;
    return false;
}

/* Every function that refers to [lo, hi) and calls them. */
static void find_uses(struct root_search *x, taddr lo, taddr hi)
{
    const struct arch *arch = target_arch(x->h->c->t);
    size_t n = x->m->maxpc - x->m->minpc, at = 0;
    struct pcln_func f;
    taddr addr;
    while (hi > lo && arch->next_ref(x->text, n, x->m->minpc, lo, hi, &at, &addr)) {
        if (!pcln_find(&x->m->pcln, x->m->minpc + at - 1, &f) || f.entry < x->m->minpc ||
            f.end > x->m->maxpc || f.entry >= f.end)
            continue;
        if (calls_runtime(x, &f))
            vec_push(&x->uses, f);
        at = max_u64(at, f.end - x->m->minpc);
    }
}

static struct err *follow_job(void *arg, size_t i, unsigned worker)
{
    struct root_search *x = arg;
    const struct code_events events = {.store = on_store, .call = on_call, .arg = x};
    (void)worker;
    for (size_t k = i * FUNCS_A_JOB; k < min_u64(x->uses.n, (i + 1) * FUNCS_A_JOB); k++) {
        const struct pcln_func *f = &x->uses.v[k];
        code_follow(target_arch(x->h->c->t), x->text + (f->entry - x->m->minpc), f->end - f->entry,
                    f->entry, &events);
    }
    return NULL;
}

static struct err *read_module(struct heap *h, const struct rt_module *m)
{
    struct rt *rt = h->c->rt;
    struct heap_section data[2];
    uint8_t *owned = NULL;
    struct root_search x = {.h = h, .m = m};
    TRY(heap_sections(rt, h->c->t, m, data));
    struct err *e = NULL;
    pthread_mutex_init(&x.lock, NULL);
    find_runtime(&x);
    if (x.runtime.n && (x.text = heap_code_text(rt, m, &owned))) {
        find_uses(&x, data[0].lo, max_u64(data[0].hi, data[1].hi)); /* data ... bss */
        e = pool_run((x.uses.n + FUNCS_A_JOB - 1) / FUNCS_A_JOB, follow_job, &x);
    }
    pthread_mutex_destroy(&x.lock);
    map_free(&x.seen);
    vec_free(&x.uses);
    vec_free(&x.runtime);
    free(owned);
    return e;
}

struct err *heap_read_code_roots(struct heap *h)
{
    struct rt *rt = h->c->rt;
    struct dwarf *dw;
    struct err *e = image_dwarf(rt->img, &dw);
    bool told = !e;
    err_free(e);
    for (size_t i = 0; !told && i < rt->nmodules; i++)
        TRY(read_module(h, &rt->modules[i]));
    return NULL;
}
