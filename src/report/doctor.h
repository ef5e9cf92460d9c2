/* doctor.h - the `doctor` command: verdict first, evidence after, next command named, cost last. */
#ifndef GOSPECT_REPORT_DOCTOR_H
#define GOSPECT_REPORT_DOCTOR_H

#include "diag/diag.h"
#include "report/report.h"

struct report_doctor {
    const struct diag_findings *found;
    const struct snap *now;    /* what was looked at */
    const struct snap *before; /* the earlier look; NULL: none */
    bool live;                 /* of a running process: what it cost it is said */
    bool revisit;              /* `before` was taken by this command, too */
    bool ended;                /* the process ended before there could be a second look */
    const char *no_heap;       /* why the heap was not looked at; NULL: it was */
    int64_t wall_ns;           /* what all of it took */
};

struct err *report_doctor_text(const struct report_doctor *r, const struct report_style *style,
                               struct report_sink out) MUST_USE;
struct err *
report_doctor_json(const struct report_doctor *r,
                   struct report_sink out) MUST_USE; /* docs/formats/doctor.schema.json */

#endif
