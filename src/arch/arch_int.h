/* arch_int.h - the processors, for arch.c alone. */
#ifndef GOSPECT_ARCH_ARCH_INT_H
#define GOSPECT_ARCH_ARCH_INT_H

#include "arch/arch.h"

extern const struct arch arch_x86_64;
extern const struct arch_inject arch_x86_64_inject;
extern const struct arch_debug arch_x86_64_debug;
/* x86_64_trap.c: machine code that is copied, never run here */
extern const uint8_t arch_x86_64_trap[], arch_x86_64_trap_restorer[], arch_x86_64_trap_end[];

/* DWARF's number of a register that Zydis names; -1: none. */
int arch_x86_64_number(int zydis);
bool arch_x86_64_op(const uint8_t *bytes, size_t n, taddr pc, struct arch_op *ret);
bool arch_x86_64_text(const uint8_t *bytes, size_t n, taddr pc, char *ret, size_t max);
extern const struct arch_abi arch_x86_64_abi;

#endif
