/* large.c - large objects allocated all the time.
 *
 * Go: runtime/malloc.go largeAlloc, mcache.go allocLarge, mheap.go alloc (1.18-1.27): an object of
 * more than 32 KiB takes no cache: the heap's lock is taken, pages are looked for and zeroed, and
 * the next collection comes nearer by its whole size. */
#include "diag/diag_int.h"

static const double RATE_NOTE = 100;       /* objects a second */
static const double BYTES_NOTE = 64 << 20; /* a second */
static const double PART_NOTE = 0.5;       /* of all bytes allocated */
static const double GC_WARNING_PART = 0.1; /* of the processors, for the collections that follow */
enum { CYCLES_MIN = 3 };

/* How much a counter grew between the looks; < 0: not known. */
static double grown(const struct diag_run *r, const char *name)
{
    int64_t before, now;
    if (!r->in->before || !snap_counter(r->in->before, name, &before) ||
        !snap_counter(r->s, name, &now) || now < before)
        return -1;
    return (double)(now - before);
}

void diag_large(struct diag_run *r)
{
    double count = grown(r, "memstats.large_mallocs"),
           bytes = grown(r, "memstats.large_alloc_bytes");
    double all = grown(r, "memstats.total_alloc_bytes"), seconds = r->elapsed_s;
    if (count < 0 || bytes < 0 || all <= 0 || seconds <= 0 || count / seconds < RATE_NOTE ||
        bytes / seconds < BYTES_NOTE || bytes < PART_NOTE * all)
        return;
    double gc = grown(r, "cpu.gc_total_ns"), cpu = grown(r, "cpu.total_ns");
    double cycles = grown(r, "memstats.num_gc");
    bool costly = cpu > 0 && gc >= GC_WARNING_PART * cpu && cycles >= CYCLES_MIN;
    struct diag_finding *f = diag_add(r, "large", costly ? DIAG_WARNING : DIAG_NOTE);
    f->title = diag_text(r->found, "%s large objects are allocated a second, %s/s",
                         diag_number(r, (uint64_t)(count / seconds)),
                         diag_bytes(r, (uint64_t)(bytes / seconds)));
    diag_evidence(r->found, f,
                  "objects of more than 32 KiB, %s on average, are %.0f %% of all bytes "
                  "allocated between the looks",
                  diag_bytes(r, (uint64_t)(bytes / count)), 100 * (bytes < all ? bytes / all : 1));
    if (cycles > 0)
        diag_evidence(r->found, f, "%s collections ended meanwhile",
                      diag_number(r, (uint64_t)cycles));
    if (costly)
        diag_evidence(r->found, f, "the collector took %.0f %% of the processors", 100 * gc / cpu);
    f->why = "each takes the heap's lock, new pages that must be zeroed, and brings the next "
             "collection nearer";
    f->mend = "use buffers again (a pool, a buffer for each worker), or work in pieces";
    f->sure = DIAG_PROVED;
    f->sure_why = "the runtime counts them";
    f->next = "gospect profile {target} allocs";
    f->weight = bytes / seconds / 1e6;
    diag_value_rate(r->found, f, "large_per_second", count / seconds);
    diag_value_int(r->found, f, "large_bytes", DIAG_BYTES, (int64_t)bytes);
}
