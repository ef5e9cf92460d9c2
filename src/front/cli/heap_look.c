/* heap_look.c - the heap of a TARGET; see heap_look.h. */
#include "front/cli/heap_look.h"

#include "base/mem.h"
#include "base/pool.h"

static struct err *check_heap(const struct heap_look *l, const struct cli_subject *subject)
{
    if (l->snap->span.n || subject->kind != CLI_SNAP)
        return NULL;
    return err_hint(err_new(ERR_NOT_FOUND, "%s has no heap in it", subject->text),
                    "gospect snapshot TARGET --heap saves one with its heap");
}

/* The evidence about a target: one instant, or nothing.  The subject stays open. */
static struct err *evidence(struct cli *c, const char *target, const struct rt_capture_options *o,
                            struct cli_subject *subject, struct heap_look *ret)
{
    *ret = (struct heap_look){0};
    if (o->heap)
        mem_give_back();
    struct err *e = cli_subject_find(c, target, subject);
    if (!e)
        e = cli_subject_open(subject);
    if (!e)
        e = cli_subject_snap(subject, o, &ret->snap);
    if (!e && o->heap)
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

static struct err *look_open(struct cli *c, const char *target, const struct heap_options *o,
                             struct rt_capture_options *capture, struct heap_look *ret)
{
    struct heap_options options = *o;
    struct cli_subject subject = {0};
    struct rt_rest *rest = NULL;
    options.progress = &c->progress.base;
    capture->heap = true;
    capture->rest = &rest;
    struct err *e = evidence(c, target, capture, &subject, ret);
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

struct err *heap_look_open(struct cli *c, const char *target, const struct heap_options *o,
                           const struct heap_wanted *wanted, struct heap_look *ret)
{
    struct rt_capture_options capture = cli_capture_options(c);
    if (wanted) {
        capture.heap_object = wanted->object;
        capture.heap_memory_below = wanted->memory_below;
    }
    return look_open(c, target, o, &capture, ret);
}

struct err *heap_look_owners(struct cli *c, const char *target, const struct heap_options *o,
                             struct heap_look *ret)
{
    struct rt_capture_options capture = cli_capture_options(c);
    capture.owners = RT_OWNERS_WAITED;
    return look_open(c, target, o, &capture, ret);
}

struct err *heap_look_without(struct cli *c, const char *target, struct heap_look *ret)
{
    struct rt_capture_options capture = cli_capture_options(c);
    struct cli_subject subject = {0};
    struct err *e = evidence(c, target, &capture, &subject, ret);
    cli_subject_close(&subject);
    return e;
}

struct err *heap_look_file(const struct cli_subject *subject, struct heap_look *ret)
{
    *ret = (struct heap_look){0};
    mem_give_back();
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
