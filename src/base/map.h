/* map.h - hash tables: a map from 64-bit keys to 32-bit values, and interned strings.
 *
 * Open addressing, one allocation, no deletion: what evidence needs.  Thread: one writer, or any
 * number of readers. */
#ifndef GOSPECT_BASE_MAP_H
#define GOSPECT_BASE_MAP_H

#include "base/types.h"

#define MAP_NONE UINT32_MAX /* "no such key"; not a legal value */

struct map {
    struct map_slot *slots; /* owned */
    size_t n, mask;
};

void map_free(struct map *m);
uint32_t map_get(const struct map *m, uint64_t key); /* MAP_NONE: not there */
void map_put(struct map *m, uint64_t key, uint32_t value);
/* The value of key, which becomes `value` when the key is new; *added says which. */
uint32_t map_get_or_put(struct map *m, uint64_t key, uint32_t value, bool *added);

uint64_t hash_u64(uint64_t v);
uint64_t hash_bytes(const void *p, size_t n);

/* Interned strings: equal texts get equal ids; id 0 is always "". */
struct intern {
    char *blob; /* owned; the texts, each NUL-terminated */
    size_t blob_n, blob_cap;
    uint32_t *start; /* owned; start[id], offset into blob */
    size_t n, cap;
    uint32_t *table; /* owned; id + 1, 0 = free */
    size_t mask;
};

void intern_init(struct intern *in);
void intern_free(struct intern *in);
void intern_trim(struct intern *in); /* gives back what is left for more */
/* Takes over n texts as intern_add() would have stored them (each NUL-terminated in blob, start[0]
 * == 0 being ""), both from malloc; false when one occurs twice. */
bool intern_adopt(struct intern *in, char *blob, size_t blob_n, uint32_t *start, size_t n);
uint32_t intern_add(struct intern *in, const char *s);
uint32_t intern_addn(struct intern *in, const char *s, size_t n);
bool intern_find(const struct intern *in, const char *s, uint32_t *ret_id);
const char *intern_get(const struct intern *in, uint32_t id); /* "" when there is no such id */
size_t intern_len(const struct intern *in, uint32_t id);

#endif
