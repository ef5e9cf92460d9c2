/* room.c - whether there is room for a copy of a process; see room_int.h and
 * docs/decisions/fork-snapshot.md.
 *
 * A copy costs page tables at once, and then one page for each page that the process writes to
 * while the copy exists, charged to the process' own control group.  If that ran out, the kernel
 * would look for somebody to kill, and the process is the largest.  So:
 *   - no copy unless the page tables and a reserve fit now;
 *   - the copy offers itself to the kernel first (oom_score_adj 1000, see freeze.c);
 *   - when it could run out, somebody looks every few milliseconds and gives the copy up in time;
 *   - where running out would kill or hang the whole group whatever we do (memory.oom.group,
 *     oom_kill_disable), the worst case must fit.
 * Tasks are limited, too (pids controller, RLIMIT_NPROC): a Go runtime that cannot make a thread
 * dies, so we never take the last ones. */
#include "target/room_int.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/proc_int.h"

#define MIB ((uint64_t)1 << 20)
enum { SPARE_TASKS = 16, STRICT_OVERCOMMIT = 2 };

static struct err *refuse_memory(uint64_t need, uint64_t left, const char *where)
{
    return err_new(ERR_UNSUPPORTED,
                   "there is no room for a copy: it may need %" PRIu64 " MB, and only %" PRIu64
                   " MB of memory are left to %s",
                   (need + MIB - 1) / MIB, left / MIB, where);
}

static struct err *check_memory(const struct proc_status *s, struct copy_room *r)
{
    uint64_t now = s->page_table_bytes + s->page_table_bytes / 8 + 2 * MIB;
    uint64_t reserve = s->rss_anon_bytes / 8;
    reserve = reserve < 4 * MIB ? 4 * MIB : min_u64(reserve, 64 * MIB);
    r->worst_case = now + s->rss_anon_bytes;
    r->keep_free = reserve / 2;
    bool deadly = false;
    for (unsigned i = 0; i < r->memory.n; i++)
        deadly |= r->memory.levels[i].kills_all || r->memory.levels[i].hangs;
    const char *where;
    uint64_t left = memory_room_left(&r->memory, &where);
    uint64_t need = deadly ? r->worst_case + reserve : now + reserve;
    if (left < need)
        return refuse_memory(need, left, where);
    r->watch = left < 2 * r->worst_case + reserve;
    return NULL;
}

/* Where memory is promised strictly, a copy is promised all that the process could write to; and
 * others must not be refused theirs because of us. */
static struct err *check_promises(const struct proc_status *s)
{
    char mode[16], info[4096];
    if (proc_read(mode, sizeof(mode), "/proc/sys/vm/overcommit_memory") <= 0 ||
        atoi(mode) != STRICT_OVERCOMMIT || proc_read(info, sizeof(info), "/proc/meminfo") <= 0)
        return NULL;
    uint64_t limit = cgroup_parse_key(info, "CommitLimit") * 1024;
    uint64_t promised = cgroup_parse_key(info, "Committed_AS") * 1024;
    uint64_t left = limit > promised ? limit - promised : 0;
    uint64_t need = s->vm_data_bytes + 64 * MIB;
    return left < need ? refuse_memory(need, left, "the machine (vm.overcommit_memory is 2)")
                       : NULL;
}

struct task_count {
    uint32_t uid;
    uint64_t n;
};

static struct err *count_tasks(void *arg, pid_t pid)
{
    struct task_count *c = arg;
    struct proc_status s;
    struct err *e = proc_status(pid, &s);
    if (!e && s.uid[0] == c->uid)
        c->n += s.threads;
    err_free(e);
    return NULL;
}

/* RLIMIT_NPROC counts all tasks of the user.  All tasks of the machine are counted faster. */
static uint64_t user_tasks_left(pid_t pid, const struct proc_status *s)
{
    char text[4096], soft[32] = "";
    unsigned all = 0;
    if (s->uid[0] == 0 || s->cap_eff >> CAP_SYS_RESOURCE & 1 || s->cap_eff >> CAP_SYS_ADMIN & 1 ||
        proc_read(text, sizeof(text), "/proc/%d/limits", pid) <= 0)
        return UINT64_MAX;
    const char *line = strstr(text, "Max processes");
    if (!line || sscanf(line, "Max processes %31s", soft) != 1 || *soft < '0' || *soft > '9')
        return UINT64_MAX;
    uint64_t limit = strtoull(soft, NULL, 10);
    if (proc_read(text, sizeof(text), "/proc/loadavg") > 0 &&
        sscanf(text, "%*s %*s %*s %*u/%u", &all) == 1 && all + SPARE_TASKS < limit)
        return limit - all;
    struct task_count c = {.uid = s->uid[0]};
    err_free(target_each_pid(count_tasks, &c));
    return limit > c.n ? limit - c.n : 0;
}

static struct err *check_tasks(pid_t pid, const struct proc_status *s)
{
    if (pids_left(pid) < SPARE_TASKS)
        return err_new(ERR_UNSUPPORTED,
                       "its control group allows hardly any more tasks (pids.max)");
    if (user_tasks_left(pid, s) < SPARE_TASKS)
        return err_new(ERR_UNSUPPORTED, "its user may have hardly any more tasks (RLIMIT_NPROC)");
    return NULL;
}

void room_find(pid_t pid, struct copy_room *ret)
{
    memset(ret, 0, sizeof(*ret));
    memory_room_open(pid, &ret->memory);
}

struct err *room_check(pid_t pid, struct copy_room *r)
{
    struct proc_status s;
    TRY(proc_status(pid, &s));
    TRY(check_memory(&s, r));
    TRY(check_promises(&s));
    return check_tasks(pid, &s);
}

void room_close(struct copy_room *r)
{
    memory_room_close(&r->memory);
}

struct err *room_look(const struct copy_room *r)
{
    const char *where;
    if (!r->watch || memory_room_left(&r->memory, &where) >= r->keep_free)
        return NULL;
    return err_hint(
        err_new(ERR_LIMIT, "the copy of the process was given up: memory of %s ran short", where),
        "look again without a copy (--consistency goroutine), or give the process a "
        "higher memory limit");
}
