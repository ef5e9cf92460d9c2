/* threads.c - threads, their Ms, and the stacks of what runs on them.
 *
 * Go: runtime/runtime2.go m, runtime/traceback.go (stack jumps), runtime/asm_amd64.s (systemstack,
 * mcall, morestack, asmcgocall, gogo), runtime/sys_linux_amd64.s (vDSO calls, sigtramp),
 * runtime/race_amd64.s (1.18-1.27).
 *
 * A thread executes on one of three stacks: its goroutine's, g0 (the scheduler, C), gsignal.  Where
 * the goroutine's own frames begin depends on how it was left:
 *
 *   on the goroutine's stack   the registers; of C code there (the vDSO's getrandom) as below
 *   on gsignal                 the registers at the interruption, which the kernel put at its top;
 *                              then as below
 *   on g0, in the vDSO         m.vdsoPC and m.vdsoSP
 *   on g0, in the race detector  nothing is saved in g: racecall keeps the stack pointer in a
 *                              register that C code may have pushed.  It is looked for among the
 *                              registers and the words of g0, and must lead to a whole stack
 *   on g0 otherwise            g.sched (systemstack, mcall, morestack, asmcgocall save it)
 *   in gogo                    g.sched, too: its registers are not loaded yet
 *
 * What does not reach its outermost frame is marked as partial. */
#include <stdlib.h>

#include "rt/capture_int.h"

enum {
    MS_MAX = 1 << 20,
    SAMPLE_ROUNDS = 64,
    GSIGNAL_MAX = 1 << 20,
    G0_SCAN = 64 << 10,
    VECTORS_MAX = 64 << 10 / 8
};

/* ---- Ms ---- */

static void parse_m(const struct rt *rt, taddr addr, const uint8_t *p, struct mrec *m)
{
    const struct rt_layout *l = &rt->layout;
    *m = (struct mrec){
        .addr = addr,
        .g0 = rt_get(l, p, RT_m_g0),
        .gsignal = rt_get(l, p, RT_m_gsignal),
        .curg = rt_get(l, p, RT_m_curg),
        .p = rt_get(l, p, RT_m_p),
        .oldp = rt_get(l, p, RT_m_oldp),
        .lockedg = rt_get(l, p, RT_m_lockedg),
        .vdso_sp = rt_get(l, p, RT_m_vdso_sp),
        .vdso_pc = rt_get(l, p, RT_m_vdso_pc),
        .id = rt_get_i(l, p, RT_m_id),
        .procid = rt_get(l, p, RT_m_procid),
        .spinning = rt_get(l, p, RT_m_spinning) != 0,
        .blocked = rt_get(l, p, RT_m_blocked) != 0,
        .incgo = rt_get(l, p, RT_m_incgo) != 0,
        .isextra = rt_get(l, p, RT_m_isextra) != 0,
        .ncgo = (int32_t)rt_get_i(l, p, RT_m_ncgo),
        .thread = SNAP_NONE,
        .gi = SNAP_NONE,
    };
}

static taddr g_word(const struct capture *c, taddr g, enum rt_field f)
{
    taddr v = 0;
    if (g && rt_has(&c->rt->layout, f))
        err_free(target_read_u64(c->t, g + (taddr)c->rt->layout.off[f], &v));
    return v;
}

static void read_m_stacks(struct capture *c, struct mrec *m)
{
    m->g0_lo = g_word(c, m->g0, RT_g_stack_lo);
    m->g0_hi = g_word(c, m->g0, RT_g_stack_hi);
    m->gsignal_lo = g_word(c, m->gsignal, RT_g_stack_lo);
    m->gsignal_hi = g_word(c, m->gsignal, RT_g_stack_hi);
}

static struct err *read_ms(struct capture *c)
{
    size_t size = (size_t)c->rt->layout.size[RT_STRUCT_m];
    VEC(struct mrec) ms = {0};
    uint8_t *p = mem_alloc(size);
    taddr at = 0;
    struct err *e = G(c->rt, allm) ? target_read_u64(c->t, G(c->rt, allm), &at) : NULL;
    while (!e && at && ms.n < MS_MAX && map_get(&c->m_by_addr, at) == MAP_NONE) {
        e = target_read(c->t, at, p, size);
        if (e)
            break;
        struct mrec m;
        parse_m(c->rt, at, p, &m);
        read_m_stacks(c, &m);
        map_put(&c->m_by_addr, at, (uint32_t)ms.n);
        vec_push(&ms, m);
        at = rt_get(&c->rt->layout, p, RT_m_alllink);
    }
    free(p);
    c->ms = ms.v;
    c->nms = ms.n;
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

/* ---- the goroutine of a running thread ---- */

struct running {
    struct capture *c;
    struct unwinder *u;
    const struct mrec *m;
    const struct rt_g *g;
    taddr pc, sp; /* where the last walk began */
    bool exact;
};

static enum walk_end walk_from(struct running *r, taddr pc, taddr sp, bool exact)
{
    r->pc = pc;
    r->sp = sp;
    r->exact = exact;
    struct walk w = {.pc = pc, .sp = sp, .exact = exact, .spwrite_ok = true, .spwrite_all = exact};
    capture_bounds(r->g, &w);
    unwinder_begin(r->u);
    unwinder_walk(r->u, &w);
    return w.end;
}

/* Whether v is a stack pointer that racecall put away: a return address is there, and a whole stack
 * above it. */
static bool is_hidden_sp(struct running *r, taddr v)
{
    taddr pc = 0;
    if ((v & 7) || !within(v, r->g->stack_lo, r->g->stack_hi))
        return false;
    err_free(target_read_u64(r->c->t, v, &pc));
    return rt_is_go_code(r->c->rt, pc) && walk_from(r, pc, v + 8, false) == WALK_TOP;
}

/* Looks for the goroutine's stack pointer where C code keeps it. */
static bool walk_hidden(struct running *r, const struct arch_regs *regs)
{
    for (size_t i = 0; i + 8 <= regs->raw_n; i += 8) {
        uint64_t v;
        memcpy(&v, regs->raw + i, 8);
        if (is_hidden_sp(r, v))
            return true;
    }
    taddr top = min_u64(r->m->g0_hi, regs->sp + G0_SCAN);
    uint64_t *words = NULL;
    size_t n = top > regs->sp ? (top - regs->sp) / 8 : 0;
    bool found = false;
    err_free(rt_read_array(r->c->t, "a stack", regs->sp, n, 8, G0_SCAN / 8, (void **)&words));
    for (size_t i = 0; words && i < n && !found; i++)
        found = is_hidden_sp(r, words[i]);
    free(words);
    return found;
}

static bool in_racecall(struct running *r, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(r->c->rt, pc, &f, NULL) && strncmp(f.name, "racecall", 8) == 0;
}

/* How g0 was entered.  Go code there leads to the function that switched; below C code the return
 * address at the very bottom tells, unless it is left over from an earlier call. */
static bool entered_by_racecall(struct running *r, const struct arch_regs *regs)
{
    struct walk w = {.pc = regs->pc,
                     .sp = regs->sp,
                     .exact = true,
                     .spwrite_ok = true,
                     .lo = r->m->g0_lo,
                     .hi = r->m->g0_hi};
    if (in_racecall(r, regs->pc))
        return true;
    if (rt_is_go_code(r->c->rt, regs->pc)) {
        unwinder_begin(r->u);
        unwinder_walk(r->u, &w);
        if (w.end != WALK_UNKNOWN)
            return in_racecall(r, w.pc);
    }
    taddr at = (g_word(r->c, r->m->g0, RT_g_sched_sp) & ~(taddr)15) - 8, pc = 0;
    if (at < regs->sp || !within(at, r->m->g0_lo, r->m->g0_hi))
        return false;
    err_free(target_read_u64(r->c->t, at, &pc));
    return in_racecall(r, pc);
}

static bool in_gogo(struct running *r, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(r->c->rt, pc, &f, NULL) &&
           (strcmp(f.name, "runtime.gogo") == 0 || strcmp(f.name, "gogo") == 0);
}

/* A goroutine that enters or leaves a system call and for that calls something on g0. */
static bool is_deeper(const struct rt_g *g)
{
    return within(g->sched_sp, g->stack_lo, g->stack_hi) && g->sched_sp < g->syscallsp;
}

static enum walk_end walk_saved(struct running *r)
{
    if (within(r->m->vdso_sp, r->g->stack_lo, r->g->stack_hi))
        return walk_from(r, r->m->vdso_pc, r->m->vdso_sp, false);
    if (r->g->syscallsp && !is_deeper(r->g))
        return walk_from(r, r->g->syscallpc, r->g->syscallsp, false);
    return walk_from(r, r->g->sched_pc, r->g->sched_sp, false);
}

/* Builds the stack of the goroutine in the unwinder.  On its own stack the registers are right, and
 * what it saved is of another time, but for the place where it entered a system call. */
static enum walk_end walk_running(struct running *r, const struct arch_regs *regs)
{
    if (!within(regs->sp, r->g->stack_lo, r->g->stack_hi)) {
        if (!r->m->vdso_sp && entered_by_racecall(r, regs) && walk_hidden(r, regs))
            return WALK_TOP;
        return walk_saved(r);
    }
    if (in_gogo(r, regs->pc))
        return walk_from(r, r->g->sched_pc, r->g->sched_sp ? r->g->sched_sp : regs->sp, false);
    enum walk_end end = walk_from(r, regs->pc, regs->sp, true);
    if (end == WALK_TOP || end == WALK_LIMIT)
        return end;
    if (within(r->m->vdso_sp, regs->sp, r->g->stack_hi)) /* vgetrandom does not leave the stack */
        return walk_from(r, r->m->vdso_pc, r->m->vdso_sp, false);
    if (r->g->syscallsp)
        return walk_from(r, r->g->syscallpc, r->g->syscallsp, false);
    return end;
}

/* The registers that a signal interrupted, when the thread is in a handler.  Whatever the handler
 * does and calls, what the kernel left at the top of the stack names this very stack; what signals
 * within the handler left lies below it. */
static bool interrupted(struct capture *c, const struct mrec *m, taddr sp,
                        struct arch_sigframe *ret)
{
    const struct arch *arch = target_arch(c->t);
    struct arch_sigframe frame;
    uint64_t *words = NULL;
    size_t n = (m->gsignal_hi - sp) / 8;
    bool found = false;
    err_free(rt_read_array(c->t, "a signal stack", sp, n, 8, GSIGNAL_MAX / 8, (void **)&words));
    for (size_t i = n; words && i-- > 0 && !found;)
        found = arch->from_sigframe((const uint8_t *)(words + i), (n - i) * 8, &frame) &&
                frame.stack_lo == m->gsignal_lo && frame.stack_n == m->gsignal_hi - m->gsignal_lo;
    free(words);
    if (found)
        *ret = frame;
    return found;
}

/* A handler that makes the goroutine call something (asyncPreempt, sigpanic) pushes the return
 * address first, and then sets the program counter: in between, the stack pointer is one word off.
 * Go: runtime/signal_amd64.go pushCall, preparePanic. */
static taddr without_pushed_pc(struct running *r, const struct arch_regs *regs)
{
    taddr word = 0;
    err_free(target_read_u64(r->c->t, regs->sp, &word));
    return word == regs->pc ? regs->sp + 8 : regs->sp;
}

/* Keeps the floating point and vector registers of a goroutine that a signal interrupted: the
 * kernel put them on the signal stack, above all else. */
static void keep_interrupted_vectors(struct capture *c, struct goroutine *g, const struct mrec *m,
                                     const struct arch_sigframe *frame)
{
    size_t n = within(frame->extended, m->gsignal_lo, m->gsignal_hi)
                   ? (m->gsignal_hi - frame->extended) / 8
                   : 0;
    if (!c->o->heap || n > VECTORS_MAX)
        return;
    uint64_t *words = arena_array(&c->arena, uint64_t, n);
    struct err *e = target_read(c->t, frame->extended, words, n * 8);
    g->vectors = words;
    g->nvectors = e ? 0 : n;
    err_free(e);
}

/* Where the stack was walked from, and the registers when they are the innermost frame's. */
static void keep_start(const struct running *r, struct goroutine *g, const struct arch_regs *regs)
{
    g->pc = r->pc;
    g->sp = r->sp;
    g->exact = r->exact;
    g->regs = NULL;
    g->nregs = regs ? regs->raw_n / 8 : 0;
    if (g->nregs)
        g->regs = memcpy(arena_alloc(&r->c->arena, regs->raw_n), regs->raw, regs->raw_n);
}

/* t: the thread; NULL: its other registers are not known. */
static void take_running(struct capture *c, const struct mrec *m, const struct arch_regs *regs,
                         const struct target_thread *t)
{
    struct goroutine *g = &c->gs[m->gi];
    struct worker *w = &c->workers[0];
    struct running r = {.c = c, .u = w->u, .m = m, .g = &g->g};
    struct arch_sigframe before;
    g->vectors = NULL;
    g->nvectors = 0;
    if (within(regs->sp, m->gsignal_lo, m->gsignal_hi) && interrupted(c, m, regs->sp, &before)) {
        before.regs.sp = without_pushed_pc(&r, &before.regs);
        regs = &before.regs;
        keep_interrupted_vectors(c, g, m, &before);
    } else if (t && t->extended && c->o->heap) {
        g->nvectors = t->extended_n / 8;
        g->vectors = memcpy(arena_alloc(&c->arena, t->extended_n), t->extended, t->extended_n);
    }
    enum walk_end end = walk_running(&r, regs);
    locals_take(c->locals, m->gi, regs);
    keep_start(&r, g, within(regs->sp, g->g.stack_lo, g->g.stack_hi) ? regs : NULL);
    g->node = unwinder_commit(w->u);
    g->depth = (uint32_t)unwinder_depth(w->u);
    g->worker = 0;
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
    return st == SNAP_G_RUNNING || (g->m == m->addr && capture_may_run(st));
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

static struct err *read_m(struct capture *c, taddr addr, struct mrec *m)
{
    uint8_t *p = mem_alloc((size_t)c->rt->layout.size[RT_STRUCT_m]);
    struct err *e = target_read(c->t, addr, p, (size_t)c->rt->layout.size[RT_STRUCT_m]);
    if (!e)
        parse_m(c->rt, addr, p, m);
    free(p);
    return e;
}

/* While the thread stands: if it still runs the goroutine, its stack. */
static struct err *sample_thread(void *arg, const struct arch_regs *regs)
{
    struct sample *s = arg;
    struct capture *c = s->c;
    struct mrec m;
    struct err *e = read_m(c, s->m->addr, &m);
    if (!e) {
        read_m_stacks(c, &m);
        m.gi = capture_g_index(c, m.curg);
    }
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
    TRY(read_m(c, maddr, m));
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
        if (g->g.m)
            err_free(find_thread(c, g->g.m, &m, &tid)); /* of an M that is gone by now: once more */
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
