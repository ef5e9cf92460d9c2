/* filter.h - choosing goroutines of a snapshot: `state=waiting && func=publish && age>5m`.
 *
 * docs/formats/filter.md is the reference.  In short: FIELD OP VALUE, or FIELD alone ("has one",
 * "is so"), joined by && || ! and parentheses.  Fields: state reason func file line age (or wait)
 * id label.KEY creator parent thread locked system depth top local.NAME; operators = != ~ !~ < <= >
 * >=.  What looks at frames is true when any visible frame fits.
 *
 * A filter is compiled once and used on any number of snapshots.  It works per string, per pc and
 * per stack node, not per frame of each goroutine: 100,000 goroutines take a few ms.
 *
 * Owner: the caller (snap_filter_free()).  Thread: any number may use one filter at once. */
#ifndef GOSPECT_SNAP_FILTER_H
#define GOSPECT_SNAP_FILTER_H

#include "snap/snap.h"

struct snap_filter;

/* ERR_USAGE when the expression makes no sense; the message shows the expression, a caret below the
 * place, and what was expected there. */
struct err *snap_filter_compile(const char *expr, struct snap_filter **ret) MUST_USE;
void snap_filter_free(struct snap_filter *f);

struct snap_selection {
    const struct snap_filter *const *filters; /* a goroutine must match all of them */
    size_t nfilters;
    bool system; /* with the runtime's own goroutines, too; a filter that names `system` decides
                    for itself */
};

/* Goroutines of a snapshot, by row. */
struct snap_rows {
    uint32_t *v; /* owned, ascending */
    size_t n;
    size_t system; /* goroutines of the runtime that match but were left out */
};

/* sel may be NULL: all but the runtime's own. */
struct err *snap_select(const struct snap *s, const struct snap_selection *sel,
                        struct snap_rows *ret) MUST_USE;
void snap_rows_free(struct snap_rows *r);

#endif
