/* proc_int.h - what /proc says of a process: readers, and parsers of their texts alone (for tests
 * and fuzzers).  Thread: any. */
#ifndef GOSPECT_TARGET_PROC_INT_H
#define GOSPECT_TARGET_PROC_INT_H

#include "base/buf.h"
#include "target/target_int.h"

/* For tests: a directory in place of / for everything below that begins with /proc. */
extern const char *proc_root_hook;
enum { PROC_PATH = 256 };
/* The path of a file of /proc; fmt begins with "/proc".  Returns path. */
const char *proc_path(char path[PROC_PATH], const char *fmt, ...) PRINTF_LIKE(2, 3);
/* NULL when /proc and system calls mean the same processes by a number; else UNSUPPORTED. */
struct err *proc_ours(void) MUST_USE;

/* Reads a file of /proc into dst (NUL-terminated, cut at size).  The number of bytes, or -errno. */
ssize_t proc_read(char *dst, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same for a symbolic link. */
ssize_t proc_readlink(char *dst, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* /proc/PID/stat and /proc/PID/task/TID/stat */
struct proc_stat {
    pid_t pid, ppid, pgrp, session;
    char comm[64];
    char state;
    int tty, tty_pgrp;
    unsigned flags; /* PF_* of the kernel */
    uint64_t utime, stime;
    unsigned threads;
    int nice;
    uint64_t start_ticks; /* since boot; with the pid it names a process for ever */
    uint64_t vm_bytes, rss_pages;
    taddr start_code, start_stack; /* 0 without the right to trace */
    int exit_signal;
};
bool proc_parse_stat(const char *text, struct proc_stat *ret);
/* tid 0: of the process.  ERR_GONE when it is not there (any more). */
struct err *proc_stat(pid_t pid, pid_t tid, struct proc_stat *ret) MUST_USE;

/* How long it has run, in steps of the kernel's tick (10 ms). */
uint64_t proc_cpu_ms(const struct proc_stat *st);

enum { PROC_NS_DEPTH = 32 };
/* /proc/PID/status */
struct proc_status {
    pid_t tgid, ppid, tracer;
    uint32_t uid[4], gid[4];    /* real, effective, saved, filesystem */
    pid_t nspid[PROC_NS_DEPTH]; /* outermost first */
    unsigned nspids;
    uint64_t cap_eff, sig_blocked, sig_ignored, sig_caught;
    int seccomp; /* 0 off, 1 strict, 2 filter; -1: not told */
    bool no_new_privs;
    unsigned threads;
    uint64_t rss_bytes, rss_anon_bytes, vm_bytes, vm_data_bytes, page_table_bytes, swap_bytes;
};
void proc_parse_status(const char *text, struct proc_status *ret);
struct err *proc_status(pid_t pid, struct proc_status *ret) MUST_USE;
/* The number of a process or thread in its own pid namespace; 0: it has no other, or is gone. */
pid_t proc_inner(pid_t pid);
/* Whether the calling thread is its tracer. */
bool proc_is_traced_by_us(pid_t tid);
struct err *proc_status_self(struct proc_status *ret) MUST_USE;

/* /proc/PID/maps */
struct err *proc_parse_maps(char *text, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n) MUST_USE; /* text is taken apart */
struct err *proc_mappings(pid_t pid, struct arena *a, struct target_mapping **ret,
                          size_t *ret_n) MUST_USE;

/* /proc/TID/syscall: the call a thread is blocked in.  False while it runs, or when not told. */
struct proc_syscall {
    int64_t nr; /* -1: blocked, but not in a call */
    uint64_t args[6];
    taddr sp, pc;
};
bool proc_parse_syscall(const char *text, struct proc_syscall *ret);
bool proc_syscall(pid_t pid, pid_t tid, struct proc_syscall *ret);

/* The auxiliary vector. */
enum { PROC_AUXV_MAX = 4096 };
size_t proc_auxv(pid_t pid, uint64_t ret[PROC_AUXV_MAX / 8]);        /* words; 0: not told */
uint64_t auxv_get(const uint64_t *auxv, size_t words, uint64_t tag); /* 0: not there */

/* Calls fn for every number that names an entry of a directory of /proc. */
struct err *proc_each_number(const char *dir, struct err *(*fn)(void *arg, pid_t n),
                             void *arg) MUST_USE;
struct err *proc_threads(pid_t pid, struct arena *a, struct target_thread **ret,
                         size_t *ret_n) MUST_USE;

/* A line of /proc/PID/net/tcp, tcp6, udp, udp6, and one of unix (local: its path, "" when it has
 * none).  False: it is none. */
struct proc_socket {
    uint64_t inode;
    char local[128], remote[128]; /* "127.0.0.1:80", "[::1]:80" */
    uint8_t state;                /* TCP_* of the kernel */
};
bool proc_parse_socket(const char *line, struct proc_socket *ret);
bool proc_parse_unix(const char *line, struct proc_socket *ret);

bool proc_our_thread(pid_t tid); /* whether it is one of this process */
/* Whether two processes are in the same namespace ("pid", "mnt", "user"); true when not told. */
bool proc_same_ns(pid_t a, pid_t b, const char *which);

/* denied.c: the error for a process we may not look into: says which right is missing.  what: the
 * thing that was refused; errnum: how. */
struct err *denied(pid_t pid, int errnum, const char *what) MUST_USE;

#endif
