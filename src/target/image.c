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

enum fit { FIT_SAME, FIT_OTHER, FIT_UNKNOWN /* nothing of it is in memory */ };

/* Whether memory at this slide begins its segments as the image does.  Read-only ones: the others
 * have changed since. */
static enum fit compare(struct target *t, const struct image *img, taddr slide)
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
            return FIT_OTHER;
        same += readable;
    }
    return same ? FIT_SAME : FIT_UNKNOWN;
}

static bool fits(struct target *t, const struct image *img, taddr slide)
{
    return compare(t, img, slide) == FIT_SAME;
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
    if (found)
        return NULL;
    e = err_new(ERR_NOT_FOUND, "the memory of process %d does not hold %s", target_pid(t),
                image_name(img));
    return t->ops->kind == TARGET_CORE ? e
                                       : err_hint(e, "it may just have begun a program: try again");
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

static const char deleted[] = " (deleted)";

struct library {
    char path[4096]; /* as the process has it, without what the kernel adds */
    bool deleted;
    taddr start, end; /* of the mapping that was asked for */
    taddr base;       /* where the file begins in memory */
};

static struct err *take_path(struct library *l, const char *path)
{
    size_t n = strlen(path), tail = sizeof(deleted) - 1;
    if (*path != '/')
        return err_new(ERR_NOT_FOUND, "no file is mapped at %#llx", (unsigned long long)l->start);
    if (n >= sizeof(l->path))
        return err_new(ERR_LIMIT, "%.80s...: a path of %zu bytes", path, n);
    l->deleted = n > tail && strcmp(path + n - tail, deleted) == 0;
    memcpy(l->path, path, n + 1);
    if (l->deleted)
        l->path[n - tail] = 0;
    return NULL;
}

/* One file may be mapped more than once: the beginning that counts is the last one before addr. */
static struct err *find_library(struct target *t, taddr addr, struct library *l)
{
    struct arena a;
    struct target_mapping *maps;
    const struct target_mapping *at = NULL;
    size_t n = 0;
    arena_init(&a);
    struct err *e =
        t->ops->files ? t->ops->files(t, &a, &maps, &n) : target_mappings(t, &a, &maps, &n);
    for (size_t i = 0; !e && i < n && !at; i++)
        if (addr >= maps[i].start && addr < maps[i].end)
            at = &maps[i];
    *l = (struct library){.start = at ? at->start : addr, .end = at ? at->end : addr};
    if (!e)
        e = take_path(l, at ? at->path : "");
    for (size_t i = 0; !e && i < n && maps[i].start <= addr; i++)
        if (maps[i].offset == 0 && maps[i].inode == at->inode &&
            strcmp(maps[i].path, at->path) == 0)
            l->base = maps[i].start;
    arena_free(&a);
    return e;
}

/* The very file that is mapped, if we may; else by its path, through the process' own root: it may
 * be in a container. */
static struct err *open_library(struct target *t, const struct library *l, struct image **ret)
{
    char name[sizeof(l->path) + 32];
    bool process = t->ops->kind != TARGET_CORE && t->ops->kind != TARGET_FAKE;
    char root[32] = "";
    int fd = -1;
    if (process) {
        snprintf(root, sizeof(root), "/proc/%d/root", t->pid);
        snprintf(name, sizeof(name), "/proc/%d/map_files/%llx-%llx", t->pid,
                 (unsigned long long)l->start, (unsigned long long)l->end);
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0) {
        snprintf(name, sizeof(name), "%s%s", root, l->path);
        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0 && l->deleted)
        return err_new(ERR_NOT_FOUND, "%s was deleted after it was loaded", l->path);
    if (fd < 0)
        return err_sys(errno, "cannot open %s", l->path);
    struct err *e = image_open_fd(fd, l->path, ret);
    close(fd);
    if (!e)
        image_use_debug_file(*ret, l->path, root);
    return e;
}

/* Whether memory has the notes of the image, as far as it is there: another build of the same
 * source may begin like this one, but has another id. */
static bool same_build(struct target *t, struct image *img, taddr slide)
{
    static const char *const notes[] = {".note.go.buildid", ".note.gnu.build-id"};
    bool same = true;
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        const struct image_section *s = image_find_section(img, notes[i]);
        const uint8_t *want =
            s && s->vaddr && s->size <= PAGE ? image_at(img, s->vaddr, s->size) : NULL;
        uint8_t seen[PAGE];
        struct err *e = want ? target_read(t, s->vaddr + slide, seen, s->size) : NULL;
        same = same && (!want || e || memcmp(seen, want, s->size) == 0);
        err_free(e);
    }
    return same;
}

static struct err *place_library(struct target *t, const struct library *l, struct image *img,
                                 taddr *ret_slide)
{
    const struct image_segment *segs;
    enum fit fit = FIT_OTHER;
    *ret_slide = 0;
    if (image_segments(img, &segs)) {
        *ret_slide = l->base - (segs[0].vaddr & ~(taddr)(PAGE - 1));
        fit = compare(t, img, *ret_slide);
    }
    if (fit == FIT_UNKNOWN)
        return err_new(ERR_NOT_FOUND, "the memory does not tell whether %s is what was loaded",
                       l->path);
    if (fit == FIT_OTHER || !same_build(t, img, *ret_slide))
        return err_new(ERR_NOT_FOUND, "%s is another file than the one that was loaded", l->path);
    return NULL;
}

struct err *target_library(struct target *t, taddr addr, struct image **ret, taddr *ret_slide)
{
    struct library *l = mem_alloc(sizeof(*l));
    struct err *e = find_library(t, addr, l);
    if (!e)
        e = open_library(t, l, ret);
    if (!e && (e = place_library(t, l, *ret, ret_slide)))
        image_unref(*ret);
    if (!e && t->ops->use_library)
        t->ops->use_library(t, *ret, *ret_slide);
    free(l);
    return e;
}
