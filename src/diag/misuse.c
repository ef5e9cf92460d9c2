/* misuse.c - channels and package sync used against their rules.
 *
 * Go: runtime/chan.go, sync/waitgroup.go, sync/mutex.go, sync/rwmutex.go, internal/sync
 * (1.18-1.27). What the runtime or package sync panics about is told while the panic is in flight:
 * deferred calls run, or the process is ending (a core file).  Unlocking what is not locked ends
 * the process at once; which lock it was stands on the stack. */
#include <string.h>

#include "diag/diag_int.h"

struct rule {
    const char *text; /* in the panic's value */
    const char *what, *why, *mend;
    bool chan;
};

static const struct rule rules[] = {
    {"send on closed channel", "sent on a closed channel", "a sender came after the close",
     "only the sender closes, after the last send; several senders need a WaitGroup before the "
     "close",
     true},
    {"close of closed channel", "closed a channel that was closed already", "two closed it",
     "close in one place, or with sync.Once", true},
    {"close of nil channel", "closed a nil channel", "the channel was never made", NULL, true},
    {"negative WaitGroup counter", "called Done of a WaitGroup more often than Add",
     "its Wait returned too early, or will", "Add before the go statement, one Done for each",
     false},
    {"WaitGroup is reused", "used a WaitGroup again before Wait had returned",
     "Add came between the wake-up and the return of an earlier Wait",
     "one WaitGroup for each round", false},
    {"sync.Cond is copied", "used a copy of a Cond",
     "those who wait for the original are not woken by it",
     "pass a pointer, or keep the Cond where "
     "it is",
     false},
    {"WaitGroup misuse", "called Add of a WaitGroup while another called Wait",
     "whether Wait sees it is a matter of luck", "Add before the go statement", false},
};

static const struct rule *rule_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (strstr(text, rules[i].text))
            return &rules[i];
    return NULL;
}

/* The program's own frame that did it: the first one below the last panic on the stack. */
static uint32_t culprit(const struct diag_run *r, uint32_t g)
{
    const struct snap *s = r->s;
    struct snap_stack_iter it;
    bool below = false;
    snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
    while (snap_stack_next(&it)) {
        if (it.frame == SNAP_NONE)
            continue;
        const char *func = snap_str(s, s->frame.func[it.frame]);
        if (snap_is_panic(s->frame.func_id[it.frame]) || strcmp(func, "runtime.gopanic") == 0)
            below = true;
        else if (below && strncmp(func, "runtime.", 8) != 0 && strncmp(func, "sync.", 5) != 0 &&
                 strncmp(func, "internal/sync.", 14) != 0)
            return it.frame;
    }
    return SNAP_NONE;
}

/* Who else waits for the same channel. */
static void others(struct diag_run *r, struct diag_finding *f, uint64_t addr)
{
    const struct snap *s = r->s;
    uint32_t n = 0, example = 0;
    for (uint32_t i = 0; addr && i < s->wait.n; i++)
        if (s->wait.addr[i] == addr && n++ == 0)
            example = s->wait.goroutine[i];
    if (n)
        diag_evidence(r->found, f, "%s goroutine%s in line for it, goroutine %s among them",
                      diag_number(r, n), n == 1 ? " is" : "s are",
                      diag_number(r, s->goroutine.id[example]));
}

static void report_panic(struct diag_run *r, uint32_t row, const struct rule *rule)
{
    const struct snap *s = r->s;
    uint32_t g = s->panic.goroutine[row], frame = culprit(r, g);
    uint64_t id = s->goroutine.id[g], addr = s->panic.object[row];
    struct diag_finding *f = diag_add(r, "misuse", DIAG_PROBLEM);
    f->title = diag_text(r->found, "goroutine %s %s", diag_number(r, id), rule->what);
    diag_evidence(r->found, f, "panic: %s", snap_str(s, s->panic.text[row]));
    if (frame != SNAP_NONE)
        diag_evidence(r->found, f, "at %s, in %s", diag_where(r, frame), diag_func(r, frame));
    if (addr)
        diag_evidence(r->found, f, "the %s is at 0x%llx", rule->chan ? "channel" : "WaitGroup",
                      (unsigned long long)addr);
    others(r, f, addr);
    if (addr && strstr(rule->text, "closed channel"))
        diag_closer_evidence(r, f, addr);
    f->why = rule->why;
    f->mend = rule->mend;
    f->sure = DIAG_PROVED;
    f->sure_why = "the panic is in flight";
    f->next = diag_text(r->found, "gospect goroutines {target} --filter 'id=%llu' --full",
                        (unsigned long long)id);
    f->weight = 1e17;
    diag_value_int(r->found, f, "goroutine", DIAG_COUNT, (int64_t)id);
    diag_value_text(r->found, f, "panic", snap_str(s, s->panic.text[row]));
    diag_value_text(r->found, f, "address",
                    addr ? diag_text(r->found, "0x%llx", (unsigned long long)addr) : "");
    diag_value_text(r->found, f, "where", frame == SNAP_NONE ? "" : diag_where(r, frame));
}

/* ---- unlock of what is not locked ---- */

/* The method of package sync that ended the process; NULL: none. */
static const char *unlocked(const struct snap *s, uint32_t stack, uint32_t *ret_frame)
{
    static const struct {
        const char *func, *what;
    } ends[] = {{"(*Mutex).unlockSlow", "sync.Mutex"},
                {"(*RWMutex).rUnlockSlow", "sync.RWMutex, for reading,"},
                {"(*RWMutex).RUnlock", "sync.RWMutex, for reading,"},
                {"(*RWMutex).Unlock", "sync.RWMutex"}};
    const char *found = NULL;
    bool fatal = false;
    struct snap_stack_iter it;
    snap_stack_iter_init(&it, s, stack);
    while (snap_stack_next(&it)) {
        const char *func = it.frame == SNAP_NONE ? "" : snap_str(s, s->frame.func[it.frame]);
        const char *bare = strncmp(func, "internal/", 9) == 0 ? func + 9 : func;
        bool sync = strncmp(bare, "sync.", 5) == 0;
        fatal |= sync && (strcmp(bare, "sync.fatal") == 0 || strcmp(bare, "sync.throw") == 0);
        for (size_t i = 0; fatal && sync && !found && i < ARRAY_LEN(ends); i++)
            if (strcmp(bare + 5, ends[i].func) == 0)
                found = ends[i].what;
        *ret_frame = it.frame;
        if (found && !sync)
            return found;
    }
    return NULL;
}

static void report_unlocked(struct diag_run *r, uint32_t g, uint32_t frame, const char *what)
{
    uint64_t id = r->s->goroutine.id[g];
    struct diag_finding *f = diag_add(r, "misuse", DIAG_PROBLEM);
    f->title = diag_text(r->found, "goroutine %s unlocked a %s that was not locked",
                         diag_number(r, id), what);
    diag_evidence(r->found, f, "at %s, in %s", diag_where(r, frame), diag_func(r, frame));
    f->why = "the runtime ends the process";
    f->mend = "an Unlock too many, or a lock that was copied: go vet finds copies";
    f->sure = DIAG_PROVED;
    f->sure_why = "package sync's own end of the process is on its stack";
    f->next = diag_text(r->found, "gospect goroutines {target} --filter 'id=%llu' --full",
                        (unsigned long long)id);
    f->weight = 1e17;
    diag_value_int(r->found, f, "goroutine", DIAG_COUNT, (int64_t)id);
    diag_value_text(r->found, f, "where", diag_where(r, frame));
}

/* ---- WaitGroups that others wait for ---- */

static void negative(struct diag_run *r, uint32_t object)
{
    const struct snap *s = r->s;
    uint32_t l = s->object.lock[object];
    struct diag_finding *f = diag_add(r, "misuse", DIAG_PROBLEM);
    f->title =
        diag_text(r->found, "a WaitGroup has a counter of %lld", (long long)s->lock.count[l]);
    diag_evidence(r->found, f, "it is at 0x%llx, %s wait for it",
                  (unsigned long long)s->object.addr[object],
                  diag_number(r, s->object.waiters[object]));
    f->why = "those who wait are never woken";
    f->mend = "Add before the go statement, one Done for each";
    f->sure = DIAG_PROVED;
    f->sure_why = "read from it";
    f->next = "gospect waits {target}";
    f->weight = s->object.waiters[object];
    diag_value_int(r->found, f, "counter", DIAG_COUNT, s->lock.count[l]);
}

void diag_misuse(struct diag_run *r)
{
    const struct snap *s = r->s;
    uint32_t fatal, frame = SNAP_NONE;
    for (uint32_t i = 0; i < s->panic.n; i++) {
        const struct rule *rule = rule_of(snap_str(s, s->panic.text[i]));
        if (rule && !(s->panic.flags[i] & SNAP_PANIC_RECOVERED))
            report_panic(r, i, rule);
    }
    for (uint32_t i = 0; i < s->object.n; i++)
        if (s->object.kind[i] == SNAP_OBJ_WAITGROUP && s->object.lock[i] != SNAP_NONE &&
            s->lock.count[s->object.lock[i]] < 0)
            negative(r, i);
    bool any = intern_find(&s->strings, "sync.fatal", &fatal) ||
               intern_find(&s->strings, "sync.throw", &fatal) ||
               intern_find(&s->strings, "internal/sync.fatal", &fatal) ||
               intern_find(&s->strings, "internal/sync.throw", &fatal);
    for (uint32_t g = 0; any && g < s->goroutine.n; g++) {
        const char *what = unlocked(s, s->goroutine.stack[g], &frame);
        if (what)
            report_unlocked(r, g, frame, what);
    }
}
