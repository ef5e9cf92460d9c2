/* code_follow.c - see code_follow.h.
 *
 * Go: cmd/compile's calling convention (ABIInternal, abi-internal.md; amd64 since 1.17): no register
 * outlives a call, results begin in the first register of arguments.  Code without optimization
 * keeps everything in the frame between two statements, so places there are followed, too.
 *
 * Two passes: the targets of jumps must be known before anything is believed. */
#include "rt/code_follow.h"

#include <stdlib.h>
#include <string.h>

enum { REGS = 32, PLACES = 32, INSN_MAX = 16 };

static const struct code_value unknown = {.kind = CODE_UNKNOWN};

struct place { /* 8 bytes in the frame */
    int64_t off;
    struct code_value v;
};

struct follow {
    const struct arch *arch;
    const uint8_t *code;
    size_t n;
    taddr pc;
    const struct code_events *ev;
    uint64_t *targets; /* owned; a bit for each byte of the function that is jumped to */
    struct code_value reg[REGS];
    struct place place[PLACES];
    size_t nplaces;
    int64_t floor; /* from here up, what is in the frame may change through its address */
};

static bool decode(const struct follow *f, size_t at, struct arch_insn *ret)
{
    uint8_t bytes[INSN_MAX] = {0};
    size_t n = min_u64(sizeof(bytes), f->n - at);
    memcpy(bytes, f->code + at, n);
    return f->arch->decode(bytes, n, f->pc + at, ret) && ret->len;
}

static void look_ahead(struct follow *f)
{
    struct arch_insn in;
    f->floor = INT64_MAX;
    for (size_t at = 0; at < f->n && decode(f, at, &in); at += in.len) {
        if (in.is_jump && in.target - f->pc < f->n)
            f->targets[(in.target - f->pc) / 64] |= UINT64_C(1) << (in.target - f->pc) % 64;
        if (in.stack == ARCH_REF_ADDRESS && in.stack_off < f->floor)
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
    if (base.kind != CODE_LOADED || base.depth == CODE_DEPTH)
        return unknown;
    base.off[base.depth++] = off;
    return base;
}

static void forget_regs(struct follow *f)
{
    memset(f->reg, 0, sizeof(f->reg));
}

static struct code_value in_reg(const struct follow *f, int reg)
{
    return reg >= 0 && reg < REGS ? f->reg[reg] : unknown;
}

static struct code_value in_place(const struct follow *f, int64_t off)
{
    for (size_t i = 0; i < f->nplaces; i++)
        if (f->place[i].off == off)
            return f->place[i].v;
    return unknown;
}

static void forget_places(struct follow *f, int64_t off, unsigned size)
{
    size_t n = 0;
    for (size_t i = 0; i < f->nplaces; i++) {
        int64_t at = f->place[i].off;
        if (at >= off + (int64_t)size || off >= at + 8)
            f->place[n++] = f->place[i];
    }
    f->nplaces = n;
}

static void put_place(struct follow *f, int64_t off, struct code_value v)
{
    if (v.kind != CODE_UNKNOWN && f->nplaces < PLACES && off < f->floor)
        f->place[f->nplaces++] = (struct place){off, v};
}

/* ---- one instruction ---- */

static void call(struct follow *f, const struct arch_insn *in)
{
    struct code_value args[CODE_ARGS];
    for (size_t i = 0; i < CODE_ARGS; i++)
        args[i] = in_reg(f, f->arch->go_args[i]);
    struct code_value result = f->ev->call(f->ev->arg, in->target, args);
    forget_regs(f);
    f->reg[f->arch->go_args[0]] = result;
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
        return in_place(f, in->stack_off);
    if (in->mem == ARCH_REF_LOAD)
        return code_load(in_reg(f, in->mem_base), in->mem_off);
    if (in->mem == ARCH_REF_ADDRESS && in_reg(f, in->mem_base).kind == CODE_ADDRESS)
        return address_of(in_reg(f, in->mem_base).at + (taddr)in->mem_off);
    return unknown;
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
}

static void step(struct follow *f, const struct arch_insn *in)
{
    if (in->is_call) {
        call(f, in);
        return;
    }
    struct code_value v = moved(f, in);
    store(f, in);
    for (int i = 0; i < REGS; i++)
        if (in->changes >> i & 1)
            f->reg[i] = in->to == i ? v : unknown;
    if (in->changes >> f->arch->sp & 1)
        f->nplaces = 0;
    if (in->is_ret || (in->is_jump && !in->is_conditional)) {
        forget_regs(f);
        f->nplaces = 0;
    }
}

void code_follow(const struct arch *arch, const uint8_t *code, size_t n, taddr pc,
                 const struct code_events *ev)
{
    struct follow f = {.arch = arch, .code = code, .n = n, .pc = pc, .ev = ev};
    struct arch_insn in;
    f.targets = mem_alloc((n / 64 + 1) * sizeof(*f.targets));
    look_ahead(&f);
    for (size_t at = 0; at < n && decode(&f, at, &in); at += in.len) {
        if (f.targets[at / 64] >> at % 64 & 1) {
            forget_regs(&f);
            f.nplaces = 0;
        }
        step(&f, &in);
    }
    free(f.targets);
}
