/* spans.c - which heap object an address belongs to.
 *
 * Go: runtime/mheap.go arenas, heapArena.spans, mspan; runtime/mbitmap.go (allocation headers since
 * 1.22: an object of more than 512 bytes in a span with pointers begins with a pointer to its type;
 * a large object's type stands in its span).  linux/amd64 and linux/arm64: 64 MiB arenas in one
 * level, pages of 8 KiB; on amd64 the index is biased by 2^47. */
#include <stdlib.h>

#include "rt/capture_int.h"

enum { ARENA_SHIFT = 26, PAGE_SHIFT = 13, MIN_SIZE_FOR_HEADER = 512, ARENAS = 1 << 22 };

void rt_heap_open(struct rt_heap *h, struct rt *rt, struct target *t)
{
    *h = (struct rt_heap){.rt = rt, .t = t};
    const struct rt_layout *l = &rt->layout;
    if (G(rt, mheap) && rt_has(l, RT_mheap_arenas) && rt_has(l, RT_heaparena_spans) &&
        l->size[RT_STRUCT_mspan] > 0)
        err_free(target_read_u64(t, G(rt, mheap) + (taddr)l->off[RT_mheap_arenas], &h->arenas));
}

void rt_heap_close(struct rt_heap *h)
{
    map_free(&h->arena_at);
    vec_free(&h->known);
}

static taddr arena_of(struct rt_heap *h, taddr addr)
{
    uint64_t index = (addr >> ARENA_SHIFT) + target_arch(h->t)->arena_bias;
    taddr arena = 0;
    if (index >= ARENAS)
        return 0;
    uint32_t k = map_get(&h->arena_at, index);
    if (k != MAP_NONE)
        return h->known.v[k];
    err_free(target_read_u64(h->t, h->arenas + 8 * index, &arena));
    map_put(&h->arena_at, index, (uint32_t)h->known.n);
    vec_push(&h->known, arena);
    return arena;
}

static bool read_span(struct rt_heap *h, taddr addr, uint8_t *copy, size_t size)
{
    const struct rt_layout *l = &h->rt->layout;
    taddr arena = h->arenas ? arena_of(h, addr) : 0, span = 0;
    if (!arena)
        return false;
    uint64_t page = (addr & ((UINT64_C(1) << ARENA_SHIFT) - 1)) >> PAGE_SHIFT;
    err_free(target_read_u64(h->t, arena + (taddr)l->off[RT_heaparena_spans] + 8 * page, &span));
    struct err *e = span ? target_read(h->t, span, copy, size) : NULL;
    err_free(e);
    return span && !e;
}

bool rt_find_object(struct rt_heap *h, taddr addr, struct rt_object *ret)
{
    const struct rt_layout *l = &h->rt->layout;
    uint8_t span[512];
    size_t size = (size_t)l->size[RT_STRUCT_mspan];
    if (size > sizeof(span) || !read_span(h, addr, span, size))
        return false;
    taddr start = rt_get(l, span, RT_mspan_start_addr);
    uint64_t elem = rt_get(l, span, RT_mspan_elemsize), pages = rt_get(l, span, RT_mspan_npages);
    unsigned spanclass = (unsigned)rt_get(l, span, RT_mspan_spanclass);
    enum { IN_USE = 1 };
    if (rt_get(l, span, RT_mspan_state) != IN_USE || !elem || addr < start ||
        addr - start >= pages << PAGE_SHIFT)
        return false;
    bool noscan = spanclass & 1, large = spanclass >> 1 == 0;
    *ret = (struct rt_object){.base = start + (addr - start) / elem * elem, .size = elem};
    if (noscan || !rt_has(l, RT_mspan_large_type))
        return true;
    if (large)
        ret->type = rt_get(l, span, RT_mspan_large_type);
    else if (elem > MIN_SIZE_FOR_HEADER)
        err_free(target_read_u64(h->t, ret->base, &ret->type));
    return true;
}
