/* term.h - what we write to: terminal or not, how wide, colours, pager.
 *
 * Standard output goes through a cli_out: on a terminal it holds back up to a screen of text and,
 * when more comes, starts a pager; elsewhere it writes in blocks.  A reader that goes away (`|
 * head`) ends the output in silence. */
#ifndef GOSPECT_FRONT_CLI_TERM_H
#define GOSPECT_FRONT_CLI_TERM_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "front/cli/args.h"

enum { CLI_WIDTH_DEFAULT = 100, CLI_WIDTH_MIN = 20 };

struct cli_term {
    bool out_tty, err_tty;
    bool color, err_color; /* on standard output, on standard error */
    size_t width;          /* columns of standard output */
    size_t err_width;
    size_t rows; /* of the terminal; 0: none */
};

void cli_term_init(struct cli_term *t, const struct cli_args *a);
/* The size of the terminal again, after it may have changed. */
void cli_term_resize(struct cli_term *t, const struct cli_args *a);

enum cli_style {
    CLI_PLAIN, /* ends any other */
    CLI_BOLD,
    CLI_DIM,
    CLI_RED,
    CLI_YELLOW,
    CLI_GREEN,
    CLI_CYAN,
    CLI_NSTYLE,
};
/* The escape sequence, "" without colours. */
const char *cli_style(bool color, enum cli_style s);

struct cli_out {
    const struct cli_term *term;
    bool page; /* a pager may be started */
    int fd;
    pid_t pager; /* 0: none runs */
    struct buf held;
    size_t lines; /* held back, as they will stand on the screen */
    bool closed;  /* the reader went away */
};

void cli_out_init(struct cli_out *o, const struct cli_term *t, bool page);
/* A sink for text (and struct json): arg is the cli_out.  ERR_SYS EPIPE when the reader went away.
 */
struct err *cli_out_write(void *arg, const char *bytes, size_t n) MUST_USE;
struct err *cli_out_text(struct cli_out *o, const struct buf *b) MUST_USE;
struct err *cli_out_flush(struct cli_out *o) MUST_USE;  /* what is held goes out, without a pager */
struct err *cli_out_finish(struct cli_out *o) MUST_USE; /* waits for the pager */

#endif
