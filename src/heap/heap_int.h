/* heap_int.h - the graph as the files of this room share it.
 *
 * An *index* numbers what can be a vertex: scan slots, then holders.  A *vertex* is a number in the
 * order of a walk of the dominator tree from the top (0: HEAP_ALL), so that all that v dominates
 * are the vertices v .. end[v]-1.  Pointer-free objects (leaves) are no vertices: owner[] says
 * which vertex dominates them immediately.
 *
 * While marking, vertices are numbered in the order of the depth-first search instead, and index[]
 * is not there; dominators.c renumbers them.  With mark_only there are no vertices: a bit for each
 * slot says what is reached. */
#ifndef GOSPECT_HEAP_HEAP_INT_H
#define GOSPECT_HEAP_HEAP_INT_H

#include "base/bits.h"
#include "base/mem.h"
#include "base/vec.h"
#include "heap/heap.h"
#include "snap/edges.h"

struct heap_graph {
    struct snap *s;
    uint32_t nslots, nscan, nleaves;
    uint32_t nholders, nvert; /* vertices, HEAP_ALL included */
    uint32_t scan_spans;      /* rows of span with pointers */
    bool has_edges, mark_only;
    uint32_t *span_of;    /* by slot / 64: the span of its first slot */
    uint64_t *memory_row; /* by span: its first row of table memory; NULL: there is none */

    struct heap_holder *holders;
    uint32_t *holder_global, *holder_goroutine; /* by row: number of the holder, or SNAP_NONE */
    uint32_t holder_kind[SNAP_ROOT_COUNT];
    uint32_t *root_first; /* by holder, nholders + 1: its part of root_rows */
    uint32_t *root_rows;  /* rows of root, by holder */

    uint32_t *vertex;   /* by index: 1 + vertex; 0: not live */
    uint32_t *index;    /* by vertex; [0] is SNAP_NONE */
    uint32_t *idom;     /* by vertex: of its dominator; of 0: 0 */
    uint32_t *end;      /* by vertex */
    uint64_t *retained; /* by vertex */
    uint32_t *owner;    /* by slot - nscan: 1 + vertex; 0: not live */
    uint64_t *reached;  /* mark_only: by slot, a bit; then the six above are NULL */

    uint32_t *reverse_first, *reverse_from; /* edges.c: who points to scan slots; NULL: not built */
    struct heap_totals totals;
};

/* ---- pairs.c: lists of pairs of numbers that grow by chunks ---- */

/* A stack of pairs. */
struct heap_pair {
    uint32_t a, b;
};
enum { HEAP_CHUNK = 65536 - 2 };
struct heap_chunk {
    struct heap_chunk *prev;
    size_t n;
    struct heap_pair v[HEAP_CHUNK];
};
struct heap_pairs {
    struct heap_chunk *top, *spare;
};
struct err *heap_pairs_grow(struct heap_pairs *l) MUST_USE; /* a new top with room */
void heap_pairs_drop_top(struct heap_pairs *l);             /* an empty one */
void heap_pairs_free(struct heap_pairs *l);
static inline bool heap_pairs_full(const struct heap_pairs *l)
{
    return !l->top || l->top->n == HEAP_CHUNK;
}

/* What is noted once and read once, a chunk at a time, the last one first.  A pair is written as
 * its difference from the one before: a search notes what lies close together, and there are
 * millions of them when memory is scarcest. */
enum { HEAP_LOG_BYTES = (512 << 10) - 32 };
struct heap_log_chunk {
    struct heap_log_chunk *prev;
    uint32_t used, pairs; /* bytes of v; how many pairs they are */
    uint8_t v[HEAP_LOG_BYTES];
};
struct heap_log {
    struct heap_log_chunk *top;
    struct heap_pair last; /* noted */
    size_t n;
};
struct heap_log_reader { /* of a chunk; {.c = chunk} is its beginning */
    const struct heap_log_chunk *c;
    uint32_t at, pairs; /* what was read */
    struct heap_pair last;
};
struct err *heap_log_add(struct heap_log *l, uint32_t a, uint32_t b) MUST_USE;
/* The next pairs, at most `max`; how many there were. */
size_t heap_log_read(struct heap_log_reader *r, struct heap_pair *v, size_t max);
void heap_log_drop_top(struct heap_log *l); /* one that was read */
void heap_log_free(struct heap_log *l);

/* ---- small things everybody needs ---- */

/* SNAP_FORM_*; slot must be one. */
static inline uint8_t heap_form(const struct heap_graph *g, uint32_t slot)
{
    uint16_t shape = g->s->slot.shape[slot];
    return shape < g->s->shape.n ? g->s->shape.form[shape] : SNAP_FORM_UNKNOWN;
}
/* What a map consists of beside its header. */
static inline bool heap_is_map_part(const struct heap_graph *g, uint32_t slot)
{
    uint8_t form = heap_form(g, slot);
    return form == SNAP_FORM_MAP_DIR || form == SNAP_FORM_MAP_TABLE ||
           form == SNAP_FORM_MAP_GROUPS || form == SNAP_FORM_MAP_EXTRA;
}
/* 1 + vertex of a node that is one, or that dominates a leaf; 0: not live.  Dominators only. */
static inline uint32_t heap_index_of(const struct heap_graph *g, uint32_t node)
{
    return node < g->nslots ? node : g->nscan + (node - g->nslots);
}
static inline uint32_t heap_node_of_index(const struct heap_graph *g, uint32_t index)
{
    return index < g->nscan ? index : g->nslots + (index - g->nscan);
}
static inline uint32_t heap_node_of_vertex(const struct heap_graph *g, uint32_t v)
{
    return v ? heap_node_of_index(g, g->index[v]) : HEAP_ALL;
}
static inline bool heap_inside(const struct heap_graph *g, uint32_t v, uint32_t other)
{
    return other >= v && other < g->end[v];
}
/* 1 + the vertex that a slot is, or that dominates the leaf there; 0: not live.  Not mark_only. */
static inline uint32_t heap_keeper(const struct heap_graph *g, uint32_t slot)
{
    return slot < g->nscan ? g->vertex[slot] : g->owner[slot - g->nscan];
}
/* Whether a path of pointers leads to a slot, be there an object in it or not. */
static inline bool heap_reached(const struct heap_graph *g, uint32_t slot)
{
    if (g->reached)
        return bit_at(g->reached, slot);
    return heap_keeper(g, slot) != 0;
}
/* Whether an object is live; slot must be one. */
static inline bool heap_slot_live(const struct heap_graph *g, uint32_t slot)
{
    return heap_reached(g, slot) && bit_at(g->s->slots64.allocated, slot);
}

struct err *heap_no_memory(size_t n, const char *what) MUST_USE;
/* Memory for n things of `size` bytes, zeroed; the error says what for. */
struct err *heap_array(size_t n, size_t size, const char *what, void *ret) MUST_USE;

struct err *heap_mark_live(struct heap_graph *g,
                           const struct heap_options *o) MUST_USE; /* reached alone */
struct err *heap_mark(struct heap_graph *g, struct heap_log *cross, struct heap_log *shared,
                      const struct heap_options *o) MUST_USE;
/* cross: edges of the search that are not of its tree, as vertices (a: to, b: from); emptied.
 * shared: further owners of leaves (a: leaf, b: index). */
struct err *heap_dominators(struct heap_graph *g, struct heap_log *cross,
                            struct progress *p) MUST_USE;
struct err *heap_own_leaves(struct heap_graph *g, struct heap_log *shared) MUST_USE;
struct err *heap_retain(struct heap_graph *g) MUST_USE;
struct err *heap_find_holders(struct heap_graph *g) MUST_USE; /* nodes.c */

/* nodes.c: the `limit` largest of all that are offered (a binary heap, the smallest on top). */
struct heap_largest {
    struct heap_child *v; /* the caller's, room for limit */
    size_t n, limit;
    uint64_t seen;
};
void heap_offer(struct heap_largest *l, uint32_t node, uint64_t retained);
void heap_sort_largest(struct heap_largest *l); /* largest first; no more offers then */

/* nodes.c: the vertex of the map that a vertex is a part of, and that alone keeps it; else v. */
uint32_t heap_map_of(const struct heap_graph *g, uint32_t v);

/* words.c: what lies at an offset of a value of a type: ".conns[3].buf"; type may be SNAP_NONE. */
void heap_type_text(const struct heap_graph *g, uint32_t type, uint64_t offset, struct buf *b);

/* edges.c: for every live scan slot those live scan slots that point to it (each once). */
struct err *heap_reverse(struct heap_graph *g, struct progress *p) MUST_USE;

/* by.c: shapes that are one type. */
struct heap_keys {
    uint16_t *of;    /* by shape: number of its key */
    uint32_t *shape; /* by key: a shape with it */
    uint32_t n;
};
struct err *heap_type_keys(const struct snap *s, struct heap_keys *ret) MUST_USE;
void heap_keys_free(struct heap_keys *k);
/* For each key the bytes dominated by an object of it (heap/by.h); retained: by key, zeroed.  top:
 * called for each object that no other of its key dominates, may be NULL. */
struct err *heap_retained_by(const struct heap_graph *g, const uint16_t *key_of, uint32_t nkeys,
                             uint64_t *retained,
                             void (*top)(void *arg, uint32_t key, uint32_t slot, uint32_t vertex,
                                         uint64_t bytes),
                             void *arg) MUST_USE;

#endif
