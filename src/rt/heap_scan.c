/* heap_scan.c - which words of an object are pointers, and the edges they become.
 *
 * Go: runtime/mbitmap.go, four generations:
 *   1.18, 1.19  heapArena.bitmap: a byte for 4 words, low half: it is a pointer, high half: there
 * may be pointers from here on 1.20, 1.21  heapArena.bitmap: a bit a word; noMorePtrs: a bit for 64
 * words since 1.22  objects up to 512 bytes: a bit a word at the end of the span (128 bytes earlier
 * where mark bits are kept inline, since 1.25); larger ones: the mask of the type in the object's
 * header, repeated; large objects: of mspan.largeType Interfaces: the collector does not follow the
 * first word of an interface value, so it is a word without a bit before one with a bit.
 *
 * This is the innermost loop of a capture: a heap of 1 GiB has 20 million pointers.  An edge is
 * written as docs/formats/snapshot.md says; room for the largest possible one is made beforehand,
 * so that nothing is checked while writing. */
#include "rt/heap_scan_int.h"

#include <stdlib.h>

enum {
    EDGE_MAX = 1 + 10 + 5 + 5, /* bytes of an edge */
    EDGE_TYPED = 32,
    EDGE_INTERIOR = 64,
    EDGE_LEAF = 128,
    EDGE_WORDS = 31,
    COUNT_MAX = 5,
    INLINE_MARK_BYTES = 128,
    FIRST_WORD = 4096, /* smaller numbers are no addresses */
};

static inline uint64_t low_bits(uint64_t n)
{
    return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

static inline uint8_t *put_number(uint8_t *p, uint64_t v)
{
    for (; v > 127; v >>= 7)
        *p++ = (uint8_t)(v | 128);
    *p++ = (uint8_t)v;
    return p;
}

static bool reserve(struct heap_scan *x, uint64_t words)
{
    size_t need = x->n + words * EDGE_MAX + COUNT_MAX;
    if (need <= x->cap)
        return true;
    size_t cap = vec_grown_cap(x->cap, need);
    uint8_t *grown = x->failed ? NULL : realloc(x->out, cap);
    if (!grown) {
        x->failed = true;
        return false;
    }
    x->out = grown;
    x->cap = cap;
    return true;
}

/* ---- an object ---- */

static inline void begin(struct heap_scan *x, uint32_t slot)
{
    x->start = x->n++; /* room for a count below 128 */
    x->slot = x->last_target = slot;
    x->last_word = UINT64_MAX;
    x->count = 0;
    x->ended = false;
    x->first_mask = 0;
    x->after_pointer = true; /* nothing is before it that could be an interface's first word */
}

static inline void note_mask(struct heap_scan *x, uint32_t slot, uint64_t mask)
{
    if (mask != x->known_mask) {
        x->known_mask = mask;
        x->known_number = heap_mask_number(&x->h->masks, mask);
    }
    x->h->masks.number[slot] = x->known_number;
}

/* The count goes before the edges; it is seldom longer than a byte. */
static inline void end(struct heap_scan *x)
{
    uint32_t *edges = &x->h->c->s->scanslot.edges[x->slot];
    if (!x->count) {
        x->n = x->start;
        return;
    }
    uint8_t head[COUNT_MAX + 5];
    size_t n = (size_t)(put_number(head, x->count) - head);
    if (n > 1)
        memmove(x->out + x->start + n, x->out + x->start + 1, x->n - x->start - 1);
    memcpy(x->out + x->start, head, n);
    x->n += n - 1;
    *edges = (uint32_t)x->start + 1;
}

/* The type that the word before a pointer names, if they are an interface value. */
static inline uint32_t type_before(const struct heap_scan *x, const uint64_t *w)
{
    uint64_t v = w[-1];
    if (v < FIRST_WORD || v >> 47 || v & 7)
        return SNAP_NONE;
    return types_of_interface(x->h->types, v);
}

/* The pointers among the 64 words from w on, the first of which is word `word` of the object. */
static inline void put_words(struct heap_scan *x, const uint64_t *w, uint64_t word, uint64_t mask,
                             bool after_pointer)
{
    const struct heap *h = x->h;
    uint64_t no_type = mask << 1 | after_pointer;
    uint8_t *p = x->out + x->n;
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctzll(mask);
        uint64_t off;
        if (!w[i])
            continue;
        uint32_t target = heap_any_slot_at(h, w[i], &off);
        if (target == SNAP_NONE)
            continue;
        if (!heap_is_allocated(h, target)) {
            x->free_targets++;
            continue;
        }
        uint32_t type = no_type >> i & 1 ? SNAP_NONE : type_before(x, w + i);
        uint64_t step = word + i - x->last_word;
        int64_t ahead = (int64_t)target - x->last_target;
        *p++ = (uint8_t)((step < EDGE_WORDS ? step : EDGE_WORDS) |
                         (type != SNAP_NONE ? EDGE_TYPED : 0) | (off ? EDGE_INTERIOR : 0) |
                         (target >= h->nscan ? EDGE_LEAF : 0));
        if (step >= EDGE_WORDS)
            p = put_number(p, step);
        if (type != SNAP_NONE)
            p = put_number(p, type);
        p = put_number(p, (uint64_t)ahead << 1 ^ (uint64_t)(ahead >> 63));
        x->last_word = word + i;
        x->last_target = target;
        x->count++;
    }
    x->n = (size_t)(p - x->out);
}

/* ---- closures ---- */

static bool is_entry(struct heap_scan *x, taddr pc)
{
    struct pcln_func f;
    struct heap_known_pc *k = &x->pcs[hash_u64(pc) % ARRAY_LEN(x->pcs)];
    if (k->pc != pc)
        *k = (struct heap_known_pc){pc, rt_func_at(x->rt, pc, &f, NULL) && f.entry == pc};
    return k->entry;
}

/* Go: runtime/runtime2.go funcval: the first word is the code, what was captured follows.  A
 * pointer to an object is never code, so the bits need not be asked. */
static inline void note_closure(struct heap_scan *x, uint32_t slot, uint64_t word)
{
    if (word - x->code_lo >= x->code_hi - x->code_lo || !is_entry(x, word))
        return;
    struct heap_closure c = {slot, word};
    vec_push(&x->closures, c);
}

/* ---- masks of types ---- */

enum { SMALL_MASK = 32 };

/* A mask of few words is repeated until it fills most of 64. */
static void widen(struct heap_mask *m, uint64_t small[2])
{
    uint64_t bits;
    memcpy(&bits, m->bits, sizeof(bits));
    bits &= low_bits(m->ptr_words);
    while (m->words <= SMALL_MASK) {
        bits |= bits << m->words;
        m->ptr_words += m->words;
        m->words *= 2;
    }
    small[0] = bits;
    small[1] = 0;
    m->bits = (const uint8_t *)small;
}

/* Words [first, first + n) of an object that consists of values with this mask. */
static void put_tiled(struct heap_scan *x, const uint64_t *w, uint64_t first, uint64_t n,
                      const struct heap_mask *mask)
{
    struct heap_mask m = *mask;
    uint64_t small[2], in, take;
    if (m.words <= SMALL_MASK && n > m.words)
        widen(&m, small);
    in = first % m.words;
    for (uint64_t i = 0; i < n; i += take, in += take) {
        if (in >= m.ptr_words) {
            take = m.words - in;
            if (take > n - i)
                return;
            i += take;
            in = take = 0;
            continue;
        }
        uint64_t bits, left = min_u64(m.ptr_words - in, n - i);
        memcpy(&bits, m.bits + in / 8, sizeof(bits));
        bits >>= in % 8;
        take = min_u64(64 - in % 8, left);
        bits &= low_bits(take);
        bool after = !in || m.bits[(in - 1) / 8] >> (in - 1) % 8 & 1;
        put_words(x, w + i, first + i, bits, after);
    }
}

enum { RAW_BYTES_MAX = 64 << 20, RAW_ALL_MAX = 512 << 20 };

/* Reads a descriptor of which only what the collector needs is filled in. */
static struct heap_mask read_raw(struct heap_scan *x, taddr addr)
{
    const struct rt_layout *l = &x->rt->layout;
    uint8_t copy[128];
    size_t size = (size_t)l->size[RT_STRUCT_type];
    struct heap_mask m = {0}, none = {0};
    if (size > sizeof(copy) || addr & 7)
        return none;
    struct err *e = target_read(x->t, addr, copy, size);
    if (!e) {
        m.words = rt_get(l, copy, RT_type_size) / 8;
        m.ptr_words = rt_get(l, copy, RT_type_ptrdata) / 8;
        uint64_t n = (m.ptr_words + 7) / 8;
        uint8_t *bits = NULL;
        if (m.words && m.ptr_words <= m.words && n <= RAW_BYTES_MAX &&
            x->raw->bytes + n <= RAW_ALL_MAX)
            bits = mem_try_alloc(n + 8);
        m.bits = bits;
        if (bits && n)
            e = target_read(x->t, rt_get(l, copy, RT_type_gcdata), bits, n);
        x->raw->bytes += n;
    }
    if (!e && m.bits)
        return m;
    free((void *)m.bits);
    err_free(e);
    return none;
}

static bool raw_mask(struct heap_scan *x, taddr addr, struct heap_mask *ret)
{
    struct heap_raw_masks *r = x->raw;
    pthread_mutex_lock(&r->lock);
    uint32_t i = map_get(&r->at, addr);
    if (i == MAP_NONE) {
        i = (uint32_t)r->masks.n;
        struct heap_mask m = read_raw(x, addr);
        vec_push(&r->masks, m);
        map_put(&r->at, addr, i);
    }
    *ret = r->masks.v[i];
    pthread_mutex_unlock(&r->lock);
    return ret->words > 0;
}

/* The mask of the type at addr; notes what the object is. */
static bool mask_of(struct heap_scan *x, uint32_t slot, taddr addr, struct heap_mask *ret)
{
    uint32_t type = types_at(x->h->types, addr);
    if (type == SNAP_NONE)
        return raw_mask(x, addr, ret);
    const struct rt_typeinfo *i = types_get(x->h->types, type);
    x->h->shape[slot] = types_shape(x->h->types, SNAP_FORM_VALUE, type, SNAP_NONE, SNAP_EV_HEADER);
    *ret = (struct heap_mask){i->size / 8, i->ptr_bytes / 8, i->mask};
    return i->mask && ret->words;
}

/* ---- since 1.22 ---- */

static void span_with_bits(struct heap_scan *x, const struct heap_span *s, size_t at)
{
    const uint64_t *w = (const uint64_t *)(x->memory + at);
    uint64_t size = (uint64_t)s->pages * HEAP_PAGE, words = s->elem_size / 8;
    uint64_t end_of_bits = size - (s->flags & SNAP_SPF_INLINE_MARKS ? INLINE_MARK_BYTES : 0);
    const uint64_t *bits = w + (end_of_bits - size / 64) / 8;
    for (uint32_t i = 0; i < s->elems; i++, w += words) {
        uint32_t slot = s->slot + i;
        uint64_t b = i * words;
        if (!heap_is_allocated(x->h, slot))
            continue;
        uint64_t mask = bits[b / 64] >> b % 64;
        if (b % 64 + words > 64)
            mask |= bits[b / 64 + 1] << (64 - b % 64);
        note_closure(x, slot, *w);
        mask &= low_bits(words);
        note_mask(x, slot, mask);
        begin(x, slot);
        put_words(x, w, 0, mask, true);
        end(x);
    }
}

static void span_with_headers(struct heap_scan *x, const struct heap_span *s, size_t at)
{
    const uint64_t *w = (const uint64_t *)(x->memory + at);
    uint64_t words = s->elem_size / 8;
    for (uint32_t i = 0; i < s->elems; i++, w += words) {
        uint32_t slot = s->slot + i;
        struct heap_mask m;
        if (!heap_is_allocated(x->h, slot) || !*w)
            continue;
        if (!mask_of(x, slot, *w, &m)) {
            x->unknown++;
            continue;
        }
        note_closure(x, slot, w[1]);
        begin(x, slot);
        put_tiled(x, w + 1, 0, words - 1, &m);
        end(x);
    }
}

/* ---- arena bitmaps ---- */

/* 1.20, 1.21 */
static void put_one_bit(struct heap_scan *x, const uint64_t *w, uint64_t first, uint64_t n,
                        const uint8_t *bits, const uint8_t *no_more, uint64_t bit)
{
    uint64_t take;
    for (uint64_t i = 0; i < n && !x->ended; i += take, bit += take) {
        uint64_t mask, group = bit / 64;
        memcpy(&mask, bits + group * 8, sizeof(mask));
        take = min_u64(64 - bit % 64, n - i);
        mask = mask >> bit % 64 & low_bits(take);
        x->first_mask |= first + i < 64 ? mask << (first + i) : 0;
        put_words(x, w + i, first + i, mask, x->after_pointer);
        x->after_pointer = mask >> (take - 1) & 1;
        x->ended = no_more[group / 8] >> group % 8 & 1;
    }
}

/* 1.18, 1.19: the pointer bits of n words, and up to which of them pointers may come. */
static inline uint64_t two_bits(const uint8_t *bits, uint64_t bit, uint64_t n, uint64_t *ret_live)
{
    uint64_t pointers = 0, live = 0;
    for (; live < n; live++, bit++) {
        unsigned b = (unsigned)bits[bit / 4] >> bit % 4;
        if (!(b & 16))
            break;
        pointers |= (uint64_t)(b & 1) << live;
    }
    *ret_live = live;
    return pointers;
}

static void put_two_bits(struct heap_scan *x, const uint64_t *w, uint64_t first, uint64_t n,
                         const uint8_t *bits, const uint8_t *no_more, uint64_t bit)
{
    uint64_t take, live;
    for (uint64_t i = 0; i < n && !x->ended; i += take, bit += take) {
        take = min_u64(64, n - i);
        uint64_t mask = two_bits(bits, bit, take, &live);
        x->first_mask |= first + i < 64 ? mask << (first + i) : 0;
        put_words(x, w + i, first + i, mask, x->after_pointer);
        x->after_pointer = mask >> (take - 1) & 1;
        x->ended = live < take;
    }
}

static void put_arena(struct heap_scan *x, const uint64_t *w, uint64_t first, uint64_t n, size_t at,
                      uint64_t bit)
{
    x->kind->put(x, w, first, n, x->bits + at / 8 / x->kind->words_per_byte,
                 x->no_more + at / HEAP_NO_MORE_BYTES, bit);
}

static void span_of_arena(struct heap_scan *x, const struct heap_span *s, size_t at)
{
    const uint64_t *w = (const uint64_t *)(x->memory + at);
    uint64_t words = s->elem_size / 8;
    for (uint32_t i = 0; i < s->elems; i++, w += words) {
        uint32_t slot = s->slot + i;
        if (!heap_is_allocated(x->h, slot))
            continue;
        begin(x, slot);
        put_arena(x, w, 0, words, at, i * words);
        if (words <= HEAP_MASK_WORDS)
            note_mask(x, slot, x->first_mask);
        note_closure(x, slot, *w);
        end(x);
    }
}

/* ---- what there is ---- */

static const struct heap_bits_kind kinds[] = {
    {RT_mspan_large_type, 0, NULL},
    {RT_heaparena_no_more_ptrs, 8, put_one_bit},
    {RT_heaparena_bitmap, 4, put_two_bits},
};

const struct heap_bits_kind *heap_bits_kind_of(const struct rt_layout *l)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (rt_has(l, kinds[i].needs))
            return &kinds[i];
    return NULL;
}

bool heap_scan_begin(struct heap_scan *x, const struct heap_span *s)
{
    if (!heap_is_allocated(x->h, s->slot))
        return false;
    if (!x->kind->put && !s->large_type)
        return false; /* not initialised yet */
    if (!x->kind->put && !mask_of(x, s->slot, s->large_type, &x->mask)) {
        x->unknown++;
        return false;
    }
    begin(x, s->slot);
    return true;
}

void heap_scan_part(struct heap_scan *x, size_t at, uint64_t first, uint64_t n)
{
    const uint64_t *w = (const uint64_t *)(x->memory + at);
    if (!reserve(x, n))
        return;
    if (x->kind->put)
        put_arena(x, w, first, n, at, 0);
    else
        put_tiled(x, w, first, n, &x->mask);
}

void heap_scan_span(struct heap_scan *x, const struct heap_span *s, size_t at)
{
    if (!reserve(x, s->elems * (s->elem_size / 8 + 1)))
        return;
    if (s->flags & SNAP_SPF_LARGE) {
        if (heap_scan_begin(x, s)) {
            heap_scan_part(x, at, 0, s->elem_size / 8);
            end(x);
        }
    } else if (x->kind->put) {
        span_of_arena(x, s, at);
    } else if (s->flags & SNAP_SPF_HEADER) {
        span_with_headers(x, s, at);
    } else {
        span_with_bits(x, s, at);
    }
}
