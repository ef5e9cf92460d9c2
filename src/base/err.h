/* err.h - errors are values.
 *
 * Every function that can fail returns `struct err *`; NULL is success.  An error carries a code
 * (to be caught by program), a message (what happened, and why; wrapped outwards, outermost context
 * first) and at most one hint (what the user can do).  The receiver owns it: hand it on, or
 * err_free() it.  Only front/ turns errors into text and exit codes.
 *
 * Thread: an error belongs to one thread at a time. */
#ifndef GOSPECT_BASE_ERR_H
#define GOSPECT_BASE_ERR_H

#include <stdarg.h>

#include "base/types.h"

enum err_code {
    ERR_NOMEM = 1,   /* memory of ours ran out, or would exceed its cap */
    ERR_SYS,         /* a system call failed; err_errno() tells which way */
    ERR_FAULT,       /* the target has no readable memory there */
    ERR_BAD_DATA,    /* bytes do not mean what they should; truncated, corrupt, contradictory */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_GONE,        /* the process vanished, or became another program */
    ERR_LIMIT,       /* a limit of ours was reached */
    ERR_UNSUPPORTED, /* understood, but not something we can do here */
    ERR_USAGE,       /* the caller asked for something that makes no sense */
    ERR_CANCELLED,   /* the user asked us to stop */
};

struct err;

/* A new error.  Never NULL: when memory is short a static NOMEM error is returned. */
struct err *err_new(enum err_code code, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;
struct err *err_newv(enum err_code code, const char *fmt, va_list ap) PRINTF_LIKE(2, 0) MUST_USE;

/* An ERR_SYS error; the message ends with strerror(errnum). */
struct err *err_sys(int errnum, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

/* An ERR_SYS error whose message says it all: strerror(errnum) is not added. */
struct err *err_sys_text(int errnum, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

/* Puts context before the message: "CONTEXT: MESSAGE".  NULL stays NULL. */
struct err *err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

/* Says what the user can do about it; an earlier (inner) hint is kept. */
struct err *err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

/* Lines to be shown below the message as they are, for instance an expression with a caret below
 * the place that is wrong.  The message must be understood without them. */
struct err *err_excerpt(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

void err_free(struct err *e);

enum err_code err_code(const struct err *e);
int err_errno(const struct err *e); /* 0 unless the code is ERR_SYS */
const char *err_message(const struct err *e);
/* NULL: none.  Failures of the system that always have the same remedy have one by themselves. */
const char *err_hint_text(const struct err *e);
const char *err_excerpt_text(const struct err *e); /* NULL: none */

/* Returns the first failure to our caller. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        struct err *try_err_ = (expr);                                                             \
        if (try_err_)                                                                              \
            return try_err_;                                                                       \
    } while (0)

#endif
