/* stuck.h - deadlocks: goroutines that wait for each other in a circle, and those that wait for
 * them.
 *
 * Go does not record who holds a lock, so this rests on holders (wait.h): goroutines that will
 * release an object by the code ahead of them.  A goroutine is *stuck* when what it waits for can
 * only come from goroutines that are stuck, or from nobody:
 *   - a Mutex, Once or RWMutex: somebody will unlock it, and that goroutine is stuck; a writer is
 *     also stuck when one of the readers it waits for is;
 *   - a WaitGroup above zero: one of those who will call Done is stuck;
 *   - a coroutine (iter.Pull): it is stuck, or who would call next or stop is;
 *   - itself: it waits for a lock that it holds;
 *   - nobody: the lock is held, no code ahead of any goroutine releases it, and all code was
 *     followed, but for that of goroutines that are stuck themselves, or that have no lock by
 *     counting what their code takes and releases (left.c);
 *   - what a leak proves (leak.h): nothing that may run leads to it.
 * It is the greatest such set: who is in it could only be freed by others in it.  Waits that are
 * about to end (wait_trap) are never stuck.
 *
 * The evidence of a finding is its weakest edge.
 *
 * A lock that nobody was seen to release, while somebody's code ahead could not be followed whole,
 * is a *suspect*: one of those goroutines may release it, or nobody will.  Who waits for it is not
 * stuck.
 *
 * Owner: the caller (wait_stuck_free()); the wait graph must outlive it.  Thread: one at a time. */
#ifndef GOSPECT_WAIT_STUCK_H
#define GOSPECT_WAIT_STUCK_H

#include "wait/leak.h"
#include "wait/wait.h"

enum wait_stuck_why {
    WAIT_STUCK_NOT,
    WAIT_STUCK_HELD,   /* by a goroutine that is stuck */
    WAIT_STUCK_ITSELF, /* it holds what it waits for */
    WAIT_STUCK_LEFT,   /* left locked (or never done): nobody will release it */
    WAIT_STUCK_LEAKED, /* nothing that may run leads to what it waits for */
};

/* goroutine `from` waits for `object`, which goroutine `to` would have to release. */
struct wait_edge {
    uint32_t from, to; /* rows of goroutine */
    uint32_t object;   /* row of object */
    uint32_t holder;   /* index into wait_graph.holders; SNAP_NONE: a writer that waits itself, and
                          whom readers must let go first */
};

enum wait_cycle_class {
    WAIT_CYCLE_SELF,    /* one goroutine, a lock it holds itself */
    WAIT_CYCLE_UPGRADE, /* one goroutine, Lock of an RWMutex it holds for reading */
    WAIT_CYCLE_AB_BA,   /* several goroutines and as many locks */
    WAIT_CYCLE_RWR,     /* a reader waits behind a writer who waits for that reader */
    WAIT_CYCLE_MIXED,   /* locks and other things */
};
const char *wait_cycle_class_name(enum wait_cycle_class c); /* double-lock, lock-upgrade, ... */

struct wait_cycle {
    uint32_t edge, nedges; /* in wait_stuck.edges: each one's `to` is the next one's `from` */
    uint8_t class;         /* enum wait_cycle_class */
    uint8_t evidence;      /* enum wait_evidence, of its weakest edge */
    uint32_t found;        /* 1 + its number in the order in which they were found */
    uint32_t behind;       /* goroutines that are stuck because of it, its own not counted */
};

struct wait_stuck {
    uint8_t *why;  /* enum wait_stuck_why, of each goroutine */
    uint8_t *lock; /* of those that wait for a lock or WaitGroup: the same, but of LEAKED ones what
                      else would keep them */
    uint32_t *by;  /* of each whose lock is held: the goroutine that would have to release; else
                      SNAP_NONE */
    uint8_t *circle; /* of each in a circle, or behind one: 1 + enum wait_cycle_class; else 0 */
    uint32_t n;      /* goroutines that are stuck */
    struct wait_edge *edges;
    size_t nedges;
    struct wait_cycle *cycles; /* most goroutines behind it first */
    size_t ncycles;
    uint32_t *behind; /* of each goroutine: 1 + index of the circle that it is in, or behind; 0 */
    uint32_t *left;   /* rows of object that are held by nobody, most waiters first */
    size_t nleft;
    uint32_t
        *suspects; /* rows of object that are held, nobody seen to release them; in that order */
    size_t nsuspects;
    uint32_t *maybe; /* rows of goroutine: one of these may release the suspects */
    size_t nmaybe;
    bool *counted; /* by object: who cannot be followed does not matter unless counting says so
                      (left.c) */
    bool timers;   /* a timer may call what releases them */
    bool looked;   /* the snapshot says who holds what */
    uint32_t unfollowed; /* goroutines whose code ahead was not followed to the end */
};

/* leaks: may be NULL. */
struct err *wait_find_stuck(const struct wait_graph *w, const struct wait_leaks *leaks,
                            struct wait_stuck *ret) MUST_USE;
void wait_stuck_free(struct wait_stuck *s);

#endif
