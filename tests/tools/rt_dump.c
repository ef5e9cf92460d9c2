/* rt_dump.c - everything rt/ captures, as JSON, for the end-to-end tests: every table as an object
 * of columns.
 *
 *     rt_dump process|goroutine|stop|info|pulse PID [depth]
 *     rt_dump core|snapshot FILE
 *
 * $RT_DUMP_TABLES: names of tables, the others are empty.  $RT_DUMP_SAVE: a snapshot with all that
 * `snapshot --waits --heap` takes goes to that file, and only the pause and the like are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rt/rt.h"
#include "snap/snap.h"

static const struct snap *snapshot;

static struct err *to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static void put_STR(struct json *j, uint32_t v)
{
    json_str(j, snap_str(snapshot, v));
}

static void put_IDX(struct json *j, uint32_t v)
{
    json_i64(j, v == SNAP_NONE ? -1 : (int64_t)v);
}

#define put_U8 json_u64
#define put_U16 json_u64
#define put_U32 json_u64
#define put_U64 json_u64
#define put_I64 json_i64

/* $RT_DUMP_TABLES names the tables that are wanted; the others are printed empty. */
static bool is_wanted(const char *table)
{
    const char *wanted = getenv("RT_DUMP_TABLES"), *at = wanted;
    size_t n = strlen(table);
    while (at && (at = strstr(at, table))) {
        if ((at == wanted || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return true;
        at += n;
    }
    return !wanted;
}

static void put_tables(struct json *j, const struct snap *s)
{
    bool wanted;
#define TABLE(table, doc)                                                                          \
    wanted = is_wanted(#table);                                                                    \
    json_key(j, #table);                                                                           \
    json_begin(j, '{');
#define COL(table, type, name, doc)                                                                \
    json_key(j, #name);                                                                            \
    json_begin(j, '[');                                                                            \
    for (size_t i = 0; wanted && i < s->table.n; i++)                                              \
        put_##type(j, s->table.name[i]);                                                           \
    json_end(j, ']');
#define END(table) json_end(j, '}');
#include "snap/schema.def"
#undef TABLE
#undef COL
#undef END
}

static struct err *print(const struct snap *s)
{
    struct json j;
    snapshot = s;
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
    put_tables(&j, s);
    json_end(&j, '}');
    return json_finish(&j);
}

static struct err *print_pulse(struct rt *rt)
{
    struct rt_pulse_options o = {.statuses = true};
    struct rt_pulse p;
    struct json j;
    TRY(rt_pulse(rt, &o, &p));
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
#define FIELD(f) json_ku64(&j, #f, (uint64_t)p.f)
    FIELD(goroutines);
    FIELD(goroutines_all);
    FIELD(threads);
    FIELD(idle_threads);
    FIELD(spinning_threads);
    FIELD(gomaxprocs);
    FIELD(idle_procs);
    FIELD(runq_global);
    FIELD(runq_local);
    FIELD(runq_local_max);
    FIELD(heap_live_bytes);
    FIELD(heap_goal_bytes);
    FIELD(heap_alloc_bytes);
    FIELD(sys_bytes);
    FIELD(gc_cycles);
    FIELD(gc_running);
#undef FIELD
    json_key(&j, "by_status");
    json_begin(&j, '{');
    for (size_t i = 0; i < SNAP_G_COUNT; i++)
        json_ku64(&j, snap_gstatus_name((enum snap_gstatus)i), p.by_status[i]);
    json_end(&j, '}');
    json_end(&j, '}');
    return json_finish(&j);
}

static struct err *capture(const char *what, struct rt *rt, unsigned depth)
{
    struct rt_capture_options o = {.max_depth = depth,
                                   .locals =
                                       getenv("RT_DUMP_LOCALS") ? RT_LOCALS_ALL : RT_LOCALS_NONE,
                                   .heap = getenv("RT_DUMP_HEAP") != NULL,
                                   .heap_memory = getenv("RT_DUMP_HEAP_MEMORY") != NULL};
    struct snap *s = NULL;
    if (strcmp(what, "pulse") == 0)
        return print_pulse(rt);
    o.consistency = strcmp(what, "goroutine") == 0 ? RT_GOROUTINE : RT_PROCESS;
    o.stop_only = strcmp(what, "stop") == 0;
    const char *save = getenv("RT_DUMP_SAVE");
    if (save) {
        o.heap = o.names = o.copies = true;
        o.owners = RT_OWNERS_WAITED;
    }
    struct err *e = strcmp(what, "info") == 0 ? rt_capture_info(rt, &s) : rt_capture(rt, &o, &s);
    if (!e)
        e = snap_check(s);
    if (!e && save)
        e = snap_write_file(s, save);
    if (!e && !save && !getenv("RT_DUMP_QUIET"))
        e = print(s);
    else if (!e)
        printf("%zu goroutines, %zu nodes, %zu pcs, pause %s ns, capture %s ns, %zu KiB\n",
               s->goroutine.n, s->stack.n, s->pc.n, snap_meta(s, SNAP_META_pause_ns),
               snap_meta(s, SNAP_META_capture_ns), snap_memory(s) / 1024);
    snap_free(s);
    return e;
}

static struct err *print_file(const char *path)
{
    struct snap *s = NULL;
    TRY(snap_read_file(path, &s));
    struct err *e = print(s);
    snap_free(s);
    return e;
}

static struct err *run(int argc, char **argv)
{
    if (strcmp(argv[1], "snapshot") == 0)
        return print_file(argv[2]);
    struct target *t = NULL;
    struct rt *rt = NULL;
    struct err *e = strcmp(argv[1], "core") == 0 ? target_open_core(argv[2], NULL, &t)
                                                 : target_open_pid(atoi(argv[2]), &t);
    if (!e)
        e = rt_open(t, &rt);
    if (!e)
        e = capture(argv[1], rt, argc > 3 ? (unsigned)atoi(argv[3]) : 0);
    rt_close(rt);
    target_close(t);
    return e;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr,
                "usage: rt_dump process|goroutine|stop|info|pulse|core|snapshot TARGET [depth]\n");
        return 2;
    }
    struct err *e = run(argc, argv);
    if (!e)
        return 0;
    fprintf(stderr, "rt_dump: %s\n", err_message(e));
    err_free(e);
    return 1;
}
