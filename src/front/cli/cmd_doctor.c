/* cmd_doctor.c - gospect doctor: what is wrong, verdict first.
 *
 * A live process is looked at twice, --for apart, with a pulse every tenth of that in between; a
 * core or a snapshot is one look.  With --since the earlier look comes from a file.
 *
 * The heap, without which no goroutine is proved to have leaked, is part of the last look when it
 * is small enough to be no burden, and the process need not stand still for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "diag/diag.h"
#include "front/cli/subject.h"
#include "report/doctor.h"

/* What is looked at unasked: about a second's work, and 100 MB of memory. */
static const int64_t HEAP_BYTES_MOST = INT64_C(128) << 20, HEAP_OBJECTS_MOST = 2000000;

enum { PULSES = 10, PULSE_MIN_MS = 20, PULSE_MAX_MS = 1000 };

struct visit {
    struct cli *cli;
    struct cli_subject subject;
    struct snap *now, *before;
    VEC(struct diag_pulse) pulses;
    int64_t began_ns;
    bool ended;         /* the process ended between the looks */
    struct buf no_heap; /* why the heap was not looked at; empty: it was */
};

static void visit_free(struct visit *v)
{
    cli_subject_close(&v->subject);
    snap_free(v->now);
    snap_free(v->before);
    vec_free(&v->pulses);
    buf_free(&v->no_heap);
}

/* ---- looking ---- */

static void pulse(struct visit *v)
{
    struct rt_pulse p = {0};
    struct err *e = rt_pulse(v->subject.rt, &(struct rt_pulse_options){0}, &p);
    if (e) { /* the second look tells what the matter is */
        err_free(e);
        return;
    }
    struct diag_pulse d = {
        .mono_ns = p.mono_ns,
        .goroutines = p.goroutines,
        .threads = p.threads,
        .idle_threads = p.idle_threads,
        .spinning_threads = p.spinning_threads,
        .gomaxprocs = p.gomaxprocs,
        .idle_procs = p.idle_procs,
        .runq_global = p.runq_global,
        .runq_local = p.runq_local,
        .runq_local_max = p.runq_local_max,
        .gc_cycles = p.gc_cycles,
    };
    vec_push(&v->pulses, d);
}

static struct err *wait_until(struct visit *v, int64_t mono_ns, int64_t from, int64_t to)
{
    struct timespec ts = {mono_ns / NSEC_PER_SEC, mono_ns % NSEC_PER_SEC};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR && !cli_signal())
        ;
    return progress_step(&v->cli->progress.base, "watching", (uint64_t)(mono_ns - from),
                         (uint64_t)(to - from));
}

/* Pulses until the second look. */
static struct err *watch(struct visit *v, int64_t from, int64_t to)
{
    int64_t step = (to - from) / PULSES;
    if (step < PULSE_MIN_MS * NSEC_PER_MSEC)
        step = PULSE_MIN_MS * NSEC_PER_MSEC;
    if (step > PULSE_MAX_MS * NSEC_PER_MSEC)
        step = PULSE_MAX_MS * NSEC_PER_MSEC;
    for (int64_t at = from + step; at < to; at += step) {
        TRY(wait_until(v, at, from, to));
        pulse(v);
    }
    return wait_until(v, to, from, to);
}

/* Whether the heap is looked at, by what an earlier moment says of it; else v->no_heap says why
 * not. */
static bool want_heap(struct visit *v, const struct rt_capture_options *o, const struct snap *s)
{
    const struct cli_args *a = &v->cli->args;
    const char *method = snap_meta(s, SNAP_META_method);
    int64_t bytes = 0, objects = 0;
    v->no_heap.n = 0;
    if (cli_flag(a, OPT_doctor_heap))
        return true;
    if (cli_flag(a, OPT_doctor_no_heap)) {
        buf_str(&v->no_heap, "as --no-heap says");
    } else if (o->consistency == RT_GOROUTINE && v->subject.kind == CLI_LIVE) {
        buf_str(&v->no_heap, "nothing stands still");
    } else if (method && strcmp(method, "stop") == 0) {
        buf_str(&v->no_heap, "the process would stand still for it");
    } else if (!snap_counter(s, "memstats.heap_alloc_bytes", &bytes) ||
               !snap_counter(s, "memstats.heap_objects", &objects)) {
        buf_str(&v->no_heap, "its size is not known");
    } else if (bytes > HEAP_BYTES_MOST || objects > HEAP_OBJECTS_MOST) {
        buf_str(&v->no_heap, "it is large: ");
        text_bytes(&v->no_heap, (uint64_t)bytes);
    }
    return !v->no_heap.n;
}

/* The look that is shown.  When there is no room for the heap, and nobody asked for it, without. */
static struct err *last_look(struct visit *v, struct rt_capture_options *o,
                             const struct snap *before, struct snap **ret)
{
    o->heap = want_heap(v, o, before);
    struct err *e = cli_subject_snap(&v->subject, o, ret);
    if (!e || err_code(e) != ERR_LIMIT || !o->heap || cli_flag(&v->cli->args, OPT_doctor_heap))
        return e;
    buf_str(&v->no_heap, err_message(e));
    err_free(e);
    o->heap = false;
    return cli_subject_snap(&v->subject, o, ret);
}

static struct err *second_look(struct visit *v, struct rt_capture_options *o, int64_t apart_ns)
{
    int64_t from = clock_mono_ns();
    struct snap *again;
    TRY(watch(v, from, from + apart_ns));
    struct err *e = last_look(v, o, v->now, &again);
    if (e && err_code(e) == ERR_GONE) {
        v->ended = true;
        err_free(e);
        return NULL;
    }
    TRY(e);
    v->before = v->now;
    v->now = again;
    return NULL;
}

/* The earlier look from a file. */
static struct err *read_since(struct visit *v, const char *path)
{
    const char *why;
    TRY(snap_read_file(path, &v->before));
    if (!diag_comparable(v->before, v->now, &why))
        return err_hint(err_new(ERR_USAGE, "--since: %s and %s can not be compared: %s", path,
                                v->subject.text, why),
                        "Both must be of one run of one process, the file the earlier one");
    return NULL;
}

/* A single look at something that has its heap: how large that is, is asked before. */
static struct err *only_look(struct visit *v, struct rt_capture_options *o)
{
    struct snap *info;
    TRY(rt_capture_info(v->subject.rt, &info));
    struct err *e = last_look(v, o, info, &v->now);
    snap_free(info);
    return e;
}

static struct err *look(struct visit *v)
{
    const struct cli_args *a = &v->cli->args;
    const char *since = cli_text(a, OPT_since);
    struct rt_capture_options o = cli_capture_options(v->cli);
    int64_t apart = cli_num(a, OPT_doctor_for);
    bool live = v->subject.kind == CLI_LIVE;
    o.owners = RT_OWNERS_WAITED;
    o.copies = true;
    o.names = true;
    if (cli_flag(a, OPT_doctor_heap) && cli_flag(a, OPT_doctor_no_heap))
        return err_new(ERR_USAGE, "--heap and --no-heap contradict each other");
    if (v->subject.kind == CLI_SNAP || (live && apart > 0 && !since))
        TRY(cli_subject_snap(&v->subject, &o, &v->now));
    else
        TRY(only_look(v, &o));
    if (since)
        TRY(read_since(v, since));
    else if (live && apart > 0)
        TRY(second_look(v, &o, apart));
    if (v->now->span.n)
        v->no_heap.n = 0;
    else if (!v->no_heap.n)
        buf_str(&v->no_heap, v->subject.kind == CLI_SNAP ? "the snapshot was taken without it"
                                                         : "the process ended");
    if (!live && a->opt[OPT_doctor_for].given)
        cli_note(v->cli, "--for has no meaning here: a file is one look");
    return NULL;
}

/* ---- saying ---- */

/* "gospect goroutines {target} ..." becomes what the user can type. */
static void name_target(struct visit *v, struct diag_findings *found)
{
    struct buf word = {0};
    cli_subject_word(&v->subject, &word);
    for (size_t i = 0; i < found->v.n; i++) {
        struct diag_finding *f = &found->v.v[i];
        const char *mark = f->next ? strstr(f->next, "{target}") : NULL;
        if (mark)
            f->next = diag_text(found, "%.*s%s%s", (int)(mark - f->next), f->next, buf_text(&word),
                                mark + strlen("{target}"));
    }
    buf_free(&word);
}

static struct err *say(struct visit *v, const struct diag_findings *found)
{
    struct cli *c = v->cli;
    struct report_sink out = {cli_out_write, &c->out};
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_doctor r = {.found = found,
                              .now = v->now,
                              .before = v->before,
                              .live = v->subject.kind == CLI_LIVE,
                              .revisit = v->before && !cli_text(&c->args, OPT_since),
                              .ended = v->ended,
                              .no_heap = v->no_heap.n ? buf_text(&v->no_heap) : NULL,
                              .wall_ns = clock_mono_ns() - v->began_ns};
    return c->json ? report_doctor_json(&r, out) : report_doctor_text(&r, &style, out);
}

struct err *run_doctor(struct cli *c, int *ret_code)
{
    struct visit v = {.cli = c, .began_ns = clock_mono_ns()};
    struct err *e = cli_subject_find(c, c->args.pos[0], &v.subject);
    if (!e)
        e = cli_subject_open(&v.subject);
    if (!e)
        e = look(&v);
    if (!e) {
        struct diag_findings found;
        struct diag_input in = {
            .now = v.now, .before = v.before, .pulses = v.pulses.v, .npulses = v.pulses.n};
        diag_examine(&in, &found);
        name_target(&v, &found);
        cli_progress_clear(c);
        e = say(&v, &found);
        if (diag_findings_count(&found, DIAG_PROBLEM))
            *ret_code = CLI_FINDINGS;
        diag_findings_free(&found);
    }
    visit_free(&v);
    return e;
}
