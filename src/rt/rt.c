/* rt.c - opening the runtime of a target; see rt.h, and docs/decisions/layout-tables.md for the
 * order in which layouts are tried. */
#include <stdlib.h>

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

static struct err *open_layout(struct rt *rt)
{
    const struct rt_layout *rows[ROWS_MAX];
    size_t n = 0;
    bool guessed = false;
    TRY(rt_layout_tables(rt->go_version, rows, ROWS_MAX, &n, &guessed));
    struct err *first = NULL;
    for (size_t i = 0; i < n; i++) {
        struct err *e = try_layout(rt, rows[i]);
        if (!e) {
            err_free(first);
            rt->layout.guessed = guessed;
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
