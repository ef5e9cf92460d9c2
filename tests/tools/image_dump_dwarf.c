/* image_dump_dwarf.c - units, entries, lines, types and functions, as image_dump prints them. */
#include "image/dwarf_frame.h"
#include "image/dwarf_func.h"
#include "image/dwarf_index.h"
#include "image/dwarf_layout.h"
#include "image/dwarf_line.h"
#include "image/dwarf_type.h"
#include "image_dump.h"

typedef unsigned long long ull;

/* Calls fn for every DIE of .debug_info. */
static struct err *each_die(struct image *img,
                            struct err *(*fn)(struct dwarf *dw, const struct dwarf_die *die))
{
    struct dwarf *dw;
    const struct dwarf_unit *units;
    TRY(image_dwarf(img, &dw));
    size_t n = dwarf_units(dw, &units);
    for (size_t i = 0; i < n; i++) {
        struct dwarf_walk w;
        struct dwarf_die die;
        if (units[i].unreadable)
            return err_new(ERR_BAD_DATA, "unit %zu %s", i, units[i].unreadable);
        if (units[i].id & DWARF_TYPES_ID)
            continue;
        dwarf_walk_unit(&w, &units[i]);
        while (dwarf_walk_next(&w, &die))
            TRY(fn(dw, &die));
        if (w.err)
            return w.err;
    }
    return NULL;
}

static void dump_value(const struct dwarf_die *die, const struct dwarf_attr *a)
{
    uint64_t v;
    switch (a->cls) {
    case DWARF_ADDR:
        printf("A%llx", dwarf_attr_addr(die->unit, a, &v) ? (ull)v : ~0ull);
        break;
    case DWARF_UCONST:
    case DWARF_SCONST:
        printf("I%lld", (long long)a->s);
        break;
    case DWARF_FLAG:
        printf("F%llu", (ull)a->u);
        break;
    case DWARF_TEXT:
        putchar('S');
        dump_text(dwarf_attr_text(die->unit, a));
        break;
    case DWARF_BLOCK:
        putchar('B');
        dump_hex(a->p, a->n);
        break;
    case DWARF_REF:
        if (a->form == DW_FORM_ref_sig8)
            printf("G%llx", (ull)a->u);
        else
            printf("R%llx", dwarf_attr_ref(die->unit, a, &v) ? (ull)v : ~0ull);
        break;
    case DWARF_OFFSET:
        printf("O%llx", (ull)a->u);
        break;
    case DWARF_LISTX:
        if (a->form == DW_FORM_rnglistx)
            putchar('L'); /* debug/dwarf gives the offset, not the index */
        else
            printf("X%llx", (ull)a->u);
        break;
    default:
        printf("?%x", a->form);
    }
}

static struct err *dump_die(struct dwarf *dw, const struct dwarf_die *die)
{
    struct dwarf_attrs it;
    struct dwarf_attr a;
    printf("%llx\t%x\t%d", (ull)die->id, die->tag, die->has_children);
    dwarf_attrs_init(&it, die);
    while (dwarf_attrs_next(&it, &a)) {
        printf("\t%x=", a.name);
        dump_value(die, &a);
    }
    putchar('\n');
    return it.err;
}

struct err *dump_dies(struct image *img)
{
    return each_die(img, dump_die);
}

struct err *dump_units(struct image *img)
{
    struct dwarf *dw;
    const struct dwarf_unit *u;
    TRY(image_dwarf(img, &dw));
    size_t n = dwarf_units(dw, &u);
    for (size_t i = 0; i < n; i++) {
        struct dwarf_list it;
        struct dwarf_range r;
        if (u[i].id & DWARF_TYPES_ID)
            continue;
        printf("%llx\t%x\t", (ull)u[i].die, u[i].language);
        dump_text(u[i].name);
        dwarf_ranges_of_unit(&it, &u[i]);
        while (dwarf_range_next(&it, &r))
            printf("\t%llx-%llx", (ull)r.lo, (ull)r.hi);
        putchar('\n');
        if (it.err)
            return it.err;
    }
    return NULL;
}

struct err *dump_lines(struct image *img)
{
    struct dwarf *dw;
    const struct dwarf_unit *u;
    TRY(image_dwarf(img, &dw));
    size_t n = dwarf_units(dw, &u);
    for (size_t i = 0; i < n; i++) {
        struct dwarf_rows it;
        struct dwarf_row r;
        if (!u[i].has_lines || u[i].id & DWARF_TYPES_ID)
            continue;
        printf("unit\t");
        dump_text(u[i].name);
        putchar('\n');
        for (dwarf_rows_of(&it, &u[i]); dwarf_row_next(&it, &r);)
            printf("%llx\t%u\t%u\t%u\t%u\t%u\t%d%d%d%d%d\t%s\n", (ull)r.addr, r.op_index, r.line,
                   r.column, r.discriminator, r.isa, r.is_stmt, r.basic_block, r.prologue_end,
                   r.epilogue_begin, r.end_sequence, dwarf_file_path(&u[i], r.file));
        if (it.err)
            return it.err;
    }
    return NULL;
}

static const char *const kinds[] = {
    [DWARF_KIND_OTHER] = "other",
    [DWARF_KIND_VOID] = "void",
    [DWARF_KIND_BOOL] = "bool",
    [DWARF_KIND_INT] = "int",
    [DWARF_KIND_UINT] = "uint",
    [DWARF_KIND_CHAR] = "char",
    [DWARF_KIND_FLOAT] = "float",
    [DWARF_KIND_COMPLEX] = "complex",
    [DWARF_KIND_POINTER] = "pointer",
    [DWARF_KIND_STRUCT] = "struct",
    [DWARF_KIND_UNION] = "union",
    [DWARF_KIND_ARRAY] = "array",
    [DWARF_KIND_FUNC] = "func",
    [DWARF_KIND_ENUM] = "enum",
    [DWARF_KIND_TYPEDEF] = "typedef",
    [DWARF_KIND_QUALIFIER] = "qualifier",
    [DWARF_KIND_STRING] = "string",
    [DWARF_KIND_SLICE] = "slice",
    [DWARF_KIND_MAP] = "map",
    [DWARF_KIND_CHAN] = "chan",
    [DWARF_KIND_INTERFACE] = "interface",
};

static void dump_id(const char *label, uint64_t id)
{
    if (id != DWARF_NO_ID)
        printf("\t%s=%llx", label, (ull)id);
}

static bool is_type(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_base_type:
    case DW_TAG_unspecified_type:
    case DW_TAG_pointer_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_array_type:
    case DW_TAG_subroutine_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
        return true;
    default:
        return false;
    }
}

static struct err *dump_type(struct dwarf *dw, const struct dwarf_die *die)
{
    const struct dwarf_type *t;
    if (!is_type(die->tag))
        return NULL;
    TRY(dwarf_type(dw, die->id, &t));
    printf("%llx\t%s\t%lld\t", (ull)die->id, kinds[t->kind], (long long)dwarf_type_size(dw, t));
    dump_text(t->name);
    dump_id("elem", t->elem);
    dump_id("key", t->key);
    dump_id("repr", t->repr);
    if (t->kind == DWARF_KIND_ARRAY)
        printf("\tn=%lld", (long long)t->count);
    if (t->has_runtime_type)
        printf("\trt=%llx", (ull)t->runtime_type);
    if (t->has_dict_index)
        printf("\tdict=%llu", (ull)t->dict_index);
    for (size_t i = 0; i < t->nmembers; i++) {
        const struct dwarf_member *m = &t->members[i];
        printf("\t.%s", m->name);
        printf(":%llu:%u:%u:%d:%llx", (ull)m->off, m->bit_off, m->bit_size, m->embedded,
               (ull)m->type);
    }
    for (size_t i = 0; i < t->nenumerators; i++)
        printf("\t%s=%lld", t->enumerators[i].name, (long long)t->enumerators[i].value);
    for (size_t i = 0; i < t->nparams; i++)
        printf("\t(%llx%s", (ull)t->params[i].type, t->params[i].result ? ":r" : "");
    puts(t->variadic ? "\t..." : "");
    return NULL;
}

struct err *dump_types(struct image *img)
{
    return each_die(img, dump_type);
}

static struct err *dump_func(struct dwarf *dw, const struct dwarf_die *die)
{
    struct dwarf_func f, at, named;
    struct dwarf_list it;
    struct dwarf_range r;
    if (die->tag != DW_TAG_subprogram)
        return NULL;
    TRY(dwarf_func_of(dw, die->id, &f));
    if (f.lo == f.hi)
        return NULL;
    printf("%llx\t", (ull)die->id);
    dump_text(f.name);
    printf("\t%u\t%s", f.decl_line, f.decl_file ? dwarf_file_path(f.decl_unit, f.decl_file) : "-");
    dwarf_ranges_of(&it, die);
    while (dwarf_range_next(&it, &r))
        printf("\t%llx-%llx", (ull)r.lo, (ull)r.hi);
    putchar('\n');
    if (it.err)
        return it.err;
    /* the ways back: by pc and by name */
    TRY(dwarf_func_at(dw, f.lo, &at));
    TRY(dwarf_func_at(dw, f.hi - 1, &named));
    if (at.die != die->id || named.die != die->id)
        return err_new(ERR_BAD_DATA, "%s is not found by pc", f.name);
    TRY(dwarf_func_named(dw, f.name, &named));
    return named.lo == named.hi ? err_new(ERR_BAD_DATA, "%s is not found by name", f.name) : NULL;
}

struct err *dump_funcs(struct image *img)
{
    return each_die(img, dump_func);
}

/* ---- the runtime's layouts, as src/rt/gen/layouts.inc has them ---- */

enum {
#define STRUCT(s, ...) S_##s,
#define FIELD(s, f, ...)
#define END(s)
#include "rt/layout.def"
#undef STRUCT
#undef FIELD
#undef END
    STRUCTS,
};
#define LIST(...)                                                                                  \
    (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__}))

struct err *dump_layout(struct image *img)
{
    struct dwarf_struct_query s[] = {
#define STRUCT(s, ...) {LIST(__VA_ARGS__), 0, 0},
#define FIELD(s, f, ...)
#define END(s)
#include "rt/layout.def"
#undef STRUCT
#undef FIELD
#undef END
    };
    struct dwarf_field_query f[] = {
#define STRUCT(s, ...)
#define FIELD(s, f, ...) {S_##s, LIST(__VA_ARGS__), 0, 0},
#define END(s)
#include "rt/layout.def"
#undef STRUCT
#undef FIELD
#undef END
    };
    static const char *const names[] = {
#define STRUCT(s, ...) #s,
#define FIELD(s, f, ...)
#define END(s)
#include "rt/layout.def"
#undef STRUCT
#undef FIELD
#undef END
    };
    static const char *const fields[] = {
#define STRUCT(s, ...)
#define FIELD(s, f, ...) #f,
#define END(s)
#include "rt/layout.def"
#undef STRUCT
#undef FIELD
#undef END
    };
    TRY(dwarf_layout(img, s, ARRAY_LEN(s), f, ARRAY_LEN(f)));
    for (size_t i = 0; i < STRUCTS; i++)
        printf("SIZE(%s, %lld)\n", names[i], (long long)s[i].size);
    for (size_t i = 0; i < ARRAY_LEN(f); i++)
        printf("AT(%s, %s, %d, %u)\n", names[f[i].strct], fields[i], f[i].off, f[i].width);
    return NULL;
}

/* ---- call frame information: the CFA rule at each function's rows ---- */

static struct err *dump_func_cfi(struct dwarf *dw, const struct dwarf_die *die)
{
    struct dwarf_func f;
    if (die->tag != DW_TAG_subprogram)
        return NULL;
    TRY(dwarf_func_of(dw, die->id, &f));
    for (taddr pc = f.lo; pc < f.hi;) {
        struct dwarf_frame_rules r;
        struct err *e = dwarf_frame_at(dwarf_image(dw), pc, &r);
        if (e) {
            printf("%llx\tnone\n", (ull)pc);
            err_free(e);
            break;
        }
        printf("%llx\t%llx\tr%u%+lld\tra=c%+lld\n", (ull)r.lo, (ull)r.hi, r.cfa_reg,
               (long long)r.cfa_off, (long long)r.regs[r.return_reg % DWARF_FRAME_REGS].off);
        pc = r.hi > pc ? r.hi : f.hi;
    }
    return NULL;
}

struct err *dump_cfi(struct image *img)
{
    return each_die(img, dump_func_cfi);
}
