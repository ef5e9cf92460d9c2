/* heap_graph.c - time and memory of the heap's graph, on a made-up heap as large as one likes.
 *
 *     bench_heap_graph [MILLIONS OF OBJECTS [keep|mark]]        15.5 unless said
 *
 * Half of the objects have pointers: short lists whose heads are a binary tree, pointers back and,
 * seldom, anywhere, a leaf of their own each and sometimes a shared one: 1.5 pointers for an
 * object, as measured on services.  10,000 goroutines and 1,000 globals point somewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "heap/by.h"
#include "heap/diff.h"
#include "heap/suspects.h"
#include "snap/snap_int.h"

enum {
    SCAN_SIZE = 64,
    LEAF_SIZE = 32,
    PAGE = 8192,
    SHAPES = 400,
    GOROUTINES = 10000,
    GLOBALS = 1000
};

struct gen {
    struct snap *s;
    uint32_t nscan, nleaves;
    uint8_t *out; /* NULL: only count */
    size_t n;
    uint64_t state;
};

static void must(struct err *e)
{
    if (!e)
        return;
    fprintf(stderr, "bench_heap_graph: %s\n", err_message(e));
    exit(3);
}

static uint32_t below(struct gen *g, uint32_t n)
{
    g->state ^= g->state << 13;
    g->state ^= g->state >> 7;
    g->state ^= g->state << 17;
    return (uint32_t)((g->state >> 16) % n);
}

static void byte(struct gen *g, uint8_t b)
{
    if (g->out)
        g->out[g->n] = b;
    g->n++;
}

static void uleb(struct gen *g, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        byte(g, (uint8_t)(v | 0x80));
    byte(g, (uint8_t)v);
}

/* Runs of 8 that point on to the next one and often back to the first; the runs are a binary tree.
 */
static void object(struct gen *g, uint32_t i)
{
    uint32_t to[8], n = 0, last = i, run = i / 8;
    if (i % 8 != 7)
        to[n++] = i + 1;
    for (uint32_t c = 2 * run + 1; i % 8 == 0 && c < 2 * run + 3; c++)
        if (8 * (uint64_t)c < g->nscan)
            to[n++] = 8 * c;
    to[n++] = g->nscan + (uint32_t)((uint64_t)i * g->nleaves / g->nscan);
    if (below(g, 10) < 3)
        to[n++] = i / 8 * 8;
    if (below(g, 10) < 1)
        to[n++] = below(g, 100) ? i / 1000 * 1000 : below(g, g->nscan);
    if (below(g, 10) < 3)
        to[n++] = g->nscan + (i / 100 * 100) % g->nleaves;
    uleb(g, n);
    for (uint32_t k = 0; k < n; k++) {
        int64_t delta = (int64_t)to[k] - last;
        byte(g, (uint8_t)(1 | (to[k] >= g->nscan ? 128 : 0)));
        uleb(g, (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63));
        last = to[k];
    }
}

static void edges(struct gen *g)
{
    for (int pass = 0; pass < 2; pass++) {
        g->state = 88172645463325252;
        g->n = 0;
        for (uint32_t i = 0; i < g->nscan; i++) {
            if (g->out)
                g->s->scanslot.edges[i] = (uint32_t)g->n + 1;
            object(g, i);
        }
        must(snap_table_resize(g->s, &snap_tables[TABLE_edge], g->n));
        g->out = g->s->edge.byte;
    }
}

static void spans(struct gen *g)
{
    struct snap *s = g->s;
    uint32_t slot = 0, per[2] = {PAGE / SCAN_SIZE, PAGE / LEAF_SIZE};
    uint32_t n[2] = {g->nscan / per[0], g->nleaves / per[1]};
    must(snap_table_resize(s, &snap_tables[TABLE_span], n[0] + n[1]));
    for (uint32_t r = 0; r < s->span.n; r++) {
        bool leaf = r >= n[0];
        s->span.addr[r] = 0xc000000000 + (uint64_t)r * PAGE;
        s->span.elem_size[r] = leaf ? LEAF_SIZE : SCAN_SIZE;
        s->span.slot[r] = slot;
        s->span.elems[r] = s->span.allocated[r] = per[leaf];
        s->span.pages[r] = 1;
        s->span.class[r] = leaf ? 7 : 10;
        s->span.flags[r] = leaf ? SNAP_SPF_NO_POINTERS : 0;
        slot += per[leaf];
    }
}

static void roots(struct gen *g)
{
    struct snap *s = g->s;
    must(snap_table_resize(s, &snap_tables[TABLE_global], GLOBALS));
    must(snap_table_resize(s, &snap_tables[TABLE_goroutine], GOROUTINES));
    must(snap_table_resize(s, &snap_tables[TABLE_root], GLOBALS + GOROUTINES));
    for (uint32_t r = 0; r < s->root.n; r++) {
        bool global = r < GLOBALS;
        s->root.kind[r] = global ? SNAP_ROOT_GLOBAL : SNAP_ROOT_STACK;
        s->root.slot[r] = r ? below(g, g->nscan) : 0;
        s->root.global[r] = global ? r : SNAP_NONE;
        s->root.goroutine[r] = global ? SNAP_NONE : r - GLOBALS;
    }
}

static struct snap *make(double millions)
{
    struct gen g = {.s = snap_new()};
    struct snap *s = g.s;
    g.nscan = (uint32_t)(millions * 1e6 * 0.52) / 128 * 128;
    g.nleaves = (uint32_t)(millions * 1e6 * 0.48) / 256 * 256;
    spans(&g);
    must(snap_table_resize(s, &snap_tables[TABLE_slot], g.nscan + g.nleaves));
    must(snap_table_resize(s, &snap_tables[TABLE_slots64], (g.nscan + g.nleaves + 63) / 64));
    must(snap_table_resize(s, &snap_tables[TABLE_scanslot], g.nscan));
    must(snap_table_resize(s, &snap_tables[TABLE_shape], SHAPES));
    for (uint32_t i = 0; i < SHAPES; i++)
        s->shape.type[i] = SNAP_NONE, s->shape.name[i] = intern_addn(&s->strings, (char *)&i, 4);
    for (uint32_t i = 0; i < s->slot.n; i++)
        s->slot.shape[i] = (uint16_t)(i < g.nscan ? 1 + i % 200 : 201 + i % 199);
    memset(s->slots64.allocated, 0xff, s->slots64.n * 8);
    memset(s->slots64.survived, 0xff, s->slots64.n * 8);
    edges(&g);
    roots(&g);
    return s;
}

static double peak_mb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t report(const char *what, int64_t since)
{
    static int64_t cpu_before;
    int64_t now = clock_mono_ns(), cpu = cpu_ns();
    if (what)
        printf("%-16s %7.0f ms, processor %6.0f ms, peak %6.0f MB\n", what,
               (double)(now - since) / 1e6, (double)(cpu - cpu_before) / 1e6, peak_mb());
    cpu_before = cpu_ns();
    return clock_mono_ns();
}

/* What needs the edges: paths, suspects, and a diff (of the heap with itself: all is kept, so that
 * all pointers are compared). */
static int64_t with_edges(struct heap_graph *g, int64_t t)
{
    struct heap_paths paths;
    struct heap_suspects suspects;
    struct heap_diff *d;
    uint32_t what[] = {heap_slots(g) / 4, heap_slots(g) / 4 + 77, heap_slots(g) - 1000};
    static const char *const names[] = {"path, first", "path", "path to a leaf"};
    for (size_t i = 0; i < ARRAY_LEN(what); i++) {
        must(heap_find_paths(g, &(struct heap_path_options){.what = what[i]}, &paths));
        heap_paths_free(&paths);
        t = report(names[i], t);
    }
    must(heap_find_paths(g, &(struct heap_path_options){.to = HEAP_TO_TYPE, .what = 17}, &paths));
    heap_paths_free(&paths);
    t = report("path to a type", t);
    must(heap_find_suspects(g, NULL, &suspects));
    heap_suspects_free(&suspects);
    t = report("suspects", t);
    must(heap_diff(g, g, NULL, &d));
    heap_diff_free(d);
    return report("diff", t);
}

int main(int argc, char **argv)
{
    mem_give_back();
    double millions = argc > 1 ? atof(argv[1]) : 15.5;
    struct heap_options o = {.keep_edges = argc > 2 && strcmp(argv[2], "keep") == 0,
                             .mark_only = argc > 2 && strcmp(argv[2], "mark") == 0};
    struct heap_graph *g;
    struct heap_rows rows;
    struct snap *s = make(millions);
    printf("%.1f million objects, %.1f MB of edges, snapshot %.0f MB, estimate %.0f MB more\n",
           (double)s->slot.n / 1e6, (double)s->edge.n / 1e6, (double)snap_memory(s) / 1e6,
           (double)heap_memory_needed(s, &o) / 1e6);
    int64_t t = report(NULL, 0);
    must(snap_check_heap(s));
    t = report("snap_check_heap", t);
    must(heap_open(s, &o, &g));
    t = report("heap_open", t);
    for (int by = 0; by < HEAP_BY_COUNT && !o.mark_only; by++) {
        must(heap_group(g, (enum heap_by)by, &rows));
        t = report(heap_by_name((enum heap_by)by), t);
        heap_rows_free(&rows);
    }
    if (!o.mark_only) {
        struct heap_top top[20];
        size_t n;
        must(heap_top(g, &(struct heap_top_options){.limit = 20}, top, &n));
        t = report("top", t);
    }
    if (o.keep_edges)
        t = with_edges(g, t);
    struct heap_totals sums;
    heap_totals(g, &sums);
    printf("live %llu of %llu, held by one holder %llu\n", (unsigned long long)sums.live_objects,
           (unsigned long long)sums.objects, (unsigned long long)sums.held_objects);
    heap_close(g);
    snap_free(s);
    return 0;
}
