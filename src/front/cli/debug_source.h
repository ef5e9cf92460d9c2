/* debug_source.h - Go source on a terminal: files, their lines, the colours of the language.
 *
 * Files are read once and kept.  What a line begins in (a comment, a raw string) is known from the
 * lines above it.  Owner: sources_free(). */
#ifndef GOSPECT_FRONT_CLI_DEBUG_SOURCE_H
#define GOSPECT_FRONT_CLI_DEBUG_SOURCE_H

#include "base/buf.h"
#include "base/file.h"
#include "base/vec.h"

struct source_file {
    char *path;      /* owned */
    struct buf text; /* read, not mapped: it may be edited meanwhile */
    bool readable;
    VEC(uint32_t) lines; /* offsets of their beginnings */
    VEC(uint8_t) states; /* enum source_state at their beginnings */
};
struct sources {
    VEC(struct source_file *) files;
};

/* NULL: it cannot be read. */
const struct source_file *sources_open(struct sources *s, const char *path);
void sources_free(struct sources *s);
unsigned source_lines(const struct source_file *f);
/* Appends a line (numbered from 1) without its end, tabs as four blanks, harmless on a terminal. */
void source_line(const struct source_file *f, unsigned line, bool color, struct buf *b);

#endif
