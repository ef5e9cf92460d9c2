/* Aligned columns: widths, cutting, cells that come from a target. */
#include "check.h"
#include "report/table.h"

static void expect(struct table *t, size_t width, const char *want)
{
    struct buf b = {0};
    struct report_style style = {.width = width};
    table_write(t, &style, &b);
    assert_string_equal(buf_text(&b), want);
    buf_free(&b);
}

static void rows(struct table *t)
{
    table_printf(t, "%d", 7);
    table_text(t, "orders-api");
    table_text(t, "example.com/shop/cmd/orders-api");
    table_printf(t, "%d", 14242);
    table_text(t, "größe");
    table_text(t, NULL);
}

static void columns_line_up(void **state)
{
    struct table t;
    table_init(&t, 3);
    table_column(&t, 0, "pid", TABLE_RIGHT);
    table_column(&t, 1, "name", 0);
    table_column(&t, 2, "module", TABLE_SHRINK | TABLE_CUT_START);
    rows(&t);
    expect(&t, 0,
           "  pid  name        module\n"
           "    7  orders-api  example.com/shop/cmd/orders-api\n"
           "14242  größe\n");
    expect(&t, 40,
           "  pid  name        module\n"
           "    7  orders-api  …/shop/cmd/orders-api\n"
           "14242  größe\n");
    t.indent = 2;
    expect(&t, 10,
           "    pid  name        module\n" /* no narrower than it can be read */
           "      7  orders-api  …ers-api\n"
           "  14242  größe\n");
    table_free(&t);
}

static void without_headings(void **state)
{
    struct table t;
    table_init(&t, 2);
    table_text(&t, "a");
    table_text(&t, "1");
    table_text(&t, "bcd");
    struct buf *b = table_cell(&t);
    buf_str(b, "2\x1b[2J");
    table_cell_end(&t);
    expect(&t, 80, "a    1\nbcd  2^[[2J\n");
    table_free(&t);
}

static void nothing(void **state)
{
    struct table t;
    table_init(&t, 2);
    expect(&t, 80, "");
    table_column(&t, 0, "a", 0);
    table_column(&t, 1, "b", 0);
    expect(&t, 80, "a  b\n");
    table_free(&t);
}

TEST_MAIN(cmocka_unit_test(columns_line_up), cmocka_unit_test(without_headings),
          cmocka_unit_test(nothing))
