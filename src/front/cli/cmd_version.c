/* cmd_version.c - gospect version. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "front/cli/cli_int.h"
#include "rt/layout.h"

enum { MINOR_MAX = 64 };

/* The minor releases that have a table: "1.18", "1.19", ... */
static size_t minors(char names[MINOR_MAX][16])
{
    size_t n = 0;
    const char *release;
    for (size_t i = 0; (release = rt_layout_release(i)); i++) {
        char name[16];
        const char *dot = strchr(release, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
        int len = second ? (int)(second - release) : (int)strlen(release);
        snprintf(name, sizeof(name), "%.*s", len, release);
        if ((n == 0 || strcmp(names[n - 1], name) != 0) && n < MINOR_MAX)
            memcpy(names[n++], name, sizeof(name));
    }
    return n;
}

static struct err *say_json(struct cli *c)
{
    char names[MINOR_MAX][16];
    size_t n = minors(names);
    struct json j;
    json_init(&j, cli_out_write, &c->out);
    json_begin(&j, '{');
    json_kstr(&j, "gospect", GOSPECT_VERSION);
    json_kstr(&j, "date", GOSPECT_DATE);
    json_key(&j, "go_releases");
    json_begin(&j, '[');
    for (size_t i = 0; i < n; i++)
        json_str(&j, names[i]);
    json_end(&j, ']');
    json_end(&j, '}');
    json_newline(&j);
    return json_finish(&j);
}

struct err *run_version(struct cli *c, int *ret_code)
{
    char names[MINOR_MAX][16];
    if (c->json)
        return say_json(c);
    size_t n = minors(names);
    struct buf b = {0};
    buf_printf(&b, "gospect %s (%s)\n", GOSPECT_VERSION, GOSPECT_DATE);
    if (n)
        buf_printf(&b, "knows Go %s to %s; newer ones are tried\n", names[0], names[n - 1]);
    struct err *e = cli_out_text(&c->out, &b);
    buf_free(&b);
    return e;
}
