/* shape_int.h - which stacks look the same: identical visible frames, whatever their pcs.
 *
 * Places are lists of visible frames of one pc, shapes are lists of places; both are numbered from
 * 1 (0: nothing visible), equal ones alike. */
#ifndef GOSPECT_SNAP_SHAPE_INT_H
#define GOSPECT_SNAP_SHAPE_INT_H

#include "base/vec.h"
#include "snap/snap.h"

/* A pc looks different when it called a panic function, or nothing: then a wrapper is visible
 * (stack.c).  So pcs and nodes have two answers: [2 * i] ordinarily, [2 * i + 1] then. */
struct shape {
    uint32_t *place; /* of each pc, twice */
    uint32_t *node;  /* of each stack node, twice */
    uint32_t nplaces, nshapes;
    VEC(uint64_t) place_hash, shape_hash; /* by number; the same in every snapshot */
};

void shape_init(struct shape *sh, const struct snap *s);
void shape_free(struct shape *sh);

/* The shape of a goroutine's stack; 0: it has none. */
static inline uint32_t shape_of(const struct shape *sh, const struct snap *s, uint32_t g)
{
    uint32_t node = s->goroutine.stack[g];
    return node == SNAP_NONE ? 0 : sh->node[2 * (size_t)node + 1];
}

/* The place of a pc by itself; 0: none. */
static inline uint32_t shape_place(const struct shape *sh, uint32_t pc)
{
    return pc == SNAP_NONE ? 0 : sh->place[2 * (size_t)pc];
}

#endif
