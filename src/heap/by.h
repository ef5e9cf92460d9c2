/* by.h - the heap in groups: by type, package, global, goroutine, size class.
 *
 * The *retained* bytes of a group of objects are those dominated by at least one object of the
 * group (each byte once, though objects of the group dominate one another): what would be freed if
 * all of them were gone, as far as dominators tell.  A type's evidence does not split it.
 *
 * Owner: the caller (heap_rows_free()).  Thread: any number of callers. */
#ifndef GOSPECT_HEAP_BY_H
#define GOSPECT_HEAP_BY_H

#include "heap/heap.h"

enum heap_by {
    HEAP_BY_TYPE,
    HEAP_BY_PACKAGE,    /* that declares the type (of elements, of the closure); "": none (string,
                           []byte) */
    HEAP_BY_GLOBAL,     /* objects that a variable alone keeps alive */
    HEAP_BY_GOROUTINE,  /* that a goroutine alone keeps alive */
    HEAP_BY_HOLDER,     /* of all kinds of roots; one row of kind HEAP_ALL: what several share */
    HEAP_BY_SIZE_CLASS, /* of spans, by runtime.spanClass */
    HEAP_BY_COUNT,
};
const char *heap_by_name(enum heap_by by); /* type package global goroutine holder size-class */

struct heap_row {
    uint32_t key;  /* TYPE: a row of shape with this type; GLOBAL, GOROUTINE, HOLDER: node
                      (HEAP_ALL);  SIZE_CLASS: span class; PACKAGE: string of the snapshot */
    uint32_t name; /* TYPE, PACKAGE, GLOBAL: string of the snapshot, 0: not known, or none */
    uint64_t count, bytes;   /* live objects; of holders: those it dominates immediately */
    uint64_t retained;       /* 0 with mark_only */
    uint64_t retained_count; /* holders only: objects it dominates */
    uint64_t garbage_count, garbage_bytes;
    uint64_t old_count; /* TYPE, PACKAGE: live ones that have survived a collection */
    uint64_t guessed_count, guessed_bytes; /* TYPE: live ones of SNAP_EV_GUESS */
    /* SIZE_CLASS only */
    uint64_t elem_size, spans, slots, span_bytes;
};

struct heap_rows {
    enum heap_by by;
    struct heap_row *v; /* largest retained first; mark_only: largest bytes; size classes: spans */
    size_t n;
};
struct err *heap_group(const struct heap_graph *g, enum heap_by by, struct heap_rows *ret) MUST_USE;
void heap_rows_free(struct heap_rows *r);
/* Size classes from the spans alone, without a look at any object: count and bytes are those of
 * what is allocated; nothing is said of what lives, or is retained. */
struct err *heap_space(const struct snap *s, struct heap_rows *ret) MUST_USE;

/* The package that counts for a shape: string of the snapshot; 0: none. */
uint32_t heap_shape_package(const struct heap_graph *g, uint32_t shape);

#endif
