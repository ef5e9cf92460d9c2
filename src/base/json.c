/* json.c - streaming JSON writer; see json.h. */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FLUSH_AT = 64 * 1024 };

void json_init(struct json *j, struct err *(*sink)(void *arg, const char *bytes, size_t n),
               void *arg)
{
    memset(j, 0, sizeof(*j));
    j->sink = sink;
    j->arg = arg;
}

static void flush(struct json *j)
{
    if (!j->err && j->buf.n)
        j->err = j->sink(j->arg, j->buf.p, j->buf.n);
    buf_clear(&j->buf);
}

struct err *json_finish(struct json *j)
{
    flush(j);
    buf_free(&j->buf);
    struct err *e = j->err;
    j->err = NULL;
    return e;
}

/* What must stand before the next value or key. */
static void separate(struct json *j)
{
    if (j->buf.n >= FLUSH_AT)
        flush(j);
    if (j->after_key)
        j->after_key = false;
    else if (j->depth && j->comma[j->depth - 1])
        buf_char(&j->buf, ',');
    if (j->depth)
        j->comma[j->depth - 1] = true;
}

void json_begin(struct json *j, char bracket)
{
    separate(j);
    buf_char(&j->buf, bracket);
    if (j->depth < JSON_DEPTH_MAX)
        j->comma[j->depth] = false;
    j->depth++;
}

void json_end(struct json *j, char bracket)
{
    j->depth--;
    buf_char(&j->buf, bracket);
}

/* The length of the well-formed UTF-8 sequence at s (1-4), or 0. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (s[0] >= 0xf5 || len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool too_big = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || too_big ? 0 : len;
}

static void escape_char(struct buf *b, unsigned char c)
{
    static const char *const named = "\b\f\n\r\t\"\\";
    const char *at = c ? strchr(named, c) : NULL;
    if (at)
        buf_printf(b, "\\%c", "bfnrt\"\\"[at - named]);
    else
        buf_printf(b, "\\u%04x", c);
}

static void quoted(struct buf *b, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    buf_char(b, '"');
    size_t plain = 0, i = 0;
    while (i < n) {
        size_t len = utf8_len(s + i, n - i);
        bool escape = len == 1 && (s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f);
        if (len && !escape) {
            i += len;
            continue;
        }
        buf_add(b, text + plain, i - plain);
        if (len)
            escape_char(b, s[i]);
        else
            buf_str(b, "\xef\xbf\xbd");
        plain = ++i;
    }
    buf_add(b, text + plain, n - plain);
    buf_char(b, '"');
}

void json_key(struct json *j, const char *key)
{
    separate(j);
    quoted(&j->buf, key, strlen(key));
    buf_char(&j->buf, ':');
    j->after_key = true;
}

void json_strn(struct json *j, const char *s, size_t n)
{
    separate(j);
    quoted(&j->buf, s, n);
}

void json_str(struct json *j, const char *s)
{
    if (s)
        json_strn(j, s, strlen(s));
    else
        json_null(j);
}

void json_u64(struct json *j, uint64_t v)
{
    separate(j);
    buf_printf(&j->buf, "%" PRIu64, v);
}

void json_i64(struct json *j, int64_t v)
{
    separate(j);
    buf_printf(&j->buf, "%" PRId64, v);
}

void json_f64(struct json *j, double v)
{
    if (!isfinite(v)) {
        json_null(j);
        return;
    }
    separate(j);
    buf_printf(&j->buf, "%.15g", v);
}

void json_bool(struct json *j, bool v)
{
    separate(j);
    buf_str(&j->buf, v ? "true" : "false");
}

void json_null(struct json *j)
{
    separate(j);
    buf_str(&j->buf, "null");
}

void json_addr(struct json *j, taddr v)
{
    separate(j);
    buf_printf(&j->buf, "\"0x%" PRIx64 "\"", v);
}

void json_raw(struct json *j, const char *text, size_t n)
{
    separate(j);
    buf_add(&j->buf, text, n);
}

void json_newline(struct json *j)
{
    buf_char(&j->buf, '\n');
    flush(j);
}

void json_kstr(struct json *j, const char *key, const char *s)
{
    json_key(j, key);
    json_str(j, s);
}

void json_ku64(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_u64(j, v);
}

void json_ki64(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_i64(j, v);
}

void json_kf64(struct json *j, const char *key, double v)
{
    json_key(j, key);
    json_f64(j, v);
}

void json_kbool(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_kaddr(struct json *j, const char *key, taddr v)
{
    json_key(j, key);
    json_addr(j, v);
}
