/* heap_values.h - what is in an object, field by field, where the snapshot has its memory. */
#ifndef GOSPECT_REPORT_HEAP_VALUES_H
#define GOSPECT_REPORT_HEAP_VALUES_H

#include "heap/heap.h"

struct heap_value {
    const char *field; /* ".Home.Zip", "[3]"; "" for the object itself */
    const char *type;  /* name of its type */
    const char *value; /* as Go writes it; strings in quotes, addresses as 0x... */
};

/* Calls fn for at most `limit` values (0: all) of an object whose type is known; *left_out: how
 * many more there are.  Nothing when the memory is not there. */
void heap_each_value(const struct heap_graph *g, uint32_t slot, size_t limit,
                     void (*fn)(void *arg, const struct heap_value *v), void *arg,
                     uint64_t *left_out);

#endif
