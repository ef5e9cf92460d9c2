/* keep_int.h - a copy of a process's own memory that we make ourselves while it is stopped. */
#ifndef GOSPECT_TARGET_KEEP_INT_H
#define GOSPECT_TARGET_KEEP_INT_H

#include "target/target_int.h"

struct keep;

/* Room for what the process has of its own, when that is no more than `most` bytes; else NULL.
 * While the process runs. */
struct keep *keep_prepare(pid_t pid, uint64_t most);
/* While it is stopped.  m must outlive the keep: what never changes is read from it later, too. */
struct err *keep_take(struct keep *k, struct memory *m) MUST_USE;
void keep_free(struct keep *k);

/* As of the moment of keep_take(); any thread. */
struct err *keep_readv(struct keep *k, struct target_iov *iov, size_t n) MUST_USE;
struct err *keep_mappings(const struct keep *k, struct arena *a, struct target_mapping **ret,
                          size_t *ret_n) MUST_USE;

#endif
