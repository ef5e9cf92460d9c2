/* deadlock.h - deadlocks in text and JSON; docs/formats/deadlock.schema.json.
 *
 * What is computed is wait/stuck.h's; here it only gets its words.  Owner: nothing is kept. */
#ifndef GOSPECT_REPORT_DEADLOCK_H
#define GOSPECT_REPORT_DEADLOCK_H

#include "report/report.h"
#include "wait/stuck.h"

struct report_deadlock {
    const struct wait_graph *graph;
    const struct wait_stuck *stuck;
    const char *target; /* how it is written on a command line that shows more */
    size_t limit;       /* circles, and locks, that are shown; 0: all */
    int64_t wall_ns;    /* all that it took */
};

struct err *report_deadlock_text(const struct report_deadlock *r, const struct report_style *style,
                                 struct report_sink out) MUST_USE;
/* All circles, whatever the limit. */
struct err *report_deadlock_json(const struct report_deadlock *r, struct report_sink out) MUST_USE;

#endif
