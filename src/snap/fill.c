/* fill.c - counters spans.by_size_N.* as rows; see fill.h, rt/counters_spans.c.  Names and numbers
 * may come from a file and prove nothing: what does not fit is passed over, sums saturate. */
#include "snap/fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct snap_fill *row_of(struct snap_fills *f, uint64_t size)
{
    for (size_t i = f->n; i > 0; i--) /* counters of one size follow one another */
        if (f->v[i - 1].size == size)
            return &f->v[i - 1];
    if (f->n == SNAP_FILL_MAX)
        return NULL;
    f->v[f->n] = (struct snap_fill){.size = size};
    return &f->v[f->n++];
}

static uint64_t *cell(struct snap_fill *x, const char *word)
{
    const struct {
        const char *word;
        uint64_t *cell;
    } cells[] = {
        {"count", &x->spans},     {"bytes", &x->bytes},   {"slots", &x->slots},
        {"objects", &x->objects}, {"sparse", &x->sparse},
    };
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        if (strcmp(word, cells[i].word) == 0)
            return cells[i].cell;
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const struct snap_fill *x = a, *y = b;
    if (x->free != y->free)
        return x->free > y->free ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

void snap_fills(const struct snap *s, struct snap_fills *ret)
{
    static const char prefix[] = "spans.by_size_";
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < s->counter.n; i++) {
        const char *name = snap_str(s, s->counter.name[i]);
        unsigned size;
        char word[16];
        if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
            sscanf(name + sizeof(prefix) - 1, "%6u.%15s", &size, word) != 2)
            continue;
        struct snap_fill *x = row_of(ret, size);
        uint64_t *c = x ? cell(x, word) : NULL;
        if (c && s->counter.value[i] > 0)
            *c = (uint64_t)s->counter.value[i];
    }
    for (size_t i = 0; i < ret->n; i++) {
        struct snap_fill *x = &ret->v[i];
        uint64_t used = x->objects > UINT64_MAX / (x->size + 1) ? UINT64_MAX : x->objects * x->size;
        x->free = x->bytes > used ? x->bytes - used : 0;
    }
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare);
}
