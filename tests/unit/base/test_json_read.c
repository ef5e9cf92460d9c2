/* JSON that others wrote: what it means, and what is refused.  The cases are of RFC 8259. */
#include "check.h"

#include "base/json_read.h"

static struct json_value *got;
static struct arena mem;

static struct err *reading(const char *text)
{
    static const struct json_limits limits = {.depth = 5, .values = 20};
    arena_free(&mem);
    arena_init(&mem);
    return json_read(text, strlen(text), &limits, &mem, &got);
}

static void values(void **state)
{
    (void)state;
    check_ok(reading(" {\"a\": [1, -2.5, 1e3, true, null], \"b\": {}, \"a b\": \"x\"} "));
    const struct json_value *a = json_member(got, "a");
    assert_int_equal(a->n, 5);
    assert_true(a->first->integral);
    assert_int_equal(a->first->integer, 1);
    assert_true(a->first->next->number < -2.4);
    assert_false(a->first->next->integral);
    assert_int_equal(a->first->next->next->integer, 1000);
    assert_string_equal(json_member(got, "a b")->text, "x");
    assert_null(json_member(got, "c"));
    assert_null(json_member(a, "c"));
    check_ok(reading("{\"k\":1,\"k\":2}"));
    assert_int_equal(json_member(got, "k")->integer, 2);
    check_ok(reading("9223372036854775807"));
    assert_true(got->integral);
    check_ok(reading("9223372036854775808"));
    assert_false(got->integral);
}

static void strings(void **state)
{
    (void)state;
    check_ok(reading("\"\\u00e4\\ud83d\\ude00 \\n\\\"\\/ \xc3\xb6\""));
    assert_string_equal(got->text, "\xc3\xa4\xf0\x9f\x98\x80 \n\"/ \xc3\xb6");
    check_ok(reading("\"\\ud83d.\""));
    assert_string_equal(got->text, "\xef\xbf\xbd.");
    check_ok(reading("\"a\\u0000b\""));
    assert_int_equal(got->n, 3);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      " ",     "{",          "[1,]",    "[1 2]",     "{\"a\"}",  "{\"a\":}",
        "{a:1}", "01",    "-",          "1.",      "1e",        ".5",       "+1",
        "tru",   "nulll", "\"",         "\"\\x\"", "\"\\u12\"", "\"\xff\"", "\"\x01\"",
        "1 2",   "]",     "{\"a\":1,}", "'a'",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_err(reading(bad[i]), ERR_BAD_DATA, "not JSON");
    check_err(reading("[[[[[[1]]]]]]"), ERR_LIMIT, "nested deeper than 5");
    check_err(reading("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"), ERR_LIMIT, "more than 20");
}

static void described(void **state)
{
    (void)state;
    check_ok(reading("[\"ab\", 4, {}, null, false]"));
    const struct json_value *v = got->first;
    assert_string_equal(json_describe(v, &mem), "the string \"ab\"");
    assert_string_equal(json_describe(v->next, &mem), "the number 4");
    assert_string_equal(json_describe(v->next->next, &mem), "an object");
    assert_string_equal(json_describe(got, &mem), "an array");
    arena_free(&mem);
}

TEST_MAIN(cmocka_unit_test(values), cmocka_unit_test(strings), cmocka_unit_test(refused),
          cmocka_unit_test(described))
