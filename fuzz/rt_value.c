/* The printer of values: every type of the DWARF, from memory that means nothing.  Parts: the
 * sections of image_dwarf.c, and 20, memory at 0x500000 in which most addresses point. */
#include "image/dwarf_index.h"
#include "image_parts.h"
#include "rt/rt_int.h"
#include "rt/value.h"

static const char *const names[] = {
    ".debug_info", ".debug_abbrev",   ".debug_str",   ".debug_line_str", ".debug_str_offsets",
    ".debug_addr", ".debug_types",    ".debug_line",  ".debug_ranges",   ".debug_rnglists",
    ".debug_loc",  ".debug_loclists", ".debug_frame", ".zdebug_info"};

PARTS_MUTATOR

enum { MEMORY = 0x500000, TYPES_MAX = 200, AT_MAX = 8 };

static void print(struct values *v, uint64_t type, const struct part *m)
{
    struct buf b = {0};
    uint8_t known[8] = {0xff, 0x0f, 0xf0, 0xaa};
    for (size_t i = 0; i < AT_MAX; i++) {
        struct value x = {.type = type, .addr = MEMORY + i * m->n / AT_MAX};
        value_print(v, &x, &value_limits_short, &b);
    }
    struct value x = {.type = type, .bytes = m->p, .n = min_u64(m->n, 64), .known = known};
    value_print(v, &x, &value_limits_short, &b);
    (void)!strlen(value_type_name(v, type));
    if (b.n > (AT_MAX + 1) * (value_limits_short.width + 32))
        abort(); /* wider than asked for */
    buf_free(&b);
}

static void print_all(struct values *v, const struct part *m)
{
    const struct dwarf_unit *units;
    struct dwarf_walk w;
    struct dwarf_die die;
    const struct dwarf_type *t;
    size_t n = dwarf_units(values_dwarf(v), &units), types = 0;
    for (size_t i = 0; i < n; i++) {
        dwarf_walk_unit(&w, &units[i]);
        while (types < TYPES_MAX && dwarf_walk_next(&w, &die)) {
            struct err *e = dwarf_type(values_dwarf(v), die.id, &t);
            if (!e && types++ < TYPES_MAX)
                print(v, die.id, m);
            err_free(e);
        }
        err_free(types < TYPES_MAX ? w.err : NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part v[PARTS_MAX];
    size_t n = parts_read(data, size, v);
    struct part memory = parts_find(v, n, 20);
    struct target_mapping map = {
        .start = MEMORY, .end = MEMORY + memory.n, .readable = true, .path = ""};
    struct rt_module module = {.types = MEMORY, .etypes = MEMORY + memory.n};
    struct rt rt = {.modules = &module, .nmodules = 1};
    struct target_fake fake = {.maps = &map, .bytes = &memory.p, .nmaps = 1};
    struct buf file = {0};
    struct values *values = NULL;
    memset(rt.layout.off, 0, sizeof(rt.layout.off));
    rt.layout.size[RT_STRUCT_hchan] = 96;
    rt.layout.size[RT_STRUCT_type] = 48;
    rt.t = target_open_fake(&fake);
    struct err *e = parts_open(v, n, names, ARRAY_LEN(names), &file, &rt.img);
    if (!e)
        e = values_open(&rt, rt.t, &values);
    if (!e)
        print_all(values, &memory);
    err_free(e);
    values_close(values);
    image_unref(rt.img);
    target_close(rt.t);
    buf_free(&file);
    return 0;
}
