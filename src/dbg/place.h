/* place.h - where a location spec is in the code.
 *
 *     file.go:12  dir/file.go:12     a line; any number of the path's last components
 *     +3  -2  12                     lines from the current one; of the current file
 *     func  pkg.func  T.Method  (*T).Method  pkg.(*T).Method  main.main.func1
 *     func:3                         three lines below the line the function begins in
 *     /regexp/                       all functions whose name matches
 *     *0x4567                        an address
 *
 * A place has many addresses: every inlined copy, every instance of a generic function, in each the
 * first instruction of the line that begins a statement.  A breakpoint for a function is behind its
 * prologue.
 *
 * Thread: any. */
#ifndef GOSPECT_DBG_PLACE_H
#define GOSPECT_DBG_PLACE_H

#include "dbg/code.h"

struct place {
    taddr pc;
    taddr entry;      /* of the physical function; 0: not Go code */
    const char *func; /* the innermost inlined one */
    const char *file; /* "" unknown */
    unsigned line;
    bool inlined; /* it is in an inlined copy */
};

struct places {
    struct place *v; /* ordered by pc, each once */
    size_t n;
    const char *note; /* "" or how the spec was understood: "line 12 has no code: line 14" */
};

/* Where the user is looking; NULL, or zero, what is not known. */
struct place_from {
    const char *file;
    unsigned line;
    const char *func;
    const char *const *source_map; /* as in dbg.h */
};

/* What is returned is in the arena or the code's.  NOT_FOUND (with near names), USAGE (the spec
 * makes no sense, or means several: they are listed). */
struct err *place_find(struct code *c, const char *spec, const struct place_from *from,
                       struct arena *a, struct places *ret) MUST_USE;

/* The lines of a file, from first to last, that have code of their own; ordered, in the arena. */
struct err *place_lines(struct code *c, const char *path, unsigned first, unsigned last,
                        const struct place_from *from, struct arena *a, unsigned **ret,
                        size_t *ret_n) MUST_USE;

/* Whether spec means functions by pattern: then many breakpoints at once are what is wanted. */
bool place_is_pattern(const char *spec);

#endif
