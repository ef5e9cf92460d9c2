/* The command line: every form of an option, anywhere; errors that say what was probably meant. */
#include "front/cli/args.h"

#include "base/clock.h"
#include "check.h"

static struct cli_args a;

/* Parses "gospect WORD..."; the arguments end with NULL. */
static struct err *parse_words(const char *first, ...)
{
    static char *argv[32];
    int argc = 0;
    va_list ap;
    cli_args_free(&a);
    argv[argc++] = (char *)"gospect";
    va_start(ap, first);
    for (const char *w = first; w; w = va_arg(ap, const char *))
        argv[argc++] = (char *)w;
    va_end(ap);
    argv[argc] = NULL;
    return cli_args_parse(argc, argv, &a);
}
#define parse(...) parse_words(__VA_ARGS__, NULL)

/* The error's message and hint contain these texts. */
static void says(struct err *e, const char *message, const char *hint)
{
    assert_non_null(e);
    assert_int_equal(err_code(e), ERR_USAGE);
    if (!strstr(err_message(e), message) ||
        (hint && (!err_hint_text(e) || !strstr(err_hint_text(e), hint)))) {
        print_error("message: %s\nhint: %s\n", err_message(e),
                    err_hint_text(e) ? err_hint_text(e) : "-");
        fail();
    }
    err_free(e);
}

static void options_stand_anywhere(void **state)
{
    check_ok(parse("goroutines", "42", "--depth", "3"));
    assert_int_equal(a.cmd->id, CMD_goroutines);
    assert_string_equal(a.pos[0], "42");
    assert_int_equal(cli_num(&a, OPT_depth), 3);
    check_ok(parse("--json", "--depth=3", "goroutines", "42"));
    assert_int_equal(cli_num(&a, OPT_depth), 3);
    assert_true(cli_flag(&a, OPT_json));
    check_ok(parse("--depth", "3", "goroutines", "42")); /* 3 is not the command */
    assert_int_equal(a.cmd->id, CMD_goroutines);
    check_ok(parse("-qd", "3", "goroutines", "42"));
    assert_int_equal(cli_num(&a, OPT_depth), 3);
    check_ok(parse("goroutines", "-d3", "42"));
    assert_int_equal(cli_num(&a, OPT_depth), 3);
    check_ok(parse("goroutines", "-d=3", "42"));
    assert_int_equal(cli_num(&a, OPT_depth), 3);
    check_ok(parse("goroutines", "--", "-42"));
    assert_string_equal(a.pos[0], "-42");
    check_ok(parse("goroutines", "-"));
    assert_string_equal(a.pos[0], "-");
}

static void repeated_options(void **state)
{
    check_ok(parse("goroutines", "42", "--filter", "a", "-fb", "--filter=c"));
    assert_int_equal(a.list.n, 3);
    assert_string_equal(a.list.v[0], "a");
    assert_string_equal(a.list.v[2], "c");
    check_ok(parse("ps", "-vv"));
    assert_int_equal(a.opt[OPT_verbose].given, 2);
    check_ok(parse("goroutines", "42", "--depth=1", "--depth=2")); /* the last one counts */
    assert_int_equal(cli_num(&a, OPT_depth), 2);
}

static void same_name_other_command(void **state)
{
    check_ok(parse("ps", "--filter", "orders"));
    assert_string_equal(cli_text(&a, OPT_ps_filter), "orders");
    assert_int_equal(a.list.n, 0);
    check_ok(parse("doctor", "42", "--for=2m"));
    assert_int_equal(cli_num(&a, OPT_doctor_for), 120 * NSEC_PER_SEC);
    assert_int_equal(a.opt[OPT_watch_for].given, 0);
}

static void every_default_is_right(void **state)
{
    check_ok(parse("watch", "42"));
    assert_int_equal(cli_num(&a, OPT_interval), 200 * NSEC_PER_MSEC);
    assert_int_equal(cli_num(&a, OPT_threshold), 5000);
    assert_int_equal(a.opt[OPT_threshold].given, 0);
    assert_null(cli_text(&a, OPT_output));
    assert_string_equal(cli_text(&a, OPT_group_by), "stack");
}

static void slips_are_recognised(void **state)
{
    says(parse("gorotuines", "42"), "no command \"gorotuines\"", "gospect goroutines?");
    says(parse("gor", "42"), "no command \"gor\"", "gospect goroutines?");
    says(parse("4242"), "no command \"4242\"", "gospect doctor 4242");
    says(parse("xyzzy"), "no command \"xyzzy\"", "gospect help");
    says(parse("goroutines", "--dpeth=3", "42"), "no option --dpeth", "--depth?");
    says(parse("goroutines", "--threshold=3", "42"), "no option --threshold", "gospect watch");
    says(parse("goroutines", "--zzz", "42"), "no option --zzz", "gospect help goroutines");
    says(parse("--zzz"), "no option --zzz", "gospect help");
    says(parse("goroutines", "-Z", "42"), "no option -Z", "gospect help goroutines");
    says(parse("goroutines", "42", "--group-by=stak"), "none of stack|state", "--group-by=stack?");
    says(parse("goroutines", "42", "--group-by="), "\"\" is none of", NULL);
}

static void values_are_checked(void **state)
{
    says(parse("goroutines", "42", "--depth"), "--depth needs a value (N)", NULL);
    says(parse("goroutines", "42", "-d"), "-d needs a value (N)", NULL);
    says(parse("goroutines", "42", "--depth=x"), "\"x\" is not a whole number", "--depth=10");
    says(parse("goroutines", "42", "--depth=-1"), "\"-1\" is not a whole number", NULL);
    says(parse("goroutines", "42", "--depth=3x"), "\"3x\" is not", NULL);
    says(parse("goroutines", "42", "--depth=99999999999999999999"), "not a whole number", NULL);
    says(parse("goroutines", "42", "--depth=65536"), "out of range (0 to 65535)", NULL);
    says(parse("goroutines", "42", "--full=yes"), "--full takes no value", NULL);
    says(parse("watch", "42", "--interval=soon"), "is not a time", "--interval=200ms");
    says(parse("watch", "42", "--interval=1ms"), "out of range (10 ms", NULL);
    says(parse("snapshot", "42", "--output="), "file name is empty", NULL);
}

static void arguments_are_counted(void **state)
{
    says(parse("goroutines"), "goroutines needs TARGET", "gospect ps");
    says(parse("completion"), "completion needs SHELL", "completion bash");
    says(parse("goroutines", "42", "43"), "one argument too many: \"43\"", NULL);
    says(parse("ps", "42"), "one argument too many: \"42\"", NULL);
    check_ok(parse("goroutines", "--help")); /* asks, and need not be complete */
    check_ok(parse("sections", "42"));
    assert_null(a.pos[1]);
}

static void json_counts_even_in_a_wrong_line(void **state)
{
    says(parse("goroutines", "42", "--nonsense", "--json"), "no option --nonsense", NULL);
    assert_true(cli_flag(&a, OPT_json));
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"200ms", 200 * NSEC_PER_MSEC},
                {"10", 10 * NSEC_PER_SEC},
                {"1.5s", 1500 * NSEC_PER_MSEC},
                {"1h30m", 5400 * NSEC_PER_SEC},
                {"2min", 120 * NSEC_PER_SEC},
                {"1d", 86400 * NSEC_PER_SEC},
                {"50us", 50000},
                {"0", 0}};
    int64_t ns;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(cli_parse_duration(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    static const char *const bad[] = {"",     "ms",  "1x",  "1.2.3s", "1e9", "-5s",
                                      "1s 2", "1h2", "inf", "0x10s",  ".",   "99999999999d"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(cli_parse_duration(bad[i], &ns));
}

static void fractions(void **state)
{
    static const struct {
        const char *word;
        int64_t millionths;
    } good[] = {{"--threshold=0.85", 850000}, {"--threshold=1", 1000000},
                {"--threshold=1.", 1000000},  {"--threshold=.5", 500000},
                {"--threshold=0.01", 10000},  {"--threshold=0.1234567", 123456}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        check_ok(parse("mem", "diff", "a", "b", good[i].word));
        assert_int_equal(cli_num(&a, OPT_similarity), good[i].millionths);
    }
    check_ok(parse("mem", "diff", "a", "b"));
    assert_true(cli_fraction(&a, OPT_similarity) == 0.85);
    assert_true(cli_fraction(&a, OPT_min_depth_weight) == 0.3);
    says(parse("mem", "diff", "--threshold=1.01"), "1.01 is out of range (0.01 to 1)", NULL);
    says(parse("mem", "diff", "--threshold=0"), "out of range", NULL);
    static const char *const bad[] = {"--threshold=",    "--threshold=.",
                                      "--threshold=-1",  "--threshold=1e-1",
                                      "--threshold=0,5", "--threshold=0.5.5",
                                      "--threshold=nan", "--threshold=0x1",
                                      "--threshold= 1",  "--threshold=99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        says(parse("mem", "diff", bad[i]), "is not a number such as 0.85", "--threshold=0.85");
}

TEST_MAIN(cmocka_unit_test(options_stand_anywhere), cmocka_unit_test(fractions),
          cmocka_unit_test(repeated_options), cmocka_unit_test(same_name_other_command),
          cmocka_unit_test(every_default_is_right), cmocka_unit_test(slips_are_recognised),
          cmocka_unit_test(values_are_checked), cmocka_unit_test(arguments_are_counted),
          cmocka_unit_test(json_counts_even_in_a_wrong_line), cmocka_unit_test(durations))
