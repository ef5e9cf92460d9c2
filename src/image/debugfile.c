/* debugfile.c - finding and attaching debug files; see debugfile.h.
 *
 * As gdb does (its manual, "Separate Debug Files"): by build id below each debug directory, then by
 * the name in .gnu_debuglink beside the program, in .debug/ there, and below each debug directory.
 * A file found by name must have the checksum that the link tells; one found by build id must have
 * the id. */
#include "image/debugfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/dwarf_int.h"

enum { PATH_BYTES = 4096, TRIED_MAX = 2048 };

static bool has_dwarf(struct image *img)
{
    return dwarf_has_sections(img);
}

struct err *image_attach_debug(struct image *img, struct image *debug)
{
    if (img->dwarf || img->debug)
        return err_new(ERR_USAGE, "%s: its debugging information is in use already", img->name);
    if (*img->gnu_build_id && *debug->gnu_build_id &&
        strcmp(img->gnu_build_id, debug->gnu_build_id) != 0)
        return err_new(ERR_BAD_DATA, "%s belongs to another build (build id %s) than %s (%s)",
                       debug->name, debug->gnu_build_id, img->name, img->gnu_build_id);
    if (*img->go_build_id && *debug->go_build_id &&
        strcmp(img->go_build_id, debug->go_build_id) != 0)
        return err_new(ERR_BAD_DATA,
                       "%s belongs to another build than %s (their Go build ids "
                       "differ)",
                       debug->name, img->name);
    if (img->ehdr.e_machine != debug->ehdr.e_machine)
        return err_new(ERR_BAD_DATA, "%s is for another machine than %s", debug->name, img->name);
    img->debug = image_ref(debug);
    return NULL;
}

struct err *image_open_debug(const char *path, struct image **ret)
{
    return image_open_as(path, true, ret);
}

/* ---- where it may be ---- */

/* What is known of the program whose debug file is looked for. */
struct wanted {
    const char *gnu_build_id; /* "" when it has none */
    const char *path;         /* of the program, as its own root sees it */
    const char *root;         /* put before absolute paths; "" */
    const char *debuglink;    /* .gnu_debuglink's name; "" when it has none */
    uint32_t debuglink_crc;
};

struct search {
    struct image *img;
    struct wanted w;
    const char *const *dirs;
    struct buf tried; /* the places, for the message */
};

static void add_tried(struct search *s, const char *path)
{
    buf_printf(&s->tried, "%s%s", s->tried.n ? ", " : "", path);
}

static bool crc_matches(const struct image *debug, uint32_t crc)
{
    return libdeflate_crc32(0, debug->bytes, debug->n) == crc;
}

/* Opens one place; takes it when it is the right file. */
static bool try_path(struct search *s, bool by_link, const char *path)
{
    struct image *debug;
    add_tried(s, path);
    struct err *e = image_open_debug(path, &debug);
    if (e) {
        err_free(e);
        return false;
    }
    bool right = by_link ? crc_matches(debug, s->w.debuglink_crc)
                         : strcmp(debug->gnu_build_id, s->w.gnu_build_id) == 0;
    if (right && (e = image_attach_debug(s->img, debug))) {
        err_free(e);
        right = false;
    }
    image_unref(debug);
    return right;
}

static bool PRINTF_LIKE(3, 4) try_printf(struct search *s, bool by_link, const char *fmt, ...)
{
    char path[PATH_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return n > 0 && (size_t)n < sizeof(path) && try_path(s, by_link, path);
}

static bool by_build_id(struct search *s)
{
    const char *id = s->w.gnu_build_id;
    if (strlen(id) < 4)
        return false;
    for (size_t i = 0; s->dirs[i]; i++)
        if (try_printf(s, false, "%s%s/.build-id/%.2s/%s.debug", s->w.root, s->dirs[i], id, id + 2))
            return true;
    return false;
}

static bool by_debuglink(struct search *s)
{
    const char *link = s->w.debuglink, *slash = strrchr(s->w.path, '/');
    int dir_n = slash ? (int)(slash - s->w.path) : 0;
    if (!*link || strchr(link, '/'))
        return false; /* a name, not a path: it must not lead out of the directories */
    if (try_printf(s, true, "%s%.*s/%s", s->w.root, dir_n, s->w.path, link) ||
        try_printf(s, true, "%s%.*s/.debug/%s", s->w.root, dir_n, s->w.path, link))
        return true;
    for (size_t i = 0; s->dirs[i]; i++)
        if (try_printf(s, true, "%s%s%.*s/%s", s->w.root, s->dirs[i], dir_n, s->w.path, link))
            return true;
    return false;
}

static void read_debuglink(struct image *img, struct wanted *w)
{
    const struct image_section *sec = image_find_section(img, ".gnu_debuglink");
    const uint8_t *p;
    size_t n;
    w->debuglink = "";
    if (!sec)
        return;
    struct err *e = image_section_bytes(img, sec, &p, &n);
    if (e) {
        err_free(e);
        return;
    }
    struct cursor c = cursor_on(p, n, ".gnu_debuglink");
    const char *name = cursor_cstr(&c);
    cursor_skip(&c, -cursor_pos(&c) & 3);
    w->debuglink_crc = cursor_u32(&c);
    if (!c.bad)
        w->debuglink = name;
}

struct err *image_find_debug(struct image *img, const struct image_find_debug_options *o)
{
    static const char *const usual[] = {"/usr/lib/debug", NULL};
    if (has_dwarf(img) || img->debug)
        return NULL;
    struct search s = {.img = img,
                       .dirs = o && o->dirs ? o->dirs : usual,
                       .w = {.gnu_build_id = img->gnu_build_id,
                             .path = o && o->path ? o->path : img->name,
                             .root = o && o->root ? o->root : ""}};
    buf_init(&s.tried, TRIED_MAX);
    read_debuglink(img, &s.w);
    struct err *e = NULL;
    if (!by_build_id(&s) && !by_debuglink(&s))
        e = err_new(ERR_NOT_FOUND, "%s: no separate debug file%s%s", img->name,
                    s.tried.n ? "; looked at " : "", buf_text(&s.tried));
    buf_free(&s.tried);
    return e;
}
