/* stepper.c - looks at a running goroutine at every instruction, and knows where it must be.
 *
 *     stepper PID TID [key=value ...]
 *
 *     steps=N     instructions, from when it first was in code of the target   (100000)
 *     each=N      looks at one instruction in one situation, at most      (2)
 *     sysmon=0|1  lets the runtime's watcher run, which preempts what is slow (0)
 *     show=N      states that are not exact and are printed in full       (10)
 *
 * It single-steps one thread and keeps, for each goroutine it meets, the return addresses that its
 * call instructions have pushed and not given back: that is the stack as the processor had it,
 * whatever tables and saved contexts say (a shadow stack; places count from the top of the stack,
 * so that a copied stack stays the same).  At each step it captures the process the way gospect
 * does and compares the physical frames of the thread's goroutine with it.
 *
 * One line of JSON for each state that was not exact (up to show) and one with the sums:
 *     exact     every frame, from the program counter to the outermost
 *     caller    exact from the place where the runtime was entered, which is what the runtime
 * itself would tell of a goroutine that is in a system call partial   marked as partial, and no
 * frame wrong lie       anything else
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/vec.h"
#include "rt/rt_int.h"
#include "target/target_int.h"

enum {
    NR_SIGRETURN = 15,
    NR_NANOSLEEP = 35,
    TRIES = 20,
    IN_CALL_FRAMES = 8,
    PATIENCE = 5,
    FIRST_STEPS = 3000000
};

/* ---- a target whose only thread with registers is the one that is stepped ---- */

struct stepped {
    struct target t;
    struct target *live;
    pid_t tid;
    struct arch_regs regs;
};

static struct stepped *of(struct target *t)
{
    return (struct stepped *)t;
}

static struct err *step_readv(struct target *t, struct target_iov *iov, size_t n)
{
    return target_readv(of(t)->live, iov, n);
}

static struct err *step_mappings(struct target *t, struct arena *a, struct target_mapping **ret,
                                 size_t *ret_n)
{
    return target_mappings(of(t)->live, a, ret, ret_n);
}

static struct err *step_threads(struct target *t, struct arena *a, struct target_thread **ret,
                                size_t *ret_n)
{
    TRY(target_threads(of(t)->live, a, ret, ret_n));
    for (size_t i = 0; i < *ret_n; i++)
        if ((*ret)[i].tid == of(t)->tid) {
            (*ret)[i].have_regs = true;
            (*ret)[i].regs = of(t)->regs;
        }
    return NULL;
}

static struct err *step_process(struct target *t, struct arena *a, struct target_process *ret)
{
    return target_process(of(t)->live, a, ret);
}

static struct err *step_image(struct target *t, struct image **ret, taddr *ret_slide)
{
    return target_image(of(t)->live, ret, ret_slide);
}

static void step_close(struct target *t)
{
}

static const struct target_ops step_ops = {
    .kind = TARGET_STOP,
    .readv = step_readv,
    .mappings = step_mappings,
    .threads = step_threads,
    .process = step_process,
    .image = step_image,
    .close = step_close,
};

/* ---- what is known of the goroutines ---- */

struct pushed {
    uint64_t off; /* bytes below the top of the stack */
    taddr pc;
};

struct shadow {
    taddr g;
    uint64_t goid;
    bool known;
    VEC(struct pushed) calls; /* outermost first */
};

struct gstate { /* of the goroutine that the thread is running */
    taddr g, lo, hi, sched_pc, sched_sp;
    bool locked; /* to this thread: nobody else runs it */
    uint64_t goid;
    uint32_t status;
};

struct tally {
    char name[96];
    uint64_t n[4];
};

enum verdict { EXACT, CALLER, PARTIAL, LIE };
static const char *const verdicts[] = {"exact", "caller", "partial", "lie"};

struct stepper {
    struct stepped target;
    struct rt *rt;
    taddr m;
    VEC(struct shadow) shadows;
    VEC(struct tally) tallies;
    struct map seen;
    uint64_t sums[4], steps, looks, adopted, signals, injected, shown, unseen;
    long max_steps, each, show, sysmon;
    struct gstate now;
    struct arch_regs interrupted; /* where the last signal came */
    bool interrupted_on;          /* on the goroutine's own stack */
};

static struct err *read_state(struct stepper *s, struct gstate *ret)
{
    const struct rt_layout *l = &s->rt->layout;
    size_t size = (size_t)l->size[RT_STRUCT_g];
    uint8_t copy[4096];
    *ret = (struct gstate){0};
    TRY(target_read_u64(s->target.live, s->m + (taddr)l->off[RT_m_curg], &ret->g));
    if (!ret->g)
        return NULL;
    TRY(target_read(s->target.live, ret->g, copy, min_u64(size, sizeof(copy))));
    ret->lo = rt_get(l, copy, RT_g_stack_lo);
    ret->hi = rt_get(l, copy, RT_g_stack_hi);
    ret->sched_pc = rt_get(l, copy, RT_g_sched_pc);
    ret->sched_sp = rt_get(l, copy, RT_g_sched_sp);
    ret->goid = rt_get(l, copy, RT_g_goid);
    ret->locked = rt_get(l, copy, RT_g_lockedm) == s->m;
    ret->status = (uint32_t)rt_get(l, copy, RT_g_atomicstatus) & 0xfff;
    return NULL;
}

static struct shadow *shadow_of(struct stepper *s, const struct gstate *g)
{
    for (size_t i = 0; i < s->shadows.n; i++) {
        struct shadow *sh = &s->shadows.v[i];
        if (sh->g != g->g)
            continue;
        if (sh->goid != g->goid) {
            sh->goid = g->goid;
            sh->known = false;
            sh->calls.n = 0;
        }
        return sh;
    }
    struct shadow sh = {.g = g->g, .goid = g->goid};
    vec_push(&s->shadows, sh);
    return &s->shadows.v[s->shadows.n - 1];
}

static bool on_stack(const struct gstate *g, taddr sp)
{
    return g->g && sp >= g->lo && sp < g->hi;
}

static void push_call(struct shadow *sh, const struct gstate *g, taddr at, taddr pc)
{
    struct pushed p = {g->hi - at, pc};
    vec_push(&sh->calls, p);
}

static const char *func_name(struct stepper *s, taddr pc)
{
    struct pcln_func f;
    return rt_func_at(s->rt, pc, &f, NULL) ? f.name : "?";
}

/* What the instruction at `was` did to the goroutine's stack. */
static void follow(struct stepper *s, const struct gstate *g, const struct arch_regs *was,
                   const struct arch_insn *insn, const struct arch_regs *now, bool was_on)
{
    struct shadow *sh = shadow_of(s, g);
    if (!sh->known || !on_stack(g, now->sp))
        return;
    while (sh->calls.n && g->hi - sh->calls.v[sh->calls.n - 1].off < now->sp)
        sh->calls.n--;
    if (insn->is_call && was_on && now->sp == was->sp - 8)
        push_call(sh, g, now->sp, was->pc + insn->len);
    else if (!was_on && strcmp(func_name(s, now->pc), "runtime.cgocallback") == 0)
        push_call(sh, g, g->sched_sp - 8, g->sched_pc);
}

/* A handler has returned: to a call that it made up? */
static void follow_sigreturn(struct stepper *s, const struct gstate *g, const struct arch_regs *now)
{
    uint64_t pc = 0;
    if (!on_stack(g, now->sp) || now->sp != s->interrupted.sp - 8)
        return;
    err_free(target_read_u64(s->target.live, now->sp, &pc));
    push_call(shadow_of(s, g), g, now->sp, pc);
    s->injected++;
}

/* Takes over what we see of a goroutine that is in code of the target: each return address is
 * looked for from the stack pointer up (the runtime's code may hold copies of them). */
static void adopt(struct stepper *s, const struct gstate *g, const taddr *pcs, size_t n)
{
    struct shadow *sh = shadow_of(s, g);
    taddr at = s->target.regs.sp;
    struct pushed found[SNAP_DEPTH_MAX];
    for (size_t i = 0; i < n; i++, at += 8) {
        uint64_t word = 0;
        for (; at < g->hi; at += 8) {
            err_free(target_read_u64(s->target.live, at, &word));
            if (word == pcs[i])
                break;
        }
        if (at >= g->hi)
            return;
        found[n - 1 - i] = (struct pushed){g->hi - at, pcs[i]};
    }
    sh->calls.n = 0;
    for (size_t i = 0; i < n; i++)
        vec_push(&sh->calls, found[i]);
    sh->known = true;
    s->adopted++;
}

/* ---- comparing ---- */

struct view {
    VEC(taddr) pc; /* innermost first */
    bool partial, found;
};

static void take_view(const struct snap *sn, taddr g, struct view *v)
{
    v->pc.n = 0;
    v->found = false;
    for (size_t i = 0; i < sn->goroutine.n; i++) {
        if (sn->goroutine.addr[i] != g)
            continue;
        v->found = true;
        v->partial = (sn->goroutine.flags[i] & SNAP_GF_STACK_PARTIAL) != 0;
        for (uint32_t node = sn->goroutine.stack[i]; node != SNAP_NONE;
             node = sn->stack.parent[node])
            vec_push(&v->pc, sn->pc.addr[sn->stack.pc[node]]);
    }
}

/* Whether frames from number `from` on are the calls but the innermost `skip`; as far as frames go
 * when `prefix`. */
static bool same(const struct view *v, size_t from, const struct shadow *sh, size_t skip,
                 bool prefix)
{
    if (from > v->pc.n || skip > sh->calls.n)
        return false;
    size_t have = v->pc.n - from, want = sh->calls.n - skip;
    if (prefix ? have > want : have != want)
        return false;
    for (size_t i = 0; i < have; i++)
        if (v->pc.v[from + i] != sh->calls.v[sh->calls.n - 1 - skip - i].pc)
            return false;
    return true;
}

/* The same but for the place in the innermost of these frames: a system call is told by the place
 * where it was entered. */
static bool same_func(struct stepper *s, taddr a, taddr b)
{
    struct pcln_func f, g;
    return rt_func_at(s->rt, a, &f, NULL) && rt_func_at(s->rt, b, &g, NULL) && f.entry == g.entry;
}

static bool same_callers(struct stepper *s, const struct view *v, const struct shadow *sh, bool on,
                         size_t skip)
{
    if (!v->pc.n || skip > sh->calls.n)
        return false;
    if (on && skip == 0 && same_func(s, v->pc.v[0], s->target.regs.pc) && same(v, 1, sh, 0, false))
        return true;
    return skip < sh->calls.n && same(v, 1, sh, skip + 1, false) &&
           same_func(s, v->pc.v[0], sh->calls.v[sh->calls.n - 1 - skip].pc);
}

/* In a handler: frames from where the signal came, or from what the handler made it call. */
static bool from_interruption(struct stepper *s, const struct view *v, const struct shadow *sh)
{
    taddr pc = s->interrupted.pc;
    if (!s->interrupted_on || v->pc.n < 2)
        return false;
    if (v->pc.v[0] == pc && same(v, 1, sh, 0, false))
        return true;
    const char *made = func_name(s, v->pc.v[0]);
    return (strstr(made, "asyncPreempt") || strstr(made, "sigpanic")) && v->pc.v[1] == pc &&
           same(v, 2, sh, 0, false);
}

static enum verdict judge(struct stepper *s, const struct gstate *g, const struct view *v,
                          const struct shadow *sh, const struct arch_regs *r)
{
    bool on = on_stack(g, r->sp), gogo = strstr(func_name(s, r->pc), "gogo") != NULL;
    bool first = v->pc.n && (v->pc.v[0] == r->pc || v->pc.v[0] == g->sched_pc ||
                             strstr(func_name(s, v->pc.v[0]), "systemstack_switch"));
    if (!v->partial && on && !gogo && v->pc.n && v->pc.v[0] == r->pc && same(v, 1, sh, 0, false))
        return EXACT;
    if (!v->partial && (!on || gogo) &&
        (same(v, 0, sh, 0, false) || (first && same(v, 1, sh, 0, false))))
        return EXACT;
    if (!v->partial && !on && from_interruption(s, v, sh))
        return EXACT;
    for (size_t skip = 0; skip < IN_CALL_FRAMES && !v->partial; skip++)
        if (same_callers(s, v, sh, on, skip))
            return CALLER;
    if (v->partial && (same(v, 0, sh, 0, true) || same(v, 1, sh, 0, true)))
        return PARTIAL;
    return LIE;
}

static void put_pcs(struct json *j, struct stepper *s, const char *key, const struct view *v,
                    const struct shadow *sh)
{
    size_t n = v ? v->pc.n : sh->calls.n;
    json_key(j, key);
    json_begin(j, '[');
    for (size_t i = 0; i < n && i < 40; i++) {
        char text[160];
        taddr pc = v ? v->pc.v[i] : sh->calls.v[n - 1 - i].pc;
        struct pcln_func f;
        bool known = rt_func_at(s->rt, pc, &f, NULL);
        snprintf(text, sizeof(text), "%s+%#" PRIx64, known ? f.name : "?",
                 known ? pc - f.entry : pc);
        json_str(j, text);
    }
    json_end(j, ']');
}

static struct err *to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static void show(struct stepper *s, const char *what, const struct gstate *g, const struct view *v,
                 const struct shadow *sh)
{
    struct json j;
    const struct arch_regs *r = &s->target.regs;
    char at[160];
    struct pcln_func f;
    bool known = rt_func_at(s->rt, r->pc, &f, NULL);
    snprintf(at, sizeof(at), "%s+%#" PRIx64, known ? f.name : "?", known ? r->pc - f.entry : r->pc);
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
    json_kstr(&j, "verdict", what);
    json_kstr(&j, "at", at);
    json_ku64(&j, "step", s->steps);
    json_ku64(&j, "status", g->status);
    json_kstr(&j, "on", on_stack(g, r->sp) ? "goroutine" : "other");
    json_ku64(&j, "goid", g->goid);
    put_pcs(&j, s, "ours", v, NULL);
    put_pcs(&j, s, "truth", NULL, sh);
    json_end(&j, '}');
    err_free(json_finish(&j));
    putchar('\n');
}

static void count(struct stepper *s, enum verdict verdict, bool on)
{
    char name[96];
    s->sums[verdict]++;
    snprintf(name, sizeof(name), "%s %s", on ? "goroutine" : "other",
             func_name(s, s->target.regs.pc));
    for (size_t i = 0; i < s->tallies.n; i++)
        if (strcmp(s->tallies.v[i].name, name) == 0) {
            s->tallies.v[i].n[verdict]++;
            return;
        }
    struct tally t = {.n = {0}};
    snprintf(t.name, sizeof(t.name), "%s", name);
    t.n[verdict] = 1;
    vec_push(&s->tallies, t);
}

/* Each instruction is looked at a few times in each situation only. */
static bool is_new(struct stepper *s, const struct gstate *g, const struct shadow *sh)
{
    taddr pc = s->target.regs.pc;
    uint64_t key = pc * 31 + g->status, top = sh->calls.n ? sh->calls.v[sh->calls.n - 1].pc : 0;
    bool added;
    key = (key * 31 + top) * 2 + on_stack(g, s->target.regs.sp);
    uint32_t n = map_get_or_put(&s->seen, key, 1, &added);
    if (added)
        return true;
    map_put(&s->seen, key, n + 1);
    return n < (uint32_t)s->each;
}

static bool can_adopt(struct stepper *s, const struct gstate *g)
{
    return on_stack(g, s->target.regs.sp) &&
           strncmp(func_name(s, s->target.regs.pc), "main.", 5) == 0;
}

static struct err *look(struct stepper *s)
{
    struct rt_capture_options o = {.consistency = RT_PROCESS};
    struct gstate g;
    struct view v = {0};
    struct snap *sn = NULL;
    TRY(read_state(s, &s->now));
    g = s->now;
    if (!g.g)
        return NULL;
    struct shadow *sh = shadow_of(s, &g);
    if (sh->known ? !is_new(s, &g, sh) : !can_adopt(s, &g))
        return NULL;
    struct err *e = NULL;
    for (int i = 0; i < TRIES && !sn; i++) { /* the other threads run on: a list may change */
        err_free(e);
        e = rt_capture(s->rt, &o, &sn);
    }
    if (e)
        return e;
    take_view(sn, g.g, &v);
    snap_free(sn);
    s->looks++;
    bool on = on_stack(&g, s->target.regs.sp);
    if (!v.found) {
        s->unseen++;
    } else if (sh->known) {
        enum verdict verdict = judge(s, &g, &v, sh, &s->target.regs);
        count(s, verdict, on);
        if (verdict > CALLER && s->shown < (uint64_t)s->show) {
            s->shown++;
            show(s, verdicts[verdict], &g, &v, sh);
        }
    } else if (!v.partial && v.pc.n && v.pc.v[0] == s->target.regs.pc) {
        adopt(s, &g, v.pc.v + 1, v.pc.n - 1);
    }
    vec_free(&v.pc);
    return NULL;
}

/* ---- stepping ---- */

static struct err *get_regs(struct stepper *s)
{
    struct arch_regs *r = &s->target.regs;
    struct iovec iov = {r->raw, sizeof(r->raw)};
    if (ptrace(PTRACE_GETREGSET, s->target.tid, NT_PRSTATUS, &iov) < 0)
        return err_sys(errno, "registers");
    r->raw_n = iov.iov_len;
    return target_arch(s->target.live)->from_raw(r)
               ? NULL
               : err_new(ERR_BAD_DATA, "registers of %zu bytes", iov.iov_len);
}

/* Waits until the thread stops; *stopsig 0: it is gone, -1: it sits in the kernel. */
static void await(struct stepper *s, int *stopsig)
{
    int st;
    for (int i = 0; i < PATIENCE; i++) { /* a tick of the timer ends a wait */
        pid_t pid = waitpid(s->target.tid, &st, __WALL);
        if (pid > 0 || errno != EINTR) {
            *stopsig = pid > 0 && WIFSTOPPED(st) ? WSTOPSIG(st) : 0;
            return;
        }
    }
    *stopsig = -1;
}

static void tick(int sig)
{
}

static void start_ticking(void)
{
    struct sigaction sa = {.sa_handler = tick};
    struct itimerval every = {{1, 0}, {1, 0}};
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void hide_trap_flag(struct stepper *s)
{
    uint64_t flags = 0;
    err_free(target_read_u64(s->target.live, s->target.regs.sp, &flags));
    if (ptrace(PTRACE_POKEDATA, s->target.tid, (void *)s->target.regs.sp,
               (void *)(flags & ~0x100ull)) < 0)
        perror("stepper: cannot write");
}

static uint64_t call_number(const struct arch_regs *r)
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    return u.rax;
}

/* One instruction, or the delivery of a signal. */
static struct err *step(struct stepper *s, int *signal, bool *done)
{
    struct gstate before = s->now, after;
    struct arch_regs was = s->target.regs;
    struct arch_insn insn = {0};
    uint8_t code[16];
    err_free(target_read(s->target.live, was.pc, code, sizeof(code)));
    bool ok = target_arch(s->target.live)->decode(code, sizeof(code), was.pc, &insn);
    bool was_on = on_stack(&before, was.sp), delivers = *signal != 0;
    bool sigreturn = ok && insn.is_syscall && call_number(&was) == NR_SIGRETURN;
    if (delivers) {
        s->interrupted = was;
        s->interrupted_on = was_on;
    }
    if (ptrace(PTRACE_SINGLESTEP, s->target.tid, NULL, (void *)(intptr_t)*signal) < 0)
        return err_sys(errno, "step");
    int stopsig;
    await(s, &stopsig);
    *done = stopsig <= 0;
    if (*done)
        return NULL;
    *signal = stopsig == SIGTRAP ? 0 : stopsig;
    s->signals += *signal != 0;
    TRY(get_regs(s));
    if (code[0] == 0x9c && !delivers) /* pushf saw the flag by which we step */
        hide_trap_flag(s);
    TRY(read_state(s, &after));
    if (after.g && after.g != before.g && !after.locked)
        shadow_of(s, &after)->known = false;
    if (after.g && sigreturn)
        follow_sigreturn(s, &after, &s->target.regs);
    else if (after.g && !delivers)
        follow(s, &after, &was, &insn, &s->target.regs, was_on && before.g == after.g);
    return NULL;
}

/* Ahead of everybody else, and both on one processor, where we may: a step is two switches between
 * us and the thread.  Without this the scheduler of the target gets impatient at every call. */
static void hurry(struct stepper *s)
{
    struct sched_param p = {.sched_priority = 1};
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    sched_setaffinity(0, sizeof(here), &here);
    sched_setaffinity(s->target.tid, sizeof(here), &here);
    sched_setscheduler(0, SCHED_FIFO, &p);
    sched_setscheduler(s->target.tid, SCHED_FIFO, &p);
}

/* The thread is as it was, but for the processors that it may use. */
static void calm(struct stepper *s)
{
    struct sched_param p = {.sched_priority = 0};
    cpu_set_t all;
    memset(&all, 0xff, sizeof(all));
    sched_setscheduler(s->target.tid, SCHED_OTHER, &p);
    sched_setaffinity(s->target.tid, sizeof(all), &all);
}

static struct err *find_m(struct stepper *s)
{
    const struct rt_layout *l = &s->rt->layout;
    taddr at = 0;
    TRY(target_read_u64(s->target.live, G(s->rt, allm), &at));
    for (int i = 0; at && i < 10000; i++) {
        uint64_t procid = 0;
        TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_procid], &procid));
        if (procid == (uint64_t)s->target.tid) {
            s->m = at;
            return NULL;
        }
        TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_alllink], &at));
    }
    return err_new(ERR_NOT_FOUND, "thread %d is no M", s->target.tid);
}

/* The number of the system call that a thread sits in, and of an M without goroutine; or -1. */
static long idle_call(struct stepper *s, taddr m, uint64_t tid)
{
    const struct rt_layout *l = &s->rt->layout;
    taddr curg = 1, p = 1;
    long nr = -1;
    char path[64];
    err_free(target_read_u64(s->target.live, m + (taddr)l->off[RT_m_curg], &curg));
    err_free(target_read_u64(s->target.live, m + (taddr)l->off[RT_m_p], &p));
    snprintf(path, sizeof(path), "/proc/%d/task/%" PRIu64 "/syscall", target_pid(s->target.live),
             tid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%ld", &nr) != 1)
        nr = -1;
    if (f)
        fclose(f);
    return curg || p ? -1 : nr;
}

/* Stops the thread that watches for goroutines that run for long (runtime.sysmon): it would
 * preempt at every call, as slow as we make it.  It is the one that naps. */
static struct err *stop_watcher(struct stepper *s)
{
    const struct rt_layout *l = &s->rt->layout;
    for (int tries = 0; tries < 10000; tries++) {
        taddr at = 0;
        uint64_t tid = 0;
        TRY(target_read_u64(s->target.live, G(s->rt, allm), &at));
        for (int i = 0; at && i < 10000; i++) {
            TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_procid], &tid));
            if (idle_call(s, at, tid) == NR_NANOSLEEP) {
                int st;
                ptrace(PTRACE_SEIZE, (pid_t)tid, 0, 0);
                ptrace(PTRACE_INTERRUPT, (pid_t)tid, 0, 0);
                return waitpid((pid_t)tid, &st, __WALL) > 0 ? NULL : err_sys(errno, "sysmon");
            }
            TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_alllink], &at));
        }
        usleep(100);
    }
    return err_new(ERR_NOT_FOUND, "no thread naps");
}

static bool sits_in_call(struct stepper *s, uint64_t tid)
{
    char path[64];
    long nr;
    snprintf(path, sizeof(path), "/proc/%d/task/%" PRIu64 "/syscall", target_pid(s->target.live),
             tid);
    FILE *f = fopen(path, "r");
    bool sits = f && fscanf(f, "%ld", &nr) == 1; /* else: "running" */
    if (f)
        fclose(f);
    return sits;
}

/* Another thread that runs a goroutine: the one that was named has ended. */
static struct err *choose_thread(struct stepper *s)
{
    const struct rt_layout *l = &s->rt->layout;
    taddr at = 0;
    TRY(target_read_u64(s->target.live, G(s->rt, allm), &at));
    for (int i = 0; at && i < 10000; i++) {
        uint64_t tid = 0, g = 0;
        TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_procid], &tid));
        TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_curg], &g));
        if (g && tid && (pid_t)tid != s->target.tid && !sits_in_call(s, tid)) {
            s->target.tid = (pid_t)tid;
            return NULL;
        }
        TRY(target_read_u64(s->target.live, at + (taddr)l->off[RT_m_alllink], &at));
    }
    return err_new(ERR_NOT_FOUND, "no other thread runs a goroutine");
}

/* Threads end as they like, until they are traced. */
static struct err *seize(struct stepper *s)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct err *e = find_m(s);
        bool gone = e && err_code(e) == ERR_NOT_FOUND;
        if (e && !gone)
            return e;
        err_free(e);
        if (!gone && ptrace(PTRACE_SEIZE, s->target.tid, 0, 0) == 0)
            return ptrace(PTRACE_INTERRUPT, s->target.tid, 0, 0) == 0
                       ? NULL
                       : err_sys(errno, "interrupt thread %d", s->target.tid);
        if (!gone && errno != ESRCH)
            return err_sys(errno, "seize thread %d", s->target.tid);
        TRY(choose_thread(s));
    }
    return err_new(ERR_GONE, "%d threads ended before they could be seized", TRIES);
}

static bool trap_is_pending(pid_t tid)
{
    struct __ptrace_peeksiginfo_args args = {.nr = 1};
    siginfo_t info;
    for (; ptrace(PTRACE_PEEKSIGINFO, tid, &args, &info) == 1; args.off++)
        if (info.si_signo == SIGTRAP)
            return true;
    return false;
}

/* Detached while it runs, it would keep the flag by which it is stepped, and die of the next
 * instruction: it is stopped first, wherever it sits.  The kernel has then ended the step over the
 * system call, too: that trap waits behind the stop, and is taken.  Any other signal is passed on.
 */
static int stop_in_call(struct stepper *s)
{
    int stopsig = 0;
    if (ptrace(PTRACE_INTERRUPT, s->target.tid, 0, 0) == 0)
        await(s, &stopsig);
    while (stopsig == SIGTRAP && trap_is_pending(s->target.tid) &&
           ptrace(PTRACE_CONT, s->target.tid, 0, 0) == 0)
        await(s, &stopsig);
    return stopsig > 0 && stopsig != SIGTRAP ? stopsig : 0;
}

static void let_go(struct stepper *s, int signal, bool stopped)
{
    calm(s);
    if (!stopped)
        signal = stop_in_call(s);
    ptrace(PTRACE_DETACH, s->target.tid, NULL, (void *)(intptr_t)signal);
}

static struct err *step_until(struct stepper *s, int *signal, bool *sits)
{
    for (uint64_t i = 0; i < FIRST_STEPS && s->steps < (uint64_t)s->max_steps && !*sits; i++) {
        TRY(look(s));
        TRY(step(s, signal, sits));
        s->steps += s->adopted != 0;
    }
    return NULL;
}

static struct err *run(struct stepper *s)
{
    int signal = 0;
    bool sits = false;
    start_ticking();
    if (!s->sysmon)
        TRY(stop_watcher(s));
    TRY(seize(s));
    int stopsig;
    await(s, &stopsig);
    if (stopsig <= 0)
        return err_new(ERR_GONE, "thread %d does not stop", s->target.tid);
    TRY(get_regs(s));
    hurry(s);
    struct err *e = step_until(s, &signal, &sits);
    let_go(s, signal, !sits);
    return e;
}

static void print_sums(struct stepper *s)
{
    struct json j;
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
    json_kstr(&j, "verdict", "sums");
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        json_ku64(&j, verdicts[i], s->sums[i]);
    json_ku64(&j, "steps", s->steps);
    json_ku64(&j, "looks", s->looks);
    json_ku64(&j, "adopted", s->adopted);
    json_ku64(&j, "signals", s->signals);
    json_ku64(&j, "injected", s->injected);
    json_ku64(&j, "unseen", s->unseen);
    json_key(&j, "functions");
    json_begin(&j, '{');
    for (size_t i = 0; i < s->tallies.n; i++) {
        json_key(&j, s->tallies.v[i].name);
        json_begin(&j, '[');
        for (size_t k = 0; k < ARRAY_LEN(verdicts); k++)
            json_u64(&j, s->tallies.v[i].n[k]);
        json_end(&j, ']');
    }
    json_end(&j, '}');
    json_end(&j, '}');
    err_free(json_finish(&j));
    putchar('\n');
}

static void parse(struct stepper *s, const char *word)
{
    const struct {
        const char *key;
        long *to;
    } keys[] = {{"steps=", &s->max_steps},
                {"each=", &s->each},
                {"show=", &s->show},
                {"sysmon=", &s->sysmon}};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strncmp(word, keys[i].key, strlen(keys[i].key)) == 0) {
            *keys[i].to = atol(word + strlen(keys[i].key));
            return;
        }
    fprintf(stderr, "stepper: what is %s?\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    static struct stepper s = {.max_steps = 100000, .each = 2, .show = 10};
    if (argc < 3) {
        fprintf(stderr, "usage: stepper PID TID [steps=N] [each=N] [show=N]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++)
        parse(&s, argv[i]);
    struct err *e = target_open_pid(atoi(argv[1]), &s.target.live);
    if (!e) {
        target_init(&s.target.t, &step_ops, target_arch(s.target.live), atoi(argv[1]));
        s.target.tid = atoi(argv[2]);
        e = rt_open(&s.target.t, &s.rt);
    }
    if (!e)
        e = run(&s);
    if (e) {
        fprintf(stderr, "stepper: %s\n", err_message(e));
        return 1;
    }
    print_sums(&s);
    return 0;
}
