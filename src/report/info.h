/* info.h - the `info` command: binary, build, modules, settings, runtime counters of a snapshot. */
#ifndef GOSPECT_REPORT_INFO_H
#define GOSPECT_REPORT_INFO_H

#include "report/report.h"
#include "snap/snap.h"

struct err *report_info_text(const struct snap *s, const struct report_style *style,
                             struct report_sink out) MUST_USE;
struct err *report_info_json(const struct snap *s,
                             struct report_sink out) MUST_USE; /* docs/formats/info.schema.json */

#endif
