/* watch.h - what `gospect watch` shows: a picture that is redrawn, lines, or lines of JSON. */
#ifndef GOSPECT_FRONT_CLI_WATCH_H
#define GOSPECT_FRONT_CLI_WATCH_H

#include "front/cli/storm.h"
#include "front/cli/subject.h"

enum { WATCH_HISTORY = 60 /* samples of the sparkline */ };

struct cli_watch_view {
    struct cli *cli;
    bool picture; /* redraws on a terminal */
    size_t drawn; /* lines of the picture that stand there */
    const char *name, *go_version;
    pid_t pid;
    int64_t started_wall_ns, began_mono_ns;
    bool have_states;
    uint32_t by_status[SNAP_G_COUNT];
    uint32_t history[WATCH_HISTORY]; /* goroutines, one for each picture */
    size_t nhistory;
    uint32_t gc_first; /* cycles when we began */
    struct {
        int64_t mono_ns; /* of the look that was shown before; 0: none */
        uint64_t total_alloc;
        int64_t cpu_gc_ns, cpu_ns; /* when they last changed */
    } before;
    double alloc_rate; /* bytes a second between two looks that are shown; < 0: not known */
    double gc_share;   /* of processor time, in the last cycles; < 0: not known */
    bool have_first;
    struct arena arena;
};

enum cli_watch_event_kind { WATCH_STORM, WATCH_OVER, WATCH_ENDED };

struct cli_watch_event {
    enum cli_watch_event_kind kind;
    int64_t wall_ns;
    uint32_t goroutines, threshold, peak;
    double growth, growth_limit;
    int64_t lasted_ns;
    const char *file;       /* the snapshot that was saved; NULL: none */
    struct err *save_error; /* why not; NULL */
};

struct err *cli_watch_begin(struct cli_watch_view *v, struct cli *c,
                            struct cli_subject *s) MUST_USE;
void cli_watch_end(struct cli_watch_view *v);
void cli_watch_sample(struct cli_watch_view *v, const struct rt_pulse *p,
                      const struct cli_storm *storm);
struct err *cli_watch_show(struct cli_watch_view *v, const struct rt_pulse *p,
                           const struct cli_storm *storm) MUST_USE;
struct err *cli_watch_event(struct cli_watch_view *v, const struct cli_watch_event *ev) MUST_USE;

#endif
