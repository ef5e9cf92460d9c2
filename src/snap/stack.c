/* stack.c - walking stored stacks; see snap.h.
 *
 * Go: runtime/traceback.go showframe, elideWrapperCalling (1.18-1.27): a compiler-made wrapper is
 * hidden unless it called a panic function, in which case it is where things went wrong.
 *
 * The innermost frame is always shown: one that called nothing is where the goroutine stands.  A
 * goroutine that never ran stands at the start of a wrapper when `go` was given arguments. */
#include "snap/snap_int.h"

void snap_stack_iter_init(struct snap_stack_iter *it, const struct snap *s, uint32_t node)
{
    *it = (struct snap_stack_iter){.s = s, .node = node, .callee = SNAP_FN_GOPANIC};
}

/* Moves to the next stack node; false at the end. */
static bool enter_node(struct snap_stack_iter *it)
{
    const struct snap *s = it->s;
    if (it->node == SNAP_NONE || it->node >= s->stack.n)
        return false;
    it->pc = s->stack.pc[it->node];
    it->node = s->stack.parent[it->node];
    if (it->pc < s->pc.n && s->pc.frames[it->pc]) {
        it->at = s->pc.frame[it->pc];
        it->end = it->at + s->pc.frames[it->pc];
    }
    return true;
}

bool snap_stack_next(struct snap_stack_iter *it)
{
    for (;;) {
        if (it->at == it->end) {
            if (!enter_node(it))
                return false;
            if (it->at == it->end) { /* a pc without frames */
                it->frame = SNAP_NONE;
                it->index = it->seen++;
                it->callee = SNAP_FN_NORMAL;
                return true;
            }
        }
        it->frame = it->at++;
        it->index = it->seen++;
        enum snap_funcid id = it->s->frame.func_id[it->frame], callee = it->callee;
        it->callee = id;
        if (it->all || id != SNAP_FN_WRAPPER || snap_is_panic(callee))
            return true;
    }
}
