/* linux/amd64: registers there and back, instructions that refer to memory by their own place. */
#include <elf.h>
#include <sys/user.h>

#include "arch/arch.h"
#include "check.h"

static void test_by_machine(void **state)
{
    assert_string_equal(arch_by_machine(EM_X86_64)->name, "amd64");
    assert_null(arch_by_machine(EM_386));
    assert_null(arch_by_machine(0xffff));
}

static void test_registers_there_and_back(void **state)
{
    const struct arch *x = arch_by_machine(EM_X86_64);
    struct arch_regs r = {.pc = 1, .sp = 2, .bp = 3, .g = 4, .tls = 5, .syscall = 202}, again = {0};
    struct user_regs_struct u;
    x->to_raw(&r);
    assert_int_equal(r.raw_n, sizeof(u));
    memcpy(&u, r.raw, sizeof(u));
    assert_true(u.rip == 1 && u.rsp == 2 && u.rbp == 3 && u.r14 == 4 && u.fs_base == 5 &&
                u.orig_rax == 202);
    again.raw_n = r.raw_n;
    memcpy(again.raw, r.raw, r.raw_n);
    assert_true(x->from_raw(&again));
    assert_true(again.pc == 1 && again.sp == 2 && again.bp == 3 && again.g == 4 && again.tls == 5);
    assert_int_equal(again.syscall, 202);
    again.raw_n--;
    assert_false(x->from_raw(&again));
}

static void test_signal_frame(void **state)
{
    const struct arch *x = arch_by_machine(EM_X86_64);
    struct arch_sigframe f;
    uint8_t frame[512] = {0};
    /* r8 r9 r10 r11 r12 r13 r14 r15 di si bp bx dx ax cx sp ip, flags, segments, err, trapno,
     * oldmask, cr2, fpstate */
    uint64_t words[24];
    for (uint64_t i = 0; i < 24; i++)
        words[i] = 100 + i;
    memcpy(frame + 40, words, sizeof(words));
    assert_true(x->from_sigframe(frame, sizeof(frame), &f));
    const struct arch_regs r = f.regs;
    assert_true(r.g == 106 && r.bp == 110 && r.sp == 115 && r.pc == 116);
    struct user_regs_struct u;
    assert_int_equal(r.raw_n, sizeof(u));
    memcpy(&u, r.raw, sizeof(u));
    assert_true(u.r8 == 100 && u.r12 == 104 && u.r15 == 107 && u.rdi == 108 && u.rsi == 109 &&
                u.rbx == 111);
    assert_int_equal(f.extended, 123);
    assert_true(u.rdx == 112 && u.rax == 113 && u.rcx == 114 && u.rsp == 115 && u.rip == 116);
    assert_true(x->from_sigframe(frame, 40 + sizeof(words), &f));
    assert_false(x->from_sigframe(frame, 40 + sizeof(words) - 1, &f));
}

static void test_instructions(void **state)
{
    const struct arch *x = arch_by_machine(EM_X86_64);
    static const struct {
        const char *bytes;
        unsigned n;
        enum arch_ref_kind ref;
        taddr addr, target;
        bool call, ret, syscall;
    } cases[] = {
        {"\x48\x8b\x05\x10\0\0\0", 7, ARCH_REF_LOAD, 0x1017, 0, 0, 0, 0}, /* mov 16(rip), rax */
        {"\x48\x89\x05\xf0\xff\xff\xff", 7, ARCH_REF_STORE, 0xff7, 0, 0, 0,
         0},                                                                 /* mov rax, -16(rip) */
        {"\x48\x8d\x0d\0\x01\0\0", 7, ARCH_REF_ADDRESS, 0x1107, 0, 0, 0, 0}, /* lea 256(rip), rcx */
        {"\xe8\xfb\xff\xff\xff", 5, ARCH_REF_NONE, 0, 0x1000, true, 0, 0},   /* call itself */
        {"\xff\xd0", 2, ARCH_REF_NONE, 0, 0, true, 0, 0},                    /* call *rax */
        {"\xc3", 1, ARCH_REF_NONE, 0, 0, 0, true, 0},
        {"\x0f\x05", 2, ARCH_REF_NONE, 0, 0, 0, 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arch_insn in;
        assert_true(x->decode((const uint8_t *)cases[i].bytes, cases[i].n, 0x1000, &in));
        assert_int_equal(in.len, cases[i].n);
        assert_int_equal(in.ref, cases[i].ref);
        assert_true(in.ref == ARCH_REF_NONE || in.ref_addr == cases[i].addr);
        assert_true(in.target == cases[i].target && in.is_call == cases[i].call);
        assert_true(in.is_ret == cases[i].ret && in.is_syscall == cases[i].syscall);
        assert_false(x->decode((const uint8_t *)cases[i].bytes, cases[i].n - 1, 0x1000, &in));
    }
}

static void test_names_of_system_calls(void **state)
{
    const struct arch *x = arch_by_machine(EM_X86_64);
    assert_string_equal(x->syscall_name(0), "read");
    assert_string_equal(x->syscall_name(202), "futex");
    assert_string_equal(x->syscall_name(281), "epoll_pwait");
    assert_null(x->syscall_name(-1));
    assert_null(x->syscall_name(100000));
}

TEST_MAIN(cmocka_unit_test(test_by_machine), cmocka_unit_test(test_registers_there_and_back),
          cmocka_unit_test(test_signal_frame), cmocka_unit_test(test_instructions),
          cmocka_unit_test(test_names_of_system_calls))
