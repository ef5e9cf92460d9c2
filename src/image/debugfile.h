/* debugfile.h - debugging information that is not in the program but in a file of its own.
 *
 * Distributions and builds strip programs and keep the rest elsewhere: in the same directory or
 * below /usr/lib/debug, by name (.gnu_debuglink) or by build id.  Other sources (a symbol server,
 * a cache) are finders that front/ registers; this room knows none of them.
 *
 * To add a source: write a find function, register it with image_add_finder(). */
#ifndef GOSPECT_IMAGE_DEBUGFILE_H
#define GOSPECT_IMAGE_DEBUGFILE_H

#include "image/image.h"

/* What is known of the program whose debug file is looked for. */
struct image_wanted {
    const char *gnu_build_id, *go_build_id; /* "" when it has none */
    const char *path;                       /* of the program, as its own root sees it */
    const char *root;                       /* put before absolute paths; "" */
    const char *debuglink;                  /* .gnu_debuglink's name; "" when it has none */
    uint32_t debuglink_crc;
};

struct image_finder {
    const char *name; /* for messages */
    /* NOT_FOUND: does not know it.  The image found is checked by the caller. */
    struct err *(*find)(void *arg, const struct image_wanted *w, struct image **ret);
    void *arg;
};

/* For all images of the process, asked after the file system, in the order they were added.  The
 * struct must stay.  Thread: before any image is asked. */
void image_add_finder(const struct image_finder *f);

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
struct image *image_debug(const struct image *img); /* what is attached; NULL; no reference */

/* Opens a debug file: an ELF file whose segments need not be there. */
struct err *image_open_debug(const char *path, struct image **ret) MUST_USE;

#endif
