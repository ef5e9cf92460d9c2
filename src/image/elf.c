/* elf.c - ELF64 headers, segments, sections and notes.
 *
 * Only what is little-endian and 64-bit, as every machine gospect supports.  Section headers are a
 * convenience here: a binary without any (sstrip, UPX-like tools, e_shnum = 0) opens as well; what
 * they name is then found through segments.  Nothing is trusted: offsets and counts are checked
 * against the file before use, and headers that point at the same bytes again and again are read
 * only up to a budget. */
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "image/image_int.h"

enum { NOTES_BUDGET = 4 }; /* times the size of the file */

bool image_in_file(const struct image *img, uint64_t off, uint64_t n)
{
    return off <= img->n && n <= img->n - off;
}

static struct err *parse_header(struct image *img)
{
    if (img->n < sizeof(img->ehdr) || memcmp(img->bytes, ELFMAG, SELFMAG) != 0)
        return err_new(ERR_BAD_DATA, "not an ELF file");
    memcpy(&img->ehdr, img->bytes, sizeof(img->ehdr));
    if (img->ehdr.e_ident[EI_CLASS] != ELFCLASS64 || img->ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
        return err_new(ERR_UNSUPPORTED, "a 32-bit or big-endian ELF file; only 64-bit "
                                        "little-endian ones are supported");
    return NULL;
}

/* Section header 0, which holds the counts that do not fit into the file header. */
static bool first_section(const struct image *img, Elf64_Shdr *ret)
{
    const Elf64_Ehdr *h = &img->ehdr;
    if (!h->e_shoff || h->e_shentsize != sizeof(*ret) ||
        !image_in_file(img, h->e_shoff, sizeof(*ret)))
        return false;
    memcpy(ret, img->bytes + h->e_shoff, sizeof(*ret));
    return true;
}

/* How many program headers there are, and that they lie in the file. */
static struct err *count_phdrs(struct image *img)
{
    const Elf64_Ehdr *h = &img->ehdr;
    Elf64_Shdr first;
    uint64_t n = h->e_phnum;
    if (n == PN_XNUM && first_section(img, &first))
        n = first.sh_info;
    if (n == 0)
        return NULL;
    if (h->e_phentsize != sizeof(Elf64_Phdr) || n > img->n / sizeof(Elf64_Phdr) ||
        !image_in_file(img, h->e_phoff, n * sizeof(Elf64_Phdr)))
        return err_new(ERR_BAD_DATA, "program headers lie outside the file (truncated?)");
    img->nphdrs = n;
    return NULL;
}

static Elf64_Phdr phdr_at(const struct image *img, size_t i)
{
    Elf64_Phdr p;
    memcpy(&p, img->bytes + img->ehdr.e_phoff + i * sizeof(p), sizeof(p));
    return p;
}

static struct image_segment segment_of(const struct image *img, const Elf64_Phdr *p)
{
    uint64_t room = p->p_offset <= img->n ? img->n - p->p_offset : 0;
    return (struct image_segment){
        .vaddr = p->p_vaddr,
        .filesz = min_u64(p->p_filesz, room),
        .memsz = max_u64(p->p_memsz, p->p_filesz),
        .bytes = img->bytes + min_u64(p->p_offset, img->n),
        .readable = p->p_flags & PF_R,
        .writable = p->p_flags & PF_W,
        .executable = p->p_flags & PF_X,
    };
}

static struct err *parse_segments(struct image *img)
{
    TRY(count_phdrs(img));
    img->segments = arena_array(&img->arena, struct image_segment, img->nphdrs);
    for (size_t i = 0; i < img->nphdrs; i++) {
        const Elf64_Phdr p = phdr_at(img, i);
        if (p.p_type == PT_GNU_EH_FRAME) {
            img->eh_frame_hdr = p.p_vaddr;
            img->eh_frame_hdr_n = p.p_filesz;
        } else if (p.p_type == PT_DYNAMIC) {
            img->dynamic = p.p_vaddr;
            img->dynamic_n = p.p_filesz;
        }
        if (p.p_type != PT_LOAD)
            continue;
        /* a debug file has the headers of its program, whose contents it lacks */
        if (!img->debug_file && !image_in_file(img, p.p_offset, p.p_filesz))
            return err_new(ERR_BAD_DATA, "segment %zu lies outside the file (truncated?)", i);
        if (p.p_vaddr + max_u64(p.p_memsz, p.p_filesz) < p.p_vaddr)
            return err_new(ERR_BAD_DATA, "segment %zu wraps around the address space", i);
        img->segments[img->nsegments++] = segment_of(img, &p);
    }
    return NULL;
}

const char *image_table_str(const struct image_strs *t, uint64_t index)
{
    return index < t->texts_n ? (const char *)t->p + index : "";
}

void image_open_strs(const struct image *img, uint64_t off, uint64_t size, struct image_strs *ret)
{
    *ret = (struct image_strs){0};
    if (!image_in_file(img, off, size) || size == 0)
        return;
    ret->p = img->bytes + off;
    const uint8_t *nul = memrchr(ret->p, 0, size);
    ret->texts_n = nul ? (size_t)(nul - ret->p) + 1 : 0;
}

static struct image_section section_of(const Elf64_Shdr *s, const char *name)
{
    return (struct image_section){
        .name = name,
        .type = s->sh_type,
        .flags = s->sh_flags,
        .vaddr = s->sh_addr,
        .offset = s->sh_offset,
        .size = s->sh_size,
        .link = s->sh_link,
        .info = s->sh_info,
        .align = s->sh_addralign,
        .entsize = s->sh_entsize,
        .compressed = (s->sh_flags & SHF_COMPRESSED) || strncmp(name, ".zdebug_", 8) == 0,
    };
}

static void parse_sections(struct image *img)
{
    const Elf64_Ehdr *h = &img->ehdr;
    uint64_t count = h->e_shnum, names = h->e_shstrndx;
    Elf64_Shdr s;
    if (!first_section(img, &s))
        return;
    if (count == 0)
        count = s.sh_size;
    if (names == SHN_XINDEX)
        names = s.sh_link;
    if (count == 0 || count > img->n / sizeof(s) ||
        !image_in_file(img, h->e_shoff, count * sizeof(s)))
        return;
    Elf64_Shdr strs = {0};
    if (names < count)
        memcpy(&strs, img->bytes + h->e_shoff + names * sizeof(s), sizeof(s));
    struct image_strs texts;
    image_open_strs(img, strs.sh_offset, strs.sh_size, &texts);
    img->sections = arena_array(&img->arena, struct image_section, count);
    img->contents = arena_array(&img->arena, struct image_content, count);
    for (uint64_t i = 1; i < count; i++) {
        memcpy(&s, img->bytes + h->e_shoff + i * sizeof(s), sizeof(s));
        pthread_mutex_init(&img->contents[img->nsections].lock, NULL);
        img->sections[img->nsections++] = section_of(&s, image_table_str(&texts, s.sh_name));
    }
}

static void take_note(struct image *img, uint32_t type, const char *owner, size_t owner_n,
                      const uint8_t *desc, size_t n)
{
    if (type == NT_GNU_BUILD_ID && owner_n == 4 && memcmp(owner, "GNU", 4) == 0 && n <= 64 &&
        !*img->gnu_build_id) {
        char *hex = arena_alloc(&img->arena, n * 2 + 1);
        for (size_t i = 0; i < n; i++) {
            hex[2 * i] = "0123456789abcdef"[desc[i] >> 4];
            hex[2 * i + 1] = "0123456789abcdef"[desc[i] & 15];
        }
        img->gnu_build_id = hex;
    } else if (type == 4 && owner_n == 4 && memcmp(owner, "Go", 3) == 0 && n <= 1024 &&
               !*img->go_build_id) {
        img->go_build_id = arena_strndup(&img->arena, (const char *)desc, n);
    }
}

void image_parse_notes(struct image *img, const uint8_t *p, size_t n)
{
    struct cursor c = cursor_on(p, n, "notes");
    while (cursor_left(&c) >= 12) {
        uint32_t owner_n = cursor_u32(&c), desc_n = cursor_u32(&c), type = cursor_u32(&c);
        const uint8_t *owner = cursor_bytes(&c, owner_n);
        cursor_skip(&c, -(size_t)owner_n & 3);
        const uint8_t *desc = cursor_bytes(&c, desc_n);
        if (c.bad)
            return;
        take_note(img, type, (const char *)owner, owner_n, desc, desc_n);
        cursor_skip(&c, min_u64(-(size_t)desc_n & 3, cursor_left(&c)));
    }
}

static void notes_at(struct image *img, uint64_t off, uint64_t size, uint64_t *budget)
{
    if (!image_in_file(img, off, size) || size > *budget)
        return;
    *budget -= size;
    image_parse_notes(img, img->bytes + off, size);
}

static void find_notes(struct image *img)
{
    uint64_t budget = (uint64_t)img->n * NOTES_BUDGET;
    for (size_t i = 0; i < img->nphdrs; i++) {
        const Elf64_Phdr p = phdr_at(img, i);
        if (p.p_type == PT_NOTE)
            notes_at(img, p.p_offset, p.p_filesz, &budget);
    }
    for (size_t i = 0; i < img->nsections; i++)
        if (img->sections[i].type == SHT_NOTE)
            notes_at(img, img->sections[i].offset, img->sections[i].size, &budget);
}

struct err *elf_parse(struct image *img)
{
    TRY(parse_header(img));
    TRY(parse_segments(img));
    parse_sections(img);
    find_notes(img);
    return NULL;
}

/* ---- images made of parts that are in memory ---- */

/* What the ELF header in memory tells, when there is one: the machine, notes, unwind tables.  Its
 * addresses are link-time ones; bias moves them to where the parts are. */
static void parse_memory_header(struct image *img, const struct image_part *part)
{
    const Elf64_Ehdr *h = &img->ehdr;
    struct cursor c = cursor_on(part->bytes, part->n, "ELF header in memory");
    memcpy(&img->ehdr, part->bytes, sizeof(img->ehdr));
    cursor_seek(&c, h->e_phoff);
    taddr bias = 0;
    bool biased = false;
    for (unsigned i = 0; i < h->e_phnum && h->e_phentsize == sizeof(Elf64_Phdr); i++) {
        Elf64_Phdr p;
        const uint8_t *raw = cursor_bytes(&c, sizeof(p)), *note;
        if (!raw)
            return;
        memcpy(&p, raw, sizeof(p));
        if (p.p_type == PT_LOAD && !biased) { /* the first one begins with the header */
            bias = part->vaddr - (p.p_vaddr - p.p_offset);
            biased = true;
        } else if (p.p_type == PT_GNU_EH_FRAME) {
            img->eh_frame_hdr = p.p_vaddr;
            img->eh_frame_hdr_n = p.p_filesz;
        }
        /* PT_NOTE stands before the first PT_LOAD; its file offset leads to it, too */
        if (p.p_type == PT_NOTE && p.p_offset <= part->n && p.p_filesz <= part->n - p.p_offset) {
            note = part->bytes + p.p_offset;
            image_parse_notes(img, note, p.p_filesz);
        }
    }
    if (img->eh_frame_hdr_n)
        img->eh_frame_hdr += bias;
}

struct err *elf_take_parts(struct image *img, const struct image_part *parts, size_t n)
{
    img->segments = arena_array(&img->arena, struct image_segment, n);
    img->from_memory = true;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].vaddr + parts[i].n < parts[i].vaddr)
            return err_new(ERR_USAGE, "part %zu wraps around the address space", i);
        img->segments[img->nsegments++] = (struct image_segment){.vaddr = parts[i].vaddr,
                                                                 .filesz = parts[i].n,
                                                                 .memsz = parts[i].n,
                                                                 .bytes = parts[i].bytes,
                                                                 .readable = parts[i].readable,
                                                                 .writable = parts[i].writable,
                                                                 .executable = parts[i].executable};
        const uint8_t *p = parts[i].bytes;
        if (!img->ehdr.e_machine && parts[i].n >= sizeof(img->ehdr) &&
            memcmp(p, ELFMAG, SELFMAG) == 0 && p[EI_CLASS] == ELFCLASS64 &&
            p[EI_DATA] == ELFDATA2LSB)
            parse_memory_header(img, &parts[i]);
    }
    if (!img->ehdr.e_machine)
        img->ehdr.e_machine = arch_host()->machine;
    img->ehdr.e_type = ET_EXEC; /* nothing is relative any more */
    return NULL;
}
