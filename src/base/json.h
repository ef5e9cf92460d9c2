/* json.h - writing JSON as a stream, without a tree in memory.
 *
 *     struct json j; json_init(&j, sink, arg);
 *     json_begin(&j, '{'); json_key(&j, "n"); json_u64(&j, 3); json_end(&j, '}');
 *     err = json_finish(&j);
 *
 * The writer places commas and escapes; bytes that are not UTF-8 become U+FFFD.  It buffers 64 KiB
 * between calls of the sink.  A failing sink is remembered and returned by json_finish(). */
#ifndef GOSPECT_BASE_JSON_H
#define GOSPECT_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 64 };

struct json {
    struct err *(*sink)(void *arg, const char *bytes, size_t n);
    void *arg;
    struct buf buf;
    struct err *err;
    unsigned depth;
    bool comma[JSON_DEPTH_MAX];
    bool after_key;
};

void json_init(struct json *j, struct err *(*sink)(void *arg, const char *bytes, size_t n),
               void *arg);
struct err *json_finish(struct json *j) MUST_USE; /* flushes, frees; no newline is added */

void json_begin(struct json *j, char bracket); /* '{' or '[' */
void json_end(struct json *j, char bracket);   /* '}' or ']' */
void json_key(struct json *j, const char *key);
void json_str(struct json *j, const char *s); /* NULL writes null */
void json_strn(struct json *j, const char *s, size_t n);
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_f64(struct json *j, double v); /* not finite: null */
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
void json_addr(struct json *j, taddr v); /* as the string "0x..." : JSON numbers end at 2^53 */
void json_raw(struct json *j, const char *text, size_t n); /* values that are JSON already */
void json_newline(struct json *j); /* between top-level values (JSON lines) */

/* key and value at once, for object members */
void json_kstr(struct json *j, const char *key, const char *s);
void json_ku64(struct json *j, const char *key, uint64_t v);
void json_ki64(struct json *j, const char *key, int64_t v);
void json_kf64(struct json *j, const char *key, double v);
void json_kbool(struct json *j, const char *key, bool v);
void json_kaddr(struct json *j, const char *key, taddr v);

#endif
