/* A target of memory that a test holds: reads across, between and behind its mappings. */
#include "check.h"
#include "target/target.h"

static const uint8_t low[16] = "0123456789abcdef", high[16] = "ABCDEFGHIJKLMNOP";

static void test_reads(void **state)
{
    static const struct target_mapping maps[] = {
        {.start = 0x1000, .end = 0x1010, .readable = true, .path = "low"},
        {.start = 0x1010, .end = 0x1020, .readable = true, .path = "high"},
        {.start = 0x1020, .end = 0x1030, .readable = false, .path = "hidden"},
        {.start = UINT64_MAX - 15, .end = UINT64_MAX, .readable = true, .path = "last"},
    };
    static const uint8_t *const bytes[] = {low, high, low, high};
    static const struct target_thread threads[] = {{.tid = 9, .name = "x"}};
    const struct target_fake f = {
        .maps = maps, .bytes = bytes, .nmaps = 4, .threads = threads, .nthreads = 1};
    struct target *t = target_open_fake(&f);
    struct target_process p;
    struct target_thread *list;
    struct target_moment moment;
    struct image *img;
    struct arena a;
    taddr slide;
    char b[32];
    size_t n;
    uint64_t v;
    arena_init(&a);
    check_ok(target_read(t, 0x1008, b, 16));
    assert_memory_equal(b, "89abcdefABCDEFGH", 16);
    check_ok(target_read(t, UINT64_MAX - 15, b, 15));
    check_err(target_read(t, UINT64_MAX - 15, b, 16), ERR_FAULT, "16 bytes");
    check_err(target_read(t, 0x1018, b, 16), ERR_FAULT, "0x1018"); /* into what is not readable */
    check_err(target_read(t, 0xfff, b, 2), ERR_FAULT, "0xfff");
    check_err(target_read_u64(t, 0, &v), ERR_FAULT, "0x0");
    check_err(target_read(t, 0x1000, b, (size_t)UINT32_MAX + 1), ERR_LIMIT, "too large");
    check_ok(target_threads(t, &a, &list, &n));
    assert_int_equal(n, 1);
    check_ok(target_process(t, &a, &p));
    assert_int_equal(p.threads, 1);
    check_err(target_image(t, &img, &slide), ERR_NOT_FOUND, "no image");
    assert_false(target_moment(t, &a, &moment));
    assert_null(target_incomplete(t, &a));
    target_close(t);
    target_close(NULL);
    arena_free(&a);
}

TEST_MAIN(cmocka_unit_test(test_reads))
