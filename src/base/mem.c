/* mem.c - allocation and arenas; see mem.h. */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE = 4 << 20, HUGE_PAGE = 2 << 20, APART = 256 << 10 };
enum { ARENA_CHUNK = 64 * 1024, ARENA_ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    _Alignas(ARENA_ALIGN) uint8_t bytes[];
};

static void (*oom_handler)(size_t n);

void mem_give_back(void)
{
    mallopt(M_MMAP_THRESHOLD, APART); /* set by us, it does not move any more */
}

void mem_set_oom_handler(void (*handler)(size_t n))
{
    oom_handler = handler;
}

void mem_oom(size_t n)
{
    if (oom_handler)
        oom_handler(n);
    abort();
}

void mem_advise(void *p, size_t n)
{
    uintptr_t from = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t to = ((uintptr_t)p + n) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (n >= LARGE && from < to)
        madvise((void *)from, to - from, MADV_HUGEPAGE); /* a hint: it may be refused */
}

void *mem_try_alloc(size_t n)
{
    return calloc(1, n ? n : 1);
}

void *mem_try_alloc_huge(size_t n)
{
    void *p = mem_try_alloc(n);
    if (p)
        mem_advise(p, n);
    return p;
}

void *mem_alloc(size_t n)
{
    void *p = mem_try_alloc(n);
    if (!p)
        mem_oom(n);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        mem_oom(n);
    return q;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(mem_alloc(n), s, n);
}

void arena_init(struct arena *a)
{
    memset(a, 0, sizeof(*a));
}

void arena_free(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *kept = NULL;
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        if (a->end == c->bytes + c->size)
            kept = c;
        else
            free(c);
    }
    if (!kept) {
        arena_init(a);
        return;
    }
    memset(kept->bytes, 0, (size_t)(a->at - kept->bytes));
    kept->next = NULL;
    *a = (struct arena){.chunks = kept,
                        .at = kept->bytes,
                        .end = kept->bytes + kept->size,
                        .total = sizeof(*kept) + kept->size};
}

void arena_join(struct arena *a, struct arena *from)
{
    struct arena_chunk **last = &from->chunks;
    while (*last)
        last = &(*last)->next;
    *last = a->chunks;
    a->chunks = from->chunks;
    a->total += from->total;
    arena_init(from);
}

/* Large requests get a chunk of their own, so that they do not waste the rest of the current one.
 */
static struct arena_chunk *add_chunk(struct arena *a, size_t size)
{
    struct arena_chunk *c = mem_alloc(sizeof(*c) + size);
    c->size = size;
    c->next = a->chunks;
    a->chunks = c;
    a->total += sizeof(*c) + size;
    return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - ARENA_CHUNK)
        mem_oom(n);
    n = ((n ? n : 1) + ARENA_ALIGN - 1) &
        ~(size_t)(ARENA_ALIGN - 1); /* 0 bytes have a place, too */
    if (n > ARENA_CHUNK / 4)
        return add_chunk(a, n)->bytes;
    if (n > (size_t)(a->end - a->at)) {
        struct arena_chunk *c = add_chunk(a, ARENA_CHUNK);
        a->at = c->bytes;
        a->end = c->bytes + ARENA_CHUNK;
    }
    void *p = a->at;
    if (n) /* adding nothing to NULL is undefined, too */
        a->at += n;
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, again);
    va_end(again);
    return p;
}
