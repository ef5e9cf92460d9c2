/* Registers as the kernel keeps them, and instructions that touch the stack, for amd64. */
#include <elf.h>
#include <signal.h>
#include <sys/ucontext.h>

#include "arch/arch.h"
#include "check.h"

/* The registers of a signal's frame come out under DWARF's numbers. */
static void test_signal_frame(void **state)
{
    static const struct {
        unsigned dwarf;
        int greg;
    } regs[] = {{0, REG_RAX}, {1, REG_RDX}, {2, REG_RCX},  {3, REG_RBX},
                {4, REG_RSI}, {5, REG_RDI}, {6, REG_RBP},  {7, REG_RSP},
                {8, REG_R8},  {9, REG_R9},  {14, REG_R14}, {15, REG_R15}};
    const struct arch *arch = arch_by_machine(EM_X86_64);
    ucontext_t uc = {0};
    struct arch_sigframe frame;
    uint64_t v;
    uc.uc_stack.ss_sp = &uc;
    uc.uc_stack.ss_size = 32768;
    for (int i = 0; i < NGREG; i++)
        uc.uc_mcontext.gregs[i] = 1000 + i;
    assert_true(arch->from_sigframe((const uint8_t *)&uc, sizeof(uc), &frame));
    const struct arch_regs *r = &frame.regs;
    assert_int_equal(frame.stack_lo, (uintptr_t)&uc);
    assert_int_equal(frame.stack_n, 32768);
    assert_int_equal(r->pc, 1000 + REG_RIP);
    assert_int_equal(r->sp, 1000 + REG_RSP);
    for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
        assert_true(arch->dwarf_reg(r, regs[i].dwarf, &v));
        assert_int_equal(v, 1000 + regs[i].greg);
    }
    assert_false(arch->dwarf_reg(r, 17, &v));
    assert_false(arch->from_sigframe((const uint8_t *)&uc, 64, &frame));
    assert_true(arch->dwarf_is_vector(17) && !arch->dwarf_is_vector(16));
}

static void test_stack_operands(void **state)
{
    static const struct {
        uint8_t code[12];
        enum arch_ref_kind kind;
        int64_t off;
        unsigned size;
        int reg;
    } rows[] = {
        {{0x48, 0x89, 0x44, 0x24, 0x08}, ARCH_REF_STORE, 8, 8, 0},     /* mov %rax,8(%rsp) */
        {{0x48, 0x89, 0x5c, 0x24, 0x18}, ARCH_REF_STORE, 24, 8, 3},    /* mov %rbx,24(%rsp) */
        {{0x4c, 0x89, 0x3c, 0x24}, ARCH_REF_STORE, 0, 8, 15},          /* mov %r15,(%rsp) */
        {{0x0f, 0x11, 0x4c, 0x24, 0x70}, ARCH_REF_STORE, 112, 16, 18}, /* movups %xmm1,112(%rsp) */
        {{0xc6, 0x44, 0x24, 0x07, 0x01}, ARCH_REF_STORE, 7, 1, -1},    /* movb $1,7(%rsp) */
        {{0x48, 0x8d, 0x44, 0x24, 0x20}, ARCH_REF_ADDRESS, 32, 0, -1}, /* lea 32(%rsp),%rax */
        {{0x48, 0x8b, 0x44, 0x24, 0x10}, ARCH_REF_LOAD, 16, 8, -1},    /* mov 16(%rsp),%rax */
        {{0x48, 0x89, 0x04, 0xcc}, ARCH_REF_NONE, 0, 0, -1},           /* mov %rax,(%rsp,%rcx,8) */
        {{0x48, 0x89, 0x45, 0x08}, ARCH_REF_NONE, 0, 0, -1},           /* mov %rax,8(%rbp) */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arch_insn in;
        assert_true(arch_by_machine(EM_X86_64)->decode(rows[i].code, 12, 0x1000, &in));
        assert_int_equal(in.stack, rows[i].kind);
        assert_int_equal(in.stack_reg, rows[i].reg);
        if (in.stack != ARCH_REF_NONE) {
            assert_int_equal(in.stack_off, rows[i].off);
            assert_int_equal(in.stack_size, rows[i].size);
        }
    }
}

TEST_MAIN(cmocka_unit_test(test_signal_frame), cmocka_unit_test(test_stack_operands))
