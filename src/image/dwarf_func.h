/* dwarf_func.h - functions, what is inlined where, and the variables in scope.
 *
 * A pc is answered from the unit that covers it: its functions are listed once, when first asked
 * for, and the rest is decoded from the one function.  So a capture that prints the arguments of
 * some hundred functions never reads the thousands of units it does not need.
 *
 * Owner: what is returned lives as long as the image, or in the caller's arena where one is given.
 * Thread: any. */
#ifndef GOSPECT_IMAGE_DWARF_FUNC_H
#define GOSPECT_IMAGE_DWARF_FUNC_H

#include "image/dwarf_list.h"

/* Whether code can be at a link-time address; linkers leave 0 and the like in what they dropped. */
bool dwarf_is_code(const struct dwarf *dw, taddr addr);

/* The unit whose code covers pc.  NOT_FOUND: none. */
struct err *dwarf_unit_at(struct dwarf *dw, taddr pc, const struct dwarf_unit **ret) MUST_USE;

struct dwarf_func {
    const struct dwarf_unit *unit;
    uint64_t die;             /* id of the subprogram, or of the inlined subroutine */
    uint64_t origin;          /* id of the abstract function; equal to die when there is none */
    const char *name;         /* "" when it has none; Go: "net/http.(*conn).serve" */
    const char *linkage_name; /* C++; else "" */
    taddr lo, hi;             /* the (first) range; a function may have more: dwarf_ranges_of() */
    const struct dwarf_unit *decl_unit; /* whose files decl_file counts */
    uint32_t decl_file, decl_line;
    bool external, trampoline; /* trampoline: Go's compiler-made wrappers */
    bool has_frame_base;
    struct dwarf_attr frame_base;
};

/* The subprogram (not an inlined one) that covers pc.  NOT_FOUND: none. */
struct err *dwarf_func_at(struct dwarf *dw, taddr pc, struct dwarf_func *ret) MUST_USE;
/* The function that a DIE describes: a subprogram or an inlined subroutine. */
struct err *dwarf_func_of(const struct dwarf *dw, uint64_t die, struct dwarf_func *ret) MUST_USE;

/* One function that is executing at a pc. */
struct dwarf_call {
    struct dwarf_func func;
    bool inlined;
    uint32_t call_file, call_line,
        call_column; /* inlined: where it is called; files of func.unit */
};

struct dwarf_var {
    uint64_t die;
    const char *name; /* "" for a parameter without one; Go: "~r0", "&x" for one that escaped */
    uint64_t type;    /* id of its type (dwarf_type.h); DWARF_NO_ID: none told */
    const struct dwarf_unit *unit;
    struct dwarf_expr loc; /* where it is at this pc; n 0: nowhere */
    bool fixed;            /* loc is one place for the whole function: before the variable is set,
                              anything may be in it */
    bool has_value;        /* it is this constant instead (DW_AT_const_value) */
    struct dwarf_attr value;
    uint32_t decl_file, decl_line;
    uint16_t call;          /* index of the call it belongs to */
    uint16_t block;         /* how many lexical blocks deep in it */
    bool param, result;     /* result: Go's result parameters */
    bool artificial;        /* the compiler's own */
    bool external;          /* a global one that is declared in the function */
    bool undeclared;        /* by its line it is declared only after pc: it may hold garbage */
    int64_t closure_offset; /* Go 1.23+: captured, at this offset of the closure; -1: not */
};

/* What is executing at a pc, innermost inlined call first and the physical function last, and all
 * variables in scope there, in the order of the DIEs: a later one hides an earlier one of its call
 * that has the same name.  `line` is the line at pc, for `undeclared`; 0: not known. */
struct dwarf_scope {
    struct dwarf_call *calls;
    size_t ncalls;
    struct dwarf_var *vars;
    size_t nvars;
    struct dwarf_expr frame_base; /* of the physical function, at pc */
};
struct err *dwarf_scope_at(struct dwarf *dw, taddr pc, struct arena *a,
                           struct dwarf_scope *ret) MUST_USE;

/* The package-level (C: file-level) variable a DIE describes. */
struct err *dwarf_var_of(const struct dwarf *dw, uint64_t die, struct dwarf_var *ret) MUST_USE;

#endif
