/* buildinfo.c - the build information Go's linker leaves in every binary.
 *
 * Go: debug/buildinfo/buildinfo.go, cmd/link/internal/ld/data.go (1.18-1.27): at a 16-byte boundary
 * the magic "\xff Go buildinf:", then the pointer size and flags; flag 2 says that the version and
 * the module text follow inline at offset 32, each with a varint length.  The module text is
 * wrapped in 16 bytes of marker on each side.  It survives -s, -w and the removal of section
 * headers. */
#include <string.h>

#include "image/image_int.h"

static const char magic[] = "\xff Go buildinf:";
enum { MAGIC_N = 14, HEADER_N = 32, ALIGN = 16, MODINFO_MARK = 16, FLAG_INLINE = 2 };
enum { TEXT_MAX = 16 << 20 };

/* It is aligned in memory, wherever its segment begins. */
static const uint8_t *find_magic(const uint8_t *p, size_t n, taddr vaddr)
{
    const uint8_t *start = p, *end = p + n;
    while ((p = memmem(p, (size_t)(end - p), magic, MAGIC_N))) {
        if ((vaddr + (taddr)(p - start)) % ALIGN == 0 && (size_t)(end - p) >= HEADER_N)
            return p;
        p++;
    }
    return NULL;
}

/* Where the header is, and how many bytes follow it in its segment. */
static const uint8_t *find_header(const struct image *img, size_t *left)
{
    const struct image_section *sec = image_find_section(img, ".go.buildinfo");
    const uint8_t *p = sec ? image_at(img, sec->vaddr, sec->size) : NULL;
    if (p && (p = find_magic(p, sec->size, sec->vaddr))) {
        *left = sec->size - (size_t)(p - image_at(img, sec->vaddr, sec->size));
        return p;
    }
    for (int writable = 1; writable >= 0; writable--) { /* it lies in data, of old */
        for (size_t i = 0; i < img->nsegments; i++) {
            const struct image_segment *s = &img->segments[i];
            if (s->writable != writable || s->executable ||
                !(p = find_magic(s->bytes, s->filesz, s->vaddr)))
                continue;
            *left = s->filesz - (size_t)(p - s->bytes);
            return p;
        }
    }
    return NULL;
}

/* A length and as many bytes.  The markers around the module text have zeros in them. */
static const char *inline_text(struct image *img, struct cursor *c, size_t *ret_n)
{
    uint64_t n = cursor_uleb(c);
    if (n > TEXT_MAX)
        cursor_fail(c);
    const uint8_t *p = cursor_bytes(c, n);
    *ret_n = p ? n : 0;
    return p ? arena_strndup(&img->arena, (const char *)p, n) : "";
}

/* Cuts the next field off a line; the fields are separated by tabs. */
static const char *field(char **line)
{
    char *f = *line ? strsep(line, "\t") : NULL;
    return f ? f : "";
}

static void take_module(struct image_module *m, char *line)
{
    m->path = field(&line);
    m->version = field(&line);
    m->sum = field(&line);
    m->replace_path = m->replace_version = m->replace_sum = "";
}

/* A code point as UTF-8; returns what follows it. */
static char *put_rune(char *to, uint32_t r)
{
    if (r >= 0x110000)
        r = 0xfffd;
    if (r < 0x80) {
        *to++ = (char)r;
        return to;
    }
    unsigned more = r < 0x800 ? 1 : r < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | r >> 6 * more);
    while (more--)
        *to++ = (char)(0x80 | (r >> 6 * more & 0x3f));
    return to;
}

/* Up to `max` digits of a base; moves behind them. */
static uint32_t take_digits(const char **p, unsigned max, unsigned base)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t v = 0;
    for (; max && **p; max--, (*p)++) {
        const char *d = strchr(digits, **p | (**p > '9' ? 0x20 : 0));
        if (!d || (unsigned)(d - digits) >= base)
            break;
        v = v * base + (uint32_t)(d - digits);
    }
    return v;
}

/* One escape of a Go string, after the backslash; *p is left behind it. */
static char *put_escape(char *to, const char **p)
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    const char c = **p, *name = c ? strchr(names, c) : NULL;
    if (c >= '0' && c <= '7') {
        *to++ = (char)take_digits(p, 3, 8);
        return to;
    }
    *p += c != '\0';
    if (c == 'x')
        *to++ = (char)take_digits(p, 2, 16);
    else if (c == 'u' || c == 'U')
        return put_rune(to, take_digits(p, c == 'u' ? 4 : 8, 16));
    else if (c)
        *to++ = name ? values[name - names] : c;
    return to;
}

/* Ends the Go string literal (strconv.Quote) at s, writes its value there, and returns what follows
 * it; s itself when it is not one. */
static char *unquote(char *s)
{
    const char quote = *s, *p = s + 1;
    char *to = s;
    if (quote != '"' && quote != '`')
        return s;
    while (*p && *p != quote) {
        if (*p == '\\' && quote == '"') {
            p++;
            to = put_escape(to, &p); /* never longer than the escape */
        } else {
            *to++ = *p++;
        }
    }
    const char *rest = *p ? p + 1 : p;
    *to = '\0';
    return (char *)rest;
}

/* key=value, either of them quoted where it has spaces or quotes. */
static void take_setting(struct image_buildinfo *bi, char *line)
{
    char *key = line, *rest = unquote(line);
    if (rest == line)
        strsep(&rest, "=");
    else if (*rest == '=')
        rest++;
    else
        rest = NULL;
    if (!rest)
        return; /* not a setting */
    unquote(rest);
    bi->settings[bi->nsettings++] = (struct image_setting){key, rest};
}

static void take_line(struct image_buildinfo *bi, char *line, struct image_module **last)
{
    const char *kind = field(&line);
    if (strcmp(kind, "path") == 0) {
        bi->path = field(&line);
    } else if (strcmp(kind, "mod") == 0) {
        take_module(*last = &bi->main, line);
    } else if (strcmp(kind, "dep") == 0) {
        take_module(*last = &bi->deps[bi->ndeps++], line);
    } else if (strcmp(kind, "=>") == 0 && *last) {
        (*last)->replace_path = field(&line);
        (*last)->replace_version = field(&line);
        (*last)->replace_sum = field(&line);
    } else if (strcmp(kind, "build") == 0 && line) {
        take_setting(bi, line);
    }
}

static void take_modinfo(struct image *img, struct image_buildinfo *bi, const char *text, size_t n)
{
    size_t lines = 1;
    if (n < 2 * MODINFO_MARK + 1 || text[n - MODINFO_MARK - 1] != '\n')
        return;
    char *copy = arena_strndup(&img->arena, text + MODINFO_MARK, n - 2 * MODINFO_MARK), *line;
    for (const char *p = copy; *p; p++)
        lines += *p == '\n';
    bi->deps = arena_array(&img->arena, struct image_module, lines);
    bi->settings = arena_array(&img->arena, struct image_setting, lines);
    struct image_module *last = NULL;
    while ((line = strsep(&copy, "\n")))
        take_line(bi, line, &last);
}

struct err *buildinfo_parse(struct image *img, struct image_buildinfo *bi)
{
    size_t left;
    const uint8_t *p = find_header(img, &left);
    if (!p)
        return err_hint(
            err_new(ERR_NOT_FOUND, "not a Go binary (it has no Go build information)"),
            "only programs that were built with Go can be looked at; gospect ps lists them");
    if (!(p[15] & FLAG_INLINE))
        return err_hint(err_new(ERR_UNSUPPORTED, "built by a Go release before 1.18"),
                        "build it with Go 1.18 or later: older runtimes are laid out differently");
    struct cursor c = cursor_on(p, left, "Go build information");
    cursor_skip(&c, HEADER_N);
    size_t n;
    bi->go_version = inline_text(img, &c, &n);
    bi->path = "";
    bi->main = (struct image_module){"", "", "", "", "", ""};
    const char *modules = inline_text(img, &c, &n);
    take_modinfo(img, bi, modules, n);
    return cursor_err(&c);
}
