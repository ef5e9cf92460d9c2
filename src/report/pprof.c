/* pprof.c - a goroutine profile as runtime/pprof writes it; docs/formats/pprof.md.
 *
 * Go: runtime/pprof/pprof.go, printCountProfile (1.18-1.27): one sample per stack and label set,
 * sample and period type goroutine/count. */
#include <stdlib.h>

#include "report/goroutines.h"
#include "report/pprof_int.h"
#include "report/report_int.h"

struct sample {
    uint32_t node, labels; /* stack, label set (one of equal ones) */
    int64_t count;
};

struct goroutine_profile {
    struct pprof pprof;
    VEC(struct sample) samples;
};

/* Sets with equal labels may have different numbers; one of them stands for all. */
static uint32_t same_labels(struct goroutine_profile *p, struct intern *texts, struct map *sets,
                            uint32_t set)
{
    const struct snap *s = p->pprof.s;
    uint32_t first, n = snap_labels_of(s, set, &first);
    struct buf text = {0};
    bool added;
    if (!n)
        return 0;
    for (uint32_t i = first; i < first + n; i++) {
        uint32_t pair[] = {s->label.key[i], s->label.value[i]};
        buf_add(&text, pair, sizeof(pair));
    }
    uint32_t id = intern_addn(texts, text.p, text.n);
    buf_free(&text);
    return map_get_or_put(sets, id, set, &added);
}

static int by_count(const void *x, const void *y)
{
    const struct sample *a = x, *b = y;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static void find_samples(struct goroutine_profile *p, const struct snap_rows *rows)
{
    const struct snap *s = p->pprof.s;
    struct map ids = {0}, sets = {0};
    struct intern texts;
    intern_init(&texts);
    for (size_t i = 0; i < rows->n; i++) {
        bool added;
        uint32_t g = rows->v[i], node = s->goroutine.stack[g];
        uint32_t labels = same_labels(p, &texts, &sets, s->goroutine.labels[g]);
        uint32_t at =
            map_get_or_put(&ids, (uint64_t)node << 32 | labels, (uint32_t)p->samples.n, &added);
        if (added)
            vec_push(&p->samples, ((struct sample){node, labels, 0}));
        p->samples.v[at].count++;
    }
    if (p->samples.n)
        qsort(p->samples.v, p->samples.n, sizeof(*p->samples.v), by_count);
    intern_free(&texts);
    map_free(&ids);
    map_free(&sets);
}

struct err *report_goroutines_pprof(const struct snap *s, const struct snap_rows *rows,
                                    struct report_sink out)
{
    struct goroutine_profile p = {0};
    struct buf b = {0};
    pprof_init(&p.pprof, s);
    pprof_sample_type(&p.pprof, "goroutine", "count");
    find_samples(&p, rows);
    for (size_t i = 0; i < p.samples.n; i++) {
        const struct sample *one = &p.samples.v[i];
        pprof_add(&p.pprof, &(struct pprof_sample){.node = one->node,
                                                   .labels = one->labels,
                                                   .values = &one->count,
                                                   .nvalues = 1});
    }
    pprof_period(&p.pprof, "goroutine", "count", 1);
    pprof_comments(&p.pprof);
    if (rows->system) {
        count_of(&b, rows->system, "goroutine", "goroutines");
        buf_str(&b, " of the runtime itself left out, as runtime/pprof does");
        pprof_comment(&p.pprof, &b);
    }
    vec_free(&p.samples);
    return pprof_finish(&p.pprof, out);
}
