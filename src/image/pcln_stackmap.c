/* pcln_stackmap.c - which words of a frame hold pointers, as the function table tells the garbage
 * collector.
 *
 * Go: runtime/symtab.go stackmap, stackmapdata; runtime/stack.go stackObjectRecord;
 * cmd/compile/internal/liveness/plive.go emit, emitStackObjects (1.18-1.27).
 *
 *   maps      i32 how many, i32 bits of each, then the maps, each rounded up to bytes
 *   objects   word how many, then for each: i32 offset, i32 size, i32 bytes up to the last pointer
 *             (negative until 1.23: a program makes the mask), u32 offset of the mask from rodata
 *
 * Both lie behind moduledata.gofunc; a count that leads outside is taken for "none". */
#include "image/pcln_int.h"

enum { MAPS_HEADER = 8, OBJECTS_HEADER = 8, OBJECT_ROW = 16 };

bool pcln_pointer_map(const struct pcln *p, const struct pcln_func *f, unsigned which,
                      int32_t index, struct pcln_bits *ret)
{
    size_t n = 0;
    const uint8_t *maps = pcln_funcdata(p, f, which, &n);
    *ret = (struct pcln_bits){0};
    if (!maps || n < MAPS_HEADER)
        return false;
    int32_t count = (int32_t)load_u32(maps), bits = (int32_t)load_u32(maps + 4);
    if (count <= 0 || bits < 0)
        return false;
    if (bits == 0)
        return true;
    size_t bytes = ((size_t)bits + 7) / 8;
    if (index < 0 || index >= count || ((size_t)index + 1) * bytes > n - MAPS_HEADER)
        return false;
    *ret = (struct pcln_bits){maps + MAPS_HEADER + (size_t)index * bytes, (uint32_t)bits};
    return true;
}

size_t pcln_stack_objects(const struct pcln *p, const struct pcln_func *f)
{
    size_t n = 0;
    const uint8_t *rows = pcln_funcdata(p, f, PCLN_FUNCDATA_STACK_OBJECTS, &n);
    if (!rows || n < OBJECTS_HEADER)
        return 0;
    uint64_t count = load_u64(rows);
    return count <= (n - OBJECTS_HEADER) / OBJECT_ROW ? count : 0;
}

bool pcln_stack_object(const struct pcln *p, const struct pcln_func *f, size_t i,
                       struct pcln_stack_object *ret)
{
    size_t n = 0;
    const uint8_t *rows = pcln_funcdata(p, f, PCLN_FUNCDATA_STACK_OBJECTS, &n);
    if (i >= pcln_stack_objects(p, f))
        return false;
    const uint8_t *row = rows + OBJECTS_HEADER + i * OBJECT_ROW;
    int32_t size = (int32_t)load_u32(row + 4), ptr_bytes = (int32_t)load_u32(row + 8);
    *ret = (struct pcln_stack_object){
        .off = (int32_t)load_u32(row),
        .size = (uint32_t)size,
        .ptr_bytes = (uint32_t)(ptr_bytes < 0 ? -(int64_t)ptr_bytes : ptr_bytes),
        .program = ptr_bytes < 0,
        .mask = load_u32(row + 12)};
    return size > 0 && ret->ptr_bytes <= ret->size;
}
