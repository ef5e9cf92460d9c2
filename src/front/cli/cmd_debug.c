/* cmd_debug.c - gospect debug: begins a session of the terminal debugger, and ends it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/cli/debug_int.h"
#include "front/cli/subject.h"

enum { BUILD_ARGS_MAX = 64 };

/* ---- building ---- */

/* go, with its output where ours is.  It must not get a Ctrl-C that is meant for the program. */
static struct err *run_go(char *const *argv)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(2, 1);
        signal(SIGINT, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (pid < 0)
        return err_sys(errno, "cannot start go");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_hint(err_new(ERR_NOT_FOUND, "there is no go in PATH"),
                        "gospect debug exec takes a program that was built already");
    return err_new(ERR_USAGE, "go %s failed", argv[1]);
}

struct err *shell_build(struct shell *s)
{
    const char *flags = cli_text(&s->c->args, OPT_debug_build_flags);
    char *argv[BUILD_ARGS_MAX + 1], *copy = mem_strdup(flags ? flags : ""), *at = copy, *word;
    size_t n = 0;
    argv[n++] = "go";
    argv[n++] = s->is_test ? "test" : "build";
    if (s->is_test)
        argv[n++] = "-c";
    argv[n++] = "-gcflags=all=-N -l";
    argv[n++] = "-o";
    argv[n++] = (char *)s->built;
    while ((word = strsep(&at, " ")) && n < BUILD_ARGS_MAX - 1)
        if (*word)
            argv[n++] = word;
    argv[n++] = (char *)s->package;
    argv[n] = NULL;
    struct err *e = run_go(argv);
    free(copy);
    if (!e && access(s->built, X_OK) != 0)
        e = err_hint(err_new(ERR_NOT_FOUND, "go built no program of %s", s->package),
                     s->is_test ? "It has no test files" : "It is not package main");
    return e;
}

static struct err *build_package(struct shell *s, const char *package, bool test)
{
    const char *dir = getenv("TMPDIR");
    char *made = arena_printf(&s->arena, "%s/gospect-debug-XXXXXX", dir && *dir ? dir : "/tmp");
    if (!mkdtemp(made))
        return err_sys(errno, "cannot make a directory for the program (%s)", made);
    s->package = package;
    s->is_test = test;
    s->built = arena_printf(&s->arena, "%s/program", made);
    s->program = s->built;
    return shell_build(s);
}

static void remove_built(struct shell *s)
{
    if (!s->built)
        return;
    unlink(s->built);
    char *slash = strrchr((char *)s->built, '/');
    *slash = 0;
    rmdir(s->built);
}

/* ---- starting ---- */

/* "from=to" pairs. */
static struct err *source_map(struct shell *s)
{
    const struct cli_args *a = &s->c->args;
    const char **map = arena_array(&s->arena, const char *, 2 * a->list.n + 1);
    for (size_t i = 0; i < a->list.n; i++) {
        const char *eq = strchr(a->list.v[i], '=');
        if (!eq || eq == a->list.v[i])
            return err_new(ERR_USAGE, "--source-map: \"%s\" is not FROM=TO", a->list.v[i]);
        map[2 * i] = arena_strndup(&s->arena, a->list.v[i], (size_t)(eq - a->list.v[i]));
        map[2 * i + 1] = eq + 1;
    }
    s->source_map = a->list.n ? map : NULL;
    return NULL;
}

static const char *const *arguments(struct shell *s)
{
    const struct cli_args *a = &s->c->args;
    const char **argv = arena_array(&s->arena, const char *, a->rest.n + 2);
    argv[0] = s->program;
    for (size_t i = 0; i < a->rest.n; i++)
        argv[i + 1] = a->rest.v[i];
    return argv;
}

/* What the program reads: not our commands, when those do not come from a terminal. */
static struct err *open_stdin(struct shell *s, const char *tty)
{
    const char *path = cli_text(&s->c->args, OPT_debug_stdin);
    if (!path && (tty || isatty(0)))
        return NULL;
    s->stdin_fd = open(path ? path : "/dev/null", O_RDONLY | O_CLOEXEC);
    return s->stdin_fd < 0 ? err_sys(errno, "--stdin: cannot open %s", path) : NULL;
}

static struct err *launch(struct shell *s)
{
    const struct cli_args *a = &s->c->args;
    const char *tty = cli_text(a, OPT_debug_tty);
    struct dbg_options o = {.source_map = s->source_map,
                            .stop_on_entry = cli_flag(a, OPT_debug_entry)};
    TRY(open_stdin(s, tty));
    s->argv = arguments(s);
    s->kind = SHELL_LAUNCHED;
    s->shares_tty = !tty && isatty(0) && tcgetpgrp(0) == getpgrp();
    struct debug_launch how = {.exe = s->program,
                               .argv = s->argv,
                               .dir = cli_text(a, OPT_debug_dir),
                               .fd = {s->stdin_fd, -1, -1},
                               .tty = tty,
                               .own_group = !tty};
    return dbg_launch(&how, &o, &s->d);
}

/* A program as a shell would find it, so that `exec orders` is not another one than `./orders`. */
static struct err *find_program(struct shell *s, const char *name)
{
    struct stat st;
    char *full;
    if (stat(name, &st) != 0)
        return err_sys(errno, "cannot start %s", name);
    if (!S_ISREG(st.st_mode))
        return err_hint(err_new(ERR_USAGE, "%s is no program", name),
                        "gospect debug run PACKAGE builds one first");
    full = realpath(name, NULL);
    s->program = arena_strdup(&s->arena, full ? full : name);
    free(full);
    return NULL;
}

static struct err *attach(struct shell *s, const char *what)
{
    struct dbg_options o = {.source_map = s->source_map};
    struct cli_subject subject = {0};
    struct err *e = cli_subject_find_live(s->c, what, &subject);
    pid_t pid = subject.pid;
    cli_subject_close(&subject);
    TRY(e);
    s->kind = SHELL_ATTACHED;
    s->end = DEBUG_LET_GO;
    s->c->looking_at = pid;
    return dbg_attach(pid, &o, &s->d);
}

static struct err *open_session(struct shell *s)
{
    const struct cli_args *a = &s->c->args;
    const char *how = a->pos[0], *what = a->pos[1];
    bool test = how && strcmp(how, "test") == 0, run = how && strcmp(how, "run") == 0;
    bool exec = how && strcmp(how, "exec") == 0, core = how && strcmp(how, "core") == 0;
    bool is_attach = how && strcmp(how, "attach") == 0;
    if ((exec || core || is_attach) && !what)
        return err_hint(err_new(ERR_USAGE, "debug %s needs %s", how,
                                exec   ? "a program"
                                : core ? "a core file"
                                       : "a pid, or the name of a Go process"),
                        "gospect help debug shows how to call it");
    if (a->pos[2] && !core)
        return err_hint(err_new(ERR_USAGE, "debug: one argument too many: \"%s\"", a->pos[2]),
                        "Arguments of the program stand behind --");
    TRY(source_map(s));
    if (is_attach)
        return attach(s, what);
    if (core) {
        struct dbg_options o = {.source_map = s->source_map};
        s->kind = SHELL_CORE;
        return dbg_core(what, a->pos[2], &o, &s->d);
    }
    if (exec)
        TRY(find_program(s, what));
    else if (test || run)
        TRY(build_package(s, what ? what : ".", test));
    else
        TRY(build_package(s, how ? how : ".", false));
    return launch(s);
}

/* ---- the whole ---- */

static void say_notes(struct shell *s)
{
    const char *const *notes;
    struct arena a;
    arena_init(&a);
    size_t n = dbg_notes(s->d, &a, &notes);
    for (size_t i = 0; i < n; i++)
        cli_note(s->c, "%s", notes[i]);
    arena_free(&a);
}

static struct err *session(struct shell *s)
{
    const char *init = cli_text(&s->c->args, OPT_debug_init);
    say_notes(s);
    lua_script_printers(s);
    TRY(run_first(s));
    if (init) {
        struct err *e = shell_command(s, arena_printf(&s->arena, "source \"%s\"", init));
        if (e)
            shell_error(s, e);
    }
    shell_loop(s);
    return NULL;
}

static void shell_free(struct shell *s)
{
    lua_script_free(s);
    for (size_t i = 0; i < s->displays.n; i++)
        free(s->displays.v[i].text);
    for (size_t i = 0; i < s->ons.n; i++)
        free(s->ons.v[i].command);
    vec_free(&s->displays);
    vec_free(&s->ons);
    sources_free(&s->sources);
    free(s->repeat);
    free(s->list_file);
    if (s->stdin_fd >= 0)
        close(s->stdin_fd);
    if (s->transcript >= 0)
        close(s->transcript);
    remove_built(s);
    arena_free(&s->arena);
}

struct err *run_debug(struct cli *c, int *ret_code)
{
    struct shell s = {.c = c, .stdin_fd = -1, .transcript = -1, .end = DEBUG_KILL};
    s.config = (struct shell_config){5, 64, 64, 1, 1};
    arena_init(&s.arena);
    s.terminal = isatty(0) && c->term.out_tty;
    c->out.page = false;
    struct err *e = open_session(&s);
    if (!e) {
        run_signals(&s);
        shell_line_begin(&s);
        e = session(&s);
        shell_line_end(&s);
    }
    struct dbg *d = s.d;
    s.d = NULL;
    dbg_close(d, s.end);
    if (s.failed)
        *ret_code = CLI_FINDINGS;
    shell_free(&s);
    return e;
}
