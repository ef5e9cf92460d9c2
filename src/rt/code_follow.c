/* code_follow.c - see code_follow.h.
 *
 * Go: cmd/compile's calling convention (ABIInternal, abi-internal.md; amd64 since 1.17): no
 * register outlives a call, results begin in the first register of arguments; write barriers
 * (runtime.gcWriteBarrier*) keep all but what they say they return.  Code without optimization
 * keeps everything in the frame between two statements, so places there are followed, too.
 *
 * Two passes: which instructions are jumped to must be known before anything is believed.  Where
 * ways meet, what all of them agree on is known, if all come from above: write barriers branch in
 * the middle of a statement.  At the head of a loop nothing is.  Functions that jump through a
 * table are left out, because then nobody knows where ways meet. */
#include "rt/code_follow.h"

#include <stdlib.h>
#include <string.h>

enum { REGS = 32, PLACES = 32, INSN_MAX = 16, WAYS_MAX = 64, CODE_MAX = 1 << 18 };

static const struct code_value unknown = {.kind = CODE_UNKNOWN};

struct place { /* 8 bytes in the frame */
    int64_t off;
    struct code_value v;
};

struct state {
    struct code_value reg[REGS];
    struct place place[PLACES];
    size_t nplaces;
    bool reached; /* else nothing leads here */
};

struct way { /* jumps to a place below */
    size_t to;
    struct state s;
};

struct follow {
    const struct arch *arch;
    const uint8_t *code;
    size_t n;
    taddr pc;
    const struct code_events *ev;
    uint64_t *met;  /* owned; a bit for each byte that is jumped to from above */
    uint64_t *lost; /* owned; a bit for each byte where nothing is known */
    struct state s;
    VEC(struct way) ways;
    VEC(struct arch_insn) insns; /* decoded once */
    int64_t floor; /* from here up, what is in the frame may change through its address */
    bool table;    /* it jumps to nobody knows where */
};

static bool decode(const struct follow *f, size_t at, struct arch_insn *ret)
{
    uint8_t bytes[INSN_MAX] = {0};
    size_t n = min_u64(sizeof(bytes), f->n - at);
    memcpy(bytes, f->code + at, n);
    return f->arch->decode(bytes, n, f->pc + at, ret) && ret->len;
}

static void set(uint64_t *bits, size_t at)
{
    bits[at / 64] |= UINT64_C(1) << at % 64;
}

static bool is_set(const uint64_t *bits, size_t at)
{
    return bits[at / 64] >> at % 64 & 1;
}

static void look_ahead(struct follow *f)
{
    struct arch_insn in;
    f->floor = INT64_MAX;
    for (size_t at = 0; at < f->n && decode(f, at, &in); at += in.len) {
        vec_push(&f->insns, in);
        f->table |= in.is_jump && !in.target;
        if (in.is_jump && in.target - f->pc < f->n)
            set(in.target - f->pc > at ? f->met : f->lost, in.target - f->pc);
        /* The frame pointer only marks the frame (set like that until 1.20).  Below the frame
         * nothing lies: that is a check of its size. */
        bool taken = in.stack == ARCH_REF_ADDRESS && in.stack_off >= 0 && in.to != f->arch->abi->fp;
        if (taken && in.stack_off < f->floor)
            f->floor = in.stack_off;
    }
}

/* ---- what is known ---- */

static struct code_value address_of(taddr at)
{
    return (struct code_value){.kind = CODE_ADDRESS, .at = at};
}

struct code_value code_load(struct code_value base, int64_t off)
{
    if (base.kind == CODE_ADDRESS)
        return (struct code_value){.kind = CODE_LOADED, .at = base.at + (taddr)off};
    bool way = base.kind == CODE_LOADED || base.kind == CODE_ENTRY || base.kind == CODE_FRAME;
    off += base.add;
    base.add = 0;
    if (!way || base.depth == CODE_DEPTH || off != (int32_t)off)
        return unknown;
    base.off[base.depth++] = (int32_t)off;
    return base;
}

static void forget_regs(struct follow *f)
{
    memset(f->s.reg, 0, sizeof(f->s.reg));
}

static struct code_value in_reg(const struct follow *f, int reg)
{
    return reg >= 0 && reg < REGS ? f->s.reg[reg] : unknown;
}

static struct code_value in_place(const struct follow *f, int64_t off)
{
    for (size_t i = 0; i < f->s.nplaces; i++)
        if (f->s.place[i].off == off)
            return f->s.place[i].v;
    return unknown;
}

/* What a word of the frame holds. */
static struct code_value from_frame(const struct follow *f, int64_t off)
{
    if (f->ev->view != CODE_BY_FRAME)
        return in_place(f, off);
    return (struct code_value){.kind = CODE_FRAME, .at = (taddr)off};
}

static void forget_places(struct follow *f, int64_t off, unsigned size)
{
    size_t n = 0;
    for (size_t i = 0; i < f->s.nplaces; i++) {
        int64_t at = f->s.place[i].off;
        if (at >= off + (int64_t)size || off >= at + 8)
            f->s.place[n++] = f->s.place[i];
    }
    f->s.nplaces = n;
}

static void put_place(struct follow *f, int64_t off, struct code_value v)
{
    if (v.kind != CODE_UNKNOWN && f->s.nplaces < PLACES && off < f->floor)
        f->s.place[f->s.nplaces++] = (struct place){off, v};
}

/* ---- where ways meet ---- */

static bool same(const struct code_value *a, const struct code_value *b)
{
    bool eq = a->kind == b->kind && a->at == b->at && a->form == b->form && a->depth == b->depth &&
              a->add == b->add;
    for (unsigned i = 0; eq && i < a->depth; i++)
        eq = a->off[i] == b->off[i];
    return eq;
}

/* What both agree on. */
static void meet(struct state *a, const struct state *b)
{
    size_t n = 0;
    if (!a->reached || !b->reached) {
        *a = a->reached ? *a : *b;
        return;
    }
    for (size_t i = 0; i < REGS; i++)
        if (!same(&a->reg[i], &b->reg[i]))
            a->reg[i] = unknown;
    for (size_t i = 0; i < a->nplaces; i++)
        for (size_t k = 0; k < b->nplaces; k++)
            if (a->place[i].off == b->place[k].off && same(&a->place[i].v, &b->place[k].v)) {
                a->place[n++] = a->place[i];
                break;
            }
    a->nplaces = n;
}

static void jump(struct follow *f, size_t to)
{
    for (size_t i = 0; i < f->ways.n; i++)
        if (f->ways.v[i].to == to) {
            meet(&f->ways.v[i].s, &f->s);
            return;
        }
    struct way w = {to, f->s};
    if (f->ways.n < WAYS_MAX)
        vec_push(&f->ways, w);
    else
        set(f->lost, to);
}

/* At a place that is jumped to. */
static void arrive(struct follow *f, size_t at)
{
    for (size_t i = 0; i < f->ways.n; i++)
        if (f->ways.v[i].to == at) {
            meet(&f->s, &f->ways.v[i].s);
            f->ways.v[i] = f->ways.v[--f->ways.n];
            break;
        }
    if (is_set(f->lost, at))
        f->s = (struct state){.reached = true};
}

/* ---- one instruction ---- */

static void call(struct follow *f, const struct arch_insn *in, taddr at)
{
    struct code_value args[CODE_ARGS];
    for (size_t i = 0; i < CODE_ARGS; i++)
        args[i] = in_reg(f, f->arch->go_args[i]);
    if (f->ev->behind)
        *f->ev->behind = at + in->len;
    struct code_value result = f->ev->call(f->ev->arg, in->target, args);
    if (result.kind == CODE_KEPT) {
        f->s.reg[f->arch->barrier] = unknown;
        return;
    }
    forget_regs(f);
    f->s.reg[f->arch->go_args[0]] = result;
}

/* The address of a field of what a value points to. */
static struct code_value field_of(const struct follow *f, struct code_value v, int64_t off)
{
    bool way = v.kind == CODE_LOADED || v.kind == CODE_ENTRY || v.kind == CODE_FRAME;
    if (v.kind == CODE_ADDRESS)
        return address_of(v.at + (taddr)off);
    if (!f->ev->inner || !way || v.add + off != (int32_t)(v.add + off))
        return unknown;
    v.add += (int32_t)off;
    return v;
}

static struct code_value moved(const struct follow *f, const struct arch_insn *in)
{
    if (in->from >= 0)
        return in_reg(f, in->from);
    if (in->ref == ARCH_REF_ADDRESS)
        return address_of(in->ref_addr);
    if (in->ref == ARCH_REF_LOAD)
        return code_load(address_of(in->ref_addr), 0);
    if (in->stack == ARCH_REF_LOAD)
        return from_frame(f, in->stack_off);
    if (in->mem == ARCH_REF_LOAD)
        return code_load(in_reg(f, in->mem_base), in->mem_off);
    if (in->mem == ARCH_REF_ADDRESS)
        return field_of(f, in_reg(f, in->mem_base), in->mem_off);
    return unknown;
}

/* A register is stored in the frame: from now on the frame tells its value, and not any more that
 * of registers which were told by what lay there. */
static void tell_by_frame(struct follow *f, const struct arch_insn *in)
{
    int64_t lo = in->stack_off, hi = lo + (int64_t)in->stack_size;
    for (int i = 0; i < REGS; i++) {
        const struct code_value *v = &f->s.reg[i];
        if (v->kind == CODE_FRAME && (int64_t)v->at < hi && lo < (int64_t)v->at + 8)
            f->s.reg[i] = unknown;
    }
    if (in->stored >= 0 && in->stored < REGS && f->s.reg[in->stored].kind != CODE_ADDRESS)
        f->s.reg[in->stored] = (struct code_value){.kind = CODE_FRAME, .at = (taddr)lo};
}

static void store(struct follow *f, const struct arch_insn *in)
{
    struct code_value v = in_reg(f, in->stored);
    if (in->mem == ARCH_REF_STORE && in->stored >= 0)
        f->ev->store(f->ev->arg, in_reg(f, in->mem_base), in->mem_off, v);
    if (in->ref == ARCH_REF_STORE && in->stored >= 0)
        f->ev->store(f->ev->arg, address_of(in->ref_addr), 0, v);
    if (in->stack != ARCH_REF_STORE)
        return;
    forget_places(f, in->stack_off, in->stack_size);
    put_place(f, in->stack_off, v);
    if (f->ev->view == CODE_BY_FRAME)
        tell_by_frame(f, in);
}

static void step(struct follow *f, const struct arch_insn *in, taddr at)
{
    if (in->is_call) {
        call(f, in, at);
        return;
    }
    struct code_value v = moved(f, in);
    store(f, in);
    for (int i = 0; i < REGS; i++)
        if (in->changes >> i & 1)
            f->s.reg[i] = in->to == i ? v : unknown;
    if (in->changes >> f->arch->sp & 1)
        f->s.nplaces = 0;
    if (in->is_jump && in->target - f->pc < f->n && in->target > at)
        jump(f, in->target - f->pc);
    if (in->is_ret || (in->is_jump && !in->is_conditional))
        f->s = (struct state){.reached = false};
}

/* What comes back to the entry asked for more stack before, and has the same arguments. */
static void begin(struct follow *f)
{
    f->s = (struct state){.reached = true};
    if (f->ev->view == CODE_BY_ITSELF)
        return;
    for (unsigned i = 0; i < CODE_ARGS; i++)
        f->s.reg[f->arch->go_args[i]] = (struct code_value){.kind = CODE_ENTRY, .at = i};
    f->s.reg[f->arch->abi->context] = (struct code_value){.kind = CODE_ENTRY, .at = CODE_CONTEXT};
}

void code_follow(const struct arch *arch, const uint8_t *code, size_t n, taddr pc,
                 const struct code_events *ev)
{
    struct follow f = {.arch = arch, .code = code, .n = n, .pc = pc, .ev = ev, .s.reached = true};
    if (n > CODE_MAX)
        return;
    f.met = mem_alloc((n / 64 + 1) * sizeof(*f.met));
    f.lost = mem_alloc((n / 64 + 1) * sizeof(*f.lost));
    look_ahead(&f);
    for (size_t i = 0, at = 0; !f.table && i < f.insns.n; at += f.insns.v[i++].len) {
        if (is_set(f.met, at) || is_set(f.lost, at))
            arrive(&f, at);
        if (!at)
            begin(&f);
        step(&f, &f.insns.v[i], pc + at);
    }
    vec_free(&f.ways);
    vec_free(&f.insns);
    free(f.met);
    free(f.lost);
}
