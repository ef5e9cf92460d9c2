/* dwarf.h - the DWARF of an image: units, entries (DIEs) and their attributes.
 *
 * DWARF 2 to 5, as Go (4 until 1.24, 5 since 1.25), gcc and clang write it; 32- and 64-bit format.
 * What is built on top has headers of its own: dwarf_layout.h (offsets of the runtime's fields),
 * dwarf_type.h, dwarf_func.h (functions, scopes, variables), dwarf_line.h, dwarf_expr.h (locations)
 * and dwarf_frame.h (unwinding).
 *
 * A DIE is named by its id: its offset in .debug_info, or in .debug_types with DWARF_TYPES_ID
 * added; of a library that was added to a program (image_add_library()) with the library's number
 * above it, too.  So an id says which of the images it is of, and what takes an id takes those of
 * all of them, whichever of their DWARFs it is asked with; what takes an address or a name answers
 * for one image alone.  Ids are what references hold and what every other header takes.  Opening
 * reads unit headers and root DIEs only; the rest is decoded where it lies, when it is asked for.
 *
 * Owner: everything belongs to the image and lives as long as it does.  Thread: any number. */
#ifndef GOSPECT_IMAGE_DWARF_H
#define GOSPECT_IMAGE_DWARF_H

#include "image/dwarf_const.h"
#include "image/image.h"

struct dwarf;
struct dwarf_abbrev;

#define DWARF_TYPES_ID (UINT64_C(1) << 62)
#define DWARF_NO_ID UINT64_MAX
#define DWARF_IMAGE_SHIFT 48 /* below: the offset; above: the number of the image */

/* Where the DIE lies in its section. */
static inline uint64_t dwarf_offset(uint64_t id)
{
    return id & ((UINT64_C(1) << DWARF_IMAGE_SHIFT) - 1);
}

/* NOT_FOUND: the binary (and the debug file attached to it) has no DWARF. */
struct err *image_dwarf(struct image *img, struct dwarf **ret) MUST_USE;
bool image_has_dwarf(const struct image *img);     /* quick: nothing is read */
struct image *dwarf_image(const struct dwarf *dw); /* whose sections it reads; no reference */

struct dwarf_unit {
    struct dwarf *dw;
    uint64_t id;       /* of its header */
    uint64_t die, end; /* ids: root DIE, first byte behind the unit */
    uint8_t version, addr_size, offset_size;
    uint8_t type;                     /* DW_UT_* */
    uint16_t tag, language;           /* of the root DIE */
    uint64_t signature, type_die;     /* of a type unit; type_die is an id */
    const char *name, *dir, *package; /* "" when absent; package: DW_AT_go_package_name */
    const char *producer;
    taddr low_pc; /* base of its range and location lists; 0 when absent */
    bool has_low_pc, has_high_pc, has_ranges, has_lines;
    bool split; /* a skeleton: its contents are in another file (.dwo) that is not read */
    taddr high_pc;
    struct dwarf_attr_raw { /* DW_AT_ranges, read by dwarf_func.h */
        uint16_t form;
        uint64_t u;
    } ranges;
    uint64_t lines; /* offset in .debug_line */
    uint64_t str_offsets_base, addr_base, rnglists_base, loclists_base;
    uint32_t index;         /* in dwarf_units() */
    const char *unreadable; /* NULL; else why the unit is taken as empty */
    const struct dwarf_abbrevs *abbrevs;
};

/* Ordered by id: the units of .debug_info, then those of .debug_types. */
size_t dwarf_units(const struct dwarf *dw, const struct dwarf_unit **ret);
const struct dwarf_unit *dwarf_unit_of(const struct dwarf *dw, uint64_t id); /* NULL: none */

struct dwarf_die {
    const struct dwarf_unit *unit;
    uint64_t id;
    uint16_t tag;
    bool has_children;
    const struct dwarf_abbrev *abbrev;
    const uint8_t *attrs; /* where its values begin */
};

/* BAD_DATA when there is no DIE at that offset. */
struct err *dwarf_die_at(const struct dwarf *dw, uint64_t id, struct dwarf_die *ret) MUST_USE;

enum dwarf_class {
    DWARF_NONE,
    DWARF_ADDR,   /* use dwarf_attr_addr() */
    DWARF_UCONST, /* u; sign and meaning depend on the attribute */
    DWARF_SCONST, /* s */
    DWARF_FLAG,   /* u is 0 or 1 */
    DWARF_TEXT,   /* use dwarf_attr_text() */
    DWARF_BLOCK,  /* p, n: bytes, or a DWARF expression */
    DWARF_REF,    /* use dwarf_attr_ref() */
    DWARF_OFFSET, /* u: offset into the section the attribute implies */
    DWARF_LISTX,  /* u: index of a range or location list */
    DWARF_SUP,    /* u: offset in a supplementary (dwz) file, which is not read */
};

struct dwarf_attr {
    uint16_t name, form; /* DW_AT_*, DW_FORM_* */
    enum dwarf_class cls;
    union {
        uint64_t u;
        int64_t s;
    };
    const uint8_t *p; /* blocks, and texts that stand in the DIE */
    size_t n;
};

/* The attributes of one DIE:
 *     dwarf_attrs_init(&it, &die);
 *     while (dwarf_attrs_next(&it, &a)) ...;
 *     e = it.err;  (the caller's; NULL unless the DIE is cut short) */
struct dwarf_attrs {
    const struct dwarf_die *die;
    const uint8_t *p;
    unsigned i;
    struct err *err;
};
void dwarf_attrs_init(struct dwarf_attrs *it, const struct dwarf_die *die);
bool dwarf_attrs_next(struct dwarf_attrs *it, struct dwarf_attr *ret);
/* One attribute; false: the DIE does not have it. */
bool dwarf_attr_find(const struct dwarf_die *die, uint16_t name, struct dwarf_attr *ret);

/* The value in the form one wants; false (or "") when it is of another kind or points outside. */
const char *dwarf_attr_text(const struct dwarf_unit *u, const struct dwarf_attr *a);
bool dwarf_attr_addr(const struct dwarf_unit *u, const struct dwarf_attr *a, taddr *ret);
bool dwarf_attr_uint(const struct dwarf_attr *a, uint64_t *ret); /* constants and flags */
bool dwarf_attr_sint(const struct dwarf_attr *a, int64_t *ret);  /* sign-extends data1 ... data8 */
bool dwarf_attr_ref(const struct dwarf_unit *u, const struct dwarf_attr *a, uint64_t *ret_id);

/* DW_AT_name of a DIE, following DW_AT_abstract_origin and DW_AT_specification; "": none. */
const char *dwarf_die_name(const struct dwarf_die *die);

/* All DIEs of a unit, or of the subtree below one DIE, in file order, parents first:
 *     dwarf_walk_unit(&w, unit);
 *     while (dwarf_walk_next(&w, &die)) if (...) dwarf_walk_skip(&w);
 *     e = w.err;  (the caller's) */
struct dwarf_walk {
    const struct dwarf_unit *unit;
    unsigned depth; /* of the DIE last given; 0 is where the walk began */
    struct err *err;
    unsigned level;
    const uint8_t *p;
    const struct dwarf_abbrev *pending;
    bool skip, began;
};
void dwarf_walk_unit(struct dwarf_walk *w, const struct dwarf_unit *u);
void dwarf_walk_die(struct dwarf_walk *w, const struct dwarf_die *die); /* gives it first */
bool dwarf_walk_next(struct dwarf_walk *w, struct dwarf_die *ret);
void dwarf_walk_skip(struct dwarf_walk *w); /* not what is below the DIE last given */

#endif
