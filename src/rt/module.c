/* module.c - the module data of the running program and of its plugins, and through it the function
 * tables.
 *
 * Go: runtime/symtab.go moduledata (1.18-1.27), runtime/plugin.go.  The program's record is found
 * by what it must contain: a pointer to the function table of this very binary, with text bounds
 * that make sense.  Plugins hang on it in a list (moduledata.next); their tables are those of their
 * files (module_file.c), or read from memory. */
#include <stdlib.h>

#include "base/log.h"
#include "rt/rt_int.h"

enum { MODULES_MAX = 1024, SCAN_CHUNK = 1 << 20, TABLE_MAX = 1 << 30 };

#define MD(rt, copy, f) rt_get(&(rt)->layout, (copy), RT_moduledata_##f)

static size_t md_size(const struct rt *rt)
{
    return (size_t)rt->layout.size[RT_STRUCT_moduledata];
}

static bool is_moduledata(const struct rt *rt, const uint8_t *copy, taddr pc_header)
{
    taddr minpc = MD(rt, copy, minpc), maxpc = MD(rt, copy, maxpc), text = MD(rt, copy, text);
    return MD(rt, copy, pc_header) == pc_header && minpc < maxpc && text <= minpc &&
           maxpc <= MD(rt, copy, etext) + 16;
}

/* Looks for the record in bytes that lie at addr. */
static bool scan(struct rt *rt, const uint8_t *bytes, size_t n, taddr addr, taddr pc_header,
                 taddr *found)
{
    size_t need = md_size(rt);
    for (size_t at = -addr & 7; at + need <= n; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        if (word == pc_header && is_moduledata(rt, bytes + at, pc_header)) {
            *found = addr + at;
            return true;
        }
    }
    return false;
}

/* In the memory of the process, chunk by chunk; chunks overlap by one record. */
static struct err *scan_memory(struct rt *rt, const struct image_segment *seg, taddr pc_header,
                               taddr *found)
{
    size_t overlap = md_size(rt) + 8;
    uint8_t *chunk = mem_alloc(SCAN_CHUNK + overlap);
    struct err *e = NULL;
    for (uint64_t at = 0; !e && at < seg->filesz; at += SCAN_CHUNK) {
        size_t n = min_u64(SCAN_CHUNK + overlap, seg->filesz - at);
        taddr addr = seg->vaddr + rt->slide + at;
        e = target_read(rt->t, addr, chunk, n);
        if (!e && scan(rt, chunk, n, addr, pc_header, found))
            break;
    }
    free(chunk);
    return e;
}

/* The program's record.  A binary that is not relocated has it as it is in the file. */
static struct err *find_first(struct rt *rt, taddr pc_header, taddr *found)
{
    const struct image_segment *segs;
    size_t n = image_segments(rt->img, &segs);
    *found = 0;
    for (size_t i = 0; i < n && !*found && !image_is_pie(rt->img); i++)
        if (!segs[i].executable)
            scan(rt, segs[i].bytes, segs[i].filesz, segs[i].vaddr, pc_header, found);
    for (size_t i = 0; i < n && !*found; i++)
        if (!segs[i].executable && segs[i].writable)
            TRY(scan_memory(rt, &segs[i], pc_header, found));
    if (!*found)
        return err_new(ERR_NOT_FOUND, "%s: the Go runtime's module data is not in memory",
                       image_name(rt->img));
    return NULL;
}

static void take_bounds(const struct rt *rt, struct rt_module *m, const uint8_t *md)
{
    m->minpc = MD(rt, md, minpc);
    m->maxpc = MD(rt, md, maxpc);
    m->types = MD(rt, md, types);
    m->etypes = MD(rt, md, etypes);
    m->rodata = MD(rt, md, rodata);
    /* Go's linker puts what has no pointers first, linkers of C put it behind the rest. */
    m->data_lo = min_u64(MD(rt, md, noptrdata), MD(rt, md, data));
    m->data_hi = max_u64(MD(rt, md, enoptrbss), MD(rt, md, end));
}

static void take_gofunc(const struct image *img, taddr slide, struct pcln *p, taddr gofunc)
{
    const struct image_segment *segs;
    size_t n = image_segments(img, &segs);
    taddr at = gofunc - slide;
    for (size_t i = 0; i < n; i++) {
        if (at - segs[i].vaddr < segs[i].filesz) {
            p->gofunc = segs[i].bytes + (at - segs[i].vaddr);
            p->gofunc_n = segs[i].filesz - (at - segs[i].vaddr);
            p->gofunc_vaddr = gofunc;
        }
    }
}

static struct err *open_program(struct rt *rt, struct rt_module *m, taddr *ret_next)
{
    const uint8_t *bytes;
    size_t n;
    taddr vaddr, at;
    TRY(image_pclntab(rt->img, &bytes, &n, &vaddr));
    TRY(find_first(rt, vaddr + rt->slide, &at));
    uint8_t *md = mem_alloc(md_size(rt));
    struct err *e = target_read(rt->t, at, md, md_size(rt));
    if (!e)
        e = pcln_open(bytes, n, MD(rt, md, text), image_name(rt->img), &m->pcln);
    if (!e) {
        m->moduledata = at;
        take_bounds(rt, m, md);
        take_gofunc(rt->img, rt->slide, &m->pcln, MD(rt, md, gofunc));
        *ret_next = MD(rt, md, next);
    }
    free(md);
    return e;
}

/* Reads [lo, hi) as far as memory goes. */
static uint8_t *read_upto(struct rt *rt, taddr lo, taddr hi, size_t *ret_n)
{
    *ret_n = 0;
    uint8_t *mem = hi > lo && hi - lo <= TABLE_MAX ? mem_try_alloc(hi - lo) : NULL;
    for (; mem && *ret_n < hi - lo; *ret_n += min_u64(SCAN_CHUNK, hi - lo - *ret_n)) {
        size_t n = min_u64(SCAN_CHUNK, hi - lo - *ret_n);
        struct err *e = target_read(rt->t, lo + *ret_n, mem + *ret_n, n);
        err_free(e);
        if (e)
            break;
    }
    return mem;
}

static taddr mapping_end(struct rt *rt, taddr addr)
{
    struct arena a;
    arena_init(&a);
    struct target_mapping *maps;
    size_t n = 0;
    taddr end = addr;
    err_free(target_mappings(rt->t, &a, &maps, &n));
    for (size_t i = 0; i < n; i++)
        if (addr >= maps[i].start && addr < maps[i].end)
            end = maps[i].end;
    arena_free(&a);
    return end;
}

/* The function table of a plugin as it is in memory. */
static struct err *tables_in_memory(struct rt *rt, struct rt_module *m, const uint8_t *md)
{
    taddr header = MD(rt, md, pc_header), gofunc = MD(rt, md, gofunc);
    taddr end = rt_get_word(&rt->layout, md, RT_moduledata_pclntable, 0) +
                rt_get_word(&rt->layout, md, RT_moduledata_pclntable, 1);
    size_t n = 0;
    m->owned[0] = read_upto(rt, header, end, &n);
    TRY(pcln_open(m->owned[0], n, MD(rt, md, text), "a plugin", &m->pcln));
    m->owned[1] = read_upto(rt, gofunc, mapping_end(rt, gofunc), &m->pcln.gofunc_n);
    m->pcln.gofunc = m->owned[1];
    m->pcln.gofunc_vaddr = gofunc;
    return NULL;
}

/* In its file, which costs no memory of ours and is there when a core has left it out. */
static struct err *tables_in_file(struct rt *rt, struct rt_module *m, const uint8_t *md)
{
    const uint8_t *bytes;
    struct image *img;
    taddr slide, vaddr;
    size_t n;
    TRY(rt_module_image(rt, m, &img, &slide));
    TRY(image_pclntab(img, &bytes, &n, &vaddr));
    if (vaddr + slide != MD(rt, md, pc_header))
        return err_new(ERR_BAD_DATA, "%s has its function table elsewhere", image_name(img));
    TRY(pcln_open(bytes, n, MD(rt, md, text), image_name(img), &m->pcln));
    take_gofunc(img, slide, &m->pcln, MD(rt, md, gofunc));
    return NULL;
}

static struct err *open_tables(struct rt *rt, struct rt_module *m, const uint8_t *md)
{
    struct err *file = tables_in_file(rt, m, md);
    struct err *memory = file ? tables_in_memory(rt, m, md) : NULL;
    if (!memory) {
        err_free(file);
        return NULL;
    }
    err_free(memory);
    return file;
}

static struct err *open_plugin(struct rt *rt, taddr at, struct rt_module *m, taddr *ret_next)
{
    uint8_t *md = mem_alloc(md_size(rt));
    struct err *e = target_read(rt->t, at, md, md_size(rt));
    if (!e && MD(rt, md, minpc) < MD(rt, md, maxpc)) {
        m->moduledata = at;
        m->file = rt_module_file_new();
        take_bounds(rt, m, md);
        e = open_tables(rt, m, md);
    }
    *ret_next = MD(rt, md, next);
    free(md);
    return e;
}

static void free_module(struct rt_module *m)
{
    for (size_t k = 0; k < ARRAY_LEN(m->owned); k++)
        free(m->owned[k]);
    rt_module_file_free(m->file);
}

/* What is known of others is not less for it. */
static void lose_plugin(struct rt *rt, struct err *e)
{
    log_info("a plugin's tables are not readable: %s", err_message(e));
    free(rt->lost_why);
    rt->lost_why = mem_strdup(err_message(e));
    rt->lost_plugins++;
    err_free(e);
}

static struct err *open_plugins(struct rt *rt, taddr next)
{
    for (size_t i = 0; next && i < MODULES_MAX; i++) {
        struct rt_module m = {0};
        rt->last_module = next;
        struct err *e = open_plugin(rt, next, &m, &next);
        if (e || !m.moduledata) {
            free_module(&m);
            if (e)
                lose_plugin(rt, e);
            continue;
        }
        rt->modules = mem_realloc(rt->modules, (rt->nmodules + 1) * sizeof(m));
        rt->modules[rt->nmodules++] = m;
    }
    return NULL;
}

struct err *rt_find_modules(struct rt *rt)
{
    taddr next;
    rt_free_modules(rt);
    rt->modules = mem_alloc(sizeof(*rt->modules));
    TRY(open_program(rt, &rt->modules[0], &next));
    rt->nmodules = 1;
    rt->last_module = rt->modules[0].moduledata;
    int64_t wrapper = rt->layout.constant[RT_IS_funcid_wrapper];
    struct pcln_func f;
    if (wrapper > 0)
        rt->wrapper_func_id = (uint8_t)wrapper;
    else if (pcln_find_name(&rt->modules[0].pcln, "runtime.systemstack_switch", &f))
        rt->wrapper_func_id = f.func_id + 1; /* the next and last one since 1.19 */
    return open_plugins(rt, next);
}

void rt_look_for_plugins(struct rt *rt)
{
    uint8_t *md = mem_alloc(md_size(rt));
    struct err *e = target_read(rt->t, rt->last_module, md, md_size(rt));
    if (!e)
        e = open_plugins(rt, MD(rt, md, next));
    if (e)
        log_info("plugins are not known: %s", err_message(e));
    err_free(e);
    free(md);
}

bool rt_plugin_at(const struct rt *rt, size_t i, taddr *ret_code)
{
    if (i + 1 >= rt->nmodules)
        return false;
    *ret_code = rt->modules[i + 1].minpc;
    return true;
}

struct err *rt_plugin_image(const struct rt *rt, size_t i, struct image **ret, taddr *ret_slide)
{
    return rt_module_image(rt, &rt->modules[i + 1], ret, ret_slide);
}

void rt_free_modules(struct rt *rt)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        free_module(&rt->modules[i]);
    free(rt->modules);
    free(rt->lost_why);
    rt->modules = NULL;
    rt->lost_why = NULL;
    rt->nmodules = rt->lost_plugins = 0;
}

size_t rt_lost_plugins(const struct rt *rt, const char **ret_why)
{
    *ret_why = rt->lost_why;
    return rt->lost_plugins;
}

bool rt_func_at(const struct rt *rt, taddr pc, struct pcln_func *ret,
                const struct rt_module **ret_module)
{
    for (size_t i = 0; i < rt->nmodules; i++) {
        const struct rt_module *m = &rt->modules[i];
        if (pc >= m->minpc && pc < m->maxpc && pcln_find(&m->pcln, pc, ret)) {
            if (ret_module)
                *ret_module = m;
            return true;
        }
    }
    return false;
}
