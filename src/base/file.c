/* file.c - files; see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct err *file_map_fd(int fd, const char *name, struct file_map *ret)
{
    *ret = (struct file_map){0};
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(errno, "cannot examine %s", name);
    if (!S_ISREG(st.st_mode))
        return err_new(ERR_BAD_DATA, "%s is not a regular file", name);
    if (st.st_size == 0)
        return NULL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(errno, "cannot map %s", name);
    *ret = (struct file_map){.p = p, .n = (size_t)st.st_size};
    return NULL;
}

struct err *file_map_path(const char *path, struct file_map *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe: do not wait */
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    struct err *e = file_map_fd(fd, path, ret);
    close(fd);
    return e;
}

void file_unmap(struct file_map *m)
{
    if (m->p)
        munmap((void *)m->p, m->n);
    *m = (struct file_map){0};
}

struct err *file_read(const char *path, size_t max, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    char chunk[16 * 1024];
    struct err *e = NULL;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = err_sys(errno, "cannot read %s", path);
        if (n > 0 && (size_t)n > max - ret->n)
            e = err_new(ERR_LIMIT, "%s is longer than %zu bytes", path, max);
        if (n <= 0 || e)
            break;
        buf_add(ret, chunk, (size_t)n);
    }
    close(fd);
    return e;
}

struct err *write_all(int fd, const char *name, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(errno, "cannot write %s", name);
        p += k;
        n -= (size_t)k;
    }
    return NULL;
}

struct err *file_out_open(const char *path, unsigned mode, struct file_out *ret)
{
    struct stat st;
    *ret = (struct file_out){.fd = -1, .path = mem_strdup(path)};
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        ret->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        size_t n = strlen(path) + sizeof(".XXXXXX");
        ret->tmp = mem_alloc(n);
        snprintf(ret->tmp, n, "%s.XXXXXX", path);
        ret->fd = mkostemp(ret->tmp, O_CLOEXEC);
        if (ret->fd >= 0)
            fchmod(ret->fd, mode);
    }
    if (ret->fd < 0) {
        struct err *e = err_sys(errno, "cannot create %s", path);
        free(ret->tmp);
        ret->tmp = NULL;
        file_out_abort(ret);
        return e;
    }
    return NULL;
}

struct err *file_out_on_fd(int fd, const char *name, struct file_out *ret)
{
    *ret = (struct file_out){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .path = mem_strdup(name)};
    if (ret->fd >= 0)
        return NULL;
    struct err *e = err_sys(errno, "cannot write %s", name);
    file_out_abort(ret);
    return e;
}

struct err *file_out_write(struct file_out *o, const void *bytes, size_t n)
{
    TRY(write_all(o->fd, o->path, bytes, n));
    o->written += n;
    return NULL;
}

void file_out_abort(struct file_out *o)
{
    if (o->fd >= 0)
        close(o->fd);
    if (o->tmp)
        unlink(o->tmp);
    free(o->tmp);
    free(o->path);
    *o = (struct file_out){.fd = -1};
}

struct err *file_out_end(struct file_out *o, struct err *e)
{
    if (!e)
        return file_out_commit(o);
    file_out_abort(o);
    return e;
}

struct err *file_out_commit(struct file_out *o)
{
    struct err *e = NULL;
    if (close(o->fd) < 0)
        e = err_sys(errno, "cannot finish %s", o->path);
    o->fd = -1;
    if (!e && o->tmp && rename(o->tmp, o->path) < 0)
        e = err_sys(errno, "cannot rename to %s", o->path);
    if (!e && o->tmp) {
        free(o->tmp);
        o->tmp = NULL;
    }
    file_out_abort(o);
    return e;
}
