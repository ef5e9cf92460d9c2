/* waits_json.c - waits for programs; docs/formats/waits.schema.json.  Written as a stream. */
#include "report/waits_int.h"

struct writer {
    const struct wait_graph *w;
    const struct snap *s;
    struct json j;
};

static void known_str(struct json *j, const char *key, const char *text)
{
    json_kstr(j, key, *text ? text : NULL);
}

static void object_json(struct writer *x, uint32_t object)
{
    const struct snap *s = x->s;
    struct json *j = &x->j;
    if (object == SNAP_NONE) {
        json_null(j);
        return;
    }
    json_begin(j, '{');
    json_kaddr(j, "addr", s->object.addr[object]);
    json_kstr(j, "kind", snap_objkind_name((enum snap_objkind)s->object.kind[object]));
    known_str(j, "type", snap_str(s, s->object.type[object]));
    known_str(j, "name", x->w->names[object]);
    json_end(j, '}');
}

static void each_holder(struct writer *x, uint32_t object)
{
    struct json *j = &x->j;
    size_t first, n = object == SNAP_NONE ? 0 : wait_holders_of(x->w, object, &first);
    for (size_t i = 0; i < n; i++) {
        const struct wait_holder *h = &x->w->holders[first + i];
        json_begin(j, '{');
        json_ku64(j, "goroutine", x->s->goroutine.id[h->goroutine]);
        json_kstr(j, "evidence", wait_evidence_name((enum wait_evidence)h->evidence));
        json_kstr(j, "act", snap_act_name((enum snap_act)h->act));
        json_end(j, '}');
    }
}

static void holders_json(struct writer *x, uint32_t object)
{
    json_begin(&x->j, '[');
    each_holder(x, object);
    json_end(&x->j, ']');
}

/* Of a select: those who would end one of its cases. */
static void holders_of_cases(struct writer *x, const struct wait_info *g)
{
    json_begin(&x->j, '[');
    for (uint32_t i = g->first; i < g->first + g->n; i++)
        each_holder(x, x->s->wait.object[i]);
    json_end(&x->j, ']');
}

static void cases_json(struct writer *x, const struct wait_info *g)
{
    struct json *j = &x->j;
    const struct snap *s = x->s;
    json_key(j, "cases");
    json_begin(j, '[');
    for (uint32_t i = g->first; i < g->first + g->n; i++) {
        json_begin(j, '{');
        json_kstr(j, "direction", s->wait.kind[i] == SNAP_W_SELECT_SEND ? "send" : "receive");
        json_key(j, "number");
        if (s->wait.case_no[i])
            json_u64(j, s->wait.case_no[i]);
        else
            json_null(j);
        json_key(j, "object");
        object_json(x, s->wait.object[i]);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void place_json(struct writer *x, uint32_t frame)
{
    struct json *j = &x->j;
    const struct snap *s = x->s;
    bool known = frame != SNAP_NONE;
    json_kstr(j, "func", known ? snap_str(s, s->frame.func[frame]) : NULL);
    json_kstr(j, "file", known ? snap_str(s, s->frame.file[frame]) : NULL);
    json_ku64(j, "line", known ? s->frame.line[frame] : 0);
}

static void wait_json(struct writer *x, uint32_t row)
{
    struct json *j = &x->j;
    const struct snap *s = x->s;
    const struct wait_info *g = &x->w->info[row];
    int64_t since = snap_wait_ns(s, row);
    json_begin(j, '{');
    json_ku64(j, "goroutine", s->goroutine.id[row]);
    json_kstr(j, "kind", wait_name((enum wait_kind)g->kind));
    known_str(j, "reason", snap_str(s, s->goroutine.wait_reason[row]));
    json_key(j, "object");
    object_json(x, g->object);
    if (g->kind == WAIT_SELECT)
        cases_json(x, g);
    json_key(j, "since_ns");
    if (since < 0)
        json_null(j);
    else
        json_i64(j, since);
    known_str(j, "ends", wait_trap_name((enum wait_trap)g->trap));
    place_json(x, g->place);
    json_key(j, "holders");
    if (g->object == SNAP_NONE)
        holders_of_cases(x, g);
    else
        holders_json(x, g->object);
    json_end(j, '}');
}

/* ---- states ---- */

static void chan_json(struct json *j, const struct snap *s, uint32_t c)
{
    json_ku64(j, "capacity", s->chan.capacity[c]);
    json_ku64(j, "length", s->chan.length[c]);
    json_kbool(j, "closed", s->chan.flags[c] & SNAP_CF_CLOSED);
    json_ku64(j, "receivers", s->chan.receivers[c]);
    json_ku64(j, "senders", s->chan.senders[c]);
    json_kbool(j, "timer", s->chan.timer[c] != 0);
    json_key(j, "timer_when_ns");
    if (s->chan.timer_when[c] > 0)
        json_i64(j, s->chan.timer_when[c]);
    else
        json_null(j);
}

static void lock_json(struct json *j, const struct snap *s, uint32_t l)
{
    uint16_t flags = s->lock.flags[l];
    json_kbool(j, "held", flags & SNAP_LOCK_HELD);
    json_kbool(j, "starving", flags & SNAP_LOCK_STARVING);
    json_kbool(j, "writer", flags & SNAP_LOCK_WRITER);
    json_ku64(j, "waiters_counted", s->lock.waiters[l]);
    json_ki64(j, "count", s->lock.count[l]);
    json_ki64(j, "leaving", s->lock.leaving[l]);
    json_ku64(j, "queued", s->lock.queued[l]);
}

static void poll_json(struct json *j, const struct snap *s, uint32_t p)
{
    json_ki64(j, "fd", s->poll.fd[p]);
    known_str(j, "file", snap_str(s, s->poll.file[p]));
    known_str(j, "local", snap_str(s, s->poll.local[p]));
    known_str(j, "remote", snap_str(s, s->poll.remote[p]));
    known_str(j, "state", snap_str(s, s->poll.state[p]));
}

static void objects_json(struct writer *x)
{
    struct json *j = &x->j;
    const struct snap *s = x->s;
    json_key(j, "objects");
    json_begin(j, '[');
    for (uint32_t i = 0; i < s->object.n; i++) {
        json_begin(j, '{');
        json_kaddr(j, "addr", s->object.addr[i]);
        json_kstr(j, "kind", snap_objkind_name((enum snap_objkind)s->object.kind[i]));
        known_str(j, "type", snap_str(s, s->object.type[i]));
        known_str(j, "name", x->w->names[i]);
        json_ku64(j, "waiters", s->object.waiters[i]);
        if (s->object.chan[i] != SNAP_NONE)
            chan_json(j, s, s->object.chan[i]);
        if (s->object.lock[i] != SNAP_NONE)
            lock_json(j, s, s->object.lock[i]);
        if (s->object.poll[i] != SNAP_NONE)
            poll_json(j, s, s->object.poll[i]);
        json_key(j, "holders");
        holders_json(x, i);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void semas_json(struct writer *x)
{
    struct json *j = &x->j;
    struct wait_semas m;
    wait_semas(x->s, &m);
    json_key(j, "semaphores");
    json_begin(j, '{');
    json_ku64(j, "slots", m.slots);
    json_ku64(j, "slots_used", m.used);
    json_ku64(j, "addresses", m.addresses);
    json_ku64(j, "goroutines", m.queued);
    json_ku64(j, "collisions", m.collisions);
    json_ku64(j, "most_in_a_slot", m.longest);
    json_ku64(j, "handed_over", m.handed);
    json_end(j, '}');
}

struct err *report_waits_json(const struct report_waits *r, struct report_sink out)
{
    struct writer x = {.w = r->graph, .s = r->graph->s};
    struct json *j = &x.j;
    document_begin(j, x.s, out);
    json_ku64(j, "count", x.w->blocked);
    json_key(j, "waits");
    json_begin(j, '[');
    for (uint32_t g = 0; g < x.s->goroutine.n; g++)
        if (x.w->info[g].group != SNAP_NONE)
            wait_json(&x, g);
    json_end(j, ']');
    objects_json(&x);
    semas_json(&x);
    return document_end(j, x.s);
}
