/* cursor.c - bounded reading; see cursor.h. */
#include "base/cursor.h"

void cursor_fail(struct cursor *c)
{
    if (!c->bad) {
        c->bad = true;
        c->bad_at = cursor_pos(c);
    }
    c->p = c->end;
}

struct err *cursor_err(const struct cursor *c)
{
    if (!c->bad)
        return NULL;
    return err_new(ERR_BAD_DATA, "%s: truncated or malformed at offset %zu of %zu", c->what,
                   c->bad_at, (size_t)(c->end - c->start));
}

void cursor_seek(struct cursor *c, size_t offset)
{
    if (offset > (size_t)(c->end - c->start))
        cursor_fail(c);
    else if (!c->bad)
        c->p = c->start + offset;
}

void cursor_skip(struct cursor *c, size_t n)
{
    if (cursor_need(c, n))
        c->p += n;
}

const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (!cursor_need(c, n))
        return NULL;
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

const char *cursor_cstr(struct cursor *c)
{
    const uint8_t *nul = memchr(c->p, 0, cursor_left(c));
    if (!nul) {
        cursor_fail(c);
        return "";
    }
    const char *s = (const char *)c->p;
    c->p = nul + 1;
    return s;
}

struct cursor cursor_sub(struct cursor *c, size_t n, const char *what)
{
    const uint8_t *p = cursor_bytes(c, n);
    struct cursor sub = cursor_on(p ? p : c->end, p ? n : 0, what);
    if (!p)
        cursor_fail(&sub);
    return sub;
}

uint64_t cursor_uleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; cursor_need(c, 1); shift += 7) {
        uint8_t b = *c->p++;
        if (shift < 64)
            v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
    }
    return v;
}

int64_t cursor_sleb(struct cursor *c)
{
    uint64_t v = 0;
    unsigned shift = 0;
    while (cursor_need(c, 1)) {
        uint8_t b = *c->p++;
        if (shift < 64)
            v |= (uint64_t)(b & 0x7f) << shift;
        shift += 7;
        if (!(b & 0x80)) {
            if ((b & 0x40) && shift < 64)
                v |= ~(uint64_t)0 << shift;
            break;
        }
    }
    return (int64_t)v;
}
