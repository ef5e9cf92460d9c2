/* arch_int.h - the processors, for arch.c alone. */
#ifndef GOSPECT_ARCH_ARCH_INT_H
#define GOSPECT_ARCH_ARCH_INT_H

#include "arch/arch.h"

extern const struct arch arch_x86_64;
extern const struct arch_inject arch_x86_64_inject;

#endif
