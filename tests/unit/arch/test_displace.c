/* Getting past a breakpoint on linux/amd64: the truth is what this processor does with the
 * original. */
#include <elf.h>
#include <sys/mman.h>
#include <sys/user.h>

#include "arch/arch.h"
#include "check.h"

enum { PC = 0x400000, CODE = 4096, RCX = 2, RSP = 7 };
enum { CF = 1, PF = 4, ZF = 0x40, SF = 0x80, OF = 0x800 };

static uint8_t *memory; /* two pages of code, and one of data that they may refer to */

static const struct arch_debug *debug(void)
{
    return arch_by_machine(EM_X86_64)->debug;
}

static struct arch_displaced displaced(const uint8_t *code, taddr pc, taddr slot)
{
    struct arch_displaced d;
    debug()->displace(code, ARCH_INSN_MAX, pc, slot, &d);
    return d;
}

static bool our_read(void *arg, taddr addr, void *dst, size_t n)
{
    memcpy(dst, (void *)addr, n);
    return arg == NULL;
}

static bool our_write(void *arg, taddr addr, const void *src, size_t n)
{
    memcpy((void *)addr, src, n);
    return arg == NULL;
}

static struct arch_regs registers(uint64_t flags, uint64_t rcx, uint64_t rsp)
{
    struct arch_regs r = {.pc = PC};
    struct user_regs_struct u;
    arch_by_machine(EM_X86_64)->to_raw(&r);
    memcpy(&u, r.raw, sizeof(u));
    u.eflags = flags | 2;
    u.rcx = rcx;
    u.rsp = rsp;
    memcpy(r.raw, &u, sizeof(u));
    return r;
}

static uint64_t reg(const struct arch_regs *r, unsigned n)
{
    uint64_t v = 0;
    assert_true(arch_by_machine(EM_X86_64)->dwarf_reg(r, n, &v));
    return v;
}

static void emulated(const uint8_t *code, struct arch_regs *r, bool can)
{
    const struct arch_debug_memory m = {our_read, our_write, can ? NULL : r};
    struct arch_displaced d = displaced(code, PC, 0);
    assert_int_equal(d.how, ARCH_PASS_EMULATE);
    assert_int_equal(debug()->emulate(&d, PC, r, &m), can);
}

/* Runs a jump of two bytes with these flags and rcx: 1 when it is taken; rcx afterwards. */
static uint64_t run_jump(const uint8_t jump[2], uint64_t flags, uint64_t rcx, uint64_t *ret_rcx)
{
    const uint8_t code[] = {0x57,    0x9d, 0x48, 0x89, 0xf1, /* push %rdi; popf; mov %rsi,%rcx */
                            0xb8,    0,    0,    0,    0,    /* mov $0,%eax */
                            jump[0], 6,    0x48, 0x89, 0x0a, /* the jump; mov %rcx,(%rdx) */
                            0xc3,    0x90, 0x90,             /* ret */
                            0xb8,    1,    0,    0,    0,    /* mov $1,%eax */
                            0x48,    0x89, 0x0a, 0xc3};
    memcpy(memory, code, sizeof(code));
    uint64_t (*fn)(uint64_t, uint64_t, uint64_t *);
    memcpy(&fn, &memory, sizeof(fn));
    return fn(flags, rcx, ret_rcx) & 1;
}

static void test_conditional_jumps(void **state)
{
    static const uint64_t bits[] = {CF, PF, ZF, SF, OF};
    (void)state;
    for (unsigned op = 0x70; op <= 0x7f; op++) {
        for (unsigned set = 0; set < 32; set++) {
            uint64_t flags = 0, rcx;
            for (unsigned i = 0; i < 5; i++)
                flags |= set >> i & 1 ? bits[i] : 0;
            const uint8_t code[ARCH_INSN_MAX] = {(uint8_t)op, 6};
            struct arch_regs r = registers(flags | 0x202, 0, 0);
            emulated(code, &r, true);
            assert_int_equal(r.pc, PC + 2 + 6 * run_jump(code, flags | 0x202, 0, &rcx));
        }
    }
}

static void test_counting_jumps(void **state)
{
    (void)state;
    for (unsigned op = 0xe0; op <= 0xe3; op++) {
        for (unsigned n = 0; n < 8; n++) {
            uint64_t flags = 0x202 | (n & 1 ? ZF : 0), rcx = n >> 1, left;
            const uint8_t code[ARCH_INSN_MAX] = {(uint8_t)op, 6};
            struct arch_regs r = registers(flags, rcx, 0);
            emulated(code, &r, true);
            assert_int_equal(r.pc, PC + 2 + 6 * run_jump(code, flags, rcx, &left));
            assert_int_equal(reg(&r, RCX), left);
        }
    }
}

static void test_calls(void **state)
{
    const uint8_t relative[ARCH_INSN_MAX] = {0xe8, 0x10, 0, 0, 0};
    const uint8_t through_rcx[ARCH_INSN_MAX] = {0xff, 0xd1};
    const uint8_t through_memory[ARCH_INSN_MAX] = {0xff, 0x51, 0x08}; /* call *8(%rcx) */
    uint64_t stack[4] = {0}, pointers[2] = {0, 0x1234}, top = (uint64_t)&stack[3];
    (void)state;
    struct arch_regs r = registers(2, 0, top);
    emulated(relative, &r, true);
    assert_int_equal(r.pc, PC + 5 + 0x10);
    assert_int_equal(stack[2], PC + 5);
    assert_int_equal(reg(&r, RSP), top - 8);
    r = registers(2, 0x777, top);
    emulated(through_rcx, &r, true);
    assert_int_equal(r.pc, 0x777);
    assert_int_equal(stack[2], PC + 2);
    r = registers(2, (uint64_t)pointers, top);
    emulated(through_memory, &r, true);
    assert_int_equal(r.pc, 0x1234);
    r = registers(2, 0x777, top); /* a stack that cannot be written: nothing has happened */
    emulated(relative, &r, false);
    assert_int_equal(reg(&r, RSP), top);
}

/* A step over it would store the flag that makes it a step. */
static void test_saved_flags(void **state)
{
    const uint8_t pushf[ARCH_INSN_MAX] = {0x9c};
    uint64_t stack[2] = {0};
    (void)state;
    struct arch_regs r = registers(0x302 | CF, 0, (uint64_t)&stack[1]);
    emulated(pushf, &r, true);
    assert_int_equal(stack[0], 0x202 | CF);
    assert_int_equal(r.pc, PC + 1);
}

/* The copy in a slot does what the original does, and comes back behind it. */
static void test_copies(void **state)
{
    static const struct {
        uint8_t code[ARCH_INSN_MAX];
        uint8_t len;
    } rows[] = {
        {{0x48, 0x8b, 0x05, 0xf9, 0x1f, 0, 0}, 7},              /* mov 0x1ff9(%rip),%rax */
        {{0x48, 0x8d, 0x05, 0xf9, 0x1f, 0, 0}, 7},              /* lea 0x1ff9(%rip),%rax */
        {{0x48, 0x69, 0x05, 0xf5, 0x1f, 0, 0, 3, 0, 0, 0}, 11}, /* imul $3,0x1ff5(%rip),%rax */
        {{0x48, 0x89, 0xf8}, 3},                                /* mov %rdi,%rax */
        {{0x48, 0xc7, 0xc0, 9, 0, 0, 0}, 7},                    /* mov $9,%rax */
    };
    uint8_t *slot = memory + CODE;
    uint64_t data = 0x123456789;
    (void)state;
    memcpy(memory + 2 * (size_t)CODE, &data, sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t (*original)(uint64_t), (*copy)(uint64_t);
        memcpy(memory, rows[i].code, rows[i].len);
        memory[rows[i].len] = 0xc3;
        struct arch_displaced d = displaced(memory, (taddr)memory, (taddr)slot);
        assert_int_equal(d.how, ARCH_PASS_SLOT);
        assert_int_equal(d.len, rows[i].len);
        memcpy(slot, d.code, sizeof(d.code));
        memcpy(&original, &memory, sizeof(original));
        memcpy(&copy, &slot, sizeof(copy));
        assert_int_equal(original(77), copy(77));
    }
}

static void test_in_place(void **state)
{
    const uint8_t begin[ARCH_INSN_MAX] = {0xc7, 0xf8, 0, 0, 0, 0}; /* xbegin */
    const uint8_t far_jump[ARCH_INSN_MAX] = {0xff, 0x28};
    const uint8_t relative[ARCH_INSN_MAX] = {0x48, 0x8b, 0x05, 0, 0, 0, 0};
    const uint8_t plain[ARCH_INSN_MAX] = {0x48, 0x89, 0xf8};
    const taddr far_away = PC + (UINT64_C(1) << 40);
    (void)state;
    assert_int_equal(displaced(begin, PC, PC + CODE).how, ARCH_PASS_IN_PLACE);
    assert_int_equal(displaced(far_jump, PC, PC + CODE).how, ARCH_PASS_IN_PLACE);
    assert_int_equal(displaced(relative, PC, far_away).how, ARCH_PASS_IN_PLACE);
    assert_int_equal(displaced(relative, PC, PC + CODE).how, ARCH_PASS_SLOT);
    assert_int_equal(displaced(plain, PC, 0).how, ARCH_PASS_IN_PLACE); /* there is no slot */
    struct arch_displaced d = displaced(plain, PC, far_away);
    taddr back = 0;
    assert_int_equal(d.how, ARCH_PASS_SLOT);
    memcpy(&back, d.code + d.len + 6, sizeof(back));
    assert_int_equal(back, PC + 3);
}

static void test_what_lasts(void **state)
{
    const uint8_t call[ARCH_INSN_MAX] = {0x0f, 0x05}, repeated[ARCH_INSN_MAX] = {0xf3, 0xaa};
    const uint8_t once[ARCH_INSN_MAX] = {0xaa};
    (void)state;
    assert_true(displaced(call, PC, PC + CODE).lasts);
    assert_true(displaced(repeated, PC, PC + CODE).lasts);
    assert_false(displaced(once, PC, PC + CODE).lasts);
}

/* DR7 as the manuals have it: enabling bits below, four bits of each slot above. */
static void test_watch_control(void **state)
{
    (void)state;
    uint64_t one = debug()->watch_control(0, 0, 8, 1);
    assert_int_equal(one, 1 | UINT64_C(9) << 16);
    uint64_t two = debug()->watch_control(one, 2, 4, 3);
    assert_int_equal(two, one | 1 << 4 | UINT64_C(15) << 24);
    assert_int_equal(debug()->watch_control(two, 0, 1, 0), 1 << 4 | UINT64_C(15) << 24);
    assert_int_equal(debug()->watch_control(0, 1, 1, 4), 1 << 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditional_jumps),
        cmocka_unit_test(test_counting_jumps),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_saved_flags),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_what_lasts),
        cmocka_unit_test(test_watch_control),
    };
    memory = mmap(NULL, 3 * (size_t)CODE, PROT_READ | PROT_WRITE | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
