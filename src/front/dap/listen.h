/* listen.h - where the DAP server can be reached, and by whom.
 *
 * Who reaches it can run programs as us.  So TCP is this machine's own address unless the user says
 * otherwise, and a peer must be a process of the same user (or root): of a unix socket the kernel
 * tells, of a TCP connection on this machine /proc/net does. */
#ifndef GOSPECT_FRONT_DAP_LISTEN_H
#define GOSPECT_FRONT_DAP_LISTEN_H

#include "base/buf.h"
#include "base/err.h"

/* "host:port", ":port", "port", "[::1]:port", "unix:PATH".  *ret_path (owned by the caller): the
 * socket's file, to be removed; NULL for TCP.  where: told to the user.  USAGE: not understood, or
 * not this machine's own and any_address is not said. */
struct err *dap_listen(const char *where, bool any_address, int *ret_fd, char **ret_path,
                       struct buf *told) MUST_USE;

/* Whether the process at the other end may talk to us; else *ret_why. */
bool dap_peer_allowed(int fd, bool any_address, struct err **ret_why);

#endif
