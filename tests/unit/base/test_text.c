/* Text for people: columns of UTF-8, wrapping, shortening, numbers in words. */
#include "base/text.h"
#include "base/clock.h"
#include "check.h"

static struct buf out;

#define GIVES(call, want)                                                                          \
    do {                                                                                           \
        buf_clear(&out);                                                                           \
        call;                                                                                      \
        assert_string_equal(buf_text(&out), want);                                                 \
    } while (0)

static void columns_not_bytes(void **state)
{
    assert_int_equal(text_width("orders"), 6);
    assert_int_equal(text_width("größe"), 5);
    assert_int_equal(text_width("订单"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1); /* e and a combining accent */
    assert_int_equal(text_width("\x1b[1;31mred\x1b[0m"), 3);
    assert_int_equal(text_width("\xff\xfe"), 2); /* not UTF-8: something is shown for each byte */
    assert_int_equal(text_width("\x1b["), 2);    /* an unfinished sequence does not run on */
}

static void wraps_at_spaces(void **state)
{
    GIVES(text_wrap(&out, "one two three", 8, 0, 2), "one two\n  three");
    GIVES(text_wrap(&out, "one two three", 8, 5, 2), "one\n  two\n  three");
    GIVES(text_wrap(&out, "a\nb", 80, 0, 4), "a\n    b");
    GIVES(text_wrap(&out, "averyveryverylongword x", 10, 0, 0), "averyveryverylongword\nx");
    GIVES(text_wrap(&out, "订单 订单", 7, 0, 0), "订单\n订单");
    GIVES(text_wrap(&out, "", 10, 0, 3), "");
}

static void shortens_where_asked(void **state)
{
    GIVES(text_fit(&out, "abcdef", 6, TEXT_CUT_END), "abcdef");
    GIVES(text_fit(&out, "abcdef", 4, TEXT_CUT_END), "abc…");
    GIVES(text_fit(&out, "abcdef", 4, TEXT_CUT_START), "…def");
    GIVES(text_fit(&out, "abcdef", 5, TEXT_CUT_MIDDLE), "ab…ef");
    GIVES(text_fit(&out, "订单订单", 4, TEXT_CUT_END), "订…"); /* half a character is none */
    GIVES(text_fit(&out, "abc", 0, TEXT_CUT_END), "");
    GIVES(text_pad(&out, "ab", 4, true), "  ab");
    GIVES(text_pad(&out, "单", 4, false), "单  ");
}

static void names_do_not_drive_the_terminal(void **state)
{
    GIVES(text_clean(&out, "a\x1b[2Jb\n"), "a^[[2Jb^J");
    GIVES(text_clean(&out, "\xc2\x9b"
                           "31m"),
          "\xef\xbf\xbd"
          "31m"); /* CSI as one character */
    GIVES(text_clean(&out, "\xe8\xae\xa2\xff"), "订\xef\xbf\xbd");
    GIVES(text_clean(&out, "a\xe2\x80\xae"
                           "b"),
          "a\xef\xbf\xbd"
          "b"); /* U+202E */
}

static void quotes_as_go_does(void **state)
{
    const char hidden[] = "a\0\x1b\xff\xe2\x80\xae\xef\xbb\xbf\xc2\x85\"\\\n\xe8\xae\xa2";
    GIVES(text_quote(&out, hidden, sizeof(hidden) - 1),
          "\"a\\x00\\x1b\\xff\\u202e\\ufeff\\u0085\\\"\\\\\\n订\"");
    assert_int_equal(text_whole("ab\xf0\x9f\x98", 5), 2);
    assert_int_equal(text_whole("ab\xe8\xae\xa2", 5), 5);
    assert_int_equal(text_whole("ab\x80", 3), 3); /* none at all */
    assert_int_equal(text_whole("", 0), 0);
}

static void numbers_in_words(void **state)
{
    GIVES(text_count(&out, 0), "0");
    GIVES(text_count(&out, 999), "999");
    GIVES(text_count(&out, 12408), "12,408");
    GIVES(text_count(&out, UINT64_MAX), "18,446,744,073,709,551,615");
    GIVES(text_bytes(&out, 0), "0 B");
    GIVES(text_bytes(&out, 999), "999 B");
    GIVES(text_bytes(&out, 8800), "8.8 kB");
    GIVES(text_bytes(&out, 412000000), "412 MB");
    GIVES(text_bytes(&out, 999600000), "1.00 GB");
    GIVES(text_bytes(&out, 1100000000), "1.10 GB");
    GIVES(text_bytes(&out, UINT64_MAX), "18.4 EB");
    GIVES(text_ns(&out, 0), "0 ns");
    GIVES(text_ns(&out, 7200000), "7.2 ms");
    GIVES(text_ns(&out, 61 * NSEC_PER_MSEC), "61 ms");
    GIVES(text_ns(&out, 61 * NSEC_PER_SEC), "61 s");
    GIVES(text_ns(&out, 720 * NSEC_PER_SEC), "12 min");
    GIVES(text_ns(&out, 71 * 3600 * NSEC_PER_SEC), "71 h");
    GIVES(text_ns(&out, 76 * 3600 * NSEC_PER_SEC), "3 d 4 h");
    GIVES(text_ns(&out, INT64_MAX), "106751 d");
    GIVES(text_ns(&out, INT64_MIN), "-106751 d");
    GIVES(text_rate(&out, 14.0 / 60), "+14/min");
    GIVES(text_rate(&out, -3), "-3/s");
    GIVES(text_rate(&out, 0), "+0/s");
    GIVES(text_rate(&out, 3200.4), "+3,200/s");
    GIVES(text_rate(&out, 5.0 / 3600), "+5/h");
}

static void clock_of_a_damaged_file(void **state)
{
    setenv("TZ", "UTC", 1);
    GIVES(text_clock(&out, 86400 * NSEC_PER_SEC + 5 * NSEC_PER_MSEC, true),
          "1970-01-02 00:00:00.005");
    GIVES(text_clock(&out, -5, false), "00:00:00.000");
}

TEST_MAIN(cmocka_unit_test(columns_not_bytes), cmocka_unit_test(wraps_at_spaces),
          cmocka_unit_test(shortens_where_asked), cmocka_unit_test(names_do_not_drive_the_terminal),
          cmocka_unit_test(quotes_as_go_does), cmocka_unit_test(numbers_in_words),
          cmocka_unit_test(clock_of_a_damaged_file))
