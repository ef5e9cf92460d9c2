/* Reports and diagnoses of whatever snapshot the reader accepts: text that is clean, JSON and
 * profiles that can be written, no finding of a sanitizer.  See fuzz/snap_file.c. */
#include <stdlib.h>
#include <string.h>

#include "diag/diag.h"
#include "report/doctor.h"
#include "report/goroutines.h"
#include "report/info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(struct err *e)
{
    if (e)
        abort();
}

/* Text for terminals has no control characters but newlines; the sink is emptied. */
static void clean(struct buf *b, bool text)
{
    for (size_t i = 0; text && i < b->n; i++)
        if ((unsigned char)b->p[i] < ' ' && b->p[i] != '\n')
            abort();
    buf_free(b);
}

static void goroutines(const struct snap *s, struct snap_rows *rows, struct snap_groups *groups)
{
    struct buf b = {0};
    struct report_sink out = report_to_buf(&b);
    struct report_style style = {.width = 80};
    struct report_goroutines r = {.snap = s,
                                  .rows = rows,
                                  .groups = groups,
                                  .goroutines = true,
                                  .limit = 50,
                                  .depth = 20,
                                  .locals = true};
    must(report_goroutines_text(&r, &style, out));
    clean(&b, true);
    must(report_goroutines_json(&r, out));
    clean(&b, true);
    r.groups = NULL;
    r.runtime_frames = style.full_names = true;
    must(report_goroutines_text(&r, &style, out));
    clean(&b, true);
    must(report_goroutines_pprof(s, rows, out));
    clean(&b, false);
}

static void doctor(const struct snap *s)
{
    struct buf b = {0};
    struct report_sink out = report_to_buf(&b);
    struct report_style style = {.width = 80};
    struct diag_findings found = {0};
    struct diag_input in = {.now = s};
    diag_examine(&in, &found);
    struct report_doctor r = {.found = &found, .now = s};
    must(report_doctor_text(&r, &style, out));
    clean(&b, true);
    must(report_doctor_json(&r, out));
    clean(&b, true);
    diag_findings_free(&found);
    must(report_info_text(s, &style, out));
    clean(&b, true);
    must(report_info_json(s, out));
    clean(&b, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snap *s;
    struct snap_rows rows;
    struct snap_groups *groups;
    struct snap_selection all = {.system = true};
    struct snap_group_options o = {.by = SNAP_BY_STACK};
    struct err *e = snap_read_bytes(data, size, "input", &s);
    if (e) {
        err_free(e);
        return 0;
    }
    must(snap_select(s, &all, &rows));
    must(snap_group(s, &rows, &o, &groups));
    goroutines(s, &rows, groups);
    snap_groups_free(groups);
    snap_rows_free(&rows);
    doctor(s);
    snap_free(s);
    return 0;
}
