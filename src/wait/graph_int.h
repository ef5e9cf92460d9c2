/* graph_int.h - what the files of the wait graph share. */
#ifndef GOSPECT_WAIT_GRAPH_INT_H
#define GOSPECT_WAIT_GRAPH_INT_H

#include "base/mem.h"
#include "base/vec.h"
#include "wait/wait.h"

struct wait_own { /* what a graph owns beside its arrays */
    struct arena mem;
    uint32_t *members;
};

/* holders.c */
void wait_find_holders(struct wait_graph *w);
/* object.c: names of objects: the snapshot's, else by the heap (may be NULL) */
void wait_find_names(struct wait_graph *w, const struct heap_graph *heap);

#endif
