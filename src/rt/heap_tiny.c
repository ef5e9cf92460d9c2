/* heap_tiny.c - which byte of a tiny block a pointer means, where somebody waits in the block.
 *
 * Go: runtime/malloc.go mallocgcTiny (1.18-1.27): values without pointers and below 16 bytes share
 * blocks, a sync.Mutex among them.  A pointer to one of them keeps all, so "who can reach the lock"
 * needs the address itself, which the graph does not have: an edge says from which word to which
 * block.  Here the words that point into such blocks are read again, with the two behind them
 * (length and capacity, should it be a string or a slice), into the table word. */
#include <stdlib.h>

#include "base/bits.h"
#include "base/pool.h"
#include "rt/heap_int.h"
#include "snap/edges.h"

enum { CHUNK = 1 << 16, WORDS = 3 };

struct places {
    VEC(taddr) v;
};

struct search {
    struct heap *h;
    uint64_t *watched; /* bit per slot */
    struct places *chunk;
    size_t nchunks;
};

static struct err *search_chunk(void *arg, size_t i, unsigned worker)
{
    struct search *q = arg;
    const struct heap *h = q->h;
    uint32_t end = (uint32_t)min_u64((i + 1) * CHUNK, h->nscan);
    (void)worker;
    for (uint32_t slot = (uint32_t)i * CHUNK; slot < end; slot++) {
        struct snap_edges it;
        snap_edges_init(&it, h->c->s, slot);
        while (snap_edges_next(&it))
            if (it.flags & SNAP_EDGE_LEAF && bit_at(q->watched, it.target))
                vec_push(&q->chunk[i].v, heap_data_of(h, slot) + 8 * it.word);
    }
    return NULL;
}

/* The tiny blocks that somebody waits in; false: there are none. */
static bool watch(struct search *q)
{
    const struct snap *s = q->h->c->s;
    bool any = false;
    uint64_t offset;
    for (size_t i = 0; i < s->wait.n; i++) {
        uint32_t slot = heap_slot_at(q->h, s->wait.addr[i], &offset);
        if (slot == SNAP_NONE || !(heap_span_of(q->h, slot)->flags & SNAP_SPF_TINY))
            continue;
        bit_set(q->watched, slot);
        any = true;
    }
    return any;
}

/* Those of roots whose place is known go to a chunk of their own, the last. */
static void search_roots(struct search *q)
{
    const struct snap *s = q->h->c->s;
    for (size_t i = 0; i < s->root.n; i++) {
        uint32_t slot = s->root.slot[i];
        if (s->root.addr[i] && bit_at(q->watched, slot))
            vec_push(&q->chunk[q->nchunks - 1].v, s->root.addr[i]);
    }
}

static struct err *read_places(struct search *q)
{
    struct snap *s = q->h->c->s;
    size_t n = 0, at = 0;
    for (size_t i = 0; i < q->nchunks; i++)
        n += q->chunk[i].v.n * WORDS;
    taddr *addr = mem_try_alloc((n + 1) * sizeof(*addr));
    uint64_t *value = mem_try_alloc((n + 1) * sizeof(*value));
    bool *ok = mem_try_alloc(n + 1);
    struct err *e = addr && value && ok ? NULL : err_new(ERR_NOMEM, "no memory for %zu words", n);
    for (size_t i = 0; !e && i < q->nchunks; i++)
        for (size_t k = 0; k < q->chunk[i].v.n * WORDS; k++)
            addr[at++] = q->chunk[i].v.v[k / WORDS] + 8 * (k % WORDS);
    if (!e)
        e = rt_read_pieces(q->h->c->t, addr, n, sizeof(*value), (uint8_t *)value, ok);
    for (size_t i = 0; !e && i < n; i++) {
        if (!ok[i])
            continue;
        uint32_t row = snap_add_word(s);
        s->word.addr[row] = addr[i];
        s->word.value[row] = value[i];
    }
    free(ok);
    free(value);
    free(addr);
    return e;
}

struct err *heap_read_tiny(struct heap *h)
{
    struct search q = {.h = h, .nchunks = h->nscan / CHUNK + 2};
    struct err *e = NULL;
    q.watched = mem_try_alloc_huge((h->nslots / 64 + 1) * sizeof(*q.watched));
    if (!q.watched)
        return err_new(ERR_NOMEM, "no memory for %u objects", h->nslots);
    if (watch(&q)) {
        q.chunk = mem_alloc(q.nchunks * sizeof(*q.chunk));
        e = pool_run(q.nchunks - 1, search_chunk, &q);
        search_roots(&q);
        if (!e)
            e = read_places(&q);
        for (size_t i = 0; i < q.nchunks; i++)
            vec_free(&q.chunk[i].v);
        free(q.chunk);
    }
    free(q.watched);
    return e;
}
