/* diff_int.h - what the files of the diff share. */
#ifndef GOSPECT_HEAP_DIFF_INT_H
#define GOSPECT_HEAP_DIFF_INT_H

#include "heap/diff.h"
#include "heap/heap_int.h"

/* A diff while it is made. */
struct heap_differ {
    const struct heap_graph *a, *b;
    struct heap_diff *d;
    uint32_t *span_a; /* by span of B: the span of A at its place, of the same shape; SNAP_NONE */
    uint64_t *live_a, *live_b; /* by slot */
    uint64_t *kept_a;          /* by slot of A */
    uint32_t *key_a, *key_b;   /* by shape: types that are one in both snapshots have one number */
    uint32_t nkeys;
    struct progress *progress;
};

/* The slot of A at the place of a slot of B; SNAP_NONE: there is none. */
static inline uint32_t heap_diff_slot_a(const struct heap_differ *f, uint32_t slot_b)
{
    uint32_t rb = heap_span(f->b, slot_b), ra = f->span_a[rb];
    return ra == SNAP_NONE ? SNAP_NONE : f->a->s->span.slot[ra] + (slot_b - f->b->s->span.slot[rb]);
}

static inline void heap_clear_bit(uint64_t *bits, uint64_t i)
{
    bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

struct err *heap_diff_grown(struct heap_differ *f) MUST_USE; /* diff_grown.c: modified */
struct err *heap_diff_sums(struct heap_differ *f) MUST_USE;  /* diff_sums.c: types, ages */
/* diff_hang.c: holders, at most `limit` */
struct err *heap_diff_holders(struct heap_diff *d, size_t limit) MUST_USE;

#endif
