/* order.c - which of two snapshots is the earlier; see order.h.
 *
 * A pid comes again, so the start of the process counts, too; it is known to a second or so. */
#include "snap/order.h"

#include <string.h>

enum { START_TOLERANCE_S = 2 };

/* Whether a fact agrees, as far as both know it. */
static bool agrees(const struct snap *a, const struct snap *b, enum snap_meta_key key)
{
    const char *x = snap_meta(a, key), *y = snap_meta(b, key);
    return !x || !y || strcmp(x, y) == 0;
}

enum snap_order snap_compare(const struct snap *a, const struct snap *b)
{
    int64_t started_a = snap_meta_i64(a, SNAP_META_started_wall_ns, 0);
    int64_t started_b = snap_meta_i64(b, SNAP_META_started_wall_ns, 0);
    int64_t apart = started_a > started_b ? started_a - started_b : started_b - started_a;
    if (!agrees(a, b, SNAP_META_pid) || !agrees(a, b, SNAP_META_build_id) ||
        (started_a && started_b && apart / 1000000000 > START_TOLERANCE_S))
        return SNAP_OF_OTHER;
    return snap_meta_i64(a, SNAP_META_taken_mono_ns, 0) >
                   snap_meta_i64(b, SNAP_META_taken_mono_ns, INT64_MAX)
               ? SNAP_EARLIER
               : SNAP_LATER;
}
