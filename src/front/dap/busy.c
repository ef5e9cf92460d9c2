/* busy.c - while a request waits for a function of the program that it has called.
 *
 * The function may take for ever, and the request's client waits for its answer.  Nobody else does:
 * whoever else is in the session is heard and answered meanwhile, in the middle of the request
 * (dbg_run_on() asks some times a second).  What needs no program, breakpoints, and the list of
 * goroutines (for which everything is stopped for a moment) are answered as always; what is about a
 * program that stands is refused, with the reason: its frames are not what they were when the
 * client was told of them, and will be so again when the function has returned.  Who was refused is
 * then told to ask again.
 *
 * The request itself is told as progress after half a second, and every second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/dap/dap_int.h"

enum { AT_ONCE = 64, TEXT_MAX = 100 };
#define FIRST_TOLD_NS (NSEC_PER_SEC / 2)

void dap_call_may_begin(struct dap_client *c, const char *what, const char *text)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    buf_printf(&b, "%s %s", what, text);
    free(c->server->call.text);
    c->server->call.text = buf_take(&b);
    buf_free(&b);
}

static const char *text_of(const struct dap_server *s)
{
    return s->call.text ? s->call.text : "";
}

struct err *dap_busy(struct dap_server *s)
{
    struct buf time = {0};
    s->call.refused = true;
    text_ns(&time, clock_mono_ns() - s->call.began_ns);
    struct err *e = err_new(
        ERR_USAGE, "busy: a function of the program runs %s, asked by %s (client %u), for %s now",
        text_of(s), s->call.client->name, s->call.client->id, buf_text(&time));
    buf_free(&time);
    return err_hint(e, "Ask again when it has returned; pause gives it up");
}

/* Nothing, while it is short; then that it began, and how long it runs. */
static void tell_progress(struct dap_server *s)
{
    struct buf title = {0}, message = {0};
    int64_t now = clock_mono_ns();
    if (now - (s->call.told_ns ? s->call.told_ns : s->call.began_ns) <
        (s->call.told_ns ? NSEC_PER_SEC : FIRST_TOLD_NS))
        return;
    bool first = !s->call.told_ns;
    s->call.told_ns = now;
    if (first) {
        snprintf(s->progress_id, sizeof(s->progress_id), "call-%lld",
                 (long long)++s->next_progress);
        buf_printf(&title, "A function runs %s", text_of(s));
        dap_log(s, s->call.client, "waits for a function", "%s", text_of(s));
    }
    text_ns(&message, now - s->call.began_ns);
    dap_progress(s->call.client, first ? "progressStart" : "progressUpdate", s->progress_id,
                 first ? buf_text(&title) : NULL, buf_text(&message));
    buf_free(&title);
    buf_free(&message);
}

/* A client that leaves others behind disturbs nobody. */
static bool wants_it_to_stop(const struct dap_server *s, const struct dap_client *c,
                             const struct dap_queued *q)
{
    return q->halts && c->in_session && !(q->leaves && c != s->call.client);
}

static bool wait_is_over(const struct dap_server *s)
{
    const struct dap_client *caller = s->call.client;
    bool over = (s->o->signal && s->o->signal()) || caller->cancel_handled || caller->ended_input ||
                caller->gone;
    for (size_t i = 0; !over && i < s->clients.n; i++)
        for (size_t k = 0; !over && k < s->clients.v[i]->queue.n; k++)
            over = wants_it_to_stop(s, s->clients.v[i], &s->clients.v[i]->queue.v[k]);
    return over;
}

/* In the order in which they came, up to one that ends the wait. */
static void answer_others(struct dap_server *s)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        for (int n = 0; n < AT_ONCE && c != s->call.client && dap_may_handle(c) &&
                        !wants_it_to_stop(s, c, &c->queue.v[0]);
             n++)
            dap_handle_one(c);
    }
}

static void pass_output(struct dap_server *s)
{
    for (size_t i = 0; i < 2; i++)
        while (s->session.output[i].fd >= 0 && !dap_readers_are_behind(s) &&
               dap_output_ready(&s->session.output[i]) &&
               dap_output_read(s, &s->session.output[i], NULL))
            ;
}

bool dap_call_goes_on(void *server)
{
    struct dap_server *s = server;
    bool handling = s->handling;
    if (!s->now || s->call.waits) /* it was asked for by what is answered meanwhile */
        return false;
    if (!s->call.began_ns)
        s->call.began_ns = clock_mono_ns();
    s->call.client = s->now;
    s->call.waits = true;
    s->handling = false; /* what comes now is told now */
    tell_progress(s);
    pass_output(s);
    dap_accept(s);
    for (size_t i = 0; i < s->clients.n; i++)
        dap_hear(s->clients.v[i]);
    if (!wait_is_over(s))
        answer_others(s);
    for (size_t i = 0; i < s->clients.n; i++)
        dap_hear(s->clients.v[i]);
    s->handling = handling;
    s->call.waits = false;
    return wait_is_over(s);
}

void dap_call_ends(struct dap_server *s)
{
    if (s->call.told_ns) {
        dap_progress(s->call.client, "progressEnd", s->progress_id, NULL, NULL);
        *s->progress_id = '\0';
    }
    if (s->call.refused)
        for (size_t i = 0; i < s->clients.n; i++)
            if (s->clients.v[i] != s->call.client)
                dap_invalidated(s, s->clients.v[i], "all");
    free(s->call.text);
    memset(&s->call, 0, sizeof(s->call));
}
