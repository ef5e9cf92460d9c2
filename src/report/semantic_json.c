/* semantic_json.c - gospect mem diff --semantic --json: docs/formats/mem-semantic.schema.json. */
#include <math.h>
#include <stdlib.h>

#include "report/semantic_int.h"

static void side_json(struct json *j, const char *key, const struct snap *s, double bytes,
                      double objects)
{
    int64_t rate;
    json_key(j, key);
    json_begin(j, '{');
    json_key(j, "target");
    target_json(j, s);
    json_kf64(j, "bytes", bytes);
    json_kf64(j, "objects", objects);
    json_key(j, "sample_rate_bytes");
    if (snap_counter(s, "prof.mem_rate_bytes", &rate))
        json_i64(j, rate);
    else
        json_null(j);
    json_end(j, '}');
}

static void number_of(struct json *j, const char *key, const uint32_t *number, uint32_t node)
{
    json_key(j, key);
    if (node == SNAP_NONE)
        json_null(j);
    else
        json_u64(j, number[node]);
}

static void site_json(struct json *j, const struct semantic_view *x, const uint32_t *number,
                      uint32_t node)
{
    const struct heap_site_node *v = &x->v[node];
    json_begin(j, '{');
    number_of(j, "caller", number, v->parent);
    json_ku64(j, "depth", v->depth);
    json_kstr(j, "function", v->func);
    json_kstr(j, "file", v->file);
    json_ku64(j, "line", v->line);
    json_kf64(j, "bytes_before", v->a);
    json_kf64(j, "bytes", v->b);
    json_kf64(j, "delta_bytes", semantic_delta(v));
    json_kf64(j, "self_delta_bytes", x->self[node]);
    json_kf64(j, "objects_before", v->a_objects);
    json_kf64(j, "objects", v->b_objects);
    json_kf64(j, "similarity", v->similarity);
    json_kbool(j, "suspect", v->suspect);
    json_end(j, '}');
}

static void changed_most_json(struct json *j, const struct semantic_view *x)
{
    json_key(j, "changed_most");
    json_begin(j, '[');
    for (size_t i = 0; i < x->nmost; i++) {
        const struct heap_site_node *v = &x->v[x->most[i]];
        json_begin(j, '{');
        json_kf64(j, "self_delta_bytes", x->self[x->most[i]]);
        json_key(j, "stack"); /* the site itself first */
        json_begin(j, '[');
        for (;; v = &x->v[v->parent]) {
            json_begin(j, '{');
            json_kstr(j, "function", v->func);
            json_kstr(j, "file", v->file);
            json_ku64(j, "line", v->line);
            json_end(j, '}');
            if (v->parent == SNAP_NONE)
                break;
        }
        json_end(j, ']');
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void sites_json(struct json *j, const struct semantic_view *x)
{
    uint32_t *number = mem_alloc((x->n + 1) * sizeof(*number)), next = 0;
    json_key(j, "sites");
    json_begin(j, '[');
    for (uint32_t i = 0; i < x->n; i++) {
        if (!x->shown[i])
            continue;
        number[i] = next++;
        site_json(j, x, number, i);
    }
    json_end(j, ']');
    json_ku64(j, "sites_left_out", x->n - x->nshown);
    free(number);
}

struct err *report_semantic_json(const struct report_semantic *r, struct report_sink out)
{
    struct json j;
    struct semantic_view x;
    const struct heap_semantic *t = r->tree;
    semantic_view_init(&x, r);
    json_init(&j, out.write, out.arg);
    json_begin(&j, '{');
    json_kf64(&j, "similarity", t->similarity);
    json_kf64(&j, "threshold", t->threshold);
    json_kbool(&j, "differs", t->differs);
    json_kf64(&j, "min_depth_weight", t->min_depth_weight);
    json_kf64(&j, "depth_decay", t->decay);
    side_json(&j, "before", r->a, t->a, t->a_objects);
    side_json(&j, "after", r->b, t->b, t->b_objects);
    changed_most_json(&j, &x);
    sites_json(&j, &x);
    semantic_view_free(&x);
    return document_end(&j, r->b);
}
