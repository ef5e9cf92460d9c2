/* Limits of control groups, both versions, and whether a copy has room: over trees of files that
 * look like /proc and /sys/fs/cgroup of machines we do not have. */
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "target/proc_int.h"
#include "target/room_int.h"

#define MIB (1ull << 20)
enum { PID = 4242 };

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];
    int n = snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; p < full + n; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(full, 0700);
            *p = '/';
        }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void put_number(const char *path, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)v);
    put(path, text);
}

/* A line of mountinfo whose mount point lies in the tree. */
static void mount(const char *where, const char *shows, const char *type, const char *super)
{
    char line[512];
    snprintf(line, sizeof(line), "30 25 0:26 %s %s%s rw,nosuid shared:9 - %s cgroup %s\n", shows,
             root, where, type, super);
    put("/proc/self/mountinfo", line);
}

static void a_process(uint64_t anon_mib)
{
    char text[256];
    snprintf(text, sizeof(text),
             "Name:\tx\nUid:\t0\t0\t0\t0\nThreads:\t5\nRssAnon:\t%llu kB\nVmPTE:\t1024 kB\n",
             (unsigned long long)anon_mib * 1024);
    put("/proc/4242/status", text);
    put("/proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable: 33554432 kB\n");
    put("/proc/sys/vm/overcommit_memory", "0\n");
}

static int set_up(void **state)
{
    snprintf(root, sizeof(root), "/tmp/gospect-room.XXXXXX");
    if (!mkdtemp(root))
        return -1;
    proc_root_hook = root;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    proc_root_hook = NULL;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static uint64_t left_now(const char **where)
{
    static char name[CGROUP_PATH];
    struct memory_room r;
    memory_room_open(PID, &r);
    uint64_t left = memory_room_left(&r, where);
    snprintf(name, sizeof(name), "%s", *where);
    *where = name;
    memory_room_close(&r);
    return left;
}

static void v2_tightest_on_the_way_up(void **state)
{
    const char *where;
    a_process(100);
    mount("/cg", "/", "cgroup2", "rw");
    put("/proc/4242/cgroup", "0::/pod/app\n");
    put("/cg/cgroup.procs", "");
    put("/cg/pod/memory.max", "1073741824\n"); /* 1024 MiB, of which 900 are used */
    put_number("/cg/pod/memory.current", 900 * MIB);
    put("/cg/pod/memory.high", "max\n");
    put("/cg/pod/app/cgroup.procs", "");
    put("/cg/pod/app/memory.max", "max\n");
    put_number("/cg/pod/app/memory.high",
               512 * MIB); /* slows down instead of killing: as good as a limit */
    put_number("/cg/pod/app/memory.current", 312 * MIB);
    assert_int_equal(left_now(&where), 124 * MIB);
    assert_non_null(strstr(where, "/cg/pod"));
    put_number("/cg/pod/memory.current", 800 * MIB);
    assert_int_equal(left_now(&where), 200 * MIB);
    assert_non_null(strstr(where, "/cg/pod/app"));
    /* pages of files go first, unless they are still to be written */
    put("/cg/pod/app/memory.stat", "anon 1\ninactive_file 31457280\nactive_file 10485760\n"
                                   "file_dirty 5242880\nfile_writeback 0\n");
    assert_int_equal(left_now(&where), 224 * MIB);
    put("/cg/pod/memory.stat", "inactive_file 0\nactive_file 4194304\n");
    assert_int_equal(left_now(&where), 228 * MIB); /* 1024 - (800 - 4) */
}

static void v1_beside_a_v2_without_the_controller(void **state)
{
    const char *where;
    a_process(100);
    mount("/cg/memory", "/", "cgroup", "rw,memory");
    put("/proc/4242/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/init.scope\n");
    put("/cg/memory/docker/abc/memory.usage_in_bytes", "104857600\n");
    put("/cg/memory/docker/abc/memory.limit_in_bytes", "134217728\n");
    put("/cg/memory/docker/abc/memory.stat", "inactive_file 9\ntotal_inactive_file 2097152\n");
    put("/cg/memory/docker/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/cg/memory/memory.usage_in_bytes", "999999999\n");
    assert_int_equal(left_now(&where), 30 * MIB);
}

/* From inside a container the hierarchy shows our own group as its root. */
static void a_part_of_the_hierarchy_is_mounted(void **state)
{
    const char *where;
    a_process(100);
    mount("/cg", "/kube/pod1", "cgroup2", "rw");
    put("/proc/4242/cgroup", "0::/kube/pod1/app\n");
    put("/cg/app/cgroup.procs", "");
    put_number("/cg/app/memory.max", 64 * MIB);
    put_number("/cg/app/memory.current", 60 * MIB);
    assert_int_equal(left_now(&where), 4 * MIB);
    /* a group outside of it cannot be reached: the machine's memory is all that is known */
    put("/proc/4242/cgroup", "0::/kube/pod10/app\n");
    assert_int_equal(left_now(&where), 32768 * MIB);
    assert_string_equal(where, "the machine");
    /* unless the process itself has it mounted */
    put("/proc/4242/root/sys/fs/cgroup/cgroup.procs", "");
    put_number("/proc/4242/root/sys/fs/cgroup/memory.max", 50 * MIB);
    put_number("/proc/4242/root/sys/fs/cgroup/memory.current", 20 * MIB);
    assert_int_equal(left_now(&where), 30 * MIB);
}

static void unlimited(void)
{
    a_process(200);
    mount("/cg", "/", "cgroup2", "rw");
    put("/proc/4242/cgroup", "0::/app\n");
    put("/cg/app/cgroup.procs", "");
    put("/cg/app/memory.oom.group", "0\n");
}

static struct err *room_open(pid_t pid, struct copy_room *r)
{
    room_find(pid, r);
    struct err *e = room_check(pid, r);
    if (e)
        room_close(r);
    return e;
}

/* 200 MiB of its own, 1 MiB of page tables: a copy needs 3.125 MiB now and 25 in reserve. */
static void room_for_a_copy(void **state)
{
    struct copy_room r;
    unlimited();
    put_number("/cg/app/memory.max", 1000 * MIB);
    put_number("/cg/app/memory.current", 210 * MIB);
    check_ok(room_open(PID, &r));
    assert_false(r.watch);
    assert_int_equal(r.worst_case, 203 * MIB + MIB / 8);
    check_ok(room_look(&r));
    room_close(&r);
    put_number("/cg/app/memory.max", 239 * MIB); /* 29 are left */
    check_ok(room_open(PID, &r));
    assert_true(r.watch);
    check_ok(room_look(&r));
    put_number("/cg/app/memory.current", 226 * MIB); /* 13, of which 12.5 are kept free */
    check_ok(room_look(&r));
    put_number("/cg/app/memory.current", 227 * MIB);
    check_err(room_look(&r), ERR_LIMIT, "was given up");
    room_close(&r);
    put_number("/cg/app/memory.max", 238 * MIB);
    put_number("/cg/app/memory.current", 210 * MIB);
    check_err(room_open(PID, &r), ERR_UNSUPPORTED,
              "no room for a copy: it may need 29 MB, and only 28 MB");
}

/* Where one too many ends all of them, the worst case must fit. */
static void where_running_out_is_deadly(void **state)
{
    struct copy_room r;
    unlimited();
    put("/cg/app/memory.oom.group", "1\n");
    put_number("/cg/app/memory.max", 410 * MIB);
    put_number("/cg/app/memory.current", 210 * MIB);
    check_err(room_open(PID, &r), ERR_UNSUPPORTED, "no room for a copy");
    put_number("/cg/app/memory.max", 500 * MIB);
    check_ok(room_open(PID, &r));
    room_close(&r);
}

static void tasks_are_limited(void **state)
{
    struct copy_room r;
    unlimited();
    put_number("/cg/app/memory.current", 1);
    put("/cg/app/cgroup.controllers", "memory pids\n");
    put("/cg/app/pids.max", "100\n");
    put("/cg/app/pids.current", "80\n");
    check_ok(room_open(PID, &r));
    room_close(&r);
    put("/cg/app/pids.current", "90\n");
    check_err(room_open(PID, &r), ERR_UNSUPPORTED, "pids.max");
}

static void memory_is_promised_strictly(void **state)
{
    struct copy_room r;
    unlimited();
    put("/proc/sys/vm/overcommit_memory", "2\n");
    put("/proc/meminfo",
        "MemAvailable: 33554432 kB\nCommitLimit: 102400 kB\nCommitted_AS: 81920 kB\n");
    check_err(room_open(PID, &r), ERR_UNSUPPORTED, "overcommit_memory is 2");
}

static void another_proc_is_refused(void **state)
{
    put("/proc/self/status", "Name:\tus\nNSpid:\t77\n");
    check_ok(proc_ours());
    put("/proc/self/status", "Name:\tus\nNSpid:\t77\t3\n");
    check_err(proc_ours(), ERR_UNSUPPORTED, "another pid namespace");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
TEST_MAIN(TEST(v2_tightest_on_the_way_up), TEST(v1_beside_a_v2_without_the_controller),
          TEST(a_part_of_the_hierarchy_is_mounted), TEST(room_for_a_copy),
          TEST(where_running_out_is_deadly), TEST(tasks_are_limited),
          TEST(memory_is_promised_strictly), TEST(another_proc_is_refused))
