/* table.c - aligned columns; see table.h. */
#include "report/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "report/report_int.h"

enum { GAP = 2, SHRUNK_MIN = 8 };

void table_init(struct table *t, size_t ncols)
{
    *t = (struct table){.ncols = ncols < TABLE_COLUMNS_MAX ? ncols : TABLE_COLUMNS_MAX};
}

void table_free(struct table *t)
{
    buf_free(&t->text);
    vec_free(&t->cells);
}

void table_column(struct table *t, size_t col, const char *heading, unsigned flags)
{
    t->cols[col].heading = heading;
    t->cols[col].flags = flags;
}

struct buf *table_cell(struct table *t)
{
    vec_push(&t->cells, t->text.n);
    return &t->text;
}

void table_cell_end(struct table *t)
{
    size_t begin = *vec_last(&t->cells);
    char *raw = mem_strdup(buf_text(&t->text) + begin);
    t->text.n = begin;
    text_clean(&t->text, raw);
    buf_char(&t->text, '\0');
    free(raw);
}

void table_text(struct table *t, const char *text)
{
    buf_str(table_cell(t), text ? text : "");
    table_cell_end(t);
}

void table_printf(struct table *t, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    table_text(t, buf_text(&text));
    buf_free(&text);
}

static const char *cell(const struct table *t, size_t i)
{
    return t->text.p + t->cells.v[i];
}

static size_t total_width(const struct table *t)
{
    size_t total = t->indent;
    for (size_t c = 0; c < t->ncols; c++)
        total += t->cols[c].width + (c ? GAP : 0);
    return total;
}

static size_t least_width(const struct table *t, size_t c)
{
    size_t heading = t->cols[c].heading ? text_width(t->cols[c].heading) : 0;
    size_t least = heading > SHRUNK_MIN ? heading : SHRUNK_MIN;
    return least < t->cols[c].width ? least : t->cols[c].width;
}

/* Takes from the widest column that may shrink until the table fits, or none can shrink more. */
static void shrink(struct table *t, size_t width)
{
    for (size_t total = total_width(t); width && total > width; total--) {
        size_t widest = t->ncols;
        for (size_t c = 0; c < t->ncols; c++)
            if ((t->cols[c].flags & TABLE_SHRINK) && t->cols[c].width > least_width(t, c) &&
                (widest == t->ncols || t->cols[c].width > t->cols[widest].width))
                widest = c;
        if (widest == t->ncols)
            return;
        t->cols[widest].width--;
    }
}

static void measure(struct table *t)
{
    for (size_t c = 0; c < t->ncols; c++)
        t->cols[c].width = t->cols[c].heading ? text_width(t->cols[c].heading) : 0;
    for (size_t i = 0; i < t->cells.n; i++) {
        size_t width = text_width(cell(t, i)), c = i % t->ncols;
        if (width > t->cols[c].width)
            t->cols[c].width = width;
    }
}

static enum look look_of(const struct table *t, size_t c, bool heading)
{
    if (heading)
        return LOOK_DIM;
    return t->cols[c].flags & TABLE_BOLD  ? LOOK_BOLD
           : t->cols[c].flags & TABLE_DIM ? LOOK_DIM
                                          : LOOK_PLAIN;
}

/* One cell, cut and padded; what is last in its row is not padded behind. */
static void put_cell(const struct table *t, const struct report_style *style, size_t c,
                     const char *text, bool heading, bool last, struct buf *out)
{
    unsigned flags = t->cols[c].flags;
    enum text_cut cut = flags & TABLE_CUT_START    ? TEXT_CUT_START
                        : flags & TABLE_CUT_MIDDLE ? TEXT_CUT_MIDDLE
                                                   : TEXT_CUT_END;
    enum look l = look_of(t, c, heading);
    struct buf fit = {0};
    text_fit(&fit, text, t->cols[c].width, cut);
    buf_str(out, l == LOOK_PLAIN ? "" : look(style, l));
    if (last && !(flags & TABLE_RIGHT))
        buf_str(out, buf_text(&fit));
    else
        text_pad(out, buf_text(&fit), t->cols[c].width, flags & TABLE_RIGHT);
    buf_str(out, l == LOOK_PLAIN ? "" : look(style, LOOK_PLAIN));
    buf_free(&fit);
}

static const char *text_at(const struct table *t, size_t first, size_t c, bool heading)
{
    const char *text = heading ? t->cols[c].heading : cell(t, first + c);
    return text ? text : "";
}

static void put_row(const struct table *t, const struct report_style *style, size_t first,
                    bool heading, struct buf *out)
{
    size_t used = t->ncols;
    while (used && !*text_at(t, first, used - 1, heading))
        used--;
    buf_repeat(out, ' ', used ? t->indent : 0);
    for (size_t c = 0; c < used; c++) {
        buf_repeat(out, ' ', c ? GAP : 0);
        put_cell(t, style, c, text_at(t, first, c, heading), heading, c + 1 == used, out);
    }
    buf_char(out, '\n');
}

void table_write(struct table *t, const struct report_style *style, struct buf *out)
{
    bool headings = false;
    measure(t);
    shrink(t, style->width);
    for (size_t c = 0; c < t->ncols; c++)
        headings |= t->cols[c].heading != NULL;
    if (headings)
        put_row(t, style, 0, true, out);
    for (size_t i = 0; i + t->ncols <= t->cells.n; i += t->ncols)
        put_row(t, style, i, false, out);
}
