/* pprof.h - a profile of memory as Go writes it (profile.proto), read into a snapshot.
 *
 * What runtime/pprof, net/http/pprof (heap, allocs; without debug=1) and `go tool pprof -proto`
 * write, packed with gzip or not.  The snapshot has the tables bucket, stack, pc, frame and the
 * facts exe, gnu_build_id and taken_wall_ns.  Its amounts are already scaled up, so the counter
 * prof.mem_rate_bytes is 1; how far apart samples were is snap_pprof.period.  Runtime functions at
 * the inner end and wrappers were left out by whoever wrote the file.
 *
 * Thread: any. */
#ifndef GOSPECT_SNAP_PPROF_H
#define GOSPECT_SNAP_PPROF_H

#include "snap/snap.h"

struct snap_pprof {
    struct snap *snap;   /* owned */
    int64_t time_ns;     /* wall clock; 0: not known.  Of what was in between: its end */
    int64_t duration_ns; /* what it says lies in between; 0: a state, or not known */
    int64_t period;      /* bytes between samples; 0: not known */
    bool negative;       /* some amount in use is below zero: one profile less another */
};

/* ERR_BAD_DATA: not a profile, cut off, malformed; ERR_USAGE: a profile of something else than
 * memory; ERR_LIMIT.  name is for messages. */
struct err *snap_read_pprof(const void *bytes, size_t n, const char *name,
                            struct snap_pprof *ret) MUST_USE;
struct err *snap_read_pprof_file(const char *path, struct snap_pprof *ret) MUST_USE;

#endif
