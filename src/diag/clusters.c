/* clusters.c - goroutines that wait at one place; see diag_int.h.
 *
 * Go: runtime/runtime2.go waitReasonStrings (1.18-1.27).  Up to 1.19 every lock waits as
 * "semacquire"; what it is then stands on the stack, as a method of package sync (internal/sync
 * since 1.24). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "diag/diag_int.h"

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

const char *diag_primitive(const struct snap *s, uint32_t g)
{
    static const struct {
        const char *frame, *name;
    } known[] = {{"sync.(*Mutex).", "sync.Mutex"},
                 {"sync.(*RWMutex).", "sync.RWMutex"},
                 {"sync.(*WaitGroup).", "sync.WaitGroup"},
                 {"sync.(*Cond).", "sync.Cond"},
                 {"sync.(*Once).", "sync.Once"},
                 {"sync.(*Map).", "sync.Map"},
                 {"sync.(*Pool).", "sync.Pool"}};
    const char *found = NULL;
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it)) {
        const char *func = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[it.frame]);
        bool plumbing = starts_with(func, "runtime.") || starts_with(func, "sync.runtime_") ||
                        starts_with(func, "internal/sync.") || starts_with(func, "sync.");
        if (!plumbing)
            break;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            if (starts_with(func, known[i].frame))
                found = known[i].name; /* the outermost: RWMutex.Lock waits in its Mutex */
    }
    return found;
}

/* What a semaphore wait is for: the runtime's word for it is enough since 1.20 (Mutex, RWMutex) and
 * 1.25 (WaitGroup). */
static enum diag_doing semaphore(const struct snap *s, uint32_t g)
{
    const char *primitive = diag_primitive(s, g);
    if (primitive && strcmp(primitive, "sync.WaitGroup") == 0)
        return DIAG_GROUP;
    return DIAG_LOCK;
}

/* Where the wait reason could not be read: by the runtime's function it waits in. */
static enum diag_doing by_stack(const struct snap *s, uint32_t g)
{
    static const struct {
        const char *func;
        enum diag_doing doing;
    } known[] = {{"runtime.chansend", DIAG_SEND},   {"runtime.chanrecv", DIAG_RECEIVE},
                 {"runtime.selectgo", DIAG_SELECT}, {"runtime.block", DIAG_FOREVER},
                 {"runtime.netpollblock", DIAG_IO}, {"internal/poll.runtime_pollWait", DIAG_IO},
                 {"time.Sleep", DIAG_SLEEPS},       {"sync.runtime_notifyListWait", DIAG_COND},
                 {"runtime.semacquire1", DIAG_LOCK}};
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it)) {
        const char *func = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[it.frame]);
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            if (strcmp(func, known[i].func) == 0)
                return known[i].doing == DIAG_LOCK ? semaphore(s, g) : known[i].doing;
    }
    return DIAG_RUNTIME;
}

static enum diag_doing waiting_for(const struct snap *s, uint32_t g)
{
    static const struct {
        const char *reason;
        enum diag_doing doing;
    } known[] = {{"chan receive (nil chan)", DIAG_FOREVER},
                 {"chan send (nil chan)", DIAG_FOREVER},
                 {"select (no cases)", DIAG_FOREVER},
                 {"chan receive", DIAG_RECEIVE}, /* and "(durable)", "(synctest)" */
                 {"chan send", DIAG_SEND},
                 {"select", DIAG_SELECT},
                 {"IO wait", DIAG_IO},
                 {"sleep", DIAG_SLEEPS},
                 {"sync.Cond", DIAG_COND},
                 {"sync.WaitGroup", DIAG_GROUP},
                 {"sync.", DIAG_LOCK}};
    const char *reason = snap_str(s, s->goroutine.wait_reason[g]);
    if (!*reason)
        return by_stack(s, g);
    if (starts_with(reason, "semacquire"))
        return semaphore(s, g);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (starts_with(reason, known[i].reason))
            return known[i].doing;
    return DIAG_RUNTIME;
}

enum diag_doing diag_doing_of(const struct snap *s, uint32_t g)
{
    switch ((enum snap_gstatus)s->goroutine.status[g]) {
    case SNAP_G_SYSCALL:
        return DIAG_SYSCALL;
    case SNAP_G_WAITING:
    case SNAP_G_LEAKED:
        return s->goroutine.flags[g] & SNAP_GF_CGO ? DIAG_SYSCALL : waiting_for(s, g);
    default:
        return DIAG_RUNS;
    }
}

uint64_t diag_wait_addr(const struct snap *s, uint32_t g)
{
    uint64_t addr = 0;
    size_t lo = 0, hi = s->wait.n; /* rows stand in the order of goroutines */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->wait.goroutine[mid] < g)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < s->wait.n && s->wait.goroutine[lo] == g; lo++) {
        if (addr && s->wait.addr[lo] && s->wait.addr[lo] != addr)
            return 0;
        addr = s->wait.addr[lo] ? s->wait.addr[lo] : addr; /* 0: a case on a nil channel */
    }
    return addr;
}

static bool is_plumbing(const char *func)
{
    return starts_with(func, "runtime.") || starts_with(func, "sync.") ||
           starts_with(func, "internal/") || starts_with(func, "runtime/") ||
           starts_with(func, "sync/") || starts_with(func, "syscall.") ||
           starts_with(func, "time.");
}

/* Where a goroutine on this stack waits, as the program sees it. */
static uint32_t place_of(const struct snap *s, const struct snap_tops *tops, uint32_t node)
{
    if (node >= s->stack.n)
        return SNAP_NONE;
    if (tops->user[node] != SNAP_NONE)
        return tops->user[node];
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, node);
    while (snap_stack_next(&it))
        if (it.frame != SNAP_NONE && !is_plumbing(snap_str(s, s->frame.func[it.frame])))
            return it.frame;
    return tops->top[node];
}

/* ---- clusters ---- */

/* What the frames of a stack say, worked out once for each innermost stack node: a hundred thousand
 * goroutines stand on a few dozen stacks. */
struct seen_stack {
    bool known;
    uint32_t place;
    uint64_t hash; /* of the addresses from the innermost frame to the place */
};

static void look_at_stack(const struct snap *s, const struct snap_tops *tops, uint32_t node,
                          struct seen_stack *ret)
{
    struct snap_stack_iter it;
    uint32_t last_pc = SNAP_NONE;
    ret->known = true;
    ret->place = place_of(s, tops, node);
    ret->hash = 0;
    snap_stack_iter_init(&it, s, node);
    while (snap_stack_next(&it)) {
        if (it.pc != last_pc)
            ret->hash = hash_u64(ret->hash ^ s->pc.addr[it.pc]);
        last_pc = it.pc;
        if (ret->place != SNAP_NONE && it.frame == ret->place)
            return;
    }
}

/* Equal for equal waits in two snapshots of one process: made of addresses of code, which stay. */
static uint64_t signature(const struct snap *s, uint32_t g, const struct seen_stack *stack)
{
    const char *reason = snap_str(s, s->goroutine.wait_reason[g]);
    uint64_t h = hash_bytes(reason, strlen(reason)) + s->goroutine.status[g];
    uint32_t creator = s->goroutine.creator[g];
    h = hash_u64(h ^ (creator < s->pc.n ? s->pc.addr[creator] : 0));
    return hash_u64(h ^ stack->hash);
}

static bool is_user(const struct snap *s, uint32_t g)
{
    return !(s->goroutine.flags[g] & SNAP_GF_SYSTEM);
}

/* Calls fn with each user goroutine that waits or is in a system call, and its signature. */
static void each_blocked(const struct snap *s, const struct snap_tops *tops,
                         void (*fn)(void *arg, uint32_t g, uint32_t place, enum diag_doing doing,
                                    uint64_t sig),
                         void *arg)
{
    struct seen_stack *stacks = mem_alloc((s->stack.n + 1) * sizeof(*stacks)), none = {0};
    look_at_stack(s, tops, SNAP_NONE, &none);
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        enum diag_doing doing = diag_doing_of(s, g);
        uint32_t node = s->goroutine.stack[g];
        if (!is_user(s, g) || doing == DIAG_RUNS)
            continue;
        struct seen_stack *stack = node < s->stack.n ? &stacks[node] : &none;
        if (!stack->known)
            look_at_stack(s, tops, node, stack);
        fn(arg, g, stack->place, doing, signature(s, g, stack));
    }
    free(stacks);
}

struct finder {
    struct diag_run *r;
    struct map by_signature, by_goid; /* -> cluster; -> row of `before` */
    VEC(struct diag_cluster) found;
};

static void add_member(void *arg, uint32_t g, uint32_t place, enum diag_doing doing, uint64_t sig)
{
    struct finder *f = arg;
    const struct snap *s = f->r->s;
    bool added;
    uint32_t at = map_get_or_put(&f->by_signature, sig, (uint32_t)f->found.n, &added);
    if (added)
        vec_push(&f->found, ((struct diag_cluster){.doing = doing,
                                                   .example = g,
                                                   .place = place,
                                                   .signature = sig,
                                                   .oldest_ns = -1,
                                                   .goid_min = UINT64_MAX}));
    struct diag_cluster *c = &f->found.v[at];
    uint64_t id = s->goroutine.id[g];
    int64_t age = snap_wait_ns(s, g);
    f->r->cluster_of[g] = at;
    c->count++;
    c->known_ages += age >= 0;
    if (age > c->oldest_ns) {
        c->oldest_ns = age;
        c->example = g;
    }
    c->goid_min = min_u64(c->goid_min, id);
    c->goid_max = max_u64(c->goid_max, id);
    c->late += id > f->r->goid_max / 4 * 3;
}

static void count_before(void *arg, uint32_t g, uint32_t place, enum diag_doing doing, uint64_t sig)
{
    struct finder *f = arg;
    uint32_t at = map_get(&f->by_signature, sig);
    if (at == MAP_NONE)
        return;
    f->found.v[at].before++;
    uint32_t now = map_get(&f->by_goid, f->r->in->before->goroutine.id[g]);
    if (now != MAP_NONE && f->r->cluster_of[now] == at)
        f->found.v[at].stayed++;
}

static void each_before(const struct snap *b, struct finder *f)
{
    struct snap_codes codes;
    struct snap_tops tops;
    snap_codes_init(&codes, b);
    snap_tops_init(&tops, b, &codes);
    each_blocked(b, &tops, count_before, f);
    snap_tops_free(&tops);
    snap_codes_free(&codes);
}

static int larger_first(const void *a, const void *b)
{
    const struct diag_cluster *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return x->goid_min < y->goid_min ? -1 : x->goid_min > y->goid_min;
}

/* Sorted clusters get new numbers: cluster_of follows. */
static void sort_clusters(struct diag_run *r, struct finder *f)
{
    uint32_t *moved = mem_alloc((f->found.n + 1) * sizeof(*moved));
    if (f->found.n)
        qsort(f->found.v, f->found.n, sizeof(*f->found.v), larger_first);
    for (uint32_t i = 0; i < f->found.n; i++)
        moved[map_get(&f->by_signature, f->found.v[i].signature)] = i;
    for (uint32_t g = 0; g < r->s->goroutine.n; g++)
        if (r->cluster_of[g] != SNAP_NONE)
            r->cluster_of[g] = moved[r->cluster_of[g]];
    free(moved);
}

static void count_goroutines(struct diag_run *r)
{
    const struct snap *s = r->s, *b = r->in->before;
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        r->goid_max = max_u64(r->goid_max, s->goroutine.id[g]);
        if (!is_user(s, g))
            continue;
        r->user++;
        r->doing[diag_doing_of(s, g)]++;
    }
    for (uint32_t g = 0; b && g < b->goroutine.n; g++)
        r->user_before += is_user(b, g);
}

void diag_find_clusters(struct diag_run *r)
{
    struct finder f = {.r = r};
    const struct snap *s = r->s;
    count_goroutines(r);
    r->cluster_of = arena_array(&r->found->mem, uint32_t, s->goroutine.n + 1);
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        r->cluster_of[g] = SNAP_NONE;
        map_put(&f.by_goid, s->goroutine.id[g], g);
    }
    each_blocked(s, &r->tops, add_member, &f);
    if (r->in->before)
        each_before(r->in->before, &f);
    sort_clusters(r, &f);
    r->nclusters = f.found.n;
    r->clusters = arena_array(&r->found->mem, struct diag_cluster, f.found.n + 1);
    if (f.found.n)
        memcpy(r->clusters, f.found.v, f.found.n * sizeof(*f.found.v));
    vec_free(&f.found);
    map_free(&f.by_signature);
    map_free(&f.by_goid);
}

const char *diag_ages(struct diag_run *r, const struct diag_cluster *c)
{
    static const struct {
        int64_t below_s;
        const char *name;
    } steps[] = {{60, "for less than 1 min"},
                 {600, "for 1 to 10 min"},
                 {3600, "for 10 to 60 min"},
                 {86400, "for 1 to 24 h"},
                 {INT64_MAX, "for a day or more"}};
    uint32_t n[ARRAY_LEN(steps)] = {0}, unknown = c->count;
    for (uint32_t g = 0; g < r->s->goroutine.n; g++) {
        int64_t age = snap_wait_ns(r->s, g);
        if (r->cluster_of[g] == SNAP_NONE || &r->clusters[r->cluster_of[g]] != c || age < 0)
            continue;
        size_t step = 0;
        while (age / NSEC_PER_SEC >= steps[step].below_s)
            step++;
        n[step]++;
        unknown--;
    }
    struct buf b = {0};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (!n[i])
            continue;
        buf_str(&b, b.n ? ", " : "");
        text_count(&b, n[i]);
        buf_printf(&b, " %s", steps[i].name);
    }
    if (b.n && unknown) { /* the runtime notes a wait when the collector passes */
        buf_str(&b, ", ");
        text_count(&b, unknown);
        buf_str(&b, " since the last garbage collection");
    }
    const char *text = arena_strdup(&r->found->mem, buf_text(&b));
    buf_free(&b);
    return text;
}
