/* edges.h - walking the pointers of a heap object: the table edge of a snapshot.
 *
 *     struct snap_edges it;
 *     snap_edges_init(&it, s, slot);
 *     while (snap_edges_next(&it))
 *         use(it.word, it.target);
 *
 * docs/formats/snapshot.md, Edges, says how they are written.  snap_check() has proved that they
 * are well formed, so nothing is checked here: this is the innermost loop of everything about
 * heaps. */
#ifndef GOSPECT_SNAP_EDGES_H
#define GOSPECT_SNAP_EDGES_H

#include "snap/snap.h"

enum snap_edgeflag {
    SNAP_EDGE_WORDS = 31, /* bits: words from the one before; all set: a number follows */
    SNAP_EDGE_TYPED = 32,
    SNAP_EDGE_INTERIOR = 64,
    SNAP_EDGE_LEAF = 128, /* the target has no pointers */
};

struct snap_edges {
    const uint8_t *p;
    uint64_t left;   /* edges still to come */
    uint64_t word;   /* out: the pointer's place, in words from the start of the object's data */
    uint32_t target; /* out: slot */
    uint32_t type;   /* out: dynamic type that an interface names; SNAP_NONE: none */
    uint8_t flags;   /* out: enum snap_edgeflag */
};

static inline uint64_t snap_edge_number(const uint8_t **p)
{
    uint64_t v = **p & 0x7f;
    for (unsigned shift = 7; *(*p)++ & 0x80; shift += 7)
        v |= (uint64_t)(**p & 0x7f) << shift;
    return v;
}

static inline void snap_edges_init(struct snap_edges *it, const struct snap *s, uint32_t slot)
{
    uint32_t at = slot < s->scanslot.n ? s->scanslot.edges[slot] : 0;
    it->left = 0;
    it->target = slot;
    it->word = UINT64_MAX;
    if (at) {
        it->p = s->edge.byte + (at - 1);
        it->left = snap_edge_number(&it->p);
    }
}

static inline bool snap_edges_next(struct snap_edges *it)
{
    if (!it->left)
        return false;
    it->left--;
    it->flags = *it->p++;
    uint64_t words = it->flags & SNAP_EDGE_WORDS;
    it->word += words == SNAP_EDGE_WORDS ? snap_edge_number(&it->p) : words;
    it->type = it->flags & SNAP_EDGE_TYPED ? (uint32_t)snap_edge_number(&it->p) : SNAP_NONE;
    uint64_t step = snap_edge_number(&it->p);
    it->target += (uint32_t)(step >> 1) ^ -(uint32_t)(step & 1);
    return true;
}

#endif
