/* sections.h - the `sections` command: the list of ELF sections, and the contents of one.
 *
 * The reports cannot see a binary (src/DEPS): front/ hands in what it read. */
#ifndef GOSPECT_REPORT_SECTIONS_H
#define GOSPECT_REPORT_SECTIONS_H

#include "report/report.h"

struct report_section {
    const char *name;
    const char *type; /* PROGBITS, NOTE, ...; a number as text when unknown */
    taddr addr;
    uint64_t size;           /* uncompressed */
    uint64_t file_size;      /* in the file: less when compressed, 0 for NOBITS */
    const char *flags;       /* letters as readelf has them: WAXMS... */
    const char *compression; /* NULL: none; "zlib", "zstd", "zlib-gnu" */
    const char
        *note; /* what people should know ("added by the user", "unreadable: ..."); or NULL */
};

struct err *report_sections_text(const struct report_section *v, size_t n,
                                 const struct report_style *style, struct report_sink out) MUST_USE;
struct err *report_sections_json(const struct report_section *v, size_t n,
                                 struct report_sink out) MUST_USE; /* docs/formats/sections.md */

enum report_bytes_as {
    REPORT_BYTES_AUTO,
    REPORT_BYTES_TEXT,
    REPORT_BYTES_HEX,
    REPORT_BYTES_STRINGS,
    REPORT_BYTES_RAW
};
/* AUTO: text when every byte is printable UTF-8 (a final NUL is left out), else hex.  HEX begins
 * each line with its address. */
struct err *report_bytes(const uint8_t *bytes, size_t n, taddr addr, enum report_bytes_as as,
                         const struct report_style *style, struct report_sink out) MUST_USE;
struct err *report_section_json(const struct report_section *section, const uint8_t *bytes,
                                size_t n, struct report_sink out) MUST_USE;

#endif
