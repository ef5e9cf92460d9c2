/* log.c - logging; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level max_level = LOG_NONE;
static void (*log_sink)(enum log_level level, const char *text);

void log_set(enum log_level level, void (*sink)(enum log_level level, const char *text))
{
    max_level = level;
    log_sink = sink;
}

bool log_on(enum log_level level)
{
    return log_sink && level <= max_level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_on(level))
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_sink(level, text);
}
