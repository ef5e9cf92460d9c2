/* Profiles: whatever the reader accepts is a snapshot that keeps every promise of schema.def, and
 * is the same after it was written and read again. */
#include <stdlib.h>

#include "base/buf.h"
#include "snap/pprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(struct err *e)
{
    if (e)
        abort();
}

static struct err *to_buf(void *arg, const void *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snap_pprof p;
    struct buf b = {0};
    struct snap *again;
    struct err *e = snap_read_pprof(data, size, "input", &p);
    if (e) {
        err_free(e);
        return 0;
    }
    must(snap_check(p.snap));
    must(snap_write_to(p.snap, to_buf, &b));
    must(snap_read_bytes(b.p, b.n, "written", &again));
    if (again->bucket.n != p.snap->bucket.n || again->frame.n != p.snap->frame.n)
        abort();
    snap_free(again);
    snap_free(p.snap);
    buf_free(&b);
    return 0;
}
