/* pclntab.h - Go's table from program counters to functions, files, lines and frame sizes, and the
 * module data that says where it belongs.
 *
 * Go: runtime/symtab.go (pcHeader, moduledata, _func, functab, findfuncbucket, inlinedCall,
 * pcvalue), cmd/link/internal/ld/pcln.go.  Layouts: magic 0xfffffff0 (1.18, 1.19), 0xfffffff1
 * (1.20-1.27).
 *
 * A pcln is the table of one module: a program has one, and one more for each plugin (the plugin's
 * file is an image of its own).  image_pcln() gives it with link-time addresses, from the file
 * alone; pcln_slide() moves a copy to where the module is in a process.  Thread: any; a pcln is
 * only read. */
#ifndef GOSPECT_IMAGE_PCLNTAB_H
#define GOSPECT_IMAGE_PCLNTAB_H

#include "image/image.h"

enum pcln_layout { PCLN_118, PCLN_120 };

/* Go: internal/abi/symtab.go; the numbers differ between releases, see pcln_funcid(). */
struct pcln {
    enum pcln_layout layout;
    const char *what;     /* names the table in errors */
    taddr text;           /* link-time runtime.text */
    const uint8_t *bytes; /* the whole table, from its header */
    size_t n;
    const uint8_t *funcname, *cu, *file, *pc, *func; /* sub-tables; each ends at bytes + n */
    uint32_t nfunc;
    size_t func_header;    /* bytes of _func before the pcdata array: 40 or 44 */
    size_t texts_n;        /* a text that begins below this offset ends inside the table */
    const uint8_t *gofunc; /* base of funcdata offsets; NULL: not known */
    size_t gofunc_n;
    taddr gofunc_vaddr;
    const uint8_t *findfunc; /* the runtime's table of buckets; NULL: binary search */
    size_t findfunc_n;
    struct pcln_index *index; /* of names; shared by copies; NULL: names are searched one by one */
};

struct pcln_func {
    taddr entry, end;   /* [entry, end) */
    uint32_t index;     /* in the function table */
    const uint8_t *raw; /* its _func; at least func_header bytes */
    const char *name;
    int32_t args;
    uint32_t deferreturn, pcsp, pcfile, pcln, npcdata, cu;
    int32_t start_line; /* 0 before 1.20 */
    uint8_t func_id, flag, nfuncdata;
};

enum { PCLN_PCDATA_UNSAFE_POINT = 0, PCLN_PCDATA_STACK_MAP = 1, PCLN_PCDATA_INL_TREE = 2 };
enum {
    PCLN_FUNCDATA_ARGS_MAPS = 0,
    PCLN_FUNCDATA_LOCALS_MAPS = 1,
    PCLN_FUNCDATA_STACK_OBJECTS = 2,
    PCLN_FUNCDATA_INL_TREE = 3,
    PCLN_FUNCDATA_OPEN_CODED_DEFERS = 4,
};
enum { PCLN_FLAG_TOP = 1, PCLN_FLAG_SPWRITE = 2, PCLN_FLAG_ASM = 4 };

/* What the module data of a file tells; addresses are link-time, 0 when there is none. */
struct image_moduledata {
    taddr vaddr; /* of the module data itself */
    taddr text, etext, minpc, maxpc;
    taddr noptrdata, enoptrdata, data, edata, bss, ebss, noptrbss, enoptrbss;
    taddr findfunctab;
    taddr
        gofunc; /* found by what it must lead to; 0: no function uses it in a way that proves it */
};
/* NOT_FOUND: there is no function table, or nothing in the file points to it. */
struct err *image_moduledata(struct image *img, struct image_moduledata *ret) MUST_USE;

/* The function table of the file, complete: text, gofunc and buckets are filled in, names are
 * indexed at the first question.  Owned by the image.  NOT_FOUND: it has none. */
struct err *image_pcln(struct image *img, const struct pcln **ret) MUST_USE;

/* A copy whose addresses are those of a process.  Valid as long as p. */
struct pcln pcln_slide(const struct pcln *p, taddr slide);

/* Where the table lies in the image (by section, else by its magic); its header is checked. */
struct err *image_pclntab(struct image *img, const uint8_t **ret, size_t *ret_n,
                          taddr *ret_vaddr) MUST_USE;

/* A table alone.  bytes must outlive the pcln.  what names the table in errors, and must outlive
 * it, too. */
struct err *pcln_open(const uint8_t *bytes, size_t n, taddr text, const char *what,
                      struct pcln *ret) MUST_USE;

/* The function that contains pc. */
bool pcln_find(const struct pcln *p, taddr pc, struct pcln_func *ret);
/* Function number index, below p->nfunc; ordered by address. */
bool pcln_func_at(const struct pcln *p, uint32_t index, struct pcln_func *ret);

/* The functions of a name, in the order of their addresses: instances of a generic function share
 * one since 1.21 ("main.sum[...]").  pcln_find_name() is the first. */
bool pcln_find_name(const struct pcln *p, const char *name, struct pcln_func *ret);
struct pcln_named {
    const struct pcln *p;
    const char *name;
    const uint64_t *at, *end;
    uint32_t i;
};
void pcln_named_init(struct pcln_named *it, const struct pcln *p, const char *name);
bool pcln_named_next(struct pcln_named *it, struct pcln_func *ret);

/* Value of a pc-value table (pcsp, pcfile, pcln or a pcdata) at pc; -1 when there is none. */
int32_t pcln_value(const struct pcln *p, const struct pcln_func *f, uint32_t table, taddr pc);
int32_t pcln_pcdata(const struct pcln *p, const struct pcln_func *f, unsigned which, taddr pc);
const uint8_t *pcln_funcdata(const struct pcln *p, const struct pcln_func *f, unsigned which,
                             size_t *ret_n); /* NULL: none, or gofunc not known */

/* Which words hold pointers: bit i, from the least significant of each byte on, is word i. */
struct pcln_bits {
    const uint8_t *bits;
    uint32_t n; /* words; 0: none holds one */
};
/* Map number `index` (PCLN_PCDATA_STACK_MAP) of the function's arguments or locals, `which` being
 * PCLN_FUNCDATA_ARGS_MAPS (counted from the first argument up) or _LOCALS_MAPS (they end where the
 * locals end).  False: the function has no such maps, or none of this number. */
bool pcln_pointer_map(const struct pcln *p, const struct pcln_func *f, unsigned which,
                      int32_t index, struct pcln_bits *ret);

/* A variable of the frame whose address is taken: it is alive while something points to it. */
struct pcln_stack_object {
    int32_t off; /* negative: from the end of the locals; else from the first argument */
    uint32_t size, ptr_bytes; /* ptr_bytes: up to the last pointer */
    uint32_t mask;            /* of these: offset from moduledata.rodata */
    bool program;             /* there is a program that makes the mask (runtime.runGCProg) */
};
size_t pcln_stack_objects(const struct pcln *p, const struct pcln_func *f); /* how many */
/* False: there is no such object, or it makes no sense. */
bool pcln_stack_object(const struct pcln *p, const struct pcln_func *f, size_t i,
                       struct pcln_stack_object *ret);

/* All values of such a table, with the pcs they hold for:
 *     pcln_values_of(&it, p, &f, f.pcln);
 *     while (pcln_value_next(&it)) ... it.value holds in [it.lo, it.hi) */
struct pcln_values {
    const uint8_t *at, *table_end;
    taddr lo, hi, func_end;
    int32_t value;
    unsigned quantum;
    bool first;
};
void pcln_values_of(struct pcln_values *it, const struct pcln *p, const struct pcln_func *f,
                    uint32_t table);
bool pcln_value_next(struct pcln_values *it);
/* The same of a pcdata. */
void pcln_pcdata_values_of(struct pcln_values *it, const struct pcln *p, const struct pcln_func *f,
                           unsigned which);

/* Bytes the function has on the stack at pc (without the return address); -1: unknown. */
int32_t pcln_frame_size(const struct pcln *p, const struct pcln_func *f, taddr pc);

/* What is executing at pc, innermost inlined call first, the physical function last. */
struct pcln_frame {
    const char *func, *file; /* "" when unknown */
    int32_t line, start_line;
    uint8_t func_id;
    bool inlined;
};
enum { PCLN_FRAMES_MAX = 64 };
size_t pcln_frames(const struct pcln *p, const struct pcln_func *f, taddr pc,
                   struct pcln_frame *ret, size_t max);
/* The same calls by their numbers in the function's inlining tree, the physical function left out:
 * two pcs of a function with the same numbers are in the same copy of the same calls. */
size_t pcln_inlined_at(const struct pcln *p, const struct pcln_func *f, taddr pc, int32_t *ret,
                       size_t max);
/* Call number `no` of the tree: what is called, and where (a pc of the function, in the call of
 * whoever inlined it).  False: there is none. */
bool pcln_inlined(const struct pcln *p, const struct pcln_func *f, int32_t no,
                  struct pcln_frame *ret, taddr *ret_parent_pc);

/* Where a line begins: every first pc of a run of the line, inlined copies included.  path: as the
 * table has it, or any number of its last components.  `nearest`: when the line has no code, the
 * next one of the file that has.  The array is the arena's, ordered by pc. */
struct pcln_place {
    taddr pc;
    uint32_t func; /* number of the physical function */
    int32_t line;
    const char *file;
};
struct err *pcln_find_line(const struct pcln *p, const char *path, int32_t line, bool nearest,
                           struct arena *a, struct pcln_place **ret, size_t *ret_n) MUST_USE;

/* The file names of the table, each once:
 *     for (const char *f = NULL; (f = pcln_next_file(p, f));) ... */
const char *pcln_next_file(const struct pcln *p, const char *after);

/* The function names of the table, each once: also of those that are inlined everywhere. */
const char *pcln_next_name(const struct pcln *p, const char *after);

#endif
