/* goroutines_text.c - goroutines for people; see goroutines.h, and ux.md for how it should feel.
 *
 * Grouped: a line that says how many, what they wait for and since when, and who made them; below
 * it the stack, frames of the runtime folded, cut to r->depth.  One by one: as Go writes
 * tracebacks. What a limit leaves out is counted, with the option that shows it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/goroutines.h"
#include "report/report_int.h"

enum {
    PARTS_MAX = 4,  /* wait reasons and states named in one line */
    FUNC_ROOM = 16, /* columns a function needs at least beside its place */
};

struct show {
    const struct report_goroutines *r;
    const struct snap *s;
    const struct report_style *style;
    struct flow out;
    struct frames frames; /* one by one; its codes serve all */
    size_t count_width, indent;
};

/* ---- pieces of the line of a group ---- */

static void add_part(struct buf *b, size_t *parts, size_t all, uint64_t n, const char *what)
{
    if (++*parts > PARTS_MAX)
        return;
    buf_str(b, *parts > 1 ? ", " : "");
    if (all > 1) {
        text_count(b, n);
        buf_char(b, ' ');
    }
    text_clean(b, what);
}

/* "chan send", or "11,900 chan send, 82 runnable": wait reasons and the states of those that do not
 * wait. */
static void doing_words(const struct show *sh, const struct snap_group *g, struct buf *b)
{
    size_t parts = 0, all = g->reasons.n;
    uint64_t with_reason = 0;
    for (size_t i = 0; i < g->reasons.n; i++)
        with_reason += g->reasons.v[i].count;
    for (unsigned st = 0; st < SNAP_G_COUNT; st++)
        all += g->by_state[st] && (st != SNAP_G_WAITING || g->by_state[st] > with_reason);
    for (size_t i = 0; i < g->reasons.n; i++)
        add_part(b, &parts, all, g->reasons.v[i].count,
                 snap_str(sh->s, (uint32_t)g->reasons.v[i].key));
    for (unsigned st = 0; st < SNAP_G_COUNT; st++) {
        uint64_t n = g->by_state[st];
        if (st == SNAP_G_WAITING)
            n = n > with_reason ? n - with_reason : 0; /* waiting, reason not known */
        if (n)
            add_part(b, &parts, all, n, snap_gstatus_name((enum snap_gstatus)st));
    }
    if (parts > PARTS_MAX)
        buf_printf(b, ", %zu more", parts - PARTS_MAX);
}

static void age_words(const struct snap_group *g, struct buf *b)
{
    if (g->wait_max < 0)
        return;
    buf_str(b, g->count > 1 ? "oldest " : "for ");
    text_ns(b, g->wait_max);
    struct buf oldest = {0}, median = {0};
    text_ns(&oldest, g->wait_max);
    text_ns(&median, g->wait_median);
    if (g->wait_known > 2 && strcmp(oldest.p, median.p) != 0)
        buf_printf(b, ", median %s", median.p);
    buf_free(&oldest);
    buf_free(&median);
}

static const char *object_word(const struct snap *s, const struct snap_group *g, bool many)
{
    uint32_t first, n = snap_waits_of(s, g->example, &first);
    switch (n ? s->wait.kind[first] : SNAP_W_UNKNOWN) {
    case SNAP_W_CHAN_RECV:
    case SNAP_W_CHAN_SEND:
    case SNAP_W_SELECT_RECV:
    case SNAP_W_SELECT_SEND:
        return many ? "channels" : "channel";
    case SNAP_W_SEMA:
        return many ? "locks" : "lock";
    case SNAP_W_COND:
        return many ? "conditions" : "condition";
    case SNAP_W_READ:
    case SNAP_W_WRITE:
        return many ? "files" : "file";
    case SNAP_W_CORO:
        return many ? "coroutines" : "coroutine";
    default:
        return many ? "objects" : "object";
    }
}

/* What they wait for: "all on channel 0xc000111000", "on 14 channels". */
static void object_words(const struct show *sh, const struct snap_group *g, struct buf *b)
{
    if (!g->objects.n)
        return;
    uint64_t addr = g->objects.v[0].key;
    if (g->objects.n > 1) {
        buf_str(b, "on ");
        text_count(b, g->objects.n);
        buf_printf(b, " %s", object_word(sh->s, g, true));
    } else {
        if (g->count > 1 && g->objects.v[0].count >= g->count)
            buf_str(b, "all ");
        else if (g->count > 1)
            buf_printf(b, "%u ", g->objects.v[0].count);
        buf_printf(b, "on %s 0x%" PRIx64, object_word(sh->s, g, false), addr);
    }
}

static void func_name(const struct show *sh, struct buf *b, uint32_t frame)
{
    struct buf name = {0};
    const char *func = snap_str(sh->s, sh->s->frame.func[frame]);
    if (sh->style->full_names)
        buf_str(&name, func);
    else
        snap_short_func(&name, func);
    text_clean(b, buf_text(&name));
    buf_free(&name);
}

static void place_name(const struct show *sh, struct buf *b, uint32_t frame)
{
    struct buf name = {0};
    if (sh->style->full_names)
        buf_printf(&name, "%s:%u", snap_str(sh->s, sh->s->frame.file[frame]),
                   sh->s->frame.line[frame]);
    else
        snap_short_place(&name, sh->s, &sh->frames.codes, frame);
    text_clean(b, buf_text(&name));
    buf_free(&name);
}

/* "created by orders/http.go:140 (*Server).handle and 2 more places" */
static void creator_words(const struct show *sh, const struct snap_group *g, struct buf *b)
{
    const struct snap *s = sh->s;
    uint32_t pc = g->creators.n ? (uint32_t)g->creators.v[0].key : SNAP_NONE;
    if (pc == SNAP_NONE || !s->pc.frames[pc])
        return;
    uint32_t frame = s->pc.frame[pc];
    struct buf bare = {0};
    buf_str(b, "created by ");
    place_name(sh, b, frame);
    buf_char(b, ' ');
    snap_bare_func(&bare, snap_str(s, s->frame.func[frame]));
    text_clean(b, buf_text(&bare));
    buf_free(&bare);
    if (g->creators.n > 1) {
        buf_str(b, " and ");
        count_of(b, g->creators.n - 1, "more place", "more places");
    }
}

/* The first ids of a group: "goroutines 10, 11, 12 …" */
static void id_words(const struct show *sh, const struct snap_group *g, struct buf *b)
{
    buf_str(b, g->count > 1 ? "goroutines " : "goroutine ");
    for (uint32_t i = 0; i < g->count && i < 3; i++)
        buf_printf(b, "%s%" PRIu64, i ? ", " : "", sh->s->goroutine.id[g->rows[i]]);
    if (g->count > 3)
        buf_str(b, " …");
}

/* ---- the stack of a group ---- */

/* A line of a stack: function and place, or a fold of the runtime. */
struct row {
    size_t func, place; /* offsets of texts */
    bool fold;
    uint32_t index; /* of the frame, as local.frame has it */
};

struct rows {
    struct buf text;
    VEC(struct row) v;
    size_t left_out; /* frames */
};

struct place {
    uint32_t frame, pc, index;
};

static bool is_runtime(const struct show *sh, const struct place *p)
{
    return p->frame != SNAP_NONE && sh->frames.codes.frame[p->frame] == SNAP_CODE_RUNTIME;
}

/* What every goroutine ends with says nothing. */
static bool is_plumbing(const struct show *sh, const struct place *p)
{
    if (!is_runtime(sh, p))
        return false;
    const char *func = snap_str(sh->s, sh->s->frame.func[p->frame]);
    return strcmp(func, "runtime.goexit") == 0 || strcmp(func, "runtime.main") == 0;
}

static void add_row(const struct show *sh, struct rows *rows, const struct place *p, size_t folded)
{
    struct row row = {.func = rows->text.n, .fold = folded > 0, .index = p->index};
    if (p->frame == SNAP_NONE)
        buf_printf(&rows->text, "0x%" PRIx64, sh->s->pc.addr[p->pc]);
    else
        func_name(sh, &rows->text, p->frame);
    if (folded > 1)
        buf_printf(&rows->text, " …%zu", folded - 1);
    buf_char(&rows->text, '\0');
    row.place = rows->text.n;
    if (p->frame == SNAP_NONE)
        buf_str(&rows->text, "unknown code");
    else if (!folded)
        place_name(sh, &rows->text, p->frame);
    buf_char(&rows->text, '\0');
    vec_push(&rows->v, row);
}

/* The lines of a stack.  A run of runtime frames becomes its innermost one and how many follow. */
static void stack_rows(const struct show *sh, uint32_t node, struct rows *rows)
{
    VEC(struct place) v = {0};
    struct snap_stack_iter it;
    bool fold = false;
    snap_stack_iter_init(&it, sh->s, node);
    while (snap_stack_next(&it))
        vec_push(&v, ((struct place){it.frame, it.pc, it.index}));
    while (!sh->r->runtime_frames && v.n > 1 && is_plumbing(sh, &v.v[v.n - 1]))
        v.n--;
    for (size_t i = 0; i < v.n && !sh->r->runtime_frames; i++)
        fold |= !is_runtime(sh, &v.v[i]);
    for (size_t i = 0, run; i < v.n; i += run ? run : 1) {
        if (sh->r->depth && rows->v.n >= sh->r->depth) {
            rows->left_out = v.n - i;
            break;
        }
        for (run = 0; fold && i + run < v.n && is_runtime(sh, &v.v[i + run]);)
            run++;
        add_row(sh, rows, &v.v[i], run);
    }
    vec_free(&v);
}

/* Columns for the functions, so that the places stand below each other; 0: there is no room for two
 * columns. */
static size_t func_columns(const struct show *sh, const struct rows *rows)
{
    size_t func = 0, place = 0;
    for (size_t i = 0; i < rows->v.n; i++) {
        const struct row *row = &rows->v.v[i];
        if (!rows->text.p[row->place])
            continue;
        size_t f = text_width(rows->text.p + row->func), p = text_width(rows->text.p + row->place);
        func = f > func ? f : func;
        place = p > place ? p : place;
    }
    size_t width = sh->style->width, room = sh->indent + 2 + place;
    if (!width || room + func <= width)
        return func;
    return room + FUNC_ROOM <= width ? width - room : 0;
}

static void put_row(struct show *sh, const struct rows *rows, const struct row *row, size_t columns)
{
    struct buf *b = &sh->out.b;
    const char *func = rows->text.p + row->func, *place = rows->text.p + row->place;
    struct buf cut = {0};
    buf_repeat(b, ' ', sh->indent);
    if (row->fold || !*place) {
        look_text(b, sh->style, LOOK_DIM, func);
    } else if (columns) {
        text_fit(&cut, func, columns, TEXT_CUT_MIDDLE);
        text_pad(b, buf_text(&cut), columns, false);
        buf_str(b, "  ");
        look_text(b, sh->style, LOOK_DIM, place);
    } else {
        buf_str(b, func);
        buf_char(b, '\n');
        buf_repeat(b, ' ', sh->indent + 2);
        look_text(b, sh->style, LOOK_DIM, place);
    }
    buf_char(b, '\n');
    buf_free(&cut);
}

/* A type with the last component of each import path: "*server.Server". */
static void short_type(struct buf *b, const char *type)
{
    size_t word = b->n; /* where the path being written began */
    for (; *type; type++) {
        if (*type == '/') {
            b->n = word;
            continue;
        }
        buf_char(b, *type);
        if (strchr(" *[](){},;", *type))
            word = b->n;
    }
}

static void put_type(struct show *sh, const char *type)
{
    struct buf words = {0};
    if (sh->style->full_names)
        buf_str(&words, type);
    else
        short_type(&words, type);
    text_clean(&sh->out.b, buf_text(&words));
    buf_free(&words);
}

static void put_local(struct show *sh, uint32_t row, size_t indent)
{
    const struct snap *s = sh->s;
    struct buf *b = &sh->out.b;
    uint8_t flags = s->local.flags[row];
    buf_repeat(b, ' ', indent);
    text_clean(b, snap_str(s, s->local.name[row]));
    buf_char(b, ' ');
    put_type(sh, snap_str(s, s->local.type[row]));
    buf_str(b, flags & SNAP_LF_UNREADABLE ? ": " : " = ");
    text_clean(b, snap_str(s, s->local.value[row]));
    if (flags & (SNAP_LF_ARG | SNAP_LF_RESULT))
        buf_str(b, flags & SNAP_LF_ARG ? "  (argument)" : "  (result)");
    buf_char(b, '\n');
}

static void put_locals(struct show *sh, uint32_t g, uint32_t index, size_t indent)
{
    uint32_t first, n = snap_locals_of(sh->s, g, &first);
    for (uint32_t i = first; i < first + n; i++)
        if (sh->s->local.frame[i] == index)
            put_local(sh, i, indent);
}

/* The goroutine of a group of equal stacks whose variables are shown; SNAP_NONE: none has any. */
static uint32_t with_locals(const struct show *sh, const struct snap_group *g)
{
    uint32_t first;
    for (uint32_t i = 0; sh->r->locals && sh->s->local.n && i < g->count; i++)
        if (snap_locals_of(sh->s, g->rows[i], &first))
            return g->rows[i];
    return SNAP_NONE;
}

static void put_stack(struct show *sh, const struct snap_group *group)
{
    uint32_t g = group->example, of = with_locals(sh, group);
    struct rows rows = {0};
    struct buf *b = &sh->out.b;
    stack_rows(sh, sh->s->goroutine.stack[g], &rows);
    size_t columns = func_columns(sh, &rows);
    if (of != SNAP_NONE && group->count > 1) {
        buf_repeat(b, ' ', sh->indent);
        buf_printf(b, "(variables of goroutine %" PRIu64 "; --full shows those of all)\n",
                   sh->s->goroutine.id[of]);
    }
    for (size_t i = 0; i < rows.v.n; i++) {
        put_row(sh, &rows, &rows.v.v[i], columns);
        if (of != SNAP_NONE && !rows.v.v[i].fold)
            put_locals(sh, of, rows.v.v[i].index, sh->indent + 4);
    }
    if (rows.left_out) {
        buf_repeat(b, ' ', sh->indent);
        buf_str(b, "… ");
        count_of(b, rows.left_out, "more frame", "more frames");
        buf_str(b, ": --depth 0 shows all\n");
    }
    if (sh->s->goroutine.flags[g] & SNAP_GF_STACK_PARTIAL) {
        buf_repeat(b, ' ', sh->indent);
        buf_str(b, "(outer frames could not be read)\n");
    }
    if (!rows.v.n && !(sh->s->goroutine.flags[g] & SNAP_GF_STACK_PARTIAL)) {
        buf_repeat(b, ' ', sh->indent);
        buf_str(b, "(no stack)\n");
    }
    vec_free(&rows.v);
    buf_free(&rows.text);
}

/* ---- groups ---- */

static void add_words(struct line *l, struct buf *words)
{
    line_add(l, buf_text(words), "   ");
    buf_clear(words);
}

/* What a group is, when it is not a stack: its name, with a word for "none". */
static void name_words(const struct show *sh, const struct snap_group *g, struct buf *b)
{
    static const char *const none[] = {"", "", "", "creator not known", "no function", "no labels"};
    struct buf name = {0};
    if (sh->r->groups->by == SNAP_BY_FUNC && *g->name) {
        snap_short_func(&name, g->name);
    } else if (sh->r->groups->by == SNAP_BY_CREATOR && *g->name) {
        creator_words(sh, g, b);
        return;
    } else {
        buf_str(&name, *g->name ? g->name : none[sh->r->groups->by]);
    }
    text_clean(b, buf_text(&name));
    buf_free(&name);
}

static void put_group(struct show *sh, const struct snap_group *g)
{
    enum snap_group_by by = sh->r->groups->by;
    struct buf *b = &sh->out.b, words = {0}, count = {0};
    struct line line;
    text_count(&count, g->count);
    buf_str(b, "  ");
    buf_str(b, look(sh->style, LOOK_BOLD));
    text_pad(b, buf_text(&count), sh->count_width, true);
    buf_str(b, look(sh->style, LOOK_PLAIN));
    buf_str(b, "  ");
    line_begin(&line, b, sh->style, sh->indent);
    if (by != SNAP_BY_STACK) {
        name_words(sh, g, &words);
        add_words(&line, &words);
    }
    if (by != SNAP_BY_WAIT && (by != SNAP_BY_STATE || g->reasons.n)) {
        doing_words(sh, g, &words);
        add_words(&line, &words);
    }
    age_words(g, &words);
    add_words(&line, &words);
    object_words(sh, g, &words);
    add_words(&line, &words);
    if (by == SNAP_BY_STACK || (by != SNAP_BY_CREATOR && g->creators.n == 1)) {
        creator_words(sh, g, &words);
        add_words(&line, &words);
    }
    if (by != SNAP_BY_STACK) {
        count_of(&words, g->stacks, "stack", "stacks");
        add_words(&line, &words);
        id_words(sh, g, &words);
        add_words(&line, &words);
    } else if (g->count == 1) {
        id_words(sh, g, &words);
        add_words(&line, &words);
    }
    buf_char(b, '\n');
    if (by == SNAP_BY_STACK)
        put_stack(sh, g);
    buf_free(&words);
    buf_free(&count);
    flow(&sh->out);
}

static const char *group_word(enum snap_group_by by, bool many)
{
    static const char *const words[][2] = {
        {"stack", "stacks"},     {"state", "states"},       {"wait reason", "wait reasons"},
        {"creator", "creators"}, {"function", "functions"}, {"set of labels", "sets of labels"}};
    return words[by][many];
}

static void put_groups(struct show *sh)
{
    const struct snap_groups *groups = sh->r->groups;
    size_t shown = sh->r->limit && sh->r->limit < groups->n ? (size_t)sh->r->limit : groups->n;
    struct buf *b = &sh->out.b, count = {0};
    uint64_t rest = 0;
    for (size_t i = 0; i < shown; i++) {
        buf_clear(&count);
        text_count(&count, groups->v[i].count);
        if (count.n > sh->count_width)
            sh->count_width = count.n;
    }
    buf_free(&count);
    sh->indent = 2 + sh->count_width + 2;
    for (size_t i = 0; i < shown && !sh->out.err; i++)
        put_group(sh, &groups->v[i]);
    for (size_t i = shown; i < groups->n; i++)
        rest += groups->v[i].count;
    if (shown == groups->n)
        return;
    buf_str(b, "  ");
    text_count(b, groups->n - shown);
    buf_printf(b, " more %s (", group_word(groups->by, groups->n - shown > 1));
    count_of(b, rest, "goroutine", "goroutines");
    buf_str(b, "): --limit 0 shows all\n");
}

/* ---- one by one ---- */

static void render_frame(struct frames *f, struct buf *b, uint32_t pc, uint32_t frame)
{
    const struct snap *s = f->s;
    struct buf func = {0}, place = {0};
    if (frame == SNAP_NONE) {
        buf_printf(&func, "unknown code");
    } else if (f->style->full_names) {
        buf_str(&func, snap_str(s, s->frame.func[frame]));
        buf_printf(&place, "%s:%u  ", snap_str(s, s->frame.file[frame]), s->frame.line[frame]);
    } else {
        snap_short_func(&func, snap_str(s, s->frame.func[frame]));
        snap_short_place(&place, s, &f->codes, frame);
        buf_str(&place, "  ");
    }
    buf_str(b, "    ");
    text_clean(b, buf_text(&func));
    buf_str(b, "\n        ");
    buf_str(b, look(f->style, LOOK_DIM));
    text_clean(b, buf_text(&place));
    buf_printf(b, "0x%" PRIx64, s->pc.addr[pc]);
    if (frame != SNAP_NONE && (s->frame.flags[frame] & SNAP_FF_INLINED))
        buf_str(b, "  inlined");
    buf_str(b, look(f->style, LOOK_PLAIN));
    buf_char(b, '\n');
    buf_free(&func);
    buf_free(&place);
}

static void put_labels(const struct show *sh, uint32_t g, struct line *line)
{
    const struct snap *s = sh->s;
    struct buf words = {0}, clean = {0};
    uint32_t first, n = snap_labels_of(s, s->goroutine.labels[g], &first);
    for (uint32_t i = first; i < first + n; i++)
        buf_printf(&words, "%s%s=%s", i > first ? ", " : "labels ", snap_str(s, s->label.key[i]),
                   snap_str(s, s->label.value[i]));
    text_clean(&clean, buf_text(&words));
    line_add(line, buf_text(&clean), "   ");
    buf_free(&words);
    buf_free(&clean);
}

static void put_flags(const struct snap *s, uint32_t g, struct line *line)
{
    static const struct {
        unsigned flag;
        const char *words;
    } flags[] = {{SNAP_GF_SYSTEM, "the runtime's own"},
                 {SNAP_GF_LOCKED, "locked to its thread"},
                 {SNAP_GF_SCAN, "stack being scanned"},
                 {SNAP_GF_CGO, "in C code"},
                 {SNAP_GF_ASYNC, "preempted asynchronously"},
                 {SNAP_GF_NOT_VALIDATED, "moved while it was read"},
                 {SNAP_GF_PARKING, "parking"},
                 {SNAP_GF_PANICKING, "panicking"},
                 {SNAP_GF_DURABLE, "durably blocked in a synctest bubble"}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (s->goroutine.flags[g] & flags[i].flag)
            line_add(line, flags[i].words, "   ");
}

static void put_waits(const struct snap *s, uint32_t g, struct line *line)
{
    uint32_t first, n = snap_waits_of(s, g, &first);
    for (uint32_t i = first; i < first + n; i++) {
        char words[64];
        if (s->wait.flags[i] & SNAP_WF_NIL_CASE)
            continue;
        snprintf(words, sizeof(words), "%s on 0x%" PRIx64,
                 snap_waitkind_name((enum snap_waitkind)s->wait.kind[i]), s->wait.addr[i]);
        line_add(line, words, "   ");
    }
}

static void put_head(struct show *sh, uint32_t g)
{
    const struct snap *s = sh->s;
    struct buf *b = &sh->out.b, words = {0};
    struct line line;
    int64_t wait = snap_wait_ns(s, g);
    char id[48];
    line_begin(&line, b, sh->style, 4);
    line.column = 0;
    snprintf(id, sizeof(id), "%sgoroutine %" PRIu64 "%s", look(sh->style, LOOK_BOLD),
             s->goroutine.id[g], look(sh->style, LOOK_PLAIN));
    line_add(&line, id, "");
    if (s->goroutine.wait_reason[g])
        text_clean(&words, snap_str(s, s->goroutine.wait_reason[g]));
    else
        buf_str(&words, snap_gstatus_name((enum snap_gstatus)s->goroutine.status[g]));
    add_words(&line, &words);
    if (wait >= 0) {
        buf_str(&words, "for at least ");
        text_ns(&words, wait);
        add_words(&line, &words);
    }
    if (s->goroutine.thread[g] != SNAP_NONE) {
        buf_printf(&words, "thread %u", s->thread.tid[s->goroutine.thread[g]]);
        add_words(&line, &words);
    }
    put_flags(s, g, &line);
    put_waits(s, g, &line);
    put_labels(sh, g, &line);
    buf_char(b, '\n');
    buf_free(&words);
}

static void put_creator(struct show *sh, uint32_t g)
{
    const struct snap *s = sh->s;
    uint32_t pc = s->goroutine.creator[g];
    struct buf *b = &sh->out.b;
    if (pc != SNAP_NONE && s->pc.frames[pc]) {
        buf_str(b, "    created by ");
        func_name(sh, b, s->pc.frame[pc]);
        if (s->goroutine.parent_id[g])
            buf_printf(b, " in goroutine %" PRIu64, s->goroutine.parent_id[g]);
        buf_str(b, "\n        ");
        buf_str(b, look(sh->style, LOOK_DIM));
        place_name(sh, b, s->pc.frame[pc]);
        buf_str(b, look(sh->style, LOOK_PLAIN));
        buf_char(b, '\n');
    }
}

/* A stack with variables cannot be copied together: frame by frame. */
static uint64_t put_frames_with_locals(struct show *sh, uint32_t g)
{
    struct snap_stack_iter it;
    uint64_t written = 0, left_out = 0;
    snap_stack_iter_init(&it, sh->s, sh->s->goroutine.stack[g]);
    while (snap_stack_next(&it)) {
        if (sh->r->depth && written >= sh->r->depth) {
            left_out++;
            continue;
        }
        written++;
        render_frame(&sh->frames, &sh->out.b, it.pc, it.frame);
        put_locals(sh, g, it.index, 12);
    }
    return left_out;
}

static void put_goroutine(struct show *sh, uint32_t g)
{
    const struct snap *s = sh->s;
    struct buf *b = &sh->out.b;
    uint32_t first, locals = sh->r->locals ? snap_locals_of(s, g, &first) : 0;
    put_head(sh, g);
    uint64_t left_out = locals
                            ? put_frames_with_locals(sh, g)
                            : frames_of_stack(&sh->frames, b, s->goroutine.stack[g], sh->r->depth);
    if (left_out) {
        buf_str(b, "    … ");
        count_of(b, left_out, "more frame", "more frames");
        buf_str(b, ": --depth 0 shows all\n");
    }
    if (s->goroutine.flags[g] & SNAP_GF_STACK_PARTIAL)
        buf_str(b, "    (outer frames could not be read)\n");
    put_creator(sh, g);
    buf_char(b, '\n');
    flow(&sh->out);
}

static void put_one_by_one(struct show *sh)
{
    const struct snap_rows *rows = sh->r->rows;
    size_t shown = sh->r->limit && sh->r->limit < rows->n ? (size_t)sh->r->limit : rows->n;
    buf_char(&sh->out.b, '\n');
    for (size_t i = 0; i < shown && !sh->out.err; i++)
        put_goroutine(sh, rows->v[i]);
    if (shown == rows->n)
        return;
    count_of(&sh->out.b, rows->n - shown, "more goroutine", "more goroutines");
    buf_str(&sh->out.b, ": --limit 0 shows all\n");
}

/* ---- the whole ---- */

static void put_verdict(struct show *sh)
{
    const struct report_goroutines *r = sh->r;
    struct buf left = {0}, right = {0};
    size_t all = sh->s->goroutine.n;
    buf_str(&left, look(sh->style, LOOK_BOLD));
    if (r->filtered) {
        text_count(&left, r->rows->n);
        buf_str(&left, " of ");
    }
    count_of(&left, r->filtered ? all : r->rows->n, "goroutine", "goroutines");
    buf_str(&left, r->filtered ? (r->rows->n == 1 ? " matches" : " match") : "");
    buf_str(&left, look(sh->style, LOOK_PLAIN));
    if (r->groups && r->rows->n) {
        buf_str(&left, ", ");
        count_of(&left, r->groups->stacks, "stack", "stacks");
    }
    if (r->groups && r->rows->n && r->groups->by != SNAP_BY_STACK) {
        buf_str(&left, ", ");
        text_count(&left, r->groups->n);
        buf_printf(&left, " %s", group_word(r->groups->by, r->groups->n != 1));
    }
    name_target(&right, sh->s);
    two_sides(&sh->out.b, sh->style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

static void put_end(struct show *sh)
{
    struct buf *b = &sh->out.b, words = {0};
    const char *what = sh->r->filtered ? "of the runtime itself that match are not shown"
                                       : "of the runtime itself are not shown";
    if (sh->r->rows->system) {
        count_of(&words, sh->r->rows->system, "goroutine", "goroutines");
        buf_printf(&words, " %s: --system shows them", what);
        text_wrap(b, buf_text(&words), sh->style->width ? sh->style->width : SIZE_MAX, 0, 2);
        buf_char(b, '\n');
        buf_clear(&words);
    }
    missing_text(b, sh->s, sh->style);
    cost_line(&words, sh->s, sh->r->wall_ns);
    text_wrap(b, buf_text(&words), sh->style->width ? sh->style->width : SIZE_MAX, 0, 2);
    buf_char(b, '\n');
    buf_free(&words);
}

struct err *report_goroutines_text(const struct report_goroutines *r,
                                   const struct report_style *style, struct report_sink out)
{
    struct show sh = {.r = r, .s = r->snap, .style = style, .count_width = 3};
    sh.out = (struct flow){.style = style, .sink = out};
    frames_init(&sh.frames, r->snap, style, render_frame);
    put_verdict(&sh);
    if (r->groups)
        put_groups(&sh);
    else
        put_one_by_one(&sh);
    put_end(&sh);
    frames_free(&sh.frames);
    return flow_end(&sh.out);
}
