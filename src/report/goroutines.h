/* goroutines.h - the `goroutines` command: grouped or one by one, as text, JSON or a profile.
 *
 * Formats: docs/formats/goroutines.md (JSON, with its schema) and docs/formats/pprof.md. */
#ifndef GOSPECT_REPORT_GOROUTINES_H
#define GOSPECT_REPORT_GOROUTINES_H

#include "report/report.h"
#include "snap/group.h"

enum { REPORT_LIMIT_DEFAULT = 12, REPORT_DEPTH_DEFAULT = 8 };

struct report_goroutines {
    const struct snap *snap;
    const struct snap_rows *rows;     /* which goroutines, in the order to show */
    const struct snap_groups *groups; /* of these rows; text: NULL shows one by one; JSON: may be
                                         NULL */
    bool goroutines;     /* JSON: with the list of goroutines (else the groups alone) */
    uint64_t limit;      /* groups or goroutines shown; 0: all.  What is left out is counted. */
    unsigned depth;      /* frames shown of each stack; 0: all.  What is left out is counted. */
    bool runtime_frames; /* do not fold frames of the runtime */
    bool locals;         /* arguments and locals below their frame, as far as captured */
    bool filtered;       /* a filter chose the rows: say how many there are in all */
    int64_t wall_ns;     /* what all of it took, for the last line; 0: the capture alone */
};

/* Text for people; see docs: first line the verdict, last line what it cost. */
struct err *report_goroutines_text(const struct report_goroutines *r,
                                   const struct report_style *style,
                                   struct report_sink out) MUST_USE;
struct err *report_goroutines_json(const struct report_goroutines *r,
                                   struct report_sink out) MUST_USE;

/* A goroutine profile (gzipped profile.proto) as `go tool pprof` reads it: one sample per stack and
 * label set, counts like pprof.Lookup("goroutine").  rows: as chosen by snap_select(). */
struct err *report_goroutines_pprof(const struct snap *s, const struct snap_rows *rows,
                                    struct report_sink out) MUST_USE;

#endif
