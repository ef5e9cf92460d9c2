/* buf.h - growing text and bytes with a ceiling.
 *
 * Every buffer has a ceiling (BUF_MAX_DEFAULT unless set); what exceeds it is cut and `full` is
 * set, so that a strange target can not make us eat the machine.  The text is always
 * NUL-terminated.  Thread: one at a time. */
#ifndef GOSPECT_BASE_BUF_H
#define GOSPECT_BASE_BUF_H

#include <stdarg.h>

#include "base/types.h"

#define BUF_MAX_DEFAULT ((size_t)1 << 30)

struct buf {
    char *p; /* owned; NULL until the first byte */
    size_t n, cap, max;
    bool full; /* something was cut */
};

void buf_init(struct buf *b, size_t max); /* a zeroed struct is as good as max BUF_MAX_DEFAULT */
void buf_free(struct buf *b);
void buf_clear(struct buf *b);         /* keeps the memory */
void buf_cut(struct buf *b, size_t n); /* keeps the first n bytes, if there are more */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_repeat(struct buf *b, char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void buf_uleb(struct buf *b, uint64_t v);  /* LEB128, as protobuf and DWARF write it */
const char *buf_text(const struct buf *b); /* never NULL; valid until the next call that adds */
char *buf_take(struct buf *b); /* the text, now the caller's (free()); the buffer is empty after */

#endif
