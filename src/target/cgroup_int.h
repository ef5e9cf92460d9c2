/* cgroup_int.h - what the control groups of a process allow it, and how much of that is left.
 *
 * Both versions, side by side: the memory controller is in one of them.  Limits are nested, the
 * tightest on the way up counts.  Thread: any. */
#ifndef GOSPECT_TARGET_CGROUP_INT_H
#define GOSPECT_TARGET_CGROUP_INT_H

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"

#include <sys/types.h>

#define CGROUP_NO_LIMIT UINT64_MAX
enum { CGROUP_PATH = 1024, CGROUP_LEVELS = 24 };

/* The directory of a controller's group of a process, and the mount point it lies below. */
struct cgroup_dir {
    char path[CGROUP_PATH];  /* as the kernel names it in /proc/PID/cgroup; "" when unknown */
    char dir[CGROUP_PATH];   /* "" when it cannot be reached from here */
    char mount[CGROUP_PATH]; /* where the walk upwards ends */
    bool v2;
};

/* text of /proc/PID/cgroup; controller: "memory", "pids".  Sets path and v2. */
bool cgroup_parse(const char *text, const char *controller, bool v2, char path[CGROUP_PATH]);
/* text of /proc/PID/mountinfo.  Sets mount, and root to what of the hierarchy is mounted there. */
bool cgroup_parse_mounts(const char *text, const char *controller, bool v2, char mount[CGROUP_PATH],
                         char root[CGROUP_PATH]);
/* false when the process is in no group with this controller. */
bool cgroup_find(pid_t pid, const char *controller, struct cgroup_dir *ret);

/* One level on the way up that has a limit. */
struct memory_level {
    char dir[CGROUP_PATH];
    int used_fd;    /* memory.current or memory.usage_in_bytes, open */
    uint64_t limit; /* bytes; also memory.high, which slows down instead of killing */
    uint64_t
        reclaimable; /* of what is used, what the kernel gives up before it kills: file pages */
    bool kills_all;  /* memory.oom.group: one process too many ends all of them */
    bool hangs;      /* oom_kill_disable: nobody is killed, everybody waits */
};
struct memory_room {
    struct memory_level levels[CGROUP_LEVELS]; /* with a limit, innermost first */
    unsigned n;
    char path[CGROUP_PATH]; /* the group's name; "" when there is none */
    uint64_t limit, used;   /* of the tightest; NO_LIMIT: none */
};

void memory_room_open(pid_t pid, struct memory_room *ret);
void memory_room_close(struct memory_room *r);
/* Bytes that are left now, here and on the machine as a whole; *where names the level. */
uint64_t memory_room_left(const struct memory_room *r, const char **where);

/* How many more tasks the pids controller allows; NO_LIMIT: none. */
uint64_t pids_left(pid_t pid);

/* "max" or a number; NO_LIMIT for the former, and for v1's huge numbers. */
uint64_t cgroup_parse_limit(const char *text);
uint64_t cgroup_parse_key(const char *text, const char *key); /* "key 123" lines; 0: not there */
uint64_t machine_memory_available(void);

#endif
