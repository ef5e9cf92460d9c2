/* x86_64_inject.c - system calls made by a thread of another process, on linux/amd64.
 *
 * Go: runtime/sys_linux_amd64.s futex, usleep, osyield, clone, sigreturn (the same instructions in
 * 1.18 ... 1.27; tests/unit/arch/test_inject.c looks at binaries of all of them).
 *
 * Two calls are borrowable.  runtime.futex: FUTEX_WAIT may return at any time, futexsleep() ignores
 * the result.  runtime.usleep: nobody looks at the result.  Both are ABI0 assembly: when they
 * return every register but SP and BP is dead. */
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "arch/arch_int.h"

enum {
    SYSCALL_INSN = 2,
    TAIL = 10,
    EXIT_LOOP_CALL = 10, /* where the system call lies in exit_loop */
    CHAIN_AT = 256,      /* in the launchpad */
    USER_CS = 0x33,
    USER_SS = 0x2b,
    UC_SIGCONTEXT_SS = 2, /* asm/ucontext.h: ss is in the frame, and is to be taken from it */
    UC_STRICT_RESTORE_SS = 4,
    /* from the kernel, not meant for user space: how an interrupted call will go on */
    ERESTARTSYS = 512,
    ERESTARTNOINTR,
    ERESTARTNOHAND,
    ERESTART_RESTARTBLOCK = 516,
};

static const uint8_t call_return[] = {0x0f, 0x05, 0xc3}; /* syscall; ret */
/* the end of runtime.clone: "mov $111,%edi; mov $60,%eax; syscall; jmp" back to the first one */
static const uint8_t exit_loop[] = {0xbf, 0x6f, 0, 0,    0,    0xb8, 0x3c,
                                    0,    0,    0, 0x0f, 0x05, 0xeb, 0xf2};
static const uint8_t sigreturn_mov[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
static const uint8_t sigreturn_short[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};

static taddr find_bytes(const uint8_t *code, size_t n, taddr at, const uint8_t *what, size_t len)
{
    const uint8_t *p = memmem(code, n, what, len);
    return p ? at + (taddr)(p - code) : 0;
}

static bool find(const uint8_t *code, size_t n, taddr at, struct arch_gadgets *g)
{
    if (!g->call_return)
        g->call_return = find_bytes(code, n, at, call_return, sizeof(call_return));
    if (!g->exit)
        g->exit = find_bytes(code, n, at, exit_loop, sizeof(exit_loop));
    if (!g->sigreturn)
        g->sigreturn = find_bytes(code, n, at, sigreturn_mov, sizeof(sigreturn_mov));
    if (!g->sigreturn)
        g->sigreturn = find_bytes(code, n, at, sigreturn_short, sizeof(sigreturn_short));
    if (g->exit)
        g->call_exit = g->exit + EXIT_LOOP_CALL;
    return g->call_return && g->exit && g->sigreturn;
}

/* What follows the system call in the two functions; see the top. */
static const struct {
    int64_t nr;
    size_t n;
    uint8_t code[TAIL];
} tails[] = {
    {SYS_futex, 5, {0x89, 0x44, 0x24, 0x30, 0xc3}},           /* mov %eax,0x30(%rsp); ret */
    {SYS_nanosleep, 6, {0x48, 0x83, 0xc4, 0x10, 0x5d, 0xc3}}, /* add $16,%rsp; pop %rbp; ret */
    /* mov 16(%rsp),%rbp; add $24,%rsp; ret */
    {SYS_nanosleep, 10, {0x48, 0x8b, 0x6c, 0x24, 0x10, 0x48, 0x83, 0xc4, 0x18, 0xc3}},
};

static bool borrowable_call(int64_t nr, const uint8_t *behind_pc)
{
    for (size_t i = 0; i < ARRAY_LEN(tails); i++)
        if (tails[i].nr == nr && memcmp(behind_pc, tails[i].code, tails[i].n) == 0)
            return true;
    return false;
}

static int64_t result(const struct arch_regs *r)
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    return (int64_t)u.rax;
}

static bool borrowable(const struct arch_regs *r, const uint8_t *behind_pc)
{
    int64_t how = -result(r);
    if (how != ERESTARTSYS && how != ERESTARTNOINTR && how != ERESTARTNOHAND &&
        how != ERESTART_RESTARTBLOCK)
        return false;
    return borrowable_call(r->syscall, behind_pc);
}

static taddr call_site(const struct arch_regs *r)
{
    return r->pc - SYSCALL_INSN;
}

static void set_call(struct arch_regs *r, taddr site, int64_t nr, const uint64_t args[6])
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    u.rip = site;
    u.rax = (uint64_t)nr;
    u.orig_rax = (uint64_t)-1; /* in no call: the kernel must not restart anything */
    u.rdi = args[0];
    u.rsi = args[1];
    u.rdx = args[2];
    u.r10 = args[3];
    u.r8 = args[4];
    u.r9 = args[5];
    memcpy(r->raw, &u, sizeof(u));
    arch_x86_64.from_raw(r);
}

static void set_sp(struct arch_regs *r, taddr sp)
{
    struct user_regs_struct u;
    memcpy(&u, r->raw, sizeof(u));
    u.rsp = sp;
    memcpy(r->raw, &u, sizeof(u));
    r->sp = sp;
}

static void put(struct arch_launchpad *l, size_t at, uint64_t v)
{
    memcpy(l->bytes + at, &v, sizeof(v));
}

/* The frame rt_sigreturn takes: it loads all registers at once.  No floating point state: the
 * kernel then gives a fresh one. */
static void put_frame(struct arch_launchpad *l, size_t at, taddr sp, const struct arch_gadgets *g)
{
    struct {
        uint64_t flags, link;
        stack_t stack;
        gregset_t r;
        uint64_t fpstate, reserved[8];
        uint64_t mask;
    } uc;
    _Static_assert(sizeof(uc) == 304, "struct ucontext of the kernel");
    memset(&uc, 0, sizeof(uc));
    uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    uc.stack.ss_flags = SS_DISABLE;
    uc.r[REG_RIP] = (greg_t)g->call_exit;
    uc.r[REG_RSP] = (greg_t)sp;
    uc.r[REG_RAX] = SYS_wait4;
    uc.r[REG_RDI] = (greg_t)arch_x86_64_inject.wait_args[0];
    uc.r[REG_RDX] = (greg_t)arch_x86_64_inject.wait_args[2];
    uc.r[REG_EFL] = 0x202;
    uc.r[REG_CSGSFS] = (greg_t)(USER_CS | (uint64_t)USER_SS << 48);
    uc.mask = ~UINT64_C(0);
    memcpy(l->bytes + at, &uc, sizeof(uc));
}

static void launchpad(taddr at, const struct arch_gadgets *g, struct arch_launchpad *ret)
{
    memset(ret, 0, sizeof(*ret));
    /* A new thread runs the rest of the borrowed function on this: whichever it is, it returns
     * through one of these words (futex the first, usleep the fourth). */
    put(ret, 0, g->exit);
    put(ret, 24, g->exit);
    ret->birth_sp = at;
    put(ret, CHAIN_AT, g->sigreturn);
    put_frame(ret, CHAIN_AT + 8, at + CHAIN_AT, g);
    ret->chain_sp = at + CHAIN_AT;
}

const struct arch_inject arch_x86_64_inject = {
    .nr_clone = SYS_clone,
    .nr_wait4 = SYS_wait4,
    .nr_exit = SYS_exit,
    .nr_sigreturn = SYS_rt_sigreturn,
    .wait_args = {(uint64_t)-1, 0, __WALL | __WNOTHREAD},
    .audit_arch = AUDIT_ARCH_X86_64,
    .call_size = SYSCALL_INSN,
    .tail = TAIL,
    .find = find,
    .borrowable = borrowable,
    .borrowable_call = borrowable_call,
    .call_site = call_site,
    .set_call = set_call,
    .set_sp = set_sp,
    .result = result,
    .launchpad = launchpad,
};
