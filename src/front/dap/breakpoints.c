/* breakpoints.c - what editors say of breakpoints, against what the session has.
 *
 * A request carries all breakpoints of a source (or all of functions, ...) as the client wants them
 * now.  Those it had already, said in the same words, stay as they are, with their numbers and
 * counts; the others go; new ones are set.  Each client has its own; others see them come and go by
 * events. */
#include <stdlib.h>
#include <string.h>

#include "dbg/place.h"
#include "front/dap/dap_int.h"

#define SAID_SEPARATOR "\x1f"

/* One that a client wants. */
struct wanted {
    struct dbg_bp_spec spec;
    const char *said;
    int64_t line;
    int64_t goroutine; /* DATA: in whose frame its expression has a meaning */
    unsigned frame;
    const char *why_not; /* it can not be set at all */
};

static struct dbg_bp *bp_of(struct dap_server *s, unsigned id, struct arena *a)
{
    struct dbg_bp *list;
    size_t n = s->session.d ? dbg_bp_list(s->session.d, a, &list) : 0;
    for (size_t i = 0; i < n; i++)
        if (list[i].id == id)
            return &list[i];
    return NULL;
}

static const struct dap_breakpoint *client_bp(struct dap_server *s, unsigned id,
                                              struct dap_client **ret_client)
{
    for (size_t i = 0; id && i < s->clients.n; i++)
        for (size_t k = 0; k < s->clients.v[i]->breakpoints.n; k++)
            if (s->clients.v[i]->breakpoints.v[k].id == id) {
                if (ret_client)
                    *ret_client = s->clients.v[i];
                return &s->clients.v[i]->breakpoints.v[k];
            }
    return NULL;
}

const char *dap_breakpoint_reason(struct dap_server *s, unsigned id)
{
    static const char *const words[] = {
        [DAP_SET_FUNCTION] = "function breakpoint",
        [DAP_SET_INSTRUCTION] = "instruction breakpoint",
        [DAP_SET_DATA] = "data breakpoint",
    };
    const struct dap_breakpoint *b = client_bp(s, id, NULL);
    return b ? words[b->set] : NULL;
}

/* ---- as JSON ---- */

static void place_json(struct dap_client *c, const struct dbg_bp *bp, int64_t line, struct json *j)
{
    if (bp && bp->file && *bp->file) {
        dap_source_json(c, "source", bp->file, j);
        json_ki64(j, "line", dap_line_out(c, bp->line));
    } else if (line) {
        json_ki64(j, "line", line);
    }
    if (bp && bp->naddrs) {
        struct buf pc = {0};
        buf_printf(&pc, "0x%llx", (unsigned long long)bp->addrs[0]);
        json_kstr(j, "instructionReference", buf_text(&pc));
        buf_free(&pc);
    }
}

static void breakpoint_json(struct dap_client *c, const struct dap_breakpoint *b, struct json *j)
{
    struct arena a;
    arena_init(&a);
    const struct dbg_bp *bp = b->id ? bp_of(c->server, b->id, &a) : NULL;
    const char *message = b->why ? b->why : bp && *bp->trouble ? bp->trouble : bp ? bp->note : "";
    bool verified = bp && !bp->waits;
    json_begin(j, '{');
    if (b->id)
        json_ku64(j, "id", b->id);
    json_kbool(j, "verified", verified);
    if (message && *message)
        json_kstr(j, "message", message);
    if (!verified)
        json_kstr(j, "reason", bp && bp->waits ? "pending" : "failed");
    place_json(c, bp, b->line, j);
    json_end(j, '}');
    arena_free(&a);
}

void dap_breakpoint_place(struct dap_server *s, unsigned id, struct json *j)
{
    struct arena a;
    struct dap_client *c = NULL;
    arena_init(&a);
    const struct dbg_bp *bp = bp_of(s, id, &a);
    if (bp && client_bp(s, id, &c) && bp->file && *bp->file) {
        dap_source_json(c, "source", bp->file, j);
        json_ki64(j, "line", dap_line_out(c, bp->line));
    }
    arena_free(&a);
}

/* new, changed, removed: to everybody but the one who did it (he has his answer). */
static void tell(struct dap_server *s, const struct dap_breakpoint *b, const char *reason,
                 struct dap_client *except)
{
    for (size_t i = 0; i < s->clients.n; i++) {
        struct dap_client *c = s->clients.v[i];
        struct dap_body body;
        if (!c->in_session || c == except)
            continue;
        struct json *j = dap_body_begin(&body);
        json_kstr(j, "reason", reason);
        json_key(j, "breakpoint");
        breakpoint_json(c, b, j);
        dap_event_to(c, "breakpoint", &body);
    }
}

void dap_breakpoint_changed(struct dap_server *s, unsigned id)
{
    struct dap_breakpoint gone = {.id = id};
    struct arena a;
    const struct dap_breakpoint *b = client_bp(s, id, NULL);
    arena_init(&a);
    const struct dbg_bp *bp = bp_of(s, id, &a);
    if (bp || b)
        tell(s, b ? b : &gone, bp ? "changed" : "removed", NULL);
    arena_free(&a);
}

/* ---- setting ---- */

static void bp_free(struct dap_breakpoint *b)
{
    free(b->key);
    free(b->said);
    free(b->why);
}

static void remove_bp(struct dap_client *c, struct dap_breakpoint *b)
{
    struct dap_server *s = c->server;
    if (b->id && s->session.d) {
        err_free(dbg_bp_remove(s->session.d, b->id)); /* it may have gone by itself */
        tell(s, b, "removed", c);
    }
    bp_free(b);
}

struct adding {
    struct dbg *d;
    const struct wanted *w;
    unsigned id;
};

/* The expression of a data breakpoint is meant in a frame, which must be the selected one. */
static struct err *add(void *arg)
{
    struct adding *ad = arg;
    int64_t goroutine = dbg_goroutine(ad->d);
    unsigned frame = dbg_frame(ad->d);
    if (!ad->w->goroutine)
        return dbg_bp_add(ad->d, &ad->w->spec, &ad->id);
    TRY(dbg_select(ad->d, ad->w->goroutine, ad->w->frame));
    struct err *e = dbg_bp_add(ad->d, &ad->w->spec, &ad->id);
    err_free(dbg_select(ad->d, goroutine, frame));
    return e;
}

static char *error_words(const struct err *e)
{
    struct buf b = {0};
    buf_str(&b, err_message(e));
    if (err_hint_text(e))
        buf_printf(&b, ". %s", err_hint_text(e));
    return buf_take(&b);
}

static void add_bp(struct dap_client *c, enum dap_set set, const char *key, const struct wanted *w)
{
    struct dap_server *s = c->server;
    struct dap_breakpoint b = {
        .set = set, .key = mem_strdup(key), .said = mem_strdup(w->said), .line = w->line};
    struct adding ad = {.d = s->session.d, .w = w};
    struct err *e = NULL;
    int64_t pause;
    if (w->why_not)
        b.why = mem_strdup(w->why_not);
    else if (!s->session.d || s->session.kind == DAP_CORE)
        b.why = mem_strdup("there is no process that could meet it");
    else if (s->session.launch.noDebug)
        b.why = mem_strdup("the program runs without debugging");
    else if (c->breakpoints.n >= DAP_BREAKPOINTS_MAX)
        b.why = mem_strdup("too many breakpoints");
    else if (w->goroutine && s->call.waits) /* its frame is not where it was */
        e = dap_busy(s);
    else
        e = w->goroutine ? dap_while_standing(s, add, &ad, &pause) : add(&ad);
    if (e)
        b.why = error_words(e);
    err_free(e);
    b.id = ad.id;
    vec_push(&c->breakpoints, b);
    if (b.id)
        tell(s, vec_last(&c->breakpoints), "new", c);
}

struct changing {
    struct dbg *d;
    unsigned id;
    const struct dbg_bp_spec *spec;
};

static struct err *change(void *arg)
{
    const struct changing *ch = arg;
    return dbg_bp_change(ch->d, ch->id, ch->spec);
}

/* The same place with other conditions: it keeps its number and its counts, and who stands at it
 * does not meet it again.  False: it can not be. */
static bool change_bp(struct dap_client *c, struct dap_breakpoint *b, const struct wanted *w)
{
    struct dap_server *s = c->server;
    struct changing ch = {.d = s->session.d, .id = b->id, .spec = &w->spec};
    int64_t pause;
    if (w->why_not || (w->goroutine && s->call.waits))
        return false;
    struct err *e = w->goroutine ? dap_while_standing(s, change, &ch, &pause) : change(&ch);
    if (e) { /* adding it anew says why */
        err_free(e);
        return false;
    }
    free(b->said);
    b->said = mem_strdup(w->said);
    b->line = w->line;
    tell(s, b, "changed", c);
    return true;
}

/* Said in the same words; place_only: of the same place, whatever else was said. */
static size_t find_said(const struct dap_client *c, enum dap_set set, const char *key,
                        const char *said, const bool *taken, bool place_only)
{
    size_t place = strcspn(said, SAID_SEPARATOR) + 1;
    for (size_t i = 0; i < c->breakpoints.n; i++) {
        const struct dap_breakpoint *b = &c->breakpoints.v[i];
        if (!taken[i] && b->id && b->set == set && strcmp(b->key, key) == 0 &&
            (place_only ? strncmp(b->said, said, place) : strcmp(b->said, said)) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* Makes the client's breakpoints of a kind (of a source) be these, and says how each is. */
static void set_all(struct dap_client *c, enum dap_set set, const char *key, const struct wanted *w,
                    size_t n, struct json *j)
{
    size_t had = c->breakpoints.n, kept = 0;
    bool *taken = mem_alloc(had + 1);
    size_t *at = mem_alloc((n + 1) * sizeof(*at));
    struct dap_breakpoint *old = mem_alloc((had + 1) * sizeof(*old));
    for (size_t i = 0; i < n; i++) {
        at[i] = find_said(c, set, key, w[i].said, taken, false);
        if (at[i] != SIZE_MAX)
            taken[at[i]] = true;
    }
    for (size_t i = 0; i < n; i++) {
        size_t k = at[i] == SIZE_MAX ? find_said(c, set, key, w[i].said, taken, true) : SIZE_MAX;
        if (k == SIZE_MAX || !change_bp(c, &c->breakpoints.v[k], &w[i]))
            continue;
        at[i] = k;
        taken[k] = true;
    }
    if (had)
        memcpy(old, c->breakpoints.v, had * sizeof(*old));
    size_t *moved = mem_alloc((had + 1) * sizeof(*moved));
    for (size_t i = 0; i < had; i++) {
        bool of_these = old[i].set == set && strcmp(old[i].key, key) == 0;
        if (of_these && !taken[i]) {
            remove_bp(c, &old[i]);
            continue;
        }
        moved[i] = kept;
        c->breakpoints.v[kept++] = old[i];
    }
    c->breakpoints.n = kept;
    json_key(j, "breakpoints");
    json_begin(j, '[');
    for (size_t i = 0; i < n; i++) {
        size_t mine = at[i] == SIZE_MAX ? c->breakpoints.n : moved[at[i]];
        if (at[i] == SIZE_MAX)
            add_bp(c, set, key, &w[i]);
        breakpoint_json(c, &c->breakpoints.v[mine], j);
    }
    json_end(j, ']');
    free(moved);
    free(old);
    free(at);
    free(taken);
}

/* What was said, as one text. */
static const char *said(struct arena *a, const char *what, const char *condition, const char *hits,
                        const char *log)
{
    return arena_printf(a, "%s" SAID_SEPARATOR "%s" SAID_SEPARATOR "%s" SAID_SEPARATOR "%s", what,
                        condition, hits, log);
}

struct err *dap_do_setBreakpoints(struct dap_client *c, const struct dap_setBreakpoints *a,
                                  struct json *j)
{
    struct arena mem;
    arena_init(&mem);
    const char *path = dap_path_in(c, a->source, &mem);
    struct wanted *w = arena_array(&mem, struct wanted, a->nbreakpoints + 1);
    for (size_t i = 0; i < a->nbreakpoints; i++) {
        const struct dap_SourceBreakpoint *b = &a->breakpoints[i];
        const char *place = arena_printf(&mem, "%s:%lld", path, (long long)dap_line_in(c, b->line));
        w[i] = (struct wanted){
            .spec = {.kind = DBG_BP_PLACE,
                     .place = place,
                     .condition = b->condition,
                     .hits = b->hitCondition,
                     .log = b->logMessage,
                     .pending = true},
            .said = said(&mem, place, b->condition, b->hitCondition, b->logMessage),
            .line = b->line,
        };
    }
    set_all(c, DAP_SET_SOURCE, path, w, a->nbreakpoints, j);
    arena_free(&mem);
    return NULL;
}

struct err *dap_do_setFunctionBreakpoints(struct dap_client *c,
                                          const struct dap_setFunctionBreakpoints *a,
                                          struct json *j)
{
    struct arena mem;
    arena_init(&mem);
    struct wanted *w = arena_array(&mem, struct wanted, a->nbreakpoints + 1);
    for (size_t i = 0; i < a->nbreakpoints; i++) {
        const struct dap_FunctionBreakpoint *b = &a->breakpoints[i];
        w[i] = (struct wanted){
            .spec = {.kind = DBG_BP_PLACE,
                     .place = b->name,
                     .condition = b->condition,
                     .hits = b->hitCondition,
                     .pending = true},
            .said = said(&mem, b->name, b->condition, b->hitCondition, ""),
        };
    }
    set_all(c, DAP_SET_FUNCTION, "", w, a->nbreakpoints, j);
    arena_free(&mem);
    return NULL;
}

struct err *dap_do_setInstructionBreakpoints(struct dap_client *c,
                                             const struct dap_setInstructionBreakpoints *a,
                                             struct json *j)
{
    struct arena mem;
    arena_init(&mem);
    struct wanted *w = arena_array(&mem, struct wanted, a->nbreakpoints + 1);
    for (size_t i = 0; i < a->nbreakpoints; i++) {
        const struct dap_InstructionBreakpoint *b = &a->breakpoints[i];
        taddr at = 0;
        struct err *e = dap_address(b->instructionReference, b->offset, &at);
        const char *place = arena_printf(&mem, "*0x%llx", (unsigned long long)at);
        w[i] = (struct wanted){
            .spec = {.kind = DBG_BP_PLACE,
                     .place = place,
                     .condition = b->condition,
                     .hits = b->hitCondition},
            .said = said(&mem, place, b->condition, b->hitCondition, ""),
            .why_not = e ? arena_strdup(&mem, err_message(e)) : NULL,
        };
        err_free(e);
    }
    set_all(c, DAP_SET_INSTRUCTION, "", w, a->nbreakpoints, j);
    arena_free(&mem);
    return NULL;
}

/* ---- data ---- */

/* Its number is "goroutine/frame/expression". */
static bool data_id(const char *id, int64_t *goroutine, unsigned *frame, const char **expr)
{
    char *end;
    *goroutine = strtoll(id, &end, 10);
    if (end == id || *end != '/')
        return false;
    const char *from = end + 1;
    *frame = (unsigned)strtoul(from, &end, 10);
    if (end == from || *end != '/' || !end[1])
        return false;
    *expr = end + 1;
    return true;
}

struct err *dap_do_setDataBreakpoints(struct dap_client *c, const struct dap_setDataBreakpoints *a,
                                      struct json *j)
{
    struct arena mem;
    arena_init(&mem);
    struct wanted *w = arena_array(&mem, struct wanted, a->nbreakpoints + 1);
    for (size_t i = 0; i < a->nbreakpoints; i++) {
        const struct dap_DataBreakpoint *b = &a->breakpoints[i];
        const char *expr = "";
        bool ok = data_id(b->dataId, &w[i].goroutine, &w[i].frame, &expr);
        w[i].spec = (struct dbg_bp_spec){
            .kind = DBG_BP_WATCH,
            .place = expr,
            .condition = b->condition,
            .hits = b->hitCondition,
            .access = b->accessType == 1 ? DEBUG_WRITES : DEBUG_READS_AND_WRITES,
        };
        w[i].said = said(&mem, arena_printf(&mem, "%d %s", b->accessType, b->dataId), b->condition,
                         b->hitCondition, "");
        w[i].why_not = !ok ? "its dataId is not one that dataBreakpointInfo gave"
                       : b->accessType == 0
                           ? "the processor can not watch reads alone: write, or readWrite"
                           : NULL;
    }
    set_all(c, DAP_SET_DATA, "", w, a->nbreakpoints, j);
    arena_free(&mem);
    return NULL;
}

static void not_watchable(const char *why, struct json *j)
{
    json_key(j, "dataId");
    json_null(j);
    json_kstr(j, "description", why);
}

/* What can be watched: memory of 1, 2, 4 or 8 bytes, which is all that the processor does. */
static void watchable(struct dap_client *c, size_t frame, const char *expr,
                      const struct dbg_value *v, struct json *j)
{
    struct buf id = {0};
    const struct dap_frame *f = frame == SIZE_MAX ? NULL : &c->hand.frames.v[frame];
    if (!v->v.addr) {
        not_watchable("it is not in memory", j);
        return;
    }
    buf_printf(&id, "%lld/%u/%s", f ? (long long)c->hand.stacks.v[f->stack].thread : 0,
               f ? f->index : 0, expr);
    json_kstr(j, "dataId", buf_text(&id));
    json_kstr(j, "description", expr);
    json_key(j, "accessTypes");
    json_begin(j, '[');
    json_str(j, "write");
    json_str(j, "readWrite");
    json_end(j, ']');
    json_kbool(j, "canPersist", false);
    buf_free(&id);
}

static struct err *data_info(struct dap_client *c, const struct dap_dataBreakpointInfo *a,
                             struct arena *mem, struct json *j)
{
    struct dbg_value v;
    struct dap_handle h;
    size_t frame;
    const char *expr = a->name;
    taddr at;
    if (a->asAddress) {
        TRY(dap_address(a->name, 0, &at));
        expr = arena_printf(mem, "*(*uint%d)(0x%llx)", a->bytes ? (int)a->bytes * 8 : 64,
                            (unsigned long long)at);
    }
    if (a->variablesReference && !a->asAddress) {
        TRY(dap_handle_find(c, a->variablesReference, &h));
        if (h.scope == DAP_SCOPE_REGISTERS || h.scope == DAP_SCOPE_RESULTS) {
            not_watchable("it is not in memory", j);
            return NULL;
        }
        TRY(dap_child_named(c, &h, a->name, &v));
        if (!v.path || !*v.path)
            not_watchable("there is no expression for it", j);
        else
            watchable(c, h.frame, v.path, &v, j);
        return NULL;
    }
    TRY(dap_frame_or_top(c, a->frameId, &frame));
    struct err *e = dap_eval(c, frame, NULL, expr, mem, &v);
    if (e) {
        not_watchable(err_message(e), j);
        err_free(e);
        return NULL;
    }
    watchable(c, frame, expr, &v, j);
    return NULL;
}

struct err *dap_do_dataBreakpointInfo(struct dap_client *c, const struct dap_dataBreakpointInfo *a,
                                      struct json *j)
{
    struct arena mem;
    if (dap_state_of(c) == DAP_FILE || c->server->session.kind == DAP_CORE) {
        not_watchable("there is no process", j);
        return NULL;
    }
    arena_init(&mem);
    struct err *e = data_info(c, a, &mem, j);
    arena_free(&mem);
    return e;
}

/* ---- exceptions ---- */

static const struct {
    const char *filter;
    unsigned id;
    enum dbg_bp_kind kind;
    bool at_first;
} exceptions[DAP_EXCEPTIONS] = {
    {"panic", DBG_BP_ID_PANIC, DBG_BP_PANIC, true},
    {"fatal", DBG_BP_ID_FATAL, DBG_BP_FATAL, true},
    {"recovered", DBG_BP_ID_RECOVERED, DBG_BP_RECOVERED, false},
};

static bool wants_exception(const struct dap_client *c, size_t i)
{
    return c->in_session && (c->exceptions_said ? c->exceptions[i].on : exceptions[i].at_first);
}

/* Any of the conditions of those who want it.  Where one has none it always stops, and those of the
 * others are there to be checked; where they can not be put together, too. */
static const char *exception_condition(const struct dap_server *s, size_t i, struct arena *a)
{
    const char *all = "";
    bool always = false;
    for (size_t k = 0; k < s->clients.n; k++) {
        const struct dap_client *c = s->clients.v[k];
        const char *own = c->exceptions_said ? c->exceptions[i].condition : NULL;
        if (!wants_exception(c, i))
            continue;
        bool none = !own || !*own, lua = !none && strncmp(own, "lua:", 4) == 0;
        always = always || none;
        if (*all && !none && (lua || strncmp(all, "lua:", 4) == 0))
            return "";
        if (!none)
            all = *all  ? arena_printf(a, "%s || (%s)", all, own)
                  : lua ? own
                        : arena_printf(a, "(%s)", own);
    }
    if (always && strncmp(all, "lua:", 4) == 0)
        return "";
    return always && *all ? arena_printf(a, "true || %s", all) : all;
}

static struct err *set_exception(struct dap_server *s, size_t i)
{
    struct dbg_bp_spec spec = {.kind = exceptions[i].kind, .off = true};
    struct arena a;
    if (!s->session.d || s->session.kind == DAP_CORE || s->session.launch.noDebug)
        return NULL;
    arena_init(&a);
    for (size_t k = 0; k < s->clients.n; k++)
        spec.off = spec.off && !wants_exception(s->clients.v[k], i);
    spec.condition = exception_condition(s, i, &a);
    struct err *e = dbg_bp_change(s->session.d, exceptions[i].id, &spec);
    arena_free(&a);
    return e;
}

static void want_exception(struct dap_client *c, size_t i, bool on, const char *condition)
{
    free(c->exceptions[i].condition);
    c->exceptions[i].condition = condition ? mem_strdup(condition) : NULL;
    c->exceptions[i].on = on;
}

static void want_no_exceptions(struct dap_client *c)
{
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
        want_exception(c, i, false, NULL);
    c->exceptions_said = false;
}

static size_t exception_named(const char *filter)
{
    size_t i = 0;
    while (i < ARRAY_LEN(exceptions) && strcmp(exceptions[i].filter, filter) != 0)
        i++;
    return i;
}

static void exception_json(const struct dap_client *c, const char *filter, struct err *const *e,
                           struct json *j)
{
    size_t i = exception_named(filter);
    bool known = i < ARRAY_LEN(exceptions);
    json_begin(j, '{');
    json_kbool(j, "verified", known && !e[i] && c->server->session.d);
    if (!known)
        json_kstr(j, "message", "there is no such filter");
    else if (e[i])
        json_kstr(j, "message", err_message(e[i]));
    json_end(j, '}');
}

struct err *dap_do_setExceptionBreakpoints(struct dap_client *c,
                                           const struct dap_setExceptionBreakpoints *a,
                                           struct json *j)
{
    struct err *e[ARRAY_LEN(exceptions)];
    size_t i;
    want_no_exceptions(c);
    c->exceptions_said = true;
    for (size_t k = 0; k < a->nfilters; k++)
        if ((i = exception_named(a->filters[k])) < ARRAY_LEN(exceptions))
            want_exception(c, i, true, NULL);
    for (size_t k = 0; k < a->nfilterOptions; k++)
        if ((i = exception_named(a->filterOptions[k].filterId)) < ARRAY_LEN(exceptions))
            want_exception(c, i, true, a->filterOptions[k].condition);
    for (i = 0; i < ARRAY_LEN(exceptions); i++) {
        e[i] = set_exception(c->server, i);
        if (e[i]) { /* what the others want stays */
            want_exception(c, i, false, NULL);
            err_free(set_exception(c->server, i));
        }
    }
    json_key(j, "breakpoints");
    json_begin(j, '[');
    for (size_t k = 0; k < a->nfilters; k++)
        exception_json(c, a->filters[k], e, j);
    for (size_t k = 0; k < a->nfilterOptions; k++)
        exception_json(c, a->filterOptions[k].filterId, e, j);
    json_end(j, ']');
    for (i = 0; i < ARRAY_LEN(exceptions); i++)
        err_free(e[i]);
    return NULL;
}

/* ---- locations ---- */

static struct err *locations(struct dap_client *c, const struct dap_breakpointLocations *a,
                             struct arena *mem, struct json *j)
{
    struct dbg *d = c->server->session.d;
    struct place_from from = {.source_map = c->server->session.source_map};
    unsigned *lines, first = (unsigned)dap_line_in(c, a->line);
    unsigned last = a->endLine >= 0 ? (unsigned)dap_line_in(c, a->endLine) : first;
    size_t n;
    TRY(place_lines(dbg_code(d), dap_path_in(c, a->source, mem), first, last, &from, mem, &lines,
                    &n));
    for (size_t i = 0; i < n; i++) {
        json_begin(j, '{');
        json_ki64(j, "line", dap_line_out(c, lines[i]));
        json_end(j, '}');
    }
    return NULL;
}

struct err *dap_do_breakpointLocations(struct dap_client *c,
                                       const struct dap_breakpointLocations *a, struct json *j)
{
    struct arena mem;
    arena_init(&mem);
    json_key(j, "breakpoints");
    json_begin(j, '[');
    struct err *e =
        c->server->session.d && dap_state_of(c) & DAP_LIVE ? locations(c, a, &mem, j) : NULL;
    json_end(j, ']');
    arena_free(&mem);
    return e;
}

/* ---- the end ---- */

void dap_breakpoints_forget(struct dap_client *c)
{
    for (size_t i = 0; i < c->breakpoints.n; i++)
        bp_free(&c->breakpoints.v[i]);
    c->breakpoints.n = 0;
    want_no_exceptions(c);
}

void dap_breakpoints_drop(struct dap_client *c)
{
    for (size_t i = 0; i < c->breakpoints.n; i++)
        remove_bp(c, &c->breakpoints.v[i]);
    c->breakpoints.n = 0;
    want_no_exceptions(c);
    c->exceptions_said = true;
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
        err_free(set_exception(c->server, i)); /* the others' conditions are good */
    c->exceptions_said = false;
}
