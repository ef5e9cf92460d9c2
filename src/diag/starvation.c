/* starvation.c - locks whose waiters starve: writers behind readers, mutexes in starvation mode.
 *
 * Go: sync/rwmutex.go (readerCount below 0: a writer is pending; readerWait: readers that have to
 * leave first), sync/mutex.go (mutexStarving: somebody waited for over 1 ms; the lock then goes
 * from hand to hand, in turn, which is slow), 1.18-1.27.
 *
 * One look sees such a moment in any busy program.  What counts is that it lasts: the same lock in
 * both looks, or a wait that is known to be long. */
#include "base/clock.h"
#include "diag/diag_int.h"

static const uint32_t BEHIND_MIN = 10;          /* goroutines that wait behind the writer */
static const uint32_t STARVING_MIN = 10;        /* waiters of a mutex in starvation mode */
static const int64_t OLD_NS = 1 * NSEC_PER_SEC; /* a writer should not wait so long */
static const int64_t BAD_NS = 60 * NSEC_PER_SEC;

struct waiters {
    uint32_t n, writer; /* writer: goroutine that is next; SNAP_NONE */
    int64_t oldest_ns;
};

static struct waiters waiters_of(const struct snap *s, uint32_t object)
{
    struct waiters w = {.writer = SNAP_NONE, .oldest_ns = -1};
    for (uint32_t i = 0; i < s->wait.n; i++) {
        if (s->wait.object[i] != object || s->wait.flags[i] & SNAP_WF_GRANTED)
            continue;
        int64_t age = snap_wait_ns(s, s->wait.goroutine[i]);
        w.n++;
        if (s->wait.role[i] == SNAP_ROLE_WRITER)
            w.writer = s->wait.goroutine[i];
        w.oldest_ns = age > w.oldest_ns ? age : w.oldest_ns;
    }
    return w;
}

/* The same lock in the earlier look; SNAP_NONE: it was not waited for, or there is none. */
static uint32_t before(const struct diag_run *r, uint64_t addr)
{
    const struct snap *b = r->in->before;
    for (uint32_t i = 0; b && i < b->object.n; i++)
        if (b->object.addr[i] == addr && b->object.lock[i] != SNAP_NONE)
            return i;
    return SNAP_NONE;
}

static const char *name_of(struct diag_run *r, uint32_t object)
{
    const char *name = snap_str(r->s, r->s->object.name[object]);
    return *name ? name
                 : diag_text(r->found, "at 0x%llx", (unsigned long long)r->s->object.addr[object]);
}

static void finish(struct diag_run *r, struct diag_finding *f, uint32_t object,
                   const struct waiters *w, bool lasts)
{
    f->sure = lasts ? DIAG_INFERRED : DIAG_SUSPECTED;
    f->sure_why = lasts ? "so in both looks" : "one look only: the wait of one is known to be long";
    f->next = "gospect waits {target}";
    f->weight = (double)w->n * (1 + (double)(w->oldest_ns > 0 ? w->oldest_ns : 0) / 1e9);
    diag_value_int(r->found, f, "waiters", DIAG_COUNT, w->n);
    diag_value_int(r->found, f, "oldest_ns", DIAG_NS, w->oldest_ns);
    diag_value_text(r->found, f, "address",
                    diag_text(r->found, "0x%llx", (unsigned long long)r->s->object.addr[object]));
}

/* The same writer waits in both looks. */
static bool same_writer(const struct diag_run *r, uint32_t object, uint32_t writer)
{
    const struct snap *b = r->in->before;
    uint32_t then = before(r, r->s->object.addr[object]);
    if (then == SNAP_NONE)
        return false;
    uint32_t other = waiters_of(b, then).writer;
    return other != SNAP_NONE && b->goroutine.id[other] == r->s->goroutine.id[writer];
}

static void rwmutex(struct diag_run *r, uint32_t object, uint32_t l)
{
    const struct snap *s = r->s;
    if (s->lock.leaving[l] <= 0)
        return;
    struct waiters w = waiters_of(s, object);
    if (w.writer == SNAP_NONE || w.n < BEHIND_MIN)
        return;
    int64_t age = snap_wait_ns(s, w.writer);
    bool lasts = same_writer(r, object, w.writer);
    if (!lasts && age < OLD_NS)
        return;
    struct diag_finding *f = diag_add(r, "starvation", age >= BAD_NS ? DIAG_PROBLEM : DIAG_WARNING);
    f->title =
        diag_text(r->found, "a writer of sync.RWMutex %s waits for %s reader%s, %s wait behind it",
                  name_of(r, object), diag_number(r, (uint64_t)s->lock.leaving[l]),
                  s->lock.leaving[l] == 1 ? "" : "s", diag_number(r, w.n - 1));
    diag_evidence(r->found, f, "the writer is goroutine %s%s%s",
                  diag_number(r, s->goroutine.id[w.writer]), age >= 0 ? ", it waits for " : "",
                  age >= 0 ? diag_age(r, age) : "");
    diag_evidence(r->found, f, "%s readers hold it or wait for it",
                  diag_number(r, (uint64_t)s->lock.count[l]));
    f->why = "while a writer waits, no new reader gets in: one slow reader stops all";
    f->mend = "hold the lock for reading for less: no network, no channel, no other lock meanwhile";
    finish(r, f, object, &w, lasts);
    diag_value_int(r->found, f, "readers", DIAG_COUNT, s->lock.leaving[l]);
}

static void mutex(struct diag_run *r, uint32_t object, uint32_t l)
{
    const struct snap *s = r->s, *b = r->in->before;
    if (!(s->lock.flags[l] & SNAP_LOCK_STARVING))
        return;
    uint32_t then = before(r, s->object.addr[object]);
    struct waiters w = waiters_of(s, object);
    bool lasts = then != SNAP_NONE && b->lock.flags[b->object.lock[then]] & SNAP_LOCK_STARVING;
    if (w.n < STARVING_MIN || (b && !lasts) || (!b && w.oldest_ns < OLD_NS))
        return;
    struct diag_finding *f = diag_add(r, "starvation", DIAG_WARNING);
    f->title = diag_text(r->found, "sync.Mutex %s is in starvation mode, %s goroutines wait",
                         name_of(r, object), diag_number(r, w.n));
    f->why = "each of them waited for over 1 ms; the lock goes from hand to hand, with a switch of "
             "goroutines every time";
    f->mend = "hold the lock for less, or split it";
    finish(r, f, object, &w, lasts);
}

void diag_starvation(struct diag_run *r)
{
    const struct snap *s = r->s;
    for (uint32_t i = 0; i < s->object.n; i++) {
        uint32_t l = s->object.lock[i];
        if (l == SNAP_NONE || s->object.waiters[i] < BEHIND_MIN)
            continue;
        if (s->object.kind[i] == SNAP_OBJ_RWMUTEX)
            rwmutex(r, i, l);
        else if (s->object.kind[i] == SNAP_OBJ_MUTEX)
            mutex(r, i, l);
    }
}
