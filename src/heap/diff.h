/* diff.h - what changed on the heap between two snapshots of one process.
 *
 * Objects are the same when address, span and allocation agree.  A place of memory that was used
 * again is another object; the evidence (docs/heap.md):
 *   - the span was not swept in between (span.sweepgen), or no garbage collection ended (counter
 *     memstats.num_gc): nothing can have been freed, the object is the same: proved;
 *   - one collection ended: the object is the same when and only when it survived it
 *     (slots64.survived): proved;
 *   - more collections: not survived: another one, proved; survived, and the same type: the same,
 *     inferred.
 * NEW, FREED: objects that live (mark: heap_open()) in one snapshot only.  MODIFIED: an object (or
 * global) that is in both and whose backing array, map or buffer was replaced by one of another
 * size; the old and the new one do not count as FREED and NEW.  So, in bytes: live of B - live of A
 * = NEW - FREED + sum of MODIFIED.
 *
 * Owner: the caller (heap_diff_free()); both graphs must outlive the diff.  Thread: heap_diff()
 * uses all cores; one at a time. */
#ifndef GOSPECT_HEAP_DIFF_H
#define GOSPECT_HEAP_DIFF_H

#include "heap/paths.h"

enum heap_proof { HEAP_PROVED, HEAP_INFERRED };

struct heap_amount {
    uint64_t count, bytes;
};

struct heap_modified {
    uint32_t holder_a, holder_b; /* the object in both; SNAP_NONE: a global, see root_b */
    uint32_t root_b;             /* row of root of B; SNAP_NONE: holder_b */
    uint64_t word;               /* which of the holder's words */
    uint32_t slot_a, slot_b;     /* the backing store before and after; of maps: their header */
    uint64_t bytes_a, bytes_b;   /* its size; of maps: of all they consist of */
    bool map;
};

struct heap_diff_type {
    uint32_t shape_a, shape_b; /* a row with the type; SNAP_NONE: there is none in that snapshot */
    struct heap_amount fresh, freed, kept;
    uint64_t modified;
    int64_t delta_bytes; /* NEW - FREED + MODIFIED; a MODIFIED counts for the type of its store */
};

/* Where memory grew: the nearest dominator in B that was there before, to which new objects were
 * attached, or which grew in place (a map, a backing array).  A part of a map stands for the map,
 * and a list or tree of one type for its first object. */
struct heap_diff_holder {
    uint32_t node;    /* in B */
    uint32_t kept_by; /* holder in B, or HEAP_ALL */
    struct heap_amount fresh;
    int64_t grown;  /* bytes that it grew in place */
    uint32_t alike; /* goroutines of one stack that the row adds up, node being one; else 0 */
    struct heap_path path; /* shortest way to it; n == 0: none yet (heap_diff_find_paths()) */
};

/* Live objects of B by how many garbage collections they have seen. */
struct heap_diff_age {
    uint32_t min, max; /* max UINT32_MAX: or more */
    struct heap_amount amount;
};
enum { HEAP_DIFF_AGES = 4 };

struct heap_diff {
    const struct heap_graph *a, *b;
    int64_t elapsed_ns; /* between the two; -1: not known */
    int64_t gcs;        /* garbage collections that ended in between; -1: not known */
    struct heap_amount fresh, freed, kept;
    struct heap_amount inferred;       /* of kept: not proved */
    struct heap_amount reused;         /* of fresh: at the place of an object of A */
    uint64_t *fresh_bits, *freed_bits; /* owned; by slot of B, of A: NEW, FREED */
    uint64_t *kept_bits;               /* owned; by slot of B */
    struct heap_modified *modified;    /* owned; largest growth first */
    size_t nmodified;
    int64_t modified_bytes;
    struct heap_diff_type *types; /* owned; largest absolute delta first */
    size_t ntypes;
    struct heap_diff_holder *holders; /* owned; most growth first; none when B is mark_only */
    size_t nholders;
    struct heap_diff_age ages[HEAP_DIFF_AGES];
    struct arena mem;    /* of the paths */
    const char *missing; /* NULL, or why grown maps and slices were not looked for */
};

struct heap_diff_options {
    size_t holders; /* at most this many; 0: 50 */
    struct progress *progress;
};
/* ERR_USAGE: they are not of one process, or B is the earlier one.  A is best mark_only.  When B is
 * mark_only, too, heap_diff_hang() tells later where new objects hang. */
struct err *heap_diff(const struct heap_graph *a, const struct heap_graph *b,
                      const struct heap_diff_options *o, struct heap_diff **ret) MUST_USE;
void heap_diff_free(struct heap_diff *d);
/* Fills the holders of a diff whose B was mark_only from the whole graph of the same snapshot,
 * which takes the place of d->b.  So liveness can be compared while another core looks for
 * dominators. */
struct err *heap_diff_hang(struct heap_diff *d, const struct heap_graph *b,
                           const struct heap_diff_options *o) MUST_USE;

/* How the first n holders are reached; b: the graph of B, to which this may add an index. */
struct err *heap_diff_find_paths(struct heap_diff *d, struct heap_graph *b, size_t n,
                                 struct progress *progress) MUST_USE;

/* The largest NEW (FREED: freed) objects, by bytes retained in their graph where known, else by
 * size; at most `limit` slots. */
struct err *heap_diff_largest(const struct heap_diff *d, bool freed, size_t limit, uint32_t *v,
                              size_t *n) MUST_USE;

#endif
