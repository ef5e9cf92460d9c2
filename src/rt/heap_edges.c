/* heap_edges.c - the pointers between all objects: reads the spans that have pointers, a chunk at a
 * time on all cores, and appends what heap_scan.c makes of them to the table edge.
 *
 * Invariants: chunks are appended in the order of slots, whoever finishes first; a chunk that comes
 * too early waits in memory of its own size.  A very large object is read in parts by whoever has
 * it when its turn has come, and appended part by part, so that nothing is ever there twice.  Every
 * chunk is begun after all before it, so waiting for one's turn ends.
 *
 * Memory: the column grows by realloc(), which moves pages and copies nothing; the chunks being
 * read are about 2 MB for each core. */
#include "rt/heap_scan_int.h"

#include <stdlib.h>

#include "base/pool.h"

enum {
    CHUNK_BYTES = 1 << 20,
    BEFORE = 64, /* bytes before the memory: the last word of the part before this one */
    CHUNK_SPANS = CHUNK_BYTES / HEAP_PAGE,
    STREAM_BYTES = 4 << 20, /* larger spans are read in parts */
    COUNT_BYTES = 5,        /* of the number of edges of a streamed object: a uleb of that length */
};

struct chunk {
    uint32_t first, n; /* spans */
    uint8_t *early;    /* owned: its edges, when it was done before its turn */
    size_t early_n;
    bool done;
};

struct edges {
    struct heap *h;
    struct heap_raw_masks raw;
    struct heap_scan *workers;
    VEC(struct chunk) chunks;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    size_t next; /* chunk to be appended */
    bool failed;
    _Atomic uint64_t bytes;
    uint64_t total;
    _Atomic uint64_t unreadable; /* objects */
};

static uint64_t size_of(const struct heap_span *s)
{
    return (uint64_t)s->pages * HEAP_PAGE;
}

static void plan(struct edges *g)
{
    const struct heap *h = g->h;
    uint64_t bytes = 0;
    for (size_t i = 0; i < h->nscan_spans; i++) {
        uint64_t size = size_of(&h->spans[i]);
        if (!g->chunks.n || bytes + size > CHUNK_BYTES || vec_last(&g->chunks)->n == CHUNK_SPANS) {
            struct chunk c = {.first = (uint32_t)i};
            vec_push(&g->chunks, c);
            bytes = 0;
        }
        vec_last(&g->chunks)->n++;
        bytes += size;
        g->total += size;
    }
}

/* ---- reading ---- */

static void free_room(struct heap_scan *x)
{
    free(x->memory ? x->memory - BEFORE : NULL);
    free(x->bits);
    free(x->no_more);
    x->memory = x->bits = x->no_more = NULL;
}

static bool make_room(struct heap_scan *x, size_t bytes)
{
    if (bytes <= x->memory_cap)
        return true;
    free_room(x);
    uint8_t *memory = mem_try_alloc_huge(bytes + BEFORE);
    x->memory = memory ? memory + BEFORE : NULL;
    x->memory_cap = bytes;
    x->bits = mem_try_alloc_huge(bytes / 32 + 16);
    x->no_more = mem_try_alloc_huge(bytes / HEAP_NO_MORE_BYTES + 16);
    if (x->memory && x->bits && x->no_more)
        return true;
    x->memory_cap = 0;
    return false;
}

/* The bits of [addr, addr + n), the memory of which lies at `at`; a span may reach over several
 * arenas. */
static void want_bits(struct heap_scan *x, struct rt_batch *b, taddr addr, uint64_t n, size_t at)
{
    const struct rt_layout *l = &x->rt->layout;
    unsigned per = 8 * x->kind->words_per_byte;
    for (uint64_t take; n; n -= take, addr += take, at += take) {
        taddr arena = heap_arena_of(x->h, addr);
        uint64_t off = addr % HEAP_ARENA;
        take = min_u64(n, HEAP_ARENA - off);
        rt_batch_add(b, arena ? arena + (taddr)l->off[RT_heaparena_bitmap] + off / per : 0,
                     x->bits + at / per, take / per);
        if (rt_has(l, RT_heaparena_no_more_ptrs))
            rt_batch_add(b,
                         arena ? arena + (taddr)l->off[RT_heaparena_no_more_ptrs] +
                                     off / HEAP_NO_MORE_BYTES
                               : 0,
                         x->no_more + at / HEAP_NO_MORE_BYTES,
                         (take + HEAP_NO_MORE_BYTES - 1) / HEAP_NO_MORE_BYTES);
    }
}

/* Reads n bytes at addr to x->memory + at, with their bits. */
static bool read_piece(struct heap_scan *x, taddr addr, uint64_t n, size_t at, struct err **ret)
{
    struct rt_batch b = {0};
    bool ok = true;
    rt_batch_add(&b, addr, x->memory + at, n);
    if (x->kind->put)
        want_bits(x, &b, addr, n, at);
    *ret = rt_batch_read(&b, x->t);
    for (size_t i = 0; i < b.iov.n; i++)
        ok = ok && b.iov.v[i].ok;
    rt_batch_free(&b);
    return ok && !*ret;
}

/* Spans side by side are read in one go: *all tells whether everything could be read. */
static struct err *read_chunk(struct heap_scan *x, const struct heap_span *s, size_t n, bool *all)
{
    struct rt_batch b = {0};
    size_t at = 0, run;
    for (size_t i = 0; i < n; i += run) {
        uint64_t bytes = size_of(&s[i]);
        for (run = 1; i + run < n && s[i + run].addr == s[i].addr + bytes; run++)
            bytes += size_of(&s[i + run]);
        rt_batch_add(&b, s[i].addr, x->memory + at, bytes);
        if (x->kind->put)
            want_bits(x, &b, s[i].addr, bytes, at);
        at += bytes;
    }
    struct err *e = rt_batch_read(&b, x->t);
    *all = true;
    for (size_t i = 0; i < b.iov.n; i++)
        *all = *all && b.iov.v[i].ok;
    rt_batch_free(&b);
    return e;
}

/* ---- appending ---- */

/* Their edges were counted from the start of the chunk. */
static struct err *append(struct edges *g, const struct chunk *c, const uint8_t *bytes, size_t n)
{
    struct snap *s = g->h->c->s;
    const struct heap_span *first = &g->h->spans[c->first], *last = first + c->n - 1;
    uint32_t base = (uint32_t)s->edge.n, end = last->slot + last->elems;
    TRY(snap_append_edges(s, bytes, n));
    for (uint32_t i = first->slot; i < end; i++)
        if (s->scanslot.edges[i])
            s->scanslot.edges[i] += base;
    return NULL;
}

/* Appends what waited for this turn to come.  The lock is held. */
static struct err *append_early(struct edges *g)
{
    struct err *e = NULL;
    while (!e && g->next < g->chunks.n && g->chunks.v[g->next].done) {
        struct chunk *c = &g->chunks.v[g->next++];
        e = append(g, c, c->early, c->early_n);
        free(c->early);
        c->early = NULL;
    }
    return e;
}

static struct err *hand_in(struct edges *g, size_t number, const struct heap_scan *x)
{
    struct chunk *c = &g->chunks.v[number];
    struct err *e = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->next != number) {
        c->early = mem_try_alloc(x->n + 1);
        if (!c->early)
            e = err_new(ERR_NOMEM, "no memory for pointers");
        else
            memcpy(c->early, x->out, x->n);
        c->early_n = x->n;
        c->done = true;
    } else {
        g->next++;
        e = append(g, c, x->out, x->n);
        if (!e)
            e = append_early(g);
        pthread_cond_broadcast(&g->turn);
    }
    pthread_mutex_unlock(&g->lock);
    return e;
}

/* ---- a very large object ---- */

static bool await_turn(struct edges *g, size_t number)
{
    pthread_mutex_lock(&g->lock);
    while (g->next != number && !g->failed)
        pthread_cond_wait(&g->turn, &g->lock);
    bool failed = g->failed;
    pthread_mutex_unlock(&g->lock);
    return !failed;
}

static struct err *no_room(void)
{
    return err_new(ERR_NOMEM, "no memory for pointers");
}

/* The parts of an object whose turn has come: nobody else appends. */
static struct err *stream_parts(struct edges *g, struct heap_scan *x, const struct heap_span *s)
{
    struct snap *snap = g->h->c->s;
    static const uint8_t room[COUNT_BYTES];
    size_t start = snap->edge.n;
    bool ok = true;
    TRY(snap_append_edges(snap, room, sizeof(room)));
    for (uint64_t at = 0, n; ok && at < s->elem_size && !x->ended; at += n) {
        struct err *e;
        n = min_u64(CHUNK_BYTES, s->elem_size - at);
        memcpy(x->memory - 8, x->memory + CHUNK_BYTES - 8, 8);
        ok = read_piece(x, s->addr + at, (n + HEAP_PAGE - 1) / HEAP_PAGE * HEAP_PAGE, 0, &e);
        x->n = 0;
        if (ok)
            heap_scan_part(x, 0, at / 8, n / 8);
        if (!e && x->failed)
            e = no_room();
        if (!e)
            e = snap_append_edges(snap, x->out, x->n);
        if (!e && !x->worker)
            e = progress_step(g->h->c->o->progress, "heap", g->bytes + at, g->total);
        if (e)
            return e;
    }
    g->unreadable += !ok;
    if (!x->count)
        snap->edge.n = start;
    else
        snap->scanslot.edges[s->slot] = (uint32_t)start + 1;
    for (unsigned i = 0; x->count && i < COUNT_BYTES; i++)
        snap->edge.byte[start + i] =
            (uint8_t)((x->count >> 7 * i & 127) | (i + 1 < COUNT_BYTES ? 128 : 0));
    return NULL;
}

static struct err *stream(struct edges *g, size_t number, struct heap_scan *x)
{
    const struct heap_span *s = &g->h->spans[g->chunks.v[number].first];
    struct err *e = NULL;
    if (!await_turn(g, number))
        return NULL; /* another error ends everything */
    x->n = 0;
    if (heap_scan_begin(x, s))
        e = stream_parts(g, x, s);
    pthread_mutex_lock(&g->lock);
    g->next++;
    if (!e)
        e = append_early(g);
    pthread_cond_broadcast(&g->turn);
    pthread_mutex_unlock(&g->lock);
    return e;
}

/* ---- a chunk ---- */

static struct err *scan_chunk(struct edges *g, struct heap_scan *x, const struct chunk *c)
{
    const struct heap_span *s = &g->h->spans[c->first];
    bool all, ok = true;
    TRY(read_chunk(x, s, c->n, &all));
    x->n = 0;
    for (size_t i = 0, at = 0; i < c->n; at += size_of(&s[i]), i++) {
        struct err *e = NULL;
        if (!all)
            ok = read_piece(x, s[i].addr, size_of(&s[i]), at, &e);
        if (e)
            return e;
        if (ok)
            heap_scan_span(x, &s[i], at);
        else
            g->unreadable += s[i].allocated;
    }
    return x->failed ? no_room() : NULL;
}

static struct err *one_chunk(struct edges *g, size_t number, struct heap_scan *x)
{
    const struct chunk *c = &g->chunks.v[number];
    const struct heap_span *s = &g->h->spans[c->first];
    uint64_t bytes = 0;
    for (size_t i = 0; i < c->n; i++)
        bytes += size_of(&s[i]);
    if (!x->worker)
        TRY(progress_step(g->h->c->o->progress, "heap", g->bytes, g->total));
    struct err *e = NULL;
    if (!make_room(x, min_u64(bytes, max_u64(STREAM_BYTES, CHUNK_BYTES))))
        e = no_room();
    else if (bytes > STREAM_BYTES)
        e = stream(g, number, x);
    else if (!(e = scan_chunk(g, x, c)))
        e = hand_in(g, number, x);
    g->bytes += bytes;
    return e;
}

static struct err *job(void *arg, size_t number, unsigned worker)
{
    struct edges *g = arg;
    struct err *e = one_chunk(g, number, &g->workers[worker]);
    if (e) {
        pthread_mutex_lock(&g->lock);
        g->failed = true;
        pthread_cond_broadcast(&g->turn);
        pthread_mutex_unlock(&g->lock);
    }
    return e;
}

/* ---- all ---- */

static void open_workers(struct edges *g, const struct heap_bits_kind *kind)
{
    struct capture *c = g->h->c;
    taddr lo = UINT64_MAX, hi = 0;
    for (size_t i = 0; i < c->rt->nmodules; i++) {
        lo = min_u64(lo, c->rt->modules[i].minpc);
        hi = max_u64(hi, c->rt->modules[i].maxpc);
    }
    g->workers = mem_alloc(pool_width() * sizeof(*g->workers));
    for (unsigned i = 0; i < pool_width(); i++) {
        struct heap_scan *x = &g->workers[i];
        x->h = g->h;
        x->rt = c->rt;
        x->t = c->t;
        x->kind = kind;
        x->raw = &g->raw;
        x->worker = i;
        x->code_lo = lo;
        x->code_hi = max_u64(lo, hi);
    }
}

static int by_slot(const void *a, const void *b)
{
    const struct heap_closure *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void close_workers(struct edges *g)
{
    struct heap *h = g->h;
    uint64_t unknown = 0;
    for (unsigned i = 0; i < pool_width(); i++) {
        struct heap_scan *x = &g->workers[i];
        h->free_targets += x->free_targets;
        unknown += x->unknown;
        for (size_t k = 0; k < x->closures.n; k++)
            vec_push(&h->closures, x->closures.v[k]);
        vec_free(&x->closures);
        free_room(x);
        free(x->out);
    }
    free(g->workers);
    if (h->closures.n)
        qsort(h->closures.v, h->closures.n, sizeof(*h->closures.v), by_slot);
    heap_note_unread(h, unknown, "pointers of heap objects",
                     "which words are pointers could not be read");
    heap_note_unread(h, g->unreadable, "pointers of heap objects", "their memory is not readable");
}

static void free_edges(struct edges *g)
{
    for (size_t i = 0; i < g->chunks.n; i++)
        free(g->chunks.v[i].early);
    for (size_t i = 0; i < g->raw.masks.n; i++)
        free((void *)g->raw.masks.v[i].bits);
    vec_free(&g->chunks);
    vec_free(&g->raw.masks);
    map_free(&g->raw.at);
    pthread_mutex_destroy(&g->raw.lock);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->turn);
}

struct err *heap_read_edges(struct heap *h)
{
    const struct heap_bits_kind *kind = heap_bits_kind_of(&h->c->rt->layout);
    struct edges g = {.h = h};
    if (!kind)
        return err_new(ERR_UNSUPPORTED, "how this release of Go marks pointers is not known");
    pthread_mutex_init(&g.lock, NULL);
    pthread_mutex_init(&g.raw.lock, NULL);
    pthread_cond_init(&g.turn, NULL);
    plan(&g);
    open_workers(&g, kind);
    struct err *e = pool_run(g.chunks.n, job, &g);
    close_workers(&g);
    free_edges(&g);
    return e;
}
