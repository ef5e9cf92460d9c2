/* image_dump WHAT FILE - print what image/ says about a binary, one fact a line, fields separated
 * by tabs, in an order that does not depend on us.  tests/oracle/image prints the same lines with
 * Go's own packages; tests/e2e/test_image.py compares them byte by byte. */
#include "image_dump.h"

#include <string.h>

void dump_text(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || (unsigned char)*s < ' ')
            printf("\\x%02x", (unsigned char)*s);
        else
            putchar(*s);
    }
}

void dump_hex(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
}

/* FNV-1a: what both sides can compute without a library. */
static uint64_t fnv(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static struct err *dump_sections(struct image *img)
{
    const struct image_section *s;
    size_t n = image_sections(img, &s);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = NULL;
        size_t size = 0;
        if (s[i].type != 8) /* SHT_NOBITS */
            TRY(image_section_bytes(img, &s[i], &p, &size));
        dump_text(s[i].name);
        printf("\t%x\t%llx\t%llx\t%llx\t%zx\t%016llx\n", s[i].type, (unsigned long long)s[i].flags,
               (unsigned long long)s[i].vaddr, (unsigned long long)s[i].size, size,
               (unsigned long long)fnv(p, size));
    }
    return NULL;
}

static void dump_buildinfo_module(const char *kind, const struct image_module *m)
{
    printf("%s\t", kind);
    dump_text(m->path);
    putchar('\t');
    dump_text(m->version);
    putchar('\t');
    dump_text(m->sum);
    putchar('\t');
    dump_text(m->replace_path);
    putchar('\t');
    dump_text(m->replace_version);
    putchar('\t');
    dump_text(m->replace_sum);
    putchar('\n');
}

static struct err *dump_buildinfo(struct image *img)
{
    const struct image_buildinfo *bi;
    TRY(image_buildinfo(img, &bi));
    printf("go\t%s\npath\t%s\n", bi->go_version, bi->path);
    dump_buildinfo_module("main", &bi->main);
    for (size_t i = 0; i < bi->ndeps; i++)
        dump_buildinfo_module("dep", &bi->deps[i]);
    for (size_t i = 0; i < bi->nsettings; i++) {
        printf("setting\t%s\t", bi->settings[i].key);
        dump_text(bi->settings[i].value);
        putchar('\n');
    }
    return NULL;
}

static const struct {
    const char *what;
    struct err *(*dump)(struct image *img);
} dumps[] = {
    {"sections", dump_sections},
    {"buildinfo", dump_buildinfo},
    {"dies", dump_dies},
    {"units", dump_units},
    {"lines", dump_lines},
    {"types", dump_types},
    {"funcs", dump_funcs},
    {"scopes", dump_scopes},
    {"globals", dump_globals},
    {"layout", dump_layout},
    {"cfi", dump_cfi},
    {"symbols", dump_symbols},
    {"module", dump_module},
    {"pclnfuncs", dump_pclnfuncs},
    {"pclnlines", dump_pclnlines},
    {"pclnframes", dump_pclnframes},
    {"pcsp", dump_pcsp},
    {"words", dump_words},
};

int main(int argc, char **argv)
{
    static char out[1 << 20];
    struct image *img = NULL;
    setvbuf(stdout, out, _IOFBF, sizeof(out));
    for (size_t i = 0; argc == 3 && i < ARRAY_LEN(dumps); i++) {
        if (strcmp(argv[1], dumps[i].what) != 0)
            continue;
        struct err *e = image_open(argv[2], &img);
        if (!e)
            e = dumps[i].dump(img);
        image_unref(img);
        if (e)
            fprintf(stderr, "image_dump: %s\n", err_message(e));
        int code = e ? 1 : 0;
        err_free(e);
        return fflush(stdout) ? 1 : code;
    }
    fprintf(stderr, "usage: image_dump WHAT FILE, where WHAT is one of");
    for (size_t i = 0; i < ARRAY_LEN(dumps); i++)
        fprintf(stderr, " %s", dumps[i].what);
    fputc('\n', stderr);
    return 2;
}
