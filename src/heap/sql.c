/* sql.c - SQLite on top of a snapshot; see sql.h.  The tables are sql_tables.c. */
#include <stdlib.h>
#include <string.h>

#include "heap/sql_int.h"

enum { STEPS = 10000 }; /* of SQLite between two looks at whether the user wants to stop */

struct table { /* SQLite's handle of a table */
    sqlite3_vtab base;
    struct heap_sql *q;
    const struct sql_table *table;
};

/* What a module is created with. */
struct module {
    struct heap_sql *q;
    const struct sql_table *table;
};

static int connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret,
                   char **ret_error)
{
    const struct module *m = aux;
    m->q->declaring = true; /* a CREATE TABLE, for SQLite */
    int rc = sqlite3_declare_vtab(db, m->table->schema);
    m->q->declaring = false;
    if (rc != SQLITE_OK)
        return rc;
    struct table *t = sqlite3_malloc(sizeof(*t));
    if (!t)
        return SQLITE_NOMEM;
    *t = (struct table){.q = m->q, .table = m->table};
    *ret = &t->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *vtab)
{
    sqlite3_free(vtab);
    return SQLITE_OK;
}

/* Takes one equality on a key column; SQLite checks everything again but that one. */
static int best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    const struct sql_table *table = ((struct table *)vtab)->table;
    struct heap_sql *q = ((struct table *)vtab)->q;
    q->needs_heap |= table->heap;
    q->needs_edges |= table->edges;
    info->estimatedCost = 1e9;
    info->idxNum = SQL_NO_KEY;
    for (int k = 0; k < SQL_KEYS_MAX && table->keys[k] >= 0; k++)
        for (int i = 0; i < info->nConstraint; i++) {
            if (!info->aConstraint[i].usable || info->aConstraint[i].iColumn != table->keys[k] ||
                info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
                continue;
            info->aConstraintUsage[i].argvIndex = 1;
            info->idxNum = k + 1;
            info->estimatedCost = 10;
            return SQLITE_OK;
        }
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **ret)
{
    const struct table *t = (const struct table *)vtab;
    struct sql_cursor *c = sqlite3_malloc(sizeof(*c));
    if (!c)
        return SQLITE_NOMEM;
    *c = (struct sql_cursor){.q = t->q, .table = t->table};
    *ret = &c->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    free(((struct sql_cursor *)base)->list);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* Keeps the error for who called us; SQLite gets a code. */
static int failed(struct heap_sql *q, struct err *e)
{
    if (q->err)
        err_free(e);
    else
        q->err = e;
    return SQLITE_ABORT;
}

static int filter(sqlite3_vtab_cursor *base, int key, const char *name, int argc,
                  sqlite3_value **argv)
{
    struct sql_cursor *c = (struct sql_cursor *)base;
    free(c->list);
    *c = (struct sql_cursor){.base = c->base, .q = c->q, .table = c->table, .want = SNAP_NONE};
    if (key && (argc != 1 || sqlite3_value_type(argv[0]) != SQLITE_INTEGER)) {
        /* a text is never equal to a number here, but '17' may be meant as one */
        if (argc != 1 || sqlite3_value_numeric_type(argv[0]) != SQLITE_INTEGER) {
            c->done = true;
            return SQLITE_OK;
        }
    }
    struct err *e = c->table->begin(c, key, key ? sqlite3_value_int64(argv[0]) : 0);
    return e ? failed(c->q, e) : SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    struct sql_cursor *c = (struct sql_cursor *)base;
    c->table->next(c);
    return SQLITE_OK;
}

static int eof(sqlite3_vtab_cursor *base)
{
    return ((struct sql_cursor *)base)->done;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *out, int i)
{
    const struct sql_cursor *c = (const struct sql_cursor *)base;
    c->table->cell(c, i, out);
    return SQLITE_OK;
}

/* No two rows of a table may share one: what OR finds twice is told by it. */
static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    const struct sql_cursor *c = (const struct sql_cursor *)base;
    *ret = (sqlite3_int64)(c->row << 32 | (c->sub & UINT32_MAX));
    return SQLITE_OK;
}

static const sqlite3_module methods = {
    .iVersion = 1,
    .xConnect = connect, /* no xCreate: the tables are there by themselves */
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = eof,
    .xColumn = column,
    .xRowid = rowid,
};

static struct err *sqlite_error(struct heap_sql *q, enum err_code code)
{
    return err_new(code, "%s", sqlite3_errmsg(q->db));
}

/* Only reading: no files, no other databases. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    default:
        return ((struct heap_sql *)arg)->declaring ? SQLITE_OK : SQLITE_DENY;
    }
}

static int interrupted(void *arg)
{
    struct heap_sql *q = arg;
    struct err *e = progress_step(q->progress, "query", 0, 0);
    if (!e)
        return 0;
    failed(q, e);
    return 1;
}

struct err *heap_sql_open(const struct snap *s, const struct heap_graph *graph,
                          struct heap_sql **ret)
{
    struct heap_sql *q = mem_alloc(sizeof(*q));
    *q = (struct heap_sql){.s = s, .g = graph};
    struct err *e = NULL;
    if (sqlite3_open_v2(":memory:", &q->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        e = q->db ? sqlite_error(q, ERR_NOMEM) : err_new(ERR_NOMEM, "no memory for SQLite");
    for (size_t i = 0; !e && i < sql_ntables; i++) {
        struct module *m = mem_alloc(sizeof(*m));
        *m = (struct module){q, &sql_tables[i]};
        if (sqlite3_create_module_v2(q->db, sql_tables[i].name, &methods, m, free) != SQLITE_OK)
            e = sqlite_error(q, ERR_NOMEM);
    }
    if (e) {
        heap_sql_close(q);
        return e;
    }
    sqlite3_set_authorizer(q->db, authorize, q);
    sqlite3_progress_handler(q->db, STEPS, interrupted, q);
    *ret = q;
    return NULL;
}

void heap_sql_close(struct heap_sql *q)
{
    if (!q)
        return;
    sqlite3_close_v2(q->db);
    err_free(q->err);
    free(q);
}

/* ---- running ---- */

static struct err *put_columns(sqlite3_stmt *stmt, const struct heap_sql_sink *sink, size_t n)
{
    const char **names = mem_alloc(n * sizeof(*names) + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = sqlite3_column_name(stmt, (int)i);
    struct err *e = sink->columns(sink->arg, names, n);
    free(names);
    return e;
}

static struct heap_sql_cell cell_of(sqlite3_stmt *stmt, int i)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        return (struct heap_sql_cell){HEAP_SQL_INTEGER, .i = sqlite3_column_int64(stmt, i)};
    case SQLITE_FLOAT:
        return (struct heap_sql_cell){HEAP_SQL_REAL, .d = sqlite3_column_double(stmt, i)};
    case SQLITE_NULL:
        return (struct heap_sql_cell){HEAP_SQL_NULL, .i = 0};
    default:
        return (struct heap_sql_cell){HEAP_SQL_TEXT,
                                      .text = (const char *)sqlite3_column_text(stmt, i)};
    }
}

static struct err *run_statement(struct heap_sql *q, sqlite3_stmt *stmt,
                                 const struct heap_sql_sink *sink)
{
    size_t n = (size_t)sqlite3_column_count(stmt);
    int rc = SQLITE_DONE;
    struct heap_sql_cell *cells = mem_alloc(n * sizeof(*cells) + 1);
    struct err *e = n ? put_columns(stmt, sink, n) : NULL;
    while (!e && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (size_t i = 0; i < n; i++)
            cells[i] = cell_of(stmt, (int)i);
        e = sink->row(sink->arg, cells, n);
    }
    free(cells);
    if (!e && q->err) {
        e = q->err;
        q->err = NULL;
    }
    if (!e && rc != SQLITE_DONE)
        e = sqlite_error(q, ERR_USAGE);
    return e;
}

static struct err *prepare(struct heap_sql *q, const char **sql, sqlite3_stmt **ret)
{
    int rc = sqlite3_prepare_v2(q->db, *sql, -1, ret, sql);
    if (rc == SQLITE_OK)
        return NULL;
    if (rc == SQLITE_AUTH)
        return err_hint(
            err_new(ERR_USAGE, "only SELECT can be asked for: a snapshot does not change"),
            "gospect sql TARGET 'SELECT ...'");
    return err_hint(sqlite_error(q, ERR_USAGE), "gospect help sql lists the tables");
}

struct err *heap_sql_run(struct heap_sql *q, const char *sql, const struct heap_sql_sink *sink,
                         struct progress *progress)
{
    struct err *e = NULL;
    q->progress = progress;
    while (!e && *sql) {
        sqlite3_stmt *stmt = NULL;
        e = prepare(q, &sql, &stmt);
        if (!e && stmt)
            e = run_statement(q, stmt, sink);
        sqlite3_finalize(stmt);
    }
    return e;
}

struct err *heap_sql_needs(const char *sql, struct heap_sql_needs *ret)
{
    struct snap *nothing = snap_new();
    struct heap_sql *q = NULL;
    struct err *e = heap_sql_open(nothing, NULL, &q);
    *ret = (struct heap_sql_needs){0};
    while (!e && *sql) {
        sqlite3_stmt *stmt = NULL;
        e = prepare(q, &sql, &stmt);
        sqlite3_finalize(stmt);
        if (!e)
            *ret = (struct heap_sql_needs){q->needs_heap, q->needs_edges};
    }
    heap_sql_close(q);
    snap_free(nothing);
    return e;
}

const char *heap_sql_table(size_t i, const char **ret_what, const char **ret_schema)
{
    if (i >= sql_ntables)
        return NULL;
    *ret_what = sql_tables[i].what;
    *ret_schema = sql_tables[i].schema;
    return sql_tables[i].name;
}
