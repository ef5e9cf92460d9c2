/* sort.h - sorting many numbers: radix sort, which takes the same time whatever the order
 * was and beats comparisons from some hundred entries on. */
#ifndef GOSPECT_BASE_SORT_H
#define GOSPECT_BASE_SORT_H

#include "base/err.h"
#include "base/types.h"

struct sort_keyed {
    uint64_t key;
    uint32_t value;
};

/* Stable, ascending; v and tmp have n entries each. */
void sort_keyed(struct sort_keyed *v, struct sort_keyed *tmp, size_t n);
/* The same of what order names; key() is asked for each once. */
struct err *sort_indexes(uint32_t *order, size_t n, uint64_t (*key)(const void *arg, uint32_t i),
                         const void *arg) MUST_USE;
/* Numbers that are their own key: a key may stand above, a value below. */
struct err *sort_u64(uint64_t *v, size_t n) MUST_USE;

#endif
