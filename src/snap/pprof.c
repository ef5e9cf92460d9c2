/* pprof.c - profile.proto to a snapshot; see pprof.h.
 *
 * Go: runtime/pprof/protomem.go (sample types alloc_objects, alloc_space, inuse_objects,
 * inuse_space; label "bytes": size of each object), proto.go; net/http/pprof (seconds=: the
 * difference, with a duration).  Format: profile.proto of github.com/google/pprof.  Messages may
 * come in any order, so a first pass notes where everything is and a second one turns samples into
 * rows.
 *
 * Nothing in the file is believed: what is unpacked is capped by what deflate can do, ids need not
 * be known, numbers index nothing that was not checked. */
#include "snap/pprof.h"

#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/vec.h"
#include "snap/profile_proto.h"

enum {
    PLAIN_MAX = 64 << 20, /* real ones have a few; the lists of messages take 20 times as much */
    DEFLATE_RATIO = 1032, /* deflate cannot do more */
    FRAMES_MAX = 255,     /* pc.frames is a byte */
};

enum { ALLOC_OBJECTS, ALLOC_SPACE, INUSE_OBJECTS, INUSE_SPACE, NVALUES, VALUES_MAX = 64 };

struct field {
    unsigned no, wire;
    uint64_t value;      /* wire 0, 1, 5 */
    struct cursor bytes; /* wire 2 */
};

struct function {
    uint32_t name, file, start_line; /* texts of the snapshot */
};

struct reader {
    struct snap *s;
    struct snap_pprof *out;
    VEC(struct cursor) strings, types, samples, locations, functions;
    VEC(struct function) funcs;
    struct map func_of, pc_of;     /* by id: row of funcs, of pc */
    struct map node_of, bucket_of; /* by parent << 32 | pc; by hash of stack and size */
    struct cursor mapping;         /* the first: the program */
    bool has_mapping;
    int column[NVALUES]; /* of the values of a sample; -1: there is none */
};

/* ---- protobuf ---- */

static bool next_field(struct cursor *c, struct field *f)
{
    if (c->bad || !cursor_left(c))
        return false;
    uint64_t key = cursor_uleb(c), n;
    *f = (struct field){.no = key >> 3 < 1 << 29 ? (unsigned)(key >> 3) : 0, .wire = key & 7};
    if (f->wire == 0) {
        f->value = cursor_uleb(c);
    } else if (f->wire == 1) {
        f->value = cursor_u64(c);
    } else if (f->wire == 5) {
        f->value = cursor_u32(c);
    } else if (f->wire == 2 && (n = cursor_uleb(c)) <= cursor_left(c)) {
        f->bytes = cursor_sub(c, (size_t)n, c->what);
    } else {
        cursor_fail(c);
    }
    return !c->bad;
}

/* The first number of a field; 0: it has none. */
static uint64_t number_in(struct cursor c, unsigned no)
{
    struct field f;
    while (next_field(&c, &f))
        if (f.no == no && f.wire == 0)
            return f.value;
    return 0;
}

/* The numbers of a repeated field, packed or not: at most `room` of them are written; how many. */
static size_t numbers(const struct field *f, uint64_t *v, size_t room)
{
    struct cursor c = f->bytes;
    size_t n = 0;
    if (f->wire == 0 && room)
        v[n++] = f->value;
    while (f->wire == 2 && n < room && cursor_left(&c) && !c.bad)
        v[n++] = cursor_uleb(&c);
    return n;
}

static struct err *malformed(const char *what)
{
    return err_new(ERR_BAD_DATA, "the profile is damaged: %s", what);
}

/* ---- first pass ---- */

static struct err *note_field(struct reader *r, const struct field *f)
{
    if (f->wire == 0) {
        if (f->no == PROFILE_TIME_NANOS)
            r->out->time_ns = (int64_t)f->value;
        else if (f->no == PROFILE_DURATION_NANOS)
            r->out->duration_ns = (int64_t)f->value;
        else if (f->no == PROFILE_PERIOD)
            r->out->period = (int64_t)f->value;
        return NULL;
    }
    if (f->wire != 2)
        return NULL;
    if (f->no == PROFILE_STRING_TABLE)
        vec_push(&r->strings, f->bytes);
    else if (f->no == PROFILE_SAMPLE_TYPE)
        vec_push(&r->types, f->bytes);
    else if (f->no == PROFILE_SAMPLE)
        vec_push(&r->samples, f->bytes);
    else if (f->no == PROFILE_LOCATION)
        vec_push(&r->locations, f->bytes);
    else if (f->no == PROFILE_FUNCTION)
        vec_push(&r->functions, f->bytes);
    else if (f->no == PROFILE_MAPPING && !r->has_mapping) {
        r->mapping = f->bytes;
        r->has_mapping = true;
    }
    return NULL;
}

static struct err *note_all(struct reader *r, struct cursor c)
{
    struct field f;
    while (next_field(&c, &f))
        TRY(note_field(r, &f));
    if (c.bad)
        return malformed("a message does not end where it should; it may be cut off");
    if (!r->strings.n || cursor_left(&r->strings.v[0]))
        return malformed("it has no table of strings; it may be cut off");
    return NULL;
}

/* A string as a text of the snapshot. */
static struct err *text_of(struct reader *r, uint64_t i, uint32_t *ret)
{
    if (i >= r->strings.n)
        return malformed("there is no such string");
    const struct cursor *c = &r->strings.v[i];
    const char *p = (const char *)c->p;
    *ret = intern_addn(&r->s->strings, p, strnlen(p, cursor_left(c)));
    return NULL;
}

static bool string_is(const struct reader *r, uint64_t i, const char *text)
{
    if (i >= r->strings.n)
        return false;
    const struct cursor *c = &r->strings.v[i];
    return cursor_left(c) == strlen(text) && memcmp(c->p, text, strlen(text)) == 0;
}

/* ---- what is counted ---- */

static struct err *wrong_kind(struct reader *r)
{
    uint32_t name = 0;
    if (r->types.n)
        TRY(text_of(r, number_in(r->types.v[r->types.n - 1], VALUE_TYPE), &name));
    return err_hint(err_new(ERR_USAGE, "it is a profile of %s, not of memory",
                            *snap_str(r->s, name) ? snap_str(r->s, name) : "nothing"),
                    "profiles of memory are heap and allocs: /debug/pprof/heap, "
                    "pprof.WriteHeapProfile, gospect profile TARGET heap");
}

static struct err *find_columns(struct reader *r)
{
    static const char *const names[] = {"alloc_objects", "alloc_space", "inuse_objects",
                                        "inuse_space"};
    for (int k = 0; k < NVALUES; k++) {
        r->column[k] = -1;
        for (size_t i = 0; i < r->types.n && i < VALUES_MAX; i++)
            if (string_is(r, number_in(r->types.v[i], VALUE_TYPE), names[k]))
                r->column[k] = (int)i;
    }
    bool ok = r->column[INUSE_OBJECTS] >= 0 && r->column[INUSE_SPACE] >= 0;
    return ok ? NULL : wrong_kind(r);
}

/* A string of the first mapping as a fact. */
static struct err *take_fact(struct reader *r, unsigned no, enum snap_meta_key key)
{
    uint32_t text;
    struct buf b = {0};
    TRY(text_of(r, r->has_mapping ? number_in(r->mapping, no) : 0, &text));
    buf_str(&b, snap_str(r->s, text)); /* a copy: the texts move when one is added */
    if (b.n)
        snap_set_meta(r->s, key, buf_text(&b));
    buf_free(&b);
    return NULL;
}

static struct err *take_program(struct reader *r)
{
    TRY(take_fact(r, MAPPING_FILENAME, SNAP_META_exe));
    TRY(take_fact(r, MAPPING_BUILD_ID, SNAP_META_gnu_build_id));
    if (r->out->time_ns)
        snap_set_meta_i64(r->s, SNAP_META_taken_wall_ns, r->out->time_ns);
    snap_set_counter(r->s, "prof.mem_rate_bytes", 1);
    return NULL;
}

/* ---- functions, locations ---- */

static struct err *take_functions(struct reader *r)
{
    for (size_t i = 0; i < r->functions.n; i++) {
        struct cursor c = r->functions.v[i];
        struct function f;
        TRY(text_of(r, number_in(c, FUNCTION_NAME), &f.name));
        TRY(text_of(r, number_in(c, FUNCTION_FILENAME), &f.file));
        f.start_line = (uint32_t)number_in(c, FUNCTION_START_LINE);
        map_put(&r->func_of, number_in(c, FUNCTION_ID), (uint32_t)r->funcs.n);
        vec_push(&r->funcs, f);
    }
    return NULL;
}

static struct err *take_line(struct reader *r, struct cursor line)
{
    uint32_t row = map_get(&r->func_of, number_in(line, LINE_FUNCTION));
    if (row == MAP_NONE)
        return malformed("there is no such function");
    const struct function *f = &r->funcs.v[row];
    uint32_t frame = snap_add_frame(r->s);
    r->s->frame.func[frame] = f->name;
    r->s->frame.file[frame] = f->file;
    r->s->frame.start_line[frame] = f->start_line;
    r->s->frame.line[frame] = (uint32_t)number_in(line, LINE_LINE);
    return NULL;
}

static struct err *take_locations(struct reader *r)
{
    for (size_t i = 0; i < r->locations.n; i++) {
        struct cursor c = r->locations.v[i];
        struct field f;
        uint64_t id = number_in(c, LOCATION_ID), addr = number_in(c, LOCATION_ADDRESS);
        size_t first = r->s->frame.n;
        while (next_field(&c, &f))
            if (f.no == LOCATION_LINE && f.wire == 2)
                TRY(take_line(r, f.bytes));
        size_t n = r->s->frame.n - first;
        if (c.bad || n > FRAMES_MAX)
            return malformed("a location makes no sense");
        uint32_t pc = snap_add_pc(r->s);
        r->s->pc.addr[pc] = addr;
        r->s->pc.flags[pc] = SNAP_PC_EXACT;
        r->s->pc.frame[pc] = (uint32_t)first;
        r->s->pc.frames[pc] = (uint8_t)n;
        map_put(&r->pc_of, id, pc);
    }
    return NULL;
}

/* ---- samples ---- */

struct sample {
    VEC(uint64_t) ids; /* of locations, innermost first */
    uint64_t values[VALUES_MAX];
    size_t nvalues;
    uint64_t size;
};

static struct err *take_fields(struct reader *r, struct cursor c, struct sample *p)
{
    struct field f;
    p->ids.n = p->nvalues = 0;
    p->size = 0;
    while (next_field(&c, &f)) {
        if (f.no == SAMPLE_LOCATION) {
            size_t most = f.wire == 2 ? cursor_left(&f.bytes) : 1;
            vec_reserve(&p->ids, p->ids.n + most);
            p->ids.n += numbers(&f, p->ids.v + p->ids.n, most);
        } else if (f.no == SAMPLE_VALUE) {
            p->nvalues += numbers(&f, p->values + p->nvalues, VALUES_MAX - p->nvalues);
        } else if (f.no == SAMPLE_LABEL && f.wire == 2 &&
                   string_is(r, number_in(f.bytes, LABEL_KEY), "bytes")) {
            p->size = number_in(f.bytes, LABEL_NUM);
        }
    }
    if (c.bad || p->nvalues != min_u64(r->types.n, VALUES_MAX))
        return malformed("a sample has another number of values");
    if (p->ids.n > SNAP_DEPTH_MAX)
        return err_new(ERR_LIMIT, "a stack of the profile is deeper than %d", SNAP_DEPTH_MAX);
    return NULL;
}

static struct err *stack_of(struct reader *r, const struct sample *p, uint32_t *ret)
{
    *ret = SNAP_NONE;
    for (size_t i = p->ids.n; i-- > 0;) {
        bool added;
        uint32_t pc = map_get(&r->pc_of, p->ids.v[i]), parent = *ret;
        if (pc == MAP_NONE)
            return malformed("there is no such location");
        *ret = map_get_or_put(&r->node_of, (uint64_t)parent << 32 | pc, (uint32_t)r->s->stack.n,
                              &added);
        if (!added)
            continue;
        uint32_t node = snap_add_stack(r->s);
        r->s->stack.parent[node] = parent;
        r->s->stack.pc[node] = pc;
    }
    return NULL;
}

static int64_t value(const struct reader *r, const struct sample *p, int which)
{
    return r->column[which] < 0 ? 0 : (int64_t)p->values[r->column[which]];
}

/* Counts an allocated and an in-use amount so that their difference is right, below zero, too. */
static void add_amount(uint64_t *allocs, uint64_t *frees, int64_t allocated, int64_t in_use)
{
    int64_t most = allocated > in_use ? allocated : in_use;
    uint64_t a = most > 0 ? (uint64_t)most : 0;
    *allocs += a;
    *frees += a - (uint64_t)in_use;
}

static uint32_t bucket_of(struct reader *r, uint32_t node, uint64_t size)
{
    struct snap_bucket *t = &r->s->bucket;
    bool added;
    uint64_t key = hash_u64(hash_u64(node) ^ size);
    uint32_t b = map_get_or_put(&r->bucket_of, key, (uint32_t)t->n, &added);
    if (!added && t->stack[b] == node && t->size[b] == size)
        return b;
    b = snap_add_bucket(r->s);
    t->kind[b] = SNAP_BUCKET_MEM;
    t->stack[b] = node;
    t->size[b] = size;
    return b;
}

static struct err *take_sample(struct reader *r, struct cursor c, struct sample *p)
{
    uint32_t node;
    TRY(take_fields(r, c, p));
    TRY(stack_of(r, p, &node));
    uint32_t b = bucket_of(r, node, p->size);
    int64_t objects = value(r, p, INUSE_OBJECTS), bytes = value(r, p, INUSE_SPACE);
    struct snap_bucket *t = &r->s->bucket;
    add_amount(&t->allocs[b], &t->frees[b], value(r, p, ALLOC_OBJECTS), objects);
    add_amount(&t->alloc_bytes[b], &t->free_bytes[b], value(r, p, ALLOC_SPACE), bytes);
    r->out->negative |= objects < 0 || bytes < 0;
    return NULL;
}

static struct err *take_samples(struct reader *r)
{
    struct sample p = {0};
    struct err *e = NULL;
    for (size_t i = 0; !e && i < r->samples.n; i++)
        e = take_sample(r, r->samples.v[i], &p);
    vec_free(&p.ids);
    return e;
}

static struct err *read_plain(struct reader *r, const void *bytes, size_t n)
{
    TRY(note_all(r, cursor_on(bytes, n, "the profile")));
    TRY(find_columns(r));
    TRY(take_program(r));
    TRY(take_functions(r));
    TRY(take_locations(r));
    return take_samples(r);
}

/* ---- files ---- */

static struct err *unpack(const uint8_t *p, size_t n, void **ret, size_t *ret_n)
{
    uint32_t plain = 0;
    if (n >= 18)
        memcpy(&plain, p + n - 4, 4); /* ISIZE, little endian */
    if (n < 18 || plain > (uint64_t)n * DEFLATE_RATIO)
        return malformed("it is cut off, or was changed");
    if (plain > PLAIN_MAX)
        return err_new(ERR_LIMIT, "the profile is larger than 64 MB");
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    *ret = d ? mem_try_alloc(plain) : NULL;
    struct err *e = *ret ? NULL : err_new(ERR_NOMEM, "no memory to unpack a profile");
    if (!e && libdeflate_gzip_decompress(d, p, n, *ret, plain, ret_n) != LIBDEFLATE_SUCCESS)
        e = malformed("it cannot be unpacked; it may be cut off");
    libdeflate_free_decompressor(d);
    return e;
}

static struct err *check_text(const void *bytes, size_t n)
{
    static const char head[] = "heap profile: ";
    if (n < sizeof(head) || memcmp(bytes, head, sizeof(head) - 1) != 0)
        return NULL;
    return err_hint(err_new(ERR_USAGE, "it is a profile as text"),
                    "fetch it without debug=1: /debug/pprof/heap");
}

static void reader_free(struct reader *r)
{
    vec_free(&r->strings);
    vec_free(&r->types);
    vec_free(&r->samples);
    vec_free(&r->locations);
    vec_free(&r->functions);
    vec_free(&r->funcs);
    map_free(&r->func_of);
    map_free(&r->pc_of);
    map_free(&r->node_of);
    map_free(&r->bucket_of);
}

struct err *snap_read_pprof(const void *bytes, size_t n, const char *name, struct snap_pprof *ret)
{
    const uint8_t *p = bytes;
    void *plain = NULL;
    struct reader r = {.s = snap_new(), .out = ret};
    *ret = (struct snap_pprof){.snap = r.s};
    struct err *e = check_text(bytes, n);
    if (!e && n >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
        e = unpack(p, n, &plain, &n);
        p = plain;
    }
    if (!e)
        e = n ? read_plain(&r, p, n) : malformed("it is empty");
    reader_free(&r);
    free(plain);
    if (e) {
        snap_free(r.s);
        *ret = (struct snap_pprof){0};
    }
    return err_wrap(e, "%s", name);
}

struct err *snap_read_pprof_file(const char *path, struct snap_pprof *ret)
{
    struct file_map map;
    *ret = (struct snap_pprof){0};
    TRY(file_map_path(path, &map));
    struct err *e = snap_read_pprof(map.p, map.n, path, ret);
    file_unmap(&map);
    return e;
}
