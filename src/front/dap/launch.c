/* launch.c - the program of a session: built by the user's own go, or taken as it is, started. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/dap/dap_int.h"

enum { MODE_EXEC, MODE_DEBUG, MODE_TEST, MODE_CORE, MODE_SNAPSHOT }; /* as in dap.def */
enum { CONSOLE_INTERNAL };
enum { BUILD_TEXT_MAX = 8192 };

extern char **environ;

/* ---- what was asked for, kept ---- */

const char *const *dap_strings(const char *const *v, size_t n, struct arena *a)
{
    const char **ret = arena_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        ret[i] = arena_strdup(a, v[i]);
    return ret;
}

/* The session's files are named as the program has them ("to" of a pair) and as the user has them
 * ("from"); dbg wants it the other way round. */
const char *const *dap_source_map(const struct dap_PathPair *v, size_t n, struct arena *a)
{
    const char **ret = arena_array(a, const char *, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = arena_strdup(a, v[i].to);
        ret[2 * i + 1] = arena_strdup(a, v[i].from);
    }
    return n ? ret : NULL;
}

static void keep_request(struct dap_session *s, const struct dap_launch *a)
{
    struct dap_launch *l = &s->launch;
    *l = *a;
    l->program = arena_strdup(&s->mem, a->program);
    l->cwd = arena_strdup(&s->mem, a->cwd);
    l->output = arena_strdup(&s->mem, a->output);
    l->coreFilePath = arena_strdup(&s->mem, a->coreFilePath);
    l->snapshotFilePath = arena_strdup(&s->mem, a->snapshotFilePath);
    l->args = dap_strings(a->args, a->nargs, &s->mem);
    l->buildFlags = dap_strings(a->buildFlags, a->nbuildFlags, &s->mem);
    struct dap_pair *env = arena_array(&s->mem, struct dap_pair, a->nenv + 1);
    for (size_t i = 0; i < a->nenv; i++) {
        env[i].name = arena_strdup(&s->mem, a->env[i].name);
        env[i].value = a->env[i].value ? arena_strdup(&s->mem, a->env[i].value) : NULL;
    }
    l->env = env;
    l->substitutePath = NULL;
    s->stop_on_entry = a->stopOnEntry;
    s->hide_system = a->hideSystemGoroutines;
    s->globals = a->showGlobalVariables;
    s->registers = a->showRegisters;
    s->source_map = dap_source_map(a->substitutePath, a->nsubstitutePath, &s->mem);
    s->printer_files = dap_strings(a->printers, a->nprinters, &s->mem);
    l->printers = NULL;
    l->nprinters = 0;
}

static const struct dap_pair *env_of(const struct dap_launch *l, const char *entry, size_t n)
{
    for (size_t i = 0; i < l->nenv; i++)
        if (strlen(l->env[i].name) == n && memcmp(l->env[i].name, entry, n) == 0)
            return &l->env[i];
    return NULL;
}

/* Ours, with what the request changes. */
static const char *const *environment(struct dap_session *s)
{
    const struct dap_launch *l = &s->launch;
    size_t have = 0, n = 0;
    while (environ[have])
        have++;
    const char **ret = arena_array(&s->mem, const char *, have + l->nenv + 1);
    for (size_t i = 0; i < have; i++)
        if (!env_of(l, environ[i], strcspn(environ[i], "=")))
            ret[n++] = environ[i];
    for (size_t i = 0; i < l->nenv; i++)
        if (l->env[i].value)
            ret[n++] = arena_printf(&s->mem, "%s=%s", l->env[i].name, l->env[i].value);
    return ret;
}

/* argv[0] is the program's name. */
void dap_argv(struct dap_session *s, const char *const *args, size_t n)
{
    const char **argv = arena_array(&s->mem, const char *, n + 2);
    argv[0] = s->program;
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = arena_strdup(&s->mem, args[i]);
    s->argv = argv;
}

/* ---- the program itself ---- */

static struct err *make_pipes(struct dap_session *s)
{
    for (size_t i = 0; i < 2; i++) {
        int fd[2];
        if (pipe2(fd, O_CLOEXEC))
            return err_sys(errno, "a pipe for the program's output");
        fcntl(fd[0], F_SETFL, O_NONBLOCK);
        s->output[i].fd = fd[0];
        s->keep_fd[i] = fd[1]; /* stays open: a restart uses it again */
    }
    return NULL;
}

bool dap_output_ready(const struct dap_output *o)
{
    struct pollfd p = {.fd = o->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0 && p.revents & (POLLIN | POLLHUP);
}

static struct err *start(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    struct dbg_options o = {.source_map = s->source_map,
                            .stop_on_entry = s->stop_on_entry,
                            .give_up = dap_call_goes_on,
                            .give_up_arg = c->server};
    struct debug_launch what = {
        .exe = s->program,
        .argv = s->argv,
        .env = s->env,
        .dir = *s->launch.cwd ? s->launch.cwd : NULL,
        .fd = {-1, -1, -1},
        .own_group = true,
    };
    /* A terminal is its files, not what controls it: that is the editor's shell. */
    const char *input = s->terminal.tty ? s->terminal.tty : "/dev/null";
    int in = open(input, O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct err *e = in < 0 ? err_sys(errno, "%s", input) : NULL;
    what.fd[0] = what.fd[1] = what.fd[2] = in;
    if (!e && !s->terminal.tty) {
        e = make_pipes(s);
        what.fd[1] = s->keep_fd[0];
        what.fd[2] = s->keep_fd[1];
    }
    if (!e)
        e = dbg_launch(&what, &o, &s->d);
    if (s->stdin_fd >= 0)
        close(s->stdin_fd);
    s->stdin_fd = in; /* stays open for a restart as well */
    if (e)
        return e;
    s->kind = DAP_LAUNCHED;
    return dap_session_started(c);
}

struct err *dap_launch_program(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    dap_argv(s, s->launch.args, s->launch.nargs);
    s->env = environment(s);
    if (s->launch.console == CONSOLE_INTERNAL || s->terminal.tty)
        return start(c);
    if (c->can.supportsRunInTerminalRequest)
        return dap_terminal_start(c);
    dap_note(c->server,
             "gospect: this editor offers no terminal; the program's output comes here.");
    return start(c);
}

/* ---- building ---- */

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where go works, and what it builds there: a directory is a package, a file is its own. */
static void what_to_build(struct dap_session *s, const char **ret_dir, const char **ret_what)
{
    const char *path = *s->launch.program ? s->launch.program : ".", *slash = strrchr(path, '/');
    if (is_directory(path)) {
        *ret_dir = path;
        *ret_what = ".";
    } else {
        *ret_dir =
            slash ? arena_strndup(&s->mem, path, (size_t)(slash - path) + (slash == path)) : ".";
        *ret_what = slash ? slash + 1 : path;
    }
}

/* As we have it, not as go does, which works elsewhere. */
static struct err *output_path(struct dap_session *s)
{
    char here[PATH_MAX];
    struct buf path = {0};
    if (*s->launch.output != '/') {
        if (!getcwd(here, sizeof(here)))
            return err_sys(errno, "launch.output: our directory");
        buf_printf(&path, "%s/", here);
    }
    buf_str(&path, s->launch.output);
    s->built = buf_take(&path);
    if (is_directory(s->built)) {
        struct err *e = err_new(ERR_USAGE, "launch.output: %s is a directory", s->launch.output);
        free(s->built);
        s->built = NULL;
        return e;
    }
    return NULL;
}

static struct err *build_path(struct dap_session *s)
{
    if (s->built)
        return NULL; /* a restart: the same again */
    if (*s->launch.output) {
        return output_path(s);
    }
    const char *tmp = getenv("TMPDIR");
    struct buf path = {0};
    buf_printf(&path, "%s/gospect-debug-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    s->built = buf_take(&path);
    int fd = mkstemp(s->built);
    if (fd < 0)
        return err_sys(errno, "%s", s->built);
    close(fd);
    return NULL;
}

static char *const *go_command(struct dap_session *s, const char *what)
{
    const struct dap_launch *l = &s->launch;
    bool test = l->mode == MODE_TEST;
    size_t n = 0;
    char **argv = arena_array(&s->mem, char *, l->nbuildFlags + 10);
    const char *before[] = {
        "go", test ? "test" : "build", test ? "-c" : NULL, "-gcflags", "all=-N -l", "-o", s->built};
    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        if (before[i])
            argv[n++] = arena_strdup(&s->mem, before[i]);
    for (size_t i = 0; i < l->nbuildFlags; i++)
        argv[n++] = arena_strdup(&s->mem, l->buildFlags[i]);
    argv[n++] = arena_strdup(&s->mem, what);
    return argv;
}

/* The go that PATH of the request's environment leads to. */
static const char *find_go(struct dap_session *s)
{
    const char *path = "/usr/local/bin:/bin:/usr/bin";
    for (size_t i = 0; s->env[i]; i++)
        if (strncmp(s->env[i], "PATH=", 5) == 0)
            path = s->env[i] + 5;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, ":");
        const char *file = arena_printf(&s->mem, "%.*s/go", (int)n, p);
        if (n && access(file, X_OK) == 0 && !is_directory(file))
            return file;
        p += n + (p[n] == ':');
    }
    return NULL;
}

/* go in a process of its own, with the environment of the request, so that GOFLAGS and PATH count
 * that are said there. */
static struct err *spawn(struct dap_session *s, const char *dir, char *const *argv, int out)
{
    struct dap_build *b = &s->build;
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, out, 1);
    posix_spawn_file_actions_adddup2(&fa, out, 2);
    posix_spawn_file_actions_addchdir_np(&fa, dir);
    const char *go = find_go(s);
    int bad =
        !go ? ENOENT : posix_spawn(&b->pid, go, &fa, &attr, argv, (char *const *)(uintptr_t)s->env);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    if (!bad)
        return NULL;
    b->pid = 0;
    if (!go)
        return err_hint(err_new(ERR_NOT_FOUND, "there is no go in PATH to build %s", dir),
                        "Say where it is with \"env\": {\"PATH\": ...}, or build it yourself and "
                        "use mode exec");
    return err_sys(bad, "%s", is_directory(dir) ? go : dir);
}

struct err *dap_build_start(struct dap_client *c, bool again)
{
    struct dap_session *s = &c->server->session;
    struct dap_build *b = &s->build;
    const char *dir, *what;
    int fd[2];
    b->again = again;
    b->cancelled = false;
    buf_clear(&b->text);
    buf_init(&b->text, BUILD_TEXT_MAX);
    s->env = environment(s);
    what_to_build(s, &dir, &what);
    TRY(build_path(s));
    if (pipe2(fd, O_CLOEXEC))
        return err_sys(errno, "a pipe for go's output");
    struct err *e = spawn(s, dir, go_command(s, what), fd[1]);
    close(fd[1]);
    if (e) {
        close(fd[0]);
        return e;
    }
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    b->out.fd = fd[0];
    b->client = c;
    snprintf(b->progress_id, sizeof(b->progress_id), "build-%lld",
             (long long)++c->server->next_progress);
    dap_progress(c, "progressStart", b->progress_id, "Building", NULL);
    dap_defer(c);
    return NULL;
}

static struct err *build_result(struct dap_session *s, int status)
{
    struct dap_build *b = &s->build;
    const char *verb = s->launch.mode == MODE_TEST ? "go test -c" : "go build";
    if (b->cancelled)
        return err_new(ERR_CANCELLED, "the build was cancelled");
    if (WIFSIGNALED(status))
        return err_new(ERR_GONE, "%s was ended by signal %d", verb, WTERMSIG(status));
    if (WEXITSTATUS(status))
        return err_excerpt(err_new(ERR_USAGE, "%s failed", verb), "%s", buf_text(&b->text));
    if (access(s->built, X_OK)) /* go test -c of a package without tests makes none */
        return err_excerpt(err_new(ERR_NOT_FOUND, "%s made no program", verb), "%s",
                           buf_text(&b->text));
    return NULL;
}

static struct err *start_built(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    const char *dir, *what;
    s->program = arena_strdup(&s->mem, s->built);
    what_to_build(s, &dir, &what);
    if (!*s->launch.cwd) /* as go test and go run do */
        s->launch.cwd = dir;
    return dap_launch_program(c);
}

void dap_build_poll(struct dap_server *server)
{
    struct dap_session *s = &server->session;
    struct dap_build *b = &s->build;
    struct dap_client *c = b->client;
    int status = 0;
    if (dap_output_read(server, &b->out, &b->text))
        return;
    while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR)
        ;
    b->pid = 0;
    b->client = NULL;
    dap_progress(c, "progressEnd", b->progress_id, NULL, NULL);
    struct err *e = build_result(s, status);
    bool again = b->again;
    if (!e)
        e = again ? dap_restart_now(server) : start_built(c);
    if (!e && again)
        dap_answer(c);
    if (!e)
        return;
    dap_refuse(c, e);
    if (!again)
        dap_session_end(server, true);
}

void dap_build_end(struct dap_server *server)
{
    struct dap_build *b = &server->session.build;
    if (b->pid) {
        kill(-b->pid, SIGKILL); /* its compilers, too */
        while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        b->pid = 0;
    }
    if (b->out.fd >= 0)
        close(b->out.fd);
    b->out.fd = -1;
    b->client = NULL;
    buf_free(&b->text);
}

/* ---- launch ---- */

static struct err *launch(struct dap_client *c)
{
    struct dap_session *s = &c->server->session;
    struct dap_launch *l = &s->launch;
    struct dbg_options o = {.source_map = s->source_map};
    switch (l->mode) {
    case MODE_SNAPSHOT:
        if (!*l->snapshotFilePath)
            return err_new(ERR_USAGE, "launch.snapshotFilePath is missing: mode snapshot reads it");
        TRY(snap_read_file(l->snapshotFilePath, &s->snap));
        s->kind = DAP_SNAPSHOT;
        s->program = l->snapshotFilePath;
        return dap_session_started(c);
    case MODE_CORE:
        if (!*l->coreFilePath)
            return err_new(ERR_USAGE, "launch.coreFilePath is missing: mode core reads it");
        TRY(dbg_core(l->coreFilePath, *l->program ? l->program : NULL, &o, &s->d));
        s->kind = DAP_CORE;
        s->program = *l->program ? l->program : l->coreFilePath;
        return dap_session_started(c);
    case MODE_DEBUG:
    case MODE_TEST:
        return dap_build_start(c, false);
    default:
        break;
    }
    if (!*l->program)
        return err_new(ERR_USAGE, "launch.program is missing: the program to run");
    if (is_directory(l->program))
        return err_hint(err_new(ERR_USAGE, "%s is a directory, not a program", l->program),
                        "\"mode\": \"debug\" builds the package in it");
    char *whole = realpath(l->program, NULL); /* the program runs in another directory, maybe */
    s->program = whole ? arena_strdup(&s->mem, whole) : l->program;
    free(whole);
    return dap_launch_program(c);
}

struct err *dap_do_launch(struct dap_client *c, const struct dap_launch *a, struct json *j)
{
    TRY(dap_session_new(c));
    keep_request(&c->server->session, a);
    struct err *e = launch(c);
    if (e)
        dap_session_end(c->server, true);
    return e;
}
