/* elf_reloc.c - what the dynamic linker would put into a word of the file.
 *
 * In a position-independent program the words that hold addresses may be zero in the file; their
 * value stands in a relocation (.rela.dyn), by PT_DYNAMIC, which survives stripping.  RELR keeps
 * the value in the word itself.  Addresses come out link-time, as everything of an image. */
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "image/image_int.h"

enum {
    X86_64_64 = 1,
    X86_64_GLOB_DAT = 6,
    X86_64_JUMP_SLOT = 7,
    X86_64_RELATIVE = 8,
    AARCH64_ABS64 = 257,
    AARCH64_GLOB_DAT = 1025,
    AARCH64_JUMP_SLOT = 1026,
    AARCH64_RELATIVE = 1027,
};

struct relocs {
    const uint8_t *rela;
    size_t n;
    uint32_t *order; /* sorted by r_offset; NULL: the table is */
    const uint8_t *syms;
    size_t nsyms;
};

static Elf64_Rela rela_at(const struct relocs *r, size_t i)
{
    Elf64_Rela rela;
    memcpy(&rela, r->rela + (r->order ? r->order[i] : i) * sizeof(rela), sizeof(rela));
    return rela;
}

static void sort_relocs(struct relocs *r)
{
    bool sorted = true;
    for (size_t i = 1; sorted && i < r->n; i++)
        sorted = rela_at(r, i - 1).r_offset <= rela_at(r, i).r_offset;
    if (sorted)
        return;
    struct sort_keyed *all = mem_alloc(2 * r->n * sizeof(*all));
    for (size_t i = 0; i < r->n; i++)
        all[i] = (struct sort_keyed){rela_at(r, i).r_offset, (uint32_t)i};
    sort_keyed(all, all + r->n, r->n);
    uint32_t *order = mem_alloc(r->n * sizeof(*order));
    for (size_t i = 0; i < r->n; i++)
        order[i] = all[i].value;
    free(all);
    r->order = order;
}

/* The dynamic symbol table has no size of its own; it ends where its segment does. */
static void take_symbols(const struct image *img, struct relocs *r, taddr symtab)
{
    const uint8_t *p;
    size_t n = symtab ? image_at_most(img, symtab, &p) : 0;
    if (n) {
        r->syms = p;
        r->nsyms = n / sizeof(Elf64_Sym);
    }
}

static struct relocs *open_relocs(const struct image *img)
{
    struct relocs *r = mem_alloc(sizeof(*r));
    const uint8_t *p = img->dynamic_n ? image_at(img, img->dynamic, img->dynamic_n) : NULL;
    taddr rela = 0, symtab = 0;
    uint64_t size = 0, entsize = sizeof(Elf64_Rela);
    Elf64_Dyn d;
    for (size_t at = 0; p && at + sizeof(d) <= img->dynamic_n; at += sizeof(d)) {
        memcpy(&d, p + at, sizeof(d));
        if (d.d_tag == DT_NULL)
            break;
        if (d.d_tag == DT_RELA)
            rela = d.d_un.d_ptr;
        else if (d.d_tag == DT_RELASZ)
            size = d.d_un.d_val;
        else if (d.d_tag == DT_RELAENT)
            entsize = d.d_un.d_val;
        else if (d.d_tag == DT_SYMTAB)
            symtab = d.d_un.d_ptr;
    }
    if (rela && entsize == sizeof(Elf64_Rela) && size / entsize < UINT32_MAX &&
        (r->rela = image_at(img, rela, size)))
        r->n = size / entsize;
    take_symbols(img, r, symtab);
    sort_relocs(r);
    return r;
}

void image_relocs_free(struct relocs *r)
{
    if (!r)
        return;
    free(r->order);
    free(r);
}

static const struct relocs *get_relocs(struct image *img)
{
    pthread_mutex_lock(&img->lock);
    if (!img->relocs)
        img->relocs = open_relocs(img);
    pthread_mutex_unlock(&img->lock);
    return img->relocs;
}

static bool find_reloc(const struct relocs *r, taddr vaddr, Elf64_Rela *ret)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rela_at(r, mid).r_offset < vaddr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == r->n)
        return false;
    *ret = rela_at(r, lo);
    return ret->r_offset == vaddr;
}

static bool symbol_value(const struct relocs *r, uint64_t i, uint64_t *ret)
{
    Elf64_Sym sym;
    if (i >= r->nsyms)
        return false;
    memcpy(&sym, r->syms + i * sizeof(sym), sizeof(sym));
    *ret = sym.st_value;
    return sym.st_shndx != SHN_UNDEF;
}

struct err *image_relocated_u64(struct image *img, taddr vaddr, uint64_t *ret)
{
    const uint8_t *p = image_at(img, vaddr, sizeof(*ret));
    const struct relocs *r = get_relocs(img);
    Elf64_Rela rela;
    if (!p)
        return err_new(ERR_NOT_FOUND, "%s: the file has no data at %#llx", img->name,
                       (unsigned long long)vaddr);
    memcpy(ret, p, sizeof(*ret));
    if (!find_reloc(r, vaddr, &rela))
        return NULL;
    uint64_t sym = 0, type = ELF64_R_TYPE(rela.r_info);
    bool arm = img->ehdr.e_machine == EM_AARCH64;
    if (type == (arm ? AARCH64_RELATIVE : X86_64_RELATIVE)) {
        *ret = (uint64_t)rela.r_addend;
        return NULL;
    }
    bool absolute = type == (arm ? AARCH64_ABS64 : X86_64_64);
    bool slot = arm ? type == AARCH64_GLOB_DAT || type == AARCH64_JUMP_SLOT
                    : type == X86_64_GLOB_DAT || type == X86_64_JUMP_SLOT;
    if ((!absolute && !slot) || !symbol_value(r, ELF64_R_SYM(rela.r_info), &sym))
        return err_new(ERR_NOT_FOUND, "%s: what is at %#llx comes from elsewhere when it is loaded",
                       img->name, (unsigned long long)vaddr);
    *ret = sym + (absolute || arm ? (uint64_t)rela.r_addend : 0);
    return NULL;
}

bool image_each_relative(struct image *img, taddr value, bool (*fn)(void *arg, taddr vaddr),
                         void *arg)
{
    const struct relocs *r = get_relocs(img);
    const uint64_t type = img->ehdr.e_machine == EM_AARCH64 ? AARCH64_RELATIVE : X86_64_RELATIVE;
    for (size_t i = 0; i < r->n; i++) {
        const Elf64_Rela rela = rela_at(r, i);
        if ((taddr)rela.r_addend == value && ELF64_R_TYPE(rela.r_info) == type &&
            fn(arg, rela.r_offset))
            return true;
    }
    return false;
}
