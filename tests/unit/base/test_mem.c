/* Arenas: what they hand out is zeroed and apart, also from one that was emptied. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void reset_gives_zeroed_memory(void **state)
{
    static const size_t sizes[] = {1, 17, 4096, 100 * 1000, 16 * 1024, 60 * 1024, 1};
    struct arena a;
    arena_init(&a);
    for (int round = 0; round < 5; round++) {
        uint8_t *p[sizeof(sizes) / sizeof(sizes[0])];
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            p[i] = arena_alloc(&a, sizes[i]);
            assert_int_equal((uintptr_t)p[i] % 16, 0);
            assert_true(is_zero(p[i], sizes[i]));
            memset(p[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            assert_true(p[i][0] == i + 1 && p[i][sizes[i] - 1] == i + 1);
        arena_reset(&a);
    }
    arena_free(&a);
}

static void reset_keeps_one_piece(void **state)
{
    struct arena a;
    arena_init(&a);
    arena_reset(&a); /* of one that is empty */
    assert_int_equal(a.total, 0);
    arena_alloc(&a, 1);
    size_t one = a.total;
    for (int i = 0; i < 100; i++)
        arena_alloc(&a, 10 * 1000);
    arena_alloc(&a, 1 << 20);
    assert_true(a.total > 20 * one);
    arena_reset(&a);
    assert_int_equal(a.total, one);
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_strdup(&a, "text"));
        arena_reset(&a);
        assert_int_equal(a.total, one);
    }
    arena_alloc(&a, 1 << 20); /* a piece of its own only */
    arena_reset(&a);
    assert_int_equal(a.total, one);
    arena_free(&a);
    assert_int_equal(a.total, 0);
    arena_alloc(&a, 1 << 20);
    arena_reset(&a);
    assert_int_equal(a.total, 0);
    arena_free(&a);
}

TEST_MAIN(cmocka_unit_test(reset_gives_zeroed_memory), cmocka_unit_test(reset_keeps_one_piece))
