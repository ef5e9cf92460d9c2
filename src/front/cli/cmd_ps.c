/* cmd_ps.c - gospect ps: every Go process of the host. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/regex.h"
#include "base/text.h"
#include "front/cli/cli_int.h"
#include "front/cli/procs.h"
#include "report/table.h"

/* In the order of --sort in options.def. */
enum order {
    BY_GOROUTINES,
    BY_PID,
    BY_NAME,
    BY_USER,
    BY_GO,
    BY_THREADS,
    BY_HEAP,
    BY_RSS,
    BY_UPTIME
};

static enum order sort_order; /* qsort carries no argument */

static int compare_u64(uint64_t a, uint64_t b) /* larger first */
{
    return a < b ? 1 : a > b ? -1 : 0;
}

/* "go1.9" before "go1.24.3": digits count as numbers. */
static int compare_versions(const char *a, const char *b)
{
    return strverscmp(a, b);
}

static int in_order(const void *x, const void *y)
{
    const struct cli_proc *a = x, *b = y;
    int d = 0;
    switch (sort_order) {
    case BY_GOROUTINES:
        d = compare_u64(a->pulse.goroutines, b->pulse.goroutines);
        break;
    case BY_NAME:
        d = strcmp(a->name, b->name);
        break;
    case BY_USER:
        d = strcmp(a->user, b->user);
        break;
    case BY_GO:
        d = compare_versions(a->go_version, b->go_version);
        break;
    case BY_THREADS:
        d = compare_u64(a->threads, b->threads);
        break;
    case BY_HEAP:
        d = compare_u64(a->pulse.heap_live_bytes, b->pulse.heap_live_bytes);
        break;
    case BY_RSS:
        d = compare_u64(a->rss_bytes, b->rss_bytes);
        break;
    case BY_UPTIME: /* the oldest first */
        d = compare_u64((uint64_t)b->started_wall_ns, (uint64_t)a->started_wall_ns);
        break;
    case BY_PID:
        break;
    }
    return d ? d : a->pid < b->pid ? -1 : a->pid > b->pid;
}

static bool matches(const struct regex *re, const struct cli_proc *p)
{
    const char *const texts[] = {p->name, p->comm, p->main_path, p->main_module, p->user};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i] && regex_match(re, texts[i]))
            return true;
    return false;
}

/* Keeps the processes that match --filter. */
static struct err *filter(struct cli *c, struct cli_procs *procs)
{
    const char *text = cli_text(&c->args, OPT_ps_filter);
    struct regex *re;
    size_t kept = 0, at = 0;
    if (!text)
        return NULL;
    struct err *e = regex_compile(text, &re, &at);
    if (e)
        return err_wrap(e, "--filter: \"%s\" is no regular expression, at byte %zu", text, at + 1);
    for (size_t i = 0; i < procs->v.n; i++)
        if (matches(re, &procs->v.v[i]))
            procs->v.v[kept++] = procs->v.v[i];
    procs->v.n = kept;
    regex_free(re);
    return NULL;
}

/* The words that apply to a process, one after the other; NULL behind the last. */
static const char *mark(const struct cli_proc *p, size_t i)
{
    const struct {
        bool is;
        const char *word;
    } all[] = {{p->stripped, "stripped"},   {p->pie, "pie"},
               {p->race, "race"},           {p->cgo, "cgo"},
               {p->container, "container"}, {p->deleted, "deleted"}};
    for (size_t k = 0; k < ARRAY_LEN(all); k++)
        if (all[k].is && i-- == 0)
            return all[k].word;
    return NULL;
}

/* The main module (a package path outside modules), with its version where it has one. */
static void module_cell(struct buf *b, const struct cli_proc *p)
{
    buf_str(b, *p->main_module ? p->main_module : p->main_path);
    if (*p->main_version && strcmp(p->main_version, "(devel)") != 0)
        buf_printf(b, " %s", p->main_version);
}

/* The columns, and from which width on each is shown: a narrow terminal gets what matters most. */
enum column {
    C_PID,
    C_USER,
    C_GO,
    C_NAME,
    C_GOROUTINES,
    C_THREADS,
    C_LIVE,
    C_RSS,
    C_UP,
    C_MARKS,
    C_MODULE,
    NCOLUMNS
};
static const struct {
    const char *heading;
    unsigned flags;
    size_t from_width;
} columns[NCOLUMNS] = {
    [C_PID] = {"PID", TABLE_RIGHT, 0},
    [C_USER] = {"USER", TABLE_SHRINK, 90},
    [C_GO] = {"GO", 0, 0},
    [C_NAME] = {"NAME", TABLE_SHRINK | TABLE_CUT_MIDDLE, 0},
    [C_GOROUTINES] = {"GOROUTINES", TABLE_RIGHT, 0},
    [C_THREADS] = {"THREADS", TABLE_RIGHT, 75},
    [C_LIVE] = {"LIVE", TABLE_RIGHT, 0},
    [C_RSS] = {"RSS", TABLE_RIGHT, 65},
    [C_UP] = {"UP", TABLE_RIGHT, 0},
    [C_MARKS] = {"MARKS", 0, 80},
    [C_MODULE] = {"MODULE", TABLE_SHRINK | TABLE_CUT_START, 110},
};

static void cell(struct buf *b, enum column column, const struct cli_proc *p, int64_t now)
{
    switch (column) {
    case C_PID:
        buf_printf(b, "%d", p->pid);
        break;
    case C_USER:
        buf_str(b, p->user);
        break;
    case C_GO:
        buf_str(b, strncmp(p->go_version, "go", 2) == 0 ? p->go_version + 2 : p->go_version);
        break;
    case C_NAME:
        buf_str(b, p->name);
        break;
    case C_GOROUTINES:
        p->have_pulse ? text_count(b, p->pulse.goroutines) : buf_char(b, '-');
        break;
    case C_THREADS:
        buf_printf(b, "%u", p->threads);
        break;
    case C_LIVE:
        p->have_pulse ? text_bytes(b, p->pulse.heap_live_bytes) : buf_char(b, '-');
        break;
    case C_RSS:
        text_bytes(b, p->rss_bytes);
        break;
    case C_UP:
        text_ns(b, now - p->started_wall_ns);
        break;
    case C_MARKS:
        for (size_t i = 0; mark(p, i); i++)
            buf_printf(b, "%s%s", i ? " " : "", mark(p, i));
        break;
    default:
        module_cell(b, p);
    }
}

/* Who searches or cuts what comes through a pipe needs all of it; 0: as wide as it gets. */
static size_t width_of(const struct cli *c)
{
    return c->term.out_tty || c->args.opt[OPT_width].given ? c->term.width : 0;
}

static bool fits(const struct cli *c, enum column column)
{
    return !width_of(c) || width_of(c) >= columns[column].from_width;
}

static void table_of(struct buf *b, const struct cli *c, const struct cli_procs *procs,
                     size_t shown)
{
    struct report_style style = {.width = width_of(c), .color = c->term.color};
    struct table t;
    enum column order[NCOLUMNS];
    size_t n = 0;
    int64_t now = clock_wall_ns();
    for (size_t i = 0; i < NCOLUMNS; i++)
        if (fits(c, (enum column)i))
            order[n++] = (enum column)i;
    table_init(&t, n);
    for (size_t i = 0; i < n; i++)
        table_column(&t, i, columns[order[i]].heading, columns[order[i]].flags);
    for (size_t p = 0; p < shown; p++)
        for (size_t i = 0; i < n; i++) {
            cell(table_cell(&t), order[i], &procs->v.v[p], now);
            table_cell_end(&t);
        }
    table_write(&t, &style, b);
    table_free(&t);
}

/* Columns that a narrow terminal has no room for. */
static void say_columns(struct buf *b, const struct cli *c)
{
    const char *separator = "no room for ";
    struct buf words = {0};
    for (size_t i = 0; i < NCOLUMNS; i++) {
        if (fits(c, (enum column)i))
            continue;
        buf_printf(&words, "%s%s", separator, columns[i].heading);
        separator = ", ";
    }
    if (words.n) {
        buf_str(&words, ": --width shows more");
        text_wrap(b, buf_text(&words), width_of(c), 0, 2);
        buf_char(b, '\n');
    }
    buf_free(&words);
}

static void say_rest(struct buf *b, const struct cli *c, const struct cli_procs *procs,
                     size_t shown)
{
    size_t unread = 0;
    const char *why = NULL;
    for (size_t i = 0; i < procs->v.n; i++)
        if (!procs->v.v[i].have_pulse) {
            unread++;
            why = procs->v.v[i].why_no_pulse;
        }
    if (shown < procs->v.n)
        buf_printf(b, "%zu more: --limit 0 shows all\n", procs->v.n - shown);
    if (shown)
        say_columns(b, c);
    if (unread)
        buf_printf(b, "- not readable in %zu of them: %s\n", unread, why ? why : "unknown");
    if (procs->denied && geteuid() != 0)
        buf_printf(b, "%zu process%s could not be looked at: run as root to see all\n",
                   procs->denied, procs->denied == 1 ? "" : "es");
    else if (procs->denied)
        buf_printf(b, "%zu process%s could not be looked at: gospect info %d says why\n",
                   procs->denied, procs->denied == 1 ? "" : "es", procs->denied_pid);
}

static struct err *print_table(struct cli *c, const struct cli_procs *procs, size_t shown)
{
    struct buf b = {0};
    if (shown)
        table_of(&b, c, procs, shown);
    else
        buf_printf(&b, "no Go process%s\n",
                   cli_text(&c->args, OPT_ps_filter) ? " matches" : " is running");
    say_rest(&b, c, procs, shown);
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}

static void json_marks(struct json *j, const struct cli_proc *p)
{
    json_key(j, "marks");
    json_begin(j, '[');
    for (size_t i = 0; mark(p, i); i++)
        json_str(j, mark(p, i));
    json_end(j, ']');
}

static void json_process(struct json *j, const struct cli_proc *p)
{
    json_begin(j, '{');
    json_ki64(j, "pid", p->pid);
    json_kstr(j, "user", p->user);
    json_kstr(j, "name", p->name);
    json_kstr(j, "command", p->comm);
    json_kstr(j, "exe", p->exe);
    json_kstr(j, "go_version", p->go_version);
    json_kstr(j, "main_path", p->main_path);
    json_kstr(j, "main_module", p->main_module);
    json_kstr(j, "main_version", p->main_version);
    json_ku64(j, "threads", p->threads);
    json_ku64(j, "rss_bytes", p->rss_bytes);
    json_ki64(j, "started_unix_ns", p->started_wall_ns);
    json_marks(j, p);
    if (p->have_pulse) {
        json_ku64(j, "goroutines", p->pulse.goroutines);
        json_ku64(j, "gomaxprocs", p->pulse.gomaxprocs);
        json_ku64(j, "heap_live_bytes", p->pulse.heap_live_bytes);
        json_ku64(j, "gc_cycles", p->pulse.gc_cycles);
    } else {
        json_kstr(j, "unreadable", p->why_no_pulse);
    }
    json_end(j, '}');
}

static struct err *print_json(struct cli *c, const struct cli_procs *procs, size_t shown)
{
    struct json j;
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_key(&j, "processes");
    json_begin(&j, '[');
    for (size_t i = 0; i < shown; i++)
        json_process(&j, &procs->v.v[i]);
    json_end(&j, ']');
    json_ku64(&j, "left_out", procs->v.n - shown);
    json_ku64(&j, "denied", procs->denied);
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

struct err *run_ps(struct cli *c, int *ret_code)
{
    struct cli_procs procs;
    TRY(cli_procs_list(true, &procs));
    struct err *e = filter(c, &procs);
    if (!e) {
        uint64_t limit = (uint64_t)cli_num(&c->args, OPT_limit);
        size_t shown = limit && limit < procs.v.n ? limit : procs.v.n;
        sort_order = (enum order)cli_num(&c->args, OPT_ps_sort);
        if (procs.v.n)
            qsort(procs.v.v, procs.v.n, sizeof(*procs.v.v), in_order);
        e = c->json ? print_json(c, &procs, shown) : print_table(c, &procs, shown);
    }
    cli_procs_free(&procs);
    return e;
}
