/* history.c - looks as a page; see history.h.
 *
 * The page (web/history.html with its program, web/history.ts) reads this JSON, which stands in it:
 *     target      name, pid, Go release
 *     situations  [state, way to wait, index of object or -1, place]; 0 is Idle
 *     objects     names of what is waited for
 *     looks       t: ms since 1970; by: goroutines in each state; set: [situation, goids ...];
 *                 gone: goids; holds: [object, goid]; tries: the same, of a livelock; found: [kind,
 *                 1 when it begins, goids ...]
 *
 * A goroutine that set and gone do not name is in the situation of the look before. */
#include "report/history.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "report/report_int.h"

extern const char history_page[]; /* made of web/history.html by tools/embed-texts */

enum { HISTORY_MAX = 64 << 20, SITUATIONS_MAX = 1 << 16 };
static const char data_mark[] = "@DATA@";

struct known { /* a goroutine of the look before */
    uint64_t id;
    uint32_t situation;
};

struct report_history {
    struct buf target, situations, objects, looks; /* JSON, each without its brackets */
    struct intern situation_ids, object_ids;       /* id - 1 is the number in the page */
    VEC(struct known) before;
    uint32_t kept;
    bool full;
};

struct report_history *report_history_new(void)
{
    struct report_history *h = mem_alloc(sizeof(*h));
    intern_init(&h->situation_ids);
    intern_init(&h->object_ids);
    return h;
}

void report_history_free(struct report_history *h)
{
    if (!h)
        return;
    buf_free(&h->target);
    buf_free(&h->situations);
    buf_free(&h->objects);
    buf_free(&h->looks);
    intern_free(&h->situation_ids);
    intern_free(&h->object_ids);
    vec_free(&h->before);
    free(h);
}

static struct err *into(void *arg, const char *bytes, size_t n)
{
    buf_add(arg, bytes, n);
    return NULL;
}

static void begin(struct json *j, struct buf *to)
{
    json_init(j, into, to);
}

static void end(struct json *j)
{
    err_free(json_finish(j)); /* a buffer takes everything */
}

/* The number of a text, which is added to the list when it is new. */
static uint32_t number_of(struct intern *ids, struct buf *list, const char *key, const char *text)
{
    size_t before = ids->n;
    uint32_t id = intern_add(ids, *key ? key : " ");
    if (ids->n > before) {
        buf_str(list, list->n ? "," : "");
        buf_str(list, text);
    }
    return id - 1;
}

static uint32_t object_called(struct report_history *h, taddr addr, const char *name)
{
    struct buf quoted = {0}, key = {0};
    struct json j;
    begin(&j, &quoted);
    json_str(&j, name);
    end(&j);
    buf_printf(&key, "%" PRIx64, addr);
    uint32_t n = number_of(&h->object_ids, &h->objects, buf_text(&key), buf_text(&quoted));
    buf_free(&quoted);
    buf_free(&key);
    return n;
}

static uint32_t object_number(struct report_history *h, const struct wait_graph *w, uint32_t row)
{
    struct buf name = {0};
    wait_object_text(w, row, &name);
    uint32_t n = object_called(h, w->s->object.addr[row], buf_text(&name));
    buf_free(&name);
    return n;
}

static void place_text(struct buf *b, const struct wait_graph *w, const struct snap_codes *codes,
                       uint32_t row)
{
    uint32_t frame = w->info[row].place;
    if (frame == SNAP_NONE)
        return;
    snap_short_func(b, snap_str(w->s, w->s->frame.func[frame]));
    buf_char(b, ' ');
    snap_short_place(b, w->s, codes, frame);
}

static uint32_t situation_number(struct report_history *h, const struct wait_graph *w,
                                 const struct snap_codes *codes, const struct wait_life *l)
{
    struct buf text = {0}, place = {0};
    struct json j;
    bool waits = l->same > 0;
    uint32_t object = waits ? w->info[l->row].object : SNAP_NONE;
    bool many = h->situation_ids.n >= SITUATIONS_MAX; /* then without places */
    if (l->state != WAIT_STATE_IDLE && !many)
        place_text(&place, w, codes, l->row);
    begin(&j, &text);
    json_begin(&j, '[');
    json_u64(&j, l->state);
    json_str(&j, waits ? wait_name((enum wait_kind)l->kind) : "");
    json_i64(&j, object == SNAP_NONE ? -1 : (int64_t)object_number(h, w, object));
    json_str(&j, buf_text(&place));
    json_end(&j, ']');
    end(&j);
    uint32_t n = number_of(&h->situation_ids, &h->situations, buf_text(&text), buf_text(&text));
    buf_free(&text);
    buf_free(&place);
    return n;
}

/* ---- a look ---- */

struct change {
    uint32_t situation;
    uint64_t id;
};

static int by_situation(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->situation != y->situation)
        return x->situation < y->situation ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void put_changes(struct json *j, const struct change *v, size_t n)
{
    json_key(j, "set");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        if (!i || v[i].situation != v[i - 1].situation) {
            if (i)
                json_end(j, ']');
            json_begin(j, '[');
            json_u64(j, v[i].situation);
        }
        json_u64(j, v[i].id);
    }
    if (n)
        json_end(j, ']');
    json_end(j, ']');
}

/* Goroutines that are in another situation than in the look before, and those that ended. */
static void put_goroutines(struct report_history *h, struct json *j, const struct wait_graph *w,
                           const struct wait_states *st)
{
    VEC(struct change) changes = {0};
    VEC(struct known) now = {0};
    struct map before = {0};
    struct snap_codes codes;
    snap_codes_init(&codes, w->s);
    for (size_t i = 0; i < h->before.n; i++)
        map_put(&before, h->before.v[i].id, (uint32_t)i);
    for (size_t i = 0; i < st->v.n; i++) {
        const struct wait_life *l = &st->v.v[i];
        uint32_t at = map_get(&before, l->id), was = 0;
        uint32_t situation = l->state == WAIT_STATE_IDLE ? 0 : situation_number(h, w, &codes, l);
        if (at != MAP_NONE) {
            was = h->before.v[at].situation;
            h->before.v[at].situation = SNAP_NONE; /* it lives */
        }
        if (situation != was)
            vec_push(&changes, ((struct change){situation, l->id}));
        if (situation || was)
            vec_push(&now, ((struct known){l->id, situation}));
    }
    if (changes.n)
        qsort(changes.v, changes.n, sizeof(*changes.v), by_situation);
    put_changes(j, changes.v, changes.n);
    json_key(j, "gone");
    json_begin(j, '[');
    for (size_t i = 0; i < h->before.n; i++)
        if (h->before.v[i].situation != SNAP_NONE)
            json_u64(j, h->before.v[i].id);
    json_end(j, ']');
    vec_free(&h->before);
    h->before.v = now.v;
    h->before.n = now.n;
    h->before.cap = now.cap;
    vec_free(&changes);
    map_free(&before);
    snap_codes_free(&codes);
}

static void put_pair(struct json *j, uint32_t object, uint64_t goroutine)
{
    json_begin(j, '[');
    json_u64(j, object);
    json_u64(j, goroutine);
    json_end(j, ']');
}

/* What each of a livelock over locks holds, or (next) is about to take: nobody waits for it, so it
 * has no name. */
static void put_livelocks(struct report_history *h, struct json *j, const struct wait_states *st,
                          size_t next)
{
    for (size_t i = 0; i < st->found.n; i++) {
        const struct wait_finding *f = &st->found.v[i];
        bool locks = f->on && f->kind == WAIT_FOUND_LIVELOCK && f->livelock == WAIT_LIVELOCK_LOCKS;
        for (size_t k = 0; locks && k < f->ng; k++) {
            struct buf name = {0};
            taddr lock = f->lock[(k + next) % f->ng];
            buf_printf(&name, "lock at 0x%" PRIx64, lock);
            put_pair(j, object_called(h, lock, buf_text(&name)), f->g[k]);
            buf_free(&name);
        }
    }
}

static void put_holds(struct report_history *h, struct json *j, const struct wait_graph *w,
                      const struct wait_states *st)
{
    json_key(j, "holds");
    json_begin(j, '[');
    for (size_t i = 0; i < w->nholders; i++) {
        const struct wait_holder *o = &w->holders[i];
        if (o->evidence == WAIT_EV_WEAK ||
            (o->act != SNAP_ACT_UNLOCK && o->act != SNAP_ACT_RUNLOCK &&
             o->act != SNAP_ACT_LOCK_AGAIN && o->act != SNAP_ACT_DONE))
            continue;
        put_pair(j, object_number(h, w, o->object), w->s->goroutine.id[o->goroutine]);
    }
    put_livelocks(h, j, st, 0);
    json_end(j, ']');
    json_key(j, "tries");
    json_begin(j, '[');
    put_livelocks(h, j, st, 1);
    json_end(j, ']');
}

static void put_found(struct json *j, const struct wait_states *st)
{
    json_key(j, "found");
    json_begin(j, '[');
    for (size_t i = 0; i < st->found.n; i++) {
        const struct wait_finding *f = &st->found.v[i];
        if (!f->on)
            continue;
        json_begin(j, '[');
        json_str(j, wait_finding_name((enum wait_finding_kind)f->kind));
        json_u64(j, f->first == st->look);
        for (size_t k = 0; k < f->ng; k++)
            json_u64(j, f->g[k]);
        json_end(j, ']');
    }
    json_end(j, ']');
}

static void put_target(struct report_history *h, const struct snap *s)
{
    struct json j;
    struct buf name = {0};
    if (h->target.n)
        return;
    name_target(&name, s);
    begin(&j, &h->target);
    json_str(&j, buf_text(&name));
    end(&j);
    buf_free(&name);
    buf_str(&h->situations, "[0,\"\",-1,\"\"]");
    intern_add(&h->situation_ids, buf_text(&h->situations));
}

void report_history_add(struct report_history *h, const struct report_deadlock_look *look)
{
    const struct wait_states *st = look->states;
    struct json j;
    if (h->looks.n + h->situations.n + h->objects.n > HISTORY_MAX) {
        h->full = true;
        return;
    }
    put_target(h, look->now.graph->s);
    buf_str(&h->looks, h->kept++ ? ",\n" : "");
    begin(&j, &h->looks);
    json_begin(&j, '{');
    json_ki64(&j, "t", look->unix_ns / 1000000);
    json_key(&j, "by");
    json_begin(&j, '[');
    for (size_t i = 0; i < WAIT_STATE_COUNT; i++)
        json_u64(&j, st->by_state[i]);
    json_end(&j, ']');
    put_goroutines(h, &j, look->now.graph, st);
    put_holds(h, &j, look->now.graph, st);
    put_found(&j, st);
    json_end(&j, '}');
    end(&j);
}

/* ---- the page ---- */

/* In a script a "<" could end it; in JSON it stands in strings only. */
static void without_tags(struct buf *to, const struct buf *from)
{
    for (const char *p = buf_text(from); *p; p++) {
        if (*p == '<')
            buf_str(to, "\\u003c");
        else
            buf_char(to, *p);
    }
}

struct err *report_history_write(struct report_history *h, struct report_sink out)
{
    const char *at = strstr(history_page, data_mark);
    struct buf b = {0};
    buf_add(&b, history_page, (size_t)(at - history_page));
    buf_str(&b, "{\"target\":");
    without_tags(&b, &h->target);
    buf_str(&b, h->target.n ? "" : "\"\"");
    buf_printf(&b, ",\"full\":%s,\n\"situations\":[", h->full ? "true" : "false");
    without_tags(&b, &h->situations);
    buf_str(&b, "],\n\"objects\":[");
    without_tags(&b, &h->objects);
    buf_str(&b, "],\n\"looks\":[");
    without_tags(&b, &h->looks);
    buf_str(&b, "]}");
    buf_str(&b, at + sizeof(data_mark) - 1);
    struct err *e = b.full ? err_new(ERR_LIMIT, "the history is too long for one page")
                           : out.write(out.arg, b.p, b.n);
    buf_free(&b);
    return e;
}
