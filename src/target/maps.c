/* maps.c - reading /proc/PID/maps.
 *
 * Parsed by hand: a Go process with a large heap and many threads has thousands of lines, and they
 * are read while it stands still. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/vec.h"
#include "target/proc_int.h"

enum { MAPS_MAX = 64 << 20 };

/* A number and the byte behind it; false when it is not there or something else follows. */
static bool number(const char **at, unsigned base, char behind, uint64_t *ret)
{
    const char *p = *at;
    uint64_t v = 0;
    for (;; p++) {
        unsigned digit = *p >= '0' && *p <= '9'   ? (unsigned)(*p - '0')
                         : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10
                                                  : 99;
        if (digit >= base)
            break;
        if (v > UINT64_MAX / base)
            return false;
        v = v * base + digit;
    }
    if (p == *at || *p != behind)
        return false;
    *at = p + 1;
    *ret = v;
    return true;
}

static bool parse_line(struct arena *a, const char *line, struct target_mapping *ret)
{
    const char *p = line;
    uint64_t major, minor;
    memset(ret, 0, sizeof(*ret));
    if (!number(&p, 16, '-', &ret->start) || !number(&p, 16, ' ', &ret->end) || strlen(p) < 5 ||
        p[4] != ' ' || ret->end < ret->start)
        return false;
    ret->readable = p[0] == 'r';
    ret->writable = p[1] == 'w';
    ret->executable = p[2] == 'x';
    ret->shared = p[3] == 's';
    p += 5;
    if (!number(&p, 16, ' ', &ret->offset) || !number(&p, 16, ':', &major) ||
        !number(&p, 16, ' ', &minor))
        return false;
    size_t digits = strspn(p, "0123456789");
    if (!digits || digits > 20)
        return false;
    for (; digits; digits--)
        ret->inode = ret->inode * 10 + (uint64_t)(*p++ - '0');
    p += strspn(p, " ");
    ret->path = *p ? arena_strdup(a, p) : "";
    return true;
}

struct err *proc_parse_maps(char *text, struct arena *a, struct target_mapping **ret, size_t *ret_n)
{
    VEC(struct target_mapping) maps = {0};
    char *rest = text, *line;
    struct err *e = NULL;
    while (!e && rest && (line = strsep(&rest, "\n"))) {
        struct target_mapping m;
        if (!*line)
            continue;
        if (!parse_line(a, line, &m) || (maps.n && vec_last(&maps)->end > m.start))
            e = err_new(ERR_BAD_DATA, "the memory map is not understood: %.80s", line);
        else
            vec_push(&maps, m);
    }
    if (!e) {
        *ret = arena_array(a, struct target_mapping, maps.n);
        if (maps.n)
            memcpy(*ret, maps.v, maps.n * sizeof(*maps.v));
        *ret_n = maps.n;
    }
    vec_free(&maps);
    return e;
}

struct err *proc_mappings(pid_t pid, struct arena *a, struct target_mapping **ret, size_t *ret_n)
{
    char path[64];
    struct buf text = {0};
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    struct err *e = file_read(path, MAPS_MAX, &text);
    if (e && (err_errno(e) == ENOENT || err_errno(e) == ESRCH)) {
        err_free(e);
        e = err_new(ERR_GONE, "process %d has ended", pid);
    } else if (e && err_code(e) == ERR_SYS) {
        int errnum = err_errno(e);
        err_free(e);
        e = denied(pid, errnum, "read the memory map of");
    } else if (!e && !text.n) { /* the kernel shows an empty map once the memory is gone */
        e = err_new(ERR_GONE, "process %d has ended", pid);
    } else if (!e) {
        e = proc_parse_maps(text.p, a, ret, ret_n);
    }
    buf_free(&text);
    return e;
}
