/* Values as text, from memory written by hand.  The types are those of fuzz/corpus/rt_value/go,
 * which tools/fuzz-seeds writes (go_values): DWARF as Go's linker makes it, of a type of every
 * kind. */
#include "check.h"
#include "image/dwarf_index.h"
#include "image/make.h"
#include "rt/rt_int.h"
#include "rt/value.h"

enum { MEMORY = 0x500000, MEMORY_N = 0x2000, TYPES = 0x400000, HCHAN = 96 };

struct world {
    uint8_t memory[MEMORY_N];
    uint8_t *parts; /* of the seed */
    struct buf file, text;
    const uint8_t *bytes;
    struct target_mapping map;
    struct target_fake fake;
    struct rt_module module;
    struct rt rt;
    struct values *values;
    struct value_limits limits;
};

static void put(struct world *w, size_t off, uint64_t v)
{
    memcpy(w->memory + off, &v, 8);
}

/* The parts of a seed: kind, length, bytes (fuzz/image_parts.h). */
static void open_seed(struct world *w)
{
    struct make_elf elf = {0};
    size_t n = 0;
    FILE *f = fopen("fuzz/corpus/rt_value/go", "rb");
    assert_non_null(f);
    w->parts = calloc(1, 1 << 16);
    size_t size = fread(w->parts, 1, 1 << 16, f);
    fclose(f);
    for (size_t at = 0; at + 3 <= size; at += 3 + n) {
        n = w->parts[at + 1] | (size_t)w->parts[at + 2] << 8;
        if (w->parts[at] < 2)
            make_add(&elf, w->parts[at] ? ".debug_abbrev" : ".debug_info", w->parts + at + 3, n);
    }
    make_file(&elf, &w->file, NULL);
    check_ok(image_open_bytes(w->file.p, w->file.n, "seed", &w->rt.img));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->bytes = w->memory;
    w->map = (struct target_mapping){
        .start = MEMORY, .end = MEMORY + MEMORY_N, .readable = true, .path = ""};
    w->fake = (struct target_fake){.maps = &w->map, .bytes = &w->bytes, .nmaps = 1};
    w->module = (struct rt_module){.types = TYPES, .etypes = TYPES + 0x1000};
    w->rt.modules = &w->module;
    w->rt.nmodules = 1;
    memset(w->rt.layout.off, 0xff, sizeof(w->rt.layout.off));
    w->rt.layout.size[RT_STRUCT_hchan] = HCHAN;
    w->rt.layout.off[RT_hchan_qcount] = 0;
    w->rt.layout.off[RT_hchan_dataqsiz] = 8;
    w->rt.layout.off[RT_hchan_closed] = 28;
    w->rt.layout.width[RT_hchan_qcount] = w->rt.layout.width[RT_hchan_dataqsiz] = 8;
    w->rt.layout.width[RT_hchan_closed] = 4;
    w->rt.layout.off[RT_itab_type] = 8;
    open_seed(w);
    w->rt.t = target_open_fake(&w->fake);
    w->limits = value_limits_short;
    check_ok(values_open(&w->rt, w->rt.t, &w->values));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    values_close(w->values);
    target_close(w->rt.t);
    image_unref(w->rt.img);
    buf_free(&w->file);
    buf_free(&w->text);
    free(w->parts);
    free(w);
    return 0;
}

static uint64_t type_named(struct world *w, const char *name)
{
    const struct dwarf_type *t;
    check_ok(dwarf_type_named(values_dwarf(w->values), name, &t));
    return t->id;
}

/* The text of the value of a type at an offset of the memory. */
static const char *look(struct world *w, const char *type, size_t off)
{
    struct value x = {.type = type_named(w, type), .addr = MEMORY + off};
    buf_clear(&w->text);
    values_forget(w->values); /* the memory has changed */
    value_print(w->values, &x, &w->limits, &w->text);
    return buf_text(&w->text);
}

static const char *look_bits(struct world *w, const char *type, uint64_t v)
{
    put(w, 0, v);
    return look(w, type, 0);
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return bits;
}

static void test_numbers(void **state)
{
    struct world *w = *state;
    assert_string_equal(look_bits(w, "int", (uint64_t)-7), "-7");
    assert_string_equal(look_bits(w, "int8", 0x80), "-128");
    assert_string_equal(look_bits(w, "uint64", UINT64_MAX), "18446744073709551615");
    assert_string_equal(look_bits(w, "bool", 1), "true");
    assert_string_equal(look_bits(w, "bool", 7), "7 (not a bool)");
    assert_string_equal(look_bits(w, "main.color", 1), "green (1)");
    assert_string_equal(look_bits(w, "main.color", 5), "5");
    assert_string_equal(look_bits(w, "float32", 0x3dcccccd), "0.1");
    /* what Go's fmt prints */
    assert_string_equal(look_bits(w, "float64", bits_of(100000)), "100000");
    assert_string_equal(look_bits(w, "float64", bits_of(1000000)), "1e+06");
    assert_string_equal(look_bits(w, "float64", bits_of(123456.5)), "123456.5");
    assert_string_equal(look_bits(w, "float64", bits_of(0.0001)), "0.0001");
    assert_string_equal(look_bits(w, "float64", bits_of(0.00001)), "1e-05");
    assert_string_equal(look_bits(w, "float64", bits_of(-0.0)), "-0");
    put(w, 8, bits_of(-2.5));
    assert_string_equal(look_bits(w, "complex128", bits_of(1)), "(1-2.5i)");
}

static void test_times(void **state)
{
    struct world *w = *state;
    assert_string_equal(look_bits(w, "time.Duration", 0), "0s");
    assert_string_equal(look_bits(w, "time.Duration", (uint64_t)-1500), "-1.5µs");
    assert_string_equal(look_bits(w, "time.Duration", 3600000000000), "1h0m0s");
    assert_string_equal(look_bits(w, "time.Duration", UINT64_C(1) << 63),
                        "-2562047h47m16.854775808s");
    put(w, 0, 5000);
    put(w, 8, 62121410260); /* without the monotonic clock */
    assert_string_equal(look(w, "time.Time", 0), "1969-07-20T19:17:40.000005Z");
    put(w, 0, UINT64_C(1) << 63); /* with it: seconds since 1885 */
    assert_string_equal(look(w, "time.Time", 0), "1885-01-01T00:00:00Z");
    put(w, 0, (1u << 30) - 1); /* no such nanosecond: as the struct it is */
    assert_non_null(strstr(look(w, "time.Time", 0), "wall: 1073741823"));
}

static void put_string(struct world *w, size_t off, size_t text, const char *s)
{
    memcpy(w->memory + text, s, strlen(s));
    put(w, off, MEMORY + text);
    put(w, off + 8, strlen(s));
}

static void test_strings(void **state)
{
    struct world *w = *state;
    put_string(w, 0, 0x100, "a\"\\\n\x01é\xff");
    assert_string_equal(look(w, "string", 0), "\"a\\\"\\\\\\n\\x01é\\xff\"");
    put(w, 8, 0);
    assert_string_equal(look(w, "string", 0), "\"\"");
    memset(w->memory + 0x100, 'x', 100);
    put(w, 8, 100);
    w->limits.text = 4;
    assert_string_equal(look(w, "string", 0), "\"xxxx\"…+96");
    memcpy(w->memory + 0x100, "xxxé", 5); /* a cut in the middle of a character */
    assert_string_equal(look(w, "string", 0), "\"xxx\"…+96");
    put(w, 0, 0x600000);
    assert_string_equal(look(w, "string", 0), "(unreadable)");
}

static void test_lists(void **state)
{
    struct world *w = *state;
    put(w, 0, 1);
    put(w, 8, 2);
    put(w, 16, 3);
    assert_string_equal(look(w, "[3]int", 0), "[1, 2, 3]");
    assert_string_equal(look(w, "[0]int", 0), "[]");
    w->limits.elements = 2;
    assert_string_equal(look(w, "[3]int", 0), "[1, 2, …+1]");
    put_string(w, 0x200, 0x300, "a");
    put_string(w, 0x210, 0x310, "b");
    put(w, 0, MEMORY + 0x200);
    put(w, 8, 2);
    put(w, 16, 4);
    assert_string_equal(look(w, "[]string", 0), "len: 2, cap: 4, [\"a\", \"b\"]");
    put(w, 8, UINT64_MAX); /* damaged: nothing is read for it but what is shown */
    assert_string_equal(
        look(w, "[]string", 0),
        "len: 18446744073709551615, cap: 4, [\"a\", \"b\", …+18446744073709551613]");
    put(w, 0, 0);
    put(w, 8, 0);
    assert_string_equal(look(w, "[]string", 0), "nil");
}

static void test_pointers_end(void **state)
{
    struct world *w = *state;
    put(w, 0x100, 3);
    put(w, 0x108, 4);
    put(w, 0x110, MEMORY + 0x100); /* next: itself */
    put(w, 0, MEMORY + 0x100);
    assert_string_equal(look(w, "*main.node", 0), "0x500100 → {p: {x: 3, y: 4}, next: 0x500100}");
    w->limits.pointers = 2;
    assert_string_equal(look(w, "*main.node", 0),
                        "0x500100 → {p: {x: 3, y: 4}, next: 0x500100 → {p: {x: 3, y: 4}, "
                        "next: 0x500100}}");
    w->limits.pointers = 100000; /* then depth, width or reads end it */
    assert_true(strlen(look(w, "*main.node", 0)) < w->limits.width + 32);
    w->limits.pointers = 1;
    w->limits.depth = 1;
    assert_string_equal(look(w, "*main.node", 0), "0x500100 → {p: {…}, next: 0x500100}");
    put(w, 0, 0x600000);
    assert_string_equal(look(w, "*main.node", 0), "0x600000 → {p: {…}, next: (unreadable)}");
    put(w, 0, 0);
    assert_string_equal(look(w, "*main.node", 0), "nil");
}

static void test_width_ends_at_a_character(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 60; i++)
        memcpy(w->memory + 0x100 + 2 * i, "é", 2);
    put(w, 0, MEMORY + 0x100);
    put(w, 8, 120);
    w->limits.text = 120;
    w->limits.width = 20;
    const char *text = look(w, "string", 0);
    assert_string_equal(text, "\"ééééééééé…"); /* the quote and nine of two bytes */
}

static void test_bytes_from_registers(void **state)
{
    struct world *w = *state;
    uint64_t words[3] = {MEMORY + 0x200, 1, 99};
    uint8_t known[3] = {0xff, 0xff, 0}; /* the capacity was not kept */
    struct value x = {
        .type = type_named(w, "[]string"), .bytes = (uint8_t *)words, .n = 24, .known = known};
    put_string(w, 0x200, 0x300, "a");
    assert_int_equal(value_print(w->values, &x, &w->limits, &w->text), VALUE_SHOWN);
    assert_string_equal(buf_text(&w->text), "len: 1, cap: ?, [\"a\"]");
    buf_clear(&w->text);
    known[0] = 0x7f; /* a byte of the pointer is missing */
    value_print(w->values, &x, &w->limits, &w->text);
    assert_string_equal(buf_text(&w->text), "len: 1, cap: ?, [(optimized out)]");
    buf_clear(&w->text);
    memset(known, 0, sizeof(known));
    assert_int_equal(value_print(w->values, &x, &w->limits, &w->text), VALUE_LOST);
}

/* hash<string,int>: count 0, flags 8, B 9, buckets 16, oldbuckets 24; bucket: tophash 0, keys 8,
 * values 136, overflow 200; 208 bytes. */
static void put_bucket(struct world *w, size_t off, uint8_t top, size_t text, const char *key,
                       uint64_t value)
{
    w->memory[off] = top;
    put_string(w, off + 8, text, key);
    put(w, off + 136, value);
}

static void test_old_maps(void **state)
{
    struct world *w = *state;
    put(w, 0, MEMORY + 0x20);
    put(w, 0x20, 3);
    w->memory[0x29] = 1; /* two buckets */
    put(w, 0x30, MEMORY + 0x400);
    put_bucket(w, 0x400, 9, 0x100, "a", 1);
    put_bucket(w, 0x400 + 208, 1, 0x110, "gone", 9); /* an empty cell */
    put(w, 0x400 + 200, MEMORY + 0x800);
    put_bucket(w, 0x800, 77, 0x120, "b", 2); /* overflowed */
    put(w, 0x38, MEMORY + 0xc00);            /* it grows: one old bucket, not moved */
    put_bucket(w, 0xc00, 8, 0x130, "old", 3);
    assert_string_equal(look(w, "map[string]int", 0), "len: 3, {\"old\": 3, \"a\": 1, \"b\": 2}");
    w->memory[0xc00] = 2; /* moved meanwhile */
    assert_string_equal(look(w, "map[string]int", 0), "len: 3, {\"a\": 1, \"b\": 2, …+1}");
    put(w, 0x400 + 200, MEMORY + 0x400); /* a chain that bites its tail */
    assert_true(strlen(look(w, "map[string]int", 0)) < w->limits.width);
    put(w, 0, 0);
    assert_string_equal(look(w, "map[string]int", 0), "nil");
}

/* map<string,int>: used 0, dirPtr 16, dirLen 24; table: groups 16 (data, lengthMask); group: ctrl
 * 0, slots 8 of 24 bytes; 200 bytes. */
static void put_group(struct world *w, size_t off, size_t text, const char *key, uint64_t value)
{
    put(w, off, 0x8080808080808080 & ~UINT64_C(0xff00)); /* slot 1 is in use */
    put_string(w, off + 8 + 24, text, key);
    put(w, off + 8 + 24 + 16, value);
}

static void test_new_maps(void **state)
{
    struct world *w = *state;
    put(w, 0, MEMORY + 0x20);
    put(w, 0x20, 1);
    put(w, 0x30, MEMORY + 0x400); /* no directory: its only group */
    put_group(w, 0x400, 0x100, "a", 1);
    assert_string_equal(look(w, "maps.Map", 0), "len: 1, {\"a\": 1}");
    put(w, 0x20, 2);
    put(w, 0x30, MEMORY + 0x80); /* a directory with one table, twice */
    put(w, 0x38, 2);
    put(w, 0x80, MEMORY + 0x90);
    put(w, 0x88, MEMORY + 0x90);
    put(w, 0xa0, MEMORY + 0x400);
    put(w, 0xa8, 1);
    put_group(w, 0x400 + 200, 0x110, "b", 2);
    assert_string_equal(look(w, "maps.Map", 0), "len: 2, {\"a\": 1, \"b\": 2}");
    put(w, 0x38, UINT64_MAX); /* damaged */
    put(w, 0x20, UINT64_MAX);
    assert_true(strlen(look(w, "maps.Map", 0)) < w->limits.width);
}

static void test_interfaces_and_channels(void **state)
{
    struct world *w = *state;
    put(w, 0, 0);
    assert_string_equal(look(w, "interface {}", 0), "nil");
    put(w, 0, TYPES + 0x140); /* main.point */
    put(w, 8, MEMORY + 0x100);
    put(w, 0x100, 1);
    put(w, 0x108, 2);
    assert_string_equal(look(w, "interface {}", 0), "(main.point) {x: 1, y: 2}");
    put(w, 0, TYPES + 0x200); /* *main.point: the word itself */
    assert_string_equal(look(w, "interface {}", 0), "(*main.point) 0x500100 → {x: 1, y: 2}");
    put(w, 0, MEMORY + 0x200); /* error: the type is in the itab */
    put(w, 0x208, TYPES + 0x40);
    assert_string_equal(look(w, "error", 0), "(int) 1");
    put(w, 0, 12345);
    assert_string_equal(look(w, "interface {}", 0), "(type at 0x3039) at 0x500100");
    put(w, 0, MEMORY + 0x300);
    put(w, 0x300, 2);
    put(w, 0x308, 5);
    w->memory[0x31c] = 1;
    assert_string_equal(look(w, "chan int", 0), "0x500300 len: 2, cap: 5, closed");
}

static void test_reads_are_bounded(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 8; i++)
        put_string(w, 0x200 + 16 * i, 0x400, "a");
    put(w, 0, MEMORY + 0x200);
    put(w, 8, 8);
    w->limits.reads = 4; /* the header, the elements, two texts */
    assert_string_equal(look(w, "[]string", 0), "len: 8, cap: 0, [\"a\", \"a\", …, …, …, …, …, …]");
}

#define VALUE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

TEST_MAIN(VALUE_TEST(test_numbers), VALUE_TEST(test_times), VALUE_TEST(test_strings),
          VALUE_TEST(test_lists), VALUE_TEST(test_pointers_end),
          VALUE_TEST(test_width_ends_at_a_character), VALUE_TEST(test_bytes_from_registers),
          VALUE_TEST(test_old_maps), VALUE_TEST(test_new_maps),
          VALUE_TEST(test_interfaces_and_channels), VALUE_TEST(test_reads_are_bounded))
