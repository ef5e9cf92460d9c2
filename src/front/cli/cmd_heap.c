/* cmd_heap.c - gospect heap: what memory is used for, and what keeps it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "front/cli/heap_look.h"
#include "front/cli/outfile.h"
#include "report/heap.h"

enum {
    LIMIT_DEFAULT = 15,
    PATHS_DEFAULT = 3,
    WAYS_BYTES = 32 << 20, /* of pointers: up to that the retainers are shown with their ways */
    KEYS_BYTES = 64 << 20, /* of a heap: up to that paths name the entries of maps by their keys */
};

struct request {
    struct heap_look look;
    struct report_heap report;
    struct report_style style;
    struct report_sink out;
    bool json;
};

/* What the words of --by mean, in the order of options.def. */
static const struct report_heap_list lists[] = {
    {false, HEAP_BY_TYPE},   {true, HEAP_BY_TYPE},       {false, HEAP_BY_PACKAGE},
    {false, HEAP_BY_GLOBAL}, {false, HEAP_BY_GOROUTINE}, {false, HEAP_BY_SIZE_CLASS}};

static bool is_address(const char *text, taddr *ret)
{
    char *end;
    if (strncmp(text, "0x", 2) != 0)
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 16);
    return !*end && !errno && end > text + 2;
}

static struct err *slot_at(const struct request *q, taddr addr, uint32_t *ret)
{
    *ret = heap_find(q->look.graph, addr, NULL);
    if (*ret != SNAP_NONE)
        return NULL;
    return err_hint(err_new(ERR_NOT_FOUND, "0x%" PRItaddr " is not an address of the heap",
                            (unsigned long long)addr),
                    "gospect heap TARGET --by object lists objects with their addresses");
}

/* ---- --object ---- */

static struct err *show_object(struct request *q, taddr addr)
{
    uint32_t slot;
    TRY(slot_at(q, addr, &slot));
    return q->json ? report_heap_object_json(&q->report, slot, q->out)
                   : report_heap_object_text(&q->report, slot, &q->style, q->out);
}

/* ---- --paths ---- */

/* A type by its whole name, or by its last part when only one type has it. */
static struct err *shape_named(const struct snap *s, const char *name, uint32_t *ret)
{
    uint32_t found = SNAP_NONE;
    size_t n = strlen(name), others = 0;
    for (uint32_t i = 1; i < s->shape.n; i++) {
        const char *have = snap_str(s, s->shape.name[i]);
        size_t k = strlen(have);
        if (strcmp(have, name) == 0) {
            *ret = i;
            return NULL;
        }
        if (k <= n || strcmp(have + k - n, name) != 0 || !strchr("./*]", have[k - n - 1]))
            continue;
        others += found != SNAP_NONE && strcmp(snap_str(s, s->shape.name[found]), have) != 0;
        found = i;
    }
    if (found == SNAP_NONE)
        return err_hint(err_new(ERR_NOT_FOUND, "no object has a type called \"%s\"", name),
                        "gospect heap TARGET --limit 0 lists the types");
    if (others)
        return err_hint(err_new(ERR_USAGE, "\"%s\" could be several types", name),
                        "Write the whole name, as gospect heap TARGET --limit 0 lists it");
    *ret = found;
    return NULL;
}

static struct err *goroutine_numbered(const struct snap *s, const char *text, uint32_t *ret)
{
    char *end;
    uint64_t id = strtoull(text, &end, 10);
    for (uint32_t i = 0; !*end && *text && i < s->goroutine.n; i++)
        if (s->goroutine.id[i] == id) {
            *ret = i;
            return NULL;
        }
    return err_new(ERR_NOT_FOUND, "there is no goroutine %s", text);
}

static struct err *target_of(const struct request *q, const char *text,
                             struct heap_path_options *ret)
{
    const struct snap *s = q->look.snap;
    taddr addr;
    if (is_address(text, &addr)) {
        ret->to = HEAP_TO_SLOT;
        return slot_at(q, addr, &ret->what);
    }
    if (strncmp(text, "goroutine:", 10) == 0) {
        ret->to = HEAP_TO_GOROUTINE;
        return goroutine_numbered(s, text + 10, &ret->what);
    }
    ret->to = HEAP_TO_TYPE;
    return shape_named(s, text, &ret->what);
}

static struct err *show_paths(struct cli *c, struct request *q, const char *text)
{
    bool given = c->args.opt[OPT_heap_limit].given;
    struct heap_path_options o = {.limit = given ? q->report.limit : PATHS_DEFAULT,
                                  .progress = &c->progress.base};
    struct heap_paths paths;
    TRY(target_of(q, text, &o));
    TRY(heap_find_paths(q->look.graph, &o, &paths));
    cli_progress_clear(c);
    struct err *e = q->json ? report_heap_paths_json(&q->report, text, &paths, q->out)
                            : report_heap_paths_text(&q->report, text, &paths, &q->style, q->out);
    heap_paths_free(&paths);
    return e;
}

/* ---- the rest ---- */

static struct err *show_suspects(struct cli *c, struct request *q)
{
    struct heap_suspect_options o = {.limit = q->report.limit, .progress = &c->progress.base};
    struct heap_suspects found;
    TRY(heap_find_suspects(q->look.graph, &o, &found));
    cli_progress_clear(c);
    struct err *e = q->json ? report_heap_suspects_json(&q->report, &found, q->out)
                            : report_heap_suspects_text(&q->report, &found, &q->style, q->out);
    heap_suspects_free(&found);
    return e;
}

static struct err *write_pprof(struct cli *c, struct request *q, const char *path)
{
    struct file_out out;
    if (strcmp(path, "-") == 0) {
        c->out.page = false;
        return report_heap_pprof(&q->report, q->out);
    }
    TRY(file_out_open(path, 0644, &out));
    TRY(file_out_end(&out, report_heap_pprof(&q->report, cli_file_sink(&out))));
    cli_progress_clear(c);
    cli_note(c, "%s says who keeps what: go tool pprof -http=localhost:0 %s", path, path);
    return NULL;
}

static struct err *show(struct cli *c, struct request *q, taddr object)
{
    const char *paths = cli_text(&c->args, OPT_paths), *pprof = cli_text(&c->args, OPT_heap_pprof);
    if (paths)
        return show_paths(c, q, paths);
    if (object)
        return show_object(q, object);
    if (pprof)
        return write_pprof(c, q, pprof);
    if (cli_flag(&c->args, OPT_suspects))
        return show_suspects(c, q);
    const struct report_heap_list *list = &lists[cli_num(&c->args, OPT_heap_by)];
    return q->json ? report_heap_json(&q->report, list, q->out)
                   : report_heap_text(&q->report, list, &q->style, q->out);
}

/* One question at a time. */
static struct err *check(const struct cli_args *a)
{
    static const enum cli_opt_id modes[] = {OPT_paths, OPT_object, OPT_suspects, OPT_heap_pprof,
                                            OPT_heap_by};
    size_t given = 0;
    if (cli_text(a, OPT_paths) && !*cli_text(a, OPT_paths))
        return err_hint(err_new(ERR_USAGE, "--paths: WHAT is empty"),
                        "An address (0xc000123450), a type (orders.User) or goroutine:17");
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        given += a->opt[modes[i]].given > 0;
    return given < 2 ? NULL
                     : err_new(ERR_USAGE, "--paths, --object, --suspects, --pprof and --by are "
                                          "different questions: ask one of them");
}

struct err *run_heap(struct cli *c, int *ret_code)
{
    int64_t began = clock_mono_ns();
    const struct cli_args *a = &c->args;
    bool ways = cli_text(a, OPT_paths) || cli_flag(a, OPT_suspects);
    struct heap_options o = {.keep_edges = ways || cli_text(a, OPT_object),
                             .keep_edges_below = WAYS_BYTES};
    struct request q = {.json = c->json, .out = {cli_out_write, &c->out}};
    TRY(check(a));
    taddr object = 0;
    if (cli_text(a, OPT_object) && !is_address(cli_text(a, OPT_object), &object))
        return err_hint(err_new(ERR_USAGE, "\"%s\" is not an address", cli_text(a, OPT_object)),
                        "Write it as 0xc000123450");
    struct heap_wanted wanted = {.object = object, .memory_below = ways ? KEYS_BYTES : 0};
    struct err *e = heap_look_open(c, a->pos[0], &o, &wanted, &q.look);
    if (!e) {
        q.style = (struct report_style){.width = c->term.width, .color = c->term.color};
        q.report = (struct report_heap){.graph = q.look.graph,
                                        .target = buf_text(&q.look.word),
                                        .limit = c->json ? 0 : LIMIT_DEFAULT,
                                        .wall_ns = clock_mono_ns() - began,
                                        .progress = &c->progress.base};
        if (a->opt[OPT_heap_limit].given)
            q.report.limit = (size_t)cli_num(a, OPT_heap_limit);
        cli_progress_clear(c);
        e = show(c, &q, object);
    }
    heap_look_free(&q.look);
    return e;
}
