/* map.c - hash tables; see map.h. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"

struct map_slot {
    uint64_t key;
    uint32_t value; /* MAP_NONE: the slot is free */
};

uint64_t hash_u64(uint64_t v)
{
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93ull;
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93ull;
    return v ^ v >> 32;
}

uint64_t hash_bytes(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t h = 0x9e3779b97f4a7c15ull ^ n;
    for (; n >= 8; b += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, b, 8);
        h = hash_u64(h ^ w);
    }
    uint64_t w = 0;
    memcpy(&w, b, n);
    return hash_u64(h ^ w);
}

void map_free(struct map *m)
{
    free(m->slots);
    memset(m, 0, sizeof(*m));
}

/* The slot of key, or the free one where it belongs. */
static struct map_slot *find(const struct map *m, uint64_t key)
{
    size_t i = hash_u64(key) & m->mask;
    while (m->slots[i].value != MAP_NONE && m->slots[i].key != key)
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

static void grow(struct map *m)
{
    struct map old = *m;
    size_t cap = old.slots ? (old.mask + 1) * 2 : 16;
    m->slots = mem_realloc(NULL, cap * sizeof(*m->slots));
    m->mask = cap - 1;
    for (size_t i = 0; i < cap; i++)
        m->slots[i].value = MAP_NONE;
    for (size_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].value != MAP_NONE)
            *find(m, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

uint32_t map_get(const struct map *m, uint64_t key)
{
    return m->slots ? find(m, key)->value : MAP_NONE;
}

uint32_t map_get_or_put(struct map *m, uint64_t key, uint32_t value, bool *added)
{
    if (!m->slots || m->n * 4 >= (m->mask + 1) * 3)
        grow(m);
    struct map_slot *s = find(m, key);
    *added = s->value == MAP_NONE;
    if (*added) {
        *s = (struct map_slot){.key = key, .value = value};
        m->n++;
    }
    return s->value;
}

void map_put(struct map *m, uint64_t key, uint32_t value)
{
    bool added;
    map_get_or_put(m, key, value, &added);
    find(m, key)->value = value;
}

void intern_init(struct intern *in)
{
    memset(in, 0, sizeof(*in));
    intern_addn(in, "", 0);
}

void intern_trim(struct intern *in)
{
    if (!in->n)
        return;
    in->blob = mem_realloc(in->blob, in->blob_n);
    in->blob_cap = in->blob_n;
    in->start = mem_realloc(in->start, in->n * sizeof(*in->start));
    in->cap = in->n;
}

void intern_free(struct intern *in)
{
    free(in->blob);
    free(in->start);
    free(in->table);
    memset(in, 0, sizeof(*in));
}

const char *intern_get(const struct intern *in, uint32_t id)
{
    return id < in->n ? in->blob + in->start[id] : "";
}

size_t intern_len(const struct intern *in, uint32_t id)
{
    if (id >= in->n)
        return 0;
    size_t end = id + 1 < in->n ? in->start[id + 1] : in->blob_n;
    return end - in->start[id] - 1;
}

/* The table slot that holds the text, or the free one where it belongs. */
static uint32_t *intern_slot(const struct intern *in, const char *s, size_t n)
{
    size_t i = hash_bytes(s, n) & in->mask;
    while (in->table[i]) {
        uint32_t id = in->table[i] - 1;
        if (intern_len(in, id) == n && memcmp(intern_get(in, id), s, n) == 0)
            break;
        i = (i + 1) & in->mask;
    }
    return &in->table[i];
}

static void intern_grow_table(struct intern *in)
{
    size_t cap = in->table ? (in->mask + 1) * 2 : 64;
    free(in->table);
    in->table = mem_alloc(cap * sizeof(*in->table));
    in->mask = cap - 1;
    for (uint32_t id = 0; id < in->n; id++)
        *intern_slot(in, intern_get(in, id), intern_len(in, id)) = id + 1;
}

bool intern_adopt(struct intern *in, char *blob, size_t blob_n, uint32_t *start, size_t n)
{
    *in = (struct intern){.blob = blob, .blob_n = blob_n, .blob_cap = blob_n};
    in->start = start;
    in->n = in->cap = n;
    size_t cap = 64;
    while (n * 4 >= cap * 3)
        cap *= 2;
    in->table = mem_alloc(cap * sizeof(*in->table));
    in->mask = cap - 1;
    bool distinct = true;
    for (uint32_t id = 0; id < n; id++) {
        uint32_t *slot = intern_slot(in, intern_get(in, id), intern_len(in, id));
        distinct &= !*slot;
        *slot = id + 1;
    }
    return distinct;
}

uint32_t intern_addn(struct intern *in, const char *s, size_t n)
{
    if (!in->table || in->n * 4 >= (in->mask + 1) * 3)
        intern_grow_table(in);
    uint32_t *slot = intern_slot(in, s, n);
    if (*slot)
        return *slot - 1;
    if (in->blob_n + n + 1 > UINT32_MAX)
        mem_oom(n);
    if (in->blob_n + n + 1 > in->blob_cap) {
        in->blob_cap = vec_grown_cap(in->blob_cap, in->blob_n + n + 1);
        in->blob = mem_realloc(in->blob, in->blob_cap);
    }
    if (in->n == in->cap) {
        in->cap = vec_grown_cap(in->cap, in->n + 1);
        in->start = mem_realloc(in->start, in->cap * sizeof(*in->start));
    }
    in->start[in->n] = (uint32_t)in->blob_n;
    memcpy(in->blob + in->blob_n, s, n);
    in->blob_n += n;
    in->blob[in->blob_n++] = '\0';
    *slot = (uint32_t)++in->n;
    return *slot - 1;
}

uint32_t intern_add(struct intern *in, const char *s)
{
    return intern_addn(in, s, strlen(s));
}

bool intern_find(const struct intern *in, const char *s, uint32_t *ret_id)
{
    if (!in->table)
        return false;
    uint32_t slot = *intern_slot(in, s, strlen(s));
    *ret_id = slot ? slot - 1 : 0;
    return slot != 0;
}
