/* Sections: the list, text and bytes. */
#include "check.h"
#include "report/sections.h"

static struct report_style style = {.width = 100};

static void expect_bytes(const char *bytes, size_t n, enum report_bytes_as as, const char *want)
{
    struct buf b = {0};
    check_ok(report_bytes((const uint8_t *)bytes, n, 0x1000, as, &style, report_to_buf(&b)));
    assert_string_equal(buf_text(&b), want);
    buf_free(&b);
}

static void contents(void **state)
{
    expect_bytes("owner: team-x\nticket: 7\n", 24, REPORT_BYTES_AUTO, "owner: team-x\nticket: 7\n");
    expect_bytes("no line end\0\0", 13, REPORT_BYTES_AUTO, "no line end\n");
    expect_bytes("größe\t1", 9, REPORT_BYTES_AUTO, "größe\t1\n");
    expect_bytes("a\0b", 3, REPORT_BYTES_AUTO,
                 "000000001000  61 00 62                                          a.b\n");
    expect_bytes("a\0b", 3, REPORT_BYTES_TEXT, "a^@b\n");
    expect_bytes(
        "0123456789abcdefg\n", 18, REPORT_BYTES_HEX,
        "000000001000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n"
        "000000001010  67 0a                                             g.\n");
    expect_bytes("\1\2some text\3ab\0more\xff", 19, REPORT_BYTES_STRINGS, "some text\nmore\n");
    expect_bytes("raw\x1b", 4, REPORT_BYTES_RAW, "raw\x1b");
    expect_bytes("esc\x1b[2J", 7, REPORT_BYTES_TEXT, "esc^[[2J\n");
    expect_bytes("", 0, REPORT_BYTES_AUTO, "");
    expect_bytes("", 0, REPORT_BYTES_TEXT, "");
}

/* Characters are not torn where the pieces that are checked end. */
static void long_text(void **state)
{
    struct buf text = {0}, want = {0};
    for (int i = 0; i < 1000; i++)
        buf_str(&text, "订单");
    buf_str(&want, buf_text(&text));
    buf_char(&want, '\n');
    expect_bytes(text.p, text.n, REPORT_BYTES_AUTO, buf_text(&want));
    buf_free(&text);
    buf_free(&want);
}

static const struct report_section sections[] = {
    {".text", "PROGBITS", 0x401000, 1500000, 1500000, "AX", NULL, NULL},
    {".debug_myinfo", "PROGBITS", 0, 24, 20, "C", "zlib", "no compiler's: added by somebody"},
    {".bss", "NOBITS", 0x600000, 4096, 0, "WA", NULL, NULL},
};

static void list(void **state)
{
    struct buf b = {0};
    check_ok(report_sections_text(sections, 3, &style, report_to_buf(&b)));
    assert_string_equal(
        buf_text(&b),
        "name           type       address    size  in file  flags\n"
        ".text          PROGBITS  0x401000  1.5 MB   1.5 MB  AX\n"
        ".debug_myinfo  PROGBITS         -    24 B     20 B  C      zlib, no compiler's: added by "
        "somebody\n"
        ".bss           NOBITS    0x600000  4.1 kB      0 B  WA\n");
    buf_clear(&b);
    check_ok(report_sections_json(sections, 2, report_to_buf(&b)));
    assert_string_equal(
        buf_text(&b),
        "{\"sections\":[{\"name\":\".text\",\"type\":\"PROGBITS\",\"addr\":\"0x401000\","
        "\"size_bytes\":1500000,\"file_bytes\":1500000,\"flags\":\"AX\",\"compression\":null,"
        "\"note\":null},{\"name\":\".debug_myinfo\",\"type\":\"PROGBITS\",\"addr\":\"0x0\","
        "\"size_bytes\":24,\"file_bytes\":20,\"flags\":\"C\",\"compression\":\"zlib\","
        "\"note\":\"no compiler's: added by somebody\"}]}\n");
    buf_free(&b);
}

static void json_contents(void **state)
{
    struct buf b = {0};
    check_ok(
        report_section_json(&sections[1], (const uint8_t *)"owner: x\n", 9, report_to_buf(&b)));
    assert_non_null(strstr(buf_text(&b), "\"text\":\"owner: x\\n\"}"));
    buf_clear(&b);
    check_ok(
        report_section_json(&sections[1], (const uint8_t *)"\x00\xff\x10", 3, report_to_buf(&b)));
    assert_non_null(strstr(buf_text(&b), "\"hex\":\"00ff10\"}"));
    buf_free(&b);
}

TEST_MAIN(cmocka_unit_test(contents), cmocka_unit_test(long_text), cmocka_unit_test(list),
          cmocka_unit_test(json_contents))
