/* file_int.h - what reader and writer of snapshot files share; the format itself is described in
 * docs/formats/snapshot.md. */
#ifndef GOSPECT_SNAP_FILE_INT_H
#define GOSPECT_SNAP_FILE_INT_H

#include <zstd.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "snap/snap_int.h"

#define FILE_MAGIC "\x89GSNAP\r\n" /* not text, and damaged by whatever takes it for text */
#define FILE_END_MAGIC "GSNAPEND"

enum {
    FILE_MAJOR = 1, /* another layout: older programs cannot read it */
    FILE_MINOR = 4, /* tables or columns were added: older programs read the rest */
    FILE_HEADER_SIZE = 32,
    FILE_TRAILER_SIZE = 32,
    FILE_WRITER_SIZE = 16, /* of the name of the program, in the header */

    BLOCK_ROWS = 32768,         /* rows of a block; the last of a column has the rest */
    BLOCK_TEXT = 1 << 20,       /* bytes of a block of text */
    BLOCK_CELLS_PER_BYTE = 256, /* the density rule: no block holds more cells for a byte */

    TYPE_TEXT = 16, /* type of the column that holds the bytes of strings; the others are
                       enum snap_coltype, whose numbers are part of the format */
};

/* Names of the two tables that hold the strings: their lengths, and their bytes end to end. */
#define FILE_STRINGS "string"
#define FILE_STRINGS_LENGTH "length"
#define FILE_TEXT "text"
#define FILE_TEXT_BYTE "byte"

/* How the cells of a block became small numbers (docs/formats/snapshot.md, Blocks). */
enum block_transform { BLOCK_PLAIN, BLOCK_DELTA, BLOCK_LEFT, BLOCK_DICT };
enum block_layout { BLOCK_PLANES, BLOCK_VARINT };
enum block_packing { BLOCK_STORED, BLOCK_ZSTD };

enum { BLOCK_DICT_MAX = 256, BLOCK_DICT_SLOTS = 1024 };

/* Memory for coding one block after the other.  Thread: one at a time. */
struct block_coder {
    uint64_t *cells, *left, *small; /* BLOCK_ROWS each */
    uint8_t *bytes;                 /* BLOCK_BYTES_MAX */
    uint8_t *packed;                /* ZSTD_compressBound() of that */
    size_t packed_cap;
    uint64_t dict[BLOCK_DICT_MAX];    /* the different cells of a block, ascending */
    size_t ndict;                     /* 0: there are too many */
    uint16_t slots[BLOCK_DICT_SLOTS]; /* where a cell stands in it, by hash: 1 + number */
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
};
enum { BLOCK_BYTES_MAX = BLOCK_ROWS * 10 };

struct err *block_coder_init(struct block_coder *c) MUST_USE;
void block_coder_free(struct block_coder *c);

/* Appends the n <= BLOCK_ROWS cells as one block.  left: the cells of the column to the left, or
 * NULL. */
void block_encode(struct block_coder *c, const uint64_t *cells, const uint64_t *left, size_t n,
                  struct buf *out);
void block_encode_text(struct block_coder *c, const char *text, size_t n, struct buf *out);

/* The n cells of a block; left as above (NULL: there is none).  Bad data leaves the cursor bad. */
void block_decode(struct block_coder *c, struct cursor *in, const uint64_t *left, size_t n,
                  uint64_t *ret_cells);
void block_decode_text(struct block_coder *c, struct cursor *in, size_t n, char *ret);

/* Cells of a column as 64-bit numbers, and back.  Row numbers are counted from 1, so that "none" is
 * 0.  block_store() is false when a number does not fit. */
void block_load(const void *column, enum snap_coltype type, size_t first, size_t n,
                uint64_t *ret_cells);
bool block_store(void *column, enum snap_coltype type, size_t first, size_t n,
                 const uint64_t *cells);

uint32_t file_crc(const void *bytes, size_t n);

#endif
