/* json_read.c - JSON that others wrote, as a tree; see json_read.h.
 *
 * Recursive descent, one function per kind; the depth is capped, so that the recursion is. */
#include "base/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

enum { NUMBER_MAX = 400, SHOWN_MAX = 40 };

struct reader {
    const char *start, *p, *end;
    struct arena *arena;
    const struct json_limits *limits;
    unsigned depth;
    size_t values;
    struct err *err;
};

static bool fail(struct reader *r, const char *expected)
{
    if (r->err)
        return false;
    size_t at = (size_t)(r->p - r->start);
    if (r->p == r->end)
        r->err =
            err_new(ERR_BAD_DATA, "not JSON: it ends at byte %zu where %s should be", at, expected);
    else
        r->err = err_new(ERR_BAD_DATA, "not JSON: at byte %zu should be %s", at, expected);
    return false;
}

static void blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool accept(struct reader *r, char c)
{
    blanks(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool word(struct reader *r, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n) != 0)
        return fail(r, "a value (true, false, null, a number, string, array or object)");
    r->p += n;
    return true;
}

/* ---- strings ---- */

static bool hex4(struct reader *r, uint32_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < 4; i++, r->p++) {
        const char *digit = NULL;
        if (r->p < r->end && *r->p)
            digit = strchr("0123456789abcdefABCDEF", *r->p);
        if (!digit)
            return fail(r, "four hexadecimal digits");
        unsigned v = (unsigned)(digit - "0123456789abcdefABCDEF");
        *ret = *ret * 16 + (v < 16 ? v : v - 6);
    }
    return true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_char(b, (char)c);
    } else if (c < 0x800) {
        buf_char(b, (char)(0xc0 | c >> 6));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_char(b, (char)(0xe0 | c >> 12));
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_char(b, (char)(0xf0 | c >> 18));
        buf_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* Behind \u: one UTF-16 unit, or two that make a pair. */
static bool unicode(struct reader *r, struct buf *b)
{
    uint32_t c, low;
    if (!hex4(r, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00 && r->end - r->p >= 2 && r->p[0] == '\\' && r->p[1] == 'u') {
        const char *back = r->p;
        r->p += 2;
        if (!hex4(r, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        else
            r->p = back; /* of another character: this half is alone */
    }
    put_utf8(b, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return true;
}

static bool escape(struct reader *r, struct buf *b)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *at = r->p < r->end && *r->p ? strchr(names, *r->p) : NULL;
    if (at) {
        r->p++;
        buf_char(b, means[at - names]);
        return true;
    }
    if (r->p < r->end && *r->p == 'u') {
        r->p++;
        return unicode(r, b);
    }
    return fail(r, "an escape (one of \" \\ / b f n r t u)");
}

/* At the first byte behind the quote. */
static bool string_body(struct reader *r, struct buf *b)
{
    while (r->p < r->end && *r->p != '"') {
        uint32_t cp;
        size_t n;
        if (*r->p == '\\') {
            r->p++;
            if (!escape(r, b))
                return false;
        } else if ((unsigned char)*r->p < 0x20) {
            return fail(r, "an escape in place of a control character");
        } else if (!(n = text_utf8(r->p, (size_t)(r->end - r->p), &cp))) {
            return fail(r, "UTF-8");
        } else {
            buf_add(b, r->p, n);
            r->p += n;
        }
    }
    return accept(r, '"') || fail(r, "the end of a string");
}

/* A string whose quote comes next. */
static bool string(struct reader *r, const char **ret, size_t *ret_n)
{
    struct buf b = {0};
    if (!accept(r, '"'))
        return fail(r, "a string");
    bool ok = string_body(r, &b);
    if (ok) {
        *ret = arena_strndup(r->arena, buf_text(&b), b.n);
        *ret_n = b.n;
    }
    buf_free(&b);
    return ok;
}

/* ---- numbers ---- */

static bool digits(struct reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > from || fail(r, "a digit");
}

static bool number(struct reader *r, struct json_value *v)
{
    char text[NUMBER_MAX + 1];
    const char *from = r->p;
    r->p += *r->p == '-';
    bool whole = true, zero = r->p < r->end && *r->p == '0';
    if (!digits(r))
        return false;
    if (zero && r->p > from + 1 + (*from == '-')) {
        r->p = from;
        return fail(r, "a number that does not begin with 0");
    }
    if (r->p < r->end && *r->p == '.') {
        whole = false;
        r->p++;
        if (!digits(r))
            return false;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        whole = false;
        r->p++;
        r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
        if (!digits(r))
            return false;
    }
    size_t n = (size_t)(r->p - from);
    if (n > NUMBER_MAX) {
        r->p = from;
        return fail(r, "a shorter number");
    }
    memcpy(text, from, n);
    text[n] = '\0';
    v->kind = JSON_NUMBER;
    v->number = strtod(text, NULL);
    errno = 0;
    v->integer = strtoll(text, NULL, 10);
    v->integral = whole && errno == 0;
    if (!whole && v->number == floor(v->number) && fabs(v->number) < 9007199254740992.0) {
        v->integral = true; /* 1.0 and 1e3 are whole numbers, too */
        v->integer = (int64_t)v->number;
    }
    return true;
}

/* ---- values ---- */

static bool value(struct reader *r, struct json_value *v);

/* Members up to the closing bracket; the opening one was read. */
static bool members(struct reader *r, struct json_value *v, char close)
{
    struct json_value **at = &v->first;
    if (++r->depth > r->limits->depth) {
        r->err = err_new(ERR_LIMIT, "JSON nested deeper than %u", r->limits->depth);
        return false;
    }
    for (bool more = !accept(r, close); more; more = !accept(r, close)) {
        const char *key = "";
        size_t key_n = 0;
        if (v->n && !accept(r, ','))
            return fail(r, close == '}' ? "a comma or }" : "a comma or ]");
        if (close == '}' && (!string(r, &key, &key_n) || (!accept(r, ':') && !fail(r, "a colon"))))
            return false;
        struct json_value *member = arena_new(r->arena, struct json_value);
        member->key = key;
        if (!value(r, member))
            return false;
        *at = member;
        at = &member->next;
        v->n++;
    }
    r->depth--;
    return true;
}

static bool literal(struct reader *r, struct json_value *v)
{
    switch (*r->p) {
    case 't':
        v->boolean = true;
        v->kind = JSON_BOOL;
        return word(r, "true");
    case 'f':
        v->kind = JSON_BOOL;
        return word(r, "false");
    case 'n':
        v->kind = JSON_NULL;
        return word(r, "null");
    default:
        return word(r, "a value"); /* is not there */
    }
}

static bool value(struct reader *r, struct json_value *v)
{
    blanks(r);
    if (r->values++ >= r->limits->values) {
        r->err = err_new(ERR_LIMIT, "JSON of more than %zu values", r->limits->values);
        return false;
    }
    if (!v->key)
        v->key = "";
    if (r->p == r->end)
        return fail(r, "a value");
    if (*r->p == '"') {
        v->kind = JSON_STRING;
        return string(r, &v->text, &v->n);
    }
    if (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'))
        return number(r, v);
    if (*r->p == '{' || *r->p == '[') {
        bool object = *r->p++ == '{';
        v->kind = object ? JSON_OBJECT : JSON_ARRAY;
        return members(r, v, object ? '}' : ']');
    }
    return literal(r, v);
}

struct err *json_read(const char *text, size_t n, const struct json_limits *limits, struct arena *a,
                      struct json_value **ret)
{
    struct reader r = {.start = text, .p = text, .end = text + n, .arena = a, .limits = limits};
    struct json_value *v = arena_new(a, struct json_value);
    if (value(&r, v)) {
        blanks(&r);
        if (r.p != r.end)
            fail(&r, "nothing more");
    }
    *ret = v;
    return r.err;
}

const struct json_value *json_member(const struct json_value *v, const char *key)
{
    const struct json_value *found = NULL;
    if (!v || v->kind != JSON_OBJECT)
        return NULL;
    for (const struct json_value *m = v->first; m; m = m->next)
        if (strcmp(m->key, key) == 0)
            found = m;
    return found;
}

const char *json_describe(const struct json_value *v, struct arena *a)
{
    struct buf b = {0};
    switch (v->kind) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return v->boolean ? "true" : "false";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    case JSON_NUMBER:
        return v->integral ? arena_printf(a, "the number %lld", (long long)v->integer)
                           : arena_printf(a, "the number %.15g", v->number);
    case JSON_STRING:
        break;
    }
    text_fit(&b, v->text, SHOWN_MAX, TEXT_CUT_END);
    const char *text = arena_printf(a, "the string \"%s\"", buf_text(&b));
    buf_free(&b);
    return text;
}
