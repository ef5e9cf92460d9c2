/* suspects.h - where memory accumulates, as Eclipse MAT's leak suspects tell it.
 *
 * ACCUMULATES: a node that retains at least `threshold` of the live bytes and below which the mass
 * spreads: what it retains, less its children that retain that much themselves (those are looked at
 * in turn), is still that much.  So each suspect is the deepest dominator above its mass, and no
 * byte is counted in two of them (`mass`).  What a map consists of stands for the map;
 * a list or tree (below an object of known type, those of the same type) for its first object.
 *
 * GROUP: objects of one type none of which retains that much, but all of them together do, outside
 * of the accumulation points above; `node` is the deepest dominator above at least 80 % of their
 * mass.
 *
 * Owner: the caller (heap_suspects_free()).  Thread: as heap_find_paths(). */
#ifndef GOSPECT_HEAP_SUSPECTS_H
#define GOSPECT_HEAP_SUSPECTS_H

#include "heap/paths.h"

enum heap_suspect_kind { HEAP_ACCUMULATES, HEAP_GROUP };

/* Objects of one type among what a suspect holds. */
struct heap_content {
    uint32_t
        shape; /* a row of shape with the type; 0: not known; SNAP_NONE: holders (goroutines) */
    uint64_t count, bytes; /* bytes: retained */
};

struct heap_suspect {
    enum heap_suspect_kind kind;
    uint32_t node;     /* where it accumulates; HEAP_ALL: nowhere in common */
    uint32_t kept_by;  /* holder that alone keeps it alive; HEAP_ALL: several */
    uint32_t shape;    /* GROUP: the type; else that of the node, SNAP_NONE: of a holder */
    uint64_t count;    /* GROUP: how many objects, outermost ones; else children of the node */
    uint64_t mass;     /* bytes that are this suspect's alone */
    uint64_t store;    /* of a map: bytes it consists of, entries not included */
    uint64_t retained; /* bytes that the node retains; GROUP: that the objects retain */
    double share;      /* mass of all live bytes */
    struct heap_content content[3]; /* the children of the node by type, most bytes first */
    size_t ncontent;
    struct heap_path path; /* shortest way to the node (GROUP: to its largest object); n == 0: none,
                              for the edges were not kept or the node is a holder */
};

struct heap_suspect_options {
    double threshold; /* 0: 0.1; at least 0.001 */
    uint64_t least;   /* bytes below which nothing is suspect; 0: 64 kB */
    size_t limit;     /* groups at most; 0: 10 */
    struct progress *progress;
};

struct heap_suspects {
    struct heap_suspect *v; /* most mass first */
    size_t n;
    struct arena mem;
};
struct err *heap_find_suspects(struct heap_graph *g, const struct heap_suspect_options *o,
                               struct heap_suspects *ret) MUST_USE;
void heap_suspects_free(struct heap_suspects *s);

#endif
