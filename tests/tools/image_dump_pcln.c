/* image_dump_pcln.c - the function table, module data, symbols and relocated words. */
#include <string.h>

#include "image/pclntab.h"
#include "image_dump.h"

typedef unsigned long long ull;

static struct err *dump_symbol(void *arg, const struct image_symbol *s)
{
    struct image_symbol named, at;
    printf("%llx\t%llx\t%d%d%d\t", (ull)s->addr, (ull)s->size, s->is_code, s->is_tls,
           s->is_absolute);
    dump_text(s->name);
    putchar('\n');
    /* the ways back */
    TRY(image_symbol_named(arg, s->name, &named));
    if (s->is_tls || s->is_absolute || !s->size)
        return NULL;
    TRY(image_symbol_at(arg, s->addr, &at));
    return at.addr == s->addr ? NULL : err_new(ERR_BAD_DATA, "%s is not found by address", s->name);
}

struct err *dump_symbols(struct image *img)
{
    return image_each_symbol(img, dump_symbol, img);
}

struct err *dump_module(struct image *img)
{
    struct image_moduledata m;
    TRY(image_moduledata(img, &m));
    printf("moduledata\t%llx\ntext\t%llx\netext\t%llx\nminpc\t%llx\nmaxpc\t%llx\n", (ull)m.vaddr,
           (ull)m.text, (ull)m.etext, (ull)m.minpc, (ull)m.maxpc);
    printf("noptrdata\t%llx\nenoptrdata\t%llx\ndata\t%llx\nedata\t%llx\n", (ull)m.noptrdata,
           (ull)m.enoptrdata, (ull)m.data, (ull)m.edata);
    printf("bss\t%llx\nebss\t%llx\nnoptrbss\t%llx\nenoptrbss\t%llx\n", (ull)m.bss, (ull)m.ebss,
           (ull)m.noptrbss, (ull)m.enoptrbss);
    printf("findfunctab\t%llx\ngofunc\t%llx\n", (ull)m.findfunctab, (ull)m.gofunc);
    return NULL;
}

static struct err *each_func(struct image *img,
                             struct err *(*fn)(const struct pcln *p, const struct pcln_func *f))
{
    const struct pcln *p;
    struct pcln_func f;
    TRY(image_pcln(img, &p));
    for (uint32_t i = 0; i < p->nfunc; i++) {
        if (!pcln_func_at(p, i, &f))
            return err_new(ERR_BAD_DATA, "function %u is missing", i);
        TRY(fn(p, &f));
    }
    return NULL;
}

static struct err *dump_func(const struct pcln *p, const struct pcln_func *f)
{
    struct pcln_func by_pc, last, by_name;
    printf("%llx\t%llx\t%s\n", (ull)f->entry, (ull)f->end, f->name);
    if (f->entry == f->end)
        return NULL;
    if (!pcln_find(p, f->entry, &by_pc) || by_pc.index != f->index ||
        !pcln_find(p, f->end - 1, &last) || last.index != f->index)
        return err_new(ERR_BAD_DATA, "%s is not found by pc", f->name);
    if (!pcln_find_name(p, f->name, &by_name) || strcmp(by_name.name, f->name) != 0 ||
        by_name.entry > f->entry)
        return err_new(ERR_BAD_DATA, "%s is not found by name", f->name);
    return NULL;
}

struct err *dump_pclnfuncs(struct image *img)
{
    return each_func(img, dump_func);
}

/* Every pc at which file or line changes. */
static struct err *dump_func_lines(const struct pcln *p, const struct pcln_func *f)
{
    struct pcln_values files, lines;
    pcln_values_of(&files, p, f, f->pcfile);
    pcln_values_of(&lines, p, f, f->pcln);
    bool more = pcln_value_next(&files) && pcln_value_next(&lines);
    for (taddr pc = f->entry; more; pc = files.hi < lines.hi ? files.hi : lines.hi) {
        while (more && files.hi <= pc)
            more = pcln_value_next(&files);
        while (more && lines.hi <= pc)
            more = pcln_value_next(&lines);
        struct pcln_frame frames[PCLN_FRAMES_MAX];
        if (!more || !pcln_frames(p, f, pc, frames, PCLN_FRAMES_MAX))
            break;
        printf("%llx\t%s:%d\n", (ull)pc, frames[0].file, frames[0].line);
    }
    return NULL;
}

struct err *dump_pclnlines(struct image *img)
{
    return each_func(img, dump_func_lines);
}

/* Inlined frames at some pcs of every function. */
static struct err *dump_func_frames(const struct pcln *p, const struct pcln_func *f)
{
    taddr last = 0;
    for (unsigned i = 0; i < 24; i++) {
        struct pcln_frame frames[PCLN_FRAMES_MAX];
        taddr pc = f->entry + (f->end - f->entry) * i / 24;
        if (pc == last || pc + 1 >= f->end) /* the runtime is asked for pc + 1 */
            continue;
        last = pc;
        size_t n = pcln_frames(p, f, pc, frames, PCLN_FRAMES_MAX);
        printf("%llx", (ull)pc);
        for (size_t k = 0; k < n; k++)
            printf("\t%s %s:%d %d %u", frames[k].func, frames[k].file, frames[k].line,
                   frames[k].start_line, frames[k].func_id);
        putchar('\n');
    }
    return NULL;
}

struct err *dump_pclnframes(struct image *img)
{
    return each_func(img, dump_func_frames);
}

static struct err *dump_func_pcsp(const struct pcln *p, const struct pcln_func *f)
{
    struct pcln_values it;
    pcln_values_of(&it, p, f, f->pcsp);
    while (pcln_value_next(&it))
        printf("%llx\t%llx\t%d\n", (ull)it.lo, (ull)it.hi, it.value);
    return NULL;
}

struct err *dump_pcsp(struct image *img)
{
    return each_func(img, dump_func_pcsp);
}

/* The words of the module data as a process would have them. */
struct err *dump_words(struct image *img)
{
    struct image_moduledata m;
    TRY(image_moduledata(img, &m));
    for (unsigned i = 0; i < 60; i++) {
        uint64_t v;
        struct err *e = image_relocated_u64(img, m.vaddr + 8 * i, &v);
        printf("%llx\t%llx\n", (ull)(m.vaddr + 8 * i), e ? 0 : (ull)v);
        err_free(e);
    }
    return NULL;
}
