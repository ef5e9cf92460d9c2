/* procs.h - the Go processes of this host.
 *
 * Quick: what a program file is gets looked at once per file, however many processes run it, and a
 * file that is no Go program is turned away by its section names.  Nothing is stopped.
 *
 * Owner: cli_procs_free().  Thread: the one that called; it uses all cores meanwhile. */
#ifndef GOSPECT_FRONT_CLI_PROCS_H
#define GOSPECT_FRONT_CLI_PROCS_H

#include <sys/types.h>

#include "base/vec.h"
#include "rt/rt.h"

struct cli_proc {
    pid_t pid;
    const char *name; /* of the program file, without directories */
    const char *comm;
    const char *user;
    const char *exe;
    const char *go_version;
    const char *main_path;                  /* package path of main */
    const char *main_module, *main_version; /* "" when unknown; "(devel)" for local builds */
    bool stripped, pie, race, cgo, container, deleted;
    int64_t started_wall_ns;
    uint64_t rss_bytes;
    uint32_t threads;
    /* with counters: the runtime's own figures, or why there are none */
    bool have_pulse;
    struct rt_pulse pulse;
    const char *why_no_pulse; /* NULL with a pulse, and without counters */
};

struct cli_procs {
    VEC(struct cli_proc) v; /* by pid */
    size_t denied;          /* processes we may not look at: Go or not is unknown */
    pid_t denied_pid;       /* the lowest of them */
    struct arena *arenas;
    unsigned narenas;
};

/* counters: with goroutines, heap and so on, read from each process. */
struct err *cli_procs_list(bool counters, struct cli_procs *ret) MUST_USE;
void cli_procs_free(struct cli_procs *p);

/* Is this what people call the process: its program file, its command name, the last part of its
 * main package or module? */
bool cli_proc_is_called(const struct cli_proc *p, const char *name);

#endif
