/* finding.h - what a diagnosis hands over: a statement about the process with its evidence.
 *
 * A finding says what is wrong (title), what shows it (evidence), why anybody should care (why),
 * how sure it is and for what reason, and what to do next.  Words are for people; `key` and the
 * values are for programs, and stay the same when words change.
 *
 * Owner: the arena of the set.  Thread: one writer while it is made, any number of readers then. */
#ifndef GOSPECT_DIAG_FINDING_H
#define GOSPECT_DIAG_FINDING_H

#include "base/mem.h"
#include "base/vec.h"

enum diag_severity { DIAG_PROBLEM, DIAG_WARNING, DIAG_NOTE, DIAG_NSEVERITIES };
enum diag_sure {
    DIAG_PROVED,    /* cannot be otherwise */
    DIAG_INFERRED,  /* follows from the evidence given */
    DIAG_SUSPECTED, /* likely; sure_why says what speaks against it */
};

enum diag_unit { DIAG_COUNT, DIAG_NS, DIAG_BYTES, DIAG_PER_SECOND, DIAG_ADDR, DIAG_TEXT };

/* A fact of the finding, for programs: {"goroutines": 1812}. */
struct diag_value {
    const char *name; /* snake_case; a suffix _ns, _bytes, _per_second says the unit */
    enum diag_unit unit;
    double number;    /* PER_SECOND */
    int64_t integer;  /* COUNT, NS, BYTES, ADDR */
    const char *text; /* TEXT */
};

struct diag_finding {
    enum diag_severity severity;
    const char *key;            /* machine-readable: "goroutine-cluster" */
    const char *title;          /* one sentence, the number first, no full stop */
    VEC(const char *) evidence; /* lines; what can be checked: counts, places, times */
    const char *why;            /* why it matters; NULL: goes without saying */
    const char *mend;           /* how it is usually mended; NULL: depends */
    enum diag_sure sure;
    const char *sure_why; /* the reason: "counted at one instant, growth over 10 s" */
    const char *next;     /* the command that shows more; NULL: none */
    VEC(struct diag_value) values;
    double weight; /* order among findings of one severity, larger first */
};

struct diag_findings {
    struct arena mem; /* of all texts */
    VEC(struct diag_finding) v;
};

void diag_findings_init(struct diag_findings *f);
void diag_findings_free(struct diag_findings *f);

/* Appends a finding; the returned pointer is good until the next is added.  Texts are copied. */
struct diag_finding *diag_find(struct diag_findings *f, enum diag_severity severity,
                               const char *key, const char *title_fmt, ...) PRINTF_LIKE(4, 5);
void diag_evidence(struct diag_findings *f, struct diag_finding *d, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A text that lives as long as the set, for why, mend, sure_why, next. */
const char *diag_text(struct diag_findings *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
void diag_value_int(struct diag_findings *f, struct diag_finding *d, const char *name,
                    enum diag_unit unit, int64_t v);
void diag_value_rate(struct diag_findings *f, struct diag_finding *d, const char *name,
                     double per_second);
void diag_value_text(struct diag_findings *f, struct diag_finding *d, const char *name,
                     const char *text);

/* Most severe first, then weight. */
void diag_findings_sort(struct diag_findings *f);
size_t diag_findings_count(const struct diag_findings *f, enum diag_severity severity);

#endif
