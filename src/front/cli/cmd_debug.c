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

/* go, with its output where ours is, or what it says on standard output in `said`.  It must not get
 * a Ctrl-C that is meant for the program. */
static struct err *run_go(char *const *argv, struct buf *said)
{
    int status, fd[2] = {-1, -1};
    if (said && pipe2(fd, O_CLOEXEC) < 0)
        return err_sys(errno, "cannot start go");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(said ? fd[1] : 2, 1);
        signal(SIGINT, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (said)
        close(fd[1]);
    char bytes[4096];
    for (ssize_t n; said && pid > 0 &&
                    ((n = read(fd[0], bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR));)
        buf_add(said, bytes, n > 0 ? (size_t)n : 0);
    if (said)
        close(fd[0]);
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
    char *argv[BUILD_ARGS_MAX + 1], *at = arena_strdup(&s->arena, flags ? flags : ""), *word;
    size_t n = 0;
    argv[n++] = "go";
    argv[n++] = s->is_test ? "test" : "build";
    if (s->is_test)
        argv[n++] = "-c";
    argv[n++] = "-gcflags=all=-N -l";
    argv[n++] = "-o";
    argv[n++] = (char *)s->built;
    while (n < BUILD_ARGS_MAX - 1 && (word = shell_word(&at)))
        argv[n++] = word;
    argv[n++] = (char *)s->package;
    argv[n] = NULL;
    struct err *e = run_go(argv, NULL);
    if (!e && access(s->built, X_OK) != 0)
        e = err_hint(err_new(ERR_NOT_FOUND, "go built no program of %s", s->package),
                     s->is_test ? "It has no test files" : "It is not package main");
    return e;
}

/* Where go test would run the tests of the package: among its files. */
static const char *test_dir(struct shell *s)
{
    char *argv[] = {"go", "list", "-f", "{{.Dir}}", "--", (char *)s->package, NULL};
    struct buf said = {0};
    struct stat st;
    struct err *e = run_go(argv, &said);
    const char *dir = arena_strndup(&s->arena, buf_text(&said), strcspn(buf_text(&said), "\n"));
    bool is = !e && stat(dir, &st) == 0;
    err_free(e); /* then they run where we are */
    buf_free(&said);
    return is ? dir : NULL;
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

struct err *shell_redirect(struct shell *s, int which, const char *path)
{
    int flags = which ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return err_sys(errno, "cannot open %s", path);
    s->is_file[which] = true;
    if (s->fd[which] < 0) {
        s->fd[which] = fd;
        return NULL;
    }
    dup3(fd, s->fd[which], O_CLOEXEC); /* the session knows the number */
    close(fd);
    return NULL;
}

/* The program's standard files: ours, but it does not read our commands when those do not come from
 * a terminal. */
static struct err *open_files(struct shell *s, const char *tty)
{
    static const enum cli_opt_id opts[] = {OPT_debug_stdin, OPT_debug_stdout, OPT_debug_stderr};
    for (int i = 0; i < 3; i++) {
        const char *path = cli_text(&s->c->args, opts[i]);
        if (path)
            TRY(err_wrap(shell_redirect(s, i, path), "--%s", cli_opts[opts[i]].name));
        else if (!tty && i == 0 && !isatty(0))
            TRY(shell_redirect(s, i, "/dev/null"));
        else if (!tty)
            s->fd[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
    }
    return NULL;
}

void shell_rewind_files(struct shell *s)
{
    struct stat st;
    for (int i = 0; i < 3; i++) {
        if (!s->is_file[i] || fstat(s->fd[i], &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        (void)lseek(s->fd[i], 0, SEEK_SET);
        if (i)
            (void)!ftruncate(s->fd[i], 0);
    }
}

static struct err *launch(struct shell *s)
{
    const struct cli_args *a = &s->c->args;
    const char *tty = cli_text(a, OPT_debug_tty), *dir = cli_text(a, OPT_debug_dir);
    struct dbg_options o = {.source_map = s->source_map,
                            .stop_on_entry = cli_flag(a, OPT_debug_entry),
                            .give_up = run_call_goes_on,
                            .give_up_arg = s};
    TRY(open_files(s, tty));
    s->argv = arguments(s);
    s->kind = SHELL_LAUNCHED;
    s->shares_tty = !tty && isatty(0) && tcgetpgrp(0) == getpgrp();
    struct debug_launch how = {.exe = s->program,
                               .argv = s->argv,
                               .dir = dir || !s->is_test ? dir : test_dir(s),
                               .fd = {s->fd[0], s->fd[1], s->fd[2]},
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
    struct dbg_options o = {
        .source_map = s->source_map, .give_up = run_call_goes_on, .give_up_arg = s};
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

/* What only counts for a program that is started, or built, here. */
static struct err *check_options(struct shell *s, bool starts, bool builds)
{
    static const enum cli_opt_id starting[] = {OPT_debug_tty,    OPT_debug_stdin, OPT_debug_stdout,
                                               OPT_debug_stderr, OPT_debug_dir,   OPT_debug_entry};
    const struct cli_args *a = &s->c->args;
    const char *init = cli_text(a, OPT_debug_init);
    for (size_t i = 0; !starts && i < ARRAY_LEN(starting); i++)
        if (cli_flag(a, starting[i]))
            return err_new(ERR_USAGE,
                           "--%s is for programs that are started here: debug exec, run "
                           "and test",
                           cli_opts[starting[i]].name);
    if (!starts && a->rest.n)
        return err_new(ERR_USAGE, "arguments are for programs that are started here: debug exec, "
                                  "run and test");
    if (!builds && cli_flag(a, OPT_debug_build_flags))
        return err_new(ERR_USAGE, "--build-flags is for debug run and debug test");
    if (init && access(init, R_OK) != 0)
        return err_sys(errno, "--init: cannot read %s", init);
    return NULL;
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
    TRY(check_options(s, !core && !is_attach, !core && !is_attach && !exec));
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
    for (int i = 0; i < 3; i++)
        if (s->fd[i] >= 0)
            close(s->fd[i]);
    if (s->transcript >= 0)
        close(s->transcript);
    remove_built(s);
    arena_free(&s->arena);
}

struct err *run_debug(struct cli *c, int *ret_code)
{
    struct shell s = {.c = c, .fd = {-1, -1, -1}, .transcript = -1, .end = DEBUG_KILL};
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
