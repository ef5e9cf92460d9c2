/* mem.h - memory: allocation that does not fail, allocation that may, and arenas.
 *
 * Small amounts that do not depend on a target, a file or a peer come from mem_alloc() and arenas:
 * they never return NULL; when the machine is out of memory the handler front/ set is called and
 * the process ends (a target survives that: see docs/decisions/out-of-memory.md).  Amounts that a
 * target, a file or a peer decides are capped first and asked for with mem_try_alloc(), whose
 * failure becomes an ERR_NOMEM. */
#ifndef GOSPECT_BASE_MEM_H
#define GOSPECT_BASE_MEM_H

#include <stdarg.h>

#include "base/types.h"

void *mem_alloc(size_t n) MUST_USE; /* zeroed; free() it */
void *mem_realloc(void *p, size_t n) MUST_USE;
char *mem_strdup(const char *s) MUST_USE;
void *mem_try_alloc(size_t n) MUST_USE; /* zeroed; NULL when there is not enough */
/* For what belongs to the graph of a heap: tells the system that a large area is used all over.
 * Pages of 2 MiB save half of the time of random access to hundreds of megabytes (faults, and walks
 * of page tables).  Where an area is filled only in part, or once, they cost more than they save: a
 * page is zeroed, and counts, whole.  mem_advise() is for realloc(), before anything is written. */
void *mem_try_alloc_huge(size_t n) MUST_USE; /* as mem_try_alloc() */
void mem_advise(void *p, size_t n);

/* For what looks at a heap, from now on: what is large lies apart from what is small, and goes back
 * to the system as soon as it is freed.  Otherwise the C library begins to keep what has the size
 * of something that was freed before, up to 32 MiB, between small things that stay.  Not for all:
 * who takes and frees the same megabyte again and again pays twice as many page faults. */
void mem_give_back(void);

/* Called, and expected not to return, when memory is exhausted; n is what was asked for. */
void mem_set_oom_handler(void (*handler)(size_t n));
void mem_oom(size_t n) __attribute__((noreturn));

/* An arena hands out memory that is freed all at once.  The caller of a function brings the arena,
 * and so decides how long the results live.  Thread: one at a time. */
struct arena {
    struct arena_chunk *chunks;
    uint8_t *at, *end;
    size_t total; /* bytes taken from the system */
};

void arena_init(struct arena *a);
void arena_free(struct arena *a);
/* The same, for those who fill it again at once: some memory stays.  Its end is arena_free(). */
void arena_reset(struct arena *a);
/* What `from` handed out belongs to a now; from is empty. */
void arena_join(struct arena *a, struct arena *from);
void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned to 16 */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define arena_new(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define arena_array(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

#endif
