/* talk.c - errors, notes, progress, signals: everything gospect says on standard error. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "front/cli/cli_int.h"

/* Progress is shown when work takes longer than this, and drawn again not more often than that. */
enum { PROGRESS_AFTER_MS = 500, PROGRESS_EVERY_MS = 100 };

static struct cli *the_cli; /* for logging, which carries no argument */
static volatile sig_atomic_t got_signal;

static struct err *to_stderr(void *arg, const char *bytes, size_t n)
{
    return write_all(2, "standard error", bytes, n);
}

static const char *code_name(enum err_code code)
{
    static const char *const names[] = {[ERR_NOMEM] = "no_memory",
                                        [ERR_SYS] = "system",
                                        [ERR_FAULT] = "unreadable_memory",
                                        [ERR_BAD_DATA] = "bad_data",
                                        [ERR_NOT_FOUND] = "not_found",
                                        [ERR_GONE] = "gone",
                                        [ERR_LIMIT] = "limit",
                                        [ERR_UNSUPPORTED] = "unsupported",
                                        [ERR_USAGE] = "usage",
                                        [ERR_CANCELLED] = "cancelled"};
    return code < ARRAY_LEN(names) && names[code] ? names[code] : "unknown";
}

/* What cannot be said (standard error closed) is dropped: there is nowhere left to say it. */
static void put(const struct buf *b)
{
    err_free(write_all(2, "standard error", buf_text(b), b->n));
}

static void say_json(const char *key, const struct err *e, const char *text)
{
    struct json j;
    json_init(&j, to_stderr, NULL);
    json_begin(&j, '{');
    json_key(&j, key);
    if (e) {
        json_begin(&j, '{');
        json_kstr(&j, "code", code_name(err_code(e)));
        json_kstr(&j, "message", err_message(e));
        json_kstr(&j, "hint", err_hint_text(e));
        if (err_excerpt_text(e))
            json_kstr(&j, "excerpt", err_excerpt_text(e));
        json_end(&j, '}');
    } else {
        json_str(&j, text);
    }
    json_end(&j, '}');
    json_newline(&j);
    err_free(json_finish(&j));
}

/* A sentence ends with a full stop, a question mark or what it quotes. */
static void sentence(struct buf *b, const char *text)
{
    text_clean(b, text);
    size_t n = strlen(text);
    if (n && !strchr(".?!", text[n - 1]))
        buf_char(b, '.');
}

/* A hint begins a sentence, unless with a command to type. */
static void hint_sentence(struct buf *b, const char *hint)
{
    bool command = strncmp(hint, "gospect ", 8) == 0;
    buf_char(b, *hint >= 'a' && *hint <= 'z' && !command ? (char)(*hint - 'a' + 'A') : *hint);
    sentence(b, hint + 1);
}

/* The lines of an excerpt, as they are: a caret must stay below its place. */
static void add_excerpt(struct buf *b, const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        char *line = mem_alloc(n + 1);
        memcpy(line, text, n);
        buf_str(b, "    ");
        text_clean(b, line);
        buf_char(b, '\n');
        free(line);
        text += n + (text[n] == '\n');
    }
}

static void say_text(struct cli *c, enum cli_style style, const char *message, const char *hint,
                     const char *excerpt)
{
    struct buf text = {0}, b = {0};
    sentence(&text, message);
    if (hint && *hint) {
        buf_char(&text, ' ');
        hint_sentence(&text, hint);
    }
    buf_printf(&b, "%sgospect:%s ", cli_style(c->term.err_color, style),
               cli_style(c->term.err_color, CLI_PLAIN));
    text_wrap(&b, buf_text(&text), c->term.err_width, strlen("gospect: "), 2);
    buf_char(&b, '\n');
    add_excerpt(&b, excerpt);
    put(&b);
    buf_free(&b);
    buf_free(&text);
}

void cli_say_error(struct cli *c, struct err *e)
{
    if (!e)
        return;
    cli_progress_clear(c);
    if (c->json)
        say_json("error", e, NULL);
    else
        say_text(c, CLI_RED, err_message(e), err_hint_text(e), err_excerpt_text(e));
    err_free(e);
}

void cli_warn(struct cli *c, struct err *e)
{
    if (!e)
        return;
    if (err_hint_text(e))
        cli_note(c, "%s. %s", err_message(e), err_hint_text(e));
    else
        cli_note(c, "%s", err_message(e));
    err_free(e);
}

void cli_note(struct cli *c, const char *fmt, ...)
{
    if (c->quiet)
        return;
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    cli_progress_clear(c);
    if (c->json)
        say_json("note", NULL, buf_text(&b));
    else
        say_text(c, CLI_YELLOW, buf_text(&b), NULL, NULL);
    buf_free(&b);
}

static void log_line(enum log_level level, const char *text)
{
    struct buf b = {0};
    buf_str(&b, level == LOG_WARN ? "gospect: warning: " : "gospect: ");
    text_clean(&b, text);
    cli_progress_clear(the_cli);
    if (the_cli->json) {
        say_json("log", NULL, buf_text(&b) + strlen("gospect: "));
    } else {
        buf_char(&b, '\n');
        put(&b);
    }
    buf_free(&b);
}

static void out_of_memory(size_t n)
{
    char text[128];
    int len =
        snprintf(text, sizeof(text), "gospect: out of memory (%zu bytes were asked for).\n", n);
    if (len > 0 && write(2, text, (size_t)len) < 0)
        _exit(CLI_COULD_NOT);
    _exit(CLI_COULD_NOT);
}

static enum log_level wanted_level(const struct cli *c)
{
    static const char *const words[] = {"none", "warn", "info", "debug"};
    enum log_level level = LOG_NONE;
    const char *env = getenv("GOSPECT_LOG");
    for (size_t i = 0; env && i < ARRAY_LEN(words); i++)
        if (strcmp(env, words[i]) == 0)
            level = (enum log_level)i;
    unsigned given = c->args.opt[OPT_verbose].given;
    if (given)
        level = given == 1 ? LOG_INFO : LOG_DEBUG;
    return level;
}

void cli_talk_init(struct cli *c)
{
    the_cli = c;
    mem_set_oom_handler(out_of_memory);
    log_set(wanted_level(c), log_line);
}

/* ---- progress ---- */

void cli_progress_clear(struct cli *c)
{
    if (!c->progress.drawn)
        return;
    c->progress.drawn = false;
    struct buf b = {0};
    buf_str(&b, "\r\x1b[K");
    put(&b);
    buf_free(&b);
}

static void draw(struct cli_progress *p, const char *what, uint64_t done, uint64_t total)
{
    struct buf line = {0}, b = {0};
    int64_t now = clock_mono_ns();
    buf_str(&line, what);
    if (total) {
        done = min_u64(done, total);
        buf_printf(&line, "  %d %%", (int)(100.0 * (double)done / (double)total));
        int64_t spent = now - p->phase_ns;
        if (done && spent > PROGRESS_AFTER_MS * NSEC_PER_MSEC) {
            buf_str(&line, "  ");
            text_ns(&line, (int64_t)((double)spent * (double)(total - done) / (double)done));
            buf_str(&line, " left");
        }
    } else if (done) {
        buf_str(&line, "  ");
        text_count(&line, done);
    }
    buf_str(&b, "\r");
    text_fit(&b, buf_text(&line), p->cli->term.err_width - 1, TEXT_CUT_END);
    buf_str(&b, "\x1b[K");
    put(&b);
    buf_free(&b);
    buf_free(&line);
    p->drawn = true;
    p->drawn_ns = now;
}

static void show(struct progress *base, const char *what, uint64_t done, uint64_t total)
{
    struct cli_progress *p = (struct cli_progress *)base;
    int64_t now = clock_mono_ns();
    if (p->phase != what) {
        p->phase = what;
        p->phase_ns = now;
    }
    if (now - p->began_ns < PROGRESS_AFTER_MS * NSEC_PER_MSEC ||
        now - p->drawn_ns < PROGRESS_EVERY_MS * NSEC_PER_MSEC)
        return;
    draw(p, what, done, total);
}

static bool cancelled(struct progress *base)
{
    return got_signal != 0;
}

void cli_progress_init(struct cli *c)
{
    struct cli_progress *p = &c->progress;
    *p = (struct cli_progress){.cli = c, .began_ns = clock_mono_ns()};
    p->base.cancelled = cancelled;
    if (c->term.err_tty && !c->quiet && !c->json)
        p->base.show = show;
}

/* ---- signals ---- */

static void on_signal(int sig)
{
    if (got_signal) { /* again: now */
        signal(sig, SIG_DFL);
        raise(sig);
    }
    got_signal = sig;
}

void cli_signals_init(void)
{
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: waits end early */
    sigemptyset(&sa.sa_mask);
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
        struct sigaction old;
        if (sigaction(sigs[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* nohup */
            sigaction(sigs[i], &sa, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large (ulimit -f) is an error of write() */
}

int cli_signal(void)
{
    return got_signal;
}
