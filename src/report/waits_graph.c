/* waits_graph.c - the wait graph for Graphviz, and drawn by us.
 *
 * Left: goroutines, those of one group that wait at one place together; right of them what they
 * wait for; right of that who could release it.  A graph of three columns needs no clever layout:
 * groups come in the order of the text, one below the other.  No scripts, fonts or links in the
 * picture; tooltips are titles. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/waits_int.h"

enum {
    LEFT = 10,
    MIDDLE = 470,
    RIGHT = 900,
    BOX = 36,
    GAP = 10,
    TOP = 50,
    WIDE = 380,
    WIDTH = 1210
};
enum { HOLDER_WIDE = 300, HOLDERS_MAX = 3, PLACES_MAX = 4 };

struct drawing {
    const struct report_waits *r;
    const struct wait_graph *w;
    const struct snap *s;
    struct snap_codes codes;
    struct flow f;
    int y;
};

/* ---- text of nodes ---- */

static void waiters_text(struct buf *b, const struct drawing *d, const struct waits_place *x)
{
    if (x->count > 1)
        text_count(b, x->count);
    else
        buf_printf(b, "goroutine %" PRIu64, d->s->goroutine.id[x->example]);
    buf_printf(b, "%s %s", x->count > 1 ? " ×" : ":", wait_name((enum wait_kind)x->kind));
}

/* ---- DOT ---- */

static void quoted(struct buf *b, const char *text)
{
    struct buf clean = {0};
    text_clean(&clean, text);
    buf_char(b, '"');
    for (const char *p = buf_text(&clean); *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_char(b, '\\');
        buf_char(b, *p);
    }
    buf_char(b, '"');
    buf_free(&clean);
}

/* label="first\nsecond" */
static void label(struct buf *b, const char *first, const char *second)
{
    struct buf x = {0};
    buf_str(b, "label=");
    quoted(&x, first);
    buf_cut(&x, x.n - 1);
    buf_str(b, buf_text(&x));
    if (*second) {
        buf_clear(&x);
        quoted(&x, second);
        buf_printf(b, "\\n%s", buf_text(&x) + 1);
    } else {
        buf_char(b, '"');
    }
    buf_free(&x);
}

static void dot_group(struct drawing *d, size_t i)
{
    const struct wait_group *g = &d->w->groups[i];
    struct buf *b = &d->f.b, what = {0}, state = {0};
    struct waits_places v;
    waits_group_text(&what, d->w, g);
    if (g->object != SNAP_NONE)
        wait_state_text(d->w, g->object, &state);
    buf_printf(b, "  o%zu [shape=ellipse ", i);
    label(b, buf_text(&what), buf_text(&state));
    buf_str(b, "];\n");
    waits_places_of(d->w, g, &v);
    for (size_t k = 0; k < v.v.n; k++) {
        struct buf who = {0}, where = {0};
        const struct waits_place *x = &v.v.v[k];
        waiters_text(&who, d, x);
        waits_place_text(&where, d->s, &d->codes, x->place);
        buf_printf(b, "  g%zu_%zu [shape=box ", i, k);
        label(b, buf_text(&who), buf_text(&where));
        buf_printf(b, "];\n  g%zu_%zu -> o%zu%s;\n", i, k, i,
                   x->trap != WAIT_TRAP_NONE ? " [style=dashed]" : "");
        buf_free(&who);
        buf_free(&where);
    }
    waits_places_free(&v);
    size_t first, n = g->object == SNAP_NONE ? 0 : wait_holders_of(d->w, g->object, &first);
    for (size_t k = 0; k < n; k++) {
        const struct wait_holder *h = &d->w->holders[first + k];
        uint64_t id = d->s->goroutine.id[h->goroutine];
        buf_printf(b, "  h%" PRIu64 " [shape=box label=\"goroutine %" PRIu64 "\"];\n", id, id);
        buf_printf(b, "  o%zu -> h%" PRIu64 " [label=\"%s (%s)\"];\n", i, id,
                   snap_act_name((enum snap_act)h->act),
                   wait_evidence_name((enum wait_evidence)h->evidence));
    }
    buf_free(&what);
    buf_free(&state);
    flow(&d->f);
}

static void begin(struct drawing *d, const struct report_waits *r, const struct report_style *style,
                  struct report_sink out)
{
    *d = (struct drawing){
        .r = r, .w = r->graph, .s = r->graph->s, .f = {.style = style, .sink = out}, .y = TOP};
    snap_codes_init(&d->codes, d->s);
}

struct err *report_waits_dot(const struct report_waits *r, struct report_sink out)
{
    struct report_style style = {0};
    struct drawing d;
    begin(&d, r, &style, out);
    buf_str(&d.f.b, "digraph waits {\n  rankdir=LR;\n  node [fontname=monospace fontsize=10];\n");
    for (size_t i = 0; i < waits_shown(r); i++)
        dot_group(&d, i);
    if (waits_shown(r) < d.w->ngroups)
        buf_printf(&d.f.b, "  // %zu more groups: --limit 0\n", d.w->ngroups - waits_shown(r));
    buf_str(&d.f.b, "}\n");
    snap_codes_free(&d.codes);
    return flow_end(&d.f);
}

/* ---- SVG ---- */

static void put_text(struct buf *b, int x, int y, const char *attributes, const char *text,
                     size_t letters)
{
    struct buf fit = {0};
    text_fit(&fit, text, letters, TEXT_CUT_MIDDLE);
    buf_printf(b, "<text x=\"%d\" y=\"%d\"%s>", x, y, attributes);
    svg_text(b, buf_text(&fit));
    buf_str(b, "</text>\n");
    buf_free(&fit);
}

static void box(struct buf *b, int x, int y, int wide, const char *fill, int round,
                const struct buf *first, const struct buf *second)
{
    size_t letters = (size_t)wide / 7;
    buf_str(b, "<g><title>");
    svg_text(b, buf_text(first));
    buf_char(b, ' ');
    svg_text(b, buf_text(second));
    buf_printf(b,
               "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" fill=\"%s\" "
               "stroke=\"#888\"/>\n",
               x, y, wide, BOX, round, fill);
    put_text(b, x + 8, y + 15, "", buf_text(first), letters);
    put_text(b, x + 8, y + 29, " fill=\"#555\"", buf_text(second), letters);
    buf_str(b, "</g>\n");
}

static void arrow(struct buf *b, int x1, int y1, int x2, int y2, bool dashed)
{
    int half = (x2 - x1) / 2;
    buf_printf(b,
               "<path d=\"M%d %d C%d %d %d %d %d %d\" fill=\"none\" stroke=\"#555\"%s "
               "marker-end=\"url(#a)\"/>\n",
               x1, y1, x1 + half, y1, x2 - half, y2, x2, y2,
               dashed ? " stroke-dasharray=\"4 3\"" : "");
}

/* Goroutines of a group, one box for each place; how far down they reach. */
static int put_waiters(struct drawing *d, const struct waits_places *v, int top, int middle)
{
    int y = top;
    for (size_t k = 0; k < v->v.n && k < PLACES_MAX; k++, y += BOX + GAP) {
        const struct waits_place *x = &v->v.v[k];
        struct buf who = {0}, where = {0};
        waiters_text(&who, d, x);
        if (k + 1 == PLACES_MAX && v->v.n > PLACES_MAX)
            buf_printf(&who, " (and %zu more places)", v->v.n - PLACES_MAX);
        waits_place_text(&where, d->s, &d->codes, x->place);
        box(&d->f.b, LEFT, y, WIDE, "#eef4fb", 3, &who, &where);
        arrow(&d->f.b, LEFT + WIDE, y + BOX / 2, MIDDLE, middle, x->trap != WAIT_TRAP_NONE);
        buf_free(&who);
        buf_free(&where);
    }
    return y;
}

static int put_holders(struct drawing *d, uint32_t object, int top, int middle)
{
    size_t first, n = object == SNAP_NONE ? 0 : wait_holders_of(d->w, object, &first);
    int y = top;
    for (size_t k = 0; k < n && k < HOLDERS_MAX; k++, y += BOX + GAP) {
        const struct wait_holder *h = &d->w->holders[first + k];
        struct buf who = {0}, how = {0};
        buf_printf(&who, "goroutine %" PRIu64, d->s->goroutine.id[h->goroutine]);
        buf_printf(&how, "%s: %s", wait_evidence_name((enum wait_evidence)h->evidence),
                   snap_act_name((enum snap_act)h->act));
        box(&d->f.b, RIGHT, y, HOLDER_WIDE, "#f4f4f4", 3, &who, &how);
        arrow(&d->f.b, MIDDLE + WIDE, middle, RIGHT, y + BOX / 2, h->evidence == WAIT_EV_WEAK);
        buf_free(&who);
        buf_free(&how);
    }
    return y;
}

static void svg_group(struct drawing *d, const struct wait_group *g)
{
    struct buf what = {0}, state = {0};
    struct waits_places v;
    waits_places_of(d->w, g, &v);
    waits_group_text(&what, d->w, g);
    if (g->object != SNAP_NONE)
        wait_state_text(d->w, g->object, &state);
    size_t rows = v.v.n < PLACES_MAX ? v.v.n : PLACES_MAX;
    int top = d->y, object_y = top + (int)(rows ? rows - 1 : 0) * (BOX + GAP) / 2;
    int middle = object_y + BOX / 2;
    box(&d->f.b, MIDDLE, object_y, WIDE, g->traps == g->n ? "#f4f8f0" : "#fff3e0", BOX / 2, &what,
        &state);
    int left = put_waiters(d, &v, top, middle);
    int right = put_holders(d, g->object, top, middle);
    d->y = left > right ? left : right;
    d->y += GAP;
    waits_places_free(&v);
    buf_free(&what);
    buf_free(&state);
}

struct err *report_waits_svg(const struct report_waits *r, struct report_sink out)
{
    struct report_style style = {0};
    struct drawing d;
    struct buf body = {0}, title = {0};
    begin(&d, r, &style, out);
    for (size_t i = 0; i < waits_shown(r); i++)
        svg_group(&d, &d.w->groups[i]);
    body = d.f.b; /* the head says how high it is */
    d.f.b = (struct buf){0};
    count_of(&title, d.w->blocked, "goroutine waits: ", "goroutines wait: ");
    name_target(&title, d.s);
    if (waits_shown(r) < d.w->ngroups)
        buf_printf(&title, "; %zu more groups are not drawn", d.w->ngroups - waits_shown(r));
    buf_printf(&d.f.b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
               "height=\"%d\" font-family=\"monospace\" font-size=\"11\">\n"
               "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" "
               "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/>"
               "</marker></defs>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
               WIDTH, d.y, WIDTH, d.y);
    put_text(&d.f.b, LEFT, 28, " font-size=\"15\" font-weight=\"bold\"", buf_text(&title), 130);
    buf_add(&d.f.b, body.p, body.n);
    buf_str(&d.f.b, "</svg>\n");
    buf_free(&body);
    buf_free(&title);
    snap_codes_free(&d.codes);
    return flow_end(&d.f);
}
