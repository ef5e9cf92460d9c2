/* value.h - a value in the hand of a debugger: what it is, its text, its parts, setting it.
 *
 * A value is a type and a place (memory, registers, or bytes that are nowhere); reading it costs
 * nothing until it is looked at.  Texts are those of rt/value.h in typed style.
 *
 * Owner: strings, bytes and children live in the arena the caller brings.  Thread: that of the
 * rt_stand. */
#ifndef GOSPECT_DBG_VALUE_H
#define GOSPECT_DBG_VALUE_H

#include "rt/frames.h"

enum dbg_form {
    DBG_VALUE,   /* of a type of the program */
    DBG_UNTYPED, /* a constant without a type: 1, 'a', "x", 1.5; `untyped` says which */
    DBG_NIL,     /* untyped nil */
    DBG_TYPE,    /* a type: v.type */
    DBG_FUNC,    /* a function by its name: func_pc, and `receiver` when it is a method value */
    DBG_PACKAGE, /* a package by its name: only as part of an expression */
};

/* For icons and hints. */
enum dbg_kind {
    DBG_KIND_NONE,
    DBG_KIND_BOOL,
    DBG_KIND_INT,
    DBG_KIND_FLOAT,
    DBG_KIND_COMPLEX,
    DBG_KIND_STRING,
    DBG_KIND_POINTER,
    DBG_KIND_STRUCT,
    DBG_KIND_ARRAY,
    DBG_KIND_SLICE,
    DBG_KIND_MAP,
    DBG_KIND_CHAN,
    DBG_KIND_FUNC,
    DBG_KIND_INTERFACE,
    DBG_KIND_UNION,
    DBG_KIND_ENUM,
    DBG_KIND_TYPE,
};

struct dbg_bits {       /* where a bit field is, for setting it */
    taddr at;           /* 0: not in memory */
    uint16_t off, size; /* bits from the lowest one at `at`; size 0: it is no bit field */
};

struct dbg_const; /* expr_const.h: a number or text without a type */

struct dbg_value {
    enum dbg_form form;
    const char *name; /* of the variable, field, element ("[3]") */
    const char *type; /* as source has it; "" when it has none */
    const char
        *path; /* an expression that yields it again where it came from; "" when there is none */
    struct value v;  /* type DWARF_NO_ID when the form has none */
    const char *why; /* NULL, or why it has no value */
    bool optimized_out;
    bool plain;                    /* it shows without a printer's text, its parts are its own */
    uint8_t var_kind;              /* enum rt_var_kind of a variable */
    bool is_var, shadowed;         /* is_var: name, var_kind and shadowed are those of a variable */
    const struct rt_piece *pieces; /* of what is not in memory as a whole */
    size_t npieces;
    struct dbg_bits bits;
    const struct dbg_const *untyped;
    taddr func_pc;
    const struct dbg_value *receiver;
};

/* The value of a variable (rt_vars()). */
void dbg_value_of_var(const struct rt_var *v, struct dbg_value *ret);

enum dbg_kind dbg_value_kind(struct rt_stand *st, const struct dbg_value *v);
/* Appends its text; what has no value shows why in brackets: "(optimized out)". */
void dbg_value_text(struct rt_stand *st, const struct dbg_value *v,
                    const struct value_limits *limits, struct buf *b);

/* How many children it has: by name (fields, what a pointer or interface refers to) and by number
 * (elements, map entries, bytes of a string when asked for). */
struct dbg_count {
    uint64_t named, indexed;
};
void dbg_value_count(struct rt_stand *st, const struct dbg_value *v, struct dbg_count *ret);
/* `count` children from number `start` on: the named ones first, then the others.  Maps have two
 * for an entry when `pairs` (its key, then its value), else one, named by the key. */
struct err *dbg_value_children(struct rt_stand *st, const struct dbg_value *v, uint64_t start,
                               uint64_t count, bool pairs, struct arena *a, struct dbg_value **ret,
                               size_t *ret_n) MUST_USE;

/* A field (past a pointer, in embedded ones, of what an interface holds); a method is DBG_FUNC. */
struct err *dbg_value_field(struct rt_stand *st, const struct dbg_value *v, const char *name,
                            struct arena *a, struct dbg_value *ret) MUST_USE;
/* An element, or a map's entry: key may be an untyped constant. */
struct err *dbg_value_index(struct rt_stand *st, const struct dbg_value *v,
                            const struct dbg_value *key, struct arena *a,
                            struct dbg_value *ret) MUST_USE;
struct err *dbg_value_deref(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                            struct dbg_value *ret) MUST_USE;
struct err *dbg_value_len(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                          uint64_t *ret) MUST_USE;

/* Where its memory is; what a memory view would show (of a slice or string: its elements).  0:
 * none.
 */
taddr dbg_value_memory(struct rt_stand *st, const struct dbg_value *v, uint64_t *ret_n);

/* Who writes: into memory, and into registers of the frame (NULL: they cannot be written); and who
 * makes in the program what a value needs to have there: a text, the box of an interface, a table
 * of methods, a function that is called by its name.  make NULL: nothing is, that is an error, and
 * *wants_making (may be NULL) says so. */
struct dbg_writer {
    struct err *(*memory)(void *arg, taddr addr, const void *src, size_t n);
    struct err *(*reg)(void *arg, unsigned dwarf_reg, const void *src, size_t n);
    struct err *(*make)(void *arg, uint64_t type, const struct dbg_value *src, uint8_t *dst,
                        size_t n);
    void *arg;
    bool *wants_making;
};
/* What a variable of a type would hold with v assigned to it: constants get the type, nil becomes
 * zero.  Texts stay untyped, and an interface's value is that itself: they need memory. */
struct err *dbg_value_assigned(struct rt_stand *st, const struct dbg_value *v, uint64_t type,
                               struct arena *a, struct dbg_value *ret) MUST_USE;
bool dbg_value_assignable(struct rt_stand *st, const struct dbg_value *v);
/* Sets dst to src, by Go's rules of assignment; src may be an untyped constant.  Nothing is
 * allocated in the target, unless w->make does.  USAGE says what does not fit. */
struct err *dbg_value_set(struct rt_stand *st, const struct dbg_value *dst,
                          const struct dbg_value *src, const struct dbg_writer *w) MUST_USE;

#endif
