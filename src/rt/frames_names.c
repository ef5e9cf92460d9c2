/* frames_names.c - what a program consists of: package variables, functions, types, files; see
 * frames.h.
 *
 * Functions and files come from the function table, which stripped programs have, too; variables
 * and types from DWARF (1.18-1.27). */
#include <stdlib.h>
#include <string.h>

#include "image/dwarf_index.h"
#include "rt/frames_int.h"

struct err *rt_package_var(struct rt_stand *st, const char *name, struct arena *a,
                           struct rt_var *ret)
{
    struct dwarf_var v;
    taddr addr;
    if (!stand_values(st))
        return err_new(ERR_NOT_FOUND, "%s", st->no_values);
    TRY(rt_variable_named(st->rt, name, &v, &addr));
    *ret = (struct rt_var){.name = arena_strdup(a, name),
                           .type = value_type_name(st->values, v.type),
                           .kind = RT_VAR_PACKAGE,
                           .line = v.decl_line,
                           .file = "",
                           .value = {.type = v.type, .addr = addr}};
    ret->why = addr ? NULL : "optimized out";
    ret->optimized_out = !addr;
    return NULL;
}

taddr rt_function_entry(struct rt_stand *st, const char *name)
{
    struct pcln_func f;
    for (size_t i = 0; i < st->rt->nmodules; i++)
        if (pcln_find_name(&st->rt->modules[i].pcln, name, &f))
            return f.entry;
    return 0;
}

/* ---- lists ---- */

struct names {
    const struct regex *re;
    VEC(const char *) v;
};

static void take_name(struct names *l, const char *name)
{
    if (*name && (!l->re || regex_match(l->re, name)))
        vec_push(&l->v, name);
}

static struct err *take_dwarf(void *arg, const char *name, uint64_t id)
{
    take_name(arg, name);
    return NULL;
}

static void take_functions(struct rt_stand *st, struct names *l)
{
    struct pcln_func f;
    for (size_t i = 0; i < st->rt->nmodules; i++)
        for (uint32_t k = 0; k < st->rt->modules[i].pcln.nfunc; k++)
            if (pcln_func_at(&st->rt->modules[i].pcln, k, &f))
                take_name(l, f.name);
}

static void take_files(struct rt_stand *st, struct names *l)
{
    for (size_t i = 0; i < st->rt->nmodules; i++)
        for (const char *f = NULL; (f = pcln_next_file(&st->rt->modules[i].pcln, f));)
            take_name(l, f);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Ordered, each once. */
static void keep_names(struct names *l, struct arena *a, const char *const **ret, size_t *ret_n)
{
    size_t n = 0;
    if (l->v.n)
        qsort(l->v.v, l->v.n, sizeof(*l->v.v), by_name);
    const char **v = arena_array(a, const char *, l->v.n + 1);
    for (size_t i = 0; i < l->v.n; i++)
        if (!n || strcmp(v[n - 1], l->v.v[i]) != 0)
            v[n++] = l->v.v[i];
    *ret = v;
    *ret_n = n;
    vec_free(&l->v);
}

struct err *rt_names(struct rt_stand *st, enum rt_names what, const struct regex *re,
                     struct arena *a, const char *const **ret, size_t *ret_n)
{
    struct names l = {.re = re};
    struct dwarf *dw;
    struct err *e = NULL;
    bool dwarf = what == RT_NAMES_VARS || what == RT_NAMES_TYPES;
    *ret_n = 0;
    if (dwarf && !stand_values(st))
        return err_new(ERR_NOT_FOUND, "%s", st->no_values);
    if (what == RT_NAMES_FUNCS)
        take_functions(st, &l);
    if (what == RT_NAMES_FILES)
        take_files(st, &l);
    for (size_t i = 0; dwarf && !e && (dw = values_dwarf_at(st->values, i)); i++)
        e = dwarf_each_name(dw, what == RT_NAMES_VARS ? DWARF_NAME_VAR : DWARF_NAME_TYPE,
                            take_dwarf, &l);
    if (e) {
        vec_free(&l.v);
        return e;
    }
    keep_names(&l, a, ret, ret_n);
    return NULL;
}
