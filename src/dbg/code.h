/* code.h - what the machine code of a Go program looks like to somebody who breaks in and steps:
 * functions, where their prologues end, where lines begin, what is inlined where, calls.
 *
 * All of it comes from the files, by pclntab, and by DWARF where there is one (which instructions
 * begin statements); nothing of the process is read, so that it works before the runtime is up and
 * on the tracer thread.  Addresses are those of the process.
 *
 * Owner: code_close().  Functions, lines and names live as long as the code.  Thread: any; what is
 * kept for later is guarded. */
#ifndef GOSPECT_DBG_CODE_H
#define GOSPECT_DBG_CODE_H

#include "arch/arch.h"
#include "image/dwarf_func.h"
#include "image/dwarf_line.h"
#include "image/pclntab.h"

struct code;

/* The program; img: a reference is taken.  NOT_FOUND: no function table. */
struct err *code_open(struct image *img, taddr slide, struct code **ret) MUST_USE;
void code_close(struct code *c); /* NULL is fine */
/* A plugin that has been loaded (img: as above).  Not while another thread looks. */
struct err *code_add(struct code *c, struct image *img, taddr slide) MUST_USE;

struct code_module {
    struct image *img;
    taddr slide;
    struct pcln pcln; /* with addresses of the process */
};
/* NULL: it has none.  Opened when first asked for. */
struct dwarf *code_dwarf(const struct code_module *m);
size_t code_modules(const struct code *c, struct code_module *const **ret);
const struct arch *code_arch(const struct code *c);

struct code_func {
    struct pcln_func f;
    const struct code_module *m;
};
bool code_func_at(const struct code *c, taddr pc, struct code_func *ret);
/* All functions of a name; false: no more.  *at begins with 0. */
bool code_func_named(const struct code *c, const char *name, size_t *at, struct code_func *ret);

/* Machine code of the file; NULL: not there. */
const uint8_t *code_bytes(const struct code_module *m, taddr pc, size_t n);
/* One instruction; false: not code, or not decodable. */
bool code_insn(const struct code *c, const struct code_func *f, taddr pc, struct arch_insn *ret);

/* Where the body begins: behind the check of the stack's size and the making of the frame, so that
 * a breakpoint there is met once in a call and the arguments can be read. */
taddr code_body(const struct code *c, const struct code_func *f);
/* Whether the compiler was free to keep variables in registers (no -N), or that is not known. */
bool code_is_optimized(const struct code_func *f);

/* Compiler-made: method values, promoted methods, deferred and go calls with arguments. */
bool code_is_wrapper(const struct code *c, const struct code_func *f);
bool code_is_wrapper_id(const struct code *c, const struct code_func *f); /* quick; not all */
/* What STEP goes through without showing it: the runtime's own functions but those that are for
 * users (runtime.GC), and what cgo makes between Go and C. */
bool code_is_private(const char *func);

enum { CODE_DEPTH = PCLN_FRAMES_MAX };

/* A place where a line begins, or goes on behind other lines. */
struct code_line {
    taddr pc;
    const char *file; /* "" unknown */
    int32_t line;
    bool stmt;      /* a statement begins here */
    uint8_t depth;  /* inlined calls at pc */
    int32_t inl[7]; /* of these the outermost, outermost first: numbers of the tree */
};
/* Of a function, ordered by pc. */
size_t code_lines(struct code *c, const struct code_func *f, const struct code_line **ret);
/* The last of them at or before pc; NULL: none. */
const struct code_line *code_line_at(struct code *c, const struct code_func *f, taddr pc);

/* Whether both are in the same copy of the outermost `depth` inlined calls. */
bool code_same_copy(const struct code_line *a, const struct code_line *b, unsigned depth);

/* Calls (and jumps that leave the function) in [lo, hi), in the order of addresses. */
struct code_call {
    taddr pc, next, target; /* target 0: an indirect call */
    bool jump;
};
size_t code_calls(const struct code *c, const struct code_func *f, taddr lo, taddr hi,
                  struct arena *a, struct code_call **ret);
/* Where the function goes on after a panic that a deferred call of it has recovered: its calls of
 * the runtime's deferreturn. */
size_t code_recovered(const struct code *c, const struct code_func *f, struct arena *a,
                      taddr **ret);

#endif
