/* image_int.h - finding and placing a program's image with what is in memory. */
#ifndef GOSPECT_TARGET_IMAGE_INT_H
#define GOSPECT_TARGET_IMAGE_INT_H

#include "target/target_int.h"

/* An image made of the loaded segments, found by its program headers in memory (AT_PHDR, AT_PHNUM).
 * It has neither sections nor DWARF. */
struct err *image_from_memory(struct target *t, taddr phdr, uint64_t phnum,
                              struct image **ret) MUST_USE;

/* Where an image is loaded: by its entry point (AT_ENTRY; 0: not known), else by the memory map.
 * NOT_FOUND when the memory holds no such program. */
struct err *image_slide(struct target *t, const struct image *img, taddr entry,
                        taddr *ret) MUST_USE;

/* Attaches the debug file of a stripped program when there is one, as gdb finds it: beside the
 * program, or below /usr/lib/debug.  path: of the program as its own root sees it, NULL: its name;
 * root: put before absolute paths, NULL: none.  Call it before anything asks for DWARF. */
void image_use_debug_file(struct image *img, const char *path, const char *root);

#endif
