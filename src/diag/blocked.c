/* blocked.c - everything blocked: no goroutine can ever run again.
 *
 * The runtime's own check (runtime/proc.go checkdead) ends a program with "all goroutines are
 * asleep", but is silenced by os/signal.Notify and in programs with cgo: there a deadlocked program
 * just stands still.  Nothing is said while anything could wake one of them: a network wait, a
 * timer, a system call, C code. */
#include <string.h>

#include "diag/diag_int.h"

static bool has_frame(const struct snap *s, uint32_t g, uint32_t func)
{
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it))
        if (it.frame != SNAP_NONE && s->frame.func[it.frame] == func)
            return true;
    return false;
}

/* The goroutine that hands signals to channels: in a system call by status, and woken by signals
 * only. */
static uint32_t signal_loops(const struct snap *s)
{
    uint32_t n = 0, func;
    if (!intern_find(&s->strings, "os/signal.signal_recv", &func))
        return 0;
    for (uint32_t g = 0; g < s->goroutine.n; g++)
        n += s->goroutine.status[g] == SNAP_G_SYSCALL && has_frame(s, g, func);
    return n;
}

static bool timers_run(const struct snap *s)
{
    uint64_t n = s->timer.n;
    for (size_t p = 0; p < s->proc.n; p++)
        n += s->proc.timers[p];
    return n > 0;
}

/* Did anything run between the two looks? */
static bool nothing_ran(const struct diag_run *r)
{
    uint64_t ticks = 0, before = 0;
    const struct snap *b = r->in->before;
    if (!b)
        return false;
    for (size_t p = 0; p < r->s->proc.n; p++)
        ticks += r->s->proc.schedtick[p];
    for (size_t p = 0; p < b->proc.n; p++)
        before += b->proc.schedtick[p];
    return ticks == before && r->user == r->user_before;
}

/* With two looks: the same goroutines waited at the same places both times. */
static bool same_in_both(const struct diag_run *r)
{
    for (size_t i = 0; r->in->before && i < r->nclusters; i++)
        if (r->clusters[i].stayed != r->clusters[i].count)
            return false;
    return !r->in->before || r->user == r->user_before;
}

static void report(struct diag_run *r, uint32_t blocked, bool only_signals)
{
    bool locks = r->doing[DIAG_LOCK] + r->doing[DIAG_SEND] > 0;
    struct diag_finding *f =
        diag_add(r, "blocked", only_signals && !locks ? DIAG_WARNING : DIAG_PROBLEM);
    f->title = diag_text(r->found, "everything is blocked: %s goroutine%s wait%s, none can run%s",
                         diag_number(r, blocked), blocked == 1 ? "" : "s", blocked == 1 ? "s" : "",
                         only_signals ? ", only a signal could wake one" : "");
    for (size_t i = 0; i < r->nclusters && i < 5; i++)
        if (r->clusters[i].doing != DIAG_SYSCALL)
            diag_evidence(r->found, f, "%s × %s at %s, in %s", diag_number(r, r->clusters[i].count),
                          snap_str(r->s, r->s->goroutine.wait_reason[r->clusters[i].example]),
                          diag_where(r, r->clusters[i].place), diag_func(r, r->clusters[i].place));
    f->why = "this is a deadlock: the process does no more work until it is restarted";
    f->sure = only_signals && !locks ? DIAG_SUSPECTED : DIAG_INFERRED;
    f->sure_why =
        only_signals && !locks
            ? "a program that only waits to be told by a signal looks the same"
            : diag_text(r->found,
                        "no goroutine runs, sleeps, or waits for the network, a timer, a system "
                        "call or C code%s",
                        nothing_ran(r) ? ", and none ran between the two looks" : "");
    f->next = "gospect goroutines {target} --full";
    f->weight = 1e18; /* nothing else matters then */
    diag_value_int(r->found, f, "blocked", DIAG_COUNT, blocked);
}

void diag_blocked(struct diag_run *r)
{
    bool awake =
        r->doing[DIAG_RUNS] || r->doing[DIAG_IO] || r->doing[DIAG_SLEEPS] || r->doing[DIAG_RUNTIME];
    if (awake || timers_run(r->s))
        return;
    uint32_t loops = signal_loops(r->s);
    if (r->doing[DIAG_SYSCALL] > loops || r->user <= loops || !same_in_both(r))
        return;
    uint32_t blocked = r->user - loops;
    if (loops && blocked == 1 && !r->doing[DIAG_LOCK] && !r->doing[DIAG_SEND])
        return; /* main waits for a signal, by design */
    report(r, blocked, loops > 0);
}
