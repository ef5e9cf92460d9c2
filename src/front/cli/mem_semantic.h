/* mem_semantic.h - gospect mem diff --semantic: where two processes allocate, compared. */
#ifndef GOSPECT_FRONT_CLI_MEM_SEMANTIC_H
#define GOSPECT_FRONT_CLI_MEM_SEMANTIC_H

#include "front/cli/cli_int.h"

/* before, after: TARGETs as the user wrote them.  *ret_code: CLI_FINDINGS when they differ. */
struct err *mem_semantic(struct cli *c, const char *before, const char *after,
                         int *ret_code) MUST_USE;
/* ERR_USAGE: options of --semantic without it. */
struct err *mem_semantic_check(const struct cli_args *a) MUST_USE;

#endif
