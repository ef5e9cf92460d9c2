/* server.c - the loop of the DAP server, its clients and how they are heard and answered.
 *
 * One poll() for everything: clients, the session, the output of the program, builds.  A client is
 * read only as far as its queue has room, so that a flood costs it and nobody else; one that does
 * not read is not served any more until it does, and is dropped when it does not for a minute, so
 * that what waits for it (the program's output) goes on.  Requests are handled one of each client
 * in turn. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/dap/dap_int.h"
#include "front/dap/listen.h"

enum {
    STUCK_SECONDS = 60,
    READ_AT_ONCE = 64 * 1024,
    PIPE_ATOMIC = 4096,
    PIPE_SIZE = 1 << 20,
    NOTE_MAX = 16384
};

/* ---- bodies and events ---- */

static struct err *to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

struct json *dap_body_begin(struct dap_body *b)
{
    b->text = (struct buf){0};
    json_init(&b->j, to_buf, &b->text);
    json_begin(&b->j, '{');
    return &b->j;
}

void dap_body_end(struct dap_body *b)
{
    json_end(&b->j, '}');
    err_free(json_finish(&b->j)); /* a buffer does not fail */
}

void dap_body_free(struct dap_body *b)
{
    buf_free(&b->text);
}

static void put_event(struct dap_client *c, const char *event, const char *body, size_t n)
{
    if (!c->gone)
        dap_put_event(&c->out, c->seq++, event, body, n);
}

/* A client that is still setting up is told of the stop when it is done (configurationDone). */
static bool too_early(const struct dap_client *c, const struct dap_event_later *ev)
{
    return !c->configured && strcmp(ev->event, "stopped") == 0 && !ev->only;
}

static bool hears(const struct dap_client *c, const struct dap_event_later *ev)
{
    bool sees = c->in_session || (c->owner && c->server->session.preparing);
    return ev->only ? c == ev->only : sees && c != ev->except && !too_early(c, ev);
}

static void send_event(struct dap_server *s, const struct dap_event_later *ev)
{
    for (size_t i = 0; i < s->clients.n; i++)
        if (hears(s->clients.v[i], ev))
            put_event(s->clients.v[i], ev->event, ev->body, ev->n);
}

/* For those who hear it now: the request may end their session. */
static void keep_for_later(struct dap_server *s, const struct dap_event_later *ev)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_event_later own = {.event = ev->event, .n = ev->n, .only = s->clients.v[i]};
        if (!hears(s->clients.v[i], ev))
            continue;
        own.body = mem_alloc(ev->n + 1);
        memcpy(own.body, ev->body, ev->n);
        vec_push(&s->later, own);
    }
}

/* While a request is handled, its answer comes first. */
static void event(struct dap_server *s, const char *name, struct dap_body *body,
                  struct dap_client *only, struct dap_client *except)
{
    dap_body_end(body);
    struct dap_event_later ev = {.event = name, .n = body->text.n, .only = only, .except = except};
    ev.body = buf_take(&body->text);
    if (s->handling) {
        keep_for_later(s, &ev);
        free(ev.body);
        return;
    }
    send_event(s, &ev);
    free(ev.body);
}

void dap_event(struct dap_server *s, const char *name, struct dap_body *body)
{
    event(s, name, body, NULL, NULL);
}

void dap_event_to(struct dap_client *c, const char *name, struct dap_body *body)
{
    event(c->server, name, body, c, NULL);
}

void dap_event_others(struct dap_client *c, const char *name, struct dap_body *body)
{
    event(c->server, name, body, NULL, c);
}

static void send_later(struct dap_server *s, size_t from)
{
    for (size_t i = from; i < s->later.n; i++) {
        send_event(s, &s->later.v[i]);
        free(s->later.v[i].body);
    }
    s->later.n = from;
}

void dap_say(struct dap_server *s, const char *category, const char *text, size_t n)
{
    struct dap_body b;
    struct json *j = dap_body_begin(&b);
    json_kstr(j, "category", category);
    json_key(j, "output");
    json_strn(j, text, n);
    dap_event(s, "output", &b);
}

void dap_note(struct dap_server *s, const char *fmt, ...)
{
    struct buf b;
    va_list ap;
    buf_init(&b, NOTE_MAX);
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    buf_char(&b, '\n');
    dap_say(s, "console", buf_text(&b), b.n);
    buf_free(&b);
}

/* ---- output of the program ---- */

bool dap_output_read(struct dap_server *s, struct dap_output *o, struct buf *keep)
{
    char bytes[READ_AT_ONCE + 4];
    memcpy(bytes, o->held, o->nheld);
    ssize_t got = read(o->fd, bytes + o->nheld, READ_AT_ONCE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    size_t n = o->nheld + (got > 0 ? (size_t)got : 0),
           rest = got > 0 ? n - text_whole(bytes, n) : 0;
    if (n > rest) {
        dap_say(s, o->category, bytes, n - rest);
        if (keep)
            buf_add(keep, bytes, n - rest);
    }
    memcpy(o->held, bytes + n - rest, rest);
    o->nheld = rest;
    if (got > 0)
        return true;
    close(o->fd);
    o->fd = -1;
    return false;
}

/* ---- clients ---- */

enum dap_state dap_state_of(const struct dap_client *c)
{
    const struct dap_session *s = &c->server->session;
    if (!c->initialized)
        return DAP_NEW;
    if (!c->in_session)
        return s->preparing && c->owner ? DAP_PREPARING : DAP_IDLE;
    if (c->server->call.waits)
        return DAP_BUSY;
    if (s->kind == DAP_SNAPSHOT)
        return DAP_FILE;
    if (!s->d || dbg_state(s->d) == DBG_OVER)
        return DAP_OVER;
    return dbg_state(s->d) == DBG_RUNS ? DAP_RUNS : DAP_STANDS;
}

static struct dap_client *client_new(struct dap_server *s, int in_fd, int out_fd)
{
    struct dap_client *c = mem_alloc(sizeof(*c));
    c->server = s;
    c->id = ++s->next_client;
    c->in_fd = in_fd;
    c->out_fd = out_fd;
    c->seq = 1;
    arena_init(&c->hand.mem);
    c->hand.frame_base = c->hand.handle_base = 1;
    struct buf b = {0};
    buf_printf(&b, "client %u", c->id);
    c->name = buf_take(&b);
    vec_push(&s->clients, c);
    return c;
}

static void client_free(struct dap_client *c)
{
    dap_breakpoints_forget(c);
    dap_hand_free(&c->hand);
    for (size_t i = 0; i < c->queue.n; i++)
        free(c->queue.v[i].text);
    vec_free(&c->queue);
    vec_free(&c->breakpoints);
    dap_in_free(&c->in);
    buf_free(&c->out);
    free(c->name);
    close(c->in_fd);
    if (c->out_fd != c->in_fd)
        close(c->out_fd);
    free(c);
}

void dap_client_leave(struct dap_client *c)
{
    struct dap_server *s = c->server;
    size_t others = 0;
    if (!c->in_session)
        return;
    for (size_t i = 0; i < s->clients.n; i++)
        others += s->clients.v[i] != c && s->clients.v[i]->in_session;
    if (!others) {
        dap_session_end(s, s->session.kind == DAP_LAUNCHED);
        return;
    }
    dap_breakpoints_drop(c);
    dap_hand_drop(&c->hand);
    c->in_session = c->configured = false;
    if (!c->owner)
        return;
    c->owner = false;
    for (size_t i = 0; i < s->clients.n; i++)
        if (s->clients.v[i]->in_session) { /* the oldest of those that are left */
            s->clients.v[i]->owner = true;
            return;
        }
}

/* It has closed its end, or can not be understood, or does not read. */
static void client_drop(struct dap_client *c, const char *why)
{
    struct dap_server *s = c->server;
    if (c->gone)
        return;
    c->gone = true;
    if (c->in_session || (c->owner && s->session.preparing))
        dap_log(s, c, "left", "%s", why);
    if (c->owner && s->session.preparing)
        dap_session_end(s, true);
    else
        dap_client_leave(c);
}

static size_t queued_bytes(const struct dap_client *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->queue.n; i++)
        n += c->queue.v[i].n;
    return n;
}

static size_t backlog(const struct dap_client *c)
{
    return c->out.n - c->out_at;
}

static bool may_read(const struct dap_client *c)
{
    return !c->gone && !c->ended_input && c->queue.n < DAP_QUEUE_MAX &&
           queued_bytes(c) < DAP_MESSAGE_MAX && backlog(c) < DAP_BACKLOG;
}

/* Whether a message asks for the program to stop, or to end; *ret_leaves: only its client wants to
 * go, if there are others. */
static bool halts(const char *text, size_t n, bool *ret_leaves)
{
    static const char *const words[] = {"pause", "disconnect", "terminate", "restart"};
    bool may = false, is = false;
    void *args;
    struct arena a;
    struct dap_message m;
    *ret_leaves = false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        may = may || memmem(text, n, words[i], strlen(words[i]));
    if (!may)
        return false;
    arena_init(&a);
    struct err *e = dap_message_read(text, n, &a, &m);
    for (size_t i = 0; !e && m.type == DAP_REQUEST && i < ARRAY_LEN(words); i++)
        is = is || strcmp(m.command, words[i]) == 0;
    if (!e && is && strcmp(m.command, "disconnect") == 0)
        e = dap_args_read(&dap_record_disconnect, m.arguments, &a, &args);
    else
        args = NULL;
    *ret_leaves = !e && args && ((const struct dap_disconnect *)args)->terminateDebuggee != 1;
    err_free(e);
    arena_free(&a);
    return is;
}

/* A cancel request is looked at as soon as it is read: what it means may still be in the queue, or
 * be the one that is handled just now. */
static void look_for_cancel(struct dap_client *c, const char *text, size_t n)
{
    struct arena a;
    struct dap_message m, q;
    void *args;
    if (!memmem(text, n, "\"cancel\"", 8))
        return;
    arena_init(&a);
    struct err *e = dap_message_read(text, n, &a, &m);
    if (!e && m.type == DAP_REQUEST && strcmp(m.command, "cancel") == 0)
        e = dap_args_read(&dap_record_cancel, m.arguments, &a, &args);
    else
        args = NULL;
    if (!e && args) {
        int64_t id = ((const struct dap_cancel *)args)->requestId;
        const char *progress = ((const struct dap_cancel *)args)->progressId;
        if (c->server->now == c &&
            (c->handled_seq == id || (*progress && !strcmp(progress, c->server->progress_id))))
            c->cancel_handled = true;
        for (size_t i = 0; i < c->queue.n; i++) {
            struct err *bad = dap_message_read(c->queue.v[i].text, c->queue.v[i].n, &a, &q);
            if (!bad && q.type == DAP_REQUEST && q.seq == id)
                c->queue.v[i].cancelled = true;
            err_free(bad);
        }
    }
    err_free(e);
    arena_free(&a);
}

/* Takes whole messages out of what was read. */
static void take_messages(struct dap_client *c)
{
    while (c->queue.n < DAP_QUEUE_MAX && queued_bytes(c) < DAP_MESSAGE_MAX) {
        const char *text;
        size_t n;
        struct err *e = dap_in_next(&c->in, &text, &n);
        if (e) {
            struct dap_body b;
            struct json *j = dap_body_begin(&b);
            json_kstr(j, "category", "important");
            json_key(j, "output");
            struct buf said = {0};
            buf_printf(&said, "gospect: %s. %s.\n", err_message(e),
                       err_hint_text(e) ? err_hint_text(e) : "");
            json_strn(j, buf_text(&said), said.n);
            buf_free(&said);
            dap_event_to(c, "output", &b);
            err_free(e);
            c->ended_input = c->leaving = true;
            return;
        }
        if (!text)
            return;
        look_for_cancel(c, text, n);
        struct dap_queued q = {.text = mem_alloc(n + 1), .n = n};
        q.halts = halts(text, n, &q.leaves);
        memcpy(q.text, text, n);
        vec_push(&c->queue, q);
    }
}

static void client_read(struct dap_client *c)
{
    char bytes[READ_AT_ONCE];
    ssize_t n = read(c->in_fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        c->ended_input = true; /* what it sent before is still handled */
        return;
    }
    dap_in_add(&c->in, bytes, (size_t)n);
    take_messages(c);
}

/* Never blocks: a socket is asked not to, a pipe gets no more than fits when poll() says so. False:
 * it closed its end. */
static bool client_send(struct dap_client *c)
{
    while (backlog(c) && !c->gone) {
        size_t n = backlog(c);
        ssize_t sent = send(c->out_fd, c->out.p + c->out_at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == ENOTSOCK) {
            struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
            if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR)))
                break;
            bool whole = fcntl(c->out_fd, F_GETFL) & O_NONBLOCK;
            sent =
                write(c->out_fd, c->out.p + c->out_at, whole || n < PIPE_ATOMIC ? n : PIPE_ATOMIC);
        }
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (sent < 0)
            return false;
        c->out_at += (size_t)sent;
        c->stuck_ns = 0;
    }
    return true;
}

void dap_hear(struct dap_client *c)
{
    struct pollfd p = {.fd = c->in_fd, .events = POLLIN};
    if (may_read(c) && poll(&p, 1, 0) > 0)
        client_read(c);
    if (!c->gone && !client_send(c)) /* it is dropped when the session is not in use */
        c->ended_input = true;
    if (!backlog(c)) {
        buf_clear(&c->out);
        c->out_at = 0;
    }
}

static void client_write(struct dap_client *c)
{
    if (!client_send(c)) {
        client_drop(c, "it closed its end");
        return;
    }
    if (!backlog(c)) {
        buf_clear(&c->out);
        if (c->out.cap > DAP_BACKLOG)
            buf_free(&c->out);
        c->out_at = 0;
        c->stuck_ns = 0;
    } else if (!c->stuck_ns) {
        c->stuck_ns = clock_mono_ns();
    } else if (clock_mono_ns() - c->stuck_ns > STUCK_SECONDS * NSEC_PER_SEC) {
        client_drop(c, "it did not read what was sent for a minute");
    }
}

void dap_event_now(struct dap_client *c, const char *name, struct dap_body *body)
{
    dap_body_end(body);
    put_event(c, name, buf_text(&body->text), body->text.n);
    dap_body_free(body);
    client_send(c); /* one that is gone is found out by the loop, not under a request of its own */
}

bool dap_cancelled(struct dap_server *s)
{
    struct dap_client *c = s->now;
    struct pollfd p = {.events = POLLIN};
    if (s->o->signal && s->o->signal())
        return true;
    if (!c || !may_read(c))
        return c && c->cancel_handled;
    p.fd = c->in_fd;
    if (poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
        client_read(c);
    return c->cancel_handled;
}

/* ---- answers ---- */

void dap_defer(struct dap_client *c)
{
    c->answer_later = true;
}

static void end_deferred(struct dap_client *c)
{
    c->deferred.is = false;
    send_later(c->server, 0);
}

void dap_answer(struct dap_client *c)
{
    if (!c->deferred.is)
        return;
    dap_put_response(&c->out, c->seq++, c->deferred.seq, c->deferred.command, "{}", 2);
    end_deferred(c);
}

void dap_refuse(struct dap_client *c, struct err *e)
{
    if (c->deferred.is) {
        dap_put_failure(&c->out, c->seq++, c->deferred.seq, c->deferred.command, e,
                        err_code(e) == ERR_CANCELLED ? "cancelled" : NULL,
                        err_code(e) != ERR_CANCELLED);
        end_deferred(c);
    }
    err_free(e);
}

bool dap_may_handle(const struct dap_client *c)
{
    return c->queue.n && !c->gone && backlog(c) < DAP_BACKLOG;
}

void dap_handle_one(struct dap_client *c)
{
    struct dap_server *s = c->server;
    struct dap_client *before = s->now; /* that waits for the program (busy.c) */
    size_t events = s->later.n;
    struct dap_queued q = c->queue.v[0];
    memmove(c->queue.v, c->queue.v + 1, (c->queue.n - 1) * sizeof(q));
    c->queue.n--;
    s->handling = true;
    s->now = c;
    dap_handle_message(c, q.text, q.n, q.cancelled);
    if (!before)
        dap_call_ends(s);
    s->handling = false;
    s->now = before;
    send_later(s, events);
    free(q.text);
    if (!c->gone && !c->ended_input)
        take_messages(c);
}

/* Somebody who sees the output has so much of it to read still that the program may wait. */
bool dap_readers_are_behind(const struct dap_server *s)
{
    for (size_t i = 0; i < s->clients.n; i++)
        if (backlog(s->clients.v[i]) > DAP_BACKLOG / 2)
            return true;
    return false;
}

/* ---- progress ---- */

static struct json *progress_begin(struct dap_body *b, const char *id, const char *title)
{
    struct json *j = dap_body_begin(b);
    json_kstr(j, "progressId", id);
    if (title) {
        json_kstr(j, "title", title);
        json_kbool(j, "cancellable", true);
    }
    return j;
}

void dap_progress(struct dap_client *c, const char *event_name, const char *id, const char *title,
                  const char *message)
{
    struct dap_body b;
    if (!c->can.supportsProgressReporting)
        return;
    struct json *j = progress_begin(&b, id, title);
    if (message)
        json_kstr(j, "message", message);
    dap_event_to(c, event_name, &b);
}

void dap_progress_now(struct dap_client *c, const char *event_name, const char *title,
                      unsigned percent)
{
    struct dap_body b;
    struct json *j = progress_begin(&b, c->server->progress_id, title);
    if (title)
        json_ki64(j, "requestId", c->handled_seq);
    if (percent != DAP_NO_PERCENT)
        json_ku64(j, "percentage", percent);
    dap_event_now(c, event_name, &b);
}

/* ---- the loop ---- */

enum {
    FD_LISTEN,
    FD_SESSION,
    FD_OUTPUT,
    FD_BUILD = FD_OUTPUT + 2,
    FD_TERMINAL,
    FD_CLIENTS = FD_TERMINAL + 2
};

struct polls {
    struct pollfd v[FD_CLIENTS + 2 * DAP_CLIENTS_MAX];
    size_t n;
};

static void what_to_poll(struct dap_server *s, struct polls *p)
{
    struct dap_session *se = &s->session;
    bool output = !dap_readers_are_behind(s);
    int fds[FD_CLIENTS] = {
        [FD_LISTEN] = s->clients.n < DAP_CLIENTS_MAX ? s->listen_fd : -1,
        [FD_SESSION] = se->d && dbg_state(se->d) != DBG_OVER ? dbg_fd(se->d) : -1,
        [FD_OUTPUT] = output ? se->output[0].fd : -1,
        [FD_OUTPUT + 1] = output ? se->output[1].fd : -1,
        [FD_BUILD] = output ? se->build.out.fd : -1,
        [FD_TERMINAL] = se->terminal.fd < 0 ? se->terminal.listen_fd : -1,
        [FD_TERMINAL + 1] = se->terminal.fd,
    };
    for (size_t i = 0; i < FD_CLIENTS; i++)
        p->v[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    p->n = FD_CLIENTS;
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        p->v[p->n++] = (struct pollfd){.fd = may_read(c) ? c->in_fd : -1, .events = POLLIN};
        p->v[p->n++] = (struct pollfd){.fd = backlog(c) ? c->out_fd : -1, .events = POLLOUT};
    }
}

static int timeout_ms(const struct dap_server *s)
{
    int ms = s->session.wait_for.name ? 20 : -1;
    for (size_t i = 0; i < s->clients.n; i++) {
        const struct dap_client *c = s->clients.v[i];
        if (dap_may_handle(c) || c->gone || (c->ended_input && !c->queue.n))
            return 0;
        if (c->stuck_ns && ms < 0)
            ms = 1000;
    }
    return ms;
}

static void accept_client(struct dap_server *s)
{
    struct err *e = NULL;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (dap_peer_allowed(fd, s->o->any_address, &e)) {
        client_new(s, fd, fd);
        return;
    }
    s->o->say(s->o->say_arg, err_message(e));
    err_free(e);
    close(fd);
}

void dap_accept(struct dap_server *s)
{
    struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
    if (s->listen_fd >= 0 && s->clients.n < DAP_CLIENTS_MAX && poll(&p, 1, 0) > 0)
        accept_client(s);
}

static void serve_polled(struct dap_server *s, const struct polls *p, size_t nclients)
{
    struct dap_session *se = &s->session;
    for (size_t i = 0; i < 2; i++)
        if (p->v[FD_OUTPUT + i].revents && se->output[i].fd == p->v[FD_OUTPUT + i].fd)
            dap_output_read(s, &se->output[i], NULL);
    if (p->v[FD_SESSION].revents)
        dap_session_poll(s);
    if (p->v[FD_BUILD].revents)
        dap_build_poll(s);
    if (p->v[FD_TERMINAL].revents || p->v[FD_TERMINAL + 1].revents)
        dap_terminal_poll(s);
    for (size_t i = 0; i < nclients; i++)
        if (p->v[FD_CLIENTS + 2 * i].revents)
            client_read(s->clients.v[i]);
    if (p->v[FD_LISTEN].revents & POLLIN)
        accept_client(s);
}

/* Those that have gone, and of those that want to go, who have got everything. */
static void tidy_clients(struct dap_server *s)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        if (c->ended_input && !c->queue.n && !c->leaving && !c->gone)
            client_drop(c, "it closed its end");
        if (c->leaving && !backlog(c) && !c->gone)
            client_drop(c, "it was sent away");
    }
    for (size_t i = 0; i < s->clients.n;) {
        if (s->clients.v[i]->gone) {
            client_free(s->clients.v[i]);
            memmove(&s->clients.v[i], &s->clients.v[i + 1],
                    (s->clients.n - i - 1) * sizeof(s->clients.v[0]));
            s->clients.n--;
        } else {
            i++;
        }
    }
}

static bool done(const struct dap_server *s)
{
    return (s->listen_fd < 0 && !s->clients.n) || (s->o->signal && s->o->signal());
}

static void loop(struct dap_server *s)
{
    struct polls *p = mem_alloc(sizeof(*p));
    while (!done(s)) {
        size_t nclients = s->clients.n;
        what_to_poll(s, p);
        if (poll(p->v, p->n, timeout_ms(s)) > 0)
            serve_polled(s, p, nclients);
        dap_wait_for_poll(s);
        for (size_t i = 0; i < s->clients.n; i++)
            if (dap_may_handle(s->clients.v[i]))
                dap_handle_one(s->clients.v[i]);
        for (size_t i = 0; i < s->clients.n; i++)
            client_write(s->clients.v[i]);
        tidy_clients(s);
    }
    free(p);
}

/* What is said at the very end is sent while the peer takes it, a little while. */
static void say_goodbye(struct dap_server *s)
{
    int64_t until = clock_mono_ns() + NSEC_PER_SEC / 2;
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        while (backlog(c) && !c->gone && clock_mono_ns() < until) {
            struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
            if (poll(&p, 1, 50) > 0)
                client_write(c);
        }
    }
}

/* A pipe opened once more does not block, and the peer's end does not change by that.  Anything
 * else stays as it is. */
static int unblocked(int fd)
{
    char path[64];
    struct stat st;
    if (fstat(fd, &st) || !S_ISFIFO(st.st_mode))
        return fd;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (again < 0)
        return fd;
    close(fd);
    fcntl(again, F_SETPIPE_SZ, PIPE_SIZE);
    return again;
}

/* Standard input and output become the channel, and nothing else can get into it. */
static struct err *on_stdio(struct dap_server *s)
{
    int in = fcntl(0, F_DUPFD_CLOEXEC, 3), out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (in < 0 || out < 0 || null < 0)
        return err_sys(errno, "standard input and output");
    dup2(null, 0);
    dup2(fcntl(2, F_GETFD) >= 0 ? 2 : null, 1);
    close(null);
    client_new(s, in, unblocked(out));
    return NULL;
}

static struct err *begin(struct dap_server *s)
{
    if (s->o->log) {
        s->log_fd = open(s->o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (s->log_fd < 0)
            return err_sys(errno, "--log: cannot open %s", s->o->log);
    }
    if (!s->o->listen)
        return on_stdio(s);
    struct buf where = {0};
    struct err *e =
        dap_listen(s->o->listen, s->o->any_address, &s->listen_fd, &s->unix_path, &where);
    if (!e)
        s->o->say(s->o->say_arg, buf_text(&where));
    buf_free(&where);
    return e;
}

struct err *dap_serve(const struct dap_options *o)
{
    if (o->terminal)
        return dap_terminal_helper(o->terminal);
    struct dap_server *s = mem_alloc(sizeof(*s));
    s->o = o;
    s->listen_fd = s->log_fd = -1;
    dap_session_init(&s->session);
    struct err *e = begin(s);
    if (!e)
        loop(s);
    dap_session_end(s, s->session.kind == DAP_LAUNCHED);
    say_goodbye(s);
    while (s->clients.n) {
        s->clients.v[0]->gone = true;
        tidy_clients(s);
    }
    dap_log_free(&s->session);
    arena_free(&s->session.mem);
    vec_free(&s->clients);
    vec_free(&s->later);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->unix_path)
        unlink(s->unix_path);
    free(s->unix_path);
    if (s->log_fd >= 0)
        close(s->log_fd);
    free(s);
    return e;
}
