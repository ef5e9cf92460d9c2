/* SQL on whatever tables the check lets through: the input is a query up to a zero byte, then the
 * heap (heap_tables.h).  A query of any text is answered or refused, never more; and one that only
 * counts gives as many rows as the table has.  Work and memory of SQLite itself are bounded: they
 * are the user's own to spend. */
#include <stdlib.h>
#include <string.h>

#include "heap/sql_int.h"
#include "heap_tables.h"

enum { STOPS = 30, HEAP_BYTES = 64 << 20, ROWS_MAX = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct limits {
    struct progress p; /* first */
    int steps;
    size_t rows, bytes; /* bytes: so that all of it is read */
};

static bool cancelled(struct progress *p)
{
    return ++((struct limits *)p)->steps > STOPS;
}

static struct err *columns(void *arg, const char *const *names, size_t n)
{
    struct limits *l = arg;
    for (size_t i = 0; i < n; i++)
        l->bytes += names[i] ? strlen(names[i]) : 0;
    return NULL;
}

static struct err *row(void *arg, const struct heap_sql_cell *cells, size_t n)
{
    struct limits *l = arg;
    for (size_t i = 0; i < n; i++)
        l->bytes += cells[i].type == HEAP_SQL_TEXT && cells[i].text ? strlen(cells[i].text) : 1;
    return ++l->rows < ROWS_MAX ? NULL : err_new(ERR_LIMIT, "enough");
}

static size_t run(struct heap_sql *q, const char *sql, bool must)
{
    struct limits l = {.p = {.cancelled = cancelled}};
    struct heap_sql_sink sink = {columns, row, &l};
    struct err *e = heap_sql_run(q, sql, &sink, &l.p);
    if (e && must)
        abort();
    err_free(e);
    return l.rows;
}

/* The two ways to an edge agree: by who points, and by what is pointed to. */
static void both_ways(struct heap_sql *q)
{
    size_t all = run(q, "SELECT * FROM edges", true);
    size_t to = run(q, "SELECT e.* FROM objects o JOIN edges e ON e.dst = o.slot", false);
    if (to > all)
        abort();
}

static void ask(const char *sql, const struct snap *s, const struct heap_graph *g)
{
    struct heap_sql *q = NULL;
    struct heap_sql_needs needs;
    err_free(heap_sql_needs(sql, &needs));
    if (heap_sql_open(s, g, &q))
        abort();
    sqlite3_limit(q->db, SQLITE_LIMIT_LENGTH, 1 << 20);
    run(q, sql, false);
    if (g)
        both_ways(q);
    heap_sql_close(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    struct heap_graph *g = NULL;
    struct heap_options o = {.keep_edges = true, .memory = UINT64_C(1) << 30};
    if (!end)
        return 0;
    sqlite3_hard_heap_limit64(HEAP_BYTES);
    struct input in = {end + 1, data + size};
    struct snap *s = make_tables(&in);
    struct err *e = snap_check(s);
    if (!e) {
        err_free(heap_open(s, &o, &g));
        ask((const char *)data, s, g);
    }
    err_free(e);
    heap_close(g);
    snap_free(s);
    return 0;
}
