/* plain.h - the plain encoding that ours is compared with (docs/formats/snapshot.md, Compared):
 * every goroutine with its full list of pc, function, file and line, and whatever else a snapshot
 * knows of it; texts where they belong, numbers as wide as their type.  Binary, and the same as
 * JSON. */
#ifndef GOSPECT_TESTS_SNAP_PLAIN_H
#define GOSPECT_TESTS_SNAP_PLAIN_H

#include "base/json.h"
#include "snap/snap.h"

static inline void plain_number(struct buf *b, uint64_t v, size_t bytes)
{
    buf_add(b, &v, bytes);
}

static inline void plain_text(struct buf *b, const struct snap *s, uint32_t id)
{
    size_t n = intern_len(&s->strings, id);
    plain_number(b, n, 4);
    buf_add(b, snap_str(s, id), n);
}

static inline void plain_pc(struct buf *b, const struct snap *s, uint32_t pc)
{
    bool known = pc != SNAP_NONE;
    plain_number(b, known ? s->pc.addr[pc] : 0, 8);
    for (uint32_t i = 0; known && i < s->pc.frames[pc]; i++) {
        uint32_t f = s->pc.frame[pc] + i;
        plain_text(b, s, s->frame.func[f]);
        plain_text(b, s, s->frame.file[f]);
        plain_number(b, s->frame.line[f], 4);
    }
}

static inline void plain_goroutine(struct buf *b, const struct snap *s, uint32_t g)
{
    uint32_t first, n = snap_labels_of(s, s->goroutine.labels[g], &first);
    plain_number(b, s->goroutine.addr[g], 8);
    plain_number(b, s->goroutine.id[g], 8);
    plain_number(b, s->goroutine.status[g], 1);
    plain_number(b, s->goroutine.flags[g], 2);
    plain_text(b, s, s->goroutine.wait_reason[g]);
    plain_number(b, (uint64_t)s->goroutine.wait_since[g], 8);
    plain_number(b, s->goroutine.parent_id[g], 8);
    plain_pc(b, s, s->goroutine.creator[g]);
    plain_pc(b, s, s->goroutine.start[g]);
    plain_number(b, s->goroutine.stack_lo[g], 8);
    plain_number(b, s->goroutine.stack_hi[g], 8);
    plain_number(b, s->goroutine.sp[g], 8);
    plain_number(b, n, 4);
    for (uint32_t i = first; i < first + n; i++) {
        plain_text(b, s, s->label.key[i]);
        plain_text(b, s, s->label.value[i]);
    }
    n = snap_waits_of(s, g, &first);
    plain_number(b, n, 4);
    for (uint32_t i = first; i < first + n; i++) {
        plain_number(b, s->wait.kind[i], 1);
        plain_number(b, s->wait.addr[i], 8);
    }
    plain_number(b, s->goroutine.depth[g], 2);
    for (uint32_t node = s->goroutine.stack[g]; node != SNAP_NONE; node = s->stack.parent[node])
        plain_pc(b, s, s->stack.pc[node]);
}

static inline void plain_binary(struct buf *b, const struct snap *s)
{
    plain_number(b, s->goroutine.n, 8);
    for (uint32_t g = 0; g < s->goroutine.n; g++)
        plain_goroutine(b, s, g);
}

static inline void plain_json_pc(struct json *j, const struct snap *s, uint32_t pc)
{
    for (uint32_t i = 0; pc != SNAP_NONE && i < s->pc.frames[pc]; i++) {
        uint32_t f = s->pc.frame[pc] + i;
        json_begin(j, '{');
        json_kaddr(j, "pc", s->pc.addr[pc]);
        json_kstr(j, "func", snap_str(s, s->frame.func[f]));
        json_kstr(j, "file", snap_str(s, s->frame.file[f]));
        json_ku64(j, "line", s->frame.line[f]);
        json_end(j, '}');
    }
}

static inline void plain_json_goroutine(struct json *j, const struct snap *s, uint32_t g)
{
    uint32_t first, n = snap_labels_of(s, s->goroutine.labels[g], &first);
    json_begin(j, '{');
    json_kaddr(j, "addr", s->goroutine.addr[g]);
    json_ku64(j, "id", s->goroutine.id[g]);
    json_kstr(j, "status", snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    json_ku64(j, "flags", s->goroutine.flags[g]);
    json_kstr(j, "wait_reason", snap_str(s, s->goroutine.wait_reason[g]));
    json_ki64(j, "wait_since", s->goroutine.wait_since[g]);
    json_ku64(j, "parent", s->goroutine.parent_id[g]);
    json_key(j, "creator");
    json_begin(j, '[');
    plain_json_pc(j, s, s->goroutine.creator[g]);
    json_end(j, ']');
    json_key(j, "start");
    json_begin(j, '[');
    plain_json_pc(j, s, s->goroutine.start[g]);
    json_end(j, ']');
    json_kaddr(j, "stack_lo", s->goroutine.stack_lo[g]);
    json_kaddr(j, "stack_hi", s->goroutine.stack_hi[g]);
    json_kaddr(j, "sp", s->goroutine.sp[g]);
    json_key(j, "labels");
    json_begin(j, '{');
    for (uint32_t i = first; i < first + n; i++)
        json_kstr(j, snap_str(s, s->label.key[i]), snap_str(s, s->label.value[i]));
    json_end(j, '}');
    n = snap_waits_of(s, g, &first);
    json_key(j, "waits");
    json_begin(j, '[');
    for (uint32_t i = first; i < first + n; i++) {
        json_begin(j, '{');
        json_kstr(j, "kind", snap_waitkind_name((enum snap_waitkind)s->wait.kind[i]));
        json_kaddr(j, "addr", s->wait.addr[i]);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_key(j, "stack");
    json_begin(j, '[');
    for (uint32_t node = s->goroutine.stack[g]; node != SNAP_NONE; node = s->stack.parent[node])
        plain_json_pc(j, s, s->stack.pc[node]);
    json_end(j, ']');
    json_end(j, '}');
}

static inline struct err *plain_to_buf(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static inline struct err *plain_json(struct buf *b, const struct snap *s)
{
    struct json j;
    json_init(&j, plain_to_buf, b);
    json_begin(&j, '[');
    for (uint32_t g = 0; g < s->goroutine.n; g++)
        plain_json_goroutine(&j, s, g);
    json_end(&j, ']');
    return json_finish(&j);
}

#endif
