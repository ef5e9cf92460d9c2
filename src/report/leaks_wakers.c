/* leaks_wakers.c - what a leaked goroutine waits for, who could have woken it and where he stands,
 * and how memory leads to the thing.
 *
 * Who would send, receive, close, unlock or call Done is told by the code ahead of goroutines
 * (table owner), those that leaked included: he is why the others wait.  Who has ended is in no
 * memory. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/leaks_int.h"
#include "snap/code.h"

enum { WAKERS_SHOWN = 3, OBJECTS_SHOWN = 4, PATHS_TRIED = 8 };

struct err *leak_facts_open(struct heap_graph *g, const struct wait_leaks *l,
                            struct leak_facts *ret)
{
    const struct snap *s = heap_snap(g);
    *ret = (struct leak_facts){.graph = g, .leaked = mem_alloc(s->goroutine.n + 1)};
    for (size_t i = 0; i < l->n; i++)
        ret->leaked[l->v[i].goroutine] = l->v[i].class != WAIT_LEAK_SUSPECTED;
    return wait_open(s, NULL, g, &ret->waits);
}

void leak_facts_close(struct leak_facts *f)
{
    wait_close(f->waits);
    free(f->leaked);
}

/* The objects of a leak, one after the other; SNAP_NONE: that case is on a nil channel. */
static uint32_t object_of(const struct leak_facts *f, uint32_t wait)
{
    const struct snap *s = f->waits->s;
    return s->wait.flags[wait] & SNAP_WF_NIL_CASE ? SNAP_NONE : s->wait.object[wait];
}

static void waker_text(const struct leak_facts *f, const struct wait_holder *h, struct buf *b)
{
    const struct snap *s = f->waits->s;
    const struct wait_info *i = &f->waits->info[h->goroutine];
    buf_printf(
        b, "goroutine %" PRIu64 " would %s (%s: %s)", s->goroutine.id[h->goroutine],
        snap_act_name((enum snap_act)h->act), wait_evidence_name((enum wait_evidence)h->evidence),
        h->how < SNAP_HOW_COUNT ? snap_how_name((enum snap_how)h->how) : "it was handed over");
    buf_str(b, f->leaked[h->goroutine] ? ", but has leaked, too" : "");
    if (i->kind != WAIT_NOT)
        buf_printf(b, "%s in %s", f->leaked[h->goroutine] ? "," : ", and waits itself",
                   wait_name((enum wait_kind)i->kind));
}

uint32_t leak_wakers(const struct leak_facts *f, const struct wait_leak *l,
                     void (*tell)(void *arg, struct buf *text, uint32_t place), void *arg)
{
    uint32_t told = 0, left_out = 0;
    struct buf b = {0};
    for (uint32_t w = l->wait; w < l->wait + l->nwaits; w++) {
        uint32_t object = object_of(f, w);
        size_t first, n = object == SNAP_NONE ? 0 : wait_holders_of(f->waits, object, &first);
        for (size_t k = 0; k < n; k++) {
            const struct wait_holder *h = &f->waits->holders[first + k];
            if (h->goroutine == l->goroutine)
                continue; /* it holds the lock itself, which is said elsewhere */
            if (told++ >= WAKERS_SHOWN) {
                left_out++;
                continue;
            }
            waker_text(f, h, &b);
            tell(arg, &b, f->waits->info[h->goroutine].place);
            buf_clear(&b);
        }
    }
    buf_free(&b);
    return left_out;
}

void leak_objects_text(const struct leak_facts *f, const struct wait_leak *l, struct buf *b)
{
    uint32_t n = 0;
    for (uint32_t w = l->wait; w < l->wait + l->nwaits; w++) {
        uint32_t object = object_of(f, w);
        struct buf state = {0};
        if (object == SNAP_NONE || n++ >= OBJECTS_SHOWN)
            continue;
        buf_str(b, n > 1 ? "; " : "it waits for ");
        wait_object_text(f->waits, object, b);
        wait_state_text(f->waits, object, &state);
        if (state.n)
            buf_printf(b, " (%s)", buf_text(&state));
        buf_free(&state);
    }
    if (n > OBJECTS_SHOWN)
        buf_printf(b, "; and %" PRIu32 " more", n - OBJECTS_SHOWN);
}

enum way { WAY_NONE, WAY_OF_STACK, WAY_OF_VARIABLE };

/* What a way that memory leads to the thing is worth.  None: from the stack of somebody who waits
 * for it, and by the runtime's lists of goroutines, as with everything that is waited for. */
static enum way worth_of(const struct leak_facts *f, const struct heap_path *p, uint32_t wait)
{
    const struct snap *s = f->waits->s;
    uint32_t first, g = s->root.goroutine[p->root], n = 0, global = s->root.global[p->root];
    if (g == SNAP_NONE) {
        bool runtimes =
            global != SNAP_NONE && snap_is_runtime_func(snap_str(s, s->global.name[global]));
        return global == SNAP_NONE || runtimes ? WAY_NONE : WAY_OF_VARIABLE;
    }
    n = snap_waits_of(s, g, &first);
    for (uint32_t i = 0; i < n; i++)
        if (s->wait.addr[first + i] == s->wait.addr[wait])
            return WAY_NONE;
    return WAY_OF_STACK;
}

static struct err *way_to(const struct leak_facts *f, uint32_t wait, struct buf *b)
{
    uint32_t slot = heap_find(f->graph, f->waits->s->wait.addr[wait], NULL);
    struct heap_path_options o = {.to = HEAP_TO_SLOT, .what = slot, .limit = PATHS_TRIED};
    struct heap_paths paths;
    if (slot == SNAP_NONE)
        return NULL;
    struct err *e = heap_find_paths(f->graph, &o, &paths);
    if (e &&
        err_code(e) == ERR_NOT_FOUND) { /* nothing leads there: a goroutine that is about to go */
        err_free(e);
        return NULL;
    }
    const struct heap_path *best = NULL;
    enum way worth = WAY_NONE;
    for (size_t i = 0; !e && i < paths.n; i++) {
        enum way this = worth_of(f, &paths.v[i], wait);
        best = this > worth ? &paths.v[i] : best;
        worth = this > worth ? this : worth;
    }
    if (best)
        heap_path_text(f->graph, best, b);
    if (!e)
        heap_paths_free(&paths);
    return e;
}

struct err *leak_path_text(const struct leak_facts *f, const struct wait_leak *l, struct buf *b)
{
    struct err *e = NULL;
    for (uint32_t w = l->wait; !e && !b->n && w < l->wait + l->nwaits; w++)
        if (object_of(f, w) != SNAP_NONE)
            e = way_to(f, w, b);
    return e;
}

static void wakers_json(struct json *j, const struct leak_facts *f, uint32_t object)
{
    const struct snap *s = f->waits->s;
    size_t first, n = object == SNAP_NONE ? 0 : wait_holders_of(f->waits, object, &first);
    json_key(j, "wakers");
    json_begin(j, '[');
    for (size_t k = 0; k < n; k++) {
        const struct wait_holder *h = &f->waits->holders[first + k];
        const struct wait_info *i = &f->waits->info[h->goroutine];
        json_begin(j, '{');
        json_ku64(j, "goroutine", s->goroutine.id[h->goroutine]);
        json_kstr(j, "act", snap_act_name((enum snap_act)h->act));
        json_kstr(j, "evidence", wait_evidence_name((enum wait_evidence)h->evidence));
        json_kbool(j, "leaked", f->leaked[h->goroutine]);
        json_kstr(j, "waits_in", i->kind == WAIT_NOT ? NULL : wait_name((enum wait_kind)i->kind));
        json_kstr(j, "func", i->place == SNAP_NONE ? NULL : snap_str(s, s->frame.func[i->place]));
        json_kstr(j, "file", i->place == SNAP_NONE ? NULL : snap_str(s, s->frame.file[i->place]));
        json_ku64(j, "line", i->place == SNAP_NONE ? 0 : s->frame.line[i->place]);
        json_end(j, '}');
    }
    json_end(j, ']');
}

void leak_objects_json(struct json *j, const struct leak_facts *f, const struct wait_leak *l)
{
    const struct snap *s = f->waits->s;
    json_key(j, "objects");
    json_begin(j, '[');
    for (uint32_t w = l->wait; w < l->wait + l->nwaits; w++) {
        uint32_t o = object_of(f, w);
        if (s->wait.flags[w] & SNAP_WF_NIL_CASE)
            continue;
        const char *type = o == SNAP_NONE ? "" : snap_str(s, s->object.type[o]);
        const char *name = o == SNAP_NONE ? "" : f->waits->names[o];
        json_begin(j, '{');
        json_kaddr(j, "addr", s->wait.addr[w]);
        json_kstr(j, "kind", snap_waitkind_name((enum snap_waitkind)s->wait.kind[w]));
        json_kstr(j, "type", *type ? type : NULL);
        json_kstr(j, "name", *name ? name : NULL);
        wakers_json(j, f, o);
        json_end(j, '}');
    }
    json_end(j, ']');
}
