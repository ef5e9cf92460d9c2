/* arch.h - what depends on the processor: registers, instruction decoding, Go's calling convention.
 *
 * To port gospect to a processor: write one file like x86_64.c that fills a struct arch, add it to
 * the table in arch.c, and add its column to the tests in tests/unit/arch.  Nothing outside arch/
 * may mention a register by name.
 *
 * Thread: any; everything here is constant or pure. */
#ifndef GOSPECT_ARCH_ARCH_H
#define GOSPECT_ARCH_ARCH_H

#include "arch/op.h"
#include "base/err.h"
#include "base/types.h"

/* The registers of a stopped thread that every room needs, and the raw set for those that put it
 * back (ptrace) or store it (cores). */
struct arch_regs {
    taddr pc, sp, bp;
    taddr g;         /* register that holds the current g in Go code (ABIInternal); 0: none */
    taddr tls;       /* thread pointer: g is at tls + tls_g in code that keeps no register */
    int64_t syscall; /* number of the system call the thread is in; -1: none */
    size_t raw_n;
    _Alignas(16) uint8_t raw[512]; /* as NT_PRSTATUS has it (user_regs_struct, user_pt_regs) */
};

/* How an instruction refers to memory relative to itself. */
enum arch_ref_kind { ARCH_REF_NONE, ARCH_REF_LOAD, ARCH_REF_STORE, ARCH_REF_ADDRESS };

struct arch_insn {
    unsigned len;
    enum arch_ref_kind ref; /* of a PC-relative operand */
    taddr ref_addr;
    bool is_call, is_jump, is_ret, is_syscall;
    bool is_conditional;      /* a jump that may not be taken */
    taddr target;             /* of a direct call or jump; 0: indirect, or neither */
    enum arch_ref_kind stack; /* of an operand at a constant distance from the stack pointer */
    int64_t stack_off;        /* that distance */
    unsigned stack_size;      /* bytes of the operand; of an address: 0 */
    int stack_reg;            /* DWARF's number of the register that is stored there; -1: none */

    /* What it moves, to follow values through code; registers are DWARF's numbers, -1: none. */
    uint32_t changes;       /* general registers that it writes, all or in part: a bit for each */
    int to, from;           /* to: a whole register that is set to an operand above or below (its
                               8 bytes, or its address), or to the register `from` */
    int stored;             /* register whose 8 bytes are stored in such an operand */
    enum arch_ref_kind mem; /* of an operand at a constant distance from any other register */
    int mem_base;
    int64_t mem_off;
};

/* ---- system calls made by a thread of another process ----
 *
 * target/ has a thread of a stopped process run system calls for it.  Whoever does that may be
 * killed at any moment, so every state the thread is put into must lead back to sense by itself: no
 * code is written, only machine code that every Go binary contains is used where it lies, and what
 * follows the call is a harmless end.  The essay on how that works is in target/inject.c. */

struct arch_gadgets {  /* addresses in the process; 0: not found */
    taddr call_return; /* a system call, then a return through the stack */
    taddr call_exit;   /* a system call, then exit of the thread; uses no stack at all */
    taddr exit;        /* exit of the thread */
    taddr sigreturn;   /* sets number and runs rt_sigreturn */
};

/* What target/inject.c writes below the stack of the main thread, into memory nobody uses. */
enum { ARCH_LAUNCHPAD = 1024 };
struct arch_launchpad {
    uint8_t bytes[ARCH_LAUNCHPAD];
    taddr birth_sp; /* stack for a new thread that comes out of a borrowed call: it exits */
    taddr
        chain_sp; /* stack for a call at call_return: it waits for a child of its own, then exits */
};

struct arch_inject {
    int64_t nr_clone, nr_wait4, nr_exit, nr_sigreturn;
    uint64_t wait_args[4]; /* of the launchpad's wait4() */
    uint32_t audit_arch;   /* as seccomp filters are told */
    unsigned call_size;    /* of the instruction that makes a call, bytes */
    size_t tail;           /* how many bytes behind pc borrowable() wants to see */

    /* Looks for gadgets in machine code that lies at `at`; adds what is missing.  True: all there.
     */
    bool (*find)(const uint8_t *code, size_t n, taddr at, struct arch_gadgets *g);
    /* Whether a thread stopped like this was interrupted in a system call whose result nobody looks
     * at and behind which no register matters: its call can be replaced by another one. */
    bool (*borrowable)(const struct arch_regs *r, const uint8_t *behind_pc);
    /* The same, from what /proc/TID/syscall says of a running thread. */
    bool (*borrowable_call)(int64_t nr, const uint8_t *behind_pc);
    /* Address of the instruction that made the call a thread is in. */
    taddr (*call_site)(const struct arch_regs *r);
    void (*set_call)(struct arch_regs *r, taddr site, int64_t nr, const uint64_t args[6]);
    void (*set_sp)(struct arch_regs *r, taddr sp);
    int64_t (*result)(const struct arch_regs *r);
    void (*launchpad)(taddr at, const struct arch_gadgets *g, struct arch_launchpad *ret);
};

/* ---- for a debugger: target/debug*.c ---- */

/* How a thread gets past a breakpoint without the breakpoint being taken out. */
enum arch_pass {
    ARCH_PASS_SLOT,     /* it runs a copy of the instruction that lies elsewhere */
    ARCH_PASS_EMULATE,  /* emulate() does what the instruction does */
    ARCH_PASS_IN_PLACE, /* neither: it must run where it is, while everybody else stands */
};

enum { ARCH_SLOT = 32, ARCH_INSN_MAX = 15 };
struct arch_displaced {
    uint8_t how;      /* enum arch_pass */
    uint8_t len;      /* of the instruction */
    uint8_t copy_len; /* SLOT: of its copy, behind which a jump leads back */
    bool lasts;       /* SLOT: it can be interrupted halfway, and goes on where it was */
    uint8_t code[ARCH_SLOT];
    struct arch_op op; /* EMULATE */
    bool counts;       /* EMULATE: a jump that looks at a counter */
    taddr target;      /* EMULATE: where it leads */
    uint8_t condition; /* the processor's own code of it */
};

struct arch_debug_memory {
    bool (*read)(void *arg, taddr addr, void *dst, size_t n);
    bool (*write)(void *arg, taddr addr, const void *src, size_t n);
    void *arg;
};

/* What target/ puts into a process besides copies of instructions: a handler of the breakpoint's
 * signal, and a table for it; see the essay in target/debug_guard.c.  They lie in an area of their
 * own that begins with this. */
enum { ARCH_TRAP_CODE_AT = 256, ARCH_TRAP_CALLS_AT = 3072, ARCH_TRAP_TABLE_AT = 4096 };
enum { ARCH_TRAP_CALLS_MAX = (ARCH_TRAP_TABLE_AT - ARCH_TRAP_CALLS_AT) / 8 };
struct arch_trap_head {
    uint64_t magic;
    uint64_t former; /* handler before ours; 0 and 1: SIG_DFL, SIG_IGN */
    uint64_t n;      /* entries of the table: address, and the byte that belongs there above it */
    uint64_t slots_lo, slots_hi;
    uint64_t former_flags, former_restorer, former_mask;
    uint64_t guardian;    /* its number */
    uint64_t scratch[8];  /* for calls that want memory */
    uint64_t ncall_traps; /* breakpoints of Go's runtime in debugCallV2 and the like: addresses, at
                             ARCH_TRAP_CALLS_AT */
    uint64_t calls, ncalls; /* struct arch_trap_call, where the process itself may write */
};

/* A function that a goroutine was made to call: what it had that the runtime does not save. */
struct arch_trap_call {
    uint64_t g;     /* which one; 0: none.  The handler clears it when all is put back */
    uint64_t flags; /* of the processor */
    uint64_t extended, extended_n; /* where the bytes lie that extended_note has */
};

struct arch_debug {
    void (*set_pc)(struct arch_regs *r, taddr pc); /* and ends a system call that would restart */
    /* What belongs to the thread and not to what runs on it (the thread pointer): as in `of`. */
    void (*set_thread)(struct arch_regs *r, const struct arch_regs *of);
    /* A general register by DWARF's number; false: none. */
    bool (*set_reg)(struct arch_regs *r, unsigned reg, uint64_t v);
    uint64_t (*flags)(const struct arch_regs *r); /* without one that makes it step */
    void (*displace)(const uint8_t *bytes, size_t n, taddr pc, taddr slot,
                     struct arch_displaced *ret);
    /* False: memory could not be read or written; nothing is changed then. */
    bool (*emulate)(const struct arch_displaced *d, taddr pc, struct arch_regs *r,
                    const struct arch_debug_memory *m);
    /* The handler: its code, in it the part that returns, and the end. */
    const uint8_t *trap_code, *trap_restorer, *trap_end;
    uint32_t trap_mark; /* si_errno of a signal that stands for nothing when pc is si_addr, and sp
                           what is so many bytes into the siginfo */
    unsigned trap_mark_sp_at;
    int64_t nr_mmap, nr_mprotect, nr_munmap, nr_sigaction;

    /* Watchpoints: words of a thread that PTRACE_POKEUSER sets. */
    unsigned watches;
    size_t (*watch_address_at)(unsigned slot);
    size_t watch_control_at, watch_status_at;
    /* The word of control with a slot set up (access: 1 writes, 3 both, 4 executes; 0: off). */
    uint64_t (*watch_control)(uint64_t control, unsigned slot, unsigned n, unsigned access);
};

struct arch_sigframe {
    struct arch_regs regs; /* at the moment the signal came; tls is not known */
    taddr stack_lo;        /* the alternate signal stack of the thread */
    uint64_t stack_n;
    taddr extended; /* where floating point and vector registers lie, up to the end of that stack at
                       most; 0: nowhere */
};

struct arch {
    const char *name;    /* as Go names it: amd64, arm64 */
    uint16_t machine;    /* EM_* */
    unsigned min_insn;   /* smallest instruction, bytes */
    bool uses_lr;        /* a call leaves the return address in a register */
    int64_t tls_g;       /* where g lies relative to the thread pointer in a static binary */
    uint64_t arena_bias; /* Go's heap: what is added to an arena's number (mheap.go arenaIndex) */
    const uint8_t *breakpoint;
    size_t breakpoint_n;
    unsigned breakpoint_pc_skip; /* how far pc is behind a breakpoint when it was hit */

    /* DWARF's numbers of the registers that hold integers and pointers, in order: arguments of a
     * call of Go code (ABIInternal), and its results. */
    uint8_t go_args[9];
    uint8_t debug_call_reg;          /* in which runtime.debugCallV2 says what it wants */
    uint8_t go_vectors, ngo_vectors; /* the same for floats: the first one's number; how many */
    uint8_t sp;                      /* DWARF's number of the stack pointer */
    uint8_t barrier;                 /* of the only register that a write barrier of Go changes */
    /* Where code may refer to an address in [lo, hi), from *at on: that address, and *at behind the
     * operand, but inside the instruction's function.  Other bytes can look like one.  False: no
     * more. */
    bool (*next_ref)(const uint8_t *code, size_t n, taddr pc, taddr lo, taddr hi, size_t *at,
                     taddr *ret);
    /* Decodes one instruction; false: not one, or cut short. */
    bool (*decode)(const uint8_t *bytes, size_t n, taddr pc, struct arch_insn *ret);
    /* Decodes one instruction for somebody who follows the code; the same. */
    bool (*op)(const uint8_t *bytes, size_t n, taddr pc, struct arch_op *ret);
    /* The same as people read it; false: not one. */
    bool (*text)(const uint8_t *bytes, size_t n, taddr pc, char *ret, size_t max);
    const struct arch_abi *abi;
    /* Fills pc, sp, ... from raw and raw_n; false: raw_n is wrong. */
    bool (*from_raw)(struct arch_regs *r);
    /* The other way, for a thread of which only these are known: raw is otherwise zero. */
    void (*to_raw)(struct arch_regs *r);
    /* A general register by DWARF's number, from raw; false: raw is empty, or it is another kind.
     */
    bool (*dwarf_reg)(const struct arch_regs *r, unsigned reg, uint64_t *ret);
    /* Whether a register of DWARF's numbering is a floating point or vector register. */
    bool (*dwarf_is_vector)(unsigned reg);
    /* The low 16 bytes of one of those, from n bytes of what extended_note has; false: they are not
     * there. */
    bool (*dwarf_vector)(const uint8_t *extended, size_t n, unsigned reg, uint8_t ret[16]);
    /* Puts n bytes at most 16 into the low end of one, the rest of these 16 is zero. */
    bool (*set_dwarf_vector)(uint8_t *extended, size_t n, unsigned reg, const void *src,
                             size_t src_n);
    /* Puts a general register into raw, and into pc, sp ...; false: as dwarf_reg(). */
    bool (*set_dwarf_reg)(struct arch_regs *r, unsigned reg, uint64_t v);
    /* DWARF's number of a register that people name ("rax", "xmm3"; any case); -1: none. */
    int (*reg_named)(const char *name);
    const char *(*reg_name)(unsigned reg); /* the other way; NULL: none */
    uint32_t extended_note;                /* NT_* of the floating point and vector registers */
    const char *extended_owner;            /* name of that note: CORE or LINUX */
    size_t fp_in_extended; /* so many bytes of it are NT_FPREGSET; 0: it is that itself */
    const char *(*syscall_name)(int64_t nr); /* NULL: unknown */
    const struct arch_inject *inject;        /* NULL: not done on this processor */
    const struct arch_debug *debug;          /* the same */
    /* What the kernel put on the stack for a signal handler (the ucontext).  Of raw, only the
     * general registers are right.  False: n is too small. */
    bool (*from_sigframe)(const uint8_t *frame, size_t n, struct arch_sigframe *ret);
};

const struct arch *arch_by_machine(uint16_t machine); /* NULL: not supported */
const struct arch *arch_host(void);

/* The counter of cycles that Go's runtime measures with (runtime.cputicks) on this machine, and how
 * fast it runs (measured once, takes some milliseconds).  0: there is none. */
int64_t arch_cycles(void);
int64_t arch_cycles_per_second(void);

#endif
