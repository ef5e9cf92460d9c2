/* threads.c - threads stuck in system calls or C code, and too many threads.
 *
 * Each goroutine in a system call or in C holds a thread; the runtime ends the process at 10,000
 * threads (runtime/debug.SetMaxThreads).  Stuck means: the same goroutine at the same place in both
 * looks. */
#include <string.h>

#include "base/clock.h"
#include "diag/diag_int.h"

static const uint32_t STUCK_MIN = 10, STUCK_PROBLEM = 100;
static const uint32_t THREADS_PER_P = 10, THREADS_NOTE = 200, THREADS_WARNING = 1000,
                      THREADS_PROBLEM = 8000;

/* Waits that are meant to last: signals, and the end of a child. */
static bool by_design(const struct snap *s, uint32_t g)
{
    static const char *const names[] = {"os/signal.signal_recv", "os.(*Process).wait",
                                        "os.(*Process).Wait", "os.(*Process).pidfdWait"};
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it))
        for (size_t i = 0; it.frame != SNAP_NONE && i < ARRAY_LEN(names); i++)
            if (strcmp(snap_str(s, s->frame.func[it.frame]), names[i]) == 0)
                return true;
    return false;
}

/* What its thread is in: "futex", "read", or C code. */
static const char *inside(const struct snap *s, uint32_t g)
{
    uint32_t t = s->goroutine.thread[g];
    if (s->goroutine.flags[g] & SNAP_GF_CGO)
        return "C code";
    const char *name = t < s->thread.n ? snap_str(s, s->thread.syscall_name[t]) : "";
    return *name ? name : "a system call";
}

static void report_stuck(struct diag_run *r, const struct diag_cluster *c)
{
    const char *what = inside(r->s, c->example);
    struct diag_finding *f =
        diag_add(r, "threads", c->stayed >= STUCK_PROBLEM ? DIAG_PROBLEM : DIAG_WARNING);
    f->title = diag_text(r->found, "%s threads are stuck in %s", diag_number(r, c->stayed), what);
    diag_cluster_evidence(r, f, c);
    f->why = "each holds a thread; the runtime ends the process at 10,000";
    f->sure = DIAG_INFERRED;
    f->sure_why = diag_text(r->found, "the same goroutines were there in both looks, %s apart",
                            diag_age(r, (int64_t)(r->elapsed_s * 1e9)));
    f->mend =
        strcmp(what, "C code") == 0
            ? "look at them with gdb; limit how many calls into C run at once"
            : "a disk or network file system that does not answer, or a call that needs a timeout";
    f->next =
        diag_text(r->found, "gospect goroutines {target} %s --full", diag_cluster_filter(r, c));
    f->weight = c->stayed;
    diag_value_int(r->found, f, "threads", DIAG_COUNT, c->stayed);
    diag_value_text(r->found, f, "in", what);
    diag_value_text(r->found, f, "where", diag_where(r, c->place));
}

static void too_many(struct diag_run *r)
{
    uint32_t n = 0, procs = 0;
    for (size_t t = 0; t < r->s->thread.n; t++)
        n += r->s->thread.tid[t] != 0;
    for (size_t p = 0; p < r->s->proc.n; p++)
        procs += r->s->proc.status[p] != SNAP_P_DEAD;
    if (n < THREADS_NOTE || n < THREADS_PER_P * procs)
        return;
    struct diag_finding *f = diag_add(r, "threads",
                                      n >= THREADS_PROBLEM   ? DIAG_PROBLEM
                                      : n >= THREADS_WARNING ? DIAG_WARNING
                                                             : DIAG_NOTE);
    f->title = diag_text(r->found, "%s threads, GOMAXPROCS is %u", diag_number(r, n), procs);
    diag_evidence(r->found, f, "%s goroutines are in a system call or in C code now",
                  diag_number(r, r->doing[DIAG_SYSCALL]));
    f->why =
        "threads are made when goroutines block in system calls or C code, and they are kept; the "
        "runtime ends the process at 10,000";
    f->sure = DIAG_PROVED;
    f->sure_why = "counted";
    f->next = "gospect goroutines {target} --filter state=syscall";
    f->weight = n;
    diag_value_int(r->found, f, "threads", DIAG_COUNT, n);
    diag_value_int(r->found, f, "gomaxprocs", DIAG_COUNT, procs);
}

/* Threads in uninterruptible sleep in both looks: a disk or network file system does not answer. */
static void disk_sleep(struct diag_run *r)
{
    const struct snap *s = r->s, *b = r->in->before;
    struct map before = {0};
    uint32_t n = 0, example = 0;
    for (uint32_t t = 0; b && t < b->thread.n; t++)
        if (*snap_str(b, b->thread.kstate[t]) == 'D')
            map_put(&before, b->thread.tid[t], t);
    for (uint32_t t = 0; t < s->thread.n && before.n; t++) {
        uint32_t then = map_get(&before, s->thread.tid[t]);
        if (*snap_str(s, s->thread.kstate[t]) != 'D' || then == MAP_NONE ||
            b->thread.syscall[then] != s->thread.syscall[t])
            continue;
        n++;
        example = t;
    }
    map_free(&before);
    if (!n)
        return;
    struct diag_finding *f = diag_add(r, "threads", DIAG_WARNING);
    const char *call = snap_str(s, s->thread.syscall_name[example]);
    f->title = diag_text(r->found, "%s thread%s not interruptible (state D)%s%s", diag_number(r, n),
                         n == 1 ? " is" : "s are", *call ? ", in " : "", call);
    f->why = "the kernel waits for a disk or a network file system that does not answer";
    f->sure = DIAG_INFERRED;
    f->sure_why = "the same threads were in the same system call in both looks";
    f->next = "gospect goroutines {target} --filter state=syscall --full";
    f->weight = n;
    diag_value_int(r->found, f, "threads", DIAG_COUNT, n);
    diag_value_text(r->found, f, "in", call);
}

void diag_threads(struct diag_run *r)
{
    for (size_t i = 0; i < r->nclusters; i++) {
        const struct diag_cluster *c = &r->clusters[i];
        if (c->doing == DIAG_SYSCALL && c->stayed >= STUCK_MIN && !by_design(r->s, c->example))
            report_stuck(r, c);
    }
    too_many(r);
    disk_sleep(r);
}
