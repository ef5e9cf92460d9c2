/* mem_profiles.h - the files of gospect mem diff --profile. */
#ifndef GOSPECT_FRONT_CLI_MEM_PROFILES_H
#define GOSPECT_FRONT_CLI_MEM_PROFILES_H

#include "front/cli/cli_int.h"
#include "heap/sites.h"
#include "snap/pprof.h"

struct mem_profiles {
    struct snap_pprof before, after; /* before.snap NULL: after is what was in between */
};

/* Reads the files that the command line names: none, one or two. */
struct err *mem_profiles_read(struct cli *c, struct mem_profiles *ret) MUST_USE;
/* ERR_USAGE: they are of another program or another time than these snapshots. */
struct err *mem_profiles_check(struct cli *c, const struct mem_profiles *p, const struct snap *a,
                               const struct snap *b) MUST_USE;
/* What heap_cross_check() is to look at. */
struct heap_site_options mem_profiles_options(const struct mem_profiles *p);
void mem_profiles_free(struct mem_profiles *p);

#endif
