/* value.h - values of the target as text.
 *
 * What a debugger or a report shows of a variable: numbers, texts with quotes, the first elements
 * of slices and maps, structs by member, interfaces with the type they hold, functions by name. How
 * each kind looks is in docs/formats/values.md.
 *
 * Everything is bounded (struct value_limits): a value costs at most so many reads of the target,
 * however large it is, and a pointer is followed so many times, so that cycles end.  What is left
 * out shows as "…", what cannot be read as "(unreadable)", what the compiler did not keep as
 * "(optimized out)": never as a number.
 *
 * Owner: values_close().  Thread: one at a time; several printers of one rt may work together. */
#ifndef GOSPECT_RT_VALUE_H
#define GOSPECT_RT_VALUE_H

#include "base/buf.h"
#include "image/dwarf_type.h"
#include "rt/rt.h"

struct value_limits {
    unsigned depth;    /* structs, arrays, slices, maps in one another */
    unsigned pointers; /* pointers followed, one behind the other */
    unsigned elements; /* shown of a slice, an array, a map */
    unsigned text;     /* bytes shown of a string */
    unsigned width;    /* bytes of the whole text */
    unsigned reads;    /* pieces of memory read */
};
extern const struct value_limits value_limits_short; /* what a report shows in a line */

/* A value: in memory, or bytes that were gathered from elsewhere (registers). */
struct value {
    uint64_t type;        /* id (image/dwarf_type.h) */
    taddr addr;           /* where it is; 0: not in memory */
    const uint8_t *bytes; /* n bytes of it; NULL: only in memory */
    size_t n;
    const uint8_t *known; /* a bit for each of the bytes that is known; NULL: all are */
};

enum value_state {
    VALUE_SHOWN,
    VALUE_UNREADABLE, /* nothing of it is in readable memory */
    VALUE_LOST,       /* nothing of it was kept by the compiler */
};

struct values;

/* Prepares to print values that lie in t (the frozen copy, or the target of the rt).  NOT_FOUND:
 * the program has no DWARF.  What takes long (the index of types) is made here. */
struct err *values_open(struct rt *rt, struct target *t, struct values **ret) MUST_USE;
void values_set_target(struct values *v, struct target *t);
/* What was read is kept, because values lie close together.  To be called when the target may have
 * moved on: before the next value of a target that runs. */
void values_forget(struct values *v);
void values_close(struct values *v);
struct dwarf *values_dwarf(const struct values *v);

/* Reads n bytes through what is kept. */
struct err *values_read(struct values *v, taddr addr, void *dst, size_t n) MUST_USE;

/* Appends the text of a value. */
enum value_state value_print(struct values *v, const struct value *x,
                             const struct value_limits *limits, struct buf *b);

/* The type as source names it ("map[string]main.point", "" when it has no name). */
const char *value_type_name(struct values *v, uint64_t type);

/* Of generics: the type that entry `index` of a dictionary names.  False: not known. */
bool value_type_of_dict(struct values *v, taddr dict, uint64_t index, uint64_t *ret_type);

#endif
