/* All of DWARF: entries, index, types, functions, scopes, locations, lines, layouts.  Parts: the
 * sections of the table below. */
#include "base/mem.h"
#include "image/dwarf_expr.h"
#include "image/dwarf_index.h"
#include "image/dwarf_layout.h"
#include "image/dwarf_line.h"
#include "image_parts.h"

static const char *const names[] = {
    ".debug_info", ".debug_abbrev",   ".debug_str",   ".debug_line_str", ".debug_str_offsets",
    ".debug_addr", ".debug_types",    ".debug_line",  ".debug_ranges",   ".debug_rnglists",
    ".debug_loc",  ".debug_loclists", ".debug_frame", ".zdebug_info"};

PARTS_MUTATOR

enum { DIES_MAX = 3000, STEPS_MAX = 2000 };

struct visit {
    struct dwarf *dw;
    struct arena arena;
    unsigned dies, steps;
};

static struct err *reg(void *arg, unsigned n, void *dst, size_t bytes)
{
    memset(dst, (int)n, bytes);
    return NULL;
}

static struct err *mem(void *arg, taddr addr, void *dst, size_t bytes)
{
    memset(dst, (int)addr, bytes);
    return NULL;
}

static void evaluate(const struct dwarf_expr *expr, const struct dwarf_expr *frame_base)
{
    const struct dwarf_env env = {.reg = reg, .read = mem, .frame_base = frame_base};
    struct dwarf_location loc;
    uint8_t value[16];
    struct err *e = dwarf_eval(expr, &env, &loc);
    if (!e)
        e = dwarf_location_read(&loc, &env, value, sizeof(value), NULL);
    err_free(e);
}

static void visit_attr(struct visit *v, const struct dwarf_die *die, const struct dwarf_attr *a)
{
    uint64_t n;
    int64_t s;
    struct dwarf_list list;
    struct dwarf_range r;
    struct dwarf_expr expr;
    (void)!strlen(dwarf_attr_text(die->unit, a));
    dwarf_attr_addr(die->unit, a, &n);
    dwarf_attr_uint(a, &n);
    dwarf_attr_sint(a, &s);
    dwarf_attr_ref(die->unit, a, &n);
    if (a->name == DW_AT_location || a->name == DW_AT_frame_base) {
        err_free(dwarf_location_at(die->unit, a, 0x401010, &expr));
        dwarf_locations_of(&list, die->unit, a);
        while (v->steps++ < STEPS_MAX && dwarf_location_next(&list, &r, &expr))
            evaluate(&expr, NULL);
        err_free(list.err);
    }
}

static void visit_type(struct visit *v, uint64_t id)
{
    const struct dwarf_type *t;
    struct err *e = dwarf_type(v->dw, id, &t);
    if (!e) {
        dwarf_type_size(v->dw, t);
        dwarf_member_named(t, "next");
        e = dwarf_type_strip(v->dw, id, &t);
    }
    err_free(e);
}

static void visit_scope(struct visit *v, taddr pc)
{
    struct dwarf_scope scope;
    struct err *e = dwarf_scope_at(v->dw, pc, &v->arena, &scope);
    for (size_t i = 0; !e && i < scope.nvars && i < 64; i++)
        evaluate(&scope.vars[i].loc, &scope.frame_base);
    err_free(e);
}

static void visit_func(struct visit *v, uint64_t id)
{
    struct dwarf_func f, at;
    uint64_t *copies;
    size_t n;
    struct err *e = dwarf_func_of(v->dw, id, &f);
    if (!e && f.lo < f.hi) {
        e = dwarf_func_at(v->dw, f.lo, &at);
        visit_scope(v, f.lo);
        visit_scope(v, f.lo + (f.hi - f.lo) / 2);
    }
    err_free(e);
    if (v->dies < 64)
        err_free(dwarf_inlined_copies(v->dw, id, &v->arena, &copies, &n));
}

static void visit_die(struct visit *v, const struct dwarf_die *die)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    struct dwarf_list list;
    struct dwarf_range r;
    struct dwarf_var var;
    (void)!strlen(dwarf_die_name(die));
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a))
        visit_attr(v, die, &a);
    err_free(it.err);
    visit_type(v, die->id);
    dwarf_ranges_of(&list, die);
    while (v->steps++ < STEPS_MAX && dwarf_range_next(&list, &r))
        ;
    err_free(list.err);
    err_free(dwarf_var_of(v->dw, die->id, &var));
    if (die->tag == DW_TAG_subprogram || die->tag == DW_TAG_inlined_subroutine)
        visit_func(v, die->id);
}

static void visit_unit(struct visit *v, const struct dwarf_unit *u)
{
    struct dwarf_walk w;
    struct dwarf_die die;
    struct dwarf_rows rows;
    struct dwarf_row row;
    struct dwarf_list list;
    struct dwarf_range r;
    dwarf_walk_unit(&w, u);
    while (v->dies++ < DIES_MAX && dwarf_walk_next(&w, &die))
        visit_die(v, &die);
    err_free(w.err);
    for (dwarf_rows_of(&rows, u); v->steps++ < STEPS_MAX && dwarf_row_next(&rows, &row);)
        (void)!strlen(dwarf_file_path(u, row.file));
    err_free(rows.err);
    dwarf_ranges_of_unit(&list, u);
    while (v->steps++ < STEPS_MAX && dwarf_range_next(&list, &r))
        ;
    err_free(list.err);
    v->steps = 0;
}

static struct err *visit_name(void *arg, const char *name, uint64_t id)
{
    struct visit *v = arg;
    struct dwarf_names it;
    uint64_t other;
    (void)!strlen(name);
    for (int kind = 0; kind < DWARF_NAME_KINDS && v->steps++ < STEPS_MAX; kind++) {
        TRY(dwarf_names_of(&it, v->dw, (enum dwarf_name_kind)kind, name));
        while (v->steps++ < STEPS_MAX && dwarf_name_next(&it, &other))
            ;
    }
    return NULL;
}

static void visit_names(struct visit *v)
{
    const struct dwarf_type *t;
    struct dwarf_func f;
    struct dwarf_var var;
    struct dwarf_place *places;
    size_t n;
    for (int kind = 0; kind < DWARF_NAME_KINDS; kind++)
        err_free(dwarf_each_name(v->dw, (enum dwarf_name_kind)kind, visit_name, v));
    err_free(dwarf_func_named(v->dw, "main", &f));
    err_free(dwarf_var_named(v->dw, "global", &var));
    err_free(dwarf_type_named(v->dw, "node", &t));
    err_free(dwarf_type_of_runtime(v->dw, 0x40, &t));
    err_free(dwarf_find_line(v->dw, "a.c", 4, true, &v->arena, &places, &n));
}

#define LIST(...)                                                                                  \
    (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__}))

static void visit_layout(struct image *img)
{
    struct dwarf_struct_query s[] = {{LIST("node", "runtime.g"), 0, 0}, {LIST("pair"), 0, 0}};
    struct dwarf_field_query f[] = {
        {0, LIST("next", "m"), 0, 0}, {0, LIST("inner.b", "sched.pc"), 0, 0}, {1, LIST("a"), 0, 0}};
    const char *const vars[] = {"global", "runtime.allgs"};
    struct dwarf_constant c[] = {{"RED", 0, 0}, {"runtime._Gdead", 0, 0}};
    taddr at[2];
    err_free(dwarf_layout(img, s, ARRAY_LEN(s), f, ARRAY_LEN(f)));
    err_free(dwarf_variables(img, vars, ARRAY_LEN(vars), at));
    err_free(dwarf_constants(img, c, ARRAY_LEN(c)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part parts[PARTS_MAX];
    size_t n = parts_read(data, size, parts);
    struct buf file = {0};
    struct image *img;
    struct visit v = {0};
    const struct dwarf_unit *units;
    struct err *e = parts_open(parts, n, names, ARRAY_LEN(names), &file, &img);
    if (!e) {
        visit_layout(img);
        e = image_dwarf(img, &v.dw);
        if (!e) {
            arena_init(&v.arena);
            size_t nunits = dwarf_units(v.dw, &units);
            for (size_t i = 0; i < nunits; i++)
                visit_unit(&v, &units[i]);
            visit_names(&v);
            arena_free(&v.arena);
        }
        image_unref(img);
    }
    err_free(e);
    buf_free(&file);
    return 0;
}
