/* call_eval.c - evaluating an expression that calls: which function, with what, and what it
 * returns.
 *
 * Go: cmd/compile/internal/dwarfgen (1.18-1.27): DWARF has all parameters of a function in their
 * order, the receiver first, also in optimised code; that one is variadic it does not say.  So what
 * does not fit as a slice is taken for the elements of one. */
#include <string.h>

#include "dbg/call_int.h"

enum { PARAMS_MAX = 64, STACK_LIMIT = 65536, ARG_LIMIT = 65536, DEPTH_MAX = 32 };

struct param {
    const char *name;
    uint64_t type;
};
struct signature {
    struct param args[PARAMS_MAX], results[PARAMS_MAX];
    size_t nargs, nresults;
};

static struct err *read_signature(struct call *c, const struct code_func *f, struct signature *ret)
{
    struct rt_var *vars;
    size_t count;
    *ret = (struct signature){0};
    TRY(abi_signature(c->d, f, &c->arena, &vars, &count));
    for (size_t i = 0; i < count; i++) {
        bool result = vars[i].kind == RT_VAR_RESULT;
        size_t *n = result ? &ret->nresults : &ret->nargs;
        if (*n == PARAMS_MAX)
            return err_new(ERR_LIMIT, "%s has too many parameters", f->f.name);
        (result ? ret->results : ret->args)[(*n)++] =
            (struct param){.name = vars[i].name, .type = vars[i].value.type};
    }
    return NULL;
}

/* ---- what is called ---- */

struct callee {
    struct code_func f;
    taddr pc, closure;
    struct dbg_value receiver;
    bool has_receiver;
};

static struct err *find_callee(struct call *c, struct values *vs, const struct expr_call *x,
                               struct callee *ret)
{
    *ret = (struct callee){.pc = x->fn.func_pc};
    if (x->fn.form == DBG_FUNC && x->fn.receiver) {
        ret->has_receiver = true;
        ret->receiver = *x->fn.receiver;
    } else if (x->fn.form != DBG_FUNC) {
        if (!value_get(vs, &x->fn.v, 0, &ret->closure, ABI_WORD))
            return err_new(ERR_FAULT, "the function cannot be read");
        if (!ret->closure)
            return err_new(ERR_USAGE, "the function is nil");
        TRY(target_read_u64(dbg_view(c->d), ret->closure, &ret->pc));
    }
    if (!code_func_at(c->d->code, ret->pc, &ret->f) || ret->f.f.entry != ret->pc)
        return err_new(ERR_BAD_DATA, "there is no function at %#llx", (unsigned long long)ret->pc);
    return NULL;
}

/* The receiver as the method wants it: a pointer, or what it points to. */
static struct err *fit_receiver(struct call *c, struct values *vs, uint64_t want,
                                struct dbg_value *v)
{
    const struct dwarf_type *t = value_type_stripped(vs, v->v.type),
                            *to = value_type_stripped(vs, want);
    struct value held;
    const char *name;
    if (t && t->kind == DWARF_KIND_INTERFACE && value_dynamic(vs, &v->v, &held, &name)) {
        *v = (struct dbg_value){.form = DBG_VALUE, .v = held, .type = name};
        t = value_type_stripped(vs, held.type);
    }
    if (value_type_same(vs, v->v.type, want))
        return NULL;
    if (to && to->kind == DWARF_KIND_POINTER && value_type_same(vs, to->elem, v->v.type)) {
        if (!v->v.addr)
            return err_new(ERR_USAGE, "the receiver has no address: its method needs one");
        uint8_t *p = memcpy(arena_alloc(&c->arena, ABI_WORD), &v->v.addr, ABI_WORD);
        *v = (struct dbg_value){.form = DBG_VALUE,
                                .v = {.type = want, .bytes = p, .n = ABI_WORD},
                                .type = value_type_name(vs, want)};
        return NULL;
    }
    taddr at;
    if (t && t->kind == DWARF_KIND_POINTER && value_type_same(vs, t->elem, want)) {
        if (!value_get(vs, &v->v, 0, &at, ABI_WORD) || !at)
            return err_new(ERR_USAGE, "the receiver is nil");
        *v = (struct dbg_value){
            .form = DBG_VALUE, .v = {.type = want, .addr = at}, .type = value_type_name(vs, want)};
        return NULL;
    }
    return err_new(ERR_UNSUPPORTED, "a method of %s cannot be called on %s",
                   value_type_name(vs, want), v->type);
}

/* ---- arguments ---- */

struct args {
    struct call *c;
    struct values *vs;
    struct abi abi;
    struct call_frame f;
};

static bool on_stack_of(const struct rt_goroutine *g, const uint8_t *bytes, size_t n, size_t off)
{
    uint64_t word;
    if (off > n || n - off < ABI_WORD)
        return false;
    memcpy(&word, bytes + off, ABI_WORD);
    return word >= g->stack_lo && word < g->stack_hi;
}

/* Whether a value has a pointer to the goroutine's stack; only where its type has pointers, because
 * anything may be between fields. */
static bool points_to_stack(struct args *a, uint64_t type, const uint8_t *bytes, size_t n,
                            size_t off, unsigned depth)
{
    const struct dwarf_type *t = value_type_stripped(a->vs, type);
    const struct rt_goroutine *g = &a->c->g;
    bool yes = false;
    if (!t || depth > DEPTH_MAX)
        return false;
    switch (t->kind) {
    case DWARF_KIND_POINTER:
    case DWARF_KIND_FUNC:
    case DWARF_KIND_CHAN:
    case DWARF_KIND_MAP:
    case DWARF_KIND_STRING:
    case DWARF_KIND_SLICE:
        return on_stack_of(g, bytes, n, off);
    case DWARF_KIND_INTERFACE:
        return on_stack_of(g, bytes, n, off + ABI_WORD);
    case DWARF_KIND_STRUCT:
        for (size_t i = 0; i < t->nmembers && !yes; i++)
            yes = points_to_stack(a, t->members[i].type, bytes, n, off + t->members[i].off,
                                  depth + 1);
        return yes;
    case DWARF_KIND_ARRAY: {
        int64_t size = value_type_size(a->vs, t->elem);
        for (size_t at = off; size > 0 && at < n && !yes && at - off < t->count * (uint64_t)size;
             at += (size_t)size)
            yes = points_to_stack(a, t->elem, bytes, n, at, depth + 1);
        return yes;
    }
    default:
        return false;
    }
}

/* Such a pointer is right only as long as the function does not keep it. */
static struct err *check_stack(struct args *a, const struct param *p, const uint8_t *bytes,
                               size_t n)
{
    if (a->c->spec.unsafe || !points_to_stack(a, p->type, bytes, n, 0, 0))
        return NULL;
    return err_hint(err_new(ERR_UNSUPPORTED,
                            "%s refers to the goroutine's stack: a function that keeps it would "
                            "find something else there later",
                            *p->name ? p->name : "an argument"),
                    "call it unsafely when you know that it keeps nothing");
}

static struct err *put_bytes(struct args *a, const struct param *p, const uint8_t *bytes, size_t n)
{
    bool on_stack;
    taddr off = 0;
    TRY(check_stack(a, p, bytes, n));
    abi_assign(&a->abi, p->type, &on_stack, &off);
    if (on_stack) {
        if (off + n > STACK_LIMIT)
            return err_new(ERR_LIMIT, "call frame too large");
        if (!a->f.stack)
            a->f.stack = arena_alloc(&a->c->arena, STACK_LIMIT);
        memcpy(a->f.stack + off, bytes, n);
        a->f.stack_n = off + n;
        return NULL;
    }
    for (unsigned i = 0; i < a->abi.n; i++) {
        const struct abi_part *part = &a->abi.v[i];
        struct call_reg *r = &a->f.regs[a->f.nregs++];
        *r = (struct call_reg){.reg = part->reg, .vector = part->vector, .n = (uint8_t)part->n};
        memcpy(r->bytes, bytes + part->off, part->n);
    }
    return NULL;
}

/* What is given to one parameter. */
static struct err *bytes_for(struct args *a, const struct param *p, const struct dbg_value *v,
                             uint8_t **ret, size_t *ret_n)
{
    int64_t size = value_type_size(a->vs, p->type);
    if (size < 0 || size > ARG_LIMIT)
        return err_new(ERR_LIMIT, "%s has %lld bytes", p->name, (long long)size);
    *ret_n = (size_t)size;
    *ret = arena_alloc(&a->c->arena, *ret_n + ABI_WORD);
    return err_wrap(call_bytes(a->c, p->type, v, *ret, *ret_n), "%s",
                    *p->name ? p->name : "an argument");
}

/* A slice of the arguments that are left. */
static struct err *bytes_for_rest(struct args *a, const struct param *p, const struct dbg_value *v,
                                  size_t count, uint8_t **ret, size_t *ret_n)
{
    const struct dwarf_type *t = value_type_stripped(a->vs, p->type);
    struct param elem = {.name = p->name, .type = t->elem};
    int64_t size = value_type_size(a->vs, t->elem);
    taddr type = value_type_address(a->vs, t->elem);
    uint64_t head[3] = {0, count, count};
    *ret_n = sizeof(head);
    *ret = arena_alloc(&a->c->arena, sizeof(head));
    if (!count)
        return NULL; /* nil */
    if (!type || size < 0 || size * (int64_t)count > ARG_LIMIT)
        return err_new(ERR_UNSUPPORTED, "a slice of %s cannot be made",
                       value_type_name(a->vs, t->elem));
    uint8_t *all = arena_alloc(&a->c->arena, (size_t)size * count + 1), *one;
    size_t n;
    for (size_t i = 0; i < count; i++) {
        TRY(bytes_for(a, &elem, &v[i], &one, &n));
        memcpy(all + i * n, one, n);
    }
    TRY(call_alloc(a->c, (uint64_t)size * count, type, &head[0]));
    if (size)
        TRY(debug_write(a->c->d->debug, head[0], all, (size_t)size * count));
    memcpy(*ret, head, sizeof(head));
    return NULL;
}

/* Whether the arguments from number `at` on are the elements of the last parameter. */
static bool is_rest(struct args *a, const struct param *p, const struct expr_call *x, size_t at)
{
    const struct dwarf_type *t = value_type_stripped(a->vs, p->type);
    if (x->spread || !t || t->kind != DWARF_KIND_SLICE)
        return false;
    if (x->nargs != at + 1)
        return true;
    const struct dbg_value *v = &x->args[at];
    return v->form == DBG_UNTYPED ||
           (v->form == DBG_VALUE && !value_type_same(a->vs, v->v.type, p->type));
}

static struct err *wrong_count(const struct expr_call *x, const struct signature *s, size_t first)
{
    return err_new(ERR_USAGE, "%s arguments: %zu are given, %zu are wanted",
                   x->nargs + first < s->nargs ? "not enough" : "too many", x->nargs,
                   s->nargs - first);
}

static struct err *put_args(struct args *a, const struct signature *s, struct callee *callee,
                            const struct expr_call *x)
{
    size_t first = callee->has_receiver ? 1 : 0;
    uint8_t *bytes[PARAMS_MAX];
    size_t n[PARAMS_MAX];
    if (s->nargs < first || (s->nargs && strcmp(s->args[0].name, ".dict") == 0))
        return err_new(ERR_UNSUPPORTED, "%s is generic code that takes a dictionary of types",
                       callee->f.f.name);
    if (first) {
        TRY(fit_receiver(a->c, a->vs, s->args[0].type, &callee->receiver));
        TRY(bytes_for(a, &s->args[0], &callee->receiver, &bytes[0], &n[0]));
    }
    for (size_t i = first; i < s->nargs; i++) {
        size_t at = i - first;
        const struct param *p = &s->args[i];
        if (i + 1 == s->nargs && x->nargs >= at && is_rest(a, p, x, at))
            TRY(bytes_for_rest(a, p, &x->args[at], x->nargs - at, &bytes[i], &n[i]));
        else if (at >= x->nargs || (i + 1 == s->nargs && x->nargs > at + 1))
            return wrong_count(x, s, first);
        else
            TRY(bytes_for(a, p, &x->args[at], &bytes[i], &n[i]));
    }
    if (s->nargs == first && x->nargs)
        return wrong_count(x, s, first);
    for (size_t i = 0; i < s->nargs; i++)
        TRY(put_bytes(a, &s->args[i], bytes[i], n[i]));
    return NULL;
}

/* ---- results ---- */

static struct err *read_result(struct args *a, const struct param *p,
                               const struct call_returned *back, struct dbg_value *ret)
{
    int64_t size = value_type_size(a->vs, p->type);
    bool on_stack;
    taddr off = 0;
    if (size < 0 || size > ARG_LIMIT)
        return err_new(ERR_LIMIT, "a result has %lld bytes", (long long)size);
    uint8_t *bytes = arena_alloc(&a->c->arena, (size_t)size + ABI_WORD);
    abi_assign(&a->abi, p->type, &on_stack, &off);
    if (on_stack && size)
        TRY(target_read(dbg_view(a->c->d), back->regs.sp + off, bytes, (size_t)size));
    for (unsigned i = 0; !on_stack && i < a->abi.n; i++)
        if (!abi_read(&a->abi, &a->abi.v[i], &back->regs, back->extended, back->extended_n, bytes))
            return err_new(ERR_BAD_DATA, "the register of a result cannot be read");
    *ret = (struct dbg_value){.form = DBG_VALUE,
                              .name = strncmp(p->name, "~r", 2) == 0 ? "" : p->name,
                              .path = "",
                              .type = value_type_name(a->vs, p->type),
                              .v = {.type = p->type, .bytes = bytes, .n = (size_t)size}};
    return NULL;
}

/* One result is the value; none or several are something that only stands for itself. */
static void as_value(struct call *c, struct dbg_value *ret)
{
    struct buf b = {0};
    if (c->nresults == 1) {
        *ret = c->results[0];
        return;
    }
    for (size_t i = 0; i < c->nresults; i++) {
        buf_str(&b, i ? ", " : "");
        dbg_value_text(c->d->stand, &c->results[i], &value_limits_typed, &b);
    }
    *ret =
        (struct dbg_value){.form = DBG_VALUE,
                           .name = "",
                           .path = "",
                           .type = "",
                           .why = c->nresults ? arena_strdup(&c->arena, buf_text(&b)) : "no result",
                           .v = {.type = DWARF_NO_ID}};
    buf_free(&b);
}

/* ---- a call ---- */

/* Whether a call is all of the expression: only then it may return none or several values. */
static bool is_whole(const struct call *c, const struct expr_call *x)
{
    const char *text = c->spec.text + strspn(c->spec.text, " \t");
    size_t n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    return strlen(x->text) == n && strncmp(x->text, text, n) == 0;
}

static taddr frame_size(const struct abi *args, const struct abi *all)
{
    taddr end = (all->stack + ABI_WORD - 1) & ~(taddr)(ABI_WORD - 1);
    return end + ((args->spill + ABI_WORD - 1) & ~(taddr)(ABI_WORD - 1));
}

/* Calls it with what is in a. */
static struct err *run_callee(struct args *a, const struct signature *s, struct call_returned *ret,
                              struct abi *ret_results)
{
    struct abi args = a->abi;
    abi_results(&a->abi);
    *ret_results = a->abi;
    for (size_t i = 0; i < s->nresults; i++) {
        bool on_stack;
        taddr off;
        abi_assign(&a->abi, s->results[i].type, &on_stack, &off);
    }
    a->f.frame_n = frame_size(&args, &a->abi);
    return call_run(a->c, &a->f, ret);
}

static struct err *call_function(void *arg, const struct expr_call *x, struct arena *arena,
                                 struct dbg_value *ret)
{
    struct call *c = arg;
    struct values *vs = rt_stand_values(c->d->stand, NULL);
    struct args a = {.c = c, .vs = vs, .abi = {.arch = code_arch(c->d->code), .values = vs}};
    struct signature *s = arena_new(&c->arena, struct signature);
    struct callee callee;
    struct call_returned back;
    struct abi results;
    (void)arena;
    if (!vs)
        return err_new(ERR_UNSUPPORTED, "the program has no DWARF: parameters are not known");
    TRY(find_callee(c, vs, x, &callee));
    TRY(read_signature(c, &callee.f, s));
    if (s->nresults != 1 && (c->spec.to || !is_whole(c, x)))
        return err_new(ERR_USAGE, "%s has %zu results where one is wanted", callee.f.f.name,
                       s->nresults);
    a.f = (struct call_frame){.pc = callee.pc, .closure = callee.closure};
    TRY(put_args(&a, s, &callee, x));
    TRY(run_callee(&a, s, &back, &results));
    a.abi = results;
    c->results = arena_array(&c->arena, struct dbg_value, s->nresults + 1);
    for (size_t i = 0; i < s->nresults; i++)
        TRY(read_result(&a, &s->results[i], &back, &c->results[i]));
    c->nresults = s->nresults;
    as_value(c, ret);
    return NULL;
}

/* ---- setting a variable ---- */

static struct err *make(void *arg, uint64_t type, const struct dbg_value *src, uint8_t *dst,
                        size_t n)
{
    return call_bytes(arg, type, src, dst, n);
}

static struct err *write_memory(void *arg, taddr addr, const void *src, size_t n)
{
    struct call *c = arg;
    return debug_write(c->d->debug, addr, src, n);
}

/* The registers of the frame are put back when all calls are done, and set then. */
static struct err *write_register(void *arg, unsigned reg, const void *src, size_t n)
{
    struct call *c = arg;
    if (!c->frame.exact || !c->frame.regs || !c->levels.n)
        return err_new(ERR_UNSUPPORTED, "it is in a register that a caller has saved, or nowhere");
    struct call_reg set = {.reg = reg, .n = (uint8_t)n};
    struct arch_regs trial = c->levels.v[0].regs;
    TRY(home_set(&c->home, &trial, reg, src, n));
    TRY(look_set_reg(code_arch(c->d->code), &trial, reg, src, n));
    memcpy(set.bytes, src, n);
    vec_push(&c->sets, set);
    return NULL;
}

/* The goroutine that calls keeps its stack where it is (it is at a point where the runtime moves
 * none), so that where the variable is still holds when the value is made. */
static struct err *assign(struct call *c, const struct expr_ctx *ctx)
{
    struct dbg_value src;
    struct expr_ctx still = *ctx;
    struct dbg_writer w = {.memory = write_memory, .reg = write_register, .make = make, .arg = c};
    still.call = NULL;
    TRY(expr_once(&still, c->spec.to, &c->value));
    home_find(c->d, &c->frame, c->spec.to, &c->value, &c->arena, &c->home);
    TRY(expr_once(ctx, c->spec.text, &src));
    return dbg_value_set(c->d->stand, &c->value, &src, &w);
}

struct err *call_eval(struct call *c)
{
    struct expr_ctx ctx = {.st = c->d->stand,
                           .frame = &c->frame,
                           .g = c->g.g,
                           .tid = c->tid,
                           .call = call_function,
                           .call_arg = c,
                           .arena = &c->arena};
    if (c->spec.to)
        return assign(c, &ctx);
    TRY(expr_once(&ctx, c->spec.text, &c->value));
    c->whole = c->results && c->value.v.type == DWARF_NO_ID && c->value.form == DBG_VALUE;
    return NULL;
}
