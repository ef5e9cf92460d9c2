/* sources.c - source files, lines and modules, as the client names them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "dbg/place.h"
#include "front/dap/dap_int.h"
#include "snap/code.h"

enum { SOURCE_MAX = 16 << 20, URI = 1 };

/* ---- lines and paths ---- */

int64_t dap_line_out(const struct dap_client *c, int64_t line)
{
    return c->can.linesStartAt1 || !line ? line : line - 1;
}

int64_t dap_line_in(const struct dap_client *c, int64_t line)
{
    return c->can.linesStartAt1 ? line : line + 1;
}

/* Whether path is dir or below it; *ret_rest behind it. */
static bool below(const char *path, const char *dir, const char **ret_rest)
{
    size_t n = strlen(dir);
    if (strncmp(path, dir, n) != 0 || (path[n] && path[n] != '/' && (!n || dir[n - 1] != '/')))
        return false;
    *ret_rest = path + n;
    return true;
}

/* As the user has it. */
const char *dap_path_mapped(struct dap_client *c, const char *path, struct arena *a)
{
    const char *const *map = c->server->session.source_map, *rest;
    for (size_t i = 0; map && map[i]; i += 2)
        if (below(path, map[i], &rest))
            return arena_printf(a, "%s%s", map[i + 1], rest);
    return path;
}

static const char *as_uri(const char *path, struct arena *a)
{
    struct buf b = {0};
    buf_str(&b, "file://");
    for (const char *p = path; *p; p++)
        if (isalnum((unsigned char)*p) || strchr("/-._~+@", *p))
            buf_char(&b, *p);
        else
            buf_printf(&b, "%%%02X", (unsigned char)*p);
    const char *text = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return text;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

static const char *from_uri(const char *uri, struct arena *a)
{
    const char *path = strncmp(uri, "file://", 7) == 0 ? strchr(uri + 7, '/') : NULL;
    if (!path)
        return uri;
    char *out = arena_strdup(a, path), *to = out;
    for (const char *p = out; *p; p++)
        if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
            *to++ = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
            p += 2;
        } else {
            *to++ = *p;
        }
    *to = '\0';
    return out;
}

/* adapterData has the path as the program has it: it comes back with the source, and a client that
 * has changed the path for itself is understood. */
const char *dap_path_in(struct dap_client *c, const struct dap_Source *s, struct arena *a)
{
    if (*s->adapterData)
        return s->adapterData;
    return c->can.pathFormat == URI ? from_uri(s->path, a) : *s->path ? s->path : s->name;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void dap_source_json(struct dap_client *c, const char *key, const char *path, struct json *j)
{
    struct arena a;
    arena_init(&a);
    const char *mapped = dap_path_mapped(c, path, &a);
    if (key)
        json_key(j, key);
    json_begin(j, '{');
    json_kstr(j, "name", base_name(path));
    json_kstr(j, "path", c->can.pathFormat == URI ? as_uri(mapped, &a) : mapped);
    if (mapped != path)
        json_kstr(j, "adapterData", path);
    json_end(j, '}');
    arena_free(&a);
}

/* ---- loadedSources, source ---- */

static struct err *files_of(struct dap_client *c, struct arena *a, const char *const **ret,
                            size_t *ret_n)
{
    const struct dap_session *s = &c->server->session;
    struct map seen = {0};
    if (s->d)
        return rt_names(dbg_stand(s->d), RT_NAMES_FILES, NULL, a, ret, ret_n);
    const char **names = arena_array(a, const char *, s->snap->frame.n + 1);
    *ret_n = 0;
    for (size_t i = 0; i < s->snap->frame.n; i++) {
        bool added;
        if (!s->snap->frame.file[i])
            continue;
        map_get_or_put(&seen, s->snap->frame.file[i], 0, &added);
        if (added)
            names[(*ret_n)++] = snap_str(s->snap, s->snap->frame.file[i]);
    }
    map_free(&seen);
    *ret = names;
    return NULL;
}

struct err *dap_do_loadedSources(struct dap_client *c, const struct dap_loadedSources *a,
                                 struct json *j)
{
    struct arena mem;
    const char *const *names;
    size_t n;
    arena_init(&mem);
    struct err *e = files_of(c, &mem, &names, &n);
    if (!e) {
        json_key(j, "sources");
        json_begin(j, '[');
        for (size_t i = 0; i < n; i++)
            dap_source_json(c, NULL, names[i], j);
        json_end(j, ']');
    }
    arena_free(&mem);
    return e;
}

/* The text of a file of the program, for clients on another machine; no other files. */
static struct err *source_text(struct dap_client *c, const char *path, struct arena *a,
                               struct json *j)
{
    const char *const *names;
    size_t n, i = 0;
    struct buf text = {0};
    TRY(files_of(c, a, &names, &n));
    while (i < n && strcmp(names[i], path) != 0 &&
           strcmp(dap_path_mapped(c, names[i], a), path) != 0)
        i++;
    if (i == n)
        return err_new(ERR_NOT_FOUND, "%s is no source of the program", path);
    struct err *e = file_read(path, SOURCE_MAX, &text);
    if (e && strcmp(names[i], path) != 0) {
        err_free(e);
        e = file_read(names[i], SOURCE_MAX, &text);
    }
    if (!e) {
        json_key(j, "content");
        json_strn(j, buf_text(&text), text.n);
        json_kstr(j, "mimeType", "text/x-go");
    }
    buf_free(&text);
    return e;
}

struct err *dap_do_source(struct dap_client *c, const struct dap_source *a, struct json *j)
{
    struct arena mem;
    if (!a->source)
        return err_new(ERR_NOT_FOUND, "sources are told by their path");
    arena_init(&mem);
    struct err *e = source_text(c, dap_path_in(c, a->source, &mem), &mem, j);
    arena_free(&mem);
    return e;
}

/* ---- modules ---- */

static void module_json(struct dap_client *c, size_t i, const struct code_module *m, struct json *j)
{
    struct dap_session *s = &c->server->session;
    const char *path = i == 0 ? (s->program ? s->program : "") : image_name(m->img);
    struct buf range = {0};
    json_begin(j, '{');
    json_ku64(j, "id", i);
    json_kstr(j, "name", base_name(path));
    if (*path)
        json_kstr(j, "path", path);
    json_kbool(j, "isUserCode", true);
    if (i == 0)
        json_kstr(j, "version", rt_go_version(dbg_rt(s->d)));
    json_kstr(j, "symbolStatus",
              code_dwarf(m) ? "DWARF and function table" : "function table only");
    struct pcln_func last;
    taddr end = pcln_func_at(&m->pcln, m->pcln.nfunc - 1, &last) ? last.end : m->pcln.text;
    buf_printf(&range, "0x%llx-0x%llx", (unsigned long long)m->pcln.text, (unsigned long long)end);
    json_kstr(j, "addressRange", buf_text(&range));
    buf_free(&range);
    json_end(j, '}');
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Files of the modules before it, ordered. */
static const char **files_before(struct code_module *const *list, size_t module, struct arena *a,
                                 size_t *ret_n)
{
    VEC(const char *) v = {0};
    for (size_t i = 0; i < module; i++)
        for (const char *f = NULL; (f = pcln_next_file(&list[i]->pcln, f));)
            vec_push(&v, f);
    const char **ret = arena_array(a, const char *, v.n + 1);
    if (v.n) {
        memcpy(ret, v.v, v.n * sizeof(*ret));
        qsort(ret, v.n, sizeof(*ret), by_name);
    }
    *ret_n = v.n;
    vec_free(&v);
    return ret;
}

static void tell_loaded(struct dap_client *c, struct code_module *const *list, size_t module,
                        const char *const *known, size_t nknown)
{
    struct dap_body b;
    struct json *j = dap_body_begin(&b);
    json_kstr(j, "reason", "new");
    json_key(j, "module");
    module_json(c, module, list[module], j);
    dap_event_to(c, "module", &b);
    for (const char *f = NULL; (f = pcln_next_file(&list[module]->pcln, f));) {
        if (!*f || (nknown && bsearch(&f, known, nknown, sizeof(f), by_name)))
            continue;
        j = dap_body_begin(&b);
        json_kstr(j, "reason", "new");
        dap_source_json(c, "source", f, j);
        dap_event_to(c, "loadedSource", &b);
    }
}

void dap_module_loaded(struct dap_server *s, size_t module)
{
    struct code_module *const *list;
    struct arena a;
    size_t nknown;
    arena_init(&a);
    if (s->session.d && module < code_modules(dbg_code(s->session.d), &list)) {
        const char **known = files_before(list, module, &a, &nknown);
        for (size_t i = 0; i < s->clients.n; i++)
            if (s->clients.v[i]->in_session)
                tell_loaded(s->clients.v[i], list, module, known, nknown);
    }
    arena_free(&a);
}

struct err *dap_do_modules(struct dap_client *c, const struct dap_modules *a, struct json *j)
{
    struct dap_session *s = &c->server->session;
    struct code_module *const *list = NULL;
    size_t n = s->d ? code_modules(dbg_code(s->d), &list) : 0;
    json_key(j, "modules");
    json_begin(j, '[');
    for (size_t i = (size_t)a->startModule; i < n; i++)
        if (!a->moduleCount || i < (size_t)(a->startModule + a->moduleCount))
            module_json(c, i, list[i], j);
    json_end(j, ']');
    json_ku64(j, "totalModules", n);
    return NULL;
}
