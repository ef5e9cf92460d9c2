/* file.h - files: mapping whole ones for reading, reading small ones of /proc and /sys, writing a
 * result so that a half-written one never carries its final name. */
#ifndef GOSPECT_BASE_FILE_H
#define GOSPECT_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* A whole file mapped read-only.  An empty file has n == 0 and p == NULL. */
struct file_map {
    const uint8_t *p;
    size_t n;
};

struct err *file_map_path(const char *path, struct file_map *ret) MUST_USE;
struct err *file_map_fd(int fd, const char *name, struct file_map *ret) MUST_USE; /* fd stays */
void file_unmap(struct file_map *m);

/* Reads a file whose size is not known (procfs, sysfs) up to max bytes; more is an ERR_LIMIT.
 * The text is NUL-terminated. */
struct err *file_read(const char *path, size_t max, struct buf *ret) MUST_USE;

/* Writing: a temporary file beside the final name, renamed by commit, removed by abort.  A name
 * that is not a regular file (/dev/stdout, a pipe) is written directly. */
struct file_out {
    int fd;
    char *path, *tmp; /* owned; tmp NULL: written directly */
    uint64_t written;
};

struct err *file_out_open(const char *path, unsigned mode, struct file_out *ret) MUST_USE;
/* The same on an open descriptor, which stays open; name is for errors. */
struct err *file_out_on_fd(int fd, const char *name, struct file_out *ret) MUST_USE;
struct err *file_out_write(struct file_out *o, const void *bytes, size_t n) MUST_USE;
struct err *file_out_commit(struct file_out *o) MUST_USE; /* closes, whatever it returns */
void file_out_abort(struct file_out *o);
/* Commits, or aborts when there was an error, which is returned. */
struct err *file_out_end(struct file_out *o, struct err *e) MUST_USE;

struct err *write_all(int fd, const char *name, const void *bytes, size_t n) MUST_USE;

#endif
