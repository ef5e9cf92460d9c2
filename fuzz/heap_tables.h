/* heap_tables.h - a heap as the input says, for the fuzzers of heap/: objects, pointers, types and
 * roots, then some bytes of the tables overwritten.  What snap_check() refuses is no input. */
#ifndef GOSPECT_FUZZ_HEAP_TABLES_H
#define GOSPECT_FUZZ_HEAP_TABLES_H

#include "heap/make.h"

struct input {
    const uint8_t *p, *end;
};

static inline uint8_t take(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static inline uint32_t below(struct input *in, size_t n)
{
    return n ? take(in) % (uint32_t)n : 0;
}

/* A row, or none. */
static inline uint32_t maybe(struct input *in, size_t n)
{
    uint8_t v = take(in);
    return !n || v >= 200 ? SNAP_NONE : v % (uint32_t)n;
}

static inline void types(struct make_heap *h, struct input *in)
{
    struct snap *s = h->s;
    static const char *const names[] = {"key", "elem", "slots", "keys", "elems", "overflow", "a.B"};
    size_t n = below(in, 8), nfields = below(in, 8);
    for (size_t i = 0; i < n; i++) { /* one after the other: arguments have no order */
        int kind = 2 + (int)below(in, 25);
        uint8_t size = take(in);
        make_type(h, "main.T", kind, size, take(in));
    }
    for (size_t i = 0; i < nfields; i++) {
        uint32_t f = snap_add_field(s);
        s->field.name[f] = intern_add(&s->strings, names[below(in, 7)]);
        s->field.offset[f] = take(in);
        s->field.type[f] = maybe(in, n);
    }
    for (size_t i = 0; i < n; i++) {
        s->type.elem[i] = maybe(in, n);
        s->type.key[i] = maybe(in, n);
        s->type.internal[i] = maybe(in, n);
        s->type.count[i] = take(in);
        s->type.field[i] = below(in, nfields);
        s->type.fields[i] = below(in, nfields - s->type.field[i] + 1);
    }
    for (size_t i = below(in, 12); i; i--) {
        enum snap_form form = (enum snap_form)below(in, SNAP_FORM_COUNT);
        make_shape(h, form, maybe(in, n));
    }
}

static inline void roots(struct make_heap *h, struct input *in, uint32_t n)
{
    struct snap *s = h->s;
    for (uint32_t i = below(in, 4); i; i--)
        make_global(h, "main.g");
    for (uint32_t i = below(in, 4); i; i--) {
        uint32_t g = make_heap_goroutine(h, i);
        s->goroutine.addr[g] = MAKE_BASE + take(in) * UINT64_C(64);
    }
    for (uint32_t i = 0; i < s->global.n; i++)
        s->global.type[i] = maybe(in, s->type.n);
    for (uint32_t i = below(in, 9); i && n; i--) {
        enum snap_rootkind kind = (enum snap_rootkind)below(in, SNAP_ROOT_COUNT);
        uint32_t r = make_root(h, kind, below(in, n));
        s->root.global[r] = maybe(in, s->global.n);
        s->root.goroutine[r] = maybe(in, s->goroutine.n);
        s->root.addr[r] = 0x600000 + take(in);
    }
}

static inline void profile(struct snap *s, struct input *in)
{
    for (uint32_t i = below(in, 4); i; i--) {
        uint32_t b = snap_add_bucket(s);
        s->bucket.size[b] = take(in);
        s->bucket.allocs[b] = take(in);
        s->bucket.alloc_bytes[b] = take(in);
        s->bucket.frees[b] = take(in);
    }
    for (uint32_t i = below(in, 4); i && s->slot.n; i--) {
        uint32_t r = snap_add_special(s);
        s->special.kind[r] = SNAP_SPECIAL_PROFILE;
        s->special.slot[r] = below(in, s->slot.n);
        s->special.bucket[r] = maybe(in, s->bucket.n);
    }
    snap_set_counter(s, "memstats.num_gc", take(in) % 4);
}

/* Overwrites some bytes of the edges and of what points to them. */
static inline void spoil(struct snap *s, struct input *in)
{
    for (uint32_t i = take(in) % 8; i; i--) {
        uint32_t at = (uint32_t)take(in) << 8;
        at |= take(in);
        uint8_t v = take(in);
        if (v % 4 && s->edge.n)
            s->edge.byte[at % s->edge.n] = take(in);
        else if (s->scanslot.n)
            s->scanslot.edges[at % s->scanslot.n] = v;
    }
}

static inline struct snap *make_tables(struct input *in)
{
    struct make_heap h;
    make_heap_init(&h);
    types(&h, in);
    uint32_t n = take(in) % 40;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t what = take(in);
        uint32_t o = make_object(&h, 8 + what % 16 * 8, what & 16, below(in, h.s->shape.n));
        h.objects.v[o].survived = what & 32;
        h.objects.v[o].free = what >= 224;
    }
    for (uint32_t i = n ? take(in) % 80 : 0; i; i--) {
        uint32_t from = below(in, n), to = below(in, n);
        const struct make_span *sp = &h.spans.v[h.objects.v[from].span];
        struct make_edge e = {.from = from, .to = to, .type = maybe(in, h.s->type.n)};
        e.word = below(in, sp->size / 8);
        e.interior = take(in) & 1;
        bool taken = !sp->pointers;
        for (size_t k = 0; k < h.edges.n; k++)
            taken |= h.edges.v[k].from == from && h.edges.v[k].word == e.word;
        if (!taken)
            make_edge_of(&h, e);
    }
    roots(&h, in, n);
    struct snap *s = make_heap_done(&h);
    make_heap_free(&h);
    profile(s, in);
    spoil(s, in);
    return s;
}

#endif
