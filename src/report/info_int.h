/* info_int.h - the lines of `gospect info`, shared by the files that write them. */
#ifndef GOSPECT_REPORT_INFO_INT_H
#define GOSPECT_REPORT_INFO_INT_H

#include "report/report_int.h"

struct info {
    const struct snap *s;
    const struct report_style *style;
    struct flow out;
    struct buf text; /* of the line being made */
};

/* "heap        412 MB live, ..."; nothing when there is no text. */
void info_say(struct info *in, const char *label);
void info_comma(struct info *in);

enum info_unit { INFO_COUNT, INFO_BYTES, INFO_NS };
/* ", 412 MB live": a counter and its word, when it is known. */
bool info_add(struct info *in, const char *counter, enum info_unit unit, const char *before,
              const char *after);

/* info_gc.c: the garbage collector, its last cycle, pauses, pacing; how full spans are. */
void info_gc(struct info *in);

#endif
