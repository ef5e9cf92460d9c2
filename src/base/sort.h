/* sort.h - sorting many numbers by a key: radix sort, which takes the same time whatever the order
 * was and beats comparisons from some hundred entries on. */
#ifndef GOSPECT_BASE_SORT_H
#define GOSPECT_BASE_SORT_H

#include "base/types.h"

struct sort_keyed {
    uint64_t key;
    uint32_t value;
};

/* Stable, ascending; v and tmp have n entries each. */
void sort_keyed(struct sort_keyed *v, struct sort_keyed *tmp, size_t n);

#endif
