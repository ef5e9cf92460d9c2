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

/* ---- leak_tiny.c: what a pointer into a tiny block means ---- */

struct leak_words {
    const struct snap *s;
    struct map at; /* address -> row of word */
};
void leak_words_init(struct leak_words *w, const struct snap *s);
void leak_words_free(struct leak_words *w);

struct leak_pointer {
    taddr place;    /* where it is; 0: in a register */
    uint32_t type;  /* static type of what lies there, row of type; SNAP_NONE: not known */
    uint32_t boxed; /* it belongs to an interface that names this type; SNAP_NONE: it does not */
};
/* Whether a program that has the pointer can get at the byte at addr.  In doubt: yes. */
bool leak_pointer_reaches(const struct leak_words *w, const struct leak_pointer *p, taddr addr);

/* ---- leak_mark.c: what may run leads to ---- */

struct leak_marking {
    bool *woken;    /* the caller's; [i]: candidate i may be woken */
    uint64_t bytes; /* of all objects marked; 0 when bytewise */
    bool has_tiny;  /* some candidates wait in blocks of the tiny allocator */
};
enum leak_mark {
    LEAK_MARK_RUNTIME,  /* candidates that the runtime does not look at may run */
    LEAK_MARK_ALL,      /* they are candidates as all others */
    LEAK_MARK_BYTEWISE, /* the same, and a pointer into a tiny block leads only to what its type
                           covers, where the runtime says that it leads to all of the block */
    LEAK_MARKS,
};
struct err *leak_mark(const struct heap_graph *g, const struct leak_candidates *c,
                      enum leak_mark how, struct progress *p, struct leak_marking *ret) MUST_USE;

/* ---- leak_fault.c: what went wrong ---- */

struct wait_graph;
struct wait_stuck;
void leak_faults(const struct wait_graph *w, const struct wait_stuck *stuck, struct wait_leaks *l);

/* ---- leak_suspects.c: what only looks like a leak ---- */

/* Appends to l->v, which has room for all goroutines. */
void leak_suspects(const struct wait_graph *w, struct wait_leaks *l);

#endif
