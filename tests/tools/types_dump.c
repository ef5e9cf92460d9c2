/* types_dump.c - what rt/ reads of a process's types, as JSON, for the end-to-end tests: a list of
 * all types it finds, with fields and pointer masks.
 *
 *     types_dump PID
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "rt/types_int.h"

static struct err *to_stdout(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static uint64_t addr_of(struct rt_types *ty, uint32_t type)
{
    return type == SNAP_NONE ? 0 : types_get(ty, type)->addr;
}

static void put_mask(struct json *j, const struct rt_typeinfo *i)
{
    struct buf b = {0};
    for (uint64_t k = 0; i->mask && k < (i->ptr_bytes / 8 + 7) / 8; k++)
        buf_printf(&b, "%02x", i->mask[k]);
    json_key(j, "mask");
    if (i->mask || !i->ptr_bytes)
        json_str(j, buf_text(&b));
    else
        json_null(j);
    buf_free(&b);
}

static void put_fields(struct json *j, struct rt_types *ty, const struct type_entry *e)
{
    json_key(j, "fields");
    json_begin(j, '[');
    for (uint32_t k = 0; k < e->fields; k++) {
        const struct type_field *f = &ty->fields.v[e->field + k];
        json_begin(j, '{');
        json_kstr(j, "name", intern_get(&ty->names, f->name));
        json_ku64(j, "offset", f->offset);
        json_ku64(j, "type", addr_of(ty, f->type));
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void put_type(struct json *j, struct rt_types *ty, uint32_t type)
{
    const struct type_entry *e = types_entry(ty, type);
    struct buf package = {0};
    types_package(ty, type, &package);
    json_begin(j, '{');
    json_ku64(j, "addr", e->info.addr);
    json_kstr(j, "name", types_name(ty, type));
    json_kstr(j, "package", buf_text(&package));
    json_ku64(j, "kind", e->info.kind);
    json_ku64(j, "size", e->info.size);
    json_ku64(j, "ptr_bytes", e->info.ptr_bytes);
    json_ku64(j, "direct", e->info.direct);
    json_ku64(j, "count", e->count);
    json_ku64(j, "elem", addr_of(ty, e->elem));
    json_ku64(j, "key", addr_of(ty, e->key));
    json_ku64(j, "internal", addr_of(ty, e->internal));
    put_mask(j, &e->info);
    put_fields(j, ty, e);
    json_end(j, '}');
    buf_free(&package);
}

static struct err *print(struct rt_types *ty)
{
    struct json j;
    json_init(&j, to_stdout, NULL);
    json_begin(&j, '{');
    json_key(&j, "gaps");
    json_begin(&j, '[');
    for (size_t i = 0; i < TYPES_GAP_COUNT; i++)
        json_u64(&j, ty->gap[i]);
    json_end(&j, ']');
    json_key(&j, "types");
    json_begin(&j, '[');
    for (uint32_t i = 0; i < ty->n; i++)
        put_type(&j, ty, i);
    json_end(&j, ']');
    json_end(&j, '}');
    return json_finish(&j);
}

/* More types by their addresses, one a line on standard input: those made at run time. */
static void add_more(struct rt_types *ty)
{
    unsigned long long addr;
    while (scanf("%llx", &addr) == 1)
        (void)types_at(ty, addr);
}

static struct err *run(int pid)
{
    struct target *t = NULL;
    struct rt *rt = NULL;
    struct rt_types *ty = NULL;
    struct err *e = target_open_pid(pid, &t);
    if (!e)
        e = rt_open(t, &rt);
    if (!e)
        e = types_open(rt, t, &ty);
    if (!e) {
        add_more(ty);
        types_list(ty);
        e = print(ty);
    }
    types_free(ty);
    rt_close(rt);
    target_close(t);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: types_dump PID <ADDRESSES\n");
        return 2;
    }
    struct err *e = run(atoi(argv[1]));
    if (!e)
        return 0;
    fprintf(stderr, "types_dump: %s\n", err_message(e));
    err_free(e);
    return 1;
}
