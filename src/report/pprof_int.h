/* pprof_int.h - building a profile (profile.proto of github.com/google/pprof) from stacks of a
 * snapshot:
 *
 *     pprof_init(&p, s);
 *     pprof_sample_type(&p, "alloc_space", "bytes");     one for each value of a sample
 *     pprof_period(&p, "space", "bytes", 524288);
 *     pprof_add(&p, &sample) ...
 *     e = pprof_finish(&p, out);                          writes it, gzipped, and frees p */
#ifndef GOSPECT_REPORT_PPROF_INT_H
#define GOSPECT_REPORT_PPROF_INT_H

#include "base/buf.h"
#include "report/report.h"
#include "snap/snap.h"

struct pprof {
    const struct snap *s;
    struct buf out;        /* the message, without its string table */
    struct intern strings; /* its string table */
    struct map functions;  /* function, file -> id */
    struct map locations;  /* first frame, pc, after a panic -> id, 0: nothing of it is shown */
    struct map named;      /* string of a name -> location */
    uint32_t nfunctions, nlocations;
};

struct pprof_sample {
    uint32_t node;        /* stack; SNAP_NONE: none */
    uint32_t first_frame; /* of its innermost pc: inlined calls before it are not shown */
    uint32_t labels;      /* label set of the snapshot; 0: none */
    uint64_t bytes;       /* label "bytes"; 0: none */
    const int64_t *values;
    size_t nvalues;
};

void pprof_init(struct pprof *p, const struct snap *s); /* s must outlive p */
void pprof_sample_type(struct pprof *p, const char *type, const char *unit);
void pprof_default_type(struct pprof *p, const char *type); /* which value is shown first */
void pprof_period(struct pprof *p, const char *type, const char *unit, int64_t period);
void pprof_add(struct pprof *p, const struct pprof_sample *sample);
/* A sample whose stack is names instead of code, innermost first. */
void pprof_add_names(struct pprof *p, const char *const *names, size_t n, const int64_t *values,
                     size_t nvalues);
void pprof_comment(struct pprof *p, struct buf *text); /* takes the text */
/* Who made it of what, what it cost the process, what could not be read. */
void pprof_comments(struct pprof *p);
struct err *pprof_finish(struct pprof *p, struct report_sink out) MUST_USE;

#endif
