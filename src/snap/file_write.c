/* file_write.c - a snapshot as a file; docs/formats/snapshot.md.
 *
 * One pass from front to back, so that it can go into a pipe: header, the blocks of every column,
 * the directory that says where they are, a trailer that says where that is.  Blocks are coded on
 * all cores, a window of them at a time, so that memory stays bounded however large the tables are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/vec.h"
#include "snap/file_int.h"

enum { WINDOW = 128 };

struct column {
    const char *name;
    uint8_t type;
    const void *data;
};

struct table {
    const char *name;
    size_t rows, block_rows;
    const struct column *cols;
    size_t ncols;
};

struct block {
    uint32_t table, col;
    size_t first, rows;
};

struct writer {
    struct err *(*sink)(void *arg, const void *bytes, size_t n);
    void *arg;
    uint64_t at;
    struct arena mem;
    VEC(struct table) tables;
    VEC(struct block) blocks;
    VEC(uint32_t) sizes, crcs; /* of the blocks, as stored */
    struct buf window[WINDOW];
    size_t window_first;
    struct block_coder *coders; /* one for each worker, made when it is first needed */
};

static struct err *put(struct writer *w, const void *bytes, size_t n)
{
    w->at += n;
    return w->sink(w->arg, bytes, n);
}

static void add_table(struct writer *w, const struct table *t)
{
    uint32_t table = (uint32_t)w->tables.n;
    vec_push(&w->tables, *t);
    for (uint32_t col = 0; col < t->ncols; col++)
        for (size_t first = 0; first < t->rows; first += t->block_rows) {
            struct block b = {.table = table,
                              .col = col,
                              .first = first,
                              .rows = (size_t)min_u64(t->block_rows, t->rows - first)};
            vec_push(&w->blocks, b);
        }
}

static void add_strings(struct writer *w, const struct snap *s)
{
    const struct intern *in = &s->strings;
    uint32_t *lengths = arena_array(&w->mem, uint32_t, in->n);
    for (uint32_t i = 0; i < in->n; i++)
        lengths[i] = (uint32_t)intern_len(in, i);
    struct column *cols = arena_array(&w->mem, struct column, 2);
    cols[0] = (struct column){FILE_STRINGS_LENGTH, SNAP_U32, lengths};
    cols[1] = (struct column){FILE_TEXT_BYTE, TYPE_TEXT, in->blob};
    add_table(w, &(struct table){FILE_STRINGS, in->n, BLOCK_ROWS, &cols[0], 1});
    add_table(w, &(struct table){FILE_TEXT, in->blob_n, BLOCK_TEXT, &cols[1], 1});
}

static void add_snap_table(struct writer *w, const struct snap *s, const struct snap_tabledef *def)
{
    struct snap_table_head *head = snap_table_at((struct snap *)s, def);
    struct column *cols = arena_array(&w->mem, struct column, def->ncols);
    for (size_t c = 0; c < def->ncols; c++)
        cols[c] = (struct column){def->cols[c].name, (uint8_t)def->cols[c].type,
                                  *snap_col_at(head, &def->cols[c])};
    add_table(w, &(struct table){def->name, head->n, BLOCK_ROWS, cols, def->ncols});
}

static struct err *code_block(void *arg, size_t i, unsigned worker)
{
    struct writer *w = arg;
    const struct block *b = &w->blocks.v[w->window_first + i];
    const struct column *col = &w->tables.v[b->table].cols[b->col];
    struct block_coder *c = &w->coders[worker];
    struct buf *out = &w->window[i];
    if (!c->cells)
        TRY(block_coder_init(c));
    buf_clear(out);
    if (col->type == TYPE_TEXT) {
        block_encode_text(c, (const char *)col->data + b->first, b->rows, out);
        return NULL;
    }
    block_load(col->data, col->type, b->first, b->rows, c->cells);
    if (b->col)
        block_load(col[-1].data, col[-1].type, b->first, b->rows, c->left);
    block_encode(c, c->cells, b->col ? c->left : NULL, b->rows, out);
    return NULL;
}

static struct err *put_blocks(struct writer *w)
{
    for (w->window_first = 0; w->window_first < w->blocks.n; w->window_first += WINDOW) {
        size_t n = (size_t)min_u64(WINDOW, w->blocks.n - w->window_first);
        TRY(pool_run(n, code_block, w));
        for (size_t i = 0; i < n; i++) {
            const struct buf *b = &w->window[i];
            vec_push(&w->sizes, (uint32_t)b->n);
            vec_push(&w->crcs, file_crc(b->p, b->n));
            TRY(put(w, b->p, b->n));
        }
    }
    return NULL;
}

static void put_u16(struct buf *b, uint16_t v)
{
    buf_add(b, &v, sizeof(v));
}

static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof(v));
}

static void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof(v));
}

static void put_name(struct buf *b, const char *name)
{
    buf_uleb(b, strlen(name));
    buf_str(b, name);
}

static struct err *put_header(struct writer *w)
{
    char version[FILE_WRITER_SIZE] = {0};
    struct buf b = {0};
    strncpy(version, "gospect " GOSPECT_VERSION, sizeof(version) - 1);
    buf_add(&b, FILE_MAGIC, 8);
    put_u16(&b, FILE_MAJOR);
    put_u16(&b, FILE_MINOR);
    buf_add(&b, version, sizeof(version));
    put_u32(&b, file_crc(b.p, b.n));
    struct err *e = put(w, b.p, b.n);
    buf_free(&b);
    return e;
}

static void directory(const struct writer *w, struct buf *out)
{
    size_t block = 0;
    buf_uleb(out, w->tables.n);
    for (size_t t = 0; t < w->tables.n; t++) {
        const struct table *table = &w->tables.v[t];
        put_name(out, table->name);
        buf_uleb(out, table->rows);
        buf_uleb(out, table->block_rows);
        buf_uleb(out, table->ncols);
        for (size_t c = 0; c < table->ncols; c++) {
            put_name(out, table->cols[c].name);
            buf_char(out, (char)table->cols[c].type);
            for (size_t first = 0; first < table->rows; first += table->block_rows, block++) {
                buf_uleb(out, w->sizes.v[block]);
                put_u32(out, w->crcs.v[block]);
            }
        }
    }
}

static struct err *put_directory(struct writer *w)
{
    struct buf plain = {0}, out = {0};
    directory(w, &plain);
    size_t cap = ZSTD_compressBound(plain.n), size;
    void *packed = mem_try_alloc(cap);
    struct err *e = packed ? NULL : err_new(ERR_NOMEM, "no memory for the directory");
    uint64_t at = w->at;
    if (!e) {
        size = ZSTD_compress(packed, cap, plain.p, plain.n, 3);
        if (!ZSTD_isError(size) && size >= plain.n) { /* equal sizes: stored as it is */
            size = plain.n;
            memcpy(packed, plain.p, plain.n);
        }
        if (ZSTD_isError(size) || size > UINT32_MAX || plain.n > UINT32_MAX || plain.full)
            e = err_new(ERR_LIMIT, "the directory does not fit");
    }
    if (!e) {
        e = put(w, packed, size);
        put_u64(&out, at);
        put_u32(&out, (uint32_t)size);
        put_u32(&out, (uint32_t)plain.n);
        put_u32(&out, file_crc(packed, size));
        put_u32(&out, file_crc(out.p, out.n));
        buf_add(&out, FILE_END_MAGIC, 8);
    }
    if (!e)
        e = put(w, out.p, out.n);
    free(packed);
    buf_free(&plain);
    buf_free(&out);
    return e;
}

static struct err *write_all_of(struct writer *w, const struct snap *s)
{
    TRY(snap_check(s));
    add_strings(w, s);
    for (size_t t = 0; t < snap_ntables; t++)
        add_snap_table(w, s, &snap_tables[t]);
    TRY(put_header(w));
    TRY(put_blocks(w));
    return put_directory(w);
}

struct err *snap_write_to(const struct snap *s,
                          struct err *(*sink)(void *arg, const void *bytes, size_t n), void *arg)
{
    struct writer w = {.sink = sink, .arg = arg};
    unsigned width = pool_width();
    arena_init(&w.mem);
    w.coders = mem_alloc(width * sizeof(*w.coders));
    struct err *e = write_all_of(&w, s);
    for (unsigned i = 0; i < width; i++)
        block_coder_free(&w.coders[i]);
    for (size_t i = 0; i < WINDOW; i++)
        buf_free(&w.window[i]);
    free(w.coders);
    vec_free(&w.tables);
    vec_free(&w.blocks);
    vec_free(&w.sizes);
    vec_free(&w.crcs);
    arena_free(&w.mem);
    return e;
}

static struct err *to_file(void *arg, const void *bytes, size_t n)
{
    return file_out_write(arg, bytes, n);
}

struct err *snap_write_file(const struct snap *s, const char *path)
{
    struct file_out out;
    TRY(file_out_open(path, 0600, &out)); /* what a process did is its owner's business */
    struct err *e = snap_write_to(s, to_file, &out);
    if (!e)
        return file_out_commit(&out);
    file_out_abort(&out);
    return err_wrap(e, "cannot save snapshot %s", path);
}
