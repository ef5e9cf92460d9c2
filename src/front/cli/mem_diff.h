/* mem_diff.h - gospect mem diff: the objects of two moments of one process, compared. */
#ifndef GOSPECT_FRONT_CLI_MEM_DIFF_H
#define GOSPECT_FRONT_CLI_MEM_DIFF_H

#include "front/cli/cli_int.h"

/* before, after: TARGETs as the user wrote them. */
struct err *mem_diff(struct cli *c, const char *before, const char *after) MUST_USE;

#endif
