/* Paths and suspects: every path is followed pointer by pointer, shortest paths and their number
 * against a slow search; names of words; accumulation points and groups that were planted. */
#include "check.h"
#include "heap/make.h"
#include "heap/suspects.h"
#include "snap/edges.h"
#include "snap/make.h"

static struct heap_graph *open_graph(struct make_heap *h)
{
    struct heap_graph *g;
    make_heap_done(h);
    check_ok(heap_open(h->s, &(struct heap_options){.keep_edges = true}, &g));
    return g;
}

static void close_graph(struct make_heap *h, struct heap_graph *g)
{
    heap_close(g);
    snap_free(h->s);
    make_heap_free(h);
}

/* ---- random graphs ---- */

enum { NODES = 14, MOST_EDGES = 40, ROOTS = 4 };

struct small {
    struct make_heap h;
    struct heap_graph *g;
    uint32_t n;
    bool edge[NODES][NODES];
    bool root[NODES][ROOTS]; /* global r points to it */
};

static void make_small(struct small *w, struct make_random *r, uint32_t shape_kinds)
{
    memset(w, 0, sizeof(*w));
    make_heap_init(&w->h);
    uint32_t shapes[4] = {0};
    for (uint32_t i = 1; i < shape_kinds; i++)
        shapes[i] = make_shape(&w->h, SNAP_FORM_VALUE,
                               make_type(&w->h, "main.T", MAKE_STRUCT, 8 * NODES, 8 * NODES));
    w->n = 2 + (uint32_t)make_below(r, NODES - 1);
    for (uint32_t i = 0; i < w->n; i++)
        make_object(&w->h, 8 * NODES + 16, i < 2 || make_below(r, 4),
                    shapes[make_below(r, shape_kinds)]);
    for (uint64_t k = make_below(r, MOST_EDGES); k; k--) {
        uint32_t a = (uint32_t)make_below(r, w->n), b = (uint32_t)make_below(r, w->n);
        if (w->h.spans.v[w->h.objects.v[a].span].pointers && !w->edge[a][b]) {
            w->edge[a][b] = true;
            make_edge(&w->h, a, b, b); /* word b points to object b */
        }
    }
    for (uint32_t i = 0; i < ROOTS; i++)
        make_global(&w->h, "main.g");
    for (uint64_t k = 1 + make_below(r, ROOTS); k; k--) {
        uint32_t b = (uint32_t)make_below(r, w->n), i = (uint32_t)make_below(r, ROOTS);
        if (!w->root[b][i]) {
            w->root[b][i] = true;
            make_root_global(&w->h, i, b);
        }
    }
    w->g = open_graph(&w->h);
}

static uint32_t object_at(const struct small *w, uint32_t slot)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (make_slot(&w->h, i) == slot)
            return i;
    fail();
    return 0;
}

/* Length of the shortest way from global r to target whose last pointer comes from `last` (NODES:
 * from the global itself), never passing the target; 0: none. */
static size_t slow_length(const struct small *w, uint32_t r, uint32_t last, uint32_t target)
{
    size_t dist[NODES] = {0};
    if (last == NODES)
        return w->root[target][r];
    if (!w->edge[last][target])
        return 0;
    for (uint32_t i = 0; i < w->n; i++)
        dist[i] = i != target && w->root[i][r];
    for (size_t round = 0; round < w->n; round++)
        for (uint32_t a = 0; a < w->n; a++)
            for (uint32_t b = 0; b < w->n; b++)
                if (dist[a] && w->edge[a][b] && b != target && (!dist[b] || dist[b] > dist[a] + 1))
                    dist[b] = dist[a] + 1;
    return dist[last] ? dist[last] + 1 : 0;
}

/* The path is one: a root, then pointers that exist. */
static void check_path(const struct small *w, const struct heap_path *p)
{
    uint32_t global = w->h.s->root.global[p->root], first = object_at(w, p->steps[0].slot);
    assert_int_equal(w->h.s->root.slot[p->root], p->steps[0].slot);
    assert_true(w->root[first][global]);
    assert_int_equal(p->holder, heap_holder_node(w->g, SNAP_ROOT_GLOBAL, global));
    for (size_t i = 0; i + 1 < p->n; i++) {
        uint32_t a = object_at(w, p->steps[i].slot), b = object_at(w, p->steps[i + 1].slot);
        assert_true(w->edge[a][b]);
        assert_int_equal(p->steps[i].word, b);
    }
}

static void check_to(struct small *w, uint32_t target, size_t limit)
{
    struct heap_paths paths;
    size_t pairs = 0, lengths[NODES * ROOTS + ROOTS];
    for (uint32_t r = 0; r < ROOTS; r++)
        for (uint32_t last = 0; last <= NODES; last++) {
            size_t n = last == NODES || last < w->n ? slow_length(w, r, last, target) : 0;
            if (n)
                lengths[pairs++] = n;
        }
    struct heap_path_options o = {
        .to = HEAP_TO_SLOT, .what = make_slot(&w->h, target), .limit = limit};
    if (!pairs) {
        check_err(heap_find_paths(w->g, &o, &paths), ERR_NOT_FOUND, "garbage");
        return;
    }
    check_ok(heap_find_paths(w->g, &o, &paths));
    assert_int_equal(paths.n, pairs < limit ? pairs : limit);
    for (size_t i = 0; i < paths.n; i++) {
        check_path(w, &paths.v[i]);
        size_t shorter = 0; /* as many are shorter as stand before it, or fewer */
        for (size_t k = 0; k < pairs; k++)
            shorter += lengths[k] < paths.v[i].n;
        assert_true(shorter <= i);
        for (size_t k = 0; k < i; k++)
            assert_false(
                paths.v[k].holder == paths.v[i].holder &&
                (paths.v[k].n > 1 ? paths.v[k].steps[paths.v[k].n - 2].slot : SNAP_NONE) ==
                    (paths.v[i].n > 1 ? paths.v[i].steps[paths.v[i].n - 2].slot : SNAP_NONE));
    }
    heap_paths_free(&paths);
}

/* The one shortest way, found from dominator to dominator as long as there is no index. */
static void check_shortest(struct small *w, uint32_t target)
{
    struct heap_path p;
    struct arena mem;
    size_t least = 0;
    for (uint32_t r = 0; r < ROOTS; r++)
        for (uint32_t last = 0; last <= NODES; last++) {
            size_t n = last == NODES || last < w->n ? slow_length(w, r, last, target) : 0;
            least = n && (!least || n < least) ? n : least;
        }
    arena_init(&mem);
    check_ok(heap_shortest_path(w->g, make_slot(&w->h, target), &mem, NULL, &p));
    assert_int_equal(p.n, least);
    if (p.n) {
        check_path(w, &p);
        assert_int_equal(p.steps[p.n - 1].slot, make_slot(&w->h, target));
    }
    check_ok(heap_near_path(w->g, make_slot(&w->h, target), &mem, &p));
    assert_int_equal(p.n, least);
    arena_free(&mem);
}

static void paths_are_shortest_and_distinct(void **state)
{
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct make_random r = {seed * 0x9e3779b97f4a7c15};
        struct small w;
        make_small(&w, &r, 1);
        uint64_t without_index = heap_memory(w.g);
        for (uint32_t target = 0; target < w.n; target++)
            check_shortest(&w, target);
        assert_int_equal(heap_memory(w.g), without_index);
        for (uint32_t target = 0; target < w.n; target++) {
            check_to(&w, target, 1);
            check_to(&w, target, 3);
            check_to(&w, target, 100);
        }
        close_graph(&w.h, w.g);
    }
}

static void paths_to_types_lead_there(void **state)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct make_random r = {seed * 0x9e3779b97f4a7c15 + 7};
        struct small w;
        struct heap_paths paths;
        make_small(&w, &r, 4);
        for (uint32_t shape = 1; shape < 4; shape++) {
            size_t live = 0, nearest = SIZE_MAX;
            for (uint32_t i = 0; i < w.n; i++)
                live += heap_shape(w.g, make_slot(&w.h, i)) == shape &&
                        heap_live(w.g, make_slot(&w.h, i));
            struct heap_path_options o = {.to = HEAP_TO_TYPE, .what = shape, .limit = 5};
            if (!live) {
                check_err(heap_find_paths(w.g, &o, &paths), ERR_NOT_FOUND, "no object");
                continue;
            }
            check_ok(heap_find_paths(w.g, &o, &paths));
            assert_true(paths.n > 0);
            for (size_t i = 0; i < paths.n; i++) {
                check_path(&w, &paths.v[i]);
                assert_int_equal(heap_shape(w.g, paths.v[i].steps[paths.v[i].n - 1].slot), shape);
                assert_true(i == 0 || paths.v[i].n >= nearest);
                nearest = paths.v[i].n;
            }
            heap_paths_free(&paths);
        }
        close_graph(&w.h, w.g);
    }
}

/* ---- names ---- */

struct named {
    struct make_heap h;
    uint32_t user, pair, string, group, map, bucket_map;
};

static uint32_t named_map(struct named *n, uint32_t internal)
{
    uint32_t map = make_type(&n->h, "map[string]shop.User", MAKE_MAP, 8, 8);
    n->h.s->type.key[map] = n->string;
    n->h.s->type.elem[map] = n->user;
    n->h.s->type.internal[map] = internal;
    return map;
}

static void make_types(struct named *n)
{
    struct make_heap *h = &n->h;
    make_heap_init(h);
    n->string = make_type(h, "string", MAKE_STRING, 16, 8);
    uint32_t ptr = make_type(h, "*int", MAKE_POINTER, 8, 8);
    uint32_t three = make_type_of(h, "[3]*int", MAKE_ARRAY, 24, ptr, 3);
    n->user = make_type(h, "shop.User", MAKE_STRUCT, 48, 48);
    make_field(h, "name", 0, n->string);
    make_field(h, "best", 16, three);
    make_field(h, "next", 40, ptr);
    n->pair = make_type(h, "slot", MAKE_STRUCT, 64, 64);
    make_field(h, "key", 0, n->string);
    make_field(h, "elem", 16, n->user);
    uint32_t slots = make_type_of(h, "[8]slot", MAKE_ARRAY, 512, n->pair, 8);
    n->group = make_type(h, "group", MAKE_STRUCT, 520, 520);
    make_field(h, "ctrl", 0, SNAP_NONE);
    make_field(h, "slots", 8, slots);
    n->map = named_map(n, n->group);
    uint32_t keys = make_type_of(h, "[8]string", MAKE_ARRAY, 128, n->string, 8);
    uint32_t elems = make_type_of(h, "[8]User", MAKE_ARRAY, 384, n->user, 8);
    uint32_t bucket = make_type(h, "bucket", MAKE_STRUCT, 528, 528);
    make_field(h, "topbits", 0, SNAP_NONE);
    make_field(h, "keys", 8, keys);
    make_field(h, "elems", 136, elems);
    make_field(h, "overflow", 520, ptr);
    n->bucket_map = named_map(n, bucket);
}

static void check_word(const struct heap_graph *g, uint32_t slot, uint64_t word, const char *text)
{
    struct buf b = {0};
    heap_word_text(g, slot, word, &b);
    assert_string_equal(buf_text(&b), text);
    buf_free(&b);
}

static void words_have_names(void **state)
{
    struct named n;
    make_types(&n);
    struct make_heap *h = &n.h;
    uint32_t one = make_object(h, 48, true, make_shape(h, SNAP_FORM_VALUE, n.user));
    uint32_t many = make_object(h, 1024, true, make_shape(h, SNAP_FORM_ARRAY, n.user));
    uint32_t swiss = make_object(h, 2048, true, make_shape(h, SNAP_FORM_MAP_GROUPS, n.map));
    uint32_t old = make_object(h, 1152, true, make_shape(h, SNAP_FORM_MAP_GROUPS, n.bucket_map));
    uint32_t chan = make_object(h, 96, true, make_shape(h, SNAP_FORM_CHAN, n.user));
    uint32_t buf = make_object(h, 256, true, make_shape(h, SNAP_FORM_CHAN_BUF, n.user));
    uint32_t fn = make_object(h, 32, true, make_shape(h, SNAP_FORM_CLOSURE, SNAP_NONE));
    uint32_t unknown = make_object(h, 64, true, 0);
    struct heap_graph *g = open_graph(h);
    check_word(g, make_slot(h, one), 0, ".name");
    check_word(g, make_slot(h, one), 3, ".best[1]");
    check_word(g, make_slot(h, one), 5, ".next");
    check_word(g, make_slot(h, many), 2 * 6, "[2].name");
    check_word(g, make_slot(h, many), 3 * 6 + 4, "[3].best[2]");
    check_word(g, make_slot(h, swiss), 1 + 8 * 2, "(key 2)");
    check_word(g, make_slot(h, swiss), 65 + 1 + 8 * 5 + 2 + 5, "(value 13).next");
    check_word(g, make_slot(h, old), 1 + 2 * 3, "(key 3)");
    check_word(g, make_slot(h, old), 66 + 17 + 6 * 2 + 2, "(value 10).best[0]");
    check_word(g, make_slot(h, old), 65, "");
    check_word(g, make_slot(h, chan), 2, "");
    check_word(g, make_slot(h, chan), 7, "(waiting)");
    check_word(g, make_slot(h, buf), 6 + 5, "(buffered 1).next");
    check_word(g, make_slot(h, fn), 2, "(captured 2)");
    check_word(g, make_slot(h, unknown), 3, "+0x18");
    close_graph(h, g);
}

/* With the memory of the heap, entries are named by their keys. */
static void keys_have_values(void **state)
{
    struct named n;
    make_types(&n);
    struct make_heap *h = &n.h;
    uint32_t swiss = make_object(h, 1024, true, make_shape(h, SNAP_FORM_MAP_GROUPS, n.map));
    uint32_t text = make_object(h, 16, false, make_shape(h, SNAP_FORM_STRING, SNAP_NONE));
    struct snap *s = make_heap_done(h);
    for (size_t i = 0; i < 2 * MAKE_PAGE / 8; i++)
        snap_add_memory(s);
    s->memory.word[1 + 8 * 3] = h->spans.v[h->objects.v[text].span].addr;
    s->memory.word[1 + 8 * 3 + 1] = 5;
    memcpy(&s->memory.word[MAKE_PAGE / 8], "alice", 5);
    struct heap_graph *g;
    check_ok(snap_check(s));
    check_ok(heap_open(s, NULL, &g));
    check_word(g, make_slot(h, swiss), 1 + 8 * 3 + 2, "[\"alice\"].name");
    close_graph(h, g);
}

static void a_path_in_words(void **state)
{
    struct named n;
    make_types(&n);
    struct make_heap *h = &n.h;
    struct heap_paths paths;
    struct buf b = {0};
    uint32_t header = make_object(h, 48, true, make_shape(h, SNAP_FORM_MAP, n.map));
    uint32_t groups = make_object(h, 1024, true, make_shape(h, SNAP_FORM_MAP_GROUPS, n.map));
    uint32_t number = make_object(h, 8, false, 0);
    make_edge(h, header, 2, groups);
    make_edge(h, groups, 1 + 8 * 4 + 2 + 5, number);
    make_root_global(h, make_global(h, "shop.users"), header);
    uint32_t goroutine = make_heap_goroutine(h, 5);
    h->s->goroutine.addr[goroutine] = MAKE_BASE; /* "its g": the header */
    struct heap_graph *g = open_graph(h);
    struct heap_path_options o = {.to = HEAP_TO_SLOT, .what = make_slot(h, number)};
    check_ok(heap_find_paths(g, &o, &paths));
    assert_int_equal(paths.n, 1);
    assert_true(paths.all);
    heap_path_text(g, &paths.v[0], &b);
    assert_string_equal(buf_text(&b), "shop.users → (value 4).next");
    heap_paths_free(&paths);
    o = (struct heap_path_options){.to = HEAP_TO_GOROUTINE, .what = 0};
    check_ok(heap_find_paths(g, &o, &paths));
    assert_int_equal(paths.v[0].n, 1);
    heap_paths_free(&paths);
    uint32_t chain[8];
    bool more;
    assert_int_equal(heap_dominator_chain(g, make_slot(h, number), 1, chain, &more), 1);
    assert_true(more); /* the map, not its groups; and the variable */
    assert_true(chain[0] != make_slot(h, groups));
    assert_int_equal(heap_dominator_chain(g, make_slot(h, number), 2, chain, &more), 2);
    assert_false(more);
    assert_true(heap_is_holder(g, chain[1]));
    buf_free(&b);
    close_graph(h, g);
}

static size_t ways_to_goroutine(struct heap_graph *g, bool *others, char text[200])
{
    struct heap_path_options o = {.to = HEAP_TO_GOROUTINE, .what = 0, .limit = 10};
    struct heap_paths paths;
    struct buf b = {0};
    check_ok(heap_find_paths(g, &o, &paths));
    size_t n = paths.n;
    *others = paths.others;
    heap_path_text(g, &paths.v[0], &b);
    snprintf(text, 200, "%s", buf_text(&b));
    buf_free(&b);
    heap_paths_free(&paths);
    return n;
}

/* Its own stack and the list of all goroutines lead to each one: told only when nothing else does.
 */
static void what_leads_to_a_goroutine(void **state)
{
    for (int waited = 0; waited < 2; waited++) {
        struct make_heap h;
        bool others;
        char text[200];
        make_heap_init(&h);
        uint32_t g0 = make_object(&h, 512, true, 0), list = make_object(&h, 64, true, 0);
        uint32_t sudog = make_object(&h, 96, true, 0);
        uint32_t goroutine = make_heap_goroutine(&h, 5), other = make_heap_goroutine(&h, 6);
        make_edge(&h, list, 0, g0);
        if (waited)
            make_edge(&h, sudog, 0, g0);
        make_root_global(&h, make_global(&h, "runtime.allgs"), list);
        make_root_global(&h, make_global(&h, "main.waiting"), sudog);
        make_root_stack(&h, goroutine, "gp", g0);
        make_root_stack(&h, other, "hdr", list); /* a copy of the list */
        struct heap_graph *g = open_graph(&h);
        h.s->goroutine.addr[0] = heap_address(g, make_slot(&h, g0));
        size_t n = ways_to_goroutine(g, &others, text);
        assert_int_equal(others, waited);
        assert_int_equal(n, waited ? 1 : 3);
        assert_string_equal(waited ? text : "main.waiting → +0x0", "main.waiting → +0x0");
        close_graph(&h, g);
    }
}

/* ---- suspects ---- */

static void a_cache_and_scattered_sessions_are_found(void **state)
{
    enum { USERS = 3000, SESSIONS = 2000 };
    struct make_heap h;
    struct heap_suspects s;
    make_heap_init(&h);
    uint32_t user =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "shop.User", MAKE_STRUCT, 64, 64));
    uint32_t session =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "shop.Session", MAKE_STRUCT, 64, 64));
    uint32_t app = make_object(&h, 64, true, 0), cache = make_object(&h, USERS * 8, true, 0);
    make_root_global(&h, make_global(&h, "shop.app"), app);
    make_edge(&h, app, 0, cache);
    for (uint32_t i = 0; i < USERS; i++) {
        uint32_t u = make_object(&h, 64, true, user);
        make_edge(&h, cache, i, u);
        make_edge(&h, u, 0, make_object(&h, 32, false, 0));
    }
    for (uint32_t i = 0; i < SESSIONS; i++) { /* each of a goroutine of its own */
        uint32_t o = make_object(&h, 64, true, session);
        make_root_stack(&h, make_heap_goroutine(&h, i + 1), "s", o);
    }
    uint32_t blob = make_object(&h, 100000, false, 0);
    make_edge(&h, app, 1, blob);
    struct heap_graph *g = open_graph(&h);
    check_ok(heap_find_suspects(g, NULL, &s));
    assert_int_equal(s.n, 3);
    assert_int_equal(s.v[0].kind, HEAP_ACCUMULATES);
    assert_int_equal(s.v[0].node, make_slot(&h, cache));
    assert_int_equal(s.v[0].kept_by, heap_holder_node(g, SNAP_ROOT_GLOBAL, 0));
    assert_int_equal(s.v[0].mass, heap_retained(g, make_slot(&h, cache)));
    assert_int_equal(s.v[0].count, USERS);
    assert_int_equal(s.v[0].content[0].shape, user);
    assert_int_equal(s.v[0].content[0].bytes, USERS * 96);
    assert_int_equal(s.v[0].path.n, 2);
    assert_int_equal(s.v[1].kind, HEAP_GROUP);
    assert_int_equal(s.v[1].shape, session);
    assert_int_equal(s.v[1].count, SESSIONS);
    assert_int_equal(s.v[1].node, HEAP_ALL);
    assert_int_equal(s.v[1].path.n, 1);
    assert_int_equal(s.v[2].node, make_slot(&h, blob));
    heap_suspects_free(&s);
    close_graph(&h, g);
}

/* Each table of a map is too small to count: the map is the suspect, and its entries are in it. */
static void a_large_map_is_one_suspect(void **state)
{
    enum { TABLES = 20, ITEMS = 50 };
    struct make_heap h;
    struct heap_suspects s;
    make_heap_init(&h);
    uint32_t item =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "shop.Item", MAKE_STRUCT, 64, 64));
    uint32_t type = make_type(&h, "map[string]*shop.Item", MAKE_MAP, 8, 8);
    uint32_t dir = make_object(&h, TABLES * 8, true, make_shape(&h, SNAP_FORM_MAP_DIR, type));
    uint32_t map = make_object(&h, 64, true, make_shape(&h, SNAP_FORM_MAP, type));
    make_edge(&h, map, 2, dir);
    for (uint32_t t = 0; t < TABLES; t++) {
        uint32_t table = make_object(&h, 48, true, make_shape(&h, SNAP_FORM_MAP_TABLE, type));
        uint32_t groups = make_object(&h, 1024, true, make_shape(&h, SNAP_FORM_MAP_GROUPS, type));
        make_edge(&h, dir, t, table);
        make_edge(&h, table, 3, groups);
        for (uint32_t i = 0; i < ITEMS; i++)
            make_edge(&h, groups, i, make_object(&h, 64, true, item));
    }
    make_root_global(&h, make_global(&h, "shop.index"), map);
    struct heap_graph *g = open_graph(&h);
    check_ok(heap_find_suspects(g, NULL, &s));
    assert_int_equal(s.n, 1);
    assert_int_equal(s.v[0].node, make_slot(&h, map));
    assert_int_equal(s.v[0].count, TABLES * ITEMS);
    assert_int_equal(s.v[0].ncontent, 1);
    assert_int_equal(s.v[0].content[0].shape, item);
    assert_int_equal(s.v[0].content[0].count, TABLES * ITEMS);
    assert_int_equal(s.v[0].store, TABLES * (8 + 48 + 1024));
    assert_int_equal(s.v[0].path.n, 1);
    heap_suspects_free(&s);
    close_graph(&h, g);
}

/* Items of one type under many small tables of one object: no table is large, their owner is the
 * point. */
static void mass_spread_over_tables_has_a_common_point(void **state)
{
    enum { TABLES = 50, ITEMS = 100 };
    struct make_heap h;
    struct heap_suspects s;
    make_heap_init(&h);
    uint32_t item =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "shop.Item", MAKE_STRUCT, 64, 64));
    uint32_t owner = make_object(&h, TABLES * 8, true, 0), other = make_object(&h, 8192, true, 0);
    for (uint32_t t = 0; t < TABLES; t++) {
        uint32_t table = make_object(&h, ITEMS * 8, true, 0);
        make_edge(&h, owner, t, table);
        for (uint32_t i = 0; i < ITEMS; i++)
            make_edge(&h, table, i, make_object(&h, 64, true, item));
    }
    make_root_global(&h, make_global(&h, "shop.owner"), owner);
    make_root_global(&h, make_global(&h, "shop.other"), other);
    struct heap_graph *g = open_graph(&h);
    check_ok(heap_find_suspects(g, NULL, &s));
    assert_int_equal(s.n, 1);
    assert_int_equal(s.v[0].node, make_slot(&h, owner));
    assert_int_equal(s.v[0].count, TABLES);
    heap_suspects_free(&s);
    close_graph(&h, g);
}

TEST_MAIN(cmocka_unit_test(paths_are_shortest_and_distinct),
          cmocka_unit_test(paths_to_types_lead_there), cmocka_unit_test(words_have_names),
          cmocka_unit_test(keys_have_values), cmocka_unit_test(a_path_in_words),
          cmocka_unit_test(what_leads_to_a_goroutine),
          cmocka_unit_test(a_cache_and_scattered_sessions_are_found),
          cmocka_unit_test(a_large_map_is_one_suspect),
          cmocka_unit_test(mass_spread_over_tables_has_a_common_point))
