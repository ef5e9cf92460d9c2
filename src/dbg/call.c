/* call.c - calling a function of the program.
 *
 * Go: runtime/debugcall.go, asm_amd64.s debugCallV2 (1.18-1.27), which all programs contain.  The
 * goroutine is sent to debugCallV2, which refuses where a call is not safe, makes room on a
 * goroutine of its own and then speaks by breakpoint instructions, with a number in a register:
 *
 *     0   room is there: write arguments, call the function from here
 *     1   it has returned: results are where results are
 *     2   it has panicked, the value is at the stack pointer
 *     8   refused, the reason is at the stack pointer
 *     16  the end: give all registers back but the program counter and the stack pointer
 *
 * Everybody else runs meanwhile, because the function may wait for them.  Breakpoints that the call
 * meets do not count; what others meet is told behind it, and holds them until then.  What is
 * interrupted before its end goes on with the program: nothing can take a call back.
 *
 * Arguments are what exists already: nothing is allocated, so that a text in quotes cannot be one.
 */
#include <stdlib.h>
#include <string.h>

#include "dbg/abi_int.h"

enum {
    SAID_READY = 0,
    SAID_RETURNED = 1,
    SAID_PANICKED = 2,
    SAID_REFUSED = 8,
    SAID_RESTORE = 16,
    ROOM = 512, /* the runtime asks for 256 bytes below the stack pointer */
    ARGS_MAX = 64,
    ARG_BYTES_MAX = 1 << 16,
    LAST_STEPS = 64,
    TEXT_MAX = 4096,
    PTR = 8,
};

/* An argument as bytes, and where it goes. */
struct argument {
    uint8_t *bytes;
    size_t n;
    bool on_stack;
    taddr off;
    struct part parts[ABI_PARTS_MAX];
    unsigned nparts;
};

struct dbg_call {
    struct dbg *d;
    struct arena arena; /* of the call; results are copied out of it */
    int64_t goroutine;
    taddr back; /* where the goroutine was */
    struct arch_regs saved;
    uint8_t *extended;
    size_t extended_n;
    taddr fn, closure;
    struct argument args[ARGS_MAX];
    size_t nargs;
    struct assignment results; /* before the first of them */
    struct rt_var *vars;
    size_t nvars;
    taddr frame_n;
    struct dbg_value result;
    bool have_result;
    struct err *failure; /* owned: what the call's value is when there is none */
};

/* ---- what is called, with what ---- */

/* Go's rules of assignment give the bytes: they are caught on their way into memory. */
enum { NOWHERE = 1 << 20 };

struct catcher {
    uint8_t *bytes;
    size_t n;
};

static struct err *catch_memory(void *arg, taddr addr, const void *src, size_t n)
{
    struct catcher *c = arg;
    if (addr < NOWHERE || addr - NOWHERE > c->n || n > c->n - (addr - NOWHERE))
        return err_new(ERR_BAD_DATA, "an argument is larger than its type");
    memcpy(c->bytes + (addr - NOWHERE), src, n);
    return NULL;
}

static struct err *to_bytes(struct dbg_call *c, uint64_t type, const struct dbg_value *v,
                            struct argument *ret)
{
    struct values *values = rt_stand_values(c->d->stand, NULL);
    const struct dwarf_type *t = value_type_stripped(values, type);
    const struct dwarf_type *has = value_type_stripped(values, v->v.type);
    int64_t size = value_type_size(values, type);
    if (size < 0 || size > ARG_BYTES_MAX)
        return err_new(ERR_LIMIT, "an argument of %lld bytes", (long long)size);
    ret->n = (size_t)size;
    ret->bytes = arena_alloc(&c->arena, ret->n + 1);
    if (t && has && t->kind == DWARF_KIND_POINTER && has->kind != DWARF_KIND_POINTER && v->v.addr &&
        value_type_same(values, t->elem, v->v.type)) {
        memcpy(ret->bytes, &v->v.addr, PTR); /* a method of the pointer, called on the variable */
        return NULL;
    }
    struct dbg_value held;
    if (t && has && has->kind == DWARF_KIND_INTERFACE && t->kind != DWARF_KIND_INTERFACE) {
        uint64_t words[2]; /* a method of what an interface holds */
        const char *name;
        if (!value_get(values, &v->v, 0, words, sizeof(words)) || !words[0])
            return err_new(ERR_USAGE, "the interface holds nothing");
        if (t->kind == DWARF_KIND_POINTER) {
            memcpy(ret->bytes, &words[1], PTR);
            return NULL;
        }
        held = (struct dbg_value){.form = DBG_VALUE, .name = "", .path = ""};
        if (!value_dynamic(values, &v->v, &held.v, &name))
            return err_new(ERR_FAULT, "what the interface holds cannot be read");
        held.type = name;
        v = &held;
    }
    struct catcher catcher = {ret->bytes, ret->n};
    struct dbg_writer w = {.memory = catch_memory, .arg = &catcher};
    struct dbg_value dst = {.name = "the argument",
                            .type = value_type_name(values, type),
                            .path = "",
                            .v = {.type = type, .addr = NOWHERE}};
    return dbg_value_set(c->d->stand, &dst, v, &w);
}

static struct err *take_argument(struct dbg_call *c, struct assignment *a, uint64_t type,
                                 const struct dbg_value *v)
{
    struct argument *arg = &c->args[c->nargs];
    if (c->nargs == ARGS_MAX)
        return err_new(ERR_LIMIT, "more than %d arguments", ARGS_MAX);
    TRY(to_bytes(c, type, v, arg));
    abi_assign(a, type, &arg->on_stack, &arg->off);
    arg->nparts = a->n;
    memcpy(arg->parts, a->v, sizeof(arg->parts));
    c->nargs++;
    return NULL;
}

/* The values of a call in the order of the parameters; the receiver is one. */
static const struct dbg_value *value_no(const struct expr_call *call, size_t i)
{
    if (call->fn.receiver)
        return i == 0 ? call->fn.receiver : &call->args[i - 1];
    return &call->args[i];
}

static struct err *take_arguments(struct dbg_call *c, const struct expr_call *call)
{
    struct assignment a = {.arch = code_arch(c->d->code),
                           .values = rt_stand_values(c->d->stand, NULL)};
    size_t have = call->nargs + (call->fn.receiver != NULL), want = 0, in_registers = 0;
    if (call->spread)
        return err_new(ERR_UNSUPPORTED, "calls with ...");
    for (size_t i = 0; i < c->nvars; i++)
        want += c->vars[i].kind == RT_VAR_ARG;
    if (want != have)
        return err_new(ERR_USAGE, "it takes %zu arguments, %zu are given", want, have);
    for (size_t i = 0, k = 0; i < c->nvars; i++) {
        if (c->vars[i].kind != RT_VAR_ARG)
            continue;
        struct err *e = take_argument(c, &a, c->vars[i].value.type, value_no(call, k++));
        if (e)
            return err_wrap(e, "argument %s", c->vars[i].name);
        in_registers += c->args[c->nargs - 1].on_stack ? 0 : c->args[c->nargs - 1].n + PTR;
    }
    abi_results_follow(&a);
    c->results = a;
    for (size_t i = 0; i < c->nvars; i++) {
        bool on_stack;
        taddr off;
        if (c->vars[i].kind == RT_VAR_RESULT)
            abi_assign(&a, c->vars[i].value.type, &on_stack, &off);
    }
    /* behind the results is room where the function may put its arguments */
    c->frame_n = ((a.stack + PTR - 1) & ~(taddr)(PTR - 1)) + ((in_registers + 15) & ~(size_t)15);
    return NULL;
}

static struct err *find_function(struct dbg_call *c, const struct expr_call *call)
{
    struct values *values = rt_stand_values(c->d->stand, NULL);
    struct code_func f;
    uint64_t word;
    c->fn = call->fn.func_pc;
    if (call->fn.form != DBG_FUNC) {
        taddr closure;
        if (!value_func_of(values, &call->fn.v, &c->fn, &closure) || !c->fn)
            return err_new(ERR_USAGE, "the function is nil");
        if (!value_get(values, &call->fn.v, 0, &word, sizeof(word)))
            return err_new(ERR_FAULT, "the function cannot be read");
        c->closure = word;
    }
    if (!code_func_at(c->d->code, c->fn, &f))
        return err_new(ERR_NOT_FOUND, "there is no code of it");
    return abi_signature(c->d, &f, &c->arena, &c->vars, &c->nvars);
}

/* ---- the conversation ---- */

static struct err *write_word(struct dbg *d, taddr addr, uint64_t v)
{
    return debug_write(d->debug, addr, &v, sizeof(v));
}

static bool set_reg(struct dbg *d, struct arch_regs *r, unsigned reg, uint64_t v)
{
    return code_arch(d->code)->set_dwarf_reg(r, reg, v);
}

/* To debugCallV2, as if the instruction that is next had called it. */
static struct err *enter(struct dbg_call *c, const struct rt_goroutine *g)
{
    const struct arch *arch = code_arch(c->d->code);
    struct code_func f;
    size_t at = 0;
    if (!code_func_named(c->d->code, "runtime.debugCallV2", &at, &f))
        return err_new(ERR_UNSUPPORTED, "the runtime of the program has no debugCallV2");
    TRY(debug_regs(c->d->debug, g->tid, &c->saved));
    TRY(debug_extended(c->d->debug, g->tid, &c->arena, &c->extended, &c->extended_n));
    if (c->saved.sp <= g->stack_lo + ROOM || c->saved.sp >= g->stack_hi)
        return err_new(ERR_UNSUPPORTED, "it is not on the goroutine's stack, or there is no room");
    struct arch_regs r = c->saved;
    c->back = r.pc;
    TRY(write_word(c->d, r.sp - PTR, r.pc));
    TRY(write_word(c->d, r.sp - PTR - 16, c->frame_n));
    set_reg(c->d, &r, arch->sp, r.sp - PTR);
    arch->debug->set_pc(&r, f.f.entry);
    return debug_set_regs(c->d->debug, g->tid, &r);
}

static struct err *place_argument(struct dbg_call *c, const struct argument *arg,
                                  struct arch_regs *r, uint8_t *extended, size_t extended_n)
{
    const struct arch *arch = code_arch(c->d->code);
    if (arg->on_stack)
        return debug_write(c->d->debug, r->sp + arg->off, arg->bytes, arg->n);
    for (unsigned i = 0; i < arg->nparts; i++) {
        const struct part *p = &arg->parts[i];
        uint64_t v = 0;
        memcpy(&v, arg->bytes + p->off, p->n < sizeof(v) ? p->n : sizeof(v));
        bool ok = p->vector ? arch->set_dwarf_vector(extended, extended_n, p->reg, &v, p->n)
                            : set_reg(c->d, r, p->reg, v);
        if (!ok)
            return err_new(ERR_UNSUPPORTED, "a register cannot be set");
    }
    return NULL;
}

static struct err *start_function(struct dbg_call *c, pid_t tid, struct arch_regs *r)
{
    const struct arch *arch = code_arch(c->d->code);
    struct rt_here here;
    uint8_t *extended;
    size_t n;
    TRY(debug_extended(c->d->debug, tid, &c->arena, &extended, &n));
    if (rt_here(c->d->rt, dbg_view(c->d), r, &here))
        atomic_store(&c->d->call_goroutine, here.goroutine);
    for (size_t i = 0; i < c->nargs; i++)
        TRY(place_argument(c, &c->args[i], r, extended, n));
    TRY(write_word(c->d, r->sp - PTR, r->pc));
    set_reg(c->d, r, arch->sp, r->sp - PTR);
    if (c->closure)
        set_reg(c->d, r, arch->abi->context, c->closure);
    arch->debug->set_pc(r, c->fn);
    TRY(debug_set_extended(c->d->debug, tid, extended, n));
    return debug_set_regs(c->d->debug, tid, r);
}

/* Results are moved away: the memory they are in belongs to nobody soon. */
static struct err *take_results(struct dbg_call *c, pid_t tid, const struct arch_regs *r)
{
    struct abi_reader reader = {.d = c->d, .tid = tid, .regs = *r, .arena = &c->arena};
    struct assignment a = c->results;
    TRY(debug_extended(c->d->debug, tid, &c->arena, &reader.extended, &reader.extended_n));
    for (size_t i = 0; i < c->nvars; i++) {
        struct dbg_value v;
        if (c->vars[i].kind != RT_VAR_RESULT)
            continue;
        abi_read(&reader, &a, &c->vars[i], &v);
        int64_t size = value_type_size(a.values, v.v.type);
        if (v.v.addr && size >= 0 && size <= ARG_BYTES_MAX) {
            uint8_t *bytes = arena_alloc(&c->arena, (size_t)size + 1);
            TRY(target_read(dbg_view(c->d), v.v.addr, bytes, (size_t)size));
            v.v = (struct value){.type = v.v.type, .bytes = bytes, .n = (size_t)size};
        }
        if (!c->have_result)
            c->result = v;
        c->have_result = true;
    }
    return NULL;
}

static void fail(struct dbg_call *c, struct err *e)
{
    err_free(c->failure);
    c->failure = e;
}

static struct err *panicked(struct dbg_call *c, const struct arch_regs *r)
{
    struct rt_panic p = {.type_name = "", .text = ""};
    uint64_t words[2];
    TRY(target_read(dbg_view(c->d), r->sp, words, sizeof(words)));
    rt_panic_value(c->d->rt, dbg_view(c->d), words[0], words[1], &c->arena, &p);
    fail(c, err_new(ERR_USAGE, "the call panicked: %s", dbg_value_of_panic(c->d, &p, &c->arena)));
    return NULL;
}

static struct err *refused(struct dbg_call *c, const struct arch_regs *r)
{
    uint64_t words[2];
    TRY(target_read(dbg_view(c->d), r->sp, words, sizeof(words)));
    fail(c, err_hint(err_new(ERR_UNSUPPORTED, "the runtime refuses a call here: %s",
                             rt_here_text(dbg_view(c->d), &c->arena, words[0], words[1], TEXT_MAX)),
                     "step to the next line and try again"));
    return NULL;
}

/* All registers as they were, and the last instructions of debugCallV2, up to where it came from.
 */
static struct err *restore(struct dbg_call *c, pid_t tid, const struct arch_regs *now)
{
    const struct arch *arch = code_arch(c->d->code);
    struct arch_regs r = c->saved;
    set_reg(c->d, &r, arch->sp, now->sp);
    arch->debug->set_pc(&r, now->pc);
    TRY(debug_set_regs(c->d->debug, tid, &r));
    TRY(debug_set_extended(c->d->debug, tid, c->extended, c->extended_n));
    for (unsigned i = 0; i < LAST_STEPS; i++) {
        struct debug_event ev;
        struct arch_regs at;
        TRY(debug_step(c->d->debug, tid, &ev));
        if (ev.kind == DEBUG_EXITED)
            return err_new(ERR_GONE, "the program has ended");
        TRY(debug_regs(c->d->debug, tid, &at));
        if (at.pc == c->back) {
            atomic_store(&c->d->skip_pc, c->back); /* it had met what is there before the call */
            atomic_store(&c->d->skip_goroutine, c->goroutine);
            atomic_store(&c->d->skip_n, bp_sites_at(c->d, c->back));
            return NULL;
        }
    }
    return err_new(ERR_BAD_DATA, "the goroutine does not come back from the call");
}

/* A thread trapped where the runtime speaks.  *ret_done: the call is over. */
static struct err *answer(struct dbg_call *c, pid_t tid, bool *ret_done)
{
    const struct arch *arch = code_arch(c->d->code);
    struct arch_regs r;
    uint64_t said;
    *ret_done = false;
    TRY(debug_regs(c->d->debug, tid, &r));
    if (!arch->dwarf_reg(&r, arch->debug_call_reg, &said))
        return err_new(ERR_BAD_DATA, "registers cannot be read");
    rt_stand_moved(c->d->stand, dbg_view(c->d));
    switch (said) {
    case SAID_READY:
        return start_function(c, tid, &r);
    case SAID_RETURNED:
        return take_results(c, tid, &r);
    case SAID_PANICKED:
        return panicked(c, &r);
    case SAID_REFUSED:
        return refused(c, &r);
    case SAID_RESTORE:
        *ret_done = true;
        return restore(c, tid, &r);
    default:
        return err_new(ERR_BAD_DATA, "the runtime says %llu in a call", (unsigned long long)said);
    }
}

/* Whether an int3 is one of those. */
bool call_speaks(struct dbg *d, taddr pc)
{
    struct code_func f;
    return d->call && code_func_at(d->code, pc - 1, &f) &&
           (strncmp(f.f.name, "debugCall", 9) == 0 ||
            strncmp(f.f.name, "runtime.debugCall", 17) == 0);
}

static void end_call(struct dbg *d)
{
    struct dbg_call *c = d->call;
    d->call = NULL;
    atomic_store(&d->call_goroutine, 0);
    if (!c)
        return;
    err_free(c->failure);
    arena_free(&c->arena);
    free(c);
}

/* Runs until the call is over. */
static struct err *converse(struct dbg_call *c)
{
    struct dbg *d = c->d;
    bool done = false;
    while (!done) {
        struct debug_event ev;
        TRY(debug_resume(d->debug));
        TRY(debug_wait(d->debug, -1, &ev));
        if (ev.kind == DEBUG_TRAPPED && call_speaks(d, ev.pc)) {
            TRY(answer(c, ev.tid, &done));
        } else if (ev.kind == DEBUG_HALTED) {
            return err_hint(err_new(ERR_CANCELLED, "the call was interrupted"),
                            "it goes on when the program does");
        } else if (ev.kind == DEBUG_EXITED || ev.kind == DEBUG_EXEC) {
            d->event = ev;
            d->have_event = true;
            d->state = DBG_RUNS; /* dbg_wait() tells it */
            dbg_wake(d);
            return err_new(ERR_GONE, "the program ended in the call");
        } else {
            TRY(dbg_put_off(d, &ev));
        }
    }
    return NULL;
}

/* The rest of a call that was interrupted. */
struct err *call_goes_on(struct dbg *d, pid_t tid, bool *ret_done)
{
    struct err *e = answer(d->call, tid, ret_done);
    if (*ret_done || e)
        end_call(d);
    return e;
}

void call_forget(struct dbg *d)
{
    end_call(d);
}

static void copy_result(const struct dbg_call *c, struct arena *a, struct dbg_value *ret)
{
    *ret = c->result;
    ret->name = "";
    ret->path = "";
    ret->is_var = false;
    ret->type = arena_strdup(a, ret->type ? ret->type : "");
    if (ret->v.bytes)
        ret->v.bytes = memcpy(arena_alloc(a, ret->v.n + 1), c->result.v.bytes, ret->v.n);
}

static struct err *run_call(struct dbg_call *c, const struct expr_call *call,
                            const struct rt_goroutine *g)
{
    if (!rt_stand_values(c->d->stand, NULL))
        return err_new(ERR_UNSUPPORTED, "without DWARF nothing is known of arguments");
    TRY(find_function(c, call));
    TRY(take_arguments(c, call));
    TRY(enter(c, g));
    atomic_store(&c->d->calling, true);
    struct err *e = converse(c);
    atomic_store(&c->d->calling, false);
    return e;
}

/* The stack may have been moved: what the rest of the expression sees. */
static struct err *see_again(struct dbg_caller *who)
{
    struct rt_frames fs;
    if (!who->frame || who->d->have_event)
        return NULL;
    TRY(rt_goroutine_frames(who->d->stand, who->g.g, who->number + 1, who->a, &fs));
    if (who->number < fs.n)
        *who->frame = fs.v[who->number];
    return NULL;
}

struct err *dbg_call_hook(void *arg, const struct expr_call *call, struct arena *a,
                          struct dbg_value *ret)
{
    struct dbg_caller *who = arg;
    struct dbg *d = who->d;
    if (!d->debug)
        return err_new(ERR_UNSUPPORTED, "a core does not run");
    if (d->call)
        return err_new(ERR_USAGE, "another call has not ended");
    if (!who->g.running || !who->g.tid || who->g.status != SNAP_G_RUNNING)
        return err_hint(err_new(ERR_UNSUPPORTED, "goroutine %llu does not run now",
                                (unsigned long long)who->g.id),
                        "only a goroutine that is stopped while it runs can call");
    struct dbg_call *c = d->call = mem_alloc(sizeof(*c));
    c->d = d;
    c->goroutine = (int64_t)who->g.id;
    arena_init(&c->arena);
    struct err *e = run_call(c, call, &who->g);
    rt_stand_moved(d->stand, dbg_view(d));
    if (!e)
        e = see_again(who);
    if (e && err_code(e) == ERR_CANCELLED)
        return err_wrap(e, "%s", call->text); /* it is kept */
    if (!e && c->failure) {
        e = c->failure;
        c->failure = NULL;
    }
    if (!e && !c->have_result)
        e = err_new(ERR_NOT_FOUND, "the call is done; it has no result");
    if (!e)
        copy_result(c, a, ret);
    end_call(d);
    return err_wrap(e, "%s", call->text);
}
