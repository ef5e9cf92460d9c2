/* heap_arenas.c - what an mspan says, and which one an address belongs to.
 *
 * Go: runtime/mheap.go arenas, heapArena, mspan; runtime/mbitmap.go (allocation headers since
 * 1.22: an object of more than 512 bytes in a span with pointers begins with a pointer to its type;
 * a large object's type stands in its span); runtime/arena.go (user arenas).  linux/amd64 and
 * linux/arm64: 64 MiB arenas in one level, pages of 8 KiB; on amd64 the index is biased by 2^47.
 *
 * Single addresses are looked up in the target's own tables here; a capture of the whole heap makes
 * tables of its own (heap_spans.c) from the same heap_parse_span(). */
#include <stdlib.h>

#include "rt/heap_int.h"

enum {
    ARENAS = 1 << 22,
    IN_USE = 1,
    TINY_SPANCLASS = 5,
    MIN_SIZE_FOR_HEADER = 512,
    SMALL_PAGES_MAX = 1 << 18
};

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

taddr rt_heap_arena(struct rt_heap *h, taddr addr)
{
    uint64_t index = (addr >> HEAP_ARENA_SHIFT) + target_arch(h->t)->arena_bias;
    taddr arena = 0;
    if (!h->arenas || index >= ARENAS)
        return 0;
    uint32_t k = map_get(&h->arena_at, index);
    if (k != MAP_NONE)
        return h->known.v[k];
    err_free(target_read_u64(h->t, h->arenas + 8 * index, &arena));
    map_put(&h->arena_at, index, (uint32_t)h->known.n);
    vec_push(&h->known, arena);
    return arena;
}

static uint8_t flags_of(const struct rt_layout *l, const struct heap_span *s, const void *copy)
{
    uint8_t flags = 0;
    bool scan = !(s->spanclass & 1), large = s->spanclass >> 1 == 0;
    flags |= scan ? 0 : SNAP_SPF_NO_POINTERS;
    flags |= large ? SNAP_SPF_LARGE : 0;
    flags |= s->spanclass == TINY_SPANCLASS ? SNAP_SPF_TINY : 0;
    flags |= rt_get(l, copy, RT_mspan_user_arena) & 1 ? SNAP_SPF_USER_ARENA : 0;
    if (scan && !large && rt_has(l, RT_mspan_large_type) && s->elem_size > MIN_SIZE_FOR_HEADER)
        flags |= SNAP_SPF_HEADER;
    return flags;
}

/* Whether its numbers can be true; everything later relies on that. */
static bool is_plausible(const struct heap_span *s, uint64_t pages)
{
    uint64_t size = pages << HEAP_PAGE_SHIFT;
    bool large = s->flags & SNAP_SPF_LARGE;
    if (!pages || pages > UINT32_MAX || s->addr % HEAP_PAGE || s->addr >> 48 ||
        s->addr + size > UINT64_C(1) << 48)
        return false;
    if (!s->elem_size || s->elem_size % 8 || s->elem_size > size || !s->elems)
        return false;
    if (large)
        return s->elems == 1;
    return pages <= SMALL_PAGES_MAX && s->elem_size <= UINT16_MAX &&
           s->elems <= size / s->elem_size;
}

enum heap_span_is heap_parse_span(const struct rt_layout *l, const void *copy,
                                  struct heap_span *ret)
{
    uint64_t pages = rt_get(l, copy, RT_mspan_npages), elems = rt_get(l, copy, RT_mspan_nelems);
    *ret = (struct heap_span){
        .addr = rt_get(l, copy, RT_mspan_start_addr),
        .elem_size = rt_get(l, copy, RT_mspan_elemsize),
        .alloc_bits = rt_get(l, copy, RT_mspan_alloc_bits),
        .mark_bits = rt_get(l, copy, RT_mspan_mark_bits),
        .specials = rt_get(l, copy, RT_mspan_specials),
        .large_type = rt_get(l, copy, RT_mspan_large_type),
        .pages = (uint32_t)pages,
        .elems = (uint32_t)min_u64(elems, UINT16_MAX),
        .sweepgen = (uint32_t)rt_get(l, copy, RT_mspan_sweepgen),
        .spanclass = (uint8_t)rt_get(l, copy, RT_mspan_spanclass),
    };
    ret->free_index = (uint32_t)min_u64(rt_get(l, copy, RT_mspan_free_index), ret->elems);
    ret->ready_index = ret->free_index;
    if (rt_has(l, RT_mspan_free_index_for_scan))
        ret->ready_index =
            (uint32_t)min_u64(rt_get(l, copy, RT_mspan_free_index_for_scan), ret->free_index);
    ret->flags = flags_of(l, ret, copy);
    if (rt_get(l, copy, RT_mspan_state) != IN_USE)
        return HEAP_SPAN_OTHER;
    return is_plausible(ret, pages) ? HEAP_SPAN_IN_USE : HEAP_SPAN_NONSENSE;
}

/* ---- one address ---- */

static bool read_span(struct rt_heap *h, taddr addr, struct heap_span *ret)
{
    const struct rt_layout *l = &h->rt->layout;
    uint8_t copy[512];
    size_t size = (size_t)l->size[RT_STRUCT_mspan];
    taddr arena = rt_heap_arena(h, addr), span = 0;
    if (!arena || size > sizeof(copy))
        return false;
    uint64_t page = addr % HEAP_ARENA / HEAP_PAGE;
    err_free(target_read_u64(h->t, arena + (taddr)l->off[RT_heaparena_spans] + 8 * page, &span));
    struct err *e = span ? target_read(h->t, span, copy, size) : NULL;
    err_free(e);
    return span && !e && heap_parse_span(l, copy, ret) == HEAP_SPAN_IN_USE;
}

bool rt_find_object(struct rt_heap *h, taddr addr, struct rt_object *ret)
{
    struct heap_span s;
    if (!read_span(h, addr, &s) || addr - s.addr >= (uint64_t)s.pages * HEAP_PAGE)
        return false;
    uint64_t i = (addr - s.addr) / s.elem_size;
    *ret = (struct rt_object){.base = s.addr + i * s.elem_size, .size = s.elem_size};
    if (s.flags & SNAP_SPF_HEADER)
        err_free(target_read_u64(h->t, ret->base, &ret->type));
    else if (!(s.flags & (SNAP_SPF_NO_POINTERS | SNAP_SPF_USER_ARENA)))
        ret->type = s.large_type;
    return true;
}
