/* diag.h - what is wrong, told from evidence alone.
 *
 * A diagnosis reads one snapshot, and where there is one an earlier snapshot of the same process
 * and a series of pulses between the two, and adds findings.  It sees no process, so every
 * diagnosis can be tested with a snapshot made by hand.
 *
 * To add one: write src/diag/NAME.c with diag_NAME(), add its row to diagnoses.def, describe it in
 * docs/diagnoses.md (a test compares), and test it with a snapshot that has the fault and with one
 * that looks like it and is healthy.  A false alarm is worse than silence.
 *
 * Owner: the caller (diag_findings_free()).  Thread: one at a time; snapshots are only read. */
#ifndef GOSPECT_DIAG_DIAG_H
#define GOSPECT_DIAG_DIAG_H

#include "diag/finding.h"
#include "snap/snap.h"

/* A cheap look between two snapshots. */
struct diag_pulse {
    int64_t mono_ns;
    uint32_t goroutines;
    uint32_t threads, idle_threads, spinning_threads;
    uint32_t gomaxprocs, idle_procs;
    uint32_t runq_global, runq_local, runq_local_max;
    uint32_t gc_cycles;
};

struct diag_input {
    const struct snap *now;          /* the evidence that is shown */
    const struct snap *before;       /* an earlier one of the same process; NULL: one look only */
    const struct diag_pulse *pulses; /* in order of time; may be empty */
    size_t npulses;
};

/* Every diagnosis, the findings sorted.  A finding's `next` is a command with {target} in place of
 * what the user calls the target: "gospect goroutines {target} --full". */
void diag_examine(const struct diag_input *in, struct diag_findings *ret);

struct diag_run;

/* The diagnoses there are, in the order of diagnoses.def. */
struct diagnosis {
    const char *key, *title;
    void (*run)(struct diag_run *run);
};
extern const struct diagnosis diag_list[];
extern const size_t diag_count;

/* Are these two looks at the same process, the first one earlier?  Otherwise says why not. */
bool diag_comparable(const struct snap *before, const struct snap *now, const char **ret_why);

#endif
