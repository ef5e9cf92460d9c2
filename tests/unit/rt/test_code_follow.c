/* What code makes and where it puts it (code_follow.c), on machine code of a processor that the
 * assembler made: a function at BASE; a type, functions and a variable lie at offsets from it. */
#include "rt/code_follow.h"

#include "arch/arch.h"
#include "base/buf.h"
#include "check.h"

#include <elf.h>

enum { BASE = 0x10000, TYPE = BASE + 0x1000, NEW = BASE + 0x2000, BARRIER = BASE + 0x2100 };

static void put(struct buf *b, struct code_value v)
{
    static const char *const kinds[] = {"?", "address", "new", "kept", "loaded", "entry", "frame"};
    buf_str(b, kinds[v.kind]);
    bool here = v.kind == CODE_ENTRY || v.kind == CODE_FRAME;
    if (v.kind != CODE_UNKNOWN)
        buf_printf(b, " %llx", (unsigned long long)(here ? v.at : v.at - BASE));
    for (unsigned i = 0; i < v.depth; i++)
        buf_printf(b, ".%d", v.off[i]);
}

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    struct buf *b = arg;
    if (base.kind == CODE_UNKNOWN)
        return;
    put(b, base);
    buf_printf(b, "+%lld = ", (long long)off);
    put(b, v);
    buf_str(b, "; ");
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    struct buf *b = arg;
    if (target == BARRIER)
        return (struct code_value){.kind = CODE_KEPT};
    if (target == NEW && args[0].kind == CODE_ADDRESS)
        return (struct code_value){.kind = CODE_NEW, .at = args[0].at};
    for (size_t i = 0; i < 2; i++) {
        put(b, args[i]);
        buf_str(b, i ? "; " : ", ");
    }
    return (struct code_value){.kind = CODE_UNKNOWN};
}

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        ret[i] = (uint8_t)byte;
    }
    return n;
}

static const struct {
    const char *hex, *told;
} rows[] = {
    /* lea TYPE,%rax; call NEW; lea 1800,%rcx; mov %rcx,(%rax); ret */
    {"488d05f90f0000e8f41f0000488d0ded170000488908c3", "new 1000+0 = address 1800; "},
    /* across a write barrier: ... mov %rax,24(%rsp); cmpl $0,...; jne 1f; mov 24(%rsp),%rcx; jmp
     * 2f; 1: call BARRIER; mov 24(%rsp),%rcx; mov %rcx,(%r11); 2: mov %rcx,3000; ret */
    {"488d05f90f0000e8f41f00004889442418833de8300000007507488b4c2418eb0de8da200000488b4c241849890b4"
     "8"
     "890dcb2f0000c3",
     "address 3000+0 = new 1000; "},
    /* ways that do not agree: ... test %rbx,%rbx; je 1f; mov %rbx,%rax; 1: mov %rax,3000; ret */
    {"488d05f90f0000e8f41f00004885db74034889d8488905e52f0000c3", "address 3000+0 = ?; "},
    /* head of a loop: ... 1: mov %rax,3000; dec %rbx; jne 1b; ret */
    {"488d05f90f0000e8f41f0000488905ed2f000048ffcb75f4c3", "address 3000+0 = ?; "},
    /* another call: ... call 2200; mov %rax,3000; ret */
    {"488d05f90f0000e8f41f0000e8ef210000488905e82f0000c3", "new 1000, ?; address 3000+0 = ?; "},
    /* the frame changes: ... mov %rax,24(%rsp); movups %xmm0,16(%rsp); mov 24(%rsp),%rax; ... */
    {"488d05f90f0000e8f41f000048894424180f11442410488b442418488905de2f0000c3",
     "address 3000+0 = ?; "},
    /* its address is taken: lea 16(%rsp),%rbx; ... mov %rax,24(%rsp); mov 24(%rsp),%rax; ... */
    {"488d5c2410488d05f40f0000e8ef1f00004889442418488b442418488905de2f0000c3",
     "address 3000+0 = ?; "},
    /* half a register: ... xor %eax,%eax; mov %rax,3000; ret */
    {"488d05f90f0000e8f41f000031c0488905eb2f0000c3", "address 3000+0 = ?; "},
    /* loaded: mov 3000,%rcx; mov 16(%rcx),%rdx; mov 8(%rdx),%rax; mov %rax,%rbx; call 2200; ret */
    {"488b0df92f0000488b5110488b42084889c3e8e9210000c3", "loaded 3000.16.8, loaded 3000.16.8; "},
    /* a jump through a table: ... mov %rax,3000; jmp *%rcx */
    {"488d05f90f0000e8f41f0000488905ed2f0000ffe1", ""},
};

static void test_what_is_told(void **state)
{
    (void)state;
    const struct arch *arch = arch_by_machine(EM_X86_64);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = {0};
        uint8_t code[128];
        size_t n = from_hex(rows[i].hex, code);
        const struct code_events events = {.store = on_store, .call = on_call, .arg = &b};
        code_follow(arch, code, n, BASE, &events);
        assert_string_equal(buf_text(&b), rows[i].told);
        for (size_t cut = 0; cut < n; cut++) /* a function that ends early */
            code_follow(arch, code, cut, BASE, &events);
        buf_free(&b);
    }
}

/* What depends on the call. */
static const struct {
    const char *hex, *entry, *frame;
} views[] = {
    /* mov %rax,32(%rsp); call 2200; mov 32(%rsp),%rcx; mov 24(%rcx),%rax; call 2200; ret */
    {"4889442420e8f6210000488b4c2420488b4118e8e8210000c3", "entry 0, entry 1; entry 0.24, ?; ",
     "frame 20, entry 1; frame 20.24, ?; "},
    /* the frame pointer is set: lea 16(%rsp),%rbp; and then the same */
    {"488d6c24104889442420e8f1210000488b4c2420488b4118e8e3210000c3",
     "entry 0, entry 1; entry 0.24, ?; ", "frame 20, entry 1; frame 20.24, ?; "},
    /* what a closure captured: mov 8(%rdx),%rax; call 2200; ret */
    {"488b4208e8f7210000c3", "entry 9.8, entry 1; ", "entry 9.8, entry 1; "},
    /* the word is used again: mov %rax,32(%rsp); mov %rbx,32(%rsp); call 2200; ret */
    {"488944242048895c2420e8f1210000c3", "entry 0, entry 1; ", "?, frame 20; "},
    /* asks for more stack: 1: test %rbx,%rbx; je 2f; call 2200; ret; 2: jmp 1b */
    {"4885db7406e8f6210000c3ebf3", "entry 0, entry 1; ", "entry 0, entry 1; "},
};

static void test_views(void **state)
{
    (void)state;
    const struct arch *arch = arch_by_machine(EM_X86_64);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        for (enum code_view view = CODE_BY_ENTRY; view <= CODE_BY_FRAME; view++) {
            struct buf b = {0};
            uint8_t code[128];
            taddr behind = 0;
            size_t n = from_hex(views[i].hex, code);
            const struct code_events events = {
                .store = on_store, .call = on_call, .arg = &b, .view = view, .behind = &behind};
            code_follow(arch, code, n, BASE, &events);
            assert_string_equal(buf_text(&b),
                                view == CODE_BY_ENTRY ? views[i].entry : views[i].frame);
            assert_true(behind > BASE && behind < BASE + n);
            buf_free(&b);
        }
    }
}

static void test_references(void **state)
{
    (void)state;
    const struct arch *arch = arch_by_machine(EM_X86_64);
    uint8_t code[128];
    size_t n = from_hex(rows[0].hex, code), at = 0;
    taddr addr;
    assert_true(arch->next_ref(code, n, BASE, TYPE, TYPE + 8, &at, &addr));
    assert_int_equal(addr, TYPE);
    assert_true(at > 3 && at <= 7);
    assert_false(arch->next_ref(code, n, BASE, TYPE, TYPE + 8, &at, &addr));
    at = 0;
    assert_true(arch->next_ref(code, n, BASE, BASE + 0x1800, NEW + 1, &at, &addr));
    assert_int_equal(addr, NEW);
    assert_true(arch->next_ref(code, n, BASE, BASE + 0x1800, NEW + 1, &at, &addr));
    assert_int_equal(addr, BASE + 0x1800);
    at = 0;
    assert_false(arch->next_ref(code, 3, BASE, 0, UINT64_MAX, &at, &addr));
}

TEST_MAIN(cmocka_unit_test(test_what_is_told), cmocka_unit_test(test_views),
          cmocka_unit_test(test_references))
