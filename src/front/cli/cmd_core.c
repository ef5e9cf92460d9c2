/* cmd_core.c - gospect core: a core file, written from a forked copy. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "front/cli/outfile.h"
#include "front/cli/subject.h"

struct written {
    const char *path;
    struct target_core_stats stats;
    struct target_pause pause;
    const char *why; /* not the usual way; NULL */
    int64_t wall_ns;
};

static struct err *say_json(struct cli *c, const struct written *w)
{
    struct json j;
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_kstr(&j, "file", w->path);
    json_ku64(&j, "bytes", w->stats.bytes);
    json_ku64(&j, "sparse_bytes", w->stats.sparse_bytes);
    json_ku64(&j, "unreadable_bytes", w->stats.unreadable_bytes);
    json_ku64(&j, "threads", w->stats.threads);
    json_ku64(&j, "mappings", w->stats.mappings);
    json_ki64(&j, "pause_ns", w->pause.ns);
    json_kstr(&j, "method_why", w->why);
    json_ki64(&j, "took_ns", w->wall_ns);
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

static struct err *say_text(struct cli *c, const struct written *w)
{
    struct buf b = {0};
    buf_printf(&b, "%s: ", w->path);
    text_bytes(&b, w->stats.bytes + w->stats.sparse_bytes);
    buf_printf(&b, " of memory, %u threads; ", w->stats.threads);
    text_bytes(&b, w->stats.bytes);
    buf_str(&b, " on the disk\n");
    if (w->stats.unreadable_bytes) {
        text_bytes(&b, w->stats.unreadable_bytes);
        buf_str(&b, " could not be read and are zeros\n");
    }
    if (w->why)
        buf_printf(&b, "not from a copy: %s\n", w->why);
    buf_str(&b, "the process stood still for ");
    text_ns(&b, w->pause.ns);
    buf_str(&b, "; ");
    text_ns(&b, w->wall_ns);
    buf_str(&b, " in all\n");
    struct err *e = cli_say_written(c, &b);
    buf_free(&b);
    return e;
}

/* Freezes, writes, thaws; whatever happens the process runs again. */
static struct err *write_core(struct cli *c, struct cli_subject *s, struct written *w,
                              struct buf *why)
{
    struct target *frozen;
    struct target_freeze_options o = {.all_registers = true};
    TRY(target_freeze(s->target, &o, &frozen));
    if (target_freeze_why(frozen)) {
        buf_str(why, target_freeze_why(frozen));
        w->why = buf_text(why);
    }
    struct target_core_options core = {
        .shared_files = cli_flag(&c->args, OPT_shared_files),
        .no_program = cli_flag(&c->args, OPT_no_program),
        .fd = cli_to_stdout(c) ? STDOUT_FILENO : 0,
        .progress = &c->progress.base,
    };
    struct err *e = target_write_core(frozen, w->path, &core, &w->stats);
    struct err *thaw = target_thaw(frozen, &w->pause);
    if (!e)
        return thaw;
    err_free(thaw);
    return e;
}

static struct err *name_of(struct cli *c, struct cli_subject *s, struct buf *path)
{
    struct arena a;
    struct target_process tp;
    arena_init(&a);
    struct err *e = target_process(s->target, &a, &tp);
    if (!e) {
        const char *slash = strrchr(tp.exe, '/');
        e = cli_outfile(c, slash ? slash + 1 : tp.exe, s->pid, "core", path);
    }
    arena_free(&a);
    return e;
}

struct err *run_core(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    struct cli_subject subject = {0};
    struct written w = {0};
    struct buf path = {0}, why = {0};
    struct err *e = cli_check_stdout(c, "a core");
    if (!e)
        e = cli_subject_find_live(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = name_of(c, &subject, &path);
    if (!e) {
        w.path = buf_text(&path);
        e = write_core(c, &subject, &w, &why);
    }
    cli_subject_close(&subject);
    if (!e) {
        w.wall_ns = clock_mono_ns() - began;
        cli_progress_clear(c);
        e = c->json ? say_json(c, &w) : say_text(c, &w);
    }
    buf_free(&path);
    buf_free(&why);
    return e;
}
