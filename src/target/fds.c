/* fds.c - what file descriptors of a process are: /proc/PID/fd, and the kernel's tables of sockets
 * in its network namespace (/proc/PID/net/tcp and friends).
 *
 * A socket has a number there, its inode, that the link of the descriptor names.  The tables can be
 * long (a line for each connection of the host's namespace) and are read line by line, once for all
 * descriptors. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "target/proc_int.h"

/* The hex digits of an address as the kernel prints its 32-bit words, and ":" port. */
static bool parse_end(const char *text, char *dst, size_t size)
{
    uint32_t word[4] = {0};
    unsigned port;
    size_t digits = strspn(text, "0123456789ABCDEFabcdef"), words = digits / 8;
    if ((digits != 8 && digits != 32) || sscanf(text + digits, ":%4x", &port) != 1)
        return false;
    for (size_t i = 0; i < words; i++) {
        char hex[9] = {0};
        memcpy(hex, text + 8 * i, 8);
        word[i] = (uint32_t)strtoul(hex, NULL, 16);
    }
    char ip[INET6_ADDRSTRLEN];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (words == 4 && memcmp(word, mapped, sizeof(mapped)) != 0) {
        inet_ntop(AF_INET6, word, ip, sizeof(ip));
        snprintf(dst, size, "[%s]:%u", ip, port);
        return true;
    }
    inet_ntop(AF_INET, words == 4 ? &word[3] : word, ip, sizeof(ip));
    snprintf(dst, size, "%s:%u", ip, port);
    return true;
}

bool proc_parse_socket(const char *line, struct proc_socket *ret)
{
    char local[64], remote[64];
    unsigned state;
    memset(ret, 0, sizeof(*ret));
    if (sscanf(line, " %*d: %63s %63s %2x %*s %*s %*s %*d %*d %" SCNu64, local, remote, &state,
               &ret->inode) != 4)
        return false;
    ret->state = (uint8_t)state;
    return parse_end(local, ret->local, sizeof(ret->local)) &&
           parse_end(remote, ret->remote, sizeof(ret->remote));
}

bool proc_parse_unix(const char *line, struct proc_socket *ret)
{
    char path[sizeof(ret->local)] = "";
    memset(ret, 0, sizeof(*ret));
    if (sscanf(line, "%*[^:]: %*s %*s %*s %*s %*s %" SCNu64 " %127[^\n]", &ret->inode, path) < 1)
        return false;
    memcpy(ret->local, path, sizeof(path));
    return true;
}

static const char *tcp_state(unsigned state)
{
    static const char *const names[] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                        "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                        "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    return state < ARRAY_LEN(names) ? names[state] : "";
}

struct fd_search {
    struct arena *a;
    struct target_fd *v;
    struct map by_inode; /* -> index of v */
};

static void take_socket(struct fd_search *f, const char *table, const struct proc_socket *s)
{
    uint32_t i = s->inode ? map_get(&f->by_inode, s->inode) : MAP_NONE;
    if (i == MAP_NONE)
        return;
    struct target_fd *fd = &f->v[i];
    bool tcp = strncmp(table, "tcp", 3) == 0, connected = !strstr(s->remote, ":0") || tcp;
    const char *state = tcp ? tcp_state(s->state) : "";
    fd->what = table;
    fd->local = arena_strdup(f->a, s->local);
    fd->remote = connected && strcmp(state, "LISTEN") != 0 ? arena_strdup(f->a, s->remote) : "";
    fd->state = state;
}

/* The tenth word of a line about a socket of the internet; 0: there is none.  Most lines are about
 * other processes, and need not be understood any further. */
static uint64_t inode_of(const char *line)
{
    static const char blanks[] = " \t\n";
    for (int i = 0; i < 9; i++) {
        line += strspn(line, blanks);
        line += strcspn(line, blanks);
    }
    return strtoull(line, NULL, 10);
}

static void read_table(struct fd_search *f, pid_t pid, const char *table)
{
    char path[PROC_PATH], *line = NULL;
    size_t cap = 0;
    struct proc_socket s;
    bool is_unix = strcmp(table, "unix") == 0;
    FILE *in = fopen(proc_path(path, "/proc/%d/net/%s", pid, table), "re");
    while (in && getline(&line, &cap, in) > 0) {
        if (!is_unix && map_get(&f->by_inode, inode_of(line)) == MAP_NONE)
            continue;
        if (is_unix ? proc_parse_unix(line, &s) : proc_parse_socket(line, &s))
            take_socket(f, table, &s);
    }
    free(line);
    if (in)
        fclose(in);
}

static void read_link(struct fd_search *f, pid_t pid, uint32_t i)
{
    char path[4096];
    uint64_t inode;
    struct target_fd *fd = &f->v[i];
    if (fd->fd < 0 || proc_readlink(path, sizeof(path), "/proc/%d/fd/%d", pid, fd->fd) <= 0)
        return;
    if (sscanf(path, "socket:[%" SCNu64 "]", &inode) == 1) {
        fd->what = "socket";
        map_put(&f->by_inode, inode, i);
    } else if (strncmp(path, "pipe:", 5) == 0) {
        fd->what = "pipe";
    } else if (strncmp(path, "anon_inode:", 11) == 0) {
        fd->what = arena_strdup(f->a, path + 11);
    } else {
        fd->what = arena_strdup(f->a, path);
    }
}

void target_describe_fds(struct target *t, struct arena *a, struct target_fd *v, size_t n)
{
    static const char *const tables[] = {"tcp", "tcp6", "udp", "udp6", "unix"};
    struct fd_search f = {.a = a, .v = v};
    enum target_kind kind = target_kind(t);
    for (size_t i = 0; i < n; i++)
        v[i].what = v[i].local = v[i].remote = v[i].state = "";
    if (kind == TARGET_CORE || kind == TARGET_FAKE)
        return;
    for (uint32_t i = 0; i < n; i++)
        read_link(&f, target_pid(t), i);
    for (size_t i = 0; f.by_inode.n && i < ARRAY_LEN(tables); i++)
        read_table(&f, target_pid(t), tables[i]);
    map_free(&f.by_inode);
}
