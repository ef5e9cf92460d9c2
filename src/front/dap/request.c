/* request.c - from a message to its handler and back, by the rows of requests.def. */
#include <stdlib.h>
#include <string.h>

#include "front/dap/dap_int.h"

enum { LOGGED = 1 << 0, SHOWN = 1 << 1 };

struct row {
    const char *name;
    unsigned states, flags;
    const struct dap_record *args;
    struct err *(*handle)(struct dap_client *c, const void *args, struct json *j);
};

#define REQUEST(name, states, flags)                                                               \
    static struct err *handle_##name(struct dap_client *c, const void *a, struct json *j)          \
    {                                                                                              \
        return dap_do_##name(c, a, j);                                                             \
    }
#include "front/dap/requests.def"
#undef REQUEST

#define REQUEST(name, states, flags) {#name, states, flags, &dap_record_##name, handle_##name},
static const struct row rows[] = {
#include "front/dap/requests.def"
};
#undef REQUEST

static const struct row *row_of(const char *command)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].name, command) == 0)
            return &rows[i];
    return NULL;
}

static const char *state_text(enum dap_state st)
{
    switch (st) {
    case DAP_NEW:
        return "before the request initialize";
    case DAP_IDLE:
        return "before launch or attach";
    case DAP_PREPARING:
        return "while the program is being prepared";
    case DAP_STANDS:
        return "while the program stands";
    case DAP_RUNS:
        return "while the program runs";
    case DAP_FILE:
        return "with a snapshot, which is no process";
    case DAP_OVER:
        return "after the program has ended";
    default:
        return "now";
    }
}

static struct err *run(struct dap_client *c, const struct row *row, const struct dap_message *m,
                       struct arena *a, struct json *j)
{
    void *args;
    if (!(row->states & dap_state_of(c)) && dap_state_of(c) == DAP_BUSY)
        return dap_busy(c->server);
    if (!(row->states & dap_state_of(c)))
        return err_new(ERR_USAGE, "%s is not possible %s", row->name, state_text(dap_state_of(c)));
    TRY(dap_args_read(row->args, m->arguments, a, &args));
    dap_hand_fresh(c);
    return row->handle(c, args, j);
}

static const char *word_for(const struct dap_client *c, const struct row *row, const struct err *e)
{
    if (err_code(e) == ERR_CANCELLED)
        return "cancelled";
    return row && row->states & DAP_STANDS && !(row->states & DAP_RUNS) &&
                   dap_state_of(c) & (DAP_RUNS | DAP_BUSY)
               ? "notStopped"
               : NULL;
}

static void answer(struct dap_client *c, const struct dap_message *m, const struct row *row,
                   struct err *e, struct dap_body *b)
{
    if (e) {
        bool show = row && row->flags & SHOWN && err_code(e) != ERR_CANCELLED;
        dap_put_failure(&c->out, c->seq++, m->seq, m->command, e, word_for(c, row, e), show);
    } else if (c->answer_later) {
        c->deferred.is = true;
        c->deferred.seq = m->seq;
        c->deferred.command = row->name;
    } else {
        dap_take_response(&c->out, c->seq++, m->seq, m->command, &b->text);
    }
    if (row && (row->flags & LOGGED || c->changes))
        dap_log_request(c, m, e);
}

static void handle_request(struct dap_client *c, const struct dap_message *m, bool cancelled,
                           struct arena *a)
{
    const struct row *row = row_of(m->command);
    struct err *e = NULL;
    struct dap_body b;
    struct json *j = dap_body_begin(&b);
    c->answer_later = false;
    c->handled_seq = m->seq;
    c->cancel_handled = c->changes = false;
    if (cancelled)
        e = err_new(ERR_CANCELLED, "%s was cancelled", m->command);
    else if (!row)
        e = err_new(ERR_UNSUPPORTED, "gospect knows no request \"%s\"", m->command);
    else
        e = run(c, row, m, a, j);
    if (e) { /* what was written of an answer is dropped, brackets open */
        err_free(json_finish(&b.j));
    } else {
        dap_body_end(&b);
    }
    if (!c->gone)
        answer(c, m, row, e, &b);
    dap_body_free(&b);
    err_free(e);
}

void dap_handle_message(struct dap_client *c, const char *text, size_t n, bool cancelled)
{
    struct arena a;
    struct dap_message m;
    arena_init(&a);
    struct err *e = dap_message_read(text, n, &a, &m);
    if (e && m.seq && *m.command) {
        dap_put_failure(&c->out, c->seq++, m.seq, m.command, e, NULL, false);
    } else if (e) { /* there is no number that an answer could carry */
        struct dap_body b;
        struct json *j = dap_body_begin(&b);
        struct buf said = {0};
        buf_printf(&said, "gospect: a message was ignored: %s\n", err_message(e));
        json_kstr(j, "category", "important");
        json_kstr(j, "output", buf_text(&said));
        buf_free(&said);
        dap_event_to(c, "output", &b);
    } else if (m.type == DAP_RESPONSE) {
        dap_terminal_response(c, &m);
    } else {
        handle_request(c, &m, cancelled, &a);
    }
    err_free(e);
    arena_free(&a);
}
