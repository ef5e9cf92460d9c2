/* dwarf_line.c - line tables; see dwarf_line.h.
 *
 * Go: cmd/link/internal/ld/dwarf.go writelines: version 2 until 1.24, version 5 since; one sequence
 * per function, file 1 is the first.  C compilers write one long sequence per section.
 *
 * Tables are kept by their offset, so that units that share one (type units do) share the work.
 * Invariant: all headers together parse at most HEADER_OVERLAP times the section. */
#include "image/dwarf_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "image/dwarf_func.h"
#include "image/dwarf_int.h"

enum { MARK_ROWS = 128, HEADER_OVERLAP = 8, PATH_BYTES_MAX = 4096, FORMATS_MAX = 16 };

struct line_file {
    const char *name;
    uint32_t dir;
};

/* A state of the line machine from which decoding can go on. */
struct line_mark {
    uint64_t addr;       /* of the row that comes next */
    uint64_t state_addr; /* of the machine: 0 at the start of a sequence */
    uint32_t at;         /* offset in the program */
    uint32_t file, line, column;
    uint8_t op_index, isa;
    bool is_stmt;
};

struct dwarf_lines {
    struct dwarf_unit shape; /* address and offset size of the table, strings of the unit */
    uint64_t off;
    uint8_t version, min_insn, max_ops, line_range, opcode_base;
    int8_t line_base;
    bool default_is_stmt;
    uint8_t opcode_args[256];
    const char **dirs;
    struct line_file *files;
    size_t ndirs, nfiles;
    const uint8_t *program, *end;
    _Atomic(char *) *paths;      /* joined, one per file, when asked for */
    struct err *broken;          /* why there are no rows; owned */
    VEC(struct line_mark) marks; /* sorted by address */
    bool marked;
};

static const struct dwarf_lines no_lines;

/* ---- header ---- */

struct header {
    struct dwarf_lines *t;
    struct cursor c;
    VEC(const char *) dirs;
    VEC(struct line_file) files;
};

static void parse_tables_v4(struct header *h, const struct dwarf_unit *u)
{
    struct line_file primary = {.name = u->name};
    vec_push(&h->dirs, u->dir);
    vec_push(&h->files, primary);
    while (!h->c.bad) {
        const char *dir = cursor_cstr(&h->c);
        if (!*dir)
            break;
        vec_push(&h->dirs, dir);
    }
    while (!h->c.bad) {
        struct line_file f = {.name = cursor_cstr(&h->c)};
        if (!*f.name)
            break;
        f.dir = (uint32_t)min_u64(cursor_uleb(&h->c), UINT32_MAX);
        cursor_uleb(&h->c); /* time and length of the file: unused by every producer */
        cursor_uleb(&h->c);
        vec_push(&h->files, f);
    }
}

struct entry_format {
    struct abbrev_attr v[FORMATS_MAX];
    unsigned n;
};

static void parse_format(struct header *h, struct entry_format *f)
{
    f->n = cursor_u8(&h->c);
    if (f->n > FORMATS_MAX)
        cursor_fail(&h->c);
    for (unsigned i = 0; i < f->n && !h->c.bad; i++) {
        f->v[i] = (struct abbrev_attr){.name = (uint16_t)cursor_uleb(&h->c),
                                       .form = (uint16_t)cursor_uleb(&h->c)};
    }
}

static struct line_file parse_entry(struct header *h, const struct entry_format *f)
{
    struct line_file ret = {.name = ""};
    struct dwarf_attr a;
    for (unsigned i = 0; i < f->n && !h->c.bad; i++) {
        if (!dwarf_read_value(&h->t->shape, &f->v[i], &h->c.p, h->c.end, &a))
            cursor_fail(&h->c);
        else if (a.name == DW_LNCT_path)
            ret.name = dwarf_attr_text(&h->t->shape, &a);
        else if (a.name == DW_LNCT_directory_index)
            ret.dir = (uint32_t)min_u64(a.u, UINT32_MAX);
    }
    return ret;
}

/* Each entry must take some bytes: a count alone makes no table. */
static void parse_tables_v5(struct header *h)
{
    for (unsigned files = 0; files < 2; files++) {
        struct entry_format f;
        parse_format(h, &f);
        uint64_t n = cursor_uleb(&h->c);
        if (n > cursor_left(&h->c))
            cursor_fail(&h->c);
        for (uint64_t i = 0; i < n && !h->c.bad; i++) {
            struct line_file e = parse_entry(h, &f);
            if (files)
                vec_push(&h->files, e);
            else
                vec_push(&h->dirs, e.name);
        }
    }
}

static void parse_machine(struct header *h)
{
    struct dwarf_lines *t = h->t;
    t->min_insn = cursor_u8(&h->c);
    t->max_ops = t->version >= 4 ? cursor_u8(&h->c) : 1;
    t->default_is_stmt = cursor_u8(&h->c) != 0;
    t->line_base = (int8_t)cursor_u8(&h->c);
    t->line_range = cursor_u8(&h->c);
    t->opcode_base = cursor_u8(&h->c);
    for (unsigned i = 1; i < t->opcode_base; i++)
        t->opcode_args[i] = cursor_u8(&h->c);
    if (t->line_range == 0 || t->max_ops == 0 || t->opcode_base == 0)
        cursor_fail(&h->c);
}

static void keep_tables(struct dwarf *dw, struct header *h)
{
    struct dwarf_lines *t = h->t;
    t->ndirs = h->dirs.n;
    t->nfiles = h->files.n;
    t->dirs = arena_array(&dw->arena, const char *, t->ndirs);
    t->files = arena_array(&dw->arena, struct line_file, t->nfiles);
    t->paths = arena_alloc(&dw->arena, t->nfiles * sizeof(*t->paths));
    if (t->ndirs)
        memcpy(t->dirs, h->dirs.v, t->ndirs * sizeof(*t->dirs));
    if (t->nfiles)
        memcpy(t->files, h->files.v, t->nfiles * sizeof(*t->files));
}

static struct err *parse_header(struct dwarf *dw, const struct dwarf_bytes *sec,
                                const struct dwarf_unit *u, struct dwarf_lines *t)
{
    if (t->off > sec->n)
        return err_new(ERR_BAD_DATA, "the line table of unit %s lies outside .debug_line", u->name);
    struct header h = {.t = t,
                       .c = cursor_on(sec->p + t->off, sec->n - t->off, "a table of .debug_line")};
    uint64_t length = cursor_u32(&h.c);
    t->shape.offset_size = length == UINT32_MAX ? 8 : 4;
    if (length == UINT32_MAX)
        length = cursor_u64(&h.c);
    h.c = cursor_sub(&h.c, length, "a table of .debug_line");
    t->end = h.c.end;
    t->program = h.c.end;
    t->version = (uint8_t)min_u64(cursor_u16(&h.c), 255);
    if (!h.c.bad && (t->version < 2 || t->version > 5))
        return err_new(ERR_UNSUPPORTED, "a line table of version %u", t->version);
    if (t->version >= 5) {
        t->shape.addr_size = cursor_u8(&h.c);
        if (cursor_u8(&h.c) || (t->shape.addr_size != 4 && t->shape.addr_size != 8))
            cursor_fail(&h.c); /* segmented addresses */
    }
    uint64_t header_length = t->shape.offset_size == 8 ? cursor_u64(&h.c) : cursor_u32(&h.c);
    h.c = cursor_sub(&h.c, header_length, "the header of a line table");
    const uint8_t *program = h.c.end;
    dw->line_header_bytes += header_length;
    if (dw->line_header_bytes > sec->n * HEADER_OVERLAP)
        return err_new(ERR_BAD_DATA, "the line tables overlap");
    parse_machine(&h);
    if (t->version >= 5)
        parse_tables_v5(&h);
    else
        parse_tables_v4(&h, u);
    struct err *e = cursor_err(&h.c);
    if (!e) {
        keep_tables(dw, &h);
        t->program = program;
    }
    vec_free(&h.dirs);
    vec_free(&h.files);
    return e;
}

static struct dwarf_lines *open_lines(struct dwarf *dw, const struct dwarf_bytes *sec,
                                      const struct dwarf_unit *u)
{
    struct dwarf_lines *t = arena_new(&dw->arena, struct dwarf_lines);
    t->shape = *u;
    t->off = u->lines;
    t->broken = err_wrap(parse_header(dw, sec, u, t), "%s", image_name(dw->img));
    map_put(&dw->lines_by_off, u->lines, (uint32_t)dw->lines.n);
    vec_push(&dw->lines, t);
    return t;
}

/* The table of a unit; an empty one (with its error, when it is broken). */
static struct dwarf_lines *lines_of(const struct dwarf_unit *u, struct err **ret_err)
{
    struct dwarf *dw = u->dw;
    const struct dwarf_bytes *sec;
    struct dwarf_lines *t;
    *ret_err = NULL;
    if (!u->has_lines || (*ret_err = dwarf_load(dw, DWARF_LINE, &sec)))
        return NULL;
    pthread_mutex_lock(&dw->lock);
    uint32_t i = map_get(&dw->lines_by_off, u->lines);
    t = i != MAP_NONE ? dw->lines.v[i] : open_lines(dw, sec, u);
    pthread_mutex_unlock(&dw->lock);
    if (t->broken)
        *ret_err = err_new(err_code(t->broken), "%s", err_message(t->broken));
    return t;
}

void dwarf_lines_free(struct dwarf *dw)
{
    for (size_t i = 0; i < dw->lines.n; i++) {
        struct dwarf_lines *t = dw->lines.v[i];
        for (size_t k = 0; k < t->nfiles; k++)
            free(atomic_load(&t->paths[k]));
        err_free(t->broken);
        vec_free(&t->marks);
    }
    vec_free(&dw->lines);
    map_free(&dw->lines_by_off);
}

/* ---- file names ---- */

static const char *dir_of(const struct dwarf_lines *t, const struct line_file *f)
{
    return f->dir < t->ndirs ? t->dirs[f->dir] : "";
}

/* Appends a component; "" and "." add nothing, an absolute one replaces what is there. */
static void add_component(struct buf *b, const char *s)
{
    while (s[0] == '.' && s[1] == '/')
        s += 2;
    if (!*s || strcmp(s, ".") == 0)
        return;
    if (*s == '/')
        buf_clear(b);
    else if (b->n && b->p[b->n - 1] != '/')
        buf_char(b, '/');
    buf_str(b, s);
}

static char *join_path(const struct dwarf_lines *t, const struct line_file *f)
{
    struct buf b;
    buf_init(&b, PATH_BYTES_MAX);
    add_component(&b, t->shape.dir);
    if (t->version >= 5 && t->ndirs)
        add_component(&b, t->dirs[0]); /* directory 0 is the compilation directory */
    add_component(&b, dir_of(t, f));
    add_component(&b, f->name);
    return b.n ? buf_take(&b) : mem_strdup("");
}

size_t dwarf_file_count(const struct dwarf_unit *u)
{
    struct err *e;
    struct dwarf_lines *t = lines_of(u, &e);
    err_free(e);
    return t ? t->nfiles : 0;
}

static const char *path_in(const struct dwarf_lines *t, uint64_t file)
{
    if (file >= t->nfiles)
        return "";
    char *path = atomic_load(&t->paths[file]), *none = NULL;
    if (path)
        return path;
    path = join_path(t, &t->files[file]);
    if (atomic_compare_exchange_strong(&t->paths[file], &none, path))
        return path;
    free(path); /* another thread was faster */
    return none;
}

const char *dwarf_file_path(const struct dwarf_unit *u, uint64_t file)
{
    struct err *e;
    struct dwarf_lines *t = lines_of(u, &e);
    err_free(e);
    return t ? path_in(t, file) : "";
}

/* ---- the line machine ---- */

static void reset(struct dwarf_rows *it)
{
    it->row = (struct dwarf_row){.file = 1, .line = 1, .is_stmt = it->lines->default_is_stmt};
}

void dwarf_rows_of(struct dwarf_rows *it, const struct dwarf_unit *u)
{
    *it = (struct dwarf_rows){.lines = &no_lines};
    struct dwarf_lines *t = lines_of(u, &it->err);
    if (t)
        it->lines = t;
    it->p = it->lines->program;
    reset(it);
}

static void advance(struct dwarf_rows *it, uint64_t ops)
{
    const struct dwarf_lines *t = it->lines;
    if (t->max_ops == 1) {
        it->row.addr += ops * t->min_insn;
        return;
    }
    uint64_t at = it->row.op_index + ops; /* bundles of several operations (VLIW) */
    it->row.addr += at / t->max_ops * t->min_insn;
    it->row.op_index = (uint8_t)(at % t->max_ops);
}

static bool take_sleb(struct dwarf_rows *it, int64_t *ret)
{
    struct cursor c = cursor_on(it->p, (size_t)(it->lines->end - it->p), "");
    *ret = cursor_sleb(&c);
    it->p = c.p;
    return !c.bad;
}

/* An extended opcode; *row: it ends a row. */
static bool extended(struct dwarf_rows *it, bool *row)
{
    const uint8_t *end = it->lines->end;
    uint64_t n, v;
    if (!take_uleb(&it->p, end, &n) || n > (size_t)(end - it->p))
        return false;
    if (n == 0)
        return true; /* some linkers pad with empty ones */
    const uint8_t *p = it->p + 1, *stop = it->p + n;
    switch (it->p[0]) {
    case DW_LNE_end_sequence:
        it->row.end_sequence = *row = true;
        break;
    case DW_LNE_set_address:
        if (n - 1 != 4 && n - 1 != 8)
            return false;
        it->row.addr = load_le(p, n - 1);
        it->row.op_index = 0;
        break;
    case DW_LNE_set_discriminator:
        if (!take_uleb(&p, stop, &v))
            return false;
        it->row.discriminator = (uint32_t)v;
        break;
    default: /* DW_LNE_define_file, which no compiler emits, and vendors' own */
        break;
    }
    it->p = stop;
    return true;
}

static bool skip_args(struct dwarf_rows *it, unsigned n)
{
    while (n--)
        if (!skip_leb(&it->p, it->lines->end))
            return false;
    return true;
}

static bool take_number(struct dwarf_rows *it, uint32_t *ret)
{
    uint64_t v;
    if (!take_uleb(&it->p, it->lines->end, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* The standard opcodes' own numbers of arguments; a table that says otherwise means others. */
static bool standard_args(uint8_t op, uint8_t args)
{
    static const uint8_t expected[] = {0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
    return op < ARRAY_LEN(expected) && args == expected[op];
}

static bool standard(struct dwarf_rows *it, uint8_t op, bool *row)
{
    const struct dwarf_lines *t = it->lines;
    uint64_t v;
    int64_t delta;
    uint32_t isa;
    if (!standard_args(op, t->opcode_args[op]))
        return skip_args(it, t->opcode_args[op]);
    switch (op) {
    case DW_LNS_copy:
        *row = true;
        return true;
    case DW_LNS_advance_pc:
        if (!take_uleb(&it->p, t->end, &v))
            return false;
        advance(it, v);
        return true;
    case DW_LNS_advance_line:
        if (!take_sleb(it, &delta))
            return false;
        it->row.line += (uint32_t)delta;
        return true;
    case DW_LNS_set_file:
        return take_number(it, &it->row.file);
    case DW_LNS_set_column:
        return take_number(it, &it->row.column);
    case DW_LNS_negate_stmt:
        it->row.is_stmt = !it->row.is_stmt;
        return true;
    case DW_LNS_set_basic_block:
        it->row.basic_block = true;
        return true;
    case DW_LNS_const_add_pc:
        advance(it, (255u - t->opcode_base) / t->line_range);
        return true;
    case DW_LNS_fixed_advance_pc:
        if (t->end - it->p < 2)
            return false;
        it->row.addr += load_le(it->p, 2);
        it->row.op_index = 0;
        it->p += 2;
        return true;
    case DW_LNS_set_prologue_end:
        it->row.prologue_end = true;
        return true;
    case DW_LNS_set_epilogue_begin:
        it->row.epilogue_begin = true;
        return true;
    default: /* DW_LNS_set_isa */
        if (!take_number(it, &isa))
            return false;
        it->row.isa = (uint8_t)isa;
        return true;
    }
}

bool dwarf_row_next(struct dwarf_rows *it, struct dwarf_row *ret)
{
    const struct dwarf_lines *t = it->lines;
    while (!it->err && it->p < t->end) {
        uint8_t op = *it->p++;
        bool row = false, ok = true;
        if (op >= t->opcode_base) {
            unsigned adjusted = (unsigned)(op - t->opcode_base);
            advance(it, adjusted / t->line_range);
            it->row.line += (uint32_t)(t->line_base + (int)(adjusted % t->line_range));
            row = true; /* a special opcode */
        } else {
            ok = op == 0 ? extended(it, &row) : standard(it, op, &row);
        }
        if (!ok) {
            it->err = err_new(ERR_BAD_DATA, "%s: the line table at %#llx is malformed",
                              image_name(t->shape.dw->img), (unsigned long long)t->off);
        } else if (row) {
            *ret = it->row;
            if (it->row.end_sequence)
                reset(it);
            it->row.basic_block = it->row.prologue_end = it->row.epilogue_begin = false;
            it->row.discriminator = 0;
            return true;
        }
    }
    return false;
}

/* ---- pc to row ---- */

static int by_addr(const void *va, const void *vb)
{
    const struct line_mark *a = va, *b = vb;
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* A mark is the state before the row it names: decoding from it yields that row first. */
static void push_mark(struct dwarf_lines *t, const struct dwarf_row *state, uint64_t addr,
                      const uint8_t *at)
{
    struct line_mark m = {.addr = addr,
                          .state_addr = state->addr,
                          .at = (uint32_t)(at - t->program),
                          .file = state->file,
                          .line = state->line,
                          .column = state->column,
                          .op_index = state->op_index,
                          .isa = state->isa,
                          .is_stmt = state->is_stmt};
    vec_push(&t->marks, m);
}

static void make_marks(struct dwarf_lines *t)
{
    struct dwarf_rows it = {.lines = t, .p = t->program};
    struct dwarf_row row, before;
    unsigned since = 0;
    reset(&it);
    for (;;) {
        before = it.row;
        const uint8_t *at = it.p;
        if ((uint64_t)(at - t->program) > UINT32_MAX || !dwarf_row_next(&it, &row))
            break;
        if (since++ % MARK_ROWS == 0 && !row.end_sequence)
            push_mark(t, &before, row.addr, at);
        if (row.end_sequence)
            since = 0;
    }
    err_free(it.err); /* what was read up to there is right */
    if (t->marks.n)
        qsort(t->marks.v, t->marks.n, sizeof(*t->marks.v), by_addr);
    t->marked = true;
}

static void resume(struct dwarf_rows *it, const struct dwarf_lines *t, const struct line_mark *m)
{
    *it = (struct dwarf_rows){.lines = t, .p = t->program + m->at};
    it->row = (struct dwarf_row){.addr = m->state_addr,
                                 .file = m->file,
                                 .line = m->line,
                                 .column = m->column,
                                 .op_index = m->op_index,
                                 .isa = m->isa,
                                 .is_stmt = m->is_stmt};
}

/* The row of a sequence that covers pc, decoding from a mark at or before it. */
static bool row_from(const struct dwarf_lines *t, const struct line_mark *m, taddr pc,
                     struct dwarf_row *ret)
{
    struct dwarf_rows it;
    struct dwarf_row row;
    bool have = false;
    resume(&it, t, m);
    while (dwarf_row_next(&it, &row) && row.addr <= pc && !row.end_sequence) {
        *ret = row;
        have = true;
    }
    err_free(it.err);
    return have && row.addr > pc;
}

/* The last mark at or before pc; NULL: none. */
static const struct line_mark *mark_before(const struct dwarf_lines *t, taddr pc)
{
    size_t lo = 0, hi = t->marks.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->marks.v[mid].addr <= pc)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 ? &t->marks.v[lo - 1] : NULL;
}

static bool find_row(const struct dwarf_lines *t, taddr pc, struct dwarf_row *ret)
{
    const struct line_mark *m = mark_before(t, pc);
    return m && row_from(t, m, pc, ret);
}

static void mark_once(struct dwarf *dw, struct dwarf_lines *t)
{
    pthread_mutex_lock(&dw->lock);
    if (!t->marked)
        make_marks(t);
    pthread_mutex_unlock(&dw->lock);
}

void dwarf_rows_near(struct dwarf_rows *it, const struct dwarf_unit *u, taddr pc)
{
    dwarf_rows_of(it, u);
    struct err *e;
    struct dwarf_lines *t = lines_of(u, &e);
    err_free(e); /* the iterator has it, too */
    if (it->err || !t)
        return;
    mark_once(u->dw, t);
    const struct line_mark *m = mark_before(t, pc);
    if (m)
        resume(it, t, m);
}

struct err *dwarf_row_at(struct dwarf *dw, taddr pc, const struct dwarf_unit **ret_unit,
                         struct dwarf_row *ret)
{
    TRY(dwarf_unit_at(dw, pc, ret_unit));
    struct err *e;
    struct dwarf_lines *t = lines_of(*ret_unit, &e);
    if (e)
        return e;
    if (t) {
        mark_once(dw, t);
        if (find_row(t, pc, ret))
            return NULL;
    }
    return err_new(ERR_NOT_FOUND, "%s: no line is known at %#llx", image_name(dw->img),
                   (unsigned long long)pc);
}

/* ---- line to addresses ---- */

struct candidate {
    struct dwarf_place place;
    const char *path;
};
struct find_job {
    struct dwarf *dw;
    const char *path, *base; /* what is looked for; its last component */
    uint32_t line;
    bool nearest;
    const struct dwarf_unit **units; /* one per table */
    VEC(struct candidate) * found;   /* one per worker */
};

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* For each file of the table the least line that is still of interest: 0 for files that are not
 * meant.  NULL: none is. */
static uint64_t *matching_files(const struct find_job *job, const struct dwarf_lines *t)
{
    uint64_t *least = NULL;
    for (size_t i = 0; i < t->nfiles; i++) {
        if (strcmp(last_component(t->files[i].name), job->base) != 0 ||
            !image_path_matches(path_in(t, i), job->path))
            continue;
        if (!least)
            least = mem_alloc(t->nfiles * sizeof(*least));
        least[i] = job->nearest ? UINT32_MAX : job->line;
    }
    return least;
}

/* Keeps a row that begins the line, without a statement (the compiler moved it) only of the line
 * that is looked for; of a `nearest` search, also those that were the nearest so far:
 * keep_nearest() drops them. */
static void consider(const struct find_job *job, unsigned worker, const struct dwarf_unit *u,
                     const struct dwarf_lines *t, const struct dwarf_row *row, uint64_t *least)
{
    if (row->line < job->line || row->line > *least || (!row->is_stmt && row->line != job->line))
        return;
    *least = row->line;
    struct candidate c = {.place = {u, *row}, .path = path_in(t, row->file)};
    vec_push(&job->found[worker], c);
}

static struct err *find_in_table(void *arg, size_t i, unsigned worker)
{
    struct find_job *job = arg;
    struct err *e;
    struct dwarf_lines *t = lines_of(job->units[i], &e);
    uint64_t *least = !e && t ? matching_files(job, t) : NULL;
    if (e || !least) {
        err_free(e); /* one broken table does not hide the others */
        return NULL;
    }
    struct dwarf_rows it;
    struct dwarf_row row, before = {.end_sequence = true};
    for (dwarf_rows_of(&it, job->units[i]); dwarf_row_next(&it, &row); before = row) {
        bool begins = before.end_sequence || before.line != row.line || before.file != row.file ||
                      !before.is_stmt;
        if (begins && !row.end_sequence && row.file < t->nfiles && least[row.file] &&
            dwarf_is_code(job->dw, row.addr))
            consider(job, worker, job->units[i], t, &row, &least[row.file]);
    }
    err_free(it.err);
    free(least);
    return NULL;
}

/* One unit for each table: type units share those of others. */
static size_t units_with_tables(struct dwarf *dw, const struct dwarf_unit **ret)
{
    struct map seen = {0};
    size_t n = 0;
    for (size_t i = 0; i < dw->nunits; i++) {
        bool added = false;
        if (dw->units[i].has_lines)
            map_get_or_put(&seen, dw->units[i].lines, 0, &added);
        if (added)
            ret[n++] = &dw->units[i];
    }
    map_free(&seen);
    return n;
}

static int by_path_and_addr(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    int order = strcmp(a->path, b->path);
    if (order)
        return order;
    if (a->place.row.line != b->place.row.line)
        return a->place.row.line < b->place.row.line ? -1 : 1;
    if (a->place.row.is_stmt != b->place.row.is_stmt)
        return a->place.row.is_stmt ? -1 : 1;
    return a->place.row.addr < b->place.row.addr ? -1 : a->place.row.addr > b->place.row.addr;
}

static int by_place_addr(const void *va, const void *vb)
{
    const struct dwarf_place *a = va, *b = vb;
    return a->row.addr < b->row.addr ? -1 : a->row.addr > b->row.addr;
}

/* Of each path only the least line remains (they differ when `nearest`), each address once, and
 * what begins no statement only where nothing does. */
static size_t keep_nearest(struct candidate *c, size_t n, struct dwarf_place *ret)
{
    size_t kept = 0, first = 0; /* first: of this path */
    qsort(c, n, sizeof(*c), by_path_and_addr);
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(c[i].path, c[first].path) != 0)
            first = i;
        if (c[i].place.row.line == c[first].place.row.line &&
            c[i].place.row.is_stmt == c[first].place.row.is_stmt &&
            (i == first || c[i].place.row.addr != c[i - 1].place.row.addr))
            ret[kept++] = c[i].place;
    }
    qsort(ret, kept, sizeof(*ret), by_place_addr);
    return kept;
}

struct err *dwarf_find_line(struct dwarf *dw, const char *path, uint32_t line, bool nearest,
                            struct arena *a, struct dwarf_place **ret, size_t *ret_n)
{
    const struct dwarf_bytes *sec;
    TRY(dwarf_load(dw, DWARF_LINE, &sec));
    struct find_job job = {.dw = dw,
                           .path = path,
                           .base = last_component(path),
                           .line = line,
                           .nearest = nearest,
                           .units = mem_alloc(dw->nunits * sizeof(*job.units)),
                           .found = mem_alloc(pool_width() * sizeof(*job.found))};
    struct err *e = pool_run(units_with_tables(dw, job.units), find_in_table, &job);
    VEC(struct candidate) all = {0};
    for (unsigned w = 0; w < pool_width(); w++) {
        for (size_t i = 0; i < job.found[w].n; i++)
            vec_push(&all, job.found[w].v[i]);
        vec_free(&job.found[w]);
    }
    *ret = arena_array(a, struct dwarf_place, all.n);
    *ret_n = all.n ? keep_nearest(all.v, all.n, *ret) : 0;
    vec_free(&all);
    free(job.units);
    free(job.found);
    return e;
}
