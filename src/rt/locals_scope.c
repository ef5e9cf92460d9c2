/* locals_scope.c - what can be said about the variables at a pc without looking at a process.
 *
 * Go: cmd/compile/internal/dwarfgen, cmd/compile/internal/ssa/debug.go,
 * .../liveness/mergelocals.go, runtime/preempt_amd64.s asyncPreempt (1.18-1.27).
 *
 * A location list holds for some code and is to be believed there.  A fixed place (-N, and
 * optimised code for what is not kept in registers: arrays, what has its address taken) says
 * nothing about when the variable is there.  So for those
 *   - the code before pc is read: as long as nothing of it touches the place, the variable is not
 *     set.  That is so for the order of addresses, which is the order of source but for loops, and
 *     a loop that has come around has gone past the place before;
 *   - a place that others have, too, is not believed: the compiler lets variables that are not
 *     needed at the same time share (since 1.23), and DWARF does not tell which it holds.
 *
 * Nothing here changes with the goroutine, so it is kept for each pc. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "image/dwarf_const.h"
#include "image/dwarf_type.h"
#include "rt/capture_int.h"

enum { CODE_MAX = 64 << 10, TOUCHES_MAX = 4096, INSN_MAX = 16, PLACES_MAX = 4096 };

/* A place in the frame, from the frame's address (CFA). */
struct place {
    int64_t off, size;
    uint64_t die;
};

struct local_scopes {
    const struct rt *rt;
    struct arena arena;
    struct map by_pc; /* pc << 1 | exact -> index */
    VEC(struct local_scope *) v;
    int32_t preempt[LOCAL_REGS];
};

/* ---- the code ---- */

struct touches {
    VEC(struct place) v;
};

struct code {
    const struct rt *rt;
    const struct rt_module *m;
    struct pcln_func f;
    const uint8_t *bytes;
    size_t n;
};

static bool open_code(const struct rt *rt, taddr pc, struct code *ret)
{
    *ret = (struct code){.rt = rt};
    if (!rt_func_at(rt, pc, &ret->f, &ret->m) || ret->f.end <= ret->f.entry)
        return false;
    ret->n = min_u64(ret->f.end - ret->f.entry, CODE_MAX);
    struct image *img;
    taddr slide;
    struct err *e = rt_module_image(rt, ret->m, &img, &slide);
    ret->bytes = e ? NULL : image_at(img, ret->f.entry - slide, ret->n);
    err_free(e);
    return ret->bytes != NULL;
}

/* Calls fn for every instruction from the function's entry to pc. */
static void each_insn(const struct code *c, taddr pc,
                      bool (*fn)(void *arg, taddr at, const struct arch_insn *in), void *arg)
{
    const struct arch *arch = target_arch(c->rt->t);
    for (size_t at = 0; at < c->n && c->f.entry + at < pc;) {
        struct arch_insn in;
        uint8_t bytes[INSN_MAX] = {0};
        memcpy(bytes, c->bytes + at, min_u64(sizeof(bytes), c->n - at));
        if (!arch->decode(bytes, min_u64(sizeof(bytes), c->n - at), c->f.entry + at, &in) ||
            !in.len || !fn(arg, c->f.entry + at, &in))
            return;
        at += in.len;
    }
}

struct touch_walk {
    const struct code *code;
    struct pcln_values sizes; /* of the frame */
    bool have;
    struct touches *ret;
};

/* Frame size at a pc, asked for in the order of addresses. */
static int32_t frame_at(struct touch_walk *w, taddr at)
{
    while (w->have && at >= w->sizes.hi)
        w->have = pcln_value_next(&w->sizes);
    return w->have && at >= w->sizes.lo ? w->sizes.value : -1;
}

static bool take_touch(void *arg, taddr at, const struct arch_insn *in)
{
    struct touch_walk *w = arg;
    if (in->stack == ARCH_REF_NONE || in->stack == ARCH_REF_LOAD)
        return true;
    int32_t frame = frame_at(w, at);
    struct place p = {.off = in->stack_off - frame - 8, .size = in->stack_size};
    if (frame >= 0 && w->ret->v.n < TOUCHES_MAX)
        vec_push(&w->ret->v, p);
    return true;
}

static void find_touches(const struct code *c, taddr pc, struct touches *ret)
{
    struct touch_walk w = {.code = c, .ret = ret};
    pcln_values_of(&w.sizes, &c->m->pcln, &c->f, c->f.pcsp);
    w.have = pcln_value_next(&w.sizes);
    each_insn(c, pc, take_touch, &w);
}

static bool is_touched(const struct touches *t, const struct place *p)
{
    for (size_t i = 0; i < t->v.n; i++) {
        int64_t lo = t->v.v[i].off, hi = lo + (t->v.v[i].size ? t->v.v[i].size : 1);
        if (lo < p->off + p->size && p->off < hi)
            return true;
    }
    return t->v.n >= TOUCHES_MAX;
}

static bool take_saved(void *arg, taddr at, const struct arch_insn *in)
{
    struct local_scopes *ls = arg;
    if (in->stack == ARCH_REF_STORE && in->stack_reg >= 0 && in->stack_reg < LOCAL_REGS &&
        in->stack_off >= 0 && in->stack_off < 4096)
        ls->preempt[in->stack_reg] = (int32_t)in->stack_off;
    return !in->is_call;
}

static void find_preempt_regs(struct local_scopes *ls)
{
    struct pcln_func f;
    struct code c;
    memset(ls->preempt, 0xff, sizeof(ls->preempt));
    if (pcln_find_name(&ls->rt->modules[0].pcln, "runtime.asyncPreempt", &f) &&
        open_code(ls->rt, f.entry, &c))
        each_insn(&c, f.end, take_saved, ls);
}

/* ---- places ---- */

static int64_t type_size(struct dwarf *dw, uint64_t type)
{
    const struct dwarf_type *t;
    struct err *e =
        type == DWARF_NO_ID ? err_new(ERR_NOT_FOUND, "no type") : dwarf_type_strip(dw, type, &t);
    err_free(e);
    return e ? -1 : dwarf_type_size(dw, t);
}

/* The place of a variable whose expression is one offset from the frame's address. */
static bool place_of(struct dwarf *dw, const struct dwarf_var *v, struct place *ret)
{
    const struct dwarf_expr *x = &v->loc;
    int64_t size = type_size(dw, v->type);
    *ret = (struct place){.size = size > 0 ? size : 0, .die = v->die};
    if (x->n == 1 && x->p[0] == DW_OP_call_frame_cfa)
        return true;
    if (x->n < 2 || x->p[0] != DW_OP_fbreg)
        return false;
    struct cursor c = cursor_on(x->p + 1, x->n - 1, "a location");
    ret->off = cursor_sleb(&c);
    return !c.bad && !cursor_left(&c);
}

/* Places of all variables of the function, whether in scope or not. */
static void all_places(const struct dwarf_scope *s, struct touches *ret)
{
    const struct dwarf_func *f = &s->calls[s->ncalls - 1].func;
    struct dwarf *dw = f->unit->dw;
    struct dwarf_walk w;
    struct dwarf_die die, d;
    struct dwarf_var v;
    struct place p;
    struct err *e = dwarf_die_at(dw, f->die, &die);
    if (e) {
        err_free(e);
        return;
    }
    dwarf_walk_die(&w, &die);
    while (dwarf_walk_next(&w, &d)) {
        if (d.tag != DW_TAG_variable && d.tag != DW_TAG_formal_parameter)
            continue;
        e = dwarf_var_of(dw, d.id, &v); /* loc: only when it is fixed */
        if (!e && place_of(dw, &v, &p) && p.size && ret->v.n < PLACES_MAX)
            vec_push(&ret->v, p);
        err_free(e);
    }
    err_free(w.err);
}

static bool is_shared(const struct touches *places, const struct place *p)
{
    for (size_t i = 0; i < places->v.n; i++) {
        const struct place *o = &places->v.v[i];
        if (o->die != p->die && o->off < p->off + p->size && p->off < o->off + o->size)
            return true;
    }
    return false;
}

/* ---- fates ---- */

/* What the compiler made: .dict, .closureptr, .autotmp_1; ~r0, results without a name, which have
 * no value until a return statement; #yield1 and the like of range-over-func; _. */
static bool is_source_name(const char *name)
{
    name += *name == '&';
    return *name && !strchr(".~#", *name) && strcmp(name, "_") != 0;
}

/* ~r0 in a fixed place, as -N leaves it: zero from the function's beginning on, as results with a
 * name are, and set by the return statement, so that deferred calls find it. */
static bool is_unnamed_result(const struct dwarf_var *v, const struct touches *t,
                              const struct touches *places)
{
    struct place p;
    return v->result && strncmp(v->name, "~r", 2) == 0 && v->fixed &&
           place_of(v->unit->dw, v, &p) && p.size && !is_shared(places, &p) && is_touched(t, &p);
}

static uint8_t fate_of(const struct dwarf_var *v, const struct touches *t,
                       const struct touches *places)
{
    struct place p;
    if (!v->undeclared && is_unnamed_result(v, t, places))
        return LOCAL_UNNAMED;
    if (v->undeclared || v->external || !is_source_name(v->name))
        return LOCAL_HIDDEN;
    if (!v->fixed || !place_of(v->unit->dw, v, &p) || !p.size)
        return LOCAL_LOOK;
    if (is_shared(places, &p))
        return LOCAL_SHARED;
    bool passed = p.off >= 0; /* in the caller's frame: it was set before the call */
    return passed || is_touched(t, &p) ? LOCAL_LOOK : LOCAL_NOT_SET;
}

static void find_fates(struct local_scopes *ls, struct local_scope *s, taddr pc)
{
    struct touches t = {0}, places = {0};
    struct code c;
    bool fixed = false;
    for (size_t i = 0; i < s->scope.nvars; i++)
        fixed |= s->scope.vars[i].fixed;
    if (fixed && open_code(ls->rt, pc, &c))
        find_touches(&c, pc, &t);
    if (fixed)
        all_places(&s->scope, &places);
    s->fate = arena_alloc(&ls->arena, s->scope.nvars + 1);
    for (size_t i = 0; i < s->scope.nvars; i++)
        s->fate[i] = fate_of(&s->scope.vars[i], &t, &places);
    vec_free(&t.v);
    vec_free(&places.v);
}

/* ---- scopes ---- */

/* Both lists end with the physical function.  Where the inlined calls differ, those with the same
 * name count, from the outside inwards. */
static void match_frames(struct local_scope *s, const struct pcln_frame *frames, size_t n)
{
    size_t k = n;
    for (size_t i = s->scope.ncalls; i-- > 0;) {
        s->frame_of[i] = UINT16_MAX;
        if (!k)
            continue;
        bool last = i + 1 == s->scope.ncalls;
        if (last || n == s->scope.ncalls ||
            strcmp(frames[k - 1].func, s->scope.calls[i].func.name) == 0)
            s->frame_of[i] = (uint16_t)--k;
    }
}

static bool is_in_register(const struct dwarf_expr *loc)
{
    uint8_t op = loc->n ? *loc->p : 0;
    return (op >= DW_OP_reg0 && op <= DW_OP_reg31) || op == DW_OP_regx;
}

/* A frame that has called: what the call finds in a register may have been in memory as well, which
 * is where DWARF says it is behind the call (nothing runs in between). */
static void look_behind_call(struct local_scopes *ls, struct local_scope *s, struct dwarf *dw,
                             taddr pc)
{
    struct dwarf_scope behind;
    bool any = false;
    for (size_t i = 0; i < s->scope.nvars; i++)
        any |= is_in_register(&s->scope.vars[i].loc);
    if (!any)
        return;
    struct err *e = dwarf_scope_at(dw, pc - s->slide, &ls->arena, &behind);
    for (size_t k = 0; !e && k < behind.nvars; k++) {
        const struct dwarf_var *b = &behind.vars[k];
        if (!b->loc.n || is_in_register(&b->loc))
            continue;
        for (size_t i = 0; i < s->scope.nvars; i++)
            if (s->scope.vars[i].die == b->die && is_in_register(&s->scope.vars[i].loc))
                s->scope.vars[i].loc = b->loc;
    }
    err_free(e);
}

static void make_scope(struct local_scopes *ls, struct local_scope *s, taddr pc, bool exact)
{
    struct pcln_frame frames[PCLN_FRAMES_MAX];
    struct pcln_func f;
    const struct rt_module *m;
    size_t n = 0;
    if (rt_func_at(ls->rt, pc, &f, &m)) {
        taddr at = exact || pc == f.entry ? pc : pc - 1;
        n = pcln_frames(&m->pcln, &f, at, frames, ARRAY_LEN(frames));
        struct dwarf *dw;
        struct err *e = rt_module_dwarf(ls->rt, m, &dw, &s->slide), *no_dwarf = e;
        if (!e)
            e = dwarf_scope_at(dw, at - s->slide, &ls->arena, &s->scope);
        if (e && (no_dwarf || err_code(e) != ERR_NOT_FOUND)) /* assembly has no variables */
            s->why = arena_strdup(&ls->arena, err_message(e));
        if (e)
            s->scope = (struct dwarf_scope){0};
        if (!e && at != pc)
            look_behind_call(ls, s, dw, pc);
        err_free(e);
    }
    s->nframes = (uint16_t)(n ? n : 1);
    s->frame_of = arena_array(&ls->arena, uint16_t, s->scope.ncalls + 1);
    match_frames(s, frames, n);
    find_fates(ls, s, pc);
}

struct local_scopes *local_scopes_new(const struct rt *rt)
{
    struct local_scopes *ls = mem_alloc(sizeof(*ls));
    ls->rt = rt;
    arena_init(&ls->arena);
    find_preempt_regs(ls);
    return ls;
}

void local_scopes_free(struct local_scopes *ls)
{
    if (!ls)
        return;
    map_free(&ls->by_pc);
    vec_free(&ls->v);
    arena_free(&ls->arena);
    free(ls);
}

const struct local_scope *local_scope_at(struct local_scopes *ls, taddr pc, bool exact)
{
    bool added;
    uint32_t i = map_get_or_put(&ls->by_pc, pc << 1 | exact, (uint32_t)ls->v.n, &added);
    if (added) {
        struct local_scope *s = arena_new(&ls->arena, struct local_scope);
        make_scope(ls, s, pc, exact);
        vec_push(&ls->v, s);
    }
    return ls->v.v[i];
}

const int32_t *local_preempt_regs(const struct local_scopes *ls)
{
    return ls->preempt;
}
