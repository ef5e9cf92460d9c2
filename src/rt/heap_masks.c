/* heap_masks.c - numbers for the patterns of pointers that small objects have.
 *
 * A program has some hundred patterns for millions of objects: 2 bytes an object tell, while it is
 * found out what objects are, whether a type can be right at all.  Threads add patterns without a
 * lock: the number is the place in an open hash table. */
#include <stdlib.h>

#include "rt/heap_int.h"

enum { PROBES = 64 };

struct err *heap_masks_open(struct heap *h)
{
    h->masks.number = mem_try_alloc_huge((size_t)h->nscan * sizeof(*h->masks.number) + 1);
    h->masks.bits = mem_try_alloc(HEAP_MASKS * sizeof(*h->masks.bits));
    if (!h->masks.number || !h->masks.bits)
        return err_new(ERR_NOMEM, "no memory for the pointer masks of %u objects", h->nscan);
    return NULL;
}

void heap_masks_free(struct heap *h)
{
    free(h->masks.number);
    free((void *)h->masks.bits);
    h->masks = (struct heap_masks){0};
}

uint16_t heap_mask_number(struct heap_masks *m, uint64_t bits)
{
    uint64_t at = hash_u64(bits);
    for (int i = 0; bits && i < PROBES; i++, at++) {
        uint16_t n = (uint16_t)at;
        uint64_t seen = atomic_load_explicit(&m->bits[n], memory_order_relaxed);
        if (!n)
            continue;
        if (seen == bits ||
            (!seen && (atomic_compare_exchange_strong(&m->bits[n], &seen, bits) || seen == bits)))
            return n;
    }
    return 0;
}
