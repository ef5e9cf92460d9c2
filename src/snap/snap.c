/* snap.c - tables of columns, generated from schema.def; see snap.h. */
#include "snap/snap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "snap/snap_int.h"

#define TABLE(table, doc) static const struct snap_coldef cols_##table[] = {
#define COL(table, type, name, doc)                                                                \
    {#name, SNAP_##type, SNAP_PLAIN, 0, NULL, offsetof(struct snap_##table, name), doc},
#define REF(table, name, target, doc)                                                              \
    {#name, SNAP_IDX, SNAP_REF, TABLE_##target, NULL, offsetof(struct snap_##table, name), doc},
#define MAYBE(table, name, target, doc)                                                            \
    {#name, SNAP_IDX, SNAP_MAYBE, TABLE_##target, NULL, offsetof(struct snap_##table, name), doc},
#define LINK(table, name, target, doc)                                                             \
    {#name, SNAP_IDX, SNAP_LINK, TABLE_##target, NULL, offsetof(struct snap_##table, name), doc},
#define SPAN(table, name, count, target, doc)                                                      \
    {#name, SNAP_IDX, SNAP_SPAN, TABLE_##target, #count, offsetof(struct snap_##table, name), doc},
#define END(table)                                                                                 \
    }                                                                                              \
    ;
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

const struct snap_tabledef snap_tables[] = {
#define TABLE(table, doc)                                                                          \
    {#table, doc, offsetof(struct snap, table), cols_##table, ARRAY_LEN(cols_##table)},
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END
};
const size_t snap_ntables = ARRAY_LEN(snap_tables);

size_t snap_coltype_size(enum snap_coltype type)
{
    static const uint8_t size[] = {[SNAP_U8] = 1,  [SNAP_U16] = 2, [SNAP_U32] = 4, [SNAP_U64] = 8,
                                   [SNAP_I64] = 8, [SNAP_STR] = 4, [SNAP_IDX] = 4};
    return size[type];
}

struct snap *snap_new(void)
{
    struct snap *s = mem_alloc(sizeof(*s));
    intern_init(&s->strings);
    return s;
}

void snap_free(struct snap *s)
{
    if (!s)
        return;
    for (size_t t = 0; t < snap_ntables; t++) {
        struct snap_table_head *table = snap_table_at(s, &snap_tables[t]);
        for (size_t c = 0; c < snap_tables[t].ncols; c++)
            free(*snap_col_at(table, &snap_tables[t].cols[c]));
    }
    intern_free(&s->strings);
    free(s);
}

size_t snap_memory(const struct snap *s)
{
    size_t total =
        sizeof(*s) + s->strings.blob_cap + s->strings.cap * 4 + (s->strings.mask + 1) * 4;
    for (size_t t = 0; t < snap_ntables; t++) {
        const struct snap_tabledef *def = &snap_tables[t];
        size_t cap = snap_table_at((struct snap *)s, def)->cap;
        for (size_t c = 0; c < def->ncols; c++)
            total += cap * snap_coltype_size(def->cols[c].type);
    }
    return total;
}

/* whole: all of it is about to be used, as the tables of a heap and of a file are. */
static bool set_capacity(struct snap_table_head *table, const struct snap_tabledef *t, size_t cap,
                         bool whole)
{
    for (size_t c = 0; c < t->ncols; c++) {
        size_t size = snap_coltype_size(t->cols[c].type);
        void **col = snap_col_at(table, &t->cols[c]);
        bool none = snap_may_be_none(&t->cols[c]), fresh = !*col && !none;
        /* what the system zeroes costs no memory until it is written to */
        void *grown = fresh ? calloc(cap, size) : realloc(*col, cap * size);
        if (!grown)
            return false;
        if (whole)
            mem_advise(grown, cap * size);
        if (!fresh)
            memset((char *)grown + table->cap * size, none ? 0xff : 0, (cap - table->cap) * size);
        *col = grown;
    }
    table->cap = cap;
    return true;
}

/* Growing in steps leaves room that nobody uses, up to a half of every table. */
void snap_trim(struct snap *s)
{
    intern_trim(&s->strings);
    for (size_t t = 0; t < snap_ntables; t++) {
        const struct snap_tabledef *def = &snap_tables[t];
        struct snap_table_head *table = snap_table_at(s, def);
        if (!table->n || table->n == table->cap)
            continue;
        for (size_t c = 0; c < def->ncols; c++) {
            void **col = snap_col_at(table, &def->cols[c]);
            void *less = realloc(*col, table->n * snap_coltype_size(def->cols[c].type));
            *col = less ? less : *col;
        }
        table->cap = table->n;
    }
}

struct err *snap_table_resize(struct snap *s, const struct snap_tabledef *t, size_t n)
{
    struct snap_table_head *table = snap_table_at(s, t);
    if (n >= SNAP_NONE)
        return err_new(ERR_LIMIT, "snapshot table %s: %zu rows are more than it can hold", t->name,
                       n);
    if (n > table->cap && !set_capacity(table, t, n, true))
        return err_new(ERR_NOMEM, "snapshot table %s: no memory for %zu rows", t->name, n);
    table->n = n;
    return NULL;
}

static uint32_t add_row(struct snap *s, const struct snap_tabledef *t)
{
    struct snap_table_head *table = snap_table_at(s, t);
    if (table->n == table->cap &&
        (table->n + 1 >= SNAP_NONE ||
         !set_capacity(table, t, vec_grown_cap(table->cap, table->n + 1), false)))
        mem_oom(table->n);
    return (uint32_t)table->n++;
}

#define TABLE(table, doc)                                                                          \
    uint32_t snap_add_##table(struct snap *s)                                                      \
    {                                                                                              \
        return add_row(s, &snap_tables[TABLE_##table]);                                            \
    }
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

#define TABLE(table, doc)                                                                          \
    struct err *snap_resize_##table(struct snap *s, size_t n)                                      \
    {                                                                                              \
        return snap_table_resize(s, &snap_tables[TABLE_##table], n);                               \
    }
#define COL(table, type, name, doc)
#define END(table)
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END

/* The column grows without being written to: it can have hundreds of megabytes, and what is not
 * used yet must cost nothing. */
struct err *snap_append_edges(struct snap *s, const uint8_t *bytes, size_t n)
{
    struct snap_edge *t = &s->edge;
    if (t->n + n >= SNAP_NONE)
        return err_new(ERR_LIMIT, "the heap has more pointers than a snapshot can hold (4 GiB)");
    if (t->n + n > t->cap) {
        size_t cap = min_u64(vec_grown_cap(t->cap, t->n + n), SNAP_NONE);
        uint8_t *grown = realloc(t->byte, cap);
        if (!grown)
            return err_new(ERR_NOMEM, "no memory for %zu MB of pointers", cap >> 20);
        mem_advise(grown, cap);
        t->byte = grown;
        t->cap = cap;
    }
    if (n)
        memcpy(t->byte + t->n, bytes, n);
    t->n += n;
    return NULL;
}

const char *snap_meta_name(enum snap_meta_key key)
{
    static const char *const names[] = {
#define META(name, doc) #name,
#include "snap/meta.def"
#undef META
    };
    return names[key];
}

static uint32_t find_meta(const struct snap *s, enum snap_meta_key key)
{
    uint32_t id;
    if (!intern_find(&s->strings, snap_meta_name(key), &id))
        return SNAP_NONE;
    for (uint32_t i = 0; i < s->meta.n; i++)
        if (s->meta.key[i] == id)
            return i;
    return SNAP_NONE;
}

void snap_set_meta(struct snap *s, enum snap_meta_key key, const char *value)
{
    uint32_t row = find_meta(s, key);
    if (row == SNAP_NONE) {
        row = snap_add_meta(s);
        s->meta.key[row] = intern_add(&s->strings, snap_meta_name(key));
    }
    s->meta.value[row] = intern_add(&s->strings, value);
}

void snap_set_meta_i64(struct snap *s, enum snap_meta_key key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    snap_set_meta(s, key, text);
}

const char *snap_meta(const struct snap *s, enum snap_meta_key key)
{
    uint32_t row = find_meta(s, key);
    return row == SNAP_NONE ? NULL : snap_str(s, s->meta.value[row]);
}

int64_t snap_meta_i64(const struct snap *s, enum snap_meta_key key, int64_t fallback)
{
    const char *text = snap_meta(s, key);
    return text ? strtoll(text, NULL, 10) : fallback;
}

void snap_set_counter(struct snap *s, const char *name, int64_t value)
{
    uint32_t row = snap_add_counter(s);
    s->counter.name[row] = intern_add(&s->strings, name);
    s->counter.value[row] = value;
}

bool snap_counter(const struct snap *s, const char *name, int64_t *ret)
{
    uint32_t id;
    if (!intern_find(&s->strings, name, &id))
        return false;
    for (size_t i = 0; i < s->counter.n; i++) {
        if (s->counter.name[i] == id) {
            *ret = s->counter.value[i];
            return true;
        }
    }
    return false;
}

void snap_note_missing(struct snap *s, uint64_t count, const char *what, const char *why)
{
    uint32_t what_id = intern_add(&s->strings, what), why_id = intern_add(&s->strings, why);
    for (size_t i = 0; i < s->missing.n; i++) {
        if (s->missing.what[i] == what_id && s->missing.why[i] == why_id) {
            s->missing.count[i] += count;
            return;
        }
    }
    uint32_t row = add_row(s, &snap_tables[TABLE_missing]);
    s->missing.what[row] = what_id;
    s->missing.count[row] = count;
    s->missing.why[row] = why_id;
}

static const char *name_of(const char *const *names, size_t n, size_t i)
{
    return i < n ? names[i] : "unknown";
}

const char *snap_gstatus_name(enum snap_gstatus st)
{
    static const char *const names[] = {"idle",      "runnable",  "running", "syscall", "waiting",
                                        "copystack", "preempted", "leaked",  "dead",    "unknown"};
    return name_of(names, ARRAY_LEN(names), st);
}

const char *snap_pstatus_name(enum snap_pstatus st)
{
    static const char *const names[] = {"idle", "running", "syscall", "gcstop", "dead"};
    return name_of(names, ARRAY_LEN(names), st);
}

const char *snap_where_name(enum snap_where w)
{
    static const char *const names[] = {"unknown", "go", "g0", "gsignal", "foreign"};
    return name_of(names, ARRAY_LEN(names), w);
}

const char *snap_waitkind_name(enum snap_waitkind k)
{
    static const char *const names[] = {
        "unknown",   "chan receive", "chan send", "select receive", "select send",
        "semaphore", "cond",         "read",      "write",          "coroutine"};
    return name_of(names, ARRAY_LEN(names), k);
}

const char *snap_objkind_name(enum snap_objkind k)
{
    static const char *const names[] = {"unknown", "channel", "mutex",     "rwmutex", "waitgroup",
                                        "cond",    "once",    "semaphore", "poll",    "coroutine"};
    return name_of(names, ARRAY_LEN(names), k);
}

const char *snap_act_name(enum snap_act a)
{
    static const char *const names[] = {"other",  "unlock",    "runlock", "lock-again",
                                        "send",   "recv",      "close",   "done",
                                        "signal", "broadcast", "resume",  "take"};
    return name_of(names, ARRAY_LEN(names), a);
}

const char *snap_proof_name(enum snap_proof p)
{
    static const char *const names[] = {"proved", "strong", "weak"};
    return name_of(names, ARRAY_LEN(names), p);
}

const char *snap_how_name(enum snap_how h)
{
    static const char *const names[] = {
        "pending deferred call",        "every path",           "some path",
        "only against memory as it is", "it may take it first", "others would release it, too"};
    return name_of(names, ARRAY_LEN(names), h);
}

int64_t snap_wait_ns(const struct snap *s, uint32_t g)
{
    int64_t since = s->goroutine.wait_since[g];
    int64_t now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
    return since > 0 && now >= since ? now - since : -1;
}
