/* plugin.c - plugins that the program loads (-buildmode=plugin): when their code comes, and what
 * breakpoints find in it.
 *
 * Go: plugin/plugin_dlopen.go open, runtime/plugin.go plugin_lastmoduleinit, runtime/symtab.go
 * moduledataverify1 (1.18-1.27).  The C library loads the file; its initialisation puts the
 * plugin's module data into the runtime's list (runtime.addmoduledata).  Then the runtime looks
 * whether it fits and prepares it, and verifies its tables in moduledataverify1, which ran for the
 * program itself long before runtime.main.  So a site there is met once for each plugin, by the
 * goroutine that opens it, before any code of the plugin has run, initialisation included; a
 * program that loads none never meets it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dbg/dbg_int.h"

static enum debug_verdict at_load(void *arg, const struct debug_hit *hit)
{
    dbg_hit(arg, &(struct hit){.tid = hit->tid, .plugin = true});
    return DEBUG_STOP;
}

struct err *plugin_watch(struct dbg *d)
{
    struct debug_site *site; /* goes with the program */
    struct code_func f;
    size_t at = 0;
    if (!d->debug || !code_func_named(d->code, "runtime.moduledataverify1", &at, &f))
        return NULL;
    return debug_site_add(d->debug, f.f.entry, at_load, d, &site);
}

static const char *path_at(struct dbg *d, taddr addr, struct arena *a)
{
    struct target_mapping *maps;
    size_t n = 0;
    struct err *e = target_mappings(dbg_view(d), a, &maps, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (addr >= maps[i].start && addr < maps[i].end)
            return maps[i].path;
    err_free(e);
    return "";
}

/* Its file becomes a module of the code. */
static struct err *add_code(struct dbg *d, size_t i)
{
    struct image *img;
    taddr slide;
    TRY(rt_plugin_image(d->rt, i, &img, &slide));
    return code_add(d->code, img, slide);
}

static void add_plugin(struct dbg *d, size_t i, taddr text, bool tell)
{
    struct arena a;
    arena_init(&a);
    const char *path = path_at(d, text, &a);
    struct err *e = add_code(d, i);
    struct loaded l = {.path = mem_strdup(path)};
    if (e) {
        log_info("the code of a plugin is not known: %s", err_message(e));
        l.why = mem_strdup(err_message(e));
        err_free(e);
    } else {
        struct code_module *const *modules;
        l.module = code_modules(d->code, &modules) - 1;
    }
    if (tell)
        vec_push(&d->loaded, l);
    else
        plugin_forget(&l);
    arena_free(&a);
}

void plugin_forget(struct loaded *l)
{
    free(l->path);
    free(l->why);
}

void plugin_look(struct dbg *d, bool tell)
{
    taddr text;
    rt_look_for_plugins(d->rt);
    for (; rt_plugin_at(d->rt, d->nplugins, &text); d->nplugins++)
        add_plugin(d, d->nplugins, text, tell);
    rt_stand_moved(d->stand, dbg_view(d));
    rt_stand_moved(d->hit_stand, dbg_view(d));
    if (tell)
        bp_find_more(d);
}
