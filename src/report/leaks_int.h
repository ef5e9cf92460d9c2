/* leaks_int.h - the words that text and JSON about leaks have in common. */
#ifndef GOSPECT_REPORT_LEAKS_INT_H
#define GOSPECT_REPORT_LEAKS_INT_H

#include "report/heap_int.h"
#include "report/leaks.h"
#include "wait/wait.h"
#include "heap/paths.h"

/* Why it can never run again: "nothing that may still run leads to the channel". */
void leak_why_text(const struct snap *s, const struct wait_leak *l, struct buf *b);
/* "channel", "lock", or "channels" of a select. */
const char *leak_object_word(const struct snap *s, const struct wait_leak *l);

/* leaks_wakers.c */
struct leak_facts {
    struct heap_graph *graph;
    struct wait_graph *waits; /* owned, as the next */
    bool *leaked;             /* by goroutine: proved or inferred */
};
struct err *leak_facts_open(struct heap_graph *g, const struct wait_leaks *l,
                            struct leak_facts *ret) MUST_USE;
void leak_facts_close(struct leak_facts *f); /* whatever leak_facts_open() returned */
/* "it waits for orders.jobs chan int at 0xc000123450 (unbuffered)"; nothing: for no object. */
void leak_objects_text(const struct leak_facts *f, const struct wait_leak *l, struct buf *b);
/* Tells those who would have woken it, and where they wait (row of frame, SNAP_NONE); how many it
 * left out. */
uint32_t leak_wakers(const struct leak_facts *f, const struct wait_leak *l,
                     void (*tell)(void *arg, struct buf *text, uint32_t place), void *arg);
/* The shortest way from a root to what it waits for that does not begin on the stack of somebody
 * who waits for it; nothing: none was found, or that is not on the heap. */
struct err *leak_path_text(const struct leak_facts *f, const struct wait_leak *l,
                           struct buf *b) MUST_USE;
void leak_objects_json(struct json *j, const struct leak_facts *f, const struct wait_leak *l);

#endif
