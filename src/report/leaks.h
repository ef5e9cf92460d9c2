/* leaks.h - leaked goroutines in text and JSON; docs/formats/leaks.schema.json.
 *
 * What is a leak is wait/leak.h's; here it only gets its words.  Owner: nothing is kept.  Thread:
 * one at a time for each graph. */
#ifndef GOSPECT_REPORT_LEAKS_H
#define GOSPECT_REPORT_LEAKS_H

#include "report/report.h"
#include "wait/leak.h"

struct report_leaks {
    struct heap_graph *graph;
    const struct wait_leaks *leaks;
    const char *target; /* how it is written on a command line that shows more */
    size_t limit;       /* causes shown; 0: all */
    int64_t wall_ns;    /* all that it took */
};

struct err *report_leaks_text(const struct report_leaks *r, const struct report_style *style,
                              struct report_sink out) MUST_USE;
/* All leaks, whatever the limit. */
struct err *report_leaks_json(const struct report_leaks *r, struct report_sink out) MUST_USE;

#endif
