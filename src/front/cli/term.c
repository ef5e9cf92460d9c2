/* term.c - what we write to; see term.h. */
#include "front/cli/term.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

enum { BLOCK = 64 * 1024 };

static size_t columns_of(int fd)
{
    struct winsize ws;
    if (ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col)
        return ws.ws_col < CLI_WIDTH_MIN ? CLI_WIDTH_MIN : ws.ws_col;
    const char *env = getenv("COLUMNS");
    long n = env ? strtol(env, NULL, 10) : 0;
    return n >= CLI_WIDTH_MIN && n <= 10000 ? (size_t)n : 0;
}

void cli_term_resize(struct cli_term *t, const struct cli_args *a)
{
    struct winsize ws;
    size_t given = (size_t)cli_num(a, OPT_width);
    size_t out = t->out_tty ? columns_of(1) : 0, err = t->err_tty ? columns_of(2) : 0;
    t->width = given ? given : out ? out : CLI_WIDTH_DEFAULT;
    t->err_width = given ? given : err ? err : CLI_WIDTH_DEFAULT;
    t->rows = t->out_tty && ioctl(1, TIOCGWINSZ, &ws) == 0 ? ws.ws_row : 0;
}

static bool want_color(const struct cli_args *a, bool tty)
{
    static const char *const words[] = {"auto", "always", "never"}; /* as in options.def */
    const char *word = words[cli_num(a, OPT_color) % 3];
    if (cli_flag(a, OPT_no_color) || strcmp(word, "never") == 0)
        return false;
    if (strcmp(word, "always") == 0)
        return true;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return tty && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

void cli_term_init(struct cli_term *t, const struct cli_args *a)
{
    t->out_tty = isatty(1);
    t->err_tty = isatty(2);
    t->color = want_color(a, t->out_tty);
    t->err_color = want_color(a, t->err_tty);
    cli_term_resize(t, a);
}

const char *cli_style(bool color, enum cli_style s)
{
    static const char *const sequences[CLI_NSTYLE] = {"\x1b[0m",  "\x1b[1m",  "\x1b[2m", "\x1b[31m",
                                                      "\x1b[33m", "\x1b[32m", "\x1b[36m"};
    return color ? sequences[s] : "";
}

void cli_out_init(struct cli_out *o, const struct cli_term *t, bool page)
{
    *o = (struct cli_out){.term = t, .fd = 1, .page = page && t->out_tty && t->rows > 2};
}

static struct err *closed(void)
{
    return err_sys(EPIPE, "standard output");
}

static struct err *write_out(struct cli_out *o, const char *bytes, size_t n)
{
    if (o->closed)
        return closed();
    struct err *e = write_all(o->fd, "standard output", bytes, n);
    if (e && err_errno(e) == EPIPE)
        o->closed = true;
    return e;
}

struct err *cli_out_flush(struct cli_out *o)
{
    struct err *e = o->held.n ? write_out(o, o->held.p, o->held.n) : NULL;
    buf_clear(&o->held);
    o->lines = 0;
    return e;
}

/* The pager's command line; NULL when the user wants none. */
static const char *pager_command(void)
{
    const char *env = getenv("GOSPECT_PAGER");
    if (!env)
        env = getenv("PAGER");
    if (!env)
        env = "less";
    return *env && strcmp(env, "cat") != 0 ? env : NULL;
}

static void run_pager(const char *command, int input)
{
    dup2(input, 0);
    close(input);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    setenv("LESS", "FRX", 0); /* end at once when it fits, keep colours, leave the text standing */
    setenv("LESSCHARSET", "utf-8", 0);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Starts the pager; without one (not installed, no process) the text goes straight out. */
static void start_pager(struct cli_out *o)
{
    const char *command = pager_command();
    int ends[2];
    o->page = false;
    if (!command || pipe(ends) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        run_pager(command, ends[0]);
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return;
    }
    o->pager = pid;
    o->fd = ends[1];
}

static size_t screen_lines(const struct cli_out *o, const char *bytes, size_t n)
{
    size_t lines = 0;
    for (const char *p = bytes, *end = bytes + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((nl ? nl : end) - p), width = text_widthn(p, len);
        lines += width > o->term->width ? (width + o->term->width - 1) / o->term->width : 1;
        p += len + 1;
    }
    return lines;
}

struct err *cli_out_write(void *arg, const char *bytes, size_t n)
{
    struct cli_out *o = arg;
    if (o->closed)
        return closed();
    if (o->page) {
        o->lines += screen_lines(o, bytes, n);
        if (o->lines + 1 > o->term->rows)
            start_pager(o);
    }
    buf_add(&o->held, bytes, n);
    if (o->page || o->held.n < BLOCK)
        return NULL;
    return cli_out_flush(o);
}

struct err *cli_out_text(struct cli_out *o, const struct buf *b)
{
    return cli_out_write(o, buf_text(b), b->n);
}

struct err *cli_out_finish(struct cli_out *o)
{
    struct err *e = cli_out_flush(o);
    buf_free(&o->held);
    if (!o->pager)
        return e;
    close(o->fd);
    int status = 0;
    while (waitpid(o->pager, &status, 0) < 0 && errno == EINTR)
        ;
    o->pager = 0;
    o->fd = 1;
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 127))
        return e;
    err_free(e);
    return err_hint(err_new(ERR_NOT_FOUND, "the pager could not be started"),
                    "Set GOSPECT_PAGER, or use --no-pager");
}
