/* counters_spans.c - how full the spans of the heap are, by the size of their objects, without
 * looking at a single object.
 *
 * Go: runtime/mheap.go allspans, mspan.allocCount (1.18-1.27): how many slots of a span are taken,
 * kept up to date by every allocation; of a span that was not swept since the last collection it
 * still counts what that collection found dead, as runtime.MemStats does.
 *
 * The process need not stand still: a span that changes hands meanwhile counts as what it was or as
 * what it is.  It takes some 12 ms for each 100 MB of small objects. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "rt/counters_int.h"
#include "rt/heap_int.h"

enum {
    SIZE_UNIT = 8, /* sizes of small objects are multiples of it */
    SMALL_MAX = 32768,
    SPARSE_PART = 4, /* a span is sparse when less than one slot in so many is taken */
};

struct fill {
    uint64_t spans, bytes, slots, objects, sparse, sparse_bytes;
};

struct filling {
    struct rt *rt;
    struct fill small[SMALL_MAX / SIZE_UNIT + 1], large;
};

struct span_fill {
    uint64_t elem_size, elems, bytes, taken;
    bool large;
};

static void count_span(struct filling *f, const struct span_fill *s)
{
    bool large = s->large || s->elem_size > SMALL_MAX;
    struct fill *x = large ? &f->large : &f->small[s->elem_size / SIZE_UNIT];
    uint64_t taken = min_u64(s->taken, s->elems);
    x->spans++;
    x->bytes += s->bytes;
    x->slots += s->elems;
    x->objects += taken;
    if (s->elems > 1 && taken * SPARSE_PART < s->elems) {
        x->sparse++;
        x->sparse_bytes += s->bytes;
    }
}

static void count_one(void *ctx, const struct heap_span *s, const uint8_t *copy)
{
    struct filling *f = ctx;
    count_span(f, &(struct span_fill){
                      .elem_size = s->elem_size,
                      .elems = s->elems,
                      .bytes = (uint64_t)s->pages * HEAP_PAGE,
                      .taken = rt_get(&f->rt->layout, copy, RT_mspan_alloc_count),
                      .large = s->flags & SNAP_SPF_LARGE,
                  });
}

/* ---- rows ---- */

static void set(struct snap *s, const char *prefix, const char *word, uint64_t v)
{
    struct buf name = {0};
    buf_printf(&name, "spans.%s%s", prefix, word);
    snap_set_counter(s, buf_text(&name), (int64_t)v);
    buf_free(&name);
}

static void set_fill(struct snap *s, const char *prefix, const struct fill *x)
{
    set(s, prefix, "count", x->spans);
    set(s, prefix, "bytes", x->bytes);
    set(s, prefix, "slots", x->slots);
    set(s, prefix, "objects", x->objects);
    set(s, prefix, "sparse", x->sparse);
}

static void set_rows(struct snap *s, const struct filling *f)
{
    struct fill all = f->large;
    uint64_t used = 0;
    for (size_t i = 0; i < ARRAY_LEN(f->small); i++) {
        const struct fill *x = &f->small[i];
        char prefix[32];
        if (!x->spans)
            continue;
        snprintf(prefix, sizeof(prefix), "by_size_%zu.", i * SIZE_UNIT);
        set_fill(s, prefix, x);
        all.spans += x->spans;
        all.bytes += x->bytes;
        all.sparse += x->sparse;
        all.sparse_bytes += x->sparse_bytes;
        used += x->objects * i * SIZE_UNIT;
    }
    set(s, "", "count", all.spans);
    set(s, "", "bytes", all.bytes);
    set(s, "", "free_bytes",
        all.bytes - f->large.bytes - min_u64(used, all.bytes - f->large.bytes));
    set(s, "", "sparse", all.sparse);
    set(s, "", "sparse_bytes", all.sparse_bytes);
    set(s, "large.", "count", f->large.spans);
    set(s, "large.", "bytes", f->large.bytes);
}

void counters_spans(struct rt *rt, struct target *t, struct snap *s)
{
    static const char what[] = "how full spans are";
    if (!G(rt, mheap) || !rt_has(&rt->layout, RT_mheap_allspans) ||
        !rt_has(&rt->layout, RT_mspan_alloc_count)) {
        snap_note_missing(s, 1, what, "the runtime's list of spans was not found");
        return;
    }
    struct filling *f = mem_alloc(sizeof(*f));
    f->rt = rt;
    struct heap_spans_missed missed;
    struct err *e = heap_each_span(rt, t, count_one, f, &missed);
    if (e)
        snap_note_missing(s, 1, what, err_message(e));
    else
        set_rows(s, f);
    if (!e && missed.unreadable + missed.nonsense)
        snap_note_missing(s, missed.unreadable + missed.nonsense, what, "they could not be read");
    err_free(e);
    free(f);
}

void counters_spans_of_heap(struct snap *s)
{
    struct filling *f = mem_alloc(sizeof(*f));
    for (size_t i = 0; i < s->span.n; i++)
        count_span(f, &(struct span_fill){.elem_size = s->span.elem_size[i],
                                          .elems = s->span.elems[i],
                                          .bytes = (uint64_t)s->span.pages[i] * HEAP_PAGE,
                                          .taken = s->span.allocated[i],
                                          .large = s->span.flags[i] & SNAP_SPF_LARGE});
    set_rows(s, f);
    free(f);
}
