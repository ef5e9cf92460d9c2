/* heap_roots_int.h - what the files that find the roots of the heap share.
 *
 * heap_stacks.c walks the stacks with what stackmap.c knows of each pc; heap_roots.c and
 * heap_specials.c read what lies elsewhere; heap_names.c says what a place is called and of which
 * type the word there is. */
#ifndef GOSPECT_RT_HEAP_ROOTS_INT_H
#define GOSPECT_RT_HEAP_ROOTS_INT_H

#include "base/buf.h"
#include "image/dwarf.h"
#include "rt/heap_int.h"

/* ---- stackmap.c: which words of a frame the garbage collector looks at ---- */

enum stackmap_flag {
    STACKMAP_END = 1 << 0,      /* the outermost frame, or there is no way to the next */
    STACKMAP_UNKNOWN = 1 << 1,  /* not Go code, or without frame sizes: nothing is known */
    STACKMAP_SWITCH = 1 << 2,   /* it sets the stack pointer: only as the innermost frame */
    STACKMAP_ASM = 1 << 3,      /* written in assembler */
    STACKMAP_SIGPANIC = 1 << 4, /* what called it was stopped by a fault */
    STACKMAP_INJECTED = 1 << 5, /* a signal made up this call: it and its caller are looked
                                   through without maps, as the runtime does */
    STACKMAP_BARRIER = 1 << 6,  /* called where the compiler makes no map */
    STACKMAP_REFLECT = 1 << 7,  /* its arguments are told by a reflect.makeFuncImpl */
    STACKMAP_NO_MAP = 1 << 8,   /* it should have a map, and has none */
};

/* Offsets count from the frame's end: the address behind the return address. */
struct stackmap_object {
    int32_t off;
    uint32_t size, words;
    const uint8_t *mask; /* a bit for each of `words` */
};

struct stackmap { /* of a pc */
    taddr pc;
    int32_t frame; /* bytes of the frame without the return address; -1: unknown */
    uint32_t args; /* bytes of arguments and results on the stack */
    uint16_t flags;
    uint32_t place, nplaces; /* words that hold a pointer; place + i is their number */
    uint32_t object, nobjects;
};

/* A place that can hold a pointer, in all frames at one pc. */
struct stackmap_place {
    uint32_t map;
    int32_t off; /* from the frame's end */
};
enum { STACKMAP_OFF_DEFER = INT32_MAX, STACKMAP_OFF_CONTEXT = INT32_MAX - 1 }; /* not in it */

/* Owner: stackmaps_free().  Thread: one; each worker has its own. */
struct stackmaps;
struct stackmaps *stackmaps_new(const struct heap *h);
void stackmaps_free(struct stackmaps *sm);
/* The number of the map at a pc.  after_fault: what this frame called was sigpanic. */
uint32_t stackmaps_at(struct stackmaps *sm, taddr pc, bool after_fault);
/* What the numbers stand for; good until the next question. */
const struct stackmap *stackmaps_get(const struct stackmaps *sm, uint32_t map);
const struct stackmap_object *stackmaps_object(const struct stackmaps *sm, uint32_t object);
const struct stackmap_place *stackmaps_place(const struct stackmaps *sm, uint32_t place);
/* The number of any place, given one when it is new. */
uint32_t stackmaps_place_at(struct stackmaps *sm, uint32_t map, int32_t off);
/* The object that reflect.makeFuncStub and methodValueCall have at the end of their locals:
 * abi.RegArgs. */
const struct stackmap_object *stackmap_regargs(void);

/* ---- heap_roots.c ---- */

/* What a module has pointers in: data, then bss.  mask: address of its bits. */
struct heap_section {
    taddr lo, hi;
    taddr mask;
};
struct err *heap_sections(struct rt *rt, struct target *t, const struct rt_module *m,
                          struct heap_section ret[2]) MUST_USE;

/* ---- heap_words.c: what DWARF says of a word inside a variable ---- */

/* A word `at` bytes from the start of a value. */
struct heap_word {
    uint64_t var; /* DIE of the value's type; DWARF_NO_ID: none */
    uint64_t at;
    uint64_t type;       /* DIE of the word's own type: of the innermost field; DWARF_NO_ID: none */
    bool dynamic;        /* the second word of an interface value: the first has the type */
    bool pointer, slice; /* it points to one value of type `elem`, to the first of several */
    uint64_t elem;
};
/* Looks at the word; its path (".next[3].name") is appended when path is not NULL.  False: the type
 * has no such word; *ret is then empty. */
bool heap_word_at(struct dwarf *dw, uint64_t var, uint64_t at, struct buf *path,
                  struct heap_word *ret);
/* Bytes of a value; 0: not known. */
uint64_t heap_die_size(struct dwarf *dw, uint64_t type);
/* The number of the type of a DIE; SNAP_NONE: none. */
uint32_t heap_type_of(struct heap *h, struct dwarf *dw, uint64_t die);
/* Tells what the second word of an interface value, which points to `offset` of an object, says
 * about it; word: the first. */
void heap_tell_dynamic(struct heap *h, taddr word, uint32_t slot, uint64_t offset);
/* Tells what the word, which lies at addr and points to `offset` of an object, says about it. */
void heap_tell_type(struct heap *h, struct dwarf *dw, const struct heap_word *word, taddr addr,
                    uint32_t slot, uint64_t offset);

/* ---- heap_globals.c: package-level variables ---- */

/* Fills the table global, and keeps what is needed to explain roots. */
struct heap_globals;
struct err *heap_globals_open(struct heap *h, struct heap_globals **ret) MUST_USE;
void heap_globals_free(struct heap_globals *gl);
struct dwarf *heap_globals_dwarf(const struct heap_globals *gl); /* NULL: the program has none */
size_t heap_globals_regions(const struct heap_globals *gl);      /* known by heap_global_follow() */
/* The variable that an address lies in; SNAP_NONE: none is known. */
uint32_t heap_global_at(const struct heap_globals *gl, taddr addr);
/* What is known of the word at an address in a variable, or in data that typed variables lead to.
 */
bool heap_global_word(struct heap_globals *gl, taddr addr, struct heap_word *ret);
/* Says that the word at an address of the data points to v: data there is then known, too. */
void heap_global_follow(struct heap_globals *gl, taddr addr, taddr v);

/* ---- heap_names.c: variables of frames ---- */

struct heap_names;
struct heap_names *heap_names_new(struct heap *h);
void heap_names_free(struct heap_names *nm);
struct dwarf *heap_names_dwarf(const struct heap_names *nm); /* NULL: the program has none */
/* The row of stackvar for a place in frames at pc, made when it is new.  off: from the frame's end,
 * or STACKMAP_OFF_*. */
uint32_t heap_name_place(struct heap_names *nm, taddr pc, int32_t off);
/* What DWARF says of the word there. */
const struct heap_word *heap_name_word(const struct heap_names *nm, uint32_t stackvar);

#endif
