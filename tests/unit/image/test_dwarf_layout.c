/* Offsets of fields, addresses of variables and values of constants, from DWARF written here by
 * hand: one Go unit with types, as cmd/link writes it, and one of C.  And two images of the same,
 * of which one is the other's library. */
#include "check.h"
#include "image/dwarf_index.h"
#include "image/dwarf_layout.h"
#include "make.h"

enum {
    UNIT_GO = 1,
    STRUCT_GO,
    MEMBER,
    BASE,
    TYPEDEF,
    POINTER,
    ARRAY,
    RANGE,
    VARIABLE,
    CONSTANT,
    UNIT_C,
    STRUCT_C,
    MEMBER_EXPR,
    FUNCTION
};

static void abbrev(struct buf *b, unsigned code, unsigned tag, bool children, const unsigned *attrs)
{
    buf_uleb(b, code);
    buf_uleb(b, tag);
    put_u8(b, children);
    for (; *attrs; attrs += 2) {
        buf_uleb(b, attrs[0]);
        buf_uleb(b, attrs[1]);
    }
    put_u16(b, 0);
}

#define ATTRS(...)                                                                                 \
    (const unsigned[])                                                                             \
    {                                                                                              \
        __VA_ARGS__, 0                                                                             \
    }

static void put_abbrevs(struct buf *b)
{
    abbrev(b, UNIT_GO, DW_TAG_compile_unit, true,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_language, DW_FORM_data1));
    abbrev(b, STRUCT_GO, DW_TAG_structure_type, true,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_udata));
    abbrev(b, MEMBER, DW_TAG_member, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_data_member_location, DW_FORM_udata, DW_AT_type,
                 DW_FORM_ref_addr));
    abbrev(b, BASE, DW_TAG_base_type, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1));
    abbrev(b, TYPEDEF, DW_TAG_typedef, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref_addr));
    abbrev(b, POINTER, DW_TAG_pointer_type, false, ATTRS(DW_AT_type, DW_FORM_ref_addr));
    abbrev(b, ARRAY, DW_TAG_array_type, true, ATTRS(DW_AT_type, DW_FORM_ref4));
    abbrev(b, RANGE, DW_TAG_subrange_type, false, ATTRS(DW_AT_upper_bound, DW_FORM_data1));
    abbrev(b, VARIABLE, DW_TAG_variable, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_location, DW_FORM_block1));
    abbrev(b, CONSTANT, DW_TAG_constant, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_const_value, DW_FORM_sdata));
    abbrev(b, UNIT_C, DW_TAG_compile_unit, true,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_language, DW_FORM_data2));
    abbrev(b, STRUCT_C, DW_TAG_structure_type, true,
           ATTRS(DW_AT_sibling, DW_FORM_ref4, DW_AT_name, DW_FORM_strp, DW_AT_byte_size,
                 DW_FORM_data2));
    abbrev(b, MEMBER_EXPR, DW_TAG_member, false,
           ATTRS(DW_AT_name, DW_FORM_string, DW_AT_data_member_location, DW_FORM_exprloc,
                 DW_AT_type, DW_FORM_ref_addr));
    abbrev(b, FUNCTION, DW_TAG_subprogram, true, ATTRS(DW_AT_name, DW_FORM_string));
    put_u8(b, 0);
}

static size_t begin_unit(struct buf *b, unsigned code, const char *name, unsigned language)
{
    size_t at = b->n;
    put_u32(b, 0); /* length, filled in by end_unit() */
    put_u16(b, 4);
    put_u32(b, 0);
    put_u8(b, 8);
    buf_uleb(b, code);
    put_text(b, name);
    if (code == UNIT_GO)
        put_u8(b, language);
    else
        put_u16(b, (uint16_t)language);
    return at;
}

static void end_unit(struct buf *b, size_t at)
{
    put_u8(b, 0);
    uint32_t length = (uint32_t)(b->n - at - 4);
    put_at(b, at, &length, 4);
}

static uint32_t die(struct buf *b, unsigned code, const char *name)
{
    uint32_t at = (uint32_t)b->n;
    buf_uleb(b, code);
    put_text(b, name);
    return at;
}

static void member(struct buf *b, const char *name, unsigned off, uint32_t type)
{
    die(b, MEMBER, name);
    buf_uleb(b, off);
    put_u32(b, type);
}

static void variable(struct buf *b, const char *name, uint64_t addr)
{
    die(b, VARIABLE, name);
    put_u8(b, 9);
    put_u8(b, DW_OP_addr);
    put_u64(b, addr);
}

static void put_go_unit(struct buf *b)
{
    size_t unit = begin_unit(b, UNIT_GO, "runtime", DW_LANG_Go);
    die(b, FUNCTION, "runtime.f"); /* its variables are not package variables */
    variable(b, "runtime.sched", 0x1);
    put_u8(b, 0);
    variable(b, "runtime.sched", 0x5000);
    die(b, CONSTANT, "runtime._Gdead");
    put_sleb(b, 6);
    die(b, CONSTANT, "runtime.minus");
    put_sleb(b, -70000);
    uint32_t u64 = die(b, BASE, "uint64");
    put_u8(b, 8);
    uint32_t u8 = die(b, BASE, "uint8");
    put_u8(b, 1);
    uint32_t alias = die(b, TYPEDEF, "runtime.alias");
    put_u32(b, u64);
    uint32_t ptr = (uint32_t)b->n;
    buf_uleb(b, POINTER);
    put_u32(b, u64);
    uint32_t array = (uint32_t)b->n;
    buf_uleb(b, ARRAY);
    put_u32(b, (uint32_t)(alias - unit));
    buf_uleb(b, RANGE);
    put_u8(b, 9); /* 0..9 */
    put_u8(b, 0);
    uint32_t inner = die(b, STRUCT_GO, "runtime.inner");
    buf_uleb(b, 300);
    member(b, "flag", 7, u8);
    member(b, "list", 200, array);
    put_u8(b, 0);
    uint32_t inner_def = die(b, TYPEDEF, "runtime.inner");
    put_u32(b, inner);
    die(b, STRUCT_GO, "runtime.g");
    buf_uleb(b, 400);
    member(b, "first", 0, ptr);
    member(b, "in", 100, inner_def);
    die(b, MEMBER_EXPR, "computed");
    put_u8(b, 1);
    put_u8(b, DW_OP_nop);
    put_u32(b, u64);
    put_u8(b, 0);
    end_unit(b, unit);
}

static void put_c_unit(struct buf *b)
{
    size_t unit = begin_unit(b, UNIT_C, "x.c", 12);
    buf_uleb(b, STRUCT_C);
    size_t sibling = b->n;
    put_u32(b, 0);
    put_u32(b, 6); /* .debug_str: "cthing" */
    put_u16(b, 24);
    member(b, "tail", 16, 0xffffff); /* a type that is not there */
    put_u8(b, 0);
    uint32_t next = (uint32_t)(b->n - unit);
    put_at(b, sibling, &next, 4);
    variable(b, "global", 0x6000);
    end_unit(b, unit);
}

struct sample {
    struct buf info, abbrevs, file;
    struct image *img;
};

static void open_sample(struct sample *s)
{
    static const char str[] = "junk\0\0cthing";
    struct make_elf elf = {0};
    put_abbrevs(&s->abbrevs);
    put_go_unit(&s->info);
    put_c_unit(&s->info);
    make_add(&elf, ".debug_info", s->info.p, s->info.n);
    make_add(&elf, ".debug_abbrev", s->abbrevs.p, s->abbrevs.n);
    make_add(&elf, ".debug_str", str, sizeof(str));
    make_file(&elf, &s->file, NULL);
    check_ok(image_open_bytes(s->file.p, s->file.n, "sample", &s->img));
}

static void close_sample(struct sample *s)
{
    image_unref(s->img);
    buf_free(&s->info);
    buf_free(&s->abbrevs);
    buf_free(&s->file);
}

#define NAMES(...)                                                                                 \
    (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__}))

static void finds_fields(void **state)
{
    struct sample s = {0};
    open_sample(&s);
    struct dwarf_struct_query q[] = {
        {NAMES("runtime.absent"), 0, 0},
        {NAMES("runtime.older", "runtime.g"), 0, 0},
        {NAMES("runtime.inner"), 0, 0},
        {NAMES("cthing"), 0, 0},
    };
    struct dwarf_field_query f[] = {
        {0, NAMES("x"), 0, 0},
        {1, NAMES("first"), 0, 0},
        {1, NAMES("in.flag"), 0, 0},
        {1, NAMES("gone", "in.nothing", "in.list"), 0, 0},
        {1, NAMES("computed"), 0, 0},
        {2, NAMES("flag"), 0, 0},
        {1, NAMES("first.deeper"), 0, 0},
        {1, NAMES("in"), 0, 0},
    };
    check_ok(dwarf_layout(s.img, q, ARRAY_LEN(q), f, ARRAY_LEN(f)));
    const int64_t sizes[] = {-1, 400, 300, 24};
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        assert_int_equal(q[i].size, sizes[i]);
    const int32_t offs[] = {-1, 0, 107, 300, -1, 7, -1, 100};
    const uint32_t widths[] = {0, 8, 1, 80, 0, 1, 0, 300};
    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        assert_int_equal(f[i].off, offs[i]);
        assert_int_equal(f[i].width, widths[i]);
    }
    close_sample(&s);
}

static void finds_variables_and_constants(void **state)
{
    struct sample s = {0};
    open_sample(&s);
    const char *names[] = {"runtime.sched", "runtime.nothing", "global", "other/pkg.x"};
    taddr addrs[4];
    check_ok(dwarf_variables(s.img, names, 4, addrs));
    assert_int_equal(addrs[0], 0x5000);
    assert_int_equal(addrs[1], 0);
    assert_int_equal(addrs[2], 0x6000);
    assert_int_equal(addrs[3], 0);
    struct dwarf_constant c[] = {{"runtime._Gdead", 0, 0}, {"runtime.minus", 0, 0}, {"x", 1, 1}};
    check_ok(dwarf_constants(s.img, c, 3));
    assert_true(c[0].found && c[1].found && !c[2].found);
    assert_int_equal(c[0].value, 6);
    assert_int_equal(c[1].value, -70000);
    close_sample(&s);
}

static void without_dwarf(void **state)
{
    struct make_elf elf = {0};
    struct buf file = {0};
    struct image *img;
    make_file(&elf, &file, NULL);
    check_ok(image_open_bytes(file.p, file.n, "bare", &img));
    check_err(dwarf_layout(img, NULL, 0, NULL, 0), ERR_NOT_FOUND, "bare: no DWARF");
    image_unref(img);
    buf_free(&file);
}

/* A damaged unit neither hides the others nor is passed over in silence by walks. */
static void broken_units(void **state)
{
    struct sample s = {0};
    open_sample(&s);
    image_unref(s.img);
    uint8_t version = 9;
    put_at(&s.file, sizeof(Elf64_Ehdr) + 4, &version, 1); /* of the first unit */
    check_ok(image_open_bytes(s.file.p, s.file.n, "sample", &s.img));
    struct dwarf *dw;
    const struct dwarf_unit *units;
    check_ok(image_dwarf(s.img, &dw));
    assert_int_equal(dwarf_units(dw, &units), 2);
    assert_non_null(units[0].unreadable);
    assert_null(units[1].unreadable);
    const char *names[] = {"global"};
    taddr addr;
    check_ok(dwarf_variables(s.img, names, 1, &addr));
    assert_int_equal(addr, 0x6000);
    close_sample(&s);
}

/* What a program and its library have under one name at one offset has different ids, which each of
 * them understands, until they part. */
static void ids_of_libraries(void **state)
{
    struct sample program = {0}, library = {0}, other = {0};
    struct dwarf *dw, *of_library;
    const struct dwarf_type *mine, *its, *t;
    struct dwarf_die die;
    open_sample(&program);
    open_sample(&library);
    open_sample(&other);
    check_ok(image_add_library(program.img, other.img));
    check_ok(image_add_library(program.img, library.img));
    image_remove_library(other.img); /* leaves a gap */
    check_ok(image_dwarf(program.img, &dw));
    check_ok(image_dwarf(library.img, &of_library));
    check_ok(dwarf_type_named(dw, "runtime.g", &mine));
    check_ok(dwarf_type_named(of_library, "runtime.g", &its));
    assert_true(mine->id != its->id && dwarf_offset(mine->id) == dwarf_offset(its->id));
    check_ok(dwarf_type(dw, its->id, &t));
    assert_ptr_equal(t, its);
    check_ok(dwarf_type(of_library, mine->id, &t));
    assert_ptr_equal(t, mine);
    check_ok(dwarf_type_strip(dw, its->members[1].type, &t)); /* by a reference */
    assert_string_equal(t->name, "runtime.inner");
    assert_ptr_equal(t->unit->dw, of_library);
    check_ok(dwarf_die_at(dw, its->id, &die));
    assert_string_equal(dwarf_die_name(&die), "runtime.g");
    check_err(dwarf_die_at(dw, its->id + (UINT64_C(1) << DWARF_IMAGE_SHIFT), &die), ERR_BAD_DATA,
              "no debug information entry");
    uint64_t id = its->id;
    image_remove_library(library.img);
    check_err(dwarf_die_at(dw, id, &die), ERR_BAD_DATA, "no debug information entry");
    check_ok(dwarf_die_at(of_library, id, &die));
    close_sample(&library);
    close_sample(&other);
    close_sample(&program);
}

TEST_MAIN(cmocka_unit_test(finds_fields), cmocka_unit_test(finds_variables_and_constants),
          cmocka_unit_test(without_dwarf), cmocka_unit_test(broken_units),
          cmocka_unit_test(ids_of_libraries))
