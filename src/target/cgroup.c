/* cgroup.c - control groups; see cgroup_int.h.
 *
 * /proc/PID/cgroup names groups relative to the root of our own cgroup namespace, mounts may show
 * only a part of a hierarchy, and from inside a container the group of another one cannot be
 * reached at all.  So: what is mounted here first; then what the process itself has mounted. */
#include "target/cgroup_int.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/avail.h"
#include "base/file.h"
#include "target/proc_int.h"
#include "target/target.h"

enum { MOUNTINFO_MAX = 16 << 20, STAT_MAX = 64 << 10 };
#define V1_UNLIMITED (UINT64_C(1) << 60) /* v1 says "none" by a number near 2^63 */

/* ---- parsers ---- */

static bool has_word(const char *list, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list, *end = list + n; p + len <= end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        size_t k = (size_t)((comma ? comma : end) - p);
        if (k == len && memcmp(p, word, len) == 0)
            return true;
        if (!comma)
            break;
        p = comma + 1;
    }
    return false;
}

static void copy_text(char *dst, const char *p, size_t n)
{
    n = min_u64(n, CGROUP_PATH - 1);
    memcpy(dst, p, n);
    dst[n] = '\0';
}

bool cgroup_parse(const char *text, const char *controller, bool v2, char path[CGROUP_PATH])
{
    path[0] = '\0';
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        const char *list = memchr(text, ':', len);
        const char *name = list ? memchr(list + 1, ':', len - (size_t)(list + 1 - text)) : NULL;
        if (!name)
            continue;
        list++;
        bool match = v2 ? name == list && strncmp(text, "0:", 2) == 0
                        : has_word(list, (size_t)(name - list), controller);
        if (!match)
            continue;
        copy_text(path, name + 1, len - (size_t)(name + 1 - text));
        return true;
    }
    return false;
}

/* Mount points have blanks and the like as \ooo. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
            s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* id parent maj:min ROOT MOUNT options [optional...] - TYPE source SUPER */
bool cgroup_parse_mounts(const char *text, const char *controller, bool v2, char mount[CGROUP_PATH],
                         char root[CGROUP_PATH])
{
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        char line[4 * CGROUP_PATH], type[32], super[CGROUP_PATH];
        if (len >= sizeof(line))
            continue;
        memcpy(line, text, len);
        line[len] = '\0';
        char *dash = strstr(line, " - ");
        if (!dash || sscanf(dash, " - %31s %*s %1023s", type, super) != 2)
            continue;
        bool match = v2 ? strcmp(type, "cgroup2") == 0
                        : strcmp(type, "cgroup") == 0 && has_word(super, strlen(super), controller);
        if (!match || sscanf(line, "%*d %*d %*s %1023s %1023s", root, mount) != 2)
            continue;
        unescape(root);
        unescape(mount);
        return true;
    }
    return false;
}

uint64_t cgroup_parse_limit(const char *text)
{
    if (*text < '0' || *text > '9')
        return CGROUP_NO_LIMIT;
    uint64_t v = strtoull(text, NULL, 10);
    return v >= V1_UNLIMITED ? CGROUP_NO_LIMIT : v;
}

uint64_t cgroup_parse_key(const char *text, const char *key)
{
    size_t n = strlen(key);
    while (*text) {
        if (strncmp(text, key, n) == 0 && (text[n] == ' ' || text[n] == ':'))
            return strtoull(text + n + 1, NULL, 10);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return 0;
}

/* ---- finding the directory ---- */

static bool read_text(const char *dir, const char *file, char *dst, size_t n)
{
    char path[CGROUP_PATH + 64];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t k = fd >= 0 ? read(fd, dst, n - 1) : -1;
    if (fd >= 0)
        close(fd);
    dst[k < 0 ? 0 : k] = '\0';
    return k > 0;
}

static bool usable(const char *dir, bool v2, const char *controller)
{
    char probe[CGROUP_PATH + 64];
    if (v2)
        snprintf(probe, sizeof(probe), "%s/cgroup.procs", dir);
    else
        snprintf(probe, sizeof(probe), "%s/%s", dir,
                 strcmp(controller, "memory") == 0 ? "memory.usage_in_bytes" : "cgroup.procs");
    return access(probe, R_OK) == 0;
}

/* A path below a mount that shows `root` of the hierarchy. */
static bool join(struct cgroup_dir *d, const char *mount, const char *root)
{
    const char *rest = d->path;
    size_t n = strlen(root);
    if (strstr(d->path, "/.."))
        return false; /* outside of what we see */
    if (strcmp(root, "/") != 0) {
        if (strncmp(d->path, root, n) != 0 || (d->path[n] && d->path[n] != '/'))
            return false;
        rest += n;
    }
    if (strcmp(rest, "/") == 0)
        rest = "";
    snprintf(d->mount, sizeof(d->mount), "%s", mount);
    return (size_t)snprintf(d->dir, sizeof(d->dir), "%s%s", mount, rest) < sizeof(d->dir);
}

static bool mounted_here(struct cgroup_dir *d, const char *controller)
{
    struct buf text = {0};
    char path[PROC_PATH], mount[CGROUP_PATH], root[CGROUP_PATH];
    struct err *e = file_read(proc_path(path, "/proc/self/mountinfo"), MOUNTINFO_MAX, &text);
    bool ok = !e && cgroup_parse_mounts(buf_text(&text), controller, d->v2, mount, root) &&
              join(d, mount, root) && usable(d->dir, d->v2, controller);
    err_free(e);
    buf_free(&text);
    return ok;
}

/* Inside a container the hierarchy usually starts at the container's own group. */
static bool mounted_there(struct cgroup_dir *d, const char *controller, pid_t pid)
{
    static const char *const below[] = {"", "/unified"};
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        char path[PROC_PATH];
        if (d->v2)
            proc_path(path, "/proc/%d/root/sys/fs/cgroup%s", pid, below[i]);
        else
            proc_path(path, "/proc/%d/root/sys/fs/cgroup/%s", pid, controller);
        snprintf(d->mount, sizeof(d->mount), "%s", path);
        size_t n = strlen(d->mount), k = strlen(d->path);
        memcpy(d->dir, d->mount, n + 1);
        if (k > 1 && n + k < sizeof(d->dir) && !strstr(d->path, "/..")) {
            memcpy(d->dir + n, d->path, k + 1);
            if (usable(d->dir, d->v2, controller))
                return true;
            d->dir[n] = '\0';
        }
        if (usable(d->dir, d->v2, controller))
            return true;
    }
    return false;
}

/* The unified hierarchy counts only when the controller is switched on in it. */
static bool has_controller(const struct cgroup_dir *d, const char *controller)
{
    char file[CGROUP_PATH + 64];
    snprintf(file, sizeof(file), "%s/%s.current", d->dir, controller);
    if (!d->v2 || access(file, R_OK) == 0)
        return true;
    char list[512];
    if (!read_text(d->dir, "cgroup.controllers", list, sizeof(list)))
        return false;
    for (char *p = list; *p; p++)
        if (*p == ' ' || *p == '\n')
            *p = ',';
    return has_word(list, strlen(list), controller);
}

bool cgroup_find(pid_t pid, const char *controller, struct cgroup_dir *ret)
{
    char text[16 << 10];
    memset(ret, 0, sizeof(*ret));
    if (proc_read(text, sizeof(text), "/proc/%d/cgroup", pid) <= 0)
        return false;
    for (int v2 = 0; v2 <= 1; v2++) {
        ret->v2 = v2;
        if (!cgroup_parse(text, controller, v2, ret->path))
            continue;
        bool reached = mounted_here(ret, controller) || mounted_there(ret, controller, pid);
        if (!reached)
            ret->dir[0] = '\0';
        if (!v2 || (reached && has_controller(ret, controller)))
            return true;
    }
    ret->path[0] = ret->dir[0] = '\0';
    return false;
}

/* ---- memory ---- */

static uint64_t read_limit(const char *dir, const char *file)
{
    char text[64];
    return read_text(dir, file, text, sizeof(text)) ? cgroup_parse_limit(text) : CGROUP_NO_LIMIT;
}

static uint64_t read_fd(int fd)
{
    char text[64];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return n > 0 ? strtoull(text, NULL, 10) : 0;
}

/* File pages that are clean and not locked go before anybody is killed. */
static uint64_t reclaimable(const char *dir, bool v2)
{
    char text[16 << 10];
    if (!read_text(dir, "memory.stat", text, sizeof(text)))
        return 0;
    const char *total = v2 ? "" : "total_";
    const char *const names[] = {"inactive_file", "active_file", v2 ? "file_dirty" : "dirty",
                                 v2 ? "file_writeback" : "writeback"};
    uint64_t v[4];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char key[64];
        snprintf(key, sizeof(key), "%s%s", total, names[i]);
        v[i] = cgroup_parse_key(text, key);
    }
    uint64_t files = v[0] + v[1], busy = v[2] + v[3];
    return files > busy ? files - busy : 0;
}

static void add_level(struct memory_room *r, const char *dir, bool v2)
{
    struct memory_level *l = &r->levels[r->n];
    char text[256], path[CGROUP_PATH + 64];
    if (v2)
        l->limit = min_u64(read_limit(dir, "memory.max"), read_limit(dir, "memory.high"));
    else
        l->limit = read_limit(dir, "memory.limit_in_bytes");
    if (l->limit == CGROUP_NO_LIMIT)
        return;
    snprintf(path, sizeof(path), "%s/%s", dir, v2 ? "memory.current" : "memory.usage_in_bytes");
    l->used_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->used_fd < 0)
        return;
    copy_text(l->dir, dir, strlen(dir));
    l->reclaimable = reclaimable(dir, v2);
    if (v2)
        l->kills_all = read_text(dir, "memory.oom.group", text, sizeof(text)) && text[0] == '1';
    else
        l->hangs = read_text(dir, "memory.oom_control", text, sizeof(text)) &&
                   cgroup_parse_key(text, "oom_kill_disable") == 1;
    r->n++;
}

static uint64_t level_left(const struct memory_level *l)
{
    uint64_t used = read_fd(l->used_fd);
    used = used > l->reclaimable ? used - l->reclaimable : 0;
    return l->limit > used ? l->limit - used : 0;
}

void memory_room_open(pid_t pid, struct memory_room *ret)
{
    struct cgroup_dir d;
    ret->n = 0;
    ret->path[0] = '\0';
    ret->limit = ret->used = CGROUP_NO_LIMIT;
    if (!cgroup_find(pid, "memory", &d))
        return;
    copy_text(ret->path, d.path, strlen(d.path));
    size_t stop = strlen(d.mount);
    uint64_t least = UINT64_MAX;
    for (bool first = true; d.dir[0] && strlen(d.dir) >= stop && ret->n < CGROUP_LEVELS;
         first = false) {
        unsigned before = ret->n;
        add_level(ret, d.dir, d.v2);
        if (first && ret->n == before) { /* no limit of its own; still say what it uses */
            char text[64];
            if (read_text(d.dir, d.v2 ? "memory.current" : "memory.usage_in_bytes", text,
                          sizeof(text)))
                ret->used = strtoull(text, NULL, 10);
        }
        if (ret->n > before && level_left(&ret->levels[before]) < least) {
            least = level_left(&ret->levels[before]);
            ret->limit = ret->levels[before].limit;
            ret->used = read_fd(ret->levels[before].used_fd);
        }
        char *slash = strrchr(d.dir, '/');
        if (!slash || (size_t)(slash - d.dir) < stop)
            break;
        *slash = '\0';
    }
    if (ret->used == CGROUP_NO_LIMIT)
        ret->used = 0;
}

void memory_room_close(struct memory_room *r)
{
    for (unsigned i = 0; i < r->n; i++)
        close(r->levels[i].used_fd);
    r->n = 0;
}

uint64_t machine_memory_available(void)
{
    char text[4096];
    if (proc_read(text, sizeof(text), "/proc/meminfo") <= 0)
        return UINT64_MAX;
    uint64_t kib = cgroup_parse_key(text, "MemAvailable");
    return kib ? kib * 1024 : UINT64_MAX;
}

uint64_t memory_room_left(const struct memory_room *r, const char **where)
{
    uint64_t least = machine_memory_available();
    *where = "the machine";
    for (unsigned i = 0; i < r->n; i++) {
        uint64_t left = level_left(&r->levels[i]);
        if (left < least) {
            least = left;
            *where = r->levels[i].dir;
        }
    }
    return least;
}

uint64_t target_memory_for_us(struct arena *a, const char **where)
{
    struct memory_room r;
    memory_room_open(getpid(), &r);
    const char *limit;
    uint64_t left = memory_room_left(&r, where), limits = mem_limits_leave(&limit);
    *where = arena_strdup(a, limits < left ? limit : *where);
    memory_room_close(&r);
    return min_u64(left, limits);
}

/* ---- tasks ---- */

uint64_t pids_left(pid_t pid)
{
    struct cgroup_dir d;
    uint64_t least = CGROUP_NO_LIMIT;
    if (!cgroup_find(pid, "pids", &d))
        return least;
    size_t stop = strlen(d.mount);
    while (d.dir[0] && strlen(d.dir) >= stop) {
        uint64_t max = read_limit(d.dir, "pids.max"), now = read_limit(d.dir, "pids.current");
        if (max != CGROUP_NO_LIMIT && now != CGROUP_NO_LIMIT)
            least = min_u64(least, max > now ? max - now : 0);
        char *slash = strrchr(d.dir, '/');
        if (!slash || (size_t)(slash - d.dir) < stop)
            break;
        *slash = '\0';
    }
    return least;
}
