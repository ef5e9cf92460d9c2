/* pcln_int.h - what the files that read the function table share. */
#ifndef GOSPECT_IMAGE_PCLN_INT_H
#define GOSPECT_IMAGE_PCLN_INT_H

#include <string.h>

#include "image/image_int.h"
#include "image/pclntab.h"

enum {
    PCLN_MAGIC_118 = 0xfffffff0,
    PCLN_MAGIC_120 = 0xfffffff1,
    PCLN_HEADER_N = 8 + 8 * 8,
    PCLN_FTAB_ROW = 8,
};

static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* n bytes at base + off, or NULL when they are not in the table */
static inline const uint8_t *pcln_part(const struct pcln *p, const uint8_t *base, uint64_t off,
                                       size_t n)
{
    size_t room = (size_t)(p->bytes + p->n - base);
    return off <= room && n <= room - off ? base + off : NULL;
}

bool pcln_plausible_header(const uint8_t *p, size_t n);
const char *pcln_text(const struct pcln *p, const uint8_t *base,
                      uint64_t off); /* "" when outside */
/* Offset in the file table of a function's file number; UINT32_MAX: none. */
uint32_t pcln_file_off(const struct pcln *p, const struct pcln_func *f, int32_t index);
uint32_t pcln_funcdata_off(const struct pcln *p, const struct pcln_func *f, unsigned which);

/* One row of the inlining tree. */
struct inlined_call {
    uint8_t func_id;
    uint32_t name; /* offset in the name table */
    int32_t parent_pc, start_line;
};
bool pcln_inlined_call(const struct pcln *p, const uint8_t *tree, size_t n, int32_t index,
                       struct inlined_call *ret);

/* pcln_index.c: an index that is made at the first question. */
struct pcln_index *pcln_index_new(void);
void pcln_index_free(struct pcln_index *ix);

#endif
