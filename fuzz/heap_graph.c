/* The heap's graph on whatever tables the check lets through: objects, pointers, types and roots as
 * the input says, then some bytes of the tables overwritten; everything heap/ computes is asked
 * for, twice over for the diff.  A sanitizer's finding, or one of the sums below, is a defect. */
#include <stdlib.h>
#include <string.h>

#include "heap/by.h"
#include "heap/sites.h"
#include "heap/sparse.h"
#include "heap/survival.h"
#include "heap/suspects.h"
#include "heap_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(struct err *e)
{
    if (e)
        abort();
}

/* Returns whether it worked; what may fail may fail. */
static bool may(struct err *e)
{
    err_free(e);
    return !e;
}

static void groups(const struct heap_graph *g)
{
    struct heap_totals t;
    struct heap_rows rows;
    heap_totals(g, &t);
    if (heap_retained(g, HEAP_ALL) != t.live_bytes || t.live_bytes > t.bytes)
        abort();
    for (int by = 0; by < HEAP_BY_COUNT; by++) {
        must(heap_group(g, (enum heap_by)by, &rows));
        for (size_t i = 0; i < rows.n; i++)
            if (rows.v[i].retained > t.live_bytes)
                abort();
        heap_rows_free(&rows);
    }
    struct heap_rows space;
    must(heap_space(heap_snap(g), &space));
    heap_rows_free(&space);
    struct heap_sparse sparse;
    if (may(heap_sparse(heap_snap(g), &sparse)))
        heap_sparse_free(&sparse);
    struct heap_top top[8];
    size_t n;
    must(heap_top(g, &(struct heap_top_options){.limit = 8, .holders = true}, top, &n));
    must(heap_top(g, &(struct heap_top_options){.limit = 8, .outermost = true}, top, &n));
}

static void one_way(struct heap_graph *g, enum heap_path_target to, uint32_t what)
{
    struct heap_paths paths;
    struct buf b = {0};
    if (!may(heap_find_paths(g, &(struct heap_path_options){.to = to, .what = what}, &paths)))
        return;
    for (size_t i = 0; i < paths.n; i++)
        heap_path_text(g, &paths.v[i], &b);
    heap_paths_free(&paths);
    buf_free(&b);
}

static void near_way(const struct heap_graph *g, uint32_t slot)
{
    struct heap_path p;
    struct arena mem;
    arena_init(&mem);
    must(heap_near_path(g, slot, &mem, &p));
    if (p.n && p.steps[p.n - 1].slot != slot)
        abort();
    arena_free(&mem);
}

static void ways(struct heap_graph *g)
{
    const struct snap *s = heap_snap(g);
    struct heap_suspects suspects;
    struct buf b = {0};
    uint32_t v[4];
    size_t n;
    uint64_t total;
    for (uint32_t slot = 0; slot < heap_slots(g); slot += 3) {
        if (!heap_allocated(g, slot))
            continue;
        near_way(g, slot);
        one_way(g, HEAP_TO_SLOT, slot);
        heap_dominator_chain(g, slot, 4, v, &(bool){0});
        must(heap_referrers(g, slot, 4, v, &n, &total));
        heap_node_text(g, slot, &b);
    }
    for (uint32_t i = 0; i < s->shape.n; i++)
        one_way(g, HEAP_TO_TYPE, i);
    for (uint32_t i = 0; i < s->goroutine.n; i++)
        one_way(g, HEAP_TO_GOROUTINE, i);
    must(heap_find_suspects(g, NULL, &suspects));
    heap_suspects_free(&suspects);
    buf_free(&b);
}

static void survive(const struct heap_diff *d, uint64_t live)
{
    struct heap_survival s;
    uint64_t objects = 0, kept = 0;
    must(heap_survival(d, NULL, &s));
    for (size_t i = 0; i < s.n; i++) {
        objects += s.v[i].objects;
        kept += s.v[i].kept;
        if (s.v[i].kept > s.v[i].objects || s.v[i].kept_fresh > s.v[i].fresh)
            abort();
    }
    if (objects != live || kept != d->kept.count)
        abort();
    heap_survival_free(&s);
}

static void compare(const struct heap_graph *a, const struct heap_graph *b)
{
    struct heap_diff *d;
    struct heap_totals x, y;
    struct heap_site_rows rows;
    struct heap_semantic tree;
    must(heap_diff(a, b, NULL, &d));
    heap_totals(a, &x);
    heap_totals(b, &y);
    if ((int64_t)(d->fresh.bytes - d->freed.bytes) + d->modified_bytes !=
        (int64_t)(y.live_bytes - x.live_bytes))
        abort();
    if (may(heap_cross_check(d, NULL, &rows)))
        heap_site_rows_free(&rows);
    survive(d, x.live_objects);
    heap_diff_free(d);
    if (may(heap_semantic_diff(heap_snap(a), heap_snap(b), NULL, &tree)))
        heap_semantic_free(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct snap *s[2];
    struct heap_graph *g[2] = {NULL, NULL};
    struct heap_options o = {.keep_edges = true, .memory = UINT64_C(1) << 30};
    for (int i = 0; i < 2; i++)
        s[i] = make_tables(&in);
    for (int i = 0; i < 2; i++)
        if (may(snap_check(s[i])) && may(heap_open(s[i], &o, &g[i]))) {
            groups(g[i]);
            ways(g[i]);
        }
    if (g[0] && g[1])
        compare(g[0], g[1]);
    for (int i = 0; i < 2; i++) {
        heap_close(g[i]);
        snap_free(s[i]);
    }
    return 0;
}
