/* denied.c - why we may not look into a process, in words a user can act upon.
 *
 * The kernel says EPERM or EACCES for a dozen reasons.  They are looked at in the order in which
 * the kernel asks (kernel/ptrace.c __ptrace_may_access, then the security modules), with what /proc
 * tells about the process and about us. */
#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/proc_int.h"

enum { PF_KTHREAD = 0x200000 };

struct facts {
    pid_t pid;
    const char *what;
    struct proc_stat stat;
    struct proc_status them, us;
    bool have_us;
    int yama;     /* -1: no Yama */
    bool cap;     /* we hold CAP_SYS_PTRACE */
    bool files;   /* we may open the files of others */
    bool same_ns; /* user namespace */
    bool nested;  /* ours is not the first one: what we hold counts inside it alone */
};

static bool has_cap(const struct proc_status *s, int cap)
{
    return s->cap_eff >> cap & 1;
}

/* The first user namespace has all numbers, each as itself. */
static bool in_user_namespace(void)
{
    char text[4096];
    unsigned long long inner, outer, n;
    return proc_read(text, sizeof(text), "/proc/self/uid_map") > 0 &&
           (sscanf(text, "%llu %llu %llu", &inner, &outer, &n) != 3 || inner || outer ||
            n != UINT32_MAX);
}

static void gather(struct facts *f)
{
    char text[16];
    struct err *e = proc_status_self(&f->us);
    f->have_us = !e;
    err_free(e);
    f->yama = -1;
    if (proc_read(text, sizeof(text), "/proc/sys/kernel/yama/ptrace_scope") > 0)
        f->yama = atoi(text);
    f->cap = f->have_us && has_cap(&f->us, CAP_SYS_PTRACE);
    f->files = f->have_us && has_cap(&f->us, CAP_DAC_OVERRIDE);
    f->same_ns = proc_same_ns(getpid(), f->pid, "user");
    f->nested = in_user_namespace();
}

static const char *user_name(uint32_t uid, char *dst, size_t n)
{
    struct passwd pw, *found = NULL;
    char buf[4096];
    if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
        snprintf(dst, n, "%s", pw.pw_name);
    else
        snprintf(dst, n, "uid %u", uid);
    return dst;
}

static struct err *traced(const struct facts *f)
{
    char comm[64];
    struct proc_status tracer; /* what traces is a thread; people end processes */
    struct err *e = proc_status(f->them.tracer, &tracer);
    pid_t pid = e ? f->them.tracer : tracer.tgid;
    err_free(e);
    if (proc_read(comm, sizeof(comm), "/proc/%d/comm", pid) <= 0)
        snprintf(comm, sizeof(comm), "?");
    comm[strcspn(comm, "\n")] = '\0';
    return err_hint(err_sys_text(EPERM,
                                 "cannot %s process %d: it is being traced by process %d (%s)",
                                 f->what, f->pid, pid, comm),
                    "only one tracer is allowed: end %s first, or read without stopping "
                    "(gospect goroutines --consistency goroutine)",
                    comm);
}

static struct err *other_user(const struct facts *f)
{
    char them[64], us[64];
    return err_hint(
        err_sys_text(
            EPERM,
            "cannot %s process %d: not permitted (it belongs to %s, we are %s and do not have "
            "CAP_SYS_PTRACE)",
            f->what, f->pid, user_name(f->them.uid[0], them, sizeof(them)),
            user_name(f->us.uid[1], us, sizeof(us))),
        "run as root or as that user, or give us CAP_SYS_PTRACE and CAP_DAC_OVERRIDE (setcap "
        "cap_sys_ptrace,cap_dac_override+ep; in a container: --cap-add SYS_PTRACE)");
}

static struct err *yama(const struct facts *f)
{
    static const char *const meaning[] = {
        [1] = "only ancestors may look into a process",
        [2] = "only CAP_SYS_PTRACE may look into a process",
        [3] = "nobody may look into a process until the machine is started again",
    };
    const char *m = f->yama <= 3 ? meaning[f->yama] : "a setting we do not know";
    struct err *e =
        err_sys_text(EPERM, "cannot %s process %d: not permitted (ptrace_scope is %d: %s)", f->what,
                     f->pid, f->yama, m);
    if (f->yama == 3)
        return err_hint(e, "the setting cannot be taken back before a restart; Go's own "
                           "net/http/pprof still works");
    return err_hint(e, "run as root, add CAP_SYS_PTRACE, or sysctl kernel.yama.ptrace_scope=0");
}

static struct err *refused(const struct facts *f)
{
    bool same_user = f->have_us && f->them.uid[0] == f->us.uid[3] &&
                     f->them.uid[1] == f->us.uid[3] && f->them.uid[2] == f->us.uid[3];
    if (f->yama == 3 || (f->yama > 0 && !f->cap && same_user))
        return yama(f);
    if (!f->same_ns && !f->cap)
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (it lives in another user "
                         "namespace)",
                         f->what, f->pid),
            "run as root on the host, or inside its container");
    if (!same_user && !f->cap)
        return other_user(f);
    if (!f->cap && f->have_us && (f->them.cap_eff & ~f->us.cap_eff))
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (it has capabilities that we "
                         "do not have)",
                         f->what, f->pid),
            "run as root, or give us CAP_SYS_PTRACE");
    if (!f->cap)
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (the process is not dumpable: "
                         "it changed user, or its program may not be read)",
                         f->what, f->pid),
            "run as root, or give us CAP_SYS_PTRACE and CAP_DAC_OVERRIDE");
    if (f->nested)
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (it lives outside of our user "
                         "namespace, where our CAP_SYS_PTRACE does not count)",
                         f->what, f->pid),
            "run as root on the host");
    if (!f->files)
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (its files in /proc belong to "
                         "another user, and CAP_SYS_PTRACE does not open them)",
                         f->what, f->pid),
            "run as root, or give us CAP_DAC_OVERRIDE as well (setcap "
            "cap_sys_ptrace,cap_dac_override+ep)");
    if (f->them.cap_eff & ~f->us.cap_eff)
        return err_hint(
            err_sys_text(EPERM,
                         "cannot %s process %d: not permitted (it has capabilities outside "
                         "of ours, and lives in a parent user namespace)",
                         f->what, f->pid),
            "run in the user namespace of the process");
    return err_hint(
        err_sys_text(EPERM,
                     "cannot %s process %d: not permitted although we have CAP_SYS_PTRACE "
                     "(a security module such as SELinux or AppArmor, or a seccomp filter "
                     "around us, forbids it)",
                     f->what, f->pid),
        "look into the audit log of the machine; in Docker: --cap-add SYS_PTRACE and "
        "--security-opt seccomp=unconfined");
}

struct err *denied(pid_t pid, int errnum, const char *what)
{
    struct facts f = {.pid = pid, .what = what};
    bool gone = errnum == ESRCH || errnum == ENOENT;
    if (!gone && errnum != EPERM && errnum != EACCES)
        return err_sys(errnum, "cannot %s process %d", what, pid);
    struct err *e = proc_stat(pid, 0, &f.stat);
    bool ended = !e && (f.stat.state == 'Z' || f.stat.state == 'X');
    if (!e && gone && !ended && !(f.stat.flags & PF_KTHREAD)) /* those have no program, ever */
        return err_new(ERR_GONE, "process %d has ended", pid);
    if (!e)
        e = proc_status(pid, &f.them);
    if (e)
        return e;
    gather(&f);
    if (ended)
        return err_new(ERR_GONE, "process %d has ended (its parent %d has not collected it)", pid,
                       f.stat.ppid);
    if (f.stat.flags & PF_KTHREAD)
        return err_new(ERR_UNSUPPORTED, "process %d (%s) is a thread of the kernel", pid,
                       f.stat.comm);
    if (f.them.tracer && !proc_our_thread(f.them.tracer))
        return traced(&f);
    return refused(&f);
}
