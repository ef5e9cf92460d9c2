/* abi_int.h - where Go passes arguments and results of a call: registers, or the stack.
 *
 * Go: src/cmd/compile/abi-internal.md (1.18-1.27).  A value goes to registers as a whole or not at
 * all; what does not fit is on the stack behind what is there already.  That follows from types
 * alone, so that it holds for optimised code, too. */
#ifndef GOSPECT_DBG_ABI_INT_H
#define GOSPECT_DBG_ABI_INT_H

#include "dbg/dbg_int.h"

enum { ABI_PARTS_MAX = 32, ABI_WORD = 8 };

/* A part of a value in a register. */
struct abi_part {
    uint32_t off, n; /* bytes of the value */
    unsigned reg;    /* DWARF's number */
    bool vector;
};

/* Assigns one value after the other. */
struct abi {
    const struct arch *arch;
    struct values *values;
    unsigned ints, vectors;           /* registers taken */
    taddr stack;                      /* bytes of the stack taken */
    taddr spill;                      /* bytes that the callee may want for what is in registers */
    struct abi_part v[ABI_PARTS_MAX]; /* of the last value, unless it is on the stack */
    unsigned n;
};

/* The next value: registers in a->v, else a place on the stack (true in *ret_stack). */
void abi_assign(struct abi *a, uint64_t type, bool *ret_stack, taddr *ret_off);
/* A part, from registers right behind the call, into the bytes of its value; false: not known. */
bool abi_read(const struct abi *a, const struct abi_part *p, const struct arch_regs *regs,
              const uint8_t *extended, size_t extended_n, uint8_t *value);
/* Arguments and results of a function, as they are declared; their values mean nothing.
 * UNSUPPORTED: assembly, which has another convention and is not described. */
struct err *abi_signature(struct dbg *d, const struct code_func *f, struct arena *a,
                          struct rt_var **ret, size_t *ret_n) MUST_USE;
/* What follows are results. */
void abi_results(struct abi *a);

#endif
