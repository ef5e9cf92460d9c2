/* Profiles that Go 1.27 wrote (fuzz/corpus/snap_pprof): a program with MemProfileRate 1 that kept
 * 10 objects of 1,024 bytes in main.leak, wrote a profile, kept 90 more, made 500 in main.churn
 * that it let go but for the last, and wrote another.  What is expected is what `go tool pprof
 * -raw` says. */
#include "base/file.h"
#include "check.h"
#include "snap/pprof.h"

#define SEEDS "fuzz/corpus/snap_pprof/"

static struct snap_pprof read_good(const char *name)
{
    struct snap_pprof p;
    check_ok(snap_read_pprof_file(name, &p));
    check_ok(snap_check(p.snap));
    return p;
}

/* The bucket whose innermost function is this; there is one. */
static uint32_t bucket_at(const struct snap *s, const char *func)
{
    uint32_t found = SNAP_NONE;
    for (uint32_t i = 0; i < s->bucket.n; i++) {
        uint32_t pc = s->stack.pc[s->bucket.stack[i]];
        if (s->bucket.size[i] != 1024 ||
            strcmp(snap_str(s, s->frame.func[s->pc.frame[pc]]), func) != 0)
            continue;
        assert_int_equal(found, SNAP_NONE);
        found = i;
    }
    assert_int_not_equal(found, SNAP_NONE);
    return found;
}

static void check_bucket(const struct snap *s, const char *func, uint64_t allocs, int64_t in_use)
{
    uint32_t b = bucket_at(s, func);
    assert_int_equal(s->bucket.allocs[b], allocs);
    assert_int_equal(s->bucket.alloc_bytes[b], allocs * 1024);
    assert_int_equal((int64_t)(s->bucket.allocs[b] - s->bucket.frees[b]), in_use);
    assert_int_equal((int64_t)(s->bucket.alloc_bytes[b] - s->bucket.free_bytes[b]), in_use * 1024);
}

static void what_go_wrote_is_read(void **state)
{
    struct snap_pprof before = read_good(SEEDS "before"), after = read_good(SEEDS "after-plain");
    assert_int_equal(before.period, 1);
    assert_int_equal(before.duration_ns, 0);
    assert_false(before.negative || after.negative);
    assert_true(after.time_ns > before.time_ns);
    check_bucket(before.snap, "main.leak", 10, 10);
    check_bucket(after.snap, "main.churn", 500, 1);
    snap_free(before.snap);
    snap_free(after.snap);
}

static void a_difference_may_be_below_zero(void **state)
{
    struct snap_pprof p = read_good(SEEDS "delta");
    check_bucket(p.snap, "main.leak", 90, 90);
    check_bucket(p.snap, "main.churn", 500, 1);
    snap_free(p.snap);
}

static void stacks_and_lines_are_those_of_the_program(void **state)
{
    struct snap_pprof p = read_good(SEEDS "before");
    const struct snap *s = p.snap;
    uint32_t node = s->bucket.stack[bucket_at(s, "main.leak")], up = s->stack.parent[node];
    uint32_t frame = s->pc.frame[s->stack.pc[node]], caller = s->pc.frame[s->stack.pc[up]];
    assert_int_equal(s->frame.line[frame], 19);
    assert_string_equal(snap_str(s, s->frame.func[caller]), "main.main");
    assert_int_equal(s->frame.line[caller], 40);
    assert_string_equal(snap_meta(s, SNAP_META_exe), "/tmp/seed-run/seed");
    snap_free(p.snap);
}

/* The bytes of a file as they are, changed or shortened, must be refused with these words. */
static void refused(const void *bytes, size_t n, const char *words)
{
    struct snap_pprof p;
    struct err *e = snap_read_pprof(bytes, n, "p", &p);
    assert_non_null(e);
    if (!strstr(err_message(e), words))
        fail_msg("%s", err_message(e));
    assert_null(p.snap);
    err_free(e);
}

static void what_is_no_heap_profile_is_refused(void **state)
{
    static const char text[] = "heap profile: 1: 2 [3: 4] @ heap/1\n";
    struct file_map gz, plain, other;
    check_ok(file_map_path(SEEDS "before", &gz));
    check_ok(file_map_path(SEEDS "after-plain", &plain));
    check_ok(file_map_path(SEEDS "goroutine", &other));
    refused(other.p, other.n, "of goroutine, not of memory");
    refused(text, sizeof(text) - 1, "as text");
    refused("", 0, "empty");
    refused(gz.p, 10, "cut off");
    refused(gz.p, gz.n - 100, "p: the profile is");
    refused(plain.p, plain.n / 2, "damaged");
    file_unmap(&gz);
    file_unmap(&plain);
    file_unmap(&other);
}

/* No shortened profile is taken for a whole one: its strings come last.  (The very last are names
 * of mappings that are not looked at.) */
static void every_cut_is_seen(void **state)
{
    struct file_map plain;
    check_ok(file_map_path(SEEDS "after-plain", &plain));
    for (size_t n = 1; n < plain.n - 64; n += 7) {
        struct snap_pprof p;
        struct err *e = snap_read_pprof(plain.p, n, "p", &p);
        if (!e)
            fail_msg("%zu bytes of %zu were taken for a profile", n, plain.n);
        err_free(e);
    }
    file_unmap(&plain);
}

TEST_MAIN(cmocka_unit_test(what_go_wrote_is_read), cmocka_unit_test(a_difference_may_be_below_zero),
          cmocka_unit_test(stacks_and_lines_are_those_of_the_program),
          cmocka_unit_test(what_is_no_heap_profile_is_refused), cmocka_unit_test(every_cut_is_seen))
