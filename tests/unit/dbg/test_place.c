/* Location specs in a tiny program: names in part, several of a name, near names, addresses; and
 * conditions on the number of hits. */
#include "check.h"
#include "dbg/dbg_int.h"
#include "rt/make.h"

struct fixture {
    struct make_go m;
    struct code *c;
    struct arena a;
};

static void open_tiny(struct fixture *f)
{
    assert_true(make_go(&f->m, "go1.24.6"));
    make_image(&f->m);
    check_ok(code_open(f->m.img, 0x1000, &f->c));
    arena_init(&f->a);
}

static void close_tiny(struct fixture *f)
{
    arena_free(&f->a);
    code_close(f->c);
    make_free(&f->m);
}

static void finds(struct fixture *f, const char *spec, const char *func)
{
    struct places p;
    check_ok(place_find(f->c, spec, NULL, &f->a, &p));
    assert_int_equal(p.n, 1);
    assert_string_equal(p.v[0].func, func);
    assert_int_equal(p.v[0].entry, make_entry(func) + 0x1000);
}

static void test_names(void **state)
{
    struct fixture f;
    (void)state;
    open_tiny(&f);
    finds(&f, "main.work", "main.work");
    finds(&f, "work", "main.work");
    finds(&f, "main", "main.main"); /* rather than runtime.main */
    finds(&f, "runtime.main", "runtime.main");
    close_tiny(&f);
}

static void refuses(struct fixture *f, const char *spec, enum err_code code, const char *says)
{
    struct places p;
    struct err *e = place_find(f->c, spec, NULL, &f->a, &p);
    assert_non_null(e);
    assert_int_equal(err_code(e), code);
    const char *hint = err_hint_text(e);
    assert_true(strstr(err_message(e), says) || (hint && strstr(hint, says)));
    err_free(e);
}

static void test_errors(void **state)
{
    struct fixture f;
    (void)state;
    open_tiny(&f);
    refuses(&f, "main.wrok", ERR_NOT_FOUND, "main.work");
    refuses(&f, "", ERR_USAGE, "no place");
    refuses(&f, "12", ERR_USAGE, "no file");
    refuses(&f, "nowhere.go:3", ERR_NOT_FOUND, "no source file");
    refuses(&f, "/(/", ERR_USAGE, "/(/");
    refuses(&f, "*main", ERR_USAGE, "address");
    refuses(&f, "/nothing/", ERR_NOT_FOUND, "matches");
    close_tiny(&f);
}

static void test_patterns_and_addresses(void **state)
{
    struct fixture f;
    struct places p;
    (void)state;
    open_tiny(&f);
    check_ok(place_find(f.c, "/^main\\./", NULL, &f.a, &p));
    assert_int_equal(p.n, 3);
    check_ok(place_find(f.c, "*0x10", NULL, &f.a, &p));
    assert_int_equal(p.v[0].pc, 0x10);
    assert_int_equal(p.v[0].entry, 0);
    close_tiny(&f);
}

static void test_rules(void **state)
{
    static const struct {
        const char *text;
        enum hit_op op;
        uint64_t n;
    } good[] = {{"", HITS_ANY, 0},    {"5", HITS_EQ, 5},      {"== 5", HITS_EQ, 5},
                {">5", HITS_GT, 5},   {" >= 2 ", HITS_GE, 2}, {"<9", HITS_LT, 9},
                {"<= 9", HITS_LE, 9}, {"!= 1", HITS_NE, 1},   {"% 10", HITS_EVERY, 10}};
    static const char *const bad[] = {"x", "> x", "%0", "5x", "=>3", "> -1", ">"};
    struct hit_rule r;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        check_ok(bp_parse_rule(good[i].text, &r));
        assert_int_equal(r.op, good[i].op);
        assert_int_equal(r.n, good[i].n);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err *e = bp_parse_rule(bad[i], &r);
        assert_non_null(e);
        err_free(e);
    }
}

static void test_private(void **state)
{
    static const char *const shown[] = {"main.main", "runtime.GC", "runtime.(*Frames).Next",
                                        "sync.(*Mutex).Lock", "runtime/debug.Stack"};
    static const char *const hidden[] = {"runtime.newobject", "runtime.(*mheap).alloc",
                                         "internal/runtime/maps.(*Map).getWithKey", "gogo",
                                         "runtime/internal/atomic.Load"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        assert_false(code_is_private(shown[i]));
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        assert_true(code_is_private(hidden[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_errors), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_patterns_and_addresses), cmocka_unit_test(test_private)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
