/* debug_evidence.c - what gospect says of a process, inside a session: of the instant in which the
 * program stands. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/text.h"
#include "diag/diag.h"
#include "front/cli/debug_int.h"
#include "report/doctor.h"
#include "report/leaks.h"
#include "report/waits.h"

enum { LIMIT = 10 };

static struct err *to_shell(void *arg, const char *bytes, size_t n)
{
    struct buf b = {0};
    buf_add(&b, bytes, n);
    shell_say(arg, &b);
    buf_free(&b);
    return NULL;
}

static struct report_style style_of(const struct shell *s)
{
    return (struct report_style){.width = s->c->term.width, .color = s->c->term.color};
}

static struct rt_capture_options capture_of(struct shell *s)
{
    return (struct rt_capture_options){
        .names = true, .owners = RT_OWNERS_WAITED, .progress = &s->c->progress.base};
}

/* "gospect goroutines {target} ..." becomes what can be typed while this session goes on. */
static void name_commands(struct shell *s, struct diag_findings *found)
{
    for (size_t i = 0; i < found->v.n; i++) {
        struct diag_finding *f = &found->v.v[i];
        const char *mark = f->next ? strstr(f->next, "{target}") : NULL;
        if (mark)
            f->next = diag_text(found, "%.*s%d%s", (int)(mark - f->next), f->next, dbg_pid(s->d),
                                mark + strlen("{target}"));
    }
}

struct err *verb_doctor(struct shell *s, char *rest)
{
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = capture_of(s);
    struct report_style style = style_of(s);
    struct diag_findings found;
    struct snap *snap;
    TRY(dbg_snapshot(s->d, &o, &snap));
    struct diag_input in = {.now = snap};
    diag_examine(&in, &found);
    name_commands(s, &found);
    cli_progress_clear(s->c);
    struct report_doctor r = {.found = &found, .now = snap, .wall_ns = clock_mono_ns() - began};
    struct err *e = report_doctor_text(&r, &style, (struct report_sink){to_shell, s});
    diag_findings_free(&found);
    snap_free(snap);
    return e;
}

struct err *verb_waits(struct shell *s, char *rest)
{
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = capture_of(s);
    struct report_style style = style_of(s);
    struct snap_rows rows = {0};
    struct wait_graph *graph = NULL;
    struct snap *snap;
    TRY(dbg_snapshot(s->d, &o, &snap));
    struct err *e = snap_select(snap, NULL, &rows);
    if (!e)
        e = wait_open(snap, &rows, NULL, &graph);
    cli_progress_clear(s->c);
    if (!e) {
        struct report_waits r = {
            .graph = graph, .limit = LIMIT, .wall_ns = clock_mono_ns() - began};
        e = report_waits_text(&r, &style, (struct report_sink){to_shell, s});
    }
    wait_close(graph);
    snap_rows_free(&rows);
    snap_free(snap);
    return e;
}

struct err *verb_leaks(struct shell *s, char *rest)
{
    int64_t began = clock_mono_ns();
    struct rt_capture_options o = capture_of(s);
    struct heap_options heap = {.keep_edges = true, .progress = &s->c->progress.base};
    struct report_style style = style_of(s);
    struct wait_leaks leaks = {0};
    struct heap_graph *graph = NULL;
    struct snap *snap;
    char word[16];
    o.heap = true;
    TRY(dbg_snapshot(s->d, &o, &snap));
    struct err *e = heap_open(snap, &heap, &graph);
    if (!e)
        e = wait_find_leaks(graph, &s->c->progress.base, &leaks);
    if (!e)
        e = wait_leaks_infer(graph, &leaks);
    cli_progress_clear(s->c);
    if (!e) {
        snprintf(word, sizeof(word), "%d", dbg_pid(s->d));
        struct report_leaks r = {.graph = graph,
                                 .leaks = &leaks,
                                 .target = word,
                                 .limit = LIMIT,
                                 .wall_ns = clock_mono_ns() - began};
        e = report_leaks_text(&r, &style, (struct report_sink){to_shell, s});
    }
    wait_leaks_free(&leaks);
    if (graph)
        heap_close(graph);
    snap_free(snap);
    return e;
}

/* As gospect core and gospect snapshot: a regular file that is there is replaced only on demand. */
static struct err *not_there(const char *path, const char *verb)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    return err_hint(err_new(ERR_USAGE, "%s exists already", path),
                    "the command %s -force %s replaces it", verb, path);
}

static void say_written(struct shell *s, const char *path)
{
    struct stat st;
    struct buf b = {0};
    text_clean(&b, path);
    buf_str(&b, "  ");
    text_bytes(&b, stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
    buf_char(&b, '\n');
    shell_say(s, &b);
    buf_free(&b);
}

struct err *verb_snapshot(struct shell *s, char *rest)
{
    struct rt_capture_options o = capture_of(s);
    struct snap *snap;
    bool force = shell_flag(&rest, "-force");
    const char *path = shell_word(&rest);
    if (!path || *rest)
        return shell_usage("snapshot");
    if (!force)
        TRY(not_there(path, "snapshot"));
    o.heap = true;
    o.locals = RT_LOCALS_STACKS;
    o.locals_limit = 10000;
    TRY(dbg_snapshot(s->d, &o, &snap));
    struct err *e = snap_write_file(snap, path);
    snap_free(snap);
    cli_progress_clear(s->c);
    TRY(e);
    say_written(s, path);
    return NULL;
}

struct err *verb_dump(struct shell *s, char *rest)
{
    struct target_core_options o = {.progress = &s->c->progress.base};
    struct target_core_stats stats;
    bool force = shell_flag(&rest, "-force");
    const char *path = shell_word(&rest);
    if (!path || *rest)
        return shell_usage("dump");
    if (!force)
        TRY(not_there(path, "dump"));
    struct err *e = target_write_core(dbg_target(s->d), path, &o, &stats);
    cli_progress_clear(s->c);
    TRY(e);
    say_written(s, path);
    if (stats.unreadable_bytes) {
        struct buf b = {0};
        text_bytes(&b, stats.unreadable_bytes);
        buf_str(&b, " could not be read and are zeros\n");
        shell_say(s, &b);
        buf_free(&b);
    }
    return NULL;
}
