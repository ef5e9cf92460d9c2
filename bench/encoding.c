/* encoding.c - the encoding of snapshots against the plain one: sizes and times.
 *
 * One JSON object a line for each case: the same goroutines written plainly
 * (tests/unit/snap/plain.h) and as a snapshot file, both into memory.  Times are the least of RUNS
 * rounds; both sides keep their buffers between rounds, so that neither pays for fresh pages. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "snap/many.h"
#include "snap/plain.h"

enum { RUNS = 9 };

static struct err *to_buf(void *arg, const void *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void die(struct err *e)
{
    if (!e)
        return;
    fprintf(stderr, "bench_encoding: %s\n", err_message(e));
    err_free(e);
    exit(3);
}

enum what { PLAIN, JSON, OURS, READ };

static void once(enum what what, const struct snap *s, struct buf *b)
{
    struct snap *back;
    if (what != READ)
        buf_clear(b);
    if (what == PLAIN) {
        plain_binary(b, s);
    } else if (what == JSON) {
        die(plain_json(b, s));
    } else if (what == OURS) {
        die(snap_write_to(s, to_buf, b));
    } else {
        die(snap_read_bytes(b->p, b->n, "snapshot", &back));
        snap_free(back);
    }
}

static double least_ms(enum what what, const struct snap *s, struct buf *b)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < RUNS; i++) {
        int64_t began = clock_mono_ns();
        once(what, s, b);
        int64_t took = clock_mono_ns() - began;
        least = took < least ? took : least;
    }
    return (double)least / 1e6;
}

static void measure(uint64_t n, bool same)
{
    struct snap *s = many_goroutines(n, same);
    struct buf plain = {0}, json = {0}, ours = {0};
    double plain_ms = least_ms(PLAIN, s, &plain), json_ms = least_ms(JSON, s, &json);
    double ms = least_ms(OURS, s, &ours), read_ms = least_ms(READ, s, &ours);
    printf("{\"goroutines\":%llu,\"stacks\":\"%s\",\"plain_bytes\":%zu,\"json_bytes\":%zu,"
           "\"bytes\":%zu,\"file_bytes\":%zu,\"plain_ms\":%.3f,\"json_ms\":%.3f,\"ms\":%.3f,"
           "\"read_ms\":%.3f}\n",
           (unsigned long long)n, same ? "shared" : "all different", plain.n, json.n,
           snap_memory(s), ours.n, plain_ms, json_ms, ms, read_ms);
    buf_free(&plain);
    buf_free(&json);
    buf_free(&ours);
    snap_free(s);
}

int main(void)
{
    measure(10000, true);
    measure(100000, true);
    measure(10000, false);
    return 0;
}
