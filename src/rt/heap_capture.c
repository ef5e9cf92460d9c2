/* heap_capture.c - leads the capture of the heap: what is read in which order, and what it takes.
 *
 * What needs the target comes first (capture_heap), so that the copy can go: spans, pointers, what
 * the runtime keeps beside objects, roots.  What objects are is found out afterwards
 * (capture_heap_finish), from the snapshot and the types that were read.
 *
 * A graph needs one instant: pointers that are read at different times lead to slots that were free
 * or held something else.  So the heap is read from a frozen copy, a stopped process or a core, and
 * refused for a process that runs. */
#include <stdlib.h>

#include "base/avail.h"
#include "rt/types_int.h"

/* ---- before anything is touched ---- */

/* What it will take, as measured: of each object its place and shape, its pointers (a word in five
 * is one, at 4.3 bytes), and what is needed meanwhile.  What is left for later is done beside the
 * search of the graph, which takes its memory at the same time. */
static uint64_t memory_needed(struct rt *rt, const struct rt_capture_options *o)
{
    enum { BYTES_OF_OBJECT = 7, SEARCHED = 9, MEANWHILE = 32 << 20 };
    struct snap *s = snap_new();
    int64_t objects = 0, bytes = 0, pages = 0;
    struct err *e = capture_counters(rt, rt->t, s);
    if (!e) {
        snap_counter(s, "memstats.heap_objects", &objects);
        snap_counter(s, "memstats.heap_alloc_bytes", &bytes);
        snap_counter(s, "memstats.heap_inuse_bytes", &pages);
    }
    err_free(e); /* not known: not refused */
    snap_free(s);
    if (objects < 0 || bytes < 0 || pages < 0)
        return 0;
    return (uint64_t)objects * (BYTES_OF_OBJECT + (o->rest ? SEARCHED : 0)) + (uint64_t)bytes / 9 +
           (o->heap_memory ? (uint64_t)pages : 0) + MEANWHILE;
}

struct err *capture_heap_room(struct rt *rt, const struct rt_capture_options *o)
{
    enum { MIB = 1 << 20 };
    if (!o->heap)
        return NULL;
    if (target_kind(rt->t) == TARGET_LIVE && o->consistency == RT_GOROUTINE)
        return err_hint(err_new(ERR_USAGE, "the heap cannot be read while the process changes it: "
                                           "it must be seen at one instant"),
                        "leave out --consistency goroutine");
    struct arena a;
    const char *where;
    arena_init(&a);
    uint64_t need = memory_needed(rt, o), left = target_memory_for_us(&a, &where);
    struct err *e = NULL;
    if (need > left)
        e = err_new(ERR_LIMIT,
                    "the heap needs about %llu MB of memory here, and only %llu MB are left to %s",
                    (unsigned long long)(need / MIB), (unsigned long long)(left / MIB), where);
    arena_free(&a);
    return err_hint(e,
                    o->heap_memory
                        ? "leave out --with-memory, or write a core (gospect core) and look at "
                          "it where there is more memory"
                        : "write a core (gospect core) and look at it where there is more memory");
}

/* ---- the capture ---- */

void heap_note_unread(struct heap *h, uint64_t count, const char *what, const char *why)
{
    if (!count)
        return;
    h->unread += count;
    snap_note_missing(h->c->s, count, what, why);
}

/* A goroutine that could not be read has a stack that could not. */
static uint64_t unread_goroutines(const struct capture *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->ngs; i++)
        n += c->gs[i].g.status == UINT32_MAX;
    return n;
}

/* What is in the objects: wanted anyway, or where it costs little. */
static struct err *read_memory(struct heap *h)
{
    enum { OUR_PART = 4 };
    const struct rt_capture_options *o = h->c->o;
    uint64_t bytes = 0;
    if (o->heap_memory)
        return heap_read_memory(h);
    for (size_t i = 0; i < h->nspans; i++)
        bytes += (uint64_t)h->spans[i].pages * HEAP_PAGE;
    if (bytes > o->heap_memory_below || bytes > mem_available(NULL) / OUR_PART)
        return NULL;
    struct err *e = heap_read_memory(h);
    if (!e || err_code(e) != ERR_NOMEM)
        return e;
    err_free(e);
    return NULL;
}

struct err *capture_heap(struct capture *c)
{
    if (!c->o->heap)
        return NULL;
    struct heap *h = c->heap_objects = mem_alloc(sizeof(*h));
    h->c = c;
    TRY(heap_read_spans(h));
    TRY(types_open(c->rt, c->t, &h->types));
    TRY(heap_masks_open(h));
    TRY(heap_read_edges(h));
    TRY(heap_read_roots(h));
    TRY(heap_read_stacks(h));
    capture_profiles(c); /* before specials, which name buckets */
    TRY(heap_read_specials(h));
    heap_read_threads(h);
    TRY(heap_read_tiny(h));
    TRY(heap_read_code(h));
    types_list(h->types);
    if (c->o->heap_object)
        TRY(heap_read_object(h, c->o->heap_object));
    return read_memory(h);
}

struct err *capture_heap_finish(struct capture *c, unsigned width)
{
    struct heap *h = c->heap_objects;
    if (!h)
        return NULL;
    heap_free_spans(h); /* from here on the table tells enough */
    heap_name_captured(h);
    TRY(heap_find_shapes(h, width));
    heap_masks_free(h);
    TRY(types_store(h->types, c));
    snap_set_counter(c->s, "heap.free_targets", (int64_t)h->free_targets);
    snap_set_counter(c->s, "heap.unread", (int64_t)(h->unread + unread_goroutines(c)));
    return NULL;
}

void capture_heap_free(struct capture *c)
{
    struct heap *h = c->heap_objects;
    if (!h)
        return;
    types_free(h->types);
    vec_free(&h->closures);
    vec_free(&h->codes);
    vec_free(&h->code_roots);
    heap_free_typed_roots(h);
    heap_masks_free(h);
    heap_free_spans(h);
    free(h);
    c->heap_objects = NULL;
}
