/* avail.h - how much memory we may still take.
 *
 * The least of what the machine says it can give without swapping (MemAvailable) and of what the
 * control groups above us leave (memory.max less memory.current, v2; memory.limit_in_bytes, v1).
 * Thread: any. */
#ifndef GOSPECT_BASE_AVAIL_H
#define GOSPECT_BASE_AVAIL_H

#include "base/types.h"

/* Bytes; UINT64_MAX: not known.  *why: what sets the limit ("the machine", "the control group");
 * static, may be NULL. */
uint64_t mem_available(const char **why);

#endif
