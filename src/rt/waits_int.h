/* waits_int.h - what the files share that find out what goroutines wait for.
 *
 * The order (waits.c leads): records from g.waiting (stacks.c has them already), from the table of
 * semaphores and from the lists of Conds (waits_queue.c); what only the innermost frames tell
 * (waits_near.c): pollDescs, cases of selects, semaphores of goroutines that were woken but did not
 * run yet; coroutines (waits_coro.c); the state of channels (waits_chan.c), locks (waits_lock.c)
 * and files (waits_poll.c). All that reads the target happens in capture_waits(); what a lock is
 * depends on frames, inlined ones included, and these have names only in capture_waits_finish(). */
#ifndef GOSPECT_RT_WAITS_INT_H
#define GOSPECT_RT_WAITS_INT_H

#include "rt/capture_int.h"

/* Small structures read one after the other, most of them neighbours: pages are kept. */
struct peeker {
    struct target *t;
    struct map at; /* address of a page -> index + 1; 0: unreadable */
    VEC(uint8_t *) pages;
};
bool peek(struct peeker *p, taddr addr, void *dst, size_t n);
bool peek_u64(struct peeker *p, taddr addr, uint64_t *ret);
void peeker_free(struct peeker *p);

struct wait_chan {
    taddr addr;
    taddr recvq, sendq; /* first sudogs */
    taddr elemtype, timer, bubble;
    uint64_t elem_size, capacity, length;
    int64_t timer_when;
    uint32_t receivers, senders;
    uint8_t flags; /* enum snap_chanflag */
    bool ok;       /* it could be read */
};

/* Words around a semaphore or a notifyList: enough for whatever it may be part of. */
enum { SYNC_BEFORE = 24, SYNC_BYTES = 72 };
struct wait_sync {
    taddr addr; /* of the semaphore word, or of the notifyList */
    uint8_t bytes[SYNC_BYTES];
    bool ok, cond;
    uint32_t queued, handed;
    uint32_t object; /* row, once it is known; SNAP_NONE */
};

struct wait_poll {
    taddr addr;
    int64_t fd, rd, wd;
    bool closing;
};

struct wait_select {
    uint32_t gi;
    taddr cases, order;
    uint32_t sends;
    taddr lo, hi; /* the caller's frame, in which both lie */
};

struct wait_sudog {
    uint32_t record; /* index into all, once that is sorted; SNAP_NONE: none */
    bool queued;     /* it was met in a queue */
    bool visited;    /* of the table of semaphores: it is being, or was, looked at */
};

/* Bits: what a wait reason begins with. */
enum wait_reason {
    WAIT_FOR_SELECT = 1,
    WAIT_FOR_IO = 2,
    WAIT_FOR_SYNC = 4, /* "sync.", "semacquire" */
    WAIT_FOR_COND = 8,
    WAIT_FOR_TIME = 16,
    WAIT_FOR_CORO = 32,
    WAIT_REASON_KNOWN = 128
};

struct wait_start { /* where the memory begins that an object lies in */
    taddr at;
    taddr word; /* of a package-level variable, that points there; 0: none was found */
    taddr of;   /* what lies in it, when the beginning is not known but by such a word; else 0 */
};

struct wait_coro { /* a coroutine that another goroutine waits for, in this coro */
    uint32_t gi;
    taddr addr;
};

struct waits {
    struct capture *c;
    struct peeker peek;
    VEC(struct wait_record) all;
    size_t sorted;        /* so many of the first are in the order of goroutines */
    bool *has;            /* of each goroutine: it has a record */
    uint8_t reasons[256]; /* of the runtime's numbers: enum wait_reason; 0: not looked at */
    struct map sudog_at;  /* address -> index of sudogs */
    VEC(struct wait_sudog) sudogs;

    VEC(struct wait_chan) chans;
    struct map chan_by_addr;

    VEC(struct wait_sync) syncs;
    struct map sync_by_addr;
    VEC(struct wait_poll) polls;
    struct map poll_by_addr;
    VEC(struct wait_select) selects, moved; /* moved: of stacks that were copied */
    uint32_t moved_tries;                   /* to find their arrays */

    VEC(struct wait_start) starts;
    struct map begins, start_at; /* waited for; start -> index of starts */
    taddr lowest, highest;       /* starts */
    VEC(uint32_t) unknown;       /* starts whose `at` is not known */

    VEC(struct wait_coro) coros;

    struct map objs;  /* address -> row of heapobj + 1; 0: not on the heap */
    struct map types; /* element type -> string id of the channel's type */
};

bool waits_for(struct waits *w, uint32_t gi, enum wait_reason bits);
struct wait_sudog *waits_sudog(struct waits *w, taddr addr); /* made when it is new */
bool waits_is_queued(const struct waits *w, taddr sudog);
/* Appends a record of a goroutine that waits (or was woken and did not run yet). */
void waits_add(struct waits *w, const struct wait_record *r);
struct wait_sync *waits_sync(struct waits *w, taddr addr, bool cond); /* made when it is new */

/* waits_queue.c */
struct err *waits_read_semtable(struct waits *w) MUST_USE;
void waits_read_cond(struct waits *w, taddr list); /* those in the list of a Cond */

/* waits_near.c: from the innermost frames */
struct err *waits_near(struct waits *w) MUST_USE;
struct err *waits_read_cases(struct waits *w) MUST_USE; /* those that waits_near() left */

/* waits_coro.c: who waits in which coro, and the coroutines that others wait for */
void waits_read_coros(struct waits *w);

/* waits_chan.c */
void waits_find_chans(struct waits *w);
struct err *waits_read_chans(struct waits *w) MUST_USE;
void waits_chan_rows(struct waits *w);
uint32_t waits_chan_type(struct waits *w, taddr addr); /* string: "chan int" */

/* waits_lock.c */
struct err *waits_read_syncs(struct waits *w) MUST_USE;
void waits_lock_rows(struct waits *w);

/* waits_poll.c: their rows */
struct err *waits_read_polls(struct waits *w) MUST_USE;

/* waits_name.c: names of objects that are, or hang on, package-level variables */
void waits_find_words(struct waits *w);
void waits_name(struct waits *w);

#endif
