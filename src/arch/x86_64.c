/* x86_64.c - linux/amd64.
 *
 * Go: cmd/compile/abi-internal.md (r14 holds g in ABIInternal since 1.17), runtime/asm_amd64.s,
 * runtime/tls_linux: g lies at -8 from the thread pointer in binaries the Go linker lays out alone.
 * Instruction decoding is Zydis'. */
#include <Zydis/Zydis.h>
#include <elf.h>
#include <string.h>
#include <sys/user.h>

#include "arch/arch_int.h"

static enum arch_ref_kind ref_kind(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
    if (in->mnemonic == ZYDIS_MNEMONIC_LEA)
        return ARCH_REF_ADDRESS;
    return op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? ARCH_REF_STORE : ARCH_REF_LOAD;
}

static void take_operands(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                          taddr next, struct arch_insn *ret)
{
    for (unsigned i = 0; i < in->operand_count_visible; i++) {
        const ZydisDecodedOperand *op = &ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RIP) {
            ret->ref = ref_kind(in, op);
            ret->ref_addr = next + (taddr)op->mem.disp.value;
        } else if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op->imm.is_relative) {
            ret->target = next + (taddr)op->imm.value.s;
        }
    }
}

static bool decode(const uint8_t *bytes, size_t n, taddr pc, struct arch_insn *ret)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, n, &in, ops)))
        return false;
    *ret = (struct arch_insn){
        .len = in.length,
        .is_call = in.meta.category == ZYDIS_CATEGORY_CALL,
        .is_jump = in.meta.category == ZYDIS_CATEGORY_COND_BR ||
                   in.meta.category == ZYDIS_CATEGORY_UNCOND_BR,
        .is_ret = in.meta.category == ZYDIS_CATEGORY_RET,
        .is_syscall = in.mnemonic == ZYDIS_MNEMONIC_SYSCALL,
    };
    take_operands(&in, ops, pc + in.length, ret);
    return true;
}

static bool from_raw(struct arch_regs *r)
{
    struct user_regs_struct u;
    if (r->raw_n != sizeof(u))
        return false;
    memcpy(&u, r->raw, sizeof(u));
    r->pc = u.rip;
    r->sp = u.rsp;
    r->bp = u.rbp;
    r->g = u.r14;
    r->tls = u.fs_base;
    r->syscall = (int64_t)u.orig_rax;
    return true;
}

/* struct ucontext of the kernel: flags, link, stack (40 bytes), then the registers of struct
 * sigcontext: r8 .. r15, di, si, bp, bx, dx, ax, cx, sp, ip. */
static bool from_sigframe(const uint8_t *frame, size_t n, struct arch_regs *r)
{
    enum { REGS = 40, R14 = 6, BP = 10, SP = 15, IP = 16 };
    uint64_t regs[IP + 1];
    if (n < REGS + sizeof(regs))
        return false;
    memcpy(regs, frame + REGS, sizeof(regs));
    *r = (struct arch_regs){
        .pc = regs[IP], .sp = regs[SP], .bp = regs[BP], .g = regs[R14], .syscall = -1};
    return true;
}

static void to_raw(struct arch_regs *r)
{
    struct user_regs_struct u = {
        .rip = r->pc,
        .rsp = r->sp,
        .rbp = r->bp,
        .r14 = r->g,
        .fs_base = r->tls,
        .orig_rax = (unsigned long long)r->syscall,
        .cs = 0x33,
        .ss = 0x2b,
        .eflags = 0x202,
    };
    memcpy(r->raw, &u, sizeof(u));
    r->raw_n = sizeof(u);
}

static const char *const syscall_names[] = {
#include "arch/syscalls_x86_64.inc"
};

static const char *syscall_name(int64_t nr)
{
    return nr >= 0 && (size_t)nr < ARRAY_LEN(syscall_names) ? syscall_names[nr] : NULL;
}

static const uint8_t int3[] = {0xcc};

const struct arch arch_x86_64 = {
    .name = "amd64",
    .machine = EM_X86_64,
    .min_insn = 1,
    .tls_g = -8,
    .arena_bias = UINT64_C(1) << (47 - 26),
    .breakpoint = int3,
    .breakpoint_n = sizeof(int3),
    .breakpoint_pc_skip = 1,
    .decode = decode,
    .from_raw = from_raw,
    .to_raw = to_raw,
    .extended_note = NT_X86_XSTATE,
    .extended_owner = "LINUX",
    .fp_in_extended = sizeof(struct user_fpregs_struct), /* XSAVE begins as FXSAVE does */
    .syscall_name = syscall_name,
    .inject = &arch_x86_64_inject,
    .from_sigframe = from_sigframe,
};
