/* elf_content.c - the bytes of a section, inflated: SHF_COMPRESSED (zlib, zstd) and the older
 * .zdebug_ sections (zlib), which Go's linker wrote until 1.18.
 *
 * Invariant: what is allocated was claimed by a size that the compression could really reach. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "image/image_int.h"

/* A section that claims to be larger than this when decompressed is refused. */
#define SECTION_MAX ((uint64_t)8 << 30)

enum { COMPRESS_ZSTD = 2 /* ELFCOMPRESS_ZSTD, which older headers lack */, BEST_RATIO = 1100 };

static struct err *inflate_zlib(const struct image_section *sec, const uint8_t *in, size_t n,
                                uint8_t *out, size_t out_n)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d)
        return err_new(ERR_NOMEM, "no memory to decompress section %s", sec->name);
    enum libdeflate_result r = libdeflate_zlib_decompress(d, in, n, out, out_n, NULL);
    libdeflate_free_decompressor(d);
    if (r != LIBDEFLATE_SUCCESS)
        return err_new(ERR_BAD_DATA, "section %s: the zlib data is corrupt", sec->name);
    return NULL;
}

static struct err *inflate_zstd(const struct image_section *sec, const uint8_t *in, size_t n,
                                uint8_t *out, size_t out_n)
{
    size_t r = ZSTD_decompress(out, out_n, in, n);
    if (ZSTD_isError(r) || r != out_n)
        return err_new(ERR_BAD_DATA, "section %s: the zstd data is corrupt", sec->name);
    return NULL;
}

/* Reads the header before compressed data: Elf64_Chdr, or "ZLIB" and a big-endian size. */
static struct err *compression(const struct image_section *sec, struct cursor *c, uint32_t *type,
                               uint64_t *size)
{
    if (sec->flags & SHF_COMPRESSED) {
        *type = cursor_u32(c);
        cursor_skip(c, 4);
        *size = cursor_u64(c);
        cursor_skip(c, 8);
    } else {
        const uint8_t *magic = cursor_bytes(c, 4);
        *type = magic && memcmp(magic, "ZLIB", 4) == 0 ? ELFCOMPRESS_ZLIB : 0;
        *size = __builtin_bswap64(cursor_u64(c));
    }
    TRY(cursor_err(c));
    if (*type != ELFCOMPRESS_ZLIB && *type != COMPRESS_ZSTD)
        return err_new(ERR_UNSUPPORTED, "section %s: unknown compression %u", sec->name, *type);
    /* zlib and zstd reach about 1:1030 at most; a larger claim is a bomb or damage */
    if (*size > SECTION_MAX || *size / BEST_RATIO > cursor_left(c))
        return err_new(ERR_BAD_DATA, "section %s: claims %llu bytes from %zu", sec->name,
                       (unsigned long long)*size, cursor_left(c));
    return NULL;
}

static struct err *inflate(const struct image_section *sec, const uint8_t *in, size_t n,
                           struct image_content *content)
{
    struct cursor c = cursor_on(in, n, sec->name);
    uint32_t type;
    uint64_t size;
    TRY(compression(sec, &c, &type, &size));
    uint8_t *out = malloc(size ? size : 1);
    if (!out)
        return err_new(ERR_NOMEM, "no memory for %llu bytes of section %s",
                       (unsigned long long)size, sec->name);
    struct err *e = type == ELFCOMPRESS_ZLIB ? inflate_zlib(sec, c.p, cursor_left(&c), out, size)
                                             : inflate_zstd(sec, c.p, cursor_left(&c), out, size);
    if (e) {
        free(out);
        return e;
    }
    content->p = content->owned = out;
    content->n = size;
    return NULL;
}

static struct err *fill_content(const struct image *img, const struct image_section *sec,
                                struct image_content *content)
{
    if (sec->type == SHT_NOBITS) {
        content->p = img->bytes;
    } else if (!image_in_file(img, sec->offset, sec->size)) {
        return err_new(ERR_BAD_DATA, "section %s lies outside the file (truncated?)", sec->name);
    } else if (sec->compressed) {
        TRY(inflate(sec, img->bytes + sec->offset, sec->size, content));
    } else {
        content->p = img->bytes + sec->offset;
        content->n = sec->size;
    }
    content->ready = true;
    return NULL;
}

struct err *image_section_bytes(struct image *img, const struct image_section *sec,
                                const uint8_t **ret, size_t *ret_n)
{
    struct image_content *content = &img->contents[sec - img->sections];
    pthread_mutex_lock(&content->lock);
    struct err *e = content->ready ? NULL : fill_content(img, sec, content);
    *ret = content->p;
    *ret_n = content->n;
    pthread_mutex_unlock(&content->lock);
    return err_wrap(e, "%s", img->name);
}

struct err *image_section_compression(const struct image *img, const struct image_section *sec,
                                      const char **ret, uint64_t *ret_size)
{
    *ret = NULL;
    *ret_size = sec->size;
    if (!sec->compressed || sec->type == SHT_NOBITS)
        return NULL;
    if (!image_in_file(img, sec->offset, sec->size))
        return err_new(ERR_BAD_DATA, "section %s lies outside the file (truncated?)", sec->name);
    struct cursor c = cursor_on(img->bytes + sec->offset, sec->size, sec->name);
    uint32_t type;
    TRY(compression(sec, &c, &type, ret_size));
    bool gnu = !(sec->flags & SHF_COMPRESSED);
    *ret = gnu ? "zlib-gnu" : type == ELFCOMPRESS_ZLIB ? "zlib" : "zstd";
    return NULL;
}
