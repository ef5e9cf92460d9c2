/* x86_64_trap.c - the handler of SIGTRAP that a debugged process carries, on linux/amd64.
 *
 * Machine code that is copied into the process (256 bytes behind the beginning of the area that
 * struct arch_trap_head describes) and only ever runs when the debugger has been killed; why, and
 * what it must do, is in target/debug_guard.c.  Position independent, uses no stack of its own but
 * for the default action, and no register a signal handler must keep.  struct siginfo: si_errno at
 * 4, si_code at 8, si_addr at 16, what the mark says of sp at 24; struct ucontext: r12 at 72, r14
 * at 88, rsp at 160, rip at 168, flags at 176, where floating point and vector registers lie at
 * 224; there, 464 bytes as FXSAVE has them, then what the kernel says of the rest
 * (FP_XSTATE_MAGIC1, at 8 which parts there are, at 16 the size with all of it), at 512 the header
 * of XSAVE, which begins with the parts that are not as at the start, at 576 these parts. */
#include "arch/arch_int.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        ".globl arch_x86_64_trap, arch_x86_64_trap_restorer, arch_x86_64_trap_end\n"
        "arch_x86_64_trap:\n"
        "    lea arch_x86_64_trap-256(%rip), %r8\n"
        "    mov 8(%rsi), %eax\n"
        "    cmp $1, %eax\n" /* TRAP_BRKPT (behind a system call), TRAP_TRACE: a step */
        "    je 10f\n"
        "    cmp $2, %eax\n"
        "    je 10f\n" /* TRAP_HWBKPT: a watchpoint */
        "    cmp $4, %eax\n"
        "    je 9f\n"
        "    mov 168(%rdx), %rcx\n"
        "    cmpl $0x676f7370, 4(%rsi)\n" /* trap_mark */
        "    jne 1f\n"
        "    cmp 16(%rsi), %rcx\n"
        "    jne 1f\n"
        "    mov 160(%rdx), %rax\n"
        "    cmp 24(%rsi), %rax\n" /* pushf: pc alone would do before it is emulated, too */
        "    je 9f\n"
        "1:  cmp 24(%r8), %rcx\n" /* in a slot: it was on its way past a breakpoint */
        "    jb 2f\n"
        "    cmp 32(%r8), %rcx\n"
        "    jb 9f\n"
        "2:  mov 136(%r8), %r10\n" /* breakpoints of debugCallV2 and its kin */
        "    lea 3072(%r8), %r9\n"
        "11: test %r10, %r10\n"
        "    jz 12f\n"
        "    mov (%r9), %rax\n"
        "    cmp %rax, %rcx\n" /* it had been put back there already */
        "    je 9f\n"
        "    inc %rax\n"
        "    cmp %rax, %rcx\n"
        "    je 13f\n"
        "    add $8, %r9\n"
        "    dec %r10\n"
        "    jmp 11b\n"
        "12: mov 16(%r8), %r10\n"
        "    lea 4096(%r8), %r9\n"
        "3:  test %r10, %r10\n"
        "    jz 5f\n"
        "    mov (%r9), %rax\n"
        "    shl $8, %rax\n"
        "    shr $8, %rax\n"
        "    cmp %rax, %rcx\n" /* on a breakpoint: it had been put back there already */
        "    je 9f\n"
        "    inc %rax\n"
        "    cmp %rax, %rcx\n" /* behind one: back */
        "    je 4f\n"
        "    add $8, %r9\n"
        "    dec %r10\n"
        "    jmp 3b\n"
        "4:  decq 168(%rdx)\n"
        "    jmp 9f\n"
        "10: andl $~0x100, 176(%rdx)\n" /* no step after this one */
        "9:  pause\n"
        "    ret\n"
        /* A call that nobody looks after any more.  Whatever the runtime says goes unanswered, so
         * that a function that was not begun never is, until it wants registers put back: it does
         * that itself but for flags and vectors, of the goroutine that r14 has. */
        "13: cmpq $16, 72(%rdx)\n"
        "    jne 9b\n"
        "    mov 88(%rdx), %rax\n"
        "    test %rax, %rax\n"
        "    jz 5f\n"
        "    mov 144(%r8), %r9\n"
        "    mov 152(%r8), %r10\n"
        "14: test %r10, %r10\n"
        "    jz 5f\n"
        "    cmp (%r9), %rax\n"
        "    je 15f\n"
        "    add $32, %r9\n"
        "    dec %r10\n"
        "    jmp 14b\n"
        "15: mov 8(%r9), %rax\n"
        "    mov %rax, 176(%rdx)\n"
        "    mov 224(%rdx), %rdi\n"
        "    mov 16(%r9), %rsi\n"
        "    test %rdi, %rdi\n"
        "    jz 17f\n"
        "    cld\n"
        "    mov $58, %ecx\n"
        "    rep movsq\n"
        "    cmpl $0x46505853, (%rdi)\n"
        "    jne 17f\n"
        "    mov 48(%rsi), %rax\n"
        "    and 8(%rdi), %rax\n"
        "    mov %rax, 48(%rdi)\n"
        "    mov 24(%r9), %rax\n"
        "    mov 16(%rdi), %ecx\n"
        "    cmp %rax, %rcx\n"
        "    jbe 16f\n"
        "    mov %rax, %rcx\n"
        "16: sub $576, %rcx\n"
        "    jbe 17f\n"
        "    add $112, %rsi\n"
        "    add $112, %rdi\n"
        "    rep movsb\n"
        "17: movq $0, (%r9)\n"
        "    ret\n"
        "5:  mov 8(%r8), %rax\n"
        "    cmp $1, %rax\n"
        "    jbe 6f\n"
        "    jmp *%rax\n" /* the program's own handler, with our arguments */
        "6:  cmpl $0x80, 8(%rsi)\n"
        "    je 7f\n"
        "    cmp $1, %rax\n"
        "    je 9b\n"
        /* The default: a signal of this kind again, with no handler. */
        "7:  mov %rsi, %r12\n"
        "    mov %rdx, %r13\n"
        "    sub $40, %rsp\n"
        "    xor %eax, %eax\n"
        "    mov %rax, (%rsp)\n"
        "    mov %rax, 8(%rsp)\n"
        "    mov %rax, 16(%rsp)\n"
        "    mov %rax, 24(%rsp)\n"
        "    mov $13, %eax\n" /* rt_sigaction(SIGTRAP, SIG_DFL) */
        "    mov $5, %edi\n"
        "    mov %rsp, %rsi\n"
        "    xor %edx, %edx\n"
        "    mov $8, %r10d\n"
        "    syscall\n"
        "    add $40, %rsp\n"
        "    cmpl $0x80, 8(%r12)\n"
        "    jne 8f\n"
        "    decq 168(%r13)\n" /* meets it again */
        "    ret\n"
        "8:  mov $39, %eax\n" /* kill(getpid(), SIGTRAP) */
        "    syscall\n"
        "    mov %eax, %edi\n"
        "    mov $5, %esi\n"
        "    mov $62, %eax\n"
        "    syscall\n"
        "    ret\n"
        "arch_x86_64_trap_restorer:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        "arch_x86_64_trap_end:\n"
        ".byte 0\n"
        ".text\n");
