/* How full spans are, counted in a process that runs meanwhile: its list of spans grows and moves,
 * and spans are made while they are copied. */
#include "check.h"
#include "make.h"

enum { SPANS = 3, ELEM = 64, TAKEN = 5, IN_USE = 1 };

struct spans {
    struct make_go m;
    struct target *t;
    struct rt *rt;
    struct snap *s;
    taddr header, list, span[SPANS];
    unsigned reads; /* of what the test waits for */
};

static taddr make_span(struct make_go *m, taddr base)
{
    taddr span = make_struct(m, RT_STRUCT_mspan);
    make_field(m, span, RT_mspan_start_addr, base);
    make_field(m, span, RT_mspan_npages, 1);
    make_field(m, span, RT_mspan_elemsize, ELEM);
    make_field(m, span, RT_mspan_spanclass, 11);
    make_field(m, span, RT_mspan_nelems, 100);
    make_field(m, span, RT_mspan_alloc_count, TAKEN);
    make_field(m, span, RT_mspan_state, IN_USE);
    return span;
}

static void open_it(struct spans *x, void (*meanwhile)(void *, taddr, size_t))
{
    *x = (struct spans){0};
    assert_true(make_go(&x->m, "go1.24.6"));
    x->header = x->m.global[RT_GLOBAL_mheap] + (taddr)x->m.l.off[RT_mheap_allspans];
    x->list = make_room(&x->m, SPANS * 8);
    for (size_t i = 0; i < SPANS; i++) {
        x->span[i] = make_span(&x->m, UINT64_C(0xc000000000) + i * 8192);
        make_word(&x->m, x->list + 8 * i, x->span[i]);
    }
    make_slice(&x->m, x->header, x->list, SPANS);
    x->m.meanwhile = meanwhile;
    x->m.ctx = x;
    x->t = make_target(&x->m);
    check_ok(rt_open(x->t, &x->rt));
}

static void close_it(struct spans *x)
{
    snap_free(x->s);
    rt_close(x->rt);
    target_close(x->t);
    make_free(&x->m);
}

/* So many spans are counted, and so many are said to be missing. */
static void check_spans(struct spans *x, int64_t counted, int64_t missing)
{
    int64_t n = -1, lacking = 0;
    check_ok(rt_capture_info(x->rt, &x->s));
    assert_true(snap_counter(x->s, "spans.count", &n));
    assert_int_equal(n, counted);
    assert_true(snap_counter(x->s, "spans.by_size_64.objects", &n));
    assert_int_equal(n, counted * TAKEN);
    for (uint32_t i = 0; i < x->s->missing.n; i++)
        if (!strcmp(snap_str(x->s, x->s->missing.what[i]), "how full spans are"))
            lacking += (int64_t)x->s->missing.count[i];
    assert_int_equal(lacking, missing);
    close_it(x);
}

static void test_at_rest(void **state)
{
    struct spans x;
    open_it(&x, NULL);
    check_spans(&x, SPANS, 0);
}

/* The copy has the state from after and the numbers from before: one page, of objects of 3 bytes.
 */
static void is_made(void *ctx, taddr addr, size_t n)
{
    struct spans *x = ctx;
    if (addr <= x->span[1] && x->span[1] < addr + n && !x->reads++)
        make_field(&x->m, x->span[1], RT_mspan_elemsize, ELEM);
}

static void test_a_span_is_made_meanwhile(void **state)
{
    struct spans x;
    open_it(&x, is_made);
    make_field(&x.m, x.span[1], RT_mspan_elemsize, 3);
    check_spans(&x, SPANS, 0);
}

static void test_nonsense_that_stays_is_told(void **state)
{
    struct spans x;
    open_it(&x, NULL);
    make_field(&x.m, x.span[1], RT_mspan_elemsize, 3);
    make_word(&x.m, x.list + 16, 0x10);
    check_spans(&x, 1, 2);
}

static void test_the_list_is_longer_before_its_element(void **state)
{
    struct spans x;
    open_it(&x, NULL);
    make_word(&x.m, x.list + 16, 0);
    check_spans(&x, SPANS - 1, 0);
}

/* The runtime gives the old list back: here its memory belongs to something else at once. */
static void moves(void *ctx, taddr addr, size_t n)
{
    struct spans *x = ctx;
    if (addr > x->header || x->header >= addr + n || x->reads++)
        return;
    taddr list = make_room(&x->m, SPANS * 8);
    for (size_t i = 0; i < SPANS; i++) {
        make_word(&x->m, list + 8 * i, x->span[i]);
        make_word(&x->m, x->list + 8 * i, 0x1234);
    }
    make_word(&x->m, x->header, list);
}

static void test_the_list_moves(void **state)
{
    struct spans x;
    open_it(&x, moves);
    check_spans(&x, SPANS, 0);
    assert_true(x.reads > 1);
}

TEST_MAIN(cmocka_unit_test(test_at_rest), cmocka_unit_test(test_a_span_is_made_meanwhile),
          cmocka_unit_test(test_nonsense_that_stays_is_told),
          cmocka_unit_test(test_the_list_is_longer_before_its_element),
          cmocka_unit_test(test_the_list_moves))
