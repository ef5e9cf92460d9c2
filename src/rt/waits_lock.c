/* waits_lock.c - which lock a semaphore belongs to, in what state it is, and the table of objects.
 *
 * Go: sync/mutex.go, internal/sync/mutex.go (1.24+), sync/rwmutex.go, waitgroup.go, cond.go,
 * once.go (1.18-1.27).
 *
 * A semaphore is a word inside a Mutex, RWMutex (three of them), WaitGroup ...  Which it is the
 * frames tell that wait for it: methods of package sync, inlined ones included.  From there the
 * layout leads to the lock, and the words around the semaphore, which were read while the target
 * stood still, are its state. */
#include <stdlib.h>

#include "rt/waits_int.h"

enum { MUTEX_HELD = 1, MUTEX_WOKEN = 2, MUTEX_STARVING = 4, MUTEX_WAITERS_SHIFT = 3 };
enum { RWMUTEX_MAX_READERS = 1 << 30 };

/* ---- reading ---- */

static void read_one(struct waits *w, struct wait_sync *s)
{
    struct err *e = target_read(w->c->t, s->addr, s->bytes + SYNC_BEFORE,
                                s->cond ? SYNC_BYTES - SYNC_BEFORE : 4);
    s->ok = !e;
    err_free(e);
}

static void set_values(struct waits *w)
{
    struct snap *s = w->c->s;
    for (size_t i = 0; i < s->sema.n; i++) {
        uint32_t k = map_get(&w->sync_by_addr, s->sema.addr[i]);
        if (k != MAP_NONE && w->syncs.v[k].ok)
            memcpy(&s->sema.value[i], w->syncs.v[k].bytes + SYNC_BEFORE, 4);
    }
}

struct err *waits_read_syncs(struct waits *w)
{
    size_t n = w->syncs.n;
    uint8_t *copies = mem_try_alloc(n * SYNC_BYTES + 1);
    if (!copies)
        return err_new(ERR_NOMEM, "no memory for %zu locks", n);
    taddr *addr = mem_alloc(n * sizeof(*addr) + 1);
    bool *ok = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        addr[i] = w->syncs.v[i].addr - SYNC_BEFORE;
    struct err *e = rt_read_pieces(w->c->t, addr, n, SYNC_BYTES, copies, ok);
    for (size_t i = 0; !e && i < n; i++) {
        struct wait_sync *s = &w->syncs.v[i];
        s->ok = ok[i];
        if (ok[i])
            memcpy(s->bytes, copies + i * SYNC_BYTES, SYNC_BYTES);
        else
            read_one(w, s); /* it stands at the edge of what is mapped */
    }
    free(ok);
    free(addr);
    free(copies);
    if (!e)
        set_values(w);
    return e;
}

/* ---- what it is ---- */

struct sync_kind {
    bool known;
    uint8_t kind, role;
    const char *type;
};

static bool begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_mutex(const char *f)
{
    return begins(f, "sync.(*Mutex).") || begins(f, "internal/sync.(*Mutex).");
}

/* What a frame further out makes of what the inner ones said. */
static void learn(struct sync_kind *k, const char *f)
{
    bool writer = begins(f, "sync.(*RWMutex).Lock"), mutex = k->kind == SNAP_OBJ_MUTEX;
    if (is_mutex(f))
        *k = (struct sync_kind){true, SNAP_OBJ_MUTEX, SNAP_ROLE_LOCKER, "sync.Mutex"};
    else if (writer)
        *k = (struct sync_kind){true, SNAP_OBJ_RWMUTEX, mutex ? SNAP_ROLE_LOCKER : SNAP_ROLE_WRITER,
                                "sync.RWMutex"};
    else if (begins(f, "sync.(*RWMutex).RLock") || begins(f, "sync.runtime_SemacquireRWMutexR"))
        *k = (struct sync_kind){true, SNAP_OBJ_RWMUTEX, SNAP_ROLE_READER, "sync.RWMutex"};
    else if (begins(f, "sync.runtime_SemacquireRWMutex"))
        *k = (struct sync_kind){true, SNAP_OBJ_RWMUTEX, SNAP_ROLE_WRITER, "sync.RWMutex"};
    else if (begins(f, "sync.(*WaitGroup).Wait"))
        *k = (struct sync_kind){true, SNAP_OBJ_WAITGROUP, SNAP_ROLE_NONE, "sync.WaitGroup"};
    else if (begins(f, "sync.(*Cond).Wait") || begins(f, "sync.runtime_notifyListWait"))
        *k = (struct sync_kind){true, SNAP_OBJ_COND, SNAP_ROLE_NONE, "sync.Cond"};
    else if (begins(f, "sync.(*Once).") && mutex)
        *k = (struct sync_kind){true, SNAP_OBJ_ONCE, SNAP_ROLE_LOCKER, "sync.Once"};
    else if (begins(f, "internal/poll.(*fdMutex)."))
        *k = (struct sync_kind){true, SNAP_OBJ_SEMA, SNAP_ROLE_NONE, "internal/poll.fdMutex"};
}

static struct sync_kind kind_at(const struct snap *s, uint32_t node)
{
    struct sync_kind k = {true, SNAP_OBJ_SEMA, SNAP_ROLE_NONE, ""};
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, node);
    while (snap_stack_next(&it)) {
        const char *f = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[it.frame]);
        if (!begins(f, "runtime.") && !begins(f, "sync.") && !begins(f, "internal/sync.") &&
            !begins(f, "internal/poll."))
            break;
        learn(&k, f);
    }
    return k;
}

/* How far behind the start of the lock the semaphore is. */
static int32_t offset_of(const struct rt_layout *l, const struct sync_kind *k)
{
    int32_t sema = l->off[RT_mutex_sema];
    switch ((enum snap_objkind)k->kind) {
    case SNAP_OBJ_MUTEX:
        return sema;
    case SNAP_OBJ_ONCE:
        return sema + l->off[RT_once_m];
    case SNAP_OBJ_WAITGROUP:
        return l->off[RT_waitgroup_sema];
    case SNAP_OBJ_COND:
        return l->off[RT_cond_notify];
    case SNAP_OBJ_RWMUTEX:
        return k->role == SNAP_ROLE_READER   ? l->off[RT_rwmutex_reader_sem]
               : k->role == SNAP_ROLE_WRITER ? l->off[RT_rwmutex_writer_sem]
                                             : l->off[RT_rwmutex_w] + sema;
    default:
        return 0;
    }
}

/* ---- its state ---- */

static uint64_t word(const struct wait_sync *s, int64_t from, int32_t off, size_t n)
{
    uint64_t v = 0;
    int64_t at = from + off;
    if (off >= 0 && at >= 0 && at + (int64_t)n <= SYNC_BYTES)
        memcpy(&v, s->bytes + at, n);
    return v;
}

static uint16_t mutex_flags(uint32_t state)
{
    return (uint16_t)((state & MUTEX_HELD ? SNAP_LOCK_HELD : 0) |
                      (state & MUTEX_WOKEN ? SNAP_LOCK_WOKEN : 0) |
                      (state & MUTEX_STARVING ? SNAP_LOCK_STARVING : 0));
}

static void set_mutex(struct snap *s, uint32_t row, uint32_t state)
{
    s->lock.state[row] = state;
    s->lock.flags[row] |= mutex_flags(state);
    s->lock.waiters[row] = state >> MUTEX_WAITERS_SHIFT;
}

static void set_rwmutex(struct snap *s, uint32_t row, const struct rt_layout *l,
                        const struct wait_sync *sync, int64_t from)
{
    int32_t readers = (int32_t)word(sync, from, l->off[RT_rwmutex_reader_count], 4);
    set_mutex(s, row, (uint32_t)word(sync, from, l->off[RT_rwmutex_w] + l->off[RT_mutex_state], 4));
    s->lock.flags[row] |= readers < 0 ? SNAP_LOCK_WRITER : 0;
    s->lock.count[row] = readers < 0 ? (int64_t)readers + RWMUTEX_MAX_READERS : readers;
    s->lock.leaving[row] = (int32_t)word(sync, from, l->off[RT_rwmutex_reader_wait], 4);
}

static void set_state(struct snap *s, uint32_t row, const struct rt_layout *l,
                      const struct wait_sync *sync)
{
    int64_t from = SYNC_BEFORE + (int64_t)(s->lock.addr[row] - sync->addr);
    uint64_t state;
    switch ((enum snap_objkind)s->lock.kind[row]) {
    case SNAP_OBJ_MUTEX:
        set_mutex(s, row, (uint32_t)word(sync, from, l->off[RT_mutex_state], 4));
        break;
    case SNAP_OBJ_ONCE:
        set_mutex(s, row,
                  (uint32_t)word(sync, from, l->off[RT_once_m] + l->off[RT_mutex_state], 4));
        s->lock.flags[row] |=
            word(sync, from, l->off[RT_once_done], 1) ? (uint16_t)SNAP_LOCK_DONE : 0;
        break;
    case SNAP_OBJ_RWMUTEX:
        set_rwmutex(s, row, l, sync, from);
        break;
    case SNAP_OBJ_WAITGROUP:
        state = word(sync, from, l->off[RT_waitgroup_state], 8);
        s->lock.count[row] = (int32_t)(state >> 32);
        s->lock.waiters[row] = (uint32_t)state & INT32_MAX; /* 1.25+: the upper bit is a flag */
        break;
    case SNAP_OBJ_COND:
        from = SYNC_BEFORE;
        s->lock.count[row] = (int64_t)word(sync, from, l->off[RT_notifylist_wait], 4);
        s->lock.leaving[row] = (int64_t)word(sync, from, l->off[RT_notifylist_notify], 4);
        s->lock.waiters[row] = (uint32_t)(s->lock.count[row] - s->lock.leaving[row]);
        break;
    default:
        s->lock.state[row] = (uint32_t)word(sync, SYNC_BEFORE, 0, 4);
        break;
    }
}

/* ---- objects ---- */

struct object {
    taddr addr;
    const char *type_text;                          /* NULL: type */
    uint32_t type, details, heapobj, waiters, last; /* last: goroutine counted */
    uint8_t kind;
    uint32_t sync; /* one of its semaphores */
    uint32_t row;
};

struct objects {
    struct waits *w;
    VEC(struct object) v;
    struct map by_addr;
    uint32_t *of_wait;       /* of each row of wait: index; SNAP_NONE */
    struct sync_kind *kinds; /* of each stack node */
};

static uint32_t add(struct objects *o, taddr addr, enum snap_objkind kind)
{
    bool added;
    uint32_t i = map_get_or_put(&o->by_addr, addr, (uint32_t)o->v.n, &added);
    if (added)
        vec_push(&o->v, ((struct object){.addr = addr,
                                         .kind = (uint8_t)kind,
                                         .details = SNAP_NONE,
                                         .heapobj = SNAP_NONE,
                                         .sync = SNAP_NONE,
                                         .last = SNAP_NONE}));
    return i;
}

static const struct sync_kind *kind_of_stack(struct objects *o, uint32_t node)
{
    static const struct sync_kind unknown = {true, SNAP_OBJ_SEMA, SNAP_ROLE_NONE, ""};
    if (node >= o->w->c->s->stack.n)
        return &unknown;
    if (!o->kinds[node].known)
        o->kinds[node] = kind_at(o->w->c->s, node);
    return &o->kinds[node];
}

static uint32_t add_sync(struct objects *o, uint32_t wait)
{
    struct snap *s = o->w->c->s;
    const struct rt_layout *l = &o->w->c->rt->layout;
    struct sync_kind k = *kind_of_stack(o, s->goroutine.stack[s->wait.goroutine[wait]]);
    uint32_t sync = map_get(&o->w->sync_by_addr, s->wait.addr[wait]);
    int32_t off = offset_of(l, &k);
    if (off < 0 || (taddr)off > s->wait.addr[wait] || sync == MAP_NONE) {
        k = (struct sync_kind){true, SNAP_OBJ_SEMA, SNAP_ROLE_NONE, ""};
        off = 0;
    }
    uint32_t i = add(o, s->wait.addr[wait] - (taddr)off, (enum snap_objkind)k.kind);
    struct object *x = &o->v.v[i];
    if (x->sync == SNAP_NONE && sync != MAP_NONE) {
        x->sync = sync;
        x->kind = k.kind;
        x->type_text = k.type;
    }
    s->wait.role[wait] = k.role;
    return i;
}

static uint32_t heapobj_of(const struct waits *w, taddr addr)
{
    uint32_t row = map_get(&w->objs, addr);
    return row == MAP_NONE || row == 0 ? SNAP_NONE : row - 1;
}

static void find_objects(struct objects *o)
{
    struct waits *w = o->w;
    struct snap *s = w->c->s;
    for (uint32_t i = 0; i < s->wait.n; i++) {
        taddr addr = s->wait.addr[i];
        o->of_wait[i] = SNAP_NONE;
        if (!addr)
            continue;
        uint32_t k, chan = map_get(&w->chan_by_addr, addr);
        if (s->wait.kind[i] == SNAP_W_READ || s->wait.kind[i] == SNAP_W_WRITE) {
            k = add(o, addr, SNAP_OBJ_POLL);
            o->v.v[k].details = map_get(&w->poll_by_addr, addr);
        } else if (s->wait.kind[i] == SNAP_W_CORO) {
            k = add(o, addr, SNAP_OBJ_CORO);
            o->v.v[k].type_text = "runtime.coro";
        } else if (chan != MAP_NONE) {
            k = add(o, addr, SNAP_OBJ_CHAN);
            o->v.v[k].details = chan;
            o->v.v[k].type = waits_chan_type(w, addr);
        } else {
            k = add_sync(o, i);
        }
        struct object *x = &o->v.v[k];
        o->of_wait[i] = k;
        x->heapobj = x->heapobj == SNAP_NONE ? heapobj_of(w, addr) : x->heapobj;
        x->waiters += x->last != s->wait.goroutine[i];
        x->last = s->wait.goroutine[i];
    }
}

static uint32_t queued_at(const struct waits *w, taddr addr)
{
    uint32_t k = map_get(&w->sync_by_addr, addr);
    return k == MAP_NONE ? 0 : w->syncs.v[k].queued;
}

static uint32_t add_lock(struct objects *o, const struct object *x)
{
    struct waits *w = o->w;
    struct snap *s = w->c->s;
    const struct rt_layout *l = &w->c->rt->layout;
    const struct wait_sync *sync = &w->syncs.v[x->sync];
    uint32_t row = snap_add_lock(s);
    s->lock.addr[row] = x->addr;
    s->lock.kind[row] = x->kind;
    s->lock.queued[row] = sync->queued;
    if (x->kind == SNAP_OBJ_RWMUTEX) {
        taddr rw = x->addr;
        s->lock.queued[row] =
            queued_at(w, rw + (taddr)(l->off[RT_rwmutex_w] + l->off[RT_mutex_sema])) +
            queued_at(w, rw + (taddr)l->off[RT_rwmutex_writer_sem]) +
            queued_at(w, rw + (taddr)l->off[RT_rwmutex_reader_sem]);
    }
    if (sync->ok)
        set_state(s, row, l, sync);
    else
        snap_note_missing(s, 1, "states of locks", "the memory is not readable");
    return row;
}

static void add_object(struct objects *o, struct object *x)
{
    struct snap *s = o->w->c->s;
    uint32_t row = x->row = snap_add_object(s);
    s->object.addr[row] = x->addr;
    s->object.kind[row] = x->kind;
    s->object.waiters[row] = x->waiters;
    s->object.heapobj[row] = x->heapobj;
    s->object.type[row] = x->type_text ? intern_add(&s->strings, x->type_text) : x->type;
    if (x->kind == SNAP_OBJ_CHAN)
        s->object.chan[row] = x->details;
    else if (x->kind == SNAP_OBJ_POLL)
        s->object.poll[row] = x->details;
    else if (x->sync != SNAP_NONE)
        s->object.lock[row] = add_lock(o, x);
}

static int by_addr(const void *a, const void *b, void *arg)
{
    const struct object *v = arg;
    taddr x = v[*(const uint32_t *)a].addr, y = v[*(const uint32_t *)b].addr;
    return x < y ? -1 : x > y;
}

/* wait.object and sema.object, and how many a semaphore was handed to. */
static void link(struct objects *o)
{
    struct waits *w = o->w;
    struct snap *s = w->c->s;
    for (uint32_t i = 0; i < s->wait.n; i++) {
        if (o->of_wait[i] == SNAP_NONE)
            continue;
        s->wait.object[i] = o->v.v[o->of_wait[i]].row;
        uint32_t k = map_get(&w->sync_by_addr, s->wait.addr[i]);
        if (k == MAP_NONE)
            continue;
        w->syncs.v[k].object = s->wait.object[i];
        w->syncs.v[k].handed += s->wait.kind[i] == SNAP_W_SEMA && s->wait.ticket[i];
    }
    for (uint32_t i = 0; i < s->sema.n; i++) {
        uint32_t k = map_get(&w->sync_by_addr, s->sema.addr[i]);
        if (k == MAP_NONE)
            continue;
        s->sema.object[i] = w->syncs.v[k].object;
        s->sema.handed[i] = w->syncs.v[k].handed;
    }
}

void waits_lock_rows(struct waits *w)
{
    struct snap *s = w->c->s;
    struct objects o = {.w = w};
    o.of_wait = mem_alloc(s->wait.n * sizeof(*o.of_wait) + 1);
    o.kinds = mem_alloc((s->stack.n + 1) * sizeof(*o.kinds));
    find_objects(&o);
    vec_free(&w->chans); /* they have their rows, and objects have their types */
    map_free(&w->chan_by_addr);
    uint32_t *order = mem_alloc(o.v.n * sizeof(*order) + 1);
    for (uint32_t i = 0; i < o.v.n; i++)
        order[i] = i;
    qsort_r(order, o.v.n, sizeof(*order), by_addr, o.v.v);
    for (uint32_t i = 0; i < o.v.n; i++)
        add_object(&o, &o.v.v[order[i]]);
    link(&o);
    free(order);
    free(o.kinds);
    free(o.of_wait);
    vec_free(&o.v);
    map_free(&o.by_addr);
}
