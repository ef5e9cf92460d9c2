/* manual.h - help texts: from the tables and the pages of docs/man, for terminals and as roff.
 *
 * A page of docs/man is text with a little structure: paragraphs, "## HEADINGS", "- " lists, blocks
 * indented by four spaces that stay as they are, and `words` to type.  What stands before the first
 * heading is the description.  tools/embed-texts puts the pages into the program, so that `gospect
 * help` needs no files. */
#ifndef GOSPECT_FRONT_CLI_MANUAL_H
#define GOSPECT_FRONT_CLI_MANUAL_H

#include "base/buf.h"
#include "front/cli/term.h"

struct cli_manual_text {
    const char *name, *text;
};
extern const struct cli_manual_text cli_manual_texts[]; /* generated; ends with a NULL name */

/* gospect --help, gospect COMMAND --help, gospect help COMMAND (cmd NULL: of gospect itself) */
void cli_manual_overview(struct buf *b, const struct cli_term *t);
void cli_manual_usage(struct buf *b, const struct cli_term *t, const struct cli_cmd *cmd);
void cli_manual_page(struct buf *b, const struct cli_term *t, const struct cli_cmd *cmd);

/* The manual page in man(7) macros; cmd NULL: gospect(1). */
void cli_manual_roff(struct buf *b, const struct cli_cmd *cmd);

/* "gospect goroutines [OPTION]... TARGET" */
void cli_manual_synopsis(struct buf *b, const struct cli_cmd *cmd);

/* Writes the shell's completion script; false: we know no such shell. */
bool cli_completion(struct buf *b, const char *shell);

#endif
