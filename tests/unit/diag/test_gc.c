/* What the garbage collector suffers from: settings, assists, a limit that is given up,
 * fragmentation, large objects; and what looks alike and is healthy. */
#include "make.h"

#define MB (INT64_C(1) << 20)

static void set(struct snap *s, const char *name, int64_t v)
{
    snap_set_counter(s, name, v);
}

/* Looks at one process, a second apart. */
struct looks {
    struct snap *before, *now;
    struct diag_findings found;
};

static struct looks looks_new(void)
{
    return (struct looks){.before = make_snapshot(-1), .now = make_snapshot(0)};
}

static void both(struct looks *l, const char *name, int64_t before, int64_t now)
{
    set(l->before, name, before);
    set(l->now, name, now);
}

static const struct diag_finding *look(struct looks *l, const char *key)
{
    l->found = make_report(l->before, l->now, NULL, 0);
    return make_find(&l->found, key);
}

static void looks_free(struct looks *l)
{
    diag_findings_free(&l->found);
    snap_free(l->before);
    snap_free(l->now);
}

static struct looks with_assists(int64_t assist_ns)
{
    struct looks l = looks_new();
    both(&l, "cpu.total_ns", 0, 10000);
    both(&l, "cpu.gc_total_ns", 0, 2000);
    both(&l, "cpu.gc_assist_ns", 0, assist_ns);
    both(&l, "memstats.num_gc", 10, 20);
    return l;
}

static void assists_that_take_a_tenth(void **state)
{
    struct looks l = with_assists(1200);
    const struct diag_finding *f = look(&l, "gc");
    assert_non_null(f);
    assert_int_equal(f->severity, DIAG_WARNING);
    assert_string_equal(f->title, "goroutines that allocate spend 12 % of the processors marking "
                                  "for the garbage collector");
    looks_free(&l);
    l = with_assists(300); /* 3 %: usual */
    assert_null(look(&l, "gc"));
    looks_free(&l);
}

static void goroutines_that_wait_for_assists(void **state)
{
    struct looks l = looks_new();
    const char *at = PARK "runtime.gcParkAssist /go/src/runtime/mgcmark.go:1 main.main /m.go:2";
    make_goroutines(l.before, 12, 1, "GC assist wait", -1, at);
    make_goroutines(l.now, 12, 1, "GC assist wait", -1, at);
    const struct diag_finding *f = look(&l, "gc");
    assert_non_null(f);
    assert_string_equal(f->title, "12 goroutines wait until enough is marked to allocate");
    looks_free(&l);
    l = looks_new(); /* only now: a moment */
    make_goroutines(l.now, 12, 1, "GC assist wait", -1, at);
    assert_null(look(&l, "gc"));
    looks_free(&l);
}

static void marking_for_long(void **state)
{
    struct looks l = looks_new();
    set(l.now, "gc.phase", 0);
    set(l.now, "gc.t_mark_ns", MAKE_NOW - 60 * NSEC_PER_SEC);
    set(l.now, "gc.t_mark_term_ns", MAKE_NOW - 48 * NSEC_PER_SEC);
    assert_string_equal(look(&l, "gc")->title, "the last garbage collection marked for 12 s");
    looks_free(&l);
    l = looks_new();
    set(l.now, "gc.phase", 0);
    set(l.now, "gc.t_mark_ns", MAKE_NOW - 60 * NSEC_PER_SEC);
    set(l.now, "gc.t_mark_term_ns", MAKE_NOW - 59 * NSEC_PER_SEC);
    assert_null(look(&l, "gc"));
    looks_free(&l);
}

static void a_limit_given_up(void **state)
{
    struct looks l = looks_new();
    set(l.now, "gc.limiter_on", 1);
    set(l.now, "gc.limiter_last_cycle", 900);
    set(l.now, "memstats.num_gc", 900);
    assert_int_equal(look(&l, "memory")->severity, DIAG_PROBLEM);
    looks_free(&l);
    l = looks_new(); /* long ago */
    set(l.now, "gc.limiter_on", 0);
    set(l.now, "gc.limiter_last_cycle", 100);
    set(l.now, "memstats.num_gc", 900);
    assert_null(look(&l, "memory"));
    looks_free(&l);
}

static struct looks with_gogc(int64_t percent, int64_t limit, int64_t heap)
{
    struct looks l = looks_new();
    set(l.now, "gc.percent", percent);
    set(l.now, "gc.memory_limit_bytes", limit);
    set(l.now, "memstats.heap_alloc_bytes", heap);
    return l;
}

static void a_collector_that_is_off(void **state)
{
    struct looks l = with_gogc(-1, INT64_MAX, 300 * MB);
    assert_int_equal(look(&l, "gcsettings")->severity, DIAG_WARNING);
    looks_free(&l);
    l = with_gogc(-1, 500 * MB, 300 * MB); /* the limit runs it */
    assert_null(look(&l, "gcsettings"));
    looks_free(&l);
    l = with_gogc(-1, INT64_MAX, 3 * MB); /* too small to matter */
    assert_null(look(&l, "gcsettings"));
    looks_free(&l);
}

static struct looks built_with(const char *flags)
{
    struct looks l = looks_new();
    uint32_t row = snap_add_setting(l.now);
    l.now->setting.key[row] = intern_add(&l.now->strings, "-gcflags");
    l.now->setting.value[row] = intern_add(&l.now->strings, flags);
    return l;
}

static void built_without_write_barriers(void **state)
{
    static const char *const bad[] = {"-wb=0", "all=-N -wb=false -l"};
    static const char *const good[] = {"all=-N -l", "-wb=true", "-d=wb=0", "-wb=1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct looks l = built_with(bad[i]);
        assert_int_equal(look(&l, "gcsettings")->severity, DIAG_PROBLEM);
        looks_free(&l);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct looks l = built_with(good[i]);
        assert_null(look(&l, "gcsettings"));
        looks_free(&l);
    }
}

static struct looks with_spans(int64_t inuse, int64_t alloc, int64_t goal)
{
    struct looks l = looks_new();
    both(&l, "memstats.heap_inuse_bytes", inuse, inuse);
    both(&l, "memstats.heap_alloc_bytes", alloc, alloc);
    both(&l, "gc.heap_goal_bytes", goal, goal);
    set(l.now, "spans.by_size_512.count", 1000);
    set(l.now, "spans.by_size_512.bytes", 8192000);
    set(l.now, "spans.by_size_512.slots", 16000);
    set(l.now, "spans.by_size_512.objects", 1000);
    set(l.now, "spans.by_size_512.sparse", 1000);
    return l;
}

static void spans_nearly_empty(void **state)
{
    struct looks l = with_spans(200 * MB, 10 * MB, 20 * MB);
    const struct diag_finding *f = look(&l, "fragmentation");
    assert_non_null(f);
    assert_string_equal(f->title, "the heap is fragmented: 189 MB of 210 MB in spans stay free");
    assert_non_null(strstr(f->evidence.v[1], "objects of 512 B: 1,000 in 1,000 spans"));
    looks_free(&l);
    l = with_spans(200 * MB, 90 * MB, 180 * MB); /* the next cycle fills them */
    assert_null(look(&l, "fragmentation"));
    looks_free(&l);
    l = with_spans(20 * MB, 1 * MB, 4 * MB); /* small */
    assert_null(look(&l, "fragmentation"));
    looks_free(&l);
    l = with_spans(200 * MB, 10 * MB, -1); /* GOGC=off: no goal */
    assert_null(look(&l, "fragmentation"));
    looks_free(&l);
}

static struct looks with_large(int64_t count, int64_t bytes, int64_t all)
{
    struct looks l = looks_new();
    both(&l, "memstats.large_mallocs", 5, 5 + count);
    both(&l, "memstats.large_alloc_bytes", 100, 100 + bytes);
    both(&l, "memstats.total_alloc_bytes", 1000, 1000 + all);
    return l;
}

static void large_objects_all_the_time(void **state)
{
    struct looks l = with_large(1000, 200 * MB, 300 * MB);
    const struct diag_finding *f = look(&l, "large");
    assert_non_null(f);
    assert_int_equal(f->severity, DIAG_NOTE);
    assert_string_equal(f->title, "1,000 large objects are allocated a second, 210 MB/s");
    looks_free(&l);
    l = with_large(1000, 200 * MB, 900 * MB); /* most are small */
    assert_null(look(&l, "large"));
    looks_free(&l);
    l = with_large(3, 200 * MB, 210 * MB); /* seldom */
    assert_null(look(&l, "large"));
    looks_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assists_that_take_a_tenth),
        cmocka_unit_test(goroutines_that_wait_for_assists),
        cmocka_unit_test(marking_for_long),
        cmocka_unit_test(a_limit_given_up),
        cmocka_unit_test(a_collector_that_is_off),
        cmocka_unit_test(built_without_write_barriers),
        cmocka_unit_test(spans_nearly_empty),
        cmocka_unit_test(large_objects_all_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
