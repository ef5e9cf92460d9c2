/* image_parts.h - input of the fuzzers of image/ that need several sections at once.
 *
 * An input is a row of parts: a kind byte, a 16-bit little-endian length, as many bytes (fewer at
 * the end).  What a kind means the fuzzer's table says: the name of a section.  tools/fuzz-seeds
 * writes the same.  The mutator changes one part and leaves the frame around it intact, so that
 * mutations reach what is deep inside a section. */
#ifndef GOSPECT_FUZZ_IMAGE_PARTS_H
#define GOSPECT_FUZZ_IMAGE_PARTS_H

#include <sched.h>
#include <stdlib.h>

#include "../tests/unit/image/make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
/* libFuzzer's own; absent where seeds are only replayed */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

enum { PARTS_MAX = 24, PART_HEADER = 3, PARTS_TEXT = 0x400000, PARTS_TEXT_N = 0x10000 };

struct part {
    uint8_t kind;
    const uint8_t *p;
    size_t n;
};

static inline size_t parts_read(const uint8_t *data, size_t size, struct part *ret)
{
    size_t n = 0;
    while (size >= PART_HEADER && n < PARTS_MAX) {
        size_t len = min_u64(data[1] | (size_t)data[2] << 8, size - PART_HEADER);
        ret[n++] = (struct part){.kind = data[0], .p = data + PART_HEADER, .n = len};
        data += PART_HEADER + len;
        size -= PART_HEADER + len;
    }
    return n;
}

/* With one core the readers start no threads, which would take most of the time of a round. */
__attribute__((constructor)) static void stay_on_one_core(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* The first part of a kind; an empty one when there is none. */
static inline struct part parts_find(const struct part *v, size_t n, uint8_t kind)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].kind == kind)
            return v[i];
    return (struct part){.kind = kind, .p = (const uint8_t *)"", .n = 0};
}

/* Mutates one part, chosen by the seed; one time in sixteen the frame as well. */
static inline size_t parts_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    struct part v[PARTS_MAX];
    size_t n = parts_read(data, size, v);
    if (n == 0 || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, max);
    struct part *m = &v[seed / 16 % n];
    size_t before = (size_t)(m->p - data), after = (size_t)(m->p + m->n - data);
    size_t room = min_u64(max - size + m->n, UINT16_MAX);
    if (room == 0)
        return size; /* an empty part in a full input */
    uint8_t *copy = malloc(room + 1);
    if (m->n)
        memcpy(copy, m->p, m->n);
    size_t now = LLVMFuzzerMutate(copy, m->n, room);
    memmove(data + before + now, data + after, size - after);
    memcpy(data + before, copy, now);
    free(copy);
    data[before - 2] = (uint8_t)now;
    data[before - 1] = (uint8_t)(now >> 8);
    return size - (after - before) + now;
}

#define PARTS_MUTATOR                                                                              \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)          \
    {                                                                                              \
        return parts_mutate(data, size, max, seed);                                                \
    }

/* An ELF file with the parts as sections, the kind being the index of the name, and a segment of
 * code without bytes where the seeds have theirs. */
static inline struct err *parts_open(const struct part *v, size_t n, const char *const *names,
                                     size_t nnames, struct buf *file, struct image **ret)
{
    struct make_elf elf = {0};
    make_load(&elf, PARTS_TEXT, PF_R | PF_X, "", 0)->memsz = PARTS_TEXT_N;
    for (size_t i = 0; i < n; i++)
        if (v[i].kind < nnames && names[v[i].kind])
            make_add(&elf, names[v[i].kind], v[i].p, v[i].n);
    make_file(&elf, file, NULL);
    return image_open_bytes(file->p, file->n, "fuzz", ret);
}

#endif
