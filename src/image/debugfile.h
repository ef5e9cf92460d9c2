/* debugfile.h - debugging information that is not in the program but in a file of its own.
 *
 * Distributions and builds strip programs and keep the rest elsewhere: in the same directory or
 * below /usr/lib/debug, by name (.gnu_debuglink) or by build id. */
#ifndef GOSPECT_IMAGE_DEBUGFILE_H
#define GOSPECT_IMAGE_DEBUGFILE_H

#include "image/image.h"

struct image_find_debug_options {
    const char *path;        /* of the program as its own root sees it; NULL: the image's name */
    const char *root;        /* "/proc/PID/root" for a program in a container; NULL: none */
    const char *const *dirs; /* in place of /usr/lib/debug; NULL-terminated; NULL: that one */
};

/* Looks for the debug file and attaches it.  NOT_FOUND: there is none, with all places in the
 * message.  An image that has DWARF of its own is left as it is. */
struct err *image_find_debug(struct image *img, const struct image_find_debug_options *o) MUST_USE;

/* Takes DWARF and symbols from another file, which gets a reference.  BAD_DATA: it belongs to
 * another build.  Call it before anything asks for DWARF. */
struct err *image_attach_debug(struct image *img, struct image *debug) MUST_USE;

/* Opens a debug file: an ELF file whose segments need not be there. */
struct err *image_open_debug(const char *path, struct image **ret) MUST_USE;

#endif
