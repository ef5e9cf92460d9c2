/* heap_memory.c - what is in the objects: the words of all spans, for --with-memory, or of one
 * object.
 *
 * They are read right into the column, on all cores, so there is never a second copy.  What cannot
 * be read is zero, and counted. */
#include <stdlib.h>

#include "base/pool.h"
#include "rt/heap_int.h"

enum {
    PIECE_BYTES = 4 << 20,
    OBJECT_WORDS = 4096, /* of one object; a larger one is cut, and that is noted */
    BEHIND_WORDS = 16,   /* of what a word of it points to: enough for a name */
};

struct piece {
    taddr addr;
    uint64_t word; /* of the column */
    uint32_t bytes;
};

struct memory {
    struct heap *h;
    VEC(struct piece) pieces;
    _Atomic uint64_t done, unreadable;
    uint64_t total;
};

static bool has_memory(const struct heap_span *s)
{
    return s->allocated || !(s->flags & SNAP_SPF_USER_ARENA); /* freed ones fault */
}

/* Spans side by side are one piece, as far as it is not too long. */
static void plan(struct memory *m)
{
    const struct heap *h = m->h;
    for (size_t i = 0; i < h->nspans; i++) {
        const struct heap_span *s = &h->spans[i];
        uint64_t size = (uint64_t)s->pages * HEAP_PAGE;
        for (uint64_t at = 0, n; at < size && has_memory(s); at += n) {
            struct piece *last = m->pieces.n ? vec_last(&m->pieces) : NULL;
            uint64_t word = (m->total + at) / 8;
            n = min_u64(size - at, PIECE_BYTES);
            if (last && last->addr + last->bytes == s->addr + at &&
                last->word + last->bytes / 8 == word && last->bytes + n <= PIECE_BYTES) {
                last->bytes += (uint32_t)n;
            } else {
                struct piece p = {s->addr + at, word, (uint32_t)n};
                vec_push(&m->pieces, p);
            }
        }
        m->total += size;
    }
}

/* Page by page, when not all of it can be read. */
static struct err *read_pages(struct memory *m, const struct piece *p, uint8_t *dst)
{
    struct rt_batch b = {0};
    for (uint32_t at = 0; at < p->bytes; at += HEAP_PAGE)
        rt_batch_add(&b, p->addr + at, dst + at, HEAP_PAGE);
    struct err *e = rt_batch_read(&b, m->h->c->t);
    for (size_t i = 0; !e && i < b.iov.n; i++)
        m->unreadable += !b.iov.v[i].ok;
    rt_batch_free(&b);
    return e;
}

static struct err *read_piece(void *arg, size_t i, unsigned worker)
{
    struct memory *m = arg;
    const struct piece *p = &m->pieces.v[i];
    struct capture *c = m->h->c;
    uint8_t *dst = (uint8_t *)(c->s->memory.word + p->word);
    struct target_iov iov = {.addr = p->addr, .n = p->bytes, .dst = dst};
    if (!worker)
        TRY(progress_step(c->o->progress, "memory of the heap", m->done, m->total));
    TRY(target_readv(c->t, &iov, 1));
    if (!iov.ok)
        TRY(read_pages(m, p, dst));
    m->done += p->bytes;
    return NULL;
}

struct err *heap_read_memory(struct heap *h)
{
    struct memory m = {.h = h};
    plan(&m);
    struct err *e = snap_resize_memory(h->c->s, m.total / 8);
    if (!e)
        e = pool_run(m.pieces.n, read_piece, &m);
    if (m.unreadable)
        snap_note_missing(h->c->s, m.unreadable, "pages of the heap",
                          "their memory is not readable");
    vec_free(&m.pieces);
    return e;
}

/* ---- one object ---- */

static void add_words(struct snap *s, taddr addr, const uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t row = snap_add_word(s);
        s->word.addr[row] = addr + 8 * i;
        s->word.value[row] = v[i];
    }
}

/* What the words point to, wherever it lies: strings are often in the program. */
static struct err *read_behind(struct heap *h, const uint64_t *v, size_t n)
{
    uint64_t(*behind)[BEHIND_WORDS] = mem_try_alloc_huge(n * sizeof(*behind));
    struct rt_batch b = {0};
    if (!behind)
        return err_new(ERR_NOMEM, "no memory for what an object points to");
    for (size_t i = 0; i < n; i++)
        if (v[i] >= HEAP_PAGE && v[i] >> 47 == 0) /* may be an address */
            rt_batch_add(&b, v[i] & ~UINT64_C(7), behind[i], sizeof(behind[i]));
    struct err *e = rt_batch_read(&b, h->c->t);
    for (size_t i = 0; !e && i < b.iov.n; i++)
        if (b.iov.v[i].ok)
            add_words(h->c->s, b.iov.v[i].addr, b.iov.v[i].dst, BEHIND_WORDS);
    rt_batch_free(&b);
    free(behind);
    return e;
}

struct err *heap_read_object(struct heap *h, taddr addr)
{
    uint64_t offset;
    uint32_t slot = heap_slot_at(h, addr, &offset);
    if (slot == SNAP_NONE)
        return NULL; /* who asked for it will be told */
    const struct heap_span *span = heap_span_of(h, slot);
    taddr start = span->addr + (uint64_t)(slot - span->slot) * span->elem_size;
    size_t n = (size_t)min_u64(span->elem_size / 8, OBJECT_WORDS);
    uint64_t *v = mem_alloc(n * 8);
    struct err *e = target_read(h->c->t, start, v, n * 8);
    if (e) {
        snap_note_missing(h->c->s, 1, "what is in the object", err_message(e));
        err_free(e);
        free(v);
        return NULL;
    }
    if (n < span->elem_size / 8)
        snap_note_missing(h->c->s, span->elem_size - 8 * n, "bytes of the object",
                          "it is larger than what is read of one object");
    add_words(h->c->s, start, v, n);
    e = read_behind(h, v, n);
    free(v);
    return e;
}
