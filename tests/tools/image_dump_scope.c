/* image_dump_scope.c - variables in scope at a sample of pcs of every function, and globals. */
#include <stdlib.h>

#include "image/dwarf_func.h"
#include "image/dwarf_index.h"
#include "image/dwarf_line.h"
#include "image_dump.h"

typedef unsigned long long ull;

static void dump_var(const struct dwarf_scope *s, const struct dwarf_var *v)
{
    printf("var\t%u\t%u\t", (unsigned)(s->ncalls - 1 - v->call), v->block);
    dump_text(v->name);
    printf("\t%llx\t%d%d\t%u\t%lld\t", (ull)v->type, v->param, v->result, v->decl_line,
           (long long)v->closure_offset);
    dump_hex(v->loc.p, v->loc.n);
    putchar('\n');
}

static struct err *dump_scope(struct dwarf *dw, taddr pc)
{
    struct arena a;
    struct dwarf_scope s;
    arena_init(&a);
    struct err *e = dwarf_scope_at(dw, pc, &a, &s);
    if (!e) {
        printf("pc\t%llx\t", (ull)pc);
        dump_hex(s.frame_base.p, s.frame_base.n);
        putchar('\n');
        for (size_t i = s.ncalls; i-- > 0;) {
            const struct dwarf_call *c = &s.calls[i];
            printf("call\t%d\t%s\t%u\t%s\n", c->inlined, c->func.name, c->call_line,
                   c->inlined ? dwarf_file_path(c->func.unit, c->call_file) : "");
        }
        for (size_t i = 0; i < s.nvars; i++)
            dump_var(&s, &s.vars[i]);
    }
    arena_free(&a);
    return e;
}

/* Every tenth row of the function, at least its first. */
static struct err *dump_func_scopes(struct dwarf *dw, const struct dwarf_die *die)
{
    struct dwarf_func f;
    TRY(dwarf_func_of(dw, die->id, &f));
    if (f.lo == f.hi)
        return NULL;
    for (unsigned i = 0; i < 8; i++)
        TRY(dump_scope(dw, f.lo + (f.hi - f.lo) * i / 8));
    return NULL;
}

struct err *dump_scopes(struct image *img)
{
    struct dwarf *dw;
    const struct dwarf_unit *u;
    TRY(image_dwarf(img, &dw));
    size_t n = dwarf_units(dw, &u);
    for (size_t i = 0; i < n; i++) {
        struct dwarf_walk w;
        struct dwarf_die die;
        dwarf_walk_unit(&w, &u[i]);
        while (dwarf_walk_next(&w, &die))
            if (die.tag == DW_TAG_subprogram)
                TRY(dump_func_scopes(dw, &die));
        if (w.err)
            return w.err;
    }
    return NULL;
}

struct ids {
    uint64_t *v;
    size_t n;
};

static struct err *take_id(void *arg, const char *name, uint64_t id)
{
    struct ids *ids = arg;
    ids->v = mem_realloc(ids->v, (ids->n + 1) * sizeof(*ids->v));
    ids->v[ids->n++] = id;
    return NULL;
}

static int by_id(const void *va, const void *vb)
{
    const uint64_t *a = va, *b = vb;
    return *a < *b ? -1 : *a > *b;
}

static struct err *dump_global(struct dwarf *dw, uint64_t id)
{
    struct dwarf_var v, named;
    TRY(dwarf_var_of(dw, id, &v));
    printf("%llx\t", (ull)id);
    dump_text(v.name);
    printf("\t%llx\t", (ull)v.type);
    dump_hex(v.loc.p, v.loc.n);
    putchar('\n');
    return v.loc.n ? dwarf_var_named(dw, v.name, &named) : NULL; /* the way back */
}

struct err *dump_globals(struct image *img)
{
    struct dwarf *dw;
    struct ids ids = {0};
    TRY(image_dwarf(img, &dw));
    struct err *e = dwarf_each_name(dw, DWARF_NAME_VAR, take_id, &ids);
    if (ids.n)
        qsort(ids.v, ids.n, sizeof(*ids.v), by_id);
    for (size_t i = 0; !e && i < ids.n; i++)
        e = dump_global(dw, ids.v[i]);
    free(ids.v);
    return e;
}
