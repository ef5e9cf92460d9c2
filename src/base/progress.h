/* progress.h - how long work tells that it goes on, and how the user stops it.
 *
 * Rooms call progress_step() now and then; front/ hands in the callbacks (or none).  The room does
 * not know whether anybody looks.  Thread: the one that does the work. */
#ifndef GOSPECT_BASE_PROGRESS_H
#define GOSPECT_BASE_PROGRESS_H

#include "base/err.h"

struct progress {
    /* done of total (total 0: unknown) units of `what`; NULL callback: nobody looks */
    void (*show)(struct progress *p, const char *what, uint64_t done, uint64_t total);
    bool (*cancelled)(struct progress *p); /* NULL: never */
};

/* ERR_CANCELLED when the user wants us to stop.  p may be NULL. */
struct err *progress_step(struct progress *p, const char *what, uint64_t done,
                          uint64_t total) MUST_USE;

#endif
