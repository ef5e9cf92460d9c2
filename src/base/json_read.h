/* json_read.h - JSON that others wrote, as a tree.
 *
 *     struct json_value *v;
 *     TRY(json_read(text, n, &limits, arena, &v));
 *     const struct json_value *line = json_member(v, "line");
 *
 * Strict (RFC 8259): one value, nothing behind it.  Depth and number of values are capped before
 * anything is allocated for them, so that what a peer sends costs no more than a fixed multiple of
 * its length.  Bytes that are not UTF-8 are an error, a lone half of a surrogate pair becomes
 * U+FFFD.  The tree lives in the caller's arena and does not point into the text. */
#ifndef GOSPECT_BASE_JSON_READ_H
#define GOSPECT_BASE_JSON_READ_H

#include "base/err.h"
#include "base/mem.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    bool boolean;
    bool integral; /* NUMBER: a whole number that fits; it is in `integer` */
    int64_t integer;
    double number;
    const char *text;                /* STRING: NUL-terminated; a NUL of its own may stand in it */
    size_t n;                        /* STRING: bytes; ARRAY, OBJECT: members */
    const char *key;                 /* of a member of an object, "" else */
    struct json_value *first, *next; /* ARRAY, OBJECT: members in order; next of this one */
};

struct json_limits {
    unsigned depth; /* brackets within brackets */
    size_t values;
};

/* BAD_DATA, with what was expected and at which byte; LIMIT. */
struct err *json_read(const char *text, size_t n, const struct json_limits *limits, struct arena *a,
                      struct json_value **ret) MUST_USE;

/* The member of an object, the last when it stands there twice; NULL: none, or v is no object (or
 * NULL). */
const struct json_value *json_member(const struct json_value *v, const char *key);

/* "an object", "the string \"abc\"": as errors say it; in the arena. */
const char *json_describe(const struct json_value *v, struct arena *a);

#endif
