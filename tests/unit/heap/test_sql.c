/* SQL over heaps made by hand: the edges of one object, looked up in every way. */
#include "check.h"
#include "heap/make.h"
#include "heap/sql.h"

struct counted {
    uint64_t rows;
    int64_t first; /* cell of the first row */
};

static struct err *no_columns(void *arg, const char *const *names, size_t n)
{
    return NULL;
}

static struct err *count_row(void *arg, const struct heap_sql_cell *cells, size_t n)
{
    struct counted *c = arg;
    if (!c->rows++)
        c->first = cells[0].i;
    return NULL;
}

static struct counted ask(struct heap_sql *q, const char *sql, uint32_t a, uint32_t b)
{
    struct counted c = {0};
    struct heap_sql_sink sink = {no_columns, count_row, &c};
    char text[256];
    snprintf(text, sizeof(text), sql, a, b);
    check_ok(heap_sql_run(q, text, &sink, NULL));
    return c;
}

/* A table of so many pointers that 16 bits do not number them. */
static void every_pointer_of_a_large_object_is_a_row_of_its_own(void **state)
{
    enum { N = 140000, HALF = N / 2 };
    struct make_heap h;
    struct heap_graph *g;
    struct heap_sql *q;
    make_heap_init(&h);
    uint32_t table = make_object(&h, N * 8, true, 0), item = make_object(&h, 32, true, 0);
    uint32_t other = make_object(&h, 32, true, 0);
    for (uint32_t i = 0; i < N; i++)
        make_edge(&h, table, i, i < HALF ? item : other);
    make_edge(&h, other, 1, item);
    make_root_global(&h, make_global(&h, "main.table"), table);
    make_root_global(&h, make_global(&h, "main.other"), other);
    struct snap *s = make_heap_done(&h);
    check_ok(heap_open(s, &(struct heap_options){.keep_edges = true}, &g));
    check_ok(heap_sql_open(s, g, &q));
    uint32_t from = make_slot(&h, table), to = make_slot(&h, item), by = make_slot(&h, other);
    assert_int_equal(ask(q, "SELECT word FROM edges WHERE src = %u", from, 0).rows, N);
    assert_int_equal(ask(q, "SELECT word FROM edges WHERE dst = %u", to, 0).rows, HALF + 1);
    assert_int_equal(
        ask(q, "SELECT word FROM edges WHERE (src = %u AND word >= 70000) OR dst = %u", from, to)
            .rows,
        N + 1);
    assert_int_equal(ask(q, "SELECT word FROM edges WHERE src = %u OR src = %u", by, from).rows,
                     N + 1);
    assert_int_equal(ask(q, "SELECT word FROM edges WHERE src = %u AND dst = %u", by, to).first, 1);
    assert_int_equal(ask(q, "SELECT word FROM edges WHERE src = %u AND dst = %u", to, by).rows, 0);
    heap_sql_close(q);
    heap_close(g);
    snap_free(s);
    make_heap_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pointer_of_a_large_object_is_a_row_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
