/* order.h - whether two snapshots are of one process, and which is the earlier. */
#ifndef GOSPECT_SNAP_ORDER_H
#define GOSPECT_SNAP_ORDER_H

#include "snap/snap.h"

enum snap_order {
    SNAP_LATER, /* b is of the same process, as far as both know, and not earlier than a */
    SNAP_EARLIER,
    SNAP_OF_OTHER,
};
enum snap_order snap_compare(const struct snap *a, const struct snap *b);

#endif
