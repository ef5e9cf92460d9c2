/* dap.h - the server of the Debug Adapter Protocol: editors' way to a debugging session.
 *
 * One server has one session at a time; the client that starts it, and others that join it, see and
 * do the same, each with its own numbers for frames and variables.  docs/formats/dap.md tells what
 * is ours in the protocol. */
#ifndef GOSPECT_FRONT_DAP_DAP_H
#define GOSPECT_FRONT_DAP_DAP_H

#include <sys/types.h>

#include "base/err.h"

struct dap_options {
    const char
        *listen;      /* "host:port", "unix:PATH"; NULL: one client, on standard input and output */
    bool any_address; /* an address that is not this machine's own is meant so */
    const char *log;  /* file for what the session did; NULL: none */
    const char *terminal; /* be the helper in an editor's terminal: the socket to report to */
    /* The process that people call name.  NOT_FOUND. */
    struct err *(*find)(void *arg, const char *name, pid_t *ret);
    void *find_arg;
    /* What is to be said to the man who started the server: where it listens. */
    void (*say)(void *arg, const char *text);
    void *say_arg;
    int (*signal)(void); /* the signal that asks us to end; 0: none came */
};

/* Serves until there is nothing more to do: the client on standard input has gone, or a signal
 * came.  Whatever happens, a process that was attached to runs on, one that was launched has
 * ended. */
struct err *dap_serve(const struct dap_options *o) MUST_USE;

#endif
