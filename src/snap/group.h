/* group.h - goroutines that do the same, together: by stack, state, wait reason, creator, function
 * or label.
 *
 * "The same stack" means identical visible frames (function, file, line), not identical pcs: two
 * calls on one source line are one place for people.
 *
 * Owner: the caller (snap_groups_free()); a group lives as long as its set and points into the
 * snapshot, which must outlive it.  Thread: any number of readers. */
#ifndef GOSPECT_SNAP_GROUP_H
#define GOSPECT_SNAP_GROUP_H

#include "base/mem.h"
#include "snap/filter.h"

enum snap_group_by {
    SNAP_BY_STACK,
    SNAP_BY_STATE,
    SNAP_BY_WAIT,    /* wait reason; of those that do not wait: their state */
    SNAP_BY_CREATOR, /* place of the go statement */
    SNAP_BY_FUNC,    /* innermost function of the program itself (not the runtime or the standard
                        library); when there is none, the outermost that is not the runtime's */
    SNAP_BY_LABEL,   /* the set of pprof labels, or the value of one (options.label) */
    SNAP_BY_COUNT,
};
const char *snap_group_by_name(enum snap_group_by by); /* stack state wait creator func label */

enum snap_sort {
    SNAP_SORT_COUNT, /* largest group first */
    SNAP_SORT_WAIT,  /* longest wait first */
    SNAP_SORT_ID,    /* lowest goroutine id first */
    SNAP_SORT_STATE, /* running first, then system calls, runnable, waiting, the rest */
    SNAP_SORT_DEPTH, /* deepest stack first */
};

/* How many goroutines of a group have one and the same thing; largest count first. */
struct snap_tally {
    uint64_t key; /* what: see the field */
    uint32_t count;
};
struct snap_tallies {
    const struct snap_tally *v;
    size_t n;
};

struct snap_group {
    const uint32_t *rows; /* its goroutines: longest wait first, then lowest id */
    uint32_t count;
    uint32_t example; /* rows[0] */
    const char *name; /* the state, reason, place, function or labels; "" for BY_STACK, and for
                         what is unknown or none */
    uint32_t stacks;  /* different visible stacks in it */
    uint32_t by_state[SNAP_G_COUNT];
    struct snap_tallies reasons; /* key: string id of the wait reason; those that wait only */
    struct snap_tallies
        creators; /* key: row of pc of the go statement, SNAP_NONE: none or unknown */
    struct snap_tallies objects;   /* key: address waited for (channel, lock); from table wait */
    int64_t wait_max, wait_median; /* ns, of those whose wait is known; -1: of none */
    uint32_t wait_known;
    uint32_t locked; /* locked to their thread */
    uint32_t depth;  /* of the deepest stack */
    uint64_t hash;   /* of the key as text: equal groups of other snapshots have the same */
};

struct snap_groups {
    enum snap_group_by by;
    struct snap_group *v;
    size_t n;
    size_t goroutines; /* in all groups */
    size_t stacks;     /* different visible stacks among them */
    struct arena mem;
};

struct snap_group_options {
    enum snap_group_by by;
    enum snap_sort sort;
    const char *label; /* BY_LABEL: the key whose value counts; NULL: the whole set */
};

struct err *snap_group(const struct snap *s, const struct snap_rows *rows,
                       const struct snap_group_options *o, struct snap_groups **ret) MUST_USE;
void snap_groups_free(struct snap_groups *g);

/* Puts rows into the given order (COUNT means ID), for goroutines shown one by one. */
void snap_sort_rows(const struct snap *s, struct snap_rows *rows, enum snap_sort sort);

#endif
