/* value_int.h - what the files that print values share.
 *
 * value.c decides by kind; value_scalar.c prints numbers, texts and times, value_ref.c what refers
 * to something else, value_map.c maps. */
#ifndef GOSPECT_RT_VALUE_INT_H
#define GOSPECT_RT_VALUE_INT_H

#include "rt/rt_int.h"
#include "rt/value.h"

enum { CACHE_BLOCK = 1024, CACHE_BLOCKS = 256 }; /* blocks do not cross pages */

struct values {
    struct rt *rt;
    struct target *t;
    struct dwarf *dw;
    uint8_t *cache;             /* CACHE_BLOCKS of them */
    taddr cached[CACHE_BLOCKS]; /* address of the block + 1; 0: nothing */
    struct arena arena;         /* pieces read for one value; print() empties it */
    unsigned lends; /* walks that lend pieces, texts being made: until then it is kept */
    VEC(struct dwarf *) constants_of; /* those of which are known */
    struct map constants;             /* hash of type and value -> index into names */
    VEC(struct value_constant {
        uint64_t type;
        uint64_t value;
        const char *name;
    })
    names;
    const struct value_printers *printers; /* of the user; NULL: none */
    struct arena types;                    /* those that were made */
    VEC(const struct dwarf_type *) made;   /* id - VALUE_MADE */
};
#define VALUE_MADE (UINT64_C(1) << 63)

/* Bytes of a value, or of a part of one. */
struct view {
    const uint8_t *p; /* n bytes; NULL: read from addr */
    size_t n;
    taddr addr; /* 0: not in memory */
    const uint8_t *known;
    size_t at; /* of p[0] in known */
};

struct printer {
    struct values *v;
    const struct value_limits *l;
    struct buf *b;
    size_t start; /* of this value in b */
    unsigned depth, pointers, reads;
    unsigned shown, unreadable, lost; /* parts */
    bool bare;                        /* typed: without the type in front */
    bool top;                         /* typed: not part of another value */
    struct buf *parts, *trouble;      /* what a user's printer adds; NULL: not wanted */
};

enum { VALUE_READ_MAX = 4096 };

/* value.c */
void value_any(struct printer *p, uint64_t type, struct view x);
/* n bytes of a view; NULL: not there, and the text says so. */
const uint8_t *value_bytes(struct printer *p, struct view x, size_t off, size_t n);
bool value_word(struct printer *p, struct view x, size_t off, uint64_t *ret);
/* The same without a word in the text. */
bool value_peek(struct printer *p, struct view x, size_t off, void *dst, size_t n);
struct view value_part(struct view x, size_t off, size_t n);
/* What is at an address, read ahead as far as wanted. */
struct view value_at(struct printer *p, taddr addr, size_t n);
/* Whether there is room for more; when not, says so with "…". */
bool value_room(struct printer *p);
void value_unreadable(struct printer *p);
/* Begins something with parts; false: too deep, and "{…}" was written. */
bool value_enter(struct printer *p, char open, char close);
/* "name: value" of a field. */
void value_member(struct printer *p, const struct dwarf_member *m, struct view x);
/* A list of count elements of a type from addr on; "…" for what is left out. */
void value_elements(struct printer *p, uint64_t elem, struct view x, uint64_t count);
const struct dwarf_type *value_strip(struct printer *p, uint64_t type);

/* value_scalar.c */
void value_int(struct printer *p, const struct dwarf_type *t, uint64_t named, struct view x);
void value_float(struct printer *p, const struct dwarf_type *t, struct view x);
void value_complex(struct printer *p, const struct dwarf_type *t, struct view x);
void value_bool(struct printer *p, struct view x);
void value_enum(struct printer *p, const struct dwarf_type *t, struct view x);
void value_string(struct printer *p, struct view x);
void value_quoted(struct printer *p, const char *s, size_t n, uint64_t total);
bool value_time(struct printer *p, const struct dwarf_type *t, struct view x);

/* value_ref.c */
void value_pointer(struct printer *p, const struct dwarf_type *t, struct view x);
void value_slice(struct printer *p, const struct dwarf_type *t, struct view x);
void value_chan(struct printer *p, struct view x);
void value_func(struct printer *p, const struct dwarf_type *t, struct view x);
void value_interface(struct printer *p, const struct dwarf_type *t, struct view x);

/* value_map.c */
void value_map(struct printer *p, const struct dwarf_type *t, struct view x);
/* Walks the entries of a map; how many it has in *ret_total.  False: not readable.  addr 0 is nil.
 */
struct map_entry {
    uint64_t key, elem; /* types */
    struct view k, v;
};
typedef bool map_entry_fn(void *arg, const struct map_entry *e);
bool value_map_walk(struct printer *p, const struct dwarf_type *t, taddr addr, unsigned buckets,
                    map_entry_fn *fn, void *arg, uint64_t *ret_total);

/* The key or value of type `type` in a cell, past the pointer that large ones are behind. */
bool value_cell(struct printer *p, uint64_t type, uint64_t cell, struct view *x);

/* value_typed.c: the whole of a value in the typed style */
void value_typed(struct printer *p, uint64_t type, struct view x);
/* value_pretty.c */
/* What the user's printers make of it, in b. */
enum value_printed value_user(struct printer *p, uint64_t type, struct view x, struct buf *b);
bool value_pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b);
/* value_ref.c */
const struct dwarf_type *value_dynamic_type(struct printer *p, taddr rtype);
bool value_is_direct(struct printer *p, const struct dwarf_type *t);
bool value_is_empty_interface(struct printer *p, const struct dwarf_type *t);
void value_code(struct printer *p, taddr pc);
/* value_scalar.c */
void value_number(struct buf *b, double v, bool single, bool sign);

#endif
