/* dap_args.c - arguments of requests, by the rows of dap.def; see dap.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dap.h"

enum kind {
    KIND_INT,
    KIND_ID,
    KIND_BOOL,
    KIND_TRI,
    KIND_STR,
    KIND_TEXT,
    KIND_STRS,
    KIND_MAP,
    KIND_WORD,
    KIND_OBJ,
    KIND_LIST,
};
enum need { MAY, MUST };

struct dap_field {
    const char *name;
    enum kind kind;
    enum need need;
    int64_t min, max, number;        /* INT; the default, also of BOOL and WORD */
    const char *text;                /* STR: the default; WORD: the words */
    const struct dap_record *record; /* OBJ, LIST */
    size_t at, count_at;             /* where in the struct; of STRS, MAP, LIST: and the number */
};

#define AT(rec, f) .name = #f, .at = offsetof(struct dap_##rec, f)
#define COUNT(rec, f) .count_at = offsetof(struct dap_##rec, n##f)
#define REC(rec) static const struct dap_field fields_##rec[] = {
#define END(rec)                                                                                   \
    }                                                                                              \
    ;                                                                                              \
    const struct dap_record dap_record_##rec = {                                                   \
        .name = #rec,                                                                              \
        .fields = fields_##rec,                                                                    \
        .n = sizeof(fields_##rec) / sizeof(struct dap_field),                                      \
        .size = sizeof(struct dap_##rec),                                                          \
    };
#define INT(rec, f, must, lo, hi, def)                                                             \
    {AT(rec, f), .kind = KIND_INT, .need = must, .min = lo, .max = hi, .number = def},
#define ID(rec, f, must) {AT(rec, f), .kind = KIND_ID, .need = must, .min = 1, .max = INT32_MAX},
#define BOOL(rec, f, def) {AT(rec, f), .kind = KIND_BOOL, .number = def},
#define TRI(rec, f) {AT(rec, f), .kind = KIND_TRI},
#define STR(rec, f, must, def) {AT(rec, f), .kind = KIND_STR, .need = must, .text = def},
#define TEXT(rec, f) {AT(rec, f), .kind = KIND_TEXT, .text = ""},
#define STRS(rec, f) {AT(rec, f), COUNT(rec, f), .kind = KIND_STRS},
#define MAP(rec, f) {AT(rec, f), COUNT(rec, f), .kind = KIND_MAP},
#define WORD(rec, f, must, words, def)                                                             \
    {AT(rec, f), .kind = KIND_WORD, .need = must, .text = words, .number = def},
#define OBJ(rec, f, type, must)                                                                    \
    {AT(rec, f), .kind = KIND_OBJ, .need = must, .record = &dap_record_##type},
#define LIST(rec, f, type, must)                                                                   \
    {AT(rec, f), COUNT(rec, f), .kind = KIND_LIST, .need = must, .record = &dap_record_##type},
#include "wire/dap.def"

#define REC(rec) &dap_record_##rec,
const struct dap_record *const dap_records[] = {
#include "wire/dap.def"
};
const size_t dap_nrecords = ARRAY_LEN(dap_records);

struct reader {
    struct arena *arena;
    struct buf path; /* "setBreakpoints: breakpoints[3]" */
};

static const char *expected(const struct dap_field *f, struct arena *a)
{
    switch (f->kind) {
    case KIND_INT:
    case KIND_ID:
        if (f->min == INT64_MIN && f->max == INT64_MAX)
            return "a whole number";
        if (f->max == INT64_MAX)
            return arena_printf(a, "a whole number from %lld on", (long long)f->min);
        return arena_printf(a, "a whole number from %lld to %lld", (long long)f->min,
                            (long long)f->max);
    case KIND_BOOL:
    case KIND_TRI:
        return "true or false";
    case KIND_STR:
        return "a string";
    case KIND_TEXT:
        return "anything";
    case KIND_STRS:
        return "an array of strings";
    case KIND_MAP:
        return "an object whose members are strings or null";
    case KIND_WORD:
        return arena_printf(a, "one of the strings %s", f->text);
    case KIND_OBJ:
        return "an object";
    case KIND_LIST:
        break;
    }
    return "an array of objects";
}

static struct err *wrong(struct reader *r, const struct dap_field *f, const struct json_value *v)
{
    return err_new(ERR_USAGE, "%s.%s must be %s, not %s", buf_text(&r->path), f->name,
                   expected(f, r->arena), json_describe(v, r->arena));
}

/* A whole number; for an ID also one in a string. */
static bool whole(const struct dap_field *f, const struct json_value *v, int64_t *ret)
{
    if (v->kind == JSON_NUMBER) {
        *ret = v->integer;
        return v->integral;
    }
    if (f->kind != KIND_ID || v->kind != JSON_STRING || !v->n)
        return false;
    char *end;
    errno = 0;
    *ret = strtoll(v->text, &end, 10);
    return !errno && end == v->text + v->n;
}

static bool word_index(const char *words, const char *word, int *ret)
{
    size_t n = strlen(word);
    *ret = 0;
    for (const char *w = words; *w; (*ret)++) {
        size_t len = strcspn(w, " ");
        if (len == n && memcmp(w, word, n) == 0)
            return true;
        w += len + (w[len] == ' ');
    }
    return false;
}

static struct err *read_strings(struct reader *r, const struct dap_field *f,
                                const struct json_value *v, void *at, size_t *count)
{
    if (v->kind != JSON_ARRAY)
        return wrong(r, f, v);
    const char **list = arena_array(r->arena, const char *, v->n + 1);
    size_t n = 0;
    for (const struct json_value *m = v->first; m; m = m->next) {
        if (m->kind != JSON_STRING || strlen(m->text) != m->n)
            return err_new(ERR_USAGE, "%s.%s[%zu] must be a string, not %s", buf_text(&r->path),
                           f->name, n, json_describe(m, r->arena));
        list[n++] = m->text;
    }
    *(const char *const **)at = list;
    *count = n;
    return NULL;
}

static struct err *read_map(struct reader *r, const struct dap_field *f, const struct json_value *v,
                            void *at, size_t *count)
{
    if (v->kind != JSON_OBJECT)
        return wrong(r, f, v);
    struct dap_pair *list = arena_array(r->arena, struct dap_pair, v->n + 1);
    size_t n = 0;
    for (const struct json_value *m = v->first; m; m = m->next) {
        bool text = m->kind == JSON_STRING && strlen(m->text) == m->n;
        if (!text && m->kind != JSON_NULL)
            return err_new(ERR_USAGE, "%s.%s[\"%s\"] must be a string or null, not %s",
                           buf_text(&r->path), f->name, m->key, json_describe(m, r->arena));
        list[n++] = (struct dap_pair){.name = m->key, .value = text ? m->text : NULL};
    }
    *(const struct dap_pair **)at = list;
    *count = n;
    return NULL;
}

static struct err *read_record(struct reader *r, const struct dap_record *rec,
                               const struct json_value *v, void *ret);

static struct err *read_list(struct reader *r, const struct dap_field *f,
                             const struct json_value *v, void *at, size_t *count)
{
    if (v->kind != JSON_ARRAY)
        return wrong(r, f, v);
    uint8_t *list = arena_alloc(r->arena, f->record->size * (v->n + 1));
    size_t n = 0, path = r->path.n;
    for (const struct json_value *m = v->first; m; m = m->next, n++) {
        buf_printf(&r->path, ".%s[%zu]", f->name, n);
        TRY(read_record(r, f->record, m, list + n * f->record->size));
        buf_cut(&r->path, path);
    }
    *(void **)at = list;
    *count = n;
    return NULL;
}

static struct err *read_object(struct reader *r, const struct dap_field *f,
                               const struct json_value *v, void *at)
{
    size_t path = r->path.n;
    void *rec = arena_alloc(r->arena, f->record->size);
    if (v->kind != JSON_OBJECT)
        return wrong(r, f, v);
    buf_printf(&r->path, ".%s", f->name);
    TRY(read_record(r, f->record, v, rec));
    buf_cut(&r->path, path);
    *(void **)at = rec;
    return NULL;
}

static struct err *read_field(struct reader *r, const struct dap_field *f,
                              const struct json_value *v, void *at, size_t *count)
{
    int64_t number;
    switch (f->kind) {
    case KIND_INT:
    case KIND_ID:
        if (!whole(f, v, &number) || number < f->min || number > f->max)
            return wrong(r, f, v);
        *(int64_t *)at = number;
        return NULL;
    case KIND_BOOL:
    case KIND_TRI:
        if (v->kind != JSON_BOOL)
            return wrong(r, f, v);
        if (f->kind == KIND_BOOL)
            *(bool *)at = v->boolean;
        else
            *(int *)at = v->boolean;
        return NULL;
    case KIND_STR:
        if (v->kind != JSON_STRING)
            return wrong(r, f, v);
        if (strlen(v->text) != v->n)
            return err_new(ERR_USAGE, "%s.%s has a NUL in it", buf_text(&r->path), f->name);
        *(const char **)at = v->text;
        return NULL;
    case KIND_TEXT:
        if (v->kind == JSON_STRING && strlen(v->text) == v->n)
            *(const char **)at = v->text;
        return NULL;
    case KIND_WORD:
        return v->kind == JSON_STRING && word_index(f->text, v->text, at) ? NULL : wrong(r, f, v);
    case KIND_STRS:
        return read_strings(r, f, v, at, count);
    case KIND_MAP:
        return read_map(r, f, v, at, count);
    case KIND_OBJ:
        return read_object(r, f, v, at);
    case KIND_LIST:
        break;
    }
    return read_list(r, f, v, at, count);
}

static void set_default(const struct dap_field *f, void *at)
{
    switch (f->kind) {
    case KIND_INT:
        *(int64_t *)at = f->number;
        break;
    case KIND_BOOL:
        *(bool *)at = f->number != 0;
        break;
    case KIND_TRI:
        *(int *)at = -1;
        break;
    case KIND_WORD:
        *(int *)at = (int)f->number;
        break;
    case KIND_STR:
    case KIND_TEXT:
        *(const char **)at = f->text;
        break;
    default:
        break; /* zero, as the arena gives it */
    }
}

static struct err *read_record(struct reader *r, const struct dap_record *rec,
                               const struct json_value *v, void *ret)
{
    if (v && v->kind == JSON_NULL)
        v = NULL;
    if (v && v->kind != JSON_OBJECT)
        return err_new(ERR_USAGE, "%s must be an object, not %s", buf_text(&r->path),
                       json_describe(v, r->arena));
    for (size_t i = 0; i < rec->n; i++) {
        const struct dap_field *f = &rec->fields[i];
        const struct json_value *m = json_member(v, f->name);
        void *at = (uint8_t *)ret + f->at;
        size_t *count = (size_t *)(void *)((uint8_t *)ret + f->count_at);
        set_default(f, at);
        if (m && m->kind != JSON_NULL)
            TRY(read_field(r, f, m, at, count));
        else if (f->need == MUST)
            return err_new(ERR_USAGE, "%s.%s is missing: it must be %s", buf_text(&r->path),
                           f->name, expected(f, r->arena));
    }
    return NULL;
}

struct err *dap_args_read(const struct dap_record *rec, const struct json_value *v, struct arena *a,
                          void **ret)
{
    struct reader r = {.arena = a};
    *ret = arena_alloc(a, rec->size + 1);
    buf_str(&r.path, rec->name);
    struct err *e = read_record(&r, rec, v, *ret);
    buf_free(&r.path);
    return e;
}
