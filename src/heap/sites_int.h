/* sites_int.h - sampled amounts, as sites.c and semantic.c scale them. */
#ifndef GOSPECT_HEAP_SITES_INT_H
#define GOSPECT_HEAP_SITES_INT_H

#include "heap/sites.h"

/* By how much a sampled object of this size stands for others (runtime/pprof: scaleHeapSample). */
double heap_sample_scale(uint64_t size, int64_t rate);
int64_t heap_sample_rate(const struct snap *s); /* bytes; the runtime's usual one when not known */

/* For each row of frame of b the line that its place has in a: the same where both are one build;
 * else lines are moved function by function so that most of them meet.  Free it. */
struct err *heap_lines_as_of(const struct snap *a, const struct snap *b, uint32_t **ret) MUST_USE;

/* Whether there is a memory profile.  What the runtime allocates before the program can switch
 * sampling off has buckets nevertheless. */
bool heap_has_profile(const struct snap *s);

#endif
