/* make_core.h - core files made by hand, for the tests of target/.  Shares no code with what reads
 * and writes them. */
#ifndef GOSPECT_TESTS_TARGET_MAKE_CORE_H
#define GOSPECT_TESTS_TARGET_MAKE_CORE_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "base/buf.h"

#ifndef NT_FILE
#define NT_FILE 0x46494c45
#endif

static inline void put_note(struct buf *b, const char *owner, uint32_t type, const void *p,
                            size_t n)
{
    Elf64_Nhdr h = {(Elf64_Word)strlen(owner) + 1, (Elf64_Word)n, type};
    buf_add(b, &h, sizeof(h));
    buf_add(b, owner, h.n_namesz);
    buf_repeat(b, '\0', -h.n_namesz & 3);
    buf_add(b, p, n);
    buf_repeat(b, '\0', -n & 3);
}

/* The C library's own idea of the structures, not ours. */
static inline void put_thread(struct buf *b, int tid, uint64_t pc, uint64_t sp, int signal)
{
    struct elf_prstatus st = {.pr_cursig = (short)signal, .pr_pid = tid};
    st.pr_reg[16] = pc;
    st.pr_reg[19] = sp;
    st.pr_reg[15] = 202; /* orig_rax: futex */
    put_note(b, "CORE", NT_PRSTATUS, &st, sizeof(st));
}

static inline void put_process(struct buf *b, int pid, const char *name, const char *args)
{
    struct elf_prpsinfo p = {.pr_pid = pid, .pr_uid = 12345};
    snprintf(p.pr_fname, sizeof(p.pr_fname), "%s", name);
    snprintf(p.pr_psargs, sizeof(p.pr_psargs), "%s", args);
    put_note(b, "CORE", NT_PRPSINFO, &p, sizeof(p));
}

static inline void put_file_note(struct buf *b, uint64_t start, uint64_t end, uint64_t page,
                                 const char *path)
{
    const uint64_t words[] = {1, 4096, start, end, page};
    struct buf d = {0};
    buf_add(&d, words, sizeof(words));
    buf_add(&d, path, strlen(path) + 1);
    put_note(b, "CORE", NT_FILE, d.p, d.n);
    buf_free(&d);
}

struct make_load {
    uint64_t addr, memsz, filesz;
    char fill; /* the byte it is full of */
};

/* The notes are first, each segment at its own offset behind them; ends with the last byte. */
static inline void make_core(struct buf *b, const struct buf *notes, const struct make_load *loads,
                             size_t n)
{
    uint64_t at = sizeof(Elf64_Ehdr) + (n + 1) * sizeof(Elf64_Phdr);
    Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_CORE,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof(h),
                    .e_ehsize = sizeof(h),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = (uint16_t)(n + 1)};
    Elf64_Phdr p = {.p_type = PT_NOTE, .p_offset = at, .p_filesz = notes->n};
    buf_clear(b);
    buf_add(b, &h, sizeof(h));
    buf_add(b, &p, sizeof(p));
    at += notes->n;
    for (size_t i = 0; i < n; i++) {
        p = (Elf64_Phdr){.p_type = PT_LOAD,
                         .p_flags = PF_R | PF_W,
                         .p_offset = at,
                         .p_vaddr = loads[i].addr,
                         .p_filesz = loads[i].filesz,
                         .p_memsz = loads[i].memsz};
        buf_add(b, &p, sizeof(p));
        at += loads[i].filesz;
    }
    buf_add(b, notes->p, notes->n);
    for (size_t i = 0; i < n; i++)
        buf_repeat(b, loads[i].fill, loads[i].filesz);
}

/* The first n bytes of it as a file; remove() it. */
static inline const char *core_on_disk(const struct buf *b, size_t n)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/gospect-core.XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, b->p, n) != (ssize_t)n)
        abort();
    close(fd);
    return path;
}

#endif
