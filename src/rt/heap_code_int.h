/* heap_code_int.h - what the files that read code for the heap share.
 *
 * heap_code.c: closures; heap_code_roots.c: variables, and which functions of the runtime make
 * what. */
#ifndef GOSPECT_RT_HEAP_CODE_INT_H
#define GOSPECT_RT_HEAP_CODE_INT_H

#include "rt/code_follow.h"
#include "rt/types_int.h"

/* The code of a module: what the file has, else what memory has (then *ret_owned, to be freed);
 * NULL: neither. */
const uint8_t *heap_code_text(struct rt *rt, const struct rt_module *m, uint8_t **ret_owned);
/* What a call of the function at `target` makes, as CODE_NEW. */
struct code_value heap_code_makes(const struct rt_module *m, taddr target,
                                  const struct code_value args[CODE_ARGS]);
/* Fills heap.code_roots; nothing, when the program has DWARF. */
struct err *heap_read_code_roots(struct heap *h) MUST_USE;

#endif
