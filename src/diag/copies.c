/* copies.c - locks and WaitGroups that were copied: what go vet calls copylocks, in a process.
 *
 * Who locks, unlocks or counts down a copy does nothing to the original, and a copy of a locked
 * Mutex stays locked for ever.  It is told only when somebody waits for a lock that nobody is known
 * to release (table owner), and there is code that takes such a thing by value (table copied):
 *
 *     what is waited for is the copy itself, or goroutines will count down a copy of a WaitGroup:
 *     inferred
 *     there is such code, executing or not: suspected */
#include <string.h>

#include "base/map.h"
#include "diag/diag_int.h"

enum { LISTED_MAX = 4 };

static bool releases(uint8_t act)
{
    return act == SNAP_ACT_UNLOCK || act == SNAP_ACT_RUNLOCK || act == SNAP_ACT_LOCK_AGAIN ||
           act == SNAP_ACT_DONE;
}

/* Whether somebody waits for a lock that is held, and nobody is known to release it. */
static bool is_orphan(const struct snap *s, const struct map *released, uint32_t object)
{
    uint32_t l = s->object.lock[object];
    if (l == SNAP_NONE || !s->object.waiters[object] ||
        map_get(released, s->object.addr[object]) != MAP_NONE)
        return false;
    switch ((enum snap_objkind)s->object.kind[object]) {
    case SNAP_OBJ_WAITGROUP:
        return s->lock.count[l] > 0;
    case SNAP_OBJ_RWMUTEX:
        return s->lock.flags[l] & (SNAP_LOCK_HELD | SNAP_LOCK_WRITER) || s->lock.count[l] > 0;
    case SNAP_OBJ_MUTEX:
        return s->lock.flags[l] & SNAP_LOCK_HELD && !(s->lock.flags[l] & SNAP_LOCK_WOKEN);
    default:
        return false;
    }
}

static const char *plain(const struct snap *s, uint32_t object)
{
    const char *type = snap_str(s, s->object.type[object]);
    return *type ? type : "lock";
}

static uint32_t waiter_of(const struct snap *s, uint32_t object)
{
    for (uint32_t i = 0; i < s->wait.n; i++)
        if (s->wait.object[i] == object)
            return s->wait.goroutine[i];
    return SNAP_NONE;
}

/* "main.worker(wg sync.WaitGroup) at orders/main.go:12" */
static const char *taker(struct diag_run *r, uint32_t row)
{
    const struct snap *s = r->s;
    uint32_t pc = s->copied.pc[row];
    const char *at = pc == SNAP_NONE || !s->pc.frames[pc] ? "" : diag_where(r, s->pc.frame[pc]);
    return diag_text(r->found, "%s (%s %s)%s%s", snap_str(s, s->copied.func[row]),
                     snap_str(s, s->copied.var[row]), snap_str(s, s->copied.type[row]),
                     *at ? " at " : "", at);
}

static void finish(struct diag_run *r, struct diag_finding *f, uint32_t object, uint32_t row)
{
    const struct snap *s = r->s;
    uint32_t g = waiter_of(s, object);
    f->mend = "pass a pointer; go vet finds copies in the source";
    f->next = "gospect waits {target}";
    f->weight = s->object.waiters[object];
    diag_value_text(r->found, f, "address",
                    diag_text(r->found, "0x%llx", (unsigned long long)s->object.addr[object]));
    diag_value_text(r->found, f, "function", snap_str(s, s->copied.func[row]));
    diag_value_text(r->found, f, "variable", snap_str(s, s->copied.var[row]));
    if (g != SNAP_NONE)
        diag_value_int(r->found, f, "waiter", DIAG_COUNT, (int64_t)s->goroutine.id[g]);
}

static void tell_waiter(struct diag_run *r, struct diag_finding *f, uint32_t object)
{
    uint32_t g = waiter_of(r->s, object);
    if (g != SNAP_NONE)
        diag_evidence(r->found, f, "goroutine %s waits for it%s",
                      diag_number(r, r->s->goroutine.id[g]),
                      r->s->object.waiters[object] > 1 ? ", and others" : "");
}

/* Whether some goroutine may release more than was seen: something whose address is not known, or
 * with code ahead that was not followed. */
static bool may_be_released(const struct snap *s)
{
    enum { DOUBT = SNAP_AH_UNKNOWN_UNLOCK | SNAP_AH_CUT | SNAP_AH_STACK | SNAP_AH_SKIPPED };
    for (uint32_t i = 0; i < s->ahead.n; i++)
        if (s->ahead.flags[i] & DOUBT)
            return true;
    return false;
}

static void set_sure(struct diag_run *r, struct diag_finding *f, const char *why)
{
    bool doubt = may_be_released(r->s);
    f->severity = doubt ? DIAG_WARNING : DIAG_PROBLEM;
    f->sure = doubt ? DIAG_SUSPECTED : DIAG_INFERRED;
    f->sure_why = doubt ? "not all code ahead could be followed: somebody may release it" : why;
}

/* Another place of what was passed: the parameter itself, as it came, when the variable that is
 * used lies elsewhere. */
static bool came_locked(const struct snap *s, uint32_t row)
{
    enum { LOCKED = 1 };
    for (uint32_t i = 0; i < s->copied.n; i++)
        if (s->copied.goroutine[i] == s->copied.goroutine[row] &&
            s->copied.func[i] == s->copied.func[row] && s->copied.addr[i] &&
            s->copied.addr[i] != s->copied.addr[row] && s->copied.state[i] & LOCKED)
            return true;
    return false;
}

/* It waits for the copy: nobody but the function has that, and it did not lock it. */
static void waits_for_copy(struct diag_run *r, uint32_t object, uint32_t row)
{
    const struct snap *s = r->s;
    struct diag_finding *f = diag_add(r, "copies", DIAG_PROBLEM);
    f->title =
        diag_text(r->found, "goroutine %s waits for a copy of a %s, which nobody will release",
                  diag_number(r, s->goroutine.id[waiter_of(s, object)]), plain(s, object));
    diag_evidence(r->found, f, "goroutine %s has the copy: %s",
                  diag_number(r, s->goroutine.id[s->copied.goroutine[row]]), taker(r, row));
    if (came_locked(s, row))
        diag_evidence(r->found, f, "it was locked already when it was passed");
    f->why = "a copy of a locked lock is locked for ever; or the copy is locked twice";
    set_sure(r, f,
             "its address is that of what was passed by value, and no code ahead releases it");
    finish(r, f, object, row);
}

/* Goroutines that will call Done of a copy; how many, and *first. */
static uint32_t counters_down(const struct snap *s, const struct map *waited, uint32_t *first)
{
    uint32_t n = 0, last = SNAP_NONE;
    for (uint32_t i = 0; i < s->copied.n; i++) {
        uint32_t g = s->copied.goroutine[i];
        if (s->copied.kind[i] != SNAP_OBJ_WAITGROUP || g == SNAP_NONE || g == last ||
            !s->copied.addr[i] || s->copied.state[i] <= 0 ||
            map_get(waited, s->copied.addr[i]) != MAP_NONE)
            continue;
        *first = n++ ? *first : i;
        last = g;
    }
    return n;
}

static void counts_down_copy(struct diag_run *r, uint32_t object, uint32_t n, uint32_t row)
{
    const struct snap *s = r->s;
    int64_t count = s->lock.count[s->object.lock[object]];
    struct diag_finding *f = diag_add(r, "copies", DIAG_PROBLEM);
    f->title =
        diag_text(r->found, "a WaitGroup waits for %s, but %s goroutine%s a copy of one",
                  diag_number(r, (uint64_t)count), diag_number(r, n), n == 1 ? " has" : "s have");
    tell_waiter(r, f, object);
    diag_evidence(r->found, f,
                  "goroutine %s has a copy, with a counter of %lld, that nobody waits for: %s",
                  diag_number(r, s->goroutine.id[s->copied.goroutine[row]]),
                  (long long)s->copied.state[row], taker(r, row));
    f->why = "Done of a copy wakes nobody";
    set_sure(r, f, "no code ahead calls Done of the one that is waited for");
    finish(r, f, object, row);
    diag_value_int(r->found, f, "copies", DIAG_COUNT, n);
}

/* Code that takes such a thing by value. */
static void may_be_copied(struct diag_run *r, uint32_t object, uint32_t n_orphans)
{
    const struct snap *s = r->s;
    uint32_t n = 0;
    struct diag_finding *f = NULL;
    for (uint32_t i = 0; i < s->copied.n; i++) {
        if (s->copied.kind[i] != s->object.kind[object])
            continue;
        if (!n++) {
            f = diag_add(r, "copies", DIAG_NOTE);
            f->title = diag_text(r->found,
                                 "nobody is known to release %s %s%s that goroutines wait for: "
                                 "perhaps it was copied",
                                 n_orphans == 1 ? "a" : diag_number(r, n_orphans), plain(s, object),
                                 n_orphans == 1 ? "" : "s");
            tell_waiter(r, f, object);
            finish(r, f, object, i);
        }
        if (n <= LISTED_MAX)
            diag_evidence(r->found, f, "taken by value: %s", taker(r, i));
    }
    if (!f)
        return;
    if (n > LISTED_MAX)
        diag_evidence(r->found, f, "and by %s more", diag_number(r, n - LISTED_MAX));
    f->why = "who locks or counts down a copy does nothing to the original";
    f->sure = DIAG_SUSPECTED;
    f->sure_why = "the code copies such locks; whether it did so with this one is not known";
}

static bool told_as_copy(struct diag_run *r, uint32_t object)
{
    const struct snap *s = r->s;
    for (uint32_t i = 0; i < s->copied.n; i++)
        if (s->copied.addr[i] == s->object.addr[object] && s->copied.goroutine[i] != SNAP_NONE &&
            s->copied.kind[i] == s->object.kind[object]) {
            waits_for_copy(r, object, i);
            return true;
        }
    return false;
}

/* One finding of each kind is enough where it is only suspected. */
static void by_kind(struct diag_run *r, const struct map *waited, uint8_t kind, uint32_t object,
                    uint32_t n)
{
    uint32_t row = 0, copies = kind == SNAP_OBJ_WAITGROUP ? counters_down(r->s, waited, &row) : 0;
    if (copies)
        counts_down_copy(r, object, copies, row);
    else
        may_be_copied(r, object, n);
}

void diag_copies(struct diag_run *r)
{
    const struct snap *s = r->s;
    struct map released = {0}, waited = {0};
    uint32_t first[SNAP_OBJ_COUNT], n[SNAP_OBJ_COUNT] = {0};
    if (!s->copied.n)
        return;
    for (uint32_t i = 0; i < s->owner.n; i++)
        if (releases(s->owner.act[i]))
            map_put(&released, s->owner.addr[i], 0);
    for (uint32_t i = 0; i < s->object.n; i++)
        map_put(&waited, s->object.addr[i], 0);
    for (uint32_t i = 0; i < s->object.n; i++)
        if (is_orphan(s, &released, i) && !told_as_copy(r, i) && !n[s->object.kind[i]]++)
            first[s->object.kind[i]] = i;
    for (uint8_t k = 0; k < SNAP_OBJ_COUNT; k++)
        if (n[k])
            by_kind(r, &waited, k, first[k], n[k]);
    map_free(&released);
    map_free(&waited);
}
