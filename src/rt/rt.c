/* rt.c - opening the runtime of a target; see rt.h, and docs/decisions/layout-tables.md for the
 * order in which layouts are tried. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "rt/rt_int.h"

enum { ROWS_MAX = 16 };

/* Opens everything that depends on the layout, and checks it. */
static struct err *try_layout(struct rt *rt, const struct rt_layout *layout)
{
    rt->layout = *layout;
    TRY(rt_find_modules(rt));
    rt_find_globals(rt);
    return rt_check_layout(rt);
}

static struct err *try_layouts(struct rt *rt, const struct rt_layout *const *rows, size_t n)
{
    struct err *first = NULL;
    for (size_t i = 0; i < n; i++) {
        struct err *e = try_layout(rt, rows[i]);
        if (!e) {
            err_free(first);
            return NULL;
        }
        log_info("layouts of Go %s: %s", rows[i]->release, err_message(e));
        if (err_code(e) == ERR_GONE || first) {
            err_free(first ? e : NULL);
            if (!first)
                return e;
        } else {
            first = e;
        }
    }
    return first;
}

/* A process that runs may be changing just what is checked (the number of its Ps, its list of
 * goroutines that moves), or have hardly begun: it is asked again before it is refused. */
static struct err *open_layout(struct rt *rt)
{
    static const long wait_ms[] = {0, 1, 4, 16};
    const struct rt_layout *rows[ROWS_MAX];
    size_t n = 0, tries = target_kind(rt->t) == TARGET_LIVE ? ARRAY_LEN(wait_ms) : 1;
    bool guessed = false;
    TRY(rt_layout_tables(rt->go_version, rows, ROWS_MAX, &n, &guessed));
    struct err *e = NULL;
    for (size_t i = 0; i < tries; i++) {
        struct timespec nap = {.tv_nsec = wait_ms[i] * NSEC_PER_MSEC};
        err_free(e);
        if (i)
            nanosleep(&nap, NULL);
        e = try_layouts(rt, rows, n);
        if (!e || (err_code(e) != ERR_BAD_DATA && err_code(e) != ERR_FAULT))
            break;
    }
    rt->layout.guessed = guessed;
    return e;
}

static struct err *open_parts(struct rt *rt)
{
    const struct image_buildinfo *bi;
    TRY(target_image(rt->t, &rt->img, &rt->slide));
    TRY(image_buildinfo(rt->img, &bi));
    rt->go_version = bi->go_version;
    return open_layout(rt);
}

struct err *rt_open(struct target *t, struct rt **ret)
{
    struct rt *rt = mem_alloc(sizeof(*rt));
    rt->t = t;
    struct err *e = open_parts(rt);
    if (e) {
        rt_close(rt);
        return err_wrap(e, "process %d", target_pid(t));
    }
    *ret = rt;
    return NULL;
}

void rt_close(struct rt *rt)
{
    if (!rt)
        return;
    rt_free_modules(rt);
    image_unref(rt->img);
    free(rt);
}

const char *rt_go_version(const struct rt *rt)
{
    return rt->go_version;
}
