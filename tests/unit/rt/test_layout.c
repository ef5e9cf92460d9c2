/* Which layout serves which version of Go. */
#include "check.h"
#include "rt/layout.h"

static void test_versions(void **state)
{
    static const struct {
        const char *text;
        bool known;
        int minor, patch;
    } cases[] = {
        {"go1.24.3", true, 24, 3},
        {"go1.18", true, 18, 0},
        {"go1.27rc1", true, 27, 0},
        {"go1.26.1 X:nocoverageredesign", true, 26, 1},
        {"devel go1.28-abcdef Thu", true, 28, 0},
        {"go1.22.5-custom", true, 22, 5},
        {"devel +abcdef", false, 0, 0},
        {"", false, 0, 0},
        {"go2.0", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int minor = 0, patch = 0;
        assert_int_equal(rt_release_of(cases[i].text, &minor, &patch), cases[i].known);
        assert_true(!cases[i].known || (minor == cases[i].minor && patch == cases[i].patch));
    }
}

static void test_every_table_serves_its_own_release(void **state)
{
    const struct rt_layout *rows[16];
    char version[32];
    size_t n, count = 0;
    bool guessed;
    for (; rt_layout_release(count); count++) {
        snprintf(version, sizeof(version), "go%s", rt_layout_release(count));
        check_ok(rt_layout_tables(version, rows, 16, &n, &guessed));
        assert_false(guessed);
        assert_true(n >= 1);
        assert_string_equal(rows[0]->release, rt_layout_release(count));
        for (size_t i = 0; i < n; i++) /* the other rows are of the same minor release */
            assert_memory_equal(rows[i]->release, rows[0]->release, 4);
    }
    assert_true(count >= 10); /* 1.18 to 1.27 */
}

/* A patch release between two rows has the layout of the older one; one before the first, the
 * first. */
static void test_patch_releases(void **state)
{
    const struct rt_layout *rows[16];
    size_t n;
    bool guessed;
    check_ok(rt_layout_tables("go1.24.99", rows, 16, &n, &guessed));
    assert_false(guessed);
    assert_memory_equal(rows[0]->release, "1.24", 4);
    check_ok(rt_layout_tables("go1.24", rows, 1, &n, &guessed));
    assert_int_equal(n, 1);
    assert_memory_equal(rows[0]->release, "1.24", 4);
}

static void test_the_unknown_is_guessed(void **state)
{
    const struct rt_layout *rows[16];
    size_t n, last = 0;
    bool guessed;
    while (rt_layout_release(last + 1))
        last++;
    check_ok(rt_layout_tables("go1.99.1", rows, 16, &n, &guessed));
    assert_true(guessed);
    assert_string_equal(rows[0]->release, rt_layout_release(last));
    check_ok(rt_layout_tables("devel +abcdef", rows, 16, &n, &guessed));
    assert_true(guessed);
    check_err(rt_layout_tables("go1.17.3", rows, 16, &n, &guessed), ERR_UNSUPPORTED, "1.18");
}

static void test_fields(void **state)
{
    const uint8_t copy[32] = {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80};
    struct rt_layout l = {0};
    l.off[RT_g_goid] = 0;
    l.width[RT_g_goid] = 8;
    l.off[RT_g_atomicstatus] = 8;
    l.width[RT_g_atomicstatus] = 4;
    l.off[RT_g_labels] = -1;
    l.off[RT_p_runq] = 0;
    l.width[RT_p_runq] = 16;
    assert_true(rt_get(&l, copy, RT_g_goid) == UINT64_C(0x0807060504030201));
    assert_true(rt_get(&l, copy, RT_g_atomicstatus) == 0xffffffff);
    assert_true(rt_get_i(&l, copy, RT_g_atomicstatus) == -1);
    assert_true(rt_get(&l, copy, RT_g_labels) == 0 && !rt_has(&l, RT_g_labels));
    assert_true(rt_get_word(&l, copy, RT_p_runq, 1) == UINT64_C(0x80000000ffffffff));
    assert_true(rt_get_word(&l, copy, RT_p_runq, 2) == 0); /* behind its end */
}

TEST_MAIN(cmocka_unit_test(test_versions),
          cmocka_unit_test(test_every_table_serves_its_own_release),
          cmocka_unit_test(test_patch_releases), cmocka_unit_test(test_the_unknown_is_guessed),
          cmocka_unit_test(test_fields))
