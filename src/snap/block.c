/* block.c - up to 32,768 cells of a column as few bytes; docs/formats/snapshot.md, Blocks.
 *
 * Cells become small numbers (minus the least, or the difference to the row above, or to the cell
 * on the left), small numbers become bytes (planes of equal significance, or varints), bytes are
 * packed with zstd when that is smaller.  The writer tries the combinations on a sample and keeps
 * the smallest: measured on real snapshots, each wins somewhere
 * (docs/decisions/columnar-snapshot.md). */
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "base/mem.h"
#include "snap/file_int.h"

enum {
    SAMPLE_ROWS = 2048, /* on which the ways are compared */
    PACK_MIN = 40,      /* bytes below which zstd never gains anything */
    LEVEL_NUMBERS = 1,  /* of zstd: a higher one gains 5 % and takes twice as long */
    LEVEL_TEXT = 3,
};

/* The ways that are compared.  Others were tried and gained nothing on any column
 * (docs/decisions/columnar-snapshot.md). */
static const struct {
    enum block_transform transform;
    enum block_layout layout;
} ways[] = {{BLOCK_DICT, BLOCK_PLANES},
            {BLOCK_PLAIN, BLOCK_PLANES},
            {BLOCK_DELTA, BLOCK_PLANES},
            {BLOCK_DELTA, BLOCK_VARINT},
            {BLOCK_LEFT, BLOCK_PLANES}};

uint32_t file_crc(const void *bytes, size_t n)
{
    return libdeflate_crc32(0, bytes, n);
}

struct err *block_coder_init(struct block_coder *c)
{
    *c = (struct block_coder){0};
    c->packed_cap = ZSTD_compressBound(BLOCK_TEXT);
    c->cells = mem_try_alloc(BLOCK_ROWS * sizeof(*c->cells));
    c->left = mem_try_alloc(BLOCK_ROWS * sizeof(*c->left));
    c->small = mem_try_alloc(BLOCK_ROWS * sizeof(*c->small));
    c->bytes = mem_try_alloc(BLOCK_BYTES_MAX);
    c->packed = mem_try_alloc(c->packed_cap);
    c->cctx = ZSTD_createCCtx();
    c->dctx = ZSTD_createDCtx();
    if (c->cells && c->left && c->small && c->bytes && c->packed && c->cctx && c->dctx)
        return NULL;
    block_coder_free(c);
    return err_new(ERR_NOMEM, "no memory for coding snapshots");
}

void block_coder_free(struct block_coder *c)
{
    free(c->cells);
    free(c->left);
    free(c->small);
    free(c->bytes);
    free(c->packed);
    ZSTD_freeCCtx(c->cctx);
    ZSTD_freeDCtx(c->dctx);
    *c = (struct block_coder){0};
}

/* ---- cells and 64-bit numbers ---- */

#define WIDEN(T, expr)                                                                             \
    do {                                                                                           \
        const T *v = (const T *)column + first;                                                    \
        for (size_t i = 0; i < n; i++)                                                             \
            ret_cells[i] = (expr);                                                                 \
    } while (0)

void block_load(const void *column, enum snap_coltype type, size_t first, size_t n,
                uint64_t *ret_cells)
{
    if (type == SNAP_U8)
        WIDEN(uint8_t, v[i]);
    else if (type == SNAP_U16)
        WIDEN(uint16_t, v[i]);
    else if (type == SNAP_U32 || type == SNAP_STR)
        WIDEN(uint32_t, v[i]);
    else if (type == SNAP_IDX)
        WIDEN(uint32_t, v[i] + 1);
    else
        WIDEN(uint64_t, v[i]);
}
#undef WIDEN

#define NARROW(T, expr)                                                                            \
    do {                                                                                           \
        T *v = (T *)column + first;                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            over |= cells[i] > (T)-1;                                                              \
            v[i] = (T)(expr);                                                                      \
        }                                                                                          \
    } while (0)

bool block_store(void *column, enum snap_coltype type, size_t first, size_t n,
                 const uint64_t *cells)
{
    bool over = false;
    if (type == SNAP_U8)
        NARROW(uint8_t, cells[i]);
    else if (type == SNAP_U16)
        NARROW(uint16_t, cells[i]);
    else if (type == SNAP_U32 || type == SNAP_STR)
        NARROW(uint32_t, cells[i]);
    else if (type == SNAP_IDX)
        NARROW(uint32_t, cells[i] - 1);
    else if (n)
        memcpy((uint64_t *)column + first, cells, n * sizeof(*cells));
    return !over;
}
#undef NARROW

/* ---- the list of all cells that occur ---- */

static uint16_t *dict_slot(struct block_coder *c, uint64_t cell)
{
    size_t i = hash_u64(cell) % BLOCK_DICT_SLOTS;
    while (c->slots[i] && c->dict[c->slots[i] - 1] != cell)
        i = (i + 1) % BLOCK_DICT_SLOTS;
    return &c->slots[i];
}

static int ascending(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

/* Fills c->dict, or sets c->ndict to 0 when there are too many: found out after few cells. */
static void make_dict(struct block_coder *c, const uint64_t *cells, size_t n)
{
    c->ndict = 0;
    memset(c->slots, 0, sizeof(c->slots));
    for (size_t i = 0; i < n; i++) {
        if (i && cells[i] == cells[i - 1])
            continue;
        uint16_t *slot = dict_slot(c, cells[i]);
        if (*slot)
            continue;
        if (c->ndict == BLOCK_DICT_MAX) {
            c->ndict = 0;
            return;
        }
        c->dict[c->ndict++] = cells[i];
        *slot = (uint16_t)c->ndict;
    }
    qsort(c->dict, c->ndict, sizeof(*c->dict), ascending);
    memset(c->slots, 0, sizeof(c->slots));
    for (size_t i = 0; i < c->ndict; i++)
        *dict_slot(c, c->dict[i]) = (uint16_t)(i + 1);
}

/* ---- small numbers ---- */

static uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static uint64_t unzigzag(uint64_t v)
{
    return v >> 1 ^ (0 - (v & 1));
}

struct numbers {
    enum block_transform transform;
    uint64_t first; /* DELTA: the first cell */
    uint64_t base;  /* what was taken off every number */
    unsigned shift; /* zero bits at the end of every number that were cut off */
    unsigned width; /* bytes of the largest */
};

/* What the transform makes of each cell, in c->small; of DELTA the first one is left out. */
static void differences(struct block_coder *c, enum block_transform t, const uint64_t *cells,
                        const uint64_t *left, size_t n)
{
    uint64_t *u = c->small;
    switch (t) {
    case BLOCK_PLAIN:
        memcpy(u, cells, n * sizeof(*u));
        return;
    case BLOCK_DELTA:
        for (size_t i = 1; i < n; i++)
            u[i] = zigzag(cells[i] - cells[i - 1]);
        return;
    case BLOCK_LEFT:
        for (size_t i = 0; i < n; i++)
            u[i] = zigzag(cells[i] - left[i]);
        return;
    case BLOCK_DICT:
        for (size_t i = 0; i < n; i++)
            u[i] = i && cells[i] == cells[i - 1] ? u[i - 1] : *dict_slot(c, cells[i]) - 1u;
        return;
    }
}

/* Small numbers in c->small: base + (number << shift) is what the transform made of the cell. */
static void transform(struct block_coder *c, enum block_transform t, const uint64_t *cells,
                      const uint64_t *left, size_t n, struct numbers *ret)
{
    uint64_t *u = c->small, least = UINT64_MAX, bits = 0;
    size_t from = t == BLOCK_DELTA; /* the first difference is to nothing */
    *ret = (struct numbers){.transform = t, .first = cells[0]};
    differences(c, t, cells, left, n);
    for (size_t i = from; i < n; i++)
        least = u[i] < least ? u[i] : least;
    ret->base = from < n && t != BLOCK_DICT ? least : 0;
    for (size_t i = from; i < n; i++)
        bits |= u[i] -= ret->base;
    ret->shift = bits && t != BLOCK_DICT ? (unsigned)__builtin_ctzll(bits) : 0;
    for (bits >>= ret->shift; bits; bits >>= 8)
        ret->width++;
    for (size_t i = from; i < n && ret->shift; i++)
        u[i] >>= ret->shift;
    if (from)
        u[0] = 0;
}

static size_t put_planes(const uint64_t *u, size_t n, unsigned width, uint8_t *out)
{
    for (unsigned k = 0; k < width; k++)
        for (size_t i = 0; i < n; i++)
            *out++ = (uint8_t)(u[i] >> (8 * k));
    return n * width;
}

static size_t put_varints(const uint64_t *u, size_t n, uint8_t *out)
{
    uint8_t *p = out;
    for (size_t i = 0; i < n; i++) {
        uint64_t v = u[i];
        for (; v > 0x7f; v >>= 7)
            *p++ = (uint8_t)(v | 0x80);
        *p++ = (uint8_t)v;
    }
    return (size_t)(p - out);
}

/* Packs c->bytes into c->packed; the size, or 0 when it does not get smaller. */
static size_t pack(struct block_coder *c, const void *bytes, size_t n, int level)
{
    size_t size = ZSTD_compressCCtx(c->cctx, c->packed, c->packed_cap, bytes, n, level);
    return ZSTD_isError(size) || size >= n ? 0 : size;
}

/* Codes cells one way into c->bytes, *bytes of them; what it takes when packed, too. */
static size_t code(struct block_coder *c, size_t way, const uint64_t *cells, const uint64_t *left,
                   size_t n, struct numbers *num, size_t *bytes)
{
    transform(c, ways[way].transform, cells, left, n, num);
    *bytes = ways[way].layout == BLOCK_PLANES ? put_planes(c->small, n, num->width, c->bytes)
                                              : put_varints(c->small, n, c->bytes);
    size_t packed = *bytes >= PACK_MIN ? pack(c, c->bytes, *bytes, LEVEL_NUMBERS) : 0;
    return packed ? packed : *bytes;
}

static size_t best_way(struct block_coder *c, const uint64_t *cells, const uint64_t *left, size_t n)
{
    size_t best = 0, least = SIZE_MAX, bytes;
    make_dict(c, cells, n);
    size_t from = n > 2 * SAMPLE_ROWS ? n / 2 : 0, rows = from ? SAMPLE_ROWS : n;
    for (size_t way = 0; way < ARRAY_LEN(ways) && least; way++) {
        struct numbers num;
        if ((ways[way].transform == BLOCK_LEFT && !left) ||
            (ways[way].transform == BLOCK_DICT && !c->ndict))
            continue;
        size_t size = code(c, way, cells + from, left ? left + from : NULL, rows, &num, &bytes);
        if (ways[way].transform == BLOCK_DICT)
            size += c->ndict; /* roughly what the list takes */
        if (size < least) {
            least = size;
            best = way;
        }
    }
    return best;
}

/* The density rule: a reader may refuse what claims more cells than its bytes can stand for. */
static void pad(struct buf *out, size_t begin, size_t cells)
{
    size_t least = (cells + BLOCK_CELLS_PER_BYTE - 1) / BLOCK_CELLS_PER_BYTE, n = out->n - begin;
    if (n < least)
        buf_repeat(out, 0, least - n);
}

void block_encode(struct block_coder *c, const uint64_t *cells, const uint64_t *left, size_t n,
                  struct buf *out)
{
    size_t begin = out->n, way = best_way(c, cells, left, n), bytes;
    struct numbers num;
    size_t size = code(c, way, cells, left, n, &num, &bytes);
    buf_char(out, (char)num.transform);
    buf_char(out, (char)ways[way].layout);
    buf_char(out, size < bytes ? BLOCK_ZSTD : BLOCK_STORED);
    buf_char(out, (char)num.shift);
    if (num.transform == BLOCK_DELTA)
        buf_uleb(out, num.first);
    if (num.transform == BLOCK_DICT) {
        buf_uleb(out, c->ndict);
        for (size_t i = 0; i < c->ndict; i++)
            buf_uleb(out, c->dict[i] - (i ? c->dict[i - 1] : 0));
    }
    buf_uleb(out, num.base);
    buf_uleb(out, bytes);
    buf_uleb(out, size);
    buf_add(out, size < bytes ? c->packed : c->bytes, size);
    pad(out, begin, n);
}

void block_encode_text(struct block_coder *c, const char *text, size_t n, struct buf *out)
{
    size_t begin = out->n, size = n ? pack(c, text, n, LEVEL_TEXT) : 0;
    buf_char(out, size ? BLOCK_ZSTD : BLOCK_STORED);
    buf_uleb(out, size ? size : n);
    buf_add(out, size ? (const char *)c->packed : text, size ? size : n);
    pad(out, begin, n);
}

/* ---- reading ---- */

/* The next `size` bytes of the block, unpacked to exactly `plain` bytes; NULL: bad. */
static const uint8_t *unpack(struct block_coder *c, struct cursor *in, enum block_packing packing,
                             size_t size, size_t plain, uint8_t *to)
{
    const uint8_t *p = cursor_bytes(in, size);
    if (p && packing == BLOCK_STORED && size == plain)
        return p;
    if (p && packing == BLOCK_ZSTD && ZSTD_decompressDCtx(c->dctx, to, plain, p, size) == plain)
        return to;
    cursor_fail(in);
    return NULL;
}

static void get_planes(const uint8_t *p, size_t n, size_t width, uint64_t *u)
{
    memset(u, 0, n * sizeof(*u));
    for (size_t k = 0; k < width; k++, p += n)
        for (size_t i = 0; i < n; i++)
            u[i] |= (uint64_t)p[i] << (8 * k);
}

static void get_varints(struct cursor *in, size_t n, uint64_t *u)
{
    for (size_t i = 0; i < n; i++)
        u[i] = cursor_uleb(in);
}

/* The numbers of a block, from its bytes. */
static void get_numbers(struct block_coder *c, struct cursor *in, enum block_layout layout,
                        enum block_packing packing, size_t n, uint64_t *u)
{
    uint64_t plain = cursor_uleb(in), size = cursor_uleb(in);
    if (in->bad || plain > n * 10 || size > cursor_left(in)) {
        cursor_fail(in);
        return;
    }
    const uint8_t *p = unpack(c, in, packing, (size_t)size, (size_t)plain, c->bytes);
    if (p && layout == BLOCK_PLANES && plain % n == 0 && plain / n <= 8) {
        get_planes(p, n, (size_t)(plain / n), u);
    } else if (p && layout == BLOCK_VARINT) {
        struct cursor bytes = cursor_on(p, (size_t)plain, in->what);
        get_varints(&bytes, n, u);
        if (bytes.bad || cursor_left(&bytes))
            cursor_fail(in);
    } else {
        cursor_fail(in);
    }
}

static void read_dict(struct block_coder *c, struct cursor *in)
{
    uint64_t n = cursor_uleb(in);
    if (n == 0 || n > BLOCK_DICT_MAX)
        cursor_fail(in);
    c->ndict = in->bad ? 0 : (size_t)n;
    for (size_t i = 0; i < c->ndict; i++)
        c->dict[i] = cursor_uleb(in) + (i ? c->dict[i - 1] : 0);
}

/* Undoes a transform; v are the small numbers, and then the cells. */
static void restore(struct block_coder *c, struct cursor *in, const struct numbers *num,
                    const uint64_t *left, size_t n, uint64_t *v)
{
    for (size_t i = 0; i < n; i++)
        v[i] = num->base + (v[i] << num->shift);
    if (num->transform == BLOCK_DELTA) {
        v[0] = num->first;
        for (size_t i = 1; i < n; i++)
            v[i] = v[i - 1] + unzigzag(v[i]);
    } else if (num->transform == BLOCK_LEFT) {
        for (size_t i = 0; i < n; i++)
            v[i] = left[i] + unzigzag(v[i]);
    } else if (num->transform == BLOCK_DICT) {
        for (size_t i = 0; i < n; i++) {
            if (v[i] >= c->ndict)
                cursor_fail(in);
            v[i] = c->dict[v[i] < c->ndict ? v[i] : 0];
        }
    }
}

void block_decode(struct block_coder *c, struct cursor *in, const uint64_t *left, size_t n,
                  uint64_t *ret_cells)
{
    struct numbers num = {.transform = (enum block_transform)cursor_u8(in)};
    uint8_t layout = cursor_u8(in), packing = cursor_u8(in);
    num.shift = cursor_u8(in);
    if (num.transform == BLOCK_DELTA)
        num.first = cursor_uleb(in);
    if (num.transform == BLOCK_DICT)
        read_dict(c, in);
    num.base = cursor_uleb(in);
    if (n == 0 || n > BLOCK_ROWS || num.shift > 63 || num.transform > BLOCK_DICT ||
        (num.transform == BLOCK_LEFT && !left))
        cursor_fail(in);
    if (!in->bad)
        get_numbers(c, in, layout, packing, n, ret_cells);
    if (!in->bad)
        restore(c, in, &num, left, n, ret_cells);
}

void block_decode_text(struct block_coder *c, struct cursor *in, size_t n, char *ret)
{
    uint8_t packing = cursor_u8(in);
    uint64_t size = cursor_uleb(in);
    if (in->bad || size > cursor_left(in)) {
        cursor_fail(in);
        return;
    }
    const uint8_t *p = unpack(c, in, packing, (size_t)size, n, (uint8_t *)ret);
    if (p && p != (const uint8_t *)ret)
        memcpy(ret, p, n);
}
