/* cursor.h - the only way to read bytes we did not write.
 *
 * A cursor walks a bounded range and never leaves it: reading past the end yields zeros and marks
 * the cursor bad; the caller checks once, at the end of a record, with cursor_err(), which names
 * the range ("section .debug_info of /usr/bin/x") and the offset.  Little endian, as every machine
 * gospect looks at.  Thread: one at a time; the bytes are only read. */
#ifndef GOSPECT_BASE_CURSOR_H
#define GOSPECT_BASE_CURSOR_H

#include <string.h>

#include "base/err.h"

struct cursor {
    const uint8_t *start, *p, *end;
    const char *what; /* names the range in errors; not owned */
    bool bad;         /* sticky: a read went past the end, or cursor_fail() */
    size_t bad_at;
};

static inline struct cursor cursor_on(const void *bytes, size_t n, const char *what)
{
    const uint8_t *p = bytes;
    return (struct cursor){.start = p, .p = p, .end = p + n, .what = what};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->p);
}

static inline size_t cursor_pos(const struct cursor *c)
{
    return (size_t)(c->p - c->start);
}

void cursor_fail(struct cursor *c);                      /* the bytes make no sense here */
struct err *cursor_err(const struct cursor *c) MUST_USE; /* NULL while the cursor is good */

static inline bool cursor_need(struct cursor *c, size_t n)
{
    if (__builtin_expect(n <= cursor_left(c), 1))
        return true;
    cursor_fail(c);
    return false;
}

void cursor_seek(struct cursor *c, size_t offset); /* from the start */
void cursor_skip(struct cursor *c, size_t n);
const uint8_t *cursor_bytes(struct cursor *c, size_t n); /* NULL when there are fewer */
const char *cursor_cstr(struct cursor *c); /* NUL-terminated inside the range; "" when not */
struct cursor cursor_sub(struct cursor *c, size_t n, const char *what); /* the next n bytes */

#define CURSOR_READ(name, T)                                                                       \
    static inline T name(struct cursor *c)                                                         \
    {                                                                                              \
        T v = 0;                                                                                   \
        if (cursor_need(c, sizeof(v))) {                                                           \
            memcpy(&v, c->p, sizeof(v));                                                           \
            c->p += sizeof(v);                                                                     \
        }                                                                                          \
        return v;                                                                                  \
    }
CURSOR_READ(cursor_u8, uint8_t)
CURSOR_READ(cursor_u16, uint16_t)
CURSOR_READ(cursor_u32, uint32_t)
CURSOR_READ(cursor_u64, uint64_t)
#undef CURSOR_READ

uint64_t cursor_uleb(struct cursor *c);
int64_t cursor_sleb(struct cursor *c);

#endif
