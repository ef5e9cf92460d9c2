/* sample.h - a small service, made by hand: what tests of filters, groups and reports look at.
 *
 *   ids      state     what
 *   1        waiting   main.main, chan receive
 *   2, 3     waiting   the runtime's own: force gc (idle), GC sweep wait
 *   10-21    waiting   chan send in orders.(*Hub).publish.func1, all on channel 0xc000111000; 10
 * waits longest (71 h), each next an hour less; 20 and 21: not known; even ids have the label
 * route=/orders 30-32    waiting   IO wait in net/http.(*conn).serve 40       running   main.busy,
 * on thread 77 41       syscall   os.(*File).Read, locked to thread 78; labels route=/admin,
 * user=ann 42       runnable  slices.SortFunc[...] called by main.sortAll 43       waiting panicked
 * in a wrapper: (*T).M is visible 44       waiting   the same wrapper called an ordinary function:
 * (*T).M is hidden */
#ifndef GOSPECT_TESTS_SNAP_SAMPLE_H
#define GOSPECT_TESTS_SNAP_SAMPLE_H

#include "base/clock.h"
#include "snap/make.h"

#define HOUR (3600 * NSEC_PER_SEC)
#define SAMPLE_NOW (1000 * HOUR)
#define APP "/src/shop/"
#define STD "/usr/local/go/src/"

static inline uint32_t sample_stack(struct snap *s, const uint32_t *pcs)
{
    size_t n = 0;
    while (pcs[n] != SNAP_NONE)
        n++;
    return make_stack(s, pcs, n);
}
#define STACK(s, ...) sample_stack((s), (uint32_t[]){__VA_ARGS__, SNAP_NONE})

static inline void sample_label(struct snap *s, uint32_t set, const char *key, const char *value)
{
    uint32_t row = snap_add_label(s);
    s->label.set[row] = set;
    s->label.key[row] = make_str(s, key);
    s->label.value[row] = make_str(s, value);
}

static inline void sample_module(struct snap *s, const char *path, const char *version,
                                 bool is_main)
{
    uint32_t row = snap_add_module(s);
    s->module.path[row] = make_str(s, path);
    s->module.version[row] = make_str(s, version);
    s->module.main[row] = is_main;
}

static inline void sample_facts(struct snap *s)
{
    snap_set_meta(s, SNAP_META_go_version, "go1.24.3");
    snap_set_meta(s, SNAP_META_exe, "/srv/bin/orders-api");
    snap_set_meta(s, SNAP_META_main_path, "example.com/shop/cmd/orders-api");
    snap_set_meta(s, SNAP_META_consistency, "process");
    snap_set_meta(s, SNAP_META_method, "fork");
    snap_set_meta_i64(s, SNAP_META_pid, 4242);
    snap_set_meta_i64(s, SNAP_META_taken_mono_ns, SAMPLE_NOW);
    snap_set_meta_i64(s, SNAP_META_taken_wall_ns, 1700000000 * NSEC_PER_SEC);
    snap_set_meta_i64(s, SNAP_META_pause_ns, 7 * NSEC_PER_MSEC);
    snap_set_meta_i64(s, SNAP_META_capture_ns, 52 * NSEC_PER_MSEC);
    sample_module(s, "example.com/shop", "(devel)", true);
    sample_module(s, "golang.org/x/sync", "v0.7.0", false);
}

struct sample_pcs {
    uint32_t gopark, goexit, rtmain, main, chansend, chansend1, chanrecv1, publish1, publish,
        handle, netpoll, poll_wait, conn_read, serve, busy, syscall_read, file_read, do_read,
        sortfunc, sort_all, gopanic, call, call2, forcegc, bgsweep;
};

static inline struct sample_pcs sample_places(struct snap *s)
{
    struct make_frame exit_frame[] = {
        {"runtime.goexit", STD "runtime/asm_amd64.s", 1700, SNAP_FN_GOEXIT, false}, {0}};
    struct make_frame poll[] = {
        {"internal/poll.(*pollDesc).wait", STD "internal/poll/fd_poll_runtime.go", 84, 0, true},
        {"internal/poll.(*pollDesc).waitRead", STD "internal/poll/fd_poll_runtime.go", 89, 0, true},
        {"internal/poll.(*FD).Read", STD "internal/poll/fd_unix.go", 165, 0, false},
        {0}};
    struct make_frame panic_in[] = {
        {"runtime.gopanic", STD "runtime/panic.go", 792, SNAP_FN_GOPANIC, false}, {0}};
    return (struct sample_pcs){
        .gopark = make_place(s, 0x401000, "runtime.gopark", STD "runtime/proc.go", 435),
        .goexit = make_pc(s, 0x401100, exit_frame),
        .rtmain = make_place(s, 0x401200, "runtime.main", STD "runtime/proc.go", 283),
        .main = make_place(s, 0x501000, "main.main", APP "cmd/orders-api/main.go", 30),
        .chansend = make_place(s, 0x401300, "runtime.chansend", STD "runtime/chan.go", 259),
        .chansend1 = make_place(s, 0x401400, "runtime.chansend1", STD "runtime/chan.go", 157),
        .chanrecv1 = make_place(s, 0x401500, "runtime.chanrecv1", STD "runtime/chan.go", 489),
        .publish1 = make_place(s, 0x502000, "example.com/shop/orders.(*Hub).publish.func1",
                               APP "orders/notify.go", 88),
        .publish = make_place(s, 0x502100, "example.com/shop/orders.(*Hub).publish",
                              APP "orders/notify.go", 80),
        .handle = make_place(s, 0x502200, "example.com/shop/orders.(*Server).handle",
                             APP "orders/http.go", 140),
        .netpoll = make_place(s, 0x401600, "runtime.netpollblock", STD "runtime/netpoll.go", 575),
        .poll_wait = make_place(s, 0x401700, "internal/poll.runtime_pollWait",
                                STD "runtime/netpoll.go", 351),
        .conn_read = make_pc(s, 0x503000, poll),
        .serve = make_place(s, 0x503100, "net/http.(*conn).serve", STD "net/http/server.go", 2102),
        .busy = make_place(s, 0x504000, "main.busy", APP "cmd/orders-api/main.go", 55),
        .syscall_read =
            make_place(s, 0x401800, "syscall.Syscall", STD "syscall/syscall_linux.go", 73),
        .file_read = make_place(s, 0x505000, "os.(*File).Read", STD "os/file.go", 124),
        .do_read = make_place(s, 0x505100, "main.readAll", APP "cmd/orders-api/main.go", 70),
        .sortfunc = make_place(
            s, 0x506000, "slices.SortFunc[go.shape.[]example.com/shop/orders.Order,go.shape.int]",
            STD "slices/sort.go", 29),
        .sort_all = make_place(s, 0x506100, "main.sortAll", APP "cmd/orders-api/main.go", 90),
        .gopanic = make_pc(s, 0x401900, panic_in),
        .call = make_place(s, 0x507000, "main.call", APP "cmd/orders-api/main.go", 101),
        .call2 = make_place(s, 0x507100, "main.T.M", APP "cmd/orders-api/main.go", 99),
        .forcegc = make_place(s, 0x401a00, "runtime.forcegchelper", STD "runtime/proc.go", 348),
        .bgsweep = make_place(s, 0x401b00, "runtime.bgsweep", STD "runtime/mgcsweep.go", 276),
    };
}

static inline uint32_t sample_thread(struct snap *s, uint32_t tid)
{
    uint32_t t = snap_add_thread(s);
    s->thread.tid[t] = tid;
    return t;
}

static inline void sample_senders(struct snap *s, const struct sample_pcs *p)
{
    uint32_t node =
        STACK(s, p->gopark, p->chansend, p->chansend1, p->publish1, p->publish, p->goexit);
    for (uint64_t i = 0; i < 12; i++) {
        uint32_t g = make_goroutine(s, 10 + i, SNAP_G_WAITING, "chan send", node);
        s->goroutine.depth[g] = 6;
        s->goroutine.creator[g] = p->handle;
        s->goroutine.parent_id[g] = 30;
        s->goroutine.labels[g] = i % 2 ? 0 : 1;
        s->goroutine.wait_since[g] = i < 10 ? SAMPLE_NOW - (71 - (int64_t)i) * HOUR : 0;
        uint32_t w = snap_add_wait(s);
        s->wait.goroutine[w] = g;
        s->wait.kind[w] = SNAP_W_CHAN_SEND;
        s->wait.addr[w] = 0xc000111000;
    }
}

static inline void sample_wrappers(struct snap *s, const struct sample_pcs *p)
{
    struct make_frame wrapper[] = {{"main.(*T).M", "<autogenerated>", 1, SNAP_FN_WRAPPER, false},
                                   {0}};
    uint32_t pc = make_pc(s, 0x508000, wrapper);
    make_goroutine(s, 43, SNAP_G_WAITING, "select", STACK(s, p->gopark, p->gopanic, pc, p->call));
    make_goroutine(s, 44, SNAP_G_WAITING, "select", STACK(s, p->gopark, p->call2, pc, p->call));
}

static inline struct snap *sample_orders(void)
{
    struct snap *s = snap_new();
    struct sample_pcs p = sample_places(s);
    sample_facts(s);
    sample_label(s, 1, "route", "/orders");
    sample_label(s, 2, "route", "/admin");
    sample_label(s, 2, "user", "ann");
    uint32_t t77 = sample_thread(s, 77), t78 = sample_thread(s, 78), g;
    make_goroutine(s, 1, SNAP_G_WAITING, "chan receive",
                   STACK(s, p.gopark, p.chanrecv1, p.main, p.rtmain, p.goexit));
    g = make_goroutine(s, 2, SNAP_G_WAITING, "force gc (idle)",
                       STACK(s, p.gopark, p.forcegc, p.goexit));
    s->goroutine.flags[g] = SNAP_GF_SYSTEM;
    g = make_goroutine(s, 3, SNAP_G_WAITING, "GC sweep wait",
                       STACK(s, p.gopark, p.bgsweep, p.goexit));
    s->goroutine.flags[g] = SNAP_GF_SYSTEM;
    sample_senders(s, &p);
    for (uint64_t id = 30; id <= 32; id++) {
        g = make_goroutine(
            s, id, SNAP_G_WAITING, "IO wait",
            STACK(s, p.gopark, p.netpoll, p.poll_wait, p.conn_read, p.serve, p.goexit));
        s->goroutine.wait_since[g] = SAMPLE_NOW - 12 * 60 * NSEC_PER_SEC;
        s->goroutine.depth[g] = 6;
    }
    g = make_goroutine(s, 40, SNAP_G_RUNNING, "", STACK(s, p.busy, p.goexit));
    s->goroutine.thread[g] = t77;
    g = make_goroutine(s, 41, SNAP_G_SYSCALL, "",
                       STACK(s, p.syscall_read, p.file_read, p.do_read, p.goexit));
    s->goroutine.thread[g] = t78;
    s->goroutine.flags[g] = SNAP_GF_LOCKED;
    s->goroutine.labels[g] = 2;
    make_goroutine(s, 42, SNAP_G_RUNNABLE, "", STACK(s, p.sortfunc, p.sort_all, p.goexit));
    sample_wrappers(s, &p);
    return s;
}

#endif
