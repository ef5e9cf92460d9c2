/* dwarf_line.h - line tables (.debug_line, versions 2 to 5): pc to file and line, and back.
 *
 * Tables are read when first asked for and kept: their file names, and a mark every MARK_ROWS rows
 * from which decoding can go on, so that a pc costs some microseconds and the marks a tenth of the
 * section.  Rows themselves are never stored.
 *
 * Owner: what is returned lives as long as the image.  Thread: any; an iterator belongs to one. */
#ifndef GOSPECT_IMAGE_DWARF_LINE_H
#define GOSPECT_IMAGE_DWARF_LINE_H

#include "image/dwarf.h"

struct dwarf_row {
    taddr addr; /* link-time; the row holds up to the address of the next one */
    uint32_t file, line, column, discriminator;
    uint8_t op_index, isa;
    bool is_stmt, basic_block, prologue_end, epilogue_begin;
    bool end_sequence; /* nothing is at addr; the next row begins anew */
};

/* All rows of a unit, as the program of its table makes them:
 *     dwarf_rows_of(&it, unit);
 *     while (dwarf_row_next(&it, &row)) ...;
 *     e = it.err;  (the caller's) */
struct dwarf_lines;
struct dwarf_rows {
    const struct dwarf_lines *lines;
    const uint8_t *p;
    struct dwarf_row row;
    struct err *err;
};
void dwarf_rows_of(struct dwarf_rows *it, const struct dwarf_unit *u);
bool dwarf_row_next(struct dwarf_rows *it, struct dwarf_row *ret);
/* The same from a row on that is at or a little before pc: for one function. */
void dwarf_rows_near(struct dwarf_rows *it, const struct dwarf_unit *u, taddr pc);

/* Files of a unit's table; numbers as rows, DW_AT_decl_file and DW_AT_call_file use them.  The path
 * is absolute when DWARF tells; "" when there is no such file. */
size_t dwarf_file_count(const struct dwarf_unit *u);
const char *dwarf_file_path(const struct dwarf_unit *u, uint64_t file);

/* The row that holds at pc, and its unit.  NOT_FOUND: no table covers pc. */
struct err *dwarf_row_at(struct dwarf *dw, taddr pc, const struct dwarf_unit **ret_unit,
                         struct dwarf_row *ret) MUST_USE;

/* Where a line begins.  path: as it stands in DWARF, or any number of its last components
 * ("server.go", "net/http/server.go").  A line has many addresses: inlined copies, instances of a
 * generic function, loops.  Only where none of them begins a statement the others count, too.
 * `nearest`: when the line has no code, the next one of the file that has. The array is the
 * arena's, ordered by address. */
struct dwarf_place {
    const struct dwarf_unit *unit;
    struct dwarf_row row;
};
struct err *dwarf_find_line(struct dwarf *dw, const char *path, uint32_t line, bool nearest,
                            struct arena *a, struct dwarf_place **ret, size_t *ret_n) MUST_USE;

#endif
