/* x86_64_displace.c - getting past a breakpoint on linux/amd64; debug registers.
 *
 * A copy of an instruction does elsewhere what the original does, unless it looks at where it is.
 * Operands relative to the instruction pointer are adjusted (the copy must lie within 2 GB).  Calls
 * and relative jumps are emulated: that costs no more than setting pc, which is needed anyway.
 * What is left (transactions, far jumps, operands out of reach) must run in place.  Decoding is
 * Zydis'. */
#include <Zydis/Zydis.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "arch/arch_int.h"

enum { FLAG_CF = 1, FLAG_PF = 4, FLAG_ZF = 0x40, FLAG_SF = 0x80, FLAG_OF = 0x800 };
enum { FLAG_HIDDEN = 0x30100 }; /* TF; RF and VM, which pushf never pushes */
enum { LOOP_NZ = 1, LOOP_Z, LOOP_ANY, RCX_ZERO, ECX_ZERO }; /* arch_displaced.condition, counts */

static void set_pc(struct arch_regs *r, taddr pc)
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    u.rip = pc;
    u.orig_rax = UINT64_MAX;
    memcpy(r->raw, &u, sizeof(u));
    r->pc = pc;
    r->syscall = -1;
}

static void set_thread(struct arch_regs *r, const struct arch_regs *of)
{
    struct user_regs_struct u, thread;
    memcpy(&u, r->raw, sizeof(u));
    memcpy(&thread, of->raw, sizeof(thread));
    u.fs_base = thread.fs_base;
    u.gs_base = thread.gs_base;
    u.fs = thread.fs;
    u.gs = thread.gs;
    memcpy(r->raw, &u, sizeof(u));
    r->tls = of->tls;
}

/* Numbers are DWARF's. */
static unsigned long long *general(struct user_regs_struct *u, unsigned reg)
{
    unsigned long long *const regs[] = {
        &u->rax, &u->rdx, &u->rcx, &u->rbx, &u->rsi, &u->rdi, &u->rbp, &u->rsp,
        &u->r8,  &u->r9,  &u->r10, &u->r11, &u->r12, &u->r13, &u->r14, &u->r15,
    };
    return reg < ARRAY_LEN(regs) ? regs[reg] : NULL;
}

static bool set_reg(struct arch_regs *r, unsigned reg, uint64_t v)
{
    struct user_regs_struct u;
    if (r->raw_n != sizeof(u))
        return false;
    memcpy(&u, r->raw, sizeof(u));
    unsigned long long *at = general(&u, reg);
    if (!at)
        return false;
    *at = v;
    memcpy(r->raw, &u, sizeof(u));
    return arch_x86_64.from_raw(r);
}

static uint64_t flags_of(const struct arch_regs *r)
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    return u.eflags & ~(uint64_t)FLAG_HIDDEN;
}

/* ---- what to do with an instruction ---- */

static bool fits(int64_t v)
{
    return v == (int32_t)v;
}

/* Behind the copy: a jump to `to`. */
static void put_jump(uint8_t *p, taddr at, taddr to)
{
    int64_t rel = (int64_t)(to - (at + 5));
    if (fits(rel)) {
        int32_t r = (int32_t)rel;
        *p = 0xe9;
        memcpy(p + 1, &r, sizeof(r));
        return;
    }
    static const uint8_t through_next_word[] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(p, through_next_word, sizeof(through_next_word));
    memcpy(p + sizeof(through_next_word), &to, sizeof(to));
}

/* The displacement of an operand relative to pc; false: out of reach. */
static bool move_operand(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                         taddr pc, taddr slot, uint8_t *copy)
{
    for (unsigned i = 0; i < in->operand_count; i++) {
        if (ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY || ops[i].mem.base == ZYDIS_REGISTER_NONE)
            continue;
        if (ops[i].mem.base == ZYDIS_REGISTER_EIP)
            return false;
        if (ops[i].mem.base != ZYDIS_REGISTER_RIP)
            continue;
        int64_t disp = ops[i].mem.disp.value + (int64_t)(pc - slot);
        if (in->raw.disp.size != 32 || !fits(disp))
            return false;
        int32_t d = (int32_t)disp;
        memcpy(copy + in->raw.disp.offset, &d, sizeof(d));
        return true;
    }
    return true;
}

static uint8_t counted(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_LOOP:
        return LOOP_ANY;
    case ZYDIS_MNEMONIC_LOOPE:
        return LOOP_Z;
    case ZYDIS_MNEMONIC_LOOPNE:
        return LOOP_NZ;
    case ZYDIS_MNEMONIC_JRCXZ:
        return RCX_ZERO;
    case ZYDIS_MNEMONIC_JECXZ:
        return ECX_ZERO;
    default:
        return 0;
    }
}

/* Low four bits of the opcode of a conditional jump: which condition. */
static uint8_t condition(const ZydisDecodedInstruction *in)
{
    return in->opcode & 15;
}

/* Whether emulate() knows where it leads. */
static bool emulated(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops, taddr next,
                     struct arch_displaced *ret)
{
    const struct arch_op *op = &ret->op;
    bool relative = in->operand_count_visible && ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
                    ops[0].imm.is_relative;
    if (relative)
        ret->target = next + (taddr)ops[0].imm.value.s;
    switch (in->meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
        ret->counts = counted(in->mnemonic) != 0;
        ret->condition = ret->counts ? counted(in->mnemonic) : condition(in);
        return relative && in->mnemonic != ZYDIS_MNEMONIC_XBEGIN && in->address_width == 64;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return in->mnemonic == ZYDIS_MNEMONIC_JMP && relative;
    case ZYDIS_CATEGORY_CALL:
        return in->mnemonic == ZYDIS_MNEMONIC_CALL &&
               in->meta.branch_type != ZYDIS_BRANCH_TYPE_FAR &&
               (relative ||
                ((op->src.place == ARCH_REG || op->src.place == ARCH_MEMORY) && op->src.size == 8));
    default:
        return in->mnemonic == ZYDIS_MNEMONIC_INT3 ||
               (in->mnemonic == ZYDIS_MNEMONIC_PUSHFQ && in->operand_width == 64);
    }
}

/* What a copy elsewhere must not do. */
static bool must_stay(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops)
{
    switch (in->meta.category) {
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_SYSRET:
        return true;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || in->mnemonic != ZYDIS_MNEMONIC_JMP;
    default:
        return in->operand_count_visible && ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
               ops[0].imm.is_relative; /* xbegin */
    }
}

static void displace(const uint8_t *bytes, size_t n, taddr pc, taddr slot,
                     struct arch_displaced *ret)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    memset(ret, 0, sizeof(*ret));
    ret->how = ARCH_PASS_IN_PLACE;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, n, &in, ops)) ||
        !arch_x86_64_op(bytes, n, pc, &ret->op))
        return;
    ret->len = ret->copy_len = in.length;
    if (emulated(&in, ops, pc + in.length, ret)) {
        ret->how = ARCH_PASS_EMULATE;
        return;
    }
    memcpy(ret->code, bytes, in.length);
    if (!slot || must_stay(&in, ops) || !move_operand(&in, ops, pc, slot, ret->code))
        return;
    put_jump(ret->code + in.length, slot + in.length, pc + in.length);
    ret->how = ARCH_PASS_SLOT;
    ret->lasts =
        in.mnemonic == ZYDIS_MNEMONIC_SYSCALL ||
        in.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

/* ---- emulation ---- */

static bool holds(uint8_t cond, uint64_t flags)
{
    bool cf = flags & FLAG_CF, pf = flags & FLAG_PF, zf = flags & FLAG_ZF, sf = flags & FLAG_SF,
         of = flags & FLAG_OF;
    const bool pairs[8] = {of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of};
    return pairs[cond >> 1] != (cond & 1);
}

static bool counts_on(uint8_t how, struct user_regs_struct *u)
{
    bool zf = u->eflags & FLAG_ZF;
    if (how == RCX_ZERO)
        return u->rcx == 0;
    if (how == ECX_ZERO)
        return (uint32_t)u->rcx == 0;
    u->rcx--;
    return u->rcx && (how == LOOP_ANY || zf == (how == LOOP_Z));
}

/* Where an operand of a call leads. */
static bool target_of(const struct arch_operand *o, struct user_regs_struct *u,
                      const struct arch_debug_memory *m, taddr *ret)
{
    if (o->place == ARCH_IMMEDIATE) {
        *ret = (taddr)o->value;
        return true;
    }
    if (o->place == ARCH_REG) {
        *ret = *general(u, (unsigned)o->reg);
        return true;
    }
    taddr at = (taddr)o->value;
    if (o->reg >= 0)
        at += *general(u, (unsigned)o->reg);
    if (o->index >= 0)
        at += *general(u, (unsigned)o->index) * o->scale;
    return m->read(m->arg, at, ret, sizeof(*ret));
}

static bool emulate(const struct arch_displaced *d, taddr pc, struct arch_regs *r,
                    const struct arch_debug_memory *m)
{
    struct user_regs_struct u;
    taddr next = pc + d->len, to = next;
    memcpy(&u, r->raw, sizeof(u));
    uint64_t flags = u.eflags & ~(uint64_t)FLAG_HIDDEN;
    switch (d->op.verb) {
    case ARCH_V_CALL:
        if (!target_of(&d->op.src, &u, m, &to) ||
            !m->write(m->arg, u.rsp - sizeof(next), &next, sizeof(next)))
            return false;
        u.rsp -= sizeof(next);
        break;
    case ARCH_V_JUMP:
        to = d->target;
        break;
    case ARCH_V_TRAP:
        break;
    case ARCH_V_PUSH: /* of flags: a step would push the flag that makes it one */
        if (!m->write(m->arg, u.rsp - sizeof(flags), &flags, sizeof(flags)))
            return false;
        u.rsp -= sizeof(flags);
        break;
    default:
        if (d->counts ? counts_on(d->condition, &u) : holds(d->condition, u.eflags))
            to = d->target;
    }
    u.rip = to;
    u.orig_rax = UINT64_MAX;
    memcpy(r->raw, &u, sizeof(u));
    return arch_x86_64.from_raw(r);
}

/* ---- debug registers ---- */

static size_t watch_address_at(unsigned slot)
{
    return offsetof(struct user, u_debugreg) + slot * sizeof(uint64_t);
}

/* DR7: for each slot an enabling bit (local), and four bits of kind and length. */
static uint64_t watch_control(uint64_t control, unsigned slot, unsigned n, unsigned access)
{
    static const uint8_t lengths[9] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    unsigned shift = 16 + slot * 4;
    control &= ~(UINT64_C(3) << (slot * 2) | UINT64_C(15) << shift);
    if (!access)
        return control;
    uint64_t kind = access == 4 ? 0 : access; /* 0 executes, 1 writes, 3 reads and writes */
    uint64_t len = access == 4 ? 0 : lengths[n];
    return control | UINT64_C(1) << (slot * 2) | (kind | len << 2) << shift;
}

const struct arch_debug arch_x86_64_debug = {
    .set_pc = set_pc,
    .set_thread = set_thread,
    .set_reg = set_reg,
    .flags = flags_of,
    .displace = displace,
    .emulate = emulate,
    .trap_code = arch_x86_64_trap,
    .trap_restorer = arch_x86_64_trap_restorer,
    .trap_end = arch_x86_64_trap_end,
    .trap_mark = 0x676f7370,
    .trap_mark_sp_at = 24,
    .nr_mmap = SYS_mmap,
    .nr_mprotect = SYS_mprotect,
    .nr_munmap = SYS_munmap,
    .nr_sigaction = SYS_rt_sigaction,
    .watches = 4,
    .watch_address_at = watch_address_at,
    .watch_control_at = offsetof(struct user, u_debugreg) + 7 * sizeof(uint64_t),
    .watch_status_at = offsetof(struct user, u_debugreg) + 6 * sizeof(uint64_t),
    .watch_control = watch_control,
};
