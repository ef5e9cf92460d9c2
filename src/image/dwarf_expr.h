/* dwarf_expr.h - evaluating location expressions: where a value is, and its bytes.
 *
 * An evaluation belongs to no process: registers, memory and the frame come from callbacks, so the
 * same code serves a live thread, a core, a saved stack and a test.  Link-time addresses in
 * expressions (DW_OP_addr) are moved by `slide`; everything else is an address of the process.
 *
 * Thread: any; nothing is kept. */
#ifndef GOSPECT_IMAGE_DWARF_EXPR_H
#define GOSPECT_IMAGE_DWARF_EXPR_H

#include "image/dwarf_list.h"

/* A callback that is NULL cannot be asked: an expression that needs it fails with NOT_FOUND, as do
 * callbacks when they do not know. */
struct dwarf_env {
    taddr slide;
    /* The low n bytes of a register, by DWARF's number; n is 8 but for values that lie in wide ones
     */
    struct err *(*reg)(void *arg, unsigned reg, void *dst, size_t n);
    struct err *(*read)(void *arg, taddr addr, void *dst, size_t n);
    struct err *(*cfa)(void *arg, taddr *ret); /* DW_OP_call_frame_cfa */
    struct err *(*tls)(void *arg, uint64_t off, taddr *ret);
    /* DW_OP_entry_value: what the expression yielded when the function was entered */
    struct err *(*entry)(void *arg, const struct dwarf_expr *expr, uint64_t *ret);
    void *arg;
    const struct dwarf_expr *frame_base; /* DW_OP_fbreg; NULL or n 0: none */
    taddr object;                        /* DW_OP_push_object_address */
    bool has_object;
};

enum dwarf_place_kind {
    DWARF_AT_NOWHERE, /* optimised away */
    DWARF_AT_MEMORY,  /* at address u */
    DWARF_AT_REG,     /* in register u */
    DWARF_AT_VALUE,   /* it is the number u */
    DWARF_AT_BYTES,   /* it is the bytes at p */
    DWARF_AT_POINTER, /* a pointer to the value of the DIE u, at offset `off`, that is not in memory
                       */
};

struct dwarf_piece {
    enum dwarf_place_kind kind;
    uint64_t u;
    const uint8_t *p;
    size_t n;               /* of p */
    int64_t off;            /* of DWARF_AT_POINTER */
    uint64_t bits, bit_off; /* size of the piece; where it starts in what holds it */
};

enum { DWARF_PIECES_MAX = 64 };

struct dwarf_location {
    struct dwarf_piece v[DWARF_PIECES_MAX]; /* in memory order; one that is all has bits == 0 */
    size_t n;                               /* 0: nowhere */
};

/* Where the expression says the value is.  An empty expression yields no piece. */
struct err *dwarf_eval(const struct dwarf_expr *expr, const struct dwarf_env *env,
                       struct dwarf_location *ret) MUST_USE;

/* The same for expressions that compute a number (CFA rules, bounds): the top of the stack.
 * `initial` is pushed before it begins when has_initial. */
struct err *dwarf_eval_number(const struct dwarf_expr *expr, const struct dwarf_env *env,
                              bool has_initial, uint64_t initial, uint64_t *ret) MUST_USE;

/* The n bytes of the value: gathers the pieces.  When some are nowhere, the rest is filled in all
 * the same and NOT_FOUND returned; known, when not NULL, has room for n bits and gets one for each
 * byte that was filled in. */
struct err *dwarf_location_read(const struct dwarf_location *loc, const struct dwarf_env *env,
                                void *dst, size_t n, uint8_t *known) MUST_USE;

/* The address when the whole value is in memory; false: it is not. */
bool dwarf_location_address(const struct dwarf_location *loc, taddr *ret);

/* The constant address of a package-level variable (DW_OP_addr, DW_OP_addrx), without evaluating.
 */
bool dwarf_expr_address(const struct dwarf_expr *expr, taddr *ret);

#endif
