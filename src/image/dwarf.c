/* dwarf.c - opening the DWARF of an image: sections, unit headers, root DIEs; see dwarf.h.
 *
 * The sections that every unit needs are inflated at once, on all cores (Go compresses each);
 * .debug_line and the lists of ranges and locations follow when somebody asks for them.  Root DIEs
 * are read at opening because every later question begins with a unit's name, ranges or bases: a
 * program of 100 MB has some thousand units, which takes less than a millisecond. */
#include "image/dwarf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "image/dwarf_int.h"

static const char *const section_names[DWARF_SECTIONS] = {
    [DWARF_INFO] = "info",
    [DWARF_ABBREV] = "abbrev",
    [DWARF_STR] = "str",
    [DWARF_LINE_STR] = "line_str",
    [DWARF_STR_OFFSETS] = "str_offsets",
    [DWARF_ADDR_TABLE] = "addr",
    [DWARF_TYPES] = "types",
    [DWARF_LINE] = "line",
    [DWARF_RANGES] = "ranges",
    [DWARF_RNGLISTS] = "rnglists",
    [DWARF_LOC] = "loc",
    [DWARF_LOCLISTS] = "loclists",
};

static const struct image_section *find_section(const struct image *img, enum dwarf_section_id id)
{
    char name[32];
    snprintf(name, sizeof(name), ".debug_%s", section_names[id]);
    const struct image_section *s = image_find_section(img, name);
    if (!s) {
        snprintf(name, sizeof(name), ".zdebug_%s", section_names[id]);
        s = image_find_section(img, name);
    }
    return s && s->type != SHT_NOBITS ? s : NULL;
}

static struct err *load_section(struct dwarf *dw, enum dwarf_section_id id)
{
    static const uint8_t nothing[1];
    const struct image_section *s = find_section(dw->img, id);
    struct dwarf_bytes b = {.p = nothing};
    if (s)
        TRY(image_section_bytes(dw->img, s, &b.p, &b.n));
    const uint8_t *nul = b.n ? memrchr(b.p, 0, b.n) : NULL;
    b.texts_n = nul ? (size_t)(nul - b.p) + 1 : 0;
    dw->sec[id] = b;
    atomic_store(&dw->loaded[id], true);
    return NULL;
}

struct err *dwarf_load(struct dwarf *dw, enum dwarf_section_id id, const struct dwarf_bytes **ret)
{
    struct err *e = NULL;
    *ret = &dw->sec[id];
    if (atomic_load(&dw->loaded[id]))
        return NULL;
    pthread_mutex_lock(&dw->lock);
    if (!atomic_load(&dw->loaded[id]))
        e = load_section(dw, id);
    pthread_mutex_unlock(&dw->lock);
    return e;
}

static struct err *load_job(void *arg, size_t i, unsigned worker)
{
    return load_section(arg, (enum dwarf_section_id)i);
}

static struct err *unit_error(const struct dwarf_unit *u, const char *why)
{
    return err_new(ERR_BAD_DATA, "the unit at %#llx of %s %s",
                   (unsigned long long)dwarf_offset(u->id),
                   u->id & DWARF_TYPES_ID ? ".debug_types" : ".debug_info", why);
}

static uint64_t take_offset(struct cursor *c, const struct dwarf_unit *u)
{
    return u->offset_size == 8 ? cursor_u64(c) : cursor_u32(c);
}

/* Reads the header at the cursor, which is left behind the unit. */
static struct err *read_header(struct cursor *c, struct dwarf_unit *u, uint64_t *abbrevs)
{
    bool types = u->id & DWARF_TYPES_ID;
    uint64_t length = cursor_u32(c);
    u->offset_size = length == UINT32_MAX ? 8 : 4;
    if (length == UINT32_MAX)
        length = cursor_u64(c);
    if (c->bad || length > cursor_left(c))
        return unit_error(u, "is longer than its section (truncated?)");
    struct cursor unit = cursor_sub(c, length, "unit header");
    u->end = cursor_pos(c) | (u->id & ~dwarf_offset(UINT64_MAX));
    u->version = (uint8_t)min_u64(cursor_u16(&unit), 255);
    u->die = u->end;
    if (u->version < 2 || u->version > 5) {
        u->unreadable = "is of a DWARF version other than 2 to 5";
        return NULL;
    }
    u->type = types ? DW_UT_type : DW_UT_compile;
    if (u->version >= 5) {
        u->type = cursor_u8(&unit);
        u->addr_size = cursor_u8(&unit);
        *abbrevs = take_offset(&unit, u);
    } else {
        *abbrevs = take_offset(&unit, u);
        u->addr_size = cursor_u8(&unit);
    }
    if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile)
        u->signature = cursor_u64(&unit);
    if (u->type == DW_UT_type || u->type == DW_UT_split_type) {
        u->signature = cursor_u64(&unit);
        u->type_die = u->id + min_u64(take_offset(&unit, u), u->end - u->id);
    }
    if (unit.bad || (u->addr_size != 4 && u->addr_size != 8)) {
        u->unreadable =
            unit.bad ? "is shorter than its header" : "has addresses of a size other than 4 or 8";
        return NULL;
    }
    u->die = u->end - cursor_left(&unit);
    return NULL;
}

static void default_bases(struct dwarf_unit *u)
{
    uint64_t header = u->offset_size == 8 ? 16 : 8; /* length, version, padding */
    u->name = u->dir = u->package = u->producer = "";
    if (u->version >= 5) {
        u->addr_base = u->str_offsets_base = header;
        u->rnglists_base = u->loclists_base = header + 4;
    }
}

static void take_base(struct dwarf_unit *u, const struct dwarf_attr *a)
{
    switch (a->name) {
    case DW_AT_str_offsets_base:
        u->str_offsets_base = a->u;
        break;
    case DW_AT_addr_base:
        u->addr_base = a->u;
        break;
    case DW_AT_rnglists_base:
        u->rnglists_base = a->u;
        break;
    case DW_AT_loclists_base:
        u->loclists_base = a->u;
        break;
    case DW_AT_dwo_name:
    case DW_AT_GNU_dwo_name:
        u->split = true;
        break;
    }
}

static void take_root_attr(struct dwarf_unit *u, const struct dwarf_attr *a)
{
    uint64_t v;
    switch (a->name) {
    case DW_AT_name:
        u->name = dwarf_attr_text(u, a);
        break;
    case DW_AT_comp_dir:
        u->dir = dwarf_attr_text(u, a);
        break;
    case DW_AT_producer:
        u->producer = dwarf_attr_text(u, a);
        break;
    case DW_AT_go_package_name:
        u->package = dwarf_attr_text(u, a);
        break;
    case DW_AT_language:
        if (dwarf_attr_uint(a, &v))
            u->language = (uint16_t)v;
        break;
    case DW_AT_low_pc:
        u->has_low_pc = dwarf_attr_addr(u, a, &u->low_pc);
        break;
    case DW_AT_high_pc:
        u->has_high_pc = dwarf_attr_addr(u, a, &u->high_pc) || dwarf_attr_uint(a, &u->high_pc);
        if (u->has_high_pc && a->cls != DWARF_ADDR)
            u->high_pc += u->low_pc; /* an offset; low_pc stands before it in every producer */
        break;
    case DW_AT_ranges:
        u->has_ranges = a->cls == DWARF_OFFSET || a->cls == DWARF_LISTX || a->cls == DWARF_UCONST;
        u->ranges = (struct dwarf_attr_raw){a->form, a->u};
        break;
    case DW_AT_stmt_list:
        u->has_lines = a->cls == DWARF_OFFSET || a->cls == DWARF_UCONST;
        u->lines = a->u;
        break;
    }
}

static struct err *read_root(struct dwarf_unit *u)
{
    struct dwarf_die die;
    struct dwarf_attr a;
    struct dwarf_attrs it;
    if (u->die >= u->end)
        return NULL; /* empty, as some assemblers leave it */
    struct dwarf_walk w;
    dwarf_walk_unit(&w, u);
    if (!dwarf_walk_next(&w, &die))
        return w.err;
    u->tag = die.tag;
    dwarf_attrs_init(&it, &die);
    while (dwarf_attrs_next(&it, &a)) /* bases first: texts may need them */
        take_base(u, &a);
    if (it.err)
        return it.err;
    dwarf_attrs_init(&it, &die);
    while (dwarf_attrs_next(&it, &a))
        take_root_attr(u, &a);
    return it.err;
}

/* A unit whose contents make no sense is kept, empty: the others are not less readable for it. */
static void give_up(struct dwarf_unit *u, struct err *e)
{
    u->unreadable = arena_strdup(&u->dw->arena, err_message(e));
    u->die = u->end;
    err_free(e);
}

static void keep_unit(struct dwarf *dw, struct dwarf_unit *u, uint64_t abbrevs)
{
    struct dwarf_unit *kept = &dw->units[u->index];
    *kept = *u;
    default_bases(kept);
    struct err *e = kept->unreadable ? NULL : dwarf_abbrevs_get(dw, abbrevs, kept, &kept->abbrevs);
    if (e)
        give_up(kept, e);
}

/* Headers of one section; the first round only counts. */
static struct err *read_headers(struct dwarf *dw, uint64_t section, size_t *n, bool count)
{
    const struct dwarf_bytes *b = &dw->sec[section ? DWARF_TYPES : DWARF_INFO];
    struct cursor c = cursor_on(b->p, b->n, section ? ".debug_types" : ".debug_info");
    while (cursor_left(&c)) {
        struct dwarf_unit u = {.dw = dw, .id = cursor_pos(&c) | section | dw->base};
        uint64_t abbrevs = 0;
        TRY(read_header(&c, &u, &abbrevs));
        u.index = (uint32_t)*n;
        if (!count)
            keep_unit(dw, &u, abbrevs);
        if (++*n >= UINT32_MAX)
            return unit_error(&u, "is one too many");
    }
    return NULL;
}

static struct err *read_units(struct dwarf *dw)
{
    size_t n = 0;
    TRY(read_headers(dw, 0, &n, true));
    dw->ninfo = n;
    TRY(read_headers(dw, DWARF_TYPES_ID, &n, true));
    dw->units = mem_try_alloc(n * sizeof(*dw->units));
    if (!dw->units)
        return err_new(ERR_NOMEM, "no memory for %zu units", n);
    TRY(read_headers(dw, 0, &dw->nunits, false));
    TRY(read_headers(dw, DWARF_TYPES_ID, &dw->nunits, false));
    for (size_t i = 0; i < dw->nunits; i++) {
        struct dwarf_unit *u = &dw->units[i];
        struct err *e = read_root(u);
        if (e)
            give_up(u, e);
        if (u->type == DW_UT_type)
            map_put(&dw->by_signature, u->signature, (uint32_t)i);
    }
    return NULL;
}

bool dwarf_has_sections(const struct image *img)
{
    return find_section(img, DWARF_INFO) && find_section(img, DWARF_ABBREV);
}

struct err *dwarf_open(struct image *owner, struct dwarf **ret)
{
    struct image *img = owner->debug ? owner->debug : owner;
    if (!dwarf_has_sections(img))
        return err_hint(err_new(ERR_NOT_FOUND, "no DWARF debugging information"),
                        "build without -ldflags=-w or -s to have it");
    struct dwarf *dw = mem_alloc(sizeof(*dw));
    dw->img = img;
    dw->owner = owner;
    dw->base = (uint64_t)owner->number << DWARF_IMAGE_SHIFT;
    arena_init(&dw->arena);
    pthread_mutex_init(&dw->lock, NULL);
    pthread_mutex_init(&dw->index_lock, NULL);
    dwarf_types_init(dw);
    struct err *e = pool_run(DWARF_OPENED, load_job, dw);
    if (!e)
        e = read_units(dw);
    if (e) {
        dwarf_close(dw);
        return e;
    }
    *ret = dw;
    return NULL;
}

void dwarf_close(struct dwarf *dw)
{
    if (!dw)
        return;
    dwarf_lines_free(dw);
    dwarf_funcs_free(dw);
    dwarf_index_free(dw);
    pthread_mutex_destroy(&dw->index_lock);
    dwarf_types_free(dw);
    map_free(&dw->abbrevs_by_key);
    map_free(&dw->by_signature);
    vec_free(&dw->tables);
    free(dw->units);
    pthread_mutex_destroy(&dw->lock);
    arena_free(&dw->arena);
    free(dw);
}

struct image *dwarf_image(const struct dwarf *dw)
{
    return dw->img;
}

size_t dwarf_units(const struct dwarf *dw, const struct dwarf_unit **ret)
{
    *ret = dw->units;
    return dw->nunits;
}

struct dwarf *dwarf_of_id(const struct dwarf *dw, uint64_t id)
{
    return image_dwarf_numbered(dw->owner, (id & ~DWARF_TYPES_ID) >> DWARF_IMAGE_SHIFT);
}

const struct dwarf_unit *dwarf_unit_of(const struct dwarf *dw, uint64_t id)
{
    if (!dwarf_is_own_id(dw, id) && !(dw = dwarf_of_id(dw, id)))
        return NULL;
    size_t lo = 0, hi = dw->nunits;
    while (lo < hi) { /* the first unit that ends behind id */
        size_t mid = lo + (hi - lo) / 2;
        if (dw->units[mid].end <= id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < dw->nunits && dw->units[lo].id <= id ? &dw->units[lo] : NULL;
}
