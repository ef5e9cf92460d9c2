/* op.h - what an instruction does, in words that fit every processor: for code that follows a
 * program ahead without running it (rt/ahead_exec.c).
 *
 * Registers have DWARF's numbers.  An instruction that does what no verb says is ARCH_V_OPAQUE:
 * what it writes is told, what it writes there is not.  That is always right, only less is known
 * afterwards; a processor's decoder can begin with few verbs and learn more.
 *
 * Thread: any; everything here is pure. */
#ifndef GOSPECT_ARCH_OP_H
#define GOSPECT_ARCH_OP_H

#include "base/types.h"

enum arch_verb {
    ARCH_V_NOTHING,
    ARCH_V_OPAQUE,      /* dst and clobbers get values that nobody knows */
    ARCH_V_MOVE,        /* dst = src, zero-extended */
    ARCH_V_MOVE_SIGNED, /* dst = src, sign-extended */
    ARCH_V_ADDRESS,     /* dst = the address of src */
    ARCH_V_ADD,         /* dst = dst op src, or op of src and other when that is there */
    ARCH_V_SUB,
    ARCH_V_AND,
    ARCH_V_OR,
    ARCH_V_XOR,
    ARCH_V_SHL,
    ARCH_V_SHR,
    ARCH_V_SAR,
    ARCH_V_MUL,
    ARCH_V_NEG, /* dst = op dst */
    ARCH_V_NOT,
    ARCH_V_COMPARE,      /* flags of dst - src */
    ARCH_V_TEST,         /* flags of dst & src */
    ARCH_V_BIT,          /* carry = bit src of dst */
    ARCH_V_FETCH_ADD,    /* dst += src, src = what dst was */
    ARCH_V_COMPARE_SWAP, /* if dst == accumulator: dst = src */
    ARCH_V_EXCHANGE,     /* dst <-> src */
    ARCH_V_PUSH,         /* src */
    ARCH_V_POP,          /* dst */
    ARCH_V_CALL,         /* of src */
    ARCH_V_JUMP,         /* to src */
    ARCH_V_JUMP_IF,      /* to src, if cond */
    ARCH_V_SET_IF,       /* dst = cond */
    ARCH_V_MOVE_IF,      /* dst = src, if cond */
    ARCH_V_RETURN,
    ARCH_V_TRAP, /* nothing follows */
};

/* Of the flags of a comparison (or of a result and 0). */
enum arch_cond {
    ARCH_IF_EQ,
    ARCH_IF_NE,
    ARCH_IF_BELOW, /* without sign; after ARCH_V_BIT: the bit is set */
    ARCH_IF_AT_LEAST,
    ARCH_IF_ABOVE,
    ARCH_IF_AT_MOST,
    ARCH_IF_LESS, /* with sign */
    ARCH_IF_NOT_LESS,
    ARCH_IF_GREATER,
    ARCH_IF_NOT_GREATER,
    ARCH_IF_NEGATIVE,
    ARCH_IF_NOT_NEGATIVE,
    ARCH_IF_OTHER, /* none of these: cannot be told */
};

enum arch_place {
    ARCH_NOWHERE, /* no operand, or one that is not described */
    ARCH_REG,
    ARCH_VECTOR, /* the low 16 bytes of a vector register, numbered from 0 */
    ARCH_IMMEDIATE,
    ARCH_MEMORY,
};

struct arch_operand {
    uint8_t place; /* enum arch_place */
    uint8_t size;  /* bytes */
    int8_t reg;    /* REG, VECTOR: which; MEMORY: base, -1: none */
    int8_t index;  /* MEMORY: -1: none */
    uint8_t scale;
    int64_t value; /* IMMEDIATE; MEMORY: what is added, or the address when there is no base */
};

enum { ARCH_REGS = 32, ARCH_VECTORS = 16 };

struct arch_op {
    uint8_t len;
    uint8_t verb;                       /* enum arch_verb */
    uint8_t cond;                       /* enum arch_cond */
    bool atomic;                        /* a locked read-modify-write */
    bool flags;                         /* it changes the flags */
    uint32_t clobbers, vector_clobbers; /* bit sets */
    struct arch_operand dst, src, other;
};

/* What else there is to know of Go's calling convention; see struct arch, too. */
struct arch_abi {
    uint8_t context; /* closure */
    uint8_t fp, g;
    uint8_t zero;      /* vector register that is always 0 in Go code */
    uint32_t survives; /* bit set: what a call leaves as it was, the stack pointer, fp and g */
};

#endif
