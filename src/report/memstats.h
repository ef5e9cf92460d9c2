/* memstats.h - the memory figures of a process, under the names of runtime.MemStats. */
#ifndef GOSPECT_REPORT_MEMSTATS_H
#define GOSPECT_REPORT_MEMSTATS_H

#include "report/report.h"
#include "snap/snap.h"

struct err *report_memstats_text(const struct snap *s, const struct report_style *style,
                                 struct report_sink out) MUST_USE;
struct err *report_memstats_json(const struct snap *s, struct report_sink out) MUST_USE;

#endif
