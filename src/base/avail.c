/* avail.c - how much memory we may still take; see avail.h.
 *
 * Control groups are looked for where distributions and containers mount them, below
 * /sys/fs/cgroup; one that cannot be read does not limit us here (the kernel still does). */
#include "base/avail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"

enum { SMALL_FILE = 64 << 10, GROUP_PATH = 1024 };

static bool read_text(const char *path, struct buf *b)
{
    struct err *e = file_read(path, SMALL_FILE, b);
    err_free(e);
    return !e;
}

static uint64_t read_number(const char *dir, const char *name)
{
    char path[GROUP_PATH + 64];
    struct buf b = {0};
    uint64_t v = UINT64_MAX;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (read_text(path, &b))
        sscanf(buf_text(&b), "%" SCNu64, &v); /* "max" stays UINT64_MAX */
    buf_free(&b);
    return v;
}

static uint64_t machine_available(void)
{
    struct buf b = {0};
    uint64_t kb = UINT64_MAX;
    if (read_text("/proc/meminfo", &b)) {
        const char *line = strstr(buf_text(&b), "MemAvailable:");
        if (!line || sscanf(line, "MemAvailable: %" SCNu64, &kb) != 1)
            kb = UINT64_MAX;
    }
    buf_free(&b);
    return kb == UINT64_MAX ? kb : kb * 1024;
}

/* What this group and those above it leave, up to `top`. */
static uint64_t groups_leave(char *dir, size_t top, const char *max, const char *used)
{
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t limit = read_number(dir, max), now = read_number(dir, used);
        if (limit < UINT64_MAX / 4 && now != UINT64_MAX)
            least = min_u64(least, limit > now ? limit - now : 0);
        char *slash = strrchr(dir, '/');
        if (strlen(dir) <= top || !slash)
            return least;
        *slash = '\0';
    }
}

static uint64_t group_available(void)
{
    struct buf b = {0};
    uint64_t least = UINT64_MAX;
    if (read_text("/proc/self/cgroup", &b)) {
        for (const char *line = buf_text(&b); *line;
             line += strcspn(line, "\n"), line += *line == '\n') {
            char dir[GROUP_PATH], path[512];
            bool v2 = sscanf(line, "0::%511[^\n]", path) == 1;
            const char *root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
            if (!v2 && sscanf(line, "%*d:memory:%511[^\n]", path) != 1)
                continue;
            snprintf(dir, sizeof(dir), "%s%s", root, strcmp(path, "/") == 0 ? "" : path);
            least = min_u64(least, groups_leave(dir, strlen(root),
                                                v2 ? "memory.max" : "memory.limit_in_bytes",
                                                v2 ? "memory.current" : "memory.usage_in_bytes"));
        }
    }
    buf_free(&b);
    return least;
}

/* What a limit of the process leaves, of which `used` is taken. */
static uint64_t limit_leaves(int resource, uint64_t used)
{
    struct rlimit l;
    if (getrlimit((__rlimit_resource_t)resource, &l) || l.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return l.rlim_cur > used ? l.rlim_cur - used : 0;
}

uint64_t mem_limits_leave(const char **why)
{
    struct buf b = {0};
    uint64_t size = 0, data = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (read_text("/proc/self/statm", &b))
        sscanf(buf_text(&b), "%" SCNu64 " %*d %*d %*d %*d %" SCNu64, &size, &data);
    buf_free(&b);
    uint64_t space = limit_leaves(RLIMIT_AS, size * page);
    uint64_t ours = limit_leaves(RLIMIT_DATA, data * page);
    *why = space <= ours ? "the limit of our address space (ulimit -v)"
                         : "the limit of our data (ulimit -d)";
    return min_u64(space, ours);
}

uint64_t mem_available(const char **why)
{
    const char *limit;
    uint64_t machine = machine_available(), group = group_available();
    uint64_t limits = mem_limits_leave(&limit), least = min_u64(machine, min_u64(group, limits));
    if (why)
        *why = least == machine ? "the machine" : least == group ? "the control group" : limit;
    return least;
}
