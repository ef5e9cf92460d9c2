/* heap_names.c - what a place in a frame is called: the table stackvar.
 *
 * Go: cmd/compile/internal/ssa/debug.go (location lists), cmd/compile/internal/dwarfgen
 * (1.18-1.27): the frame base is the CFA, which is the frame's end, so a variable in the frame is
 * at a constant offset from it.
 *
 * A place that a variable is in at this pc has its name, with the path to the word.  Two variables
 * can share a place in a scope, when they are not alive at the same time; then nobody knows which
 * is meant, and the place has no name.  Everything is looked up once for each pc, however many
 * goroutines are there. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "image/dwarf_expr.h"
#include "image/dwarf_func.h"
#include "rt/heap_roots_int.h"

enum { VARS_MAX = 4096 };
#define FAKE_CFA (UINT64_C(1) << 44)

/* Part of a variable: [off, off + size) from the frame's end is [at, at + size) of it. */
struct var_piece {
    int64_t off;
    uint64_t size, at;
    const char *name;
    uint64_t type;
};

struct frame_vars { /* of a pc */
    uint32_t first, n;
};

struct heap_names {
    struct heap *h;
    struct dwarf *dw;  /* NULL: none */
    struct map pcs;    /* pc -> index of frames */
    struct map places; /* index of frames << 32 | off -> row of stackvar */
    VEC(struct frame_vars) frames;
    VEC(struct var_piece) pieces;
    VEC(struct heap_word) words; /* of each row of stackvar */
    struct arena arena;
};

struct heap_names *heap_names_new(struct heap *h)
{
    struct heap_names *nm = mem_alloc(sizeof(*nm));
    nm->h = h;
    arena_init(&nm->arena);
    taddr slide;
    nm->dw = rt_dwarf_at(h->c->rt, 0, &slide);
    if (!nm->dw)
        snap_note_missing(h->c->s, 1, "names of variables on stacks", "the program has no DWARF");
    return nm;
}

void heap_names_free(struct heap_names *nm)
{
    if (!nm)
        return;
    map_free(&nm->pcs);
    map_free(&nm->places);
    vec_free(&nm->frames);
    vec_free(&nm->pieces);
    vec_free(&nm->words);
    arena_free(&nm->arena);
    free(nm);
}

static struct err *fake_cfa(void *arg, taddr *ret)
{
    (void)arg;
    *ret = FAKE_CFA;
    return NULL;
}

static void add_pieces(struct heap_names *nm, const struct dwarf_var *v,
                       const struct dwarf_expr *base, taddr slide)
{
    struct dwarf_env env = {.slide = slide, .cfa = fake_cfa, .frame_base = base};
    struct dwarf_location loc;
    uint64_t size = heap_die_size(nm->dw, v->type);
    if (!size || !v->loc.n || v->undeclared)
        return;
    struct err *e = dwarf_eval(&v->loc, &env, &loc);
    uint64_t at = 0;
    for (size_t i = 0; !e && i < loc.n; i++) {
        const struct dwarf_piece *p = &loc.v[i];
        uint64_t n = p->bits ? p->bits / 8 : size;
        if (p->kind == DWARF_AT_MEMORY && p->u - (FAKE_CFA / 2) < FAKE_CFA && at < size) {
            struct var_piece x = {.off = (int64_t)(p->u - FAKE_CFA),
                                  .size = min_u64(n, size - at),
                                  .at = at,
                                  .name = v->name,
                                  .type = v->type};
            vec_push(&nm->pieces, x);
        }
        at += n;
    }
    err_free(e);
}

static void add_scope(struct heap_names *nm, taddr at)
{
    struct dwarf_scope scope;
    taddr slide;
    struct err *e = rt_scope_at(nm->h->c->rt, at, &nm->arena, &scope, &slide);
    for (size_t i = 0; !e && i < scope.nvars && i < VARS_MAX; i++)
        add_pieces(nm, &scope.vars[i], &scope.frame_base, slide);
    err_free(e);
}

/* At the call a variable may still be in a register, too, and DWARF has that one; where the call
 * returns to, only its place in the frame is left. */
static void learn_frame(struct heap_names *nm, taddr pc)
{
    struct rt *rt = nm->h->c->rt;
    struct frame_vars f = {.first = (uint32_t)nm->pieces.n};
    struct pcln_func fn;
    if (nm->dw && rt_func_at(rt, pc, &fn, NULL)) {
        if (pc != fn.entry)
            add_scope(nm, pc - 1);
        add_scope(nm, pc);
    }
    f.n = (uint32_t)(nm->pieces.n - f.first);
    vec_push(&nm->frames, f);
}

/* The only piece that an offset lies in; NULL: none, or several that differ. */
static const struct var_piece *piece_at(const struct heap_names *nm, const struct frame_vars *f,
                                        int32_t off)
{
    const struct var_piece *found = NULL;
    for (uint32_t i = f->first; i < f->first + f->n; i++) {
        const struct var_piece *p = &nm->pieces.v[i];
        if (off < p->off || (uint64_t)(off - p->off) >= p->size)
            continue;
        if (found && (found->type != p->type || strcmp(found->name, p->name) != 0))
            return NULL;
        found = p;
    }
    return found;
}

static void add_row(struct heap_names *nm, taddr pc, const struct frame_vars *f, int32_t off)
{
    struct snap *s = nm->h->c->s;
    uint32_t row = snap_add_stackvar(s);
    struct heap_word word = {.var = DWARF_NO_ID, .type = DWARF_NO_ID, .elem = DWARF_NO_ID};
    const struct var_piece *p = off < STACKMAP_OFF_CONTEXT ? piece_at(nm, f, off) : NULL;
    struct buf name = {0};
    s->stackvar.pc[row] = symbols_pc(nm->h->c->symbols, pc, false);
    if (off == STACKMAP_OFF_DEFER)
        buf_str(&name, "(defer)");
    else if (off == STACKMAP_OFF_CONTEXT)
        buf_str(&name, "(closure)");
    if (p) {
        buf_str(&name, p->name);
        heap_word_at(nm->dw, p->type, p->at + (uint64_t)(off - p->off), &name, &word);
        s->stackvar.type[row] = heap_type_of(nm->h, nm->dw, word.type);
    }
    s->stackvar.name[row] = intern_add(&s->strings, buf_text(&name));
    buf_free(&name);
    vec_push(&nm->words, word);
}

uint32_t heap_name_place(struct heap_names *nm, taddr pc, int32_t off)
{
    bool added;
    uint32_t i = map_get_or_put(&nm->pcs, pc, (uint32_t)nm->frames.n, &added);
    if (added)
        learn_frame(nm, pc);
    uint32_t row = map_get_or_put(&nm->places, (uint64_t)i << 32 | (uint32_t)off,
                                  (uint32_t)nm->words.n, &added);
    if (added)
        add_row(nm, pc, &nm->frames.v[i], off);
    return row;
}

struct dwarf *heap_names_dwarf(const struct heap_names *nm)
{
    return nm->dw;
}

const struct heap_word *heap_name_word(const struct heap_names *nm, uint32_t stackvar)
{
    return &nm->words.v[stackvar];
}
