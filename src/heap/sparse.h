/* sparse.h - what lives in nearly empty spans: a span with one object of 16 holds the room of 15
 * others, for objects of its size alone, until that one object goes.
 *
 * Owner: the caller (heap_sparse_free()).  Thread: any number of callers. */
#ifndef GOSPECT_HEAP_SPARSE_H
#define GOSPECT_HEAP_SPARSE_H

#include "base/err.h"
#include "snap/snap.h"

enum { HEAP_SPARSE_PART = 4 }; /* less than one slot in so many is taken (rt/counters_spans.c) */

struct heap_sparse_row {
    uint32_t name;    /* of the type: string of the snapshot; 0: not known */
    uint64_t objects; /* in nearly empty spans, garbage included */
    uint64_t bytes;   /* theirs */
    uint64_t free;    /* bytes they keep from others: of each span, shared by its objects */
};

struct heap_sparse {
    struct heap_sparse_row *v; /* most free first */
    size_t n;
    uint64_t spans, bytes, free; /* all nearly empty spans */
};
/* ERR_NOT_FOUND: the snapshot has no heap.  s: as snap_check() allows it. */
struct err *heap_sparse(const struct snap *s, struct heap_sparse *ret) MUST_USE;
void heap_sparse_free(struct heap_sparse *h);

#endif
