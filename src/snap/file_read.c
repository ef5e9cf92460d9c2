/* file_read.c - a snapshot from a file; docs/formats/snapshot.md.
 *
 * Nothing in the file is believed: header, directory and every block carry checksums; a table may
 * have only as many rows as its bytes can stand for (the density rule), so that a small file cannot
 * ask for much memory; at the end snap_check() proves what readers rely on.  Errors name the file
 * and the column.  Columns this program does not know are left out, columns the file does not have
 * stay empty, and the snapshot's `missing` table says so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avail.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/vec.h"
#include "snap/file_int.h"

enum {
    DIRECTORY_RATIO = 16, /* zstd may not make more of the directory than this */
    DIRECTORY_SLACK = 65536,
    MEMORY_RATIO = 4096, /* bytes of cells for a byte of the file: twice what density allows, for */
    MEMORY_SLACK = 1 << 20, /* columns that the file does not have */
    TABLES_MAX = 1024,
    COLUMNS_MAX = 1024,
};

struct column {
    const char *name;
    uint8_t type;
    const struct snap_coldef *def; /* NULL: not one of ours */
    size_t block;                  /* first of its blocks */
};

struct table {
    const char *name;
    size_t rows, block_rows, nblocks;
    size_t col, ncols;               /* its columns */
    const struct snap_tabledef *def; /* NULL: not one of ours */
};

struct block {
    uint64_t at;
    uint32_t size, crc;
};

/* Rows of one table that are decoded together, column by column from the left. */
struct range {
    uint32_t table;
    size_t block;
};

struct reader {
    const uint8_t *p;
    size_t n;
    struct snap *s;
    struct arena mem;
    void *directory;
    uint64_t directory_at;
    uint64_t memory; /* that the cells will take */
    VEC(struct table) tables;
    VEC(struct column) cols;
    VEC(struct block) blocks;
    VEC(struct range) ranges;
    uint32_t *lengths; /* of the strings */
    char *text;        /* their bytes */
    size_t nlengths, ntext;
    struct block_coder *coders; /* one for each worker, made when it is first needed */
};

/* Fuzzers see what lies behind the checksums. */
static bool crc_is(const void *bytes, size_t n, uint32_t crc)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#else
    return file_crc(bytes, n) == crc;
#endif
}

static struct err *damaged(const char *what)
{
    return err_new(ERR_BAD_DATA, "the snapshot is damaged: %s", what);
}

/* ---- header, trailer, directory ---- */

static struct err *read_header(struct reader *r)
{
    struct cursor c = cursor_on(r->p, r->n, "header");
    const uint8_t *magic = cursor_bytes(&c, 8);
    if (!magic || memcmp(magic, FILE_MAGIC, 8) != 0)
        return err_new(ERR_BAD_DATA, "not a snapshot of gospect");
    uint16_t major = cursor_u16(&c), minor = cursor_u16(&c);
    const uint8_t *writer = cursor_bytes(&c, FILE_WRITER_SIZE);
    uint32_t crc = cursor_u32(&c);
    if (!c.bad && !crc_is(r->p, FILE_HEADER_SIZE - 4, crc))
        return damaged("the checksum of its header is wrong");
    if (!c.bad && major > FILE_MAJOR)
        return err_hint(
            err_new(ERR_UNSUPPORTED,
                    "snapshot format %u.%u (written by %.*s) is newer than format %d.x, "
                    "which gospect %s reads",
                    major, minor, (int)strnlen((const char *)writer, FILE_WRITER_SIZE),
                    (const char *)writer, FILE_MAJOR, GOSPECT_VERSION),
            "Read it with the gospect that wrote it, or a newer one");
    if (!c.bad && major < 1)
        return damaged("there never was a format 0");
    return c.bad ? damaged("it ends inside its header") : NULL;
}

static struct err *unpack_directory(struct reader *r, struct cursor *ret)
{
    if (r->n < FILE_HEADER_SIZE + FILE_TRAILER_SIZE ||
        memcmp(r->p + r->n - 8, FILE_END_MAGIC, 8) != 0)
        return err_new(ERR_BAD_DATA, "the snapshot is cut off: its end is missing after %zu bytes",
                       r->n);
    const uint8_t *trailer = r->p + r->n - FILE_TRAILER_SIZE;
    struct cursor c = cursor_on(trailer, FILE_TRAILER_SIZE, "trailer");
    uint64_t at = cursor_u64(&c);
    uint32_t size = cursor_u32(&c), plain = cursor_u32(&c), crc = cursor_u32(&c);
    if (!crc_is(trailer, 20, cursor_u32(&c)))
        return damaged("the checksum of its trailer is wrong");
    if (at < FILE_HEADER_SIZE || at + size != r->n - FILE_TRAILER_SIZE)
        return damaged("its parts do not have the sizes they should have; something is missing or "
                       "was added");
    if (!crc_is(r->p + at, size, crc))
        return damaged("the checksum of its directory is wrong");
    if (plain > (uint64_t)size * DIRECTORY_RATIO + DIRECTORY_SLACK)
        return damaged("its directory claims an absurd size");
    void *bytes = r->directory = mem_try_alloc(plain);
    if (!bytes)
        return err_new(ERR_NOMEM, "no memory for the directory of the snapshot");
    if (plain == size)
        memcpy(bytes, r->p + at, size);
    else if (ZSTD_decompress(bytes, plain, r->p + at, size) != plain)
        return damaged("its directory cannot be unpacked");
    r->directory_at = at;
    *ret = cursor_on(bytes, plain, "the directory of the snapshot");
    return NULL;
}

static const char *read_name(struct reader *r, struct cursor *c)
{
    uint64_t n = cursor_uleb(c);
    const uint8_t *p = n <= cursor_left(c) ? cursor_bytes(c, (size_t)n) : NULL;
    if (!p)
        cursor_fail(c);
    return p ? arena_strndup(&r->mem, (const char *)p, (size_t)n) : "";
}

static const struct snap_tabledef *find_table(const char *name)
{
    for (size_t t = 0; t < snap_ntables; t++)
        if (strcmp(snap_tables[t].name, name) == 0)
            return &snap_tables[t];
    return NULL;
}

static size_t rows_of(const struct table *t, size_t block)
{
    return (size_t)min_u64(t->block_rows, t->rows - block * t->block_rows);
}

static struct err *read_column(struct reader *r, struct cursor *c, const struct table *t,
                               uint64_t *at)
{
    struct column col = {.name = read_name(r, c), .type = cursor_u8(c), .block = r->blocks.n};
    if (t->def)
        col.def = snap_find_col(t->def, col.name);
    for (size_t i = 0; i < t->nblocks && !c->bad; i++) {
        struct block b = {.at = *at};
        uint64_t size = cursor_uleb(c);
        b.crc = cursor_u32(c);
        if (size > r->directory_at - *at || rows_of(t, i) > size * BLOCK_CELLS_PER_BYTE)
            return err_new(
                ERR_BAD_DATA,
                "the snapshot is damaged: column %s.%s, block %zu has an impossible size", t->name,
                col.name, i);
        b.size = (uint32_t)size;
        *at += size;
        vec_push(&r->blocks, b);
    }
    vec_push(&r->cols, col);
    return NULL;
}

static struct err *read_table(struct reader *r, struct cursor *c, uint64_t *at)
{
    struct table t = {.name = read_name(r, c), .col = r->cols.n};
    uint64_t rows = cursor_uleb(c), block_rows = cursor_uleb(c), ncols = cursor_uleb(c);
    bool text = strcmp(t.name, FILE_TEXT) == 0;
    if (c->bad || rows >= SNAP_NONE || block_rows == 0 ||
        block_rows > (text ? BLOCK_TEXT : BLOCK_ROWS) || ncols > COLUMNS_MAX || (rows && !ncols))
        return err_new(ERR_BAD_DATA, "the snapshot is damaged: table %s makes no sense", t.name);
    t.rows = (size_t)rows;
    t.block_rows = (size_t)block_rows;
    t.nblocks = (t.rows + t.block_rows - 1) / t.block_rows;
    t.ncols = (size_t)ncols;
    t.def = find_table(t.name);
    for (size_t i = 0; i < t.ncols; i++)
        TRY(read_column(r, c, &t, at));
    TRY(cursor_err(c)); /* so there are no more blocks than the directory has bytes for */
    for (size_t i = 0; i < t.nblocks; i++)
        vec_push(&r->ranges, ((struct range){(uint32_t)r->tables.n, i}));
    vec_push(&r->tables, t);
    return NULL;
}

static struct err *read_directory(struct reader *r)
{
    struct cursor c;
    TRY(unpack_directory(r, &c));
    uint64_t ntables = cursor_uleb(&c), at = FILE_HEADER_SIZE;
    if (ntables > TABLES_MAX)
        return damaged("it claims too many tables");
    for (uint64_t i = 0; i < ntables && !c.bad; i++)
        TRY(read_table(r, &c, &at));
    TRY(cursor_err(&c));
    return at == r->directory_at && !cursor_left(&c) ? NULL : damaged("its directory has gaps");
}

/* ---- blocks ---- */

static struct err *bad_block(const struct table *t, const struct column *col, size_t block,
                             const char *what)
{
    return err_new(ERR_BAD_DATA, "the snapshot is damaged: column %s.%s, block %zu: %s", t->name,
                   col->name, block, what);
}

/* The integer types may have become wider or narrower since; whether values fit is seen later. */
static bool compatible(uint8_t in_file, enum snap_coltype ours)
{
    return in_file == ours || (in_file <= SNAP_I64 && ours <= SNAP_I64);
}

static struct err *decode_range(void *arg, size_t i, unsigned worker)
{
    struct reader *r = arg;
    const struct range *range = &r->ranges.v[i];
    const struct table *t = &r->tables.v[range->table];
    struct block_coder *c = &r->coders[worker];
    if (!c->cells)
        TRY(block_coder_init(c));
    size_t rows = rows_of(t, range->block), first = range->block * t->block_rows;
    for (size_t k = 0; k < t->ncols; k++) {
        const struct column *col = &r->cols.v[t->col + k];
        const struct block *b = &r->blocks.v[col->block + range->block];
        struct cursor in = cursor_on(r->p + b->at, b->size, col->name);
        if (!crc_is(in.p, b->size, b->crc))
            return bad_block(t, col, range->block, "its checksum is wrong");
        bool fits = true;
        if (col->type == TYPE_TEXT) {
            if (strcmp(t->name, FILE_TEXT) != 0 || k)
                return bad_block(t, col, range->block, "text is not expected here");
            block_decode_text(c, &in, rows, r->text + first);
        } else {
            uint64_t *cells = c->cells;
            block_decode(c, &in, k ? c->left : NULL, rows, cells);
            if (!in.bad && col->def)
                fits = block_store(*snap_col_at(snap_table_at(r->s, t->def), col->def),
                                   col->def->type, first, rows, cells);
            else if (!in.bad && strcmp(t->name, FILE_STRINGS) == 0 && k == 0)
                fits = block_store(r->lengths, SNAP_U32, first, rows, cells);
            c->cells = c->left;
            c->left = cells;
        }
        if (in.bad || !fits)
            return bad_block(t, col, range->block, fits ? "malformed" : "a value does not fit");
    }
    return NULL;
}

/* ---- tables ---- */

static struct err *make_room(struct reader *r, const struct table *t)
{
    for (size_t k = 0; t->def && k < t->ncols; k++) {
        const struct column *col = &r->cols.v[t->col + k];
        if (col->def && !compatible(col->type, col->def->type))
            return err_new(ERR_UNSUPPORTED, "column %s.%s has type %u, expected %u", t->name,
                           col->name, col->type, col->def->type);
    }
    if (t->def) {
        for (size_t c = 0; c < t->def->ncols; c++)
            r->memory += t->rows * snap_coltype_size(t->def->cols[c].type);
        if (r->memory > (uint64_t)r->n * MEMORY_RATIO + MEMORY_SLACK)
            return err_new(ERR_BAD_DATA, "the snapshot is damaged: table %s claims too many rows",
                           t->name);
        if (snap_table_at(r->s, t->def)->n)
            return err_new(ERR_BAD_DATA, "the snapshot is damaged: table %s occurs twice", t->name);
        return snap_table_resize(r->s, t->def, t->rows);
    }
    bool lengths = strcmp(t->name, FILE_STRINGS) == 0, text = strcmp(t->name, FILE_TEXT) == 0;
    if (!lengths && !text)
        return NULL;
    if ((lengths ? (void *)r->lengths : (void *)r->text) || t->ncols < 1 ||
        (r->cols.v[t->col].type == TYPE_TEXT) != text)
        return err_new(ERR_BAD_DATA, "the snapshot is damaged: table %s makes no sense", t->name);
    void *room = mem_try_alloc(t->rows * (lengths ? sizeof(*r->lengths) : 1) + 1);
    if (!room)
        return err_new(ERR_NOMEM, "no memory for the strings of the snapshot");
    if (lengths) {
        r->lengths = room;
        r->nlengths = t->rows;
    } else {
        r->text = room;
        r->ntext = t->rows;
    }
    return NULL;
}

static struct err *make_strings(struct reader *r)
{
    if (!r->lengths || !r->text)
        return damaged("it has no strings");
    uint64_t at = 0;
    for (size_t i = 0; i < r->nlengths; i++) {
        uint32_t length = r->lengths[i];
        if (length >= r->ntext - at || r->text[at + length] != '\0')
            return damaged("column string.length does not fit the text");
        r->lengths[i] = (uint32_t)at; /* from now on: where each begins */
        at += length + 1;
    }
    if (at != r->ntext || !r->nlengths || r->text[0])
        return damaged("column string.length does not fit the text");
    intern_free(&r->s->strings);
    bool distinct = intern_adopt(&r->s->strings, r->text, r->ntext, r->lengths, r->nlengths);
    r->text = NULL;
    r->lengths = NULL;
    return distinct ? NULL : damaged("a string occurs twice");
}

/* Notes what the file has and we do not know, and what we know and the file does not have. */
static struct err *compare_schema(struct reader *r)
{
    char what[160];
    for (size_t i = 0; i < r->tables.n; i++) {
        const struct table *t = &r->tables.v[i];
        bool strings = strcmp(t->name, FILE_STRINGS) == 0 || strcmp(t->name, FILE_TEXT) == 0;
        for (size_t k = 0; k < t->ncols && !strings; k++) {
            const struct column *col = &r->cols.v[t->col + k];
            snprintf(what, sizeof(what), "column %s.%s", t->name, col->name);
            if (!col->def && t->rows)
                snap_note_missing(r->s, t->rows, what, "a newer gospect wrote it; not known here");
        }
        for (size_t c = 0; t->def && t->rows && c < t->def->ncols; c++) {
            const struct snap_coldef *def = &t->def->cols[c];
            bool found = false;
            for (size_t k = 0; k < t->ncols; k++)
                found |= r->cols.v[t->col + k].def == def;
            snprintf(what, sizeof(what), "column %s.%s", t->name, def->name);
            if (!found && (def->kind == SNAP_REF || def->kind == SNAP_SPAN))
                return err_new(ERR_BAD_DATA, "the snapshot is damaged: it has no %s", what);
            if (!found)
                snap_note_missing(r->s, t->rows, what, "the gospect that wrote it did not know it");
        }
    }
    return NULL;
}

/* Memory that is not there is given all the same, and whoever uses it is killed: so ask first. */
static struct err *check_memory(const struct reader *r)
{
    enum { MIB = 1 << 20, NOT_WORTH_ASKING = 8 * MIB };
    const char *why;
    uint64_t need = 0;
    for (size_t i = 0; i < r->tables.n; i++) {
        const struct table *t = &r->tables.v[i];
        for (size_t c = 0; t->def && c < t->def->ncols; c++)
            need += t->rows * snap_coltype_size(t->def->cols[c].type);
        need += t->def ? 0 : t->rows;
    }
    if (need < NOT_WORTH_ASKING || need > (uint64_t)r->n * MEMORY_RATIO + MEMORY_SLACK)
        return NULL; /* or it is damaged, and that is said */
    uint64_t left = mem_available(&why);
    if (need <= left)
        return NULL;
    return err_hint(err_new(ERR_LIMIT,
                            "it takes %" PRIu64 " MB of memory, and %s leaves %" PRIu64 " MB",
                            need / MIB, why, left / MIB),
                    "look at it where there is more memory");
}

static struct err *read_all(struct reader *r)
{
    TRY(read_header(r));
    TRY(read_directory(r));
    TRY(check_memory(r));
    for (size_t i = 0; i < r->tables.n; i++)
        TRY(make_room(r, &r->tables.v[i]));
    TRY(pool_run(r->ranges.n, decode_range, r));
    TRY(make_strings(r));
    TRY(compare_schema(r));
    snap_settle_enums(r->s);
    return err_wrap(snap_check(r->s), "the snapshot is damaged");
}

struct err *snap_read_bytes(const void *bytes, size_t n, const char *name, struct snap **ret)
{
    struct reader r = {.p = bytes, .n = n, .s = snap_new()};
    unsigned width = pool_width();
    arena_init(&r.mem);
    r.coders = mem_alloc(width * sizeof(*r.coders));
    struct err *e = err_wrap(read_all(&r), "%s", name);
    for (unsigned i = 0; i < width; i++)
        block_coder_free(&r.coders[i]);
    free(r.coders);
    free(r.directory);
    free(r.lengths);
    free(r.text);
    vec_free(&r.tables);
    vec_free(&r.cols);
    vec_free(&r.blocks);
    vec_free(&r.ranges);
    arena_free(&r.mem);
    if (e)
        snap_free(r.s);
    else
        *ret = r.s;
    return e;
}

struct err *snap_read_file(const char *path, struct snap **ret)
{
    struct file_map map;
    TRY(file_map_path(path, &map));
    struct err *e = snap_read_bytes(map.p, map.n, path, ret);
    file_unmap(&map);
    return e;
}

bool snap_is_file(const char *path)
{
    struct file_map map;
    struct err *e = file_map_path(path, &map);
    if (e) {
        err_free(e);
        return false;
    }
    bool is = map.n >= 8 && memcmp(map.p, FILE_MAGIC, 8) == 0;
    file_unmap(&map);
    return is;
}
