/* heap_diff.h - what changed on the heap between two snapshots, in text and JSON. */
#ifndef GOSPECT_REPORT_HEAP_DIFF_H
#define GOSPECT_REPORT_HEAP_DIFF_H

#include "heap/diff.h"
#include "heap/sites.h"
#include "heap/survival.h"
#include "report/report.h"

struct report_heap_diff {
    const struct heap_diff *diff;
    const struct heap_site_rows *sites; /* NULL: there is no memory profile in both */
    const struct heap_survival *survival;
    const char *no_sites;        /* why, or NULL */
    const char *const *profiles; /* files the sites are from; of the snapshots: none */
    size_t nprofiles;
    size_t limit; /* rows of each list; 0: all */
    int64_t wall_ns;
    const char *later; /* how the later snapshot is written on a command line */
};
struct err *report_heap_diff_text(const struct report_heap_diff *r,
                                  const struct report_style *style,
                                  struct report_sink out) MUST_USE;
struct err *report_heap_diff_json(const struct report_heap_diff *r,
                                  struct report_sink out) MUST_USE;

#endif
