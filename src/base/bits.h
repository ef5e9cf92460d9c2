/* bits.h - arrays of bits, 64 to a word.  Thread: the caller's care. */
#ifndef GOSPECT_BASE_BITS_H
#define GOSPECT_BASE_BITS_H

#include "base/types.h"

static inline bool bit_at(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}
static inline void bit_set(uint64_t *bits, uint64_t i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

#endif
