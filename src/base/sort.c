/* sort.c - radix sorts; see sort.h. */
#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Bytes that are equal everywhere cost nothing. */
void sort_keyed(struct sort_keyed *v, struct sort_keyed *tmp, size_t n)
{
    struct sort_keyed *from = v, *to = tmp;
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= v[i].key ^ v[0].key;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t start[257] = {0};
        if (!(differ >> shift & 0xff))
            continue;
        for (size_t i = 0; i < n; i++)
            start[(from[i].key >> shift & 0xff) + 1]++;
        for (size_t b = 0; b < 256; b++)
            start[b + 1] += start[b];
        for (size_t i = 0; i < n; i++)
            to[start[from[i].key >> shift & 0xff]++] = from[i];
        struct sort_keyed *swap = from;
        from = to;
        to = swap;
    }
    if (from != v && n)
        memcpy(v, from, n * sizeof(*v));
}

struct err *sort_indexes(uint32_t *order, size_t n, uint64_t (*key)(const void *arg, uint32_t i),
                         const void *arg)
{
    struct sort_keyed *v = mem_try_alloc(2 * n * sizeof(*v));
    if (!v)
        return err_new(ERR_NOMEM, "no memory to sort %zu numbers", n);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct sort_keyed){key(arg, order[i]), order[i]};
    sort_keyed(v, v + n, n);
    for (size_t i = 0; i < n; i++)
        order[i] = v[i].value;
    free(v);
    return NULL;
}

/* ---- plain numbers: half of the memory ---- */

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

struct err *sort_u64(uint64_t *v, size_t n)
{
    if (n < 2)
        return NULL;
    uint64_t *spare = mem_try_alloc(n * sizeof(*spare));
    if (!spare)
        return err_new(ERR_NOMEM, "no memory to sort %zu numbers", n);
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
