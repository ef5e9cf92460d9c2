/* States over looks, fed with snapshots made by hand: when a wait is the same, when it starves,
 * what ends it; circles that come and go; starvation and livelock, and what must not be called so.
 */
#include <stdlib.h>

#include "check.h"
#include "snap/make.h"
#include "wait/states.h"

enum { PLACES = 6 };

/* A snapshot under construction, and the states it will be fed to. */
struct world {
    struct wait_states st;
    struct snap *s;
    uint32_t place[PLACES];
};

static void begin(struct world *w)
{
    static const char *const funcs[PLACES] = {"main.a", "main.b", "main.c",
                                              "main.d", "main.e", "main.f"};
    w->s = snap_new();
    snap_set_counter(w->s, "ahead.looked", 1);
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t pc = make_place(w->s, 0x1000 + 16 * i, funcs[i], "/src/main.go", i + 1);
        w->place[i] = make_stack(w->s, &pc, 1);
    }
}

static uint32_t goroutine(struct world *w, uint64_t id, uint8_t ran, unsigned place, bool waits)
{
    uint32_t g = make_goroutine(w->s, id, waits ? SNAP_G_WAITING : SNAP_G_RUNNABLE,
                                waits ? "sync.Mutex.Lock" : "", w->place[place]);
    w->s->goroutine.ran[g] = ran;
    return g;
}

/* A lock that is held, at that address; in the order of addresses. */
static uint32_t mutex(struct world *w, uint64_t addr, enum snap_objkind kind)
{
    uint32_t o = snap_add_object(w->s), l = snap_add_lock(w->s);
    w->s->object.addr[o] = w->s->lock.addr[l] = addr;
    w->s->object.kind[o] = w->s->lock.kind[l] = (uint8_t)kind;
    w->s->object.lock[o] = l;
    w->s->lock.flags[l] = SNAP_LOCK_HELD;
    return o;
}

static void waits(struct world *w, uint32_t g, uint32_t object, enum snap_waitrole role)
{
    uint32_t r = snap_add_wait(w->s);
    w->s->wait.goroutine[r] = g;
    w->s->wait.kind[r] = SNAP_W_SEMA;
    w->s->wait.addr[r] = w->s->object.addr[object] + 4;
    w->s->wait.object[r] = object;
    w->s->wait.role[r] = (uint8_t)role;
    w->s->wait.flags[r] = SNAP_WF_QUEUED;
    w->s->object.waiters[object]++;
}

static void owner(struct world *w, uint32_t g, uint64_t addr, enum snap_act act)
{
    uint32_t r = snap_add_owner(w->s);
    w->s->owner.goroutine[r] = g;
    w->s->owner.addr[r] = addr;
    w->s->owner.act[r] = (uint8_t)act;
    w->s->owner.evidence[r] = SNAP_PROOF_PROVED;
    w->s->owner.pc[r] = SNAP_NONE;
}

static void feed(struct world *w)
{
    struct wait_graph *graph;
    struct wait_stuck stuck;
    check_ok(wait_open(w->s, NULL, NULL, &graph));
    check_ok(wait_find_stuck(graph, NULL, &stuck));
    check_ok(wait_states_feed(&w->st, graph, &stuck));
    wait_stuck_free(&stuck);
    wait_close(graph);
    snap_free(w->s);
}

static const struct wait_life *life(const struct world *w, uint64_t id)
{
    for (size_t i = 0; i < w->st.v.n; i++)
        if (w->st.v.v[i].id == id)
            return &w->st.v.v[i];
    fail_msg("no goroutine %u", (unsigned)id);
    return NULL;
}

static const struct wait_finding *found(const struct world *w, enum wait_finding_kind kind)
{
    for (size_t i = 0; i < w->st.found.n; i++)
        if (w->st.found.v[i].kind == kind && w->st.found.v[i].on)
            return &w->st.found.v[i];
    return NULL;
}

/* Goroutine 1 holds a lock that 2 waits for. */
static void look_at_two(struct world *w, uint8_t ran, unsigned place, uint64_t addr)
{
    begin(w);
    uint32_t one = goroutine(w, 1, 1, 0, false), two = goroutine(w, 2, ran, place, true);
    goroutine(w, 3, 9, 0, false);
    waits(w, two, mutex(w, addr, SNAP_OBJ_MUTEX), SNAP_ROLE_LOCKER);
    owner(w, one, addr, SNAP_ACT_UNLOCK);
    feed(w);
}

static void test_the_same_wait_starves_after_three_looks(void **state)
{
    struct world w = {0};
    (void)state;
    for (unsigned i = 1; i <= 6; i++) {
        look_at_two(&w, 7, 1, 0x100);
        assert_int_equal(life(&w, 1)->state, WAIT_STATE_HOLDING);
        assert_int_equal(life(&w, 2)->state, i > 3 ? WAIT_STATE_STARVING : WAIT_STATE_WAITING);
        assert_int_equal(life(&w, 2)->same, i);
        assert_int_equal(life(&w, 3)->state, WAIT_STATE_IDLE);
    }
    assert_null(found(&w, WAIT_FOUND_STARVED)); /* nobody else got it in between */
    wait_states_free(&w.st);
}

/* Each of these makes it another wait. */
static void test_what_makes_it_another_wait(void **state)
{
    static const struct {
        uint8_t ran;
        unsigned place;
        uint64_t addr;
    } other[] = {{8, 1, 0x100}, {7, 2, 0x100}, {7, 1, 0x200}};
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(other); k++) {
        struct world w = {0};
        for (int i = 0; i < 5; i++)
            look_at_two(&w, 7, 1, 0x100);
        look_at_two(&w, other[k].ran, other[k].place, other[k].addr);
        assert_int_equal(life(&w, 2)->state, WAIT_STATE_WAITING);
        assert_int_equal(life(&w, 2)->same, 1);
        wait_states_free(&w.st);
    }
}

static void test_a_goroutine_that_ended_is_forgotten(void **state)
{
    struct world w = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        look_at_two(&w, 7, 1, 0x100);
    begin(&w);
    goroutine(&w, 1, 1, 0, false);
    feed(&w);
    assert_int_equal(w.st.v.n, 1);
    look_at_two(&w, 7, 1, 0x100);
    assert_int_equal(life(&w, 2)->same, 1);
    wait_states_free(&w.st);
}

/* ---- starvation ---- */

static void look_at_queue(struct world *w, uint64_t holder)
{
    begin(w);
    uint32_t g[4];
    for (uint32_t i = 0; i < 4; i++)
        g[i] = goroutine(w, i + 1, i ? (uint8_t)w->st.look : 0, i != holder - 1, i != holder - 1);
    uint32_t o = mutex(w, 0x100, SNAP_OBJ_MUTEX);
    for (uint32_t i = 0; i < 4; i++)
        if (i != holder - 1)
            waits(w, g[i], o, SNAP_ROLE_LOCKER);
    owner(w, g[holder - 1], 0x100, SNAP_ACT_UNLOCK);
    feed(w);
}

static void test_starvation_while_others_get_it(void **state)
{
    struct world w = {0};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_null(found(&w, WAIT_FOUND_STARVED));
        look_at_queue(&w, 2 + i % 3);
    }
    const struct wait_finding *f = found(&w, WAIT_FOUND_STARVED);
    assert_non_null(f);
    assert_int_equal(f->ng, 1); /* the others ran in between */
    assert_int_equal(f->g[0], 1);
    assert_int_equal(f->looks, 4);
    assert_int_equal(f->overtaken, 3);
    assert_int_equal(w.st.found.n, 1);
    look_at_queue(&w, 1); /* it has it now */
    assert_null(found(&w, WAIT_FOUND_STARVED));
    wait_states_free(&w.st);
}

/* ---- an RWMutex ---- */

static void look_at_writer(struct world *w, bool behind)
{
    begin(w);
    uint32_t reader = goroutine(w, 1, 0, 0, false), writer = goroutine(w, 2, 0, 1, true);
    uint32_t o = mutex(w, 0x100, SNAP_OBJ_RWMUTEX);
    w->s->lock.flags[0] = SNAP_LOCK_HELD | SNAP_LOCK_WRITER;
    w->s->lock.leaving[0] = 1;
    waits(w, writer, o, SNAP_ROLE_WRITER);
    if (behind)
        waits(w, goroutine(w, 3, 0, 2, true), o, SNAP_ROLE_READER);
    owner(w, reader, 0x100, SNAP_ACT_RUNLOCK);
    owner(w, writer, 0x100, SNAP_ACT_UNLOCK);
    feed(w);
}

static void test_a_writer_behind_a_reader_that_stays(void **state)
{
    struct world w = {0};
    (void)state;
    for (int i = 0; i < 6; i++)
        look_at_writer(&w, false);
    assert_int_equal(w.st.found.n, 0); /* nobody waits behind it, and it is not stuck */
    wait_states_free(&w.st);
    for (int i = 0; i < 4; i++) {
        assert_null(found(&w, WAIT_FOUND_WRITER));
        look_at_writer(&w, true);
    }
    assert_non_null(found(&w, WAIT_FOUND_WRITER));
    assert_null(found(&w, WAIT_FOUND_CYCLE));
    wait_states_free(&w.st);
}

/* ---- circles ---- */

static void look_at_circle(struct world *w, bool closed)
{
    begin(w);
    uint32_t one = goroutine(w, 1, 0, 0, true), two = goroutine(w, 2, 0, 1, closed);
    uint32_t a = mutex(w, 0x100, SNAP_OBJ_MUTEX), b = mutex(w, 0x200, SNAP_OBJ_MUTEX);
    waits(w, one, b, SNAP_ROLE_LOCKER);
    if (closed)
        waits(w, two, a, SNAP_ROLE_LOCKER);
    owner(w, one, 0x100, SNAP_ACT_UNLOCK);
    owner(w, two, 0x200, SNAP_ACT_UNLOCK);
    feed(w);
}

static void test_circles_come_and_go(void **state)
{
    struct world w = {0};
    (void)state;
    look_at_circle(&w, false);
    assert_null(found(&w, WAIT_FOUND_CYCLE));
    look_at_circle(&w, true);
    look_at_circle(&w, true);
    const struct wait_finding *f = found(&w, WAIT_FOUND_CYCLE);
    assert_non_null(f);
    assert_int_equal(f->ng, 2);
    assert_int_equal(f->first, 2);
    assert_int_equal(f->n, 2);
    look_at_circle(&w, false);
    assert_null(found(&w, WAIT_FOUND_CYCLE));
    look_at_circle(&w, true); /* another one */
    assert_int_equal(w.st.found.n, 2);
    assert_int_equal(found(&w, WAIT_FOUND_CYCLE)->first, 5);
    wait_states_free(&w.st);
}

/* ---- livelock ---- */

struct polite {
    bool moves, blocked, both, wander, ordered;
};

/* Two goroutines that hold one lock each and are about to try the other's. */
static void look_at_polite(struct world *w, const struct polite *p)
{
    begin(w);
    uint8_t ran = (uint8_t)(p->moves ? w->st.look * 3 : 0);
    unsigned place = p->wander ? w->st.look % PLACES : w->st.look % 2;
    uint32_t one = goroutine(w, 1, ran, place, false), two = goroutine(w, 2, ran, 0, p->blocked);
    if (p->blocked)
        waits(w, two, mutex(w, 0x100, SNAP_OBJ_MUTEX), SNAP_ROLE_LOCKER);
    owner(w, one, 0x100, SNAP_ACT_UNLOCK);
    owner(w, one, 0x200, p->both ? SNAP_ACT_UNLOCK : SNAP_ACT_TAKE);
    owner(w, two, p->ordered ? 0x100 : 0x200, SNAP_ACT_UNLOCK);
    owner(w, two, p->ordered ? 0x200 : 0x100, SNAP_ACT_TAKE);
    feed(w);
}

static unsigned looks_until_livelock(const struct polite *p, unsigned most)
{
    struct world w = {0};
    unsigned n = 0;
    while (n < most && !found(&w, WAIT_FOUND_LIVELOCK)) {
        look_at_polite(&w, p);
        n++;
    }
    bool is = found(&w, WAIT_FOUND_LIVELOCK);
    wait_states_free(&w.st);
    return is ? n : 0;
}

static void test_livelock_and_what_is_none(void **state)
{
    (void)state;
    assert_in_range(looks_until_livelock(&(struct polite){.moves = true}, 12), 4, 6);
    static const struct polite none[] = {
        {.moves = false},                 /* they only sleep */
        {.moves = true, .blocked = true}, /* one waits for the lock: it will get it */
        {.moves = true, .both = true},    /* one has both */
        {.moves = true, .ordered = true}, /* both take the same one first */
    };
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(looks_until_livelock(&none[i], 20), 0);
    /* who comes to new functions all the time is not suspected as long as that goes on */
    assert_true(looks_until_livelock(&(struct polite){.moves = true, .wander = true}, 20) > PLACES);
}

/* ---- livelock without locks ---- */

struct turn { /* of a goroutine, in look n */
    bool waits;
    uint8_t kind;
    uint64_t chan, print;
    uint16_t flags;
};

static void take_turn(struct world *w, uint64_t id, unsigned place, struct turn t)
{
    uint32_t g = make_goroutine(w->s, id, t.waits ? SNAP_G_WAITING : SNAP_G_RUNNABLE,
                                t.waits ? "chan receive" : "", w->place[place]);
    w->s->goroutine.ran[g] = (uint8_t)(3 * w->st.look + 1);
    w->s->goroutine.print[g] = t.print;
    w->s->goroutine.flags[g] = t.flags;
    if (!t.waits)
        return;
    uint32_t r = snap_add_wait(w->s);
    w->s->wait.goroutine[r] = g;
    w->s->wait.kind[r] = t.kind;
    w->s->wait.addr[r] = t.chan;
    w->s->wait.object[r] = SNAP_NONE;
}

struct ring {
    bool one_way, stranger, works;
    uint16_t flags;
};

/* Two that hand something to each other, in turn seen to give and to take. */
static unsigned looks_until_ring(const struct ring *r, unsigned most)
{
    struct world w = {0};
    unsigned n = 0;
    while (n < most && !found(&w, WAIT_FOUND_LIVELOCK)) {
        bool odd = ++n & 1;
        uint64_t work = r->works ? n : 0;
        begin(&w);
        for (uint32_t i = 0; i < 2; i++) {
            bool gives = r->one_way ? i == 0 : odd == (i == 0);
            uint64_t chan = r->one_way || gives == (i == 0) ? 0x1000 : 0x2000;
            take_turn(&w, i + 1, i,
                      (struct turn){.waits = true,
                                    .kind = gives ? SNAP_W_CHAN_SEND : SNAP_W_CHAN_RECV,
                                    .chan = chan,
                                    .print = 100 * (i + 1) + odd + 1000 * work,
                                    .flags = r->flags});
        }
        if (r->stranger)
            take_turn(&w, 3, 2,
                      (struct turn){.waits = true, .kind = SNAP_W_CHAN_RECV, .chan = 0x1000});
        feed(&w);
    }
    const struct wait_finding *f = found(&w, WAIT_FOUND_LIVELOCK);
    if (f) {
        assert_int_equal(f->livelock, WAIT_LIVELOCK_CHANNELS);
        assert_int_equal(f->ng, 2);
    }
    assert_int_equal(w.st.unjudged, !f && r->flags == SNAP_GF_PRINT_CODE ? 2 : 0);
    wait_states_free(&w.st);
    return f ? n : 0;
}

static void test_something_is_handed_round(void **state)
{
    (void)state;
    assert_in_range(looks_until_ring(&(struct ring){0}, 20), 8, 12);
    assert_in_range(looks_until_ring(&(struct ring){.flags = SNAP_GF_PRINT_PART}, 30), 14, 20);
    static const struct ring none[] = {
        {.one_way = true},             /* a producer and a consumer */
        {.stranger = true},            /* somebody else may put an end to it */
        {.works = true},               /* something is different every time */
        {.flags = SNAP_GF_PRINT_CODE}, /* it may do what nobody sees */
    };
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(looks_until_ring(&none[i], 40), 0);
}

enum spinning { STILL, ONCE, WORKS, SLEEPS, TOGGLES, SELDOM, IN_SYSCALL };

static uint64_t print_of(enum spinning how, unsigned look)
{
    switch (how) {
    case WORKS:
        return look;
    case ONCE: /* a register that nobody uses had something else in it */
        return 1 + (look == 4);
    case TOGGLES:
        return 1 + look % 2;
    case SELDOM:
        return 1 + look / 5 % 2;
    default:
        return 1;
    }
}

static unsigned looks_until_spin(enum spinning how, unsigned most)
{
    struct world w = {0};
    unsigned n = 0;
    while (n < most && !found(&w, WAIT_FOUND_LIVELOCK)) {
        n++;
        begin(&w);
        take_turn(&w, 1, 0, (struct turn){.print = print_of(how, n)});
        if ((how == SLEEPS || how == IN_SYSCALL) && n % 5 == 4) {
            w.s->goroutine.status[0] = how == SLEEPS ? SNAP_G_WAITING : SNAP_G_SYSCALL;
            w.s->goroutine.wait_reason[0] = intern_add(&w.s->strings, "sleep");
        }
        feed(&w);
    }
    const struct wait_finding *f = found(&w, WAIT_FOUND_LIVELOCK);
    if (f)
        assert_int_equal(f->livelock, WAIT_LIVELOCK_SPIN);
    wait_states_free(&w.st);
    return f ? n : 0;
}

static void test_who_spins(void **state)
{
    (void)state;
    assert_in_range(looks_until_spin(STILL, 20), 8, 12);
    assert_in_range(looks_until_spin(ONCE, 60), 32, 50);
    for (int how = WORKS; how <= IN_SYSCALL; how++)
        assert_int_equal(looks_until_spin((enum spinning)how, 60), 0);
}

/* Looks until a goroutine is said to spin that is running in each, on a thread that gets the
 * processor before every so many looks (0: never). */
static unsigned looks_until_it_spins_on_a_thread(unsigned every, unsigned most)
{
    struct world w = {0};
    unsigned n = 0;
    while (n < most && !found(&w, WAIT_FOUND_LIVELOCK)) {
        n++;
        begin(&w);
        take_turn(&w, 1, 0, (struct turn){.print = 1});
        w.s->goroutine.status[0] = SNAP_G_RUNNING;
        w.s->goroutine.ran[0] = 7;
        uint32_t t = snap_add_thread(w.s);
        w.s->thread.goroutine[t] = 0;
        w.s->thread.proc[t] = w.s->thread.stack[t] = SNAP_NONE;
        w.s->thread.cpu_ms[t] = 50 + (every ? 10 * (n / every) : 0);
        feed(&w);
    }
    bool is = found(&w, WAIT_FOUND_LIVELOCK);
    wait_states_free(&w.st);
    return is ? n : 0;
}

static void test_who_cannot_run_does_not_spin(void **state)
{
    (void)state;
    assert_int_equal(looks_until_it_spins_on_a_thread(0, 60), 0);
    unsigned always = looks_until_it_spins_on_a_thread(1, 60);
    assert_in_range(always, 8, 12);
    assert_in_range(looks_until_it_spins_on_a_thread(4, 60), 2 * always, 4 * always);
}

/* A look that could not tell the stack, now and then, does not matter; who has only those is
 * counted. */
static void test_looks_that_do_not_tell_the_stack(void **state)
{
    (void)state;
    for (unsigned every = 1; every <= 3; every += 2) {
        struct world w = {0};
        for (unsigned n = 1; n <= 30; n++) {
            bool blind = n % every == 0;
            begin(&w);
            take_turn(&w, 1, 0,
                      (struct turn){.print = !blind, .flags = blind ? SNAP_GF_PRINT_CODE : 0});
            feed(&w);
        }
        assert_int_equal(found(&w, WAIT_FOUND_LIVELOCK) != NULL, every == 3);
        assert_int_equal(w.st.unjudged, every == 1);
        wait_states_free(&w.st);
    }
}

/* It has ended when it works again, and a rare state does not end it. */
static void test_when_it_is_over(void **state)
{
    struct world w = {0};
    (void)state;
    for (unsigned n = 1; n <= 60; n++) {
        begin(&w);
        take_turn(&w, 1, 0, (struct turn){.print = n == 20 ? 7 : n > 40 ? n : 1});
        feed(&w);
        if (n == 20 || n == 40)
            assert_non_null(found(&w, WAIT_FOUND_LIVELOCK));
    }
    assert_null(found(&w, WAIT_FOUND_LIVELOCK));
    wait_states_free(&w.st);
}

/* More that run than there is room for: that is said, and those that have a place keep it. */
static void test_more_than_there_is_room_for(void **state)
{
    enum { N = WAIT_TRACES_MAX + 100 };
    struct world w = {0};
    uint64_t *prints;
    (void)state;
    for (unsigned n = 1; n <= 12; n++) {
        begin(&w);
        for (uint64_t id = 1; id <= N; id++)
            take_turn(&w, id, 0, (struct turn){.print = 1});
        feed(&w);
    }
    assert_int_equal(w.st.traces_over, 100);
    assert_int_equal(wait_states_prints(&w.st, &prints), WAIT_TRACES_MAX);
    for (size_t i = 0; i < WAIT_TRACES_MAX; i++)
        assert_int_equal(prints[i], i + 1);
    free(prints);
    assert_int_equal(w.st.found.n, 1); /* all in one function */
    assert_int_equal(w.st.found.v[0].ng, WAIT_FINDING_GS);
    wait_states_free(&w.st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_wait_starves_after_three_looks),
        cmocka_unit_test(test_what_makes_it_another_wait),
        cmocka_unit_test(test_a_goroutine_that_ended_is_forgotten),
        cmocka_unit_test(test_starvation_while_others_get_it),
        cmocka_unit_test(test_a_writer_behind_a_reader_that_stays),
        cmocka_unit_test(test_circles_come_and_go),
        cmocka_unit_test(test_livelock_and_what_is_none),
        cmocka_unit_test(test_something_is_handed_round),
        cmocka_unit_test(test_who_spins),
        cmocka_unit_test(test_who_cannot_run_does_not_spin),
        cmocka_unit_test(test_looks_that_do_not_tell_the_stack),
        cmocka_unit_test(test_when_it_is_over),
        cmocka_unit_test(test_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
