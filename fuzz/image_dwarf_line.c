/* Line tables of a unit that everything else is known of.  Parts: see below. */
#include "base/mem.h"
#include "image/dwarf_line.h"
#include "image_parts.h"

enum { LINE, LINE_STR, STR, STR_OFFSETS };
static const char *const names[] = {".debug_line",        ".debug_line_str", ".debug_str",
                                    ".debug_str_offsets", ".debug_info",     ".debug_abbrev"};
enum { INFO = 4, ABBREV = 5 };

PARTS_MUTATOR

/* A unit of DWARF 5 that covers the code, in /d, with a table at 0. */
static const uint8_t abbrevs[] = {1,
                                  DW_TAG_compile_unit,
                                  0,
                                  DW_AT_stmt_list,
                                  DW_FORM_sec_offset,
                                  DW_AT_low_pc,
                                  DW_FORM_addr,
                                  DW_AT_high_pc,
                                  DW_FORM_data4,
                                  DW_AT_name,
                                  DW_FORM_string,
                                  DW_AT_comp_dir,
                                  DW_FORM_string,
                                  0,
                                  0,
                                  0};
static const uint8_t info[] = {
    0x22, 0, 0, 0, 5, 0, DW_UT_compile, 8, 0, 0,   0,   0,   1, 0,   0,   0, 0, 0, 0x10, 0x40,
    0,    0, 0, 0, 0, 0, 0x10,          0, 0, 'a', '.', 'c', 0, '/', 'd', 0, 0, 0};

static void read_rows(struct dwarf *dw, const struct dwarf_unit *u)
{
    struct dwarf_rows it;
    struct dwarf_row row, at;
    const struct dwarf_unit *found;
    struct arena arena;
    struct dwarf_place *places;
    size_t n = 0, nplaces;
    char path[128] = "";
    uint32_t line = 1;
    for (dwarf_rows_of(&it, u); dwarf_row_next(&it, &row); n++) {
        if (n % 64 || row.end_sequence)
            continue;
        const char *file = dwarf_file_path(u, row.file);
        if (strlen(file) < sizeof(path))
            strcpy(path, file);
        line = row.line;
        err_free(dwarf_row_at(dw, row.addr, &found, &at));
    }
    err_free(it.err);
    for (size_t i = 0; i < dwarf_file_count(u) + 1 && i < 64; i++)
        dwarf_file_path(u, i);
    for (taddr pc = 0x401000; pc < 0x401100; pc += 5) {
        err_free(dwarf_row_at(dw, pc, &found, &at));
        dwarf_rows_near(&it, u, pc);
        (void)!dwarf_row_next(&it, &row);
        err_free(it.err);
    }
    arena_init(&arena);
    err_free(dwarf_find_line(dw, path, line, false, &arena, &places, &nplaces));
    err_free(dwarf_find_line(dw, "a.c", 2, true, &arena, &places, &nplaces));
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part v[PARTS_MAX + 2];
    size_t n = parts_read(data, size, v);
    struct buf file = {0};
    struct image *img;
    struct dwarf *dw;
    const struct dwarf_unit *u;
    for (size_t i = 0; i < n; i++)
        v[i].kind &= 3;
    v[n++] = (struct part){INFO, info, sizeof(info)};
    v[n++] = (struct part){ABBREV, abbrevs, sizeof(abbrevs)};
    struct err *e = parts_open(v, n, names, ARRAY_LEN(names), &file, &img);
    if (!e) {
        e = image_dwarf(img, &dw);
        if (!e && dwarf_units(dw, &u))
            read_rows(dw, u);
        image_unref(img);
    }
    err_free(e);
    buf_free(&file);
    return 0;
}
