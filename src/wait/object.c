/* object.c - what goroutines wait for, in words: its name, and the state it is in.
 *
 * Where the snapshot has no name for an object and has the heap, the type of the heap object that
 * it lies in gives one: orders.Cache.mu; what alone keeps that alive, if it is a global, comes
 * before it. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "snap/names.h"
#include "wait/graph_int.h"

enum { DEPTH_MAX = 16 };

/* Appends the way to the field at an offset of a type: ".shards[3].mu". */
static void field_path(struct buf *b, const struct snap *s, uint32_t type, uint64_t off)
{
    for (int depth = 0; depth < DEPTH_MAX && type < s->type.n; depth++) {
        uint32_t elem = s->type.elem[type];
        if (s->type.kind[type] == SNAP_KIND_ARRAY && elem < s->type.n && s->type.size[elem]) {
            buf_printf(b, "[%" PRIu64 "]", off / s->type.size[elem]);
            off %= s->type.size[elem];
            type = elem;
            continue;
        }
        const char *name = snap_str(s, s->type.name[type]);
        if (s->type.kind[type] != SNAP_KIND_STRUCT || strncmp(name, "sync.", 5) == 0)
            return;
        uint32_t best = SNAP_NONE;
        for (uint32_t f = s->type.field[type]; f < s->type.field[type] + s->type.fields[type]; f++)
            if (s->field.offset[f] <= off)
                best = f;
        if (best == SNAP_NONE)
            return;
        buf_printf(b, ".%s", snap_str(s, s->field.name[best]));
        off -= s->field.offset[best];
        type = s->field.type[best];
    }
}

static const char *by_heap(struct wait_graph *w, const struct heap_graph *heap, uint32_t object)
{
    const struct snap *s = w->s;
    uint64_t off;
    struct buf b = {0};
    uint32_t slot = heap_find(heap, s->object.addr[object], &off);
    if (slot == SNAP_NONE)
        return "";
    uint32_t shape = heap_shape(heap, slot), span = heap_span(heap, slot);
    uint32_t type = shape ? s->shape.type[shape] : SNAP_NONE;
    uint32_t form = shape ? s->shape.form[shape] : SNAP_FORM_UNKNOWN;
    uint64_t header = s->span.flags[span] & SNAP_SPF_HEADER ? 8 : 0;
    if (type == SNAP_NONE || off < header || (form != SNAP_FORM_VALUE && form != SNAP_FORM_ARRAY))
        return "";
    uint64_t size = s->type.size[type];
    off -= header;
    buf_str(&b, snap_str(s, s->type.name[type]));
    if (size && off >= size)
        buf_printf(&b, "[%" PRIu64 "]", off / size);
    field_path(&b, s, type, size ? off % size : off);
    const char *name = arena_strdup(&w->own->mem, buf_text(&b));
    buf_free(&b);
    return strchr(name, '.') ? name : "";
}

void wait_find_names(struct wait_graph *w, const struct heap_graph *heap)
{
    const struct snap *s = w->s;
    for (uint32_t i = 0; i < s->object.n; i++) {
        w->names[i] = snap_str(s, s->object.name[i]);
        bool inner = s->object.kind[i] != SNAP_OBJ_POLL && s->object.kind[i] != SNAP_OBJ_CHAN;
        if (!*w->names[i] && heap && inner)
            w->names[i] = by_heap(w, heap, i);
    }
}

void wait_object_text(const struct wait_graph *w, uint32_t object, struct buf *b)
{
    const struct snap *s = w->s;
    const char *type = snap_str(s, s->object.type[object]);
    uint32_t poll = s->object.poll[object];
    struct buf name = {0};
    snap_short_func(&name, w->names[object]);
    if (name.n && strcmp(buf_text(&name), type) != 0) /* it is the whole of an object of the heap */
        buf_printf(b, "%s  ", buf_text(&name));
    if (poll != SNAP_NONE) {
        const char *file = snap_str(s, s->poll.file[poll]);
        buf_printf(b, "%s%sdescriptor %" PRId64, file, *file ? " " : "", s->poll.fd[poll]);
    } else {
        buf_printf(b, "%s at 0x%" PRIx64,
                   *type ? type : snap_objkind_name((enum snap_objkind)s->object.kind[object]),
                   s->object.addr[object]);
    }
    buf_free(&name);
}

/* ---- states ---- */

static void chan_state(const struct snap *s, uint32_t c, struct buf *b)
{
    uint64_t len = s->chan.length[c], cap = s->chan.capacity[c];
    int64_t now = snap_meta_i64(s, SNAP_META_taken_mono_ns, 0), when = s->chan.timer_when[c];
    if (s->chan.timer[c]) {
        buf_str(b, when > 0 ? "a timer sends on it" : "its timer is stopped: nothing is ever sent");
        if (s->chan.bubble[c]) {
            buf_printf(b, " in the time of synctest bubble %" PRIu64, s->chan.bubble[c]);
        } else if (when > now && now > 0) {
            buf_str(b, " in ");
            text_ns(b, when - now);
        }
        return;
    }
    if (s->chan.flags[c] & SNAP_CF_CLOSED)
        buf_str(b, "closed, ");
    if (!cap)
        buf_str(b, "unbuffered");
    else
        buf_printf(b, "capacity %" PRIu64 ", %s", cap, len >= cap ? "full" : len ? "" : "empty");
    if (cap && len && len < cap)
        buf_printf(b, "%" PRIu64 " in it", len);
    if (s->chan.bubble[c])
        buf_printf(b, ", of synctest bubble %" PRIu64, s->chan.bubble[c]);
}

static void mutex_state(const struct snap *s, uint32_t l, struct buf *b)
{
    uint16_t flags = s->lock.flags[l];
    buf_str(b, flags & SNAP_LOCK_HELD ? "held" : "not held");
    if (flags & SNAP_LOCK_STARVING)
        buf_str(b, ", in starvation mode");
    if (flags & SNAP_LOCK_WOKEN)
        buf_str(b, ", a waiter is awake");
}

static void rwmutex_state(const struct snap *s, uint32_t l, struct buf *b)
{
    int64_t readers = s->lock.count[l], leaving = s->lock.leaving[l];
    bool writer = s->lock.flags[l] & SNAP_LOCK_WRITER;
    if (!writer)
        buf_printf(b, "held by %" PRId64 " reader%s", readers, readers == 1 ? "" : "s");
    else if (leaving > 0)
        buf_printf(b, "%" PRId64 " reader%s hold%s it, a writer waits for them to leave", leaving,
                   leaving == 1 ? "" : "s", leaving == 1 ? "s" : "");
    else
        buf_str(b, "held by a writer");
    if (writer && readers > leaving)
        buf_printf(b, ", %" PRId64 " reader%s behind it", readers - leaving,
                   readers - leaving == 1 ? "" : "s");
}

static void lock_state(const struct snap *s, uint32_t l, struct buf *b)
{
    switch ((enum snap_objkind)s->lock.kind[l]) {
    case SNAP_OBJ_MUTEX:
        mutex_state(s, l, b);
        break;
    case SNAP_OBJ_ONCE:
        buf_str(b, s->lock.flags[l] & SNAP_LOCK_DONE ? "done" : "its function has not returned");
        break;
    case SNAP_OBJ_RWMUTEX:
        rwmutex_state(s, l, b);
        break;
    case SNAP_OBJ_WAITGROUP:
        buf_printf(b, "counter %" PRId64, s->lock.count[l]);
        break;
    case SNAP_OBJ_COND:
        buf_printf(b, "%" PRIu32 " not signalled yet", s->lock.waiters[l]);
        break;
    default:
        buf_printf(b, "value %" PRIu32, s->lock.state[l]);
        break;
    }
}

static void poll_state(const struct snap *s, uint32_t p, struct buf *b)
{
    const char *local = snap_str(s, s->poll.local[p]), *remote = snap_str(s, s->poll.remote[p]);
    const char *state = snap_str(s, s->poll.state[p]);
    if (*local)
        buf_printf(b, "%s%s%s", local, *remote ? " ← " : "", remote);
    if (*state && strcmp(state, "ESTABLISHED") != 0)
        buf_printf(b, "%s%s", b->n ? ", " : "", state);
    if (s->poll.flags[p] & SNAP_PF_CLOSING)
        buf_str(b, b->n ? ", being closed" : "being closed");
}

void wait_state_text(const struct wait_graph *w, uint32_t object, struct buf *b)
{
    const struct snap *s = w->s;
    if (s->object.chan[object] != SNAP_NONE)
        chan_state(s, s->object.chan[object], b);
    else if (s->object.lock[object] != SNAP_NONE)
        lock_state(s, s->object.lock[object], b);
    else if (s->object.poll[object] != SNAP_NONE)
        poll_state(s, s->object.poll[object], b);
}
