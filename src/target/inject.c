/* inject.c - a running process makes a copy of itself for us, and nothing can go wrong for it.
 *
 * A copy-on-write copy (fork) is the cheapest way to one instant of a whole process, but only the
 * process can make it.  So a thread of it must run system calls for us; and whoever traces it may
 * be killed (or crash) between any two instructions, upon which the kernel lets all traced threads
 * run on as they stand.  Every state we put a thread into must therefore be one from which it comes
 * back to sense by itself.  Five actors:
 *
 *   lender   a thread of the process that sleeps in a system call whose result nobody looks at (the
 *            runtime's futex or usleep; arch_inject.borrowable).  Its call is replaced by clone():
 *            whatever happens, its own code goes on behind its own call with a result that it
 * ignores. When all goes well its registers are put back, and the kernel restarts its call. helper
 * a new thread of the process, born from that clone() with all signals blocked.  As a thread it
 * leaves no zombie.  Born untraced, it would return into exit(). between  only for COPY_OF_INIT: a
 * child of the helper that shares the memory and is killed as soon as it has made the copy, so that
 * the copy belongs to init. copy     the copy.  It never runs.  Let loose, it would return into
 * exit(). we       who may vanish at any time.
 *
 * The helper's calls are made at a "syscall; ret" of the program, on a stack of ours (the
 * launchpad): the return leads into rt_sigreturn with a frame that makes it wait for a child of its
 * own (no other: __WNOTHREAD) and then end.  Between and copy come out of the same instruction with
 * the same stack; they find no child and end as well.  So if we vanish at any point:
 *   - before the helper's call: it makes the copy, waits; the copy ends by itself; both are gone.
 *   - after it: PTRACE_O_EXITKILL kills between and copy (or they end by themselves before it is
 *     set), the helper collects its child and ends.
 * tests/e2e/test_harm_kill.py kills us at every step and looks at what is left.
 *
 * The launchpad lies at the low end of the main thread's stack, memory nobody uses unless that
 * thread is 100 KB deep in calls; this is looked at before, and again while it stands still.  No
 * code is written, nothing is mapped.
 *
 * The copy shares the table of open files (CLONE_FILES).  Otherwise it would hold every file and
 * connection open that the process closes while it exists.
 *
 * COPY_OF_INIT or COPY_OF_TARGET?  Whoever is the parent of the copy gets a zombie when it is
 * killed.  init collects it; then nothing of us remains in the process while the copy exists, and
 * an exec() of it changes nothing.  In a container whose init collects nothing, or is the process
 * itself, the helper stays: it sits in wait4() and ends when the copy does.  Only an exec() of the
 * process leaves a zombie then, which inject_reap() takes care of.
 *
 * seccomp: filters see our calls too, and may kill for them.  A tracer could suspend them, but when
 * it vanished they would be back in the middle of all this.  So they are read and asked about every
 * call that is made on any of the ways above (seccomp.c); unless all pass, nothing is injected. */
#include "target/inject_int.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/proc_int.h"
#include "target/seccomp_int.h"

#ifndef PTRACE_SETSIGMASK
#define PTRACE_SETSIGMASK 0x420b
#endif

#define STOP_LIMIT_NS (500 * NSEC_PER_MSEC)   /* for a thread that sleeps to stop */
#define LENDER_LIMIT_NS (500 * NSEC_PER_MSEC) /* for a lender: the process runs meanwhile */
#define LENDER_NAP_NS (NSEC_PER_MSEC / 2)

enum {
    STACK_MARGIN = 64 << 10, /* between the launchpad and what the main thread uses */
    TAIL_MAX = 32,
    LENDER_TRIES = 20,
    RESTART_FIRST = 512, /* results of and below -512 mean: interrupted before anything happened */
    THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
    BETWEEN_FLAGS = CLONE_VM | CLONE_FILES, /* no exit signal: the process hears nothing */
    COPY_FLAGS = CLONE_FILES,
};

void (*inject_step_hook)(const char *step);
enum copy_parent inject_parent_hook;

static void step(const char *name)
{
    if (inject_step_hook)
        inject_step_hook(name);
}

/* ---- preparation: nothing is stopped, nothing is traced ---- */

static bool find_gadgets(struct inject *in)
{
    struct image *img;
    taddr slide;
    struct err *e = target_image(in->t, &img, &slide);
    if (e) {
        err_free(e);
        return false;
    }
    const struct image_segment *segs;
    size_t n = image_segments(img, &segs);
    bool all = false;
    for (size_t i = 0; i < n && !all; i++)
        if (segs[i].executable)
            all = in->a->find(segs[i].bytes, segs[i].filesz, segs[i].vaddr + slide, &in->gadgets);
    image_unref(img);
    return all;
}

/* The file says where the gadgets are; the memory must agree (somebody may have patched it). */
static bool gadgets_hold(struct inject *in)
{
    const taddr at[] = {in->gadgets.call_return, in->gadgets.exit, in->gadgets.sigreturn};
    struct arch_gadgets seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        uint8_t code[16];
        struct err *e = target_read(in->t, at[i], code, sizeof(code));
        if (e) {
            err_free(e);
            return false;
        }
        in->a->find(code, sizeof(code), at[i], &seen);
    }
    return seen.call_return == in->gadgets.call_return && seen.exit == in->gadgets.exit &&
           seen.sigreturn == in->gadgets.sigreturn;
}

static bool find_pad(struct inject *in)
{
    struct proc_stat st;
    struct arena a;
    struct target_mapping *maps;
    size_t n;
    arena_init(&a);
    struct err *e = proc_stat(target_pid(in->t), 0, &st);
    if (!e)
        e = target_mappings(in->t, &a, &maps, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (maps[i].start <= st.start_stack && st.start_stack < maps[i].end && maps[i].writable &&
            st.start_stack - maps[i].start > STACK_MARGIN)
            in->pad = maps[i].start;
    arena_free(&a);
    bool found = !e && in->pad;
    err_free(e);
    return found;
}

struct err *inject_prepare(struct inject *in, struct target *t)
{
    in->t = t;
    in->a = target_arch(t)->inject;
    if (!in->a)
        return err_new(ERR_UNSUPPORTED, "copying a process is not done on %s",
                       target_arch(t)->name);
    if (!in->gadgets.call_return || !gadgets_hold(in)) {
        memset(&in->gadgets, 0, sizeof(in->gadgets));
        if (!find_gadgets(in) || !gadgets_hold(in))
            return err_new(ERR_UNSUPPORTED, "its program lacks the instructions we borrow from "
                                            "the Go runtime");
    }
    if (!in->pad && !find_pad(in)) /* the mapping grows, it does not shrink */
        return err_new(ERR_UNSUPPORTED, "the stack of its main thread has no room");
    in->a->launchpad(in->pad, &in->gadgets, &in->launchpad);
    if (in->mem_fd >= 0)
        return NULL;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", target_pid(t));
    in->mem_fd = open(path, O_RDWR | O_CLOEXEC);
    return in->mem_fd < 0 ? err_sys(errno, "cannot write its memory") : NULL;
}

void inject_free(struct inject *in)
{
    if (in->mem_fd >= 0)
        close(in->mem_fd);
    in->mem_fd = -1;
}

static struct err *write_pad(struct inject *in)
{
    size_t n = sizeof(in->launchpad.bytes);
    if (pwrite(in->mem_fd, in->launchpad.bytes, n, (off_t)in->pad) != (ssize_t)n)
        return err_sys(errno, "cannot write its memory");
    return NULL;
}

/* ---- one call of one thread ---- */

enum call_end {
    CALL_DONE,    /* the call was made; the thread stands at its exit */
    CALL_CLONED,  /* it has made a child and stands before its exit (only when asked for) */
    CALL_REFUSED, /* a signal came first; the call was not made, the signal is in the event */
    CALL_GONE,    /* the thread has ended, or does not answer */
};

struct call {
    pid_t tid;
    bool ours;     /* not a thread of the program */
    bool at_entry; /* it stands at the entry of the call already */
    bool stop_cloned;
    /* out: */
    pid_t child;
    struct wait_event ev;
};

static enum call_end run_call(const struct tracer_token *tok, struct live *m, struct call *c)
{
    bool entered = c->at_entry;
    c->child = 0;
    c->ev = (struct wait_event){.tid = c->tid, .kind = WAIT_NOTHING};
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, c->tid, NULL, NULL) < 0)
            return CALL_GONE;
        c->ev = live_await(tok, m, c->tid, c->ours);
        unsigned long msg = 0;
        switch (c->ev.kind) {
        case WAIT_SYSCALL:
            if (entered)
                return CALL_DONE;
            entered = true;
            break;
        case WAIT_CLONE:
            ptrace(PTRACE_GETEVENTMSG, c->tid, NULL, &msg);
            c->child = (pid_t)msg;
            if (c->stop_cloned)
                return CALL_CLONED;
            break;
        case WAIT_STOPPED:
        case WAIT_GROUP_STOP:
            break;
        case WAIT_SIGNAL:
            return CALL_REFUSED;
        default:
            return CALL_GONE;
        }
    }
}

static void set_options(pid_t tid, long options)
{
    ptrace(PTRACE_SETOPTIONS, tid, NULL, options);
}

static long calling_options(const struct live *m)
{
    return m->options | PTRACE_O_TRACECLONE;
}

/* ---- the lender ---- */

static bool tail_is_borrowable(struct inject *in, const struct arch_regs *regs, int64_t nr,
                               taddr pc)
{
    uint8_t tail[TAIL_MAX];
    struct err *e = in->a->tail > sizeof(tail) ? err_new(ERR_LIMIT, "tail")
                                               : target_read(in->t, pc, tail, in->a->tail);
    bool ok = !e && (regs ? in->a->borrowable(regs, tail) : in->a->borrowable_call(nr, tail));
    err_free(e);
    return ok;
}

/* Stops a thread that seems to sleep in a borrowable call.  NULL: it does not any more. */
static struct live_row *stop_lender(const struct tracer_token *tok, struct live *m,
                                    struct inject *in, pid_t tid)
{
    struct live_row *row = live_find(m, tid);
    if (!row || row->state != ROW_RUNNING)
        return NULL;
    live_interrupt_row(tok, m, row, STOP_LIMIT_NS);
    row = live_find(m, tid);
    if (!row || row->state != ROW_STOPPED || m->gone_as)
        return NULL;
    struct err *e = row->signal ? err_new(ERR_LIMIT, "a signal comes first")
                                : live_get_regs(tok, tid, m->arch, &row->regs);
    if (!e && tail_is_borrowable(in, &row->regs, 0, row->regs.pc)) {
        row->have_regs = true;
        return row;
    }
    err_free(e);
    live_continue_row(tok, m, row);
    return NULL;
}

static bool seems_borrowable(const struct tracer_token *tok, struct live *m, struct inject *in,
                             pid_t tid)
{
    struct proc_syscall call;
    tracer_blocks(tok, live_bury, m);
    bool ok = proc_syscall(m->pid, tid, &call) && call.nr >= 0 &&
              tail_is_borrowable(in, NULL, call.nr, call.pc);
    tracer_blocks(tok, NULL, NULL);
    return ok;
}

/* Not the leader: an exec() of another thread takes its place, and no event tells. */
static struct live_row *try_lenders(const struct tracer_token *tok, struct live *m,
                                    struct inject *in)
{
    for (size_t i = 0; i < m->rows.n && !m->gone_as; i++) {
        pid_t tid = m->rows.v[i].tid;
        if (tid == m->pid || m->rows.v[i].state != ROW_RUNNING ||
            !seems_borrowable(tok, m, in, tid))
            continue;
        struct live_row *row = stop_lender(tok, m, in, tid);
        if (row)
            return row;
    }
    return NULL;
}

/* Where all stand already: one that was asleep when it was stopped. */
static struct err *find_standing_lender(struct live *m, struct inject *in, struct live_row **ret)
{
    for (size_t i = 0; i < m->rows.n; i++) {
        struct live_row *row = &m->rows.v[i];
        *ret = row;
        if (row->tid != m->pid && row->state == ROW_STOPPED && row->have_regs && !row->busy &&
            !row->signal && !row->group_stop && tail_is_borrowable(in, &row->regs, 0, row->regs.pc))
            return NULL;
    }
    return err_new(ERR_UNSUPPORTED, "none of its threads was asleep where a call can be borrowed");
}

/* The runtime's own watcher (sysmon) sleeps most of the time, so one is found soon. */
static struct err *find_lender(const struct tracer_token *tok, struct live *m, struct inject *in,
                               struct live_row **ret)
{
    int64_t start = clock_mono_ns();
    if (m->lent)
        return find_standing_lender(m, in, ret);
    while (!(*ret = try_lenders(tok, m, in))) {
        if (m->gone_as)
            return live_gone_error(m);
        if (clock_mono_ns() - start > LENDER_LIMIT_NS)
            return err_new(ERR_UNSUPPORTED, "none of its threads sleeps where a call can be "
                                            "borrowed");
        struct timespec nap = {.tv_nsec = LENDER_NAP_NS};
        nanosleep(&nap, NULL);
        live_pass_events(tok, m);
    }
    return NULL;
}

/* The lender stands as it did before.  Of a machine that is lent that is all. */
static void end_loan(const struct tracer_token *tok, struct live *m, struct live_row *row)
{
    bool stands = row && row->state == ROW_STOPPED;
    if (stands && m->lent)
        row->have_regs = true;
    else if (stands)
        live_continue_row(tok, m, row);
    if (m->lent && (stands || !row))
        live_set_state(m, LIVE_STOPPED);
}

/* Puts everything of the lender back.  It is brought to a stop in which the kernel will decide anew
 * how the call it was in goes on. */
static void give_back(const struct tracer_token *tok, struct live *m, struct live_row *row,
                      enum call_end end, const struct call *c)
{
    pid_t tid = row->tid;
    struct wait_event ev = c->ev;
    if (end != CALL_GONE) /* it may stand at the beginning of another program */
        err_free(live_set_regs(tok, tid, &row->regs));
    set_options(tid, m->options);
    if (end == CALL_DONE) {
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        ptrace(PTRACE_CONT, tid, NULL, NULL);
        ev = live_await(tok, m, tid, false);
    }
    if (ev.kind == WAIT_NOTHING) /* killed where it stood: its end is still to come */
        live_set_row(m, row, ROW_INTERRUPTED);
    live_take_event(tok, m, row, ev);
    end_loan(tok, m, live_find(m, tid));
}

static struct seccomp_call asked(const struct inject *in, const char *name, taddr site, int64_t nr,
                                 const uint64_t args[4])
{
    struct seccomp_call c = {.name = name,
                             .data = {.nr = (int)nr,
                                      .arch = in->a->audit_arch,
                                      .instruction_pointer = site + in->a->call_size}};
    for (size_t i = 0; args && i < 4; i++)
        c.data.args[i] = args[i];
    return c;
}

/* All calls that may be made in the process once a lender has begun, on whatever way it ends. */
static struct err *check_filters(const struct tracer_token *tok, const struct inject *in,
                                 const struct live_row *lender)
{
    const struct arch_inject *a = in->a;
    const uint64_t thread[4] = {THREAD_FLAGS, in->launchpad.birth_sp}, between[4] = {BETWEEN_FLAGS},
                   copy[4] = {COPY_FLAGS};
    taddr site = a->call_site(&lender->regs), home = in->gadgets.call_return;
    const struct seccomp_call calls[] = {
        asked(in, "clone", site, a->nr_clone, thread),
        asked(in, "clone", home, a->nr_clone, between),
        asked(in, "clone", home, a->nr_clone, copy),
        asked(in, "rt_sigreturn", in->gadgets.sigreturn, a->nr_sigreturn, NULL),
        asked(in, "wait4", in->gadgets.call_exit, a->nr_wait4, a->wait_args),
        asked(in, "exit", in->gadgets.call_exit, a->nr_exit, NULL),
    };
    return seccomp_check(tok, lender->tid, calls, ARRAY_LEN(calls));
}

/* Has the lender make a call; *result only when it was made. */
static enum call_end borrow_call(const struct tracer_token *tok, struct live *m, struct inject *in,
                                 struct live_row *row, int64_t nr, const uint64_t args[6],
                                 struct call *c, int64_t *result)
{
    struct arch_regs regs = row->regs;
    in->a->set_call(&regs, in->a->call_site(&row->regs), nr, args);
    *c = (struct call){.tid = row->tid};
    set_options(row->tid, calling_options(m));
    if (m->lent)
        live_set_state(m, LIVE_STEPPING_OVER);
    row->called = true;
    live_set_row(m, row, ROW_CALLING);
    struct err *e = live_set_regs(tok, row->tid, &regs);
    step("lender has other registers");
    enum call_end end = e ? CALL_GONE : run_call(tok, m, c);
    err_free(e);
    step("lender has made the call");
    if (end == CALL_DONE) {
        e = live_get_regs(tok, row->tid, m->arch, &regs);
        *result = e ? -ESRCH : in->a->result(&regs);
        err_free(e);
    }
    return end;
}

/* ---- the helper ---- */

static void block_signals(pid_t tid)
{
    uint64_t all = ~UINT64_C(0);
    ptrace(PTRACE_SETSIGMASK, tid, sizeof(all), &all);
}

/* On a busy machine the pause would be spent waiting for a processor.  Its children inherit it. */
static void make_urgent(pid_t tid)
{
    struct sched_param lowest = {.sched_priority = 1};
    (void)!sched_setscheduler(tid, SCHED_FIFO, &lowest);
}

/* A child of a traced task starts with a stop. */
static bool await_birth(const struct tracer_token *tok, struct live *m, pid_t tid)
{
    struct wait_event ev = live_await(tok, m, tid, true);
    return ev.kind == WAIT_STOPPED || ev.kind == WAIT_GROUP_STOP;
}

/* Sets up a helper's call at "system call; return", with the way home on the stack. */
static void set_home_call(struct inject *in, struct arch_regs *regs, int64_t nr, uint64_t flags)
{
    const uint64_t args[6] = {flags};
    in->a->set_call(regs, in->gadgets.call_return, nr, args);
    in->a->set_sp(regs, in->launchpad.chain_sp);
}

static struct err *receive_helper(const struct tracer_token *tok, struct live *m, struct inject *in,
                                  pid_t tid)
{
    m->ours[0] = in->helper = tid;
    if (!await_birth(tok, m, tid)) {
        in->helper = 0;
        return err_new(ERR_GONE, "the helper has ended");
    }
    block_signals(tid);
    make_urgent(tid);
    step("helper is born");
    TRY(live_get_regs(tok, tid, m->arch, &in->helper_regs));
    set_home_call(in, &in->helper_regs, in->a->nr_clone,
                  in->parent == COPY_OF_INIT ? BETWEEN_FLAGS : COPY_FLAGS);
    return NULL;
}

/* Whether the main thread's stack leaves the launchpad alone. */
static struct err *check_pad(struct inject *in, taddr sp)
{
    if (sp && sp - in->pad < STACK_MARGIN)
        return err_new(ERR_UNSUPPORTED, "the stack of its main thread is nearly used up");
    return NULL;
}

static struct err *check_main_stack(const struct tracer_token *tok, struct live *m,
                                    struct inject *in)
{
    struct proc_syscall call;
    struct arch_regs regs;
    struct live_row *row = live_find(m, m->pid);
    if (row && row->have_regs)
        return check_pad(in, row->regs.sp);
    if (proc_syscall(m->pid, m->pid, &call))
        return check_pad(in, call.sp);
    if (!row) /* the main thread has ended; its stack is nobody's */
        return NULL;
    if (m->lent)
        return err_new(ERR_UNSUPPORTED, "its main thread does not stop");
    live_interrupt_row(tok, m, row, STOP_LIMIT_NS);
    row = live_find(m, m->pid);
    if (!row || row->state != ROW_STOPPED)
        return err_new(ERR_UNSUPPORTED, "its main thread does not stop");
    struct err *e = live_get_regs(tok, m->pid, m->arch, &regs);
    live_continue_row(tok, m, row);
    return e ? e : check_pad(in, regs.sp);
}

/* One try: a lender, its clone(), the newborn, and everything of the lender back. */
static struct err *make_helper(const struct tracer_token *tok, struct live *m, struct inject *in,
                               bool *again)
{
    struct live_row *row;
    struct call c;
    int64_t result = 0;
    TRY(find_lender(tok, m, in, &row));
    int64_t start = clock_mono_ns();
    struct err *e = check_filters(tok, in, row);
    if (e) {
        end_loan(tok, m, row);
        *again = false;
        return e;
    }
    const uint64_t args[6] = {THREAD_FLAGS, in->launchpad.birth_sp};
    pid_t lender = row->tid;
    enum call_end end = borrow_call(tok, m, in, row, in->a->nr_clone, args, &c, &result);
    e = c.child ? receive_helper(tok, m, in, c.child) : NULL;
    row = live_find(m, lender);
    give_back(tok, m, row, end, &c);
    in->borrowed_ns = clock_mono_ns() - start;
    step("lender is back");
    *again = !c.child && end != CALL_GONE && (end == CALL_REFUSED || result <= -RESTART_FIRST);
    if (e || c.child || *again)
        return e;
    if (m->gone_as || end == CALL_GONE)
        return live_gone_error(m);
    return err_new(ERR_UNSUPPORTED, "it may not make a thread: %s", strerror((int)-result));
}

/* Leaves the helper at the entry of its call: one resume makes it. */
static struct err *park(const struct tracer_token *tok, struct live *m, struct inject *in)
{
    TRY(live_set_regs(tok, in->helper, &in->helper_regs));
    if (ptrace(PTRACE_SYSCALL, in->helper, NULL, NULL) < 0 ||
        live_await(tok, m, in->helper, true).kind != WAIT_SYSCALL)
        return err_new(ERR_GONE, "the helper has ended");
    in->parked = true;
    step("helper is parked");
    return NULL;
}

struct err *inject_helper(const struct tracer_token *tok, struct live *m, struct inject *in)
{
    bool again = true;
    in->parked = false;
    TRY(check_main_stack(tok, m, in));
    TRY(write_pad(in));
    for (unsigned tries = 0; again; tries++) {
        if (tries == LENDER_TRIES)
            return err_new(ERR_UNSUPPORTED, "signals keep its threads from making a call");
        TRY(make_helper(tok, m, in, &again));
    }
    struct err *e = park(tok, m, in);
    if (e)
        inject_dismiss(tok, m, in);
    return e;
}

static void forget_helper(struct live *m, struct inject *in)
{
    m->ours[0] = in->helper = 0;
    in->parked = false;
}

/* Lets a task run until it has ended, through whatever stops it meets. */
static void run_out(const struct tracer_token *tok, struct live *m, pid_t tid)
{
    struct wait_event ev;
    do {
        ptrace(PTRACE_CONT, tid, NULL, NULL);
        ev = live_await(tok, m, tid, true);
    } while (ev.kind != WAIT_EXITED && ev.kind != WAIT_LOST);
}

/* Where the helper stands at the entry of its call, the new registers cancel that call. */
void inject_dismiss(const struct tracer_token *tok, struct live *m, struct inject *in)
{
    static const uint64_t none[6];
    if (!in->helper)
        return;
    struct arch_regs regs = in->helper_regs;
    in->a->set_call(&regs, in->gadgets.call_exit, in->a->nr_exit, none);
    struct err *e = live_set_regs(tok, in->helper, &regs);
    if (!e)
        run_out(tok, m, in->helper);
    else
        live_wait(tok, m, in->helper, STOP_LIMIT_NS);
    err_free(e);
    forget_helper(m, in);
}

/* ---- the copy ---- */

struct stray {
    const struct tracer_token *tok;
    struct live *m;
    struct inject *in;
    pid_t known;
};

static void note_dead(struct inject *in, pid_t pid)
{
    if (in->ndead < INJECT_DEAD_MAX)
        in->dead[in->ndead++] = pid;
}

void inject_kill(const struct tracer_token *tok, struct live *m, pid_t pid)
{
    if (kill(pid, SIGKILL) < 0 && errno == EPERM)
        ptrace(PTRACE_KILL, pid, NULL, NULL); /* a tracer needs no right to send signals */
    struct wait_event ev;
    do
        ev = live_await(tok, m, pid, true);
    while (ev.kind != WAIT_EXITED && ev.kind != WAIT_LOST);
}

static struct err *kill_stray(void *arg, pid_t pid)
{
    struct stray *s = arg;
    struct proc_status st;
    struct err *e = proc_status(pid, &st);
    if (!e && st.tracer == gettid() && pid != s->m->pid && pid != s->known &&
        !live_find(s->m, pid)) {
        inject_kill(s->tok, s->m, pid);
        note_dead(s->in, pid);
    }
    err_free(e);
    return NULL;
}

/* A task that is killed (by an exec() of another thread) just when it has made a child cannot tell:
 * the child is in our hands all the same. */
static void kill_strays(const struct tracer_token *tok, struct live *m, struct inject *in,
                        pid_t known)
{
    struct stray s = {tok, m, in, known};
    err_free(target_each_pid(kill_stray, &s));
}

static struct err *fork_failed(const struct tracer_token *tok, struct live *m, struct inject *in,
                               pid_t tid, enum call_end end)
{
    struct arch_regs regs;
    if (end != CALL_DONE) {
        kill_strays(tok, m, in, tid);
        return err_new(ERR_UNSUPPORTED, "the call that copies it did not come back");
    }
    TRY(live_get_regs(tok, tid, m->arch, &regs));
    int errnum = (int)-in->a->result(&regs);
    return err_sys(errnum, "it could not be copied");
}

/* The go-between makes the copy and is gone again before anybody runs: an exec() of the process
 * would leave it behind as a zombie. */
static struct err *fork_between(const struct tracer_token *tok, struct live *m, struct inject *in,
                                pid_t between, pid_t *copy)
{
    struct arch_regs regs = in->helper_regs;
    struct call c = {.tid = between, .ours = true, .stop_cloned = true};
    if (!await_birth(tok, m, between)) {
        note_dead(in, between);
        return err_new(ERR_UNSUPPORTED, "the go-between has ended");
    }
    step("between is born");
    set_options(between, calling_options(m) | PTRACE_O_EXITKILL);
    set_home_call(in, &regs, in->a->nr_clone, COPY_FLAGS);
    struct err *e = live_set_regs(tok, between, &regs);
    step("between has its registers");
    if (!e) {
        enum call_end end = run_call(tok, m, &c);
        step("copy is made");
        if (end == CALL_CLONED)
            *copy = c.child;
        else
            e = fork_failed(tok, m, in, between, end);
    }
    inject_kill(tok, m, between);
    note_dead(in, between);
    step("between is gone");
    run_out(tok, m, in->helper); /* collects it */
    forget_helper(m, in);
    step("helper is gone");
    return e;
}

/* While everything stands still: is the launchpad still ours, and as we wrote it? */
static struct err *recheck_pad(struct live *m, struct inject *in)
{
    uint8_t seen[sizeof(in->launchpad.bytes)];
    struct live_row *row = live_find(m, m->pid);
    if (row && row->have_regs)
        TRY(check_pad(in, row->regs.sp));
    TRY(target_read(in->t, in->pad, seen, sizeof(seen)));
    return memcmp(seen, in->launchpad.bytes, sizeof(seen)) == 0 ? NULL : write_pad(in);
}

struct err *inject_fork(const struct tracer_token *tok, struct live *m, struct inject *in,
                        pid_t *copy)
{
    TRY(recheck_pad(m, in));
    struct call c = {.tid = in->helper, .ours = true, .at_entry = in->parked, .stop_cloned = true};
    enum call_end end = run_call(tok, m, &c);
    step("helper has made the call");
    if (end != CALL_CLONED)
        return fork_failed(tok, m, in, in->helper, end);
    if (in->parent == COPY_OF_INIT)
        return fork_between(tok, m, in, c.child, copy);
    *copy = c.child;
    return NULL;
}

struct err *inject_settle(const struct tracer_token *tok, struct live *m, struct inject *in,
                          pid_t copy)
{
    if (!await_birth(tok, m, copy))
        return err_new(ERR_LIMIT, "the copy was killed at once (out of memory?)");
    set_options(copy, PTRACE_O_EXITKILL);
    step("copy is ours");
    if (!in->helper)
        return NULL;
    if (ptrace(PTRACE_DETACH, in->helper, NULL, NULL) < 0) /* killed: an exec() waits for us */
        live_wait(tok, m, in->helper, STOP_LIMIT_NS);
    forget_helper(m, in);
    return NULL;
}

/* ---- a zombie that is left ---- */

struct err *inject_reap(const struct tracer_token *tok, struct live *m, struct inject *in,
                        pid_t child)
{
    const uint64_t args[6] = {(uint64_t)child, 0, (uint64_t)(WNOHANG | __WALL)};
    for (unsigned tries = 0; tries < LENDER_TRIES; tries++) {
        struct live_row *row;
        struct call c;
        int64_t result = 0;
        TRY(find_lender(tok, m, in, &row));
        pid_t lender = row->tid;
        const struct seccomp_call wait =
            asked(in, "wait4", in->a->call_site(&row->regs), in->a->nr_wait4, args);
        struct err *e = seccomp_check(tok, lender, &wait, 1);
        if (e) {
            end_loan(tok, m, row);
            return e;
        }
        enum call_end end = borrow_call(tok, m, in, row, in->a->nr_wait4, args, &c, &result);
        give_back(tok, m, live_find(m, lender), end, &c);
        if (m->gone_as || end == CALL_GONE)
            return live_gone_error(m);
        if (end == CALL_DONE && result > -RESTART_FIRST)
            return result < 0 ? err_sys((int)-result, "process %d cannot collect %d", m->pid, child)
                              : NULL;
    }
    return err_new(ERR_UNSUPPORTED, "signals keep its threads from making a call");
}
