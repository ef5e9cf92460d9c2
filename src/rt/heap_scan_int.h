/* heap_scan_int.h - one worker that turns the memory of objects into edges; see heap_scan.c.
 *
 * heap_edges.c decides what is read when and where the bytes go; heap_scan.c knows which words of
 * an object are pointers and how an edge is written. */
#ifndef GOSPECT_RT_HEAP_SCAN_INT_H
#define GOSPECT_RT_HEAP_SCAN_INT_H

#include <pthread.h>

#include "rt/heap_int.h"

/* Which words of a value are pointers. */
struct heap_mask {
    uint64_t words, ptr_words; /* of a value; up to its last pointer */
    const uint8_t *bits;       /* with 8 bytes behind what is needed */
};

/* Masks of descriptors that only the collector reads: unrolled programs (1.22, 1.23), user arenas.
 * Any thread. */
struct heap_raw_masks {
    pthread_mutex_t lock;
    struct map at;               /* address -> index */
    VEC(struct heap_mask) masks; /* words 0: none */
    uint64_t bytes;
};

struct heap_scan;

/* Where a release keeps the bits. */
struct heap_bits_kind {
    enum rt_field needs;     /* exists in those releases */
    uint32_t words_per_byte; /* of the arenas' bitmap; 0: there is none */
    /* Words [first, first + n) of an object that begins at bit `bit` of the bitmap. */
    void (*put)(struct heap_scan *x, const uint64_t *w, uint64_t first, uint64_t n,
                const uint8_t *bits, const uint8_t *no_more, uint64_t bit);
};
/* NULL: where this release keeps them is not known. */
const struct heap_bits_kind *heap_bits_kind_of(const struct rt_layout *l);

enum { HEAP_NO_MORE_BYTES = 64 * 8 * 8 }; /* of the heap, for a byte of heapArena.noMorePtrs */

struct heap_known_pc {
    taddr pc;
    bool entry; /* of a function */
};

struct heap_scan {
    struct heap *h;
    struct rt *rt;
    struct target *t;
    const struct heap_bits_kind *kind;
    struct heap_raw_masks *raw;
    unsigned worker; /* 0: it may call progress_step() */
    taddr code_lo, code_hi;

    /* What was read: spans, one after the other; bits and no_more are those of the same words. */
    uint8_t *memory, *bits, *no_more;
    size_t memory_cap;

    uint8_t *out; /* edges */
    size_t n, cap;
    bool failed; /* out did not grow */

    /* the object that is written */
    size_t start;
    uint32_t slot, last_target;
    uint64_t last_word, count;
    bool ended, after_pointer; /* no pointers follow; the word before is one */
    struct heap_mask mask;     /* of a large object */
    uint64_t first_mask;       /* of its first 64 words, as the arena's bitmap has it */
    uint64_t known_mask;       /* the last one that was asked for */
    uint16_t known_number;

    uint64_t free_targets, unknown;
    VEC(struct heap_closure) closures;
    struct heap_known_pc pcs[256];
};

/* A span whose memory lies at x->memory + at, a multiple of a page.  Sets scanslot.edges of its
 * slots, counted from the start of x->out. */
void heap_scan_span(struct heap_scan *x, const struct heap_span *s, size_t at);

/* A large object in parts: false: it has no edges.  Words [first, first + n) of it lie at x->memory
 * + at; the edges of a part follow those of the one before, and a byte is left for the count. */
bool heap_scan_begin(struct heap_scan *x, const struct heap_span *s);
void heap_scan_part(struct heap_scan *x, size_t at, uint64_t first, uint64_t n);

#endif
