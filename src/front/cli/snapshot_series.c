/* snapshot_series.c - when a series of snapshots begins and ends, and what its files are called;
 * see snapshot.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/cli/outfile.h"
#include "front/cli/snapshot.h"

enum { SLICE_MS = 200 /* Ctrl-C is answered so soon */ };

/* ---- what makes sense ---- */

static const struct moment {
    enum cli_opt_id opt;
    const char *name;
    struct err *(*run)(struct cli_series *s, struct cli_subject *subject);
    bool endless; /* without --count */
} moments[] = {
    {OPT_at, "--at", cli_snapshot_at, false},
    {OPT_when, "--when", cli_snapshot_when, false},
    {OPT_snapshot_every, "--every", cli_snapshot_every, true},
};

static const struct moment *chosen(const struct cli_args *a)
{
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (cli_flag(a, moments[i].opt))
            return &moments[i];
    return NULL;
}

static struct err *not_together(const char *a, const char *b)
{
    return err_new(ERR_USAGE, "%s and %s do not go together", a, b);
}

static struct err *check_one(const struct cli_args *a)
{
    const struct moment *m = chosen(a);
    for (size_t i = 0; m && i < ARRAY_LEN(moments); i++) {
        if (&moments[i] != m && cli_flag(a, moments[i].opt))
            return not_together(m->name, moments[i].name);
        if (a->opt[moments[i].opt].given > 1)
            return err_new(ERR_USAGE, "%s can be given once only", moments[i].name);
    }
    return NULL;
}

/* Options that say nothing without another one. */
static struct err *check_needs(const struct cli_args *a)
{
    static const struct {
        enum cli_opt_id opt, needs; /* CLI_NOPT: any moment */
        const char *text;
    } rules[] = {
        {OPT_at_if, OPT_at, "--if needs --at"},
        {OPT_snapshot_interval, OPT_when, "--interval needs --when"},
        {OPT_count, CLI_NOPT, "--count needs --at, --when or --every"},
        {OPT_snapshot_for, CLI_NOPT, "--for needs --at, --when or --every"},
    };
    const struct moment *m = chosen(a);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (cli_flag(a, rules[i].opt) &&
            (!m || (rules[i].needs != CLI_NOPT && rules[i].needs != m->opt)))
            return err_new(ERR_USAGE, "%s", rules[i].text);
    return NULL;
}

struct err *cli_series_wanted(const struct cli *c, bool *ret)
{
    *ret = chosen(&c->args) != NULL;
    TRY(check_one(&c->args));
    return check_needs(&c->args);
}

static struct err *check(const struct cli_series *s, const struct moment *m)
{
    if (cli_flag(&s->cli->args, OPT_force))
        return err_hint(not_together(m->name, "--force"), "A series replaces nothing: it numbers");
    if (cli_to_stdout(s->cli) && s->count != 1)
        return err_new(ERR_USAGE, "standard output takes one snapshot: give --count=1");
    if (m->opt == OPT_at && s->o.consistency != RT_PROCESS)
        return not_together("--at", "--consistency=goroutine");
    const char *path = cli_text(&s->cli->args, OPT_output);
    return path && !cli_to_stdout(s->cli) ? cli_outfile_place(path) : NULL;
}

/* ---- its course ---- */

bool cli_series_goes_on(struct cli_series *s)
{
    if (s->over || (s->count && s->n >= s->count))
        return false;
    if (cli_signal())
        s->over = "it was interrupted";
    else if (s->until_ns && clock_mono_ns() >= s->until_ns)
        s->over = "the time is up";
    return !s->over;
}

int64_t cli_series_slice(const struct cli_series *s)
{
    int64_t slice = SLICE_MS * NSEC_PER_MSEC;
    int64_t left = s->until_ns ? s->until_ns - clock_mono_ns() : slice;
    return left < 0 ? 0 : left < slice ? left : slice;
}

void cli_series_waits(struct cli_series *s, const char *spec)
{
    cli_note(s->cli, "waiting for %s; Ctrl-C ends it", spec);
}

struct err *cli_series_error(struct cli_series *s, struct err *e)
{
    bool interrupted = e && err_code(e) == ERR_CANCELLED && cli_signal();
    if (!e || (err_code(e) != ERR_GONE && !interrupted))
        return e;
    err_free(e);
    s->over = interrupted ? "it was interrupted" : "the process has ended";
    return NULL;
}

/* ---- files ---- */

static void mark_text(struct snap *s, enum snap_meta_key key, const char *text)
{
    if (text && *text)
        snap_set_meta(s, key, text);
}

static void mark(const struct cli_series *s, struct snap *snap, const struct cli_trigger *t)
{
    char pc[24];
    snprintf(pc, sizeof(pc), "%#llx", (unsigned long long)t->pc);
    mark_text(snap, SNAP_META_trigger, t->kind);
    mark_text(snap, SNAP_META_trigger_spec, t->spec);
    mark_text(snap, SNAP_META_trigger_place, t->place);
    mark_text(snap, SNAP_META_trigger_syscall, t->syscall);
    mark_text(snap, SNAP_META_trigger_values, t->values);
    mark_text(snap, SNAP_META_trigger_pc, t->pc ? pc : NULL);
    if (t->goroutine)
        snap_set_meta_i64(snap, SNAP_META_trigger_goroutine, t->goroutine);
    if (t->tid)
        snap_set_meta_i64(snap, SNAP_META_trigger_thread, t->tid);
    snap_set_meta_i64(snap, SNAP_META_trigger_number, (int64_t)s->n + 1);
}

/* Nothing is ever replaced. */
static struct err *choose_path(struct cli_series *s, const struct snap *snap, struct buf *ret)
{
    struct buf pattern = {0};
    const char *given = cli_text(&s->cli->args, OPT_output);
    if (cli_to_stdout(s->cli))
        return cli_outfile(s->cli, "", 0, "gsnap", ret);
    if (given)
        buf_str(&pattern, given);
    else
        cli_snapshot_name(snap, &pattern);
    bool by_time = strstr(buf_text(&pattern), "%t") && !strstr(buf_text(&pattern), "%n");
    struct err *e = cli_outfile_pattern(
        buf_text(&pattern), snap_meta_i64(snap, SNAP_META_taken_wall_ns, clock_wall_ns()),
        by_time || !given ? 0 : s->n, ret);
    buf_free(&pattern);
    return e;
}

struct err *cli_series_save(struct cli_series *s, struct snap *snap, const struct cli_trigger *t,
                            int64_t began)
{
    struct buf path = {0};
    mark(s, snap, t);
    struct err *e = cli_snapshot_check(&s->o, snap);
    if (!e)
        e = choose_path(s, snap, &path);
    if (!e)
        e = cli_snapshot_save(s->cli, snap, buf_text(&path), began);
    if (!e)
        e = cli_out_flush(&s->cli->out);
    buf_free(&path);
    if (!e)
        s->n++;
    return e;
}

/* ---- the whole ---- */

/* Few, or none: why. */
static struct err *conclude(struct cli_series *s)
{
    const char *why = s->over ? s->over : "nothing came";
    if (!s->n)
        return err_new(ERR_NOT_FOUND, "no snapshot was taken: %s", why);
    if (s->count && s->n < s->count)
        cli_note(s->cli, "%llu of %llu snapshots were taken: %s", (unsigned long long)s->n,
                 (unsigned long long)s->count, why);
    return NULL;
}

struct err *cli_series_run(struct cli *c, const struct rt_capture_options *o)
{
    const struct cli_args *a = &c->args;
    const struct moment *m = chosen(a);
    struct cli_subject subject = {0};
    struct cli_series s = {.cli = c, .o = *o};
    s.count = cli_flag(a, OPT_count) ? (uint64_t)cli_num(a, OPT_count) : !m->endless;
    if (cli_flag(a, OPT_snapshot_for))
        s.until_ns = clock_mono_ns() + cli_num(a, OPT_snapshot_for);
    c->out.page = false;
    TRY(check(&s, m));
    struct err *e = cli_subject_find_live(c, a->pos[0], &subject);
    if (!e)
        e = m->run(&s, &subject);
    cli_subject_close(&subject);
    return e ? e : conclude(&s);
}
