/* log.c - who did what in a session: kept (bounded), in a file, and told to those who follow. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "front/dap/dap_int.h"

enum { ARGUMENTS_MAX = 2000 };

static void keep(struct dap_server *s, struct dap_body *b)
{
    struct dap_session *se = &s->session;
    if (se->log.n == DAP_LOG_KEPT) { /* the older half goes */
        size_t half = DAP_LOG_KEPT / 2;
        for (size_t i = 0; i < half; i++)
            free(se->log.v[i].text);
        memmove(se->log.v, se->log.v + half, (se->log.n - half) * sizeof(se->log.v[0]));
        se->log.n -= half;
        se->log_first += half;
    }
    struct dap_log_line line = {.n = b->text.n};
    line.text = buf_take(&b->text);
    vec_push(&se->log, line);
    if (s->log_fd >= 0) {
        struct buf out = {0};
        buf_printf(&out, "%s\n", line.text);
        err_free(write_all(s->log_fd, "log", buf_text(&out), out.n)); /* a full disk stops nobody */
        buf_free(&out);
    }
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_body ev;
        if (!s->clients.v[i]->follows)
            continue;
        struct json *j = dap_body_begin(&ev);
        json_ku64(j, "number", se->log_first + se->log.n - 1);
        json_key(j, "entry");
        json_raw(j, line.text, line.n);
        dap_event_to(s->clients.v[i], "sessionLog", &ev);
    }
}

static struct json *begin(struct dap_client *c, const char *what, struct dap_body *b)
{
    struct json *j = dap_body_begin(b);
    json_ki64(j, "time_ns", clock_wall_ns());
    if (c) {
        json_ku64(j, "client", c->id);
        json_kstr(j, "name", c->name);
    }
    json_kstr(j, "what", what);
    return j;
}

void dap_log(struct dap_server *s, struct dap_client *c, const char *what, const char *fmt, ...)
{
    struct dap_body b;
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct json *j = begin(c, what, &b);
    json_kstr(j, "text", buf_text(&text));
    buf_free(&text);
    dap_body_end(&b);
    keep(s, &b);
}

/* An environment may hold secrets: its names are enough. */
static void tree(const struct json_value *v, bool names_only, struct json *j)
{
    switch (v->kind) {
    case JSON_NULL:
        json_null(j);
        break;
    case JSON_BOOL:
        json_bool(j, v->boolean);
        break;
    case JSON_NUMBER:
        if (v->integral)
            json_i64(j, v->integer);
        else
            json_f64(j, v->number);
        break;
    case JSON_STRING:
        json_strn(j, names_only ? "..." : v->text, names_only ? 3 : v->n);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        json_begin(j, v->kind == JSON_ARRAY ? '[' : '{');
        for (const struct json_value *m = v->first; m; m = m->next) {
            if (v->kind == JSON_OBJECT)
                json_key(j, m->key);
            tree(m, names_only || strcmp(m->key, "env") == 0, j);
        }
        json_end(j, v->kind == JSON_ARRAY ? ']' : '}');
        break;
    }
}

static struct err *to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

void dap_log_request(struct dap_client *c, const struct dap_message *m, const struct err *e)
{
    struct dap_body b;
    struct json *j = begin(c, m->command, &b);
    if (m->arguments) {
        struct buf text = {0};
        struct json args;
        json_init(&args, to_buf, &text);
        tree(m->arguments, false, &args);
        err_free(json_finish(&args));
        json_key(j, "arguments");
        if (text.n <= ARGUMENTS_MAX)
            json_raw(j, buf_text(&text), text.n);
        else
            json_str(j, "(long)");
        buf_free(&text);
    }
    if (e)
        json_kstr(j, "error", err_message(e));
    dap_body_end(&b);
    keep(c->server, &b);
}

void dap_log_free(struct dap_session *s)
{
    for (size_t i = 0; i < s->log.n; i++)
        free(s->log.v[i].text);
    vec_free(&s->log);
    s->log_first = 0;
}

struct err *dap_do_sessionLog(struct dap_client *c, const struct dap_sessionLog *a, struct json *j)
{
    const struct dap_session *se = &c->server->session;
    uint64_t first = max_u64((uint64_t)a->offset, se->log_first), end = se->log_first + se->log.n;
    if (a->follow >= 0)
        c->follows = a->follow == 1;
    json_ku64(j, "total", end);
    json_ku64(j, "offset", min_u64(first, end));
    json_ku64(j, "dropped", se->log_first); /* that many were the first, and are only in the file */
    json_key(j, "entries");
    json_begin(j, '[');
    for (uint64_t i = first; i < end && (!a->count || i - first < (uint64_t)a->count); i++)
        json_raw(j, se->log.v[i - se->log_first].text, se->log.v[i - se->log_first].n);
    json_end(j, ']');
    return NULL;
}
