/* sql_int.h - what the tables of sql_tables.c are to the engine of sql.c. */
#ifndef GOSPECT_HEAP_SQL_INT_H
#define GOSPECT_HEAP_SQL_INT_H

#include <sqlite3.h>

#include "base/mem.h"

#include "heap/sql.h"
#include "snap/edges.h"

struct heap_sql {
    const struct snap *s;
    const struct heap_graph *g; /* NULL: none */
    sqlite3 *db;
    struct progress *progress;
    struct err *err; /* of a callback: SQLite only knows that there was one */
    bool needs_heap, needs_edges, declaring;
};

/* Where a scan of a table is.  What the fields mean is the table's. */
struct sql_cursor {
    sqlite3_vtab_cursor base; /* first: SQLite's */
    struct heap_sql *q;
    const struct sql_table *table;
    uint64_t row, end; /* the row, and behind the last one */
    bool done;
    uint64_t sub;     /* frames: depth; edges: number within the object */
    uint32_t node;    /* frames: stack node */
    uint32_t frame;   /* frames: row of frame */
    uint32_t inlined; /* frames: which frame of the pc */
    struct snap_edges edges;
    uint32_t *list; /* owned: slots that point to the one asked for */
    size_t nlist, at;
    uint32_t want; /* edges: the target asked for; SNAP_NONE: any */
};

enum { SQL_NO_KEY = 0, SQL_KEYS_MAX = 2 };

struct sql_table {
    const char *name, *what, *schema;
    bool heap, edges; /* needs them */
    /* Columns whose equality begin() can look up, counted from 0; -1: no more. */
    int keys[SQL_KEYS_MAX];
    /* Begins at the first row; key: 1 + number of the entry of keys that `value` is for, or
     * SQL_NO_KEY.  Sets done when there is none. */
    struct err *(*begin)(struct sql_cursor *c, int key, int64_t value);
    void (*next)(struct sql_cursor *c);
    void (*cell)(const struct sql_cursor *c, int column, sqlite3_context *out);
};

extern const struct sql_table sql_tables[];
extern const size_t sql_ntables;

#endif
