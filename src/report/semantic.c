/* semantic.c - gospect mem diff --semantic in text: the verdict, the sites that changed most, the
 * call tree as a heat map.
 *
 * The tree is folded: what is shown are the calls that changed by a hundredth of the whole or more
 * (most change first, up to the limit) and their callers.  How hot a call is, is said by a symbol
 * and by colour. */
#include "report/semantic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/semantic_int.h"

#define NOISE 0.01 /* of the whole: less is not worth a row */

/* ---- what is shown ---- */

struct change {
    uint32_t node;
    double delta, size;
};

static int by_change(const void *pa, const void *pb)
{
    const struct change *a = pa, *b = pb;
    double x = fabs(a->delta), y = fabs(b->delta);
    if (x != y)
        return x > y ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static double size_of(const struct heap_site_node *v)
{
    return fmax(v->a, v->b);
}

/* Shows a call and its callers, when there is room for all of them. */
static void show(struct semantic_view *x, uint32_t node)
{
    size_t more = 0, limit = x->r->limit;
    for (uint32_t i = node; i != SNAP_NONE && !x->shown[i]; i = x->v[i].parent)
        more++;
    if (limit && x->nshown + more > limit)
        return;
    for (uint32_t i = node; i != SNAP_NONE && !x->shown[i]; i = x->v[i].parent)
        x->shown[i] = true;
    x->nshown += more;
}

static void choose(struct semantic_view *x)
{
    struct change *c = mem_alloc((x->n + 1) * sizeof(*c));
    size_t n = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        const struct heap_site_node *v = &x->v[i];
        double delta = semantic_delta(v), what = v->depth ? fabs(delta) : size_of(v);
        if (!x->r->limit || what >= NOISE * x->whole)
            c[n++] = (struct change){i, delta, size_of(v)};
    }
    qsort(c, n, sizeof(*c), by_change);
    for (size_t i = 0; i < n; i++)
        show(x, c[i].node);
    free(c);
    for (size_t i = x->n; i-- > 0;)
        if (x->v[i].parent != SNAP_NONE)
            x->below[x->v[i].parent] += x->below[i] + !x->shown[i];
}

/* Growth first, most first; then what shrank, most first. */
static bool before(double a, double b)
{
    return (a > 0) != (b > 0) ? a > 0 : fabs(a) > fabs(b);
}

static void find_most(struct semantic_view *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        if (fabs(x->self[i]) < NOISE * x->whole || x->self[i] == 0)
            continue;
        size_t at = x->nmost;
        while (at > 0 && before(x->self[i], x->self[x->most[at - 1]]))
            at--;
        if (at == SEMANTIC_MOST)
            continue;
        x->nmost += x->nmost < SEMANTIC_MOST;
        for (size_t k = x->nmost - 1; k > at; k--)
            x->most[k] = x->most[k - 1];
        x->most[at] = i;
    }
}

void semantic_view_init(struct semantic_view *x, const struct report_semantic *r)
{
    const struct heap_semantic *t = r->tree;
    *x = (struct semantic_view){.r = r, .v = t->v, .n = t->n, .whole = fmax(fmax(t->a, t->b), 1)};
    x->self = mem_alloc((x->n + 1) * sizeof(*x->self));
    x->shown = mem_alloc((x->n + 1) * sizeof(*x->shown));
    x->below = mem_alloc((x->n + 1) * sizeof(*x->below));
    for (uint32_t i = 0; i < x->n; i++) {
        x->self[i] += semantic_delta(&x->v[i]);
        if (x->v[i].parent != SNAP_NONE)
            x->self[x->v[i].parent] -= semantic_delta(&x->v[i]);
    }
    choose(x);
    find_most(x);
}

void semantic_view_free(struct semantic_view *x)
{
    free(x->self);
    free(x->shown);
    free(x->below);
}

/* ---- words ---- */

void semantic_place(struct buf *b, const struct heap_site_node *v)
{
    struct buf name = {0};
    const char *slash = strrchr(v->file, '/'), *file = slash ? slash + 1 : v->file;
    snap_short_func(&name, v->func);
    text_clean(b, buf_text(&name));
    buf_free(&name);
    if (!*file)
        return;
    buf_char(b, ' ');
    text_clean(b, file);
    if (v->line)
        buf_printf(b, ":%u", v->line);
}

static uint64_t whole_bytes(double bytes)
{
    double v = fabs(bytes);
    return v < 9e18 ? (uint64_t)llround(v) : (uint64_t)9e18;
}

void semantic_signed(struct buf *b, double bytes)
{
    uint64_t n = whole_bytes(bytes);
    buf_str(b, !n ? "±" : bytes < 0 ? "−" : "+");
    text_bytes(b, n);
}

void semantic_alike(struct buf *b, double similarity)
{
    buf_printf(b, "%.2f", floor(similarity * 100 + 1e-9) / 100);
}

void semantic_verdict(struct buf *b, const struct heap_semantic *t)
{
    buf_str(b, t->differs ? "allocation sites differ: " : "allocation sites are ");
    semantic_alike(b, t->similarity);
    if (t->differs)
        buf_printf(b, " alike, below %g", t->threshold);
    else
        buf_str(b, " alike: nothing changed in kind");
}

/* ---- text ---- */

static const struct heat {
    double share; /* of the whole, at least */
    const char *grown, *shrunk;
    enum look look;
} heats[] = {{0.25, "+++", "−−−", LOOK_RED},
             {0.05, "++", "−−", LOOK_YELLOW},
             {NOISE, "+", "−", LOOK_YELLOW}};

static void heat_of(const struct semantic_view *x, double delta, const char **ret, enum look *look)
{
    *ret = "·";
    *look = LOOK_DIM;
    for (size_t i = 0; i < ARRAY_LEN(heats); i++) {
        if (fabs(delta) < heats[i].share * x->whole)
            continue;
        *ret = delta > 0 ? heats[i].grown : heats[i].shrunk;
        *look = delta > 0 ? heats[i].look : LOOK_GREEN;
        return;
    }
}

static void headline(const struct semantic_view *x, struct flow *f)
{
    struct buf left = {0}, right = {0};
    const struct heap_semantic *t = x->r->tree;
    buf_str(&left, look(f->style, LOOK_BOLD));
    semantic_verdict(&left, t);
    buf_str(&left, look(f->style, LOOK_PLAIN));
    name_target(&right, x->r->b);
    two_sides(&f->b, f->style, buf_text(&left), buf_text(&right));
    text_bytes(&f->b, whole_bytes(t->a));
    buf_str(&f->b, " → ");
    text_bytes(&f->b, whole_bytes(t->b));
    buf_str(&f->b, " in use (");
    semantic_signed(&f->b, t->b - t->a);
    buf_str(&f->b, ")\n");
    buf_free(&left);
    buf_free(&right);
}

static void fitted(struct flow *f, const char *text, size_t used)
{
    size_t width = f->style->width;
    if (!width)
        buf_str(&f->b, text);
    else
        text_fit(&f->b, text, width > used + 20 ? width - used : 20, TEXT_CUT_END);
}

/* "+32 MB  main.leaked main.go:40 ← main.serve main.go:12" */
static void most_text(const struct semantic_view *x, struct flow *f)
{
    enum { CALLERS = 2, SIZE = 10 };
    if (x->nmost)
        buf_str(&f->b, "changed most\n");
    for (size_t i = 0; i < x->nmost; i++) {
        struct buf size = {0}, where = {0};
        const struct heap_site_node *v = &x->v[x->most[i]];
        semantic_signed(&size, x->self[x->most[i]]);
        semantic_place(&where, v);
        for (size_t k = 0; k < CALLERS && v->parent != SNAP_NONE; k++) {
            v = &x->v[v->parent];
            buf_str(&where, " ← ");
            semantic_place(&where, v);
        }
        buf_str(&f->b, look(f->style, LOOK_BOLD));
        text_pad(&f->b, buf_text(&size), SIZE, true);
        buf_str(&f->b, look(f->style, LOOK_PLAIN));
        buf_str(&f->b, "  ");
        fitted(f, buf_text(&where), SIZE + 2);
        buf_char(&f->b, '\n');
        buf_free(&size);
        buf_free(&where);
    }
}

enum {
    HEAT = 3,
    AMOUNT = 8,
    ALIKE = 5,
    INDENT_MAX = 32,
    LEFT = HEAT + 3 * (AMOUNT + 2) + ALIKE + 6
};

static void amount(struct buf *b, double bytes, bool with_sign)
{
    struct buf text = {0};
    if (with_sign)
        semantic_signed(&text, bytes);
    else
        text_bytes(&text, whole_bytes(bytes));
    buf_str(b, "  ");
    text_pad(b, buf_text(&text), AMOUNT, true);
    buf_free(&text);
}

static void put_where(const struct semantic_view *x, struct flow *f, uint32_t node)
{
    struct buf where = {0};
    const struct heap_site_node *v = &x->v[node];
    size_t indent = v->depth < INDENT_MAX ? v->depth : INDENT_MAX;
    buf_repeat(&where, ' ', indent);
    semantic_place(&where, v);
    if (x->below[node])
        buf_printf(&where, "  (%u folded)", x->below[node]);
    fitted(f, buf_text(&where), LEFT);
    buf_free(&where);
}

static void row_text(const struct semantic_view *x, struct flow *f, uint32_t node)
{
    const struct heap_site_node *v = &x->v[node];
    const char *heat;
    enum look l;
    struct buf alike = {0};
    heat_of(x, semantic_delta(v), &heat, &l);
    semantic_alike(&alike, v->similarity);
    buf_str(&alike, v->suspect ? "!" : " ");
    buf_str(&f->b, look(f->style, l));
    text_pad(&f->b, heat, HEAT, true);
    amount(&f->b, v->a, false);
    amount(&f->b, v->b, false);
    amount(&f->b, semantic_delta(v), true);
    buf_str(&f->b, "  ");
    text_pad(&f->b, buf_text(&alike), ALIKE, true);
    buf_str(&f->b, "  ");
    put_where(x, f, node);
    buf_str(&f->b, look(f->style, LOOK_PLAIN));
    buf_char(&f->b, '\n');
    buf_free(&alike);
    flow(f);
}

static void tree_text(const struct semantic_view *x, struct flow *f)
{
    static const char *const heads[] = {"before", "after", "change"};
    if (!x->nshown)
        return;
    buf_str(&f->b, look(f->style, LOOK_DIM));
    buf_repeat(&f->b, ' ', HEAT);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        buf_str(&f->b, "  ");
        text_pad(&f->b, heads[i], AMOUNT, true);
    }
    buf_str(&f->b, "  alike   call\n");
    buf_str(&f->b, look(f->style, LOOK_PLAIN));
    for (uint32_t i = 0; i < x->n; i++)
        if (x->shown[i])
            row_text(x, f, i);
    if (x->nshown == x->n)
        return;
    buf_str(&f->b, "  ");
    count_of(&f->b, x->n - x->nshown, "call is", "calls are");
    buf_str(&f->b, " folded: --limit 0 shows all\n");
}

static void how_text(const struct semantic_view *x, struct flow *f)
{
    struct buf b = {0};
    const struct heap_semantic *t = x->r->tree;
    buf_printf(
        &b,
        "alike: sum of w·min(before, after) over sum of w·max(before, after) of a call and "
        "all below it (weighted Jaccard), w = max(%g, %.2f^depth); ! grew and is less alike "
        "than %g. +++ a quarter of the whole, ++ a twentieth, + a hundredth. Bytes in use as "
        "the allocation profile estimates them; the runtime's own calls are left out",
        t->min_depth_weight, t->decay, t->threshold);
    text_wrap(&f->b, buf_text(&b), f->style->width ? f->style->width : SIZE_MAX, 0, 2);
    buf_char(&f->b, '\n');
    buf_free(&b);
}

static void end_text(const struct semantic_view *x, struct flow *f)
{
    const struct report_semantic *r = x->r;
    missing_text(&f->b, r->b, f->style);
    count_of(&f->b, r->tree->n, "call", "calls");
    buf_str(&f->b, " compared");
    if (r->wall_ns > 0) {
        buf_str(&f->b, "; ");
        text_ns(&f->b, r->wall_ns);
        buf_str(&f->b, " in all");
    }
    buf_char(&f->b, '\n');
    if (r->before && r->after)
        buf_printf(&f->b, "→ gospect mem diff %s %s --semantic --svg FILE.svg\n", r->before,
                   r->after);
}

struct err *report_semantic_text(const struct report_semantic *r, const struct report_style *style,
                                 struct report_sink out)
{
    struct semantic_view x;
    struct flow f = {.style = style, .sink = out};
    semantic_view_init(&x, r);
    headline(&x, &f);
    most_text(&x, &f);
    tree_text(&x, &f);
    how_text(&x, &f);
    end_text(&x, &f);
    semantic_view_free(&x);
    return flow_end(&f);
}
