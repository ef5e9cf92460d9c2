/* regex.h - regular expressions as Go writes them, matched in linear time.
 *
 * Users of Go type RE2 syntax, and patterns may come from a peer: so not regcomp(), whose syntax is
 * another and whose memory a short pattern can exhaust.  Supported: literals, . [..] [^..]
 * [:alpha:] \d \D \w \W \s \S \b \B \A \z ^ $, groups ( ) (?: ) (?i) (?i: ) (?s), alternation, * +
 * ? {n} {n,} {n,m} and their lazy forms (the same here: a match is a yes or no).  It works on
 * bytes: a character outside ASCII matches as the bytes it has, and cannot stand in brackets.
 *
 * Cost of a match: length of the text times length of the pattern, at worst.  Owner: the caller.
 * Thread: any number may match with one regex at once. */
#ifndef GOSPECT_BASE_REGEX_H
#define GOSPECT_BASE_REGEX_H

#include "base/err.h"

struct regex;

/* ERR_USAGE when the pattern is wrong: what was expected, *ret_at the byte where (may be NULL). */
struct err *regex_compile(const char *pattern, struct regex **ret, size_t *ret_at) MUST_USE;
void regex_free(struct regex *re);

/* Whether the pattern fits anywhere in the text. */
bool regex_match(const struct regex *re, const char *text);
bool regex_matchn(const struct regex *re, const char *text, size_t n);

#endif
