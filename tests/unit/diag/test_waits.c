/* Pile-ups, locks, waits that can not end: told when they are there, not told of healthy programs
 * that look alike. */
#include "make.h"

#define SENDER                                                                                     \
    PARK "orders.(*Hub).publish.func1 /build/orders/notify.go:88 "                                 \
         "orders.(*Hub).publish /build/orders/notify.go:80 "                                       \
         "< orders.(*Server).handle /build/orders/http.go:140"
#define RECEIVER PARK "orders.worker /build/orders/pool.go:12 < main.main /build/main.go:9"
#define LOCKER                                                                                     \
    PARK "sync.runtime_SemacquireMutex /go/src/runtime/sema.go:95 "                                \
         "internal/sync.(*Mutex).lockSlow /go/src/internal/sync/mutex.go:149 "                     \
         "sync.(*Mutex).Lock /go/src/sync/mutex.go:46 "                                            \
         "orders.(*Ledger).Add /build/orders/ledger.go:51 "                                        \
         "net/http.(*conn).serve /go/src/net/http/server.go:2102 "

static void senders_that_wait_for_hours(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 20);
    uint32_t first = make_goroutines(s, 1812, 5000, "chan send", 255600, SENDER);
    s->goroutine.wait_since[first] += 255000 * NSEC_PER_SEC; /* the youngest: 10 min */
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "pileup", DIAG_PROBLEM,
                  "1,812 goroutines wait for the same thing, oldest 71 h");
    const struct diag_finding *f = make_find(&r, "pileup");
    assert_string_equal(
        f->evidence.v[0],
        "chan send at orders/notify.go:88, in orders.(*Hub).publish.func1; created at "
        "orders/http.go:140");
    assert_string_equal(f->evidence.v[1], "waiting: 1 for 10 to 60 min, 1,811 for a day or more");
    assert_string_equal(f->next,
                        "gospect goroutines {target} --filter 'file=orders/notify.go:88' --full");
    assert_int_equal(f->sure, DIAG_INFERRED);
    assert_int_equal(diag_findings_count(&r, DIAG_PROBLEM), 1);
    diag_findings_free(&r);
    snap_free(s);
}

static void senders_of_a_busy_pipeline_are_fine(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    make_goroutines(before, 150, 5000, "chan send", 1, SENDER);
    make_goroutines(s, 150, 5100, "chan send", 1, SENDER); /* others than a second ago */
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void growth_is_told_from_two_looks(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-60);
    make_http_server(before, 5);
    make_http_server(s, 5);
    make_goroutines(before, 1000, 5000, "chan send", -1, SENDER);
    make_goroutines(s, 1014, 5000, "chan send", -1, SENDER);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_finding(&r, "pileup", DIAG_PROBLEM, "1,014 goroutines wait for the same thing, +14/min");
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void an_idle_pool_is_no_leak(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 5);
    make_goroutines(s, 1000, 50, "chan receive", 90000, RECEIVER); /* made at the start */
    make_goroutines(s, 1, 900000, "chan receive", 1,
                    "main.late /build/late.go:1"); /* time went on */
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
}

static void receivers_made_all_along_are_suspected(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 5);
    uint32_t first = make_goroutines(s, 1000, 50, "chan receive", 90000, RECEIVER);
    make_spread(s, first, 50, 900);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "pileup", DIAG_WARNING,
                  "1,000 goroutines wait for the same thing, oldest 25 h");
    assert_int_equal(make_find(&r, "pileup")->sure, DIAG_SUSPECTED);
    diag_findings_free(&r);
    snap_free(s);
}

static void one_writer_per_connection_is_fine(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 1000);
    uint32_t first = make_goroutines(s, 1000, 50, "select", 90000, RECEIVER);
    make_spread(s, first, 50, 900);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
}

static void a_lock_that_stands(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 5);
    uint32_t first = make_goroutines(s, 412, 5000, "sync.Mutex.Lock", 540, LOCKER);
    for (uint32_t g = first; g < s->goroutine.n; g++) {
        uint32_t w = snap_add_wait(s);
        s->wait.goroutine[w] = g;
        s->wait.kind[w] = SNAP_W_SEMA;
        s->wait.addr[w] = 0xc0001a2b04;
    }
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "locks", DIAG_PROBLEM,
                  "412 goroutines wait for one sync.Mutex, oldest 9 min");
    const struct diag_finding *f = make_find(&r, "locks");
    assert_string_equal(f->evidence.v[0], "412 at orders/ledger.go:51, in orders.(*Ledger).Add");
    assert_string_equal(f->evidence.v[1], "its semaphore is at 0xc0001a2b04");
    assert_null(make_find(&r, "pileup")); /* told once */
    diag_findings_free(&r);
    snap_free(s);
}

/* Up to Go 1.19 the runtime calls every lock "semacquire". */
static void old_runtimes_name_no_lock(void **state)
{
    struct snap *s = make_snapshot(0);
    make_goroutines(s, 50, 5000, "semacquire", 60, LOCKER);
    uint32_t first = make_goroutines(s, 1, 6000, "semacquire", 60,
                                     PARK "sync.runtime_Semacquire /go/src/runtime/sema.go:62 "
                                          "sync.(*WaitGroup).Wait /go/src/sync/waitgroup.go:139 "
                                          "main.main /build/main.go:9");
    (void)first;
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "locks", DIAG_PROBLEM, "50 goroutines wait for a sync.Mutex, oldest 60 s");
    diag_findings_free(&r);
    snap_free(s);
}

static void a_lock_that_is_busy_is_fine(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    make_goroutines(before, 60, 5000, "sync.Mutex.Lock", -1, LOCKER);
    make_goroutines(s, 60, 5060, "sync.Mutex.Lock", -1, LOCKER);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    make_http_server(before, 1);
    r = make_report(before, before, NULL, 0); /* but when the same ones wait both times */
    check_finding(&r, "locks", DIAG_WARNING, "60 goroutines wait for a sync.Mutex");
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void waits_that_can_not_end(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 5);
    make_goroutines(s, 30, 5000, "chan receive (nil chan)", 10, RECEIVER);
    make_goroutines(s, 1, 1, "select (no cases)", 10, "main.main /build/main.go:9");
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "nilwait", DIAG_WARNING, "30 goroutines can never run again");
    assert_int_equal(make_find(&r, "nilwait")->sure, DIAG_PROVED);
    assert_int_equal(r.v.n, 1);
    diag_findings_free(&r);
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(senders_that_wait_for_hours),
          cmocka_unit_test(senders_of_a_busy_pipeline_are_fine),
          cmocka_unit_test(growth_is_told_from_two_looks),
          cmocka_unit_test(an_idle_pool_is_no_leak),
          cmocka_unit_test(receivers_made_all_along_are_suspected),
          cmocka_unit_test(one_writer_per_connection_is_fine), cmocka_unit_test(a_lock_that_stands),
          cmocka_unit_test(old_runtimes_name_no_lock),
          cmocka_unit_test(a_lock_that_is_busy_is_fine), cmocka_unit_test(waits_that_can_not_end))
