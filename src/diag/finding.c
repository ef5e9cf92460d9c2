/* finding.c - sets of findings; see finding.h. */
#include "diag/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void diag_findings_init(struct diag_findings *f)
{
    *f = (struct diag_findings){0};
    arena_init(&f->mem);
}

void diag_findings_free(struct diag_findings *f)
{
    for (size_t i = 0; i < f->v.n; i++) {
        vec_free(&f->v.v[i].evidence);
        vec_free(&f->v.v[i].values);
    }
    vec_free(&f->v);
    arena_free(&f->mem);
}

static const char *format(struct diag_findings *f, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    size_t size = (size_t)(n < 0 ? 0 : n) + 1;
    char *text = arena_alloc(&f->mem, size);
    vsnprintf(text, size, fmt, again);
    va_end(again);
    return text;
}

const char *diag_text(struct diag_findings *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = format(f, fmt, ap);
    va_end(ap);
    return text;
}

struct diag_finding *diag_find(struct diag_findings *f, enum diag_severity severity,
                               const char *key, const char *title_fmt, ...)
{
    va_list ap;
    va_start(ap, title_fmt);
    struct diag_finding d = {
        .severity = severity, .key = arena_strdup(&f->mem, key), .title = format(f, title_fmt, ap)};
    va_end(ap);
    vec_push(&f->v, d);
    return vec_last(&f->v);
}

void diag_evidence(struct diag_findings *f, struct diag_finding *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vec_push(&d->evidence, format(f, fmt, ap));
    va_end(ap);
}

void diag_value_int(struct diag_findings *f, struct diag_finding *d, const char *name,
                    enum diag_unit unit, int64_t v)
{
    struct diag_value value = {
        .name = arena_strdup(&f->mem, name), .unit = unit, .integer = v, .number = (double)v};
    vec_push(&d->values, value);
}

void diag_value_rate(struct diag_findings *f, struct diag_finding *d, const char *name,
                     double per_second)
{
    struct diag_value value = {
        .name = arena_strdup(&f->mem, name), .unit = DIAG_PER_SECOND, .number = per_second};
    vec_push(&d->values, value);
}

void diag_value_text(struct diag_findings *f, struct diag_finding *d, const char *name,
                     const char *text)
{
    struct diag_value value = {.name = arena_strdup(&f->mem, name),
                               .unit = DIAG_TEXT,
                               .text = arena_strdup(&f->mem, text)};
    vec_push(&d->values, value);
}

static int by_weight(const void *x, const void *y)
{
    const struct diag_finding *a = x, *b = y;
    if (a->severity != b->severity)
        return a->severity < b->severity ? -1 : 1;
    return a->weight > b->weight ? -1 : a->weight < b->weight;
}

void diag_findings_sort(struct diag_findings *f)
{
    if (f->v.n)
        qsort(f->v.v, f->v.n, sizeof(*f->v.v), by_weight);
}

size_t diag_findings_count(const struct diag_findings *f, enum diag_severity severity)
{
    size_t n = 0;
    for (size_t i = 0; i < f->v.n; i++)
        n += f->v.v[i].severity == severity;
    return n;
}
