/* survival.h - which part of the objects of each type lives through garbage collections.
 *
 * Between two snapshots: of the objects that lived in A, those that still live in B, after the
 * collections that ended in between; who is the same is heap/diff.h's.  The rate is that of what A
 * shows: what was garbage by then has no type any more, and what was made and freed between the
 * snapshots is not seen.
 * In one snapshot: the *old share*, the part of what lives that has survived a collection.  It
 * falls from a collection to the next as new objects come, so two shares say something only when
 * the snapshots were taken at about the same point of a cycle (heap_cycle_progress()).
 *
 * Owner: the caller (heap_survival_free()).  Thread: any number of callers. */
#ifndef GOSPECT_HEAP_SURVIVAL_H
#define GOSPECT_HEAP_SURVIVAL_H

#include "heap/diff.h"

/* Two rates differ when they are that far apart, and so many objects say so. */
#define HEAP_SURVIVAL_CHANGE 0.15
enum { HEAP_SURVIVAL_MIN = 100 };

struct heap_survival_row {
    const char *type;          /* name, of one of the snapshots; "": not known */
    uint64_t objects, fresh;   /* live in A; of these, made since the last collection before it */
    uint64_t kept, kept_fresh; /* of them, those that live in B */
    uint64_t old_a, all_b, old_b; /* survived a collection, in A; live, and those, in B */
    uint64_t key;                 /* tells types apart, the same in every diff */
    double earlier; /* the rate of the same type in an interval before; < 0: not known */
    bool changed;
};

enum heap_survival_basis {
    HEAP_SURVIVAL_NOTHING, /* nothing to compare with */
    HEAP_SURVIVAL_SHARES,  /* changed: the old share differs between A and B */
    HEAP_SURVIVAL_RATES,   /* changed: the rate differs from the earlier interval's */
};

struct heap_survival {
    int64_t gcs; /* that ended in between; -1: not known.  0: there are no rates */
    int64_t gcs_earlier;
    double progress_a, progress_b; /* of the cycle, 0 to 1; < 0: not known */
    enum heap_survival_basis basis;
    struct heap_survival_row *v; /* changed ones first, then most objects */
    size_t n, nchanged;
};

/* earlier: a diff that ends where d begins (its B is d's A), or NULL. */
struct err *heap_survival(const struct heap_diff *d, const struct heap_diff *earlier,
                          struct heap_survival *ret) MUST_USE;
void heap_survival_free(struct heap_survival *s);
/* < 0: not known, because no collection saw these objects or there are none. */
double heap_survival_rate(const struct heap_survival *s, uint64_t kept, uint64_t objects);

/* How far the heap has grown from what the last collection left to where the next begins: 0 to 1;
 * < 0: not known, or none begins by itself. */
double heap_cycle_progress(const struct snap *s);

#endif
