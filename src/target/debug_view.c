/* debug_view.c - a debugged process as a target to read, and what single threads hold.
 *
 * Reads show the program's own bytes where breakpoints are.  Threads are listed by the tracer
 * thread, so not from a handler; memory may be read from anywhere. */
#include <errno.h>
#include <elf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "target/debug_int.h"
#include "target/live_int.h"
#include "target/proc_int.h"

struct view {
    struct target t;
    struct debug *d;
    struct memory memory;
};

static struct view *of(struct target *t)
{
    return (struct view *)t;
}

/* The first place at or behind an address. */
static size_t first_place(const struct debug *d, taddr addr)
{
    size_t lo = 0, hi = d->places.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->places.v[mid]->addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void show_own_bytes(const struct debug *d, struct target_iov *v)
{
    for (size_t i = first_place(d, v->addr);
         i < d->places.n && d->places.v[i]->addr - v->addr < v->n; i++)
        if (d->places.v[i]->active)
            ((uint8_t *)v->dst)[d->places.v[i]->addr - v->addr] = d->places.v[i]->original[0];
}

static struct err *view_readv(struct target *t, struct target_iov *iov, size_t n)
{
    struct view *v = of(t);
    if (n != 1 || !memory_read_little(&v->memory, iov))
        TRY(memory_readv(&v->memory, iov, n));
    pthread_mutex_lock(&v->d->lock);
    for (size_t i = 0; v->d->view == t && v->d->places.n && i < n; i++)
        if (iov[i].ok)
            show_own_bytes(v->d, &iov[i]);
    pthread_mutex_unlock(&v->d->lock);
    return NULL;
}

static struct err *mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                            size_t *ret_n)
{
    TRY(proc_mappings(t->pid, a, ret, ret_n));
    return memory_alive(&of(t)->memory);
}

struct listing {
    struct debug *d;
    struct arena *a;
    bool all; /* also what a system call has saved */
    struct target_thread *v;
    size_t n;
};

struct holding {
    struct listing l;
    struct held *ret;
};

/* Of threads in the middle of their code: pointers may be on their way in vector registers. */
static void list_extended(struct listing *l, struct target_thread *to)
{
    uint8_t bytes[DEBUG_EXTENDED_MAX];
    struct iovec io = {bytes, sizeof(bytes)};
    if ((to->syscall >= 0 && !l->all) ||
        ptrace(PTRACE_GETREGSET, to->tid, (long)l->d->arch->extended_note, &io) < 0)
        return;
    to->extended = memcpy(arena_alloc(l->a, io.iov_len), bytes, io.iov_len);
    to->extended_n = io.iov_len;
}

static struct err *list_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct listing *l = arg;
    struct debug *d = l->d;
    bool contained = proc_inner(d->pid) != 0;
    l->v = arena_array(l->a, struct target_thread, d->threads.n);
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        struct proc_stat st;
        struct proc_syscall call;
        if (t->child)
            continue;
        struct target_thread *to = &l->v[l->n++];
        *to = (struct target_thread){.tid = t->tid, .name = "", .syscall = -1};
        struct err *e = proc_stat(d->pid, t->tid, &st);
        if (!e) {
            to->name = arena_strdup(l->a, st.comm);
            to->state = st.state;
            to->cpu_ms = proc_cpu_ms(&st);
        }
        err_free(e);
        to->inner_tid = contained ? proc_inner(t->tid) : 0;
        e = t->stands ? debug_get_regs(tok, d, t) : NULL;
        if (t->stands && !e) {
            to->have_regs = true;
            to->regs = t->regs;
            to->syscall = t->regs.syscall;
            list_extended(l, to);
        } else if (proc_syscall(d->pid, t->tid, &call)) {
            to->regs = (struct arch_regs){.pc = call.pc, .sp = call.sp, .syscall = call.nr};
            to->syscall = call.nr;
        }
        err_free(e);
    }
    return NULL;
}

static struct err *threads(struct target *t, struct arena *a, struct target_thread **ret,
                           size_t *ret_n)
{
    struct listing l = {.d = of(t)->d, .a = a};
    TRY(memory_alive(&of(t)->memory));
    TRY(tracer_call(l.d->tracer, list_on_tracer, &l));
    *ret = l.v;
    *ret_n = l.n;
    return NULL;
}

static struct err *held_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct holding *h = arg;
    struct debug *d = h->l.d;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    if (d->state != DEBUG_STANDS)
        return err_new(ERR_USAGE, "process %d runs", d->pid);
    TRY(list_on_tracer(tok, &h->l));
    *h->ret = (struct held){
        .memory = d->pid,
        .threads = h->l.v,
        .nthreads = h->l.n,
        .at_mono_ns = d->stood_since ? d->stood_since : clock_mono_ns(),
        .ours = d->area,
        .ours_end = d->area ? d->area + DEBUG_AREA_ALL : 0,
    };
    return NULL;
}

static struct err *held(struct target *t, struct arena *a, struct held *ret)
{
    struct holding h = {.l = {.d = of(t)->d, .a = a, .all = true}, .ret = ret};
    TRY(memory_alive(&of(t)->memory));
    return tracer_call(h.l.d->tracer, held_on_tracer, &h);
}

static struct err *process(struct target *t, struct arena *a, struct target_process *ret)
{
    return process_facts(t->pid, a, ret);
}

static struct err *image(struct target *t, struct image **ret, taddr *ret_slide)
{
    return process_image(t, t->pid, ret, ret_slide);
}

static void view_close(struct target *t)
{
    memory_close(&of(t)->memory);
}

static const struct target_ops view_ops = {
    .kind = TARGET_STOP,
    .readv = view_readv,
    .mappings = mappings,
    .threads = threads,
    .process = process,
    .image = image,
    .held = held,
    .close = view_close,
};

struct err *debug_view_new(struct debug *d, struct target **ret)
{
    struct memory memory;
    TRY(memory_open(d->pid, &memory));
    struct view *v = mem_alloc(sizeof(*v));
    target_init(&v->t, &view_ops, d->arch, d->pid);
    v->d = d;
    v->memory = memory;
    *ret = &v->t;
    return NULL;
}

struct target *debug_view(struct debug *d)
{
    return d->view;
}

pid_t debug_pid(const struct debug *d)
{
    return d->pid;
}

/* ---- single threads ---- */

struct asking {
    struct debug *d;
    pid_t tid;
    struct arch_regs *get;
    const struct arch_regs *set;
    struct arena *a;
    uint8_t *extended;
    size_t n;
    bool on;
};

static struct err *standing(struct asking *q, struct thread **ret)
{
    if (q->d->state == DEBUG_GONE)
        return debug_gone(q->d);
    *ret = debug_thread(q->d, q->tid);
    if (!*ret || (*ret)->child)
        return err_new(ERR_NOT_FOUND, "there is no thread %d", q->tid);
    if (!(*ret)->stands)
        return err_new(ERR_USAGE, "thread %d does not stand", q->tid);
    return NULL;
}

static struct err *get_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t;
    TRY(standing(q, &t));
    TRY(debug_get_regs(tok, q->d, t));
    *q->get = t->regs;
    return NULL;
}

struct err *debug_regs(struct debug *d, pid_t tid, struct arch_regs *ret)
{
    struct asking q = {.d = d, .tid = tid, .get = ret};
    return tracer_call(d->tracer, get_on_tracer, &q);
}

/* raw is what counts: pc, sp and the like follow from it. */
static struct err *set_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t;
    struct arch_regs regs = *q->set;
    TRY(standing(q, &t));
    TRY(debug_get_regs(tok, q->d, t));
    if (!q->d->arch->from_raw(&regs))
        return err_new(ERR_USAGE, "these are not registers of %s", q->d->arch->name);
    if (t->untold && t->ev.kind == WAIT_SIGNAL && t->ev.signal != SIGTRAP && regs.pc != t->regs.pc)
        t->fault = false;
    if (regs.pc != t->regs.pc)
        q->d->a->set_pc(&regs, regs.pc);
    t->regs = regs;
    t->regs_changed = true;
    debug_put_regs(tok, q->d, t);
    return NULL;
}

struct err *debug_set_regs(struct debug *d, pid_t tid, const struct arch_regs *regs)
{
    struct asking q = {.d = d, .tid = tid, .set = regs};
    return tracer_call(d->tracer, set_on_tracer, &q);
}

static struct err *met_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t;
    TRY(standing(q, &t));
    TRY(debug_get_regs(tok, q->d, t));
    t->met = true;
    t->met_pc = t->regs.pc;
    return NULL;
}

struct err *debug_met(struct debug *d, pid_t tid)
{
    struct asking q = {.d = d, .tid = tid};
    return tracer_call(d->tracer, met_on_tracer, &q);
}

static struct err *extended_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t;
    (void)tok;
    TRY(standing(q, &t));
    struct iovec io = {q->extended, q->n};
    long request = q->a ? PTRACE_GETREGSET : PTRACE_SETREGSET;
    if (ptrace((enum __ptrace_request)request, q->tid, (long)q->d->arch->extended_note, &io) < 0)
        return err_sys(errno, "cannot %s the vector registers of thread %d", q->a ? "read" : "set",
                       q->tid);
    q->n = io.iov_len;
    return NULL;
}

struct err *debug_extended(struct debug *d, pid_t tid, struct arena *a, uint8_t **ret,
                           size_t *ret_n)
{
    struct asking q = {.d = d,
                       .tid = tid,
                       .a = a,
                       .extended = arena_alloc(a, DEBUG_EXTENDED_MAX),
                       .n = DEBUG_EXTENDED_MAX};
    TRY(tracer_call(d->tracer, extended_on_tracer, &q));
    *ret = q.extended;
    *ret_n = q.n;
    return NULL;
}

struct err *debug_set_extended(struct debug *d, pid_t tid, const uint8_t *p, size_t n)
{
    struct asking q = {.d = d, .tid = tid, .extended = (uint8_t *)(uintptr_t)p, .n = n};
    return tracer_call(d->tracer, extended_on_tracer, &q);
}

static struct err *hold_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t = NULL;
    (void)tok;
    TRY(standing(q, &t));
    t->held = q->on;
    return NULL;
}

struct err *debug_hold(struct debug *d, pid_t tid, bool on)
{
    struct asking q = {.d = d, .tid = tid, .on = on};
    return tracer_call(d->tracer, hold_on_tracer, &q);
}

static struct err *drop_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    struct thread *t = NULL;
    (void)tok;
    TRY(standing(q, &t));
    t->signal = 0;
    t->fault = false;
    debug_consume(q->d, t);
    return NULL;
}

struct err *debug_drop_signal(struct debug *d, pid_t tid)
{
    struct asking q = {.d = d, .tid = tid};
    return tracer_call(d->tracer, drop_on_tracer, &q);
}

struct signal_rule {
    struct debug *d;
    int signo;
    bool tell, pass;
};

static struct err *rule_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct signal_rule *r = arg;
    (void)tok;
    r->d->tell[r->signo] = r->tell;
    r->d->keep[r->signo] = !r->pass;
    return NULL;
}

struct err *debug_signal(struct debug *d, int signo, bool tell, bool pass)
{
    struct signal_rule r = {d, signo, tell, pass};
    if (signo < 1 || signo >= DEBUG_SIGNALS)
        return err_new(ERR_USAGE, "there is no signal %d", signo);
    return tracer_call(d->tracer, rule_on_tracer, &r);
}

struct cost_call {
    struct debug *d;
    struct debug_cost *ret;
};

static struct err *cost_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct cost_call *c = arg;
    (void)tok;
    *c->ret = c->d->cost;
    if (c->d->state == DEBUG_STANDS && c->d->stood_since) {
        c->ret->last_ns = clock_mono_ns() - c->d->stood_since;
        c->ret->stood_ns += c->ret->last_ns;
    }
    return NULL;
}

void debug_cost(struct debug *d, struct debug_cost *ret)
{
    struct cost_call c = {d, ret};
    err_free(tracer_call(d->tracer, cost_on_tracer, &c));
}

const char *debug_warning(const struct debug *d)
{
    return d->warning;
}

struct suspended_call {
    struct debug *d;
    bool ret;
};

static struct err *suspended_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct suspended_call *c = arg;
    (void)tok;
    for (size_t i = 0; i < c->d->threads.n; i++)
        c->ret = c->ret || c->d->threads.v[i].group_stop;
    return NULL;
}

bool debug_is_suspended(struct debug *d)
{
    struct suspended_call c = {.d = d};
    err_free(tracer_call(d->tracer, suspended_on_tracer, &c));
    return c.ret;
}

static struct err *urgent_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct asking *q = arg;
    q->d->urgent = q->on;
    if (!q->on)
        tracer_urgent(tok, false);
    return NULL;
}

void debug_urgent(struct debug *d, bool on)
{
    struct asking q = {.d = d, .on = on};
    err_free(tracer_call(d->tracer, urgent_on_tracer, &q));
    urgency_set(&d->owner, on);
}
