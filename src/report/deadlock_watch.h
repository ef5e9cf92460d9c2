/* deadlock_watch.h - looks at deadlocks over time, in text and JSON lines;
 * docs/formats/deadlock-watch.schema.json.
 *
 * What is computed is wait/states.h's; here it only gets its words.  Owner: nothing is kept. */
#ifndef GOSPECT_REPORT_DEADLOCK_WATCH_H
#define GOSPECT_REPORT_DEADLOCK_WATCH_H

#include "report/deadlock.h"
#include "wait/states.h"

struct report_deadlock_look {
    struct report_deadlock now;
    const struct wait_states *states; /* fed with this look */
    int64_t unix_ns;                  /* when it was */
};

/* What is new or gone since the look before, each as a paragraph; then a line on the look. */
struct err *report_deadlock_look_text(const struct report_deadlock_look *r,
                                      const struct report_style *style,
                                      struct report_sink out) MUST_USE;
struct err *report_deadlock_look_json(const struct report_deadlock_look *r,
                                      struct report_sink out) MUST_USE;
/* After the last look: what was found in all. */
struct err *report_deadlock_sum_text(const struct wait_states *st, const struct report_style *style,
                                     struct report_sink out) MUST_USE;

#endif
