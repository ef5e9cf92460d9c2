/* pprof_build.c - a profile.proto message from stacks of a snapshot; see pprof_int.h.
 *
 * Go: runtime/pprof/proto.go (1.18-1.27): runtime.goexit left out, addresses of calls (not of what
 * they return to), inlined calls as lines of one location, innermost first.  Format: profile.proto
 * of github.com/google/pprof. */
#include "report/pprof_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "report/report_int.h"
#include "snap/profile_proto.h"

/* ---- protobuf ---- */

static void put_key(struct buf *b, unsigned field, unsigned wire)
{
    buf_uleb(b, field << 3 | wire);
}

static void put_int(struct buf *b, unsigned field, uint64_t v)
{
    if (v) { /* 0 is the default */
        put_key(b, field, 0);
        buf_uleb(b, v);
    }
}

static void put_bytes(struct buf *b, unsigned field, const char *bytes, size_t n)
{
    put_key(b, field, 2);
    buf_uleb(b, n);
    buf_add(b, bytes, n);
}

static void put_message(struct buf *b, unsigned field, struct buf *message)
{
    put_bytes(b, field, buf_text(message), message->n);
    buf_free(message);
}

static uint64_t str(struct pprof *p, const char *text)
{
    return intern_add(&p->strings, text);
}

static void put_value_type(struct pprof *p, unsigned field, const char *type, const char *unit)
{
    struct buf m = {0};
    put_int(&m, VALUE_TYPE, str(p, type));
    put_int(&m, VALUE_UNIT, str(p, unit));
    put_message(&p->out, field, &m);
}

/* ---- functions, locations ---- */

static uint32_t function_id(struct pprof *p, uint32_t frame)
{
    const struct snap *s = p->s;
    bool added;
    uint64_t key = (uint64_t)s->frame.func[frame] << 32 | s->frame.file[frame];
    uint32_t id = map_get_or_put(&p->functions, key, p->nfunctions + 1, &added);
    if (!added)
        return id;
    struct buf m = {0};
    p->nfunctions++;
    put_int(&m, FUNCTION_ID, id);
    put_int(&m, FUNCTION_NAME, str(p, snap_str(s, s->frame.func[frame])));
    put_int(&m, FUNCTION_SYSTEM_NAME, str(p, snap_str(s, s->frame.func[frame])));
    put_int(&m, FUNCTION_FILENAME, str(p, snap_str(s, s->frame.file[frame])));
    put_int(&m, FUNCTION_START_LINE, s->frame.start_line[frame]);
    put_message(&p->out, PROFILE_FUNCTION, &m);
    return id;
}

static bool is_goexit(const struct snap *s, uint32_t frame)
{
    return s->frame.func_id[frame] == SNAP_FN_GOEXIT ||
           strcmp(snap_str(s, s->frame.func[frame]), "runtime.goexit") == 0;
}

/* Adds the visible frames of a pc, from number `first` on, to a location; whether there are any. */
static bool put_lines(struct pprof *p, struct buf *m, uint32_t pc, uint32_t first, bool after_panic)
{
    const struct snap *s = p->s;
    bool any = false;
    for (uint32_t i = first; i < s->pc.frames[pc]; i++) {
        uint32_t frame = s->pc.frame[pc] + i;
        bool hidden = s->frame.func_id[frame] == SNAP_FN_WRAPPER && !after_panic;
        after_panic = snap_is_panic(s->frame.func_id[frame]);
        if (hidden || is_goexit(s, frame))
            continue;
        struct buf line = {0};
        put_int(&line, LINE_FUNCTION, function_id(p, frame));
        put_int(&line, LINE_LINE, s->frame.line[frame]);
        put_message(m, LOCATION_LINE, &line);
        any = true;
    }
    return any || !s->pc.frames[pc];
}

static bool is_foreign(const struct snap *s, uint32_t pc)
{
    return !s->pc.frames[pc] || (s->frame.flags[s->pc.frame[pc]] & SNAP_FF_FOREIGN);
}

static uint32_t location_id(struct pprof *p, uint32_t pc, uint32_t first, bool after_panic)
{
    const struct snap *s = p->s;
    uint64_t key = ((uint64_t)first << 32 | pc) << 1 | after_panic;
    uint32_t id = map_get(&p->locations, key);
    if (id != MAP_NONE)
        return id;
    struct buf lines = {0};
    id = put_lines(p, &lines, pc, first, after_panic) ? ++p->nlocations : 0;
    map_put(&p->locations, key, id);
    if (id) {
        struct buf m = {0};
        bool exact = s->pc.flags[pc] & SNAP_PC_EXACT;
        put_int(&m, LOCATION_ID, id);
        put_int(&m, LOCATION_MAPPING, !is_foreign(s, pc));
        put_int(&m, LOCATION_ADDRESS, s->pc.addr[pc] - !exact);
        buf_add(&m, buf_text(&lines), lines.n);
        put_message(&p->out, PROFILE_LOCATION, &m);
    }
    buf_free(&lines);
    return id;
}

/* ---- samples ---- */

static void put_labels(struct pprof *p, struct buf *m, const struct pprof_sample *sample)
{
    const struct snap *s = p->s;
    uint32_t first, n = snap_labels_of(s, sample->labels, &first);
    for (uint32_t i = first; i < first + n; i++) {
        struct buf label = {0};
        put_int(&label, LABEL_KEY, str(p, snap_str(s, s->label.key[i])));
        put_int(&label, LABEL_STR, str(p, snap_str(s, s->label.value[i])));
        put_message(m, SAMPLE_LABEL, &label);
    }
    if (sample->bytes) {
        struct buf label = {0};
        put_int(&label, LABEL_KEY, str(p, "bytes"));
        put_int(&label, LABEL_NUM, sample->bytes);
        put_message(m, SAMPLE_LABEL, &label);
    }
}

void pprof_add(struct pprof *p, const struct pprof_sample *sample)
{
    const struct snap *s = p->s;
    struct buf m = {0}, ids = {0}, values = {0};
    bool after_panic = true; /* the innermost frame is shown in any case (snap/stack.c) */
    uint32_t first = sample->first_frame;
    for (uint32_t node = sample->node; node != SNAP_NONE; node = s->stack.parent[node]) {
        uint32_t pc = s->stack.pc[node], frames = s->pc.frames[pc];
        uint32_t id = location_id(p, pc, first, after_panic);
        first = 0;
        if (id)
            buf_uleb(&ids, id);
        after_panic = frames && snap_is_panic(s->frame.func_id[s->pc.frame[pc] + frames - 1]);
    }
    for (size_t i = 0; i < sample->nvalues; i++)
        buf_uleb(&values, (uint64_t)sample->values[i]);
    put_message(&m, SAMPLE_LOCATION, &ids);
    put_message(&m, SAMPLE_VALUE, &values);
    put_labels(p, &m, sample);
    put_message(&p->out, PROFILE_SAMPLE, &m);
}

/* The location that stands for a name. */
static uint32_t name_location(struct pprof *p, const char *name)
{
    bool added;
    uint32_t text = (uint32_t)str(p, name);
    uint32_t id = map_get_or_put(&p->named, text, p->nlocations + 1, &added);
    if (!added)
        return id;
    struct buf function = {0}, line = {0}, location = {0};
    p->nlocations++;
    put_int(&function, FUNCTION_ID, ++p->nfunctions);
    put_int(&function, FUNCTION_NAME, text);
    put_message(&p->out, PROFILE_FUNCTION, &function);
    put_int(&line, LINE_FUNCTION, p->nfunctions);
    put_int(&location, LOCATION_ID, id);
    put_message(&location, LOCATION_LINE, &line);
    put_message(&p->out, PROFILE_LOCATION, &location);
    return id;
}

void pprof_add_names(struct pprof *p, const char *const *names, size_t n, const int64_t *values,
                     size_t nvalues)
{
    struct buf m = {0}, ids = {0}, numbers = {0};
    for (size_t i = 0; i < n; i++)
        buf_uleb(&ids, name_location(p, names[i]));
    for (size_t i = 0; i < nvalues; i++)
        buf_uleb(&numbers, (uint64_t)values[i]);
    put_message(&m, SAMPLE_LOCATION, &ids);
    put_message(&m, SAMPLE_VALUE, &numbers);
    put_message(&p->out, PROFILE_SAMPLE, &m);
}

/* ---- the rest ---- */

void pprof_init(struct pprof *p, const struct snap *s)
{
    *p = (struct pprof){.s = s};
    intern_init(&p->strings);
}

void pprof_sample_type(struct pprof *p, const char *type, const char *unit)
{
    put_value_type(p, PROFILE_SAMPLE_TYPE, type, unit);
}

void pprof_default_type(struct pprof *p, const char *type)
{
    put_int(&p->out, PROFILE_DEFAULT_SAMPLE_TYPE, str(p, type));
}

void pprof_period(struct pprof *p, const char *type, const char *unit, int64_t period)
{
    put_value_type(p, PROFILE_PERIOD_TYPE, type, unit);
    put_int(&p->out, PROFILE_PERIOD, (uint64_t)period);
}

void pprof_comment(struct pprof *p, struct buf *text)
{
    put_int(&p->out, PROFILE_COMMENT, str(p, buf_text(text)));
    buf_free(text);
}

void pprof_comments(struct pprof *p)
{
    const struct snap *s = p->s;
    struct buf b = {0};
    buf_str(&b, "gospect " GOSPECT_VERSION ": ");
    name_target(&b, s);
    pprof_comment(p, &b);
    cost_line(&b, s, 0);
    pprof_comment(p, &b);
    for (uint32_t i = 0; i < s->missing.n; i++) {
        buf_printf(&b, "could not be read: %" PRIu64 " %s: %s", s->missing.count[i],
                   snap_str(s, s->missing.what[i]), snap_str(s, s->missing.why[i]));
        pprof_comment(p, &b);
    }
}

/* One mapping: the program, from runtime.text (or the lowest pc) to the highest pc seen. */
static void put_mapping(struct pprof *p)
{
    const struct snap *s = p->s;
    uint64_t lo = UINT64_MAX, hi = 0;
    for (uint32_t pc = 0; pc < s->pc.n; pc++)
        if (!is_foreign(s, pc)) {
            lo = min_u64(lo, s->pc.addr[pc]);
            hi = max_u64(hi, s->pc.addr[pc]);
        }
    const char *text = snap_meta(s, SNAP_META_text_start), *exe = snap_meta(s, SNAP_META_exe),
               *id = snap_meta(s, SNAP_META_gnu_build_id);
    uint64_t start = text ? strtoull(text, NULL, 0) : 0;
    if (start && start < lo)
        lo = start;
    struct buf m = {0};
    put_int(&m, MAPPING_ID, 1);
    put_int(&m, MAPPING_START, lo <= hi ? lo & ~(uint64_t)0xfff : 0);
    put_int(&m, MAPPING_LIMIT, lo <= hi ? (hi | 0xfff) + 1 : 0);
    put_int(&m, MAPPING_FILENAME, str(p, exe ? exe : ""));
    put_int(&m, MAPPING_BUILD_ID, str(p, id ? id : ""));
    for (unsigned i = 0; i < 4; i++)
        put_int(&m, MAPPING_HAS_FUNCTIONS + i, 1);
    put_message(&p->out, PROFILE_MAPPING, &m);
}

static void put_strings(struct pprof *p)
{
    for (uint32_t i = 0; i < p->strings.n; i++)
        put_bytes(&p->out, PROFILE_STRING_TABLE, intern_get(&p->strings, i),
                  intern_len(&p->strings, i));
}

static struct err *put_gzipped(const struct buf *b, struct report_sink out)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t cap = c ? libdeflate_gzip_compress_bound(c, b->n) : 0;
    void *packed = c ? mem_try_alloc(cap) : NULL;
    struct err *e = packed ? NULL : err_new(ERR_NOMEM, "no memory to pack a profile");
    size_t n = packed ? libdeflate_gzip_compress(c, b->p, b->n, packed, cap) : 0;
    if (!e)
        e = n ? out.write(out.arg, packed, n) : err_new(ERR_LIMIT, "the profile cannot be packed");
    free(packed);
    libdeflate_free_compressor(c);
    return e;
}

struct err *pprof_finish(struct pprof *p, struct report_sink out)
{
    put_mapping(p);
    put_int(&p->out, PROFILE_TIME_NANOS, (uint64_t)snap_meta_i64(p->s, SNAP_META_taken_wall_ns, 0));
    put_strings(p);
    struct err *e = p->out.full ? err_new(ERR_LIMIT, "the profile is larger than 1 GB")
                                : put_gzipped(&p->out, out);
    buf_free(&p->out);
    intern_free(&p->strings);
    map_free(&p->functions);
    map_free(&p->locations);
    map_free(&p->named);
    return e;
}
