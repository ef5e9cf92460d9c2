/* The diff: against a model of an allocator that knows which object is which, over random histories
 * of allocations, deaths, marking and lazy sweeping; growth in place; where new objects hang. */
#include "check.h"
#include "heap/diff.h"
#include "heap/make.h"
#include "heap/survival.h"
#include "snap/make.h"

/* ---- a model of the allocator ---- */

enum { SPANS = 6, ELEMS = 20, TYPES = 3, SIZE = 64 };

struct cell {
    uint32_t id; /* which allocation; 0: free */
    uint8_t type;
    bool live, marked; /* marked: by the last collection */
};

struct world {
    struct make_random r;
    struct cell cells[SPANS][ELEMS];
    uint32_t gen[SPANS]; /* collection that swept it last */
    uint32_t gcs, next_id;
};

static void sweep(struct world *w, uint32_t span)
{
    for (uint32_t i = 0; w->gen[span] < w->gcs && i < ELEMS; i++)
        if (w->cells[span][i].id && !w->cells[span][i].marked)
            w->cells[span][i] = (struct cell){0};
    w->gen[span] = w->gcs;
}

static void collect(struct world *w)
{
    for (uint32_t s = 0; s < SPANS; s++)
        sweep(w, s);
    w->gcs++;
    for (uint32_t s = 0; s < SPANS; s++)
        for (uint32_t i = 0; i < ELEMS; i++)
            w->cells[s][i].marked = w->cells[s][i].live;
}

static void step(struct world *w)
{
    uint32_t s = (uint32_t)make_below(&w->r, SPANS), i = (uint32_t)make_below(&w->r, ELEMS);
    struct cell *c = &w->cells[s][i];
    if (c->live && make_below(&w->r, 2)) {
        c->live = false;
    } else if (make_below(&w->r, 4) == 0) {
        sweep(w, s);
    } else {
        sweep(w, s); /* before allocating, as the runtime does it */
        if (!c->id)
            *c = (struct cell){++w->next_id, (uint8_t)make_below(&w->r, TYPES), true, false};
    }
}

/* The snapshot of the world; the objects' allocations in ids, by span and index. */
static struct snap *take(const struct world *w, uint32_t ids[SPANS][ELEMS])
{
    struct make_heap h;
    uint32_t shapes[TYPES];
    make_heap_init(&h);
    for (uint32_t t = 0; t < TYPES; t++) {
        char name[16];
        snprintf(name, sizeof(name), "main.T%u", t);
        shapes[t] = make_shape(&h, SNAP_FORM_VALUE, make_type(&h, name, MAKE_STRUCT, SIZE, 0));
    }
    uint32_t global = make_global(&h, "main.all");
    for (uint32_t s = 0; s < SPANS; s++) {
        uint32_t span = make_span(&h, MAKE_BASE + s * 2 * MAKE_PAGE, SIZE, ELEMS, s % 2);
        h.spans.v[span].sweepgen = 2 * w->gen[s] + 2;
        for (uint32_t i = 0; i < ELEMS; i++) {
            const struct cell *c = &w->cells[s][i];
            ids[s][i] = c->live ? c->id : 0;
            if (!c->id)
                continue;
            uint32_t o = make_object_in(&h, span, i, shapes[c->type]);
            h.objects.v[o].survived = c->marked;
            if (c->live)
                make_root_global(&h, global, o);
        }
    }
    struct snap *snap = make_heap_done(&h);
    snap_set_counter(snap, "memstats.num_gc", w->gcs);
    make_heap_free(&h);
    return snap;
}

static struct heap_graph *open_graph(struct snap *s)
{
    struct heap_graph *g;
    check_ok(heap_open(s, &(struct heap_options){.keep_edges = true}, &g));
    return g;
}

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* Slots of span s in the order of the snapshot: spans with pointers (odd ones) come first. */
static uint32_t slot_of(uint32_t s, uint32_t i)
{
    return (s % 2 ? s / 2 : SPANS / 2 + s / 2) * ELEMS + i;
}

static void check_cell(const struct heap_diff *d, const struct world *w, uint32_t s, uint32_t i,
                       uint32_t was, uint32_t is)
{
    uint32_t slot = slot_of(s, i);
    bool kept = bit(d->kept_bits, slot), same = was && was == is;
    assert_int_equal(bit(d->fresh_bits, slot), is && !kept);
    assert_int_equal(bit(d->freed_bits, slot), was && !kept);
    if (same)
        assert_true(kept);
    if (kept &&
        !same) /* cannot be told apart: as old as that, of one type, over several collections */
        assert_true(d->gcs > 1 && w->cells[s][i].marked && was && is);
}

static void check_sums(const struct heap_diff *d)
{
    struct heap_totals a, b;
    int64_t delta = 0;
    uint64_t aged = 0;
    heap_totals(d->a, &a);
    heap_totals(d->b, &b);
    for (size_t i = 0; i < d->ntypes; i++)
        delta += d->types[i].delta_bytes;
    for (int i = 0; i < HEAP_DIFF_AGES; i++)
        aged += d->ages[i].amount.count;
    assert_int_equal(aged, b.live_objects);
    assert_int_equal(delta, (int64_t)(b.live_bytes - a.live_bytes));
    assert_int_equal((int64_t)(d->fresh.bytes - d->freed.bytes) + d->modified_bytes, delta);
    uint64_t hung = 0;
    for (size_t i = 0; i < d->nholders; i++)
        hung += d->holders[i].fresh.count;
    assert_int_equal(hung, d->fresh.count);
}

/* From marks alone, and holders from the whole graph afterwards: the same. */
static void check_in_two_steps(struct snap *a, struct snap *b, const struct heap_diff *whole)
{
    static const struct heap_options marks = {.keep_edges = true, .mark_only = true};
    struct heap_graph *ga, *gb;
    struct heap_diff *d;
    check_ok(heap_open(a, &marks, &ga));
    check_ok(heap_open(b, &marks, &gb));
    check_ok(heap_diff(ga, gb, NULL, &d));
    assert_int_equal(d->nholders, 0);
    check_ok(heap_diff_hang(d, whole->b, NULL));
    assert_int_equal(d->nholders, whole->nholders);
    for (size_t i = 0; i < d->nholders; i++) {
        assert_int_equal(d->holders[i].node, whole->holders[i].node);
        assert_int_equal(d->holders[i].fresh.bytes, whole->holders[i].fresh.bytes);
    }
    assert_memory_equal(d->fresh_bits, whole->fresh_bits, b->slots64.n * 8);
    assert_memory_equal(d->freed_bits, whole->freed_bits, a->slots64.n * 8);
    assert_memory_equal(d->kept_bits, whole->kept_bits, b->slots64.n * 8);
    assert_int_equal(d->ntypes, whole->ntypes);
    assert_memory_equal(d->types, whole->types, d->ntypes * sizeof(*d->types));
    assert_memory_equal(d->ages, whole->ages, sizeof(d->ages));
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
}

/* Survival by type against the world's own account; with several collections `same` is inferred. */
static void check_survival(const struct heap_diff *d, const struct world *then,
                           uint32_t was[SPANS][ELEMS], uint32_t is[SPANS][ELEMS])
{
    uint64_t objects[TYPES] = {0}, fresh[TYPES] = {0}, kept[TYPES] = {0}, kept_fresh[TYPES] = {0};
    struct heap_survival v;
    for (uint32_t s = 0; s < SPANS; s++)
        for (uint32_t i = 0; i < ELEMS; i++) {
            const struct cell *c = &then->cells[s][i];
            bool same = was[s][i] && was[s][i] == is[s][i];
            objects[c->type] += was[s][i] != 0;
            fresh[c->type] += was[s][i] && !c->marked;
            kept[c->type] += same;
            kept_fresh[c->type] += same && !c->marked;
        }
    check_ok(heap_survival(d, NULL, &v));
    assert_int_equal(v.gcs, d->gcs);
    for (size_t r = 0; r < v.n; r++) {
        unsigned t;
        assert_int_equal(sscanf(v.v[r].type, "main.T%u", &t), 1);
        assert_int_equal(v.v[r].objects, objects[t]);
        assert_int_equal(v.v[r].fresh, fresh[t]);
        assert_int_equal(v.v[r].old_a, objects[t] - fresh[t]);
        if (d->gcs < 2) {
            assert_int_equal(v.v[r].kept, kept[t]);
            assert_int_equal(v.v[r].kept_fresh, kept_fresh[t]);
        } else {
            assert_true(v.v[r].kept >= kept[t]);
        }
        objects[t] = 0;
    }
    for (uint32_t t = 0; t < TYPES; t++)
        assert_int_equal(objects[t], 0); /* every type that there was has a row */
    heap_survival_free(&v);
}

static void check_history(uint64_t seed, uint32_t between)
{
    static uint32_t was[SPANS][ELEMS], is[SPANS][ELEMS];
    struct world w = {.r = {seed * 0x9e3779b97f4a7c15 + between}};
    struct heap_diff *d;
    for (uint64_t k = make_below(&w.r, 200); k; k--)
        make_below(&w.r, 40) ? step(&w) : collect(&w);
    struct snap *a = take(&w, was);
    struct world then = w;
    for (uint32_t gc = 0; gc <= between; gc++) {
        if (gc)
            collect(&w);
        for (uint64_t k = make_below(&w.r, 100); k; k--)
            step(&w);
    }
    struct snap *b = take(&w, is);
    struct heap_graph *ga = open_graph(a), *gb = open_graph(b);
    check_ok(heap_diff(ga, gb, NULL, &d));
    assert_int_equal(d->gcs, between);
    assert_int_equal(d->inferred.count != 0 && between < 2, 0);
    for (uint32_t s = 0; s < SPANS; s++)
        for (uint32_t i = 0; i < ELEMS; i++)
            check_cell(d, &w, s, i, was[s][i], is[s][i]);
    check_sums(d);
    check_in_two_steps(a, b, d);
    check_survival(d, &then, was, is);
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
}

static void objects_are_told_apart_over_random_histories(void **state)
{
    for (uint64_t seed = 1; seed <= 700; seed++)
        for (uint32_t between = 0; between <= 3; between++)
            check_history(seed, between);
}

/* ---- growth in place ---- */

/* A list with an array of n words, a map with groups of m bytes, `extra` new objects in the array.
 */
static struct snap *make_store(uint32_t n, uint32_t m, uint32_t extra, int64_t gcs)
{
    struct make_heap h;
    make_heap_init(&h);
    uint32_t item = make_type(&h, "shop.Item", MAKE_STRUCT, 48, 8);
    uint32_t slice = make_type_of(&h, "[]*shop.Item", MAKE_SLICE, 24, item, 0);
    uint32_t list = make_type(&h, "shop.List", MAKE_STRUCT, 32, 8);
    make_field(&h, "items", 0, slice);
    uint32_t map = make_type(&h, "map[string]int", MAKE_MAP, 8, 8);
    uint32_t items = make_shape(&h, SNAP_FORM_ARRAY, item),
             one = make_shape(&h, SNAP_FORM_VALUE, item);
    uint32_t ls = make_span(&h, MAKE_BASE, 32, 8, true),
             is = make_span(&h, MAKE_BASE + 0x4000, 48, 8, true);
    uint32_t hs = make_span(&h, MAKE_BASE + 0x8000, 64, 8, true);
    uint32_t holder = make_object_in(&h, ls, 3, make_shape(&h, SNAP_FORM_VALUE, list));
    uint32_t header = make_object_in(&h, hs, 1, make_shape(&h, SNAP_FORM_MAP, map));
    h.objects.v[holder].survived = h.objects.v[header].survived = true;
    h.next = MAKE_BASE + 0x100000 * (1 + (uint64_t)gcs);
    uint32_t array = make_object(&h, n * 8, true, items), groups;
    groups = make_object(&h, m, true, make_shape(&h, SNAP_FORM_MAP_GROUPS, map));
    make_edge(&h, holder, 0, array);
    make_edge(&h, header, 2, groups);
    for (uint32_t i = 0; i < 2 + extra; i++) {
        uint32_t o = make_object_in(&h, is, i, one);
        h.objects.v[o].survived = i < 2;
        make_edge(&h, array, i, o);
    }
    uint32_t global = make_global(&h, "shop.list"), root;
    root = make_root_global(&h, global, holder);
    h.s->root.addr[root] = 0x600000;
    make_root_global(&h, make_global(&h, "shop.map"), header);
    uint32_t direct = make_object(&h, n * 16, true, items); /* a global slice that grows, too */
    make_root_global(&h, make_global(&h, "shop.direct"), direct);
    struct snap *s = make_heap_done(&h);
    snap_set_counter(s, "memstats.num_gc", gcs);
    make_heap_free(&h);
    return s;
}

static void check_holder(const struct heap_diff *d, size_t i, const char *name, uint64_t fresh,
                         int64_t grown)
{
    assert_string_equal(heap_shape_name(d->b, d->holders[i].node), name);
    assert_int_equal(d->holders[i].fresh.count, fresh);
    assert_int_equal(d->holders[i].grown, grown);
}

static void check_path_text(const struct heap_diff *d, size_t i, const char *text)
{
    struct buf b = {0};
    heap_path_text(d->b, &d->holders[i].path, &b);
    assert_string_equal(buf_text(&b), text);
    buf_free(&b);
}

static void grown_slices_and_maps_are_modified(void **state)
{
    struct snap *a = make_store(16, 512, 0, 1), *b = make_store(64, 2048, 3, 2);
    struct heap_graph *ga = open_graph(a), *gb = open_graph(b);
    struct heap_diff *d;
    struct buf text = {0};
    check_ok(heap_diff(ga, gb, NULL, &d));
    assert_int_equal(d->nmodified, 3);
    assert_int_equal(d->modified[0].bytes_b - d->modified[0].bytes_a, 2048 - 512);
    assert_true(d->modified[0].map);
    assert_int_equal(d->modified[1].root_b, 2);
    assert_int_equal(d->modified[2].bytes_a, 128);
    assert_int_equal(d->modified[2].bytes_b, 512);
    heap_word_text(gb, d->modified[2].holder_b, d->modified[2].word, &text);
    assert_string_equal(buf_text(&text), ".items");
    assert_int_equal(d->fresh.count, 3);
    assert_int_equal(d->freed.count, 0);
    assert_int_equal(d->modified_bytes, 1536 + 768 + 384);
    check_sums(d);
    uint32_t v[8];
    size_t n;
    check_ok(heap_diff_largest(d, false, 8, v, &n));
    assert_int_equal(n, 3);
    /* new items hang below the array, which is not a NEW one but what was modified */
    assert_int_equal(d->nholders, 3);
    check_holder(d, 0, "map[string]int", 0, 1536);
    check_holder(d, 1, "[]shop.Item", 0, 768);
    check_holder(d, 2, "[]shop.Item", 3, 384);
    check_ok(heap_diff_find_paths(d, gb, 3, NULL));
    check_path_text(d, 0, "shop.map");
    check_path_text(d, 1, "shop.direct");
    check_path_text(d, 2, "shop.list → .items");
    buf_free(&text);
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
}

/* A Swiss map of `tables` tables with `entries` keys in each; the first table was there before. */
static struct snap *make_swiss(uint32_t tables, uint32_t entries, int64_t gcs)
{
    struct make_heap h;
    make_heap_init(&h);
    uint32_t map = make_type(&h, "map[string]int", MAKE_MAP, 8, 8);
    uint32_t key = make_shape(&h, SNAP_FORM_STRING, SNAP_NONE);
    uint32_t dir = make_shape(&h, SNAP_FORM_MAP_DIR, map);
    uint32_t table = make_shape(&h, SNAP_FORM_MAP_TABLE, map);
    uint32_t groups = make_shape(&h, SNAP_FORM_MAP_GROUPS, map);
    uint32_t first = make_span(&h, MAKE_BASE + 0x10000, 48, 8, true);
    uint32_t first_groups = make_span(&h, MAKE_BASE + 0x20000, 1024, 8, true);
    uint32_t header = make_object(&h, 64, true, make_shape(&h, SNAP_FORM_MAP, map));
    h.objects.v[header].survived = true;
    h.next = MAKE_BASE + 0x100000 * (1 + (uint64_t)gcs);
    uint32_t d = make_object(&h, tables * 8, true, dir);
    make_edge(&h, header, 2, d);
    for (uint32_t t = 0; t < tables; t++) {
        uint32_t o = t ? make_object(&h, 48, true, table) : make_object_in(&h, first, 0, table);
        uint32_t g =
            t ? make_object(&h, 1024, true, groups) : make_object_in(&h, first_groups, 0, groups);
        h.objects.v[o].survived = h.objects.v[g].survived = !t;
        make_edge(&h, d, t, o);
        make_edge(&h, o, 3, g);
        for (uint32_t i = 0; i < entries; i++)
            make_edge(&h, g, i, make_object(&h, 16, false, key));
    }
    make_root_global(&h, make_global(&h, "shop.index"), header);
    struct snap *s = make_heap_done(&h);
    snap_set_counter(s, "memstats.num_gc", gcs);
    make_heap_free(&h);
    return s;
}

/* What hangs on a table that was there before hangs on the map. */
static void entries_hang_on_their_map(void **state)
{
    struct snap *a = make_swiss(2, 10, 1), *b = make_swiss(8, 10, 2);
    struct heap_graph *ga = open_graph(a), *gb = open_graph(b);
    struct heap_diff *d;
    check_ok(heap_diff(ga, gb, NULL, &d));
    assert_int_equal(d->nmodified, 1);
    assert_int_equal(d->modified_bytes, 6 * (1024 + 48 + 8));
    assert_int_equal(d->nholders, 1);
    assert_int_equal(d->freed.count, 20); /* at other places: what the test's keys do */
    check_holder(d, 0, "map[string]int", 80, 6 * (1024 + 48 + 8));
    check_sums(d);
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
}

/* Three types that weigh the same, numbered in one order or the other. */
static struct snap *make_alike(bool backwards, uint32_t objects)
{
    static const char *const names[] = {"main.A", "main.B", "main.C"};
    struct make_heap h;
    make_heap_init(&h);
    uint32_t global = make_global(&h, "main.all");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = names[backwards ? ARRAY_LEN(names) - 1 - i : i];
        uint32_t shape = make_shape(&h, SNAP_FORM_VALUE, make_type(&h, name, MAKE_STRUCT, 16, 0));
        for (uint32_t k = 0; k < objects; k++)
            make_root_global(&h, global, make_object(&h, 16, false, shape));
    }
    make_root_global(&h, global, make_object(&h, 32, true, 0));
    struct snap *s = make_heap_done(&h);
    snap_set_counter(s, "memstats.num_gc", 1);
    make_heap_free(&h);
    return s;
}

/* What number a type has depends on which thread was faster: it is not to be seen. */
static void types_that_changed_alike_come_by_name(void **state)
{
    for (int order = 0; order < 4; order++) {
        struct snap *a = make_alike(order & 1, 0), *b = make_alike(order & 2, 3);
        struct heap_graph *ga = open_graph(a), *gb = open_graph(b);
        struct heap_diff *d;
        check_ok(heap_diff(ga, gb, NULL, &d));
        assert_true(d->ntypes >= 3);
        for (size_t i = 0; i < 3; i++) {
            const char *name = snap_str(b, b->shape.name[d->types[i].shape_b]);
            assert_int_equal(name[5], "ABC"[i]);
        }
        heap_diff_free(d);
        heap_close(ga);
        heap_close(gb);
        snap_free(a);
        snap_free(b);
    }
}

static void two_processes_are_refused(void **state)
{
    struct snap *a = make_store(16, 512, 0, 1), *b = make_store(16, 512, 0, 1);
    struct heap_graph *ga = open_graph(a), *gb = open_graph(b);
    struct heap_diff *d;
    snap_set_meta_i64(a, SNAP_META_taken_mono_ns, 2000);
    snap_set_meta_i64(b, SNAP_META_taken_mono_ns, 1000);
    check_err(heap_diff(ga, gb, NULL, &d), ERR_USAGE, "earlier");
    check_ok(heap_diff(gb, ga, NULL, &d));
    assert_int_equal(d->elapsed_ns, 1000);
    heap_diff_free(d);
    snap_set_meta(b, SNAP_META_pid, "77");
    check_err(heap_diff(gb, ga, NULL, &d), ERR_USAGE, "two processes");
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
}

TEST_MAIN(cmocka_unit_test(objects_are_told_apart_over_random_histories),
          cmocka_unit_test(grown_slices_and_maps_are_modified),
          cmocka_unit_test(entries_hang_on_their_map),
          cmocka_unit_test(types_that_changed_alike_come_by_name),
          cmocka_unit_test(two_processes_are_refused))
