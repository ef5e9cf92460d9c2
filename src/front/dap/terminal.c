/* terminal.c - the program in the editor's own terminal.
 *
 * The editor starts a command there; it is ourselves, as a helper that tells us by a socket which
 * terminal it is, keeps it open, and hands Ctrl-C on.  The program gets that terminal as its
 * standard files and is started, and traced, by us. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "front/dap/dap_int.h"
#include "front/dap/listen.h"

enum { TTY_MAX = 256 };

/* ---- our side ---- */

static struct err *listen_for_helper(struct dap_terminal *t)
{
    const char *tmp = getenv("TMPDIR");
    struct buf path = {0}, told = {0}, where = {0};
    buf_printf(&path, "%s/gospect-tty-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path.p)) {
        struct err *e = err_sys(errno, "%s", buf_text(&path));
        buf_free(&path);
        return e;
    }
    t->dir = mem_strdup(buf_text(&path));
    buf_str(&path, "/socket");
    buf_printf(&where, "unix:%s", buf_text(&path));
    struct err *e = dap_listen(buf_text(&where), false, &t->listen_fd, &t->path, &told);
    buf_free(&told);
    buf_free(&where);
    buf_free(&path);
    return e;
}

static void ask(struct dap_client *c)
{
    struct dap_server *server = c->server;
    struct dap_session *s = &server->session;
    char self[4096], here[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    struct dap_body b;
    struct json *j = dap_body_begin(&b);
    json_kstr(j, "kind", s->launch.console == 2 ? "external" : "integrated");
    json_kstr(j, "title", *s->launch.program ? s->launch.program : "gospect");
    json_kstr(j, "cwd", *s->launch.cwd ? s->launch.cwd : getcwd(here, sizeof(here)) ? here : "/");
    json_key(j, "args");
    json_begin(j, '[');
    json_str(j, self);
    json_str(j, "dap");
    json_str(j, "--terminal");
    json_str(j, s->terminal.path);
    json_end(j, ']');
    dap_body_end(&b);
    s->terminal.request_seq = c->seq;
    s->terminal.client = c;
    dap_put_request(&c->out, c->seq++, "runInTerminal", buf_text(&b.text), b.text.n);
    dap_body_free(&b);
}

struct err *dap_terminal_start(struct dap_client *c)
{
    TRY(listen_for_helper(&c->server->session.terminal));
    ask(c);
    dap_defer(c);
    return NULL;
}

static void failed(struct dap_server *s, struct err *e)
{
    struct dap_client *c = s->session.terminal.client;
    s->session.terminal.client = NULL;
    if (c)
        dap_refuse(c, err_wrap(e, "the program's terminal"));
    else
        err_free(e);
    dap_session_end(s, true);
}

void dap_terminal_response(struct dap_client *c, const struct dap_message *m)
{
    struct dap_terminal *t = &c->server->session.terminal;
    if (t->client != c || m->request_seq != t->request_seq || m->success)
        return; /* what the helper says counts */
    failed(c->server, err_new(ERR_SYS, "the editor said: %s", m->text ? m->text : "no"));
}

/* Where the program is to run is known. */
static void have_tty(struct dap_server *s)
{
    struct dap_terminal *t = &s->session.terminal;
    struct dap_client *c = t->client;
    struct stat st;
    if (stat(t->tty, &st) || !S_ISCHR(st.st_mode) || st.st_uid != geteuid()) {
        failed(s, err_new(ERR_BAD_DATA, "%s is no terminal of ours", t->tty));
        return;
    }
    t->client = NULL;
    struct err *e = dap_launch_program(c);
    if (e) {
        dap_refuse(c, e);
        dap_session_end(s, true);
    }
}

/* The terminal's name in a line, then a letter for each signal that was typed there. */
static void helper_said(struct dap_server *s, const char *p, size_t n)
{
    struct dap_terminal *t = &s->session.terminal;
    for (size_t i = 0; i < n; i++) {
        if (t->tty) {
            int sig = p[i] == 'I' ? SIGINT : p[i] == 'Q' ? SIGQUIT : p[i] == 'H' ? SIGHUP : 0;
            if (sig && s->session.pid > 0 && s->session.kind == DAP_LAUNCHED)
                kill(s->session.pid, sig);
        } else if (p[i] != '\n') {
            buf_char(&t->said, p[i]);
        } else {
            t->tty = mem_strdup(buf_text(&t->said));
            have_tty(s);
            return;
        }
    }
    if (t->said.n > TTY_MAX)
        failed(s, err_new(ERR_BAD_DATA, "its helper talks nonsense"));
}

void dap_terminal_poll(struct dap_server *s)
{
    struct dap_terminal *t = &s->session.terminal;
    char bytes[TTY_MAX];
    if (t->fd < 0) {
        struct err *why = NULL;
        int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && dap_peer_allowed(fd, false, &why))
            t->fd = fd;
        else if (fd >= 0)
            close(fd);
        err_free(why);
        return;
    }
    ssize_t n = recv(t->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n > 0) {
        helper_said(s, bytes, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(t->fd); /* the terminal was closed; the program sees that itself */
        t->fd = -1;
        close(t->listen_fd);
        t->listen_fd = -1;
        if (!t->tty)
            failed(s, err_new(ERR_GONE, "it was closed"));
    }
}

void dap_terminal_end(struct dap_server *s)
{
    struct dap_terminal *t = &s->session.terminal;
    if (t->fd >= 0)
        close(t->fd);
    if (t->listen_fd >= 0)
        close(t->listen_fd);
    if (t->path)
        unlink(t->path);
    if (t->dir)
        rmdir(t->dir);
    free(t->path);
    free(t->dir);
    free(t->tty);
    buf_free(&t->said);
    *t = (struct dap_terminal){.fd = -1, .listen_fd = -1};
}

/* ---- the helper's side ---- */

static volatile int helper_fd = -1;

static void hand_on(int sig)
{
    int saved = errno;
    char letter = sig == SIGINT ? 'I' : sig == SIGQUIT ? 'Q' : 'H';
    if (send(helper_fd, &letter, 1, MSG_NOSIGNAL) < 0)
        _exit(1);
    errno = saved;
}

struct err *dap_terminal_helper(const char *path)
{
    static const int sigs[] = {SIGINT, SIGQUIT, SIGHUP};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *tty = ttyname(0);
    if (!tty)
        return err_new(ERR_USAGE, "--terminal is for an editor's terminal, and this is none");
    if (strlen(path) >= sizeof(a.sun_path))
        return err_new(ERR_USAGE, "--terminal: too long a path");
    strcpy(a.sun_path, path);
    helper_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (helper_fd < 0 || connect(helper_fd, (struct sockaddr *)&a, sizeof(a)))
        return err_sys(errno, "%s", path);
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
        signal(sigs[i], hand_on);
    dprintf(helper_fd, "%s\n", tty);
    char byte;
    while (recv(helper_fd, &byte, 1, 0) > 0 || errno == EINTR)
        errno = 0; /* until the debugger is done with the terminal */
    return NULL;
}
