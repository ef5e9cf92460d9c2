/* core_int.h - what the files about cores share: the notes of a core, parsed. */
#ifndef GOSPECT_TARGET_CORE_INT_H
#define GOSPECT_TARGET_CORE_INT_H

#include <elf.h>

#include "base/cursor.h"
#include "target/target_int.h"

#ifndef NT_SIGINFO
#define NT_SIGINFO 0x53494749
#endif
#ifndef NT_FILE
#define NT_FILE 0x46494c45
#endif

/* Layout of the notes; the same on every 64-bit machine but for the registers. */
enum {
    PRSTATUS_SIGNO = 0,
    PRSTATUS_CURSIG = 12,
    PRSTATUS_PID = 32,
    PRSTATUS_PPID = 36,
    PRSTATUS_PGRP = 40,
    PRSTATUS_SID = 44,
    PRSTATUS_UTIME = 48,
    PRSTATUS_REGS = 112,
    PRSTATUS_TAIL = 8, /* "fpvalid" and padding behind the registers */
    PRPSINFO_STATE = 0,
    PRPSINFO_SNAME = 1,
    PRPSINFO_NICE = 3,
    PRPSINFO_FLAGS = 8,
    PRPSINFO_UID = 16,
    PRPSINFO_GID = 20,
    PRPSINFO_PID = 24,
    PRPSINFO_PPID = 28,
    PRPSINFO_PGRP = 32,
    PRPSINFO_SID = 36,
    PRPSINFO_FNAME = 40,
    PRPSINFO_FNAME_N = 16,
    PRPSINFO_ARGS = 56,
    PRPSINFO_ARGS_N = 80,
    PRPSINFO_SIZE = 136,
};

/* Our own note: text, one "key value" a line.  See docs/formats/core.md. */
#define CORE_NOTE_NAME "gospect"
enum { CORE_NOTE_TEXT = 0x676f7370 }; /* a type of our own: some readers do not look at names */

struct core_file { /* a line of NT_FILE */
    taddr start, end;
    uint64_t offset; /* bytes */
    const char *path;
};

struct core_notes {                /* all in the arena */
    struct target_thread *threads; /* as in the file: the one that crashed comes first */
    size_t nthreads;
    struct core_file *files;
    size_t nfiles;
    const uint64_t *auxv; /* words */
    size_t auxv_n;
    int signal; /* that ended the process; 0: none, it lives on */
    bool have_process;
    pid_t pid, ppid;
    uint32_t uid;
    const char *comm, *args;
    const char *text; /* our own note; "" when there is none */
};

/* Adds what a PT_NOTE segment says.  Damaged notes end it with an error; what came before stays. */
struct err *core_parse_notes(struct core_notes *n, struct arena *a, const struct arch *arch,
                             struct cursor c) MUST_USE;

/* The value of a key of our own note, in the arena; NULL: not there. */
const char *core_text_value(const struct core_notes *n, struct arena *a, const char *key);
/* The same as a number; `none` when it is not there, or none. */
int64_t core_text_number(const struct core_notes *n, const char *key, int64_t none);

#endif
