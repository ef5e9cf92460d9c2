/* make.h - snapshots made by hand, for the tests of diagnoses.
 *
 *     struct snap *s = make_snapshot(0);                    the instant, seconds after an arbitrary
 * one make_goroutines(s, 120, 1000, "chan send", 600, "runtime.gopark /go/src/runtime/proc.go:1 "
 *                     "main.work /src/main.go:7 < main.main /src/main.go:3");
 *
 * makes 120 goroutines with ids from 1000, waiting for 600 s (-1: not known); the frames are pairs
 * of function and file:line, innermost first; what follows < is the creator. */
#ifndef GOSPECT_TESTS_DIAG_MAKE_H
#define GOSPECT_TESTS_DIAG_MAKE_H

#include "base/clock.h"
#include "check.h"
#include "diag/diag.h"

#define MAKE_NOW (INT64_C(1000000) * NSEC_PER_SEC)
#define PARK "runtime.gopark /go/src/runtime/proc.go:398 "

static inline struct snap *make_snapshot(double at_s)
{
    struct snap *s = snap_new();
    snap_set_meta(s, SNAP_META_go_version, "go1.26");
    snap_set_meta(s, SNAP_META_main_path, "orders");
    snap_set_meta_i64(s, SNAP_META_pid, 4242);
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, MAKE_NOW + (int64_t)(at_s * 1e9));
    return s;
}

/* The pc of "func file:line"; the same address in every snapshot. */
static inline uint32_t make_pc(struct snap *s, const char *func, const char *place)
{
    char file[256];
    const char *colon = strrchr(place, ':');
    snprintf(file, sizeof(file), "%.*s", (int)(colon - place), place);
    uint64_t addr = hash_bytes(func, strlen(func)) ^ hash_bytes(place, strlen(place));
    for (uint32_t i = 0; i < s->pc.n; i++)
        if (s->pc.addr[i] == addr)
            return i;
    uint32_t f = snap_add_frame(s), pc = snap_add_pc(s);
    s->frame.func[f] = intern_add(&s->strings, func);
    s->frame.file[f] = intern_add(&s->strings, file);
    s->frame.line[f] = (uint32_t)atoi(colon + 1);
    s->pc.addr[pc] = addr;
    s->pc.frame[pc] = f;
    s->pc.frames[pc] = 1;
    return pc;
}

/* Reads "func file:line" pairs up to < or the end. */
static inline size_t make_pcs(struct snap *s, const char **text, uint32_t *pcs)
{
    char func[256], place[256];
    size_t n = 0;
    int used;
    while (sscanf(*text, " %255s %255s%n", func, place, &used) == 2 && func[0] != '<') {
        pcs[n++] = make_pc(s, func, place);
        *text += used;
    }
    return n;
}

static inline uint32_t make_stack(struct snap *s, const uint32_t *pcs, size_t n)
{
    uint32_t parent = SNAP_NONE;
    while (n--) {
        uint32_t node = snap_add_stack(s);
        s->stack.parent[node] = parent;
        s->stack.pc[node] = pcs[n];
        parent = node;
    }
    return parent;
}

/* The row of the first one. */
static inline uint32_t make_goroutines(struct snap *s, uint32_t n, uint64_t first_id,
                                       const char *reason, double age_s, const char *frames)
{
    uint32_t pcs[32], creator[32], first = (uint32_t)s->goroutine.n;
    size_t depth = make_pcs(s, &frames, pcs);
    const char *lt = strchr(frames, '<');
    bool has_creator = lt && (lt++, make_pcs(s, &lt, creator) > 0);
    uint32_t stack = make_stack(s, pcs, depth);
    int64_t now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t g = snap_add_goroutine(s);
        s->goroutine.id[g] = first_id + i;
        s->goroutine.status[g] = SNAP_G_WAITING;
        s->goroutine.wait_reason[g] = intern_add(&s->strings, reason);
        s->goroutine.wait_since[g] = age_s < 0 ? 0 : now - (int64_t)(age_s * 1e9);
        s->goroutine.stack[g] = stack;
        s->goroutine.creator[g] = has_creator ? creator[0] : SNAP_NONE;
        s->goroutine.thread[g] = SNAP_NONE;
        s->goroutine.start[g] = SNAP_NONE;
    }
    return first;
}

/* Goroutines of ids that lie `step` apart: created all along. */
static inline void make_spread(struct snap *s, uint32_t from, uint64_t first_id, uint64_t step)
{
    for (uint32_t g = from; g < s->goroutine.n; g++)
        s->goroutine.id[g] = first_id + (g - from) * step;
}

static inline void make_status(struct snap *s, uint32_t from, enum snap_gstatus status)
{
    for (uint32_t g = from; g < s->goroutine.n; g++)
        s->goroutine.status[g] = (uint8_t)status;
}

/* What a quiet HTTP server consists of: main that accepts, n kept connections, a signal waiter. */
static inline void make_http_server(struct snap *s, uint32_t connections)
{
    make_goroutines(s, 1, 1, "IO wait", 4000,
                    PARK "internal/poll.(*FD).Accept /go/src/internal/poll/fd_unix.go:611 "
                         "net.(*TCPListener).Accept /go/src/net/tcpsock.go:372 "
                         "net/http.(*Server).Serve /go/src/net/http/server.go:3330 "
                         "main.main /src/main.go:30");
    make_goroutines(s, connections, 200, "IO wait", 600,
                    PARK "internal/poll.(*FD).Read /go/src/internal/poll/fd_unix.go:165 "
                         "net.(*conn).Read /go/src/net/net.go:189 "
                         "net/http.(*conn).serve /go/src/net/http/server.go:2102 "
                         "< net/http.(*Server).Serve /go/src/net/http/server.go:3360");
    uint32_t loop = make_goroutines(s, 1, 20, "", -1,
                                    "runtime.notetsleepg /go/src/runtime/lock_futex.go:1 "
                                    "os/signal.signal_recv /go/src/runtime/sigqueue.go:152 "
                                    "os/signal.loop /go/src/os/signal/signal_unix.go:23");
    make_status(s, loop, SNAP_G_SYSCALL);
}

/* Runs the diagnoses; the report is the caller's. */
static inline struct diag_findings make_report(const struct snap *before, const struct snap *now,
                                               const struct diag_pulse *pulses, size_t npulses)
{
    struct diag_findings r;
    diag_examine(
        &(struct diag_input){.now = now, .before = before, .pulses = pulses, .npulses = npulses},
        &r);
    return r;
}

/* The first finding of a diagnosis; NULL: none. */
static inline const struct diag_finding *make_find(const struct diag_findings *r, const char *key)
{
    for (size_t i = 0; i < r->v.n; i++)
        if (strcmp(r->v.v[i].key, key) == 0)
            return &r->v.v[i];
    return NULL;
}

static inline const char *severity_name(enum diag_severity s)
{
    return s == DIAG_PROBLEM ? "PROBLEM" : s == DIAG_WARNING ? "WARNING" : "NOTE";
}

/* The diagnosis found this, that bad, in these words. */
static inline void check_finding(const struct diag_findings *r, const char *key,
                                 enum diag_severity severity, const char *title)
{
    const struct diag_finding *f = make_find(r, key);
    if (!f || f->severity != severity || !strstr(f->title, title)) {
        print_error("%s: expected %s \"%s\", got %s \"%s\"\n", key, severity_name(severity), title,
                    f ? severity_name(f->severity) : "-", f ? f->title : "nothing");
        fail();
    }
}

/* Nobody is alarmed; says what it was when somebody is. */
static inline void check_quiet(const struct diag_findings *r)
{
    for (size_t i = 0; i < r->v.n; i++)
        if (r->v.v[i].severity != DIAG_NOTE) {
            print_error("false alarm: %s: %s\n", r->v.v[i].key, r->v.v[i].title);
            fail();
        }
}

#endif
