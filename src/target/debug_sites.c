/* debug_sites.c - breakpoints, and how a thread gets past one without anybody missing it.
 *
 * A breakpoint stays in memory while threads pass it: taking it out for a step would let others
 * through.  Instead the thread runs a copy of the instruction in a slot of the area that we have
 * in the process (debug_area.c), from which a jump leads back, or the instruction is emulated: both
 * cost nothing beyond the stop itself.  Only when neither can be done (no area, operands out of
 * reach, rare instructions) does everybody stand while one thread makes its step in place.
 *
 * Slots are numbered, 32 bytes each; a place (address) keeps its slot for ever.  A thread is in one
 * of three states there, and never in any other: before the copy, behind it (at the jump), or
 * elsewhere; debug_unslot() translates.
 *
 * The order of writing makes each instant a good one to be killed in: the byte that belongs there
 * is noted where the guardian and the handler find it before the breakpoint is written, and nothing
 * of it is forgotten afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/debug_int.h"
#include "target/proc_int.h"

bool debug_poke(struct debug *d, taddr addr, const void *src, size_t n)
{
    return pwrite(d->mem_fd, src, n, (off_t)addr) == (ssize_t)n;
}

/* ---- places ---- */

static size_t place_index(const struct debug *d, taddr addr)
{
    size_t lo = 0, hi = d->places.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->places.v[mid]->addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct place *debug_place(const struct debug *d, taddr addr)
{
    size_t i = place_index(d, addr);
    return i < d->places.n && d->places.v[i]->addr == addr ? d->places.v[i] : NULL;
}

taddr debug_slot(const struct debug *d, const struct place *p)
{
    return d->area ? d->area + DEBUG_AREA_SLOTS + (taddr)p->number * ARCH_SLOT : 0;
}

bool debug_unslot(const struct debug *d, taddr pc, struct place **ret, taddr *ret_pc)
{
    taddr base = d->area + DEBUG_AREA_SLOTS;
    if (!d->area || pc < base || pc - base >= d->numbers.n * ARCH_SLOT)
        return false;
    struct place *p = d->numbers.v[(pc - base) / ARCH_SLOT];
    taddr in_slot = (pc - base) % ARCH_SLOT;
    *ret = p;
    *ret_pc = in_slot < p->how.copy_len ? p->addr : p->addr + p->how.len;
    return true;
}

static void add_place(struct debug *d, struct place *p)
{
    size_t at = place_index(d, p->addr);
    pthread_mutex_lock(&d->lock);
    p->number = (unsigned)d->numbers.n;
    vec_push(&d->numbers, p);
    vec_push(&d->places, p);
    memmove(&d->places.v[at + 1], &d->places.v[at], (d->places.n - 1 - at) * sizeof(p));
    d->places.v[at] = p;
    pthread_mutex_unlock(&d->lock);
}

void debug_forget_places(struct debug *d)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->numbers.n; i++) {
        struct place *p = d->numbers.v[i];
        while (p->sites) {
            struct debug_site *s = p->sites;
            p->sites = s->next;
            s->place = NULL;
            vec_push(&d->orphans, s); /* debug_site_remove() may still come */
        }
        free(p);
    }
    d->numbers.n = d->places.n = 0;
    pthread_mutex_unlock(&d->lock);
    if (d->table)
        atomic_store(&d->table->n, 0);
}

/* ---- into memory and out of it ---- */

/* The copy in its slot, as the area and the bytes now are. */
static void displace(struct debug *d, struct place *p)
{
    taddr slot = debug_slot(d, p);
    d->a->displace(p->original, sizeof(p->original), p->addr, slot, &p->how);
    if (p->how.how == ARCH_PASS_SLOT && !debug_poke(d, slot, p->how.code, sizeof(p->how.code)))
        p->how.how = ARCH_PASS_IN_PLACE;
}

void debug_displace_all(struct debug *d)
{
    for (size_t i = 0; i < d->numbers.n; i++) {
        displace(d, d->numbers.v[i]);
        debug_area_entry(d, d->numbers.v[i]);
    }
}

static void note_place(struct debug *d, const struct place *p, bool active)
{
    struct guard_table *g = d->table;
    if (!g || p->own)
        return;
    g->v[p->number].addr = p->addr;
    atomic_store(&g->v[p->number].original, p->original[0]);
    atomic_store(&g->v[p->number].active, active);
    if (atomic_load(&g->n) <= p->number)
        atomic_store(&g->n, p->number + 1);
}

static struct err *activate(struct debug *d, struct place *p)
{
    note_place(d, p, true);
    debug_area_entry(d, p);
    if (!debug_poke(d, p->addr, d->arch->breakpoint, d->arch->breakpoint_n))
        return err_new(ERR_FAULT, "no breakpoint can be written at 0x%" PRItaddr,
                       (unsigned long long)p->addr);
    pthread_mutex_lock(&d->lock);
    p->active = true;
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void deactivate(struct debug *d, struct place *p)
{
    if (!p->active)
        return;
    debug_poke(d, p->addr, p->original, d->arch->breakpoint_n);
    note_place(d, p, false);
    pthread_mutex_lock(&d->lock);
    p->active = false;
    pthread_mutex_unlock(&d->lock);
}

void debug_take_out(struct debug *d)
{
    for (size_t i = 0; i < d->places.n; i++)
        deactivate(d, d->places.v[i]);
}

bool debug_clean_copy(struct debug *d, pid_t child)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", child);
    int fd = d->places.n ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool clean = !d->places.n || fd >= 0;
    ssize_t n = (ssize_t)d->arch->breakpoint_n;
    for (size_t i = 0; fd >= 0 && i < d->places.n; i++) {
        const struct place *p = d->places.v[i];
        if (p->active && pwrite(fd, p->original, (size_t)n, (off_t)p->addr) != n)
            clean = false;
    }
    if (fd >= 0)
        close(fd);
    return clean;
}

/* ---- passing ---- */

static bool peek(void *arg, taddr addr, void *dst, size_t n)
{
    struct debug *d = arg;
    return pread(d->mem_fd, dst, n, (off_t)addr) == (ssize_t)n;
}

static bool poke(void *arg, taddr addr, const void *src, size_t n)
{
    return debug_poke(arg, addr, src, n);
}

enum pass debug_pass(struct debug *d, struct thread *t, struct place *p)
{
    struct arch_debug_memory m = {peek, poke, d};
    if (p->how.how == ARCH_PASS_SLOT) {
        d->a->set_pc(&t->regs, debug_slot(d, p));
        t->regs_changed = true;
        return PASSING;
    }
    if (p->how.how == ARCH_PASS_EMULATE && d->a->emulate(&p->how, p->addr, &t->regs, &m)) {
        t->regs_changed = true;
        t->met = false;
        return PASSED;
    }
    return PASS_IN_PLACE;
}

/* The bytes of an instruction, which may be the last of its mapping. */
static bool read_original(struct debug *d, taddr addr, uint8_t *dst)
{
    size_t n = ARCH_INSN_MAX;
    memset(dst, 0, ARCH_INSN_MAX + 1);
    while (n && !peek(d, addr, dst, n))
        n--;
    return n != 0;
}

/* The others' breakpoints are not part of the instruction. */
static void uncover(struct debug *d, taddr addr, uint8_t *bytes, size_t n)
{
    for (size_t i = place_index(d, addr); i < d->places.n && d->places.v[i]->addr < addr + n; i++)
        if (d->places.v[i]->active)
            bytes[d->places.v[i]->addr - addr] = d->places.v[i]->original[0];
}

bool debug_emulates(struct debug *d, const struct thread *t, struct place *ret)
{
    *ret = (struct place){.addr = t->regs.pc};
    if (!read_original(d, ret->addr, ret->original))
        return false;
    uncover(d, ret->addr, ret->original, ARCH_INSN_MAX);
    d->a->displace(ret->original, sizeof(ret->original), ret->addr, 0, &ret->how);
    return ret->how.how == ARCH_PASS_EMULATE && ret->how.op.verb != ARCH_V_TRAP;
}

enum debug_verdict debug_ask(struct debug *d, struct thread *t, struct place *p)
{
    struct debug_hit hit = {.d = d, .tid = t->tid, .addr = p->addr, .regs = &t->regs};
    enum debug_verdict verdict = DEBUG_GO_ON;
    for (struct debug_site *s = p->sites; s; s = s->next)
        if (s->fn(s->arg, &hit) == DEBUG_STOP)
            verdict = DEBUG_STOP;
    return verdict;
}

/* ---- adding and removing ---- */

struct change {
    struct debug *d;
    taddr addr;
    struct debug_site *site;
};

static bool is_code(struct debug *d, taddr addr)
{
    struct arena a;
    struct target_mapping *maps;
    size_t n;
    bool yes = addr >= d->code_lo && addr < d->code_hi;
    if (yes)
        return true;
    arena_init(&a);
    struct err *e = proc_mappings(d->pid, &a, &maps, &n);
    for (size_t i = 0; !e && i < n && !yes; i++) {
        yes = maps[i].executable && addr >= maps[i].start && addr < maps[i].end;
        if (yes) {
            d->code_lo = maps[i].start;
            d->code_hi = maps[i].end;
        }
    }
    err_free(e);
    arena_free(&a);
    return yes;
}

static struct err *new_place(struct debug *d, taddr addr, struct place **ret)
{
    uint8_t bytes[ARCH_INSN_MAX + 1];
    struct arch_insn insn;
    if (!is_code(d, addr) || !read_original(d, addr, bytes))
        return err_new(ERR_FAULT, "there is no code at 0x%" PRItaddr, (unsigned long long)addr);
    if (d->numbers.n == DEBUG_SITES_MAX)
        return err_new(ERR_LIMIT, "there cannot be more than %d breakpoints", DEBUG_SITES_MAX);
    uncover(d, addr, bytes, ARCH_INSN_MAX);
    if (!d->arch->decode(bytes, ARCH_INSN_MAX, addr, &insn))
        return err_new(ERR_BAD_DATA, "there is no instruction at 0x%" PRItaddr,
                       (unsigned long long)addr);
    struct place *p = mem_alloc(sizeof(*p));
    *p = (struct place){.addr = addr};
    memcpy(p->original, bytes, sizeof(bytes));
    p->own = memcmp(bytes, d->arch->breakpoint, d->arch->breakpoint_n) == 0;
    add_place(d, p);
    displace(d, p);
    *ret = p;
    return NULL;
}

struct err *debug_know(struct debug *d, taddr addr)
{
    struct place *p = debug_place(d, addr);
    if (!p)
        TRY(new_place(d, addr, &p));
    debug_area_entry(d, p);
    return NULL;
}

static struct err *add_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct change *c = arg;
    struct debug *d = c->d;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    TRY(debug_prepare(tok, d));
    struct place *p = debug_place(d, c->addr);
    if (!p)
        TRY(new_place(d, c->addr, &p));
    if (!p->active)
        TRY(activate(d, p));
    c->site->place = p;
    c->site->next = p->sites;
    p->sites = c->site;
    return NULL;
}

struct err *debug_site_add(struct debug *d, taddr addr, debug_handler *fn, void *arg,
                           struct debug_site **ret)
{
    struct debug_site *s = mem_alloc(sizeof(*s));
    *s = (struct debug_site){.fn = fn, .arg = arg};
    struct change c = {d, addr, s};
    struct err *e = tracer_call(d->tracer, add_on_tracer, &c);
    if (e)
        free(s);
    else
        *ret = s;
    return e;
}

static struct err *remove_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct change *c = arg;
    struct place *p = c->site->place;
    (void)tok;
    for (size_t i = 0; !p && i < c->d->orphans.n; i++)
        if (c->d->orphans.v[i] == c->site)
            c->d->orphans.v[i] = *vec_last(&c->d->orphans), c->d->orphans.n--;
    for (struct debug_site **at = p ? &p->sites : NULL; at && *at; at = &(*at)->next)
        if (*at == c->site) {
            *at = c->site->next;
            break;
        }
    if (p && !p->sites && c->d->state != DEBUG_GONE)
        deactivate(c->d, p);
    free(c->site);
    return NULL;
}

struct err *debug_site_remove(struct debug *d, struct debug_site *s)
{
    struct change c = {.d = d, .site = s};
    return tracer_call(d->tracer, remove_on_tracer, &c);
}

/* ---- writing ---- */

struct writing {
    struct debug *d;
    taddr addr;
    const uint8_t *src;
    size_t n;
};

static struct err *write_on_tracer(const struct tracer_token *tok, void *arg)
{
    struct writing *w = arg;
    struct debug *d = w->d;
    (void)tok;
    if (d->state == DEBUG_GONE)
        return debug_gone(d);
    size_t first = place_index(d, w->addr >= ARCH_INSN_MAX ? w->addr - ARCH_INSN_MAX : 0);
    for (size_t i = first; i < d->places.n && d->places.v[i]->addr < w->addr + w->n; i++)
        if (d->places.v[i]->active)
            debug_poke(d, d->places.v[i]->addr, d->places.v[i]->original, d->arch->breakpoint_n);
    struct err *e = debug_poke(d, w->addr, w->src, w->n)
                        ? NULL
                        : err_new(ERR_FAULT,
                                  "no memory at 0x%" PRItaddr " that can be written "
                                  "(%zu bytes)",
                                  (unsigned long long)w->addr, w->n);
    for (size_t i = first; i < d->places.n && d->places.v[i]->addr < w->addr + w->n; i++) {
        struct place *p = d->places.v[i];
        read_original(d, p->addr, p->original); /* nothing of ours is there now, but further on: */
        uncover(d, p->addr + 1, p->original + 1, ARCH_INSN_MAX - 1);
        displace(d, p);
        if (p->active)
            err_free(activate(d, p));
    }
    return e;
}

struct err *debug_write(struct debug *d, taddr addr, const void *src, size_t n)
{
    struct writing w = {d, addr, src, n};
    return tracer_call(d->tracer, write_on_tracer, &w);
}
