/* code.h - whose code a frame is: the runtime's, the standard library's, or the program's own.
 *
 * Told from package and source file, for programs built with and without -trimpath.  Functions that
 * the runtime implements for other packages (sync.runtime_Semacquire,
 * internal/poll.runtime_pollWait) are the runtime's; those people call (time.Sleep) are the
 * package's.
 *
 * Owner: the caller.  Thread: any number of readers. */
#ifndef GOSPECT_SNAP_CODE_H
#define GOSPECT_SNAP_CODE_H

#include "base/buf.h"
#include "snap/snap.h"

enum snap_code { SNAP_CODE_RUNTIME, SNAP_CODE_STD, SNAP_CODE_USER, SNAP_CODE_FOREIGN };

struct snap_codes {
    uint8_t *frame; /* enum snap_code of each row of table frame; owned */
    struct buf
        goroot; /* GOROOT/src/ of the build, ending in a slash; empty: -trimpath, or unknown */
};
void snap_codes_init(struct snap_codes *c, const struct snap *s);
void snap_codes_free(struct snap_codes *c);

/* Whether the linker's name of a function is one of the runtime's own. */
bool snap_is_runtime_func(const char *func);

/* The package of a function as the linker names it: how many bytes of the name. */
size_t snap_package_len(const char *func);

/* For every stack node a row of frame (SNAP_NONE: there is none): the innermost that is not the
 * runtime's, the innermost that is the program's own, the outermost that is not the runtime's.
 * Wrappers count only where there is nothing else: in a goroutine that never ran. */
struct snap_tops {
    uint32_t *top, *user, *bottom; /* owned, by row of stack */
};
void snap_tops_init(struct snap_tops *t, const struct snap *s, const struct snap_codes *c);
void snap_tops_free(struct snap_tops *t);

#endif
