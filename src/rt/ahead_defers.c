/* ahead_defers.c - deferred calls that are pending: whatever happens to the goroutine short of the
 * end of the process, they will run.
 *
 * Go: runtime/runtime2.go _defer, runtime/panic.go (1.18-1.27).  A record says by sp which frame it
 * belongs to.  Those of a range-over-func loop hang on one record of the function around it
 * (rangefunc, head; 1.22+).  Where the compiler wrote the calls into the function itself, bits in
 * the frame say which are pending, and FUNCDATA_OpenCodedDeferInfo where bits and closures lie:
 * until 1.21 an offset for each closure, since 1.22 one for all.  Which of both is told by the
 * field openDefer, which went with the old form. */
#include "rt/ahead_int.h"

enum { RECORDS_MAX = 4096 };

static bool field(struct ahead *a, taddr d, enum rt_field f, uint64_t *ret)
{
    const struct rt_layout *l = &a->c->rt->layout;
    *ret = 0;
    return rt_has(l, f) && ahead_peek(&a->mem, d + (taddr)l->off[f], min_u64(l->width[f], 8), ret);
}

static bool add(struct ahead_defer *ret, size_t *n, size_t max, taddr sp, taddr fn)
{
    if (*n >= max)
        return false;
    if (fn)
        ret[(*n)++] = (struct ahead_defer){sp, fn};
    return true;
}

/* Records that hang on the one of a range-over-func loop. */
static bool add_range(struct ahead *a, taddr d, taddr sp, struct ahead_defer *ret, size_t *n,
                      size_t max)
{
    enum { BAD = 1 }; /* runtime.badDefer: the function has returned */
    uint64_t head, at = 0, fn, link;
    if (!field(a, d, RT_defer_head, &head) || !ahead_peek(&a->mem, head, 8, &at))
        return true;
    for (int i = 0; at > BAD && i < RECORDS_MAX; i++) {
        if (!field(a, at, RT_defer_fn, &fn) || !field(a, at, RT_defer_link, &link))
            return true;
        if (!add(ret, n, max, sp, fn))
            return false;
        at = link;
    }
    return true;
}

size_t ahead_defer_list(struct ahead *a, const struct rt_g *g, struct ahead_defer *ret, size_t max)
{
    size_t n = 0;
    uint64_t d = g->more->defer, sp, fn, link, open, range;
    for (int i = 0; d && i < RECORDS_MAX; i++, d = link) {
        if (!field(a, d, RT_defer_sp, &sp) || !field(a, d, RT_defer_fn, &fn) ||
            !field(a, d, RT_defer_link, &link))
            break;
        if (field(a, d, RT_defer_open_defer, &open) && open)
            continue; /* its frame says it */
        bool more = field(a, d, RT_defer_rangefunc, &range) && range
                        ? add_range(a, d, sp, ret, &n, max)
                        : add(ret, &n, max, sp, fn);
        if (!more)
            break;
    }
    return n;
}

/* ---- written into the function ---- */

static bool uleb(const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; *p < end && shift <= 28; shift += 7) {
        uint8_t byte = *(*p)++;
        *ret |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

enum { BITS = 8 };

/* Offsets of the closures below varp, by the number of their bit; how many. */
static size_t offsets(const struct rt_layout *l, const uint8_t *p, const uint8_t *end,
                      uint32_t *ret)
{
    uint32_t n = BITS, first;
    if (!rt_has(l, RT_defer_open_defer)) {
        if (!uleb(&p, end, &first))
            return 0;
        for (uint32_t i = 0; i < BITS; i++)
            ret[i] = first - 8 * i;
        return BITS;
    }
    if (!uleb(&p, end, &n) || n > BITS)
        return 0;
    for (uint32_t i = n; i-- > 0;)
        if (!uleb(&p, end, &ret[i]))
            return 0;
    return n;
}

size_t rt_open_defers(const struct rt *rt, rt_peek *peek, void *arg, taddr pc, taddr varp,
                      taddr *ret, size_t max)
{
    struct pcln_func f;
    const struct rt_module *m;
    size_t bytes, n = 0;
    uint32_t off[BITS], bits_off;
    uint64_t bits, closure;
    if (!rt_func_at(rt, pc, &f, &m))
        return 0;
    const uint8_t *p = pcln_funcdata(&m->pcln, &f, PCLN_FUNCDATA_OPEN_CODED_DEFERS, &bytes);
    const uint8_t *end = p ? p + bytes : NULL;
    if (!p || !uleb(&p, end, &bits_off) || !peek(arg, varp - bits_off, 1, &bits))
        return 0;
    size_t count = offsets(&rt->layout, p, end, off);
    for (size_t i = count; i-- > 0 && n < max;)
        if (bits >> i & 1 && peek(arg, varp - off[i], 8, &closure) && closure)
            ret[n++] = closure;
    return n;
}

static bool peek_ahead(void *arg, taddr addr, size_t n, uint64_t *ret)
{
    return ahead_peek(arg, addr, n, ret);
}

size_t ahead_open_defers(struct ahead *a, taddr pc, taddr varp, taddr *ret, size_t max)
{
    return rt_open_defers(a->c->rt, peek_ahead, &a->mem, pc, varp, ret, max);
}
