/* table.h - aligned columns.
 *
 *     struct table t;
 *     table_init(&t, 3);
 *     table_column(&t, 0, "pid", TABLE_RIGHT);
 *     table_column(&t, 2, "module", TABLE_SHRINK | TABLE_CUT_START);
 *     table_text(&t, "4242"); table_text(&t, ...); table_text(&t, ...);   one row, cell by cell
 *     table_write(&t, style, &buf); table_free(&t);
 *
 * Widths come from the contents; when the whole is wider than style->width the columns that may
 * shrink do, never below the width of their heading or 8.  Cells are cleaned of control characters.
 * A column without heading in a table without any prints no heading line. */
#ifndef GOSPECT_REPORT_TABLE_H
#define GOSPECT_REPORT_TABLE_H

#include "base/vec.h"
#include "report/report.h"

enum table_flag {
    TABLE_RIGHT = 1 << 0,
    TABLE_SHRINK = 1 << 1,    /* may be cut when there is not enough room; by default at its end */
    TABLE_CUT_START = 1 << 2, /* ... at its start */
    TABLE_CUT_MIDDLE = 1 << 3,
    TABLE_BOLD = 1 << 4,
    TABLE_DIM = 1 << 5,
};

enum { TABLE_COLUMNS_MAX = 24 };

struct table {
    size_t ncols, indent;
    struct {
        const char *heading; /* not owned; NULL: none */
        unsigned flags;
        size_t width;
    } cols[TABLE_COLUMNS_MAX];
    struct buf text;   /* all cells, each NUL-terminated */
    VEC(size_t) cells; /* where each begins */
};

void table_init(struct table *t, size_t ncols);
void table_column(struct table *t, size_t col, const char *heading, unsigned flags);
void table_text(struct table *t, const char *text); /* the next cell; NULL: empty */
void table_printf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next cell is what was added to this buffer since; finish it with table_cell_end(). */
struct buf *table_cell(struct table *t);
void table_cell_end(struct table *t);
void table_write(struct table *t, const struct report_style *style, struct buf *out);
void table_free(struct table *t);

#endif
