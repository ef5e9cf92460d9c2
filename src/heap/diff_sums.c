/* diff_sums.c - a diff in sums: by type, by age. */
#include <stdlib.h>
#include <string.h>

#include "heap/diff_int.h"

static void add(struct heap_amount *a, uint64_t bytes)
{
    a->count++;
    a->bytes += bytes;
}

/* ---- by type, and by age ---- */

struct sums {
    struct heap_differ *f;
    struct heap_diff_type *types; /* by key */
};

static struct heap_diff_type *type_of(struct sums *w, bool in_a, uint32_t slot)
{
    const struct heap_differ *f = w->f;
    uint16_t shape = (in_a ? f->a : f->b)->s->slot.shape[slot];
    struct heap_diff_type *t = &w->types[(in_a ? f->key_a : f->key_b)[shape]];
    uint32_t *row = in_a ? &t->shape_a : &t->shape_b;
    if (*row == SNAP_NONE)
        *row = shape;
    return t;
}

static void sum_b(struct sums *w)
{
    const struct heap_graph *g = w->f->b;
    const struct snap *s = g->s;
    struct heap_diff *d = w->f->d;
    for (uint32_t r = 0; r < s->span.n; r++) {
        uint64_t size = s->span.elem_size[r];
        uint32_t ra = w->f->span_a[r];
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            bool survived = bit_at(s->slots64.survived, slot);
            if (bit_at(d->kept_bits, slot)) {
                add(&type_of(w, false, slot)->kept, size);
                add(&d->kept, size);
                bool old = bit_at(w->f->a->s->slots64.survived, w->f->a->s->span.slot[ra] + i);
                add(&d->ages[old ? 3 : 2].amount, size);
            } else if (bit_at(w->f->live_b, slot)) {
                add(&d->ages[survived].amount, size);
            }
            if (bit_at(d->fresh_bits, slot)) {
                add(&type_of(w, false, slot)->fresh, size);
                add(&d->fresh, size);
            }
        }
    }
}

static void sum_a(struct sums *w)
{
    const struct snap *s = w->f->a->s;
    struct heap_diff *d = w->f->d;
    for (uint32_t r = 0; r < s->span.n; r++)
        for (uint32_t i = 0; i < s->span.elems[r]; i++) {
            uint32_t slot = s->span.slot[r] + i;
            if (!bit_at(d->freed_bits, slot))
                continue;
            add(&type_of(w, true, slot)->freed, s->span.elem_size[r]);
            add(&d->freed, s->span.elem_size[r]);
        }
}

static void sum_modified(struct sums *w)
{
    const struct heap_diff *d = w->f->d;
    for (size_t i = 0; i < d->nmodified; i++) {
        const struct heap_modified *m = &d->modified[i];
        struct heap_diff_type *t = type_of(w, false, m->slot_b);
        t->modified++;
        t->delta_bytes += (int64_t)(m->bytes_b - m->bytes_a);
    }
}

/* The name of a row's type and its package, as the snapshot that has it tells them; "": not known.
 */
static void names_of(const struct heap_diff *d, const struct heap_diff_type *t, const char *ret[2])
{
    bool later = t->shape_b != SNAP_NONE;
    const struct snap *s = heap_snap(later ? d->b : d->a);
    uint32_t shape = later ? t->shape_b : t->shape_a;
    uint32_t type = shape < s->shape.n ? s->shape.type[shape] : SNAP_NONE;
    ret[0] = shape < s->shape.n ? snap_str(s, s->shape.name[shape]) : "";
    ret[1] = type == SNAP_NONE ? "" : snap_str(s, s->type.package[type]);
}

static int by_name(const struct heap_diff *d, const struct heap_diff_type *a,
                   const struct heap_diff_type *b)
{
    const char *x[2], *y[2];
    names_of(d, a, x);
    names_of(d, b, y);
    int order = strcmp(x[0], y[0]);
    return order ? order : strcmp(x[1], y[1]);
}

/* Names, not numbers, decide between equals: what number a type has depends on which of the threads
 * that read the heap was faster. */
static int by_delta(const void *pa, const void *pb, void *diff)
{
    const struct heap_diff_type *a = pa, *b = pb;
    uint64_t x = (uint64_t)(a->delta_bytes < 0 ? -a->delta_bytes : a->delta_bytes);
    uint64_t y = (uint64_t)(b->delta_bytes < 0 ? -b->delta_bytes : b->delta_bytes);
    if (x != y)
        return x > y ? -1 : 1;
    if (a->kept.bytes != b->kept.bytes)
        return a->kept.bytes > b->kept.bytes ? -1 : 1;
    if (a->fresh.bytes != b->fresh.bytes)
        return a->fresh.bytes > b->fresh.bytes ? -1 : 1;
    return by_name(diff, a, b);
}

static struct err *sum_types(struct heap_differ *f)
{
    struct heap_diff *d = f->d;
    struct sums w = {.f = f};
    size_t n = 0;
    TRY(heap_array(f->nkeys, sizeof(*w.types), "a diff of the heap", &w.types));
    d->types = w.types;
    for (uint32_t k = 0; k < f->nkeys; k++)
        w.types[k].shape_a = w.types[k].shape_b = SNAP_NONE;
    sum_b(&w);
    sum_a(&w);
    sum_modified(&w);
    for (uint32_t k = 0; k < f->nkeys; k++) {
        struct heap_diff_type *t = &w.types[k];
        if (t->shape_a == SNAP_NONE && t->shape_b == SNAP_NONE)
            continue;
        t->delta_bytes += (int64_t)(t->fresh.bytes - t->freed.bytes);
        w.types[n++] = *t;
    }
    d->ntypes = n;
    if (n)
        qsort_r(w.types, n, sizeof(*w.types), by_delta, d);
    return NULL;
}

/* What the rows of ages mean; the sums are in sum_b(). */
static void set_ages(struct heap_diff *d)
{
    bool known = d->gcs >= 0;
    uint32_t n = known ? (uint32_t)min_u64((uint64_t)d->gcs, UINT32_MAX - 1) : 0;
    d->ages[0].min = d->ages[0].max = 0;
    d->ages[1].min = 1;
    d->ages[1].max = known && n ? n : UINT32_MAX;
    d->ages[2].min = n;
    d->ages[2].max = known ? n : UINT32_MAX;
    d->ages[3].min = n + 1;
    d->ages[3].max = UINT32_MAX;
}

struct err *heap_diff_sums(struct heap_differ *f)
{
    set_ages(f->d);
    return sum_types(f);
}
