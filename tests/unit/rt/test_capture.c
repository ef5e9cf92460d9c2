/* A capture of a Go process made by hand, with the layout of every release: what is in memory is in
 * the snapshot, and what is wrong in memory is an error or a gap. */
#include "check.h"
#include "make.h"

static const char *const parked[] = {"runtime.gopark", "main.work", "runtime.goexit", NULL};

struct captured {
    struct make_go m;
    struct target *t;
    struct rt *rt;
    struct snap *s;
};

static void open_it(struct captured *c)
{
    c->t = make_target(&c->m);
    check_ok(rt_open(c->t, &c->rt));
}

static void capture_it(struct captured *c)
{
    struct rt_capture_options o = {0};
    check_ok(rt_capture(c->rt, &o, &c->s));
    check_ok(snap_check(c->s));
}

static void close_it(struct captured *c)
{
    snap_free(c->s);
    rt_close(c->rt);
    target_close(c->t);
    make_free(&c->m);
}

static uint32_t row_of(const struct snap *s, uint64_t id)
{
    for (uint32_t i = 0; i < s->goroutine.n; i++)
        if (s->goroutine.id[i] == id)
            return i;
    fail_msg("no goroutine %llu", (unsigned long long)id);
    return 0;
}

/* The stack of a goroutine as text: "main.spin:41 main.main:22 ...". */
static const char *stack_of(const struct snap *s, uint64_t id)
{
    static char text[1024];
    struct snap_stack_iter it;
    size_t n = 0;
    text[0] = '\0';
    snap_stack_iter_init(&it, s, s->goroutine.stack[row_of(s, id)]);
    while (snap_stack_next(&it))
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%u", n ? " " : "",
                              snap_str(s, s->frame.func[it.frame]), s->frame.line[it.frame]);
    return text;
}

/* A process with one goroutine of each kind; the layout of one release. */
static void check_release(const char *release)
{
    struct captured c = {0};
    char version[32];
    snprintf(version, sizeof(version), "go%s", release);
    assert_true(make_go(&c.m, version));
    taddr waits = make_parked(&c.m, 7, "chan receive", parked);
    make_chan_wait(&c.m, waits, 0, false);
    make_field(&c.m, waits, RT_g_waitsince, 12345);
    make_labels(&c.m, waits, "user", "ann");
    taddr selects = make_parked(&c.m, 8, "select", parked);
    make_chan_wait(&c.m, selects, make_chan_wait(&c.m, selects, 0, false), true);
    taddr call = make_goroutine(&c.m, 9, RT_IS_g_syscall, parked);
    make_field(&c.m, call, RT_g_syscallpc, make_pc("main.work"));
    make_field(&c.m, call, RT_g_syscallsp,
               make_frames(&c.m, MAKE_STACKS + c.m.stacks_used, parked + 1));
    taddr next = make_goroutine(&c.m, 10, RT_IS_g_runnable, parked);
    make_element(&c.m, c.m.p0, RT_p_runq, 0, next);
    make_field(&c.m, c.m.p0, RT_p_runqtail, 1);
    make_goroutine(&c.m, 11, RT_IS_g_dead, parked);
    make_timer(&c.m, 777);
    open_it(&c);
    assert_string_equal(rt_go_version(c.rt), version);
    capture_it(&c);
    const struct snap *s = c.s;
    assert_int_equal(s->goroutine.n, 5);
    assert_int_equal(s->missing.n, 0);
    assert_string_equal(stack_of(s, 1),
                        "main.spin:41 main.main:21 runtime.main:11 runtime.goexit:1");
    assert_string_equal(stack_of(s, 7), "runtime.gopark:51 main.work:31 runtime.goexit:1");
    assert_string_equal(stack_of(s, 9), "main.work:31 runtime.goexit:1");
    uint32_t row = row_of(s, 7);
    assert_string_equal(snap_str(s, s->goroutine.wait_reason[row]), "chan receive");
    assert_int_equal(s->goroutine.wait_since[row], 12345);
    assert_int_equal(s->label.n, 1);
    assert_string_equal(snap_str(s, s->label.value[0]), "ann");
    assert_int_equal(s->wait.n, 3);
    assert_int_equal(s->wait.kind[0], SNAP_W_CHAN_RECV);
    assert_int_equal(s->wait.kind[1], SNAP_W_SELECT_SEND);
    assert_int_equal(s->runq.n, 1);
    assert_int_equal(s->runq.goroutine[0], row_of(s, 10));
    assert_int_equal(s->timer.n, 1);
    assert_int_equal(s->timer.when[0], 777);
    assert_int_equal(s->thread.tid[0], MAKE_TID);
    assert_int_equal(s->goroutine.thread[row_of(s, 1)], 0);
    close_it(&c);
}

static void test_every_release(void **state)
{
    for (size_t i = 0; rt_layout_release(i); i++)
        check_release(rt_layout_release(i));
}

static void test_goroutines_only(void **state)
{
    struct captured c = {0};
    struct rt_capture_options o = {.goroutines_only = true};
    assert_true(make_go(&c.m, "go1.24.6"));
    taddr waits = make_parked(&c.m, 7, "chan receive", parked);
    make_chan_wait(&c.m, waits, 0, false);
    make_field(&c.m, waits, RT_g_waitsince, 12345);
    make_labels(&c.m, waits, "user", "ann");
    make_timer(&c.m, 777);
    open_it(&c);
    check_ok(rt_capture(c.rt, &o, &c.s));
    check_ok(snap_check(c.s));
    const struct snap *s = c.s;
    assert_string_equal(stack_of(s, 7), "runtime.gopark:51 main.work:31 runtime.goexit:1");
    assert_string_equal(snap_str(s, s->goroutine.wait_reason[row_of(s, 7)]), "chan receive");
    assert_int_equal(s->goroutine.wait_since[row_of(s, 7)], 12345);
    assert_int_equal(s->label.n, 1);
    assert_int_equal(s->thread.tid[0], MAKE_TID);
    assert_int_equal(s->wait.n + s->chan.n + s->timer.n + s->runq.n, 0);
    close_it(&c);
}

/* ---- what is wrong in memory ---- */

static void test_a_list_that_makes_no_sense(void **state)
{
    struct captured c = {0};
    struct rt_capture_options o = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    open_it(&c);
    taddr list = c.m.global[RT_GLOBAL_allgs];
    make_slice(&c.m, list, c.m.list_g, UINT64_C(1) << 40);
    check_err(rt_capture(c.rt, &o, &c.s), ERR_BAD_DATA, "make no sense");
    make_slice(&c.m, list, c.m.list_g, 1 << 25); /* would take 256 MB before it fails */
    check_err(rt_capture(c.rt, &o, &c.s), ERR_FAULT, "list of goroutines");
    make_slice(&c.m, list, 16, 1);
    check_err(rt_capture(c.rt, &o, &c.s), ERR_FAULT, "list of goroutines");
    close_it(&c);
}

static void test_goroutines_that_cannot_be_read(void **state)
{
    struct captured c = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    make_parked(&c.m, 7, "sleep", parked);
    make_parked(&c.m, 8, "sleep", parked);
    open_it(&c);
    make_word(&c.m, c.m.list_g + 8, 0x10);
    capture_it(&c);
    assert_int_equal(c.s->goroutine.n, 2);
    assert_int_equal(c.s->missing.n, 1);
    assert_string_equal(snap_str(c.s, c.s->missing.what[0]), "goroutines");
    close_it(&c);
}

static void test_timers_that_cannot_be_read_are_a_gap(void **state)
{
    struct captured c = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    make_timer(&c.m, 777);
    make_element(&c.m, c.m.p0, RT_p_timers_heap, 1, 1 << 24); /* would take 256 MB */
    open_it(&c);
    capture_it(&c);
    assert_int_equal(c.s->timer.n, 0);
    assert_string_equal(snap_str(c.s, c.s->missing.what[0]), "timers");
    assert_int_equal(c.s->missing.count[0], 1 << 24);
    close_it(&c);
}

static void test_a_ring_of_sudogs_ends(void **state)
{
    struct captured c = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    taddr g = make_parked(&c.m, 7, "select", parked), sudog = make_chan_wait(&c.m, g, 0, false);
    make_field(&c.m, sudog, RT_sudog_waitlink, sudog);
    open_it(&c);
    capture_it(&c);
    assert_true(c.s->wait.n >= 1 && c.s->wait.n <= 65536);
    close_it(&c);
}

static void test_a_stack_that_leads_nowhere(void **state)
{
    struct captured c = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    taddr g = make_parked(&c.m, 7, "sleep", parked), sp;
    memcpy(&sp, make_at(&c.m, g + (taddr)c.m.l.off[RT_g_sched_sp]), 8);
    make_word(&c.m, sp + make_frame("runtime.gopark"), 0x1234); /* no code */
    open_it(&c);
    capture_it(&c);
    assert_string_equal(stack_of(c.s, 7), "runtime.gopark:51");
    assert_true(c.s->goroutine.flags[row_of(c.s, 7)] & SNAP_GF_STACK_PARTIAL);
    assert_string_equal(snap_str(c.s, c.s->missing.what[0]), "outer frames of stacks");
    close_it(&c);
}

/* A frame of zero bytes that returns to itself would go on for ever. */
static void test_a_stack_that_never_ends_is_cut(void **state)
{
    struct captured c = {0};
    struct rt_capture_options o = {.max_depth = 5};
    const char *deep[21];
    assert_true(make_go(&c.m, "go1.24.6"));
    for (size_t i = 0; i < 19; i++)
        deep[i] = "main.spin";
    deep[19] = "runtime.goexit";
    deep[20] = NULL;
    make_parked(&c.m, 7, "sleep", deep);
    open_it(&c);
    check_ok(rt_capture(c.rt, &o, &c.s));
    assert_int_equal(c.s->goroutine.depth[row_of(c.s, 7)], 5);
    assert_true(c.s->goroutine.flags[row_of(c.s, 7)] & SNAP_GF_STACK_PARTIAL);
    close_it(&c);
}

static void test_layouts_are_checked_against_memory(void **state)
{
    struct captured c = {0};
    assert_true(make_go(&c.m, "go1.24.6"));
    make_field(&c.m, c.m.g0, RT_g_m, c.m.p0); /* m.g0.m is not m */
    c.t = make_target(&c.m);
    check_err(rt_open(c.t, &c.rt), ERR_BAD_DATA, "m.g0.m");
    target_close(c.t);
    make_free(&c.m);
    assert_true(make_go(&c.m, "go1.24.6"));
    make_field(&c.m, c.m.p0, RT_p_id, 3);
    c.t = make_target(&c.m);
    check_err(rt_open(c.t, &c.rt), ERR_BAD_DATA, "p.id");
    target_close(c.t);
    make_free(&c.m);
}

static void test_pulse_counts_states(void **state)
{
    struct captured c = {0};
    struct rt_pulse_options o = {.statuses = true};
    struct rt_pulse p;
    assert_true(make_go(&c.m, "go1.24.6"));
    make_parked(&c.m, 7, "sleep", parked);
    make_parked(&c.m, 8, "sleep", parked);
    open_it(&c);
    check_ok(rt_pulse(c.rt, &o, &p));
    assert_int_equal(p.by_status[SNAP_G_WAITING], 2);
    assert_int_equal(p.by_status[SNAP_G_RUNNING], 1);
    assert_int_equal(p.gomaxprocs, 1);
    close_it(&c);
}

TEST_MAIN(cmocka_unit_test(test_every_release), cmocka_unit_test(test_goroutines_only),
          cmocka_unit_test(test_a_list_that_makes_no_sense),
          cmocka_unit_test(test_goroutines_that_cannot_be_read),
          cmocka_unit_test(test_timers_that_cannot_be_read_are_a_gap),
          cmocka_unit_test(test_a_ring_of_sudogs_ends),
          cmocka_unit_test(test_a_stack_that_leads_nowhere),
          cmocka_unit_test(test_a_stack_that_never_ends_is_cut),
          cmocka_unit_test(test_layouts_are_checked_against_memory),
          cmocka_unit_test(test_pulse_counts_states))
