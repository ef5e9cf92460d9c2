/* The handler of SIGTRAP that a debugged process carries, called here as the kernel would: what it
 * does to the registers in the frame of its signal. */
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#include "arch/arch.h"
#include "check.h"

enum {
    ROWS = 4,
    PLACE = 0x500000, /* a breakpoint of ours */
    CALL = 0x400100,  /* one of the runtime's in a call */
    G = 0xc000001230,
    SAVED_FLAGS = 0x246,
    LEGACY = 464,
    HEADER = 512,
    BODY = 576,
    SIZE = 840, /* with AVX */
    FRAME = 4096,
    MAGIC1 = 0x46505853,
    MARGIN = 0x5a,
};

static uint8_t *area;
static struct arch_trap_call rows[ROWS];
static uint8_t saved[FRAME], frame[FRAME];
static int handed_on;

static void former(int signo, siginfo_t *info, void *context)
{
    handed_on += signo == SIGTRAP && info && context;
}

static struct arch_trap_head *head(void)
{
    return (struct arch_trap_head *)area;
}

static const struct arch_debug *debug(void)
{
    return arch_by_machine(EM_X86_64)->debug;
}

static void put(uint8_t *at, uint64_t v, size_t n)
{
    memcpy(at, &v, n);
}

static int setup(void **state)
{
    (void)state;
    area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0);
    assert_ptr_not_equal(area, MAP_FAILED);
    *head() = (struct arch_trap_head){.former = (uintptr_t)former,
                                      .n = 1,
                                      .slots_lo = 0x600000,
                                      .slots_hi = 0x601000,
                                      .ncall_traps = 2,
                                      .calls = (uintptr_t)rows,
                                      .ncalls = ROWS};
    memcpy(area + ARCH_TRAP_CODE_AT, debug()->trap_code,
           (size_t)(debug()->trap_end - debug()->trap_code));
    put(area + ARCH_TRAP_TABLE_AT, PLACE | UINT64_C(0x90) << 56, 8);
    put(area + ARCH_TRAP_CALLS_AT, CALL + 0x80, 8);
    put(area + ARCH_TRAP_CALLS_AT + 8, CALL, 8);
    for (size_t i = 0; i < FRAME; i++)
        saved[i] = (uint8_t)(i * 7 + 1);
    put(saved + HEADER, 7, 8);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(area, 3 * 4096);
}

/* Everything is as before a signal at pc; rows are those of two goroutines. */
static ucontext_t at(uint64_t pc, uint64_t r12, uint64_t r14)
{
    ucontext_t uc = {0};
    uc.uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    uc.uc_mcontext.gregs[REG_R12] = (greg_t)r12;
    uc.uc_mcontext.gregs[REG_R14] = (greg_t)r14;
    uc.uc_mcontext.gregs[REG_EFL] = 0x202;
    uc.uc_mcontext.fpregs = (fpregset_t)(void *)frame;
    memset(frame, MARGIN, sizeof(frame));
    put(frame + LEGACY, MAGIC1, 4);
    put(frame + LEGACY + 8, 7, 8);
    put(frame + LEGACY + 16, SIZE, 4);
    memset(rows, 0, sizeof(rows));
    rows[1] = (struct arch_trap_call){G + 0x100, 0x202, (uintptr_t)saved, SIZE};
    rows[2] = (struct arch_trap_call){G, SAVED_FLAGS, (uintptr_t)saved, SIZE};
    handed_on = 0;
    return uc;
}

static void handle(ucontext_t *uc, int code)
{
    siginfo_t info = {.si_signo = SIGTRAP, .si_code = code};
    void (*handler)(int, siginfo_t *, void *);
    const uint8_t *entry = area + ARCH_TRAP_CODE_AT;
    memcpy(&handler, &entry, sizeof(handler));
    handler(SIGTRAP, &info, uc);
}

static uint64_t pc_of(const ucontext_t *uc)
{
    return (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
}

static bool untouched(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (frame[i] != MARGIN)
            return false;
    return true;
}

static void breakpoints_of_ours(void **state)
{
    static const uint64_t pcs[][2] = {
        {PLACE, PLACE}, {PLACE + 1, PLACE}, {0x600010, 0x600010}, {CALL, CALL}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pcs); i++) {
        ucontext_t uc = at(pcs[i][0], 16, G);
        handle(&uc, SI_KERNEL);
        assert_int_equal(pc_of(&uc), pcs[i][1]);
        assert_int_equal(handed_on, 0);
        assert_true(untouched(0, LEGACY));
    }
    ucontext_t uc = at(PLACE + 2, 16, G);
    handle(&uc, SI_KERNEL);
    assert_int_equal(handed_on, 1);
}

static void words_that_want_no_answer(void **state)
{
    static const uint64_t words[] = {0, 1, 2, 8};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        ucontext_t uc = at(CALL + 1, words[i], G), before = uc;
        handle(&uc, SI_KERNEL);
        assert_memory_equal(&uc, &before, sizeof(uc));
        assert_true(untouched(0, LEGACY));
        assert_int_equal(rows[2].g, G);
        assert_int_equal(handed_on, 0);
    }
}

static void registers_are_put_back(void **state)
{
    (void)state;
    ucontext_t uc = at(CALL + 1, 16, G);
    handle(&uc, SI_KERNEL);
    assert_int_equal(pc_of(&uc), CALL + 1);
    assert_int_equal(uc.uc_mcontext.gregs[REG_EFL], SAVED_FLAGS);
    assert_memory_equal(frame, saved, LEGACY);
    assert_memory_equal(frame + HEADER, saved + HEADER, 8);
    assert_memory_equal(frame + BODY, saved + BODY, SIZE - BODY);
    assert_true(untouched(LEGACY + 20, HEADER) && untouched(HEADER + 8, BODY));
    assert_true(untouched(SIZE, FRAME));
    assert_int_equal(rows[2].g, 0);
    assert_int_equal(rows[1].g, G + 0x100);
}

/* The frame has fewer parts than were saved, or is smaller, or knows nothing of parts. */
static void frames_of_other_sizes(void **state)
{
    (void)state;
    ucontext_t uc = at(CALL + 1, 16, G);
    put(frame + LEGACY + 8, 3, 8);
    put(frame + LEGACY + 16, BODY, 4);
    handle(&uc, SI_KERNEL);
    assert_int_equal(frame[HEADER], 3);
    assert_true(untouched(BODY, FRAME));

    uc = at(CALL + 1, 16, G);
    rows[2].extended_n = BODY + 8;
    handle(&uc, SI_KERNEL);
    assert_memory_equal(frame + BODY, saved + BODY, 8);
    assert_true(untouched(BODY + 8, FRAME));

    uc = at(CALL + 1, 16, G);
    put(frame + LEGACY, 0, 4);
    handle(&uc, SI_KERNEL);
    assert_memory_equal(frame, saved, LEGACY);
    assert_true(untouched(HEADER, FRAME));

    uc = at(CALL + 1, 16, G);
    uc.uc_mcontext.fpregs = NULL;
    handle(&uc, SI_KERNEL);
    assert_int_equal(uc.uc_mcontext.gregs[REG_EFL], SAVED_FLAGS);
    assert_int_equal(rows[2].g, 0);
}

/* Nobody has prepared it: it is the program's. */
static void calls_of_others(void **state)
{
    static const uint64_t gs[] = {G + 8, 0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gs); i++) {
        ucontext_t uc = at(CALL + 1, 16, gs[i]);
        handle(&uc, SI_KERNEL);
        assert_int_equal(handed_on, 1);
        assert_true(untouched(0, LEGACY));
    }
}

static void flags_without_a_step(void **state)
{
    (void)state;
    struct arch_regs regs = {.pc = CALL};
    arch_by_machine(EM_X86_64)->to_raw(&regs);
    assert_int_equal(debug()->flags(&regs), 0x202);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(breakpoints_of_ours, setup, teardown),
          cmocka_unit_test_setup_teardown(words_that_want_no_answer, setup, teardown),
          cmocka_unit_test_setup_teardown(registers_are_put_back, setup, teardown),
          cmocka_unit_test_setup_teardown(frames_of_other_sizes, setup, teardown),
          cmocka_unit_test_setup_teardown(calls_of_others, setup, teardown),
          cmocka_unit_test(flags_without_a_step))
