/* seccomp.c - what the seccomp filters of a thread say to calls of ours; see seccomp_int.h.
 *
 * A tracer can suspend filters (PTRACE_O_SUSPEND_SECCOMP), but only while it lives: when it is
 * killed between bringing a thread to a call and the call's end, the filter is back, and one that
 * kills takes the process along.  So filters are not suspended but asked, and where they forbid
 * anything nothing is done (docs/decisions/seccomp.md).
 *
 * Reading them (PTRACE_SECCOMP_GET_FILTER) takes CAP_SYS_ADMIN and a tracer without a filter of its
 * own, exactly as suspending them does.  The kernel has checked the programs; they are checked here
 * all the same, as nothing else says that these bytes are what it runs. */
#include "target/seccomp_int.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>

#include "target/proc_int.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

enum { FILTERS_MAX = 1024 };

/* ---- running a filter ---- */

struct machine {
    const struct sock_filter *code;
    size_t n, pc;
    uint32_t a, x, mem[BPF_MEMWORDS];
    const struct seccomp_data *data;
    bool bad;
};

static uint32_t load(struct machine *m, uint16_t mode, uint32_t k)
{
    uint32_t word = 0;
    switch (mode) {
    case BPF_IMM:
        return k;
    case BPF_LEN:
        return sizeof(*m->data);
    case BPF_MEM:
        m->bad |= k >= BPF_MEMWORDS;
        return m->bad ? 0 : m->mem[k];
    case BPF_ABS:
        m->bad |= k % sizeof(word) || k > sizeof(*m->data) - sizeof(word);
        if (!m->bad)
            memcpy(&word, (const uint8_t *)m->data + k, sizeof(word));
        return word;
    default:
        m->bad = true;
        return 0;
    }
}

static uint32_t compute(struct machine *m, uint16_t op, uint32_t v)
{
    switch (op) {
    case BPF_ADD:
        return m->a + v;
    case BPF_SUB:
        return m->a - v;
    case BPF_MUL:
        return m->a * v;
    case BPF_DIV:
        m->bad |= !v;
        return v ? m->a / v : 0;
    case BPF_OR:
        return m->a | v;
    case BPF_AND:
        return m->a & v;
    case BPF_XOR:
        return m->a ^ v;
    case BPF_LSH:
        return v < 32 ? m->a << v : 0;
    case BPF_RSH:
        return v < 32 ? m->a >> v : 0;
    case BPF_NEG:
        return -m->a;
    default:
        m->bad = true;
        return 0;
    }
}

static void jump(struct machine *m, const struct sock_filter *i, uint32_t v)
{
    bool yes = false;
    switch (BPF_OP(i->code)) {
    case BPF_JA:
        m->pc += min_u64(i->k, m->n); /* behind the end: not a program */
        return;
    case BPF_JEQ:
        yes = m->a == v;
        break;
    case BPF_JGT:
        yes = m->a > v;
        break;
    case BPF_JGE:
        yes = m->a >= v;
        break;
    case BPF_JSET:
        yes = m->a & v;
        break;
    default:
        m->bad = true;
    }
    m->pc += yes ? i->jt : i->jf;
}

static void store(struct machine *m, uint32_t k, uint32_t v)
{
    m->bad |= k >= BPF_MEMWORDS;
    if (!m->bad)
        m->mem[k] = v;
}

/* Jumps only go forward, so every program ends. */
uint32_t seccomp_run(const struct sock_filter *code, size_t n, const struct seccomp_data *data)
{
    struct machine m = {.code = code, .n = n, .data = data};
    while (m.pc < n && !m.bad) {
        const struct sock_filter *i = &code[m.pc++];
        uint32_t v = BPF_SRC(i->code) == BPF_X ? m.x : i->k;
        switch (BPF_CLASS(i->code)) {
        case BPF_LD:
            m.a = load(&m, BPF_MODE(i->code), i->k);
            break;
        case BPF_LDX:
            m.x = load(&m, BPF_MODE(i->code), i->k);
            break;
        case BPF_ST:
            store(&m, i->k, m.a);
            break;
        case BPF_STX:
            store(&m, i->k, m.x);
            break;
        case BPF_ALU:
            m.a = compute(&m, BPF_OP(i->code), v);
            break;
        case BPF_JMP:
            jump(&m, i, v);
            break;
        case BPF_RET:
            return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
        case BPF_MISC:
            if (BPF_MISCOP(i->code) == BPF_TAX)
                m.x = m.a;
            else
                m.a = m.x;
            break;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

/* ---- the filters of a thread ---- */

static struct err *ask(const struct sock_filter *code, size_t n, const struct seccomp_call *calls,
                       size_t ncalls)
{
    for (size_t i = 0; i < ncalls; i++) {
        uint32_t action = seccomp_run(code, n, &calls[i].data) & SECCOMP_RET_ACTION_FULL;
        if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
            return err_new(ERR_UNSUPPORTED,
                           "its seccomp filter forbids calls that a copy needs (%s)",
                           calls[i].name);
    }
    return NULL;
}

static struct err *unreadable(int errnum)
{
    if (errnum == ESRCH)
        return err_new(ERR_GONE, "the thread has ended");
    if (errnum == EACCES || errnum == EPERM)
        return err_new(ERR_UNSUPPORTED,
                       "it has a seccomp filter, which only CAP_SYS_ADMIN can read");
    return err_new(ERR_UNSUPPORTED, "it has a seccomp filter that cannot be read: %s",
                   strerror(errnum));
}

struct err *seccomp_check(const struct tracer_token *tok, pid_t tid,
                          const struct seccomp_call *calls, size_t n)
{
    struct proc_status s;
    struct sock_filter code[BPF_MAXINSNS];
    TRY(proc_status(tid, &s));
    if (s.seccomp <= 0) /* off, or a kernel without it */
        return NULL;
    for (long i = 0; i < FILTERS_MAX; i++) {
        long len = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)i, NULL);
        if (len < 0 && errno == ENOENT && i > 0)
            return NULL;
        if (len >= 0 && len <= BPF_MAXINSNS)
            len = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)i, code);
        if (len < 0 || len > BPF_MAXINSNS)
            return unreadable(len < 0 ? errno : E2BIG);
        TRY(ask(code, (size_t)len, calls, n));
    }
    return err_new(ERR_UNSUPPORTED, "it has more seccomp filters than are looked at");
}
