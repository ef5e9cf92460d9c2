/* heap_look.c - the heap of a TARGET; see heap_look.h. */
#include "front/cli/heap_look.h"

#include "base/pool.h"

static struct err *check_heap(const struct heap_look *l, const struct cli_subject *subject)
{
    if (l->snap->span.n || subject->kind != CLI_SNAP)
        return NULL;
    return err_hint(err_new(ERR_NOT_FOUND, "%s has no heap in it", subject->text),
                    "gospect snapshot TARGET --heap saves one with its heap");
}

/* The evidence about a target, with its heap: one instant, or nothing.  The subject stays open.
 * rest: may be NULL. */
static struct err *evidence(struct cli *c, const char *target, bool heap, taddr object,
                            struct cli_subject *subject, struct rt_rest **rest,
                            struct heap_look *ret)
{
    struct rt_capture_options o = cli_capture_options(c);
    o.heap = heap;
    o.heap_object = object;
    o.rest = rest;
    *ret = (struct heap_look){0};
    struct err *e = cli_subject_find(c, target, subject);
    if (!e)
        e = cli_subject_open(subject);
    if (!e)
        e = cli_subject_snap(subject, &o, &ret->snap);
    if (!e && heap)
        e = check_heap(ret, subject);
    if (!e)
        cli_subject_word(subject, &ret->word);
    return e;
}

/* Beside the search of the graph, which takes one core. */
static struct err *finish_rest(void *arg)
{
    unsigned width = pool_width();
    return rt_rest_finish(arg, width > 1 ? width - 1 : 1);
}

struct err *heap_look_open(struct cli *c, const char *target, const struct heap_options *o,
                           taddr object, struct heap_look *ret)
{
    struct heap_options options = *o;
    struct cli_subject subject = {0};
    struct rt_rest *rest = NULL;
    options.progress = &c->progress.base;
    struct err *e = evidence(c, target, true, object, &subject, &rest, ret);
    if (rest) {
        options.meanwhile = finish_rest;
        options.meanwhile_arg = rest;
    }
    if (!e)
        e = heap_open(ret->snap, &options, &ret->graph);
    rt_rest_free(rest);
    cli_subject_close(&subject);
    return e;
}

struct err *heap_look_without(struct cli *c, const char *target, struct heap_look *ret)
{
    struct cli_subject subject = {0};
    struct err *e = evidence(c, target, false, 0, &subject, NULL, ret);
    cli_subject_close(&subject);
    return e;
}

struct err *heap_look_file(const struct cli_subject *subject, struct heap_look *ret)
{
    *ret = (struct heap_look){0};
    TRY(cli_subject_read(subject, &ret->snap));
    cli_subject_word(subject, &ret->word);
    return check_heap(ret, subject);
}

void heap_look_free(struct heap_look *l)
{
    if (l->graph)
        heap_close(l->graph);
    snap_free(l->snap);
    buf_free(&l->word);
}
