/* running.c - Ms, and where the frames of a goroutine begin that runs on a thread.
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

enum { MS_MAX = 1 << 20, GSIGNAL_MAX = 1 << 20, G0_SCAN = 64 << 10 };

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
        .next = rt_get(l, p, RT_m_alllink),
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

static taddr g_word(const struct rt *rt, struct target *t, taddr g, enum rt_field f)
{
    taddr v = 0;
    if (g && rt_has(&rt->layout, f))
        err_free(target_read_u64(t, g + (taddr)rt->layout.off[f], &v));
    return v;
}

static void read_m_stacks(const struct rt *rt, struct target *t, struct mrec *m)
{
    m->g0_lo = g_word(rt, t, m->g0, RT_g_stack_lo);
    m->g0_hi = g_word(rt, t, m->g0, RT_g_stack_hi);
    m->gsignal_lo = g_word(rt, t, m->gsignal, RT_g_stack_lo);
    m->gsignal_hi = g_word(rt, t, m->gsignal, RT_g_stack_hi);
}

struct err *rt_read_m(const struct rt *rt, struct target *t, taddr addr, struct mrec *ret)
{
    uint8_t *p = mem_alloc((size_t)rt->layout.size[RT_STRUCT_m]);
    struct err *e = target_read(t, addr, p, (size_t)rt->layout.size[RT_STRUCT_m]);
    if (!e) {
        parse_m(rt, addr, p, ret);
        read_m_stacks(rt, t, ret);
    }
    free(p);
    return e;
}

struct err *rt_read_allm(const struct rt *rt, struct target *t, struct map *by_addr,
                         struct mrec **ret, size_t *ret_n)
{
    VEC(struct mrec) ms = {0};
    taddr at = 0;
    struct err *e = G(rt, allm) ? target_read_u64(t, G(rt, allm), &at) : NULL;
    while (!e && at && ms.n < MS_MAX && map_get(by_addr, at) == MAP_NONE) {
        struct mrec m;
        e = rt_read_m(rt, t, at, &m);
        if (e)
            break;
        map_put(by_addr, at, (uint32_t)ms.n);
        vec_push(&ms, m);
        at = m.next;
    }
    *ret = ms.v;
    *ret_n = ms.n;
    return e;
}

static bool within(taddr v, taddr lo, taddr hi)
{
    return v >= lo && v < hi;
}

/* ---- the goroutine of a running thread ---- */

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
    err_free(target_read_u64(r->t, v, &pc));
    return rt_is_go_code(r->rt, pc) && walk_from(r, pc, v + 8, false) == WALK_TOP;
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
    err_free(rt_read_array(r->t, "a stack", regs->sp, n, 8, G0_SCAN / 8, (void **)&words));
    for (size_t i = 0; words && i < n && !found; i++)
        found = is_hidden_sp(r, words[i]);
    free(words);
    return found;
}

static bool in_racecall(struct running *r, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(r->rt, pc, &f, NULL) && strncmp(f.name, "racecall", 8) == 0;
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
    if (rt_is_go_code(r->rt, regs->pc)) {
        unwinder_begin(r->u);
        unwinder_walk(r->u, &w);
        if (w.end != WALK_UNKNOWN)
            return in_racecall(r, w.pc);
    }
    taddr at = (g_word(r->rt, r->t, r->m->g0, RT_g_sched_sp) & ~(taddr)15) - 8, pc = 0;
    if (at < regs->sp || !within(at, r->m->g0_lo, r->m->g0_hi))
        return false;
    err_free(target_read_u64(r->t, at, &pc));
    return in_racecall(r, pc);
}

static bool in_gogo(struct running *r, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(r->rt, pc, &f, NULL) &&
           (strcmp(f.name, "runtime.gogo") == 0 || strcmp(f.name, "gogo") == 0);
}

/* A goroutine that enters or leaves a system call and for that calls something on g0. */
static bool is_deeper(const struct rt_g *g)
{
    return within(g->sched_sp, g->stack_lo, g->stack_hi) && g->sched_sp < g->more->syscallsp;
}

static enum walk_end walk_saved(struct running *r)
{
    if (within(r->m->vdso_sp, r->g->stack_lo, r->g->stack_hi))
        return walk_from(r, r->m->vdso_pc, r->m->vdso_sp, false);
    if (r->g->more->syscallsp && !is_deeper(r->g))
        return walk_from(r, r->g->more->syscallpc, r->g->more->syscallsp, false);
    return walk_from(r, r->g->sched_pc, r->g->sched_sp, false);
}

/* Builds the stack of the goroutine in the unwinder.  On its own stack the registers are right, and
 * what it saved is of another time, but for the place where it entered a system call. */
enum walk_end running_walk(struct running *r, const struct arch_regs *regs)
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
    if (r->g->more->syscallsp)
        return walk_from(r, r->g->more->syscallpc, r->g->more->syscallsp, false);
    return end;
}

/* The registers that a signal interrupted, when the thread is in a handler.  Whatever the handler
 * does and calls, what the kernel left at the top of the stack names this very stack; what signals
 * within the handler left lies below it. */
bool running_interrupted(struct target *t, const struct mrec *m, taddr sp,
                         struct arch_sigframe *ret)
{
    const struct arch *arch = target_arch(t);
    struct arch_sigframe frame;
    uint64_t *words = NULL;
    size_t n = (m->gsignal_hi - sp) / 8;
    bool found = false;
    err_free(rt_read_array(t, "a signal stack", sp, n, 8, GSIGNAL_MAX / 8, (void **)&words));
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
taddr running_unpushed_sp(struct running *r, const struct arch_regs *regs)
{
    taddr word = 0;
    err_free(target_read_u64(r->t, regs->sp, &word));
    return word == regs->pc ? regs->sp + 8 : regs->sp;
}
