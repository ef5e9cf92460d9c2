/* Location specs, and conditions on the number of hits, in a tiny program without DWARF; whatever
 * is found lies in its code, unless an address was asked for. */
#include "rt/make.h"

#include "dbg/dbg_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct code *tiny(void)
{
    static struct make_go m;
    static struct code *c;
    if (!c) {
        if (!make_go(&m, "go1.24.6"))
            abort();
        make_image(&m);
        if (code_open(m.img, 0, &c))
            abort();
    }
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const map[] = {"/build/", "/home/me/", NULL};
    const struct place_from here = {
        .file = "main.go", .line = 10, .func = "main.main", .source_map = map};
    struct arena a;
    struct places found;
    struct hit_rule rule;
    arena_init(&a);
    char *spec = arena_strndup(&a, (const char *)data, size);
    struct err *e = place_find(tiny(), spec, &here, &a, &found);
    if (e && !*err_message(e))
        abort();
    for (size_t i = 0; !e && i < found.n; i++)
        if (spec[0] != '*' && !found.v[i].entry)
            abort();
    err_free(e);
    err_free(bp_parse_rule(spec, &rule));
    arena_free(&a);
    return 0;
}
