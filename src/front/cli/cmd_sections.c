/* cmd_sections.c - gospect sections: the sections of a program, and what is in one. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/cli/subject.h"
#include "report/sections.h"

/* The program of a snapshot is the file its process ran, when that is still the same. */
static struct err *image_of_snapshot(const char *path, struct image **ret)
{
    struct snap *s;
    TRY(snap_read_file(path, &s));
    const char *exe = snap_meta(s, SNAP_META_exe), *id = snap_meta(s, SNAP_META_build_id);
    struct err *e = exe ? image_open(exe, ret)
                        : err_new(ERR_NOT_FOUND, "%s does not say which program it is of", path);
    if (!e && id && *id && strcmp(image_go_build_id(*ret), id) != 0) {
        image_unref(*ret);
        *ret = NULL;
        e = err_hint(
            err_new(ERR_NOT_FOUND, "%s is not the program the snapshot is of any more", exe),
            "Name the right file instead of the snapshot: gospect sections FILE");
    }
    snap_free(s);
    return e;
}

static struct err *find_image(struct cli *c, struct image **ret)
{
    struct cli_subject s;
    taddr slide;
    if (cli_subject_is_program(c->args.pos[0])) /* here that is what people mean by its name */
        return image_open(c->args.pos[0], ret);
    TRY(cli_subject_find(c, c->args.pos[0], &s));
    if (s.kind == CLI_SNAP)
        return image_of_snapshot(s.path, ret);
    struct err *e = cli_subject_target(&s);
    if (!e)
        e = target_image(s.target, ret, &slide);
    target_close(s.target);
    return e;
}

static const char *type_name(uint32_t type, char *text, size_t n)
{
    static const struct {
        uint32_t type;
        const char *name;
    } names[] = {{SHT_NULL, "NULL"},
                 {SHT_PROGBITS, "PROGBITS"},
                 {SHT_SYMTAB, "SYMTAB"},
                 {SHT_STRTAB, "STRTAB"},
                 {SHT_RELA, "RELA"},
                 {SHT_HASH, "HASH"},
                 {SHT_DYNAMIC, "DYNAMIC"},
                 {SHT_NOTE, "NOTE"},
                 {SHT_NOBITS, "NOBITS"},
                 {SHT_REL, "REL"},
                 {SHT_DYNSYM, "DYNSYM"},
                 {SHT_INIT_ARRAY, "INIT_ARRAY"},
                 {SHT_FINI_ARRAY, "FINI_ARRAY"},
                 {SHT_PREINIT_ARRAY, "PREINIT_ARRAY"},
                 {SHT_GNU_HASH, "GNU_HASH"},
                 {SHT_GNU_versym, "VERSYM"},
                 {SHT_GNU_verneed, "VERNEED"},
                 {SHT_GNU_verdef, "VERDEF"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].type == type)
            return names[i].name;
    snprintf(text, n, "0x%x", type);
    return text;
}

/* Letters as readelf has them. */
static const char *flag_letters(uint64_t flags, char *text)
{
    static const struct {
        uint64_t bit;
        char letter;
    } letters[] = {{SHF_WRITE, 'W'},      {SHF_ALLOC, 'A'},   {SHF_EXECINSTR, 'X'},
                   {SHF_MERGE, 'M'},      {SHF_STRINGS, 'S'}, {SHF_INFO_LINK, 'I'},
                   {SHF_LINK_ORDER, 'L'}, {SHF_GROUP, 'G'},   {SHF_TLS, 'T'},
                   {SHF_COMPRESSED, 'C'}};
    char *p = text;
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (flags & letters[i].bit)
            *p++ = letters[i].letter;
    *p = '\0';
    return text;
}

/* Is this a .debug_ section that no compiler makes? */
static bool added_by_user(const char *name)
{
    static const char *const dwarf[] = {
        "abbrev", "addr",        "aranges",  "cu_index", "frame",    "gdb_scripts",
        "info",   "line",        "line_str", "loc",      "loclists", "macinfo",
        "macro",  "names",       "pubnames", "pubtypes", "ranges",   "rnglists",
        "str",    "str_offsets", "sup",      "tu_index", "types"};
    const char *rest = strncmp(name, ".debug_", 7) == 0    ? name + 7
                       : strncmp(name, ".zdebug_", 8) == 0 ? name + 8
                                                           : NULL;
    for (size_t i = 0; rest && i < ARRAY_LEN(dwarf); i++)
        if (strcmp(rest, dwarf[i]) == 0)
            return false;
    return rest != NULL;
}

/* A section as the report wants it; texts in the arena. */
static struct report_section describe(struct image *img, const struct image_section *sec,
                                      struct arena *a)
{
    char type[16], flags[16];
    struct report_section r = {
        .name = sec->name,
        .type = arena_strdup(a, type_name(sec->type, type, sizeof(type))),
        .addr = sec->vaddr,
        .size = sec->size,
        .file_size = sec->type == SHT_NOBITS ? 0 : sec->size,
        .flags = arena_strdup(a, flag_letters(sec->flags, flags)),
        .note = added_by_user(sec->name) ? "no compiler's: added by somebody" : NULL,
    };
    struct err *e = image_section_compression(img, sec, &r.compression, &r.size);
    if (e)
        r.note = arena_printf(a, "unreadable: %s", err_message(e));
    err_free(e);
    return r;
}

static struct err *list(struct cli *c, struct image *img, struct arena *a)
{
    const struct image_section *sections;
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    size_t n = image_sections(img, &sections), kept = 0;
    struct report_section *v = arena_array(a, struct report_section, n + 1);
    for (size_t i = 0; i < n; i++)
        if (sections[i].type != SHT_NULL)
            v[kept++] = describe(img, &sections[i], a);
    if (!kept)
        cli_note(c, "%s has no section headers: they were removed after linking", image_name(img));
    return c->json ? report_sections_json(v, kept, out)
                   : report_sections_text(v, kept, &style, out);
}

static struct err *no_such_section(struct image *img, const char *name)
{
    const struct image_section *sections;
    size_t n = image_sections(img, &sections);
    const char **names = mem_alloc((n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = sections[i].name;
    const char *like = cli_likest(name, strlen(name), names, n);
    struct err *e = err_new(ERR_NOT_FOUND, "%s has no section \"%s\"", image_name(img), name);
    e = like && *like ? err_hint(e, "Did you mean %s?", like)
                      : err_hint(e, "Without a name all sections are listed");
    free(names);
    return e;
}

static struct err *print(struct cli *c, struct image *img, const char *name, struct arena *a)
{
    struct report_style style = {.width = c->term.width, .color = c->term.color};
    struct report_sink out = {cli_out_write, &c->out};
    const struct image_section *sec = image_find_section(img, name);
    const uint8_t *bytes;
    size_t n;
    if (!sec)
        return no_such_section(img, name);
    if (sec->type == SHT_NOBITS)
        return err_new(ERR_UNSUPPORTED,
                       "%s takes no room in the file: it is zeros when the program starts", name);
    TRY(image_section_bytes(img, sec, &bytes, &n));
    if (c->json) {
        struct report_section r = describe(img, sec, a);
        return report_section_json(&r, bytes, n, out);
    }
    /* the words of --format stand in the order of enum report_bytes_as */
    enum report_bytes_as as = (enum report_bytes_as)cli_num(&c->args, OPT_format);
    c->out.page = c->out.page && as != REPORT_BYTES_RAW;
    return report_bytes(bytes, n, sec->vaddr, as, &style, out);
}

struct err *run_sections(struct cli *c, int *ret_code)
{
    struct image *img = NULL;
    struct arena a;
    arena_init(&a);
    struct err *e = find_image(c, &img);
    if (!e)
        e = c->args.pos[1] ? print(c, img, c->args.pos[1], &a) : list(c, img, &a);
    image_unref(img);
    arena_free(&a);
    return e;
}
