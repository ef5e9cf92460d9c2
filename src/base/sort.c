/* sort.c - sorting by a key; see sort.h. */
#include "base/sort.h"

#include <string.h>

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
