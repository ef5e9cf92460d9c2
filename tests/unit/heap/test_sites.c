/* Allocation sites: objects and profile that agree, or only one of them grows; call trees compared.
 */
#include <math.h>

#include "check.h"
#include "heap/make.h"
#include "heap/sites.h"

enum { RATE = 1, SIZE = 4096, MANY = 100 };

/* The pc of a function; the same address everywhere. */
static uint32_t place(struct snap *s, const char *func, const char *file, uint32_t line,
                      taddr shift)
{
    taddr addr = hash_bytes(func, strlen(func)) + line + shift;
    for (uint32_t i = 0; i < s->pc.n; i++)
        if (s->pc.addr[i] == addr)
            return i;
    uint32_t f = snap_add_frame(s), pc = snap_add_pc(s);
    s->frame.func[f] = intern_add(&s->strings, func);
    s->frame.file[f] = intern_add(&s->strings, file);
    s->frame.line[f] = line;
    s->pc.addr[pc] = addr;
    s->pc.frame[pc] = f;
    s->pc.frames[pc] = 1;
    return pc;
}

/* A stack main.main, caller, runtime.newobject; its bucket with n objects in use. */
static uint32_t bucket(struct snap *s, const char *func, uint32_t line, uint64_t n, taddr shift)
{
    uint32_t pcs[] = {place(s, "main.main", "/src/main.go", 10, shift),
                      place(s, func, "/src/main.go", line, shift),
                      place(s, "runtime.newobject", "/go/src/runtime/malloc.go", 1, shift)};
    uint32_t node = SNAP_NONE;
    for (size_t i = 0; i < 3; i++) {
        uint32_t up = node;
        node = snap_add_stack(s);
        s->stack.parent[node] = up;
        s->stack.pc[node] = pcs[i];
    }
    uint32_t b = snap_add_bucket(s);
    s->bucket.kind[b] = SNAP_BUCKET_MEM;
    s->bucket.size[b] = SIZE;
    s->bucket.stack[b] = node;
    s->bucket.allocs[b] = n + 7;
    s->bucket.frees[b] = 7;
    s->bucket.alloc_bytes[b] = (n + 7) * SIZE;
    s->bucket.free_bytes[b] = UINT64_C(7) * SIZE;
    return b;
}

static void sample(struct make_heap *h, uint32_t object, uint32_t b)
{
    uint32_t row = snap_add_special(h->s);
    h->s->special.kind[row] = SNAP_SPECIAL_PROFILE;
    h->s->special.slot[row] = object; /* until the slots are known */
    h->s->special.bucket[row] = b;
}

/* n objects of T and u of U; the profile counts pt and pv at two stacks. */
static struct snap *make(uint32_t n, uint32_t u, uint64_t pt, uint64_t pv, int64_t second)
{
    struct make_heap h;
    make_heap_init(&h);
    uint32_t t_shape =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "main.T", MAKE_STRUCT, SIZE, 8));
    uint32_t u_shape =
        make_shape(&h, SNAP_FORM_VALUE, make_type(&h, "main.U", MAKE_STRUCT, SIZE, 8));
    uint32_t g = make_global(&h, "main.all"), b = bucket(h.s, "main.makeT", 20, pt, 0);
    bucket(h.s, "main.makeV", 30, pv, 0);
    for (uint32_t i = 0; i < n + u; i++) {
        uint32_t o = make_object(&h, SIZE, i < n, i < n ? t_shape : u_shape);
        make_root_global(&h, g, o);
        if (i == 0)
            sample(&h, o, b);
    }
    make_spans(&h);
    make_objects(&h);
    make_roots(&h);
    for (uint32_t i = 0; i < h.s->special.n; i++)
        h.s->special.slot[i] = make_slot(&h, h.s->special.slot[i]);
    check_ok(snap_check(h.s));
    snap_set_counter(h.s, "prof.mem_rate_bytes", RATE);
    snap_set_counter(h.s, "memstats.num_gc", 5);
    snap_set_meta_i64(h.s, SNAP_META_taken_mono_ns, second * 1000000000);
    struct snap *s = h.s;
    make_heap_free(&h);
    return s;
}

static const struct heap_site_row *row_of(const struct heap_site_rows *r, enum heap_verdict v)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].verdict == v)
            return &r->v[i];
    return NULL;
}

static void growth_is_told_by_both_or_by_one(void **state)
{
    struct snap *a = make(10, 10, 10, 10, 100),
                *b = make(10 + MANY, 10 + MANY / 2, 10 + MANY, 10 + MANY / 4, 110);
    struct heap_graph *ga, *gb;
    struct heap_diff *d;
    struct heap_site_rows rows;
    check_ok(heap_open(a, NULL, &ga));
    check_ok(heap_open(b, NULL, &gb));
    check_ok(heap_diff(ga, gb, NULL, &d));
    check_ok(heap_cross_check(d, &(struct heap_site_options){.min_bytes = 5 * SIZE}, &rows));
    assert_int_equal(rows.n, 3);
    const struct heap_site_row *both = row_of(&rows, HEAP_BOTH_AGREE);
    assert_string_equal(snap_str(b, b->shape.name[both->shape]), "main.T");
    assert_int_equal(both->bucket, 0);
    assert_int_equal(both->object_count, MANY);
    assert_int_equal(lround(both->profile_objects), MANY);
    assert_int_equal(lround(both->bytes_per_s), MANY * SIZE / 10);
    const struct heap_site_row *objects = row_of(&rows, HEAP_ONLY_OBJECTS);
    assert_string_equal(snap_str(b, b->shape.name[objects->shape]), "main.U");
    assert_int_equal(objects->bucket, SNAP_NONE);
    assert_int_equal(objects->object_count, MANY / 2);
    const struct heap_site_row *profile = row_of(&rows, HEAP_ONLY_PROFILE);
    assert_int_equal(profile->bucket, 1);
    assert_int_equal(lround(profile->profile_objects), MANY / 4);
    heap_site_rows_free(&rows);
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
}

/* Where the samples are few, a quarter of the growth is enough to agree, and less is not. */
static enum heap_verdict verdict_at(uint32_t objects, uint64_t profile)
{
    struct snap *a = make(10, 0, 10, 10, 100), *b = make(10 + objects, 0, 10 + profile, 10, 110);
    struct heap_graph *ga, *gb;
    struct heap_diff *d;
    struct heap_site_rows rows;
    check_ok(heap_open(a, NULL, &ga));
    check_ok(heap_open(b, NULL, &gb));
    check_ok(heap_diff(ga, gb, NULL, &d));
    check_ok(heap_cross_check(d, &(struct heap_site_options){.min_bytes = 60 * SIZE}, &rows));
    assert_int_equal(rows.n, 1);
    enum heap_verdict v = rows.v[0].verdict;
    heap_site_rows_free(&rows);
    heap_diff_free(d);
    heap_close(ga);
    heap_close(gb);
    snap_free(a);
    snap_free(b);
    return v;
}

static void few_samples_agree_roughly(void **state)
{
    assert_int_equal(verdict_at(100, 30), HEAP_BOTH_AGREE);
    assert_int_equal(verdict_at(100, 20), HEAP_ONLY_OBJECTS);
    assert_int_equal(verdict_at(30, 100), HEAP_BOTH_AGREE);
    assert_int_equal(verdict_at(20, 100), HEAP_ONLY_PROFILE);
}

/* ---- call trees ---- */

static struct snap *profile(uint64_t t, uint64_t v, uint32_t line, taddr shift)
{
    struct snap *s = snap_new();
    snap_set_counter(s, "prof.mem_rate_bytes", RATE);
    bucket(s, "main.makeT", line, t, shift);
    bucket(s, "main.makeV", 30, v, shift);
    return s;
}

static double similarity(struct snap *a, struct snap *b, const struct heap_semantic_options *o)
{
    struct heap_semantic r;
    check_ok(heap_semantic_diff(a, b, o, &r));
    double v = r.similarity;
    heap_semantic_free(&r);
    snap_free(a);
    snap_free(b);
    return v;
}

static void addresses_do_not_matter(void **state)
{
    assert_true(fabs(similarity(profile(50, 50, 20, 0), profile(50, 50, 20, 0x10000), NULL) - 1) <
                1e-9);
    assert_true(similarity(profile(50, 50, 20, 0), profile(50, 50, 21, 0), NULL) < 1);
}

/* By hand: main.main has weight 1, its callees 1/3 (or what is asked for). */
static void similarity_is_what_the_formula_says(void **state)
{
    double w = 1.0 / 3, low = 100 + w * (50 + 50), high = 150 + w * (100 + 50);
    assert_true(fabs(similarity(profile(50, 50, 20, 0), profile(100, 50, 20, 0), NULL) -
                     low / high) < 1e-9);
    w = 0.5;
    low = 100 + w * 100;
    high = 150 + w * 150;
    assert_true(fabs(similarity(profile(50, 50, 20, 0), profile(100, 50, 20, 0),
                                &(struct heap_semantic_options){.min_depth_weight = 0.5}) -
                     low / high) < 1e-9);
}

static void the_tree_comes_in_order(void **state)
{
    struct snap *a = profile(50, 50, 20, 0), *b = profile(60, 150, 20, 0);
    struct heap_semantic r;
    check_ok(heap_semantic_diff(a, b, NULL, &r));
    assert_int_equal(r.n, 3);
    assert_true(r.differs);
    assert_string_equal(r.v[0].func, "main.main");
    assert_string_equal(r.v[1].func, "main.makeV");
    assert_string_equal(r.v[2].func, "main.makeT");
    assert_int_equal(r.v[1].parent, 0);
    assert_true(r.v[0].suspect && r.v[1].suspect);
    assert_true(fabs(r.v[1].similarity - 1.0 / 3) < 1e-9);
    assert_true(fabs(r.v[2].similarity - 50.0 / 60) < 1e-9);
    assert_int_equal(lround(r.v[1].b / SIZE), 150);
    heap_semantic_free(&r);
    snap_free(b);
    b = snap_new();
    check_err(heap_semantic_diff(a, b, NULL, &r), ERR_NOT_FOUND, "no memory profile");
    snap_free(a);
    snap_free(b);
}

/* profile(), as another build has it: these lines lie further down, in another directory. */
static struct snap *rebuilt(uint64_t t, uint64_t v, uint32_t line, uint32_t other)
{
    struct snap *s = snap_new();
    snap_set_meta(s, SNAP_META_build_id, "b");
    snap_set_counter(s, "prof.mem_rate_bytes", RATE);
    bucket(s, "main.makeT", line, t, 0x100);
    if (other)
        bucket(s, "main.makeT", other, t, 0x100);
    bucket(s, "main.makeV", 37, v, 0x100);
    for (uint32_t i = 0; i < s->frame.n; i++)
        s->frame.file[i] = intern_add(&s->strings, "/other/main.go");
    return s;
}

static struct snap *built(uint64_t t, uint64_t v, uint32_t line, uint32_t other)
{
    struct snap *s = profile(t, v, line, 0);
    snap_set_meta(s, SNAP_META_build_id, "a");
    if (other)
        bucket(s, "main.makeT", other, t, 0);
    return s;
}

static void lines_that_moved_are_aligned(void **state)
{
    assert_true(fabs(similarity(built(50, 50, 20, 0), rebuilt(50, 50, 26, 0), NULL) - 1) < 1e-9);
    assert_true(fabs(similarity(built(50, 50, 20, 24), rebuilt(50, 50, 26, 30), NULL) - 1) < 1e-9);
    /* a line that is new is new: those that stayed where they were say so */
    double w = 1.0 / 3, low = 100 + w * 100, high = 150 + w * 150;
    assert_true(fabs(similarity(built(50, 50, 20, 0), rebuilt(50, 50, 20, 23), NULL) - low / high) <
                1e-9);
    struct snap *a = built(50, 50, 20, 0), *b = rebuilt(50, 50, 26, 0);
    struct heap_semantic r;
    check_ok(heap_semantic_diff(a, b, NULL, &r));
    assert_string_equal(r.v[0].file, "/other/main.go");
    assert_int_equal(r.v[1].line + r.v[2].line, 26 + 37);
    assert_true(r.a == 100.0 * SIZE && r.b == 100.0 * SIZE && r.b_objects == 100);
    heap_semantic_free(&r);
    snap_free(a);
    snap_free(b);
}

static void a_profile_that_is_off_or_empty_is_none(void **state)
{
    struct snap *a = profile(50, 50, 20, 0), *b = profile(50, 50, 20, 0);
    struct heap_semantic r;
    assert_int_equal(b->counter.n, 1);
    b->counter.value[0] = 0; /* the rate */
    check_err(heap_semantic_diff(a, b, NULL, &r), ERR_NOT_FOUND, "in the later one");
    check_err(heap_semantic_diff(b, a, NULL, &r), ERR_NOT_FOUND, "in the earlier one");
    check_err(heap_semantic_diff(b, b, NULL, &r), ERR_NOT_FOUND, "in both");
    b->counter.value[0] = RATE;
    for (uint32_t i = 0; i < b->bucket.n; i++)
        b->bucket.free_bytes[i] = b->bucket.alloc_bytes[i];
    check_err(heap_semantic_diff(b, b, NULL, &r), ERR_NOT_FOUND, "both memory profiles are empty");
    check_ok(heap_semantic_diff(b, a, NULL, &r));
    assert_true(r.similarity == 0 && r.differs);
    heap_semantic_free(&r);
    snap_free(a);
    snap_free(b);
}

TEST_MAIN(cmocka_unit_test(growth_is_told_by_both_or_by_one),
          cmocka_unit_test(few_samples_agree_roughly),
          cmocka_unit_test(lines_that_moved_are_aligned),
          cmocka_unit_test(a_profile_that_is_off_or_empty_is_none),
          cmocka_unit_test(addresses_do_not_matter),
          cmocka_unit_test(similarity_is_what_the_formula_says),
          cmocka_unit_test(the_tree_comes_in_order))
