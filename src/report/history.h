/* history.h - looks at deadlocks as one page for any browser, which walks back through them as a
 * picture: who waits for what and who holds it, circles marked, and a strip for each goroutine.
 *
 * The page needs nothing but itself.  A look is kept as what changed since the one before; behind
 * HISTORY_MAX bytes nothing more is kept, and the page says so.
 *
 * Owner: report_history_free().  Thread: one. */
#ifndef GOSPECT_REPORT_HISTORY_H
#define GOSPECT_REPORT_HISTORY_H

#include "report/deadlock_watch.h"

struct report_history;

struct report_history *report_history_new(void);
void report_history_add(struct report_history *h, const struct report_deadlock_look *look);
struct err *report_history_write(struct report_history *h, struct report_sink out) MUST_USE;
void report_history_free(struct report_history *h);

#endif
