/* ahead_calls.c - what calls of the runtime and of package sync mean, told from the names in the
 * function table (which stripped programs have, too).
 *
 * Go: sync (internal/sync since 1.24), runtime/chan.go, select.go, sema.go, panic.go, proc.go
 * newproc, malloc.go newobject, coro.go, runtime/map*.go and internal/runtime/maps (1.18-1.27).
 * Fast paths of sync that are inlined have no call: ahead_exec.c knows them by their atomic
 * instructions. */
#include "rt/ahead_int.h"

enum { READERS = 16, NOTIFY = 16, COND_LOCKER = 8 }; /* offsets in RWMutex and Cond, all releases */

/* What is in a sync.Map since Go 1.24. */
#define TRIE "(*HashTrieMap[go.shape.interface {},go.shape.interface {}])"

struct meaning {
    const char *name;
    uint8_t meaning, act;
    int8_t arg;
    int16_t off;
};

static const struct meaning of_sync[] = {
    {"(*Mutex).Lock", AHEAD_FN_ACT, AHEAD_LOCK, 0, 0},
    {"(*Mutex).Unlock", AHEAD_FN_ACT, AHEAD_UNLOCK, 0, 0},
    {"(*Mutex).TryLock", AHEAD_FN_ACT, AHEAD_TRY, 0, 0},
    {"(*Mutex).lockSlow", AHEAD_FN_SKIP, 0, 0, 0}, /* the fast path before it was seen */
    {"(*Mutex).unlockSlow", AHEAD_FN_SKIP, 0, 0, 0},
    {"(*RWMutex).Lock", AHEAD_FN_ACT, AHEAD_LOCK, 0, 0},
    {"(*RWMutex).Unlock", AHEAD_FN_ACT, AHEAD_UNLOCK, 0, 0},
    {"(*RWMutex).TryLock", AHEAD_FN_ACT, AHEAD_TRY, 0, 0},
    {"(*RWMutex).RLock", AHEAD_FN_ACT, AHEAD_LOCK, 0, READERS},
    {"(*RWMutex).RUnlock", AHEAD_FN_ACT, AHEAD_UNLOCK, 0, READERS},
    {"(*RWMutex).TryRLock", AHEAD_FN_ACT, AHEAD_TRY, 0, READERS},
    {"(*RWMutex).rUnlockSlow", AHEAD_FN_SKIP, 0, 0, 0},
    {"(*rlocker).Lock", AHEAD_FN_ACT, AHEAD_LOCK, 0, READERS},
    {"(*rlocker).Unlock", AHEAD_FN_ACT, AHEAD_UNLOCK, 0, READERS},
    {"(*WaitGroup).Done", AHEAD_FN_ACT, AHEAD_DONE, 0, 0},
    {"(*WaitGroup).Add", AHEAD_FN_WAITGROUP_ADD, AHEAD_ADD, 0, 0},
    {"(*WaitGroup).Wait", AHEAD_FN_ACT, AHEAD_WAIT, 0, 0},
    {"(*Cond).Signal", AHEAD_FN_ACT, AHEAD_SIGNAL, 0, 0},
    {"(*Cond).Broadcast", AHEAD_FN_ACT, AHEAD_BROADCAST, 0, 0},
    {"(*Cond).Wait", AHEAD_FN_COND_WAIT, AHEAD_COND_WAIT, 0, 0},
    {"runtime_notifyListNotifyOne", AHEAD_FN_ACT, AHEAD_SIGNAL, 0, -NOTIFY},
    {"runtime_notifyListNotifyAll", AHEAD_FN_ACT, AHEAD_BROADCAST, 0, -NOTIFY},
    {"(*Map).Load", AHEAD_FN_SYNC_MAP, 0, 1, false},
    {"(*Map).LoadOrStore", AHEAD_FN_SYNC_MAP, 0, 1, false},
    {"(*Map).LoadAndDelete", AHEAD_FN_SYNC_MAP, 0, 1, false},
    {TRIE ".Load", AHEAD_FN_SYNC_MAP, 0, 2, true}, /* behind the dictionary */
    {TRIE ".LoadOrStore", AHEAD_FN_SYNC_MAP, 0, 2, true},
    {TRIE ".LoadAndDelete", AHEAD_FN_SYNC_MAP, 0, 2, true},
    {"fatal", AHEAD_FN_DEAD, 0, 0, 0},
    {"throw", AHEAD_FN_DEAD, 0, 0, 0},
};

static const struct meaning of_runtime[] = {
    {"chansend1", AHEAD_FN_ACT, AHEAD_SEND, 0, 0},
    {"chansend", AHEAD_FN_ACT, AHEAD_SEND, 0, 0},
    {"selectnbsend", AHEAD_FN_ACT, AHEAD_SEND, 0, 0},
    {"chanrecv1", AHEAD_FN_ACT, AHEAD_RECV, 0, 0},
    {"chanrecv2", AHEAD_FN_ACT, AHEAD_RECV, 0, 0},
    {"chanrecv", AHEAD_FN_ACT, AHEAD_RECV, 0, 0},
    {"selectnbrecv", AHEAD_FN_ACT, AHEAD_RECV, 1, 0},
    {"closechan", AHEAD_FN_ACT, AHEAD_CLOSE, 0, 0},
    {"selectgo", AHEAD_FN_SELECT, AHEAD_RECV, 0, 0},
    {"coroswitch", AHEAD_FN_ACT, AHEAD_RESUME, 0, 0},
    {"notifyListNotifyOne", AHEAD_FN_ACT, AHEAD_SIGNAL, 0, -NOTIFY},
    {"notifyListNotifyAll", AHEAD_FN_ACT, AHEAD_BROADCAST, 0, -NOTIFY},
    {"newobject", AHEAD_FN_NEW, 0, 0, 0},
    {"makeslice", AHEAD_FN_NEW, 0, 0, 0},
    {"convTstring", AHEAD_FN_BOX, 0, 2, 0}, /* arg: so many words */
    {"convT64", AHEAD_FN_BOX, 0, 1, 0},
    {"convT32", AHEAD_FN_BOX, 0, 1, 0},
    {"convT16", AHEAD_FN_BOX, 0, 1, 0},
    {"newproc", AHEAD_FN_GO, 0, 0, 0},
    {"deferproc", AHEAD_FN_DEFER, 0, 0, 0},
    {"deferprocat", AHEAD_FN_DEFER, 0, 0, 0},
    {"deferprocStack", AHEAD_FN_DEFER_RECORD, 0, 0, 0},
    {"deferreturn", AHEAD_FN_DEFER_RUN, 0, 0, 0},
    {"gorecover", AHEAD_FN_RECOVER, AHEAD_RECOVER, 0, 0},
    {"duffzero", AHEAD_FN_BODY, 0, 0, 0},
    {"duffcopy", AHEAD_FN_BODY, 0, 0, 0},
    {"memequal", AHEAD_FN_VALUE, 0, 0, 0},
    {"memequal_varlen", AHEAD_FN_VALUE, 0, 0, 0},
    {"block", AHEAD_FN_DEAD, 0, 0, 0},
    {"Goexit", AHEAD_FN_DEAD, 0, 0, 0},
    {"goexit", AHEAD_FN_DEAD, 0, 0, 0},
    {"exit", AHEAD_FN_DEAD, 0, 0, 0},
    {"abort", AHEAD_FN_DEAD, 0, 0, 0},
    {"sigpanic", AHEAD_FN_DEAD, 0, 0, 0},
    {"unreachableMethod", AHEAD_FN_DEAD, 0, 0, 0},
};

/* By how the whole name begins; the first that fits counts. */
static const struct meaning by_prefix[] = {
    {"runtime.panic", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.goPanic", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.gopanic", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.throw", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.fatal", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.morestack", AHEAD_FN_DEAD, 0, 0, 0},
    {"os.Exit", AHEAD_FN_DEAD, 0, 0, 0},
    {"log.Fatal", AHEAD_FN_DEAD, 0, 0, 0},
    {"runtime.gcWriteBarrier", AHEAD_FN_KEEP, 0, 0, 0},
    {"runtime.mallocgc", AHEAD_FN_NEW, 0, 0, 0},
    {"runtime.mapaccess1", AHEAD_FN_MAP, 0, 0, sizeof("runtime.mapaccess1") - 1},
    {"runtime.mapaccess2", AHEAD_FN_MAP, 0, 0, sizeof("runtime.mapaccess2") - 1},
    {"sync.runtime_", AHEAD_FN_SKIP, 0, 0, 0},
    {"sync.(*Pool)", AHEAD_FN_SKIP, 0, 0, 0},
    {"sync.(*Map)", AHEAD_FN_SKIP, 0, 0, 0},
    {"internal/sync.(*HashTrieMap", AHEAD_FN_SKIP, 0, 0, 0},
    {"internal/sync.runtime_", AHEAD_FN_SKIP, 0, 0, 0},
    {"internal/sync.", AHEAD_FN_PLAIN, 0, 0, 0},
    {"runtime.", AHEAD_FN_SKIP, 0, 0, 0},
    {"internal/", AHEAD_FN_SKIP, 0, 0, 0},
    {"fmt.", AHEAD_FN_SKIP, 0, 0, 0},
    {"strconv.", AHEAD_FN_SKIP, 0, 0, 0},
    {"reflect.", AHEAD_FN_SKIP, 0, 0, 0},
    {"unicode", AHEAD_FN_SKIP, 0, 0, 0},
    {"math", AHEAD_FN_SKIP, 0, 0, 0},
    {"errors.", AHEAD_FN_SKIP, 0, 0, 0},
    {"sort.", AHEAD_FN_SKIP, 0, 0, 0},
    {"log.", AHEAD_FN_SKIP, 0, 0, 0},
    {"log/", AHEAD_FN_SKIP, 0, 0, 0},
    {"time.", AHEAD_FN_SKIP, 0, 0, 0},
    {"net.", AHEAD_FN_SKIP, 0, 0, 0},
    {"os.", AHEAD_FN_SKIP, 0, 0, 0},
    {"syscall.", AHEAD_FN_SKIP, 0, 0, 0},
    {"bytes.", AHEAD_FN_SKIP, 0, 0, 0},
    {"strings.", AHEAD_FN_SKIP, 0, 0, 0},
    {"regexp", AHEAD_FN_SKIP, 0, 0, 0},
    {"encoding/", AHEAD_FN_SKIP, 0, 0, 0},
    {"compress/", AHEAD_FN_SKIP, 0, 0, 0},
    {"crypto/", AHEAD_FN_SKIP, 0, 0, 0},
    {"hash/", AHEAD_FN_SKIP, 0, 0, 0},
    {"text/", AHEAD_FN_SKIP, 0, 0, 0},
    {"html/", AHEAD_FN_SKIP, 0, 0, 0},
    {"memeqbody", AHEAD_FN_VALUE, 0, 0, 0},
    {"aeshash", AHEAD_FN_SKIP, 0, 0, 0},
    {"cmpbody", AHEAD_FN_SKIP, 0, 0, 0},
    {"type:", AHEAD_FN_SKIP, 0, 0, 0},
    {"type..", AHEAD_FN_SKIP, 0, 0, 0},
};

static bool take(struct ahead_fn *f, const struct meaning *m)
{
    f->meaning = m->meaning;
    f->act = m->act;
    f->arg = m->arg;
    f->off = m->off;
    return true;
}

static bool take_exact(struct ahead_fn *f, const char *name, const struct meaning *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(m[i].name, name) == 0)
            return take(f, &m[i]);
    return false;
}

/* A function made for a method value, a deferred call or a literal: its body is what counts. */
static bool is_made_up(const char *name)
{
    size_t n = strlen(name);
    return (n > 3 && strcmp(name + n - 3, "-fm") == 0) || strstr(name, ".func") ||
           strstr(name, "deferwrap") || strstr(name, "gowrap");
}

void ahead_name_meaning(struct ahead_fn *f)
{
    const char *name = f->name;
    if (strncmp(name, "runtime.", 8) != 0 && is_made_up(name))
        return;
    if (strncmp(name, "sync.", 5) == 0 && take_exact(f, name + 5, of_sync, ARRAY_LEN(of_sync)))
        return;
    if (strncmp(name, "internal/sync.", 14) == 0 &&
        take_exact(f, name + 14, of_sync, ARRAY_LEN(of_sync)))
        return;
    if (strncmp(name, "runtime.", 8) == 0 &&
        take_exact(f, name + 8, of_runtime, ARRAY_LEN(of_runtime)))
        return;
    for (size_t i = 0; i < ARRAY_LEN(by_prefix); i++)
        if (strncmp(name, by_prefix[i].name, strlen(by_prefix[i].name)) == 0) {
            take(f, &by_prefix[i]);
            return;
        }
}

uint16_t ahead_kinds_of_call(const struct ahead_fn *f)
{
    static const uint16_t of_act[AHEAD_ACTS] = {
        [AHEAD_LOCK] = AHEAD_K_LOCK,      [AHEAD_TRY] = AHEAD_K_LOCK,
        [AHEAD_UNLOCK] = AHEAD_K_LOCK,    [AHEAD_SEND] = AHEAD_K_SEND,
        [AHEAD_RECV] = AHEAD_K_RECV,      [AHEAD_CLOSE] = AHEAD_K_CLOSE,
        [AHEAD_ADD] = AHEAD_K_GROUP,      [AHEAD_DONE] = AHEAD_K_GROUP,
        [AHEAD_WAIT] = AHEAD_K_GROUP,     [AHEAD_SIGNAL] = AHEAD_K_COND,
        [AHEAD_BROADCAST] = AHEAD_K_COND, [AHEAD_COND_WAIT] = AHEAD_K_COND | AHEAD_K_LOCK,
        [AHEAD_RESUME] = AHEAD_K_CORO,    [AHEAD_RECOVER] = AHEAD_K_RECOVER,
    };
    switch ((enum ahead_meaning)f->meaning) {
    case AHEAD_FN_ACT:
    case AHEAD_FN_WAITGROUP_ADD:
    case AHEAD_FN_COND_WAIT:
    case AHEAD_FN_RECOVER:
        return of_act[f->act];
    case AHEAD_FN_SELECT:
        return AHEAD_K_SEND | AHEAD_K_RECV;
    case AHEAD_FN_DEFER:
    case AHEAD_FN_DEFER_RECORD:
    case AHEAD_FN_DEFER_RUN:
        return AHEAD_K_DEFER;
    case AHEAD_FN_GO:
        return AHEAD_K_GO;
    default:
        return 0;
    }
}

/* ---- calls on the way ---- */

struct ahead_val ahead_arg(const struct ahead *a, unsigned i)
{
    return a->p.reg[a->code.arch->go_args[i]];
}

static void set_result(struct ahead *a, uint64_t v)
{
    ahead_forget_call(a);
    a->p.reg[a->code.arch->go_args[0]] = (struct ahead_val){v, 0xff, 0xff};
}

/* Go: runtime/select.go selectgo(cas0, order0, pc0, nsends, nrecvs, block); scase{c, elem}. */
static void do_select(struct ahead *a)
{
    enum { CASE = 16, CASES_MAX = 24 };
    struct ahead_val cases = ahead_arg(a, 0), sends = ahead_arg(a, 3), recvs = ahead_arg(a, 4);
    if (!ahead_full(cases) || !ahead_full(sends) || !ahead_full(recvs) || sends.v > CASES_MAX ||
        recvs.v > CASES_MAX)
        return;
    for (uint64_t i = 0; i < sends.v + recvs.v; i++) {
        struct ahead_val c = ahead_load(&a->mem, cases.v + CASE * i, 8);
        if (ahead_full(c) && c.v)
            ahead_event(a, i < sends.v ? AHEAD_SEND : AHEAD_RECV, c, 0);
    }
}

static void do_cond_wait(struct ahead *a)
{
    struct ahead_val cond = ahead_arg(a, 0), locker = {0};
    ahead_event(a, AHEAD_COND_WAIT, cond, 0);
    if (ahead_full(cond))
        locker = ahead_load(&a->mem, cond.v + COND_LOCKER, 8);
    ahead_event(a, AHEAD_UNLOCK, locker, 0);
    ahead_event(a, AHEAD_LOCK, locker, 0);
}

static void push_defer(struct ahead *a, struct ahead_val fn)
{
    if (ahead_full(fn) && a->p.ndefers < AHEAD_DEFERS)
        a->p.defers[a->p.ndefers++] = fn.v;
    set_result(a, 0); /* deferproc returns 0, but after a recovered panic */
}

/* Calls a closure as if the instruction at `ret` had called it. */
static enum ahead_next enter_closure(struct ahead *a, taddr closure)
{
    struct ahead_val code = ahead_load(&a->mem, closure, 8);
    uint32_t fn = ahead_full(code) ? ahead_fn_at(&a->code, code.v) : SNAP_NONE;
    ahead_forget_call(a);
    if (fn == SNAP_NONE || a->code.fns.v[fn].entry != code.v)
        return AHEAD_GO_ON;
    a->p.reg[a->code.arch->abi->context] = (struct ahead_val){closure, 0xff, 0xff};
    a->p.pc = code.v;
    return AHEAD_ENTER;
}

/* The new goroutine is followed as if it were called; it need not ever end, so the code behind the
 * statement is followed without it, too. */
static enum ahead_next do_go(struct ahead *a, taddr ret)
{
    struct ahead_val fn = ahead_arg(a, 0);
    if (!ahead_full(fn) || a->p.depth >= AHEAD_DEPTH) {
        a->r.unknown_call |= !ahead_full(fn);
        set_result(a, 0);
        return AHEAD_GO_ON;
    }
    taddr at = a->p.pc;
    struct ahead_path before = a->p;
    if (enter_closure(a, fn.v) != AHEAD_ENTER)
        return AHEAD_GO_ON;
    struct ahead_path entered = a->p;
    a->p = before;
    a->p.pc = at;
    ahead_forget_call(a);
    ahead_remember(a, ret, false);
    a->p = entered;
    if (!a->p.spawned)
        a->p.spawned = (uint8_t)(a->p.depth + 1);
    return AHEAD_ENTER;
}

static void do_group_add(struct ahead *a)
{
    struct ahead_val n = ahead_arg(a, 1);
    bool less = !ahead_full(n) || (int64_t)n.v < 0;
    ahead_event(a, less ? AHEAD_DONE : AHEAD_ADD, ahead_arg(a, 0), 0);
}

static void do_new(struct ahead *a)
{
    set_result(a, a->next_new);
    a->next_new += AHEAD_NEW_SIZE;
    if (!ahead_is_new(a->next_new))
        a->next_new = AHEAD_NEW;
}

static void do_box(struct ahead *a, const struct ahead_fn *f)
{
    struct ahead_val words[2] = {ahead_arg(a, 0), ahead_arg(a, 1)};
    taddr at = a->next_new;
    do_new(a);
    for (taddr i = 0; i < (taddr)f->arg; i++)
        if (!ahead_store(&a->mem, at + 8 * i, 8, words[i]))
            set_result(a, 0);
}

/* Go: sync.Map, Load, LoadOrStore, LoadAndDelete: an interface and whether there is one. */
static void do_sync_map(struct ahead *a, const struct ahead_fn *f)
{
    const uint8_t *results = a->code.arch->go_args;
    uint64_t value[2];
    bool found = ahead_sync_map_find(a, f->off, (unsigned)f->arg, value);
    ahead_forget_call(a);
    if (!found)
        return;
    for (unsigned i = 0; i < 2; i++)
        a->p.reg[results[i]] = (struct ahead_val){value[i], 0xff, 0};
    a->p.reg[results[2]] = (struct ahead_val){1, 0xff, 0};
}

/* Go: mapaccess1 returns a pointer to the value, mapaccess2 whether there is one, too. */
static void do_map(struct ahead *a, const struct ahead_fn *f)
{
    const uint8_t *results = a->code.arch->go_args;
    taddr value;
    bool found = ahead_map_find(a, f->name + f->off, &value);
    ahead_forget_call(a);
    if (!found)
        return;
    a->p.reg[results[0]] = (struct ahead_val){value, 0xff, 0};
    a->p.reg[results[1]] = (struct ahead_val){1, 0xff, 0};
}

static enum ahead_next act(struct ahead *a, const struct ahead_fn *f)
{
    struct ahead_val addr = ahead_arg(a, (unsigned)f->arg);
    ahead_event(a, f->act, addr, f->off);
    ahead_forget_call(a);
    return AHEAD_GO_ON;
}

/* The deferred calls that the code put off, last first; the call is made again until none is left.
 */
static enum ahead_next run_defers(struct ahead *a)
{
    while (a->p.ndefers) {
        taddr fn = a->p.defers[--a->p.ndefers];
        if (enter_closure(a, fn) == AHEAD_ENTER)
            return AHEAD_ENTER;
    }
    ahead_forget_call(a);
    return AHEAD_GO_ON;
}

static enum ahead_next model(struct ahead *a, const struct ahead_fn *f)
{
    const struct rt_layout *l = &a->c->rt->layout;
    struct ahead_val v = ahead_arg(a, 0);
    switch ((enum ahead_meaning)f->meaning) {
    case AHEAD_FN_DEAD:
        return AHEAD_ENDED;
    case AHEAD_FN_KEEP:
        a->p.reg[a->code.arch->barrier] = (struct ahead_val){0};
        return AHEAD_GO_ON;
    case AHEAD_FN_ACT:
        return act(a, f);
    case AHEAD_FN_WAITGROUP_ADD:
        do_group_add(a);
        break;
    case AHEAD_FN_COND_WAIT:
        do_cond_wait(a);
        break;
    case AHEAD_FN_SELECT:
        do_select(a);
        break;
    case AHEAD_FN_NEW:
        do_new(a);
        return AHEAD_GO_ON;
    case AHEAD_FN_DEFER:
        push_defer(a, v);
        return AHEAD_GO_ON;
    case AHEAD_FN_DEFER_RECORD:
        if (ahead_full(v) && rt_has(l, RT_defer_fn))
            push_defer(a, ahead_load(&a->mem, v.v + (taddr)l->off[RT_defer_fn], 8));
        else
            set_result(a, 0);
        return AHEAD_GO_ON;
    case AHEAD_FN_MAP:
        do_map(a, f);
        return AHEAD_GO_ON;
    case AHEAD_FN_SYNC_MAP:
        do_sync_map(a, f);
        return AHEAD_GO_ON;
    case AHEAD_FN_BOX:
        do_box(a, f);
        return AHEAD_GO_ON;
    case AHEAD_FN_RECOVER:
        a->r.recovers = true;
        break;
    default:
        break;
    }
    ahead_forget_call(a);
    return AHEAD_GO_ON;
}

/* Follows a function whose calls and branches may tell a value, and nothing else. */
static enum ahead_next try_pure(struct ahead *a, taddr target, taddr ret)
{
    if (!a->pure.on) {
        a->pure = (struct ahead_pure){.on = true,
                                      .depth = a->p.depth,
                                      .mark = ahead_mark(&a->mem),
                                      .steps = a->steps,
                                      .ret = ret};
        a->pure_path = a->p;
    }
    a->p.pc = target;
    return AHEAD_ENTER;
}

enum ahead_next ahead_call(struct ahead *a, uint32_t fn, taddr target, taddr ret)
{
    const struct ahead_fn f = a->code.fns.v[fn];
    bool within = target != f.entry;
    if (f.meaning == AHEAD_FN_BODY || (within && f.meaning == AHEAD_FN_PLAIN)) {
        a->p.pc = target;
        return a->p.depth < AHEAD_DEPTH ? AHEAD_ENTER : AHEAD_GO_ON;
    }
    if (f.meaning == AHEAD_FN_GO)
        return do_go(a, ret);
    if (f.meaning == AHEAD_FN_DEFER_RUN)
        return run_defers(a);
    if (f.meaning != AHEAD_FN_PLAIN && f.meaning != AHEAD_FN_VALUE)
        return model(a, &f);
    if (a->p.depth < AHEAD_DEPTH) {
        if (f.meaning == AHEAD_FN_VALUE || !ahead_kinds_of(&a->code, fn))
            return try_pure(a, target, ret);
        a->p.pc = target;
        return AHEAD_ENTER;
    }
    a->r.unknown_call |= ahead_kinds_of(&a->code, fn) != 0;
    ahead_forget_call(a);
    return AHEAD_GO_ON;
}
