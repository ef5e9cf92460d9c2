/* report.h - what all reports share: where they write to, and how they may look.
 *
 * A report turns evidence into text, JSON or a profile and hands it to a sink in pieces of some
 * 64 KiB.  It never prints, never asks what a terminal can do (front/ does) and never changes the
 * evidence.  The sink's first error ends the report and is returned by it. */
#ifndef GOSPECT_REPORT_REPORT_H
#define GOSPECT_REPORT_REPORT_H

#include "base/buf.h"
#include "base/err.h"

/* The same shape as the sink of struct json.  A struct buf can be a sink: report_to_buf(). */
struct report_sink {
    struct err *(*write)(void *arg, const char *bytes, size_t n);
    void *arg;
};
struct report_sink report_to_buf(struct buf *b);

struct report_style {
    size_t width;    /* columns; 0: as wide as it gets */
    bool color;      /* escape sequences may be used; the meaning never hangs on them */
    bool full_names; /* whole package paths and file names instead of short ones */
};

#endif
