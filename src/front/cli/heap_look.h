/* heap_look.h - how commands get at the heap of a TARGET: capture (or read) it, and open its graph.
 */
#ifndef GOSPECT_FRONT_CLI_HEAP_LOOK_H
#define GOSPECT_FRONT_CLI_HEAP_LOOK_H

#include "front/cli/subject.h"
#include "heap/heap.h"

struct heap_look {
    struct snap *snap; /* owned */
    struct heap_graph *graph;
    struct buf word; /* how the target is written on a command line */
};

/* Contents of objects that are wanted of what is not a file, where nobody saved them. */
struct heap_wanted {
    taddr object;          /* of the one there; 0: none */
    uint64_t memory_below; /* of all, when the heap has at most so many bytes */
};

/* target: as the user wrote it.  wanted: may be NULL.  Free it with heap_look_free(), whatever is
 * returned. */
struct err *heap_look_open(struct cli *c, const char *target, const struct heap_options *o,
                           const struct heap_wanted *wanted, struct heap_look *ret) MUST_USE;
/* With what goroutines will release, too. */
struct err *heap_look_owners(struct cli *c, const char *target, const struct heap_options *o,
                             struct heap_look *ret) MUST_USE;
/* The same without the heap: graph stays NULL. */
struct err *heap_look_without(struct cli *c, const char *target, struct heap_look *ret) MUST_USE;
/* The heap tables of a snapshot (kind CLI_SNAP), without a graph and without a word to the user:
 * may run in any thread. */
struct err *heap_look_file(const struct cli_subject *subject, struct heap_look *ret) MUST_USE;
void heap_look_free(struct heap_look *l);

#endif
