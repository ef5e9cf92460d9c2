/* core_open.c - a core file as a target.
 *
 * A core is an ELF file: PT_LOAD segments are memory, PT_NOTE the rest.  The kernel leaves out what
 * is in files anyway: of the program usually only the first page is there.  Such pages are taken
 * from the program's file, once it is sure that it is the same program: the pages that the core
 * does have must be equal, and one of them holds the build id.  So are those of libraries that
 * somebody asks for (target_library()).
 *
 * A truncated core (no space left, RLIMIT_CORE) opens; target_incomplete() says what is missing,
 * and reads of it fail piece by piece.  Everything is read with pread: the file may shrink. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/core_int.h"
#include "target/image_int.h"
#include "target/proc_int.h"

enum { NOTES_MAX = 256 << 20, PAGE = 4096 };

struct segment {
    taddr start, end;        /* memory */
    uint64_t offset, filesz; /* what the file really has of it */
    uint64_t lost;           /* bytes behind these that the file should have, and has not */
    bool readable, writable, executable;
};

struct core {
    struct target t;
    struct arena a;
    int fd;
    uint64_t size; /* of the file */
    char *path;
    char *exe_wanted; /* named by the user; NULL: by the core */
    Elf64_Ehdr ehdr;
    struct segment *segs; /* ordered by address */
    size_t nsegs;
    uint64_t missing; /* bytes of memory that the file should hold and does not */
    struct core_notes notes;
    const struct core_file *exe; /* the first mapping of the program; NULL: not known */
    struct image *program;       /* its file, when it is the right one; for pages left out */
    taddr program_slide;
    struct core_library {
        struct image *img;
        taddr slide;
    } libraries[IMAGE_LIBRARIES]; /* for the same */
    _Atomic size_t nlibraries;
};

static struct core *of(struct target *t)
{
    return (struct core *)t;
}

/* ---- parsing ---- */

static struct err *pread_all(struct core *c, void *dst, size_t n, uint64_t at)
{
    char *p = dst;
    if (at > c->size || n > c->size - at)
        return err_new(ERR_BAD_DATA, "the file ends early (it is truncated)");
    while (n) {
        ssize_t k = pread(c->fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return err_sys(errno, "cannot read it");
        if (k == 0)
            return err_new(ERR_BAD_DATA, "the file ends early (it is truncated)");
        p += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return NULL;
}

static struct err *not_a_core(const uint8_t *b)
{
    static const struct {
        const char *what, *tool;
        uint8_t magic[4];
    } packed[] = {
        {"zstd", "zstd -d", {0x28, 0xb5, 0x2f, 0xfd}},
        {"lz4", "lz4 -d", {0x04, 0x22, 0x4d, 0x18}},
        {"xz", "xz -d", {0xfd, '7', 'z', 'X'}},
        {"gzip", "gzip -d", {0x1f, 0x8b, 0x08, 0x00}},
    };
    for (size_t i = 0; i < ARRAY_LEN(packed); i++)
        if (memcmp(b, packed[i].magic, i == 3 ? 3 : 4) == 0)
            return err_hint(err_new(ERR_UNSUPPORTED, "it is packed with %s", packed[i].what),
                            "unpack it first: %s (systemd: coredumpctl dump -o FILE)",
                            packed[i].tool);
    return err_hint(err_new(ERR_BAD_DATA, "it is not a core file"),
                    "gospect core, gcore and the kernel write core files");
}

static struct err *parse_header(struct core *c)
{
    Elf64_Ehdr *h = &c->ehdr;
    uint8_t magic[4] = {0};
    if (c->size >= sizeof(magic))
        TRY(pread_all(c, magic, sizeof(magic), 0));
    if (memcmp(magic, ELFMAG, SELFMAG) != 0)
        return not_a_core(magic);
    TRY(pread_all(c, h, sizeof(*h), 0));
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
        return err_new(ERR_UNSUPPORTED, "it is the core of a 32-bit or big-endian program");
    if (h->e_type != ET_CORE)
        return err_new(ERR_BAD_DATA, "it is a program or library, not a core file");
    c->t.arch = arch_by_machine(h->e_machine);
    if (!c->t.arch)
        return err_new(ERR_UNSUPPORTED,
                       "it comes from a processor that is not supported (ELF "
                       "machine %u)",
                       h->e_machine);
    if (h->e_phentsize != sizeof(Elf64_Phdr))
        return err_new(ERR_BAD_DATA, "its program headers have a strange size");
    return NULL;
}

/* More than 65,534 program headers do not fit into the header: section header 0 has the number. */
static struct err *header_count(struct core *c, uint64_t *ret)
{
    *ret = c->ehdr.e_phnum;
    if (c->ehdr.e_phnum != PN_XNUM)
        return NULL;
    Elf64_Shdr s;
    TRY(pread_all(c, &s, sizeof(s), c->ehdr.e_shoff));
    *ret = s.sh_info;
    return NULL;
}

static int by_address(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void add_segment(struct core *c, const Elf64_Phdr *p)
{
    uint64_t have = p->p_offset < c->size ? c->size - p->p_offset : 0;
    have = min_u64(have, p->p_filesz);
    c->missing += p->p_filesz - have;
    uint64_t size = max_u64(p->p_memsz, p->p_filesz);
    if (p->p_vaddr + size < p->p_vaddr)
        size = UINT64_MAX - p->p_vaddr;
    c->segs[c->nsegs++] = (struct segment){
        .start = p->p_vaddr,
        .end = p->p_vaddr + size,
        .offset = p->p_offset,
        .filesz = min_u64(have, size),
        .lost = min_u64(p->p_filesz, size) - min_u64(have, size),
        .readable = p->p_flags & PF_R,
        .writable = p->p_flags & PF_W,
        .executable = p->p_flags & PF_X,
    };
}

static struct err *parse_note_segment(struct core *c, const Elf64_Phdr *p)
{
    uint64_t have = p->p_offset < c->size ? min_u64(p->p_filesz, c->size - p->p_offset) : 0;
    c->missing += p->p_filesz - have;
    if (have > NOTES_MAX)
        return err_new(ERR_LIMIT, "its notes are too large");
    uint8_t *bytes = mem_try_alloc(have + 1);
    if (!bytes)
        return err_new(ERR_NOMEM, "no memory for its notes");
    struct err *e = pread_all(c, bytes, have, p->p_offset);
    if (!e)
        e = core_parse_notes(&c->notes, &c->a, c->t.arch, cursor_on(bytes, have, "notes"));
    free(bytes);
    if (e && c->notes.nthreads && have < p->p_filesz) { /* cut: what came before is still good */
        err_free(e);
        e = NULL;
    }
    return e;
}

/* Segments that overlap make no sense; the later one is cut, so that a search by address works. */
static void order_segments(struct core *c)
{
    if (!c->nsegs)
        return;
    qsort(c->segs, c->nsegs, sizeof(*c->segs), by_address);
    size_t n = 0;
    taddr end = 0;
    for (size_t i = 0; i < c->nsegs; i++) {
        struct segment s = c->segs[i];
        uint64_t cut = end > s.start ? end - s.start : 0;
        if (s.start >= s.end || cut >= s.end - s.start)
            continue;
        s.start += cut;
        s.offset += cut;
        s.filesz -= min_u64(s.filesz, cut);
        end = s.end;
        c->segs[n++] = s;
    }
    c->nsegs = n;
}

static struct err *parse_segments(struct core *c)
{
    uint64_t n;
    TRY(header_count(c, &n));
    if (n > (c->size - min_u64(c->size, c->ehdr.e_phoff)) / sizeof(Elf64_Phdr))
        return err_new(ERR_BAD_DATA, "its program headers are not in the file (it is truncated)");
    Elf64_Phdr *ph = mem_try_alloc(n * sizeof(*ph));
    c->segs = mem_try_alloc(n * sizeof(*c->segs));
    if (!ph || !c->segs) {
        free(ph);
        return err_new(ERR_NOMEM, "no memory for its %" PRIu64 " segments", n);
    }
    struct err *e = pread_all(c, ph, n * sizeof(*ph), c->ehdr.e_phoff);
    for (uint64_t i = 0; i < n && !e; i++) {
        if (ph[i].p_type == PT_LOAD && ph[i].p_memsz)
            add_segment(c, &ph[i]);
        else if (ph[i].p_type == PT_NOTE)
            e = parse_note_segment(c, &ph[i]);
    }
    free(ph);
    order_segments(c);
    return e;
}

/* ---- reading ---- */

static const struct segment *find_segment(const struct core *c, taddr addr)
{
    size_t lo = 0, hi = c->nsegs;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->segs[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->nsegs && c->segs[lo].start <= addr ? &c->segs[lo] : NULL;
}

static bool pread_piece(const struct core *c, uint64_t at, uint8_t *dst, size_t n)
{
    while (n) {
        ssize_t k = pread(c->fd, dst, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        dst += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return true;
}

/* The image among the program and the libraries whose segment an address is in; NULL: none. */
static const struct image_segment *segment_of_file(const struct core *c, taddr addr,
                                                   const uint8_t **bytes, size_t n)
{
    size_t count = atomic_load(&c->nlibraries);
    for (size_t k = 0; k <= count; k++) {
        const struct image *img = k ? c->libraries[k - 1].img : c->program;
        taddr at = addr - (k ? c->libraries[k - 1].slide : c->program_slide);
        const struct image_segment *segs;
        size_t nsegs = img ? image_segments(img, &segs) : 0;
        for (size_t i = 0; i < nsegs; i++) {
            if (segs[i].vaddr > at || at - segs[i].vaddr >= segs[i].filesz)
                continue;
            *bytes = image_at(img, at, n);
            return &segs[i];
        }
    }
    return NULL;
}

/* Is this address of the program, and as it was linked?  gdb's gcore leaves read-only data of files
 * out without a segment that would say so; what could be written must be in the core. */
static bool never_written(const struct core *c, taddr addr)
{
    const uint8_t *bytes;
    const struct image_segment *s = segment_of_file(c, addr, &bytes, 1);
    return s && !s->writable;
}

/* A run of bytes of one segment: from the core, or (`files`) from the program.  0: not there. */
static size_t read_run(const struct core *c, taddr addr, uint8_t *dst, size_t n, bool files)
{
    const struct segment *s = find_segment(c, addr);
    if (!s && !(files && never_written(c, addr)))
        return 0;
    uint64_t in = s ? addr - s->start : 0;
    if (s && in < s->filesz) {
        n = min_u64(n, s->filesz - in);
        return pread_piece(c, s->offset + in, dst, n) ? n : 0;
    }
    if (s)
        n = min_u64(n, s->end - addr);
    n = min_u64(n, PAGE - (addr & (PAGE - 1))); /* the file may end before the mapping */
    const uint8_t *p = NULL;
    if (!files || !segment_of_file(c, addr, &p, n) || !p)
        return 0;
    memcpy(dst, p, n);
    return n;
}

static bool read_piece(const struct core *c, taddr addr, uint8_t *dst, size_t n, bool files)
{
    while (n) {
        size_t k = read_run(c, addr, dst, n, files);
        if (!k)
            return false;
        addr += k;
        dst += k;
        n -= k;
    }
    return true;
}

static struct err *readv(struct target *t, struct target_iov *iov, size_t n)
{
    for (size_t i = 0; i < n; i++)
        iov[i].ok = read_piece(of(t), iov[i].addr, iov[i].dst, iov[i].n, true);
    return NULL;
}

static uint64_t missing_mb(const struct core *c)
{
    return (c->missing + (1 << 20) - 1) >> 20;
}

/* What was cut off is told from what was never there. */
static struct err *fault(struct target *t, taddr addr, size_t n)
{
    const struct core *c = of(t);
    for (taddr at = addr; at - addr < n;) {
        const struct segment *s = find_segment(c, at);
        if (!s)
            return NULL;
        taddr lost = s->start + s->filesz, from = max_u64(at, lost);
        if (s->lost && from - lost < s->lost && from - addr < n)
            return err_hint(
                err_new(ERR_FAULT,
                        "the memory at 0x%" PRItaddr
                        " is not in the core file: it is truncated (%" PRIu64
                        " MB of memory are missing)",
                        (unsigned long long)from, missing_mb(c)),
                "when a core is written, the disk must have room and the limit (ulimit -c) be "
                "high enough; a copy must be whole");
        at = s->end;
    }
    return NULL;
}

/* ---- mappings, threads, process ---- */

static const struct core_file *file_at(const struct core *c, taddr start)
{
    for (size_t i = 0; i < c->notes.nfiles; i++)
        if (c->notes.files[i].start <= start && start < c->notes.files[i].end)
            return &c->notes.files[i];
    return NULL;
}

static struct err *mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n)
{
    struct core *c = of(t);
    *ret = arena_array(a, struct target_mapping, c->nsegs);
    *ret_n = c->nsegs;
    for (size_t i = 0; i < c->nsegs; i++) {
        const struct segment *s = &c->segs[i];
        const struct core_file *f = file_at(c, s->start);
        (*ret)[i] = (struct target_mapping){
            .start = s->start,
            .end = s->end,
            .offset = f ? f->offset + (s->start - f->start) : 0,
            .readable = s->readable,
            .writable = s->writable,
            .executable = s->executable,
            .path = f ? arena_strdup(a, f->path) : "",
        };
    }
    return NULL;
}

/* Of every file that was mapped, whether the core has memory of it or not. */
static struct err *files(struct target *t, struct arena *a, struct target_mapping **ret,
                         size_t *ret_n)
{
    struct core *c = of(t);
    *ret = arena_array(a, struct target_mapping, c->notes.nfiles);
    *ret_n = c->notes.nfiles;
    for (size_t i = 0; i < c->notes.nfiles; i++) {
        const struct core_file *f = &c->notes.files[i];
        (*ret)[i] = (struct target_mapping){
            .start = f->start, .end = f->end, .offset = f->offset, .path = f->path};
    }
    return NULL;
}

static void use_library(struct target *t, struct image *img, taddr slide)
{
    struct core *c = of(t);
    pthread_mutex_lock(&t->lock);
    size_t n = atomic_load(&c->nlibraries);
    for (size_t i = 0; i < n; i++)
        if (c->libraries[i].slide == slide)
            n = IMAGE_LIBRARIES; /* it is known */
    if (n < IMAGE_LIBRARIES) {
        c->libraries[n] = (struct core_library){image_ref(img), slide};
        atomic_store(&c->nlibraries, n + 1);
    }
    pthread_mutex_unlock(&t->lock);
}

static int by_tid(const void *a, const void *b)
{
    const struct target_thread *x = a, *y = b;
    return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static struct err *threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    struct core *c = of(t);
    size_t n = *ret_n = c->notes.nthreads;
    *ret = arena_array(a, struct target_thread, n);
    for (size_t i = 0; i < n; i++) {
        char key[32];
        (*ret)[i] = c->notes.threads[i];
        snprintf(key, sizeof(key), "thread %d", (*ret)[i].tid);
        const char *name = core_text_value(&c->notes, a, key);
        (*ret)[i].name = name ? name : "";
        snprintf(key, sizeof(key), "inner_tid %d", (*ret)[i].tid);
        (*ret)[i].inner_tid = (pid_t)core_text_number(&c->notes, key, 0);
    }
    if (n)
        qsort(*ret, n, sizeof(**ret), by_tid);
    return NULL;
}

static struct err *process(struct target *t, struct arena *a, struct target_process *ret)
{
    struct core *c = of(t);
    struct passwd pw, *found = NULL;
    char buf[8192];
    const char *full = core_text_value(&c->notes, a, "cmdline");
    *ret = (struct target_process){
        .pid = c->t.pid,
        .inner_pid = (pid_t)core_text_number(&c->notes, "inner_pid", c->t.pid),
        .uid = c->notes.uid,
        .user = arena_printf(a, "%u", c->notes.uid),
        .exe = c->exe ? arena_strdup(a, c->exe->path) : "",
        .cmdline = full ? full : arena_strdup(a, c->notes.args),
        .comm = arena_strdup(a, c->notes.comm),
        .started_wall_ns = core_text_number(&c->notes, "started_wall_ns", 0),
        .threads = (unsigned)c->notes.nthreads,
        .cgroup = "",
        .memory_limit = UINT64_MAX,
    };
    if (c->notes.have_process && getpwuid_r(c->notes.uid, &pw, buf, sizeof(buf), &found) == 0 &&
        found)
        ret->user = arena_strdup(a, pw.pw_name);
    for (size_t i = 0; i < c->nsegs; i++)
        ret->vm_bytes += c->segs[i].end - c->segs[i].start;
    return NULL;
}

/* ---- the program ---- */

static taddr aux(const struct core *c, uint64_t tag)
{
    return auxv_get(c->notes.auxv, c->notes.auxv_n, tag);
}

/* The mapping that holds the program's headers names its file. */
static void find_exe(struct core *c)
{
    const struct core_file *f = file_at(c, aux(c, AT_PHDR));
    if (!f)
        f = file_at(c, aux(c, AT_ENTRY));
    c->exe = f;
}

enum verdict { SAME, OTHER, UNKNOWN };

/* Is this file the program of the core?  Compares what the core has of the read-only segments; the
 * first page, with headers and build id, is what counts. */
static enum verdict compare(struct core *c, const struct image *img, taddr slide)
{
    const struct image_segment *segs;
    size_t n = image_segments(img, &segs);
    enum verdict v = UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        uint8_t page[PAGE];
        size_t k = min_u64(segs[i].filesz, PAGE - (segs[i].vaddr & (PAGE - 1)));
        if (segs[i].writable || !k || !read_piece(c, segs[i].vaddr + slide, page, k, false))
            continue;
        if (memcmp(page, segs[i].bytes, k) != 0)
            return OTHER;
        v = SAME;
    }
    return v;
}

/* Whether it can be loaded so that it begins to run where the core says. */
static bool fits_entry(const struct core *c, const struct image *img, taddr slide)
{
    return !aux(c, AT_ENTRY) || (image_is_pie(img) ? slide % PAGE == 0 : slide == 0);
}

static const char *build_id(const struct image *img)
{
    return *image_go_build_id(img) ? image_go_build_id(img) : image_gnu_build_id(img);
}

/* Opens a file and keeps it as the program when it is the right one. */
static struct err *try_program(struct core *c, const char *path, bool named, struct image **ret)
{
    struct image *img;
    TRY(image_open(path, &img));
    taddr entry = aux(c, AT_ENTRY), slide = entry ? entry - image_entry(img) : 0;
    enum verdict v = fits_entry(c, img, slide) ? compare(c, img, slide) : OTHER;
    if (v == SAME || (v == UNKNOWN && named)) {
        c->program = image_ref(img);
        c->program_slide = slide;
        image_use_debug_file(img, NULL, NULL);
        *ret = img;
        return NULL;
    }
    struct err *e =
        v == OTHER
            ? err_new(ERR_BAD_DATA, "%s (build id %s) is not the program this core comes from",
                      path, build_id(img))
            : err_new(ERR_UNSUPPORTED, "the core does not tell whether %s is its program", path);
    image_unref(img);
    return e;
}

static struct err *without_program(struct core *c, struct err *why, struct image **ret)
{
    taddr phdr = aux(c, AT_PHDR);
    struct image *img;
    struct err *e = phdr ? image_from_memory(&c->t, phdr, aux(c, AT_PHNUM), &img)
                         : err_new(ERR_NOT_FOUND, "no auxiliary vector");
    if (!e) {
        const struct image_buildinfo *bi;
        e = image_buildinfo(img, &bi);
        if (!e) {
            err_free(why);
            *ret = img;
            return NULL;
        }
        image_unref(img);
    }
    err_free(e);
    return err_hint(err_wrap(why, "%s does not hold its program, which is needed", c->path),
                    "give the program it was made from: --exe FILE");
}

static struct err *image(struct target *t, struct image **ret, taddr *ret_slide)
{
    struct core *c = of(t);
    const char *path = c->exe_wanted ? c->exe_wanted : c->exe ? c->exe->path : NULL;
    struct err *e = path ? try_program(c, path, c->exe_wanted, ret)
                         : err_new(ERR_NOT_FOUND, "the core does not name its program");
    if (e && c->exe_wanted)
        return e;
    if (e)
        TRY(without_program(c, e, ret));
    *ret_slide = aux(c, AT_ENTRY) ? aux(c, AT_ENTRY) - image_entry(*ret) : 0;
    return NULL;
}

/* ---- life ---- */

static void core_close(struct target *t)
{
    struct core *c = of(t);
    if (c->fd >= 0)
        close(c->fd);
    image_unref(c->program);
    for (size_t i = 0; i < c->nlibraries; i++)
        image_unref(c->libraries[i].img);
    free(c->segs);
    free(c->path);
    free(c->exe_wanted);
    arena_free(&c->a);
}

static const struct target_ops core_ops = {
    .kind = TARGET_CORE,
    .readv = readv,
    .mappings = mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .files = files,
    .use_library = use_library,
    .fault = fault,
    .close = core_close,
};

static struct err *open_parts(struct core *c)
{
    struct stat st;
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe: do not wait */
    if (c->fd < 0)
        return err_sys(errno, "cannot open it");
    if (fstat(c->fd, &st) < 0)
        return err_sys(errno, "cannot examine it");
    if (!S_ISREG(st.st_mode))
        return err_new(ERR_BAD_DATA, "it is not a regular file");
    c->size = (uint64_t)st.st_size;
    TRY(parse_header(c));
    TRY(parse_segments(c));
    if (!c->notes.nthreads)
        return err_new(ERR_BAD_DATA, "it has no threads (it is truncated, or not a core of Linux)");
    c->t.pid = c->notes.have_process ? c->notes.pid : c->notes.threads[0].tid;
    find_exe(c);
    return NULL;
}

struct err *target_open_core(const char *path, const char *exe, struct target **ret)
{
    struct core *c = mem_alloc(sizeof(*c));
    target_init(&c->t, &core_ops, arch_host(), 0);
    arena_init(&c->a);
    c->notes.text = c->notes.comm = c->notes.args = "";
    c->fd = -1;
    c->path = mem_strdup(path);
    c->exe_wanted = exe ? mem_strdup(exe) : NULL;
    struct err *e = open_parts(c);
    if (e) {
        e = err_wrap(e, "%s", path);
        target_close(&c->t);
        return e;
    }
    *ret = &c->t;
    return NULL;
}

const char *target_incomplete(const struct target *t, struct arena *a)
{
    const struct core *c = (const struct core *)t;
    if (t->ops != &core_ops)
        return NULL;
    if (c->missing)
        return arena_printf(a, "the core is truncated: %" PRIu64 " MB of memory are missing",
                            missing_mb(c));
    int64_t bytes = core_text_number(&c->notes, "unreadable_bytes", 0);
    if (bytes > 0)
        return arena_printf(a,
                            "%" PRId64 " bytes of memory could not be read when the core was "
                            "written",
                            bytes);
    return NULL;
}

bool target_moment(struct target *t, struct arena *a, struct target_moment *ret)
{
    if (t->ops != &core_ops)
        return false;
    const struct core_notes *n = &of(t)->notes;
    const char *host = core_text_value(n, a, "host");
    *ret = (struct target_moment){
        .wall_ns = core_text_number(n, "taken_wall_ns", 0),
        .mono_ns = core_text_number(n, "taken_mono_ns", 0),
        .pause_ns = core_text_number(n, "pause_ns", -1),
        .host = host ? host : "",
    };
    return ret->wall_ns > 0 && ret->mono_ns > 0;
}
