/* stop.c - running, and what comes of it: the mechanism's events as a user means them.
 *
 * Whatever handlers had to say before a stop is told before it: messages first, then what changed,
 * then the stop.  Some stops are only ours (a step that has to look where a call goes): they are
 * dealt with here and the program runs on, without the user hearing of it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dbg/dbg_int.h"

enum { BPS_AT_ONCE = 64 };
#define ASK_NS (NSEC_PER_SEC / 20)
#define GLANCE_NS (10 * NSEC_PER_SEC)

/* ---- records of handlers ---- */

void dbg_hit(struct dbg *d, const struct hit *h)
{
    pthread_mutex_lock(&d->hits_lock);
    vec_push(&d->hits, *h);
    pthread_mutex_unlock(&d->hits_lock);
}

static bool concerns(const struct hit *h, const struct bp *bp, const struct step *st)
{
    if (!bp && !st)
        return true;
    if (bp)
        return (h->bp && h->bp->bp == bp) || (h->watch && h->watch->bp == bp);
    return h->step && h->step->st == st;
}

void dbg_forget_hits(struct dbg *d, const struct bp *bp, const struct step *st)
{
    size_t kept = 0;
    pthread_mutex_lock(&d->hits_lock);
    for (size_t i = 0; i < d->hits.n; i++)
        if (!concerns(&d->hits.v[i], bp, st))
            d->hits.v[kept++] = d->hits.v[i];
    d->hits.n = kept;
    pthread_mutex_unlock(&d->hits_lock);
}

static struct bp_site *site_at(const struct bp_plan *p, taddr pc)
{
    for (size_t i = 0; p->in && i < p->sites.n; i++)
        if (p->sites.v[i]->at.pc == pc)
            return p->sites.v[i];
    return NULL;
}

void dbg_keep_hits(struct dbg *d, const struct bp_plan *from, const struct bp_plan *to)
{
    size_t kept = 0;
    pthread_mutex_lock(&d->hits_lock);
    for (size_t i = 0; i < d->hits.n; i++) {
        struct hit h = d->hits.v[i];
        struct bp_site **met = h.bp ? &h.bp : &h.watch;
        if (*met && (*met)->plan == from) {
            *met = site_at(to, (*met)->at.pc);
            h.again = true;
            if (!*met)
                continue;
        }
        d->hits.v[kept++] = h;
    }
    d->hits.n = kept;
    pthread_mutex_unlock(&d->hits_lock);
}

/* Takes what a thread met, at most max; how many. */
static size_t take_hits(struct dbg *d, pid_t tid, struct hit *ret, size_t max)
{
    size_t kept = 0, n = 0;
    pthread_mutex_lock(&d->hits_lock);
    for (size_t i = 0; i < d->hits.n; i++) {
        if (d->hits.v[i].tid == tid && n < max)
            ret[n++] = d->hits.v[i];
        else
            d->hits.v[kept++] = d->hits.v[i];
    }
    d->hits.n = kept;
    pthread_mutex_unlock(&d->hits_lock);
    return n;
}

/* ---- running ---- */

void dbg_wake(struct dbg *d)
{
    uint64_t one = 1;
    if (write(d->self_fd, &one, sizeof(one)) < 0)
        return; /* readable already */
}

static void calm(struct dbg *d)
{
    uint64_t n;
    if (read(d->self_fd, &n, sizeof(n)) < 0)
        return; /* nobody woke us */
}

static struct err *entry_site(struct dbg *d);

/* One instruction: what comes of it is told by the next dbg_wait(). */
static struct err *step_instruction(struct dbg *d, const struct dbg_run_spec *how)
{
    struct rt_goroutine g;
    TRY(dbg_goroutine_or(d, how->goroutine, &g));
    if (!g.tid || !g.running)
        return err_hint(err_new(ERR_USAGE, "goroutine %llu does not run on a thread now",
                                (unsigned long long)g.id),
                        "step by line: it ends when the goroutine gets there");
    TRY(debug_step(d->debug, g.tid, &d->event));
    d->have_event = true;
    dbg_wake(d);
    return NULL;
}

/* Whether it was killed while it stood: then the next dbg_wait() tells it. */
static bool has_ended(struct dbg *d)
{
    if (d->have_event || !d->debug)
        return false;
    struct err *e = debug_wait(d->debug, 0, &d->event);
    d->have_event = !e && d->event.kind == DEBUG_EXITED;
    err_free(e);
    if (!d->have_event)
        return false;
    d->state = DBG_RUNS;
    d->have_told = false;
    dbg_wake(d);
    return true;
}

static struct err *begin_run(struct dbg *d, const struct dbg_run_spec *how)
{
    bool stepped = false;
    if (how->how != DBG_CONTINUE) {
        step_end(d);
        TRY(step_begin(d, how, &stepped));
    } else if (d->tell_entry) {
        TRY(entry_site(d));
    }
    d->have_told = false; /* a stop that came before nobody asked for any more */
    d->ran_from = clock_mono_ns();
    if (stepped) {
        TRY(step_instruction(d, how));
    } else {
        struct err *e = debug_resume(d->debug);
        if (e) {
            step_end(d);
            return e;
        }
    }
    d->state = DBG_RUNS;
    return NULL;
}

struct err *dbg_run(struct dbg *d, const struct dbg_run_spec *how)
{
    TRY(dbg_must_stand(d));
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core does not run");
    if (has_ended(d))
        return NULL;
    struct err *e = begin_run(d, how);
    if (!e || !has_ended(d))
        return e;
    err_free(e);
    return NULL;
}

void dbg_interrupt(struct dbg *d)
{
    if (d->state != DBG_RUNS || !d->debug)
        return;
    atomic_store(&d->interrupted, true);
    debug_halt(d->debug);
}

int dbg_fd(const struct dbg *d)
{
    return d->epoll_fd;
}

struct err *dbg_catch_syscalls(struct dbg *d, const int64_t *nr, size_t n, bool entry, bool exit)
{
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core makes no system calls");
    return debug_catch_syscalls(d->debug, nr, n, entry, exit);
}

const struct dbg_event *dbg_stop(const struct dbg *d)
{
    return &d->stop;
}

/* ---- stops ---- */

static void look_again(struct dbg *d)
{
    rt_stand_moved(d->stand, dbg_view(d));
}

static void fill_costs(struct dbg *d, struct dbg_event *ev)
{
    struct debug_cost cost;
    if (!d->debug)
        return;
    debug_cost(d->debug, &cost);
    ev->stood_ns = cost.stood_ns;
    ev->ran_ns = d->ran_ns;
}

/* Whom an interrupt shows: the one that was selected, if it is still there; else the first. */
static void choose_somebody(struct dbg *d, struct dbg_event *ev)
{
    const struct rt_goroutine *g, *all;
    size_t n = 0;
    struct err *e = NULL;
    if (d->goroutine)
        e = rt_goroutine_by_id(d->stand, (uint64_t)d->goroutine, &g);
    if (!d->goroutine || e) {
        err_free(e);
        g = NULL;
        e = rt_goroutines(d->stand, &all, &n);
        for (size_t i = 0; !e && i < n && !g; i++)
            g = all[i].running && !all[i].system ? &all[i] : NULL;
        for (size_t i = 0; !e && i < n && !g; i++)
            g = all[i].id == 1 ? &all[i] : NULL;
    }
    err_free(e);
    if (g) {
        ev->goroutine = (int64_t)g->id;
        ev->tid = g->running ? g->tid : 0;
        ev->pc = g->pc;
    }
}

static void choose_thread(struct dbg *d, struct dbg_event *ev)
{
    struct rt_goroutine g;
    struct arch_regs regs;
    struct err *e = rt_goroutine_of_thread(d->stand, ev->tid, &g);
    if (!e && g.g)
        ev->goroutine = (int64_t)g.id;
    err_free(e);
    e = debug_regs(d->debug, ev->tid, &regs);
    if (!e)
        ev->pc = regs.pc;
    err_free(e);
}

/* The program stands, and the user is told. */
static void stand(struct dbg *d, struct dbg_event *ev)
{
    ev->kind = DBG_EV_STOPPED;
    ev->at_mono_ns = clock_mono_ns();
    if (!ev->text)
        ev->text = "";
    if (d->ran_from)
        d->ran_ns += ev->at_mono_ns - d->ran_from;
    d->ran_from = 0;
    if (ev->tid)
        choose_thread(d, ev);
    else
        choose_somebody(d, ev);
    ev->step_waits = d->step != NULL;
    fill_costs(d, ev);
    d->state = DBG_STANDS;
    atomic_store(&d->interrupted, false);
    d->goroutine = ev->goroutine;
    d->frame = 0;
    step_release(d);
    d->stop = *ev;
}

static bool is_in(const unsigned *ids, size_t n, unsigned id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* What is special about one of the breakpoints that were met. */
static void tell_one(struct dbg *d, const struct hit *h, struct dbg_event *ev)
{
    struct bp_site *s = h->watch ? h->watch : h->bp;
    unsigned id = s->bp->id;
    if (h->watch) {
        ev->why = DBG_WHY_WATCH_GONE;
        ev->text = arena_printf(&d->stop_arena, "%s is out of scope", s->plan->spec.place);
    } else if (s->watch) {
        ev->why = DBG_WHY_WATCH;
        ev->text = watch_text(s, &d->stop_arena);
    } else if (dbg_bp_always(id)) {
        ev->why = id == DBG_BP_ID_FATAL ? DBG_WHY_FATAL : DBG_WHY_PANIC;
        ev->text = dbg_panic_text(d, id, ev->tid);
    }
    if (h->trouble)
        ev->text = arena_printf(&d->stop_arena, "breakpoint %u: %s", id, s->bp->trouble);
}

/* The breakpoints among what a thread met, each once. */
static void tell_breakpoints(struct dbg *d, const struct hit *hits, size_t n, struct dbg_event *ev)
{
    unsigned *ids = arena_array(&d->stop_arena, unsigned, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct bp_site *s = hits[i].watch ? hits[i].watch : hits[i].bp;
        if (!s || is_in(ids, ev->nbps, s->bp->id))
            continue;
        ids[ev->nbps++] = s->bp->id;
        tell_one(d, &hits[i], ev);
    }
    ev->bps = ids;
}

/* Temporary breakpoints, and watchpoints whose variable is gone, are so no more. */
static void drop_breakpoints(struct dbg *d, const struct dbg_event *ev)
{
    for (size_t i = 0; i < ev->nbps; i++) {
        struct bp *bp = bp_by_id(d, ev->bps[i]);
        if (!bp || (!bp->plan->spec.temporary && ev->why != DBG_WHY_WATCH_GONE))
            continue;
        vec_push(&d->changed, bp->id);
        err_free(dbg_bp_remove(d, bp->id)); /* it may be gone by itself */
    }
}

/* What a thread met, dealt with one by one. */
struct met {
    bool done, bps, entry, plugin;
};

static struct err *look_at_hit(struct dbg *d, struct hit *h, struct dbg_event *ev, struct met *m)
{
    if (h->watch && h->watch_event != WATCH_GONE) {
        TRY(watch_go(h->watch, h->watch_event, ev->tid));
        h->watch = NULL;
    }
    if (h->bp && h->bp->watch && watch_is_stale(h->bp)) {
        h->watch = h->bp;
        h->watch_event = WATCH_GONE;
        h->bp = NULL;
    }
    if (h->bp && h->again && !bp_holds_still(d, h))
        h->bp = NULL;
    m->bps = m->bps || h->bp || h->watch;
    m->entry = m->entry || h->entry;
    m->plugin = m->plugin || h->plugin;
    if (h->step && !m->done && d->step == h->step->st)
        TRY(step_go(d, h->step, ev->tid, &m->done, ev));
    return NULL;
}

/* A thread met sites or watchpoints.  *told: the user is to hear of it. */
static struct err *on_site(struct dbg *d, struct dbg_event *ev, bool *told)
{
    struct hit hits[BPS_AT_ONCE];
    size_t n = take_hits(d, ev->tid, hits, BPS_AT_ONCE);
    struct met m = {0};
    *told = false;
    look_again(d);
    for (size_t i = 0; i < n; i++)
        TRY(look_at_hit(d, &hits[i], ev, &m));
    if (m.plugin)
        plugin_look(d, true);
    if (m.done)
        step_end(d);
    if (m.entry && d->entry) {
        TRY(debug_site_remove(d->debug, d->entry));
        d->entry = NULL;
    }
    if (!m.done && !m.bps && !m.entry)
        return NULL;
    ev->why = m.bps ? DBG_WHY_BREAKPOINT : m.entry ? DBG_WHY_ENTRY : DBG_WHY_STEP;
    if (m.bps)
        tell_breakpoints(d, hits, n, ev);
    if (ev->why == DBG_WHY_PANIC || ev->why == DBG_WHY_FATAL)
        step_end(d);
    *told = true;
    stand(d, ev);
    drop_breakpoints(d, ev);
    return NULL;
}

/* ---- the entry ---- */

static enum debug_verdict at_entry(void *arg, const struct debug_hit *hit)
{
    dbg_hit(arg, &(struct hit){.tid = hit->tid, .entry = true});
    return DEBUG_STOP;
}

static struct err *entry_site(struct dbg *d)
{
    struct code_func f;
    size_t at = 0;
    d->tell_entry = false;
    if (!code_func_named(d->code, "main.main", &at, &f))
        return NULL;
    return debug_site_add(d->debug, code_body(d->code, &f), at_entry, d, &d->entry);
}

/* ---- the mechanism's events ---- */

static void on_exit_of(struct dbg *d, int status, struct dbg_event *ev)
{
    ev->kind = DBG_EV_EXITED;
    ev->tid = 0;
    ev->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    ev->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ev->text = "";
    fill_costs(d, ev);
    step_forget(d);
    call_forget(d);
    d->state = DBG_OVER;
    d->stop = *ev;
}

static struct err *on_exec(struct dbg *d, struct dbg_event *ev)
{
    step_forget(d);
    call_forget(d);
    bp_uproot(d);
    dbg_forget_hits(d, NULL, NULL);
    d->entry = NULL;
    dbg_unlook(d);
    ev->kind = DBG_EV_EXEC;
    ev->text = "";
    struct err *e = dbg_follow_exec(d);
    if (e) {
        d->state = DBG_OVER;
        return err_wrap(e, "the process became another program");
    }
    bp_replant(d);
    d->state = DBG_STANDS;
    d->goroutine = 1;
    d->stop = *ev;
    return NULL;
}

static struct err *on_trap(struct dbg *d, struct dbg_event *ev, bool *told)
{
    bool is;
    look_again(d);
    TRY(call_trapped(d, ev, &is, told));
    if (!is)
        ev->why = DBG_WHY_TRAP;
    if (*told)
        stand(d, ev);
    if (*told && is)
        d->frame = d->call_frame;
    return NULL;
}

static void on_syscall(struct dbg *d, const struct debug_event *m, struct dbg_event *ev)
{
    const char *name = code_arch(d->code)->syscall_name(m->nr);
    ev->why = DBG_WHY_SYSCALL;
    ev->syscall = m->nr;
    ev->syscall_entry = m->entry;
    ev->text = name ? name : "";
}

static struct err *on_event(struct dbg *d, const struct debug_event *m, struct dbg_event *ev,
                            bool *told)
{
    *ev = (struct dbg_event){.tid = m->tid, .pc = m->pc, .text = ""};
    *told = true;
    switch (m->kind) {
    case DEBUG_SITE:
    case DEBUG_WATCH:
        return on_site(d, ev, told);
    case DEBUG_EXITED:
        on_exit_of(d, m->status, ev);
        return NULL;
    case DEBUG_EXEC:
        return on_exec(d, ev);
    case DEBUG_SIGNAL:
        ev->why = DBG_WHY_SIGNAL;
        ev->text = arena_printf(&d->stop_arena, "SIG%s", sigabbrev_np(m->signo) ?: "?");
        break;
    case DEBUG_TRAPPED:
        return on_trap(d, ev, told);
    case DEBUG_STEPPED:
        ev->why = DBG_WHY_STEP;
        break;
    case DEBUG_SYSCALL:
        on_syscall(d, m, ev);
        break;
    case DEBUG_HALTED:
        if (!atomic_load(&d->interrupted)) { /* a glance that nobody waits for any more */
            *told = false;
            return NULL;
        }
        ev->why = DBG_WHY_INTERRUPT;
        step_end(d);
        break;
    default:
        *told = false;
        return NULL;
    }
    look_again(d);
    stand(d, ev);
    return NULL;
}

/* ---- waiting ---- */

static bool tell_message(struct dbg *d, struct dbg_event *ret)
{
    struct ring_entry e;
    uint64_t lost = 0;
    if (!ring_take(d->ring, &e, &lost))
        return false;
    *ret =
        (struct dbg_event){.kind = DBG_EV_LOG, .goroutine = e.goroutine, .tid = e.tid, .pc = e.pc};
    ret->text = lost ? arena_printf(&d->message_arena, "(%llu messages were lost) %s",
                                    (unsigned long long)lost, e.text)
                     : arena_strdup(&d->message_arena, e.text);
    unsigned *id = arena_new(&d->message_arena, unsigned);
    *id = e.bp;
    ret->bps = id;
    ret->nbps = 1;
    free(e.text);
    return true;
}

static bool tell_change(struct dbg *d, struct dbg_event *ret)
{
    if (!d->changed.n)
        return false;
    unsigned *id = arena_new(&d->message_arena, unsigned);
    *id = d->changed.v[0];
    memmove(d->changed.v, d->changed.v + 1, --d->changed.n * sizeof(*d->changed.v));
    *ret = (struct dbg_event){.kind = DBG_EV_BP, .bps = id, .nbps = 1, .text = ""};
    return true;
}

static bool tell_loaded(struct dbg *d, struct dbg_event *ret)
{
    if (!d->loaded.n)
        return false;
    struct loaded l = d->loaded.v[0];
    memmove(d->loaded.v, d->loaded.v + 1, --d->loaded.n * sizeof(l));
    *ret = (struct dbg_event){.kind = DBG_EV_MODULE, .module = l.module};
    ret->text = l.why ? arena_printf(&d->message_arena, "%s: %s", l.path, l.why)
                      : arena_strdup(&d->message_arena, l.path);
    plugin_forget(&l);
    return true;
}

/* dbg_fd() is readable while something waits to be told that the mechanism knows nothing of. */
static void settle_fd(struct dbg *d)
{
    if (d->have_event || d->have_told || d->changed.n || d->loaded.n)
        dbg_wake(d);
    else
        calm(d);
}

static bool await(struct dbg *d, int64_t timeout_ns)
{
    struct epoll_event ev;
    int ms = timeout_ns < 0                              ? -1
             : timeout_ns > INT32_MAX * (int64_t)1000000 ? INT32_MAX
                                                         : (int)((timeout_ns + 999999) / 1000000);
    return epoll_wait(d->epoll_fd, &ev, 1, ms) > 0;
}

/* Something of the mechanism, if there is something: dealt with.  When the user does not hear of it
 * the program runs on.  *ret_any: there was something. */
static struct err *attend(struct dbg *d, bool *ret_any)
{
    struct debug_event m = d->event;
    bool told = false;
    if (!d->have_event)
        TRY(debug_wait(d->debug, 0, &m));
    d->have_event = false;
    *ret_any = m.kind != DEBUG_NOTHING;
    if (!*ret_any)
        return NULL;
    arena_reset(&d->stop_arena);
    TRY(on_event(d, &m, &d->told, &told));
    if (!told && d->debug && atomic_load(&d->interrupted)) { /* the mechanism took it for done */
        d->told = (struct dbg_event){.why = DBG_WHY_INTERRUPT, .text = ""};
        step_end(d);
        look_again(d);
        stand(d, &d->told);
        told = true;
    }
    d->have_told = told;
    return told ? NULL : debug_resume(d->debug);
}

/* What happened meanwhile is kept for attend(). */
static struct err *halt_for_glance(struct dbg *d)
{
    struct debug_event m;
    if (d->have_event)
        return NULL;
    debug_halt(d->debug);
    TRY(debug_wait(d->debug, GLANCE_NS, &m));
    if (m.kind == DEBUG_NOTHING) /* it stops later, and is let run on */
        return err_new(ERR_LIMIT, "the program did not stop");
    d->have_event = m.kind != DEBUG_HALTED || atomic_load(&d->interrupted);
    d->event = m;
    return NULL;
}

struct err *dbg_glance(struct dbg *d, struct err *(*look)(void *arg), void *arg)
{
    if (d->state != DBG_RUNS || !d->debug)
        return err_new(ERR_USAGE, "the program does not run");
    TRY(halt_for_glance(d));
    if (d->have_event && (d->event.kind == DEBUG_EXITED || d->event.kind == DEBUG_EXEC))
        return err_new(ERR_GONE, "the program has ended");
    look_again(d);
    d->state = DBG_STANDS;
    struct err *e = look(arg);
    d->state = DBG_RUNS;
    struct err *again = d->have_event ? NULL : debug_resume(d->debug);
    if (!e)
        return again;
    err_free(again);
    return e;
}

struct err *dbg_run_on(struct dbg *d)
{
    struct err *e = NULL;
    int64_t ask = d->o.give_up ? 0 : INT64_MAX;
    while (!e && d->state == DBG_RUNS && !d->have_told) {
        bool any;
        int64_t now = clock_mono_ns();
        if (now >= ask && d->o.give_up(d->o.give_up_arg)) {
            dbg_interrupt(d);
            ask = INT64_MAX;
        } else if (now >= ask) {
            ask = now + ASK_NS;
        }
        e = attend(d, &any);
        if (!e && !any)
            await(d, ask == INT64_MAX ? -1 : ASK_NS);
    }
    settle_fd(d);
    return e;
}

/* Messages come before what happened after them. */
static bool tell(struct dbg *d, struct dbg_event *ret)
{
    if (tell_message(d, ret))
        return true;
    if (d->have_told) {
        *ret = d->told;
        d->have_told = false;
        return true;
    }
    return tell_loaded(d, ret) || tell_change(d, ret);
}

struct err *dbg_wait(struct dbg *d, int64_t timeout_ns, struct dbg_event *ret)
{
    int64_t until = timeout_ns < 0 ? 0 : clock_mono_ns() + timeout_ns;
    struct err *e = NULL;
    arena_reset(&d->message_arena);
    *ret = (struct dbg_event){.kind = DBG_EV_NOTHING, .text = ""};
    if (d->state == DBG_STANDS)
        has_ended(d);
    while (!e && !tell(d, ret) && d->state == DBG_RUNS) {
        bool any;
        e = attend(d, &any);
        if (e || any)
            continue;
        int64_t left = timeout_ns < 0 ? -1 : until - clock_mono_ns();
        if (timeout_ns >= 0 && left <= 0)
            break;
        await(d, left);
    }
    settle_fd(d);
    return e;
}
