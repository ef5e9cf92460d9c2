/* Misuse and starvation: told when they are there, not told of healthy programs that look alike. */
#include "make.h"

#define READER                                                                                     \
    PARK "sync.runtime_SemacquireRWMutexR /go/src/runtime/sema.go:100 "                            \
         "sync.(*RWMutex).RLock /go/src/sync/rwmutex.go:74 orders.read /build/orders/store.go:30 "
#define WRITER                                                                                     \
    PARK                                                                                           \
        "sync.runtime_SemacquireRWMutex /go/src/runtime/sema.go:105 "                              \
        "sync.(*RWMutex).Lock /go/src/sync/rwmutex.go:153 orders.write /build/orders/store.go:40 "

static uint32_t lock_of(struct snap *s, enum snap_objkind kind, uint64_t addr)
{
    uint32_t l = snap_add_lock(s), o = snap_add_object(s);
    s->object.addr[o] = s->lock.addr[l] = addr;
    s->object.kind[o] = s->lock.kind[l] = (uint8_t)kind;
    s->object.lock[o] = l;
    return o;
}

static void wait_for(struct snap *s, uint32_t first, uint32_t n, uint32_t object,
                     enum snap_waitrole role)
{
    for (uint32_t g = first; g < first + n; g++) {
        uint32_t w = snap_add_wait(s);
        s->wait.goroutine[w] = g;
        s->wait.kind[w] = SNAP_W_SEMA;
        s->wait.addr[w] = s->object.addr[object];
        s->wait.object[w] = object;
        s->wait.role[w] = (uint8_t)role;
        s->wait.flags[w] = SNAP_WF_QUEUED;
    }
    s->object.waiters[object] += n;
}

/* A writer that waits for one reader, and `behind` readers behind it. */
static struct snap *store(double at_s, uint64_t writer, double age_s, uint32_t behind)
{
    struct snap *s = make_snapshot(at_s);
    uint32_t o = lock_of(s, SNAP_OBJ_RWMUTEX, 0xc000100000);
    uint32_t w = make_goroutines(s, 1, writer, "sync.RWMutex.Lock", age_s, WRITER);
    wait_for(s, w, 1, o, SNAP_ROLE_WRITER);
    uint32_t r = make_goroutines(s, behind, 5000, "sync.RWMutex.RLock", age_s, READER);
    wait_for(s, r, behind, o, SNAP_ROLE_READER);
    s->lock.flags[0] = SNAP_LOCK_HELD | SNAP_LOCK_WRITER;
    s->lock.leaving[0] = 1;
    s->lock.count[0] = behind + 1;
    return s;
}

static void a_writer_behind_a_reader_that_stays(void **state)
{
    struct snap *before = store(-1, 77, -1, 20), *s = store(0, 77, -1, 40);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_finding(&r, "starvation", DIAG_WARNING,
                  "a writer of sync.RWMutex at 0xc000100000 waits for 1 reader, 40 wait behind it");
    assert_int_equal(make_find(&r, "starvation")->sure, DIAG_INFERRED);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static void writers_that_take_turns_are_fine(void **state)
{
    struct snap *before = store(-1, 77, -1, 9), *s = store(0, 78, -1, 9);
    struct diag_findings r = make_report(before, s, NULL, 0);
    check_quiet(&r);
    diag_findings_free(&r);
    snap_free(s);
    snap_free(before);
}

static struct snap *starving(double at_s, bool bit)
{
    struct snap *s = make_snapshot(at_s);
    uint32_t o = lock_of(s, SNAP_OBJ_MUTEX, 0xc000100000);
    uint32_t g =
        make_goroutines(s, 12, 5000 + (uint64_t)((at_s + 1) * 100), "sync.Mutex.Lock", -1, READER);
    wait_for(s, g, 12, o, SNAP_ROLE_LOCKER);
    s->lock.flags[0] = (uint16_t)(SNAP_LOCK_HELD | (bit ? SNAP_LOCK_STARVING : 0));
    return s;
}

static void a_mutex_that_stays_in_starvation_mode(void **state)
{
    for (int was = 0; was < 2; was++) {
        struct snap *before = starving(-1, was), *s = starving(0, true);
        struct diag_findings r = make_report(before, s, NULL, 0);
        if (was)
            check_finding(&r, "starvation", DIAG_WARNING,
                          "sync.Mutex at 0xc000100000 is in starvation mode, 12 goroutines wait");
        else
            check_quiet(&r);
        diag_findings_free(&r);
        snap_free(s);
        snap_free(before);
    }
}

static struct snap *panicking(uint8_t flags)
{
    struct snap *s = make_snapshot(0);
    uint32_t g = make_goroutines(s, 1, 42, "chan receive", -1,
                                 PARK "orders.send.func1 /build/orders/hub.go:9 "
                                      "runtime.gopanic /go/src/runtime/panic.go:800 "
                                      "runtime.chansend /go/src/runtime/chan.go:215 "
                                      "orders.send /build/orders/hub.go:12 ");
    uint32_t p = snap_add_panic(s);
    s->panic.goroutine[p] = g;
    s->panic.flags[p] = flags;
    s->panic.text[p] = intern_add(&s->strings, "send on closed channel");
    s->panic.object[p] = 0xc000200000;
    return s;
}

static void a_send_on_a_closed_channel(void **state)
{
    struct snap *s = panicking(0);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "misuse", DIAG_PROBLEM, "goroutine 42 sent on a closed channel");
    const struct diag_finding *f = make_find(&r, "misuse");
    assert_string_equal(f->evidence.v[1], "at orders/hub.go:12, in orders.send");
    assert_string_equal(f->evidence.v[2], "the channel is at 0xc000200000");
    diag_findings_free(&r);
    snap_free(s);
    s = panicking(SNAP_PANIC_RECOVERED);
    r = make_report(NULL, s, NULL, 0);
    assert_null(make_find(&r, "misuse"));
    diag_findings_free(&r);
    snap_free(s);
}

static void an_unlock_of_what_is_not_locked(void **state)
{
    struct snap *s = make_snapshot(0);
    make_goroutines(s, 1, 42, "", -1,
                    "runtime.fatalthrow /go/src/runtime/panic.go:1 "
                    "runtime.fatal /go/src/runtime/panic.go:2 "
                    "internal/sync.fatal /go/src/runtime/panic.go:3 "
                    "internal/sync.(*Mutex).unlockSlow /go/src/internal/sync/mutex.go:204 "
                    "internal/sync.(*Mutex).Unlock /go/src/internal/sync/mutex.go:198 "
                    "sync.(*Mutex).Unlock /go/src/sync/mutex.go:65 "
                    "orders.done /build/orders/ledger.go:60 ");
    make_status(s, 0, SNAP_G_RUNNING);
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "misuse", DIAG_PROBLEM,
                  "goroutine 42 unlocked a sync.Mutex that was not locked");
    assert_string_equal(make_find(&r, "misuse")->evidence.v[0],
                        "at orders/ledger.go:60, in orders.done");
    diag_findings_free(&r);
    snap_free(s);
}

static uint32_t add_closer(struct snap *s, uint32_t goroutine, enum snap_proof evidence,
                           enum snap_closed how, const char *place)
{
    uint32_t row = snap_add_closer(s);
    s->closer.goroutine[row] = goroutine;
    s->closer.addr[row] = 0xc000200000;
    s->closer.evidence[row] = (uint8_t)evidence;
    s->closer.how[row] = (uint8_t)how;
    s->closer.pc[row] = make_pc(s, "orders.stop", place);
    return row;
}

static const struct diag_finding *about_close(struct snap *s, struct diag_findings *ret)
{
    uint32_t row = snap_add_panic(s);
    s->panic.goroutine[row] = 0;
    s->panic.object[row] = 0xc000200000;
    s->panic.text[row] = intern_add(&s->strings, "send on closed channel");
    *ret = make_report(NULL, s, NULL, 0);
    const struct diag_finding *f = make_find(ret, "misuse");
    assert_non_null(f);
    return f;
}

static const char *value_of(const struct diag_finding *f, const char *key)
{
    for (size_t i = 0; i < f->values.n; i++)
        if (strcmp(f->values.v[i].name, key) == 0)
            return f->values.v[i].text ? f->values.v[i].text : "a number";
    return NULL;
}

/* One that stands behind the close is named, and then nothing is suspected. */
static void who_closed_it(void **state)
{
    struct diag_findings r;
    struct snap *s = make_snapshot(0);
    uint32_t g =
        make_goroutines(s, 2, 70, "chan receive", -1, PARK "orders.send /build/orders/a.go:4 ");
    add_closer(s, g + 1, SNAP_PROOF_STRONG, SNAP_CLOSED_BEHIND, "/build/orders/stop.go:9");
    add_closer(s, SNAP_NONE, SNAP_PROOF_WEAK, SNAP_CLOSED_TYPE, "/build/orders/stop.go:20");
    const struct diag_finding *f = about_close(s, &r);
    assert_string_equal(value_of(f, "closer_sure"), "strong");
    assert_string_equal(value_of(f, "closer_where"), "orders/stop.go:9");
    assert_null(value_of(f, "suspected_closers"));
    diag_findings_free(&r);
    snap_free(s);
}

/* What closes the variable that holds the channel comes before all other code. */
static void code_that_closed_it(void **state)
{
    struct diag_findings r;
    struct snap *s = make_snapshot(0);
    make_goroutines(s, 1, 70, "chan receive", -1, PARK "orders.send /build/orders/a.go:4 ");
    add_closer(s, SNAP_NONE, SNAP_PROOF_WEAK, SNAP_CLOSED_CODE, "/build/orders/stop.go:9");
    add_closer(s, SNAP_NONE, SNAP_PROOF_WEAK, SNAP_CLOSED_TYPE, "/build/orders/stop.go:20");
    const struct diag_finding *f = about_close(s, &r);
    assert_null(value_of(f, "closer"));
    assert_string_equal(value_of(f, "suspected_closers"), "orders/stop.go:20, orders/stop.go:9");
    diag_findings_free(&r);
    add_closer(s, SNAP_NONE, SNAP_PROOF_STRONG, SNAP_CLOSED_VARIABLE, "/build/orders/stop.go:30");
    s->panic.n = 0;
    f = about_close(s, &r);
    assert_string_equal(value_of(f, "suspected_closers"), "orders/stop.go:30");
    diag_findings_free(&r);
    snap_free(s);
}

static void a_negative_waitgroup(void **state)
{
    struct snap *s = make_snapshot(0);
    uint32_t o = lock_of(s, SNAP_OBJ_WAITGROUP, 0xc000300000);
    uint32_t g = make_goroutines(s, 2, 42, "sync.WaitGroup.Wait", -1, READER);
    wait_for(s, g, 2, o, SNAP_ROLE_NONE);
    s->lock.count[0] = -1;
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    check_finding(&r, "misuse", DIAG_PROBLEM, "a WaitGroup has a counter of -1");
    diag_findings_free(&r);
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(a_writer_behind_a_reader_that_stays),
          cmocka_unit_test(writers_that_take_turns_are_fine),
          cmocka_unit_test(a_mutex_that_stays_in_starvation_mode),
          cmocka_unit_test(a_send_on_a_closed_channel), cmocka_unit_test(who_closed_it),
          cmocka_unit_test(code_that_closed_it), cmocka_unit_test(an_unlock_of_what_is_not_locked),
          cmocka_unit_test(a_negative_waitgroup))
