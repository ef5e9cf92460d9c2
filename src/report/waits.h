/* waits.h - who waits for what, in text, JSON, DOT and as a picture;
 * docs/formats/waits.schema.json.
 *
 * What is computed is wait/'s; here it only gets its words.  Owner: nothing is kept. */
#ifndef GOSPECT_REPORT_WAITS_H
#define GOSPECT_REPORT_WAITS_H

#include "report/report.h"
#include "wait/wait.h"

struct report_waits {
    const struct wait_graph *graph;
    size_t limit;    /* groups of the text, the graph and the picture; 0: all */
    int64_t wall_ns; /* all that it took; 0: not told */
};

struct err *report_waits_text(const struct report_waits *r, const struct report_style *style,
                              struct report_sink out) MUST_USE;
struct err *report_waits_json(const struct report_waits *r, struct report_sink out) MUST_USE;
/* Goroutines (of one group and place together), objects, holders; for Graphviz. */
struct err *report_waits_dot(const struct report_waits *r, struct report_sink out) MUST_USE;
struct err *report_waits_svg(const struct report_waits *r, struct report_sink out) MUST_USE;

#endif
