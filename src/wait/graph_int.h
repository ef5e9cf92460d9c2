/* graph_int.h - what the files of the wait graph share. */
#ifndef GOSPECT_WAIT_GRAPH_INT_H
#define GOSPECT_WAIT_GRAPH_INT_H

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "wait/wait.h"

struct wait_own { /* what a graph owns beside its arrays */
    struct arena mem;
    uint32_t *members;
};

/* holders.c */
void wait_find_holders(struct wait_graph *w);
/* Rows of object by their addresses, and the row that a lock's address belongs to (SNAP_NONE:
 * none): a Once is named by its own, its mutex by that of the mutex, which lies within. */
void wait_index_objects(const struct snap *s, struct map *ret);
uint32_t wait_object_at(const struct snap *s, const struct map *at, taddr addr);
/* left.c: of each object, whether counting (snap.h, SNAP_AH_HAS_NONE) says who can release it. */
void wait_find_counted(const struct snap *s, bool *counted);
/* object.c: names of objects: the snapshot's, else by the heap (may be NULL) */
void wait_find_names(struct wait_graph *w, const struct heap_graph *heap);

#endif
