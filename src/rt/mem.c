/* mem.c - reading a target's memory in bulk.
 *
 * A system call costs about as much as copying some KiB, and from a frozen copy every piece is a
 * call of its own.  Structures of one kind come from spans of their size class, so neighbours are
 * read together, with the small gaps between them. */
#include <stdlib.h>

#include "base/pool.h"
#include "base/sort.h"
#include "rt/rt_int.h"

void rt_batch_add(struct rt_batch *b, taddr addr, void *dst, size_t n)
{
    struct target_iov iov = {.addr = addr, .n = (uint32_t)n, .dst = dst};
    vec_push(&b->iov, iov);
}

struct err *rt_batch_read(struct rt_batch *b, struct target *t)
{
    return b->iov.n ? target_readv(t, b->iov.v, b->iov.n) : NULL;
}

void rt_batch_free(struct rt_batch *b)
{
    vec_free(&b->iov);
}

/* ---- many structures of one size ---- */

enum { RUN_MAX = 256 << 10, GAP_MAX = 1024, PIECES_CHUNK = 1024 };

struct pieces {
    struct target *t;
    const taddr *addr;
    uint8_t *dst;
    bool *ok;
    struct sort_keyed *order; /* address, index */
    size_t n, size;
};

/* Pieces next to each other, read in one go. */
struct piece_run {
    size_t to; /* where it ends, in order */
    size_t bytes;
};

static struct piece_run run_at(const struct pieces *p, size_t from, size_t limit)
{
    struct piece_run r = {from + 1, p->size};
    for (; r.to < limit; r.to++) {
        uint64_t off = p->order[r.to].key - p->order[from].key;
        if (off > r.bytes + GAP_MAX || off + p->size > RUN_MAX)
            break;
        r.bytes = off + p->size;
    }
    return r;
}

/* Copies the pieces of a run to their places; when the run as a whole is not readable (a gap is
 * not), piece by piece. */
static void spread(const struct pieces *p, const struct target_iov *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        taddr at = p->order[i].key;
        uint8_t *dst = p->dst + p->order[i].value * p->size;
        bool *ok = &p->ok[p->order[i].value];
        if (run->ok) {
            memcpy(dst, (uint8_t *)run->dst + (at - run->addr), p->size);
            *ok = true;
        } else {
            struct err *e = target_read(p->t, at, dst, p->size);
            *ok = !e;
            err_free(e);
        }
    }
}

static struct err *pieces_chunk(void *arg, size_t chunk, unsigned worker)
{
    struct pieces *p = arg;
    size_t first = chunk * PIECES_CHUNK, limit = min_u64(first + PIECES_CHUNK, p->n), bytes = 0;
    VEC(struct piece_run) runs = {0};
    for (size_t from = first; from < limit; from = vec_last(&runs)->to) {
        vec_push(&runs, run_at(p, from, limit));
        bytes += vec_last(&runs)->bytes;
    }
    uint8_t *buf = mem_realloc(NULL, bytes); /* all of it is about to be overwritten */
    struct rt_batch b = {0};
    for (size_t i = 0, from = first, used = 0; i < runs.n; from = runs.v[i++].to) {
        rt_batch_add(&b, p->order[from].key, buf + used, runs.v[i].bytes);
        used += runs.v[i].bytes;
    }
    struct err *e = rt_batch_read(&b, p->t);
    for (size_t i = 0; !e && i < runs.n; i++)
        spread(p, &b.iov.v[i], i ? runs.v[i - 1].to : first, runs.v[i].to);
    rt_batch_free(&b);
    vec_free(&runs);
    free(buf);
    return e;
}

struct err *rt_read_pieces(struct target *t, const taddr *addr, size_t n, size_t size, void *dst,
                           bool *ok)
{
    struct pieces p = {.t = t, .addr = addr, .dst = dst, .ok = ok, .n = n, .size = size};
    if (!n)
        return NULL;
    if (!(p.order = mem_try_alloc(2 * n * sizeof(*p.order))))
        return err_new(ERR_NOMEM, "no memory for a list of %zu", n);
    for (size_t i = 0; i < n; i++)
        p.order[i] = (struct sort_keyed){addr[i], (uint32_t)i};
    sort_keyed(p.order, p.order + n, n);
    struct err *e = pool_run((n + PIECES_CHUNK - 1) / PIECES_CHUNK, pieces_chunk, &p);
    free(p.order);
    return e;
}

enum { CHUNK = 1 << 20 };

struct err *rt_read_array(struct target *t, const char *what, taddr addr, uint64_t n, size_t size,
                          uint64_t max, void **ret)
{
    *ret = NULL;
    if (n > max)
        return err_new(ERR_BAD_DATA, "%s: %llu elements make no sense", what,
                       (unsigned long long)n);
    uint8_t last;
    if (n && size) /* the end first: no memory is asked for on the word of a damaged header */
        TRY(err_wrap(target_read(t, addr + n * size - 1, &last, 1), "%s", what));
    uint8_t *mem = mem_try_alloc(n * size + 1);
    if (!mem)
        return err_new(ERR_NOMEM, "%s: no memory for %llu elements", what, (unsigned long long)n);
    struct err *e = NULL;
    for (uint64_t at = 0; !e && at < n * size; at += CHUNK)
        e = target_read(t, addr + at, mem + at, min_u64(CHUNK, n * size - at));
    if (e) {
        free(mem);
        return err_wrap(e, "%s", what);
    }
    *ret = mem;
    return NULL;
}

const char *rt_read_string(struct target *t, struct arena *a, taddr header, size_t max)
{
    uint64_t str[2];
    struct err *e = target_read(t, header, str, sizeof(str));
    char *text = NULL;
    if (!e) {
        size_t n = min_u64(str[1], max);
        text = arena_alloc(a, n + 1);
        if (n)
            e = target_read(t, str[0], text, n);
    }
    if (e) {
        err_free(e);
        return "";
    }
    return text;
}
