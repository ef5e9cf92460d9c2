/* elf_symbol.c - symbols by name and by address (.symtab, then .dynsym).
 *
 * Each index is made at the first question that needs it: an open-addressed table of symbol numbers
 * by name, and the numbers of code and data symbols sorted by address.  A few names at once are
 * looked for in one pass instead, which is cheaper than an index that is used once. */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "image/image_int.h"

enum { SYMBOLS_MAX = 1 << 26 };

struct symbols {
    const uint8_t *tab[2]; /* .symtab, .dynsym */
    size_t n[2];
    struct image_strs strs[2];
    uint32_t *table; /* by name: number + 1; 0: free; NULL until asked */
    size_t mask;
    uint32_t *by_addr; /* sorted; NULL until asked */
    size_t nby_addr;
};

static Elf64_Sym sym_at(const struct symbols *s, uint32_t i)
{
    Elf64_Sym sym;
    unsigned t = i >= s->n[0];
    memcpy(&sym, s->tab[t] + (i - (t ? s->n[0] : 0)) * sizeof(sym), sizeof(sym));
    return sym;
}

static const char *name_at(const struct symbols *s, uint32_t i, const Elf64_Sym *sym)
{
    return image_table_str(&s->strs[i >= s->n[0]], sym->st_name);
}

static const char *name_of(const struct symbols *s, uint32_t i)
{
    const Elf64_Sym sym = sym_at(s, i);
    return name_at(s, i, &sym);
}

static bool is_defined(const Elf64_Sym *sym)
{
    unsigned type = ELF64_ST_TYPE(sym->st_info);
    return sym->st_shndx != SHN_UNDEF && type != STT_SECTION && type != STT_FILE;
}

static bool has_address(const Elf64_Sym *sym)
{
    return is_defined(sym) && sym->st_shndx != SHN_ABS && ELF64_ST_TYPE(sym->st_info) != STT_TLS;
}

static void open_table(const struct image *img, const char *name, struct symbols *s, unsigned t)
{
    const struct image_section *sec = image_find_section(img, name);
    if (!sec || sec->type == SHT_NOBITS || sec->link < 1 || sec->link > img->nsections ||
        sec->entsize != sizeof(Elf64_Sym) || !image_in_file(img, sec->offset, sec->size))
        return;
    const struct image_section *strs = &img->sections[sec->link - 1];
    s->tab[t] = img->bytes + sec->offset;
    s->n[t] = min_u64(sec->size / sizeof(Elf64_Sym), SYMBOLS_MAX);
    image_open_strs(img, strs->offset, strs->size, &s->strs[t]);
}

/* Symbols with an address, and which is the better name of one: sized before unsized, global before
 * local. */
struct placed {
    taddr addr;
    uint32_t i, rank;
};

static int by_addr(const void *va, const void *vb)
{
    const struct placed *a = va, *b = vb;
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->i < b->i ? -1 : a->i > b->i;
}

static void sort_by_addr(struct symbols *s)
{
    VEC(struct placed) all = {0};
    for (uint32_t i = 0; i < s->n[0] + s->n[1]; i++) {
        const Elf64_Sym sym = sym_at(s, i);
        if (!has_address(&sym) || !*name_at(s, i, &sym))
            continue;
        unsigned local = ELF64_ST_BIND(sym.st_info) == STB_LOCAL;
        struct placed p = {sym.st_value, i, (sym.st_size ? 2 : 0) + !local};
        vec_push(&all, p);
    }
    if (all.n)
        qsort(all.v, all.n, sizeof(*all.v), by_addr);
    s->by_addr = mem_alloc(all.n * sizeof(*s->by_addr));
    for (size_t i = 0; i < all.n; i++)
        if (i + 1 == all.n || all.v[i + 1].addr != all.v[i].addr) /* the last is the best */
            s->by_addr[s->nby_addr++] = all.v[i].i;
    vec_free(&all);
}

static void hash_names(struct symbols *s)
{
    size_t cap = 16, total = s->n[0] + s->n[1];
    while (cap < total * 2)
        cap *= 2;
    s->table = mem_alloc(cap * sizeof(*s->table));
    s->mask = cap - 1;
    for (uint32_t i = 0; i < total; i++) {
        const Elf64_Sym sym = sym_at(s, i);
        const char *name = name_at(s, i, &sym);
        if (!is_defined(&sym) || !*name)
            continue;
        size_t at = hash_bytes(name, strlen(name)) & s->mask;
        while (s->table[at] && strcmp(name_of(s, s->table[at] - 1), name) != 0)
            at = (at + 1) & s->mask;
        if (!s->table[at]) /* the first of a name is the one that is found */
            s->table[at] = i + 1;
    }
}

enum { BY_NAME = 1, BY_ADDR = 2 };

static const struct symbols *get_symbols(struct image *img, unsigned indexes)
{
    pthread_mutex_lock(&img->lock);
    if (!img->symbols) {
        struct symbols *s = mem_alloc(sizeof(*s));
        open_table(img, ".symtab", s, 0);
        open_table(img, ".dynsym", s, 1);
        img->symbols = s;
    }
    if (indexes & BY_NAME && !img->symbols->table)
        hash_names(img->symbols);
    if (indexes & BY_ADDR && !img->symbols->by_addr)
        sort_by_addr(img->symbols);
    pthread_mutex_unlock(&img->lock);
    return img->symbols;
}

void image_symbols_free(struct symbols *s)
{
    if (!s)
        return;
    free(s->table);
    free(s->by_addr);
    free(s);
}

static struct image_symbol symbol_of(const struct symbols *s, uint32_t i)
{
    const Elf64_Sym sym = sym_at(s, i);
    return (struct image_symbol){
        .name = name_at(s, i, &sym),
        .addr = sym.st_value,
        .size = sym.st_size,
        .is_code =
            ELF64_ST_TYPE(sym.st_info) == STT_FUNC || ELF64_ST_TYPE(sym.st_info) == STT_GNU_IFUNC,
        .is_tls = ELF64_ST_TYPE(sym.st_info) == STT_TLS,
        .is_absolute = sym.st_shndx == SHN_ABS,
    };
}

static bool find_name(const struct symbols *s, const char *name, struct image_symbol *ret)
{
    size_t at = hash_bytes(name, strlen(name)) & s->mask;
    for (; s->table[at]; at = (at + 1) & s->mask) {
        *ret = symbol_of(s, s->table[at] - 1);
        if (strcmp(ret->name, name) == 0)
            return true;
    }
    return false;
}

/* Where the symbols are: in the file, or in the debug file attached to it. */
static struct image *with_symbols(struct image *img)
{
    return img->debug && image_find_section(img->debug, ".symtab") &&
                   !image_find_section(img, ".symtab")
               ? img->debug
               : img;
}

struct err *image_symbol_named(struct image *img, const char *name, struct image_symbol *ret)
{
    if (find_name(get_symbols(with_symbols(img), BY_NAME), name, ret) ||
        find_name(get_symbols(img, BY_NAME), name, ret))
        return NULL;
    return err_new(ERR_NOT_FOUND, "%s: no symbol %s", img->name, name);
}

struct err *image_symbol(struct image *img, const char *name, taddr *ret, uint64_t *ret_size)
{
    struct image_symbol sym;
    TRY(image_symbol_named(img, name, &sym));
    *ret = sym.addr;
    if (ret_size)
        *ret_size = sym.size;
    return NULL;
}

struct err *image_symbol_at(struct image *img, taddr addr, struct image_symbol *ret)
{
    const struct symbols *s = get_symbols(with_symbols(img), BY_ADDR);
    size_t lo = 0, hi = s->nby_addr;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (sym_at(s, s->by_addr[mid]).st_value <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo) {
        *ret = symbol_of(s, s->by_addr[lo - 1]);
        /* hand-written assembly has symbols without a size: they reach up to the next one */
        if (ret->size ? addr - ret->addr < ret->size : lo < s->nby_addr || addr == ret->addr)
            return NULL;
    }
    return err_new(ERR_NOT_FOUND, "%s: no symbol at %#llx", img->name, (unsigned long long)addr);
}

struct err *image_each_symbol(struct image *img,
                              struct err *(*fn)(void *arg, const struct image_symbol *s), void *arg)
{
    const struct symbols *s = get_symbols(with_symbols(img), 0);
    for (uint32_t i = 0; i < s->n[0] + s->n[1]; i++) {
        const Elf64_Sym sym = sym_at(s, i);
        const struct image_symbol found = symbol_of(s, i);
        if (is_defined(&sym) && *found.name)
            TRY(fn(arg, &found));
    }
    return NULL;
}

/* ---- many names in one pass ---- */

struct wanted {
    const char *const *names;
    uint32_t *slots; /* index + 1 */
    size_t mask;
};

static uint32_t *slot_of(const struct wanted *w, const char *name)
{
    size_t i = hash_bytes(name, strlen(name)) & w->mask;
    while (w->slots[i] && strcmp(w->names[w->slots[i] - 1], name) != 0)
        i = (i + 1) & w->mask;
    return &w->slots[i];
}

static void look_for(const struct symbols *s, const struct wanted *w, taddr *ret)
{
    for (uint32_t i = 0; i < s->n[0] + s->n[1]; i++) {
        const Elf64_Sym sym = sym_at(s, i);
        if (!is_defined(&sym) || !sym.st_value)
            continue;
        uint32_t found = *slot_of(w, name_at(s, i, &sym));
        if (found && !ret[found - 1])
            ret[found - 1] = sym.st_value;
    }
}

void image_find_symbols(struct image *img, const char *const *names, size_t n, taddr *ret)
{
    struct wanted w = {.names = names};
    size_t cap = 16;
    while (cap < n * 4)
        cap *= 2;
    w.slots = mem_alloc(cap * sizeof(*w.slots));
    w.mask = cap - 1;
    memset(ret, 0, n * sizeof(*ret));
    for (size_t i = 0; i < n; i++)
        *slot_of(&w, names[i]) = (uint32_t)(i + 1);
    look_for(get_symbols(with_symbols(img), 0), &w, ret);
    free(w.slots);
    for (size_t i = 0; i < n; i++) /* a name that stands there twice */
        for (size_t k = 0; !ret[i] && k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                ret[i] = ret[k];
}
