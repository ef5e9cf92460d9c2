/* call_int.h - what the files of function calls share; the essay is in call.c. */
#ifndef GOSPECT_DBG_CALL_INT_H
#define GOSPECT_DBG_CALL_INT_H

#include "dbg/abi_int.h"
#include "dbg/dbg_int.h"

/* What one call of a function is made with. */
struct call_reg {
    unsigned reg; /* DWARF's number */
    bool vector;
    uint8_t n;
    uint8_t bytes[16];
};
struct call_frame {
    taddr pc, closure; /* closure 0: it is none */
    uint8_t *stack;    /* arguments that are there */
    size_t stack_n;
    size_t frame_n; /* with results and room for the callee */
    struct call_reg regs[64];
    size_t nregs;
};

/* A thread right behind a call: what was returned. */
struct call_returned {
    struct arch_regs regs;
    const uint8_t *extended;
    size_t extended_n;
};

/* What was going on when a call was injected, to be put back. */
struct call_level {
    taddr g;      /* the goroutine that the runtime started for the call; 0: not yet */
    taddr caller; /* the one that calls */
    struct arch_regs regs;
    uint8_t *extended;
    size_t extended_n;
};

struct call {
    struct dbg *d;
    struct call *outer; /* begun earlier */
    struct arena arena;
    struct dbg_call_spec spec;
    struct rt_goroutine g;
    struct rt_frame frame;
    pid_t tid; /* where the innermost goroutine was last */
    VEC(struct call_level) levels;
    VEC(pid_t) held;
    struct home home;          /* of what is set */
    VEC(struct call_reg) sets; /* registers of the frame that get new values at the end */

    /* Whose turn it is: the session's, or that of the thread that evaluates. */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool theirs;                   /* the evaluation's turn */
    const struct call_frame *asks; /* the evaluation wants this; NULL: it is at its end */
    struct err *refused;           /* why there is no result: for the evaluation */
    struct call_returned returned;

    struct err *error; /* how the evaluation ended */
    struct dbg_value value;
    struct dbg_value *results; /* of the last call */
    size_t nresults;
    bool whole; /* value is all that the last call has returned */
    bool over;  /* the evaluation is at its end */
    bool given_up;
};

/* call.c; on the thread that evaluates: runs a function, and waits for its end. */
struct err *call_run(struct call *c, const struct call_frame *f,
                     struct call_returned *ret) MUST_USE;

/* call_eval.c */
struct err *call_eval(struct call *c) MUST_USE;
/* The bytes that a variable of a type would have with v assigned to it. */
struct err *call_bytes(struct call *c, uint64_t type, const struct dbg_value *v, uint8_t *dst,
                       size_t n) MUST_USE;
/* call_make.c: a function of the runtime with words as arguments; the first word it returns. */
struct err *call_runtime(struct call *c, const char *name, const uint64_t *args, size_t n,
                         uint64_t *ret) MUST_USE;
struct err *call_alloc(struct call *c, uint64_t n, taddr type, taddr *ret) MUST_USE;

#endif
