/* What instructions do, in the words of op.h; the bytes are GNU as's. */
#include <elf.h>

#include "arch/arch.h"
#include "check.h"

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15 };

static struct arch_op decoded(const uint8_t *code)
{
    struct arch_op o;
    assert_true(arch_by_machine(EM_X86_64)->op(code, 12, 0x1000, &o));
    return o;
}

static void test_verbs(void **state)
{
    static const struct {
        uint8_t code[12];
        uint8_t len, verb, dst, src;
    } rows[] = {
        {{0x48, 0x89, 0xc3}, 3, ARCH_V_MOVE, ARCH_REG, ARCH_REG},        /* mov %rax,%rbx */
        {{0x0f, 0xb6, 0xc0}, 3, ARCH_V_MOVE, ARCH_REG, ARCH_REG},        /* movzbl %al,%eax */
        {{0x48, 0x63, 0xc1}, 3, ARCH_V_MOVE_SIGNED, ARCH_REG, ARCH_REG}, /* movslq %ecx,%rax */
        {{0x48, 0x8d, 0x04, 0xcb}, 4, ARCH_V_ADDRESS, ARCH_REG, ARCH_MEMORY},
        {{0x48, 0xff, 0xc0}, 3, ARCH_V_ADD, ARCH_REG, ARCH_IMMEDIATE}, /* inc %rax */
        {{0xff, 0xc8}, 2, ARCH_V_SUB, ARCH_REG, ARCH_IMMEDIATE},       /* dec %eax */
        {{0xf0, 0x0f, 0xb1, 0x11}, 4, ARCH_V_COMPARE_SWAP, ARCH_MEMORY, ARCH_REG},
        {{0xf0, 0x0f, 0xc1, 0x11}, 4, ARCH_V_FETCH_ADD, ARCH_MEMORY, ARCH_REG},
        {{0x50}, 1, ARCH_V_PUSH, ARCH_NOWHERE, ARCH_REG},       /* push %rax */
        {{0x9c}, 1, ARCH_V_PUSH, ARCH_NOWHERE, ARCH_NOWHERE},   /* pushfq */
        {{0x5d}, 1, ARCH_V_POP, ARCH_REG, ARCH_NOWHERE},        /* pop %rbp */
        {{0xff, 0xd1}, 2, ARCH_V_CALL, ARCH_NOWHERE, ARCH_REG}, /* call *%rcx */
        {{0xc3}, 1, ARCH_V_RETURN, ARCH_NOWHERE, ARCH_NOWHERE},
        {{0x0f, 0x0b}, 2, ARCH_V_TRAP, ARCH_NOWHERE, ARCH_NOWHERE},
        {{0x0f, 0x1f, 0x40, 0x00}, 4, ARCH_V_NOTHING, ARCH_MEMORY, ARCH_NOWHERE},
        {{0x44, 0x0f, 0x11, 0x39},
         4,
         ARCH_V_MOVE,
         ARCH_MEMORY,
         ARCH_VECTOR}, /* movups %xmm15,(%rcx) */
        {{0x0f, 0x57, 0xc0}, 3, ARCH_V_MOVE, ARCH_VECTOR, ARCH_IMMEDIATE}, /* xorps %xmm0,%xmm0 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arch_op o = decoded(rows[i].code);
        assert_int_equal(o.len, rows[i].len);
        assert_int_equal(o.verb, rows[i].verb);
        if (o.verb == ARCH_V_NOTHING)
            continue;
        assert_int_equal(o.dst.place, rows[i].dst);
        assert_int_equal(o.src.place, rows[i].src);
    }
}

static void test_operands(void **state)
{
    struct arch_op o = decoded((const uint8_t[12]){0x48, 0x8b, 0x44, 0xcb, 0x10});
    assert_int_equal(o.dst.reg, RAX); /* mov 16(%rbx,%rcx,8),%rax */
    assert_int_equal(o.src.reg, RBX);
    assert_int_equal(o.src.index, RCX);
    assert_int_equal(o.src.scale, 8);
    assert_int_equal(o.src.value, 16);
    assert_int_equal(o.src.size, 8);
    o = decoded((const uint8_t[12]){0x8b, 0x0d, 0x10, 0x00, 0x00, 0x00}); /* mov 16(%rip),%ecx */
    assert_int_equal(o.src.reg, -1);
    assert_int_equal(o.src.value, 0x1016);
    o = decoded((const uint8_t[12]){0xe8, 0xfb, 0xff, 0xff, 0xff}); /* call to itself */
    assert_int_equal(o.src.value, 0x1000);
    o = decoded((const uint8_t[12]){0x75, 0x10}); /* jne */
    assert_int_equal(o.verb, ARCH_V_JUMP_IF);
    assert_int_equal(o.cond, ARCH_IF_NE);
    assert_int_equal(o.src.value, 0x1012);
    o = decoded((const uint8_t[12]){0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff});
    assert_int_equal(o.src.place, ARCH_NOWHERE); /* mov %fs:-8,%rax */
}

/* What no verb says: what is written is told. */
static void test_opaque(void **state)
{
    struct arch_op o = decoded((const uint8_t[12]){0x0f, 0xa2}); /* cpuid */
    assert_int_equal(o.verb, ARCH_V_OPAQUE);
    assert_int_equal(o.clobbers, 1 << RAX | 1 << RBX | 1 << RCX | 1 << RDX);
    o = decoded((const uint8_t[12]){0x48, 0xf7, 0xe1}); /* mul %rcx */
    assert_int_equal(o.verb, ARCH_V_OPAQUE);
    assert_int_equal(o.clobbers, 1 << RAX | 1 << RDX);
    assert_true(o.flags);
    o = decoded((const uint8_t[12]){0x88, 0xc4}); /* mov %al,%ah */
    assert_int_equal(o.dst.place, ARCH_NOWHERE);
    assert_int_equal(o.clobbers, 1 << RAX);
    assert_false(arch_by_machine(EM_X86_64)->op((const uint8_t *)"\x48\x8b", 2, 0, &o));
}

TEST_MAIN(cmocka_unit_test(test_verbs), cmocka_unit_test(test_operands),
          cmocka_unit_test(test_opaque))
