/* core_notes.c - the notes of a core file: threads, process, files, auxiliary vector.
 *
 * As linux/fs/binfmt_elf.c writes them (fill_note_info), gdb's gcore, and core_write.c.  The kernel
 * writes NT_PRSTATUS of a thread first and its other registers behind; those of the process follow
 * the first thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "target/core_int.h"

enum { FILES_MAX = 1 << 20, THREADS_MAX = 1 << 20, AUXV_MAX = 4096, EXTENDED_MAX = 64 << 10 };

struct note {
    const char *name;
    uint32_t type;
    struct cursor desc;
};

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static bool next_note(struct cursor *c, struct note *ret)
{
    if (cursor_left(c) < 12)
        return false; /* what is left is padding */
    uint32_t name_n = cursor_u32(c), desc_n = cursor_u32(c);
    ret->type = cursor_u32(c);
    const uint8_t *name = cursor_bytes(c, name_n);
    cursor_skip(c, padded(name_n) - name_n);
    ret->desc = cursor_sub(c, desc_n, c->what);
    if (cursor_left(c)) /* the last one need not be padded */
        cursor_skip(c, min_u64(padded(desc_n) - desc_n, cursor_left(c)));
    ret->name = name && name_n && !name[name_n - 1] ? (const char *)name : "";
    return !c->bad;
}

static uint32_t u32_at(struct cursor c, size_t at)
{
    cursor_seek(&c, at);
    return cursor_u32(&c);
}

static struct err *take_prstatus(struct core_notes *n, struct arena *a, const struct arch *arch,
                                 struct cursor c, struct target_thread *t)
{
    size_t size = cursor_left(&c);
    if (size < PRSTATUS_REGS + PRSTATUS_TAIL)
        return err_new(ERR_BAD_DATA, "the registers of a thread are cut short");
    *t = (struct target_thread){.tid = (pid_t)u32_at(c, PRSTATUS_PID), .name = "", .syscall = -1};
    size_t regs_n = size - PRSTATUS_REGS - PRSTATUS_TAIL;
    if (regs_n <= sizeof(t->regs.raw)) {
        cursor_seek(&c, PRSTATUS_REGS);
        memcpy(t->regs.raw, cursor_bytes(&c, regs_n), regs_n);
        t->regs.raw_n = regs_n;
        t->have_regs = arch->from_raw(&t->regs);
        t->syscall = t->have_regs ? t->regs.syscall : -1;
    }
    if (!n->nthreads)
        n->signal = (int)(u32_at(c, PRSTATUS_CURSIG) & 0xffff);
    return NULL;
}

static void take_prpsinfo(struct core_notes *n, struct arena *a, struct cursor c)
{
    if (cursor_left(&c) < PRPSINFO_SIZE || n->have_process)
        return;
    n->have_process = true;
    n->uid = u32_at(c, PRPSINFO_UID);
    n->pid = (pid_t)u32_at(c, PRPSINFO_PID);
    n->ppid = (pid_t)u32_at(c, PRPSINFO_PPID);
    cursor_seek(&c, PRPSINFO_FNAME);
    const char *fname = (const char *)cursor_bytes(&c, PRPSINFO_FNAME_N);
    const char *args = (const char *)cursor_bytes(&c, PRPSINFO_ARGS_N);
    n->comm = arena_strndup(a, fname, strnlen(fname, PRPSINFO_FNAME_N));
    size_t len = strnlen(args, PRPSINFO_ARGS_N);
    while (len && args[len - 1] == ' ')
        len--;
    n->args = arena_strndup(a, args, len);
}

/* count, page size, {start, end, offset in pages}..., names */
static struct err *take_files(struct core_notes *n, struct arena *a, struct cursor c)
{
    uint64_t count = cursor_u64(&c), page = cursor_u64(&c);
    if (n->nfiles || !count)
        return cursor_err(&c);
    if (count > FILES_MAX || count > cursor_left(&c) / 24 || page > 1 << 30)
        return err_new(ERR_BAD_DATA, "the list of mapped files is damaged");
    struct core_file *files = arena_array(a, struct core_file, count);
    for (uint64_t i = 0; i < count; i++) {
        files[i].start = cursor_u64(&c);
        files[i].end = cursor_u64(&c);
        files[i].offset = cursor_u64(&c) * page;
    }
    for (uint64_t i = 0; i < count; i++)
        files[i].path = arena_strdup(a, cursor_cstr(&c));
    n->files = files;
    n->nfiles = count;
    return cursor_err(&c);
}

static void take_auxv(struct core_notes *n, struct arena *a, struct cursor c)
{
    size_t bytes = min_u64(cursor_left(&c), AUXV_MAX);
    if (n->auxv || !bytes)
        return;
    uint64_t *words = arena_alloc(a, bytes);
    memcpy(words, cursor_bytes(&c, bytes), bytes);
    n->auxv = words;
    n->auxv_n = bytes / sizeof(*words);
}

static struct err *take_core_note(struct core_notes *n, struct arena *a, const struct arch *arch,
                                  const struct note *note, struct target_thread *thread)
{
    switch (note->type) {
    case NT_PRSTATUS:
        return take_prstatus(n, a, arch, note->desc, thread);
    case NT_PRPSINFO:
        take_prpsinfo(n, a, note->desc);
        return NULL;
    case NT_FILE:
        return take_files(n, a, note->desc);
    case NT_AUXV:
        take_auxv(n, a, note->desc);
        return NULL;
    default:
        return NULL;
    }
}

/* Floating point and vector registers follow the other registers of their thread; the note that has
 * more of them comes last. */
static void take_extended(struct arena *a, const struct arch *arch, const struct note *note,
                          struct target_thread *t)
{
    struct cursor c = note->desc;
    size_t n = cursor_left(&c);
    if (!n || n > EXTENDED_MAX || (note->type != NT_FPREGSET && note->type != arch->extended_note))
        return;
    t->extended = memcpy(arena_alloc(a, n), cursor_bytes(&c, n), n);
    t->extended_n = n;
}

static void take_own_note(struct core_notes *n, struct arena *a, struct cursor c)
{
    size_t len = cursor_left(&c);
    const uint8_t *p = cursor_bytes(&c, len);
    n->text = arena_strndup(a, (const char *)p, strnlen((const char *)p, len));
}

struct err *core_parse_notes(struct core_notes *n, struct arena *a, const struct arch *arch,
                             struct cursor c)
{
    VEC(struct target_thread) threads = {0};
    struct note note;
    struct err *e = NULL;
    while (!e && next_note(&c, &note)) {
        struct target_thread t = {0};
        if (strcmp(note.name, "CORE") == 0 || strcmp(note.name, "LINUX") == 0)
            e = take_core_note(n, a, arch, &note, &t);
        else if (strcmp(note.name, CORE_NOTE_NAME) == 0 && note.type == CORE_NOTE_TEXT)
            take_own_note(n, a, note.desc);
        if (!e && t.tid && n->nthreads + threads.n < THREADS_MAX)
            vec_push(&threads, t);
        else if (!e && threads.n)
            take_extended(a, arch, &note, vec_last(&threads));
    }
    if (!e)
        e = cursor_err(&c);
    if (threads.n) {
        struct target_thread *all = arena_array(a, struct target_thread, n->nthreads + threads.n);
        if (n->nthreads)
            memcpy(all, n->threads, n->nthreads * sizeof(*all));
        memcpy(all + n->nthreads, threads.v, threads.n * sizeof(*all));
        n->threads = all;
        n->nthreads += threads.n;
    }
    vec_free(&threads);
    return e;
}

/* Where the value of a key begins; NULL: there is no such line. */
static const char *find_value(const struct core_notes *n, const char *key)
{
    size_t k = strlen(key);
    for (const char *p = n->text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (strncmp(p, key, k) == 0 && p[k] == ' ')
            return p + k + 1;
    return NULL;
}

const char *core_text_value(const struct core_notes *n, struct arena *a, const char *key)
{
    const char *p = find_value(n, key);
    return p ? arena_strndup(a, p, strcspn(p, "\n")) : NULL;
}

int64_t core_text_number(const struct core_notes *n, const char *key, int64_t none)
{
    const char *p = find_value(n, key);
    char *end;
    errno = 0;
    int64_t v = p ? strtoll(p, &end, 10) : none;
    return p && (errno || end == p || (*end && *end != '\n')) ? none : v;
}
