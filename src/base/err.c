/* err.c - errors as values; see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err {
    enum err_code code;
    int errnum;
    char *message; /* owned */
    char *hint;    /* owned, or NULL */
    char *excerpt; /* owned, or NULL */
};

/* What remains when not even an error fits into memory. */
static char nomem_message[] = "out of memory";
static struct err nomem = {.code = ERR_NOMEM, .message = nomem_message};

static struct err *make(enum err_code code, int errnum, char *message)
{
    struct err *e = message ? calloc(1, sizeof(*e)) : NULL;
    if (!e) {
        free(message);
        return &nomem;
    }
    e->code = code;
    e->errnum = errnum;
    e->message = message;
    return e;
}

static char *format(const char *fmt, va_list ap)
{
    char *text = NULL;
    return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

struct err *err_newv(enum err_code code, const char *fmt, va_list ap)
{
    return make(code, 0, format(fmt, ap));
}

struct err *err_new(enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct err *e = err_newv(code, fmt, ap);
    va_end(ap);
    return e;
}

struct err *err_sys(int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *context = format(fmt, ap);
    va_end(ap);
    char *text = NULL;
    if (context && asprintf(&text, "%s: %s", context, strerror(errnum)) < 0)
        text = NULL;
    free(context);
    return make(ERR_SYS, errnum, text);
}

struct err *err_sys_text(int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct err *e = make(ERR_SYS, errnum, format(fmt, ap));
    va_end(ap);
    return e;
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e || e == &nomem)
        return e;
    va_list ap;
    va_start(ap, fmt);
    char *context = format(fmt, ap);
    va_end(ap);
    char *text = NULL;
    if (context && asprintf(&text, "%s: %s", context, e->message) >= 0) {
        free(e->message);
        e->message = text;
    }
    free(context);
    return e;
}

struct err *err_hint(struct err *e, const char *fmt, ...)
{
    if (!e || e == &nomem || e->hint)
        return e;
    va_list ap;
    va_start(ap, fmt);
    e->hint = format(fmt, ap);
    va_end(ap);
    return e;
}

struct err *err_excerpt(struct err *e, const char *fmt, ...)
{
    if (!e || e == &nomem || e->excerpt)
        return e;
    va_list ap;
    va_start(ap, fmt);
    e->excerpt = format(fmt, ap);
    va_end(ap);
    return e;
}

void err_free(struct err *e)
{
    if (!e || e == &nomem)
        return;
    free(e->message);
    free(e->hint);
    free(e->excerpt);
    free(e);
}

enum err_code err_code(const struct err *e)
{
    return e->code;
}

int err_errno(const struct err *e)
{
    return e->errnum;
}

const char *err_message(const struct err *e)
{
    return e->message;
}

/* What helps against a failure of the system, whatever was being done. */
static const char *usual_hint(int errnum)
{
    static const struct {
        int errnum;
        const char *hint;
    } hints[] = {
        {EMFILE, "More files must be allowed to be open at a time: ulimit -n 1024"},
        {ENFILE, "The whole machine has too many files open: see sysctl fs.file-max"},
        {ENOSPC, "Make room there, or name a file on another file system"},
        {EDQUOT, "Make room there, or name a file on another file system"},
        {EFBIG, "ulimit -f and the file system say how large a file may be"},
        {EROFS, "Name a file on another file system"},
        {EISDIR, "Name a file in it"},
        {ENOMEM, "See ulimit -v, and the memory limit of our control group"},
        {ENOSYS,
         "The kernel has no such call, or a seccomp filter around us forbids it; in Docker: "
         "--security-opt seccomp=unconfined"},
    };
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].errnum == errnum)
            return hints[i].hint;
    return NULL;
}

const char *err_hint_text(const struct err *e)
{
    return e->hint ? e->hint : usual_hint(e->code == ERR_NOMEM ? ENOMEM : e->errnum);
}

const char *err_excerpt_text(const struct err *e)
{
    return e->excerpt;
}
