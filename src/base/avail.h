/* avail.h - how much memory we may still take.
 *
 * The least of what the machine says it can give without swapping (MemAvailable), of what the
 * control groups above us leave (memory.max less memory.current, v2; memory.limit_in_bytes, v1) and
 * of what the limits of the process leave (setrlimit: RLIMIT_AS, RLIMIT_DATA).
 * Thread: any. */
#ifndef GOSPECT_BASE_AVAIL_H
#define GOSPECT_BASE_AVAIL_H

#include "base/types.h"

/* Bytes; UINT64_MAX: not known.  *why: what sets the limit ("the machine", "the control group");
 * static, may be NULL. */
uint64_t mem_available(const char **why);
/* What the limits of the process alone leave; UINT64_MAX: there are none. */
uint64_t mem_limits_leave(const char **why);

#endif
