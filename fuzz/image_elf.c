/* ELF files: headers, segments, sections (zlib, zstd, .zdebug_*), symbols, notes, relocations,
 * build info.  The input is the file. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/pclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct err *touch_symbol(void *arg, const struct image_symbol *s)
{
    struct image_symbol found;
    err_free(image_symbol_at(arg, s->addr, &found));
    return image_symbol_named(arg, s->name, &found);
}

static void read_sections(struct image *img)
{
    const struct image_section *s;
    size_t n = image_sections(img, &s);
    for (size_t i = 0; i < n && i < 256; i++) {
        const uint8_t *p;
        size_t len;
        const char *packed;
        uint64_t claimed;
        struct err *e = image_section_bytes(img, &s[i], &p, &len);
        volatile uint8_t last = !e && len ? p[len - 1] : 0;
        (void)last;
        err_free(e);
        err_free(image_section_compression(img, &s[i], &packed, &claimed));
    }
}

static void read_words(struct image *img)
{
    const struct image_segment *s;
    uint64_t word;
    size_t n = image_segments(img, &s);
    for (size_t i = 0; i < n && i < 64; i++) {
        for (uint64_t off = 0; off < 512; off += 8)
            err_free(image_relocated_u64(img, s[i].vaddr + off, &word));
        err_free(image_relocated_u64(img, s[i].vaddr + s[i].filesz - 4, &word));
    }
}

static void read_image(struct image *img)
{
    const struct image_buildinfo *bi;
    const char *const names[] = {"main", "main.main", "runtime.text", "main", ""};
    taddr at[5];
    struct image_moduledata md;
    read_sections(img);
    read_words(img);
    err_free(image_buildinfo(img, &bi));
    err_free(image_each_symbol(img, touch_symbol, img));
    image_find_symbols(img, names, 5, at);
    err_free(image_moduledata(img, &md));
    (void)!strlen(image_go_build_id(img));
    (void)!strlen(image_gnu_build_id(img));
}

/* The same from a file, and as the parts that a process has of it. */
static void read_otherwise(const uint8_t *data, size_t size)
{
    struct image *img;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct err *e = NULL;
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size && !(e = image_open_fd(fd, "fd", &img))) {
        read_image(img);
        image_unref(img);
    }
    err_free(e);
    close(fd);
    const struct image_part parts[] = {{0x400000, data, size / 2, true, false, true},
                                       {0x500000, data + size / 2, size - size / 2, true, true, 0}};
    e = image_open_parts(parts, 2, "parts", &img);
    if (!e) {
        read_image(img);
        image_unref(img);
    }
    err_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image *img;
    struct err *e = image_open_bytes(data, size, "fuzz", &img);
    if (!e) {
        read_image(img);
        image_unref(img);
    }
    err_free(e);
    if (size % 8 == 0)
        read_otherwise(data, size);
    return 0;
}
