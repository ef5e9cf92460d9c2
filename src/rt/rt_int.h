/* rt_int.h - what the files of rt/ share.
 *
 * Layers: rt.c opens; module*.c, globals.c and layout*.c find things; mem.c reads in bulk; unwind.c
 * turns program counters and stack memory into stacks; capture.c leads a capture, with one file per
 * subject (gs.c goroutines, stacks.c, threads.c, procs.c, timers.c, waits.c, labels.c ...);
 * counters*.c and info.c fill the rest; pulse.c is the quick look. */
#ifndef GOSPECT_RT_RT_INT_H
#define GOSPECT_RT_RT_INT_H

#include "base/map.h"
#include "base/vec.h"
#include "image/dwarf_func.h"
#include "image/dwarf_type.h"
#include "image/pclntab.h"
#include "rt/layout.h"
#include "rt/rt.h"

/* A module: the program itself, or a plugin.  Program counters are those of the process. */
struct rt_module {
    struct pcln pcln;
    taddr moduledata;
    taddr minpc, maxpc; /* [minpc, maxpc) is its Go code */
    taddr types, etypes;
    taddr rodata;             /* masks of variables on stacks count from here */
    taddr data_lo, data_hi;   /* its data and bss */
    uint8_t *owned[2];        /* tables read from memory (plugins); NULL: they are the image's */
    struct module_file *file; /* module_file.c; NULL: the program's */
};

struct rt {
    struct target *t;
    struct image *img;
    taddr slide;
    const char *go_version;
    struct rt_layout layout;
    struct rt_module *modules; /* owned; the program first */
    size_t nmodules;
    taddr last_module;   /* of the runtime's list, as far as we have seen it: its moduledata */
    size_t lost_plugins; /* that cannot be read, and why (owned) */
    char *lost_why;
    taddr globals[RT_GLOBAL_COUNT]; /* addresses in the process; 0: not found */
    uint8_t wrapper_func_id;
    const char *doubt; /* what is uncertain about the layouts; NULL: nothing */
};

#define L(rt, f) ((rt)->layout.off[RT_##f])
#define G(rt, name) ((rt)->globals[RT_GLOBAL_##name])

enum { RT_LIST_MAX = 1 << 26 }; /* longest list of anything a target may claim to have */

/* module.c: moduledata and the function table */
struct err *rt_find_modules(struct rt *rt) MUST_USE;
void rt_free_modules(struct rt *rt);
/* module_file.c: the file of a module, and what its DWARF says; opened when first asked for, any
 * thread.  NOT_FOUND: there is none; why is told. */
struct err *rt_module_image(const struct rt *rt, const struct rt_module *m, struct image **ret,
                            taddr *ret_slide) MUST_USE;
struct err *rt_module_dwarf(const struct rt *rt, const struct rt_module *m, struct dwarf **ret,
                            taddr *ret_slide) MUST_USE;
struct module_file *rt_module_file_new(void);
void rt_module_file_free(struct module_file *f); /* NULL is fine */
/* The module whose code is at pc, whose data or types an address is in; NULL: none. */
const struct rt_module *rt_module_of_pc(const struct rt *rt, taddr pc);
const struct rt_module *rt_module_of_data(const struct rt *rt, taddr addr);
const struct rt_module *rt_module_of_type(const struct rt *rt, taddr type);
/* The module whose DWARF a unit is of; the program when it is none's. */
const struct rt_module *rt_module_of_unit(const struct rt *rt, const struct dwarf_unit *u);
/* The i-th DWARF that there is, the program's first; NULL: there are not so many. */
struct dwarf *rt_dwarf_at(const struct rt *rt, size_t i, taddr *ret_slide);
/* dwarf_scope_at() in the module that the code is of; pc and *ret_slide as for the process. */
struct err *rt_scope_at(const struct rt *rt, taddr pc, struct arena *a, struct dwarf_scope *ret,
                        taddr *ret_slide) MUST_USE;
/* The type an abi.Type describes.  False: DWARF does not have it. */
bool rt_dwarf_type_at(const struct rt *rt, taddr type, const struct dwarf_type **ret);
/* The other way round; 0: it has none. */
taddr rt_type_address(const struct rt *rt, const struct dwarf_type *t);
/* What is meant by a name: where several modules have it the program's, else that of the first
 * plugin, as for the dynamic linker.  NOT_FOUND. */
struct err *rt_variable_named(const struct rt *rt, const char *name, struct dwarf_var *ret,
                              taddr *ret_addr) MUST_USE; /* addr 0: nowhere */
struct err *rt_type_named(const struct rt *rt, const char *name,
                          const struct dwarf_type **ret) MUST_USE;

/* The function that contains pc (an address in the process); *ret_module may be NULL. */
bool rt_func_at(const struct rt *rt, taddr pc, struct pcln_func *ret,
                const struct rt_module **ret_module);
static inline bool rt_is_go_code(const struct rt *rt, taddr pc)
{
    for (size_t i = 0; i < rt->nmodules; i++)
        if (pc >= rt->modules[i].minpc && pc < rt->modules[i].maxpc)
            return true;
    return false;
}

/* globals.c: addresses of the runtime's variables, by symbol, else by the code that uses them */
void rt_find_globals(struct rt *rt);
/* Addresses in data and bss that the code of a function refers to, each once; for variables that
 * are told apart by what they hold.  At most max; how many. */
size_t rt_variables_of(const struct rt *rt, const char *function, taddr *ret, size_t max);
/* The name of such a variable, as the oldest release has it; its size, at least that of a word. */
const char *rt_global_symbol(enum rt_global g, const struct rt_layout *l, uint64_t *ret_size);
/* check.c: whether the layout and the globals agree with what is in memory.  An error says what
 * does not. */
struct err *rt_check_layout(struct rt *rt) MUST_USE;

/* procs.c: the Ps that exist, in new memory (free()); none where runtime.allp was not found */
struct err *rt_list_ps(struct rt *rt, struct target *t, taddr **ret, size_t *ret_n) MUST_USE;

/* mem.c: reading many pieces at once */
struct rt_batch {
    VEC(struct target_iov) iov;
};
void rt_batch_add(struct rt_batch *b, taddr addr, void *dst, size_t n);
struct err *rt_batch_read(struct rt_batch *b, struct target *t) MUST_USE; /* b is as it was */
void rt_batch_free(struct rt_batch *b);
/* Reads n structures of one size from anywhere, on all cores; ok[i] says which could be read. */
struct err *rt_read_pieces(struct target *t, const taddr *addr, size_t n, size_t size, void *dst,
                           bool *ok) MUST_USE;
/* Reads an array of `n` elements of `size` bytes into new memory (free()); at most max elements. */
struct err *rt_read_array(struct target *t, const char *what, taddr addr, uint64_t n, size_t size,
                          uint64_t max, void **ret) MUST_USE;
/* A Go string, cut at max bytes, into an arena; "" when it cannot be read. */
const char *rt_read_string(struct target *t, struct arena *a, taddr header, size_t max);

/* types.c: names of runtime types, by their address */
const char *rt_type_name(struct rt *rt, struct target *t, struct arena *a, taddr type);

#endif
