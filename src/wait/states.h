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
 *   - livelock, always suspected: goroutines that run between all looks and get nowhere.  A look
 *     before which a goroutine did not run (its thread got no processor on a busy machine, the
 *     process is stopped) tells nothing of it; of two in a row only one that is running can be so.
 *       - locks: a circle of goroutines each of which, in more than 3 looks, held a lock and was
 *         about to take (or try to take) one that the next of them held so.  All the while each was
 *         seen in no function of the program that it had not been seen in before (in the last 3
 *         looks), never waited for the lock it was about to take, and was never seen holding both.
 *         One that gets its two locks is not in it: that is the progress that is missing;
 *       - channels: goroutines that give to and take from each other, and nobody else waits for
 *         their channels;
 *       - spin: a goroutine by itself, never seen waiting for anything.
 *     For the last two, *progress* is whatever changes in what a goroutine can work with: its
 *     frames, its registers, the variables its code names and the objects these lead to (the print,
 *     rt/ahead_print.c).  None was there when 6 looks in a row (12, when there was more memory than
 *     could be looked at) brought only prints that had been there before, at most 32 different
 *     ones; of one that spins each place has one print only, but for one look in 32.  Afterwards
 *     it goes on until new ones come often.  Whoever was seen in a system call, waiting for the
 *     network, a timer, C code or the collector in between is about something outside, and never
 *     in it; and whose code ahead could not be read as a whole (calls through pointers, system
 *     calls) is not judged, but counted.
 *     What is not seen: loops that count, or keep a clock; retries with time.Sleep that no circle
 *     of locks or channels explains, for a loop that looks for work every now and then does the
 *     same.
 *
 * Memory: some 150 bytes for each goroutine of the last look and 900 for each of up to
 * WAIT_TRACES_MAX that run; findings and edges have a ceiling.  How many had no room is told.
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
    bool held_up;       /* it was running in both, but its thread got no processor in between */
    uint64_t cpu_ms;    /* of the thread it runs on */
    uint64_t what;      /* hash of the objects it waits for; 0: it does not */
    uint64_t place;     /* hash of its program counters */
    uint32_t same;      /* looks in a row with the same wait */
    uint32_t overtaken; /* of them: in how many the lock had somebody new */
    uint32_t first;     /* look in which it was first seen */
    uint32_t still;     /* looks in a row in which it was not seen to have run */
    uint32_t stirs;     /* looks in a row in which it ran and was about nothing outside */
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

/* What those of a livelock do. */
enum wait_livelock {
    WAIT_LIVELOCK_LOCKS,    /* hold one lock and are about to take another, in a circle */
    WAIT_LIVELOCK_CHANNELS, /* hand something round */
    WAIT_LIVELOCK_SPIN,     /* each by itself: run, and nothing ever changes */
    WAIT_LIVELOCK_COUNT,
};
const char *wait_livelock_name(enum wait_livelock l); /* locks, channels, spin */

struct wait_finding {
    uint8_t kind;       /* enum wait_finding_kind */
    uint8_t livelock;   /* enum wait_livelock */
    bool on;            /* in the last look */
    uint64_t key;       /* what makes it the same in another look */
    uint32_t first;     /* look that had it first */
    uint32_t last, n;   /* the last one, and how many */
    uint32_t at;        /* in the last look: index of the cycle, row of object, row of goroutine */
    uint32_t told;      /* starvation: the look of which g are */
    uint32_t looks;     /* starvation: in how many looks it waits; livelock: seen in how many */
    uint32_t overtaken; /* starvation */
    uint64_t *g;        /* goids: of the circle in order, or who waits; owned */
    taddr *lock; /* of each g: the lock it waits for, or (livelock) that it holds; 0: none; owned */
    size_t ng;   /* at most WAIT_FINDING_GS */
};
enum { WAIT_FINDING_GS = 64, WAIT_FINDINGS_MAX = 4096 };

struct wait_order { /* a goroutine held one lock and was about to take another */
    uint64_t g;
    taddr held, taken;
    uint32_t first, last, looks;
    uint32_t next; /* that holds the same; MAP_NONE */
};

/* What was seen of a goroutine that runs between looks, since it was first worth a print. */
enum { WAIT_PRINTS = 32, WAIT_STEPS = 8, WAIT_TRACE_CHANS = 4, WAIT_TRACES_MAX = 4096 };
enum wait_step_bit {
    WAIT_STEP_RUN = 1 << 0,
    WAIT_STEP_TAKE = 1 << 1, /* from a channel */
    WAIT_STEP_GIVE = 1 << 2,
    WAIT_STEP_LOCK = 1 << 3,
    WAIT_STEP_SLEEP = 1 << 4,
};
struct wait_step { /* a state of the cycle */
    uint8_t kind;  /* enum wait_kind */
    uint32_t func; /* text of wait_states.funcs: where in the program */
    uint32_t looks;
};
struct wait_trace {
    uint64_t id;
    uint32_t row;     /* in the last look */
    uint32_t looks;   /* that gave a print */
    uint32_t again;   /* of them, the last ones in a row with a print that had been there before */
    uint32_t nprints; /* different ones */
    uint32_t news;    /* bit 0: the last look gave a new one, and so on */
    bool cycles;      /* nothing new comes */
    bool spins;       /* it runs in every look, and what it looks at is always the same */
    uint32_t changes; /* bit 0: the last look gave another print than its place had before, ... */
    uint8_t seen;     /* enum wait_step_bit, or-ed */
    uint32_t blind;   /* looks in a row that could not tell its stack */
    bool part, code;  /* there was memory, or code, that was not looked at */
    bool many_chans;
    uint32_t nsteps, nchans;
    uint64_t prints[WAIT_PRINTS], places[WAIT_PRINTS];
    uint32_t at[WAIT_PRINTS]; /* the look that gave it last */
    struct wait_step steps[WAIT_STEPS];
    taddr chans[WAIT_TRACE_CHANS];
    uint8_t ways[WAIT_TRACE_CHANS];
};

struct wait_states {
    uint32_t look;           /* how many there were */
    VEC(struct wait_life) v; /* of the last look, in the order of its table of goroutines */
    uint32_t by_state[WAIT_STATE_COUNT];
    VEC(struct wait_finding) found; /* all there ever were, up to WAIT_FINDINGS_MAX */
    bool full;                      /* there were more */
    VEC(struct wait_order) order;
    struct map by_held;            /* lock -> the first of order that holds it */
    size_t order_over;             /* such pairs in the last look for which there was no room */
    VEC(struct wait_trace) traces; /* by id */
    size_t traces_over;            /* goroutines that run for which there was no room */
    size_t unjudged; /* that bring nothing new, but whose code (or stack) was not all read */
    struct intern funcs;
    struct wait_life *before; /* of the look before; owned */
    size_t nbefore;
    struct map held_before; /* hash of lock and goroutine, of the look before */
};

/* Everything there is to know of a look.  Neither graph nor stuck is kept. */
struct err *wait_states_feed(struct wait_states *st, const struct wait_graph *w,
                             const struct wait_stuck *stuck) MUST_USE;
/* Goroutines of which the next look should have prints, ascending; how many.  Free ret. */
size_t wait_states_prints(const struct wait_states *st, uint64_t **ret);
const struct wait_trace *wait_states_trace(const struct wait_states *st, uint64_t id); /* or NULL */
/* The life of a goroutine of the last look by its row; NULL: a goroutine of the runtime. */
const struct wait_life *wait_states_of(const struct wait_states *st, uint32_t row);
void wait_states_free(struct wait_states *st);

#endif
