/* sites.c - the diff of objects against the allocation profile; see heap/sites.h.
 *
 * Go: runtime/mprof.go (buckets: a stack and a size; allocs and frees of sampled objects),
 * runtime/pprof/protomem.go (scaleHeapSample: one in exp(-size/rate) objects is not sampled). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heap/heap_int.h"
#include "heap/sites.h"
#include "heap/sites_int.h"
#include "snap/code.h"

enum { LIKE = 4 };

const char *heap_verdict_name(enum heap_verdict v)
{
    static const char *const names[] = {"agree", "only profile", "only objects"};
    return v < HEAP_VERDICT_COUNT ? names[v] : "";
}

double heap_sample_scale(uint64_t size, int64_t rate)
{
    if (rate <= 1 || !size)
        return 1;
    return 1 / (1 - exp(-(double)size / (double)rate));
}

int64_t heap_sample_rate(const struct snap *s)
{
    int64_t rate;
    return snap_counter(s, "prof.mem_rate_bytes", &rate) && rate > 0 ? rate : 512 * 1024;
}

/* The key of a bucket in all snapshots of one process: pcs and size. */
static uint64_t bucket_hash(const struct snap *s, uint32_t bucket)
{
    uint64_t h = hash_u64(s->bucket.size[bucket]);
    for (uint32_t n = s->bucket.stack[bucket]; n != SNAP_NONE; n = s->stack.parent[n])
        h = hash_u64(h ^ s->pc.addr[s->stack.pc[n]]);
    return h;
}

/* ---- stacks by what they say ---- */

struct said {
    uint64_t all,
        own;  /* hashes of every frame, and of those from the first that is not the runtime's */
    bool any; /* there is such a frame */
    bool after_panic;
};

static void say_frame(struct said *h, const struct snap *s, uint32_t f)
{
    const char *func = snap_str(s, s->frame.func[f]);
    bool wrapper = s->frame.func_id[f] == SNAP_FN_WRAPPER && !h->after_panic;
    h->after_panic = snap_is_panic(s->frame.func_id[f]);
    if (wrapper || strcmp(func, "runtime.goexit") == 0)
        return;
    uint64_t one = hash_u64(hash_bytes(func, strlen(func)) ^ s->frame.line[f]);
    h->any |= !snap_is_runtime_func(func);
    h->all = hash_u64(h->all ^ one);
    if (h->any)
        h->own = hash_u64(h->own ^ one);
}

/* A stack as runtime/pprof would write it: without the runtime's functions at the inner end, unless
 * there are no others, without wrappers and runtime.goexit. */
static uint64_t stack_hash(const struct snap *s, uint32_t node)
{
    struct said h = {.all = 1, .own = 1};
    for (; node != SNAP_NONE; node = s->stack.parent[node]) {
        uint32_t pc = s->stack.pc[node];
        for (uint32_t i = 0; i < s->pc.frames[pc]; i++)
            say_frame(&h, s, s->pc.frame[pc] + i);
    }
    return h.any ? h.own : h.all;
}

/* The key of a bucket in everything that was read from processes of one program. */
static uint64_t said_hash(const struct snap *s, uint32_t bucket, uint64_t size)
{
    return hash_u64(stack_hash(s, s->bucket.stack[bucket]) ^ hash_u64(size));
}

/* ---- growth by bucket ---- */

struct use {
    double objects, bytes;
};

static struct use in_use(const struct snap *s, uint32_t bucket, int64_t rate)
{
    double scale = heap_sample_scale(s->bucket.size[bucket], rate);
    struct use u = {
        scale * ((double)s->bucket.allocs[bucket] - (double)s->bucket.frees[bucket]),
        scale * ((double)s->bucket.alloc_bytes[bucket] - (double)s->bucket.free_bytes[bucket])};
    return u;
}

/* Live sampled objects of one type and one stack. */
struct pair_of {
    uint32_t key, bucket, n;
};

struct check {
    const struct heap_diff *d;
    const struct snap *b;
    const struct snap *before, *after; /* profiles; before NULL: after is what changed */
    uint32_t *bucket_of;               /* by bucket of B: of after; NULL: the same */
    struct use *growth;                /* by bucket of after */
    struct heap_keys keys;             /* of B */
    uint32_t *type_row;                /* by key of B: row of d->types; SNAP_NONE */
    uint32_t *sampled;                 /* by key: live sampled objects */
    struct map pairs;                  /* key << 32 | bucket -> row of found */
    VEC(struct pair_of) found;
    VEC(struct heap_site_row) rows;
    double min_bytes, seconds;
};

bool heap_has_profile(const struct snap *s)
{
    int64_t rate;
    if (snap_counter(s, "prof.mem_rate_bytes", &rate) && rate <= 0)
        return false;
    for (uint32_t i = 0; i < s->bucket.n; i++)
        if (s->bucket.kind[i] == SNAP_BUCKET_MEM)
            return true;
    return false;
}

static uint64_t key_of(const struct check *c, const struct snap *s, uint32_t bucket)
{
    return c->bucket_of ? said_hash(s, bucket, s->bucket.size[bucket]) : bucket_hash(s, bucket);
}

/* Which bucket of the profile is which of B: of one stack, and of one size where it knows sizes. */
static struct err *find_buckets(struct check *c)
{
    struct map said = {0};
    const struct snap *s = c->after;
    TRY(heap_array(c->b->bucket.n, sizeof(uint32_t), "the allocation profile", &c->bucket_of));
    for (uint32_t i = 0; i < s->bucket.n; i++)
        map_put(&said, said_hash(s, i, s->bucket.size[i]), i);
    for (uint32_t i = 0; i < c->b->bucket.n; i++) {
        uint32_t row = map_get(&said, said_hash(c->b, i, c->b->bucket.size[i]));
        c->bucket_of[i] = row != MAP_NONE ? row : map_get(&said, said_hash(c->b, i, 0));
    }
    map_free(&said);
    return NULL;
}

static struct err *find_growth(struct check *c, int64_t rate)
{
    const struct snap *a = c->before, *b = c->after;
    struct map before = {0};
    TRY(heap_array(b->bucket.n, sizeof(*c->growth), "the allocation profile", &c->growth));
    for (uint32_t i = 0; a && i < a->bucket.n; i++)
        if (a->bucket.kind[i] == SNAP_BUCKET_MEM)
            map_put(&before, key_of(c, a, i), i);
    for (uint32_t i = 0; i < b->bucket.n; i++) {
        if (b->bucket.kind[i] != SNAP_BUCKET_MEM)
            continue;
        uint32_t old = map_get(&before, key_of(c, b, i));
        c->growth[i] = in_use(b, i, rate);
        if (old == MAP_NONE)
            continue;
        struct use was = in_use(a, old, rate);
        c->growth[i].objects -= was.objects;
        c->growth[i].bytes -= was.bytes;
    }
    map_free(&before);
    return NULL;
}

/* ---- which types come from which stacks ---- */

/* By type: 1 + a shape of a map with it. */
static struct err *find_maps(const struct snap *s, uint32_t **ret)
{
    TRY(heap_array(s->type.n, sizeof(**ret), "the types of the heap", ret));
    for (uint32_t i = 1; i < s->shape.n; i++)
        if (s->shape.form[i] == SNAP_FORM_MAP && s->shape.type[i] != SNAP_NONE)
            (*ret)[s->shape.type[i]] = i + 1;
    return NULL;
}

/* The number of the type of a sampled object; a map grows by its parts, and they count for it. */
static uint32_t key_of_sample(const struct check *c, const uint32_t *maps, uint32_t slot)
{
    uint32_t shape = c->b->slot.shape[slot];
    if (heap_is_map_part(c->d->b, slot)) {
        uint32_t type = c->b->shape.type[shape];
        shape = type != SNAP_NONE && maps[type] ? maps[type] - 1 : shape;
    }
    return c->keys.of[shape];
}

static struct err *tie_types(struct check *c)
{
    uint32_t *maps;
    const struct heap_graph *g = c->d->b;
    TRY(heap_type_keys(c->b, &c->keys));
    TRY(heap_array(c->keys.n, sizeof(uint32_t), "the types of the heap", &c->type_row));
    TRY(heap_array(c->keys.n, sizeof(uint32_t), "the types of the heap", &c->sampled));
    memset(c->type_row, 0xff, c->keys.n * sizeof(uint32_t));
    for (uint32_t i = 0; i < c->d->ntypes; i++)
        if (c->d->types[i].shape_b != SNAP_NONE)
            c->type_row[c->keys.of[c->d->types[i].shape_b]] = i;
    TRY(find_maps(c->b, &maps));
    for (uint32_t i = 0; i < c->b->special.n; i++) {
        uint32_t slot = c->b->special.slot[i], bucket = c->b->special.bucket[i];
        bool added;
        if (c->b->special.kind[i] != SNAP_SPECIAL_PROFILE || bucket == SNAP_NONE ||
            !heap_live(g, slot))
            continue;
        if (c->bucket_of && (bucket = c->bucket_of[bucket]) == MAP_NONE)
            continue; /* the profile does not know the stack */
        uint32_t key = key_of_sample(c, maps, slot);
        uint32_t row =
            map_get_or_put(&c->pairs, (uint64_t)key << 32 | bucket, (uint32_t)c->found.n, &added);
        if (added)
            vec_push(&c->found, ((struct pair_of){key, bucket, 0}));
        c->found.v[row].n++;
        c->sampled[key]++;
    }
    free(maps);
    return NULL;
}

/* ---- rows ---- */

static void finish_row(struct check *c, struct heap_site_row r)
{
    bool profile = r.profile_bytes >= c->min_bytes;
    bool objects = (double)r.object_bytes >= c->min_bytes;
    if (!profile && !objects)
        return;
    /* what samples say of so little may be four times too much or too little */
    profile = profile || r.profile_bytes * LIKE >= (double)r.object_bytes;
    objects = objects || (double)r.object_bytes * LIKE >= r.profile_bytes;
    r.verdict = profile && objects ? HEAP_BOTH_AGREE
                : profile          ? HEAP_ONLY_PROFILE
                                   : HEAP_ONLY_OBJECTS;
    double growth = profile ? r.profile_bytes : (double)r.object_bytes;
    r.bytes_per_s = c->seconds > 0 ? growth / c->seconds : 0;
    vec_push(&c->rows, r);
}

static void set_objects(struct check *c, struct heap_site_row *r, uint32_t type, double share)
{
    if (type == SNAP_NONE)
        return;
    const struct heap_diff_type *t = &c->d->types[type];
    r->share = share;
    r->object_bytes = (int64_t)((double)t->delta_bytes * share);
    r->object_count = (int64_t)(((double)t->fresh.count - (double)t->freed.count) * share);
}

/* Rows of a type and a stack; a stack's growth is split over its types as its sampled objects are.
 */
static void add_pairs(struct check *c, uint32_t *of_bucket)
{
    for (size_t i = 0; i < c->found.n; i++)
        of_bucket[c->found.v[i].bucket] += c->found.v[i].n;
    for (size_t i = 0; i < c->found.n; i++) {
        const struct pair_of *p = &c->found.v[i];
        double part = (double)p->n / of_bucket[p->bucket];
        struct heap_site_row r = {.shape = c->keys.shape[p->key],
                                  .bucket = p->bucket,
                                  .profile_bytes = c->growth[p->bucket].bytes * part,
                                  .profile_objects = c->growth[p->bucket].objects * part};
        set_objects(c, &r, c->type_row[p->key], (double)p->n / c->sampled[p->key]);
        finish_row(c, r);
    }
}

static void add_rest(struct check *c, const uint32_t *of_bucket)
{
    for (uint32_t i = 0; i < c->after->bucket.n; i++) {
        struct heap_site_row r = {.shape = SNAP_NONE,
                                  .bucket = i,
                                  .profile_bytes = c->growth[i].bytes,
                                  .profile_objects = c->growth[i].objects};
        if (c->after->bucket.kind[i] == SNAP_BUCKET_MEM && !of_bucket[i])
            finish_row(c, r);
    }
    for (uint32_t k = 0; k < c->keys.n; k++) {
        struct heap_site_row r = {.shape = c->keys.shape[k], .bucket = SNAP_NONE};
        if (c->sampled[k] || c->type_row[k] == SNAP_NONE)
            continue;
        set_objects(c, &r, c->type_row[k], 1);
        finish_row(c, r);
    }
}

static int by_growth(const void *pa, const void *pb)
{
    const struct heap_site_row *a = pa, *b = pb;
    double x = fmax(a->profile_bytes, (double)a->object_bytes);
    double y = fmax(b->profile_bytes, (double)b->object_bytes);
    if (x != y)
        return x > y ? -1 : 1;
    return a->bucket < b->bucket ? -1 : a->bucket > b->bucket;
}

static struct err *check_all(struct check *c, int64_t rate)
{
    uint32_t *of_bucket;
    if (c->after != c->b)
        TRY(find_buckets(c));
    TRY(find_growth(c, rate));
    TRY(tie_types(c));
    TRY(heap_array(c->after->bucket.n, sizeof(*of_bucket), "the allocation profile", &of_bucket));
    add_pairs(c, of_bucket);
    add_rest(c, of_bucket);
    free(of_bucket);
    if (c->rows.n)
        qsort(c->rows.v, c->rows.n, sizeof(*c->rows.v), by_growth);
    return NULL;
}

static struct err *no_profile(const struct heap_site_options *o)
{
    if (o->after)
        return err_new(ERR_NOT_FOUND, "a profile has no samples");
    return err_new(ERR_NOT_FOUND, "the program keeps none (runtime.MemProfileRate is 0: it was set "
                                  "so, or nothing in the program asks for the profile)");
}

struct err *heap_cross_check(const struct heap_diff *d, const struct heap_site_options *o,
                             struct heap_site_rows *ret)
{
    static const struct heap_site_options none = {0};
    struct check c = {.d = d, .b = d->b->s, .before = d->a->s, .after = d->b->s};
    o = o ? o : &none;
    memset(ret, 0, sizeof(*ret));
    if (o->after) {
        c.before = o->before;
        c.after = o->after;
    }
    if (!heap_has_profile(c.after) || (c.before && !heap_has_profile(c.before)))
        return no_profile(o);
    int64_t rate = heap_sample_rate(c.after), apart = rate, elapsed = d->elapsed_ns;
    if (o->after)
        apart = o->rate > 0 ? o->rate : heap_sample_rate(c.b);
    if (o->elapsed_ns > 0)
        elapsed = o->elapsed_ns;
    c.min_bytes = o->min_bytes ? (double)o->min_bytes : 4 * (double)apart;
    c.seconds = elapsed > 0 ? (double)elapsed / 1e9 : 0;
    struct err *e = check_all(&c, rate);
    free(c.growth);
    free(c.bucket_of);
    free(c.type_row);
    free(c.sampled);
    map_free(&c.pairs);
    heap_keys_free(&c.keys);
    vec_free(&c.found);
    if (e) {
        vec_free(&c.rows);
        return e;
    }
    *ret = (struct heap_site_rows){c.rows.v, c.rows.n, apart, c.after};
    return NULL;
}

void heap_site_rows_free(struct heap_site_rows *r)
{
    free(r->v);
    memset(r, 0, sizeof(*r));
}
