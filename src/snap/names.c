/* names.c - names as people say them; see names.h.
 *
 * Go: names of pclntab as the linker writes them (cmd/internal/objabi PathToPrefix), type arguments
 * of shapes "[go.shape...]" (1.18-1.27); module cache directories path@version. */
#include "snap/names.h"

#include <ctype.h>
#include <string.h>

/* Copies n bytes of a name, dots of the linker's %2e restored, type arguments shortened. */
static void add_name(struct buf *b, const char *s, size_t n)
{
    unsigned depth = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '[' && depth++ == 0)
            buf_str(b, "[...]");
        if (!depth && n - i >= 3 && s[i] == '%' && s[i + 1] == '2' && (s[i + 2] | 32) == 'e') {
            buf_char(b, '.');
            i += 2;
        } else if (!depth) {
            buf_char(b, s[i]);
        }
        if (s[i] == ']' && depth)
            depth--;
    }
}

/* v2, v3, v2@v2.0.1: an element of a path that says nothing alone. */
static bool is_version(const char *s, size_t n)
{
    const char *at = memchr(s, '@', n);
    n = at ? (size_t)(at - s) : n;
    bool digits = n > 1 && s[0] == 'v' && s[1] != '0';
    for (size_t i = 1; i < n; i++)
        digits = digits && isdigit((unsigned char)s[i]);
    return digits;
}

/* Where the last element of a path of n bytes begins; with the one before when it is a version. */
static size_t last_element(const char *s, size_t n)
{
    size_t at = n;
    while (at && s[at - 1] != '/')
        at--;
    if (at && is_version(s + at, n - at)) {
        at--;
        while (at && s[at - 1] != '/')
            at--;
    }
    return at;
}

void snap_short_func(struct buf *b, const char *func)
{
    size_t at = last_element(func, snap_package_len(func));
    add_name(b, func + at, strlen(func + at));
}

void snap_bare_func(struct buf *b, const char *func)
{
    size_t package = snap_package_len(func);
    const char *name = func[package] == '.' ? func + package + 1 : func;
    add_name(b, name, strlen(name));
}

/* An element of a path without its @version. */
static void add_element(struct buf *b, const char *s, size_t n)
{
    const char *at = memchr(s, '@', n);
    buf_add(b, s, at && at > s ? (size_t)(at - s) : n);
}

void snap_short_file(struct buf *b, const struct snap *s, const struct snap_codes *c,
                     uint32_t frame)
{
    const char *file = snap_str(s, s->frame.file[frame]), *base = strrchr(file, '/');
    bool ours = c->frame[frame] == SNAP_CODE_STD || c->frame[frame] == SNAP_CODE_RUNTIME;
    if (ours && c->goroot.n && strncmp(file, c->goroot.p, c->goroot.n) == 0)
        file += c->goroot.n;
    if (!base || (ours && file[0] != '/')) {
        buf_str(b, file);
        return;
    }
    size_t dir = (size_t)(base - file), at = last_element(file, dir);
    for (size_t i = at; i < dir;) {
        size_t n = strcspn(file + i, "/");
        add_element(b, file + i, n);
        buf_char(b, '/');
        i += n + 1;
    }
    buf_str(b, base + 1);
}

void snap_short_place(struct buf *b, const struct snap *s, const struct snap_codes *c,
                      uint32_t frame)
{
    snap_short_file(b, s, c, frame);
    if (s->frame.line[frame])
        buf_printf(b, ":%u", s->frame.line[frame]);
}
