/* dbg_drive.c - drives the room dbg for tests: commands on stdin, one answer in JSON per line.
 *
 *     dbg_drive place BINARY SPEC...     addresses, functions and lines of location specs */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "dbg/place.h"

static void quoted(struct buf *b, const char *s)
{
    buf_char(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(b, '\\');
        if ((unsigned char)*s < 32)
            buf_printf(b, "\\u%04x", *s);
        else
            buf_char(b, *s);
    }
    buf_char(b, '"');
}

static int fail(struct err *e)
{
    struct buf b = {0};
    buf_str(&b, "{\"error\":");
    quoted(&b, err_message(e));
    if (err_hint_text(e)) {
        buf_str(&b, ",\"hint\":");
        quoted(&b, err_hint_text(e));
    }
    printf("%s}\n", buf_text(&b));
    buf_free(&b);
    err_free(e);
    return 1;
}

static void show_places(struct code *c, const char *spec)
{
    struct arena a;
    struct places p;
    struct buf b = {0};
    arena_init(&a);
    struct err *e = place_find(c, spec, NULL, &a, &p);
    if (e) {
        fail(e);
        arena_free(&a);
        return;
    }
    buf_str(&b, "{\"note\":");
    quoted(&b, p.note);
    buf_str(&b, ",\"places\":[");
    for (size_t i = 0; i < p.n; i++) {
        buf_printf(&b, "%s{\"pc\":%llu,\"line\":%u,\"inlined\":%s,\"func\":", i ? "," : "",
                   (unsigned long long)p.v[i].pc, p.v[i].line, p.v[i].inlined ? "true" : "false");
        quoted(&b, p.v[i].func);
        buf_str(&b, ",\"file\":");
        quoted(&b, p.v[i].file);
        buf_char(&b, '}');
    }
    buf_str(&b, "]}");
    printf("%s\n", buf_text(&b));
    buf_free(&b);
    arena_free(&a);
}

static int places(int argc, char **argv)
{
    struct image *img;
    struct code *c;
    struct err *e = image_open(argv[0], &img);
    if (e)
        return fail(e);
    e = code_open(img, 0, &c);
    image_unref(img);
    if (e)
        return fail(e);
    for (int i = 1; i < argc; i++)
        show_places(c, argv[i]);
    code_close(c);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "place") == 0)
        return places(argc - 2, argv + 2);
    fprintf(stderr, "usage: dbg_drive place BINARY SPEC...\n");
    return 2;
}
