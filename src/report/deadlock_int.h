/* deadlock_int.h - what a look at deadlocks and a watch over them say in the same words. */
#ifndef GOSPECT_REPORT_DEADLOCK_INT_H
#define GOSPECT_REPORT_DEADLOCK_INT_H

#include "report/deadlock.h"
#include "report/report_int.h"

struct deadlock_show {
    const struct report_deadlock *r;
    const struct wait_graph *w;
    const struct snap *s;
    struct snap_codes codes;
    struct flow f;
};

/* Writes text (and empties it), wrapped to the width, and a newline. */
void deadlock_wrapped(struct deadlock_show *sh, struct buf *text, size_t indent);
void deadlock_frame(struct deadlock_show *sh, uint32_t frame, struct buf *b); /* " at x.go:3 (f)" */
void deadlock_put_cycle(struct deadlock_show *sh, const struct wait_cycle *c);
void deadlock_put_left(struct deadlock_show *sh, uint32_t object);

/* The members stuck, owners_known, ... cycles, left, may_release of an object that has begun. */
void deadlock_members(struct json *j, const struct report_deadlock *r);
void deadlock_object(struct json *j, const struct wait_graph *w, uint32_t object);

#endif
