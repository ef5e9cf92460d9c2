/* diff.c - which objects are in both snapshots; see heap/diff.h.
 *
 * Everything is bitmaps by slot: who lives in A, in B, who survived the last collection.  Spans are
 * merged by address; where both snapshots have a span of one shape at one address, its slots are
 * compared 64 at a time.  No object is looked up anywhere.
 *
 * Go: a slot is freed by the sweep of its span and by nothing else (runtime/mgcsweep.go); a sweep
 * follows the end of marking, which counts memstats.numgc; mspan.sweepgen tells of the last sweep
 * (even: done; odd values mean that one is under way or that the span is cached, and prove nothing
 * here). */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "heap/diff_int.h"
#include "snap/order.h"

/* ---- which types are one ---- */

static void type_text(const struct snap *s, uint32_t shape, struct buf *b)
{
    uint32_t type = s->shape.type[shape], pc = s->shape.pc[shape];
    buf_clear(b);
    buf_printf(b, "%u %s %s", s->shape.form[shape], snap_str(s, s->shape.name[shape]),
               type == SNAP_NONE ? "" : snap_str(s, s->type.package[type]));
    if (pc != SNAP_NONE)
        buf_printf(b, " %llx", (unsigned long long)s->pc.addr[pc]);
}

static struct err *number_types(const struct snap *s, struct intern *types, uint32_t **ret)
{
    struct buf b = {0};
    TRY(heap_array(s->shape.n + 1, sizeof(**ret), "the types of the heap", ret));
    for (uint32_t i = 1; i < s->shape.n; i++) {
        type_text(s, i, &b);
        (*ret)[i] = intern_add(types, buf_text(&b));
    }
    buf_free(&b);
    return NULL;
}

static struct err *unify_types(struct heap_differ *f)
{
    struct intern types;
    intern_init(&types);
    struct err *e = number_types(f->a->s, &types, &f->key_a);
    if (!e)
        e = number_types(f->b->s, &types, &f->key_b);
    f->nkeys = (uint32_t)types.n;
    intern_free(&types);
    return e;
}

/* ---- who lives ---- */

enum { ROWS_AT_ONCE = 4096 };

struct living {
    const struct heap_graph *g;
    uint64_t *bits;
};

static struct err *living_block(void *arg, size_t i, unsigned worker)
{
    struct living *l = arg;
    const uint64_t *allocated = l->g->s->slots64.allocated;
    size_t end = min_u64((i + 1) * ROWS_AT_ONCE, l->g->s->slots64.n);
    for (size_t row = i * ROWS_AT_ONCE; row < end; row++) {
        if (l->g->reached) {
            l->bits[row] = l->g->reached[row] & allocated[row];
            continue;
        }
        for (uint64_t left = allocated[row]; left; left &= left - 1) {
            uint64_t slot = row * 64 + (unsigned)__builtin_ctzll(left);
            if (slot < l->g->nslots && heap_reached(l->g, (uint32_t)slot))
                l->bits[row] |= left & -left;
        }
    }
    return NULL;
}

static struct err *living(const struct heap_graph *g, uint64_t **ret)
{
    struct living l = {.g = g};
    size_t rows = g->s->slots64.n;
    TRY(heap_array(rows + 2, sizeof(**ret), "a diff of the heap", &l.bits));
    *ret = l.bits;
    return pool_run((rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, living_block, &l);
}

/* ---- spans ---- */

static bool same_span(const struct snap *a, uint32_t ra, const struct snap *b, uint32_t rb)
{
    return a->span.addr[ra] == b->span.addr[rb] && a->span.elem_size[ra] == b->span.elem_size[rb] &&
           a->span.elems[ra] == b->span.elems[rb] && a->span.class[ra] == b->span.class[rb];
}

static void merge_run(struct heap_differ *f, uint32_t ra, uint32_t end_a, uint32_t rb,
                      uint32_t end_b)
{
    const struct snap *a = f->a->s, *b = f->b->s;
    for (; rb < end_b; rb++) {
        while (ra < end_a && a->span.addr[ra] < b->span.addr[rb])
            ra++;
        f->span_a[rb] = ra < end_a && same_span(a, ra, b, rb) ? ra : SNAP_NONE;
    }
}

/* ---- one span ---- */

/* 64 bits from any place; there are 64 readable ones behind the last. */
static uint64_t bits_at(const uint64_t *bits, uint64_t at)
{
    unsigned shift = at % 64;
    uint64_t v = bits[at / 64] >> shift;
    return shift ? v | bits[at / 64 + 1] << (64 - shift) : v;
}

static uint64_t bits_of_column(const uint64_t *column, size_t rows, uint64_t at)
{
    unsigned shift = at % 64;
    uint64_t v = column[at / 64] >> shift;
    return shift && at / 64 + 1 < rows ? v | column[at / 64 + 1] << (64 - shift) : v;
}

static void set_bits(uint64_t *bits, uint64_t at, uint64_t v)
{
    unsigned shift = at % 64;
    bits[at / 64] |= v << shift;
    if (shift)
        bits[at / 64 + 1] |= v >> (64 - shift);
}

/* Of these slots, those whose types do not contradict. */
static uint64_t of_one_type(const struct heap_differ *f, uint32_t slot_a, uint32_t slot_b,
                            uint64_t v)
{
    uint64_t same = 0;
    for (uint64_t left = v; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        uint32_t ka = f->key_a[f->a->s->slot.shape[slot_a + i]];
        uint32_t kb = f->key_b[f->b->s->slot.shape[slot_b + i]];
        same |= !ka || !kb || ka == kb ? left & -left : 0;
    }
    return same;
}

/* How much a span proves: nothing was swept, one collection, or more. */
static int64_t collections(const struct heap_differ *f, uint32_t ra, uint32_t rb)
{
    uint32_t gen = f->b->s->span.sweepgen[rb];
    if (gen && gen % 2 == 0 && gen == f->a->s->span.sweepgen[ra])
        return 0;
    return f->d->gcs;
}

static void compare_span(struct heap_differ *f, uint32_t ra, uint32_t rb)
{
    const struct snap *a = f->a->s, *b = f->b->s;
    uint64_t size = b->span.elem_size[rb];
    int64_t gcs = collections(f, ra, rb);
    for (uint32_t i = 0, n = b->span.elems[rb]; i < n; i += 64) {
        uint32_t sa = a->span.slot[ra] + i, sb = b->span.slot[rb] + i;
        uint64_t mask = n - i >= 64 ? UINT64_MAX : (UINT64_C(1) << (n - i)) - 1;
        uint64_t both = bits_at(f->live_a, sa) & bits_at(f->live_b, sb) & mask, same = both;
        if (gcs != 0)
            same &= bits_of_column(b->slots64.survived, b->slots64.n, sb);
        if (gcs < 0 || gcs > 1) {
            same = of_one_type(f, sa, sb, same);
            f->d->inferred.count += (unsigned)__builtin_popcountll(same);
            f->d->inferred.bytes += size * (unsigned)__builtin_popcountll(same);
        }
        uint64_t other = both & ~same;
        f->d->reused.count += (unsigned)__builtin_popcountll(other);
        f->d->reused.bytes += size * (unsigned)__builtin_popcountll(other);
        set_bits(f->kept_a, sa, same);
        set_bits(f->d->kept_bits, sb, same);
    }
}

static struct err *compare(struct heap_differ *f)
{
    const struct heap_graph *a = f->a, *b = f->b;
    struct heap_diff *d = f->d;
    static const char what[] = "a diff of the heap";
    size_t words_a = a->s->slots64.n + 2, words_b = b->s->slots64.n + 2;
    TRY(heap_array(b->s->span.n, sizeof(*f->span_a), what, &f->span_a));
    TRY(living(a, &f->live_a));
    TRY(living(b, &f->live_b));
    TRY(heap_array(words_a, 8, what, &f->kept_a));
    TRY(heap_array(words_b, 8, what, &d->kept_bits));
    TRY(heap_array(words_a, 8, what, &d->freed_bits));
    TRY(heap_array(words_b, 8, what, &d->fresh_bits));
    merge_run(f, 0, a->scan_spans, 0, b->scan_spans);
    merge_run(f, a->scan_spans, (uint32_t)a->s->span.n, b->scan_spans, (uint32_t)b->s->span.n);
    for (uint32_t r = 0; r < b->s->span.n; r++)
        if (f->span_a[r] != SNAP_NONE)
            compare_span(f, f->span_a[r], r);
    for (size_t i = 0; i < words_a; i++)
        d->freed_bits[i] = f->live_a[i] & ~f->kept_a[i];
    for (size_t i = 0; i < words_b; i++)
        d->fresh_bits[i] = f->live_b[i] & ~d->kept_bits[i];
    return NULL;
}

/* ---- the whole ---- */

enum { HOLDERS = 50 };

static size_t most_holders(const struct heap_diff_options *o)
{
    return o && o->holders ? o->holders : HOLDERS;
}

static struct err *check_pair(const struct snap *a, const struct snap *b)
{
    switch (snap_compare(a, b)) {
    case SNAP_OF_OTHER:
        return err_hint(err_new(ERR_USAGE, "the snapshots are of two processes"),
                        "compare allocation sites instead (--semantic)");
    case SNAP_EARLIER:
        return err_hint(err_new(ERR_USAGE, "the second snapshot is the earlier one"),
                        "give the earlier one first");
    default:
        return NULL;
    }
}

static void set_times(struct heap_diff *d, const struct snap *a, const struct snap *b)
{
    int64_t from = snap_meta_i64(a, SNAP_META_taken_mono_ns, -1), before, after;
    int64_t to = snap_meta_i64(b, SNAP_META_taken_mono_ns, -1);
    d->elapsed_ns = from >= 0 && to >= from ? to - from : -1;
    d->gcs = -1;
    if (snap_counter(a, "memstats.num_gc", &before) && snap_counter(b, "memstats.num_gc", &after) &&
        after >= before)
        d->gcs = after - before;
}

static struct err *diff_all(struct heap_differ *f)
{
    TRY(progress_step(f->progress, "comparing heaps", 0, 3));
    TRY(unify_types(f));
    TRY(compare(f));
    TRY(progress_step(f->progress, "comparing heaps", 1, 3));
    if (f->a->has_edges && f->b->has_edges)
        TRY(heap_diff_grown(f));
    else
        f->d->missing = "the pointers between objects were not kept";
    TRY(progress_step(f->progress, "comparing heaps", 2, 3));
    return heap_diff_sums(f);
}

struct err *heap_diff(const struct heap_graph *a, const struct heap_graph *b,
                      const struct heap_diff_options *o, struct heap_diff **ret)
{
    *ret = NULL;
    TRY(check_pair(a->s, b->s));
    struct heap_diff *d = mem_alloc(sizeof(*d));
    struct heap_differ f = {.a = a, .b = b, .d = d, .progress = o ? o->progress : NULL};
    d->a = a;
    d->b = b;
    arena_init(&d->mem);
    set_times(d, a->s, b->s);
    struct err *e = diff_all(&f);
    if (!e && !b->mark_only)
        e = heap_diff_holders(d, most_holders(o));
    void *const all[] = {f.span_a, f.live_a, f.live_b, f.kept_a, f.key_a, f.key_b};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    if (e) {
        heap_diff_free(d);
        return e;
    }
    *ret = d;
    return NULL;
}

struct err *heap_diff_hang(struct heap_diff *d, const struct heap_graph *b,
                           const struct heap_diff_options *o)
{
    d->b = b;
    return b->mark_only ? NULL : heap_diff_holders(d, most_holders(o));
}

void heap_diff_free(struct heap_diff *d)
{
    if (!d)
        return;
    free(d->fresh_bits);
    free(d->freed_bits);
    free(d->kept_bits);
    free(d->modified);
    free(d->types);
    free(d->holders);
    arena_free(&d->mem);
    free(d);
}

struct err *heap_diff_find_paths(struct heap_diff *d, struct heap_graph *b, size_t n,
                                 struct progress *progress)
{
    for (size_t i = 0; i < min_u64(n, d->nholders); i++)
        TRY(heap_shortest_path(b, d->holders[i].node, &d->mem, progress, &d->holders[i].path));
    return NULL;
}

struct err *heap_diff_largest(const struct heap_diff *d, bool freed, size_t limit, uint32_t *v,
                              size_t *n)
{
    const struct heap_graph *g = freed ? d->a : d->b;
    const uint64_t *bits = freed ? d->freed_bits : d->fresh_bits;
    struct heap_largest l = {.limit = limit};
    *n = 0;
    TRY(heap_array(limit, sizeof(*l.v), "the largest objects", &l.v));
    for (uint32_t r = 0; r < g->s->span.n; r++)
        for (uint32_t slot = g->s->span.slot[r], end = slot + g->s->span.elems[r]; slot < end;
             slot++)
            if (!bits[slot / 64])
                slot |= 63; /* none of these */
            else if (bit_at(bits, slot))
                heap_offer(&l, slot,
                           slot < g->nscan && !g->mark_only ? g->retained[g->vertex[slot] - 1]
                                                            : g->s->span.elem_size[r]);
    heap_sort_largest(&l);
    for (size_t i = 0; i < l.n; i++)
        v[i] = l.v[i].node;
    *n = l.n;
    free(l.v);
    return NULL;
}
