/* semantic_svg.c - the heat map of a semantic diff as a picture: an icicle, callers above callees.
 *
 * A call is as wide as its bytes, of the side where it has more; red grew, blue shrank, the darker
 * the larger the part of it that changed; grey stayed.  No scripts, fonts or links: tooltips are
 * titles.  Calls too narrow to be seen are left out, and so is what lies deeper than ROWS; the last
 * line says how many. */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/semantic_int.h"

#define WIDTH 1200.0
#define NARROW 0.25 /* pixels */
enum { ROW = 19, TOP = 62, FOOT = 30, ROWS = 96, MARGIN = 10, LETTER = 7 };

struct picture {
    struct semantic_view x;
    struct flow f;
    double *wide, *at, *next; /* of each call: its width and left edge; where its next callee
                                 begins; pixels */
    uint32_t depth;           /* rows that are drawn */
    size_t left_out;
};

static bool drawn(const struct picture *p, uint32_t node)
{
    return p->wide[node] >= NARROW && p->x.v[node].depth < ROWS;
}

/* Widths from the leaves up: callees that changed places may together need more than their caller.
 * Then left edges from the roots down. */
static void lay_out(struct picture *p)
{
    const struct heap_site_node *v = p->x.v;
    double roots = 0, x = MARGIN;
    for (size_t i = p->x.n; i-- > 0;) { /* wide: so far, of its callees */
        p->wide[i] = fmax(p->wide[i], fmax(v[i].a, v[i].b));
        double *sum = v[i].parent == SNAP_NONE ? &roots : &p->wide[v[i].parent];
        *sum += p->wide[i];
    }
    double scale = roots > 0 ? (WIDTH - 2 * MARGIN) / roots : 0;
    for (uint32_t i = 0; i < p->x.n; i++) {
        double *left = v[i].parent == SNAP_NONE ? &x : &p->next[v[i].parent];
        p->wide[i] *= scale;
        p->at[i] = *left;
        p->next[i] = *left;
        *left += p->wide[i];
        if (drawn(p, i) && v[i].depth + 1 > p->depth)
            p->depth = v[i].depth + 1;
        p->left_out += !drawn(p, i);
    }
}

/* From grey to red or blue by the part that changed. */
static void color(struct buf *b, const struct heap_site_node *v)
{
    static const int grey[3] = {226, 226, 226}, red[3] = {214, 48, 39}, blue[3] = {44, 105, 196};
    double most = fmax(v->a, v->b), part = most > 0 ? semantic_delta(v) / most : 0;
    const int *end = part > 0 ? red : blue;
    part = sqrt(fabs(part)); /* small changes can be seen, too */
    int c[3];
    for (size_t i = 0; i < 3; i++)
        c[i] = (int)lround(grey[i] + (end[i] - grey[i]) * part);
    buf_printf(b, "#%02x%02x%02x", c[0], c[1], c[2]);
}

static void amounts(struct buf *b, const struct heap_site_node *v)
{
    text_bytes(b, (uint64_t)fmin(v->a, 9e18));
    buf_str(b, " → ");
    text_bytes(b, (uint64_t)fmin(v->b, 9e18));
    buf_str(b, " (");
    semantic_signed(b, semantic_delta(v));
    buf_char(b, ')');
}

static void tooltip(struct buf *b, const struct heap_site_node *v)
{
    struct buf text = {0};
    buf_printf(&text, "%s %s:%u", v->func, v->file, v->line);
    buf_str(b, "<title>");
    svg_text(b, buf_text(&text));
    buf_str(b, "\n");
    amounts(b, v);
    buf_str(b, ", alike ");
    semantic_alike(b, v->similarity);
    buf_str(b, v->suspect ? ", suspect</title>" : "</title>");
    buf_free(&text);
}

/* The change first: colours alone do not say it. */
static void label(struct buf *b, const struct heap_site_node *v, double x, double y, double wide)
{
    struct buf text = {0}, fit = {0};
    size_t letters = wide > 3 * LETTER ? (size_t)((wide - 6) / LETTER) : 0;
    if (letters < 3)
        return;
    semantic_signed(&text, semantic_delta(v));
    buf_str(&text, v->suspect ? " ! " : " ");
    semantic_place(&text, v);
    text_fit(&fit, buf_text(&text), letters, TEXT_CUT_END);
    double most = fmax(v->a, v->b);
    bool dark = most > 0 && fabs(semantic_delta(v)) / most > 0.35;
    buf_printf(b, "<text x=\"%.1f\" y=\"%.0f\"%s>", x + 3, y + ROW - 6,
               dark ? " fill=\"#fff\"" : "");
    svg_text(b, buf_text(&fit));
    buf_str(b, "</text>");
    buf_free(&text);
    buf_free(&fit);
}

static void put_call(struct picture *p, uint32_t node)
{
    const struct heap_site_node *v = &p->x.v[node];
    struct buf *b = &p->f.b;
    double y = TOP + (double)v->depth * ROW;
    buf_str(b, "<g>");
    tooltip(b, v);
    buf_printf(b, "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" fill=\"", p->at[node],
               y, fmax(p->wide[node] - 0.5, NARROW), ROW - 1);
    color(b, v);
    buf_str(b, "\"/>");
    label(b, v, p->at[node], y, p->wide[node]);
    buf_str(b, "</g>\n");
    flow(&p->f);
}

static void line_at(struct buf *b, double y, const char *attributes, const struct buf *text)
{
    buf_printf(b, "<text x=\"%d\" y=\"%.0f\"%s>", MARGIN, y, attributes);
    svg_text(b, buf_text(text));
    buf_str(b, "</text>\n");
}

static void head(struct picture *p, double height)
{
    struct buf *b = &p->f.b, text = {0};
    const struct heap_semantic *t = p->x.r->tree;
    buf_printf(b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
               "height=\"%.0f\" font-family=\"monospace\" font-size=\"11\">\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
               WIDTH, height, WIDTH, height);
    semantic_verdict(&text, t);
    line_at(b, 22, " font-size=\"15\" font-weight=\"bold\"", &text);
    buf_clear(&text);
    name_target(&text, p->x.r->a);
    buf_str(&text, " → ");
    name_target(&text, p->x.r->b);
    buf_str(&text, ": ");
    amounts(&text, &(struct heap_site_node){.a = t->a, .b = t->b});
    buf_str(&text, " in use");
    line_at(b, 38, "", &text);
    buf_clear(&text);
    buf_str(&text, "callers above callees, as wide as their bytes; red + grew, blue − shrank, the "
                   "darker the larger the part of it; ! less alike than ");
    buf_printf(&text, "%g", t->threshold);
    line_at(b, 53, " fill=\"#555\"", &text);
    buf_free(&text);
}

static void foot(struct picture *p, double height)
{
    struct buf text = {0};
    count_of(&text, p->x.n - p->left_out, "call", "calls");
    if (p->left_out) {
        buf_str(&text, "; ");
        text_count(&text, p->left_out);
        buf_str(&text, " more are too narrow or too deep to be drawn");
    }
    line_at(&p->f.b, height - 12, " fill=\"#555\"", &text);
    buf_str(&p->f.b, "</svg>\n");
    buf_free(&text);
}

struct err *report_semantic_svg(const struct report_semantic *r, struct report_sink out)
{
    struct report_style style = {0};
    struct picture p = {.f = {.style = &style, .sink = out}};
    semantic_view_init(&p.x, r);
    p.wide = mem_alloc((p.x.n + 1) * sizeof(*p.wide));
    p.at = mem_alloc((p.x.n + 1) * sizeof(*p.at));
    p.next = mem_alloc((p.x.n + 1) * sizeof(*p.next));
    lay_out(&p);
    double height = TOP + (double)p.depth * ROW + FOOT;
    head(&p, height);
    for (uint32_t i = 0; i < p.x.n; i++)
        if (drawn(&p, i))
            put_call(&p, i);
    foot(&p, height);
    free(p.wide);
    free(p.at);
    free(p.next);
    semantic_view_free(&p.x);
    return flow_end(&p.f);
}
