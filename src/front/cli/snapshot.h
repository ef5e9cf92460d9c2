/* snapshot.h - snapshots that are taken when something happens (--at, --when, --every): a series.
 *
 * A series ends when it has its number of snapshots, when its time is up, with Ctrl-C, or with the
 * process; what was written by then is complete and stays.  That is no error unless nothing was
 * written at all. */
#ifndef GOSPECT_FRONT_CLI_SNAPSHOT_H
#define GOSPECT_FRONT_CLI_SNAPSHOT_H

#include "front/cli/subject.h"

/* What chose a moment: rows of the table meta (snap/meta.def). */
struct cli_trigger {
    const char *kind, *spec;
    int64_t goroutine; /* 0: none did */
    pid_t tid;         /* 0: no thread did */
    taddr pc;
    const char *place, *syscall, *values; /* NULL or "": not known, or none */
};

struct cli_series {
    struct cli *cli;
    struct rt_capture_options o;
    uint64_t count;   /* ends after so many; 0: no end */
    int64_t until_ns; /* monotonic; 0: no end */
    uint64_t n;       /* so many have been saved */
    const char *over; /* why it has ended before its count; NULL: it has not */
};

/* ---- snapshot_series.c ---- */

/* Whether one is asked for; USAGE: what makes no sense. */
struct err *cli_series_wanted(const struct cli *c, bool *ret) MUST_USE;
struct err *cli_series_run(struct cli *c, const struct rt_capture_options *o) MUST_USE;

/* Whether it goes on: clock and signals are asked, too. */
bool cli_series_goes_on(struct cli_series *s);
/* How long to wait for something, at most. */
int64_t cli_series_slice(const struct cli_series *s);
/* Tells the user that from now on nothing is missed. */
void cli_series_waits(struct cli_series *s, const char *spec);
/* The process is gone, or Ctrl-C came in the middle: the series is over, and e freed.  Others are
 * returned. */
struct err *cli_series_error(struct cli_series *s, struct err *e) MUST_USE;
/* Writes a snapshot, with what chose its moment, and says so.  began: when it was chosen. */
struct err *cli_series_save(struct cli_series *s, struct snap *snap, const struct cli_trigger *t,
                            int64_t began) MUST_USE;

/* ---- how they wait: snapshot_at.c, snapshot_when.c ---- */

struct err *cli_snapshot_at(struct cli_series *s, struct cli_subject *subject) MUST_USE;
struct err *cli_snapshot_when(struct cli_series *s, struct cli_subject *subject) MUST_USE;
struct err *cli_snapshot_every(struct cli_series *s, struct cli_subject *subject) MUST_USE;

/* ---- cmd_snapshot.c: one snapshot ---- */

/* Whether all that was asked for is in it. */
struct err *cli_snapshot_check(const struct rt_capture_options *o, const struct snap *s) MUST_USE;
struct err *cli_snapshot_save(struct cli *c, const struct snap *s, const char *path,
                              int64_t began) MUST_USE;
void cli_snapshot_name(const struct snap *s, struct buf *ret); /* where no name was given */

#endif
