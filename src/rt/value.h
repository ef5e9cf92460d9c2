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

enum value_style {
    VALUE_STYLE_SHORT, /* a line of a report: docs/formats/values.md */
    VALUE_STYLE_TYPED, /* with types, as users of Go's debuggers know it: value_typed.c */
};

struct value_limits {
    unsigned depth;    /* structs, arrays, slices, maps in one another */
    unsigned pointers; /* pointers followed, one behind the other */
    unsigned elements; /* shown of a slice, an array, a map */
    unsigned text;     /* bytes shown of a string */
    unsigned width;    /* bytes of the whole text */
    unsigned reads;    /* pieces of memory read */
    unsigned fields;   /* typed: shown of a struct; 0: all */
    uint8_t style;     /* enum value_style */
    bool plain;        /* typed: the value itself (not its parts) without any printer's text */
};
extern const struct value_limits value_limits_short; /* what a report shows in a line */
extern const struct value_limits value_limits_typed; /* what debuggers show at first */

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

/* Printers of a user, which come before those of value_pretty.c. */
enum value_printed {
    VALUE_AS_USUAL, /* it has none */
    VALUE_PRINTED,
    VALUE_FAILED, /* it has one that did not work: text says why */
};
struct value_asked {
    const struct value *x;
    const struct value_limits *limits;
    unsigned depth;    /* it is that deep in another value, as limits.depth counts */
    struct buf *text;  /* what it means, without control characters */
    struct buf *parts; /* "name: value, ..." of parts that the printer names; NULL: not wanted */
};
struct value_printers {
    enum value_printed (*put)(void *arg, struct values *v, const struct value_asked *q);
    void *arg;
};
/* NULL: none.  They must live as long. */
void values_set_printers(struct values *v, const struct value_printers *p);
const struct value_printers *values_printers(const struct values *v);

/* Prepares to print values that lie in t (the frozen copy, or the target of the rt).  NOT_FOUND:
 * neither the program nor a plugin of it has DWARF. */
struct err *values_open(struct rt *rt, struct target *t, struct values **ret) MUST_USE;
/* What takes long (the index of types) is made now and not with the first value that needs it,
 * which may be printed while a process or a thread stands. */
void values_prepare(struct values *v);
void values_set_target(struct values *v, struct target *t);
/* What was read is kept, because values lie close together.  To be called when the target may have
 * moved on: before the next value of a target that runs. */
void values_forget(struct values *v);
void values_close(struct values *v);
/* One that takes ids of the program and all its plugins (image/dwarf.h). */
struct dwarf *values_dwarf(const struct values *v);
/* For what is asked by name: the i-th that there is, the program's first, then those of plugins in
 * the order in which the program knows them; the first that has the name is meant.  NULL: no more.
 */
struct dwarf *values_dwarf_at(const struct values *v, size_t i);

/* Reads n bytes through what is kept. */
struct err *values_read(struct values *v, taddr addr, void *dst, size_t n) MUST_USE;

/* Appends the text of a value. */
enum value_state value_print(struct values *v, const struct value *x,
                             const struct value_limits *limits, struct buf *b);

/* The same for a value that is part of something whose type was said already: typed style leaves
 * the type out. */
enum value_state value_print_inner(struct values *v, const struct value *x,
                                   const struct value_limits *limits, struct buf *b);

/* ---- types ---- */

/* Some types are not in DWARF because the program does not use them: a debugger makes them up.
 * They have ids like all others, for the functions of this header only. */
uint64_t value_basic_type(struct values *v, const char *name); /* "int"; DWARF_NO_ID: not basic */
uint64_t value_pointer_to(struct values *v, uint64_t elem);
uint64_t value_slice_of(struct values *v, uint64_t elem);
uint64_t value_array_of(struct values *v, uint64_t elem, int64_t count);
/* The type that is meant by a full name ("net/http.Client"); NULL: there is none. */
const struct dwarf_type *values_type_named(struct values *v, const char *name);
/* As dwarf_type() and dwarf_type_strip(); NULL: there is none. */
const struct dwarf_type *value_type(struct values *v, uint64_t id);
const struct dwarf_type *value_type_stripped(struct values *v, uint64_t id);
int64_t value_type_size(struct values *v, uint64_t id); /* -1: not known */
/* Whether two ids mean one type: DWARF may describe it more than once. */
bool value_type_same(struct values *v, uint64_t a, uint64_t b);
/* Whether values of the type are one pointer: an interface holds them itself. */
bool value_type_is_direct(struct values *v, uint64_t id);
bool value_type_is_empty_interface(struct values *v, uint64_t id);
/* The address of the abi.Type of a type; 0: not known. */
taddr value_type_address(struct values *v, uint64_t id);

/* ---- parts ---- */

/* n bytes at off of a value; false: not readable, or not known. */
bool value_get(struct values *v, const struct value *x, size_t off, void *dst, size_t n);
/* The part of a value at off that has a type. */
struct value value_sub(struct values *v, const struct value *x, size_t off, uint64_t type);

/* A bit field of x as a value of its type, *ret_n bytes.  False: unreadable, or wider than any. */
enum { BIT_FIELD_BYTES = 8 };
bool value_bit_field(struct values *v, const struct value *x, const struct dwarf_member *m,
                     uint8_t ret[BIT_FIELD_BYTES], size_t *ret_n);
/* The n bytes that hold bits (off counts from the lowest bit of the first), with other bits. */
size_t value_bits_bytes(unsigned off, unsigned size);
void value_bits_set(uint8_t *bytes, unsigned off, unsigned size, uint64_t bits);

/* What an interface holds.  False: nothing (nil), or unreadable; *ret_name: name of the type, even
 * if it is not in DWARF and ret->type is DWARF_NO_ID. */
bool value_dynamic(struct values *v, const struct value *x, struct value *ret,
                   const char **ret_name);

/* Entries of a map as they lie; fn says false when it has enough.  *ret_len (may be NULL): how many
 * the map says it has.  fn's values live until the next one. */
typedef bool value_entry_fn(void *arg, const struct value *key, const struct value *elem);
bool value_map_each(struct values *v, const struct value *map, value_entry_fn *fn, void *arg,
                    uint64_t *ret_len);

struct value_chan {
    taddr at, buf;
    uint64_t len, cap, first; /* first: index in buf of the oldest element */
    bool closed;
};
bool value_chan_of(struct values *v, const struct value *x, struct value_chan *ret);

/* Code of a func value; closure: where its captured variables are, behind the code.  0: nil. */
bool value_func_of(struct values *v, const struct value *x, taddr *ret_pc, taddr *ret_closure);
/* The name of code, "" when not known; in the values' memory until values_forget(). */
const char *value_code_name(struct values *v, taddr pc);

/* A short text that says what values of some types of the standard library mean (times, big
 * numbers, addresses, errors ...): appended to b.  False: the type has none, or it is unreadable.
 */
bool value_pretty(struct values *v, const struct value *x, struct buf *b);

/* The type as source names it ("map[string]main.point", "" when it has no name). */
const char *value_type_name(struct values *v, uint64_t type);

/* Of generics: the type that entry `index` of a dictionary names.  False: not known. */
bool value_type_of_dict(struct values *v, taddr dict, uint64_t index, uint64_t *ret_type);

#endif
