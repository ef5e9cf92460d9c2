/* wait.h - who waits for what: the wait graph of a snapshot.
 *
 * wait_open() says of every goroutine whether it is blocked, in which way, and whether something
 * is about to end that (a *trap*: what looks like a deadlock and is none); and it puts goroutines
 * that wait for the same thing together.  Who holds a thing or could release it are *holders*:
 * edges from an object to goroutines, with their evidence.
 *
 * A goroutine that waits for one object is in the group of that object.  Objects that one goroutine
 * waits for alone, and selects, are put together by kind and place: a hundred thousand goroutines
 * that have a channel each are one group.
 *
 * Owner: the caller (wait_close()); the snapshot must outlive the graph.  Thread: any number of
 * readers. */
#ifndef GOSPECT_WAIT_WAIT_H
#define GOSPECT_WAIT_WAIT_H

#include "base/err.h"
#include "heap/heap.h"
#include "snap/filter.h"

/* In which way a goroutine waits. */
enum wait_kind {
    WAIT_NOT, /* it runs, or could */
    WAIT_RECV,
    WAIT_SEND,
    WAIT_SELECT,
    WAIT_NIL,   /* nil channel, select without cases: nothing ever ends it */
    WAIT_MUTEX, /* Lock of a Mutex */
    WAIT_WLOCK, /* Lock of an RWMutex */
    WAIT_RLOCK, /* RLock of one */
    WAIT_GROUP, /* WaitGroup.Wait */
    WAIT_COND,  /* Cond.Wait */
    WAIT_ONCE,  /* Once.Do, behind the first that called it */
    WAIT_SEMA,  /* another semaphore */
    WAIT_IO,    /* the network poller */
    WAIT_SLEEP,
    WAIT_SYSCALL, /* in a system call */
    WAIT_C,       /* in C code */
    WAIT_COROUTINE,
    WAIT_GC,      /* the garbage collector: assists, sweeping, stopping the world */
    WAIT_RUNTIME, /* something else of the runtime */
    WAIT_COUNT,
};
const char *wait_name(enum wait_kind k); /* "chan receive", "mutex lock": for people and JSON */

/* Why a wait is about to end, or may end without another goroutine. */
enum wait_trap {
    WAIT_TRAP_NONE,
    WAIT_TRAP_GRANTED,   /* it was woken and did not run yet */
    WAIT_TRAP_PARKING,   /* it is just going to sleep */
    WAIT_TRAP_RELEASED,  /* its semaphore is above 0 */
    WAIT_TRAP_HANDOFF,   /* the lock was handed to a waiter (starvation mode) */
    WAIT_TRAP_WOKEN,     /* the lock woke another waiter, who tries to take it */
    WAIT_TRAP_UNLOCKING, /* nobody holds the lock: its unlock is under way */
    WAIT_TRAP_DONE,      /* the counter of the WaitGroup is 0: it wakes those who wait */
    WAIT_TRAP_SIGNALLED, /* its turn at the Cond has come */
    WAIT_TRAP_BUSY,      /* somebody sends, receives or closes at this moment */
    WAIT_TRAP_TIMER,     /* a timer will send on the channel, or the sleep ends */
    WAIT_TRAP_DEADLINE,  /* the file has a deadline */
    WAIT_TRAP_OUTSIDE,   /* the network, a signal, a child, C code may end it */
    WAIT_TRAP_COUNT,
};
const char *wait_trap_name(enum wait_trap t); /* granted, parking ...; "" for NONE */
const char *wait_trap_text(enum wait_trap t); /* "was woken and has not run yet" */

struct wait_info {     /* of a goroutine */
    uint8_t kind;      /* enum wait_kind */
    uint8_t trap;      /* enum wait_trap */
    uint32_t object;   /* row of object, when it waits for exactly one; else SNAP_NONE */
    uint32_t first, n; /* its rows of wait */
    uint32_t place;    /* row of frame where the program waits; SNAP_NONE */
    uint32_t group;    /* SNAP_NONE: it does not wait, or was not chosen */
};

struct wait_group {
    uint8_t kind;      /* enum wait_kind of the first; RWMutex: several kinds may be in one group */
    uint32_t object;   /* row; SNAP_NONE: several, or none */
    uint32_t objects;  /* how many there are */
    uint32_t example;  /* row of goroutine: that which waits longest */
    uint32_t place;    /* row of frame; of a group with one object: the example's */
    const uint32_t *g; /* rows of goroutine */
    uint32_t n;
    uint32_t traps;    /* how many of them are about to be woken, or need nobody */
    int64_t oldest_ns; /* -1: not known */
};

/* How sure it is that a goroutine holds an object, or will release it. */
enum wait_evidence {
    WAIT_EV_WEAK,
    WAIT_EV_STRONG,
    WAIT_EV_PROVED,
};
const char *wait_evidence_name(enum wait_evidence e);

struct wait_holder {
    uint32_t object;    /* row */
    uint32_t goroutine; /* row */
    uint8_t act;        /* enum snap_act */
    uint8_t evidence;   /* enum wait_evidence */
    uint8_t how;        /* enum snap_how; SNAP_HOW_COUNT: the lock was handed to it */
    uint16_t frame;     /* the frame whose code leads there, 0 innermost */
    uint32_t pc;        /* row of pc where it will; SNAP_NONE */
    uint32_t taken;     /* row of pc where it took it; SNAP_NONE */
    uint16_t taken_frame;
    bool taken_sure; /* else it is the only call that can have been */
};

struct wait_graph {
    const struct snap *s;
    struct wait_info *info;    /* of each goroutine */
    struct wait_group *groups; /* largest first */
    size_t ngroups;
    struct wait_holder *holders; /* in the order of objects */
    size_t nholders;
    const char **names; /* of each object: as the snapshot has it, or by the heap; "" */
    size_t blocked;     /* goroutines in groups */
    uint32_t by_kind[WAIT_COUNT];
    struct wait_own *own;
};

/* rows: which goroutines; NULL: all but the runtime's own.  heap: to name objects; may be NULL. */
struct err *wait_open(const struct snap *s, const struct snap_rows *rows,
                      const struct heap_graph *heap, struct wait_graph **ret) MUST_USE;
void wait_close(struct wait_graph *w);

/* In which way a goroutine waits, and what is about to end it; by the snapshot alone. */
enum wait_kind wait_kind_of(const struct snap *s, uint32_t g);
enum wait_trap wait_trap_of(const struct snap *s, uint32_t g);

/* The holders of an object: *first and how many. */
size_t wait_holders_of(const struct wait_graph *w, uint32_t object, size_t *first);

/* "orders.mu", else "chan int at 0xc000123450". */
void wait_object_text(const struct wait_graph *w, uint32_t object, struct buf *b);
/* What state it is in: "capacity 2, full", "held, 3 waiters", "counter 2"; "" when not known. */
void wait_state_text(const struct wait_graph *w, uint32_t object, struct buf *b);

/* The table of semaphores: how full its slots are. */
struct wait_semas {
    uint32_t slots, used;       /* of them, slots with waiters */
    uint32_t addresses, queued; /* semaphores with a queue; goroutines in it */
    uint32_t collisions;        /* addresses that share a slot with another */
    uint32_t longest, handed;   /* addresses in the fullest slot; goroutines that were handed one */
};
void wait_semas(const struct snap *s, struct wait_semas *ret);

#endif
