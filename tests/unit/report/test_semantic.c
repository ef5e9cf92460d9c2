/* Semantic diffs on trees made by hand: words, what is folded, the picture. */
#include "report/semantic.h"

#include "check.h"
#include "snap/snap.h"

#define MB 1e6

static struct heap_site_node site(uint32_t parent, uint32_t depth, const char *func, uint32_t line,
                                  double a, double b, double similarity)
{
    return (struct heap_site_node){.parent = parent,
                                   .depth = depth,
                                   .func = func,
                                   .file = "/src/shop/main.go",
                                   .line = line,
                                   .a = a,
                                   .b = b,
                                   .a_objects = a / 1000,
                                   .b_objects = b / 1000,
                                   .similarity = similarity,
                                   .suspect = b > a && similarity < 0.85};
}

/* main calls leak (1 to 31 MB), steady (20 MB) with small below it, gone (5 MB to nothing). */
static size_t fill(struct heap_site_node *v)
{
    v[0] = site(SNAP_NONE, 0, "example.com/shop.main", 10, 26 * MB, 51.05 * MB, 0.45);
    v[1] = site(0, 1, "example.com/shop.(*Hub).leak", 20, 1 * MB, 31 * MB, 0.03);
    v[2] = site(0, 1, "example.com/shop.steady", 30, 20 * MB, 20.05 * MB, 0.99);
    v[3] = site(2, 2, "example.com/shop.small<T>", 40, 0.1 * MB, 0.15 * MB, 0.66);
    v[4] = site(0, 1, "example.com/shop.gone", 50, 5 * MB, 0, 0);
    return 5;
}

static struct heap_site_node nodes[5];
static struct heap_semantic tree = {.v = nodes,
                                    .similarity = 0.449999,
                                    .differs = true,
                                    .a = 26 * MB,
                                    .b = 51.05 * MB,
                                    .threshold = 0.45,
                                    .min_depth_weight = 0.3,
                                    .decay = 1.0 / 3};

static struct snap *snap_named(void)
{
    struct snap *s = snap_new();
    snap_set_meta(s, SNAP_META_exe, "/bin/shop & <co>");
    snap_set_counter(s, "prof.mem_rate_bytes", 512);
    return s;
}

typedef struct err *writer_fn(const struct report_semantic *r, struct report_sink out);

static struct err *text(const struct report_semantic *r, struct report_sink out)
{
    return report_semantic_text(r, &(struct report_style){.width = 100}, out);
}

static struct err *colored(const struct report_semantic *r, struct report_sink out)
{
    return report_semantic_text(r, &(struct report_style){.width = 100, .color = true}, out);
}

static void written(writer_fn *write, size_t limit, struct buf *b)
{
    struct snap *s = snap_named();
    struct report_semantic r = {
        .tree = &tree, .a = s, .b = s, .limit = limit, .before = "a", .after = "b"};
    tree.n = fill(nodes);
    buf_clear(b);
    check_ok(write(&r, report_to_buf(b)));
    snap_free(s);
}

static void has(const struct buf *b, const char *want)
{
    if (!strstr(buf_text(b), want)) {
        print_error("not there: %s\n%s", want, buf_text(b));
        fail();
    }
}

static void has_not(const struct buf *b, const char *bad)
{
    if (strstr(buf_text(b), bad)) {
        print_error("there: %s\n%s", bad, buf_text(b));
        fail();
    }
}

static void verdict_first_and_the_leak_after(void **state)
{
    struct buf b = {0};
    written(text, 30, &b);
    assert_true(strncmp(buf_text(&b), "allocation sites differ: 0.44 alike, below 0.45", 47) == 0);
    has(&b, "changed most\n    +30 MB  shop.(*Hub).leak main.go:20 ← shop.main main.go:10\n"
            "   −5.0 MB  shop.gone main.go:50 ← shop.main main.go:10\n");
    has(&b, "+++    1.0 MB     31 MB    +30 MB  0.03!   shop.(*Hub).leak main.go:20\n");
    has(&b, " −−    5.0 MB       0 B   −5.0 MB  0.00    shop.gone main.go:50\n");
    has(&b, "5 calls compared\n");
    has(&b, "gospect mem diff a b --semantic --svg");
    has_not(&b, "\x1b");
    buf_free(&b);
}

static void what_did_not_change_is_folded(void **state)
{
    struct buf b = {0};
    written(text, 30, &b);
    has(&b, "shop.main main.go:10  (2 folded)\n");
    has(&b, "  2 calls are folded: --limit 0 shows all\n");
    has_not(&b, "steady");
    written(text, 0, &b);
    has(&b, "shop.steady main.go:30\n");
    has(&b, "  ·    100 kB    150 kB    +50 kB  0.66!    shop.small<T> main.go:40\n");
    has_not(&b, "folded:");
    written(text, 2, &b);
    has(&b, "  3 calls are folded");
    buf_free(&b);
}

/* Without its colours the text is the same. */
static void colour_adds_nothing_but_colour(void **state)
{
    struct buf plain = {0}, color = {0}, bare = {0};
    written(text, 30, &plain);
    written(colored, 30, &color);
    has(&color, "\x1b[31m+++");
    has(&color, "\x1b[32m −−");
    for (const char *p = buf_text(&color); *p; p++) {
        if (*p == '\x1b')
            p = strchr(p, 'm');
        else
            buf_char(&bare, *p);
    }
    assert_string_equal(buf_text(&bare), buf_text(&plain));
    buf_free(&plain);
    buf_free(&color);
    buf_free(&bare);
}

static void json(void **state)
{
    struct buf b = {0};
    written(report_semantic_json, 2, &b);
    has(&b, "\"similarity\":0.449999,\"threshold\":0.45,\"differs\":true");
    has(&b, "\"caller\":0,\"depth\":1,\"function\":\"example.com/shop.(*Hub).leak\"");
    has(&b, "\"delta_bytes\":30000000,\"self_delta_bytes\":30000000");
    has(&b, "\"sites_left_out\":3");
    buf_free(&b);
}

static void picture(void **state)
{
    struct buf b = {0};
    written(report_semantic_svg, 0, &b);
    assert_true(strncmp(buf_text(&b), "<svg ", 5) == 0);
    has(&b, "shop &amp; &lt;co&gt;");
    has(&b,
        "<title>example.com/shop.small&lt;T&gt; /src/shop/main.go:40\n100 kB → 150 kB (+50 kB)");
    has(&b, ">+30 MB ! shop.(*Hub).leak main.go:20</text>");
    has(&b, ">5 calls</text>");
    has_not(&b, "<co>");
    /* callees need 56.05 MB side by side, their caller as much: it has the whole width */
    has(&b, "<rect x=\"10.00\" y=\"62\" width=\"1179.50\"");
    buf_free(&b);
}

static void nothing_at_all(void **state)
{
    struct snap *s = snap_named();
    struct heap_semantic none = {.similarity = 1, .threshold = 0.85};
    struct report_semantic r = {.tree = &none, .a = s, .b = s};
    struct buf b = {0};
    check_ok(text(&r, report_to_buf(&b)));
    has(&b, "allocation sites are 1.00 alike: nothing changed in kind");
    has(&b, "0 calls compared");
    buf_clear(&b);
    check_ok(report_semantic_svg(&r, report_to_buf(&b)));
    has(&b, "</svg>\n");
    buf_free(&b);
    snap_free(s);
}

TEST_MAIN(cmocka_unit_test(verdict_first_and_the_leak_after),
          cmocka_unit_test(what_did_not_change_is_folded),
          cmocka_unit_test(colour_adds_nothing_but_colour), cmocka_unit_test(json),
          cmocka_unit_test(picture), cmocka_unit_test(nothing_at_all))
