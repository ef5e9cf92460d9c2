/* x86_64.c - linux/amd64.
 *
 * Go: cmd/compile/abi-internal.md (r14 holds g in ABIInternal since 1.17), runtime/asm_amd64.s,
 * runtime/tls_linux: g lies at -8 from the thread pointer in binaries the Go linker lays out alone.
 * Instruction decoding is Zydis'. */
#include <Zydis/Zydis.h>
#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include "arch/arch_int.h"

/* DWARF's numbers of the general registers (System V ABI for AMD64, figure 3.36), and where ptrace
 * keeps them. */
static const struct {
    ZydisRegister zydis;
    size_t at; /* in user_regs_struct */
    const char *name;
} dwarf_regs[] = {
#define REG(name, field)                                                                           \
    {                                                                                              \
        ZYDIS_REGISTER_##name, offsetof(struct user_regs_struct, field), #field                    \
    }
    REG(RAX, rax), REG(RDX, rdx), REG(RCX, rcx), REG(RBX, rbx), REG(RSI, rsi), REG(RDI, rdi),
    REG(RBP, rbp), REG(RSP, rsp), REG(R8, r8),   REG(R9, r9),   REG(R10, r10), REG(R11, r11),
    REG(R12, r12), REG(R13, r13), REG(R14, r14), REG(R15, r15),
#undef REG
};
enum { DWARF_XMM0 = 17, DWARF_XMM31 = 82 };

int arch_x86_64_number(int zydis)
{
    ZydisRegister reg = (ZydisRegister)zydis;
    for (size_t i = 0; i < ARRAY_LEN(dwarf_regs); i++)
        if (dwarf_regs[i].zydis == reg)
            return (int)i;
    return reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM15
               ? DWARF_XMM0 + (int)(reg - ZYDIS_REGISTER_XMM0)
               : -1;
}

static bool dwarf_reg(const struct arch_regs *r, unsigned reg, uint64_t *ret)
{
    if (reg >= ARRAY_LEN(dwarf_regs) || r->raw_n != sizeof(struct user_regs_struct))
        return false;
    memcpy(ret, r->raw + dwarf_regs[reg].at, sizeof(*ret));
    return true;
}

static bool dwarf_is_vector(unsigned reg)
{
    return reg >= DWARF_XMM0 && reg <= DWARF_XMM31;
}

/* Intel SDM vol. 1, 13.4.1: XMM0-XMM15 in the legacy region, which XSAVE begins with. */
static bool dwarf_vector(const uint8_t *extended, size_t n, unsigned reg, uint8_t ret[16])
{
    enum { XMM_AT = 160, XMMS = 16, BYTES = 16 };
    if (reg < DWARF_XMM0 || reg >= DWARF_XMM0 + XMMS || n < XMM_AT + XMMS * BYTES)
        return false;
    memcpy(ret, extended + XMM_AT + (size_t)(reg - DWARF_XMM0) * BYTES, BYTES);
    return true;
}

static bool set_dwarf_vector(uint8_t *extended, size_t n, unsigned reg, const void *src,
                             size_t src_n)
{
    enum { XMM_AT = 160, XMMS = 16, BYTES = 16, USED_AT = 512, USED_SSE = 2 };
    if (reg < DWARF_XMM0 || reg >= DWARF_XMM0 + XMMS || n <= USED_AT || src_n > BYTES)
        return false;
    uint8_t *at = extended + XMM_AT + (size_t)(reg - DWARF_XMM0) * BYTES;
    memset(at, 0, BYTES);
    memcpy(at, src, src_n);
    extended[USED_AT] |= USED_SSE; /* XSAVE's header: else the kernel takes them as zero */
    return true;
}

static bool from_raw(struct arch_regs *r);

static bool set_dwarf_reg(struct arch_regs *r, unsigned reg, uint64_t v)
{
    if (reg >= ARRAY_LEN(dwarf_regs) || r->raw_n != sizeof(struct user_regs_struct))
        return false;
    memcpy(r->raw + dwarf_regs[reg].at, &v, sizeof(v));
    return from_raw(r);
}

static const char *reg_name(unsigned reg)
{
    static const char *const vectors[] = {"xmm0",  "xmm1",  "xmm2",  "xmm3", "xmm4",  "xmm5",
                                          "xmm6",  "xmm7",  "xmm8",  "xmm9", "xmm10", "xmm11",
                                          "xmm12", "xmm13", "xmm14", "xmm15"};
    if (reg < ARRAY_LEN(dwarf_regs))
        return dwarf_regs[reg].name;
    return reg >= DWARF_XMM0 && reg - DWARF_XMM0 < ARRAY_LEN(vectors) ? vectors[reg - DWARF_XMM0]
                                                                      : NULL;
}

static int reg_named(const char *name)
{
    for (unsigned i = 0; i < DWARF_XMM0 + 16; i++)
        if (reg_name(i) && strcasecmp(name, reg_name(i)) == 0)
            return (int)i;
    return -1;
}

static enum arch_ref_kind ref_kind(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
    if (in->mnemonic == ZYDIS_MNEMONIC_LEA)
        return ARCH_REF_ADDRESS;
    return op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? ARCH_REF_STORE : ARCH_REF_LOAD;
}

static int general_number(ZydisRegister reg)
{
    int n =
        arch_x86_64_number((int)ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg));
    return n < (int)ARRAY_LEN(dwarf_regs) ? n : -1;
}

/* Registers that are written; moves of whole ones. */
static void take_moves(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                       struct arch_insn *ret)
{
    for (unsigned i = 0; i < in->operand_count; i++) {
        int n = ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                        ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE
                    ? general_number(ops[i].reg.value)
                    : -1;
        if (n >= 0)
            ret->changes |= UINT32_C(1) << n;
    }
    bool lea = in->mnemonic == ZYDIS_MNEMONIC_LEA;
    if ((in->mnemonic != ZYDIS_MNEMONIC_MOV && !lea) || in->operand_count_visible != 2 ||
        ops[0].size != 64)
        return;
    bool to_reg = ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
    bool from_reg = ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
    if (to_reg && (from_reg || ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY))
        ret->to = general_number(ops[0].reg.value);
    if (to_reg && from_reg)
        ret->from = general_number(ops[1].reg.value);
    if (!to_reg && from_reg)
        ret->stored = general_number(ops[1].reg.value);
}

/* An operand [rsp + constant]; the other operand may be the register that is stored there. */
static void take_stack(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                       unsigned i, struct arch_insn *ret)
{
    ret->stack = ref_kind(in, &ops[i]);
    ret->stack_off = ops[i].mem.disp.value;
    ret->stack_size = ret->stack == ARCH_REF_ADDRESS ? 0 : ops[i].size / 8;
    if (i == 0 && in->operand_count_visible == 2 && ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ops[0].size >= 64)
        ret->stack_reg = arch_x86_64_number((int)ops[1].reg.value);
}

static void take_operands(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                          taddr next, struct arch_insn *ret)
{
    for (unsigned i = 0; i < in->operand_count_visible; i++) {
        const ZydisDecodedOperand *op = &ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RIP) {
            ret->ref = ref_kind(in, op);
            ret->ref_addr = next + (taddr)op->mem.disp.value;
        } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RSP &&
                   op->mem.index == ZYDIS_REGISTER_NONE) {
            take_stack(in, ops, i, ret);
        } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.index == ZYDIS_REGISTER_NONE &&
                   general_number(op->mem.base) >= 0) {
            ret->mem = ref_kind(in, op);
            ret->mem_base = general_number(op->mem.base);
            ret->mem_off = op->mem.disp.value;
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
        .is_conditional = in.meta.category == ZYDIS_CATEGORY_COND_BR,
        .is_ret = in.meta.category == ZYDIS_CATEGORY_RET,
        .is_syscall = in.mnemonic == ZYDIS_MNEMONIC_SYSCALL,
        .stack_reg = -1,
        .to = -1,
        .from = -1,
        .stored = -1,
        .mem_base = -1,
    };
    take_moves(&in, ops, ret);
    take_operands(&in, ops, pc + in.length, ret);
    return true;
}

/* Four bytes that count from where they end: displacements of %rip, unless an immediate operand
 * follows, and targets of calls. */
static bool next_ref(const uint8_t *code, size_t n, taddr pc, taddr lo, taddr hi, size_t *at,
                     taddr *ret)
{
    for (size_t i = *at; i + 4 <= n; i++) {
        int32_t disp;
        memcpy(&disp, code + i, sizeof(disp));
        taddr addr = pc + i + 4 + (taddr)(int64_t)disp;
        if (addr - lo >= hi - lo)
            continue;
        *at = i + 1;
        *ret = addr;
        return true;
    }
    *at = n;
    return false;
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

/* struct ucontext of the kernel: flags, link, stack (lo, flags, size), then the registers of struct
 * sigcontext: r8 .. r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags, segments, err, trapno, oldmask,
 * cr2, fpstate. */
enum {
    SIGFRAME_STACK = 2,
    SIGFRAME_REGS = 5,
    SIGFRAME_FPSTATE = SIGFRAME_REGS + 23,
    SIGFRAME_WORDS,
};

static bool from_sigframe(const uint8_t *frame, size_t n, struct arch_sigframe *ret)
{
    uint64_t w[SIGFRAME_WORDS];
    if (n < sizeof(w))
        return false;
    memcpy(w, frame, sizeof(w));
    const uint64_t *r = w + SIGFRAME_REGS;
    struct user_regs_struct u = {
        .r8 = r[0],
        .r9 = r[1],
        .r10 = r[2],
        .r11 = r[3],
        .r12 = r[4],
        .r13 = r[5],
        .r14 = r[6],
        .r15 = r[7],
        .rdi = r[8],
        .rsi = r[9],
        .rbp = r[10],
        .rbx = r[11],
        .rdx = r[12],
        .rax = r[13],
        .rcx = r[14],
        .rsp = r[15],
        .rip = r[16],
        .orig_rax = UINT64_MAX,
    };
    *ret = (struct arch_sigframe){.stack_lo = w[SIGFRAME_STACK],
                                  .stack_n = w[SIGFRAME_STACK + 2],
                                  .regs.raw_n = sizeof(u),
                                  .extended = w[SIGFRAME_FPSTATE]};
    memcpy(ret->regs.raw, &u, sizeof(u));
    return from_raw(&ret->regs);
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
    .go_args = {0, 3, 2, 5, 4, 8, 9, 10, 11}, /* rax, rbx, rcx, rdi, rsi, r8 ... r11 */
    .debug_call_reg = 12,
    .go_vectors = 17, /* xmm0 ... xmm14 */
    .ngo_vectors = 15,
    .sp = 7,
    .barrier = 11,
    .next_ref = next_ref,
    .decode = decode,
    .op = arch_x86_64_op,
    .text = arch_x86_64_text,
    .abi = &arch_x86_64_abi,
    .from_raw = from_raw,
    .to_raw = to_raw,
    .dwarf_reg = dwarf_reg,
    .dwarf_is_vector = dwarf_is_vector,
    .dwarf_vector = dwarf_vector,
    .set_dwarf_vector = set_dwarf_vector,
    .set_dwarf_reg = set_dwarf_reg,
    .reg_named = reg_named,
    .reg_name = reg_name,
    .extended_note = NT_X86_XSTATE,
    .extended_owner = "LINUX",
    .fp_in_extended = sizeof(struct user_fpregs_struct), /* XSAVE begins as FXSAVE does */
    .syscall_name = syscall_name,
    .inject = &arch_x86_64_inject,
    .debug = &arch_x86_64_debug,
    .from_sigframe = from_sigframe,
};
