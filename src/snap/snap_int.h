/* snap_int.h - the schema as data, for the code that treats all columns alike. */
#ifndef GOSPECT_SNAP_SNAP_INT_H
#define GOSPECT_SNAP_SNAP_INT_H

#include "snap/snap.h"

enum snap_coltype { SNAP_U8, SNAP_U16, SNAP_U32, SNAP_U64, SNAP_I64, SNAP_STR, SNAP_IDX };
enum snap_colkind { SNAP_PLAIN, SNAP_REF, SNAP_MAYBE, SNAP_LINK, SNAP_SPAN };

/* Numbers of the tables, in the order of schema.def: TABLE_goroutine and so on. */
enum snap_table_no {
#define TABLE(table, doc) TABLE_##table,
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END
    SNAP_NTABLES,
};

struct snap_coldef {
    const char *name;
    enum snap_coltype type;
    enum snap_colkind kind;
    enum snap_table_no target; /* REF, MAYBE, LINK, SPAN: the table it points to */
    const char *count;         /* SPAN: the column that says how many rows */
    size_t offset;             /* of the column's pointer, inside the table's struct */
    const char *doc;
};

struct snap_tabledef {
    const char *name, *doc;
    size_t offset; /* of the table's struct, inside struct snap */
    const struct snap_coldef *cols;
    size_t ncols;
};

extern const struct snap_tabledef snap_tables[];
extern const size_t snap_ntables;

size_t snap_coltype_size(enum snap_coltype type);

/* The head every table struct shares: n and cap. */
struct snap_table_head {
    size_t n, cap;
};

static inline struct snap_table_head *snap_table_at(struct snap *s, const struct snap_tabledef *t)
{
    return (struct snap_table_head *)((char *)s + t->offset);
}

static inline void **snap_col_at(struct snap_table_head *table, const struct snap_coldef *c)
{
    return (void **)((char *)table + c->offset);
}

/* Whether SNAP_NONE may stand in a column. */
static inline bool snap_may_be_none(const struct snap_coldef *c)
{
    return c->kind == SNAP_MAYBE || c->kind == SNAP_LINK;
}

/* The column of this name, or NULL. */
const struct snap_coldef *snap_find_col(const struct snap_tabledef *t, const char *name);

/* Enum cells with a value of a later version become the "unknown" of their column. */
void snap_settle_enums(struct snap *s);

/* check_heap.c: the tables of the heap. */
struct err *snap_check_heap(const struct snap *s) MUST_USE;

/* Makes room for n rows in every column, new cells zeroed.  NOMEM when n is absurd. */
struct err *snap_table_resize(struct snap *s, const struct snap_tabledef *t, size_t n) MUST_USE;

#endif
