/* dwarf_frame.h - call frame information (.eh_frame, .debug_frame): how to get from a frame to its
 * caller's.
 *
 * Go frames are unwound by pclntab, which is cheaper and right at every instruction; this is for C
 * frames (cgo, the dynamic linker, shared libraries).  It needs no other DWARF: .eh_frame survives
 * stripping.  Go's linker writes .debug_frame for Go code, too (cmd/link/internal/ld/dwarf.go
 * writeframes).
 *
 * Thread: any. */
#ifndef GOSPECT_IMAGE_DWARF_FRAME_H
#define GOSPECT_IMAGE_DWARF_FRAME_H

#include "image/dwarf_expr.h"

enum { DWARF_FRAME_REGS = 64 }; /* rules of registers from here on are not kept */

enum dwarf_rule_kind {
    DWARF_RULE_NONE,       /* nothing said: by the ABI the callee saves it, or it is lost */
    DWARF_RULE_UNDEFINED,  /* lost; of the return address: this is the outermost frame */
    DWARF_RULE_SAME,       /* unchanged */
    DWARF_RULE_OFFSET,     /* saved at CFA + off */
    DWARF_RULE_VAL_OFFSET, /* it was CFA + off */
    DWARF_RULE_REG,        /* it is in register off */
    DWARF_RULE_EXPR,       /* saved at the address the expression yields */
    DWARF_RULE_VAL_EXPR,   /* it was what the expression yields */
};

struct dwarf_rule {
    enum dwarf_rule_kind kind;
    int64_t off;
    const uint8_t *p; /* the expression */
    size_t n;
};

/* The rules that hold in [lo, hi), one row of the table of a function. */
struct dwarf_frame_rules {
    taddr lo, hi;
    taddr func_lo, func_hi; /* of the function the row belongs to */
    bool cfa_is_expr;
    unsigned cfa_reg; /* CFA = register + cfa_off */
    int64_t cfa_off;
    struct dwarf_rule cfa_expr;
    unsigned return_reg; /* the column that is the return address */
    bool signal_frame;   /* the caller was interrupted: its pc is exact, not a return address */
    struct dwarf_rule regs[DWARF_FRAME_REGS];
    const struct dwarf_unit *unit; /* for expressions */
};

/* NOT_FOUND: nothing is said about the code at pc. */
struct err *dwarf_frame_at(struct image *img, taddr pc, struct dwarf_frame_rules *ret) MUST_USE;

/* The canonical frame address: the stack pointer before the call. */
struct err *dwarf_frame_cfa(const struct dwarf_frame_rules *r, const struct dwarf_env *env,
                            taddr *ret) MUST_USE;

/* The caller's value of a register.  NOT_FOUND: it is lost (UNDEFINED), or no rule tells: then what
 * the ABI says about that register holds. */
struct err *dwarf_frame_reg(const struct dwarf_frame_rules *r, const struct dwarf_env *env,
                            taddr cfa, unsigned reg, uint64_t *ret) MUST_USE;

#endif
