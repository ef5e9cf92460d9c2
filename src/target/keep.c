/* keep.c - a copy of a process's own memory that we make ourselves, for when it cannot be forked.
 *
 * Where no copy of a process can be made, it must stand still as long as it is looked at, and what
 * takes long has to be cut short.  A process whose memory is small can be read whole instead, in
 * less time than some of these looks take: then it runs again, and everything is done with what was
 * read.
 *
 * What is copied: private memory that is in no file, and of private mappings of files the writable
 * ones and the pages that were written to (the dynamic linker's).  What else there is does not
 * change (code, constants), or is shared with others, as it is with a fork; it is read when it is
 * asked for.  Pages that were never touched (/proc/PID/pagemap) are zero and are not copied.
 *
 * The room is made, and touched, before the pause: in it is nothing but reading. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/vec.h"
#include "target/keep_int.h"
#include "target/proc_int.h"

enum {
    PAGE = 4096,
    LOOK = 1 << 16,  /* entries of pagemap in one go */
    PIECE = 1 << 20, /* bytes in one go */
    SPARSE = 64,     /* so much more of addresses than of memory is looked through */
    SPARE_PART = 4,  /* it may grow by a quarter until it stands still ... */
    SPARE = 8 << 20, /* ... and by this */
    OUR_PART = 2,    /* of the memory that is left to us */
};
#define PAGEMAP_THERE (UINT64_C(3) << 62) /* in memory, or swapped out */
#define PAGEMAP_FILE (UINT64_C(1) << 61)  /* of a file or shared */

struct run { /* pages that are copied */
    taddr start, end;
    size_t at; /* in bytes[] */
};

struct keep {
    pid_t pid;
    struct memory *m;
    struct arena a;
    struct target_mapping *maps;
    size_t nmaps;
    VEC(struct run) runs;
    uint8_t *bytes;
    size_t room, n, most; /* most: no more than this may be copied */
};

/* Whether others cannot change what is in a mapping. */
static bool is_ours(const struct target_mapping *m)
{
    return m->readable && !m->shared && strncmp(m->path, "[v", 2) != 0 &&
           strncmp(m->path, "/dev/", 5) != 0;
}

static void add_page(struct keep *k, taddr addr)
{
    if (k->runs.n && vec_last(&k->runs)->end == addr) {
        vec_last(&k->runs)->end += PAGE;
    } else {
        struct run r = {addr, addr + PAGE, k->n};
        vec_push(&k->runs, r);
    }
    k->n += PAGE;
}

static bool choose(struct keep *k, int pagemap, const struct target_mapping *m, uint64_t *entries)
{
    for (taddr at = m->start; at < m->end; at += (taddr)LOOK * PAGE) {
        size_t n = min_u64(LOOK, (m->end - at) / PAGE);
        ssize_t want = (ssize_t)(n * sizeof(*entries));
        if (pread(pagemap, entries, (size_t)want, (off_t)(at / PAGE * sizeof(*entries))) != want)
            return false;
        for (size_t i = 0; i < n; i++) {
            bool there = entries[i] & PAGEMAP_THERE, of_file = entries[i] & PAGEMAP_FILE;
            if (m->inode ? m->writable || (there && !of_file) : there)
                add_page(k, at + i * PAGE);
        }
        if (k->n > k->most)
            return false;
    }
    return true;
}

/* What there is to copy now; false: too much, or it cannot be told. */
static bool choose_all(struct keep *k)
{
    char path[64];
    uint64_t *entries, looked = 0;
    k->runs.n = 0;
    k->n = 0;
    arena_free(&k->a);
    arena_init(&k->a);
    struct err *e = proc_mappings(k->pid, &k->a, &k->maps, &k->nmaps);
    snprintf(path, sizeof(path), "/proc/%d/pagemap", k->pid);
    int pagemap = e ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    bool ok = pagemap >= 0;
    err_free(e);
    entries = mem_alloc(LOOK * sizeof(*entries));
    for (size_t i = 0; ok && i < k->nmaps; i++) {
        const struct target_mapping *m = &k->maps[i];
        if (!is_ours(m))
            continue;
        looked += m->end - m->start;
        ok = looked / SPARSE <= k->most && choose(k, pagemap, m, entries);
    }
    free(entries);
    if (pagemap >= 0)
        close(pagemap);
    return ok;
}

struct keep *keep_prepare(pid_t pid, uint64_t most)
{
    struct keep *k = mem_alloc(sizeof(*k));
    const char *where;
    k->pid = pid;
    arena_init(&k->a);
    k->most = min_u64(most, target_memory_for_us(&k->a, &where) / OUR_PART);
    if (sysconf(_SC_PAGESIZE) == PAGE && choose_all(k)) {
        k->room = min_u64(k->n + k->n / SPARE_PART + SPARE, k->most);
        void *p = mmap(NULL, k->room, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        k->bytes = p == MAP_FAILED ? NULL : p;
    }
    if (k->bytes)
        return k;
    keep_free(k);
    return NULL;
}

void keep_free(struct keep *k)
{
    if (!k)
        return;
    if (k->bytes)
        munmap(k->bytes, k->room);
    vec_free(&k->runs);
    arena_free(&k->a);
    free(k);
}

struct err *keep_take(struct keep *k, struct memory *m)
{
    VEC(struct target_iov) iov = {0};
    k->m = m;
    k->most = k->room;
    if (!choose_all(k))
        return err_new(ERR_LIMIT, "it has grown too fast to be copied");
    for (size_t i = 0; i < k->runs.n; i++) {
        const struct run *r = &k->runs.v[i];
        for (taddr at = r->start; at < r->end; at += PIECE) {
            struct target_iov v = {.addr = at,
                                   .n = (uint32_t)min_u64(PIECE, r->end - at),
                                   .dst = k->bytes + r->at + (at - r->start)};
            vec_push(&iov, v);
        }
    }
    unsigned was = pool_limit(1); /* nobody else of us is as urgent as this thread */
    struct err *e = memory_readv(m, iov.v, iov.n);
    pool_limit(was);
    for (size_t i = 0; !e && i < iov.n; i++)
        if (!iov.v[i].ok)
            e = err_new(ERR_FAULT, "memory at 0x%" PRItaddr " cannot be copied",
                        (unsigned long long)iov.v[i].addr);
    vec_free(&iov);
    return e;
}

/* ---- reading ---- */

static const struct target_mapping *mapping_at(const struct keep *k, taddr addr)
{
    size_t lo = 0, hi = k->nmaps;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->maps[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < k->nmaps && k->maps[lo].start <= addr ? &k->maps[lo] : NULL;
}

/* The first run that ends behind an address; k->runs.n: none. */
static size_t run_at(const struct keep *k, taddr addr)
{
    size_t lo = 0, hi = k->runs.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->runs.v[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Reads from addr on as far as it is all in a run, or all in none; how many bytes, 0: none. */
static struct err *read_some(struct keep *k, taddr addr, uint8_t *dst, size_t n, size_t *ret)
{
    const struct target_mapping *m = mapping_at(k, addr);
    size_t i = run_at(k, addr);
    *ret = 0;
    if (!m || !m->readable)
        return NULL;
    n = min_u64(n, m->end - addr);
    if (i < k->runs.n && k->runs.v[i].start <= addr) {
        const struct run *r = &k->runs.v[i];
        *ret = min_u64(n, r->end - addr);
        memcpy(dst, k->bytes + r->at + (addr - r->start), *ret);
        return NULL;
    }
    if (i < k->runs.n)
        n = min_u64(n, k->runs.v[i].start - addr);
    if (is_ours(m) && !m->inode) { /* never touched */
        memset(dst, 0, n);
        *ret = n;
        return NULL;
    }
    struct target_iov v = {.addr = addr, .n = (uint32_t)n, .dst = dst};
    TRY(memory_readv(k->m, &v, 1));
    *ret = v.ok ? n : 0;
    return NULL;
}

struct err *keep_readv(struct keep *k, struct target_iov *iov, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t done = 0, some = 1;
        while (done < iov[i].n && some) {
            TRY(read_some(k, iov[i].addr + done, (uint8_t *)iov[i].dst + done, iov[i].n - done,
                          &some));
            done += some;
        }
        iov[i].ok = done == iov[i].n;
    }
    return NULL;
}

struct err *keep_mappings(const struct keep *k, struct arena *a, struct target_mapping **ret,
                          size_t *ret_n)
{
    *ret = arena_array(a, struct target_mapping, k->nmaps);
    *ret_n = k->nmaps;
    for (size_t i = 0; i < k->nmaps; i++) {
        (*ret)[i] = k->maps[i];
        (*ret)[i].path = arena_strdup(a, k->maps[i].path);
    }
    return NULL;
}
