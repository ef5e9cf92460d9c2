/* crash.c - a panic or fatal error that is ending the process, as a core file or a last look shows
 * it.
 *
 * Go: runtime/panic.go (1.18-1.27): a panic that nobody recovers runs deferred calls under gopanic
 * and ends in fatalpanic; throw and fatal end the process at once. */
#include <string.h>

#include "diag/diag_int.h"

/* What the runtime is doing on a stack; the further down the list, the later in a process's life.
 */
enum ending { ENDING_NOT, ENDING_PANIC, ENDING_FATAL };

/* The runtime's functions that tell it, as string ids of a snapshot; SNAP_NONE: it has no such. */
struct names {
    uint32_t fatal[5], gopanic, sigpanic;
};

static uint32_t id_of(const struct snap *s, const char *name)
{
    uint32_t id;
    return intern_find(&s->strings, name, &id) ? id : SNAP_NONE;
}

/* False when no stack can have one of them: the usual case, and quick. */
static bool find_names(const struct snap *s, struct names *n)
{
    static const char *const fatal[ARRAY_LEN(n->fatal)] = {"runtime.fatalpanic",
                                                           "runtime.fatalthrow", "runtime.throw",
                                                           "runtime.fatal", "runtime.dopanic_m"};
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(n->fatal); i++) {
        n->fatal[i] = id_of(s, fatal[i]);
        any = any || n->fatal[i] != SNAP_NONE;
    }
    n->gopanic = id_of(s, "runtime.gopanic");
    n->sigpanic = id_of(s, "runtime.sigpanic");
    return any;
}

static enum ending ending_of(const struct snap *s, const struct names *n, uint32_t stack,
                             uint32_t *ret_frame, bool *ret_fault)
{
    enum ending found = ENDING_NOT;
    struct snap_stack_iter it;
    *ret_frame = SNAP_NONE;
    *ret_fault = false;
    snap_stack_iter_init(&it, s, stack);
    while (snap_stack_next(&it)) {
        if (it.frame == SNAP_NONE)
            continue;
        uint32_t func = s->frame.func[it.frame];
        for (size_t i = 0; i < ARRAY_LEN(n->fatal); i++)
            if (func == n->fatal[i])
                found = ENDING_FATAL;
        if (func == n->gopanic && found == ENDING_NOT)
            found = ENDING_PANIC;
        *ret_fault = *ret_fault || func == n->sigpanic;
        if (found != ENDING_NOT && strncmp(snap_str(s, func), "runtime.", 8) != 0) {
            *ret_frame = it.frame; /* who caused it: the first frame below the runtime's */
            return found;
        }
    }
    return found;
}

static void report(struct diag_run *r, uint32_t g, uint32_t frame, bool fault)
{
    uint64_t id = r->s->goroutine.id[g];
    struct diag_finding *f = diag_add(r, "crash", DIAG_PROBLEM);
    f->title = diag_text(r->found, "the process is ending: goroutine %s %s", diag_number(r, id),
                         fault ? "touched memory that is not there"
                               : "ran into a fatal error or a panic nobody recovers");
    diag_evidence(r->found, f, "at %s, in %s", diag_where(r, frame), diag_func(r, frame));
    f->why = "the runtime ends the whole process after this";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime's own end of the process is on its stack";
    f->next = diag_text(r->found, "gospect goroutines {target} --filter 'id=%llu' --full",
                        (unsigned long long)id);
    f->weight = 1e19; /* nothing comes after it */
    diag_value_int(r->found, f, "goroutine", DIAG_COUNT, (int64_t)id);
    diag_value_text(r->found, f, "func", diag_func(r, frame));
    diag_value_text(r->found, f, "where", diag_where(r, frame));
}

void diag_crash(struct diag_run *r)
{
    struct names n;
    if (!find_names(r->s, &n))
        return;
    for (uint32_t g = 0; g < r->s->goroutine.n; g++) {
        uint32_t frame;
        bool fault;
        if (ending_of(r->s, &n, r->s->goroutine.stack[g], &frame, &fault) == ENDING_FATAL) {
            report(r, g, frame, fault);
            return; /* the others only die with it */
        }
    }
}
