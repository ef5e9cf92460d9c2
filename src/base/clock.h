/* clock.h - time.  Everything is nanoseconds of CLOCK_MONOTONIC, the clock Go's runtime.nanotime
 * uses, so that times of ours and of the target compare. */
#ifndef GOSPECT_BASE_CLOCK_H
#define GOSPECT_BASE_CLOCK_H

#include "base/types.h"

#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

int64_t clock_mono_ns(void);
int64_t clock_wall_ns(void); /* since 1970, UTC */

#endif
