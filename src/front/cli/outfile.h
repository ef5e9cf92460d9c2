/* outfile.h - names of files that gospect writes.
 *
 * Without --output a name is made of program, pid and time.  An existing file is replaced only with
 * --force; what a storm or a series saves never replaces anything. */
#ifndef GOSPECT_FRONT_CLI_OUTFILE_H
#define GOSPECT_FRONT_CLI_OUTFILE_H

#include "base/buf.h"
#include "base/file.h"
#include "front/cli/cli_int.h"
#include "report/report.h"

/* The file --output names, or "NAME-PID-20260102T030405.SUFFIX".  ERR_USAGE when it exists and
 * --force was not given. */
struct err *cli_outfile(struct cli *c, const char *name, pid_t pid, const char *suffix,
                        struct buf *ret) MUST_USE;

/* "NAME-PID-20260102T030405.SUFFIX" of now. */
void cli_outfile_name(const char *name, pid_t pid, const char *suffix, struct buf *ret);

/* Whether --output is standard output: "-", or its name. */
bool cli_to_stdout(const struct cli *c);
/* ERR_USAGE when it is, and something else goes there, or it is a terminal; what: "a core". */
struct err *cli_check_stdout(const struct cli *c, const char *what) MUST_USE;
/* What is said about a file that was written: on standard output, unless the file went there. */
struct err *cli_say_written(struct cli *c, const struct buf *lines) MUST_USE;

/* Whether a file can be made there: said now, not when the work is done or the moment is gone.
 * Asking for permission does not tell (root, /proc), making one does. */
struct err *cli_outfile_place(const char *path) MUST_USE;

/* The same of every option of the command line that names a file to write (OUTFILE), and that none
 * of them is there already, unless with --force. */
struct err *cli_outfiles_check(const struct cli *c) MUST_USE;

/* %t becomes the time, %n the first number that makes a new name, %% a %.  Without %n a name that
 * is taken gets "-2", "-3" ... before its ending.  before: so many names of that pattern are known
 * to be taken. */
struct err *cli_outfile_pattern(const char *pattern, int64_t wall_ns, uint64_t before,
                                struct buf *ret) MUST_USE;

/* Where a report writes to that goes into a file. */
struct report_sink cli_file_sink(struct file_out *out);

#endif
