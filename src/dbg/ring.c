/* ring.c - messages from handlers to the session's thread.
 *
 * A log point that is met a million times a second must not fill our memory, and its thread must
 * not wait for somebody who reads: the session may itself be waiting for the tracer thread.  So the
 * ring has a ceiling; what comes when it is full is dropped, counted, and the count is told with
 * the next message.
 *
 * Waking the session for each message would cost as much as the hit.  The first is told at once;
 * those that follow closely are gathered for a moment.  Who asks gets what there is. */
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#include "dbg/dbg_int.h"

enum { RING_ENTRIES = 1 << 16, RING_BYTES = 32 << 20, GATHER_NS = 2 * 1000 * 1000 };

struct ring {
    pthread_mutex_t lock;
    struct ring_entry *v; /* owned; RING_ENTRIES */
    size_t first, n, bytes;
    uint64_t lost;
    int64_t drained; /* when somebody last took all */
    int fd;          /* a timer */
};

/* CLOCK_MONOTONIC; 0: never. */
static void ring_at(struct ring *r, int64_t ns)
{
    struct itimerspec at = {.it_value = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC}};
    timerfd_settime(r->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

struct ring *ring_new(void)
{
    struct ring *r = mem_alloc(sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    r->v = mem_alloc(RING_ENTRIES * sizeof(*r->v));
    r->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return r;
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->v[(r->first + i) % RING_ENTRIES].text);
    free(r->v);
    if (r->fd >= 0)
        close(r->fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

int ring_fd(const struct ring *r)
{
    return r->fd;
}

void ring_put(struct ring *r, const struct ring_entry *e)
{
    size_t n = strlen(e->text);
    pthread_mutex_lock(&r->lock);
    if (r->n == RING_ENTRIES || r->bytes + n > RING_BYTES) {
        r->lost++;
        free(e->text);
    } else {
        r->v[(r->first + r->n++) % RING_ENTRIES] = *e;
        r->bytes += n;
        if (r->n == 1)
            ring_at(r, r->drained + GATHER_NS); /* at once when that is over */
    }
    pthread_mutex_unlock(&r->lock);
}

bool ring_take(struct ring *r, struct ring_entry *ret, uint64_t *ret_lost)
{
    pthread_mutex_lock(&r->lock);
    bool have = r->n > 0;
    if (have) {
        *ret = r->v[r->first];
        r->first = (r->first + 1) % RING_ENTRIES;
        r->n--;
        r->bytes -= strlen(ret->text);
        *ret_lost = r->lost;
        r->lost = 0;
        if (r->n == 0) {
            r->drained = clock_mono_ns();
            ring_at(r, 0); /* nor has it rung any more */
        }
    }
    pthread_mutex_unlock(&r->lock);
    return have;
}
