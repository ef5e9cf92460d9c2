/* Leaks: on random heaps against the runtime's algorithm done slowly, round by round, as
 * runtime/mgc.go words it; each reason to wait; what is not known is not proved. */
#include "check.h"
#include "heap/make.h"
#include "snap/make.h"
#include "base/vec.h"
#include "wait/leak.h"

enum { OBJECTS = 24, GOROUTINES = 10, EDGES = 30, SUDOG_SIZE = 96 };

/* Objects 0 .. OBJECTS-1; each goroutine that waits has a sudog of its own, which the variable
 * "allgs" leads to, and which points to what it waits for. */
struct world {
    struct make_heap h;
    struct heap_graph *g;
    uint32_t object[OBJECTS], sudog[GOROUTINES];
    bool edge[OBJECTS][OBJECTS];
    bool global[OBJECTS], stack[GOROUTINES][OBJECTS];
    int waits[GOROUTINES]; /* for object; -1: it runs; -2: for something off the heap */
};

static void make_world(struct world *w, struct make_random *r)
{
    memset(w, 0, sizeof(*w));
    make_heap_init(&w->h);
    for (uint32_t i = 0; i < OBJECTS; i++)
        w->object[i] = make_object(&w->h, 8 * OBJECTS, i % 4 != 3, 0);
    for (uint32_t i = 0; i < EDGES; i++) {
        uint32_t a = (uint32_t)make_below(r, OBJECTS), b = (uint32_t)make_below(r, OBJECTS);
        if (a % 4 != 3 && !w->edge[a][b]) {
            w->edge[a][b] = true;
            make_edge(&w->h, w->object[a], b, w->object[b]);
        }
    }
    uint32_t var = make_global(&w->h, "main.g"), allgs = make_global(&w->h, "runtime.allgs");
    for (uint32_t i = 0; i < OBJECTS; i++)
        if ((w->global[i] = !make_below(r, 12)))
            make_root_global(&w->h, var, w->object[i]);
    for (uint32_t i = 0; i < GOROUTINES; i++) {
        uint32_t row = make_heap_goroutine(&w->h, i + 1);
        for (uint32_t k = 0; k < OBJECTS; k++)
            if ((w->stack[i][k] = !make_below(r, 8)))
                make_root_stack(&w->h, row, "x", w->object[k]);
        w->waits[i] = (int)make_below(r, OBJECTS + 2) - 2;
        if (w->waits[i] == -1)
            continue;
        w->sudog[i] = make_object(&w->h, SUDOG_SIZE, true, 0);
        make_root_global(&w->h, allgs, w->sudog[i]);
        if (w->waits[i] >= 0)
            make_edge(&w->h, w->sudog[i], 10, w->object[w->waits[i]]);
    }
}

static taddr address_of(const struct world *w, uint32_t object)
{
    const struct make_object *o = &w->h.objects.v[object];
    const struct make_span *p = &w->h.spans.v[o->span];
    return p->addr + o->index * p->size;
}

static void set_waits(struct world *w)
{
    struct snap *s = w->h.s;
    for (uint32_t i = 0; i < GOROUTINES; i++) {
        bool runs = w->waits[i] == -1;
        s->goroutine.status[i] = runs ? SNAP_G_RUNNING : SNAP_G_WAITING;
        s->goroutine.wait_reason[i] = runs ? 0 : make_str(s, "chan receive");
        if (runs)
            continue;
        uint32_t row = snap_add_wait(s);
        s->wait.goroutine[row] = i;
        s->wait.kind[row] = SNAP_W_CHAN_RECV;
        s->wait.addr[row] = w->waits[i] < 0 ? 0x1234 : address_of(w, w->object[w->waits[i]]);
        s->wait.sudog[row] = address_of(w, w->sudog[i]);
    }
}

static void open_world(struct world *w)
{
    make_heap_done(&w->h);
    set_waits(w);
    check_ok(heap_open(w->h.s, &(struct heap_options){.keep_edges = true}, &w->g));
}

static void close_world(struct world *w)
{
    heap_close(w->g);
    snap_free(w->h.s);
    make_heap_free(&w->h);
}

/* ---- the same, slowly ---- */

static void spread(const struct world *w, bool *marked)
{
    for (bool more = true; more;) {
        more = false;
        for (uint32_t a = 0; a < OBJECTS; a++)
            for (uint32_t b = 0; b < OBJECTS; b++)
                if (marked[a] && w->edge[a][b] && !marked[b])
                    marked[b] = more = true;
    }
}

static void judge(const struct world *w, bool *runs)
{
    bool marked[OBJECTS];
    memcpy(marked, w->global, sizeof(marked));
    for (uint32_t i = 0; i < GOROUTINES; i++)
        runs[i] = w->waits[i] < 0;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < GOROUTINES; i++)
            for (uint32_t k = 0; k < OBJECTS; k++)
                marked[k] |= runs[i] && w->stack[i][k];
        spread(w, marked);
        for (uint32_t i = 0; i < GOROUTINES; i++)
            if (!runs[i] && marked[w->waits[i]])
                runs[i] = more = true;
    }
}

static void test_random_heaps(void **state)
{
    struct make_random r = {.state = 7};
    uint32_t leaked = 0, woken = 0;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct world w;
        struct wait_leaks found;
        bool runs[GOROUTINES], ours[GOROUTINES] = {0};
        make_world(&w, &r);
        open_world(&w);
        judge(&w, runs);
        check_ok(wait_find_leaks(w.g, NULL, &found));
        for (size_t i = 0; i < found.n; i++) {
            assert_int_equal(found.v[i].class, WAIT_LEAK_PROVED);
            ours[found.v[i].goroutine] = true;
        }
        for (uint32_t i = 0; i < GOROUTINES; i++) {
            assert_int_equal(ours[i], !runs[i]);
            leaked += !runs[i];
            woken += runs[i] && w.waits[i] >= 0;
        }
        wait_leaks_free(&found);
        close_world(&w);
    }
    assert_true(leaked > 1000 && woken > 1000);
}

/* ---- reasons ---- */

static const struct {
    const char *reason;
    enum wait_leak_class class; /* when nothing leads to what it waits for */
} reasons[] = {
    {"chan receive (nil chan)", WAIT_LEAK_PROVED},
    {"select (no cases)", WAIT_LEAK_PROVED},
    {"chan send", WAIT_LEAK_PROVED},
    {"chan receive (durable)", WAIT_LEAK_BEYOND}, /* not a reason that the runtime judges */
    {"select (synctest)", WAIT_LEAK_BEYOND},
    {"coroutine", WAIT_LEAK_BEYOND},
    {"select", WAIT_LEAK_PROVED},
    {"sync.Mutex.Lock", WAIT_LEAK_PROVED},
    {"sync.WaitGroup.Wait", WAIT_LEAK_PROVED},
    {"semacquire", WAIT_LEAK_BEYOND}, /* not one of package sync */
    {"sleep", WAIT_LEAK_NONE},
    {"IO wait", WAIT_LEAK_NONE},
    {"finalizer wait", WAIT_LEAK_NONE},
    {"GC worker (idle)", WAIT_LEAK_NONE},
    {"", WAIT_LEAK_NONE}};

/* A goroutine that waits for a channel only it leads to. */
static void make_lonely(struct world *w, const char *reason)
{
    memset(w, 0, sizeof(*w));
    make_heap_init(&w->h);
    w->object[0] = make_object(&w->h, 64, true, 0);
    uint32_t row = make_heap_goroutine(&w->h, 7);
    make_root_stack(&w->h, row, "ch", w->object[0]);
    make_heap_done(&w->h);
    struct snap *s = w->h.s;
    uint32_t wait = snap_add_wait(s);
    s->goroutine.status[row] = SNAP_G_WAITING;
    s->goroutine.wait_reason[row] = make_str(s, reason);
    s->wait.goroutine[wait] = row;
    s->wait.kind[wait] = SNAP_W_CHAN_RECV;
    s->wait.addr[wait] = address_of(w, w->object[0]);
}

static enum wait_leak_class class_of(struct world *w)
{
    struct wait_leaks found;
    check_ok(heap_open(w->h.s, &(struct heap_options){.keep_edges = true}, &w->g));
    check_ok(wait_find_leaks(w->g, NULL, &found));
    enum wait_leak_class class = found.n ? found.v[0].class : WAIT_LEAK_NONE;
    wait_leaks_free(&found);
    close_world(w);
    return class;
}

static void test_reasons(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct world w;
        make_lonely(&w, reasons[i].reason);
        assert_int_equal(class_of(&w), reasons[i].class);
    }
}

static void test_what_could_not_be_read_is_not_proved(void **state)
{
    struct world w;
    (void)state;
    make_lonely(&w, "chan receive");
    snap_set_counter(w.h.s, "heap.unread", 3);
    assert_int_equal(class_of(&w), WAIT_LEAK_SUSPECTED);
    make_lonely(&w, "chan receive (nil chan)"); /* needs no memory to be sure */
    snap_set_counter(w.h.s, "heap.unread", 3);
    assert_int_equal(class_of(&w), WAIT_LEAK_PROVED);
    make_lonely(&w, "chan receive");
    w.h.s->goroutine.flags[0] |= SNAP_GF_PARKING;
    assert_int_equal(class_of(&w), WAIT_LEAK_NONE);
    make_lonely(&w, "chan receive");
    w.h.s->wait.flags[0] |= SNAP_WF_GRANTED; /* somebody is about to make it run */
    assert_int_equal(class_of(&w), WAIT_LEAK_NONE);
    make_lonely(&w, "chan receive");
    w.h.s->wait.n = 0; /* what it waits for is not known */
    assert_int_equal(class_of(&w), WAIT_LEAK_NONE);
}

/* ---- crowds ---- */

/* `count` goroutines that wait for channels which a variable leads to: one for all, or one each. */
static size_t suspects_of(uint32_t count, bool own, int64_t age_ns)
{
    struct world w = {0};
    struct wait_leaks found;
    VEC(uint32_t) objects = {0};
    make_heap_init(&w.h);
    uint32_t var = make_global(&w.h, "main.all");
    for (uint32_t i = 0; i < (own ? count : 1); i++) {
        uint32_t object = make_object(&w.h, 64, true, 0);
        make_root_global(&w.h, var, object);
        vec_push(&objects, object);
    }
    for (uint32_t i = 0; i < count; i++)
        make_heap_goroutine(&w.h, i + 1);
    make_heap_done(&w.h);
    struct snap *s = w.h.s;
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, INT64_C(1) << 50);
    for (uint32_t i = 0; i < objects.n; i++) {
        uint32_t row = snap_add_object(s);
        s->object.addr[row] = address_of(&w, objects.v[i]);
        s->object.kind[row] = SNAP_OBJ_CHAN;
        s->object.waiters[row] = own ? 1 : count;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t wait = snap_add_wait(s);
        s->goroutine.status[i] = SNAP_G_WAITING;
        s->goroutine.wait_reason[i] = make_str(s, "chan send");
        s->goroutine.wait_since[i] = (INT64_C(1) << 50) - age_ns;
        s->wait.goroutine[wait] = i;
        s->wait.kind[wait] = SNAP_W_CHAN_SEND;
        s->wait.object[wait] = own ? i : 0;
        s->wait.addr[wait] = s->object.addr[own ? i : 0];
    }
    check_ok(heap_open(s, &(struct heap_options){.keep_edges = true}, &w.g));
    check_ok(wait_find_leaks(w.g, NULL, &found));
    check_ok(wait_leaks_infer(w.g, &found));
    size_t n = found.by_class[WAIT_LEAK_SUSPECTED];
    assert_int_equal(found.n, n);
    wait_leaks_free(&found);
    vec_free(&objects);
    close_world(&w);
    return n;
}

static void test_crowds(void **state)
{
    const int64_t minute = INT64_C(60000000000);
    (void)state;
    assert_int_equal(suspects_of(150, true, 20 * minute), 150);
    assert_int_equal(suspects_of(150, true, minute), 0);       /* not long */
    assert_int_equal(suspects_of(50, true, 20 * minute), 0);   /* not many */
    assert_int_equal(suspects_of(150, false, 20 * minute), 0); /* workers of a pool */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_heaps),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_what_could_not_be_read_is_not_proved),
        cmocka_unit_test(test_crowds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
