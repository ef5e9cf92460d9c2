/* module_file.c - the files of the modules of a running program, and what their DWARF says
 * together.
 *
 * Go: cmd/link -buildmode=plugin (1.18-1.27): a plugin's file has code, types and DWARF of all the
 * packages it needs, those that the program has, too.  What both have counts in the program: the
 * dynamic linker binds a name to the first module that has it, in the order of the runtime's list.
 * So an address (of code, of an abi.Type) is answered by the module it lies in, and a name by the
 * first module that has it.
 *
 * The program's file is open already.  That of a plugin is opened when somebody asks for what only
 * it can tell, once; that it cannot be opened is kept, too. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "image/dwarf_expr.h"
#include "image/dwarf_index.h"
#include "rt/rt_int.h"

struct module_file {
    pthread_mutex_t lock;
    bool tried, tried_dwarf;
    struct image *img; /* NULL: why says so */
    taddr slide;
    _Atomic(struct dwarf *) dwarf;
    char *why;
};

struct module_file *rt_module_file_new(void)
{
    struct module_file *f = mem_alloc(sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void rt_module_file_free(struct module_file *f)
{
    if (!f)
        return;
    if (f->img)
        image_remove_library(f->img);
    image_unref(f->img);
    pthread_mutex_destroy(&f->lock);
    free(f->why);
    free(f);
}

static void give_up(struct module_file *f, struct err *e)
{
    if (!e)
        return;
    log_info("the file of a plugin is not known: %s", err_message(e));
    f->why = mem_strdup(err_message(e));
    err_free(e);
}

static void open_file(const struct rt *rt, const struct rt_module *m)
{
    struct module_file *f = m->file;
    struct image *img = NULL;
    struct err *e = target_library(rt->t, m->minpc, &img, &f->slide);
    if (!e && (e = image_add_library(rt->img, img)))
        image_unref(img);
    if (!e)
        f->img = img;
    give_up(f, e);
}

static struct err *file_of(const struct rt *rt, const struct rt_module *m, bool dwarf)
{
    struct module_file *f = m->file;
    struct dwarf *dw = NULL;
    pthread_mutex_lock(&f->lock);
    if (!f->tried)
        open_file(rt, m);
    f->tried = true;
    if (dwarf && f->img && !f->tried_dwarf) {
        give_up(f, image_dwarf(f->img, &dw));
        atomic_store(&f->dwarf, f->why ? NULL : dw);
        f->tried_dwarf = true;
    }
    bool there = dwarf ? atomic_load(&f->dwarf) != NULL : f->img != NULL;
    pthread_mutex_unlock(&f->lock);
    return there ? NULL : err_new(ERR_NOT_FOUND, "%s", f->why);
}

struct err *rt_module_image(const struct rt *rt, const struct rt_module *m, struct image **ret,
                            taddr *ret_slide)
{
    *ret = rt->img;
    *ret_slide = rt->slide;
    if (!m->file)
        return NULL;
    TRY(file_of(rt, m, false));
    *ret = m->file->img;
    *ret_slide = m->file->slide;
    return NULL;
}

struct err *rt_module_dwarf(const struct rt *rt, const struct rt_module *m, struct dwarf **ret,
                            taddr *ret_slide)
{
    *ret = NULL;
    *ret_slide = rt->slide;
    if (!m->file)
        return image_dwarf(rt->img, ret);
    TRY(file_of(rt, m, true));
    *ret = atomic_load(&m->file->dwarf);
    *ret_slide = m->file->slide;
    return NULL;
}

/* ---- by address ---- */

const struct rt_module *rt_module_of_pc(const struct rt *rt, taddr pc)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (pc >= rt->modules[i].minpc && pc < rt->modules[i].maxpc)
            return &rt->modules[i];
    return NULL;
}

const struct rt_module *rt_module_of_data(const struct rt *rt, taddr addr)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (addr >= rt->modules[i].data_lo && addr < rt->modules[i].data_hi)
            return &rt->modules[i];
    return NULL;
}

const struct rt_module *rt_module_of_type(const struct rt *rt, taddr type)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (type >= rt->modules[i].types && type < rt->modules[i].etypes)
            return &rt->modules[i];
    return NULL;
}

const struct rt_module *rt_module_of_unit(const struct rt *rt, const struct dwarf_unit *u)
{
    for (size_t i = 1; i < rt->nmodules; i++)
        if (u->dw && atomic_load(&rt->modules[i].file->dwarf) == u->dw)
            return &rt->modules[i];
    return rt->modules;
}

struct err *rt_scope_at(const struct rt *rt, taddr pc, struct arena *a, struct dwarf_scope *ret,
                        taddr *ret_slide)
{
    const struct rt_module *m = rt_module_of_pc(rt, pc);
    struct dwarf *dw;
    *ret = (struct dwarf_scope){0};
    TRY(rt_module_dwarf(rt, m ? m : rt->modules, &dw, ret_slide));
    return dwarf_scope_at(dw, pc - *ret_slide, a, ret);
}

bool rt_dwarf_type_at(const struct rt *rt, taddr type, const struct dwarf_type **ret)
{
    const struct rt_module *m = rt_module_of_type(rt, type);
    struct dwarf *dw;
    taddr slide;
    if (!m)
        return false;
    struct err *e = rt_module_dwarf(rt, m, &dw, &slide);
    if (!e)
        e = dwarf_type_of_runtime(dw, type - m->types, ret);
    err_free(e);
    return !e;
}

/* The abi.Type of the same type in another module; 0: it has none. */
static taddr same_type_in(const struct rt *rt, const struct rt_module *m,
                          const struct dwarf_type *t)
{
    const struct dwarf_type *other;
    struct dwarf *dw;
    taddr slide;
    struct err *e = rt_module_dwarf(rt, m, &dw, &slide);
    if (!e)
        e = dwarf_type_named(dw, t->name, &other);
    for (unsigned i = 0; !e && !other->has_runtime_type && other->elem != DWARF_NO_ID &&
                         other->kind == DWARF_KIND_TYPEDEF && i < 64;
         i++)
        e = dwarf_type(dw, other->elem, &other);
    bool same = !e && other->has_runtime_type && other->kind == t->kind && other->size == t->size;
    err_free(e);
    return same ? m->types + other->runtime_type : 0;
}

taddr rt_type_address(const struct rt *rt, const struct dwarf_type *t)
{
    const struct rt_module *m = rt_module_of_unit(rt, t->unit);
    taddr at = 0;
    if (!t->has_runtime_type)
        return 0;
    for (const struct rt_module *k = rt->modules; !at && k < m; k++)
        at = same_type_in(rt, k, t);
    return at ? at : m->types + t->runtime_type;
}

/* ---- by name ---- */

struct dwarf *rt_dwarf_at(const struct rt *rt, size_t i, taddr *ret_slide)
{
    for (size_t k = 0; k < rt->nmodules; k++) {
        struct dwarf *dw = NULL;
        struct err *e = rt_module_dwarf(rt, &rt->modules[k], &dw, ret_slide);
        err_free(e);
        if (!e && i-- == 0)
            return dw;
    }
    return NULL;
}

/* The first module that has the name, as fn finds it in one. */
typedef struct err *find_named(struct dwarf *dw, const char *name, void *ret);

static struct err *in_modules(const struct rt *rt, const char *name, find_named *fn, void *ret,
                              taddr *ret_slide)
{
    struct err *first = NULL;
    struct dwarf *dw;
    for (size_t i = 0; (dw = rt_dwarf_at(rt, i, ret_slide)); i++) {
        struct err *e = fn(dw, name, ret);
        if (!e) {
            err_free(first);
            return NULL;
        }
        err_free(first ? e : NULL);
        first = first ? first : e;
    }
    return first ? first : err_new(ERR_NOT_FOUND, "there is no DWARF");
}

static struct err *variable_in(struct dwarf *dw, const char *name, void *ret)
{
    return dwarf_var_named(dw, name, ret);
}

static struct err *type_in(struct dwarf *dw, const char *name, void *ret)
{
    return dwarf_type_named(dw, name, ret);
}

struct err *rt_variable_named(const struct rt *rt, const char *name, struct dwarf_var *ret,
                              taddr *ret_addr)
{
    taddr slide;
    TRY(in_modules(rt, name, variable_in, ret, &slide));
    *ret_addr = dwarf_expr_address(&ret->loc, ret_addr) ? *ret_addr + slide : 0;
    return NULL;
}

struct err *rt_type_named(const struct rt *rt, const char *name, const struct dwarf_type **ret)
{
    taddr slide;
    return in_modules(rt, name, type_in, ret, &slide);
}
