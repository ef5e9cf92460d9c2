/* sparse.c - types in nearly empty spans; see heap/sparse.h.  No graph is needed: spans, allocation
 * bits and shapes say it. */
#include "heap/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "heap/heap_int.h"

enum { SPAN_PAGE = 8192 };

struct adding {
    const struct snap *s;
    struct heap_sparse *h;
    uint32_t *row_of; /* by shape: 1 + row; 0: none yet */
    struct map by_name;
};

static struct heap_sparse_row *row_of(struct adding *a, uint32_t shape)
{
    if (!a->row_of[shape]) {
        bool added;
        uint32_t name = a->s->shape.n ? a->s->shape.name[shape] : 0;
        uint32_t row = map_get_or_put(&a->by_name, name, (uint32_t)a->h->n, &added);
        if (added)
            a->h->v[a->h->n++].name = name;
        a->row_of[shape] = row + 1;
    }
    return &a->h->v[a->row_of[shape] - 1];
}

static void add_span(struct adding *a, uint32_t r)
{
    const struct snap *s = a->s;
    uint64_t size = s->span.elem_size[r], taken = s->span.allocated[r], elems = s->span.elems[r];
    uint64_t bytes = (uint64_t)s->span.pages[r] * SPAN_PAGE;
    if (elems < 2 || !taken || taken * HEAP_SPARSE_PART >= elems || bytes <= taken * size)
        return;
    uint64_t held = bytes - taken * size;
    a->h->spans++;
    a->h->bytes += bytes;
    a->h->free += held;
    for (uint64_t slot = s->span.slot[r], end = slot + elems; slot < end; slot++) {
        if (!bit_at(s->slots64.allocated, (uint32_t)slot))
            continue;
        struct heap_sparse_row *row = row_of(a, s->slot.shape[slot]);
        row->objects++;
        row->bytes += size;
        row->free += held / taken;
    }
}

static int compare(const void *pa, const void *pb, void *snap)
{
    const struct heap_sparse_row *a = pa, *b = pb;
    if (a->free != b->free)
        return a->free > b->free ? -1 : 1;
    return strcmp(snap_str(snap, a->name), snap_str(snap, b->name));
}

struct err *heap_sparse(const struct snap *s, struct heap_sparse *ret)
{
    static const char what[] = "the spans of the heap";
    *ret = (struct heap_sparse){0};
    if (!s->span.n)
        return err_new(ERR_NOT_FOUND, "the snapshot has no heap");
    struct adding a = {.s = s, .h = ret};
    size_t shapes = s->shape.n ? s->shape.n : 1;
    TRY(heap_array(shapes, sizeof(*a.row_of), what, &a.row_of));
    struct err *e = heap_array(shapes, sizeof(*ret->v), what, &ret->v);
    for (uint32_t r = 0; !e && r < s->span.n; r++)
        add_span(&a, r);
    free(a.row_of);
    map_free(&a.by_name);
    if (e)
        return e;
    if (ret->n)
        qsort_r(ret->v, ret->n, sizeof(*ret->v), compare, (void *)(uintptr_t)s);
    return NULL;
}

void heap_sparse_free(struct heap_sparse *h)
{
    free(h->v);
    *h = (struct heap_sparse){0};
}
