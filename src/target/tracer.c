/* tracer.c - the thread that traces; see tracer_int.h. */
#include "target/tracer_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    LOOK_AFTER_NS = 2 * 1000 * 1000,
    ASIDE_NS = 5 * 1000 * 1000,
    KICK_NS = 1000 * 1000, /* between two kicks, of which one may come too early */
    TIMER_SLACK_NS = 1000,
};

struct tracer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, done;
    struct err *(*fn)(const struct tracer_token *tok, void *arg); /* NULL: nothing to do */
    void *arg;
    struct err *result;
    bool finished, quit;
    void (*aside)(void *arg); /* NULL: the tracer is not blocked */
    void *aside_arg;
    bool attending; /* the tracer may sleep in attend(): kick it */

    /* tracer thread only: */
    bool (*look_after)(const struct tracer_token *tok, void *arg);
    void *look_after_arg;
    int64_t looked_ns; /* when it was called last */
    int64_t (*attend)(const struct tracer_token *tok, void *arg);
    void *attend_arg;
    struct urgency urgency;
};

void tracer_look_after(const struct tracer_token *tok,
                       bool (*fn)(const struct tracer_token *tok, void *arg), void *arg)
{
    tok->tracer->look_after = fn;
    tok->tracer->look_after_arg = arg;
}

/* ---- attending ---- */

static int kick_signal(void)
{
    return SIGRTMIN + 5;
}

static void kicked(int signo)
{
    (void)signo;
}

/* Every stop would also send SIGCHLD, which the tracer blocks: another thread of ours is woken for
 * it, only to ignore it.  That costs as much as the rest of a stop. */
static void install(void)
{
    struct sigaction sa = {.sa_handler = kicked}, child; /* no SA_RESTART: it is to interrupt */
    sigaction(kick_signal(), &sa, NULL);
    if (sigaction(SIGCHLD, NULL, &child) == 0) {
        child.sa_flags |= SA_NOCLDSTOP;
        sigaction(SIGCHLD, &child, NULL);
    }
}

void tracer_attend(const struct tracer_token *tok,
                   int64_t (*fn)(const struct tracer_token *tok, void *arg), void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t kick;
    pthread_once(&once, install);
    sigemptyset(&kick);
    sigaddset(&kick, kick_signal());
    pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
    tok->tracer->attend = fn;
    tok->tracer->attend_arg = arg;
}

void tracer_blocks(const struct tracer_token *tok, void (*aside)(void *arg), void *arg)
{
    struct tracer *t = tok->tracer;
    pthread_mutex_lock(&t->lock);
    t->aside = aside;
    t->aside_arg = arg;
    pthread_mutex_unlock(&t->lock);
}

void urgency_set(struct urgency *u, bool on)
{
    struct sched_param lowest = {.sched_priority = 1};
    if (on && !u->on) {
        pthread_getschedparam(pthread_self(), &u->usual_policy, &u->usual_param);
        u->on = pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest) == 0;
    } else if (!on && u->on) {
        pthread_setschedparam(pthread_self(), u->usual_policy, &u->usual_param);
        u->on = false;
    }
}

void tracer_urgent(const struct tracer_token *tok, bool on)
{
    urgency_set(&tok->tracer->urgency, on);
}

bool tracer_is_urgent(const struct tracer_token *tok)
{
    return tok->tracer->urgency.on;
}

static struct timespec from_now(int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* Called and returns with the lock. */
static void attend(struct tracer *t, const struct tracer_token *tok)
{
    t->attending = true;
    pthread_mutex_unlock(&t->lock);
    int64_t rest = t->attend(tok, t->attend_arg);
    pthread_mutex_lock(&t->lock);
    t->attending = false;
    if (rest < 0)
        t->attend = NULL;
    if (rest > 0 && !t->fn && !t->quit) {
        struct timespec until = from_now(rest);
        pthread_cond_timedwait(&t->work, &t->lock, &until);
    }
}

/* Called and returns with the lock. */
static void look_after(struct tracer *t, const struct tracer_token *tok)
{
    pthread_mutex_unlock(&t->lock);
    t->looked_ns = clock_mono_ns();
    if (!t->look_after(tok, t->look_after_arg))
        t->look_after = NULL;
    pthread_mutex_lock(&t->lock);
}

/* Waits for work, looking after what is traced meanwhile.  Called and returns with the lock. */
static void wait_for_work(struct tracer *t, const struct tracer_token *tok)
{
    while (!t->fn && !t->quit) {
        if (t->attend) {
            attend(t, tok);
            if (t->look_after && clock_mono_ns() - t->looked_ns > LOOK_AFTER_NS)
                look_after(t, tok);
            continue;
        }
        if (!t->look_after) {
            pthread_cond_wait(&t->work, &t->lock);
            continue;
        }
        struct timespec until = from_now(LOOK_AFTER_NS);
        if (pthread_cond_timedwait(&t->work, &t->lock, &until) != ETIMEDOUT)
            continue;
        look_after(t, tok);
    }
}

static void *run(void *arg)
{
    struct tracer *t = arg;
    struct tracer_token tok = {t};
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* short naps are short */
    pthread_mutex_lock(&t->lock);
    for (;;) {
        wait_for_work(t, &tok);
        if (t->quit)
            break;
        pthread_mutex_unlock(&t->lock);
        struct err *e = t->fn(&tok, t->arg);
        pthread_mutex_lock(&t->lock);
        t->fn = NULL;
        t->result = e;
        t->finished = true;
        pthread_cond_broadcast(&t->done);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void tracer_free(struct tracer *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->work);
    pthread_cond_destroy(&t->done);
    free(t);
}

/* The thread takes no signals: handlers of the program run elsewhere, and nothing interrupts it. */
struct err *tracer_start(struct tracer **ret)
{
    struct tracer *t = mem_alloc(sizeof(*t));
    pthread_condattr_t attr;
    pthread_mutexattr_t inherit; /* who holds the lock is as urgent as the tracer that wants it */
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutexattr_init(&inherit);
    pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&t->lock, &inherit);
    pthread_mutexattr_destroy(&inherit);
    pthread_cond_init(&t->work, &attr);
    pthread_cond_init(&t->done, &attr);
    pthread_condattr_destroy(&attr);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e) {
        tracer_free(t);
        return err_hint(err_sys(e, "cannot start a thread of ours"), "%s",
                        e == EPERM ? "a seccomp filter around us forbids it; in Docker: "
                                     "--security-opt seccomp=unconfined"
                                   : "memory or tasks ran out: see ulimit -v, -d and -u, and the "
                                     "limits of our control group (memory, pids)");
    }
    *ret = t;
    return NULL;
}

void tracer_stop(struct tracer *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->work);
    while (t->attending) {
        struct timespec until = from_now(KICK_NS);
        pthread_kill(t->thread, kick_signal());
        pthread_cond_timedwait(&t->done, &t->lock, &until);
    }
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    tracer_free(t);
}

struct err *tracer_call(struct tracer *t,
                        struct err *(*fn)(const struct tracer_token *tok, void *arg), void *arg)
{
    pthread_mutex_lock(&t->lock);
    while (t->fn || t->finished) /* another thread's call */
        pthread_cond_wait(&t->done, &t->lock);
    t->fn = fn;
    t->arg = arg;
    pthread_cond_signal(&t->work);
    while (!t->finished) {
        struct timespec until = from_now(t->attending ? KICK_NS : ASIDE_NS);
        if (t->attending)
            pthread_kill(t->thread, kick_signal());
        if (pthread_cond_timedwait(&t->done, &t->lock, &until) == ETIMEDOUT && t->aside)
            t->aside(t->aside_arg);
    }
    struct err *e = t->result;
    t->finished = false;
    t->result = NULL;
    pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->lock);
    return e;
}
