/* heap.h - the graph of the objects of a snapshot: what lives, what each object keeps alive.
 *
 * heap_open() marks from the roots as the garbage collector does and computes exact dominators.
 * Definitions (docs/heap.md):
 *   - An object is *live* when a path of pointers leads to it from a root; what is allocated and
 * not live is *garbage* that was not yet collected.
 *   - Roots are gathered in *holders*: one for each global variable, one for each goroutine (its
 * stack and registers), and one for each other kind of root.
 *   - Object or holder D *dominates* X when every path from the roots to X goes through D.  What D
 *     *retains* is the bytes of all objects it dominates, itself included: what would be freed if D
 *     were gone.  What no single holder or object keeps alive is dominated by HEAP_ALL alone.
 *
 * A *node* is a uint32_t: the number of a slot (schema.def), or heap_slots() + number of a holder,
 * or HEAP_ALL.  Sizes are bytes, those of slots: what the allocator gave, not what was asked for.
 *
 * Owner: the caller (heap_close()); the snapshot must outlive the graph.  Thread: heap_open() uses
 * all cores; afterwards any number of readers, but for functions that say otherwise. */
#ifndef GOSPECT_HEAP_HEAP_H
#define GOSPECT_HEAP_HEAP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/progress.h"
#include "snap/snap.h"

#define HEAP_ALL (SNAP_NONE - 1) /* the node that dominates all: the process */

struct heap_graph;

struct heap_options {
    bool keep_edges; /* paths, referrers, suspects with paths and diffs of grown maps and slices
                        need the pointers; else the columns edge.byte and scanslot.edges of the
                        snapshot are emptied as soon as they were read, to save memory */
    uint64_t keep_edges_below; /* keep them, too, where they take at most so many bytes */
    bool mark_only; /* liveness only: no dominators, no retained sizes (a fifth of the time) */
    bool no_totals; /* heap_totals() will not be asked: all of them stay 0 */
    struct progress *progress; /* may be NULL */
    /* May be NULL: is called once, at the same time as the search where there are several cores,
     * and may fill in what objects are (slot.shape, and the tables shape, type and field), which
     * the search does not need; its error ends heap_open(). */
    struct err *(*meanwhile)(void *arg);
    void *meanwhile_arg;
    uint64_t
        memory; /* refuse to use more bytes than this; 0: than the machine and our cgroup have */
};

/* ERR_NOT_FOUND: the snapshot has no heap; ERR_LIMIT: it would take more memory than there is (the
 * message says how much); ERR_NOMEM, ERR_CANCELLED.  s: as snap_check() allows it.  o may be NULL.
 */
struct err *heap_open(struct snap *s, const struct heap_options *o,
                      struct heap_graph **ret) MUST_USE;
void heap_close(struct heap_graph *g);

/* Bytes that heap_open() takes at its peak beside the snapshot; known before anything is done. */
uint64_t heap_memory_needed(const struct snap *s, const struct heap_options *o);
/* Bytes that the graph holds now. */
uint64_t heap_memory(const struct heap_graph *g);

const struct snap *heap_snap(const struct heap_graph *g);
bool heap_has_edges(const struct heap_graph *g);
bool heap_has_retained(const struct heap_graph *g);

struct heap_totals {
    uint64_t objects, bytes;           /* allocated */
    uint64_t live_objects, live_bytes; /* of these, what the roots lead to; the rest is garbage */
    uint64_t untyped_objects, untyped_bytes; /* live ones of which we do not know what they are */
    uint64_t guessed_objects, guessed_bytes; /* live ones of SNAP_EV_GUESS */
    uint64_t slots, slot_bytes;              /* of all spans, free ones included */
    uint64_t held_objects,
        held_bytes; /* live ones that one holder alone keeps alive; 0: mark_only */
};
void heap_totals(const struct heap_graph *g, struct heap_totals *ret);

/* ---- slots and objects ---- */

uint32_t heap_slots(const struct heap_graph *g);
/* The slot at an address, or whose inside it is in; SNAP_NONE: none.  The offset counts from the
 * start of the slot; may be NULL. */
uint32_t heap_find(const struct heap_graph *g, taddr addr, uint64_t *ret_offset);
uint32_t heap_span(const struct heap_graph *g, uint32_t slot); /* row of span */
taddr heap_address(const struct heap_graph *g, uint32_t slot);
uint64_t heap_size(const struct heap_graph *g, uint32_t slot);
bool heap_allocated(const struct heap_graph *g, uint32_t slot);
bool heap_survived(const struct heap_graph *g, uint32_t slot);  /* slots64.survived */
uint32_t heap_shape(const struct heap_graph *g, uint32_t slot); /* row of shape; 0: not known */
/* "orders.User", "[]byte", "chan int"; "" when it is not known. */
const char *heap_shape_name(const struct heap_graph *g, uint32_t slot);
/* A word of an object (snapshots --with-memory); false: the snapshot does not have it. */
bool heap_word(const struct heap_graph *g, taddr addr, uint64_t *ret);

/* ---- nodes ---- */

struct heap_holder {
    enum snap_rootkind kind;
    uint32_t row; /* SNAP_ROOT_GLOBAL: row of global; SNAP_ROOT_STACK: row of goroutine (its
                     registers included); SNAP_NONE: all other roots of the kind */
};
uint32_t heap_holders(const struct heap_graph *g);
bool heap_is_holder(const struct heap_graph *g, uint32_t node);
bool heap_is_object(const struct heap_graph *g, uint32_t node);
/* node: a holder. */
struct heap_holder heap_holder(const struct heap_graph *g, uint32_t node);
/* The node of a holder; SNAP_NONE: it holds nothing. */
uint32_t heap_holder_node(const struct heap_graph *g, enum snap_rootkind kind, uint32_t row);

bool heap_live(const struct heap_graph *g, uint32_t node); /* HEAP_ALL and holders are */
/* 0: not live.  Of a holder and of HEAP_ALL it is what they dominate. */
uint64_t heap_retained(const struct heap_graph *g, uint32_t node);
/* The immediate dominator; SNAP_NONE: not live, or HEAP_ALL. */
uint32_t heap_dominator(const struct heap_graph *g, uint32_t node);
bool heap_dominates(const struct heap_graph *g, uint32_t node, uint32_t other); /* itself: yes */
/* The holder that alone keeps the node alive; HEAP_ALL: several do; SNAP_NONE: not live. */
uint32_t heap_kept_by(const struct heap_graph *g, uint32_t node);

/* The nodes whose immediate dominator this is, largest retained first, at most `limit` of them; *n:
 * how many were written, *total: how many there are.  Time: linear in the children and pointer-free
 * objects of the heap. */
struct heap_child {
    uint32_t node;
    uint64_t retained;
};
struct err *heap_children(const struct heap_graph *g, uint32_t node, size_t limit,
                          struct heap_child *v, size_t *n, uint64_t *total) MUST_USE;

/* The objects (holders: false) or objects and holders that retain most, largest first.  outermost:
 * leave out what another entry dominates. */
struct heap_top {
    uint32_t node;
    uint64_t retained;
};
struct heap_top_options {
    size_t limit;
    bool holders, outermost;
};
struct err *heap_top(const struct heap_graph *g, const struct heap_top_options *o,
                     struct heap_top *v, size_t *n) MUST_USE;

/* ---- pointers (keep_edges); those of one object: snap/edges.h ---- */

/* Who points to an object: at most `limit` slots in *slots of v, ascending; *total: how many live
 * and garbage objects do.  Scans all edges on all cores.  ERR_UNSUPPORTED without edges. */
struct err *heap_referrers(const struct heap_graph *g, uint32_t slot, size_t limit, uint32_t *v,
                           size_t *n, uint64_t *total) MUST_USE;
/* Rows of table root that point to it: at most `limit`. */
void heap_roots_of(const struct heap_graph *g, uint32_t slot, size_t limit, uint32_t *v, size_t *n,
                   uint64_t *total);

/* The static type of what lies at a word of an object, as far as it is known for certain: a row of
 * type (of a pointer, the pointer's), SNAP_NONE: not known, or the middle of something. */
uint32_t heap_word_type(const struct heap_graph *g, uint32_t slot, uint64_t word);
/* The same at an offset of a value of a type; type may be SNAP_NONE. */
uint32_t heap_type_at(const struct heap_graph *g, uint32_t type, uint64_t offset);

/* ---- in words ---- */

/* What a node is: "orders.User", "global orders.cache", "goroutine 17", "the process". */
void heap_node_text(const struct heap_graph *g, uint32_t node, struct buf *b);
/* Where a root is: "orders.hub.subs", "goroutine 12, orders.handle, req.Body". */
void heap_root_text(const struct heap_graph *g, uint32_t root, struct buf *b);
/* Field `field` of what a closure of that type captured: ".req", "(captured 2)" when it has no
 * name. */
void heap_captured_text(const struct heap_graph *g, uint32_t type, uint32_t field, struct buf *b);
/* What lies at a word of an object: ".name", "[12].conn", "(value 41).id", "(captured 2)",
 * "(buffered 3)"; with values (snapshots --with-memory) map entries are named by their key. Nothing
 * is added for what a container consists of, and "+0x18" when the type is not known. */
void heap_word_text(const struct heap_graph *g, uint32_t slot, uint64_t word, struct buf *b);

#endif
