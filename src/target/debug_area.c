/* debug_area.c - what we have in a process that is debugged: an area of memory near its code.
 *
 *      0     struct arch_trap_head
 *      256   the handler of SIGTRAP
 *      3072  breakpoints of Go's runtime in functions that are called: 8 bytes each
 *      4096  its table: 8 bytes for each place
 *      ...   slots: 32 bytes for each place
 *      ...   calls that go on (debug_calls.c); not executable, the process may write
 *
 * Only the process can map it, so a thread of it must make system calls for us.  As in inject.c, it
 * is one that sleeps in a call whose result nobody looks at: if we are killed in between, it goes
 * on behind its own call as if that had returned.  A process that we launched dies with us; there
 * any thread will do.  What we put in: mmap(), rt_sigaction() (which handler was there),
 * mprotect(), rt_sigaction() (ours).  All of it is inert until a breakpoint is hit with nobody
 * tracing.
 *
 * After a kill -9 of us, area and handler stay.  Who attaches next finds them by what the area
 * begins with, finished or not, and takes them over; debug_close() takes them out.
 *
 * Where none can be had (a seccomp filter forbids the calls, no thread lends itself, no room near
 * the code) breakpoints work all the same, but passing one stops everybody for a moment, and
 * killing us leaves the process without the handler for the microseconds until the guardian has
 * put its code back: debug_warning() tells. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "target/debug_int.h"
#include "target/live_int.h"
#include "target/proc_int.h"
#include "target/seccomp_int.h"

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

enum {
    PAGE = 4096,
    LENDER_TRIES = 100,
    LENDER_NAP_NS = 300 * 1000,
    LENDER_NAPS_ALIKE = 16, /* then they get twice as long */
    TAIL_MAX = 32,
    CLEAR_OF_CODE = 1 << 20, /* so far below the program, where there is room */
};
#define AREA_MAGIC UINT64_C(0x33306b6564707367) /* "gspdek03": changes with the layout */
#define REACH (UINT64_C(1) << 30)
#define LOWEST (UINT64_C(1) << 16)

/* As the kernel has it. */
struct kernel_sigaction {
    uint64_t handler, flags, restorer, mask;
};

/* ---- a system call in the process ---- */

static bool lends(struct debug *d, const struct thread *t)
{
    uint8_t tail[TAIL_MAX];
    const struct arch_inject *in = d->arch->inject;
    return t->regs.syscall >= 0 && in->tail <= sizeof(tail) &&
           pread(d->mem_fd, tail, in->tail, (off_t)t->regs.pc) == (ssize_t)in->tail &&
           in->borrowable(&t->regs, tail);
}

static struct thread *find_lender(const struct tracer_token *tok, struct debug *d, taddr *site)
{
    struct thread *any = NULL;
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        if (!t->stands || t->child || t->group_stop || t->ev.kind != WAIT_STOPPED)
            continue;
        struct err *e = debug_get_regs(tok, d, t);
        if (e || t->regs_changed) {
            err_free(e);
            continue;
        }
        if (lends(d, t)) {
            *site = d->arch->inject->call_site(&t->regs);
            return t;
        }
        any = t;
    }
    *site = d->call_at;
    return d->launched && d->call_at ? any : NULL;
}

static struct err *filtered(const struct tracer_token *tok, struct debug *d, pid_t tid, taddr site,
                            int64_t nr, const uint64_t args[6])
{
    const char *name = d->arch->syscall_name(nr);
    struct seccomp_call c = {.name = name ? name : "?",
                             .data = {.nr = (int)nr,
                                      .arch = d->arch->inject->audit_arch,
                                      .instruction_pointer = site + d->arch->inject->call_size}};
    for (size_t i = 0; i < 6; i++)
        c.data.args[i] = args[i];
    return seccomp_check(tok, tid, &c, 1);
}

/* To the next stop of a call; false: something else came, or the thread is gone. */
static bool call_stop(const struct tracer_token *tok, struct debug *d, pid_t tid)
{
    for (;;) {
        struct thread *t = debug_thread(d, tid);
        ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
        t->stands = t->have_regs = false;
        if (!debug_await(tok, d, tid, DEBUG_STOP_LIMIT_NS, false))
            return false;
        t = debug_thread(d, tid);
        t->untold = t->ev.kind == WAIT_SIGNAL;
        if (t->ev.kind == WAIT_SYSCALL)
            return true;
        if (t->ev.kind == WAIT_SIGNAL)
            return false;
    }
}

/* UNSUPPORTED: nobody lends itself now, or a filter forbids it. */
static struct err *call(const struct tracer_token *tok, struct debug *d, int64_t nr,
                        const uint64_t args[6], int64_t *ret)
{
    taddr site;
    struct thread *t = find_lender(tok, d, &site);
    if (!t)
        return err_new(ERR_LIMIT, "none of its threads sleeps where a call can be borrowed");
    pid_t tid = t->tid;
    TRY(filtered(tok, d, tid, site, nr, args));
    struct arch_regs before = t->regs, regs = t->regs;
    d->arch->inject->set_call(&regs, site, nr, args);
    TRY(live_set_regs(tok, tid, &regs));
    bool made = call_stop(tok, d, tid) && call_stop(tok, d, tid);
    t = debug_thread(d, tid);
    struct err *e = made ? live_get_regs(tok, tid, d->arch, &regs) : NULL;
    if (d->state == DEBUG_GONE || !t)
        e = e ? e : debug_gone(d);
    else if (!made && !t->stands)
        e = err_new(ERR_LIMIT, "the thread that lends itself does not come to its call");
    if (e)
        return e;
    TRY(live_set_regs(tok, tid, &before));
    t->have_regs = false;
    if (!made)
        return err_new(ERR_LIMIT, "a signal came first");
    *ret = d->arch->inject->result(&regs);
    debug_settle(tok, d, t);
    return d->state == DEBUG_GONE ? debug_gone(d) : NULL;
}

/* Everybody runs for a moment: longer and longer ones, for on a busy machine a thread does not get
 * a processor in each. */
static void let_run(const struct tracer_token *tok, struct debug *d, unsigned tries)
{
    struct timespec nap = {.tv_nsec = (long)LENDER_NAP_NS << tries / LENDER_NAPS_ALIKE};
    debug_run_all(tok, d);
    nanosleep(&nap, NULL);
    err_free(debug_stop_all(tok, d));
}

/* The same, trying for a while: somebody is asleep soon. */
static struct err *call_soon(const struct tracer_token *tok, struct debug *d, bool try_again,
                             int64_t nr, const uint64_t args[6], int64_t *ret)
{
    struct err *e = NULL;
    for (unsigned tries = 0; tries < LENDER_TRIES; tries++) {
        err_free(e);
        e = call(tok, d, nr, args, ret);
        if (!e || err_code(e) != ERR_LIMIT || !try_again)
            return e;
        let_run(tok, d, tries);
        if (d->state == DEBUG_GONE)
            break;
    }
    return e;
}

/* ---- where ---- */

static bool is_area(struct debug *d, const struct target_mapping *m, struct arch_trap_head *head)
{
    return !*m->path && m->end - m->start == (m->executable ? DEBUG_AREA : DEBUG_AREA_ALL) &&
           pread(d->mem_fd, head, sizeof(*head), (off_t)m->start) == (ssize_t)sizeof(*head) &&
           head->magic == AREA_MAGIC && head->slots_lo == m->start + DEBUG_AREA_SLOTS;
}

/* Below the program, with some distance: there nothing of it grows.  Else above it, halfway to what
 * is out of reach. */
static taddr gap(const struct target_mapping *maps, size_t n, taddr entry)
{
    taddr best = 0;
    for (size_t i = 0; i < n; i++) {
        taddr lo = i ? maps[i - 1].end : LOWEST, hi = maps[i].start;
        if (hi < lo + DEBUG_AREA_ALL + 2 * PAGE)
            continue;
        taddr room = hi - lo - DEBUG_AREA_ALL;
        if (hi <= entry && entry - hi < REACH)
            best = hi - DEBUG_AREA_ALL - min_u64(room / 2, CLEAR_OF_CODE);
        else if (hi > entry && !best && lo - entry < REACH / 2)
            best = lo + min_u64(room / 2, REACH / 2);
    }
    return best & ~(taddr)(PAGE - 1);
}

struct spot {
    taddr at;                   /* free, or an area that somebody has left */
    bool left, executable;      /* it is one; and one that was finished */
    struct arch_trap_head head; /* of it */
};

static struct err *choose(struct debug *d, struct spot *ret)
{
    struct arena a;
    struct target_mapping *maps;
    struct image *img;
    taddr slide;
    size_t n;
    *ret = (struct spot){0};
    TRY(target_image(d->view, &img, &slide));
    taddr entry = image_entry(img) + slide;
    image_unref(img);
    arena_init(&a);
    struct err *e = proc_mappings(d->pid, &a, &maps, &n);
    for (size_t i = 0; !e && i < n && !ret->executable; i++)
        if (is_area(d, &maps[i], &ret->head)) {
            ret->at = maps[i].start;
            ret->left = true;
            ret->executable = maps[i].executable;
        }
    if (!e && !ret->left)
        ret->at = gap(maps, n, entry);
    arena_free(&a);
    if (!e && !ret->at)
        e = err_new(ERR_UNSUPPORTED, "there is no room near its code");
    return e;
}

/* ---- contents ---- */

static struct err *write_failed(void)
{
    return err_sys(errno, "cannot write its memory");
}

static taddr field(const struct debug *d, size_t at)
{
    return d->area + at;
}

static struct err *write_area(struct debug *d)
{
    const struct arch_debug *a = d->a;
    struct arch_trap_head head = {.magic = AREA_MAGIC,
                                  .slots_lo = field(d, DEBUG_AREA_SLOTS),
                                  .slots_hi = field(d, DEBUG_AREA)};
    size_t n = (size_t)(a->trap_end - a->trap_code);
    if (!debug_poke(d, d->area, &head, sizeof(head)) ||
        !debug_poke(d, field(d, ARCH_TRAP_CODE_AT), a->trap_code, n))
        return write_failed();
    return NULL;
}

void debug_area_entry(struct debug *d, const struct place *p)
{
    uint64_t entry = p->own ? 0 : p->addr | (uint64_t)p->original[0] << 56, n = p->number + 1;
    if (!d->area)
        return;
    debug_poke(d, field(d, ARCH_TRAP_TABLE_AT + (size_t)p->number * 8), &entry, sizeof(entry));
    if (n < d->numbers.n)
        n = d->numbers.n;
    debug_poke(d, field(d, offsetof(struct arch_trap_head, n)), &n, sizeof(n));
}

/* ---- the handler ---- */

struct setup {
    const struct tracer_token *tok;
    struct debug *d;
    bool try_again;
};

static struct err *checked(struct setup *s, int64_t nr, const uint64_t args[6], const char *what,
                           int64_t *ret)
{
    TRY(call_soon(s->tok, s->d, s->try_again, nr, args, ret));
    return *ret < 0 && *ret > -PAGE ? err_sys((int)-*ret, "it cannot %s", what) : NULL;
}

static struct err *sigaction_of(struct setup *s, const struct kernel_sigaction *set,
                                struct kernel_sigaction *get)
{
    struct debug *d = s->d;
    taddr at = field(d, offsetof(struct arch_trap_head, scratch));
    const uint64_t args[6] = {SIGTRAP, set ? at : 0, get ? at : 0, 8};
    int64_t result;
    if (set && !debug_poke(d, at, set, sizeof(*set)))
        return write_failed();
    TRY(checked(s, d->a->nr_sigaction, args, "set a handler", &result));
    if (get && pread(d->mem_fd, get, sizeof(*get), (off_t)at) != (ssize_t)sizeof(*get))
        return write_failed();
    return NULL;
}

/* Before anybody is stopped: a thread that is just being stopped at one of them must be put back
 * onto it before its stop is taken (debug_run.c quiet()). */
void debug_find_left(struct debug *d)
{
    struct spot spot;
    uint64_t entry;
    struct err *e = choose(d, &spot);
    size_t n = !e && spot.executable ? min_u64(spot.head.n, DEBUG_SITES_MAX) : 0;
    err_free(e);
    if (spot.executable)
        debug_find_call_traps(d, spot.at, &spot.head);
    off_t at = (off_t)spot.at + ARCH_TRAP_TABLE_AT;
    for (size_t i = 0; i < n; i++, at += (off_t)sizeof(entry))
        if (pread(d->mem_fd, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry) && entry)
            vec_push(&d->left, (taddr)(entry << 8 >> 8));
}

/* Breakpoints of somebody who was killed: those that are left because his guardian was killed, too,
 * are taken out.  All of them become known: a thread may have trapped at one and not been put back
 * yet. */
static void repair(struct debug *d, const struct arch_trap_head *head)
{
    size_t n = min_u64(head->n, DEBUG_SITES_MAX), size = n * sizeof(uint64_t);
    uint64_t *entries = mem_alloc(size + 1);
    bool got =
        pread(d->mem_fd, entries, size, (off_t)field(d, ARCH_TRAP_TABLE_AT)) == (ssize_t)size;
    for (size_t i = 0; got && i < n; i++) {
        taddr addr = entries[i] << 8 >> 8;
        uint8_t byte, original = (uint8_t)(entries[i] >> 56);
        if (!addr || pread(d->mem_fd, &byte, 1, (off_t)addr) != 1)
            continue;
        if (byte == d->arch->breakpoint[0])
            debug_poke(d, addr, &original, 1);
        err_free(debug_know(d, addr));
    }
    free(entries);
}

static struct err *set_handler(struct setup *s)
{
    struct debug *d = s->d;
    const struct arch_debug *a = d->a;
    struct kernel_sigaction ours = {
        .handler = field(d, ARCH_TRAP_CODE_AT),
        .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER,
        .mask = UINT64_MAX,
        .restorer = field(d, ARCH_TRAP_CODE_AT + (size_t)(a->trap_restorer - a->trap_code)),
    };
    TRY(sigaction_of(s, &ours, NULL));
    d->handler = true;
    return NULL;
}

static struct err *map(struct setup *s, taddr at)
{
    struct debug *d = s->d;
    int64_t result;
    const uint64_t args[6] = {at,
                              DEBUG_AREA_ALL,
                              PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                              UINT64_MAX,
                              0};
    TRY(checked(s, d->a->nr_mmap, args, "map memory", &result));
    d->area = (taddr)result;
    return NULL;
}

static struct err *protect(struct setup *s)
{
    int64_t result;
    const uint64_t args[6] = {s->d->area, DEBUG_AREA, PROT_READ | PROT_EXEC};
    return checked(s, s->d->a->nr_mprotect, args, "make memory executable", &result);
}

static struct err *unmap(struct setup *s, taddr area)
{
    int64_t result;
    const uint64_t args[6] = {area, DEBUG_AREA_ALL};
    return checked(s, s->d->a->nr_munmap, args, "unmap memory", &result);
}

/* The program's own. */
static struct err *note_handler(struct setup *s)
{
    struct debug *d = s->d;
    struct kernel_sigaction former;
    TRY(sigaction_of(s, NULL, &former));
    const uint64_t more[] = {former.flags, former.restorer, former.mask};
    if (!debug_poke(d, field(d, offsetof(struct arch_trap_head, former)), &former.handler, 8) ||
        !debug_poke(d, field(d, offsetof(struct arch_trap_head, former_flags)), more, sizeof(more)))
        return write_failed();
    return NULL;
}

static struct err *make_area(struct setup *s)
{
    struct debug *d = s->d;
    struct spot spot;
    TRY(choose(d, &spot));
    if (spot.left)
        guard_await((pid_t)spot.head.guardian);
    d->area = spot.at;
    if (spot.executable) { /* of somebody who was killed: it becomes ours */
        repair(d, &spot.head);
        return d->launched ? NULL : set_handler(s);
    }
    if (!spot.left)
        TRY(map(s, spot.at));
    TRY(write_area(d));
    if (d->launched)
        return protect(s);
    TRY(note_handler(s));
    TRY(protect(s));
    return set_handler(s);
}

void debug_area_guardian(struct debug *d)
{
    uint64_t pid = (uint64_t)d->guard;
    if (d->area)
        debug_poke(d, field(d, offsetof(struct arch_trap_head, guardian)), &pid, sizeof(pid));
}

static void find_call(struct debug *d)
{
    struct image *img;
    taddr slide;
    struct arch_gadgets g = {0};
    struct err *e = target_image(d->view, &img, &slide);
    if (e) {
        err_free(e);
        return;
    }
    const struct image_segment *segs;
    size_t n = image_segments(img, &segs);
    for (size_t i = 0; i < n && !g.call_return; i++)
        if (segs[i].executable)
            d->arch->inject->find(segs[i].bytes, segs[i].filesz, segs[i].vaddr + slide, &g);
    d->call_at = g.call_return;
    image_unref(img);
}

static void warn(struct debug *d, struct err *e)
{
    free(d->warning);
    e = err_wrap(e, "passing a breakpoint stops all threads for a moment%s",
                 d->launched ? "" : ", and killing the debugger in a call ends the program");
    d->warning = mem_strdup(err_message(e));
    log_info("process %d: %s", d->pid, d->warning);
    err_free(e);
}

/* What was begun and is of no use is given up, not undone: it does nothing.  When nobody lent
 * himself, there is a next time. */
struct err *debug_prepare_area(const struct tracer_token *tok, struct debug *d, bool try_again)
{
    if (d->area || d->no_area)
        return NULL;
    struct setup s = {tok, d, try_again && !d->lenders_tried};
    if (d->launched && !d->call_at)
        find_call(d);
    struct err *e = make_area(&s);
    if (e) {
        d->area = 0;
        if (d->state == DEBUG_GONE)
            return e;
        d->no_area = err_code(e) != ERR_LIMIT;
        d->lenders_tried |= try_again;
        warn(d, e);
        return NULL;
    }
    free(d->warning);
    d->warning = NULL;
    return NULL;
}

struct err *debug_prepare(const struct tracer_token *tok, struct debug *d)
{
    bool runs = d->state == DEBUG_RUNS;
    if (!d->area && !d->no_area) {
        if (runs)
            TRY(debug_stop_all(tok, d));
        TRY(debug_prepare_area(tok, d, runs));
        debug_displace_all(d);
        if (runs)
            debug_run_all(tok, d);
    }
    return d->launched || d->guard ? NULL : guard_start(tok, d);
}

/* ---- taking it out ---- */

/* Where a thread that stands really is; false: not known. */
static bool real_pc(const struct tracer_token *tok, struct debug *d, struct thread *t, taddr *ret)
{
    struct err *e = t->stands ? debug_get_regs(tok, d, t) : NULL;
    struct arch_regs r = t->regs;
    bool known = t->stands && !e && d->arch->from_raw(&r);
    err_free(e);
    *ret = r.pc;
    return known;
}

/* A system call that waits was left in its slot, for it would meet its breakpoint when it begins
 * again; now none is in. */
static void leave_slots(const struct tracer_token *tok, struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++) {
        struct thread *t = &d->threads.v[i];
        struct place *p;
        taddr pc;
        if (!real_pc(tok, d, t, &pc) || !debug_unslot(d, pc, &p, &pc))
            continue;
        debug_move(d, t, pc);
        debug_put_regs(tok, d, t);
    }
}

bool debug_area_in_use(const struct tracer_token *tok, struct debug *d)
{
    for (size_t i = 0; i < d->threads.n; i++) {
        taddr pc;
        bool known = real_pc(tok, d, &d->threads.v[i], &pc);
        if (d->threads.v[i].in_kernel || (known && pc - d->area < DEBUG_AREA))
            return true;
    }
    return false;
}

/* Those whom the handler has put back onto a breakpoint of somebody that was killed go on behind it
 * now. */
static void let_leave(const struct tracer_token *tok, struct debug *d)
{
    for (unsigned tries = 0; tries < LENDER_TRIES && debug_area_in_use(tok, d); tries++) {
        let_run(tok, d, tries);
        if (d->state == DEBUG_GONE || d->have_event)
            return;
    }
}

static struct err *unset_handler(struct setup *s)
{
    struct debug *d = s->d;
    uint64_t former[4];
    bool ok = pread(d->mem_fd, &former[0], 8,
                    (off_t)field(d, offsetof(struct arch_trap_head, former))) == 8 &&
              pread(d->mem_fd, &former[1], 24,
                    (off_t)field(d, offsetof(struct arch_trap_head, former_flags))) == 24;
    struct kernel_sigaction old = {former[0], former[1], former[2], former[3]};
    return ok ? sigaction_of(s, &old, NULL) : write_failed();
}

/* The handler stays for calls that go on. */
static struct err *leave_calls(struct setup *s)
{
    if (s->d->handler)
        return NULL;
    TRY(note_handler(s));
    return set_handler(s);
}

void debug_unprepare(const struct tracer_token *tok, struct debug *d)
{
    struct setup s = {tok, d, true}; /* no breakpoint is in: they may run meanwhile */
    uint64_t none = 0;
    if (!d->area)
        return;
    leave_slots(tok, d);
    let_leave(tok, d);
    if (!debug_area_in_use(tok, d)) /* else: the handler must still know its table */
        debug_poke(d, field(d, offsetof(struct arch_trap_head, n)), &none, sizeof(none));
    bool calls = debug_calls_go_on(d);
    struct err *e = calls ? leave_calls(&s) : d->handler ? unset_handler(&s) : NULL;
    if (calls)
        log_info("process %d keeps what ends calls that go on", d->pid);
    else if (!e && !debug_area_in_use(tok, d))
        e = unmap(&s, d->area);
    if (e)
        log_info("process %d keeps an area of ours that does nothing: %s", d->pid, err_message(e));
    err_free(e);
    d->area = 0;
}
