/* mem_profiles.c - profiles of net/http/pprof beside two snapshots; see mem_profiles.h.
 *
 * A profile does not say which process it is from.  What it does say is compared: the GNU build id
 * where both have one, else the name of the program's file; the functions at addresses that the
 * snapshot knows, too; and when it was taken. */
#include "front/cli/mem_profiles.h"

#include <string.h>

struct err *mem_profiles_read(struct cli *c, struct mem_profiles *ret)
{
    size_t n = c->args.opt[OPT_profile].given ? c->args.list.n : 0;
    *ret = (struct mem_profiles){0};
    if (n > 2)
        return err_new(ERR_USAGE,
                       "--profile: two files are enough, one of before and one of after");
    if (n == 2)
        TRY(snap_read_pprof_file(c->args.list.v[0], &ret->before));
    if (n)
        TRY(snap_read_pprof_file(c->args.list.v[n - 1], &ret->after));
    if (n == 1 && ret->after.duration_ns <= 0 && !ret->after.negative)
        return err_hint(err_new(ERR_USAGE,
                                "%s says what was in use at one moment, not what changed",
                                c->args.list.v[0]),
                        "give --profile twice, for before and after, or one of heap?seconds=30");
    return NULL;
}

/* ---- which program ---- */

static struct err *another(const char *file, const char *why)
{
    return err_hint(err_new(ERR_USAGE, "%s is of another program or build: %s", file, why),
                    "profiles must come from the process that the snapshots are of");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct err *check_names(const char *file, const struct snap *p, const struct snap *s)
{
    const char *id = snap_meta(p, SNAP_META_gnu_build_id),
               *own_id = snap_meta(s, SNAP_META_gnu_build_id);
    const char *exe = snap_meta(p, SNAP_META_exe), *own_exe = snap_meta(s, SNAP_META_exe);
    if (id && own_id && *id && *own_id)
        return strcmp(id, own_id) == 0 ? NULL : another(file, "its build id differs");
    if (exe && own_exe && strcmp(base_name(exe), base_name(own_exe)) != 0)
        return another(file, "its program has another name");
    return NULL;
}

/* Whether two places share a function: wrappers are left out of profiles.  Places of which nothing
 * is known may be the same. */
static bool may_be_same(const struct snap *p, uint32_t theirs, const struct snap *s, uint32_t ours)
{
    uint32_t n = p->pc.frames[theirs], m = s->pc.frames[ours];
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < m; k++)
            if (strcmp(snap_str(p, p->frame.func[p->pc.frame[theirs] + i]),
                       snap_str(s, s->frame.func[s->pc.frame[ours] + k])) == 0)
                return true;
    return !n || !m;
}

static struct err *check_addresses(const char *file, const struct snap *p, const struct snap *s)
{
    struct map at = {0};
    struct err *e = NULL;
    for (uint32_t i = 0; i < s->pc.n; i++)
        map_put(&at, s->pc.addr[i] - !(s->pc.flags[i] & SNAP_PC_EXACT), i);
    for (uint32_t i = 0; !e && i < p->pc.n; i++) {
        uint32_t row = map_get(&at, p->pc.addr[i]);
        if (row != MAP_NONE && !may_be_same(p, i, s, row))
            e = another(file, "other functions are at its addresses");
    }
    map_free(&at);
    return e;
}

/* ---- when ---- */

static struct err *check_times(const struct mem_profiles *p, const struct snap *a,
                               const struct snap *b)
{
    int64_t from = p->before.snap ? p->before.time_ns : p->after.time_ns - p->after.duration_ns;
    int64_t to = p->after.time_ns;
    if (!p->before.snap && !p->after.duration_ns)
        return NULL; /* go tool pprof -base: it keeps the time of the earlier one */
    int64_t before = snap_meta_i64(a, SNAP_META_taken_wall_ns, 0),
            after = snap_meta_i64(b, SNAP_META_taken_wall_ns, 0);
    if (p->before.snap && from && to && from > to)
        return err_hint(err_new(ERR_USAGE, "the second profile is the earlier one"),
                        "give the earlier one first");
    if (from && to && before && after && (to < before || from > after))
        return err_hint(err_new(ERR_USAGE, "the profiles are of another time than the snapshots"),
                        "take a profile beside each snapshot");
    return NULL;
}

struct err *mem_profiles_check(struct cli *c, const struct mem_profiles *p, const struct snap *a,
                               const struct snap *b)
{
    const struct snap *const all[] = {p->before.snap, p->after.snap};
    size_t file = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (!all[i])
            continue;
        const char *name = c->args.list.v[file++];
        TRY(check_names(name, all[i], b));
        TRY(check_addresses(name, all[i], b));
    }
    return p->after.snap ? check_times(p, a, b) : NULL;
}

struct heap_site_options mem_profiles_options(const struct mem_profiles *p)
{
    struct heap_site_options o = {
        .before = p->before.snap, .after = p->after.snap, .rate = p->after.period};
    if (p->before.time_ns && p->after.time_ns)
        o.elapsed_ns = p->after.time_ns - p->before.time_ns;
    else if (!p->before.snap)
        o.elapsed_ns = p->after.duration_ns;
    return o;
}

void mem_profiles_free(struct mem_profiles *p)
{
    snap_free(p->before.snap);
    snap_free(p->after.snap);
    *p = (struct mem_profiles){0};
}
