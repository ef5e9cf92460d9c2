/* heap_int.h - what the files that read the heap into a snapshot share.
 *
 * The order: spans and allocation bits (heap_arenas.c, heap_spans.c), the pointers of every object
 * (heap_edges.c), what the runtime keeps beside objects (heap_specials.c), roots: globals and
 * queues (heap_roots.c), stacks by their stack maps (stackmap.c, heap_stacks.c), names of globals
 * and variables (heap_names.c); then, without the target as far as possible, what each object is
 * (heap_shapes.c).  heap_capture.c leads.  Types are read once into rt_types (types.c).
 *
 * Everything is numbers of slots (schema.def, "the heap").  Amounts that a target decides are
 * capped and asked for with mem_try_alloc(). */
#ifndef GOSPECT_RT_HEAP_INT_H
#define GOSPECT_RT_HEAP_INT_H

#include <stdatomic.h>

#include "rt/capture_int.h"

/* ---- types.c: the runtime's type descriptors ---- */

/* A type; its number is its row in the snapshot's table `type`, too (types_store() writes them). */
struct rt_typeinfo {
    taddr addr; /* of its abi.Type */
    uint64_t size, ptr_bytes;
    uint8_t kind;        /* reflect.Kind */
    bool direct;         /* an interface holds the value itself, not a pointer to it */
    const uint8_t *mask; /* a bit for each word up to ptr_bytes: it is a pointer; NULL: none, or
                            unreadable.  At least 8 bytes longer than that, so that it can be read
                            64 bits at a time */
};

struct rt_types;
/* Opens the types of a target; the tables of the program's own types are read at once.  t: the
 * target they are read from.  Free with types_free(). */
struct err *types_open(struct rt *rt, struct target *t, struct rt_types **ret) MUST_USE;
void types_free(struct rt_types *ty);
/* The number of the type whose abi.Type is at addr; SNAP_NONE: there is none.  Any thread. */
uint32_t types_at(struct rt_types *ty, taddr addr);
/* Valid until types_free().  Any thread. */
const struct rt_typeinfo *types_get(const struct rt_types *ty, uint32_t type);
/* The mask of `words` words that a GC program makes; NULL: it is unreadable.  As rt_typeinfo.mask.
 * Any thread. */
const uint8_t *types_program_mask(struct rt_types *ty, taddr program, uint64_t words);
/* The dynamic type that the first word of an interface value names: an itab, or a type (eface);
 * SNAP_NONE: it is neither.  Any thread; quick for words seen before. */
uint32_t types_of_interface(struct rt_types *ty, taddr word);
/* The number of the type of a DWARF DIE; SNAP_NONE: unreadable, or not a type of Go.  Types without
 * an abi.Type get a number, too (their addr is 0).  One thread. */
uint32_t types_of_dwarf(struct rt_types *ty, struct dwarf *dw, uint64_t die);
/* The number of a shape, made when it is new; 0 when there are too many.  type, pc: SNAP_NONE or
 * as in the table `shape` (pc: an address here).  Any thread. */
uint16_t types_shape(struct rt_types *ty, enum snap_form form, uint32_t type, taddr pc,
                     enum snap_evidence evidence);
/* Reads all types of the program, and how types consist of others.  The last that needs the target:
 * heap_find_shapes() and types_store() go without.  One thread. */
void types_list(struct rt_types *ty);
/* Writes the tables type, field and shape, last of all.  A type's number is its row.  Names and
 * fields are written only of types that shapes, variables and edges refer to, and of what those
 * consist of; rows of others are there as far as numbers need them. */
struct err *types_store(struct rt_types *ty, struct capture *c) MUST_USE;

/* ---- heap_arenas.c: what an mspan says ---- */

enum { HEAP_PAGE_SHIFT = 13, HEAP_PAGE = 1 << HEAP_PAGE_SHIFT, HEAP_ARENA_SHIFT = 26 };
#define HEAP_ARENA ((uint64_t)1 << HEAP_ARENA_SHIFT)

struct heap_span {
    taddr addr;
    uint64_t elem_size;
    taddr alloc_bits, mark_bits, specials, large_type;
    uint32_t pages, elems, slot, sweepgen;
    uint32_t free_index, ready_index; /* freeindex; freeIndexForScan, where there is one */
    uint32_t allocated;               /* slots that hold an object */
    uint8_t spanclass, flags;         /* enum snap_spanflag */
};

enum heap_span_is {
    HEAP_SPAN_IN_USE,
    HEAP_SPAN_OTHER,    /* free, or a stack */
    HEAP_SPAN_NONSENSE, /* in use, but its numbers cannot be true */
};
/* Takes a copy of a runtime.mspan apart. */
enum heap_span_is heap_parse_span(const struct rt_layout *l, const void *copy,
                                  struct heap_span *ret);

/* ---- heap_span_list.c: all of them ---- */

/* s and the copy of the runtime.mspan are valid during the call. */
typedef void heap_span_fn(void *ctx, const struct heap_span *s, const uint8_t *copy);

struct heap_spans_missed {
    uint64_t unreadable,
        nonsense; /* spans: not readable; in use, but their numbers make no sense */
};

/* Calls fn for every span in use of t, in the order of the runtime's list, which must be known
 * (RT_mheap_allspans).  t may run; a span that changes meanwhile counts as what it was or is. */
struct err *heap_each_span(struct rt *rt, struct target *t, heap_span_fn *fn, void *ctx,
                           struct heap_spans_missed *ret);

/* ---- the heap of a capture ---- */

/* A pointer outside the heap whose type is known. */
struct heap_typed_root {
    uint32_t slot; /* what it points to */
    uint32_t type; /* of the variable that holds it */
    bool inner;    /* not to its beginning */
    uint64_t at;   /* offset of the pointer inside that variable */
};

/* An object of which the program's code says what it is. */
struct heap_code_root {
    uint32_t slot, type;
    uint8_t form; /* enum snap_form */
};

/* Which slot an address belongs to: it is asked for every pointer of the heap, so three loads must
 * do: arena -> pages of the arena -> span.  Two levels, because arenas can lie far apart (user
 * arenas; since 1.26 the heap begins at a random address): the upper one covers the range from the
 * first to the last arena, at most 16 MiB of which only what is used exists. */
struct heap_hot {
    taddr addr;
    uint32_t slot, div_mul; /* index = offset * div_mul >> 32, as the runtime divides */
    uint16_t elems, size;   /* size 0: a large object */
    uint16_t header;
};
enum { HEAP_PAGES_PER_ARENA = 1 << (HEAP_ARENA_SHIFT - HEAP_PAGE_SHIFT) };
struct heap_pages {
    uint64_t first, n; /* numbers of arenas, addr >> HEAP_ARENA_SHIFT */
    uint32_t *top;     /* of each: 1 + its number among those in use; 0: none */
    uint32_t *pages;   /* of each arena in use, of each of its pages: 1 + span; 0: none */
    taddr *arena;      /* of each arena in use: its runtime.heapArena; 0: not known */
    size_t narenas;
    struct heap_hot *hot; /* of each span */
};

/* An object of which the first word is no pointer, but the entry of a function: a closure. */
struct heap_closure {
    uint32_t slot;
    taddr pc;
};

/* Code that is the first word of objects: a closure's.  What it captured is a struct. */
struct heap_code {
    taddr pc;
    uint32_t made;     /* type that its maker allocates for it; SNAP_NONE: not known */
    uint32_t captured; /* the same without the code, and with names; SNAP_NONE: not known */
    bool contrary;     /* its makers do not agree */
};

/* Which words of objects of up to 64 words are pointers: few patterns, so objects have a number. */
enum { HEAP_MASK_WORDS = 64, HEAP_MASKS = 1 << 16 };
struct heap_masks {
    uint16_t *number;       /* owned; of each slot with pointers; 0: not known */
    _Atomic uint64_t *bits; /* owned; of each number */
};

struct heap {
    struct capture *c;
    struct rt_types *types;
    struct heap_span *spans; /* owned; the rows of the table span: those with pointers by address,
                                then those without.  NULL when it is found out what objects are */
    size_t nspans, nscan_spans;
    uint32_t nslots, nscan; /* slots; those of spans with pointers */
    uint64_t *allocated;    /* the snapshot's column slots64.allocated */
    uint16_t *shape;        /* the snapshot's column slot.shape; set without locks, once each */
    struct heap_pages pages;
    struct heap_masks masks;
    VEC(struct heap_closure) closures;     /* filled by heap_read_edges(), in the order of slots */
    VEC(struct heap_code) codes;           /* of the closures, by pc; heap_read_code() fills them */
    VEC(struct heap_code_root) code_roots; /* heap_read_code() fills, heap_find_shapes() uses it */
    VEC(struct heap_typed_root)
    typed_roots;           /* heap_type_root() fills, heap_find_shapes() uses it */
    uint64_t free_targets; /* pointers that lead to slots that hold no object */
    uint64_t unread;       /* places of pointers that could not be read: heap_note_unread() */
};

/* heap_capture.c: says that pointers, or places where pointers may be, could not be read.  Unlike
 * other gaps these make "nothing leads to it" uncertain; the counter heap.unread sums them up. */
void heap_note_unread(struct heap *h, uint64_t count, const char *what, const char *why);

/* heap_spans.c: fills spans, the tables span and slots64, and makes room in slot and scanslot. */
struct err *heap_read_spans(struct heap *h) MUST_USE;
/* spans and pages: when no address will be looked up any more. */
void heap_free_spans(struct heap *h);
static inline bool heap_is_allocated(const struct heap *h, uint32_t slot)
{
    return h->allocated[slot / 64] >> slot % 64 & 1;
}
/* The slot whose object addr points to, or into, free slots included (heap_is_allocated() tells);
 * SNAP_NONE: none.  The offset counts from the start of the object's data; for an address inside
 * the header it is huge.  Any thread. */
static inline uint32_t heap_any_slot_at(const struct heap *h, taddr addr, uint64_t *ret_offset)
{
    const struct heap_pages *p = &h->pages;
    uint64_t a = (addr >> HEAP_ARENA_SHIFT) - p->first, page = addr % HEAP_ARENA / HEAP_PAGE;
    if (a >= p->n || !p->top[a])
        return SNAP_NONE;
    uint32_t span = p->pages[(uint64_t)(p->top[a] - 1) * HEAP_PAGES_PER_ARENA + page];
    if (!span)
        return SNAP_NONE;
    const struct heap_hot *o = &p->hot[span - 1];
    uint64_t off = addr - o->addr, i = (uint32_t)off * (uint64_t)o->div_mul >> 32;
    if (i >= o->elems)
        return SNAP_NONE;
    *ret_offset = off - i * o->size - o->header;
    return o->slot + (uint32_t)i;
}
/* The same; SNAP_NONE for a free slot, too. */
static inline uint32_t heap_slot_at(const struct heap *h, taddr addr, uint64_t *ret_offset)
{
    uint32_t slot = heap_any_slot_at(h, addr, ret_offset);
    return slot != SNAP_NONE && heap_is_allocated(h, slot) ? slot : SNAP_NONE;
}
const struct heap_span *heap_span_of(const struct heap *h, uint32_t slot);
/* Where the data of a slot's object begins: behind the header where there is one. */
taddr heap_data_of(const struct heap *h, uint32_t slot);
/* The runtime.heapArena of an address in a span; 0: not known.  Any thread. */
taddr heap_arena_of(const struct heap *h, taddr addr);

/* heap_masks.c: before the edges are read, which fills it; until shapes are known. */
struct err *heap_masks_open(struct heap *h) MUST_USE;
void heap_masks_free(struct heap *h);
/* The number of a pattern; 0: it is empty, or there are too many.  Any thread. */
uint16_t heap_mask_number(struct heap_masks *m, uint64_t bits);
struct err *heap_read_edges(struct heap *h) MUST_USE; /* heap_edges.c: edge, scanslot */
struct err *heap_read_tiny(struct heap *h) MUST_USE;  /* heap_tiny.c: after edges and roots; word */
struct err *heap_read_memory(struct heap *h) MUST_USE;
/* heap_memory.c: word: the object that addr lies in, and the first bytes of what its words point
 * to. */
struct err *heap_read_object(struct heap *h, taddr addr) MUST_USE; /* heap_memory.c: memory */
struct err *heap_read_specials(struct heap *h) MUST_USE; /* heap_specials.c: special, roots */
struct err *heap_read_roots(struct heap *h) MUST_USE;    /* heap_roots.c: global, root */
struct err *heap_read_stacks(struct heap *h) MUST_USE;   /* heap_stacks.c: root, stackvar */
void heap_read_threads(struct heap *h);                  /* heap_threads.c: root */
/* heap_shapes.c: slot.shape; width: threads, the calling one included. */
struct err *heap_find_shapes(struct heap *h, unsigned width) MUST_USE;
/* heap_code.c, heap_code_roots.c: which types the code of closures is allocated with; without
 * DWARF, what variables point to.  Needs the target, before types_list(). */
struct err *heap_read_code(struct heap *h) MUST_USE;
/* What they captured, by name; after types_list(). */
void heap_name_captured(struct heap *h);
/* The code of a closure; NULL: nothing is known of it. */
const struct heap_code *heap_code_at(const struct heap *h, taddr pc);
/* heap_shapes.c: what DWARF knows of a root, for heap_find_shapes(): the word at byte `at` of a
 * variable (global, or on a stack) of this type points to `offset` of the object of `slot`.
 * Nothing is known when type is SNAP_NONE.  One thread. */
void heap_type_root(struct heap *h, uint32_t slot, uint64_t offset, uint32_t type, uint64_t at);
void heap_free_typed_roots(struct heap *h);

/* heap_capture.c.  Before the target is frozen: whether memory of ours suffices (ERR_LIMIT). */
struct err *capture_heap_room(struct rt *rt, const struct rt_capture_options *o) MUST_USE;
/* What needs the target, which is frozen, or a core: all but what objects are. */
struct err *capture_heap(struct capture *c) MUST_USE;
/* After it was let go: what objects are; width: threads. */
struct err *capture_heap_finish(struct capture *c, unsigned width) MUST_USE;
void capture_heap_free(struct capture *c);

#endif
