/* diag.c - runs every diagnosis over the evidence and orders what they found; see diag.h. */
#include "diag/diag.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "diag/diag_int.h"

const struct diagnosis diag_list[] = {
#define DIAG(key, title) {#key, title, diag_##key},
#include "diag/diagnoses.def"
#undef DIAG
};
const size_t diag_count = ARRAY_LEN(diag_list);

static bool same_text(const struct snap *a, const struct snap *b, enum snap_meta_key key)
{
    const char *x = snap_meta(a, key), *y = snap_meta(b, key);
    return !x || !y || strcmp(x, y) == 0;
}

/* The kernel tells the start in ticks since boot, so as a time it is a little different each time
 * it is worked out, and moves when the clock is set. */
static bool same_start(const struct snap *a, const struct snap *b)
{
    static const int64_t TOLERANCE_NS = 60 * NSEC_PER_SEC;
    int64_t x = snap_meta_i64(a, SNAP_META_started_wall_ns, 0);
    int64_t y = snap_meta_i64(b, SNAP_META_started_wall_ns, 0);
    return !x || !y || llabs(x - y) < TOLERANCE_NS;
}

bool diag_comparable(const struct snap *before, const struct snap *now, const char **ret_why)
{
    int64_t t0 = snap_meta_i64(before, SNAP_META_taken_mono_ns, 0);
    int64_t t1 = snap_meta_i64(now, SNAP_META_taken_mono_ns, 0);
    *ret_why = NULL;
    if (!same_text(before, now, SNAP_META_build_id))
        *ret_why = "they are of different builds";
    else if (!same_text(before, now, SNAP_META_pid) || !same_text(before, now, SNAP_META_host) ||
             !same_start(before, now))
        *ret_why = "they are of different processes";
    else if (snap_meta(before, SNAP_META_taken_bound) || snap_meta(now, SNAP_META_taken_bound))
        *ret_why = "one of them is a core that does not say when it was taken";
    else if (t1 <= t0)
        *ret_why = "the first one is not the earlier one";
    return *ret_why == NULL;
}

static double elapsed(const struct diag_input *in)
{
    if (!in->before)
        return 0;
    int64_t ns = snap_meta_i64(in->now, SNAP_META_taken_mono_ns, 0) -
                 snap_meta_i64(in->before, SNAP_META_taken_mono_ns, 0);
    return (double)ns / 1e9;
}

void diag_examine(const struct diag_input *in, struct diag_findings *ret)
{
    diag_findings_init(ret);
    struct diag_run r = {.in = in, .s = in->now, .found = ret, .elapsed_s = elapsed(in)};
    snap_codes_init(&r.codes, r.s);
    snap_tops_init(&r.tops, r.s, &r.codes);
    diag_find_clusters(&r);
    for (size_t i = 0; i < diag_count; i++)
        diag_list[i].run(&r);
    diag_findings_sort(ret);
    snap_tops_free(&r.tops);
    snap_codes_free(&r.codes);
}
