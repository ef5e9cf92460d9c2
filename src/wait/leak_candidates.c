/* leak_candidates.c - which goroutines wait for what only others can bring.
 *
 * Go: runtime/runtime2.go waitReason, waitReasonStrings (1.18-1.27); runtime/mgcmark.go
 * internalBlocked: the reasons from ChanReceiveNilChan to SyncWaitGroupWait (1.26, 1.27).
 *
 * The numbers of reasons change between releases, their words hardly do, so the words decide.
 * Until 1.19 every lock waits with the reason "semacquire", and WaitGroups do until 1.24: whether
 * it is one of package sync, the frames say.  The runtime does not look at other waits for
 * semaphores (of network descriptors, for instance), nor at coroutines (iter.Pull whose next and
 * stop nobody has any more) and those durably blocked in a synctest bubble; a proof holds for them
 * all the same. */
#include <stdlib.h>
#include <string.h>

#include "wait/wait_int.h"

enum need { NEEDS_NOTHING, NEEDS_OBJECT, NEEDS_SYNC, NEEDS_CORO };

static const struct reason {
    const char *word;
    enum need need;
    enum wait_leak_why why;
} reasons[] = {
    {"chan receive (nil chan)", NEEDS_NOTHING, WAIT_WHY_NIL_CHAN},
    {"chan send (nil chan)", NEEDS_NOTHING, WAIT_WHY_NIL_CHAN},
    {"select (no cases)", NEEDS_NOTHING, WAIT_WHY_NO_CASES},
    {"chan receive", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"chan send", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"select", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"sync.Cond.Wait", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"sync.Mutex.Lock", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"sync.RWMutex.RLock", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"sync.RWMutex.Lock", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"sync.WaitGroup.Wait", NEEDS_OBJECT, WAIT_WHY_UNREACHABLE},
    {"semacquire", NEEDS_SYNC, WAIT_WHY_UNREACHABLE},
    {"coroutine", NEEDS_CORO, WAIT_WHY_UNREACHABLE},
};

/* The reason as a synctest bubble adorns it is "chan receive (durable)", for instance. */
static const struct reason *reason_of(const struct snap *s, uint32_t g, bool *in_bubble)
{
    const char *word = snap_str(s, s->goroutine.wait_reason[g]);
    const char *bubble = strstr(word, " (durable)"), *older = strstr(word, " (synctest)");
    bubble = bubble ? bubble : older; /* Go 1.24, as an experiment */
    size_t n = bubble ? (size_t)(bubble - word) : strlen(word);
    *in_bubble = bubble != NULL;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strlen(reasons[i].word) == n && memcmp(reasons[i].word, word, n) == 0)
            return &reasons[i];
    return NULL;
}

/* Whether a function of package sync waits there. */
static bool waits_in_sync(const struct snap *s, uint32_t g)
{
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it)) {
        const char *func = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[it.frame]);
        if (strncmp(func, "sync.", 5) == 0 || strncmp(func, "internal/sync.", 14) == 0)
            return strncmp(func, "sync.runtime_", 13) != 0 || snap_stack_next(&it);
        if (strncmp(func, "runtime.", 8) != 0)
            return false;
    }
    return false;
}

static bool may_wait(const struct snap *s, uint32_t g)
{
    uint8_t st = s->goroutine.status[g];
    return (st == SNAP_G_WAITING || st == SNAP_G_LEAKED) &&
           !(s->goroutine.flags[g] & SNAP_GF_PARKING);
}

/* Somebody took one of its waits out of the queue, and is about to make it run: who does may have
 * no pointer to the channel or lock any more. */
static bool is_woken(const struct snap *s, uint32_t first, uint32_t end)
{
    for (uint32_t w = first; w < end; w++)
        if (s->wait.flags[w] & SNAP_WF_GRANTED)
            return true;
    return false;
}

void leak_candidates_find(const struct snap *s, struct leak_candidates *ret)
{
    uint32_t w = 0;
    *ret = (struct leak_candidates){.of = mem_alloc((s->goroutine.n + 1) * sizeof(*ret->of))};
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        uint32_t first = w;
        while (w < s->wait.n && s->wait.goroutine[w] == g)
            w++;
        bool in_bubble = false;
        const struct reason *r = may_wait(s, g) ? reason_of(s, g, &in_bubble) : NULL;
        if (!r)
            continue;
        struct leak_candidate c = {.goroutine = g, .wait = first, .nwaits = w - first};
        c.why = (uint8_t)r->why;
        if (is_woken(s, first, w))
            continue;
        if (r->need == NEEDS_NOTHING)
            c.nwaits = 0;
        else if (!c.nwaits) {
            ret->unjudged++;
            continue;
        }
        c.beyond =
            in_bubble || r->need == NEEDS_CORO || (r->need == NEEDS_SYNC && !waits_in_sync(s, g));
        vec_push(&ret->v, c);
        ret->of[g] = (uint32_t)ret->v.n;
    }
}

void leak_candidates_free(struct leak_candidates *c)
{
    vec_free(&c->v);
    free(c->of);
}
