/* subject.c - what a command looks at; see subject.h. */
#include "front/cli/subject.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "front/cli/procs.h"

enum { PID_DIGITS = 9 };

static const char kinds_of_target[] =
    "A TARGET is a pid, a process name, a core file or a snapshot";

/* A variable of a script that is not set. */
static struct err *empty(const struct cli *c)
{
    return err_hint(err_new(ERR_USAGE, "%s: TARGET is empty", c->args.cmd->name),
                    "gospect ps lists the Go processes of this host");
}

static struct err *find_pid(const char *digits, struct cli_subject *ret)
{
    size_t n = strlen(digits);
    ret->kind = CLI_LIVE;
    if (!n || strspn(digits, "0123456789") != n)
        return err_new(ERR_USAGE, "\"%s\" is not a pid", digits);
    ret->pid = n <= PID_DIGITS ? (pid_t)atol(digits) : -1;
    if (ret->pid > 0)
        return NULL;
    return err_hint(err_new(ERR_NOT_FOUND, "there is no process %s", digits),
                    "gospect ps lists the Go processes of this host");
}

/* ---- files ---- */

enum file_kind { FILE_OTHER, FILE_CORE, FILE_PROGRAM, FILE_SNAP };

static struct err *kind_of_file(const char *path, enum file_kind *ret)
{
    unsigned char head[EI_NIDENT + 2];
    struct stat st;
    *ret = FILE_OTHER;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        struct err *e = err_sys(errno, "cannot open %s", path);
        if (fd >= 0)
            close(fd);
        return e;
    }
    ssize_t n = S_ISREG(st.st_mode) ? pread(fd, head, sizeof(head), 0) : 0;
    close(fd);
    if (S_ISDIR(st.st_mode))
        return err_hint(err_new(ERR_USAGE, "%s is a directory", path), kinds_of_target);
    if (n == (ssize_t)sizeof(head) && memcmp(head, ELFMAG, SELFMAG) == 0) {
        unsigned type = head[EI_NIDENT] | (unsigned)head[EI_NIDENT + 1] << 8;
        *ret = type == ET_CORE ? FILE_CORE : FILE_PROGRAM;
    } else if (n > 0 && snap_is_file(path)) {
        *ret = FILE_SNAP;
    }
    return NULL;
}

bool cli_subject_is_program(const char *path)
{
    enum file_kind kind;
    struct err *e = kind_of_file(path, &kind);
    bool program = !e && kind == FILE_PROGRAM;
    err_free(e);
    return program;
}

static struct err *find_file(const char *path, enum cli_subject_kind kind, struct cli_subject *ret)
{
    if (!*path)
        return empty(ret->cli);
    if (access(path, F_OK) < 0)
        return err_sys(errno, "cannot open %s", path);
    ret->kind = kind;
    ret->path = path;
    return NULL;
}

/* ---- names ---- */

/* One line for each, for the user to choose from. */
static void list_candidates(struct buf *b, const struct cli_procs *procs, const size_t *at,
                            size_t n)
{
    int64_t now = clock_wall_ns();
    for (size_t i = 0; i < n && i < 12; i++) {
        const struct cli_proc *p = &procs->v.v[at[i]];
        buf_printf(b, "%7d  %s  %s, up ", p->pid, p->name, p->user);
        text_ns(b, now - p->started_wall_ns);
        buf_char(b, '\n');
    }
    if (n > 12)
        buf_printf(b, "         and %zu more\n", n - 12);
}

static struct err *several(const char *name, const struct cli_procs *procs, const size_t *at,
                           size_t n)
{
    struct buf b = {0};
    list_candidates(&b, procs, at, n);
    struct err *e = err_hint(err_new(ERR_USAGE, "%zu Go processes are called %s", n, name),
                             "Say which one by its pid");
    e = err_excerpt(e, "%s", buf_text(&b));
    buf_free(&b);
    return e;
}

static struct err *nobody(const char *name, const struct cli_procs *procs)
{
    const char **names = mem_alloc((procs->v.n + 1) * sizeof(*names));
    for (size_t i = 0; i < procs->v.n; i++)
        names[i] = procs->v.v[i].name;
    const char *like = cli_likest(name, strlen(name), names, procs->v.n);
    char denied[80] = "";
    if (procs->denied)
        snprintf(denied, sizeof(denied), " (%zu of the processes could not be looked at)",
                 procs->denied);
    struct err *e =
        err_new(ERR_NOT_FOUND, "there is no file and no Go process called \"%s\"%s", name, denied);
    e = like ? err_hint(e, "Did you mean %s?", like)
             : err_hint(e, "gospect ps lists the Go processes of this host");
    free(names);
    return e;
}

/* The processes that fit: by name, or those that run a program file. */
static bool fits(const struct cli_proc *p, const char *name, const struct stat *file)
{
    char path[64];
    struct stat st;
    if (!file)
        return cli_proc_is_called(p, name);
    snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
    return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static struct err *find_name(const char *name, const struct stat *file, struct cli_subject *ret)
{
    struct cli_procs procs;
    TRY(cli_procs_list(false, &procs));
    size_t *at = mem_alloc((procs.v.n + 1) * sizeof(*at)), n = 0;
    for (size_t i = 0; i < procs.v.n; i++)
        if (fits(&procs.v.v[i], name, file))
            at[n++] = i;
    struct err *e = NULL;
    if (n == 1) {
        ret->kind = CLI_LIVE;
        ret->pid = procs.v.v[at[0]].pid;
    } else if (n > 1) {
        e = several(name, &procs, at, n);
    } else if (file) {
        e = err_hint(err_new(ERR_NOT_FOUND,
                             "%s is a program, and no process that we may look at runs it", name),
                     kinds_of_target);
    } else {
        e = nobody(name, &procs);
    }
    free(at);
    cli_procs_free(&procs);
    return e;
}

/* ---- all together ---- */

static struct err *find_by_content(const char *path, struct cli_subject *ret)
{
    enum file_kind kind;
    struct stat st;
    TRY(kind_of_file(path, &kind));
    if (kind == FILE_CORE)
        return find_file(path, CLI_CORE, ret);
    if (kind == FILE_SNAP)
        return find_file(path, CLI_SNAP, ret);
    if (kind == FILE_PROGRAM && stat(path, &st) == 0)
        return find_name(path, &st, ret);
    return err_hint(err_new(ERR_BAD_DATA, "%s is neither a core file nor a snapshot", path),
                    kinds_of_target);
}

struct err *cli_subject_find(struct cli *c, const char *text, struct cli_subject *ret)
{
    *ret = (struct cli_subject){.cli = c, .text = text};
    if (!*text || strcmp(text, "name:") == 0)
        return empty(c);
    if (strncmp(text, "pid:", 4) == 0)
        return find_pid(text + 4, ret);
    if (strncmp(text, "core:", 5) == 0)
        return find_file(text + 5, CLI_CORE, ret);
    if (strncmp(text, "snap:", 5) == 0)
        return find_file(text + 5, CLI_SNAP, ret);
    if (strncmp(text, "name:", 5) == 0)
        return find_name(text + 5, NULL, ret);
    if (*text && strspn(text, "0123456789") == strlen(text))
        return find_pid(text, ret);
    if (access(text, F_OK) == 0 || strchr(text, '/')) {
        if (access(text, F_OK) < 0)
            return err_sys(errno, "cannot open %s", text);
        return find_by_content(text, ret);
    }
    return find_name(text, NULL, ret);
}

struct err *cli_subject_find_live(struct cli *c, const char *text, struct cli_subject *ret)
{
    TRY(cli_subject_find(c, text, ret));
    if (ret->kind == CLI_LIVE)
        return NULL;
    return err_new(ERR_USAGE, "%s needs a running process, and %s is a %s", c->args.cmd->name, text,
                   ret->kind == CLI_CORE ? "core file" : "snapshot");
}

void cli_subject_word(const struct cli_subject *s, struct buf *b)
{
    bool plain = *s->text != '\0';
    for (const char *p = s->text; *p; p++)
        plain = plain && (isalnum((unsigned char)*p) || strchr("-_./:+,=@%", *p));
    if (plain) {
        buf_str(b, s->text);
        return;
    }
    buf_char(b, '\'');
    for (const char *p = s->text; *p; p++)
        buf_str(b, *p == '\'' ? "'\\''" : (char[]){*p, '\0'});
    buf_char(b, '\'');
}

/* ---- opening ---- */

/* A core that is not whole: said, because what follows may be wrong for that reason alone. */
static void say_incomplete(struct cli_subject *s)
{
    struct arena a;
    arena_init(&a);
    const char *what = target_incomplete(s->target, &a);
    if (what)
        cli_note(s->cli, "%s: %s", s->path, what);
    arena_free(&a);
}

struct err *cli_subject_target(struct cli_subject *s)
{
    const char *exe = cli_text(&s->cli->args, OPT_exe);
    if (s->kind == CLI_LIVE) {
        struct err *e = target_open_pid(s->pid, &s->target);
        if (e && err_code(e) == ERR_NOT_FOUND)
            e = err_hint(e, "gospect ps lists the Go processes of this host");
        TRY(e);
    } else if (s->kind == CLI_CORE) {
        TRY(target_open_core(s->path, exe, &s->target));
        say_incomplete(s);
    }
    if (exe && s->kind != CLI_CORE)
        cli_note(s->cli, "--exe has no meaning here: it names the program of a core file");
    return NULL;
}

struct err *cli_subject_open(struct cli_subject *s)
{
    TRY(cli_subject_target(s));
    if (s->kind == CLI_SNAP)
        return NULL;
    if (s->kind == CLI_LIVE)
        s->cli->looking_at = s->pid;
    return rt_open(s->target, &s->rt);
}

void cli_subject_close(struct cli_subject *s)
{
    rt_close(s->rt);
    target_close(s->target);
    s->rt = NULL;
    s->target = NULL;
}

/* A release that the tables do not know was read as the newest they do. */
static void say_guessed(struct cli_subject *s, const struct snap *snap)
{
    const char *layouts = snap_meta(snap, SNAP_META_layouts);
    if (layouts && strstr(layouts, "(guessed)"))
        cli_note(
            s->cli,
            "%s is a release this gospect does not know: its structures are taken to be those of "
            "the newest one it does (%s), so figures may be wrong or missing. A binary that was "
            "not stripped of DWARF, or a newer gospect, tells for sure",
            snap_meta(snap, SNAP_META_go_version), layouts);
}

void cli_subject_remarks(struct cli_subject *s, const struct snap *snap)
{
    if (s->kind != CLI_LIVE && s->cli->args.opt[OPT_consistency].given)
        cli_note(s->cli, "--consistency has no meaning here: a file is what it is");
    say_guessed(s, snap);
}

struct err *cli_subject_read(const struct cli_subject *s, struct snap **ret)
{
    return snap_read_file(s->path, ret);
}

struct err *cli_subject_snap(struct cli_subject *s, const struct rt_capture_options *o,
                             struct snap **ret)
{
    TRY(s->kind == CLI_SNAP ? cli_subject_read(s, ret) : rt_capture(s->rt, o, ret));
    cli_subject_remarks(s, *ret);
    return NULL;
}

struct err *cli_subject_info(struct cli_subject *s, struct snap **ret)
{
    TRY(s->kind == CLI_SNAP ? snap_read_file(s->path, ret) : rt_capture_info(s->rt, ret));
    say_guessed(s, *ret);
    return NULL;
}

struct err *cli_info_of(struct cli *c, const char *text, struct snap **ret)
{
    struct cli_subject subject = {0};
    struct err *e = cli_subject_find(c, text, &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_subject_info(&subject, ret);
    cli_subject_close(&subject);
    return e;
}

struct rt_capture_options cli_capture_options(struct cli *c)
{
    /* the words of --consistency, in the order of options.def */
    static const enum rt_consistency consistency[] = {RT_PROCESS, RT_GOROUTINE};
    return (struct rt_capture_options){
        .consistency = consistency[cli_num(&c->args, OPT_consistency)],
        .locals = cli_flag(&c->args, OPT_locals) ? RT_LOCALS_ALL : RT_LOCALS_NONE,
        .locals_limit = (uint32_t)cli_num(&c->args, OPT_locals_limit),
        .progress = &c->progress.base,
    };
}
