/* types_int.h - what the files that read type descriptors share.
 *
 * types.c: the cache by address, and interface words; types_read.c: a descriptor and what follows
 * it; types_name.c: names; types_mask.c: which words are pointers; types_dwarf.c: types that only
 * DWARF knows; types_list.c: all types of the program; types_shape.c: what objects are, and its
 * words; types_store.c: the tables.
 *
 * Two phases.  While the heap is read, any thread asks for types by address (types_at,
 * types_of_interface, types_shape): what is found is never changed again, so that readers need no
 * lock; who adds holds `lock`.  Afterwards, on one thread, types_link() reads how types consist of
 * others (enum, fields); from then on that is read without locks, too. */
#ifndef GOSPECT_RT_TYPES_INT_H
#define GOSPECT_RT_TYPES_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "image/dwarf_type.h"
#include "rt/heap_int.h"

enum {
    TYPES_CHUNK = 1 << 12,
    TYPES_MAX = (1 << 19) - TYPES_CHUNK, /* types of a program; an interface word's cache entry has
                                            19 bits for the number */
    TYPES_FIELDS_MAX = 1 << 16,          /* fields of a struct */
    TYPES_PARAMS_MAX = 1 << 12,          /* parameters and results of a function type */
    TYPES_NAME_MAX = 4096,               /* bytes of a name that are kept */
    TYPES_DEPTH_MAX = 64, /* types inside each other, while names and masks are made */
    TYPES_COPY = 128,     /* at least the largest descriptor without what follows it */
    TYPES_SHAPES_MAX = 1 << 16,
};
#define TYPES_SIZE_MAX (UINT64_C(1) << 48)    /* bytes of a value */
#define TYPES_MASK_MAX (UINT64_C(64) << 20)   /* bytes of one mask */
#define TYPES_MASKS_MAX (UINT64_C(512) << 20) /* of all */

struct type_field {
    uint32_t name; /* id in rt_types.names */
    uint32_t type; /* SNAP_NONE: unreadable */
    uint64_t offset;
};

struct type_entry {
    struct rt_typeinfo info;
    taddr gcdata;
    uint8_t tflag, kind_bits;
    uint32_t number;       /* of this entry */
    bool in_mask;          /* its mask is being made: what asks for it goes round in circles */
    _Atomic bool in_edges; /* an interface of the heap names it */
    _Atomic bool has_mask; /* info.mask is final */
    uint32_t name;         /* id in rt_types.names; 0: not read yet, or unreadable */
    uint32_t of_map;       /* the map that keeps entries in it; SNAP_NONE: none */
    uint32_t elem, key, internal; /* SNAP_NONE: none, or unreadable */
    uint64_t count;               /* of an array */
    uint32_t field, fields;       /* in rt_types.fields */
    bool made;                    /* ours: nothing describes it elsewhere; fields are there */
    bool opaque;                  /* a struct whose fields are not described */
    bool has_die;
    uint64_t die; /* of a type that only DWARF knows */
};

struct type_hash { /* open addressing; addresses of types to their numbers */
    size_t mask;
    struct type_hash *older; /* readers may still be in it */
    struct type_hash_slot {
        _Atomic uint64_t addr; /* 0: free; written last */
        uint32_t type;
    } slot[];
};

/* A range of types of a module, read at once. */
struct type_section {
    taddr lo, hi;
    uint8_t *bytes; /* owned; NULL: unreadable */
    taddr moduledata;
};

struct type_shape {
    uint8_t form, evidence;
    uint32_t type;
    taddr pc;
};

enum types_gap {
    TYPES_GAP_SECTION,
    TYPES_GAP_LIST,
    TYPES_GAP_MASK,
    TYPES_GAP_LINK,
    TYPES_GAP_MANY,
    TYPES_GAP_SHAPES,
    TYPES_GAP_COUNT,
};

enum { TYPES_IFACE_BITS = 16, TYPES_PAGE = 4096, TYPES_PAGES_MAX = 8192 };

struct rt_types {
    struct rt *rt;
    struct target *t; /* NULL: it is gone, and all is known */
    const struct rt_layout *l;
    pthread_mutex_t lock;
    struct type_section *sections; /* owned */
    size_t nsections;
    struct target_mapping *maps; /* readable ones, joined where they touch */
    size_t nmaps;
    struct map page_at; /* pages outside the sections that were read */
    VEC(uint8_t *) pages;
    struct arena arena; /* masks, maps */
    uint64_t masks;     /* bytes of masks */

    struct type_entry *chunk[TYPES_MAX / TYPES_CHUNK];
    _Atomic uint32_t n;
    _Atomic(struct type_hash *) hash;
    _Atomic uint64_t *iface; /* 1 << TYPES_IFACE_BITS words seen: word >> 3 << 19 | type */

    struct intern names;
    VEC(struct type_field) fields;
    VEC(taddr) itabs; /* types_list() fills it */
    struct dwarf *dw; /* whose types have entries; NULL: none */
    struct map by_die;
    uint32_t nlinked; /* types below this one are linked */

    pthread_mutex_t shape_lock;
    struct map shape_at;
    _Atomic uint64_t *shape_cache;
    _Atomic uint32_t nshapes;
    struct type_shape *shape; /* owned; TYPES_SHAPES_MAX of them */
    _Atomic uint64_t gap[TYPES_GAP_COUNT];
};

static inline struct type_entry *types_entry(const struct rt_types *ty, uint32_t type)
{
    return &ty->chunk[type / TYPES_CHUNK][type % TYPES_CHUNK];
}

static inline void types_gap(struct rt_types *ty, enum types_gap gap)
{
    atomic_fetch_add_explicit(&ty->gap[gap], 1, memory_order_relaxed);
}

#define TYPES_HAS(ty, f) rt_has((ty)->l, RT_##f)

/* types.c.  All of these with the lock held, or on one thread. */
bool types_read(struct rt_types *ty, taddr addr, void *dst, size_t n);
uint32_t types_add(struct rt_types *ty, taddr addr); /* the type at addr; SNAP_NONE: none */
/* A new entry that nobody can see yet; NULL: there are too many.  types_publish() shows it. */
struct type_entry *types_new_entry(struct rt_types *ty);
uint32_t types_publish(struct rt_types *ty);
const struct type_section *types_section(const struct rt_types *ty, taddr addr);

/* types_read.c */
/* Whether a type is described at addr; fills what the descriptor itself says. */
bool types_parse(struct rt_types *ty, taddr addr, struct type_entry *ret);
/* The address of a type that offset `off` of the module of `type` means; 0: none. */
taddr types_offset(struct rt_types *ty, taddr type, uint32_t off);
/* A field of what an abi.Type of its kind is the beginning of; 0: there is none. */
uint64_t types_word(struct rt_types *ty, const struct type_entry *e, enum rt_field f);
/* Element `i` of a slice of `size` bytes each, in such a field: its address; *ret_n: how many. */
taddr types_slice(struct rt_types *ty, const struct type_entry *e, enum rt_field f, uint32_t max,
                  uint32_t *ret_n);
/* One field of a struct type; `first` and how many are from types_slice(). */
struct type_raw_field {
    taddr name, type;
    uint64_t offset;
};
bool types_struct_field(struct rt_types *ty, taddr first, uint32_t i, struct type_raw_field *ret);
/* Where an uncommontype would follow; the bytes of a descriptor without what follows its struct. */
taddr types_behind(struct rt_types *ty, const struct type_entry *e);
/* A copy of its uncommontype; false: it has none. */
bool types_uncommon(struct rt_types *ty, const struct type_entry *e, uint8_t *copy, size_t n);
/* Parameters and results of a function type: address of the list of types; how many. */
taddr types_params(struct rt_types *ty, const struct type_entry *e, uint32_t *ret_in,
                   uint32_t *ret_out, bool *ret_variadic);
/* Reads how the types so far consist of others, and those in turn, until all is known. */
void types_link(struct rt_types *ty);

/* A struct of our own with the fields rt_types.fields[field ...], in values like those of `like`;
 * all types are linked.  SNAP_NONE: there are too many. */
uint32_t types_make_struct(struct rt_types *ty, const char *name, uint32_t like, uint32_t field,
                           uint32_t fields);

/* types_name.c */
/* Appends the name at addr (an abi.Name) to b; false: there is none. */
bool types_read_name(struct rt_types *ty, taddr addr, struct buf *b);
/* The name of a type, "" when it is unreadable; valid until the next type is named. */
const char *types_name(struct rt_types *ty, uint32_t type);
/* Appends the import path of the package that declares the type; nothing when none does. */
void types_package(struct rt_types *ty, uint32_t type, struct buf *b);
/* Whether `str` can be the name of a type at address `type`. */
bool types_check_name(struct rt_types *ty, taddr type, uint32_t str);

/* types_mask.c: fills info.mask of an entry; the lock is held. */
void types_make_mask(struct rt_types *ty, struct type_entry *e, unsigned depth);

/* types_dwarf.c */
void types_link_dwarf(struct rt_types *ty, struct type_entry *e);
/* Finds the pointers of those types from `from` on that only DWARF knows; they are linked. */
void types_measure_dwarf(struct rt_types *ty, uint32_t from);
/* Appends the import path that the name of a type in DWARF begins with. */
void types_dwarf_package(const char *name, struct buf *b);

/* types_list.c */
/* Those, too, that are in no list, found by what they look like: candidates for guesses. */
void types_scan(struct rt_types *ty);

/* types_shape.c */
static inline const struct type_shape *types_shape_get(const struct rt_types *ty, uint16_t shape)
{
    return &ty->shape[shape];
}
struct err *types_shapes_open(struct rt_types *ty) MUST_USE;
void types_shapes_free(struct rt_types *ty);
void types_shape_name(struct rt_types *ty, const struct type_shape *sh, struct buf *b);

#endif
