/* proc.c - reading /proc/PID/stat, status, syscall, auxv, task. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "target/proc_int.h"

const char *proc_root_hook;

static void name_file(char path[PROC_PATH], const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void name_file(char path[PROC_PATH], const char *fmt, va_list ap)
{
    int n = snprintf(path, PROC_PATH, "%s", proc_root_hook ? proc_root_hook : "");
    if (n < PROC_PATH)
        vsnprintf(path + n, (size_t)(PROC_PATH - n), fmt, ap);
}

const char *proc_path(char path[PROC_PATH], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    name_file(path, fmt, ap);
    va_end(ap);
    return path;
}

ssize_t proc_read(char *dst, size_t size, const char *fmt, ...)
{
    char path[PROC_PATH];
    va_list ap;
    va_start(ap, fmt);
    name_file(path, fmt, ap);
    va_end(ap);
    dst[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t n = 0;
    ssize_t k = 0;
    while (n < size - 1 && (k = read(fd, dst + n, size - 1 - n)) != 0) {
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            break;
        n += (size_t)k;
    }
    int e = k < 0 ? errno : 0;
    close(fd);
    dst[n] = '\0';
    return e ? -e : (ssize_t)n;
}

ssize_t proc_readlink(char *dst, size_t size, const char *fmt, ...)
{
    char path[PROC_PATH];
    va_list ap;
    va_start(ap, fmt);
    name_file(path, fmt, ap);
    va_end(ap);
    ssize_t n = readlink(path, dst, size - 1);
    int e = errno;
    dst[n < 0 ? 0 : n] = '\0';
    return n < 0 ? -e : n;
}

/* The name may hold blanks and brackets: it ends at the last bracket of the text. */
bool proc_parse_stat(const char *text, struct proc_stat *ret)
{
    memset(ret, 0, sizeof(*ret));
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open)
        return false;
    ret->pid = atoi(text);
    size_t n = min_u64((uint64_t)(close - open - 1), sizeof(ret->comm) - 1);
    memcpy(ret->comm, open + 1, n);
    int got = sscanf(close + 1,
                     " %c %d %d %d %d %d %u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                     " %*d %*d %*d %d %u %*d %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64
                     " %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %*u %*u %d",
                     &ret->state, &ret->ppid, &ret->pgrp, &ret->session, &ret->tty, &ret->tty_pgrp,
                     &ret->flags, &ret->utime, &ret->stime, &ret->nice, &ret->threads,
                     &ret->start_ticks, &ret->vm_bytes, &ret->rss_pages, &ret->start_code,
                     &ret->start_stack, &ret->exit_signal);
    return got >= 14;
}

static struct err *gone(pid_t pid, ssize_t negative_errno)
{
    int e = (int)-negative_errno;
    if (e == ENOENT || e == ESRCH || e == 0)
        return err_new(ERR_GONE, "process %d has ended", pid);
    return err_sys(e, "cannot read what the kernel says of process %d", pid);
}

struct err *proc_stat(pid_t pid, pid_t tid, struct proc_stat *ret)
{
    char text[1024];
    ssize_t n = tid ? proc_read(text, sizeof(text), "/proc/%d/task/%d/stat", pid, tid)
                    : proc_read(text, sizeof(text), "/proc/%d/stat", pid);
    if (n <= 0)
        return gone(pid, n);
    if (!proc_parse_stat(text, ret))
        return err_new(ERR_BAD_DATA, "/proc/%d/stat is not understood", pid);
    return NULL;
}

uint64_t proc_cpu_ms(const struct proc_stat *st)
{
    return (st->utime + st->stime) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void parse_ids(const char *s, uint32_t ids[4])
{
    sscanf(s, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, &ids[0], &ids[1], &ids[2], &ids[3]);
}

static void parse_nspid(const char *s, struct proc_status *ret)
{
    char *end;
    for (; ret->nspids < PROC_NS_DEPTH; s = end) {
        long v = strtol(s, &end, 10);
        if (end == s)
            return;
        ret->nspid[ret->nspids++] = (pid_t)v;
    }
}

static void parse_status_line(const char *key, const char *v, struct proc_status *s)
{
    struct {
        const char *key;
        enum { INT, DEC, HEX, KIB } kind;
        void *dst;
    } fields[] = {
        {"Tgid", INT, &s->tgid},
        {"PPid", INT, &s->ppid},
        {"TracerPid", INT, &s->tracer},
        {"Threads", INT, &s->threads},
        {"Seccomp", INT, &s->seccomp},
        {"CapEff", HEX, &s->cap_eff},
        {"SigBlk", HEX, &s->sig_blocked},
        {"SigIgn", HEX, &s->sig_ignored},
        {"SigCgt", HEX, &s->sig_caught},
        {"VmRSS", KIB, &s->rss_bytes},
        {"RssAnon", KIB, &s->rss_anon_bytes},
        {"VmSize", KIB, &s->vm_bytes},
        {"VmData", KIB, &s->vm_data_bytes},
        {"VmPTE", KIB, &s->page_table_bytes},
        {"VmSwap", KIB, &s->swap_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (fields[i].kind == INT)
            *(int *)fields[i].dst = (int)strtol(v, NULL, 10);
        else if (fields[i].kind == HEX)
            *(uint64_t *)fields[i].dst = strtoull(v, NULL, 16);
        else
            *(uint64_t *)fields[i].dst = strtoull(v, NULL, 10) * 1024;
    }
    if (strcmp(key, "Uid") == 0)
        parse_ids(v, s->uid);
    else if (strcmp(key, "Gid") == 0)
        parse_ids(v, s->gid);
    else if (strcmp(key, "NSpid") == 0)
        parse_nspid(v, s);
    else if (strcmp(key, "NoNewPrivs") == 0)
        s->no_new_privs = atoi(v) != 0;
}

void proc_parse_status(const char *text, struct proc_status *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->seccomp = -1;
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *colon = memchr(text, ':', len);
        char key[32], value[1024];
        if (colon && (size_t)(colon - text) < sizeof(key)) {
            memcpy(key, text, (size_t)(colon - text));
            key[colon - text] = '\0';
            size_t n = min_u64(len - (size_t)(colon - text) - 1, sizeof(value) - 1);
            memcpy(value, colon + 1, n);
            value[n] = '\0';
            parse_status_line(key, value, ret);
        }
        text += len + (text[len] == '\n');
    }
}

static ssize_t status_of(const char *who, struct proc_status *ret)
{
    char text[8192];
    ssize_t n = proc_read(text, sizeof(text), "/proc/%s/status", who);
    if (n > 0)
        proc_parse_status(text, ret);
    return n;
}

struct err *proc_status(pid_t pid, struct proc_status *ret)
{
    char who[16];
    snprintf(who, sizeof(who), "%d", pid);
    ssize_t n = status_of(who, ret);
    return n > 0 ? NULL : gone(pid, n);
}

pid_t proc_inner(pid_t pid)
{
    struct proc_status status;
    struct err *e = proc_status(pid, &status);
    pid_t inner = !e && status.nspids > 1 ? status.nspid[status.nspids - 1] : 0;
    err_free(e);
    return inner;
}

bool proc_is_traced_by_us(pid_t tid)
{
    struct proc_status status;
    struct err *e = proc_status(tid, &status);
    bool yes = !e && status.tracer == gettid();
    err_free(e);
    return yes;
}

struct err *proc_status_self(struct proc_status *ret)
{
    ssize_t n = status_of("self", ret);
    return n > 0 ? NULL : err_sys((int)-n, "cannot read what the kernel says of us");
}

bool proc_parse_syscall(const char *text, struct proc_syscall *ret)
{
    memset(ret, 0, sizeof(*ret));
    int n = sscanf(text, "%" SCNd64, &ret->nr);
    if (n != 1)
        return false; /* "running" */
    if (ret->nr < 0)
        return sscanf(text, "%*d %" SCNx64 " %" SCNx64, &ret->sp, &ret->pc) == 2;
    return sscanf(text,
                  "%*d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
                  " %" SCNx64 " %" SCNx64,
                  &ret->args[0], &ret->args[1], &ret->args[2], &ret->args[3], &ret->args[4],
                  &ret->args[5], &ret->sp, &ret->pc) == 8;
}

bool proc_syscall(pid_t pid, pid_t tid, struct proc_syscall *ret)
{
    char text[256];
    return proc_read(text, sizeof(text), "/proc/%d/task/%d/syscall", pid, tid) > 0 &&
           proc_parse_syscall(text, ret);
}

size_t proc_auxv(pid_t pid, uint64_t ret[PROC_AUXV_MAX / 8])
{
    char bytes[PROC_AUXV_MAX + 1];
    ssize_t n = proc_read(bytes, sizeof(bytes), "/proc/%d/auxv", pid);
    if (n <= 0)
        return 0;
    memcpy(ret, bytes, (size_t)n);
    return (size_t)n / sizeof(*ret);
}

uint64_t auxv_get(const uint64_t *auxv, size_t words, uint64_t tag)
{
    for (size_t i = 0; i + 1 < words && auxv[i]; i += 2)
        if (auxv[i] == tag)
            return auxv[i + 1];
    return 0;
}

struct err *proc_each_number(const char *dir, struct err *(*fn)(void *arg, pid_t n), void *arg)
{
    DIR *d = opendir(dir);
    if (!d)
        return err_sys(errno, "cannot list %s", dir);
    struct dirent *entry;
    struct err *e = NULL;
    while (!e && (entry = readdir(d))) {
        char *end;
        long n = strtol(entry->d_name, &end, 10);
        if (n > 0 && !*end)
            e = fn(arg, (pid_t)n);
    }
    closedir(d);
    return e;
}

/* /proc counts processes as the namespace does in which it was mounted; system calls count as ours
 * does.  A process that sees itself under one number only is where its /proc is. */
struct err *proc_ours(void)
{
    struct proc_status us;
    struct err *e = proc_status_self(&us);
    if (!e && us.nspids <= 1)
        return NULL;
    if (e && err_errno(e) && err_errno(e) != ENOENT) /* too many open files, say */
        return e;
    char text[16];
    bool mounted = !e || proc_read(text, sizeof(text), "/proc/uptime") > 0;
    err_free(e);
    if (!mounted)
        return err_hint(err_new(ERR_UNSUPPORTED, "there is no /proc to look into"),
                        "mount it: mount -t proc proc /proc");
    return err_hint(
        err_new(ERR_UNSUPPORTED, "the /proc that is mounted here belongs to another pid namespace "
                                 "than ours: its numbers would name the wrong processes"),
        "run on the host, or enter both namespaces of a container: nsenter --target PID --pid "
        "--mount; or mount a /proc of our own: unshare --mount --mount-proc");
}

struct err *target_each_pid(struct err *(*fn)(void *arg, pid_t pid), void *arg)
{
    char path[PROC_PATH];
    TRY(proc_ours());
    return proc_each_number(proc_path(path, "/proc"), fn, arg);
}

struct thread_list {
    pid_t pid;
    bool contained; /* in a pid namespace of its own */
    struct arena *a;
    VEC(struct target_thread) v;
};

static struct err *add_thread(void *arg, pid_t tid)
{
    struct thread_list *l = arg;
    struct proc_stat st;
    struct err *e = proc_stat(l->pid, tid, &st);
    if (e) { /* it has ended meanwhile */
        err_free(e);
        return NULL;
    }
    struct target_thread t = {.tid = tid,
                              .inner_tid = l->contained ? proc_inner(tid) : 0,
                              .name = arena_strdup(l->a, st.comm),
                              .state = st.state,
                              .cpu_ms = proc_cpu_ms(&st),
                              .syscall = -1};
    struct proc_syscall call;
    if (proc_syscall(l->pid, tid, &call))
        t.syscall = call.nr;
    vec_push(&l->v, t);
    return NULL;
}

static int by_tid(const void *a, const void *b)
{
    const struct target_thread *x = a, *y = b;
    return x->tid < y->tid ? -1 : x->tid > y->tid;
}

struct err *proc_threads(pid_t pid, struct arena *a, struct target_thread **ret, size_t *ret_n)
{
    struct thread_list l = {.pid = pid, .a = a, .contained = proc_inner(pid) != 0};
    char dir[64];
    snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
    struct err *e = proc_each_number(dir, add_thread, &l);
    if (e && (err_errno(e) == ENOENT || err_errno(e) == ESRCH)) {
        err_free(e);
        e = err_new(ERR_GONE, "process %d has ended", pid);
    }
    if (!e) {
        if (l.v.n)
            qsort(l.v.v, l.v.n, sizeof(*l.v.v), by_tid);
        *ret = arena_array(a, struct target_thread, l.v.n);
        if (l.v.n)
            memcpy(*ret, l.v.v, l.v.n * sizeof(*l.v.v));
        *ret_n = l.v.n;
    }
    vec_free(&l.v);
    return e;
}

bool proc_our_thread(pid_t tid)
{
    char path[PROC_PATH];
    return tid > 0 && access(proc_path(path, "/proc/self/task/%d", tid), F_OK) == 0;
}

bool proc_same_ns(pid_t a, pid_t b, const char *which)
{
    char x[64], y[64];
    return proc_readlink(x, sizeof(x), "/proc/%d/ns/%s", a, which) <= 0 ||
           proc_readlink(y, sizeof(y), "/proc/%d/ns/%s", b, which) <= 0 || strcmp(x, y) == 0;
}
