/* heap_roots.c - the pointers in the data of the program and of its plugins: table root, kind
 * GLOBAL, and the variables they are in.
 *
 * Go: runtime/mgcmark.go markroot, markrootBlock (1.18-1.27): the words of [data, edata) and
 * [bss, ebss) for which moduledata.gcdatamask and gcbssmask have a bit; the other two sections have
 * no pointers.
 *
 * What the garbage collector scans besides is in heap_stacks.c and heap_specials.c; that is all of
 * it, but for what threads are doing (heap_threads.c).  Its own structures outside the heap (spans,
 * caches, work buffers, tables of methods) are not scanned; goroutines, Ms and Ps are heap objects
 * that the variables allgs, allm and allp lead to, timers hang on those. */
#include <stdlib.h>
#include <string.h>

#include "rt/heap_roots_int.h"

enum { BLOCK = 256 << 10, MASK_WORDS = BLOCK / 8, PASSES_MAX = 16 };
#define SECTION_MAX (UINT64_C(1) << 36)

struct data_scan {
    struct heap *h;
    struct heap_globals *globals;
    uint64_t *words;
    uint8_t *mask;
    bool follow; /* pointers into the data itself are looked at, and others are not */
    uint64_t unreadable;
};

/* dynamic: the word before it is none that the garbage collector looks at; 0: it does. */
static void take_pointer(struct data_scan *d, taddr at, uint64_t v, uint64_t dynamic)
{
    struct heap *h = d->h;
    struct snap *s = h->c->s;
    uint64_t offset;
    if (d->follow) {
        heap_global_follow(d->globals, at, v);
        return;
    }
    uint32_t slot = heap_slot_at(h, v, &offset);
    if (slot == SNAP_NONE) {
        h->free_targets += heap_any_slot_at(h, v, &offset) != SNAP_NONE;
        return;
    }
    uint32_t row = snap_add_root(s);
    s->root.kind[row] = SNAP_ROOT_GLOBAL;
    s->root.flags[row] = offset ? SNAP_RF_INTERIOR : 0;
    s->root.slot[row] = slot;
    s->root.addr[row] = at;
    s->root.global[row] = heap_global_at(d->globals, at);
    struct heap_word word;
    if (heap_global_word(d->globals, at, &word))
        heap_tell_type(h, heap_globals_dwarf(d->globals), &word, at, slot, offset);
    else if (dynamic)
        heap_tell_dynamic(h, dynamic, slot, offset);
}

static bool is_pointer(const struct data_scan *d, size_t word)
{
    return d->mask[word / 8] >> word % 8 & 1;
}

/* Words [at, at + n) of a section. */
static void scan_block(struct data_scan *d, const struct heap_section *x, taddr at, size_t bytes)
{
    size_t n = bytes / 8, first = (at - x->lo) / 8;
    struct err *e = target_read(d->h->c->t, x->mask + first / 8, d->mask, (n + 7) / 8);
    if (!e)
        e = target_read(d->h->c->t, at, d->words, n * 8);
    d->unreadable += e ? n : 0;
    for (size_t i = 0; !e && i < n; i++)
        if (is_pointer(d, i) && d->words[i])
            take_pointer(d, at + 8 * i, d->words[i],
                         i && !is_pointer(d, i - 1) ? d->words[i - 1] : 0);
    err_free(e);
}

struct err *heap_sections(struct rt *rt, struct target *t, const struct rt_module *m,
                          struct heap_section ret[2])
{
    const struct rt_layout *l = &rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_moduledata];
    uint8_t *md = mem_alloc(size);
    struct err *e = target_read(t, m->moduledata, md, size);
    ret[0] =
        (struct heap_section){rt_get(l, md, RT_moduledata_data), rt_get(l, md, RT_moduledata_edata),
                              rt_get_word(l, md, RT_moduledata_gcdatamask, 1)};
    ret[1] =
        (struct heap_section){rt_get(l, md, RT_moduledata_bss), rt_get(l, md, RT_moduledata_ebss),
                              rt_get_word(l, md, RT_moduledata_gcbssmask, 1)};
    free(md);
    return e;
}

static struct err *scan_modules(struct data_scan *d)
{
    struct rt *rt = d->h->c->rt;
    for (size_t i = 0; i < rt->nmodules; i++) {
        struct heap_section x[2];
        TRY(heap_sections(rt, d->h->c->t, &rt->modules[i], x));
        for (size_t k = 0; k < 2; k++) {
            if (x[k].hi < x[k].lo || x[k].hi - x[k].lo > SECTION_MAX || x[k].lo & 7)
                return err_new(ERR_BAD_DATA, "the bounds of the data make no sense");
            for (taddr at = x[k].lo; at < x[k].hi; at += BLOCK)
                scan_block(d, &x[k], at, min_u64(BLOCK, x[k].hi - at));
        }
    }
    return NULL;
}

/* Until no pointer leads to data that was not known: one pass for each level of literals in
 * literals, which compilers lay out from the outside inwards or back, so a few do. */
static struct err *follow_literals(struct data_scan *d)
{
    d->follow = true;
    for (int i = 0; i < PASSES_MAX; i++) {
        size_t before = heap_globals_regions(d->globals);
        TRY(scan_modules(d));
        if (heap_globals_regions(d->globals) == before)
            break;
    }
    d->follow = false;
    d->unreadable = 0;
    return NULL;
}

struct err *heap_read_roots(struct heap *h)
{
    struct data_scan d = {.h = h};
    TRY(heap_globals_open(h, &d.globals));
    d.words = mem_alloc(BLOCK);
    d.mask = mem_alloc(MASK_WORDS / 8 + 8);
    struct err *e = heap_globals_dwarf(d.globals) ? follow_literals(&d) : NULL;
    if (!e)
        e = scan_modules(&d);
    heap_note_unread(h, d.unreadable, "words of package-level variables",
                     "the memory is not readable");
    free(d.words);
    free(d.mask);
    heap_globals_free(d.globals);
    return e;
}
