/* check_heap.c - what readers of the heap's tables may rely on; called by snap_check().
 *
 * Spans: with pointers first, then those without; in each part by address; not overlapping; their
 * slots number through all slots.  The tables slot, slots64, scanslot have as many rows as that
 * makes.  Shapes and slots that are named exist.  Edges (docs/formats/snapshot.md): each object's
 * list lies inside the table, words ascend and lie inside the object, targets exist, bit 7 says
 * whether the target has pointers, types exist; the lists together are no longer than the table, so
 * that nobody can make a reader walk one list a million times.
 *
 * The edges are the bulk (100 MB for 15 million objects), so they are checked on all cores. */
#include <inttypes.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "snap/snap_int.h"

enum { PAGE = 8192, WORD = 8, SLOTS_AT_ONCE = 1 << 16 };

static struct err *bad(const char *column, size_t row, const char *what)
{
    return err_new(ERR_BAD_DATA, "column %s, row %zu: %s", column, row, what);
}

/* ---- spans ---- */

static uint64_t end_of(const struct snap *s, size_t r)
{
    return s->span.addr[r] + (uint64_t)s->span.pages[r] * PAGE;
}

static struct err *check_span(const struct snap *s, size_t r, uint64_t slot)
{
    uint64_t size = s->span.elem_size[r], bytes = (uint64_t)s->span.pages[r] * PAGE;
    if (s->span.slot[r] != slot)
        return bad("span.slot", r, "slots are not numbered through");
    if (!size || size % WORD || !s->span.elems[r] || bytes / size < s->span.elems[r])
        return bad("span.elems", r, "they do not fit into the pages");
    if (s->span.addr[r] > UINT64_MAX - bytes)
        return bad("span.addr", r, "it ends behind all memory");
    return NULL;
}

/* The two parts, merged by address: no span begins before the one below ends. */
static struct err *check_overlap(const struct snap *s, size_t scan)
{
    size_t i = 0, j = scan, n = s->span.n;
    uint64_t end = 0;
    while (i < scan || j < n) {
        bool first = j == n || (i < scan && s->span.addr[i] <= s->span.addr[j]);
        size_t r = first ? i++ : j++;
        if (s->span.addr[r] < end)
            return bad("span.addr", r, "it overlaps another one, or is not in order");
        end = end_of(s, r);
    }
    return NULL;
}

static struct err *check_spans(const struct snap *s, uint32_t *nscan)
{
    uint64_t slot = 0, scan = 0, pages = 0;
    size_t scan_spans = 0;
    for (size_t r = 0; r < s->span.n; r++) {
        TRY(check_span(s, r, slot));
        slot += s->span.elems[r];
        pages += s->span.pages[r];
        if (s->span.flags[r] & SNAP_SPF_NO_POINTERS)
            continue;
        if (scan_spans++ != r)
            return bad("span.flags", r, "a span with pointers behind one without");
        scan = slot;
    }
    TRY(check_overlap(s, scan_spans));
    if (slot != s->slot.n)
        return bad("slot.shape", s->slot.n, "the spans have another number of slots");
    if (s->slots64.n != (slot + 63) / 64)
        return bad("slots64.allocated", s->slots64.n, "the spans have another number of slots");
    if (s->scanslot.n != scan)
        return bad("scanslot.edges", s->scanslot.n,
                   "the spans have another number of slots with pointers");
    if (s->memory.n && s->memory.n != pages * (PAGE / WORD))
        return bad("memory.word", s->memory.n, "the spans have another size");
    *nscan = (uint32_t)scan;
    return NULL;
}

/* ---- small columns ---- */

static struct err *check_slots_named(const char *column, const uint32_t *v, size_t n, size_t nslots)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] >= nslots)
            return bad(column, i, "there is no such slot");
    return NULL;
}

static struct err *check_shapes(const struct snap *s)
{
    uint32_t limit = s->shape.n ? (uint32_t)s->shape.n : 1;
    for (size_t i = 0; i < s->slot.n; i++)
        if (s->slot.shape[i] >= limit)
            return bad("slot.shape", i, "there is no such shape");
    return NULL;
}

static struct err *check_roots(const struct snap *s)
{
    for (size_t i = 1; i < s->root.n; i++)
        if (s->root.kind[i] < s->root.kind[i - 1])
            return bad("root.kind", i, "the rows are not in order");
    return check_slots_named("root.slot", s->root.slot, s->root.n, s->slot.n);
}

/* ---- edges ---- */

struct edges {
    const struct snap *s;
    uint32_t nscan, nslots;
    atomic_uint_fast64_t bytes; /* of all lists */
};

struct list {
    const uint8_t *p, *end;
    bool cut;
};

static inline uint64_t uleb(struct list *l)
{
    uint64_t v = 0;
    for (unsigned shift = 0; l->p < l->end && shift < 63; shift += 7) {
        uint8_t b = *l->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    l->cut = true;
    return 0;
}

static const char *check_edge(const struct edges *c, struct list *l, uint64_t *word,
                              int64_t *target, uint64_t words)
{
    uint8_t head = l->p < l->end ? *l->p++ : 0;
    uint64_t step = head & 31;
    if (step == 31)
        step = uleb(l);
    if (head & 32 && uleb(l) >= c->s->type.n)
        return "there is no such type";
    uint64_t zigzag = uleb(l);
    int64_t delta = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    if (l->cut)
        return "the list does not end inside the table";
    if (!step || step > words || (*word += step) > words) /* counted from 1 here */
        return "a word lies outside of the object";
    if (zigzag > UINT64_C(1) << 33)
        return "there is no such slot";
    *target += delta;
    if (*target < 0 || *target >= c->nslots)
        return "there is no such slot";
    return (head >> 7) == (*target >= c->nscan) ? NULL : "bit 7 does not agree with the target";
}

static const char *check_list(struct edges *c, uint32_t slot, uint64_t words, uint64_t *bytes)
{
    const struct snap *s = c->s;
    uint32_t at = s->scanslot.edges[slot];
    if (at > s->edge.n)
        return "it lies outside of the table";
    struct list l = {.p = s->edge.byte + at - 1, .end = s->edge.byte + s->edge.n};
    uint64_t word = 0, n = uleb(&l);
    int64_t target = slot;
    for (; n && !l.cut; n--) {
        const char *wrong = check_edge(c, &l, &word, &target, words);
        if (wrong)
            return wrong;
    }
    *bytes += (uint64_t)(l.p - (s->edge.byte + at - 1));
    return l.cut ? "the list does not end inside the table" : NULL;
}

/* The row of the span a scan slot lies in. */
static size_t span_of(const struct snap *s, uint32_t slot)
{
    size_t lo = 0, hi = s->span.n;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->span.slot[mid] <= slot)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

static struct err *check_block(void *arg, size_t i, unsigned worker)
{
    struct edges *c = arg;
    const struct snap *s = c->s;
    uint32_t slot = (uint32_t)(i * SLOTS_AT_ONCE);
    uint32_t end = (uint32_t)min_u64((uint64_t)slot + SLOTS_AT_ONCE, c->nscan);
    uint64_t bytes = 0, limit = s->edge.n;
    for (size_t r = span_of(s, slot); slot < end; slot++) {
        while (slot >= s->span.slot[r] + s->span.elems[r])
            r++;
        if (!s->scanslot.edges[slot])
            continue;
        const char *wrong = check_list(c, slot, s->span.elem_size[r] / WORD, &bytes);
        if (!wrong && bytes > limit)
            wrong = "the lists are longer than the table";
        if (wrong)
            return bad("scanslot.edges", slot, wrong);
    }
    if (atomic_fetch_add(&c->bytes, bytes) + bytes > limit)
        return bad("scanslot.edges", end - 1, "the lists are longer than the table");
    return NULL;
}

struct err *snap_check_heap(const struct snap *s)
{
    struct edges c = {.s = s, .nslots = (uint32_t)s->slot.n};
    TRY(check_spans(s, &c.nscan));
    TRY(check_shapes(s));
    TRY(check_roots(s));
    TRY(check_slots_named("special.slot", s->special.slot, s->special.n, s->slot.n));
    return pool_run(((size_t)c.nscan + SLOTS_AT_ONCE - 1) / SLOTS_AT_ONCE, check_block, &c);
}
