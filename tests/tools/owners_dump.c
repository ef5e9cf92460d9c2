/* owners_dump.c - who will release what, as JSON: the tables owner and ahead of a capture, and
 * words of memory of the same instant, in which a program says what is true.
 *
 *     owners_dump PID|CORE [waited|none|all [kept]]
 *
 * All that is known, or only what somebody waits for; kept: of what was copied of a process that
 * was not forked.
 *
 * Addresses to read, in hexadecimal, come one a line from standard input.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/vec.h"
#include "rt/rt.h"

enum { KEEP_MOST = 64 << 20 };

struct words {
    VEC(taddr) addr;
    VEC(uint64_t) value;
};

static struct err *write_out(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, stdout) == n ? NULL : err_new(ERR_SYS, "cannot write");
}

static const char *place(const struct snap *s, uint32_t pc)
{
    return pc == SNAP_NONE || !s->pc.frames[pc]
               ? ""
               : snap_str(s, s->frame.func[s->pc.frame[pc] + s->pc.frames[pc] - 1u]);
}

static void put_owners(struct json *j, const struct snap *s)
{
    json_key(j, "owners");
    json_begin(j, '[');
    for (size_t i = 0; i < s->owner.n; i++) {
        json_begin(j, '{');
        json_ku64(j, "goroutine", s->goroutine.id[s->owner.goroutine[i]]);
        json_ku64(j, "addr", s->owner.addr[i]);
        json_kstr(j, "act", snap_act_name(s->owner.act[i]));
        json_kstr(j, "evidence", snap_proof_name(s->owner.evidence[i]));
        json_kstr(j, "how", snap_how_name(s->owner.how[i]));
        json_kstr(j, "in", place(s, s->owner.pc[i]));
        json_ku64(j, "frame", s->owner.frame[i]);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_key(j, "doubts");
    json_begin(j, '[');
    for (size_t i = 0; i < s->ahead.n; i++) {
        json_begin(j, '{');
        json_ku64(j, "goroutine", s->goroutine.id[s->ahead.goroutine[i]]);
        json_ku64(j, "flags", s->ahead.flags[i]);
        json_end(j, '}');
    }
    json_end(j, ']');
}

/* Where each goroutine is, for people who look at what was missed. */
static void put_stacks(struct json *j, const struct snap *s)
{
    json_key(j, "stacks");
    json_begin(j, '{');
    for (uint32_t g = 0; g < s->goroutine.n; g++) {
        char id[32];
        struct snap_stack_iter it;
        unsigned n = 0;
        snprintf(id, sizeof(id), "%" PRIu64, s->goroutine.id[g]);
        json_key(j, id);
        json_begin(j, '[');
        snap_stack_iter_init(&it, s, s->goroutine.stack[g]);
        while (n++ < 10 && snap_stack_next(&it))
            json_str(j, it.frame == SNAP_NONE ? "?" : snap_str(s, s->frame.func[it.frame]));
        json_end(j, ']');
    }
    json_end(j, '}');
}

static struct err *print(const struct snap *s, const struct words *w, int64_t took)
{
    struct json j;
    json_init(&j, write_out, NULL);
    json_begin(&j, '{');
    json_ki64(&j, "capture_ns", took);
    json_ku64(&j, "goroutines", s->goroutine.n);
    put_owners(&j, s);
    if (s->goroutine.n < 1000)
        put_stacks(&j, s);
    json_key(&j, "words");
    json_begin(&j, '{');
    for (size_t i = 0; i < w->addr.n; i++) {
        char at[32];
        snprintf(at, sizeof(at), "%" PRIx64, w->addr.v[i]);
        json_ku64(&j, at, w->value.v[i]);
    }
    json_end(&j, '}');
    json_end(&j, '}');
    return json_finish(&j);
}

static struct err *read_words(struct target *t, struct words *w)
{
    for (size_t i = 0; i < w->addr.n; i++) {
        uint64_t v;
        TRY(target_read_u64(t, w->addr.v[i], &v));
        vec_push(&w->value, v);
    }
    return NULL;
}

static struct err *look(struct target *t, enum rt_owners owners, struct words *w)
{
    struct rt_capture_options o = {.owners = owners};
    struct rt *rt = NULL;
    struct snap *s = NULL;
    struct err *e = rt_open(t, &rt);
    int64_t began = clock_mono_ns();
    if (!e)
        e = rt_capture(rt, &o, &s);
    int64_t took = clock_mono_ns() - began;
    if (!e)
        e = read_words(t, w);
    if (!e)
        e = snap_check(s);
    if (!e)
        e = print(s, w, took);
    snap_free(s);
    rt_close(rt);
    return e;
}

static struct err *run(const char *what, enum rt_owners owners, bool kept, struct words *w)
{
    char *end;
    long pid = strtol(what, &end, 10);
    struct target *t = NULL, *frozen = NULL;
    struct target_freeze_options o = {.stop_only = kept, .keep_bytes = KEEP_MOST};
    struct target_pause pause;
    struct err *e = *end ? target_open_core(what, NULL, &t) : target_open_pid((pid_t)pid, &t);
    if (!e && !*end)
        e = target_freeze(t, &o, &frozen);
    if (!e && kept && target_kind(frozen) != TARGET_KEPT)
        e = err_new(ERR_LIMIT, "it was not copied");
    if (!e)
        e = look(frozen ? frozen : t, owners, w);
    if (frozen)
        err_free(target_thaw(frozen, &pause));
    target_close(t);
    return e;
}

int main(int argc, char **argv)
{
    struct words w = {0};
    uint64_t addr;
    const char *which = argc > 2 ? argv[2] : "all";
    enum rt_owners owners = strcmp(which, "waited") == 0 ? RT_OWNERS_WAITED
                            : strcmp(which, "none") == 0 ? RT_OWNERS_NONE
                                                         : RT_OWNERS_ALL;
    if (argc < 2) {
        fprintf(stderr, "usage: owners_dump PID|CORE [waited|none|all [kept]]\n");
        return 2;
    }
    while (scanf("%" SCNx64, &addr) == 1)
        vec_push(&w.addr, addr);
    struct err *e = run(argv[1], owners, argc > 3, &w);
    vec_free(&w.addr);
    vec_free(&w.value);
    if (!e)
        return 0;
    fprintf(stderr, "owners_dump: %s\n", err_message(e));
    err_free(e);
    return 1;
}
