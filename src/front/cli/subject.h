/* subject.h - what a command looks at: the one place where TARGET gets its meaning.
 *
 *     4242            a pid                         pid:4242
 *     orders-api      the Go process of that name   name:orders-api
 *     ./orders        the process that runs this program file
 *     core.4242       a core file                   core:core.4242
 *     before.gsnap    a snapshot                    snap:before.gsnap
 *
 * Order: a prefix decides; digits are a pid; a file that exists is what it contains; else a name.
 * Owner: cli_subject_close().  Thread: the one that opened it. */
#ifndef GOSPECT_FRONT_CLI_SUBJECT_H
#define GOSPECT_FRONT_CLI_SUBJECT_H

#include "front/cli/cli_int.h"
#include "rt/rt.h"

enum cli_subject_kind { CLI_LIVE, CLI_CORE, CLI_SNAP };

struct cli_subject {
    enum cli_subject_kind kind;
    struct cli *cli;
    const char *text;      /* as the user wrote it */
    pid_t pid;             /* LIVE */
    const char *path;      /* CORE, SNAP; points into text */
    struct target *target; /* LIVE, CORE, once opened */
    struct rt *rt;
};

/* Finds out what the text means; opens nothing yet. */
struct err *cli_subject_find(struct cli *c, const char *text, struct cli_subject *ret) MUST_USE;
/* The same, for commands that need a live process. */
struct err *cli_subject_find_live(struct cli *c, const char *text,
                                  struct cli_subject *ret) MUST_USE;

/* Whether a file is a program or library: not a core file, nor anything that could not be read. */
bool cli_subject_is_program(const char *path);

/* LIVE, CORE: opens target and runtime.  SNAP: nothing. */
struct err *cli_subject_open(struct cli_subject *s) MUST_USE;
struct err *cli_subject_target(struct cli_subject *s) MUST_USE; /* the target alone, without rt */
void cli_subject_close(struct cli_subject *s);

/* The evidence: captured (the options of the command line are in o), or read from the file. */
struct err *cli_subject_snap(struct cli_subject *s, const struct rt_capture_options *o,
                             struct snap **ret) MUST_USE;
/* SNAP: the same in two steps.  The first may run in any thread; the second says what is to be said
 * about it. */
struct err *cli_subject_read(const struct cli_subject *s, struct snap **ret) MUST_USE;
void cli_subject_remarks(struct cli_subject *s, const struct snap *snap);
/* The same without goroutines: identity and counters. */
struct err *cli_subject_info(struct cli_subject *s, struct snap **ret) MUST_USE;

/* The two steps before and after it, too: identity and counters of what the user named. */
struct err *cli_info_of(struct cli *c, const char *text, struct snap **ret) MUST_USE;

/* What --consistency, --locals ... ask for. */
struct rt_capture_options cli_capture_options(struct cli *c);

/* How the target is written on a command line that shows more of it. */
void cli_subject_word(const struct cli_subject *s, struct buf *b);

#endif
