/* cmd_profile.c - gospect profile: the runtime's own profiles, read from outside. */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "front/cli/outfile.h"
#include "front/cli/subject.h"
#include "report/goroutines.h"
#include "report/profile.h"

enum { GOROUTINE = REPORT_PROFILE_MUTEX + 1 };

static const struct {
    const char *word;
    unsigned which; /* enum report_profile, or GOROUTINE */
} kinds[] = {{"heap", REPORT_PROFILE_HEAP},
             {"allocs", REPORT_PROFILE_ALLOCS},
             {"block", REPORT_PROFILE_BLOCK},
             {"mutex", REPORT_PROFILE_MUTEX},
             {"goroutine", GOROUTINE}};

struct written {
    const char *kind;
    size_t samples;
    int64_t began;
};

static struct err *kind_of(const char *word, unsigned *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].word, word) == 0) {
            *ret = kinds[i].which;
            return NULL;
        }
    return err_hint(err_new(ERR_USAGE, "there is no profile \"%s\"", word),
                    "The runtime keeps heap, allocs, block, mutex and goroutine");
}

/* The evidence; only goroutines stand still for it. */
static struct err *evidence(struct cli *c, struct cli_subject *subject, unsigned which,
                            struct snap **ret)
{
    struct rt_capture_options o = cli_capture_options(c);
    if (which == GOROUTINE || subject->kind == CLI_SNAP)
        return cli_subject_snap(subject, &o, ret);
    return rt_capture_profiles(subject->rt, &c->progress.base, ret);
}

static struct err *write_profile(const struct snap *s, unsigned which, struct report_sink out,
                                 size_t *ret_samples)
{
    struct snap_selection all = {0};
    struct snap_rows rows = {0};
    if (which != GOROUTINE) {
        *ret_samples = report_profile_facts(s, which).samples;
        return report_profile(s, which, out);
    }
    struct err *e = snap_select(s, &all, &rows);
    *ret_samples = rows.n;
    if (!e)
        e = report_goroutines_pprof(s, &rows, out);
    snap_rows_free(&rows);
    return e;
}

static struct err *say(struct cli *c, const struct snap *s, const char *path,
                       const struct written *w)
{
    struct stat st;
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    cli_progress_clear(c);
    if (!c->json) {
        struct buf b = {0};
        buf_printf(&b, "%s: ", path);
        text_count(&b, w->samples);
        buf_printf(&b, " %s, ",
                   strcmp(w->kind, "goroutine") == 0 ? "goroutines" : "call stacks of the profile");
        text_bytes(&b, bytes);
        buf_printf(&b, "\n→ go tool pprof %s\n", path);
        struct err *e = cli_out_text(&c->out, &b);
        buf_free(&b);
        return e;
    }
    struct json j;
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_kstr(&j, "file", path);
    json_kstr(&j, "profile", w->kind);
    json_ku64(&j, "bytes", bytes);
    json_ku64(&j, "samples", w->samples);
    json_ki64(&j, "pause_ns", snap_meta_i64(s, SNAP_META_pause_ns, 0));
    json_ki64(&j, "took_ns", clock_mono_ns() - w->began);
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

static struct err *save(struct cli *c, const struct snap *s, unsigned which, struct written *w)
{
    struct buf path = {0}, name = {0};
    const char *exe = snap_meta(s, SNAP_META_exe), *slash = exe ? strrchr(exe, '/') : NULL;
    struct file_out out;
    buf_printf(&name, "%s-%s", slash ? slash + 1 : "profile", w->kind);
    struct err *e =
        cli_outfile(c, buf_text(&name), (pid_t)snap_meta_i64(s, SNAP_META_pid, 0), "pb.gz", &path);
    if (!e)
        e = file_out_open(buf_text(&path), 0644, &out);
    if (!e) {
        e = write_profile(s, which, cli_file_sink(&out), &w->samples);
        e = file_out_end(&out, e);
    }
    if (!e)
        e = say(c, s, buf_text(&path), w);
    buf_free(&path);
    buf_free(&name);
    return e;
}

static struct err *put(struct cli *c, const struct snap *s, unsigned which, struct written *w)
{
    if (which != GOROUTINE && report_profile_facts(s, which).empty)
        cli_note(c, "the %s profile is empty: %s", w->kind, report_profile_facts(s, which).empty);
    if (!cli_to_stdout(c))
        return save(c, s, which, w);
    c->out.page = false;
    return write_profile(s, which, (struct report_sink){cli_out_write, &c->out}, &w->samples);
}

static struct err *check_output(struct cli *c)
{
    const char *file = cli_text(&c->args, OPT_output);
    struct buf taken = {0};
    struct err *e = NULL;
    if (cli_to_stdout(c) && c->term.out_tty)
        e = err_hint(err_new(ERR_USAGE, "a profile is nothing for a terminal"),
                     "Give --output the name of a file, or send it to another program");
    else if (file && !cli_to_stdout(c)) /* a name that is taken is told first */
        e = cli_outfile(c, "", 0, "pb.gz", &taken);
    buf_free(&taken);
    return e;
}

struct err *run_profile(struct cli *c, int *ret_code)
{
    struct written w = {.kind = c->args.pos[1], .began = clock_mono_ns()};
    struct cli_subject subject = {0};
    struct snap *s = NULL;
    unsigned which = 0;
    TRY(kind_of(w.kind, &which));
    TRY(check_output(c));
    struct err *e = cli_subject_find(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = evidence(c, &subject, which, &s);
    cli_subject_close(&subject);
    if (!e)
        e = put(c, s, which, &w);
    snap_free(s);
    return e;
}
