/* dwarf_layout.h - quick answers from DWARF: where fields lie, where global variables are, what
 * constants are worth, by name.
 *
 * This is what is needed to look into a Go runtime whose binary has DWARF.  It builds no index and
 * decodes nothing but what it is asked for: Go's linker puts all types of a program into the unit
 * of package runtime (cmd/link/internal/ld/dwarf.go movetomodule, 1.18-1.27), and each variable and
 * constant into the unit of its package, so one pass over one or two units answers everything.
 *
 * All functions: NOT_FOUND when the binary has no DWARF.  Thread: any. */
#ifndef GOSPECT_IMAGE_DWARF_LAYOUT_H
#define GOSPECT_IMAGE_DWARF_LAYOUT_H

#include "image/image.h"

struct dwarf_struct_query {
    const char *const *names; /* alternatives; the first that exists counts */
    size_t nnames;
    int64_t size; /* out: bytes; -1: not found */
    uint64_t die; /* out: id of its DIE (dwarf.h) */
};

struct dwarf_field_query {
    size_t strct;             /* index of the struct query */
    const char *const *paths; /* "a.b"; alternatives, the first that exists counts */
    size_t npaths;
    int32_t off;    /* out: from the start of the struct; -1: not found */
    uint32_t width; /* out: bytes */
};

struct err *dwarf_layout(struct image *img, struct dwarf_struct_query *s, size_t ns,
                         struct dwarf_field_query *f, size_t nf) MUST_USE;

/* Link-time addresses of package-level variables ("runtime.allgs"); 0: not found. */
struct err *dwarf_variables(struct image *img, const char *const *names, size_t n,
                            taddr *ret) MUST_USE;

/* Integer constants ("runtime._Gdead"); compilers emit only some. */
struct dwarf_constant {
    const char *name;
    bool found;
    int64_t value;
};
struct err *dwarf_constants(struct image *img, struct dwarf_constant *c, size_t n) MUST_USE;

#endif
