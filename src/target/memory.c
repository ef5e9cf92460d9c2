/* memory.c - reading the memory of a process.
 *
 * Two ways, each the right one for something (figures in docs/decisions/fork-snapshot.md):
 *   process_vm_readv  a thousand scattered pieces in one call, several GB/s.  It names the process
 *                     by its number, and pins the pages it reads: of a copy it would make a private
 * one of every page. /proc/PID/mem     one piece a call, and nothing is pinned.  The open file
 * belongs to one program: when the process ends or becomes another program it reads nothing any
 * more, which is how both are noticed, and how a number in use again is. Every batch ends with a
 * look whether the program is still there; only then is what was read its. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pool.h"
#include "target/proc_int.h"

enum {
    IOV_BATCH = 512,
    JOB_PIECES = 4096, /* a job of a worker: so many pieces, or so many bytes */
    JOB_BYTES = 4 << 20,
    BOUNCE = 256 << 10, /* neighbouring pieces are read in one go of at most this size */
    OPEN_TRIES = 3,
    LITTLE = 1024,
    GAP = 1024, /* ... with so much in between that nobody wants */
};

struct err *memory_alive(struct memory *m)
{
    char byte;
    if (pread(m->fd, &byte, 1, 0) != 0)
        return NULL; /* a byte, or an error about that address */
    struct proc_stat st;
    struct err *e = proc_stat(m->pid, 0, &st);
    /* On its way out it has no memory for a moment, and is not a zombie yet. */
    bool ended = e || st.state == 'Z' || st.state == 'X' || !st.vm_bytes;
    err_free(e);
    return err_new(ERR_GONE, "process %d %s", m->pid,
                   ended ? "has ended" : "became another program");
}

struct err *memory_open(pid_t pid, struct memory *ret)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", pid);
    for (int tries = 0; tries < OPEN_TRIES; tries++) { /* once more after an exec() in between */
        *ret = (struct memory){.pid = pid, .fd = open(path, O_RDONLY | O_CLOEXEC)};
        if (ret->fd < 0 && errno == ENOENT)
            return err_new(ERR_NOT_FOUND, "there is no process %d", pid);
        if (ret->fd < 0)
            return denied(pid, errno, "look into");
        struct err *e = memory_alive(ret);
        if (!e)
            return NULL;
        err_free(e);
        memory_close(ret);
    }
    return denied(pid, EPERM,
                  "look into"); /* says that it is a zombie, or a thread of the kernel */
}

void memory_close(struct memory *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

/* ---- /proc/PID/mem ---- */

static bool read_at(struct memory *m, taddr addr, void *dst, size_t n)
{
    char *p = dst;
    while (n) {
        ssize_t k = pread(m->fd, p, n, (off_t)addr);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        addr += (taddr)k;
        n -= (size_t)k;
    }
    return true;
}

/* How many pieces from the first on lie close together, in order. */
static size_t neighbours(const struct target_iov *iov, size_t n, size_t *ret_span)
{
    taddr start = iov[0].addr, end = start + iov[0].n;
    size_t k = 1;
    for (; k < n; k++) {
        taddr a = iov[k].addr;
        if (a < end || a - end > GAP || a + iov[k].n - start > BOUNCE)
            break;
        end = a + iov[k].n;
    }
    *ret_span = end - start;
    return k;
}

static void read_pieces(struct memory *m, struct target_iov *iov, size_t n)
{
    uint8_t *bounce = NULL;
    for (size_t i = 0, k, span; i < n; i += k) {
        k = neighbours(iov + i, n - i, &span);
        if (k > 1 && !bounce)
            bounce = mem_try_alloc(BOUNCE);
        bool whole = k > 1 && bounce && read_at(m, iov[i].addr, bounce, span);
        for (size_t j = i; j < i + k; j++) {
            iov[j].ok = whole || read_at(m, iov[j].addr, iov[j].dst, iov[j].n);
            if (whole)
                memcpy(iov[j].dst, bounce + (iov[j].addr - iov[i].addr), iov[j].n);
        }
    }
    free(bounce);
}

/* ---- process_vm_readv ---- */

/* Reads a batch; how many pieces from the first on are settled.  0: the call is not allowed. */
static size_t vm_batch(struct memory *m, struct target_iov *iov, size_t n)
{
    struct iovec local[IOV_BATCH], remote[IOV_BATCH];
    for (size_t j = 0; j < n; j++) {
        iov[j].ok = false;
        local[j] = (struct iovec){iov[j].dst, iov[j].n};
        remote[j] = (struct iovec){(void *)(uintptr_t)iov[j].addr, iov[j].n};
    }
    ssize_t got = process_vm_readv(m->pid, local, n, remote, n, 0);
    if (got < 0 && errno != EFAULT)
        return 0;
    size_t done = 0;
    for (; done < n && got >= (ssize_t)iov[done].n; done++) {
        got -= (ssize_t)iov[done].n;
        iov[done].ok = true;
    }
    return done < n ? done + 1 : n; /* the first unreadable piece is skipped */
}

static void vm_pieces(struct memory *m, struct target_iov *iov, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t k = atomic_load_explicit(&m->vm_refused, memory_order_relaxed)
                       ? 0
                       : vm_batch(m, iov + i, min_u64(n - i, IOV_BATCH));
        if (!k) { /* a policy, or the process has ended: the other way tells */
            m->vm_refused = errno != ESRCH || m->vm_refused;
            read_pieces(m, iov + i, n - i);
            return;
        }
        i += k;
    }
}

/* ---- both ---- */

struct share {
    struct memory *m;
    struct target_iov *iov;
    size_t n, jobs;
    void (*read)(struct memory *m, struct target_iov *iov, size_t n);
};

static struct err *share_job(void *arg, size_t i, unsigned worker)
{
    struct share *s = arg;
    size_t from = s->n * i / s->jobs, to = s->n * (i + 1) / s->jobs;
    s->read(s->m, s->iov + from, to - from);
    return NULL;
}

/* Large batches are shared by all cores. */
static struct err *read_shared(struct memory *m, struct target_iov *iov, size_t n,
                               void (*read)(struct memory *m, struct target_iov *iov, size_t n))
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n && bytes < JOB_BYTES; i++)
        bytes += iov[i].n;
    struct share s = {.m = m, .iov = iov, .n = n, .read = read};
    if (pool_width() == 1 || n < 2 || (n < 2 * JOB_PIECES && bytes < JOB_BYTES)) {
        read(m, iov, n);
        return memory_alive(m);
    }
    s.jobs = min_u64(n, max_u64(2 * pool_width(), n / JOB_PIECES));
    TRY(pool_run(s.jobs, share_job, &s));
    return memory_alive(m);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && !p[i])
        i++;
    return i == n;
}

/* The open file reads also what nobody may read, as zeros: those are asked for once more. */
bool memory_read_little(struct memory *m, struct target_iov *v)
{
    v->ok = v->n && v->n <= LITTLE && pread(m->fd, v->dst, v->n, (off_t)v->addr) == (ssize_t)v->n &&
            !all_zero(v->dst, v->n);
    return v->ok;
}

struct err *memory_readv(struct memory *m, struct target_iov *iov, size_t n)
{
    return read_shared(m, iov, n, vm_pieces);
}

struct err *memory_readv_fd(struct memory *m, struct target_iov *iov, size_t n)
{
    return read_shared(m, iov, n, read_pieces);
}
