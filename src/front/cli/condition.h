/* condition.h - a condition on the quick counters of a process: what `snapshot --when` waits for.
 *
 *     goroutines > 5000 || heap > 2GiB
 *     !gc_running && (rss >= 1.5 * heap_goal || runq > 100)
 *
 * Operands are counters and numbers with a unit (bytes: B kB MB GB TB KiB MiB GiB TiB; time: ns us
 * ms s min h); * multiplies, == != < <= > >= compare, ! && || and parentheses combine; a counter
 * alone means that it is not 0.  Compiled once; evaluation reads nothing but the counters that are
 * handed in. */
#ifndef GOSPECT_FRONT_CLI_CONDITION_H
#define GOSPECT_FRONT_CLI_CONDITION_H

#include "base/buf.h"
#include "rt/rt.h"

struct cli_condition;

struct cli_counters {
    struct rt_pulse pulse;
    uint64_t rss_bytes;
};

/* USAGE, with the place and what was expected.  Owner: cli_condition_free(). */
struct err *cli_condition_parse(const char *text, struct cli_condition **ret) MUST_USE;
void cli_condition_free(struct cli_condition *c); /* NULL is fine */
bool cli_condition_holds(const struct cli_condition *c, const struct cli_counters *now);
bool cli_condition_needs_rss(const struct cli_condition *c);
/* "goroutines 5,012, heap 412 MB": the counters it names, each once. */
void cli_condition_values(const struct cli_condition *c, const struct cli_counters *now,
                          struct buf *b);

#endif
