/* closer.c - who closed a channel that somebody sent on, or closed, afterwards: evidence of misuse.
 *
 * Go does not record it.  The table closer has goroutines that stand behind a call which did it,
 * and code that may have; the table owner those who will close it once more.  One that has ended
 * cannot be named: then the lines are told, the best kind that there is. */
#include <string.h>

#include "base/buf.h"
#include "diag/diag_int.h"

enum { LINES_MAX = 4 };

static const char *sure_of(uint8_t evidence)
{
    return evidence == SNAP_PROOF_PROVED   ? "proved"
           : evidence == SNAP_PROOF_STRONG ? "strong"
                                           : "weak";
}

static const char *how_closed(uint8_t how)
{
    static const char *const texts[SNAP_CLOSED_COUNT] = {
        [SNAP_CLOSED_OTHER] = "it seems to have done it",
        [SNAP_CLOSED_BEHIND] = "its stack is behind that close on every way, and has the channel",
        [SNAP_CLOSED_PASSED] = "its stack has the channel, but may have gone past that close",
        [SNAP_CLOSED_LEFT] = "its stack is behind that close, and has traces of the channel",
        [SNAP_CLOSED_RIVAL] = "others stand behind a close of it, too, and only one did it",
    };
    return how < SNAP_CLOSED_COUNT && texts[how] ? texts[how] : texts[SNAP_CLOSED_OTHER];
}

static uint32_t frame_of_pc(const struct snap *s, uint32_t pc)
{
    return pc == SNAP_NONE || !s->pc.frames[pc] ? SNAP_NONE : s->pc.frame[pc];
}

static const char *line_of_pc(struct diag_run *r, uint32_t pc)
{
    uint32_t frame = frame_of_pc(r->s, pc);
    return frame == SNAP_NONE ? "?" : diag_where(r, frame);
}

/* A goroutine that closed the channel, or seems to. */
static void tell_goroutine(struct diag_run *r, struct diag_finding *f, uint32_t row)
{
    const struct snap *s = r->s;
    uint64_t id = s->goroutine.id[s->closer.goroutine[row]];
    uint8_t evidence = s->closer.evidence[row];
    diag_evidence(r->found, f, "%s by goroutine %s at %s: %s (%s)",
                  evidence == SNAP_PROOF_WEAK ? "perhaps closed" : "closed", diag_number(r, id),
                  line_of_pc(r, s->closer.pc[row]), how_closed(s->closer.how[row]),
                  sure_of(evidence));
}

/* Whether code is worth to be told: the program's own, or what certainly closes this channel. */
static bool is_suspect(struct diag_run *r, uint32_t row)
{
    uint32_t frame = frame_of_pc(r->s, r->s->closer.pc[row]);
    return r->s->closer.how[row] == SNAP_CLOSED_VARIABLE ||
           (frame != SNAP_NONE && r->codes.frame[frame] == SNAP_CODE_USER);
}

/* Appends the lines of one kind of code; how many there are. */
static uint32_t add_lines(struct diag_run *r, struct buf *b, uint64_t addr, uint8_t how, uint32_t n)
{
    const struct snap *s = r->s;
    for (uint32_t i = 0; i < s->closer.n; i++) {
        if (s->closer.addr[i] != addr || s->closer.goroutine[i] != SNAP_NONE ||
            s->closer.how[i] != how || !is_suspect(r, i))
            continue;
        if (n < LINES_MAX)
            buf_printf(b, "%s%s", n ? ", " : "", line_of_pc(r, s->closer.pc[i]));
        n++;
    }
    return n;
}

/* The lines that may have closed it.  What closes the variable that holds the channel is likelier
 * than all other code; what closes channels of its type comes before what may be of any type. */
static void tell_lines(struct diag_run *r, struct diag_finding *f, uint64_t addr, bool weak)
{
    struct buf b = {0};
    uint32_t variable = add_lines(r, &b, addr, SNAP_CLOSED_VARIABLE, 0), type = variable;
    if (!variable)
        type = add_lines(r, &b, addr, SNAP_CLOSED_TYPE, 0);
    uint32_t n = variable ? variable : add_lines(r, &b, addr, SNAP_CLOSED_CODE, type);
    if (n > LINES_MAX)
        buf_printf(&b, " and %s more", diag_number(r, n - LINES_MAX));
    const char *lines = diag_text(r->found, "%s", buf_text(&b));
    buf_free(&b);
    const char *who = weak ? "or by another goroutine, which may have ended"
                           : "which goroutine closed it is not known, it may have ended";
    if (!n) {
        diag_evidence(r->found, f, "%s", who);
        return;
    }
    diag_evidence(r->found, f, "%s; %s: %s", who,
                  variable ? "code that closes the variable which holds it"
                  : n == type
                      ? "suspected, code that closes channels of its type"
                      : "suspected, code that closes channels of its type or an unknown one",
                  lines);
    diag_value_text(r->found, f, "suspected_closers", lines);
}

/* Who will close it once more: the next panic. */
static void tell_next(struct diag_run *r, struct diag_finding *f, uint64_t addr)
{
    const struct snap *s = r->s;
    for (uint32_t i = 0; i < s->owner.n; i++)
        if (s->owner.addr[i] == addr && s->owner.act[i] == SNAP_ACT_CLOSE)
            diag_evidence(r->found, f, "goroutine %s %s close it once more at %s (%s)",
                          diag_number(r, s->goroutine.id[s->owner.goroutine[i]]),
                          s->owner.evidence[i] == SNAP_PROOF_PROVED ? "will" : "may",
                          line_of_pc(r, s->owner.pc[i]), sure_of(s->owner.evidence[i]));
}

void diag_closer_evidence(struct diag_run *r, struct diag_finding *f, uint64_t addr)
{
    const struct snap *s = r->s;
    uint32_t best = SNAP_NONE;
    for (uint32_t i = 0; i < s->closer.n; i++) {
        if (s->closer.addr[i] != addr || s->closer.goroutine[i] == SNAP_NONE)
            continue;
        tell_goroutine(r, f, i);
        if (best == SNAP_NONE || s->closer.evidence[i] < s->closer.evidence[best])
            best = i;
    }
    if (best != SNAP_NONE) {
        diag_value_int(r->found, f, "closer", DIAG_COUNT,
                       (int64_t)s->goroutine.id[s->closer.goroutine[best]]);
        diag_value_text(r->found, f, "closer_sure", sure_of(s->closer.evidence[best]));
        diag_value_text(r->found, f, "closer_where", line_of_pc(r, s->closer.pc[best]));
    }
    if (best == SNAP_NONE || s->closer.evidence[best] == SNAP_PROOF_WEAK)
        tell_lines(r, f, addr, best != SNAP_NONE);
    tell_next(r, f, addr);
}
