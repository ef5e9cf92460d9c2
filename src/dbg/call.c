/* call.c - calls of the program's functions, by the runtime's debug-call protocol: the session's
 * part.  What is called with what is found in call_eval.c, what must be made in the program for
 * it in call_make.c.
 *
 * Go: runtime/asm_amd64.s debugCallV2, debugCall32 ... debugCall65536, debugCallPanicked;
 * runtime/debugcall.go (1.18-1.27).  A goroutine that runs is made to call debugCallV2, which looks
 * whether a call is safe, starts another goroutine for it, and says where it is by an int3 and a
 * register: 0 a frame is ready, to be filled; 1 the function has returned; 2 it
 * has panicked; 8 a call is not allowed; 16 registers are to be put back.
 *
 * An expression may call several functions, and needs memory of the program for texts.  Every call
 * is injected where the one before has returned, inside of its frame, which stays until the whole
 * expression is done: the runtime scans such frames conservatively, so that whatever was returned
 * or allocated is alive as long as we hold it.  At the end all are let return, one after the other.
 *
 * An expression is evaluated by a thread of its own, because it waits in the middle while the
 * program runs (and may stop at breakpoints, for hours).  Session and evaluation take turns; they
 * never run at the same time, so that nothing needs a lock.
 *
 * The last instructions, from the last int3 to where the goroutine stood, are stepped through:
 * a breakpoint there was met already.
 *
 * When we are killed meanwhile, the process ends the call by itself (target/debug_calls.c): so the
 * mechanism is told of a call before a register is touched, and a thread is moved on from an int3
 * only with what it is answered.
 *
 * What cannot be helped: a function that ends its goroutine (runtime.Goexit) leaves the caller
 * waiting. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dbg/call_int.h"

enum { LEVELS_MAX = 64, STACK_MIN = 256, STEPS_MAX = 64, TEXT_MAX = 8192, LEFT_MAX = 256 };
enum { FRAME_MIN = 32, FRAME_MAX = 65536 }; /* debugCall32 ... debugCall65536 */
enum { SAYS_READY = 0, SAYS_RETURNED = 1, SAYS_PANICKED = 2, SAYS_REFUSED = 8, SAYS_RESTORE = 16 };
#define SETTLE_NS INT64_C(2000000000)

/* ---- taking turns ---- */

static void turn(struct call *c, bool theirs)
{
    pthread_mutex_lock(&c->lock);
    c->theirs = theirs;
    pthread_cond_broadcast(&c->turned);
    while (c->theirs == theirs)
        pthread_cond_wait(&c->turned, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

static void *evaluate(void *arg)
{
    struct call *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->theirs)
        pthread_cond_wait(&c->turned, &c->lock);
    pthread_mutex_unlock(&c->lock);
    c->error = call_eval(c);
    pthread_mutex_lock(&c->lock);
    c->asks = NULL;
    c->over = true;
    c->theirs = false;
    pthread_cond_broadcast(&c->turned);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct err *call_run(struct call *c, const struct call_frame *f, struct call_returned *ret)
{
    c->asks = f;
    turn(c, false);
    c->asks = NULL;
    struct err *e = c->refused;
    c->refused = NULL;
    *ret = c->returned;
    return e;
}

/* ---- beginning a call ---- */

static struct err *may_call(struct call *c, const struct arch_regs *regs)
{
    const struct rt_goroutine *g = &c->g;
    if (!g->running || !g->tid || g->status != SNAP_G_RUNNING || regs->syscall >= 0)
        return err_hint(err_new(ERR_UNSUPPORTED,
                                "goroutine %llu does not run (%s): only a goroutine that does can "
                                "be made to call a function",
                                (unsigned long long)g->id,
                                *g->wait_reason ? g->wait_reason
                                                : "it waits for a thread, or is "
                                                  "in a system call"),
                        "stop it at a breakpoint where it goes on, or choose another goroutine");
    if (dbg_holds_thread(c->d, g->tid))
        return err_hint(err_new(ERR_UNSUPPORTED, "goroutine %llu is held: it runs nothing",
                                (unsigned long long)g->id),
                        "let it go first (hold -off %llu)", (unsigned long long)g->id);
    if (regs->sp < g->stack_lo || regs->sp >= g->stack_hi)
        return err_new(ERR_UNSUPPORTED, "executing on Go runtime stack");
    if (regs->sp - g->stack_lo < STACK_MIN)
        return err_hint(err_new(ERR_UNSUPPORTED, "the goroutine has no room left on its stack"),
                        "step on a little");
    return NULL;
}

static struct err *hold_others(struct call *c)
{
    struct target_thread *threads;
    size_t n;
    TRY(target_threads(dbg_view(c->d), &c->arena, &threads, &n));
    for (size_t i = 0; i < n; i++) {
        if (threads[i].tid == c->tid || dbg_holds_thread(c->d, threads[i].tid))
            continue;
        TRY(debug_hold(c->d->debug, threads[i].tid, true));
        vec_push(&c->held, threads[i].tid);
    }
    return NULL;
}

static void release_others(struct call *c)
{
    for (size_t i = 0; i < c->held.n; i++)
        err_free(debug_hold(c->d->debug, c->held.v[i], false)); /* the thread may have ended */
    vec_free(&c->held);
}

/* The runtime's own breakpoints in a function: each is behind an instruction that says why, in a
 * register.  Others are padding. */
static void find_traps(struct code *code, const char *name, struct traps *to)
{
    const struct arch *arch = code_arch(code);
    struct code_func f;
    for (size_t at = 0; code_func_named(code, name, &at, &f);) {
        bool says = false;
        struct arch_insn insn;
        for (taddr pc = f.f.entry; pc < f.f.end; pc += insn.len) {
            const uint8_t *p = code_bytes(f.m, pc, arch->breakpoint_n);
            if (!p || !code_insn(code, &f, pc, &insn) || !insn.len)
                break;
            if (says && memcmp(p, arch->breakpoint, arch->breakpoint_n) == 0)
                vec_push(to, pc);
            says = insn.changes >> arch->debug_call_reg & 1;
        }
    }
}

static const struct traps *traps_of(struct dbg *d)
{
    char name[32];
    if (d->call_traps.n)
        return &d->call_traps;
    find_traps(d->code, "runtime.debugCallV2", &d->call_traps);
    find_traps(d->code, "runtime.debugCallPanicked", &d->call_traps);
    for (unsigned n = FRAME_MIN; n <= FRAME_MAX; n *= 2) {
        snprintf(name, sizeof(name), "debugCall%u", n);
        find_traps(d->code, name, &d->call_traps);
    }
    return &d->call_traps;
}

/* Makes the goroutine call debugCallV2 from where it is. */
static struct err *send_off(struct call *c, const struct call_level *l, taddr entry)
{
    struct dbg *d = c->d;
    const struct arch *arch = code_arch(d->code);
    const struct traps *traps = traps_of(d);
    uint64_t frame_n = c->asks->frame_n;
    struct arch_regs regs = l->regs;
    taddr sp = regs.sp - 8;
    TRY(debug_call_begin(d->debug, c->tid, l->caller, traps->v, traps->n));
    TRY(debug_write(d->debug, sp, &l->regs.pc, 8));
    TRY(debug_write(d->debug, sp - 16, &frame_n, 8));
    arch->set_dwarf_reg(&regs, arch->sp, sp);
    arch->debug->set_pc(&regs, entry);
    return debug_set_regs(d->debug, c->tid, &regs);
}

static struct err *inject(struct call *c)
{
    struct dbg *d = c->d;
    const struct arch *arch = code_arch(d->code);
    struct call_level l = {0};
    struct code_func f;
    size_t at = 0;
    if (!code_func_named(d->code, "runtime.debugCallV2", &at, &f) || !arch->debug)
        return err_new(ERR_UNSUPPORTED, "the program's runtime has no way to call functions");
    if (c->levels.n == LEVELS_MAX)
        return err_new(ERR_LIMIT, "an expression with more than %d calls and texts", LEVELS_MAX);
    if (!c->tid)
        return may_call(c, &(struct arch_regs){0});
    TRY(debug_regs(d->debug, c->tid, &l.regs));
    if (!c->levels.n) {
        TRY(may_call(c, &l.regs));
        if (c->spec.alone)
            TRY(hold_others(c));
    }
    TRY(debug_extended(d->debug, c->tid, &c->arena, &l.extended, &l.extended_n));
    l.caller = c->levels.n ? c->levels.v[c->levels.n - 1].g : c->g.g;
    struct err *e = send_off(c, &l, f.f.entry);
    if (e)
        debug_call_end(d->debug, l.caller);
    else
        vec_push(&c->levels, l);
    return e;
}

/* Evaluates until a call is wanted and has begun, or to the end. */
static void advance(struct call *c)
{
    do {
        turn(c, true);
        c->refused = c->over ? NULL : inject(c);
    } while (c->refused);
}

/* ---- what the runtime says ---- */

/* The frame is ready: arguments go to it and to registers, and the function is called. */
static struct err *fill(struct call *c, struct arch_regs *regs)
{
    struct dbg *d = c->d;
    const struct arch *arch = code_arch(d->code);
    const struct call_frame *f = c->asks;
    taddr sp = regs->sp - 8, back = regs->pc;
    uint8_t *extended;
    size_t n;
    bool vectors = false, ok = true;
    if (f->stack_n)
        TRY(debug_write(d->debug, regs->sp, f->stack, f->stack_n));
    TRY(debug_write(d->debug, sp, &back, 8));
    TRY(debug_extended(d->debug, c->tid, &c->arena, &extended, &n));
    for (size_t i = 0; i < f->nregs; i++) {
        const struct call_reg *r = &f->regs[i];
        uint64_t v = 0;
        memcpy(&v, r->bytes, sizeof(v));
        vectors = vectors || r->vector;
        ok = ok && (r->vector ? arch->set_dwarf_vector(extended, n, r->reg, r->bytes, r->n)
                              : arch->set_dwarf_reg(regs, r->reg, v));
    }
    if (f->closure)
        ok = ok && arch->set_dwarf_reg(regs, arch->abi->context, f->closure);
    if (!ok || !arch->set_dwarf_reg(regs, arch->sp, sp))
        return err_new(ERR_UNSUPPORTED, "an argument's register cannot be set");
    arch->debug->set_pc(regs, f->pc);
    if (vectors)
        TRY(debug_set_extended(d->debug, c->tid, extended, n));
    return debug_set_regs(d->debug, c->tid, regs);
}

static void say_refused(struct call *c, const struct arch_regs *regs)
{
    uint64_t text[2] = {0};
    err_free(target_read(dbg_view(c->d), regs->sp, text, sizeof(text))); /* then: no words */
    const char *s = rt_here_text(dbg_view(c->d), &c->arena, text[0], text[1], TEXT_MAX);
    c->refused = err_hint(err_new(ERR_UNSUPPORTED, "the runtime does not allow a call here: %s", s),
                          "step to another line of your own code");
}

static void say_panicked(struct call *c, const struct arch_regs *regs)
{
    struct rt_panic p = {.type_name = "", .text = ""};
    uint64_t words[2] = {0};
    err_free(target_read(dbg_view(c->d), regs->sp, words, sizeof(words))); /* as nil */
    if (words[0]) {
        rt_panic_value(c->d->rt, dbg_view(c->d), words[0], words[1], &c->arena, &p);
        c->refused = err_new(ERR_UNSUPPORTED, "the call panicked: %s",
                             dbg_value_of_panic(c->d, &p, &c->arena));
        return;
    }
    c->refused = err_new(ERR_UNSUPPORTED,
                         "the call has ended without returning (runtime.Goexit, or a panic with "
                         "nil): if its goroutine is gone, goroutine %llu waits for it for ever",
                         (unsigned long long)c->g.id);
}

/* Puts back what was there before the call, but pc and sp. */
static struct err *restore(struct call *c, const struct call_level *l, const struct arch_regs *now)
{
    const struct arch *arch = code_arch(c->d->code);
    struct arch_regs regs = l->regs;
    arch->set_dwarf_reg(&regs, arch->sp, now->sp);
    arch->debug->set_pc(&regs, now->pc);
    arch->debug->set_thread(&regs, now); /* it may be another one by now */
    TRY(debug_set_extended(c->d->debug, c->tid, l->extended, l->extended_n));
    return debug_set_regs(c->d->debug, c->tid, &regs);
}

/* Variables in registers that were set: the runtime puts back what it saved when the call began, so
 * it is done behind that. */
static struct err *set_registers(struct call *c, struct arch_regs *regs)
{
    for (size_t i = 0; i < c->sets.n; i++)
        TRY(look_set_reg(code_arch(c->d->code), regs, c->sets.v[i].reg, c->sets.v[i].bytes,
                         c->sets.v[i].n));
    return c->sets.n ? debug_set_regs(c->d->debug, c->tid, regs) : NULL;
}

/* From the last int3 back to where it all began. */
static struct err *go_home(struct call *c, const struct call_level *home)
{
    struct arch_regs regs;
    struct debug_event ev;
    for (int i = 0; i < STEPS_MAX; i++) {
        TRY(debug_step(c->d->debug, c->tid, &ev));
        if (ev.kind == DEBUG_EXITED || ev.kind == DEBUG_EXEC)
            return err_new(ERR_GONE, "the program has ended");
        TRY(debug_regs(c->d->debug, c->tid, &regs));
        if (regs.pc != home->regs.pc)
            continue;
        TRY(set_registers(c, &regs));
        return debug_met(c->d->debug, c->tid);
    }
    return err_new(ERR_BAD_DATA, "the goroutine did not come back from the call");
}

/* ---- the end ---- */

static void unlink_call(struct call *c)
{
    struct call **at = &c->d->call;
    while (*at != c)
        at = &(*at)->outer;
    *at = c->outer;
}

static void call_free(struct call *c)
{
    pthread_join(c->thread, NULL);
    unlink_call(c);
    release_others(c);
    err_free(c->error);
    err_free(c->refused);
    vec_free(&c->levels);
    vec_free(&c->sets);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->turned);
    arena_free(&c->arena);
    free(c);
}

/* The evaluation hears nothing but that it is over. */
static void cut_short(struct call *c, enum err_code code, const char *why)
{
    while (!c->over) {
        err_free(c->refused);
        c->refused = err_new(code, "%s", why);
        turn(c, true);
    }
}

/* What is told of a call that is done; values live until the next one is. */
static void tell_done(struct call *c, struct dbg_event *ev)
{
    struct dbg *d = c->d;
    ev->kind = DBG_EV_STOPPED;
    ev->why = DBG_WHY_CALL_DONE;
    ev->goroutine = (int64_t)c->g.id;
    ev->tid = c->tid;
    ev->text = "";
    arena_free(&d->call_arena);
    d->call_arena = c->arena;
    arena_init(&c->arena);
    err_free(d->call_error);
    d->call_error = c->error;
    d->call_value = c->value;
    d->call_frame = c->spec.frame;
    if (c->error) {
        ev->text = arena_strdup(&d->call_arena, err_message(c->error));
    } else {
        ev->results = c->whole ? c->results : &d->call_value;
        ev->nresults = c->whole ? c->nresults : 1;
    }
    c->error = NULL;
}

static struct err *on_restore(struct call *c, const struct arch_regs *now, struct dbg_event *ev,
                              bool *told)
{
    if (!c->levels.n)
        return err_new(ERR_BAD_DATA, "the runtime ends a call that was not begun");
    struct call_level l = c->levels.v[--c->levels.n];
    TRY(restore(c, &l, now));
    debug_call_end(c->d->debug, l.caller);
    if (c->levels.n)
        return NULL;
    TRY(go_home(c, &l));
    rt_stand_moved(c->d->stand, dbg_view(c->d));
    *told = !c->given_up;
    if (*told)
        tell_done(c, ev);
    call_free(c);
    return NULL;
}

static struct err *on_word(struct call *c, uint64_t word, struct arch_regs *regs,
                           struct dbg_event *ev, bool *told)
{
    if (word == SAYS_RESTORE)
        return on_restore(c, regs, ev, told);
    if (word == SAYS_READY && !c->over) {
        struct arch_regs before = *regs;
        struct err *e = fill(c, regs);
        if (e)
            err_free(debug_set_regs(c->d->debug, c->tid, &before));
        return e;
    }
    TRY(debug_set_regs(c->d->debug, c->tid, regs)); /* it may go on */
    if (c->over)
        return NULL;
    switch (word) {
    case SAYS_RETURNED:
        c->returned = (struct call_returned){.regs = *regs};
        TRY(debug_extended(c->d->debug, c->tid, &c->arena, (uint8_t **)&c->returned.extended,
                           &c->returned.extended_n));
        break;
    case SAYS_PANICKED:
        say_panicked(c, regs);
        break;
    case SAYS_REFUSED:
        say_refused(c, regs);
        break;
    default:
        return err_new(ERR_BAD_DATA, "the runtime says %llu in a call, whatever that means",
                       (unsigned long long)word);
    }
    if (!c->refused) {
        advance(c);
        return NULL;
    }
    turn(c, true);
    cut_short(c, ERR_CANCELLED, "a call before has failed");
    return NULL;
}

static bool is_protocol(struct dbg *d, taddr pc)
{
    static const char family[] = "debugCall";
    struct code_func f;
    if (!code_func_at(d->code, pc, &f))
        return false;
    const char *name = f.f.name;
    if (strcmp(name, "runtime.debugCallV2") == 0 || strcmp(name, "runtime.debugCallPanicked") == 0)
        return true;
    return strncmp(name, family, strlen(family)) == 0 &&
           strspn(name + strlen(family), "0123456789") == strlen(name + strlen(family));
}

/* Whether a goroutine takes part in a call: it calls, or was started for it.  It is on any thread
 * once it has waited for something; only its beginning is on the one that began it. */
static bool takes_part(struct call *c, taddr g, pid_t tid)
{
    struct call_level *top = c->levels.n ? &c->levels.v[c->levels.n - 1] : NULL;
    bool is = g == c->g.g;
    for (size_t i = 0; i < c->levels.n && !is; i++)
        is = c->levels.v[i].g == g;
    if (!is && top && !top->g && c->tid == tid) {
        top->g = g;
        is = true;
    }
    if (is)
        c->tid = tid;
    return is;
}

/* A call of somebody else, who was killed in it. */
static struct err *pass(struct dbg *d, const struct dbg_event *ev, bool *told)
{
    bool passed;
    TRY(debug_call_pass(d->debug, ev->tid, &passed));
    *told = !passed;
    return NULL;
}

struct err *call_trapped(struct dbg *d, struct dbg_event *ev, bool *is, bool *told)
{
    const struct arch *arch = code_arch(d->code);
    struct call *c = d->call;
    struct arch_regs regs;
    struct rt_goroutine g; /* by its thread: assembly keeps no register for it */
    uint64_t word;
    *is = false;
    if (!is_protocol(d, ev->pc - arch->breakpoint_pc_skip))
        return NULL;
    if (!c)
        return pass(d, ev, told);
    TRY(rt_goroutine_of_thread(d->stand, ev->tid, &g));
    TRY(debug_regs(d->debug, ev->tid, &regs));
    arch->debug->set_pc(&regs, ev->pc);
    while (c && !takes_part(c, g.g, ev->tid))
        c = c->outer;
    *is = c != NULL;
    if (!*is)
        return pass(d, ev, told);
    *told = false;
    if (!arch->dwarf_reg(&regs, arch->debug_call_reg, &word))
        return err_new(ERR_BAD_DATA, "the registers of thread %d cannot be read", c->tid);
    return on_word(c, word, &regs, ev, told);
}

/* ---- from outside ---- */

static struct err *begin(struct call *c, const struct dbg_call_spec *how)
{
    struct dbg *d = c->d;
    struct rt_frames frames;
    TRY(dbg_goroutine_or(d, how->goroutine, &c->g));
    TRY(rt_goroutine_frames(d->stand, c->g.g, how->frame + 1, &c->arena, &frames));
    if (how->frame >= frames.n)
        return err_new(ERR_NOT_FOUND, "goroutine %llu has no frame %u", (unsigned long long)c->g.id,
                       how->frame);
    c->frame = frames.v[how->frame];
    if (c->frame.regs) {
        struct arch_regs *regs = arena_new(&c->arena, struct arch_regs);
        *regs = *c->frame.regs;
        c->frame.regs = regs;
        uint8_t *p = arena_alloc(&c->arena, c->frame.extended_n + 1);
        if (c->frame.extended)
            c->frame.extended = memcpy(p, c->frame.extended, c->frame.extended_n);
    }
    c->tid = c->g.running ? c->g.tid : 0;
    c->g.wait_reason = arena_strdup(&c->arena, c->g.wait_reason);
    c->spec.text = arena_strdup(&c->arena, how->text);
    c->spec.to = how->to ? arena_strdup(&c->arena, how->to) : NULL;
    return NULL;
}

static struct err *start(struct call *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&c->thread, NULL, evaluate, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? err_sys(failed, "a thread for the call") : NULL;
}

/* Nothing was called: it is done. */
static struct err *done_at_once(struct call *c)
{
    struct dbg *d = c->d;
    struct err *e = c->error;
    c->error = NULL;
    if (!e) {
        d->told = (struct dbg_event){.pc = c->frame.pc, .at_mono_ns = clock_mono_ns()};
        tell_done(c, &d->told);
        d->have_told = true;
        d->stop = d->told;
        dbg_wake(d);
    }
    call_free(c);
    return e;
}

struct err *dbg_call(struct dbg *d, const struct dbg_call_spec *how)
{
    TRY(dbg_must_stand(d));
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core does not run: nothing can be called in it");
    struct call *c = mem_alloc(sizeof(*c));
    *c = (struct call){.d = d, .spec = *how, .outer = d->call};
    arena_init(&c->arena);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->turned, NULL);
    /* it waits for its turn, which is advance() */
    struct err *e = begin(c, how);
    if (!e)
        e = start(c);
    if (e) {
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->turned);
        arena_free(&c->arena);
        free(c);
        return e;
    }
    d->call = c;
    advance(c);
    if (c->over && !c->levels.n)
        return done_at_once(c);
    d->ran_from = clock_mono_ns();
    TRY(debug_resume(d->debug));
    d->state = DBG_RUNS;
    return NULL;
}

/* What stood before is told again as if nothing had been, unless something else stopped it. */
struct err *call_and_wait(struct dbg *d, const struct dbg_call_spec *how, struct arena *a,
                          struct dbg_value *ret)
{
    struct dbg_event before = d->stop;
    struct arena kept = d->stop_arena;
    int64_t goroutine = d->goroutine;
    unsigned frame = d->frame;
    arena_init(&d->stop_arena);
    struct err *e = dbg_call(d, how);
    bool begun = !e;
    if (begun)
        e = dbg_run_on(d);
    bool done =
        !e && d->have_told && d->told.kind == DBG_EV_STOPPED && d->told.why == DBG_WHY_CALL_DONE;
    if (!done && begun) {
        arena_free(&kept);
        if (!e && d->state == DBG_OVER)
            return err_new(ERR_GONE, "the program has ended in the call");
        return e ? e
                 : err_hint(err_new(ERR_CANCELLED, "the program has stopped before the call was "
                                                   "done"),
                            "it goes on when the program does");
    }
    arena_free(&d->stop_arena);
    d->stop_arena = kept;
    d->stop = before;
    d->goroutine = goroutine;
    d->frame = frame;
    if (!done)
        return e;
    d->have_told = false;
    e = d->call_error;
    d->call_error = NULL;
    *ret = d->call_value;
    arena_join(a, &d->call_arena);
    return e;
}

const char *dbg_call_options(const char *text, struct dbg_call_spec *how)
{
    const struct {
        const char *word;
        bool *on;
    } options[] = {{"-unsafe", &how->unsafe}, {"-alone", &how->alone}};
    const char *at = text;
    for (size_t i = 0; i < ARRAY_LEN(options);) {
        const char *word = at + strspn(at, " \t");
        size_t n = strlen(options[i].word);
        if (strcspn(word, " \t") != n || strncmp(word, options[i].word, n) != 0) {
            i++;
            continue;
        }
        *options[i].on = true;
        at = word + n;
        i = 0;
    }
    return at;
}

struct err *dbg_call_give_up(struct dbg *d)
{
    struct call *c = d->call;
    TRY(dbg_must_stand(d));
    while (c && c->given_up)
        c = c->outer;
    if (!c)
        return err_new(ERR_USAGE, "no call goes on");
    c->given_up = true;
    cut_short(c, ERR_CANCELLED, "given up");
    return NULL;
}

/* Lets calls that go on end, if they do so soon; others are the process's own business then. */
void call_settle(struct dbg *d)
{
    int64_t until = clock_mono_ns() + SETTLE_NS;
    struct debug_event m = {0};
    for (struct call *c = d->call; c; c = c->outer) {
        c->given_up = true;
        cut_short(c, ERR_CANCELLED, "the debugger leaves");
    }
    bool runs = d->state == DBG_RUNS;
    struct err *e = NULL;
    while (d->call && !e && m.kind != DEBUG_EXITED) {
        struct dbg_event ev;
        bool is, told;
        int64_t left = until - clock_mono_ns();
        if (!runs)
            e = debug_resume(d->debug);
        if (!e && left > 0)
            e = debug_wait(d->debug, left, &m);
        runs = m.kind == DEBUG_NOTHING;
        ev = (struct dbg_event){.tid = m.tid, .pc = m.pc};
        if (!e && m.kind == DEBUG_TRAPPED)
            e = call_trapped(d, &ev, &is, &told);
        if (left <= 0)
            break;
    }
    err_free(e); /* it is left as it is */
}

/* Where it waits for a call to end there is the frame of debugCallV2.  True also when that cannot
 * be told. */
static bool is_calling(struct dbg *d, taddr g, struct arena *a)
{
    struct rt_goroutine gr;
    struct rt_frames frames = {0};
    struct err *e = rt_goroutine_at(d->stand, g, &gr);
    if (!e && gr.status == SNAP_G_DEAD)
        return false;
    if (!e)
        e = rt_goroutine_frames(d->stand, g, 0, a, &frames);
    bool is = e || frames.partial || !frames.n;
    err_free(e);
    for (size_t i = 0; i < frames.n && !is; i++)
        is = strcmp(frames.v[i].func, "runtime.debugCallV2") == 0;
    return is;
}

void call_look_for_left(struct dbg *d)
{
    taddr left[LEFT_MAX];
    struct arena a;
    arena_init(&a);
    size_t n = debug_calls_left(d->debug, left, LEFT_MAX);
    for (size_t i = 0; i < n; i++)
        if (!is_calling(d, left[i], &a))
            debug_call_end(d->debug, left[i]);
    arena_free(&a);
}

void call_forget(struct dbg *d)
{
    vec_free(&d->call_traps); /* of this program */
    while (d->call) {
        vec_free(&d->call->held); /* its threads are gone, or let go */
        cut_short(d->call, ERR_GONE, "the program has ended");
        call_free(d->call);
    }
}
