/* leaks_int.h - the words that text and JSON about leaks have in common. */
#ifndef GOSPECT_REPORT_LEAKS_INT_H
#define GOSPECT_REPORT_LEAKS_INT_H

#include "report/heap_int.h"
#include "report/leaks.h"

/* Why it can never run again: "nothing that may still run leads to the channel". */
void leak_why_text(const struct snap *s, const struct wait_leak *l, struct buf *b);
/* "channel", "lock", or "channels" of a select. */
const char *leak_object_word(const struct snap *s, const struct wait_leak *l);

#endif
