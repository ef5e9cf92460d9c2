/* nodes.c - holders, and questions about single nodes: who keeps it, what it keeps; see heap.h. */
#include <inttypes.h>
#include <string.h>

#include "heap/heap_int.h"

/* ---- holders ---- */

/* Where a root belongs: a global, a goroutine, or the other roots of its kind. */
static uint32_t *place_of(struct heap_graph *g, uint32_t root, struct heap_holder *h)
{
    const struct snap_root *t = &g->s->root;
    uint8_t kind = t->kind[root];
    bool stack = kind == SNAP_ROOT_STACK || kind == SNAP_ROOT_REGISTER;
    if (kind == SNAP_ROOT_GLOBAL && t->global[root] != SNAP_NONE) {
        *h = (struct heap_holder){SNAP_ROOT_GLOBAL, t->global[root]};
        return &g->holder_global[h->row];
    }
    if (stack && t->goroutine[root] != SNAP_NONE) {
        *h = (struct heap_holder){SNAP_ROOT_STACK, t->goroutine[root]};
        return &g->holder_goroutine[h->row];
    }
    *h = (struct heap_holder){(enum snap_rootkind)kind, SNAP_NONE};
    return &g->holder_kind[kind];
}

static void number_holders(struct heap_graph *g)
{
    struct heap_holder h;
    for (uint32_t r = 0; r < g->s->root.n; r++) {
        uint32_t *number = place_of(g, r, &h);
        if (*number == SNAP_NONE) {
            g->holders[g->nholders] = h;
            *number = g->nholders++;
        }
        g->root_first[*number]++;
    }
}

/* Counting sort of the roots by holder; the starts are filled from behind. */
static void sort_roots(struct heap_graph *g)
{
    struct heap_holder h;
    for (uint32_t i = 1; i < g->nholders; i++)
        g->root_first[i] += g->root_first[i - 1];
    g->root_first[g->nholders] = (uint32_t)g->s->root.n;
    for (uint32_t r = (uint32_t)g->s->root.n; r-- > 0;)
        g->root_rows[--g->root_first[*place_of(g, r, &h)]] = r;
}

struct err *heap_find_holders(struct heap_graph *g)
{
    const struct snap *s = g->s;
    static const char what[] = "the roots of the heap";
    size_t most = min_u64(s->root.n, s->global.n + s->goroutine.n + SNAP_ROOT_COUNT);
    TRY(heap_array(s->global.n, sizeof(uint32_t), what, &g->holder_global));
    TRY(heap_array(s->goroutine.n, sizeof(uint32_t), what, &g->holder_goroutine));
    TRY(heap_array(most, sizeof(*g->holders), what, &g->holders));
    TRY(heap_array(most + 1, sizeof(uint32_t), what, &g->root_first));
    TRY(heap_array(s->root.n, sizeof(uint32_t), what, &g->root_rows));
    memset(g->holder_global, 0xff, s->global.n * sizeof(uint32_t));
    memset(g->holder_goroutine, 0xff, s->goroutine.n * sizeof(uint32_t));
    memset(g->holder_kind, 0xff, sizeof(g->holder_kind));
    number_holders(g);
    if ((uint64_t)g->nslots + g->nholders >= HEAP_ALL)
        return err_new(ERR_LIMIT, "the heap has more objects than we can number");
    sort_roots(g);
    return NULL;
}

uint32_t heap_holders(const struct heap_graph *g)
{
    return g->nholders;
}

bool heap_is_object(const struct heap_graph *g, uint32_t node)
{
    return node < g->nslots;
}

bool heap_is_holder(const struct heap_graph *g, uint32_t node)
{
    return node >= g->nslots && node - g->nslots < g->nholders;
}

struct heap_holder heap_holder(const struct heap_graph *g, uint32_t node)
{
    return g->holders[node - g->nslots];
}

uint32_t heap_holder_node(const struct heap_graph *g, enum snap_rootkind kind, uint32_t row)
{
    uint32_t number = row == SNAP_NONE           ? g->holder_kind[kind]
                      : kind == SNAP_ROOT_GLOBAL ? g->holder_global[row]
                                                 : g->holder_goroutine[row];
    return number == SNAP_NONE ? SNAP_NONE : g->nslots + number;
}

/* ---- dominance ---- */

/* The vertex of a node, or of the dominator of a leaf; SNAP_NONE: not live.  *leaf says which. */
static uint32_t vertex_of(const struct heap_graph *g, uint32_t node, bool *leaf)
{
    *leaf = node >= g->nscan && node < g->nslots;
    if (node == HEAP_ALL)
        return 0;
    uint32_t v = *leaf ? g->owner[node - g->nscan] : g->vertex[heap_index_of(g, node)];
    if (node < g->nslots && !bit_at(g->s->slots64.allocated, node))
        v = 0;
    return v - 1; /* 0 becomes SNAP_NONE */
}

bool heap_live(const struct heap_graph *g, uint32_t node)
{
    return node >= g->nslots || heap_slot_live(g, node);
}

uint64_t heap_retained(const struct heap_graph *g, uint32_t node)
{
    bool leaf;
    uint32_t v = g->mark_only ? SNAP_NONE : vertex_of(g, node, &leaf);
    if (v == SNAP_NONE)
        return 0;
    return leaf ? heap_size(g, node) : g->retained[v];
}

uint32_t heap_dominator(const struct heap_graph *g, uint32_t node)
{
    bool leaf;
    uint32_t v = g->mark_only ? SNAP_NONE : vertex_of(g, node, &leaf);
    if (v == SNAP_NONE || node == HEAP_ALL)
        return SNAP_NONE;
    return heap_node_of_vertex(g, leaf ? v : g->idom[v]);
}

bool heap_dominates(const struct heap_graph *g, uint32_t node, uint32_t other)
{
    bool leaf, other_leaf;
    if (g->mark_only)
        return false;
    uint32_t v = vertex_of(g, node, &leaf), o = vertex_of(g, other, &other_leaf);
    if (v == SNAP_NONE || o == SNAP_NONE)
        return false;
    return leaf ? node == other : heap_inside(g, v, o);
}

uint32_t heap_kept_by(const struct heap_graph *g, uint32_t node)
{
    bool leaf;
    uint32_t v = g->mark_only ? SNAP_NONE : vertex_of(g, node, &leaf);
    if (v == SNAP_NONE)
        return SNAP_NONE;
    if (node == HEAP_ALL)
        return HEAP_ALL;
    /* holders are children of vertex 0, numbered in order: the last one not behind v */
    while (v && g->idom[v])
        v = g->idom[v];
    return v && g->index[v] >= g->nscan ? heap_node_of_vertex(g, v) : HEAP_ALL;
}

uint32_t heap_map_of(const struct heap_graph *g, uint32_t v)
{
    uint32_t d = v;
    while (d && g->index[d] < g->nscan && heap_is_map_part(g, g->index[d]))
        d = g->idom[d];
    return d && g->index[d] < g->nscan && heap_form(g, g->index[d]) == SNAP_FORM_MAP ? d : v;
}

/* ---- the largest ---- */

static int smaller(const struct heap_child *a, const struct heap_child *b)
{
    return a->retained < b->retained || (a->retained == b->retained && a->node > b->node);
}

static void sift_down(struct heap_largest *l)
{
    struct heap_child *v = l->v;
    for (size_t i = 0, c; (c = 2 * i + 1) < l->n; i = c) {
        c += c + 1 < l->n && smaller(&v[c + 1], &v[c]);
        if (!smaller(&v[c], &v[i]))
            return;
        struct heap_child t = v[i];
        v[i] = v[c];
        v[c] = t;
    }
}

void heap_offer(struct heap_largest *l, uint32_t node, uint64_t retained)
{
    struct heap_child x = {node, retained};
    l->seen++;
    if (l->n < l->limit) {
        size_t i = l->n++;
        for (l->v[i] = x; i && smaller(&l->v[i], &l->v[(i - 1) / 2]); i = (i - 1) / 2) {
            struct heap_child t = l->v[i];
            l->v[i] = l->v[(i - 1) / 2];
            l->v[(i - 1) / 2] = t;
        }
    } else if (l->limit && smaller(&l->v[0], &x)) {
        l->v[0] = x;
        sift_down(l);
    }
}

static int by_size(const void *a, const void *b)
{
    return smaller(a, b) ? 1 : smaller(b, a) ? -1 : 0;
}

void heap_sort_largest(struct heap_largest *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), by_size);
}

/* Live leaves that are immediately dominated by v. */
static void offer_leaves_of(const struct heap_graph *g, uint32_t v, struct heap_largest *l)
{
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++)
        for (uint32_t k = 0; k < s->span.elems[r]; k++) {
            uint32_t slot = s->span.slot[r] + k;
            if (g->owner[slot - g->nscan] == v + 1 && bit_at(s->slots64.allocated, slot))
                heap_offer(l, slot, s->span.elem_size[r]);
        }
}

/* Whether a vertex is no object that could stand in the list: what is above all, or a holder. */
static bool is_outside(const struct heap_graph *g, uint32_t v, bool holders)
{
    return !v || (holders && g->index[v] >= g->nscan);
}

/* Live leaves, or (outermost) those that no object dominates; spans of objects that are too small
 * to be among the largest are passed over. */
static void offer_leaves(const struct heap_graph *g, const struct heap_top_options *o,
                         struct heap_largest *l)
{
    const struct snap *s = g->s;
    for (uint32_t r = g->scan_spans; r < s->span.n; r++) {
        if (l->n == l->limit && (!l->limit || s->span.elem_size[r] < l->v[0].retained))
            continue;
        for (uint32_t k = 0; k < s->span.elems[r]; k++) {
            uint32_t slot = s->span.slot[r] + k, owner = g->owner[slot - g->nscan];
            if (owner && (!o->outermost || is_outside(g, owner - 1, !o->holders)) &&
                bit_at(s->slots64.allocated, slot))
                heap_offer(l, slot, s->span.elem_size[r]);
        }
    }
}

struct err *heap_children(const struct heap_graph *g, uint32_t node, size_t limit,
                          struct heap_child *v, size_t *n, uint64_t *total)
{
    struct heap_largest l = {.v = v, .limit = limit};
    bool leaf;
    *n = 0;
    *total = 0;
    if (g->mark_only)
        return err_new(ERR_UNSUPPORTED, "retained sizes were not computed");
    uint32_t x = vertex_of(g, node, &leaf);
    if (x == SNAP_NONE || leaf)
        return NULL;
    for (uint32_t c = x + 1; c < g->end[x]; c = g->end[c])
        heap_offer(&l, heap_node_of_vertex(g, c), g->retained[c]);
    offer_leaves_of(g, x, &l);
    heap_sort_largest(&l);
    *n = l.n;
    *total = l.seen;
    return NULL;
}

static void offer_vertices(const struct heap_graph *g, const struct heap_top_options *o,
                           struct heap_largest *l)
{
    for (uint32_t v = 1; v < g->nvert;) {
        bool taken = g->index[v] < g->nscan || o->holders;
        if (taken)
            heap_offer(l, heap_node_of_vertex(g, v), g->retained[v]);
        v = taken && o->outermost ? g->end[v] : v + 1;
    }
    offer_leaves(g, o, l);
}

struct err *heap_top(const struct heap_graph *g, const struct heap_top_options *o,
                     struct heap_top *v, size_t *n)
{
    *n = 0;
    if (g->mark_only)
        return err_new(ERR_UNSUPPORTED, "retained sizes were not computed");
    struct heap_largest l = {.limit = o->limit};
    TRY(heap_array(o->limit, sizeof(*l.v), "the largest objects", &l.v));
    offer_vertices(g, o, &l);
    heap_sort_largest(&l);
    for (size_t i = 0; i < l.n; i++)
        v[i] = (struct heap_top){l.v[i].node, l.v[i].retained};
    *n = l.n;
    free(l.v);
    return NULL;
}

/* ---- in words ---- */

static const char *kind_words(enum snap_rootkind kind)
{
    static const char *const words[] = {
        [SNAP_ROOT_GLOBAL] = "unnamed global data",
        [SNAP_ROOT_STACK] = "stacks of no known goroutine",
        [SNAP_ROOT_REGISTER] = "registers of threads",
        [SNAP_ROOT_SPECIAL] = "finalizers and cleanups",
        [SNAP_ROOT_QUEUE] = "finalizers and cleanups about to run",
        [SNAP_ROOT_OTHER] = "the runtime's own memory",
    };
    return words[kind];
}

void heap_node_text(const struct heap_graph *g, uint32_t node, struct buf *b)
{
    const struct snap *s = g->s;
    if (node == HEAP_ALL) {
        buf_str(b, "the process");
    } else if (heap_is_object(g, node)) {
        const char *name = heap_shape_name(g, node);
        if (*name)
            buf_str(b, name);
        else
            buf_printf(b, "object of %" PRIu64 " bytes", heap_size(g, node));
    } else if (heap_is_holder(g, node)) {
        struct heap_holder h = heap_holder(g, node);
        if (h.row == SNAP_NONE)
            buf_str(b, kind_words(h.kind));
        else if (h.kind == SNAP_ROOT_GLOBAL)
            buf_printf(b, "global %s", snap_str(s, s->global.name[h.row]));
        else
            buf_printf(b, "goroutine %" PRIu64, s->goroutine.id[h.row]);
    }
}

/* The function of a stack variable's frame. */
static const char *function_of(const struct snap *s, uint32_t var)
{
    uint32_t pc = s->stackvar.pc[var];
    return pc != SNAP_NONE && s->pc.frames[pc] ? snap_str(s, s->frame.func[s->pc.frame[pc]]) : "";
}

/* Without the directories of the package's path: "server.(*client).readLoop". */
static const char *short_function(const char *func)
{
    const char *start = func;
    for (const char *c = func; *c && *c != '(' && *c != '['; c++)
        start = *c == '/' ? c + 1 : start;
    return start;
}

static void stack_text(const struct snap *s, uint32_t root, struct buf *b)
{
    uint32_t var = s->root.var[root];
    if (s->root.goroutine[root] != SNAP_NONE)
        buf_printf(b, "goroutine %" PRIu64, s->goroutine.id[s->root.goroutine[root]]);
    else
        buf_str(b, "a stack");
    if (s->root.kind[root] == SNAP_ROOT_REGISTER)
        buf_str(b, ", a register");
    if (var == SNAP_NONE)
        return;
    const char *func = short_function(function_of(s, var)),
               *name = snap_str(s, s->stackvar.name[var]);
    buf_printf(b, "%s%s%s%s", *func ? ", " : "", func, *name ? ", " : "", name);
}

void heap_root_text(const struct heap_graph *g, uint32_t root, struct buf *b)
{
    const struct snap *s = g->s;
    uint8_t kind = s->root.kind[root];
    uint32_t global = s->root.global[root];
    if (kind == SNAP_ROOT_STACK || kind == SNAP_ROOT_REGISTER) {
        stack_text(s, root, b);
        return;
    }
    if (global == SNAP_NONE && kind == SNAP_ROOT_GLOBAL) {
        buf_printf(b, "global data at 0x%" PRItaddr, (unsigned long long)s->root.addr[root]);
        return;
    }
    if (global == SNAP_NONE) {
        buf_str(b, kind_words((enum snap_rootkind)kind));
        return;
    }
    buf_str(b, snap_str(s, s->global.name[global]));
    uint64_t at = s->root.addr[root] - s->global.addr[global];
    heap_type_text(g, s->global.type[global], at, b);
}
