/* locks.c - goroutines that pile up at a lock.
 *
 * A moment of ten waiters is nothing: locks are handed on in microseconds.  What counts is that the
 * same goroutines wait in two looks, or that a wait is old.  Waiters of one lock are told by the
 * address of its semaphore, where the snapshot has it, else by where they wait. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "diag/diag_int.h"

static const uint32_t LOCK_MIN = 10;                  /* waiters */
static const int64_t LOCK_OLD_NS = 10 * NSEC_PER_SEC; /* nothing good holds a lock this long */
static const uint32_t LOCK_MANY = 100;                /* waiting in both looks: people feel it */
enum { PLACES_SHOWN = 3 };

struct lock {
    uint64_t addr;    /* 0: not known */
    uint32_t example; /* the goroutine that waits longest */
    uint32_t waiters, stayed;
    int64_t oldest_ns; /* -1: not known */
};

struct locks {
    struct map by_key;
    VEC(struct lock) v;
    uint32_t *of; /* goroutine row -> lock; SNAP_NONE */
};

static uint64_t key_of(const struct diag_run *r, uint32_t g)
{
    uint64_t addr = diag_wait_addr(r->s, g);
    uint32_t cluster = r->cluster_of[g];
    return addr ? addr : hash_u64(cluster == SNAP_NONE ? 0 : r->clusters[cluster].signature) | 1;
}

static void find_locks(struct diag_run *r, struct locks *l)
{
    l->of = arena_array(&r->found->mem, uint32_t, r->s->goroutine.n + 1);
    for (uint32_t g = 0; g < r->s->goroutine.n; g++) {
        l->of[g] = SNAP_NONE;
        if (r->cluster_of[g] == SNAP_NONE || diag_doing_of(r->s, g) != DIAG_LOCK)
            continue;
        bool added;
        uint32_t at = map_get_or_put(&l->by_key, key_of(r, g), (uint32_t)l->v.n, &added);
        if (added)
            vec_push(&l->v, ((struct lock){
                                .addr = diag_wait_addr(r->s, g), .example = g, .oldest_ns = -1}));
        struct lock *k = &l->v.v[at];
        int64_t age = snap_wait_ns(r->s, g);
        l->of[g] = at;
        k->waiters++;
        if (age > k->oldest_ns) {
            k->oldest_ns = age;
            k->example = g;
        }
    }
}

/* Counts the waiters that waited for the same lock in the earlier look. */
static void count_stayed(struct diag_run *r, struct locks *l)
{
    const struct snap *b = r->in->before;
    struct map row = {0};
    if (!b)
        return;
    for (uint32_t g = 0; g < r->s->goroutine.n; g++)
        if (l->of[g] != SNAP_NONE)
            map_put(&row, r->s->goroutine.id[g], g);
    for (uint32_t g = 0; g < b->goroutine.n && row.n; g++) {
        uint32_t now = map_get(&row, b->goroutine.id[g]);
        if (now == MAP_NONE || diag_doing_of(b, g) != DIAG_LOCK)
            continue;
        uint64_t addr = diag_wait_addr(b, g);
        if (!addr || addr == l->v.v[l->of[now]].addr)
            l->v.v[l->of[now]].stayed++;
    }
    map_free(&row);
}

/* Where its waiters stand, largest first: clusters are in that order. */
static void places(struct diag_run *r, struct diag_finding *f, const struct locks *l, uint32_t lock)
{
    uint32_t *n = arena_array(&r->found->mem, uint32_t, r->nclusters + 1);
    for (uint32_t g = 0; g < r->s->goroutine.n; g++)
        if (l->of[g] == lock)
            n[r->cluster_of[g]]++;
    size_t shown = 0, more = 0;
    for (size_t i = 0; i < r->nclusters; i++) {
        if (!n[i])
            continue;
        const struct diag_cluster *c = &r->clusters[i];
        if (shown++ < PLACES_SHOWN)
            diag_evidence(r->found, f, "%s at %s, in %s", diag_number(r, n[i]),
                          diag_where(r, c->place), diag_func(r, c->place));
        else
            more += n[i];
    }
    if (more)
        diag_evidence(r->found, f, "%s at %s other places", diag_number(r, more),
                      diag_number(r, shown - PLACES_SHOWN));
}

static void report(struct diag_run *r, const struct locks *l, uint32_t at,
                   enum diag_severity severity, bool stays)
{
    const struct lock *k = &l->v.v[at];
    const char *primitive = diag_primitive(r->s, k->example);
    const struct diag_cluster *c = &r->clusters[r->cluster_of[k->example]];
    struct diag_finding *f = diag_add(r, "locks", severity);
    f->title = diag_text(r->found, "%s goroutines wait for %s %s%s%s", diag_number(r, k->waiters),
                         k->addr ? "one" : "a", primitive ? primitive : "lock",
                         k->oldest_ns >= 0 ? ", oldest " : "",
                         k->oldest_ns >= 0 ? diag_age(r, k->oldest_ns) : "");
    places(r, f, l, at);
    if (k->addr)
        diag_evidence(r->found, f, "its semaphore is at 0x%llx", (unsigned long long)k->addr);
    f->why = "everything that needs this lock stands still as long as its holder does";
    f->sure = stays || k->oldest_ns >= LOCK_OLD_NS ? DIAG_INFERRED : DIAG_SUSPECTED;
    f->sure_why =
        stays ? diag_text(r->found, "%s of them waited in both looks, %s apart",
                          diag_number(r, k->stayed), diag_age(r, (int64_t)(r->elapsed_s * 1e9)))
        : k->oldest_ns >= LOCK_OLD_NS
            ? "no lock that is in order is waited for so long"
            : "one look only: a lock that is busy for a moment looks the same";
    f->mend = "look for what the holder waits for itself, or hold the lock for less: no network, "
              "no disk, "
              "no channel while it is held";
    f->next = diag_text(r->found, "gospect goroutines {target} %s", diag_cluster_filter(r, c));
    f->weight = (double)k->waiters * (1 + (double)(k->oldest_ns > 0 ? k->oldest_ns : 0) / 1e9);
    diag_value_int(r->found, f, "waiters", DIAG_COUNT, k->waiters);
    diag_value_int(r->found, f, "stayed", DIAG_COUNT, k->stayed);
    diag_value_int(r->found, f, "oldest_ns", DIAG_NS, k->oldest_ns);
    diag_value_text(r->found, f, "primitive", primitive ? primitive : "");
    diag_value_text(r->found, f, "address",
                    k->addr ? diag_text(r->found, "0x%llx", (unsigned long long)k->addr) : "");
    diag_value_text(r->found, f, "where", diag_where(r, c->place));
}

void diag_locks(struct diag_run *r)
{
    struct locks l = {0};
    find_locks(r, &l);
    count_stayed(r, &l);
    for (uint32_t i = 0; i < l.v.n; i++) {
        const struct lock *k = &l.v.v[i];
        if (k->waiters < LOCK_MIN)
            continue;
        bool stays = k->stayed >= LOCK_MIN && k->stayed >= k->waiters / 2;
        bool old = k->oldest_ns >= LOCK_OLD_NS;
        if (old || (stays && k->stayed >= LOCK_MANY))
            report(r, &l, i, DIAG_PROBLEM, stays);
        else if (stays || (!r->in->before && k->waiters >= LOCK_MANY))
            report(r, &l, i, DIAG_WARNING, stays);
    }
    vec_free(&l.v);
    map_free(&l.by_key);
}
