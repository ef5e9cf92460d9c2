/* pauses.c - the pauses that the runtime remembers; see pauses.h.
 *
 * Counters gc.pause_N_ns and gc.pause_N_end_unix_ns, as rt/counters_gc.c writes them: N is 0 for
 * the newest.  Names from a file prove nothing: what does not fit is passed over. */
#include "snap/pauses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void sum_up(struct snap_pauses *p)
{
    int64_t sorted[SNAP_PAUSES_MAX];
    for (size_t i = 0; i < p->n; i++) {
        sorted[i] = p->v[i].ns;
        if (p->v[i].ns > p->v[p->longest].ns)
            p->longest = i;
    }
    if (!p->n)
        return;
    qsort(sorted, p->n, sizeof(*sorted), compare);
    p->median_ns = sorted[(p->n - 1) / 2];
    p->p99_ns = sorted[(p->n * 99 + 99) / 100 - 1];
}

void snap_pauses(const struct snap *s, struct snap_pauses *ret)
{
    static const char prefix[] = "gc.pause_";
    bool seen[SNAP_PAUSES_MAX] = {0};
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < s->counter.n; i++) {
        const char *name = snap_str(s, s->counter.name[i]);
        unsigned k;
        char word[16];
        if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
            sscanf(name + sizeof(prefix) - 1, "%3u_%15s", &k, word) != 2 || k >= SNAP_PAUSES_MAX)
            continue;
        if (strcmp(word, "ns") == 0) {
            ret->v[k].ns = s->counter.value[i];
            seen[k] = true;
        } else if (strcmp(word, "end_unix_ns") == 0) {
            ret->v[k].end_unix_ns = s->counter.value[i];
        }
    }
    while (ret->n < SNAP_PAUSES_MAX && seen[ret->n])
        ret->n++;
    sum_up(ret);
}
