/* wait_int.h - what the files of this room share. */
#ifndef GOSPECT_WAIT_WAIT_INT_H
#define GOSPECT_WAIT_WAIT_INT_H

#include "base/map.h"
#include "base/vec.h"
#include "wait/leak.h"

/* ---- leak_candidates.c: who could leak at all ---- */

/* A goroutine that waits for what others must do. */
struct leak_candidate {
    uint32_t goroutine;    /* row */
    uint32_t wait, nwaits; /* rows of table wait */
    uint8_t why;           /* enum wait_leak_why, should it leak */
    bool beyond;           /* the runtime's own profile does not look at this reason */
};

struct leak_candidates {
    VEC(struct leak_candidate) v; /* in the order of goroutines */
    uint32_t *of;                 /* owned; goroutine row -> 1 + index into v; 0: not a candidate */
    uint32_t unjudged;
};
void leak_candidates_find(const struct snap *s, struct leak_candidates *ret);
void leak_candidates_free(struct leak_candidates *c);

/* ---- leak_mark.c: what may run leads to ---- */

/* woken[i]: candidate i may be woken.  *bytes: of all objects marked. */
struct err *leak_mark(const struct heap_graph *g, const struct leak_candidates *c,
                      struct progress *p, bool *woken, uint64_t *bytes) MUST_USE;

#endif
