/* sql.h - SQL over a snapshot: goroutines, frames, objects, edges, types, spans, globals, roots,
 * and the dominator tree as virtual tables of SQLite.
 *
 * Rows are made while they are asked for; nothing is copied.  Equality on the columns that
 * sql_tables.c names as keys (objects.slot, edges.src ...) is looked up, the rest is filtered by
 * SQLite.  Only reading is possible.
 *
 * Owner: the caller.  Thread: one at a time. */
#ifndef GOSPECT_HEAP_SQL_H
#define GOSPECT_HEAP_SQL_H

#include "heap/heap.h"

struct heap_sql;

/* graph: NULL when there is none: the tables of the heap are then empty.  Both must outlive it. */
struct err *heap_sql_open(const struct snap *s, const struct heap_graph *graph,
                          struct heap_sql **ret) MUST_USE;
void heap_sql_close(struct heap_sql *q);

enum heap_sql_type { HEAP_SQL_NULL, HEAP_SQL_INTEGER, HEAP_SQL_REAL, HEAP_SQL_TEXT };
struct heap_sql_cell {
    enum heap_sql_type type;
    int64_t i;
    double d;
    const char *text; /* until the next row */
};

/* names: until columns() returns */
struct heap_sql_sink {
    struct err *(*columns)(void *arg, const char *const *names, size_t n);
    struct err *(*row)(void *arg, const struct heap_sql_cell *cells, size_t n);
    void *arg;
};

/* Runs every statement of the text.  USAGE: what SQLite says is wrong with it. */
struct err *heap_sql_run(struct heap_sql *q, const char *sql, const struct heap_sql_sink *sink,
                         struct progress *progress) MUST_USE;

/* What a text would read, without a snapshot: told before a process is touched.  USAGE: as above.
 */
struct heap_sql_needs {
    bool heap;  /* a table of the heap */
    bool edges; /* the pointers */
};
struct err *heap_sql_needs(const char *sql, struct heap_sql_needs *ret) MUST_USE;

/* The tables, for .tables and .schema: name, what it holds, its CREATE TABLE; NULL behind the last.
 */
const char *heap_sql_table(size_t i, const char **ret_what, const char **ret_schema);

#endif
