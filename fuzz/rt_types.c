/* rt_types.c - type descriptors that were damaged: some valid ones of a release, with words of the
 * input written over them.  Input: a byte that chooses the release, then pieces of 10 bytes: which
 * word, and what. */
#include "rt/make_types.h"

static const char *const releases[] = {"go1.18", "go1.21", "go1.23", "go1.24", "go1.26", "go1.27"};

static void write_types(struct world *w)
{
    static const uint8_t program[] = {4, 0, 0, 0, 3, 5, 0x83, 20, 0};
    const struct rt_layout *l = &w->rt.layout;
    taddr n = world_type(w, 0, GO_KIND_INT, "int", 8, 0, 0);
    taddr str = world_type(w, 0, GO_KIND_STRING, "string", 16, 8, 1);
    taddr s = world_type(w, 0, GO_KIND_STRUCT, "*main.node", 40, 32, 10);
    taddr p = world_type(w, 0, GO_KIND_POINTER, "*main.node", 8, 8, 1);
    const struct world_field fields[] = {{"n", n, 0}, {"p", p, 8}, {"", str, 24}};
    world_put(w, p, RT_ptrtype_elem, s);
    world_fields(w, s, fields, ARRAY_LEN(fields));
    taddr a = world_type(w, 0, GO_KIND_ARRAY, "[9]main.node", 360, 352, 0);
    world_put(w, a, RT_arraytype_elem, s);
    world_put(w, a, RT_arraytype_len, 9);
    if (l->constant[RT_IS_kind_gc_prog] > 0 && l->constant[RT_IS_tflag_gc_mask_on_demand] <= 0) {
        world_flag(w, a, RT_type_kind, l->constant[RT_IS_kind_gc_prog]);
        world_put(w, a, RT_type_gcdata, world_bytes(w, program, sizeof(program)));
    } else if (l->constant[RT_IS_tflag_gc_mask_on_demand] > 0) {
        world_flag(w, a, RT_type_tflag, l->constant[RT_IS_tflag_gc_mask_on_demand]);
    }
    taddr f = world_type(w, 1, GO_KIND_FUNC, "func(int) string", 8, 8, 1);
    world_put(w, f, RT_functype_in_count, 1);
    world_put(w, f, RT_functype_out_count, 1);
    taddr m = world_type(w, 1, GO_KIND_MAP, "map[int]string", 8, 8, 1);
    world_put(w, m, RT_maptype_key, n);
    world_put(w, m, RT_maptype_elem, str);
    world_put(w, m, RT_maptype_bucket, a);
    world_put(w, m, RT_maptype_group, a);
    taddr made = world_type(w, 1, GO_KIND_STRUCT, "struct {}", 40, 32, 10);
    world_fields(w, made, fields, ARRAY_LEN(fields));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct rt_types *ty;
    world_open(&w, releases[size ? data[0] % ARRAY_LEN(releases) : 0]);
    write_types(&w);
    for (size_t i = 1; i + 10 <= size; i += 10) {
        uint16_t at;
        memcpy(&at, data + i, 2);
        taddr lo = at & 1 ? WORLD_HEAP : WORLD_TYPES, used = w.next[at & 1] - lo;
        memcpy(world_at(&w, lo + at % used / 8 * 8), data + i + 2, 8);
    }
    struct err *e = types_open(&w.rt, w.t, &ty);
    if (!e) {
        for (taddr at = WORLD_HEAP; at < w.next[1]; at += 8) {
            (void)types_at(ty, at);
            (void)types_of_interface(ty, at);
        }
        types_scan(ty);
        for (uint32_t i = 0; i < ty->n; i++) {
            struct buf b = {0};
            (void)types_name(ty, i);
            types_package(ty, i, &b);
            buf_free(&b);
        }
        types_free(ty);
    }
    err_free(e);
    world_close(&w);
    return 0;
}
