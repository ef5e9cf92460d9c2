/* states.h - what goroutines do to each other over time: a state machine that is fed one snapshot
 * after the other.
 *
 * A *look* is a snapshot with its wait graph and its deadlocks.  In each, a goroutine (the
 * runtime's own are left out) is
 *   - Waiting: blocked until another goroutine does something: a channel, a lock, a WaitGroup, a
 *     Cond, a Once, a semaphore, a coroutine.  Not: sleep, timer, deadline, network, system call, C
 *     code, the collector, which end without another goroutine;
 *   - Starving: Waiting, and the same wait was seen in more than 3 looks in a row, this one
 * counted. The *same wait*: in the same way, for the same objects, with the same program counters
 * from the innermost frame to the outermost, and it did not run in between (goroutine.ran);
 *   - Holding: not Waiting, and it will release a lock (proved or strong, see wait.h);
 *   - Idle: none of these.
 * A state is what was seen.  A worker that has nothing to do is Starving by this definition;
 * whether something is wrong is told by findings:
 *   - a circle, or a lock that was left, of a look (stuck.h); it ends when a look does not have it;
 *   - starvation of a lock, always suspected: a goroutine is Starving for a Mutex, an RWMutex or a
 *     Once, is not stuck, and in at least 2 of those looks somebody held the lock who had not held
 * it in the look before.  Between looks more may happen than is seen, but never less;
 *   - a starving writer, always suspected: Starving as the writer that an RWMutex lets wait until
 * the readers have left, while others wait behind it already.  New readers cannot overtake it (Go
 * lets them wait), so this is readers that stay;
 *   - livelock, always suspected: a circle of goroutines each of which, in more than 3 looks, held
 * a lock and was about to take (or try to take) one that the next of them held so.  All the while
 *     each ran between looks, was seen in no function of the program that it had not been seen in
 *     before (in the last 3 looks), never waited for the lock it was about to take, and was never
 * seen holding both.  One that gets its two locks is not in it: that is the progress that is
 * missing. What is not seen: livelocks without locks (a loop over an atomic, over a channel with
 * default).
 *
 * Memory: some 100 bytes for each goroutine of the last look; findings and edges have a ceiling.
 * Owner: wait_states_free().  Thread: one. */
#ifndef GOSPECT_WAIT_STATES_H
#define GOSPECT_WAIT_STATES_H

#include "base/vec.h"
#include "wait/stuck.h"

enum wait_state {
    WAIT_STATE_IDLE,
    WAIT_STATE_HOLDING,
    WAIT_STATE_WAITING,
    WAIT_STATE_STARVING,
    WAIT_STATE_COUNT,
};
const char *wait_state_name(enum wait_state s); /* idle, holding, waiting, starving */

enum { WAIT_STARVING_AFTER = 3, WAIT_PLACES = 8 };

struct wait_life {      /* a goroutine */
    uint64_t id;        /* goid */
    uint32_t row;       /* of the last look's table */
    uint8_t state;      /* enum wait_state, in the last look */
    uint8_t kind;       /* enum wait_kind */
    uint8_t ran;        /* goroutine.ran */
    bool moved;         /* it ran between the look before and the last */
    uint64_t what;      /* hash of the objects it waits for; 0: it does not */
    uint64_t place;     /* hash of its program counters */
    uint32_t same;      /* looks in a row with the same wait */
    uint32_t overtaken; /* of them: in how many the lock had somebody new */
    uint32_t first;     /* look in which it was first seen */
    uint32_t new_place; /* look in which it was last seen in a new function */
    uint32_t nplaces;   /* functions of the program it was seen in; more than WAIT_PLACES: many */
    uint64_t places[WAIT_PLACES];
};

enum wait_finding_kind {
    WAIT_FOUND_CYCLE,
    WAIT_FOUND_LEFT,
    WAIT_FOUND_STARVED,
    WAIT_FOUND_WRITER,
    WAIT_FOUND_LIVELOCK,
    WAIT_FOUND_COUNT,
};
const char *wait_finding_name(enum wait_finding_kind k); /* deadlock, left-lock, starvation ... */

struct wait_finding {
    uint8_t kind;       /* enum wait_finding_kind */
    bool on;            /* in the last look */
    uint64_t key;       /* what makes it the same in another look */
    uint32_t first;     /* look that had it first */
    uint32_t last, n;   /* the last one, and how many */
    uint32_t at;        /* in the last look: index of the cycle, row of object, row of goroutine */
    uint32_t told;      /* starvation: the look of which g are */
    uint32_t looks;     /* starvation: in how many looks it waits; livelock: seen in how many */
    uint32_t overtaken; /* starvation */
    uint64_t *g;        /* goids: of the circle in order, or who waits; owned */
    taddr *lock;        /* livelock: of each g the lock that it holds; owned */
    size_t ng;          /* at most WAIT_FINDING_GS */
};
enum { WAIT_FINDING_GS = 64, WAIT_FINDINGS_MAX = 4096 };

struct wait_order { /* a goroutine held one lock and was about to take another */
    uint64_t g;
    taddr held, taken;
    uint32_t first, last, looks;
};

struct wait_states {
    uint32_t look;           /* how many there were */
    VEC(struct wait_life) v; /* of the last look, in the order of its table of goroutines */
    uint32_t by_state[WAIT_STATE_COUNT];
    VEC(struct wait_finding) found; /* all there ever were, up to WAIT_FINDINGS_MAX */
    bool full;                      /* there were more */
    VEC(struct wait_order) order;
    struct wait_life *before; /* of the look before; owned */
    size_t nbefore;
    struct map held_before; /* hash of lock and goroutine, of the look before */
};

/* Everything there is to know of a look.  Neither graph nor stuck is kept. */
struct err *wait_states_feed(struct wait_states *st, const struct wait_graph *w,
                             const struct wait_stuck *stuck) MUST_USE;
/* The life of a goroutine of the last look by its row; NULL: a goroutine of the runtime. */
const struct wait_life *wait_states_of(const struct wait_states *st, uint32_t row);
void wait_states_free(struct wait_states *st);

#endif
