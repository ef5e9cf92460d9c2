/* smaps_int.h - what /proc/PID/smaps says beyond the memory map: what the kernel would dump. */
#ifndef GOSPECT_TARGET_SMAPS_INT_H
#define GOSPECT_TARGET_SMAPS_INT_H

#include "target/target_int.h"

struct smaps_line {
    taddr start, end;
    uint64_t anonymous; /* bytes of it that are the process' own, changed or never in a file */
    bool io;            /* device memory: reading it may do something */
    bool dont_dump;     /* MADV_DONTDUMP: somebody wants it kept out of cores (keys) */
};

/* Lines of a text, ordered by address as there; anything unknown is skipped. */
struct err *smaps_parse(char *text, struct arena *a, struct smaps_line **ret,
                        size_t *ret_n) MUST_USE;
struct err *smaps_read(pid_t pid, struct arena *a, struct smaps_line **ret, size_t *ret_n) MUST_USE;

#endif
