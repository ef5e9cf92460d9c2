/* info.c - who the process is: identity, build information, facts of the kernel. */
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "rt/capture_int.h"

static void add_module(struct snap *s, const struct image_module *m, bool main)
{
    uint32_t row = snap_add_module(s);
    s->module.path[row] = intern_add(&s->strings, m->path);
    s->module.version[row] = intern_add(&s->strings, m->version);
    s->module.sum[row] = intern_add(&s->strings, m->sum);
    s->module.replace_path[row] = intern_add(&s->strings, m->replace_path);
    s->module.replace_version[row] = intern_add(&s->strings, m->replace_version);
    s->module.main[row] = main;
}

static const char *setting(const struct image_buildinfo *bi, const char *key)
{
    for (size_t i = 0; i < bi->nsettings; i++)
        if (strcmp(bi->settings[i].key, key) == 0)
            return bi->settings[i].value;
    return "";
}

static void add_buildinfo(struct rt *rt, struct snap *s, const struct image_buildinfo *bi)
{
    snap_set_meta(s, SNAP_META_go_version, bi->go_version);
    snap_set_meta(s, SNAP_META_main_path, bi->path);
    if (*image_go_build_id(rt->img))
        snap_set_meta(s, SNAP_META_build_id, image_go_build_id(rt->img));
    if (*image_gnu_build_id(rt->img))
        snap_set_meta(s, SNAP_META_gnu_build_id, image_gnu_build_id(rt->img));
    if (*bi->main.path)
        add_module(s, &bi->main, true);
    for (size_t i = 0; i < bi->ndeps; i++)
        add_module(s, &bi->deps[i], false);
    for (size_t i = 0; i < bi->nsettings; i++) {
        uint32_t row = snap_add_setting(s);
        s->setting.key[row] = intern_add(&s->strings, bi->settings[i].key);
        s->setting.value[row] = intern_add(&s->strings, bi->settings[i].value);
    }
}

/* Whether C code is linked in: the runtime's part of cgo is. */
static bool uses_cgo(const struct rt *rt)
{
    const struct pcln *p = &rt->modules[0].pcln;
    for (uint32_t i = 0; i < p->nfunc; i++) {
        struct pcln_func f;
        if (pcln_func_at(p, i, &f) && strncmp(f.name, "runtime/cgo", 11) == 0)
            return true;
    }
    return false;
}

static void add_marks(struct rt *rt, struct snap *s, const struct image_buildinfo *bi,
                      bool container)
{
    struct buf b = {0};
    const struct {
        bool on;
        const char *word;
    } marks[] = {
        {!image_find_section(rt->img, ".symtab"), "stripped"},
        {image_is_pie(rt->img), "pie"},
        {strcmp(setting(bi, "-race"), "true") == 0, "race"},
        {uses_cgo(rt), "cgo"},
        {container, "container"},
    };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (marks[i].on)
            buf_printf(&b, "%s%s", b.n ? " " : "", marks[i].word);
    snap_set_meta(s, SNAP_META_marks, buf_text(&b));
    buf_free(&b);
}

static void add_process(struct snap *s, const struct target_process *p)
{
    snap_set_meta_i64(s, SNAP_META_pid, p->pid);
    snap_set_meta(s, SNAP_META_exe, p->exe);
    snap_set_meta(s, SNAP_META_cmdline, p->cmdline);
    snap_set_meta(s, SNAP_META_user, p->user);
    if (p->started_wall_ns)
        snap_set_meta_i64(s, SNAP_META_started_wall_ns, p->started_wall_ns);
    snap_set_counter(s, "process.threads", p->threads);
    if (!p->rss_bytes)
        return;
    snap_set_counter(s, "process.rss_bytes", (int64_t)p->rss_bytes);
    snap_set_counter(s, "process.vm_bytes", (int64_t)p->vm_bytes);
    if (p->memory_limit != UINT64_MAX && p->memory_limit)
        snap_set_counter(s, "process.memory_limit_bytes", (int64_t)p->memory_limit);
    if (p->memory_used)
        snap_set_counter(s, "process.memory_used_bytes", (int64_t)p->memory_used);
}

static void add_layouts(struct rt *rt, struct snap *s)
{
    struct buf b = {0};
    buf_str(&b, rt->layout.source);
    if (*rt->layout.release)
        buf_printf(&b, " %s", rt->layout.release);
    if (rt->layout.guessed)
        buf_str(&b, " (guessed)");
    snap_set_meta(s, SNAP_META_layouts, buf_text(&b));
    buf_free(&b);
    if (rt->doubt)
        snap_note_missing(s, 1, "certainty about the runtime's structures", rt->doubt);
}

struct err *capture_info(struct rt *rt, struct target *t, struct snap *s)
{
    const struct image_buildinfo *bi;
    struct target_process p;
    struct arena a;
    char host[256] = "";
    arena_init(&a);
    struct err *e = image_buildinfo(rt->img, &bi);
    if (!e)
        e = target_process(t, &a, &p);
    if (!e) {
        add_buildinfo(rt, s, bi);
        add_process(s, &p);
        add_marks(rt, s, bi, p.container);
        add_layouts(rt, s);
        snap_set_meta_i64(s, SNAP_META_text_start, (int64_t)rt->modules[0].pcln.text);
        if (gethostname(host, sizeof(host) - 1) == 0 && target_kind(t) != TARGET_CORE)
            snap_set_meta(s, SNAP_META_host, host);
        snap_set_meta(s, SNAP_META_gospect, GOSPECT_VERSION);
        const char *cut = target_incomplete(t, &a); /* it stays with what is saved of it, too */
        if (cut)
            snap_note_missing(s, 1, "parts of the core file", cut);
    }
    arena_free(&a);
    return e;
}
