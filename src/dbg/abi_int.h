/* abi_int.h - where arguments and results of Go functions are (results.c), for calls and returns.
 */
#ifndef GOSPECT_DBG_ABI_INT_H
#define GOSPECT_DBG_ABI_INT_H

#include "dbg/dbg_int.h"

enum { ABI_PARTS_MAX = 32 };

/* A part of a value in a register. */
struct part {
    uint32_t off, n;
    unsigned reg; /* DWARF's number */
    bool vector;
};

/* Arguments or results in the order of their declaration, one after the other. */
struct assignment {
    const struct arch *arch;
    struct values *values;
    unsigned ints, vectors;       /* registers taken */
    taddr stack;                  /* bytes of the stack taken */
    struct part v[ABI_PARTS_MAX]; /* of the last one */
    unsigned n;
};

/* Registers for a whole value (a->v), else a place on the stack (true in *ret_stack). */
void abi_assign(struct assignment *a, uint64_t type, bool *ret_stack, taddr *ret_off);
/* All arguments are assigned; results are next. */
void abi_results_follow(struct assignment *a);
/* Arguments and results of a function, as they are declared; their values mean nothing. */
struct err *abi_signature(struct dbg *d, const struct code_func *f, struct arena *a,
                          struct rt_var **ret, size_t *ret_n) MUST_USE;

struct abi_reader {
    struct dbg *d;
    pid_t tid;
    struct arch_regs regs; /* sp: where the stack's part of arguments and results begins */
    uint8_t *extended;
    size_t extended_n;
    struct arena *arena;
};
/* The next result. */
void abi_read(struct abi_reader *r, struct assignment *a, const struct rt_var *var,
              struct dbg_value *ret);

#endif
