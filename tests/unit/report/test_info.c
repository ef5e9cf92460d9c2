/* Info: what is known is said, what is not known leaves no gap. */
#include "check.h"
#include "report/info.h"
#include "snap/sample.h"

static void counters(struct snap *s)
{
    snap_set_counter(s, "sched.gomaxprocs", 8);
    snap_set_counter(s, "sched.ncpu", 16);
    snap_set_counter(s, "gc.percent", 100);
    snap_set_counter(s, "gc.memory_limit_bytes", INT64_MAX);
    snap_set_counter(s, "sched.goroutines", 12408);
    snap_set_counter(s, "sched.goroutines_created", 1203112);
    snap_set_counter(s, "gc.heap_live_bytes", 412000000);
    snap_set_counter(s, "gc.trigger_bytes", 760000000);
    snap_set_counter(s, "gc.heap_goal_bytes", 800000000);
    snap_set_counter(s, "memstats.num_gc", 1204);
    snap_set_counter(s, "gc.last_ns", SAMPLE_NOW - 12 * NSEC_PER_SEC);
    snap_set_counter(s, "gc.phase", 0);
    snap_set_counter(s, "cpu.total_ns", 200);
    snap_set_counter(s, "cpu.gc_total_ns", 3);
    snap_set_counter(s, "process.rss_bytes", 1100000000);
}

static void setting(struct snap *s, const char *key, const char *value)
{
    uint32_t i = snap_add_setting(s);
    s->setting.key[i] = make_str(s, key);
    s->setting.value[i] = make_str(s, value);
}

static void as_text(void **state)
{
    struct snap *s = sample_orders();
    struct buf b = {0};
    struct report_style style = {.width = 80};
    setenv("TZ", "UTC", 1);
    counters(s);
    setting(s, "-trimpath", "true");
    setting(s, "CGO_ENABLED", "0");
    snap_set_meta(s, SNAP_META_marks, "stripped pie");
    snap_set_meta_i64(s, SNAP_META_started_wall_ns, (1700000000 - 76 * 3600) * NSEC_PER_SEC);
    check_ok(report_info_text(s, &style, report_to_buf(&b)));
    assert_string_equal(
        buf_text(&b),
        "orders-api pid 4242 go1.24.3                                          up 3 d 4 h\n"
        "binary      /srv/bin/orders-api\n"
        "marks       stripped pie\n"
        "seen        2023-11-14 22:13:20.000\n"
        "go          go1.24.3\n"
        "package     example.com/shop/cmd/orders-api\n"
        "module      example.com/shop (devel)\n"
        "settings    GOMAXPROCS 8 (16 CPUs), GOGC 100, GOMEMLIMIT off\n"
        "goroutines  12,408, 1,203,112 ever created\n"
        "heap        412 MB live, next GC at 760 MB, goal 800 MB\n"
        "GC          1,204 cycles, last ended 12 s ago, not running, 1.5 % of CPU time\n"
        "pacing      the next cycle begins at 760 MB and aims at 800 MB (GOGC); now 412\n"
        "            MB\n"
        "process     1.10 GB resident\n"
        "build settings\n"
        "  -trimpath    true\n"
        "  CGO_ENABLED  0\n"
        "1 module it depends on\n"
        "  golang.org/x/sync  v0.7.0\n"
        "one instant of the whole process; it stood still for 7 ms; 52 ms in all\n");
    buf_free(&b);
    snap_free(s);
}

static void as_json(void **state)
{
    struct snap *s = sample_orders();
    struct buf b = {0};
    counters(s);
    setting(s, "CGO_ENABLED", "0");
    check_ok(report_info_json(s, report_to_buf(&b)));
    assert_non_null(strstr(buf_text(&b), "\"settings\":{\"CGO_ENABLED\":\"0\"}"));
    assert_non_null(strstr(buf_text(&b), "\"gc.memory_limit_bytes\":9223372036854775807"));
    assert_non_null(strstr(buf_text(&b), "{\"path\":\"golang.org/x/sync\",\"version\":\"v0.7.0\","
                                         "\"sum\":\"\",\"main\":false,\"replaced_by\":null,"));
    assert_non_null(strstr(buf_text(&b), "\"target\":{\"name\":\"orders-api\",\"pid\":4242,"
                                         "\"exe\":\"/srv/bin/orders-api\",\"cmdline\":null,"));
    buf_free(&b);
    snap_free(s);
}

static void nothing_known(void **state)
{
    struct snap *s = snap_new();
    struct buf b = {0};
    struct report_style style = {.width = 80};
    check_ok(report_info_text(s, &style, report_to_buf(&b)));
    check_ok(report_info_json(s, report_to_buf(&b)));
    assert_non_null(strstr(buf_text(&b), "\"counters\":{}"));
    buf_free(&b);
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(as_text), cmocka_unit_test(as_json), cmocka_unit_test(nothing_known))
