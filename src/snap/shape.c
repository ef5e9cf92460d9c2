/* shape.c - which stacks look the same; see shape_int.h. */
#include "snap/shape_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "snap/snap_int.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    return hash_u64(h * 0x9e3779b97f4a7c15ull ^ v);
}

/* The hash of each string, so that equal places of other snapshots, with other ids, have equal
 * ones. */
static uint64_t *string_hashes(const struct snap *s)
{
    uint64_t *h = mem_alloc(s->strings.n * sizeof(*h));
    for (uint32_t i = 0; i < s->strings.n; i++)
        h[i] = hash_bytes(intern_get(&s->strings, i), intern_len(&s->strings, i));
    return h;
}

struct places {
    const struct snap *s;
    struct shape *sh;
    struct intern ids; /* keys: func, file and line of each visible frame */
    uint64_t *strings;
    VEC(uint32_t) key;
};

static void add_frame(struct places *p, uint32_t f, uint64_t *hash)
{
    const struct snap *s = p->s;
    vec_push(&p->key, s->frame.func[f]);
    vec_push(&p->key, s->frame.file[f]);
    vec_push(&p->key, s->frame.line[f]);
    *hash = mix(*hash, p->strings[s->frame.func[f]]);
    *hash = mix(*hash, p->strings[s->frame.file[f]] + s->frame.line[f]);
}

static uint32_t place_of(struct places *p, uint32_t pc, bool after_panic)
{
    const struct snap *s = p->s;
    uint64_t hash = 1;
    p->key.n = 0;
    for (uint32_t i = 0; i < s->pc.frames[pc]; i++) {
        uint32_t f = s->pc.frame[pc] + i;
        if (s->frame.func_id[f] != SNAP_FN_WRAPPER || after_panic)
            add_frame(p, f, &hash);
        after_panic = snap_is_panic(s->frame.func_id[f]);
    }
    if (!s->pc.frames[pc]) { /* unknown code: every address is a place of its own */
        uint64_t addr = s->pc.addr[pc];
        uint32_t words[] = {SNAP_NONE, (uint32_t)addr, (uint32_t)(addr >> 32)};
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
            vec_push(&p->key, words[i]);
        hash = mix(hash, addr);
    }
    uint32_t id = intern_addn(&p->ids, (const char *)p->key.v, p->key.n * sizeof(*p->key.v));
    if (id == p->sh->place_hash.n)
        vec_push(&p->sh->place_hash, hash);
    return id;
}

static void find_places(struct shape *sh, const struct snap *s)
{
    struct places p = {.s = s, .sh = sh, .strings = string_hashes(s)};
    intern_init(&p.ids);
    vec_push(&sh->place_hash, 0); /* nothing visible */
    vec_reserve(&p.key, 3);
    sh->place = mem_alloc(2 * s->pc.n * sizeof(*sh->place));
    for (uint32_t pc = 0; pc < s->pc.n; pc++) {
        sh->place[2 * (size_t)pc] = sh->place[2 * (size_t)pc + 1] = place_of(&p, pc, false);
        if (s->pc.frames[pc] && s->frame.func_id[s->pc.frame[pc]] == SNAP_FN_WRAPPER)
            sh->place[2 * (size_t)pc + 1] = place_of(&p, pc, true);
    }
    sh->nplaces = (uint32_t)sh->place_hash.n;
    intern_free(&p.ids);
    vec_free(&p.key);
    free(p.strings);
}

struct shapes {
    struct shape *sh;
    struct map ids; /* shape of the callers << 32 | place */
};

static uint32_t shape_on(struct shapes *p, uint32_t below, uint32_t place)
{
    bool added;
    struct shape *sh = p->sh;
    if (!place)
        return below;
    uint32_t id =
        map_get_or_put(&p->ids, (uint64_t)below << 32 | place, (uint32_t)sh->shape_hash.n, &added);
    if (added)
        vec_push(&sh->shape_hash, mix(sh->shape_hash.v[below], sh->place_hash.v[place]));
    return id;
}

void shape_init(struct shape *sh, const struct snap *s)
{
    struct shapes p = {.sh = sh};
    *sh = (struct shape){0};
    find_places(sh, s);
    vec_push(&sh->shape_hash, 0);
    sh->node = mem_alloc(2 * s->stack.n * sizeof(*sh->node));
    for (size_t i = 0; i < s->stack.n; i++) { /* callers have lower numbers */
        uint32_t pc = s->stack.pc[i], parent = s->stack.parent[i], frames = s->pc.frames[pc];
        bool panic = frames && snap_is_panic(s->frame.func_id[s->pc.frame[pc] + frames - 1]);
        uint32_t below = parent == SNAP_NONE ? 0 : sh->node[2 * (size_t)parent + panic];
        const uint32_t *place = &sh->place[2 * (size_t)pc];
        sh->node[2 * i] = shape_on(&p, below, place[0]);
        sh->node[2 * i + 1] =
            place[1] == place[0] ? sh->node[2 * i] : shape_on(&p, below, place[1]);
    }
    sh->nshapes = (uint32_t)sh->shape_hash.n;
    map_free(&p.ids);
}

void shape_free(struct shape *sh)
{
    free(sh->place);
    free(sh->node);
    vec_free(&sh->place_hash);
    vec_free(&sh->shape_hash);
}
