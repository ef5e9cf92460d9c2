/* pairs.c - lists of pairs that grow by chunks: nothing is copied, and what is used up goes back at
 * once; see heap_int.h. */
#include "heap/heap_int.h"

struct err *heap_no_memory(size_t n, const char *what)
{
    return err_new(ERR_NOMEM, "no memory for %s (%zu bytes)", what, n);
}

struct err *heap_array(size_t n, size_t size, const char *what, void *ret)
{
    void *p = mem_try_alloc_huge(n * size);
    *(void **)ret = p;
    return p ? NULL : heap_no_memory(n * size, what);
}

struct err *heap_pairs_grow(struct heap_pairs *l)
{
    struct heap_chunk *c = l->spare;
    if (!c && !(c = mem_try_alloc_huge(sizeof(*c))))
        return heap_no_memory(sizeof(*c), "the search of the heap");
    l->spare = NULL;
    c->prev = l->top;
    c->n = 0;
    l->top = c;
    return NULL;
}

void heap_pairs_drop_top(struct heap_pairs *l)
{
    struct heap_chunk *c = l->top;
    l->top = c->prev;
    free(l->spare);
    l->spare = c;
}

void heap_pairs_free(struct heap_pairs *l)
{
    for (struct heap_chunk *c = l->top, *prev; c; c = prev) {
        prev = c->prev;
        free(c);
    }
    free(l->spare);
    *l = (struct heap_pairs){0};
}

/* ---- logs ---- */

enum { PAIR_MAX = 10 }; /* bytes */

/* A difference may be less than 0: the lowest bit is the sign. */
static inline uint8_t *put(uint8_t *p, uint32_t now, uint32_t before)
{
    uint32_t step = now - before, v = step << 1 ^ -(step >> 31);
    for (; v > 127; v >>= 7)
        *p++ = (uint8_t)(v | 128);
    *p++ = (uint8_t)v;
    return p;
}

static inline uint32_t get(const uint8_t **p, uint32_t before)
{
    uint32_t v = (uint32_t)snap_edge_number(p);
    return before + (v >> 1 ^ -(v & 1));
}

static struct err *grow_log(struct heap_log *l)
{
    struct heap_log_chunk *c = mem_try_alloc(sizeof(*c));
    if (!c)
        return heap_no_memory(sizeof(*c), "the search of the heap");
    c->prev = l->top;
    l->top = c;
    l->last = (struct heap_pair){0};
    return NULL;
}

struct err *heap_log_add(struct heap_log *l, uint32_t a, uint32_t b)
{
    if (!l->top || l->top->used > HEAP_LOG_BYTES - PAIR_MAX)
        TRY(grow_log(l));
    struct heap_log_chunk *c = l->top;
    uint8_t *end = put(put(c->v + c->used, a, l->last.a), b, l->last.b);
    c->used = (uint32_t)(end - c->v);
    c->pairs++;
    l->last = (struct heap_pair){a, b};
    l->n++;
    return NULL;
}

size_t heap_log_read(struct heap_log_reader *r, struct heap_pair *v, size_t max)
{
    const uint8_t *p = r->c->v + r->at;
    size_t n = min_u64(max, r->c->pairs - r->pairs);
    for (size_t i = 0; i < n; i++) {
        r->last.a = get(&p, r->last.a);
        r->last.b = get(&p, r->last.b);
        v[i] = r->last;
    }
    r->at = (uint32_t)(p - r->c->v);
    r->pairs += (uint32_t)n;
    return n;
}

void heap_log_drop_top(struct heap_log *l)
{
    struct heap_log_chunk *c = l->top;
    l->n -= c->pairs;
    l->top = c->prev;
    free(c);
}

void heap_log_free(struct heap_log *l)
{
    while (l->top)
        heap_log_drop_top(l);
}
