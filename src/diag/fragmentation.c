/* fragmentation.c - heap space that no object can use: spans nearly empty.
 *
 * Go: runtime/mheap.go, sizeclasses.go (1.18-1.27): a span holds objects of one size; as long as
 * one of them lives, its pages are neither given back nor used for another size.
 *
 * Right after a collection much is free and will be used again.  So what is free is measured
 * against the heap's goal: what even a heap that has grown to its goal would leave free stays so.
 */
#include "diag/diag_int.h"
#include "heap/sparse.h"
#include "snap/fill.h"

static const double PART_WARNING = 0.25;       /* of the spans in use */
static const int64_t BYTES_WARNING = 32 << 20; /* below it nobody feels it */
enum { CLASSES = 3, TYPES = 3 };

struct stuck {
    int64_t inuse, alloc, goal, bytes; /* bytes: stay free at the goal */
};

static bool measure(const struct snap *s, struct stuck *x)
{
    if (!s || !snap_counter(s, "memstats.heap_inuse_bytes", &x->inuse) ||
        !snap_counter(s, "memstats.heap_alloc_bytes", &x->alloc) ||
        !snap_counter(s, "gc.heap_goal_bytes", &x->goal) || x->goal < 0)
        return false;
    int64_t filled = x->goal > x->alloc ? x->goal : x->alloc;
    x->bytes = x->inuse > filled ? x->inuse - filled : 0;
    return x->bytes >= BYTES_WARNING && (double)x->bytes >= PART_WARNING * (double)x->inuse;
}

static void classes(struct diag_run *r, struct diag_finding *f)
{
    struct snap_fills fills;
    snap_fills(r->s, &fills);
    for (size_t i = 0; i < fills.n && i < CLASSES; i++) {
        const struct snap_fill *x = &fills.v[i];
        if (x->free * 10 < fills.v[0].free)
            break;
        diag_evidence(
            r->found, f,
            "objects of %s: %s in %s spans that have room for %s; %s of the spans are less "
            "than a quarter full, %s free",
            diag_bytes(r, x->size), diag_number(r, x->objects), diag_number(r, x->spans),
            diag_number(r, x->slots), diag_number(r, x->sparse), diag_bytes(r, x->free));
        if (i == 0) {
            diag_value_int(r->found, f, "object_bytes", DIAG_BYTES, (int64_t)x->size);
            diag_value_int(r->found, f, "object_free_bytes", DIAG_BYTES, (int64_t)x->free);
        }
    }
}

/* With the heap in the snapshot: who lives in the nearly empty spans. */
static void types(struct diag_run *r, struct diag_finding *f)
{
    struct heap_sparse h;
    struct err *e = heap_sparse(r->s, &h);
    if (e) {
        err_free(e);
        return;
    }
    for (size_t i = 0; i < h.n && i < TYPES && h.v[i].free * 10 >= h.v[0].free; i++)
        diag_evidence(r->found, f, "%s %s keep %s free in nearly empty spans",
                      diag_number(r, h.v[i].objects),
                      h.v[i].name ? snap_str(r->s, h.v[i].name) : "objects of unknown type",
                      diag_bytes(r, h.v[i].free));
    if (h.n && h.v[0].name)
        diag_value_text(r->found, f, "type", snap_str(r->s, h.v[0].name));
    heap_sparse_free(&h);
}

void diag_fragmentation(struct diag_run *r)
{
    struct stuck x, before;
    if (!measure(r->s, &x) || (r->in->before && !measure(r->in->before, &before)))
        return;
    struct diag_finding *f = diag_add(r, "fragmentation", DIAG_WARNING);
    f->title = diag_text(r->found, "the heap is fragmented: %s of %s in spans stay free",
                         diag_bytes(r, (uint64_t)x.bytes), diag_bytes(r, (uint64_t)x.inuse));
    diag_evidence(r->found, f, "%s on the heap now, the collector aims at %s",
                  diag_bytes(r, (uint64_t)x.alloc), diag_bytes(r, (uint64_t)x.goal));
    classes(r, f);
    types(r, f);
    f->why = "it is not given back to the system, and only objects of the same size can use it";
    f->mend = "find what lives long among what lives short: allocate it apart, copy it, or keep "
              "values in one slice instead of many small objects";
    f->sure = DIAG_INFERRED;
    f->sure_why = "a heap that has grown to the collector's goal leaves that much free; more load "
                  "would raise the goal";
    f->next = "gospect heap {target} --by size-class";
    f->weight = (double)x.bytes;
    diag_value_int(r->found, f, "free_bytes", DIAG_BYTES, x.bytes);
    diag_value_int(r->found, f, "spans_bytes", DIAG_BYTES, x.inuse);
}
