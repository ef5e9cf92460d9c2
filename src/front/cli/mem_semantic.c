/* mem_semantic.c - gospect mem diff --semantic; see mem_semantic.h.
 *
 * Only the allocation profile is needed: of a live process it is read while it runs. */
#include "front/cli/mem_semantic.h"

#include <string.h>

#include "base/clock.h"
#include "front/cli/outfile.h"
#include "front/cli/subject.h"
#include "report/semantic.h"

enum { LIMIT_DEFAULT = 30 };

struct side {
    struct snap *snap; /* owned */
    struct buf word;   /* how it is written on a command line */
};

static void side_free(struct side *s)
{
    snap_free(s->snap);
    buf_free(&s->word);
}

static struct err *side_open(struct cli *c, const char *target, struct side *ret)
{
    struct cli_subject subject = {0};
    struct rt_capture_options o = cli_capture_options(c);
    struct err *e = cli_subject_find(c, target, &subject);
    if (!e)
        e = cli_subject_open(&subject);
    if (!e)
        e = subject.kind == CLI_SNAP
                ? cli_subject_snap(&subject, &o, &ret->snap)
                : rt_capture_profiles(subject.rt, &c->progress.base, &ret->snap);
    if (!e)
        cli_subject_word(&subject, &ret->word);
    cli_subject_close(&subject);
    return e;
}

static struct err *write_svg(struct cli *c, const struct report_semantic *r, const char *path)
{
    struct file_out out;
    TRY(file_out_open(path, 0644, &out));
    TRY(file_out_end(&out, report_semantic_svg(r, cli_file_sink(&out))));
    cli_note(c, "%s shows it as a picture, for any browser", path);
    return NULL;
}

static struct err *show(struct cli *c, const struct report_semantic *r)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    const char *svg = cli_text(&c->args, OPT_svg);
    cli_progress_clear(c);
    if (svg && strcmp(svg, "-") == 0) {
        c->out.page = false;
        return report_semantic_svg(r, out);
    }
    if (svg)
        TRY(write_svg(c, r, svg));
    return c->json ? report_semantic_json(r, out) : report_semantic_text(r, &style, out);
}

static struct err *compare(struct cli *c, const struct side *a, const struct side *b, int64_t began,
                           int *ret_code)
{
    struct heap_semantic_options o = {.threshold = cli_fraction(&c->args, OPT_similarity),
                                      .min_depth_weight =
                                          cli_fraction(&c->args, OPT_min_depth_weight)};
    struct heap_semantic tree;
    TRY(heap_semantic_diff(a->snap, b->snap, &o, &tree));
    struct report_semantic r = {.tree = &tree,
                                .a = a->snap,
                                .b = b->snap,
                                .limit = c->json ? 0 : LIMIT_DEFAULT,
                                .wall_ns = clock_mono_ns() - began,
                                .before = cli_text(&c->args, OPT_svg) ? NULL : buf_text(&a->word),
                                .after = buf_text(&b->word)};
    if (c->args.opt[OPT_heap_limit].given)
        r.limit = (size_t)cli_num(&c->args, OPT_heap_limit);
    struct err *e = show(c, &r);
    if (!e && tree.differs)
        *ret_code = CLI_FINDINGS;
    heap_semantic_free(&tree);
    return e;
}

struct err *mem_semantic(struct cli *c, const char *before, const char *after, int *ret_code)
{
    int64_t began = clock_mono_ns();
    struct side a = {0}, b = {0};
    struct err *e = side_open(c, before, &a);
    if (!e)
        e = side_open(c, after, &b);
    if (!e)
        e = compare(c, &a, &b, began, ret_code);
    side_free(&a);
    side_free(&b);
    return e;
}

struct err *mem_semantic_check(const struct cli_args *a)
{
    static const enum cli_opt_id own[] = {OPT_similarity, OPT_min_depth_weight, OPT_svg};
    for (size_t i = 0; i < ARRAY_LEN(own) && !cli_flag(a, OPT_semantic); i++)
        if (a->opt[own[i]].given)
            return err_hint(
                err_new(ERR_USAGE, "--%s belongs to --semantic", cli_opts[own[i]].name),
                "gospect mem diff BEFORE AFTER --semantic compares where memory was allocated");
    return NULL;
}
