/* dump.c - a core file of the program as it stands: the request writeCore, and `dump FILE` in the
 * repl.
 *
 * It is written while the request is handled, and the client hears of the progress meanwhile; a
 * cancel request ends it, and nothing is left of the file. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/dap/dap_int.h"

#define SHOWN_EVERY_NS (NSEC_PER_SEC / 4)

struct writing {
    struct progress progress; /* first: what the callbacks get */
    struct dap_client *c;
    int64_t shown_ns;
    bool begun;
};

static void show(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    struct writing *w = (struct writing *)p;
    int64_t now = clock_mono_ns();
    (void)what;
    if (!w->c->can.supportsProgressReporting || now - w->shown_ns < SHOWN_EVERY_NS)
        return; /* what is done at once needs no progress */
    w->shown_ns = now;
    dap_progress_now(w->c, w->begun ? "progressUpdate" : "progressStart",
                     w->begun ? NULL : "Writing a core",
                     total ? (unsigned)(done * 100 / total) : DAP_NO_PERCENT);
    w->begun = true;
}

static bool cancelled(struct progress *p)
{
    return dap_cancelled(((struct writing *)p)->c->server);
}

static struct err *write_core(struct dap_client *c, const char *path, bool replace,
                              struct target_core_stats *ret)
{
    struct dap_server *s = c->server;
    struct writing w = {
        .progress = {.show = show, .cancelled = cancelled}, .c = c, .shown_ns = clock_mono_ns()};
    struct target_core_options o = {.progress = &w.progress};
    struct stat st;
    if (s->session.kind == DAP_CORE)
        return err_new(ERR_UNSUPPORTED, "the session is a core: there is no process");
    if (!replace && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return err_hint(err_new(ERR_USAGE, "%s exists already", path),
                        "Say \"replace\": true (dump -force FILE in the console), or name another");
    c->changes = true;
    snprintf(s->progress_id, sizeof(s->progress_id), "core-%lld", (long long)++s->next_progress);
    struct err *e = target_write_core(dbg_target(s->session.d), path, &o, ret);
    if (w.begun)
        dap_progress_now(c, "progressEnd", NULL, DAP_NO_PERCENT);
    *s->progress_id = '\0';
    return e;
}

struct err *dap_do_writeCore(struct dap_client *c, const struct dap_writeCore *a, struct json *j)
{
    struct target_core_stats stats;
    TRY(write_core(c, a->path, a->replace, &stats));
    json_kstr(j, "path", a->path);
    json_ku64(j, "bytes", stats.bytes);
    json_ku64(j, "sparseBytes", stats.sparse_bytes);
    json_ku64(j, "unreadableBytes", stats.unreadable_bytes);
    json_ku64(j, "threads", stats.threads);
    return NULL;
}

/* ---- in the repl ---- */

static const char *behind_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    text += strspn(text, " \t");
    if (strncmp(text, word, n) != 0 || (text[n] != ' ' && text[n] != '\t'))
        return NULL;
    return text + n + strspn(text + n, " \t");
}

/* In Go no operand follows a name: what begins a file's name is none of an expression, but for "/",
 * and a variable called dump can be divided in brackets. */
bool dap_is_dump(const char *text)
{
    const char *rest = behind_word(text, "dump");
    if (rest && behind_word(rest, "-force"))
        return true;
    return rest && *rest && !strchr("+-*%&|^<>=!([{}]),;:?", *rest);
}

struct err *dap_dump(struct dap_client *c, const char *text, struct json *j)
{
    struct target_core_stats stats;
    struct buf said = {0};
    const char *rest = behind_word(text, "dump"), *forced = behind_word(rest, "-force");
    const char *from = forced ? forced : rest;
    size_t n = strlen(from);
    while (n && (from[n - 1] == ' ' || from[n - 1] == '\t'))
        n--;
    const char *path = arena_strndup(&c->hand.mem, from, n);
    TRY(write_core(c, path, forced != NULL, &stats));
    buf_printf(&said, "%s  ", path);
    text_bytes(&said, stats.bytes + stats.sparse_bytes);
    json_kstr(j, "result", buf_text(&said));
    json_ki64(j, "variablesReference", 0);
    buf_free(&said);
    return NULL;
}
