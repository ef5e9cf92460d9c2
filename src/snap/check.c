/* check.c - what every reader of a snapshot may rely on; see schema.def.
 *
 * Invariants proved here: row numbers lie inside the table they point to, those of a table's own
 * rows point upwards (so that following them ends), spans lie inside, strings exist (those of
 * fingerprints, too), enums are known, the tables that are searched by goroutine or label set are
 * in that order, no stack is deeper than SNAP_DEPTH_MAX; for the heap see check_heap.c.  The time
 * is linear in the cells. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "snap/snap_int.h"

/* Tables searched by halving: the column ascends. */
static const struct {
    enum snap_table_no table;
    const char *column;
} in_order[] = {{TABLE_label, "set"},       {TABLE_wait, "goroutine"},
                {TABLE_local, "goroutine"}, {TABLE_heapref, "goroutine"},
                {TABLE_panic, "goroutine"}, {TABLE_owner, "goroutine"},
                {TABLE_ahead, "goroutine"}};

static const struct {
    enum snap_table_no table;
    const char *column;
    uint8_t count, unknown;
} enums[] = {{TABLE_goroutine, "status", SNAP_G_COUNT, SNAP_G_UNKNOWN},
             {TABLE_frame, "func_id", SNAP_FN_OTHER + 1, SNAP_FN_OTHER},
             {TABLE_wait, "kind", SNAP_W_COUNT, SNAP_W_UNKNOWN},
             {TABLE_wait, "role", SNAP_ROLE_COUNT, SNAP_ROLE_NONE},
             {TABLE_object, "kind", SNAP_OBJ_COUNT, SNAP_OBJ_UNKNOWN},
             {TABLE_object, "named", SNAP_NAMED_COUNT, SNAP_NAMED_NONE},
             {TABLE_lock, "kind", SNAP_OBJ_COUNT, SNAP_OBJ_UNKNOWN},
             {TABLE_thread, "where", SNAP_AT_FOREIGN + 1, SNAP_AT_UNKNOWN},
             {TABLE_proc, "status", SNAP_P_UNKNOWN + 1, SNAP_P_UNKNOWN},
             {TABLE_shape, "form", SNAP_FORM_COUNT, SNAP_FORM_UNKNOWN},
             {TABLE_shape, "evidence", SNAP_EV_COUNT, SNAP_EV_NONE},
             {TABLE_root, "kind", SNAP_ROOT_COUNT, SNAP_ROOT_OTHER},
             {TABLE_special, "kind", SNAP_SPECIAL_COUNT, SNAP_SPECIAL_OTHER},
             {TABLE_bucket, "kind", SNAP_BUCKET_COUNT, SNAP_BUCKET_MEM},
             {TABLE_owner, "act", SNAP_ACT_COUNT, SNAP_ACT_OTHER},
             {TABLE_owner, "evidence", SNAP_PROOF_COUNT, SNAP_PROOF_WEAK},
             {TABLE_owner, "how", SNAP_HOW_COUNT, SNAP_HOW_SOME_PATH},
             {TABLE_copied, "kind", SNAP_OBJ_COUNT, SNAP_OBJ_UNKNOWN},
             {TABLE_closer, "evidence", SNAP_PROOF_COUNT, SNAP_PROOF_WEAK},
             {TABLE_closer, "how", SNAP_CLOSED_COUNT, SNAP_CLOSED_OTHER}};

const struct snap_coldef *snap_find_col(const struct snap_tabledef *t, const char *name)
{
    for (size_t c = 0; c < t->ncols; c++)
        if (strcmp(t->cols[c].name, name) == 0)
            return &t->cols[c];
    return NULL;
}

static const void *cells(const struct snap *s, enum snap_table_no table, const char *column,
                         size_t *n)
{
    const struct snap_tabledef *t = &snap_tables[table];
    struct snap_table_head *head = snap_table_at((struct snap *)s, t);
    *n = head->n;
    return *snap_col_at(head, snap_find_col(t, column));
}

static struct err *bad(const struct snap_tabledef *t, const char *column, size_t row,
                       const char *what)
{
    return err_new(ERR_BAD_DATA, "column %s.%s, row %zu: %s", t->name, column, row, what);
}

static struct err *check_column(const struct snap *s, const struct snap_tabledef *t,
                                const struct snap_coldef *c, const uint32_t *v, size_t n)
{
    if (c->type == SNAP_STR) {
        for (size_t i = 0; i < n; i++)
            if (v[i] >= s->strings.n)
                return bad(t, c->name, i, "there is no such string");
        return NULL;
    }
    size_t limit = snap_table_at((struct snap *)s, &snap_tables[c->target])->n;
    bool own = &snap_tables[c->target] == t && c->kind != SNAP_LINK, maybe = snap_may_be_none(c);
    for (size_t i = 0; i < n; i++) {
        if (maybe && v[i] == SNAP_NONE)
            continue;
        if (v[i] >= limit)
            return bad(t, c->name, i, "it points to a row that does not exist");
        if (own && v[i] >= i)
            return bad(t, c->name, i, "it points to a later row of its own table");
    }
    return NULL;
}

static uint64_t count_at(const void *v, enum snap_coltype type, size_t i)
{
    return type == SNAP_U8    ? ((const uint8_t *)v)[i]
           : type == SNAP_U16 ? ((const uint16_t *)v)[i]
                              : ((const uint32_t *)v)[i];
}

static struct err *check_span(const struct snap *s, const struct snap_tabledef *t,
                              const struct snap_coldef *c, const uint32_t *v, size_t n)
{
    const struct snap_coldef *count = snap_find_col(t, c->count);
    const void *counts = *snap_col_at(snap_table_at((struct snap *)s, t), count);
    size_t limit = snap_table_at((struct snap *)s, &snap_tables[c->target])->n;
    for (size_t i = 0; i < n; i++)
        if (v[i] + count_at(counts, count->type, i) > limit)
            return bad(t, c->name, i, "it points to rows that do not exist");
    return NULL;
}

static struct err *check_columns(const struct snap *s)
{
    for (size_t t = 0; t < snap_ntables; t++) {
        const struct snap_tabledef *def = &snap_tables[t];
        struct snap_table_head *head = snap_table_at((struct snap *)s, def);
        for (size_t c = 0; c < def->ncols; c++) {
            const struct snap_coldef *col = &def->cols[c];
            const uint32_t *v = *snap_col_at(head, col);
            if (col->kind == SNAP_SPAN)
                TRY(check_span(s, def, col, v, head->n));
            else if (col->kind != SNAP_PLAIN || col->type == SNAP_STR)
                TRY(check_column(s, def, col, v, head->n));
        }
    }
    return NULL;
}

static struct err *check_order(const struct snap *s)
{
    for (size_t k = 0; k < ARRAY_LEN(in_order); k++) {
        size_t n;
        const uint32_t *v = cells(s, in_order[k].table, in_order[k].column, &n);
        for (size_t i = 1; i < n; i++)
            if (v[i] < v[i - 1])
                return bad(&snap_tables[in_order[k].table], in_order[k].column, i,
                           "the rows are not in order");
    }
    return NULL;
}

static struct err *check_enums(const struct snap *s)
{
    for (size_t k = 0; k < ARRAY_LEN(enums); k++) {
        size_t n;
        const uint8_t *v = cells(s, enums[k].table, enums[k].column, &n);
        for (size_t i = 0; i < n; i++)
            if (v[i] >= enums[k].count)
                return bad(&snap_tables[enums[k].table], enums[k].column, i, "unknown value");
    }
    return NULL;
}

void snap_settle_enums(struct snap *s)
{
    for (size_t k = 0; k < ARRAY_LEN(enums); k++) {
        size_t n;
        uint8_t *v = (uint8_t *)cells(s, enums[k].table, enums[k].column, &n);
        for (size_t i = 0; i < n; i++)
            if (v[i] >= enums[k].count)
                v[i] = enums[k].unknown;
    }
}

static struct err *check_fingerprints(const struct snap *s)
{
    for (size_t i = 0; i < s->heapobj.n; i++)
        if (snap_fingerprint_type(s->heapobj.fingerprint[i]) >= s->strings.n)
            return bad(&snap_tables[TABLE_heapobj], "fingerprint", i, "there is no such string");
    return NULL;
}

/* Nodes point to earlier ones (checked before), so one pass tells every depth. */
static struct err *check_depths(const struct snap *s)
{
    const struct snap_tabledef *t = &snap_tables[TABLE_stack];
    size_t n = s->stack.n;
    uint32_t *depth = mem_try_alloc(n * sizeof(*depth));
    struct err *e = depth ? NULL : err_new(ERR_NOMEM, "no memory to check %zu stack nodes", n);
    for (size_t i = 0; !e && i < n; i++) {
        uint32_t parent = s->stack.parent[i];
        depth[i] = parent == SNAP_NONE ? 1 : depth[parent] + 1;
        if (depth[i] > SNAP_DEPTH_MAX)
            e = bad(t, "parent", i, "the stack is too deep");
    }
    free(depth);
    return e;
}

struct err *snap_check(const struct snap *s)
{
    TRY(check_columns(s));
    TRY(check_order(s));
    TRY(check_enums(s));
    TRY(check_fingerprints(s));
    TRY(snap_check_heap(s));
    return check_depths(s);
}

/* The run of equal values in an ascending column. */
static uint32_t run_of(const uint32_t *v, size_t n, uint32_t value, uint32_t *first)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = (uint32_t)lo;
    while (hi < n && v[hi] == value)
        hi++;
    return (uint32_t)(hi - lo);
}

uint32_t snap_labels_of(const struct snap *s, uint32_t set, uint32_t *first)
{
    *first = 0;
    return set ? run_of(s->label.set, s->label.n, set, first) : 0;
}

uint32_t snap_waits_of(const struct snap *s, uint32_t g, uint32_t *first)
{
    return run_of(s->wait.goroutine, s->wait.n, g, first);
}

uint32_t snap_locals_of(const struct snap *s, uint32_t g, uint32_t *first)
{
    return run_of(s->local.goroutine, s->local.n, g, first);
}
