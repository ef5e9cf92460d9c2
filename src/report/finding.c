/* finding.c - findings of diagnoses as text and JSON; see finding.h,
 * docs/formats/doctor.schema.json. */
#include "report/finding.h"

#include <string.h>

#include "base/text.h"
#include "report/report_int.h"

static const char *severity_word(enum diag_severity s)
{
    static const char *const words[] = {"PROBLEM", "WARNING", "NOTE"};
    return s < DIAG_NSEVERITIES ? words[s] : "NOTE";
}

static const char *sure_word(enum diag_sure s)
{
    static const char *const words[] = {"proved", "inferred", "suspected"};
    return s <= DIAG_SUSPECTED ? words[s] : "suspected";
}

/* A paragraph that begins at column 2, cleaned. */
static void put_text(struct buf *out, const struct report_style *style, const char *head,
                     enum look head_look, const char *text)
{
    struct buf clean = {0};
    text_clean(&clean, text);
    size_t at = 2 + text_width(head);
    buf_str(out, "  ");
    look_text(out, style, head_look, head);
    text_wrap(out, buf_text(&clean), style->width ? style->width : SIZE_MAX, at, 4);
    buf_char(out, '\n');
    buf_free(&clean);
}

static void put_sure(struct buf *out, const struct report_style *style,
                     const struct diag_finding *d)
{
    struct buf text = {0};
    buf_str(&text, sure_word(d->sure));
    if (d->sure_why)
        buf_printf(&text, ": %s", d->sure_why);
    put_text(out, style, "how sure: ", LOOK_DIM, buf_text(&text));
    buf_free(&text);
}

static void put_finding(struct buf *out, const struct report_style *style,
                        const struct diag_finding *d)
{
    enum look l = d->severity == DIAG_PROBLEM   ? LOOK_RED
                  : d->severity == DIAG_WARNING ? LOOK_YELLOW
                                                : LOOK_BOLD;
    struct buf title = {0};
    text_clean(&title, d->title);
    look_text(out, style, l, severity_word(d->severity));
    buf_str(out, "  ");
    text_wrap(out, buf_text(&title), style->width ? style->width : SIZE_MAX,
              strlen(severity_word(d->severity)) + 2, 2);
    buf_char(out, '\n');
    buf_free(&title);
    for (size_t i = 0; i < d->evidence.n; i++)
        put_text(out, style, "", LOOK_PLAIN, d->evidence.v[i]);
    if (d->why)
        put_text(out, style, "why it matters: ", LOOK_DIM, d->why);
    put_sure(out, style, d);
    if (d->mend)
        put_text(out, style, "how to mend: ", LOOK_DIM, d->mend);
    if (d->next) { /* on one line, however long: it is there to be copied */
        struct report_style wide = {.color = style->color};
        put_text(out, &wide, "→ ", LOOK_GREEN, d->next);
    }
}

void report_findings_text(const struct diag_findings *f, const struct report_style *style,
                          struct buf *out)
{
    for (size_t i = 0; i < f->v.n; i++)
        put_finding(out, style, &f->v.v[i]);
}

void report_findings_count(const struct diag_findings *f, struct buf *out)
{
    static const char *const one[] = {"problem", "warning", "note"};
    static const char *const many[] = {"problems", "warnings", "notes"};
    bool any = false;
    for (unsigned s = 0; s < DIAG_NSEVERITIES; s++) {
        size_t n = diag_findings_count(f, (enum diag_severity)s);
        if (!n)
            continue;
        buf_str(out, any ? ", " : "");
        count_of(out, n, one[s], many[s]);
        any = true;
    }
    if (!any)
        buf_str(out, "nothing found");
}

static void value_json(struct json *j, const struct diag_value *v)
{
    json_key(j, v->name);
    switch (v->unit) {
    case DIAG_TEXT:
        json_str(j, v->text);
        return;
    case DIAG_PER_SECOND:
        json_f64(j, v->number);
        return;
    case DIAG_ADDR:
        json_addr(j, (taddr)v->integer);
        return;
    case DIAG_COUNT:
    case DIAG_NS:
    case DIAG_BYTES:
        json_i64(j, v->integer);
        return;
    }
    json_null(j);
}

static void finding_json(struct json *j, const struct diag_finding *d)
{
    static const char *const severity[] = {"problem", "warning", "note"};
    json_begin(j, '{');
    json_kstr(j, "key", d->key);
    json_kstr(j, "severity", d->severity < DIAG_NSEVERITIES ? severity[d->severity] : "note");
    json_kstr(j, "title", d->title);
    json_key(j, "evidence");
    json_begin(j, '[');
    for (size_t i = 0; i < d->evidence.n; i++)
        json_str(j, d->evidence.v[i]);
    json_end(j, ']');
    json_kstr(j, "why", d->why);
    json_kstr(j, "mend", d->mend);
    json_kstr(j, "sure", sure_word(d->sure));
    json_kstr(j, "sure_why", d->sure_why);
    json_kstr(j, "next", d->next);
    json_key(j, "values");
    json_begin(j, '{');
    for (size_t i = 0; i < d->values.n; i++)
        value_json(j, &d->values.v[i]);
    json_end(j, '}');
    json_end(j, '}');
}

void report_findings_json(const struct diag_findings *f, struct json *j)
{
    json_begin(j, '[');
    for (size_t i = 0; i < f->v.n; i++)
        finding_json(j, &f->v.v[i]);
    json_end(j, ']');
}
