/* cmd_snapshot.c - gospect snapshot: save the evidence, now or when something happens. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "front/cli/outfile.h"
#include "front/cli/snapshot.h"
#include "report/trigger.h"

/* "orders-api": the name of the program file. */
static const char *program_name(const struct snap *s)
{
    const char *exe = snap_meta(s, SNAP_META_exe), *slash = exe ? strrchr(exe, '/') : NULL;
    return slash ? slash + 1 : exe ? exe : "";
}

static struct err *say_json(struct cli *c, const struct snap *s, const char *path, uint64_t bytes,
                            int64_t wall_ns)
{
    struct json j;
    int64_t objects;
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_kstr(&j, "file", path);
    json_ku64(&j, "bytes", bytes);
    json_ku64(&j, "goroutines", s->goroutine.n);
    if (snap_counter(s, "heap.objects", &objects))
        json_ki64(&j, "objects", objects);
    json_kstr(&j, "consistency", snap_meta(s, SNAP_META_consistency));
    json_ki64(&j, "pause_ns", snap_meta_i64(s, SNAP_META_pause_ns, 0));
    json_kstr(&j, "method_why", snap_meta(s, SNAP_META_method_why));
    json_ki64(&j, "took_ns", wall_ns);
    report_trigger_json(&j, s);
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

static struct err *say_text(struct cli *c, const struct snap *s, const char *path, uint64_t bytes,
                            int64_t wall_ns)
{
    struct buf b = {0};
    int64_t pause = snap_meta_i64(s, SNAP_META_pause_ns, 0), objects;
    if (report_trigger_text(&b, s))
        buf_str(&b, "\n");
    buf_printf(&b, "%s: ", path);
    text_count(&b, s->goroutine.n);
    buf_str(&b, " goroutines");
    if (snap_counter(s, "heap.objects", &objects)) {
        buf_str(&b, " and ");
        text_count(&b, (uint64_t)objects);
        buf_str(&b, " heap objects");
    }
    buf_printf(&b, " of %s (pid %s), ", program_name(s),
               snap_meta(s, SNAP_META_pid) ? snap_meta(s, SNAP_META_pid) : "?");
    text_bytes(&b, bytes);
    buf_str(&b, "\n");
    if (pause > 0) {
        buf_str(&b, "one instant of the whole process; it stood still for ");
        text_ns(&b, pause);
    } else {
        buf_str(&b, "nothing was stopped");
    }
    buf_str(&b, "; ");
    text_ns(&b, wall_ns);
    buf_printf(&b, " in all\n");
    if (snap_meta(s, SNAP_META_method_why))
        buf_printf(&b, "it was not read from a copy: %s\n", snap_meta(s, SNAP_META_method_why));
    struct err *e = cli_say_written(c, &b);
    buf_free(&b);
    return e;
}

struct counted {
    struct cli_out *out;
    uint64_t bytes;
};

static struct err *write_counted(void *arg, const void *bytes, size_t n)
{
    struct counted *c = arg;
    c->bytes += n;
    return cli_out_write(c->out, bytes, n);
}

static struct err *write_snapshot(struct cli *c, const struct snap *s, const char *path,
                                  uint64_t *ret_bytes)
{
    struct counted counted = {.out = &c->out};
    struct stat st;
    *ret_bytes = 0;
    if (cli_to_stdout(c)) {
        TRY(snap_write_to(s, write_counted, &counted));
        *ret_bytes = counted.bytes;
        return NULL;
    }
    TRY(snap_write_file(s, path));
    *ret_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    return NULL;
}

struct err *cli_snapshot_save(struct cli *c, const struct snap *s, const char *path, int64_t began)
{
    uint64_t bytes = 0;
    TRY(write_snapshot(c, s, path, &bytes));
    int64_t wall = clock_mono_ns() - began;
    cli_progress_clear(c);
    return c->json ? say_json(c, s, path, bytes, wall) : say_text(c, s, path, bytes, wall);
}

void cli_snapshot_name(const struct snap *s, struct buf *ret)
{
    cli_outfile_name(program_name(s), (pid_t)snap_meta_i64(s, SNAP_META_pid, 0), "gsnap", ret);
}

static struct err *save(struct cli *c, const struct snap *s, int64_t began)
{
    struct buf path = {0};
    struct err *e =
        cli_outfile(c, program_name(s), (pid_t)snap_meta_i64(s, SNAP_META_pid, 0), "gsnap", &path);
    if (!e)
        e = cli_snapshot_save(c, s, buf_text(&path), began);
    buf_free(&path);
    return e;
}

/* A file may have been written without it. */
static struct err *check_heap(const struct snap *s)
{
    int64_t objects;
    return snap_counter(s, "heap.objects", &objects)
               ? NULL
               : err_new(ERR_USAGE, "that snapshot was taken without its heap");
}

static struct err *check_owners(const struct snap *s)
{
    int64_t looked;
    if (snap_counter(s, "ahead.looked", &looked))
        return NULL;
    return err_hint(err_new(ERR_USAGE, "--waits: who holds what could not be told"),
                    "It needs one instant: not --consistency=goroutine, nor a snapshot without it");
}

struct err *cli_snapshot_check(const struct rt_capture_options *o, const struct snap *s)
{
    if (o->heap)
        TRY(check_heap(s));
    return o->owners != RT_OWNERS_NONE ? check_owners(s) : NULL;
}

static struct err *take_now(struct cli *c, const struct rt_capture_options *o)
{
    int64_t began = clock_mono_ns();
    struct cli_subject subject = {0};
    struct snap *s = NULL;
    struct buf taken = {0};
    struct err *e = NULL;
    if (cli_text(&c->args,
                 OPT_output)) /* a name that is taken is told before anything is touched */
        e = cli_outfile(c, "", 0, "gsnap", &taken);
    buf_free(&taken);
    if (!e)
        e = cli_subject_find(c, c->args.pos[0], &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = cli_subject_snap(&subject, o, &s);
    if (!e)
        e = cli_snapshot_check(o, s);
    cli_subject_close(&subject);
    if (!e)
        e = save(c, s, began);
    snap_free(s);
    return e;
}

struct err *run_snapshot(struct cli *c, int *ret_code)
{
    struct rt_capture_options o = cli_capture_options(c);
    bool series;
    o.names = true;
    o.copies = true;
    o.max_depth = (unsigned)cli_num(&c->args, OPT_depth);
    o.prints_likely = cli_flag(&c->args, OPT_snapshot_waits);
    o.owners = o.prints_likely ? RT_OWNERS_ACTIVE : RT_OWNERS_NONE; /* for `deadlock A B...` */
    o.heap = cli_flag(&c->args, OPT_heap) || cli_flag(&c->args, OPT_with_memory);
    o.heap_memory = cli_flag(&c->args, OPT_with_memory);
    TRY(cli_check_stdout(c, "a snapshot"));
    TRY(cli_series_wanted(c, &series));
    return series ? cli_series_run(c, &o) : take_now(c, &o);
}
