/* pool.c - worker threads; see pool.h.
 *
 * Threads are started for each run: it costs 20-50 us and leaves no threads behind that would have
 * to be explained to fork(), seccomp or a signal handler. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { POOL_MAX = 16 };

struct run {
    size_t n;
    struct err *(*job)(void *arg, size_t i, unsigned worker);
    void *arg;
    atomic_size_t next;
    _Atomic(struct err *) first;
};

struct worker {
    struct run *run;
    unsigned index;
    pthread_t thread;
};

static _Thread_local unsigned limit; /* 0: none */

unsigned pool_limit(unsigned workers)
{
    unsigned before = limit;
    limit = workers;
    return before;
}

unsigned pool_width(void)
{
    static _Atomic unsigned cached;
    unsigned width = atomic_load(&cached);
    if (!width) {
        cpu_set_t set;
        int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
        width = (unsigned)(n < 1 ? 1 : n > POOL_MAX ? POOL_MAX : n);
        atomic_store(&cached, width);
    }
    return limit && limit < width ? limit : width;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct run *run = w->run;
    while (!atomic_load(&run->first)) {
        size_t i = atomic_fetch_add(&run->next, 1);
        if (i >= run->n)
            break;
        struct err *e = run->job(run->arg, i, w->index), *none = NULL;
        if (e && !atomic_compare_exchange_strong(&run->first, &none, e))
            err_free(e);
    }
    return NULL;
}

struct err *pool_run(size_t n, struct err *(*job)(void *arg, size_t i, unsigned worker), void *arg)
{
    struct run run = {.n = n, .job = job, .arg = arg};
    struct worker workers[POOL_MAX];
    unsigned width = (unsigned)min_u64(pool_width(), n), started = 1;
    for (; started < width; started++) {
        workers[started] = (struct worker){.run = &run, .index = started};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]))
            break; /* fewer workers do the same work */
    }
    workers[0] = (struct worker){.run = &run};
    work(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    return atomic_load(&run.first);
}
