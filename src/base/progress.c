/* progress.c - progress and cancellation; see progress.h. */
#include "base/progress.h"

struct err *progress_step(struct progress *p, const char *what, uint64_t done, uint64_t total)
{
    if (!p)
        return NULL;
    if (p->show)
        p->show(p, what, done, total);
    if (p->cancelled && p->cancelled(p))
        return err_new(ERR_CANCELLED, "stopped at your request");
    return NULL;
}
