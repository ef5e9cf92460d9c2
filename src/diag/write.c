/* write.c - writing findings: texts in the report's arena; see diag_int.h. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "diag/diag_int.h"

struct diag_finding *diag_add(struct diag_run *r, const char *key, enum diag_severity severity)
{
    return diag_find(r->found, severity, key, "%s", "");
}

static const char *keep(struct diag_run *r, struct buf *b)
{
    const char *text = arena_strdup(&r->found->mem, buf_text(b));
    buf_free(b);
    return text;
}

const char *diag_number(struct diag_run *r, uint64_t n)
{
    struct buf b = {0};
    text_count(&b, n);
    return keep(r, &b);
}

const char *diag_age(struct diag_run *r, int64_t ns)
{
    struct buf b = {0};
    text_ns(&b, ns);
    return keep(r, &b);
}

const char *diag_bytes(struct diag_run *r, uint64_t n)
{
    struct buf b = {0};
    text_bytes(&b, n);
    return keep(r, &b);
}

const char *diag_per_time(struct diag_run *r, double per_second)
{
    struct buf b = {0};
    text_rate(&b, per_second);
    return keep(r, &b);
}

const char *diag_func(struct diag_run *r, uint32_t frame)
{
    struct buf b = {0};
    if (frame == SNAP_NONE)
        return "code without a name";
    snap_short_func(&b, snap_str(r->s, r->s->frame.func[frame]));
    return keep(r, &b);
}

const char *diag_where(struct diag_run *r, uint32_t frame)
{
    struct buf b = {0};
    if (frame == SNAP_NONE)
        return "an unknown place";
    snap_short_place(&b, r->s, &r->codes, frame);
    return keep(r, &b);
}

const char *diag_creator(struct diag_run *r, uint32_t g)
{
    uint32_t pc = r->s->goroutine.creator[g];
    if (pc >= r->s->pc.n || !r->s->pc.frames[pc])
        return "";
    return diag_where(r, r->s->pc.frame[pc]);
}

void diag_cluster_evidence(struct diag_run *r, struct diag_finding *f, const struct diag_cluster *c)
{
    const char *reason = snap_str(r->s, r->s->goroutine.wait_reason[c->example]);
    const char *created = diag_creator(r, c->example);
    if (!*reason)
        reason = snap_gstatus_name(r->s->goroutine.status[c->example]);
    diag_evidence(r->found, f, "%s at %s, in %s%s%s", reason, diag_where(r, c->place),
                  diag_func(r, c->place), *created ? "; created at " : "", created);
}

const char *diag_cluster_filter(struct diag_run *r, const struct diag_cluster *c)
{
    if (c->place == SNAP_NONE)
        return "--group-by stack";
    bool has_place = *snap_str(r->s, r->s->frame.file[c->place]) && r->s->frame.line[c->place];
    return has_place ? diag_text(r->found, "--filter 'file=%s'", diag_where(r, c->place))
                     : diag_text(r->found, "--filter 'func=%s'", diag_func(r, c->place));
}

double diag_growth(const struct diag_run *r, const struct diag_cluster *c)
{
    return r->elapsed_s > 0 ? ((double)c->count - (double)c->before) / r->elapsed_s : 0;
}
