/* ahead_mem.c - memory of the target, with what the code ahead wrote on its way laid over it.
 *
 * Reads come from pages that are kept (by address modulo their number: a stack and the few objects
 * its code touches).  Writes go to words of ours, each with a note of what was there: to come back
 * to a branch is to undo the writes made since. */
#include "rt/ahead_int.h"

void ahead_mem_init(struct ahead_mem *m, const struct capture *c)
{
    m->t = c->t;
    m->maps = c->maps;
    m->nmaps = c->nmaps;
    m->pages = mem_alloc(AHEAD_PAGES * sizeof(*m->pages));
    m->words = mem_alloc(AHEAD_WORDS * sizeof(*m->words));
}

void ahead_mem_free(struct ahead_mem *m)
{
    free(m->pages);
    free(m->words);
    vec_free(&m->undo);
}

static bool is_fixed(const struct ahead_mem *m, taddr addr)
{
    size_t lo = 0, hi = m->nmaps;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->maps[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->nmaps && addr >= m->maps[lo].start && !m->maps[lo].writable;
}

/* How many bytes can be read: of a core, the last page of the program's code may end in the middle,
 * where the file ends that the core leaves it to. */
static size_t read_page(struct target *t, taddr base, uint8_t *ret)
{
    static const uint16_t steps[] = {AHEAD_PAGE, 64, 8};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        while (n < AHEAD_PAGE) {
            struct err *e = target_read(t, base + n, ret + n, steps[i]);
            bool ok = !e;
            err_free(e);
            if (!ok)
                break;
            n += steps[i];
        }
    return n;
}

static const struct ahead_page *page_of(struct ahead_mem *m, taddr addr)
{
    taddr base = addr & ~(taddr)(AHEAD_PAGE - 1);
    struct ahead_page *p = &m->pages[addr / AHEAD_PAGE % AHEAD_PAGES];
    if (p->used && p->addr == base)
        return p;
    p->used = true;
    p->addr = base;
    p->n = (uint16_t)read_page(m->t, base, p->bytes);
    p->fixed = p->n && is_fixed(m, base);
    return p;
}

size_t ahead_bytes(struct ahead_mem *m, taddr addr, size_t n, const uint8_t **ret)
{
    const struct ahead_page *p = page_of(m, addr);
    *ret = p->bytes + addr % AHEAD_PAGE;
    return p->n > addr % AHEAD_PAGE ? min_u64(n, p->n - addr % AHEAD_PAGE) : 0;
}

bool ahead_peek(struct ahead_mem *m, taddr addr, size_t n, uint64_t *ret)
{
    uint8_t bytes[8] = {0};
    const uint8_t *p;
    size_t have = ahead_bytes(m, addr, n, &p);
    memcpy(bytes, p, have);
    if (have && have < n) {
        size_t more = ahead_bytes(m, addr + have, n - have, &p);
        memcpy(bytes + have, p, more);
        have += more;
    }
    memcpy(ret, bytes, 8);
    return have == n;
}

/* ---- words ---- */

static size_t slot_of(const struct ahead_mem *m, taddr addr)
{
    size_t i = hash_u64(addr) & (AHEAD_WORDS - 1);
    while (m->words[i].addr && m->words[i].addr != addr)
        i = (i + 1) & (AHEAD_WORDS - 1);
    return i;
}

/* What is at an aligned address when nothing was written there. */
static struct ahead_val original(struct ahead_mem *m, taddr addr)
{
    uint64_t v;
    if (ahead_is_new(addr))
        return (struct ahead_val){0, 0xff, 0xff};
    const struct ahead_page *p = page_of(m, addr);
    if (addr % AHEAD_PAGE + 8 > p->n)
        return (struct ahead_val){0, 0, 0};
    memcpy(&v, p->bytes + addr % AHEAD_PAGE, 8);
    bool own = p->fixed || (addr >= m->lo && addr < m->hi);
    return (struct ahead_val){v, 0xff, own ? 0xff : 0};
}

static struct ahead_val word(struct ahead_mem *m, taddr addr)
{
    if (m->nwords) {
        const struct ahead_word *w = &m->words[slot_of(m, addr)];
        if (w->addr)
            return w->val;
    }
    return original(m, addr);
}

static struct ahead_val part(struct ahead_val v, size_t at, size_t n)
{
    uint64_t mask = n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX;
    uint8_t bytes = (uint8_t)((1u << n) - 1);
    return (struct ahead_val){v.v >> 8 * at & mask, (uint8_t)(v.known >> at & bytes),
                              (uint8_t)(v.own >> at & bytes)};
}

struct ahead_val ahead_load(struct ahead_mem *m, taddr addr, size_t n)
{
    size_t at = addr & 7, here = min_u64(n, 8 - at);
    struct ahead_val v = part(word(m, addr & ~(taddr)7), at, here);
    if (here < n) {
        struct ahead_val w = part(word(m, (addr & ~(taddr)7) + 8), 0, n - here);
        v.v |= w.v << 8 * here;
        v.known |= (uint8_t)(w.known << here);
        v.own |= (uint8_t)(w.own << here);
    }
    return v;
}

static bool put_word(struct ahead_mem *m, taddr addr, size_t at, size_t n, struct ahead_val v)
{
    uint8_t bytes = (uint8_t)(((1u << n) - 1) << at);
    uint64_t mask = (n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX) << 8 * at;
    if (m->nwords >= AHEAD_WORDS / 2)
        return false;
    size_t i = slot_of(m, addr);
    struct ahead_undo u = {(uint32_t)i, m->words[i]};
    vec_push(&m->undo, u);
    if (!m->words[i].addr) {
        m->words[i].val = original(m, addr);
        m->words[i].addr = addr;
        m->nwords++;
    }
    struct ahead_val *w = &m->words[i].val;
    w->v = (w->v & ~mask) | (v.v << 8 * at & mask);
    w->known = (uint8_t)((w->known & ~bytes) | (v.known << at & bytes));
    w->own = (uint8_t)((w->own & ~bytes) | (v.own << at & bytes));
    return true;
}

bool ahead_store(struct ahead_mem *m, taddr addr, size_t n, struct ahead_val v)
{
    size_t at = addr & 7, here = min_u64(n, 8 - at);
    taddr base = addr & ~(taddr)7;
    if (addr < AHEAD_PAGE) /* 0 marks a free word, and nothing lies there */
        return true;
    if (!put_word(m, base, at, here, v))
        return false;
    if (here == n || base + 8 < AHEAD_PAGE)
        return true;
    return put_word(m, base + 8, 0, n - here, part(v, here, n - here));
}

size_t ahead_mark(const struct ahead_mem *m)
{
    return m->undo.n;
}

/* In reverse order: a word that goes away was the last one put in, so no other is lost behind it.
 */
void ahead_rollback(struct ahead_mem *m, size_t mark)
{
    while (m->undo.n > mark) {
        const struct ahead_undo *u = &m->undo.v[--m->undo.n];
        if (!u->was.addr)
            m->nwords--;
        m->words[u->slot] = u->was;
    }
}
