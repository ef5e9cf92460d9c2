/* finding.h - what a diagnosis found, for people and for programs. */
#ifndef GOSPECT_REPORT_FINDING_H
#define GOSPECT_REPORT_FINDING_H

#include "base/json.h"
#include "diag/finding.h"
#include "report/report.h"

/* The findings, most severe first: title, evidence, why it matters, how sure, next command. */
void report_findings_text(const struct diag_findings *f, const struct report_style *style,
                          struct buf *out);
/* "2 problems, 1 note"; "nothing found" */
void report_findings_count(const struct diag_findings *f, struct buf *out);
/* An array of objects (docs/formats/doctor.schema.json). */
void report_findings_json(const struct diag_findings *f, struct json *j);

#endif
