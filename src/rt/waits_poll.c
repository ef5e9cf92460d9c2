/* waits_poll.c - the files that goroutines wait for: descriptors, and both ends of connections.
 *
 * Go: runtime/netpoll.go pollDesc (1.18-1.27).  What a descriptor is the kernel tells, of a live
 * process only; a core file has numbers alone. */
#include <stdlib.h>

#include "rt/waits_int.h"

struct err *waits_read_polls(struct waits *w)
{
    struct capture *c = w->c;
    struct snap *s = c->s;
    struct target_fd *fds = arena_array(&c->arena, struct target_fd, w->polls.n + 1);
    for (size_t i = 0; i < w->polls.n; i++) {
        int64_t fd = w->polls.v[i].fd;
        fds[i].fd = fd >= 0 && fd <= INT32_MAX ? (int)fd : -1;
    }
    if (w->polls.n)
        target_describe_fds(c->rt->t, &c->arena, fds, w->polls.n);
    for (size_t i = 0; i < w->polls.n; i++) {
        const struct wait_poll *p = &w->polls.v[i];
        uint32_t row = snap_add_poll(s);
        s->poll.addr[row] = p->addr;
        s->poll.fd[row] = p->fd;
        s->poll.flags[row] = p->closing ? SNAP_PF_CLOSING : 0;
        s->poll.read_deadline[row] = p->rd;
        s->poll.write_deadline[row] = p->wd;
        s->poll.file[row] = intern_add(&s->strings, fds[i].what ? fds[i].what : "");
        s->poll.local[row] = intern_add(&s->strings, fds[i].local ? fds[i].local : "");
        s->poll.remote[row] = intern_add(&s->strings, fds[i].remote ? fds[i].remote : "");
        s->poll.state[row] = intern_add(&s->strings, fds[i].state ? fds[i].state : "");
    }
    return NULL;
}
