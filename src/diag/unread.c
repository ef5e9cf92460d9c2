/* unread.c - what could not be read: a verdict must say what it did not see. */
#include "diag/diag_int.h"

enum { LINES = 10 };

void diag_unread(struct diag_run *r)
{
    const struct snap *s = r->s;
    if (!s->missing.n)
        return;
    struct diag_finding *f = diag_add(r, "unread", DIAG_NOTE);
    uint64_t total = 0;
    for (size_t i = 0; i < s->missing.n; i++) {
        total += s->missing.count[i];
        if (i < LINES)
            diag_evidence(r->found, f, "%s %s: %s", diag_number(r, s->missing.count[i]),
                          snap_str(s, s->missing.what[i]), snap_str(s, s->missing.why[i]));
    }
    if (s->missing.n > LINES)
        diag_evidence(r->found, f, "and %s more", diag_number(r, s->missing.n - LINES));
    f->title = "not everything could be read";
    f->why = "what is not seen is not judged either";
    f->sure = DIAG_PROVED;
    f->sure_why = "reading said so";
    f->next = "gospect goroutines {target}";
    f->weight = (double)total;
    diag_value_int(r->found, f, "missing", DIAG_COUNT, (int64_t)total);
}
