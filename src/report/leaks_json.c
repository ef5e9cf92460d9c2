/* leaks_json.c - leaked goroutines as JSON: docs/formats/leaks.schema.json. */
#include <inttypes.h>

#include "report/leaks_int.h"

enum { PATHS_MOST = 10 }; /* causes whose first leak gets one */

/* "orders/http.go:140 ..." would differ with --full; machines get the whole file. */
static void place_json(struct json *j, const char *key, const struct snap *s, uint32_t pc)
{
    struct buf b = {0};
    json_key(j, key);
    if (pc == SNAP_NONE || !s->pc.frames[pc]) {
        json_null(j);
        return;
    }
    uint32_t frame = s->pc.frame[pc];
    buf_printf(&b, "%s %s:%u", snap_str(s, s->frame.func[frame]), snap_str(s, s->frame.file[frame]),
               s->frame.line[frame]);
    json_str(j, buf_text(&b));
    buf_free(&b);
}

/* path: NULL: it was not looked for. */
static void leak_json(struct json *j, const struct leak_facts *f, const struct wait_leak *l,
                      size_t cause, const char *path)
{
    const struct snap *s = f->waits->s;
    struct buf why = {0};
    uint32_t g = l->goroutine;
    int64_t ns = snap_wait_ns(s, g);
    leak_why_text(s, l, &why);
    json_begin(j, '{');
    json_ku64(j, "goroutine", s->goroutine.id[g]);
    json_kstr(j, "class", wait_leak_class_name((enum wait_leak_class)l->class));
    json_kstr(j, "wait", snap_str(s, s->goroutine.wait_reason[g]));
    json_key(j, "since_ns");
    if (ns >= 0)
        json_i64(j, ns);
    else
        json_null(j);
    place_json(j, "created_by", s, s->goroutine.creator[g]);
    json_ku64(j, "retained_bytes", l->retained);
    json_kstr(j, "why", buf_text(&why));
    json_kstr(j, "fault", wait_fault_name((enum wait_fault)l->fault));
    json_ku64(j, "cause", cause);
    json_key(j, "holder");
    if (l->holder == SNAP_NONE)
        json_null(j);
    else
        json_u64(j, s->goroutine.id[l->holder]);
    json_kstr(j, "path", path && *path ? path : NULL);
    leak_objects_json(j, f, l);
    json_end(j, '}');
    buf_free(&why);
}

static void head_json(struct json *j, const struct report_leaks *r, const struct snap *s)
{
    json_ku64(j, "goroutines", s->goroutine.n);
    json_ku64(j, "candidates", r->leaks->candidates);
    json_ku64(j, "unjudged", r->leaks->unjudged);
    json_ku64(j, "unread", r->leaks->unread);
    json_ku64(j, "retained_bytes", r->leaks->retained);
    json_ku64(j, "stack_bytes", r->leaks->stack_bytes);
    json_ki64(j, "wall_ns", r->wall_ns);
}

static struct err *cause_json(struct json *j, const struct leak_facts *f,
                              const struct report_leaks *r, size_t cause)
{
    const struct wait_leak *l = r->leaks->v + r->leaks->cause[cause].first;
    struct buf path = {0};
    struct err *e = cause < PATHS_MOST ? leak_path_text(f, l, &path) : NULL;
    for (uint32_t i = 0; !e && i < r->leaks->cause[cause].count; i++)
        leak_json(j, f, l + i, cause, i ? NULL : buf_text(&path));
    buf_free(&path);
    return e;
}

struct err *report_leaks_json(const struct report_leaks *r, struct report_sink out)
{
    const struct snap *s = heap_snap(r->graph);
    struct leak_facts facts;
    struct json j;
    struct err *e = leak_facts_open(r->graph, r->leaks, &facts);
    if (e) {
        leak_facts_close(&facts);
        return e;
    }
    document_begin(&j, s, out);
    head_json(&j, r, s);
    json_key(&j, "leaks");
    json_begin(&j, '[');
    for (size_t c = 0; !e && c < r->leaks->ncauses; c++)
        e = cause_json(&j, &facts, r, c);
    json_end(&j, ']');
    leak_facts_close(&facts);
    struct err *written = document_end(&j, s);
    if (e)
        err_free(written);
    return e ? e : written;
}
