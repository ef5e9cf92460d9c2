/* Conditions on counters: what they mean, what makes no sense, and how that is said. */
#include <string.h>

#include "check.h"
#include "front/cli/condition.h"

static const struct cli_counters now = {
    .pulse = {.goroutines = 5000,
              .threads = 12,
              .runq_global = 3,
              .runq_local = 4,
              .heap_alloc_bytes = UINT64_C(2) << 30,
              .heap_goal_bytes = 3000000,
              .last_pause_ns = 1500000,
              .gc_cycles = 7},
    .rss_bytes = 4500000,
};

static bool holds(const char *text)
{
    struct cli_condition *c;
    check_ok(cli_condition_parse(text, &c));
    bool yes = cli_condition_holds(c, &now);
    cli_condition_free(c);
    return yes;
}

static void comparisons(void **state)
{
    static const char *const yes[] = {
        "goroutines == 5000",
        "goroutines>=5k",
        "5000<=goroutines",
        "heap==2GiB",
        "heap>2GB",
        "heap > 2147483647",
        "rss>=1.5*heap_goal",
        "rss==heap_goal*1.5",
        "runq==7",
        "gc_pause==1.5ms",
        "gc_pause<1s",
        "gc_cycles",
        "!gc_running",
        "threads!=11",
        "goroutines>1&&(threads<5||threads>10)",
        "goroutines<1&&threads>5||runq",
        "!(runq>7)",
        "1",
        ".5 < 1",
        "!!runq",
        "goroutines > 2*2k",
    };
    static const char *const no[] = {
        "goroutines>5000",
        "heap>2GiB",
        "goroutines<1||threads<5",
        "gc_running",
        "0",
        "!runq",
        "goroutines<1&&(threads>5||runq)",
        "gc_pause>1min",
        "rss<4500kB",
    };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (!holds(yes[i]))
            fail_msg("%s does not hold", yes[i]);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (holds(no[i]))
            fail_msg("%s holds", no[i]);
}

static void wrong(const char *text, const char *part)
{
    struct cli_condition *c = NULL;
    struct err *e = cli_condition_parse(text, &c);
    if (!e)
        fail_msg("\"%s\" is taken", text);
    assert_int_equal(err_code(e), ERR_USAGE);
    if (!strstr(err_message(e), part))
        fail_msg("\"%s\": %s", text, err_message(e));
    err_free(e);
}

static void what_makes_no_sense(void **state)
{
    wrong("", "a counter or a number expected at byte 1");
    wrong("goroutines>", "a counter or a number expected at byte 12");
    wrong("goroutine>5", "there is no counter \"goroutine\"");
    wrong("heap>5s", "bytes expected at byte 6");
    wrong("gc_pause<2GiB", "a time expected");
    wrong("goroutines>5 threads>2", "expected at byte 14");
    wrong("(goroutines>5", ") expected at byte 14");
    wrong("heap>2GiBs", "a unit");
    wrong("heap*heap>1", "a plain number expected");
    wrong("heap>1>0", "expected at byte 7");
    wrong("(heap>1)>0", "true or false expected");
    wrong("((((((((((((((((((1))))))))))))))))))", "parentheses");
    wrong("1+1+1", "expected at byte 2");
    char long_one[1024] = "1";
    for (int i = 0; i < 80; i++)
        strcat(long_one, "||1");
    wrong(long_one, "more than 64 parts");
}

static void values(void **state)
{
    struct cli_condition *c;
    struct buf b = {0};
    check_ok(cli_condition_parse("goroutines>9 || rss>1 || goroutines<2", &c));
    assert_true(cli_condition_needs_rss(c));
    cli_condition_values(c, &now, &b);
    assert_string_equal(buf_text(&b), "goroutines 5,000, rss 4.5 MB");
    cli_condition_free(c);
    buf_free(&b);
    check_ok(cli_condition_parse("runq", &c));
    assert_false(cli_condition_needs_rss(c));
    cli_condition_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons),
        cmocka_unit_test(what_makes_no_sense),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
