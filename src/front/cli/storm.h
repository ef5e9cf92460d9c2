/* storm.h - when is it a storm of goroutines, and when is it over.
 *
 *             count >= threshold, or growth >= limit and rising
 *     CALM ------------------------------------------------------> STORM
 *       ^                                                            |
 *       +------------------------------------------------------------+
 *          count and growth below 4/5 of their limits for 2 seconds
 *
 * The gap between the two conditions (hysteresis) keeps a number that swings around its limit from
 * making an event at every look.  Growth is measured over the last second,
 * and over two looks at least.  Thread: one at a time.
 */
#ifndef GOSPECT_FRONT_CLI_STORM_H
#define GOSPECT_FRONT_CLI_STORM_H

#include "base/types.h"

enum { STORM_SAMPLES = 512 };

struct cli_storm_sample {
    int64_t mono_ns;
    uint32_t goroutines;
};

struct cli_storm {
    uint32_t threshold;  /* goroutines; 0: no number is a storm */
    double growth_limit; /* a second; 0: no growth is a storm */

    bool on;
    int64_t began_ns, calm_since_ns; /* calm_since 0: not calm */
    uint32_t peak;
    double growth; /* a second; out */
    struct cli_storm_sample ring[STORM_SAMPLES];
    size_t n; /* samples ever fed */
};

enum cli_storm_event { STORM_NOTHING, STORM_BEGINS, STORM_OVER };

/* The next look; times must rise. */
enum cli_storm_event cli_storm_feed(struct cli_storm *s, int64_t mono_ns, uint32_t goroutines);

#endif
