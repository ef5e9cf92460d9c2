/* profile.h - the profiles that the runtime keeps (table bucket), as runtime/pprof writes them. */
#ifndef GOSPECT_REPORT_PROFILE_H
#define GOSPECT_REPORT_PROFILE_H

#include "report/report.h"
#include "snap/snap.h"

enum report_profile {
    REPORT_PROFILE_HEAP,
    REPORT_PROFILE_ALLOCS, /* the same with another value shown first */
    REPORT_PROFILE_BLOCK,
    REPORT_PROFILE_MUTEX,
};

/* What is in a profile, before it is written: samples, and why there are none, or NULL. */
struct report_profile_facts {
    size_t samples;
    const char *empty; /* a sentence about sampling being off; NULL: it is on, or has data */
};
struct report_profile_facts report_profile_facts(const struct snap *s, enum report_profile which);

/* profile.pb.gz.  UNSUPPORTED when times cannot be told (block, mutex: how fast the clock runs is
 * not in a core of Go before 1.22). */
struct err *report_profile(const struct snap *s, enum report_profile which,
                           struct report_sink out) MUST_USE;

#endif
