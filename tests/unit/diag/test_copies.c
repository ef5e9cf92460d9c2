/* Locks that were copied: told when somebody waits in vain for one, not of healthy programs. */
#include "make.h"

#define WAIT                                                                                       \
    PARK "sync.(*WaitGroup).Wait /go/src/sync/waitgroup.go:100 orders.all /build/orders/a.go:9 "

enum { WAITED = 0xc000300000, COPY = 0xc000400000 };

/* Goroutine 42 waits for a WaitGroup that counts 2. */
static struct snap *waiting(enum snap_objkind kind)
{
    struct snap *s = make_snapshot(0);
    uint32_t l = snap_add_lock(s), o = snap_add_object(s);
    make_goroutines(s, 2, 42, "sync.WaitGroup.Wait", -1, WAIT);
    s->object.addr[o] = s->lock.addr[l] = WAITED;
    s->object.kind[o] = s->lock.kind[l] = (uint8_t)kind;
    s->object.lock[o] = l;
    s->object.waiters[o] = 1;
    s->lock.count[l] = 2;
    s->lock.flags[l] = SNAP_LOCK_HELD;
    uint32_t w = snap_add_wait(s);
    s->wait.goroutine[w] = 0;
    s->wait.kind[w] = SNAP_W_SEMA;
    s->wait.addr[w] = WAITED;
    s->wait.object[w] = o;
    return s;
}

static void taken(struct snap *s, uint32_t goroutine, enum snap_objkind kind, uint64_t addr,
                  int64_t state)
{
    uint32_t row = snap_add_copied(s);
    s->copied.goroutine[row] = goroutine;
    s->copied.kind[row] = (uint8_t)kind;
    s->copied.addr[row] = addr;
    s->copied.state[row] = state;
    s->copied.func[row] = intern_add(&s->strings, "orders.work");
    s->copied.pc[row] = SNAP_NONE;
}

static void released_by(struct snap *s, enum snap_act act)
{
    uint32_t row = snap_add_owner(s);
    s->owner.goroutine[row] = 1;
    s->owner.addr[row] = WAITED;
    s->owner.act[row] = (uint8_t)act;
    s->owner.pc[row] = SNAP_NONE;
}

static void check(struct snap *s, enum diag_severity severity, enum diag_sure sure)
{
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    const struct diag_finding *f = make_find(&r, "copies");
    assert_non_null(f);
    assert_int_equal(f->severity, severity);
    assert_int_equal(f->sure, sure);
    diag_findings_free(&r);
    snap_free(s);
}

static void check_silent(struct snap *s)
{
    struct diag_findings r = make_report(NULL, s, NULL, 0);
    assert_null(make_find(&r, "copies"));
    diag_findings_free(&r);
    snap_free(s);
}

static void test_counts_down_a_copy(void **state)
{
    struct snap *s = waiting(SNAP_OBJ_WAITGROUP);
    taken(s, 1, SNAP_OBJ_WAITGROUP, COPY, 2);
    check(s, DIAG_PROBLEM, DIAG_INFERRED);
}

static void test_code_that_was_not_followed(void **state)
{
    struct snap *s = waiting(SNAP_OBJ_WAITGROUP);
    taken(s, 1, SNAP_OBJ_WAITGROUP, COPY, 2);
    uint32_t row = snap_add_ahead(s);
    s->ahead.goroutine[row] = 1;
    s->ahead.flags[row] = SNAP_AH_CUT;
    check(s, DIAG_WARNING, DIAG_SUSPECTED);
}

static void test_waits_for_the_copy(void **state)
{
    struct snap *s = waiting(SNAP_OBJ_MUTEX);
    taken(s, 0, SNAP_OBJ_MUTEX, WAITED, 9);
    check(s, DIAG_PROBLEM, DIAG_INFERRED);
}

static void test_only_code(void **state)
{
    struct snap *s = waiting(SNAP_OBJ_WAITGROUP);
    taken(s, SNAP_NONE, SNAP_OBJ_WAITGROUP, 0, 0);
    check(s, DIAG_NOTE, DIAG_SUSPECTED);
    s = waiting(SNAP_OBJ_WAITGROUP);
    taken(s, 1, SNAP_OBJ_WAITGROUP, COPY, 0); /* nobody counts on it */
    check(s, DIAG_NOTE, DIAG_SUSPECTED);
}

static void test_healthy(void **state)
{
    struct snap *s = waiting(SNAP_OBJ_WAITGROUP);
    taken(s, 1, SNAP_OBJ_WAITGROUP, COPY, 2);
    released_by(s, SNAP_ACT_DONE); /* somebody will end it */
    check_silent(s);
    s = waiting(SNAP_OBJ_MUTEX);
    taken(s, 0, SNAP_OBJ_MUTEX, WAITED, 9);
    released_by(s, SNAP_ACT_UNLOCK);
    check_silent(s);
    s = waiting(SNAP_OBJ_MUTEX);
    taken(s, SNAP_NONE, SNAP_OBJ_MUTEX, 0, 0);
    s->lock.flags[0] = 0; /* it is just being released */
    check_silent(s);
    s = waiting(SNAP_OBJ_MUTEX);
    taken(s, SNAP_NONE, SNAP_OBJ_WAITGROUP, 0, 0); /* of another kind */
    check_silent(s);
}

TEST_MAIN(cmocka_unit_test(test_counts_down_a_copy), cmocka_unit_test(test_waits_for_the_copy),
          cmocka_unit_test(test_code_that_was_not_followed), cmocka_unit_test(test_only_code),
          cmocka_unit_test(test_healthy))
