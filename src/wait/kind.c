/* kind.c - in which way a goroutine waits, and what is about to end that.
 *
 * Go: runtime/runtime2.go waitReasonStrings (1.18-1.27); what a lock is stands in the table object,
 * for every release alike.  The traps are in order: the first that holds is told. */
#include <string.h>

#include "wait/wait.h"

const char *wait_name(enum wait_kind k)
{
    static const char *const names[WAIT_COUNT] = {
        "running",      "chan receive",  "chan send",
        "select",       "nil channel",   "mutex lock",
        "rwmutex lock", "rwmutex rlock", "waitgroup wait",
        "cond wait",    "once",          "semaphore",
        "io",           "sleep",         "system call",
        "c code",       "coroutine",     "garbage collection",
        "runtime"};
    return k < WAIT_COUNT ? names[k] : "unknown";
}

const char *wait_trap_name(enum wait_trap t)
{
    static const char *const names[WAIT_TRAP_COUNT] = {
        "",     "granted",   "parking", "released", "handoff",  "woken",  "unlocking",
        "done", "signalled", "busy",    "timer",    "deadline", "outside"};
    return t < WAIT_TRAP_COUNT ? names[t] : "";
}

const char *wait_trap_text(enum wait_trap t)
{
    static const char *const texts[WAIT_TRAP_COUNT] = {
        "",
        "woken already, did not run since",
        "just going to sleep",
        "its semaphore was released",
        "the lock is being handed over",
        "another waiter was woken and tries to take it",
        "nobody holds it: an unlock is under way",
        "the counter is 0: those who wait are being woken",
        "its turn has come",
        "an operation on the channel is under way",
        "a timer will end it",
        "it has a deadline",
        "something outside the program may end it"};
    return t < WAIT_TRAP_COUNT ? texts[t] : "";
}

const char *wait_evidence_name(enum wait_evidence e)
{
    static const char *const names[] = {"weak", "strong", "proved"};
    return e < ARRAY_LEN(names) ? names[e] : "";
}

static bool begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* By the object and the role, which are known for every release. */
static enum wait_kind by_row(const struct snap *s, uint32_t row)
{
    uint32_t object = s->wait.object[row];
    switch ((enum snap_waitkind)s->wait.kind[row]) {
    case SNAP_W_CHAN_RECV:
        return WAIT_RECV;
    case SNAP_W_CHAN_SEND:
        return WAIT_SEND;
    case SNAP_W_SELECT_RECV:
    case SNAP_W_SELECT_SEND:
        return WAIT_SELECT;
    case SNAP_W_COND:
        return WAIT_COND;
    case SNAP_W_READ:
    case SNAP_W_WRITE:
        return WAIT_IO;
    default:
        break;
    }
    switch (object == SNAP_NONE ? SNAP_OBJ_UNKNOWN : (enum snap_objkind)s->object.kind[object]) {
    case SNAP_OBJ_MUTEX:
        return WAIT_MUTEX;
    case SNAP_OBJ_RWMUTEX:
        return s->wait.role[row] == SNAP_ROLE_READER ? WAIT_RLOCK : WAIT_WLOCK;
    case SNAP_OBJ_WAITGROUP:
        return WAIT_GROUP;
    case SNAP_OBJ_COND:
        return WAIT_COND;
    case SNAP_OBJ_ONCE:
        return WAIT_ONCE;
    default:
        return WAIT_SEMA;
    }
}

static enum wait_kind by_reason(const char *reason)
{
    static const struct {
        const char *reason;
        enum wait_kind kind;
    } known[] = {{"chan receive (nil chan)", WAIT_NIL},
                 {"chan send (nil chan)", WAIT_NIL},
                 {"select (no cases)", WAIT_NIL},
                 {"chan receive", WAIT_RECV}, /* and "(durable)", "(synctest)" */
                 {"chan send", WAIT_SEND},
                 {"select", WAIT_SELECT},
                 {"IO wait", WAIT_IO},
                 {"sleep", WAIT_SLEEP},
                 {"sync.Cond", WAIT_COND},
                 {"sync.WaitGroup", WAIT_GROUP},
                 {"sync.RWMutex.R", WAIT_RLOCK},
                 {"sync.RWMutex", WAIT_WLOCK},
                 {"sync.Mutex", WAIT_MUTEX},
                 {"semacquire", WAIT_SEMA},
                 {"coroutine", WAIT_COROUTINE},
                 {"GC ", WAIT_GC},
                 {"garbage collection", WAIT_GC},
                 {"wait for GC cycle", WAIT_GC},
                 {"stopping the world", WAIT_GC}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (begins(reason, known[i].reason))
            return known[i].kind;
    return WAIT_RUNTIME;
}

enum wait_kind wait_kind_of(const struct snap *s, uint32_t g)
{
    uint32_t first, n;
    switch ((enum snap_gstatus)s->goroutine.status[g]) {
    case SNAP_G_SYSCALL:
        return s->goroutine.flags[g] & SNAP_GF_CGO ? WAIT_C : WAIT_SYSCALL;
    case SNAP_G_WAITING:
    case SNAP_G_LEAKED:
        break;
    case SNAP_G_RUNNABLE: /* woken, but not run since */
        n = snap_waits_of(s, g, &first);
        return n && s->wait.flags[first] & SNAP_WF_GRANTED ? by_row(s, first) : WAIT_NOT;
    default:
        return WAIT_NOT;
    }
    if (s->goroutine.flags[g] & SNAP_GF_CGO)
        return WAIT_C;
    enum wait_kind k = by_reason(snap_str(s, s->goroutine.wait_reason[g]));
    n = snap_waits_of(s, g, &first);
    return n && k != WAIT_NIL && k != WAIT_SLEEP && k != WAIT_COROUTINE ? by_row(s, first) : k;
}

/* ---- traps ---- */

static enum wait_trap of_chan(const struct snap *s, uint32_t row, uint32_t chan)
{
    uint64_t len = s->chan.length[chan], cap = s->chan.capacity[chan];
    bool closed = s->chan.flags[chan] & SNAP_CF_CLOSED;
    uint8_t kind = s->wait.kind[row];
    bool sends = kind == SNAP_W_CHAN_SEND || kind == SNAP_W_SELECT_SEND;
    if (s->chan.flags[chan] & SNAP_CF_BUSY)
        return WAIT_TRAP_BUSY;
    if (closed || (sends ? len < cap : len > 0)) /* whoever did that has to wake it */
        return WAIT_TRAP_BUSY;
    if (!sends && s->chan.timer_when[chan] > 0)
        return WAIT_TRAP_TIMER;
    return WAIT_TRAP_NONE;
}

static enum wait_trap of_lock(const struct snap *s, uint32_t row, uint32_t lock)
{
    uint16_t flags = s->lock.flags[lock];
    bool held = flags & SNAP_LOCK_HELD;
    switch ((enum snap_objkind)s->lock.kind[lock]) {
    case SNAP_OBJ_RWMUTEX:
        if (s->wait.role[row] == SNAP_ROLE_READER)
            return flags & SNAP_LOCK_WRITER ? WAIT_TRAP_NONE : WAIT_TRAP_UNLOCKING;
        if (s->wait.role[row] == SNAP_ROLE_WRITER)
            return s->lock.leaving[lock] > 0 ? WAIT_TRAP_NONE : WAIT_TRAP_UNLOCKING;
        /* fall through */
    case SNAP_OBJ_MUTEX:
    case SNAP_OBJ_ONCE:
        if (!held && flags & SNAP_LOCK_STARVING)
            return WAIT_TRAP_HANDOFF;
        if (flags & SNAP_LOCK_WOKEN)
            return WAIT_TRAP_WOKEN;
        return held ? WAIT_TRAP_NONE : WAIT_TRAP_UNLOCKING;
    case SNAP_OBJ_WAITGROUP:
        return s->lock.count[lock] ? WAIT_TRAP_NONE : WAIT_TRAP_DONE;
    case SNAP_OBJ_COND: /* tickets are numbers of 32 bits that begin anew */
        return (int32_t)(s->wait.ticket[row] - (uint32_t)s->lock.leaving[lock]) < 0
                   ? WAIT_TRAP_SIGNALLED
                   : WAIT_TRAP_NONE;
    default:
        return WAIT_TRAP_NONE;
    }
}

static bool released(const struct snap *s, uint64_t addr)
{
    size_t lo = 0, hi = s->sema.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->sema.addr[mid] < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->sema.n && s->sema.addr[lo] == addr && s->sema.value[lo] > 0;
}

static enum wait_trap of_row(const struct snap *s, uint32_t row)
{
    uint32_t object = s->wait.object[row];
    if (s->wait.flags[row] & SNAP_WF_GRANTED)
        return WAIT_TRAP_GRANTED;
    if (object == SNAP_NONE)
        return WAIT_TRAP_NONE;
    if (s->object.poll[object] != SNAP_NONE) {
        uint32_t p = s->object.poll[object];
        bool reads = s->wait.kind[row] == SNAP_W_READ;
        int64_t until = reads ? s->poll.read_deadline[p] : s->poll.write_deadline[p];
        return until > 0 ? WAIT_TRAP_DEADLINE : WAIT_TRAP_OUTSIDE;
    }
    if (s->object.chan[object] != SNAP_NONE) {
        enum wait_trap t = of_chan(s, row, s->object.chan[object]);
        bool signals = strcmp(snap_str(s, s->object.type[object]), "chan os.Signal") == 0;
        return t == WAIT_TRAP_NONE && signals ? WAIT_TRAP_OUTSIDE : t;
    }
    if (s->object.lock[object] == SNAP_NONE)
        return WAIT_TRAP_NONE;
    enum wait_trap t = of_lock(s, row, s->object.lock[object]);
    if (t != WAIT_TRAP_HANDOFF && s->wait.kind[row] == SNAP_W_SEMA &&
        released(s, s->wait.addr[row]))
        return WAIT_TRAP_RELEASED;
    return t;
}

enum wait_trap wait_trap_of(const struct snap *s, uint32_t g)
{
    uint32_t first, n = snap_waits_of(s, g, &first);
    enum wait_kind k = wait_kind_of(s, g);
    if (k == WAIT_NOT)
        return WAIT_TRAP_NONE;
    if (s->goroutine.flags[g] & SNAP_GF_PARKING)
        return WAIT_TRAP_PARKING;
    if (k == WAIT_SLEEP)
        return WAIT_TRAP_TIMER;
    if (k == WAIT_SYSCALL || k == WAIT_C || k == WAIT_GC || k == WAIT_RUNTIME)
        return WAIT_TRAP_OUTSIDE;
    enum wait_trap last = WAIT_TRAP_NONE;
    for (uint32_t i = first; i < first + n; i++) { /* a select: any of its cases */
        enum wait_trap t = of_row(s, i);
        last = last == WAIT_TRAP_NONE || (t != WAIT_TRAP_NONE && t < last) ? t : last;
    }
    return last == WAIT_TRAP_NONE && k == WAIT_IO ? WAIT_TRAP_OUTSIDE : last;
}

void wait_semas(const struct snap *s, struct wait_semas *ret)
{
    uint32_t in_slot[UINT16_MAX + 1] = {0};
    int64_t slots = 0;
    *ret = (struct wait_semas){0};
    if (snap_counter(s, "semtable.slots", &slots))
        ret->slots = (uint32_t)slots;
    for (size_t i = 0; i < s->sema.n; i++) {
        uint32_t n = ++in_slot[s->sema.bucket[i]];
        ret->addresses++;
        ret->queued += s->sema.queued[i];
        ret->handed += s->sema.handed[i];
        ret->used += n == 1;
        ret->collisions += n == 2 ? 2 : n > 2;
        ret->longest = n > ret->longest ? n : ret->longest;
    }
}
