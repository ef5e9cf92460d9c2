/* value_pretty_int.h - what the files that print meanings share: value_pretty.c (which type has
 * one, numbers, sync, contexts, texts) and value_pretty_err.c (errors, addresses). */
#ifndef GOSPECT_RT_VALUE_PRETTY_INT_H
#define GOSPECT_RT_VALUE_PRETTY_INT_H

#include "rt/value_int.h"

enum { TEXT_MAX = 256, LIMBS_MAX = 64, CHAIN_MAX = 16 };

struct pretty {
    struct printer *p;
    const struct dwarf_type *t;
    struct view x;
    struct buf *b;
    unsigned depth;
    const char *text; /* pretty_template() */
};

/* "a.b" of a struct; embedded ones are named by their type. */
bool pretty_field(const struct pretty *v, const char *path, uint64_t *ret_type, struct view *ret);
/* A number of up to 8 bytes at the first of the paths that is there. */
bool pretty_number(const struct pretty *v, const char *const *paths, int64_t *ret);
#define NUMBER(v, ret, ...) pretty_number(v, (const char *const[]){__VA_ARGS__, NULL}, ret)
/* Bytes of a string or slice, at most TEXT_MAX; NULL: not readable. */
const char *pretty_bytes(const struct pretty *v, struct view x, size_t *ret_n);
const char *pretty_string(const struct pretty *v, const char *path);
bool pretty_ip(const struct pretty *v, const uint8_t *ip, size_t n);
/* The meaning of what an interface holds, or the name of its type. */
bool pretty_held(const struct pretty *v, uint64_t type, struct view x);
/* As other values are shown, without the type in front. */
void pretty_value(const struct pretty *v, uint64_t type, struct view x);
/* False: its type has no meaning of its own. */
bool pretty_any(struct printer *p, uint64_t type, struct view x, struct buf *b, unsigned depth);

struct pretty_type {
    const char *type; /* up to a "[": whatever its arguments are */
    bool (*put)(const struct pretty *v);
};

/* value_pretty_err.c */
extern const struct pretty_type pretty_more[];
extern const size_t pretty_nmore;
const char *pretty_text_of(const char *type); /* NULL: none */
bool pretty_template(const struct pretty *v);

#endif
