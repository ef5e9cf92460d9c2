/* shapes_dump.c - what the objects of a process's heap are, counted, as JSON, for the end-to-end
 * tests: every shape with its objects and their bytes, and those without a shape by span class.
 *
 *     shapes_dump PID
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "rt/rt.h"
#include "snap/snap.h"

enum { CLASSES = 256 };

struct count {
    uint64_t n, bytes;
};

static struct err *to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static void put_count(struct json *j, const struct count *c)
{
    json_ku64(j, "count", c->n);
    json_ku64(j, "bytes", c->bytes);
}

static void count_all(const struct snap *s, struct count *shapes, struct count *untyped)
{
    for (size_t i = 0; i < s->span.n; i++)
        for (uint32_t k = 0; k < s->span.elems[i]; k++) {
            uint32_t slot = s->span.slot[i] + k;
            if (!(s->slots64.allocated[slot / 64] >> slot % 64 & 1))
                continue;
            uint16_t shape = s->slot.shape[slot];
            struct count *c = shape ? &shapes[shape] : &untyped[s->span.class[i]];
            c->n++;
            c->bytes += s->span.elem_size[i];
        }
}

static struct err *print(const struct snap *s)
{
    struct json j;
    struct count *shapes = mem_alloc((s->shape.n + 1) * sizeof(*shapes)), untyped[CLASSES] = {0};
    count_all(s, shapes, untyped);
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
    json_key(&j, "shapes");
    json_begin(&j, '[');
    for (size_t i = 1; i < s->shape.n; i++) {
        json_begin(&j, '{');
        json_kstr(&j, "name", snap_str(s, s->shape.name[i]));
        json_ku64(&j, "form", s->shape.form[i]);
        json_ku64(&j, "evidence", s->shape.evidence[i]);
        put_count(&j, &shapes[i]);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_key(&j, "untyped");
    json_begin(&j, '[');
    for (size_t i = 0; i < CLASSES; i++) {
        if (!untyped[i].n)
            continue;
        json_begin(&j, '{');
        json_ku64(&j, "class", i);
        put_count(&j, &untyped[i]);
        json_end(&j, '}');
    }
    json_end(&j, ']');
    json_key(&j, "missing");
    json_begin(&j, '[');
    for (size_t i = 0; i < s->missing.n; i++)
        json_str(&j, snap_str(s, s->missing.what[i]));
    json_end(&j, ']');
    json_ku64(&j, "types", s->type.n);
    json_ku64(&j, "fields", s->field.n);
    json_end(&j, '}');
    free(shapes);
    return json_finish(&j);
}

static struct err *run(int pid)
{
    struct rt_capture_options o = {.heap = true};
    struct target *t = NULL;
    struct rt *rt = NULL;
    struct snap *s = NULL;
    struct err *e = target_open_pid(pid, &t);
    if (!e)
        e = rt_open(t, &rt);
    if (!e)
        e = rt_capture(rt, &o, &s);
    if (!e)
        e = snap_check(s);
    if (!e)
        e = print(s);
    snap_free(s);
    rt_close(rt);
    target_close(t);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: shapes_dump PID\n");
        return 2;
    }
    struct err *e = run(atoi(argv[1]));
    if (!e)
        return 0;
    fprintf(stderr, "shapes_dump: %s\n", err_message(e));
    err_free(e);
    return 1;
}
