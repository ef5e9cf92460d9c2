/* leak_tiny.c - whether a pointer into a tiny block can lead to one byte of it; see leak_mark.c.
 *
 * Go: runtime/malloc.go mallocgcTiny (1.18-1.27).  A pointer's static type says how far what it
 * means extends: an *int32 beside a lock does not lead to the lock, though it keeps the block.
 * Where the type or the pointer itself is not known, it leads everywhere in the block. */
#include "wait/wait_int.h"

void leak_words_init(struct leak_words *w, const struct snap *s)
{
    *w = (struct leak_words){.s = s};
    for (size_t i = 0; i < s->word.n; i++)
        map_put(&w->at, s->word.addr[i], (uint32_t)i);
}

void leak_words_free(struct leak_words *w)
{
    map_free(&w->at);
}

static bool word_at(const struct leak_words *w, taddr addr, uint64_t *ret)
{
    uint32_t row = map_get(&w->at, addr);
    if (row == MAP_NONE)
        return false;
    *ret = w->s->word.value[row];
    return true;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* Bytes from the pointer on that its type lets a program reach. */
static uint64_t extent(const struct leak_words *w, const struct leak_pointer *p)
{
    const struct snap *s = w->s;
    uint64_t n;
    if (p->boxed != SNAP_NONE && s->type.kind[p->boxed] != SNAP_KIND_POINTER)
        return s->type.size[p->boxed];
    uint32_t type = p->boxed != SNAP_NONE ? p->boxed : p->type;
    if (type == SNAP_NONE)
        return UINT64_MAX;
    uint32_t elem = s->type.elem[type];
    switch (s->type.kind[type]) {
    case SNAP_KIND_POINTER:
        return elem == SNAP_NONE ? UINT64_MAX : s->type.size[elem];
    case SNAP_KIND_STRING:
        return word_at(w, p->place + 8, &n) ? n : UINT64_MAX;
    case SNAP_KIND_SLICE:
        if (elem == SNAP_NONE || !word_at(w, p->place + 16, &n))
            return UINT64_MAX;
        return times(n, s->type.size[elem]);
    default:
        return UINT64_MAX;
    }
}

bool leak_pointer_reaches(const struct leak_words *w, const struct leak_pointer *p, taddr addr)
{
    uint64_t from;
    if (!p->place || !word_at(w, p->place, &from))
        return true;
    return from <= addr && addr - from < extent(w, p);
}
