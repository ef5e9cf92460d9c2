/* process.c - facts about a process from /proc.  Readable without any right to trace, but for the
 * path of its program and its namespaces. */
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "target/cgroup_int.h"
#include "target/proc_int.h"

enum { CMDLINE_MAX = 1 << 20 };

static const char *user_name(struct arena *a, uint32_t uid)
{
    struct passwd pw, *found = NULL;
    char buf[8192];
    if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
        return arena_strdup(a, pw.pw_name);
    return arena_printf(a, "%u", uid);
}

static void take_exe(pid_t pid, struct arena *a, struct target_process *p)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t n = proc_readlink(path, sizeof(path), "/proc/%d/exe", pid);
    size_t tail = sizeof(deleted) - 1;
    if (n > (ssize_t)tail && strcmp(path + n - tail, deleted) == 0) {
        p->exe_deleted = true;
        path[(size_t)n - tail] = '\0';
    }
    p->exe = n > 0 ? arena_strdup(a, path) : "";
}

/* Arguments are separated by NULs; the last one is not a separator. */
static const char *cmdline(pid_t pid, struct arena *a)
{
    char path[64];
    struct buf text = {0};
    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    err_free(file_read(path, CMDLINE_MAX, &text));
    while (text.n && text.p[text.n - 1] == '\0')
        text.n--;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\0')
            text.p[i] = ' ';
    const char *line = text.n ? arena_strndup(a, text.p, text.n) : "";
    buf_free(&text);
    return line;
}

static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static int64_t boot_wall_ns;

/* Looked up once: two clocks cannot be read at one instant, and processes that started in the same
 * tick must not seem to differ by what we were delayed in between.  The closest of a few tries. */
static void find_boot(void)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct timespec boot;
        int64_t before = clock_wall_ns();
        clock_gettime(CLOCK_BOOTTIME, &boot);
        int64_t between = clock_wall_ns() - before;
        if (between < 0 || between >= least)
            continue;
        least = between;
        boot_wall_ns = before + between / 2 - (boot.tv_sec * NSEC_PER_SEC + boot.tv_nsec);
    }
}

/* The kernel counts from boot on, in ticks, on the clock that does not stop in suspend. */
static int64_t started_wall(uint64_t ticks)
{
    pthread_once(&boot_once, find_boot);
    return boot_wall_ns + (int64_t)ticks * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
}

static void take_memory_group(pid_t pid, struct arena *a, struct target_process *p)
{
    struct memory_room room;
    memory_room_open(pid, &room);
    p->cgroup = arena_strdup(a, room.path);
    p->memory_limit = room.limit;
    p->memory_used = room.used;
    memory_room_close(&room);
}

struct err *process_facts(pid_t pid, struct arena *a, struct target_process *ret)
{
    struct proc_stat st;
    struct proc_status s;
    memset(ret, 0, sizeof(*ret));
    TRY(proc_stat(pid, 0, &st));
    TRY(proc_status(pid, &s));
    pid_t inner = s.nspids ? s.nspid[s.nspids - 1] : pid;
    *ret = (struct target_process){
        .pid = pid,
        .inner_pid = inner,
        .uid = s.uid[1],
        .user = user_name(a, s.uid[1]),
        .cmdline = cmdline(pid, a),
        .comm = arena_strdup(a, st.comm),
        .started_wall_ns = started_wall(st.start_ticks),
        .rss_bytes = s.rss_bytes,
        .vm_bytes = s.vm_bytes,
        .threads = s.threads,
        .container = s.nspids > 1 || !proc_same_ns(getpid(), pid, "pid") ||
                     !proc_same_ns(getpid(), pid, "mnt"),
        .tracer = proc_our_thread(s.tracer) ? 0 : s.tracer,
    };
    take_exe(pid, a, ret);
    take_memory_group(pid, a, ret);
    return NULL;
}

struct err *process_facts_of_copy(pid_t copy, pid_t pid, uint64_t start_ticks, struct arena *a,
                                  struct target_process *ret)
{
    TRY(process_facts(copy, a, ret));
    ret->pid = pid;
    ret->inner_pid = ret->container ? 0 : pid;
    ret->started_wall_ns = started_wall(start_ticks);
    ret->tracer = 0;
    return NULL;
}
