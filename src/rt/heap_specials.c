/* heap_specials.c - what the runtime keeps beside objects: the table special, and roots of the
 * kinds SPECIAL, QUEUE and OTHER.
 *
 * Go: runtime/mheap.go special, specialfinalizer, specialWeakHandle (1.23+), specialCleanup
 * (1.24+), specialprofile, specialPinCounter (1.21+); runtime/mgcmark.go markrootSpans,
 * gcScanFinalizer, gcScanCleanup, markroot (allfin; cleanup queue 1.25+), gcMarkTinyAllocs
 * (1.18-1.27).
 *
 * What the garbage collector makes of them, and so do we:
 *   finalizer   its function is kept, and everything that the object refers to, but not the object:
 *               one root for the function and one for each pointer in the object
 *   weak        the handle is kept, the object is not
 *   cleanup     its function and argument are kept (until 1.25 they are one closure), the object
 *               is not
 *   profile     nothing
 *   pinned      nothing: runtime.Pinner keeps what it pins by pointers of its own.  Only objects
 *               that are pinned more than once have such a record
 * A tiny block that is being filled is kept by the cache of its P until the next collection ends.
 *
 * Lists are read one link of all spans at a time, so that a million of them are not as many reads
 * one after the other. */
#include <stdlib.h>

#include "rt/heap_roots_int.h"
#include "snap/edges.h"

enum { SPECIALS_MAX = 1 << 28, ROUNDS_MAX = 1 << 20, BLOCKS_MAX = 1 << 20, FINALIZER_WORDS = 5 };

struct special {
    taddr addr;
    uint64_t offset; /* in the span */
    uint32_t span;
    uint8_t kind; /* the release's number */
};

struct specials {
    struct heap *h;
    const struct rt_layout *l;
    VEC(struct special) v;
    uint64_t unreadable, dead;
};

static enum snap_specialkind kind_of(const struct rt_layout *l, int64_t kind)
{
    static const struct {
        enum rt_constant is;
        enum snap_specialkind kind;
    } known[] = {{RT_IS_special_finalizer, SNAP_SPECIAL_FINALIZER},
                 {RT_IS_special_cleanup, SNAP_SPECIAL_CLEANUP},
                 {RT_IS_special_weak, SNAP_SPECIAL_WEAK},
                 {RT_IS_special_profile, SNAP_SPECIAL_PROFILE},
                 {RT_IS_special_pin, SNAP_SPECIAL_PINNED}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (l->constant[known[i].is] == kind)
            return known[i].kind;
    return SNAP_SPECIAL_OTHER;
}

/* ---- the lists ---- */

/* The next record of each list; what was the end of its list is left out. */
static struct err *read_round(struct specials *s, taddr *at, uint32_t *span, size_t *n)
{
    size_t size = (size_t)s->l->size[RT_STRUCT_special], left = 0;
    uint8_t *copies = mem_try_alloc(*n * size);
    bool *ok = mem_alloc(*n);
    struct err *e = copies ? rt_read_pieces(s->h->c->t, at, *n, size, copies, ok)
                           : err_new(ERR_NOMEM, "no memory for %zu specials", *n);
    for (size_t i = 0; !e && i < *n; i++) {
        const uint8_t *copy = copies + i * size;
        struct special x = {.addr = at[i],
                            .offset = rt_get(s->l, copy, RT_special_offset),
                            .span = span[i],
                            .kind = (uint8_t)rt_get(s->l, copy, RT_special_kind)};
        taddr next = ok[i] ? rt_get(s->l, copy, RT_special_next) : 0;
        s->unreadable += !ok[i];
        if (ok[i])
            vec_push(&s->v, x);
        if (next) {
            at[left] = next;
            span[left++] = span[i];
        }
    }
    free(copies);
    free(ok);
    *n = left;
    return e;
}

static struct err *read_lists(struct specials *s)
{
    struct heap *h = s->h;
    taddr *at = mem_try_alloc(h->nspans * sizeof(*at) + 1);
    uint32_t *span = mem_try_alloc(h->nspans * sizeof(*span) + 1);
    struct err *e = at && span ? NULL : err_new(ERR_NOMEM, "no memory for %zu spans", h->nspans);
    size_t n = 0;
    for (size_t i = 0; !e && i < h->nspans; i++) {
        if (h->spans[i].specials) {
            at[n] = h->spans[i].specials;
            span[n++] = (uint32_t)i;
        }
    }
    for (size_t i = 0; !e && n && i < ROUNDS_MAX; i++) {
        e = read_round(s, at, span, &n);
        if (!e && s->v.n > SPECIALS_MAX)
            e = err_new(ERR_BAD_DATA, "the lists of specials make no sense");
    }
    free(at);
    free(span);
    return e;
}

static int by_place(const void *a, const void *b)
{
    const struct special *x = a, *y = b;
    if (x->span != y->span)
        return x->span < y->span ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

/* ---- roots ---- */

static void add_root(struct heap *h, enum snap_rootkind kind, taddr at, taddr v)
{
    struct snap *s = h->c->s;
    uint64_t offset;
    uint32_t slot = v ? heap_slot_at(h, v, &offset) : SNAP_NONE;
    if (slot == SNAP_NONE)
        return;
    uint32_t row = snap_add_root(s);
    s->root.kind[row] = (uint8_t)kind;
    s->root.flags[row] = offset ? SNAP_RF_INTERIOR : 0;
    s->root.slot[row] = slot;
    s->root.addr[row] = at;
}

/* What the pointers of an object lead to. */
static void add_referents(struct heap *h, uint32_t slot)
{
    struct snap *s = h->c->s;
    struct snap_edges it;
    taddr data = heap_data_of(h, slot);
    snap_edges_init(&it, s, slot);
    while (snap_edges_next(&it)) {
        uint32_t row = snap_add_root(s);
        s->root.kind[row] = SNAP_ROOT_SPECIAL;
        s->root.flags[row] = it.flags & SNAP_EDGE_INTERIOR ? SNAP_RF_INTERIOR : 0;
        s->root.slot[row] = it.target;
        s->root.addr[row] = data + 8 * it.word;
    }
}

static uint64_t word_at(struct specials *s, taddr at)
{
    uint64_t v = 0;
    struct err *e = target_read_u64(s->h->c->t, at, &v);
    s->unreadable += e != NULL;
    err_free(e);
    return v;
}

/* The code of a func value. */
static uint32_t code_of(struct specials *s, taddr fn)
{
    return fn ? symbols_pc(s->h->c->symbols, word_at(s, fn), false) : SNAP_NONE;
}

#define AT(s, x, f) ((x)->addr + (taddr)(s)->l->off[RT_##f])

/* Adds the roots of one record; returns the function it will call. */
static uint32_t take(struct specials *s, const struct special *x, enum snap_specialkind kind,
                     uint32_t slot)
{
    struct heap *h = s->h;
    taddr fn = 0;
    if (kind == SNAP_SPECIAL_FINALIZER && rt_has(s->l, RT_specialfinalizer_fn)) {
        fn = word_at(s, AT(s, x, specialfinalizer_fn));
        add_root(h, SNAP_ROOT_SPECIAL, AT(s, x, specialfinalizer_fn), fn);
        add_referents(h, slot);
    } else if (kind == SNAP_SPECIAL_WEAK && rt_has(s->l, RT_specialweak_handle)) {
        add_root(h, SNAP_ROOT_SPECIAL, AT(s, x, specialweak_handle),
                 word_at(s, AT(s, x, specialweak_handle)));
    } else if (kind == SNAP_SPECIAL_CLEANUP && rt_has(s->l, RT_specialcleanup_fn)) {
        fn = word_at(s, AT(s, x, specialcleanup_fn));
        add_root(h, SNAP_ROOT_SPECIAL, AT(s, x, specialcleanup_fn), fn);
    } else if (kind == SNAP_SPECIAL_CLEANUP && rt_has(s->l, RT_specialcleanup_cleanup_fn)) {
        taddr at = AT(s, x, specialcleanup_cleanup_fn); /* call, fn, arg */
        fn = word_at(s, at);
        for (int i = -1; i <= 1; i++)
            add_root(h, SNAP_ROOT_SPECIAL, at + (taddr)(8 * i), word_at(s, at + (taddr)(8 * i)));
    }
    return code_of(s, fn);
}

/* The row of the profile's bucket (profile.c). */
static uint32_t bucket_of(struct specials *s, const struct special *x)
{
    uint32_t row = map_get(&s->h->c->bucket_at, word_at(s, AT(s, x, specialprofile_bucket)));
    return row == MAP_NONE ? SNAP_NONE : row;
}

static void add_specials(struct specials *s)
{
    struct snap *snap = s->h->c->s;
    for (size_t i = 0; i < s->v.n; i++) {
        const struct special *x = &s->v.v[i];
        const struct heap_span *span = &s->h->spans[x->span];
        uint64_t index = span->elem_size ? x->offset / span->elem_size : 0, offset;
        taddr object = span->addr + index * span->elem_size;
        uint32_t slot = heap_slot_at(s->h, object, &offset);
        if (index >= span->elems || slot == SNAP_NONE) {
            s->dead++;
            continue;
        }
        enum snap_specialkind kind = kind_of(s->l, x->kind);
        uint32_t func = take(s, x, kind, slot), row = snap_add_special(snap);
        uint64_t in = span->addr + x->offset - heap_data_of(s->h, slot);
        if (kind == SNAP_SPECIAL_PROFILE && rt_has(s->l, RT_specialprofile_bucket))
            snap->special.bucket[row] = bucket_of(s, x);
        snap->special.kind[row] = (uint8_t)kind;
        snap->special.slot[row] = slot;
        snap->special.offset[row] = in < span->elem_size ? (uint32_t)in : 0;
        snap->special.func[row] = func;
    }
}

/* ---- queues ---- */

/* A list of blocks off the heap, each an array of records of `size` bytes; those words of a record
 * whose bit is set in `mask` are pointers. */
struct queue {
    taddr first;
    enum rt_struct block;
    enum rt_field next, count, records;
    size_t size;
    unsigned mask;
};

static struct err *read_queue(struct specials *s, const struct queue *q)
{
    size_t block = (size_t)s->l->size[q->block];
    taddr at = q->first;
    if (s->l->size[q->block] <= 0 || !rt_has(s->l, q->records))
        return NULL;
    uint8_t *copy = mem_alloc(block);
    struct err *e = NULL;
    for (int i = 0; !e && at && i < BLOCKS_MAX; i++) {
        e = target_read(s->h->c->t, at, copy, block);
        uint64_t n = e ? 0 : rt_get(s->l, copy, q->count);
        n = min_u64(n, s->l->width[q->records] / q->size);
        for (uint64_t k = 0; k < n; k++) {
            size_t off = (size_t)s->l->off[q->records] + k * q->size;
            for (size_t w = 0; w < q->size / 8; w++) {
                uint64_t v;
                memcpy(&v, copy + off + 8 * w, 8);
                if (q->mask >> w & 1)
                    add_root(s->h, SNAP_ROOT_QUEUE, at + off + 8 * w, v);
            }
        }
        at = e ? 0 : rt_get(s->l, copy, q->next);
    }
    free(copy);
    return e;
}

/* Finalizers: fn, arg, nret, fint, ot.  Cleanups: a closure each in 1.25, call, fn, arg later. */
static struct err *read_queues(struct specials *s)
{
    struct rt *rt = s->h->c->rt;
    bool closures = s->l->size[RT_STRUCT_cleanupfn] <= 0;
    struct queue finalizers = {0,
                               RT_STRUCT_finblock,
                               RT_finblock_alllink,
                               RT_finblock_cnt,
                               RT_finblock_fin,
                               8 * FINALIZER_WORDS,
                               0x1b};
    struct queue cleanups = {0,
                             RT_STRUCT_cleanupblock,
                             RT_cleanupblock_alllink,
                             RT_cleanupblock_n,
                             RT_cleanupblock_cleanups,
                             closures ? 8 : (size_t)s->l->size[RT_STRUCT_cleanupfn],
                             closures ? 1 : 7};
    if (G(rt, allfin))
        TRY(target_read_u64(s->h->c->t, G(rt, allfin), &finalizers.first));
    else
        heap_note_unread(s->h, 1, "queue of finalizers", "the variable was not found");
    TRY(read_queue(s, &finalizers));
    if (!rt_has(s->l, RT_cleanupqueue_all))
        return NULL;
    if (G(rt, cleanups))
        TRY(target_read_u64(s->h->c->t, G(rt, cleanups) + (taddr)L(rt, cleanupqueue_all),
                            &cleanups.first));
    else
        heap_note_unread(s->h, 1, "queue of cleanups", "the variable was not found");
    return read_queue(s, &cleanups);
}

static void read_tiny_blocks(struct specials *s)
{
    struct capture *c = s->h->c;
    if (!rt_has(s->l, RT_p_mcache) || !rt_has(s->l, RT_mcache_tiny))
        return;
    for (size_t i = 0; i < c->nps; i++) {
        taddr cache = word_at(s, c->ps[i].addr + (taddr)L(c->rt, p_mcache));
        taddr at = cache + (taddr)L(c->rt, mcache_tiny);
        if (cache)
            add_root(s->h, SNAP_ROOT_OTHER, at, word_at(s, at));
    }
}

struct err *heap_read_specials(struct heap *h)
{
    struct specials s = {.h = h, .l = &h->c->rt->layout};
    struct err *e = NULL;
    if (s.l->size[RT_STRUCT_special] > 0)
        e = read_lists(&s);
    if (!e && s.v.n) {
        qsort(s.v.v, s.v.n, sizeof(*s.v.v), by_place);
        add_specials(&s);
    }
    if (!e)
        e = read_queues(&s);
    if (!e)
        read_tiny_blocks(&s);
    heap_note_unread(h, s.unreadable, "finalizers, cleanups and the like",
                     "the memory is not readable");
    vec_free(&s.v);
    return e;
}
