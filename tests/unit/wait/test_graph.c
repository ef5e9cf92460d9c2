/* The wait graph: in which way goroutines wait, what is about to end that, who is in one group. */
#include "check.h"
#include "wait/stuck.h"
#include "wait/wait.h"

static struct snap *make(void)
{
    struct snap *s = snap_new();
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, 1000000000);
    return s;
}

static uint32_t goroutine(struct snap *s, const char *reason)
{
    uint32_t g = snap_add_goroutine(s);
    s->goroutine.id[g] = 100 + g;
    s->goroutine.status[g] = SNAP_G_WAITING;
    s->goroutine.wait_reason[g] = intern_add(&s->strings, reason);
    return g;
}

static uint32_t lock(struct snap *s, enum snap_objkind kind, uint64_t addr)
{
    uint32_t l = snap_add_lock(s), o = snap_add_object(s);
    s->lock.addr[l] = s->object.addr[o] = addr;
    s->lock.kind[l] = s->object.kind[o] = (uint8_t)kind;
    s->object.lock[o] = l;
    return o;
}

static uint32_t chan(struct snap *s, uint64_t addr, uint64_t cap, uint64_t len)
{
    uint32_t c = snap_add_chan(s), o = snap_add_object(s);
    s->chan.addr[c] = s->object.addr[o] = addr;
    s->object.kind[o] = SNAP_OBJ_CHAN;
    s->object.chan[o] = c;
    s->chan.capacity[c] = cap;
    s->chan.length[c] = len;
    return o;
}

static uint32_t waits(struct snap *s, uint32_t g, enum snap_waitkind kind, uint32_t object)
{
    uint32_t w = snap_add_wait(s);
    s->wait.goroutine[w] = g;
    s->wait.kind[w] = (uint8_t)kind;
    s->wait.object[w] = object;
    s->wait.flags[w] = SNAP_WF_QUEUED;
    if (object != SNAP_NONE) {
        s->wait.addr[w] = s->object.addr[object];
        s->object.waiters[object]++;
    }
    return w;
}

/* The words of old releases say "semacquire" for all of them. */
static void the_object_says_what_a_semaphore_is(void **state)
{
    struct snap *s = make();
    static const struct {
        enum snap_objkind obj;
        enum snap_waitrole role;
        enum wait_kind kind;
    } known[] = {{SNAP_OBJ_MUTEX, SNAP_ROLE_LOCKER, WAIT_MUTEX},
                 {SNAP_OBJ_RWMUTEX, SNAP_ROLE_READER, WAIT_RLOCK},
                 {SNAP_OBJ_RWMUTEX, SNAP_ROLE_WRITER, WAIT_WLOCK},
                 {SNAP_OBJ_RWMUTEX, SNAP_ROLE_LOCKER, WAIT_WLOCK},
                 {SNAP_OBJ_WAITGROUP, SNAP_ROLE_NONE, WAIT_GROUP},
                 {SNAP_OBJ_ONCE, SNAP_ROLE_LOCKER, WAIT_ONCE},
                 {SNAP_OBJ_SEMA, SNAP_ROLE_NONE, WAIT_SEMA}};
    for (uint32_t i = 0; i < ARRAY_LEN(known); i++) {
        uint32_t g = goroutine(s, "semacquire");
        uint32_t w = waits(s, g, SNAP_W_SEMA, lock(s, known[i].obj, 0x1000 + 64 * i));
        s->wait.role[w] = (uint8_t)known[i].role;
        assert_int_equal(wait_kind_of(s, g), known[i].kind);
    }
    assert_int_equal(wait_kind_of(s, goroutine(s, "chan receive (nil chan)")), WAIT_NIL);
    assert_int_equal(wait_kind_of(s, goroutine(s, "chan receive (durable)")), WAIT_RECV);
    assert_int_equal(wait_kind_of(s, goroutine(s, "sleep")), WAIT_SLEEP);
    snap_free(s);
}

static enum wait_trap trap_of_mutex(uint16_t flags, uint32_t sema)
{
    struct snap *s = make();
    uint32_t g = goroutine(s, "sync.Mutex.Lock"), o = lock(s, SNAP_OBJ_MUTEX, 0x1000);
    waits(s, g, SNAP_W_SEMA, o);
    s->lock.flags[0] = flags;
    uint32_t row = snap_add_sema(s);
    s->sema.addr[row] = 0x1000;
    s->sema.value[row] = sema;
    enum wait_trap t = wait_trap_of(s, g);
    snap_free(s);
    return t;
}

static void traps_of_a_mutex(void **state)
{
    assert_int_equal(trap_of_mutex(SNAP_LOCK_HELD, 0), WAIT_TRAP_NONE);
    assert_int_equal(trap_of_mutex(SNAP_LOCK_HELD | SNAP_LOCK_STARVING, 0), WAIT_TRAP_NONE);
    assert_int_equal(trap_of_mutex(SNAP_LOCK_STARVING, 0), WAIT_TRAP_HANDOFF);
    assert_int_equal(trap_of_mutex(SNAP_LOCK_HELD | SNAP_LOCK_WOKEN, 0), WAIT_TRAP_WOKEN);
    assert_int_equal(trap_of_mutex(0, 0), WAIT_TRAP_UNLOCKING);
    assert_int_equal(trap_of_mutex(SNAP_LOCK_HELD, 1), WAIT_TRAP_RELEASED);
}

static void traps_of_the_others(void **state)
{
    struct snap *s = make();
    uint32_t rw = lock(s, SNAP_OBJ_RWMUTEX, 0x1000), group = lock(s, SNAP_OBJ_WAITGROUP, 0x2000);
    uint32_t cond = lock(s, SNAP_OBJ_COND, 0x3000), timer = chan(s, 0x4000, 1, 0);
    uint32_t signals = chan(s, 0x5000, 1, 0), g[8];
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        g[i] = goroutine(s, "semacquire");
    uint32_t reader = waits(s, g[0], SNAP_W_SEMA, rw), writer = waits(s, g[1], SNAP_W_SEMA, rw);
    s->wait.role[reader] = SNAP_ROLE_READER;
    s->wait.role[writer] = SNAP_ROLE_WRITER;
    s->lock.flags[s->object.lock[rw]] = SNAP_LOCK_WRITER;
    s->lock.leaving[s->object.lock[rw]] = 1;
    waits(s, g[2], SNAP_W_SEMA, group);
    s->lock.count[s->object.lock[group]] = 1;
    uint32_t turn = waits(s, g[3], SNAP_W_COND, cond), later = waits(s, g[4], SNAP_W_COND, cond);
    s->lock.leaving[s->object.lock[cond]] = 5;
    s->wait.ticket[turn] = 4;
    s->wait.ticket[later] = 5;
    waits(s, g[5], SNAP_W_CHAN_RECV, timer);
    s->chan.timer_when[s->object.chan[timer]] = 2000000000;
    waits(s, g[6], SNAP_W_CHAN_RECV, signals);
    s->object.type[signals] = intern_add(&s->strings, "chan os.Signal");
    waits(s, g[7], SNAP_W_SEMA, group);
    s->wait.flags[s->wait.n - 1] = SNAP_WF_GRANTED;
    static const enum wait_trap expected[] = {
        WAIT_TRAP_NONE, WAIT_TRAP_NONE,  WAIT_TRAP_NONE,    WAIT_TRAP_SIGNALLED,
        WAIT_TRAP_NONE, WAIT_TRAP_TIMER, WAIT_TRAP_OUTSIDE, WAIT_TRAP_GRANTED};
    for (size_t i = 0; i < ARRAY_LEN(g); i++)
        assert_int_equal(wait_trap_of(s, g[i]), expected[i]);
    s->lock.flags[s->object.lock[rw]] = 0;
    s->lock.leaving[s->object.lock[rw]] = 0;
    s->lock.count[s->object.lock[group]] = 0;
    assert_int_equal(wait_trap_of(s, g[0]), WAIT_TRAP_UNLOCKING);
    assert_int_equal(wait_trap_of(s, g[1]), WAIT_TRAP_UNLOCKING);
    assert_int_equal(wait_trap_of(s, g[2]), WAIT_TRAP_DONE);
    s->goroutine.flags[g[2]] |= SNAP_GF_PARKING;
    assert_int_equal(wait_trap_of(s, g[2]), WAIT_TRAP_PARKING);
    snap_free(s);
}

/* A select ends when any of its cases does; a case on a nil channel does not count. */
static void a_select_ends_with_any_case(void **state)
{
    struct snap *s = make();
    uint32_t g = goroutine(s, "select"), quiet = chan(s, 0x1000, 0, 0),
             busy = chan(s, 0x2000, 0, 0);
    waits(s, g, SNAP_W_SELECT_RECV, quiet);
    waits(s, g, SNAP_W_SELECT_SEND, busy);
    uint32_t nil = waits(s, g, SNAP_W_SELECT_RECV, SNAP_NONE);
    s->wait.flags[nil] = SNAP_WF_NIL_CASE;
    assert_int_equal(wait_kind_of(s, g), WAIT_SELECT);
    assert_int_equal(wait_trap_of(s, g), WAIT_TRAP_NONE);
    s->chan.flags[s->object.chan[busy]] = SNAP_CF_BUSY;
    assert_int_equal(wait_trap_of(s, g), WAIT_TRAP_BUSY);
    snap_free(s);
}

static void groups_are_by_object_or_by_place(void **state)
{
    struct snap *s = make();
    struct wait_graph *w;
    uint32_t shared = lock(s, SNAP_OBJ_MUTEX, 0x1000);
    s->lock.flags[s->object.lock[shared]] = SNAP_LOCK_HELD;
    for (int i = 0; i < 3; i++)
        waits(s, goroutine(s, "sync.Mutex.Lock"), SNAP_W_SEMA, shared);
    for (uint64_t i = 0; i < 5; i++) /* a channel of its own for each */
        waits(s, goroutine(s, "chan receive"), SNAP_W_CHAN_RECV, chan(s, 0x2000 + 64 * i, 0, 0));
    uint32_t runs = goroutine(s, "");
    s->goroutine.status[runs] = SNAP_G_RUNNING;
    uint32_t own = goroutine(s, "sleep");
    s->goroutine.flags[own] = SNAP_GF_SYSTEM;
    check_ok(wait_open(s, NULL, NULL, &w));
    assert_int_equal(w->blocked, 8);
    assert_int_equal(w->ngroups, 2);
    assert_int_equal(w->groups[0].n, 5);
    assert_int_equal(w->groups[0].objects, 5);
    assert_int_equal(w->groups[0].object, SNAP_NONE);
    assert_int_equal(w->groups[1].n, 3);
    assert_int_equal(w->groups[1].object, shared);
    assert_int_equal(w->info[w->groups[1].g[2]].group, 1);
    assert_int_equal(w->by_kind[WAIT_RECV], 5);
    wait_close(w);
    snap_free(s);
}

static void a_lock_that_was_handed_over_has_a_holder(void **state)
{
    struct snap *s = make();
    struct wait_graph *w;
    uint32_t o = lock(s, SNAP_OBJ_MUTEX, 0x1000), g = goroutine(s, ""), other;
    s->goroutine.status[g] = SNAP_G_RUNNABLE;
    uint32_t row = waits(s, g, SNAP_W_SEMA, o);
    s->wait.flags[row] = SNAP_WF_GRANTED;
    s->wait.ticket[row] = 1;
    other = goroutine(s, "sync.Mutex.Lock");
    waits(s, other, SNAP_W_SEMA, o);
    check_ok(wait_open(s, NULL, NULL, &w));
    size_t first;
    assert_int_equal(wait_holders_of(w, o, &first), 1);
    assert_int_equal(w->holders[first].goroutine, g);
    assert_int_equal(w->holders[first].evidence, WAIT_EV_PROVED);
    wait_close(w);
    snap_free(s);
}

static void load_of_the_table_of_semaphores(void **state)
{
    struct snap *s = make();
    struct wait_semas m;
    static const uint16_t bucket[] = {3, 3, 3, 7, 9, 9};
    snap_set_counter(s, "semtable.slots", 251);
    for (size_t i = 0; i < ARRAY_LEN(bucket); i++) {
        uint32_t row = snap_add_sema(s);
        s->sema.bucket[row] = bucket[i];
        s->sema.queued[row] = 2;
    }
    wait_semas(s, &m);
    assert_int_equal(m.slots, 251);
    assert_int_equal(m.used, 3);
    assert_int_equal(m.addresses, 6);
    assert_int_equal(m.queued, 12);
    assert_int_equal(m.collisions, 5);
    assert_int_equal(m.longest, 3);
    snap_free(s);
}

/* A held lock, one who waits for it, and one whose code could not be followed. */
static size_t left_with(uint8_t unowned, uint16_t ahead, bool judged, int64_t timers)
{
    struct snap *s = make();
    uint32_t g = goroutine(s, "sync.Mutex.Lock"), o = lock(s, SNAP_OBJ_MUTEX, 0x1000);
    struct wait_graph *w;
    struct wait_stuck stuck;
    waits(s, g, SNAP_W_SEMA, o);
    s->lock.flags[0] = SNAP_LOCK_HELD;
    uint32_t row = snap_add_ahead(s);
    s->ahead.goroutine[row] = goroutine(s, "IO wait");
    s->ahead.flags[row] = SNAP_AH_CUT | ahead;
    if (judged) {
        row = snap_add_unowned(s);
        s->unowned.addr[row] = 0x1000;
        s->unowned.slot[row] = SNAP_NONE;
        s->unowned.flags[row] = unowned;
    }
    snap_set_counter(s, "ahead.looked", 1);
    snap_set_counter(s, "ahead.timers", timers);
    check_ok(wait_open(s, NULL, NULL, &w));
    check_ok(wait_find_stuck(w, NULL, &stuck));
    size_t left = stuck.nleft;
    assert_int_equal(left + stuck.nsuspects, 1);
    assert_int_equal(stuck.nmaybe,
                     left ? 0 : unowned & SNAP_UN_CODE || !judged || !unowned || !ahead);
    wait_stuck_free(&stuck);
    wait_close(w);
    snap_free(s);
    return left;
}

static void counting_tells_that_a_lock_was_left(void **state)
{
    (void)state;
    assert_int_equal(left_with(SNAP_UN_STATIC, SNAP_AH_HAS_NONE, true, 0), 1);
    assert_int_equal(left_with(SNAP_UN_STATIC, 0, true, 0), 0); /* that one may have it */
    assert_int_equal(left_with(SNAP_UN_STATIC | SNAP_UN_CODE, SNAP_AH_HAS_NONE, true, 0), 0);
    assert_int_equal(left_with(0, SNAP_AH_HAS_NONE, true, 0),
                     0); /* on the heap, which is not there */
    assert_int_equal(left_with(SNAP_UN_STATIC, SNAP_AH_HAS_NONE, false, 0), 0);
    assert_int_equal(left_with(SNAP_UN_STATIC, SNAP_AH_HAS_NONE, true, 1), 0); /* a timer may */
}

TEST_MAIN(cmocka_unit_test(the_object_says_what_a_semaphore_is), cmocka_unit_test(traps_of_a_mutex),
          cmocka_unit_test(traps_of_the_others), cmocka_unit_test(a_select_ends_with_any_case),
          cmocka_unit_test(groups_are_by_object_or_by_place),
          cmocka_unit_test(a_lock_that_was_handed_over_has_a_holder),
          cmocka_unit_test(load_of_the_table_of_semaphores),
          cmocka_unit_test(counting_tells_that_a_lock_was_left))
