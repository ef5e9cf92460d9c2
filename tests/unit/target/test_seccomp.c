/* Filters as libraries and container engines write them, asked about calls. */
#include <linux/audit.h>
#include <sys/syscall.h>

#include "check.h"
#include "target/seccomp_int.h"

#define LOAD(field)                                                                                \
    {                                                                                              \
        BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field)                       \
    }
#define JUMP(op, k, yes, no)                                                                       \
    {                                                                                              \
        BPF_JMP | (op) | BPF_K, yes, no, k                                                         \
    }
#define RET(k)                                                                                     \
    {                                                                                              \
        BPF_RET | BPF_K, 0, 0, k                                                                   \
    }

static uint32_t run(const struct sock_filter *code, size_t n, int nr, uint64_t arg0)
{
    struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {arg0}};
    return seccomp_run(code, n, &d);
}

static void by_number(void **state)
{
    const struct sock_filter f[] = {
        LOAD(arch),
        JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
        RET(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        JUMP(BPF_JEQ, SYS_wait4, 0, 1),
        RET(SECCOMP_RET_ERRNO | 1),
        RET(SECCOMP_RET_ALLOW),
    };
    assert_int_equal(run(f, 7, SYS_wait4, 0), SECCOMP_RET_ERRNO | 1);
    assert_int_equal(run(f, 7, SYS_exit, 0), SECCOMP_RET_ALLOW);
    struct seccomp_data other = {.nr = SYS_exit, .arch = AUDIT_ARCH_I386};
    assert_int_equal(seccomp_run(f, 7, &other), SECCOMP_RET_KILL_PROCESS);
}

/* clone() without new namespaces, as container engines do it: by a mask of its first argument. */
static void by_argument(void **state)
{
    const struct sock_filter f[] = {
        LOAD(nr),
        JUMP(BPF_JEQ, SYS_clone, 0, 4),
        LOAD(args[0]),
        {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x7e020000},
        JUMP(BPF_JEQ, 0, 1, 0),
        RET(SECCOMP_RET_KILL_THREAD),
        RET(SECCOMP_RET_ALLOW),
    };
    assert_int_equal(run(f, 7, SYS_clone, 0x50f00), SECCOMP_RET_ALLOW);
    assert_int_equal(run(f, 7, SYS_clone, 0x20000000), SECCOMP_RET_KILL_THREAD);
    assert_int_equal(run(f, 7, SYS_read, 0x20000000), SECCOMP_RET_ALLOW);
}

static void arithmetic_and_memory(void **state)
{
    const struct sock_filter f[] = {
        LOAD(args[0]),
        {BPF_ST, 0, 0, 3},
        {BPF_ALU | BPF_LSH | BPF_K, 0, 0, 4},
        {BPF_MISC | BPF_TAX, 0, 0, 0},
        {BPF_LD | BPF_MEM, 0, 0, 3},
        {BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0},
        {BPF_ALU | BPF_DIV | BPF_K, 0, 0, 17},
        {BPF_STX, 0, 0, 15},
        {BPF_ALU | BPF_NEG, 0, 0, 0},
        {BPF_ALU | BPF_NEG, 0, 0, 0},
        {BPF_RET | BPF_A, 0, 0, 0},
    };
    assert_int_equal(run(f, 11, 0, 5), 5);
    assert_int_equal(run(f, 11, 0, 1000), 1000);
}

static void jumps(void **state)
{
    const struct sock_filter f[] = {
        LOAD(nr), JUMP(BPF_JGT, 10, 0, 1),
        RET(1),   JUMP(BPF_JGE, 10, 0, 1),
        RET(2),   JUMP(BPF_JSET, 4, 0, 1),
        RET(3),   {BPF_JMP | BPF_JA, 0, 0, 1},
        RET(4),   RET(5),
    };
    const uint32_t want[] = {5, 5, 5, 5, 3, 3, 3, 3, 5, 5, 2, 1};
    for (int nr = 0; nr < (int)ARRAY_LEN(want); nr++)
        assert_int_equal(run(f, 10, nr, 0), want[nr]);
}

/* Whatever is not a program kills: then nothing is done. */
static void what_is_no_program(void **state)
{
    const struct sock_filter bad[][2] = {
        {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_LD | BPF_W | BPF_ABS, 0, 0, sizeof(struct seccomp_data)}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_LD | BPF_MEM, 0, 0, BPF_MEMWORDS}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_ST, 0, 0, 0xffffffff}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, RET(SECCOMP_RET_ALLOW)},
        {{BPF_LD | BPF_B | BPF_IND, 0, 0, 0}, RET(SECCOMP_RET_ALLOW)},
        {LOAD(nr), LOAD(nr)},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(run(bad[i], 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
    assert_int_equal(run(NULL, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

TEST_MAIN(cmocka_unit_test(by_number), cmocka_unit_test(by_argument),
          cmocka_unit_test(arithmetic_and_memory), cmocka_unit_test(jumps),
          cmocka_unit_test(what_is_no_program))
