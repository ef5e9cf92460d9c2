/* The graph: liveness, dominators, retained sizes and sums, against slow ways to tell the same, on
 * thousands of random graphs; and small heaps where the truth is plain. */
#include "base/pool.h"
#include "check.h"
#include "heap/by.h"
#include "heap/make.h"
#include "heap/heap_int.h"
#include "snap/make.h"

/* ---- the slow reference: adjacency, marking, marking again without one node ---- */

struct slow {
    const struct snap *s;
    const struct heap_graph *g;
    uint32_t n; /* nodes: slots, then holders */
    struct heap_pair *edges;
    size_t nedges;
    bool *reached, *reached_without;
    uint32_t *todo;
};

static void slow_edge(struct slow *w, uint32_t from, uint32_t to)
{
    w->edges[w->nedges++] = (struct heap_pair){from, to};
}

static void slow_mark(struct slow *w, uint32_t without, bool *reached)
{
    size_t n = 0;
    memset(reached, 0, w->n);
    for (uint32_t h = heap_slots(w->g); h < w->n; h++)
        if (h != without) {
            reached[h] = true;
            w->todo[n++] = h;
        }
    while (n) {
        uint32_t x = w->todo[--n];
        for (size_t i = 0; i < w->nedges; i++) {
            uint32_t to = w->edges[i].b;
            if (w->edges[i].a == x && to != without && !reached[to]) {
                reached[to] = true;
                w->todo[n++] = to;
            }
        }
    }
}

static void slow_init(struct slow *w, const struct make_heap *h, const struct heap_graph *g)
{
    const struct snap *s = heap_snap(g);
    *w = (struct slow){.s = s, .g = g, .n = heap_slots(g) + heap_holders(g)};
    w->edges = malloc((h->edges.n + s->root.n + 1) * sizeof(*w->edges));
    w->reached = malloc(w->n + 1);
    w->reached_without = malloc(w->n + 1);
    w->todo = malloc((w->n + 1) * sizeof(*w->todo));
    for (size_t i = 0; i < h->edges.n; i++)
        slow_edge(w, make_slot(h, h->edges.v[i].from), make_slot(h, h->edges.v[i].to));
    for (uint32_t r = 0; r < s->root.n; r++) {
        uint8_t kind = s->root.kind[r];
        bool stack = kind == SNAP_ROOT_STACK || kind == SNAP_ROOT_REGISTER;
        uint32_t row = kind == SNAP_ROOT_GLOBAL ? s->root.global[r]
                       : stack                  ? s->root.goroutine[r]
                                                : SNAP_NONE;
        uint32_t node =
            heap_holder_node(g, stack && row != SNAP_NONE ? SNAP_ROOT_STACK : kind, row);
        slow_edge(w, node, s->root.slot[r]);
    }
    slow_mark(w, SNAP_NONE, w->reached);
}

static void slow_free(struct slow *w)
{
    free(w->edges);
    free(w->reached);
    free(w->reached_without);
    free(w->todo);
}

static uint64_t slow_size(const struct slow *w, uint32_t node)
{
    return node < heap_slots(w->g) && heap_allocated(w->g, node) ? heap_size(w->g, node) : 0;
}

/* Everything the graph says of one node, by taking it away. */
static void check_node(struct slow *w, uint32_t x)
{
    const struct heap_graph *g = w->g;
    bool object = x < heap_slots(g);
    bool live = w->reached[x] && (!object || heap_allocated(g, x));
    assert_int_equal(heap_live(g, x), live);
    if (!live) {
        assert_int_equal(heap_retained(g, x), 0);
        assert_int_equal(heap_dominator(g, x), SNAP_NONE);
        return;
    }
    uint64_t retained = slow_size(w, x);
    slow_mark(w, x, w->reached_without);
    for (uint32_t y = 0; y < w->n; y++) {
        bool dominated = w->reached[y] && (y == x || !w->reached_without[y]);
        retained += dominated && y != x ? slow_size(w, y) : 0;
        if (w->reached[y] && (y >= heap_slots(g) || heap_allocated(g, y)))
            assert_int_equal(heap_dominates(g, x, y), dominated);
    }
    assert_int_equal(heap_retained(g, x), retained);
}

/* The immediate dominator is the dominator that all others dominate. */
static void check_immediate(const struct slow *w, uint32_t x)
{
    const struct heap_graph *g = w->g;
    uint32_t d = heap_dominator(g, x);
    if (!heap_live(g, x) || (heap_is_object(g, d) && !heap_allocated(g, d)))
        return; /* a free slot leads to it: only in snapshots that somebody made */
    for (uint32_t y = 0; y < w->n; y++)
        if (y != x && heap_live(g, y) && heap_dominates(g, y, x))
            assert_true(heap_dominates(g, y, d));
    if (d != HEAP_ALL)
        assert_true(d != x && heap_dominates(g, d, x));
    uint32_t kept = HEAP_ALL;
    for (uint32_t h = heap_slots(g); h < w->n; h++)
        if (heap_dominates(g, h, x))
            kept = h;
    assert_int_equal(heap_kept_by(g, x), kept);
}

static void check_types(const struct slow *w)
{
    const struct heap_graph *g = w->g;
    struct heap_rows rows;
    check_ok(heap_group(g, HEAP_BY_TYPE, &rows));
    uint64_t bytes = 0;
    for (size_t i = 0; i < rows.n; i++) {
        uint64_t count = 0, size = 0, retained = 0, garbage = 0;
        for (uint32_t y = 0; y < heap_slots(g); y++) {
            bool same = heap_shape(g, y) == rows.v[i].key, by_one = false;
            if (!heap_allocated(g, y))
                continue;
            count += same && heap_live(g, y);
            garbage += same && !heap_live(g, y);
            size += same && heap_live(g, y) ? heap_size(g, y) : 0;
            for (uint32_t x = 0; x < heap_slots(g) && heap_live(g, y); x++)
                by_one |= heap_shape(g, x) == rows.v[i].key && heap_dominates(g, x, y);
            retained += by_one ? heap_size(g, y) : 0;
        }
        assert_int_equal(rows.v[i].count, count);
        assert_int_equal(rows.v[i].garbage_count, garbage);
        assert_int_equal(rows.v[i].bytes, size);
        assert_int_equal(rows.v[i].retained, retained);
        bytes += size;
    }
    struct heap_totals t;
    heap_totals(g, &t);
    assert_int_equal(t.live_bytes, bytes);
    assert_int_equal(t.live_bytes, heap_retained(g, HEAP_ALL));
    heap_rows_free(&rows);
}

static void check_holders(const struct slow *w)
{
    const struct heap_graph *g = w->g;
    struct heap_rows rows;
    struct heap_totals t;
    uint64_t objects = 0, bytes = 0;
    heap_totals(g, &t);
    check_ok(heap_group(g, HEAP_BY_HOLDER, &rows));
    for (size_t i = 0; i < rows.n; i++) {
        uint64_t count = 0;
        for (uint32_t y = 0; y < heap_slots(g); y++)
            count += heap_live(g, y) && heap_kept_by(g, y) == rows.v[i].key;
        assert_int_equal(rows.v[i].retained_count, count);
        objects += count;
        bytes += rows.v[i].retained;
    }
    assert_int_equal(objects, t.live_objects);
    assert_int_equal(bytes, t.live_bytes);
    heap_rows_free(&rows);
    enum heap_by sums[] = {HEAP_BY_PACKAGE, HEAP_BY_SIZE_CLASS};
    for (size_t k = 0; k < ARRAY_LEN(sums); k++) {
        check_ok(heap_group(g, sums[k], &rows));
        objects = bytes = 0;
        for (size_t i = 0; i < rows.n; i++) {
            objects += rows.v[i].count + rows.v[i].garbage_count;
            bytes += rows.v[i].bytes + rows.v[i].garbage_bytes;
        }
        assert_int_equal(objects, t.objects);
        assert_int_equal(bytes, t.bytes);
        heap_rows_free(&rows);
    }
}

/* ---- random graphs ---- */

enum { TYPES = 5 };

/* Who an object points to, by the kind of graph. */
static uint32_t random_target(struct make_random *r, unsigned kind, uint32_t from, uint32_t n)
{
    switch (kind % 6) {
    case 0: /* a tree, mostly */
        return from + 1 + (uint32_t)make_below(r, 3);
    case 1: /* no cycles */
        return from + 1 + (uint32_t)make_below(r, n - from);
    case 2: /* a long list with shortcuts */
        return make_below(r, 8) ? from + 1 : (uint32_t)make_below(r, n);
    case 3: /* a few shared by all */
        return make_below(r, 3) ? (uint32_t)make_below(r, 3) : (uint32_t)make_below(r, n);
    case 4: /* both ways */
        return make_below(r, 2) ? from + 1 : from - 1;
    default:
        return (uint32_t)make_below(r, n);
    }
}

static void random_roots(struct make_random *r, struct make_heap *h, uint32_t n)
{
    uint32_t globals = (uint32_t)make_below(r, 4), goroutines = (uint32_t)make_below(r, 4);
    for (uint32_t i = 0; i < globals; i++)
        make_global(h, "main.g");
    for (uint32_t i = 0; i < goroutines; i++)
        make_heap_goroutine(h, i + 1);
    for (uint64_t i = 1 + make_below(r, 6); i; i--) {
        uint32_t to = (uint32_t)make_below(r, n);
        uint64_t kind = make_below(r, 8);
        if (kind < 3 && globals)
            make_root_global(h, (uint32_t)make_below(r, globals), to);
        else if (kind < 6 && goroutines)
            make_root_stack(h, (uint32_t)make_below(r, goroutines), "x", to);
        else
            make_root(h, (enum snap_rootkind)make_below(r, SNAP_ROOT_COUNT), to);
    }
}

static void random_heap(struct make_random *r, struct make_heap *h, unsigned kind, uint32_t most)
{
    uint32_t n = 1 + (uint32_t)make_below(r, most), types[TYPES], shapes[TYPES];
    make_heap_init(h);
    for (int i = 0; i < TYPES; i++) {
        types[i] = make_type(h, i % 2 ? "main.T" : "other.U", MAKE_STRUCT, 16, 8);
        shapes[i] = i ? make_shape(h, SNAP_FORM_VALUE, types[i]) : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t o = make_object(h, 16 << make_below(r, 4), make_below(r, 4) != 0,
                                 shapes[make_below(r, TYPES)]);
        h->objects.v[o].free = make_below(r, 50) == 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct make_span *sp = &h->spans.v[h->objects.v[i].span];
        for (uint32_t w = 0; sp->pointers && w < sp->size / 8 && make_below(r, 3); w++) {
            uint32_t to = random_target(r, kind, i, n);
            if (to < n)
                make_edge(h, i, w, to);
        }
    }
    random_roots(r, h, n);
    make_heap_done(h);
}

static void check_random(unsigned kind, uint64_t seed, uint32_t most, bool types)
{
    struct make_random r = {seed * 0x9e3779b97f4a7c15 + kind + 1};
    struct make_heap h;
    struct heap_graph *g, *marked;
    struct slow w;
    random_heap(&r, &h, kind, most);
    check_ok(
        heap_open(h.s, &(struct heap_options){.keep_edges = true, .mark_only = true}, &marked));
    check_ok(heap_open(h.s, &(struct heap_options){.keep_edges = seed % 2}, &g));
    slow_init(&w, &h, g);
    for (uint32_t x = 0; x < w.n; x++) {
        check_node(&w, x);
        check_immediate(&w, x);
        assert_int_equal(heap_live(marked, x), heap_live(g, x));
    }
    if (types)
        check_types(&w);
    check_holders(&w);
    slow_free(&w);
    heap_close(g);
    heap_close(marked);
    snap_free(h.s);
    make_heap_free(&h);
}

static void random_graphs_agree_with_the_slow_way(void **state)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        for (unsigned kind = 0; kind < 6; kind++)
            check_random(kind, seed, 12, true);
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (unsigned kind = 0; kind < 6; kind++)
            check_random(kind, 1000 + seed, 60, false);
}

/* ---- long chains must not take quadratic time ---- */

/* A list of n nodes; each points to a leaf, and to an object that a table points to as well; a
 * second list shares the leaves. */
static void long_lists_are_quick(void **state)
{
    enum { N = 200000 };
    struct make_heap h;
    struct heap_graph *g;
    make_heap_init(&h);
    uint32_t *a = malloc(N * sizeof(*a)), *b = malloc(N * sizeof(*b)), big;
    for (uint32_t i = 0; i < N; i++) {
        a[i] = make_object(&h, 32, true, 0);
        b[i] = make_object(&h, 32, true, 0);
    }
    big = make_object(&h, N * 8, true, 0);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t leaf = make_object(&h, 16, false, 0), item = make_object(&h, 48, true, 0);
        make_edge(&h, a[i], 1, leaf);
        make_edge(&h, b[i], 1, leaf);
        make_edge(&h, a[i], 2, item);
        make_edge(&h, big, i, item);
        if (i + 1 < N) {
            make_edge(&h, a[i], 0, a[i + 1]);
            make_edge(&h, b[i], 0, b[i + 1]);
        }
    }
    make_root_global(&h, make_global(&h, "main.table"), big);
    make_root_global(&h, make_global(&h, "main.a"), a[0]);
    make_root_global(&h, make_global(&h, "main.b"), b[0]);
    struct snap *s = make_heap_done(&h);
    check_ok(heap_open(s, NULL, &g));
    assert_int_equal(heap_retained(g, make_slot(&h, a[0])), UINT64_C(32) * N);
    assert_int_equal(heap_retained(g, make_slot(&h, a[N - 1])), 32);
    assert_int_equal(heap_retained(g, make_slot(&h, b[N / 2])), UINT64_C(32) * (N - N / 2));
    assert_int_equal(heap_retained(g, HEAP_ALL),
                     UINT64_C(128) * N + heap_size(g, make_slot(&h, big)));
    heap_close(g);
    snap_free(s);
    make_heap_free(&h);
    free(a);
    free(b);
}

/* ---- plain truths ---- */

struct shop {
    struct make_heap h;
    struct heap_graph *g;
    uint32_t cache, users[3], name, shared, job, lost;
};

/* A cache of three users with one name for all; a goroutine with a job; both share an object. */
static void open_shop(struct shop *p, bool keep_edges)
{
    struct make_heap *h = &p->h;
    make_heap_init(h);
    uint32_t user = make_type(h, "shop.User", MAKE_STRUCT, 64, 16);
    uint32_t ptr = make_type_of(h, "*shop.User", MAKE_POINTER, 8, user, 0);
    uint32_t ushape = make_shape(h, SNAP_FORM_VALUE, user);
    p->cache = make_object(h, 1024, true, make_shape(h, SNAP_FORM_ARRAY, ptr));
    p->name = make_object(h, 32, false, make_shape(h, SNAP_FORM_STRING, SNAP_NONE));
    p->shared = make_object(h, 256, true, 0);
    p->job = make_object(h, 128, true, 0);
    p->lost = make_object(h, 128, true, ushape);
    for (uint32_t i = 0; i < 3; i++) {
        p->users[i] = make_object(h, 64, true, ushape);
        make_edge(h, p->cache, i * 7, p->users[i]);
        make_edge(h, p->users[i], 0, p->name);
    }
    make_edge(h, p->users[2], 1, p->shared);
    make_edge(h, p->job, 0, p->shared);
    make_edge(h, p->lost, 0, p->name);
    make_root_global(h, make_global(h, "shop.cache"), p->cache);
    make_root_stack(h, make_heap_goroutine(h, 17), "job", p->job);
    make_heap_done(h);
    check_ok(heap_open(h->s, &(struct heap_options){.keep_edges = keep_edges}, &p->g));
}

static void close_shop(struct shop *p)
{
    heap_close(p->g);
    snap_free(p->h.s);
    make_heap_free(&p->h);
}

static void check_text(void (*f)(const struct heap_graph *, uint32_t, struct buf *),
                       const struct heap_graph *g, uint32_t node, const char *text)
{
    struct buf b = {0};
    f(g, node, &b);
    assert_string_equal(buf_text(&b), text);
    buf_free(&b);
}

static void a_cache_retains_what_only_it_holds(void **state)
{
    struct shop p;
    open_shop(&p, true);
    const struct heap_graph *g = p.g;
    uint32_t cache = make_slot(&p.h, p.cache), name = make_slot(&p.h, p.name);
    uint32_t global = heap_holder_node(g, SNAP_ROOT_GLOBAL, 0);
    assert_int_equal(heap_retained(g, cache), 1024 + 3 * 64 + 32);
    assert_int_equal(heap_retained(g, global), heap_retained(g, cache));
    assert_int_equal(heap_dominator(g, name), cache);
    assert_int_equal(heap_kept_by(g, name), global);
    assert_int_equal(heap_kept_by(g, make_slot(&p.h, p.shared)), HEAP_ALL);
    assert_false(heap_live(g, make_slot(&p.h, p.lost)));
    check_text(heap_node_text, g, global, "global shop.cache");
    check_text(heap_node_text, g, heap_holder_node(g, SNAP_ROOT_STACK, 0), "goroutine 17");
    check_text(heap_node_text, g, make_slot(&p.h, p.users[0]), "shop.User");
    check_text(heap_node_text, g, make_slot(&p.h, p.job), "object of 128 bytes");
    check_text(heap_root_text, g, 0, "shop.cache");
    check_text(heap_root_text, g, 1, "goroutine 17, job");
    struct heap_totals t;
    heap_totals(g, &t);
    assert_int_equal(t.objects - t.live_objects, 1);
    assert_int_equal(t.held_objects, 6);
    assert_int_equal(t.held_bytes, 1024 + 3 * 64 + 32 + 128);
    close_shop(&p);
}

/* Whatever numbers they have, which differ from one reading of the same heap to the next. */
static void types_of_equal_weight_are_in_order_of_names(void **state)
{
    static const char *const names[][3] = {{"shop.Ape", "shop.Bee", "shop.Cat"},
                                           {"shop.Cat", "shop.Ape", "shop.Bee"}};
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        struct shop p;
        struct heap_rows rows;
        make_heap_init(&p.h);
        for (size_t i = 0; i < 3; i++) {
            uint32_t type = make_type(&p.h, names[k][i], MAKE_STRUCT, 64, 16);
            make_object(&p.h, 64, true, make_shape(&p.h, SNAP_FORM_VALUE, type));
        }
        make_heap_done(&p.h);
        check_ok(heap_open(p.h.s, NULL, &p.g));
        check_ok(heap_group(p.g, HEAP_BY_TYPE, &rows));
        assert_int_equal(rows.n, 3);
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(snap_str(p.h.s, rows.v[i].name), names[0][i]);
        heap_rows_free(&rows);
        close_shop(&p);
    }
}

static void the_largest_come_in_order(void **state)
{
    struct shop p;
    open_shop(&p, true);
    struct heap_top v[16];
    size_t n;
    check_ok(heap_top(p.g, &(struct heap_top_options){.limit = 16}, v, &n));
    assert_int_equal(n, 7);
    assert_int_equal(v[0].node, make_slot(&p.h, p.cache));
    assert_int_equal(v[1].node, make_slot(&p.h, p.shared));
    check_ok(heap_top(p.g, &(struct heap_top_options){.limit = 16, .outermost = true}, v, &n));
    assert_int_equal(n, 3);
    check_ok(heap_top(p.g, &(struct heap_top_options){.limit = 2, .holders = true}, v, &n));
    assert_int_equal(n, 2);
    assert_int_equal(v[0].retained, v[1].retained);
    struct heap_child c[3];
    uint64_t total;
    check_ok(heap_children(p.g, make_slot(&p.h, p.cache), 3, c, &n, &total));
    assert_int_equal(n, 3);
    assert_int_equal(total, 4);
    assert_int_equal(c[0].retained, 64);
    close_shop(&p);
}

static void addresses_lead_to_slots_and_back(void **state)
{
    struct shop p;
    open_shop(&p, true);
    for (uint32_t slot = 0; slot < heap_slots(p.g); slot++) {
        uint64_t offset;
        taddr a = heap_address(p.g, slot);
        assert_int_equal(heap_find(p.g, a, NULL), slot);
        assert_int_equal(heap_find(p.g, a + heap_size(p.g, slot) - 1, &offset), slot);
        assert_int_equal(offset, heap_size(p.g, slot) - 1);
    }
    assert_int_equal(heap_find(p.g, 0, NULL), SNAP_NONE);
    assert_int_equal(heap_find(p.g, MAKE_BASE - 1, NULL), SNAP_NONE);
    assert_int_equal(heap_find(p.g, UINT64_MAX, NULL), SNAP_NONE);
    close_shop(&p);
}

static void pointers_are_found_both_ways(void **state)
{
    struct shop p;
    open_shop(&p, true);
    struct snap_edges it;
    uint32_t k = 0, v[8];
    size_t n;
    uint64_t total;
    snap_edges_init(&it, p.h.s, make_slot(&p.h, p.cache));
    for (; snap_edges_next(&it); k++) {
        assert_int_equal(it.word, k * 7);
        assert_int_equal(it.target, make_slot(&p.h, p.users[k]));
    }
    assert_int_equal(k, 3);
    check_ok(heap_referrers(p.g, make_slot(&p.h, p.name), 2, v, &n, &total));
    assert_int_equal(n, 2);
    assert_int_equal(total, 4);
    heap_roots_of(p.g, make_slot(&p.h, p.job), 8, v, &n, &total);
    assert_int_equal(total, 1);
    assert_int_equal(v[0], 1);
    close_shop(&p);
}

static void edges_go_when_nobody_needs_them(void **state)
{
    struct shop p;
    struct heap_graph *again;
    uint32_t v[1];
    size_t n;
    uint64_t total;
    open_shop(&p, false);
    assert_int_equal(p.h.s->edge.n, 0);
    check_err(heap_referrers(p.g, 0, 1, v, &n, &total), ERR_UNSUPPORTED, "not kept");
    check_err(heap_open(p.h.s, NULL, &again), ERR_UNSUPPORTED, "used up");
    close_shop(&p);
}

static void too_large_a_heap_is_refused(void **state)
{
    struct make_heap h;
    struct heap_graph *g;
    make_heap_init(&h);
    make_object(&h, 16, true, 0);
    make_heap_done(&h);
    check_err(heap_open(h.s, &(struct heap_options){.memory = 1 << 20}, &g), ERR_LIMIT, "takes");
    snap_free(h.s);
    make_heap_free(&h);
    struct snap *empty = snap_new();
    check_err(heap_open(empty, NULL, &g), ERR_NOT_FOUND, "no heap");
    snap_free(empty);
}

/* ---- lists of pairs ---- */

/* Numbers near the one before, as searches note them, and any others. */
static struct heap_pair noted(uint64_t i)
{
    uint64_t r = hash_u64(i);
    if (i % 3 == 0)
        return (struct heap_pair){(uint32_t)i, (uint32_t)i - 1};
    if (i % 1000 == 1)
        return (struct heap_pair){i % 2 ? UINT32_MAX : 0, i % 2 ? 0 : UINT32_MAX};
    return (struct heap_pair){(uint32_t)r, (uint32_t)(r >> 32)};
}

static void a_log_gives_back_what_was_noted(void **state)
{
    enum { PAIRS = 300000, AT_ONCE = 7 };
    struct heap_log l = {0};
    uint64_t first = PAIRS, chunks = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        struct heap_pair p = noted(i);
        assert_null(heap_log_add(&l, p.a, p.b));
    }
    assert_int_equal(l.n, PAIRS);
    for (; l.top; heap_log_drop_top(&l), chunks++) {
        struct heap_log_reader r = {.c = l.top};
        struct heap_pair v[AT_ONCE];
        uint64_t at = first -= l.top->pairs;
        for (size_t n; (n = heap_log_read(&r, v, AT_ONCE)) > 0; at += n)
            for (size_t k = 0; k < n; k++) {
                struct heap_pair p = noted(at + k);
                assert_int_equal(v[k].a, p.a);
                assert_int_equal(v[k].b, p.b);
            }
        assert_int_equal(at, l.n);
    }
    assert_int_equal(first, 0);
    assert_int_equal(l.n, 0);
    assert_true(chunks > 2);
    heap_log_free(&l);
}

TEST_MAIN(cmocka_unit_test(random_graphs_agree_with_the_slow_way),
          cmocka_unit_test(long_lists_are_quick),
          cmocka_unit_test(a_cache_retains_what_only_it_holds),
          cmocka_unit_test(types_of_equal_weight_are_in_order_of_names),
          cmocka_unit_test(the_largest_come_in_order),
          cmocka_unit_test(addresses_lead_to_slots_and_back),
          cmocka_unit_test(pointers_are_found_both_ways),
          cmocka_unit_test(edges_go_when_nobody_needs_them),
          cmocka_unit_test(too_large_a_heap_is_refused),
          cmocka_unit_test(a_log_gives_back_what_was_noted))
