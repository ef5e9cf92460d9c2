/* moduledata.c - the module data of a file, and the function table with all that belongs to it.
 *
 * Go: runtime/symtab.go moduledata.  Its first words up to enoptrbss are the same in 1.18-1.27;
 * since 1.26 it has a section of its own (.go.module).  It is found by what it must be: a word that
 * points to the function table, followed by slices into that table.  In a PIE those words are
 * relocations.
 *
 * gofunc, which inlining needs, stands at an offset that differs between releases.  It is
 * recognised by what it leads to: inlining trees whose rows name functions and lie inside their
 * function. */
#include <stdlib.h>

#include "image/pcln_int.h"

/* Words of moduledata: offsets that all releases share. */
enum {
    MD_PC_HEADER = 0,
    MD_FUNCNAMETAB = 8,
    MD_PCLNTABLE = 104,
    MD_FTAB = 128,
    MD_FINDFUNCTAB = 152,
    MD_MINPC = 160,
    MD_MAXPC = 168,
    MD_TEXT = 176,
    MD_ETEXT = 184,
    MD_NOPTRDATA = 192,
    MD_ENOPTRBSS = 248,
    MD_SHAPES = 264, /* from here on releases differ */
    MD_SHAPES_END = 400,
};
enum { PROOFS_WANTED = 32, FUNCS_TRIED = 1 << 16 };

/* ---- where the table is ---- */

struct table_at {
    const uint8_t *p;
    size_t n;
    taddr vaddr;
};

static bool in_segment(const struct image_segment *s, struct table_at *ret)
{
    size_t skew = -s->vaddr & 7;
    for (size_t off = skew; off + PCLN_HEADER_N <= s->filesz; off += 8) {
        if (load_u32(s->bytes + off) < PCLN_MAGIC_118 ||
            !pcln_plausible_header(s->bytes + off, s->filesz - off))
            continue;
        *ret = (struct table_at){s->bytes + off, s->filesz - off, s->vaddr + off};
        return true;
    }
    return false;
}

static bool find_table(const struct image *img, struct table_at *ret)
{
    static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct image_section *s = image_find_section(img, names[i]);
        const uint8_t *p = s ? image_at(img, s->vaddr, s->size) : NULL;
        if (p && pcln_plausible_header(p, s->size)) {
            *ret = (struct table_at){p, s->size, s->vaddr};
            return true;
        }
    }
    /* linkers that do not separate code put read-only data into the executable segment */
    for (int executable = 0; executable < 2; executable++)
        for (size_t i = 0; i < img->nsegments; i++)
            if (img->segments[i].executable == executable && in_segment(&img->segments[i], ret))
                return true;
    return false;
}

struct err *image_pclntab(struct image *img, const uint8_t **ret, size_t *ret_n, taddr *ret_vaddr)
{
    struct table_at t;
    if (!find_table(img, &t))
        return err_new(ERR_NOT_FOUND, "%s: no Go function table (pclntab)", img->name);
    *ret = t.p;
    *ret_n = t.n;
    *ret_vaddr = t.vaddr;
    return NULL;
}

/* ---- where the module data is ---- */

static bool word(struct image *img, taddr vaddr, uint64_t *ret)
{
    struct err *e = image_relocated_u64(img, vaddr, ret);
    err_free(e);
    return !e;
}

/* Whether what is at md are the first words of the table's module data. */
static bool is_moduledata(struct image *img, taddr md, const struct pcln *p, taddr table)
{
    uint64_t header, names, func, funcs, nfuncs, text, minpc, maxpc;
    return word(img, md + MD_PC_HEADER, &header) && header == table &&
           word(img, md + MD_FUNCNAMETAB, &names) &&
           names == table + (taddr)(p->funcname - p->bytes) &&
           word(img, md + MD_PCLNTABLE, &func) && func == table + (taddr)(p->func - p->bytes) &&
           word(img, md + MD_FTAB, &funcs) && funcs == func &&
           word(img, md + MD_FTAB + 8, &nfuncs) && nfuncs == (uint64_t)p->nfunc + 1 &&
           word(img, md + MD_TEXT, &text) && word(img, md + MD_MINPC, &minpc) &&
           word(img, md + MD_MAXPC, &maxpc) && text <= minpc && minpc < maxpc;
}

struct md_search {
    struct image *img;
    const struct pcln *p;
    taddr table, found;
};

static bool try_at(void *arg, taddr vaddr)
{
    struct md_search *s = arg;
    if (!is_moduledata(s->img, vaddr, s->p, s->table))
        return false;
    s->found = vaddr;
    return true;
}

/* Words of a segment that hold the table's address; in a PIE they may be relocations instead. */
static bool search_words(struct md_search *s, const struct image_segment *seg)
{
    for (size_t off = -seg->vaddr & 7; off + 8 <= seg->filesz; off += 8)
        if (load_u64(seg->bytes + off) == s->table && try_at(s, seg->vaddr + off))
            return true;
    return false;
}

static bool find_moduledata(struct md_search *s)
{
    const struct image_section *sec = image_find_section(s->img, ".go.module");
    if (sec && try_at(s, sec->vaddr))
        return true;
    for (int writable = 1; writable >= 0; writable--)
        for (size_t i = 0; i < s->img->nsegments; i++) {
            const struct image_segment *seg = &s->img->segments[i];
            if (seg->writable == writable && !seg->executable && search_words(s, seg))
                return true;
        }
    return image_each_relative(s->img, s->table, try_at, s);
}

static void read_moduledata(struct image *img, taddr md, struct image_moduledata *ret)
{
    uint64_t *const data[] = {&ret->noptrdata, &ret->enoptrdata, &ret->data,     &ret->edata,
                              &ret->bss,       &ret->ebss,       &ret->noptrbss, &ret->enoptrbss};
    *ret = (struct image_moduledata){.vaddr = md};
    word(img, md + MD_FINDFUNCTAB, &ret->findfunctab);
    word(img, md + MD_MINPC, &ret->minpc);
    word(img, md + MD_MAXPC, &ret->maxpc);
    word(img, md + MD_TEXT, &ret->text);
    word(img, md + MD_ETEXT, &ret->etext);
    for (size_t i = 0; i < ARRAY_LEN(data); i++)
        word(img, md + MD_NOPTRDATA + i * 8, data[i]);
}

/* ---- gofunc ---- */

/* Whether the row makes sense: it names a function, and its call lies inside the function. */
static bool is_inlined_call(const struct pcln *p, const struct pcln_func *f, const uint8_t *tree,
                            size_t n)
{
    struct inlined_call call;
    if (!pcln_inlined_call(p, tree, n, 0, &call))
        return false;
    const uint8_t *name = pcln_part(p, p->funcname, call.name, 1);
    return name && (!call.name || name[-1] == 0) && *name && call.parent_pc >= 0 &&
           (uint32_t)call.parent_pc < f->end - f->entry;
}

/* A stack map: a few bitmaps of at most some hundred bits. */
static bool is_stack_map(const uint8_t *map, size_t n)
{
    int32_t maps, bits;
    if (n < 8)
        return false;
    maps = (int32_t)load_u32(map);
    bits = (int32_t)load_u32(map + 4);
    return maps > 0 && maps < 1 << 16 && bits >= 0 && bits < 1 << 20;
}

/* How many functions speak for this base: all that were looked at, or 0. */
static unsigned proofs(const struct image *img, const struct pcln *p, taddr gofunc)
{
    const uint8_t *base;
    size_t n = image_at_most(img, gofunc, &base);
    unsigned seen = 0;
    for (uint32_t i = 0; n && i < p->nfunc && i < FUNCS_TRIED && seen < PROOFS_WANTED; i++) {
        struct pcln_func f;
        if (!pcln_func_at(p, i, &f))
            continue;
        uint32_t tree = pcln_funcdata_off(p, &f, PCLN_FUNCDATA_INL_TREE);
        uint32_t map = pcln_funcdata_off(p, &f, PCLN_FUNCDATA_LOCALS_MAPS);
        if ((tree != UINT32_MAX && (tree >= n || !is_inlined_call(p, &f, base + tree, n - tree))) ||
            (map != UINT32_MAX && (map >= n || !is_stack_map(base + map, n - map))))
            return 0;
        seen += tree != UINT32_MAX || map != UINT32_MAX;
    }
    return seen;
}

static taddr find_gofunc(struct image *img, const struct pcln *p, taddr md)
{
    taddr best = 0;
    unsigned most = 0;
    for (taddr off = MD_SHAPES; off < MD_SHAPES_END; off += 8) {
        uint64_t w;
        if (!word(img, md + off, &w) || w == 0)
            continue;
        unsigned n = proofs(img, p, w);
        if (n > most) {
            most = n;
            best = w;
        }
    }
    return best;
}

/* ---- all of it ---- */

struct module {
    struct pcln pcln;
    struct image_moduledata md;
    bool has_md;
};

/* The start of the text when nothing points to the table: its own header says it (until 1.25), else
 * the symbol or the section. */
static taddr text_without_moduledata(struct image *img, taddr table)
{
    uint64_t text;
    taddr addr;
    if (word(img, table + 24, &text) && text)
        return text;
    struct err *e = image_symbol(img, "runtime.text", &addr, NULL);
    if (!e)
        return addr;
    err_free(e);
    const struct image_section *s = image_find_section(img, ".text");
    return s ? s->vaddr : 0;
}

static void take_moduledata(struct image *img, struct module *m, taddr table)
{
    struct pcln *p = &m->pcln;
    uint64_t func, func_n;
    p->text = m->md.text;
    p->findfunc_n = image_at_most(img, m->md.findfunctab, &p->findfunc);
    /* a table that was found by its magic ends somewhere in its segment; this says where */
    if (word(img, m->md.vaddr + MD_PCLNTABLE, &func) &&
        word(img, m->md.vaddr + MD_PCLNTABLE + 8, &func_n) && func - table <= p->n &&
        func_n <= p->n - (func - table))
        p->n = func - table + func_n;
    p->texts_n = min_u64(p->texts_n, p->n);
    m->md.gofunc = find_gofunc(img, p, m->md.vaddr);
    p->gofunc_vaddr = m->md.gofunc;
    p->gofunc_n = m->md.gofunc ? image_at_most(img, m->md.gofunc, &p->gofunc) : 0;
}

static struct err *open_module(struct image *img, struct module **ret)
{
    struct table_at t;
    struct pcln p;
    TRY(image_pclntab(img, &t.p, &t.n, &t.vaddr));
    TRY(pcln_open(t.p, t.n, 0, img->name, &p));
    struct module *m = mem_alloc(sizeof(*m));
    m->pcln = p;
    struct md_search s = {.img = img, .p = &p, .table = t.vaddr};
    m->has_md = find_moduledata(&s);
    if (m->has_md) {
        read_moduledata(img, s.found, &m->md);
        take_moduledata(img, m, t.vaddr);
    } else {
        m->pcln.text = text_without_moduledata(img, t.vaddr);
    }
    m->pcln.index = pcln_index_new();
    *ret = m;
    return NULL;
}

void image_module_free(struct module *m)
{
    if (!m)
        return;
    pcln_index_free(m->pcln.index);
    free(m);
}

static struct err *get_module(struct image *img, const struct module **ret)
{
    struct err *e = NULL;
    pthread_mutex_lock(&img->module_lock);
    if (!img->module)
        e = open_module(img, &img->module);
    *ret = img->module;
    pthread_mutex_unlock(&img->module_lock);
    return e;
}

struct err *image_moduledata(struct image *img, struct image_moduledata *ret)
{
    const struct module *m;
    TRY(get_module(img, &m));
    if (!m->has_md)
        return err_new(ERR_NOT_FOUND, "%s: nothing points to its Go function table", img->name);
    *ret = m->md;
    return NULL;
}

struct err *image_pcln(struct image *img, const struct pcln **ret)
{
    const struct module *m;
    TRY(get_module(img, &m));
    *ret = &m->pcln;
    return NULL;
}
