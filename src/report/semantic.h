/* semantic.h - gospect mem diff --semantic: where memory is allocated, compared between two
 * profiles, as a heat map of the call tree in text, JSON and SVG. */
#ifndef GOSPECT_REPORT_SEMANTIC_H
#define GOSPECT_REPORT_SEMANTIC_H

#include "heap/sites.h"
#include "report/report.h"

struct report_semantic {
    const struct heap_semantic *tree;
    const struct snap *a, *b;
    size_t limit; /* rows of the tree; 0: all, nothing folded */
    int64_t wall_ns;
    const char *before, *after; /* how they are written on a command line */
};
struct err *report_semantic_text(const struct report_semantic *r, const struct report_style *style,
                                 struct report_sink out) MUST_USE;
struct err *report_semantic_json(const struct report_semantic *r, struct report_sink out) MUST_USE;
/* An icicle: callers above callees, as wide as their bytes; one file that needs nothing else. */
struct err *report_semantic_svg(const struct report_semantic *r, struct report_sink out) MUST_USE;

#endif
