/* make.h - ELF files and DWARF, byte by byte, for the tests of image/.
 *
 * Nothing here shares code with what is tested but struct buf. */
#ifndef GOSPECT_TESTS_IMAGE_MAKE_H
#define GOSPECT_TESTS_IMAGE_MAKE_H

#include <elf.h>
#include <string.h>

#include "base/buf.h"
#include "image/image.h"

enum { MAKE_SECTIONS_MAX = 32, MAKE_SEGMENTS_MAX = 8 };

struct make_section {
    const char *name;
    uint32_t type, link, info;
    uint64_t flags, addr, entsize;
    const void *p;
    size_t n;
};

struct make_segment {
    uint32_t type, flags;
    uint64_t vaddr, memsz;
    const void *p;
    size_t n;
};

struct make_elf {
    uint16_t type, machine; /* 0: ET_EXEC, EM_X86_64 */
    struct make_section sections[MAKE_SECTIONS_MAX];
    size_t nsections;
    struct make_segment segments[MAKE_SEGMENTS_MAX];
    size_t nsegments;
};

static inline void put_u8(struct buf *b, unsigned v)
{
    buf_char(b, (char)v);
}

static inline void put_u16(struct buf *b, uint16_t v)
{
    buf_add(b, &v, sizeof(v));
}

static inline void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof(v));
}

static inline void put_u64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof(v));
}

static inline void put_text(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s) + 1);
}

static inline void put_sleb(struct buf *b, int64_t v)
{
    for (;;) {
        uint8_t byte = v & 0x7f;
        v >>= 7;
        if ((v == 0 && !(byte & 0x40)) || (v == -1 && (byte & 0x40))) {
            put_u8(b, byte);
            return;
        }
        put_u8(b, byte | 0x80);
    }
}

static inline void put_at(struct buf *b, size_t at, const void *p, size_t n)
{
    memcpy(b->p + at, p, n);
}

static inline struct make_section *make_add(struct make_elf *m, const char *name, const void *p,
                                            size_t n)
{
    struct make_section *s = &m->sections[m->nsections++];
    *s = (struct make_section){.name = name, .type = SHT_PROGBITS, .p = p, .n = n};
    return s;
}

static inline struct make_segment *make_load(struct make_elf *m, uint64_t vaddr, uint32_t flags,
                                             const void *p, size_t n)
{
    struct make_segment *s = &m->segments[m->nsegments++];
    *s = (struct make_segment){
        .type = PT_LOAD, .flags = flags, .vaddr = vaddr, .memsz = n, .p = p, .n = n};
    return s;
}

/* Where the file has section i, segment i. */
struct make_offsets {
    uint64_t section[MAKE_SECTIONS_MAX], segment[MAKE_SEGMENTS_MAX];
    uint64_t shoff, phoff;
};

static inline void make_headers(const struct make_elf *m, struct buf *f, struct make_offsets *o,
                                const struct buf *names, const uint32_t *name_at)
{
    for (size_t i = 0; i < m->nsegments; i++) {
        const struct make_segment *s = &m->segments[i];
        Elf64_Phdr p = {.p_type = s->type,
                        .p_flags = s->flags,
                        .p_offset = o->segment[i],
                        .p_vaddr = s->vaddr,
                        .p_filesz = s->n,
                        .p_memsz = s->memsz};
        put_at(f, o->phoff + i * sizeof(p), &p, sizeof(p));
    }
    o->shoff = f->n + names->n;
    uint64_t names_at = f->n;
    buf_add(f, names->p, names->n);
    Elf64_Shdr sh = {0};
    buf_add(f, &sh, sizeof(sh));
    for (size_t i = 0; i < m->nsections; i++) {
        const struct make_section *s = &m->sections[i];
        sh = (Elf64_Shdr){.sh_name = name_at[i],
                          .sh_type = s->type,
                          .sh_flags = s->flags,
                          .sh_addr = s->addr,
                          .sh_offset = o->section[i],
                          .sh_size = s->n,
                          .sh_link = s->link,
                          .sh_info = s->info,
                          .sh_entsize = s->entsize};
        buf_add(f, &sh, sizeof(sh));
    }
    sh = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = names_at, .sh_size = names->n};
    buf_add(f, &sh, sizeof(sh));
}

/* The file's bytes; the section header string table comes last.  ret_offsets may be NULL. */
static inline void make_file(const struct make_elf *m, struct buf *f,
                             struct make_offsets *ret_offsets)
{
    struct make_offsets o = {.phoff = sizeof(Elf64_Ehdr)};
    struct buf names = {0};
    uint32_t name_at[MAKE_SECTIONS_MAX];
    buf_clear(f);
    buf_repeat(f, 0, sizeof(Elf64_Ehdr) + m->nsegments * sizeof(Elf64_Phdr));
    for (size_t i = 0; i < m->nsegments; i++) {
        o.segment[i] = f->n;
        buf_add(f, m->segments[i].p, m->segments[i].n);
    }
    put_u8(&names, 0);
    for (size_t i = 0; i < m->nsections; i++) {
        name_at[i] = (uint32_t)names.n;
        put_text(&names, m->sections[i].name);
        o.section[i] = f->n;
        if (m->sections[i].type != SHT_NOBITS)
            buf_add(f, m->sections[i].p, m->sections[i].n);
    }
    make_headers(m, f, &o, &names, name_at);
    Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = m->type ? m->type : ET_EXEC,
                    .e_machine = m->machine ? m->machine : EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = m->nsegments ? o.phoff : 0,
                    .e_shoff = o.shoff,
                    .e_ehsize = sizeof(h),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = (uint16_t)m->nsegments,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = (uint16_t)(m->nsections + 2),
                    .e_shstrndx = (uint16_t)(m->nsections + 1)};
    put_at(f, 0, &h, sizeof(h));
    buf_free(&names);
    if (ret_offsets)
        *ret_offsets = o;
}

#endif
