/* The storm catcher: begins once, ends once, does not flutter, and takes no jump for growth. */
#include "front/cli/storm.h"

#include "base/clock.h"
#include "check.h"

#define STEP (200 * NSEC_PER_MSEC)

static struct cli_storm s;
static int64_t now;

static void start(uint32_t threshold, double growth)
{
    s = (struct cli_storm){.threshold = threshold, .growth_limit = growth};
    now = 1000 * NSEC_PER_SEC;
}

static enum cli_storm_event feed(uint32_t goroutines)
{
    now += STEP;
    return cli_storm_feed(&s, now, goroutines);
}

/* Feeds the same number n times; how many events of this kind came. */
static unsigned count(enum cli_storm_event kind, uint32_t goroutines, unsigned n)
{
    unsigned found = 0;
    while (n--)
        found += feed(goroutines) == kind;
    return found;
}

static void begins_at_the_threshold(void **state)
{
    start(5000, 0);
    assert_int_equal(count(STORM_BEGINS, 4999, 20), 0);
    assert_int_equal(feed(5000), STORM_BEGINS);
    assert_int_equal(count(STORM_NOTHING, 7000, 20), 20);
    assert_int_equal(s.peak, 7000);
}

static void is_over_after_two_calm_seconds(void **state)
{
    start(5000, 0);
    assert_int_equal(feed(6000), STORM_BEGINS);
    assert_int_equal(count(STORM_NOTHING, 3999, 10), 10);
    assert_int_equal(feed(3999), STORM_OVER);
    assert_int_equal(count(STORM_NOTHING, 3999, 20), 20);
}

static void a_number_that_swings_around_the_threshold_is_one_storm(void **state)
{
    unsigned begins = 0, over = 0;
    start(5000, 0);
    for (unsigned i = 0; i < 200; i++) {
        enum cli_storm_event e = feed(i % 2 ? 4500 : 5100);
        begins += e == STORM_BEGINS;
        over += e == STORM_OVER;
    }
    assert_int_equal(begins, 1);
    assert_int_equal(over, 0);
}

static void growth_is_a_storm_before_the_number_is(void **state)
{
    unsigned at = 0;
    start(100000, 500);
    for (unsigned i = 1; i <= 20 && !at; i++)
        if (feed(100 + 150 * i) == STORM_BEGINS)
            at = i;
    assert_true(at >= 5 && at <= 7); /* as soon as there is a second to measure */
    assert_true(s.growth > 700 && s.growth < 800);
}

static void one_jump_is_no_growth(void **state)
{
    start(100000, 500);
    assert_int_equal(count(STORM_BEGINS, 100, 10), 0);
    assert_int_equal(count(STORM_BEGINS, 2000, 10), 0);
}

static void zero_switches_off(void **state)
{
    start(0, 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(feed(i * 10000), STORM_NOTHING);
}

static void slow_looks_measure_too(void **state)
{
    start(0, 500);
    for (uint32_t i = 0; i < 5; i++) { /* every 3 s */
        now += 3 * NSEC_PER_SEC;
        enum cli_storm_event e = cli_storm_feed(&s, now, i * 3000);
        assert_int_equal(e, i == 2 ? STORM_BEGINS : STORM_NOTHING);
    }
}

/* The jump lies between two looks of which the second came late. */
static void one_jump_is_no_growth_when_a_look_is_late(void **state)
{
    start(100000, 500);
    assert_int_equal(count(STORM_BEGINS, 100, 10), 0);
    now += NSEC_PER_SEC;
    assert_int_equal(count(STORM_BEGINS, 2000, 10), 0);
}

TEST_MAIN(cmocka_unit_test(begins_at_the_threshold),
          cmocka_unit_test(is_over_after_two_calm_seconds),
          cmocka_unit_test(a_number_that_swings_around_the_threshold_is_one_storm),
          cmocka_unit_test(growth_is_a_storm_before_the_number_is),
          cmocka_unit_test(one_jump_is_no_growth), cmocka_unit_test(zero_switches_off),
          cmocka_unit_test(slow_looks_measure_too),
          cmocka_unit_test(one_jump_is_no_growth_when_a_look_is_late))
