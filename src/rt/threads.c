/* threads.c - threads, their Ms, and the stacks of what runs on them.
 *
 * Go: runtime/runtime2.go m, runtime/proc.go sched.midle (1.18-1.27).  How the goroutine of a
 * thread is found is in running.c.  What does not reach its outermost frame is marked as partial.
 */
#include <stdlib.h>

#include "rt/capture_int.h"

enum { SAMPLE_ROUNDS = 64, VECTORS_MAX = 64 << 10 / 8 };

/* ---- Ms ---- */

static struct err *read_ms(struct capture *c)
{
    struct err *e = rt_read_allm(c->rt, c->t, &c->m_by_addr, &c->ms, &c->nms);
    for (size_t i = 0; i < c->nms; i++)
        c->ms[i].gi = capture_g_index(c, c->ms[i].curg);
    return e;
}

/* Idle Ms hang on sched.midle. */
static void mark_idle(struct capture *c)
{
    taddr at = 0;
    if (!G(c->rt, sched) || !rt_has(&c->rt->layout, RT_schedt_midle))
        return;
    err_free(target_read_u64(c->t, G(c->rt, sched) + (taddr)L(c->rt, schedt_midle), &at));
    for (size_t i = 0; at && i <= c->nms; i++) {
        uint32_t k = map_get(&c->m_by_addr, at);
        if (k == MAP_NONE || c->ms[k].idle)
            break;
        c->ms[k].idle = true;
        taddr next = 0;
        err_free(target_read_u64(c->t, at + (taddr)L(c->rt, m_schedlink), &next));
        at = next;
    }
}

/* ---- where a thread is ---- */

static bool within(taddr v, taddr lo, taddr hi)
{
    return v >= lo && v < hi;
}

static enum snap_where where_is(const struct capture *c, const struct mrec *m,
                                const struct arch_regs *r)
{
    if (m && within(r->sp, m->gsignal_lo, m->gsignal_hi))
        return SNAP_AT_GSIGNAL;
    if (!rt_is_go_code(c->rt, r->pc))
        return SNAP_AT_FOREIGN;
    if (m && within(r->sp, m->g0_lo, m->g0_hi))
        return SNAP_AT_G0;
    return m && m->curg ? SNAP_AT_GO : SNAP_AT_UNKNOWN;
}

/* Keeps the floating point and vector registers of a goroutine that a signal interrupted: the
 * kernel put them on the signal stack, above all else. */
static void keep_interrupted_vectors(struct capture *c, struct g_ran *ran, const struct mrec *m,
                                     const struct arch_sigframe *frame)
{
    size_t n = within(frame->extended, m->gsignal_lo, m->gsignal_hi)
                   ? (m->gsignal_hi - frame->extended) / 8
                   : 0;
    if (!c->o->heap || n > VECTORS_MAX)
        return;
    uint64_t *words = arena_array(&c->arena, uint64_t, n);
    struct err *e = target_read(c->t, frame->extended, words, n * 8);
    ran->vectors = words;
    ran->nvectors = e ? 0 : n;
    err_free(e);
}

/* Where the stack was walked from, and the registers when they are the innermost frame's. */
static void keep_start(struct capture *c, const struct running *r, struct g_ran *ran,
                       const struct arch_regs *regs)
{
    ran->pc = r->pc;
    ran->sp = r->sp;
    ran->exact = r->exact;
    ran->nregs = regs ? regs->raw_n / 8 : 0;
    if (ran->nregs)
        ran->regs = memcpy(arena_alloc(&c->arena, regs->raw_n), regs->raw, regs->raw_n);
}

/* t: the thread; NULL: its other registers are not known. */
static void take_running(struct capture *c, const struct mrec *m, const struct arch_regs *regs,
                         const struct target_thread *t)
{
    struct goroutine *g = &c->gs[m->gi];
    struct worker *w = &c->workers[0];
    struct running r = {.rt = c->rt, .t = c->t, .u = w->u, .m = m, .g = &g->g};
    struct arch_sigframe before;
    struct g_ran *ran = arena_new(&c->arena, struct g_ran);
    if (within(regs->sp, m->gsignal_lo, m->gsignal_hi) &&
        running_interrupted(c->t, m, regs->sp, &before)) {
        before.regs.sp = running_unpushed_sp(&r, &before.regs);
        regs = &before.regs;
        keep_interrupted_vectors(c, ran, m, &before);
    } else if (t && t->extended && c->o->heap) {
        ran->nvectors = t->extended_n / 8;
        ran->vectors = memcpy(arena_alloc(&c->arena, t->extended_n), t->extended, t->extended_n);
    }
    enum walk_end end = running_walk(&r, regs);
    locals_take(c->locals, m->gi, regs);
    keep_start(c, &r, ran, within(regs->sp, g->g.stack_lo, g->g.stack_hi) ? regs : NULL);
    g->node = unwinder_commit(w->u);
    g->depth = (uint32_t)unwinder_depth(w->u);
    g->worker = 0;
    g->ran = ran;
    g->source = G_REGS;
    g->flags &= (uint16_t) ~(SNAP_GF_STACK_PARTIAL | SNAP_GF_NOT_VALIDATED);
    if (end != WALK_TOP)
        g->flags |= SNAP_GF_STACK_PARTIAL;
    if (unwinder_has(w->u, SNAP_FN_CGOCALLBACK))
        g->flags |= SNAP_GF_CGO;
}

/* Whether the stack of an M's goroutine is to be taken from its thread.  A goroutine that begins or
 * ends to run, or ends a cycle of the GC (gcMarkTermination waits on its own stack), has another
 * status already or still; of one in a system call the runtime tells what it saved. */
static bool runs(const struct capture *c, const struct mrec *m)
{
    if (m->gi == SNAP_NONE)
        return false;
    const struct rt_g *g = &c->gs[m->gi].g;
    enum snap_gstatus st = rt_gstatus(&c->rt->layout, g->status);
    return st == SNAP_G_RUNNING || (g->more->m == m->addr && capture_may_run(st));
}

/* ---- rows ---- */

/* The thread's own stack: what it does on g0 or in a signal handler. */
static uint32_t own_stack(struct capture *c, const struct mrec *m, const struct arch_regs *regs)
{
    struct unwinder *u = c->workers[0].u;
    bool gsignal = m && within(regs->sp, m->gsignal_lo, m->gsignal_hi);
    bool g0 = m && within(regs->sp, m->g0_lo, m->g0_hi);
    unwinder_begin(u);
    if (!gsignal && !g0) {
        if (rt_is_go_code(c->rt, regs->pc))
            return SNAP_NONE;
        unwinder_push(u, regs->pc, true);
        return unwinder_commit(u);
    }
    struct walk w = {.pc = regs->pc,
                     .sp = regs->sp,
                     .exact = true,
                     .spwrite_ok = true,
                     .lo = gsignal ? m->gsignal_lo : m->g0_lo,
                     .hi = gsignal ? m->gsignal_hi : m->g0_hi};
    unwinder_walk(u, &w);
    return unwinder_commit(u);
}

static const struct mrec *m_of_thread(const struct capture *c, const struct target_thread *t)
{
    uint64_t tid = (uint64_t)(t->inner_tid ? t->inner_tid : t->tid);
    for (size_t i = 0; i < c->nms; i++)
        if (c->ms[i].procid == tid)
            return &c->ms[i];
    return NULL;
}

static void fill_m(struct capture *c, uint32_t row, struct mrec *m)
{
    struct snap *s = c->s;
    m->thread = row;
    s->thread.addr[row] = m->addr;
    s->thread.id[row] = m->id;
    s->thread.flags[row] =
        (uint16_t)((m->spinning ? SNAP_TF_SPINNING : 0) | (m->blocked ? SNAP_TF_BLOCKED : 0) |
                   (m->incgo || m->ncgo > 0 ? SNAP_TF_IN_CGO : 0) |
                   (m->isextra ? SNAP_TF_EXTRA : 0) | (m->idle ? SNAP_TF_IDLE : 0));
    uint32_t locked = capture_g_index(c, m->lockedg);
    s->thread.lockedg[row] = locked == SNAP_NONE ? 0 : c->gs[locked].g.goid;
}

static void add_thread(struct capture *c, const struct target_thread *t, struct mrec *m)
{
    struct snap *s = c->s;
    uint32_t row = snap_add_thread(s);
    char state[2] = {t->state, 0};
    s->thread.id[row] = -1;
    s->thread.tid[row] = (uint32_t)t->tid;
    s->thread.name[row] = intern_add(&s->strings, t->name ? t->name : "");
    s->thread.kstate[row] = intern_add(&s->strings, state);
    s->thread.cpu_ms[row] = t->cpu_ms;
    s->thread.syscall[row] = t->syscall;
    const char *call = t->syscall >= 0 ? target_arch(c->t)->syscall_name(t->syscall) : NULL;
    s->thread.syscall_name[row] = intern_add(&s->strings, call ? call : "");
    if (m)
        fill_m(c, row, m);
    if (t->have_regs) {
        s->thread.where[row] = (uint8_t)where_is(c, m, &t->regs);
        s->thread.pc[row] = t->regs.pc;
        s->thread.sp[row] = t->regs.sp;
        s->thread.stack[row] = own_stack(c, m, &t->regs);
        if (m && runs(c, m))
            take_running(c, m, &t->regs, t);
    }
}

struct err *capture_threads(struct capture *c)
{
    TRY(read_ms(c));
    mark_idle(c);
    TRY(target_threads(c->t, &c->arena, &c->threads, &c->nthreads));
    for (size_t i = 0; i < c->nthreads; i++)
        add_thread(c, &c->threads[i], (struct mrec *)m_of_thread(c, &c->threads[i]));
    return NULL;
}

/* ---- a target that runs: one thread at a time ---- */

struct sample {
    struct capture *c;
    struct mrec *m;
    uint32_t gi;
    bool done;
};

/* While the thread stands: if it still runs the goroutine, its stack. */
static struct err *sample_thread(void *arg, const struct arch_regs *regs)
{
    struct sample *s = arg;
    struct capture *c = s->c;
    struct mrec m;
    struct err *e = rt_read_m(c->rt, c->t, s->m->addr, &m);
    if (!e)
        m.gi = capture_g_index(c, m.curg);
    if (!e && m.gi == s->gi)
        e = capture_one_live(c, s->gi);
    if (!e && m.gi == s->gi) {
        if (c->gs[s->gi].source == G_NONE && runs(c, &m))
            take_running(c, &m, regs, NULL);
        s->done = c->gs[s->gi].source != G_NONE;
        if (s->m->thread != SNAP_NONE) {
            c->s->thread.where[s->m->thread] = (uint8_t)where_is(c, &m, regs);
            c->s->thread.pc[s->m->thread] = regs->pc;
            c->s->thread.sp[s->m->thread] = regs->sp;
            c->s->thread.stack[s->m->thread] = own_stack(c, &m, regs);
        }
    }
    return e;
}

/* The thread of the M that a goroutine runs on, which may be younger than our list; *tid 0: none.
 */
static struct err *find_thread(struct capture *c, taddr maddr, struct mrec *m, pid_t *tid)
{
    uint32_t mi = map_get(&c->m_by_addr, maddr);
    *tid = 0;
    if (mi != MAP_NONE && c->ms[mi].thread != SNAP_NONE) {
        *m = c->ms[mi];
        *tid = (pid_t)c->s->thread.tid[m->thread];
        return NULL;
    }
    struct target_thread *threads;
    size_t n;
    TRY(rt_read_m(c->rt, c->t, maddr, m));
    TRY(target_threads(c->t, &c->arena, &threads, &n));
    for (size_t i = 0; i < n; i++)
        if ((uint64_t)(threads[i].inner_tid ? threads[i].inner_tid : threads[i].tid) == m->procid)
            *tid = threads[i].tid;
    return NULL;
}

struct err *capture_one_running(struct capture *c, uint32_t gi)
{
    struct goroutine *g = &c->gs[gi];
    for (int i = 0; i < SAMPLE_ROUNDS; i++) {
        TRY(capture_one_live(c, gi));
        enum snap_gstatus st = rt_gstatus(&c->rt->layout, g->g.status);
        if (g->source != G_NONE || st == SNAP_G_DEAD)
            return NULL;
        struct mrec m;
        pid_t tid = 0;
        if (g->g.more->m)
            err_free(find_thread(c, g->g.more->m, &m,
                                 &tid)); /* of an M that is gone by now: once more */
        if (!tid)
            continue;
        struct sample s = {.c = c, .m = &m, .gi = gi};
        struct target_pause pause;
        struct err *e = target_sample_thread(c->t, tid, sample_thread, &s, &pause);
        if (!e)
            c->sampled_ns = (int64_t)max_u64((uint64_t)c->sampled_ns, (uint64_t)pause.ns);
        else if (err_code(e) !=
                 ERR_GONE)     /* the thread has ended; the process, as the next read says */
            c->refused = true; /* not permitted to trace */
        err_free(e);
        if (s.done)
            return NULL;
    }
    g->flags |= SNAP_GF_NOT_VALIDATED;
    return NULL;
}

struct err *capture_running_live(struct capture *c)
{
    for (uint32_t i = 0; i < c->ngs; i++) {
        enum snap_gstatus st = rt_gstatus(&c->rt->layout, c->gs[i].g.status);
        if (c->gs[i].source == G_NONE && st != SNAP_G_DEAD && st != SNAP_G_IDLE)
            TRY(capture_one_running(c, i));
    }
    return NULL;
}
