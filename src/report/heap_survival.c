/* heap_survival.c - survival by type as a table and as JSON; see heap_survival.h. */
#include "report/heap_survival.h"

#include "base/text.h"
#include "report/table.h"

static void percent_cell(struct table *t, double part)
{
    if (part < 0)
        buf_str(table_cell(t), "–");
    else
        buf_printf(table_cell(t), "%.1f %%", 100 * part);
    table_cell_end(t);
}

static double part_of(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : -1;
}

static void row_text(struct table *t, const struct heap_survival *s,
                     const struct heap_survival_row *x)
{
    table_text(t, x->changed ? "!" : "");
    text_count(table_cell(t), x->objects);
    table_cell_end(t);
    percent_cell(t, heap_survival_rate(s, x->kept, x->objects));
    percent_cell(t, heap_survival_rate(s, x->kept_fresh, x->fresh));
    if (s->basis == HEAP_SURVIVAL_RATES)
        percent_cell(t, x->earlier);
    percent_cell(t, part_of(x->old_a, x->objects));
    percent_cell(t, part_of(x->old_b, x->all_b));
    table_text(t, *x->type ? x->type : "(not known)");
}

static void rows_text(const struct heap_survival *s, size_t n, struct flow *f)
{
    bool rates = s->basis == HEAP_SURVIVAL_RATES;
    const char *const heads[] = {"",         "objects", "survived", "of new", "the time before",
                                 "old then", "old now"};
    struct table t;
    size_t column = 0;
    table_init(&t, ARRAY_LEN(heads) + rates);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (rates || i != 4)
            table_column(&t, column++, heads[i], TABLE_RIGHT | (i == 2 ? TABLE_BOLD : 0));
    table_column(&t, column, "type", TABLE_SHRINK | TABLE_CUT_MIDDLE);
    t.indent = 2;
    for (size_t i = 0; i < n; i++)
        row_text(&t, s, &s->v[i]);
    table_write(&t, f->style, &f->b);
    table_free(&t);
}

/* What the marks mean, or why there are none. */
static void meaning(const struct heap_survival *s, struct buf *b)
{
    const char *said = s->nchanged ? "!" : "nothing is marked: no";
    if (s->basis == HEAP_SURVIVAL_RATES) {
        buf_printf(b, "%s survival differs by more than %.0f points from the time before", said,
                   100 * HEAP_SURVIVAL_CHANGE);
        if (s->gcs_earlier != s->gcs)
            buf_printf(b,
                       " (in which %lld collections ended, not %lld: more of them let fewer "
                       "survive)",
                       (long long)s->gcs_earlier, (long long)s->gcs);
    } else if (s->basis == HEAP_SURVIVAL_SHARES) {
        buf_printf(b,
                   "%s part that has survived a collection (old) changed by more than %.0f "
                   "points; --earlier SNAPSHOT compares rates of survival instead",
                   s->nchanged ? "! the" : said, 100 * HEAP_SURVIVAL_CHANGE);
    } else {
        buf_printf(b,
                   "nothing is marked: the snapshots are from different points of a cycle (%.0f %% "
                   "and %.0f %% on the way to the next), so the parts that are old differ anyway; "
                   "--earlier SNAPSHOT compares rates of survival instead",
                   100 * s->progress_a, 100 * s->progress_b);
    }
}

void report_survival_text(const struct heap_survival *s, size_t limit, struct flow *f)
{
    struct buf b = {0};
    size_t n = limit && s->nchanged + limit < s->n ? s->nchanged + limit : s->n;
    if (s->gcs < 1) {
        buf_str(&f->b, s->gcs ? "survival: how many collections ended is not known\n"
                              : "survival: no collection ended in between\n");
        return;
    }
    buf_str(&f->b, "survival of what lived, over ");
    count_of(&f->b, (uint64_t)s->gcs, "collection\n", "collections\n");
    rows_text(s, n, f);
    if (n < s->n) {
        buf_str(&f->b, "  ");
        text_count(&f->b, s->n - n);
        buf_str(&f->b, " more: --limit 0 shows all\n");
    }
    meaning(s, &b);
    buf_str(&f->b, "  ");
    text_wrap(&f->b, buf_text(&b), f->style->width ? f->style->width : SIZE_MAX, 2, 4);
    buf_char(&f->b, '\n');
    buf_free(&b);
    flow(f);
}

/* ---- JSON ---- */

static void number_or_null(struct json *j, const char *key, double v)
{
    json_key(j, key);
    if (v < 0)
        json_null(j);
    else
        json_f64(j, v);
}

static void row_json(const struct heap_survival *s, const struct heap_survival_row *x,
                     struct json *j)
{
    json_begin(j, '{');
    json_kstr(j, "type", *x->type ? x->type : NULL);
    json_ku64(j, "objects", x->objects);
    json_ku64(j, "survived", x->kept);
    number_or_null(j, "rate", heap_survival_rate(s, x->kept, x->objects));
    json_ku64(j, "new_objects", x->fresh);
    json_ku64(j, "new_survived", x->kept_fresh);
    number_or_null(j, "new_rate", heap_survival_rate(s, x->kept_fresh, x->fresh));
    number_or_null(j, "earlier_rate", x->earlier);
    number_or_null(j, "old_share_before", part_of(x->old_a, x->objects));
    number_or_null(j, "old_share", part_of(x->old_b, x->all_b));
    json_kbool(j, "changed", x->changed);
    json_end(j, '}');
}

void report_survival_json(const struct heap_survival *s, struct json *j)
{
    static const char *const bases[] = {
        [HEAP_SURVIVAL_SHARES] = "old_share", [HEAP_SURVIVAL_RATES] = "rate"};
    json_key(j, "survival");
    json_begin(j, '{');
    json_ki64(j, "garbage_collections", s->gcs);
    json_ki64(j, "garbage_collections_earlier", s->gcs_earlier);
    number_or_null(j, "cycle_progress_before", s->progress_a);
    number_or_null(j, "cycle_progress", s->progress_b);
    json_kstr(j, "compared", bases[s->basis]);
    json_key(j, "types");
    json_begin(j, '[');
    for (size_t i = 0; i < s->n; i++)
        row_json(s, &s->v[i], j);
    json_end(j, ']');
    json_end(j, '}');
}
