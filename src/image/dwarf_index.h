/* dwarf_index.h - functions, variables, types and constants by name.
 *
 * Made at the first question, in one pass over all units on all cores; eight bytes a name.  Names
 * are as DWARF has them: Go's with the full package path ("net/http.(*conn).serve"), C's bare.
 * Nothing inside functions is listed.
 *
 * Owner: the image.  Thread: any. */
#ifndef GOSPECT_IMAGE_DWARF_INDEX_H
#define GOSPECT_IMAGE_DWARF_INDEX_H

#include "image/dwarf_func.h"
#include "image/dwarf_type.h"

enum dwarf_name_kind {
    DWARF_NAME_FUNC,  /* with code, or an abstract one that was inlined (DW_AT_inline) */
    DWARF_NAME_VAR,   /* package-level */
    DWARF_NAME_TYPE,  /* a Go struct has two: the typedef and the struct */
    DWARF_NAME_CONST, /* Go constants, C enumerators */
    DWARF_NAME_KINDS,
};

/* All DIEs of a name and kind, in the order of their ids:
 *     e = dwarf_names_of(&it, dw, kind, name);
 *     while (dwarf_name_next(&it, &id)) ... */
struct dwarf_names {
    const struct dwarf *dw;
    const char *name;
    const uint64_t *p, *end;
};
struct err *dwarf_names_of(struct dwarf_names *it, struct dwarf *dw, enum dwarf_name_kind kind,
                           const char *name) MUST_USE;
bool dwarf_name_next(struct dwarf_names *it, uint64_t *ret_id);

/* Every entry of a kind, in no order; ends at the first error of fn, which it returns. */
struct err *dwarf_each_name(struct dwarf *dw, enum dwarf_name_kind kind,
                            struct err *(*fn)(void *arg, const char *name, uint64_t id),
                            void *arg) MUST_USE;

/* The one that is meant by a name: a function with code, a type's typedef before its struct.
 * NOT_FOUND: none. */
struct err *dwarf_func_named(struct dwarf *dw, const char *name, struct dwarf_func *ret) MUST_USE;
struct err *dwarf_var_named(struct dwarf *dw, const char *name, struct dwarf_var *ret) MUST_USE;
struct err *dwarf_type_named(struct dwarf *dw, const char *name,
                             const struct dwarf_type **ret) MUST_USE;

/* Go: the type whose abi.Type lies at this offset from the start of the module's types (what an
 * interface value points to).  NOT_FOUND: DWARF has none. */
struct err *dwarf_type_of_runtime(struct dwarf *dw, uint64_t off,
                                  const struct dwarf_type **ret) MUST_USE;

/* The inlined copies of a function, by the id of its abstract DIE; reads all units.  The array is
 * the arena's, in the order of ids. */
struct err *dwarf_inlined_copies(struct dwarf *dw, uint64_t origin, struct arena *a, uint64_t **ret,
                                 size_t *ret_n) MUST_USE;

#endif
