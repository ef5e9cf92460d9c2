/* pool.h - worker threads for loops whose rounds are independent.
 *
 * pool_run() calls job(arg, i, worker) once for every i below n, on all cores this process may use,
 * and returns when all are done.  `worker` is below pool_width() and tells concurrent calls apart
 * (index a scratch area with it).  A job that fails returns an error; the first one is returned,
 * the rest are dropped, and rounds not yet begun are skipped. */
#ifndef GOSPECT_BASE_POOL_H
#define GOSPECT_BASE_POOL_H

#include "base/err.h"

unsigned pool_width(void); /* how many workers at most; >= 1 */
/* From now on the calling thread's pool_run() take no more than this many workers; 0: as many as
 * there are cores.  For work that goes on beside other work that is waited for longer.  Returns
 * what held before. */
unsigned pool_limit(unsigned workers);
struct err *pool_run(size_t n, struct err *(*job)(void *arg, size_t i, unsigned worker),
                     void *arg) MUST_USE;

#endif
