/* dwarf_type.h - types, as rich as printing any value needs: Go's own kinds and C's.
 *
 * A type is one decoded DIE; what it refers to is named by id and decoded when asked for, so cycles
 * need no care.  Go (cmd/link/internal/ld/dwarf.go newtype, synthesize*types, 1.18-1.27):
 *   named types       a typedef of the name, whose elem is the DIE with the representation
 *   string, slice     structs with members str|array, len, cap; elem is set
 *   map               typedef of a pointer to hash<K,V> (until 1.23) or map<K,V> (1.24+); key, elem
 *   channel           typedef of a pointer to hchan<T>; elem is what is sent
 *   interface         typedef of runtime.eface or runtime.iface
 *   func              the value is a pointer to a closure: 8 bytes
 *   shape types       (generics) a typedef with a dictionary index, of the type's shape
 *
 * Owner: types belong to the image.  Thread: any. */
#ifndef GOSPECT_IMAGE_DWARF_TYPE_H
#define GOSPECT_IMAGE_DWARF_TYPE_H

#include "image/dwarf.h"

enum dwarf_kind {
    DWARF_KIND_OTHER, /* none of those below: tag tells */
    DWARF_KIND_VOID,  /* C's void, Go's <unspecified> */
    DWARF_KIND_BOOL,
    DWARF_KIND_INT,
    DWARF_KIND_UINT,
    DWARF_KIND_CHAR, /* C: a number that is shown as a character; is_signed tells which */
    DWARF_KIND_FLOAT,
    DWARF_KIND_COMPLEX,
    DWARF_KIND_POINTER, /* elem: what it points to; DWARF_NO_ID: unsafe.Pointer, void * */
    DWARF_KIND_STRUCT,
    DWARF_KIND_UNION,
    DWARF_KIND_ARRAY,
    DWARF_KIND_FUNC, /* Go: a closure pointer; C: code */
    DWARF_KIND_ENUM,
    DWARF_KIND_TYPEDEF,   /* elem: what it names */
    DWARF_KIND_QUALIFIER, /* const, volatile, atomic, restrict; elem: what is qualified */
    DWARF_KIND_STRING,    /* Go's, from here on */
    DWARF_KIND_SLICE,
    DWARF_KIND_MAP,
    DWARF_KIND_CHAN,
    DWARF_KIND_INTERFACE,
};

/* Go: internal/abi Kind (reflect.Kind); the same in every release. */
enum dwarf_go_kind {
    GO_KIND_BOOL = 1,
    GO_KIND_INT = 2,
    GO_KIND_UINTPTR = 12,
    GO_KIND_FLOAT32 = 13,
    GO_KIND_COMPLEX128 = 16,
    GO_KIND_ARRAY = 17,
    GO_KIND_CHAN = 18,
    GO_KIND_FUNC = 19,
    GO_KIND_INTERFACE = 20,
    GO_KIND_MAP = 21,
    GO_KIND_POINTER = 22,
    GO_KIND_SLICE = 23,
    GO_KIND_STRING = 24,
    GO_KIND_STRUCT = 25,
    GO_KIND_UNSAFE_POINTER = 26,
};

struct dwarf_member {
    const char *name; /* "" for C's unnamed ones; Go: the type's name when embedded */
    uint64_t type;
    uint64_t off;      /* bytes from the start; of bit fields, of the bits' first byte */
    uint16_t bit_off;  /* of a bit field, counted from the least significant bit at off */
    uint16_t bit_size; /* 0: not a bit field */
    bool embedded;     /* Go */
    bool base;         /* C++: inherited from */
    bool computed;     /* the offset is an expression: not known without the object */
};

struct dwarf_enumerator {
    const char *name;
    int64_t value;
};

struct dwarf_param { /* of a function type */
    uint64_t type;
    bool result; /* Go */
};

struct dwarf_type {
    uint64_t id;
    const struct dwarf_unit *unit;
    uint16_t tag;
    enum dwarf_kind kind;
    const char *name; /* "" when it has none */
    int64_t size;     /* bytes of a value; -1: DWARF does not tell (declarations, open arrays) */
    uint64_t elem;    /* element, target, underlying or result type; DWARF_NO_ID: none */
    uint64_t key;     /* map */
    uint64_t repr;    /* map, channel, interface: how the runtime keeps it */
    int64_t count;    /* array: elements; -1: open */
    const struct dwarf_member *members;
    size_t nmembers;
    const struct dwarf_enumerator *enumerators;
    size_t nenumerators;
    const struct dwarf_param *params;
    size_t nparams;
    bool variadic;
    bool is_signed;        /* integers, characters, enumerations */
    bool declaration;      /* only announced; look it up by name for the rest */
    uint64_t defined;      /* of a declaration: the type unit's DIE that defines it */
    bool has_runtime_type; /* Go: it has an abi.Type in the binary, for instance for interfaces */
    uint64_t runtime_type; /* offset of that from the start of the module's types */
    bool has_dict_index;   /* Go generics: entry of the dictionary with the real type */
    uint64_t dict_index;
    uint8_t go_kind; /* enum dwarf_go_kind; 0: none told */
};

/* The type of a DIE.  BAD_DATA: there is no type at id. */
struct err *dwarf_type(struct dwarf *dw, uint64_t id, const struct dwarf_type **ret) MUST_USE;

/* The same, past typedefs and qualifiers; map, channel and interface types are not looked through,
 * and the named type of a Go struct yields the struct. */
struct err *dwarf_type_strip(struct dwarf *dw, uint64_t id, const struct dwarf_type **ret) MUST_USE;

/* Bytes of a value; -1: not known. */
int64_t dwarf_type_size(struct dwarf *dw, const struct dwarf_type *t);

/* Member by name; NULL: none.  Members of embedded structs are not searched. */
const struct dwarf_member *dwarf_member_named(const struct dwarf_type *t, const char *name);

#endif
