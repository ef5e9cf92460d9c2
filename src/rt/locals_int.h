/* locals_int.h - where variables of frames are: locals_place.c, for captures (locals.c) and for
 * targets that stand (frames_vars.c). */
#ifndef GOSPECT_RT_LOCALS_INT_H
#define GOSPECT_RT_LOCALS_INT_H

#include "image/dwarf_expr.h"
#include "rt/capture_int.h"
#include "rt/value.h"

enum { LOCAL_BYTES_MAX = 512 }; /* of a value that is not in memory as a whole */

/* A physical frame. */
struct local_frame {
    struct rt *rt;
    struct values *values;
    struct local_scopes *scopes;
    const struct walk_frame *f;
    const struct arch_regs *regs; /* NULL: not known */
    taddr saved;                  /* where asyncPreempt keeps them; 0: nowhere */
    taddr stack_lo;
    const struct local_scope *s;
    const uint8_t *extended; /* vector registers that go with regs; NULL: not known */
    size_t extended_n;
    const char *lost; /* why a register could not be read */
};
/* A register of the frame by DWARF's number, n bytes at most 16; NOT_FOUND says why it is not
 * known. */
struct err *local_reg(struct local_frame *f, unsigned reg, void *dst, size_t n) MUST_USE;
/* Registers of frame i: those of the thread, or what asyncPreempt saved of them. */
void local_find_regs(struct local_frame *f, const struct walk_frame *frames, size_t i,
                     const struct arch_regs *regs);

struct local_found {
    struct value value;
    const char *why; /* NULL: it is there */
    bool gone;       /* why: the compiler did not keep it */
    struct dwarf_location loc;
    char text[96]; /* why, when it is composed */
    uint8_t bytes[LOCAL_BYTES_MAX], known[LOCAL_BYTES_MAX / 8];
};
void local_locate(struct local_frame *f, const struct dwarf_var *v, struct local_found *ret);
/* Generics: the real type of a variable whose type is a shape, by the dictionary of its call. */
uint64_t local_real_type(struct local_frame *f, const struct dwarf_var *v);
/* The same for what has a bare shape: `type` is that of v, or of what v points to. */
uint64_t local_unshaped(struct local_frame *f, const struct dwarf_var *v, uint64_t type);
/* The variable itself, when what the frame has is the pointer to it ("&x"). */
void local_follow_escaped(struct local_frame *f, struct local_found *ret);

#endif
