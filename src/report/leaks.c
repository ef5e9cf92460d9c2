/* leaks.c - leaked goroutines for people: a paragraph for each cause, the verdict first. */
#include "report/leaks.h"

#include <inttypes.h>

#include "base/text.h"
#include "report/leaks_int.h"

enum { IDS_MAX = 6 };

struct show {
    const struct report_leaks *r;
    const struct snap *s;
    struct snap_codes codes;
    struct snap_tops tops;
    struct flow f;
    struct leak_facts facts;
};

/* ---- words ---- */

const char *leak_object_word(const struct snap *s, const struct wait_leak *l)
{
    switch (s->wait.kind[l->wait]) {
    case SNAP_W_CHAN_RECV:
    case SNAP_W_CHAN_SEND:
        return "channel";
    case SNAP_W_SELECT_RECV:
    case SNAP_W_SELECT_SEND:
        return l->nwaits > 1 ? "channels" : "channel";
    case SNAP_W_COND:
        return "condition variable";
    case SNAP_W_CORO:
        return "coroutine";
    default:
        return "lock";
    }
}

void leak_why_text(const struct snap *s, const struct wait_leak *l, struct buf *b)
{
    if (l->why == WAIT_WHY_NIL_CHAN)
        buf_str(b, "the channel is nil: nothing can ever come through it");
    else if (l->why == WAIT_WHY_NO_CASES)
        buf_str(b, "a select without cases never ends");
    else if (l->why == WAIT_WHY_ITSELF)
        buf_str(b, "it holds the lock itself");
    else if (l->why == WAIT_WHY_LEFT)
        buf_str(b, "no code ahead of any goroutine releases it");
    else if (l->why == WAIT_WHY_CROWD)
        buf_str(b, "many wait alike, each for its own, and half of them for 10 min or longer; "
                   "something may still wake them");
    else if (l->why == WAIT_WHY_HELD)
        buf_printf(b, "goroutine %" PRIu64 " would have to release it, and is stuck as well",
                   s->goroutine.id[l->holder]);
    else
        buf_printf(b, "nothing that may still run leads to the %s%s", leak_object_word(s, l),
                   l->why == WAIT_WHY_NEIGHBOUR
                       ? ", only to small values that share its 16 bytes of memory"
                       : "");
}

static void wrapped(struct show *sh, struct buf *text, size_t indent)
{
    flow_wrapped(&sh->f, text, indent);
    buf_clear(text);
}

static void frame_words(struct show *sh, uint32_t frame, struct buf *b)
{
    struct buf name = {0};
    if (sh->f.style->full_names) {
        buf_printf(&name, "%s:%u (%s)", snap_str(sh->s, sh->s->frame.file[frame]),
                   sh->s->frame.line[frame], snap_str(sh->s, sh->s->frame.func[frame]));
    } else {
        snap_short_place(&name, sh->s, &sh->codes, frame);
        buf_str(&name, " (");
        snap_short_func(&name, snap_str(sh->s, sh->s->frame.func[frame]));
        buf_char(&name, ')');
    }
    text_clean(b, buf_text(&name));
    buf_free(&name);
}

/* Where the program itself waits: the innermost frame of its own, else the innermost of all. */
static uint32_t place_of(const struct show *sh, uint32_t g)
{
    uint32_t node = sh->s->goroutine.stack[g];
    if (node == SNAP_NONE)
        return SNAP_NONE;
    return sh->tops.user[node] != SNAP_NONE ? sh->tops.user[node] : sh->tops.top[node];
}

/* ---- a cause ---- */

static void title(struct show *sh, const struct wait_leak_cause *c)
{
    static const char *const words[] = {
        "", "PROVED", "PROVED (missed by the runtime's own profile)", "INFERRED", "SUSPECTED"};
    const struct wait_leak *l = &sh->r->leaks->v[c->first];
    struct buf b = {0};
    buf_str(&b, look(sh->f.style, LOOK_BOLD));
    buf_str(&b, words[l->class]);
    buf_str(&b, "  ");
    count_of(&b, c->count, "goroutine", "goroutines");
    buf_str(&b, l->why == WAIT_WHY_CROWD ? " may never run again" : " can never run again");
    buf_str(&b, look(sh->f.style, LOOK_PLAIN));
    if (c->retained) {
        buf_str(&b, c->count > 1 ? ", keep " : ", keeps ");
        text_bytes(&b, c->retained);
    }
    wrapped(sh, &b, 0);
    buf_free(&b);
}

static void put_wait(struct show *sh, const struct wait_leak *l)
{
    struct buf b = {0};
    uint32_t frame = place_of(sh, l->goroutine);
    buf_str(&b, "blocked in ");
    text_clean(&b, snap_str(sh->s, sh->s->goroutine.wait_reason[l->goroutine]));
    if (frame != SNAP_NONE) {
        buf_str(&b, " at ");
        frame_words(sh, frame, &b);
    }
    buf_str(&b, ": ");
    leak_why_text(sh->s, l, &b);
    wrapped(sh, &b, 2);
    buf_free(&b);
}

static void put_fault(struct show *sh, const struct wait_leak *l)
{
    static const char *const mend[] = {
        [WAIT_FAULT_CHANNEL] =
            "nobody who may still run sends, receives or closes: give it room, close "
            "it, or select on ctx.Done() as well",
        [WAIT_FAULT_CONTEXT] = "nobody cancels the context: call its cancel function",
        [WAIT_FAULT_COND] = "nobody signals any more",
        [WAIT_FAULT_GROUP] = "nobody calls Done any more: defer it first thing",
        [WAIT_FAULT_LOCK] = "nobody is left who unlocks",
        [WAIT_FAULT_UNLOCK] = "the unlock is missing on some way out: defer it",
        [WAIT_FAULT_DOUBLE] = "a lock is taken twice: sync.Mutex cannot be taken again by who "
                              "holds it",
        [WAIT_FAULT_UPGRADE] = "RLock cannot become Lock: unlock first",
        [WAIT_FAULT_AB_BA] = "locks are taken in different orders: always take them in one order",
        [WAIT_FAULT_RWR] = "RLock was called again while a writer waits: do not nest it",
        [WAIT_FAULT_CORO] =
            "nobody calls next or stop of iter.Pull any more, or the iterator itself "
            "cannot go on: defer stop()",
        [WAIT_FAULT_MIXED] = "a channel is waited for while a lock is held: let go of it before"};
    struct buf b = {0};
    buf_printf(&b, "%s: %s", wait_fault_name((enum wait_fault)l->fault), mend[l->fault]);
    wrapped(sh, &b, 2);
    buf_free(&b);
}

static void put_origin(struct show *sh, const struct wait_leak_cause *c)
{
    const struct snap *s = sh->s;
    const struct wait_leak *l = &sh->r->leaks->v[c->first];
    uint32_t pc = s->goroutine.creator[l->goroutine];
    int64_t oldest = -1;
    struct buf b = {0};
    for (uint32_t i = 0; i < c->count; i++) {
        int64_t ns = snap_wait_ns(s, sh->r->leaks->v[c->first + i].goroutine);
        oldest = ns > oldest ? ns : oldest;
    }
    if (pc != SNAP_NONE && s->pc.frames[pc]) {
        buf_str(&b, "created at ");
        frame_words(sh, s->pc.frame[pc], &b);
    }
    if (oldest >= 0) {
        buf_str(&b, b.n ? ", " : "");
        buf_str(&b, c->count > 1 ? "oldest for at least " : "for at least ");
        text_ns(&b, oldest);
    }
    if (b.n)
        wrapped(sh, &b, 2);
    buf_str(&b, c->count > 1 ? "goroutines " : "goroutine ");
    for (uint32_t i = 0; i < c->count && i < IDS_MAX; i++)
        buf_printf(&b, "%s%" PRIu64, i ? ", " : "",
                   s->goroutine.id[sh->r->leaks->v[c->first + i].goroutine]);
    if (c->count > IDS_MAX)
        buf_str(&b, ", …");
    wrapped(sh, &b, 2);
    buf_free(&b);
}

static void put_waker(void *arg, struct buf *text, uint32_t place)
{
    struct show *sh = arg;
    if (place != SNAP_NONE) {
        buf_str(text, " at ");
        frame_words(sh, place, text);
    }
    wrapped(sh, text, 4);
}

/* Of the first of a cause: the thing, who could have woken it, how memory leads there. */
static struct err *put_facts(struct show *sh, const struct wait_leak_cause *c)
{
    const struct wait_leak *l = &sh->r->leaks->v[c->first];
    struct buf b = {0}, path = {0};
    if (c->count > 1)
        buf_printf(&b, "of goroutine %" PRIu64 ": ", sh->s->goroutine.id[l->goroutine]);
    size_t head = b.n;
    leak_objects_text(&sh->facts, l, &b);
    if (b.n > head)
        wrapped(sh, &b, 2);
    uint32_t more = leak_wakers(&sh->facts, l, put_waker, sh);
    buf_clear(&b);
    if (more) {
        count_of(&b, more, "more goroutine would", "more goroutines would");
        wrapped(sh, &b, 4);
    }
    struct err *e = leak_path_text(&sh->facts, l, &path);
    if (!e && path.n) {
        buf_str(&b, "memory leads there: ");
        text_clean(&b, buf_text(&path));
        wrapped(sh, &b, 4);
    }
    buf_free(&path);
    buf_free(&b);
    return e;
}

static struct err *put_cause(struct show *sh, const struct wait_leak_cause *c)
{
    title(sh, c);
    put_wait(sh, &sh->r->leaks->v[c->first]);
    struct err *e = put_facts(sh, c);
    put_origin(sh, c);
    put_fault(sh, &sh->r->leaks->v[c->first]);
    buf_char(&sh->f.b, '\n');
    flow(&sh->f);
    return e;
}

/* ---- the whole ---- */

static void headline(struct show *sh)
{
    const struct wait_leaks *l = sh->r->leaks;
    struct buf left = {0}, right = {0};
    buf_str(&left, look(sh->f.style, LOOK_BOLD));
    if (l->n) {
        count_of(&left, l->n, "goroutine", "goroutines");
        buf_str(&left, " leaked");
    } else {
        buf_str(&left, "no goroutine leaked");
    }
    buf_str(&left, look(sh->f.style, LOOK_PLAIN));
    if (l->n) {
        buf_str(&left, "; without them ");
        text_bytes(&left, l->retained + l->stack_bytes);
        buf_str(&left, " would be free");
    }
    name_target(&right, sh->s);
    two_sides(&sh->f.b, sh->f.style, buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

/* What the verdict does not cover. */
static void put_rest(struct show *sh)
{
    const struct wait_leaks *l = sh->r->leaks;
    struct buf b = {0};
    if (l->unread) {
        count_of(&b, l->unread, "place of pointers", "places of pointers");
        buf_str(&b, " could not be read, so nothing here is proved");
        wrapped(sh, &b, 0);
    }
    if (l->unjudged) {
        count_of(&b, l->unjudged, "goroutine", "goroutines");
        buf_str(&b, " wait for something that could not be found: taken to be woken some day");
        wrapped(sh, &b, 0);
    }
    if (l->waiting_main)
        buf_str(&sh->f.b, "main waits in select {}, on purpose as a rule: not counted\n");
    buf_free(&b);
}

static void put_end(struct show *sh)
{
    struct buf line = {0};
    put_rest(sh);
    missing_text(&sh->f.b, sh->s, sh->f.style);
    count_of(&line, sh->s->goroutine.n, "goroutine", "goroutines");
    buf_str(&line, " looked at, ");
    text_count(&line, sh->r->leaks->candidates);
    buf_str(&line, " of them wait for others; ");
    cost_line(&line, sh->s, sh->r->wall_ns);
    wrapped(sh, &line, 0);
    buf_free(&line);
}

struct err *report_leaks_text(const struct report_leaks *r, const struct report_style *style,
                              struct report_sink out)
{
    const struct wait_leaks *l = r->leaks;
    struct show sh = {.r = r, .s = heap_snap(r->graph), .f = {.style = style, .sink = out}};
    size_t shown = r->limit && r->limit < l->ncauses ? r->limit : l->ncauses;
    snap_codes_init(&sh.codes, sh.s);
    snap_tops_init(&sh.tops, sh.s, &sh.codes);
    struct err *e = leak_facts_open(r->graph, l, &sh.facts);
    headline(&sh);
    for (size_t i = 0; i < shown && !sh.f.err && !e; i++)
        e = put_cause(&sh, &l->cause[i]);
    leak_facts_close(&sh.facts);
    if (shown < l->ncauses) {
        count_of(&sh.f.b, l->ncauses - shown, "more cause", "more causes");
        buf_str(&sh.f.b, ": --limit 0 shows all\n");
    }
    put_end(&sh);
    snap_tops_free(&sh.tops);
    snap_codes_free(&sh.codes);
    struct err *written = flow_end(&sh.f);
    if (e)
        err_free(written);
    return e ? e : written;
}
