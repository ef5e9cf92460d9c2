/* sites.h - allocation sites: the diff against the runtime's own allocation profile, and the
 * comparison of two profiles by what their stacks mean.
 *
 * A profile's bucket (table bucket) counts sampled allocations by stack; amounts are scaled up as
 * runtime/pprof does it (counter prof.mem_rate_bytes).  The runtime publishes them one to two
 * garbage collections late.  Special records (table special) tie single sampled objects to their
 * bucket, and so types to stacks.
 *
 * Owner: the caller.  Thread: any number of callers. */
#ifndef GOSPECT_HEAP_SITES_H
#define GOSPECT_HEAP_SITES_H

#include "heap/diff.h"

/* AGREE: growth that both see; where only one of them is above the noise, the other must show a
 * quarter of it at least. */
enum heap_verdict { HEAP_BOTH_AGREE, HEAP_ONLY_PROFILE, HEAP_ONLY_OBJECTS, HEAP_VERDICT_COUNT };
const char *heap_verdict_name(enum heap_verdict v); /* agree, only profile, only objects */

struct heap_site_row {
    uint32_t shape;  /* in B; 0: not known; SNAP_NONE: no sampled object of this stack lives */
    uint32_t bucket; /* of heap_site_rows.profile; SNAP_NONE: no stack is known for the type */
    double profile_bytes,
        profile_objects;                /* growth of what is in use at the stack, by the profile */
    double share;                       /* of the type's sampled objects, those of this stack */
    int64_t object_bytes, object_count; /* growth of the type by the object diff, times share */
    double bytes_per_s; /* growth: of the profile where it knows the stack, else of the objects;
                           0 when the time between is not known */
    enum heap_verdict verdict;
};
struct heap_site_rows {
    struct heap_site_row *v; /* largest growth first */
    size_t n;
    int64_t rate;               /* bytes between samples */
    const struct snap *profile; /* whose buckets they name */
};
struct heap_site_options {
    uint64_t min_bytes; /* growth below it is noise; 0: 4 times the sampling rate */
    /* Profiles from elsewhere (snap/pprof.h) instead of those in the snapshots: `after`, less
     * `before` when there is one.  Stacks of the sampled objects of B are found in them by
     * functions, lines and size. */
    const struct snap *before, *after;
    int64_t rate;       /* bytes between their samples; 0: as in B */
    int64_t elapsed_ns; /* between them; 0: as between the snapshots */
};
/* ERR_NOT_FOUND: one of them has no memory profile (the program may have switched it off). */
struct err *heap_cross_check(const struct heap_diff *d, const struct heap_site_options *o,
                             struct heap_site_rows *ret) MUST_USE;
void heap_site_rows_free(struct heap_site_rows *r);

/* ---- semantic diff ---- */

/* Call trees of the bytes in use, from the outermost frame inwards, by function and line:
 * addresses, names of types and variables, and directories of sources do not matter; lines of
 * another build are aligned with those of the first, function by function.  Frames of the runtime
 * are left out.  Similarity of two trees: weighted Jaccard, sum over the nodes of weight * min(a,
 * b) over the sum of weight * max(a, b); the weight of a node at depth d is max(min_depth_weight,
 * decay^d): where a chain of calls begins counts more than its inner steps. */
struct heap_site_node {
    uint32_t parent; /* number of its caller's node; SNAP_NONE: outermost.  Smaller than its own */
    uint32_t depth;
    const char *func, *file; /* of the snapshots; as the later one has it, where it has it */
    uint32_t line;
    double a, b; /* bytes in use in both, callees included */
    double a_objects, b_objects;
    double similarity; /* of the two subtrees */
    bool suspect;      /* grew, and less similar than the threshold */
};
struct heap_semantic {
    struct heap_site_node
        *v; /* in the order of a walk: a node, then its children, most growth first */
    size_t n;
    double similarity;                         /* of the whole */
    bool differs;                              /* below the threshold */
    double a, b, a_objects, b_objects;         /* of all roots */
    double threshold, min_depth_weight, decay; /* what was used */
};
struct heap_semantic_options {
    double threshold;        /* 0: 0.85 */
    double min_depth_weight; /* 0: 0.3 */
    double decay;            /* 0: 1/3 */
    uint64_t min_bytes;      /* nodes with less in both are left out; 0: none */
};
struct err *heap_semantic_diff(const struct snap *a, const struct snap *b,
                               const struct heap_semantic_options *o,
                               struct heap_semantic *ret) MUST_USE;
void heap_semantic_free(struct heap_semantic *s);

#endif
