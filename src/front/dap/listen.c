/* listen.c - see listen.h. */
#include "front/dap/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { BACKLOG = 16, PROC_NET_MAX = 16 << 20 };

static struct err *listen_unix(const char *path, int *ret_fd, char **ret_path, struct buf *told)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof(a.sun_path))
        return err_new(ERR_USAGE, "--listen: the path of a unix socket has 1 to %zu bytes",
                       sizeof(a.sun_path) - 1);
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(errno, "unix socket");
    mode_t mask = umask(0177);
    int failed = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
    umask(mask);
    if (!failed && listen(fd, BACKLOG))
        failed = errno;
    if (failed) {
        close(fd);
        return err_hint(err_sys(failed, "--listen: %s", path),
                        failed == EADDRINUSE ? "Remove the file if no server uses it" : "%s", "");
    }
    *ret_fd = fd;
    *ret_path = mem_strdup(path);
    buf_printf(told, "listening at unix:%s", path);
    return NULL;
}

static bool loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

/* "host:port" in two; host "" when there is none. */
static struct err *split(const char *where, char *host, size_t n, const char **port)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    const char *from = where;
    *port = colon ? colon + 1 : where;
    if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
        from++;
        len -= 2;
    }
    size_t digits = strspn(*port, "0123456789");
    if (!digits || digits > 5 || (*port)[digits] || strtoul(*port, NULL, 10) > 65535 || len >= n)
        return err_hint(err_new(ERR_USAGE, "--listen=%s: that is no address", where),
                        "write HOST:PORT, for instance 127.0.0.1:4711, or unix:PATH");
    memcpy(host, from, len);
    host[len] = '\0';
    return NULL;
}

static struct err *bind_one(const struct addrinfo *ai, const char *where, bool any, int *ret_fd)
{
    static const int on = 1;
    if (!any && !loopback(ai->ai_addr))
        return err_hint(err_new(ERR_USAGE,
                                "--listen=%s: other machines could reach that, and run what they "
                                "like as you",
                                where),
                        "127.0.0.1 is this machine's own; --allow-remote if that is meant");
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(errno, "--listen=%s", where);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG)) {
        struct err *e = err_sys(errno, "--listen=%s", where);
        close(fd);
        return e;
    }
    *ret_fd = fd;
    return NULL;
}

static void tell_address(int fd, struct buf *told)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&a, &n) ||
        getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    buf_printf(told, strchr(host, ':') ? "listening at [%s]:%s" : "listening at %s:%s", host, port);
}

static struct err *listen_tcp(const char *where, bool any, int *ret_fd, struct buf *told)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    TRY(split(where, host, sizeof(host), &port));
    int bad = getaddrinfo(*host ? host : "127.0.0.1", port, &hints, &list);
    if (bad)
        return err_new(ERR_USAGE, "--listen=%s: %s", where, gai_strerror(bad));
    struct err *e = bind_one(list, where, any, ret_fd);
    freeaddrinfo(list);
    if (!e)
        tell_address(*ret_fd, told);
    return e;
}

struct err *dap_listen(const char *where, bool any_address, int *ret_fd, char **ret_path,
                       struct buf *told)
{
    *ret_path = NULL;
    if (strncmp(where, "unix:", 5) == 0)
        return listen_unix(where + 5, ret_fd, ret_path, told);
    return listen_tcp(where, any_address, ret_fd, told);
}

/* ---- who connects ---- */

/* "0100007F:1F90", as /proc/net/tcp writes an end: the words of the address as the machine has
 * them. */
static void proc_end(const struct sockaddr *a, struct buf *b)
{
    uint32_t words[4];
    size_t n;
    uint16_t port;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)a;
        memcpy(words, &four->sin_addr, 4);
        n = 1;
        port = ntohs(four->sin_port);
    } else {
        const struct sockaddr_in6 *six = (const void *)a;
        memcpy(words, &six->sin6_addr, 16);
        n = 4;
        port = ntohs(six->sin6_port);
    }
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%08X", words[i]);
    buf_printf(b, ":%04X", port);
}

/* The user whose socket has these ends (the peer's is the local one there). */
static bool owner_of(const struct sockaddr *peer, const struct sockaddr *own, unsigned *ret_uid)
{
    struct buf table = {0}, ends = {0};
    const char *file = peer->sa_family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6";
    proc_end(peer, &ends);
    buf_char(&ends, ' ');
    proc_end(own, &ends);
    bool found = false;
    struct err *e = file_read(file, PROC_NET_MAX, &table);
    const char *at = e ? NULL : strstr(buf_text(&table), buf_text(&ends));
    if (at) /* then: state, queues, timer, retransmits, uid */
        found = sscanf(at + ends.n, " %*s %*s %*s %*s %u", ret_uid) == 1;
    err_free(e);
    buf_free(&table);
    buf_free(&ends);
    return found;
}

static bool user_allowed(unsigned uid, struct err **ret_why)
{
    if (uid == geteuid() || uid == 0)
        return true;
    *ret_why = err_new(ERR_USAGE, "a connection of another user (uid %u) was refused", uid);
    return false;
}

bool dap_peer_allowed(int fd, bool any_address, struct err **ret_why)
{
    struct sockaddr_storage peer, own;
    socklen_t n = sizeof(peer), m = sizeof(own);
    struct ucred cred;
    unsigned uid;
    *ret_why = NULL;
    if (getpeername(fd, (struct sockaddr *)&peer, &n) ||
        getsockname(fd, (struct sockaddr *)&own, &m)) {
        *ret_why = err_sys(errno, "a connection");
        return false;
    }
    if (peer.ss_family == AF_UNIX) {
        n = sizeof(cred);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
            return user_allowed(cred.uid, ret_why);
        *ret_why = err_sys(errno, "a connection");
        return false;
    }
    if (!loopback((struct sockaddr *)&peer) && any_address)
        return true;
    if (owner_of((struct sockaddr *)&peer, (struct sockaddr *)&own, &uid))
        return user_allowed(uid, ret_why);
    *ret_why = err_new(ERR_NOT_FOUND, "a connection was refused: whose it is can not be told");
    return false;
}
