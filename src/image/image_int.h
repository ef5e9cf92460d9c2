/* image_int.h - what the files of image/ share. */
#ifndef GOSPECT_IMAGE_IMAGE_INT_H
#define GOSPECT_IMAGE_IMAGE_INT_H

#include <elf.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/cursor.h"
#include "base/file.h"
#include "base/map.h"
#include "image/image.h"

struct image_content { /* decompressed bytes of a section */
    const uint8_t *p;
    size_t n;
    uint8_t *owned; /* NULL: p points into the file */
    bool ready;
    pthread_mutex_t lock; /* of this section alone, so that several inflate at once */
};

struct image_strs { /* a string table */
    const uint8_t *p;
    size_t texts_n; /* a text that begins below this offset ends inside the table */
};

struct image {
    atomic_int refs;
    struct arena arena;
    char *name;
    struct file_map file; /* the mapping, when there is one */
    const uint8_t *bytes; /* the file; NULL: made of parts in memory */
    size_t n;
    bool debug_file;  /* its segments need not be there */
    bool from_memory; /* addresses are those of a process; words are relocated */
    Elf64_Ehdr ehdr;
    size_t nphdrs;
    struct image_segment *segments;
    size_t nsegments;
    struct image_section *sections;
    size_t nsections;
    struct image_content *contents; /* one per section */
    taddr eh_frame_hdr, dynamic;    /* PT_GNU_EH_FRAME, PT_DYNAMIC; size 0: none */
    uint64_t eh_frame_hdr_n, dynamic_n;
    const char *go_build_id, *gnu_build_id;
    struct image *debug; /* a debug file, attached; one reference */
    void (*closed)(void *arg);
    void *closed_arg;

    pthread_mutex_t lock; /* guards everything below, filled on demand */
    struct image_buildinfo *buildinfo;
    struct symbols *symbols;
    struct relocs *relocs;

    pthread_mutex_t module_lock;
    struct module *module; /* moduledata.c */

    pthread_mutex_t dwarf_lock;
    _Atomic(struct dwarf *) dwarf; /* NULL until somebody asks */
    struct frames *frames;         /* dwarf_frame.c */

    struct image *program; /* whose library it is; NULL: none's */
    uint32_t number;       /* of the library, from 1; 0: it is none */
    _Atomic(struct libraries *) libraries;
};

struct libraries {
    _Atomic(struct image *) v[IMAGE_LIBRARIES];
};

/* image.c */
struct err *image_open_as(const char *path, bool debug_file, struct image **ret) MUST_USE;
/* What the file has from vaddr to the end of its segment; 0: nothing. */
size_t image_at_most(const struct image *img, taddr vaddr, const uint8_t **ret);
/* .eh_frame_hdr, by segment or section. */
bool image_eh_frame_hdr(struct image *img, const uint8_t **ret, size_t *ret_n, taddr *ret_vaddr);

/* elf.c */
struct err *elf_parse(struct image *img) MUST_USE;
struct err *elf_take_parts(struct image *img, const struct image_part *parts, size_t n) MUST_USE;
bool image_in_file(const struct image *img, uint64_t off, uint64_t n);
void image_parse_notes(struct image *img, const uint8_t *p, size_t n);
void image_open_strs(const struct image *img, uint64_t off, uint64_t size, struct image_strs *ret);
const char *image_table_str(const struct image_strs *t, uint64_t index); /* "" when outside */

/* elf_reloc.c: calls fn with the place of every relocation whose result is this link-time address;
 * ends, and returns true, when it returns true. */
bool image_each_relative(struct image *img, taddr value, bool (*fn)(void *arg, taddr vaddr),
                         void *arg);

/* Whether `path` is `want`, or ends with it after a slash. */
bool image_path_matches(const char *path, const char *want);

/* The DWARF of the program that an image is, or is a library of (number 0), or of one of its
 * libraries, if it was asked for; NULL: not, or there is none of that number. */
struct dwarf *image_dwarf_numbered(const struct image *any, uint64_t number);

void image_module_free(struct module *m);
void image_symbols_free(struct symbols *s);
void image_relocs_free(struct relocs *r);
void dwarf_frames_close(struct frames *f);
/* buildinfo.c */
struct err *buildinfo_parse(struct image *img, struct image_buildinfo *ret) MUST_USE;

#endif
