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

/* "goroutines 1, 7, 9 and 12 more", at most `most` of them by name. */
void deadlock_goroutines(struct deadlock_show *sh, const uint32_t *rows, size_t n, size_t most,
                         struct buf *b);

/* deadlock_where.c: rows of frame, in code of the program where that can be; SNAP_NONE. */
uint32_t deadlock_taken(const struct deadlock_show *sh, const struct wait_holder *h);
/* *at_return: it is deferred, and the frame is what returns. */
uint32_t deadlock_release(const struct deadlock_show *sh, const struct wait_holder *h,
                          bool *at_return);
void deadlock_put_stack(struct deadlock_show *sh, uint32_t goroutine, size_t indent);
void deadlock_stack_json(struct json *j, const struct deadlock_show *sh, uint32_t goroutine);
void deadlock_frame_json(struct json *j, const struct snap *s, uint32_t frame); /* or null */
/* A line for each place and thing that these goroutines wait at. */
void deadlock_put_waiters(struct deadlock_show *sh, const uint32_t *rows, size_t n);
/* Those stuck behind a circle, and those who wait for an object; free() them. */
uint32_t *deadlock_behind(const struct report_deadlock *r, const struct wait_cycle *c, size_t *n);
uint32_t *deadlock_waiting_for(const struct report_deadlock *r, uint32_t object, size_t *n);

/* The members stuck, owners_known, ... cycles, left, may_release of an object that has begun. */
void deadlock_members(struct json *j, const struct report_deadlock *r);
void deadlock_object(struct json *j, const struct wait_graph *w, uint32_t object);

#endif
