/* leak.h - goroutines that nothing live can ever wake.
 *
 * Go: runtime/mgc.go findMaybeRunnableGoroutines, isMaybeRunnable, setSyncObjectsUntraceable;
 * runtime/mgcmark.go allGsSnapshotSortedForGC, internalBlocked (1.26, 1.27): the runtime's own
 * profile "goroutineleak", here told from a snapshot, for every release, without a collection.
 *
 * The definition.  A *candidate* is a goroutine that waits for a channel, a lock, a WaitGroup, a
 * Cond or a coroutine (or for nothing: a nil channel, a select without cases).  All memory is
 * marked from the roots, but for the stacks of candidates, and without following what a candidate
 * waits on from its own sudogs.  A candidate one of whose objects was marked, or is not on the
 * heap, may be woken: its stack is marked, too, and so on until nothing more is found.  What is
 * left can be reached from none of the goroutines that may still run: nobody can ever send,
 * receive, close, unlock or signal.
 *
 * Whoever was taken out of the queue of what it waited for is no candidate: it runs next, and who
 * woke it may have no pointer there any more.
 *
 * What makes it proved is that the snapshot has all pointers of one instant; where some could not
 * be read (counter heap.unread) the same finding is only suspected.
 *
 * Owner: the caller (wait_leaks_free()).  Thread: one at a time for each graph. */
#ifndef GOSPECT_WAIT_LEAK_H
#define GOSPECT_WAIT_LEAK_H

#include "base/mem.h"
#include "heap/heap.h"

enum wait_leak_class {
    WAIT_LEAK_NONE,      /* it may be woken */
    WAIT_LEAK_PROVED,    /* by the runtime's own definition */
    WAIT_LEAK_BEYOND,    /* proved, but the runtime's definition misses it */
    WAIT_LEAK_INFERRED,  /* by what the code ahead of goroutines will release */
    WAIT_LEAK_SUSPECTED, /* it looks like one: evidence is missing */
    WAIT_LEAK_COUNT,
};
const char *wait_leak_class_name(enum wait_leak_class c); /* "", proved, proved-beyond, ... */

enum wait_leak_why {
    WAIT_WHY_NIL_CHAN,    /* a nil channel: by definition */
    WAIT_WHY_NO_CASES,    /* select {}: by definition */
    WAIT_WHY_UNREACHABLE, /* nothing that may run leads to what it waits for */
    WAIT_WHY_NEIGHBOUR,   /* nor to that, but to other values of the same tiny block */
    WAIT_WHY_ITSELF,      /* it holds the lock that it waits for: stuck.h, as the next two */
    WAIT_WHY_HELD,        /* who holds the lock is stuck, too */
    WAIT_WHY_LEFT,        /* nobody will release the lock */
    WAIT_WHY_CROWD, /* many wait alike, each for its own, and have for long: leak_suspects.c */
    WAIT_WHY_COUNT,
};

/* What went wrong, in the words of GoBench (docs/leaks.md). */
enum wait_fault {
    WAIT_FAULT_CHANNEL, /* nobody sends, receives or closes */
    WAIT_FAULT_CONTEXT, /* the same with a channel of package context */
    WAIT_FAULT_COND,    /* nobody signals */
    WAIT_FAULT_GROUP,   /* nobody calls Done */
    WAIT_FAULT_LOCK,    /* nobody unlocks; who should is not known */
    WAIT_FAULT_UNLOCK,  /* the unlock is missing: who locked it has ended, or forgot */
    WAIT_FAULT_DOUBLE,  /* it locks twice */
    WAIT_FAULT_UPGRADE, /* it locks for writing what it holds for reading */
    WAIT_FAULT_AB_BA,   /* locks are taken in different orders */
    WAIT_FAULT_RWR,     /* a reader reads again, behind a writer */
    WAIT_FAULT_CORO,    /* nobody calls next or stop of iter.Pull, or the iterator is stuck */
    WAIT_FAULT_MIXED,   /* who holds the lock waits for a channel */
    WAIT_FAULT_COUNT,
};
const char *wait_fault_name(enum wait_fault f); /* "channel", "double lock", "AB-BA" ... */

struct wait_leak {
    uint32_t goroutine;    /* row */
    uint8_t class;         /* enum wait_leak_class */
    uint8_t why;           /* enum wait_leak_why */
    uint8_t fault;         /* enum wait_fault */
    uint32_t wait, nwaits; /* rows of table wait; nwaits 0: it waits for no object */
    uint64_t retained;     /* bytes that its stack alone keeps alive */
    uint32_t holder; /* row of goroutine; HELD: who would have to release it; else SNAP_NONE */
};

/* Leaks with one cause: the same class and reason, waiting at one place of the program, created at
 * one place. */
struct wait_leak_cause {
    uint8_t class;
    uint32_t first, count; /* in wait_leaks.v; the first has the lowest goroutine id */
    uint64_t retained;     /* sum over its goroutines */
};

struct wait_leaks {
    struct wait_leak *v; /* by cause, most goroutines first; then by goroutine id */
    size_t n;
    struct wait_leak_cause *cause;
    size_t ncauses;
    uint32_t by_class[WAIT_LEAK_COUNT]; /* goroutines */
    uint32_t candidates;                /* goroutines that wait for what others must do */
    uint32_t waiting_main; /* 1: main waits in select {}, which programs do on purpose: not told */
    uint32_t unjudged;     /* candidates whose object is not known: taken to be awake */
    uint64_t unread;       /* counter heap.unread; above 0 nothing is proved */
    /* What would be freed if all of them were gone: objects nothing else leads to, and stacks. */
    uint64_t retained, stack_bytes;
};

/* g: with edges (heap_options.keep_edges).  ERR_NOMEM, ERR_CANCELLED. */
struct err *wait_find_leaks(const struct heap_graph *g, struct progress *p,
                            struct wait_leaks *ret) MUST_USE;
void wait_leaks_free(struct wait_leaks *l);

/* What only the code ahead of goroutines tells: adds those that are stuck though something may lead
 * to what they wait for (INFERRED), and crowds that only look like leaks (SUSPECTED), and tells
 * what went wrong. */
struct err *wait_leaks_infer(const struct heap_graph *g, struct wait_leaks *l) MUST_USE;

#endif
