/* trigger.c - what chose the moment of a snapshot; see trigger.h. */
#include "report/trigger.h"

#include "base/text.h"

static void put(struct buf *b, const struct snap *s, const char *before, enum snap_meta_key key)
{
    const char *text = snap_meta(s, key);
    if (!text)
        return;
    buf_str(b, before);
    text_clean(b, text);
}

bool report_trigger_text(struct buf *b, const struct snap *s)
{
    if (!snap_meta(s, SNAP_META_trigger))
        return false;
    put(b, s, "", SNAP_META_trigger);
    put(b, s, ", number ", SNAP_META_trigger_number);
    put(b, s, " of ", SNAP_META_trigger_spec);
    put(b, s, ": ", SNAP_META_trigger_values);
    put(b, s, ": goroutine ", SNAP_META_trigger_goroutine);
    put(b, s, snap_meta(s, SNAP_META_trigger_goroutine) ? " on thread " : ": thread ",
        SNAP_META_trigger_thread);
    put(b, s, " in ", SNAP_META_trigger_syscall);
    put(b, s, " at ", SNAP_META_trigger_place);
    return true;
}

static void text(struct json *j, const struct snap *s, const char *key, enum snap_meta_key meta)
{
    const char *v = snap_meta(s, meta);
    if (v)
        json_kstr(j, key, v);
}

static void number(struct json *j, const struct snap *s, const char *key, enum snap_meta_key meta)
{
    if (snap_meta(s, meta))
        json_ki64(j, key, snap_meta_i64(s, meta, 0));
}

void report_trigger_json(struct json *j, const struct snap *s)
{
    if (!snap_meta(s, SNAP_META_trigger))
        return;
    json_key(j, "trigger");
    json_begin(j, '{');
    text(j, s, "kind", SNAP_META_trigger);
    text(j, s, "spec", SNAP_META_trigger_spec);
    number(j, s, "number", SNAP_META_trigger_number);
    number(j, s, "goroutine", SNAP_META_trigger_goroutine);
    number(j, s, "thread", SNAP_META_trigger_thread);
    text(j, s, "pc", SNAP_META_trigger_pc);
    text(j, s, "place", SNAP_META_trigger_place);
    text(j, s, "syscall", SNAP_META_trigger_syscall);
    text(j, s, "values", SNAP_META_trigger_values);
    json_end(j, '}');
}
