/* log.h - what a room wants a developer to know.  Rooms never print: they log, and front/ decides
 * (with --verbose, or GOSPECT_LOG) whether and where it is shown.  Thread: any. */
#ifndef GOSPECT_BASE_LOG_H
#define GOSPECT_BASE_LOG_H

#include "base/types.h"

enum log_level { LOG_NONE, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set(enum log_level level, void (*sink)(enum log_level level, const char *text));
bool log_on(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
