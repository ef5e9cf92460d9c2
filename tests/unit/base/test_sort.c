/* Radix sorts against qsort, which knows nothing of digits: many and few, equal, sorted, with high
 * bits; what is equal keeps its order. */
#include <stdlib.h>

#include "base/sort.h"
#include "check.h"

enum { MOST = 5000 };

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 11 ^ *seed << 30;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void make(uint64_t *v, size_t n, uint64_t mask)
{
    uint64_t seed = n ^ mask;
    for (size_t i = 0; i < n; i++)
        v[i] = next(&seed) & mask;
}

static const uint64_t masks[] = {UINT64_MAX, 0xff, 0, UINT64_C(0xff00000000000000), 0xfffff};
static const size_t counts[] = {0, 1, 2, 3, 100, MOST};

static void sorts_numbers(void **state)
{
    static uint64_t v[MOST], expected[MOST];
    for (size_t m = 0; m < ARRAY_LEN(masks); m++)
        for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
            make(v, counts[c], masks[m]);
            memcpy(expected, v, sizeof(v));
            qsort(expected, counts[c], sizeof(*v), by_number);
            check_ok(sort_u64(v, counts[c]));
            assert_memory_equal(v, expected, counts[c] * sizeof(*v) + (counts[c] == 0));
        }
}

static uint64_t key_of(const void *v, uint32_t i)
{
    return ((const uint64_t *)v)[i];
}

static void sorts_indexes_and_keeps_the_order_of_equals(void **state)
{
    static uint64_t v[MOST];
    static uint32_t order[MOST];
    for (size_t m = 0; m < ARRAY_LEN(masks); m++)
        for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
            make(v, counts[c], masks[m]);
            for (uint32_t i = 0; i < counts[c]; i++)
                order[i] = i;
            check_ok(sort_indexes(order, counts[c], key_of, v));
            for (size_t i = 1; i < counts[c]; i++) {
                uint64_t a = v[order[i - 1]], b = v[order[i]];
                assert_true(a < b || (a == b && order[i - 1] < order[i]));
            }
        }
}

TEST_MAIN(cmocka_unit_test(sorts_numbers),
          cmocka_unit_test(sorts_indexes_and_keeps_the_order_of_equals))
