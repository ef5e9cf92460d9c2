/* unread.c - what could not be read: a verdict must say what it did not see. */
#include <string.h>

#include "diag/diag_int.h"

enum { LINES = 10 };

/* Names are no evidence: that a stripped program has none changes no verdict. */
static bool is_name(const struct snap *s, size_t i)
{
    return strncmp(snap_str(s, s->missing.what[i]), "names of ", 9) == 0;
}

void diag_unread(struct diag_run *r)
{
    const struct snap *s = r->s;
    struct diag_finding *f = NULL;
    uint64_t total = 0;
    size_t lines = 0;
    for (size_t i = 0; i < s->missing.n; i++) {
        if (is_name(s, i))
            continue;
        f = f ? f : diag_add(r, "unread", DIAG_NOTE);
        total += s->missing.count[i];
        if (lines++ < LINES)
            diag_evidence(r->found, f, "%s %s: %s", diag_number(r, s->missing.count[i]),
                          snap_str(s, s->missing.what[i]), snap_str(s, s->missing.why[i]));
    }
    if (!f)
        return;
    if (lines > LINES)
        diag_evidence(r->found, f, "and %s more", diag_number(r, lines - LINES));
    f->title = "not everything could be read";
    f->why = "what is not seen is not judged either";
    f->sure = DIAG_PROVED;
    f->sure_why = "reading said so";
    f->next = "gospect goroutines {target}";
    f->weight = (double)total;
    diag_value_int(r->found, f, "missing", DIAG_COUNT, (int64_t)total);
}
