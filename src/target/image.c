/* image.c - finding and placing a program's image with what is in memory; see image_int.h. */
#include "target/image_int.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "image/debugfile.h"

enum { PHDRS_MAX = 512, PROBE = 64, PAGE = 4096, CHUNK = 1 << 20 };
#define IMAGE_MAX ((uint64_t)1 << 30) /* of the segments together */

/* ---- an image out of memory ---- */

struct loaded {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[PHDRS_MAX];
    size_t n;
    taddr slide;
    uint64_t copied; /* bytes of its segments that could be read */
};

static struct err *read_headers(struct target *t, taddr phdr, uint64_t phnum, struct loaded *l)
{
    if (phnum == 0 || phnum > PHDRS_MAX)
        return err_new(ERR_BAD_DATA, "the program in memory has %llu program headers",
                       (unsigned long long)phnum);
    l->n = phnum;
    TRY(target_read(t, phdr, l->phdr, phnum * sizeof(*l->phdr)));
    /* Linkers put the program headers right behind the ELF header. */
    TRY(target_read(t, phdr - sizeof(l->ehdr), &l->ehdr, sizeof(l->ehdr)));
    if (memcmp(l->ehdr.e_ident, ELFMAG, SELFMAG) != 0 || l->ehdr.e_phoff != sizeof(l->ehdr))
        return err_new(ERR_BAD_DATA, "the program in memory has no ELF header");
    for (size_t i = 0; i < l->n; i++)
        if (l->phdr[i].p_type == PT_LOAD && l->phdr[i].p_offset == 0) {
            l->slide = phdr - sizeof(l->ehdr) - l->phdr[i].p_vaddr;
            return NULL;
        }
    return err_new(ERR_BAD_DATA, "no segment of the program in memory holds its header");
}

static struct err *write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
    if (pwrite(fd, bytes, n, (off_t)at) != (ssize_t)n)
        return err_sys(errno, "cannot keep a program from memory");
    return NULL;
}

/* Pages of a segment that cannot be read (a core without them) stay holes. */
static struct err *copy_segment(struct target *t, struct loaded *l, const Elf64_Phdr *p,
                                uint8_t *buf, int fd)
{
    for (uint64_t at = 0; at < p->p_filesz;) {
        size_t n = min_u64(p->p_filesz - at, CHUNK);
        struct target_iov iov = {l->slide + p->p_vaddr + at, (uint32_t)n, false, buf};
        TRY(target_readv(t, &iov, 1));
        if (!iov.ok) { /* page by page, then */
            iov.n = (uint32_t)(n = min_u64(n, PAGE - (iov.addr & (PAGE - 1))));
            TRY(target_readv(t, &iov, 1));
        }
        if (iov.ok) {
            TRY(write_at(fd, buf, n, p->p_offset + at));
            l->copied += n;
        }
        at += n;
    }
    return NULL;
}

/* How long the file is that holds all segments, and how many bytes they have. */
static struct err *measure(const struct loaded *l, uint64_t *ret_end, uint64_t *ret_bytes)
{
    *ret_end = sizeof(l->ehdr) + l->n * sizeof(*l->phdr);
    *ret_bytes = 0;
    for (size_t i = 0; i < l->n; i++) {
        const Elf64_Phdr *p = &l->phdr[i];
        if (p->p_type != PT_LOAD)
            continue;
        if (p->p_filesz > IMAGE_MAX - *ret_bytes || p->p_offset > IMAGE_MAX)
            return err_new(ERR_LIMIT, "the program in memory is too large");
        *ret_bytes += p->p_filesz;
        *ret_end = max_u64(*ret_end, p->p_offset + p->p_filesz);
    }
    return NULL;
}

/* Most of it must be there: the kernel and gcore leave code and read-only data out of cores, and
 * the rest is of no use.  It also keeps a damaged header from making us hold a large empty file. */
static struct err *copy_program(struct target *t, struct loaded *l, int fd)
{
    uint64_t end, bytes;
    TRY(measure(l, &end, &bytes));
    if (ftruncate(fd, (off_t)end) < 0)
        return err_sys(errno, "cannot keep a program from memory");
    uint8_t *buf = mem_alloc(CHUNK);
    struct err *e = NULL;
    for (size_t i = 0; i < l->n && !e; i++)
        if (l->phdr[i].p_type == PT_LOAD)
            e = copy_segment(t, l, &l->phdr[i], buf, fd);
    free(buf);
    TRY(e);
    if (l->copied < bytes / 2)
        return err_new(ERR_NOT_FOUND, "only %llu of %llu KiB of the program are in memory",
                       (unsigned long long)l->copied >> 10, (unsigned long long)bytes >> 10);
    Elf64_Ehdr h = l->ehdr;
    h.e_shoff = 0;
    h.e_shnum = h.e_shstrndx = 0;
    h.e_phnum = (Elf64_Half)l->n;
    TRY(write_at(fd, &h, sizeof(h), 0));
    return write_at(fd, l->phdr, l->n * sizeof(*l->phdr), sizeof(h));
}

struct err *image_from_memory(struct target *t, taddr phdr, uint64_t phnum, struct image **ret)
{
    struct loaded *l = mem_alloc(sizeof(*l));
    int fd = -1;
    struct err *e = read_headers(t, phdr, phnum, l);
    if (!e && (fd = memfd_create("gospect-program", MFD_CLOEXEC)) < 0)
        e = err_sys(errno, "cannot keep a program from memory");
    if (!e)
        e = copy_program(t, l, fd);
    if (!e)
        e = image_open_fd(fd, "the program in memory", ret);
    if (fd >= 0)
        close(fd);
    free(l);
    return err_wrap(e, "process %d", target_pid(t));
}

/* ---- where it is ---- */

/* Whether memory at this slide begins its segments as the image does.  Read-only ones: the others
 * have changed since. */
static bool fits(struct target *t, const struct image *img, taddr slide)
{
    const struct image_segment *segs;
    size_t n = image_segments(img, &segs);
    unsigned same = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t seen[PROBE];
        if (segs[i].writable || segs[i].filesz < PROBE)
            continue;
        struct err *e = target_read(t, segs[i].vaddr + slide, seen, sizeof(seen));
        bool readable = !e;
        err_free(e);
        if (readable && memcmp(seen, segs[i].bytes, sizeof(seen)) != 0)
            return false;
        same += readable;
    }
    return same > 0;
}

static struct err *search_maps(struct target *t, const struct image *img, taddr *ret)
{
    struct arena a;
    struct target_mapping *maps;
    size_t n;
    const struct image_segment *segs;
    arena_init(&a);
    bool found = false;
    struct err *e = target_mappings(t, &a, &maps, &n);
    if (!e && image_segments(img, &segs))
        for (size_t i = 0; i < n && !found; i++) {
            *ret = maps[i].start - (segs[0].vaddr & ~(taddr)(PAGE - 1));
            found = maps[i].offset == 0 && fits(t, img, *ret);
        }
    arena_free(&a);
    TRY(e);
    if (!found)
        return err_new(ERR_NOT_FOUND, "the memory of process %d does not hold %s", target_pid(t),
                       image_name(img));
    return NULL;
}

struct err *image_slide(struct target *t, const struct image *img, taddr entry, taddr *ret)
{
    *ret = entry - image_entry(img);
    if (entry && (*ret & (PAGE - 1)) == 0 && fits(t, img, *ret))
        return NULL;
    return search_maps(t, img, ret);
}

void image_use_debug_file(struct image *img, const char *path, const char *root)
{
    struct err *e =
        image_find_debug(img, &(struct image_find_debug_options){.path = path, .root = root});
    if (e)
        log_debug("%s", err_message(e));
    err_free(e);
}

/* ---- libraries ---- */

/* Through the process' own root: it may be in a container. */
static struct err *open_library(struct target *t, const char *path, struct image **ret)
{
    char name[4096 + 32], root[32] = "";
    bool process = t->ops->kind != TARGET_CORE && t->ops->kind != TARGET_FAKE;
    if (*path != '/')
        return err_new(ERR_NOT_FOUND, "\"%s\" is no file", path);
    if (process)
        snprintf(root, sizeof(root), "/proc/%d/root", t->pid);
    snprintf(name, sizeof(name), "%s%s", root, path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe may have its name now */
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    struct err *e = image_open_fd(fd, path, ret);
    close(fd);
    return e;
}

struct err *target_library(struct target *t, const char *path, struct image **ret, taddr *ret_slide)
{
    TRY(open_library(t, path, ret));
    struct err *e = search_maps(t, *ret, ret_slide);
    if (e)
        image_unref(*ret);
    return e;
}
