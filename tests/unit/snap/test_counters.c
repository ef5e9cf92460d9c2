/* Counters that are rows in disguise: pauses, and how full spans are; names from a file may say
 * anything. */
#include "check.h"
#include "snap/fill.h"
#include "snap/pauses.h"

static void pauses_are_summed_up(void **state)
{
    struct snap *s = snap_new();
    struct snap_pauses p;
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof(name), "gc.pause_%d_ns", i);
        snap_set_counter(s, name, 100 - i);
        snprintf(name, sizeof(name), "gc.pause_%d_end_unix_ns", i);
        snap_set_counter(s, name, 1000 - i);
    }
    snap_pauses(s, &p);
    assert_int_equal(p.n, 100);
    assert_int_equal(p.v[0].ns, 100);
    assert_int_equal(p.v[99].end_unix_ns, 901);
    assert_int_equal(p.median_ns, 50);
    assert_int_equal(p.p99_ns, 99);
    assert_int_equal(p.longest, 0);
    snap_free(s);
}

static void strange_names_are_passed_over(void **state)
{
    static const char *const names[] = {"gc.pause_0_ns",          "gc.pause_256_ns",
                                        "gc.pause_-1_ns",         "gc.pause__ns",
                                        "gc.pause_1_what",        "gc.pause_3_ns",
                                        "spans.by_size_x.bytes",  "spans.by_size_16.what",
                                        "spans.by_size_16.bytes", "spans.by_size_16.objects"};
    struct snap *s = snap_new();
    struct snap_pauses p;
    struct snap_fills f;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        snap_set_counter(s, names[i], INT64_MAX);
    for (int i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof(name), "spans.by_size_%d.bytes", 1000 + i);
        snap_set_counter(s, name, -5);
    }
    snap_pauses(s, &p);
    assert_int_equal(p.n, 1); /* the second is missing: nothing behind it counts */
    snap_fills(s, &f);
    assert_int_equal(f.n, SNAP_FILL_MAX);
    for (size_t i = 0; i < f.n; i++)
        assert_int_equal(f.v[i].free, 0);
    snap_free(s);
}

static void most_free_comes_first(void **state)
{
    struct snap *s = snap_new();
    struct snap_fills f;
    snap_set_counter(s, "spans.by_size_16.bytes", 8192);
    snap_set_counter(s, "spans.by_size_16.objects", 512);
    snap_set_counter(s, "spans.by_size_512.bytes", 16384);
    snap_set_counter(s, "spans.by_size_512.objects", 2);
    snap_fills(s, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.v[0].size, 512);
    assert_int_equal(f.v[0].free, 16384 - 1024);
    assert_int_equal(f.v[1].free, 0);
    snap_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_are_summed_up),
        cmocka_unit_test(strange_names_are_passed_over),
        cmocka_unit_test(most_free_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
