/* paths.h - why an object is alive: the ways that lead to it from the roots.
 *
 * Paths are shortest first and distinct.  To one object: no two agree in both the holder at their
 * begin and the object that points to the target at their end.  To a type: no two agree in the
 * holder, the type that points to the target and the word it does that from (array elements count
 * as one word).  To a goroutine: as to one object, without its own stack and the runtime's list of
 * all goroutines, unless nothing else leads to it.
 *
 * Owner: the caller (heap_paths_free()).  Thread: one at a time (the first call may build an index
 * of the reverse edges; it stays with the graph). */
#ifndef GOSPECT_HEAP_PATHS_H
#define GOSPECT_HEAP_PATHS_H

#include "base/mem.h"
#include "heap/heap.h"

struct heap_step {
    uint32_t slot; /* the object */
    uint64_t word; /* which of its words points to the next one; the last step: 0 */
    bool interior; /* that pointer does not point to the next one's first byte */
};

struct heap_path {
    uint32_t root;                 /* row of table root where it begins */
    uint32_t holder;               /* node */
    const struct heap_step *steps; /* steps[0]: what the root points to; the last: the target */
    size_t n;
};

struct heap_paths {
    struct heap_path *v;
    size_t n;
    bool all;     /* there are no more distinct ones */
    bool to_type; /* HEAP_TO_TYPE: none leads through another object of the type */
    bool others;  /* HEAP_TO_GOROUTINE: but its own stack and the list of all goroutines */
    struct arena mem;
};

enum heap_path_target {
    HEAP_TO_SLOT,      /* one object */
    HEAP_TO_TYPE,      /* any object with the type of a shape */
    HEAP_TO_GOROUTINE, /* the g of a row of goroutine */
};

struct heap_path_options {
    enum heap_path_target to;
    uint32_t what; /* slot, row of shape, row of goroutine */
    size_t limit;  /* how many paths; 0: 3.  At most 100 */
    struct progress *progress;
};
/* ERR_UNSUPPORTED: the edges were not kept; ERR_NOT_FOUND: there is no such object (its message
 * says why: free, garbage, not on the heap). */
struct err *heap_find_paths(struct heap_graph *g, const struct heap_path_options *o,
                            struct heap_paths *ret) MUST_USE;
void heap_paths_free(struct heap_paths *p);

/* The shortest way to an object; n == 0: none is known (edges not kept, not an object, too many
 * ways).  Its steps live in mem. */
struct err *heap_shortest_path(struct heap_graph *g, uint32_t node, struct arena *mem,
                               struct progress *progress, struct heap_path *ret) MUST_USE;

/* The same for lists of many objects: where it would take long, or much memory, none is known. */
struct err *heap_near_path(const struct heap_graph *g, uint32_t node, struct arena *mem,
                           struct heap_path *ret) MUST_USE;

/* "orders.hub.subs → [3].conn → .buf": the root, and the words that lead on. */
void heap_path_text(const struct heap_graph *g, const struct heap_path *p, struct buf *b);

/* Who keeps a node: its dominator, that one's, and so on to a holder; parts of a map are left out,
 * for the map stands there, too.  Returns how many, at most `limit`; 0: several do, or it is not
 * live. */
size_t heap_dominator_chain(const struct heap_graph *g, uint32_t node, size_t limit, uint32_t *v,
                            bool *more);

#endif
