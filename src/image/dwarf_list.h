/* dwarf_list.h - lists of address ranges (.debug_ranges, .debug_rnglists) and of locations that
 * hold in ranges (.debug_loc, .debug_loclists).
 *
 * Ranges are half-open and link-time.  Thread: an iterator belongs to one. */
#ifndef GOSPECT_IMAGE_DWARF_LIST_H
#define GOSPECT_IMAGE_DWARF_LIST_H

#include "image/dwarf.h"

struct dwarf_range {
    taddr lo, hi; /* [lo, hi); never empty */
};

/* A DWARF expression: where a value is, or how to compute it (dwarf_expr.h).  The bytes are the
 * image's. */
struct dwarf_expr {
    const struct dwarf_unit *unit;
    const uint8_t *p;
    size_t n; /* 0: there is none (the value was optimised away) */
};

struct dwarf_list {
    const struct dwarf_unit *unit;
    const uint8_t *p, *end;
    taddr base;
    bool locations, v5, done;
    bool single; /* not a list: one range from low_pc and high_pc */
    struct dwarf_range one;
    struct err *err; /* the caller's, after the last */
};

/* The code ranges of a DIE: DW_AT_low_pc with DW_AT_high_pc, or DW_AT_ranges; none when it has
 * neither.
 *     dwarf_ranges_of(&it, &die);
 *     while (dwarf_range_next(&it, &r)) ...;
 *     e = it.err; */
void dwarf_ranges_of(struct dwarf_list *it, const struct dwarf_die *die);
void dwarf_ranges_of_unit(struct dwarf_list *it, const struct dwarf_unit *u);
bool dwarf_range_next(struct dwarf_list *it, struct dwarf_range *ret);

/* The locations of a DW_AT_location, DW_AT_frame_base ... that is a list.  A default location has
 * the range 0 ... UINT64_MAX. */
void dwarf_locations_of(struct dwarf_list *it, const struct dwarf_unit *u,
                        const struct dwarf_attr *a);
bool dwarf_location_next(struct dwarf_list *it, struct dwarf_range *ret, struct dwarf_expr *expr);

/* The expression that holds at pc, whether the attribute is one or a list of them; n is 0 when none
 * does. */
struct err *dwarf_location_at(const struct dwarf_unit *u, const struct dwarf_attr *a, taddr pc,
                              struct dwarf_expr *ret) MUST_USE;

#endif
