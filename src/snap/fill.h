/* fill.h - how full the spans of the heap are, by size of objects, from the counters of a snapshot.
 *
 * Owner: the caller's arrays.  Thread: any number of readers. */
#ifndef GOSPECT_SNAP_FILL_H
#define GOSPECT_SNAP_FILL_H

#include "snap/snap.h"

enum { SNAP_FILL_MAX = 128 }; /* the runtime has 68 size classes */

struct snap_fill {
    uint64_t size; /* of an object */
    uint64_t spans, bytes, slots, objects;
    uint64_t sparse; /* spans of which less than a quarter of the slots is taken */
    uint64_t free;   /* bytes without an object, what no object fits into included */
};

struct snap_fills {
    size_t n;
    struct snap_fill v[SNAP_FILL_MAX]; /* most free bytes first */
};
void snap_fills(const struct snap *s, struct snap_fills *ret);

#endif
