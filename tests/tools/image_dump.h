/* image_dump.h - what the parts of image_dump share. */
#ifndef GOSPECT_TESTS_IMAGE_DUMP_H
#define GOSPECT_TESTS_IMAGE_DUMP_H

#include <stdio.h>

#include "image/image.h"

/* A text in one field of a line. */
void dump_text(const char *s);
void dump_hex(const uint8_t *p, size_t n);

struct err *dump_dies(struct image *img);
struct err *dump_units(struct image *img);
struct err *dump_lines(struct image *img);
struct err *dump_types(struct image *img);
struct err *dump_funcs(struct image *img);
struct err *dump_scopes(struct image *img);
struct err *dump_globals(struct image *img);
struct err *dump_layout(struct image *img);
struct err *dump_cfi(struct image *img);
struct err *dump_symbols(struct image *img);
struct err *dump_module(struct image *img);
struct err *dump_pclnfuncs(struct image *img);
struct err *dump_pclnlines(struct image *img);
struct err *dump_pclnframes(struct image *img);
struct err *dump_pcsp(struct image *img);
struct err *dump_words(struct image *img);

#endif
