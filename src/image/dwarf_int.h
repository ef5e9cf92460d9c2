/* dwarf_int.h - what the DWARF readers of image/ share. */
#ifndef GOSPECT_IMAGE_DWARF_INT_H
#define GOSPECT_IMAGE_DWARF_INT_H

#include "base/vec.h"
#include "image/dwarf_list.h"
#include "image/image_int.h"

enum dwarf_section_id {
    DWARF_INFO,
    DWARF_ABBREV,
    DWARF_STR,
    DWARF_LINE_STR,
    DWARF_STR_OFFSETS,
    DWARF_ADDR_TABLE,
    DWARF_TYPES,
    DWARF_OPENED, /* those before this one are loaded when the DWARF is opened */
    DWARF_LINE = DWARF_OPENED,
    DWARF_RANGES,
    DWARF_RNGLISTS,
    DWARF_LOC,
    DWARF_LOCLISTS,
    DWARF_SECTIONS,
};

struct dwarf_bytes {
    const uint8_t *p; /* never NULL once loaded */
    size_t n;
    size_t texts_n; /* a text that begins below this offset ends inside the section */
};

struct abbrev_attr {
    uint16_t name, form;
    int64_t implicit;
};

/* How to get over the values of a DIE without decoding them: a few steps per abbreviation. */
enum abbrev_step_op {
    STEP_FIXED,  /* n bytes */
    STEP_TEXT,   /* up to and including a zero byte */
    STEP_LEB,    /* one LEB128 */
    STEP_BLOCK,  /* LEB128 length, bytes */
    STEP_BLOCK1, /* length of 1, 2, 4 bytes, bytes */
    STEP_BLOCK2,
    STEP_BLOCK4,
    STEP_INDIRECT,
};
struct abbrev_step {
    uint32_t op : 4, n : 28;
};

struct dwarf_abbrev {
    uint64_t code;
    uint16_t tag;
    bool children;
    bool has_sibling;
    uint32_t nattrs, nsteps;
    const struct abbrev_attr *attrs;
    const struct abbrev_step *steps;
};

/* The abbreviations that stand at one offset, for one shape of unit. */
struct dwarf_abbrevs {
    uint64_t off;
    uint8_t version, addr_size, offset_size;
    struct dwarf_abbrev *v; /* sorted by code */
    size_t n;
    bool dense; /* v[code - 1] */
};

struct dwarf_types { /* dwarf_type.c: those decoded so far */
    pthread_mutex_t lock;
    struct arena arena;
    struct map by_id; /* -> index in v */
    VEC(const struct dwarf_type *) v;
};

struct dwarf {
    struct image *img;   /* whose sections we read */
    struct image *owner; /* whose DWARF it is: img may be its debug file */
    uint64_t base;       /* in every id: the number of the owner, shifted */
    struct arena arena;
    struct dwarf_bytes sec[DWARF_SECTIONS];
    _Atomic bool loaded[DWARF_SECTIONS];
    struct dwarf_unit *units;
    size_t nunits, ninfo; /* all; those of .debug_info */
    VEC(struct dwarf_abbrevs *) tables;
    struct map abbrevs_by_key; /* offset and shape -> index in tables */
    size_t abbrev_bytes;       /* parsed so far: tables that overlap without end are refused */
    struct map by_signature;   /* type unit signature -> unit index */
    pthread_mutex_t lock;      /* of what is filled in later */

    VEC(struct dwarf_lines *) lines; /* dwarf_line.c */
    struct map lines_by_off;
    size_t line_header_bytes;

    struct unit_code *code; /* dwarf_func.c: which unit covers which code; NULL until asked */
    size_t ncode;
    _Atomic(struct unit_funcs *) *funcs; /* one per unit; NULL until asked */
    struct dwarf_types types;
    pthread_mutex_t index_lock;
    struct dwarf_index *index; /* dwarf_index.c; NULL until asked */
};

struct err *dwarf_open(struct image *owner, struct dwarf **ret) MUST_USE;
void dwarf_close(struct dwarf *dw);
static inline bool dwarf_is_own_id(const struct dwarf *dw, uint64_t id)
{
    return (id & ~DWARF_TYPES_ID) >> DWARF_IMAGE_SHIFT == dw->owner->number;
}
/* The DWARF of another image that an id is of; NULL: there is none. */
struct dwarf *dwarf_of_id(const struct dwarf *dw, uint64_t id);
bool dwarf_has_sections(const struct image *img);

/* A section that is not read at opening; empty when the image has none. */
struct err *dwarf_load(struct dwarf *dw, enum dwarf_section_id id,
                       const struct dwarf_bytes **ret) MUST_USE;

/* dwarf_location_at() that reads at most *budget entries, and counts it down. */
struct err *dwarf_location_budgeted(const struct dwarf_unit *u, const struct dwarf_attr *a,
                                    taddr pc, uint64_t *budget, struct dwarf_expr *ret) MUST_USE;

/* dwarf_line.c, dwarf_func.c */
void dwarf_lines_free(struct dwarf *dw);
void dwarf_funcs_free(struct dwarf *dw);
void dwarf_types_init(struct dwarf *dw);
void dwarf_types_free(struct dwarf *dw);
void dwarf_index_free(struct dwarf *dw);
bool dwarf_tag_is_type(uint16_t tag);

/* dwarf_layout.c: bytes a value of the type takes; -1 when DWARF does not tell. */
int64_t dwarf_die_size(const struct dwarf *dw, uint64_t id);

/* dwarf_abbrev.c */
struct err *dwarf_abbrevs_get(struct dwarf *dw, uint64_t off, const struct dwarf_unit *shape,
                              const struct dwarf_abbrevs **ret) MUST_USE;

static inline const struct dwarf_abbrev *abbrev_find(const struct dwarf_abbrevs *t, uint64_t code)
{
    if (t->dense)
        return code - 1 < t->n ? &t->v[code - 1] : NULL;
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->v[mid].code == code)
            return &t->v[mid];
        if (t->v[mid].code < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Where the DIE's values end; NULL when they leave the unit. */
const uint8_t *abbrev_skip(const struct dwarf_abbrev *a, const uint8_t *p, const uint8_t *end,
                           const struct dwarf_unit *u);

/* dwarf_die.c: decodes one value at *p and moves behind it; false when it is cut short. */
bool dwarf_read_value(const struct dwarf_unit *u, const struct abbrev_attr *spec, const uint8_t **p,
                      const uint8_t *end, struct dwarf_attr *ret);

/* Entry `index` of the unit's part of .debug_addr. */
bool dwarf_addrx(const struct dwarf_unit *u, uint64_t index, taddr *ret);

static inline const struct dwarf_bytes *unit_bytes(const struct dwarf_unit *u)
{
    return &u->dw->sec[u->id & DWARF_TYPES_ID ? DWARF_TYPES : DWARF_INFO];
}

static inline const uint8_t *unit_at(const struct dwarf_unit *u, uint64_t id)
{
    return unit_bytes(u)->p + dwarf_offset(id);
}

static inline uint64_t unit_id_of(const struct dwarf_unit *u, const uint8_t *p)
{
    return (uint64_t)(p - unit_bytes(u)->p) | (u->id & ~dwarf_offset(UINT64_MAX));
}

/* The readers of DIEs move plain pointers between a start and an end instead of a struct cursor: a
 * program has millions of values, most of them skipped.  All of that stands in dwarf_abbrev.c and
 * dwarf_die.c; each step is checked against the end of the unit. */
static inline bool take_uleb(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        if (shift < 64)
            v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static inline bool skip_leb(const uint8_t **p, const uint8_t *end)
{
    while (*p < end)
        if (!(*(*p)++ & 0x80))
            return true;
    return false;
}

/* Value of n <= 8 little-endian bytes. */
static inline uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

#endif
