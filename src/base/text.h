/* text.h - text for people: columns, wrapping, shortening, and numbers in words.
 *
 * Text is UTF-8.  A column is what a character takes on a terminal: East Asian wide ones two,
 * combining ones none, escape sequences (colours) none.  Bytes that are not UTF-8, and control
 * characters, count one column each; text_clean() makes them harmless before they are shown. */
#ifndef GOSPECT_BASE_TEXT_H
#define GOSPECT_BASE_TEXT_H

#include "base/buf.h"

/* The length of the well-formed UTF-8 sequence that n bytes begin with, its code point in *cp; 0:
 * there is none.  n > 0. */
size_t text_utf8(const char *s, size_t n, uint32_t *cp);

size_t text_width(const char *s); /* columns of a whole text */
size_t text_widthn(const char *s, size_t n);

/* Appends text, broken at spaces so that no line is wider than `width`; the first line begins at
 * column `at` (what stands there is the caller's), the others after `indent` spaces.  A newline in
 * the text begins a new line; a word wider than a line stays whole.  No newline at the end. */
void text_wrap(struct buf *b, const char *text, size_t width, size_t at, size_t indent);

enum text_cut { TEXT_CUT_END, TEXT_CUT_MIDDLE, TEXT_CUT_START };
/* Appends s in at most `columns`, with … where something was cut. */
void text_fit(struct buf *b, const char *s, size_t columns, enum text_cut cut);
/* Appends s and spaces up to `columns`: behind it, or before it when right-aligned. */
void text_pad(struct buf *b, const char *s, size_t columns, bool right);

/* Appends s with control characters as ^X, bytes that are not UTF-8 and characters that change
 * the order of others as U+FFFD: what a target calls itself must not drive the terminal, or read as
 * something else. */
void text_clean(struct buf *b, const char *s);
/* Appends n bytes in quotes, as Go's %q has them: what does not show is escaped. */
void text_quote(struct buf *b, const char *s, size_t n);
/* How many of n bytes, at most 3 less, do not end within a character. */
size_t text_whole(const char *s, size_t n);

/* Numbers as people say them; exact ones belong into --json.  SI units. */
void text_count(struct buf *b, uint64_t n);       /* 12,408 */
void text_bytes(struct buf *b, uint64_t n);       /* 8.8 kB, 412 MB, 1.10 GB */
void text_ns(struct buf *b, int64_t ns);          /* 7.2 ms, 61 s, 12 min, 71 h, 4 d 3 h */
void text_rate(struct buf *b, double per_second); /* +14/min, -3/s, +0/s */
void text_clock(struct buf *b, int64_t wall_ns,
                bool day); /* local 12:04:05.200, day: date before */

#endif
