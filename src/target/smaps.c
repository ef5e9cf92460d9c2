/* smaps.c - reading /proc/PID/smaps; see smaps_int.h. */
#include "target/smaps_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/vec.h"

#define SMAPS_MAX ((size_t)1 << 30)

static bool has_flag(const char *flags, const char *two)
{
    for (const char *p = flags; (p = strstr(p, two)); p++)
        if (p[-1] == ' ' && (p[2] == ' ' || p[2] == '\0'))
            return true;
    return false;
}

struct err *smaps_parse(char *text, struct arena *a, struct smaps_line **ret, size_t *ret_n)
{
    VEC(struct smaps_line) lines = {0};
    char *rest = text, *line;
    while (rest && (line = strsep(&rest, "\n"))) {
        struct smaps_line l = {0};
        uint64_t kib;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &l.start, &l.end) == 2 && l.start < l.end) {
            vec_push(&lines, l);
        } else if (lines.n && sscanf(line, "Anonymous: %" SCNu64, &kib) == 1) {
            vec_last(&lines)->anonymous = kib * 1024;
        } else if (lines.n && strncmp(line, "VmFlags:", 8) == 0) {
            vec_last(&lines)->io = has_flag(line + 8, "io") || has_flag(line + 8, "pf");
            vec_last(&lines)->dont_dump = has_flag(line + 8, "dd");
        }
    }
    *ret = arena_array(a, struct smaps_line, lines.n);
    if (lines.n)
        memcpy(*ret, lines.v, lines.n * sizeof(*lines.v));
    *ret_n = lines.n;
    vec_free(&lines);
    return NULL;
}

struct err *smaps_read(pid_t pid, struct arena *a, struct smaps_line **ret, size_t *ret_n)
{
    char path[64];
    struct buf text = {0};
    snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
    struct err *e = file_read(path, SMAPS_MAX, &text);
    if (!e && !text.n)
        e = err_new(ERR_GONE, "process %d has ended", pid);
    if (!e)
        e = smaps_parse(text.p, a, ret, ret_n);
    buf_free(&text);
    return e;
}
