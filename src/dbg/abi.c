/* abi.c - where Go passes arguments and results; see abi_int.h. */
#include <string.h>

#include "dbg/abi_int.h"

enum { DEPTH_MAX = 32, SIZE_LIMIT = 1 << 20 };

static bool take_int(struct abi *a, uint32_t off, uint32_t n)
{
    if (a->ints >= ARRAY_LEN(a->arch->go_args) || a->n == ABI_PARTS_MAX)
        return false;
    a->v[a->n++] = (struct abi_part){.off = off, .n = n, .reg = a->arch->go_args[a->ints++]};
    return true;
}

static bool take_vector(struct abi *a, uint32_t off, uint32_t n)
{
    if (a->vectors >= a->arch->ngo_vectors || a->n == ABI_PARTS_MAX)
        return false;
    a->v[a->n++] = (struct abi_part){
        .off = off, .n = n, .reg = a->arch->go_vectors + a->vectors++, .vector = true};
    return true;
}

static bool take_words(struct abi *a, uint32_t off, unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        if (!take_int(a, off + i * ABI_WORD, ABI_WORD))
            return false;
    return true;
}

static bool take_type(struct abi *a, uint64_t type, uint32_t off, unsigned depth);

static bool take_struct(struct abi *a, const struct dwarf_type *t, uint32_t off, unsigned depth)
{
    for (size_t i = 0; i < t->nmembers; i++)
        if (!take_type(a, t->members[i].type, off + (uint32_t)t->members[i].off, depth + 1))
            return false;
    return true;
}

static bool take_type(struct abi *a, uint64_t type, uint32_t off, unsigned depth)
{
    const struct dwarf_type *t = value_type_stripped(a->values, type);
    int64_t size = value_type_size(a->values, type);
    if (!t || depth > DEPTH_MAX || size < 0 || size > SIZE_LIMIT)
        return false;
    switch (t->kind) {
    case DWARF_KIND_FLOAT:
        return take_vector(a, off, (uint32_t)size);
    case DWARF_KIND_COMPLEX:
        return take_vector(a, off, (uint32_t)size / 2) &&
               take_vector(a, off + (uint32_t)size / 2, (uint32_t)size / 2);
    case DWARF_KIND_STRING:
    case DWARF_KIND_INTERFACE:
        return take_words(a, off, 2);
    case DWARF_KIND_SLICE:
        return take_words(a, off, 3);
    case DWARF_KIND_STRUCT:
        return take_struct(a, t, off, depth);
    case DWARF_KIND_ARRAY:
        return t->count == 0 || (t->count == 1 && take_type(a, t->elem, off, depth + 1));
    default:
        return size <= ABI_WORD && take_int(a, off, (uint32_t)size);
    }
}

static taddr align_of(struct values *values, uint64_t type, unsigned depth)
{
    const struct dwarf_type *t = value_type_stripped(values, type);
    taddr most = 1;
    if (!t || depth > DEPTH_MAX)
        return ABI_WORD;
    if (t->kind == DWARF_KIND_ARRAY)
        return align_of(values, t->elem, depth + 1);
    if (t->kind == DWARF_KIND_STRUCT) {
        for (size_t i = 0; i < t->nmembers; i++)
            most = max_u64(most, align_of(values, t->members[i].type, depth + 1));
        return most;
    }
    int64_t size = value_type_size(values, type);
    if (t->kind == DWARF_KIND_COMPLEX)
        size /= 2;
    return size > 0 && size < ABI_WORD ? (taddr)size : ABI_WORD;
}

void abi_assign(struct abi *a, uint64_t type, bool *ret_stack, taddr *ret_off)
{
    struct abi before = *a;
    a->n = 0;
    *ret_stack = !take_type(a, type, 0, 0);
    taddr align = align_of(a->values, type, 0);
    int64_t size = value_type_size(a->values, type);
    taddr *end = *ret_stack ? &before.stack : &a->spill;
    *end = ((*end + align - 1) & ~(align - 1));
    *ret_off = *end;
    *end += size > 0 ? (taddr)size : 0;
    if (*ret_stack) {
        *a = before;
        a->n = 0;
    }
}

void abi_results(struct abi *a)
{
    a->ints = a->vectors = 0;
    a->stack = (a->stack + ABI_WORD - 1) & ~(taddr)(ABI_WORD - 1);
}

bool abi_read(const struct abi *a, const struct abi_part *p, const struct arch_regs *regs,
              const uint8_t *extended, size_t extended_n, uint8_t *value)
{
    uint8_t vector[16];
    uint64_t v;
    if (p->vector) {
        if (p->n > 16 || !a->arch->dwarf_vector(extended, extended_n, p->reg, vector))
            return false;
        memcpy(value + p->off, vector, p->n);
        return true;
    }
    if (!a->arch->dwarf_reg(regs, p->reg, &v))
        return false;
    memcpy(value + p->off, &v, p->n);
    return true;
}
