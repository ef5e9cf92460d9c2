/* sort.c - sorting the entries of indexes: radix sort, which beats comparisons from some hundred
 * entries on, and lets entries be plain 64-bit numbers (key above, value below). */
#include <stdlib.h>
#include <string.h>

#include "image/image_int.h"

enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS, PASSES = 6 };

/* One pass; returns whether it moved anything. */
static bool sort_pass(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
    size_t at[RADIX] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        at[from[i] >> shift & (RADIX - 1)]++;
    if (at[from[0] >> shift & (RADIX - 1)] == n)
        return false; /* all the same digit */
    for (unsigned d = 0; d < RADIX; d++) {
        size_t count = at[d];
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i] >> shift & (RADIX - 1)]++] = from[i];
    return true;
}

struct err *image_sort_u64(uint64_t *v, size_t n)
{
    if (n < 2)
        return NULL;
    uint64_t *spare = mem_try_alloc(n * sizeof(*spare));
    if (!spare)
        return err_new(ERR_NOMEM, "no memory to sort %zu names", n);
    uint64_t *from = v, *to = spare;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        if (!sort_pass(from, to, n, pass * RADIX_BITS))
            continue;
        uint64_t *t = from;
        from = to;
        to = t;
    }
    if (from != v)
        memcpy(v, from, n * sizeof(*v));
    free(spare);
    return NULL;
}
