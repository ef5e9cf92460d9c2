/* graph.c - opens the graph, and answers what lies where; see heap.h.
 *
 * The order of work and of memory: holders; mark (beside it the leaves); the edges go, unless they
 * are kept; dominators; owners of leaves; retained sizes. */
#include <inttypes.h>
#include <string.h>

#include "base/avail.h"
#include "base/pool.h"
#include "base/text.h"
#include "heap/heap_int.h"

/* ---- memory ---- */

enum {
    EDGE_BYTES = 4,    /* of the table edge, for one pointer */
    VERTEX_BYTES = 20, /* idom, anc, label, semi, first; later idom, index, end, retained */
    CROSS_BYTES = 12,  /* of the list and of the sorted one */
    FIXED_BYTES = 4 << 20,
};

static void count_allocated(const struct snap *s, uint64_t *scan, uint64_t *leaves)
{
    *scan = *leaves = 0;
    for (uint32_t r = 0; r < s->span.n; r++)
        *(s->span.flags[r] & SNAP_SPF_NO_POINTERS ? leaves : scan) += s->span.allocated[r];
}

static bool keeps_edges(const struct snap *s, const struct heap_options *o)
{
    return o->keep_edges || s->edge.n + 4 * s->scanslot.n <= o->keep_edges_below;
}

uint64_t heap_memory_needed(const struct snap *s, const struct heap_options *o)
{
    uint64_t scan, leaves, edges = s->edge.n / EDGE_BYTES;
    count_allocated(s, &scan, &leaves);
    scan += s->global.n + s->goroutine.n + SNAP_ROOT_COUNT + 1;
    uint64_t tree = scan + leaves;
    uint64_t cross = max_u64(edges > tree ? edges - tree : 0, edges / 4);
    uint64_t slots = s->slot.n, scan_slots = s->scanslot.n;
    uint64_t stays = 4 * scan_slots + 4 * (slots - scan_slots) + slots / 16 + 4 * s->root.n;
    bool keep = o && keeps_edges(s, o);
    if (o && o->mark_only) /* a bit for each slot, and the stack of what is to be looked at */
        return slots / 8 + slots / 16 + 4 * scan + 4 * s->root.n + FIXED_BYTES;
    uint64_t marking = stays + 4 * scan + 8 * cross + FIXED_BYTES;
    uint64_t dominating = stays + VERTEX_BYTES * scan + CROSS_BYTES * cross + FIXED_BYTES;
    uint64_t freed = keep ? 0 : min_u64(s->edge.n + 4 * scan_slots, dominating);
    return max_u64(marking, dominating - freed);
}

static struct err *check_memory(const struct snap *s, const struct heap_options *o)
{
    const char *why = "the limit that was set";
    uint64_t needed = heap_memory_needed(s, o);
    uint64_t limit = o && o->memory ? o->memory : mem_available(&why);
    if (needed <= limit)
        return NULL;
    struct buf n = {0}, l = {0};
    text_bytes(&n, needed);
    text_bytes(&l, limit);
    struct err *e = err_new(ERR_LIMIT, "the graph of this heap takes %s of memory, %s leaves %s",
                            buf_text(&n), why, buf_text(&l));
    buf_free(&n);
    buf_free(&l);
    return err_hint(e, "look at it where there is more memory; of a process, gospect snapshot "
                       "--heap saves what to look at");
}

uint64_t heap_memory(const struct heap_graph *g)
{
    uint64_t index = (uint64_t)g->nscan + g->nholders, n = sizeof(*g);
    n += g->nslots / 16 + 4 * (uint64_t)g->s->root.n + g->nholders * (sizeof(*g->holders) + 4);
    if (g->mark_only)
        n += g->nslots / 8;
    else
        n += 4 * index + 4 * (uint64_t)g->nleaves +
             (uint64_t)g->nvert * (3 * sizeof(uint32_t) + sizeof(uint64_t));
    if (g->reverse_first)
        n += 4 * ((uint64_t)g->nscan + 1 + g->reverse_first[g->nscan]);
    return n;
}

/* ---- opening ---- */

static struct err *index_spans(struct heap_graph *g)
{
    const struct snap *s = g->s;
    size_t blocks = g->nslots / 64 + 1;
    uint64_t row = 0;
    TRY(heap_array(blocks, sizeof(*g->span_of), "the spans of the heap", &g->span_of));
    for (uint32_t b = 0, r = 0; b < blocks; b++) {
        while (r + 1 < s->span.n && s->span.slot[r + 1] <= (uint64_t)b * 64)
            r++;
        g->span_of[b] = r;
    }
    if (!s->memory.n)
        return NULL;
    TRY(heap_array(s->span.n, sizeof(*g->memory_row), "the spans of the heap", &g->memory_row));
    for (uint32_t r = 0; r < s->span.n; r++) {
        g->memory_row[r] = row;
        row += (uint64_t)s->span.pages[r] * 1024;
    }
    return NULL;
}

/* Empties the columns that nobody needs any more. */
static void drop_edges(struct heap_graph *g)
{
    struct snap *s = g->s;
    free(s->edge.byte);
    free(s->scanslot.edges);
    s->edge = (struct snap_edge){0};
    s->scanslot = (struct snap_scanslot){0};
    g->has_edges = false;
}

struct sum {
    struct heap_graph *g;
    struct heap_totals *parts; /* by worker */
    uint64_t *held;            /* bits of vertices that a single holder keeps alive */
};

enum { SPANS_AT_ONCE = 1024 };

static void sum_span(const struct sum *m, uint32_t r, struct heap_totals *t)
{
    const struct heap_graph *g = m->g;
    const struct snap *s = g->s;
    uint64_t size = s->span.elem_size[r];
    t->slots += s->span.elems[r];
    t->slot_bytes += size * s->span.elems[r];
    for (uint32_t slot = s->span.slot[r], end = slot + s->span.elems[r]; slot < end; slot++) {
        if (!bit_at(s->slots64.allocated, slot))
            continue;
        t->objects++;
        t->bytes += size;
        if (!heap_reached(g, slot))
            continue;
        if (m->held)
            t->held_objects += bit_at(m->held, heap_keeper(g, slot) - 1);
        t->live_objects++;
        t->live_bytes += size;
        uint16_t shape = s->slot.shape[slot];
        uint8_t evidence = s->shape.n ? s->shape.evidence[shape] : SNAP_EV_NONE;
        bool untyped = !shape, guessed = !untyped && evidence == SNAP_EV_GUESS;
        t->untyped_objects += untyped;
        t->untyped_bytes += untyped ? size : 0;
        t->guessed_objects += guessed;
        t->guessed_bytes += guessed ? size : 0;
    }
}

static struct err *sum_spans(void *arg, size_t i, unsigned worker)
{
    struct sum *m = arg;
    size_t end = min_u64((i + 1) * SPANS_AT_ONCE, m->g->s->span.n);
    for (size_t r = i * SPANS_AT_ONCE; r < end; r++)
        sum_span(m, (uint32_t)r, &m->parts[worker]);
    return NULL;
}

/* What single holders keep alive: all but what HEAP_ALL dominates immediately, and what is below.
 */
static struct err *find_held(struct heap_graph *g, uint64_t **ret)
{
    uint64_t *held;
    TRY(heap_array((size_t)g->nvert / 64 + 1, sizeof(*held), "sums", &held));
    for (uint32_t v = 1; v < g->nvert; v = g->end[v]) {
        if (g->index[v] < g->nscan)
            continue;
        g->totals.held_bytes += g->retained[v];
        for (uint64_t u = v, n; u < g->end[v]; u += n) {
            n = min_u64(64 - u % 64, g->end[v] - u);
            held[u / 64] |= (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX) << u % 64;
        }
    }
    *ret = held;
    return NULL;
}

static struct err *sum_totals(struct heap_graph *g)
{
    struct sum m = {.g = g};
    unsigned width = pool_width();
    if (!g->mark_only)
        TRY(find_held(g, &m.held));
    struct err *e = heap_array(width, sizeof(*m.parts), "sums", &m.parts);
    if (!e)
        e = pool_run((g->s->span.n + SPANS_AT_ONCE - 1) / SPANS_AT_ONCE, sum_spans, &m);
    uint64_t *to = (uint64_t *)&g->totals;
    for (unsigned w = 0; m.parts && w < width; w++)
        for (size_t k = 0; k < sizeof(*m.parts) / sizeof(uint64_t); k++)
            to[k] += ((const uint64_t *)&m.parts[w])[k];
    free(m.parts);
    free(m.held);
    return e;
}

static struct err *build(struct heap_graph *g, const struct heap_options *o, struct heap_log *cross,
                         struct heap_log *shared)
{
    struct progress *p = o->progress;
    TRY(index_spans(g));
    TRY(heap_find_holders(g));
    TRY(g->mark_only ? heap_mark_live(g, o) : heap_mark(g, cross, shared, o));
    if (!keeps_edges(g->s, o))
        drop_edges(g);
    if (!g->mark_only) {
        TRY(heap_dominators(g, cross, p));
        TRY(heap_own_leaves(g, shared));
        TRY(heap_retain(g));
    }
    return o->no_totals ? NULL : sum_totals(g);
}

static uint32_t count_scan_slots(const struct snap *s, uint32_t *spans)
{
    uint32_t r = 0;
    while (r < s->span.n && !(s->span.flags[r] & SNAP_SPF_NO_POINTERS))
        r++;
    *spans = r;
    return r < s->span.n ? s->span.slot[r] : (uint32_t)s->slot.n;
}

struct err *heap_open(struct snap *s, const struct heap_options *o, struct heap_graph **ret)
{
    struct heap_options none = {0};
    struct heap_log cross = {0}, shared = {0};
    o = o ? o : &none;
    *ret = NULL;
    if (!s->span.n)
        return err_new(ERR_NOT_FOUND, "the snapshot has no heap in it");
    if (s->slot.n && !s->scanslot.n && count_scan_slots(s, &(uint32_t){0}))
        return err_new(ERR_UNSUPPORTED,
                       "the pointers of the snapshot were used up by another graph");
    TRY(check_memory(s, o));
    struct heap_graph *g = mem_alloc(sizeof(*g));
    g->s = s;
    g->nslots = (uint32_t)s->slot.n;
    g->nscan = count_scan_slots(s, &g->scan_spans);
    g->nleaves = g->nslots - g->nscan;
    g->has_edges = true;
    g->mark_only = o->mark_only;
    struct err *e = build(g, o, &cross, &shared);
    heap_log_free(&cross);
    heap_log_free(&shared);
    if (e) {
        heap_close(g);
        return err_wrap(e, "heap");
    }
    *ret = g;
    return NULL;
}

void heap_close(struct heap_graph *g)
{
    if (!g)
        return;
    void *const all[] = {
        g->span_of,     g->memory_row, g->holders, g->holder_global, g->holder_goroutine,
        g->root_first,  g->root_rows,  g->vertex,  g->index,         g->idom,
        g->end,         g->retained,   g->owner,   g->reached,       g->reverse_first,
        g->reverse_from};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    free(g);
}

const struct snap *heap_snap(const struct heap_graph *g)
{
    return g->s;
}

bool heap_has_edges(const struct heap_graph *g)
{
    return g->has_edges;
}

bool heap_has_retained(const struct heap_graph *g)
{
    return !g->mark_only;
}

void heap_totals(const struct heap_graph *g, struct heap_totals *ret)
{
    *ret = g->totals;
}

/* ---- slots ---- */

uint32_t heap_slots(const struct heap_graph *g)
{
    return g->nslots;
}

uint32_t heap_span(const struct heap_graph *g, uint32_t slot)
{
    const struct snap *s = g->s;
    uint32_t r = g->span_of[slot / 64];
    while (r + 1 < s->span.n && s->span.slot[r + 1] <= slot)
        r++;
    return r;
}

/* The last span of rows lo..hi-1 that does not begin behind addr; hi: none. */
static uint32_t span_below(const struct snap *s, uint32_t lo, uint32_t hi, taddr addr)
{
    uint32_t none = hi, first = lo;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->span.addr[mid] <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == first ? none : lo - 1;
}

static uint32_t slot_in(const struct snap *s, uint32_t r, taddr addr, uint64_t *ret_offset)
{
    uint64_t size = s->span.elem_size[r], at = addr - s->span.addr[r];
    if (!size || at / size >= s->span.elems[r])
        return SNAP_NONE;
    if (ret_offset)
        *ret_offset = at % size;
    return s->span.slot[r] + (uint32_t)(at / size);
}

uint32_t heap_find(const struct heap_graph *g, taddr addr, uint64_t *ret_offset)
{
    const struct snap *s = g->s;
    uint32_t n = (uint32_t)s->span.n, r = span_below(s, 0, g->scan_spans, addr);
    uint32_t slot = r < g->scan_spans ? slot_in(s, r, addr, ret_offset) : SNAP_NONE;
    if (slot != SNAP_NONE)
        return slot;
    r = span_below(s, g->scan_spans, n, addr);
    return r < n ? slot_in(s, r, addr, ret_offset) : SNAP_NONE;
}

taddr heap_address(const struct heap_graph *g, uint32_t slot)
{
    uint32_t r = heap_span(g, slot);
    return g->s->span.addr[r] + (uint64_t)(slot - g->s->span.slot[r]) * g->s->span.elem_size[r];
}

uint64_t heap_size(const struct heap_graph *g, uint32_t slot)
{
    return g->s->span.elem_size[heap_span(g, slot)];
}

bool heap_allocated(const struct heap_graph *g, uint32_t slot)
{
    return bit_at(g->s->slots64.allocated, slot);
}

bool heap_survived(const struct heap_graph *g, uint32_t slot)
{
    return bit_at(g->s->slots64.survived, slot);
}

uint32_t heap_shape(const struct heap_graph *g, uint32_t slot)
{
    return g->s->slot.shape[slot];
}

const char *heap_shape_name(const struct heap_graph *g, uint32_t slot)
{
    uint32_t shape = heap_shape(g, slot);
    return shape ? snap_str(g->s, g->s->shape.name[shape]) : "";
}

/* The few words that were asked for. */
static bool asked_word(const struct snap *s, taddr addr, uint64_t *ret)
{
    for (size_t i = 0; i < s->word.n; i++)
        if (s->word.addr[i] == addr) {
            *ret = s->word.value[i];
            return true;
        }
    return false;
}

bool heap_word(const struct heap_graph *g, taddr addr, uint64_t *ret)
{
    if (asked_word(g->s, addr, ret))
        return true;
    uint32_t slot = g->memory_row && addr % 8 == 0 ? heap_find(g, addr, NULL) : SNAP_NONE;
    if (slot == SNAP_NONE)
        return false;
    uint32_t r = heap_span(g, slot);
    uint64_t row = g->memory_row[r] + (addr - g->s->span.addr[r]) / 8;
    if (row >= g->s->memory.n)
        return false;
    *ret = g->s->memory.word[row];
    return true;
}
