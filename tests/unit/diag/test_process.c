/* Deadlock, storms, run queues, threads, timers, crashes: told when they are there, not told of
 * healthy programs that look alike. */
#include "make.h"

#define WORKER PARK "orders.work /build/orders/work.go:5 < orders.start /build/orders/start.go:7"
#define LOCKED                                                                                     \
    PARK "sync.(*Mutex).Lock /go/src/sync/mutex.go:46 orders.(*Ledger).Add /build/ledger.go:51 "

static void signal_loop(struct snap *s)
{
    uint32_t g = make_goroutines(s, 1, 20, "", -1,
                                 "os/signal.signal_recv /go/src/runtime/sigqueue.go:152 "
                                 "os/signal.loop /go/src/os/signal/signal_unix.go:23");
    make_status(s, g, SNAP_G_SYSCALL);
}

static void deadlock_that_the_runtime_does_not_see(void **state)
{
    struct snap *s = make_snapshot(0);
    signal_loop(s);
    make_goroutines(s, 1, 1, "chan receive", 30, PARK "main.main /build/main.go:9");
    make_goroutines(s, 2, 40, "sync.Mutex.Lock", 30, LOCKED);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "blocked", DIAG_PROBLEM,
                  "everything is blocked: 3 goroutines wait, none can run");
    diag_findings_free(&r);
    snap_free(s);
}

static void waiting_for_a_signal_is_no_deadlock(void **state)
{
    struct snap *s = make_snapshot(0);
    signal_loop(s);
    make_goroutines(s, 1, 1, "chan receive", 30, PARK "main.main /build/main.go:9");
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    assert_int_equal(r.v.n, 0);
    diag_findings_free(&r);
    snap_free(s);
}

static void somebody_can_still_wake_them(void **state)
{
    struct snap *s = make_snapshot(0);
    make_goroutines(s, 3, 40, "sync.Mutex.Lock", 5, LOCKED);
    make_goroutines(s, 1, 1, "sleep", 5,
                    PARK "time.Sleep /go/src/runtime/time.go:1 main.main /m.go:2");
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    assert_null(make_find(&r, "blocked"));
    diag_findings_free(&r);
    snap_free(s);
    s = make_snapshot(0);
    make_goroutines(s, 3, 40, "select", 5, WORKER);
    uint32_t p = snap_add_proc(s);
    s->proc.timers[p] = 1; /* time.After in that select */
    r = make_report(NULL, s, NULL, 0);
    assert_null(make_find(&r, "blocked"));
    diag_findings_free(&r);
    snap_free(s);
}

static void a_storm_names_the_go_statement(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    make_http_server(before, 10);
    make_http_server(s, 10);
    make_goroutines(before, 100, 1000, "chan receive", -1, WORKER);
    make_goroutines(s, 3300, 1000, "chan receive", -1, WORKER);
    struct diag_pulse up[6] = {0};
    for (size_t i = 0; i < 6; i++)
        up[i].goroutines = 100 + (uint32_t)i * 640;
    struct diag_findings r = make_report(before, s, up, 6);
    check_finding(&r, "storm", DIAG_PROBLEM, "goroutine storm: 3,312 goroutines, +3,200/s");
    assert_string_equal(make_find(&r, "storm")->evidence.v[0],
                        "created at orders/start.go:7, in orders.start: 3,300 of them, +3,200/s");
    assert_string_equal(make_find(&r, "storm")->next,
                        "gospect goroutines {target} --filter 'creator=orders/start.go:7'");
    diag_findings_free(&r);
    for (size_t i = 0; i < 6; i++) /* a burst that is over: it rose once and stands */
        up[i].goroutines = 3312;
    r = make_report(before, s, up, 6);
    assert_null(make_find(&r, "storm"));
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void slow_growth_needs_time(void **state)
{
    struct snap *s = make_snapshot(0), *second = make_snapshot(-1), *minute = make_snapshot(-60);
    make_goroutines(s, 560, 1000, "select", -1, WORKER);
    make_goroutines(second, 500, 1000, "select", -1, WORKER);
    make_goroutines(minute, 500, 1000, "select", -1, WORKER);
    struct diag_findings r = make_report(second, s, NULL, 0);
    assert_null(make_find(&r, "storm"));
    diag_findings_free(&r);
    r = make_report(minute, s, NULL, 0);
    check_finding(&r, "storm", DIAG_WARNING, "goroutines grow: 560 goroutines, +1/s");
    diag_findings_free(&r);
    snap_free(s);
    snap_free(second);
    snap_free(minute);
}

static struct diag_findings with_queues(struct diag_pulse p, size_t n)
{
    struct diag_pulse pulses[10];
    struct snap *s = make_snapshot(0);
    for (size_t i = 0; i < n; i++)
        pulses[i] = p;
    struct diag_findings r = make_report(NULL, s, pulses, n);
    snap_free(s);
    return r;
}

static void run_queues(void **state)
{
    struct diag_pulse full = {
        .gomaxprocs = 4, .runq_global = 200, .runq_local = 100, .runq_local_max = 30};
    struct diag_findings r = with_queues(full, 6);
    check_finding(&r, "runqueue", DIAG_WARNING,
                  "300 goroutines wait for a processor, GOMAXPROCS is 4");
    assert_int_equal(r.v.n, 1);
    diag_findings_free(&r);
    r = with_queues(full, 3); /* too few looks to say so */
    check_quiet(&r);
    diag_findings_free(&r);
    struct diag_pulse skewed = {
        .gomaxprocs = 16, .runq_local = 33, .runq_local_max = 32, .idle_procs = 3};
    r = with_queues(skewed, 6);
    check_finding(&r, "runqueue", DIAG_WARNING,
                  "run queues are uneven: 32 goroutines in one, 2.1 on");
    diag_findings_free(&r);
    struct diag_pulse busy = {.gomaxprocs = 4, .runq_local = 20, .runq_local_max = 12};
    r = with_queues(busy, 6);
    check_quiet(&r);
    diag_findings_free(&r);
    struct diag_pulse starved = {.gomaxprocs = 4, .runq_global = 3, .idle_procs = 2};
    r = with_queues(starved, 6);
    check_finding(&r, "runqueue", DIAG_WARNING, "global run queue is not empty");
    diag_findings_free(&r);
}

static void threads_in_system_calls(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    struct snap *both[] = {before, s};
    for (size_t i = 0; i < 2; i++) {
        uint32_t g =
            make_goroutines(both[i], 12, 70, "", -1,
                            "syscall.read /go/src/syscall/zsyscall.go:1 "
                            "os.(*File).Read /go/src/os/file.go:118 main.load /build/l.go:3");
        make_status(both[i], g, SNAP_G_SYSCALL);
        uint32_t t = snap_add_thread(both[i]);
        both[i]->thread.syscall_name[t] = intern_add(&both[i]->strings, "read");
        both[i]->goroutine.thread[g] = t;
    }
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_finding(&r, "threads", DIAG_WARNING, "12 threads are stuck in read");
    diag_findings_free(&r);
    r = make_report(NULL, s, NULL, 0); /* one look: they may just be reading */
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void too_many_threads(void **state)
{
    struct snap *s = make_snapshot(0);
    for (uint32_t i = 0; i < 1200; i++) {
        uint32_t t = snap_add_thread(s);
        s->thread.tid[t] = 100 + i;
    }
    for (uint32_t i = 0; i < 4; i++)
        snap_add_proc(s);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "threads", DIAG_WARNING, "1,200 threads, GOMAXPROCS is 4");
    diag_findings_free(&r);
    snap_free(s);
}

static void a_flood_of_timers(void **state)
{
    struct snap *s = make_snapshot(0);
    uint32_t pc = make_pc(s, "time.sendTime", "/go/src/time/sleep.go:1");
    for (uint32_t i = 0; i < 250000; i++) {
        uint32_t t = snap_add_timer(s);
        s->timer.func[t] = pc;
    }
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "timers", DIAG_WARNING, "250,000 timers are pending");
    assert_string_equal(make_find(&r, "timers")->evidence.v[0],
                        "250,000 call time.sendTime (time.After, NewTimer, NewTicker)");
    diag_findings_free(&r);
    snap_free(s);
}

static void a_collector_that_never_rests(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    snap_set_counter(before, "cpu.gc_total_ns", 1000);
    snap_set_counter(before, "cpu.total_ns", 100000);
    snap_set_counter(before, "memstats.num_gc", 10);
    snap_set_counter(s, "cpu.gc_total_ns", 1000 + 900000);
    snap_set_counter(s, "cpu.total_ns", 100000 + 2000000);
    snap_set_counter(s, "memstats.num_gc", 30);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_finding(&r, "gc", DIAG_PROBLEM, "the garbage collector takes 45 % of the processors");
    assert_string_equal(make_find(&r, "gc")->evidence.v[0], "20 cycles between the looks");
    diag_findings_free(&r);
    snap_free(s);
    s = make_snapshot(0); /* one busy cycle is no habit */
    snap_set_counter(s, "cpu.gc_total_ns", 1000 + 900000);
    snap_set_counter(s, "cpu.total_ns", 100000 + 2000000);
    snap_set_counter(s, "memstats.num_gc", 11);
    r = make_report(before, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void long_pauses_of_late(void **state)
{
    struct snap *s = make_snapshot(0);
    snap_set_meta_i64(s, SNAP_META_taken_wall_ns, 5000 * NSEC_PER_SEC);
    snap_set_counter(s, "gc.pause_0_ns", 40000);
    snap_set_counter(s, "gc.pause_0_end_unix_ns", 4990 * NSEC_PER_SEC);
    snap_set_counter(s, "gc.pause_1_ns", 230 * NSEC_PER_MSEC);
    snap_set_counter(s, "gc.pause_1_end_unix_ns", 3000 * NSEC_PER_SEC); /* long ago */
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_set_counter(s, "gc.pause_2_ns", 150 * NSEC_PER_MSEC);
    snap_set_counter(s, "gc.pause_2_end_unix_ns", 4900 * NSEC_PER_SEC);
    r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "gc", DIAG_NOTE, "the garbage collector stopped everything for 150 ms");
    diag_findings_free(&r);
    snap_set_counter(s, "gc.pause_3_ns", 1200 * NSEC_PER_MSEC);
    snap_set_counter(s, "gc.pause_3_end_unix_ns", 4901 * NSEC_PER_SEC);
    r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "gc", DIAG_WARNING, "the garbage collector stopped everything for 1.2 s");
    diag_findings_free(&r);
    snap_free(s);
}

static void memory_near_a_limit(void **state)
{
    struct snap *s = make_snapshot(0);
    snap_set_counter(s, "process.rss_bytes", 900000000);
    snap_set_counter(s, "process.memory_limit_bytes", 1000000000);
    snap_set_counter(s, "gc.memory_limit_bytes", INT64_MAX);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "memory", DIAG_WARNING,
                  "90 % of the container's memory is used: 900 MB of 1.00 GB");
    assert_string_equal(make_find(&r, "memory")->evidence.v[0], "GOMEMLIMIT is not set");
    assert_int_equal(r.v.n, 1);
    diag_findings_free(&r);
    snap_free(s);
    s = make_snapshot(0);
    snap_set_counter(s, "gc.mapped_ready_bytes", 495000000);
    snap_set_counter(s, "gc.memory_limit_bytes", 500000000);
    snap_set_counter(s, "gc.heap_marked_bytes", 450000000);
    r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "memory", DIAG_PROBLEM, "memory is at GOMEMLIMIT: 495 MB of 500 MB");
    diag_findings_free(&r);
    snap_free(s);
}

static void a_core_of_a_crash(void **state)
{
    struct snap *s = make_snapshot(0);
    make_http_server(s, 3);
    uint32_t g = make_goroutines(s, 1, 77, "", -1,
                                 "runtime.fatalpanic /go/src/runtime/panic.go:1 "
                                 "runtime.gopanic /go/src/runtime/panic.go:2 "
                                 "runtime.sigpanic /go/src/runtime/signal_unix.go:3 "
                                 "orders.(*Cart).Total /build/orders/cart.go:17 "
                                 "main.main /build/main.go:9");
    make_status(s, g, SNAP_G_RUNNING);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "crash", DIAG_PROBLEM, "goroutine 77 touched memory that is not there");
    assert_string_equal(make_find(&r, "crash")->evidence.v[0],
                        "at orders/cart.go:17, in orders.(*Cart).Total");
    diag_findings_free(&r);
    snap_free(s);
}

static void what_was_not_read_is_said(void **state)
{
    struct snap *s = make_snapshot(0);
    snap_note_missing(s, 3, "stacks", "the memory is not in the core");
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "unread", DIAG_NOTE, "not everything could be read");
    assert_string_equal(make_find(&r, "unread")->evidence.v[0],
                        "3 stacks: the memory is not in the core");
    diag_findings_free(&r);
    snap_free(s);
}

static void healthy_servers_are_quiet(void **state)
{
    struct snap *s = make_snapshot(0), *before = make_snapshot(-1);
    make_http_server(before, 2000);
    make_http_server(s, 2003);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
    s = make_snapshot(0); /* nothing at all, as in a damaged snapshot */
    r = make_report(NULL, s, NULL, 0);
    assert_int_equal(r.v.n, 0);
    diag_findings_free(&r);
    snap_free(s);
}

static void problems_come_first(void **state)
{
    struct snap *s = make_snapshot(0);
    make_goroutines(s, 30, 5000, "chan receive (nil chan)", 10, WORKER);
    make_goroutines(s, 200, 6000, "chan send", 6000, PARK "orders.small /build/s.go:1 ");
    make_goroutines(s, 900, 7000, "chan send", 6000, PARK "orders.large /build/l.go:1 ");
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    assert_true(r.v.n >= 3);
    assert_non_null(strstr(r.v.v[0].title, "everything is blocked"));
    assert_non_null(strstr(r.v.v[1].title, "900 goroutines"));
    assert_non_null(strstr(r.v.v[2].title, "200 goroutines"));
    diag_findings_free(&r);
    snap_free(s);
}

static void only_looks_at_the_same_process_compare(void **state)
{
    struct snap *a = make_snapshot(-5), *b = make_snapshot(0);
    const char *why;
    assert_true(diag_comparable(a, b, &why));
    assert_false(diag_comparable(b, a, &why));
    assert_string_equal(why, "the first one is not the earlier one");
    snap_set_meta_i64(a, SNAP_META_pid, 7);
    assert_false(diag_comparable(a, b, &why));
    assert_string_equal(why, "they are of different processes");
    snap_free(a);
    snap_free(b);
}

/* A core file has no pulses: what it shows is a note. */
static void run_queues_of_one_instant(void **state)
{
    struct snap *s = make_snapshot(0);
    uint32_t first = make_goroutines(s, 45, 10, "", -1, "main.work /src/main.go:7 ");
    make_status(s, first, SNAP_G_RUNNABLE);
    for (int i = 0; i < 4; i++) {
        uint32_t p = snap_add_proc(s);
        s->proc.status[p] = i ? SNAP_P_RUNNING : SNAP_P_IDLE;
    }
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    assert_null(make_find(&r, "runqueue"));
    diag_findings_free(&r);
    for (uint32_t g = first; g < first + 45; g++) {
        uint32_t q = snap_add_runq(s);
        s->runq.goroutine[q] = g;
    }
    r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "runqueue", DIAG_NOTE, "45 goroutines wait for a processor, GOMAXPROCS is 4");
    assert_int_equal(make_find(&r, "runqueue")->sure, DIAG_SUSPECTED);
    diag_findings_free(&r);
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(run_queues_of_one_instant),
          cmocka_unit_test(deadlock_that_the_runtime_does_not_see),
          cmocka_unit_test(waiting_for_a_signal_is_no_deadlock),
          cmocka_unit_test(somebody_can_still_wake_them),
          cmocka_unit_test(a_storm_names_the_go_statement),
          cmocka_unit_test(slow_growth_needs_time), cmocka_unit_test(run_queues),
          cmocka_unit_test(threads_in_system_calls), cmocka_unit_test(too_many_threads),
          cmocka_unit_test(a_flood_of_timers), cmocka_unit_test(a_collector_that_never_rests),
          cmocka_unit_test(long_pauses_of_late), cmocka_unit_test(memory_near_a_limit),
          cmocka_unit_test(a_core_of_a_crash), cmocka_unit_test(what_was_not_read_is_said),
          cmocka_unit_test(healthy_servers_are_quiet), cmocka_unit_test(problems_come_first),
          cmocka_unit_test(only_looks_at_the_same_process_compare))
