/* Bounded reading: nothing leaves the range, and what went wrong is told. */
#include "base/cursor.h"
#include "check.h"

static void reads_in_order(void **state)
{
    const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 'h', 'i', 0, 0xe5, 0x8e, 0x26, 0x7f};
    struct cursor c = cursor_on(bytes, sizeof(bytes), "sample");
    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16(&c), 2);
    assert_int_equal(cursor_u32(&c), 3);
    assert_string_equal(cursor_cstr(&c), "hi");
    assert_int_equal(cursor_uleb(&c), 624485); /* the example of the DWARF standard */
    assert_int_equal(cursor_sleb(&c), -1);
    check_ok(cursor_err(&c));
    assert_int_equal(cursor_left(&c), 0);
}

static void stays_inside(void **state)
{
    const uint8_t bytes[] = {0xff, 0xff, 0xff};
    struct cursor c = cursor_on(bytes, sizeof(bytes), "sample");
    assert_int_equal(cursor_u8(&c), 0xff);
    assert_int_equal(cursor_u32(&c), 0);
    assert_int_equal(cursor_u8(&c), 0); /* bad stays bad */
    check_err(cursor_err(&c), ERR_BAD_DATA, "sample: truncated or malformed at offset 1 of 3");
}

static void endless_varints_end(void **state)
{
    uint8_t bytes[40];
    memset(bytes, 0x80, sizeof(bytes));
    struct cursor c = cursor_on(bytes, sizeof(bytes), "sample");
    cursor_uleb(&c);
    assert_true(c.bad);
    c = cursor_on(bytes, sizeof(bytes), "sample");
    cursor_sleb(&c);
    assert_true(c.bad);
}

static void unterminated_text(void **state)
{
    struct cursor c = cursor_on("abc", 3, "names");
    assert_string_equal(cursor_cstr(&c), "");
    assert_true(c.bad);
}

TEST_MAIN(cmocka_unit_test(reads_in_order), cmocka_unit_test(stays_inside),
          cmocka_unit_test(endless_varints_end), cmocka_unit_test(unterminated_text))
