/* types.h - the few types every room shares.
 *
 * taddr is an address in the process (or image) under study.  It is never dereferenced: bytes
 * behind it are read through target/ or image/, into memory of ours.  It is the only typedef of the
 * project, so that a signature shows at once which numbers belong to the other process. */
#ifndef GOSPECT_BASE_TYPES_H
#define GOSPECT_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t taddr;

#define PRItaddr "llx"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
