/* layout.h - where the fields of the Go runtime's structures lie in this target.
 *
 * The list of fields is layout.def.  A layout comes from the target's own DWARF, or from the
 * generated table of its release (gen/layouts.inc); docs/decisions/layout-tables.md says when.  No
 * code asks for a version: it asks whether a field exists. */
#ifndef GOSPECT_RT_LAYOUT_H
#define GOSPECT_RT_LAYOUT_H

#include <string.h>

#include "base/err.h"
#include "base/types.h"

enum rt_struct {
#define STRUCT(s, ...) RT_STRUCT_##s,
#include "rt/layout.def"
    RT_STRUCT_COUNT,
    RT_STRUCT_none = RT_STRUCT_COUNT,
};

enum rt_field {
#define FIELD(s, f, ...) RT_##s##_##f,
#include "rt/layout.def"
    RT_FIELD_COUNT,
};

enum rt_constant {
#define CONSTANT(name, ...) RT_IS_##name,
#include "rt/layout.def"
    RT_CONSTANT_COUNT,
};

enum rt_global {
#define GLOBAL(name, s, ...) RT_GLOBAL_##name,
#include "rt/layout.def"
    RT_GLOBAL_COUNT,
};

enum { RT_VALUES_MAX = 128 };

struct rt_values {
    uint32_t n;
    uint16_t v[RT_VALUES_MAX];
};

struct rt_layout {
    const char *source;             /* "tables", "dwarf" */
    const char *release;            /* of the table used, "1.24.6"; "" for dwarf */
    bool guessed;                   /* the release is not in the tables: the nearest was taken */
    int32_t size[RT_STRUCT_COUNT];  /* -1: unknown */
    int32_t off[RT_FIELD_COUNT];    /* -1: the release has no such field */
    uint32_t width[RT_FIELD_COUNT]; /* bytes */
    int64_t constant[RT_CONSTANT_COUNT]; /* -1: the release has none */
    struct rt_values size_classes;
};

/* The tables for go_version ("go1.24.3", "devel ..."), most likely first: the row of its patch
 * release, then the other rows of the minor release.  The array is constant.  UNSUPPORTED: older
 * than what gospect knows.  *ret_guessed: the release is newer than the tables. */
struct err *rt_layout_tables(const char *go_version, const struct rt_layout *ret[], size_t max,
                             size_t *ret_n, bool *ret_guessed) MUST_USE;

/* The releases that have a table, oldest first: "1.24.6" is that one and what came after it up to
 * the next; NULL behind the last. */
const char *rt_layout_release(size_t i);

/* "1.24" of "go1.24.3 X:foo"; false: not of that form. */
bool rt_release_of(const char *go_version, int *ret_minor, int *ret_patch);

static inline bool rt_has(const struct rt_layout *l, enum rt_field f)
{
    return l->off[f] >= 0;
}

/* The field's value inside a copy of its structure, zero-extended; 0 when the release lacks it. */
static inline uint64_t rt_get(const struct rt_layout *l, const void *copy, enum rt_field f)
{
    uint64_t v = 0;
    if (l->off[f] >= 0)
        memcpy(&v, (const char *)copy + l->off[f], l->width[f] < 8 ? l->width[f] : 8);
    return v;
}

/* The same, sign-extended. */
static inline int64_t rt_get_i(const struct rt_layout *l, const void *copy, enum rt_field f)
{
    uint64_t v = rt_get(l, copy, f);
    unsigned bits = l->width[f] < 8 ? 8 * l->width[f] : 64;
    return bits && bits < 64 ? (int64_t)(v << (64 - bits)) >> (64 - bits) : (int64_t)v;
}

/* Element i of a field that is an array of words. */
static inline uint64_t rt_get_word(const struct rt_layout *l, const void *copy, enum rt_field f,
                                   size_t i)
{
    uint64_t v = 0;
    if (l->off[f] >= 0 && 8 * i + 8 <= l->width[f])
        memcpy(&v, (const char *)copy + l->off[f] + 8 * i, 8);
    return v;
}

#endif
