/* How small a snapshot is against the plain encoding of the same content.  Sizes depend on nothing
 * but the snapshot, which is the same at every run; times are bench/encoding.c's business. */
#include "check.h"
#include "snap/many.h"
#include "snap/plain.h"

static struct err *to_buf(void *arg, const void *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

/* Ours may have at most these parts of a thousand of the plain bytes. */
static void compare(uint64_t n, bool same, unsigned memory_permille, unsigned file_permille)
{
    struct snap *s = many_goroutines(n, same);
    struct buf plain = {0}, json = {0}, file = {0};
    plain_binary(&plain, s);
    check_ok(plain_json(&json, s));
    check_ok(snap_write_to(s, to_buf, &file));
    size_t memory = snap_memory(s);
    print_message("%llu goroutines, %s: plain %zu, JSON %zu, in memory %zu (-%.1f %%), file %zu "
                  "(-%.2f %%)\n",
                  (unsigned long long)n, same ? "some stacks" : "all stacks different", plain.n,
                  json.n, memory, 100 - 100.0 * (double)memory / (double)plain.n, file.n,
                  100 - 100.0 * (double)file.n / (double)plain.n);
    assert_false(plain.full || json.full);
    assert_true(json.n > plain.n);
    assert_true(memory * 1000 <= plain.n * memory_permille);
    assert_true(file.n * 1000 <= plain.n * file_permille);
    buf_free(&plain);
    buf_free(&json);
    buf_free(&file);
    snap_free(s);
}

static void ten_thousand(void **state)
{
    compare(10000, true, 50, 6);
}

static void hundred_thousand(void **state)
{
    compare(100000, true, 50, 6);
}

/* Nothing to share but functions and files. */
static void worst_case(void **state)
{
    compare(10000, false, 150, 25);
}

TEST_MAIN(cmocka_unit_test(ten_thousand), cmocka_unit_test(hundred_thousand),
          cmocka_unit_test(worst_case))
