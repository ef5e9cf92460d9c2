/* mem.c - reading a target's memory in bulk.
 *
 * A system call costs about as much as copying some KiB, and from a frozen copy every piece is a
 * call of its own.  Structures of one kind come from spans of their size class, so neighbours are
 * read together, with the small gaps between them. */
#include <stdlib.h>

#include "base/pool.h"
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
    uint32_t *order; /* by address */
    size_t n, size;
};

static taddr nth(const struct pieces *p, size_t i)
{
    return p->addr[p->order[i]];
}

/* Where the run that begins with the piece at `from` ends. */
static size_t run_end(const struct pieces *p, size_t from, size_t limit)
{
    taddr lo = nth(p, from), end = lo + p->size;
    size_t to = from + 1;
    for (; to < limit; to++) {
        taddr at = nth(p, to);
        if (at > end + GAP_MAX || at + p->size - lo > RUN_MAX)
            break;
        end = max_u64(end, at + p->size);
    }
    return to;
}

/* Copies the pieces of a run to their places; when the run as a whole is not readable (a gap is
 * not), piece by piece. */
static void spread(const struct pieces *p, const struct target_iov *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        uint8_t *dst = p->dst + p->order[i] * p->size;
        bool *ok = &p->ok[p->order[i]];
        if (run->ok) {
            memcpy(dst, (uint8_t *)run->dst + (nth(p, i) - run->addr), p->size);
            *ok = true;
        } else {
            struct err *e = target_read(p->t, nth(p, i), dst, p->size);
            *ok = !e;
            err_free(e);
        }
    }
}

static struct err *pieces_chunk(void *arg, size_t chunk, unsigned worker)
{
    struct pieces *p = arg;
    size_t first = chunk * PIECES_CHUNK, limit = min_u64(first + PIECES_CHUNK, p->n), used = 0;
    uint8_t *buf = mem_alloc((limit - first) * (p->size + GAP_MAX));
    struct rt_batch b = {0};
    VEC(size_t) ends = {0};
    for (size_t from = first; from < limit; from = *vec_last(&ends)) {
        size_t to = run_end(p, from, limit);
        size_t n = nth(p, to - 1) + p->size - nth(p, from);
        rt_batch_add(&b, nth(p, from), buf + used, n);
        used += n;
        vec_push(&ends, to);
    }
    struct err *e = rt_batch_read(&b, p->t);
    for (size_t i = 0; !e && i < ends.n; i++)
        spread(p, &b.iov.v[i], i ? ends.v[i - 1] : first, ends.v[i]);
    rt_batch_free(&b);
    vec_free(&ends);
    free(buf);
    return e;
}

static int by_addr(const void *a, const void *b, void *arg)
{
    const taddr *addr = arg;
    taddr x = addr[*(const uint32_t *)a], y = addr[*(const uint32_t *)b];
    return x < y ? -1 : x > y;
}

struct err *rt_read_pieces(struct target *t, const taddr *addr, size_t n, size_t size, void *dst,
                           bool *ok)
{
    struct pieces p = {.t = t, .addr = addr, .dst = dst, .ok = ok, .n = n, .size = size};
    bool sorted = true;
    if (!n)
        return NULL;
    if (!(p.order = mem_try_alloc(n * sizeof(*p.order))))
        return err_new(ERR_NOMEM, "no memory for a list of %zu", n);
    for (size_t i = 0; i < n; i++) {
        p.order[i] = (uint32_t)i;
        sorted = sorted && (!i || addr[i] >= addr[i - 1]);
    }
    if (!sorted)
        qsort_r(p.order, n, sizeof(*p.order), by_addr, (void *)addr);
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
