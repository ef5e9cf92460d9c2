/* dap.c - the frames and messages of the Debug Adapter Protocol; see dap.h.
 *
 * A frame is a header of lines that end with CR LF, of which Content-Length counts, an empty line,
 * and that many bytes of JSON.  Other headers are allowed and ignored.  A frame that is broken ends
 * the conversation: there is nothing by which the next one could be found. */
#include "wire/dap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

/* ---- frames, in ---- */

void dap_in_free(struct dap_in *in)
{
    buf_free(&in->buf);
    *in = (struct dap_in){0};
}

void dap_in_add(struct dap_in *in, const void *bytes, size_t n)
{
    if (in->at == in->buf.n) {
        buf_clear(&in->buf);
        in->at = 0;
    } else if (in->at > DAP_HEADER_MAX && in->at > in->buf.n / 2) {
        memmove(in->buf.p, in->buf.p + in->at, in->buf.n - in->at);
        buf_cut(&in->buf, in->buf.n - in->at);
        in->at = 0;
    }
    buf_add(&in->buf, bytes, n);
}

static struct err *bad_header(const char *what)
{
    return err_hint(err_new(ERR_BAD_DATA, "not a message of the Debug Adapter Protocol: %s", what),
                    "It begins with Content-Length: N, and an empty line, each ending with CR LF");
}

/* One line of a header, n bytes. */
static struct err *header_line(const char *line, size_t n, size_t *length)
{
    static const char name[] = "Content-Length:";
    size_t word = 0;
    while (word < n && (isalnum((unsigned char)line[word]) || line[word] == '-'))
        word++;
    if (word == n || line[word] != ':')
        return bad_header("a header is NAME: VALUE"); /* also what a browser sends, say POST /:x */
    if (n < sizeof(name) - 1 || strncasecmp(line, name, sizeof(name) - 1) != 0)
        return NULL;
    size_t i = sizeof(name) - 1, v = 0;
    while (i < n && (line[i] == ' ' || line[i] == '\t'))
        i++;
    if (i == n || n - i > 12)
        return bad_header("Content-Length is no number");
    for (; i < n; i++) {
        if (!isdigit((unsigned char)line[i]))
            return bad_header("Content-Length is no number");
        v = v * 10 + (size_t)(line[i] - '0');
    }
    if (v > DAP_MESSAGE_MAX)
        return err_new(ERR_LIMIT, "a message of %zu bytes; the most that is read is %d", v,
                       DAP_MESSAGE_MAX);
    if (!v)
        return bad_header("Content-Length is 0");
    *length = v;
    return NULL;
}

/* The header, when it is whole; in->length then says how long its message is. */
static struct err *read_header(struct dap_in *in)
{
    const char *p = in->buf.p + in->at;
    size_t left = in->buf.n - in->at, looked = left < DAP_HEADER_MAX ? left : DAP_HEADER_MAX;
    const char *end = memmem(p, looked, "\r\n\r\n", 4);
    if (!isalpha((unsigned char)*p)) /* tells garbage from a header that is under way */
        return bad_header("its header begins with no letter");
    if (!end && left > DAP_HEADER_MAX)
        return bad_header("its header does not end");
    if (!end)
        return NULL;
    size_t length = 0;
    for (const char *line = p; line < end + 2;) {
        const char *stop = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        TRY(header_line(line, (size_t)(stop - line), &length));
        line = stop + 2;
    }
    if (!length)
        return bad_header("its header has no Content-Length");
    in->at += (size_t)(end + 4 - p);
    in->length = length;
    return NULL;
}

struct err *dap_in_next(struct dap_in *in, const char **ret, size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    if (in->at == in->buf.n)
        return NULL;
    if (!in->length)
        TRY(read_header(in));
    if (!in->length || in->buf.n - in->at < in->length)
        return NULL;
    *ret = in->buf.p + in->at;
    *ret_n = in->length;
    in->at += in->length;
    in->length = 0;
    return NULL;
}

/* ---- messages, in ---- */

static const char *text_member(const struct json_value *v, const char *key)
{
    const struct json_value *m = json_member(v, key);
    return m && m->kind == JSON_STRING ? m->text : NULL;
}

static bool number_member(const struct json_value *v, const char *key, int64_t *ret)
{
    const struct json_value *m = json_member(v, key);
    if (!m || m->kind != JSON_NUMBER || !m->integral)
        return false;
    *ret = m->integer;
    return true;
}

static struct err *read_parts(const struct json_value *v, struct dap_message *ret)
{
    const char *type = text_member(v, "type"), *command = text_member(v, "command");
    const struct json_value *success = json_member(v, "success");
    if (command)
        ret->command = command;
    if (v->kind != JSON_OBJECT)
        return err_new(ERR_BAD_DATA, "a message must be a JSON object");
    if (!number_member(v, "seq", &ret->seq))
        return err_new(ERR_BAD_DATA, "a message without \"seq\", a whole number");
    if (!type || (strcmp(type, "request") != 0 && strcmp(type, "response") != 0))
        return err_new(ERR_BAD_DATA, "\"type\" must be \"request\" or \"response\"%s%s",
                       type ? ", not " : "", type ? type : "");
    if (!command)
        return err_new(ERR_BAD_DATA, "a %s without \"command\", a string", type);
    if (strcmp(type, "request") == 0) {
        ret->arguments = json_member(v, "arguments");
        return NULL;
    }
    ret->type = DAP_RESPONSE;
    if (!number_member(v, "request_seq", &ret->request_seq) || !success ||
        success->kind != JSON_BOOL)
        return err_new(ERR_BAD_DATA, "a response without \"request_seq\" and \"success\"");
    ret->success = success->boolean;
    ret->text = text_member(v, "message");
    ret->arguments = json_member(v, "body");
    return NULL;
}

struct err *dap_message_read(const char *text, size_t n, struct arena *a, struct dap_message *ret)
{
    const struct json_limits limits = {.depth = DAP_DEPTH_MAX, .values = DAP_VALUES_MAX};
    struct json_value *v;
    *ret = (struct dap_message){.command = ""};
    TRY(json_read(text, n, &limits, a, &v));
    return read_parts(v, ret);
}

/* ---- out ---- */

enum { LARGE = 1 << 20 };

/* JSON of one message is written to a buffer of its own, because its length comes before it.  A
 * body may be large: it is copied once, from where it is to where it goes. */
struct writer {
    struct json j;
    struct buf text;
    const char *key, *body; /* the last member; NULL: none */
    size_t body_n;
};

static struct err *to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void begin(struct writer *w, int64_t seq, const char *type)
{
    *w = (struct writer){0};
    json_init(&w->j, to_buf, &w->text);
    json_begin(&w->j, '{');
    json_ki64(&w->j, "seq", seq);
    json_kstr(&w->j, "type", type);
}

static void raw(struct writer *w, const char *key, const char *body, size_t n)
{
    if (n) {
        w->key = key;
        w->body = body;
        w->body_n = n;
    }
}

/* All that comes before the body. */
static void head(struct writer *w, struct buf *out)
{
    if (w->key)
        json_key(&w->j, w->key);
    else
        json_end(&w->j, '}');
    err_free(json_finish(&w->j)); /* a buffer does not fail */
    buf_printf(out, "Content-Length: %zu\r\n\r\n",
               w->text.n + (w->key ? w->body_n + strlen("}") : 0));
    buf_add(out, w->text.p, w->text.n);
}

static void end(struct writer *w, struct buf *out)
{
    head(w, out);
    if (w->key) {
        buf_add(out, w->body, w->body_n);
        buf_char(out, '}');
    }
    buf_free(&w->text);
}

static void begin_response(struct writer *w, int64_t seq, int64_t request_seq, const char *command)
{
    begin(w, seq, "response");
    json_ki64(&w->j, "request_seq", request_seq);
    json_kbool(&w->j, "success", true);
    json_kstr(&w->j, "command", command);
}

void dap_put_response(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                      const char *body, size_t n)
{
    struct writer w;
    begin_response(&w, seq, request_seq, command);
    raw(&w, "body", body, n);
    end(&w, out);
}

void dap_take_response(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                       struct buf *body)
{
    struct writer w;
    struct buf before = {0};
    size_t n = body->n, max = out->max;
    if (out->n || n < LARGE) {
        dap_put_response(out, seq, request_seq, command, buf_text(body), n);
        return;
    }
    begin_response(&w, seq, request_seq, command);
    raw(&w, "body", body->p, n);
    head(&w, &before);
    buf_repeat(body, '}', before.n + 1);
    memmove(body->p + before.n, body->p, n);
    memcpy(body->p, before.p, before.n);
    buf_free(&w.text);
    buf_free(&before);
    buf_free(out);
    *out = *body;
    out->max = max;
    *body = (struct buf){0};
}

/* What a user reads: the message, lines below it, the hint. */
static void error_text(const struct err *e, struct buf *b)
{
    buf_str(b, err_message(e));
    if (err_excerpt_text(e))
        buf_printf(b, "\n%s", err_excerpt_text(e));
    if (err_hint_text(e))
        buf_printf(b, "\n%s", err_hint_text(e));
}

void dap_put_failure(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                     const struct err *e, const char *word, bool show)
{
    struct writer w;
    struct buf text = {0}, format = {0};
    error_text(e, &text);
    for (const char *c = buf_text(&text); *c; c++)
        if (*c == '{') /* clients replace {name} in it */
            buf_str(&format, "{brace}");
        else
            buf_char(&format, *c);
    begin(&w, seq, "response");
    json_ki64(&w.j, "request_seq", request_seq);
    json_kbool(&w.j, "success", false);
    json_kstr(&w.j, "command", command);
    json_kstr(&w.j, "message", word ? word : buf_text(&text));
    json_key(&w.j, "body");
    json_begin(&w.j, '{');
    json_key(&w.j, "error");
    json_begin(&w.j, '{');
    json_ki64(&w.j, "id", 1000 + (int64_t)err_code(e));
    json_kstr(&w.j, "format", buf_text(&format));
    json_key(&w.j, "variables");
    json_begin(&w.j, '{');
    json_kstr(&w.j, "brace", "{");
    json_end(&w.j, '}');
    json_kbool(&w.j, "showUser", show);
    json_end(&w.j, '}');
    json_end(&w.j, '}');
    end(&w, out);
    buf_free(&text);
    buf_free(&format);
}

void dap_put_event(struct buf *out, int64_t seq, const char *event, const char *body, size_t n)
{
    struct writer w;
    begin(&w, seq, "event");
    json_kstr(&w.j, "event", event);
    raw(&w, "body", body, n);
    end(&w, out);
}

void dap_put_request(struct buf *out, int64_t seq, const char *command, const char *args, size_t n)
{
    struct writer w;
    begin(&w, seq, "request");
    json_kstr(&w.j, "command", command);
    raw(&w, "arguments", args, n);
    end(&w, out);
}

/* ---- base64 ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void dap_base64(struct buf *out, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        buf_char(out, digits[v >> 18]);
        buf_char(out, digits[v >> 12 & 63]);
        buf_char(out, left > 1 ? digits[v >> 6 & 63] : '=');
        buf_char(out, left > 2 ? digits[v & 63] : '=');
    }
}

struct err *dap_unbase64(const char *text, struct buf *out)
{
    size_t n = strlen(text), pad = 0;
    uint32_t v = 0;
    if (n % 4)
        return err_new(ERR_USAGE, "not base64: its length is no multiple of four");
    for (size_t i = 0; i < n; i++) {
        const char *at = strchr(digits, text[i]);
        bool padding = text[i] == '=' && i + 2 >= n;
        if ((!at && !padding) || (at && pad))
            return err_new(ERR_USAGE, "not base64 at byte %zu", i);
        pad += padding;
        v = v << 6 | (at ? (uint32_t)(at - digits) : 0);
        if (i % 4 != 3)
            continue;
        const char three[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        buf_add(out, three, 3 - pad);
        v = 0;
    }
    return NULL;
}
