/* snapshot_at.c - snapshot --at: the very moment at which somebody comes to a place.
 *
 * The process is debugged meanwhile (dbg/dbg.h): it runs on its own, and whoever comes to the place
 * stops.  Then all threads are stopped, the one that came standing right before the place, a copy
 * is made as by a snapshot taken at once (target/debug_copy.c), the process runs on, and the copy
 * is read.  Where there can be no copy, all is read while they stand, and the snapshot says why.
 *
 * Who comes to the place while a file is written is not held up by our writing, nor told. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "dbg/dbg.h"
#include "front/cli/snapshot.h"
#include "rt/frames.h"

static const char gc_prefix[] = "gc-", syscall_prefix[] = "syscall:";

enum { FRAMES_MAX = 8, SYSCALLS_MAX = 1024, NEAR_MAX = 6 };

struct at {
    struct cli_series *s;
    struct dbg *d;
    const char *spec;      /* as the user wrote it */
    struct dbg_bp_spec bp; /* unless it is a system call */
    unsigned bp_id;        /* 0: it is not in yet */
    int64_t nr;            /* of the system call; -1: none is meant */
    bool entry;
    struct debug_cost cost; /* when it ran on last */
    struct arena arena;
    const char *full; /* "--at=main.work --if=n>5" */
};

/* ---- what is meant ---- */

static struct err *parse_gc(struct at *w)
{
    struct buf known = {0};
    const char *name;
    bool found = false;
    for (size_t i = 0; (name = dbg_gc_moment(i)); i++) {
        found = found || strcmp(name, w->spec) == 0;
        buf_printf(&known, "%s%s", i ? ", " : "", name);
    }
    w->bp = (struct dbg_bp_spec){.kind = DBG_BP_GC, .place = w->spec};
    struct err *e = found ? NULL
                          : err_hint(err_new(ERR_USAGE, "--at: there is no moment \"%s\"", w->spec),
                                     "Known are %s", buf_text(&known));
    buf_free(&known);
    return e;
}

static struct err *no_syscall(const struct arch *arch, const char *name)
{
    struct buf near = {0};
    unsigned n = 0;
    for (int64_t i = 0; i < SYSCALLS_MAX && n < NEAR_MAX; i++) {
        const char *known = arch->syscall_name(i);
        if (known && *name && (strstr(known, name) || strstr(name, known)))
            buf_printf(&near, "%s%s", n++ ? ", " : "", known);
    }
    struct err *e = err_new(ERR_USAGE, "--at: there is no system call \"%s\"", name);
    e = n ? err_hint(e, "Did you mean one of %s?", buf_text(&near))
          : err_hint(e,
                     "write syscall:NAME as strace does, syscall:NAME:entry or syscall:NAME:exit");
    buf_free(&near);
    return e;
}

static struct err *parse_syscall(struct at *w, const struct arch *arch)
{
    char *name = arena_strdup(&w->arena, w->spec + sizeof(syscall_prefix) - 1);
    char *side = strchr(name, ':');
    w->entry = true;
    if (side) {
        *side++ = 0;
        w->entry = strcmp(side, "entry") == 0;
        if (!w->entry && strcmp(side, "exit") != 0)
            return err_hint(err_new(ERR_USAGE, "--at: \"%s\" is no side of a system call", side),
                            "syscall:%s:entry or syscall:%s:exit", name, name);
    }
    for (int64_t i = 0; i < SYSCALLS_MAX; i++) {
        const char *known = arch->syscall_name(i);
        if (known && strcmp(known, name) == 0) {
            w->nr = i;
            return NULL;
        }
    }
    return no_syscall(arch, name);
}

static struct err *parse(struct at *w, struct cli_subject *subject)
{
    const struct cli_args *a = &w->s->cli->args;
    w->nr = -1;
    if (!*w->spec)
        return err_hint(err_new(ERR_USAGE, "--at: no place is given"),
                        "for instance gc-end, syscall:write, main.work or work.go:31");
    w->bp = (struct dbg_bp_spec){
        .kind = DBG_BP_PLACE, .place = w->spec, .condition = cli_text(a, OPT_at_if)};
    bool gc = strncmp(w->spec, gc_prefix, sizeof(gc_prefix) - 1) == 0;
    bool syscall = strncmp(w->spec, syscall_prefix, sizeof(syscall_prefix) - 1) == 0;
    if ((gc || syscall) && cli_flag(a, OPT_at_if))
        return err_new(ERR_USAGE, "--if needs --at of a function or line");
    if (cli_flag(a, OPT_at_if) && !w->bp.condition[strspn(w->bp.condition, " \t")])
        return err_hint(err_new(ERR_USAGE, "--if: no condition is given"),
                        "a Go expression that is true or false there: n > 100");
    if (gc)
        return parse_gc(w);
    if (!syscall)
        return NULL;
    TRY(cli_subject_target(subject));
    return parse_syscall(w, target_arch(subject->target));
}

/* ---- whether it is listened to ---- */

static struct err *catch_calls(struct at *w, bool on)
{
    return dbg_catch_syscalls(w->d, &w->nr, on, on && w->entry, on && !w->entry);
}

static struct err *arm(struct at *w)
{
    dbg_snapshot_prepare(w->d, &w->s->o);
    if (w->nr >= 0)
        return catch_calls(w, true);
    if (!w->bp_id)
        return dbg_bp_add(w->d, &w->bp, &w->bp_id);
    dbg_bp_mute(w->d, w->bp_id, false);
    return NULL;
}

static struct err *disarm(struct at *w)
{
    if (w->nr >= 0)
        return catch_calls(w, false);
    dbg_bp_mute(w->d, w->bp_id, true);
    return NULL;
}

static struct err *run(struct at *w)
{
    struct dbg_run_spec on = {.how = DBG_CONTINUE};
    TRY(dbg_run(w->d, &on));
    if (dbg_debug(w->d))
        debug_cost(dbg_debug(w->d), &w->cost);
    return NULL;
}

/* Panics, fatal errors and signals are the program's own affair. */
static struct err *mind_our_business(struct at *w)
{
    static const struct {
        unsigned id;
        enum dbg_bp_kind kind;
    } always[] = {{DBG_BP_ID_PANIC, DBG_BP_PANIC}, {DBG_BP_ID_FATAL, DBG_BP_FATAL}};
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        TRY(dbg_bp_change(w->d, always[i].id,
                          &(struct dbg_bp_spec){.kind = always[i].kind, .off = true}));
    return NULL;
}

/* ---- a snapshot ---- */

/* "main.work at work.go:31" */
static const char *place_text(struct at *w, taddr pc)
{
    struct rt_frame at[FRAMES_MAX];
    if (!pc || !rt_where(dbg_stand(w->d), pc, true, at, FRAMES_MAX))
        return "";
    const char *slash = strrchr(at[0].file, '/');
    return at[0].line > 0 ? arena_printf(&w->arena, "%s (%s:%" PRId32 ")", at[0].func,
                                         slash ? slash + 1 : at[0].file, at[0].line)
                          : arena_strdup(&w->arena, at[0].func);
}

static void describe(struct at *w, const struct dbg_event *ev, struct cli_trigger *t)
{
    bool syscall = ev->why == DBG_WHY_SYSCALL;
    *t = (struct cli_trigger){
        .kind = syscall                   ? "syscall"
                : w->bp.kind == DBG_BP_GC ? "gc"
                                          : "breakpoint",
        .spec = w->full,
        .goroutine = ev->goroutine,
        .tid = ev->tid,
        .pc = ev->pc,
        .place = place_text(w, ev->pc),
    };
    if (syscall)
        t->syscall =
            arena_printf(&w->arena, "%s, %s", ev->text, ev->syscall_entry ? "entry" : "exit");
}

/* The moment is over. */
static struct err *run_unheeded(void *arg)
{
    TRY(disarm(arg));
    return run(arg);
}

static struct err *shoot(struct at *w, const struct dbg_event *ev)
{
    struct rt_rest *rest = NULL;
    struct snap *snap = NULL;
    struct cli_trigger t;
    int64_t began = ev->at_mono_ns;
    describe(w, ev, &t);
    struct rt_capture_options o = w->s->o;
    o.rest = &rest;
    struct err *e = dbg_snapshot_go(w->d, &o, run_unheeded, w, &snap);
    if (!e) {
        snap_set_meta_i64(snap, SNAP_META_pause_ns, w->cost.last_ns);
        e = rest ? rt_rest_finish(rest, pool_width()) : NULL;
    }
    if (!e)
        e = cli_series_save(w->s, snap, &t, began);
    rt_rest_free(rest);
    snap_free(snap);
    arena_free(&w->arena);
    arena_init(&w->arena);
    if (!e && cli_series_goes_on(w->s))
        e = arm(w);
    return e;
}

/* ---- waiting ---- */

static bool is_ours(const struct at *w, const struct dbg_event *ev)
{
    if (ev->why == DBG_WHY_SYSCALL)
        return w->nr >= 0;
    for (size_t i = 0; ev->why == DBG_WHY_BREAKPOINT && i < ev->nbps; i++)
        if (ev->bps[i] == w->bp_id)
            return true;
    return false;
}

static struct err *on_stop(struct at *w, const struct dbg_event *ev)
{
    if (!is_ours(w, ev))
        return run(w);
    if (ev->why == DBG_WHY_BREAKPOINT && *ev->text)
        return err_wrap(err_new(ERR_UNSUPPORTED, "%s", ev->text), "--if cannot be told there");
    return shoot(w, ev);
}

static struct err *on_event(struct at *w, const struct dbg_event *ev)
{
    switch (ev->kind) {
    case DBG_EV_STOPPED:
        return on_stop(w, ev);
    case DBG_EV_EXITED:
        w->s->over = "the process has ended";
        return NULL;
    case DBG_EV_EXEC:
        w->s->over = "the process became another program";
        return NULL;
    default:
        return NULL;
    }
}

static struct err *wait(struct at *w)
{
    const char *warning = debug_warning(dbg_debug(w->d));
    if (warning)
        cli_note(w->s->cli, "%s", warning);
    TRY(mind_our_business(w));
    TRY(run(w)); /* what is prepared now takes a while */
    TRY(arm(w));
    log_info("process %d stood still for %.1f ms until it was debugged", dbg_pid(w->d),
             (double)w->cost.stood_ns / NSEC_PER_MSEC);
    cli_series_waits(w->s, w->full);
    while (cli_series_goes_on(w->s)) {
        struct dbg_event ev;
        TRY(dbg_wait(w->d, cli_series_slice(w->s), &ev));
        TRY(on_event(w, &ev));
    }
    return NULL;
}

struct err *cli_snapshot_at(struct cli_series *s, struct cli_subject *subject)
{
    struct at w = {.s = s, .spec = cli_text(&s->cli->args, OPT_at)};
    const char *condition = cli_text(&s->cli->args, OPT_at_if);
    struct buf full = {0};
    arena_init(&w.arena);
    buf_printf(&full, "--at=%s%s%s", w.spec, condition ? " --if=" : "", condition ? condition : "");
    w.full = buf_text(&full);
    struct err *e = parse(&w, subject);
    if (!e) {
        s->cli->looking_at = subject->pid;
        e = dbg_attach(subject->pid, NULL, &w.d);
    }
    if (!e)
        e = cli_series_error(s, wait(&w));
    dbg_close(w.d, DEBUG_LET_GO);
    buf_free(&full);
    arena_free(&w.arena);
    return e;
}
