/* Regular expressions: Go's syntax by hand, and agreement with regcomp() where both know the
 * syntax. */
#include <regex.h>

#include "base/regex.h"
#include "check.h"

static bool match(const char *pattern, const char *text)
{
    struct regex *re;
    check_ok(regex_compile(pattern, &re, NULL));
    bool m = regex_match(re, text);
    regex_free(re);
    return m;
}

/* Expectations from Go 1.24's regexp.MatchString. */
static void as_in_go(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},
        {"publish", "orders.(*Hub).publish.func1", true},
        {"^publish", "orders.(*Hub).publish", false},
        {"^orders\\.\\(\\*Hub\\)\\.publish$", "orders.(*Hub).publish", true},
        {"(?i)HUB", "orders.(*Hub)", true},
        {"a(?i)B|c", "aC", true},
        {"(a(?i)b)c", "aBC", false},
        {"a(?i:b)c", "aBc", true},
        {"(?i:b)c", "BC", false},
        {"\\d{3,}", "ab12c", false},
        {"\\d{3,}", "ab123c", true},
        {"x{0}y", "y", true},
        {"^(ab|cd){2}$", "abcd", true},
        {"^(ab|cd){2}$", "abcdab", false},
        {"^a{2,3}$", "aaaa", false},
        {"a{,2}", "a{,2}", true},
        {"\\bserve\\b", "net/http.(*conn).serve", true},
        {"\\bserv\\b", "net/http.(*conn).serve", false},
        {"[^a-z]", "abc", false},
        {"[]a]", "]", true},
        {"[a-]", "-", true},
        {"[[:upper:]]{2}", "aBCd", true},
        {"[\\d.]+$", "v1.2.3", true},
        {"\\x41\\t", "A\t", true},
        {"a.c", "a\nc", false},
        {"(?s)a.c", "a\nc", true},
        {"(?P<name>x)(?<other>y)", "xy", true},
        {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
        {"(a|b|)+?c", "abc", true},
        {"\\Aab\\z", "ab", true},
        {"单+", "订单单", true},
        {"()", "x", true},
        {"a||b", "zzz", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool got = match(cases[i].pattern, cases[i].text);
        if (got != cases[i].match)
            fail_msg("/%s/ on \"%s\": %d", cases[i].pattern, cases[i].text, got);
    }
}

static void wrong_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        size_t at;
    } cases[] = {
        {"a(b", "a ) is missing", 1},
        {"a)b", "this ) closes nothing", 1},
        {"x[a-", "a ] is missing", 1},
        {"x[ab", "a ] is missing", 1},
        {"*a", "nothing stands before", 0},
        {"a**", "cannot be repeated", 2},
        {"a\\", "nothing follows", 2},
        {"\\q", "unknown escape", 1},
        {"[z-a]", "must rise", 1},
        {"[[:nope:]]", "unknown character class", 1},
        {"a{2,1}", "not possible", 1},
        {"a{1001}", "not possible", 1},
        {"(?x)", "unknown flag", 2},
        {"((a{1000}){1000})", "too large", 0},
        {"(((){1000}){1000}){1000}", "too large", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *re;
        size_t at = 0;
        struct err *e = regex_compile(cases[i].pattern, &re, &at);
        check_err(e, ERR_USAGE, cases[i].text);
        assert_int_equal(at, cases[i].at);
    }
}

static void long_patterns_end(void **state)
{
    struct regex *re;
    char *deep = malloc(200001);
    memset(deep, '(', 200000);
    deep[200000] = '\0';
    check_err(regex_compile(deep, &re, NULL), ERR_USAGE, "too long");
    deep[3000] = '\0';
    check_err(regex_compile(deep, &re, NULL), ERR_USAGE, "too many nested");
    for (int i = 0; i < 4000; i += 2)
        memcpy(deep + i, "a|", 3);
    check_ok(regex_compile(deep, &re, NULL));
    assert_true(regex_match(re, "xa"));
    regex_free(re);
    free(deep);
}

static uint32_t rand_state = 12345;

static unsigned below(unsigned n)
{
    rand_state = rand_state * 1664525 + 1013904223;
    return (rand_state >> 16) % n;
}

static void random_pattern(char *out, unsigned depth)
{
    static const char *const atoms[] = {"a", "b", "c", ".", "[ab]", "[^a]"};
    out[0] = '\0';
    for (unsigned parts = 1 + below(3); parts; parts--) {
        char sub[512];
        if (depth && below(3) == 0) {
            random_pattern(sub, depth - 1);
            sprintf(out + strlen(out), "(%.200s)", sub);
        } else {
            strcat(out, atoms[below(ARRAY_LEN(atoms))]);
        }
        if (below(3) == 0)
            strcat(out, (const char *[]){"*", "+", "?", "{2}", "{1,2}"}[below(5)]);
    }
    if (depth && below(3) == 0) {
        char sub[512];
        random_pattern(sub, depth - 1);
        sprintf(out + strlen(out), "|%.200s", sub);
    }
}

/* POSIX extended syntax means the same for these patterns. */
static void agrees_with_regcomp(void **state)
{
    unsigned compared = 0;
    for (unsigned round = 0; round < 3000; round++) {
        char pattern[2048], text[10];
        strcpy(pattern, below(4) ? "" : "^"); /* elsewhere regcomp() gets anchors wrong */
        random_pattern(pattern + strlen(pattern), 2);
        strcat(pattern, below(4) ? "" : "$");
        regex_t posix;
        struct regex *re;
        if (regcomp(&posix, pattern, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        check_ok(regex_compile(pattern, &re, NULL));
        for (unsigned k = 0; k < 10; k++) {
            size_t n = below(8);
            for (size_t i = 0; i < n; i++)
                text[i] = (char)('a' + below(3));
            text[n] = '\0';
            bool want = regexec(&posix, text, 0, NULL, 0) == 0;
            if (regex_match(re, text) != want)
                fail_msg("/%s/ on \"%s\": regexec says %d", pattern, text, want);
            compared++;
        }
        regex_free(re);
        regfree(&posix);
    }
    assert_true(compared > 20000);
}

TEST_MAIN(cmocka_unit_test(as_in_go), cmocka_unit_test(wrong_patterns),
          cmocka_unit_test(long_patterns_end), cmocka_unit_test(agrees_with_regcomp))
