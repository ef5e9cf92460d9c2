/* heap_span_list.c - the runtime's list of spans, one after the other.
 *
 * Go: runtime/mheap.go allspans, recordspan, initSpan (1.18-1.27).
 * The process may run meanwhile.  Then the list can move while it is read, has its new length
 * before its new element, and a span can be made while it is copied: the copy says that it is in
 * use, and has numbers from before.  Each of these is over when one looks again; what makes no
 * sense then, neither, is counted. */
#include <stdlib.h>

#include "rt/heap_int.h"

enum {
    BATCH = 16384,       /* spans that are read at once */
    LIST_TRIES = 3,      /* ... the list moved */
    SPAN_TRIES = 8,      /* ... the span was being made */
    AGAIN_AT_MOST = 1024 /* spans: a damaged heap must not take for ever */
};

struct span_list {
    struct rt *rt;
    struct target *t;
    heap_span_fn *fn;
    void *ctx;
    struct heap_spans_missed *missed;
    unsigned again; /* spans that were looked at more than once */
};

/* Moves on to what is there now when the first copy makes no sense. */
static enum heap_span_is settle(struct span_list *l, taddr addr, uint8_t *copy, bool *ok,
                                struct heap_span *ret)
{
    const struct rt_layout *layout = &l->rt->layout;
    size_t size = (size_t)layout->size[RT_STRUCT_mspan];
    bool may_again = l->again < AGAIN_AT_MOST;
    for (int i = 0;; i++) {
        enum heap_span_is is = *ok ? heap_parse_span(layout, copy, ret) : HEAP_SPAN_NONSENSE;
        if (is != HEAP_SPAN_NONSENSE || !may_again || i == SPAN_TRIES)
            return is;
        l->again += !i;
        struct err *e = target_read(l->t, addr, copy, size);
        *ok = !e;
        err_free(e);
    }
}

static struct err *each_of_batch(struct span_list *l, const taddr *addr, size_t n, uint8_t *copies,
                                 bool *ok)
{
    size_t size = (size_t)l->rt->layout.size[RT_STRUCT_mspan];
    TRY(rt_read_pieces(l->t, addr, n, size, copies, ok));
    for (size_t i = 0; i < n; i++) {
        struct heap_span s;
        uint8_t *copy = copies + i * size;
        if (!addr[i]) /* the list is longer already, the element not there yet: nor is the span */
            continue;
        enum heap_span_is is = settle(l, addr[i], copy, &ok[i], &s);
        if (is == HEAP_SPAN_IN_USE)
            l->fn(l->ctx, &s, copy);
        l->missed->unreadable += !ok[i];
        l->missed->nonsense += ok[i] && is == HEAP_SPAN_NONSENSE;
    }
    return NULL;
}

static struct err *read_list(struct rt *rt, struct target *t, taddr **ret, uint64_t *ret_n)
{
    taddr header = G(rt, mheap) + (taddr)L(rt, mheap_allspans), array = 0;
    uint64_t list[3];
    struct err *e = NULL;
    *ret = NULL;
    for (int i = 0; i < LIST_TRIES; i++) {
        err_free(e);
        free(*ret);
        TRY(target_read(t, header, list, sizeof(list)));
        e = rt_read_array(t, "the list of spans", list[0], list[1], 8, RT_LIST_MAX, (void **)ret);
        if (e && err_code(e) != ERR_FAULT)
            break;
        struct err *gone = target_read_u64(t, header, &array);
        if (gone) {
            err_free(e);
            free(*ret);
            *ret = NULL;
            return gone;
        }
        if (array == list[0])
            break;
    }
    *ret_n = list[1];
    return e;
}

struct err *heap_each_span(struct rt *rt, struct target *t, heap_span_fn *fn, void *ctx,
                           struct heap_spans_missed *ret)
{
    struct span_list l = {.rt = rt, .t = t, .fn = fn, .ctx = ctx, .missed = ret};
    taddr *addr;
    uint64_t n;
    *ret = (struct heap_spans_missed){0};
    TRY(read_list(rt, t, &addr, &n));
    size_t most = min_u64(BATCH, n) + 1;
    uint8_t *copies = mem_try_alloc(most * (size_t)rt->layout.size[RT_STRUCT_mspan]);
    bool *ok = mem_alloc(most);
    struct err *e = copies ? NULL : err_new(ERR_NOMEM, "no memory for %zu spans", most);
    for (uint64_t i = 0; !e && i < n; i += BATCH)
        e = each_of_batch(&l, addr + i, min_u64(BATCH, n - i), copies, ok);
    free(copies);
    free(ok);
    free(addr);
    return e;
}
