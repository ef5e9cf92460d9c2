/* pace.h - looks at a fixed interval until a time, a signal, or the end of what is looked at: what
 * commands that watch have in common. */
#ifndef GOSPECT_FRONT_CLI_PACE_H
#define GOSPECT_FRONT_CLI_PACE_H

#include "base/types.h"

struct cli_pace {
    int64_t interval_ns, until_ns; /* until 0: no end; on the monotonic clock */
    int64_t next_ns;
    bool looked; /* before the first look the time is not up, however late that comes */
};

/* for_ns 0: no end. */
void cli_pace_begin(struct cli_pace *p, int64_t interval_ns, int64_t for_ns);
bool cli_pace_over(const struct cli_pace *p); /* the time is up, or a signal came */
/* Sleeps until the next look is due.  One that took longer than the interval is no reason to hurry
 * afterwards. */
void cli_pace_wait(struct cli_pace *p);

#endif
