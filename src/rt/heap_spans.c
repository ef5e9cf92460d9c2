/* heap_spans.c - every span of the heap, which of their slots hold objects, and which slot an
 * address belongs to.
 *
 * Go: runtime/mheap.go allspans, mspan (1.18-1.27); runtime/mbitmap.go isFree: a slot holds an
 * object when its index is below freeIndexForScan, or its bit in allocBits is set.  freeindex is
 * ahead of it while an object is in the middle of malloc, its memory not yet initialised; and
 * since 1.25 for all that is allocated while the collector marks: those objects are marked at once;
 * runtime/mgcsweep.go sweep, which makes gcmarkBits the allocBits; runtime/mgcmark_greenteagc.go
 * spanInlineMarkBits (1.25-1.27): spans of one page may keep their mark bits in its last 128 bytes.
 *
 * Invariants: spans do not overlap; slots are numbered as schema.def says; a span that makes no
 * sense is left out and counted. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/pool.h"
#include "rt/heap_int.h"

enum {
    BITS_BATCH = 2048,    /* spans whose bits are read at once */
    INLINE_MARKS_AT = 64, /* in the last 128 bytes of the page */
    INLINE_BYTES = 128,
    INLINE_MARKS_MAX = 63 * 8,
};

const struct heap_span *heap_span_of(const struct heap *h, uint32_t slot)
{
    size_t lo = 0, hi = h->nspans;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (h->spans[mid].slot <= slot)
            lo = mid;
        else
            hi = mid;
    }
    return &h->spans[lo];
}

taddr heap_data_of(const struct heap *h, uint32_t slot)
{
    const struct heap_span *s = heap_span_of(h, slot);
    return s->addr + (slot - s->slot) * s->elem_size + (s->flags & SNAP_SPF_HEADER ? 8 : 0);
}

taddr heap_arena_of(const struct heap *h, taddr addr)
{
    const struct heap_pages *p = &h->pages;
    uint64_t a = (addr >> HEAP_ARENA_SHIFT) - p->first;
    return a < p->n && p->top[a] ? p->arena[p->top[a] - 1] : 0;
}

/* ---- reading spans ---- */

struct reading {
    struct heap *h;
    struct rt *rt;
    struct target *t;
    VEC(struct heap_span) spans;
    struct heap_spans_missed missed;
    uint32_t sweepgen;
};

static void keep_span(void *ctx, const struct heap_span *s, const uint8_t *copy)
{
    struct reading *r = ctx;
    (void)copy;
    vec_push(&r->spans, *s);
}

static struct err *read_spans(struct reading *r)
{
    TRY(target_read(r->t, G(r->rt, mheap) + (taddr)L(r->rt, mheap_sweepgen), &r->sweepgen, 4));
    return heap_each_span(r->rt, r->t, keep_span, r, &r->missed);
}

static int by_addr(const void *a, const void *b)
{
    const struct heap_span *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* How many pages the heap can have: twice what is mapped, for what a core does not mention. */
static uint64_t pages_limit(const struct capture *c)
{
    uint64_t bytes = HEAP_ARENA;
    for (size_t i = 0; i < c->nmaps && bytes < UINT64_C(1) << 48; i++)
        bytes += c->maps[i].end - c->maps[i].start;
    return min_u64(2 * bytes, UINT64_C(1) << 42) / HEAP_PAGE;
}

/* Those with pointers come first, each kind by address; what overlaps the one before is dropped. */
static struct err *order_spans(struct reading *r)
{
    struct heap *h = r->h;
    size_t n = 0, scan = 0;
    uint64_t pages = 0, limit = pages_limit(h->c);
    if (r->spans.n)
        qsort(r->spans.v, r->spans.n, sizeof(*r->spans.v), by_addr);
    taddr end = 0;
    for (size_t i = 0; i < r->spans.n; i++) {
        struct heap_span *s = &r->spans.v[i];
        if (s->addr < end || s->pages > limit - pages) {
            r->missed.nonsense++;
            continue;
        }
        end = s->addr + (uint64_t)s->pages * HEAP_PAGE;
        pages += s->pages;
        scan += !(s->flags & SNAP_SPF_NO_POINTERS);
        r->spans.v[n++] = *s;
    }
    if (!(h->spans = mem_try_alloc_huge((n + 1) * sizeof(*h->spans))))
        return err_new(ERR_NOMEM, "no memory for %zu spans", n);
    size_t at[2] = {0, scan};
    for (size_t i = 0; i < n; i++)
        h->spans[at[r->spans.v[i].flags & SNAP_SPF_NO_POINTERS]++] = r->spans.v[i];
    h->nspans = n;
    h->nscan_spans = scan;
    return NULL;
}

static struct err *number_slots(struct heap *h)
{
    uint64_t slot = 0;
    for (size_t i = 0; i < h->nspans; i++) {
        if (i == h->nscan_spans)
            h->nscan = (uint32_t)slot;
        h->spans[i].slot = (uint32_t)slot;
        slot += h->spans[i].elems;
        if (slot >= SNAP_NONE)
            return err_new(ERR_LIMIT, "the heap has more places for objects than a snapshot can "
                                      "number (4,294,967,294)");
    }
    h->nslots = (uint32_t)slot;
    if (h->nscan_spans == h->nspans)
        h->nscan = h->nslots;
    return NULL;
}

/* ---- the page table ---- */

static struct err *open_pages(struct heap *h)
{
    struct heap_pages *p = &h->pages;
    uint64_t lo = UINT64_MAX, hi = 0;
    for (size_t i = 0; i < h->nspans; i++) {
        const struct heap_span *s = &h->spans[i];
        lo = min_u64(lo, s->addr >> HEAP_ARENA_SHIFT);
        hi = max_u64(hi, (s->addr + (uint64_t)s->pages * HEAP_PAGE - 1) >> HEAP_ARENA_SHIFT);
    }
    p->first = h->nspans ? lo : 0;
    p->n = h->nspans ? hi - lo + 1 : 0;
    p->top = mem_try_alloc_huge((p->n + 1) * sizeof(*p->top));
    p->hot = mem_try_alloc_huge((h->nspans + 1) * sizeof(*p->hot));
    if (!p->top || !p->hot)
        return err_new(ERR_NOMEM, "no memory for the addresses of %zu spans", h->nspans);
    for (size_t i = 0; i < h->nspans; i++) {
        const struct heap_span *s = &h->spans[i];
        taddr last = s->addr + (uint64_t)s->pages * HEAP_PAGE - 1;
        for (uint64_t a = s->addr >> HEAP_ARENA_SHIFT; a <= last >> HEAP_ARENA_SHIFT; a++)
            if (!p->top[a - lo])
                p->top[a - lo] = (uint32_t)++p->narenas;
    }
    p->pages = mem_try_alloc_huge((p->narenas + 1) * HEAP_PAGES_PER_ARENA * sizeof(*p->pages));
    p->arena = mem_try_alloc((p->narenas + 1) * sizeof(*p->arena));
    if (!p->pages || !p->arena)
        return err_new(ERR_NOMEM, "no memory for the pages of %zu arenas", p->narenas);
    return NULL;
}

static void add_pages(struct heap_pages *p, const struct heap_span *s, uint32_t number)
{
    for (uint32_t k = 0; k < s->pages; k++) {
        taddr addr = s->addr + (uint64_t)k * HEAP_PAGE;
        uint32_t arena = p->top[(addr >> HEAP_ARENA_SHIFT) - p->first] - 1;
        p->pages[(uint64_t)arena * HEAP_PAGES_PER_ARENA + addr % HEAP_ARENA / HEAP_PAGE] = number;
    }
}

static struct err *make_pages(struct heap *h)
{
    TRY(open_pages(h));
    struct heap_pages *p = &h->pages;
    for (size_t i = 0; i < h->nspans; i++) {
        const struct heap_span *s = &h->spans[i];
        bool large = s->flags & SNAP_SPF_LARGE;
        p->hot[i] = (struct heap_hot){
            .addr = s->addr,
            .slot = s->slot,
            .div_mul = large ? 0 : UINT32_MAX / (uint32_t)s->elem_size + 1,
            .elems = (uint16_t)s->elems,
            .size = large ? 0 : (uint16_t)s->elem_size,
            .header = s->flags & SNAP_SPF_HEADER ? 8 : 0,
        };
        add_pages(p, s, (uint32_t)i + 1);
    }
    return NULL;
}

/* Addresses of the arenas' own structures, and which pages keep their mark bits inline. */
static struct err *read_arenas(struct reading *r)
{
    struct heap *h = r->h;
    struct heap_pages *p = &h->pages;
    int32_t at = L(r->rt, heaparena_inline_mark_pages);
    uint8_t(*bits)[HEAP_PAGES_PER_ARENA / 8] = mem_try_alloc_huge((p->narenas + 1) * sizeof(*bits));
    if (!bits)
        return err_new(ERR_NOMEM, "no memory for %zu arenas", p->narenas);
    struct rt_heap arenas;
    struct rt_batch b = {0};
    rt_heap_open(&arenas, r->rt, r->t);
    for (uint64_t a = 0; a < p->n; a++) {
        if (!p->top[a])
            continue;
        uint32_t k = p->top[a] - 1;
        p->arena[k] = rt_heap_arena(&arenas, (p->first + a) << HEAP_ARENA_SHIFT);
        if (p->arena[k] && at >= 0)
            rt_batch_add(&b, p->arena[k] + (taddr)at, bits[k], sizeof(bits[k]));
    }
    rt_heap_close(&arenas);
    struct err *e = rt_batch_read(&b, r->t);
    for (size_t i = 0; !e && i < h->nspans; i++) {
        struct heap_span *s = &h->spans[i];
        uint32_t k = p->top[(s->addr >> HEAP_ARENA_SHIFT) - p->first] - 1;
        uint64_t page = s->addr % HEAP_ARENA / HEAP_PAGE;
        if (bits[k][page / 8] >> page % 8 & 1 && s->elems <= INLINE_MARKS_MAX)
            s->flags |= SNAP_SPF_INLINE_MARKS;
    }
    rt_batch_free(&b);
    free(bits);
    return e;
}

/* ---- allocation and mark bits ---- */

enum which_bits { BITS_ALLOC, BITS_MARK, BITS_INLINE, BITS_KINDS };

struct bits {
    struct reading *r;
    uint32_t
        *order; /* spans by the address of their allocation bits: neighbours are read at once */
    uint64_t *allocated, *survived; /* columns */
    _Atomic uint64_t unreadable;
};

/* The bits of a span that were read, 64 at a time. */
struct span_bits {
    const uint8_t *p[BITS_KINDS]; /* NULL: not read */
    bool ok[BITS_KINDS];
};

static bool is_swept(const struct bits *b, const struct heap_span *s)
{
    uint32_t ahead = s->sweepgen - b->r->sweepgen; /* 3: swept, then cached */
    return ahead == 0 || ahead == 3;
}

static bool is_being_swept(const struct bits *b, const struct heap_span *s)
{
    return s->sweepgen - b->r->sweepgen == (uint32_t)-1;
}

/* Sets bits [0, n) of word w at bit `at` of a column; others may write to its neighbours. */
static void put_bits(uint64_t *column, uint64_t at, uint64_t w)
{
    if (!w)
        return;
    __atomic_fetch_or(&column[at / 64], w << at % 64, __ATOMIC_RELAXED);
    if (at % 64 && w >> (64 - at % 64))
        __atomic_fetch_or(&column[at / 64 + 1], w >> (64 - at % 64), __ATOMIC_RELAXED);
}

static uint64_t bits_at(const struct span_bits *sb, enum which_bits k, uint32_t i, uint32_t n)
{
    uint64_t w = 0;
    if (sb->ok[k])
        memcpy(&w, sb->p[k] + (k == BITS_INLINE ? INLINE_MARKS_AT : 0) + i / 8, (n + 7) / 8);
    return n < 64 ? w & ((UINT64_C(1) << n) - 1) : w;
}

/* Of slots [i, i + n) those below an index. */
static uint64_t below(uint32_t index, uint32_t i, uint32_t n)
{
    uint64_t k = index > i ? min_u64(index - i, n) : 0;
    return k < 64 ? (UINT64_C(1) << k) - 1 : UINT64_MAX;
}

/* A span in the middle of being swept may have its marks in either place (mgcsweep.go). */
static void put_span(struct bits *b, struct heap_span *s, const struct span_bits *sb)
{
    bool swept = is_swept(b, s), sweeping = is_being_swept(b, s), marked = false;
    bool unused_arena =
        (s->flags & SNAP_SPF_USER_ARENA) && (s->flags & SNAP_SPF_NO_POINTERS); /* freed */
    for (uint32_t i = 0; i < s->elems && !swept; i += 64) {
        uint32_t n = (uint32_t)min_u64(64, s->elems - i);
        marked |= bits_at(sb, BITS_MARK, i, n) || bits_at(sb, BITS_INLINE, i, n);
    }
    bool old_marks = swept || (sweeping && !marked && !s->free_index);
    for (uint32_t i = 0; i < s->elems && !unused_arena; i += 64) {
        uint32_t n = (uint32_t)min_u64(64, s->elems - i);
        uint64_t alloc = bits_at(sb, BITS_ALLOC, i, n);
        uint64_t marks = bits_at(sb, BITS_MARK, i, n) | bits_at(sb, BITS_INLINE, i, n);
        uint64_t survived = old_marks ? alloc : marks;
        alloc |= below(s->ready_index, i, n) | (marks & below(s->free_index, i, n));
        alloc |= sweeping ? marks : 0;
        s->allocated += (uint32_t)__builtin_popcountll(alloc);
        put_bits(b->allocated, (uint64_t)s->slot + i, alloc);
        put_bits(b->survived, (uint64_t)s->slot + i, survived & alloc);
    }
}

/* ---- reading the bits, a batch of spans at a time ---- */

struct piece {
    taddr addr;
    uint32_t n, at; /* bytes; where in the buffer */
    uint32_t span;  /* of the batch */
    enum which_bits kind;
};

struct bits_batch {
    VEC(struct piece) pieces;
    struct rt_batch read;
    struct span_bits *of; /* each span */
    uint8_t *buf;
    uint32_t size; /* of the buffer */
};

static void want_bits(struct bits_batch *x, size_t span, enum which_bits kind, taddr addr, size_t n)
{
    if (!addr)
        return;
    struct piece p = {addr, (uint32_t)n, x->size, (uint32_t)span, kind};
    vec_push(&x->pieces, p);
    x->size += (uint32_t)((n + 7) / 8 * 8);
}

static int by_piece_addr(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static struct err *read_bits(struct bits *b, struct bits_batch *x, size_t first, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const struct heap_span *s = &b->r->h->spans[b->order[first + k]];
        size_t size = (s->elems + 7) / 8;
        want_bits(x, k, BITS_ALLOC, s->alloc_bits, size);
        if (is_swept(b, s) && s->ready_index == s->free_index)
            continue;
        want_bits(x, k, BITS_MARK, s->mark_bits, size);
        if (s->flags & SNAP_SPF_INLINE_MARKS)
            want_bits(x, k, BITS_INLINE, s->addr + HEAP_PAGE - INLINE_BYTES, INLINE_BYTES);
    }
    if (!(x->buf = mem_try_alloc(x->size + 8)))
        return err_new(ERR_NOMEM, "no memory for the allocation bits of %zu spans", n);
    if (x->pieces.n)
        qsort(x->pieces.v, x->pieces.n, sizeof(*x->pieces.v), by_piece_addr);
    for (size_t i = 0; i < x->pieces.n; i++)
        rt_batch_add(&x->read, x->pieces.v[i].addr, x->buf + x->pieces.v[i].at, x->pieces.v[i].n);
    TRY(rt_batch_read(&x->read, b->r->t));
    for (size_t i = 0; i < x->pieces.n; i++) {
        const struct piece *p = &x->pieces.v[i];
        x->of[p->span].p[p->kind] = x->buf + p->at;
        x->of[p->span].ok[p->kind] = x->read.iov.v[i].ok;
        if (!x->read.iov.v[i].ok)
            atomic_fetch_add(&b->unreadable, 1);
    }
    return NULL;
}

static struct err *bits_job(void *arg, size_t job, unsigned worker)
{
    struct bits *b = arg;
    size_t first = job * BITS_BATCH, n = min_u64(BITS_BATCH, b->r->h->nspans - first);
    struct bits_batch x = {.of = mem_alloc(n * sizeof(*x.of))};
    struct err *e = read_bits(b, &x, first, n);
    for (size_t k = 0; !e && k < n; k++)
        put_span(b, &b->r->h->spans[b->order[first + k]], &x.of[k]);
    rt_batch_free(&x.read);
    vec_free(&x.pieces);
    free(x.buf);
    free(x.of);
    return e;
}

static int by_alloc_bits(const void *a, const void *b, void *arg)
{
    const struct heap_span *spans = arg;
    taddr x = spans[*(const uint32_t *)a].alloc_bits, y = spans[*(const uint32_t *)b].alloc_bits;
    return x < y ? -1 : x > y;
}

static struct err *read_all_bits(struct reading *r)
{
    struct heap *h = r->h;
    struct snap *s = h->c->s;
    TRY(snap_resize_slots64(s, ((size_t)h->nslots + 63) / 64));
    struct bits b = {.r = r, .allocated = s->slots64.allocated, .survived = s->slots64.survived};
    h->allocated = s->slots64.allocated;
    if (!(b.order = mem_try_alloc((h->nspans + 1) * sizeof(*b.order))))
        return err_new(ERR_NOMEM, "no memory for a list of %zu spans", h->nspans);
    for (size_t i = 0; i < h->nspans; i++)
        b.order[i] = (uint32_t)i;
    qsort_r(b.order, h->nspans, sizeof(*b.order), by_alloc_bits, h->spans);
    struct err *e = pool_run((h->nspans + BITS_BATCH - 1) / BITS_BATCH, bits_job, &b);
    free(b.order);
    heap_note_unread(h, b.unreadable, "allocation bits of spans", "not readable");
    return e;
}

/* ---- rows ---- */

static struct err *add_rows(struct reading *r)
{
    struct heap *h = r->h;
    struct snap *s = h->c->s;
    uint64_t objects = 0, bytes = 0;
    TRY(snap_resize_span(s, h->nspans));
    TRY(snap_resize_slot(s, h->nslots));
    TRY(snap_resize_scanslot(s, h->nscan));
    h->shape = s->slot.shape;
    for (size_t i = 0; i < h->nspans; i++) {
        const struct heap_span *p = &h->spans[i];
        s->span.addr[i] = p->addr;
        s->span.elem_size[i] = p->elem_size;
        s->span.slot[i] = p->slot;
        s->span.elems[i] = p->elems;
        s->span.pages[i] = p->pages;
        s->span.allocated[i] = p->allocated;
        s->span.sweepgen[i] = p->sweepgen;
        s->span.class[i] = p->spanclass;
        s->span.flags[i] = p->flags;
        objects += p->allocated;
        bytes += p->allocated * p->elem_size;
    }
    snap_set_counter(s, "heap.scan_slots", h->nscan);
    snap_set_counter(s, "heap.objects", (int64_t)objects);
    snap_set_counter(s, "heap.object_bytes", (int64_t)bytes);
    snap_set_counter(s, "heap.sweepgen", r->sweepgen);
    heap_note_unread(h, r->missed.unreadable, "spans of the heap", "the structure is not readable");
    heap_note_unread(h, r->missed.nonsense, "spans of the heap", "what they say makes no sense");
    return NULL;
}

static struct err *can_read(const struct rt *rt)
{
    const struct rt_layout *l = &rt->layout;
    if (!G(rt, mheap))
        return err_new(ERR_NOT_FOUND, "the runtime's heap (runtime.mheap_) was not found");
    if (!rt_has(l, RT_mheap_allspans) || !rt_has(l, RT_mspan_alloc_bits) ||
        !rt_has(l, RT_mspan_free_index) || l->size[RT_STRUCT_mspan] <= 0)
        return err_new(ERR_UNSUPPORTED, "where this release of Go keeps its heap is not known");
    return NULL;
}

struct err *heap_read_spans(struct heap *h)
{
    struct capture *c = h->c;
    struct reading r = {.h = h, .rt = c->rt, .t = c->t};
    TRY(can_read(c->rt));
    struct err *e = read_spans(&r);
    if (!e)
        e = order_spans(&r);
    vec_free(&r.spans);
    if (!e)
        e = number_slots(h);
    if (!e)
        e = make_pages(h);
    if (!e)
        e = read_arenas(&r);
    if (!e)
        e = read_all_bits(&r);
    return e ? e : add_rows(&r);
}

void heap_free_spans(struct heap *h)
{
    free(h->pages.top);
    free(h->pages.pages);
    free(h->pages.arena);
    free(h->pages.hot);
    free(h->spans);
    h->pages = (struct heap_pages){0};
    h->spans = NULL;
}
