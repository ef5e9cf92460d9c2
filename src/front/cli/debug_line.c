/* debug_line.c - lines that are typed: editing, history, completion (libedit); and lines that come
 * from a pipe.
 *
 * History is kept in $XDG_STATE_HOME/gospect/debug_history (~/.local/state when that is not set),
 * for the user alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <editline/readline.h>

#include "front/cli/debug_int.h"

enum { HISTORY_MAX = 1000, CANDIDATES_MAX = 500 };

static struct shell *the_shell; /* libedit's hooks carry no argument */

/* ---- candidates ---- */

struct candidates {
    struct arena arena;
    VEC(const char *) v;
    size_t next;
};
static struct candidates found;

static void offer(const char *text, const char *candidate)
{
    if (found.v.n < CANDIDATES_MAX && strncmp(candidate, text, strlen(text)) == 0)
        vec_push(&found.v, arena_strdup(&found.arena, candidate));
}

/* What is completed of a place is a word of libedit's, which ends at parentheses: `lead` is what
 * stands before it, up to the blank. */
static void offer_place(const char *lead, const char *text, const char *candidate)
{
    size_t n = strlen(lead);
    if (strncmp(candidate, lead, n) == 0)
        offer(text, candidate + n);
}

static void offer_verbs(const char *text)
{
    for (size_t i = 0; i < debug_nverbs; i++)
        if (debug_verbs[i].names)
            offer(text, arena_strndup(&found.arena, debug_verbs[i].names,
                                      strcspn(debug_verbs[i].names, " ")));
}

/* Functions as people write them (short package), and the files' last names. */
static void offer_places(struct shell *s, const char *lead, const char *text)
{
    const char *const *names;
    size_t n;
    struct buf b = {0};
    struct err *e = rt_names(dbg_stand(s->d), RT_NAMES_FUNCS, NULL, &found.arena, &names, &n);
    for (size_t i = 0; !e && i < n; i++) {
        const char *slash = strrchr(names[i], '/');
        offer_place(lead, text, slash && !strchr(names[i], '[') ? slash + 1 : names[i]);
    }
    err_free(e);
    e = rt_names(dbg_stand(s->d), RT_NAMES_FILES, NULL, &found.arena, &names, &n);
    for (size_t i = 0; !e && i < n; i++) {
        const char *slash = strrchr(names[i], '/');
        buf_clear(&b);
        buf_printf(&b, "%s:", slash ? slash + 1 : names[i]);
        offer_place(lead, text, buf_text(&b));
    }
    buf_free(&b);
    err_free(e);
}

/* What of the line stands before the word at start, back to a blank. */
static const char *lead_of(const char *line, size_t start)
{
    size_t from = start;
    while (from && line[from - 1] != ' ' && line[from - 1] != '\t')
        from--;
    return arena_strndup(&found.arena, line + from, start - from);
}

static void offer_breakpoints(struct shell *s, const char *text)
{
    struct dbg_bp *v;
    size_t n = dbg_bp_list(s->d, &found.arena, &v);
    for (size_t i = 0; i < n; i++) {
        offer(text, arena_printf(&found.arena, "%u", v[i].id));
        if (*v[i].spec.name)
            offer(text, v[i].spec.name);
    }
}

/* The word that is completed may be a whole path of selectors: only its last name is replaced. */
static void offer_names(struct shell *s, const char *text)
{
    struct where w;
    const char *const *names;
    size_t n, last = strlen(text);
    struct err *e = shell_where(s, &found.arena, 1, &w);
    if (e) {
        err_free(e);
        return;
    }
    struct expr_ctx ctx = {.st = dbg_stand(s->d),
                           .frame = w.frame,
                           .g = w.has_g ? w.g.g : 0,
                           .tid = w.tid,
                           .arena = &found.arena};
    while (last && text[last - 1] != '.')
        last--;
    e = expr_complete(&ctx, text, CANDIDATES_MAX, &names, &n);
    for (size_t i = 0; !e && i < n; i++)
        offer(text, arena_printf(&found.arena, "%.*s%s", (int)last, text, names[i]));
    err_free(e);
}

static char *next_candidate(const char *text, int state)
{
    if (state == 0)
        found.next = 0;
    return found.next < found.v.n ? strdup(found.v.v[found.next++]) : NULL;
}

/* The verb of the line, behind those that take another command. */
static const struct verb *verb_of(const char *line, size_t start)
{
    const struct verb *v = NULL;
    for (size_t at = strspn(line, " \t"); at < start;) {
        size_t n = strcspn(line + at, " \t");
        const struct verb *w = debug_verb_find(line + at, n);
        if (!v || (w && strstr(v->args, "COMMAND")))
            v = w ? w : v;
        at += n + strspn(line + at + n, " \t");
    }
    return v;
}

static char **complete(const char *text, int start, int end)
{
    struct shell *s = the_shell;
    const struct verb *v = verb_of(rl_line_buffer, (size_t)start);
    bool stands = shell_state(s) == DBG_STANDS;
    arena_free(&found.arena);
    vec_free(&found.v);
    arena_init(&found.arena);
    rl_attempted_completion_over = 1;
    if (!v || strstr(v->args, "COMMAND"))
        offer_verbs(text);
    if (v && v->flags & VERB_FILES) {
        rl_attempted_completion_over = 0;
        return NULL;
    }
    if (v && v->flags & VERB_PLACE && stands)
        offer_places(s, lead_of(rl_line_buffer, (size_t)start), text);
    if (v && v->flags & VERB_EXPR && stands)
        offer_names(s, text);
    if (v && v->flags & VERB_BP)
        offer_breakpoints(s, text);
    return found.v.n ? rl_completion_matches(text, next_candidate) : NULL;
}

/* ---- history ---- */

static bool make_dirs(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *p = '/';
        if (!ok)
            return false;
    }
    return true;
}

static char *history_path(struct shell *s)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    if (state && *state == '/')
        path = arena_printf(&s->arena, "%s/gospect/debug_history", state);
    else if (home && *home == '/')
        path = arena_printf(&s->arena, "%s/.local/state/gospect/debug_history", home);
    return path && make_dirs(path) ? path : NULL;
}

/* ---- lines ---- */

void shell_line_begin(struct shell *s)
{
    the_shell = s;
    if (!s->terminal)
        return;
    rl_readline_name = "gospect";
    rl_initialize();
    using_history();
    stifle_history(HISTORY_MAX);
    char *path = history_path(s);
    if (path)
        (void)read_history(path);
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = (char *)" \t\n\"'`@><=;|&{}()[]+-!,%^";
    rl_completion_append_character = 0;
}

void shell_line_end(struct shell *s)
{
    char *path = s->terminal ? history_path(s) : NULL;
    if (path && write_history(path) == 0)
        (void)chmod(path, 0600);
    vec_free(&found.v);
    arena_free(&found.arena);
}

static char *read_pipe(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, stdin)) < 0 && errno == EINTR && !run_should_end())
        clearerr(stdin); /* Ctrl-C while nothing runs */
    (void)run_interrupted();
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = 0;
    return line;
}

char *shell_line_read(struct shell *s)
{
    if (!s->terminal)
        return read_pipe();
    for (;;) {
        char *line = readline("(gospect) ");
        if (!line && run_interrupted() && !run_should_end()) { /* Ctrl-C: another line */
            (void)!write(1, "\n", 1);
            continue;
        }
        (void)run_interrupted();
        const char *text = line ? line + strspn(line, " \t") : "";
        if (*text)
            add_history(text);
        return line;
    }
}

char shell_line_ask(struct shell *s, const char *question, const char *keys)
{
    for (unsigned i = 0; i < 3 && !run_should_end(); i++) {
        char *line = readline(question);
        char key = line ? line[strspn(line, " \t")] : keys[0];
        bool end = !line && !run_interrupted();
        free(line);
        if (end)
            (void)!write(1, "\n", 1);
        if (!key || strchr(keys, key))
            return key ? key : keys[0];
    }
    return keys[0];
}
