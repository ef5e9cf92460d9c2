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
    if (l->top)
        l->n += l->top->n;
    c->prev = l->top;
    c->n = 0;
    l->top = c;
    return NULL;
}

void heap_pairs_drop_top(struct heap_pairs *l)
{
    struct heap_chunk *c = l->top;
    l->top = c->prev;
    if (l->top)
        l->n -= l->top->n;
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
