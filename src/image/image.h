/* image.h - what a binary says: ELF, build info, pclntab, DWARF.
 *
 * An image is an ELF file (mapped), or the parts of one that are still in a process when the file
 * is gone.  Addresses in an image are link-time addresses ("vaddr"); target/ knows where the image
 * was loaded.  Everything below works on binaries without section headers and without symbols.
 *
 * Owner: images are counted; image_open*() gives one reference, image_unref() takes it.
 * Thread: any number of readers; parts that are parsed on demand are guarded. */
#ifndef GOSPECT_IMAGE_IMAGE_H
#define GOSPECT_IMAGE_IMAGE_H

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"

struct image;

struct image_segment { /* a PT_LOAD */
    taddr vaddr;
    uint64_t filesz, memsz;
    const uint8_t *bytes; /* filesz of them */
    bool readable, writable, executable;
};

struct image_section {
    const char *name; /* lives as long as the image */
    uint32_t type;    /* SHT_* */
    uint64_t flags;   /* SHF_* */
    taddr vaddr;
    uint64_t offset, size; /* as stored in the file */
    uint64_t link, info, align, entsize;
    bool compressed;
};

struct err *image_open(const char *path, struct image **ret) MUST_USE;
/* fd stays the caller's.  name is used in messages. */
struct err *image_open_fd(int fd, const char *name, struct image **ret) MUST_USE;
/* The bytes are used where they are: they must outlive the image (see image_on_close()). */
struct err *image_open_bytes(const void *bytes, size_t n, const char *name,
                             struct image **ret) MUST_USE;

/* A program whose file is gone, made of what a process or a core still has of it.  Addresses are
 * those of the process, so it has no slide, and the words in it are relocated already.  It has no
 * sections; everything that is found without them works.  The bytes must outlive the image. */
struct image_part {
    taddr vaddr;
    const uint8_t *bytes;
    size_t n;
    bool readable, writable, executable;
};
struct err *image_open_parts(const struct image_part *parts, size_t n, const char *name,
                             struct image **ret) MUST_USE;

/* Makes an image one of the libraries of a program (Go: a plugin): their DIEs get ids that differ
 * (dwarf.h).  Before the DWARF of the library is asked for the first time.  Neither keeps the
 * other: image_remove_library() before one of them goes, and when no id of the library is kept any
 * more. LIMIT: there are IMAGE_LIBRARIES of them. */
enum { IMAGE_LIBRARIES = 1024 };
struct err *image_add_library(struct image *program, struct image *library) MUST_USE;
void image_remove_library(struct image *library); /* fine if it is none */

/* Calls fn when the last reference goes: to free the bytes that an image was opened on. */
void image_on_close(struct image *img, void (*fn)(void *arg), void *arg);

struct image *image_ref(struct image *img);
void image_unref(struct image *img);

const char *image_name(const struct image *img);
bool image_is_pie(const struct image *img);
uint16_t image_machine(const struct image *img); /* EM_* */
taddr image_entry(const struct image *img);      /* where the program starts, link-time */
size_t image_segments(const struct image *img, const struct image_segment **ret);
size_t image_sections(const struct image *img, const struct image_section **ret);
const struct image_section *image_find_section(const struct image *img, const char *name);

/* The section's content, decompressed (SHF_COMPRESSED zlib or zstd, and .zdebug_*); kept until the
 * image goes.  Never NULL on success. */
struct err *image_section_bytes(struct image *img, const struct image_section *sec,
                                const uint8_t **ret, size_t *ret_n) MUST_USE;

/* How the section is packed ("zlib", "zstd", "zlib-gnu"; NULL: not at all), and its unpacked size
 * as its header claims it; nothing is unpacked.  A header that makes no sense is an error. */
struct err *image_section_compression(const struct image *img, const struct image_section *sec,
                                      const char **ret, uint64_t *ret_size) MUST_USE;

/* n bytes at a link-time address, without copying; NULL when the file does not have them. */
const uint8_t *image_at(const struct image *img, taddr vaddr, size_t n);

/* The word that a process has at a link-time address once the dynamic linker is done, itself
 * link-time where it is an address: in a PIE the file has it in a relocation.  NOT_FOUND: the file
 * has no such word, or it comes from another file. */
struct err *image_relocated_u64(struct image *img, taddr vaddr, uint64_t *ret) MUST_USE;

/* Symbols, of .symtab (of the attached debug file, when the program has none) and .dynsym; indexed
 * when first asked for.  NOT_FOUND in stripped binaries. */
struct image_symbol {
    const char *name; /* lives as long as the image */
    taddr addr;       /* is_tls: offset in the thread's block */
    uint64_t size;    /* 0: not told */
    bool is_code, is_tls, is_absolute;
};
struct err *image_symbol(struct image *img, const char *name, taddr *ret,
                         uint64_t *ret_size) MUST_USE;
struct err *image_symbol_named(struct image *img, const char *name,
                               struct image_symbol *ret) MUST_USE;
/* The symbol that contains an address. */
struct err *image_symbol_at(struct image *img, taddr addr, struct image_symbol *ret) MUST_USE;
struct err *image_each_symbol(struct image *img,
                              struct err *(*fn)(void *arg, const struct image_symbol *s),
                              void *arg) MUST_USE;

/* Addresses of many names in one pass, without an index; ret[i] is 0 where names[i] is not there.
 */
void image_find_symbols(struct image *img, const char *const *names, size_t n, taddr *ret);

/* Go's build id (.note.go.buildid), the GNU build id in hex; "" when there is none. */
const char *image_go_build_id(const struct image *img);
const char *image_gnu_build_id(const struct image *img);

/* Build information (debug/buildinfo; Go 1.18+ keeps the strings inline). */
struct image_module {
    const char *path, *version, *sum;
    const char *replace_path, *replace_version, *replace_sum; /* "" when not replaced */
};
struct image_setting {
    const char *key, *value;
};
struct image_buildinfo {
    const char *go_version; /* "go1.24.3" */
    const char *path;       /* package path of main */
    struct image_module main;
    struct image_module *deps;
    size_t ndeps;
    struct image_setting *settings;
    size_t nsettings;
};
/* NOT_FOUND: not a Go binary.  Owned by the image. */
struct err *image_buildinfo(struct image *img, const struct image_buildinfo **ret) MUST_USE;

#endif
