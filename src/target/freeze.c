/* freeze.c - one instant of a whole process: by a copy of it, or by keeping it stopped.
 *
 * What happens, in order (docs/decisions/fork-snapshot.md has the figures and the reasons):
 *   1. look whether there is room for a copy (room.c) and who would collect it
 *   2. seize all threads; nobody stops
 *   3. one thread stands still for some 0.1 ms and lends itself to make the helper (inject.c)
 *   4. interrupt all threads, wait for all: the pause begins
 *   5. take their registers; the helper makes the copy
 *   6. let all go: the pause ends
 *   7. hold the copy, watching the memory that is left (room.c); kill it when it is thawed
 * When 1, 3 or 5 does not work, the reason is kept, and the threads are kept stopped instead: until
 * the thaw, or, when the caller allows it and the process is small, until we have copied what it
 * has of its own (keep.c).
 *
 * A process that a debugger holds (live_target_copy()) stands already: 2, 4 and 6 are the
 * debugger's affair, and so is what happens when there is no copy. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "target/keep_int.h"
#include "target/live_target_int.h"
#include "target/proc_int.h"
#include "target/room_int.h"

/* A zombie is asked for, again and again, as long as the process becomes other programs. */
#define REAP_LIMIT_NS (3 * NSEC_PER_SEC)

enum {
    BURY_TICKS = 16,
    REAP_LOOKS = 200,
    REAP_NAP_NS = 1000 * 1000,
    EXTENDED_MAX = 12 << 10, /* with AMX it is 11 KiB */
    SPARE_THREADS = 64,      /* born between counting and stopping */
};

/* Floating point and vector registers of a thread: of the row of the same number. */
struct extended {
    size_t n; /* 0: not known */
    uint8_t bytes[EXTENDED_MAX];
};

struct frozen {
    struct target t;
    struct live_target *of;
    struct memory memory; /* of the copy; fd -1: the process itself */
    pid_t copy;           /* 0: the process is stopped, or was */
    struct keep *keep;    /* what we copied ourselves; NULL: nothing */
    struct arena a;
    struct target_thread *threads;
    size_t nthreads;
    struct extended *extended; /* NULL: not asked for */
    size_t nextended;
    struct target_pause pause;
    const char *why; /* it is not a copy; NULL when it is */
    struct copy_room room;
    bool have_room; /* room is open */
    unsigned ticks; /* of look_after() */
    /* set once by the tracer when it gave the copy up */
    _Atomic bool given_up;
    char given_up_why[256];
};

static struct frozen *of(struct target *t)
{
    return (struct frozen *)t;
}

/* ---- the frozen process as a target ---- */

static struct err *given_up(struct frozen *f)
{
    return err_hint(err_new(ERR_LIMIT, "%s", f->given_up_why),
                    "look again without a copy, or give the process a higher memory limit");
}

/* The copy can go at any time: by us when memory runs short, or killed by the kernel before us. */
static struct err *copy_gone(struct frozen *f, struct err *e)
{
    if (!e || err_code(e) != ERR_GONE)
        return e;
    err_free(e);
    if (atomic_load(&f->given_up))
        return given_up(f);
    return err_new(ERR_LIMIT, "the copy of process %d was killed (out of memory?)", f->t.pid);
}

static struct err *copy_readv(struct target *t, struct target_iov *iov, size_t n)
{
    return copy_gone(of(t), memory_readv_fd(&of(t)->memory, iov, n));
}

static struct err *stop_readv(struct target *t, struct target_iov *iov, size_t n)
{
    return memory_readv(&of(t)->of->memory, iov, n);
}

static struct err *kept_readv(struct target *t, struct target_iov *iov, size_t n)
{
    return keep_readv(of(t)->keep, iov, n);
}

static struct err *kept_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                                 size_t *ret_n)
{
    return keep_mappings(of(t)->keep, a, ret, ret_n);
}

static struct err *copy_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                                 size_t *ret_n)
{
    return copy_gone(of(t), proc_mappings(of(t)->copy, a, ret, ret_n));
}

static struct err *stop_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                                 size_t *ret_n)
{
    return proc_mappings(t->pid, a, ret, ret_n);
}

static struct err *threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    struct frozen *f = of(t);
    *ret = arena_array(a, struct target_thread, f->nthreads);
    *ret_n = f->nthreads;
    for (size_t i = 0; i < f->nthreads; i++) {
        (*ret)[i] = f->threads[i];
        (*ret)[i].name = arena_strdup(a, f->threads[i].name);
    }
    return NULL;
}

/* The process may be gone, or another program, while its copy is here.  It goes bit by bit: first
 * it has no program any more, then no memory, and then it is not there. */
static struct err *process(struct target *t, struct arena *a, struct target_process *ret)
{
    struct frozen *f = of(t);
    struct err *e = process_facts(t->pid, a, ret);
    bool going = f->copy && !e && !*ret->exe;
    if (f->copy && !e)
        e = memory_alive(&f->of->memory);
    if (!f->copy || (!e && !going))
        return e;
    err_free(e);
    TRY(process_facts_of_copy(f->copy, t->pid, f->of->start_ticks, a, ret));
    ret->threads = (unsigned)f->nthreads;
    return NULL;
}

static struct err *image(struct target *t, struct image **ret, taddr *ret_slide)
{
    return target_image(&of(t)->of->t, ret, ret_slide);
}

static struct err *held(struct target *t, struct arena *a, struct held *ret)
{
    const struct frozen *f = of(t);
    *ret = (struct held){
        .memory = f->copy ? f->copy : t->pid,
        .copy = f->copy != 0,
        .threads = f->threads,
        .nthreads = f->nthreads,
        .at_mono_ns = f->pause.at_mono_ns,
        .pause_ns = f->pause.ns,
    };
    return NULL;
}

static void frozen_close(struct target *t)
{
    struct frozen *f = of(t);
    if (f->have_room)
        room_close(&f->room);
    memory_close(&f->memory);
    keep_free(f->keep);
    arena_free(&f->a);
}

static const struct target_ops copy_ops = {
    .kind = TARGET_FORK,
    .readv = copy_readv,
    .mappings = copy_mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .held = held,
    .close = frozen_close,
};

static const struct target_ops stop_ops = {
    .kind = TARGET_STOP,
    .readv = stop_readv,
    .mappings = stop_mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .held = held,
    .close = frozen_close,
};

static const struct target_ops kept_ops = {
    .kind = TARGET_KEPT,
    .readv = kept_readv,
    .mappings = kept_mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .close = frozen_close,
};

/* ---- who collects the copy ---- */

/* A process that collects children it does not know: it ignores their end (the kernel collects), or
 * it waits for that signal with sigwait or a signalfd, as every init does. */
static bool collects(const struct proc_status *s)
{
    uint64_t chld = UINT64_C(1) << (SIGCHLD - 1);
    return (s->sig_ignored | s->sig_blocked) & chld;
}

struct init_search {
    pid_t member; /* of the namespace */
    bool found, collects;
};

static struct err *look_for_init(void *arg, pid_t pid)
{
    struct init_search *q = arg;
    struct proc_status s;
    if (q->found)
        return NULL;
    struct err *e = proc_status(pid, &s);
    if (!e && s.nspids > 1 && s.nspid[s.nspids - 1] == 1 && proc_same_ns(pid, q->member, "pid")) {
        q->found = true;
        q->collects = collects(&s);
    }
    err_free(e);
    return NULL;
}

/* The init of a machine collects.  The one of a container may be anything. */
static enum copy_parent choose_parent(pid_t pid)
{
    struct proc_status s;
    struct err *e = proc_status(pid, &s);
    bool known = !e && s.nspids;
    err_free(e);
    if (!known || s.nspid[s.nspids - 1] == 1)
        return COPY_OF_TARGET;
    char ns[64];
    if (proc_readlink(ns, sizeof(ns), "/proc/%d/ns/pid", pid) > 0 &&
        strcmp(ns, "pid:[4026531836]") == 0) /* the first one there is: PROC_PID_INIT_INO */
        return COPY_OF_INIT;
    struct init_search q = {.member = pid};
    if (s.nspids == 1) /* in our own namespace, whose init we may look at */
        return !proc_status(1, &s) && collects(&s) ? COPY_OF_INIT : COPY_OF_TARGET;
    err_free(target_each_pid(look_for_init, &q));
    return q.found && q.collects ? COPY_OF_INIT : COPY_OF_TARGET;
}

/* ---- freezing ---- */

struct freeze {
    struct frozen *f;
    struct live *m;
    struct inject *in;                /* NULL: stop only */
    const struct live_holder *holder; /* NULL: nobody but us */
    bool all_registers, vectors;
    uint64_t keep_bytes;
};

static void keep_why(struct frozen *f, struct err *e)
{
    f->why = arena_strdup(&f->a, err_message(e));
    err_free(e);
}

/* First of all the copy offers itself to whoever looks for memory. */
static struct err *take_copy(struct frozen *f, pid_t copy)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", copy);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "1000", 4) == 4;
    if (fd >= 0)
        close(fd);
    if (!ok)
        log_info("the copy %d could not be marked as the first to go", copy);
    return memory_open(copy, &f->memory);
}

/* While everything stands still: into memory that is there already. */
static void take_extended(const struct tracer_token *tok, const struct freeze *z)
{
    struct frozen *f = z->f;
    for (size_t i = 0; f->extended && i < z->m->rows.n && i < f->nextended; i++) {
        const struct live_row *row = &z->m->rows.v[i];
        struct extended *x = &f->extended[i];
        struct iovec io = {x->bytes, sizeof(x->bytes)};
        if (row->state != ROW_STOPPED || (!z->all_registers && row->regs.syscall >= 0))
            continue;
        if (ptrace(PTRACE_GETREGSET, row->tid, (long)z->m->arch->extended_note, &io) == 0)
            x->n = io.iov_len;
    }
}

static void take_threads(struct frozen *f, const struct live *m)
{
    f->threads = arena_array(&f->a, struct target_thread, m->rows.n);
    for (size_t i = 0; i < m->rows.n; i++) {
        const struct live_row *row = &m->rows.v[i];
        if (row->child)
            continue;
        struct target_thread *t = &f->threads[f->nthreads++];
        *t = (struct target_thread){
            .tid = row->tid,
            .name = "",
            .syscall = row->have_regs ? row->regs.syscall : -1,
            .have_regs = row->have_regs,
            .regs = row->regs,
        };
        if (i < f->nextended && f->extended[i].n) {
            t->extended = f->extended[i].bytes;
            t->extended_n = f->extended[i].n;
        }
    }
}

/* Names, states and times: they do not have to be of that instant.  Of threads that could not stop
 * because they sat in the kernel, the kernel tells where. */
static void name_threads(struct frozen *f)
{
    bool contained = proc_inner(f->t.pid) != 0;
    for (size_t i = 0; i < f->nthreads; i++) {
        struct target_thread *t = &f->threads[i];
        struct proc_stat st;
        struct proc_syscall call;
        struct err *e = proc_stat(f->t.pid, t->tid, &st);
        if (!e) {
            t->name = arena_strdup(&f->a, st.comm);
            t->state = st.state;
            t->cpu_ms = proc_cpu_ms(&st);
        }
        err_free(e);
        t->inner_tid = contained ? proc_inner(t->tid) : 0;
        if (!t->have_regs && proc_syscall(f->t.pid, t->tid, &call)) {
            t->regs = (struct arch_regs){.pc = call.pc, .sp = call.sp, .syscall = call.nr};
            t->syscall = call.nr;
        }
    }
}

/* Whoever has taken the end of the copy has put 0 there: the number is somebody else's by now. */
static void kill_copy(const struct tracer_token *tok, struct live *m)
{
    if (m->copy)
        inject_kill(tok, m, m->copy);
    m->copy = 0;
}

/* While something is held: rows that could not be let go yet, memory. */
static bool look_after(const struct tracer_token *tok, void *arg)
{
    struct frozen *f = arg;
    struct live *m = f->of->m;
    live_look_after(tok, m);
    if (m->rows.n && ++f->ticks % BURY_TICKS == 0) /* who is killed meanwhile must be able to go */
        live_bury(m);
    struct err *e = m->copy ? room_look(&f->room) : NULL;
    if (e) {
        snprintf(f->given_up_why, sizeof(f->given_up_why), "%s", err_message(e));
        atomic_store(&f->given_up, true);
        kill_copy(tok, m);
        err_free(e);
    }
    return true;
}

/* Everything stands still and cannot be copied otherwise.  Not to copy it is no error. */
static void keep_memory(struct freeze *z)
{
    struct frozen *f = z->f;
    if (!f->keep && z->keep_bytes)
        f->keep = keep_prepare(z->m->pid, z->keep_bytes);
    if (!f->keep)
        return;
    struct err *e = keep_take(f->keep, &f->of->memory);
    if (!e)
        return;
    log_info("the process stays stopped: %s", err_message(e));
    err_free(e);
    keep_free(f->keep);
    f->keep = NULL;
}

/* The copy exists; everybody else runs again. */
static struct err *settle(const struct tracer_token *tok, struct freeze *z, pid_t copy)
{
    struct err *e = inject_settle(tok, z->m, z->in, copy);
    if (!e && z->holder)
        e = z->holder->clean(z->holder->arg, copy);
    if (!e)
        e = take_copy(z->f, copy);
    if (e)
        kill_copy(tok, z->m);
    return e;
}

/* From here on all stand.  *failed: why there will be no copy. */
static struct err *stop_all(const struct tracer_token *tok, struct freeze *z, struct err **failed)
{
    struct live *m = z->m;
    *failed = z->in ? inject_helper(tok, m, z->in) : NULL;
    if (m->gone_as)
        return live_gone_error(m);
    if (z->holder)
        return NULL;
    TRY(live_stop(tok, m));
    return live_take_regs(tok, m);
}

static void let_go(const struct tracer_token *tok, struct freeze *z, bool stay)
{
    struct live *m = z->m;
    if (z->holder)
        z->holder->take_back(tok, z->holder->arg, m);
    else if (!stay)
        live_detach(tok, m);
    z->f->pause.at_mono_ns = m->all_stopped_ns;
    z->f->pause.ns = m->last_resume_ns - m->first_stop_ns;
}

static struct err *freeze_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct freeze *z = arg;
    struct frozen *f = z->f;
    struct live *m = z->m;
    struct err *failed;
    bool urgent = tracer_is_urgent(tok);
    TRY(z->holder ? z->holder->lend(tok, z->holder->arg, m) : live_seize(tok, m));
    if (z->all_registers || z->vectors) {
        f->nextended = m->rows.n + SPARE_THREADS;
        f->extended = arena_array(&f->a, struct extended, f->nextended);
    }
    tracer_urgent(tok, true);
    struct err *e = stop_all(tok, z, &failed);
    if (!e)
        take_extended(tok, z);
    if (!e && z->in && !failed)
        failed = inject_fork(tok, m, z->in, &f->copy);
    m->copy = f->copy;
    m->watch_copy = f->room.watch;
    take_threads(f, m);
    if (z->holder) /* at entry and exit of a call names may differ */
        name_threads(f);
    f->pause.threads = (unsigned)f->nthreads;
    if (!e && !f->copy && !z->holder)
        keep_memory(z);
    let_go(tok, z, !e && !f->copy && !f->keep);
    /* while memory may run short, nobody keeps us; one who goes on to hold decides for himself */
    tracer_urgent(tok, z->holder ? urgent : f->copy && f->room.watch);
    if (!e && f->copy)
        e = settle(tok, z, f->copy);
    if (e || failed)
        inject_dismiss(tok, m, &f->of->in);
    if (failed)
        keep_why(f, failed);
    if (!e && (f->copy || !z->holder))
        tracer_look_after(tok, look_after, f);
    return e;
}

/* ---- a copy that is dead ---- */

struct reap {
    struct live_target *l;
    pid_t child;
};

/* A zombie of ours that nobody collects, in a program that need not be the one it was. */
static struct err *reap_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct reap *r = arg;
    TRY(live_seize(tok, r->l->m));
    struct err *e = inject_reap(tok, r->l->m, &r->l->in, r->child);
    live_detach(tok, r->l->m);
    return e;
}

static struct err *reap(pid_t pid, pid_t child)
{
    struct target *t;
    struct live *m;
    TRY(target_open_pid(pid, &t));
    struct reap r = {live_target_of(t), child};
    struct err *e = inject_prepare(&r.l->in, t);
    if (!e)
        e = live_target_machine(r.l, &m);
    if (!e)
        e = tracer_call(m->tracer, reap_on_tracer, &r);
    target_close(t);
    return e;
}

static bool is_child_of(pid_t child, pid_t pid)
{
    struct proc_stat st;
    struct err *e = proc_stat(child, 0, &st);
    bool yes = !e && st.ppid == pid;
    err_free(e);
    return yes;
}

static void help_reaping(pid_t pid, pid_t child)
{
    struct timespec nap = {.tv_nsec = REAP_NAP_NS};
    struct err *e = NULL;
    for (int64_t start = clock_mono_ns();
         clock_mono_ns() - start < REAP_LIMIT_NS && is_child_of(child, pid);) {
        err_free(e);
        e = reap(pid, child);
        if (!e)
            return;
        nanosleep(&nap, NULL);
    }
    if (e && is_child_of(child, pid))
        log_info("the copy %d stays as a zombie: %s", child, err_message(e));
    err_free(e);
}

void live_target_reap(struct live_target *l)
{
    for (size_t i = 0; i < l->left.n; i++)
        help_reaping(l->t.pid, l->left.v[i]);
    l->left.n = 0;
}

/* The child is dead; its parent collects it at once, or it must be helped.  An init will see to it.
 * A process that becomes another program just then is asked again; one that somebody holds when he
 * has let go. */
static void await_reaping(struct live_target *l, pid_t child)
{
    struct timespec nap = {.tv_nsec = REAP_NAP_NS};
    for (int i = 0; i < REAP_LOOKS; i++) {
        if (!is_child_of(child, l->t.pid))
            return;
        nanosleep(&nap, NULL);
    }
    if (l->m && l->m->lent)
        vec_push(&l->left, child);
    else
        help_reaping(l->t.pid, child);
}

static struct err *freeze(struct live_target *l, struct frozen *f, const struct live_holder *holder,
                          const struct target_freeze_options *o)
{
    struct freeze z = {.f = f,
                       .holder = holder,
                       .all_registers = o->all_registers,
                       .vectors = o->vectors,
                       .keep_bytes = o->keep_bytes};
    TRY(live_target_machine(l, &z.m));
    if (o->stop_only) {
        f->why = "that was asked for";
    } else {
        if (!l->have_room)
            room_find(l->t.pid, &l->room);
        f->room = l->room;
        f->have_room = true;
        l->have_room = false;
        struct err *none = room_check(l->t.pid, &f->room);
        if (!none)
            none = inject_prepare(&l->in, &l->t);
        if (none && (holder || err_code(none) == ERR_GONE))
            return none;
        if (none)
            keep_why(f, none);
        else
            z.in = &l->in;
        l->in.parent = inject_parent_hook ? inject_parent_hook : choose_parent(l->t.pid);
    }
    l->in.borrowed_ns = 0;
    l->in.ndead = 0;
    if (!z.in && o->keep_bytes)
        f->keep = keep_prepare(l->t.pid, o->keep_bytes);
    z.keep_bytes = z.in ? o->keep_bytes : 0;
    struct err *e = tracer_call(z.m->tracer, freeze_on_tracer, &z);
    if (e && f->copy)
        await_reaping(l, f->copy);
    for (unsigned i = 0; i < l->in.ndead; i++)
        await_reaping(l, l->in.dead[i]);
    TRY(e);
    f->t.ops = f->copy ? &copy_ops : f->keep ? &kept_ops : &stop_ops;
    f->pause.prepare_ns = l->in.borrowed_ns;
    if (holder)
        return f->copy ? NULL : err_new(ERR_UNSUPPORTED, "%s", f->why);
    name_threads(f);
    return NULL;
}

static struct err *open_frozen(struct live_target *l, const struct live_holder *holder,
                               const struct target_freeze_options *o, struct target **ret)
{
    static const struct target_freeze_options defaults;
    if (l->frozen)
        return err_new(ERR_USAGE, "process %d is frozen already", l->t.pid);
    struct frozen *f = mem_alloc(sizeof(*f));
    target_init(&f->t, &stop_ops, l->t.arch, l->t.pid);
    arena_init(&f->a);
    f->of = l;
    f->memory.fd = -1;
    struct err *e = freeze(l, f, holder, o ? o : &defaults);
    if (e) {
        target_close(&f->t);
        return e;
    }
    l->frozen = *ret = &f->t;
    return NULL;
}

struct err *target_freeze(struct target *live, const struct target_freeze_options *o,
                          struct target **ret)
{
    struct live_target *l = live_target_of(live);
    if (!l)
        return err_new(ERR_USAGE, "only a running process can be frozen");
    return open_frozen(l, NULL, o, ret);
}

struct err *live_target_copy(struct live_target *l, const struct live_holder *h,
                             const struct target_freeze_options *o, struct target **ret)
{
    return open_frozen(l, h, o, ret);
}

void live_target_prepare(struct live_target *l)
{
    if (!l->have_room)
        room_find(l->t.pid, &l->room);
    l->have_room = true;
    err_free(inject_prepare(&l->in, &l->t));
}

const char *target_freeze_why(const struct target *frozen)
{
    return ((const struct frozen *)frozen)->why;
}

/* ---- thawing ---- */

static struct err *thaw_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct frozen *f = arg;
    struct live *m = f->of->m;
    tracer_urgent(tok, false);
    kill_copy(tok, m);
    if (!f->copy && !f->keep) {
        live_detach(tok, m);
        f->pause.ns = m->last_resume_ns - m->first_stop_ns;
    }
    tracer_look_after(tok, live_look_after, m);
    return NULL;
}

struct err *target_thaw(struct target *frozen, struct target_pause *ret)
{
    struct frozen *f = of(frozen);
    struct live_target *l = f->of;
    struct err *e = tracer_call(l->m->tracer, thaw_on_tracer, f);
    if (f->copy)
        await_reaping(l, f->copy);
    *ret = f->pause;
    l->frozen = NULL;
    target_close(frozen);
    return e;
}
