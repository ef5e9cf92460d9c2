/* pauses.h - how long the collector stopped everything, from the counters of a snapshot.
 *
 * Thread: any number of readers. */
#ifndef GOSPECT_SNAP_PAUSES_H
#define GOSPECT_SNAP_PAUSES_H

#include "snap/snap.h"

enum { SNAP_PAUSES_MAX = 256 }; /* the runtime remembers no more: len(MemStats.PauseNs) */

struct snap_pause {
    int64_t ns, end_unix_ns; /* how long; when it ended */
};

struct snap_pauses {
    size_t n;
    struct snap_pause v[SNAP_PAUSES_MAX]; /* the newest first */
    int64_t median_ns, p99_ns;            /* 0 when there is none */
    size_t longest;                       /* which */
};
void snap_pauses(const struct snap *s, struct snap_pauses *ret);

#endif
