/* Core files: headers, segments that overlap or are absurd, notes, cut files, the program out of
 * memory.  The input is the file.
 *
 * Whatever opens keeps the promises of target.h: mappings are ordered and disjoint, threads are
 * ordered, what can be read as a whole can be read in parts, and is the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/core_int.h"

enum { LOOKED_AT = 64, PIECE = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Reads n bytes at once and in two parts. */
static void read_twice(struct target *t, taddr at, size_t n)
{
    uint8_t whole[PIECE], part[PIECE];
    struct err *e = target_read(t, at, whole, n), *f = target_read(t, at, part, n / 2);
    if (!f)
        f = target_read(t, at + n / 2, part + n / 2, n - n / 2);
    must(!e == !f && (e || memcmp(whole, part, n) == 0));
    err_free(e);
    err_free(f);
}

static void read_memory(struct target *t, const struct target_mapping *maps, size_t n)
{
    for (size_t i = 0; i < n && i < LOOKED_AT; i++) {
        const taddr at[] = {maps[i].start, maps[i].end - PIECE / 2, maps[i].end,
                            maps[i].start + 4096 - PIECE / 2};
        for (size_t k = 0; k < ARRAY_LEN(at); k++)
            if (at[k] <= UINT64_MAX - PIECE)
                read_twice(t, at[k], PIECE);
    }
}

static void look(struct target *t, struct arena *a)
{
    struct target_mapping *maps;
    struct target_thread *threads;
    struct target_process p;
    struct image *img;
    taddr slide;
    size_t n, nthreads;
    must(!target_mappings(t, a, &maps, &n));
    for (size_t i = 0; i < n; i++)
        must(maps[i].start < maps[i].end && (i == 0 || maps[i - 1].end <= maps[i].start));
    must(!target_threads(t, a, &threads, &nthreads) && nthreads);
    for (size_t i = 1; i < nthreads; i++)
        must(threads[i - 1].tid <= threads[i].tid);
    must(!target_process(t, a, &p) && strlen(p.comm) < 64 && p.threads == nthreads);
    target_incomplete(t, a);
    read_memory(t, maps, n);
    struct err *e = target_image(t, &img, &slide);
    if (!e) {
        read_memory(t, maps, n);
        image_unref(img);
    }
    err_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct target *t;
    struct arena a;
    char path[64];
    int fd = memfd_create("core", MFD_CLOEXEC);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    arena_init(&a);
    struct err *e = target_open_core(path, NULL, &t);
    if (!e) {
        look(t, &a);
        target_close(t);
    }
    err_free(e);
    arena_free(&a);
    close(fd);
    return 0;
}
