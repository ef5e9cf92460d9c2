/* deadlock_watch.h - gospect deadlock --watch: look after look at one process. */
#ifndef GOSPECT_FRONT_CLI_DEADLOCK_WATCH_H
#define GOSPECT_FRONT_CLI_DEADLOCK_WATCH_H

#include "front/cli/subject.h"

enum { DEADLOCK_LIMIT = 10 }; /* circles, locks and changes that are shown without --limit */

/* *ret_code: CLI_FINDINGS when there was a deadlock, or a lock that nobody releases. */
struct err *cli_deadlock_watch(struct cli *c, int *ret_code) MUST_USE;
size_t cli_deadlock_limit(const struct cli *c);

#endif
