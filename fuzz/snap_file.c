/* Snapshot files: whatever the reader accepts keeps every promise of schema.def, can be walked,
 * grouped and chosen from, and is the same after it was written and read again.
 *
 * The build for fuzzing does not look at checksums (file_read.c), so that what lies behind them is
 * reached; seeds are stored unpacked (tests/e2e/lib/gsnap.py), so that changed bytes mean
 * something.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "snap/code.h"
#include "snap/file_int.h"
#include "snap/group.h"
#include "snap/names.h"

enum { WALKED = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct err *to_buf(void *arg, const void *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void must(struct err *e)
{
    if (e)
        abort();
}

static void walk(const struct snap *s)
{
    size_t seen = 0;
    size_t sum = 0; /* so that everything is read */
    for (uint32_t g = 0; g < s->goroutine.n && g < WALKED; g++) {
        struct snap_stack_iter it;
        uint32_t first, n = snap_labels_of(s, s->goroutine.labels[g], &first);
        n += snap_waits_of(s, g, &first) + snap_locals_of(s, g, &first);
        sum += n;
        snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
        while (snap_stack_next(&it) && seen++ < 100000)
            sum += it.frame == SNAP_NONE ? 0 : strlen(snap_str(s, s->frame.func[it.frame]));
    }
    if (sum == SIZE_MAX)
        abort();
}

static void choose_and_group(const struct snap *s)
{
    struct snap_filter *f;
    must(snap_filter_compile("func~main || age>1s || top=main || label.a || creator=main", &f));
    struct snap_selection sel = {(const struct snap_filter *const *)&f, 1, true};
    struct snap_rows rows;
    must(snap_select(s, &sel, &rows));
    snap_rows_free(&rows);
    snap_filter_free(f);
    must(snap_select(s, NULL, &rows));
    for (int by = 0; by < SNAP_BY_COUNT; by++) {
        struct snap_group_options o = {.by = (enum snap_group_by)by};
        struct snap_groups *groups;
        must(snap_group(s, &rows, &o, &groups));
        snap_groups_free(groups);
    }
    snap_rows_free(&rows);
}

static void shorten(const struct snap *s)
{
    struct snap_codes codes;
    struct buf b = {0};
    snap_codes_init(&codes, s);
    for (uint32_t f = 0; f < s->frame.n && f < WALKED; f++) {
        snap_short_func(&b, snap_str(s, s->frame.func[f]));
        snap_bare_func(&b, snap_str(s, s->frame.func[f]));
        snap_short_place(&b, s, &codes, f);
    }
    buf_free(&b);
    snap_codes_free(&codes);
}

static void same_again(const struct snap *s)
{
    struct buf b = {0}, again = {0};
    struct snap *t;
    must(snap_write_to(s, to_buf, &b));
    must(snap_read_bytes(b.p, b.n, "written", &t));
    must(snap_write_to(t, to_buf, &again));
    if (b.n != again.n || memcmp(b.p, again.p, b.n) != 0)
        abort();
    snap_free(t);
    buf_free(&b);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snap *s;
    struct err *e = snap_read_bytes(data, size, "input", &s);
    if (e) {
        err_free(e);
        return 0;
    }
    must(snap_check(s));
    walk(s);
    choose_and_group(s);
    shorten(s);
    same_again(s);
    snap_free(s);
    return 0;
}
