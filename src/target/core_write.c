/* core_write.c - writing a core of a process that stands: frozen, copied, or being debugged.
 *
 * The layout is the kernel's (linux/fs/binfmt_elf.c elf_core_dump): header, program headers, notes,
 * then memory from the next page on; with more than 65,534 segments their number is in section
 * header 0.  See docs/formats/core.md for the note of our own and what is left out.
 *
 * What is dumped is what the kernel would dump with its default filter, and besides the programs'
 * own pages (text, read-only data), so that the core can be read where the program is not.  Device
 * memory is never touched, and MADV_DONTDUMP is respected: it keeps keys out of files.
 *
 * The file has the size of the memory, but only pages that hold something are written: pages never
 * touched (/proc/PID/pagemap) and pages of zeros stay holes. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/vec.h"
#include "target/core_int.h"
#include "target/proc_int.h"
#include "target/smaps_int.h"

enum {
    PAGE = 4096,
    CHUNK = 1 << 20,
    ROUND = 64, /* chunks between two looks whether to go on */
    PAGES = CHUNK / PAGE,
    NUMBER_WIDTH = 20, /* of the count of unreadable bytes, filled in last */
};
#define PAGEMAP_PRESENT (UINT64_C(3) << 62) /* in memory, or swapped out */

struct dumped { /* a segment */
    struct target_mapping m;
    bool whole; /* its memory is in the file */
    bool own;   /* private and anonymous: a page that is not there is zero */
    uint64_t offset;
};

struct chunk {
    const struct dumped *d;
    taddr addr;
    uint32_t n;
};

struct writer {
    struct target *t;
    struct held f;
    struct arena a;
    struct dumped *segs;
    size_t nsegs;
    struct buf head;      /* everything before the memory */
    size_t unreadable_at; /* where in head the count is */
    VEC(struct chunk) chunks;
    uint64_t size; /* of the file */
    struct file_out out;
    int pagemap;
    const struct target_core_options *o;
    size_t first;   /* chunk of this round */
    uint8_t **bufs; /* one per worker */
    _Atomic uint64_t written, unreadable;
};

/* ---- what goes in ---- */

/* Files that are programs or libraries: one of their mappings begins with an ELF header. */
static bool is_program(struct writer *w, const struct target_mapping *maps, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++) {
        char magic[SELFMAG];
        if (maps[k].offset || maps[k].inode != maps[i].inode ||
            strcmp(maps[k].path, maps[i].path) != 0)
            continue;
        struct err *e = target_read(w->t, maps[k].start, magic, sizeof(magic));
        bool ok = !e && memcmp(magic, ELFMAG, SELFMAG) == 0;
        err_free(e);
        if (ok)
            return true;
    }
    return false;
}

static bool is_device(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/zero", 9) != 0 &&
           strncmp(path, "/dev/shm/", 9) != 0;
}

/* Memory that is shared and has no file that would outlive it: System V, memfd, /dev/zero. */
static bool is_shared_memory(const char *path)
{
    return *path == '\0' || strncmp(path, "/dev/zero", 9) == 0 ||
           strncmp(path, "/memfd:", 7) == 0 || strncmp(path, "/SYSV", 5) == 0 ||
           strncmp(path, "/dev/shm/", 9) == 0;
}

static bool wanted(struct writer *w, const struct target_mapping *maps, size_t n, size_t i,
                   const struct smaps_line *s)
{
    const struct target_mapping *m = &maps[i];
    if (!m->readable || is_device(m->path) || (s && (s->io || s->dont_dump)) ||
        strncmp(m->path, "[vvar", 5) == 0)
        return false;
    if (!m->inode || !strcmp(m->path, "[vdso]"))
        return true;
    if (m->shared)
        return is_shared_memory(m->path) || w->o->shared_files;
    if (!s || s->anonymous)
        return true;
    return !w->o->no_program && is_program(w, maps, n, i);
}

/* Private memory that is in no file.  The kernel names some of it, and lets programs do so
 * ("[anon: Go: heap]", since Go 1.25). */
static bool is_own(const struct target_mapping *m)
{
    return !m->inode && !m->shared &&
           (*m->path == '\0' || strcmp(m->path, "[heap]") == 0 ||
            strncmp(m->path, "[stack", 6) == 0 || strncmp(m->path, "[anon:", 6) == 0);
}

static struct err *choose_segments(struct writer *w)
{
    struct target_mapping *maps;
    struct smaps_line *lines;
    size_t n, nlines = 0;
    TRY(target_mappings(w->t, &w->a, &maps, &n));
    TRY(smaps_read(w->f.memory, &w->a, &lines, &nlines));
    w->segs = arena_array(&w->a, struct dumped, n);
    for (size_t i = 0, k = 0; i < n; i++) {
        while (k < nlines && lines[k].end <= maps[i].start)
            k++;
        const struct smaps_line *s =
            k < nlines && lines[k].start <= maps[i].start ? &lines[k] : NULL;
        if (strcmp(maps[i].path, "[vsyscall]") == 0)
            continue; /* the kernel's, the same everywhere */
        if (maps[i].start >= w->f.ours && maps[i].end <= w->f.ours_end)
            continue; /* a debugger's */
        w->segs[w->nsegs++] = (struct dumped){
            .m = maps[i],
            .whole = wanted(w, maps, n, i, s),
            .own = is_own(&maps[i]),
        };
    }
    return NULL;
}

/* ---- notes ---- */

static void put_note(struct buf *b, const char *owner, uint32_t type, const void *desc, size_t n)
{
    static const char zeros[4];
    Elf64_Nhdr h = {(Elf64_Word)(strlen(owner) + 1), (Elf64_Word)n, type};
    buf_add(b, &h, sizeof(h));
    buf_add(b, owner, h.n_namesz);
    buf_add(b, zeros, -h.n_namesz & 3);
    buf_add(b, desc, n);
    buf_add(b, zeros, -(uint32_t)n & 3);
}

static void put_u32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put_prstatus(struct writer *w, struct buf *b, const struct target_thread *t,
                         const struct proc_stat *st)
{
    struct arch_regs regs = t->regs;
    uint8_t bytes[PRSTATUS_REGS + sizeof(regs.raw) + PRSTATUS_TAIL] = {0};
    if (!t->have_regs)
        w->t->arch->to_raw(&regs);
    put_u32(bytes + PRSTATUS_PID, (uint32_t)t->tid);
    put_u32(bytes + PRSTATUS_PPID, (uint32_t)st->ppid);
    put_u32(bytes + PRSTATUS_PGRP, (uint32_t)st->pgrp);
    put_u32(bytes + PRSTATUS_SID, (uint32_t)st->session);
    memcpy(bytes + PRSTATUS_REGS, regs.raw, regs.raw_n);
    put_u32(bytes + PRSTATUS_REGS + regs.raw_n, t->extended != NULL); /* pr_fpvalid */
    put_note(b, "CORE", NT_PRSTATUS, bytes, PRSTATUS_REGS + regs.raw_n + PRSTATUS_TAIL);
}

static void put_extended(struct writer *w, struct buf *b, const struct target_thread *t)
{
    const struct arch *arch = w->t->arch;
    size_t n = t->extended_n, fp = arch->fp_in_extended;
    if (!t->extended)
        return;
    if (fp && n >= fp)
        put_note(b, "CORE", NT_FPREGSET, t->extended, fp);
    put_note(b, arch->extended_owner, arch->extended_note, t->extended, n);
}

static void put_prpsinfo(struct buf *b, const struct proc_stat *st, const struct target_process *p,
                         uint32_t gid)
{
    uint8_t bytes[PRPSINFO_SIZE] = {0};
    uint64_t flags = st->flags;
    bytes[PRPSINFO_SNAME] = (uint8_t)st->state;
    bytes[PRPSINFO_NICE] = (uint8_t)st->nice;
    memcpy(bytes + PRPSINFO_FLAGS, &flags, sizeof(flags));
    put_u32(bytes + PRPSINFO_UID, p->uid);
    put_u32(bytes + PRPSINFO_GID, gid);
    put_u32(bytes + PRPSINFO_PID, (uint32_t)st->pid);
    put_u32(bytes + PRPSINFO_PPID, (uint32_t)st->ppid);
    put_u32(bytes + PRPSINFO_PGRP, (uint32_t)st->pgrp);
    put_u32(bytes + PRPSINFO_SID, (uint32_t)st->session);
    memcpy(bytes + PRPSINFO_FNAME, st->comm, strnlen(st->comm, PRPSINFO_FNAME_N - 1));
    memcpy(bytes + PRPSINFO_ARGS, p->cmdline, strnlen(p->cmdline, PRPSINFO_ARGS_N - 1));
    put_note(b, "CORE", NT_PRPSINFO, bytes, sizeof(bytes));
}

static void put_files(struct writer *w, struct buf *b)
{
    struct buf list = {0}, names = {0};
    uint64_t count = 0, page = PAGE;
    for (size_t i = 0; i < w->nsegs; i++) {
        const struct target_mapping *m = &w->segs[i].m;
        if (!m->inode || m->path[0] != '/')
            continue;
        uint64_t row[3] = {m->start, m->end, m->offset / PAGE};
        buf_add(&list, row, sizeof(row));
        buf_add(&names, m->path, strlen(m->path) + 1);
        count++;
    }
    struct buf all = {0};
    buf_add(&all, &count, sizeof(count));
    buf_add(&all, &page, sizeof(page));
    buf_add(&all, buf_text(&list), list.n);
    buf_add(&all, buf_text(&names), names.n);
    put_note(b, "CORE", NT_FILE, buf_text(&all), all.n);
    buf_free(&all);
    buf_free(&list);
    buf_free(&names);
}

/* A line of it.  What would end the line becomes a blank: names and arguments may hold anything. */
static void put_line(struct buf *text, const char *key, const char *value)
{
    buf_printf(text, "%s ", key);
    for (; *value; value++)
        buf_char(text, *value == '\n' ? ' ' : *value);
    buf_char(text, '\n');
}

/* Our own note; the count of unreadable bytes is filled in when it is known. */
static void put_own(struct writer *w, struct buf *b, const struct target_process *p)
{
    static const char counter[] = "unreadable_bytes ";
    struct buf text = {0};
    char host[256] = "";
    buf_printf(&text, "%s%0*d\n", counter, NUMBER_WIDTH, 0);
    buf_printf(&text, "written_by gospect %s\ntaken_wall_ns %" PRId64 "\n", GOSPECT_VERSION,
               clock_wall_ns() - (clock_mono_ns() - w->f.at_mono_ns));
    buf_printf(&text, "taken_mono_ns %" PRId64 "\nby %s\n", w->f.at_mono_ns,
               w->f.copy ? "copy" : "stop");
    if (w->f.copy)
        buf_printf(&text, "pause_ns %" PRId64 "\n", w->f.pause_ns);
    buf_printf(&text, "inner_pid %d\nstarted_wall_ns %" PRId64 "\n", p->inner_pid,
               p->started_wall_ns);
    if (gethostname(host, sizeof(host) - 1) == 0)
        put_line(&text, "host", host);
    put_line(&text, "cmdline", p->cmdline);
    for (size_t i = 0; i < w->f.nthreads; i++) {
        char key[32];
        snprintf(key, sizeof(key), "thread %d", w->f.threads[i].tid);
        put_line(&text, key, w->f.threads[i].name);
        if (w->f.threads[i].inner_tid)
            buf_printf(&text, "inner_tid %d %d\n", w->f.threads[i].tid, w->f.threads[i].inner_tid);
    }
    size_t name = sizeof(Elf64_Nhdr) + ((sizeof(CORE_NOTE_NAME) + 3) & ~(size_t)3);
    w->unreadable_at = b->n + name + sizeof(counter) - 1;
    put_note(b, CORE_NOTE_NAME, CORE_NOTE_TEXT, buf_text(&text), text.n + 1);
    buf_free(&text);
}

/* The main thread first: debuggers begin with it.  The process' notes follow the first thread. */
static struct err *put_notes(struct writer *w, struct buf *b)
{
    struct proc_stat st;
    struct proc_status s;
    struct target_process p;
    uint64_t auxv[PROC_AUXV_MAX / 8];
    TRY(proc_stat(w->t->pid, 0, &st));
    TRY(proc_status(w->t->pid, &s));
    TRY(target_process(w->t, &w->a, &p));
    size_t words = proc_auxv(w->t->pid, auxv), first = 0;
    for (size_t i = 0; i < w->f.nthreads; i++)
        if (w->f.threads[i].tid == w->t->pid)
            first = i;
    put_prstatus(w, b, &w->f.threads[first], &st);
    put_prpsinfo(b, &st, &p, s.gid[1]);
    put_note(b, "CORE", NT_AUXV, auxv, words * sizeof(*auxv));
    put_files(w, b);
    put_own(w, b, &p);
    put_extended(w, b, &w->f.threads[first]);
    for (size_t i = 0; i < w->f.nthreads; i++)
        if (i != first) {
            put_prstatus(w, b, &w->f.threads[i], &st);
            put_extended(w, b, &w->f.threads[i]);
        }
    return b->full ? err_new(ERR_LIMIT, "the notes of the core are too large") : NULL;
}

/* ---- headers ---- */

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static Elf64_Ehdr elf_header(const struct writer *w, uint64_t phnum, uint64_t shoff)
{
    Elf64_Ehdr h = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = w->t->arch->machine,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(h),
        .e_ehsize = sizeof(h),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)min_u64(phnum, PN_XNUM),
    };
    if (phnum >= PN_XNUM) {
        h.e_shoff = shoff;
        h.e_shentsize = sizeof(Elf64_Shdr);
        h.e_shnum = 1;
    }
    return h;
}

static void put_load(struct writer *w, struct dumped *d, uint64_t *offset)
{
    uint64_t size = d->m.end - d->m.start;
    d->offset = *offset;
    Elf64_Phdr p = {
        .p_type = PT_LOAD,
        .p_flags =
            (d->m.readable ? PF_R : 0) | (d->m.writable ? PF_W : 0) | (d->m.executable ? PF_X : 0),
        .p_offset = *offset,
        .p_vaddr = d->m.start,
        .p_filesz = d->whole ? size : 0,
        .p_memsz = size,
        .p_align = PAGE,
    };
    buf_add(&w->head, &p, sizeof(p));
    *offset += p.p_filesz;
}

static struct err *make_head(struct writer *w)
{
    struct buf notes = {0};
    struct err *e = put_notes(w, &notes);
    uint64_t phnum = w->nsegs + 1, table = sizeof(Elf64_Ehdr) + phnum * sizeof(Elf64_Phdr);
    uint64_t notes_at = table + (phnum >= PN_XNUM ? sizeof(Elf64_Shdr) : 0);
    uint64_t offset = page_up(notes_at + notes.n);
    Elf64_Ehdr h = elf_header(w, phnum, table);
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes.n, .p_align = 4};
    buf_add(&w->head, &h, sizeof(h));
    buf_add(&w->head, &note, sizeof(note));
    for (size_t i = 0; i < w->nsegs; i++)
        put_load(w, &w->segs[i], &offset);
    if (phnum >= PN_XNUM) {
        Elf64_Shdr count = {.sh_size = 1, .sh_info = (Elf64_Word)phnum};
        buf_add(&w->head, &count, sizeof(count));
    }
    buf_add(&w->head, buf_text(&notes), notes.n);
    buf_repeat(&w->head, '\0', page_up(w->head.n) - w->head.n);
    w->unreadable_at += notes_at;
    w->size = offset;
    buf_free(&notes);
    if (!e && w->head.full)
        e = err_new(ERR_LIMIT, "the headers of the core are too large");
    return e;
}

/* ---- memory ---- */

static void cut_chunks(struct writer *w)
{
    for (size_t i = 0; i < w->nsegs; i++) {
        const struct dumped *d = &w->segs[i];
        for (taddr at = d->m.start; d->whole && at < d->m.end; at += CHUNK) {
            struct chunk c = {d, at, (uint32_t)min_u64(d->m.end - at, CHUNK)};
            vec_push(&w->chunks, c);
        }
    }
}

static bool is_zero(const uint8_t *p)
{
    uint64_t v[8];
    for (size_t i = 0; i < PAGE; i += sizeof(v)) {
        memcpy(v, p + i, sizeof(v));
        if (v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7])
            return false;
    }
    return true;
}

/* Which pages hold something; all, where that cannot be told. */
static void present_pages(struct writer *w, const struct chunk *c, bool present[PAGES])
{
    uint64_t map[PAGES];
    size_t n = c->n / PAGE;
    ssize_t want = (ssize_t)(n * sizeof(*map));
    bool known = c->d->own && w->pagemap >= 0 &&
                 pread(w->pagemap, map, (size_t)want, (off_t)(c->addr / PAGE * 8)) == want;
    for (size_t i = 0; i < n; i++)
        present[i] = !known || (map[i] & PAGEMAP_PRESENT);
}

/* Reads a run of pages; those that cannot be read become zeros, and are counted. */
static struct err *read_run(struct writer *w, taddr addr, uint8_t *dst, size_t pages)
{
    struct target_iov iov = {addr, (uint32_t)(pages * PAGE), false, dst};
    TRY(target_readv(w->t, &iov, 1));
    for (size_t i = 0; !iov.ok && i < pages; i++) {
        struct target_iov one = {addr + i * PAGE, PAGE, false, dst + i * PAGE};
        TRY(target_readv(w->t, &one, 1));
        if (!one.ok) {
            memset(one.dst, 0, PAGE);
            w->unreadable += PAGE;
        }
    }
    return NULL;
}

static struct err *pwrite_all(struct writer *w, const uint8_t *p, size_t n, uint64_t at)
{
    w->written += n;
    while (n) {
        ssize_t k = pwrite(w->out.fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(errno, "cannot write %s", w->out.path);
        p += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return NULL;
}

/* Fills buf with a chunk; present[] says which pages are to be written afterwards. */
static struct err *read_chunk(struct writer *w, const struct chunk *c, uint8_t *buf,
                              bool present[PAGES])
{
    size_t n = c->n / PAGE;
    present_pages(w, c, present);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && present[k] == present[i]; k++)
            ;
        if (present[i])
            TRY(read_run(w, c->addr + i * PAGE, buf + i * PAGE, k - i));
        else
            memset(buf + i * PAGE, 0, (k - i) * PAGE);
    }
    for (size_t i = 0; i < n; i++)
        present[i] = present[i] && !is_zero(buf + i * PAGE);
    return NULL;
}

static struct err *write_chunk(void *arg, size_t index, unsigned worker)
{
    struct writer *w = arg;
    const struct chunk *c = &w->chunks.v[w->first + index];
    uint8_t *buf = w->bufs[worker];
    bool present[PAGES];
    TRY(read_chunk(w, c, buf, present));
    uint64_t at = c->d->offset + (c->addr - c->d->m.start);
    for (size_t i = 0, k; i < c->n / PAGE; i = k) {
        for (k = i; k < c->n / PAGE && present[k] == present[i]; k++)
            ;
        if (present[i])
            TRY(pwrite_all(w, buf + i * PAGE, (k - i) * PAGE, at + i * PAGE));
    }
    return NULL;
}

static struct err *step(struct writer *w, size_t done)
{
    return progress_step(w->o->progress, "writing the core", (uint64_t)done * CHUNK,
                         (uint64_t)w->chunks.n * CHUNK);
}

static struct err *write_memory(struct writer *w)
{
    struct err *e = NULL;
    if (ftruncate(w->out.fd, (off_t)w->size) < 0)
        return err_sys(errno, "cannot make %s so large", w->out.path);
    w->bufs = arena_array(&w->a, uint8_t *, pool_width());
    for (unsigned i = 0; i < pool_width(); i++)
        w->bufs[i] = arena_alloc(&w->a, CHUNK);
    for (w->first = 0; !e && w->first < w->chunks.n; w->first += ROUND) {
        e = step(w, w->first);
        if (!e)
            e = pool_run(min_u64(w->chunks.n - w->first, ROUND), write_chunk, w);
    }
    return e;
}

/* To a pipe: in order, and zeros are written. */
static struct err *stream_memory(struct writer *w)
{
    uint8_t *buf = arena_alloc(&w->a, CHUNK);
    bool present[PAGES];
    for (size_t i = 0; i < w->chunks.n; i++) {
        const struct chunk *c = &w->chunks.v[i];
        if (i % ROUND == 0)
            TRY(step(w, i));
        TRY(read_chunk(w, c, buf, present));
        TRY(file_out_write(&w->out, buf, c->n));
        w->written += c->n;
    }
    return NULL;
}

static struct err *write_file(struct writer *w)
{
    char count[NUMBER_WIDTH + 1];
    if (!w->out.tmp) {
        TRY(file_out_write(&w->out, w->head.p, w->head.n));
        return stream_memory(w);
    }
    TRY(write_memory(w));
    snprintf(count, sizeof(count), "%0*" PRIu64, NUMBER_WIDTH, (uint64_t)w->unreadable);
    memcpy(w->head.p + w->unreadable_at, count, NUMBER_WIDTH);
    return pwrite_all(w, (const uint8_t *)w->head.p, w->head.n, 0);
}

static struct err *write_core(struct writer *w, const char *path)
{
    char map[64];
    if (w->t->ops->held)
        TRY(w->t->ops->held(w->t, &w->a, &w->f));
    if (!w->f.nthreads)
        return err_new(ERR_USAGE, "a core is written of a process that stands");
    snprintf(map, sizeof(map), "/proc/%d/pagemap", w->f.memory);
    w->pagemap = open(map, O_RDONLY | O_CLOEXEC);
    TRY(choose_segments(w));
    TRY(make_head(w));
    cut_chunks(w);
    struct err *e = w->o->fd > 0 ? file_out_on_fd(w->o->fd, path, &w->out)
                                 /* memory of a process is nobody else's */
                                 : file_out_open(path, 0600, &w->out);
    if (e)
        return e;
    e = write_file(w);
    if (e)
        file_out_abort(&w->out);
    else
        e = file_out_commit(&w->out);
    return e;
}

struct err *target_write_core(struct target *standing, const char *path,
                              const struct target_core_options *o, struct target_core_stats *ret)
{
    static const struct target_core_options defaults;
    struct writer w = {.t = standing, .o = o ? o : &defaults, .pagemap = -1};
    arena_init(&w.a);
    struct err *e = write_core(&w, path);
    *ret = (struct target_core_stats){
        .bytes = w.written,
        .sparse_bytes = w.size > w.written ? w.size - w.written : 0,
        .threads = (unsigned)w.f.nthreads,
        .mappings = (unsigned)w.nsegs,
        .unreadable_bytes = w.unreadable,
    };
    if (w.pagemap >= 0)
        close(w.pagemap);
    vec_free(&w.chunks);
    buf_free(&w.head);
    arena_free(&w.a);
    return err_wrap(e, "core of process %d", standing->pid);
}
